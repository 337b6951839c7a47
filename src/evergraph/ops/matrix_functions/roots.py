"""Square roots and logarithms of matrices, by way of Schur's triangular form."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, merge_dim, with_rank_at_least
from evergraph.ops.opdef import kernel_error, op


def _square(input: Any) -> Any:
    if input is None:
        return None
    with_rank_at_least(input, 2)
    try:
        side = merge_dim(input[-2], input[-1])
    except ShapeError:
        raise ShapeError(f"Dimensions must be equal, but are {input[-2]} and {input[-1]}") from None
    return (*input[:-2], side, side)


def _check_square(x: Any) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise kernel_error(f"Input matrix must be square, got shape {list(x.shape)}")


def _schur(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper triangular matrices, and the unitary ones that they are `x` seen through; complex, of double precision."""
    from jax import enable_x64
    from jax.scipy.linalg import schur

    wide = x.reshape(-1, *x.shape[-2:]).astype(np.complex128)
    with enable_x64(True):
        pairs = [schur(matrix, output="complex") for matrix in wide]
    empty = np.zeros((0, *x.shape[-2:]), np.complex128)
    triangles = np.stack([np.asarray(t) for t, _ in pairs]) if pairs else empty
    return triangles, np.stack([np.asarray(q) for _, q in pairs]) if pairs else empty


def _seen_through(triangles: np.ndarray, unitary: np.ndarray, like: np.ndarray) -> np.ndarray:
    made = (unitary @ triangles @ unitary.conj().swapaxes(-1, -2)).reshape(like.shape)
    return (made if like.dtype.kind == "c" else made.real).astype(like.dtype)


def _triangular_root(t: np.ndarray) -> np.ndarray:
    """The square roots of upper triangular matrices, one diagonal after another (Björck and Hammarling, 1983)."""
    n = t.shape[-1]
    root = np.zeros_like(t)
    root[:, range(n), range(n)] = np.sqrt(t[:, range(n), range(n)])
    for k in range(1, n):
        for i in range(n - k):
            j = i + k
            known = np.einsum("bk,bk->b", root[:, i, i + 1 : j], root[:, i + 1 : j, j])
            total = root[:, i, i] + root[:, j, j]
            rest = t[:, i, j] - known
            root[:, i, j] = np.divide(rest, total, out=np.zeros_like(rest), where=total != 0)
    return root


@public("linalg.sqrtm", "matrix_square_root")
@op("MatrixSquareRoot", host=True, shape=_square, differentiable=False)
def matrix_square_root(xp: Any, input: Any) -> Any:
    """The matrices whose squares are the input's."""
    _check_square(input)
    if not input.size:
        return input
    triangles, unitary = _schur(input)
    return _seen_through(_triangular_root(triangles), unitary, input)


# Gauss and Legendre's rule on [0, 1]: log(I + X) is the integral of X (I + x X)^-1.
_NODES, _WEIGHTS = (0.5 * (np.polynomial.legendre.leggauss(9)[0] + 1), 0.5 * np.polynomial.legendre.leggauss(9)[1])


@public("linalg.logm")
@op("MatrixLogarithm", host=True, shape=_square, differentiable=False)
def matrix_logarithm(xp: Any, input: Any) -> Any:
    """The matrices whose exponentials are the input's: complex ones."""
    _check_square(input)
    if not input.size:
        return input
    triangles, unitary = _schur(input)
    n = input.shape[-1]
    eye = np.eye(n)
    diagonal = triangles[:, range(n), range(n)]
    roots = 0
    root = triangles
    while roots < 100 and np.abs(root - eye).sum(-2).max() > 0.2:
        root = _triangular_root(root)
        roots += 1
    rest = root - eye
    log = sum(weight * np.linalg.solve(eye + node * rest, rest) for node, weight in zip(_NODES, _WEIGHTS, strict=True))
    log = np.asarray(log) * 2.0**roots
    log[:, range(n), range(n)] = np.log(diagonal)
    return _seen_through(np.triu(log), unitary, input)
