"""Statistics of datasets: how long elements take, how full buffers are, how many elements a filter drops.

    SetStatsAggregator ──► Prefetch ──► Filter ──► ...       iterators below the first know the aggregator
                               │           │
                               └───────────┴──► Aggregator ──► a `Summary`

A dataset is called after its op and its number among all there is below the aggregator, as TensorFlow's are:
"PrefetchDataset/_5::buffer_size".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.formats import messages
from evergraph.formats.histogram import Tally
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, as_array, dataset_op
from evergraph.ops.datasets.order import Prefetched, Unary
from evergraph.ops.datasets.readers import text_of
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running


class Aggregator:
    """Histograms and the last values of numbers, by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._histograms: dict[str, Tally] = {}
        self._numbers: dict[str, float] = {}

    def add(self, name: str, values: Sequence[float]) -> None:
        with self._lock:
            tally = self._histograms.setdefault(name, Tally())
            for value in values:
                tally.add(value)

    def note(self, name: str, value: float) -> None:
        with self._lock:
            self._numbers[name] = value

    def summary(self) -> bytes:
        made = messages.Summary()
        with self._lock:
            for name, tally in self._histograms.items():
                made.value.add(tag=name).histo.CopyFrom(tally.histogram())
            for name, value in self._numbers.items():
                made.value.add(tag=name, simple_value=value)
        return bytes(made.SerializeToString())


class Statistics:
    """What the iterators below one `SetStatsAggregatorDataset` share."""

    def __init__(self, aggregator: Aggregator, prefix: str, dataset: Dataset) -> None:
        self._aggregator, self._prefix = aggregator, f"{prefix}::" if prefix else ""
        self._names: dict[int, str] = {}
        self._datasets = [dataset]
        self._numbered = 0
        self._number(dataset)

    def _number(self, dataset: Dataset) -> None:
        kind, given = _origin(dataset)
        below = iter(dataset.inputs)
        for value in given:
            for part in value if isinstance(value, tuple | list) else (value,):
                if isinstance(part, Dataset):
                    self._number(next(below, part))
                else:
                    self._numbered += 1
        self._names[id(dataset)] = f"{kind}/_{self._numbered}"
        self._numbered += 1

    def name(self, dataset: Dataset) -> str:
        return self._names.get(id(dataset)) or _origin(dataset)[0]

    def add(self, name: str, *values: float) -> None:
        self._aggregator.add(self._prefix + name, values)

    def note(self, name: str, value: float) -> None:
        self._aggregator.note(self._prefix + name, value)

    def watched(self, dataset: Dataset, iterator: Iterator) -> Iterator:
        """`iterator` of `dataset`, or one that gathers statistics around it."""
        kind = _origin(dataset)[0]
        if isinstance(iterator, Prefetched):
            return _WatchedBuffer(iterator, self, self.name(dataset))
        if kind in _PARALLEL:
            return _WatchedCalls(iterator, self, self.name(dataset), dataset)
        return iterator


def _origin(dataset: Dataset) -> tuple[str, Sequence[Any]]:
    """The op that made a dataset, and its inputs; of one that was rewritten, the op that made what it was before."""
    made = dataset.origin
    while made is not None and made[0] == "OptimizeDataset" and isinstance(made[1][0], Dataset):
        made = made[1][0].origin
    return (dataset.kind, dataset.inputs) if made is None else made[:2]


_PARALLEL = frozenset(
    (
        "MapAndBatchDataset", "ExperimentalMapAndBatchDataset", "ParallelInterleaveDataset",
        "ParallelInterleaveDatasetV2", "ExperimentalParallelInterleaveDataset", "ParallelMapDataset",
        "ParseExampleDataset",
    )
)  # fmt: skip


class _Watched(Iterator):
    def __init__(self, iterator: Iterator, statistics: Statistics, name: str) -> None:
        self._iterator, self._statistics, self._name = iterator, statistics, name


class _WatchedBuffer(_Watched):
    """Of a dataset that makes elements ahead: how many were there when one was taken."""

    def __next__(self) -> Element:
        iterator = self._iterator
        assert isinstance(iterator, Prefetched)
        ready = iterator.ready
        element = next(iterator)
        capacity = iterator.capacity
        size = min(max(1, ready), capacity)
        statistics, name = self._statistics, self._name
        statistics.note(f"{name}::buffer_capacity", capacity)
        statistics.note(f"{name}::buffer_size", size)
        statistics.add(f"{name}::buffer_utilization", size / capacity)
        return element


