"""Ops between a sparse tensor and a dense one: adding it in, and multiplying or dividing what is stored."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, elementwise
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.scatter import nd_index, scatter_add


@op("SparseTensorDenseAdd")
def sparse_tensor_dense_add(xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b: Any) -> Any:
    """A dense tensor with the elements of a sparse one added in."""
    if a_indices.shape[1] != b.ndim:
        raise kernel_error(f"Shape of the sparse tensor has {a_indices.shape[1]} sizes, that of the dense one {b.ndim}")
    return scatter_add(xp, xp.asarray(b), nd_index(xp, a_indices, b.shape), a_values)


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
