"""What a variant holds that is a list of tensors: `TensorListReserve(...)` and what follows from it.

A list is a value. Pushing to one gives another; the first stays as it was, and may be used again.

    interpreted   TensorList          the elements one by one, each of any shape that fits; None where none was set
    compiled      TracedTensorList    one array [size, ...] with a row for each element (traced.py)

The second says less: all elements have one shape, and a length that a loop has changed may depend on values. Where a
program needs more (elements of several shapes, lists in lists, all elements of such a list stacked) the kernels raise
`Untraceable`, and the stage is interpreted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, ShapeError, bracket_text
from evergraph.ops.opdef import kernel_error


class TensorList:
    """A list of tensors in the hands of Python.

    Attributes:
        element_dtype: the type of all elements.
        element_shape: the static shape that each element fits.
        values: the elements: arrays, or lists of tensors; None where none was set.
        max_num_elements: how many it may have at most; -1: as many as one likes.
    """

    __slots__ = ("element_dtype", "element_shape", "values", "max_num_elements")

    # A scalar of type variant, for whoever looks at it as at an array.
    dtype = np.dtype(object)
    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1

    def __init__(
        self, element_dtype: DType, element_shape: Shape, values: Sequence[Any], max_num_elements: int = -1
    ) -> None:
        self.element_dtype = element_dtype
        self.element_shape = element_shape
        self.values = tuple(values)
        self.max_num_elements = max_num_elements

    def __repr__(self) -> str:
        return f"<list of {len(self.values)} {self.element_dtype.name} of shape {bracket_text(self.element_shape)}>"

    @property
    def length(self) -> int:
        return len(self.values)

    def with_values(self, values: Sequence[Any], element_shape: Any = ...) -> TensorList:
        shape = self.element_shape if element_shape is ... else element_shape
        return TensorList(self.element_dtype, shape, values, self.max_num_elements)

    def pushed(self, xp: Any, value: Any) -> TensorList:
        return self.with_values((*self.values, value))

    def popped(self, xp: Any, wanted: Shape) -> tuple[TensorList, Any]:
        *rest, last = self.values
        if last is None:
            last = self.zeros(xp, self.complete(wanted, rest), "read")
        return self.with_values(rest), last

    def item(self, xp: Any, index: Any, wanted: Shape) -> Any:
        i = int(index)
        if not 0 <= i < len(self.values):
            raise self.no_element(i)
        found = self.values[i]
        return self.zeros(xp, self.complete(wanted, self.values), "read") if found is None else found

    def with_item(self, xp: Any, index: Any, value: Any) -> TensorList:
        i = int(index)
        if not 0 <= i < len(self.values):
            raise kernel_error(f"Trying to modify element {i} in a list with {len(self.values)} elements.")
        return self.with_values((*self.values[:i], value, *self.values[i + 1 :]))

    def resized(self, xp: Any, size: Any) -> TensorList:
        n = int(size)
        return self.with_values((*self.values[:n], *[None] * (n - len(self.values))))

    def joined(self, xp: Any, other: TensorList) -> TensorList:
        return self.with_values((*self.values, *other.values))

    def scattered(self, xp: Any, indices: Any, rows: Any) -> TensorList:
        """The list with `rows` at `indices`, made longer if need be."""
        values = list(self.values)
        values += [None] * (max((int(i) for i in indices), default=-1) + 1 - len(values))
        for i, row in zip(indices, rows, strict=True):
            values[int(i)] = row
        return self.with_values(values)

    def stacked(self, xp: Any, wanted: Shape) -> Any:
        if not self.values and not shapes.is_static(wanted):
            raise kernel_error(
                f"Tried to stack elements of an empty list with non-fully-defined element_shape: {bracket_text(wanted)}"
            )
        shape = self.complete(wanted, self.values)
        if not shapes.is_static(shape):
            raise kernel_error(
                "Tried to stack list which only contains uninitialized tensors and has a non-fully-defined "
                f"element_shape: {bracket_text(shape)}"
            )
        return self._stacked(xp, self.values, shape)

    def gathered(self, xp: Any, indices: Any, wanted: Shape) -> Any:
        picked = []
        for i in np.ravel(indices).tolist():
            if not 0 <= i < len(self.values):
                raise kernel_error(f"Index {i} out o range; list only has {len(self.values)} elements.")
            picked.append(self.values[i])
        if not picked and not shapes.is_static(wanted):
            raise kernel_error(
                f"Tried to gather 0-elements from a list with non-fully-defined shape: {bracket_text(wanted)}"
            )
        shape = self.complete(wanted, picked)
        if not shapes.is_static(shape):
            raise kernel_error(
                "Tried to gather uninitialized tensors from a list with non-fully-defined element_shape: "
                f"{bracket_text(shape)}"
            )
        return self._stacked(xp, picked, shape)

    def _stacked(self, xp: Any, values: Sequence[Any], shape: Shape) -> Any:
        if not values:
            return xp.zeros((0, *(shape or ())), self.element_dtype.np)
        filled = [self.zeros(xp, shape, "read") if v is None else v for v in values]
        if any(isinstance(v, TensorList) for v in filled):
            rows = np.empty(len(filled), object)
            rows[:] = filled
            return rows
        return xp.stack(filled)

    def complete(self, wanted: Shape, values: Sequence[Any]) -> Shape:
        """`wanted` with what the shapes of elements that were set say."""
        if shapes.is_static(wanted) and shapes.is_static(self.element_shape):
            return wanted
        for value in values:
            if value is not None:
                wanted = fitting(wanted, tuple(value.shape))
        return wanted

    def zeros(self, xp: Any, shape: Shape, verb: str) -> Any:
        if not shapes.is_static(shape):
            raise kernel_error(
                f"Trying to {verb} an uninitialized tensor but element_shape is not fully defined: "
                f"{bracket_text(shape)} and no list element is set."
            )
        kind = self.element_dtype.np
        return np.full(shape or (), b"", object) if kind == np.object_ else xp.zeros(shape, kind)

    def no_element(self, i: int) -> Exception:
        return kernel_error(f"Trying to access element {i} in a list with {len(self.values)} elements.")

    def zeros_like(self, xp: Any) -> TensorList:
        """The list with zeros in place of the elements that were set: where gradients start."""
        return self.with_values(
            [
                v if v is None else v.zeros_like(xp) if isinstance(v, TensorList) else xp.zeros_like(v)
                for v in self.values
            ]
        )

    def __add__(self, other: Any) -> TensorList:
        if not isinstance(other, TensorList):
            return NotImplemented
        check_sum(self, other)
        if len(self.values) != len(other.values):
            raise kernel_error(
                "Trying to add two lists of tensors with different lengths. One is "
                f"{len(self.values)} and the other is {len(other.values)}"
            )
        pairs = zip(self.values, other.values, strict=True)
        values = [b if a is None else a if b is None else a + b for a, b in pairs]
        return self.with_values(values, fitting(self.element_shape, other.element_shape))


def fitting(a: Shape, b: Shape) -> Shape:
    """Both shapes in one; a run-time error if they contradict each other."""
    try:
        return shapes.merge(a, b)
    except ShapeError:
        assert a is not None and b is not None
        if len(a) != len(b):
            raise kernel_error(f"Incompatible ranks during merge: {len(a)} vs. {len(b)}") from None
        raise kernel_error(f"Incompatible shapes during merge: {bracket_text(a)} vs. {bracket_text(b)}") from None


def is_fitting(a: Shape, b: Shape) -> bool:
    try:
        shapes.merge(a, b)
    except ShapeError:
        return False
    return True


def check_sum(a: Any, b: Any) -> None:
    if a.element_dtype is not b.element_dtype:
        raise kernel_error(
            "Trying to add two lists of tensors of different dtypes. One is "
            f"{a.element_dtype.name} and the other is {b.element_dtype.name}"
        )
    if not is_fitting(a.element_shape, b.element_shape):
        raise kernel_error(
            "Trying to add two lists of tensors with incompatible element shapes. One is "
            f"{bracket_text(a.element_shape)} and the other is {bracket_text(b.element_shape)}"
        )
