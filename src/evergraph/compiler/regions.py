"""Branches and loops of a plan: from TF 1's tokens to guards and regions.

TF 1 spells control flow with ops on the edges: Switch kills the tokens of the side not taken, Merge gives on the one
that lives, Enter, NextIteration and Exit carry tokens in, around and out of a loop. To run ops in stages, and to
compile them, a plan says the same in another way.

**Guards.** Which ops run follows from the Switches above them:

    pred ──┐
    x ──► Switch ─(true)──► Mul ──► Merge           Mul        runs if (pred, True)
             └───(false)──► Add ──────┘             Add        runs if (pred, False)
                                                    Merge      takes the first input if (pred, True), else the second

An op is *guarded* by a set of literals (predicate, side): those of all its inputs and control inputs. A Merge needs two
inputs whose guards differ in the side of one predicate; it is guarded by what they share.

**Loops.** All ops of a frame become one `LoopOp`, which stands in the plan like any op: its inputs are those of the
Enters, its outputs those of the Exits. Inside, its `Region` has the loop variables (one Merge each), the ops that
decide whether to go on, and the ops of the body; it may hold loops itself.

A variable that the body changes is one more loop variable (loop_effects.py).

What does not fit (a Merge without a partner, a variable declared inside a loop, ...) raises `Unstructured`; such a plan
runs token by token (runtime/dataflow.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evergraph.compiler.effects import VARIABLE_OPS, Effects, variable_key, variable_of
from evergraph.compiler.loop_effects import UnknownUpdate, effects_in_loop
from evergraph.framework import dtypes
from evergraph.framework.opdefs import Arg, OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

Literal = tuple[Tensor, bool]
Guards = frozenset[Literal]

ENTERS = frozenset(("Enter", "RefEnter"))
EXITS = frozenset(("Exit", "RefExit"))
NEXTS = frozenset(("NextIteration", "RefNextIteration"))
MERGES = frozenset(("Merge", "RefMerge"))
SWITCHES = frozenset(("Switch", "RefSwitch"))
NO_GUARDS: Guards = frozenset()

# Ops on objects of the session that are done at once, whatever other runs do.
_NEVER_WAIT = frozenset(("Print", "LookupTableFind", "LookupTableFindV2", "LookupTableSize", "LookupTableSizeV2"))


class Unstructured(Exception):
    """The control flow of a plan is not of a form that guards and regions can say."""


class LoopOp:
    """A whole loop, in the place of an op: see `Operation` for the attributes that plans look at."""

    type = "Loop"

    def __init__(self, name: str, ops: list[Operation]) -> None:
        first = min(ops, key=lambda op: op._id)
        self.name = name
        self.graph = first.graph
        self.frames = first.frames
        self._id = first._id
        self._device = next((op._device for op in ops if op._device), "")
        self.enters = [op for op in ops if op.type in ENTERS]
        self.exits = [op for op in ops if op.type in EXITS]
        self.inputs = tuple(op.inputs[0] for op in self.enters)
        self.outputs = [op.outputs[0] for op in self.exits]
        self._control_inputs: list[Any] = []
        self.attrs: dict[str, Any] = {}
        self.opdef = _loop_opdef(self)
        self.region: Region | None = None
        self.most_trips = 0  # the most iterations that a run of this loop took so far

    def __repr__(self) -> str:
        return f"<Loop {self.name!r}>"


def _loop_opdef(loop: LoopOp) -> OpDef:
    """What plans ask an op's OpDef, for one loop."""
    opdef = OpDef("Loop() -> ()")
    opdef.is_declared = True
    opdef.differentiable = False
    opdef.plain = False
    opdef.kernel = lambda *_: ()
    return opdef


AnyOp = Any  # an Operation or a LoopOp


