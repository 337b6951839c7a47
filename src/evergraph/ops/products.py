"""Matrix products and contractions: `tf.matmul` and what is built from it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from evergraph.framework import dispatch, dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, broadcast_static, merge_dim, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, broadcast, cast, complex_parts, reductions, sequences
from evergraph.ops.opdef import kernel_error, op, raw_op

_NARROW = frozenset((dtypes.float16.np, dtypes.bfloat16.np))


def _product(xp: Any, a: Any, b: Any) -> Any:
    if xp is np and a.dtype in _NARROW:
        return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)
    return xp.matmul(a, b)


@op("MatMul")
def mat_mul(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    """Product of two matrices, either of them read transposed."""
    for i, x in enumerate((a, b)):
        if x.ndim != 2:
            raise kernel_error(f"In[{i}] is not a matrix. Instead it has shape {bracket_text(x.shape)}")
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    if left.shape[1] != right.shape[0]:
        raise kernel_error(f"Matrix size-incompatible: In[0]: {bracket_text(a.shape)}, In[1]: {bracket_text(b.shape)}")
    return _product(xp, left, right)


def _matrix_product_shape(a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    rows, inner_a = with_rank(a, 2)[:: -1 if transpose_a else 1]
    inner_b, cols = with_rank(b, 2)[:: -1 if transpose_b else 1]
    merge_dim(inner_a, inner_b)
    return rows, cols


mat_mul.shape(_matrix_product_shape)


@mat_mul.gradient
def mat_mul_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = (complex_parts.conj(t) for t in made.inputs)
    match made.attrs["transpose_a"], made.attrs["transpose_b"]:
        case False, False:
            return mat_mul(grad, b, transpose_b=True), mat_mul(a, grad, transpose_a=True)
        case False, True:
            return mat_mul(grad, b), mat_mul(grad, a, transpose_a=True)
        case True, False:
            return mat_mul(b, grad, transpose_b=True), mat_mul(a, grad)
        case _:
            return (
                mat_mul(b, grad, transpose_a=True, transpose_b=True),
                mat_mul(grad, a, transpose_a=True, transpose_b=True),
            )


@op("SparseMatMul")
def sparse_mat_mul(xp: Any, a: Any, b: Any, *, transpose_a: bool, transpose_b: bool) -> Any:
    """Product of two matrices with many zeros, in float32."""
    return mat_mul.opdef.kernel(  # type: ignore[misc]  # declared with a kernel
        xp, a.astype(np.float32), b.astype(np.float32), transpose_a=transpose_a, transpose_b=transpose_b
    )


sparse_mat_mul.shape(_matrix_product_shape)
public("sparse_matmul")(sparse_mat_mul)


@sparse_mat_mul.gradient
def sparse_mat_mul_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = made.inputs
    sparse = {a: made.attrs["a_is_sparse"], b: made.attrs["b_is_sparse"]}
    sparse[grad] = grad.op.type == "ReluGrad"

    def product(x: Tensor, y: Tensor, like: Tensor, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
        x_is_sparse, y_is_sparse = sparse[x], sparse[y]
        if transpose_b:
            y = array.transpose(y)
        made = matmul(x, y, transpose_a=transpose_a, a_is_sparse=x_is_sparse, b_is_sparse=y_is_sparse)
        return made if made.dtype is like.dtype.base_dtype else cast.cast(made, like.dtype)

    match made.attrs["transpose_a"], made.attrs["transpose_b"]:
        case False, False:
            return product(grad, b, a, transpose_b=True), product(a, grad, b, transpose_a=True)
        case False, True:
            return product(grad, b, a), product(grad, a, b, transpose_a=True)
        case True, False:
            return product(b, grad, a, transpose_b=True), product(a, grad, b)
        case _:
            return (
                product(b, grad, a, transpose_a=True, transpose_b=True),
                product(grad, a, b, transpose_a=True, transpose_b=True),
            )


def adjoint(xp: Any, x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    x = xp.swapaxes(x, -1, -2)
    return xp.conj(x) if x.dtype.kind == "c" else x


def _batch_product(xp: Any, x: Any, y: Any, adj_x: bool, adj_y: bool) -> Any:
    for i, matrix in enumerate((x, y)):
        if matrix.ndim < 2:
            raise kernel_error(f"In[{i}] ndims must be >= 2: {matrix.ndim}")
    left, right = adjoint(xp, x) if adj_x else x, adjoint(xp, y) if adj_y else y
    if left.shape[-1] != right.shape[-2]:
        raise kernel_error(
            f"In[0] mismatch In[1] shape: {left.shape[-1]} vs. {right.shape[-2]}: {bracket_text(x.shape)} "
            f"{bracket_text(y.shape)} {int(adj_x)} {int(adj_y)}"
        )
    for m, n in zip(left.shape[:-2][::-1], right.shape[:-2][::-1]):
        if m != n and 1 not in (m, n):
            raise kernel_error(
                f"In[0] and In[1] must have compatible batch dimensions: {bracket_text(x.shape)} vs. "
                f"{bracket_text(y.shape)}"
            )
    return _product(xp, left, right)


@op("BatchMatMul")
def batch_mat_mul(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    """Products of matrices, one for each pair in two equal batches."""
    return _batch_product(xp, x, y, adj_x, adj_y)


@batch_mat_mul.shape
def batch_mat_mul_shape(x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    if x is None or y is None:
        rank = len(x or y or ())
        return (None,) * rank if rank else None
    with_rank_at_least(x, 2)
    with_rank(y, len(x))
    (batch_x, rows, inner_x), (batch_y, inner_y, cols) = _matrices(x, adj_x), _matrices(y, adj_y)
    merge_dim(inner_x, inner_y)
    return (*map(merge_dim, batch_x, batch_y), rows, cols)


@op("BatchMatMulV2")
def batch_mat_mul_v2(xp: Any, x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    """Products of matrices, one for each pair; batches are broadcast."""
    return _batch_product(xp, x, y, adj_x, adj_y)


@batch_mat_mul_v2.shape
def batch_mat_mul_v2_shape(x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
    with_rank_at_least(x, 2)
    with_rank_at_least(y, 2)
    if x is None or y is None:
        return None
    (batch_x, rows, inner_x), (batch_y, inner_y, cols) = _matrices(x, adj_x), _matrices(y, adj_y)
    merge_dim(inner_x, inner_y)
    batch = broadcast_static(batch_x, batch_y)
    return None if batch is None else (*batch, rows, cols)


def _matrices(shape: tuple[int | None, ...], transposed: bool) -> tuple[tuple[int | None, ...], int | None, int | None]:
    rows, cols = shape[-2:]
    return (shape[:-2], cols, rows) if transposed else (shape[:-2], rows, cols)


def _batch_product_grads(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    x, y = made.inputs
    match made.attrs["adj_x"], made.attrs["adj_y"]:
        case False, False:
            return matmul(grad, y, adjoint_b=True), matmul(x, grad, adjoint_a=True)
        case False, True:
            return matmul(grad, y), matmul(grad, x, adjoint_a=True)
        case True, False:
            return matmul(y, grad, adjoint_b=True), matmul(x, grad)
        case _:
            return matmul(y, grad, adjoint_a=True, adjoint_b=True), matmul(grad, x, adjoint_a=True, adjoint_b=True)


batch_mat_mul.gradient(_batch_product_grads)


@batch_mat_mul_v2.gradient
def batch_mat_mul_v2_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    x, y = made.inputs
    grad_x, grad_y = _batch_product_grads(made, grad)
    known = x.static_shape
    if known is not None and None not in known and known == y.static_shape:
        return grad_x, grad_y
    shape_x, shape_y = array.shape(x), array.shape(y)
    axes_x, axes_y = broadcast.broadcast_gradient_args(shape_x[:-2], shape_y[:-2])
    to_x = array.reshape(reductions.reduce_sum(grad_x, axes_x), shape_x)
    return to_x, array.reshape(reductions.reduce_sum(grad_y, axes_y), shape_y)


@public("linalg.matmul", "matmul")
@dispatch.dispatching
def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Multiply matrices, or batches of matrices; `a @ b`.

    Args:
        a: shape `[..., m, k]`.
        b: `a`'s dtype, shape `[..., k, n]`; leading axes are broadcast against those of `a`.
        transpose_a: read `a` as `[..., k, m]`.
        transpose_b: read `b` as `[..., n, k]`.
        adjoint_a: the same, and conjugated.
        adjoint_b: the same, and conjugated.
        a_is_sparse: many elements of `a` are zero (float32 and bfloat16 only).
        b_is_sparse: many elements of `b` are zero.
        name: the op's name.

    Raises:
        ValueError: if both transpose and adjoint are asked for, or the inner sizes differ.

    >>> sess.run(tf.matmul([[1, 2], [3, 4]], [[1], [10]]))
    array([[21],
           [43]], dtype=int32)
    """
    with name_scope(name, "MatMul", [a, b]) as scope:
        if transpose_a and adjoint_a:
            raise ValueError("Only one of transpose_a and adjoint_a can be True.")
        if transpose_b and adjoint_b:
            raise ValueError("Only one of transpose_b and adjoint_b can be True.")
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, name="b")
        are_matrices = all(t.static_shape is not None and len(t.static_shape) <= 2 for t in (a, b))
        if not (a_is_sparse or b_is_sparse or are_matrices):
            if transpose_a:
                a, adjoint_a = complex_parts.conj(a), True
            if transpose_b:
                b, adjoint_b = complex_parts.conj(b), True
            return batch_mat_mul_v2(a, b, adj_x=adjoint_a, adj_y=adjoint_b, name=scope)
        if adjoint_a:
            a, transpose_a = complex_parts.conj(a), True
        if adjoint_b:
            b, transpose_b = complex_parts.conj(b), True
        kinds = {a.dtype.base_dtype, b.dtype.base_dtype}
        is_sparse = (a_is_sparse or b_is_sparse) and kinds <= {dtypes.bfloat16, dtypes.float32}
        if not is_sparse and not (dtypes.bfloat16 in kinds and len(kinds) > 1):
            return mat_mul(a, b, transpose_a=transpose_a, transpose_b=transpose_b, name=scope)
        product = sparse_mat_mul(
            a,
            b,
            transpose_a=transpose_a,
            transpose_b=transpose_b,
            a_is_sparse=a_is_sparse,
            b_is_sparse=b_is_sparse,
            name=scope,
        )
        return cast.cast(product, dtypes.bfloat16) if kinds == {dtypes.bfloat16} else product


