"""Rules of `stacked` for values that have a row for each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.compiler.plan import Instruction
from evergraph.runtime import stacked_ragged
from evergraph.runtime.stacked_ragged import NotStacked, Rule

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

stacked_ragged.add_flat_rules([*_EXACT.split(), *_STRINGS.split(), "Cast", "Select"])

# Their inputs all need a row for each element.
ALL_ROWS = frozenset(("ConcatV2", "Pack", "Select"))

# Rules that take a row for each element in their first input alone.
ONLY_FIRST = frozenset(
    "Cast DecodeRaw DecodeBase64 EncodeBase64 DecodeCSV ExpandDims OneHot Reshape Slice Squeeze StridedSlice "
    "Transpose".split()
) | frozenset(_STRINGS.split())
