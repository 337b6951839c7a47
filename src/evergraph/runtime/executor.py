"""Runs a plan in a session: stage by stage, each interpreted or compiled.

Which way a device stage runs follows from counts and sizes, never from a clock, so that a program's numbers repeat from
run to run; what an earlier process noted on disk may change the last bits of the first run:

- the first run of a stage with a new input signature is interpreted: what runs once never waits for XLA;
- a stage that only puts arrays of the host into variables, as a restore does, is interpreted: nothing is computed;
- a stage that had little to do stays interpreted: dispatching a compiled program costs more (12 us here for a scalar
  op, against about 1.5 us for each small NumPy op);
- a stage with more than `LONGEST_CHAIN` element-wise ops in a row stays interpreted: XLA:CPU makes one loop of them,
  and takes more than linear time over it (1,000 in 1.7 s, 3,000 in 14 s, also with barriers between), while op by op
  20,000 of them on 100 elements take 0.05 s;
- a stage of more than `MANY_STEPS` steps on few elements each stays interpreted as well: compiling takes 2 to 5 ms a
  step and more for each the more there are (a chain of 10,000 with its gradient: minutes), interpreting 2 to 3 us;
- what runs again is compiled, and so is, at its first run, a stage that handles more than `BIG_ELEMENTS` at once (its
  NumPy kernels would each go through memory on their own, and hold several copies) or draws `BIG_DRAW` random numbers;
- so is, at its first run, a stage that an earlier process noted on disk (compiler/disk_cache.py) since it took long to
  run op by op: its program is there, and only has to be read;
- a stage that keeps changing its signature is compiled for the first `FEW_SIGNATURES`; after that a signature has to
  come back so often that compiling pays: twice as many times as interpreting goes into compiling, both by rule of
  thumb. Until then, and where the whole cannot be one program, parts of it are compiled (compiler/segments.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import nullcontext
from time import thread_time
from typing import Any

import numpy as np

from evergraph.compiler import disk_cache
from evergraph.compiler.gathering import parts_of_stage
from evergraph.compiler.interpret import MOST_PATIENCE, Work, at_home, bring_home, interpret, patience
from evergraph.compiler.lower import Program
from evergraph.compiler.plan import Plan, Stage, every
from evergraph.compiler.segments import Observation
from evergraph.compiler.stages import HOST, HOST_STATE
from evergraph.framework import errors
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation
from evergraph.ops.control_flow import DEAD
from evergraph.ops.opdef import collectors
from evergraph.ops.running import Running
from evergraph.ops.scatter import Overwriting
from evergraph.ops.traced_lists import Untraceable
from evergraph.runtime import forks
from evergraph.runtime.dataflow import Dataflow
from evergraph.runtime.functions import caller
from evergraph.runtime.handover import Handover
from evergraph.runtime.state import Row, State, value_of

SMALL_OPS = 12
SMALL_ELEMENTS = 4_096
BIG_ELEMENTS = 32 << 20
# NumPy takes 15, 36 and 64 ms CPU for 2**20 uniforms, normals and truncated normals, compiled kernels 6, 12 and 18.
BIG_DRAW = 4 << 20
FEW_SIGNATURES = 3
LONGEST_CHAIN = 500
# Seconds of this thread's CPU time. A stage is noted for later processes if interpreting it takes longer than importing
# JAX, reading a program and running it. (First steps, interpreted and read: a small convolutional network 0.7 and 0.9,
# a Transformer 1.0 and 1.4, MobileNet 0.4 and 0.8.)
LONG = 1.0
MANY_STEPS = 2_000
FEW_ELEMENTS = 512
MOST_OVERFLOWS = 8


class Choice:
    """How a stage runs for one input signature, and how often it did so far."""

    __slots__ = (
        "in_parts", "is_checked", "mean_elements", "overflows", "patience", "program", "runs", "stays_interpreted",
        "was_long",
    )  # fmt: skip

    def __init__(self) -> None:
        self.runs = 0
        self.patience = 1  # runs before it is compiled, if the stage has many signatures
        self.was_long = False  # whether interpreting it took long
        self.mean_elements = float("inf")  # that an op made when the stage was interpreted
        self.is_checked = False  # whether kernels stated conditions on values when the stage was interpreted
        self.stays_interpreted = False
        self.in_parts = False  # what of it can be compiled is, since the whole cannot
        self.program: Program | None = None
        self.overflows = 0  # how often a loop took more iterations than the program provided for


def execute(
    plan: Plan, state: State, fed: list[Any], timings: list[Any] | None = None, deadline: float | None = None
) -> list[Any]:
    """Run `plan` in a session's `state`; gives the values of its fetches, as TF gives them.

    With `timings`, every op is interpreted, and what it took is appended for each (see `Work`). A run that waits longer
    than until `deadline`, on the clock `time.monotonic`, fails.
    """
    values = run_plan(plan, state, fed, timings, deadline)
    if not plan.feed_registers:
        return [fetched(v) for v in values]
    fed_registers = plan.feed_registers
    return [
        np.array(v) if r in fed_registers else fetched(v) for v, r in zip(values, plan.fetch_registers, strict=True)
    ]


def run_plan(
    plan: Plan, state: State, fed: list[Any], timings: list[Any] | None = None, deadline: float | None = None
) -> list[Any]:
    """`execute`, but the values are as they were computed: they may be constants, or what was fed."""
    if plan.readers is not None:
        whole = Running(state.resources, caller(state, deadline, run_plan), deadline)
        return Dataflow(plan, state, dict(zip(plan.feeds, fed, strict=True)), whole).run()
    registers = plan.registers.copy()
    for register, value in zip(plan.feed_registers, fed, strict=True):
        registers[register] = value
    if plan.keeps or plan.variable_fetches:
        with state.lock:
            variables = state.variables
            for key, register in plan.keeps:
                value = variables.get(key)
                if value is None:
                    raise uninitialized(plan, state, key, None)
                registers[register] = value.value() if type(value) is Row else value
            for position, key in plan.variable_fetches:
                value = variables.get(key)
                if value is None:
                    raise uninitialized(plan, state, key, plan.fetches[position].op)
                registers[plan.fetch_registers[position]] = value_of(value)
    run: Running | None = None
    for stage in plan.stages:
        if stage.kind == HOST:
            if stage.needs_run and run is None:
                run = Running(state.resources, caller(state, deadline, run_plan), deadline)
                if timings is None:
                    run.step.before_wait = Handover(plan, state, registers, run, run_stage).before_wait
            try:
                _run_host_stage(plan, stage, state, registers, timings, run)
            except BaseException as error:
                if run is not None and run.step.handed_over is not None:
                    run.step.handed_over.finish(error)
                raise
            if run is not None and run.step.handed_over is not None:
                run.step.handed_over.finish()
                break
        elif timings is not None:
            _interpret(plan, stage, state, registers, Work(timings), deadline=deadline)
        elif stage.kind == HOST_STATE:
            _interpret(plan, stage, state, registers, deadline=deadline)
        else:
            _run_device_stage(plan, stage, state, registers, deadline)
    if plan.may_be_dead:
        for t, r in zip(plan.fetches, plan.fetch_registers, strict=True):
            if registers[r] is DEAD:
                raise errors.InvalidArgumentError(
                    None, t.op, f"Retval[0] does not have value: {t.name!r} is in a branch that was not taken"
                )
    return [registers[r] for r in plan.fetch_registers]


def fetched(value: Any) -> Any:
    """A computed value as TF gives it to the program: a writable array, or a NumPy scalar."""
    if isinstance(value, np.ndarray):
        if value.dtype.names:  # of a quantized type: the integers
            value = value[value.dtype.names[0]]
        if value.ndim == 0:
            return value[()]
        return value.copy()  # it may be a constant, or what the program fed
    if isinstance(value, np.generic) or not hasattr(value, "shape"):
        return value
    if value.ndim == 0:
        return np.asarray(value)[()]
    return value_of(value)


def signature(stage: Stage, registers: list[Any], state: State) -> Any:
    """What a compiled program depends on: shapes of the inputs, and the static ones' values."""
    inputs = stage.inputs
    if not stage.static_inputs:
        if len(inputs) == 1:
            return state.layout, registers[inputs[0]].shape
        return state.layout, *[registers[r].shape for r in inputs]
    static = stage.static_inputs
    key: list[Any] = [state.layout]
    for r in inputs:
        value = registers[r]
        key.append((value.shape, np.asarray(value).tobytes()) if r in static else value.shape)
    return tuple(key)


