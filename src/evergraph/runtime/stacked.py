"""A function body for many elements at once.

    x ──► Mul ──► Cast        x of 128 elements, [128, ...] ──► Mul ──► Cast ──► [128, ...]

A dataset calls a body for every element, and most bodies are a few ops on a few numbers: then a call costs more than
what it computes. So the ops of a body that do the same to each element go over a block of elements together, a value
being *stacked* (a row for each element) or *shared* by all (a constant, something captured). Only ops that give the
same bits this way are in the table; those after one that is not are left to be called element by element. If a body
cannot be written out otherwise (it draws random numbers, or branches) or most of its ops are in the table, others may
be called for each element in between. Both branches of a `cond` are gone through, each with the elements that take it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from evergraph.compiler.interpret import as_array, as_value
from evergraph.compiler.plan import Instruction, Plan, Register
from evergraph.compiler.regions import SWITCHES
from evergraph.framework.tensor import Tensor
from evergraph.ops.datasets.ragged_column import LooseColumn
from evergraph.runtime import stacked_ragged, stacked_rows
from evergraph.runtime.stacked_ragged import NotStacked, RaggedColumn, Rule
from evergraph.runtime.stacked_rows import Draws
from evergraph.runtime.stacked_rules import ALL_ROWS, ONLY_FIRST, RULES
from evergraph.runtime.straight import can_be_straight

_FINDS = frozenset(("LookupTableFind", "LookupTableFindV2"))
_SIZES = frozenset(("LookupTableSize", "LookupTableSizeV2"))

_SPLITS = frozenset(("StringSplit", "StringSplitV2"))

# With one of these among what is computed together, it is worth it even if the rest is called element by element.
_WORTH_IT = frozenset(("DecodeCSV", "ParseSingleExample"))

_GIVES_LISTS = _SPLITS | _WORTH_IT

# What is known of a value: it has a row for each element, is a `RaggedColumn`, or says where values of one are.
_ROWS, _RAGGED, _PLACES, _UNKNOWN = "rows", "ragged", "places", ""


# Ops with a state only so that they are not left out.
_ONLY_CHECKS = frozenset(("Assert", "CheckNumerics"))

# Kernels that may wait, or take so long that calling them together is no gain.
_NOT_EACH = frozenset(
    "BatchMatMul BatchMatMulV2 MapDefun MatMul ParseSingleExample PartitionedCall PyFuncStateless "
    "StatefulPartitionedCall SymbolicGradient".split()
)


_NETWORKS = ("AvgPool", "Conv", "DepthwiseConv", "FusedBatchNorm", "MaxPool")  # what such names begin with


@dataclass(slots=True)
class _Step:
    instruction: Instruction
    kernel: Callable[..., Any]
    rule: Rule | None  # None: nothing that goes in is stacked
    inputs: list[Register]
    stacked: set[int]
    gives: list[str]
    guards: tuple[tuple[Register, bool], ...] = ()  # those that not all elements need agree on


class Stacked:
    """What of a plan can be computed for many elements at once.

    Attributes:
        is_complete: whether that is all of it.
        given: if it is not: the tensors of the body that the rest needs, and no op before them.
        draws: whether random numbers are drawn.
        has_each: whether some kernels are called for each element.
        ragged: which components of an element come as a `RaggedColumn`.
        heaviest: how many bytes an element's largest value on the way had, so far.
    """

    def __init__(
        self,
        plan: Plan,
        steps: list[_Step],
        results: int,
        elements: int,
        given: dict[Tensor, Register],
        ragged: Sequence[bool],
    ) -> None:
        self._plan, self._steps, self._elements = plan, steps, elements
        self._reads = [pair for stage in plan.stages for pair in zip(stage.reads, stage.read_registers, strict=True)]
        self.has_each = any(step.rule is stacked_rows.each for step in steps)
        self.draws = any(step.instruction.random >= 0 for step in steps)
        self.ragged = list(ragged) or [False] * elements
        self.heaviest = 1
        self.is_complete = not given
        self.given = list(given)
        self._fetches = list(given.values()) or plan.fetch_registers[:results]
        kept = set(self._fetches)
        self._frees = [[r for r in step.instruction.frees if r not in kept] for step in steps]

    def __call__(self, columns: Sequence[Any], captured: Sequence[Any], n: int, state: Any = None) -> list[Any]:
        """The results (or what is `given`) for `n` elements, [n, ...] each.

        Args:
            state: the session's, for a body that reads variables or draws random numbers.

        Raises:
            Exception: whatever goes wrong; the elements by themselves show what it is. Nothing has been drawn then.
        """
        registers = list(self._plan.registers)
        for register, value in zip(self._plan.feed_registers, [*columns, *captured], strict=True):
            registers[register] = value
        if self._reads:
            with state.lock:
                for key, register in self._reads:
                    registers[register] = np.asarray(state.variables[key])
        is_stacked = set(self._plan.feed_registers[: self._elements])
        draws = Draws(state) if self.draws else None
        try:
            with np.errstate(all="ignore"):
                for step, frees in zip(self._steps, self._frees, strict=True):
                    self._run(step, registers, is_stacked, n, draws)
                    for register in step.instruction.outputs:
                        if register in is_stacked:
                            self.heaviest = max(self.heaviest, getattr(registers[register], "nbytes", 0) // n)
                    for register in frees:
                        registers[register] = None
            results = []
            for register in self._fetches:
                value = registers[register]
                if register not in is_stacked:
                    value = np.broadcast_to(value, (n, *np.shape(value)))
                if self.has_each and value.nbytes > n * stacked_rows.LARGEST:
                    raise NotStacked
                results.append(value)
        except Exception:
            if draws is not None:
                draws.give_back()
            raise
        return results

    def _run(self, step: _Step, registers: list[Any], is_stacked: set[Register], n: int, draws: Draws | None) -> None:
        instruction = step.instruction
        args = [registers[r] for r in step.inputs]
        taken: np.ndarray | None = None
        if step.guards:
            taken = _taken(step, registers, is_stacked, n)
            if taken.all():
                taken = None
            elif not taken.any():
                for register, what in zip(instruction.outputs, step.gives, strict=True):
                    registers[register] = None
                    if what is _ROWS and step.rule is not None:
                        is_stacked.add(register)
                return
            else:
                args = [_chosen(a, taken) if p in step.stacked else a for p, a in enumerate(args)]
        count = n if taken is None else int(taken.sum())
        if instruction.selector is not None:
            predicate, side = instruction.selector
            is_first = np.broadcast_to(np.asarray(registers[predicate]) == side, (n,))
            if taken is not None:
                is_first = is_first[taken]
            rows = [
                a if a is None or p in step.stacked else np.broadcast_to(a, (count, *np.shape(a)))
                for p, a in enumerate(args)
            ]
            made: Any = [stacked_rows.chosen(is_first, rows[0], rows[1]), np.where(is_first, 0, 1).astype(np.int32)]
            is_stacked.update(instruction.outputs)
        elif step.guards and any(a is None for a in args):
            raise NotStacked
        elif instruction.op.type in SWITCHES:
            made = [args[0], args[0]]
            if 0 in step.stacked:
                is_stacked.update(instruction.outputs)
        elif instruction.random >= 0:
            assert draws is not None
            is_stacked.update(instruction.outputs)
            made = stacked_rows.drawn(instruction, step.kernel, args, step.stacked, count, draws)
        elif step.rule is None:
            made = step.kernel(np, *stacked_rows.grouped(instruction, args), **instruction.attrs)
            taken = None
        else:
            is_stacked.update(instruction.outputs)
            if step.rule is RULES.get(instruction.op.type) and instruction.op.type in ALL_ROWS:
                args = [
                    a if p in step.stacked or _is_axis(instruction, p) else np.broadcast_to(a, (count, *np.shape(a)))
                    for p, a in enumerate(args)
                ]
            rule = stacked_rows.each if any(type(a) is LooseColumn for a in args) else step.rule
            made = rule(instruction, step.kernel, args, step.stacked, count)
        if len(instruction.outputs) == 1 and type(made) not in (tuple, list):
            made = (made,)
        for register, kind, value, what in zip(instruction.outputs, instruction.types, made or (), step.gives):
            if type(value) is LooseColumn:
                registers[register] = value if taken is None else stacked_rows.spread(value, taken, n)
            elif what is _RAGGED:
                registers[register] = value if kind is None else value.astype(kind)
            elif what is _ROWS:
                value = as_value(value) if kind is None else as_array(value, kind)
                if register in is_stacked:
                    if np.shape(value)[:1] != (count,):
                        raise NotStacked
                    if taken is not None:
                        value = stacked_rows.spread(value, taken, n)
                registers[register] = value


class Bound:
    """What of a function can be computed together, in a session.

    Args:
        state: the session's, or that of the functions of one iterator.
    """

    def __init__(self, stacked: Stacked, state: Any) -> None:
        self._stacked, self._state = stacked, state
        self.is_complete, self.given, self.draws = stacked.is_complete, stacked.given, stacked.draws
        self.ragged, self.has_each = stacked.ragged, stacked.has_each

    @property
    def heaviest(self) -> int:
        return self._stacked.heaviest

    def __call__(self, columns: Sequence[Any], captured: Sequence[Any], n: int) -> list[Any]:
        return self._stacked(columns, captured, n, self._state)


def _chosen(column: Any, taken: np.ndarray) -> Any:
    if column is None:
        return None
    return column.compressed(taken) if type(column) is LooseColumn else column[taken]


def _taken(step: _Step, registers: list[Any], is_stacked: set[Register], n: int) -> np.ndarray:
    """Which elements take the branch that a step is in."""
    taken = np.ones(n, bool)
    for predicate, side in step.guards:
        value = registers[predicate]
        if value is None:  # in a branch that no element takes
            return np.zeros(n, bool)
        taken &= np.asarray(value).reshape(-1) == side
    return taken


def _is_axis(i: Instruction, position: int) -> bool:
    return i.op.type == "ConcatV2" and position == len(_inputs(i)) - 1


def _inputs(i: Instruction) -> list[Register]:
    """What an instruction is given, the members of lists one by one."""
    return [r for source in i.inputs for r in (source if type(source) is tuple else (source,))]


def stacked(plan: Plan, results: int, elements: int) -> Stacked | None:
    """The part of `plan` that can be computed for many elements at once, if that is worth it.

    Args:
        results: how many of the fetches the function gives.
        elements: how many of the feeds are components of an element; the others are captured.
    """
    if plan.keeps or plan.variable_fetches or plan.may_be_dead or len(plan.fetch_registers) < results:
        return None
    if any(stage.writes for stage in plan.stages):
        return None
    attempts = [_stacked(plan, results, elements, is_ragged) for is_ragged in (True, False)]
    open_ended = [stacked_ragged.is_open(t.static_shape) for t in plan.feeds[:elements]]
    if any(open_ended):
        attempts.insert(0, _stacked(plan, results, elements, True, ragged=open_ended))
    complete = [found for found in attempts if found is not None and found.is_complete]
    if complete:
        return complete[0]
    return _stacked_with_each(plan, results, elements) or next((found for found in attempts if found is not None), None)


def _bytes_of(t: Any) -> int:
    """How large a tensor is, as far as that is known before anything runs."""
    shape = getattr(t, "static_shape", None)
    return 0 if shape is None or None in shape else math.prod(shape) * getattr(t.dtype, "size", 1)


def _stacked_with_each(plan: Plan, results: int, elements: int) -> Stacked | None:
    """All of the plan, some kernels being called for each element: if that is better than calling all of them so."""
    if any(_bytes_of(t) > stacked_rows.LARGEST for t in plan.fetches[:results]):
        return None
    found = _stacked(plan, results, elements, False, True)
    if found is None or not found.is_complete or not found.has_each and not found.draws:
        return found
    each = sum(step.rule is stacked_rows.each for step in found._steps)
    return found if not can_be_straight(plan) or 2 * each <= len(found._steps) else None


def _stacked(
    plan: Plan,
    results: int,
    elements: int,
    is_ragged: bool,
    calls_each: bool = False,
    ragged: Sequence[bool] = (),
) -> Stacked | None:
    kinds = dict.fromkeys(plan.feed_registers[:elements], _ROWS)
    kinds.update(zip((r for r, is_open in zip(plan.feed_registers, ragged) if is_open), repeat(_RAGGED)))
    shared = {r for r, value in enumerate(plan.registers) if value is not None} | set(plan.feed_registers[elements:])
    if calls_each:
        shared.update(r for stage in plan.stages for r in stage.read_registers)
    steps: list[_Step] = []
    rest: list[Instruction] = []
    left: set[Any] = set()
    for i in (i for stage in plan.stages for i in stage.instructions):
        step = None
        if i.op._control_inputs and not left.isdisjoint(i.op._control_inputs):
            if calls_each:
                return None
        elif calls_each:
            first = _step(i, kinds, shared, steps) if i.op.type in _GIVES_LISTS and not i.guards else None
            step = first or _branching_step(i, kinds, shared) or _step(i, kinds, shared, steps)
            if step is None:
                return None
        else:
            step = _step(i, kinds, shared, steps)
        if step is None or not (is_ragged or calls_each) and step.gives != [_ROWS] * len(step.gives):
            rest.append(i)
            left.add(i.op)
            continue
        steps.append(step)
        if step.rule is None and i.random < 0 and not step.guards and i.selector is None and not _switches_rows(step):
            shared.update(i.outputs)
        else:
            kinds.update(zip(i.outputs, step.gives, strict=True))
    fetched = plan.fetch_registers[:results]
    needed = {r for i in rest for r in _inputs(i)}
    needed.update(fetched)
    needed.update(r for i in rest for r, _ in i.guards)
    if any(kinds.get(r) in (_PLACES, _UNKNOWN) for r in needed):
        return None
    if not rest and all(r in kinds or r in shared for r in fetched):
        return Stacked(plan, steps, results, elements, {}, ragged) if steps else None
    if not any(step.instruction.op.type in _WORTH_IT for step in steps):
        return None
    made = {
        t: register
        for step in steps
        if step.rule is not None
        for t, register in zip(step.instruction.op.outputs, step.instruction.outputs, strict=True)
        if register in needed
    }
    return Stacked(plan, steps, results, elements, made, ragged) if made else None


def _step(i: Instruction, kinds: dict[Register, str], shared: set[Register], steps: list[_Step]) -> _Step | None:
    """How an instruction is computed for many elements; None if it cannot be."""
    if i.guards or i.loop or i.selector or i.declared_shape is not None or i.random >= 0:
        return None
    if i.session:
        return _find_step(i, kinds, shared)
    if i.op.opdef.is_stateful or not i.outputs:
        return None
    inputs = _inputs(i)
    if not all(r in kinds or r in shared for r in inputs):
        return None
    kernel = i.op.opdef.numpy_kernel or i.kernel
    at = {p for p, r in enumerate(inputs) if kinds.get(r) is _ROWS}
    plain = [_ROWS] * len(i.outputs)
    if all(r in shared for r in inputs):
        return _Step(i, kernel, None, inputs, at, plain)
    kind = i.op.type
    if kind == "SerializeSparse" and kinds.get(inputs[1]) is _RAGGED and _is_list([inputs[0], inputs[2]], kinds, steps):
        return _Step(i, kernel, stacked_ragged.boxed, inputs, at, [_ROWS])
    if kind == "SparseToDense" and _is_list(inputs[:3], kinds, steps):
        return _Step(i, kernel, stacked_ragged.values_as_they_are, inputs, at, [_RAGGED])
    if any(kinds.get(r) in (_PLACES, _UNKNOWN) for r in inputs):
        return None
    if any(kinds.get(r) is _RAGGED for r in inputs):
        found = stacked_ragged.RULES.get(kind)
        return None if found is None else _Step(i, kernel, found[0], inputs, at, [_RAGGED if found[1] else _ROWS])
    if kind == "ParseSingleExample":
        gives = _parsed(i)
        return None if gives is None else _Step(i, kernel, stacked_ragged.parse_single, inputs, at, gives)
    if kind == "DeserializeSparse":
        return _Step(i, kernel, stacked_ragged.unboxed, inputs, at, [_PLACES, _RAGGED, _ROWS])
    if kind in _SPLITS:
        return _Step(i, kernel, stacked_ragged.split, inputs, at, [_UNKNOWN, _RAGGED, _UNKNOWN])
    rule = RULES.get(kind)
    return None if rule is None else _Step(i, kernel, rule, inputs, at, plain)


def _switches_rows(step: _Step) -> bool:
    return step.instruction.op.type in SWITCHES and 0 in step.stacked


def _branching_step(i: Instruction, kinds: dict[Register, str], shared: set[Register]) -> _Step | None:
    """How an instruction is computed for many elements, if it may be called for each, draw, or be in a branch."""
    op = i.op
    if i.loop or i.declared_shape is not None or i.session or i.bases:
        return None
    if op.opdef.is_stateful and op.type not in _ONLY_CHECKS and i.random < 0:
        return None
    inputs = _inputs(i)
    needed = [*inputs, *(r for r, _ in i.guards), *([] if i.selector is None else [i.selector[0]])]
    if not all(kinds.get(r) is _ROWS or r in shared for r in needed):
        return None
    kernel = op.opdef.numpy_kernel or i.kernel
    at = {p for p, r in enumerate(inputs) if r in kinds}
    plain = [_ROWS] * len(i.outputs)
    rule: Rule | None = None
    if i.selector is None and i.random < 0 and op.type not in SWITCHES and (at or i.guards):
        rule = _row_rule(i, at)
        if rule is None:
            return None
        if not at:  # in a branch: the same for all that take it
            rule = _same_for_all
    return _Step(i, kernel, rule, inputs, at, plain, i.guards)


def _row_rule(i: Instruction, at: set[int]) -> Rule | None:
    kind = i.op.type
    if kind in _NOT_EACH or kind.startswith(_NETWORKS):
        return None
    if kind in stacked_rows.RULES and not (kind == "Slice" and at == {0}):
        return stacked_rows.RULES[kind]
    rule = RULES.get(kind)
    if rule is None or kind in ONLY_FIRST and at != {0} or kind == "GatherV2" and at != {1}:
        return stacked_rows.each
    return rule


def _same_for_all(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    made = kernel(np, *stacked_rows.grouped(i, args), **i.attrs)
    if not i.outputs:
        return ()
    values = made if type(made) in (tuple, list) else [made]
    return [np.broadcast_to(as_value(v), (n, *np.shape(v))) for v in values]


def _parsed(i: Instruction) -> list[str] | None:
    """What `ParseSingleExample` gives: places, values and sizes of lists, then features of one shape or any length."""
    shapes = i.attrs["dense_shapes"]
    if any(s is None or None in s and not stacked_ragged.is_open(s) for s in shapes):
        return None
    lists = len(i.attrs["sparse_keys"])
    dense = [_RAGGED if stacked_ragged.is_open(s) else _ROWS for s in shapes]
    return [_PLACES] * lists + [_RAGGED] * lists + [_ROWS] * lists + dense


def _find_step(i: Instruction, kinds: dict[Register, str], shared: set[Register]) -> _Step | None:
    """How keys of all elements are looked up in a table."""
    if i.op.type in _SIZES and i.inputs[0] in shared:
        return _Step(i, partial(i.kernel, run=None), None, list(i.inputs), set(), [_ROWS])
    if i.op.type not in _FINDS:
        return None
    table, keys, default = i.inputs
    if table not in shared or default not in shared or kinds.get(keys) not in (_ROWS, _RAGGED):
        return None
    return _Step(i, i.kernel, stacked_ragged.find, [table, keys, default], {1}, [kinds[keys]])


def _is_list(inputs: list[Register], kinds: dict[Register, str], steps: list[_Step]) -> bool:
    """Whether places, size (and values, if given) are those of one list."""
    if kinds.get(inputs[0]) is not _PLACES:
        return False
    for step in steps:
        outputs = step.instruction.outputs
        if inputs[0] in outputs:
            lists, at = step.gives.count(_PLACES), outputs.index(inputs[0])
            return inputs[1:] == [outputs[at + 2 * lists], outputs[at + lists]][: len(inputs) - 1]
    return False


__all__ = ["Bound", "NotStacked", "RaggedColumn", "Stacked", "stacked"]
