"""Elements put together and taken apart: batch, padded_batch, map_and_batch, unbatch, dense_to_sparse_batch.

The arrays of a batch start at multiples of 64 bytes: a compiled program takes such an array without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.datasets.aligned import aligned
from evergraph.ops.datasets.captured import Captured
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import INFINITE, UNKNOWN, Dataset, Element, Iterator, dataset_op, shape_of
from evergraph.ops.datasets.mapping import Map, ParallelMap
from evergraph.ops.datasets.order import Unary
from evergraph.ops.datasets.rows import gathered, numbered
from evergraph.ops.datasets.stacking import batch_of, column_of, shape_text
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running


def batch_count(count: int, size: int, drops: bool) -> int:
    if count in (INFINITE, UNKNOWN):
        return count
    return count // size + (0 if drops or count % size == 0 else 1)


class Batch(Unary):
    kind = "Batch"
    is_plain = True

    def __init__(self, source: Dataset, size: int, drops: bool, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        if size <= 0:
            raise kernel_error("Batch size must be greater than zero.")
        self.size, self.drops = size, drops

    def iterator(self, context: Context, name: str) -> Iterator:
        found = numbered(self.input)
        if found is not None:
            arrays, numbers = found
            return _Gathered(numbers.iterate(context, name), self.size, self.drops, self.input.types, arrays)
        return _Batched(self.input.iterate(context, name), self.size, self.drops, self.input.types)

    def cardinality(self) -> int:
        return batch_count(self.input.cardinality(), self.size, self.drops)


class _Batched(Iterator):
    def __init__(self, source: Iterator, size: int, drops: bool, types: Sequence[DType]) -> None:
        self._source: Iterator | None = source
        self._size, self._drops, self._types = size, drops, types

    def __next__(self) -> Element:
        if self._source is None:
            raise StopIteration
        elements = self._source.take(self._size)
        if len(elements) < self._size:
            self._source = None
            if self._drops or not elements:
                raise StopIteration
        return self._together(elements)

    def _together(self, elements: list[Element]) -> Element:
        return batch_of(elements, self._types)


class _Gathered(_Batched):
    """Batches of rows of arrays; the source gives their numbers."""

    def __init__(self, source: Iterator, size: int, drops: bool, types: Sequence[DType], arrays: Element) -> None:
        super().__init__(source, size, drops, types)
        self._arrays = arrays

    def _together(self, elements: list[Element]) -> Element:
        rows = np.array([number for (number,) in elements])
        pairs = zip(self._arrays, self._types, strict=True)
        return tuple([gathered(a, rows, aligned((len(rows), *a.shape[1:]), kind)) for a, kind in pairs])


class PaddedBatch(Batch):
    kind = "PaddedBatch"

    def __init__(
        self, source: Dataset, size: int, padded: Sequence[Shape], values: Element, drops: bool, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, size, drops, types, shapes)
        self._padded, self._values = padded, values

    def iterator(self, context: Context, name: str) -> Iterator:
        source = self.input.iterate(context, name)
        return _PaddedBatched(source, self.size, self.drops, self.input.types, self._padded, self._values)


class _PaddedBatched(_Batched):
    def __init__(
        self,
        source: Iterator,
        size: int,
        drops: bool,
        types: Sequence[DType],
        padded: Sequence[Shape],
        values: Element,
    ) -> None:
        super().__init__(source, size, drops, types)
        self._padded, self._values = padded, values

    def _together(self, elements: list[Element]) -> Element:
        parts = zip(zip(*elements, strict=True), self._types, self._padded, self._values, strict=True)
        return tuple([_padded(*part, i) for i, part in enumerate(parts)])


def _padded(column: Sequence[Any], kind: DType, padded: Shape, value: Any, component: int) -> np.ndarray:
    assert padded is not None
    plain = _padded_plain(column, kind, padded, value)
    if plain is not None:
        return plain
    sizes = [0 if n is None else n for n in padded]
    for element in column:
        shape = shape_of(element)
        if len(shape) != len(sizes):
            raise kernel_error(
                f"All elements in a batch must have the same rank as the padded shape for component{component}: "
                f"expected rank {len(sizes)} but got element with rank {len(shape)}"
            )
        for axis, n in enumerate(shape):
            if n > sizes[axis]:
                if padded[axis] is not None:
                    raise kernel_error(
                        f"Attempted to pad to a smaller size than the input element: component {component} has size "
                        f"{n} along axis {axis}, and the padded shape {sizes[axis]}.",
                        errors.DataLossError,
                    )
                sizes[axis] = n
    out = aligned((len(column), *sizes), kind)
    full = tuple(sizes)
    if any(shape_of(element) != full for element in column):
        out[...] = value[()] if isinstance(value, np.ndarray) else value
    for i, element in enumerate(column):
        shape = shape_of(element)
        if shape:
            places: Any = (i, *map(slice, shape))
            out[places] = element
        else:
            out[i] = element if type(element) is not np.ndarray else element[()]
    return out


def _padded_plain(column: Sequence[Any], kind: DType, padded: tuple[int | None, ...], value: Any) -> np.ndarray | None:
    """The scalars or vectors of a batch, if they are nothing else and fit."""
    types = set(map(type, column))
    if not padded and np.ndarray not in types:
        return column_of(column, kind)
    if len(padded) != 1 or types != {np.ndarray} or any(vector.ndim != 1 for vector in column):
        return None
    lengths = np.fromiter(map(len, column), np.int64, len(column))
    longest = int(lengths.max())
    width = longest if padded[0] is None else padded[0]
    if longest > width:
        return None
    out = aligned((len(column), width), kind)
    out[...] = value[()] if isinstance(value, np.ndarray) else value
    out[np.arange(width) < lengths[:, None]] = np.concatenate(column)
    return out


class Unbatch(Unary):
    kind = "Unbatch"

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Unbatched(self.input.iterate(context, name))


class _Unbatched(Iterator):
    def __init__(self, source: Iterator) -> None:
        self._source: Iterator | None = source
        self._rows: Any = iter(())

    def __next__(self) -> Element:
        while self._source is not None:
            for row in self._rows:
                return row
            try:
                batch = next(self._source)
            except StopIteration:
                self._source = None
                break
            for i, component in enumerate(batch):
                if not shape_of(component):
                    raise kernel_error("Input element must have a non-scalar value in each component.")
                if len(component) != len(batch[0]):
                    raise kernel_error(
                        "Input element must have the same batch size in each component. Component 0 had size "
                        f"{len(batch[0])} but component {i} had size, {len(component)}."
                    )
            self._rows = zip(*batch, strict=True)
        raise StopIteration


class DenseToSparseBatch(Batch):
    kind = "DenseToSparseBatch"

    def __init__(self, source: Dataset, size: int, row: Shape, types: Any, shapes: Any) -> None:
        super().__init__(source, size, False, types, shapes)
        self._row = row

    def iterator(self, context: Context, name: str) -> Iterator:
        return _SparseBatched(self.input.iterate(context, name), self.size, self.input.types, self._row)


class _SparseBatched(_Batched):
    def __init__(self, source: Iterator, size: int, types: Sequence[DType], row: Shape) -> None:
        super().__init__(source, size, False, types)
        self._row = row

    def _together(self, elements: list[Element]) -> Element:
        assert self._row is not None
        sizes = [0 if n is None else n for n in self._row]
        indices, values = [], []
        for i, (component,) in enumerate(elements):
            array = np.asarray(component, object) if type(component) is bytes else np.asarray(component)
            row = "[" + ",".join("?" if n is None else str(n) for n in self._row) + "]"
            if array.ndim != len(sizes):
                raise kernel_error(
                    f"Input element had shape ({shape_text(array.shape)}) that is incompatible with "
                    f"the row shape ({row})."
                )
            for axis, n in enumerate(array.shape):
                if self._row[axis] is None:
                    sizes[axis] = max(n, sizes[axis])
                elif n > sizes[axis]:
                    raise kernel_error(
                        f"Input element had shape ({shape_text(array.shape)}) that is larger than "
                        f"the row shape ({row}).",
                        errors.DataLossError,
                    )
            places = np.indices(array.shape).reshape(array.ndim, -1).T
            indices.append(np.concatenate([np.full((array.size, 1), i), places], axis=1))
            values.append(array.ravel())
        boxed = np.empty(3, object)
        boxed[0] = np.concatenate(indices).astype(np.int64)
        boxed[1] = np.concatenate(values)
        boxed[2] = np.array([len(elements), *sizes], np.int64)
        return (boxed,)


# Ops


@dataset_op("BatchDatasetV2")
def batch_dataset_v2(
    xp: Any, source: Any, batch_size: Any, drop_remainder: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """Batches of `batch_size` elements."""
    return Batch(source, int(batch_size), bool(drop_remainder), output_types, output_shapes)


@dataset_op("BatchDataset")
def batch_dataset(xp: Any, source: Any, batch_size: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """Batches of `batch_size` elements; the last one may be smaller."""
    return Batch(source, int(batch_size), False, output_types, output_shapes)


def _padded_batch(
    source: Any, size: Any, padded: Any, values: Any, drops: bool, types: Any, shapes: Any
) -> PaddedBatch:
    for value in values:
        if shape_of(value):
            raise kernel_error("All padding values must be scalars")
    for row in padded:
        if np.any(row < -1):
            raise kernel_error(f"Dimension {int(np.min(row))} in padded shape {row.tolist()} must be >= -1")
    rows = [tuple(None if n < 0 else int(n) for n in row) for row in padded]
    return PaddedBatch(source, int(size), rows, values, drops, types, shapes)


@dataset_op("PaddedBatchDataset")
def padded_batch_dataset(
    xp: Any,
    source: Any,
    batch_size: Any,
    padded_shapes: Any,
    padding_values: Any,
    *,
    Toutput_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Batches of elements that are padded to one shape."""
    return _padded_batch(source, batch_size, padded_shapes, padding_values, False, Toutput_types, output_shapes)


