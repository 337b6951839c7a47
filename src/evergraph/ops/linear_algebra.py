"""Factorisations, inverses and what is made of them, for a matrix or a batch of matrices.

NumPy and XLA both hand them to LAPACK-like libraries. Half precision is computed in single.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from numbers import Integral
from typing import Any

import numpy as np

from evergraph.framework import dispatch, dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, TensorShape, bracket_text, merge, merge_dim, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, complex_parts, diagonal, elementwise, products, reductions, sequences
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.products import adjoint as adjoint_of


def _widened(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.name == "float16" else x


def _require_square(x: Any) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise kernel_error(f"Input matrix must be square, got shape {bracket_text(x.shape)}")


def _require_finite(xp: Any, results: Any, message: str) -> Any:
    """LAPACK says that it failed by an exception under NumPy, and XLA by NaN in the result."""
    for result in results if isinstance(results, tuple) else (results,):
        require(xp, xp.isfinite(result), lambda: kernel_error(message))
    return results


def _solved(xp: Any, compute: Callable[[], Any], message: str) -> Any:
    try:
        return _require_finite(xp, compute(), message)
    except np.linalg.LinAlgError:
        raise kernel_error(message) from None


def _square_static(x: Shape) -> Shape:
    if x is None:
        return None
    with_rank_at_least(x, 2)
    side = merge_dim(x[-2], x[-1])
    return (*x[:-2], side, side)


_SINGULAR = "Input is not invertible."


@public("linalg.inv", "matrix_inverse")
@op("MatrixInverse", shape=_square_static)
def matrix_inverse(xp: Any, input: Any, *, adjoint: bool) -> Any:
    """The inverses of matrices, or of their adjoints."""
    _require_square(input)
    x = adjoint_of(xp, input) if adjoint else input
    return _solved(xp, lambda: xp.linalg.inv(_widened(x)), _SINGULAR)


@matrix_inverse.gradient
def matrix_inverse_grad(made: Operation, grad: Tensor) -> Tensor:
    inverse = made.outputs[0]
    return -products.matmul(inverse, products.matmul(grad, inverse, adjoint_b=True), adjoint_a=True)


@public("linalg.det", "matrix_determinant")
@op("MatrixDeterminant")
def matrix_determinant(xp: Any, input: Any) -> Any:
    """The determinants of matrices."""
    _require_square(input)
    return xp.linalg.det(_widened(input))


@matrix_determinant.shape
def matrix_determinant_shape(input: Any) -> Any:
    square = _square_static(input)
    return None if square is None else square[:-2]


def _times_adjoint_inverse(multipliers: Tensor, result: Tensor, a: Tensor) -> Tensor:
    inverse = matrix_inverse(a, adjoint=True)
    shape = array.concat([array.shape(result), [1, 1]], 0)
    return array.reshape(multipliers, shape) * inverse


@matrix_determinant.gradient
def matrix_determinant_grad(made: Operation, grad: Tensor) -> Tensor:
    a, c = made.inputs[0], made.outputs[0]
    inverse = matrix_inverse(a, adjoint=True)
    product = grad * c
    return array.reshape(product, array.concat([array.shape(c), [1, 1]], 0)) * inverse


@public("linalg.slogdet")
@op("LogMatrixDeterminant")
def log_matrix_determinant(xp: Any, input: Any) -> Any:
    """The signs of determinants, and the logarithms of their magnitudes."""
    _require_square(input)
    sign, log = xp.linalg.slogdet(_widened(input))
    return sign, log


@log_matrix_determinant.shape
def log_matrix_determinant_shape(input: Any) -> Any:
    square = _square_static(input)
    batch = None if square is None else square[:-2]
    return batch, batch


@log_matrix_determinant.gradient
def log_matrix_determinant_grad(made: Operation, _: Any, grad: Tensor) -> Tensor:
    return _times_adjoint_inverse(grad, made.outputs[1], made.inputs[0])


_NOT_POSITIVE = "Cholesky decomposition was not successful. The input might not be valid."


@public("linalg.cholesky", "cholesky")
@op("Cholesky", shape=_square_static)
def cholesky(xp: Any, input: Any) -> Any:
    """The lower triangular `L` with `L @ adjoint(L)` equal to the input, of which the upper part is not read."""
    from jax.lax import linalg

    _require_square(input)
    return _require_finite(xp, linalg.cholesky(_widened(input), symmetrize_input=False), _NOT_POSITIVE)


@cholesky.numpy
def cholesky_numpy(xp: Any, input: Any) -> Any:
    _require_square(input)
    return _solved(np, lambda: np.linalg.cholesky(_widened(input)), _NOT_POSITIVE)


@cholesky.gradient
def cholesky_grad(made: Operation, grad: Tensor) -> Tensor:
    factor = made.outputs[0]
    rows = array.shape(factor)[-1]
    batch = array.shape(factor)[:-2]
    inverse = matrix_triangular_solve(factor, eye(rows, batch_shape=batch, dtype=factor.dtype))
    middle = products.matmul(factor, grad, adjoint_a=True)
    middle = diagonal.matrix_set_diag(middle, 0.5 * diagonal.matrix_diag_part(middle))
    middle = diagonal.matrix_band_part(middle, -1, 0)
    grad_a = products.matmul(products.matmul(inverse, middle, adjoint_a=True), inverse)
    grad_a += adjoint(grad_a)
    return grad_a * 0.5


# Solving


def _solution_shape(matrix: Any, rhs: Any) -> Any:
    square = _square_static(matrix)
    with_rank_at_least(rhs, 2)
    if square is None or rhs is None:
        return None
    merge(square[:-2], rhs[:-2])
    merge_dim(square[-1], rhs[-2])
    return (*(merge(square[:-2], rhs[:-2]) or ()), merge_dim(square[-1], rhs[-2]), rhs[-1])


@public("linalg.solve", "matrix_solve")
@op("MatrixSolve", shape=_solution_shape)
def matrix_solve(xp: Any, matrix: Any, rhs: Any, *, adjoint: bool) -> Any:
    """The `x` with `matrix @ x` (or `adjoint(matrix) @ x`) equal to `rhs`."""
    _require_square(matrix)
    a = adjoint_of(xp, matrix) if adjoint else matrix
    return _solved(xp, lambda: xp.linalg.solve(_widened(a), _widened(rhs)), "Input matrix is not invertible.")


def _solve_grads(a: Tensor, x: Tensor, grad_b: Tensor, is_adjoint: bool) -> Tensor:
    if is_adjoint:
        return -products.matmul(x, grad_b, adjoint_b=True)
    return -products.matmul(grad_b, x, adjoint_b=True)


@matrix_solve.gradient
def matrix_solve_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, is_adjoint = made.inputs[0], made.attrs["adjoint"]
    grad_b = matrix_solve(a, grad, adjoint=not is_adjoint)
    return _solve_grads(a, made.outputs[0], grad_b, is_adjoint), grad_b


@public("linalg.triangular_solve", "matrix_triangular_solve")
@op("MatrixTriangularSolve", shape=_solution_shape)
def matrix_triangular_solve(xp: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    """The `x` with `matrix @ x` equal to `rhs`; of `matrix` (or its adjoint) only one triangle is read."""
    from jax.lax import linalg

    _require_square(matrix)
    require(xp, xp.diagonal(matrix, axis1=-2, axis2=-1) != 0, lambda: kernel_error("Input matrix is not invertible."))
    return linalg.triangular_solve(
        _widened(matrix), _widened(rhs), left_side=True, lower=lower, transpose_a=adjoint, conjugate_a=adjoint
    )


@matrix_triangular_solve.numpy
def matrix_triangular_solve_numpy(xp: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool) -> Any:
    _require_square(matrix)
    if not np.diagonal(matrix, axis1=-2, axis2=-1).all():
        raise kernel_error("Input matrix is not invertible.")
    a = adjoint_of(np, matrix) if adjoint else matrix
    return _substituted(_widened(a), np.array(_widened(rhs)), lower != adjoint)


_ROWS_AT_ONCE = 32


def _substituted(a: np.ndarray, x: np.ndarray, lower: bool) -> np.ndarray:
    """Solve for `x`, in place, row by row: a solver that exchanges rows would lose digits where no row does here."""
    n = a.shape[-1]
    starts = range(0, n, _ROWS_AT_ONCE)
    for start in starts if lower else reversed(starts):
        end = min(start + _ROWS_AT_ONCE, n)
        for i in range(start, end) if lower else range(end - 1, start - 1, -1):
            known = slice(start, i) if lower else slice(i + 1, end)
            x[..., i, :] -= (a[..., i, None, known] @ x[..., known, :])[..., 0, :]
            x[..., i, :] /= a[..., i, i, None]
        rest = slice(end, n) if lower else slice(0, start)
        x[..., rest, :] -= a[..., rest, start:end] @ x[..., start:end, :]
    return x


@matrix_triangular_solve.gradient
def matrix_triangular_solve_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, is_adjoint, lower = made.inputs[0], made.attrs["adjoint"], made.attrs["lower"]
    grad_b = matrix_triangular_solve(a, grad, lower=lower, adjoint=not is_adjoint)
    grad_a = _solve_grads(a, made.outputs[0], grad_b, is_adjoint)
    bounds = (-1, 0) if lower else (0, -1)
    return diagonal.matrix_band_part(grad_a, *bounds), grad_b


@public("linalg.cholesky_solve", "cholesky_solve")
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """Solve `A @ x = rhs`, given the Cholesky factor of `A`."""
    with name_scope(name, "cholesky_solve", [chol, rhs]):
        y = matrix_triangular_solve(chol, rhs, adjoint=False, lower=True)
        return matrix_triangular_solve(chol, y, adjoint=True, lower=True)


# Orthogonal factorisations


@public("linalg.qr", "qr")
@op("Qr")
def qr(xp: Any, input: Any, *, full_matrices: bool) -> Any:
    """Orthonormal `q` and upper triangular `r` with `q @ r` equal to `input`."""
    q, r = xp.linalg.qr(_widened(input), mode="complete" if full_matrices else "reduced")
    return q, r


@qr.shape
def qr_shape(input: Any, *, full_matrices: bool) -> Any:
    if input is None:
        return None, None
    with_rank_at_least(input, 2)
    *batch, m, n = input
    inner = m if full_matrices else None if m is None or n is None else min(m, n)
    return (*batch, m, inner), (*batch, inner, n)


@qr.gradient
def qr_grad(made: Operation, dq: Tensor, dr: Tensor) -> Tensor:
    q, r = made.outputs
    if q.dtype.is_complex:
        raise NotImplementedError(f"QrGrad not implemented for dtype: {q.dtype}")
    sizes = r.static_shape
    if sizes is None or None in sizes[-2:]:
        raise NotImplementedError("QrGrad not implemented with dynamic shapes.")
    if sizes[-2] != sizes[-1]:
        raise NotImplementedError(
            "QrGrad not implemented when ncols > nrows or full_matrices is true and ncols != nrows."
        )
    matmul = products.matmul
    qdq = matmul(q, dq, adjoint_a=True)
    qdq_skew = qdq - adjoint(qdq)
    rdr = matmul(r, dr, adjoint_b=True)
    rdr_skew = rdr - adjoint(rdr)
    lower = diagonal.matrix_band_part(qdq_skew + rdr_skew, -1, 0)

    def over_r(x: Tensor) -> Tensor:
        return adjoint(matrix_triangular_solve(r, adjoint(x), lower=False, adjoint=False))

    grad_a = matmul(q, dr + over_r(lower))
    return grad_a + over_r(dq - matmul(q, qdq))


@op("Svd")
def svd_op(xp: Any, input: Any, *, compute_uv: bool, full_matrices: bool) -> Any:
    """Singular values, largest first, and their left and right vectors in columns (or nothing in their place)."""
    x = _widened(input)
    if not compute_uv:
        nothing = np.zeros(0, input.dtype)
        return xp.linalg.svd(x, compute_uv=False).astype(input.dtype), nothing, nothing
    u, s, vh = xp.linalg.svd(x, full_matrices=full_matrices)
    return s.astype(input.dtype), u, adjoint_of(xp, vh)


@svd_op.shape
def svd_shape(input: Any, *, compute_uv: bool, full_matrices: bool) -> Any:
    if input is None:
        return (None, None, None) if compute_uv else (None, (0,), (0,))
    with_rank_at_least(input, 2)
    *batch, m, n = input
    p = None if m is None or n is None else min(m, n)
    if not compute_uv:
        return (*batch, p), (0,), (0,)
    if full_matrices:
        return (*batch, p), (*batch, m, m), (*batch, n, n)
    return (*batch, p), (*batch, m, p), (*batch, n, p)


@public("linalg.svd", "svd")
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """Decompose matrices: `tensor` equals `u @ diag(s) @ adjoint(v)`.

    Args:
        tensor: shape `[..., m, n]`.
        full_matrices: give all of the vectors, not only those of singular values.
        compute_uv: give `u` and `v` at all.
        name: the op's name.

    Returns:
        `(s, u, v)`, or `s` alone. Singular values come largest first; vectors may differ from TensorFlow's in sign.
    """
    s, u, v = svd_op(tensor, compute_uv=compute_uv, full_matrices=full_matrices, name=name)
    return (complex_parts.real(s), u, v) if compute_uv else complex_parts.real(s)


@svd_op.gradient
def svd_grad(made: Operation, grad_s: Tensor, grad_u: Tensor, grad_v: Tensor) -> Tensor:
    a = made.inputs[0]
    a_shape = a.get_shape().with_rank_at_least(2)
    matmul, matrix_diag = products.matmul, diagonal.matrix_diag
    grad_s_matrix = matrix_diag(grad_s)
    if not made.attrs["compute_uv"]:
        _, u, v = svd(a, compute_uv=True)
        grad_a = matmul(u, matmul(grad_s_matrix, v, adjoint_b=True))
        grad_a.set_shape(a_shape)
        return grad_a
    is_full = made.attrs["full_matrices"]
    if a.dtype.is_complex:
        raise NotImplementedError("SVD gradient is not implemented for complex types and compute_uv=True.")
    sizes = _matrix_sizes(a_shape, grad_u, grad_v)
    m, n = sizes[-2:]
    if m is None or n is None:
        raise NotImplementedError("SVD gradient has not been implemented for input with unknown inner matrix shape.")
    s, u, v = made.outputs
    is_tall = m > n
    if is_tall:
        m, n, u, v, grad_u, grad_v = n, m, v, u, grad_v, grad_u
    with get_default_graph().control_dependencies([grad_s, grad_u, grad_v]):
        if is_full and abs(m - n) > 1:
            raise NotImplementedError("svd gradient is not implemented for abs(m - n) > 1 when full_matrices is True")
        s_matrix = matrix_diag(s)
        squares = elementwise.square(s)
        s_shape = array.shape(s)
        identity = eye(s_shape[-1], batch_shape=s_shape[:-1], dtype=s.dtype)
        differences = array.expand_dims(squares, -2) - array.expand_dims(squares, -1) + identity
        f = diagonal.matrix_set_diag(elementwise.reciprocal(differences), array.zeros_like(s))
        s_inverse = matrix_diag(elementwise.reciprocal(s))
        v1 = v[..., :, :m]
        grad_v1 = grad_v[..., :, :m]
        u_gu = matmul(u, grad_u, adjoint_a=True)
        v_gv = matmul(v1, grad_v1, adjoint_a=True)
        f_u = f * u_gu
        f_v = f * v_gv
        from_u = grad_s_matrix + matmul(f_u + adjoint(f_u), s_matrix)
        inner = from_u + matmul(s_matrix, f_v + adjoint(f_v))
        grad_a = matmul(u, matmul(inner, v1, adjoint_b=True))
        if m != n:
            gv1t = array.matrix_transpose(grad_v1)
            gv1t_v1 = matmul(gv1t, v1)
            rest = gv1t - matmul(gv1t_v1, v1, adjoint_b=True)
            if is_full:
                v2 = v[..., :, m:n]
                grad_v2 = grad_v[..., :, m:n]
                v1t_gv2 = matmul(v1, grad_v2, adjoint_a=True)
                rest -= matmul(v1t_gv2, v2, adjoint_b=True)
            u_s_inverse = matmul(u, s_inverse)
            grad_a = grad_a + matmul(u_s_inverse, rest)
        if is_tall:
            grad_a = array.matrix_transpose(grad_a)
        grad_a.set_shape(sizes)
        return grad_a


def _matrix_sizes(a: TensorShape, grad_u: Tensor, grad_v: Tensor) -> list[int | None]:
    """The shape of `a`, completed from those of the gradients."""
    u, v = grad_u.get_shape().with_rank_at_least(2), grad_v.get_shape().with_rank_at_least(2)
    m = a[-2].merge_with(u[-2])
    n = a[-1].merge_with(v[-2])
    batch = a[:-2].merge_with(u[:-2]).merge_with(v[:-2])
    return batch.concatenate([m, n]).as_list()


@op("SelfAdjointEigV2")
def self_adjoint_eig_v2(xp: Any, input: Any, *, compute_v: bool) -> Any:
    """Eigenvalues, smallest first, and eigenvectors in columns; the upper part of the matrix is not read."""
    _require_square(input)
    x = _widened(input)
    options = {} if xp is np else {"symmetrize_input": False}
    if compute_v:
        e, v = xp.linalg.eigh(x, UPLO="L", **options)
        return e.astype(input.dtype), v
    values = xp.linalg.eigvalsh(x, UPLO="L") if xp is np else xp.linalg.eigh(x, UPLO="L", **options)[0]
    return values.astype(input.dtype), np.zeros(0, input.dtype)


@self_adjoint_eig_v2.shape
def self_adjoint_eig_v2_shape(input: Any, *, compute_v: bool) -> Any:
    square = _square_static(input)
    values = None if square is None else square[:-1]
    return values, square if compute_v else (0,)


@self_adjoint_eig_v2.gradient
def self_adjoint_eig_v2_grad(made: Operation, grad_e: Tensor, grad_v: Tensor) -> Tensor:
    e = made.outputs[0]
    matmul = products.matmul
    with get_default_graph().control_dependencies([grad_e, grad_v]):
        if made.attrs["compute_v"]:
            v = made.outputs[1]
            differences = array.expand_dims(e, -2) - array.expand_dims(e, -1)
            f = diagonal.matrix_set_diag(elementwise.reciprocal(differences), array.zeros_like(e))
            inner = diagonal.matrix_diag(grad_e) + f * matmul(v, grad_v, adjoint_a=True)
        else:
            _, v = self_adjoint_eig(made.inputs[0])
            inner = diagonal.matrix_diag(grad_e)
        grad_a = matmul(v, matmul(inner, v, adjoint_b=True))
        grad_a = diagonal.matrix_band_part(grad_a + adjoint(grad_a), -1, 0)
        return diagonal.matrix_set_diag(grad_a, 0.5 * diagonal.matrix_diag_part(grad_a))


@public("linalg.eigh", "self_adjoint_eig")
def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """The eigenvalues, smallest first, and eigenvectors of symmetric or Hermitian matrices."""
    e, v = self_adjoint_eig_v2(tensor, compute_v=True, name=name)
    return e, v


@public("linalg.eigvalsh", "self_adjoint_eigvals")
def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of symmetric or Hermitian matrices, smallest first."""
    return self_adjoint_eig_v2(tensor, compute_v=False, name=name)[0]


