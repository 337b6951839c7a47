"""A profile as a `ProfileProto`, which TensorFlow's command line tool reads."""

from __future__ import annotations

from typing import Any

from evergraph.formats import messages
from evergraph.training.profiler.profile import Execution, Node, Profile


def profile_message(of: Profile) -> Any:
    """All that is known of a graph and its steps; ops are numbered in the order in which they were added."""
    made = messages.ProfileProto(
        has_trace=of.has_traces, miss_accelerator_stream=of.misses_stream, steps=sorted(of.steps)
    )
    made.id_to_string.update(of.strings)
    numbers = {name: i for i, name in enumerate(of.nodes)}
    for name, number in numbers.items():
        _fill(made.nodes[number], of, of.nodes[name], numbers)
    return made


def _fill(message: Any, of: Profile, node: Node, numbers: dict[str, int]) -> None:
    message.id, message.name, message.op, message.float_ops = numbers[node.name], node.name, node.op, node.float_ops
    message.canonical_device, message.host_device = node.device, node.device.replace("gpu", "cpu")
    message.shape.extend(node.shape)
    message.op_types.extend(sorted(node.types))
    for i, name in enumerate(node.inputs):
        if name in numbers:
            message.inputs[i] = numbers[name]
            message.src_output_index[numbers[name]] = node.positions[name]
    for i, shape in enumerate(node.output_shapes):
        message.output_shapes[i].int64_values.extend(shape)
    if node.traces:
        message.trace.traces.extend(node.traces)
    if node.made_of is not None:
        for name, value in node.made_of.node_def.attr.items():
            message.attrs[name].CopyFrom(value)
    for step, execution in node.steps.items():
        _fill_execution(message.execs[step], execution)


def _fill_execution(message: Any, execution: Execution) -> None:
    message.run_count, message.all_start_micros, message.latest_end_micros = (
        execution.runs,
        execution.start,
        execution.end,
    )
    message.devices.extend(sorted(execution.devices))
    for field, by_device in ((message.accelerator_execs, execution.accelerator), (message.cpu_execs, execution.cpu)):
        for device, times in by_device.items():
            for start, duration in times:
                field[device].times.add(int64_values=[start, duration])
    requested, peak, residual, output = execution.memory
    message.memory_execs.add(requested_bytes=requested, peak_bytes=peak, residual_bytes=residual, output_bytes=output)
