"""Ops on variables: make them, read them, overwrite them.

TF 1 has two kinds. A *reference variable* (`VariableV2`) is a tensor of a reference type: ops that want a value read
it, ops that want the reference (`Assign`, `ScatterAdd`, ...) overwrite it. A *resource variable* (`VarHandleOp`) is
a handle, a scalar tensor of type `resource`, and every read is an op of its own (`ReadVariableOp`).

The kernels do not see the difference: they get the variable's current array and give the new one. Most ops come in
both kinds and are declared twice here with one kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, merge, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops.gather import check_scatter
from evergraph.ops.opdef import Op, kernel_error, op, raw_op, require
from evergraph.ops.running import Running
from evergraph.ops.scatter import SCATTERS, nd_index, require_rows

# Making variables. What these ops give is a reference or a handle: the executor never calls their kernels.


def _variable(name: str) -> Op:
    @op(name, differentiable=False)
    def variable(xp: Any) -> Any:
        """A variable: a name for values that a session keeps between runs."""
        raise AssertionError("a variable is not computed")

    @variable.shape_from_op
    def variable_shape(made: Operation) -> Any:
        return made.attrs["shape"]

    return variable


variable_op = _variable("VariableV2")
old_variable_op = _variable("Variable")
temporary_variable_op = _variable("TemporaryVariable")


@op("DestroyTemporaryVariable", updates=("ref",), differentiable=False)
def destroy_temporary_variable(xp: Any, ref: Any) -> Any:
    """Forget a temporary variable and give its last value."""
    return None, ref


@destroy_temporary_variable.shape
def destroy_temporary_variable_shape(ref: Shape) -> Shape:
    return ref


@op("VarHandleOp", differentiable=False)
def var_handle_op(xp: Any) -> Any:
    """A handle to a variable."""
    raise AssertionError("a variable is not computed")


@var_handle_op.shape_from_op
def var_handle_shape(made: Operation) -> Shape:
    made.outputs[0]._handle_data = made.attrs["shape"], made.attrs["dtype"]
    return ()


def handle_bytes(declared: Operation) -> np.ndarray:
    """The handle that a VarHandleOp gives: the bytes of a `ResourceHandleProto`, uint8, as a program fetches it."""
    from evergraph.formats import messages

    attrs = declared.attrs
    made = messages.ResourceHandleProto(
        device="/job:localhost/replica:0/task:0/device:CPU:0",
        container=attrs["container"].decode() or "localhost",
        name=attrs["shared_name"].decode() or declared.name,
        maybe_type_name="N10tensorflow3VarE",
    )
    return np.frombuffer(made.SerializeToString(), np.uint8)


_PASS_HANDLES_ON = {"Identity", "Enter", "RefEnter", "Switch", "Merge", "NextIteration", "Exit"}


def handle_shape(handle: Tensor) -> Shape:
    """The static shape of the variable behind a handle, None where it cannot be known."""
    while handle._handle_data is None:
        if handle.op.type not in _PASS_HANDLES_ON or not handle.op.inputs:
            return None
        handle = handle.op.inputs[0]
    return handle._handle_data[0]


def variable_static_shape(variable: Tensor) -> Shape:
    """The static shape of the variable that a reference or a handle names."""
    return variable.static_shape if variable.dtype._is_ref_dtype else handle_shape(variable)


def same_shape(a: Shape, b: Shape) -> Shape:
    """What two descriptions of one shape say together.

    Raises:
        ShapeError: when they contradict each other; it says in which dimension.
    """
    try:
        return merge(a, b)
    except ShapeError:
        if a is None or b is None or len(a) != len(b):
            raise
    i = next(i for i, (m, n) in enumerate(zip(a, b)) if None not in (m, n) and m != n)
    raise ShapeError(
        f"Dimension {i} in both shapes must be equal, but are {a[i]} and {b[i]}. Shapes are {bracket_text(a)} and "
        f"{bracket_text(b)}."
    )


# Reading


@op("ReadVariableOp")
def read_variable_op(xp: Any, resource: Any, *, dtype: Any) -> Any:
    """The variable's value."""
    return resource


@read_variable_op.shape_from_op
def read_variable_shape(made: Operation) -> Shape:
    handle = made.inputs[0]
    data = handle._handle_data
    if data is not None and data[1] is not made.attrs["dtype"]:
        raise ShapeError(
            f"Trying to read variable with wrong dtype. Expected {data[1].name} got {made.attrs['dtype'].name}"
        )
    return handle_shape(handle)


@read_variable_op.gradient
def read_variable_grad(made: Operation, grad: Tensor) -> Tensor:
    return grad


