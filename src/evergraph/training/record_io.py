"""`tf.python_io`: TFRecord files from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from evergraph.formats.tfrecord import RecordWriter, read_records
from evergraph.framework import convert
from evergraph.framework.api import public


@public("io.TFRecordCompressionType", "python_io.TFRecordCompressionType")
class TFRecordCompressionType:
    """How the records of a file are compressed."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


@public("io.TFRecordOptions", "python_io.TFRecordOptions")
class TFRecordOptions:
    """How to write a TFRecord file.

    Args:
        compression_type: "GZIP", "ZLIB", "" or one of `TFRecordCompressionType`.
        flush_mode: zlib's, after each record.
        input_buffer_size, output_buffer_size: accepted for TF's signature.
        window_bits: zlib's window, 8 to 15.
        compression_level: 0 to 9, or -1.
        compression_method: zlib's; there is one.
        mem_level: 1 to 9.
        compression_strategy: zlib's.

    Raises:
        ValueError: for another kind of compression.
    """

    compression_type_map = {
        TFRecordCompressionType.ZLIB: "ZLIB",
        TFRecordCompressionType.GZIP: "GZIP",
        TFRecordCompressionType.NONE: "",
    }

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: int | None = None,
        input_buffer_size: int | None = None,
        output_buffer_size: int | None = None,
        window_bits: int | None = None,
        compression_level: int | None = None,
        compression_method: int | None = None,
        mem_level: int | None = None,
        compression_strategy: int | None = None,
    ) -> None:
        self.get_compression_type_string(compression_type)  # refuses what does not exist
        self.compression_type = compression_type
        self.flush_mode = flush_mode
        self.input_buffer_size = input_buffer_size
        self.output_buffer_size = output_buffer_size
        self.window_bits = window_bits
        self.compression_level = compression_level
        self.compression_method = compression_method
        self.mem_level = mem_level
        self.compression_strategy = compression_strategy

    @classmethod
    def get_compression_type_string(cls, options: Any) -> str:
        """ "GZIP", "ZLIB" or "" for options, one of `TFRecordCompressionType`, or such a string."""
        if not options:
            return ""
        if isinstance(options, TFRecordOptions):
            return cls.get_compression_type_string(options.compression_type)
        if options in cls.compression_type_map:
            return cls.compression_type_map[options]
        if options in cls.compression_type_map.values():
            return str(options)
        raise ValueError(f'Not a valid compression_type: "{options}"')


@public("io.tf_record_iterator", "python_io.tf_record_iterator")
def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of a TFRecord file, one by one.

    Args:
        path: the file.
        options: a `TFRecordOptions` that says how it is compressed.

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: at a record that is damaged or cut off.

    >>> with tf.python_io.TFRecordWriter(folder + "/data.tfrecord") as writer:
    ...     writer.write(b"one")
    ...     writer.write(b"two")
    >>> list(tf.python_io.tf_record_iterator(folder + "/data.tfrecord"))
    [b'one', b'two']
    """
    return read_records(convert.as_text(os.fspath(path)), TFRecordOptions.get_compression_type_string(options))


@public("io.TFRecordWriter", "python_io.TFRecordWriter")
class TFRecordWriter:
    """Writes records to a file.

    Args:
        path: the file, which is made or emptied.
        options: a `TFRecordOptions`, or a kind of compression.

    Raises:
        NotFoundError, PermissionDeniedError: if the file cannot be made.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        if not isinstance(options, TFRecordOptions):
            options = TFRecordOptions(compression_type=options)
        self._writer = RecordWriter(
            convert.as_text(os.fspath(path)),
            options.get_compression_type_string(options.compression_type),
            options.compression_level,
            options.window_bits,
            options.mem_level,
            options.compression_strategy,
            options.flush_mode,
        )

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def write(self, record: Any) -> None:
        """Add a record: bytes, or text, which is written as UTF-8."""
        self._writer.write(record if type(record) is bytes else convert.as_bytes(record))

    def flush(self) -> None:
        """Hand everything written so far to the system."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