@public("linalg.lu")
@op("Lu")
def lu(xp: Any, input: Any, *, output_idx_type: Any) -> Any:
    """Lower and upper triangular factors in one matrix, and the permutation of the rows."""
    from jax.lax import linalg

    _require_square(input)
    factors, _, permutation = linalg.lu(_widened(input))
    require(xp, xp.diagonal(factors, 0, -2, -1) != 0, lambda: kernel_error(_SINGULAR))
    return factors, permutation.astype(output_idx_type.np)


@lu.numpy
def lu_numpy(xp: Any, input: Any, *, output_idx_type: Any) -> Any:
    _require_square(input)
    n = input.shape[-1]
    factors = np.array(_widened(input)).reshape(prod(input.shape[:-2]), n, n)
    order = np.tile(np.arange(n), (len(factors), 1))
    batch = np.arange(len(factors))
    for k in range(n):
        pivot = k + np.argmax(np.abs(factors[:, k:, k]), axis=1)
        for rows in (factors, order):
            kept = rows[batch, k].copy()
            rows[batch, k] = rows[batch, pivot]
            rows[batch, pivot] = kept
        if (factors[:, k, k] == 0).any():
            raise kernel_error(_SINGULAR)
        factors[:, k + 1 :, k] /= factors[:, k, k, None]
        factors[:, k + 1 :, k + 1 :] -= factors[:, k + 1 :, k, None] * factors[:, None, k, k + 1 :]
    return factors.reshape(input.shape), order.reshape(input.shape[:-1]).astype(output_idx_type.np)


