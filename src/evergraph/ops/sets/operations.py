"""Sets that stand along the last dimension of a tensor: their size, union, intersection and difference."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, merge, merge_dim, with_rank, with_rank_at_least
from evergraph.framework.sparse import SparseTensor, convert_to_tensor_or_sparse_tensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse import indices as index_kernels

ELEMENTS = (
    dtypes.int8,
    dtypes.int16,
    dtypes.int32,
    dtypes.int64,
    dtypes.uint8,
    dtypes.uint16,
    dtypes.string,
)
"""What sets may be made of."""

Elements = tuple[np.ndarray, np.ndarray]
"""The number of the set that each element belongs to, and the elements."""


def _of_dense(x: np.ndarray) -> tuple[list[int], Elements]:
    if x.ndim < 2:
        raise kernel_error(f"Shape {bracket_text(x.shape)} has rank {x.ndim} < 2")
    outer = list(x.shape[:-1])
    count = int(np.prod(outer, dtype=np.int64))
    return outer, (np.repeat(np.arange(count), x.shape[-1]), x.reshape(-1))


def _of_sparse(indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> tuple[list[int], Elements]:
    if shape.ndim != 1 or shape.size < 2:
        raise kernel_error(f"Invalid rank {shape.size}.")
    index_kernels.require_parts(indices, values, shape)
    sizes = index_kernels.checked_sizes(shape)
    index_kernels.require_in_order(np, indices, sizes)
    return sizes[:-1], (index_kernels.positions(np, indices[:, :-1], sizes[:-1]), values)


def _combined(first: tuple[list[int], Elements], second: tuple[list[int], Elements], how: bytes) -> Any:
    """A set operation on each pair of sets, as the parts of a sparse tensor."""
    (outer, (groups1, values1)), (other, (groups2, values2)) = first, second
    if outer != other:
        raise kernel_error(f"Mismatched shapes {bracket_text(tuple(outer))} vs {bracket_text(tuple(other))}")
    known, codes = np.unique(np.concatenate([values1, values2]), return_inverse=True)
    codes = codes.reshape(-1)
    width = max(len(known), 1)
    a = groups1 * width + codes[: len(values1)]
    b = groups2 * width + codes[len(values1) :]
    match how.lower():
        case b"a-b":
            keys = np.setdiff1d(a, b)
        case b"b-a":
            keys = np.setdiff1d(b, a)
        case b"intersection":
            keys = np.intersect1d(a, b)
        case b"union":
            keys = np.union1d(a, b)
        case _:
            raise kernel_error(f"Invalid set_operation {how.decode(errors='replace')}.")
    groups, code = np.divmod(keys, width)
    values = known[code] if len(known) else np.zeros(0, values1.dtype)
    _, begins, lengths = np.unique(groups, return_index=True, return_counts=True)
    place = np.arange(len(groups)) - np.repeat(begins, lengths)
    indices = np.concatenate([index_kernels.unraveled(np, groups, outer), place[:, None]], axis=1)
    return indices, values, np.array([*outer, lengths.max(initial=0)], np.int64)


@op("SetSize", host=True, differentiable=False)
def set_size_op(xp: Any, set_indices: Any, set_values: Any, set_shape: Any) -> Any:
    """The number of distinct elements of each set."""
    outer, (groups, values) = _of_sparse(set_indices, set_values, set_shape)
    known, codes = np.unique(values, return_inverse=True)
    distinct = np.unique(groups * max(len(known), 1) + codes.reshape(-1)) // max(len(known), 1)
    count = int(np.prod(outer, dtype=np.int64))
    return np.bincount(distinct, minlength=count).astype(np.int32).reshape(outer)


@op("DenseToDenseSetOperation", host=True, differentiable=False)
def dense_to_dense_set_operation(xp: Any, set1: Any, set2: Any, *, set_operation: bytes) -> Any:
    """A set operation on pairs of sets, both dense."""
    return _combined(_of_dense(set1), _of_dense(set2), set_operation)


@op("DenseToSparseSetOperation", host=True, differentiable=False)
def dense_to_sparse_set_operation(
    xp: Any, set1: Any, set2_indices: Any, set2_values: Any, set2_shape: Any, *, set_operation: bytes
) -> Any:
    """A set operation on pairs of sets, the first dense, the second sparse."""
    return _combined(_of_dense(set1), _of_sparse(set2_indices, set2_values, set2_shape), set_operation)


@op("SparseToSparseSetOperation", host=True, differentiable=False)
def sparse_to_sparse_set_operation(
    xp: Any,
    set1_indices: Any,
    set1_values: Any,
    set1_shape: Any,
    set2_indices: Any,
    set2_values: Any,
    set2_shape: Any,
    *,
    set_operation: bytes,
) -> Any:
    """A set operation on pairs of sets, both sparse."""
    first = _of_sparse(set1_indices, set1_values, set1_shape)
    return _combined(first, _of_sparse(set2_indices, set2_values, set2_shape), set_operation)


# Static shapes


def _result_shapes(rank: int | None) -> tuple[Shape, Shape, Shape]:
    return (None, rank), (None,), (rank,)


def _sparse_rank(indices: Shape, values: Shape, shape: Shape) -> int | None:
    rows, columns = with_rank(indices, 2)
    merge_dim(rows, with_rank(values, 1)[0])
    return merge_dim(columns, with_rank(shape, 1)[0])


@dense_to_dense_set_operation.shape
def dense_to_dense_shape(set1: Any, set2: Any) -> Any:
    with_rank_at_least(set1, 2)
    if set1 is None:
        with_rank_at_least(set2, 2)
        return _result_shapes(None if set2 is None else len(set2))
    if set2 is not None:
        if len(set2) != len(set1):
            raise ShapeError(f"Shape must be rank {len(set1)} but is rank {len(set2)}")
        merge(set1[:-1], set2[:-1])
    return _result_shapes(len(set1))


@dense_to_sparse_set_operation.shape
def dense_to_sparse_shape(set1: Any, set2_indices: Any, set2_values: Any, set2_shape: Any) -> Any:
    rank = _sparse_rank(set2_indices, set2_values, set2_shape)
    with_rank_at_least(set1, 2)
    return _result_shapes(rank if set1 is None else merge_dim(rank, len(set1)))


@sparse_to_sparse_set_operation.shape
def sparse_to_sparse_shape(
    set1_indices: Any, set1_values: Any, set1_shape: Any, set2_indices: Any, set2_values: Any, set2_shape: Any
) -> Any:
    ranks = [
        _sparse_rank(set1_indices, set1_values, set1_shape),
        _sparse_rank(set2_indices, set2_values, set2_shape),
    ]
    for i, rank in enumerate(ranks):
        if rank is not None and rank < 2:
            raise ShapeError(f"Input {i}, expected rank >= 2, got {rank}.")
    return _result_shapes(merge_dim(*ranks))


# Functions


@public("sets.size", "sets.set_size")
def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """Count the distinct elements of each set along the last dimension.

    Args:
        a: a `SparseTensor` of integers or strings, of rank `n` of at least 2, in row-major order.
        validate_indices: has no effect: order and bounds are always checked.

    Returns:
        int32, of rank `n - 1`.

    Raises:
        TypeError: if `a` is not sparse, or of another type.
    """
    a = convert_to_tensor_or_sparse_tensor(a, name="a")
    if not isinstance(a, SparseTensor):
        raise TypeError(f"Expected `SparseTensor`, got {a}.")
    if a.values.dtype.base_dtype not in ELEMENTS:
        raise TypeError(f"Invalid dtype {a.values.dtype}.")
    return set_size_op(a.indices, a.values, a.dense_shape, validate_indices)


def _pair(a: Any, b: Any) -> tuple[Any, Any, bool]:
    """The two as tensors, a dense one first; and whether that changed their order."""
    a = convert_to_tensor_or_sparse_tensor(a, name="a")
    if a.dtype.base_dtype not in ELEMENTS:
        raise TypeError(f"'a' invalid dtype {a.dtype}.")
    b = convert_to_tensor_or_sparse_tensor(b, name="b")
    if b.dtype.base_dtype is not a.dtype.base_dtype:
        raise TypeError(f"Types don't match, {a.dtype} vs {b.dtype}.")
    if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
        return b, a, True
    return a, b, False


def _operation(a: Any, b: Any, how: str, validate_indices: bool) -> SparseTensor:
    if isinstance(a, SparseTensor):
        made = sparse_to_sparse_set_operation(
            a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape, how, validate_indices
        )
    elif isinstance(b, SparseTensor):
        made = dense_to_sparse_set_operation(a, b.indices, b.values, b.dense_shape, how, validate_indices)
    else:
        made = dense_to_dense_set_operation(a, b, how, validate_indices)
    return SparseTensor(*made)


@public("sets.intersection", "sets.set_intersection")
def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Find what each pair of sets along the last dimension has in common.

    Args:
        a: a tensor or `SparseTensor` of integers or strings; a sparse one in row-major order.
        b: the same, of the same type and shape but for the last dimension.
        validate_indices: has no effect: order and bounds are always checked.

    Returns:
        A `SparseTensor`: the elements of each set in order.

    Raises:
        TypeError: if the types differ, or are others.
    """
    a, b, _ = _pair(a, b)
    return _operation(a, b, "intersection", validate_indices)


@public("sets.difference", "sets.set_difference")
def set_difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """Find what the one of each pair of sets along the last dimension has and the other has not.

    Args:
        a: as of `set_intersection`.
        b: as of `set_intersection`.
        aminusb: what is in `a` and not in `b`; if not, the other way round.
        validate_indices: has no effect: order and bounds are always checked.
    """
    a, b, is_swapped = _pair(a, b)
    return _operation(a, b, "a-b" if bool(aminusb) != is_swapped else "b-a", validate_indices)


@public("sets.union", "sets.set_union")
def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """Find what is in at least one of each pair of sets along the last dimension; arguments as `set_intersection`."""
    a, b, _ = _pair(a, b)
    return _operation(a, b, "union", validate_indices)
