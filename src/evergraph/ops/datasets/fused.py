"""`map_and_batch`: a function of each element of a batch, as one step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.ops.datasets.aligned import aligned
from evergraph.ops.datasets.batching import Batch
from evergraph.ops.datasets.captured import Captured, Function
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator
from evergraph.ops.datasets.many import FEWEST, Many, joined, many
from evergraph.ops.datasets.mapping import PARALLEL, ends_or_fails
from evergraph.ops.datasets.ragged_column import LooseColumn, RaggedColumn
from evergraph.ops.datasets.rows import gathered, numbered
from evergraph.ops.datasets.stacking import as_component, batch_of, mapped_differs
from evergraph.ops.processors import processors

MOST_CALLS = 64  # at once, if their number is left to us


class MapAndBatch(Batch):
    """A batch whose function fails for one element fails as a whole, and is gone; the next one begins after it."""

    kind = "MapAndBatch"

    def __init__(
        self,
        source: Dataset,
        function: Captured,
        size: int,
        calls: int,
        drops: bool,
        preserves: bool,
        row_types: Sequence[DType],
        types: Any,
        shapes: Any,
    ) -> None:
        super().__init__(source, size, drops, types, shapes)
        self.function, self.calls, self.preserves, self.row_types = function, calls, preserves, row_types

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self.function.is_pure

    def iterator(self, context: Context, name: str) -> Iterator:
        calls = self.calls if self.calls > 0 else 2 * (os.cpu_count() or 1)
        parallel = calls > 1 and not self.function.op_types().isdisjoint(PARALLEL)
        function = self.function.bound(context)
        together = many(self.function, self.input.types, context)
        if parallel:
            made = _MappedBatches(self.input.iterate(context, name), function, self, context)
            made._many = together if together is not None and together.is_complete else None
            return made
        found = numbered(self.input) if together is not None and together.is_complete else None
        if found is None:
            made = _MappedBatches(self.input.iterate(context, name), function, self, None)
        else:
            arrays, numbers = found
            made = _MappedRows(numbers.iterate(context, name), function, self, None)
            made._arrays = arrays
        made._many = together
        return made


class _MappedBatches(Iterator):
    _many: Many | None = None

    def __init__(self, source: Iterator, function: Function, dataset: MapAndBatch, context: Context | None) -> None:
        self._source: Iterator | None = source
        self._function, self._dataset, self._pool = function, dataset, context
        self._calls = dataset.calls if dataset.calls > 0 else MOST_CALLS

    def __next__(self) -> Element:
        dataset = self._dataset
        if self._source is None:
            raise StopIteration
        made: list[Any] = []
        failure: Exception | None = None
        if self._pool is not None and (self._many is None or self._many.gave_up):
            made, failure = self._in_parallel()
        else:
            elements, failure = self._taken(dataset.size)
            given: list[Element] | None = None
            if self._many is not None and failure is None and (len(elements) == dataset.size or not dataset.drops):
                if self._many.is_complete:
                    batch = self._together(self._many, elements)
                    if batch is not None:
                        return batch
                else:
                    given = self._many.rows(elements)
            made, failure = self._one_by_one(self._separate(elements), failure, given)
        if failure is not None:
            raise failure
        if len(made) < dataset.size and (dataset.drops or not made):
            self._source = None
            raise StopIteration
        return batch_of(made, dataset.row_types, mapped_differs)

    def _taken(self, count: int) -> tuple[list[Element], Exception | None]:
        """The next elements, without those that fail, and the first failure."""
        assert self._source is not None
        elements: list[Element] = []
        failure: Exception | None = None
        failed = 0
        while len(elements) + failed < count:
            try:
                self._source.add_to(elements, count - failed - len(elements))
            except Exception as error:
                failure = failure or error
                failed += 1
            else:
                if len(elements) + failed < count:
                    self._source = None
                break
        return elements, failure

    def _together(self, together: Many, elements: list[Element]) -> Element | None:
        """The batch of what the function gives, computed for all elements at once; None if that fails."""
        columns = together.columns(elements) if self._pool is None else self._in_parts(together, elements, self._pool)
        return None if columns is None else self._batch(columns)

    def _in_parts(self, together: Many, elements: list[Element], context: Context) -> list[Any] | None:
        """`together.columns(elements)`, computed by as many threads as there are processors."""
        threads = min(processors(), self._calls, len(elements) // FEWEST)
        if threads < 2:
            return together.columns(elements)
        size = -(-len(elements) // threads)
        pool = context.pool()
        calls = [pool.submit(together.columns, elements[at : at + size]) for at in range(0, len(elements), size)]
        parts = [call.value(context) for call in calls]
        if any(part is None for part in parts):
            return None
        return [joined(part) for part in zip(*parts, strict=True)]

    def _batch(self, columns: list[Any]) -> Element | None:
        columns = [c.together() if isinstance(c, RaggedColumn) else c for c in columns]
        if any(c is None or isinstance(c, LooseColumn) for c in columns):
            return None
        kinds = self._dataset.row_types
        return tuple([as_component(column, kind) for column, kind in zip(columns, kinds, strict=True)])

    def _separate(self, elements: list[Element]) -> list[Element]:
        return elements

    def _one_by_one(
        self, elements: list[Element], failure: Exception | None, given: list[Element] | None
    ) -> tuple[list[Any], Exception | None]:
        made: list[Any] = []
        for i, element in enumerate(elements):
            try:
                if given is None or self._many is None:
                    made.append(self._function(element))
                else:
                    made.append(self._many.finish(element, given[i]))
            except errors.OutOfRangeError as error:
                failure = failure or ends_or_fails(error, self._dataset.preserves)
                if isinstance(failure, StopIteration):
                    self._source = None
                    return made, None
            except Exception as error:
                failure = failure or error
        return made, failure

    def _in_parallel(self) -> tuple[list[Any], Exception | None]:
        assert self._source is not None and self._pool is not None
        calls: list[Any] = []
        pool = self._pool.pool()
        for _ in range(self._dataset.size):
            try:
                calls.append(pool.submit(self._function, next(self._source)))
            except StopIteration:
                self._source = None
                break
            except Exception as error:
                calls.append(error)
        made: list[Any] = []
        failure: Exception | None = None
        for call in calls:
            try:
                if isinstance(call, Exception):
                    raise call
                made.append(call.value(self._pool))
            except errors.OutOfRangeError as error:
                failure = failure or ends_or_fails(error, self._dataset.preserves)
                if isinstance(failure, StopIteration):
                    self._source = None
                    return made, None
            except Exception as error:
                failure = failure or error
        return made, failure


class _MappedRows(_MappedBatches):
    """Over rows of arrays: the source gives their numbers."""

    _arrays: Element = ()

    def _together(self, together: Many, elements: list[Element]) -> Element | None:
        if not elements:
            return None
        rows = np.array([number for (number,) in elements])
        pairs = zip(self._arrays, self._dataset.input.types, strict=True)
        columns = [gathered(a, rows, aligned((len(rows), *a.shape[1:]), kind)) for a, kind in pairs]
        made = together.of_columns(columns, len(rows))
        return None if made is None else self._batch(made)

    def _separate(self, elements: list[Element]) -> list[Element]:
        return [tuple([a[number] for a in self._arrays]) for (number,) in elements]
