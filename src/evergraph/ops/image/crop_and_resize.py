"""CropAndResize: boxes cut out of a batch of images, each brought to one size; and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import random_kernels
from evergraph.ops.arguments import either
from evergraph.ops.image.resize_ops import sized
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.static_values import as_shape

_f32 = np.float32


def _check_boxes(boxes: Any, box_ind: Any) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise kernel_error(f"boxes must be 2-D with 4 columns, but has shape {list(boxes.shape)}")
    if box_ind.ndim != 1 or len(box_ind) != len(boxes):
        raise kernel_error(f"box_ind has incompatible shape: {list(box_ind.shape)} for {len(boxes)} boxes")


def _valid_images(xp: Any, box_ind: Any, batch: int) -> Any:
    """The image of each box, checked."""

    def error() -> Exception:
        wrong = [int(i) for i in np.asarray(box_ind) if not 0 <= i < batch][:5]
        return kernel_error(f"box_ind has values outside [0, {batch}): {wrong}", errors.OutOfRangeError)

    require(xp, (box_ind >= 0) & (box_ind < batch), error)
    return xp.clip(box_ind, 0, max(batch - 1, 0))


def _places(xp: Any, low: Any, high: Any, size: int, outputs: int, by_ratio: bool = False) -> tuple[Any, Any]:
    """Where the pixels of each box lie along one axis of the image, and whether that is inside: `(boxes, outputs)`.

    As float32 arithmetic has it, step by step: XLA would fuse a product with a sum, or multiply by a reciprocal, and
    move a pixel. `by_ratio` rounds the distance between pixels as TF 1's gradient by the boxes does.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)

    def rounded(x: Any) -> Any:
        return random_kernels._as_float32(xp, x)

    last, gaps = size - 1, max(outputs - 1, 1)
    if outputs > 1:
        length = rounded(high - low)
        step = rounded(length * float(_f32(last / gaps)) if by_ratio else rounded(length * last) / gaps)
        place = rounded(low * last)[:, None] + rounded(step[:, None] * np.arange(outputs))
    else:
        place = rounded(rounded(low + high) * 0.5 * last)[:, None]
    place = rounded(place).astype(np.float32)
    inside = (place >= 0) & (place <= _f32(last))
    return xp.where(inside, place, _f32(0)), inside


def _neighbours(xp: Any, place: Any) -> tuple[Any, Any, Any]:
    below = xp.floor(place)
    return below.astype(np.int32), xp.ceil(place).astype(np.int32), place - below


def _nearest(xp: Any, place: Any) -> Any:
    """The nearest pixel, halves upwards."""
    below = xp.floor(place)
    return (below + (place - below >= _f32(0.5))).astype(np.int32)


def _crop_shape(image: Any, boxes: Any, box_ind: Any, crop_size: Any) -> Any:
    image, boxes, box_ind = with_rank(image, 4), with_rank(boxes, 2), with_rank(box_ind, 1)
    if boxes[1] not in (None, 4):
        raise ShapeError(f"Dimension must be 4 but is {boxes[1]}")
    return sized(merge_dim(boxes[0], box_ind[0]), crop_size, image[3])


@op("CropAndResize", static=("crop_size",), shape=_crop_shape)
def crop_and_resize_op(
    xp: Any, image: Any, boxes: Any, box_ind: Any, crop_size: Any, *, method: bytes, extrapolation_value: float
) -> Any:
    """The boxes `[y1, x1, y2, x2]`, in parts of the image's size, cut out and resized; float32."""
    if image.ndim != 4:
        raise kernel_error(f"input image must be 4-D, but has shape {list(image.shape)}")
    batch, height, width, _ = image.shape
    if not height or not width:
        raise kernel_error(f"image dimensions must be positive, but the shape is {list(image.shape)}")
    _check_boxes(boxes, box_ind)
    if np.shape(crop_size) != (2,):
        raise kernel_error(f"crop_size must have two elements, but is {np.asarray(crop_size).tolist()}")
    rows, columns = (int(n) for n in crop_size)
    if rows <= 0 or columns <= 0:
        raise kernel_error(f"crop dimensions must be positive, but are {rows} and {columns}")
    which = _valid_images(xp, box_ind, batch)[:, None, None]
    if not batch or not len(boxes):
        return xp.zeros((len(boxes), rows, columns, image.shape[3]), np.float32)
    y, y_inside = _places(xp, boxes[:, 0], boxes[:, 2], height, rows)
    x, x_inside = _places(xp, boxes[:, 1], boxes[:, 3], width, columns)
    if method == b"nearest":
        value = image[which, _nearest(xp, y)[:, :, None], _nearest(xp, x)[:, None, :]].astype(np.float32)
    else:
        top, bottom, down = _neighbours(xp, y)
        left, right, along = _neighbours(xp, x)

        def row(index: Any) -> Any:
            start = image[which, index[:, :, None], left[:, None, :]].astype(np.float32)
            end = image[which, index[:, :, None], right[:, None, :]].astype(np.float32)
            return start + (end - start) * along[:, None, :, None]

        above, below = row(top), row(bottom)
        value = above + (below - above) * down[:, :, None, None]
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return xp.where(inside, value, _f32(extrapolation_value))


