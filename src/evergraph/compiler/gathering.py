"""Which instructions of an interpreted stage are compiled together: see segments.py, which runs them.

Every instruction gets a *phase*. In each phase the instructions that are interpreted come first, in their order, then
the segments, one for each set of guards:

    phase 0    read                    ║ matmul, split, sigmoid, mul, ...
    phase 1    write, push             ║ -

What is interpreted comes a phase after a segment that it reads from; what is compiled waits as long as nobody needs it.
Ops of lists keep the order that data and control edges ask for; all others with an effect keep theirs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.compiler import segments
from evergraph.compiler.lower import LIFT_LIMIT
from evergraph.compiler.plan import Instruction, LoopProgram, Register, Stage, overwritable
from evergraph.compiler.segments import LoopParts, Observation, Parts, Segment, Step
from evergraph.compiler.stages import ALWAYS_KNOWN
from evergraph.framework import dtypes

# A segment of fewer instructions costs more to dispatch than to interpret.
FEWEST = 4
# By op that hands a value on as it is: which operand may stay with the device, if any.
_PASSES_ON = {
    "Identity": 0, "Switch": 0, "StackPushV2": 1, "TensorArrayWriteV3": 2, "StackPopV2": None, "TensorArrayReadV3": None
}  # fmt: skip
_NOTHING = frozenset(("NoOp", "ControlTrigger"))
_LISTS = frozenset(
    "StackV2 StackPushV2 StackPopV2 StackCloseV2 TensorArrayV3 TensorArrayGradV3 TensorArrayGradWithShape "
    "TensorArrayWriteV3 TensorArrayReadV3 TensorArrayGatherV3 TensorArrayScatterV3 TensorArrayConcatV3 "
    "TensorArraySplitV3 TensorArraySizeV3 TensorArrayCloseV3".split()
)


def parts_of_stage(stage: Stage, constants: Sequence[Any]) -> Parts | None:
    """The parts of a stage, once it was seen often enough."""
    parts: Parts | None = stage.parts
    if parts is not None and parts.is_misjudged() and stage.seen.look_again():
        parts = stage.parts = None
    if parts is None and stage.seen is not None and stage.seen.turns >= segments.OBSERVED:
        needed = {*stage.outputs, *stage.write_registers}
        parts = stage.parts = _Gathering(stage.instructions, constants, stage.seen, needed).parts(stage)
    return parts


def parts_of_loop(loop: LoopProgram, registers: list[Any]) -> LoopParts | None:
    """Look at what an iteration left in `registers`; gives the parts of the loop when enough were seen."""
    if loop.seen is None:
        loop.seen = Observation()
    seen: Observation = loop.seen
    seen.see_all(registers, range(len(registers)))
    seen.turns += 1
    if seen.turns < segments.OBSERVED:
        return None
    head = [Step(i, _homes(i), False) for i in loop.head]
    body = _Gathering(loop.body, loop.registers, seen, set(loop.nexts), within=True).parts()
    loop.parts = LoopParts(Parts(head, [()] * len(head)), body)
    return loop.parts


def _homes(instruction: Instruction) -> tuple[Register, ...]:
    """The registers that an interpreted instruction wants in NumPy's hands."""
    if instruction.selector is not None:
        return ()
    return tuple(_read(instruction))


def _read(instruction: Instruction) -> list[Register]:
    found: list[Register] = []
    for source in instruction.inputs:
        found.extend(source) if type(source) is tuple else found.append(source)
    found.extend(instruction.bases)
    return found


