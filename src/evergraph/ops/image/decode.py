"""Images out of the bytes of a file: JPEG, PNG, GIF and BMP."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.checks import Assert
from evergraph.ops.cond import cond
from evergraph.ops.image import gif, jpeg, png
from evergraph.ops.image.codec_inputs import GIF, JPEG, PNG, decoded_shape, image_format, scalar_bytes
from evergraph.ops.image.conversion import convert_image_dtype
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.static_values import whole

_DCT_METHODS = (b"", b"INTEGER_FAST", b"INTEGER_ACCURATE")


def _check_channels(channels: int) -> None:
    if channels not in (0, 1, 3, 4):
        raise kernel_error(f"channels must be 0, 1, 3, or 4, got {channels}")


def _decoded(data: bytes, channels: int, is_gif: bool, **options: Any) -> np.ndarray:
    """A JPEG, PNG or GIF file's pixels, as the ops of all three give them: each reads the other formats as well."""
    kind = image_format(data)
    if kind == JPEG:
        if channels == 4:
            raise kernel_error(f"channels must be 0, 1, or 3 for JPEG, got {channels}")
        plain = (1, True, False, 1.0, b"")
        image = jpeg.decode(data, channels, *options.get("jpeg", plain))
        return image[None] if is_gif else image
    if kind == PNG:
        image = png.decode(data, channels, options.get("dtype", np.uint8))
        return image[None] if is_gif else image
    if channels not in (0, 3):
        raise kernel_error(f"channels must be 0 or 3 for GIF, got {channels}")
    frames = gif.decode(data)
    if is_gif:
        return frames
    if len(frames) != 1:
        raise kernel_error(f"Got {len(frames)} frames, but animated gifs can only be decoded by tf.image.decode_gif")
    return frames[0]


def _jpeg_options(ratio: int, dct_method: bytes, *rest: Any) -> tuple[Any, ...]:
    if ratio not in (1, 2, 4, 8):
        raise kernel_error(f"ratio must be 1, 2, 4, or 8, got {ratio}")
    if dct_method not in _DCT_METHODS:
        raise kernel_error(f"dct_method must be one of '', 'INTEGER_FAST', 'INTEGER_ACCURATE', got {dct_method!r}")
    return (ratio, *rest, dct_method)


@op("DecodeJpeg", host=True, shape=decoded_shape, differentiable=False)
def decode_jpeg(
    xp: Any,
    contents: Any,
    *,
    channels: int,
    ratio: int,
    fancy_upscaling: bool,
    try_recover_truncated: bool,
    acceptable_fraction: float,
    dct_method: bytes,
) -> Any:
    """Decode a JPEG image (or one in PNG or GIF): uint8, shape `[height, width, channels]`.

    Pixels are those of TF 1.15, except for images in CMYK and, of a truncated file, the row of blocks in which it ends.

    Args:
        contents: a scalar string, the bytes of the file.
        channels: 0 for as many as the file has, 1 for gray, 3 for RGB.
        ratio: divide the size by 1, 2, 4 or 8 on the way.
        fancy_upscaling: interpolate colours of a lower resolution.
        try_recover_truncated: fill what a truncated file lacks.
        acceptable_fraction: how much of the rows there have to be; the rest is black.
        dct_method: "INTEGER_FAST" (the default) or "INTEGER_ACCURATE".

    Raises:
        InvalidArgumentError: if the bytes are not such a file.
    """
    _check_channels(channels)
    options = _jpeg_options(ratio, dct_method, fancy_upscaling, try_recover_truncated, acceptable_fraction)
    return _decoded(scalar_bytes(contents), channels, False, jpeg=options)


public("image.decode_jpeg", "io.decode_jpeg")(decode_jpeg)


def _crop_shape(contents: Any, crop_window: Any, *, channels: int) -> Any:
    *_, depth = decoded_shape(contents, channels=channels)
    window = whole(crop_window)
    if window is not None and len(window) != 4:
        raise ShapeError(f"Dimension must be 4 but is {len(window)}")
    return (*(window[2:] if window else (None, None)), depth)


