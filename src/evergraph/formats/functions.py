"""The functions of a graph's library: `FunctionDef` messages to bodies that can be run.

In a FunctionDef a node's inputs are written `argument` or `node:output:position`, where `output` is the name that the
OpDef gives the output; in a GraphDef it is `node:position` among all outputs. That is all that differs.
"""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.formats.function_def import call_opdef
from evergraph.formats.graph_import import import_nodes
from evergraph.framework import dtypes, errors, opdefs, shapes
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph


def name_of(function: Any) -> str:
    """The name in an attribute of type `func`: a message, a string, or something with a name."""
    return (
        function if isinstance(function, str) else function.decode() if isinstance(function, bytes) else function.name
    )


def body_of(graph: Graph, function: Any) -> FunctionGraph:
    """The body of a function in the library of `graph`.

    Raises:
        LookupError: if the library has none of that name.
    """
    name = name_of(function)
    found = graph._functions.get(name)
    if found is None:
        near = ", ".join(sorted(graph._functions)[:5])
        raise LookupError(f"the graph has no function {name!r}" + (f"; it has {near}" if near else ""))
    if isinstance(found, FunctionGraph):
        return found
    bodies = graph._attachments.setdefault("bodies", {})
    body = bodies.get(name)
    if body is None:
        body = bodies[name] = from_function_def(found, graph)
    return body


def from_function_def(proto: Any, outer: Graph) -> FunctionGraph:
    """The body that `proto`, a FunctionDef, describes."""
    signature = proto.signature
    body = FunctionGraph(signature.name, outer)
    place: dict[str, str] = {}
    for position, arg in enumerate(signature.input_arg):
        shape = None
        if position in proto.arg_attr and "_output_shapes" in proto.arg_attr[position].attr:
            known = proto.arg_attr[position].attr["_output_shapes"].list.shape
            shape = shapes.static_shape(known[0]) if known else None
        made = body.argument(dtypes.as_dtype(int(arg.type)), shape, arg.name)
        place[arg.name] = made.name
    graph_def = messages.GraphDef()
    graph_def.versions.producer = outer._producer
    starts = {node.name: _output_starts(node, outer) for node in proto.node_def}

    def flat(text: str) -> str:
        if text.startswith("^"):
            return "^" + place.get(text[1:], text[1:]).partition(":")[0]
        name, _, rest = text.partition(":")
        if not rest:
            return place.get(name, name)
        output, _, position = rest.partition(":")
        return f"{name}:{starts[name][output] + int(position or 0)}"

    for node in proto.node_def:
        copied = graph_def.node.add()
        copied.CopyFrom(node)
        del copied.input[:]
        copied.input.extend(flat(text) for text in node.input)
    mapped = {t.name: t for t in body.arguments}
    made_ops = import_nodes(body, graph_def, mapped)
    results = []
    for arg in signature.output_arg:
        source = flat(proto.ret[arg.name])
        name, _, index = source.partition(":")
        results.append(mapped[source] if source in mapped else made_ops[name].outputs[int(index or 0)])
    body.control_results = [made_ops[name] for name in proto.control_ret.values() if name in made_ops]
    body.finish(results)
    return body


def _output_starts(node: Any, outer: Graph) -> dict[str, int]:
    """Where each named output of a node begins among all its outputs."""
    opdef = opdefs.usable(node.op) or call_opdef(outer, node.op)
    if opdef is None:
        raise errors.NotFoundError(
            None, None, f"Op type not registered: {node.op!r}, of node {node.name!r} of a function"
        )
    starts, at = {}, 0
    for arg in opdef.outputs:
        starts[arg.name] = at
        if arg.number_attr:
            at += int(node.attr[arg.number_attr].i)
        elif arg.type_list_attr:
            at += len(node.attr[arg.type_list_attr].list.type)
        else:
            at += 1
    return starts
