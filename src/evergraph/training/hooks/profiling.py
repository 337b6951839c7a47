"""`tf.train.ProfilerHook`: where the time of a run goes, every so many steps or seconds."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats.files import write_file
from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.runtime.timeline import Timeline
from evergraph.training.hooks.step_reading import step_tensor
from evergraph.training.hooks.timers import SecondOrStepTimer
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook
from evergraph.training.summary_writer import FileWriterCache


@public("train.ProfilerHook", "estimator.ProfilerHook")
class ProfilerHook(SessionRunHook):
    """Writes `timeline-<step>.json` files for Chrome's `about:tracing`, and run metadata for TensorBoard.

    Args:
        save_steps: from one time to the next, in steps.
        save_secs: the same in seconds.
        output_dir: where to write.
        show_dataflow: whether arrows connect the ops.
        show_memory: whether allocations are drawn.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        self._output_file = os.path.join(output_dir, "timeline-{}.json")
        self._file_writer = FileWriterCache.get(output_dir)
        self._show_dataflow = show_dataflow
        self._show_memory = show_memory
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)

    def begin(self) -> None:
        self._next_step: Any = None
        self._global_step_tensor = step_tensor("ProfilerHook")

    def before_run(self, run_context: Any) -> SessionRunArgs:
        self._request_summary = self._next_step is not None and self._timer.should_trigger_for_step(self._next_step)
        options = None
        if self._request_summary:
            from evergraph.formats import messages

            options = messages.RunOptions(trace_level=messages.RunOptions.FULL_TRACE)
        return SessionRunArgs({"global_step": self._global_step_tensor}, options=options)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        before = run_values.results["global_step"]
        if self._next_step is None:
            self._timer.update_last_triggered_step(before)
        step = before + 1
        if self._request_summary:
            step = run_context.session.run(self._global_step_tensor)
            self._timer.update_last_triggered_step(step)
            self._save(step, self._output_file.format(step), run_values.run_metadata.step_stats)
            self._file_writer.add_run_metadata(run_values.run_metadata, f"step_{step}")
        self._next_step = step + 1

    def _save(self, step: Any, save_path: str, step_stats: Any) -> None:
        log.info("Saving timeline for %d into '%s'.", step, save_path)
        text = Timeline(step_stats).generate_chrome_trace_format(self._show_dataflow, self._show_memory)
        write_file(save_path, text.encode())