def _run_device_stage(plan: Plan, stage: Stage, state: State, registers: list[Any], deadline: float | None) -> None:
    if (
        forks.lost_its_threads
        or stage.longest_chain > LONGEST_CHAIN
        or stage.holds_handles
        or stage.only_reads
        or stage.only_moves
        and all(type(registers[r]) is np.ndarray for r in stage.inputs)
        or plan.may_be_dead
        or deadline is not None
        and stage.needs_run
        or _lacks_values(stage, state)
    ):
        _interpret(plan, stage, state, registers, deadline=deadline)
        return
    key = signature(stage, registers, state)
    choice = stage.executables.get(key)
    if choice is None:
        choice = stage.executables[key] = Choice()
    program = choice.program
    if program is None:
        if choice.stays_interpreted:
            _interpret(plan, stage, state, registers, look=choice.in_parts)
            return
        choice.runs += 1
        threshold = (
            0
            if _is_big(stage, state, registers) or choice.runs == 1 and _is_noted(stage, key, choice)
            else 1
            if len(stage.executables) <= FEW_SIGNATURES
            else choice.patience
        )
        if choice.runs <= threshold:
            work = Work()
            required = collectors.required
            start = thread_time()
            _interpret(plan, stage, state, registers, work, look=len(stage.executables) > 1)
            choice.is_checked = collectors.required > required
            choice.stays_interpreted = work.ops <= SMALL_OPS and work.elements <= SMALL_ELEMENTS
            choice.mean_elements = work.elements / max(work.ops, 1)
            saved = work.seconds()
            if stage.parts is not None and stage.parts.segments:
                saved /= 2
            choice.patience = patience(sum(1 for _ in every(stage.instructions)), saved)
            choice.was_long = thread_time() - start > LONG
            return
        static_values = {r: np.asarray(registers[r]) for r in stage.static_inputs if registers[r] is not DEAD}
        static_values.update((r, DEAD) for r in stage.inputs if registers[r] is DEAD)
        program = Program(stage, plan.registers, static_values, state.variables, choice.is_checked)
        if choice.mean_elements <= FEW_ELEMENTS and program.size > MANY_STEPS:
            choice.stays_interpreted = True
            _interpret(plan, stage, state, registers)
            return
        choice.program = program
    inputs = [registers[r] for r in program.dynamic_inputs]
    variables = state.variables
    with state.lock:
        if state.arrivals:
            state.settle((*program.donated, *program.kept), program.settled)
        try:
            if state.has_packs or program.packs:
                donated = [state.packed(k) if type(k) is tuple else state.array(k) for k in program.donated]
                kept = [state.packed(k) if type(k) is tuple else state.array(k) for k in program.kept]
            else:
                donated = [variables[k] for k in program.donated]
                kept = [variables[k] for k in program.kept]
        except KeyError as missing:
            raise uninitialized(plan, state, missing.args[0], None) from None
        counters = None
        if stage.random_ops:
            at = state.counters(stage.random_ops)
            counters = np.array(at, np.uint64)
        try:
            outputs, writes, ok = program(donated, kept, inputs, counters)
        except Untraceable:
            choice.program, choice.stays_interpreted, choice.in_parts = None, True, True
            _interpret(plan, stage, state, registers)
            return
        if ok is not None and not bool(ok):
            if writes is not None:
                # Donated buffers came back with their old values; the other variables were never touched.
                returned = dict(zip(program.writes, writes, strict=True))
                _store(state, program.donated, [returned[k] for k in program.donated])
            _run_again(plan, stage, choice, state, registers)
            return
        assert writes is not None
        if choice.was_long:
            choice.was_long = False
            disk_cache.note(_fingerprint(stage, key) + _CHECKED * choice.is_checked)
        if choice.runs == 0 and not state.has_packs:
            # Only the first result can change a variable's shape: the program is for one signature.
            variables.update(zip(program.writes, writes, strict=True))
        else:
            choice.runs = 0
            _store(state, program.writes, writes)
        if stage.random_ops:
            blocks = program.blocks if outputs[-1] is None else [int(n) for n in np.asarray(outputs[-1])]
            state.advance(stage.random_ops, blocks)
    for register, value in zip(stage.outputs, outputs, strict=False):  # the last output: how far random streams went
        registers[register] = value
    for position in program.dead_outputs:
        registers[stage.outputs[position]] = DEAD


