"""Datasets that read files: TFRecords, lines of text, records of one length, file names that match a pattern, SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np

from evergraph.formats.files import matching
from evergraph.formats.tfrecord import read_chunks, read_records
from evergraph.framework import dtypes, errors
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.opdef import kernel_error

Reader = Callable[[str], Iterable[bytes]]


class Files(Dataset):
    """The records of files, one file after the other.

    Args:
        names: the files.
        reader: gives the records of one.
        is_compressed: whether reading them takes decompressing.
    """

    is_plain = True

    def __init__(self, kind: str, names: list[str], reader: Reader, is_compressed: bool = False) -> None:
        super().__init__((dtypes.string,), ((),))
        self.kind, self._names, self._reader, self.is_compressed = kind, names, reader, is_compressed

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Records(self._names, self._reader)


class _Records(Iterator):
    """A damaged file is left: the next element comes from the file after it. A file that cannot be read at all is tried
    again."""

    def __init__(self, names: list[str], reader: Reader) -> None:
        self._names, self._reader = iter(names), reader
        self._name: str | None = None
        self._records: Any = None

    def _open(self) -> Any:
        if self._records is None:
            if self._name is None:
                self._name = next(self._names)
            self._records = iter(self._reader(self._name))
        return self._records

    def _failed(self, error: Exception) -> None:
        self._records = None
        if isinstance(error, errors.DataLossError):
            self._name = None

    def __next__(self) -> Element:
        while True:
            records = self._open()
            try:
                return (next(records),)
            except StopIteration:
                self._records = self._name = None
            except Exception as error:
                self._failed(error)
                raise

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        while len(taken) < count:
            try:
                records = self._open()
            except StopIteration:
                return
            try:
                taken.extend(zip(islice(records, count - len(taken)), strict=True))
            except Exception as error:
                self._failed(error)
                raise
            if len(taken) < count:
                self._records = self._name = None


def file_names(filenames: Any) -> list[str]:
    names = np.asarray(filenames, object)
    if names.ndim > 1:
        raise kernel_error("`filenames` must be a scalar or a vector.")
    return [name.decode() for name in names.ravel()]


def _compression(compression_type: Any) -> str:
    kind = text_of(compression_type)
    if kind not in ("", "ZLIB", "GZIP"):
        raise kernel_error("Unsupported compression_type.")
    return kind


def text_of(value: Any) -> str:
    """A string input as text."""
    found: Any = value[()] if isinstance(value, np.ndarray) else value
    return found.decode()


def lines(path: str, compression: str = "") -> Iterable[bytes]:
    """The lines of a file, without their ends."""
    rest = b""
    for chunk in read_chunks(path, compression):
        *whole, rest = (rest + chunk).replace(b"\r", b"").split(b"\n") if b"\n" in chunk else (rest + chunk,)
        yield from whole
    rest = rest.replace(b"\r", b"")
    if rest:
        yield rest


def _fixed_length(header: int, size: int, footer: int, compression: str) -> Reader:
    def read(path: str) -> Iterable[bytes]:
        if compression:
            contents = b"".join(read_chunks(path, compression))
        else:
            contents = b"".join(read_chunks(path))
        body = len(contents) - header - footer
        extra = body % size if body >= 0 else body
        message = (
            f'Excluding the header ({header} bytes) and footer ({footer} bytes), input file "{path}" has body length '
            f"{body} bytes, which is not an exact multiple of the record length ({size} bytes)."
        )
        if extra and not compression:
            raise kernel_error(message)
        for at in range(header, header + body - size + 1, size):
            yield contents[at : at + size]
        if extra > 0:
            raise kernel_error(message, errors.DataLossError)

    return read


class Found(Dataset):
    """The names of the files that match patterns, sorted."""

    kind = "MatchingFiles"

    def __init__(self, patterns: list[str]) -> None:
        super().__init__((dtypes.string,), ((),))
        self._patterns = patterns

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Found(self._patterns)


class _Found(Iterator):
    def __init__(self, patterns: list[str]) -> None:
        self._patterns = patterns
        self._names: Any = None

    def __next__(self) -> Element:
        if self._names is None:
            found = sorted({name for pattern in self._patterns for name in matching(pattern)})
            if not found:
                raise kernel_error(f"Don't find any matched files: {', '.join(self._patterns)}", errors.NotFoundError)
            self._names = iter(found)
        return (next(self._names).encode(),)


class Query(Dataset):
    """The rows that an SQL query gives."""

    kind = "Sql"

    def __init__(self, source: str, query: str, types: Any, shapes: Any) -> None:
        super().__init__(types, shapes)
        self._source, self._query = source, query

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Answer(self._source, self._query, self.types)


class _Answer(Iterator):
    def __init__(self, source: str, query: str, types: Any) -> None:
        self._source, self._query, self._types = source, query, types
        self._cursor: Any = None

    def __next__(self) -> Element:
        import sqlite3

        try:
            if self._cursor is None:
                connection = sqlite3.connect(f"file:{self._source}?mode=ro", uri=True, check_same_thread=False)
                self._cursor = connection.execute(self._query)
            row = next(self._cursor)
        except (sqlite3.Error, sqlite3.Warning) as error:
            if "readonly" in str(error):
                raise kernel_error(f"The query {self._query!r} does more than to read: {error}") from None
            raise kernel_error(f"Failed to execute the query {self._query!r}: {error}", errors.UnknownError) from None
        if len(row) != len(self._types):
            raise kernel_error(
                f"The number of columns in query ({len(row)}) must match the number of elements in output_types "
                f"({len(self._types)})."
            )
        return tuple([_from_sql(value, kind) for value, kind in zip(row, self._types, strict=True)])


def _from_sql(value: Any, kind: Any) -> Any:
    if kind is dtypes.string:
        return b"" if value is None else value if isinstance(value, bytes) else str(value).encode()
    if kind is dtypes.bool:
        return np.bool_(bool(value))
    if isinstance(value, str | bytes):
        try:
            value = float(value)
        except ValueError:
            value = 0
    return np.asarray(0 if value is None else value).astype(kind.np)[()]


# Ops


@dataset_op("TFRecordDataset")
def tf_record_dataset(xp: Any, filenames: Any, compression_type: Any, buffer_size: Any) -> Dataset:
    """The records of TFRecord files."""
    compression = text_of(compression_type)
    if int(buffer_size) < 0:
        raise kernel_error("`buffer_size` must be >= 0 (0 == no buffering)")
    return Files("TFRecord", file_names(filenames), lambda path: read_records(path, compression), bool(compression))


@dataset_op("TextLineDataset")
def text_line_dataset(xp: Any, filenames: Any, compression_type: Any, buffer_size: Any) -> Dataset:
    """The lines of text files."""
    compression = _compression(compression_type)
    if int(buffer_size) < 0:
        raise kernel_error("`buffer_size` must be >= 0 (0 == default)")
    return Files("TextLine", file_names(filenames), lambda path: lines(path, compression), bool(compression))


def _fixed(filenames: Any, header: Any, record: Any, footer: Any, buffer_size: Any, compression: str) -> Dataset:
    for name, value in (("header_bytes", header), ("footer_bytes", footer), ("buffer_size", buffer_size)):
        if int(value) < 0:
            raise kernel_error(f"`{name}` must be >= 0")
    if int(record) <= 0:
        raise kernel_error("`record_bytes` must be > 0")
    reader = _fixed_length(int(header), int(record), int(footer), compression)
    return Files("FixedLengthRecord", file_names(filenames), reader)


@dataset_op("FixedLengthRecordDataset")
def fixed_length_record_dataset(
    xp: Any, filenames: Any, header_bytes: Any, record_bytes: Any, footer_bytes: Any, buffer_size: Any
) -> Dataset:
    """The records of files whose records have one length."""
    return _fixed(filenames, header_bytes, record_bytes, footer_bytes, buffer_size, "")


@dataset_op("FixedLengthRecordDatasetV2")
def fixed_length_record_dataset_v2(
    xp: Any,
    filenames: Any,
    header_bytes: Any,
    record_bytes: Any,
    footer_bytes: Any,
    buffer_size: Any,
    compression_type: Any,
) -> Dataset:
    """The records of files, compressed perhaps, whose records have one length."""
    compression = _compression(compression_type)
    return _fixed(filenames, header_bytes, record_bytes, footer_bytes, buffer_size, compression)


@dataset_op("MatchingFilesDataset")
def matching_files_dataset(xp: Any, patterns: Any) -> Dataset:
    """The names of the files that match patterns."""
    return Found(file_names(patterns))


@dataset_op("SqlDataset")
def sql_dataset(
    xp: Any, driver_name: Any, data_source_name: Any, query: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """The rows that a query of an SQLite database gives."""
    driver = text_of(driver_name)
    if driver != "sqlite":
        raise kernel_error(
            f"The database type, {driver}, is not supported by SqlDataset. The set of supported databases is: "
            "{'sqlite'}."
        )
    return Query(text_of(data_source_name), text_of(query), output_types, output_shapes)
