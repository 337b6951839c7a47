"""A session in a process that was forked.

A fork copies the thread that called it and no other. XLA's threads are gone in the child, and waiting for them would
never end; a lock that another thread held stays held. So in a child whose parent had JAX loaded, every stage is
interpreted, and sessions, queues and iterators get new locks. The values are those of the parent at the time (a fork
waits for steps that are still being computed), and each process goes on with its own. Queue runners and threads of
iterators stay in the parent: an iterator that has some says so in the child.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any

lost_its_threads = False
"""Whether this process was forked from one that had JAX loaded: XLA cannot run in it."""

_PATIENCE = 5.0  # s, for a step that holds the lock


class _Held(threading.local):
    """What a thread that forks has locked; other threads may fork meanwhile."""

    def __init__(self) -> None:
        self.locks: list[Any] = []


_held = _Held()

_states: weakref.WeakSet[Any] = weakref.WeakSet()


def keep_usable(state: Any) -> None:
    """Give `state` a lock of its own in each child of this process."""
    _states.add(state)


def _before() -> None:
    """In the parent: nothing may be half done, since what threads were at ends for the child."""
    for state in list(_states):
        if state.lock.acquire(timeout=_PATIENCE):
            _held.locks.append(state.lock)
        state.wait_until_computed()


def _in_parent() -> None:
    while _held.locks:
        _held.locks.pop().release()


def _in_child() -> None:
    global lost_its_threads
    lost_its_threads = lost_its_threads or "jax" in sys.modules
    _held.locks.clear()
    for state in list(_states):
        state.lock = threading.RLock()
        state.resources.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