@public("linalg.matvec")
def matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """Multiply matrices `[..., m, k]` by vectors `[..., k]`, giving vectors `[..., m]`."""
    with name_scope(name, "MatVec", [a, b]):
        column = array.expand_dims(b, axis=-1)
        product = matmul(
            a, column, transpose_a=transpose_a, adjoint_a=adjoint_a, a_is_sparse=a_is_sparse, b_is_sparse=b_is_sparse
        )
        return array.squeeze(product, axis=-1)


# Contractions


@public("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """Multiply and sum over pairs of axes of two tensors.

    Args:
        a: a tensor.
        b: a tensor of the same dtype.
        axes: how many of the last axes of `a` are summed with the first of `b`; or a pair of lists of axes; or an int
            tensor of shape `[2, k]`.
        name: the op's name.

    Returns:
        the other axes of `a`, then the other axes of `b`.

    Raises:
        ValueError: if the two lists differ in length, or there are more axes than `a` has.

    >>> sess.run(tf.tensordot([[1, 2], [3, 4]], [10, 1], 1))
    array([12, 34], dtype=int32)
    """
    with name_scope(name, "Tensordot", [a, b, axes]) as scope:
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, name="b")
        a_axes, b_axes = _contracted_axes(a, axes)
        a_matrix, a_free, a_static = _as_matrix(a, a_axes, free_axes_first=True)
        b_matrix, b_free, b_static = _as_matrix(b, b_axes, free_axes_first=False)
        product = matmul(a_matrix, b_matrix)
        if isinstance(a_free, list) and isinstance(b_free, list):
            return array.reshape(product, a_free + b_free, name=scope)
        a_free = convert_to_tensor(a_free, dtype=dtypes.int32)
        b_free = convert_to_tensor(b_free, dtype=dtypes.int32)
        result = array.reshape(product, array.concat([a_free, b_free], 0), name=scope)
        if a_static is not None and b_static is not None:
            result.set_shape(a_static + b_static)
        return result


def _contracted_axes(a: Tensor, axes: Any) -> tuple[Any, Any]:
    if isinstance(axes, Integral):
        count = int(axes)
        rank = a._rank
        if count < 0:
            raise ValueError("'axes' must be at least 0.")
        if rank is None:
            rank_tensor = array.rank(a)
            last = sequences.range_(rank_tensor - count, rank_tensor, dtype=dtypes.int32)
            return last, sequences.range_(count, dtype=dtypes.int32)
        if count > rank:
            raise ValueError(f"'axes' must not be larger than the number of dimensions of tensor {a}.")
        return list(range(rank - count, rank)), list(range(count))
    if isinstance(axes, list | tuple):
        if len(axes) != 2:
            raise ValueError("'axes' must be an integer or have length 2.")
        a_axes, b_axes = axes
        if isinstance(a_axes, Integral) and isinstance(b_axes, Integral):
            a_axes, b_axes = [a_axes], [b_axes]
        if len(a_axes) != len(b_axes):
            raise ValueError(f"Different number of contraction axes 'a' and 'b', {len(a_axes)} != {len(b_axes)}.")
        return a_axes, b_axes
    axes = convert_to_tensor(axes, name="axes", dtype=dtypes.int32)
    return axes[0], axes[1]


def _as_matrix(x: Tensor, axes: Any, free_axes_first: bool) -> tuple[Tensor, Any, list[int | None] | None]:
    """`x` as a matrix of free by contracted axes (or the reverse), its free sizes, and those known statically."""
    shape = x._shape_as_list()
    is_listed = isinstance(axes, list | tuple)
    if shape is not None and None not in shape and is_listed:
        axes = [i if i >= 0 else i + len(shape) for i in axes]
        free = [i for i in range(len(shape)) if i not in axes]
        sizes = [shape[i] for i in free]
        new_shape = [int(np.prod([shape[i] for i in group])) for group in (free, axes)]  # type: ignore[arg-type]  # `shape` holds no None
        if not free_axes_first:
            new_shape.reverse()
        perm: Any = free + list(axes) if free_axes_first else list(axes) + free
        return array.reshape(array.transpose(x, perm), new_shape), sizes, sizes
    static = None
    free_axes: Any
    if shape is not None and is_listed:
        axes = [i if i >= 0 else i + len(shape) for i in axes]
        free_axes = [i for i in range(len(shape)) if i not in axes]
        static = [shape[i] for i in free_axes]
        axes = convert_to_tensor(axes, dtype=dtypes.int32, name="axes")
        free_axes = convert_to_tensor(free_axes, dtype=dtypes.int32, name="free")
        runtime_shape = array.shape(x)
    else:
        runtime_shape = array.shape(x)
        rank = array.rank(x)
        axes = convert_to_tensor(axes, dtype=dtypes.int32, name="axes")
        axes = array.where(axes >= 0, axes, axes + rank)
        free_axes, _ = raw_op("ListDiff")(sequences.range_(rank), axes)
    free_sizes = array.gather(runtime_shape, free_axes)
    contracted_sizes = array.gather(runtime_shape, axes)
    rows = reductions.reduce_prod(free_sizes)
    columns = reductions.reduce_prod(contracted_sizes)
    order: Sequence[Any] = (free_axes, axes) if free_axes_first else (axes, free_axes)
    perm = array.concat(list(order), 0)
    new_size = array.stack([rows, columns] if free_axes_first else [columns, rows])
    return array.reshape(array.transpose(x, perm), new_size), free_sizes, static
