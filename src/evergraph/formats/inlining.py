"""Calls of functions in a `GraphDef`, replaced by what the functions do.

    call = StatefulPartitionedCall(x, v; f)          call/MatMul = MatMul(x, call/Read)   ...
                                                     call = Identity(call/MatMul)

SavedModels of TensorFlow 2 are one call of one function, which takes the handles of all variables. A frozen graph has
no handles, so these calls are taken apart before. The call's own name stays that of its results.
"""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes, opdefs
from evergraph.framework.graph import Graph

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_ONLY_READ = frozenset(("ReadVariableOp", "ResourceGather", "VarHandleOp", "Placeholder"))
_RESOURCE = int(dtypes.resource)


def without_calls_on_resources(graph_def: Any) -> Any:
    """`graph_def` with the calls that take a resource replaced; itself if there are none."""
    if not any(_takes_a_resource(node) for node in graph_def.node):
        return graph_def
    functions = Graph()
    for function in graph_def.library.function:
        functions._functions[function.signature.name] = function
    made = messages.GraphDef(versions=graph_def.versions, library=graph_def.library)
    waiting = list(reversed(graph_def.node))
    while waiting:
        node = waiting.pop()
        if _takes_a_resource(node):
            waiting.extend(reversed(_taken_apart(node, functions)))
        else:
            made.node.append(node)
    return made


def _takes_a_resource(node: Any) -> bool:
    return node.op in _CALLS and _RESOURCE in node.attr["Tin"].list.type


def _taken_apart(call: Any, functions: Graph) -> list[Any]:
    """The nodes that do what a call does."""
    body = body_of(functions, call.attr["f"].func)
    given = [text for text in call.input if not text.startswith("^")]
    controls = [text for text in call.input if text.startswith("^")]
    sources = {t.op.name: text for t, text in zip(body.arguments, given, strict=True)}

    def outside(text: str) -> str:
        """What an input of a node in the body is called outside of it."""
        name, colon, index = text.removeprefix("^").partition(":")
        if text.startswith("^"):
            return "^" + (sources[name].partition(":")[0] if name in sources else f"{call.name}/{name}")
        return sources.get(name, f"{call.name}/{name}{colon}{index}")

    made = []
    acting = []
    for node in body.as_graph_def().node:
        if node.name in sources:
            continue
        copied = messages.NodeDef(op=node.op, name=f"{call.name}/{node.name}", device=node.device or call.device)
        copied.input.extend([outside(text) for text in node.input] or controls)
        for key, value in node.attr.items():
            if key != "_class":
                copied.attr[key].CopyFrom(value)
        made.append(copied)
        opdef = opdefs.lookup(node.op)
        if (opdef is None or opdef.is_stateful) and node.op not in _ONLY_READ:
            acting.append("^" + copied.name)
    results = [outside(t.name) for t in body.results]
    closing = messages.NodeDef(name=call.name, device=call.device, input=[*results, *(acting or controls)])
    kinds = list(call.attr["Tout"].list.type)
    closing.op = "NoOp" if not kinds else "Identity" if len(kinds) == 1 else "IdentityN"
    if len(kinds) == 1:
        closing.attr["T"].type = kinds[0]
    elif kinds:
        closing.attr["T"].list.type.extend(kinds)
    return [*made, closing]
