"""Least squares, pseudo-inverses and ranks of matrices."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math
from evergraph.ops.cond import cond
from evergraph.ops.opdef import kernel_error, op

_CACHE_SIZE = 256000
"""A guess of TensorFlow's at the size of a processor's second-level cache, by which it chooses between two graphs."""


def _regularized_gramian_cholesky(matrix: Tensor, l2_regularizer: Any, first_kind: bool) -> Tensor:
    """The Cholesky factor of `AᴴA + λI`, or of `AAᴴ + λI`."""
    gramian = math.matmul(matrix, matrix, adjoint_a=first_kind, adjoint_b=not first_kind)
    if isinstance(l2_regularizer, Tensor) or l2_regularizer != 0:
        shape = array.shape(matrix)
        batch = shape[:-2]
        small = shape[-1] if first_kind else shape[-2]
        identity = linear_algebra.eye(small, batch_shape=batch, dtype=matrix.dtype)
        small_static = matrix.shape[-1 if first_kind else -2]
        identity.set_shape(matrix.shape[:-2].concatenate([small_static, small_static]))
        gramian += l2_regularizer * identity
    return linear_algebra.cholesky(gramian)


def _overdetermined(matrix: Tensor, rhs: Any, l2_regularizer: Any) -> Tensor:
    factor = _regularized_gramian_cholesky(matrix, l2_regularizer, first_kind=True)
    return linear_algebra.cholesky_solve(factor, math.matmul(matrix, rhs, adjoint_a=True))


def _underdetermined(matrix: Tensor, rhs: Any, l2_regularizer: Any) -> Tensor:
    factor = _regularized_gramian_cholesky(matrix, l2_regularizer, first_kind=False)
    return math.matmul(matrix, linear_algebra.cholesky_solve(factor, rhs), adjoint_a=True)


def _by_shape(matrix: Tensor, tall: Any, wide: Any) -> Any:
    """What `tall` builds if there are as many rows as columns, or more; else what `wide` does."""
    static = matrix.shape[-2:]
    if static.is_fully_defined():
        return tall() if static[-2] >= static[-1] else wide()
    sizes = array.shape(matrix)[-2:]
    return cond(sizes[-2] >= sizes[-1], tall, wide)


@op("MatrixSolveLs", static=("l2_regularizer",))
def matrix_solve_ls_op(xp: Any, matrix: Any, rhs: Any, l2_regularizer: Any, *, fast: bool) -> Any:
    """What a matrix has to be applied to so that the result is nearest to `rhs`."""
    if matrix.shape[:-1] != rhs.shape[:-1]:
        raise kernel_error(f"Input matrix and rhs must have same batch and rows: {matrix.shape} vs. {rhs.shape}")
    rows, columns = matrix.shape[-2:]
    if not matrix.size or not rhs.size:
        return xp.zeros((*matrix.shape[:-2], columns, rhs.shape[-1]), matrix.dtype)
    adjoint = xp.conj(xp.swapaxes(matrix, -1, -2))
    if not fast and not float(l2_regularizer):
        return xp.linalg.pinv(matrix) @ rhs
    small = xp.eye(min(rows, columns), dtype=matrix.dtype) * matrix.dtype.type(float(l2_regularizer))
    if rows >= columns:
        return xp.linalg.solve(adjoint @ matrix + small, adjoint @ rhs)
    return adjoint @ xp.linalg.solve(matrix @ adjoint + small, rhs)


@matrix_solve_ls_op.shape
def matrix_solve_ls_shape(matrix: Any, rhs: Any, l2_regularizer: Any) -> Any:
    if isinstance(l2_regularizer, np.ndarray):
        with_rank(l2_regularizer.shape, 0)
    matrix, rhs = with_rank_at_least(matrix, 2), with_rank_at_least(rhs, 2)
    if matrix is None:
        return None
    return (*matrix[:-2], matrix[-1], None if rhs is None else rhs[-1])


@matrix_solve_ls_op.gradient
def matrix_solve_ls_grad(made: Operation, grad: Tensor) -> Any:
    if not made.attrs["fast"]:
        raise ValueError("Gradient not defined for fast=False")
    a, b, _ = made.inputs
    x = made.outputs[0]

    def tall() -> tuple[Tensor, Tensor]:
        regularizer = math.cast(made.inputs[2], a.dtype.base_dtype)
        factor = _regularized_gramian_cholesky(a, regularizer, first_kind=True)
        z = linear_algebra.cholesky_solve(factor, grad)
        product = math.matmul(x, z, adjoint_b=True)
        symmetric = product + array.matrix_transpose(product)
        grad_a = -math.matmul(a, symmetric) + math.matmul(b, z, adjoint_b=True)
        return grad_a, math.matmul(a, z)

    def wide() -> tuple[Tensor, Tensor]:
        regularizer = math.cast(made.inputs[2], a.dtype.base_dtype)
        factor = _regularized_gramian_cholesky(a, regularizer, first_kind=False)
        grad_b = linear_algebra.cholesky_solve(factor, math.matmul(a, grad))
        solution = linear_algebra.cholesky_solve(factor, b)
        first = -math.matmul(grad_b, math.matmul(solution, a, adjoint_a=True))
        rest = grad - math.matmul(a, grad_b, adjoint_a=True)
        return first + math.matmul(solution, rest, adjoint_b=True), grad_b

    return (*_by_shape(a, tall, wide), None)


def _composed(matrix: Tensor, fast: bool) -> bool:
    shape: TensorShape = matrix.shape
    if fast is False:
        return False
    if not shape.is_fully_defined():
        return True
    sizes: Any = shape.as_list()
    is_many = prod(sizes[:-2]) > min(sizes[-2:])
    return not (prod(sizes) * matrix.dtype.size > _CACHE_SIZE and is_many)


@public("linalg.lstsq", "matrix_solve_ls")
def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """Solve systems of linear equations in the sense of least squares.

    Args:
        matrix: shape `batch + [m, n]`.
        rhs: shape `batch + [m, k]`.
        l2_regularizer: a weight for the size of the solution.
        fast: whether to solve the normal equations, which is less precise.
        name: the name scope.

    Returns:
        Shape `batch + [n, k]`.
    """
    matrix = convert_to_tensor(matrix, name="matrix")
    if matrix.dtype == dtypes.complex128 and l2_regularizer != 0:
        raise NotImplementedError(
            "matrix_solve_ls is currently disabled for complex128 and l2_regularizer != 0 due to poor accuracy."
        )
    if not _composed(matrix, fast):
        return matrix_solve_ls_op(matrix, rhs, l2_regularizer, fast=fast, name=name)
    with name_scope(name, "matrix_solve_ls", [matrix, rhs, l2_regularizer]):
        return _by_shape(
            matrix,
            lambda: _overdetermined(matrix, rhs, l2_regularizer),
            lambda: _underdetermined(matrix, rhs, l2_regularizer),
        )


def _checked(a: Tensor, validate_args: bool) -> Tensor:
    if not a.dtype.is_floating:
        raise TypeError(f"Input `a` must have `float`-like `dtype` (saw {a.dtype.name}).")
    message = "Input `a` must have at least 2 dimensions"
    if a.shape.rank is not None:
        if a.shape.rank < 2:
            raise ValueError(f"{message} (saw: {a.shape.rank}).")
    elif validate_args:
        with control_dependencies([checks.assert_rank_at_least(a, rank=2, message=f"{message}.")]):
            return array.identity(a)
    return a


@public("linalg.matrix_rank")
def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """How many singular values are greater than `tol`.

    Args:
        a: floats, shape `batch + [m, n]`.
        tol: by default, the greatest singular value times the larger size times the precision of the type.
        validate_args: whether assertions are added to the graph.
        name: the name scope.

    Returns:
        int32, the shape of the batch.
    """
    with name_scope(name or "matrix_rank"):
        a = _checked(convert_to_tensor(a, dtype_hint=dtypes.float32, name="a"), validate_args)
        s = linear_algebra.svd(a, compute_uv=False)
        if tol is None:
            static = a.shape[-2:]
            size: Any
            if static.is_fully_defined():
                size = np.max(static.as_list())
            else:
                size = math.reduce_max(array.shape(a)[-2:])
            eps = np.finfo(a.dtype.as_numpy_dtype).eps
            tol = eps * math.cast(size, a.dtype) * math.reduce_max(s, axis=-1, keepdims=True)
        return math.reduce_sum(math.cast(s > tol, dtypes.int32), axis=-1)


@public("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The pseudo-inverses of matrices.

    Args:
        a: floats, shape `batch + [m, n]`.
        rcond: singular values below this part of the greatest count as 0; by default ten times the larger size times
            the precision of the type.
        validate_args: whether assertions are added to the graph.
        name: the name scope.

    Returns:
        Shape `batch + [n, m]`.
    """
    with name_scope(name or "pinv"):
        a = _checked(convert_to_tensor(a, name="a"), validate_args)
        dtype = a.dtype.as_numpy_dtype
        if rcond is None:
            sizes: list[Any] = []
            for axis in (-2, -1):
                size = a.shape[axis].value
                sizes.append(array.shape(a)[axis] if size is None else size)
            if all(isinstance(size, int) for size in sizes):
                largest: Any = float(max(sizes))
            else:
                largest = math.cast(math.maximum(*sizes), dtype)
            rcond = 10.0 * largest * np.finfo(dtype).eps
        rcond = convert_to_tensor(rcond, dtype=dtype, name="rcond")
        s, u, v = linear_algebra.svd(a, full_matrices=False, compute_uv=True)
        cutoff = rcond * math.reduce_max(s, axis=-1)
        s = array.where_v2(s > array.expand_dims(cutoff, -1), s, np.array(np.inf, dtype))
        inverse = math.matmul(v / array.expand_dims(s, -2), u, adjoint_b=True)
        if a.shape.rank is not None:
            inverse.set_shape(a.shape[:-2].concatenate([a.shape[-1], a.shape[-2]]))
        return inverse
