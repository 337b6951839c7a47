"""Gradient descent with L1 and L2 penalties applied after each step."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.training.one_op import OneOpOptimizer


@public("train.ProximalGradientDescentOptimizer")
class ProximalGradientDescentOptimizer(OneOpOptimizer):
    """Step against the gradient, then towards zero as far as the penalties say (Duchi and Singer, 2009).

    Args:
        learning_rate: a float or a scalar tensor.
        l1_regularization_strength: a float or a scalar tensor.
        l2_regularization_strength: a float or a scalar tensor.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _prepare(self) -> None:
        self._numbers = [
            self._tensor(self._learning_rate, "learning_rate"),
            self._tensor(self._l1_regularization_strength, "l1_regularization_strength"),
            self._tensor(self._l2_regularization_strength, "l2_regularization_strength"),
        ]

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "ProximalGradientDescent", ()

    def _before_gradient(self, var: Any) -> list[Any]:
        return self._numbers