class _Gathering:
    """Which instructions go into which segment."""

    def __init__(
        self,
        instructions: list[Instruction],
        constants: Sequence[Any],
        seen: Observation,
        needed: set[Register],
        within: bool = False,
        in_loop: bool = False,
    ) -> None:
        """With `within`, only what changes within a run is left out, not what changes from run to run."""
        self.within = within
        self.in_loop = within or in_loop
        self.shapes = seen.moving_shapes if within else seen.other_shapes
        self.values = seen.moving_values if within else seen.other_values
        self.instructions, self.constants, self.seen, self.needed = instructions, constants, seen, needed
        self.maker = {r: i for i in instructions for r in i.outputs}
        self.derived: set[Register] = set()  # known while tracing, since they follow from shapes
        for instruction in instructions:
            is_known = instruction.op.type in ALWAYS_KNOWN and instruction.op.type != "StackPopV2"
            if (
                is_known
                or _is_function(instruction)
                and all(r in self.derived or constants[r] is not None for r in _read(instruction))
            ):
                self.derived.update(instruction.outputs)

    def may_be_compiled(self, instruction: Instruction) -> bool:
        op = instruction.op
        if not _is_function(instruction, may_update=True) or not instruction.outputs:
            return False
        if instruction.declared_shape is not None or op.type in _LISTS or op.type in ("Switch", "CheckNumerics"):
            return False
        if any(t.dtype._base._kind in "SRVq" for t in (*op.inputs, *op.outputs) if t.dtype is not dtypes.resource):
            return False
        if not self.shapes.isdisjoint((*_read(instruction), *instruction.outputs)):
            return False
        if not self.values.isdisjoint(_static_operands(instruction)):
            return False
        return instruction.outputs[0] in self.derived or not self.is_small(instruction)

    def is_small(self, instruction: Instruction) -> bool:
        """Whether it counts or compares: on no account is such a value worth waiting for a program."""
        if any(t.dtype._base._kind not in "iub" or t.static_shape != () for t in instruction.op.outputs):
            return False
        return all(
            t.dtype._base._kind in "iub" and len(self.seen.seen.get(r, ((), None))[0]) <= 1
            for t, r in zip(instruction.op.inputs, _read(instruction), strict=False)
        )

    def parts(self, stage: Stage | None = None) -> Parts:
        """The parts, in order; of a `stage`, what was made on the way is let go of as soon as nobody needs it."""
        compiled = [self.may_be_compiled(i) for i in self.instructions]
        self._leave_varying(compiled)
        phases = self._phases(compiled)
        self._put_off(compiled, phases)
        gathered: dict[Any, list[Instruction]] = {}
        order: list[tuple[int, int, int, Any]] = []
        for position, (instruction, is_compiled, phase) in enumerate(
            zip(self.instructions, compiled, phases, strict=True)
        ):
            if instruction.op.type in _NOTHING:
                continue
            if is_compiled:
                key = phase, instruction.guards
                if key not in gathered:
                    gathered[key] = []
                    order.append((phase, 1, position, gathered[key]))
                gathered[key].append(instruction)
            else:
                order.append((phase, 0, position, instruction))
        order.sort(key=lambda entry: entry[:3])
        steps: list[Step | Segment] = []
        for _, kind, _, what in order:
            if kind == 0:
                steps.append(self._step(what))
            else:
                steps.extend(self._segment(what))
        if stage is None:
            return Parts(steps, [()] * len(steps))
        self._find_overwritable(steps, stage)
        return Parts(steps, self._frees(steps))

    def _leave_varying(self, compiled: list[bool]) -> None:
        """Have an instruction interpreted that makes a static operand out of values that change."""
        static: set[Register] = set()
        for position in range(len(compiled) - 1, -1, -1):
            instruction = self.instructions[position]
            if not compiled[position]:
                continue
            if instruction.op.type not in ALWAYS_KNOWN and not static.isdisjoint(instruction.outputs):
                if not self.values.isdisjoint(_read(instruction)):
                    compiled[position] = False
                    continue
                static.update(_read(instruction))
            static.update(_static_operands(instruction))

    def _put_off(self, compiled: list[bool], phases: list[int]) -> None:
        """Have what is compiled wait for those who read it, so that segments are few."""
        limit: dict[Register, int] = {}
        for position in range(len(compiled) - 1, -1, -1):
            instruction = self.instructions[position]
            if compiled[position] and self.needed.isdisjoint(instruction.outputs):
                found = [limit[r] for r in instruction.outputs if r in limit]
                if found and instruction.guards == ():
                    phases[position] = max(phases[position], min(found))
            apart = not (compiled[position] and instruction.guards == ())
            for register in _all_read(instruction):
                limit[register] = min(limit.get(register, phases[position]), phases[position] - apart)

    def _phases(self, compiled: list[bool]) -> list[int]:
        """When each instruction runs: in each phase first those that are interpreted, then the segments.

        Segments of one phase do not read from each other unless their guards are the same, or those of one follow from
        nothing the other makes: else they would have to be in order, so the later one waits a phase.
        """
        made: dict[Register, tuple[int, bool, Any]] = {}
        after: dict[Any, int] = {}  # by op: the phase of the last effect that it waits for, or is
        phases = []
        last = 0
        for instruction, is_compiled in zip(self.instructions, compiled, strict=True):
            phase = 0
            sources = [made[r] for r in _read(instruction) if r in made]
            sources += [made[r] for r, _ in instruction.guards if r in made]
            if instruction.selector is not None and instruction.selector[0] in made:
                sources.append(made[instruction.selector[0]])
            for number, was_compiled, guards in sources:
                apart = was_compiled and (not is_compiled or guards != instruction.guards)
                phase = max(phase, number + apart)
            op = instruction.op
            waits = max((after.get(c, 0) for c in op._control_inputs), default=0)
            if op.type in _LISTS:
                after[op] = phase = max(phase, waits)
            elif not is_compiled and not instruction.pure and op.type not in _NOTHING:
                after[op] = phase = last = max(phase, waits, last)
            else:
                after[op] = max(waits, max((after.get(t.op, 0) for t in op.inputs), default=0))
            place = phase, is_compiled, instruction.guards
            for register in instruction.outputs:
                made[register] = place
            phases.append(phase)
        return phases

    def _step(self, instruction: Instruction) -> Step:
        kind = instruction.op.type
        if kind in _PASSES_ON and not (instruction.bases or instruction.grouped):
            stays = _PASSES_ON[kind]
            return Step(instruction, tuple(r for i, r in enumerate(instruction.inputs) if i != stays), True)
        return Step(dataclasses.replace(instruction, overwrites=()), _homes(instruction), False)

    def _segment(self, instructions: list[Instruction]) -> list[Step | Segment]:
        if len(instructions) < FEWEST:
            return [self._step(i) for i in instructions]
        made = {r for i in instructions for r in i.outputs}
        read = dict.fromkeys(r for i in instructions for r in _read(i))
        inside = {id(i) for i in instructions}
        elsewhere = {r for i in self.instructions if id(i) not in inside for r in _all_read(i)}
        constants = {r: v for r in read if (v := self.constants[r]) is not None and np.size(v) <= LIFT_LIMIT}
        inputs = tuple(r for r in read if r not in made and r not in constants)
        static: set[Register] = set()
        for instruction in reversed(instructions):
            static.update(_static_operands(instruction))
            if instruction.op.type not in ALWAYS_KNOWN and not static.isdisjoint(instruction.outputs):
                static.update(_read(instruction))
        outputs = tuple(
            r for r in dict.fromkeys(r for i in instructions for r in i.outputs) if r in elsewhere or r in self.needed
        )
        inner = None
        if self.within and not self.seen.other_shapes.isdisjoint((*made, *inputs)):
            inner = _Gathering(instructions, self.constants, self.seen, set(outputs), in_loop=True).parts()
        return [
            Segment(
                instructions, inputs, frozenset(static.intersection(inputs)), outputs, constants, inner, self.in_loop
            )
        ]

    def _find_overwritable(self, steps: list[Step | Segment], stage: Stage) -> None:
        """Say again which updates may write into the old value: the order is another one than the stage's."""
        read: set[Register] = set(self.needed)
        for step in reversed(steps):
            if isinstance(step, Segment):
                for instruction in step.instructions:
                    read.update(_all_read(instruction))
                continue
            step.instruction.overwrites = overwritable(step.instruction, stage, read)
            read.update(_all_read(step.instruction))

    def _frees(self, steps: list[Step | Segment]) -> list[tuple[Register, ...]]:
        """After which step a value made here can be let go of."""
        seen: set[Register] = set()
        result = []
        for step in reversed(steps):
            used: set[Register] = set()
            for instruction in step.instructions if isinstance(step, Segment) else (step.instruction,):
                used.update(_all_read(instruction), instruction.outputs)
            result.append(tuple(r for r in used if r in self.maker and r not in seen and r not in self.needed))
            seen |= used
        return result[::-1]


def _is_function(instruction: Instruction, may_update: bool = False) -> bool:
    """Whether all that an instruction does is to compute outputs of its inputs, or new values of variables."""
    opdef = instruction.op.opdef
    if instruction.loop is not None or instruction.selector is not None or instruction.session:
        return False
    return instruction.random < 0 and (may_update if opdef.updates else not opdef.is_stateful)


def _static_operands(instruction: Instruction) -> list[Register]:
    """What has to be known before an instruction is traced."""
    opdef = instruction.op.opdef
    found: list[Register] = []
    for arg, source, is_static in zip(opdef.inputs, instruction.inputs, instruction.static, strict=True):
        if is_static and arg.name not in opdef.dynamic or opdef.host:
            found.extend(source) if type(source) is tuple else found.append(source)
    return found


def _all_read(instruction: Instruction) -> list[Register]:
    found = [*_read(instruction), *(r for r, _ in instruction.guards)]
    if instruction.selector is not None:
        found.append(instruction.selector[0])
    return found