@op("DecodeAndCropJpeg", host=True, static=("crop_window",), shape=_crop_shape, differentiable=False)
def decode_and_crop_jpeg(
    xp: Any,
    contents: Any,
    crop_window: Any,
    *,
    channels: int,
    ratio: int,
    fancy_upscaling: bool,
    try_recover_truncated: bool,
    acceptable_fraction: float,
    dct_method: bytes,
) -> Any:
    """Decode a part of a JPEG image: what `decode_jpeg` gives of it.

    TF 1.15's pixels at the edge of the part may differ by one or two shades, where colours are interpolated.

    Args:
        contents: a scalar string, the bytes of the file.
        crop_window: int32: `[y, x, height, width]`.
        channels: this and the rest are as of `decode_jpeg`.
    """
    _check_channels(channels)
    options = _jpeg_options(ratio, dct_method, fancy_upscaling, try_recover_truncated, acceptable_fraction)
    data = scalar_bytes(contents)
    if np.shape(crop_window) != (4,):
        raise kernel_error(f"crop_window must have four elements, got {np.asarray(crop_window).tolist()}")
    image = _decoded(data, channels, False, jpeg=options)
    if image_format(data) != JPEG:
        return image
    y, x, height, width = (int(n) for n in crop_window)
    if height <= 0 or width <= 0 or y < 0 or x < 0 or y + height > image.shape[0] or x + width > image.shape[1]:
        raise kernel_error(
            f"Invalid JPEG data or crop window, data size {len(data)}: the image is {image.shape[0]} x "
            f"{image.shape[1]}, the window {height} x {width} at ({y}, {x})"
        )
    return np.ascontiguousarray(image[y : y + height, x : x + width])


public("image.decode_and_crop_jpeg", "io.decode_and_crop_jpeg")(decode_and_crop_jpeg)


@op("ExtractJpegShape", host=True, differentiable=False)
def extract_jpeg_shape(xp: Any, contents: Any, *, output_type: Any) -> Any:
    """Height, width and channels of a JPEG image, from its header alone.

    Args:
        contents: a scalar string, the bytes of the file.
        output_type: int32 or int64.
    """
    return np.array(jpeg.shape(scalar_bytes(contents)), output_type.np)


@extract_jpeg_shape.shape
def extract_jpeg_shape_shape(contents: Any) -> Any:
    with_rank(contents, 0)
    return (3,)


public("image.extract_jpeg_shape", "io.extract_jpeg_shape")(extract_jpeg_shape)


@op("DecodePng", host=True, shape=decoded_shape, differentiable=False)
def decode_png(xp: Any, contents: Any, *, channels: int, dtype: Any) -> Any:
    """Decode a PNG image (or one in JPEG or GIF): shape `[height, width, channels]`.

    Args:
        contents: a scalar string, the bytes of the file.
        channels: 0 for as many as the file has, 1 for gray, 3 for RGB, 4 for RGBA.
        dtype: uint8 or uint16.

    Raises:
        InvalidArgumentError: if the bytes are not such a file.
    """
    _check_channels(channels)
    data = scalar_bytes(contents)
    if dtype.np == np.uint16 and image_format(data) != PNG:
        raise kernel_error(f"{image_format(data)} does not support uint16 output")
    return _decoded(data, channels, False, dtype=dtype.np)


public("image.decode_png", "io.decode_png")(decode_png)


@op("DecodeGif", host=True, differentiable=False)
def decode_gif(xp: Any, contents: Any) -> Any:
    """Decode all frames of a GIF image (or the one image of a JPEG or PNG file).

    Args:
        contents: a scalar string, the bytes of the file.

    Returns:
        uint8, shape `[frames, height, width, 3]`. Each frame is painted over the one before; none of it is transparent.

    Raises:
        InvalidArgumentError: if the bytes are not such a file.
    """
    data = scalar_bytes(contents)
    return _decoded(data, 0 if image_format(data) == GIF else 3, True)


@decode_gif.shape
def decode_gif_shape(contents: Any) -> Any:
    with_rank(contents, 0)
    return (None, None, None, 3)


public("image.decode_gif", "io.decode_gif")(decode_gif)


@op("DecodeBmp", host=True, shape=decoded_shape, differentiable=False)
def decode_bmp(xp: Any, contents: Any, *, channels: int) -> Any:
    """Decode a BMP image without compression, of 8 (gray), 24 or 32 bits a pixel.

    Args:
        contents: a scalar string, the bytes of the file.
        channels: 0 for as many as the file has, else 1, 3 or 4: what the file has.

    Returns:
        uint8, shape `[height, width, channels]`.

    Raises:
        InvalidArgumentError: if the bytes are not such a file.
    """
    _check_channels(channels)
    data = scalar_bytes(contents)
    if len(data) < 32:
        raise kernel_error(
            "Incomplete bmp content, requires at least 32 bytes to find the header size, width, height, and bpp, got "
            f"{len(data)} bytes"
        )
    start, width, height, bits = (struct.unpack_from("<i", data, at)[0] for at in (10, 18, 22, 28))
    in_file = int(bits / 8)
    if channels and channels != in_file:
        raise kernel_error(f"channels attribute {channels} does not match bits per pixel from file {in_file}")
    if in_file not in (1, 3, 4):
        raise kernel_error(f"Number of channels must be 1, 3 or 4, was {in_file}")
    if width <= 0 or not height or start < 0:
        raise kernel_error(
            "Width must be positive, height not zero, and the header size not negative; they are "
            f"{width}, {height} and {start}"
        )
    if width * abs(height) >= (2**31 - 1) // 8:
        raise kernel_error(f"Total possible pixel bytes must be less than 2^30: the size is {height} x {width}")
    rows, row_bytes = abs(height), (in_file * width + 3) // 4 * 4
    needed = start + (rows - 1) * row_bytes + width * in_file
    if needed > len(data):
        raise kernel_error(f"Incomplete bmp content, requires at least {needed} bytes, got {len(data)} bytes")
    pixels = np.frombuffer(data[start : start + rows * row_bytes].ljust(rows * row_bytes, b"\0"), np.uint8)
    image = pixels.reshape(rows, row_bytes)[:, : width * in_file].reshape(rows, width, in_file)
    if height > 0:
        image = image[::-1]
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[in_file]
    return np.ascontiguousarray(image[..., order])


