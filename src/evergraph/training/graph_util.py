"""`tf.graph_util`: parts of a GraphDef, and one without variables or training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evergraph.formats import large_constants
from evergraph.formats.inlining import without_calls_on_resources
from evergraph.formats.tensors import array_to_proto
from evergraph.framework import log
from evergraph.framework.api import public
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import TensorShape

_STRING, _INT32 = 7, 3
_UPDATES = frozenset(
    "Assign AssignAdd AssignSub Queue ScatterAdd ScatterSub ScatterUpdate TruncatedNormal Variable VariableV2".split()
)
_PASSES_ON = frozenset("Switch Enter Exit Identity Merge NextIteration".split())


def _source(text: str) -> str:
    """The op that an input names: `^x`, `x:1` and `x` all name `x`."""
    return text[1:] if text.startswith("^") else text.partition(":")[0]


@public("graph_util.must_run_on_cpu")
def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Whether an op, or a `NodeDef`, can run on a CPU only: strings, and small integers that say shapes.

    Args:
        node: the op.
        pin_variables_on_cpu: whether variables and their updates count too.
    """
    node_def = node.node_def if isinstance(node, Operation) else node
    if pin_variables_on_cpu and node_def.op in _UPDATES:
        return True
    if node_def.op == "Const":
        return node_def.attr["dtype"].type in (_STRING, _INT32)
    if node_def.op in ("DynamicStitch", "ParallelDynamicStitch"):
        return node_def.attr["T"].type == _INT32
    return node_def.op == "Cast" and node_def.attr["SrcT"].type == _INT32


@public("graph_util.extract_sub_graph")
def extract_sub_graph(graph_def: Any, dest_nodes: Any) -> Any:
    """The part of a `GraphDef` that the ops `dest_nodes` need.

    Args:
        graph_def: the message.
        dest_nodes: a list of names of ops.

    Raises:
        TypeError: if `graph_def` is no `GraphDef`, or `dest_nodes` a single name.
        AssertionError: if an op is not in the graph.

    >>> x = tf.placeholder(tf.float32, name="x")
    >>> y, z = tf.exp(x, name="y"), tf.log(x, name="z")
    >>> part = tf.graph_util.extract_sub_graph(tf.get_default_graph().as_graph_def(), ["y"])
    >>> [node.name for node in part.node]
    ['x', 'y']
    """
    if getattr(getattr(graph_def, "DESCRIPTOR", None), "full_name", "") != "tensorflow.GraphDef":
        raise TypeError("graph_def must be a graph_pb2.GraphDef proto.")
    if isinstance(dest_nodes, str):
        raise TypeError("dest_nodes must be a list.")
    nodes = {node.name: node for node in graph_def.node}
    for name in dest_nodes:
        if name not in nodes:
            raise AssertionError(f"{name} is not in graph")
    kept: set[str] = set()
    waiting = list(dest_nodes)
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept.add(name)
        node = nodes.get(name)
        if node is None:
            raise KeyError(name)
        waiting.extend(_source(text) for text in node.input)
        if "_class" in node.attr:
            groups = [group.decode() for group in node.attr["_class"].list.s]
            waiting.extend(group[5:] for group in groups if group.startswith("loc:@"))
    made = type(graph_def)()
    made.node.extend(node for node in graph_def.node if node.name in kept)
    made.library.CopyFrom(graph_def.library)
    made.versions.CopyFrom(graph_def.versions)
    return made


@public("graph_util.tensor_shape_from_node_def_name")
def tensor_shape_from_node_def_name(graph: Graph, input_name: str) -> TensorShape:
    """The static shape of a tensor of `graph`, by its name; of an op's first output without `:0`."""
    return graph.get_tensor_by_name(input_name if ":" in input_name else input_name + ":0").get_shape()


# Variables to constants


