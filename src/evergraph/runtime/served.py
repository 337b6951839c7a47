"""Targets of sessions that are servers of this process: what their sessions share.

`tf.train.Server` puts itself here under its target, `grpc://localhost:12345`; a session on that target has the
server's variables, queues and tables, whatever its graph, and they stay when it is closed.
"""

from __future__ import annotations

import weakref
from typing import Any

from evergraph.runtime.state import State


class Served:
    """What the sessions on one server share.

    Args:
        job: the server's job.
        task: its number there.
        config: a `ConfigProto`, whose time limit holds for sessions without one of their own.
    """

    def __init__(self, job: str, task: int, config: Any = None) -> None:
        self.task = job, task
        self.config = config
        self.state = State()
        self.sessions: weakref.WeakSet[Any] = weakref.WeakSet()

    def reset(self, containers: Any) -> None:
        """Forget the variables and other objects in `containers`, by default the default one; end all sessions."""
        names = [c.decode() if isinstance(c, bytes) else c for c in containers or ("",)]
        names = ["" if name == "localhost" else name for name in names]
        for session in list(self.sessions):
            session._abort()
        self.sessions.clear()
        with self.state.lock:
            for key in [k for k in self.state.variables if _container(k) in names]:
                self.state.array(key)  # out of a pack
                del self.state.variables[key]
                self.state.layout += 1
        for name in names:
            self.state.resources.remove_container(name)


SERVED: dict[str, Served] = {}
"""The servers of this process, by target."""


def _container(key: str) -> str:
    return key.partition("|")[0] if "|" in key else ""
