"""`partial_run`: one run whose feeds and fetches come in several calls.

The registers of the run stay alive between the calls, and each op runs once, as soon as a fetch needs it and what it
needs was fed. Of a branch only the side taken is needed; a loop is one op.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evergraph.compiler.effects import shared_reference, variable_key, variable_of
from evergraph.compiler.interpret import holds, interpret_one
from evergraph.compiler.plan import Instruction, Register, Stage
from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.control_flow import DEAD
from evergraph.ops.running import Running
from evergraph.runtime.executor import fetched, run_plan, uninitialized
from evergraph.runtime.feeds import feed_array, feed_tensor
from evergraph.runtime.fetches import Fetches, feed_parts, partial_feed_parts
from evergraph.runtime.functions import caller


class PartialRun:
    """A run in progress."""

    def __init__(self, session: Any, fetches: Any, feeds: Any) -> None:
        graph = session.graph
        self._session = session
        self._taken = Fetches(graph, fetches)
        keys = [part for key in feeds or () for part in partial_feed_parts(key)]
        self._feeds = dict.fromkeys(feed_tensor(graph, key) for key in keys)
        elements = list(self._taken.elements)
        if not elements:
            raise errors.InvalidArgumentError(None, None, "Must specify at least one target to fetch or execute.")
        self._plan = session._plan(elements, list(self._feeds), in_parts=True)
        if self._plan.readers is not None:
            raise errors.UnimplementedError(
                None, None, "partial_run does not go through branches and loops that have no structure"
            )
        self._registers = self._plan.registers.copy()
        self._register_of = dict(zip(self._plan.feeds, self._plan.feed_registers, strict=True))
        self._feed_of = {register: t for t, register in self._register_of.items()}
        self._fed: set[Tensor] = set()
        self._pending = dict.fromkeys(self._taken.elements)
        self._done: set[int] = set()
        self._maker: dict[Register, Instruction] = {}
        self._stage_of: dict[int, Stage] = {}
        self._instruction_of: dict[Any, Instruction] = {}
        for stage in self._plan.stages:
            for instruction in stage.instructions:
                self._stage_of[id(instruction)] = stage
                self._instruction_of[instruction.op] = instruction
                if instruction.loop is not None:
                    self._instruction_of.update(dict.fromkeys(_ops_of_loop(instruction.op.region), instruction))
                for register in instruction.outputs:
                    self._maker[register] = instruction
        self._variables = {
            r: k for stage in self._plan.stages for k, r in zip(stage.reads, stage.read_registers, strict=True)
        }

    def step(self, fetches: Any, feed_dict: Any) -> Any:
        graph = self._session.graph
        for key, whole in (feed_dict or {}).items():
            for part, value in feed_parts(key, whole) or [(key, whole)]:
                t = feed_tensor(graph, part)
                if t not in self._feeds:
                    raise errors.InvalidArgumentError(
                        None, t.op, f"The feed {t.name} was not specified in partial_run_setup."
                    )
                if t in self._fed:
                    raise errors.InvalidArgumentError(None, t.op, f"The feed {t.name} has already been fed.")
                self._registers[self._register_of[t]] = feed_array(t, value)
                self._fed.add(t)
        taken = Fetches(graph, fetches)
        for element in taken.elements:
            if element not in self._pending:
                known = element in self._taken.elements
                name = element.name
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"The fetch {name} has already been fetched."
                    if known
                    else f"The fetch {name} was not specified in partial_run_setup.",
                )
        results = []
        register_of = dict(zip(self._plan.fetches, self._plan.fetch_registers, strict=True))
        for element in taken.elements:
            if isinstance(element, Operation):
                self._compute_op(element)
        for t in taken.tensors:
            results.append(self._value(t, register_of[t]))
        for element in taken.elements:
            self._pending.pop(element, None)
        return taken.values(results)

    def _value(self, t: Tensor, register: Register) -> Any:
        """What a fetch gives now."""
        fed = frozenset(self._feeds)
        reference = None if t in fed else t if t.dtype._is_ref_dtype else shared_reference(t, fed)
        declared = None if reference is None else variable_of(reference)
        if declared is None:
            self._compute(register)
            value = self._registers[register]
            if value is DEAD:
                raise errors.InvalidArgumentError(
                    None, t.op, f"Retval[0] does not have value: {t.name!r} is in a branch that was not taken"
                )
            return fetched(value)
        # A reference gives the value that its variable has by now.
        self._compute_op(t.op)
        state, key = self._session._state, variable_key(declared)
        with state.lock:
            value = state.variables.get(key)
        if value is None:
            raise uninitialized(self._plan, state, key, t.op)
        return fetched(np.array(value))

    def _compute_op(self, op: Operation) -> None:
        for spelled in op.graph._attachments.get("spelled", {}).values():
            if op not in self._instruction_of:
                op = spelled.copies.get(op, op)
        instruction = self._instruction_of.get(op)
        if instruction is not None:
            self._run_with_what_it_needs(instruction)

    def _compute(self, register: Register) -> None:
        """Have a value in a register."""
        if register in self._feed_of:
            self._need_fed(self._feed_of[register])
        instruction = self._maker.get(register)
        if instruction is not None:
            self._run_with_what_it_needs(instruction)

    def _run_with_what_it_needs(self, instruction: Instruction) -> None:
        waiting: list[tuple[Instruction, Iterator[Instruction]]] = [(instruction, self._needs(instruction))]
        while waiting:
            current, needs = waiting[-1]
            following = None if id(current) in self._done else next(needs, None)
            if following is None:
                waiting.pop()
                if id(current) not in self._done:
                    self._done.add(id(current))
                    self._run(self._stage_of[id(current)], current)
            elif id(following) not in self._done:
                waiting.append((following, self._needs(following)))

    def _needs(self, instruction: Instruction) -> Iterator[Instruction]:
        """What has to run before `instruction`, one after the other: first what decides whether it runs at all."""
        for register, _ in instruction.guards:
            yield from self._made_by(register)
        for register in instruction.bases:
            yield from self._made_by(register)
        if not all(holds(self._registers[r], side) for r, side in instruction.guards):
            return
        op = instruction.op
        if op.type in ("Placeholder", "PlaceholderV2"):
            self._need_fed(op.outputs[0])
        for control in op._control_inputs:
            yield from self._waited_for(control)
        for write in self._plan.effects.previous.get(op, ()):
            yield self._instruction_of[write]
        if instruction.selector is not None:
            predicate, side = instruction.selector
            yield from self._made_by(predicate)
            position = 0 if holds(self._registers[predicate], side) else 1
            yield from self._made_by(instruction.inputs[0][position])
            return
        for source in instruction.inputs:
            for register in source if isinstance(source, tuple) else (source,):
                yield from self._made_by(register)

    def _waited_for(self, op: Operation) -> Iterator[Instruction]:
        """What a control edge from `op` waits for: what need not run itself waits for others."""
        made = self._instruction_of.get(op)
        if made is not None:
            yield made
            return
        for source in (*op._control_inputs, *(t.op for t in op.inputs)):
            yield from self._waited_for(source)

    def _made_by(self, register: Register) -> Iterator[Instruction]:
        if register in self._feed_of:
            self._need_fed(self._feed_of[register])
        instruction = self._maker.get(register)
        if instruction is not None:
            yield instruction

    def _need_fed(self, t: Tensor) -> None:
        if t not in self._fed:
            raise errors.InvalidArgumentError(
                None, t.op, f"You must feed a value for placeholder tensor {t.op.name!r} before fetching what needs it."
            )

    def _run(self, stage: Stage, instruction: Instruction) -> None:
        state = self._session._state
        blind = instruction.op.opdef.blind
        names = [""] * len(instruction.inputs) if instruction.loop else [a.name for a in instruction.op.opdef.inputs]
        may_lack = bool(instruction.guards) or instruction.selector is not None or instruction.loop is not None
        with state.lock:
            sources = [*zip(names, instruction.inputs, strict=True), *(("", base) for base in instruction.bases)]
            for name, source in sources:
                for register in source if isinstance(source, tuple) else (source,):
                    key = self._variables.get(register)
                    if key is not None and self._registers[register] is None:
                        value = state.variables.get(key)
                        if value is None and name not in blind and not may_lack:
                            raise uninitialized(self._plan, state, key, instruction.op)
                        self._registers[register] = None if value is None else np.asarray(value)
            counters = state.counters(stage.random_ops) if stage.random_ops else None
            used = [0] * len(stage.random_ops)
            if not instruction.session:
                self._interpret(instruction, counters, used)
            if stage.random_ops:
                state.advance(stage.random_ops, used)
            made = self._plan.effects.writes.get(instruction.op, ())
            new = [(k, self._registers[r]) for (k, _), r in zip(made, instruction.outputs, strict=False)]
            new = [(k, value) for k, value in new if value is not None]
            state.store([k for k, _ in new], [np.array(value) for _, value in new])
        if instruction.session:
            self._interpret(instruction, None, used)  # outside the lock: it may have to wait for another thread

    def _interpret(self, instruction: Instruction, counters: list[int] | None, used: list[int]) -> None:
        state = self._session._state
        run = Running(state.resources, caller(state, None, run_plan))
        with np.errstate(all="ignore"):
            interpret_one(instruction, self._registers, counters, used, None, run)


def _ops_of_loop(region: Any) -> Iterator[Any]:
    """All ops that a loop stands for."""
    for op in (*region.head, *region.body, *region.merges, *region.starts):
        yield op
        if getattr(op, "region", None) is not None:
            yield from _ops_of_loop(op.region)
