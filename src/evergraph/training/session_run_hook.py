"""`tf.train.SessionRunHook`: what is called before and after each run of a `MonitoredSession`.

begin ─► session made ─► after_create_session ─┬─► before_run ─► run ─► after_run ─┐ ─► end
                                               └───────────────────◄───────────────┘
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from evergraph.framework.api import public


@public("train.SessionRunArgs", "estimator.SessionRunArgs")
class SessionRunArgs(namedtuple("SessionRunArgs", ("fetches", "feed_dict", "options"))):
    """What a hook adds to a run.

    Args:
        fetches: what to fetch besides, as for `Session.run`.
        feed_dict: what to feed besides.
        options: a `RunOptions`.
    """

    __slots__ = ()

    def __new__(cls, fetches: Any, feed_dict: Any = None, options: Any = None) -> SessionRunArgs:
        return super().__new__(cls, fetches, feed_dict, options)


@public("train.SessionRunContext", "estimator.SessionRunContext")
class SessionRunContext:
    """The run that a hook is called for: what was asked for, in which session; and a way to ask for an end.

    Args:
        original_args: the `SessionRunArgs` of the caller.
        session: the session, without hooks.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self._original_args = original_args
        self._session = session
        self._stop_requested = False

    @property
    def original_args(self) -> SessionRunArgs:
        """What the caller of `run` gave."""
        return self._original_args

    @property
    def session(self) -> Any:
        """The session that runs: a run in it calls no hooks."""
        return self._session

    @property
    def stop_requested(self) -> bool:
        """Whether a hook has asked for an end of the loop."""
        return self._stop_requested

    def request_stop(self) -> None:
        """Have `should_stop` of the session be true after this run."""
        self._stop_requested = True


@public("train.SessionRunValues", "estimator.SessionRunValues")
class SessionRunValues(namedtuple("SessionRunValues", ("results", "options", "run_metadata"))):
    """What came of a run: the values of what the hook asked for, the options, and the metadata."""

    __slots__ = ()


@public("train.SessionRunHook", "estimator.SessionRunHook")
class SessionRunHook:
    """Extends the runs of a `MonitoredSession`; a subclass overrides what it needs.

    >>> class Printer(tf.train.SessionRunHook):
    ...     def before_run(self, run_context):
    ...         return tf.train.SessionRunArgs("loss:0")
    ...     def after_run(self, run_context, run_values):
    ...         print(run_values.results)
    >>> loss, step = tf.constant(2.5, name="loss"), tf.no_op()
    >>> with tf.train.MonitoredSession(hooks=[Printer()]) as monitored:
    ...     monitored.run(step)
    2.5
    """

    def begin(self) -> None:
        """Called once, before the session is made: the last moment to add ops."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called for each session that is made, the first one and those made after a failure."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; what it gives is added to the run."""
        return None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run that did not fail."""

    def end(self, session: Any) -> None:
        """Called once at the end, unless the loop ends with an error (the end of the data is none)."""
