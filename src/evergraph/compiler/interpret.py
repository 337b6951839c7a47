"""Running a stage without a compiler: its ops one by one, through their NumPy kernels.

The same kernels fold constants while a stage is traced. So there is one definition of what an op computes, and what
runs once never waits for XLA.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from evergraph.compiler.plan import Instruction, Stage
from evergraph.framework import errors
from evergraph.framework.frames import built_at
from evergraph.framework.operation import Operation
from evergraph.ops.running import Running


class Work:
    """How much an interpreted stage had to do, as counts: ops and elements made. `timings` is for traced runs."""

    __slots__ = ("elements", "ops", "timings")

    def __init__(self, timings: list[tuple[Operation, int, int]] | None = None) -> None:
        self.ops = 0
        self.elements = 0
        self.timings = timings  # (op, start, end) in ns


def interpret(
    stage: Stage,
    registers: list[Any],
    counters: list[int] | None,
    work: Work | None = None,
    run: Running | None = None,
) -> list[int]:
    """Run every instruction of `stage` on `registers`, in place.

    Returns:
        How many blocks each random op used up.
    """
    used = [0] * len(stage.random_ops)
    with np.errstate(all="ignore"):
        for instruction in stage.instructions:
            interpret_one(instruction, registers, counters, used, work, run)
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
    if instruction.grouped:
        args = [
            tuple([registers[r] for r in source]) if type(source) is tuple else registers[source]
            for source in instruction.inputs
        ]
    else:
        args = [registers[r] for r in instruction.inputs]
    kernel = instruction.op.opdef.numpy_kernel or instruction.kernel
    begin = 0 if work is None or work.timings is None else time.time_ns()
    try:
        if instruction.random >= 0:
            assert counters is not None
            result = kernel(np, *args, counter=np.uint64(counters[instruction.random]), **instruction.attrs)
            used[instruction.random] = blocks_used(instruction, args)
        elif instruction.session:
            assert run is not None
            result = kernel(np, *args, run=run.at(instruction.op), **instruction.attrs)
        elif instruction.attrs:
            result = kernel(np, *args, **instruction.attrs)
        else:
            result = kernel(np, *args)
    except Exception as error:
        raise located(error, instruction.op, args) from error
    outputs = instruction.outputs
    n = len(outputs)
    if instruction.declared_shape is not None and np.shape(args[1]) != instruction.declared_shape:
        raise located(wrong_shape(instruction.declared_shape, np.shape(args[1])), instruction.op)
    if n == 1:
        if type(result) is tuple or type(result) is list:
            result = result[0]
        kind = instruction.types[0]
        registers[outputs[0]] = result if kind is None else as_array(result, kind)
    elif n:
        for register, kind, value in zip(outputs, instruction.types, result, strict=True):
            registers[register] = value if kind is None else as_array(value, kind)
    if work is not None:
        work.ops += 1
        for register in outputs:
            work.elements += getattr(registers[register], "size", 1)
        if work.timings is not None:
            work.timings.append((instruction.op, begin, time.time_ns()))


def wrong_shape(declared: tuple[int, ...], given: tuple[int, ...]) -> errors.OpError:
    lhs, rhs = ("[" + ",".join(map(str, shape)) + "]" for shape in (declared, given))
    return errors.InvalidArgumentError(
        None, None, f"Assign requires shapes of both tensors to match. lhs shape= {lhs} rhs shape= {rhs}"
    )


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
