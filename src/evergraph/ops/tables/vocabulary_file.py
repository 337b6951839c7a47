"""The entries of a table that a text file lists, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evergraph.formats import files
from evergraph.framework import dtypes, errors, log
from evergraph.framework.dtypes import DType
from evergraph.ops.opdef import kernel_error

LINE_NUMBER = -1
WHOLE_LINE = -2


class VocabularyFile:
    """A file of entries; the columns of a line are separated by `delimiter`.

    Args:
        path: of the file.
        key, value: the type of a key (a value), and the column it stands in, or `LINE_NUMBER` or `WHOLE_LINE`.
        count: how many lines to take; -1 for all.
    """

    def __init__(
        self, path: bytes, key: tuple[DType, int], value: tuple[DType, int], count: int, delimiter: bytes
    ) -> None:
        self.path = path.decode(errors="surrogateescape")
        self._key, self._value, self._delimiter, self._wanted = key, value, delimiter, count
        self._data = files.read_file(self.path)
        lines = self._data.replace(b"\r", b"").split(b"\n")
        if not lines[-1]:
            lines.pop()
        if not lines:
            raise kernel_error(f"{self.path} is empty: no entries can be read", errors.OutOfRangeError)
        self._lines = lines
        self.count = len(lines) if count == -1 else count

    def entries(self) -> Iterator[tuple[Any, Any]]:
        """The key and the value of each line.

        Raises:
            InvalidArgumentError: if a line is empty, or lacks a column, or one is no number; or if there are fewer
                lines than wanted.
        """
        last_column = max(self._key[1], self._value[1])
        for number, line in enumerate(self._lines):
            if number == self.count:
                log.warn("Truncated %s before its end at %d records.", self.path, self.count)
                return
            if not line:
                position = sum(len(part) + 1 for part in self._data.split(b"\n")[: number + 1])
                raise kernel_error(f"Invalid content in {self.path}: empty line found at position {position}.")
            columns = line.split(self._delimiter) if last_column >= 0 else []
            if last_column >= len(columns) and last_column >= 0:
                raise kernel_error(
                    f"Invalid number of columns in {self.path} line {number} ({_text(line)}) : expected {last_column} "
                    f"got {len(columns)}"
                )
            yield (
                self._field(line, columns, number, self._key),
                self._field(line, columns, number, self._value),
            )
        if len(self._lines) != self.count:
            raise kernel_error(f"Invalid vocab_size in {self.path}: expected {self.count} but got {len(self._lines)}")

    @staticmethod
    def _field(line: bytes, columns: list[bytes], number: int, what: tuple[DType, int]) -> Any:
        kind, index = what
        if index == LINE_NUMBER:
            return number
        field = line if index == WHOLE_LINE else columns[index]
        if kind is dtypes.string:
            return field
        try:
            value = int(field) if kind.is_integer else float(field)
            if kind.is_integer and not kind.min <= value <= kind.max:
                raise ValueError
        except ValueError:
            name = {"float32": "float", "float64": "double"}.get(kind.name, kind.name)
            raise kernel_error(f"Field {_text(field)} in line {number} is not a valid {name}.") from None
        return kind.np.type(value).item()


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
