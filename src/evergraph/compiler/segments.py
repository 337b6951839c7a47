"""Parts of an interpreted stage that are compiled by themselves.

A stage whose shapes change from run to run (sentences of another length, a mask that keeps another number of rows) is
not worth a program for each of them, so it is interpreted. But most of what it does has the same shapes every time: the
body of a loop works on one time step, whatever their number is, and an optimizer on variables. Those parts, *segments*,
are compiled on their own, and run as one step among the others:

    loop body    read ──► matmul ─► split ─► sigmoid ─► mul ─► ... ──► write, push          op by op: 165 steps
                 read ──► ╔═══════════ segment ═════════════╗ ──► write, push               in parts:  12

Which values have the same shape every time is not derived, but seen: the first times, the stage (or a loop in it) is
interpreted, and the shapes of all values are noted, and what small integers are. Then

- an instruction may be compiled if it is pure, deals with arrays alone, the shapes around it never changed, and neither
  did an operand that has to be known while it is traced;
- the others stay as they are, and keep their order;
- the instructions to be compiled are gathered: a segment takes all that can run between the same two of the others.

In a loop only what changes from iteration to iteration is left out at first. If shapes change from run to run inside a
segment as well (an attention over a sentence), it has segments of its own, for the signatures that it is not compiled
for.

A segment is compiled for the shapes it meets when it has met them so often that compiling pays, by the same rule as a
whole stage. Values pass between segments, through lists, branches and loop variables, as JAX's arrays: nobody waits for
them before an instruction looks at one.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from evergraph.compiler import interpret
from evergraph.compiler.interpret import Work, bring_home, interpret_one, leave_out, patience, runs
from evergraph.compiler.plan import Instruction, Register
from evergraph.compiler.tracing import Counters, Tracer, is_known
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import CheckCollector, collectors
from evergraph.ops.running import Running
from evergraph.ops.traced_lists import Untraceable

# How often a stage, or the body of a loop, is looked at before it is taken to pieces.
OBSERVED = 4
# A segment that meets more signatures than this was misjudged: its stage or loop is looked at again, so often at most.
# One that has segments of its own may meet more: it still is compiled for those that come back often.
MOST_SIGNATURES = 8
MOST_WITH_PARTS = 64
MOST_LOOKS = 3
# Only integers of so few elements are remembered: they may be shapes, axes, places.
REMEMBERED = 16
# Seconds that it takes to import JAX, and to run a program, whatever it does.
IMPORTING = 0.5
DISPATCH = 40e-6


class Observation:
    """What was seen of the values in a stage or a loop's body, over several turns."""

    def __init__(self) -> None:
        self.looks = 1
        self.turns = 0
        self.seen: dict[Register, tuple[Any, Any]] = {}
        self.here: set[Register] = set()  # seen in this run
        self.other_shapes: set[Register] = set()  # registers whose value had more than one shape
        self.other_values: set[Register] = set()  # small integers that had more than one value
        self.moving_shapes: set[Register] = set()  # of those, the ones that changed within one run
        self.moving_values: set[Register] = set()

    def look_again(self) -> bool:
        """Start over, with what is known so far; False if that was done often enough."""
        if self.looks >= MOST_LOOKS:
            return False
        self.looks += 1
        self.turns = 0
        return True

    def see_all(self, registers: list[Any], which: Iterable[Register]) -> None:
        for register in which:
            self.see(register, registers[register])

    def see(self, register: Register, value: Any) -> None:
        shape = getattr(value, "shape", None)
        if shape is None or value is DEAD:
            return  # a list of tensors, or what a branch not taken left
        small = None
        if value.dtype.kind in "iub" and value.size <= REMEMBERED:
            small = np.asarray(value).tobytes()
        before = self.seen.get(register)
        self.seen[register] = shape, small
        if before is not None and before[0] != shape:
            self.other_shapes.add(register)
            if register in self.here:
                self.moving_shapes.add(register)
        if before is not None and before[1] != small:
            self.other_values.add(register)
            if register in self.here:
                self.moving_values.add(register)
        self.here.add(register)


class _Program:
    """A segment compiled for one signature."""

    __slots__ = ("compiled", "dynamic", "is_checked", "known", "outputs")

    def __init__(self) -> None:
        self.compiled: Any = None
        self.dynamic: tuple[Register, ...] = ()
        self.outputs: tuple[Register, ...] = ()
        self.known: tuple[tuple[Register, Any], ...] = ()
        self.is_checked = False


