"""Images mirrored, turned and transposed."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.case import case
from evergraph.ops.cond import cond
from evergraph.ops.image.image_shapes import checked_image
from evergraph.ops.random import random_uniform

_WRONG_RANK = "'image' must have either 3 or 4 dimensions."


def _is_single(shape: Shape) -> bool:
    """Whether images of a static shape are one image, rather than a batch.

    Raises:
        ValueError: if they are neither.
    """
    if shape is None or len(shape) == 3:
        return True
    if len(shape) != 4:
        raise ValueError(_WRONG_RANK)
    return False


def _with_shape_of(image: Tensor, result: Tensor) -> Tensor:
    result.set_shape([None, None, None] if image.static_shape is None else image.static_shape)
    return result


def _flipped(image: Any, axis: int, default_name: str) -> Tensor:
    with name_scope(None, default_name, [image]):
        image = checked_image(convert_to_tensor(image, name="image"))
        if _is_single(image.static_shape):
            return _with_shape_of(image, array.reverse(image, [axis]))
        return array.reverse(image, [axis + 1])


@public("image.flip_left_right")
def flip_left_right(image: Any) -> Tensor:
    """Mirror an image, or each of a batch, left to right.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.

    Raises:
        ValueError: for another rank.

    >>> sess.run(tf.image.flip_left_right([[[1], [2], [3]]]))[0, :, 0]
    array([3, 2, 1], dtype=int32)
    """
    return _flipped(image, 1, "flip_left_right")


@public("image.flip_up_down")
def flip_up_down(image: Any) -> Tensor:
    """Mirror an image, or each of a batch, upside down; the argument is as of `flip_left_right`."""
    return _flipped(image, 0, "flip_up_down")


def _flipped_at_random(image: Any, axis: int, seed: int | None, default_name: str) -> Tensor:
    with name_scope(None, default_name, [image]) as scope:
        image = checked_image(convert_to_tensor(image, name="image"))
        if _is_single(image.static_shape):
            drawn = random_uniform([], 0, 1.0, seed=seed)
            flips = math.less(drawn, 0.5)
            result = cond(flips, lambda: array.reverse(image, [axis]), lambda: image, name=scope)
            return _with_shape_of(image, result)
        batch = array.shape(image)[0]
        drawn = random_uniform([batch], 0, 1.0, seed=seed)
        flips = math.cast(math.round(array.reshape(drawn, [batch, 1, 1, 1])), image.dtype)
        return flips * array.reverse(image, [axis + 1]) + (1 - flips) * image


@public("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """Mirror an image left to right with probability 1/2; of a batch, each image by itself.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        seed: as of `tf.random.uniform`.

    Raises:
        ValueError: for another rank.
    """
    return _flipped_at_random(image, 1, seed, "random_flip_left_right")


@public("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """Mirror an image upside down with probability 1/2; the arguments are as of `random_flip_left_right`."""
    return _flipped_at_random(image, 0, seed, "random_flip_up_down")


@public("image.transpose", "image.transpose_image")
def transpose(image: Any, name: str | None = None) -> Tensor:
    """Swap height and width of an image, or of each of a batch; the argument is as of `flip_left_right`."""
    with name_scope(name, "transpose", [image]):
        image = checked_image(convert_to_tensor(image, name="image"))
        perm = [1, 0, 2] if _is_single(image.static_shape) else [0, 2, 1, 3]
        return array.transpose(image, perm, name=name)


@public("image.rot90")
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Turn an image, or each of a batch, by 90 degrees counter-clockwise.

    Args:
        image: shape `[height, width, channels]`, or with a batch axis before.
        k: how many times, a scalar int, which may be a tensor.
        name: the name scope.

    Raises:
        ValueError: for another rank.
    """
    with name_scope(name, "rot90", [image, k]) as scope:
        image = checked_image(convert_to_tensor(image, name="image"))
        k = convert_to_tensor(k, dtype=dtypes.int32, name="k")
        k.shape.assert_has_rank(0)
        turns = math.floor_mod(k, 4)
        is_single = _is_single(image.static_shape)
        first = 0 if is_single else 1
        perm = [1, 0, 2] if is_single else [0, 2, 1, 3]
        ways = [
            lambda: array.transpose(array.reverse(image, [first + 1]), perm),
            lambda: array.reverse(image, [first, first + 1]),
            lambda: array.reverse(array.transpose(image, perm), [first + 1]),
        ]
        pairs = [(math.equal(turns, i + 1), way) for i, way in enumerate(ways)]
        result = case(pairs, default=lambda: image, exclusive=True, name=scope)
        shape = image.static_shape
        if is_single:
            result.set_shape([None, None, None if shape is None else shape[2]])
        else:
            found = result.static_shape or (None,) * 4
            result.set_shape([found[0], None, None, found[3]])
        return result
