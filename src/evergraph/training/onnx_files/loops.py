"""Branches and loops as ONNX's `If` and `Loop`.

TF 1 spells control flow with ops on the edges (compiler/regions.py says how they are read); ONNX has graphs inside of
nodes, which see the values outside:

    pred ──┐
    x ──► Switch ──► Mul ──► Merge         If(pred)   then:  Mul(x)
             └─────► Add ──────┘                      else:  Add(x)

    Enter ► Merge ► Switch ► body ─┐       go = head(start)
              ▲ └► head ► LoopCond │       Loop(go, start)   body(v):  next = body(v)
              └── NextIteration ◄──┘                                   head(next), next

The ops of a branch are written where a Merge asks for them. Merges of one predicate that can be written together are
outputs of one `If`.

A loop that writes one element of an array per turn, in order, gives them as a scan output of `Loop`; arrays written
otherwise are loop variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evergraph.compiler.regions import (
    MERGES,
    NO_GUARDS,
    SWITCHES,
    AnyOp,
    Guards,
    LoopOp,
    Region,
    Structure,
    behind_identities,
)
from evergraph.framework import dtypes
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.training.onnx_files.arrays import ARRAY, WRITE, padded, size_vector
from evergraph.training.onnx_files.writer import MAPPINGS, NotMapped, Writer, maps

STRUCTURAL = frozenset(("Switch", "Merge", "Enter", "Exit", "NextIteration", "LoopCond"))


class Part:
    """The ops of a graph, or of a loop.

    Args:
        ops: in the order in which they can run.
        maker: the loop that each op inside of one belongs to.
        guards: of each op that runs in a branch.
        around: the outputs of the Switches of the loop itself.
    """

    def __init__(
        self,
        ops: Iterable[AnyOp],
        maker: Mapping[Operation, LoopOp],
        guards: Mapping[AnyOp, Guards],
        around: Iterable[Tensor] = (),
    ) -> None:
        self.place = {op: i for i, op in enumerate(ops)}
        self.maker, self.guards, self.around = maker, guards, frozenset(around)

    def maker_of(self, t: Tensor) -> AnyOp:
        return self.maker.get(t.op, t.op)

    def guards_of(self, t: Tensor) -> Guards:
        guards = self.guards.get(self.maker_of(t), NO_GUARDS)
        if t.op.type in SWITCHES and t.op not in self.maker and t not in self.around:
            return guards | {(behind_identities(t.op.inputs[1]), bool(t.value_index))}
        return guards

    def sides(self, merge: Operation) -> tuple[Tensor, Tensor, Tensor]:
        """The predicate of a Merge, what it gives if that is true, and what else."""
        first, second = merge.inputs
        ((predicate, side),) = self.guards_of(first) - self.guards_of(second)
        return (predicate, first, second) if side else (predicate, second, first)


@maps("Switch")
def switch(w: Writer, op: Operation) -> Any:
    return [w.name(op.inputs[0])] * 2


class Nested:
    """Writes a graph with branches and loops.

    Args:
        writer: what it is written to.
        bad: ops that cannot be written.

    Attributes:
        wrong: what is in the way of ops, beside those.
    """

    def __init__(self, writer: Writer, bad: Iterable[Operation], ops: Iterable[Operation]) -> None:
        self.w = writer
        self.bad: set[AnyOp] = set(bad)
        self.wrong: dict[AnyOp, str] = {}
        self._readers: dict[Tensor, list[Operation]] = {}
        for op in ops:
            for t in op.inputs:
                self._readers.setdefault(t, []).append(op)

    def graph(self, structure: Structure, outputs: Sequence[Tensor]) -> None:
        """Write all that `outputs` need."""
        part = Part(structure.ops, structure.maker, structure.guards)
        for t in outputs:
            if part.guards_of(t) and not self.w.has(t):
                self._refuse(part.maker_of(t), "it is in a branch, which may not run")
        self._write(part, outputs, NO_GUARDS)

    def _refuse(self, op: AnyOp, reason: str) -> None:
        self.bad.add(op)
        self.wrong[op] = reason

    def _write(self, part: Part, wanted: Iterable[Tensor], guards: Guards) -> None:
        """Write the ops that `wanted` need and that run wherever `guards` hold; branches inside as they are merged."""
        here = [op for op in self._needed(part, wanted) if part.guards.get(op, NO_GUARDS) <= guards]
        order = sorted(here, key=part.place.__getitem__)
        for place, op in enumerate(order):
            if op in self.bad or all(self.w.has(t) for t in op.outputs[:1]):
                continue
            if any(part.maker_of(t) in self.bad for t in op.inputs):
                self.bad.add(op)  # what comes after what cannot be written cannot be tried
                continue
            try:
                if isinstance(op, LoopOp):
                    self._loop(op)
                elif op.type in MERGES:
                    self._choice(part, op, order[place + 1 :], guards)
                elif all(t.dtype is dtypes.resource for t in op.outputs):
                    for t in op.outputs:  # a handle is nothing in ONNX
                        self.w.put(t, "")
                else:
                    self.w.op(op)
            except NotMapped as reason:
                self._refuse(op, str(reason))

    def _needed(self, part: Part, wanted: Iterable[Tensor]) -> set[AnyOp]:
        """The ops of a part from which `wanted` are computed, without those that are written already."""
        found = set()
        waiting = list(wanted)
        while waiting:
            t = waiting.pop()
            op = part.maker_of(t)
            if op in found or op not in part.place or self.w.has(t):
                continue
            found.add(op)
            waiting.extend(op.inputs[:1] if op.type in SWITCHES else op.inputs)
            if op.type in MERGES:
                waiting.append(part.sides(op)[0])
        return found

    # Branches

    def _choice(self, part: Part, merge: Operation, later: Sequence[AnyOp], guards: Guards) -> None:
        """Write a Merge as `If`, and with it those among `later` that choose by the same predicate."""
        predicate, _, _ = part.sides(merge)
        merges = [merge]
        for other in later:
            if other.type in MERGES and part.sides(other)[0] is predicate and self._is_ready(part, other, guards):
                merges.append(other)
        w = self.w
        asked = w.name(predicate)
        branches = {}
        for side, name in ((True, "then_branch"), (False, "else_branch")):
            tensors = [part.sides(one)[1 if side else 2] for one in merges]
            branches[name] = self._branch(part, tensors, guards | {(predicate, side)}, f"{merge.name}/{name}", merges)
        if None in branches.values():
            self.bad.update(merges)
            return
        w.scope = merge.name
        made = w.node("If", [asked], outputs=len(merges), **branches)
        for one, name in zip(merges, [made] if isinstance(made, str) else made):
            w.put(one.outputs[0], name)

    def _is_ready(self, part: Part, merge: Operation, guards: Guards) -> bool:
        """Whether all that the two sides of a Merge take from outside is written."""
        seen = set()
        waiting = list(merge.inputs)
        while waiting:
            t = waiting.pop()
            op = part.maker_of(t)
            if op in seen or op not in part.place or self.w.has(t):
                continue
            if op in self.bad:
                return False
            if part.guards.get(op, NO_GUARDS) <= guards and op.type not in SWITCHES and op.type != "Identity":
                return False
            seen.add(op)
            waiting.extend(op.inputs[:1] if op.type in SWITCHES else op.inputs)
        return True

    def _branch(
        self, part: Part, tensors: Sequence[Tensor], guards: Guards, title: str, merges: Sequence[Operation]
    ) -> Any:
        w = self.w
        with w.subgraph() as nodes:
            self._write(part, tensors, guards)
            if any(part.maker_of(t) in self.bad for t in tensors):
                return None
            w.scope = title
            names = w.results([w.name(t) for t in tensors])
        outputs = [self._value(name, one.outputs[0]) for name, one in zip(names, merges)]
        return w.onnx.helper.make_graph(nodes, title, [], outputs)

    def _value(self, name: str, t: Tensor) -> Any:
        """A value at the edge of a graph inside. Its shape may change from turn to turn, so nothing is said of it."""
        array = self.w.arrays.get(t)
        kind = self.w.type_of(t.dtype._base.np if array is None else array.dtype)
        return self.w.onnx.helper.make_tensor_value_info(name, kind, None)

    # Loops

    def _loop(self, loop: LoopOp) -> None:
        w, region = self.w, loop.region
        assert region is not None
        part = Part([*region.head, *region.body], region.maker, region.guards, region.aliases)
        for enter in loop.enters:
            if enter.outputs[0] not in w.known and enter not in region.starts:
                w.put(enter.outputs[0], w.name(enter.inputs[0]))
        appended = {i: write for i in range(len(region.merges)) if (write := self._appended(region, i)) is not None}
        carried = [i for i in range(len(region.merges)) if i not in appended]
        starts = [w.name(region.starts[i].inputs[0]) for i in carried]
        go = self._go_on(part, region, carried, starts)
        backs = [region.backs[i].inputs[0] for i in carried]
        rows = [write.inputs[2] for write in appended.values()]
        with w.subgraph() as nodes:
            w.scope = loop.name
            turn, asked, *given = [w.unique(f"{loop.name}:{name}") for name in ("turn", "go")] + [
                w.unique(region.merges[i].outputs[0].name) for i in carried
            ]
            with w.layer():
                self._start_turn(region, carried, given)
                self._write(part, [*backs, *rows], NO_GUARDS)
                if self._is_bad(part, [*backs, *rows], loop):
                    return
                nexts, parts = [w.name(t) for t in backs], [w.name(t) for t in rows]
            again = self._go_on(part, region, carried, nexts)
            if go is None or again is None:
                self.bad.add(loop)
                return
            w.scope = loop.name
            results = w.results([again, *nexts, *parts])
        helper, boolean = w.onnx.helper, w.type_of(bool)
        variables = [region.merges[i].outputs[0] for i in carried]
        inputs = [
            helper.make_tensor_value_info(turn, w.type_of("int64"), []),
            helper.make_tensor_value_info(asked, boolean, []),
            *map(self._value, given, variables),
        ]
        outputs = [
            helper.make_tensor_value_info(results[0], boolean, []),
            *map(self._value, results[1:], variables),
            *map(self._row, results[1 + len(carried) :], rows),
        ]
        w.scope = loop.name
        body = helper.make_graph(nodes, f"{loop.name}/body", inputs, outputs)
        count = len(carried) + len(appended)
        made = w.node("Loop", ["", go, *starts], outputs=count, body=body)
        last = dict(zip([*carried, *appended], [made] if count == 1 else made))
        for i in appended:
            array = w.arrays[region.merges[i].outputs[0]]
            last[i] = padded(w, array, last[i], size_vector(w, array))
        for end, i in zip(loop.exits, region.results):
            w.put(end.outputs[0], last[i])

    def _is_bad(self, part: Part, tensors: Sequence[Tensor], loop: LoopOp) -> bool:
        if any(part.maker_of(t) in self.bad for t in tensors):
            self.bad.add(loop)
        return loop in self.bad

    def _row(self, name: str, t: Tensor) -> Any:
        """A value that `Loop` stacks; of no turns at all the stack has the shape that is said here."""
        return self.w.onnx.helper.make_tensor_value_info(name, self.w.type_of(t.dtype._base.np), t.static_shape)

    def _start_turn(self, region: Region, carried: Sequence[int], names: Sequence[str]) -> None:
        """Let these names stand for the loop variables."""
        values = {region.merges[i].outputs[0]: name for i, name in zip(carried, names)}
        for t, name in values.items():
            self.w.put(t, name)
        for t, source in region.aliases.items():
            if source in values:
                self.w.put(t, values[source])

    def _go_on(self, part: Part, region: Region, carried: Sequence[int], names: Sequence[str]) -> str | None:
        """Whether there is another turn for these values of the loop variables."""
        assert region.go is not None
        with self.w.layer():
            self._start_turn(region, carried, names)
            self._write(part, [region.go], NO_GUARDS)
            return None if part.maker_of(region.go) in self.bad else self.w.name(region.go)

    def _appended(self, region: Region, i: int) -> Operation | None:
        """The write that gives loop variable `i`, an array, its next element each turn; nobody reads it meanwhile."""
        merge = region.merges[i]
        write = behind_identities(region.backs[i].inputs[0]).op
        if merge.outputs[0] not in self.w.arrays or write.type != WRITE or write in region.maker:
            return None
        if behind_identities(region.starts[i].inputs[0]).op.type != ARRAY:
            return None
        if region.aliases.get(behind_identities(write.inputs[3])) is not merge.outputs[0]:
            return None
        inside = [t for t, source in region.aliases.items() if source is merge.outputs[0] and t.value_index == 1]
        if self._last_readers([*inside, *write.outputs]) != {write, region.backs[i]}:
            return None
        return write if self._counts_turns(region, write.inputs[1]) else None

    def _last_readers(self, tensors: Iterable[Tensor]) -> set[Operation]:
        """The ops that read tensors, behind Identities."""
        found, waiting = set(), list(tensors)
        while waiting:
            for op in self._readers.get(waiting.pop(), ()):
                if op.type == "Identity":
                    waiting.extend(op.outputs)
                else:
                    found.add(op)
        return found

    def _counts_turns(self, region: Region, index: Tensor) -> bool:
        """Whether a tensor is 0 in the first turn of a loop, 1 in the second, and so on."""
        counter = region.aliases.get(behind_identities(index))
        for merge, start, back in zip(region.merges, region.starts, region.backs):
            if merge.outputs[0] is counter and self._is(start.inputs[0], 0):
                step = behind_identities(back.inputs[0]).op
                if step.type in ("Add", "AddV2"):
                    for x, y in (step.inputs, step.inputs[::-1]):
                        if region.aliases.get(behind_identities(x)) is counter and self._is(y, 1):
                            return True
        return False

    def _is(self, t: Tensor, number: int) -> bool:
        return t in self.w.known and self.w.known[t].shape == () and int(self.w.known[t]) == number


def is_written(op: Operation) -> bool:
    """Whether ops of this type can be written at all."""
    return op.type in MAPPINGS or op.type in STRUCTURAL
