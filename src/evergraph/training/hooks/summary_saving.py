"""`tf.train.SummarySaverHook`: summaries every so many steps or seconds."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.training.hooks.step_reading import step_tensor
from evergraph.training.hooks.timers import SecondOrStepTimer
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook
from evergraph.training.summary_writer import FileWriterCache


@public("train.SummarySaverHook", "estimator.SummarySaverHook")
class SummarySaverHook(SessionRunHook):
    """Writes summaries at the first run and at intervals.

    Args:
        save_steps: from one time to the next, in steps.
        save_secs: the same in seconds.
        output_dir: where to write, if there is no writer.
        summary_writer: what writes.
        scaffold: what has the op of the summaries.
        summary_op: that op, a scalar string tensor, or a list of such.

    Raises:
        ValueError: unless exactly one of `scaffold` and `summary_op`, and one interval, is given.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._summary_op = summary_op
        self._summary_writer = summary_writer
        self._output_dir = output_dir
        self._scaffold = scaffold
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)

    def begin(self) -> None:
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = FileWriterCache.get(self._output_dir)
        self._next_step: Any = None
        self._global_step_tensor = step_tensor("SummarySaverHook")

    def before_run(self, run_context: Any) -> SessionRunArgs:
        self._request_summary = self._next_step is None or self._timer.should_trigger_for_step(self._next_step)
        requests: dict[str, Any] = {"global_step": self._global_step_tensor}
        if self._request_summary:
            summaries = self._get_summary_op()
            if summaries is not None:
                requests["summary"] = summaries
        return SessionRunArgs(requests)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if not self._summary_writer:
            return
        step = run_values.results["global_step"] + 1
        if self._next_step is None or self._request_summary:
            step = run_context.session.run(self._global_step_tensor)
        if self._next_step is None:
            from evergraph.formats import messages

            self._summary_writer.add_session_log(messages.SessionLog(status=messages.SessionLog.START), step)
        if self._request_summary:
            self._timer.update_last_triggered_step(step)
            for summary in run_values.results.get("summary", ()):
                self._summary_writer.add_summary(summary, step)
        self._next_step = step + 1

    def end(self, session: Any = None) -> None:
        if self._summary_writer:
            self._summary_writer.flush()

    def _get_summary_op(self) -> list[Any] | None:
        op = self._scaffold.summary_op if self._summary_op is None else self._summary_op
        if op is None or isinstance(op, list):
            return op
        return [op]
