"""Boxes drawn onto images."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op

# Yellow, blue, red, lime, purple, olive, maroon, navy, aqua, fuchsia.
_COLOURS = np.array(
    [
        [1, 1, 0, 1],
        [0, 0, 1, 1],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0.5, 0, 0.5, 1],
        [0.5, 0.5, 0, 1],
        [0.5, 0, 0, 1],
        [0, 0, 0.5, 1],
        [0, 1, 1, 1],
        [1, 0, 1, 1],
    ],
    np.float32,
)


def _drawn(images: Any, boxes: Any, colours: Any = None) -> np.ndarray:
    if images.ndim != 4:
        raise kernel_error(f"The rank of the images should be 4, but the shape is {list(images.shape)}")
    batch, height, width, depth = images.shape
    if boxes.ndim != 3 or boxes.shape[2] != 4:
        raise kernel_error(f"boxes should have shape [batch, boxes, 4], but has {list(boxes.shape)}")
    if boxes.shape[0] != batch:
        raise kernel_error(f"The batch sizes should be the same, but are {batch} and {boxes.shape[0]}")
    if depth not in (1, 3, 4):
        raise kernel_error(f"Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA), but is {depth}")
    if colours is not None and (colours.ndim != 2 or colours.shape[1] < depth):
        raise kernel_error(f"colors must be a matrix of {depth} or more columns, but has shape {list(colours.shape)}")
    if colours is None or not colours.size:
        colours = _COLOURS.copy()
        if depth == 1:
            colours[:, 0] = 1
    canvas = images.copy()
    scale = np.array([height - 1, width - 1] * 2, np.float32)
    for b, i in np.ndindex(boxes.shape[:2]):
        top, left, bottom, right = (boxes[b, i].astype(np.float32) * scale).astype(np.int64).tolist()
        if top > bottom or left > right or top >= height or bottom < 0 or left >= width or right < 0:
            continue
        colour = colours[i % len(colours), :depth]
        rows, columns = slice(max(top, 0), bottom + 1), slice(max(left, 0), right + 1)
        if top >= 0:
            canvas[b, top, columns] = colour
        if bottom < height:
            canvas[b, bottom, columns] = colour
        if left >= 0:
            canvas[b, rows, left] = colour
        if right < width:
            canvas[b, rows, right] = colour
    return canvas


@op("DrawBoundingBoxes", host=True, differentiable=False)
def draw_bounding_boxes_op(xp: Any, images: Any, boxes: Any) -> Any:
    """Draw boxes onto images, each in one of ten colours."""
    return _drawn(images, boxes)


@draw_bounding_boxes_op.shape
def draw_bounding_boxes_shape(images: Any, boxes: Any) -> Any:
    images, boxes = with_rank(images, 4), with_rank(boxes, 3)
    if images[3] not in (None, 1, 3, 4):
        raise ShapeError("Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA)")
    if boxes[2] not in (None, 4):
        raise ShapeError(f"Dimension must be 4 but is {boxes[2]}")
    return images


@op("DrawBoundingBoxesV2", host=True, differentiable=False)
def draw_bounding_boxes_v2_op(xp: Any, images: Any, boxes: Any, colors: Any) -> Any:
    """Draw boxes onto images, in the given colours."""
    return _drawn(images, boxes, colors)


@draw_bounding_boxes_v2_op.shape
def draw_bounding_boxes_v2_shape(images: Any, boxes: Any, colors: Any) -> Any:
    return with_rank_at_least(images, 3)


@public("image.draw_bounding_boxes")
def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """Draw boxes onto a batch of images.

    Args:
        images: float32 or float16, shape `[batch, height, width, channels]`, with 1, 3 or 4 channels.
        boxes: float32, shape `[batch, boxes, 4]`: `[y1, x1, y2, x2]` in parts of the height and width.
        name: the op's name.
        colors: float32, shape `[colours, channels]`, one for each box in turn; ten colours by default.

    Returns:
        The images with lines on them. A box outside of its image, or upside down, is left out.
    """
    if colors is None:
        return draw_bounding_boxes_op(images, boxes, name=name)
    return draw_bounding_boxes_v2_op(images, boxes, colors, name=name)
