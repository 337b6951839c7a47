"""Rows of a sparse tensor that store nothing, and how they get an element."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, bracket_text, merge_dim, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.opdef import kernel_error, op, partial_value, require
from evergraph.ops.scatter import scatter_set
from evergraph.ops.sparse.conversion import as_sparse


@op("SparseFillEmptyRows", host=True)
def sparse_fill_empty_rows_op(xp: Any, indices: Any, values: Any, dense_shape: Any, default_value: Any) -> Any:
    """The elements, and one of `default_value` in each row that had none; which rows those are; where elements went."""
    _check_parts(indices, values, dense_shape, default_value)
    count, rank = indices.shape
    rows = int(dense_shape[0])
    if not rows:
        if count:
            raise kernel_error(f"Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = {count}")
        nothing = np.zeros(0, np.int64)
        return np.zeros((0, rank), np.int64), values, np.zeros(0, np.bool_), nothing
    if rows < 0:
        raise kernel_error(f"Dimension {rows} must be >= 0")
    row = indices[:, 0]
    outside = (row < 0) | (row >= rows)
    if outside.any():
        at = int(np.argmax(outside))
        raise kernel_error(f"indices({at}, 0) is invalid: {row[at]} >= {rows}")
    stored = np.bincount(row, minlength=rows)
    is_empty = stored == 0
    ends = np.cumsum(np.maximum(stored, 1))
    begins = ends - np.maximum(stored, 1)
    order = np.argsort(row, kind="stable")
    place_in_row = np.empty(count, np.int64)
    place_in_row[order] = np.arange(count) - (np.cumsum(stored) - stored)[row[order]]
    goes_to = begins[row] + place_in_row
    made_indices = np.zeros((int(ends[-1]), rank), np.int64)
    made_indices[goes_to] = indices
    made_indices[begins[is_empty], 0] = np.flatnonzero(is_empty)
    made_values = np.empty(len(made_indices), values.dtype)
    made_values[begins[is_empty]] = default_value[()]
    made_values[goes_to] = values
    return made_indices, made_values, is_empty, goes_to


def _check_parts(indices: Any, values: Any, dense_shape: Any, default_value: Any) -> None:
    if dense_shape.ndim != 1:
        raise kernel_error(f"dense_shape must be a vector, saw: {bracket_text(dense_shape.shape)}")
    if indices.ndim != 2:
        raise kernel_error(f"indices must be a matrix, saw: {bracket_text(indices.shape)}")
    if values.ndim != 1:
        raise kernel_error(f"values must be a vector, saw: {bracket_text(values.shape)}")
    if indices.shape[0] != values.shape[0]:
        raise kernel_error(
            f"The length of `values` ({values.shape[0]}) must match the first dimension of `indices` "
            f"({indices.shape[0]})."
        )
    if default_value.ndim:
        raise kernel_error(f"default_value must be a scalar, saw: {bracket_text(default_value.shape)}")
    if not dense_shape.size or indices.shape[1] != dense_shape.size:
        raise kernel_error(
            f"dense_shape has {dense_shape.size} sizes, but indices have {indices.shape[1]} columns (at least 1 is "
            "needed)"
        )


@sparse_fill_empty_rows_op.shape_from_op
def sparse_fill_empty_rows_shape(made: Operation) -> Any:
    indices, values, dense_shape, default_value = (t.static_shape for t in made.inputs)
    count, columns = with_rank(indices, 2)
    rank = with_rank(dense_shape, 1)[0]
    with_rank(default_value, 0)
    count = merge_dim(count, with_rank(values, 1)[0])
    merge_dim(columns, rank)
    if rank == 0:
        raise ShapeError("dense_shape must not be empty")
    sizes = static_values.as_shape(partial_value(made.inputs[2]))
    return (None, rank), (None,), (sizes[0] if sizes else None,), (count,)


@op("SparseFillEmptyRowsGrad", differentiable=False)
def sparse_fill_empty_rows_grad_op(xp: Any, reverse_index_map: Any, grad_values: Any) -> Any:
    """The gradients of the elements, and of the value that went into the rows without any."""
    if reverse_index_map.ndim != 1:
        raise kernel_error(f"reverse_index_map must be a vector, saw: {bracket_text(reverse_index_map.shape)}")
    if grad_values.ndim != 1:
        raise kernel_error(f"grad_values must be a vector, saw: {bracket_text(grad_values.shape)}")
    count = grad_values.shape[0]
    inside = (reverse_index_map >= 0) & (reverse_index_map < count)
    require(xp, inside, lambda: kernel_error(f"Elements in reverse index must be in [0, {count})"))
    if not reverse_index_map.shape[0]:
        return xp.zeros(0, grad_values.dtype), xp.sum(grad_values, dtype=grad_values.dtype)
    is_filled = scatter_set(xp, xp.ones(count, np.bool_), reverse_index_map, False)
    of_default = xp.where(is_filled, grad_values, grad_values.dtype.type(0))
    return xp.asarray(grad_values)[reverse_index_map], xp.sum(of_default, dtype=grad_values.dtype)


@sparse_fill_empty_rows_grad_op.shape
def sparse_fill_empty_rows_grad_shape(reverse_index_map: Any, grad_values: Any) -> Any:
    with_rank(grad_values, 1)
    return with_rank(reverse_index_map, 1), ()


@sparse_fill_empty_rows_op.gradient
def sparse_fill_empty_rows_grad(made: Operation, _: Any, values_grad: Tensor, *__: Any) -> list[Tensor | None]:
    values, default = sparse_fill_empty_rows_grad_op(made.outputs[3], values_grad)
    return [None, values, None, default]


@public("sparse.fill_empty_rows", "sparse_fill_empty_rows")
def sparse_fill_empty_rows(sp_input: Any, default_value: Any, name: str | None = None) -> tuple[SparseTensor, Tensor]:
    """Put one element into each row of a sparse tensor that stores none.

    Args:
        sp_input: a `SparseTensor`; its rows are those of the first dimension.
        default_value: a scalar of its type, which goes into the first place of the row.
        name: the scope of the ops.

    Returns:
        The `SparseTensor`, in row-major order if `sp_input` is; and a bool vector: which rows were empty.

    Raises:
        TypeError: if `sp_input` is not sparse.
        InvalidArgumentError: at run time, for an index outside the rows.
    """
    sp_input = as_sparse(sp_input)
    with name_scope(name, "SparseFillEmptyRows", [sp_input]):
        default_value = convert_to_tensor(default_value, dtype=sp_input.values.dtype)
        made_indices, made_values, is_empty, _ = sparse_fill_empty_rows_op(
            sp_input.indices, sp_input.values, sp_input.dense_shape, default_value
        )
        return SparseTensor(made_indices, made_values, sp_input.dense_shape), is_empty
