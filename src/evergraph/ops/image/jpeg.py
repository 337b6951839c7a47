"""JPEG files, by libjpeg-turbo: simplejpeg reads them, Pillow writes them (and reads what is in CMYK).

Pixels that are read and files that are written are the same, bit for bit, as TF 1.15's (libjpeg-turbo 2 and 3), with
three exceptions: images in CMYK go through the accurate DCT whichever is asked for; of a truncated file the row of
blocks in which it breaks off may differ; and a crop is a crop of the whole image, while TF 1 knows nothing of what is
around it when it interpolates colours, which shows at its edge by one or two shades.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.ops.image.codec_inputs import library
from evergraph.ops.opdef import kernel_error

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_WARNINGS = ("corrupt jpeg data", "premature end", "invalid sos", "inconsistent progression", "unknown", "too many")
"""How the messages of libjpeg begin that it goes on after."""

_XMP = b"http://ns.adobe.com/xap/1.0/\0"


def _error(data: bytes, why: str) -> Exception:
    return kernel_error(f"Invalid JPEG data or crop window, data size {len(data)}: {why}")


def frame(data: bytes) -> tuple[int, int, int, bool, int]:
    """Height, width, components, whether there is an Adobe marker, and the rows of a block, as a file's header says.

    Raises:
        ValueError: if there is no header.
    """
    at, has_adobe = 2, False
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at += 1
            continue
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD9, 0xDA):
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == 0xEE and data[at + 4 : at + 9] == b"Adobe":
            has_adobe = True
        if marker in _FRAMES and at + 10 <= len(data):
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            factors = [data[at + 11 + 3 * i] & 15 for i in range(components) if at + 11 + 3 * i < len(data)]
            return height, width, components, has_adobe or b"Adobe" in data[:at], 8 * max(factors, default=1)
        at += 2 + length
    raise ValueError("it has no header")


def shape(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels of the image in a file; 4 channels for CMYK."""
    if not data.startswith(b"\xff\xd8"):
        raise kernel_error(f"Invalid JPEG data, size {len(data)}")
    try:
        height, width, components, *_ = frame(data)
    except ValueError as error:
        raise kernel_error(f"Invalid JPEG data, size {len(data)}: {error}") from None
    if not height or not width:
        raise kernel_error(f"Invalid JPEG data, size {len(data)}: its size is {height} x {width}")
    return height, width, components


def decode(
    data: bytes,
    channels: int,
    ratio: int,
    fancy_upscaling: bool,
    try_recover_truncated: bool,
    acceptable_fraction: float,
    dct_method: bytes,
) -> np.ndarray:
    """The pixels of a JPEG file: uint8, shape `(height, width, channels)`."""
    try:
        height, width, components, has_adobe, block = frame(data)
    except ValueError as error:
        raise _error(data, str(error)) from None
    if not height or not width or height * width * components >= 1 << 29:
        raise _error(data, f"its size is {height} x {width}")
    if not channels:
        channels = min(components, 3)
    if components == 4:
        return _from_cmyk(data, channels, ratio, has_adobe)
    turbo: Any = library("simplejpeg", "decoding a JPEG file")
    options: dict[str, Any] = {
        "colorspace": "GRAY" if channels == 1 else "RGB",
        "fastdct": dct_method != b"INTEGER_ACCURATE",
        "fastupsample": not fancy_upscaling,
    }
    if ratio > 1:
        options |= {"min_factor": ratio, "min_height": -(-height // ratio), "min_width": -(-width // ratio)}
    try:
        return turbo.decode_jpeg(data, **options)
    except ValueError as error:
        complaint = str(error)
        if not complaint.lower().startswith(_WARNINGS):
            raise _error(data, complaint) from None
    try:
        image = turbo.decode_jpeg(data, strict=False, **options)
    except ValueError as error:
        raise _error(data, str(error)) from None
    if "premature end of jpeg file" not in complaint.lower() or try_recover_truncated:
        return image
    if acceptable_fraction >= 1:
        raise _error(data, complaint)
    read = _complete_rows(turbo, data, options, image, max(block // ratio, 1), fancy_upscaling)
    if np.float32(read) / np.float32(len(image)) < np.float32(acceptable_fraction):
        raise _error(data, f"{complaint} ({read} of {len(image)} rows can be read)")
    image[read:] = 0
    return image


def _complete_rows(turbo: Any, data: bytes, options: Any, image: Any, block: int, fancy_upscaling: bool) -> int:
    """How many rows of a truncated file libjpeg gives before it asks for more: those that no continuation changes."""
    other = turbo.decode_jpeg(data + b"\x55\x2a\x13\xf1\x6c" * 64, strict=False, **options)
    changed = np.flatnonzero((image != other).any(axis=(1, 2)))
    first = int(changed[0]) if len(changed) else len(image)
    whole = (first + 1) // block * block
    return max(whole - 2 if fancy_upscaling and block > 8 else whole, 0)


def _from_cmyk(data: bytes, channels: int, ratio: int, has_adobe: bool) -> np.ndarray:
    reader: Any = library("PIL.JpegImagePlugin", "decoding a JPEG file in CMYK")
    if channels == 1:
        raise _error(data, "an image in CMYK cannot become gray")
    try:
        with reader.JpegImageFile(io.BytesIO(data)) as file:
            if ratio > 1:
                file.draft("CMYK", tuple(max(n // ratio, 1) for n in file.size))
            ink = np.asarray(file).astype(np.int32)
    except (OSError, SyntaxError, ValueError) as error:
        raise _error(data, str(error)) from None
    # Pillow turns Adobe's inks around so that 255 is full; light is what is left of all of them.
    light = 255 - ink
    return (light[..., 3:] * light[..., :3] // 255).astype(np.uint8)


def encode(
    image: np.ndarray,
    quality: int,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density: tuple[bytes, int, int] = (b"in", 300, 300),
    xmp_metadata: bytes = b"",
) -> bytes:
    """A JPEG file of `image`, uint8, of one or three channels."""
    if not image.size:
        raise kernel_error(f"JPEG encoding failed: the shape is {list(image.shape)}", errors.InternalError)
    library("PIL.JpegImagePlugin", "encoding a JPEG file")
    from PIL import Image

    pixels = np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer,
        "JPEG",
        quality=quality,
        subsampling=2 if chroma_downsampling and image.shape[2] == 3 else 0,
        progressive=progressive,
        optimize=optimize_size,
    )
    data = buffer.getvalue()
    unit, x, y = density
    head = data[:13] + struct.pack(">BHH", 1 if unit == b"in" else 2, x & 0xFFFF, y & 0xFFFF) + data[18:20]
    if xmp_metadata:
        packet = _XMP + xmp_metadata
        if len(packet) > 65533:
            raise kernel_error(
                f"JPEG encoding failed: xmp_metadata has {len(xmp_metadata)} bytes", errors.InternalError
            )
        head += b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    return head + data[20:]
