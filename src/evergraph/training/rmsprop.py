"""RMSProp: steps divided by the root of the mean of the squared gradients."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.ops.filling import ones_like
from evergraph.ops.initializers import Ones
from evergraph.training.one_op import OneOpOptimizer


@public("train.RMSPropOptimizer")
class RMSPropOptimizer(OneOpOptimizer):
    """RMSProp, as Hinton's lecture describes it, with momentum if wanted.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        decay: how slowly the mean of the squares forgets; the same kinds.
        momentum: the same kinds.
        epsilon: keeps the divisor from zero.
        use_locking: kept for TF's signature.
        centered: whether to divide by the gradient's deviation from its mean, rather than by its size.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._decay = decay
        self._momentum = momentum
        self._epsilon = epsilon
        self._centered = centered

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            shape, kind = v.get_shape(), v.dtype.base_dtype
            start: Any = Ones(dtype=kind) if shape.is_fully_defined() else ones_like(v)
            self._get_or_make_slot_with_initializer(v, start, shape, kind, "rms", self._name)
            if self._centered:
                self._zeros_slot(v, "mg", self._name)
            self._zeros_slot(v, "momentum", self._name)

    def _prepare(self) -> None:
        self._numbers = [
            self._tensor(self._learning_rate, "learning_rate"),
            self._tensor(self._decay, "decay"),
            self._tensor(self._momentum, "momentum"),
            self._tensor(self._epsilon, "epsilon"),
        ]

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        if self._centered:
            return "CenteredRMSProp", ("mg", "rms", "momentum")
        return "RMSProp", ("rms", "momentum")

    def _before_gradient(self, var: Any) -> list[Any]:
        return self._numbers
