"""What a kernel may know of the run it is part of: `@op(..., host=True, session=True)`.

Most kernels are functions of their inputs. Queues, tables, readers and iterators are not: they live as long as the
session, have a name there, and may make a run wait. The kernel of such an op gets a keyword `run`, a `Running`:

    @op("FIFOQueueV2", host=True, session=True)
    def fifo_queue(xp, *, run, container, shared_name, ...):
        return run.resource(container, shared_name, lambda: FifoQueue(...))   # the handle is the object itself

    @op("QueueDequeueV2", host=True, session=True)
    def dequeue(xp, handle, *, run, ...):
        with handle.condition:
            run.wait_for(handle.condition, lambda: handle.elements or handle.closed)

A handle in a graph (a `resource`, or a reference to strings in older graphs) is, in a run, the Python object that it
names. Ops of this kind run without the session's lock, so one that waits stops nobody else.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from evergraph.framework import errors
from evergraph.framework.operation import Operation

T = TypeVar("T")


_private = itertools.count()

_LOCKS: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
    threading.Condition: threading.Condition,
}


class Resources:
    """The named objects of one session: queues, tables, readers, iterators, ..."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._named: dict[tuple[str, Any], Any] = {}
        self._closed: errors.OpError | None = None
        self._waiting: list[threading.Condition] = []

    def get_or_make(self, container: str, name: Any, make: Callable[[], T]) -> T:
        """The object called `name` (a string, or the op whose own it is), made the first time."""
        with self._lock:
            found = self._named.get((container, name))
            if found is None:
                found = self._named[container, name] = make()
            return found

    def remove(self, thing: Any) -> bool:
        """Forget `thing`; whether it was there."""
        with self._lock:
            names = [name for name, held in self._named.items() if held is thing]
            for name in names:
                del self._named[name]
        return bool(names)

    def remove_container(self, container: str) -> None:
        """Forget everything in a container."""
        with self._lock:
            things = [self._named.pop(name) for name in list(self._named) if name[0] == container]
        for thing in things:
            if hasattr(thing, "release"):
                thing.release()

    def close(self) -> None:
        """Let go of everything; whoever waits here or comes later gets a `CancelledError`."""
        with self._lock:
            self._closed = errors.CancelledError(None, None, "Session has been closed.")
            waiting = self._waiting[:]
            things = list(self._named.values())
            self._named.clear()
        for condition in waiting:
            with condition:
                condition.notify_all()
        for thing in things:
            if hasattr(thing, "release"):
                thing.release()

    def after_fork(self) -> None:
        """Called in a process that was just forked, by its only thread: nobody holds a lock or waits any more."""
        self._lock = threading.RLock()
        self._waiting = []
        for thing in list(self._named.values()):
            for name, value in list(getattr(thing, "__dict__", {}).items()):
                kind = _LOCKS.get(type(value))
                if kind is not None:
                    setattr(thing, name, kind())
            if hasattr(thing, "after_fork"):
                thing.after_fork()

    def check_open(self) -> None:
        if self._closed is not None:
            raise errors.CancelledError(None, None, self._closed.message)

    @contextmanager
    def woken_at_close(self, condition: threading.Condition) -> Iterator[None]:
        """Inside, closing the session notifies `condition`."""
        with self._lock:
            self._waiting.append(condition)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(condition)


class Step:
    """What all kernels of one run have in common: whether it failed, and who does the rest while one of them waits."""

    __slots__ = ("_lock", "_waiting", "before_wait", "failed", "handed_over")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []
        self.failed = False
        self.before_wait: Callable[[Operation, frozenset[str] | None], None] | None = None
        self.handed_over: Any = None  # what runs the rest, once it has been handed over (runtime/handover.py)

    def fail(self) -> None:
        """Let everything that waits in this run go with a `CancelledError`."""
        with self._lock:
            self.failed = True
            waiting = self._waiting[:]
        for condition in waiting:
            with condition:
                condition.notify_all()

    @contextmanager
    def woken_at_failure(self, condition: threading.Condition) -> Iterator[None]:
        """Inside, the failure of the run notifies `condition`."""
        with self._lock:
            self._waiting.append(condition)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(condition)


class FunctionCaller(Protocol):
    """Runs functions of the graph's library; `Running` says what the others are."""

    def __call__(self, op: Operation, function: Any, arguments: list[Any]) -> list[Any]: ...

    def forget_variable(self, handle: Any) -> bool | None: ...

    def library(self) -> Any: ...


class Running:
    """One run of a session, as a kernel sees it.

    Args:
        resources: the session's.
        call: runs a function of the graph's library: `call(name, arguments)` gives its results.
        deadline: when the run gives up, on the clock `time.monotonic` (s), or None.
        step: shared by all kernels of the run.
    """

    __slots__ = ("call", "deadline", "op", "resources", "step")

    def __init__(
        self,
        resources: Resources,
        call: FunctionCaller,
        deadline: float | None = None,
        step: Step | None = None,
    ) -> None:
        self.step = step or Step()
        self.resources = resources
        self.call = call
        self.deadline = deadline
        self.op: Any = None

    def at(self, op: Operation) -> Running:
        """The same run, seen from `op`."""
        here = Running(self.resources, self.call, self.deadline, self.step)
        here.op = op
        return here

    def resource(self, container: bytes, shared_name: bytes, make: Callable[[], T]) -> T:
        """The session's object of that name; without a name, the one of this op."""
        return self.resources.get_or_make(container.decode(), shared_name.decode() or self.op, make)

    def display_name(self, shared_name: bytes) -> str:
        """What error messages call a new object: without a shared name, `_<number>_<op's name>`, as in TF."""
        return shared_name.decode() or f"_{next(_private)}_{self.op.name}"

    def function(self, function: Any, arguments: list[Any]) -> list[Any]:
        """Run a function of the graph's library (an attribute of type `func`) and give its results."""
        return self.call(self.op, function, arguments)

    def forget_variable(self, handle: Any) -> bool | None:
        """Take away the value of the variable that the tensor `handle` names; whether there was one. None for another
        kind of handle."""
        return self.call.forget_variable(handle)

    def library(self) -> Any:
        """The functions of the graph's library for something that outlives this run: `library().bound(graph, function)`
        gives a function of a list of arguments. Random ops in them start their streams anew, and go on from call to
        call.
        """
        return self.call.library()

    def check(self) -> None:
        """Raise if the session was closed, another op of the run failed, or the time of the run is over."""
        self.resources.check_open()
        if self.step.failed:
            raise errors.CancelledError(None, None, "another op of this run failed")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise errors.DeadlineExceededError(None, None, "Timed out waiting for notification")

    def let_others_go_on(self, kinds: frozenset[str] | None = None) -> None:
        """Have other ops of the run go on in another thread: this one may take long.

        Args:
            kinds: do so only if one of these types of op could start now.
        """
        if self.step.before_wait is not None:
            self.step.before_wait(self.op, kinds)

    def wait_for(self, condition: threading.Condition, ready: Callable[[], Any]) -> None:
        """Wait until `ready()`; the caller holds `condition`, and whoever changes what `ready` looks at notifies it.

        Other ops of the run, which do not need this one, go on meanwhile.

        Raises:
            CancelledError: if the session is closed meanwhile, or another op of the run fails.
            DeadlineExceededError: if the time given to the run is over.
        """
        if ready():
            return
        self.let_others_go_on()
        with self.resources.woken_at_close(condition), self.step.woken_at_failure(condition):
            while not ready():
                self.check()
                condition.wait(None if self.deadline is None else max(0.0, self.deadline - time.monotonic()))
