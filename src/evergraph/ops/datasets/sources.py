"""Datasets that come from tensors and numbers: `TensorDataset`, `TensorSliceDataset`, `RangeDataset`, ..."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.datasets.context import Context, Words
from evergraph.ops.datasets.dataset import INFINITE, Dataset, Element, Iterator, dataset_op, shape_of
from evergraph.ops.opdef import kernel_error


class Tensors(Dataset):
    """One element."""

    kind = "Tensor"
    is_plain = True

    def __init__(self, components: Element, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        super().__init__(types, shapes)
        self.components = components

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Listed([self.components])

    def cardinality(self) -> int:
        return 1


class _Listed(Iterator):
    """Elements that are there already."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self._rest = iter(elements)

    def __next__(self) -> Element:
        return next(self._rest)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(islice(self._rest, count))


class TensorSlices(Dataset):
    """The rows of arrays: element i is the i-th slice of each along its first axis."""

    kind = "TensorSlice"
    is_plain = True

    def __init__(self, components: Element, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        super().__init__(types, shapes)
        for i, component in enumerate(components):
            if not shape_of(component):
                raise kernel_error("All components must be at least 1-dimensional")
            if len(component) != len(components[0]):
                raise kernel_error(
                    f"All components must have the same size in the 0th dimension: component {i} has {len(component)}, "
                    f"component 0 has {len(components[0])}"
                )
        self.components = components

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Rows(self.components)

    def cardinality(self) -> int:
        return len(self.components[0])


class _Rows(Iterator):
    def __init__(self, components: Element) -> None:
        self._rows = zip(*components, strict=True)

    def __next__(self) -> Element:
        return next(self._rows)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(islice(self._rows, count))


class SparseSlices(Dataset):
    """The rows of a sparse tensor: indices, values and dense shape of each."""

    kind = "SparseTensorSlice"
    is_plain = True

    def __init__(self, indices: Any, values: Any, dense_shape: Any, kind: DType) -> None:
        rank = len(dense_shape) - 1
        super().__init__((dtypes.int64, kind, dtypes.int64), ((None, rank), (None,), (rank,)))
        self._starts = np.searchsorted(indices[:, 0], np.arange(int(dense_shape[0]) + 1))
        self._indices, self._values, self._shape = indices, values, dense_shape

    def iterator(self, context: Context, name: str) -> Iterator:
        bounds = zip(self._starts[:-1].tolist(), self._starts[1:].tolist(), strict=True)
        return _Listed([(self._indices[a:b, 1:], self._values[a:b], self._shape[1:]) for a, b in bounds])

    def cardinality(self) -> int:
        return len(self._starts) - 1


class Range(Dataset):
    kind = "Range"
    is_plain = True

    def __init__(self, numbers: range, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        super().__init__(types, shapes)
        self._numbers = numbers

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Numbers(self._numbers)

    def cardinality(self) -> int:
        return len(self._numbers)


class _Numbers(Iterator):
    def __init__(self, numbers: range) -> None:
        self._rest = zip(map(np.int64, numbers), strict=True)

    def __next__(self) -> Element:
        return next(self._rest)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(islice(self._rest, count))


class Random(Dataset):
    """Numbers from [0, 2**32), without end."""

    kind = "Random"
    is_plain = True

    def __init__(self, seed: int, seed2: int, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        super().__init__(types, shapes)
        self._seeds = seed, seed2

    def iterator(self, context: Context, name: str) -> Iterator:
        return _RandomNumbers(*self._seeds)

    def cardinality(self) -> int:
        return INFINITE


class _RandomNumbers(Iterator):
    def __init__(self, seed: int, seed2: int) -> None:
        self._words = Words(seed, seed2)

    def __next__(self) -> Element:
        return (np.int64(next(self._words)),)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(zip(self._words.take(count)))


def given_seeds(seed: Any, seed2: Any) -> tuple[int, int]:
    """The seeds of an op; two zeros ask for random ones."""
    seeds = int(seed), int(seed2)
    return seeds if any(seeds) else (secrets.randbits(63), secrets.randbits(63))


@dataset_op("TensorDataset")
def tensor_dataset(xp: Any, components: Any, *, Toutput_types: Any, output_shapes: Any) -> Dataset:
    """A dataset of one element."""
    return Tensors(components, Toutput_types, output_shapes)


@dataset_op("TensorSliceDataset")
def tensor_slice_dataset(xp: Any, components: Any, *, Toutput_types: Any, output_shapes: Any) -> Dataset:
    """A dataset of the slices of arrays along their first axis."""
    return TensorSlices(components, Toutput_types, output_shapes)


@dataset_op("SparseTensorSliceDataset")
def sparse_tensor_slice_dataset(xp: Any, indices: Any, values: Any, dense_shape: Any, *, Tvalues: Any) -> Dataset:
    """A dataset of the rows of a sparse tensor."""
    if indices.ndim != 2:
        raise kernel_error(f"Input indices should be a matrix but received shape {list(indices.shape)}")
    if values.ndim != 1:
        raise kernel_error(f"Input values should be a vector but received shape {list(values.shape)}")
    if dense_shape.ndim != 1:
        raise kernel_error(f"Input shape should be a vector but received shape {list(dense_shape.shape)}")
    if len(indices) and (np.diff(indices[:, 0]) < 0).any():
        from evergraph.framework import errors

        at = int(np.flatnonzero(np.diff(indices[:, 0]) < 0)[0])
        raise kernel_error(
            "The input indices must be sorted by their first column: "
            f"row {indices[at + 1, 0]} comes after {indices[at, 0]}",
            errors.UnimplementedError,
        )
    return SparseSlices(indices, values, dense_shape, Tvalues)


@dataset_op("RangeDataset")
def range_dataset(xp: Any, start: Any, stop: Any, step: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The integers from `start` to `stop`, `step` apart."""
    if int(step) == 0:
        raise kernel_error("step must be a non-zero integer.")
    return Range(range(int(start), int(stop), int(step)), output_types, output_shapes)


@dataset_op("RandomDataset")
def random_dataset(xp: Any, seed: Any, seed2: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """Random numbers without end."""
    return Random(*given_seeds(seed, seed2), output_types, output_shapes)
