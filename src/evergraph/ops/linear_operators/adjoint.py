"""The adjoint of an operator that has no better form of its own for it."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, linear_algebra, math
from evergraph.ops.linear_operators.assertions import use_operator_or_provided_hint_unless_contradicting
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorAdjoint")
class LinearOperatorAdjoint(LinearOperator):
    """The adjoint of an operator: its conjugate transpose.

    Args:
        operator: a `LinearOperator`.
        is_non_singular: a hint; as the others, it must not contradict that of `operator`.
        is_self_adjoint: likewise.
        is_positive_definite: likewise.
        is_square: likewise.
        name: the name scope; that of `operator` with "_adjoint" by default.
    """

    def __init__(
        self,
        operator: LinearOperator,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = None,
        name: str | None = None,
    ) -> None:
        self._operator = operator
        combined = {}
        for hint, given, what in (
            ("is_square", is_square, "square"),
            ("is_non_singular", is_non_singular, "non-singular"),
            ("is_self_adjoint", is_self_adjoint, "self-adjoint"),
            ("is_positive_definite", is_positive_definite, "positive-definite"),
        ):
            message = f"An operator is {what} if and only if its adjoint is {what}."
            combined[hint] = use_operator_or_provided_hint_unless_contradicting(operator, hint, given, message)
        name = operator.name + "_adjoint" if name is None else name
        with name_scope(name, values=operator.graph_parents):
            super().__init__(dtype=operator.dtype, graph_parents=operator.graph_parents, name=name, **combined)

    @property
    def operator(self) -> LinearOperator:
        """The operator that this is the adjoint of."""
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self.operator.assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        return self.operator.assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        return self.operator.assert_self_adjoint()

    def _shape(self) -> TensorShape:
        shape = self.operator.shape
        return shape[:-2].concatenate([shape[-1], shape[-2]])

    def _shape_tensor(self) -> Tensor:
        shape = self.operator.shape_tensor()
        return array.concat([shape[:-2], [shape[-1], shape[-2]]], axis=-1)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self.operator.matmul(x, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _matvec(self, x: Tensor, adjoint: bool = False) -> Tensor:
        return self.operator.matvec(x, adjoint=not adjoint)

    def _determinant(self) -> Tensor:
        determinant = self.operator.determinant()
        return determinant if self.is_self_adjoint else math.conj(determinant)

    def _log_abs_determinant(self) -> Tensor:
        return self.operator.log_abs_determinant()

    def _trace(self) -> Tensor:
        trace = self.operator.trace()
        return trace if self.is_self_adjoint else math.conj(trace)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self.operator.solve(rhs, adjoint=not adjoint, adjoint_arg=adjoint_arg)

    def _solvevec(self, rhs: Tensor, adjoint: bool = False) -> Tensor:
        return self.operator.solvevec(rhs, adjoint=not adjoint)

    def _to_dense(self) -> Tensor:
        dense = self.operator.to_dense()
        return dense if self.is_self_adjoint else linear_algebra.adjoint(dense)
