"""Many small variables: ops that do the same to each of them become one.

A program that updates a thousand small variables one by one is a thousand small kernels, a thousand arguments and a
minute of compilation. Here ops that differ only in which variable they work on are a *family*:

    v0 ──► Square ──► Sum ──┐                 [v0 v1 ...] ──► Square ──► Sum ──► AddN
    v1 ──► Square ──► Sum ──┴► AddN              (one array, with a row for each member)

A family is traced once, under `jax.vmap`. The variables it starts from are kept as one array, too, a *pack*
(runtime/state.py), as long as nobody asks for them one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergraph.compiler.plan import Instruction, Register

SMALLEST_FAMILY = 32
# Variables of more elements are worth a kernel of their own.
LARGEST_MEMBER = 4_096
# A program of so many instructions is compiled in pieces (pieces.py), of which fewer are alike with families across
# them: 16 CPU seconds for ResNet-50's training step, and 25 with families. It has some only if they halve it.
LARGE_PROGRAM = 1_000


@dataclass(slots=True)
class Family:
    """Instructions with one kernel and the same attributes, on values of the same shapes."""

    members: list[Instruction]


def families(
    parts: Sequence[Sequence[Instruction]],
    variables: Mapping[Register, tuple[str, Any]],
    constants: Mapping[Register, Any],
) -> tuple[list[Instruction | Family], list[tuple[Register, ...]]]:
    """Group the instructions of `parts`, which are in order; no family is in two parts.

    Args:
        variables: register to the key and the present value of the variable that it reads.
        constants: register to a value known beforehand.

    Returns:
        What to trace, in order; and the registers of the variables that make up packs.
    """
    instructions = [i for part in parts for i in part]
    if len(variables) < SMALLEST_FAMILY or any(i.loop or i.guards or i.selector for i in instructions):
        return list(instructions), []
    token: dict[Register, Any] = {}
    for register, (_, value) in variables.items():
        if value is not None and value.size <= LARGEST_MEMBER:
            token[register] = "variable", tuple(value.shape), str(value.dtype)
    for register, value in constants.items():
        if isinstance(value, np.ndarray) and value.size <= 64 and value.dtype != object:
            token[register] = "constant", value.shape, str(value.dtype), value.tobytes()
    depth: dict[Register, int] = {}
    by_depth: dict[tuple[int, int], list[Instruction]] = {}
    for number, part in enumerate(parts):
        for instruction in part:
            sources = (r for s in instruction.inputs for r in (s if type(s) is tuple else (s,)))
            level = 1 + max((depth.get(r, 0) for r in sources), default=0)
            depth.update(dict.fromkeys(instruction.outputs, level))
            by_depth.setdefault((number, level), []).append(instruction)
    steps: list[Instruction | Family] = []
    packs: list[tuple[Register, ...]] = []
    packed: set[Register] = set()
    for place in sorted(by_depth):
        alike: dict[Any, list[Instruction]] = {}
        for number, instruction in enumerate(by_depth[place]):
            alike.setdefault(_likeness(instruction, token) or number, []).append(instruction)
        for likeness, members in alike.items():
            if len(members) < SMALLEST_FAMILY or type(likeness) is int:
                steps.extend(members)
                continue
            steps.append(Family(members))
            for member in members:
                for output, register in enumerate(member.outputs):
                    token[register] = likeness, output
            for registers in zip(*(m.inputs for m in members), strict=True):
                is_new = packed.isdisjoint(registers) and len(set(registers)) == len(registers)
                if is_new and all(r in variables for r in registers):
                    packs.append(registers)
                    packed.update(registers)
    if len(instructions) >= LARGE_PROGRAM and 2 * len(steps) > len(instructions):
        return list(instructions), []
    return steps, packs


def _likeness(instruction: Instruction, token: Mapping[Register, Any]) -> Any:
    """What members of one family have in common; None for an instruction that can be in none."""
    opdef = instruction.op.opdef
    if instruction.grouped or instruction.random >= 0 or opdef.is_stateful and not opdef.updates or opdef.host:
        return None
    if not instruction.inputs or not instruction.outputs or any(a.name == "indices" for a in opdef.inputs):
        return None
    tokens = tuple(token.get(r, r) for r in instruction.inputs)
    return instruction.op.type, tuple((k, repr(v)) for k, v in instruction.attrs.items()), tokens