@op("VariableShape", differentiable=False)
def variable_shape_op(xp: Any, input: Any, *, out_type: Any) -> Any:
    """The runtime shape of a variable, as a vector."""
    return np.array(input.shape, out_type.np)


@variable_shape_op.shape_from_op
def variable_shape_shape(made: Operation) -> Shape:
    found = handle_shape(made.inputs[0])
    return (None if found is None else len(found),)


@op("IsVariableInitialized", host=True, blind=("ref",), differentiable=False)
def is_variable_initialized_op(xp: Any, ref: Any) -> Any:
    """Whether the variable has a value."""
    return np.bool_(ref is not None)


@is_variable_initialized_op.shape
def is_variable_initialized_shape(ref: Shape) -> Shape:
    return ()


@op("VarIsInitializedOp", host=True, blind=("resource",), differentiable=False)
def var_is_initialized_op(xp: Any, resource: Any) -> Any:
    """Whether the variable behind a handle has a value."""
    return np.bool_(resource is not None)


@var_is_initialized_op.shape
def var_is_initialized_shape(resource: Shape) -> Shape:
    return ()


@op("DestroyResourceOp", host=True, session=True, blind=("resource",), differentiable=False)
def destroy_resource_op(xp: Any, resource: Any, *, run: Running, ignore_lookup_error: bool) -> None:
    """Take a variable's value away, or forget a table, an iterator or the like: the op of its handle makes a new one.

    Raises:
        NotFoundError: if there is nothing to take away, unless `ignore_lookup_error`.
    """
    handle = run.op.inputs[0]
    found = run.forget_variable(handle)
    if found is None:
        found = run.resources.remove(resource)
        if found and hasattr(resource, "release"):
            resource.release()
    if not found and not ignore_lookup_error:
        raise kernel_error(f"Resource {handle.op.name} does not exist.", errors.NotFoundError)


# Overwriting whole variables


@op("Assign", updates=("ref",), blind=("ref",), differentiable=False)
def assign_op(xp: Any, ref: Any, value: Any, *, validate_shape: bool) -> Any:
    """Make `value` the variable's value."""
    if validate_shape and ref is not None and ref.shape != value.shape:
        raise kernel_error(
            "Assign requires shapes of both tensors to match. "
            f"lhs shape= {bracket_text(ref.shape)} rhs shape= {bracket_text(value.shape)}"
        )
    return value


@assign_op.shape
def assign_shape(ref: Shape, value: Shape, *, validate_shape: bool) -> Shape:
    return same_shape(ref, value) if validate_shape else value


@op("AssignVariableOp", updates=("resource",), blind=("resource",), differentiable=False)
def assign_variable_op(xp: Any, resource: Any, value: Any) -> Any:
    """Make `value` the value of the variable behind a handle."""
    return value


def _added(xp: Any, ref: Any, value: Any) -> Any:
    """Add `value` to the variable."""
    _require_equal_shapes(ref, value)
    return ref + value


def _subtracted(xp: Any, ref: Any, value: Any) -> Any:
    """Subtract `value` from the variable."""
    _require_equal_shapes(ref, value)
    return ref - value


def _require_equal_shapes(ref: Any, value: Any) -> None:
    if ref.shape != value.shape:
        raise kernel_error(
            f"Cannot update variable with shape {bracket_text(ref.shape)} using a Tensor with shape "
            f"{bracket_text(value.shape)}, shapes must be equal."
        )


def _merged_with_variable(made: Operation) -> Shape:
    handle, value = made.inputs[:2]
    data = handle._handle_data
    if handle.dtype is dtypes.resource and data is not None and data[1].base_dtype is not value.dtype.base_dtype:
        raise ShapeError(
            f"Trying to assign variable with wrong dtype. Expected {data[1].base_dtype.name} got {value.dtype.name}"
        )
    return same_shape(variable_static_shape(made.inputs[0]), made.inputs[1].static_shape)


assign_variable_op.shape_from_op(_merged_with_variable)
assign_add_op = op("AssignAdd", updates=("ref",), differentiable=False)(_added)
assign_sub_op = op("AssignSub", updates=("ref",), differentiable=False)(_subtracted)
assign_add_variable_op = op("AssignAddVariableOp", updates=("resource",), differentiable=False)(_added)
assign_sub_variable_op = op("AssignSubVariableOp", updates=("resource",), differentiable=False)(_subtracted)
for _declared in (assign_add_op, assign_sub_op, assign_add_variable_op, assign_sub_variable_op):
    _declared.shape_from_op(_merged_with_variable)