@public("graph_util.convert_variables_to_constants")
def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: list[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> Any:
    """The part of a graph that its outputs need, with the values of variables in place of the variables.

    Args:
        sess: the session that has the values.
        input_graph_def: the `GraphDef`.
        output_node_names: the names of the ops wanted.
        variable_names_whitelist: the only variables to replace; all by default.
        variable_names_blacklist: variables to leave.

    Returns:
        A `GraphDef`.

    Raises:
        ValueError: for a read of something that is no variable, or another use of a variable than to read it.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> y = tf.multiply(v, 2.0, name="y")
    >>> sess.run(tf.global_variables_initializer())
    >>> frozen = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, ["y"])
    >>> [(node.name, node.op) for node in frozen.node]
    [('v', 'Const'), ('v/read', 'Identity'), ('y/y', 'Const'), ('y', 'Mul')]
    """
    needed = extract_sub_graph(input_graph_def, output_node_names)
    graph_def = extract_sub_graph(without_calls_on_resources(needed), output_node_names)
    nodes = {node.name: node for node in graph_def.node}
    fetches: dict[str, str] = {}
    handle_types: dict[str, Any] = {}  # ops that pass a variable's handle on, with the type that they pass on then
    for node in graph_def.node:
        if node.op in ("Variable", "VariableV2", "VarHandleOp"):
            wanted = variable_names_whitelist is None or node.name in variable_names_whitelist
            if wanted and not (variable_names_blacklist is not None and node.name in variable_names_blacklist):
                fetches[node.name] = node.name + ("/Read/ReadVariableOp:0" if node.op == "VarHandleOp" else ":0")
        elif node.op in ("ReadVariableOp", "ResourceGather"):
            _trace_handle(node, nodes, handle_types)
    _refuse_other_uses(graph_def, {name for name in fetches if nodes[name].op == "VarHandleOp"}, handle_types)
    values = dict(zip(fetches, sess.run(list(fetches.values())) if fetches else []))
    log.info("Froze %d variables.", len(values))
    made = type(graph_def)()
    are_apart = large_constants.are_too_large(iter(values.values()))
    for node in graph_def.node:
        if node.name in values:
            made.node.append(_constant(node, node.name, node.attr["dtype"], values[node.name], are_apart))
        elif node.name in handle_types:
            copied = made.node.add()
            copied.CopyFrom(node)
            copied.attr.pop("_output_shapes", None)
            copied.attr["T"].CopyFrom(handle_types[node.name])
        elif node.op == "ReadVariableOp":
            read = made.node.add(name=node.name, op="Identity", input=[node.input[0]])
            read.attr["T"].CopyFrom(node.attr["dtype"])
            _copy_class(node, read)
        elif node.op == "ResourceGather":
            _gather(made, node)
        else:
            made.node.add().CopyFrom(node)
    made.library.CopyFrom(graph_def.library)
    log.info("Converted %d variables to const ops.", len(values))
    return made


def _refuse_other_uses(graph_def: Any, handles: set[str], handle_types: dict[str, Any]) -> None:
    """
    Raises:
        ValueError: if an op that is no read of a variable takes its handle.
    """
    for node in graph_def.node:
        if node.op not in ("ReadVariableOp", "ResourceGather") and node.name not in handle_types:
            for text in node.input:
                source = text.partition(":")[0]
                if source in handles or source in handle_types:
                    raise ValueError(
                        f"the variable {'' if source in handles else 'behind '}{source!r} cannot become a constant: "
                        f"{node.name!r}, a {node.op}, takes the variable itself"
                    )


def _trace_handle(node: Any, nodes: dict[str, Any], handle_types: dict[str, Any]) -> None:
    """Note the ops between a variable's handle and a read of it."""
    kind = node.attr["dtype"]
    waiting = [node.input[0].partition(":")[0]]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source = nodes[name]
        if source.op in _PASSES_ON:
            handle_types.setdefault(name, kind)
            waiting.append(source.input[0].partition(":")[0])
            if source.op == "Merge":
                waiting.append(source.input[1].partition(":")[0])
        elif source.op != "VarHandleOp":
            raise ValueError("Cannot find the variable that is an input to the ReadVariableOp.")


def _constant(like: Any, name: str, dtype: Any, value: Any, is_apart: bool = False) -> Any:
    made = type(like)(name=name, op="Const")
    made.attr["dtype"].CopyFrom(dtype)
    if is_apart:
        large_constants.put(made, np.asarray(value), dtype.type, owned=True)
        return made
    made.attr["value"].tensor.CopyFrom(array_to_proto(np.asarray(value), dtype.type))
    return made


def _copy_class(source: Any, target: Any) -> None:
    if "_class" in source.attr:
        target.attr["_class"].CopyFrom(source.attr["_class"])


def _gather(made: Any, node: Any) -> None:
    """A gather from a variable as one from its value."""
    if node.attr["batch_dims"].i != 0:
        raise ValueError("batch_dims != 0 is not supported by freeze_graph.")
    indices = node.attr["Tindices"]
    axis = made.node.add()
    axis.CopyFrom(
        _constant(node, node.name + "/axis", indices, np.zeros((), np.int32 if indices.type == _INT32 else np.int64))
    )
    gather = made.node.add(name=node.name, op="GatherV2", input=[node.input[0], node.input[1], axis.name])
    gather.attr["Tparams"].CopyFrom(node.attr["dtype"])
    gather.attr["Tindices"].CopyFrom(indices)
    gather.attr["Taxis"].CopyFrom(indices)
    _copy_class(node, gather)


# What only training needs


@public("graph_util.remove_training_nodes")
def remove_training_nodes(input_graph: Any, protected_nodes: Any = None) -> Any:
    """A graph without its `CheckNumerics` and `Identity` ops, where nothing but data depends on them.

    Args:
        input_graph: the `GraphDef`.
        protected_nodes: names of ops to keep.

    Returns:
        A `GraphDef`.
    """
    protected = set(protected_nodes or ())
    removed = {node.name for node in input_graph.node if node.op == "CheckNumerics" and node.name not in protected}
    checked = []
    for node in input_graph.node:
        if node.name in removed:
            continue
        copied = type(node)()
        copied.CopyFrom(node)
        copied.input[:] = [text for text in node.input if text.removeprefix("^") not in removed]
        checked.append(copied)
    controls = {text[1:] for node in checked for text in node.input if text.startswith("^")}
    waiting = {node.name for node in checked for text in node.input if text.startswith("^")}
    spliced = {
        node.name: node.input[0]
        for node in checked
        if node.op == "Identity" and node.name not in protected | controls | waiting
    }
    made = type(input_graph)()
    for node in checked:
        if node.name in spliced:
            continue
        inputs = []
        for text in node.input:
            for _ in range(len(spliced) + 1):
                if text.removeprefix("^") not in spliced:
                    break
                text = spliced[text.removeprefix("^")]
            inputs.append(text)
        node.input[:] = inputs
        made.node.append(node)
    return made
