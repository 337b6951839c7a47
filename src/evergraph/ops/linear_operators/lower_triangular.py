"""Lower triangular matrices."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.linear_operators import batches
from evergraph.ops.linear_operators.assertions import assert_no_entries_with_modulus_zero, convert_nonref_to_tensor
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorLowerTriangular")
class LinearOperatorLowerTriangular(LinearOperator):
    """A lower triangular matrix, or a batch of them.

    Args:
        tril: shape `batch + [n, n]`; what is above the diagonal is taken for 0.
        is_non_singular: a hint.
        is_self_adjoint: a hint.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        tril: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorLowerTriangular",
    ) -> None:
        if is_square is False:
            raise ValueError("Only square lower triangular operators supported at this time.")
        with name_scope(name, values=[tril]):
            self._tril = convert_nonref_to_tensor(tril, name="tril")
            if self._tril.shape.ndims is not None and self._tril.shape.ndims < 2:
                raise ValueError(f"Argument tril must have at least 2 dimensions.  Found: {self._tril}")
            super().__init__(
                dtype=self._tril.dtype,
                graph_parents=[self._tril],
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=True,
                name=name,
            )

    def _lower(self) -> Tensor:
        return array.matrix_band_part(self._tril, -1, 0)

    def _diagonal(self) -> Tensor:
        return array.matrix_diag_part(self._tril)

    def _shape(self) -> TensorShape:
        return self._tril.shape

    def _shape_tensor(self) -> Tensor:
        return array.shape(self._tril)

    def _assert_non_singular(self) -> Any:
        message = "Singular operator:  Diagonal contained zero values."
        return assert_no_entries_with_modulus_zero(self._diagonal(), message=message)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return math.matmul(self._lower(), x, adjoint_a=adjoint, adjoint_b=adjoint_arg)

    def _determinant(self) -> Tensor:
        return math.reduce_prod(self._diagonal(), axis=[-1])

    def _log_abs_determinant(self) -> Tensor:
        return math.reduce_sum(math.log(math.abs(self._diagonal())), axis=[-1])

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        rhs = linear_algebra.adjoint(rhs) if adjoint_arg else rhs
        return batches.matrix_triangular_solve_with_broadcast(self._lower(), rhs, lower=True, adjoint=adjoint)

    def _to_dense(self) -> Tensor:
        return self._lower()
