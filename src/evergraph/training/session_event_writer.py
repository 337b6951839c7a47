"""Writes `Event` messages with ops of a session's graph, so that they join what such ops write there."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats.files import translated
from evergraph.framework import convert, dtypes
from evergraph.framework.scopes import name_scope
from evergraph.ops.constant import constant
from evergraph.ops.identity import placeholder_with_default
from evergraph.training.writer_summaries import always_record_summaries, create_file_writer, import_event


class EventFileWriterV2:
    """What `FileWriter(session=...)` writes with; the arguments are those of `EventFileWriter`, after the session."""

    def __init__(
        self, session: Any, logdir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str | None = ""
    ) -> None:
        self._session = session
        self._logdir = convert.as_text(os.fspath(logdir))
        self._closed = False
        with translated(self._logdir):
            os.makedirs(self._logdir, exist_ok=True)
        with session.graph.as_default():
            with name_scope("filewriter"):
                writer = create_file_writer(
                    self._logdir,
                    max_queue=max_queue,
                    flush_millis=int(flush_secs * 1000),
                    filename_suffix=filename_suffix,
                )
                with always_record_summaries(), writer.as_default():
                    self._event = placeholder_with_default(constant("unused", dtypes.string), shape=[])
                    self._add_op = import_event(self._event)
                self._init_op = writer.init()
                self._flush_op = writer.flush()
                self._close_op = writer.close()
            session.run(self._init_op)

    def get_logdir(self) -> str:
        return self._logdir

    def reopen(self) -> None:
        """Go on after `close`, with a new file."""
        if self._closed:
            self._closed = False
            self._session.run(self._init_op)

    def add_event(self, event: Any) -> None:
        """Write an event. After `close` it is dropped."""
        if not self._closed:
            self._session.run(self._add_op, feed_dict={self._event: event.SerializeToString()})

    def flush(self) -> None:
        """Hand everything written so far to the system."""
        self._session.run(self._flush_op)

    def close(self) -> None:
        """Write what is left and close the file."""
        if not self._closed:
            self.flush()
            self._session.run(self._close_op)
            self._closed = True
