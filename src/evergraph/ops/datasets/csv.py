"""`CsvDataset`: rows of numbers and strings out of CSV files (RFC 4180)."""

from __future__ import annotations

import re
from collections import deque
from itertools import pairwise
from typing import Any

import numpy as np

from evergraph.formats.tfrecord import read_chunks
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import with_rank, with_rank_at_most
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.readers import file_names, text_of
from evergraph.ops.opdef import kernel_error
from evergraph.ops.parsing.csv_records import as_column, plain_column
from evergraph.ops.strings.numbers import floats

_FEWEST = 4  # rows that are worth reading together
_AHEAD = 32
_INTEGER = re.compile(rb"\s*[+-]?\d+\s*\Z")
_FLOAT = re.compile(rb"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf(inity)?|nan)\s*\Z", re.IGNORECASE)


class Csv(Dataset):
    kind = "CSV"

    def __init__(self, names: list[str], options: dict[str, Any], types: Any, shapes: Any) -> None:
        super().__init__(types, shapes)
        self._names, self._options = names, options

    def iterator(self, context: Context, name: str) -> Iterator:
        return _CsvRows(self._names, self.types, **self._options)


class _CsvRows(Iterator):
    def __init__(
        self,
        names: list[str],
        types: tuple[DType, ...],
        *,
        compression: str,
        header: bool,
        delimiter: bytes,
        quotes: bool,
        na_value: bytes,
        columns: list[int],
        defaults: list[np.ndarray],
    ) -> None:
        self._names, self._types, self._header, self._quotes = iter(names), types, header, quotes
        self._compression, self._na, self._defaults = compression, na_value, defaults
        self._columns = columns
        self._delimiter = delimiter
        self._special = re.compile(b"[" + re.escape(delimiter) + rb"\n\r" + (b'"' if quotes else b"") + b"]")
        self._text: bytes | None = None
        self._at = 0
        self._ready: deque[Element] = deque()
        self._slowly = 0  # how many rows to read one by one before trying blocks again

    def __next__(self) -> Element:
        if not self._ready and (self._slowly or not self._add_plain(_AHEAD)):
            self._slowly = max(0, self._slowly - 1)
            return self._next()
        return self._ready.popleft()

    def _next(self) -> Element:
        """The next row, read by itself."""
        while True:
            if self._text is None:
                path = next(self._names)
                self._text = b"".join(read_chunks(path, self._compression))
                self._at = 0
                if self._header:
                    if not self._text:
                        self._text = None
                        raise kernel_error(f"Can't read header of file {path}: it is empty")
                    self._fields()
            if self._at >= len(self._text):
                self._text = None
                continue
            return self._row()

    def _add_plain(self, count: int) -> bool:
        """Make the next rows, column by column, if nothing in them is quoted, wrong or missing."""
        text, at = self._text, self._at
        if text is None:
            return False
        end = at
        for _ in range(count):
            found = text.find(b"\n", end)
            if found < 0:
                break
            end = found + 1
        block = text[at : end - 1]
        rows = [line.split(self._delimiter) for line in block.split(b"\n")]
        is_plain = b"\r" not in block and not (self._quotes and b'"' in block)
        made = self._plain_columns(rows) if is_plain and len(rows) >= _FEWEST else None
        if made is None:
            self._slowly = len(rows)
            return False
        self._ready.extend(zip(*made))
        self._at = end
        return True

    def _plain_columns(self, rows: list[list[bytes]]) -> list[Any] | None:
        """The columns of rows that have all fields, each written plainly; else None."""
        width = self._columns[-1] + 1 if self._columns else len(self._types)
        if any(len(row) < width for row in rows) or not self._columns and any(len(row) != width for row in rows):
            return None
        texts = list(zip(*rows))  # as wide as the shortest row
        made: list[Any] = []
        for column, kind in zip([texts[c] for c in self._columns] if self._columns else texts, self._types):
            values = plain_column(column, kind, self._na)
            if values is None:
                return None
            made.append(values if kind._kind == "S" else list(as_column(values, kind, column)))
        return made

    def _row(self) -> Element:
        fields, problem = self._fields()
        if self._columns:
            # A row that is too short gives the columns that it has.
            chosen = [fields[i] for i in self._columns if i < len(fields)]
        else:
            chosen = fields
        types = self._types
        made = []
        for i, field in enumerate(chosen):
            if i >= len(types):
                raise problem or kernel_error(f"Expect {len(types)} fields but have more in record")
            if isinstance(field, Exception):
                raise field
            made.append(self._value(i, field))
        if problem is not None:
            raise problem
        if len(made) != len(types):
            raise kernel_error(f"Expect {len(types)} fields but have {len(made)} in record")
        return tuple(made)

    def _fields(self) -> tuple[list[Any], Exception | None]:
        """The fields of the next record; the reader is behind it afterwards, whatever is wrong with it."""
        text, at, special = self._text, self._at, self._special
        assert text is not None
        fields: list[Any] = []
        problem: Exception | None = None
        while True:
            if self._quotes and text[at : at + 1] == b'"':
                field, at, ends, wrong = self._quoted(text, at)
                problem = problem or wrong
                fields.append(field)
            else:
                start = at
                while True:
                    found = special.search(text, at)
                    if found is None:
                        at, ends = len(text), True
                        fields.append(text[start:])
                        break
                    at = found.end()
                    mark = found.group()
                    if mark == b'"' and mark != self._delimiter:
                        problem = problem or kernel_error("Unquoted fields cannot have quotes inside")
                        continue
                    fields.append(text[start : found.start()])
                    ends = mark != self._delimiter
                    if mark == b"\r" and text[at : at + 1] == b"\n":
                        at += 1
                    break
            if ends:
                self._at = at
                return fields, problem
            if at >= len(text):
                fields.append(b"")
                self._at = at
                return fields, problem

    def _quoted(self, text: bytes, at: int) -> tuple[Any, int, bool, Exception | None]:
        """A field in quotes: (contents, where it ends, whether the record ends there, what is wrong)."""
        problem: Exception | None = None
        start = at = at + 1
        while True:
            quote = text.find(b'"', at)
            if quote < 0:
                missing = kernel_error("Reached end of file without closing quoted field in record")
                return b"", len(text), True, problem or missing
            after = text[quote + 1 : quote + 2]
            if after == b'"':
                at = quote + 2
                continue
            if after in (b"", b"\n", b"\r") or after == self._delimiter:
                contents = text[start:quote].replace(b'""', b'"')
                end = quote + 1 + len(after)
                if after == b"\r" and text[end : end + 1] == b"\n":
                    end += 1
                return contents, end, after != self._delimiter, problem
            problem = problem or kernel_error("Quote inside a string has to be escaped by another quote")
            at = quote + 2

    def _value(self, i: int, field: bytes) -> Any:
        kind = self._types[i]
        if not field or field == self._na:
            default = self._defaults[i].ravel()
            if default.size != 1:
                raise kernel_error(f"Field {i} is required but missing in record!")
            return default[0]
        if kind._kind == "S":
            return field
        name = {"float32": "float", "float64": "double"}.get(kind.name, kind.name)
        if kind._kind == "i":
            if _INTEGER.match(field) and -(2 ** (8 * kind.size - 1)) <= int(field) < 2 ** (8 * kind.size - 1):
                return kind.np.type(int(field))
        elif _FLOAT.match(field):
            return floats([float(field)], kind, [field])[0]
        raise kernel_error(f"Field {i} in record is not a valid {name}: {field.decode(errors='replace')}")


