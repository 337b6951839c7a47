"""What the iterators below one iterator of a graph share: functions, random seeds, threads, and when to stop."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.ops import philox
from evergraph.ops.running import Running

_BLOCKS = 64  # of random numbers made at once
_MANY_BLOCKS = 1024  # for those who take many


class Words:
    """The 32-bit words of a Philox stream, one by one.

    Args:
        seed, seed2: 64-bit integers.
    """

    __slots__ = ("_at", "_block", "_seeds", "_words")

    def __init__(self, seed: int, seed2: int) -> None:
        self._seeds = seed, seed2
        self._block = self._at = 0
        self._words = np.empty(0, np.int64)

    def __next__(self) -> int:
        if self._at == len(self._words):
            self._make(_BLOCKS)
        self._at += 1
        return int(self._words[self._at - 1])

    def take(self, count: int) -> np.ndarray:
        """The next `count` words, as int64."""
        missing = count - (len(self._words) - self._at)
        if missing > 0:
            self._make(max(_MANY_BLOCKS if self._block else _BLOCKS, -(-missing // 4)))
        self._at += count
        return self._words[self._at - count : self._at]

    def _make(self, blocks: int) -> None:
        """Add words to those that are left."""
        index = np.arange(self._block, self._block + blocks, dtype=np.uint64)
        words = np.stack(philox.blocks(np, index, *self._seeds), axis=1).ravel().astype(np.int64)
        self._block += blocks
        self._words = np.concatenate([self._words[self._at :], words])
        self._at = 0


class _Deadline(threading.local):
    value: float | None = None


_deadline = _Deadline()


class Context:
    """Shared by the iterators that one `MakeIterator` makes, those of nested datasets included."""

    def __init__(self, run: Running) -> None:
        self.library = run.library()
        self.is_closed = False
        self.is_left_behind = False  # whether this process was forked, and the threads are in the other one
        self._resources = run.resources
        self._functions: dict[Any, Any] = {}
        self._seeds: dict[str, Words] = {}
        self.statistics: Any = None  # where those of the datasets go (statistics.py)
        self.most_threads: int | None = None  # that call functions at once
        self.caches: dict[str, Any] = {}  # elements of complete passes, by the name of the iterator
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []
        self._threads: list[threading.Thread] = []
        self._pool: Pool | None = None

    def function(self, graph: Any, name: Any) -> Callable[[list[Any]], list[Any]]:
        """A function of the library of `graph`. Its random ops keep one stream for all who call it here."""
        key = graph, name if isinstance(name, str) else name.name
        found = self._functions.get(key)
        if found is None:
            found = self._functions[key] = self.library.bound(graph, name)
        return found

    def next_seeds(self, name: str, seed: int, seed2: int) -> tuple[int, int]:
        """Two seeds for one pass of the reshuffling iterator `name`."""
        with self._lock:
            words = self._seeds.get(name)
            if words is None:
                words = self._seeds[name] = Words(seed, seed2)
            return next(words), next(words)

    # Threads

    def start(self, target: Callable[[], None], name: str) -> None:
        """Run `target` in a thread of its own; it has to return soon after `is_closed` becomes true."""
        self.check()
        thread = threading.Thread(target=target, name=f"evergraph-{name}", daemon=True)
        _with_threads.add(self)
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
        thread.start()

    def pool(self) -> Pool:
        with self._lock:
            if self._pool is None:
                _with_threads.add(self)
                self._pool = Pool(self.most_threads)
            return self._pool

    def wait_for(self, condition: threading.Condition, ready: Callable[[], Any]) -> None:
        """Wait until `ready()`; the caller holds `condition`.

        Raises:
            CancelledError: if the iterator is closed meanwhile.
            DeadlineExceededError: if the time of the run that this thread works for is over.
        """
        if ready():
            return
        with self._lock:
            self._waiting.append(condition)
        try:
            deadline = _deadline.value
            while not ready():
                self.check()
                if deadline is not None and time.monotonic() >= deadline:
                    raise errors.DeadlineExceededError(None, None, "Timed out waiting for notification")
                condition.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        finally:
            with self._lock:
                self._waiting.remove(condition)

    def leave_behind(self) -> None:
        """Called in a process that was just forked."""
        self.is_left_behind = True
        self._lock, self._waiting, self._threads, self._pool = threading.Lock(), [], [], None

    def check(self) -> None:
        if self.is_closed:
            raise errors.CancelledError(None, None, "The iterator was closed.")
        if self.is_left_behind:
            raise errors.FailedPreconditionError(
                None,
                None,
                "The threads of this iterator are in the process that this one was forked from: initialize the "
                "iterator anew, or fork before it is used.",
            )

    def close(self) -> None:
        """Stop all threads."""
        for thread in self._stop():
            if thread is not threading.current_thread():
                thread.join(1.0)

    def _stop(self) -> list[threading.Thread]:
        """Tell all threads to end, and give those that will soon have done so."""
        self.is_closed = True
        with self._lock:
            waiting, threads, pool = self._waiting[:], self._threads, self._pool
            self._threads, self._pool = [], None
        for condition in waiting:
            with condition:
                condition.notify_all()
        if pool is not None:
            pool.close()
        return threads


_with_threads: weakref.WeakSet[Context] = weakref.WeakSet()


def _leave_all_behind() -> None:
    for context in list(_with_threads):
        context.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_behind)

_AT_EXIT = 2.0  # s


@atexit.register
def _stop_all() -> None:
    """End the threads before Python does: one that it ends while it is in a library's C++ takes the process with it."""
    threads: list[threading.Thread] = []
    for context in list(_with_threads):
        pool = context._pool
        threads += context._stop()
        if pool is not None:
            threads += pool.threads
    deadline = time.monotonic() + _AT_EXIT
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


