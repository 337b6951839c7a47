"""`tensorflow.python.pywrap_tensorflow.EventsWriter`: how programs that go below `FileWriter` write event files."""

from __future__ import annotations

from typing import Any

from evergraph.formats.events import EventsWriter as _Writer
from evergraph.framework import convert


class EventsWriter:
    """Writes `Event` messages to a file, whose name starts with `file_prefix`.

    Raises:
        TypeError: by `WriteEvent`, for what is no `Event` message.
    """

    def __init__(self, file_prefix: Any) -> None:
        self._prefix = convert.as_text(file_prefix)
        self._writer = _Writer(self._prefix)

    def InitWithSuffix(self, suffix: Any) -> None:
        """Start a file whose name ends with `suffix`."""
        self._writer.close()
        self._writer = _Writer(self._prefix, convert.as_text(suffix))
        self._writer.flush()

    def FileName(self) -> bytes:
        """The file's name; it is made if there is none yet."""
        self._writer.flush()
        return convert.as_bytes(self._writer.path)

    def WriteEvent(self, event: Any) -> None:
        """Add an event."""
        if getattr(getattr(event, "DESCRIPTOR", None), "name", "") != "Event":
            raise TypeError(f"Expected an Event message, got {type(event)}")
        self._writer.write(event)

    def _WriteSerializedEvent(self, event: bytes) -> None:
        self._writer.write(event)

    def Flush(self) -> None:
        self._writer.flush()

    def Close(self) -> None:
        self._writer.close()
