"""Lists of tensors while a stage is compiled: one array each, with a row for each element (values.py has others)."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import collectors, kernel_error, require
from evergraph.ops.tensor_lists.values import TensorList, check_sum, fitting
from evergraph.ops.traced_lists import Untraceable


class TracedTensorList:
    """A list of tensors in a compiled stage: a JAX type of its own, so that loops and branches carry it along.

    A list that a loop pushes to, or pops from, has a buffer with room for all that the loop may push.

    Attributes:
        element_dtype, element_shape: as in a `TensorList`.
        length: how many elements there are: an int, or an int32 tracer once a loop has changed it.
        buffer: an array with a row for each; None as long as no element has shown its shape.
        has_any: whether an element was set: while none is, elements may have no shape yet, and cannot be read.
    """

    dtype = np.dtype(object)
    shape: tuple[int, ...] = ()
    ndim = 0

    def __init__(self, element_dtype: DType, element_shape: Shape, length: Any, buffer: Any, has_any: Any) -> None:
        register()
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.length = length
        self.buffer = buffer
        self.has_any = has_any
        self.pushes = 0  # in the iteration that is traced

    @staticmethod
    def reserved(xp: Any, element_dtype: DType, element_shape: Shape, length: int) -> TracedTensorList:
        made = TracedTensorList(element_dtype, element_shape, length, None, xp.asarray(False))
        return made.ready(xp, element_shape) if shapes.is_static(element_shape) else made

    @property
    def is_fixed(self) -> bool:
        return isinstance(self.length, int)

    def with_buffer(self, buffer: Any, has_any: Any, length: Any = None) -> TracedTensorList:
        length = self.length if length is None else length
        made = TracedTensorList(self.element_dtype, self.element_shape, length, buffer, has_any)
        made.pushes = self.pushes
        return made

    def ready(self, xp: Any, row_shape: Shape) -> TracedTensorList:
        """The list with a buffer for rows of that shape."""
        if self.buffer is None:
            buffer = xp.zeros((self.length, *(row_shape or ())), self.element_dtype.np)
            return self.with_buffer(buffer, self.has_any)
        if tuple(self.buffer.shape[1:]) != row_shape:
            raise Untraceable("a list of tensors has elements of several shapes")
        return self

    def growing(self, xp: Any, row_shape: Shape, rows: int) -> TracedTensorList:
        """The list with a buffer of so many rows, of which `length` are used."""
        made = self.ready(xp, row_shape)
        if not self.is_fixed:
            return made
        buffer = made.buffer
        if rows > buffer.shape[0]:
            buffer = xp.concatenate([buffer, xp.zeros((rows - buffer.shape[0], *buffer.shape[1:]), buffer.dtype)])
        return self.with_buffer(buffer, self.has_any, xp.asarray(self.length, np.int32))

    def like(self, xp: Any, other: Any) -> TracedTensorList:
        """This list in the form that `other` has: with a buffer, or growing, if that is."""
        if other.buffer is None:
            return self
        row_shape = tuple(other.buffer.shape[1:])
        return self.ready(xp, row_shape) if other.is_fixed else self.growing(xp, row_shape, other.buffer.shape[0])

    def read(self, xp: Any, wanted: Shape) -> Any:
        """The buffer, to read from."""
        if self.buffer is None:
            raise Untraceable("an element of a list of tensors is read before one is set")
        fitting(wanted, tuple(self.buffer.shape[1:]))
        if not shapes.is_static(wanted):
            message = f"Trying to read an uninitialized tensor but element_shape is not fully defined: {wanted}"
            require(xp, self.has_any, lambda: kernel_error(message))
        return self.buffer

    def place(self, xp: Any, index: Any, verb: str) -> Any:
        """`index`, checked."""
        n = self.length
        require(
            xp, (index >= 0) & (index < n),
            lambda: kernel_error(f"Trying to {verb} element {index} in a list with {n} elements."),
        )  # fmt: skip
        return index

    def pushed(self, xp: Any, value: Any) -> TracedTensorList:
        from jax import lax

        value = self._row(xp, value)
        row_shape = tuple(value.shape)
        if self.is_fixed and len(collectors) == 1:
            rows = self.ready(xp, row_shape).buffer
            return self.with_buffer(xp.concatenate([rows, value[None]]), xp.asarray(True), self.length + 1)
        if self.pushes:
            raise Untraceable("several elements are pushed to a list of tensors in one iteration")
        made = self.growing(xp, row_shape, collectors[-1].capacity + (self.length if self.is_fixed else 0))
        top, room = made.length, made.buffer.shape[0]
        require(xp, top < room, lambda: kernel_error(f"a list of tensors has no room for more than {room} elements"))
        buffer = lax.dynamic_update_index_in_dim(made.buffer, value, top, 0)
        made = made.with_buffer(buffer, xp.asarray(True), top + np.int32(1))
        made.pushes = 1
        return made

    def popped(self, xp: Any, wanted: Shape) -> tuple[TracedTensorList, Any]:
        from jax import lax

        rows = self.read(xp, wanted)
        if self.is_fixed and len(collectors) == 1:
            return self.with_buffer(rows[:-1], self.has_any, self.length - 1), rows[-1]
        top = xp.asarray(self.length, np.int32) - np.int32(1)
        require(xp, top >= 0, lambda: kernel_error("Trying to pop from an empty list."))
        return self.with_buffer(rows, self.has_any, top), lax.dynamic_index_in_dim(rows, top, 0, keepdims=False)

    def item(self, xp: Any, index: Any, wanted: Shape) -> Any:
        from jax import lax

        rows = self.read(xp, wanted)
        return lax.dynamic_index_in_dim(rows, self.place(xp, index, "access"), 0, keepdims=False)

    def with_item(self, xp: Any, index: Any, value: Any) -> TracedTensorList:
        from jax import lax

        value = self._row(xp, value)
        rows = self.ready(xp, tuple(value.shape)).buffer
        index = self.place(xp, index, "modify")
        return self.with_buffer(lax.dynamic_update_index_in_dim(rows, value, index, 0), xp.asarray(True))

    def _row(self, xp: Any, value: Any) -> Any:
        if isinstance(value, TracedTensorList | TensorList):
            raise Untraceable("a list of tensors is kept in another list")
        return xp.asarray(value, self.element_dtype.np)

    def _check_fixed(self) -> None:
        if not self.is_fixed or len(collectors) > 1:
            raise Untraceable("the length of a list of tensors depends on a value")

    def resized(self, xp: Any, size: Any) -> TracedTensorList:
        self._check_fixed()
        n = _known(size)
        if self.buffer is None:
            return self.with_buffer(None, self.has_any, n)
        more = xp.zeros((max(0, n - self.length), *self.buffer.shape[1:]), self.buffer.dtype)
        return self.with_buffer(xp.concatenate([self.buffer[:n], more]), self.has_any, n)

    def joined(self, xp: Any, other: TracedTensorList) -> TracedTensorList:
        self._check_fixed()
        other._check_fixed()
        if self.buffer is None or other.buffer is None:
            raise Untraceable("lists of tensors of unknown shape are joined")
        other.ready(xp, tuple(self.buffer.shape[1:]))
        both = xp.concatenate([self.buffer, other.buffer])
        return self.with_buffer(both, self.has_any | other.has_any, self.length + other.length)

    def scattered(self, xp: Any, indices: Any, rows: Any) -> TracedTensorList:
        where = _known(indices, ndim=1)
        last = int(max(where, default=-1)) + 1
        if not self.is_fixed or last > self.length:
            return self.resized(xp, last).scattered(xp, indices, rows)
        rows = xp.asarray(rows, self.element_dtype.np)
        buffer = self.ready(xp, tuple(rows.shape[1:])).buffer
        return self.with_buffer(buffer.at[where].set(rows), self.has_any | bool(len(where)))

    def stacked(self, xp: Any, wanted: Shape) -> Any:
        if not self.is_fixed:
            raise Untraceable("the length of a list of tensors depends on a value")
        return self.read(xp, wanted)

    def gathered(self, xp: Any, indices: Any, wanted: Shape) -> Any:
        rows = self.read(xp, wanted)
        return rows[self.place(xp, xp.asarray(indices), "access")]

    def zeros_like(self, xp: Any) -> TracedTensorList:
        return self if self.buffer is None else self.with_buffer(xp.zeros_like(self.buffer), self.has_any)

    def __add__(self, other: Any) -> TracedTensorList:
        if not isinstance(other, TracedTensorList):
            return NotImplemented
        check_sum(self, other)
        if not (self.is_fixed and other.is_fixed and self.length == other.length):
            raise Untraceable("lists of tensors whose lengths depend on values are added")
        if self.buffer is None or other.buffer is None:
            return other if self.buffer is None else self
        return self.with_buffer(self.buffer + other.buffer, self.has_any | other.has_any)

    def selected(self, xp: Any, holds: Any, other: Any) -> TracedTensorList:
        """This list if `holds`, else `other`."""
        what = "which list of tensors a branch gives depends on a value"
        if not isinstance(other, TracedTensorList):
            raise Untraceable(what)
        a = self.like(xp, other)
        b = other.like(xp, a)
        if a.buffer is None or b.buffer.shape != a.buffer.shape or b.element_dtype is not a.element_dtype:
            raise Untraceable(what)
        length = a.length
        if not a.is_fixed:
            length = xp.where(holds, a.length, b.length)
        elif not b.is_fixed or a.length != b.length:
            raise Untraceable(what)
        buffer = xp.where(holds, a.buffer, b.buffer)
        made = a.with_buffer(buffer, xp.where(holds, a.has_any, b.has_any), length)
        made.pushes = max(a.pushes, b.pushes)
        if a.element_shape != b.element_shape:
            made.element_shape = tuple(a.buffer.shape[1:])
        return made

    def __jax_array__(self) -> Any:
        raise Untraceable("a list of tensors leaves its stage")


def _known(value: Any, ndim: int = 0) -> Any:
    if not isinstance(value, np.ndarray | np.generic | int):
        raise Untraceable("where the elements of a list of tensors go, or how many there are, depends on a value")
    return np.asarray(value) if ndim else int(value)


# What JAX knows of lists


def _taken_apart(made: TracedTensorList) -> Any:
    about = made.element_dtype, made.element_shape, made.length if made.is_fixed else None
    return (made.buffer, made.has_any, None if made.is_fixed else made.length), about


def _put_together(about: Any, parts: Any) -> TracedTensorList:
    kind, shape, length = about
    buffer, has_any, top = parts
    return TracedTensorList(kind, shape, top if length is None else length, buffer, has_any)


def _not_taken_apart(made: TensorList) -> Any:
    raise Untraceable("a list of tensors comes from another stage")


def _not_put_together(about: Any, parts: Any) -> TensorList:
    raise AssertionError("JAX was never given a list of tensors in parts")


def register() -> None:
    """Tell JAX what lists of tensors are made of."""
    if _registered:
        return
    with _registering:
        if _registered:
            return
        from jax import tree_util

        tree_util.register_pytree_node(TensorList, _not_taken_apart, _not_put_together)
        tree_util.register_pytree_node(TracedTensorList, _taken_apart, _put_together)
        _registered.append(True)


_registered: list[bool] = []
_registering = threading.Lock()  # functions of datasets are compiled in several threads
