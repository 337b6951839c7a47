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
from evergraph.ops.datasets.mapping import _PARALLEL, Captured, Function, ends_or_fails


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
        parallel = calls > 1 and not self.function.op_types().isdisjoint(_PARALLEL)
        return _MappedBatches(
            self.input.iterate(context, name), self.function.bound(context), self, context if parallel else None
        )


class _MappedBatches(Iterator):
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
            for _ in range(dataset.size):
                try:
                    element = next(self._source)
                except StopIteration:
                    self._source = None
                    break
                except Exception as error:
                    failure = failure or error
                    continue
                try:
                    made.append(self._function(element))
                except errors.OutOfRangeError as error:
                    failure = failure or ends_or_fails(error, dataset.preserves)
                    if isinstance(failure, StopIteration):
                        self._source, failure = None, None
                        break
                except Exception as error:
                    failure = failure or error
        if failure is not None:
            raise failure
        if len(made) < dataset.size and (dataset.drops or not made):
            self._source = None
            raise StopIteration
        return batch_of(made, dataset.row_types, mapped_differs)

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
