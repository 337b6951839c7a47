"""The inverse of an operator that has no better form of its own for it."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.linear_operators.assertions import use_operator_or_provided_hint_unless_contradicting
from evergraph.ops.linear_operators.linear_operator import LinearOperator


@public("linalg.LinearOperatorInversion")
class LinearOperatorInversion(LinearOperator):
    """The inverse of an operator: applying it solves for that operator.

    Args:
        operator: a `LinearOperator`.
        is_non_singular: a hint; as the others, it must not contradict that of `operator`.
        is_self_adjoint: likewise.
        is_positive_definite: likewise.
        is_square: likewise.
        name: the name scope; that of `operator` with "_inv" by default.

    Raises:
        ValueError: if `operator` is known not to be square, or to be singular.
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
        given_hints = (
            ("is_non_singular", is_non_singular, "non-singular"),
            ("is_square", is_square, "square"),
            ("is_self_adjoint", is_self_adjoint, "self-adjoint"),
            ("is_positive_definite", is_positive_definite, "positive-definite"),
        )
        for hint, given, _ in given_hints[:2]:
            own = getattr(operator, hint)
            if own is False or given is False:
                raise ValueError(
                    f"operator and supplied hints must have `{hint}` equal to `True` or `None`.  Found {own}, {given}"
                )
        combined = {}
        for hint, given, what in given_hints:
            message = f"An operator is {what} if and only if its inverse is {what}."
            combined[hint] = use_operator_or_provided_hint_unless_contradicting(operator, hint, given, message)
        name = operator.name + "_inv" if name is None else name
        with name_scope(name, values=operator.graph_parents):
            super().__init__(dtype=operator.dtype, graph_parents=operator.graph_parents, name=name, **combined)

    @property
    def operator(self) -> LinearOperator:
        """The operator that this is the inverse of."""
        return self._operator

    def _assert_non_singular(self) -> Any:
        return self.operator.assert_non_singular()

    def _assert_positive_definite(self) -> Any:
        return self.operator.assert_positive_definite()

    def _assert_self_adjoint(self) -> Any:
        return self.operator.assert_self_adjoint()

    def _shape(self) -> TensorShape:
        return self.operator.shape

    def _shape_tensor(self) -> Tensor:
        return self.operator.shape_tensor()

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self.operator.solve(x, adjoint=adjoint, adjoint_arg=adjoint_arg)

    def _determinant(self) -> Tensor:
        return 1.0 / self.operator.determinant()

    def _log_abs_determinant(self) -> Tensor:
        return -1.0 * self.operator.log_abs_determinant()

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self.operator.matmul(rhs, adjoint=adjoint, adjoint_arg=adjoint_arg)
