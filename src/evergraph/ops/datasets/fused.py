"""`map_and_batch`: a function of each element of a batch, as one step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.ops.datasets.batching import Batch, batch_of, mapped_differs
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator
from evergraph.ops.datasets.mapping import PARALLEL, Captured, Function, ends_or_fails
from evergraph.ops.datasets.parse_ahead import BoundParse, parse_ahead


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

    def iterator(self, context: Context, name: str) -> Iterator:
        calls = self.calls if self.calls > 0 else 2 * (os.cpu_count() or 1)
        parallel = calls > 1 and not self.function.op_types().isdisjoint(PARALLEL)
        made = _MappedBatches(
            self.input.iterate(context, name), self.function.bound(context), self, context if parallel else None
        )
        ahead = None if parallel else parse_ahead(self.function)
        made._ahead = None if ahead is None else ahead.bound(context)
        return made


class _MappedBatches(Iterator):
    _ahead: BoundParse | None = None

    def __init__(self, source: Iterator, function: Function, dataset: MapAndBatch, context: Context | None) -> None:
        self._source: Iterator | None = source
        self._function, self._dataset, self._pool = function, dataset, context

    def __next__(self) -> Element:
        dataset = self._dataset
        if self._source is None:
            raise StopIteration
        made: list[Any] = []
        failure: Exception | None = None
        if self._pool is not None:
            made, failure = self._in_parallel()
        else:
            elements, failure = self._taken(dataset.size)
            if self._ahead is not None and failure is None and elements:
                if len(elements) == dataset.size or not dataset.drops:
                    batch = self._parsed_ahead(elements)
                    if batch is not None:
                        return batch
            made, failure = self._one_by_one(elements, failure)
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
        for _ in range(count):
            try:
                elements.append(next(self._source))
            except StopIteration:
                self._source = None
                break
            except Exception as error:
                failure = failure or error
        return elements, failure

    def _parsed_ahead(self, elements: list[Element]) -> Element | None:
        assert self._ahead is not None
        try:
            batch = self._ahead.batch(elements)
            if batch is None:
                batch = batch_of([tuple(r) for r in self._ahead.results(elements)], self._dataset.row_types)
            return batch
        except Exception:  # whatever it is, going through them one by one says it at its element
            return None

    def _one_by_one(self, elements: list[Element], failure: Exception | None) -> tuple[list[Any], Exception | None]:
        made: list[Any] = []
        for element in elements:
            try:
                made.append(self._function(element))
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
