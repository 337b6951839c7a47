"""What is known of each op of a graph: shapes, float operations, types, and times and memory of steps.

    Profile ── nodes: name ──► Node ── steps: number ──► Execution

A node stands for an op; what ran without being in the graph (an argument, say) gets one of its own. Numbers without a
step are means over all steps in which the op ran.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape

ROOT = "_TFProfRoot"
_DEVICE = re.compile(r".*/(device:gpu|gpu|device:cpu|cpu|device:sycl):\d+")

MEASURES = (
    "exec_micros", "accelerator_exec_micros", "cpu_exec_micros", "requested_bytes", "peak_bytes", "residual_bytes",
    "output_bytes", "parameters", "float_ops",
)  # fmt: skip
"""The fields of a report that are added up, in the order of `Node.measures`."""
MICROS, ACCELERATOR_MICROS, CPU_MICROS, BYTES, PEAK, RESIDUAL, OUTPUT, PARAMETERS, FLOAT_OPS = range(len(MEASURES))


class Execution:
    """Times and memory of an op in one step, in which it may have run several times."""

    __slots__ = ("accelerator", "cpu", "devices", "end", "memory", "runs", "start")

    def __init__(self) -> None:
        self.runs = 0
        self.devices: set[str] = set()
        self.accelerator: dict[str, list[tuple[int, int]]] = {}  # device to starts and durations
        self.cpu: dict[str, list[tuple[int, int]]] = {}
        self.start = 0
        self.end = 0
        self.memory = [0, 0, 0, 0]  # requested, peak, residual, output

    @property
    def accelerator_micros(self) -> int:
        return sum(duration for times in self.accelerator.values() for _, duration in times)

    @property
    def cpu_micros(self) -> int:
        return sum(duration for times in self.cpu.values() for _, duration in times)

    def add_time(self, device: str, stats: Any) -> None:
        self.devices.add(device)
        start = stats.all_start_micros
        if start <= 0:
            return
        duration = stats.op_end_rel_micros or 1
        self.start = min(self.start, start) if self.start else start
        self.end = max(self.end, start + duration)
        if "stream:all" in device:
            self.accelerator.setdefault(device, []).append((start, duration))
        elif _DEVICE.fullmatch(device):
            self.cpu.setdefault(device, []).append((start, duration))
            self.runs += 1

    def add_memory(self, stats: Any) -> None:
        kept, temporary = stats.memory_stats.persistent_memory_size, stats.memory_stats.temp_memory_size
        found = (
            sum(m.total_bytes for m in stats.memory) + kept + temporary,
            sum(m.peak_bytes for m in stats.memory) + kept + temporary,
            sum(m.live_bytes for m in stats.memory) + kept,
            sum(
                max(o.tensor_description.allocation_description.allocated_bytes,
                    o.tensor_description.allocation_description.requested_bytes)
                for o in stats.output
            ),
        )  # fmt: skip
        self.memory = [before + more for before, more in zip(self.memory, found, strict=True)]


class Node:
    """An op, or a name that stands for ops (`_TFProfRoot`, a scope)."""

    __slots__ = (
        "device", "float_ops", "inputs", "made_of", "name", "op", "output_shapes", "positions", "shape", "steps",
        "traces", "types",
    )  # fmt: skip

    def __init__(self, name: str, op: str) -> None:
        self.name = name
        self.op = op
        self.types = {op}
        self.shape: list[int] = []  # of a variable or a placeholder; empty: of unknown rank
        self.output_shapes: list[list[int]] = []
        self.inputs: list[str] = []
        self.positions: dict[str, int] = {}  # which output of an op is an input here
        self.float_ops = 0
        self.device = ""
        self.steps: dict[int, Execution] = {}
        self.traces: list[Any] = []
        self.made_of: Operation | None = None

    @classmethod
    def of(cls, op: Operation) -> Node:
        made = cls(op.name, op.type)
        made.made_of = op
        if "shape" in op.attrs and any(attr.name == "shape" and attr.type == "shape" for attr in op.opdef.attrs):
            made.shape = _listed(op.attrs["shape"])
        made.output_shapes = [_listed(t.static_shape) for t in op.outputs]
        for t in op.inputs:
            made.inputs.append(t.op.name)
            made.positions[t.op.name] = t.value_index
        for control in sorted(op.control_inputs, key=lambda control: control.name):
            made.inputs.append(control.name)
            made.positions[control.name] = 0
        return made

    def add_step(self, step: int, device: str, stats: Any) -> None:
        device = device.lower()
        if _DEVICE.fullmatch(device):
            if not self.device:
                self.device = device
                self.types.add(device)
            elif self.device != device:
                return
        execution = self.steps.setdefault(step, Execution())
        execution.add_time(device, stats)
        if device == self.device:
            if stats.all_start_micros > 0:
                execution.add_memory(stats)
            else:
                sys.stderr.write(f"{stats.node_name} has no start time, skipping\n")

    def runs(self, step: int) -> int:
        return self._mean(step, [e.runs for e in self._in(step)])

    def measures(self, step: int) -> list[int]:
        """The numbers of `MEASURES`."""
        executions = self._in(step)
        columns = [
            [e.accelerator_micros + e.cpu_micros for e in executions],
            [e.accelerator_micros for e in executions],
            [e.cpu_micros for e in executions],
            *([e.memory[i] for e in executions] for i in range(4)),
        ]
        float_ops = self.float_ops * self.runs(step) if self.steps else self.float_ops
        return [*(self._mean(step, column) for column in columns), self.parameters(), float_ops]

    def _in(self, step: int) -> list[Execution]:
        if step < 0:
            return list(self.steps.values())
        return [self.steps[step]] if step in self.steps else []

    @staticmethod
    def _mean(step: int, column: list[int]) -> int:
        return sum(column) // len(column) if column else 0

    def parameters(self) -> int:
        if not self.shape:
            return 0
        count = 1
        for size in self.shape:
            if size < 0:
                sys.stderr.write("Incomplete shape.\n")
                return 0
            count *= size
        return count


def _listed(shape: Shape) -> list[int]:
    """A shape as a list: `[1]` for a scalar, nothing for an unknown rank, -1 for an unknown size."""
    if shape is None:
        return []
    return [-1 if size is None else size for size in shape] or [1]


class Profile:
    """All nodes of a graph, and of the steps that were added."""

    def __init__(self, graph: Any, op_log: Any, run_metadata: Any = None) -> None:
        self.nodes: dict[str, Node] = {}
        self.steps: dict[int, list[Any]] = {}  # number to the step statistics of its runs
        self.strings: dict[int, str] = {}
        self.has_traces = False
        self.misses_stream = False
        self._covered: set[str] = set()
        self._add_graph(graph)
        if run_metadata is not None and run_metadata.HasField("step_stats"):
            self._add_run(0, run_metadata)
        self._add_op_log(op_log)

    def sorted(self) -> list[Node]:
        return [self.nodes[name] for name in sorted(self.nodes)]

    @property
    def coverage(self) -> float:
        """The part of the nodes that ran in some step."""
        return len(self._covered) / (len(self.nodes) + 1e-10)

    def add_step(self, step: int, graph: Any, run_metadata: Any, op_log: Any) -> None:
        self._add_graph(graph)
        if run_metadata.HasField("step_stats"):
            self._add_run(step, run_metadata)
        else:
            sys.stderr.write(f"Invalid RunMetadata for step {step}\n")
        self._add_op_log(op_log)

    def _add_graph(self, graph: Any) -> None:
        for op in graph.get_operations():
            if op.name not in self.nodes:
                self.nodes[op.name] = Node.of(op)
            else:  # shapes may be known by now
                self.nodes[op.name].output_shapes = [_listed(t.static_shape) for t in op.outputs]

    def _add_run(self, step: int, run_metadata: Any) -> None:
        self.steps.setdefault(step, []).append(run_metadata.step_stats)
        scheduled = streamed = False
        for device in run_metadata.step_stats.dev_stats:
            lowered = device.device.lower()
            if "gpu" in lowered or "sycl" in lowered:
                scheduled = True
                streamed = streamed or "stream:all" in lowered
            for stats in device.node_stats:
                name = stats.node_name.partition(":")[0]
                node = self.nodes.get(name)
                if node is not None:
                    self._covered.add(name)
                elif name in ("RecvTensor", "_SOURCE") or "MEMCPY" in name:
                    continue
                else:
                    node = self.nodes[name] = Node(name, name)
                node.add_step(step, device.device, stats)
        self.misses_stream = self.misses_stream or (scheduled and not streamed)

    def _add_op_log(self, op_log: Any) -> None:
        for number, text in op_log.id_to_string.items():
            self.strings.setdefault(number, text)
        for entry in op_log.log_entries:
            node = self.nodes.get(entry.name)
            if node is None:
                continue
            node.types.update(entry.types)
            if entry.float_ops:
                node.float_ops = entry.float_ops
            if entry.HasField("code_def"):
                self.has_traces = True
                if not node.traces:
                    node.traces = list(entry.code_def.traces)

    def input_shapes(self, node: Node) -> dict[int, list[int]]:
        """Shapes of the inputs by position; nothing for those that are not known."""
        found: dict[int, list[int]] = {}
        for i, name in enumerate(node.inputs):
            source = self.nodes.get(name)
            shapes = source.output_shapes if source is not None else []
            position = node.positions[name]
            found[i] = shapes[position] if position < len(shapes) else []
        return found
