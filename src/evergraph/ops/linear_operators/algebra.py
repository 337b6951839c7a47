"""Which operator the adjoint, inverse, Cholesky factor, product or quotient of operators is: a rule per kind, or pair.

    @RegisterMatmul(LinearOperatorDiag, LinearOperatorDiag)
    def product_of_diagonals(a, b): ...

A rule holds for subclasses too; of several that hold, the nearest is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, TypeVar

from evergraph.framework.scopes import name_scope

F = TypeVar("F", bound=Callable[..., Any])

Rules = dict[tuple[type, ...], Callable[..., Any]]

ADJOINTS: Rules = {}
CHOLESKYS: Rules = {}
INVERSES: Rules = {}
MATMULS: Rules = {}
SOLVES: Rules = {}


def _nearest(kinds: tuple[type, ...], rules: Rules) -> Callable[..., Any] | None:
    """The rule of the ancestors that are the fewest steps away, all together; the first, of several equally near."""
    ancestries = [list(enumerate(kind.__mro__)) for kind in kinds]
    near = [
        (sum(steps for steps, _ in ancestors), place, tuple(kind for _, kind in ancestors))
        for place, ancestors in enumerate(product(*ancestries))
        if tuple(kind for _, kind in ancestors) in rules
    ]
    return rules[min(near, key=lambda entry: entry[:2])[2]] if near else None


def registered_adjoint(kind: type) -> Callable[..., Any] | None:
    """The rule for the adjoint of an operator of this kind."""
    return _nearest((kind,), ADJOINTS)


def registered_cholesky(kind: type) -> Callable[..., Any] | None:
    """The rule for the Cholesky factor of an operator of this kind."""
    return _nearest((kind,), CHOLESKYS)


def registered_inverse(kind: type) -> Callable[..., Any] | None:
    """The rule for the inverse of an operator of this kind."""
    return _nearest((kind,), INVERSES)


def registered_matmul(kind_a: type, kind_b: type) -> Callable[..., Any] | None:
    """The rule for the product of operators of these kinds."""
    return _nearest((kind_a, kind_b), MATMULS)


def registered_solve(kind_a: type, kind_b: type) -> Callable[..., Any] | None:
    """The rule for what an operator of kind `kind_a` has to be applied to so that one of `kind_b` comes out."""
    return _nearest((kind_a, kind_b), SOLVES)


def adjoint(a: Any, name: str | None = None) -> Any:
    """The adjoint of an operator, an operator."""
    rule = registered_adjoint(type(a))
    if rule is None:
        raise ValueError(f"No adjoint registered for {type(a)}")
    with name_scope(name, "Adjoint"):
        return rule(a)


def cholesky(a: Any, name: str | None = None) -> Any:
    """The Cholesky factor of an operator, an operator."""
    rule = registered_cholesky(type(a))
    if rule is None:
        raise ValueError(f"No cholesky decomposition registered for {type(a)}")
    with name_scope(name, "Cholesky"):
        return rule(a)


def inverse(a: Any, name: str | None = None) -> Any:
    """The inverse of an operator, an operator."""
    rule = registered_inverse(type(a))
    if rule is None:
        raise ValueError(f"No inverse registered for {type(a)}")
    with name_scope(name, "Inverse"):
        return rule(a)


def matmul(a: Any, b: Any, name: str | None = None) -> Any:
    """The product of two operators, an operator."""
    rule = registered_matmul(type(a), type(b))
    if rule is None:
        raise ValueError(f"No matmul registered for {type(a)}.matmul({type(b)})")
    with name_scope(name, "Matmul"):
        return rule(a, b)


def solve(a: Any, b: Any, name: str | None = None) -> Any:
    """The operator x for which `a x` is `b`."""
    rule = registered_solve(type(a), type(b))
    if rule is None:
        raise ValueError(f"No solve registered for {type(a)}.solve({type(b)})")
    with name_scope(name, "Solve"):
        return rule(a, b)


class _Register:
    """A decorator that makes a function the rule for the kinds of operators it is given."""

    _rules: Rules
    _what: str
    _argument: str

    def __init__(self, *kinds: type) -> None:
        self._key = kinds

    def __call__(self, rule: F) -> F:
        if not callable(rule):
            raise TypeError(f"{self._argument} must be callable, received: {rule}")
        if self._key in self._rules:
            kinds = ", ".join(kind.__name__ for kind in self._key)
            raise ValueError(f"{self._what}({kinds}) has already been registered to: {self._rules[self._key]}")
        self._rules[self._key] = rule
        return rule


class RegisterAdjoint(_Register):
    """Declare the adjoint of a kind of operators."""

    _rules, _what, _argument = ADJOINTS, "Adjoint", "adjoint_fn"


class RegisterCholesky(_Register):
    """Declare the Cholesky factor of a kind of operators."""

    _rules, _what, _argument = CHOLESKYS, "Cholesky", "cholesky_fn"


class RegisterInverse(_Register):
    """Declare the inverse of a kind of operators."""

    _rules, _what, _argument = INVERSES, "Inverse", "inverse_fn"


class RegisterMatmul(_Register):
    """Declare the product of two kinds of operators."""

    _rules, _what, _argument = MATMULS, "Matmul", "matmul_fn"


class RegisterSolve(_Register):
    """Declare what one kind of operators has to be applied to so that another comes out."""

    _rules, _what, _argument = SOLVES, "Solve", "solve_fn"
