"""From fetches and feeds to a plan: what has to run, in which order, in which stages.

    plan(fetches, feeds) = walk back from the fetches, stop at the feeds, keep what is needed
                         → topological order, creation order as the tie-break
                         → loops folded, guards of branches (regions.py)
                         → versions of variables (effects.py)
                         → stages (stages.py)
                         → one register per value; instructions that name registers

A plan belongs to a graph, not to a session: every session on the graph uses it, with its own values.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from evergraph.compiler.calls import spelled_out
from evergraph.compiler.effects import VARIABLE_OPS, Effects, effects, fetched_version, shared_reference, variable_of
from evergraph.compiler.regions import (
    MERGES,
    SWITCHES,
    Guards,
    LoopOp,
    Region,
    Structure,
    Unstructured,
    behind_identities,
    structured,
)
from evergraph.compiler.stages import ALWAYS_KNOWN, HOST, MAKERS_OF_LISTS, Kind, Level, levels
from evergraph.framework import dtypes, errors
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import size_of
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import grouped_inputs
from evergraph.ops.state import handle_bytes

Register = int


@dataclass(slots=True)
class Instruction:
    """One op of a stage, ready to run: kernel, registers in, registers out."""

    op: Any  # an Operation, or a LoopOp in place of one
    kernel: Callable[..., Any]
    inputs: tuple[Any, ...]  # a register per input; a tuple of registers for a list input
    grouped: bool  # whether some input is a list
    attrs: dict[str, Any]
    outputs: tuple[Register, ...]  # new versions first, then plain outputs
    types: tuple[Any, ...]  # their NumPy dtypes; None leaves a value as it is
    random: int = -1  # position of the op's counter among the stage's, or -1
    static: tuple[bool, ...] = ()  # which inputs must be NumPy arrays
    pure: bool = True
    declared_shape: Any = None  # what Assign must give, when the variable's shape is declared
    session: bool = False  # the kernel wants to know which run it is part of
    guards: tuple[tuple[Register, bool], ...] = ()  # the op runs if each of these predicates has that value
    bases: tuple[Register, ...] = ()  # per new version: the one before it, which stays if the op does not run
    selector: tuple[Register, bool] | None = None  # of a Merge: takes its first input if the predicate has that value
    loop: LoopProgram | None = None  # of a loop: what it does
    # Positions of variables whose old value nobody reads after this instruction (interpreted stages), and how many
    # references to one there are then.
    overwrites: tuple[tuple[int, int], ...] = ()
    frees: tuple[Register, ...] = ()  # registers nobody reads after this instruction (interpreted stages)


@dataclass(slots=True)
class LoopProgram:
    """A loop in the form in which it runs. Its registers are its own; a copy of them serves one run of the loop.

    variables = the inputs at `starts`
    while True:
        run head
        if not go: break
        run body
        variables = nexts
    outputs = the variables at `results`
    """

    op: LoopOp
    registers: list[Any]  # constants in place
    inputs: tuple[Register, ...]  # where each input of the loop goes
    variables: tuple[Register, ...]
    starts: tuple[int, ...]
    head: list[Instruction]
    go: Register
    body: list[Instruction]
    nexts: tuple[Register, ...]
    results: tuple[int, ...]
    static_inputs: frozenset[int]  # positions of inputs that must be known before the loop is compiled
    # Positions of inputs that had better be: they decide which branch runs, or where a slice begins.
    predicates: frozenset[int]
    turns: int = 0  # how many iterations were interpreted so far, over all runs
    seen: Any = None  # what was seen of its values meanwhile
    parts: Any = None  # the parts in which it runs from then on (segments.py)

    def instructions(self) -> Iterator[Instruction]:
        """All of its instructions, those of loops inside included."""
        for instruction in (*self.head, *self.body):
            yield instruction
            if instruction.loop is not None:
                yield from instruction.loop.instructions()


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
    guarded_reads: frozenset[str] = frozenset()  # those that only ops of branches read: they may have no value, too
    writes: tuple[str, ...] = ()  # variables this stage leaves a new value in
    write_registers: tuple[Register, ...] = ()
    donated: frozenset[str] = frozenset()  # variables whose old value nobody needs afterwards
    outputs: tuple[Register, ...] = ()  # values that later stages or fetches need
    random_ops: tuple[Operation, ...] = ()
    holds_handles: bool = False  # lists of tensors come in or go out, which no compiled program can hand over
    needs_run: bool = False  # some kernel wants to know which run it is part of
    only_moves: bool = False  # what comes in goes into variables as it is: there is nothing to compute
    only_reads: bool = False  # variables go as they are to ops of the host
    longest_chain: int = 0  # element-wise ops that follow each other with nothing between that XLA keeps apart
    largest_draw: int = 0  # elements of the largest random value whose static shape is known
    largest: int = 0  # elements of the largest value whose static shape is known
    seen: Any = None  # what was seen of its values while it was interpreted (segments.py)
    parts: Any = None  # itself in parts, some of them compiled
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
    ops: list[Any]
    may_be_dead: bool = False  # a fetch is in a branch
    readers: dict[Operation, list[tuple[Operation, Any, int | None]]] | None = None  # with control flow: who reads whom
    parts: Any = None  # of a plan in which one op may wait while others go on (runtime/handover.py)


READS = frozenset(("Identity", "ReadVariableOp", "NoOp"))
MOVES = frozenset(("Assign", "AssignVariableOp", "Identity", "NoOp"))
CONTROL_FLOW = frozenset(
    "Switch RefSwitch Merge RefMerge Enter RefEnter Exit RefExit NextIteration RefNextIteration LoopCond".split()
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
        stack.extend(c for c in op._control_inputs if c not in needed and not is_fed_placeholder(c, fed))
    return sorted(needed, key=_number)


def is_fed_placeholder(op: Operation, fed: Container[Tensor]) -> bool:
    """Whether `op` has nothing to do in this run: what waits for it need not."""
    return op.type in ("Placeholder", "PlaceholderV2") and op.outputs[0] in fed


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
        controls = {c for c in op._control_inputs if not is_fed_placeholder(c, fed)}
        sources = {t.op for t in op.inputs if t not in fed} | controls
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
        names = ", ".join(op.name for op in circle[:5]) + (", ..." if len(circle) > 5 else "")
        raise errors.InvalidArgumentError(
            None,
            circle[0],
            f"Graph is invalid, contains a cycle with {len(circle)} nodes, including: {names}: "
            "none of them can ever run",
        )
    return ordered


def unsupported(ops: Sequence[Operation]) -> errors.OpError | None:
    """One error that names every op of `ops` that Evergraph cannot run, or None."""
    missing = [op for op in ops if not op.opdef.is_declared and op.type not in VARIABLE_OPS]
    if not missing:
        for op in ops:
            if op.opdef.check is not None and (error := op.opdef.check(op.attrs)) is not None:
                return type(error)(None, op, f"{error.message}\n\t [[{{{{node {op.name}}}}}]]")
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
    asked = tuple(f for f in fetches if isinstance(f, Tensor))
    spelled = spelled_out(ops, fed)
    if spelled is not None:
        ops = spelled[0]
        fetches = [f if f in fed else spelled[1].tensor(f) for f in fetches]
        ops = sorted(set(ops) & set(needed_ops(fetches, fed)), key=_number)
    if (error := unsupported(ops)) is not None:
        raise error
    if any(op.type in CONTROL_FLOW for op in ops):
        try:
            structure = structured(ops, fed)
        except Unstructured:
            for op in ops:
                place(op)
            return _plan_of_tokens(fetches, feeds, fed, ops)
    else:
        structure = Structure(topological(ops, fed), {}, {})
    found = effects(structure.ops, fed, structure.maker)
    leveled = levels(structure, fed, found, place)
    plan = _Assembly(fetches, feeds, fed, structure, found, leveled).plan()
    plan.fetches = asked
    return plan


def _plan_of_tokens(
    fetches: Sequence[Tensor | Operation], feeds: Sequence[Tensor], fed: frozenset[Tensor], ops: list[Operation]
) -> Plan:
    readers: dict[Operation, list[tuple[Operation, Any, int | None]]] = {}
    for op in ops:
        for position, t in enumerate(op.inputs):
            if t not in fed:
                readers.setdefault(t.op, []).append((op, position, t.value_index))
        for control in op._control_inputs:
            if is_fed_placeholder(control, fed):
                continue
            readers.setdefault(control, []).append((op, control, None))
    tensors = tuple(f for f in fetches if isinstance(f, Tensor))
    return Plan([], [], tuple(feeds), (), tensors, (), (), (), Effects(), ops, readers=readers)


class _Block:
    """Instructions under construction, and the registers they share."""

    def __init__(
        self, fed: frozenset[Tensor], guards: dict[Any, Guards], maker: dict[Operation, LoopOp], found: Effects
    ) -> None:
        self.fed, self.guards, self.maker, self.effects = fed, guards, maker, found
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

    def constant(self, op: Operation) -> None:
        register = self.tensor_register(op.outputs[0])
        self.registers[register] = op.attrs["value"]
        self.constants.add(register)

    def handle_register(self, declared: Operation) -> Register:
        """What stands for a handle that is fetched or given on. Who reads it finds its variable (effects.py)."""
        register = self.tensor_register(declared.outputs[0])
        self.registers[register] = handle_bytes(declared)
        self.constants.add(register)
        return register

    def guards_of(self, t: Tensor) -> Guards:
        op = self.maker.get(t.op, t.op)
        found = self.guards.get(op, frozenset())
        if op.type in SWITCHES:
            found |= {(behind_identities(op.inputs[1], self.fed), bool(t.value_index))}
        return found

    def instruction(self, op: Any) -> Instruction:
        made = self._plain_instruction(op)
        made.guards = tuple(
            (self.tensor_register(t), side) for t, side in sorted(self.guards.get(op, ()), key=_literal)
        )
        if made.guards:
            made.pure = False
            made.bases = tuple(self.version_register(k, v - 1) for k, v in self.effects.writes.get(op, ()))
        return made

    def _plain_instruction(self, op: Any) -> Instruction:
        opdef = op.opdef
        assert opdef.kernel is not None
        flat = []
        for position, t in enumerate(op.inputs):
            version = self.effects.reads.get((op, position))
            if version is not None:
                flat.append(self.version_register(*version))
            elif t.op.type == "VarHandleOp" and t not in self.fed:
                flat.append(self.handle_register(t.op))
            else:
                flat.append(self.tensor_register(t))
        if isinstance(op, LoopOp):
            assert op.region is not None
            program = _LoopBlock(op.region, self.fed).program()
            return Instruction(
                op=op,
                kernel=opdef.kernel,
                inputs=tuple(flat),
                grouped=False,
                attrs={},
                outputs=(
                    *(self.version_register(*made) for made in self.effects.writes.get(op, ())),  # type: ignore[call-overload]  # a loop may be a key too
                    *(self.tensor_register(t) for t in op.outputs),
                ),
                types=(*[None] * len(op.region.updated), *(_kind(t) for t in op.outputs)),
                static=tuple(i in program.static_inputs for i in range(len(flat))),
                pure=False,
                loop=program,
            )
        if op.type in MERGES:
            first, second = (self.guards_of(t) for t in op.inputs)
            ((predicate, side),) = first - second
            return Instruction(
                op=op,
                kernel=opdef.kernel,
                inputs=(tuple(flat),),
                grouped=True,
                attrs={},
                outputs=tuple(self.tensor_register(t) for t in op.outputs),
                types=tuple(_kind(t) for t in op.outputs),
                static=(False,),
                pure=False,
                selector=(self.tensor_register(predicate), side),
            )
        inputs: tuple[Any, ...] = tuple(flat)
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
            types.append(_kind(t))
        return Instruction(
            op=op,
            kernel=_on_both_sides if op.type in SWITCHES else opdef.kernel,
            inputs=inputs,
            grouped=any(isinstance(i, tuple) for i in inputs),
            attrs={name: _attribute(op, name) for name in opdef.kernel_attrs},
            outputs=tuple(outputs),
            types=tuple(types),
            static=opdef.shape_static,
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


def _take_as_input(stage: Stage, key: str, register: Register) -> None:
    """Have a stage take the value that a variable had at the start of the run, not the one that it has by now."""
    if register in stage.read_registers:
        pairs = [p for p in zip(stage.reads, stage.read_registers, strict=True) if p[1] != register]
        stage.reads = tuple(k for k, _ in pairs)
        stage.read_registers = tuple(r for _, r in pairs)
        stage.optional_reads -= {key}
        stage.guarded_reads -= {key}
        stage.inputs = (*stage.inputs, register)


def _literal(literal: tuple[Tensor, bool]) -> Any:
    return literal[0].op._id, literal[0].value_index, literal[1]


def _attribute(op: Operation, name: str) -> Any:
    """An attribute, or its default: a program may have taken it away (`_clear_attr`)."""
    return op.attrs[name] if name in op.attrs else op.opdef.attr_map[name].default


def _kind(t: Tensor) -> Any:
    kind = t.dtype._base
    return None if kind._kind in "SRVq" else kind.np


def _on_both_sides(xp: Any, data: Any, pred: Any) -> Any:
    """A Switch, where guards say who runs: whoever runs finds the value."""
    return data, data


class _LoopBlock(_Block):
    """A loop's region as instructions."""

    def __init__(self, region: Region, fed: frozenset[Tensor]) -> None:
        super().__init__(fed, region.guards, region.maker, region.effects)
        self.region = region

    def tensor_register(self, t: Tensor) -> Register:
        while t in self.region.aliases:
            t = self.region.aliases[t]
        return super().tensor_register(t)

    def program(self) -> LoopProgram:
        region, loop = self.region, self.region.loop
        position_of = {op: i for i, op in enumerate(loop.enters)}
        inputs = tuple(self.new() if op in region.starts else self.tensor_register(op.outputs[0]) for op in loop.enters)
        parts = []
        for ops in (region.head, region.body):
            for op in ops:
                if op.type == "Const":
                    self.constant(op)
            parts.append([self.instruction(op) for op in ops if op.type != "Const"])
        head, body = parts
        assert region.go is not None
        static, predicates = self.needed_from_outside([*head, *body])
        return LoopProgram(
            op=loop,
            inputs=inputs,
            variables=(
                *(self.tensor_register(op.outputs[0]) for op in region.merges),
                *(self.version_register(key, 0) for key, _ in region.updated),
            ),
            starts=(*(position_of[op] for op in region.starts), *(i for _, i in region.updated)),
            head=head,
            go=self.tensor_register(region.go),
            body=body,
            nexts=(
                *(self.next_register(op) for op in region.backs),
                *(self.version_register(key, region.effects.last[key]) for key, _ in region.updated),
            ),
            results=(*range(len(region.merges), len(region.merges) + len(region.updated)), *region.results),
            static_inputs=frozenset(i for i, r in enumerate(inputs) if r in static),
            predicates=frozenset(i for i, r in enumerate(inputs) if r in predicates),
            registers=self.registers,
        )

    def next_register(self, back: Operation) -> Register:
        """What a loop variable becomes; for a reference, the version that its NextIteration sees."""
        version = self.effects.reads.get((back, 0))
        return self.tensor_register(back.inputs[0]) if version is None else self.version_register(*version)

    def needed_from_outside(self, instructions: list[Instruction]) -> tuple[set[Register], set[Register]]:
        """Registers that must be known while the loop is traced, and those that had better be."""
        static: set[Register] = set()
        predicates: set[Register] = set()
        for instruction in reversed(instructions):
            predicates.update(r for r, _ in instruction.guards)
            if instruction.loop is not None:
                predicates.update(instruction.inputs[i] for i in instruction.loop.predicates)
            opdef = instruction.op.opdef
            names = [""] * len(instruction.inputs) if instruction.loop else [arg.name for arg in opdef.inputs]
            for name, source, is_static in zip(names, instruction.inputs, instruction.static, strict=True):
                if is_static:
                    wanted = predicates if name in opdef.dynamic else static
                    wanted.update(source if isinstance(source, tuple) else (source,))
            if instruction.op.type not in ALWAYS_KNOWN and not static.isdisjoint(instruction.outputs):
                for source in instruction.inputs:
                    static.update(source if isinstance(source, tuple) else (source,))
        return static, predicates


