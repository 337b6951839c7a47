"""Sparse tensors as elements of queues: the session keeps them, and what goes through a queue is a number for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Dimension, dimension_value
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.filling import ones
from evergraph.ops.gather import gather
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.opdef import constant_value
from evergraph.ops.shaping import expand_dims, shape, squeeze
from evergraph.ops.sparse.picking import sparse_retain
from evergraph.ops.sparse.tensors_map import (
    add_many_sparse_to_tensors_map,
    add_sparse_to_tensors_map,
    take_many_sparse_from_tensors_map,
)


class Stored:
    """Where the session keeps what one component of an element stands for; `map_op` is None for a dense one."""

    __slots__ = ("map_op", "rank")

    def __init__(self, map_op: Operation | None, rank: Any) -> None:
        self.map_op = map_op
        self.rank = Dimension(rank)

    def fits(self, other: Stored) -> bool:
        if self.map_op is None or other.map_op is None:
            return self.map_op is other.map_op
        return self.map_op == other.map_op and self.rank.is_compatible_with(other.rank)


def chosen(keep_input: Tensor, if_kept: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """One of two functions' results: at once where `keep_input` is known, else a `tf.cond`."""
    known = constant_value(keep_input)
    if known is None:
        return cond(keep_input, if_kept, otherwise)
    return if_kept() if known else otherwise()


def store(
    tensors: Sequence[Any], enqueue_many: bool, keep_input: Tensor, shared: Sequence[Operation | None] | None = None
) -> tuple[list[Tensor], list[Stored]]:
    """Put numbers in the places of sparse tensors.

    Args:
        tensors: the components of an element.
        enqueue_many: whether they hold many elements along the first dimension.
        keep_input: whether the element is wanted, or which of the many.
        shared: ops that keep the tensors of the same components already.
    """
    maps = shared or [None] * len(tensors)
    numbers = [_number(t, m, enqueue_many, keep_input) for t, m in zip(tensors, maps, strict=True)]
    found = []
    for t, number, map_op in zip(tensors, numbers, maps, strict=True):
        if not isinstance(t, SparseTensor):
            found.append(Stored(None, None))
            continue
        rank = t.dense_shape.shape.with_rank(1).dims[0]  # type: ignore[index]  # of known rank
        found.append(Stored(map_op or _storing_op(number), rank - 1 if enqueue_many else rank))
    columns = [n if s.map_op is None else expand_dims(n, [-1]) for n, s in zip(numbers, found, strict=True)]
    return columns, found


def _number(t: Any, map_op: Operation | None, enqueue_many: bool, keep_input: Tensor) -> Any:
    if not isinstance(t, SparseTensor):
        return t
    name = map_op.name if map_op else None
    if keep_input.shape.ndims == 1:
        kept = sparse_retain(t, gather(keep_input, t.indices[:, 0]))
        return add_many_sparse_to_tensors_map(kept, shared_name=name)
    if enqueue_many:
        number = chosen(
            keep_input,
            lambda: add_many_sparse_to_tensors_map(t, shared_name=name),
            lambda: -1 * ones(shape(t)[0:1], dtypes.int64),
        )
        number.set_shape([None])
        return number
    return chosen(
        keep_input, lambda: add_sparse_to_tensors_map(t, shared_name=name), lambda: constant(-1, dtypes.int64)
    )


def _storing_op(number: Tensor) -> Operation:
    for t in number.op.inputs:
        if t.op.type in ("AddSparseToTensorsMap", "AddManySparseToTensorsMap"):
            return t.op
    return number.op


def store_join(
    elements: Sequence[Sequence[Any]], enqueue_many: bool, keep_input: Tensor
) -> tuple[list[list[Tensor]], list[Stored]]:
    """`store` for elements from several places, which share what keeps their sparse tensors.

    Raises:
        ValueError: if one has a sparse tensor where another has a dense one.
    """
    first, stored = store(elements[0], enqueue_many, keep_input)
    columns = [first]
    for tensors in elements[1:]:
        more, candidates = store(tensors, enqueue_many, keep_input, [s.map_op for s in stored])
        if not all(s.fits(c) for s, c in zip(stored, candidates, strict=True)):
            raise ValueError(f"Inconsistent SparseTensors list: {elements[0]} vs. {tensors}")
        columns.append(more)
    return columns, stored


def restore(batch: Any, stored: Sequence[Stored]) -> Any:
    """Put the sparse tensors back in the places of their numbers, batched."""
    several = isinstance(batch, list | tuple)
    tensors = [
        column
        if s.map_op is None
        else take_many_sparse_from_tensors_map(s.map_op, squeeze(column, [1]), rank=dimension_value(s.rank + 1))
        for column, s in zip(batch if several else (batch,), stored, strict=True)
    ]
    if any(isinstance(t, SparseTensor) for t in tensors):
        # All are taken out in every run, or those that a run does not need would stay for ever.
        values = [t.values if isinstance(t, SparseTensor) else t for t in tensors]
        tensors = [_after(values, t) for t in tensors]
    return tensors if several else tensors[0]


def _after(values: list[Tensor], t: Any) -> Any:
    if not isinstance(t, SparseTensor):
        return with_dependencies(values, t)
    return SparseTensor(
        indices=with_dependencies(values, t.indices),
        values=with_dependencies(values, t.values),
        dense_shape=with_dependencies(values, t.dense_shape),
    )
