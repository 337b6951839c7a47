"""Reports in which each op has a line: by scopes ("scope"), or along the inputs of ops ("graph").

    account   add up each node's numbers and those of the nodes below it that count
    start     begin at the nodes that the options name
    choose    keep what is shown, sorted; if the options say so, add up again, what is shown alone

Graphs may be deep, so the walks keep a stack of their own: each is a generator that gives the walks it needs.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from evergraph.formats import messages
from evergraph.training.profiler import profile, text
from evergraph.training.profiler.choice import is_shown, matches_any, takes_all
from evergraph.training.profiler.order import ordered
from evergraph.training.profiler.profile import MEASURES, ROOT, Node, Profile
from evergraph.training.profiler.text import Options

Walk = Generator[Any, Any, list["Shown"]]


def walked(walk: Walk) -> list[Shown]:
    """What a walk comes to."""
    stack, value = [walk], None
    while stack:
        try:
            stack.append(stack[-1].send(value))
            value = None
        except StopIteration as done:
            stack.pop()
            value = done.value
    return value or []


class Shown:
    """A node in a report: its own numbers, and those of it and all below it."""

    __slots__ = ("account", "children", "definitions", "line", "node", "own", "runs", "show", "total_runs", "totals")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.children: list[Shown] = []
        self.show: list[Shown] = []  # the children that count, then those that are shown
        self.account = False
        self.line = ""
        self.reset()
        self.take(-1)

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def occurrence(self) -> int:
        return self.runs

    @property
    def least(self) -> tuple[int, int]:
        return self.own[profile.PARAMETERS], self.own[profile.FLOAT_OPS]

    def take(self, step: int) -> None:
        self.own = self.node.measures(step)
        self.runs = self.node.runs(step)

    def reset(self) -> None:
        self.totals = [0] * len(MEASURES)
        self.definitions = self.total_runs = 0
        self.line = ""

    def add_self(self) -> None:
        self.totals = [a + b for a, b in zip(self.totals, self.own, strict=True)]
        self.definitions += 1
        self.total_runs += self.runs

    def add(self, other: Shown) -> None:
        self.totals = [a + b for a, b in zip(self.totals, other.totals, strict=True)]
        self.definitions += other.definitions
        self.total_runs += other.total_runs


class NodeReport:
    """A report of a profile. A subclass says what is below what (`roots`), and whether nodes that do not count stay."""

    keeps_uncounted_parents = False

    def __init__(self, of: Profile) -> None:
        self.profile = of
        self.root = Shown(Node(ROOT, "_kTFScopeParent" if self.keeps_uncounted_parents else "_TFGraphParent"))
        self.root.children = self.roots()

    def roots(self) -> list[Shown]:
        raise NotImplementedError

    def made(self, options: Options) -> tuple[str, Any]:
        """The report's lines, and as a `GraphNodeProto`."""
        root = self.root
        root.reset()
        found = walked(self._accounted(root.children, options, set()))
        for shown in found:
            root.add(shown)
        starts = options.regexes["start_name_regexes"]
        if not takes_all(starts):
            found = walked(self._started(found, starts, set()))
        root.show = found
        walked(self._chosen([root], options, 1, 0, set()))
        lines = [self._legend(options)]
        whole = self._message(lines)
        return "".join(lines), whole

    def _accounted(self, nodes: list[Shown], options: Options, visited: set[str]) -> Walk:
        types, step = options.regexes["account_type_regexes"], options.step
        found: list[Shown] = []
        for shown in nodes:
            if shown.name in visited:
                continue
            visited.add(shown.name)
            shown.reset()
            below = yield self._accounted(shown.children, options, visited)
            shown.take(step)
            shown.account = takes_all(types) or any(matches_any(t, types) for t in shown.node.types)
            if shown.account or (below and self.keeps_uncounted_parents):
                shown.add_self()
                for child in below:
                    shown.add(child)
                shown.show = below
                found.append(shown)
            else:
                found.extend(below)
        return found

    def _started(self, nodes: list[Shown], regexes: list[str], visited: set[str]) -> Walk:
        found: list[Shown] = []
        for shown in nodes:
            if shown.name in visited:
                continue
            visited.add(shown.name)
            if matches_any(shown.name, regexes):
                found.append(shown)
            else:
                found.extend((yield self._started(shown.show, regexes, visited)))
        return found

    def _chosen(self, nodes: list[Shown], options: Options, depth: int, indent: int, visited: set[str]) -> Walk:
        found: list[Shown] = []
        for shown in nodes:
            if shown.name in visited:
                continue
            visited.add(shown.name)
            visible = is_shown(shown, options, depth)
            below: list[Shown] = []
            if depth <= options.max_depth and not matches_any(shown.name, options.regexes["trim_name_regexes"]):
                below = yield self._chosen(shown.show, options, depth + 1, indent + 2 * visible, visited)
            if not visible:
                found.extend(below)
                continue
            if options.account_displayed_op_only:
                shown.reset()
                shown.add_self()
            shown.show = ordered(below, options.order_by)
            if options.account_displayed_op_only:
                for child in shown.show:
                    shown.add(child)
            shown.line = f"{' ' * indent}{self._described(shown, options)}\n"
            found.append(shown)
        return found

    def _described(self, shown: Shown, options: Options) -> str:
        select, node, own, totals = options.select, shown.node, shown.own, shown.totals

        def both(form: Any, measure: int, unit: str = "") -> str:
            return f"{form(own[measure]) if shown.account else '--'}/{form(totals[measure])}{unit}"

        info: list[str] = []
        if "params" in select:
            if node.shape:
                info.append(text.shape(node.shape))
            info.append(both(text.number, profile.PARAMETERS, " params"))
        if "float_ops" in select:
            info.append(both(text.number, profile.FLOAT_OPS, " flops"))
        for name, measure in MEMORY.items():
            if name in select:
                info.append(both(text.memory, measure))
        info.extend(both(text.time, measure) for measure in times(select))
        if "device" in select and node.device:
            info.append(node.device)
        if "op_types" in select:
            info.append("|".join(sorted(node.types)))
        if "occurrence" in select:
            runs = text.number(shown.runs) if shown.account else "--"
            defined = "1" if shown.account else "--"
            info.append(f"{runs}/{text.number(shown.total_runs)}|{defined}/{text.number(shown.definitions)}")
        if "input_shapes" in select:
            info.append("|".join(text.input_shapes(self.profile.input_shapes(node))))
        return f"{shown.name} ({', '.join(info)})"

    def _legend(self, options: Options) -> str:
        select = options.select
        heads = {"params": "# parameters", "float_ops": "# float_ops"}
        found = [head for name, head in heads.items() if name in select]
        found.extend(measure_heads(select))
        heads = {
            "device": "assigned devices",
            "op_types": "op types",
            "occurrence": "op count (run|defined)",
            "input_shapes": "input shapes",
        }
        found.extend(head for name, head in heads.items() if name in select)
        return f"node name | {' | '.join(found)}\n"

    def _message(self, lines: list[str]) -> Any:
        """The shown nodes as messages inside each other; their lines are appended to `lines`."""
        whole = messages.GraphNodeProto()
        waiting = [(self.root, whole)]
        while waiting:
            shown, message = waiting.pop()
            lines.append(shown.line)
            fill(message, shown.node, shown.own, shown.runs, shown.totals, shown.total_runs, shown.definitions)
            fill_shapes(message, self.profile.input_shapes(shown.node))
            inside = [(child, message.children.add()) for child in shown.show]
            waiting.extend(reversed(inside))
        return whole