@lu.shape
def lu_shape(input: Any) -> Any:
    square = _square_static(input)
    return square, None if square is None else square[:-1]


# What is made of them


@public("linalg.adjoint")
@dispatch.dispatching
def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """Transpose the last two axes and conjugate."""
    with name_scope(name, "adjoint", [matrix]):
        return array.matrix_transpose(convert_to_tensor(matrix, name="matrix"), conjugate=True)


@public("linalg.trace", "trace")
@dispatch.dispatching
def trace(x: Any, name: str | None = None) -> Tensor:
    """The sums of the main diagonal of matrices `[..., m, n]`."""
    with name_scope(name, "Trace", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return reductions.reduce_sum(diagonal.matrix_diag_part(x), [-1], name=scope)


@public("linalg.logdet")
@dispatch.dispatching
def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithms of the determinants of positive definite matrices."""
    with name_scope(name, "logdet", [matrix]):
        factor = cholesky(matrix)
        logs = elementwise.log(complex_parts.real(diagonal.matrix_diag_part(factor)))
        return 2.0 * reductions.reduce_sum(logs, axis=[-1])


@public("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Make an identity matrix, or a batch of them.

    Args:
        num_rows: an int or a scalar int32 tensor.
        num_columns: likewise; as many as rows by default.
        batch_shape: a list of ints or an int32 tensor: the shape of the batch.
        dtype: the type of the elements.
        name: the scope of the ops.

    >>> sess.run(tf.eye(2))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    with name_scope(name, "eye", [num_rows, num_columns, batch_shape]):
        is_square = num_columns is None
        batch_shape = [] if batch_shape is None else batch_shape
        num_columns = num_rows if num_columns is None else num_columns
        size: Any
        if isinstance(num_rows, Tensor) or isinstance(num_columns, Tensor):
            size = arithmetic.minimum(num_rows, num_columns)
        else:
            if not isinstance(num_rows, Integral) or not isinstance(num_columns, Integral):
                raise TypeError("num_rows and num_columns must be positive integer values.")
            is_square = num_rows == num_columns
            size = np.minimum(num_rows, num_columns)  # type: ignore[call-overload]  # `Integral`s are numbers to NumPy
        shape: Any = None
        if isinstance(batch_shape, Tensor) or isinstance(size, Tensor):
            batch_shape = convert_to_tensor(batch_shape, name="shape", dtype=dtypes.int32)
            diagonal_shape: Any = array.concat((batch_shape, [size]), axis=0)
            if not is_square:
                shape = array.concat((batch_shape, [num_rows, num_columns]), axis=0)
        else:
            batch_shape = list(batch_shape)
            diagonal_shape = [*batch_shape, size]
            shape = [*batch_shape, num_rows, num_columns]
        ones = array.ones(diagonal_shape, dtype=dtype)
        if is_square:
            return diagonal.matrix_diag(ones)
        return diagonal.matrix_set_diag(array.zeros(shape, dtype=dtype), ones)


_VECTOR_NORMS = ["euclidean", 1, 2, np.inf]
_MATRIX_NORMS = ["euclidean", "fro", 1, 2, np.inf]


@public("norm", "linalg.norm")
def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norm of vectors, matrices, or of a tensor as a whole.

    Args:
        tensor: floating point or complex.
        ord: "euclidean", 1, 2, `np.inf` or, for vectors, any positive number; "fro" too for matrices.
        axis: the axis of the vectors; a pair, the axes of the matrices; None: all elements as one vector.
        keepdims: keep the reduced axes, at size one.
        name: the scope of the ops.
        keep_dims: the old name of `keepdims`.

    Raises:
        ValueError: for an `ord` or `axis` that is none of these.
    """
    keepdims = bool(reductions.given(keepdims, "keepdims", keep_dims, "keep_dims"))
    is_matrix_norm = isinstance(axis, tuple | list) and len(axis) == 2
    if is_matrix_norm:
        axis = tuple(axis)
        if not isinstance(axis[0], int) or not isinstance(axis[1], int) or axis[0] == axis[1]:
            raise ValueError("'axis' must be None, an integer, or a tuple of 2 unique integers")
        if ord not in _MATRIX_NORMS:
            raise ValueError(f"'ord' must be a supported matrix norm in {_MATRIX_NORMS}, got {ord}")
    else:
        if not (isinstance(axis, int) or axis is None):
            raise ValueError("'axis' must be None, an integer, or a tuple of 2 unique integers")
        if ord not in _VECTOR_NORMS and (not np.isreal(ord) or ord <= 0):
            raise ValueError(f"'ord' must be a supported vector norm, got {ord}")
        if axis is not None:
            axis = (axis,)
    reduce_sum, reduce_max = reductions.reduce_sum, reductions.reduce_max
    with name_scope(name, "norm", [tensor]):
        x = convert_to_tensor(tensor)
        if is_matrix_norm and ord == 2:
            result = _spectral_norm(x, axis)
        elif ord in ("fro", "euclidean", 2):
            result = elementwise.sqrt(reduce_sum(x * complex_parts.conj(x), axis, keepdims=True))
        else:
            result = elementwise.abs(x)
            if ord == 1:
                result = reduce_sum(result, None if axis is None else axis[0], keepdims=True)
                if is_matrix_norm:
                    result = reduce_max(result, axis[-1], keepdims=True)
            elif ord == np.inf:
                if is_matrix_norm:
                    result = reduce_sum(result, axis[1], keepdims=True)
                result = reduce_max(result, None if axis is None else axis[0], keepdims=True)
            else:
                powers = arithmetic.pow(result, ord)
                result = arithmetic.pow(reduce_sum(powers, axis, keepdims=True), 1.0 / ord)
        return result if keepdims else array.squeeze(result, axis)


def _spectral_norm(x: Tensor, axis: Sequence[int]) -> Tensor:
    """The largest singular value, its two axes kept."""
    before: Any
    after: Any
    rank = x._rank
    if rank is None:
        places = convert_to_tensor(axis)
        count = array.rank(x)
        places = array.where_v2(places >= 0, places, places + count)
        others, _ = array.setdiff1d(sequences.range_(count), places)
        before = array.concat([others, places], axis=0)
        after = array.invert_permutation(before)
    else:
        matrix = [a % rank for a in axis]
        before = [a for a in range(rank) if a not in matrix] + matrix
        after = [before.index(i) for i in range(rank)]
    s = svd_op(array.transpose(x, perm=before), compute_uv=False).s
    largest = reductions.reduce_max(elementwise.abs(s), axis=-1, keepdims=True)
    return array.transpose(array.expand_dims(largest, axis=-1), perm=after)
