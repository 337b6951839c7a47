"""The ops that decide what runs: `Switch` and `Merge` for branches, and those that make a loop of a graph.

    cond:    data ──► Switch ──► branch 0 ──┐                 while:  Enter ──► Merge ──► Switch ──► Exit
                pred ──┘  └────► branch 1 ──┴──► Merge                          ▲  │        │ ▲
                                                                                │  └► pred ─┼─┘ LoopCond
                                                                  NextIteration └── body ◄──┘

A value that is not computed in a run is *dead*: of a `Switch`'s two outputs one always is, every op with a dead input
gives dead outputs, and `Merge` gives on whichever input is alive. The kernels here show one execution of an op; `DEAD`
stands for a dead value. Frames and iterations (the same op running again and again) are a matter of whoever runs them:
to the kernels `Enter`, `Exit` and `NextIteration` are identities.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import converted
from evergraph.framework.nest import assert_same_structure, flatten, is_composite, map_structure, pack_sequence_as
from evergraph.framework.scopes import colocate_with, name_scope
from evergraph.framework.shapes import with_rank
from evergraph.framework.sparse import IndexedSlices, dense_or_slices
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.sequences import range_


class Dead:
    """The type of `DEAD`, the value that a branch not taken gives."""

    __slots__ = ()

    shape = ("dead",)  # no value has this shape: a stage that gets a dead value is not one that gets a live one

    def __repr__(self) -> str:
        return "DEAD"

    def __bool__(self) -> bool:
        raise TypeError("a dead value has no truth: its op did not run")


DEAD = Dead()

# Branches


@op("Switch")
def switch_op(xp: Any, data: Any, pred: Any) -> Any:
    """Give `data` on as the first output if `pred` is false, else as the second; the other one is dead."""
    return (DEAD, data) if pred else (data, DEAD)


@op("RefSwitch")
def ref_switch_op(xp: Any, data: Any, pred: Any) -> Any:
    """`Switch` of a reference to a variable."""
    return (DEAD, data) if pred else (data, DEAD)


def _switch_shape(made: Any) -> Any:
    data, pred = made.inputs
    with_rank(pred.static_shape, 0)
    for out in made.outputs:
        out._handle_data = data._handle_data
    return data.static_shape, data.static_shape


switch_op.shape_from_op(_switch_shape)
ref_switch_op.shape_from_op(_switch_shape)


@op("Merge")
def merge_op(xp: Any, inputs: Any) -> Any:
    """The input that is not dead, and its position."""
    for position, value in enumerate(inputs):
        if value is not DEAD:
            return value, xp.int32(position)
    return DEAD, DEAD


@op("RefMerge")
def ref_merge_op(xp: Any, inputs: Any) -> Any:
    """`Merge` of references to variables."""
    return merge_op.opdef.kernel(xp, inputs)  # type: ignore[misc]  # declared with a kernel


@merge_op.shape
def merge_shape(inputs: Any) -> Any:
    first, *others = inputs
    if first is None or any(other is None or len(other) != len(first) for other in others):
        return None, ()
    return tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*inputs, strict=True)), ()


ref_merge_op.shape(merge_op)


# Loops


def _passing(name: str, doc: str) -> Any:
    def kernel(xp: Any, data: Any) -> Any:
        return data

    kernel.__doc__ = doc
    kernel.__name__ = name
    return op(name)(kernel)


enter_op = _passing("Enter", "Bring `data` into the frame of a loop: once, or, if `is_constant`, in each iteration.")
ref_enter_op = _passing("RefEnter", "`Enter` of a reference to a variable.")
exit_op = _passing("Exit", "Bring the last value of a loop variable out of its loop.")
ref_exit_op = _passing("RefExit", "`Exit` of a reference to a variable.")
next_iteration_op = _passing("NextIteration", "Bring `data` to the next iteration of its loop.")
ref_next_iteration_op = _passing("RefNextIteration", "`NextIteration` of a reference to a variable.")


@enter_op.shape_from_op
def enter_shape(made: Any) -> Any:
    data = made.inputs[0]
    made.outputs[0]._handle_data = data._handle_data
    return data.static_shape if made.attrs["is_constant"] else None


def _unchanged(made: Any) -> Any:
    made.outputs[0]._handle_data = made.inputs[0]._handle_data
    return made.inputs[0].static_shape


for passing in (ref_enter_op, exit_op, ref_exit_op, next_iteration_op, ref_next_iteration_op):
    passing.shape_from_op(_unchanged)


@op("LoopCond", differentiable=False)
def loop_cond(xp: Any, input: Any) -> Any:
    """Whether a loop goes on: its input, which all `Switch` ops of the loop look at."""
    return input


@loop_cond.shape
def loop_cond_shape(input: Any) -> Any:
    return with_rank(input, 0)


@op("ControlTrigger", differentiable=False)
def control_trigger(xp: Any) -> Any:
    """Do nothing, after all control inputs, dead ones included."""
    return ()


@op("Abort", differentiable=False)
def abort(xp: Any, *, error_msg: bytes, exit_without_error: bool) -> Any:
    """Fail the run."""
    if exit_without_error:
        return ()
    raise kernel_error(f"Aborted: {error_msg.decode()}")


@op("RefIdentity")
def ref_identity(xp: Any, input: Any) -> Any:
    """The same reference again."""
    return input


ref_identity.shape_from_op(_unchanged)


@ref_identity.gradient
def ref_identity_grad(made: Any, grad: Tensor) -> Tensor:
    return grad


# The same on tensors, references and values made of several tensors

_REF_ENTER, _REF_SWITCH = raw_op("RefEnter"), raw_op("RefSwitch")


def as_value(data: Any, name: str | None = None, dtype: Any = None) -> Any:
    """`data` as a tensor (a variable as its reference), `IndexedSlices` or `SparseTensor`."""
    value = dense_or_slices(data, dtype, name, as_ref=True)
    if isinstance(value, Tensor) or is_composite(value):
        return value
    raise TypeError(f"Type {type(data)} not supported")


def _mapped(function: Any, ref_function: Any, data: Any, name: str | None) -> Any:
    value = as_value(data)
    if is_composite(value):
        return map_structure(lambda part: _mapped(function, ref_function, part, None), value, expand_composites=True)
    return (ref_function if value.dtype._is_ref_dtype else function)(value, name=name)


def identity(data: Any, name: str | None = None) -> Any:
    """The same value again, references staying references."""
    same = _mapped(raw_op("Identity"), raw_op("RefIdentity"), data, name)
    if isinstance(data, Tensor):
        same._handle_data = data._handle_data
    return same


def next_iteration(data: Any, name: str | None = None) -> Any:
    return _mapped(next_iteration_op, ref_next_iteration_op, data, name)


def exit(data: Any, name: str | None = None) -> Any:
    """The last value of a loop variable, outside of the loop."""
    return _mapped(exit_op, ref_exit_op, data, name)


def enter(
    data: Any,
    frame_name: str,
    is_constant: bool = False,
    parallel_iterations: int = 10,
    keeps_shape: bool = True,
    name: str | None = None,
) -> Any:
    """`data` inside the loop `frame_name`; with `keeps_shape` its static shape is the one outside."""
    value = as_value(data)
    if is_composite(value):
        return map_structure(
            lambda part: enter(part, frame_name, is_constant, parallel_iterations, keeps_shape),
            value,
            expand_composites=True,
        )
    made = _REF_ENTER if value.dtype._is_ref_dtype else enter_op
    inside = made(value, frame_name, is_constant, parallel_iterations, name=name)
    if keeps_shape:
        inside.set_shape(value.static_shape)
    return inside


def switch(data: Any, pred: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`(data if pred is false, data if pred is true)`: the one that is not so is dead."""
    with name_scope(name, "Switch", [data, pred]) as scope:
        value = as_value(data, "data", dtype)
        pred = converted(pred, name="pred")
        if isinstance(value, Tensor):
            return switch_op(value, pred, name=scope)
        pairs = [switch_op(part, pred) for part in flatten(value, expand_composites=True)]
        return tuple(pack_sequence_as(value, [pair[side] for pair in pairs], expand_composites=True) for side in (0, 1))


