"""Running a stage without a compiler: its ops one by one, through their NumPy kernels.

The same kernels fold constants while a stage is traced. So there is one definition of what an op computes, and what
runs once never waits for XLA.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from evergraph.compiler.effects import variable_of
from evergraph.compiler.plan import Instruction, LoopProgram, Register, Stage
from evergraph.framework import errors
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation
from evergraph.ops.control_flow import DEAD
from evergraph.ops.running import Running
from evergraph.ops.scatter import NONE, overwriting

if TYPE_CHECKING:
    from evergraph.compiler.segments import LoopParts, Observation, Parts

# An op, its start and end in ns, shape and bytes of each output that is no reference, and how many bytes are new.
Timing = tuple[Operation, int, int, list[tuple[tuple[int, ...], int]], int]


# Smaller arrays are copied faster than it is found out who holds them.
LARGE = 16_384

# After so many iterations, over all runs, a loop that is interpreted is looked at for parts to compile.
LOOKED_AT_FROM = 48


# Seconds, on one EPYC core: to interpret an op, and for an element that it makes; to compile an instruction.
AN_OP, AN_ELEMENT = 3e-6, 1.5e-9
COMPILING = 5e-3
MOST_PATIENCE = 200


class Work:
    """How much an interpreted stage had to do, as counts: ops and elements made. `timings` is for traced runs."""

    __slots__ = ("elements", "ops", "timings")

    def __init__(self, timings: list[Timing] | None = None) -> None:
        self.ops = 0
        self.elements = 0
        self.timings = timings

    def seconds(self) -> float:
        """How long it takes, by rule of thumb: no clock has a say in what is compiled."""
        return max(self.ops, 1) * AN_OP + self.elements * AN_ELEMENT


def patience(instructions: int, saved: float) -> int:
    """How often something is interpreted before its `instructions` are compiled, which saves so many seconds a run."""
    return max(1, min(MOST_PATIENCE, round(2 * COMPILING * instructions / saved)))


def interpret(
    stage: Stage,
    registers: list[Any],
    counters: list[int] | None,
    work: Work | None = None,
    run: Running | None = None,
    seen: Observation | None = None,
    parts: Parts | None = None,
) -> list[int]:
    """Run every instruction of `stage` on `registers`, in place; with `parts`, those (see segments.py).

    Returns:
        How many blocks each random op used up.
    """
    used = [0] * len(stage.random_ops)
    with np.errstate(all="ignore"):
        if parts is not None:
            parts.run(registers, counters, used, work, run)
            return used
        if seen is not None:
            seen.see_all(registers, (*stage.inputs, *stage.read_registers))
        for instruction in stage.instructions:
            interpret_one(instruction, registers, counters, used, work, run)
            if seen is not None:
                seen.see_all(registers, instruction.outputs)
            if instruction.session and run is not None and run.step.handed_over is not None:
                break  # this op had to wait, and the rest of the run has been handed over meanwhile
            for register in instruction.frees:
                registers[register] = None
    return used


def interpret_one(
    instruction: Instruction,
    registers: list[Any],
    counters: list[int] | None,
    used: list[int],
    work: Work | None = None,
    run: Running | None = None,
) -> None:
    if instruction.guards and not runs(instruction, registers):
        leave_out(instruction, registers)
        return
    if instruction.loop is not None:
        interpret_loop(instruction, registers, counters, used, work, run)
        return
    if instruction.selector is not None:
        predicate, side = instruction.selector
        position = 0 if holds(registers[predicate], side) else 1
        values = (registers[instruction.inputs[0][position]], np.int32(position))
        for register, value in zip(instruction.outputs, values, strict=True):
            registers[register] = value
        return
    if instruction.grouped:
        args = [
            tuple([registers[r] for r in source]) if type(source) is tuple else registers[source]
            for source in instruction.inputs
        ]
    else:
        args = [registers[r] for r in instruction.inputs]
    if instruction.guards and any(a is None for a in args):
        raise _without_value(instruction, args)
    if instruction.overwrites and overwriting.log is not None:
        overwriting.arrays = _may_be_overwritten(instruction, args)
    kernel = instruction.op.opdef.numpy_kernel or instruction.kernel
    begin = 0 if work is None or work.timings is None else time.time_ns()
    try:
        if instruction.random >= 0:
            assert counters is not None
            at = np.uint64(counters[instruction.random])
            if instruction.session:
                assert run is not None
                result = kernel(np, *args, counter=at, run=run.at(instruction.op), **instruction.attrs)
            else:
                result = kernel(np, *args, counter=at, **instruction.attrs)
            blocks = blocks_used(instruction, args)
            used[instruction.random] += blocks
            counters[instruction.random] = (counters[instruction.random] + blocks) % 2**64
        elif instruction.session:
            assert run is not None
            result = kernel(np, *args, run=run.at(instruction.op), **instruction.attrs)
        elif instruction.attrs:
            result = kernel(np, *args, **instruction.attrs)
        else:
            result = kernel(np, *args)
    except Exception as error:
        raise located(error, instruction.op, args) from error
    if instruction.overwrites:
        overwriting.arrays = NONE  # for this op alone: another one may make a new value of the same array
    outputs = instruction.outputs
    n = len(outputs)
    if instruction.declared_shape is not None and np.shape(args[1]) != instruction.declared_shape:
        raise located(wrong_shape(instruction.declared_shape, np.shape(args[1])), instruction.op)
    if n == 1:
        if type(result) is tuple or type(result) is list:
            result = result[0]
        kind = instruction.types[0]
        registers[outputs[0]] = as_value(result) if kind is None else as_array(result, kind)
    elif n:
        for register, kind, value in zip(outputs, instruction.types, result, strict=True):
            # A variable without a value goes through a Switch as None: only who reads it on the side taken minds.
            registers[register] = as_value(value) if kind is None or value is None else as_array(value, kind)
    if work is not None:
        work.ops += 1
        for register in outputs:
            work.elements += getattr(registers[register], "size", 1)
        if work.timings is not None:
            end = time.time_ns()
            references = sum(t.dtype._is_ref_dtype for t in instruction.op.outputs)
            computed = [registers[r] for r in outputs[max(0, n - len(instruction.op.outputs) + references) :]]
            shapes = [(np.shape(value), getattr(value, "nbytes", 0)) for value in computed]
            work.timings.append((instruction.op, begin, end, shapes, _bytes_made(computed, args)))


def _may_be_overwritten(instruction: Instruction, args: list[Any]) -> frozenset[int]:
    """Large arrays, by identity, that `instruction` updates and that nobody else holds: no view, no other thread."""
    return frozenset(
        id(args[position])
        for position, references in instruction.overwrites
        if type(args[position]) is np.ndarray
        and args[position].size >= LARGE
        and args[position].base is None
        and args[position].flags.writeable
        and sys.getrefcount(args[position]) <= references + 1  # and by this call
    )


def _bytes_made(values: list[Any], args: list[Any]) -> int:
    """The size of those values that are new: neither inputs handed on nor views of them."""
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    return sum(
        value.nbytes
        for value in values
        if isinstance(value, np.ndarray | np.generic) and not any(np.may_share_memory(value, arg) for arg in arrays)
    )


def runs(instruction: Instruction, registers: list[Any]) -> bool:
    """Whether `instruction` is in no branch, or in one that is taken."""
    return not instruction.guards or all(holds(registers[r], side) for r, side in instruction.guards)


def at_home(value: Any) -> Any:
    """`value` as NumPy has it, if it is an array of JAX."""
    if type(value) is not np.ndarray and hasattr(value, "block_until_ready"):
        return np.asarray(value)
    return value


def bring_home(registers: list[Any], which: Iterable[Register]) -> None:
    for register in which:
        registers[register] = at_home(registers[register])


def holds(predicate: Any, side: bool) -> bool:
    """Whether a predicate was computed, and has this value."""
    return predicate is not DEAD and bool(predicate) == side


def leave_out(instruction: Instruction, registers: list[Any]) -> None:
    """What an op of a branch not taken leaves: nothing, and variables as they were."""
    for register, base in zip(instruction.outputs, instruction.bases, strict=False):
        registers[register] = registers[base]
    for register in instruction.outputs[len(instruction.bases) :]:
        registers[register] = DEAD


def _without_value(instruction: Instruction, args: list[Any]) -> Exception:
    op = instruction.op
    blind = op.opdef.blind
    for t, arg, value in zip(op.inputs, op.opdef.inputs, args, strict=False):
        if value is None and arg.name not in blind and (declared := variable_of(t)) is not None:
            return errors.FailedPreconditionError(
                None,
                op,
                f"Attempting to use uninitialized value {declared.name}\n\t [[{{{{node {op.name}}}}}]]\n  Variable "
                f"{declared.name!r} has no value in this session: run its initializer first, as "
                "sess.run(tf.global_variables_initializer()), or restore a checkpoint.",
            )
    return errors.InternalError(None, op, f"an input of {op.name!r} has no value")


def interpret_loop(
    instruction: Instruction,
    registers: list[Any],
    counters: list[int] | None,
    used: list[int],
    work: Work | None = None,
    run: Running | None = None,
) -> None:
    """Run a loop on registers of its own, iteration by iteration."""
    loop = instruction.loop
    assert loop is not None
    own = loop.registers.copy()
    for register, source in zip(loop.inputs, instruction.inputs, strict=True):
        own[register] = registers[source]
    values = [own[loop.inputs[i]] for i in loop.starts]
    trips = 0
    parts = None if work is not None and work.timings is not None else loop.parts
    if loop.seen is not None:
        loop.seen.here.clear()
    while True:
        for register, value in zip(loop.variables, values, strict=True):
            own[register] = value
        if parts is None:
            for inner in loop.head:
                interpret_one(inner, own, counters, used, work, run)
            if not own[loop.go]:
                break
            for inner in loop.body:
                interpret_one(inner, own, counters, used, work, run)
            parts = _taken_apart(loop, own, work)
        else:
            parts.head.run(own, counters, used, work, run)
            if not own[loop.go]:
                break
            parts.body.run(own, counters, used, work, run)
        values = [own[register] for register in loop.nexts]
        trips += 1
        if run is not None:
            run.check()
    loop.op.most_trips = max(loop.op.most_trips, trips)
    if parts is not None and parts.body.is_misjudged() and loop.seen.look_again():
        loop.parts = None
    for register, position in zip(instruction.outputs, loop.results, strict=True):
        registers[register] = at_home(values[position])


def _taken_apart(loop: LoopProgram, own: list[Any], work: Work | None) -> LoopParts | None:
    """After an iteration: the parts in which the loop goes on, once it has been round often enough to know them."""
    loop.turns += 1
    if loop.turns <= LOOKED_AT_FROM or work is not None and work.timings is not None:
        return None
    from evergraph.compiler.gathering import parts_of_loop

    return parts_of_loop(loop, own)


def wrong_shape(declared: tuple[int, ...], given: tuple[int, ...]) -> errors.OpError:
    lhs, rhs = ("[" + ",".join(map(str, shape)) + "]" for shape in (declared, given))
    return errors.InvalidArgumentError(
        None, None, f"Assign requires shapes of both tensors to match. lhs shape= {lhs} rhs shape= {rhs}"
    )


def as_value(value: Any) -> Any:
    """`value` as kernels take it: one string, which NumPy gives as bytes, is an array too."""
    return np.asarray(value, object) if type(value) is bytes else value


def as_array(value: Any, kind: np.dtype) -> Any:
    """`value` as a NumPy array or scalar of type `kind`."""
    try:
        if value.dtype == kind:
            return value if isinstance(value, np.ndarray | np.generic) else np.asarray(value)
    except AttributeError:
        pass
    return np.asarray(value).astype(kind)


def blocks_used(instruction: Instruction, args: list[Any]) -> int:
    blocks = instruction.op.opdef.random_blocks
    assert blocks is not None
    return int(blocks(*args, **instruction.attrs))


def located(error: Exception, op: Operation, args: list[Any] | None = None) -> Exception:
    """The error a user sees when a kernel fails: TF's class, which op it was, and the line that built it."""
    if isinstance(error, errors.OpError):
        if error._op is not None:
            return error
        message, kind, code = error.message, type(error), error.error_code
        if "{input}" in message:
            message = message.replace("{input}", op.inputs[0].op.name)
    elif isinstance(error, MemoryError):
        message, kind, code = f"out of memory: {error}", errors.ResourceExhaustedError, errors.RESOURCE_EXHAUSTED
    else:
        shapes = [str(list(getattr(a, "shape", ()))).replace(" ", "") for a in args or ()]
        message = f"{error} (input shapes: {', '.join(shapes)})"
        if "broadcast" in str(error) and len(shapes) == 2:
            message = f"Incompatible shapes: {shapes[0]} vs. {shapes[1]}"
        kind, code = errors.InvalidArgumentError, errors.INVALID_ARGUMENT
    place = built_at(op.frames)
    text = f"{message}\n\t [[{{{{node {op.name}}}}}]]"
    if place:
        text += f"\n  Op {op.name!r} of type {op.type} was built at {place}"
    return kind(None, op, text) if kind is not errors.OpError else errors.OpError(None, op, text, code)
