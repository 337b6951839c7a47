"""Hooks that end a loop: at a step, or where the loss is no number any more."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.training.global_step import get_global_step
from evergraph.training.hooks.step_reading import get_or_create_steps_per_run_variable, step_tensor
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook


def _check_limits(num_steps: int | None, last_step: int | None) -> None:
    if num_steps is None and last_step is None:
        raise ValueError("One of num_steps or last_step must be specified.")
    if num_steps is not None and last_step is not None:
        raise ValueError("Only one of num_steps or last_step can be specified.")


@public("train.StopAtStepHook", "estimator.StopAtStepHook")
class StopAtStepHook(SessionRunHook):
    """Ends the loop at a step.

    Args:
        num_steps: how many steps after the first session is made.
        last_step: the global step to end at.

    Raises:
        ValueError: unless exactly one is given.

    >>> step = tf.train.get_or_create_global_step()
    >>> count = tf.assign_add(step, 1)
    >>> with tf.train.MonitoredSession(hooks=[tf.train.StopAtStepHook(last_step=3)]) as monitored:
    ...     while not monitored.should_stop():
    ...         last = monitored.run(count)
    >>> last
    3
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        _check_limits(num_steps, last_step)
        self._num_steps = num_steps
        self._last_step: Any = last_step

    def begin(self) -> None:
        self._global_step_tensor = step_tensor("StopAtStepHook")

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._last_step is None:
            self._last_step = session.run(self._global_step_tensor) + self._num_steps

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        # The step fetched is the one before the run. Where the run may have reached the end, the real one counts.
        if run_values.results + 1 >= self._last_step:
            if run_context.session.run(self._global_step_tensor) >= self._last_step:
                run_context.request_stop()


class MultiStepStopAtStepHook(SessionRunHook):
    """Ends the loop at a step where a run takes several, and shortens the last run.

    Args:
        num_steps: how many steps after the first session is made.
        last_step: the global step to end at.
        steps_per_run: how many steps a run takes at most.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None, steps_per_run: int = 1) -> None:
        _check_limits(num_steps, last_step)
        if steps_per_run is None or steps_per_run < 1:
            raise ValueError("steps_per_run should be greater than 0")
        self._num_steps = num_steps
        self._last_step: Any = last_step
        self._steps_per_run_initial_value = steps_per_run

    def begin(self) -> None:
        self._global_step_tensor = get_global_step()
        if self._global_step_tensor is None:
            raise RuntimeError("Global step should be created to use StopAtStepHook.")
        self._steps_per_run_variable = get_or_create_steps_per_run_variable()

    def _limit_next_run(self, step: Any, session: Any) -> None:
        steps = min(self._last_step - step, self._steps_per_run_initial_value)
        self._steps_per_run_variable.load(steps, session=session)

    def after_create_session(self, session: Any, coord: Any) -> None:
        step = session.run(self._global_step_tensor)
        if self._last_step is None:
            self._last_step = step + self._num_steps
        self._limit_next_run(step, session)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        step = run_context.session.run(self._global_step_tensor)
        if step >= self._last_step:
            run_context.request_stop()
        else:
            self._limit_next_run(step, run_context.session)


@public("train.NanLossDuringTrainingError", "estimator.NanLossDuringTrainingError")
class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number."""

    def __str__(self) -> str:
        return "NaN loss during training."


@public("train.NanTensorHook", "estimator.NanTensorHook")
class NanTensorHook(SessionRunHook):
    """Ends the loop when a loss is no number.

    Args:
        loss_tensor: the loss, a scalar.
        fail_on_nan_loss: whether that is an error (`NanLossDuringTrainingError`) rather than a warning.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss_tensor = loss_tensor
        self._fail_on_nan_loss = fail_on_nan_loss

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(self._loss_tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if not np.isnan(run_values.results):
            return
        message = "Model diverged with loss = NaN."
        if self._fail_on_nan_loss:
            log.error(message)
            raise NanLossDuringTrainingError
        log.warn(message)
        run_context.request_stop()
