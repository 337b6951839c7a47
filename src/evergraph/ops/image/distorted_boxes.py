"""SampleDistortedBoundingBox: a random part of an image that shows enough of an object in it. TF 1's random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.scopes import get_seed, name_scope
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.ops import philox
from evergraph.ops.opdef import kernel_error, op

_f32 = np.float32
_Box = tuple[int, int, int, int]  # left, top, right, bottom


class _Numbers:
    """The words of a Philox stream, one after the other."""

    def __init__(self, counter: Any, seed: int, seed2: int) -> None:
        self._words = self._stream(np.uint64(counter), seed, seed2)

    @staticmethod
    def _stream(first: Any, seed: int, seed2: int) -> Iterator[int]:
        while True:
            blocks = philox.blocks(np, first + np.arange(8, dtype=np.uint64), seed, seed2)
            yield from np.stack(blocks, axis=-1).ravel().tolist()
            first = first + np.uint64(8)

    def fraction(self) -> np.float32:
        """A float32 number in [0, 1)."""
        bits = np.uint32(next(self._words) & 0x7FFFFF | 0x3F800000)
        return bits.view(np.float32) - _f32(1)

    def below(self, n: int) -> int:
        """An integer from `[0, n)`, each as likely as the next."""
        if not n & (n - 1):
            return next(self._words) & (n - 1)
        too_low = 0xFFFFFFFF % n + 1
        while (word := next(self._words)) < too_low:
            pass
        return word % n


def _rounded(x: Any) -> int:
    return int(np.rint(_f32(x)))


def _random_crop(
    width: int, height: int, area_range: tuple[Any, Any], ratio: np.float32, numbers: _Numbers
) -> _Box | None:
    """A random box of an aspect ratio whose area is in a range of parts of the image's; None if none was found."""
    low, high = area_range
    if high <= 0 or ratio <= 0 or width <= 0 or height <= 0 or low > high:
        return None
    least, most = low * _f32(width) * _f32(height), high * _f32(width) * _f32(height)
    rows = _rounded(np.sqrt(least / ratio))
    most_rows = _rounded(np.sqrt(most / ratio))
    if _rounded(_f32(most_rows) * ratio) > width:
        most_rows = int((width + 0.5 - float(_f32(0.0000001))) / float(ratio))
    most_rows = min(most_rows, height)
    if rows >= most_rows:
        rows = most_rows
    else:
        rows += numbers.below(most_rows - rows + 1)
    columns = _rounded(_f32(rows) * ratio)
    if _f32(rows * columns) < least:
        rows += 1
        columns = _rounded(_f32(rows) * ratio)
    if _f32(rows * columns) > most:
        rows -= 1
        columns = _rounded(_f32(rows) * ratio)
    area = _f32(rows * columns)
    if area < least or area > most or not 0 < columns <= width or not 0 < rows <= height:
        return None
    top = numbers.below(height - rows) if rows < height else 0
    left = numbers.below(width - columns) if columns < width else 0
    return left, top, left + columns, top + rows


