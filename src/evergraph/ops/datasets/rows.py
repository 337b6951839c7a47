"""Batches of rows of arrays, chosen by number.

    from_tensor_slices(arrays) ► shuffle ► repeat ► batch(128)

need not take the arrays apart and put them together again: the numbers of the rows are shuffled instead, and a batch is
one gather per component.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator
from evergraph.ops.datasets.order import Prefetch, Repeat, Shard, Skip, Take
from evergraph.ops.datasets.shuffle import Shuffle
from evergraph.ops.datasets.sources import TensorSlices


class RowNumbers(Dataset):
    """The numbers of the rows of arrays."""

    kind = TensorSlices.kind
    is_plain = True

    def __init__(self, count: int) -> None:
        super().__init__((dtypes.int64,), ((),))
        self._count = count

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Numbers(self._count)


class _Numbers(Iterator):
    def __init__(self, count: int) -> None:
        self._rest = zip(range(count), strict=True)

    def __next__(self) -> Element:
        return next(self._rest)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(islice(self._rest, count))


def numbered(dataset: Dataset) -> tuple[Element, Dataset] | None:
    """The arrays whose rows are the elements of `dataset`, and a dataset of the numbers of those rows; None if they are
    no such rows."""
    if type(dataset) is TensorSlices:
        return dataset.components, RowNumbers(len(dataset.components[0]))
    if type(dataset) in (Prefetch, Repeat, Shard, Shuffle, Skip, Take):
        found = numbered(dataset.input)
        if found is not None:
            arrays, numbers = found
            return arrays, numbers if type(dataset) is Prefetch else dataset.with_inputs([numbers])
    return None


def gathered(array: Any, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Some rows of an array, put into `out`."""
    if array.dtype == object:
        return array[rows]
    return np.take(array, rows, axis=0, out=out, mode="clip")
