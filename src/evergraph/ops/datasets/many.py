"""A function of the graph, computed for a block of elements at once as far as that is possible.

    map(lambda s: parse_single_example(s, features)).batch(128)

parses 128 records with one call of the kernel of `ParseExample`, which takes a fraction of the time of 128 calls of
`ParseSingleExample`. Whatever fails this way is done again one by one, so that errors are those of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework.dtypes import DType, as_dtype
from evergraph.ops.datasets.aligned import aligned
from evergraph.ops.datasets.captured import Captured
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Element, Iterator, as_array
from evergraph.ops.datasets.ragged_column import LooseColumn, RaggedColumn
from evergraph.ops.datasets.stacking import column_of

FEWEST = 4
"""Fewer elements are not worth putting together."""

MOST = 256
_MOST_BYTES = 1 << 20  # of results that are made ahead: more would not stay in a core's cache
_MOST_BYTES_TOGETHER = 4 << 20  # of results, once it is known how large they are
_SMALL = 1 << 12
_PATIENCE = 3


class Many:
    """A function in a context.

    Attributes:
        is_complete: whether all of the function is computed together; if not, `finish` does what is left.
        block: how many elements to compute at once.
        draws: whether random numbers are drawn: then none may be made before anybody asks for them.
        is_small: whether elements are so small that some may be made before anybody asks for them.
    """

    def __init__(
        self, captured: Captured, types: Sequence[DType], stacked: Any, rest: Callable[..., Any] | None
    ) -> None:
        self._captured, self._types, self._stacked, self._rest = captured, types, stacked, rest
        self.is_complete, self.draws = rest is None, stacked.draws
        self._failures = 0
        self.block, self.is_small = 16, True
        self._most = FEWEST if stacked.has_each else MOST

    @property
    def gave_up(self) -> bool:
        """Whether it turned out that computing elements together is no good."""
        return self._failures >= _PATIENCE

    def columns(self, elements: Sequence[Element]) -> list[Any] | None:
        """The results (or what the rest is given) for some elements, [elements, ...] each; None if that fails."""
        if len(elements) < FEWEST or self._failures >= _PATIENCE:
            return None
        try:
            return self._computed(columns_of(elements, self._types, self._stacked.ragged), len(elements))
        except Exception:  # whatever it is, going through them one by one says it at its element
            self._failures += 1
            return None

    def of_columns(self, columns: Sequence[Any], n: int) -> list[Any] | None:
        """`columns` of elements that are put together already."""
        if self._failures >= _PATIENCE or any(self._stacked.ragged):
            return None
        try:
            return self._computed(columns, n)
        except Exception:
            self._failures += 1
            return None

    def _computed(self, columns: Sequence[Any], n: int) -> list[Any]:
        captured = self._captured.values
        if n <= self._most or any(self._stacked.ragged):
            made = self._stacked(columns, captured, n)
        else:
            parts = []
            at = 0
            while at < n:  # the first few show how heavy an element is
                count = min(self._most, n - at)
                parts.append(self._stacked([c[at : at + count] for c in columns], captured, count))
                at += count
                self._limit(parts[-1], count)
            made = [joined(part) for part in zip(*parts, strict=True)]
        self._failures = 0
        self._limit(made, n)
        return made

    def _limit(self, made: Sequence[Any], n: int) -> None:
        """Compute as many elements at once as stay in the cache."""
        size = max(sum(c.nbytes for c in made) // n, self._stacked.heaviest if self._stacked.has_each else 0)
        self._most = max(FEWEST, _MOST_BYTES_TOGETHER // (size + 1))

    def rows(self, elements: Sequence[Element]) -> list[Element] | None:
        """What the function gives for each element (or what the rest is given); None if that fails."""
        columns = self.columns(elements)
        if columns is None:
            return None
        made = list(zip(*map(_separate, columns), strict=True))
        size = sum(c.nbytes for c in columns) // len(elements) + 1
        self.is_small = size <= _SMALL
        self.grow(max(FEWEST, _MOST_BYTES // size))
        return made

    def grow(self, most: int = MOST) -> None:
        self.block = min(MOST, 2 * self.block, most)

    def finish(self, element: Element, given: Element) -> list[Any]:
        """What the function gives for an element, once the first part of it is computed."""
        assert self._rest is not None
        arguments = [*element, *self._captured.values, *given]
        return self._rest([as_array(a) if type(a) is bytes else a for a in arguments])


def columns_of(elements: Sequence[Element], types: Sequence[DType], ragged: Sequence[bool]) -> list[Any]:
    """Elements as a column for each component; `ragged` says which are vectors that may differ in length."""
    parts = zip(zip(*elements, strict=True), types, ragged, strict=True)
    return [RaggedColumn.of(c) if is_ragged else column_of(c, kind) for c, kind, is_ragged in parts]


def joined(parts: Sequence[Any]) -> Any:
    """Columns of one component of elements that follow each other, as one."""
    first = parts[0]
    if any(type(part) is LooseColumn for part in parts):
        return LooseColumn(value for part in parts for value in part)
    if isinstance(first, RaggedColumn):
        return RaggedColumn(np.concatenate([p.flat for p in parts]), np.concatenate([p.lengths for p in parts]))
    if first.dtype == object:
        return np.concatenate(parts)
    out = aligned((sum(map(len, parts)), *first.shape[1:]), as_dtype(first.dtype))
    return np.concatenate(parts, out=out)


def _separate(column: np.ndarray | RaggedColumn | LooseColumn) -> Any:
    """The rows of a column. They outlive each other, so they are no views of it."""
    if isinstance(column, RaggedColumn):
        return column.separate()
    if isinstance(column, LooseColumn):
        return column
    if column.ndim == 1:
        return column
    if column.dtype == object:
        return [row.copy() for row in column]
    return map(np.ndarray.copy, column)


def many(captured: Captured, types: Sequence[DType], context: Context) -> Many | None:
    """The function for many elements, whose components are of some types, if it allows that."""
    found = context.library.stacked(captured.graph, captured.function, len(types))
    if found is None:
        return None
    rest = None
    if not found.is_complete:
        rest = context.library.bound(captured.graph, captured.function, found.given)
    return Many(captured, types, found, rest)


class Ahead:
    """Elements read ahead of their use. What was raised while reading them comes in its turn."""

    def __init__(self, source: Iterator) -> None:
        self._source = source
        self._elements: list[Element] = []
        self._failure: Exception | None = None

    def block(self, count: int) -> list[Element]:
        """The next elements, up to `count`; they stay until they are `taken`."""
        missing = count - len(self._elements)
        if missing > 0 and self._failure is None:
            try:
                self._source.add_to(self._elements, missing)
            except Exception as error:
                self._failure = error
        return self._elements[:count]

    def taken(self, count: int) -> None:
        """The first elements are used."""
        del self._elements[:count]

    def ended(self) -> None:
        """Called when no element is left: raises what the source raised, if it has not just ended."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def next(self) -> Element:
        """The next element, read now if none is there."""
        if self._elements:
            return self._elements.pop(0)
        self.ended()
        return next(self._source)
