"""Serialized `Example`s of one layout, read as the rows of a matrix of bytes.

Records that one program wrote differ in their values and in little else:

    0a 4d  0a 29 0a 01 x 12 24 12 22 0a 20 ....float.... .float....  0a 0a 0a 01 y 12 05 1a 03 0a 01 .
    0a 4d  0a 29 0a 01 x 12 24 12 22 0a 20 ....float.... .float....  0a 0a 0a 01 y 12 05 1a 03 0a 01 .

What is written out here, tags, lengths and names, is the *frame*. One record of such a layout makes a template, which
says where the frame is and where the values are. Records of its length whose frame is the same are read with a
comparison of all their bytes and a copy of some columns for each feature, a fourth of what it takes to read them in
lockstep. Templates are kept from batch to batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_wire import BYTES, FLOATS, INTS

LONGEST = 1 << 14
"""Longer records have no template: comparing all of their bytes is not worth it."""

FEWEST = 4
"""Fewer records of one length make no template."""

_MANY = 16  # fewer records of a length, on average, are read faster in lockstep
_MOST_OF_A_LENGTH = 4
_MOST_LENGTHS = 64
_PATIENCE = 16  # templates in a row that fitted no other record of their batch: then no more are made


class Template:
    """The layout of some records.

    Args:
        record: one of them.
        wanted: (name, kind) pairs of features.

    Raises:
        Malformed: if the record is damaged, or out of the ordinary: it is to be read some other way.
    """

    def __init__(self, record: bytes, wanted: Sequence[tuple[bytes, int]]) -> None:
        mask = np.full(len(record), 0xFF, np.uint8)
        self.spans: list[list[tuple[int, int]] | None] = [None] * len(wanted)
        places: dict[bytes, list[int]] = {}
        for place, (key, _) in enumerate(wanted):
            places.setdefault(key, []).append(place)
        found = _entries(record)
        if len({key for key, _, _ in found}) < len(found):
            raise example_wire.Malformed("a feature comes twice")
        for key, start, end in found:
            if key not in places:
                mask[start:end] = 0
            elif start < end:
                for place in places[key]:
                    kind = wanted[place][1]
                    spans = self.spans[place] = _elements(record, start, end, kind)
                    for a, b in spans:
                        mask[a:b] = 0x80 if kind == INTS else 0  # where a number ends belongs to the frame
        self._mask, self._frame = mask, np.frombuffer(record, np.uint8) & mask

    def fits(self, rows: np.ndarray) -> np.ndarray | None:
        """Which rows have this layout; None stands for all."""
        same = (rows & self._mask) == self._frame
        return None if same.all() else same.all(axis=1)

    def values(self, place: int, kind: int, rows: np.ndarray) -> np.ndarray | None:
        """A wanted feature of some rows, [rows, count]; None if they do not have it."""
        spans = self.spans[place]
        if spans is None:
            return None
        if kind == BYTES:
            return _bytes(rows, spans)
        if not spans:
            return np.zeros((len(rows), 0), np.float32 if kind == FLOATS else np.int64)
        (start, end), *_ = spans
        if kind == FLOATS:
            return np.ascontiguousarray(rows[:, start:end]).view("<f4")
        return _ints(rows[:, start:end], self._frame[start:end])


def _entries(record: bytes) -> list[tuple[bytes, int, int]]:
    """The features of a record: the name of each and where its value is."""
    if not record:
        return []
    if record[0] != 0x0A:
        raise example_wire.Malformed("not an ordinary record")
    at, end = example_wire.span(record, 1, len(record))
    if end != len(record):
        raise example_wire.Malformed("not an ordinary record")
    found = []
    while at < end:
        if record[at] != 0x0A:
            raise example_wire.Malformed("expected an entry of the features")
        at, entry_end = example_wire.span(record, at + 1, end)
        if at >= entry_end or record[at] != 0x0A:
            raise example_wire.Malformed("expected the name of a feature")
        at, key_end = example_wire.span(record, at + 1, entry_end)
        if key_end >= entry_end or record[key_end] != 0x12:
            raise example_wire.Malformed("expected the value of a feature")
        start, value_end = example_wire.span(record, key_end + 1, entry_end)
        if value_end != entry_end:
            raise example_wire.Malformed("more than a name and a value in an entry of the features")
        found.append((record[at:key_end], start, value_end))
        at = value_end
    return found


def _elements(record: bytes, start: int, end: int, kind: int) -> list[tuple[int, int]]:
    """Where the elements of a feature are: those of each string, or of all numbers."""
    if record[start] != kind:
        raise example_wire.Malformed("a list of another kind")
    at, stop = example_wire.span(record, start + 1, end)
    if stop != end:
        raise example_wire.Malformed("more than a list in a feature")
    spans = []
    while at < end:
        if record[at] != 0x0A:
            raise example_wire.Malformed("expected an element of bytes, or packed numbers")
        at, stop = example_wire.span(record, at + 1, end)
        spans.append((at, stop))
        at = stop
    if kind == BYTES or not spans:
        return spans
    start, stop = spans[0]
    whole = (stop - start) % 4 == 0 if kind == FLOATS else _are_whole(record[start:stop])
    if len(spans) > 1 or start == stop or not whole:
        raise example_wire.Malformed("not an ordinary list of numbers")
    return spans


def _are_whole(encoded: bytes) -> bool:
    """Whether bytes are numbers of at most ten bytes each."""
    run = 0
    for byte in encoded:
        run = run + 1 if byte >= 0x80 else 0
        if run >= 10:
            return False
    return run == 0


def _bytes(rows: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
    values = np.empty((len(rows), len(spans)), object)
    for column, (start, end) in enumerate(spans):
        if start == end:
            values[:, column] = b""
        else:
            values[:, column] = np.ascontiguousarray(rows[:, start:end]).view(f"V{end - start}")[:, 0].tolist()
    return values


def _ints(encoded: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Numbers whose bytes end at the same places in all rows."""
    if not frame.any():
        return encoded.astype(np.int64)
    ends = np.flatnonzero(frame < 0x80) + 1
    starts = np.concatenate([[0], ends[:-1]])
    low = (encoded & 0x7F).astype(np.uint64)
    low <<= (7 * (np.arange(len(frame)) - np.repeat(starts, ends - starts))).astype(np.uint64)
    return np.bitwise_or.reduceat(low, starts, axis=1).view(np.int64)


