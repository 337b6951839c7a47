"""FTRL-Proximal: for linear models with many weights, most of which are to be exactly zero."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with
from evergraph.ops.constant import constant
from evergraph.training.one_op import OneOpOptimizer


@public("train.FtrlOptimizer")
class FtrlOptimizer(OneOpOptimizer):
    """Follow the regularized leader, as McMahan et al. describe it ("Ad Click Prediction", 2013).

    Args:
        learning_rate: a float or a scalar tensor.
        learning_rate_power: at most 0; 0 keeps the rate fixed.
        initial_accumulator_value: at least 0: what the sum of squared gradients starts with.
        l1_regularization_strength: at least 0.
        l2_regularization_strength: at least 0; holds weights near zero.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
        accum_name: the last part of the name of the sum's slot; `name` by default.
        linear_name: the same for the other slot.
        l2_shrinkage_regularization_strength: at least 0; shrinks weights only where there is a gradient.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: Any = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ) -> None:
        super().__init__(use_locking, name)
        if learning_rate_power > 0.0:
            raise ValueError(f"learning_rate_power {learning_rate_power} needs to be negative or zero")
        for what, value in (
            ("initial_accumulator_value", initial_accumulator_value),
            ("l1_regularization_strength", l1_regularization_strength),
            ("l2_regularization_strength", l2_regularization_strength),
            ("l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength),
        ):
            if value < 0.0:
                raise ValueError(f"{what} {value} needs to be positive or zero")
        self._learning_rate = learning_rate
        self._learning_rate_power = learning_rate_power
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength
        self._l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self._accum_name = accum_name
        self._linear_name = linear_name

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            with colocate_with(v):
                start = constant(self._initial_accumulator_value, dtype=v.dtype, shape=v.get_shape())
                self._get_or_make_slot(v, start, "accum", self._accum_name or self._name)
                self._zeros_slot(v, "linear", self._linear_name or self._name)

    def _prepare(self) -> None:
        shrinkage = "l2_shrinkage_regularization_strength"
        numbers = [
            self._tensor(self._learning_rate, "learning_rate"),
            self._tensor(self._l1_regularization_strength, "l1_regularization_strength"),
            self._tensor(self._l2_regularization_strength, "l2_regularization_strength"),
            self._tensor(self._l2_shrinkage_regularization_strength, shrinkage),
            self._tensor(self._learning_rate_power, "learning_rate_power"),
        ]
        if self._l2_shrinkage_regularization_strength <= 0.0:
            del numbers[3]
        self._numbers = numbers

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return ("FtrlV2" if self._l2_shrinkage_regularization_strength > 0.0 else "Ftrl"), ("accum", "linear")

    def _after_gradient(self, var: Any) -> list[Any]:
        return self._numbers
