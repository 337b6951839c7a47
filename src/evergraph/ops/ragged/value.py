"""A ragged tensor of NumPy arrays: what a session gives for a `RaggedTensor`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from evergraph.framework.api import public


@public("ragged.RaggedTensorValue")
class RaggedTensorValue:
    """The value of a `RaggedTensor`.

    Args:
        values: an array, or a `RaggedTensorValue` with row splits of the same type.
        row_splits: int32 or int64 vector; row `i` is `values[row_splits[i]:row_splits[i + 1]]`.

    Raises:
        TypeError: if `row_splits` is not such a vector, or `values` neither an array nor a `RaggedTensorValue`.
        ValueError: if the types of the row splits differ.
    """

    def __init__(self, values: Any, row_splits: Any) -> None:
        if not (
            isinstance(row_splits, np.ndarray | np.generic)
            and row_splits.dtype in (np.int64, np.int32)
            and row_splits.ndim == 1
        ):
            raise TypeError("row_splits must be a 1D int32 or int64 numpy array")
        if not isinstance(values, np.ndarray | np.generic | RaggedTensorValue):
            raise TypeError("values must be a numpy array or a RaggedTensorValue")
        if isinstance(values, RaggedTensorValue) and row_splits.dtype != values.row_splits.dtype:
            raise ValueError("row_splits and values.row_splits must have the same dtype")
        self._values: Any = values
        self._row_splits: Any = row_splits

    @property
    def values(self) -> Any:
        """The rows put together, without the outermost partition."""
        return self._values

    @property
    def row_splits(self) -> Any:
        """Where each row ends and the next one starts."""
        return self._row_splits

    @property
    def dtype(self) -> Any:
        """The NumPy type of the innermost values."""
        return self._values.dtype

    @property
    def flat_values(self) -> Any:
        """The innermost values, an array."""
        return self._values.flat_values if isinstance(self._values, RaggedTensorValue) else self._values

    @property
    def nested_row_splits(self) -> tuple[Any, ...]:
        """The row splits of all ragged dimensions, outermost first."""
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensorValue) else ()
        return (self._row_splits, *inner)

    @property
    def ragged_rank(self) -> int:
        """How many partitions there are."""
        return len(self.nested_row_splits)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The size of each dimension, None for ragged ones."""
        inner: tuple[int | None, ...] = self._values.shape
        return (self._row_splits.shape[0] - 1, None, *inner[1:])

    def to_list(self) -> list[Any]:
        """The value as nested lists."""
        held = self._values.to_list() if isinstance(self._values, RaggedTensorValue) else self._values.tolist()
        splits = self._row_splits.tolist()
        return [held[start:limit] for start, limit in pairwise(splits)]

    def __str__(self) -> str:
        return f"<tf.RaggedTensorValue {self.to_list()}>"

    def __repr__(self) -> str:
        return f"tf.RaggedTensorValue(values={self._values!r}, row_splits={self._row_splits!r})"


def nested_value(flat_values: Any, nested_row_splits: Any) -> Any:
    """The value with these innermost values and row splits, outermost first; without row splits, the array itself."""
    value = flat_values
    for splits in reversed(nested_row_splits):
        value = RaggedTensorValue(value, splits)
    return value


__all__ = ["RaggedTensorValue", "nested_value"]
