"""Ops between a sparse tensor and a dense one: adding it in, and multiplying or dividing what is stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, elementwise
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.scatter import nd_index, scatter_add


@op("SparseTensorDenseAdd")
def sparse_tensor_dense_add(xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b: Any) -> Any:
    """A dense tensor with the elements of a sparse one added in."""
    if a_indices.ndim != 2:
        raise kernel_error(f"Input a_indices should be a matrix but received shape: {bracket_text(a_indices.shape)}")
    if a_values.ndim != 1 or a_shape.ndim != 1:
        raise kernel_error(
            f"Inputs a_values and a_shape should be vectors but received shapes: {bracket_text(a_values.shape)} and "
            f"{bracket_text(a_shape.shape)}"
        )
    if a_shape.shape[0] != b.ndim or a_indices.shape != (a_values.shape[0], b.ndim):
        raise kernel_error(f"Two operands have different ranks; received: {a_shape.shape[0]} and {b.ndim}")
    sizes = np.array(b.shape, a_shape.dtype)
    require(xp, a_shape == sizes, lambda: _unequal_sizes(a_shape, b))
    inside = (a_indices >= 0) & (a_indices < np.array(b.shape, a_indices.dtype))
    require(xp, inside, lambda: _outside(inside, b))
    return scatter_add(xp, xp.asarray(b), tuple(a_indices[:, k] for k in range(b.ndim)), a_values)


def _unequal_sizes(a_shape: Any, b: Any) -> Exception:
    axis = int(np.argmax(np.asarray(a_shape) != np.array(b.shape)))
    return kernel_error(
        f"Dimension {axis} does not equal (no broadcasting is supported): sparse side {a_shape[axis]} vs dense side "
        f"{b.shape[axis]}"
    )


def _outside(inside: Any, b: Any) -> Exception:
    axis = int(np.argwhere(~np.asarray(inside))[0, 1])
    return kernel_error(
        f"Sparse tensor has some invalid index on dimension {axis}; dense tensor shape: {bracket_text(b.shape)}"
    )


@sparse_tensor_dense_add.shape
def sparse_tensor_dense_add_shape(a_indices: Any, a_values: Any, a_shape: Any, b: Any) -> Any:
    return b


@sparse_tensor_dense_add.gradient
def sparse_tensor_dense_add_grad(made: Operation, grad: Tensor) -> tuple[None, Tensor, None, Tensor]:
    return None, array.gather_nd(grad, made.inputs[0]), None, grad


def _stored(xp: Any, indices: Any, shape: Any, dense: Any) -> Any:
    """The elements of `dense`, spread to `shape`, at the indices of a sparse tensor."""
    sizes = tuple(shape.tolist())
    if dense.ndim > len(sizes) or any(d not in (1, n) for d, n in zip(dense.shape[::-1], sizes[::-1])):
        raise kernel_error(
            f"SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes: "
            f"{bracket_text(sizes)} vs. {bracket_text(dense.shape)}"
        )
    return xp.broadcast_to(dense, sizes)[nd_index(xp, indices, sizes)]


def _values_shape(sp_indices: Any, sp_values: Any, sp_shape: Any, dense: Any) -> Shape:
    return (with_rank(sp_indices, 2)[0],)


@op("SparseDenseCwiseMul", static=("sp_shape",), shape=_values_shape)
def sparse_dense_cwise_mul(xp: Any, sp_indices: Any, sp_values: Any, sp_shape: Any, dense: Any) -> Any:
    """The stored elements of a sparse tensor, each multiplied by the one of a dense tensor in its place."""
    return sp_values * _stored(xp, sp_indices, sp_shape, dense)


@op("SparseDenseCwiseDiv", static=("sp_shape",), shape=_values_shape)
def sparse_dense_cwise_div(xp: Any, sp_indices: Any, sp_values: Any, sp_shape: Any, dense: Any) -> Any:
    """The stored elements of a sparse tensor, each divided by the one of a dense tensor in its place."""
    return sp_values / _stored(xp, sp_indices, sp_shape, dense)


@op("SparseDenseCwiseAdd", static=("sp_shape",), shape=_values_shape)
def sparse_dense_cwise_add(xp: Any, sp_indices: Any, sp_values: Any, sp_shape: Any, dense: Any) -> Any:
    """The stored elements of a sparse tensor, each with the one of a dense tensor in its place added."""
    return sp_values + _stored(xp, sp_indices, sp_shape, dense)


def _product_grad(is_product: bool) -> Any:
    def rule(made: Operation, grad: Tensor) -> tuple[None, Tensor, None, Tensor]:
        indices, values, shape, y = made.inputs
        y_shape = cast.cast(array.shape(y), dtypes.int64)
        missing = array.expand_dims(array.size(shape) - array.size(y_shape), 0)
        full_shape = array.concat([array.ones(missing, dtypes.int64), y_shape], 0)
        scaled = indices // (shape // full_shape)
        scaled = array.slice(scaled, array.concat([[0], missing], 0), [-1, -1])
        stored = array.gather_nd(y, scaled)
        if is_product:
            dx = grad * stored
            dy_values = grad * values
        else:
            dx = grad / stored
            dy_values = grad * (-values / elementwise.square(stored))
        zeros = array.zeros_like(y)
        dy = SparseTensor(scaled, dy_values, y_shape)
        return None, dx, None, sparse_tensor_dense_add(dy.indices, dy.values, dy.dense_shape, zeros)

    return rule


sparse_dense_cwise_mul.gradient(_product_grad(True))
sparse_dense_cwise_div.gradient(_product_grad(False))
