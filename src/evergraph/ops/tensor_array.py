"""`tf.TensorArray`: a list of tensors that a loop writes or reads one by one.

In a graph an array is two tensors, as in TF 1.15: a *handle* that names the list, and a *flow*, a float scalar that
means nothing: each write takes the flow and gives a new one, so that reads come after the writes that they depend on.
In a run the handle is the list itself (`array_state.py` says what it holds), and the flow is 0.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import converted
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies, device, name_scope
from evergraph.framework.shapes import ShapeError, TensorShape, as_shape, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.array_state import ArrayState
from evergraph.ops.cast import cast
from evergraph.ops.control_flow_choice import control_flow_v2_enabled
from evergraph.ops.identity import identity
from evergraph.ops.opdef import constant_value, kernel_error, op
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.traced_lists import TracedArray

NO_FLOW = np.float32(0)
_numbers = itertools.count()

# The ops


@op("TensorArrayV3", differentiable=False, static=("size",))
def tensor_array_op(
    xp: Any,
    size: Any,
    *,
    dtype: Any,
    element_shape: Any,
    dynamic_size: bool,
    clear_after_read: bool,
    identical_element_shapes: bool,
    tensor_array_name: bytes,
) -> Any:
    """A new array of `size` elements, none of them written."""
    name = f"{tensor_array_name.decode()}_{next(_numbers)}"
    if xp is not np:
        return TracedArray(name, dtype, int(size), element_shape, dynamic_size), NO_FLOW
    made = ArrayState(name, dtype, int(size), element_shape, identical_element_shapes, dynamic_size, clear_after_read)
    return made, NO_FLOW


@tensor_array_op.shape_from_op
def tensor_array_shape(made: Operation) -> Any:
    with_rank(made.inputs[0].static_shape, 0)
    element_shape = made.attrs["element_shape"]
    if shapes.is_static(element_shape) or made.attrs["identical_element_shapes"]:
        made.outputs[0]._handle_data = element_shape, made.attrs["dtype"]
    return (2,), ()


@op("TensorArrayGradV3", differentiable=False)
def tensor_array_grad_op(xp: Any, handle: Any, flow_in: Any, *, source: bytes) -> Any:
    """The array that gathers the gradient of another for one call of `tf.gradients`."""
    return handle.gradient(source.decode()), flow_in


@tensor_array_grad_op.shape_from_op
def tensor_array_grad_shape(made: Operation) -> Any:
    made.outputs[0]._handle_data = made.inputs[0]._handle_data
    return (2,), ()


@op("TensorArrayGradWithShape", differentiable=False, static=("shape_to_prepend",))
def tensor_array_grad_with_shape(xp: Any, handle: Any, flow_in: Any, shape_to_prepend: Any, *, source: bytes) -> Any:
    """`TensorArrayGradV3` with further dimensions in front of each element."""
    return handle.gradient(source.decode(), tuple(int(n) for n in shape_to_prepend)), flow_in


@tensor_array_grad_with_shape.shape_from_op
def tensor_array_grad_with_shape_shape(made: Operation) -> Any:
    handle, _, prepended = made.inputs
    (count,) = with_rank(prepended.static_shape, 1)
    if handle._handle_data is not None and handle._handle_data[0] is not None and count is not None:
        element_shape, kind = handle._handle_data
        made.outputs[0]._handle_data = (None,) * count + element_shape, kind
    return (2,), ()


def _check_type(handle: Any, kind: DType, what: str) -> None:
    held = handle.dtype
    if kind is not held and np.dtype(kind.np) != np.dtype(held.np):
        raise kernel_error(
            f"TensorArray dtype is {_CPP_NAMES.get(held.name, held.name)} but {what} dtype "
            f"{_CPP_NAMES.get(kind.name, kind.name)}."
        )


_CPP_NAMES = {"float16": "half", "float32": "float", "float64": "double"}  # as TF's messages write types


@op("TensorArrayWriteV3")
def write_op(xp: Any, handle: Any, index: Any, value: Any, flow_in: Any) -> Any:
    """Put `value` at `index`."""
    _check_type(handle, dtypes.as_dtype(value.dtype), "Op is trying to write")
    handle.write(xp, index, value)
    return flow_in


@write_op.shape_from_op
def write_shape(made: Operation) -> Any:
    handle, index, value, flow = made.inputs
    with_rank(index.static_shape, 0)
    with_rank(flow.static_shape, 0)
    if handle._handle_data is not None:
        merge(handle._handle_data[0], value.static_shape)
    return ()


@op("TensorArrayReadV3")
def read_op(xp: Any, handle: Any, index: Any, flow_in: Any, *, dtype: Any) -> Any:
    """The element at `index`."""
    _check_type(handle, dtype, "Op requested")
    return handle.read(xp, index)


@read_op.shape_from_op
def read_shape(made: Operation) -> Any:
    handle, index, flow = made.inputs
    with_rank(index.static_shape, 0)
    with_rank(flow.static_shape, 0)
    return None if handle._handle_data is None else handle._handle_data[0]


@op("TensorArrayGatherV3", static=("indices",))
def gather_op(xp: Any, handle: Any, indices: Any, flow_in: Any, *, dtype: Any, element_shape: Any) -> Any:
    """The elements at `indices`, stacked."""
    if isinstance(handle, TracedArray):
        return handle.gather(xp, indices)
    try:
        handle.element_shape = merge(handle.element_shape, element_shape)
    except ShapeError as error:
        raise kernel_error(str(error)) from None
    values = [handle.read(xp, int(i)) for i in indices]
    if not values:
        if not shapes.is_static(element_shape):
            raise kernel_error(
                f"TensorArray has size zero, but element shape {shapes.shape_text(element_shape)} is not fully "
                "defined. Currently only static shapes are supported when packing zero-size TensorArrays."
            )
        return xp.zeros((0, *element_shape), dtype.np)
    first = tuple(values[0].shape)
    for i, value in enumerate(values):
        if tuple(value.shape) != first:
            raise kernel_error(
                f"TensorArray has inconsistent shapes.  Index 0 has shape: {shapes.bracket_text(first)} but index {i} "
                f"has shape: {shapes.bracket_text(tuple(value.shape))}"
            )
    return xp.stack(values)


@gather_op.shape_from_op
def gather_shape(made: Operation) -> Any:
    handle, indices, _ = made.inputs
    rows = with_rank(indices.static_shape, 1)
    element = made.attrs["element_shape"] if handle._handle_data is None else handle._handle_data[0]
    return None if element is None else rows + element


@op("TensorArrayScatterV3", static=("indices",))
def scatter_op(xp: Any, handle: Any, indices: Any, value: Any, flow_in: Any) -> Any:
    """Put the rows of `value` at `indices`."""
    if not value.shape:
        raise kernel_error("Input value for unpack must be at least a vector but received shape: []")
    if len(indices) != value.shape[0]:
        raise kernel_error(f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {value.shape[0]}")
    if isinstance(handle, TracedArray):
        handle.scatter(xp, indices, value)
        return flow_in
    size, last = handle.size, max((int(i) for i in indices), default=-1)
    if last >= size and not handle.dynamic:
        raise kernel_error(f"Max scatter index must be < array size ({last} vs. {size})")
    for position, index in enumerate(indices):
        handle.write(xp, index, value[position, ...])
    return flow_in


@scatter_op.shape_from_op
def scatter_shape(made: Operation) -> Any:
    handle, indices, value, flow = made.inputs
    rows = with_rank(indices.static_shape, 1)
    with_rank(flow.static_shape, 0)
    sizes = value.static_shape
    if sizes is not None:
        if not sizes:
            raise ShapeError("Shape must be at least rank 1 but is rank 0")
        merge(rows, sizes[:1])
        if handle._handle_data is not None:
            merge(handle._handle_data[0], sizes[1:])
    return ()


@op("TensorArrayConcatV3")
def concat_op(xp: Any, handle: Any, flow_in: Any, *, dtype: Any, element_shape_except0: Any) -> Any:
    """All elements joined along their first dimension, and the length of each."""
    if isinstance(handle, TracedArray):
        return handle.concat(xp)
    # The gradient of a split has as many elements as it made, however many were written afterwards.
    values = [handle.read(xp, i) for i in range(handle.split_size if handle.is_gradient else handle.size)]
    if not values:
        if not shapes.is_static(element_shape_except0):
            raise kernel_error(
                f"TensorArray has size zero, but element_shape_except0 {shapes.shape_text(element_shape_except0)} is "
                "not fully defined. Currently only static shapes are supported when concatenating zero-size "
                "TensorArrays."
            )
        return xp.zeros((0, *element_shape_except0), dtype.np), np.zeros(0, np.int64)
    for i, value in enumerate(values):
        if not value.shape:
            raise kernel_error(
                f"Concat saw a scalar shape at index {i} but requires at least vectors.  Did you mean to call pack?"
            )
        if value.shape[1:] != values[0].shape[1:]:
            raise kernel_error(
                "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: "
                f"{shapes.bracket_text(tuple(values[0].shape[1:]))} but index {i} has (excepting dimension 0) shape: "
                f"{shapes.bracket_text(tuple(value.shape[1:]))}"
            )
    return xp.concatenate(values), np.array([v.shape[0] for v in values], np.int64)


@concat_op.shape_from_op
def concat_shape(made: Operation) -> Any:
    return None, (None,)


@op("TensorArraySplitV3", static=("lengths",))
def split_op(xp: Any, handle: Any, value: Any, lengths: Any, flow_in: Any) -> Any:
    """Cut `value` along its first dimension into elements of the given lengths."""
    if not value.shape:
        raise kernel_error("Expected value to be at least a vector, but received shape: []")
    if np.ndim(lengths) != 1:
        raise kernel_error(
            f"Expected lengths to be a vector, received shape: {shapes.bracket_text(tuple(np.shape(lengths)))}"
        )
    total = int(np.sum(lengths))
    if total != value.shape[0]:
        raise kernel_error(
            f"Expected sum of lengths to be equal to values.shape[0], but sum of lengths is {total} and value's shape "
            f"is: {shapes.bracket_text(tuple(value.shape))}"
        )
    if isinstance(handle, TracedArray):
        handle.split(xp, value, lengths)
        return flow_in
    if handle.size != len(lengths):
        if not handle.dynamic or handle.size > len(lengths):
            raise kernel_error(
                f"TensorArray's size is not equal to the size of lengths ({handle.size} vs. {len(lengths)}), and the "
                "TensorArray is not marked as dynamically resizeable"
            )
        handle.grow(len(lengths))
    if not handle.is_gradient:
        handle.split_size = handle.size
    start = 0
    for index, length in enumerate(lengths):
        handle.write(xp, index, value[start : start + int(length)])
        start += int(length)
    return flow_in


@split_op.shape_from_op
def split_shape(made: Operation) -> Any:
    with_rank(made.inputs[2].static_shape, 1)
    return ()


@op("TensorArraySizeV3", differentiable=False)
def size_op(xp: Any, handle: Any, flow_in: Any) -> Any:
    """How many elements the array has."""
    return np.int32(handle.size)


@size_op.shape_from_op
def size_shape(made: Operation) -> Any:
    return ()


@op("TensorArrayCloseV3", differentiable=False)
def close_op(xp: Any, handle: Any) -> Any:
    """Let go of all elements."""
    handle.close()
    return ()


# The class


@public("TensorArray")
class TensorArray:
    """A list of tensors of one type, written and read one by one; made for loops.

    Each method that writes gives a new `TensorArray`, the one to go on with.

    Args:
        dtype: the type of the elements.
        size: how many there are: an int32 scalar.
        dynamic_size: let a write past the end make the array longer.
        clear_after_read: let a read take the element away: true by default, and reading it again is an error.
        tensor_array_name: a name for error messages.
        handle, flow: the two tensors of an existing array, instead of `size`.
        infer_shape: insist that all elements have one shape.
        element_shape: the static shape of each element, as far as it is known.
        colocate_with_first_write_call: place the array where the first tensor written to it is.
        name: the name scope of the op.

    Raises:
        ValueError: if neither `size` nor `handle` is given, or arguments contradict each other.
        TypeError: if `handle` is not a tensor.

    >>> array = tf.TensorArray(tf.float32, 2).write(0, 1.0).write(1, 5.0)
    >>> sess.run(array.stack())
    array([1., 5.], dtype=float32)
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """An array of list ops, where loops have functions as parts; else of ops that take a handle."""
        handle, flow = (kwargs.get(n, args[i] if i < len(args) else None) for i, n in ((5, "handle"), (6, "flow")))
        of_lists = handle is None and control_flow_v2_enabled()
        if cls is TensorArray and (of_lists or isinstance(flow, Tensor) and flow.dtype is dtypes.variant):
            from evergraph.ops.tensor_lists.arrays import ListArray

            return super().__new__(ListArray)
        return super().__new__(cls)

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None:
            if tensor_array_name:
                raise ValueError("Cannot construct with both handle and tensor_array_name")
            if not isinstance(handle, Tensor):
                raise TypeError("Handle must be a Tensor")
            for label, given in (
                ("a handle and size at the same time", size),
                ("a handle and element_shape at the same time", element_shape),
                ("a handle and dynamic_size at the same time", dynamic_size),
                ("a handle and clear_after_read at the same time", clear_after_read),
            ):
                if given is not None:
                    raise ValueError(f"Cannot provide both {label}")
        elif size is None:
            raise ValueError("Size must be provided if handle is not provided")
        self._dtype = dtypes.as_dtype(dtype).base_dtype
        self._dynamic_size = bool(dynamic_size)
        self._infer_shape = infer_shape
        self._colocate = colocate_with_first_write_call
        # Shared by all that stand for one array: the tensor it is placed with, and the shape of its elements.
        self._placed_with: list[Any] = []
        self._element_shape: list[TensorShape] = [as_shape(element_shape)]
        with name_scope(name, "TensorArray", [handle, size, flow]) as scope:
            if handle is not None:
                if flow is None:
                    raise ValueError("flow must not be None if handle is not None.")
                self._handle, self._flow = handle, flow
                return
            if colocate_with_first_write_call:
                with device(None), colocate_with(None, ignore_existing=True):
                    made = self._create(size, element_shape, clear_after_read, tensor_array_name, scope)
            else:
                made = self._create(size, element_shape, clear_after_read, tensor_array_name, scope)
            self._handle, self._flow = made

    def _create(self, size: Any, element_shape: Any, clears: bool | None, label: str | None, scope: str) -> Any:
        return tensor_array_op(
            size,
            dtype=self._dtype,
            element_shape=element_shape,
            dynamic_size=self._dynamic_size,
            clear_after_read=True if clears is None else clears,
            identical_element_shapes=self._infer_shape,
            tensor_array_name=label,
            name=scope,
        )

    @property
    def flow(self) -> Tensor:
        """The tensor that orders reads after writes."""
        return self._flow

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def handle(self) -> Tensor:
        return self._handle

    @property
    def element_shape(self) -> TensorShape:
        return self._element_shape[0]

    @property
    def dynamic_size(self) -> bool:
        return self._dynamic_size

    def _after(self, flow: Tensor) -> TensorArray:
        """This array after a write: with another flow."""
        made = TensorArray(
            self._dtype,
            handle=self._handle,
            flow=flow,
            infer_shape=self._infer_shape,
            colocate_with_first_write_call=self._colocate,
        )
        made._dynamic_size = self._dynamic_size
        made._placed_with = self._placed_with
        made._element_shape = self._element_shape
        return made

    def _note_shape(self, shape: TensorShape) -> None:
        if not shape.is_compatible_with(self.element_shape):
            raise ValueError(f"Inconsistent shapes: saw {shape} but expected {self.element_shape} ")
        if self._infer_shape:
            self._element_shape[0] = self.element_shape.merge_with(shape)

    @contextmanager
    def _placed(self, value: Tensor) -> Iterator[None]:
        if not self._colocate:
            yield
            return
        if not self._placed_with:
            self._placed_with.append(value)
        with colocate_with(self._placed_with[0]):
            yield

    def _checked(self, value: Any) -> Tensor:
        tensor = converted(value, name="value", preferred=self._dtype)
        if tensor.dtype is not self._dtype:
            logging.getLogger("tensorflow").error(
                "Error: Input value %s has dtype %s, but expected dtype %s. This leads to undefined behavior.",
                tensor,
                tensor.dtype,
                self._dtype,
            )
        return tensor

    def identity(self) -> TensorArray:
        """The same array, with a flow that waits for the control dependencies around."""
        return self._after(identity(self._flow))

    def mark_used(self) -> None:
        """Say that this array is meant to be left unread. Nothing warns of unread arrays, so nothing happens."""

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> TensorArray:
        """The array that gathers this one's gradient for the call of `tf.gradients` named `source`."""
        if flow is None:
            flow = self._flow
        with name_scope(name, "TensorArrayGrad", [self._handle]), colocate_with(self._handle):
            handle, _ = tensor_array_grad_op(self._handle, flow, source=source, name=name)
            with control_dependencies([handle]):
                flow = identity(flow, name="gradient_flow")
            made = TensorArray(
                self._dtype,
                handle=handle,
                flow=flow,
                infer_shape=self._infer_shape,
                colocate_with_first_write_call=False,
            )
            made._element_shape = self._element_shape
            return made

    def read(self, index: Any, name: str | None = None) -> Tensor:
        """The element at `index`, an int32 scalar.

        Raises:
            InvalidArgumentError: at run time, if there is no such element, or it was read before and cleared.
        """
        value = read_op(self._handle, index, self._flow, dtype=self._dtype, name=name)
        value.set_shape(self.element_shape)
        return value

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """Put `value` at `index`, an int32 scalar; gives the array to go on with.

        Raises:
            ValueError: if the shape of `value` does not fit.
            InvalidArgumentError: at run time, if `index` is out of range or was written before.
        """
        with name_scope(name, "TensorArrayWrite", [self._handle, index, value]):
            value = self._checked(value)
            self._note_shape(value.shape)
            with self._placed(value):
                flow = write_op(self._handle, index, value, self._flow, name=name)
            return self._after(flow)

    def stack(self, name: str | None = None) -> Tensor:
        """All elements as one tensor of one dimension more."""
        with colocate_with(self._handle), name_scope(name, "TensorArrayStack", [self._handle]):
            return self.gather(range_(0, self.size()), name=name)

    def gather(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements at `indices`, an int32 vector, as one tensor."""
        element = self.element_shape
        value = gather_op(self._handle, indices, self._flow, dtype=self._dtype, name=name, element_shape=element)
        if element.ndims is not None:
            value.set_shape([None, *element.dims])  # type: ignore[misc]  # of known rank
        return value

    def concat(self, name: str | None = None) -> Tensor:
        """All elements joined along their first dimension."""
        element = self.element_shape
        value, _ = concat_op(self._handle, self._flow, dtype=self._dtype, name=name, element_shape_except0=element[1:])
        if element.ndims is not None:
            value.set_shape([None, *element.dims[1:]])  # type: ignore[index]  # of known rank
        return value

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """Put the rows of `value` at 0, 1, ...; gives the array to go on with."""
        with name_scope(name, "TensorArrayUnstack", [self._handle, value]):
            count = shape_of(value)[0]
            return self.scatter(range_(0, count), value, name=name)

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """Put the rows of `value` at `indices`, an int32 vector; gives the array to go on with."""
        with name_scope(name, "TensorArrayScatter", [self._handle, value, indices]):
            value = self._checked(value)
            self._note_shape(value.shape[1:])
            with self._placed(value):
                flow = scatter_op(self._handle, indices, value, self._flow, name=name)
            return self._after(flow)

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """Cut `value` into elements of the given lengths, an int vector; gives the array to go on with."""
        with name_scope(name, "TensorArraySplit", [self._handle, value, lengths]):
            value = converted(value, self._dtype, "value")
            with self._placed(value):
                lengths = cast(lengths, dtypes.int64)
                known = constant_value(lengths)
                if value.shape.ndims is not None and known is not None and known.ndim and known.max() == known.min():
                    self._note_shape(TensorShape([int(known[0])]).concatenate(value.shape[1:]))
                flow = split_op(self._handle, value, lengths, self._flow, name=name)
            return self._after(flow)

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are, as an int32 scalar."""
        return size_op(self._handle, self._flow, name=name)

    def close(self, name: str | None = None) -> Operation:
        """An op that lets go of all elements."""
        return close_op(self._handle, name=name)


# Arrays as loop variables and results of branches: their flow goes through


def as_flow(item: Any) -> Any:
    return item._flow if isinstance(item, TensorArray) else item


def as_arrays(originals: list[Any], flows: list[Any]) -> list[Any]:
    """`flows`, those of arrays made arrays again."""
    if len(originals) != len(flows):
        raise ValueError(
            f"Lengths of original Tensor list and new list do not match: {len(originals)} vs. {len(flows)}"
        )
    return [o._after(flow) if isinstance(o, TensorArray) else flow for o, flow in zip(originals, flows, strict=True)]


# Gradients: what was read is written to the array of gradients, what was written is read from it


def gradient_source(t: Any) -> str:
    """The name of the call of `tf.gradients` that `t` was made in: each has its own arrays of gradients.

    Raises:
        ValueError: if it was not made in one, as when a call has another name than "gradients...".
    """
    parts = t.name.split("/")
    positions = [i for i, part in enumerate(parts) if part.startswith("gradients")]
    if not positions:
        raise ValueError(
            f"Expected op/tensor name to start with gradients (excluding scope), got: {t.name}. This means that a "
            "tf.gradients op with this op in its dependency path has a custom name that does not start with "
            "'gradients'. Please make sure all calls to tf.gradients that have non-empty 'name' arguments use names "
            "that start with 'gradients'."
        )
    return "/".join(parts[: positions[-1] + 1])


def _gradient_array(made: Operation, dtype: str, grad: Any, flow: Any) -> TensorArray:
    source = gradient_source(grad)
    array = TensorArray(made.attrs[dtype], handle=made.inputs[0], flow=flow, colocate_with_first_write_call=False)
    return array.grad(source, flow)


@read_op.gradient
def read_grad(made: Operation, grad: Tensor) -> list[Any]:
    written = _gradient_array(made, "dtype", grad, made.inputs[2]).write(made.inputs[1], grad)
    return [None, None, written.flow]


@write_op.gradient
def write_grad(made: Operation, flow: Tensor) -> list[Any]:
    return [None, None, _gradient_array(made, "T", flow, flow).read(made.inputs[1]), flow]


@gather_op.gradient
def gather_grad(made: Operation, grad: Tensor) -> list[Any]:
    written = _gradient_array(made, "dtype", grad, made.inputs[2]).scatter(made.inputs[1], grad)
    return [None, None, written.flow]


@scatter_op.gradient
def scatter_grad(made: Operation, flow: Tensor) -> list[Any]:
    return [None, None, _gradient_array(made, "T", flow, flow).gather(made.inputs[1]), flow]


@concat_op.gradient
def concat_grad(made: Operation, grad: Tensor, lengths_grad: Any) -> list[Any]:
    written = _gradient_array(made, "dtype", grad, made.inputs[1]).split(grad, lengths=made.outputs[1])
    return [None, written.flow]


@split_op.gradient
def split_grad(made: Operation, flow: Tensor) -> list[Any]:
    return [None, _gradient_array(made, "T", flow, flow).concat(), None, flow]
