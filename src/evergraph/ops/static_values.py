"""What is known of a tensor's value while the graph is being built.

Shape rules ask for it: the static shape of `tf.reshape(x, [n, 4])` follows from the Pack op that makes `[n, 4]`.
TF 1.15 answers in three ways, and a graph built here has the static shapes (hence the ops) of TF only if the answers
are the same:

- as a whole (`folded`): the value, if it follows from constants and fully known shapes through any stateless ops;
- as a shape (`partial_value`): for vectors made by Shape, Pack, ConcatV2 and StridedSlice, also the entries that are
  known among some that are not;
- in Python (`get_static_value`): through a short list of ops only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import opdefs
from evergraph.framework.api import public
from evergraph.framework.errors import OpError
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError, is_static, size_of
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import PARTIAL_VALUES, constant_value, grouped_inputs, partial_rule, partial_value

LARGEST_SUBGRAPH = 2_000  # ops looked at in search of one value
LARGEST_VALUE = 1_000_000  # elements of an intermediate value

# Never a constant, whatever goes in.
_OPAQUE = frozenset(
    ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "Merge", "Enter", "Exit", "ReadFile", "MatchingFiles")
)


def folded(made: Operation, index: int = 0, depth: int = 0) -> Any:
    """Output `index` of `made` if it follows from constants and shapes; else a vector of unknowns, or None."""
    value = _folded(made, index)
    if value is not None:
        return value.tolist() if value.ndim <= 1 and value.dtype.kind in "iu" else value
    return unknown_vector(made.outputs[index])


def unknown_vector(t: Tensor) -> list[None] | None:
    """What is known of an integer vector by its length alone."""
    shape = t.static_shape
    if shape is not None and len(shape) == 1 and shape[0] is not None and t.dtype._base._kind in "iu":
        return [None] * shape[0]
    return None


def _folded(made: Operation, index: int) -> np.ndarray | None:
    ordered = _constant_subgraph(made)
    if ordered is None:
        return None
    values: dict[Operation, tuple[np.ndarray, ...]] = {}
    try:
        for op in ordered:
            values[op] = _shape_outputs(op) or run(op, [values[t.op][t.value_index] for t in op.inputs])
    except (OpError, ValueError, TypeError, ArithmeticError, IndexError):
        return None  # what fails here fails again, with the right error, when the graph runs
    return values[made][index]


def _constant_subgraph(made: Operation) -> list[Operation] | None:
    """The ops that `made` is computed by, in order, if no input from outside is among them."""
    found: dict[Operation, None] = {}
    waiting = [made]
    while waiting:
        op = waiting.pop()
        if op in found:
            continue
        if op.type == "Const" or _shape_outputs(op) is not None:
            found[op] = None
            continue
        if not _is_foldable(op) or len(found) >= LARGEST_SUBGRAPH:
            return None
        found[op] = None
        waiting.extend(t.op for t in op.inputs)
    ordered, placed = [], set()
    stack = [made]
    while stack:  # by their inputs, not by age: a Switch in front of an op is younger than the op
        op = stack[-1]
        missing = [] if op.type == "Const" or _shape_outputs(op) else [t.op for t in op.inputs if t.op not in placed]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if op not in placed:
            placed.add(op)
            ordered.append(op)
    return ordered


def _is_foldable(op: Operation) -> bool:
    opdef = op.opdef
    if not op.inputs or opdef.is_stateful or opdef.kernel is None or op.type in _OPAQUE:
        return False
    if opdef.updates or opdef.random_blocks is not None:
        return False
    sizes = [size_of(t.static_shape) for t in op.outputs]
    return not any(size is not None and size > LARGEST_VALUE for size in sizes)


def _shape_outputs(op: Operation) -> tuple[np.ndarray, ...] | None:
    """The outputs of Const, and of Shape, Size and Rank where the static shape says enough."""
    match op.type:
        case "Const":
            return (op.attrs["value"],)
        case "Shape" | "ShapeN":
            if all(is_static(t.static_shape) for t in op.inputs):
                kind = op.outputs[0].dtype._base.np
                return tuple(np.array(t.static_shape, kind) for t in op.inputs)
        case "Size":
            size = size_of(op.inputs[0].static_shape)
            if size is not None:
                return (np.array(size, op.outputs[0].dtype._base.np),)
        case "Rank":
            shape = op.inputs[0].static_shape
            if shape is not None:
                return (np.array(len(shape), np.int32),)
    return None


def run(op: Operation, inputs: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Run the NumPy kernel of `op`."""
    opdef = op.opdef
    arguments: list[Any] = inputs
    if not opdef.plain:
        arguments, position = [], 0
        for arg, group in zip(opdef.inputs, grouped_inputs(op), strict=True):
            part = inputs[position : position + len(group)]
            arguments.append(tuple(part) if arg.is_list else part[0])
            position += len(group)
    kernel = opdef.numpy_kernel or opdef.kernel
    assert kernel is not None
    with np.errstate(all="ignore"):
        made = kernel(np, *arguments, **{name: op.attrs[name] for name in opdef.kernel_attrs})
    outputs = made if isinstance(made, tuple | list) else (made,)
    return tuple(
        np.asarray(value, object if type(value) is bytes else None)
        if t.dtype._base._kind in "SRVq"
        else np.asarray(value).astype(t.dtype._base.np, copy=False)
        for value, t in zip(outputs, op.outputs, strict=True)
    )


# Vectors whose entries may be known one by one


@partial_rule("Shape", "ShapeN")
def shape_entries(made: Operation, index: int, depth: int) -> Any:
    sizes = made.inputs[index].static_shape
    return None if sizes is None else list(sizes)


