"""Element by element between two sparse tensors: sum, minimum, maximum. What only one of them stores meets a zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, broadcast_static, with_rank
from evergraph.framework.sparse import SparseTensor, is_sparse
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import Op, kernel_error, op
from evergraph.ops.reductions import given
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse
from evergraph.ops.sparse_dense import sparse_dense_cwise_add as sparse_dense_cwise_add_op
from evergraph.ops.sparse_dense import sparse_tensor_dense_add


def _require_alike(a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any) -> None:
    index_kernels.require_parts(a_indices, a_values, a_shape)
    index_kernels.require_parts(b_indices, b_values, b_shape)
    if a_shape.shape != b_shape.shape:
        raise kernel_error(
            f"Operands do not have the same ranks; got shapes: {bracket_text(tuple(a_shape.tolist()))} and "
            f"{bracket_text(tuple(b_shape.tolist()))}"
        )
    for i, (m, n) in enumerate(zip(a_shape.tolist(), b_shape.tolist(), strict=True)):
        if m != n:
            raise kernel_error(f"Operands' shapes do not match: got {m} and {n} for dimension {i}")


def _merged(a_indices: np.ndarray, b_indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The indices stored in either, and where `a` and where `b` has each: -1 for nowhere."""
    n = len(a_indices)
    both = np.concatenate([a_indices, b_indices])
    order = index_kernels.row_major_order(np, both)
    rows = both[order]
    from_a = order < n
    is_pair = np.zeros(len(rows), np.bool_)  # the row of `b` that follows the same row of `a`
    if len(rows):
        is_pair[1:] = from_a[:-1] & ~from_a[1:] & (index_kernels.compared(np, rows[1:], rows[:-1]) == 0)
    in_a = np.where(from_a, order, -1)
    in_b = np.where(from_a, -1, order - n)
    in_b[:-1] = np.where(is_pair[1:], in_b[1:], in_b[:-1])
    kept = ~is_pair
    return rows[kept], in_a[kept], in_b[kept]


