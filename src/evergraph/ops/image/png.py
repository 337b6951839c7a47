"""PNG files, read and written as libpng does it for TF 1.

A file is a row of chunks; the pixels are in the IDAT chunks, deflated. Before that each row is *filtered*: its bytes
are differences to the bytes on the left (a), above (b), above left (c), or to a guess from all three. Undoing it needs
the pixels in order, but pixels on one diagonal do not depend on one another, so a whole diagonal is undone at once:

    c b        a pixel in row y and column x is on diagonal x + y;
    a *        then a and b are on the one before, and c is on the one before that

8-bit files are read by Pillow where it is installed: it is several times faster, and the pixels are the same.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergraph.ops.opdef import kernel_error

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_SAMPLES = {_GRAY: 1, _RGB: 3, _PALETTE: 1, _GRAY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {_GRAY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)}
_LARGEST = 1_000_000  # libpng's limit of width and height
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_LUMA = 9797, 19234, 3737  # of 2**15: red 0.299, green 0.587, and the rest


@dataclass
class _Header:
    width: int
    height: int
    depth: int
    kind: int
    is_interlaced: bool

    @property
    def samples(self) -> int:
        return _SAMPLES[self.kind]


def _error(why: str, size: int) -> Exception:
    return kernel_error(f"Invalid PNG data, size {size}: {why}")


def _chunks(data: bytes) -> tuple[_Header, bytes, bytes, bytes | None, float]:
    """Header, deflated pixels, palette, transparency and gamma (1 if it says none) of a file."""
    size = len(data)
    header: _Header | None = None
    pixels, palette, transparency, gamma = [], b"", None, 1.0
    at = len(SIGNATURE)
    while True:
        if at + 12 > size:
            raise _error("it ends too early", size)
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > size:
            raise _error(f"its chunk {kind!r} ends too early", size)
        body = data[at + 8 : at + 8 + length]
        is_critical = not kind[0] & 0x20
        if is_critical and zlib.crc32(body, zlib.crc32(kind)) != struct.unpack_from(">I", data, at + 8 + length)[0]:
            raise _error(f"wrong checksum of chunk {kind!r}", size)
        at += 12 + length
        if header is None and kind != b"IHDR":
            raise _error("it has no header", size)
        match kind:
            case b"IHDR":
                header = _header(body, size)
            case b"PLTE":
                palette = body
            case b"tRNS":
                transparency = body
            case b"gAMA" if length == 4 and any(body):
                gamma = struct.unpack(">I", body)[0] / 100_000
            case b"sRGB":
                gamma = 0.45455
            case b"IDAT":
                pixels.append(body)
            case b"IEND":
                break
            case _ if is_critical:
                raise _error(f"unknown critical chunk {kind!r}", size)
    assert header is not None
    if header.kind == _PALETTE and not palette:
        raise _error("it has no palette", size)
    if not pixels:
        raise _error("it has no pixels", size)
    return header, b"".join(pixels), palette, transparency, gamma


def _header(body: bytes, size: int) -> _Header:
    if len(body) != 13:
        raise _error("its header has a wrong length", size)
    width, height, depth, kind, compression, filtering, interlace = struct.unpack(">IIBBBBB", body)
    if not 0 < width <= _LARGEST or not 0 < height <= _LARGEST:
        raise _error(f"its size is {height} x {width}", size)
    if kind not in _SAMPLES or depth not in _DEPTHS.get(kind, (8, 16)):
        raise _error(f"its colour type is {kind}, of {depth} bits", size)
    if compression or filtering or interlace > 1:
        raise _error("its compression, filter or interlace method is unknown", size)
    return _Header(width, height, depth, kind, bool(interlace))


def _row_bytes(header: _Header, width: int) -> int:
    return (width * header.samples * header.depth + 7) // 8


def _pass_sizes(header: _Header) -> list[tuple[int, int, slice, slice]]:
    """Height and width of each pass over the image, and which pixels it has."""
    if not header.is_interlaced:
        return [(header.height, header.width, slice(None), slice(None))]
    passes = []
    for x, y, dx, dy in _ADAM7:
        height, width = -(-(header.height - y) // dy), -(-(header.width - x) // dx)
        if height > 0 and width > 0:
            passes.append((height, width, slice(y, None, dy), slice(x, None, dx)))
    return passes


def _samples(header: _Header, deflated: bytes, size: int) -> np.ndarray:
    """The raw samples, `(height, width, samples)`: uint16 where they have 16 bits, else uint8."""
    passes = _pass_sizes(header)
    needed = sum(height * (1 + _row_bytes(header, width)) for height, width, *_ in passes)
    if needed > 2**31:
        raise _error(f"its size is {header.height} x {header.width}", size)
    try:
        raw = zlib.decompressobj().decompress(deflated, needed)
    except zlib.error as error:
        raise _error(str(error), size) from None
    if len(raw) < needed:
        raise _error("it has too few pixels", size)
    flat = np.frombuffer(raw, np.uint8)
    image = np.empty((header.height, header.width, header.samples), np.uint16 if header.depth == 16 else np.uint8)
    at = 0
    for height, width, rows, columns in passes:
        row_bytes = _row_bytes(header, width)
        part = flat[at : at + height * (1 + row_bytes)].reshape(height, 1 + row_bytes)
        at += part.size
        if part[:, 0].max() > 4:
            raise _error(f"its filter type is {part[:, 0].max()}", size)
        unit = max(1, header.samples * header.depth // 8)
        rows_of_bytes = _unfiltered(part[:, 0], part[:, 1:].reshape(height, -1, unit)).reshape(height, -1)
        image[rows, columns] = _unpacked(header, rows_of_bytes, width)
    return image


def _unpacked(header: _Header, rows: np.ndarray, width: int) -> np.ndarray:
    if header.depth == 16:
        return rows.view(">u2").reshape(len(rows), width, -1)
    if header.depth < 8:
        bits = np.unpackbits(rows, axis=1).reshape(len(rows), -1, header.depth)
        rows = bits @ (1 << np.arange(header.depth - 1, -1, -1)).astype(np.uint8)
    return rows[:, : width * header.samples].reshape(len(rows), width, -1)


def _unfiltered(kinds: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Undo the filters of `rows`, `(height, pixels, bytes of a pixel)`."""
    height, width, unit = rows.shape
    result = np.zeros((height + 1, width + 1, unit), np.uint8)
    if kinds.max(initial=0) <= 2:
        for y, kind in enumerate(kinds):
            row = rows[y]
            if kind == 1:
                row = np.add.accumulate(row, axis=0, dtype=np.uint8)
            elif kind == 2:
                row = row + result[y, 1:]
            result[y + 1, 1:] = row
        return result[1:, 1:]
    flat = result.reshape(-1, unit)
    stride = width + 1
    for diagonal in range(height + width - 1):
        rows_on_it = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        column = diagonal - rows_on_it
        here = (rows_on_it + 1) * stride + column + 1
        left, above = flat[here - 1].astype(np.int16), flat[here - stride].astype(np.int16)
        kind = kinds[rows_on_it][:, None]
        corner = flat[here - stride - 1].astype(np.int16)
        guess = left + above - corner
        a, b, c = abs(guess - left), abs(guess - above), abs(guess - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        by = np.where(kind == 4, paeth, np.where(kind == 3, (left + above) >> 1, np.where(kind == 2, above, left)))
        flat[here] = rows[rows_on_it, column] + np.where(kind == 0, 0, by).astype(np.uint8)
    return np.ascontiguousarray(result[1:, 1:])


def _samples_by_pillow(data: bytes, header: _Header) -> np.ndarray | None:
    """The same as `_samples`, if Pillow is there and keeps the samples of such a file as they are."""
    modes = {_GRAY: "L", _RGB: "RGB", _PALETTE: "P", _GRAY_ALPHA: "LA", _RGB_ALPHA: "RGBA"}
    if header.depth != 8:
        return None
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        return None
    import io

    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as file:
            if file.mode != modes[header.kind] or file.size != (header.width, header.height):
                return None
            pixels = np.asarray(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return pixels.reshape(header.height, header.width, -1)


def decode(data: bytes, channels: int, dtype: Any) -> np.ndarray:
    """The pixels of a PNG file.

    Args:
        data: the file.
        channels: 0 for as many as the file has, 1 (gray), 3 (RGB) or 4 (RGBA). A gray pixel is 0.299 red, 0.587 green
            and 0.114 blue, of the light that they stand for by the file's gamma, if it says one. (For 16-bit samples
            libpng does that, too; here these are taken as they are.)
        dtype: uint8 or uint16; 16-bit samples lose their lower half in uint8, 8-bit ones are doubled in uint16.
    """
    size = len(data)
    header, deflated, palette, transparency, gamma = _chunks(data)
    if header.width * header.height >= 1 << 29:
        raise _error(f"its size is {header.height} x {header.width}, which is too large", size)
    image = _samples_by_pillow(data, header)
    if image is None:
        image = _samples(header, deflated, size)
    if not channels:
        has_alpha = header.kind == _PALETTE and transparency is not None
        channels = (4 if has_alpha else 3) if header.kind == _PALETTE else header.samples
    wants_alpha, wants_gray = channels in (2, 4), channels < 3
    colours, alpha = _expanded(header, image, palette, transparency, wants_alpha, size)
    is_wide = header.depth == 16
    if wants_gray and colours.shape[2] == 3:
        colours = _gray(colours, is_wide, gamma)
    elif not wants_gray and colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    pixels = np.concatenate([colours, alpha], axis=2) if wants_alpha else colours
    if dtype == np.uint8:
        return (pixels >> 8).astype(np.uint8) if is_wide else pixels
    return pixels.astype(np.uint16) if is_wide else pixels.astype(np.uint16) * np.uint16(257)


def _expanded(
    header: _Header, image: np.ndarray, palette: bytes, transparency: bytes | None, wants_alpha: bool, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Colours, of one or three channels, and alpha."""
    dtype = image.dtype
    opaque = np.full((*image.shape[:2], 1), (1 << header.depth) - 1, dtype)
    if header.kind in (_GRAY_ALPHA, _RGB_ALPHA):
        return image[..., :-1], image[..., -1:]
    if header.kind == _PALETTE:
        entries = np.zeros((256, 4), np.uint8)
        known = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)[:256]
        entries[: len(known), :3] = known
        entries[:, 3] = 255
        if transparency is not None:
            entries[: len(transparency), 3] = np.frombuffer(transparency[:256], np.uint8)
        rgba = entries[image[..., 0]]
        return rgba[..., :3], rgba[..., 3:] if transparency is not None else opaque
    alpha = opaque
    if transparency is not None and wants_alpha and len(transparency) >= 2 * header.samples:
        colour = np.frombuffer(transparency[: 2 * header.samples], ">u2")
        largest = np.iinfo(dtype).max
        alpha = np.where((image == colour).all(axis=2, keepdims=True), 0, largest).astype(dtype)
    if header.depth < 8:
        image = image * dtype.type(255 // ((1 << header.depth) - 1))
    return image, alpha


def _gray(colours: np.ndarray, is_wide: bool, gamma: float) -> np.ndarray:
    same = (colours[..., 0] == colours[..., 1]) & (colours[..., 1] == colours[..., 2])
    is_curved = abs(gamma - 1) > 0.05 and not is_wide
    parts = _by_power(1 / gamma)[colours] if is_curved else colours
    red, green, blue = (parts[..., i].astype(np.uint32) * np.uint32(share) for i, share in enumerate(_LUMA))
    gray = (red + green + blue + np.uint32(16384 if is_wide or is_curved else 0)) >> 15
    if is_curved:
        gray = _by_power(gamma)[gray]
    return np.where(same, colours[..., 0], gray.astype(colours.dtype))[..., None]


def _by_power(exponent: float) -> np.ndarray:
    """Of each byte, as a fraction of 255, a power."""
    return np.floor(255 * (np.arange(256) / 255) ** exponent + 0.5).astype(np.uint8)


# Writing


def encode(image: np.ndarray, compression: int) -> bytes:
    """A PNG file of `image`, uint8 or uint16, of one to four channels; `compression` is zlib's, -1 its default."""
    height, width, channels = image.shape
    depth = image.dtype.itemsize * 8
    kind = {1: _GRAY, 2: _GRAY_ALPHA, 3: _RGB, 4: _RGB_ALPHA}[channels]
    rows = np.ascontiguousarray(image.astype(image.dtype.newbyteorder(">"))).reshape(height, -1).view(np.uint8)
    filtered = _filtered(rows, channels * image.dtype.itemsize)
    deflate = zlib.compressobj(compression, zlib.DEFLATED, _window_bits(len(filtered)), 9, zlib.Z_FILTERED)
    pixels = _with_smallest_window(deflate.compress(filtered) + deflate.flush(), len(filtered))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", header)]
    parts += [_chunk(b"IDAT", pixels[i : i + 8192]) for i in range(0, len(pixels), 8192)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _window_bits(size: int) -> int:
    """The smallest window of zlib's that holds all of the data, as libpng picks it."""
    bits = 15
    if size <= 16384:
        while size + 262 <= 1 << (bits - 1):
            bits -= 1
    return max(bits, 9)  # zlib itself takes 9 for 8


def _with_smallest_window(deflated: bytes, size: int) -> bytes:
    """`deflated` with a first byte that asks a reader for no larger window than the data needs."""
    info = deflated[0] >> 4
    while size <= 16384 and info and size <= 1 << (info + 7):
        info -= 1
    first, second = info << 4 | deflated[0] & 15, deflated[1] & 0xE0
    second += 31 - (first << 8 | second) % 31
    return bytes((first, second)) + deflated[2:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _filtered(rows: np.ndarray, unit: int) -> bytes:
    """Each row by the filter that gives the smallest sum of absolute differences."""
    wide = rows.astype(np.int16)
    left = np.zeros_like(wide)
    left[:, unit:] = wide[:, :-unit]
    above = np.zeros_like(wide)
    above[1:] = wide[:-1]
    corner = np.zeros_like(wide)
    corner[1:] = left[:-1]
    guess = left + above - corner
    a, b, c = abs(guess - left), abs(guess - above), abs(guess - corner)
    paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
    candidates = np.stack([wide, wide - left, wide - above, wide - ((left + above) >> 1), wide - paeth], axis=0).astype(
        np.uint8
    )
    cost = np.minimum(candidates, 256 - candidates.astype(np.int32)).sum(axis=2, dtype=np.int64)
    kinds = cost.argmin(axis=0)
    chosen = candidates[kinds, np.arange(len(rows))]
    return np.concatenate([kinds.astype(np.uint8)[:, None], chosen], axis=1).tobytes()
