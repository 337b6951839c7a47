"""The product of a sparse matrix and a dense one."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, reductions, static_values
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.products import adjoint
from evergraph.ops.reductions import NARROW
from evergraph.ops.sparse.conversion import as_sparse

# Elements of the gathered and multiplied rows that NumPy holds at a time. What fits into a cache is 4 times faster than
# all at once (100,000 elements stored, 64 columns: 45 ms and 195 ms on a 2-core machine).
BLOCK = 1 << 16


@op("SparseTensorDenseMatMul", static=("a_shape",))
def sparse_tensor_dense_mat_mul(
    xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool
) -> Any:
    """The product of a sparse matrix and a dense one: each stored element adds a multiple of a row of `b`."""
    _check_parts(a_indices, a_values, a_shape, b)
    height, width = np.ravel(a_shape).tolist()
    rows, columns = a_indices[:, 0], a_indices[:, 1]
    values = xp.asarray(a_values)
    right = adjoint(xp, b) if adjoint_b else b
    if adjoint_a:
        # TensorFlow 1.15 transposes `a` without conjugating it, whatever the name of the attribute says.
        height, width, rows, columns = width, height, columns, rows
    if right.shape[0] != width:
        raise kernel_error(
            f"Cannot multiply A and B because inner dimension does not match: {width} vs. {right.shape[0]}.  Did you "
            f"forget a transpose?  Dimensions of A: [{', '.join(map(str, np.ravel(a_shape).tolist()))}).  Dimensions "
            f"of B: {bracket_text(b.shape)}"
        )
    if height < 0:
        raise kernel_error(f"Dimension {height} must be >= 0")
    shape = (height, right.shape[1])
    if not values.shape[0] or not height or not right.size:
        return xp.zeros(shape, a_values.dtype)
    require(xp, (columns >= 0) & (columns < width), lambda: _outside("k", columns, 0 if adjoint_a else 1, width))
    require(xp, (rows >= 0) & (rows < height), lambda: _outside("m", rows, 1 if adjoint_a else 0, height))
    is_narrow = a_values.dtype in NARROW
    if is_narrow:
        values, right = values.astype(np.float32), right.astype(np.float32)
    if xp is np:
        product = _numpy_product(rows, columns, values, right, shape)
    else:
        scaled = values[:, None] * xp.take(right, columns, axis=0, mode="clip")
        product = xp.zeros(shape, values.dtype).at[rows].add(scaled, mode="drop")
    return product.astype(a_values.dtype) if is_narrow else product


def _numpy_product(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, right: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    product = np.zeros(shape, values.dtype)
    flat, places = product.reshape(-1), np.arange(shape[1])
    in_order = (rows[1:] >= rows[:-1]).all()
    step = max(1, BLOCK // shape[1])
    for begin in range(0, len(rows), step):
        some = rows[begin : begin + step]
        scaled = values[begin : begin + step, None] * right[columns[begin : begin + step]]
        if in_order:
            starts = np.concatenate([[0], 1 + np.flatnonzero(some[1:] != some[:-1])])
            product[some[starts]] += np.add.reduceat(scaled, starts, axis=0)
        else:
            np.add.at(flat, (some[:, None] * shape[1] + places).ravel(), scaled.ravel())
    return product


def _check_parts(a_indices: Any, a_values: Any, a_shape: Any, b: Any) -> None:
    if b.ndim != 2:
        raise kernel_error("Tensor 'b' is not a matrix")
    if a_shape.ndim != 1:
        raise kernel_error("Tensor 'a_shape' is not a vector")
    if a_shape.size != 2:
        raise kernel_error("Tensor 'a_shape' must have 2 elements")
    if a_values.ndim != 1:
        raise kernel_error("Tensor 'a_values' is not a vector")
    if a_indices.ndim != 2:
        raise kernel_error("Tensor 'a_indices' is not a matrix")
    if a_indices.shape[0] != a_values.shape[0]:
        raise kernel_error("Number of rows of a_indices does not match number of entries in a_values")
    if a_indices.shape[1] != 2:
        raise kernel_error("Number of columns of a_indices does not match number of entries in a_shape")


def _outside(which: str, found: Any, column: int, limit: int) -> Exception:
    found = np.asarray(found)
    at = int(np.argmax((found < 0) | (found >= limit)))
    return kernel_error(f"{which} ({found[at]}) from index[{at},{column}] out of bounds (>={limit})")


@sparse_tensor_dense_mat_mul.shape
def sparse_tensor_dense_mat_mul_shape(
    a_indices: Any, a_values: Any, a_shape: Any, b: Any, *, adjoint_a: bool, adjoint_b: bool
) -> Shape:
    with_rank(a_indices, 2)
    with_rank(a_values, 1)
    height, width = with_rank(static_values.as_shape(a_shape), 2)[:: -1 if adjoint_a else 1]
    inner, right = with_rank(b, 2)[:: -1 if adjoint_b else 1]
    shapes.merge_dim(width, inner)
    return (height, right)


@sparse_tensor_dense_mat_mul.gradient
def sparse_tensor_dense_mat_mul_grad(made: Operation, grad: Tensor) -> tuple[None, Tensor, None, Tensor]:
    a_indices, a_values, a_shape, b = made.inputs
    adjoint_a, adjoint_b = made.attrs["adjoint_a"], made.attrs["adjoint_b"]
    if a_values.dtype in (dtypes.complex64, dtypes.complex128):
        raise NotImplementedError("SparseTensorDenseMatMul op does not support complex gradients.")
    b_grad = sparse_tensor_dense_mat_mul(a_indices, a_values, a_shape, grad, adjoint_a=not adjoint_a)
    if adjoint_b:
        b_grad = array.transpose(b_grad)
    rows = a_indices[:, 0]
    columns = a_indices[:, 1]
    if adjoint_a:
        rows, columns = columns, rows
    left = array.gather(grad, rows)
    right = array.gather(array.transpose(b) if adjoint_b else b, columns)
    return None, reductions.reduce_sum(left * right, axis=1), None, b_grad


@public("sparse_tensor_dense_matmul", "sparse.matmul", "sparse.sparse_dense_matmul")
def sparse_tensor_dense_matmul(
    sp_a: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False, name: str | None = None
) -> Tensor:
    """Multiply a sparse matrix and a dense one.

    Args:
        sp_a: a `SparseTensor` of rank 2; its indices need not be in order, and repeated ones add up.
        b: a matrix of the same type.
        adjoint_a: take the transpose of `sp_a`; its elements are not conjugated.
        adjoint_b: take the conjugate transpose of `b`.
        name: the scope of the ops.

    Raises:
        InvalidArgumentError: at run time, for an index outside the matrix.

    >>> eye = tf.SparseTensor([[0, 0], [1, 1]], [1.0, 2.0], [2, 2])
    >>> sess.run(tf.sparse_tensor_dense_matmul(eye, [[1.0, 2.0], [3.0, 4.0]]))
    array([[1., 2.],
           [6., 8.]], dtype=float32)
    """
    sp_a = as_sparse(sp_a)
    with name_scope(name, "SparseTensorDenseMatMul", [sp_a.indices, sp_a.values, b]):
        b = convert_to_tensor(b, name="b")
        return sparse_tensor_dense_mat_mul(
            sp_a.indices, sp_a.values, sp_a.dense_shape, b, adjoint_a=adjoint_a, adjoint_b=adjoint_b
        )