class _WatchedCalls(_Watched):
    """Of a dataset that calls a function: how long that takes. What is done at once is one call here."""

    def __init__(self, iterator: Iterator, statistics: Statistics, name: str, dataset: Dataset) -> None:
        super().__init__(iterator, statistics, name)
        self._times = "Map" in name
        self._size = getattr(dataset, "size", 1)
        self._parses = dataset.kind == "ParseExample"

    def __next__(self) -> Element:
        began = time.perf_counter()
        element = next(self._iterator)
        micros = (time.perf_counter() - began) * 1e6 / self._size
        statistics, name = self._statistics, self._name
        statistics.note(f"{name}::thread_utilization", 1.0)
        if self._times:
            statistics.add(f"{name}::execution_time", *[micros] * self._size)
        if self._parses:
            features, values = _counts(element)
            statistics.add(f"{name}::features_count", *features)
            statistics.add(f"{name}::feature_values_count", *values)
        return element


def _counts(element: Element) -> tuple[list[float], list[float]]:
    """How many features, and how many values in them, each example of a parsed batch has."""
    parts: list[np.ndarray] = []
    for part in element:
        if part.dtype == object and part.shape == (3,) and isinstance(part[0], np.ndarray):
            indices, _, shape = part
            parts.append(np.bincount(indices[:, 0], minlength=int(shape[0])))
        else:
            parts.append(np.full(len(part), part[0].size if len(part) and hasattr(part[0], "size") else 1))
    counts = np.stack(parts)
    return (counts > 0).sum(axis=0).tolist(), counts.sum(axis=0).tolist()


# Datasets


class SetStatsAggregator(Unary):
    """Says where statistics of what is below it go."""

    kind = "SetStatsAggregator"
    is_plain = True

    def __init__(self, source: Dataset, aggregator: Aggregator, prefix: str, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._aggregator, self._prefix = aggregator, prefix

    def iterate(self, context: Context, prefix: str) -> Iterator:
        context.statistics = Statistics(self._aggregator, self._prefix, self.input)
        return self.input.iterate(context, prefix)

    def cardinality(self) -> int:
        return self.input.cardinality()


class Measured(Unary):
    """The elements below it, each of them measured: how long it takes, or how many bytes it has."""

    def __init__(self, source: Dataset, tag: str, kind: str, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._tag, self.kind = tag, kind

    def iterate(self, context: Context, prefix: str) -> Iterator:
        source = self.input.iterate(context, prefix)
        if context.statistics is None:
            return source
        return _Measured(source, context.statistics, self._tag, self.kind == "LatencyStats")

    def cardinality(self) -> int:
        return self.input.cardinality()


class _Measured(Iterator):
    def __init__(self, source: Iterator, statistics: Statistics, tag: str, times: bool) -> None:
        self._source, self._statistics, self._tag, self._times = source, statistics, tag, times

    def __next__(self) -> Element:
        began = time.perf_counter()
        element = next(self._source)
        took = (time.perf_counter() - began) * 1e6
        self._statistics.add(self._tag, took if self._times else float(sum(map(_bytes, element))))
        return element


def _bytes(component: Any) -> int:
    if isinstance(component, bytes):
        return len(component)
    if isinstance(component, np.ndarray) and component.dtype.kind == "O":
        return sum(_bytes(part) for part in component.ravel().tolist())
    return int(getattr(component, "nbytes", 0))


# Ops


@dataset_op("SetStatsAggregatorDataset")
def set_stats_aggregator_dataset(
    xp: Any, source: Any, aggregator: Any, tag: Any, counter_prefix: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """The same elements. Statistics of the datasets below gather in the aggregator."""
    if not isinstance(aggregator, Aggregator):
        raise kernel_error(f"not an aggregator of statistics: {aggregator!r}")
    return SetStatsAggregator(source, aggregator, text_of(tag), output_types, output_shapes)


@dataset_op("LatencyStatsDataset")
def latency_stats_dataset(xp: Any, source: Any, tag: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The same elements; how long each takes counts as `tag`."""
    return Measured(source, text_of(tag), "LatencyStats", output_types, output_shapes)


@dataset_op("BytesProducedStatsDataset")
def bytes_produced_stats_dataset(xp: Any, source: Any, tag: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The same elements; how many bytes each has counts as `tag`."""
    return Measured(source, text_of(tag), "BytesProducedStats", output_types, output_shapes)


@op("StatsAggregatorHandle", session=True, differentiable=False, shape=lambda: ())
def stats_aggregator_handle(xp: Any, *, run: Running, container: bytes, shared_name: bytes) -> Aggregator:
    """Where statistics of datasets gather."""
    return run.resource(container, shared_name, Aggregator)


@op("StatsAggregatorSummary", host=True, differentiable=False, shape=lambda _: ())
def stats_aggregator_summary(xp: Any, aggregator: Any) -> Any:
    """The statistics so far, as a serialized `Summary`."""
    if not isinstance(aggregator, Aggregator):
        raise kernel_error(f"not an aggregator of statistics: {aggregator!r}")
    return as_array(aggregator.summary())
