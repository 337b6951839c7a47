"""Calls of functions of the graph's library, and what TF builds to differentiate them.

The ops here have no kernels: a plan puts the bodies of the functions in their place (compiler/calls.py).
"""

from __future__ import annotations

from typing import Any

from evergraph.formats.function_def import call_opdef
from evergraph.framework import dtypes, opdefs
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.filling import zeros_like
from evergraph.ops.opdef import build_op, raw_op


def call(graph: Graph, name: str, arguments: list[Tensor], op_name: str | None = None) -> Operation:
    """Add an op that calls the function `name` of the library of `graph`."""
    opdef = call_opdef(graph, name)
    if opdef is None:
        raise LookupError(f"the graph has no function {name!r}")
    if len(arguments) != len(opdef.inputs):
        raise ValueError(f"Expected number of arguments: {len(opdef.inputs)}, received: {len(arguments)}")
    with graph.as_default():
        made = build_op(opdef, op_name or name, tuple(arguments), {})
    made._gradient_function = gradient_of_call
    return made


def gradient_of_call(op: Operation, *grads: Any) -> list[Any]:
    """The gradient of a call: the SymbolicGradient of its function."""
    filled = [zeros_like(t) if g is None else g for t, g in zip(op.outputs, grads, strict=True)]
    kinds = [t.dtype.base_dtype for t in op.inputs]
    numbers = [dtypes.float32 if kind is dtypes.resource else kind for kind in kinds]
    found = raw_op("SymbolicGradient")([*op.inputs, *filled], numbers, op.type)
    found = found if isinstance(found, list | tuple) else [found]
    return [None if kind is dtypes.resource else g for kind, g in zip(kinds, found, strict=True)]


def _gradient_of_remote_call(op: Operation, *grads: Any) -> list[Any]:
    filled = [zeros_like(t) if g is None else g for t, g in zip(op.outputs, grads, strict=True)]
    kinds = [t.dtype.base_dtype for t in op.inputs[1:]]
    return [None, *raw_op("SymbolicGradient")([*op.inputs[1:], *filled], kinds, op.attrs["f"])]


raw_op("RemoteCall").opdef.gradient = _gradient_of_remote_call


def _like_the_arguments(op: Operation) -> list[Any]:
    return [t.static_shape for t in op.inputs[: len(op.outputs)]]


raw_op("SymbolicGradient").shape_from_op(_like_the_arguments)


def _as_recorded(op: Operation) -> list[Any]:
    """What was known of the results when the functions were built, if that is written down."""
    shapes = op.attrs.get("output_shapes") or ()
    n = len(op.outputs)
    return list(shapes) if len(shapes) == n else [None] * n


for _kind in ("If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile"):
    if opdefs.lookup(_kind) is not None:
        raw_op(_kind).shape_from_op(_as_recorded)
