"""Sums of operators, of the most special kind that holds them.

What can be added to a multiple of the identity is added first, then what gives a diagonal, a triangle, a full matrix:
the tiers. Two operators that no tier adds stay two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.checks import assert_proper_iterable
from evergraph.ops.linear_operators.diag import LinearOperatorDiag
from evergraph.ops.linear_operators.full_matrix import LinearOperatorFullMatrix
from evergraph.ops.linear_operators.identity import LinearOperatorIdentity, LinearOperatorScaledIdentity
from evergraph.ops.linear_operators.linear_operator import LinearOperator
from evergraph.ops.linear_operators.lower_triangular import LinearOperatorLowerTriangular
from evergraph.ops.linear_operators.operator_lists import batch_shape_of, parents_of


@dataclass(frozen=True)
class Hints:
    """What is known of a sum."""

    is_non_singular: bool | None = None
    is_positive_definite: bool | None = None
    is_self_adjoint: bool | None = None


def inferred_hints(a: LinearOperator, b: LinearOperator, hints: Hints | None) -> Hints:
    """The hints given and, for those that are not, what follows from the summands'."""
    given = hints or Hints()
    is_self_adjoint = given.is_self_adjoint
    if is_self_adjoint is None:
        is_self_adjoint = a.is_self_adjoint and b.is_self_adjoint
    is_positive_definite = given.is_positive_definite
    if is_positive_definite is None:
        is_positive_definite = a.is_positive_definite and b.is_positive_definite
    is_non_singular = given.is_non_singular
    if is_positive_definite and given.is_positive_definite is None:
        is_non_singular = True
    return Hints(is_non_singular, is_positive_definite, is_self_adjoint)


_IDENTITIES = (LinearOperatorIdentity, LinearOperatorScaledIdentity)
_DIAGONALS = (*_IDENTITIES, LinearOperatorDiag)
_TRIANGLES = (*_DIAGONALS, LinearOperatorLowerTriangular)


class Adder:
    """How two operators of some kinds are added: a subclass says which kinds, and what their sum is."""

    kinds: tuple[type, ...] = ()

    @property
    def name(self) -> str:
        """The name of the scope that holds the ops of the sum."""
        return type(self).__name__.lstrip("_")

    def can_add(self, op1: LinearOperator, op2: LinearOperator) -> bool:
        """Whether both operators are of the kinds that this adds."""
        return isinstance(op1, self.kinds) and isinstance(op2, self.kinds)

    def add(self, op1: Any, op2: Any, operator_name: str | None, hints: Hints | None = None) -> LinearOperator:
        """The sum of two operators, an operator."""
        known = inferred_hints(op1, op2, hints)
        if operator_name is None:
            operator_name = f"Add/{op1.name}__{op2.name}/"
        with name_scope(self.name, values=op1.graph_parents + op2.graph_parents):
            return self._add(op1, op2, operator_name, known)

    def _add(self, op1: Any, op2: Any, operator_name: str, hints: Hints) -> LinearOperator:
        return self.sum_of(op1, op2, {**asdict(hints), "name": operator_name})

    def sum_of(self, a: Any, b: Any, options: dict[str, Any]) -> LinearOperator:
        """The sum of two operators, made with the given name and hints."""
        raise NotImplementedError("An Adder says what the sum is")


def _multiplier(operator: Any) -> Tensor:
    if isinstance(operator, LinearOperatorScaledIdentity):
        return operator.multiplier
    return array.ones(operator.batch_shape_tensor(), dtype=operator.dtype)


def _dense_sum(a: Any, b: Any) -> Tensor:
    special, other = (a, b) if isinstance(a, _DIAGONALS) else (b, a)
    return special.add_to_tensor(other.to_dense())


class AddAndReturnScaledIdentity(Adder):
    """The sum of identities, a scaled identity."""

    kinds = _IDENTITIES

    def sum_of(self, a: Any, b: Any, options: dict[str, Any]) -> LinearOperator:
        of_a, of_b = _multiplier(a), _multiplier(b)
        rows = a.range_dimension_tensor()
        return LinearOperatorScaledIdentity(num_rows=rows, multiplier=of_a + of_b, **options)


class AddAndReturnDiag(Adder):
    """The sum of diagonal operators, a diagonal one."""

    kinds = _DIAGONALS

    def sum_of(self, a: Any, b: Any, options: dict[str, Any]) -> LinearOperator:
        return LinearOperatorDiag(diag=a.diag_part() + b.diag_part(), **options)


class AddAndReturnTriL(Adder):
    """The sum of diagonal and lower triangular operators, a lower triangular one."""

    kinds = _TRIANGLES

    def sum_of(self, a: Any, b: Any, options: dict[str, Any]) -> LinearOperator:
        return LinearOperatorLowerTriangular(tril=_dense_sum(a, b), **options)


class AddAndReturnMatrix(Adder):
    """The sum of any operators, a dense one."""

    kinds = (LinearOperator,)

    def sum_of(self, a: Any, b: Any, options: dict[str, Any]) -> LinearOperator:
        return LinearOperatorFullMatrix(matrix=_dense_sum(a, b), **options)


DEFAULT_TIERS: tuple[tuple[Adder, ...], ...] = (
    (AddAndReturnScaledIdentity(),),
    (AddAndReturnDiag(),),
    (AddAndReturnTriL(),),
    (AddAndReturnMatrix(),),
)


def add_operators(
    operators: Any,
    operator_name: str | None = None,
    addition_tiers: Sequence[Sequence[Any]] | None = None,
    name: str | None = None,
) -> list[LinearOperator]:
    """Add as many operators as can be.

    Args:
        operators: `LinearOperator`s.
        operator_name: the name of each sum.
        addition_tiers: lists of `Adder`s, one tier after another.
        name: the name scope.

    Raises:
        ValueError: if there is none, or shapes do not agree.
        TypeError: if one is no `LinearOperator`.
    """
    assert_proper_iterable(operators)
    operators = list(operators)[::-1]
    if not operators:
        raise ValueError(f"Argument 'operators' must contain at least one operator.  Found: {operators}")
    if not all(isinstance(operator, LinearOperator) for operator in operators):
        raise TypeError(f"Argument 'operators' must contain only LinearOperator instances.  Found: {operators}")
    _check_sizes(operators)
    with name_scope(name or "add_operators", values=parents_of(operators)):
        waiting = operators
        for tier in DEFAULT_TIERS if addition_tiers is None else addition_tiers:
            at_this_tier, waiting = waiting, []
            while at_this_tier:
                first = at_this_tier.pop()
                second, adder = _pop_match(first, at_this_tier, tier)
                if adder is None:
                    waiting.append(first)
                else:
                    at_this_tier.append(adder.add(first, second, operator_name))
        return waiting


def _check_sizes(operators: list[LinearOperator]) -> None:
    for what in ("domain", "range"):
        sizes = [(operator.name, getattr(operator, f"{what}_dimension").value) for operator in operators]
        known = [(name, size) for name, size in sizes if size is not None]
        if len({size for _, size in known}) > 1:
            raise ValueError(f"Operators must have the same {what} dimension. Found: {known}")
    batch_shape_of(operators)


def _pop_match(first: LinearOperator, others: list[LinearOperator], tier: Sequence[Any]) -> tuple[Any, Any]:
    for i in range(len(others) - 1, -1, -1):
        for adder in tier:
            if adder.can_add(first, others[i]):
                return others.pop(i), adder
    return None, None