class Templates:
    """The templates for some wanted features, found so far."""

    def __init__(self, wanted: Sequence[tuple[bytes, int]]) -> None:
        self._wanted = wanted
        self._known: dict[int, list[Template]] = {}
        self._useless = 0

    def groups(
        self, records: Sequence[bytes], sizes: list[int]
    ) -> tuple[list[tuple[Template, np.ndarray | None, np.ndarray]], list[int]]:
        """Records (of some sizes) of a common layout: the template, the numbers of the records (None: all of them), and
        their bytes as rows; and the numbers of the records that are in no group. No groups at all if they would be
        small."""
        if len(set(sizes)) > 1 + len(records) // _MANY:
            return [], []
        if sizes.count(sizes[0]) == len(sizes):
            by_size: dict[int, list[int] | None] = {sizes[0]: None}
        else:
            by_size = {}
            for i, size in enumerate(sizes):
                numbers = by_size.get(size)
                if numbers is None:
                    by_size[size] = [i]
                else:
                    numbers.append(i)
        found: list[tuple[Template, np.ndarray | None, np.ndarray]] = []
        rest: list[int] = []
        for size, numbers in by_size.items():
            count = len(records) if numbers is None else len(numbers)
            if (count < FEWEST and size not in self._known) or not 0 < size <= LONGEST:
                rest += range(count) if numbers is None else numbers
                continue
            some = records if numbers is None else [records[i] for i in numbers]
            rows = np.frombuffer(b"".join(some), np.uint8).reshape(count, size)
            self._divide(rows, None if numbers is None else np.array(numbers), found, rest)
        return found, rest

    def _divide(self, rows: np.ndarray, numbers: np.ndarray | None, found: list, rest: list[int]) -> None:
        """Put rows of one length into groups, as far as there are templates for them."""
        known = self._known.get(rows.shape[1], ())
        for template in known:
            same = template.fits(rows)
            if same is None:
                found.append((template, numbers, rows))
                return
            if same.any():
                if numbers is None:
                    numbers = np.arange(len(rows))
                found.append((template, numbers[same], rows[same]))
                rows, numbers = rows[~same], numbers[~same]
        if self._made(rows, len(known)):
            self._divide(rows, numbers, found, rest)
        else:
            rest += range(len(rows)) if numbers is None else numbers.tolist()

    def _made(self, rows: np.ndarray, known: int) -> bool:
        """Whether the first of some rows made a new template, one that fits others as well."""
        count, size = rows.shape
        if count < FEWEST or known >= _MOST_OF_A_LENGTH or self._useless >= _PATIENCE:
            return False
        if size not in self._known and len(self._known) >= _MOST_LENGTHS:
            return False
        try:
            template = Template(rows[0].tobytes(), self._wanted)
            same = template.fits(rows)
        except example_wire.Malformed:
            same = np.zeros(1, bool)
        if same is not None and np.count_nonzero(same) < FEWEST:
            self._useless += 1
            return False
        self._useless = 0
        self._known[size] = [*self._known.get(size, ()), template]
        return True


@lru_cache(64)
def templates(wanted: tuple[tuple[bytes, int], ...]) -> Templates:
    """The templates for wanted features, (name, kind) pairs."""
    return Templates(wanted)


__all__ = ["Template", "Templates", "templates"]
