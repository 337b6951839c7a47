"""Ragged tensors repeated, with dimensions of size 1 put in or taken out; their size, rank and one-hot form."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import filling, joining, shaping
from evergraph.ops.checks import Assert
from evergraph.ops.comparisons import equal
from evergraph.ops.constant import constant
from evergraph.ops.gather import gather
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.joining import concat, stack
from evergraph.ops.ragged.splits import as_integers, lengths_to_splits, positive_axis, repeat_ranges
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, is_ragged
from evergraph.ops.reductions import reduce_all
from evergraph.ops.sequences import range_
from evergraph.ops.static_values import get_static_value


def expand_dims(input: Any, axis: Any, name: str | None = None) -> Any:
    """`input` with a new dimension of size 1 at `axis`."""
    with name_scope(name, "RaggedExpandDims", [input]):
        input = as_tensor_or_ragged(input, name="input")
        if not isinstance(input, RaggedTensor):
            return shaping.expand_dims(input, axis)
        rank = input.shape.ndims
        axis = positive_axis(axis, None if rank is None else rank + 1)
        if axis == 0:
            values, splits = input, stack([0, input.nrows()])
        elif axis == 1:
            values, splits = input, range_(input.nrows() + 1)
        else:
            values, splits = expand_dims(input.values, axis - 1), input.row_splits
        return RaggedTensor.from_row_splits(values, splits, validate=False)


def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Any:
    """`input` without the dimensions `axis`, whose rows must all have length 1.

    Raises:
        ValueError: if `axis` is left out for a ragged tensor.
        InvalidArgumentError: at run time, if a dimension is not of size 1.
    """
    with name_scope(name, "RaggedSqueeze", [input]):
        input = as_tensor_or_ragged(input)
        if isinstance(input, Tensor):
            return shaping.squeeze(input, axis, name)
        if axis is None:
            raise ValueError("Ragged.squeeze must have an axis argument.")
        if isinstance(axis, int):
            axis = [axis]
        elif not isinstance(axis, list | tuple) or not all(isinstance(d, int) for d in axis):
            raise TypeError("Axis must be a list or tuple of integers.")
        axes = [positive_axis(d, input.shape.ndims) for d in axis]
        partitioned = input.ragged_rank
        dense_axes = [d - partitioned for d in axes if d > partitioned]
        ragged_axes = {d for d in axes if d <= partitioned}
        conditions = []
        one = constant(1, dtype=input.row_splits.dtype)
        for d, lengths in enumerate(input.nested_row_lengths(), 1):
            if d in ragged_axes:
                text = [f"the given axis (axis = {d}) is not squeezable!"]
                conditions.append(Assert(reduce_all(equal(lengths, one)), text))
        if 0 in ragged_axes:
            two = constant(2, dtype=dtypes.int32)
            is_single = equal(shaping.size(input.row_splits), two)
            conditions.append(Assert(is_single, ["the given axis (axis = 0) is not squeezable!"]))
        result: Any = with_dependencies(conditions, input.flat_values)
        if dense_axes:
            result = shaping.squeeze(result, dense_axes)
        splits = [s for d, s in enumerate(input.nested_row_splits, 1) if d not in ragged_axes]
        if splits and 0 in ragged_axes:
            splits.pop(0)
        result = RaggedTensor.from_nested_row_splits(result, splits)
        if ragged_axes.issuperset(range(partitioned + 1)):
            result = shaping.squeeze(result, [0], name)
        return result


def size(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """How many values there are."""
    flat = input.flat_values if is_ragged(input) else input
    return shaping.size(flat, out_type=out_type, name=name)


def rank(input: Any, name: str | None = None) -> Tensor:
    """How many dimensions there are, ragged ones counted."""
    with name_scope(name, "RaggedRank", [input]) as scope:
        if not is_ragged(input):
            return shaping.rank(input, scope)
        return input.ragged_rank + shaping.rank(input.flat_values)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: Any = None,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """`tf.one_hot` of the values of a ragged tensor."""
    with name_scope(name, "RaggedOneHot", [indices]):
        indices = as_tensor_or_ragged(indices, name="indices")
        if axis is not None:
            axis = positive_axis(axis, indices.shape.ndims)
            if axis < indices.ragged_rank:
                raise ValueError("axis may not be less than indices.ragged_rank.")
        return indices.with_flat_values(
            filling.one_hot(indices.flat_values, depth, on_value, off_value, axis, dtype, name)
        )


def tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    """`input` repeated `multiples[i]` times along dimension `i`."""
    with name_scope(name, "RaggedTile", [input, multiples]):
        input = as_tensor_or_ragged(input, name="input")
        if not isinstance(input, RaggedTensor):
            return joining.tile(input, multiples, name)
        multiples = as_integers(multiples, "multiples", input.row_splits.dtype)
        multiples.shape.assert_has_rank(1)
        known = get_static_value(multiples)
        # In this order: the ops of the values come first.
        values = _tiled_values(input, multiples, known)
        return RaggedTensor.from_nested_row_splits(values, _tiled_splits(input, multiples, known), validate=False)


def _tiled_values(rt: RaggedTensor, multiples: Tensor, known: Any) -> Tensor:
    """The values in the order they have when all dimensions but the outermost and the dense ones are repeated."""
    nested = rt.nested_row_splits
    ids = range_(nested[-1][-1])
    previous: Any = None
    for axis in range(rt.ragged_rank, 0, -1):
        splits = nested[axis - 1]
        if previous is not None:
            splits = gather(previous * multiples[axis + 1], splits)
        if known is None or known[axis] != 1:
            ids = repeat_ranges(ids, splits, multiples[axis])
        previous = splits
    values = gather(rt.flat_values, ids)
    return joining.tile(values, concat([multiples[:1], multiples[rt.ragged_rank + 1 :]], axis=0))


def _tiled_splits(rt: RaggedTensor, multiples: Tensor, known: Any) -> list[Tensor]:
    nested = rt.nested_row_splits
    count = rt.ragged_rank
    # projected[a][b]: the splits of partition a, in rows of partition b
    projected = [{i: nested[i]} for i in range(count)]
    for a in range(count):
        for b in range(a + 1, count - 1):
            projected[a][b] = gather(nested[b], projected[a][b - 1])
    result = []
    for axis in range(count):
        lengths = nested[axis][1:] - nested[axis][:-1]
        tiled = lengths * multiples[axis + 1]
        repeats: Any = 1
        for outer in range(axis - 1, -1, -1):
            if known is None or known[outer + 1] != 1:
                splits = projected[outer][axis - 1] * repeats
                tiled = repeat_ranges(tiled, splits, multiples[outer + 1])
            repeats *= multiples[outer + 1]
        tiled = joining.tile(tiled, multiples[:1])
        result.append(lengths_to_splits(tiled))
    return result


__all__ = ["expand_dims", "one_hot", "rank", "size", "squeeze", "tile"]
