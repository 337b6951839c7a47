"""Sparse tensors to dense ones and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, bracket_text
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, comparisons, reductions, static_values
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.scatter import scatter_set
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse


@op("SparseToDense", static=("output_shape",))
def sparse_to_dense_op(
    xp: Any, sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any, *, validate_indices: bool
) -> Any:
    """A dense tensor of one value, with some others at the given indices."""
    _check_dense_parts(sparse_indices, output_shape, sparse_values, default_value)
    sizes = index_kernels.checked_sizes(output_shape)
    rows = xp.reshape(sparse_indices, (-1, len(sizes))) if sizes else sparse_indices
    if validate_indices:
        index_kernels.require_in_order(xp, rows, sizes)
    require(
        xp,
        index_kernels.in_bounds(xp, rows, sizes),
        lambda: kernel_error(f"Indices are not valid (out of bounds).  Shape: {bracket_text(tuple(sizes))}"),
    )
    if default_value.dtype == object:
        whole = np.full(sizes, default_value[()], object)
    else:
        whole = xp.full(sizes, default_value, default_value.dtype)
    if not rows.shape[0]:
        return whole
    if not sizes and sparse_values.ndim:
        sparse_values = sparse_values[-1]
    return scatter_set(xp, whole, tuple(rows[:, column] for column in range(len(sizes))), sparse_values)


def _check_dense_parts(rows: Any, sizes: Any, values: Any, default: Any) -> None:
    if rows.ndim > 2:
        raise kernel_error(
            f"sparse_indices should be a scalar, vector, or matrix, got shape {bracket_text(rows.shape)}"
        )
    count = rows.shape[0] if rows.ndim else 1
    rank = rows.shape[1] if rows.ndim > 1 else 1
    if sizes.ndim != 1:
        raise kernel_error(f"output_shape should be a vector, got shape {bracket_text(sizes.shape)}")
    if sizes.size != rank:
        raise kernel_error(f"output_shape has incorrect number of elements: {sizes.size} should be: {rank}")
    if values.ndim and values.shape != (count,):
        raise kernel_error(f"sparse_values has incorrect shape {bracket_text(values.shape)}, should be [] or [{count}]")
    if default.ndim:
        raise kernel_error("default_value should be a scalar.")


@sparse_to_dense_op.shape
def sparse_to_dense_shape(sparse_indices: Any, output_shape: Any, sparse_values: Any, default_value: Any) -> Shape:
    if isinstance(output_shape, np.ndarray) and output_shape.ndim > 1:
        raise ShapeError(f"Shape must be rank 1 but is rank {output_shape.ndim}")
    return static_values.as_shape(output_shape)


@sparse_to_dense_op.gradient
def sparse_to_dense_grad(made: Operation, grad: Tensor) -> list[Tensor]:
    indices, output_shape, _, _ = made.inputs
    values_grad = array.gather_nd(grad, indices)
    default_grad = reductions.reduce_sum(grad) - reductions.reduce_sum(values_grad)
    return [array.zeros_like(indices), array.zeros_like(output_shape), values_grad, default_grad]


@public("sparse_to_dense")
def sparse_to_dense(
    sparse_indices: Any,
    output_shape: Any,
    sparse_values: Any,
    default_value: Any = 0,
    validate_indices: bool = True,
    name: str | None = None,
) -> Tensor:
    """Make a dense tensor of `default_value`, with `sparse_values` at `sparse_indices`.

    Args:
        sparse_indices: int32 or int64: one index of rank `d` a row, shape `[n, d]`; `[n]` for `d = 1`; or a scalar.
        output_shape: the shape of the result, `[d]`, of the type of the indices.
        sparse_values: shape `[n]`, or a scalar that goes everywhere.
        default_value: a scalar of the type of the values.
        validate_indices: insist on row-major order, without repeats.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, for indices out of bounds, out of order, or repeated.
    """
    return sparse_to_dense_op(
        sparse_indices,
        output_shape,
        sparse_values,
        default_value=default_value,
        validate_indices=validate_indices,
        name=name,
    )


@public("sparse.to_dense", "sparse_tensor_to_dense")
def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """Make the dense tensor that a sparse one stands for.

    Args:
        sp_input: a `SparseTensor`.
        default_value: a scalar for the elements that are not stored; by default zero (strings: empty).
        validate_indices: insist on row-major order, without repeats.
        name: the op's name.

    Raises:
        TypeError: if `sp_input` is not sparse.

    >>> sess.run(tf.sparse.to_dense(tf.SparseTensor([[0, 1], [1, 0]], [3, 4], [2, 2])))
    array([[0, 3],
           [4, 0]], dtype=int32)
    """
    sp_input = as_sparse(sp_input)
    if default_value is None:
        default_value = array.zeros([], dtype=sp_input.dtype)
    return sparse_to_dense_op(
        sp_input.indices,
        sp_input.dense_shape,
        sp_input.values,
        default_value=default_value,
        validate_indices=validate_indices,
        name=name,
    )


@public("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """Make a sparse tensor that stores the elements of `tensor` that are not zero."""
    with name_scope(name, "dense_to_sparse"):
        tensor = convert_to_tensor(tensor)
        indices = array.where_v2(comparisons.not_equal(tensor, constant(0, tensor.dtype)))
        values = array.gather_nd(tensor, indices)
        return SparseTensor(indices, values, array.shape(tensor, out_type=dtypes.int64))
