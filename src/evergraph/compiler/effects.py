"""Which value of a variable does an op see?

An op sees exactly the writes that happen before it: those from which a path of data or control edges leads to it. A
write that nothing orders before a read is not seen by it. Unordered writes to one variable apply one after the other,
in creation order. So every run is deterministic.

    v0 ──► assign_add(1) ──► v1 ──► assign_add(2) ──► v2
     └─ a read that waits for nothing sees v0; a read with a control edge from the first assign_add sees v1

A reference variable is read through an Identity, `w/read`, which TF 1 gives the variable's own buffer: whoever reads
the Identity after a write finds the new value there. So an Identity of a reference is no read of its own; each of its
readers is.

A fetch of a reference, or of an Identity of one, is looked at when the run is over: it gives the variable's last value.

Each write makes a *version* of its variable. Ancestor writes fit in one Python int used as a bit set per op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evergraph.framework import dtypes, errors
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

VARIABLE_OPS = frozenset(("VariableV2", "Variable", "VarHandleOp", "TemporaryVariable"))
_MUTEX_OPS = frozenset(("MutexLock", "ConsumeMutexLock"))
_PASS_THROUGH = frozenset(("Identity", "RefIdentity", "Enter", "RefEnter", "Exit", "RefExit", "Switch", "RefSwitch"))


def variable_key(op: Operation) -> str:
    """Under which name a session keeps the value of the variable that `op` declares."""
    container = op.attrs.get("container", b"").decode()
    shared = (op.attrs.get("shared_name") or op.attrs.get("var_name") or b"").decode() or op.name
    return f"{container}|{shared}" if container else shared


def variable_of(tensor: Tensor) -> Operation | None:
    """The op that declares the variable which `tensor` refers to, or None if `tensor` is a plain value."""
    op, index = tensor.op, tensor.value_index
    for _ in range(10_000):
        if op.type in VARIABLE_OPS:
            return op
        if not (op.outputs[index].dtype._is_ref_dtype or op.outputs[index].dtype is dtypes.resource):
            return None
        source = None
        if op.opdef.updates:
            source = next((t for t in op.inputs if t.dtype._is_ref_dtype), None)
        elif op.type in _PASS_THROUGH:
            source = op.inputs[0]
        if source is None:
            return None
        op, index = source.op, source.value_index
    return None


def passes_handle_on(op: Operation, t: Tensor) -> bool:
    """Whether `op` gives on the handle `t` without looking at the variable, which may have no value."""
    return t.dtype is dtypes.resource and op.type in _PASS_THROUGH


@dataclass
class Effects:
    """The versions of the variables in a plan. Version 0 is the value at the start of the run."""

    reads: dict[tuple[Operation, int], tuple[str, int]] = field(default_factory=dict)
    """(op, input position) to the (variable, version) that the op sees there."""
    writes: dict[Operation, list[tuple[str, int]]] = field(default_factory=dict)
    """op to the (variable, version) pairs it makes, in the order of its `updates`."""
    last: dict[str, int] = field(default_factory=dict)
    """variable to the version it has at the end of the run."""
    previous: dict[Operation, list[Operation]] = field(default_factory=dict)
    """op to the writes that must have been applied before it: its bases, and what it reads."""
    declared: dict[str, Operation] = field(default_factory=dict)
    """variable to the op that declares it."""


def effects(ops: Sequence[Operation], fed: frozenset[Tensor], maker: Mapping[Operation, Any] | None = None) -> Effects:
    """The effects of `ops`, which are in topological order with creation order as the tie-break.

    `maker` says which op of `ops` stands for an op that is not there itself (those of a loop).
    """
    found = Effects()
    maker = maker or {}
    bit: dict[Operation, int] = {}
    ancestors: dict[Operation, int] = {}
    history: dict[str, list[tuple[int, Operation]]] = {}
    any_writes = False
    released: dict[str, int] = {}
    for op in ops:
        seen = 0
        if any_writes:
            for t in op.inputs:
                if t not in fed:
                    source = maker.get(t.op, t.op)
                    seen |= ancestors.get(source, 0) | bit.get(source, 0)
            for c in op._control_inputs:
                c = maker.get(c, c)
                seen |= ancestors.get(c, 0) | bit.get(c, 0)
            if op.type in _MUTEX_OPS:
                seen = _through_mutex(op, seen, released)
            if seen:
                ancestors[op] = seen
        opdef = op.opdef
        made: list[tuple[str, int]] = []
        for position, t in enumerate(op.inputs):
            kind = t.dtype
            if t in fed:
                continue
            if not (kind._is_ref_dtype or kind is dtypes.resource):
                if any_writes and t.op.type == "Identity":
                    _note_late_read(found, op, position, t, history, seen, fed)
                continue
            declared = variable_of(t)
            if declared is None or passes_handle_on(op, t):
                continue
            key = variable_key(declared)
            found.declared.setdefault(key, declared)
            versions = history.get(key, [])
            if opdef.updates and opdef.inputs[position].name in opdef.updates:
                base = len(versions)
                found.reads[op, position] = key, base
                made.append((key, base + 1))
                if versions:
                    found.previous.setdefault(op, []).append(versions[-1][1])
            else:
                version = next((n for n in range(len(versions), 0, -1) if seen & versions[n - 1][0]), 0)
                found.reads[op, position] = key, version
                if version:
                    found.previous.setdefault(op, []).append(versions[version - 1][1])
        if made:
            if len({key for key, _ in made}) != len(made):
                raise errors.InvalidArgumentError(
                    None, op, f"op {op.name!r} updates the same variable twice: {', '.join(key for key, _ in made)}"
                )
            any_writes = True
            bit[op] = 1 << len(bit)
            found.writes[op] = made
            for key, version in made:
                history.setdefault(key, []).append((bit[op], op))
                found.last[key] = version
    return found


def _through_mutex(op: Operation, seen: int, released: dict[str, int]) -> int:
    """The writes before `op`, which takes or gives back a mutex: whoever takes it sees what was written under it.

    `released` has the writes before it was last given back, mutex by mutex.
    """
    declared = op
    while declared.inputs:
        declared = declared.inputs[0].op
    key = variable_key(declared)
    if op.type == "MutexLock":
        return seen | released.get(key, 0)
    released[key] = released.get(key, 0) | seen
    return seen


def _note_late_read(
    found: Effects,
    op: Operation,
    position: int,
    t: Tensor,
    history: dict[str, list[tuple[int, Operation]]],
    seen: int,
    fed: frozenset[Tensor],
) -> None:
    """`op` reads a variable through Identities, perhaps after a write that those did not wait for."""
    identity = t.op
    while identity.inputs[0].op.type == "Identity" and not identity.inputs[0].dtype._is_ref_dtype:
        if identity.inputs[0] in fed:
            return
        identity = identity.inputs[0].op
    reference = identity.inputs[0]
    if not reference.dtype._is_ref_dtype or reference in fed:
        return
    declared = variable_of(reference)
    if declared is None:
        return
    key = variable_key(declared)
    versions = history.get(key, [])
    version = next((n for n in range(len(versions), 0, -1) if seen & versions[n - 1][0]), 0)
    if version > found.reads.get((identity, 0), (key, 0))[1]:
        found.reads[op, position] = key, version
        found.previous.setdefault(op, []).append(versions[version - 1][1])


def fetched_version(tensor: Tensor, found: Effects) -> tuple[str, int]:
    """The (variable, version) that fetching the reference `tensor` gives: what the run leaves in the variable.

    A fetched reference is looked at when the run is over, in TF 1 as here: `run([train_op, global_step])` gives the
    step after the update.
    """
    declared = variable_of(tensor)
    assert declared is not None
    key = variable_key(declared)
    found.declared.setdefault(key, declared)
    return key, found.last.get(key, 0)


def shared_reference(tensor: Tensor, fed: frozenset[Tensor]) -> Tensor | None:
    """The reference whose variable's buffer `tensor`, a value, shares in TF 1: that of an Identity of a reference."""
    t = tensor
    while t not in fed and t.op.type in ("Identity", "StopGradient"):
        t = t.op.inputs[0]
        if t.dtype._is_ref_dtype:
            return None if t in fed or variable_of(t) is None else t
    return None
