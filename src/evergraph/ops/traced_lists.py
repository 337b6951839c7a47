"""The lists behind `TensorArray`s and stacks while a stage is compiled: one buffer each, with a row per element.

    interpreted   handle ──► ArrayState    a Python list of arrays, each write checked (array_state.py)
    compiled      handle ──► TracedArray   one array [size, ...]: a write updates a row, a read takes one

A loop that writes to a list carries its buffer along from iteration to iteration; `state` is what it has to carry. A
stack onto which only one known value is pushed (the shape of something, mostly) needs no buffer.

What cannot be said this way (elements of several shapes, a length that is not known) raises `Untraceable`: the stage
then runs interpreted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import collectors, kernel_error, require


class Untraceable(Exception):
    """A stage cannot be made one program."""


class TracedList:
    """What the two kinds share: a buffer that is made when the first element shows its shape."""

    def __init__(self, name: str, dtype: DType, home: list[Any] | None = None) -> None:
        self.name = name
        self.dtype = dtype
        self.buffer: Any = None
        self.row_shape: tuple[int, ...] | None = None
        self.home = collectors[-1].lists if home is None else home
        self.home.append(self)

    def rows(self) -> int:
        """How many rows the buffer has room for."""
        raise NotImplementedError

    @property
    def state(self) -> Any:
        """What a loop that changes the list carries along."""
        raise NotImplementedError

    @state.setter
    def state(self, value: Any) -> None:
        raise NotImplementedError

    def allocate(self, xp: Any, row_shape: tuple[int, ...]) -> None:
        self.row_shape = row_shape
        self.buffer = xp.zeros((self.rows(), *row_shape), self.dtype.np)

    def fitting(self, xp: Any, value: Any) -> Any:
        """`value` as a row."""
        if isinstance(value, TracedList):
            raise Untraceable("a list of tensors is kept in another list")
        value = xp.asarray(value, self.dtype.np)
        if self.row_shape is None:
            self.row_shape = tuple(value.shape)
        elif self.row_shape != tuple(value.shape):
            raise Untraceable(f"the elements of {self.name!r} have several shapes")
        return value


class TracedArray(TracedList):
    """What a `TensorArray` is in a compiled stage."""

    def __init__(
        self,
        name: str,
        dtype: DType,
        size: int,
        element_shape: Shape = None,
        dynamic: bool = False,
        parent: TracedArray | None = None,
    ) -> None:
        if dynamic:
            raise Untraceable(f"TensorArray {name!r} may grow")
        if size < 0:
            raise kernel_error("Size should be >= 0.")
        super().__init__(name, dtype, None if parent is None else parent.home)
        self.size = size
        self.element_shape = element_shape
        self.parent = parent  # of an array that gathers gradients: the one whose gradient it is
        self.gradients: dict[str, TracedArray] = {}
        self.is_open = True

    def rows(self) -> int:
        return self.size

    @property
    def state(self) -> Any:
        return self.buffer

    @state.setter
    def state(self, value: Any) -> None:
        self.buffer = value

    def _ready(self, xp: Any) -> None:
        """Make the buffer, if its shape is known by now."""
        if self.buffer is not None:
            return
        shape = self.row_shape
        if shape is None and self.parent is not None:
            shape = self.parent.row_shape
        if shape is None and shapes.is_static(self.element_shape):
            shape = self.element_shape
        if shape is None:
            raise Untraceable(f"the shape of the elements of TensorArray {self.name!r} is not known")
        self.allocate(xp, shape)

    def _check(self, xp: Any, index: Any, what: str) -> Any:
        if not self.is_open:
            raise kernel_error(f"TensorArray {self.name} has already been closed.")
        if not collectors[-1].is_within(index, self.size):
            require(
                xp,
                (index >= 0) & (index < self.size),
                lambda: kernel_error(f"Tried to {what} index {index} but array size is: {self.size}"),
            )
        return index

    def write(self, xp: Any, index: Any, value: Any) -> None:
        from jax import lax

        value = self.fitting(xp, value)
        self._ready(xp)
        index = self._check(xp, index, "write to")
        if self.parent is not None:
            value = value + lax.dynamic_index_in_dim(self.buffer, index, 0, keepdims=False)
        self.buffer = lax.dynamic_update_index_in_dim(self.buffer, value, index, 0)

    def read(self, xp: Any, index: Any) -> Any:
        from jax import lax

        self._ready(xp)
        index = self._check(xp, index, "read from")
        return lax.dynamic_index_in_dim(self.buffer, index, 0, keepdims=False)

    def scatter(self, xp: Any, indices: np.ndarray, values: Any) -> None:
        """Write the rows of `values` at `indices`, which are known."""
        if len(indices) and (indices.min() < 0 or indices.max() >= self.size):
            raise kernel_error(f"Max scatter index must be < array size ({indices.max()} vs. {self.size})")
        values = xp.asarray(values, self.dtype.np)
        self.row_shape = self.row_shape or tuple(values.shape[1:])
        if self.row_shape != tuple(values.shape[1:]):
            raise Untraceable(f"the elements of {self.name!r} have several shapes")
        if len(indices) == self.size and np.array_equal(indices, np.arange(self.size)):
            self.buffer = values if self.parent is None or self.buffer is None else self.buffer + values
            return
        self._ready(xp)
        rows = self.buffer.at[indices]
        self.buffer = rows.set(values) if self.parent is None else rows.add(values)

    def gather(self, xp: Any, indices: np.ndarray) -> Any:
        """The rows at `indices`, which are known."""
        self._ready(xp)
        if len(indices) and (indices.min() < 0 or indices.max() >= self.size):
            raise kernel_error(f"Tried to read from index {indices.max()} but array size is: {self.size}")
        if len(indices) == self.size and np.array_equal(indices, np.arange(self.size)):
            return self.buffer
        return self.buffer[indices]

    def concat(self, xp: Any) -> tuple[Any, np.ndarray]:
        self._ready(xp)
        assert self.row_shape is not None
        if not self.row_shape:
            raise kernel_error("Concat saw a scalar shape at index 0 but requires at least vectors.")
        length = self.row_shape[0]
        return self.buffer.reshape(self.size * length, *self.row_shape[1:]), np.full(self.size, length, np.int64)

    def split(self, xp: Any, value: Any, lengths: np.ndarray) -> None:
        if len(set(lengths.tolist())) > 1 or len(lengths) != self.size:
            raise Untraceable(f"the elements of {self.name!r} have several shapes")
        length = int(lengths[0]) if len(lengths) else 0
        self.scatter(xp, np.arange(self.size), value.reshape(self.size, length, *value.shape[1:]))

    def gradient(self, source: str, prefix: tuple[int, ...] = ()) -> TracedArray:
        if prefix:
            raise Untraceable(f"the gradient of {self.name!r} has elements of another shape")
        found = self.gradients.get(source)
        if found is None:
            name = f"{self.name}@{source}"
            found = TracedArray(name, self.dtype, self.size, self.element_shape, parent=self)
            self.gradients[source] = found
        return found

    def close(self) -> None:
        self.is_open = False


class TracedStack(TracedList):
    """What a `StackV2` is in a compiled stage: rows up to `top`."""

    def __init__(self, name: str, dtype: DType, max_size: int) -> None:
        super().__init__(name, dtype)
        self.max_size = max_size
        self.top: Any = np.int32(0)
        self.known: Any = None  # the one value that everybody pushes

    def rows(self) -> int:
        return collectors[-1].capacity if self.max_size < 0 else min(self.max_size, collectors[-1].capacity)

    @property
    def state(self) -> Any:
        return None if self.buffer is None else (self.buffer, self.top)

    @state.setter
    def state(self, value: Any) -> None:
        self.buffer, self.top = (None, np.int32(0)) if value is None else value

    def allocate(self, xp: Any, row_shape: tuple[int, ...]) -> None:
        super().allocate(xp, row_shape)
        self.top = xp.asarray(self.top)

    def push(self, xp: Any, value: Any) -> None:
        from jax import lax

        if isinstance(value, np.ndarray | np.generic) and self.buffer is None:
            if self.known is None:
                self.known = value
                return
            if self.known.shape == value.shape and np.array_equal(self.known, value):
                return
        if self.known is not None:
            raise Untraceable(f"several values, some of them known, are kept in {self.name!r}")
        value = self.fitting(xp, value)
        if self.buffer is None:
            self.allocate(xp, tuple(value.shape))
        size = self.buffer.shape[0]
        if size < collectors[-1].capacity or not collectors[-1].has_bound:
            require(xp, self.top < size, lambda: kernel_error(f"Stack[{self.name}] overflowed its max_size ({size})"))
        self.buffer = lax.dynamic_update_index_in_dim(self.buffer, value, self.top, 0)
        self.top = self.top + np.int32(1)

    def pop(self, xp: Any) -> Any:
        from jax import lax

        if self.known is not None:
            return self.known
        if self.buffer is None:
            raise Untraceable(f"{self.name!r} is empty while the stage is traced")
        self.top = self.top - np.int32(1)
        return lax.dynamic_index_in_dim(self.buffer, self.top, 0, keepdims=False)

    def close(self) -> None:
        pass
