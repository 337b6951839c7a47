"""The default graph and the default session: one stack of each per thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class DefaultStack(threading.local):
    """What `with x.as_default():` pushes and `get_default()` reads."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.enforce_nesting = True
        self.outermost: Any = None  # the thread's default graph outside of all blocks

    def get_default(self) -> Any:
        return self.stack[-1] if self.stack else None

    @contextmanager
    def pushed(self, item: Any) -> Iterator[Any]:
        self.stack.append(item)
        try:
            yield item
        finally:
            if self.enforce_nesting:
                if not self.stack or self.stack[-1] is not item:
                    raise AssertionError(
                        f"Nesting violated for default stack of {type(item)} objects: `with` blocks must close "
                        "innermost first"
                    )
                self.stack.pop()
            elif item in self.stack:
                self.stack.remove(item)


sessions = DefaultStack()
graphs = DefaultStack()


def get_default_session() -> Any:
    """The innermost default session of this thread, or None."""
    return sessions.get_default()


def session_for(call: str, action: str, graph: Any, session: Any) -> Any:
    """The session in which `call` is to run `graph`: the one given, else the default one, if it fits."""
    if session is None:
        session = sessions.get_default()
        if session is None:
            raise ValueError(
                f"Cannot {action} using `{call}`: No default session is registered. Use `with sess.as_default()` "
                f"or pass an explicit session to `{call.replace('()', '(session=sess)')}`"
            )
        whose = "the default session's graph is different from"
    else:
        whose = "the session's graph is different from"
    if session.graph is not graph:
        raise ValueError(
            f"Cannot use {'the default' if 'default' in whose else 'the given'} session to {action}: {whose} the "
            f"{'operation' if 'operation' in action else 'tensor'}'s graph. Pass an explicit session to "
            f"`{call.replace('()', '(session=sess)')}`."
        )
    return session
