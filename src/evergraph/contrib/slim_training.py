"""`tf.contrib.slim.learning.train`, `tf.contrib.slim.evaluation` and `tf.contrib.training.train`: whole loops."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from evergraph.formats.files import write_file
from evergraph.framework import errors, log
from evergraph.framework.api import public, publish
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.ops import math
from evergraph.ops.arithmetic import floor_mod
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group
from evergraph.ops.summary.functions import merge_all
from evergraph.ops.table_initializers import tables_initializer
from evergraph.ops.variables import (
    global_variables_initializer,
    local_variables_initializer,
    report_uninitialized_variables,
)
from evergraph.runtime.timeline import Timeline
from evergraph.training import checkpoint_utils, evaluation
from evergraph.training.global_step import get_or_create_global_step
from evergraph.training.monitored_session import MonitoredTrainingSession
from evergraph.training.saver import Saver
from evergraph.training.scaffold import Scaffold
from evergraph.training.supervisor import Supervisor
from evergraph.training.sync_replicas_optimizer import SyncReplicasOptimizer

_USE_DEFAULT: Any = 0

publish("contrib.slim.evaluation.wait_for_new_checkpoint", checkpoint_utils.wait_for_new_checkpoint)
publish("contrib.slim.evaluation.checkpoints_iterator", checkpoint_utils.checkpoints_iterator)


def _is_default(value: Any) -> bool:
    return isinstance(value, int) and value == 0


@public("contrib.training.train")
def train_monitored(
    train_op: Any,
    logdir: Any,
    master: str = "",
    is_chief: bool = True,
    scaffold: Any = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = 600,
    save_summaries_steps: Any = 100,
    config: Any = None,
    max_wait_secs: float = 7200,
    run_metadata: Any = None,
) -> Any:
    """Run `train_op` in a `MonitoredTrainingSession` until a hook ends that.

    Args:
        train_op: what gives the loss, see `create_train_op`.
        logdir: where checkpoints and summaries go.
        master, is_chief, scaffold, hooks, chief_only_hooks, save_checkpoint_secs, save_summaries_steps, config,
            max_wait_secs: as for `MonitoredTrainingSession`.
        run_metadata: a `RunMetadata` to fill.

    Returns:
        The last loss, or None if there was no step.

    Raises:
        ValueError: without `logdir`, if the chief is to save something.
    """
    if logdir is None and is_chief:
        for name, value in (
            ("save_summaries_steps", save_summaries_steps),
            ("save_checkpoint_secs", save_checkpoint_secs),
        ):
            if value:
                raise ValueError(f"logdir cannot be None when {name} is not None")
    loss = None
    with MonitoredTrainingSession(
        master=master,
        is_chief=is_chief,
        checkpoint_dir=logdir,
        scaffold=scaffold,
        hooks=hooks,
        chief_only_hooks=chief_only_hooks,
        save_checkpoint_secs=save_checkpoint_secs,
        save_summaries_steps=save_summaries_steps,
        config=config,
        max_wait_secs=max_wait_secs,
    ) as session:
        while not session.should_stop():
            loss = session.run(train_op, run_metadata=run_metadata)
    return loss


@public("contrib.slim.learning.train_step")
def train_step(sess: Any, train_op: Any, global_step: Any, train_step_kwargs: Any) -> tuple[Any, Any]:
    """Do one step, log it, and say whether to stop.

    Args:
        sess: the session.
        train_op: what gives the loss.
        global_step: counts the steps.
        train_step_kwargs: a dict: `should_log`, `should_stop` and `should_trace` are boolean tensors, `logdir` is where
            a trace goes, and `summary_writer` gets it too.

    Returns:
        The loss, and whether to stop.

    Raises:
        ValueError: for `should_trace` without `logdir`.
    """
    from evergraph.formats import messages

    start = time.time()
    options = run_metadata = None
    if "should_trace" in train_step_kwargs:
        if "logdir" not in train_step_kwargs:
            raise ValueError("logdir must be present in train_step_kwargs when should_trace is present")
        if sess.run(train_step_kwargs["should_trace"]):
            options = messages.RunOptions(trace_level=messages.RunOptions.FULL_TRACE)
            run_metadata = messages.RunMetadata()
    loss, step = sess.run([train_op, global_step], options=options, run_metadata=run_metadata)
    seconds = time.time() - start
    if run_metadata is not None:
        path = os.path.join(train_step_kwargs["logdir"], f"tf_trace-{step}.json")
        log.info("Writing trace to %s", path)
        write_file(path, Timeline(run_metadata.step_stats).generate_chrome_trace_format().encode())
        if "summary_writer" in train_step_kwargs:
            train_step_kwargs["summary_writer"].add_run_metadata(run_metadata, f"run_metadata-{step}")
    if "should_log" in train_step_kwargs and sess.run(train_step_kwargs["should_log"]):
        log.info("global step %d: loss = %.4f (%.3f sec/step)", step, loss, seconds)
    stop = sess.run(train_step_kwargs["should_stop"]) if "should_stop" in train_step_kwargs else False
    return loss, stop


@public("contrib.slim.learning.train")
def train(
    train_op: Any,
    logdir: Any,
    train_step_fn: Callable[..., Any] = train_step,
    train_step_kwargs: Any = _USE_DEFAULT,
    log_every_n_steps: int = 1,
    graph: Any = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = _USE_DEFAULT,
    init_feed_dict: Any = None,
    local_init_op: Any = _USE_DEFAULT,
    init_fn: Any = None,
    ready_op: Any = _USE_DEFAULT,
    summary_op: Any = _USE_DEFAULT,
    save_summaries_secs: Any = 600,
    summary_writer: Any = _USE_DEFAULT,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: Any = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    session_wrapper: Any = None,
    trace_every_n_steps: int | None = None,
    ignore_live_threads: bool = False,
) -> Any:
    """Train under a `Supervisor`, until `number_of_steps` or the end of the data.

    Args:
        train_op: what gives the loss, see `create_train_op`.
        logdir: where checkpoints and summaries go; None writes none.
        train_step_fn: does one step; see `train_step`.
        train_step_kwargs: its last argument.
        log_every_n_steps: how often the loss is logged.
        graph: the graph; by default the default graph.
        master, is_chief, init_op, init_feed_dict, local_init_op, init_fn, ready_op, summary_op, save_summaries_secs,
            summary_writer, saver: as for `tf.train.Supervisor`.
        global_step: counts the steps.
        number_of_steps: the global step to stop at.
        startup_delay_steps: the step a worker that is not the chief waits for.
        save_interval_secs: from one checkpoint to the next.
        sync_optimizer: one `SyncReplicasOptimizer`, or several.
        session_config: the session's `ConfigProto`.
        session_wrapper: a function of the session that gives the one to use.
        trace_every_n_steps: how often a run is traced.
        ignore_live_threads: whether threads that do not end are no error.

    Returns:
        The last loss, or None if there was no step.

    Raises:
        ValueError: for arguments that do not go together.
    """
    if train_op is None:
        raise ValueError("train_op cannot be None.")
    if logdir is None:
        for name, is_given in (
            ("summary_op", not _is_default(summary_op)),
            ("saver", saver is not None),
            ("trace_every_n_steps", trace_every_n_steps is not None),
        ):
            if is_given:
                raise ValueError(f"Cannot provide {name} because logdir=None")
    if isinstance(sync_optimizer, SyncReplicasOptimizer):
        sync_optimizer = [sync_optimizer]
    if sync_optimizer is not None and startup_delay_steps > 0:
        raise ValueError("startup_delay_steps must be zero when sync_optimizer is supplied.")
    if number_of_steps is not None and number_of_steps <= 0:
        raise ValueError("`number_of_steps` must be either None or a positive number.")
    graph = graph or get_default_graph()
    with graph.as_default():
        if global_step is None:
            global_step = get_or_create_global_step()
        saver = saver or Saver()
        for opt in sync_optimizer or ():
            if not isinstance(opt, SyncReplicasOptimizer):
                raise ValueError("`sync_optimizer` must be a tf.train.SyncReplicasOptimizer.")
        ready_for_local_init_op = None
        with name_scope("init_ops"):
            if _is_default(init_op):
                init_op = global_variables_initializer()
            if _is_default(ready_op):
                ready_op = report_uninitialized_variables()
            if _is_default(local_init_op):
                local_init_op = group(local_variables_initializer(), tables_initializer())
            if sync_optimizer is not None:
                with control_dependencies([local_init_op] if local_init_op is not None else []):
                    own = [opt.chief_init_op if is_chief else opt.local_step_init_op for opt in sync_optimizer]
                    local_init_op = group(*own)
                ready_for_local_init_op = group(*(opt.ready_for_local_init_op for opt in sync_optimizer))
        if _is_default(summary_op):
            summary_op = merge_all()
        if _is_default(summary_writer):
            summary_writer = Supervisor.USE_DEFAULT
        tokens: list[Any] = []
        runners: list[Any] = []
        if is_chief and sync_optimizer is not None:
            tokens = [opt.get_init_tokens_op() for opt in sync_optimizer]
            runners = [opt.get_chief_queue_runner() for opt in sync_optimizer]
        if _is_default(train_step_kwargs):
            traced = trace_every_n_steps if is_chief else None
            train_step_kwargs = _conditions(global_step, number_of_steps, log_every_n_steps, traced, logdir)
    sv = Supervisor(
        graph=graph,
        is_chief=is_chief,
        logdir=logdir,
        init_op=init_op,
        init_feed_dict=init_feed_dict,
        local_init_op=local_init_op,
        ready_for_local_init_op=ready_for_local_init_op,
        ready_op=ready_op,
        summary_op=summary_op,
        summary_writer=summary_writer,
        global_step=global_step,
        saver=saver,
        save_summaries_secs=save_summaries_secs,
        save_model_secs=save_interval_secs,
        init_fn=init_fn,
    )
    if summary_writer is not None:
        train_step_kwargs["summary_writer"] = sv.summary_writer
    loss = None
    while True:
        try:
            with sv.managed_session(master, start_standard_services=False, config=session_config) as sess:
                log.info("Starting Session.")
                if session_wrapper is not None:
                    log.info("Wrapping session with wrapper function: %s", session_wrapper)
                    sess = session_wrapper(sess)
                if is_chief:
                    if logdir:
                        sv.start_standard_services(sess)
                elif startup_delay_steps > 0:
                    _wait_for_step(sess, global_step, min(startup_delay_steps, number_of_steps or sys.maxsize))
                threads = sv.start_queue_runners(sess)
                log.info("Starting Queues.")
                if runners:
                    sv.start_queue_runners(sess, runners)
                    sess.run(tokens)
                try:
                    while not sv.should_stop():
                        loss, stop = train_step_fn(sess, train_op, global_step, train_step_kwargs)
                        if stop:
                            log.info("Stopping Training.")
                            sv.request_stop()
                            break
                except errors.OutOfRangeError as error:
                    log.info("Caught OutOfRangeError. Stopping Training. %s", error)
                if logdir and sv.is_chief:
                    log.info("Finished training! Saving model to disk.")
                    sv.saver.save(sess, sv.save_path, global_step=sv.global_step)
                    sv.stop(threads, close_summary_writer=True, ignore_live_threads=ignore_live_threads)
            return loss
        except errors.AbortedError:
            log.info("Retrying training!")


def _conditions(
    global_step: Any, number_of_steps: int | None, log_every: int, trace_every: int | None, logdir: Any
) -> dict[str, Any]:
    """What `train_step` is given: when to log, to trace and to stop."""
    with name_scope("train_step"):
        stop = math.greater_equal(global_step, number_of_steps) if number_of_steps else constant(False)
        conditions: dict[str, Any] = {"should_stop": stop}
        if log_every > 0:
            conditions["should_log"] = math.equal(floor_mod(global_step, log_every), 0)
        if trace_every is not None:
            conditions["should_trace"] = math.equal(floor_mod(global_step, trace_every), 0)
            conditions["logdir"] = logdir
    return conditions


def _wait_for_step(sess: Any, global_step: Any, step: int) -> None:
    while sess.run(global_step) < step:
        log.info("Waiting for step %d before starting training.", step)
        time.sleep(1.0)


def _hooks(num_evals: int, logdir: Any, summary_op: Any, feed_dict: Any, hooks: Any) -> list[Any]:
    """Those that end an evaluation, and write its summaries."""
    if _is_default(summary_op):
        summary_op = merge_all()
    found: list[Any] = [evaluation.StopAfterNEvalsHook(num_evals)]
    if summary_op is not None:
        found.append(evaluation.SummaryAtEndHook(log_dir=logdir, summary_op=summary_op, feed_dict=feed_dict))
    return found + list(hooks or ())


@public("contrib.slim.evaluation.evaluate_once")
def evaluate_once(
    master: str,
    checkpoint_path: Any,
    logdir: Any,
    num_evals: int = 1,
    initial_op: Any = None,
    initial_op_feed_dict: Any = None,
    eval_op: Any = None,
    eval_op_feed_dict: Any = None,
    final_op: Any = None,
    final_op_feed_dict: Any = None,
    summary_op: Any = _USE_DEFAULT,
    summary_op_feed_dict: Any = None,
    variables_to_restore: Any = None,
    session_config: Any = None,
    hooks: Any = None,
) -> Any:
    """Evaluate one checkpoint.

    Args:
        master: the session's target.
        checkpoint_path: the checkpoint.
        logdir: where summaries go.
        num_evals: how often `eval_op` is run.
        initial_op: initialises, where nothing is restored.
        eval_op: run again and again.
        final_op: run at the end.
        summary_op: gives the summaries.
        initial_op_feed_dict, eval_op_feed_dict, final_op_feed_dict, summary_op_feed_dict: what to feed to them.
        variables_to_restore: by default all.
        session_config: the session's `ConfigProto`.
        hooks: `SessionRunHook`s.

    Returns:
        The value of `final_op`.
    """
    all_hooks = _hooks(num_evals, logdir, summary_op, summary_op_feed_dict, hooks)
    saver = None if variables_to_restore is None else Saver(variables_to_restore)
    return evaluation.evaluate_once(
        checkpoint_path,
        master=master,
        scaffold=Scaffold(init_op=initial_op, init_feed_dict=initial_op_feed_dict, saver=saver),
        eval_ops=eval_op,
        feed_dict=eval_op_feed_dict,
        final_ops=final_op,
        final_ops_feed_dict=final_op_feed_dict,
        hooks=all_hooks,
        config=session_config,
    )


@public("contrib.slim.evaluation.evaluation_loop")
def evaluation_loop(
    master: str,
    checkpoint_dir: Any,
    logdir: Any,
    num_evals: int = 1,
    initial_op: Any = None,
    initial_op_feed_dict: Any = None,
    init_fn: Any = None,
    eval_op: Any = None,
    eval_op_feed_dict: Any = None,
    final_op: Any = None,
    final_op_feed_dict: Any = None,
    summary_op: Any = _USE_DEFAULT,
    summary_op_feed_dict: Any = None,
    variables_to_restore: Any = None,
    eval_interval_secs: float = 60,
    max_number_of_evaluations: int | None = None,
    session_config: Any = None,
    timeout: float | None = None,
    timeout_fn: Any = None,
    hooks: Any = None,
) -> Any:
    """Evaluate each new checkpoint in a directory.

    Args:
        checkpoint_dir: the directory.
        init_fn: a function of the scaffold and the session.
        eval_interval_secs, max_number_of_evaluations, timeout, timeout_fn: as for `evaluate_repeatedly`.
        master, logdir, num_evals, initial_op, initial_op_feed_dict, eval_op, eval_op_feed_dict, final_op,
            final_op_feed_dict, summary_op, summary_op_feed_dict, variables_to_restore, session_config, hooks: as for
            `evaluate_once`.

    Returns:
        The value of `final_op` in the last evaluation.
    """
    all_hooks = _hooks(num_evals, logdir, summary_op, summary_op_feed_dict, hooks)
    saver = None if variables_to_restore is None else Saver(variables_to_restore)
    return evaluation.evaluate_repeatedly(
        checkpoint_dir,
        master=master,
        scaffold=Scaffold(init_op=initial_op, init_feed_dict=initial_op_feed_dict, init_fn=init_fn, saver=saver),
        eval_ops=eval_op,
        feed_dict=eval_op_feed_dict,
        final_ops=final_op,
        final_ops_feed_dict=final_op_feed_dict,
        eval_interval_secs=eval_interval_secs,
        hooks=all_hooks,
        config=session_config,
        max_number_of_evaluations=max_number_of_evaluations,
        timeout=timeout,
        timeout_fn=timeout_fn,
    )
