"""`tf.decode_csv`: lines of comma-separated values to a tensor for each column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.strings.elements import array_of, listed, text
from evergraph.ops.strings.numbers import floats, read_plainly, reader

_TYPE_NAMES = {"float32": "float", "float64": "double"}
_QUOTE, _NEW_LINE = ord('"'), b"\r\n"


def fields(record: bytes, delimiter: bytes, may_quote: bool) -> list[bytes]:
    """The fields of one record, as RFC 4180 has them.

    Raises:
        ValueError: for a quote or a line break where none may be.
    """
    if not record:
        return []
    if not (may_quote and b'"' in record) and b"\n" not in record and b"\r" not in record:
        return record.split(delimiter)
    found, at, size, stop = [], 0, len(record), delimiter[0]
    while at < size:
        if record[at] in _NEW_LINE:
            at += 1
        elif may_quote and record[at] == _QUOTE:
            field, at = _quoted(record, at + 1, stop)
            found.append(field)
        else:
            end = record.find(delimiter, at)
            end = size if end < 0 else end
            field = record[at:end]
            if may_quote and b'"' in field or b"\n" in field or b"\r" in field:
                raise ValueError("Unquoted fields cannot have quotes/CRLFs inside")
            found.append(field)
            at = end + 1
    if record[-1] == stop:
        found.append(b"")
    return found


def _quoted(record: bytes, at: int, stop: int) -> tuple[bytes, int]:
    """A field in quotes that starts at `at`, and where the next one starts."""
    last = len(record) - 1
    parts = []
    while at < last and (record[at] != _QUOTE or record[at + 1] != stop):
        if record[at] != _QUOTE:
            end = record.find(b'"', at, last)
            end = last if end < 0 else end
            parts.append(record[at:end])
            at = end
        elif record[at + 1] == _QUOTE:
            parts.append(b'"')
            at += 2
        else:
            raise ValueError("Quote inside a string has to be escaped by another quote")
    if at > last or record[at] != _QUOTE:
        raise ValueError("Quoted field has to end with quote followed by delim or end")
    return b"".join(parts), at + 2


@op("DecodeCSV", host=True, differentiable=False)
def decode_csv_op(
    xp: Any,
    records: Any,
    record_defaults: Any,
    *,
    OUT_TYPE: Any,
    field_delim: bytes,
    use_quote_delim: bool,
    na_value: bytes,
    select_cols: Sequence[int],
) -> Any:
    """The columns of records of comma-separated values, each in the shape of the records."""
    _check_attributes(OUT_TYPE, field_delim, select_cols)
    for i, default in enumerate(record_defaults):
        if np.ndim(default) > 1:
            raise kernel_error("Each record default should be at most rank 1")
        if np.size(default) > 1:
            raise kernel_error(f"There should only be 1 default per field but field {i} has {np.size(default)}")
    defaults = [np.ravel(d)[0] if np.size(d) else None for d in record_defaults]
    rows: list[list[bytes]] = []
    wrong: Exception | None = None  # what is found of a record after all records before it have been read
    for i, record in enumerate(listed(records)):
        try:
            found = fields(record, field_delim, use_quote_delim)
        except ValueError as error:
            wrong = kernel_error(str(error))
            break
        if select_cols:
            found = [found[c] for c in select_cols if c < len(found)]
        if len(found) != len(OUT_TYPE):
            wrong = kernel_error(f"Expect {len(OUT_TYPE)} fields but have {len(found)} in record {i}")
            break
        rows.append(found)
    texts: list[Any] = list(zip(*rows)) if rows else [()] * len(OUT_TYPE)
    columns: list[Any] = [plain_column(column, dtype, na_value) for column, dtype in zip(texts, OUT_TYPE)]
    if None in columns:
        columns = _read_one_by_one(rows, OUT_TYPE, defaults, na_value)
    if wrong is not None:
        raise wrong
    shape = np.shape(records)
    return [as_column(column, dtype, text).reshape(shape) for column, dtype, text in zip(columns, OUT_TYPE, texts)]


def plain_column(column: Sequence[bytes], dtype: Any, na_value: bytes) -> Sequence[Any] | None:
    """The values of a column without empty fields that is written plainly, else None."""
    if b"" in column or na_value in column:
        return None
    return column if dtype.name == "string" else read_plainly(column, dtype)


def _read_one_by_one(
    rows: list[list[bytes]], types: Sequence[Any], defaults: Sequence[Any], na_value: bytes
) -> list[list[Any]]:
    """The values of all columns; the first field in the order of the records that cannot be read is an error."""
    readers = [None if dtype.name == "string" else reader(dtype) for dtype in types]
    columns: list[list[Any]] = [[] for _ in types]
    for i, row in enumerate(rows):
        for f, (field, column, read) in enumerate(zip(row, columns, readers)):
            if not field or field == na_value:
                value = defaults[f]
                if value is None:
                    raise kernel_error(f"Field {f} is required but missing in record {i}!")
            else:
                value = field if read is None else read(field)
                if value is None:
                    name = _TYPE_NAMES.get(types[f].name, types[f].name)
                    raise kernel_error(f"Field {f} in record {i} is not a valid {name}: {text(field)}")
            column.append(value)
    return columns


def _check_attributes(types: Sequence[Any], delimiter: bytes, chosen: Sequence[int]) -> None:
    if chosen and len(chosen) != len(types):
        raise kernel_error("select_cols should match output size")
    if any(a >= b for a, b in pairwise(chosen)):
        raise kernel_error("select_cols should be strictly increasing indices")
    if chosen and chosen[0] < 0:
        raise kernel_error("select_cols should be non-negative indices")
    if len(delimiter) != 1:
        raise kernel_error("field_delim should be only 1 char")


def as_column(column: Sequence[Any], dtype: Any, texts: Sequence[bytes]) -> np.ndarray:
    """The values of a column, which were read from `texts`, as an array."""
    if dtype.name == "string":
        return array_of(column, (len(column),))
    return floats(column, dtype, texts) if dtype.is_floating else np.array(column, dtype.np)


@decode_csv_op.shape
def decode_csv_shape(records: Any, record_defaults: Any) -> Any:
    for default in record_defaults:
        if default is not None and len(default) > 1:
            raise ShapeError(f"Shape must be at most rank 1 but is rank {len(default)}")
        if default is not None and len(default) == 1 and (default[0] or 0) > 1:
            raise ShapeError("Shape of a default must be a length-0 or length-1 vector, or a scalar.")
    return [records] * len(record_defaults)


@public("decode_csv", "io.decode_csv")
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    name: str | None = None,
    na_value: str = "",
    select_cols: Any = None,
) -> list[Tensor]:
    """Read records of comma-separated values, as RFC 4180 has them.

    Args:
        records: string, any shape, one record each.
        record_defaults: for each column a scalar, its type that of the column and its value what an empty field gets;
            or an empty vector of that type, if the field may not be empty.
        field_delim: the character between the fields.
        use_quote_delim: whether a field in double quotes may hold the delimiter, line breaks and doubled quotes.
        name: the op's name.
        na_value: what counts as an empty field, too.
        select_cols: the columns to read, in increasing order; by default all.

    Returns:
        A tensor for each column, of the type of its default and the shape of `records`.

    Raises:
        ValueError: if `select_cols` is not increasing, or does not go with `record_defaults`.
        InvalidArgumentError: at run time, for a record that cannot be read.

    >>> sess.run(tf.decode_csv(["1,a", ",b"], [[0], [""]]))
    [array([1, 0], dtype=int32), array([b'a', b'b'], dtype=object)]
    """
    if select_cols is not None:
        if any(a >= b for a, b in pairwise(select_cols)):
            raise ValueError("select_cols is not strictly increasing.")
        if select_cols[0] < 0:
            raise ValueError("select_cols contains negative values.")
        if len(select_cols) != len(record_defaults):
            raise ValueError("Length of select_cols and record_defaults do not match.")
    return decode_csv_op(
        records,
        record_defaults,
        field_delim=field_delim,
        use_quote_delim=use_quote_delim,
        na_value=na_value,
        select_cols=select_cols,
        name=name,
    )


__all__ = ["as_column", "decode_csv", "fields", "plain_column"]