public("image.decode_bmp", "io.decode_bmp")(decode_bmp)


# Whichever it is


def _substr(text: Any, position: int, length: int) -> Tensor:
    return raw_op("Substr")(text, position, length)


@public("image.is_jpeg", "io.is_jpeg")
def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether the bytes look like a JPEG file: a scalar bool."""
    with name_scope(name, "is_jpeg"):
        return math.equal(_substr(contents, 0, 3), b"\xff\xd8\xff", name=name)


def _is_png(contents: Any, name: str | None = None) -> Tensor:
    with name_scope(name, "is_png"):
        return math.equal(_substr(contents, 0, 3), b"\x89PN", name=name)


@public("image.decode_image", "io.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = dtypes.uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """Decode an image in JPEG, PNG, GIF or BMP, whichever it is.

    Args:
        contents: a scalar string, the bytes of the file.
        channels: None or 0 for as many as the file has, else 1, 3 or 4, where the format has that.
        dtype: of the result; the values are scaled as `convert_image_dtype` does.
        name: the name scope.
        expand_animations: give all frames of a GIF, with an axis of their own, rather than the first one.

    Returns:
        Shape `[height, width, channels]`, or `[frames, height, width, 3]` for a GIF; statically it is unknown.

    Raises:
        ValueError: for other `channels`.
        InvalidArgumentError: at run time, if it is none of these formats.
    """
    with name_scope(name, "decode_image"):
        if channels not in (None, 0, 1, 3, 4):
            raise ValueError(f"channels must be in (None, 0, 1, 3, 4), but is {channels}")
        start = _substr(contents, 0, 3)
        known_channels = 0 if channels is None else channels

        def bmp() -> Tensor:
            is_bmp = math.equal(_substr(contents, 0, 2), "BM", name="is_bmp")
            is_any = Assert(is_bmp, ["Unable to decode bytes as JPEG, PNG, GIF, or BMP"])
            is_good = math.not_equal(known_channels, 1, name="check_channels")
            checked = Assert(is_good, ["Channels must be in (None, 0, 3) when decoding BMP images"])
            with control_dependencies([is_any, checked]):
                return convert_image_dtype(decode_bmp(contents), dtype)

        def animation() -> Tensor:
            is_good = math.logical_and(
                math.not_equal(known_channels, 1, name="check_gif_channels"),
                math.not_equal(known_channels, 4, name="check_gif_channels"),
            )
            checked = Assert(is_good, ["Channels must be in (None, 0, 3) when decoding GIF images"])
            with control_dependencies([checked]):
                result = convert_image_dtype(decode_gif(contents), dtype)
                return result if expand_animations else array.gather(result, 0)

        def gif_or_other() -> Any:
            return cond(math.equal(start, b"GIF", name="is_gif"), animation, bmp, name="cond_gif")

        def portable() -> Tensor:
            kind = dtypes.uint8 if dtypes.as_dtype(dtype) == dtypes.uint8 else dtypes.uint16
            return convert_image_dtype(decode_png(contents, channels, dtype=kind), dtype)

        def png_or_other() -> Any:
            return cond(_is_png(contents), portable, gif_or_other, name="cond_png")

        def photo() -> Tensor:
            is_good = math.not_equal(known_channels, 4, name="check_jpeg_channels")
            checked = Assert(is_good, ["Channels must be in (None, 0, 1, 3) when decoding JPEG images"])
            with control_dependencies([checked]):
                return convert_image_dtype(decode_jpeg(contents, channels), dtype)

        return cond(is_jpeg(contents), photo, png_or_other, name="cond_jpeg")