@partial_rule("Pack")
def pack_entries(made: Operation, index: int, depth: int) -> Any:
    t = made.outputs[0]
    if t.dtype._base._kind not in "iu" or t.static_shape is not None and len(t.static_shape) != 1:
        return folded(made, index)
    entries = [partial_value(x, depth) for x in made.inputs]
    return [e if isinstance(e, int) else None for e in entries]


@partial_rule("ConcatV2", "Concat")
def concat_entries(made: Operation, index: int, depth: int) -> Any:
    t = made.outputs[0]
    parts = made.inputs[:-1] if made.type == "ConcatV2" else made.inputs[1:]
    if t.dtype._base._kind not in "iu" or any(x.static_shape is not None and len(x.static_shape) != 1 for x in parts):
        return folded(made, index)
    entries: list[int | None] = []
    for x in parts:
        part = partial_value(x, depth)
        if not isinstance(part, list):
            return unknown_vector(t)
        entries.extend(part)
    return entries


@partial_rule("StridedSlice")
def strided_slice_entries(made: Operation, index: int, depth: int) -> Any:
    t, attrs = made.outputs[0], made.attrs
    if (
        t.dtype._base._kind not in "iu"
        or attrs["begin_mask"] not in (0, 1)
        or attrs["end_mask"] not in (0, 1)
        or attrs["ellipsis_mask"]
        or attrs["new_axis_mask"]
        or attrs["shrink_axis_mask"]
    ):
        return folded(made, index)
    bounds = []
    for bound, is_masked in zip(made.inputs[1:], (attrs["begin_mask"], attrs["end_mask"], 0), strict=True):
        value = None if is_masked else constant_value(bound, depth)
        if not is_masked and (value is None or value.size != 1):
            return unknown_vector(t)
        bounds.append(None if value is None else int(value.reshape(-1)[0]))
    whole = partial_value(made.inputs[0], depth)
    if not isinstance(whole, list):
        return folded(made, index)
    return whole[slice(*bounds)]


@partial_rule("Enter")
def entered_entries(made: Operation, index: int, depth: int) -> Any:
    """What a loop takes from outside is known in the outermost loop: as a whole, and where no other op is between."""
    source = made.inputs[0]
    return folded(source.op, source.value_index) if made.attrs["is_constant"] else unknown_vector(source)


@partial_rule("Placeholder")
def captured_entries(made: Operation, index: int, depth: int) -> Any:
    """In the body of a function, what it takes from outside is known as it is there."""
    outside = made.graph._known_outside(made.outputs[0])
    return unknown_vector(made.outputs[0]) if outside is None else partial_value(outside, depth)


for _name in opdefs.names():
    PARTIAL_VALUES.setdefault(_name, folded)


def whole(value: Any) -> list[Any] | None:
    """A static operand as a flat list, as it reaches a shape rule; None unless all of it is known."""
    if value is None:
        return None
    if isinstance(value, list):
        return None if None in value else value
    return np.ravel(value).tolist()


def whole_int(value: Any) -> int | None:
    """A static scalar operand as an int."""
    found = whole(value)
    return None if found is None or len(found) != 1 else int(found[0])


def as_shape(value: Any) -> Shape:
    """A static operand that holds a shape; -1 in it is a size not known, and the scalar -1 an unknown shape."""
    if value is None or isinstance(value, int):
        return None
    if isinstance(value, np.ndarray):
        if value.ndim > 1:
            raise ShapeError(f"Shape must be rank 1 but is rank {value.ndim}")
        value = value.tolist() if value.ndim else None
    return None if value is None else tuple(None if d is None or d == -1 else int(d) for d in value)


def known_value(t: Tensor) -> np.ndarray | None:
    """The whole value of `t`, if it is known while the graph is built."""
    return constant_value(t)


# TF's Python-level answer


@public("get_static_value")
def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """The value of `tensor` if a look at the few ops before it tells, else None.

    Args:
        tensor: a tensor; anything else is given back.
        partial: allow an object array with None for the entries of a Pack that are not known.
    """
    if not isinstance(tensor, Tensor):
        return None if hasattr(tensor, "_as_graph_element") else tensor
    made = tensor.op
    kind = tensor.dtype._base.np
    match made.type:
        case "Const":
            return made.attrs["value"]
        case "Shape" | "Size" | "Rank":
            outputs = _shape_outputs(made)
            return None if outputs is None else outputs[0]
        case "Range":
            bounds = [get_static_value(t) for t in made.inputs]
            return None if any(b is None for b in bounds) else np.arange(*bounds, dtype=kind)
        case "Cast":
            value = get_static_value(made.inputs[0])
            return None if value is None else value.astype(kind)
        case "Concat" | "ConcatV2":
            values = [get_static_value(t) for t in made.inputs]
            if any(v is None for v in values):
                return None
            axis = values.pop(0 if made.type == "Concat" else -1)
            return np.concatenate(values, axis=int(axis))
        case "Pack":
            if made.attrs["axis"] != 0 or not made.inputs:
                return None
            values = [get_static_value(t, partial) for t in made.inputs]
            if not any(v is None for v in values):
                return np.array(values)
            if not partial:
                return None
            entries = np.empty(len(values), object)
            entries[:] = values
            return entries
        case "Fill":
            value = get_static_value(made.inputs[1])
            return None if value is None or not is_static(tensor.static_shape) else np.full(tensor.static_shape, value)
        case "Equal" | "NotEqual":
            x, y = (get_static_value(t) for t in made.inputs)
            return None if x is None or y is None else (np.equal if made.type == "Equal" else np.not_equal)(x, y)
    return None


__all__ = ["as_shape", "folded", "get_static_value", "run", "whole", "whole_int"]
