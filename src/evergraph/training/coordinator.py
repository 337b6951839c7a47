"""`tf.train.Coordinator`: how the threads of a program agree on when to stop, and why."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import errors, log
from evergraph.framework.api import public


@public("train.Coordinator", "train.coordinator.Coordinator")
class Coordinator:
    """Lets threads ask each other to stop, and a main thread wait for all of them.

    A thread loops `while not coord.should_stop()`; any thread may call `coord.request_stop()`, with an exception if it
    failed; `coord.join(threads)` waits for them and raises that exception. `tf.errors.OutOfRangeError`, the end of the
    data, counts as a clean stop.

    Args:
        clean_stop_exception_types: exceptions that stop the threads without being raised by `join`.

    >>> coord = tf.train.Coordinator()
    >>> with coord.stop_on_exception():
    ...     raise tf.errors.OutOfRangeError(None, None, "no more data")
    >>> coord.should_stop()
    True
    """

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        if clean_stop_exception_types is None:
            clean_stop_exception_types = (errors.OutOfRangeError,)
        self._clean_stop_exception_types = tuple(clean_stop_exception_types)
        self._lock = threading.Lock()
        self._stop_event = threading.Event()
        self._progress = threading.Condition()  # notified when a stop is asked for, or threads have ended
        self._exc_info_to_raise: Any = None
        self._joined = False
        self._registered_threads: set[threading.Thread] = set()

    def request_stop(self, ex: Any = None) -> None:
        """Ask all threads to stop.

        Args:
            ex: an exception that is being handled, or what `sys.exc_info()` gives; `join` raises the first one. If
                `join` is over, it is raised here.
        """
        with self._lock:
            error = ex[1] if isinstance(ex, tuple) else ex
            if isinstance(error, self._clean_stop_exception_types):
                ex = error = None
            if self._joined and ex is not None:
                raise error if isinstance(ex, tuple) else sys.exc_info()[1] or error
            if self._stop_event.is_set():
                return
            if ex and self._exc_info_to_raise is None:
                if isinstance(ex, tuple):
                    log.info("Error reported to Coordinator: %s", error)
                    self._exc_info_to_raise = ex
                else:
                    log.info("Error reported to Coordinator: %s, %s", type(ex), ex)
                    self._exc_info_to_raise = sys.exc_info()
                found = self._exc_info_to_raise
                if len(found) != 3 or not found[0] or not found[1]:
                    message = f"ex must be a tuple or sys.exc_info must return the current exception: {found}"
                    self._exc_info_to_raise = (ValueError, ValueError(message), None)
            self._stop_event.set()
        with self._progress:
            self._progress.notify_all()

    def clear_stop(self) -> None:
        """Forget that a stop was asked for, and its exception: the coordinator can be used again."""
        with self._lock:
            self._joined = False
            self._exc_info_to_raise = None
            self._stop_event.clear()

    def should_stop(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop_event.is_set()

    @contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """A context in which an exception asks all threads to stop and goes no further."""
        try:
            yield
        except BaseException:
            self.request_stop(ex=sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Wait until a stop is asked for, for at most `timeout` seconds; whether it was."""
        return self._stop_event.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Have `join` wait for `thread` too."""
        with self._lock:
            self._registered_threads.add(thread)

    def join(self, threads: Any = None, stop_grace_period_secs: float = 120, ignore_live_threads: bool = False) -> None:
        """Wait for the threads to end.

        Args:
            threads: threads to wait for, besides the registered ones.
            stop_grace_period_secs: how long to wait for them once a stop was asked for.
            ignore_live_threads: whether threads that still run after that are no error.

        Raises:
            Exception: what was given to `request_stop`.
            RuntimeError: if threads still run.
        """
        with self._lock:
            waited_for = [*self._registered_threads.union(threads or ())]
        watcher = threading.Thread(target=self._watch, args=(waited_for,), daemon=True)
        watcher.start()
        with self._progress:
            self._progress.wait_for(lambda: self._stop_event.is_set() or not _alive(waited_for))
            deadline = time.monotonic() + stop_grace_period_secs
            while _alive(waited_for) and (left := deadline - time.monotonic()) > 0:
                self._progress.wait(left)
        stragglers = [thread.name for thread in _alive(waited_for)]
        with self._lock:
            self._joined = True
            self._registered_threads = set()
            if self._exc_info_to_raise:
                _raise(self._exc_info_to_raise)
            elif stragglers:
                message = f"Coordinator stopped with threads still running: {' '.join(stragglers)}"
                if not ignore_live_threads:
                    raise RuntimeError(message)
                log.info(message)

    def _watch(self, threads: list[threading.Thread]) -> None:
        for thread in threads:
            if thread.is_alive():
                thread.join()
        with self._progress:
            self._progress.notify_all()

    @property
    def joined(self) -> bool:
        """Whether `join` is over."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raise the exception that was given to `request_stop`, if any."""
        with self._lock:
            if self._exc_info_to_raise:
                _raise(self._exc_info_to_raise)


def _alive(threads: list[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threads if thread.is_alive()]


def _raise(exc_info: Any) -> None:
    error = exc_info[1]
    raise (error if isinstance(error, BaseException) else exc_info[0](error)).with_traceback(exc_info[2])


@public("train.LooperThread", "train.coordinator.LooperThread")
class LooperThread(threading.Thread):
    """A thread that calls `run_loop`, or a function, until its coordinator asks it to stop.

    Args:
        coord: the coordinator, which also gets any exception.
        timer_interval_secs: time from one call to the next; None calls again at once.
        target, args, kwargs: the function and its arguments.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"'coord' argument must be a Coordinator: {coord}")
        super().__init__()
        self.daemon = True
        self._coord = coord
        self._timer_interval_secs = timer_interval_secs
        self._target = target
        if target:
            self._args = args or ()
            self._kwargs = kwargs or {}
        elif args or kwargs:
            raise ValueError("'args' and 'kwargs' argument require that you also pass 'target'")
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
    ) -> LooperThread:
        """Start a thread that calls `target` again and again."""
        looper = LooperThread(coord, timer_interval_secs, target=target, args=args, kwargs=kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._timer_interval_secs is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                due = time.time()
                while not self._coord.wait_for_stop(due - time.time()):
                    due += self._timer_interval_secs
                    self.run_loop()
            self.stop_loop()

    def isAlive(self) -> bool:
        """`is_alive`, under the name that older programs call."""
        return self.is_alive()

    def start_loop(self) -> None:
        """Called once before the loop; for subclasses."""

    def stop_loop(self) -> None:
        """Called once after the loop; for subclasses."""

    def run_loop(self) -> None:
        """Called again and again."""
        if self._target:
            self._target(*self._args, **self._kwargs)
