"""Diagonal matrices."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, checks, linear_algebra, math
from evergraph.ops.linear_operators.assertions import (
    assert_no_entries_with_modulus_zero,
    assert_zero_imag_part,
    convert_nonref_to_tensor,
)
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorDiag")
class LinearOperatorDiag(LinearOperator):
    """A diagonal matrix, or a batch of them.

    Args:
        diag: the diagonal, shape `batch + [n]`.
        is_non_singular: a hint.
        is_self_adjoint: a hint; must not be False for a real matrix.
        is_positive_definite: a hint.
        is_square: must not be False.
        name: the name scope.

    >>> sess.run(tf.linalg.LinearOperatorDiag([1.0, 2.0]).matmul([[3.0], [4.0]]))
    array([[3.],
           [8.]], dtype=float32)
    """

    def __init__(
        self,
        diag: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorDiag",
    ) -> None:
        with name_scope(name, values=[diag]):
            self._diag = convert_nonref_to_tensor(diag, name="diag")
            if self._diag.shape.ndims == 0:
                raise ValueError(f"Argument diag must have at least 1 dimension.  Found: {self._diag}")
            if not self._diag.dtype.is_complex:
                if is_self_adjoint is False:
                    raise ValueError("A real diagonal operator is always self adjoint.")
                is_self_adjoint = True
            if is_square is False:
                raise ValueError("Only square diagonal operators currently supported.")
            super().__init__(
                dtype=self._diag.dtype,
                graph_parents=[self._diag],
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=True,
                name=name,
            )

    @property
    def diag(self) -> Any:
        """The diagonal."""
        return self._diag

    def _shape(self) -> TensorShape:
        return self._diag.shape.concatenate(self._diag.shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = array.shape(self._diag)
        return array.concat((shape, [shape[-1]]), 0)

    def _assert_non_singular(self) -> Any:
        message = "Singular operator:  Diagonal contained zero values."
        return assert_no_entries_with_modulus_zero(self._diag, message=message)

    def _assert_positive_definite(self) -> Any:
        if self.dtype.is_complex:
            message = "Diagonal operator had diagonal entries with non-positive real part, "
        else:
            message = "Real diagonal operator had non-positive diagonal entries, "
        message += "thus was not positive definite."
        return checks.assert_positive(math.real(self._diag), message=message)

    def _assert_self_adjoint(self) -> Any:
        message = "This diagonal operator contained non-zero imaginary values.   Thus it was not self-adjoint."
        return assert_zero_imag_part(self._diag, message=message)

    def _diagonal(self, adjoint: bool) -> Any:
        return math.conj(self._diag) if adjoint else self._diag

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        diagonal = self._diagonal(adjoint)
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        return array.expand_dims(diagonal, -1) * x

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return self._diagonal(adjoint) * x

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        diagonal = self._diagonal(adjoint)
        rhs = linear_algebra.adjoint(rhs) if adjoint_arg else rhs
        return rhs * array.expand_dims(1.0 / diagonal, -1)

    def _determinant(self) -> Tensor:
        return math.reduce_prod(self._diag, axis=[-1])

    def _log_abs_determinant(self) -> Tensor:
        log_det = math.reduce_sum(math.log(math.abs(self._diag)), axis=[-1])
        return math.cast(log_det, dtype=self.dtype) if self.dtype.is_complex else log_det

    def _to_dense(self) -> Tensor:
        return array.matrix_diag(self._diag)

    def _diag_part(self) -> Any:
        return self.diag

    def _add_to_tensor(self, x: Tensor) -> Tensor:
        old = array.matrix_diag_part(x)
        return array.matrix_set_diag(x, self._diag + old)
