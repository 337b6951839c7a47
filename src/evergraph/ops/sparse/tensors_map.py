"""Sparse tensors that a session keeps for later, under numbers."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse
from evergraph.ops.sparse.serialized import Parts, rows_of, stacked, with_known_rank


class SparseTensorsMap:
    """Numbers to sparse tensors. Each is taken out once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._next = 0
        self._kept: dict[int, Parts] = {}

    def add(self, parts: Parts) -> int:
        """Keep a sparse tensor; gives its number."""
        with self._lock:
            number = self._next
            self._next += 1
            self._kept[number] = parts
        return number

    def take(self, numbers: list[int]) -> list[Parts]:
        """The sparse tensors of these numbers, which are free then."""
        with self._lock:
            for number in numbers:
                if number not in self._kept:
                    raise kernel_error(f"Unable to find SparseTensor: {number} in map: {self._name}")
            return [self._kept.pop(number) for number in numbers]


def _map(run: Running, container: bytes, shared_name: bytes) -> SparseTensorsMap:
    name = shared_name.decode() or run.op.name
    return run.resource(container, name.encode(), lambda: SparseTensorsMap(name))


@op("AddSparseToTensorsMap", host=True, session=True, differentiable=False)
def add_sparse_to_tensors_map_op(
    xp: Any,
    sparse_indices: Any,
    sparse_values: Any,
    sparse_shape: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """Keep a sparse tensor in the session; gives its number."""
    index_kernels.require_parts(sparse_indices, sparse_values, sparse_shape)
    kept = _map(run, container, shared_name)
    return np.int64(kept.add((np.array(sparse_indices), np.array(sparse_values), np.array(sparse_shape))))


@add_sparse_to_tensors_map_op.shape
def add_sparse_to_tensors_map_shape(sparse_indices: Any, sparse_values: Any, sparse_shape: Any) -> Shape:
    _check_parts(sparse_indices, sparse_values, sparse_shape)
    return ()


@op("AddManySparseToTensorsMap", host=True, session=True, differentiable=False)
def add_many_sparse_to_tensors_map_op(
    xp: Any,
    sparse_indices: Any,
    sparse_values: Any,
    sparse_shape: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """Keep the sparse tensors along the first dimension in the session; gives their numbers."""
    several = rows_of(sparse_indices, sparse_values, sparse_shape)
    kept = _map(run, container, shared_name)
    return np.array([kept.add((np.array(i), np.array(v), np.array(s))) for i, v, s in several], np.int64)


@add_many_sparse_to_tensors_map_op.shape
def add_many_sparse_to_tensors_map_shape(sparse_indices: Any, sparse_values: Any, sparse_shape: Any) -> Shape:
    _check_parts(sparse_indices, sparse_values, sparse_shape)
    return (None,)


@op("TakeManySparseFromTensorsMap", host=True, session=True, differentiable=False)
def take_many_sparse_from_tensors_map_op(
    xp: Any, sparse_handles: Any, *, run: Running, dtype: DType, container: bytes, shared_name: bytes
) -> Any:
    """Take sparse tensors out of the session, side by side along a new first dimension."""
    if sparse_handles.ndim != 1:
        raise kernel_error(f"sparse_handles should be a vector but received shape {bracket_text(sparse_handles.shape)}")
    if not sparse_handles.size:
        raise kernel_error("Must have at least 1 serialized SparseTensor, but input matrix has 0 rows")
    several = _map(run, container, shared_name).take(sparse_handles.tolist())
    for i, (_, values, _) in enumerate(several):
        found = dtypes.string if values.dtype == object else dtypes.as_dtype(values.dtype)
        if found.name != dtype.name:
            raise kernel_error(
                f"Requested SparseTensor of type {dtype.name} but SparseTensor[{i}].values.dtype() == {found.name}"
            )
    return stacked(several, [len(several)], "rank", counted=1)


@take_many_sparse_from_tensors_map_op.shape
def take_many_sparse_from_tensors_map_shape(sparse_handles: Any) -> Any:
    with_rank(sparse_handles, 1)
    return (None, None), (None,), (None,)


def _check_parts(sparse_indices: Shape, sparse_values: Shape, sparse_shape: Shape) -> None:
    with_rank(sparse_indices, 2)
    with_rank(sparse_values, 1)
    with_rank(sparse_shape, 1)


def add_sparse_to_tensors_map(
    sp_input: Any, container: str | None = None, shared_name: str | None = None, name: str | None = None
) -> Tensor:
    """Keep a sparse tensor in the session.

    Returns:
        int64, a scalar: the number to take it out by.
    """
    sp_input = as_sparse(sp_input)
    return add_sparse_to_tensors_map_op(
        sp_input.indices,
        sp_input.values,
        sp_input.dense_shape,
        container=container,
        shared_name=shared_name,
        name=name,
    )


def add_many_sparse_to_tensors_map(
    sp_input: Any, container: str | None = None, shared_name: str | None = None, name: str | None = None
) -> Tensor:
    """Keep each of the sparse tensors along the first dimension of `sp_input` in the session.

    Returns:
        int64, a vector: their numbers.
    """
    sp_input = as_sparse(sp_input)
    return add_many_sparse_to_tensors_map_op(
        sp_input.indices,
        sp_input.values,
        sp_input.dense_shape,
        container=container,
        shared_name=shared_name,
        name=name,
    )


def take_many_sparse_from_tensors_map(
    sparse_map_op: Any, sparse_handles: Any, rank: Any = None, name: str | None = None
) -> SparseTensor:
    """Take out sparse tensors that `sparse_map_op` keeps, along a new first dimension.

    Args:
        sparse_map_op: the op that gave the numbers.
        sparse_handles: int64, a vector of them.
        rank: the rank of the result, if it is known.
        name: the op's name.

    Raises:
        TypeError: if `sparse_map_op` is another kind of op.
        InvalidArgumentError: at run time, for a number that is not there.
    """
    if not isinstance(sparse_map_op, Operation):
        raise TypeError("sparse_map_op be an Operation")
    if sparse_map_op.type not in ("AddSparseToTensorsMap", "AddManySparseToTensorsMap"):
        raise TypeError(
            "sparse_map_op must be one of AddSparseToTensorsMap or AddSparseToTensorsMap. Instead, found "
            f"`{sparse_map_op.type}`."
        )
    with get_default_graph().colocate_with(sparse_map_op):
        parts = take_many_sparse_from_tensors_map_op(
            sparse_handles,
            dtype=sparse_map_op.get_attr("T"),
            container=sparse_map_op.get_attr("container"),
            shared_name=sparse_map_op.get_attr("shared_name") or sparse_map_op.name,
            name=name,
        )
    return with_known_rank(parts, rank)