class under_deadline:
    """Inside, waits of this thread give up at `deadline`, on the clock `time.monotonic`."""

    __slots__ = ("_deadline",)

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline

    def __enter__(self) -> None:
        _deadline.value = self._deadline

    def __exit__(self, *exc: Any) -> None:
        _deadline.value = None


class Call:
    """A call under way in another thread."""

    __slots__ = ("condition", "error", "is_done", "result")

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.is_done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, function: Callable[[Any], Any], argument: Any) -> None:
        try:
            self.result = function(argument)
        except BaseException as error:
            self.error = error
        with self.condition:
            self.is_done = True
            self.condition.notify_all()

    def value(self, context: Context) -> Any:
        """What the call gave; raises what it raised."""
        if not self.is_done:
            with self.condition:
                context.wait_for(self.condition, lambda: self.is_done)
        if self.error is not None:
            raise self.error
        return self.result


class Pool:
    """Threads that make calls; as many as were ever wanted at once."""

    MOST = 64

    def __init__(self, most: int | None = None) -> None:
        self._most = most or self.MOST
        self.done = threading.Condition()  # notified after each call
        self._condition = threading.Condition()
        self._calls: deque[tuple[Call, Callable[[Any], Any], Any]] = deque()
        self.threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    def submit(self, function: Callable[[Any], Any], argument: Any) -> Call:
        call = Call()
        with self._condition:
            self._calls.append((call, function, argument))
            if len(self._calls) > self._idle and len(self.threads) < self._most:
                self.threads.append(threading.Thread(target=self._work, name="evergraph-call", daemon=True))
                self.threads[-1].start()
            self._condition.notify()
        return call

    def _work(self) -> None:
        while True:
            with self._condition:
                self._idle += 1
                while not self._calls and not self._closed:
                    self._condition.wait()
                self._idle -= 1
                if self._closed:
                    return
                call, function, argument = self._calls.popleft()
            call.run(function, argument)
            with self.done:
                self.done.notify_all()
            del call, function, argument

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._calls.clear()
            self._condition.notify_all()
