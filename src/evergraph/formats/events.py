"""Event files: TFRecords of `Event` messages, which TensorBoard reads."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from evergraph.formats import messages
from evergraph.formats.files import data_loss, translated
from evergraph.formats.tfrecord import framed, read_records

FILE_VERSION = "brain.Event:2"


class EventsWriter:
    """Writes one event file. It is made when the first event comes, named after the time and the machine.

    Args:
        prefix: the path that the name starts with, as `logs/events`.
        suffix: what the name ends with.
    """

    def __init__(self, prefix: str, suffix: str = "") -> None:
        self._prefix = prefix
        self._suffix = suffix
        self._file: BinaryIO | None = None
        self.path = ""

    def write(self, event: Any) -> None:
        """Add an `Event` message, or the bytes of one."""
        data = event if isinstance(event, bytes) else event.SerializeToString()
        file = self._open()
        with translated(self.path):
            file.write(framed(data))

    def flush(self) -> None:
        """Hand everything written so far to the system. Makes the file if there is none yet."""
        file = self._open()
        with translated(self.path):
            file.flush()

    def close(self) -> None:
        """Close the file; a later event starts a new one."""
        if self._file is not None:
            file, self._file = self._file, None
            with translated(self.path):
                file.close()

    def _open(self) -> BinaryIO:
        if self._file is not None and not os.path.exists(self.path):  # it was deleted while we wrote
            self.close()
        if self._file is None:
            now = time.time()
            name = f"{self._prefix}.out.tfevents.{int(now):010d}.{socket.gethostname()}{self._suffix}"
            self.path = name
            with translated(name):
                self._file = open(name, "wb")  # noqa: SIM115 - closed by close
            first = messages.Event(wall_time=now, file_version=FILE_VERSION)
            self._file.write(framed(first.SerializeToString()))
        return self._file


def read_events(path: str) -> Iterator[Any]:
    """The `Event` messages of a file.

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: where the file is damaged, or ends inside of a record.
    """
    for record in read_records(path):
        try:
            event = messages.Event.FromString(record)
        except Exception as error:  # protobuf's own class has no public name that all its releases share
            raise data_loss(path, f"a record is no event: {error}") from None
        yield event