def _taken(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    found = values[at] if len(values) else np.zeros(len(at), values.dtype)
    return np.where(at >= 0, found, values.dtype.type(0))


@op("SparseAdd", host=True)
def sparse_add_op(
    xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any, thresh: Any
) -> Any:
    """The sum of two sparse tensors, without the sums of two elements that are less than `thresh` in magnitude."""
    _require_alike(a_indices, a_values, a_shape, b_indices, b_values, b_shape)
    if not a_shape.size:
        raise kernel_error("Tensors must not be empty")
    if thresh.ndim:
        raise kernel_error(f"The magnitude threshold must be a scalar: got shape {bracket_text(thresh.shape)}")
    rows, in_a, in_b = _merged(a_indices, b_indices)
    total = _taken(a_values, in_a) + _taken(b_values, in_b)
    kept = (in_a < 0) | (in_b < 0) | (thresh <= np.abs(total))
    return rows[kept], total[kept], a_shape


@sparse_add_op.shape
def sparse_add_shape(
    a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any, thresh: Any
) -> Any:
    sizes = with_rank(a_shape, 1)
    return (None, sizes[0]), (None,), sizes


@op("SparseAddGrad", host=True, differentiable=False)
def sparse_add_grad_op(xp: Any, backprop_val_grad: Any, a_indices: Any, b_indices: Any, sum_indices: Any) -> Any:
    """The gradient of each summand's elements: that of their sum, or zero where the sum has been left out."""
    for rows in (a_indices, b_indices, sum_indices):
        if rows.ndim != 2:
            raise kernel_error(f"Input indices should be matrices but received shape {bracket_text(rows.shape)}")
        if rows.shape[1] != a_indices.shape[1]:
            raise kernel_error("The densified operands should have the same ndims")
    if backprop_val_grad.shape != sum_indices.shape[:1]:
        raise kernel_error(
            "# elements of backprop_val_grad and # rows of sum_indices should match (#nnz of sum): got "
            f"{backprop_val_grad.size} and {sum_indices.shape[0]}"
        )
    return [_taken(backprop_val_grad, index_kernels.found_in(rows, sum_indices)) for rows in (a_indices, b_indices)]


@sparse_add_grad_op.shape
def sparse_add_grad_shape(backprop_val_grad: Any, a_indices: Any, b_indices: Any, sum_indices: Any) -> Any:
    return with_rank(a_indices, 2)[:1], with_rank(b_indices, 2)[:1]


@sparse_add_op.gradient
def sparse_add_grad(made: Operation, _: Any, values_grad: Tensor, __: Any) -> tuple[Any, ...]:
    a, b = sparse_add_grad_op(values_grad, made.inputs[0], made.inputs[3], made.outputs[0])
    a.set_shape(made.inputs[1].shape)
    b.set_shape(made.inputs[4].shape)
    return None, a, None, None, b, None, None


@public("sparse.add", "sparse_add")
def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """Add two tensors of one shape, at least one of which is sparse.

    Args:
        a: a `SparseTensor` in row-major order, or a dense tensor.
        b: the same.
        threshold: leave out sums of two stored elements whose magnitude is less than this; 0 by default, which keeps
            all. It has no effect if one summand is dense.
        thresh: the old name of `threshold`.

    Returns:
        A `SparseTensor` if both are sparse, else a dense tensor.

    Raises:
        TypeError: if neither is sparse.
    """
    threshold = given(threshold, "threshold", thresh, "thresh")
    threshold = 0 if threshold is None else threshold
    if not is_sparse(a) and not is_sparse(b):
        raise TypeError("At least one input should be SparseTensor; do you mean to use tf.add()?")
    if not is_sparse(a) or not is_sparse(b):
        if is_sparse(b):
            a, b = b, a
        return sparse_tensor_dense_add(a.indices, a.values, a.dense_shape, b)
    a, b = as_sparse(a), as_sparse(b)
    threshold = convert_to_tensor(threshold, dtype=a.dtype.real_dtype.base_dtype, name="threshold")
    indices, values, shape = sparse_add_op(
        a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape, threshold
    )
    a.shape.assert_is_compatible_with(b.shape)
    known = broadcast_static(*(None if t.shape.rank is None else tuple(t.shape.as_list()) for t in (a, b)))
    if known is not None and None not in known:
        shape = list(known)
    return SparseTensor(indices, values, shape)


# The lesser or the greater of two


def _extreme(word: str, choose: Any) -> Op:
    def kernel(
        xp: Any, a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any
    ) -> Any:
        _require_alike(a_indices, a_values, a_shape, b_indices, b_values, b_shape)
        rows, in_a, in_b = _merged(a_indices, b_indices)
        return rows, choose(_taken(a_values, in_a), _taken(b_values, in_b))

    kernel.__name__ = f"SparseSparse{word.capitalize()}"
    kernel.__doc__ = f"The {word} of each pair of elements, where at least one is stored."
    declared = op(kernel.__name__, host=True, shape=_extreme_shape)(kernel)

    def no_gradient(made: Operation, *grads: Any) -> None:
        raise NotImplementedError(f"Gradient for {made.type} is currently not implemented yet.")

    return declared.gradient(no_gradient)


def _extreme_shape(a_indices: Any, a_values: Any, a_shape: Any, b_indices: Any, b_values: Any, b_shape: Any) -> Any:
    for shape, rank in ((a_indices, 2), (a_values, 1), (a_shape, 1), (b_indices, 2), (b_values, 1), (b_shape, 1)):
        with_rank(shape, rank)
    return (None, None), (None,)


def _public_extreme(word: str, declared: Op) -> Any:
    def extreme(sp_a: SparseTensor, sp_b: SparseTensor, name: str | None = None) -> SparseTensor:
        parts = [sp_a.indices, sp_a.values, sp_b.indices, sp_b.values]
        with name_scope(name, f"SparseSparse{word.capitalize()}", parts) as scope:
            indices, values = declared(
                sp_a.indices, sp_a.values, sp_a.dense_shape, sp_b.indices, sp_b.values, sp_b.dense_shape, name=scope
            )
        return SparseTensor(indices, values, sp_a.dense_shape)

    extreme.__name__ = extreme.__qualname__ = f"sparse_{word}"
    extreme.__doc__ = f"""Take the {word} of each pair of elements of two sparse tensors of one shape.

    An element that only one of them stores is compared with zero.

    Args:
        sp_a: a `SparseTensor` of real numbers, in row-major order.
        sp_b: the same.
        name: the op's name.
    """
    return public(f"sparse.{word}", f"sparse_{word}")(extreme)


sparse_maximum = _public_extreme("maximum", _extreme("maximum", np.maximum))
sparse_minimum = _public_extreme("minimum", _extreme("minimum", np.minimum))


def sparse_dense_cwise_add(sp_t: SparseTensor, dense_t: Any) -> SparseTensor:
    """Add to each stored element the one of a dense tensor in its place; `dense_t` may be spread over `sp_t`."""
    values = sparse_dense_cwise_add_op(sp_t.indices, sp_t.values, sp_t.dense_shape, dense_t)
    return SparseTensor(sp_t.indices, values, sp_t.dense_shape)
