"""Runs with `RunOptions`, and step statistics for `RunMetadata`.

A traced run goes op by op, through the NumPy kernels, so that each op has a time of its own; a compiled stage is one
program, in which ops have none.
"""

from __future__ import annotations

from typing import Any

from evergraph.compiler.interpret import Timing
from evergraph.compiler.plan import Plan
from evergraph.runtime import devices

NO_TRACE = 0


def run_with_options(session: Any, plan: Plan, fed: list[Any], options: Any, run_metadata: Any) -> list[Any]:
    """Execute `plan`; fill `run_metadata` with what was measured."""
    for message, kind in ((options, "RunOptions"), (run_metadata, "RunMetadata")):
        if message is not None and getattr(getattr(message, "DESCRIPTOR", None), "name", "") != kind:
            raise TypeError(
                f"{'options' if kind == 'RunOptions' else 'run_metadata'} must be a tf.{kind}, not {type(message)}"
            )
    level = 0 if options is None else options.trace_level
    timeout = 0 if options is None else options.timeout_in_ms
    if run_metadata is None or level == NO_TRACE:
        computed = session._execute(plan, fed, None, timeout)
        if run_metadata is not None:
            run_metadata.Clear()
    else:
        timings: list[Timing] = []
        computed = session._execute(plan, fed, timings, timeout)
        _fill(run_metadata, timings)
    if run_metadata is not None and options is not None and options.output_partition_graphs:
        _add_graph(run_metadata, session.graph, plan)
    return computed


def _add_graph(run_metadata: Any, graph: Any, plan: Plan) -> None:
    """Say which part of the graph was run; there is one device, so there is one part."""
    names = {op.name for op in plan.ops}
    part = run_metadata.partition_graphs.add()
    whole = graph.as_graph_def()
    part.node.extend(node for node in whole.node if node.name in names)
    part.library.CopyFrom(whole.library)
    part.versions.CopyFrom(whole.versions)


def _fill(run_metadata: Any, timings: list[Timing]) -> None:
    run_metadata.Clear()
    stats = run_metadata.step_stats.dev_stats.add(device=devices.device_names()[0])
    for op, start, end, shapes, made in timings:
        node = stats.node_stats.add(node_name=op.name)
        node.all_start_nanos, node.all_start_micros = start, start // 1000
        node.op_end_rel_nanos = node.all_end_rel_nanos = end - start
        node.op_end_rel_micros = node.all_end_rel_micros = max(1, (end - start) // 1000)
        inputs = ", ".join(t.name if t.value_index else t.op.name for t in op.inputs)
        node.timeline_label = f"{op.name} = {op.type}({inputs})"
        node.memory.add(allocator_name="cpu", total_bytes=made, peak_bytes=made, live_bytes=made)
        found = iter(shapes)
        for slot, t in enumerate(op.outputs):
            description = node.output.add(slot=slot).tensor_description
            description.dtype = t.dtype._base.as_datatype_enum
            shape = t.static_shape
            if not t.dtype._is_ref_dtype:
                shape, size = next(found, (shape, 0))
                description.allocation_description.requested_bytes = size
                description.allocation_description.allocated_bytes = size
                description.allocation_description.allocator_name = "cpu"
            if shape is None:
                description.shape.unknown_rank = True
            for length in shape or ():
                description.shape.dim.add(size=-1 if length is None else length)