class _Assembly(_Block):
    """A plan under construction."""

    def __init__(
        self,
        fetches: Sequence[Tensor | Operation],
        feeds: Sequence[Tensor],
        fed: frozenset[Tensor],
        structure: Structure,
        found: Effects,
        leveled: dict[Any, Level],
    ) -> None:
        super().__init__(fed, structure.guards, structure.maker, found)
        self.fetch_tensors = tuple(f for f in fetches if isinstance(f, Tensor))
        self.feeds, self.ops, self.leveled = tuple(feeds), structure.ops, leveled
        self.idle = _idle(structure, fetches)

    def fetch_register(self, t: Tensor) -> Register:
        if t.dtype is dtypes.resource and t not in self.fed and (declared := variable_of(t)) is not None:
            return self.handle_register(declared)
        if t.dtype._is_ref_dtype and t not in self.fed and variable_of(t) is not None:
            return self.version_register(*fetched_version(t, self.effects))
        reference = None if t in self.fed or not self.effects.last else shared_reference(t, self.fed)
        if reference is not None and not self.guards_of(t):
            key, version = fetched_version(reference, self.effects)
            if version:
                return self.version_register(key, version)
        return self.tensor_register(t)

    def plan(self) -> Plan:
        feed_registers = tuple(self.tensor_register(t) for t in self.feeds)
        by_level: dict[Level, list[Operation]] = {}
        for op in self.ops:
            if op.type == "Const":
                self.constant(op)
            elif op.type not in VARIABLE_OPS and op not in self.idle:
                by_level.setdefault(self.leveled[op], []).append(op)
        stages = [
            Stage(level.kind, [self.instruction(op) for op in by_level[level]])
            for level in sorted(by_level, key=Level.order)
        ]
        for stage in stages:
            self.number_random_ops(stage)
            sizes = (size_of(t.static_shape) or 0 for i in stage.instructions for t in i.op.outputs)
            stage.largest = max(sizes, default=0)
            draws = (size_of(t.static_shape) or 0 for op in stage.random_ops for t in op.outputs)
            stage.largest_draw = max(draws, default=0)
            stage.longest_chain = _longest_chain(stage.instructions)
        fetch_registers = tuple(self.fetch_register(t) for t in self.fetch_tensors)
        self.connect(stages, feed_registers, fetch_registers)
        for stage in stages:
            stage.only_reads = (
                not (stage.inputs or stage.writes)
                and all(i.op.type in READS for i in stage.instructions)
                and all(s.kind == HOST for s in stages if not set(stage.outputs).isdisjoint(s.inputs))
            )
            stage.only_moves = stage.optional_reads.issuperset(stage.reads) and all(
                i.op.type in MOVES for i in stage.instructions
            )
        start = {register: key for (key, version), register in self.of_version.items() if version == 0}
        keeps = []
        for register, key in start.items():
            first_write = next((i for i, s in enumerate(stages) if key in s.writes), None)
            users = [i for i, s in enumerate(stages) if register in s.read_registers]
            if first_write is not None and (register in fetch_registers or any(i > first_write for i in users)):
                keeps.append((key, register))
                for stage in stages[first_write + 1 :]:
                    _take_as_input(stage, key, register)
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
            may_be_dead=any(bool(self.guards_of(t)) for t in self.fetch_tensors if t not in self.fed),
        )

    def number_random_ops(self, stage: Stage) -> None:
        random_ops: list[Operation] = []
        for instruction in every(stage.instructions):
            if instruction.op.opdef.random_blocks is not None:
                instruction.random = len(random_ops)
                random_ops.append(instruction.op)
        stage.random_ops = tuple(random_ops)
        stage.needs_run = any(i.session or i.loop is not None for i in every(stage.instructions))

    def connect(self, stages: list[Stage], feeds: tuple[Register, ...], fetches: tuple[Register, ...]) -> None:
        """Find out which registers cross a stage's border, and which variables it touches."""
        start = {register: key for (key, version), register in self.of_version.items() if version == 0}
        read_by: list[dict[Register, None]] = []
        known_early = set(feeds)  # feeds, and what host stages made so far
        handles = {r for t, r in self.of_tensor.items() if t.op.type in MAKERS_OF_LISTS and t.dtype is dtypes.resource}
        for stage in stages:
            read: dict[Register, None] = {}
            optional: dict[str, bool] = {}
            guarded: dict[str, bool] = {}
            static: dict[Register, None] = {}
            predicates: set[Register] = set()
            for instruction in stage.instructions:
                opdef = instruction.op.opdef
                names = [""] * len(instruction.inputs) if instruction.loop else [arg.name for arg in opdef.inputs]
                for name, source, is_static in zip(names, instruction.inputs, instruction.static, strict=True):
                    for register in source if isinstance(source, tuple) else (source,):
                        if register in start:
                            key = start[register]
                            is_blind = name in opdef.blind
                            in_branch = bool(instruction.guards) or instruction.op.type in SWITCHES
                            optional[key] = optional.get(key, True) and is_blind and not in_branch
                            guarded[key] = guarded.get(key, True) and (is_blind or in_branch)
                        read[register] = None
                        if is_static and name in opdef.dynamic:
                            predicates.add(register)
                        elif is_static:
                            static[register] = None
                deciding = [r for r, _ in instruction.guards]
                deciding += [instruction.selector[0]] if instruction.selector else []
                if instruction.loop is not None:
                    predicates.update(instruction.inputs[i] for i in instruction.loop.predicates)
                predicates.update(deciding)
                read.update(dict.fromkeys([*deciding, *instruction.bases]))
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
            stage.guarded_reads = frozenset(k for k, only in guarded.items() if only and k not in stage.optional_reads)
            stage.inputs = tuple(r for r in outside if r not in start)
            decided = predicates & known_early  # a branch that is known not to run is left out of the program
            stage.static_inputs = tuple(r for r in stage.inputs if r in static or r in decided)
            stage.holds_handles = not handles.isdisjoint(stage.inputs)
            if stage.kind == HOST:
                known_early |= inside
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
            made = dict.fromkeys(r for i in stage.instructions for r in i.outputs)
            stage.outputs = tuple(r for r in made if r in later)
            stage.holds_handles |= not handles.isdisjoint(stage.outputs)
            self.free_early(stage, later | set(stage.write_registers))

    def free_early(self, stage: Stage, needed_later: set[Register]) -> None:
        """Note after which instruction an interpreted stage can let go of a value made inside it."""
        inside = {r for i in stage.instructions for r in i.outputs}
        seen: set[Register] = set()
        for instruction in reversed(stage.instructions):
            used = {*instruction.outputs, *instruction.bases, *(r for r, _ in instruction.guards)}
            if instruction.selector is not None:
                used.add(instruction.selector[0])
            for source in instruction.inputs:
                used.update(source if isinstance(source, tuple) else (source,))
            instruction.frees = tuple(r for r in used if r in inside and r not in seen and r not in needed_later)
            instruction.overwrites = overwritable(instruction, stage, seen | needed_later)
            seen |= used