def _area(box: _Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _covers(crop: _Box, objects: list[_Box], share: np.float32) -> bool:
    """Whether `crop` shows at least that share of one of the objects."""
    if _area(crop) < 1:
        return False
    for box in objects:
        if _area(box) < 1:
            continue
        common = (*map(max, zip(crop[:2], box[:2])), *map(min, zip(crop[2:], box[2:])))
        left, top, right, bottom = common
        seen = (right - left) * (bottom - top) if left <= right and top <= bottom else 0
        if _f32(seen) / _f32(_area(box)) >= share:
            return True
    return False


def _check_attributes(aspect_ratio_range: Any, area_range: Any, max_attempts: int) -> None:
    if len(aspect_ratio_range) != 2 or min(aspect_ratio_range) <= 0:
        raise kernel_error(f"Aspect ratio range must be two positive numbers: {list(aspect_ratio_range)}")
    if len(area_range) != 2 or min(area_range) <= 0 or max(area_range) > 1:
        raise kernel_error(f"Area range must be two numbers in (0, 1]: {list(area_range)}")
    if max_attempts <= 0:
        raise kernel_error(f"Max attempts must be positive: {max_attempts}")


def _sampled(
    image_size: Any,
    bounding_boxes: Any,
    min_object_covered: Any,
    numbers: _Numbers,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    _check_attributes(aspect_ratio_range, area_range, max_attempts)
    if np.shape(image_size) != (3,):
        raise kernel_error(f"image_size must contain 3 elements, but has shape {list(np.shape(image_size))}")
    height, width = (int(n) for n in image_size[:2])
    if not 0 <= height < 2**31 - 1 or not 0 <= width < 2**31 - 1:
        raise kernel_error(f"image height and width must be in [0, int32 max), but are {height} and {width}")
    if bounding_boxes.ndim != 3 or bounding_boxes.shape[2] != 4:
        raise kernel_error(f"bounding boxes must have shape [batch, boxes, 4], got {list(bounding_boxes.shape)}")
    if not min_object_covered >= 0:
        raise kernel_error(f"Min object covered must be non-negative: {min_object_covered}")
    boxes = bounding_boxes.reshape(-1, 4)
    inside = (boxes >= 0) & (boxes <= 1)
    if not inside.all():
        raise kernel_error(f"All bounding box coordinates must be in [0.0, 1.0]: {boxes[~inside][0]}")
    corners = (boxes * np.array([height, width] * 2, np.float32)).astype(np.int64).tolist()
    objects = [(left, top, right, bottom) for top, left, bottom, right in corners]
    whole = (0, 0, width, height)
    if not objects:
        if not use_image_if_no_bounding_boxes:
            raise kernel_error(
                "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you wish to "
                "not provide any bounding boxes."
            )
        objects = [whole]
    first, last = (_f32(r) for r in aspect_ratio_range)
    areas = _f32(area_range[0]), _f32(area_range[1])
    crop = whole
    for _ in range(max_attempts):
        ratio = numbers.fraction() * (last - first) + first
        tried = _random_crop(width, height, areas, ratio, numbers)
        if tried is not None and _covers(tried, objects, _f32(min_object_covered)):
            crop = tried
            break
    left, top, right, bottom = crop
    kind = image_size.dtype
    begin = np.array([top, left, 0]).astype(kind)
    size = np.array([bottom - top, right - left, -1]).astype(kind)
    parts = np.array([top, left, bottom, right], np.float32) / np.array([height, width] * 2, np.float32)
    return begin, size, parts.reshape(1, 1, 4)


def _sample_shape(image_size: Any, bounding_boxes: Any, *scalars: Any) -> Any:
    (length,), boxes = with_rank(image_size, 1), with_rank(bounding_boxes, 3)
    for scalar in scalars:
        with_rank(scalar, 0)
    if length not in (None, 3):
        raise ShapeError(f"Dimension must be 3 but is {length}")
    if boxes[2] not in (None, 4):
        raise ShapeError(f"Dimension must be 4 but is {boxes[2]}")
    return [(3,), (3,), (1, 1, 4)]


def _blocks(*_: Any, max_attempts: int, **__: Any) -> int:
    return max(max_attempts, 0)  # four words an attempt


@op("SampleDistortedBoundingBox", host=True, random=_blocks, shape=_sample_shape, differentiable=False)
def sample_distorted_bounding_box_v1_op(
    xp: Any,
    image_size: Any,
    bounding_boxes: Any,
    *,
    counter: Any,
    seed: int,
    seed2: int,
    min_object_covered: float,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> Any:
    """A random part of an image that shows enough of one of the boxes: `begin` and `size` for `tf.slice`, and a box."""
    numbers = _Numbers(counter, seed, seed2)
    rest = aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes
    return _sampled(image_size, bounding_boxes, min_object_covered, numbers, *rest)


@op("SampleDistortedBoundingBoxV2", host=True, random=_blocks, shape=_sample_shape, differentiable=False)
def sample_distorted_bounding_box_op(
    xp: Any,
    image_size: Any,
    bounding_boxes: Any,
    min_object_covered: Any,
    *,
    counter: Any,
    seed: int,
    seed2: int,
    aspect_ratio_range: Any,
    area_range: Any,
    max_attempts: int,
    use_image_if_no_bounding_boxes: bool,
) -> Any:
    """A random part of an image that shows enough of one of the boxes: `begin` and `size` for `tf.slice`, and a box."""
    numbers = _Numbers(counter, seed, seed2)
    rest = aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes
    return _sampled(image_size, bounding_boxes, min_object_covered, numbers, *rest)


@public("image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = None,
    seed2: int | None = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> Any:
    """Choose a random part of an image that shows enough of an object in it.

    Args:
        image_size: integers: height, width and channels.
        bounding_boxes: float32, shape `[batch, boxes, 4]`: where objects are, `[y1, x1, y2, x2]` in parts of the height
            and width.
        seed: the op's own seed (the graph's plays no part).
        seed2: a second seed.
        min_object_covered: how much of one of the objects has to be seen; may be a tensor.
        aspect_ratio_range: between which two numbers width / height is, [0.75, 1.33] by default.
        area_range: between which two parts of the image's area the area is, [0.05, 1.0] by default.
        max_attempts: after so many attempts, 100 by default, it is the whole image.
        use_image_if_no_bounding_boxes: take the whole image for an object if there is none.
        name: the name scope.

    Returns:
        `begin` and `size`, which `tf.slice` takes, of the type of `image_size`; and the part as a box, float32,
        shape `[1, 1, 4]`, which `tf.image.draw_bounding_boxes` takes.

    Raises:
        InvalidArgumentError: at run time, for a box that is not inside the image, or without boxes.
    """
    with name_scope(name, "sample_distorted_bounding_box"):
        return sample_distorted_bounding_box_op(
            image_size,
            bounding_boxes,
            min_object_covered,
            seed=seed,
            seed2=seed2,
            aspect_ratio_range=aspect_ratio_range,
            area_range=area_range,
            max_attempts=max_attempts,
            use_image_if_no_bounding_boxes=use_image_if_no_bounding_boxes,
            name=name,
        )


@public("compat.v2.image.sample_distorted_bounding_box")
def sample_distorted_bounding_box_v2(
    image_size: Any,
    bounding_boxes: Any,
    seed: int = 0,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> Any:
    """Choose a random part of an image as `sample_distorted_bounding_box` does, with one seed, and the graph's."""
    seed1, seed2 = get_seed(seed) if seed else (0, 0)
    return sample_distorted_bounding_box(
        image_size,
        bounding_boxes,
        seed1,
        seed2,
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
        name,
    )
