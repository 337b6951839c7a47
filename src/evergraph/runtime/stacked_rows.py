"""Rules of `stacked` for ops that draw, reduce, or are called for each element after all, and for what branches do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.compiler.interpret import as_array, as_value
from evergraph.compiler.plan import Instruction
from evergraph.framework.operation import Operation
from evergraph.ops.datasets.ragged_column import LooseColumn
from evergraph.runtime.stacked_ragged import NotStacked, Rule

LARGEST = 256 << 10
"""An element's values of more bytes are better computed one by one, by a compiled program."""

# Draws of these are the same numbers when several runs are drawn at once, each from a place of its own.
_AT_ONCE = frozenset(("RandomUniform", "RandomUniformInt", "RandomStandardNormal"))


class Draws:
    """The places of random ops in a session, taken for many elements at once."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._taken: list[tuple[Operation, int, int]] = []

    def take(self, op: Operation, blocks: list[int]) -> np.ndarray:
        """Where each element's run of `op` begins, if they use so many blocks each."""
        with self._state.lock:
            (first,) = self._state.counters([op])
            self._state.advance([op], [sum(blocks)])
        self._taken.append((op, first, sum(blocks)))
        starts = np.cumsum(np.array([0, *blocks[:-1]], np.uint64), dtype=np.uint64)
        return starts + np.uint64(first)

    def give_back(self) -> None:
        """Nothing was made of them; so the next run begins there, unless another thread has drawn since."""
        with self._state.lock:
            for op, first, blocks in reversed(self._taken):
                (at,) = self._state.counters([op])
                if at == (first + blocks) % 2**64:
                    self._state.advance([op], [-blocks])


def drawn(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int, draws: Draws) -> Any:
    """A random op for each of n elements."""
    blocks = i.op.opdef.random_blocks
    assert blocks is not None
    if not rows:
        starts = draws.take(i.op, [int(blocks(*args, **i.attrs))] * n)
        if i.op.type in _AT_ONCE:
            return kernel(np, *args, counter=starts, **i.attrs)
        return _joined([kernel(np, *args, counter=at, **i.attrs) for at in starts])
    elements = [_row(args, rows, k) for k in range(n)]
    starts = draws.take(i.op, [int(blocks(*element, **i.attrs)) for element in elements])
    return _joined([kernel(np, *e, counter=at, **i.attrs) for e, at in zip(elements, starts, strict=True)])


def _row(args: list[Any], rows: set[int], k: int) -> list[Any]:
    return [(a[k] if type(a) is LooseColumn else a[k, ...]) if p in rows else a for p, a in enumerate(args)]


def _joined(values: list[Any]) -> np.ndarray | LooseColumn:
    shape = np.shape(values[0])
    if any(np.shape(v) != shape for v in values):
        return LooseColumn(np.asarray(v) for v in values)
    if isinstance(values[0], np.ndarray | np.generic) and values[0].dtype != object:
        return np.stack(values)
    out = np.empty((len(values), *shape), object)
    for k, value in enumerate(values):
        out[k] = as_value(value) if shape else np.asarray(value, object)[()]
    return out


def grouped(i: Instruction, args: list[Any]) -> list[Any]:
    """Arguments as a kernel takes them: those of a list together."""
    flat = iter(args)
    return [tuple([next(flat) for _ in source]) if type(source) is tuple else next(flat) for source in i.inputs]


