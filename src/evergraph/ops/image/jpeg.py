"""JPEG files, by libjpeg-turbo: simplejpeg reads them, Pillow writes them (and reads what is in CMYK).

Pixels that are read and files that are written are the same, bit for bit, as TF 1.15's (libjpeg-turbo 2 and 3), with
three exceptions: images in CMYK, and those of an unusual resolution of colours, go through the accurate DCT whichever
is asked for; of a truncated file the row of
blocks in which it breaks off may differ; and a crop is a crop of the whole image, while TF 1 knows nothing of what is
around it when it interpolates colours, which shows at its edge by one or two shades.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Frame:
    height: int
    width: int
    components: int
    block: int  # rows of a row of blocks
    is_adobe: bool  # whether inks in CMYK are stored upside down


def _frame(data: bytes) -> _Frame:
    """What a file's header says.

    Raises:
        ValueError: if there is no header.
    """
    found, is_adobe, at = None, False, 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        if marker in (0xD9, 0xDA):  # the end, or the first pixels
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker == 0xEE and data[at + 4 : at + 9] == b"Adobe":
            is_adobe = True
        if marker in _FRAMES and at + 10 <= len(data):
            found = struct.unpack_from(">HHB", data, at + 5)
            rows = [place & 15 for place in data[at + 11 : at + 11 + 3 * found[2] : 3]]
        at += 2 + length
    if found is None:
        raise ValueError("it has no header")
    height, width, components = found
    return _Frame(height, width, components, 8 * max(rows, default=1), is_adobe)


def shape(data: bytes) -> tuple[int, int, int]:
    """Height, width and channels of the image in a file; 4 channels for CMYK."""
    if not data.startswith(b"\xff\xd8"):
        raise kernel_error(f"Invalid JPEG data, size {len(data)}")
    try:
        frame = _frame(data)
    except ValueError as error:
        raise kernel_error(f"Invalid JPEG data, size {len(data)}: {error}") from None
    if not frame.height or not frame.width:
        raise kernel_error(f"Invalid JPEG data, size {len(data)}: its size is {frame.height} x {frame.width}")
    return frame.height, frame.width, frame.components


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
        frame = _frame(data)
    except ValueError as error:
        raise _error(data, str(error)) from None
    height, width = frame.height, frame.width
    if not height or not width or height * width * frame.components >= 1 << 29:
        raise _error(data, f"its size is {height} x {width}")
    if not channels:
        channels = min(frame.components, 3)
    if frame.components == 4:
        return _from_inks(data, channels, ratio, frame.is_adobe)
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
        if "subsampling" in complaint:  # a resolution of colours that TurboJPEG has no name for
            return _by_pillow(data, "L" if channels == 1 else "RGB", ratio)
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
    read = _complete_rows(turbo, data, options, image, max(frame.block // ratio, 1), fancy_upscaling)
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


def _by_pillow(data: bytes, mode: str, ratio: int) -> np.ndarray:
    """The pixels as Pillow reads them: by the accurate DCT."""
    reader: Any = library("PIL.JpegImagePlugin", f"decoding a JPEG file in {mode}")
    try:
        with reader.JpegImageFile(io.BytesIO(data)) as file:
            file.draft(mode, tuple(max(n // ratio, 1) for n in file.size))
            image = np.asarray(file.convert(mode))
    except (OSError, SyntaxError, ValueError) as error:
        raise _error(data, str(error)) from None
    return image[..., None] if image.ndim == 2 else image


def _from_inks(data: bytes, channels: int, ratio: int, is_adobe: bool) -> np.ndarray:
    """An image in CMYK as RGB: light is what the inks leave of it."""
    if channels == 1:
        raise _error(data, "an image in CMYK cannot become gray")
    stored = _by_pillow(data, "CMYK", ratio).astype(np.int32)
    light = 255 - stored if is_adobe else stored  # Pillow turns all of them around, as Adobe's have to be
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
