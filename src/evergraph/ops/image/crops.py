"""Parts of images, and images with room around them."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.image.image_shapes import (
    as_batch,
    asserted,
    checked_image,
    checks_of_image,
    dimensions,
    is_symbolic,
    larger,
    smaller,
)


@public("image.central_crop")
def central_crop(image: Any, central_fraction: float) -> Tensor:
    """Cut out the middle of an image, or of each of a batch.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        central_fraction: how much of the height and of the width to keep, in (0, 1].

    Raises:
        ValueError: for another fraction or rank.

    >>> sess.run(tf.image.central_crop(tf.reshape(tf.range(16), [4, 4, 1]), 0.5))[:, :, 0]
    array([[ 5,  6],
           [ 9, 10]], dtype=int32)
    """
    with name_scope(None, "central_crop", [image]):
        image = convert_to_tensor(image, name="image")
        if central_fraction <= 0.0 or central_fraction > 1.0:
            raise ValueError("central_fraction must be within (0, 1]")
        if central_fraction == 1.0:
            return image
        checked_image(image)
        shape = image.static_shape
        if shape is None or len(shape) not in (3, 4):
            rank = None if shape is None else len(shape)
            raise ValueError(f"`image` should either be a Tensor with rank = 3 or rank = 4. Had rank = {rank}.")
        first = len(shape) - 3
        height, width = (
            array.shape(image)[axis] if shape[axis] is None else shape[axis] for axis in (first, first + 1)
        )
        starts, sizes = [], []
        for size in (height, width):
            if is_symbolic(size):
                exact = math.cast(size, dtypes.float64)
                starts.append(math.cast((exact - exact * central_fraction) / 2, dtypes.int32))
            else:
                known = float(size)  # type: ignore[arg-type]  # not symbolic: a number
                starts.append(int((known - known * central_fraction) / 2))
        for size, start in zip((height, width), starts):
            sizes.append(size - start * 2)
        outer = [0] * first
        begin = array.stack([*outer, *starts, 0])
        extent = array.stack([*([-1] * first), *sizes, -1])
        image = array.slice(image, begin, extent)
        image.set_shape([*shape[:first], *(None if is_symbolic(n) else n for n in sizes), shape[-1]])
        return image


@public("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Put an image, or each of a batch, into a larger one that is zero elsewhere.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        offset_height: rows of zeros above.
        offset_width: columns of zeros on the left.
        target_height: height of the result.
        target_width: width of the result.

    Raises:
        ValueError: for another rank, or if the image does not fit.
    """
    with name_scope(None, "pad_to_bounding_box", [image]):
        image, is_batch = as_batch(convert_to_tensor(image, name="image"))
        checks = checks_of_image(image)
        batch, height, width, depth = dimensions(image, 4)
        after_width = target_width - offset_width - width
        after_height = target_height - offset_height - height
        checks += asserted(offset_height >= 0, "offset_height must be >= 0")
        checks += asserted(offset_width >= 0, "offset_width must be >= 0")
        checks += asserted(after_width >= 0, "width must be <= target - offset")
        checks += asserted(after_height >= 0, "height must be <= target - offset")
        image = with_dependencies(checks, image)
        amounts = [0, 0, offset_height, after_height, offset_width, after_width, 0, 0]
        padded = array.pad(image, array.reshape(array.stack(amounts), [4, 2]))
        padded.set_shape([None if is_symbolic(n) else n for n in (batch, target_height, target_width, depth)])
        return padded if is_batch else array.squeeze(padded, axis=[0])


@public("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Cut a rectangle out of an image, or of each of a batch.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        offset_height: row of its upper left corner.
        offset_width: column of its upper left corner.
        target_height: its height.
        target_width: its width.

    Raises:
        ValueError: for another rank, or if the rectangle is not inside the image.
    """
    with name_scope(None, "crop_to_bounding_box", [image]):
        image, is_batch = as_batch(convert_to_tensor(image, name="image"))
        checks = checks_of_image(image)
        batch, height, width, depth = dimensions(image, 4)
        checks += asserted(offset_width >= 0, "offset_width must be >= 0.")
        checks += asserted(offset_height >= 0, "offset_height must be >= 0.")
        checks += asserted(target_width > 0, "target_width must be > 0.")
        checks += asserted(target_height > 0, "target_height must be > 0.")
        checks += asserted(width >= target_width + offset_width, "width must be >= target + offset.")
        checks += asserted(height >= target_height + offset_height, "height must be >= target + offset.")
        image = with_dependencies(checks, image)
        begin = array.stack([0, offset_height, offset_width, 0])
        cropped = array.slice(image, begin, array.stack([-1, target_height, target_width, -1]))
        cropped.set_shape([None if is_symbolic(n) else n for n in (batch, target_height, target_width, depth)])
        return cropped if is_batch else array.squeeze(cropped, axis=[0])


@public("image.resize_with_crop_or_pad", "image.resize_image_with_crop_or_pad")
def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """Bring an image, or each of a batch, to a size by cutting off evenly, or by adding zeros evenly, on both sides.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        target_height: height of the result.
        target_width: width of the result.

    Raises:
        ValueError: for another rank, or a size that is not positive.
    """
    with name_scope(None, "resize_image_with_crop_or_pad", [image]):
        image, is_batch = as_batch(convert_to_tensor(image, name="image"))
        checks = checks_of_image(image)
        checks += asserted(target_width > 0, "target_width must be > 0.")
        checks += asserted(target_height > 0, "target_height must be > 0.")
        image = with_dependencies(checks, image)
        if is_symbolic(target_height):
            target_height = with_dependencies(checks, target_height)
        if is_symbolic(target_width):
            target_width = with_dependencies(checks, target_width)
        _, height, width, _ = dimensions(image, 4)
        missing_width = target_width - width
        crop_left = larger(-missing_width // 2, 0)
        pad_left = larger(missing_width // 2, 0)
        missing_height = target_height - height
        crop_top = larger(-missing_height // 2, 0)
        pad_top = larger(missing_height // 2, 0)
        kept = smaller(target_height, height), smaller(target_width, width)
        cropped = crop_to_bounding_box(image, crop_top, crop_left, *kept)
        resized = pad_to_bounding_box(cropped, pad_top, pad_left, target_height, target_width)
        _, resized_height, resized_width, _ = dimensions(resized, 4)
        checks = asserted(_are_equal(resized_height, target_height), "resized height is not correct.")
        checks += asserted(_are_equal(resized_width, target_width), "resized width is not correct.")
        resized = with_dependencies(checks, resized)
        return resized if is_batch else array.squeeze(resized, axis=[0])


def _are_equal(x: Any, y: Any) -> Any:
    return math.equal(x, y) if is_symbolic(x) or is_symbolic(y) else x == y
