"""`evergraph.to_onnx`: an inference graph as an ONNX model."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

import numpy as np

from evergraph.compiler.regions import Unstructured, structured
from evergraph.formats import files
from evergraph.formats.graph_import import import_graph_def
from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.convert import as_text
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.runtime.export.pure_function import named_feeds, session_and_graph
from evergraph.runtime.fetches import Fetches
from evergraph.runtime.session import Session
from evergraph.training.onnx_files import arrangement, arrays, elementwise, networks
from evergraph.training.onnx_files.arrays import arrays_of
from evergraph.training.onnx_files.branches import without_known_branches
from evergraph.training.onnx_files.loop_shapes import infer_around_loops
from evergraph.training.onnx_files.loops import STRUCTURAL, Nested, is_written
from evergraph.training.onnx_files.writer import Writer
from evergraph.training.stablehlo_files import frozen

OPSET = 18
IR_VERSION = 8  # what readers of that opset know
TABLES = (elementwise, networks, arrangement, arrays)
LARGEST = (2 << 30) - (1 << 20)  # a message of more cannot be written
_PLACEHOLDERS = ("Placeholder", "PlaceholderV2")
_NEVER_FIXED = (*_PLACEHOLDERS, "PlaceholderWithDefault", "RefSwitch", "RefMerge", *STRUCTURAL)


@public("to_onnx")
def to_onnx(fetches: Any, feeds: Any = (), path: Any = None, session: Any = None) -> Any:
    """Make an ONNX model of an inference graph. Variables become constants in it.

    Args:
        fetches: the outputs: tensors or names, or a dict of output names to tensors.
        feeds: the inputs: tensors or names, or a dict of input names to tensors. Other placeholders have their
            defaults.
        path: the file to write, or None.
        session: the session that holds the variables; by default, the default session.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        ImportError: without the package `onnx`, which the extra `evergraph[onnx]` brings.
        UnimplementedError: if ops have no counterpart in ONNX; it names them all, and nothing is written.
        ValueError: if a placeholder that is needed is not among the feeds.

    >>> x = tf.placeholder(tf.float32, [None, 2], name="x")
    >>> y = tf.nn.relu(x, name="y")
    >>> model = tf.to_onnx([y], [x])
    >>> [node.op_type for node in model.graph.node]
    ['Relu', 'Identity']
    """
    onnx = _package()
    session, graph = session_and_graph(session)
    outputs = _named_outputs(graph, fetches)
    names, fed = named_feeds(graph, feeds)
    own = Graph()
    with own.as_default():
        graph_def = frozen(graph, session, list(outputs.values()), fed)
        graph_def, pivots = without_known_branches(graph_def, {t.op.name for t in fed})
        import_graph_def(graph_def, name="")
        _take_shapes(own, graph)
        infer_around_loops(own.get_operations())
    inputs = {name: own.get_tensor_by_name(t.name) for name, t in zip(names, fed, strict=True)}
    results = {name: own.get_tensor_by_name(t.name) for name, t in outputs.items()}
    model = _model(onnx, own, inputs, results, pivots)
    if path is not None:
        files.write_file(as_text(os.fspath(path)), model.SerializeToString())
    return model


def _take_shapes(graph: Graph, original: Graph) -> None:
    """Let tensors have the static shapes of the graph that they come from: an import does not see around loops."""
    sources = {op.name: op for op in original.get_operations()}
    for op in graph.get_operations():
        source = sources.get(op.name)
        if source is not None and len(source.outputs) == len(op.outputs):
            for t, t0 in zip(op.outputs, source.outputs):
                if t.dtype._base is t0.dtype._base:  # else it was a variable, and is its value
                    t.set_shape(t0.shape)


def _package() -> Any:
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise ImportError('ONNX models need the package onnx: pip install "evergraph[onnx]"') from None
    return onnx


def _named_outputs(graph: Graph, fetches: Any) -> dict[str, Tensor]:
    if isinstance(fetches, dict):
        named = {str(name): Fetches(graph, t).tensors for name, t in fetches.items()}
        if any(len(found) != 1 for found in named.values()):
            raise ValueError("an output of a model is one tensor")
        return {name: found[0] for name, found in named.items()}
    tensors = Fetches(graph, fetches).tensors
    if not tensors:
        raise ValueError("a model needs outputs: tensors, not ops")
    return {t.op.name if t.value_index == 0 else t.name: t for t in tensors}


def _model(
    onnx: Any, graph: Graph, inputs: dict[str, Tensor], outputs: dict[str, Tensor], pivots: dict[str, list[str]]
) -> Any:
    fed = set(inputs.values())
    waited_for = {
        graph.get_operation_by_name(name): [graph.get_operation_by_name(c) for c in waits]
        for name, waits in pivots.items()
    }
    ops = _needed(list(outputs.values()), fed, waited_for)
    fixed = _fixed(ops, fed)
    rest = _needed([t for t in outputs.values() if t not in fixed], fed | fixed, waited_for)
    known = _values(graph, fixed, [t for op in rest for t in op.inputs] + list(outputs.values()))
    if missing := [op for op in rest if op.type in _PLACEHOLDERS]:
        raise ValueError(
            "the outputs also need these placeholders, which are not among the feeds: "
            + ", ".join(repr(op.name) for op in missing)
        )
    writer = Writer(onnx, known)
    for name in inputs:
        writer.unique(name)
    kept = {name: writer.unique(name) for name in outputs}
    for name, t in inputs.items():
        writer.put(t, name)
    for op, waits in waited_for.items():
        op._add_control_inputs(waits)  # only now: what is fixed was computed without
    _write(writer, ops, rest, frozenset(fed), list(outputs.values()))
    for name, t in outputs.items():
        writer.nodes.append(
            onnx.helper.make_node("Identity", [writer.name(t)], [kept[name]], name=f"{kept[name]}/output")
        )
    if sum(c.ByteSize() for c in writer.constants.values()) > LARGEST:
        raise errors.UnimplementedError(
            None, None, "the constants take more than 2 GB, which no ONNX file of one piece can hold"
        )
    body = onnx.helper.make_graph(
        writer.nodes,
        "evergraph",
        [_value_info(onnx, writer, name, t) for name, t in inputs.items()],
        [_value_info(onnx, writer, kept[name], t) for name, t in outputs.items()],
        list(writer.constants.values()),
    )
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name, model.producer_version = "evergraph", metadata.version("evergraph")
    return model


def _needed(outputs: list[Tensor], fed: set[Tensor], waited_for: dict[Operation, list[Operation]]) -> list[Operation]:
    """The ops whose values outputs are computed from; what is only ordered before them is not among these."""
    found: set[Operation] = set()
    waiting = [t for t in outputs if t not in fed]
    while waiting:
        op = waiting.pop().op
        if op not in found:
            found.add(op)
            waiting.extend(t for t in op.inputs if t not in fed)
            waiting.extend(c.outputs[0] for c in waited_for.get(op, ()))
    return sorted(found, key=lambda op: op._id)


def _fixed(ops: list[Operation], fed: set[Tensor]) -> set[Tensor]:
    """The tensors that do not depend on the feeds."""
    fixed: set[Tensor] = set()
    for op in ops:
        opdef = op.opdef
        changes = opdef.updates or opdef.random_blocks or opdef.is_stateful or not opdef.is_declared
        if changes or op.type in _NEVER_FIXED or any(t in fed for t in op.outputs):
            continue
        is_shape = op.type == "Shape" and _is_known(op.inputs[0].static_shape)
        if is_shape or _is_known_size(op) or all(t in fixed for t in op.inputs):
            fixed.update(op.outputs)
    return fixed


def _values(graph: Graph, fixed: set[Tensor], wanted: list[Tensor]) -> dict[Tensor, np.ndarray]:
    """The values of those `wanted` that are fixed."""
    sources = [t for t in fixed if t.op.type == "Shape"] + [t.op.inputs[0] for t in fixed if _is_known_size(t.op)]
    shapes = {
        t: np.array([-1 if n is None else n for n in t.op.inputs[0].static_shape or ()], t.dtype._base.np)
        for t in sources
    }
    found = list(dict.fromkeys(t for t in wanted if t in fixed))
    with Session(graph=graph) as session:
        values = session.run(found, shapes) if found else []
    known = {t: np.asarray(value) for t, value in zip(found, values, strict=True)}
    for t in wanted:
        if t.op.type == "Enter" and t.op.attrs["is_constant"] and t.op.inputs[0] in known:
            known[t] = known[t.op.inputs[0]]  # a constant that a loop takes from outside
    return known


def _is_known_size(op: Operation) -> bool:
    """Whether `op` takes a size that is known out of a shape that may not be: `tf.shape(x)[1]`."""
    if op.type != "StridedSlice" or op.inputs[0].op.type != "Shape" or op.inputs[1].op.type != "Const":
        return False
    shape, begin = op.inputs[0].op.inputs[0].static_shape, op.inputs[1].op.attrs["value"].reshape(-1)
    if shape is None or op.attrs["shrink_axis_mask"] != 1 or begin.size != 1:
        return False
    return -len(shape) <= begin[0] < len(shape) and shape[begin[0]] is not None


def _is_known(shape: Any) -> bool:
    return shape is not None and None not in shape


def _write(
    writer: Writer, ops: list[Operation], needed: list[Operation], fed: frozenset[Tensor], outputs: list[Tensor]
) -> None:
    """Write all ops that are needed, or say of all that cannot be what is in the way."""
    writer.arrays = arrays_of(needed)
    wrong: list[tuple[Any, str]] = [(op, "") for op in needed if not is_written(op)]
    nested = Nested(writer, [op for op, _ in wrong], needed)
    try:
        structure = structured(ops, fed)
    except Unstructured as reason:
        wrong += [(op, str(reason)) for op in needed if op.type in ("LoopCond", "Merge")]
    else:
        nested.graph(structure, outputs)
        wrong += nested.wrong.items()
    if wrong:
        lines = [f"{op.name!r} ({op.type})" + (f": {reason}" if reason else "") for op, reason in wrong]
        raise errors.UnimplementedError(
            None, None, f"{len(wrong)} op(s) of this graph have no counterpart in ONNX:\n  " + "\n  ".join(lines)
        )


def _value_info(onnx: Any, writer: Writer, name: str, t: Tensor) -> Any:
    shape = (
        None
        if t.static_shape is None
        else [size if size is not None else f"{name}_{i}" for i, size in enumerate(t.static_shape)]
    )
    if shape and t.static_shape is not None and t.static_shape[0] is None:
        shape[0] = "batch"
    return onnx.helper.make_tensor_value_info(name, writer.type_of(t.dtype._base.np), shape)
