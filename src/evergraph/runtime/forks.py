"""A session in a process that was forked.

A fork copies the thread that called it and no other. XLA's threads are gone in the child, and waiting for them would
never end; a lock that another thread held stays held. So in a child whose parent had JAX loaded, every stage is
interpreted, and sessions get new locks. Their values are those of the parent at the time, and each process goes on with
its own.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any

lost_its_threads = False
"""Whether this process was forked from one that had JAX loaded: XLA cannot run in it."""

_states: weakref.WeakSet[Any] = weakref.WeakSet()


def keep_usable(state: Any) -> None:
    """Give `state` a lock of its own in each child of this process."""
    _states.add(state)


def _in_child() -> None:
    global lost_its_threads
    lost_its_threads = lost_its_threads or "jax" in sys.modules
    for state in list(_states):
        state.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
