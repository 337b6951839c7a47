"""Reports in which a line stands for several ops: those of a type ("op"), or those that a line of the program built
("code").
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import Any

from evergraph.formats import messages
from evergraph.framework.frames import KEPT
from evergraph.training.profiler import profile, text
from evergraph.training.profiler.choice import is_shown, matches_any, takes_all
from evergraph.training.profiler.node_reports import MEMORY, fill, fill_shapes, measure_heads, times
from evergraph.training.profiler.order import ordered
from evergraph.training.profiler.profile import MEASURES, ROOT, Node, Profile
from evergraph.training.profiler.text import Options


class Group:
    """Several ops under one name: the numbers of those that count, and those of it and what comes below it."""

    __slots__ = ("account", "children", "devices", "line", "named", "name", "nodes", "own", "picked", "show", "totals",
                 "types")  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: dict[str, Node] = {}
        self.picked: dict[str, Node] = {}
        self.children: list[Group] = []
        self.named: dict[str, Group] = {}
        self.show: list[Group] = []
        self.own = [0] * len(MEASURES)
        self.types: set[str] = set()
        self.devices: set[str] = set()
        self.account = False
        self.reset()

    @property
    def occurrence(self) -> int:
        return len(self.picked)

    @property
    def least(self) -> tuple[int, int]:
        return self.totals[profile.PARAMETERS], self.totals[profile.FLOAT_OPS]

    def take(self, step: int, regexes: list[str]) -> bool:
        """Count the ops with a type that matches; an op that several expressions match counts for each of them."""
        if takes_all(regexes):
            picked = list(self.nodes.values())
        else:
            picked = [n for r in regexes for n in self.nodes.values() if any(matches_any(t, [r]) for t in n.types)]
        self.picked = {node.name: node for node in picked}
        self.types = {t for node in picked for t in node.types}
        self.devices = {node.device for node in picked}
        columns = list(zip(*(node.measures(step) for node in picked), strict=True))
        self.own = [sum(column) for column in columns] if columns else [0] * len(MEASURES)
        return bool(picked) or takes_all(regexes)

    def reset(self) -> None:
        self.totals = [0] * len(MEASURES)
        self.line = ""

    def add_self(self) -> None:
        self.totals = [a + b for a, b in zip(self.totals, self.own, strict=True)]

    def add(self, other: Group) -> None:
        self.totals = [a + b for a, b in zip(self.totals, other.totals, strict=True)]

    def child(self, name: str) -> Group:
        if name not in self.named:
            self.named[name] = Group(name)
            self.children.append(self.named[name])
        return self.named[name]

    def fill(self, message: Any, of: Profile, step: int) -> None:
        message.name = self.name
        for name, value, total in zip(MEASURES, self.own, self.totals, strict=True):
            setattr(message, name, value)
            setattr(message, f"total_{name}", total)
        for name in sorted(self.picked):
            node = self.picked[name]
            measures, runs = node.measures(step), node.runs(step)
            inside = message.graph_nodes.add()
            fill(inside, node, measures, runs, measures, runs, 1)
            fill_shapes(inside, of.input_shapes(node))


def _legend(options: Options) -> str:
    heads = {
        "params": "# parameters",
        "float_ops": "# float_ops",
        "device": "assigned devices",
        "op_types": "op types",
        "occurrence": "op occurrence (run|defined)",
        "input_shapes": "input shapes",
    }
    found = measure_heads(options.select) + [head for name, head in heads.items() if name in options.select]
    return f"node name | {' | '.join(found)}\n"


class OpReport:
    """Ops by type. The numbers of a type stand beside the part that it and all types after it have."""

    def __init__(self, of: Profile) -> None:
        self.profile = of
        groups: dict[str, Group] = {}
        for node in of.sorted():
            groups.setdefault(node.op, Group(node.op)).nodes[node.name] = node
        self.groups = [groups[name] for name in sorted(groups)]
        self.root = Group(ROOT)

    def made(self, options: Options) -> tuple[str, Any]:
        """The report's lines, and as a `MultiGraphNodeProto`: each type inside the one before."""
        root = self.root
        root.reset()
        for group in self.groups:
            group.account = group.take(options.step, options.regexes["account_type_regexes"])
            group.reset()
            group.add_self()
        counted = [group for group in ordered(self.groups, options.order_by) if group.account]
        self._add_from_the_end(counted)
        shown = []
        for depth, group in enumerate(self._started(counted, options.regexes["start_name_regexes"])):
            if matches_any(group.name, options.regexes["trim_name_regexes"]) or depth > options.max_depth:
                break
            if is_shown(group, options, depth):
                shown.append(group)
        if options.account_displayed_op_only:
            for group in shown:
                group.reset()
                group.add_self()
            root.reset()
            self._add_from_the_end(shown)
        lines = [_legend(options), *(self._described(group, options) for group in shown)]
        whole = messages.MultiGraphNodeProto()
        root.fill(whole, self.profile, options.step)
        message = whole
        for group in shown:
            message = message.children.add()
            group.fill(message, self.profile, options.step)
        return "".join(lines), whole

    def _add_from_the_end(self, groups: list[Group]) -> None:
        after = None
        for group in reversed(groups):
            if after is not None:
                group.add(after)
            after = group
        if after is not None:
            self.root.add(after)

    @staticmethod
    def _started(groups: list[Group], regexes: list[str]) -> list[Group]:
        if not regexes or takes_all(regexes):
            return groups
        for i, group in enumerate(groups):
            if matches_any(group.name, regexes):
                return groups[i:]
        return []

    def _described(self, group: Group, options: Options) -> str:
        own, totals, whole, select = group.own, group.totals, self.root.totals, options.select

        def column(written: str, measure: int, counts: int) -> str:
            total = whole[measure] if counts else 0
            below, alone = (100 * n[measure] / total if total else 0.0 for n in (totals, own))
            return f"{f'{written} ({below:.2f}%, {alone:.2f}%)':>30}"

        found = [
            column(text.memory(own[measure]), measure, own[measure])
            for name, measure in MEMORY.items()
            if name in select
        ]
        found.extend(column(text.time(own[measure]), measure, totals[measure]) for measure in times(select))
        counts = {"params": (profile.PARAMETERS, "params"), "float_ops": (profile.FLOAT_OPS, "float_ops")}
        for name, (measure, unit) in counts.items():
            if name in select:
                found.append(column(f"{text.number(own[measure])} {unit}", measure, totals[measure]))
        if "device" in select:
            found.append("|".join(sorted(group.devices)))
        if "op_types" in select:
            found.append("|".join(sorted(group.types)))
        if "occurrence" in select:
            runs = sum(node.runs(options.step) for node in group.picked.values())
            found.append(f"{f'{runs}|{len(group.picked)}':>10}")
        line = f"{group.name:<25}{', '.join(found)}\n"
        shapes = self._shapes(group, options.step) if "input_shapes" in select else ""
        return f"{line}\n{shapes}\n\n" if shapes else line

    def _shapes(self, group: Group, step: int) -> str:
        """How often the ops have inputs of which shapes, the most frequent first."""
        found: dict[str, list[int]] = {}
        for node in group.picked.values():
            written = ",\t".join(text.input_shapes(self.profile.input_shapes(node)))
            counts = found.setdefault(f"input_type: {written}", [0, 0, 0])
            for i, more in enumerate((1, node.runs(step), node.measures(step)[profile.MICROS])):
                counts[i] += more
        often = sorted(sorted(found.items()), key=lambda entry: -entry[1][1])
        return "\n".join(
            f"{written}\t(run*{runs}|defined*{defined})\texec_time: {text.time(micros)}"
            for written, (defined, runs, micros) in often
        )