@dataset_op("PaddedBatchDatasetV2")
def padded_batch_dataset_v2(
    xp: Any,
    source: Any,
    batch_size: Any,
    padded_shapes: Any,
    padding_values: Any,
    drop_remainder: Any,
    *,
    Toutput_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Batches of elements that are padded to one shape."""
    drops = bool(drop_remainder)
    return _padded_batch(source, batch_size, padded_shapes, padding_values, drops, Toutput_types, output_shapes)


@dataset_op("UnbatchDataset")
def unbatch_dataset(xp: Any, source: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The slices of each element along its first axis."""
    return Unbatch(source, output_types, output_shapes)


@dataset_op("DenseToSparseBatchDataset")
def dense_to_sparse_batch_dataset(
    xp: Any, source: Any, batch_size: Any, row_shape: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """Batches of elements of different sizes, as sparse tensors."""
    row = tuple(None if n < 0 else int(n) for n in row_shape)
    return DenseToSparseBatch(source, int(batch_size), row, output_types, output_shapes)


@dataset_op("MapAndBatchDataset", session=True)
def map_and_batch_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    batch_size: Any,
    num_parallel_calls: Any,
    drop_remainder: Any,
    *,
    run: Running,
    f: Any,
    preserve_cardinality: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Batches of a function of each element."""
    calls = int(num_parallel_calls)
    if not (calls > 0 or calls == -1):
        raise kernel_error("num_parallel_calls must be greater than zero.")
    rows = [None if shape is None else shape[1:] for shape in output_shapes]
    mapped: Map = ParallelMap(source, Captured(run, f, captured), calls, preserve_cardinality, output_types, rows)
    return Batch(mapped, int(batch_size), bool(drop_remainder), output_types, output_shapes)