def _csv_shape(
    filenames: Any,
    compression_type: Any,
    buffer: Any,
    header: Any,
    delimiter: Any,
    quotes: Any,
    na: Any,
    columns: Any,
    defaults: Any,
) -> Any:
    with_rank_at_most(filenames, 1)
    with_rank(columns, 1)
    for default in defaults:
        with_rank_at_most(default, 1)
    return ()


@dataset_op("CSVDataset")
def csv_dataset(
    xp: Any,
    filenames: Any,
    compression_type: Any,
    buffer_size: Any,
    header: Any,
    field_delim: Any,
    use_quote_delim: Any,
    na_value: Any,
    select_cols: Any,
    record_defaults: Any,
    *,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """The rows of CSV files."""
    for default in record_defaults:
        if np.ndim(default) > 1:
            raise kernel_error("Each record default should be at most rank 1")
        if np.size(default) > 1:
            raise kernel_error("There should only be 1 default per field but field has more")
    columns = [int(c) for c in select_cols]
    if columns and len(columns) != len(output_types):
        raise kernel_error("select_cols should match output size")
    if columns and (columns[0] < 0 or any(b <= a for a, b in pairwise(columns))):
        raise kernel_error(
            "select_cols should be strictly increasing indices"
            if columns[0] >= 0
            else "select_cols should be non-negative indices"
        )
    delimiter = text_of(field_delim).encode()
    if len(delimiter) != 1:
        raise kernel_error("field_delim should be only 1 char")
    compression = text_of(compression_type)
    if compression not in ("", "ZLIB", "GZIP"):
        raise kernel_error("Unsupported compression_type: " + compression + ".")
    if int(buffer_size) <= 0:
        raise kernel_error("buffer_size should be positive")
    options = {
        "compression": compression,
        "header": bool(header),
        "delimiter": delimiter,
        "quotes": bool(use_quote_delim),
        "na_value": text_of(na_value).encode(),
        "columns": columns,
        "defaults": [np.asarray(d) for d in record_defaults],
    }
    return Csv(file_names(filenames), options, output_types, output_shapes)


csv_dataset.shape(_csv_shape)
