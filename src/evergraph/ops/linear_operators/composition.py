"""Operators applied one after another."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.linear_operators.operator_lists import (
    batch_shape_of,
    batch_shape_tensor_of,
    checked_operators,
    hint_of_all,
    parents_of,
)


@public("linalg.LinearOperatorComposition")
class LinearOperatorComposition(LinearOperator):
    """The product of operators: the last one is applied first.

    Args:
        operators: `LinearOperator`s, whose sizes agree.
        is_non_singular: a hint; it follows from that of the operators.
        is_self_adjoint: a hint.
        is_positive_definite: a hint.
        is_square: a hint.
        name: the name scope; those of the operators with "_o_" between them by default.
    """

    def __init__(
        self,
        operators: Any,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operators = checked_operators(operators, "a non-empty list of")
        message = "The composition of non-singular operators is always non-singular."
        is_non_singular = hint_of_all(self._operators, "is_non_singular", is_non_singular, message)
        parents = parents_of(self._operators)
        name = "_o_".join(operator.name for operator in self._operators) if name is None else name
        with name_scope(name, values=parents):
            super().__init__(
                dtype=self._operators[0].dtype,
                graph_parents=parents,
                is_non_singular=is_non_singular,
                is_self_adjoint=is_self_adjoint,
                is_positive_definite=is_positive_definite,
                is_square=is_square,
                name=name,
            )

    @property
    def operators(self) -> list[LinearOperator]:
        """The factors, the one applied last first."""
        return self._operators

    def _shape(self) -> TensorShape:
        inner = self.operators[0].domain_dimension
        for operator in self.operators[1:]:
            inner.assert_is_compatible_with(operator.range_dimension)
            inner = operator.domain_dimension
        matrix = TensorShape([self.operators[0].range_dimension, inner])
        return batch_shape_of(self.operators).concatenate(matrix)

    def _shape_tensor(self) -> Tensor:
        if self.shape.is_fully_defined():
            return convert_to_tensor(self.shape.as_list(), dtype=dtypes.int32, name="shape")
        rows = self.operators[0].range_dimension_tensor()
        matrix = array.stack([rows, self.operators[-1].domain_dimension_tensor()])
        return array.concat((batch_shape_tensor_of(self.operators), matrix), 0)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        first, *others = self.operators if adjoint else self.operators[::-1]
        result = first.matmul(x, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in others:
            result = operator.matmul(result, adjoint=adjoint)
        return result

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        first, *others = self.operators[::-1] if adjoint else self.operators
        solution = first.solve(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
        for operator in others:
            solution = operator.solve(solution, adjoint=adjoint)
        return solution

    def _determinant(self) -> Tensor:
        result = self.operators[0].determinant()
        for operator in self.operators[1:]:
            result *= operator.determinant()
        return result

    def _log_abs_determinant(self) -> Tensor:
        result = self.operators[0].log_abs_determinant()
        for operator in self.operators[1:]:
            result += operator.log_abs_determinant()
        return result
