"""Images into the bytes of a file: JPEG and PNG; and what goes there and back again."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.image import jpeg, png
from evergraph.ops.image.codec_inputs import encoded_shape
from evergraph.ops.image.conversion import convert_image_dtype
from evergraph.ops.image.decode import decode_jpeg
from evergraph.ops.image.image_shapes import is_symbolic
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.random import random_uniform


def _check_rank(image: Any) -> None:
    if image.ndim != 3:
        raise kernel_error(f"image must be 3-dimensional, but has shape {list(image.shape)}")


def _check_quality(quality: int) -> None:
    if not 0 <= quality <= 100:
        raise kernel_error(f"quality must be in [0,100], got {quality}")


def _bytes(value: bytes) -> np.ndarray:
    return np.array(value, dtype=object)


@op("EncodeJpeg", host=True, shape=encoded_shape, differentiable=False)
def encode_jpeg(
    xp: Any,
    image: Any,
    *,
    format: bytes,
    quality: int,
    progressive: bool,
    optimize_size: bool,
    chroma_downsampling: bool,
    density_unit: bytes,
    x_density: int,
    y_density: int,
    xmp_metadata: bytes,
) -> Any:
    """Encode an image as a JPEG file: a scalar string, the same bytes as TF 1.15 makes.

    Args:
        image: uint8, shape `[height, width, channels]`, with one or three channels.
        format: "grayscale" or "rgb", to have that checked.
        quality: 0 to 100.
        progressive: write a file that can be shown while it is loading.
        optimize_size: take more time for a smaller file.
        chroma_downsampling: halve the resolution of colours.
        density_unit: "in" or "cm".
        x_density: pixels per unit, horizontally; nothing but a remark in the file.
        y_density: pixels per unit, vertically.
        xmp_metadata: to embed in the file.

    >>> sess.run(tf.image.encode_jpeg(tf.zeros([2, 2, 3], tf.uint8)))[:4]
    b'\\xff\\xd8\\xff\\xe0'
    """
    _check_quality(quality)
    _check_rank(image)
    channels = image.shape[2]
    wanted = {b"grayscale": 1, b"rgb": 3}.get(format)
    if wanted is None and channels not in (1, 3):
        raise kernel_error(f"image must have 1 or 3 channels, got {list(image.shape)}")
    if wanted not in (None, channels):
        raise kernel_error(f"format {format.decode()} expects {wanted} channels, got {list(image.shape)}")
    density = (density_unit, x_density, y_density)
    return _bytes(jpeg.encode(image, quality, progressive, optimize_size, chroma_downsampling, density, xmp_metadata))


public("image.encode_jpeg", "io.encode_jpeg")(encode_jpeg)


@op("EncodeJpegVariableQuality", host=True, differentiable=False)
def encode_jpeg_variable_quality(xp: Any, images: Any, quality: Any) -> Any:
    """Encode an image as a JPEG file, of a quality that is a tensor."""
    _check_rank(images)
    if np.ndim(quality):
        raise kernel_error(f"quality must be scalar: {list(np.shape(quality))}")
    _check_quality(int(quality))
    if images.shape[2] not in (1, 3):
        raise kernel_error(f"image must have 1 or 3 channels, got {list(images.shape)}")
    return _bytes(jpeg.encode(images, int(quality)))


@encode_jpeg_variable_quality.shape
def encode_jpeg_variable_quality_shape(images: Any, quality: Any) -> Any:
    with_rank(images, 3)
    return ()


@op("EncodePng", host=True, shape=encoded_shape, differentiable=False)
def encode_png(xp: Any, image: Any, *, compression: int) -> Any:
    """Encode an image as a PNG file: a scalar string.

    Args:
        image: uint8 or uint16, shape `[height, width, channels]`, with one to four channels.
        compression: 0 to 9 as of zlib, or -1 for its default.
    """
    if not -1 <= compression <= 9:
        raise kernel_error(f"compression should be in [-1,9], got {compression}")
    _check_rank(image)
    if not 1 <= image.shape[2] <= 4:
        raise kernel_error(f"image must have 1, 2, 3, or 4 channels, got {image.shape[2]}")
    if not image.size:
        raise kernel_error(f"PNG encoding failed: the shape is {list(image.shape)}", errors.InternalError)
    return _bytes(png.encode(image, compression))


public("image.encode_png")(encode_png)


@public("image.adjust_jpeg_quality")
def adjust_jpeg_quality(image: Any, jpeg_quality: Any, name: str | None = None) -> Tensor:
    """Give an image the look of a JPEG file of that quality, 0 to 100.

    Args:
        image: any real type, shape `[height, width, channels]`, with one or three channels.
        jpeg_quality: an int, which may be a tensor.
        name: the name scope.
    """
    with name_scope(name, "adjust_jpeg_quality", [image]):
        image = convert_to_tensor(image, name="image")
        kind = image.dtype
        image = convert_image_dtype(image, dtypes.uint8)
        if not is_symbolic(jpeg_quality):
            jpeg_quality = convert_to_tensor(jpeg_quality, dtype=dtypes.int32)
        image = decode_jpeg(encode_jpeg_variable_quality(image, jpeg_quality))
        return convert_image_dtype(image, kind)


@public("image.random_jpeg_quality")
def random_jpeg_quality(image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None) -> Tensor:
    """Give an image the look of a JPEG file of a random quality, as `adjust_jpeg_quality` does.

    Raises:
        ValueError: unless `0 <= min_jpeg_quality < max_jpeg_quality <= 100`.
    """
    if not (0 <= min_jpeg_quality <= 100 and 0 <= max_jpeg_quality <= 100):
        raise ValueError("jpeg encoding range must be between 0 and 100.")
    if min_jpeg_quality >= max_jpeg_quality:
        raise ValueError("`min_jpeg_quality` must be less than `max_jpeg_quality`.")
    quality = random_uniform([], min_jpeg_quality, max_jpeg_quality, seed=seed, dtype=dtypes.int32)
    return adjust_jpeg_quality(image, quality)