class CodeReport:
    """Ops below the lines of the program that built them. Gradients stand beside what they are gradients of."""

    def __init__(self, of: Profile) -> None:
        self.profile = of
        self.root = Group(ROOT)
        gradients: dict[str, list[Node]] = {}
        forward: dict[str, Node] = {}
        traced = [node for node in of.sorted() if node.traces]
        self.lines = _completed({node.name: self.own_lines(node) for node in traced})
        for node in traced:
            name = _forward_name(node.name)
            if name:
                gradients.setdefault(name, []).append(node)
                continue
            forward[node.name] = node
            self._leaf(node).nodes[node.name] = node
        lost = 0
        for name, nodes in sorted(gradients.items()):
            if name in forward:
                self._leaf(forward[name], True).nodes.update((node.name, node) for node in nodes)
            else:
                lost += 1
        if lost:
            sys.stderr.write(f"{lost} gradient nodes not accounted\n")

    def own_lines(self, node: Node) -> list[str]:
        """The lines that led to an op, outermost first."""
        found = []
        for trace in node.traces:
            file, function = self.profile.strings[trace.file_id], self.profile.strings[trace.function_id]
            function = function if len(function) < 20 else function[:17] + "..."
            found.append(f"{os.path.basename(file)}:{trace.lineno}:{function}")
        return found

    def _leaf(self, node: Node, gradient: bool = False) -> Group:
        group = self.root
        for line in self.lines[node.name]:
            group = group.child(gradient_lines(line) if gradient else line)
        return group

    def made(self, options: Options) -> tuple[str, Any]:
        """The report's lines, and as a `MultiGraphNodeProto`."""
        root = self.root
        root.reset()
        if options.account_displayed_op_only:
            sys.stderr.write("Note: code view ignores account_displayed_op_only\n")
        found = self._accounted(root.children, options)
        for group in found:
            root.add(group)
        starts = options.regexes["start_name_regexes"]
        root.show = found if takes_all(starts) else self._started(found, starts)
        self._chosen([root], options, 1, 0)
        lines = [_legend(options)]
        whole = messages.MultiGraphNodeProto()
        self._write(root, whole, lines, options.step)
        return "".join(lines), whole

    def _accounted(self, groups: list[Group], options: Options) -> list[Group]:
        found = []
        for group in groups:
            group.reset()
            below = self._accounted(group.children, options)
            group.account = group.take(options.step, options.regexes["account_type_regexes"])
            if group.account or below:
                group.add_self()
                for child in below:
                    group.add(child)
                group.show = below
                found.append(group)
        return found

    def _started(self, groups: list[Group], regexes: list[str]) -> list[Group]:
        found = []
        for group in groups:
            found.extend([group] if matches_any(group.name, regexes) else self._started(group.show, regexes))
        return found

    def _chosen(self, groups: list[Group], options: Options, depth: int, indent: int) -> list[Group]:
        found = []
        for group in groups:
            if matches_any(group.name, options.regexes["trim_name_regexes"]) or depth > options.max_depth:
                continue
            visible = _is_shown(group, options, depth)
            below = self._chosen(group.show, options, depth + 1, indent + 2 * visible)
            if visible:
                group.show = ordered(below, options.order_by)
                group.line = f"{' ' * indent}{self._described(group, options)}\n"
                found.append(group)
            else:
                found.extend(below)
        return found

    def _described(self, group: Group, options: Options) -> str:
        select, own, totals = options.select, group.own, group.totals

        def both(form: Any, measure: int, unit: str = "") -> str:
            return f"{form(own[measure]) if group.account else '--'}/{form(totals[measure])}{unit}"

        found = [both(text.memory, measure) for name, measure in MEMORY.items() if name in select]
        found.extend(both(text.time, measure) for measure in times(select))
        if "params" in select:
            found.append(both(text.number, profile.PARAMETERS, " params"))
        if "float_ops" in select:
            found.append(both(text.number, profile.FLOAT_OPS, " flops"))
        if "device" in select and group.devices:
            found.append("|".join(sorted(group.devices)))
        if "op_types" in select:
            found.append("|".join(sorted(group.types)))
        found.extend(f"{name} N/A in code view" for name in ("occurrence", "input_shapes") if name in select)
        return f"{group.name} ({', '.join(found)})"

    def _write(self, group: Group, message: Any, lines: list[str], step: int) -> None:
        lines.append(group.line)
        group.fill(message, self.profile, step)
        for child in group.show:
            self._write(child, message.children.add(), lines, step)