MEMORY = {
    "bytes": profile.BYTES, "peak_bytes": profile.PEAK, "residual_bytes": profile.RESIDUAL,
    "output_bytes": profile.OUTPUT,
}  # fmt: skip
_TIMES = {
    profile.MICROS: "total execution time",
    profile.ACCELERATOR_MICROS: "accelerator execution time",
    profile.CPU_MICROS: "cpu execution time",
}
_MEMORY_HEADS = {
    "bytes": "requested bytes",
    "peak_bytes": "peak bytes",
    "residual_bytes": "residual bytes",
    "output_bytes": "output bytes",
}


def times(select: frozenset[str]) -> list[int]:
    """The measures of time that are shown."""
    if "micros" in select:
        return list(_TIMES)
    named = {"accelerator_micros": profile.ACCELERATOR_MICROS, "cpu_micros": profile.CPU_MICROS}
    return [measure for name, measure in named.items() if name in select]


def measure_heads(select: frozenset[str]) -> list[str]:
    """What the columns of memory and times are called."""
    return [head for name, head in _MEMORY_HEADS.items() if name in select] + [_TIMES[m] for m in times(select)]


def fill(
    message: Any, node: Node, own: list[int], runs: int, totals: list[int], total_runs: int, definitions: int
) -> None:
    message.name = node.name
    if node.device:
        message.devices.append(node.device)
    message.run_count, message.total_run_count, message.total_definition_count = runs, total_runs, definitions
    for name, value, total in zip(MEASURES, own, totals, strict=True):
        setattr(message, name, value)
        setattr(message, f"total_{name}", total)


def fill_shapes(message: Any, shapes: dict[int, list[int]]) -> None:
    for i, sizes in shapes.items():
        shape = message.input_shapes[i]
        if not sizes:
            shape.unknown_rank = True
        for size in sizes:
            shape.dim.add(size=size)


class ScopeReport(NodeReport):
    """Ops below the scopes that their names have."""

    keeps_uncounted_parents = True

    def roots(self) -> list[Shown]:
        known = {node.name: Shown(node) for node in self.profile.sorted()}
        for name in list(known):
            scope = name.rpartition("/")[0]
            while scope and scope not in known:
                known[scope] = Shown(Node(scope, "_kTFScopeParent"))
                scope = scope.rpartition("/")[0]
        roots: list[Shown] = []
        for name in sorted(known):
            scope, slash, _ = name.rpartition("/")
            (known[scope].children if slash else roots).append(known[name])
        return roots


class GraphReport(NodeReport):
    """Ops below those that take their outputs."""

    def roots(self) -> list[Shown]:
        known = {node.name: Shown(node) for node in self.profile.sorted()}
        taken = set()
        for shown in known.values():
            taken.update(shown.node.inputs)
            shown.children = [known[name] for name in shown.node.inputs if name in known]
        return [shown for name, shown in known.items() if name not in taken]
