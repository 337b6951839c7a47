"""`tf.train.MonitoredSession`: a session that initialises, recovers, calls hooks and knows when to stop."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, get_collection
from evergraph.training import session_layers
from evergraph.training.coordinator import Coordinator
from evergraph.training.hooks.checkpoint_saving import CheckpointSaverHook
from evergraph.training.hooks.step_counter import StepCounterHook
from evergraph.training.hooks.summary_saving import SummarySaverHook
from evergraph.training.queue_runner import start_queue_runners
from evergraph.training.scaffold import Scaffold
from evergraph.training.session_creators import ChiefSessionCreator, SessionCreator, WorkerSessionCreator

USE_DEFAULT: Any = object()


class _CoordinatedSessionCreator(SessionCreator):
    """Makes a session with hooks, and a coordinator for its queue runners."""

    def __init__(self, session_creator: Any, hooks: Any, stop_grace_period_secs: float) -> None:
        self._session_creator = session_creator
        self._hooks = hooks
        self.coord: Any = None
        self.tf_sess: Any = None
        self._stop_grace_period_secs = stop_grace_period_secs

    def create_session(self) -> Any:
        self.tf_sess = self._session_creator.create_session()
        self.coord = Coordinator(clean_stop_exception_types=[])
        if get_collection(GraphKeys.QUEUE_RUNNERS):
            start_queue_runners(sess=self.tf_sess, coord=self.coord)
        for hook in self._hooks:
            hook.after_create_session(self.tf_sess, self.coord)
        hooked = session_layers.HookedSession(self.tf_sess, self._hooks)
        return session_layers.CoordinatedSession(hooked, self.coord, self._stop_grace_period_secs)


class BaseMonitoredSession:
    """What `MonitoredSession` and `SingularMonitoredSession` share."""

    StepContext = session_layers.StepContext
    _CoordinatedSessionCreator = _CoordinatedSessionCreator

    def __init__(
        self, session_creator: Any, hooks: Any, should_recover: bool, stop_grace_period_secs: float = 120
    ) -> None:
        self._graph_was_finalized = get_default_graph().finalized
        self._hooks = hooks or []
        for hook in self._hooks:
            hook.begin()
        creator = session_creator or ChiefSessionCreator()
        self._coordinated_creator = _CoordinatedSessionCreator(creator, self._hooks, stop_grace_period_secs)
        self._sess: Any
        if should_recover:
            self._sess = session_layers.RecoverableSession(self._coordinated_creator)
        else:
            self._sess = self._coordinated_creator.create_session()

    @property
    def graph(self) -> Any:
        """The graph it runs, or None once it is closed."""
        return None if self._tf_sess() is None else self._tf_sess().graph

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run as `Session.run` does, with the hooks before and after."""
        return self._sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Call `step_fn` with a `StepContext`, through which it may run with hooks and without.

        Args:
            step_fn: a function of `step_context`, or a method of it.

        Returns:
            What `step_fn` gives.

        Raises:
            ValueError: for another signature.

        >>> seven = tf.constant(7)
        >>> with tf.train.MonitoredSession() as monitored:
        ...     monitored.run_step_fn(lambda step_context: step_context.session.run(seven))
        7
        """
        names = _argument_names(step_fn)
        if names not in (("step_context",), ("self", "step_context")):
            raise ValueError(
                "`step_fn` may either have one `step_context` argument, or `self` and `step_context` arguments if it's "
                f"an instance method. Got {names} instead."
            )
        return self._sess.run_step_fn(step_fn, self._tf_sess(), run_with_hooks=None)

    def should_stop(self) -> bool:
        """Whether the loop is at an end: a hook asked for it, a thread of the coordinator did, or it is closed."""
        return self._sess is None or self._sess.should_stop()

    def close(self) -> None:
        """End the hooks, stop the threads and close the session.

        Raises:
            RuntimeError: if it is closed already.
        """
        self._close_internal()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exception_type: Any, exception_value: Any, traceback: Any) -> bool:
        if exception_type in (errors.OutOfRangeError, StopIteration):
            exception_type = None
        self._close_internal(exception_type)
        return exception_type is None

    def _close_internal(self, exception_type: Any = None) -> None:
        try:
            if not exception_type:
                for hook in self._hooks:
                    hook.end(self._coordinated_creator.tf_sess)
        finally:
            try:
                if self._sess is None:
                    raise RuntimeError("Session is already closed.")
                self._sess.close()
            finally:
                self._sess = None
                self._coordinated_creator.tf_sess = None
                self._coordinated_creator.coord = None
                if not self._graph_was_finalized:
                    get_default_graph()._unsafe_unfinalize()

    def _is_closed(self) -> bool:
        return self._tf_sess() is None

    def _tf_sess(self) -> Any:
        """The session without hooks."""
        return self._coordinated_creator.tf_sess


def _argument_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's arguments; those of an object that can be called, without `self`."""
    if isinstance(function, functools.partial):
        names = _argument_names(function.func)[len(function.args) :]
        return tuple(name for name in names if name not in function.keywords)
    if not inspect.isroutine(function):
        function = type(function).__call__.__get__(function)
    names = tuple(inspect.getfullargspec(function).args)
    return names[1:] if inspect.ismethod(function) and names else names


