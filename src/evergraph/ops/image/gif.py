"""GIF files: all frames, as TF 1 puts them together.

TF 1 paints each frame over the one before, with every pixel that the frame has: transparency and disposal say nothing.
So the blocks of a file are read here, and Pillow unpacks the pixels of one frame at a time, from a file of that frame.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergraph.ops.image.codec_inputs import library
from evergraph.ops.opdef import kernel_error


@dataclass
class _Frame:
    left: int
    top: int
    width: int
    height: int
    palette: bytes  # three bytes a colour
    is_interlaced: bool
    pixels: bytes  # LZW data with its sub-blocks


def _error(why: str, data: bytes) -> Exception:
    return kernel_error(f"Invalid GIF data (size {len(data)}), {why}")


def _frames(data: bytes) -> list[_Frame]:
    """The frames of a file."""
    size = len(data)

    def sub_blocks(at: int) -> int:
        """Where the sub-blocks that begin at `at` end."""
        while at < size and data[at]:
            at += 1 + data[at]
        if at >= size:
            raise _error("it ends too early", data)
        return at + 1

    def palette(flags: int, at: int) -> bytes:
        length = 3 << (flags & 7) + 1 if flags & 0x80 else 0
        if at + length > size:
            raise _error("it ends too early", data)
        return data[at : at + length]

    if size < 13:
        raise _error("it ends too early", data)
    shared = palette(data[10], 13)
    at = 13 + len(shared)
    frames: list[_Frame] = []
    while True:
        if at >= size:
            raise _error("it ends too early", data)
        match data[at]:
            case 0x3B:  # the end
                return frames
            case 0x21:  # an extension
                at = sub_blocks(at + 2)
            case 0x2C:
                if at + 10 > size:
                    raise _error("it ends too early", data)
                left, top, width, height, flags = struct.unpack_from("<HHHHB", data, at + 1)
                own = palette(flags, at + 10)
                start = at + 10 + len(own)
                at = sub_blocks(start + 1)
                if not own and not shared:
                    raise _error(f"missing color map for frame {len(frames)}", data)
                is_interlaced = bool(flags & 0x40)
                frames.append(_Frame(left, top, width, height, own or shared, is_interlaced, data[start:at]))
            case _:
                raise _error(f"unknown block {data[at]:#x}", data)


def _indices(frame: _Frame, data: bytes) -> np.ndarray:
    """The places in its palette of a frame's pixels."""
    reader: Any = library("PIL.GifImagePlugin", "decoding a GIF file")
    if not frame.width or not frame.height:
        return np.zeros((frame.height, frame.width), np.uint8)
    bits = (len(frame.palette) // 3).bit_length() - 2
    # Different colours in all entries: Pillow would take a palette of grays for a gray image.
    colours = b"".join(bytes((i, 255 - i, 0)) for i in range(2 << bits))
    size = struct.pack("<HH", frame.width, frame.height)
    alone = b"".join(
        (
            b"GIF89a" + size + bytes((0x80 | bits, 0, 0)) + colours,
            b"\x2c\0\0\0\0" + size + bytes((0x40 * frame.is_interlaced,)),
            frame.pixels + b"\x3b",
        )
    )
    try:
        with reader.GifImageFile(io.BytesIO(alone)) as file:
            if file.mode != "P":
                raise _error(f"its pixels are read as {file.mode}", data)
            indices = np.asarray(file)
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise _error(str(error), data) from None
    if indices.shape != (frame.height, frame.width):
        raise _error("a frame has too few pixels", data)
    return indices


def decode(data: bytes) -> np.ndarray:
    """All frames of a GIF file: uint8, shape `(frames, height, width, 3)`."""
    frames = _frames(data)
    if not frames:
        raise _error("gif file does not contain any image", data)
    width, height = max(f.width for f in frames), max(f.height for f in frames)
    if len(frames) * width * height * 3 > 2**31:
        raise _error(f"it has {len(frames)} frames of {height} x {width}", data)
    result = np.zeros((len(frames), height, width, 3), np.uint8)
    for i, frame in enumerate(frames):
        if (frame.left, frame.top, frame.width, frame.height) != (0, 0, width, height):
            if not i:
                raise _error("the first frame does not fill the canvas", data)
            result[i] = result[i - 1]
        indices = _indices(frame, data)
        colours = np.frombuffer(frame.palette, np.uint8).reshape(-1, 3)
        if indices.size and indices.max() >= len(colours):
            raise _error(f"found color index {indices.max()} outside of color map range {len(colours)}", data)
        bottom, right = min(frame.top + frame.height, height), min(frame.left + frame.width, width)
        if bottom > frame.top and right > frame.left:
            part = indices[: bottom - frame.top, : right - frame.left]
            result[i, frame.top : bottom, frame.left : right] = colours[part]
    return result