def switch_beside(data: Any, pred: Any, name: str = "Switch") -> Any:
    """`switch` of a tensor or reference, placed where `data` is whatever the colocation around."""
    value = dense_or_slices(data, name="data")
    with colocate_with(value, ignore_existing=True):
        if isinstance(value, Tensor) and value.dtype._is_ref_dtype:
            return _REF_SWITCH(value, pred, name=name)
        return switch(value, pred, name=name)


def merge(inputs: Any, name: str | None = None) -> Any:
    """`(value, position)` of the one input that is not dead.

    Tensors among `IndexedSlices` become `IndexedSlices` too.

    Raises:
        ValueError: if an input is None, or the inputs differ in their parts.
    """
    if any(part is None for part in inputs):
        raise ValueError(f"At least one of the merge inputs is None: {inputs}")
    with name_scope(name, "Merge", inputs) as scope:
        values = [as_value(part) for part in inputs]
        if all(isinstance(v, Tensor) for v in values):
            if all(v.dtype._is_ref_dtype for v in values):
                return ref_merge_op(values, name=scope)
            return merge_op(values, name=scope)
        if all(isinstance(v, IndexedSlices | Tensor) for v in values):
            values = as_slices(values)
        for other in values[1:]:
            assert_same_structure(values[0], other, expand_composites=True)
        flat = [flatten(v, expand_composites=True) for v in values]
        merged = [merge_op(list(parts)) for parts in zip(*flat, strict=True)]
        return pack_sequence_as(values[0], [m[0] for m in merged], expand_composites=True), merged[0][1]


def as_slices(values: list[Any]) -> list[IndexedSlices]:
    """Every value as `IndexedSlices`, with indices of one type."""
    slices = [one_as_slices(v) for v in values]
    wide = [s for s in slices if s.indices.dtype is dtypes.int64]
    if not wide or len(wide) == len(slices):
        return slices
    cast = raw_op("Cast")
    return [
        s if s.indices.dtype is dtypes.int64 else IndexedSlices(s.values, cast(s.indices, dtypes.int64), s.dense_shape)
        for s in slices
    ]


def one_as_slices(value: Any) -> IndexedSlices:
    """All rows of a tensor as `IndexedSlices`."""
    if isinstance(value, IndexedSlices):
        return value
    sizes = raw_op("Shape")(value)
    return IndexedSlices(value, range_(0, sizes[0]), sizes)
