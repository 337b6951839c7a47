"""`tf.train.CheckpointSaverHook`: checkpoints every so many steps or seconds."""

from __future__ import annotations

import os
from typing import Any

from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.training.graph_io import write_graph
from evergraph.training.hooks.step_reading import step_tensor
from evergraph.training.hooks.timers import SecondOrStepTimer
from evergraph.training.meta_graph import create_meta_graph_def
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook
from evergraph.training.summary_writer import FileWriterCache


@public("train.CheckpointSaverListener", "estimator.CheckpointSaverListener")
class CheckpointSaverListener:
    """Called before and after each checkpoint of a `CheckpointSaverHook`; a subclass overrides what it needs."""

    def begin(self) -> None:
        """Called by the hook's `begin`."""

    def before_save(self, session: Any, global_step_value: Any) -> None:
        """Called before a checkpoint is saved."""

    def after_save(self, session: Any, global_step_value: Any) -> Any:
        """Called after a checkpoint is saved; something true ends the loop."""

    def end(self, session: Any, global_step_value: Any) -> None:
        """Called by the hook's `end`."""


@public("train.CheckpointSaverHook", "estimator.CheckpointSaverHook")
class CheckpointSaverHook(SessionRunHook):
    """Saves a checkpoint when a session is made, at intervals, and at the end; the graph goes beside it.

    Args:
        checkpoint_dir: the directory.
        save_secs: from one checkpoint to the next, in seconds.
        save_steps: the same in steps.
        saver: what saves; by default that of `scaffold`, or else the graph's.
        checkpoint_basename: the name of the files.
        scaffold: what has the saver.
        listeners: `CheckpointSaverListener`s.

    Raises:
        ValueError: with both intervals or neither, or with both a saver and a scaffold.
    """

    def __init__(
        self,
        checkpoint_dir: Any,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Any = None,
    ) -> None:
        log.info("Create CheckpointSaverHook.")
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._saver = saver
        self._checkpoint_dir = checkpoint_dir
        self._save_path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._scaffold = scaffold
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._listeners = listeners or []
        self._steps_per_run = 1

    def _set_steps_per_run(self, steps_per_run: int) -> None:
        self._steps_per_run = steps_per_run

    def begin(self) -> None:
        self._summary_writer = FileWriterCache.get(self._checkpoint_dir)
        self._global_step_tensor = step_tensor("CheckpointSaverHook")
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        step = session.run(self._global_step_tensor)
        graph = get_default_graph()
        write_graph(graph.as_graph_def(add_shapes=True), self._checkpoint_dir, "graph.pbtxt")
        saver = self._get_saver()
        meta_graph = create_meta_graph_def(
            graph_def=graph.as_graph_def(add_shapes=True), saver_def=saver.saver_def if saver else None
        )
        self._summary_writer.add_graph(graph)
        self._summary_writer.add_meta_graph(meta_graph)
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs(self._global_step_tensor)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        # What was fetched is the step before the run.
        if not self._timer.should_trigger_for_step(run_values.results + self._steps_per_run):
            return
        step = run_context.session.run(self._global_step_tensor)
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        step = session.run(self._global_step_tensor)
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session: Any, step: Any) -> bool:
        """Save a checkpoint; whether a listener asks for an end."""
        from evergraph.formats import messages

        log.info("Saving checkpoints for %d into %s.", step, self._save_path)
        for listener in self._listeners:
            listener.before_save(session, step)
        self._get_saver().save(session, self._save_path, global_step=step)
        entry = messages.SessionLog(status=messages.SessionLog.CHECKPOINT, checkpoint_path=self._save_path)
        self._summary_writer.add_session_log(entry, step)
        stop = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                log.info("A CheckpointSaverListener requested that training be stopped. listener: %s", listener)
                stop = True
        return stop

    def _get_saver(self) -> Any:
        if self._saver is not None:
            return self._saver
        if self._scaffold is not None:
            return self._scaffold.saver
        savers = get_collection(GraphKeys.SAVERS)
        if len(savers) != 1:
            found = "More than one item" if savers else "No items"
            raise RuntimeError(
                f"{found} in collection {GraphKeys.SAVERS}. Give the saver, or a scaffold, to the hook's constructor."
            )
        self._saver = savers[0]
        return self._saver
