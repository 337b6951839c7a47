"""`tf.train.basic_train_loop`: a function called again and again under a `Supervisor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public


@public("train.basic_train_loop")
def basic_train_loop(
    supervisor: Any, train_step_fn: Callable[..., Any], args: Any = None, kwargs: Any = None, master: str = ""
) -> None:
    """Call `train_step_fn(sess, *args, **kwargs)` until the supervisor's loop is to stop.

    Args:
        supervisor: a `tf.train.Supervisor`. When a session is lost (`AbortedError`), it makes another.
        train_step_fn: does one step.
        args: a list.
        kwargs: a dict.
        master: the session's target.
    """
    while True:
        try:
            with supervisor.managed_session(master) as sess:
                while not supervisor.should_stop():
                    train_step_fn(sess, *(args or ()), **(kwargs or {}))
            return
        except errors.AbortedError:
            continue