# Ops that only give a value, and take long over it.
_ONLY_GIVE_VALUES = frozenset(
    "MatMul BatchMatMul BatchMatMulV2 Conv2DBackpropInput Conv3DBackpropInput Conv3DBackpropInputV2 "
    "DepthwiseConv2dNativeBackpropInput".split()
)


def _idle(structure: Structure, fetches: Sequence[Tensor | Operation]) -> set[Any]:
    """Ops that need not run, as nobody looks at their values: they are waited for, and no more.

    Gated gradients wait for the gradient of what is fed to the first layer. (TF's optimizer of graphs makes NoOps of
    such ops.)
    """
    idle = {op for op in structure.ops if op.type in _ONLY_GIVE_VALUES}
    if idle:
        idle.difference_update(t.op for op in structure.ops for t in op.inputs)
        idle.difference_update(f.op if isinstance(f, Tensor) else f for f in fetches)
    return idle


def overwritable(
    instruction: Instruction, stage: Stage, read_later: Container[Register]
) -> tuple[tuple[int, int], ...]:
    """The positions at which `instruction` updates a variable whose old value nobody reads later; see `Instruction`."""
    opdef = instruction.op.opdef
    if not opdef.updates or instruction.guards or instruction.grouped or instruction.loop is not None:
        return ()
    return tuple(
        # It is held by the session (as it was at the start of the run), by its register, and by the list of arguments.
        (position, 3 if register in stage.read_registers else 2)
        for position, (arg, register) in enumerate(zip(opdef.inputs, instruction.inputs, strict=True))
        if arg.name in opdef.updates and register not in read_later and instruction.inputs.count(register) == 1
    )


