"""Locks of a session: what `tf.CriticalSection` is made of.

`MutexLock` gives a *lock* of its mutex, a value like any other; the mutex is free again when the value is used up
(`ConsumeMutexLock`) or, in a run that failed, forgotten. Runs of a session wait for each other there. Ops of one run do
not: a section sees what the sections before it, in the order of their creation, have written (compiler/effects.py), so
they are serial although they are compiled together.
"""

from __future__ import annotations

import threading
from typing import Any

from evergraph.ops.opdef import op
from evergraph.ops.running import Running, Step


class Mutex:
    """Held by one run at a time, as often as that run likes."""

    def __init__(self) -> None:
        self.condition = threading.Condition(threading.RLock())  # garbage may be collected, and free it, anywhere
        self.owner: Step | None = None
        self.thread = 0
        self.locks: set[object] = set()  # what stands for each `Lock` that is not released

    def is_free_for(self, step: Step) -> bool:
        """Whether `step` may hold it. A thread has one run at a time: one that it had before is over, and failed."""
        return self.owner is None or self.owner is step or self.thread == threading.get_ident()

    def lock_for(self, step: Step) -> Lock:
        if self.owner is not step:
            self.owner, self.thread = step, threading.get_ident()
            self.locks = set()
        return Lock(self)


class Lock:
    """That a run holds a mutex."""

    def __init__(self, mutex: Mutex) -> None:
        self._mutex = mutex
        self._key = object()
        mutex.locks.add(self._key)

    def release(self) -> None:
        mutex = self._mutex
        with mutex.condition:
            if self._key in mutex.locks:
                mutex.locks.remove(self._key)
                if not mutex.locks:
                    mutex.owner = None
                    mutex.condition.notify_all()

    __del__ = release


@op("MutexV2", session=True, differentiable=False)
def mutex_op(xp: Any, *, run: Running, container: bytes, shared_name: bytes) -> Any:
    """A mutex, which belongs to the session."""
    return run.resource(container, shared_name, Mutex)


@op("MutexLock", session=True, differentiable=False)
def mutex_lock_op(xp: Any, mutex: Any, *, run: Running) -> Any:
    """Take the mutex, once no other run holds it."""
    with mutex.condition:
        run.wait_for(mutex.condition, lambda: mutex.is_free_for(run.step))
        return mutex.lock_for(run.step)


@op("ConsumeMutexLock", session=True, differentiable=False)
def consume_mutex_lock_op(xp: Any, mutex_lock: Any, *, run: Running) -> Any:
    """Let go of the mutex."""
    mutex_lock.release()
    return ()


for _op in (mutex_op, mutex_lock_op):
    _op.shape(lambda *inputs: ())
