"""`partial_run`: one run whose feeds and fetches come in several calls.

The registers of the run stay alive between the calls, and each op runs once, as soon as a fetch needs it and what it
needs was fed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.compiler.interpret import interpret_one
from evergraph.compiler.plan import Instruction, Stage
from evergraph.framework import errors
from evergraph.framework.tensor import Tensor
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
        if self._plan.readers is not None or any(op.type in ("Loop", "Merge") for op in self._plan.ops):
            raise errors.UnimplementedError(None, None, "partial_run does not go through tf.cond and tf.while_loop yet")
        self._registers = self._plan.registers.copy()
        self._register_of = dict(zip(self._plan.feeds, self._plan.feed_registers, strict=True))
        self._fed: set[Tensor] = set()
        self._pending = dict.fromkeys(self._taken.elements)
        self._done: set[int] = set()
        self._maker: dict[int, tuple[Stage, Instruction]] = {}
        self._order: dict[int, int] = {}
        self._instruction_of: dict[Any, tuple[Stage, Instruction]] = {}
        position = 0
        for stage in self._plan.stages:
            for instruction in stage.instructions:
                self._order[id(instruction)] = position
                position += 1
                self._instruction_of[instruction.op] = (stage, instruction)
                for register in instruction.outputs:
                    self._maker[register] = (stage, instruction)
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
        for element in taken.elements:
            self._compute(element)
        results = []
        register_of = dict(zip(self._plan.fetches, self._plan.fetch_registers, strict=True))
        for t in taken.tensors:
            results.append(fetched(self._registers[register_of[t]]))
        for element in taken.elements:
            self._pending.pop(element, None)
        return taken.values(results)

    def _compute(self, element: Any) -> None:
        """Run what `element` needs and has not run yet."""
        wanted = [element if not isinstance(element, Tensor) else element.op]
        if isinstance(element, Tensor) and element in self._feeds:
            self._need_fed(element)
            return
        needed: dict[Any, None] = {}
        while wanted:
            op = wanted.pop()
            if op in needed:
                continue
            needed[op] = None
            if op.type in ("Placeholder", "PlaceholderV2"):
                self._need_fed(op.outputs[0])
            for t in op.inputs:
                if t in self._feeds:
                    self._need_fed(t)
                else:
                    wanted.append(t.op)
            wanted.extend(op._control_inputs)
            wanted.extend(self._plan.effects.previous.get(op, ()))
        entries = [self._instruction_of[op] for op in needed if op in self._instruction_of]
        for stage, instruction in sorted(entries, key=lambda entry: self._order[id(entry[1])]):
            if id(instruction) not in self._done:
                self._run(stage, instruction)
                self._done.add(id(instruction))

    def _need_fed(self, t: Tensor) -> None:
        if t not in self._fed:
            raise errors.InvalidArgumentError(
                None, t.op, f"You must feed a value for placeholder tensor {t.op.name!r} before fetching what needs it."
            )

    def _run(self, stage: Stage, instruction: Instruction) -> None:
        state = self._session._state
        blind = instruction.op.opdef.blind
        with state.lock:
            for arg, source in zip(instruction.op.opdef.inputs, instruction.inputs, strict=True):
                for register in source if isinstance(source, tuple) else (source,):
                    key = self._variables.get(register)
                    if key is not None and self._registers[register] is None:
                        value = state.variables.get(key)
                        if value is None and arg.name not in blind:
                            raise uninitialized(self._plan, state, key, instruction.op)
                        self._registers[register] = None if value is None else np.asarray(value)
            counters = state.counters(stage.random_ops) if stage.random_ops else None
            used = [0] * len(stage.random_ops)
            if not instruction.session:
                self._interpret(instruction, counters, used)
            if stage.random_ops:
                state.advance(stage.random_ops, used)
            made = self._plan.effects.writes.get(instruction.op, ())
            state.store([k for k, _ in made], [np.array(self._registers[r]) for r in instruction.outputs[: len(made)]])
        if instruction.session:
            self._interpret(instruction, None, used)  # outside the lock: it may have to wait for another thread

    def _interpret(self, instruction: Instruction, counters: list[int] | None, used: list[int]) -> None:
        state = self._session._state
        run = Running(state.resources, caller(state, None, run_plan))
        with np.errstate(all="ignore"):
            interpret_one(instruction, self._registers, counters, used, None, run)