class Region:
    """What a loop does: ops in the order in which they can run."""

    def __init__(self, loop: LoopOp) -> None:
        self.loop = loop
        self.merges: list[Operation] = []  # one per loop variable
        self.starts: list[Operation] = []  # the Enter of each
        self.backs: list[Operation] = []  # the NextIteration of what each becomes
        self.go: Tensor | None = None  # whether there is another iteration
        self.head: list[AnyOp] = []  # ops that run to decide that
        self.body: list[AnyOp] = []
        self.aliases: dict[Tensor, Tensor] = {}  # outputs of Enter, Switch and Identity of references to their source
        self.results: list[int] = []  # per Exit: which loop variable it gives
        self.guards: dict[AnyOp, Guards] = {}
        self.maker: dict[Operation, LoopOp] = {}
        self.effects = Effects()  # of one iteration, on the variables that it changes
        self.updated: list[tuple[str, int]] = []  # those, and which input of the loop each is


class Structure:
    """The ops of a plan with loops folded, in topological order; `guards` of the guarded ones."""

    def __init__(self, ops: list[AnyOp], maker: dict[Operation, LoopOp], guards: dict[AnyOp, Guards]) -> None:
        self.ops, self.maker, self.guards = ops, maker, guards


def structured(ops: Sequence[Operation], fed: frozenset[Tensor]) -> Structure:
    """Fold loops and find guards.

    Raises:
        Unstructured: if the control flow has another form.
    """
    frames = _frames_of(ops, fed)
    ordered, maker = _folded(list(ops), frames, 0, fed)
    return Structure(ordered, maker, _guards(ordered, fed, maker, frozenset()))


def behind_identities(t: Tensor, fed: frozenset[Tensor] = frozenset()) -> Tensor:
    """The tensor whose value `t` has, behind the Identities that TF puts between."""
    while t not in fed and t.op.type == "Identity" and not t.op.inputs[0].dtype._is_ref_dtype:
        t = t.op.inputs[0]
    return t


def _frames_of(ops: Sequence[Operation], fed: frozenset[Tensor]) -> dict[Operation, tuple[str, ...]]:
    """In which frame (outermost loop first) each op runs. Enter and Exit belong to the frame inside."""
    frames: dict[Operation, tuple[str, ...]] = {}
    for op in in_order(ops, fed):
        path: tuple[str, ...] = ()
        for t in op.inputs:
            if t in fed or op.type in MERGES and t.op.type in NEXTS:
                continue
            path = _longer(path, _outside(t.op, frames))
        for c in op._control_inputs:
            if c in frames:  # else it is a placeholder that is fed
                path = _longer(path, _outside(c, frames))
        if op.type in ENTERS:
            path = (*path, op.attrs["frame_name"].decode())
        frames[op] = path
    return frames


def _longer(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    if len(a) < len(b):
        a, b = b, a
    if a[: len(b)] != b:
        raise Unstructured("an op takes inputs from two loops")
    return a


def _outside(op: Operation, frames: dict[Operation, tuple[str, ...]]) -> tuple[str, ...]:
    return frames[op][:-1] if op.type in EXITS else frames[op]


def in_order(ops: Iterable[AnyOp], fed: frozenset[Tensor], maker: dict[Operation, LoopOp] | None = None) -> list[AnyOp]:
    """`ops` in topological order, creation order breaking ties; edges from outside `ops` and back edges do not count.

    Raises:
        Unstructured: if they form a cycle.
    """
    maker = maker or {}
    members = list(ops)
    inside = set(members)
    waiting: dict[AnyOp, int] = {}
    readers: dict[AnyOp, list[AnyOp]] = {}
    for op in members:
        sources = set()
        for t in op.inputs:
            if t not in fed and not (op.type in MERGES and t.op.type in NEXTS):
                sources.add(maker.get(t.op, t.op))
        sources.update(maker.get(c, c) for c in op._control_inputs)
        sources &= inside
        sources.discard(op)
        waiting[op] = len(sources)
        for source in sources:
            readers.setdefault(source, []).append(op)
    ready = [(op._id, i, op) for i, op in enumerate(members) if waiting[op] == 0]
    heapq.heapify(ready)
    number = {op: i for i, op in enumerate(members)}
    ordered = []
    while ready:
        _, _, op = heapq.heappop(ready)
        ordered.append(op)
        for reader in readers.get(op, ()):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, (reader._id, number[reader], reader))
    if len(ordered) < len(members):
        raise Unstructured("the ops form a cycle")
    return ordered


