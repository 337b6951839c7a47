"""Adagrad and its relatives: steps divided by the root of the sum of all squared gradients."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with, device
from evergraph.ops.cast import cast
from evergraph.ops.constant import constant
from evergraph.ops.initializers import Constant
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape as shape_of
from evergraph.training.one_op import OneOpOptimizer


@public("train.AdagradOptimizer")
class AdagradOptimizer(OneOpOptimizer):
    """Adagrad, as Duchi, Hazan and Singer describe it.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        initial_accumulator_value: positive: what the sum starts with.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            kind = v.dtype.base_dtype
            start: Any = Constant(self._initial_accumulator_value, dtype=kind)
            if not v.get_shape().is_fully_defined():
                start = self._start_like(v, kind)
            self._get_or_make_slot_with_initializer(v, start, v.get_shape(), kind, "accumulator", self._name)

    def _start_like(self, v: Any, kind: Any) -> Any:
        return lambda: cast(raw_op("Fill")(shape_of(v), self._initial_accumulator_value), kind)

    def _prepare(self) -> None:
        self._learning_rate_tensor = self._tensor(self._learning_rate, "learning_rate")

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "Adagrad", ("accumulator",)

    def _before_gradient(self, var: Any) -> list[Any]:
        return [self._learning_rate_tensor]


@public("train.AdagradDAOptimizer")
class AdagradDAOptimizer(OneOpOptimizer):
    """Adagrad by dual averaging: weights that no gradient holds up stay exactly zero.

    Args:
        learning_rate: a float or a scalar tensor.
        global_step: an int64 scalar: the number of the step.
        initial_gradient_squared_accumulator_value: positive: what the sum of squares starts with.
        l1_regularization_strength: a float.
        l2_regularization_strength: a float.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        start = initial_gradient_squared_accumulator_value
        if start <= 0.0:
            raise ValueError(f"initial_gradient_squared_accumulator_value must be positive: {start}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._global_step = global_step
        self._start = start
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            shape, kind = v.get_shape(), v.dtype.base_dtype
            with colocate_with(v):
                total = constant(0.0, shape=shape, dtype=kind)
                squares = constant(self._start, shape=shape, dtype=kind)
            self._get_or_make_slot(v, total, "gradient_accumulator", self._name)
            self._get_or_make_slot(v, squares, "gradient_squared_accumulator", self._name)

    def _prepare(self) -> None:
        self._learning_rate_tensor = self._tensor(self._learning_rate, "learning_rate")
        with colocate_with(self._learning_rate_tensor):
            self._step = raw_op("Identity")(self._global_step) + 1

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "AdagradDA", ("gradient_accumulator", "gradient_squared_accumulator")

    def _apply(self, prefix: str, var: Any, gradient: tuple[Any, ...]) -> Any:
        with device(var.device):
            self._step_here = raw_op("Identity")(self._step)
        return super()._apply(prefix, var, gradient)

    def _after_gradient(self, var: Any) -> list[Any]:
        return [self._learning_rate_tensor, self._l1_regularization_strength, self._l2_regularization_strength]

    def _last(self) -> tuple[Any, ...]:
        return (self._step_here,)


@public("train.ProximalAdagradOptimizer")
class ProximalAdagradOptimizer(OneOpOptimizer):
    """Adagrad with L1 and L2 penalties applied after each step.

    Args:
        learning_rate: a float or a scalar tensor.
        initial_accumulator_value: positive: what the sum starts with.
        l1_regularization_strength: a float or a scalar tensor.
        l2_regularization_strength: a float or a scalar tensor.
        use_locking: kept for TF's signature.
        name: the scope of the ops.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        if initial_accumulator_value <= 0.0:
            raise ValueError(f"initial_accumulator_value must be positive: {initial_accumulator_value}")
        super().__init__(use_locking, name)
        self._learning_rate = learning_rate
        self._initial_accumulator_value = initial_accumulator_value
        self._l1_regularization_strength = l1_regularization_strength
        self._l2_regularization_strength = l2_regularization_strength

    def _create_slots(self, var_list: Any) -> None:
        for v in var_list:
            with colocate_with(v):
                start = constant(self._initial_accumulator_value, shape=v.get_shape(), dtype=v.dtype.base_dtype)
            self._get_or_make_slot(v, start, "accumulator", self._name)

    def _prepare(self) -> None:
        self._numbers = [
            self._tensor(self._learning_rate, "learning_rate"),
            self._tensor(self._l1_regularization_strength, "l1_regularization_strength"),
            self._tensor(self._l2_regularization_strength, "l2_regularization_strength"),
        ]

    def _rule(self) -> tuple[str, tuple[str, ...]]:
        return "ProximalAdagrad", ("accumulator",)

    def _before_gradient(self, var: Any) -> list[Any]:
        return self._numbers