def _store(state: State, keys: Sequence[Any], values: Sequence[Any]) -> None:
    """Give variables and packs of variables new values."""
    for key, value in zip(keys, values, strict=True):
        if type(key) is tuple:
            state.store_packed(key, value)
        else:
            state.store((key,), (value,))


def _run_again(plan: Plan, stage: Stage, choice: Choice, state: State, registers: list[Any]) -> None:
    """A check failed in a compiled stage: go through it again op by op, to say which and with what values.

    If all goes well that way, a loop took more iterations than its program provided for: the next one provides for
    more.
    """
    if not any(instruction.loop is not None for instruction in stage.instructions):
        _interpret(plan, stage, state, registers.copy(), commit=False)
        raise errors.InternalError(
            None, None, "a check failed in a compiled stage, but holds when its ops run one by one"
        )
    _interpret(plan, stage, state, registers)
    choice.program = None
    choice.overflows += 1
    choice.runs = MOST_PATIENCE + 1
    choice.stays_interpreted = choice.overflows > MOST_OVERFLOWS


_CHECKED = "-checked"


def _is_noted(stage: Stage, key: Any, choice: Choice) -> bool:
    if not disk_cache.has_notes():
        return False
    name = _fingerprint(stage, key)
    choice.is_checked = disk_cache.is_noted(name + _CHECKED)
    return choice.is_checked or disk_cache.is_noted(name)


