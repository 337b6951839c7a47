"""Arrays repeated: repeat and meshgrid."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.filling import all_dimensions, ones
from evergraph.ops.gather import sequence_mask
from evergraph.ops.joining import concat, stack, tile
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import boolean_mask
from evergraph.ops.shaping import broadcast_to, expand_dims, rank, reshape, shape, size


@public("meshgrid")
def meshgrid(*args: Any, **kwargs: Any) -> list[Tensor]:
    """The coordinates of the points of a grid: each of `n` vectors spread over an array of `n` dimensions.

    Args:
        *args: `n` vectors.
        indexing: "xy" (the first two dimensions change places) or "ij".
        name: the ops' scope.

    >>> sess.run(tf.meshgrid([1, 2], [3, 4, 5]))[0]
    array([[1, 2],
           [1, 2],
           [1, 2]], dtype=int32)
    """
    indexing = kwargs.pop("indexing", "xy")
    name = kwargs.pop("name", "meshgrid")
    if kwargs:
        raise TypeError(f"'{next(iter(kwargs))}' is an invalid keyword argument for this function")
    if indexing not in ("xy", "ij"):
        raise ValueError("indexing parameter must be either 'xy' or 'ij'")
    with name_scope(name, "meshgrid", args):
        n = len(args)
        flat = (1,) * n
        output = [reshape(stack(x), (flat[:i] + (-1,) + flat[i + 1 :])) for i, x in enumerate(args)]
        sizes = [size(x) for x in args]
        kind = convert_to_tensor(args[0]).dtype.base_dtype
        if indexing == "xy" and n > 1:
            output[0] = reshape(output[0], (1, -1) + (1,) * (n - 2))
            output[1] = reshape(output[1], (-1, 1) + (1,) * (n - 2))
            sizes[0], sizes[1] = sizes[1], sizes[0]
        full = ones(sizes, kind)
        return [x * full for x in output]


def _as_int32(value: Any, name: str) -> Tensor:
    t = convert_to_tensor(value, name=name, preferred_dtype=dtypes.int32)
    if not t.dtype.is_integer:
        raise TypeError(f"{name} must be an integer tensor; dtype={t.dtype}")
    return raw_op("Cast")(t, dtypes.int32)


def _axis_in(axis: Any, dimensions: int | None) -> int:
    if not isinstance(axis, int):
        raise TypeError(f"axis must be an int; got {type(axis).__name__}")
    if dimensions is None:
        if axis < 0:
            raise ValueError("axis may only be negative if ndims is statically known.")
        return axis
    if not -dimensions <= axis < dimensions:
        raise ValueError(f"axis={axis} out of bounds: expected {-dimensions}<=axis<{dimensions}")
    return axis % dimensions


def _tiled_along(x: Tensor, axis: int, count: Tensor) -> Tensor:
    counts: Any
    if x.static_shape is not None:
        counts = [1] * len(x.static_shape)
        counts[axis] = count
    else:
        once = ones(rank(x), dtypes.int32)
        counts = concat([once[:axis], [count], once[axis + 1 :]], axis=0)
    return tile(x, counts)


@public("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each element (or slice along `axis`) of `input` several times in a row.

    Args:
        input: any dtype, shape `s`.
        repeats: how often: an int32 scalar, or a vector with one count for each of the `s[axis]`.
        axis: int; by default `input` is flattened first.
        name: the ops' scope.

    >>> sess.run(tf.repeat([1, 2], [2, 3]))
    array([1, 1, 2, 2, 2], dtype=int32)
    """
    if axis is None:
        input, axis = reshape(input, [-1]), 0
    elif not isinstance(axis, int):
        raise TypeError(f"axis must be an int; got {type(axis).__name__}")
    with name_scope(name, "Repeat", [input, repeats]):
        x = convert_to_tensor(input, name="data")
        repeats = _as_int32(repeats, "repeats")
        repeats.shape.with_rank_at_most(1)
        if x.static_shape is None:
            sizes = shape(x)
            x = reshape(x, concat([[1], sizes], axis=0)[-rank(x) :])
        elif not x.static_shape:
            x = stack([x])
        sizes = shape(x)
        axis = _axis_in(axis, x._rank)
        if repeats._rank == 1 and x.static_shape is not None:
            x.shape[axis].assert_is_compatible_with(repeats.shape[0])
        if repeats._rank == 0:
            tiled = _tiled_along(expand_dims(x, axis + 1), axis + 1, repeats)
            return reshape(tiled, concat([sizes[:axis], [-1], sizes[axis + 1 :]], axis=0))
        if repeats._rank != axis + 1:
            wanted = shape(repeats)
            dimensions = rank(repeats)
            repeats = broadcast_to(repeats, concat([sizes[: axis + 1 - dimensions], wanted], axis=0))
            repeats.set_shape([None] * (axis + 1))
        most = raw_op("Maximum")(0, raw_op("Max")(repeats, all_dimensions(repeats)))
        mask = sequence_mask(repeats, most)
        tiled = _tiled_along(expand_dims(x, axis + 1), axis + 1, most)
        result = boolean_mask(tiled, mask)
        if axis != 0:
            result = reshape(result, concat([sizes[:axis], [-1], sizes[axis + 1 :]], axis=0))
        if x.static_shape is not None:
            along = 0 if repeats.static_shape is not None and repeats.static_shape[0] == 0 else None
            result.set_shape((*x.static_shape[:axis], along, *x.static_shape[axis + 1 :]))
        return result


__all__ = ["meshgrid", "repeat"]
