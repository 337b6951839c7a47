"""Writes `Event` messages to an event file in a directory."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from typing import Any

from evergraph.formats.events import EventsWriter
from evergraph.formats.files import translated
from evergraph.framework import convert

_open: weakref.WeakSet[EventFileWriter] = weakref.WeakSet()


class EventFileWriter:
    """Writes events; what is written reaches the file at the latest with the first event after `flush_secs` seconds.

    Args:
        logdir: the directory, which is made if need be.
        max_queue: after so many events, they go to the file too.
        flush_secs: how long events may stay in memory.
        filename_suffix: what the file's name ends with. Without one, the file is made when the first event comes.
    """

    def __init__(
        self, logdir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str | None = None
    ) -> None:
        self._logdir = convert.as_text(os.fspath(logdir))
        if self._logdir:
            with translated(self._logdir):
                os.makedirs(self._logdir, exist_ok=True)
        self._flush_secs = flush_secs
        self._next_flush = 0.0
        self._lock = threading.Lock()
        self._closed = False
        self._writer = EventsWriter(os.path.join(self._logdir, "events"), filename_suffix or "")
        if filename_suffix:
            self._writer.flush()
        _open.add(self)

    def get_logdir(self) -> str:
        return self._logdir

    def reopen(self) -> None:
        """Go on after `close`, with a new file."""
        self._closed = False

    def add_event(self, event: Any) -> None:
        """Write an event. After `close` it is dropped."""
        with self._lock:
            if self._closed:
                return
            self._writer.write(event)
            now = time.time()
            if now > self._next_flush:
                self._writer.flush()
                self._next_flush = now + self._flush_secs

    def flush(self) -> None:
        """Hand everything written so far to the system."""
        with self._lock:
            if not self._closed:
                self._writer.flush()

    def close(self) -> None:
        """Write what is left and close the file."""
        with self._lock:
            if not self._closed:
                self._writer.flush()
                self._writer.close()
                self._closed = True


@atexit.register
def _flush_all() -> None:
    for writer in list(_open):
        writer.flush()
