"""Shapes, slices, joins, gathers and reductions as ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.training.onnx_files.writer import NotMapped, Writer, maps, rank_of

_FAR = 2**31 - 1


@maps("Reshape")
def reshape(w: Writer, op: Operation) -> Any:
    return w.node("Reshape", [w.name(op.inputs[0]), w.int64(op.inputs[1])], allowzero=1 if _may_be_empty(w, op) else 0)


def _may_be_empty(w: Writer, op: Operation) -> bool:
    shape = w.known.get(op.inputs[1])
    return shape is None or -1 not in shape


@maps("Shape")
def shape(w: Writer, op: Operation) -> Any:
    return _as_output(w, op, w.node("Shape", w.names(op)))


@maps("Size")
def size(w: Writer, op: Operation) -> Any:
    return _as_output(w, op, w.node("Size", w.names(op)))


def _as_output(w: Writer, op: Operation, name: str) -> str:
    kind = op.outputs[0].dtype
    return name if kind.name == "int64" else w.cast(name, kind._base.np)


@maps("Squeeze")
def squeeze(w: Writer, op: Operation) -> Any:
    axes = list(op.attrs["squeeze_dims"])
    if not axes:
        axes = [i for i, n in enumerate(op.inputs[0].static_shape or ()) if n == 1]
        if op.inputs[0].static_shape is None or None in op.inputs[0].static_shape:
            raise NotMapped("which dimensions it takes away depends on the feeds")
    return w.node("Squeeze", [*w.names(op), w.ints(*axes)]) if axes else w.node("Identity", w.names(op))


@maps("ExpandDims")
def expand_dims(w: Writer, op: Operation) -> Any:
    axis = w.ints(int(w.static(op.inputs[1], "axis").reshape(())))
    return w.node("Unsqueeze", [w.name(op.inputs[0]), axis])


@maps("ConcatV2", "Concat")
def concat(w: Writer, op: Operation) -> Any:
    *parts, axis = op.inputs if op.type == "ConcatV2" else (*op.inputs[1:], op.inputs[0])
    number = int(w.static(axis, "axis").reshape(()))
    if number in (3, -1) and all(w.is_nchw(t) for t in parts):
        w.put_nchw(op.outputs[0], w.node("Concat", [w.nchw(t) for t in parts], axis=1))
        return None
    return w.node("Concat", [w.name(t) for t in parts], axis=number)


@maps("Pack")
def pack(w: Writer, op: Operation) -> Any:
    axis = int(op.attrs["axis"])
    parts = [w.node("Unsqueeze", [name, w.ints(axis)]) for name in w.names(op)]
    return w.node("Concat", parts, axis=axis)


@maps("Unpack")
def unpack(w: Writer, op: Operation) -> Any:
    axis, count = int(op.attrs["axis"]), len(op.outputs)
    if count == 1:
        return w.node("Squeeze", [*w.names(op), w.ints(axis)])
    parts = w.node("Split", w.names(op), outputs=count, axis=axis, num_outputs=count)
    return [w.node("Squeeze", [part, w.ints(axis)]) for part in parts]


@maps("Split", "SplitV")
def split(w: Writer, op: Operation) -> Any:
    count = len(op.outputs)
    if op.type == "Split":
        axis, x = int(w.static(op.inputs[0], "axis").reshape(())), op.inputs[1]
        inputs, more = [w.name(x)], {"num_outputs": count}
    else:
        x, axis = op.inputs[0], int(w.static(op.inputs[2], "axis").reshape(()))
        sizes = w.static(op.inputs[1], "sizes").astype(np.int64)
        if (sizes < 0).any():
            whole = None if x.static_shape is None else x.static_shape[axis]
            if whole is None:
                raise NotMapped("a size is left open")
            sizes = np.where(sizes < 0, whole - sizes[sizes >= 0].sum(), sizes)
        inputs, more = [w.name(x), w.constant(sizes)], {}
    if count == 1:
        return w.node("Identity", inputs[:1])
    return w.node("Split", inputs, outputs=count, axis=axis, **more)


@maps("Transpose")
def transpose(w: Writer, op: Operation) -> Any:
    perm = [int(i) for i in w.static(op.inputs[1], "permutation")]
    return w.node("Transpose", [w.name(op.inputs[0])], perm=perm)


@maps("ReverseV2", "Reverse")
def reverse(w: Writer, op: Operation) -> Any:
    x, which = op.inputs[0], w.static(op.inputs[1], "axes").reshape(-1)
    axes = [int(i) for i in (np.flatnonzero(which) if op.type == "Reverse" else which)]
    if not axes:
        return w.node("Identity", [w.name(x)])
    starts, ends, steps = ([n] * len(axes) for n in (-1, -_FAR, -1))
    return w.node("Slice", [w.name(x), w.ints(*starts), w.ints(*ends), w.ints(*axes), w.ints(*steps)])


@maps("ReverseSequence")
def reverse_sequence(w: Writer, op: Operation) -> Any:
    x, lengths = op.inputs
    time, batch = int(op.attrs["seq_dim"]), int(op.attrs["batch_dim"])
    if {time, batch} != {0, 1}:
        raise NotMapped(f"seq_dim {time} and batch_dim {batch}")
    return w.node("ReverseSequence", [w.name(x), w.int64(lengths)], time_axis=time, batch_axis=batch)


@maps("Pad", "PadV2", "MirrorPad")
def pad(w: Writer, op: Operation) -> Any:
    x, paddings = op.inputs[:2]
    mode = op.attrs.get("mode", b"CONSTANT").decode()
    if mode == "SYMMETRIC":
        raise NotMapped("mode SYMMETRIC")
    last = [w.name(op.inputs[2])] if op.type == "PadV2" else []
    attrs: dict[str, Any] = {"mode": "reflect" if mode == "REFLECT" else "constant"}
    if paddings not in w.known:
        dynamic = w.node("Reshape", [w.node("Transpose", [w.int64(paddings)], perm=(1, 0)), w.ints(-1)])
        return w.node("Pad", [w.name(x), dynamic, *last], **attrs)
    amounts = w.known[paddings].astype(np.int64)
    if len(amounts) == 4 and w.is_nchw(x):
        inputs = [w.nchw(x), w.constant(amounts[[0, 3, 1, 2]].T.reshape(-1)), *last]
        w.put_nchw(op.outputs[0], w.node("Pad", inputs, **attrs))
        return None
    return w.node("Pad", [w.name(x), w.constant(amounts.T.reshape(-1)), *last], **attrs)


@maps("Gather", "GatherV2")
def gather(w: Writer, op: Operation) -> Any:
    axis = 0 if op.type == "Gather" else int(w.static(op.inputs[2], "axis").reshape(()))
    if op.attrs.get("batch_dims"):
        raise NotMapped(f"batch_dims {op.attrs['batch_dims']}")
    return w.node("Gather", [w.name(t) for t in op.inputs[:2]], axis=axis)


@maps("GatherNd")
def gather_nd(w: Writer, op: Operation) -> Any:
    return w.node("GatherND", [w.name(op.inputs[0]), w.int64(op.inputs[1])])


@maps("Tile")
def tile(w: Writer, op: Operation) -> Any:
    return w.node("Tile", [w.name(op.inputs[0]), w.int64(op.inputs[1])])


@maps("Fill")
def fill(w: Writer, op: Operation) -> Any:
    return w.node("Expand", [w.name(op.inputs[1]), w.int64(op.inputs[0])])


@maps("BroadcastTo")
def broadcast_to(w: Writer, op: Operation) -> Any:
    return w.node("Expand", [w.name(op.inputs[0]), w.int64(op.inputs[1])])


@maps("Range")
def range_(w: Writer, op: Operation) -> Any:
    return w.node("Range", w.names(op))


@maps("Slice")
def slice_(w: Writer, op: Operation) -> Any:
    x, begin, size = op.inputs
    starts, sizes = w.elements(begin, "begin"), w.elements(size, "size")
    ends = [_end(w, start, count) for start, count in zip(starts, sizes)]
    return w.node("Slice", [w.name(x), w.vector(starts), w.vector(ends), w.ints(*range(len(starts)))])


def _end(w: Writer, start: int | str, size: int | str) -> int | str:
    """Where a slice ends; a negative size goes to the end."""
    if isinstance(size, int):
        return _FAR if size < 0 else _sum(w, start, size)
    is_open = w.node("Less", [size, w.ints(0)])
    return str(w.node("Where", [is_open, w.ints(_FAR), w.vector([_sum(w, start, size)])]))


def _sum(w: Writer, a: int | str, b: int | str) -> int | str:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return str(w.node("Add", [w.vector([a]), w.vector([b])]))


@maps("StridedSlice")
def strided_slice(w: Writer, op: Operation) -> Any:
    x = op.inputs[0]
    begin, end = w.elements(op.inputs[1], "begin"), w.elements(op.inputs[2], "end")
    strides = w.static(op.inputs[3], "strides")
    masks = {name: int(op.attrs[f"{name}_mask"]) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    starts: list[int | str] = []
    ends: list[int | str] = []
    steps, axes, gone, added = [], [], [], []
    axis = place = 0  # of the input, and of the input with the new dimensions
    for i in range(len(begin)):

        def has(name: str, i: int = i) -> bool:
            return bool(masks[name] >> i & 1)

        if has("ellipsis"):
            after = sum(not masks["new_axis"] >> j & 1 for j in range(i + 1, len(begin)))
            skipped = rank_of(x) - axis - after
            axis, place = axis + skipped, place + skipped
            continue
        if has("new_axis"):
            added.append(place)
            place += 1
            continue
        step = int(strides[i])
        first, last = begin[i], end[i]
        if has("shrink_axis"):
            gone.append(place)
            last, step = _after(w, first), 1
        else:
            first = (0 if step > 0 else _FAR) if has("begin") else first
            last = (_FAR if step > 0 else -_FAR) if has("end") else last
        if (first, last, step) != (0, _FAR, 1):
            starts.append(first)
            ends.append(last)
            steps.append(step)
            axes.append(axis)
        axis, place = axis + 1, place + 1
    name = w.name(x)
    if axes:
        name = w.node("Slice", [name, w.vector(starts), w.vector(ends), w.ints(*axes), w.ints(*steps)])
    if added:
        name = w.node("Unsqueeze", [name, w.ints(*added)])
    if gone:
        name = w.node("Squeeze", [name, w.ints(*gone)])
    return name if axes or added or gone else w.node("Identity", [name])


def _after(w: Writer, place: int | str) -> int | str:
    """Where a slice of one element ends."""
    if isinstance(place, int):
        return _FAR if place == -1 else place + 1
    is_last = w.node("Equal", [place, w.ints(-1)])
    return str(w.node("Where", [is_last, w.ints(_FAR), w.vector([_sum(w, place, 1)])]))


_REDUCTIONS = {"Mean": "ReduceMean", "Sum": "ReduceSum", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd"}


def _axes(w: Writer, axes: Tensor) -> str:
    """Axes as a vector, as ONNX has them."""
    if axes in w.known:
        return w.constant(w.known[axes].reshape(-1).astype(np.int64))
    return str(w.node("Reshape", [w.int64(axes), w.ints(-1)]))


@maps(*_REDUCTIONS)
def reduction(w: Writer, op: Operation) -> Any:
    x, axes = op.inputs
    keep = int(op.attrs["keep_dims"])
    if axes not in w.known:
        return w.node(_REDUCTIONS[op.type], [w.name(x), _axes(w, axes)], keepdims=keep, noop_with_empty_axes=1)
    which = [int(a) for a in w.known[axes].reshape(-1)]
    if not which:
        return w.node("Identity", [w.name(x)])
    if w.is_nchw(x) and sorted(a % 4 for a in which) == [1, 2]:
        made = w.node(_REDUCTIONS[op.type], [w.nchw(x), w.ints(2, 3)], keepdims=keep)
        if keep:
            w.put_nchw(op.outputs[0], made)
            return None
        return made
    return w.node(_REDUCTIONS[op.type], [w.name(x), w.ints(*which)], keepdims=keep)


@maps("All", "Any")
def logical_reduction(w: Writer, op: Operation) -> Any:
    numbers = w.cast(w.name(op.inputs[0]), np.int32)
    kind = "ReduceMin" if op.type == "All" else "ReduceMax"
    inputs = [numbers, _axes(w, op.inputs[1])]
    return w.cast(w.node(kind, inputs, keepdims=int(op.attrs["keep_dims"]), noop_with_empty_axes=1), np.bool_)


@maps("ArgMax", "ArgMin")
def arg(w: Writer, op: Operation) -> Any:
    axis = int(w.static(op.inputs[1], "axis").reshape(()))
    return _as_output(w, op, w.node(op.type, [w.name(op.inputs[0])], axis=axis, keepdims=0))


@maps("TopK", "TopKV2")
def top_k(w: Writer, op: Operation) -> Any:
    k = w.ints(int(op.attrs["k"])) if op.type == "TopK" else w.node("Reshape", [w.int64(op.inputs[1]), w.ints(1)])
    values, places = w.node("TopK", [w.name(op.inputs[0]), k], outputs=2, axis=-1, sorted=int(op.attrs["sorted"]))
    return [values, w.cast(places, np.int32)]


@maps("OneHot")
def one_hot(w: Writer, op: Operation) -> Any:
    indices, depth, on, off = op.inputs
    # ONNX counts negative indices from the end; TensorFlow gives a row of `off` for them, as it does beyond the end.
    inside = w.int64(indices)
    away = w.node("Less", [inside, w.constant(np.int64(0))])
    inside = w.node("Where", [away, w.constant(np.int64(_FAR)), inside])
    values = w.node("Concat", [w.node("Reshape", [w.name(t), w.ints(1)]) for t in (off, on)], axis=0)
    return w.node("OneHot", [inside, w.int64(depth), values], axis=int(op.attrs["axis"]))


@maps("Cumsum")
def cumsum(w: Writer, op: Operation) -> Any:
    attrs = {name: int(op.attrs[name]) for name in ("exclusive", "reverse")}
    return w.node("CumSum", [w.name(op.inputs[0]), w.int64(op.inputs[1])], **attrs)