def _fingerprint(stage: Stage, key: Any) -> str:
    """A name for a stage with one signature, the same in every process that builds the same graph."""
    shapes = key[1:]  # the first says how variables are packed
    ops = [f"{i.op.name} {i.op.type} {[t.static_shape for t in i.op.outputs]}" for i in stage.instructions]
    return hashlib.sha256(repr((ops, shapes, stage.kind)).encode()).hexdigest()[:32]


def _lacks_values(stage: Stage, state: State) -> bool:
    """Whether a variable without value is looked at in a branch: perhaps that branch does not run."""
    return bool(stage.guarded_reads) and not stage.guarded_reads <= state.variables.keys()


def _is_big(stage: Stage, state: State, registers: list[Any]) -> bool:
    """Whether a single array that the stage reads or makes is too big to go through op by op."""
    variables = state.variables
    sizes = [getattr(registers[r], "size", 0) for r in stage.inputs]
    sizes.extend(variables[k].size for k in stage.reads if k in variables)
    return max(sizes, default=0) > BIG_ELEMENTS or stage.largest > BIG_ELEMENTS or stage.largest_draw >= BIG_DRAW


def run_stage(plan: Plan, stage: Stage, state: State, registers: list[Any], deadline: float | None) -> None:
    """Run one stage in which no op may wait for others of the run (see handover.py)."""
    if stage.kind == HOST:
        _run_host_stage(plan, stage, state, registers, None, None)
    elif stage.kind == HOST_STATE:
        _interpret(plan, stage, state, registers, deadline=deadline)
    else:
        _run_device_stage(plan, stage, state, registers, deadline)


def _run_host_stage(
    plan: Plan, stage: Stage, state: State, registers: list[Any], timings: list[Any] | None, run: Running | None
) -> None:
    """Host ops that leave nothing in a variable. They run outside the lock, since some of them may have to wait."""
    bring_home(registers, stage.inputs)
    if stage.reads:
        with state.lock:
            _read_variables(plan, stage, state, registers)
    if stage.needs_run:
        state.resources.check_open()
    interpret(stage, registers, None, None if timings is None else Work(timings), run)


def _read_variables(plan: Plan, stage: Stage, state: State, registers: list[Any], to_home: bool = True) -> None:
    variables = state.variables
    for key, register in zip(stage.reads, stage.read_registers, strict=True):
        value = variables.get(key)
        if value is None:
            if key not in stage.optional_reads and key not in stage.guarded_reads:
                raise uninitialized(plan, state, key, None)
        elif to_home or type(value) is Row:
            value = at_home(value)
        registers[register] = value


