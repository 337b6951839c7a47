"""A function's body as TF's `FunctionDef`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    proto = function_def_of(
        body.function_name, body._ops, body.arguments, body.results, body.result_names, body.control_results
    )
    proto.signature.description = body.description
    for key, value in body.function_attributes.items():
        _write_attribute(proto.attr[key], value)
    return proto


def function_def_of(
    function_name: str,
    ops: Sequence[Operation],
    arguments: Sequence[Tensor],
    results: Sequence[Tensor],
    result_names: Sequence[str] | None = None,
    control_results: Sequence[Operation] = (),
) -> Any:
    """The FunctionDef of some ops of a graph, from tensors that the caller gives to tensors that it gets."""
    proto = messages.FunctionDef()
    signature = proto.signature
    signature.name = function_name
    signature.is_stateful = any(op.opdef.is_stateful for op in ops)
    argument_name: dict[Operation | Tensor, str] = {}
    nodes = {op.name for op in ops} - {t.op.name for t in arguments}
    for t in arguments:
        name = t.op.name.replace("/", "_").lower() + (f"_{t.value_index}" if t.value_index else "")
        while name in nodes:
            name += "_"
        nodes.add(name)
        argument_name[t] = argument_name[t.op] = name
        signature.input_arg.add(name=name, type=int(t.dtype.base_dtype))

    def written(t: Tensor) -> str:
        if t in argument_name:
            return argument_name[t]
        return "{}:{}:{}".format(t.op.name, *_named_output(t))

    for op in ops:
        if op in argument_name:
            continue
        node = proto.node_def.add()
        node.CopyFrom(codec.codec().node_def(op))
        del node.input[:]
        node.input.extend(written(t) for t in op.inputs)
        node.input.extend("^" + argument_name.get(c, c.name) for c in op._control_inputs)
    for i, t in enumerate(results):
        name = (
            result_names[i]
            if result_names
            else f"output_{i}"
            if t in argument_name
            else t.op.name.replace("/", "_").lower() + (f"_{t.value_index}" if t.value_index else "")
        )
        taken = {arg.name for arg in signature.output_arg} | set(argument_name.values())
        while name in taken:
            name += "_"
        signature.output_arg.add(name=name, type=int(t.dtype.base_dtype))
        proto.ret[name] = written(t)
    for op in control_results:
        signature.control_output.append(op.name)
        proto.control_ret[op.name] = op.name
    for position, t in enumerate(arguments):
        _write_shape(proto.arg_attr[position].attr["_output_shapes"].list.shape.add(), t.static_shape)
    return proto


def references(node: Any) -> Iterator[Any]:
    """The messages in the attributes of a `NodeDef` that name functions."""
    for attr in node.attr.values():
        if attr.HasField("func"):
            yield attr.func
        yield from attr.list.func


def _write_attribute(proto: Any, value: bool | int | float | str | bytes) -> None:
    if isinstance(value, bool):
        proto.b = value
    elif isinstance(value, int):
        proto.i = value
    elif isinstance(value, float):
        proto.f = value
    else:
        proto.s = value.encode() if isinstance(value, str) else value


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