def _folded(
    ops: list[Operation], frames: dict[Operation, tuple[str, ...]], depth: int, fed: frozenset[Tensor]
) -> tuple[list[AnyOp], dict[Operation, LoopOp]]:
    """The ops at `depth` in order, each deeper loop as one op, and which loop an op is in."""
    here: list[AnyOp] = []
    inner: dict[str, list[Operation]] = {}
    for op in ops:
        if len(frames[op]) == depth:
            here.append(op)
        else:
            inner.setdefault(frames[op][depth], []).append(op)
    maker: dict[Operation, LoopOp] = {}
    for name, members in inner.items():
        if any(t in fed for op in members for t in op.inputs if op.type not in ENTERS):
            raise Unstructured("a tensor inside a loop is fed")
        loop = LoopOp(name, [op for op in members if len(frames[op]) == depth + 1])
        loop.region = _region(loop, members, frames, depth + 1, fed)
        inside = set(members)
        outside = {c for op in members for c in op._control_inputs if c not in inside}
        loop._control_inputs = sorted(outside, key=lambda op: op._id)
        for op in members:
            maker[op] = loop
        here.append(loop)
    for loop in set(maker.values()):
        loop._control_inputs = list(dict.fromkeys(maker.get(c, c) for c in loop._control_inputs))
    return in_order(here, fed, maker), maker


def _region(
    loop: LoopOp,
    ops: list[Operation],
    frames: dict[Operation, tuple[str, ...]],
    depth: int,
    fed: frozenset[Tensor],
) -> Region:
    region = Region(loop)
    ordered, maker = _folded(ops, frames, depth, fed)
    region.maker = maker
    conditions = [op for op in ordered if op.type == "LoopCond"]
    if len(conditions) != 1:
        raise Unstructured(f"loop {loop.name!r} has {len(conditions)} LoopCond ops")
    condition = conditions[0]
    region.go = condition.inputs[0]
    turns: dict[Tensor, int] = {}
    for op in ordered:
        if op.type in MERGES and any(t.op.type in NEXTS for t in op.inputs):
            if len(op.inputs) != 2 or op.type != "Merge":
                raise Unstructured(f"{op.name!r} merges more than a start and a next value")
            start, back = op.inputs if op.inputs[1].op.type in NEXTS else op.inputs[::-1]
            if start.op.type not in ENTERS:
                raise Unstructured(f"{op.name!r} starts from inside its loop")
            turns[op.outputs[0]] = len(region.merges)
            region.merges.append(op)
            region.starts.append(start.op)
            region.backs.append(back.op)
    apart = {condition, *region.merges}  # what the region itself stands for
    of_body: set[AnyOp] = set()
    turning: dict[Operation, int] = {}
    for op in ordered:
        if op.type in SWITCHES and op.inputs[1].op is condition:
            if op.inputs[0] not in turns:
                raise Unstructured(f"{op.name!r} lets something other than a loop variable out of its loop")
            turning[op] = turns[op.inputs[0]]
            region.aliases[op.outputs[0]] = region.aliases[op.outputs[1]] = op.inputs[0]
            of_body.add(op)
    for op in loop.exits:
        last = behind_identities(op.inputs[0])  # a gradient may have an Identity between the Switch and the Exit
        if last.op not in turning or last.value_index != 0:
            raise Unstructured(f"{op.name!r} gives something other than the last value of a loop variable")
        region.results.append(turning[last.op])
    region.guards = _guards(ordered, fed, maker, frozenset(turning))
    for op in ordered:
        if op in turning or op in apart or op.type in ENTERS or op.type in EXITS or op.type in NEXTS:
            continue
        if op.type in VARIABLE_OPS:
            raise Unstructured(f"variable {op.name!r} is declared inside a loop")
        sources = [maker.get(t.op, t.op) for t in op.inputs]
        sources += [maker.get(c, c) for c in op._control_inputs]
        if any(s in of_body for s in sources):
            of_body.add(op)
            region.body.append(op)
        elif op.opdef.updates:
            raise Unstructured(f"{op.name!r} updates a variable while {loop.name!r} decides whether to go on")
        else:
            region.head.append(op)
    _note_updates(region, ordered, fed)
    return region


