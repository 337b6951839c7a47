"""What else a run does while one of its ops waits.

In `sess.run([queue.dequeue(), queue.enqueue(1)])` the first op may have to wait for the second. A run goes through its
plan in order, in one thread, and that is all there is to it as long as no op waits. When one does, the rest of the plan
is handed over: a second thread takes the parts that do not need the op that waits; if one of those waits too, a third
thread goes on. A thread whose op need not wait any more goes on with what is left.

The *parts* of a plan are the single ops of the host stages in which an op may wait, and the other stages as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.compiler.interpret import interpret_one
from evergraph.compiler.plan import Instruction, Plan, Stage
from evergraph.compiler.stages import HOST
from evergraph.framework.operation import Operation
from evergraph.ops.running import Running
from evergraph.runtime.state import State

TO_DO, RUNNING, WAITING, DONE = range(4)


class Part:
    """A stage, or one op of a stage in which ops may wait; `needs` are the numbers of the parts that come first."""

    __slots__ = ("instruction", "needs", "stage")

    def __init__(self, stage: Stage, instruction: Instruction | None, needs: set[int]) -> None:
        self.stage = stage
        self.instruction = instruction
        self.needs = needs


class Parts:
    """The parts of a plan, in the plan's order."""

    def __init__(self, plan: Plan) -> None:
        self.all: list[Part] = []
        self.of_op: dict[Operation, int] = {}
        self._fence = -1
        self._maker: dict[int, int] = {}  # register to the part that makes it
        self._touching: dict[str, list[int]] = {}  # variable to the parts that have to do with it
        for stage in plan.stages:
            if any(instruction.loop is not None for instruction in stage.instructions):
                # A loop hides which of its ops has which control edges: it comes after all before it, and before all
                # that follow.
                earlier = set(range(len(self.all)))
                self._add(plan, stage, None, stage.instructions)
                self.all[-1].needs.update(earlier)
                self._fence = len(self.all) - 1
                continue
            if stage.kind == HOST and stage.needs_run:
                for instruction in stage.instructions:
                    self._add(plan, stage, instruction, [instruction])
            else:
                self._add(plan, stage, None, stage.instructions)

    def _add(self, plan: Plan, stage: Stage, instruction: Instruction | None, covers: list[Instruction]) -> None:
        number = len(self.all)
        needs: set[int] = set() if self._fence < 0 else {self._fence}
        registers = stage.inputs if instruction is None else flat(instruction)
        needs.update(self._maker[r] for r in registers if r in self._maker)
        for covered in covers:
            for source in (*getattr(covered.op, "_control_inputs", ()), *plan.effects.previous.get(covered.op, ())):
                needs.update(self._behind(source))
            for register in covered.outputs:
                self._maker[register] = number
            self.of_op[covered.op] = number
        # Who reads or writes a variable does so in the plan's order.
        for key in {*stage.reads, *stage.writes}:
            before = self._touching.setdefault(key, [])
            needs.update(before)
            before.append(number)
        needs.discard(number)
        self.all.append(Part(stage, instruction, needs))

    def _behind(self, op: Operation) -> list[int]:
        """The parts that a control edge from `op` waits for: what need not run is in none, but waits for others too."""
        if op in self.of_op:
            return [self.of_op[op]]
        sources = [*op._control_inputs, *(t.op for t in op.inputs)]
        return [number for source in sources for number in self._behind(source)]


def flat(instruction: Instruction) -> list[int]:
    """The registers that an instruction looks at."""
    registers: list[int] = []
    for source in instruction.inputs:
        registers.extend(source if isinstance(source, tuple) else (source,))
    registers.extend(predicate for predicate, _ in instruction.guards)
    registers.extend(instruction.bases)
    if instruction.selector is not None:
        registers.append(instruction.selector[0])
    return registers


class Handover:
    """The rest of one run, done by several threads while ops wait.

    Args:
        run_stage: runs a stage that is a part as a whole.
    """

    def __init__(
        self, plan: Plan, state: State, registers: list[Any], run: Running, run_stage: Callable[..., None]
    ) -> None:
        self._plan, self._state, self._registers, self._run, self._run_stage = plan, state, registers, run, run_stage
        self._parts: list[Part] = []
        self._status: list[int] = []
        self._changed: Any = None  # made when an op waits: until then there is one thread
        self._error: BaseException | None = None
        self._first = 0  # the part that waited first

    def before_wait(self, op: Operation, kinds: frozenset[str] | None = None) -> None:
        """The op is about to wait: see to it that others of the run go on.

        Args:
            kinds: do nothing unless one of these types of op could start now.
        """
        parts = self._plan.parts
        if parts is None:
            parts = self._plan.parts = Parts(self._plan)
        number = parts.of_op.get(op)
        if number is None:  # inside a loop
            return
        if self._changed is None:
            self._changed = threading.Condition()
        with self._changed:
            if not self._status:
                self._parts = parts.all
                self._status = [DONE if i < number else TO_DO for i in range(len(parts.all))]
                self._status[number] = WAITING
                if self._next(kinds) is None:
                    self._status = []  # everything else needs this op: nothing to hand over
                    return
                self._first = number
                self._run.step.handed_over = self
            self._status[number] = WAITING
            if RUNNING not in self._status and self._next() is not None:
                threading.Thread(target=self._work, daemon=True, name="evergraph-run").start()

    def finish(self, error: BaseException | None = None) -> None:
        """Called by the thread that began the run, when its op need not wait any more: do what is left.

        Args:
            error: what that op raised.

        Raises:
            Exception: what the first op that failed raised.
        """
        self._ended(self._first, error)
        self._work()
        with self._changed:
            while any(s in (RUNNING, WAITING) for s in self._status) or (
                self._error is None and any(s != DONE for s in self._status)
            ):
                self._changed.wait()
        if self._error is not None:
            raise self._error

    def _ended(self, number: int, error: BaseException | None) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._status[number] = DONE
            self._changed.notify_all()
        if error is not None:
            self._run.step.fail()

    def _next(self, kinds: frozenset[str] | None = None) -> int | None:
        """The first part (with an op of one of `kinds`) whose turn it is."""
        if self._error is not None:
            return None
        for number, part in enumerate(self._parts):
            if self._status[number] == TO_DO and all(self._status[n] == DONE for n in part.needs):
                if kinds is None or (part.instruction is not None and part.instruction.op.type in kinds):
                    return number
        return None

    def _work(self) -> None:
        """Run parts as long as there are any whose turn it is."""
        while True:
            with self._changed:
                number = self._next()
                if number is None:
                    return
                self._status[number] = RUNNING
            error: BaseException | None = None
            try:
                self._do(self._parts[number])
            except BaseException as raised:
                error = raised
            self._ended(number, error)

    def _do(self, part: Part) -> None:
        registers = self._registers
        if part.instruction is None:
            self._run_stage(self._plan, part.stage, self._state, registers, self._run.deadline)
            return
        variables = dict(zip(part.stage.read_registers, part.stage.reads, strict=True))
        for register in flat(part.instruction):
            value = registers[register]
            if register in variables:
                with self._state.lock:
                    value = self._state.variables.get(variables[register])
            if type(value) is not np.ndarray and hasattr(value, "block_until_ready"):
                value = np.asarray(value)
            registers[register] = value
        with np.errstate(all="ignore"):
            interpret_one(part.instruction, registers, None, [], None, self._run)