# Ops that XLA calls a library for, or makes a loop of their own for: they end a chain of element-wise ops.
_ENDS_OF_CHAINS = frozenset(
    "MatMul BatchMatMul BatchMatMulV2 Conv2D Conv2DBackpropInput Conv2DBackpropFilter Conv3D DepthwiseConv2dNative "
    "Sum Mean Max Min Prod MaxPool AvgPool MaxPoolGrad AvgPoolGrad BiasAddGrad Softmax GatherV2 ResourceGather "
    "ConcatV2".split()
)


def _longest_chain(instructions: Sequence[Instruction]) -> int:
    if len(instructions) < 300:
        return 0
    lengths: dict[Register, int] = {}
    longest = 0
    for instruction in instructions:
        length = 0
        if instruction.op.type not in _ENDS_OF_CHAINS:
            sources = (r for s in instruction.inputs for r in (s if type(s) is tuple else (s,)))
            length = 1 + max((lengths.get(r, 0) for r in sources), default=0)
        lengths.update(dict.fromkeys(instruction.outputs, length))
        longest = max(longest, length)
    return longest


def every(instructions: Sequence[Instruction]) -> Iterator[Instruction]:
    """`instructions` and those inside their loops."""
    for instruction in instructions:
        yield instruction
        if instruction.loop is not None:
            yield from instruction.loop.instructions()
