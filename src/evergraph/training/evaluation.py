"""Evaluation of checkpoints: one, or each one that a training program writes."""

from __future__ import annotations

import math
import time
from typing import Any

from evergraph.framework import dtypes, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.cast import cast
from evergraph.ops.initializers import Zeros
from evergraph.ops.opdef import raw_op
from evergraph.ops.summary.functions import merge_all
from evergraph.ops.variable_scope import get_variable
from evergraph.training import global_step as steps
from evergraph.training.checkpoint_utils import checkpoints_iterator
from evergraph.training.hooks.feeding_and_waiting import FinalOpsHook
from evergraph.training.hooks.step_reading import get_or_create_steps_per_run_variable
from evergraph.training.monitored_session import MonitoredSession
from evergraph.training.session_creators import ChiefSessionCreator
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunHook
from evergraph.training.summary_writer import FileWriterCache


@public("contrib.training.get_or_create_eval_step")
def get_or_create_eval_step() -> Any:
    """The local variable that counts evaluated batches, made if the graph has none.

    Raises:
        ValueError: if it has more than one.
    """
    found = get_default_graph().get_collection(GraphKeys.EVAL_STEP)
    if len(found) > 1:
        raise ValueError("Multiple tensors added to tf.GraphKeys.EVAL_STEP")
    if found:
        return found[0]
    return get_variable(
        "eval_step",
        shape=[],
        dtype=dtypes.int64,
        initializer=Zeros(),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.EVAL_STEP],
    )


def latest_eval_step_value(update_ops: Any) -> Tensor:
    """The count of evaluated batches after `update_ops` have run."""
    if isinstance(update_ops, dict):
        update_ops = list(update_ops.values())
    with control_dependencies(update_ops):
        return raw_op("Identity")(get_or_create_eval_step().read_value())


@public("contrib.training.StopAfterNEvalsHook")
class StopAfterNEvalsHook(SessionRunHook):
    """Ends an evaluation after so many batches.

    Args:
        num_evals: how many; None goes on to the end of the data.
        log_progress: whether to log `Evaluation [3/10]`: each batch, or each tenth part from 20 batches on.
    """

    def __init__(self, num_evals: int | None, log_progress: bool = True) -> None:
        self._num_evals = num_evals
        self._evals_completed: Any = None
        self._log_progress = log_progress
        self._log_frequency = 1 if num_evals is None or num_evals < 20 else math.floor(num_evals / 10)

    def _set_evals_completed_tensor(self, updated_eval_step: Any) -> None:
        self._evals_completed = updated_eval_step

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs({"evals_completed": self._evals_completed})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        done = run_values.results["evals_completed"]
        if self._log_progress:
            if self._num_evals is None:
                log.info("Evaluation [%d]", done)
            elif done % self._log_frequency == 0 or done == self._num_evals:
                log.info("Evaluation [%d/%d]", done, self._num_evals)
        if self._num_evals is not None and done >= self._num_evals:
            run_context.request_stop()


class MultiStepStopAfterNEvalsHook(SessionRunHook):
    """Ends an evaluation after so many batches, where a run takes several, and shortens the last run.

    Args:
        num_evals: how many; None goes on to the end of the data.
        steps_per_run: how many a run takes at most.
    """

    def __init__(self, num_evals: int | None, steps_per_run: int = 1) -> None:
        self._num_evals = num_evals
        self._evals_completed: Any = None
        self._steps_per_run_initial_value = steps_per_run

    def _set_evals_completed_tensor(self, updated_eval_step: Any) -> None:
        self._evals_completed = updated_eval_step

    def begin(self) -> None:
        self._steps_per_run_variable = get_or_create_steps_per_run_variable()

    def _limit_next_run(self, done: Any, session: Any) -> None:
        most = self._steps_per_run_initial_value
        limit = most if self._num_evals is None else min(self._num_evals - done, most)
        self._steps_per_run_variable.load(limit, session=session)

    def after_create_session(self, session: Any, coord: Any) -> None:
        self._limit_next_run(0, session)

    def before_run(self, run_context: Any) -> SessionRunArgs:
        return SessionRunArgs({"evals_completed": self._evals_completed})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        done = run_values.results["evals_completed"]
        self._limit_next_run(done, run_context.session)
        if self._num_evals is None:
            log.info("Evaluation [%d]", done)
        else:
            log.info("Evaluation [%d/%d]", done, self._num_evals)
            if done >= self._num_evals:
                run_context.request_stop()


def _counted(eval_ops: Any, update: Any) -> Any:
    """The evaluation ops with one more that counts the batch."""
    if isinstance(eval_ops, dict):
        eval_ops["update_eval_step"] = update
        return eval_ops
    return [*eval_ops, update] if isinstance(eval_ops, tuple | list) else [eval_ops, update]