class _Meeting:
    """A segment and one signature: how often they met, and what came of it."""

    __slots__ = ("is_hopeless", "patience", "program", "runs", "work")

    def __init__(self) -> None:
        self.runs = 0
        self.patience = 1
        self.is_hopeless = False
        self.work = Work()  # what interpreting it is
        self.program: _Program | None = None


class Segment:
    """Instructions that are compiled together."""

    def __init__(
        self,
        instructions: list[Instruction],
        inputs: tuple[Register, ...],
        static_inputs: frozenset[Register],
        outputs: tuple[Register, ...],
        constants: dict[Register, Any],
        inner: Parts | None = None,
        in_loop: bool = False,
    ) -> None:
        self.instructions = [dataclasses.replace(i, overwrites=()) for i in instructions]
        self.inputs, self.static_inputs, self.outputs, self.constants = inputs, static_inputs, outputs, constants
        self.inner = inner  # how it runs for signatures that it is not compiled for
        self.in_loop = in_loop
        self.meetings: dict[Any, _Meeting] = {}
        self.x64: Any = None

    def run(self, registers: list[Any], work: Work | None) -> None:
        if not runs(self.instructions[0], registers):
            for instruction in self.instructions:
                leave_out(instruction, registers)
            return
        meeting = self._meeting(registers)
        if meeting is None or meeting.is_hopeless:
            self.interpret(registers, work)
            return
        if meeting.program is None:
            meeting.runs += 1
            if meeting.runs == 1:
                self._measure(meeting, registers, work)
                return
            if meeting.runs <= meeting.patience or not self._compile(meeting, registers):
                self.interpret(registers, work)
                return
        self._run_program(meeting, registers, work)

    def _meeting(self, registers: list[Any]) -> _Meeting | None:
        """The present signature; None if the segment is not to be compiled for it."""
        static = self.static_inputs
        try:
            key = tuple(
                [
                    (registers[r].shape, np.asarray(registers[r]).tobytes()) if r in static else registers[r].shape
                    for r in self.inputs
                ]
            )
        except AttributeError:  # a variable without value, or what a branch not taken left: the ops know what to say
            return None
        meeting = self.meetings.get(key)
        if meeting is None:
            meeting = self.meetings[key] = _Meeting()
        return None if meeting.program is None and self.has_too_many() else meeting

    def _run_program(self, meeting: _Meeting, registers: list[Any], work: Work | None) -> None:
        program = meeting.program
        assert program is not None
        results: Any = ()
        if program.outputs or program.is_checked:
            with self.x64(True):
                results = program.compiled(*[registers[r] for r in program.dynamic])
        if program.is_checked and not bool(results[-1]):
            self.interpret(registers, work)  # which says what is wrong
            return
        for register, value in zip(program.outputs, results, strict=False):
            registers[register] = value
        for register, known in program.known:
            registers[register] = known
        if work is not None:
            work.ops += meeting.work.ops
            work.elements += meeting.work.elements

    def has_too_many(self) -> bool:
        return len(self.meetings) > (MOST_SIGNATURES if self.inner is None else MOST_WITH_PARTS)

    def interpret(self, registers: list[Any], work: Work | None) -> None:
        if self.inner is not None:
            self.inner.run(registers, None, [], work, None)
        else:
            self._op_by_op(registers, work)

    def _op_by_op(self, registers: list[Any], work: Work | None) -> None:
        bring_home(registers, self.inputs)
        for instruction in self.instructions:
            interpret_one(instruction, registers, None, [], work)

    def _measure(self, meeting: _Meeting, registers: list[Any], work: Work | None) -> None:
        own = meeting.work
        self._op_by_op(registers, own)
        if self.in_loop:  # as much may go into interpreting as into compiling, the first time with all that this needs
            importing = 0.0 if "jax" in sys.modules else IMPORTING
            meeting.patience = round((importing + interpret.COMPILING * len(self.instructions)) / own.seconds())
        else:
            meeting.patience = patience(len(self.instructions), own.seconds())
        if work is not None:
            work.ops += own.ops
            work.elements += own.elements

    def _compile(self, meeting: _Meeting, registers: list[Any]) -> bool:
        """Compile for the present signature; whether that is any good."""
        import jax
        import jax.numpy as jnp

        static = {r: np.asarray(registers[r]) for r in self.inputs if r in self.static_inputs}
        made = _Program()
        made.dynamic = tuple(r for r in self.inputs if r not in static)
        steps = [dataclasses.replace(i, guards=(), bases=()) for i in self.instructions]

        def traced(*inputs: Any) -> Any:
            values = {**self.constants, **static, **dict(zip(made.dynamic, inputs, strict=True))}
            checks = CheckCollector(jnp)
            collectors.append(checks)
            try:
                tracer = Tracer(jnp, values, Counters(None, 0))
                tracer.run(steps)
            finally:
                collectors.pop()
            found = [(r, tracer.values[r]) for r in self.outputs]
            if any(v is DEAD for _, v in found):
                raise Untraceable("a branch that was not taken")
            made.known = tuple((r, v) for r, v in found if is_known(v))
            computed = [(r, v) for r, v in found if not is_known(v)]
            made.outputs = tuple(r for r, _ in computed)
            given = {id(v) for v in inputs}
            # What comes out is never the very array that came in: a variable may keep it.
            results = [jnp.array(v, copy=True) if id(v) in given else jnp.asarray(v) for _, v in computed]
            ok = checks.holds()
            made.is_checked = ok is not None
            return results if ok is None else [*results, ok]

        compiled = jax.jit(traced)
        self.x64 = jax.enable_x64
        try:
            with jax.enable_x64(True):
                compiled.lower(*[registers[r] for r in made.dynamic])
        except Exception:  # what is wrong with the values, the ops themselves say best
            meeting.is_hopeless = True
            return False
        if made.outputs and meeting.work.seconds() < DISPATCH:
            meeting.is_hopeless = True
            return False
        made.compiled = compiled
        meeting.program = made
        return True


