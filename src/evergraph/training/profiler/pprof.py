"""A report on the lines of a program as a file for pprof: the message `perftools.profiles.Profile`, compressed by gzip.

    Profile    1 kinds of values   2 samples   4 locations   5 functions   6 strings   13 comments
    kind       1 name   2 unit
    sample     1 locations, the innermost first   2 values   3 labels (1 key   2 text)
    location   1 number   4 lines (1 function   2 line)
    function   1 number   2 name   4 file   5 first line

Each op is a sample. The message has no use but this one, so it is put together here, byte by byte.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from evergraph.formats import varint, wire
from evergraph.training.profiler import profile
from evergraph.training.profiler.group_reports import CodeReport, Group, gradient_lines
from evergraph.training.profiler.profile import Node

# What may be selected: its place among an op's measures, its unit, and what it is.
_SELECTED = {
    "bytes": (profile.BYTES, "bytes", "Sum of operation total memory requests, excluding deallocations."),
    "peak_bytes": (profile.PEAK, "bytes", "Sum of operation peak memory usage."),
    "residual_bytes": (profile.RESIDUAL, "bytes", "Sum of operation allocated memory after finish."),
    "output_bytes": (profile.OUTPUT, "bytes", "Sum of operation output size."),
    "micros": (profile.MICROS, "microseconds", "Sum of accelerator execution time and cpu execution time."),
    "accelerator_micros": (profile.ACCELERATOR_MICROS, "microseconds", "Accelerator execution time."),
    "cpu_micros": (profile.CPU_MICROS, "microseconds", "CPU execution time."),
    "params": (profile.PARAMETERS, "count", "Model parameters."),
    "float_ops": (profile.FLOAT_OPS, "count", "Model float operations (Only available if defined)."),
}


def objection(command: str, select: frozenset[str]) -> str:
    """Why there is no such file for a report; "" if there is one."""
    if command != "code":
        return "Only 'code' view supports pprof output now."
    if len(select) != 1:
        return "Can only select 1 attribute for pprof output."
    (name,) = select
    return "" if name in _SELECTED else f"pprof doesn't support -select={name}"


def pprof(report: CodeReport, selected: str, step: int) -> bytes:
    """The file's contents, of a report that has been made."""
    measure, unit, about = _SELECTED[selected]
    strings: dict[str, int] = {"": 0}
    functions: dict[tuple[str, str, int], int] = {}
    locations: dict[tuple[int, int], int] = {}
    lines = _lines(report)

    def text(value: str) -> int:
        return strings.setdefault(value, len(strings))

    def location(name: str) -> int:
        file, line, function, first = lines[name]
        number = functions.setdefault((function, file, first), len(functions) + 1)
        return locations.setdefault((number, line), len(locations) + 1)

    out = [
        wire.message(1, wire.number(1, text(n)) + wire.number(2, text(u)))
        for n, u in (("count", "count"), (selected, unit))
    ]
    for node, path in sorted(_samples(report.root), key=lambda sample: sample[0].name):
        stack = b"".join(varint.encoded(location(name)) for name in reversed(path))
        values = wire.integer(1) + wire.integer(node.measures(step)[measure])
        label = wire.number(1, text("graph node:")) + wire.number(2, text(node.name))
        places = wire.message(1, stack) if stack else b""
        out.append(wire.message(2, places + wire.message(2, values) + wire.message(3, label)))
    for (function, line), number in locations.items():
        place = wire.message(4, wire.number(1, function) + wire.number(2, line))
        out.append(wire.message(4, wire.number(1, number) + place))
    for (name, file, first), number in functions.items():
        fields = ((1, number), (2, text(name)), (4, text(file)), (5, first))
        out.append(wire.message(5, b"".join(wire.number(field, value) for field, value in fields)))
    comment = wire.message(13, varint.encoded(text(about)))
    out.extend(wire.message(6, value.encode("utf-8", "replace")) for value in strings)
    return gzip.compress(b"".join([*out, comment]), mtime=0)


def _lines(report: CodeReport) -> dict[str, tuple[str, int, str, int]]:
    """File, line, function (behind its module's name) and the function's first line, for each line of a report."""
    known = report.profile.strings
    found = {}
    for node in report.profile.sorted():
        for name, trace in zip(report.own_lines(node), node.traces, strict=True):
            file, function = known[trace.file_id], known[trace.function_id]
            module = file.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
            line = file, trace.lineno, f"{module}:{function}", trace.func_start_line
            found[name] = line
            found[gradient_lines(name)] = (*line[:2], gradient_lines(line[2]), line[3])
    return found


def _samples(root: Group) -> Iterator[tuple[Node, list[str]]]:
    """The ops that a report counts, with the lines that it shows, outermost first.

    Ops of lines that are not shown belong to the line above them.
    """
    waiting: list[tuple[Group, list[str]]] = [(child, [child.name]) for child in root.show]
    while waiting:
        group, path = waiting.pop()
        yield from ((node, path) for node in group.picked.values())
        if group.show:
            waiting.extend((child, [*path, child.name]) for child in group.show)
            continue
        below = list(group.children)
        while below:
            hidden = below.pop()
            yield from ((node, path) for node in hidden.picked.values())
            below.extend(hidden.children)
