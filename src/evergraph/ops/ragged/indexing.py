"""`ragged[key]`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import maximum, minimum
from evergraph.ops.cast import cast
from evergraph.ops.cond import cond
from evergraph.ops.filling import zeros
from evergraph.ops.gather import gather as dense_gather
from evergraph.ops.joining import concat, stack
from evergraph.ops.ragged.gathering import gather
from evergraph.ops.ragged.ranges import range_of_rows
from evergraph.ops.ragged.tensor import RaggedTensor
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import shape, size


def picked(rt: RaggedTensor, key: Any) -> Any:
    """What `rt[key]` means."""
    keys = list(key) if isinstance(key, list | tuple) else [key]
    with name_scope(None, "RaggedGetItem", [rt, *_tensors_in(key)]):
        return _outer(rt, keys)


def _tensors_in(key: Any) -> Iterator[Tensor]:
    if isinstance(key, Tensor):
        yield key
    elif isinstance(key, list | tuple):
        for part in key:
            yield from _tensors_in(part)
    elif isinstance(key, slice):
        yield from _tensors_in((key.start, key.stop, key.step))


def _is_whole(key: slice) -> bool:
    return key.start is None and key.stop is None and key.step is None


def _outer(rt: Any, keys: list[Any]) -> Any:
    if not keys:
        return rt
    first, rest = keys[0], keys[1:]
    if first is Ellipsis:
        return _outer(rt, _without_ellipsis(keys, rt.shape.ndims))
    if first is None:
        inner = _outer(rt, rest)
        count = shape(inner.row_splits, out_type=inner.row_splits.dtype)[0]
        return RaggedTensor.from_row_splits(inner, stack([0, count - 1]), validate=False)
    if isinstance(first, slice):
        return _inner(_rows(rt, first), rest)
    starts, limits = rt.row_splits[:-1], rt.row_splits[1:]
    row = rt.values[starts[first] : limits[first]]
    return row.__getitem__(rest)


def _rows(rt: RaggedTensor, key: slice) -> RaggedTensor:
    """Some of the outermost rows."""
    if _is_whole(key):
        return rt
    starts, limits = rt.row_splits[:-1][key], rt.row_splits[1:][key]
    zero = zeros([1], rt.row_splits.dtype)
    if key.step is not None and key.step != 1:
        return _from_ranges(starts, limits, 1, rt.values)
    # If there are no rows, the splits are the one zero.
    splits = concat([zero[size(starts) :], starts[:1], limits], axis=0)
    start, limit = splits[0], splits[-1]
    return RaggedTensor.from_row_splits(rt.values[start:limit], splits - start, validate=False)


def _inner(x: Any, keys: list[Any]) -> Any:
    """Keys for the dimensions after the first."""
    if not keys:
        return x
    if isinstance(x, Tensor):
        return x.__getitem__([slice(None), *keys])
    first, rest = keys[0], keys[1:]
    if first is Ellipsis:
        return _inner(x, _without_ellipsis(keys, x.values.shape.ndims))
    if first is None:
        inner = _inner(x, rest)
        count = shape(inner.row_splits, out_type=inner.row_splits.dtype)[0]
        return RaggedTensor.from_row_splits(inner, range_(count), validate=False)
    if not isinstance(first, slice):
        raise ValueError("Cannot index into an inner ragged dimension.")
    if _is_whole(first):
        return x.with_values(_inner(x.values, rest))
    starts, limits = x.row_splits[:-1], x.row_splits[1:]
    if first.start is not None and first.start != 0:
        starts = _moved(first.start, x.row_splits[:-1], x.row_splits[1:])
    if first.stop is not None and first.stop != 0:
        limits = _moved(first.stop, x.row_splits[:-1], x.row_splits[1:])
    cut = _from_ranges(starts, limits, first.step, x.values)
    return cut.with_values(_inner(cut.values, rest))


def _without_ellipsis(keys: list[Any], dimensions: int | None) -> list[Any]:
    """The keys with one dimension more taken as a whole, as long as there are any left for `...`."""
    if dimensions is None:
        raise ValueError("Ellipsis not supported for unknown shape RaggedTensors")
    used = sum(1 for key in keys if key is not None)
    if used > dimensions + 1:
        raise IndexError("Too many indices for RaggedTensor")
    return keys[1:] if used == dimensions + 1 else [slice(None), *keys]


def _from_ranges(starts: Tensor, limits: Tensor, step: Any, values: Any) -> RaggedTensor:
    """The rows `values[starts[i]:limits[i]:step]`."""
    step = convert_to_tensor(1 if step is None else step, name="step")
    if not step.dtype.is_integer:
        raise TypeError("slice strides must be integers or None")
    step = cast(step, starts.dtype)
    where = range_of_rows(starts, limits, step, row_splits_dtype=starts.dtype)
    take = gather if isinstance(values, RaggedTensor) else dense_gather
    return where.with_values(take(params=values, indices=where.values))


def _moved(offset: Any, starts: Tensor, limits: Tensor) -> Tensor:
    """Where an offset (from the end, if negative) is in each row."""

    def from_start() -> Tensor:
        return minimum(starts + offset, limits)

    def from_end() -> Tensor:
        return maximum(limits + offset, starts)

    if isinstance(offset, Tensor):
        offset = cast(offset, starts.dtype)
        return cond(offset >= 0, from_start, from_end)
    if isinstance(offset, int):
        return from_start() if offset > 0 else from_end()
    raise TypeError("slice offsets must be integers or None")


__all__ = ["picked"]
