"""Matrices in batches of different shapes: broadcast by hand, since the solvers do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra
from evergraph.ops.checks import assert_proper_iterable


def shape_tensor(shape: Any, name: str | None = None) -> Tensor:
    """A tensor of sizes; int32 also if there are none."""
    is_empty = isinstance(shape, tuple | list) and not shape
    return convert_to_tensor(shape, dtype=dtypes.int32 if is_empty else None, name=name)


def broadcast_matrix_batch_dims(batch_matrices: Any, name: str | None = None) -> list[Tensor]:
    """Repeat matrices so that all batches have one shape; what has it already stays as it is, if that is known.

    Args:
        batch_matrices: tensors of shapes `batch + [m, n]`.
        name: the name scope.

    Raises:
        ValueError: if the batches do not broadcast, or a tensor is no matrix.
    """
    with name_scope(name or "broadcast_matrix_batch_dims", values=batch_matrices):
        assert_proper_iterable(batch_matrices)
        matrices = []
        for given in batch_matrices:
            matrix = convert_to_tensor(given)
            if matrix.shape.ndims is not None and matrix.shape.ndims < 2:
                raise ValueError(f"Expected [batch] matrix to have at least two dimensions.  Found: {matrix}")
            matrices.append(matrix)
        if len(matrices) < 2:
            return matrices
        batch = matrices[0].shape[:-2]
        for matrix in matrices[1:]:
            batch = array.broadcast_static_shape(batch, matrix.shape[:-2])
        if batch.is_fully_defined():
            for i, matrix in enumerate(matrices):
                if matrix.shape[:-2] != batch:
                    shape = array.concat([batch.as_list(), array.shape(matrix)[-2:]], axis=0)
                    matrices[i] = array.broadcast_to(matrix, shape)
            return matrices
        sizes = array.shape(matrices[0])[:-2]
        for matrix in matrices[1:]:
            sizes = array.broadcast_dynamic_shape(sizes, array.shape(matrix)[:-2])
        return [array.broadcast_to(m, array.concat([sizes, array.shape(m)[-2:]], axis=0)) for m in matrices]


def cholesky_solve_with_broadcast(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """Solve `chol cholᴴ x = rhs`."""
    with name_scope(name, "CholeskySolveWithBroadcast", [chol, rhs]):
        chol, rhs = broadcast_matrix_batch_dims([chol, rhs])
        return linear_algebra.cholesky_solve(chol, rhs)


def matrix_solve_with_broadcast(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """Solve `matrix x = rhs`, or with the adjoint of `matrix`."""
    with name_scope(name, "MatrixSolveWithBroadcast", [matrix, rhs]):
        matrix = convert_to_tensor(matrix, name="matrix")
        rhs = convert_to_tensor(rhs, name="rhs", dtype=matrix.dtype)
        matrix, rhs, restored, is_adjoint_taken = _with_batch_as_columns(matrix, rhs, adjoint)
        matrix, rhs = broadcast_matrix_batch_dims([matrix, rhs])
        return restored(linear_algebra.matrix_solve(matrix, rhs, adjoint=adjoint and not is_adjoint_taken))


def matrix_triangular_solve_with_broadcast(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """Solve `matrix x = rhs` for a triangular matrix, or with its adjoint."""
    with name_scope(name, "MatrixTriangularSolve", [matrix, rhs]):
        matrix = convert_to_tensor(matrix, name="matrix")
        rhs = convert_to_tensor(rhs, name="rhs", dtype=matrix.dtype)
        matrix, rhs, restored, is_adjoint_taken = _with_batch_as_columns(matrix, rhs, adjoint)
        if is_adjoint_taken and adjoint:
            lower = not lower
        matrix, rhs = broadcast_matrix_batch_dims([matrix, rhs])
        solution = linear_algebra.matrix_triangular_solve(
            matrix, rhs, lower=lower, adjoint=adjoint and not is_adjoint_taken
        )
        return restored(solution)


def _with_batch_as_columns(a: Tensor, b: Tensor, adjoint: bool) -> tuple[Tensor, Tensor, Callable[..., Tensor], bool]:
    """Put the leading axes that `b` has more than `a` among its columns: one factorisation then serves them all.

    Gives the matrices, a function that undoes it on the solution, and whether the adjoint of `a` has been taken. Where
    more columns would not pay (few of them, or known to be more than rows), nothing is moved.
    """

    def as_it_is(y: Tensor) -> Tensor:
        return y

    if a.shape.ndims is None or b.shape.ndims is None or a.shape.ndims >= b.shape.ndims:
        return a, b, as_it_is, False
    extra = b.shape.ndims - a.shape.ndims
    array.shape(b)[:extra], array.shape(b)[extra:]  # read here once for nothing: TensorFlow's graphs hold them too
    extra_size = b.shape[:extra].num_elements()
    inner, columns = a.shape[-2 if adjoint else -1], b.shape[-1]
    if extra_size is not None and (extra_size < 2 or inner <= columns):
        return a, b, as_it_is, False
    if adjoint:
        a = linear_algebra.adjoint(a)
    extra_shape = array.shape(b)[:extra]
    main_shape = array.shape(b)[extra:]
    perm = np.concatenate((np.arange(extra, b.shape.ndims), np.arange(0, extra)), 0)
    moved = array.transpose(b, perm=perm)
    wide = array.reshape(moved, array.concat((main_shape[:-1], [-1]), 0))

    def restored(y: Tensor) -> Tensor:
        shape = array.concat((array.shape(y)[:-1], [main_shape[-1]], extra_shape), 0)
        return array.transpose(array.reshape(y, shape), perm=np.argsort(perm))

    return a, wide, restored, True
