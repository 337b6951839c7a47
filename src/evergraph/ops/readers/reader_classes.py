"""`tf.TextLineReader` and its relatives: what a program makes and reads from.

names = tf.train.string_input_producer(["a.txt", "b.txt"])
key, line = tf.TextLineReader(skip_header_lines=1).read(names)
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op


@public("ReaderBase")
class ReaderBase:
    """Takes names from a queue and gives the records that they stand for.

    Args:
        reader_ref: the handle of the reader.
        supports_serialize: whether its state can be kept.
    """

    def __init__(self, reader_ref: Tensor, supports_serialize: bool = False) -> None:
        self._reader_ref = reader_ref
        self._supports_serialize = supports_serialize

    @property
    def reader_ref(self) -> Tensor:
        """The handle of the reader."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether `serialize_state` works."""
        return self._supports_serialize

    def _op(self, kind: str, *inputs: Any, name: str | None) -> Any:
        return raw_op(kind + "V2" if self._is_resource else kind)(self._reader_ref, *inputs, name=name)

    @property
    def _is_resource(self) -> bool:
        return self._reader_ref.dtype is dtypes.resource

    def _handle_of(self, queue: Any) -> Tensor:
        handle = queue if isinstance(queue, Tensor) else queue.queue_ref
        return handle if self._is_resource else raw_op("FakeQueue")(handle)

    def read(self, queue: Any, name: str | None = None) -> Any:
        """The next record.

        Args:
            queue: a queue of strings, or its handle: the names.

        Returns:
            `(key, value)`, string scalars. In a run it waits for a name when a file is at its end, and raises
            `OutOfRangeError` when the queue is closed and empty.
        """
        return self._op("ReaderRead", self._handle_of(queue), name=name)

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> Any:
        """The next records of one file, at most `num_records`.

        Returns:
            `(keys, values)`, string vectors.
        """
        return self._op("ReaderReadUpTo", self._handle_of(queue), num_records, name=name)

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records the reader has given: an int64 scalar."""
        return self._op("ReaderNumRecordsProduced", name=name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files the reader has finished: an int64 scalar."""
        return self._op("ReaderNumWorkUnitsCompleted", name=name)

    def serialize_state(self, name: str | None = None) -> Tensor:
        """How far the reader has come: a string scalar. Readers of whole files and of names have it."""
        return self._op("ReaderSerializeState", name=name)

    def restore_state(self, state: Any, name: str | None = None) -> Any:
        """An op that has the reader go on from a state that `serialize_state` gave."""
        return self._op("ReaderRestoreState", state, name=name)

    def reset(self, name: str | None = None) -> Any:
        """An op that has the reader begin anew."""
        return self._op("ReaderReset", name=name)


@public("WholeFileReader")
class WholeFileReader(ReaderBase):
    """Gives each file as one record, with its name as the key."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(raw_op("WholeFileReaderV2")(name=name), supports_serialize=True)


@public("TextLineReader")
class TextLineReader(ReaderBase):
    """Gives the lines of text files.

    Args:
        skip_header_lines: how many lines to leave out at the beginning of each.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        super().__init__(raw_op("TextLineReaderV2")(skip_header_lines=skip_header_lines, name=name))


@public("FixedLengthRecordReader")
class FixedLengthRecordReader(ReaderBase):
    """Gives pieces of `record_bytes` bytes.

    Args:
        record_bytes: the length of a record.
        header_bytes, footer_bytes: what to leave out at the beginning and at the end of a file.
        hop_bytes: from the start of a record to that of the next; by default `record_bytes`.
        encoding: "ZLIB" or "GZIP" for compressed files.
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        super().__init__(
            raw_op("FixedLengthRecordReaderV2")(
                record_bytes=record_bytes,
                header_bytes=header_bytes,
                footer_bytes=footer_bytes,
                hop_bytes=hop_bytes,
                encoding=encoding,
                name=name,
            )
        )


@public("TFRecordReader")
class TFRecordReader(ReaderBase):
    """Gives the records of TFRecord files.

    Args:
        options: `tf.python_io.TFRecordOptions`, for compressed files.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        super().__init__(raw_op("TFRecordReaderV2")(name=name, compression_type=_compression(options)))


def _compression(options: Any) -> str:
    """How files are compressed, from options, one of `TFRecordCompressionType`, or its name."""
    if hasattr(options, "get_compression_type_string"):
        return options.get_compression_type_string(options)
    return {None: "", 0: "", 1: "ZLIB", 2: "GZIP"}.get(options, options)


@public("LMDBReader")
class LMDBReader(ReaderBase):
    """Gives the entries of LMDB databases: their files, or the directories with a `data.mdb`.

    Args:
        name: what to call the op.
        options: accepted for TF's signature.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        super().__init__(raw_op("LMDBReader")(name=name))


@public("IdentityReader")
class IdentityReader(ReaderBase):
    """Gives the names themselves, as keys and as values."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(raw_op("IdentityReaderV2")(name=name), supports_serialize=True)
