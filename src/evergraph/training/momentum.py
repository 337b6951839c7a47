"""Gradient descent with momentum: steps along a decaying sum of the gradients so far."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.training.one_op import OneOpOptimizer


@public("train.MomentumOptimizer")
class MomentumOptimizer(OneOpOptimizer):
    """Step along `sum = momentum * sum + gradient`.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        momentum: the same.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
        use_nesterov: whether the step looks one gradient ahead.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._use_nesterov = use_nesterov

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            self._zeros_slot(v, "momentum", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = self._tensor(self._learning_rate, "learning_rate")
        self._momentum_tensor = self._tensor(self._momentum, "momentum")

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "Momentum", ("momentum",)

    def _before_gradient(self, var: Any) -> list[Any]:
        return [self._learning_rate_tensor]

    def _after_gradient(self, var: Any) -> list[Any]:
        return [self._momentum_tensor]

    def _attributes(self) -> dict[str, Any]:
        return {"use_nesterov": self._use_nesterov}
