"""Graph files for the commands: read, with inputs and outputs; and run in a session, with their variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from evergraph.cli import kinds
from evergraph.cli.printing import BadInput
from evergraph.formats import files, large_constants, messages
from evergraph.formats.text import from_text
from evergraph.framework import dtypes

_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
# What nobody reads and nobody means by an output.
_NO_OUTPUTS = frozenset(
    "NoOp Const Assert Placeholder SaveV2 RestoreV2 VariableV2 Variable VarHandleOp MergeV2Checkpoints".split()
)


def is_text(path: str) -> bool:
    return path.endswith((".pbtxt", ".txt", ".prototxt"))


def _read(path: str, kind: Any, what: str) -> Any:
    data = files.read_file(path)
    try:
        if is_text(path):
            return large_constants.from_file(path, from_text(data.decode(), kind))
        return large_constants.from_file(path, kind.FromString(data))
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        reason = " ".join(str(error).split())
        raise BadInput(f"{path} holds no {what}: {reason or type(error).__name__}") from None


def read_graph(path: str) -> Any:
    """The `GraphDef` of a file, binary or text."""
    found = _read(path, messages.GraphDef, "GraphDef")
    if not found.node or not all(node.op for node in found.node):
        raise BadInput(
            f"{path} holds no GraphDef: there are no nodes in it"
            if not found.node
            else f"{path} holds no GraphDef: a node has no op"
        )
    return found


def read_meta_graph(path: str) -> Any:
    """The `MetaGraphDef` of a file, binary or text."""
    found = _read(path, messages.MetaGraphDef, "MetaGraphDef")
    if not found.graph_def.node:
        raise BadInput(f"{path} holds no MetaGraphDef: there is no graph in it")
    return found


def inputs_of(graph_def: Any) -> list[dict[str, Any]]:
    """The placeholders of a graph."""
    return [
        {"name": node.name, "dtype": _type(node), "shape": _shape(node)}
        for node in graph_def.node
        if node.op in _PLACEHOLDERS and not re.match(r"save(_\d+)?/", node.name)
    ]


def outputs_of(graph_def: Any) -> list[dict[str, Any]]:
    """The ops whose values nothing in the graph uses; reads of variables and what savers made are not among them."""
    used = {i.lstrip("^").partition(":")[0] for node in graph_def.node for i in node.input}
    variables = {node.name for node in graph_def.node if node.op in ("VariableV2", "Variable", "VarHandleOp")}
    return [
        {"name": node.name, "op": node.op}
        for node in graph_def.node
        if node.name not in used
        and node.op not in _NO_OUTPUTS
        and not node.op.startswith(("Assign", "Apply", "ResourceApply"))
        and not (node.op in ("Identity", "ReadVariableOp") and node.input and node.input[0] in variables)
        and not re.match(r"save(_\d+)?/", node.name)
    ]


def _type(node: Any) -> str:
    try:
        return dtypes.as_dtype(node.attr["dtype"].type).name
    except TypeError:
        return "unknown"


def _shape(node: Any) -> list[int | None] | None:
    if "shape" not in node.attr or node.attr["shape"].shape.unknown_rank:
        return None
    return [None if d.size < 0 else d.size for d in node.attr["shape"].shape.dim]


class Model(NamedTuple):
    """A graph in a session, and which of its tensors go in and come out, by name."""

    session: Any
    graph_def: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@contextmanager
def opened(
    found: kinds.Found, inputs: list[str], outputs: list[str], signature: str, tags: list[str], meta: str | None = None
) -> Iterator[Model]:
    """A graph file, a SavedModel, or a checkpoint with its meta graph, ready to run."""
    from evergraph.formats.graph_import import import_graph_def
    from evergraph.framework.graph import Graph
    from evergraph.runtime.session import Session

    graph = Graph()
    named_inputs, named_outputs = {n: n for n in inputs}, {n: n for n in outputs}
    with graph.as_default(), Session(graph=graph) as session:
        if found.kind == kinds.SAVED_MODEL:
            from evergraph.training.saved_model.loader import load

            message = load(session, tags, os.path.dirname(found.path) if os.path.isfile(found.path) else found.path)
            graph_def = message.graph_def
            if not (inputs and outputs):
                chosen = _signature(message, signature, found.path)
                named_inputs = named_inputs or {k: v.name for k, v in sorted(chosen.inputs.items())}
                named_outputs = named_outputs or {k: v.name for k, v in sorted(chosen.outputs.items())}
        elif found.kind == kinds.CHECKPOINT:
            from evergraph.training.meta_graph_import import import_meta_graph

            path = meta or found.path + ".meta"
            if not os.path.exists(path):
                raise BadInput(f"{found.path}: the graph of this checkpoint is needed, and there is no {path}")
            message = read_meta_graph(path)
            saver = import_meta_graph(message, clear_devices=True)
            if saver is None:
                raise BadInput(f"{path} does not say how to restore the variables of its graph")
            saver.restore(session, found.path)
            graph_def = message.graph_def
        elif found.kind == kinds.GRAPH:
            graph_def = read_graph(found.path)
            import_graph_def(graph_def, name="")
        else:
            raise BadInput(f"{found.path} is no graph: it is {found.kind}")
        if not named_inputs and not inputs:
            # A switch such as `is_training` keeps its default.
            switches = {n.name for n in graph_def.node if n.op == "PlaceholderWithDefault" and _type(n) == "bool"}
            wanted = [i["name"] for i in inputs_of(graph_def) if i["name"] not in switches]
            named_inputs = {n: n for n in wanted}
        if not named_outputs:
            named_outputs = {o["name"]: o["name"] for o in outputs_of(graph_def)}
        yield Model(
            session,
            graph_def,
            {k: _tensor(graph, v) for k, v in named_inputs.items()},
            {k: _tensor(graph, v) for k, v in named_outputs.items()},
        )


def _signature(message: Any, name: str, path: str) -> Any:
    if name not in message.signature_def:
        known = ", ".join(sorted(message.signature_def)) or "none"
        raise BadInput(f"{path} has no signature {name!r}; there are: {known}")
    return message.signature_def[name]


def _tensor(graph: Any, name: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else name + ":0")
    except (KeyError, ValueError) as error:
        raise BadInput(str(error.args[0])) from None