def _interpret(
    plan: Plan,
    stage: Stage,
    state: State,
    registers: list[Any],
    work: Work | None = None,
    commit: bool = True,
    deadline: float | None = None,
    look: bool = False,
) -> None:
    """Go through a stage op by op; with `look`, look which parts of it can be compiled, and later go through those."""
    parts = parts_of_stage(stage, plan.registers) if look else None
    seen = None
    if parts is None:
        bring_home(registers, stage.inputs)
        if look:
            seen = stage.seen = stage.seen or Observation()
            seen.turns += 1
    run = Running(state.resources, caller(state, deadline, run_plan), deadline) if stage.needs_run else None
    if not (stage.reads or stage.writes or stage.random_ops):
        interpret(stage, registers, None, work, run, seen, parts)
        return
    with state.lock:
        _read_variables(plan, stage, state, registers, to_home=parts is None)
        counters = state.counters(stage.random_ops) if stage.random_ops else None
        # What a scatter writes into a variable's own array is taken back if an op after it fails.
        with Overwriting() if commit else nullcontext():
            used = interpret(stage, registers, counters, work, run, seen, parts)
        if commit:
            written = [(k, registers[r]) for k, r in zip(stage.writes, stage.write_registers, strict=True)]
            written = [(k, v) for k, v in written if v is not None]  # in a branch not taken, and without value before
            given = {id(registers[r]) for r in (*plan.feed_registers, *stage.read_registers)}
            held = state.variables
            state.store([k for k, _ in written], [v if v is held.get(k) else _owned(v, given) for k, v in written])
            state.advance(stage.random_ops, used)


def _owned(value: Any, given: set[int]) -> Any:
    """A value that a variable may keep: not one that the program fed, nor a part of another array."""
    if type(value) is not np.ndarray and hasattr(value, "block_until_ready") and id(value) not in given:
        given.add(id(value))
        return value  # made by a part of the stage that was compiled
    array = np.asarray(value)
    if array.base is not None or id(value) in given:
        return array.copy()
    given.add(id(value))
    return array


def uninitialized(plan: Plan, state: State, key: str, reader: Operation | None) -> errors.OpError:
    """The error for reading a variable that has no value in this session."""
    declared = plan.effects.declared[key]
    readers = [op for (op, _), (k, _) in plan.effects.reads.items() if k == key]
    reader = readers[0] if readers else reader
    others = [
        op.name
        for k, op in plan.effects.declared.items()
        if k != key and k not in state.variables and any(kk == k and v == 0 for (kk, v) in plan.effects.reads.values())
    ]
    kind: type[errors.OpError] = errors.FailedPreconditionError
    if declared.type == "VarHandleOp" and reader is not None and reader.type not in _READERS:
        # As TensorFlow 1.15, whose ops each look for the variable in their own way.
        is_optimizer = reader.type.startswith("ResourceApply")
        kind = errors.InternalError if is_optimizer else errors.NotFoundError
        head = "Invalid variable reference. " if is_optimizer else ""
        head += f"Resource localhost/{key}/N10tensorflow3VarE does not exist."
    elif declared.type == "VarHandleOp":
        head = (
            f"Error while reading resource variable {key} from Container: localhost. This could mean that the variable "
            f"was uninitialized. Not found: Resource localhost/{key}/N10tensorflow3VarE does not exist. Attempting to "
            f"use uninitialized value {key}"
        )
    else:
        head = f"Attempting to use uninitialized value {declared.name}"
    lines = [head, f"\t [[{{{{node {(reader or declared).name}}}}}]]"]
    if reader is not None:
        place = built_at(reader.frames)
        lines.append(f"  Read by {reader.name!r}" + (f", built at {place}" if place else ""))
    lines.append(
        f"  Variable {declared.name!r} has no value in this session: run its initializer first, as "
        "sess.run(tf.global_variables_initializer()), or restore a checkpoint. Each session has values of its own."
    )
    if others:
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        lines.append(f"  {len(others)} other variable(s) have no value either: {shown}")
    return kind(None, reader or declared, "\n".join(lines))


_READERS = frozenset(("ReadVariableOp", "Identity", "Switch", "Enter", "VarHandleOp"))
