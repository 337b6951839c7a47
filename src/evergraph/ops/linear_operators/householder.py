"""Reflections."""

from __future__ import annotations

from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.grouping import no_op
from evergraph.ops.linear_operators.assertions import convert_nonref_to_tensor
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorHouseholder")
class LinearOperatorHouseholder(LinearOperator):
    """A reflection, or a batch of them: `I - 2 v vᴴ` for `v` of length 1.

    Args:
        reflection_axis: the direction of `v`, shape `batch + [n]`.
        is_non_singular: a hint.
        is_self_adjoint: must not be False.
        is_positive_definite: must not be True.
        is_square: must not be False.
        name: the name scope.
    """

    def __init__(
        self,
        reflection_axis: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str = "LinearOperatorHouseholder",
    ) -> None:
        with name_scope(name, values=[reflection_axis]):
            self._reflection_axis = convert_nonref_to_tensor(reflection_axis, name="reflection_axis")
            if self._reflection_axis.shape.ndims == 0:
                raise ValueError(
                    f"Argument reflection_axis must have at least 1 dimension.  Found: {self._reflection_axis}"
                )
            if is_self_adjoint is False:
                raise ValueError("A Householder operator is always self adjoint.")
            if is_positive_definite is True:
                raise ValueError("A Householder operator is always non-positive definite.")
            if is_square is False:
                raise ValueError("A Householder operator is always square.")
            super().__init__(
                dtype=self._reflection_axis.dtype,
                graph_parents=[self._reflection_axis],
                is_non_singular=is_non_singular,
                is_self_adjoint=True,
                is_positive_definite=False,
                is_square=True,
                name=name,
            )

    @property
    def reflection_axis(self) -> Any:
        """The direction that is turned around."""
        return self._reflection_axis

    def _shape(self) -> TensorShape:
        shape = self._reflection_axis.shape
        return shape.concatenate(shape[-1:])

    def _shape_tensor(self) -> Tensor:
        shape = array.shape(self._reflection_axis)
        return array.concat((shape, [shape[-1]]), 0)

    def _assert_non_singular(self) -> Any:
        return no_op("assert_non_singular")

    def _assert_positive_definite(self) -> Any:
        raise errors.InvalidArgumentError(None, None, "Householder operators are always non-positive definite.")

    def _assert_self_adjoint(self) -> Any:
        return no_op("assert_self_adjoint")

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        axis = convert_to_tensor(self.reflection_axis)
        x = linear_algebra.adjoint(x) if adjoint_arg else x
        v = _of_length_one(axis)[..., None]
        along = math.matmul(v, x, adjoint_a=True)
        return x - 2 * v * along

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._matmul(rhs, adjoint, adjoint_arg)

    def _trace(self) -> Tensor:
        trace = math.cast(self.domain_dimension_tensor() - 2, self.dtype)
        return trace * array.ones(self.batch_shape_tensor(), dtype=self.dtype)

    def _determinant(self) -> Tensor:
        return -array.ones(self.batch_shape_tensor(), dtype=self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return array.zeros(self.batch_shape_tensor(), dtype=self.dtype)

    def _to_dense(self) -> Tensor:
        v = _of_length_one(self.reflection_axis)[..., None]
        matrix = -2 * math.matmul(v, v, adjoint_b=True)
        return array.matrix_set_diag(matrix, 1.0 + array.matrix_diag_part(matrix))

    def _diag_part(self) -> Tensor:
        v = _of_length_one(self.reflection_axis)
        return 1.0 - 2 * v * math.conj(v)


def _of_length_one(axis: Any) -> Tensor:
    return axis / linear_algebra.norm(axis, axis=-1, keepdims=True)
