"""A function body for many elements at once.

    x ──► Mul ──► Cast        x of 128 elements, [128, ...] ──► Mul ──► Cast ──► [128, ...]

A dataset calls a body for every element, and most bodies are a few ops on a few numbers: then a call costs more than what
it computes. So the ops of a body that do the same to each element go over a block of elements together, a value being
*stacked* (a row for each element) or *shared* by all (a constant, something captured). Only ops that give the same
bits this way are in the table; those after one that is not are left to be called element by element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergraph.compiler.interpret import as_array, as_value
from evergraph.compiler.plan import Instruction, Plan, Register
from evergraph.framework.tensor import Tensor
from evergraph.runtime import stacked_ragged
from evergraph.runtime.stacked_ragged import NotStacked, RaggedColumn, Rule

# A rule computes an instruction for n elements: its kernel, its arguments, the positions of those that are stacked, n.


def _elementwise(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    rank = max(np.ndim(a) + (p not in stacked) for p, a in enumerate(args))
    for p in stacked:
        shape = args[p].shape
        if len(shape) < rank:
            args[p] = args[p].reshape((n, *(1,) * (rank - len(shape)), *shape[1:]))
    return kernel(np, *args, **i.attrs)


def _as_they_are(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    """The kernel takes its first input in any shape."""
    _only(stacked, 0)
    return kernel(np, *args, **i.attrs)


def _each_string(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    """The kernel takes its first input in any shape, and some scalars."""
    _only(stacked, 0)
    if any(np.ndim(a) for a in args[1:]):
        raise NotStacked
    return kernel(np, *args, **i.attrs)


def _only(stacked: set[int], *positions: int) -> None:
    if not stacked.issubset(positions):
        raise NotStacked


def _reshape(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    x, shape = args[0], np.ravel(args[1]).tolist()
    if -1 in shape:  # found for one element: there may be none in it
        kernel(np, x[0], args[1], **i.attrs)
    return x.reshape((n, *shape))


def _expand_dims(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    axis = int(np.ravel(args[1])[0])
    return np.expand_dims(args[0], axis + (axis >= 0))


def _squeeze(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    x = args[0]
    return x.reshape((n, *np.shape(kernel(np, x[0], **i.attrs))))


def _transpose(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    return np.transpose(args[0], [0, *(int(a) % (args[0].ndim - 1) + 1 for a in np.ravel(args[1]))])


def _one_hot(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    axis = i.attrs["axis"]
    return kernel(np, *args, axis=axis + (axis >= 0))


def _select(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    """A condition for each element is a vector of them, which chooses rows."""
    return kernel(np, *args, **i.attrs)


def _pack(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    axis = i.attrs["axis"]
    return np.stack(args, axis + (axis >= 0))


def _concat(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    axis = int(np.ravel(args[-1])[0])
    return np.concatenate(args[:-1], axis + (axis >= 0))


def _strided_slice(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    whole = {"begin_mask": 1, "end_mask": 1}  # of the dimension in front
    attrs = {key: value << 1 | whole.get(key, 0) for key, value in i.attrs.items()}
    begin, end, strides = (np.concatenate([[first], np.ravel(a)]) for first, a in zip((0, 0, 1), args[1:], strict=True))
    return kernel(np, args[0], begin, end, strides, **attrs)


def _slice(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    begin, size = (np.concatenate([[first], np.ravel(a)]) for first, a in zip((0, -1), args[1:], strict=True))
    return kernel(np, args[0], begin, size, **i.attrs)


def _gather(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 1)
    if int(np.ravel(args[2])[0]) != 0 or i.attrs.get("batch_dims"):
        raise NotStacked
    return kernel(np, *args, **i.attrs)


def _decode_csv(i: Instruction, kernel: Callable[..., Any], args: list[Any], stacked: set[int], n: int) -> Any:
    _only(stacked, 0)
    return kernel(np, args[0], args[1:], **i.attrs)


_EXACT = (
    "Abs Add AddV2 Ceil Div Equal Floor FloorDiv FloorMod Greater GreaterEqual Identity Less LessEqual LogicalAnd "
    "LogicalNot LogicalOr Maximum Minimum Mod Mul Neg NotEqual OnesLike RealDiv Rint Round SelectV2 Sign Sqrt Square "
    "SquaredDifference StopGradient Sub TruncateDiv TruncateMod ZerosLike BitwiseAnd BitwiseOr BitwiseXor Invert "
    "AsString StringLength StringToHashBucket StringToHashBucketFast StringToNumber"
)
_STRINGS = (
    "RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace StringLower StringStrip StringUpper Substr"
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(_EXACT.split(), _elementwise),
    **dict.fromkeys(_STRINGS.split(), _each_string),
    **dict.fromkeys(("Cast", "DecodeRaw", "DecodeBase64", "EncodeBase64"), _as_they_are),
    "ConcatV2": _concat,
    "DecodeCSV": _decode_csv,
    "ExpandDims": _expand_dims,
    "GatherV2": _gather,
    "OneHot": _one_hot,
    "Pack": _pack,
    "Reshape": _reshape,
    "Select": _select,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Transpose": _transpose,
}

stacked_ragged.add_flat_rules([*_EXACT.split(), *_STRINGS.split(), "Cast"])

# Their inputs all need a row for each element.
_ALL_ROWS = frozenset(("ConcatV2", "Pack", "Select"))

_SPLITS = frozenset(("StringSplit", "StringSplitV2"))

# With one of these among what is computed together, it is worth it even if the rest is called element by element.
_WORTH_IT = frozenset(("DecodeCSV", "ParseSingleExample"))

# What is known of a value: it has a row for each element, is a `RaggedColumn`, or says where values of one are.
_ROWS, _RAGGED, _PLACES, _UNKNOWN = "rows", "ragged", "places", ""


@dataclass(slots=True)
class _Step:
    instruction: Instruction
    kernel: Callable[..., Any]
    rule: Rule | None  # None: nothing that goes in is stacked
    inputs: list[Register]
    stacked: set[int]
    gives: list[str]


class Stacked:
    """What of a plan can be computed for many elements at once.

    Attributes:
        is_complete: whether that is all of it.
        given: if it is not: the tensors of the body that the rest needs, and no op before them.
    """

    def __init__(
        self, plan: Plan, steps: list[_Step], results: int, elements: int, given: dict[Tensor, Register]
    ) -> None:
        self._plan, self._steps, self._elements = plan, steps, elements
        self.is_complete = not given
        self.given = list(given)
        self._fetches = list(given.values()) or plan.fetch_registers[:results]

    def __call__(self, columns: Sequence[Any], captured: Sequence[Any], n: int) -> list[Any]:
        """The results (or what is `given`) for `n` elements, [n, ...] each.

        Raises:
            Exception: whatever goes wrong; the elements by themselves show what it is.
        """
        registers = list(self._plan.registers)
        for register, value in zip(self._plan.feed_registers, [*columns, *captured], strict=True):
            registers[register] = value
        is_stacked = set(self._plan.feed_registers[: self._elements])
        with np.errstate(all="ignore"):
            for step in self._steps:
                instruction = step.instruction
                args = [registers[r] for r in step.inputs]
                if step.rule is None:
                    made = step.kernel(np, *_grouped(instruction, registers), **instruction.attrs)
                else:
                    is_stacked.update(instruction.outputs)
                    if instruction.op.type in _ALL_ROWS and step.rule is RULES[instruction.op.type]:
                        args = [
                            a
                            if p in step.stacked or _is_axis(instruction, p)
                            else np.broadcast_to(a, (n, *np.shape(a)))
                            for p, a in enumerate(args)
                        ]
                    made = step.rule(instruction, step.kernel, args, step.stacked, n)
                if len(instruction.outputs) == 1 and type(made) not in (tuple, list):
                    made = (made,)
                for register, kind, value, what in zip(
                    instruction.outputs, instruction.types, made, step.gives, strict=True
                ):
                    if what is _RAGGED:
                        registers[register] = value if kind is None else value.astype(kind)
                    elif what is _ROWS:
                        registers[register] = as_value(value) if kind is None else as_array(value, kind)
                        if step.rule is not None and np.shape(value)[:1] != (n,):
                            raise NotStacked
        results = []
        for register in self._fetches:
            value = registers[register]
            results.append(value if register in is_stacked else np.broadcast_to(value, (n, *np.shape(value))))
        return results


def _is_axis(i: Instruction, position: int) -> bool:
    return i.op.type == "ConcatV2" and position == sum(len(r) if type(r) is tuple else 1 for r in i.inputs) - 1


def _grouped(i: Instruction, registers: list[Any]) -> list[Any]:
    return [
        tuple([registers[r] for r in source]) if type(source) is tuple else registers[source] for source in i.inputs
    ]


def stacked(plan: Plan, results: int, elements: int) -> Stacked | None:
    """The part of `plan` that can be computed for many elements at once, if that is worth it.

    Args:
        results: how many of the fetches the function gives.
        elements: how many of the feeds are components of an element; the others are captured.
    """
    if plan.keeps or plan.variable_fetches or plan.may_be_dead or len(plan.fetch_registers) < results:
        return None
    return _stacked(plan, results, elements, True) or _stacked(plan, results, elements, False)


def _stacked(plan: Plan, results: int, elements: int, is_ragged: bool) -> Stacked | None:
    kinds = dict.fromkeys(plan.feed_registers[:elements], _ROWS)
    shared = {r for r, value in enumerate(plan.registers) if value is not None} | set(plan.feed_registers[elements:])
    steps: list[_Step] = []
    rest: list[Instruction] = []
    for i in (i for stage in plan.stages for i in stage.instructions):
        step = _step(i, kinds, shared, steps)
        if step is None or not is_ragged and step.gives != [_ROWS] * len(step.gives):
            rest.append(i)
            continue
        steps.append(step)
        if step.rule is None:
            shared.update(i.outputs)
        else:
            kinds.update(zip(i.outputs, step.gives, strict=True))
    fetched = plan.fetch_registers[:results]
    needed = {r for i in rest for source in i.inputs for r in (source if type(source) is tuple else (source,))}
    needed.update(fetched)
    needed.update(r for i in rest for r, _ in i.guards)
    if any(kinds.get(r) in (_PLACES, _UNKNOWN) for r in needed):
        return None
    if not rest and all(r in kinds or r in shared for r in fetched):
        return Stacked(plan, steps, results, elements, {}) if steps else None
    if not any(step.instruction.op.type in _WORTH_IT for step in steps):
        return None
    made = {
        t: register
        for step in steps
        if step.rule is not None
        for t, register in zip(step.instruction.op.outputs, step.instruction.outputs, strict=True)
        if register in needed
    }
    return Stacked(plan, steps, results, elements, made) if made else None


def _step(i: Instruction, kinds: dict[Register, str], shared: set[Register], steps: list[_Step]) -> _Step | None:
    """How an instruction is computed for many elements; None if it cannot be."""
    if i.guards or i.loop or i.selector or i.declared_shape is not None or i.session or i.random >= 0:
        return None
    if i.op.opdef.is_stateful or not i.outputs or i.op._control_inputs:
        return None
    inputs = [r for source in i.inputs for r in (source if type(source) is tuple else (source,))]
    if not all(r in kinds or r in shared for r in inputs):
        return None
    kernel = i.op.opdef.numpy_kernel or i.kernel
    at = {p for p, r in enumerate(inputs) if kinds.get(r) is _ROWS}
    plain = [_ROWS] * len(i.outputs)
    if all(r in shared for r in inputs):
        return _Step(i, kernel, None, inputs, at, plain)
    kind = i.op.type
    if kind == "SparseToDense" and _is_list(inputs, kinds, steps):
        return _Step(i, kernel, stacked_ragged.values_as_they_are, inputs, at, [_RAGGED])
    if any(kinds.get(r) in (_PLACES, _UNKNOWN) for r in inputs):
        return None
    if any(kinds.get(r) is _RAGGED for r in inputs):
        found = stacked_ragged.RULES.get(kind)
        return None if found is None else _Step(i, kernel, found[0], inputs, at, [_RAGGED if found[1] else _ROWS])
    if kind == "ParseSingleExample":
        gives = _parsed(i)
        return None if gives is None else _Step(i, kernel, stacked_ragged.parse_single, inputs, at, gives)
    if kind in _SPLITS:
        return _Step(i, kernel, stacked_ragged.split, inputs, at, [_UNKNOWN, _RAGGED, _UNKNOWN])
    rule = RULES.get(kind)
    return None if rule is None else _Step(i, kernel, rule, inputs, at, plain)


def _parsed(i: Instruction) -> list[str] | None:
    """What `ParseSingleExample` gives: places, values and sizes of lists, then features of one shape or any length."""
    shapes = i.attrs["dense_shapes"]
    if any(s is None or None in s and not stacked_ragged.is_open(s) for s in shapes):
        return None
    lists = len(i.attrs["sparse_keys"])
    dense = [_RAGGED if stacked_ragged.is_open(s) else _ROWS for s in shapes]
    return [_PLACES] * lists + [_RAGGED] * lists + [_ROWS] * lists + dense


def _is_list(inputs: list[Register], kinds: dict[Register, str], steps: list[_Step]) -> bool:
    """Whether places, size and values (the first three inputs) are those of one list of a parsed record."""
    if kinds.get(inputs[0]) is not _PLACES:
        return False
    for step in steps:
        outputs = step.instruction.outputs
        if inputs[0] in outputs:
            lists, at = step.gives.count(_PLACES), outputs.index(inputs[0])
            return inputs[1:3] == [outputs[at + 2 * lists], outputs[at + lists]]
    return False


__all__ = ["NotStacked", "RaggedColumn", "Stacked", "stacked"]
