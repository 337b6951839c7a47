"""A function's body as TF's `FunctionDef`."""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.framework import codec, dtypes
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor


def to_function_def(body: FunctionGraph) -> Any:
    """The FunctionDef that describes `body`."""
    proto = messages.FunctionDef()
    signature = proto.signature
    signature.name = body.function_name
    signature.is_stateful = any(op.opdef.is_stateful for op in body._ops)
    argument_name: dict[Operation, str] = {}
    for t in body.arguments:
        name = t.op.name.replace("/", "_").lower()
        argument_name[t.op] = name
        signature.input_arg.add(name=name, type=int(t.dtype.base_dtype))

    def written(t: Tensor) -> str:
        if t.op in argument_name:
            return argument_name[t.op]
        return "{}:{}:{}".format(t.op.name, *_named_output(t))

    for op in body._ops:
        if op in argument_name:
            continue
        node = proto.node_def.add()
        node.CopyFrom(codec.codec().node_def(op))
        del node.input[:]
        node.input.extend(written(t) for t in op.inputs)
        node.input.extend("^" + argument_name.get(c, c.name) for c in op._control_inputs)
    for i, t in enumerate(body.results):
        name = (
            f"output_{i}"
            if t.op in argument_name
            else t.op.name.replace("/", "_").lower() + (f"_{t.value_index}" if t.value_index else "")
        )
        taken = {arg.name for arg in signature.output_arg} | set(argument_name.values())
        while name in taken:
            name += "_"
        signature.output_arg.add(name=name, type=int(t.dtype.base_dtype))
        proto.ret[name] = written(t)
    for position, t in enumerate(body.arguments):
        _write_shape(proto.arg_attr[position].attr["_output_shapes"].list.shape.add(), t.static_shape)
    return proto


def _named_output(t: Tensor) -> tuple[str, int]:
    at = 0
    op = t.op
    for arg in op.opdef.outputs:
        if arg.number_attr:
            n = op.attrs[arg.number_attr]
        elif arg.type_list_attr:
            n = len(op.attrs[arg.type_list_attr])
        else:
            n = 1
        if t.value_index < at + n:
            return arg.name, t.value_index - at
        at += n
    raise AssertionError(f"{t} is no output of its op")


def _write_shape(proto: Any, shape: Shape) -> None:
    if shape is None:
        proto.unknown_rank = True
    for size in shape or ():
        proto.dim.add(size=-1 if size is None else size)


def call_opdef(graph: Any, name: str) -> OpDef | None:
    """The OpDef of the op that calls the function `name` of a graph's library; TF names its type after the function."""
    opdefs_of_calls = graph._attachments.setdefault("calls", {})
    found = opdefs_of_calls.get(name)
    if found is None and name in graph._functions:
        function = graph._functions[name]
        signature = (to_function_def(function) if isinstance(function, FunctionGraph) else function).signature
        parts = [
            ", ".join(f"{arg.name}: {dtypes.as_dtype(int(arg.type)).name}" for arg in args)
            for args in (signature.input_arg, signature.output_arg)
        ]
        found = OpDef(f"{name}({parts[0]}) -> ({parts[1]})" + (" | ! is_stateful" if signature.is_stateful else ""))
        opdefs_of_calls[name] = found
    return found
