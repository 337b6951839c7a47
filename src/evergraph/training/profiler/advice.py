"""`tf.profiler.advise`: what is worth looking at in a profile."""

from __future__ import annotations

import sys
from typing import Any

from evergraph.formats import messages
from evergraph.framework import errors
from evergraph.training.profiler.group_reports import CodeReport, OpReport
from evergraph.training.profiler.node_reports import ScopeReport
from evergraph.training.profiler.option_builder import ProfileOptionBuilder
from evergraph.training.profiler.profile import Profile
from evergraph.training.profiler.text import Options, time

ALL_ADVICE: dict[str, dict[str, str]] = {
    "ExpensiveOperationChecker": {},
    "AcceleratorUtilizationChecker": {},
    "JobChecker": {},
    "OperationChecker": {},
}
"""All that there is; "JobChecker" is accepted and says nothing, as in TensorFlow."""


def advice(of: Profile, wanted: dict[str, Any]) -> Any:
    """Print the advice that is wanted, and give it as an `AdviceProto`.

    Raises:
        InvalidArgumentError: for a checker that there is not.
    """
    unknown = sorted(set(wanted) - set(ALL_ADVICE))
    if unknown:
        raise errors.InvalidArgumentError(
            None, None, f"unknown checkers {', '.join(unknown)}; there are {', '.join(sorted(ALL_ADVICE))}"
        )
    found = messages.AdviceProto()
    for name, check in _CHECKERS.items():
        if name in wanted:
            found.checkers[name].reports.extend(check(of))
    for name in sorted(found.checkers):
        sys.stdout.write(f"\n{name}:\n")
        for report in found.checkers[name].reports:
            sys.stdout.write(f"{report}\n")
    sys.stdout.flush()
    return found


def _utilization(of: Profile) -> list[str]:
    """How much of the time an accelerator had something to do."""
    spans: dict[str, list[int]] = {}
    for node in of.sorted():
        if not node.steps or not ("gpu" in node.device or "sycl" in node.device):
            continue
        last = node.steps[max(node.steps)]
        span = spans.setdefault(node.device, [0, 0, 0])
        if not span[0] or last.start:
            span[0] = min(span[0], last.start) if span[0] else last.start
        span[1] = max(span[1], last.end)
        span[2] += last.accelerator_micros
    found = []
    for device, (start, end, busy) in sorted(spans.items()):
        if end > start:
            part = busy / (end - start)
            found.append(f"device: {device} {'' if part >= 0.5 else 'low '}utilization: {part:.2f}")
    return found


def _operations(of: Profile) -> list[str]:
    """Ops for which there are faster ones."""
    found = []
    nodes = of.nodes.values()
    if any("BatchNorm" in node.name for node in nodes) and not any("FusedBatchNorm" in node.types for node in nodes):
        found.append("Maybe use faster FusedBatchNorm instead of BatchNorm")
    accelerated = [node.made_of for node in nodes if "gpu" in node.device or "sycl" in node.device]
    if any(op is not None and op.attrs.get("data_format") == b"NHWC" for op in accelerated):
        found.append("Found operation using NHWC data_format on GPU. Maybe NCHW is faster.")
    return found


def _options(max_depth: int, min_micros: int, select: list[str]) -> Options:
    builder = ProfileOptionBuilder().with_max_depth(max_depth).with_min_execution_time(min_micros).select(select)
    return Options.of(builder.order_by("micros").with_empty_output().build())


def _expensive(of: Profile) -> list[str]:
    """What takes the most time: types of ops, scopes, and lines of the program."""
    found = []
    if not of.steps:
        sys.stderr.write("Missing RunMetadata info. Skip ExpensiveOperationChecker\n")
        sys.stderr.write("Missing run_meta for ExpensiveOperationChecker\n")
    else:
        _, root = OpReport(of).made(_options(3, 1, ["micros", "occurrence"]))
        lines: list[str] = []
        node = root
        while len(lines) < 3 and node.children:
            node = node.children[0]
            part = 100 * node.exec_micros / (root.total_exec_micros + 1e-10)
            lines.append(f"top {len(lines) + 1} operation type: {node.name}, {_times(node)} ({part:.2f}%)")
        if lines:
            found.append("\n".join(lines))
    _, scopes = ScopeReport(of).made(_options(100, 100, ["micros"]))
    if scopes.children:
        lines = [f"top {i} graph node: {node.name}, {_times(node)}" for i, node in enumerate(scopes.children[:3], 1)]
        found.append("\n".join(lines))
    if not of.has_traces:
        sys.stderr.write("Missing op_log (code traces) for ExpensiveOperationChecker\n")
        return found
    _, node = CodeReport(of).made(_options(100, 1, ["micros"]))
    while len(node.children) == 1:
        node = node.children[0]
    if node.children:
        lines = []
        _lines_of_program(node, 0, lines)
        found.append("\n".join(lines))
    return found


def _lines_of_program(node: Any, depth: int, lines: list[str]) -> None:
    if len(node.children) <= 1 or depth > 3:
        return
    for child in node.children[:3]:
        if child.total_exec_micros >= 1000:
            lines.append(f"{'  ' * depth}{child.name}, {_times(child, 'total_')}")
            _lines_of_program(child, depth + 1, lines)


def _times(node: Any, prefix: str = "") -> str:
    cpu, accelerator, both = (
        time(getattr(node, f"{prefix}{name}")) for name in ("cpu_exec_micros", "accelerator_exec_micros", "exec_micros")
    )
    return f"cpu: {cpu}, accelerator: {accelerator}, total: {both}"


_CHECKERS = {
    "AcceleratorUtilizationChecker": _utilization,
    "OperationChecker": _operations,
    "ExpensiveOperationChecker": _expensive,
}
