"""Adadelta: steps as large, next to the gradient, as past steps were next to past gradients."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.training.one_op import OneOpOptimizer


@public("train.AdadeltaOptimizer")
class AdadeltaOptimizer(OneOpOptimizer):
    """Adadelta, as Zeiler describes it (arXiv:1212.5701).

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        rho: how slowly the means forget; the same kinds.
        epsilon: keeps the divisor from zero, and the first step from being zero.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(use_locking, name)
        self._lr = learning_rate
        self._rho = rho
        self._epsilon = epsilon

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            self._zeros_slot(v, "accum", self._name)
            self._zeros_slot(v, "accum_update", self._name)

    def _prepare(self) -> None:
        self._numbers = [
            self._tensor(self._lr, "lr"),
            self._tensor(self._rho, "rho"),
            self._tensor(self._epsilon, "epsilon"),
        ]

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "Adadelta", ("accum", "accum_update")

    def _before_gradient(self, var: Any) -> list[Any]:
        return self._numbers
