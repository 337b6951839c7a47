"""Ragged tensors put side by side."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import dimension_value
from evergraph.framework.tensor import Tensor
from evergraph.ops import joining
from evergraph.ops.checks import assert_equal
from evergraph.ops.ragged.gathering import gather
from evergraph.ops.ragged.rearranging import expand_dims
from evergraph.ops.ragged.splits import lengths_to_splits, positive_axis, splits_match
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, splits_type_of
from evergraph.ops.rearrange import transpose
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import reshape


def concat(values: Any, axis: Any, name: str | None = None) -> Any:
    """Tensors and ragged tensors of one rank, joined along `axis`."""
    values = list(values) if isinstance(values, list | tuple) else [values]
    with name_scope(name, "RaggedConcat", values):
        return _joined(values, axis, stacked=False)


@public("ragged.stack", "compat.v2.ragged.stack")
def stack(values: Any, axis: Any = 0, name: str | None = None) -> Any:
    """Tensors and ragged tensors of one rank, side by side along a new dimension.

    Args:
        values: tensors or ragged tensors; their shapes may differ.
        axis: int: where the new dimension goes.
        name: the ops' scope.

    Returns:
        A `RaggedTensor`; a `Tensor` where none of `values` is ragged and `axis` is one of the last two.

    Raises:
        ValueError: if there are none, or their ranks differ.

    >>> sess.run(tf.ragged.stack([tf.ragged.constant([[1, 2]]), tf.ragged.constant([[3], []])])).to_list()
    [[[1, 2]], [[3], []]]
    """
    values = list(values) if isinstance(values, list | tuple) else [values]
    with name_scope(name, "RaggedConcat", values):
        return _joined(values, axis, stacked=True)


def _joined(values: Any, axis: Any, stacked: bool) -> Any:
    if not values:
        raise ValueError("rt_inputs may not be empty.")
    values = [as_tensor_or_ragged(v, name="rt_input") for v in values]
    kind = splits_type_of(*values)
    if len(values) == 1:
        return expand_dims(values[0], axis=axis) if stacked else values[0]
    rank = None
    for v in values:
        if rank is None:
            rank = v.shape.ndims
        else:
            v.shape.assert_has_rank(rank)
    out_rank = rank if rank is None or not stacked else rank + 1
    axis = positive_axis(axis, out_rank)
    is_dense = not any(isinstance(v, RaggedTensor) for v in values)
    if is_dense and rank is not None and out_rank is not None and axis in (out_rank - 1, rank - 1):
        return (joining.stack if stacked else joining.concat)(values, axis)
    values = [
        v if isinstance(v, RaggedTensor) else RaggedTensor.from_tensor(v, ragged_rank=1, row_splits_dtype=kind)
        for v in values
    ]
    partitions = max(v.ragged_rank for v in values)
    values = [_with_partitions(v, partitions, kind) for v in values]
    if axis == 0:
        return _after_each_other(values, stacked)
    if axis == 1:
        return _row_by_row(values, stacked)
    inner = [v.values for v in values]
    splits = [[v.row_splits] for v in values]
    with control_dependencies(splits_match(splits)):
        return RaggedTensor.from_row_splits(_joined(inner, axis - 1, stacked), splits[0][0], validate=False)


def _with_partitions(x: Any, count: int, kind: Any) -> Any:
    """`x` with dense dimensions made ragged, until it has `count` partitions."""
    if count > 0:
        if not isinstance(x, RaggedTensor):
            x = RaggedTensor.from_tensor(x, row_splits_dtype=kind)
        if x.ragged_rank < count:
            x = x.with_values(_with_partitions(x.values, count - 1, kind))
    return x


def _after_each_other(values: list[RaggedTensor], stacked: bool) -> RaggedTensor:
    flat = joining.concat([v.flat_values for v in values], axis=0)
    nested = [v.nested_row_splits for v in values]
    splits = [_splits_joined([n[d] for n in nested]) for d in range(values[0].ragged_rank)]
    if stacked:
        splits.insert(0, lengths_to_splits(joining.stack([v.nrows() for v in values])))
    return RaggedTensor.from_nested_row_splits(flat, splits, validate=False)


def _splits_joined(each: list[Tensor]) -> Tensor:
    pieces, offset = [each[0]], each[0][-1]
    for splits in each[1:]:
        pieces.append(splits[1:] + offset)
        offset += splits[-1]
    return joining.concat(pieces, axis=0)


def _row_by_row(values: list[RaggedTensor], stacked: bool) -> RaggedTensor:
    """First rows first, then second rows, ..."""
    count = len(values)
    rows = values[0].nrows()
    message = "Input tensors have incompatible shapes."
    with control_dependencies([assert_equal(v.nrows(), rows, message=message) for v in values[1:]]):
        together = _after_each_other(values, stacked=False)
        order = transpose(reshape(range_(rows * count), [count, -1]))
        mixed = gather(together, reshape(order, [-1]))
        if stacked:
            splits = range_(0, rows * count + 1, count)
            _note_row_count(values, splits)
            return RaggedTensor.from_row_splits(mixed, splits, validate=False)
        splits = mixed.row_splits[::count]
        _note_row_count(values, splits)
        return RaggedTensor.from_row_splits(mixed.values, splits, validate=False)


def _note_row_count(values: list[RaggedTensor], splits: Tensor) -> None:
    for v in values:
        rows = dimension_value(v.shape[0])
        if rows is not None:
            splits.set_shape([rows + 1])


__all__ = ["concat", "stack"]
