"""Loss scales, as gradients may vanish in 16 bits: `tf.train.experimental.DynamicLossScale` and `FixedLossScale`.

The loss is multiplied by the scale and the gradients are divided by it, see `loss_scale_optimizer.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.tensor import Tensor
from evergraph.ops.cond import cond
from evergraph.ops.grouping import group, no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.reductions import reduce_all
from evergraph.ops.variables import Variable
from evergraph.training.tracking.trackable import Trackable, TrackableReference


@public("train.experimental.LossScale")
class LossScale(Trackable, ABC):
    """What loss scales are: called, one gives the scale; `update` changes it by what the gradients are."""

    def __init__(self) -> None:
        self._weights: dict[tuple[str, Any], Variable] = {}

    @abstractmethod
    def __call__(self) -> Any:
        """The scale, a float32 scalar."""

    @abstractmethod
    def update(self, grads: Any) -> tuple[Any, Any]:
        """Change the scale after a step.

        Args:
            grads: the gradients, divided by the scale.

        Returns:
            The op that changes it, and whether the gradients are to be applied (a bool or a bool scalar).
        """

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A loss scale, given what `get_config` gave."""
        return cls(**config)

    def _add_weight(self, name: str, initial_value: Any, dtype: Any = None) -> Variable:
        """A variable of the scale, saved with it.

        Raises:
            RuntimeError: if there is one of that name in the graph.
        """
        key = name, get_default_graph()
        if key in self._weights:
            raise RuntimeError(f"Duplicate variables detected. {key}")
        made = Variable(initial_value=initial_value, name=name, dtype=dtype, trainable=False, use_resource=True)
        self._weights[key] = made
        return made

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        graph = get_default_graph()
        own = sorted((name, v) for (name, made_in), v in self._weights.items() if made_in is graph)
        return [*super()._checkpoint_dependencies, *(TrackableReference(*pair) for pair in own)]


def loss_scale_weights(loss_scale: LossScale) -> Any:
    """The variables of a loss scale."""
    return loss_scale._weights.values()


@public("train.experimental.FixedLossScale")
class FixedLossScale(LossScale):
    """A number.

    Args:
        loss_scale_value: a Python number, at least 1.

    >>> sess.run(tf.train.experimental.FixedLossScale(8)())
    8.0
    """

    def __init__(self, loss_scale_value: float) -> None:
        super().__init__()
        if not isinstance(loss_scale_value, int | float):
            raise ValueError("loss_scale_value must be a Python int or float.")
        if loss_scale_value < 1:
            raise ValueError(f"loss_scale_value must be at least 1: {loss_scale_value}")
        self._loss_scale_value = float(loss_scale_value)

    def __call__(self) -> Tensor:
        return convert_to_tensor(self._loss_scale_value)

    def update(self, grads: Any) -> tuple[Any, Any]:
        """Change nothing; the gradients are always applied."""
        return no_op(), True

    def __repr__(self) -> str:
        return f"FixedLossScale({self._loss_scale_value})"

    def get_config(self) -> dict[str, Any]:
        return {"loss_scale_value": self._loss_scale_value}


def all_finite(grads: list[Any]) -> Tensor:
    return reduce_all([reduce_all(raw_op("IsFinite")(g)) for g in grads if g is not None])


@public("train.experimental.DynamicLossScale")
class DynamicLossScale(LossScale):
    """A scale that grows while all gradients are finite, and shrinks when one is not.

    Args:
        initial_loss_scale: where it starts.
        increment_period: after so many steps with finite gradients it grows.
        multiplier: what it is multiplied by then, and divided by after a step whose gradients are not finite.
    """

    def __init__(
        self, initial_loss_scale: float = 2**15, increment_period: int = 2000, multiplier: float = 2.0
    ) -> None:
        super().__init__()
        self._initial_loss_scale = float(initial_loss_scale)
        self._increment_period = int(increment_period)
        self._multiplier = float(multiplier)
        self._current_loss_scale: Any = self._add_weight("current_loss_scale", self._initial_loss_scale, dtypes.float32)
        self._num_good_steps: Any = self._add_weight("good_steps", 0, dtypes.int64)

    @property
    def initial_loss_scale(self) -> float:
        return self._initial_loss_scale

    @property
    def increment_period(self) -> int:
        return self._increment_period

    @property
    def multiplier(self) -> float:
        return self._multiplier

    def __call__(self) -> Tensor:
        return convert_to_tensor(self._current_loss_scale)

    def update(self, grads: Any) -> tuple[Any, Any]:
        """The op that grows or shrinks the scale, and whether all gradients are finite."""
        finite = all_finite(nest.flatten(grads))
        return cond(finite, self._after_good_step, self._after_bad_step), finite

    def _after_good_step(self) -> Any:
        return cond(
            self._num_good_steps + 1 >= self._increment_period,
            self._grow,
            lambda: self._num_good_steps.assign_add(1).op,
        )

    def _grow(self) -> Any:
        larger = self._current_loss_scale * self._multiplier
        # One that is infinite would never shrink again.
        grown = cond(raw_op("IsFinite")(larger), lambda: self._current_loss_scale.assign(larger).op, no_op)
        return group(grown, self._num_good_steps.assign(0))

    def _after_bad_step(self) -> Any:
        smaller = raw_op("Maximum")(self._current_loss_scale / self._multiplier, 1)
        return group(self._num_good_steps.assign(0), self._current_loss_scale.assign(smaller))

    def __repr__(self) -> str:
        return (
            f"DynamicLossScale(initial_loss_scale={self.initial_loss_scale}, increment_period={self.increment_period}, "
            f"multiplier={self.multiplier})"
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_loss_scale": self.initial_loss_scale,
            "increment_period": self.increment_period,
            "multiplier": self.multiplier,
        }


def loss_scale_for(identifier: Any) -> LossScale | None:
    """The loss scale that a number, "dynamic" or a `LossScale` stands for; None for None.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(identifier, int | float):
        return FixedLossScale(identifier)
    if isinstance(identifier, str) and identifier == "dynamic":
        return DynamicLossScale()
    if identifier is None or isinstance(identifier, LossScale):
        return identifier
    raise ValueError(f"Could not interpret loss scale identifier: {identifier}")
