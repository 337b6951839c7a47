"""The ops that resize images, and their gradients. `resampling.py` has what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.image import resampling
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.static_values import whole


def sized(batch: Any, size: Any, depth: Any) -> Any:
    """The static shape of a batch of images of `size`, a static operand."""
    if isinstance(size, int) or isinstance(size, list) and len(size) != 2:
        raise ShapeError(f"size must have two elements, the height and the width, but is {size}")
    height, width = whole(size) or (None, None)
    return (batch, *(None if n is None or n < 0 else int(n) for n in (height, width)), depth)


def _resized_shape(images: Any, size: Any, *_: Any) -> Any:
    images = with_rank(images, 4)
    return sized(images[0], size, images[3])


def _output_size(images: Any, size: Any) -> tuple[int, int]:
    """The height and width to resize `images` to, checked."""
    if images.ndim != 4:
        raise kernel_error(f"input must be 4-dimensional, but has shape {list(images.shape)}")
    if np.shape(size) != (2,):
        raise kernel_error(f"size must have two elements, the height and the width, but is {np.asarray(size).tolist()}")
    height, width = (int(n) for n in size)
    if height <= 0 or width <= 0:
        raise kernel_error(f"output dimensions must be positive, but are {height} and {width}")
    if not images.shape[3]:
        raise kernel_error(f"image must have at least one channel, but has shape {list(images.shape)}")
    if not images.shape[1] or not images.shape[2]:
        raise kernel_error(f"input image must be of non-zero size, but has shape {list(images.shape)}")
    if images.shape[0] * height * width * images.shape[3] >= 1 << 63:
        raise kernel_error(
            f"Shape {[images.shape[0], height, width, images.shape[3]]} would have more than 2**63 elements"
        )
    return height, width


def _check_corners(align_corners: bool, half_pixel_centers: bool) -> None:
    if align_corners and half_pixel_centers:
        raise kernel_error("If half_pixel_centers is True, align_corners must be False.")


def _check_gradient(grads: Any, original: Any) -> None:
    if grads.ndim != 4:
        raise kernel_error(f"input_grad must be 4-dimensional, but has shape {list(grads.shape)}")
    if original.ndim != 4:
        raise kernel_error(f"original_image must be 4-dimensional, but has shape {list(original.shape)}")
    if not grads.shape[1] or not grads.shape[2]:
        raise kernel_error(f"resized dimensions must be positive, but the shape is {list(grads.shape)}")
    if not original.shape[1] or not original.shape[2]:
        raise kernel_error(f"original dimensions must be positive, but the shape is {list(original.shape)}")


def _like_second(first: Any, second: Any, *_: Any) -> Any:
    return second


def _corners(made: Any) -> dict[str, bool]:
    return {name: made.attrs[name] for name in ("align_corners", "half_pixel_centers")}


# Linear


@op("ResizeBilinear", static=("size",), shape=_resized_shape)
def resize_bilinear_op(xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Images resized by linear interpolation along both axes; float32."""
    _check_corners(align_corners, half_pixel_centers)
    height, width = _output_size(images, size)
    if (height, width) == images.shape[1:3]:
        return images.astype(np.float32)
    rows = resampling.linear(images.shape[1], height, align_corners, half_pixel_centers)
    columns = resampling.linear(images.shape[2], width, align_corners, half_pixel_centers)
    if 2 * height >= images.shape[1]:
        return resampling.lerped(xp, resampling.lerped(xp, images, *columns, 2), *rows, 1)
    lower, upper, lerp = rows  # of most rows nothing is needed: only the others are interpolated along
    low = resampling.lerped(xp, xp.take(images, lower, axis=1, mode="clip"), *columns, 2)
    high = resampling.lerped(xp, xp.take(images, upper, axis=1, mode="clip"), *columns, 2)
    return resampling.between(xp, low, high, lerp.reshape(-1, 1, 1))


