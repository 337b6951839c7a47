"""Hooks around the runs: values to feed, a step to wait for, and something to run at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from evergraph.framework import errors, log
from evergraph.framework.api import public
from evergraph.training.hooks.step_reading import step_tensor
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook


@public("train.FeedFnHook", "estimator.FeedFnHook")
class FeedFnHook(SessionRunHook):
    """Feeds what a function gives.

    Args:
        feed_fn: called before each run; gives a dict of what to feed.
    """

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(fetches=None, feed_dict=self.feed_fn())


@public("train.GlobalStepWaiterHook", "estimator.GlobalStepWaiterHook")
class GlobalStepWaiterHook(SessionRunHook):
    """Lets the first run wait until others have brought the global step to a number.

    Args:
        wait_until_step: that number.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._wait_until_step = wait_until_step

    def begin(self) -> None:
        self._worker_is_started = False
        self._global_step_tensor = step_tensor("_GlobalStepWaiterHook")

    def before_run(self, run_context: Any) -> None:
        if not self._worker_is_started and self._wait_until_step > 0:
            log.info("Waiting for global step %d before starting training.", self._wait_until_step)
            logged = 0
            while (step := run_context.session.run(self._global_step_tensor)) < self._wait_until_step:
                if step - logged > 1000:
                    log.info(
                        "Waiting for global step %d before starting training. Current step is %d.",
                        self._wait_until_step,
                        step,
                    )
                    logged = step
                time.sleep(0.5)
        self._worker_is_started = True


@public("train.FinalOpsHook", "estimator.FinalOpsHook")
class FinalOpsHook(SessionRunHook):
    """Runs something at the end, and keeps its values.

    Args:
        final_ops: what to run, as for `Session.run`.
        final_ops_feed_dict: what to feed then.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._final_ops = final_ops
        self._final_ops_feed_dict = final_ops_feed_dict
        self._final_ops_values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values, once the loop has ended."""
        return self._final_ops_values

    def end(self, session: Any) -> None:
        if self._final_ops is None:
            return
        try:
            self._final_ops_values = session.run(self._final_ops, feed_dict=self._final_ops_feed_dict)
        except (errors.OutOfRangeError, StopIteration):
            log.warn(
                "An OutOfRangeError or StopIteration exception is raised by the code in FinalOpsHook. What it runs "
                "reads on from an input whose data has come to an end; it should depend on variables only (for a "
                "metric: run its value, not its update)."
            )
            raise