@public("contrib.training.evaluate_once")
def evaluate_once(
    checkpoint_path: Any,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    hooks: Any = None,
    config: Any = None,
) -> Any:
    """Evaluate one checkpoint.

    Args:
        checkpoint_path: the checkpoint; None initialises instead.
        master: the session's target.
        scaffold: the ops to initialise with.
        eval_ops: run again and again, until a hook (`StopAfterNEvalsHook`) or the end of the data stops that.
        feed_dict: what to feed to them.
        final_ops: run at the end.
        final_ops_feed_dict: what to feed to them.
        hooks: `SessionRunHook`s.
        config: the session's `ConfigProto`.

    Returns:
        The values of `final_ops`.
    """
    eval_step = get_or_create_eval_step()
    hooks = list(hooks or [])
    if eval_ops is not None:
        count: Any = 1
        if any(isinstance(hook, MultiStepStopAfterNEvalsHook) for hook in hooks):
            count = cast(get_or_create_steps_per_run_variable(), eval_step.dtype.base_dtype)
        eval_ops = _counted(eval_ops, state.assign_add(eval_step, count, use_locking=True))
        done = latest_eval_step_value(eval_ops)
        for hook in hooks:
            if isinstance(hook, StopAfterNEvalsHook | MultiStepStopAfterNEvalsHook):
                hook._set_evals_completed_tensor(done)
    log.info("Starting evaluation at " + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.localtime()))
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=checkpoint_path)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    with MonitoredSession(session_creator=creator, hooks=[*hooks, final]) as session:
        if eval_ops is not None:
            while not session.should_stop():
                session.run(eval_ops, feed_dict)
    log.info("Finished evaluation at " + time.strftime("%Y-%m-%d-%H:%M:%S", time.localtime()))
    return final.final_ops_values


@public("contrib.training.SummaryAtEndHook")
class SummaryAtEndHook(SessionRunHook):
    """Writes summaries at the end.

    Args:
        log_dir: where to write, if there is no writer.
        summary_writer: what writes.
        summary_op: a string scalar; by default all summaries of the graph.
        feed_dict: what to feed to it.

    Raises:
        ValueError: without `log_dir` and `summary_writer`.
    """

    def __init__(
        self, log_dir: Any = None, summary_writer: Any = None, summary_op: Any = None, feed_dict: Any = None
    ) -> None:
        if log_dir is None and summary_writer is None:
            raise ValueError("One of log_dir or summary_writer should be used.")
        self._summary_op = summary_op
        self._replace_summary_op = summary_op is None
        self._feed_dict = feed_dict
        self._summary_writer = summary_writer
        self._log_dir = log_dir

    def begin(self) -> None:
        if self._replace_summary_op:
            self._summary_op = merge_all()
        self._global_step = steps.get_or_create_global_step()

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._summary_writer is None and self._log_dir:
            self._summary_writer = FileWriterCache.get(self._log_dir)

    def end(self, session: Any) -> None:
        if self._summary_op is not None:
            step = steps.global_step(session, self._global_step)
            summary = session.run(self._summary_op, self._feed_dict)
            if self._summary_writer:
                self._summary_writer.add_summary(summary, step)
        if self._summary_writer:
            self._summary_writer.flush()


@public("contrib.training.evaluate_repeatedly")
def evaluate_repeatedly(
    checkpoint_dir: Any,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    eval_interval_secs: float = 60,
    hooks: Any = None,
    config: Any = None,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Any = None,
) -> Any:
    """Evaluate each new checkpoint in a directory.

    Args:
        checkpoint_dir: the directory.
        master, scaffold, eval_ops, feed_dict, final_ops, final_ops_feed_dict, hooks, config: as for `evaluate_once`.
        eval_interval_secs: from one evaluation to the next at least.
        max_number_of_evaluations: how many at most.
        timeout: how long to wait for a checkpoint, in seconds; None waits for ever.
        timeout_fn: called after that; something true ends it.

    Returns:
        The values of `final_ops` in the last evaluation.
    """
    eval_step = get_or_create_eval_step()
    hooks = hooks or []
    if eval_ops is not None:
        update = state.assign_add(eval_step, 1)
        for hook in hooks:
            if isinstance(hook, StopAfterNEvalsHook):
                hook._set_evals_completed_tensor(update)
        eval_ops = _counted(eval_ops, update)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    hooks.append(final)
    checkpoints = checkpoints_iterator(
        checkpoint_dir, min_interval_secs=eval_interval_secs, timeout=timeout, timeout_fn=timeout_fn
    )
    for number, path in enumerate(checkpoints, 1):
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=path)
        with MonitoredSession(session_creator=creator, hooks=hooks) as session:
            log.info("Starting evaluation at " + time.strftime("%Y-%m-%d-%H:%M:%S", time.gmtime()))
            if eval_ops is not None:
                while not session.should_stop():
                    session.run(eval_ops, feed_dict)
            log.info("Finished evaluation at " + time.strftime("%Y-%m-%d-%H:%M:%S", time.gmtime()))
        if max_number_of_evaluations is not None and number >= max_number_of_evaluations:
            break
    return final.final_ops_values
