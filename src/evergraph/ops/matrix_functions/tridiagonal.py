"""Tridiagonal matrices: multiplied with, and solved for."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import ShapeError, merge, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, require


def _shifted(xp: Any, x: Any, by: int) -> Any:
    """Rows moved up by one (`by` is 1) or down (-1); zeros come in."""
    blank = xp.zeros_like(x[..., :1, :])
    parts = [x[..., 1:, :], blank] if by > 0 else [blank, x[..., :-1, :]]
    return xp.concatenate(parts, axis=-2)


@op("TridiagonalMatMul")
def tridiagonal_mat_mul(xp: Any, superdiag: Any, maindiag: Any, subdiag: Any, rhs: Any) -> Any:
    """The products of tridiagonal matrices, given by their diagonals `[..., 1, n]`, and matrices `[..., n, k]`."""
    if rhs.ndim < 2 or any(d.shape != (*rhs.shape[:-2], 1, rhs.shape[-2]) for d in (superdiag, maindiag, subdiag)):
        raise kernel_error(f"the diagonals must have the shape {[*rhs.shape[:-2], 1, rhs.shape[-2]]}")
    above, middle, below = (xp.swapaxes(d, -1, -2) for d in (superdiag, maindiag, subdiag))
    if not rhs.size:
        return rhs
    # What stands beyond the ends of the outer diagonals is not part of the matrix.
    return middle * rhs + above * _shifted(xp, rhs, 1) + below * _shifted(xp, rhs, -1)


@tridiagonal_mat_mul.shape
def tridiagonal_mat_mul_shape(superdiag: Any, maindiag: Any, subdiag: Any, rhs: Any) -> Any:
    rhs = with_rank_at_least(rhs, 2)
    merged = merge(merge(with_rank_at_least(superdiag, 2), maindiag), subdiag)
    for shape in (superdiag, maindiag, subdiag, merged):
        if shape is not None and shape[-2] not in (None, 1):
            raise ShapeError(f"Dimension must be 1 but is {shape[-2]}")
    return rhs


def _up(x: Tensor) -> Tensor:
    rank = array.rank(x)
    zeros = array.zeros((rank - 2, 2), dtype=dtypes.int32)
    pad = array.concat([zeros, array_constant([[0, 1], [0, 0]])], axis=0)
    return array.pad(x[..., 1:, :], pad)


def _down(x: Tensor) -> Tensor:
    rank = array.rank(x)
    zeros = array.zeros((rank - 2, 2), dtype=dtypes.int32)
    pad = array.concat([zeros, array_constant([[1, 0], [0, 0]])], axis=0)
    return array.pad(x[..., :-1, :], pad)


def array_constant(value: list[list[int]]) -> Tensor:
    return constant(value, dtype=dtypes.int32)


@tridiagonal_mat_mul.gradient
def tridiagonal_mat_mul_grad(made: Operation, grad: Tensor) -> tuple[Tensor, ...]:
    above, middle, below = (array.matrix_transpose(x, conjugate=True) for x in made.inputs[:3])
    rhs = math.conj(made.inputs[3])
    of_above = math.reduce_sum(_up(rhs) * grad, axis=-1)
    of_middle = math.reduce_sum(rhs * grad, axis=-1)
    of_below = math.reduce_sum(_down(rhs) * grad, axis=-1)
    of_rhs = _down(above * grad) + middle * grad + _up(below * grad)
    diagonals = [array.expand_dims(x, -2) for x in (of_above, of_middle, of_below)]
    return (*diagonals, of_rhs)


@op("TridiagonalSolve")
def tridiagonal_solve_op(xp: Any, diagonals: Any, rhs: Any, *, partial_pivoting: bool) -> Any:
    """Solve for tridiagonal matrices, given by their diagonals `[..., 3, n]`, and right-hand sides `[..., n, k]`."""
    if diagonals.ndim < 2 or diagonals.shape[-2] != 3:
        raise kernel_error(f"Expected diagonals of shape [..., 3, n], got {list(diagonals.shape)}")
    n = diagonals.shape[-1]
    if rhs.shape[:-1] != (*diagonals.shape[:-2], n):
        raise kernel_error(f"Expected a right-hand side of {n} rows in the same batch, got {list(rhs.shape)}")
    if not rhs.size:
        return rhs
    # Small systems on the whole: the dense solver pivots, and is one call.
    eye = xp.eye(n, dtype=rhs.dtype)
    upper, lower = xp.roll(eye, 1, axis=1), xp.roll(eye, -1, axis=1)
    if n > 1:
        upper, lower = xp.triu(upper), xp.tril(lower)
    if n == 1:
        upper = lower = xp.zeros_like(eye)
    dense = diagonals[..., 1, :, None] * eye + diagonals[..., 0, :, None] * upper + diagonals[..., 2, :, None] * lower
    solution = xp.linalg.solve(dense, rhs)
    require(xp, xp.isfinite(solution), lambda: kernel_error("The first element of diagonals is zero."))
    return solution


@tridiagonal_solve_op.shape
def tridiagonal_solve_shape(diagonals: Any, rhs: Any) -> Any:
    diagonals = with_rank_at_least(diagonals, 2)
    if diagonals is not None and diagonals[-2] not in (None, 3):
        raise ShapeError(f"Dimension must be 3 but is {diagonals[-2]}")
    return with_rank_at_least(rhs, 2)


@public("linalg.tridiagonal_matmul")
def tridiagonal_matmul(diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None) -> Tensor:
    """Multiply tridiagonal matrices with matrices.

    Args:
        diagonals: by `diagonals_format`: "compact": shape `[..., 3, n]`, the upper diagonal first, with something at
            its end, and something at the start of the lower one; "sequence": three tensors of shape `[..., n]`;
            "matrix": shape `[..., n, n]`.
        rhs: shape `[..., n, k]`.
        diagonals_format: one of these three.
        name: the op's name.

    Returns:
        The type and shape of `rhs`.
    """
    if diagonals_format == "compact":
        above, middle, below = (diagonals[..., i, :] for i in range(3))
    elif diagonals_format == "sequence":
        above, middle, below = diagonals
    elif diagonals_format == "matrix":
        n = _known_side(diagonals, need_both=True)
        middle = array.matrix_diag_part(diagonals)
        transposed = array.transpose(diagonals)
        above = array.transpose(array.gather_nd(transposed, [[i + 1, i] for i in range(n - 1)] + [[0, 0]]))
        below = array.transpose(array.gather_nd(transposed, [[0, 0]] + [[i - 1, i] for i in range(1, n)]))
    else:
        raise ValueError(f"Unrecognized diagonals_format: {diagonals_format}")
    above, middle, below = (array.expand_dims(x, -2) for x in (above, middle, below))
    return tridiagonal_mat_mul(above, middle, below, rhs, name)


def _known_side(matrix: Tensor, need_both: bool) -> int:
    columns, rows = matrix.shape[-1].value, matrix.shape[-2].value
    if columns and rows and columns != rows:
        raise ValueError(f"Expected last two dimensions of diagonals to be same, got {columns} and {rows}")
    if not (columns and rows if need_both else columns or rows):
        raise ValueError('The size of the matrix needs to be known for diagonals_format="matrix"')
    return columns or rows


@public("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
) -> Tensor:
    """Solve for tridiagonal matrices.

    Args:
        diagonals: as `tridiagonal_matmul`'s; in a "sequence", the outer ones may be one shorter.
        rhs: shape `[..., n]` or `[..., n, k]`.
        diagonals_format: "compact", "sequence" or "matrix".
        transpose_rhs: whether `rhs`, and the result, are transposed.
        conjugate_rhs: whether `rhs` is conjugated.
        name: the op's name.
        partial_pivoting: whether rows are exchanged for precision.

    Returns:
        The type and shape of `rhs`.
    """
    if diagonals_format == "sequence":
        diagonals = _stacked(diagonals)
    elif diagonals_format == "matrix":
        n = _known_side(diagonals, need_both=False)
        places = [
            [[min(i + 1, n - 1), i] if i + 1 < n else [0, 0], [i, i], [i - 1, i] if i else [0, 0]] for i in range(n)
        ]
        diagonals = array.transpose(array.gather_nd(array.transpose(diagonals), places))
    elif diagonals_format != "compact":
        raise ValueError(f"Unrecognized diagonals_format: {diagonals_format}")
    return _solved(diagonals, rhs, transpose_rhs, conjugate_rhs, partial_pivoting, name)


def _stacked(diagonals: Any) -> Tensor:
    if not isinstance(diagonals, tuple | list) or len(diagonals) != 3:
        raise ValueError("Expected diagonals to be a sequence of length 3.")
    above, middle, below = diagonals
    if any(not x.shape[:-1].is_compatible_with(middle.shape[:-1]) for x in (below, above)):
        raise ValueError(
            "Tensors representing the three diagonals must have the same shape,except for the last dimension, got "
            f"{below.shape}, {middle.shape}, {above.shape}"
        )
    n = middle.shape[-1].value

    def padded(x: Tensor, what: str, width: list[int]) -> Tensor:
        size = x.shape[-1].value
        if not size or size == n:
            return x
        if size == n - 1:
            return array.pad(x, [[0, 0] for _ in range(len(x.shape) - 1)] + [width])
        raise ValueError(f"Expected {what} to be have length {n} or {n - 1}, got {size}.")

    below = padded(below, "subdiagonal", [1, 0])
    above = padded(above, "superdiagonal", [0, 1])
    return array.stack((above, middle, below), axis=-2)


def _solved(
    diagonals: Tensor, rhs: Tensor, transpose: bool, conjugate: bool, partial_pivoting: bool, name: str | None
) -> Tensor:
    rank, rhs_rank = len(diagonals.shape), len(rhs.shape)
    if rank < 2:
        raise ValueError(f"Expected diagonals to have rank at least 2, got {rank}")
    if rhs_rank not in (rank, rank - 1):
        raise ValueError(f"Expected the rank of rhs to be {rank - 1} or {rank}, got {rhs_rank}")
    if diagonals.shape[-2].value not in (None, 3):
        raise ValueError(f"Expected 3 diagonals got {diagonals.shape[-2]}")
    batch, rhs_batch = diagonals.shape[:-2], rhs.shape[: rank - 2]
    if not batch.is_compatible_with(rhs_batch):
        raise ValueError(f"Batch shapes {batch} and {rhs_batch} are incompatible")
    is_vector = rhs_rank == rank - 1
    if is_vector:
        rhs = array.expand_dims(math.conj(rhs) if conjugate else rhs, -1)
    elif transpose:
        rhs = array.matrix_transpose(rhs, conjugate=conjugate)
    elif conjugate:
        rhs = math.conj(rhs)
    rows, wanted = rhs.shape[-2].value, diagonals.shape[-1].value
    if rows and wanted and rows != wanted:
        raise ValueError(
            f"Expected number of left-hand sided and right-hand sides to be equal, got {wanted} and {rows}"
        )
    result = tridiagonal_solve_op(diagonals, rhs, partial_pivoting, name)
    if is_vector:
        return array.squeeze(result, -1)
    return array.matrix_transpose(result) if transpose else result