class Step:
    """An instruction that is interpreted, between segments."""

    __slots__ = ("homes", "instruction", "passes_on")

    def __init__(self, instruction: Instruction, homes: tuple[Register, ...], passes_on: bool) -> None:
        self.instruction, self.homes, self.passes_on = instruction, homes, passes_on


class Parts:
    """A stage, or the body of a loop, taken to pieces."""

    def __init__(self, steps: Sequence[Step | Segment], frees: Sequence[tuple[Register, ...]]) -> None:
        """`frees`: what can be let go of after each step."""
        self.steps = list(zip(steps, frees, strict=True))
        self.segments = [step for step in steps if isinstance(step, Segment)]

    def is_misjudged(self) -> bool:
        """Whether a segment met too many shapes."""
        return any(segment.has_too_many() for segment in self.segments)

    def run(
        self,
        registers: list[Any],
        counters: list[int] | None,
        used: list[int],
        work: Work | None,
        run: Running | None,
    ) -> None:
        for step, frees in self.steps:
            if isinstance(step, Segment):
                step.run(registers, work)
            elif step.passes_on:
                _pass_on(step, registers, counters, used, work, run)
            else:
                bring_home(registers, step.homes)
                interpret_one(step.instruction, registers, counters, used, work, run)
            for register in frees:
                registers[register] = None


def _pass_on(
    step: Step,
    registers: list[Any],
    counters: list[int] | None,
    used: list[int],
    work: Work | None,
    run: Running | None,
) -> None:
    """An instruction whose operand stays where it is."""
    instruction = step.instruction
    if not runs(instruction, registers):
        leave_out(instruction, registers)
        return
    bring_home(registers, step.homes)
    args = [registers[r] for r in instruction.inputs]
    try:
        result = instruction.kernel(np, *args, **instruction.attrs)
    except Exception:
        bring_home(registers, instruction.inputs)
        interpret_one(instruction, registers, counters, used, work, run)  # which says what is wrong, and where
        return
    outputs = instruction.outputs
    if len(outputs) == 1:
        registers[outputs[0]] = result[0] if type(result) is tuple else result
    else:
        for register, value in zip(outputs, result, strict=True):
            registers[register] = value
    if work is not None:
        work.ops += 1


class LoopParts(NamedTuple):
    head: Parts  # interpreted
    body: Parts
