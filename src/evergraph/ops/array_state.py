"""The lists behind the handles of `TensorArray` and of the stacks that gradients of loops push to and pop from.

A handle in a run *is* its list: an `ArrayState` or a `StackState`, made anew each time the op that makes it runs, and
gone with the run. Elements are arrays. (A compiled stage keeps its lists in another form: traced_lists.py.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, ShapeError
from evergraph.ops.opdef import kernel_error


class ArrayState:
    """What a `TensorArray` is in a run.

    Attributes:
        name: for error messages.
        dtype: the type of all elements.
        element_shape: the static shape that every element must fit.
        identical_shapes: whether the first element written settles `element_shape`.
        dynamic: whether a write past the end makes the list longer.
        clears: whether a read takes the element away, so that reading it again is an error.
        is_gradient: whether it gathers gradients: writes to one position add up, a position never written is zero.
        values: the elements; None where there is only a shape (its value is zero) or nothing.
        written: the shape of each element; None where nothing was written.
        was_read: which positions have been read: they take no further write, and if `clears`, no further read.
        summed: whether two writes met at one position: such an array has no gradient.
        gradients: source (the name of a call of `tf.gradients`) to the array that gathers this one's gradient.
        closed: whether nothing is allowed any more.
    """

    def __init__(
        self,
        name: str,
        dtype: DType,
        size: int,
        element_shape: Shape = None,
        identical_shapes: bool = False,
        dynamic: bool = False,
        clears: bool = True,
        is_gradient: bool = False,
    ) -> None:
        if size < 0:
            raise kernel_error("Size should be >= 0.")
        self.name = name
        self.dtype = dtype
        self.element_shape = element_shape
        self.identical_shapes = identical_shapes
        self.dynamic = dynamic
        self.clears = clears
        self.is_gradient = is_gradient
        self.values: list[Any] = [None] * size
        self.written: list[tuple[int, ...] | None] = [None] * size
        self.was_read: list[bool] = [False] * size
        self.summed = False
        self.split_size = (
            0  # how many elements the last split made, of this array or of the one this is the gradient of
        )
        self.gradients: dict[str, ArrayState] = {}
        self.closed = False

    def __repr__(self) -> str:
        return f"<TensorArray {self.name!r} of {len(self.values)} {self.dtype.name}>"

    @property
    def size(self) -> int:
        self._check_open()
        return len(self.values)

    def grow(self, size: int) -> None:
        more = size - len(self.values)
        if more > 0:
            self.values.extend([None] * more)
            self.written.extend([None] * more)
            self.was_read.extend([False] * more)

    def write(self, xp: Any, index: Any, value: Any) -> None:
        self._check_open()
        index = int(index)
        if index < 0 or index >= len(self.values) and not self.dynamic:
            raise self._error(
                f"Tried to write to index {index} but array is not resizeable and size is: {len(self.values)}"
            )
        self.grow(index + 1)
        where = f"Could not write to TensorArray index {index} because"
        given = tuple(value.shape)
        try:
            merged = shapes.merge(self.element_shape, given)
        except ShapeError:
            raise self._error(
                f"{where} the value shape is {shapes.bracket_text(given)} which is incompatible with the TensorArray's "
                f"inferred element shape: {shapes.bracket_text(self.element_shape)} (consider setting "
                "infer_shape=False)."
            ) from None
        if self.identical_shapes:
            self.element_shape = merged
        if self.was_read[index]:
            raise self._error(f"{where} it has already been read.")
        before = self.written[index]
        if before is None:
            self.values[index], self.written[index] = value, given
            return
        if not self.is_gradient:
            raise self._error(f"{where} it has already been written to.")
        if before != given:
            raise self._error(
                f"Could not aggregate to TensorArray index {index} because the existing shape is "
                f"{shapes.bracket_text(before)} but the new input shape is {shapes.bracket_text(given)}."
            )
        if self.values[index] is None:
            self.values[index] = value
        else:
            self.values[index] = np.asarray(self.values[index]) + np.asarray(value)
            self.summed = True

    def read(self, xp: Any, index: Any) -> Any:
        self._check_open()
        index = int(index)
        if index < 0 or index >= len(self.values) and not self.is_gradient:
            raise kernel_error(f"Tried to read from index {index} but array size is: {len(self.values)}")
        self.grow(index + 1)
        if self.written[index] is None:
            if not shapes.is_static(self.element_shape):
                raise self._error(
                    f"Could not read from TensorArray index {index}.  Furthermore, the element shape is not fully "
                    f"defined: {shapes.shape_text(self.element_shape)}.  It is possible you are working with a "
                    "resizeable TensorArray and stop_gradients is not allowing the gradients to be written.  If you "
                    "set the full element_shape property on the forward TensorArray, the proper all-zeros tensor will "
                    "be returned instead of incurring this error."
                )
            self.written[index] = self.element_shape
        if self.clears and self.was_read[index]:
            raise self._error(
                f"Could not read index {index} twice because it was cleared after a previous read (perhaps try setting "
                "clear_after_read = false?)."
            )
        value = self.values[index]
        if value is None:
            value = xp.zeros(self.written[index], self.dtype.np)
        self.values[index] = None if self.clears else value
        self.was_read[index] = True
        return value

    def gradient(self, source: str, prefix: tuple[int, ...] = ()) -> ArrayState:
        """The array that gathers the gradient for one call of `tf.gradients`; from now on this one's length is fixed.

        With `prefix`, its elements have these dimensions in front of this one's.
        """
        self._check_open()
        self.dynamic = False
        found = self.gradients.get(source)
        if found is None:
            if self.summed:
                raise kernel_error(
                    f"Unable to create a gradients TensorArray for {self.name}.  Perhaps you used the "
                    "multiple_writes_aggregate flag on a previous write?  Gradient calculation is impossible when "
                    "multiple writes are performed to the same index."
                )
            shape = None if self.element_shape is None else prefix + self.element_shape
            found = ArrayState(
                f"{self.name}@{source}", self.dtype, len(self.values), shape, self.identical_shapes, is_gradient=True
            )
            found.split_size = self.split_size
            found.written = [None if sizes is None else prefix + sizes for sizes in self.written]
            self.gradients[source] = found
        return found

    def close(self) -> None:
        self.closed = True
        self.values, self.written, self.was_read = [], [], []

    def _check_open(self) -> None:
        if self.closed:
            raise kernel_error(f"TensorArray {self.name} has already been closed.")

    def _error(self, message: str) -> Exception:
        return kernel_error(f"TensorArray {self.name}: {message}")


class StackState:
    """What a `StackV2` is in a run: a list of arrays, and how long it may get (-1: as long as it likes)."""

    def __init__(self, name: str, dtype: DType, max_size: int) -> None:
        self.name = name
        self.dtype = dtype
        self.max_size = max_size
        self.values: list[Any] = []
        self.closed = False

    def __repr__(self) -> str:
        return f"<stack {self.name!r} of {len(self.values)} {self.dtype.name}>"

    def push(self, xp: Any, value: Any) -> None:
        self._check_open()
        if 0 <= self.max_size <= len(self.values):
            raise kernel_error(f"Stack[{self.name}] overflowed its max_size ({self.max_size})")
        self.values.append(value)

    def pop(self, xp: Any) -> Any:
        self._check_open()
        if not self.values:
            raise kernel_error(f"Stack[{self.name}] is empty when calling Pop().")
        return self.values.pop()

    def close(self) -> None:
        self.closed = True
        self.values = []

    def _check_open(self) -> None:
        if self.closed:
            raise kernel_error(f"Stack[{self.name}] has already been closed.")
