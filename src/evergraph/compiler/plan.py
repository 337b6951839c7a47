"""From fetches and feeds to a plan: what has to run, in which order, in which stages.

    plan(fetches, feeds) = walk back from the fetches, stop at the feeds, keep what is needed
                         → topological order, creation order as the tie-break
                         → versions of variables (effects.py)
                         → stages (stages.py)
                         → one register per value; instructions that name registers

A plan belongs to a graph, not to a session: every session on the graph uses it, with its own values.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from evergraph.compiler.effects import VARIABLE_OPS, Effects, effects, fetched_version, variable_of
from evergraph.compiler.stages import ALWAYS_KNOWN, Kind, Level, levels
from evergraph.framework import dtypes, errors
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import size_of
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import grouped_inputs

Register = int


@dataclass(slots=True)
class Instruction:
    """One op of a stage, ready to run: kernel, registers in, registers out."""

    op: Operation
    kernel: Callable[..., Any]
    inputs: tuple[Any, ...]  # a register per input; a tuple of registers for a list input
    grouped: bool  # whether some input is a list
    attrs: dict[str, Any]
    outputs: tuple[Register, ...]  # new versions first, then plain outputs
    types: tuple[Any, ...]  # their NumPy dtypes; None leaves a value as it is
    random: int = -1  # position of the op's counter among the stage's, or -1
    static: tuple[bool, ...] = ()  # which inputs must be NumPy arrays
    pure: bool = True
    as_list: bool = False  # the kernel gives a list even for one output
    declared_shape: Any = None  # what Assign must give, when the variable's shape is declared
    session: bool = False  # the kernel wants to know which run it is part of
    frees: tuple[Register, ...] = ()  # registers nobody reads after this instruction (interpreted stages)


@dataclass(slots=True)
class Stage:
    """Ops of one kind and one device that run together: one XLA program, or a walk through NumPy kernels."""

    kind: Kind
    instructions: list[Instruction]
    inputs: tuple[Register, ...] = ()  # values made by feeds and earlier stages
    static_inputs: tuple[Register, ...] = ()  # of those, the ones that must be known while tracing
    reads: tuple[str, ...] = ()  # variables read at the version of the start of the run
    read_registers: tuple[Register, ...] = ()
    optional_reads: frozenset[str] = frozenset()  # of those, the ones that may have no value
    writes: tuple[str, ...] = ()  # variables this stage leaves a new value in
    write_registers: tuple[Register, ...] = ()
    donated: frozenset[str] = frozenset()  # variables whose old value nobody needs afterwards
    outputs: tuple[Register, ...] = ()  # values that later stages or fetches need
    random_ops: tuple[Operation, ...] = ()
    needs_run: bool = False  # some kernel wants to know which run it is part of
    largest: int = 0  # elements of the largest value whose static shape is known
    executables: dict[Any, Any] = field(default_factory=dict)  # by input signature: how to run it (executor.py)


@dataclass(slots=True)
class Plan:
    stages: list[Stage]
    registers: list[Any]  # constants in place, None elsewhere: each run starts with a copy
    feeds: tuple[Tensor, ...]
    feed_registers: tuple[Register, ...]
    fetches: tuple[Tensor, ...]
    fetch_registers: tuple[Register, ...]
    variable_fetches: tuple[tuple[int, str], ...]  # positions of fetches that are just a variable's value at the start
    keeps: tuple[tuple[str, Register], ...]  # start-of-run values that a stage after the first write still needs
    effects: Effects
    ops: list[Operation]
    readers: dict[Operation, list[tuple[Operation, Any, int | None]]] | None = None  # with control flow: who reads whom
    parts: Any = None  # of a plan in which one op may wait while others go on (runtime/handover.py)


# A plan that holds one of these runs as a flow of tokens (runtime/dataflow.py), not in stages.
CONTROL_FLOW = frozenset(
    "Switch RefSwitch Merge RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration LoopCond StackV2 "
    "TensorArrayV3".split()
)


def needed_ops(fetches: Sequence[Tensor | Operation], fed: frozenset[Tensor]) -> list[Operation]:
    """The ops that `fetches` need when `fed` come from outside, in creation order."""
    needed: dict[Operation, int] = {}
    stack = [f if isinstance(f, Operation) else f.op for f in fetches if f not in fed]
    while stack:
        op = stack.pop()
        if op in needed:
            continue
        needed[op] = 0
        stack.extend(t.op for t in op.inputs if t not in fed and t.op not in needed)
        stack.extend(c for c in op._control_inputs if c not in needed)
    return sorted(needed, key=_number)


def topological(ordered: list[Operation], fed: frozenset[Tensor]) -> list[Operation]:
    """Ops in topological order, creation order being the tie-break.

    Raises:
        InvalidArgumentError: if they form a cycle.
    """
    if all(_comes_after_its_inputs(op, fed) for op in ordered):
        return ordered
    return _sorted_by_edges(ordered, fed)


def _number(op: Operation) -> int:
    return op._id


def _comes_after_its_inputs(op: Operation, fed: frozenset[Tensor]) -> bool:
    number = op._id
    return all(t.op._id < number or t in fed for t in op.inputs) and all(c._id < number for c in op._control_inputs)


def _sorted_by_edges(ops: list[Operation], fed: frozenset[Tensor]) -> list[Operation]:
    waiting: dict[Operation, int] = {}
    readers: dict[Operation, list[Operation]] = {}
    for op in ops:
        sources = {t.op for t in op.inputs if t not in fed} | set(op._control_inputs)
        waiting[op] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(op)
    ready = [(op._id, op) for op in ops if waiting[op] == 0]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, op = heapq.heappop(ready)
        ordered.append(op)
        for reader in readers.get(op, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, (reader._id, reader))
    if len(ordered) < len(ops):
        circle = [op for op in ops if waiting[op] > 0]
        names = ", ".join(repr(op.name) for op in circle[:5])
        raise errors.InvalidArgumentError(
            None, circle[0], f"the graph has a cycle through {names}: none of these ops can ever run"
        )
    return ordered


def unsupported(ops: Sequence[Operation]) -> errors.OpError | None:
    """One error that names every op of `ops` that Evergraph cannot run, or None."""
    missing = [op for op in ops if not op.opdef.is_declared and op.type not in VARIABLE_OPS]
    if not missing:
        return None
    types: dict[str, list[Operation]] = {}
    for op in missing:
        types.setdefault(op.type, []).append(op)
    lines = [
        f"{kind} ({', '.join(repr(op.name) for op in ops[:3])}{', ...' if len(ops) > 3 else ''})"
        + (f" built at {built_at(ops[0].frames)}" if ops[0].frames else "")
        for kind, ops in types.items()
    ]
    message = f"Evergraph cannot run {len(types)} op type(s) that these fetches need:\n  " + "\n  ".join(lines)
    return errors.UnimplementedError(None, missing[0], message)


def make_plan(
    fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor], place: Callable[[Operation], str]
) -> Plan:
    """Plan a run. `place` gives the device that an op runs on, or raises for one that does not exist."""
    fed = frozenset(feeds)
    ops = needed_ops(fetches, fed)
    if (error := unsupported(ops)) is not None:
        raise error
    if any(op.type in CONTROL_FLOW for op in ops):
        for op in ops:
            place(op)
        return _plan_of_tokens(fetches, feeds, fed, ops)
    ops = topological(ops, fed)
    found = effects(ops, fed)
    leveled = levels(ops, fed, found, place)
    return _Assembly(fetches, feeds, fed, ops, found, leveled).plan()


def _plan_of_tokens(
    fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor], fed: frozenset[Tensor], ops: list[Operation]
) -> Plan:
    readers: dict[Operation, list[tuple[Operation, Any, int | None]]] = {}
    for op in ops:
        for position, t in enumerate(op.inputs):
            if t not in fed:
                readers.setdefault(t.op, []).append((op, position, t.value_index))
        for control in op._control_inputs:
            readers.setdefault(control, []).append((op, control, None))
    tensors = tuple(f for f in fetches if isinstance(f, Tensor))
    return Plan([], [], tuple(feeds), (), tensors, (), (), (), Effects(), ops, readers)


class _Assembly:
    """The state of putting a plan together: register numbers, and who reads which."""

    def __init__(
        self,
        fetches: Sequence[Tensor | Operation],
        feeds: Sequence[Tensor],
        fed: frozenset[Tensor],
        ops: list[Operation],
        found: Effects,
        leveled: dict[Operation, Level],
    ) -> None:
        self.fetch_tensors = tuple(f for f in fetches if isinstance(f, Tensor))
        self.feeds, self.fed, self.ops, self.effects, self.leveled = tuple(feeds), fed, ops, found, leveled
        self.registers: list[Any] = []
        self.of_tensor: dict[Tensor, Register] = {}
        self.of_version: dict[tuple[str, int], Register] = {}
        self.constants: set[Register] = set()

    def new(self, value: Any = None) -> Register:
        self.registers.append(value)
        return len(self.registers) - 1

    def tensor_register(self, t: Tensor) -> Register:
        found = self.of_tensor.get(t)
        if found is None:
            found = self.of_tensor[t] = self.new()
        return found

    def version_register(self, key: str, version: int) -> Register:
        found = self.of_version.get((key, version))
        if found is None:
            found = self.of_version[key, version] = self.new()
        return found

    def fetch_register(self, t: Tensor) -> Register:
        if t not in self.fed and (t.dtype._is_ref_dtype or t.dtype is dtypes.resource) and variable_of(t) is not None:
            return self.version_register(*fetched_version(t, self.effects))
        return self.tensor_register(t)

    def plan(self) -> Plan:
        feed_registers = tuple(self.tensor_register(t) for t in self.feeds)
        by_level: dict[Level, list[Operation]] = {}
        for op in self.ops:
            if op.type == "Const":
                register = self.new(op.attrs["value"])
                self.of_tensor[op.outputs[0]] = register
                self.constants.add(register)
            elif op.type not in VARIABLE_OPS:
                by_level.setdefault(self.leveled[op], []).append(op)
        stages = [
            Stage(level.kind, [self.instruction(op) for op in by_level[level]])
            for level in sorted(by_level, key=Level.order)
        ]
        for stage in stages:
            self.number_random_ops(stage)
            sizes = (size_of(t.static_shape) or 0 for i in stage.instructions for t in i.op.outputs)
            stage.largest = max(sizes, default=0)
        fetch_registers = tuple(self.fetch_register(t) for t in self.fetch_tensors)
        self.connect(stages, feed_registers, fetch_registers)
        start = {register: key for (key, version), register in self.of_version.items() if version == 0}
        keeps = []
        for register, key in start.items():
            first_write = next((i for i, s in enumerate(stages) if key in s.writes), None)
            users = [i for i, s in enumerate(stages) if register in s.read_registers]
            if first_write is not None and (register in fetch_registers or any(i > first_write for i in users)):
                keeps.append((key, register))
        kept = {key for key, _ in keeps}
        for stage in stages:
            stage.donated = frozenset(k for k in stage.writes if k in stage.reads and k not in kept)
        return Plan(
            stages=stages,
            registers=self.registers,
            feeds=self.feeds,
            feed_registers=feed_registers,
            fetches=self.fetch_tensors,
            fetch_registers=fetch_registers,
            variable_fetches=tuple((i, start[r]) for i, r in enumerate(fetch_registers) if r in start),
            keeps=tuple(keeps),
            effects=self.effects,
            ops=self.ops,
        )

    def instruction(self, op: Operation) -> Instruction:
        opdef = op.opdef
        assert opdef.kernel is not None
        flat = []
        for position, t in enumerate(op.inputs):
            version = self.effects.reads.get((op, position))
            flat.append(self.tensor_register(t) if version is None else self.version_register(*version))
        inputs: tuple[Any, ...] = tuple(flat)
        static: tuple[bool, ...] = opdef.shape_static
        if not opdef.plain:
            grouped, position = [], 0
            for arg, group in zip(opdef.inputs, grouped_inputs(op), strict=True):
                part = flat[position : position + len(group)]
                grouped.append(tuple(part) if arg.is_list else part[0])
                position += len(group)
            inputs = tuple(grouped)
        outputs = [self.version_register(*made) for made in self.effects.writes.get(op, ())]
        types: list[Any] = [None] * len(outputs)
        for t in op.outputs:
            if t.dtype._is_ref_dtype and opdef.updates:
                continue
            outputs.append(self.new() if t in self.fed else self.tensor_register(t))
            kind = t.dtype._base
            types.append(None if kind._kind in "SRVq" else kind.np)
        return Instruction(
            op=op,
            kernel=opdef.kernel,
            inputs=inputs,
            grouped=any(isinstance(i, tuple) for i in inputs),
            attrs={name: op.attrs[name] for name in opdef.kernel_attrs},
            outputs=tuple(outputs),
            types=tuple(types),
            static=static,
            declared_shape=self.declared_shape(op),
            session=opdef.session,
            pure=not (opdef.updates or opdef.random_blocks or opdef.is_stateful or opdef.host),
        )

    def declared_shape(self, op: Operation) -> Any:
        """The shape that an Assign has to keep to: the kernel itself does not see that of a variable without value."""
        if op.type != "Assign" or not op.attrs["validate_shape"]:
            return None
        variable = variable_of(op.inputs[0])
        shape = None if variable is None else variable.attrs.get("shape")
        return shape if shape is not None and None not in shape else None

    def number_random_ops(self, stage: Stage) -> None:
        random_ops: list[Operation] = []
        for instruction in stage.instructions:
            if instruction.op.opdef.random_blocks is not None:
                instruction.random = len(random_ops)
                random_ops.append(instruction.op)
        stage.random_ops = tuple(random_ops)
        stage.needs_run = any(instruction.session for instruction in stage.instructions)

    def connect(self, stages: list[Stage], feeds: tuple[Register, ...], fetches: tuple[Register, ...]) -> None:
        """Find out which registers cross a stage's border, and which variables it touches."""
        start = {register: key for (key, version), register in self.of_version.items() if version == 0}
        made_by: dict[Register, int] = {}
        read_by: list[dict[Register, None]] = []
        for number, stage in enumerate(stages):
            read: dict[Register, None] = {}
            optional: dict[str, bool] = {}
            static: dict[Register, None] = {}
            for instruction in stage.instructions:
                blind = instruction.op.opdef.blind
                for arg, source, is_static in zip(
                    instruction.op.opdef.inputs, instruction.inputs, instruction.static, strict=True
                ):
                    for register in source if isinstance(source, tuple) else (source,):
                        if register in start:
                            key = start[register]
                            optional[key] = optional.get(key, True) and arg.name in blind
                        read[register] = None
                        if is_static:
                            static[register] = None
                for register in instruction.outputs:
                    made_by[register] = number
            # What a static operand is computed from inside the stage must be known too.
            for instruction in reversed(stage.instructions):
                if instruction.op.type not in ALWAYS_KNOWN and not static.keys().isdisjoint(instruction.outputs):
                    for source in instruction.inputs:
                        static.update(dict.fromkeys(source if isinstance(source, tuple) else (source,)))
            inside = {r for i in stage.instructions for r in i.outputs}
            outside = [r for r in read if r not in inside and r not in self.constants]
            stage.reads = tuple(start[r] for r in outside if r in start)
            stage.read_registers = tuple(r for r in outside if r in start)
            stage.optional_reads = frozenset(k for k, only_blind in optional.items() if only_blind)
            stage.inputs = tuple(r for r in outside if r not in start)
            stage.static_inputs = tuple(r for r in stage.inputs if r in static)
            read_by.append(dict.fromkeys(outside))
        fetched = set(fetches)
        for number, stage in enumerate(stages):
            last: dict[str, Register] = {}
            for instruction in stage.instructions:
                for key, version in self.effects.writes.get(instruction.op, ()):
                    last[key] = self.of_version[key, version]
            stage.writes = tuple(last)
            stage.write_registers = tuple(last.values())
            later: set[Register] = set().union(*read_by[number + 1 :]) | fetched
            inside = dict.fromkeys(r for i in stage.instructions for r in i.outputs)  # type: ignore[assignment]
            stage.outputs = tuple(r for r in inside if r in later)
            self.free_early(stage, later | set(stage.write_registers))

    def free_early(self, stage: Stage, needed_later: set[Register]) -> None:
        """Note after which instruction an interpreted stage can let go of a value made inside it."""
        inside = {r for i in stage.instructions for r in i.outputs}
        seen: set[Register] = set()
        for instruction in reversed(stage.instructions):
            used = set(instruction.outputs)
            for source in instruction.inputs:
                used.update(source if isinstance(source, tuple) else (source,))
            instruction.frees = tuple(r for r in used if r in inside and r not in seen and r not in needed_later)
            seen |= used