def _counted(xp: Any, ref: Any, *, limit: int) -> Any:
    """Add one to the variable and give what it was, until it has reached `limit`."""
    require(xp, ref < limit, lambda: kernel_error(f"Reached limit of {limit}", errors.OutOfRangeError))
    return ref + ref.dtype.type(1), ref


count_up_to_op = op("CountUpTo", updates=("ref",), differentiable=False)(_counted)
resource_count_up_to_op = op("ResourceCountUpTo", updates=("resource",), differentiable=False)(_counted)
for _declared in (count_up_to_op, resource_count_up_to_op):
    _declared.shape_from_op(lambda made: with_rank(variable_static_shape(made.inputs[0]), 0))


# Overwriting parts of variables


def _row_scatter(name: str, scatter: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(xp: Any, ref: Any, indices: Any, updates: Any) -> Any:
        if np.ndim(updates) and updates.shape != indices.shape + ref.shape[1:]:
            raise kernel_error(
                "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got updates.shape "
                f"{bracket_text(updates.shape)}, indices.shape {bracket_text(indices.shape)}, params.shape "
                f"{bracket_text(ref.shape)}"
            )
        require_rows(xp, indices, ref.shape[0])
        return scatter(xp, ref, indices, updates)

    kernel.__name__ = f"scatter_{name.lower()}"
    kernel.__doc__ = f"{_ROW_DOCS[name]} One row of `updates` for each index, or a scalar for all."
    return kernel


_ROW_DOCS = {
    "Update": "Overwrite rows of a variable.",
    "Add": "Add to rows of a variable.",
    "Sub": "Subtract from rows of a variable.",
    "Mul": "Multiply rows of a variable.",
    "Div": "Divide rows of a variable.",
    "Min": "Lower rows of a variable to `updates` where those are less.",
    "Max": "Raise rows of a variable to `updates` where those are greater.",
}


def _row_scatter_shape(made: Operation) -> Shape:
    ref, (_, indices, updates) = variable_static_shape(made.inputs[0]), (t.static_shape for t in made.inputs)
    with_rank_at_least(ref, 1)
    if ref is not None and indices is not None and updates != ():
        same_shape(updates, indices + ref[1:])
    return ref


def _nd_scatter(name: str, scatter: Callable[..., Any]) -> Callable[..., Any]:
    def kernel(xp: Any, ref: Any, indices: Any, updates: Any) -> Any:
        if not ref.shape:
            raise kernel_error("Output must be at least 1-D, got shape: []")
        index = nd_index(xp, indices, ref.shape)
        if updates.shape != indices.shape[:-1] + ref.shape[indices.shape[-1] :]:
            raise kernel_error(
                "Must have updates.shape = indices.shape[:batch_dim] + params_shape[slice_dim:], got updates.shape: "
                f"{bracket_text(updates.shape)}, indices.shape: {bracket_text(indices.shape)}, params_shape: "
                f"{bracket_text(ref.shape)}"
            )
        return scatter(xp, ref, index, updates)

    kernel.__name__ = f"scatter_nd_{name.lower()}"
    kernel.__doc__ = f"{_ROW_DOCS[name].replace('rows', 'elements or slices')} The last axis of `indices` is one index."
    return kernel


def _nd_scatter_shape(made: Operation) -> Shape:
    ref, (_, indices, updates) = variable_static_shape(made.inputs[0]), (t.static_shape for t in made.inputs)
    check_scatter(indices, updates, ref, "input")
    return ref


def _declare_scatters(prefix: str, argument: str) -> None:
    for name, scatter in SCATTERS.items():
        declared = op(f"{prefix}Scatter{name}", updates=(argument,), differentiable=False)
        declared(_row_scatter(name, scatter)).shape_from_op(_row_scatter_shape)
        if name in ("Update", "Add", "Sub"):
            declared = op(f"{prefix}ScatterNd{name}", updates=("ref",), differentiable=False)
            declared(_nd_scatter(name, scatter)).shape_from_op(_nd_scatter_shape)


_declare_scatters("", "ref")
_declare_scatters("Resource", "resource")


# The functions


@public("assign")
def assign(
    ref: Any, value: Any, validate_shape: bool | None = None, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """Make `value` the value of the variable `ref`.

    Args:
        ref: a variable.
        value: a tensor of its type.
        validate_shape: insist that `value` has the variable's shape (the default).
        use_locking: kept for TF's signature; an update is never seen half done.
        name: the op's name.

    Returns:
        What the variable is once the assignment is done: run it, or use it in place of the variable.

    >>> v = tf.Variable([1, 2])
    >>> sess.run(v.initializer)
    >>> sess.run(tf.assign(v, [3, 4]))
    array([3, 4], dtype=int32)
    """
    if ref.dtype._is_ref_dtype:
        return assign_op(ref, value, use_locking=use_locking, name=name, validate_shape=validate_shape)
    return ref.assign(value, name=name)


@public("assign_add")
def assign_add(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Add `value`, a tensor of the same type and shape, to the variable `ref`; gives the result."""
    if ref.dtype._is_ref_dtype:
        return assign_add_op(ref, value, use_locking=use_locking, name=name)
    return ref.assign_add(value)


@public("assign_sub")
def assign_sub(ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None) -> Any:
    """Subtract `value`, a tensor of the same type and shape, from the variable `ref`; gives the result."""
    if ref.dtype._is_ref_dtype:
        return assign_sub_op(ref, value, use_locking=use_locking, name=name)
    return ref.assign_sub(value)


@public("count_up_to")
def count_up_to(ref: Any, limit: int, name: str | None = None) -> Tensor:
    """Add one to the integer scalar variable `ref` and give what it was.

    Raises:
        OutOfRangeError: at run time, once the variable has reached `limit`.
    """
    if ref.dtype._is_ref_dtype:
        return count_up_to_op(ref, limit=limit, name=name)
    return resource_count_up_to_op(ref.handle, limit, T=ref.dtype, name=name)


def is_variable_initialized(ref: Any, name: str | None = None) -> Tensor:
    """Whether the variable `ref` has a value in the session that asks."""
    if ref.dtype._is_ref_dtype:
        return is_variable_initialized_op(ref=ref, name=name)
    return ref.is_initialized(name=name)


def _scatter(op_name: str, ref: Any, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Any:
    if ref.dtype._is_ref_dtype:
        return raw_op(op_name)(ref, indices, updates, use_locking=use_locking, name=name)
    updates = convert_to_tensor(updates, ref.dtype)
    return ref._read_after(raw_op("Resource" + op_name)(ref.handle, indices, updates, name=name))


def scatter_function(op_name: str, default_locking: bool, first_line: str, what: str) -> Callable[..., Any]:
    def scatter(
        ref: Any, indices: Any, updates: Any, use_locking: bool = default_locking, name: str | None = None
    ) -> Any:
        return _scatter(op_name, ref, indices, updates, use_locking, name)

    scatter.__name__ = scatter.__qualname__ = "scatter_" + op_name[7:].lower().replace("nd", "nd_", 1)
    scatter.__doc__ = f"{first_line}\n\n{what}"
    return public(scatter.__name__)(scatter)


_ROWS = """Args:
    ref: a variable, shape `p`.
    indices: int32 or int64, any shape `i`; each in `[0, p[0])`. A row named twice is updated twice.
    updates: the variable's type, shape `i + p[1:]` or a scalar.
    use_locking: kept for TF's signature; an update is never seen half done.
    name: the op's name.

Returns:
    The variable's value after the update.

Raises:
    InvalidArgumentError: at run time, for an index out of range.
"""
_PLACES = """Args:
    ref: a variable, shape `p`.
    indices: int32 or int64, shape `i + [k]`, `k <= len(p)`: each row along the last axis names an element or slice.
    updates: the variable's type, shape `i + p[k:]`.
    use_locking: kept for TF's signature; an update is never seen half done.
    name: the op's name.

Returns:
    The variable's value after the update.

Raises:
    InvalidArgumentError: at run time, for an index out of range.
"""
scatter_update = scatter_function("ScatterUpdate", True, "Overwrite rows of a variable.", _ROWS)
scatter_add = scatter_function("ScatterAdd", False, "Add to rows of a variable.", _ROWS)
scatter_sub = scatter_function("ScatterSub", False, "Subtract from rows of a variable.", _ROWS)
scatter_mul = scatter_function("ScatterMul", False, "Multiply rows of a variable.", _ROWS)
scatter_div = scatter_function("ScatterDiv", False, "Divide rows of a variable.", _ROWS)
scatter_min = scatter_function("ScatterMin", False, "Lower rows of a variable to at most `updates`.", _ROWS)
scatter_max = scatter_function("ScatterMax", False, "Raise rows of a variable to at least `updates`.", _ROWS)
scatter_nd_update = scatter_function("ScatterNdUpdate", True, "Overwrite elements or slices of a variable.", _PLACES)
scatter_nd_add = scatter_function("ScatterNdAdd", False, "Add to elements or slices of a variable.", _PLACES)
scatter_nd_sub = scatter_function("ScatterNdSub", False, "Subtract from elements or slices of a variable.", _PLACES)
