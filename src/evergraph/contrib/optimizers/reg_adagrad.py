"""Adagrad that can leave its sums alone: `tf.contrib.opt.RegAdagradOptimizer`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework.api import public
from evergraph.training.adagrad import AdagradOptimizer


@public("contrib.opt.RegAdagradOptimizer")
class RegAdagradOptimizer(AdagradOptimizer):
    """Adagrad for a loss with penalties that are not to slow learning down.

    Args:
        learning_rate: a float, a scalar tensor, or a function that gives one.
        initial_accumulator_value: positive: what the sum starts with.
        use_locking: kept for TF's signature.
        name: the scope of the ops.

        optimizer = tf.contrib.opt.RegAdagradOptimizer(0.1)
        step = optimizer.minimize(loss)
        with optimizer.avoid_updating_slots():
            penalty_step = optimizer.minimize(penalty)
        train = tf.group(step, penalty_step)
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "RegAdagrad",
    ) -> None:
        super().__init__(learning_rate, initial_accumulator_value, use_locking, name)
        self._should_update_slots = True

    @contextmanager
    def avoid_updating_slots(self) -> Iterator[None]:
        """Ops that are made in this context use the sums and leave them as they are."""
        before = self._should_update_slots
        self._should_update_slots = False
        try:
            yield
        finally:
            self._should_update_slots = before

    def _attributes(self) -> dict[str, Any]:
        return {"update_slots": self._should_update_slots}
