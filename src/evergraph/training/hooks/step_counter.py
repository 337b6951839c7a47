"""`tf.train.StepCounterHook`: steps a second."""

from __future__ import annotations

from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.training.global_step import get_global_step
from evergraph.training.hooks.step_reading import step_tensor
from evergraph.training.hooks.timers import SecondOrStepTimer
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook
from evergraph.training.summary_writer import FileWriterCache


@public("train.StepCounterHook", "estimator.StepCounterHook")
class StepCounterHook(SessionRunHook):
    """Logs how many steps a second the loop does, and writes it as the summary `global_step/sec`.

    Args:
        every_n_steps: from one time to the next, in steps.
        every_n_secs: the same in seconds.
        output_dir: where to write the summary, if there is no writer.
        summary_writer: what writes it.

    Raises:
        ValueError: unless exactly one interval is given.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
    ) -> None:
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError("exactly one of every_n_steps and every_n_secs should be provided.")
        self._timer = SecondOrStepTimer(every_steps=every_n_steps, every_secs=every_n_secs)
        self._summary_writer = summary_writer
        self._output_dir = output_dir
        self._last_global_step: Any = None
        self._steps_per_run = 1

    def _set_steps_per_run(self, steps_per_run: int) -> None:
        self._steps_per_run = steps_per_run

    def begin(self) -> None:
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = FileWriterCache.get(self._output_dir)
        self._global_step_tensor = step_tensor("StepCounterHook")
        self._summary_tag = f"{get_global_step().op.name}/sec"

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(self._global_step_tensor)

    def _log_and_record(self, elapsed_steps: Any, elapsed_time: Any, global_step: Any) -> None:
        rate = elapsed_steps / elapsed_time
        if self._summary_writer is not None:
            from evergraph.formats import messages

            summary = messages.Summary()
            summary.value.add(tag=self._summary_tag, simple_value=rate)
            self._summary_writer.add_summary(summary, global_step)
        log.info("%s: %g", self._summary_tag, rate)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        before = run_values.results
        if self._timer.should_trigger_for_step(before + self._steps_per_run):
            step = run_context.session.run(self._global_step_tensor)
            if self._timer.should_trigger_for_step(step):
                seconds, steps = self._timer.update_last_triggered_step(step)
                if seconds is not None:
                    self._log_and_record(steps, seconds, step)
        if before == self._last_global_step:
            log.log_first_n(
                log.WARN,
                "It seems that global step (tf.train.get_global_step) has not been increased. Current value (could be "
                "stable): %s vs previous value: %s. Does the training op get it: "
                "optimizer.minimize(loss, global_step=tf.train.get_global_step())?",
                5,
                before,
                self._last_global_step,
            )
        self._last_global_step = before
