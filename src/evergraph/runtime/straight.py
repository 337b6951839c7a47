"""A small function body as one Python function.

    x ──► Mul ──► Cast        def call(arguments):
                                  r0, = arguments
                                  r1 = kernel1(np, r0, constant1)
                                  r2 = kernel2(np, r1, DstT=...)
                                  return [r2]

A dataset calls such a body for every element. Walking through its plan takes longer than many a kernel, so once a body
has shown that it stays interpreted, it is written out: no registers, no look-ups, no stages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.compiler.interpret import as_array, as_value, located
from evergraph.compiler.plan import Instruction, Plan
from evergraph.compiler.stages import HOST

MOST_INSTRUCTIONS = 200


def can_be_straight(plan: Plan) -> bool:
    """Whether a plan is a plain row of kernels: no state, no branches, no loops, nothing random."""
    if plan.keeps or plan.variable_fetches or plan.may_be_dead:
        return False
    if sum(len(stage.instructions) for stage in plan.stages) > MOST_INSTRUCTIONS:
        return False
    return all(
        not (stage.reads or stage.writes or stage.random_ops or stage.needs_run)
        and all(_is_plain(i) for i in stage.instructions)
        for stage in plan.stages
    )


def _is_plain(i: Instruction) -> bool:
    return not (i.guards or i.loop or i.selector or i.declared_shape is not None or i.session or i.random >= 0)


def stays_interpreted(plan: Plan) -> bool:
    """Whether every device stage, in all that it was run with so far, was too small to be compiled."""
    return all(
        stage.kind == HOST
        or bool(stage.executables)
        and all(choice.stays_interpreted for choice in stage.executables.values())
        for stage in plan.stages
    )


def straight(plan: Plan, results: int) -> Callable[[list[Any]], list[Any]]:
    """The function that computes the first `results` fetches of `plan` from its feeds."""
    scope: dict[str, Any] = {"np": np, "as_array": as_array, "as_value": as_value, "errstate": np.errstate}
    constants = {r: f"c{r}" for r, value in enumerate(plan.registers) if value is not None}
    for register, name in constants.items():
        scope[name] = plan.registers[register]

    def named(register: int) -> str:
        return constants.get(register) or f"r{register}"

    instructions = [i for stage in plan.stages for i in stage.instructions]
    scope["ops"] = [i.op for i in instructions]
    scope["located"] = located
    lines = ["def call(arguments):"]
    if plan.feed_registers:
        lines.append(f"    {', '.join(named(r) for r in plan.feed_registers)}, = arguments")
    lines += ["    at = 0", "    try:", "        with errstate(all='ignore'):"]
    for n, i in enumerate(instructions):
        lines += [f"            {line}" for line in _written(n, i, named, scope)]
    lines += ["            pass", "    except Exception as error:", "        raise located(error, ops[at]) from error"]
    lines.append(f"    return [{', '.join(named(r) for r in plan.fetch_registers[:results])}]")
    exec(compile("\n".join(lines), __file__, "exec"), scope)
    return scope["call"]


def _written(n: int, i: Instruction, named: Callable[[int], str], scope: dict[str, Any]) -> list[str]:
    """The lines for one instruction."""
    scope[f"k{n}"] = i.op.opdef.numpy_kernel or i.kernel
    arguments = ["np"]
    for source in i.inputs:
        if type(source) is tuple:
            arguments.append("(" + "".join(f"{named(r)}, " for r in source) + ")")
        else:
            arguments.append(named(source))
    for key, value in i.attrs.items():
        scope[f"a{n}_{key}"] = value
        arguments.append(f"{key}=a{n}_{key}")
    call = f"k{n}({', '.join(arguments)})"
    lines = [f"at = {n}"]
    if len(i.outputs) == 1:
        (register,) = i.outputs
        lines.append(f"{named(register)} = {call}")
        lines.append(f"if type({named(register)}) in (tuple, list): {named(register)} = {named(register)}[0]")
        lines += _typed(n, 0, named(register), i.types[0], scope)
    elif i.outputs:
        lines.append(f"{', '.join(named(r) for r in i.outputs)} = {call}")
        for position, register in enumerate(i.outputs):
            lines += _typed(n, position, named(register), i.types[position], scope)
    else:
        lines.append(call)
    return lines


def _typed(n: int, position: int, name: str, kind: Any, scope: dict[str, Any]) -> list[str]:
    if kind is None:
        return [f"{name} = as_value({name})"]
    scope[f"t{n}_{position}"] = kind
    return [
        f"if type({name}) is not np.ndarray or {name}.dtype is not t{n}_{position}: "
        f"{name} = as_array({name}, t{n}_{position})"
    ]