@public("train.MonitoredSession")
class MonitoredSession(BaseMonitoredSession):
    """A session for training loops. It initialises or restores, starts queue runners, and calls hooks around each run;
    when it is lost (`AbortedError`, `UnavailableError`) it makes another session and runs again.

    As a context it ends the hooks and closes; the end of the data (`OutOfRangeError`) is a normal end there.

    Args:
        session_creator: makes the sessions; by default a `ChiefSessionCreator`.
        hooks: `SessionRunHook`s.
        stop_grace_period_secs: how long to wait for threads at the end.

    >>> doubled = tf.Variable(3.0) * 2
    >>> with tf.train.MonitoredSession() as monitored:
    ...     monitored.run(doubled)
    6.0
    """

    def __init__(self, session_creator: Any = None, hooks: Any = None, stop_grace_period_secs: float = 120) -> None:
        super().__init__(session_creator, hooks, True, stop_grace_period_secs)


@public("train.SingularMonitoredSession")
class SingularMonitoredSession(BaseMonitoredSession):
    """As `MonitoredSession`, but an error is an error: no other session is made.

    Args:
        hooks: `SessionRunHook`s.
        scaffold: the ops to initialise with.
        master: the target of the session.
        config: its `ConfigProto`.
        checkpoint_dir: where to look for a checkpoint to restore.
        stop_grace_period_secs: how long to wait for threads at the end.
        checkpoint_filename_with_path: the checkpoint to restore.
    """

    def __init__(
        self,
        hooks: Any = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(creator, hooks, False, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """The session without hooks."""
        return self._tf_sess()


@public("train.MonitoredTrainingSession")
def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = USE_DEFAULT,
    save_summaries_steps: Any = USE_DEFAULT,
    save_summaries_secs: Any = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: Any = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = USE_DEFAULT,
    summary_dir: Any = None,
) -> MonitoredSession:
    """Make a `MonitoredSession` that saves checkpoints and summaries, if it is the chief's.

    Args:
        master: the target of the session.
        is_chief: whether it initialises, saves and writes; others wait for the chief.
        checkpoint_dir: where checkpoints are restored from and saved to.
        scaffold: the ops to initialise with.
        hooks: `SessionRunHook`s.
        chief_only_hooks: `SessionRunHook`s of the chief.
        save_checkpoint_secs: from one checkpoint to the next; 600 unless steps are given; None saves none.
        save_summaries_steps: from one summary to the next; 100 unless seconds are given; None writes none.
        save_summaries_secs: the same in seconds.
        config: the session's `ConfigProto`.
        stop_grace_period_secs: how long to wait for threads at the end.
        log_step_count_steps: how often steps a second are logged, in steps.
        max_wait_secs: how long a worker waits for the chief.
        save_checkpoint_steps: from one checkpoint to the next, in steps.
        summary_dir: where summaries go; by default `checkpoint_dir`.
    """
    save_summaries_steps, save_summaries_secs = _intervals(save_summaries_steps, save_summaries_secs, (100, None))
    save_checkpoint_steps, save_checkpoint_secs = _intervals(save_checkpoint_steps, save_checkpoint_secs, (None, 600))
    scaffold = scaffold or Scaffold()
    if not is_chief:
        worker = WorkerSessionCreator(scaffold, master, config, max_wait_secs)
        return MonitoredSession(worker, hooks or [], stop_grace_period_secs)
    all_hooks = list(chief_only_hooks or ())
    chief = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    summary_dir = summary_dir or checkpoint_dir
    if summary_dir:
        if log_step_count_steps and log_step_count_steps > 0:
            all_hooks.append(StepCounterHook(output_dir=summary_dir, every_n_steps=log_step_count_steps))
        if _is_on(save_summaries_steps) or _is_on(save_summaries_secs):
            all_hooks.append(
                SummarySaverHook(
                    scaffold=scaffold,
                    save_steps=save_summaries_steps,
                    save_secs=save_summaries_secs,
                    output_dir=summary_dir,
                )
            )
    if checkpoint_dir and (_is_on(save_checkpoint_secs) or _is_on(save_checkpoint_steps)):
        all_hooks.append(
            CheckpointSaverHook(
                checkpoint_dir, save_steps=save_checkpoint_steps, save_secs=save_checkpoint_secs, scaffold=scaffold
            )
        )
    all_hooks.extend(hooks or ())
    return MonitoredSession(chief, all_hooks, stop_grace_period_secs)


def _intervals(steps: Any, seconds: Any, default: tuple[Any, Any]) -> tuple[Any, Any]:
    """The interval in steps and in seconds; where neither is given, the default."""
    if steps is USE_DEFAULT and seconds is USE_DEFAULT:
        return default
    return None if steps is USE_DEFAULT else steps, None if seconds is USE_DEFAULT else seconds


def _is_on(interval: Any) -> bool:
    return bool(interval and interval > 0)
