"""Positions of iterators in checkpoints that TensorFlow 1.15 wrote.

TensorFlow writes down what each iterator below has come to, under names like ours:

    Iterator::Model::Prefetch:buffer_size                  2
    Iterator::Model::Prefetch::BatchV2::Range:next        40      how far the source has been read

A position of ours is how many elements have been given. That number follows from the state: from the source upwards,
each dataset gave what its input gave, less what waits in a buffer, one for each batch, and so on. Of some (filters),
it takes going through the elements. What a number cannot tell is refused, by name.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.formats.tfrecord import read_records
from evergraph.framework.errors import OpError
from evergraph.ops.datasets.batching import Batch, Unbatch
from evergraph.ops.datasets.cache import MemoryCache
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset
from evergraph.ops.datasets.mapping import Filter, Map, ParallelMap, Scan
from evergraph.ops.datasets.nesting import FlatMap, Interleave
from evergraph.ops.datasets.order import Concatenate, Prefetch, Repeat, Skip, Take, Zip
from evergraph.ops.datasets.readers import Files
from evergraph.ops.datasets.shuffle import Shuffle
from evergraph.ops.datasets.sources import Range, TensorSlices
from evergraph.ops.opdef import kernel_error

TYPE = "tensorflow::Iterator"
_ENDED = ("input_impl_empty", "input_impls_empty", "exhausted", "end_of_input", "end_of_input_sequence")
_WRAPPERS = ("Model", "Optimize", "Options", "MaxIntraOpParallelism", "PrivateThreadPool", "SetStatsAggregator")


def given_before(position: Any, dataset: Dataset, context: Context) -> int:
    """How many elements of `dataset` are before a position of TensorFlow's.

    Args:
        position: a `StoredVariant` of the type `TYPE`.
        dataset: what the iterator goes through.
        context: for going through elements where that is needed.

    Raises:
        InvalidArgumentError: for the position of an iterator over other datasets, or one that does not tell.
    """
    try:
        keys = position.metadata.decode().split("@@")[1:]
        state = dict(zip(keys, position.tensors, strict=True))
    except ValueError:
        raise kernel_error("a damaged position of an iterator of TensorFlow's") from None
    return _Reader(state, context).given(dataset, "Iterator")


class _Reader:
    def __init__(self, state: dict[str, Any], context: Context) -> None:
        self._state, self._context = state, context

    def given(self, d: Dataset, prefix: str) -> int:
        """How many elements the iterator of `d` has given, whose parent is `prefix`."""
        for cls, rule in _RULES.items():
            if isinstance(d, cls):
                return rule(self, d, self._name(d, prefix))
        raise self._refused(f"a {d.kind} dataset does not tell how far it is")

    def _name(self, d: Dataset, prefix: str) -> str:
        kind = d.kind
        for wrapper in ("", *(f"::{w}" for w in _WRAPPERS)):
            for name in (f"{prefix}{wrapper}::{kind}", f"{prefix}{wrapper}::{kind}V2"):
                if any(key.startswith(name) and key[len(name) : len(name) + 1] in (":", "[") for key in self._state):
                    return name
        raise self._refused(f"it is that of another pipeline: there is nothing of {prefix}::{kind} in it")

    def _refused(self, why: str) -> OpError:
        return kernel_error(
            f"cannot go on from this position, which TensorFlow saved: {why}. Start the iterator anew, without it."
        )

    def _number(self, key: str) -> int:
        value = self._state.get(key)
        if value is None or not np.issubdtype(np.asarray(value).dtype, np.integer):
            raise self._refused(f"there is no {key!r} in it")
        return int(value)

    def _has_ended(self, name: str) -> bool:
        return any(f"{name}:{key}" in self._state for key in _ENDED)

    def _count(self, d: Dataset) -> int:
        """How many elements a dataset has."""
        known = d.cardinality()
        return known if known >= 0 else sum(1 for _ in d.iterate(self._context, "Counted"))

    # Sources

    def _range(self, d: Range, name: str) -> int:
        numbers = d._numbers
        at = self._number(f"{name}:next")
        if (at - numbers.start) % numbers.step:
            raise self._refused(f"{at} is no number of its range")
        return (at - numbers.start) // numbers.step

    def _slices(self, d: TensorSlices, name: str) -> int:
        return self._number(f"{name}:i")

    def _files(self, d: Files, name: str) -> int:
        """Whole files, and the records of one up to the place where the next begins."""
        index = self._number(f"{name}:current_file_index")
        whole = sum(sum(1 for _ in d._reader(path)) for path in d._names[:index])
        place = next((k for k in ("offset", "current_pos") if f"{name}:{k}" in self._state), None)
        if place is None:
            return whole
        offset = self._number(f"{name}:{place}")
        if d.is_compressed:
            raise self._refused("it is inside of a compressed file")
        if d.kind == "TFRecord":
            ends = itertools.accumulate(len(record) + 16 for record in read_records(d._names[index]))
            return whole + sum(1 for _ in itertools.takewhile(lambda end: end <= offset, ends))
        if d.kind == "TextLine":
            with open(d._names[index], "rb") as file:
                return whole + file.read(min(offset, os.fstat(file.fileno()).st_size)).count(b"\n")
        raise self._refused(f"a {d.kind} dataset does not tell how far it is")

    # One element for each of the input

    def _same(self, d: Any, name: str) -> int:
        return self.given(d.input, name)

    def _ahead(self, d: Any, name: str) -> int:
        waiting = range(self._number(f"{name}:invocation_results.size"))
        marks = sum(f"{name}:invocation_results[{i}].end_of_input" in self._state for i in waiting)
        return self.given(d.input, name) - (len(waiting) - marks)

    def _buffered(self, d: Prefetch, name: str) -> int:
        return self.given(d.input, name) - self._number(f"{name}:buffer_size")

    def _zipped(self, d: Zip, name: str) -> int:
        if self._has_ended(name):
            return min(self._count(source) for source in d.inputs)
        return self.given(d.inputs[0], f"{name}[0]")

    # Fewer, or more

    def _batched(self, d: Batch, name: str) -> int:
        if d.kind not in ("Batch", "PaddedBatch", "MapAndBatch"):
            raise self._refused(f"a {d.kind} dataset does not tell how far it is")
        rows = self._count(d.input) if self._has_ended(name) else self.given(d.input, name)
        waiting = 0
        if d.kind == "MapAndBatch":
            least = d.size if d.drops else 1
            sizes = range(self._number(f"{name}:batch_results_size"))
            waiting = sum(self._number(f"{name}:batch_results_{i}_num_elements") >= least for i in sizes)
        return (rows // d.size if d.drops else -(-rows // d.size)) - waiting

    def _unbatched(self, d: Unbatch, name: str) -> int:
        batches = self.given(d.input, name)
        if f"{name}:current_index" not in self._state:
            return self._count_over(d, batches)
        at, size = self._number(f"{name}:current_index"), self._number(f"{name}:n")
        return self._count_over(d, batches) - (size - at)

    def _taken(self, d: Take, name: str) -> int:
        return self._count(d) if self._has_ended(name) else self._number(f"{name}:i")

    def _skipped(self, d: Skip, name: str) -> int:
        return self._count(d) if self._has_ended(name) else max(0, self.given(d.input, name) - d.count)

    def _repeated(self, d: Repeat, name: str) -> int:
        if self._has_ended(name):
            return self._count(d)
        if d.count < 0:
            if f"{name}:uninitialized" in self._state:
                return 0
            return self.given(d.input, name)  # of any pass: all are the same
        passes = self._number(f"{name}:i")
        if passes == d.count:
            return self._count(d)
        return passes * (self._count(d.input) if passes else 0) + self.given(d.input, name)

    def _concatenated(self, d: Concatenate, name: str) -> int:
        at = self._number(f"{name}:i")
        before = sum(self._count(source) for source in d.inputs[:at])
        return before + (self.given(d.inputs[at], f"{name}[{at}]") if at < len(d.inputs) else 0)

    def _cached(self, d: MemoryCache, name: str) -> int:
        if self._number(f"{name}:Mode"):  # it is filled as it is read
            return self._number(f"{name}:cache_size")
        return self._number(f"{name}Impl:index")

    def _shuffled(self, d: Shuffle, name: str) -> int:
        if d.reshuffles and d.count is None:
            key = f"{name}:ds_num_random_samples"
            if key in self._state and self._number(key) > 2:
                raise self._refused("it is in a later pass over elements that each pass shuffles anew")
        return self._number(f"{name}:num_random_samples")

    def _filtered(self, d: Filter, name: str) -> int:
        if self._has_ended(name):
            return self._count(d)
        return self._count_over(d, self.given(d.input, name))

    def _count_over(self, d: Any, count: int) -> int:
        """How many elements a dataset makes of the first `count` of its input."""
        some = Take(d.input, count, d.input.types, d.input.shapes)
        return sum(1 for _ in d.with_inputs([some]).iterate(self._context, "Counted"))

    def _flat_mapped(self, d: FlatMap, name: str) -> int:
        if self._has_ended(name):
            return self._count(d)
        number = self._number(f"{name}:element_index")
        if number == 0:
            return 0
        current = Skip(d.input, number - 1, d.input.types, d.input.shapes).iterate(self._context, "Counted")
        inner = self._made(d, next(current))
        return self._count_over(d, number - 1) + self.given(inner, f"{name}[{number - 1}]")

    def _interleaved(self, d: Interleave, name: str) -> int:
        """What all datasets that were opened have, less what is left of those that are open."""
        if d.kind != "Interleave":
            raise self._refused(f"a {d.kind} dataset does not tell how far it is")
        opened = self._count(d.input) if self._has_ended(name) else self.given(d.input, name)
        given = self._count_over(d, opened)
        for slot in range(d.cycle):
            if f"{name}:args_size[{slot}]" in self._state:
                size = self._number(f"{name}:args_size[{slot}]")
                inner = self._made(d, tuple(self._state[f"{name}:args_list_[{slot}][{i}]"] for i in range(size)))
                given += self.given(inner, f"{name}[{slot}]") - self._count(inner)
        return given

    def _made(self, d: Any, element: Any) -> Dataset:
        """The dataset that a function makes of an element."""
        return d.made(d.function.bound(self._context)(element))


_RULES: dict[type, Callable[[_Reader, Any, str], int]] = {
    Range: _Reader._range,
    TensorSlices: _Reader._slices,
    Files: _Reader._files,
    ParallelMap: _Reader._ahead,
    Map: _Reader._same,
    Scan: _Reader._same,
    Prefetch: _Reader._buffered,
    Zip: _Reader._zipped,
    Batch: _Reader._batched,
    Unbatch: _Reader._unbatched,
    Take: _Reader._taken,
    Skip: _Reader._skipped,
    Repeat: _Reader._repeated,
    Concatenate: _Reader._concatenated,
    Shuffle: _Reader._shuffled,
    Filter: _Reader._filtered,
    FlatMap: _Reader._flat_mapped,
    Interleave: _Reader._interleaved,
    MemoryCache: _Reader._cached,
}
