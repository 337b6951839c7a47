"""The threads that a `Supervisor` runs beside the training loop."""

from __future__ import annotations

import time
from typing import Any

from evergraph.framework import log
from evergraph.training.coordinator import LooperThread
from evergraph.training.global_step import global_step


class SummaryThread(LooperThread):
    """Writes summaries every `save_summaries_secs` seconds."""

    def __init__(self, sv: Any, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv = sv
        self._sess = sess

    def run_loop(self) -> None:
        if self._sv.global_step is None:
            summaries, step = self._sess.run(self._sv.summary_op), None
        else:
            summaries, step = self._sess.run([self._sv.summary_op, self._sv.global_step])
        if self._sv.summary_writer:
            log.info("Recording summary at step %s.", step)
            self._sv.summary_writer.add_summary(summaries, step)


class StepCounterThread(LooperThread):
    """Writes how many steps a second were done, as the summary `global_step/sec`."""

    def __init__(self, sv: Any, sess: Any, step_counter: Any = None) -> None:
        super().__init__(sv.coord, sv.save_summaries_secs)
        self._sv = sv
        self._sess = sess
        self._step_counter = sv.global_step if step_counter is None else step_counter
        self._summary_tag = f"{self._step_counter.op.name}/sec"
        self._last_time = 0.0
        self._last_step = 0

    def start_loop(self) -> None:
        self._last_time = time.time()
        self._last_step = global_step(self._sess, self._step_counter)

    def run_loop(self) -> None:
        from evergraph.formats import messages

        step = global_step(self._sess, self._step_counter)
        added, self._last_step = step - self._last_step, step
        now = time.time()
        passed, self._last_time = now - self._last_time, now
        rate = added / passed if passed > 0 else float("inf")
        summary = messages.Summary()
        summary.value.add(tag=self._summary_tag, simple_value=rate)
        if self._sv.summary_writer:
            self._sv.summary_writer.add_summary(summary, step)
        log.log_first_n(log.INFO, "%s: %g", 10, self._summary_tag, rate)


class CheckpointThread(LooperThread):
    """Saves a checkpoint every `save_model_secs` seconds."""

    def __init__(self, sv: Any, sess: Any) -> None:
        super().__init__(sv.coord, sv.save_model_secs)
        self._sv = sv
        self._sess = sess

    def run_loop(self) -> None:
        from evergraph.formats import messages

        log.info("Saving checkpoint to path %s", self._sv.save_path)
        self._sv.saver.save(self._sess, self._sv.save_path, global_step=self._sv.global_step)
        if self._sv.summary_writer and self._sv.global_step is not None:
            step = global_step(self._sess, self._sv.global_step)
            entry = messages.SessionLog(status=messages.SessionLog.CHECKPOINT, checkpoint_path=self._sv.save_path)
            self._sv.summary_writer.add_session_log(entry, step)
