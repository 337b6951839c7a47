"""Roots of symmetric matrices by iteration, in a loop of the graph; `ShampooOptimizer` uses them."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import pow
from evergraph.ops.cast import cast
from evergraph.ops.linear_algebra import eye, norm
from evergraph.ops.opdef import raw_op
from evergraph.ops.products import matmul
from evergraph.ops.reductions import reduce_max, reduce_sum
from evergraph.ops.while_loop import while_loop


def matrix_square_root(mat_a: Any, mat_a_size: Any, iter_count: int = 100, ridge_epsilon: float = 1e-4) -> Any:
    """The square root of a symmetric positive semi-definite matrix (Higham, "Stable iterations", equation 2.6b).

    Args:
        mat_a: float32, shape `[n, n]`.
        mat_a_size: `n`.
        iter_count: the most iterations; it stops before when the error grows.
        ridge_epsilon: added to the diagonal, to make the matrix positive definite.

    Returns:
        Shape `[n, n]`.
    """
    sqrt = raw_op("Sqrt")
    identity = eye(cast(mat_a_size, dtypes.int32))
    mat_a = mat_a + ridge_epsilon * identity
    size: Any = sqrt(reduce_sum(mat_a * mat_a))

    def goes_on(i: Any, y: Any, old_y: Any, z: Any, old_z: Any, error: Any, old_error: Any) -> Any:
        return raw_op("LogicalAnd")(i < iter_count, error < old_error)

    def step(i: Any, y: Any, old_y: Any, z: Any, old_z: Any, error: Any, old_error: Any) -> Any:
        iterate = 0.5 * (3.0 * identity - matmul(z, y))
        next_y, next_z = matmul(y, iterate), matmul(iterate, z)
        root = next_y * sqrt(size)
        residual = mat_a - matmul(root, root)
        next_error = sqrt(reduce_sum(residual * residual)) / size
        return i + 1, next_y, y, next_z, z, next_error, error

    start = mat_a / size
    _, _, found, _, _, _, _ = while_loop(goes_on, step, [0, start, start, identity, identity, size, size + 1.0])
    return found * sqrt(size)


def matrix_inverse_pth_root(
    mat_g: Any,
    mat_g_size: Any,
    alpha: float,
    iter_count: int = 100,
    epsilon: float = 1e-6,
    ridge_epsilon: float = 1e-6,
) -> Any:
    """A negative power of a symmetric positive semi-definite matrix (Guo and Higham, equation 3.2).

    Args:
        mat_g: float32, shape `[n, n]`.
        mat_g_size: `n`.
        alpha: the exponent, `-1 / p` with a positive integer `p`.
        iter_count: the most iterations.
        epsilon: it stops before when no element is further than this from where it goes.
        ridge_epsilon: added to the diagonal, to make the matrix positive definite.

    Returns:
        Shape `[n, n]`.
    """
    identity = eye(cast(mat_g_size, dtypes.int32))
    if mat_g_size == 1:
        return pow(mat_g + ridge_epsilon, alpha)

    def goes_on(i: Any, m: Any, x: Any) -> Any:
        return raw_op("LogicalAnd")(i < iter_count, reduce_max(raw_op("Abs")(m - identity)) > epsilon)

    def step(i: Any, m: Any, x: Any) -> Any:
        m_i: Any = (1 - alpha) * identity + alpha * m
        return i + 1, matmul(_power(m_i, -1.0 / alpha), m), matmul(x, m_i)

    damped = mat_g + ridge_epsilon * identity
    # Right where the largest singular value is more than 2**p times the smallest; then fewest iterations are needed.
    scale: Any = (1 - 1 / alpha) / (2 * norm(damped))
    _, _, found = while_loop(goes_on, step, [0, damped * scale, identity * pow(scale, -alpha)])
    return found


def _power(matrix: Tensor, p: float) -> Tensor:
    """`matrix` to the power of the positive integer `p`, by squaring."""
    assert p == int(p) and p > 0
    power = None
    while p > 0:
        if p % 2 == 1:
            power = matrix if power is None else matmul(matrix, power)
        p //= 2
        matrix = matmul(matrix, matrix)
    assert power is not None
    return power