def _image_size_shape(grads: Any, boxes: Any, box_ind: Any, image_size: Any) -> Any:
    return with_rank(as_shape(image_size), 4)


@op("CropAndResizeGradImage", static=("image_size",), shape=_image_size_shape)
def crop_and_resize_grad_image_op(
    xp: Any, grads: Any, boxes: Any, box_ind: Any, image_size: Any, *, T: Any, method: bytes
) -> Any:
    """The gradient of CropAndResize by its image."""
    if grads.ndim != 4 or not grads.shape[1] or not grads.shape[2]:
        raise kernel_error(f"grads must be 4-D, of positive size, but has shape {list(grads.shape)}")
    _check_boxes(boxes, box_ind)
    if len(grads) != len(boxes):
        raise kernel_error(f"boxes and grads have incompatible shape: {len(boxes)} and {len(grads)} boxes")
    if np.shape(image_size) != (4,):
        raise kernel_error(f"image_size must have 4 elements, but is {np.asarray(image_size).tolist()}")
    batch, height, width, depth = (int(n) for n in image_size)
    if height <= 0 or width <= 0:
        raise kernel_error(f"image dimensions must be positive, but are {height} and {width}")
    if grads.shape[3] != depth:
        raise kernel_error(f"image_size and grads are incompatible: {depth} and {grads.shape[3]} channels")
    dtype = np.float64 if T.np == np.float64 else np.float32
    which = _valid_images(xp, box_ind, batch)[:, None, None]
    if not batch or not len(boxes):
        return xp.zeros((batch, height, width, depth), T.np)
    y, y_inside = _places(xp, boxes[:, 0], boxes[:, 2], height, grads.shape[1])
    x, x_inside = _places(xp, boxes[:, 1], boxes[:, 3], width, grads.shape[2])
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    grads = xp.where(inside, grads, _f32(0))
    parts: list[tuple[Any, Any, Any]] = []
    if method == b"nearest":
        parts.append((_nearest(xp, y), _nearest(xp, x), grads))
    else:
        top, bottom, down = _neighbours(xp, y)
        left, right, along = _neighbours(xp, x)
        down, along = down[:, :, None, None], along[:, None, :, None]
        for index, part in ((top, (1 - down) * grads), (bottom, down * grads)):
            parts += [(index, left, (1 - along) * part), (index, right, along * part)]
    flat = xp.concatenate([((which * height + i[:, :, None]) * width + j[:, None, :]).reshape(-1) for i, j, _ in parts])
    values = xp.concatenate([value.reshape(-1, depth) for *_, value in parts]).astype(dtype)
    total = _added_at(xp, flat, values, batch * height * width)
    return total.reshape(batch, height, width, depth).astype(T.np)


def _added_at(xp: Any, rows: Any, values: Any, size: int) -> Any:
    total = xp.zeros((size, values.shape[1]), values.dtype)
    if xp is np:
        np.add.at(total, rows, values)
        return total
    return total.at[rows].add(values)


