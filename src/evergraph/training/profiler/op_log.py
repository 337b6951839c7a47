"""What a profile knows of ops beyond the graph: float operations, types the program gives, lines of the program."""

from __future__ import annotations

import os
import sys
from typing import Any

from evergraph.formats import files, messages
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys
from evergraph.framework.shapes import TensorShape
from evergraph.training.profiler.statistics import get_stats_for_node_def, has_statistic

TRAINABLE_VARIABLES = "_trainable_variables"


def complete_shapes(graph: Any, run_metadata: Any) -> None:
    """Give tensors whose shape the graph does not know the shape that they had in a run."""
    for device in run_metadata.step_stats.dev_stats:
        for stats in device.node_stats:
            try:
                op = graph.get_operation_by_name(stats.node_name)
            except (KeyError, ValueError):
                continue
            if not stats.output or len(stats.output) != len(op.outputs):
                continue
            for tensor, found in zip(op.outputs, stats.output, strict=True):
                shape = tensor.get_shape()
                if shape.is_fully_defined() or found.tensor_description.shape.unknown_rank:
                    continue
                sizes = [d.size if d.size >= 0 else None for d in found.tensor_description.shape.dim]
                try:
                    tensor.set_shape(shape.merge_with(TensorShape(sizes)))
                except ValueError as error:
                    sys.stderr.write(f"Node {stats.node_name} incompatible shapes: {error}.\n")


def _entries(graph: Any, run_metadata: Any, add_trace: bool, add_trainable_var: bool) -> tuple[dict[str, Any], Any]:
    """Entries by the names of ops, and the strings that they refer to by number."""
    if run_metadata is not None:
        complete_shapes(graph, run_metadata)
    entries: dict[str, Any] = {}
    numbers = {"none": 0}

    def number(text: str | None) -> int:
        return numbers.setdefault(text, len(numbers)) if text else 0

    without_shape = 0
    for op in graph.get_operations():
        value = None
        if has_statistic(op.type, "flops"):
            try:
                value = get_stats_for_node_def(graph, op.node_def, "flops").value
            except ValueError:
                without_shape += 1
        if not value and not add_trace:
            continue
        entry = messages.OpLogEntry(name=op.name)
        if value:
            entry.float_ops = int(value)
        if add_trace:
            for file, line, function, text, start in op.traceback_with_start_lines:
                entry.code_def.traces.add(
                    file_id=number(file),
                    lineno=line or -1,
                    function_id=number(function),
                    line_id=number(text),
                    func_start_line=start or -1,
                )
        entries[op.name] = entry
    if add_trainable_var:
        for v in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES):
            if v.op.name not in entries:
                entries[v.op.name] = messages.OpLogEntry(name=v.op.name)
            entries[v.op.name].types.append(TRAINABLE_VARIABLES)
    if without_shape and run_metadata is None:
        sys.stderr.write(f"{without_shape} ops no flops stats due to incomplete shapes.\n")
    return entries, numbers


def merge_default_with_oplog(
    graph: Any,
    op_log: Any = None,
    run_meta: Any = None,
    add_trace: bool = True,
    add_trainable_var: bool = True,
) -> Any:
    """`op_log`, completed with what the graph and a run tell.

    Args:
        graph: by default the default graph.
        op_log: an `OpLogProto`; what it says of an op comes first.
        run_meta: a `RunMetadata` whose shapes complete those of the graph.
        add_trace: whether the lines that built the ops go in.
        add_trainable_var: whether trainable variables get the type `_trainable_variables`.

    Returns:
        An `OpLogProto`.
    """
    entries, numbers = _entries(graph or get_default_graph(), run_meta, add_trace, add_trainable_var)
    if op_log is not None:
        given = {entry.name: entry for entry in op_log.log_entries}
        for name, entry in entries.items():
            known = given.get(name)
            if known is None:
                given[name] = entry
                continue
            known.types.extend(entry.types)
            if entry.float_ops > 0 and known.float_ops == 0:
                known.float_ops = entry.float_ops
            if entry.code_def.traces and not known.code_def.traces:
                known.code_def.MergeFrom(entry.code_def)
        entries = given
    merged = messages.OpLogProto(log_entries=entries.values())
    for text, number in numbers.items():
        merged.id_to_string[number] = text
    return merged


@public("profiler.write_op_log")
def write_op_log(graph: Any, log_dir: str, op_log: Any = None, run_meta: Any = None, add_trace: bool = True) -> None:
    """Write the op log of a graph to the file `tfprof_log`, an `OpLogProto`.

    Args:
        graph: by default the default graph.
        log_dir: the folder of the file.
        op_log: what to write besides.
        run_meta: a `RunMetadata` whose shapes complete those of the graph.
        add_trace: whether the lines that built the ops go in.
    """
    merged = merge_default_with_oplog(graph, op_log, run_meta, add_trace)
    files.write_file(os.path.join(log_dir, "tfprof_log"), merged.SerializeToString())