def _completed(lines: dict[str, list[str]]) -> dict[str, list[str]]:
    """Lines of ops, with callers put in front that only other ops' lines tell of.

    An op remembers no more than a few calls, the innermost ones: of two ops, the one that was built deeper has lost
    callers that the other one still has.
    """
    callers: dict[str, set[str]] = {}
    for stack in lines.values():
        for caller, line in pairwise(stack):
            callers.setdefault(line, set()).add(caller)
    found = {}
    for name, stack in lines.items():
        whole = list(stack)
        while len(stack) == KEPT and len(known := callers.get(whole[0], set())) == 1 and not known <= set(whole):
            whole[:0] = known
        found[name] = whole
    return found


def _is_shown(group: Group, options: Options, depth: int) -> bool:
    """As for other reports, but for how many ops there are: a line of the program shows whatever that is."""
    return is_shown(_AnyNumber(group), options, depth)


class _AnyNumber:
    def __init__(self, group: Group) -> None:
        self.name, self.totals, self.least, self.occurrence = group.name, group.totals, group.least, sys.maxsize


def gradient_lines(line: str) -> str:
    """The name under which the gradients of what a line built stand beside it."""
    return line + " (gradient)"


def _forward_name(name: str) -> str:
    """The op that a gradient op is of: `inp_1/Conv2D` for `gradients/inp_1/Conv2D_grad/Shape`; else nothing."""
    start, end = name.find("gradients/"), name.find("_grad/")
    return name[start + len("gradients/") : end] if start >= 0 and end > start else ""