@op("CropAndResizeGradBoxes", shape=lambda grads, image, boxes, box_ind: boxes)
def crop_and_resize_grad_boxes_op(xp: Any, grads: Any, image: Any, boxes: Any, box_ind: Any) -> Any:
    """The gradient of CropAndResize, if it is linear, by its boxes."""
    if grads.ndim != 4 or not grads.shape[1] or not grads.shape[2]:
        raise kernel_error(f"grads must be 4-D, of positive size, but has shape {list(grads.shape)}")
    if image.ndim != 4 or not image.shape[1] or not image.shape[2]:
        raise kernel_error(f"input image must be 4-D, of positive size, but has shape {list(image.shape)}")
    if image.shape[3] != grads.shape[3]:
        raise kernel_error(f"image, grads depth differ: {image.shape[3]} and {grads.shape[3]}")
    _check_boxes(boxes, box_ind)
    if len(grads) != len(boxes):
        raise kernel_error(f"boxes and grads have incompatible shape: {len(boxes)} and {len(grads)} boxes")
    batch, height, width, _ = image.shape
    which = _valid_images(xp, box_ind, batch)[:, None, None]
    if not batch or not len(boxes):
        return xp.zeros(boxes.shape, np.float32)
    _, rows, columns, _ = grads.shape
    y, y_inside = _places(xp, boxes[:, 0], boxes[:, 2], height, rows, by_ratio=True)
    x, x_inside = _places(xp, boxes[:, 1], boxes[:, 3], width, columns, by_ratio=True)
    top, bottom, down = _neighbours(xp, y)
    left, right, along = _neighbours(xp, x)
    down, along = down[:, :, None, None], along[:, None, :, None]

    def pixel(i: Any, j: Any) -> Any:
        return image[which, i[:, :, None], j[:, None, :]].astype(np.float32)

    corners = [[pixel(i, j) for j in (left, right)] for i in (top, bottom)]
    ((top_left, top_right), (bottom_left, bottom_right)) = corners
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    grads = xp.where(inside, grads, _f32(0))
    by_y = ((1 - along) * (bottom_left - top_left) + along * (bottom_right - top_right)) * grads
    by_x = ((1 - down) * (top_right - top_left) + down * (bottom_right - bottom_left)) * grads
    y1, y2 = _by_ends(by_y.sum(axis=(2, 3)), height, rows)
    x1, x2 = _by_ends(by_x.sum(axis=(1, 3)), width, columns)
    return xp.stack([y1, x1, y2, x2], axis=1)


def _by_ends(by_place: Any, size: int, outputs: int) -> tuple[Any, Any]:
    """The gradients by a box's two ends along an axis, from that by the place of each pixel."""
    last = _f32(size - 1)
    if outputs == 1:
        both = (by_place * (_f32(0.5) * last)).sum(axis=1)
        return both, both
    share = np.arange(outputs, dtype=np.float32) * (last / _f32(outputs - 1))
    return (by_place * (last - share)).sum(axis=1), (by_place * share).sum(axis=1)


@crop_and_resize_op.gradient
def crop_and_resize_gradient(made: Any, grad: Tensor) -> Any:
    image, boxes, box_ind, _ = made.inputs
    known = image.static_shape
    size = list(known) if known is not None and None not in known else shape_of(image)
    by_image = None
    if image.dtype.base_dtype.name in ("float16", "float32", "float64"):
        by_image = crop_and_resize_grad_image_op(
            grad, boxes, box_ind, size, T=made.attrs["T"], method=made.attrs["method"]
        )
    return [by_image, crop_and_resize_grad_boxes_op(grad, image, boxes, box_ind), None, None]


@public("image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """Cut boxes out of a batch of images and resize each to one size.

    Args:
        image: any real type, shape `[batch, height, width, channels]`.
        boxes: float32, shape `[boxes, 4]`: `[y1, x1, y2, x2]`, where 0 is the first row or column and 1 the last one.
            They may reach out of the image; with `y1 > y2` or `x1 > x2` the result is mirrored.
        box_ind: the old name of `box_indices`.
        crop_size: the height and width of the result, int32.
        method: "bilinear" or "nearest".
        extrapolation_value: what is outside the image.
        name: the op's name.
        box_indices: int32, shape `[boxes]`: of which image of the batch each box is.

    Returns:
        float32, shape `[boxes, *crop_size, channels]`.

    Raises:
        OutOfRangeError: at run time, for an index of no image.

    >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    >>> sess.run(tf.image.crop_and_resize(image, [[0.0, 0.5, 1.0, 1.0]], [0], [2, 2]))[0, :, :, 0]
    array([[1., 2.],
           [7., 8.]], dtype=float32)
    """
    indices = either("box_indices", box_indices, "box_ind", box_ind)
    return crop_and_resize_op(image, boxes, indices, crop_size, method, extrapolation_value, name)
