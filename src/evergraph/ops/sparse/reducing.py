"""Sums, maxima and softmax over the elements that a sparse tensor stores."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, reductions, segment, static_values
from evergraph.ops.opdef import Op, kernel_error, op, raw_op, require
from evergraph.ops.reductions import NARROW, axes_or_all, given, lowest
from evergraph.ops.sparse import indices as index_kernels


def _axes(reduction_axes: Any, rank: int) -> set[int]:
    if reduction_axes.ndim > 1:
        raise kernel_error(
            f"Expected reduction_axes to be a scalar or a vector; got shape: {bracket_text(reduction_axes.shape)}"
        )
    found = set()
    for axis in np.ravel(reduction_axes).tolist():
        if not -rank <= axis < rank:
            raise kernel_error(f"Invalid reduction dimension {axis}, for input with {rank} dimensions.")
        found.add(axis % rank)
    return found


def _reduced_sizes(sizes: list[int], axes: set[int], keep_dims: bool) -> list[int]:
    if keep_dims:
        return [1 if i in axes else d for i, d in enumerate(sizes)]
    return [d for i, d in enumerate(sizes) if i not in axes]


def _dense_reduction(how: str) -> Op:
    def kernel(
        xp: Any, input_indices: Any, input_values: Any, input_shape: Any, reduction_axes: Any, *, keep_dims: bool
    ) -> Any:
        index_kernels.require_parts(input_indices, input_values, input_shape)
        sizes = index_kernels.checked_sizes(input_shape)
        axes = _axes(reduction_axes, len(sizes))
        kept = [i for i in range(len(sizes)) if i not in axes]
        kept_sizes = [sizes[i] for i in kept]
        count = int(np.prod(kept_sizes, dtype=np.int64))
        made = _reduced_sizes(sizes, axes, keep_dims)
        if not input_values.shape[0]:
            return xp.zeros(made, input_values.dtype)
        chosen = input_indices[:, np.array(kept, np.int64)]
        at = index_kernels.positions(xp, chosen, kept_sizes)
        require(
            xp,
            index_kernels.in_bounds(xp, chosen, kept_sizes),
            lambda: kernel_error(
                f"Obtained a write index which is outside of bounds of [0, {count})", errors.InternalError
            ),
        )
        if how == "sum":
            values = input_values.astype(np.float32) if input_values.dtype in NARROW else input_values
            flat = segment.grouped(xp, "sum", values, at, count, 0).astype(input_values.dtype)
        else:
            flat = segment.grouped(xp, "max", input_values, at, count, lowest(input_values.dtype))
            stored = segment.grouped(xp, "sum", xp.ones(at.shape[0], np.int32), at, count, 0)
            flat = xp.where(stored > 0, flat, input_values.dtype.type(0))
        return xp.reshape(flat, made)

    kernel.__name__ = f"SparseReduce{how.capitalize()}"
    kernel.__doc__ = f"The {how} of the stored elements over some dimensions, as a dense tensor; zero where none is."
    return op(
        kernel.__name__,
        static=("input_shape", "reduction_axes"),
        shape=_dense_reduction_shape,
        differentiable=how == "sum",
    )(kernel)


def _dense_reduction_shape(
    input_indices: Any, input_values: Any, input_shape: Any, reduction_axes: Any, *, keep_dims: bool
) -> Shape:
    sizes, axes = static_values.whole(input_shape), static_values.whole(reduction_axes)
    if sizes is None or axes is None:
        return None
    return tuple(_reduced_sizes(sizes, {(axis + len(sizes)) % len(sizes) for axis in axes}, keep_dims))


def _sparse_reduction(how: str) -> Op:
    def kernel(
        xp: Any, input_indices: Any, input_values: Any, input_shape: Any, reduction_axes: Any, *, keep_dims: bool
    ) -> Any:
        index_kernels.require_parts(input_indices, input_values, input_shape)
        sizes = index_kernels.checked_sizes(input_shape)
        axes = _axes(reduction_axes, len(sizes))
        kept = [i for i in range(len(sizes)) if i not in axes]
        chosen = input_indices[:, kept]
        order = index_kernels.row_major_order(np, chosen)
        chosen, values = chosen[order], input_values[order]
        starts = index_kernels.run_starts(chosen) if kept else np.zeros(min(1, len(values)), np.int64)
        rows = chosen[starts]
        if keep_dims:
            rows = np.zeros((len(starts), len(sizes)), np.int64)
            rows[:, kept] = chosen[starts]
        if not len(values):
            made = values
        elif how == "max":
            made = np.maximum.reduceat(values, starts)
        else:
            wide = values.astype(np.float32) if values.dtype in NARROW else values
            made = np.add.reduceat(wide, starts).astype(values.dtype)
        return rows, made, np.array(_reduced_sizes(sizes, axes, keep_dims), np.int64)

    kernel.__name__ = f"SparseReduce{how.capitalize()}Sparse"
    kernel.__doc__ = f"The {how} of the stored elements over some dimensions, as a sparse tensor."
    return op(kernel.__name__, host=True, differentiable=False)(kernel)


_SUM, _MAX = _dense_reduction("sum"), _dense_reduction("max")
_SPARSE_SUM, _SPARSE_MAX = _sparse_reduction("sum"), _sparse_reduction("max")


@_SUM.gradient
def sparse_reduce_sum_grad(made: Operation, grad: Tensor) -> tuple[None, Tensor, None, None]:
    indices, _, shape, axes = made.inputs
    kept_shape = reductions.reduced_shape(shape, axes)
    spread = array.reshape(grad, kept_shape)
    scale = shape // cast.cast(kept_shape, dtypes.int64)
    return None, array.gather_nd(spread, indices // scale), None, None


def _public_dense(declared: Op, how: str) -> Any:
    def reduce(
        sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
    ) -> Tensor:
        keepdims = bool(given(keepdims, "keepdims", keep_dims, "keep_dims"))
        axes = axes_or_all(sp_input, given(axis, "axis", reduction_axes, "reduction_axes"))
        return declared(sp_input.indices, sp_input.values, sp_input.dense_shape, axes, keepdims)

    return _named(reduce, f"reduce_{how}", f"sparse_reduce_{how}", how, "A dense tensor, 0 where nothing is stored.")


def _public_sparse(declared: Op, how: str) -> Any:
    def reduce(
        sp_input: Any, axis: Any = None, keepdims: Any = None, reduction_axes: Any = None, keep_dims: Any = None
    ) -> SparseTensor:
        keepdims = bool(given(keepdims, "keepdims", keep_dims, "keep_dims"))
        axes = axes_or_all(sp_input, given(axis, "axis", reduction_axes, "reduction_axes"))
        return SparseTensor(*declared(sp_input.indices, sp_input.values, sp_input.dense_shape, axes, keepdims))

    return _named(reduce, f"reduce_{how}_sparse", f"sparse_reduce_{how}_sparse", how, "A `SparseTensor`.")


def _named(function: Any, short: str, long: str, how: str, gives: str) -> Any:
    function.__name__ = function.__qualname__ = long
    function.__doc__ = f"""Reduce a sparse tensor to the {how} over some dimensions; what is not stored takes no part.

    Args:
        sp_input: a `SparseTensor` of numbers.
        axis: an int, a list or an int tensor; negative counts from the end. All dimensions by default.
        keepdims: keep the reduced dimensions, at size one.
        reduction_axes: the old name of `axis`.
        keep_dims: the old name of `keepdims`.

    Returns:
        {gives}
    """
    return public(f"sparse.{short}", long)(function)


sparse_reduce_sum, sparse_reduce_max = _public_dense(_SUM, "sum"), _public_dense(_MAX, "max")
sparse_reduce_sum_sparse = _public_sparse(_SPARSE_SUM, "sum")
sparse_reduce_max_sparse = _public_sparse(_SPARSE_MAX, "max")


# Softmax along the last dimension


@op("SparseSoftmax", static=("sp_shape",))
def sparse_softmax_op(xp: Any, sp_indices: Any, sp_values: Any, sp_shape: Any) -> Any:
    """Softmax along the last dimension; what is not stored takes no part. The values come in row-major order."""
    index_kernels.require_parts(sp_indices, sp_values, sp_shape)
    if sp_shape.size < 2:
        raise kernel_error(f"Input should have rank >= 2, but received shape: {bracket_text(tuple(sp_shape.tolist()))}")
    index_kernels.checked_sizes(sp_shape)
    n = sp_values.shape[0]
    if not n:
        return sp_values
    order = index_kernels.row_major_order(xp, sp_indices)
    values = xp.asarray(sp_values)[order]
    rows = index_kernels.runs(xp, xp.asarray(sp_indices)[order][:, :-1])
    largest = segment.grouped(xp, "max", values, rows, n, lowest(values.dtype))[rows]
    scaled = xp.exp(values - largest)
    return scaled / segment.grouped(xp, "sum", scaled, rows, n, 0)[rows]


@sparse_softmax_op.shape
def sparse_softmax_shape(sp_indices: Any, sp_values: Any, sp_shape: Any) -> Shape:
    with_rank(sp_indices, 2)
    return with_rank(sp_values, 1)


@sparse_softmax_op.gradient
def sparse_softmax_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    indices, _, shape = made.inputs
    result = made.outputs[0]
    product = SparseTensor(indices, result * grad, shape)
    total = -sparse_reduce_sum(product, [-1], keepdims=True)
    shifted = raw_op("SparseDenseCwiseAdd")(indices, grad, shape, total)
    return [None, shifted * result, None]


@public("sparse.softmax", "sparse_softmax")
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Softmax along the last dimension of a sparse tensor; what is not stored takes no part.

    Args:
        sp_input: a `SparseTensor` of float32 or float64, of rank 2 or more, in row-major order.
        name: the scope of the ops.
    """
    with name_scope(name, "SparseSoftmax", [sp_input.indices, sp_input.values]):
        values = sparse_softmax_op(sp_input.indices, sp_input.values, sp_input.dense_shape)
        return SparseTensor(sp_input.indices, values, sp_input.dense_shape)
