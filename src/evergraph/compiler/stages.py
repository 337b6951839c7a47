"""Which ops run together?

An op is a *device* op (an XLA kernel) or a *host* op (strings, files, output shapes that depend on values). Host ops
that leave something in the session (a new value of a variable, the place of a random stream) are a kind of their own,
since the others must not keep the session to themselves: one of them may wait for a queue. A stage is
a maximal set of ops of one kind and one device whose *level* is equal; the level is the longest chain of changes of
kind from the inputs, so no two stages can wait for each other.

    feed ──► matmul ──► where ──► gather ──► sum          level: matmul 0 │ where 1 (host) │ gather, sum 2

Two refinements. Host ops that wait for no device op at all (they read feeds, constants, variables) run first, at level
-1, and cost no extra device stage. And an operand that must be *static* while a stage is traced (a shape, an axis)
comes from there too when it follows from feeds by integer arithmetic; when a device op computes it, its reader goes
one level up, and gets it as a value. The other way round, a host op whose inputs follow from constants and shapes alone
(the shape that a reduced gradient is brought to) is a device op: NumPy does it while the stage is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from evergraph.compiler.effects import VARIABLE_OPS, Effects
from evergraph.compiler.regions import ENTERS, MERGES, SWITCHES, LoopOp, Region, Structure
from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import grouped_inputs

Kind = str
"""`HOST`, `HOST_STATE`, or the name of the device: `"device:CPU:0"`."""
HOST = "host"
HOST_STATE = "host state"

# Their result is known while a stage is traced, whatever their input is. (What a gradient pops for a static operand is
# a shape that the loop pushed.)
ALWAYS_KNOWN = frozenset(
    ("Const", "Shape", "ShapeN", "Size", "Rank", "TensorArraySizeV3", "TensorListLength", "TensorListElementShape",
     "StackPopV2")
)  # fmt: skip


# Their handle is a list of tensors that belongs to the run.
MAKERS_OF_LISTS = frozenset(("TensorArrayV3", "TensorArrayGradV3", "TensorArrayGradWithShape", "StackV2"))

PASS_LISTS_ON = frozenset(
    (*SWITCHES, *MERGES, *ENTERS, "Exit", "NextIteration", "Identity", "ZerosLike", "AddN", "TensorListResize")
)


class Level(NamedTuple):
    number: int
    kind: Kind

    def order(self) -> tuple[int, bool, str]:
        return self.number, not self.kind.startswith(HOST), self.kind


def runs_on_host(op: Operation) -> bool:
    """Whether `op` needs values in the hands of Python: by its declaration, or since it moves strings."""
    if op.opdef.host:
        return True
    if isinstance(op, LoopOp):
        assert op.region is not None
        inner = any(runs_on_host(inner) for inner in (*op.region.head, *op.region.body))
        return inner or any(map(_is_for_python, op.inputs))
    if op.type == "Assert" and all(t.op.type == "Const" for t in op.inputs if t.dtype._base._kind == "S"):
        return False  # its strings are for the message only
    if any(t.dtype is dtypes.resource and _is_session_object(t) for t in op.outputs):
        return True  # it hands on a queue, a table, ...: objects of the session, not values
    return any(map(_is_for_python, op.inputs)) or any(map(_is_for_python, op.outputs))


def _is_for_python(t: Tensor) -> bool:
    """Whether only Python can hold the values of `t`: strings, variants other than lists of numbers."""
    kind = t.dtype._base._kind
    if kind != "V":
        return kind in "Sq"
    op = t.op
    for _ in range(100):
        if op.type not in PASS_LISTS_ON:
            break
        op = op.inputs[0].op  # in a loop: the way it came in
    if "TensorList" not in op.type or op.opdef.host:
        return True
    return op.attrs["element_dtype"]._kind in "SVq"


def _moves_objects(op: Operation) -> bool:
    """Whether `op` takes or gives strings, resources or other things that are no numbers."""
    return any(t.dtype._base._kind in "SVq" for t in op.inputs) or any(t.dtype._base._kind in "SVq" for t in op.outputs)


def _changes_state(op: Any) -> bool:
    """Whether `op` leaves a variable or a random stream elsewhere than it was."""
    if isinstance(op, LoopOp):
        assert op.region is not None
        return any(_changes_state(inner) for inner in (*op.region.head, *op.region.body))
    return bool(op.opdef.updates or op.opdef.random_blocks)


def _is_session_object(t: Tensor) -> bool:
    """Whether the handle `t` is that of a queue, a table, ..., rather than a variable or a list of tensors."""
    op = t.op
    while op.inputs and op.inputs[0].dtype is dtypes.resource and not op.opdef.host:
        op = op.inputs[0].op
    return op.opdef.host or op.type not in VARIABLE_OPS | MAKERS_OF_LISTS


def levels(
    structure: Structure, fed: frozenset[Tensor], found: Effects, place: Callable[[Operation], str]
) -> dict[Operation, Level]:
    """The level of every op."""
    ops, maker = structure.ops, structure.maker
    known = _known_while_tracing(ops, fed)
    predicates = [t for guards in structure.guards.values() for t, _ in guards]
    on_host = _static_arithmetic(ops, fed, known, dict.fromkeys(predicates), maker)
    kinds: dict[Operation, Kind] = {}
    placed: dict[str, str] = {}
    for op in ops:
        at_trace = op.outputs and known.issuperset(op.outputs) and not _moves_objects(op)
        if op in on_host or runs_on_host(op) and not at_trace:
            kinds[op] = HOST_STATE if _changes_state(op) else HOST
        else:
            device = op._device
            if device not in placed:
                placed[device] = place(op)
            kinds[op] = placed[device]
    result: dict[Any, Level] = {}
    passive = VARIABLE_OPS | {"Const"}
    for op in ops:
        kind = kinds[op]
        number = -1 if kind.startswith(HOST) else 0
        sources = [maker.get(t.op, t.op) for t in op.inputs if t not in fed]
        sources.extend(maker.get(c, c) for c in op._control_inputs)
        sources.extend(found.previous.get(op, ()))
        for source in sources:
            if source.type in passive and not source._control_inputs or source not in result:
                continue  # what is fed, declared or constant makes nobody wait
            level = result[source]
            number = max(number, level.number + (level.kind != kind))
        if not kind.startswith(HOST):
            for t in _static_tensors(op):
                if t not in fed and t not in known and t.op not in on_host and t.op.type not in passive:
                    level = result[maker.get(t.op, t.op)]
                    if level.kind == kind:
                        number = max(number, level.number + 1)
        result[op] = Level(number, kind)
    return result


def _static_tensors(op: Any, dynamic: bool = False) -> list[Tensor]:
    """The inputs of `op` that must be known before it is traced; with `dynamic`, those that had better be as well."""
    if isinstance(op, LoopOp):
        assert op.region is not None
        return statics_of(op.region, dynamic)
    opdef = op.opdef
    if not opdef.static:
        return []
    groups = [(t,) for t in op.inputs] if opdef.plain else grouped_inputs(op)
    return [
        t
        for arg, is_static, group in zip(opdef.inputs, opdef.shape_static, groups, strict=True)
        if is_static and (dynamic or arg.name not in opdef.dynamic)
        for t in group
    ]


def statics_of(region: Region, dynamic: bool = False) -> list[Tensor]:
    """The tensors outside a loop that static operands inside it follow from."""
    wanted: list[Tensor] = []
    for op in (*region.head, *region.body):
        wanted.extend(_static_tensors(op, dynamic))
    outside: dict[Tensor, None] = {}
    seen: set[Tensor] = set()
    while wanted:
        t = wanted.pop()
        while t in region.aliases:
            t = region.aliases[t]
        if t in seen:
            continue
        seen.add(t)
        op = region.maker.get(t.op, t.op)
        if op.type in ENTERS:
            outside[op.inputs[0]] = None
        elif op.type not in ALWAYS_KNOWN and op not in region.merges and not isinstance(op, LoopOp):
            wanted.extend(op.inputs)
    return list(outside)


def _known_while_tracing(ops: Sequence[Operation], fed: frozenset[Tensor]) -> set[Tensor]:
    """Tensors whose value follows from constants and shapes alone."""
    known: set[Tensor] = set()
    for op in ops:
        opdef = op.opdef
        if op.type in ALWAYS_KNOWN:
            if not (op.type == "Const" and _moves_objects(op)):
                known.update(op.outputs)
        elif (
            op.inputs
            and op.type not in ("Loop", "Merge")
            and not (opdef.is_stateful or opdef.updates or opdef.random_blocks or opdef.session)
        ):
            if all(t in known and t not in fed for t in op.inputs) and not _moves_objects(op):
                known.update(op.outputs)
    return known


def _static_arithmetic(
    ops: Sequence[Operation],
    fed: frozenset[Tensor],
    known: set[Tensor],
    predicates: Iterable[Tensor],
    maker: Mapping[Operation, LoopOp],
) -> set[Operation]:
    """Integer ops between feeds and static operands or predicates: NumPy does them before the device stages start."""
    here = set(ops)
    wanted = [t for t in predicates if t not in known and t not in fed and t.op in here]
    for op in ops:
        if not op.opdef.host:
            wanted.extend(t for t in _static_tensors(op, dynamic=True) if t not in known and t not in fed)
    marked: set[Operation] = set()
    while wanted:
        t = wanted.pop()
        op = t.op
        if op in marked or t in fed or t in known or op.type in VARIABLE_OPS or op in maker:
            continue
        if not _is_small_arithmetic(op):
            continue
        marked.add(op)
        wanted.extend(op.inputs)
    return marked


def _is_small_arithmetic(op: Operation) -> bool:
    opdef = op.opdef
    if opdef.host or opdef.updates or opdef.random_blocks or opdef.is_stateful or not op.inputs:
        return False
    if op.type in MERGES or op.type in SWITCHES or isinstance(op, LoopOp):
        return False
    integers = all(t.dtype._base._kind in "iub" for t in op.outputs)
    inputs = all(t.dtype._base._kind in "iub" or t.dtype is dtypes.resource for t in op.inputs)
    small = all(t.static_shape is None or len(t.static_shape) <= 1 for t in op.outputs)
    return integers and inputs and small
