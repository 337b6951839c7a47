"""Zeros for what received no gradient: a source that nothing depends on, or one output of an op whose others did."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.control_flow import switch
from evergraph.ops.control_flow_context import SWITCHES
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape_internal

_zeros_like = raw_op("ZerosLike")


def zeros_of_source(x: Any) -> Tensor:
    """What an unconnected source gets: a constant where its shape is known."""
    if x.dtype is not dtypes.resource:
        return zeros_like(x, dtype=x.dtype.base_dtype)
    sizes, dtype = _referred(x)
    if shapes.is_static(sizes):
        return zeros(constant(sizes, dtypes.int32), dtype)
    return zeros(raw_op("VariableShape")(x), dtype)


def zeros_of_output(op: Operation, index: int) -> Tensor:
    """What an output that received nothing gets, for the rule of its op."""
    t = op.outputs[index]
    if op.type in SWITCHES and op._control_flow_context is not None:
        return _zeros_of_other_branch(op, t)
    if t.dtype is not dtypes.resource:
        return _zeros_like(t, name="zeros_like")
    return zeros(raw_op("VariableShape")(t), _referred(t)[1])


def _zeros_of_other_branch(op: Operation, t: Tensor) -> Tensor:
    """Zeros for the branch of a `cond` that does not use a value: made only if that branch is taken."""
    branch = op._control_flow_context
    if branch.is_while:
        raise ValueError(
            f"Cannot compute gradient inside while loop through {op.name!r}. We do not support taking the gradient wrt "
            "or through the initial value of a loop variable. Gradients can be computed through loop invariants or wrt "
            "the input parameters to the loop body."
        )
    value = switch(op.inputs[0], branch.pred)[1 - branch.branch]
    # Control inputs wait for a whole op, not for one of its outputs: hence an op on this branch.
    pivot = raw_op("Identity")(value)
    if t.dtype is dtypes.resource:
        with control_dependencies([pivot]):
            return zeros(raw_op("VariableShape")(value), _referred(t)[1])
    if t.dtype is dtypes.variant:  # a list of tensors: TF 1.15 raises a TypeError
        with control_dependencies([pivot]):
            return _zeros_like(value, name="zeros_like")
    sizes = shape_internal(value, optimize=False)
    with control_dependencies([pivot]):
        return zeros(sizes, dtype=t.dtype)


def _referred(handle: Tensor) -> tuple[shapes.Shape, DType]:
    """Shape and type of the variable behind a handle."""
    return handle._handle_data or (None, dtypes.float32)
