"""`tf.contrib.lookup.MutableDenseHashTable`: a table whose buckets can be seen.

A checkpoint of such a table holds its buckets, in TensorFlow's order; so entries are where TensorFlow would put them:
at the bucket that the key's hash names, or at one of those that follow it in steps of 1, 2, 3, ... Where an entry was
removed stands the deleted key.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import bracket_text
from evergraph.ops.opdef import kernel_error
from evergraph.ops.tables.table_state import Table

_MASK = 2**64 - 1


class DenseTable(Table):
    """The table.

    Args:
        empty_key: stands in buckets that were never used.
        deleted_key: stands in buckets whose entry was removed; older tables have none.
        buckets: how many there are at first: a power of 2, 4 or more.
        max_load: which part of them may be used before there are twice as many.
    """

    def __init__(
        self,
        value_dtype: DType,
        value_shape: tuple[int, ...],
        name: str,
        key_dtype: DType,
        empty_key: np.ndarray,
        deleted_key: np.ndarray | None,
        buckets: int,
        max_load: float,
    ) -> None:
        super().__init__(key_dtype, value_dtype, value_shape, name)
        if not 0 < max_load < 1:
            raise kernel_error(f"max_load_factor must be between 0 and 1, got: {max_load}")
        if len(value_shape) > 1:
            raise kernel_error(f"Empty value must be a scalar or a vector, got shape {bracket_text(value_shape)}")
        if empty_key.ndim > 1:
            raise kernel_error(f"Empty key must be a scalar or a vector, got shape {bracket_text(empty_key.shape)}")
        self.key_shape = empty_key.shape
        self._key_size = math.prod(self.key_shape)
        self._value_size = math.prod(value_shape)
        self._empty = self._key_of(empty_key)
        self._deleted = None
        if deleted_key is not None:
            if deleted_key.shape != empty_key.shape:
                raise kernel_error(
                    "Empty and deleted keys must have same shape, got shapes: "
                    f"{bracket_text(empty_key.shape)} and {bracket_text(deleted_key.shape)}"
                )
            self._deleted = self._key_of(deleted_key)
            if self._deleted == self._empty:
                raise kernel_error("Empty and deleted keys cannot be equal")
        self._max_load = max_load
        self._allocate(buckets)

    def _key_of(self, key: np.ndarray) -> Any:
        return key.item() if self._key_size == 1 else tuple(key.ravel().tolist())

    def _allocate(self, buckets: int) -> None:
        if buckets < 4 or buckets & (buckets - 1):
            raise kernel_error(f"Number of buckets must be at least 4 and a power of 2, got: {buckets}")
        self._keys: list[Any] = [self._empty] * buckets
        self._values = np.zeros((buckets, self._value_size), self.value_dtype.np)
        if self.value_dtype is dtypes.string:
            self._values[...] = b""
        self._bucket_of: dict[Any, int] = {}

    def size(self) -> int:
        return len(self._bucket_of)

    def _rows(self, keys: np.ndarray) -> tuple[int, list[Any]]:
        n = keys.shape[0] if keys.ndim else 1
        if keys.size != n * self._key_size:
            raise kernel_error(
                f"Expected key shape {bracket_text((n, *self.key_shape))} got {bracket_text(keys.shape)}"
            )
        rows = keys.ravel().tolist() if self._key_size == 1 else [tuple(k) for k in keys.reshape(n, -1).tolist()]
        return n, rows

    def _check_usable(self, keys: list[Any]) -> None:
        if self._empty in keys:
            raise kernel_error("Using the empty_key as a table key is not allowed")
        if self._deleted is not None and self._deleted in keys:
            raise kernel_error("Using the deleted_key as a table key is not allowed")

    def find(self, keys: np.ndarray, default: np.ndarray) -> np.ndarray:
        """The value of each key, `default` for those that are not there."""
        shape = self._check_keys(keys)
        self._check_default(default)
        _, rows = self._rows(keys)
        self._check_usable(rows)
        with self.lock:
            places = np.array([self._bucket_of.get(key, -1) for key in rows], np.int64)
            found = self._values[places]
        found[places < 0] = default.reshape(-1)
        return found.reshape((*shape, *self.value_shape))

    def insert(self, keys: np.ndarray, values: np.ndarray) -> None:
        self._check_values(keys, values)
        n, rows = self._rows(keys)
        with self.lock:
            wanted = len(self._bucket_of) + n
            buckets = len(self._keys)
            if wanted > buckets * self._max_load:
                while wanted > buckets * self._max_load:
                    buckets *= 2
                self._grow(buckets)
            self._check_usable(rows)
            self._put(rows, values.reshape(n, self._value_size))

    def _grow(self, buckets: int) -> None:
        kept = sorted(self._bucket_of.items(), key=lambda entry: entry[1])
        values = self._values
        self._allocate(buckets)
        self._put([key for key, _ in kept], values[[place for _, place in kept]])

    def _put(self, rows: list[Any], values: np.ndarray) -> None:
        places = np.empty(len(rows), np.int64)
        for i, (key, code) in enumerate(zip(rows, self._hashes(rows), strict=True)):
            place = self._bucket_of.get(key)
            if place is None:
                place = self._free_bucket(code)
                self._keys[place] = key
                self._bucket_of[key] = place
            places[i] = place
        for place, value in zip(
            places.tolist(), values, strict=True
        ):  # one by one: a key that comes twice is last here
            self._values[place] = value

    def _free_bucket(self, code: int) -> int:
        mask = len(self._keys) - 1
        place, step = code & mask, 0
        while self._keys[place] != self._empty and self._keys[place] != self._deleted:
            step += 1
            place = (place + step) & mask
        return place

    def remove(self, keys: np.ndarray) -> None:
        self._check_keys(keys)
        _, rows = self._rows(keys)
        with self.lock:
            self._check_usable(rows)
            for key in rows:
                place = self._bucket_of.pop(key, None)
                if place is not None:
                    self._keys[place] = self._deleted

    def replace(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Take the buckets that `export` gave."""
        n, rows = self._rows(keys)
        if values.size != n * self._value_size:
            wanted = (n, *(self.value_shape or (1,)))
            raise kernel_error(f"Expected shape {bracket_text(wanted)} for value, got {bracket_text(values.shape)}")
        with self.lock:
            self._keys = rows
            self._values = np.array(values).reshape(n, self._value_size)
            skipped = (self._empty, self._deleted)
            self._bucket_of = {key: i for i, key in enumerate(rows) if key not in skipped}

    def export(self) -> tuple[np.ndarray, np.ndarray]:
        """All buckets: keys `[n, ...]` and values `[n, ...]`, the unused ones too."""
        with self.lock:
            n = len(self._keys)
            keys = np.empty((n, self._key_size), self.key_dtype.np)
            if self._key_size == 1:
                keys[:, 0] = self._keys
            else:
                keys[:] = self._keys
            return keys.reshape(n, *(self.key_shape or (1,))), self._values.reshape(
                n, *(self.value_shape or (1,))
            ).copy()

    def _hashes(self, rows: list[Any]) -> list[int]:
        flat = rows if self._key_size == 1 else [part for key in rows for part in key]
        if self.key_dtype is dtypes.string:
            from evergraph.ops.strings.keyed_hashes import murmurs

            codes = [int(code) for code in murmurs(flat)]
        else:
            codes = [int(part) & _MASK for part in flat]
        if self._key_size == 1:
            return codes
        combined = []
        for start in range(0, len(codes), self._key_size):
            code = 0
            for part in codes[start : start + self._key_size]:
                code ^= (part + 0x9E3779B97F4A7800 + (code << 10) + (code >> 4)) & _MASK
            combined.append(code)
        return combined
