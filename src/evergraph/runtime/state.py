"""What belongs to one session: the values of variables, queues and tables, and how far each random op has come."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.ops.running import Resources
from evergraph.runtime import forks

ARRIVAL = 65_536  # bytes


class Pack:
    """Small variables of one shape and type that programs work on together: one array, with a row for each.

    `is_whole` until one of them gets a value of its own.
    """

    __slots__ = ("array", "is_whole", "keys")

    def __init__(self, keys: tuple[str, ...], array: Any) -> None:
        self.keys, self.array, self.is_whole = keys, array, True


class Row:
    """The value of a variable in a pack. It is looked up when somebody asks, so it is never older than the pack."""

    __slots__ = ("dtype", "number", "pack", "shape", "size")

    def __init__(self, pack: Pack, number: int, like: Any) -> None:
        self.pack, self.number = pack, number
        self.shape, self.dtype, self.size = tuple(like.shape), like.dtype, like.size

    def value(self) -> np.ndarray:
        """The row, as an array of its own."""
        return np.array(np.asarray(self.pack.array)[self.number])

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value(), dtype)

    def block_until_ready(self) -> Row:
        return self


class State:
    """Variables and random counters of one session. `lock` guards every look at them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        forks.keep_usable(self)
        self.variables: dict[str, Any] = {}
        self.layout = 0  # grows when a variable changes its shape or type, which makes compiled programs stale
        self.has_packs = False
        self.arrivals: set[str] = set()  # large variables whose values came from the host, perhaps not yet settled
        self.resources = Resources()
        self._counters: dict[Operation, int] = {}

    def store(self, keys: Sequence[str], values: Sequence[Any]) -> None:
        """Give variables new values. The caller holds the lock."""
        variables = self.variables
        for key, value in zip(keys, values, strict=True):
            old = variables.get(key)
            if type(old) is Row:
                old.pack.is_whole = False
            if old is not None and (old.shape != value.shape or old.dtype != value.dtype):
                self.layout += 1
            variables[key] = value
            if type(value) is np.ndarray and value.nbytes >= ARRIVAL:
                self.arrivals.add(key)

    def forget(self, key: str) -> bool:
        """Take a variable's value away; whether it had one."""
        with self.lock:
            found = self.variables.pop(key, None)
            if type(found) is Row:
                found.pack.is_whole = False
            self.layout += 1  # what comes next may be of another shape
            return found is not None

    def settle(self, keys: Sequence[Any], settled: Callable[[np.ndarray], Any]) -> None:
        """Bring those of the variables that are still with the host to where they are used. The caller holds the lock.

        A program copies arrays of the host whenever it runs. One after the other, so that only one is there twice.
        """
        for key in self.arrivals.intersection(keys):
            self.arrivals.discard(key)
            value = self.variables.get(key)
            if type(value) is np.ndarray:
                self.variables[key] = settled(value)

    def wait_until_computed(self) -> None:
        """Wait until no variable's value is still being computed. The caller holds the lock."""
        for value in list(self.variables.values()):
            array = value.pack.array if type(value) is Row else value
            if hasattr(array, "block_until_ready"):
                try:
                    array.block_until_ready()
                except RuntimeError:
                    continue  # whoever looks at the value gets the error

    def array(self, key: str) -> Any:
        """The value of a variable as an array; a pack that it is in is taken apart. The caller holds the lock.

        Raises:
            KeyError: if it has none.
        """
        found = self.variables[key]
        if type(found) is Row:
            self._take_apart(found.pack)
            return self.variables[key]
        return found

    def _take_apart(self, pack: Pack) -> None:
        rows = np.asarray(pack.array)
        for number, key in enumerate(pack.keys):
            held = self.variables.get(key)
            if type(held) is Row and held.pack is pack:
                self.variables[key] = rows[number].copy()

    def packed(self, keys: tuple[str, ...]) -> Any:
        """The values of variables as one array. The caller holds the lock.

        Raises:
            KeyError: if one has no value.
        """
        first = self.variables[keys[0]]
        if type(first) is Row and first.pack.is_whole and (first.pack.keys is keys or first.pack.keys == keys):
            first.pack.keys = keys
            return first.pack.array
        array = np.stack([np.asarray(self.array(key)) for key in keys])
        self._put_pack(keys, array)
        return array

    def store_packed(self, keys: tuple[str, ...], array: Any) -> None:
        """Give variables new values, the rows of `array`. The caller holds the lock."""
        first = self.variables.get(keys[0])
        if type(first) is Row and first.pack.is_whole and first.pack.keys is keys:
            first.pack.array = array
        else:
            self._put_pack(keys, array)

    def _put_pack(self, keys: tuple[str, ...], array: Any) -> None:
        self.has_packs = True
        pack = Pack(keys, array)
        for number, key in enumerate(keys):
            held = self.variables.get(key)
            if type(held) is Row:
                held.pack.is_whole = False
            self.variables[key] = Row(pack, number, np.empty(array.shape[1:], array.dtype) if held is None else held)

    def counters(self, ops: Sequence[Operation]) -> list[int]:
        """At which block each random op goes on. An op without seeds starts at a place of its own in each session."""
        found = []
        for op in ops:
            at = self._counters.get(op)
            if at is None:
                unseeded = not (op.attrs.get("seed") or op.attrs.get("seed2"))
                at = self._counters[op] = secrets.randbits(63) if unseeded else 0
            found.append(at)
        return found

    def advance(self, ops: Sequence[Operation], blocks: Sequence[int]) -> None:
        for op, used in zip(ops, blocks, strict=True):
            self._counters[op] = (self._counters[op] + used) % 2**64


def value_of(stored: Any) -> np.ndarray:
    """A variable's value as a NumPy array of the caller's own."""
    if type(stored) is Row:
        return stored.value()
    if isinstance(stored, np.ndarray | np.generic):
        return np.array(stored)
    if stored.size > 65_536:
        # Not np.asarray: the array would remember that view, and its buffer could not be donated while it lives.
        try:
            return np.array(np.from_dlpack(stored))
        except (TypeError, RuntimeError, BufferError):
            pass  # a type or a device that DLPack cannot show to NumPy
    return np.array(stored)
