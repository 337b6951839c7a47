"""`tf.TensorArray` as ONNX: one tensor, the elements stacked.

In a graph an array is a handle and a *flow*, which goes from each write to what comes after it. ONNX has no such
objects, so the flow itself becomes the tensor of all elements:

    TensorArrayV3(size)            zeros of [size, ...element]
    TensorArrayScatterV3(x)        x
    TensorArrayReadV3(index)       Gather
    TensorArrayWriteV3(index, v)   ScatterND
    TensorArrayGatherV3(indices)   Gather

Sizes of an element that only the run tells are 1 until the first write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import ShapeError, is_static, merge
from evergraph.framework.tensor import Tensor
from evergraph.training.onnx_files.writer import NotMapped, Writer, maps

ARRAY, WRITE, SCATTER = "TensorArrayV3", "TensorArrayWriteV3", "TensorArrayScatterV3"
_PASSES_ON = frozenset(("Identity", "Enter", "Exit", "NextIteration", "Switch", "Merge"))


class Array:
    """What is known of an array: the op that makes it, and the static shape of an element."""

    def __init__(self, op: Operation) -> None:
        self.op = op
        self.shape = op.attrs["element_shape"]
        self.dtype = op.attrs["dtype"]._base.np
        self.grows = bool(op.attrs["dynamic_size"])
        self.is_uniform = bool(op.attrs["identical_element_shapes"])

    def element(self) -> tuple[int | None, ...]:
        """The shape of an element, for which ONNX has to know how many dimensions there are."""
        if self.shape is None:
            raise NotMapped("the number of dimensions of its elements is unknown")
        if not self.is_uniform and not is_static(self.shape):
            raise NotMapped("its elements may differ in shape")
        return tuple(self.shape)


def arrays_of(ops: Iterable[Operation]) -> dict[Tensor, Array]:
    """The array that each handle and flow among `ops` belongs to."""
    members = list(ops)
    found: dict[Tensor, Array] = {}
    for op in members:
        if op.type == ARRAY:
            found.update(dict.fromkeys(op.outputs, Array(op)))
    before = -1
    while len(found) > before:  # a flow goes around its loop
        before = len(found)
        for op in members:
            source = next((found[t] for t in op.inputs if t in found), None)
            if source is None:
                continue
            if op.type in (WRITE, SCATTER):
                found[op.outputs[0]] = source
            elif op.type in _PASSES_ON:
                found.update(dict.fromkeys(op.outputs[: 1 if op.type == "Merge" else None], source))
    for op in members:
        if op.type in (WRITE, SCATTER) and (array := found.get(op.inputs[0])) is not None:
            shape = op.inputs[2].static_shape
            try:
                array.shape = merge(array.shape, shape[1:] if shape is not None and op.type == SCATTER else shape)
            except ShapeError:
                array.is_uniform = False
    return found


@maps(ARRAY)
def array(w: Writer, op: Operation) -> None:
    handle, flow = op.outputs
    w.put(handle, "")
    w.later[flow] = lambda: empty(w, w.arrays[flow])


def empty(w: Writer, array: Array) -> str:
    """An array without elements written."""
    shape = [1 if n is None else n for n in array.element()]
    size = w.node("Concat", [size_vector(w, array), w.ints(*shape)], axis=0) if shape else size_vector(w, array)
    zero = w.onnx.numpy_helper.from_array(np.zeros(1, array.dtype))
    return str(w.node("ConstantOfShape", [size], value=zero))


def size_vector(w: Writer, array: Array) -> str:
    """The size that an array was made with, as a vector of one."""
    size = array.op.inputs[0]
    if size in w.known:
        return w.ints(int(w.known[size]))
    return str(w.node("Reshape", [w.int64(size), w.ints(1)]))


def padded(w: Writer, array: Array, rows: str, least: str) -> str:
    """`rows` with zeros after them, so that there are at least `least` (a vector of one)."""
    rank = len(array.element())
    missing = w.node("Sub", [least, _count(w, rows)])
    missing = w.node("Max", [missing, w.ints(0)])
    more = [w.ints(*[0] * (rank + 1)), missing, *([w.ints(*[0] * rank)] if rank else [])]
    return str(w.node("Pad", [rows, w.node("Concat", more, axis=0)]))


def _count(w: Writer, rows: str) -> str:
    return str(w.node("Shape", [rows], start=0, end=1))


@maps(SCATTER)
def scatter(w: Writer, op: Operation) -> Any:
    _, indices, value, flow = op.inputs
    if _counts_up(w, indices):
        return w.node("Identity", [w.name(value)])
    array, places = w.arrays[flow], w.node("Unsqueeze", [w.int64(indices), w.ints(1)])
    rows = w.name(flow)
    if array.grows:
        last = w.node("ReduceMax", [w.int64(indices)], keepdims=1)
        rows = padded(w, array, rows, w.node("Add", [last, w.ints(1)]))
    rows = _as_wide(w, array, rows, w.node("Shape", [w.name(value)], start=1))
    return w.node("ScatterND", [rows, places, w.name(value)])


def _counts_up(w: Writer, indices: Tensor) -> bool:
    """Whether `indices` are 0, 1, 2 and so on: there are as many as rows."""
    if indices in w.known:
        return bool(np.array_equal(w.known[indices], np.arange(len(w.known[indices]))))
    if indices.op.type != "Range":
        return False
    start, _, step = indices.op.inputs
    return _is(w, start, 0) and _is(w, step, 1)


def _is(w: Writer, t: Tensor, number: int) -> bool:
    return t in w.known and int(w.known[t]) == number


@maps(WRITE)
def write(w: Writer, op: Operation) -> Any:
    _, index, value, flow = op.inputs
    array, rows = w.arrays[flow], w.name(flow)
    place = w.node("Reshape", [w.int64(index), w.ints(1, 1)])
    if array.grows:
        least = w.node("Reshape", [w.node("Add", [place, w.ints(1)]), w.ints(1)])
        rows = padded(w, array, rows, least)
    rows = _as_wide(w, array, rows, w.node("Shape", [w.name(value)]))
    return w.node("ScatterND", [rows, place, w.node("Unsqueeze", [w.name(value), w.ints(0)])])


def _as_wide(w: Writer, array: Array, rows: str, element: str) -> str:
    """An array whose elements have the runtime shape `element`; before the first write its open sizes are 1."""
    if is_static(array.element()):
        return rows
    return str(w.node("Expand", [rows, w.node("Concat", [w.ints(1), element], axis=0)]))


@maps("TensorArrayReadV3", "TensorArrayGatherV3")
def read(w: Writer, op: Operation) -> Any:
    _, index, flow = op.inputs
    return w.node("Gather", [w.name(flow), w.name(index)], axis=0)


@maps("TensorArraySizeV3")
def size(w: Writer, op: Operation) -> Any:
    _, flow = op.inputs
    array = w.arrays[flow]
    if array.grows:
        return w.cast(w.node("Squeeze", [_count(w, w.name(flow)), w.ints(0)]), np.int32)
    return w.node("Identity", [w.name(array.op.inputs[0])])
