"""The tables that a session holds: maps from keys to values.

Keys and values come and go as whole arrays. Strings, and a few numbers, are looked up one by one in a dictionary; many
numbers at once by a binary search in a sorted copy of the keys, made when it is first wanted. 100,000 int64 keys in
random order, in a table of 100,000: 110 ms in a dictionary, 26 ms by search (two busy EPYC cores).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import bracket_text
from evergraph.ops.opdef import kernel_error

SEARCHED_TOGETHER = 256  # so many numbers are looked up by a search
WORTH_SORTING = 16  # the keys are sorted for it when the table has at most so many times as many


class Table:
    """What all tables share.

    Args:
        key_dtype, value_dtype: types of keys and values.
        value_shape: the shape of one value.
        name: what error messages call it.
    """

    key_shape: tuple[int, ...] = ()

    def __init__(self, key_dtype: DType, value_dtype: DType, value_shape: tuple[int, ...], name: str) -> None:
        self.key_dtype, self.value_dtype, self.value_shape, self.name = key_dtype, value_dtype, value_shape, name
        self.lock = threading.Lock()

    def check_types(self, key_dtype: DType, value_dtype: DType) -> None:
        """Refuse an op that has other types in mind than this table."""
        if (key_dtype, value_dtype) != (self.key_dtype, self.value_dtype):
            raise kernel_error(
                f"Conflicting key/value dtypes {key_dtype.name}->{value_dtype.name} with {self.key_dtype.name}-"
                f"{self.value_dtype.name} for table {self.name}"
            )

    def _check_keys(self, keys: np.ndarray) -> tuple[int, ...]:
        """The shape of the keys without that of one key."""
        rank = len(self.key_shape)
        if keys.ndim < rank or keys.shape[keys.ndim - rank :] != self.key_shape:
            raise kernel_error(
                f"Input key shape {bracket_text(keys.shape)} must end with the table's key shape "
                f"{bracket_text(self.key_shape)}"
            )
        return keys.shape[: keys.ndim - rank]

    def _check_values(self, keys: np.ndarray, values: np.ndarray) -> None:
        expected = (*self._check_keys(keys), *self.value_shape)
        if values.shape != expected:
            raise kernel_error(f"Expected shape {bracket_text(expected)} for value, got {bracket_text(values.shape)}")

    def _check_default(self, default: np.ndarray) -> None:
        if default.shape != self.value_shape:
            raise kernel_error(
                f"Expected shape {bracket_text(self.value_shape)} for default value, got {bracket_text(default.shape)}"
            )


class MapTable(Table):
    """A table of keys that are scalars."""

    def __init__(self, key_dtype: DType, value_dtype: DType, value_shape: tuple[int, ...], name: str) -> None:
        super().__init__(key_dtype, value_dtype, value_shape, name)
        self._map: dict[Any, Any] = {}
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None

    def size(self) -> int:
        return len(self._map)

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """The value of each key, `default` for those that are not there."""
        shape = self._check_keys(keys)
        self._check_default(default)
        with self.lock:
            if self._is_worth_a_search(keys):
                return self._found_by_search(keys, default)
            get, other = self._map.get, default if self.value_shape else default.item()
            found = [get(key, other) for key in keys.ravel().tolist()]
        if self.value_shape:
            return np.array(found, self.value_dtype.np).reshape((*shape, *self.value_shape))
        values = np.empty(len(found), self.value_dtype.np)
        values[:] = found
        return values.reshape(shape)

    def _is_worth_a_search(self, keys: np.ndarray) -> bool:
        if keys.size < SEARCHED_TOGETHER or keys.dtype == object or not self._map:
            return False
        return self._sorted is not None or len(self._map) <= WORTH_SORTING * keys.size

    def _found_by_search(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        if self._sorted is None:
            known, values = self._arrays()
            order = np.argsort(known, kind="stable")
            self._sorted = known[order], values[order]
        known, values = self._sorted
        places = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        there = known[places] == keys
        return np.where(there.reshape(there.shape + (1,) * len(self.value_shape)), values[places], default)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All keys and their values, in the order in which they came."""
        with self.lock:
            return self._arrays()

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        n = len(self._map)
        keys = np.empty(n, self.key_dtype.np)
        keys[:] = list(self._map)
        if self.value_shape:
            return keys, np.array(list(self._map.values()), self.value_dtype.np).reshape(n, *self.value_shape)
        values = np.empty(n, self.value_dtype.np)
        values[:] = list(self._map.values())
        return keys, values

    def _entries(self, keys: np.ndarray, values: np.ndarray) -> Any:
        flat = keys.ravel().tolist()
        if self.value_shape:
            return zip(flat, np.array(values).reshape(len(flat), *self.value_shape), strict=True)
        return zip(flat, values.ravel().tolist(), strict=True)


class StaticTable(MapTable):
    """`tf.lookup.StaticHashTable`: filled once, before anything is looked up."""

    def __init__(self, key_dtype: DType, value_dtype: DType, name: str) -> None:
        super().__init__(key_dtype, value_dtype, (), name)
        self.initialized = False

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        self._check_keys(keys)
        self._check_default(default)
        if not self.initialized:
            raise kernel_error("Table not initialized.", errors.FailedPreconditionError)
        return super().find(keys, default)

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        if not self.initialized:
            raise kernel_error("HashTable is not initialized.", errors.AbortedError)
        return super().export()

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        raise kernel_error(
            "Insert not supported by InitializableLookupTable implementations", errors.UnimplementedError
        )

    def remove(self, keys: np.ndarray) -> None:
        raise kernel_error(
            "Remove not supported by InitializableLookupTable implementations", errors.UnimplementedError
        )

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Fill the table.

        Raises:
            InvalidArgumentError: if there are no keys.
            FailedPreconditionError: if it is filled already, with another number of keys; or if a key comes twice with
                different values.
        """
        self._check_values(keys, values)
        if not keys.size:
            raise kernel_error("keys and values cannot be empty tensors.")
        self.fill(keys.size, lambda: self._entries(keys, values))

    def fill(self, count: int, entries: Callable[[], Any]) -> None:
        with self.lock:
            if self.initialized:
                if count != len(self._map):
                    raise kernel_error(
                        "Table was already initialized with different data.", errors.FailedPreconditionError
                    )
                return
            filled: dict[Any, Any] = {}
            for key, value in entries():
                known = filled.setdefault(key, value)
                if known != value:
                    raise kernel_error(
                        f"HashTable has different value for same key. Key {_shown(key)} has {_shown(known)} and trying "
                        f"to add value {_shown(value)}",
                        errors.FailedPreconditionError,
                    )
            self._map, self._sorted = filled, None
            self.initialized = True


class MutableTable(MapTable):
    """`tf.contrib.lookup.MutableHashTable`: entries come and go at any time."""

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        self._check_values(keys, values)
        with self.lock:
            self._map.update(self._entries(keys, values))
            self._sorted = None

    def remove(self, keys: np.ndarray) -> None:
        self._check_keys(keys)
        with self.lock:
            for key in keys.ravel().tolist():
                self._map.pop(key, None)
            self._sorted = None

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Forget all entries and take these."""
        self._check_values(keys, values)
        with self.lock:
            self._map = dict(self._entries(keys, values))
            self._sorted = None


def _shown(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
