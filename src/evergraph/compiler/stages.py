"""Which ops run together?

An op is a *device* op (an XLA kernel) or a *host* op (strings, files, output shapes that depend on values). Host ops that
leave something in the session (a new value of a variable, the place of a random stream) are a kind of their own, since
the others must not keep the session to themselves: one of them may wait for a queue. A stage is
a maximal set of ops of one kind and one device whose *level* is equal; the level is the longest chain of changes of
kind from the inputs, so no two stages can wait for each other.

    feed ──► matmul ──► where ──► gather ──► sum          level: matmul 0 │ where 1 (host) │ gather, sum 2

Two refinements. Host ops that wait for no device op at all (they read feeds, constants, variables) run first, at level
-1, and cost no extra device stage. And an operand that must be *static* while a stage is traced (a shape, an axis)
comes from there too when it follows from feeds by integer arithmetic; when a device op computes it, its reader goes
one level up, and gets it as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evergraph.compiler.effects import VARIABLE_OPS, Effects, variable_of
from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import grouped_inputs

Kind = str
"""`HOST`, `HOST_STATE`, or the name of the device: `"device:CPU:0"`."""
HOST = "host"
HOST_STATE = "host state"

# Their result is known while a stage is traced, whatever their input is.
ALWAYS_KNOWN = frozenset(("Const", "Shape", "ShapeN", "Size", "Rank"))


class Level(NamedTuple):
    number: int
    kind: Kind

    def order(self) -> tuple[int, bool, str]:
        return self.number, not self.kind.startswith(HOST), self.kind


def runs_on_host(op: Operation) -> bool:
    """Whether `op` needs values in the hands of Python: by its declaration, or since it moves strings."""
    if op.opdef.host:
        return True
    if any(t.dtype is dtypes.resource and variable_of(t) is None for t in op.outputs):
        return True  # it hands on a queue, a table, ...: objects of the session, not values
    return any(t.dtype._base._kind in "SV" for t in op.inputs) or any(t.dtype._base._kind in "SV" for t in op.outputs)


def levels(
    ops: Sequence[Operation], fed: frozenset[Tensor], found: Effects, place: Callable[[Operation], str]
) -> dict[Operation, Level]:
    """The level of every op in `ops` (topologically ordered)."""
    known = _known_while_tracing(ops, fed)
    on_host = _static_arithmetic(ops, fed, known)
    kinds: dict[Operation, Kind] = {}
    placed: dict[str, str] = {}
    for op in ops:
        if op in on_host or runs_on_host(op):
            kinds[op] = HOST_STATE if op.opdef.updates or op.opdef.random_blocks else HOST
        else:
            device = op._device
            if device not in placed:
                placed[device] = place(op)
            kinds[op] = placed[device]
    result: dict[Operation, Level] = {}
    passive = VARIABLE_OPS | {"Const"}
    for op in ops:
        kind = kinds[op]
        number = -1 if kind.startswith(HOST) else 0
        sources = [t.op for t in op.inputs if t not in fed]
        sources.extend(op._control_inputs)
        sources.extend(found.previous.get(op, ()))
        for source in sources:
            if source.type in passive and not source._control_inputs:
                continue
            level = result[source]
            number = max(number, level.number + (level.kind != kind))
        if op.opdef.static and not kind.startswith(HOST):
            for is_static, t in _single_inputs(op):
                if is_static and t not in fed and t not in known and t.op not in on_host and t.op.type not in passive:
                    level = result[t.op]
                    if level.kind == kind:
                        number = max(number, level.number + 1)
        result[op] = Level(number, kind)
    return result


def _single_inputs(op: Operation) -> list[tuple[bool, Tensor]]:
    opdef = op.opdef
    if opdef.plain:
        return list(zip(opdef.shape_static, op.inputs, strict=True))
    pairs = zip(opdef.shape_static, grouped_inputs(op), strict=True)
    return [(is_static, t) for is_static, group in pairs for t in group]


def _known_while_tracing(ops: Sequence[Operation], fed: frozenset[Tensor]) -> set[Tensor]:
    """Tensors whose value follows from constants and shapes alone."""
    known: set[Tensor] = set()
    for op in ops:
        opdef = op.opdef
        if op.type in ALWAYS_KNOWN:
            known.update(op.outputs)
        elif op.inputs and not (opdef.is_stateful or opdef.updates or opdef.random_blocks or opdef.host):
            if all(t in known and t not in fed for t in op.inputs):
                known.update(op.outputs)
    return known


def _static_arithmetic(ops: Sequence[Operation], fed: frozenset[Tensor], known: set[Tensor]) -> set[Operation]:
    """Integer ops between feeds and static operands: NumPy does them before the device stages start."""
    wanted: list[Tensor] = []
    for op in ops:
        if op.opdef.static and not op.opdef.host:
            wanted.extend(t for is_static, t in _single_inputs(op) if is_static and t not in known and t not in fed)
    marked: set[Operation] = set()
    while wanted:
        t = wanted.pop()
        op = t.op
        if op in marked or t in fed or t in known or op.type in VARIABLE_OPS:
            continue
        if not _is_small_arithmetic(op):
            continue
        marked.add(op)
        wanted.extend(op.inputs)
    return marked


def _is_small_arithmetic(op: Operation) -> bool:
    opdef = op.opdef
    if opdef.host or opdef.updates or opdef.random_blocks or not op.inputs:
        return False
    integers = all(t.dtype._base._kind in "iub" for t in op.outputs)
    inputs = all(t.dtype._base._kind in "iub" or t.dtype is dtypes.resource for t in op.inputs)
    small = all(t.static_shape is None or len(t.static_shape) <= 1 for t in op.outputs)
    return integers and inputs and small