def _gradient_by_taps(xp: Any, grads: Any, original: Any, taps: Any, align_corners: bool, half_pixel: bool) -> Any:
    _check_corners(align_corners, half_pixel)
    _check_gradient(grads, original)
    dtype = np.float64 if original.dtype == np.float64 else np.float32
    rows = taps(original.shape[1], grads.shape[1], align_corners, half_pixel).reversed()
    columns = taps(original.shape[2], grads.shape[2], align_corners, half_pixel).reversed()
    total = resampling.applied(xp, resampling.applied(xp, grads, columns, 2, dtype), rows, 1, dtype)
    return total.astype(original.dtype)


@op("ResizeBilinearGrad", shape=_like_second)
def resize_bilinear_grad_op(
    xp: Any, grads: Any, original_image: Any, *, align_corners: bool, half_pixel_centers: bool
) -> Any:
    """The gradient of ResizeBilinear by its images."""
    taps = resampling.linear_taps
    return _gradient_by_taps(xp, grads, original_image, taps, align_corners, half_pixel_centers)


@resize_bilinear_op.gradient
def resize_bilinear_gradient(made: Any, grad: Tensor) -> Any:
    return [resize_bilinear_grad_op(grad, made.inputs[0], **_corners(made)), None]


# Nearest


@op("ResizeNearestNeighbor", static=("size",), shape=_resized_shape)
def resize_nearest_neighbor_op(
    xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool
) -> Any:
    """Images resized by taking the nearest pixel, in their own type."""
    _check_corners(align_corners, half_pixel_centers)
    height, width = _output_size(images, size)
    rows = resampling.nearest(images.shape[1], height, align_corners, half_pixel_centers)
    columns = resampling.nearest(images.shape[2], width, align_corners, half_pixel_centers)
    if height <= images.shape[1]:
        return xp.take(xp.take(images, rows, axis=1, mode="clip"), columns, axis=2, mode="clip")
    return xp.take(xp.take(images, columns, axis=2, mode="clip"), rows, axis=1, mode="clip")


@op("ResizeNearestNeighborGrad", static=("size",), shape=_resized_shape)
def resize_nearest_neighbor_grad_op(
    xp: Any, grads: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool
) -> Any:
    """The gradient of ResizeNearestNeighbor by its images, which are of `size`."""
    _check_corners(align_corners, half_pixel_centers)
    if grads.ndim != 4:
        raise kernel_error(f"input must be 4-dimensional, but has shape {list(grads.shape)}")
    if np.shape(size) != (2,) or min(size) <= 0:
        raise kernel_error(f"size must be two positive numbers, but is {np.asarray(size).tolist()}")
    height, width = (int(n) for n in size)
    if not grads.size:
        return xp.zeros((grads.shape[0], height, width, grads.shape[3]), grads.dtype)
    rows = resampling.nearest_taps(height, grads.shape[1], align_corners, half_pixel_centers).reversed()
    columns = resampling.nearest_taps(width, grads.shape[2], align_corners, half_pixel_centers).reversed()
    dtype = np.dtype(np.float32) if grads.dtype == np.float16 else grads.dtype
    total = resampling.applied(xp, resampling.applied(xp, grads, columns, 2, dtype), rows, 1, dtype)
    return total.astype(grads.dtype)


@resize_nearest_neighbor_op.gradient
def resize_nearest_neighbor_gradient(made: Any, grad: Tensor) -> Any:
    images = made.inputs[0]
    known = None if images.static_shape is None else images.static_shape[1:3]
    size = list(known) if known is not None and None not in known else shape_of(images)[1:3]
    return [resize_nearest_neighbor_grad_op(grad, size, **_corners(made)), None]


# Cubic


