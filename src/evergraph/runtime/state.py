"""What belongs to one session: the values of variables, queues and tables, and how far each random op has come."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.ops.running import Resources


class State:
    """Variables and random counters of one session. `lock` guards every look at them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.variables: dict[str, Any] = {}
        self.layout = 0  # grows when a variable changes its shape or type, which makes compiled programs stale
        self.resources = Resources()
        self._counters: dict[Operation, int] = {}

    def store(self, keys: Sequence[str], values: Sequence[Any]) -> None:
        """Give variables new values. The caller holds the lock."""
        variables = self.variables
        for key, value in zip(keys, values, strict=True):
            old = variables.get(key)
            if old is not None and (old.shape != value.shape or old.dtype != value.dtype):
                self.layout += 1
            variables[key] = value

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
    if isinstance(stored, np.ndarray | np.generic):
        return np.array(stored)
    if stored.size > 65_536:
        # Not np.asarray: the array would remember that view, and its buffer could not be donated while it lives.
        try:
            return np.array(np.from_dlpack(stored))
        except (TypeError, RuntimeError, BufferError):
            pass  # a type or a device that DLPack cannot show to NumPy
    return np.array(stored)
