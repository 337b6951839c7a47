"""Which value of a variable does an op of a loop see, where the loop itself changes the variable?

    iteration      v0 ──► assign_add ──► v1 ──► assign_add ──► v2 ──► the next iteration's v0

As outside of loops (effects.py) an op sees the writes that happen before it in its iteration; version 0 is what the
iteration before left. So a variable that is changed becomes one more loop variable, and the loop as a whole an op that
updates it.

A reference that comes into a loop through an Identity, `w/read`, is looked at where it is used: TF 1 hands the
variable's own buffer in. Through Switch, Merge and a loop variable it hands the buffer on as well, so whoever looks at
it after a later write sees that. Such a loop is left to who carries references along, `UnknownUpdate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evergraph.compiler.effects import Effects, variable_key, variable_of
from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

_ENTERS = frozenset(("Enter", "RefEnter"))
_HAND_ON = frozenset(("Identity", "Switch", "Merge"))
_NEXTS = frozenset(("NextIteration", "RefNextIteration"))

Shares = dict[str, int]
"""The variables whose buffers a value may be, and the version that each had when it was read."""


class UnknownUpdate(Exception):
    """What an op of a loop updates cannot be said before the run."""


def written_variables(ops: Sequence[Any]) -> dict[str, Operation]:
    """The variables that `ops` (loops among them) update: by key, the op that declares each."""
    found: dict[str, Operation] = {}
    for op in ops:
        for t in _updated(op):
            declared = variable_of(t)
            if declared is None:
                raise UnknownUpdate(f"which variable {op.name!r} updates depends on the run")
            found[variable_key(declared)] = declared
    return found


def _updated(op: Any) -> list[Tensor]:
    opdef = op.opdef
    return [t for i, t in enumerate(op.inputs) if opdef.inputs[i].name in opdef.updates] if opdef.updates else []


def effects_in_loop(ops: Sequence[Any], fed: frozenset[Tensor], maker: Mapping[Operation, Any]) -> Effects:
    """The effects of one iteration of a loop whose ops, in order, are `ops`; only variables that it changes count.

    Raises:
        UnknownUpdate: if it is not known what an op updates, or a resource is written before anybody looks at it, so
            that it need not have a value.
    """
    declared = written_variables(ops)
    if not declared:
        return Effects()
    carried: dict[Operation, set[str]] = {}  # by NextIteration: the variables whose buffers it may take along
    while True:
        found, now = _effects_of_iteration(ops, fed, maker, declared, carried)
        if now == carried:
            return found
        carried = now


def _effects_of_iteration(
    ops: Sequence[Any],
    fed: frozenset[Tensor],
    maker: Mapping[Operation, Any],
    written: dict[str, Operation],
    carried: Mapping[Operation, set[str]],
) -> tuple[Effects, dict[Operation, set[str]]]:
    """The effects, if each NextIteration takes along what `carried` says; and what it then really does."""
    found = Effects()
    found.declared = written
    shared: dict[Tensor, Shares] = {}
    taken_along: dict[Operation, set[str]] = {}
    writers: dict[str, list[int]] = {key: [] for key in found.declared}
    looked_at: set[str] = set()
    ancestors: dict[Operation, int] = {}
    writes = 0

    def visible(key: str, seen: int) -> int:
        bits = writers[key]
        return next((n for n in range(len(bits), 0, -1) if seen & bits[n - 1]), 0)

    for op in ops:
        if op.type in _ENTERS:
            continue
        seen = 0
        for t in op.inputs:
            if t not in fed:
                seen |= ancestors.get(maker.get(t.op, t.op), 0)
        for c in op._control_inputs:
            seen |= ancestors.get(maker.get(c, c), 0)
        opdef = op.opdef
        made: list[tuple[str, int]] = []
        shares: Shares = {}
        for position, t in enumerate(op.inputs):
            reference, is_late = (None, False) if t in fed else _reference_behind(t, fed)
            variable = None if reference is None else variable_of(reference)
            key = None if variable is None else variable_key(variable)
            if key is None or key not in writers:
                for other, version in _shares_of(t, shared, carried).items():
                    shares[other] = min(version, shares.get(other, version))
                continue
            name = opdef.inputs[position].name if opdef.updates else ""
            if opdef.updates and name in opdef.updates:
                base = len(writers[key])
                found.reads[op, position] = key, base
                made.append((key, base + 1))
                if base == 0 and (name not in opdef.blind or t.dtype._is_ref_dtype):
                    looked_at.add(key)  # a reference comes into a loop with the value behind it
                continue
            version = visible(key, seen)
            if is_late or op.type == "Loop":
                shares[key] = min(version, shares.get(key, version))
            if is_late and t.op.type == "Identity" and version <= found.reads.get((t.op, 0), (key, -1))[1]:
                continue  # what the Identity gave
            found.reads[op, position] = key, version
            if version == 0 and op.type not in ("Switch", "RefSwitch"):
                looked_at.add(key)
        if made:
            if len({key for key, _ in made}) != len(made):
                raise UnknownUpdate(f"{op.name!r} updates one variable twice")
            bit = 1 << writes
            writes += 1
            found.writes[op] = made
            for key, version in made:
                writers[key].append(bit)
                found.last[key] = version
            seen |= bit
        if seen:
            ancestors[op] = seen
        if op.type in _NEXTS:
            taken_along[op] = set(shares)
        elif op.type in _HAND_ON:
            shared.update((t, shares) for t in op.outputs if shares and not t.dtype._is_ref_dtype)
        else:
            for key, version in shares.items():
                if visible(key, seen) > version:
                    raise UnknownUpdate(f"{op.name!r} looks at variable {key!r} through what was read before a write")
            if op.type == "Loop":  # any of its results may be such a buffer
                shared.update((t, shares) for t in op.outputs if shares)
    for key in found.last:
        if key not in looked_at:
            raise UnknownUpdate(f"variable {key!r} is written in a loop before it is looked at")
    return found, {op: keys for op, keys in taken_along.items() if keys}


def _shares_of(t: Tensor, shared: Mapping[Tensor, Shares], carried: Mapping[Operation, set[str]]) -> Shares:
    if t.op.type in _NEXTS:
        return dict.fromkeys(carried.get(t.op, ()), 0)
    return shared.get(t, {})


def _reference_behind(t: Tensor, fed: frozenset[Tensor]) -> tuple[Tensor | None, bool]:
    """The reference or handle that `t` is, or, through Identities, was read from; the latter counts as late."""
    if t.dtype._is_ref_dtype or t.dtype is dtypes.resource:
        return t, False
    while t not in fed and (t.op.type == "Identity" or t.op.type == "Enter" and t.op.attrs["is_constant"]):
        t = t.op.inputs[0]
        if t.dtype._is_ref_dtype:
            return (None, False) if t in fed else (t, True)
    return None, False
