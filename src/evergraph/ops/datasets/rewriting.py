"""Datasets that say how to run the one below: `OptimizeDataset`, `ModelDataset`, thread pools.

`OptimizeDataset` rewrites what is below it as TensorFlow does, since programs see it: `shuffle().repeat()` becomes one
`ShuffleAndRepeat`, which gives other orders than the two.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from evergraph.ops.datasets.batching import Batch
from evergraph.ops.datasets.dataset import Dataset, dataset_op
from evergraph.ops.datasets.fused import MapAndBatch
from evergraph.ops.datasets.mapping import Map, ParallelMap
from evergraph.ops.datasets.nesting import OfDatasets
from evergraph.ops.datasets.order import Prefetch, Repeat, Skip, Take, Unary
from evergraph.ops.datasets.shuffle import Shuffle
from evergraph.ops.opdef import kernel_error, op


def without_what_does_nothing(d: Dataset) -> Dataset:
    """take(-1), skip(0), repeat(1), prefetch(0)"""
    nothing = (
        isinstance(d, Take)
        and d.count < 0
        or isinstance(d, Skip)
        and d.count == 0
        or isinstance(d, Repeat)
        and d.count == 1
        or isinstance(d, Prefetch)
        and d.size == 0
    )
    return d.input if nothing else d


def shuffle_and_repeat(d: Dataset) -> Dataset:
    """shuffle(...) ► repeat(n)  becomes  shuffle_and_repeat(..., n)"""
    if isinstance(d, Repeat) and d.count != 0 and type(d.input) is Shuffle:
        s = d.input
        if s.count is None and s.reshuffles:
            return Shuffle(s.input, s.size, s.seeds, d.types, d.shapes, False, d.count)
    return d


def map_and_batch(d: Dataset) -> Dataset:
    """map(f) ► batch(n)  becomes  map_and_batch(f, n)"""
    if type(d) is Batch and isinstance(d.input, Map):
        m = d.input
        calls = m.calls if isinstance(m, ParallelMap) else 1
        return MapAndBatch(m.input, m.function, d.size, calls, d.drops, m.preserves, m.types, d.types, d.shapes)
    return d


def sloppy(d: Dataset) -> Dataset:
    """Whatever is there first may come first."""
    if type(d) is ParallelMap:
        d = copy.copy(d)
        d.is_sloppy = True
    return d


Rule = Callable[[Dataset], Dataset]

RULES: dict[bytes, Rule] = {
    b"make_sloppy": sloppy,
    b"map_and_batch_fusion": map_and_batch,
    b"noop_elimination": without_what_does_nothing,
    b"shuffle_and_repeat_fusion": shuffle_and_repeat,
}


def rewritten(dataset: Dataset, rule: Rule) -> Dataset:
    """`dataset` with `rule` applied everywhere, from the sources on."""
    done: dict[Dataset, Dataset] = {}
    stack = [dataset]
    while stack:
        d = stack[-1]
        missing = [i for i in d.inputs if i not in done]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if d not in done:
            done[d] = rule(d.with_inputs([done[i] for i in d.inputs]))
    return done[dataset]


def _may_change(dataset: Dataset) -> bool:
    """Whether there is anything in `dataset` that a rule is for: functions make many datasets, and most are plain."""
    waiting = [dataset]
    while waiting:
        d = waiting.pop()
        if isinstance(d, _CANDIDATES) or type(d) is Batch and isinstance(d.input, Map):
            return True
        waiting.extend(d.inputs)
    return False


_CANDIDATES = (OfDatasets, ParallelMap, Prefetch, Repeat, Skip, Take)


def optimized(dataset: Dataset, rules: list[Rule]) -> Dataset:
    """`dataset`, and the datasets that functions in it make, rewritten by `rules`, one after the other."""
    if not _may_change(dataset):
        return dataset

    def inside(d: Dataset) -> Dataset:
        if isinstance(d, OfDatasets):
            d = copy.copy(d)
            d.rewrite = lambda made: optimized(made, rules)
        return d

    for rule in (*rules, inside):
        dataset = rewritten(dataset, rule)
    return dataset


@dataset_op("OptimizeDataset")
def optimize_dataset(
    xp: Any, source: Any, optimizations: Any, *, output_types: Any, output_shapes: Any, optimization_configs: Any
) -> Dataset:
    """The same elements, made in a better way."""
    return optimized(source, [RULES[name] for name in optimizations if name in RULES])


def _unchanged(xp: Any, source: Any, *_: Any) -> Dataset:
    """The same elements."""
    return source


model_dataset = dataset_op("ModelDataset")(_unchanged)
for _name in ("MaxIntraOpParallelismDataset", "NonSerializableDataset", "SleepDataset"):
    dataset_op(_name)(_unchanged)


class ThreadPool(Unary):
    """Says how many threads call functions for what is below it: at most so many, or any number for 0."""

    kind = "ThreadPool"
    is_plain = True

    def __init__(self, source: Dataset, threads: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._threads = threads

    def iterate(self, context: Any, prefix: str) -> Any:
        if self._threads:
            context.most_threads = self._threads
        return self.input.iterate(context, prefix)

    def cardinality(self) -> int:
        return self.input.cardinality()


@dataset_op("PrivateThreadPoolDataset")
def private_thread_pool_dataset(
    xp: Any, source: Any, num_threads: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """The same elements, made with at most so many threads."""
    if int(num_threads) < 0:
        raise kernel_error("`num_threads` must be >= 0")
    return ThreadPool(source, int(num_threads), output_types, output_shapes)


@dataset_op("ThreadPoolDataset")
def thread_pool_dataset(xp: Any, source: Any, pool: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The same elements, made with the threads of a `ThreadPoolHandle`."""
    return ThreadPool(source, int(pool[1]), output_types, output_shapes)


wrap_dataset_variant = dataset_op("WrapDatasetVariant")(_unchanged)
unwrap_dataset_variant = dataset_op("UnwrapDatasetVariant")(_unchanged)


@dataset_op("AssertNextDataset")
def assert_next_dataset(
    xp: Any, source: Any, transformations: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """Fails unless the datasets below are of the kinds given."""
    return AssertNext(source, [t.decode() for t in transformations], output_types, output_shapes)


class AssertNext(Dataset):
    kind = "AssertNext"

    def __init__(self, source: Dataset, kinds: list[str], types: Any, shapes: Any) -> None:
        super().__init__(types, shapes, (source,))
        self._kinds = kinds

    def iterator(self, context: Any, name: str) -> Any:
        d: Dataset | None = self.input
        for i, wanted in enumerate(self._kinds):
            if d is None:
                raise kernel_error(f"Asserted next {len(self._kinds)} transformations but encountered only {i}.")
            if d.kind.removeprefix("Finite").removeprefix("Forever") != wanted and d.kind != wanted:
                raise kernel_error(
                    f"Asserted {wanted} transformation at offset {i} but encountered {d.kind} transformation instead."
                )
            d = d.inputs[0] if d.inputs else None
        return self.input.iterate(context, name)

    def cardinality(self) -> int:
        return self.input.cardinality()


@op("ThreadPoolHandle", host=True, differentiable=False, shape=lambda: ())
def thread_pool_handle(xp: Any, *, num_threads: Any) -> Any:
    """A number of threads for datasets."""
    return ("threads", num_threads)