@op("ResizeBicubic", static=("size",), shape=_resized_shape)
def resize_bicubic_op(xp: Any, images: Any, size: Any, *, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Images resized by cubic convolution along both axes; float32."""
    _check_corners(align_corners, half_pixel_centers)
    height, width = _output_size(images, size)
    rows = resampling.cubic_taps(images.shape[1], height, align_corners, half_pixel_centers)
    columns = resampling.cubic_taps(images.shape[2], width, align_corners, half_pixel_centers)
    return resampling.applied(xp, resampling.applied(xp, images, rows, 1), columns, 2)


@op("ResizeBicubicGrad", shape=_like_second)
def resize_bicubic_grad_op(
    xp: Any, grads: Any, original_image: Any, *, align_corners: bool, half_pixel_centers: bool
) -> Any:
    """The gradient of ResizeBicubic by its images."""
    taps = resampling.cubic_taps
    return _gradient_by_taps(xp, grads, original_image, taps, align_corners, half_pixel_centers)


@resize_bicubic_op.gradient
def resize_bicubic_gradient(made: Any, grad: Tensor) -> Any:
    images = made.inputs[0]
    if images.dtype.base_dtype.name not in ("float32", "float64"):
        return [None, None]
    return [resize_bicubic_grad_op(grad, images, **_corners(made)), None]


# Area


@op("ResizeArea", static=("size",), shape=_resized_shape)
def resize_area_op(xp: Any, images: Any, size: Any, *, align_corners: bool) -> Any:
    """Images resized by the mean over the area that a pixel of the result covers; float32."""
    height, width = _output_size(images, size)
    rows, row_scale = resampling.area_taps(images.shape[1], height, align_corners)
    columns, column_scale = resampling.area_taps(images.shape[2], width, align_corners)
    total = resampling.applied(xp, resampling.applied(xp, images, columns, 2), rows, 1)
    return total * np.float32(1.0 / float(row_scale * column_scale))


# Any scale and place


def _sampling(shape: Any, size: Any, scale: Any, translation: Any, kernel_type: bytes, antialias: bool) -> Any:
    if kernel_type not in resampling.SAMPLING_KERNELS:
        raise kernel_error(f"Unrecognized kernel type: {kernel_type.decode()}")
    for name, value in (("scale", scale), ("translation", translation)):
        if np.shape(value) != (2,):
            raise kernel_error(f"{name} must have two elements, but is {np.asarray(value).tolist()}")
    if not min(scale) > 0:
        raise kernel_error(f"Scale must be greater than zero, but is {np.asarray(scale).tolist()}")
    return [
        resampling.sampling_taps(shape[1 + i], size[i], scale[i], translation[i], kernel_type, antialias)
        for i in range(2)
    ]


@op("ScaleAndTranslate", static=("size", "scale", "translation"), shape=_resized_shape)
def scale_and_translate_op(
    xp: Any, images: Any, size: Any, scale: Any, translation: Any, *, kernel_type: bytes, antialias: bool
) -> Any:
    """Images scaled and moved, sampled with a kernel; float32. Both vectors are (vertical, horizontal)."""
    size = _output_size(images, size)
    rows, columns = _sampling(images.shape, size, scale, translation, kernel_type, antialias)
    return resampling.applied(xp, resampling.applied(xp, images, rows, 1), columns, 2)


@op("ScaleAndTranslateGrad", static=("scale", "translation"), shape=_like_second)
def scale_and_translate_grad_op(
    xp: Any, grads: Any, original_image: Any, scale: Any, translation: Any, *, kernel_type: bytes, antialias: bool
) -> Any:
    """The gradient of ScaleAndTranslate by its images."""
    _check_gradient(grads, original_image)
    taps = _sampling(original_image.shape, grads.shape[1:3], scale, translation, kernel_type, antialias)
    rows, columns = (t.reversed() for t in taps)
    return resampling.applied(xp, resampling.applied(xp, grads, columns, 2), rows, 1)


@scale_and_translate_op.gradient
def scale_and_translate_gradient(made: Any, grad: Tensor) -> Any:
    images, _, scale, translation = made.inputs
    attrs = {name: made.attrs[name] for name in ("kernel_type", "antialias")}
    return [scale_and_translate_grad_op(grad, images, scale, translation, **attrs), None, None, None]