def _note_updates(region: Region, ordered: list[AnyOp], fed: frozenset[Tensor]) -> None:
    """Say which variables a loop changes, and make it an op that updates them."""
    try:
        region.effects = effects_in_loop(ordered, fed, region.maker)
    except UnknownUpdate as problem:
        raise Unstructured(str(problem)) from None
    if not region.effects.last:
        return
    if any(op.opdef.session and op.type not in _NEVER_WAIT for op in _all_ops(region)):
        raise Unstructured("a loop that may wait changes a variable: others are to see that at once")
    loop = region.loop
    places: dict[str, int] = {}
    for i, t in enumerate(loop.inputs):
        declared = variable_of(t) if t.dtype._is_ref_dtype or t.dtype is dtypes.resource else None
        if declared is not None and t not in fed:
            places.setdefault(variable_key(declared), i)
    if not places.keys() >= region.effects.last.keys():
        raise Unstructured(f"{loop.name!r} changes a variable that it does not take from outside")
    region.updated = sorted(((key, places[key]) for key in region.effects.last), key=lambda entry: entry[1])
    loop.opdef = _loop_opdef(loop)
    loop.opdef.inputs = [Arg(f"input_{i}: float32", set()) for i in range(len(loop.inputs))]
    loop.opdef.updates = tuple(f"input_{i}" for _, i in region.updated)


def _all_ops(region: Region) -> Iterator[AnyOp]:
    for op in (*region.head, *region.body):
        if isinstance(op, LoopOp):
            assert op.region is not None
            yield from _all_ops(op.region)
        else:
            yield op


def _guards(
    ordered: Sequence[AnyOp], fed: frozenset[Tensor], maker: dict[Operation, LoopOp], turning: frozenset[Operation]
) -> dict[AnyOp, Guards]:
    """The guards of each guarded op. `turning`: the Switches of the loop itself, which guard nothing here."""
    found: dict[AnyOp, Guards] = {}

    def of_tensor(t: Tensor) -> Guards:
        if t in fed:
            return NO_GUARDS
        op = maker.get(t.op, t.op)
        guards = found.get(op, NO_GUARDS)
        if op.type in SWITCHES and op not in turning:
            return guards | {(behind_identities(op.inputs[1], fed), bool(t.value_index))}
        return guards

    for op in ordered:
        if op.opdef.updates and any(t.op.type == "RefMerge" for t in op.inputs):
            raise Unstructured(f"which variable {op.name!r} updates depends on a branch")
        if op.type in ENTERS:
            continue  # whether its loop runs at all is a matter of the LoopOp
        if op.type in MERGES:
            if any(t.op.type in NEXTS for t in op.inputs):
                continue
            if op.outputs[0].dtype is dtypes.resource and any(variable_of(t) is not None for t in op.inputs):
                raise Unstructured(f"which variable {op.name!r} is depends on a branch")
            guards = _merged(op, [of_tensor(t) for t in op.inputs])
        else:
            guards = NO_GUARDS
            for t in op.inputs:
                guards |= of_tensor(t)
        for c in op._control_inputs:
            guards |= found.get(maker.get(c, c), NO_GUARDS)
        if guards:
            found[op] = guards
    return found


def _merged(op: Operation, guards: list[Guards]) -> Guards:
    shared = frozenset.intersection(*guards)
    if len(guards) == 2:
        a, b = guards[0] - shared, guards[1] - shared
        if len(a) == 1 and len(b) == 1:
            ((p, side),), ((q, other),) = a, b
            if p is q and side != other:
                return shared
    raise Unstructured(f"the inputs of {op.name!r} are not the two sides of one Switch")