def each(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """The kernel, called for each element."""
    made: list[list[Any]] = []
    for k in range(n):
        result = kernel(np, *grouped(i, _row(args, rows, k)), **i.attrs)
        if not i.outputs:
            continue
        made.append(list(result) if type(result) in (tuple, list) else [result])
    if not i.outputs:
        return ()
    columns = zip(*made, strict=True)
    return [
        _joined([v if kind is None else as_array(v, kind) for v in column])
        for column, kind in zip(columns, i.types, strict=True)
    ]


def reduced(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """A reduction of all dimensions goes over rows, in the order in which it goes over one element."""
    x, axes = args
    if rows != {0} or x.ndim == 1:
        return each(i, kernel, args, rows, n)
    rank = x.ndim - 1
    if set(_axes(axes, rank)) != set(range(rank)) or not x.size:
        return each(i, kernel, args, rows, n)
    flat = kernel(np, np.ascontiguousarray(x).reshape(n, -1), np.array([1], np.int32), keep_dims=False)
    return flat.reshape((n, *(1,) * rank)) if i.attrs["keep_dims"] else flat


def reversed_(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    if rows != {0}:
        return each(i, kernel, args, rows, n)
    axes = [axis + 1 for axis in _axes(args[1], args[0].ndim - 1)]
    return kernel(np, args[0], np.array(axes, np.int32), **i.attrs)


def _axes(axes: Any, rank: int) -> list[int]:
    """Dimensions of an element, counted from the first."""
    found = [int(axis) for axis in np.ravel(axes)]
    if any(not -rank <= axis < rank for axis in found):
        raise NotStacked
    return [axis % rank for axis in found]


def slice_each(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """Slices of one size, each from a place of its own."""
    x, begin, size = args
    sizes = np.ravel(size).tolist()
    if rows != {0, 1} or -1 in sizes or x.dtype == object:
        return each(i, kernel, args, rows, n)
    most = np.array(x.shape[1:]) - sizes
    if (begin < 0).any() or (begin > most).any() or min(sizes, default=0) < 0:
        raise NotStacked
    out = np.empty((n, *sizes), x.dtype)
    for k, place in enumerate(begin.tolist()):
        out[k] = x[(k, *(slice(b, b + s) for b, s in zip(place, sizes, strict=True)))]
    return out


def adjusted(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """An op on images with a factor, which each image may have one of."""
    from evergraph.ops.image import adjust

    images, factor = args
    if images.ndim < 4 or rows != {0} and (rows != {0, 1} or factor.ndim != 1):
        return each(i, kernel, args, rows, n)
    if rows == {0}:
        return kernel(np, images, factor)
    kind = i.op.type
    if kind == "AdjustContrastv2":
        return adjust.contrast_adjusted(np, images, factor.reshape(n, *(1,) * (images.ndim - 1)))
    if images.shape[-1] != 3:
        raise NotStacked
    per_channel = factor.reshape(n, *(1,) * (images.ndim - 2))
    if kind == "AdjustHue":
        return adjust.hue_adjusted(np, images, per_channel)
    return adjust.saturation_adjusted(np, images, per_channel)


def padded(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    if rows != {0}:
        return each(i, kernel, args, rows, n)
    paddings = np.concatenate([np.zeros((1, 2), args[1].dtype), args[1].reshape(-1, 2)])
    return kernel(np, args[0], paddings, *args[2:], **i.attrs)


def multinomial(i: Instruction, kernel: Callable[..., Any], args: list[Any], rows: set[int], n: int) -> Any:
    """`StatelessMultinomial` of the same logits with a seed for each element."""
    from evergraph.ops.stateless_random import multinomial_for_seeds

    logits, samples, seeds = args
    if rows != {2} or logits.shape[0] != 1 or seeds.shape != (n, 2):
        return each(i, kernel, args, rows, n)
    return multinomial_for_seeds(logits, int(samples), seeds, i.attrs["output_dtype"].np)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("AdjustContrastv2", "AdjustHue", "AdjustSaturation"), adjusted),
    **dict.fromkeys(("All", "Any", "Max", "Mean", "Min", "Prod", "Sum"), reduced),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), padded),
    "ReverseV2": reversed_,
    "Slice": slice_each,
    "StatelessMultinomial": multinomial,
}


def chosen(taken: np.ndarray, first: Any, second: Any) -> Any:
    """For each element, the row of `first` where `taken`, else that of `second`; None is what no element made."""
    if first is None or second is None:
        found = second if first is None else first
        if found is None:
            raise NotStacked
        return found
    if taken.all() or not taken.any():
        return first if taken.all() else second
    if type(first) is LooseColumn or type(second) is LooseColumn:
        return LooseColumn(first[k] if taken[k] else second[k] for k in range(len(taken)))
    if first.shape != second.shape or first.dtype != second.dtype:
        raise NotStacked
    made = second.copy()
    made[taken] = first[taken]
    return made


def spread(made: Any, taken: np.ndarray, n: int) -> Any:
    """What was computed for the elements `taken`, as rows of all n; those of the others are never looked at."""
    if type(made) is LooseColumn:
        values = iter(made)
        return LooseColumn(next(values) if is_taken else None for is_taken in taken.tolist())  # type: ignore[misc]
    made = np.asarray(made)
    out = np.zeros((n, *made.shape[1:]), made.dtype)
    out[taken] = made
    return out
