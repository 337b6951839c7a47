"""When a hook is due: every so many steps, or every so many seconds."""

from __future__ import annotations

import time
from typing import Any

from evergraph.framework.api import public


class HookTimer:
    """What a hook asks whether it is due at a step."""

    def reset(self) -> None:
        """Forget everything."""

    def should_trigger_for_step(self, step: Any) -> bool:
        raise NotImplementedError

    def update_last_triggered_step(self, step: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def last_triggered_step(self) -> Any:
        raise NotImplementedError


@public("train.SecondOrStepTimer", "estimator.SecondOrStepTimer")
class SecondOrStepTimer(HookTimer):
    """Due at first, then every `every_secs` seconds or `every_steps` steps, and at most once a step.

    >>> timer = tf.train.SecondOrStepTimer(every_steps=2)
    >>> timer.update_last_triggered_step(1)
    (None, None)
    >>> timer.should_trigger_for_step(2), timer.should_trigger_for_step(3)
    (False, True)

    Raises:
        ValueError: unless exactly one of the two is given.
    """

    def __init__(self, every_secs: Any = None, every_steps: Any = None) -> None:
        self.reset()
        self._every_secs = every_secs
        self._every_steps = every_steps
        if every_secs is None and every_steps is None:
            raise ValueError("Either every_secs or every_steps should be provided.")
        if every_secs is not None and every_steps is not None:
            raise ValueError("Can not provide both every_secs and every_steps.")

    def reset(self) -> None:
        self._last_triggered_step: Any = None
        self._last_triggered_time: Any = None

    def should_trigger_for_step(self, step: Any) -> bool:
        """Whether it is due at `step`."""
        last = self._last_triggered_step
        if last is None:
            return True
        if last == step:
            return False
        if self._every_secs is not None:
            return bool(time.time() >= self._last_triggered_time + self._every_secs)
        return bool(step >= last + self._every_steps)

    def update_last_triggered_step(self, step: Any) -> tuple[Any, Any]:
        """Note that `step` was a time; gives the seconds and the steps since the one before, or two Nones."""
        now = time.time()
        passed: tuple[Any, Any] = (None, None)
        if self._last_triggered_time is not None:
            passed = now - self._last_triggered_time, step - self._last_triggered_step
        self._last_triggered_time, self._last_triggered_step = now, step
        return passed

    def last_triggered_step(self) -> Any:
        """The step last noted, or None."""
        return self._last_triggered_step


class NeverTriggerTimer(HookTimer):
    """Never due."""

    def should_trigger_for_step(self, step: Any) -> bool:
        return False

    def update_last_triggered_step(self, step: Any) -> tuple[Any, Any]:
        return None, None

    def last_triggered_step(self) -> Any:
        return None
