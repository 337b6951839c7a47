"""The ops of ragged tensors: ranges of numbers, rows picked by number, and the way to sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.shapes import (
    bracket_text,
    merge_dim,
    size_of,
    with_rank,
    with_rank_at_least,
    with_rank_at_most,
)
from evergraph.ops.opdef import kernel_error, op, raw_op


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`starts[i], starts[i] + 1, ...` for every `i`, `lengths[i]` numbers each."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total, dtype=starts.dtype)


def splits_of(lengths: np.ndarray, kind: Any) -> np.ndarray:
    """The row splits of rows of these lengths."""
    splits = np.zeros(len(lengths) + 1, kind)
    np.cumsum(lengths, out=splits[1:])
    return splits


@op("RaggedRange", host=True, differentiable=False)
def ragged_range(xp: Any, starts: Any, limits: Any, deltas: Any, *, Tsplits: Any) -> Any:
    """Rows of numbers `starts[i]`, `starts[i] + deltas[i]`, ... up to but without `limits[i]`."""
    sizes = []
    for name, x in (("starts", starts), ("limits", limits), ("deltas", deltas)):
        if x.ndim > 1:
            raise kernel_error(f"{name} must be a scalar or vector, not of shape {bracket_text(x.shape)}")
        if x.ndim:
            sizes.append(len(x))
    if any(n != sizes[0] for n in sizes):
        raise kernel_error(f"starts, limits, and deltas must have the same shape: their sizes are {sizes}")
    rows = sizes[0] if sizes else 1
    starts, limits, deltas = (np.broadcast_to(x, (rows,)) for x in (starts, limits, deltas))
    if not np.all(deltas != 0):
        raise kernel_error("Requires delta != 0")
    is_empty = ((deltas > 0) & (limits < starts)) | ((deltas < 0) & (limits > starts))
    distance = np.abs(np.where(is_empty, deltas.dtype.type(0), limits - starts))
    if starts.dtype.kind in "iu":
        lengths = (distance + np.abs(deltas) - 1) // np.abs(deltas)
        lengths = np.where(is_empty, 0, lengths)
    else:
        lengths = np.ceil(np.abs(distance / deltas))
        if not np.all(np.isfinite(lengths)) or lengths.sum() > 2**40:
            raise kernel_error("starts, limits and deltas give ranges without an end")
        lengths = lengths.astype(np.int64)
    splits = splits_of(lengths, Tsplits.as_numpy_dtype)
    if starts.dtype.kind in "iu":
        nth = ranges(np.zeros(rows, starts.dtype), lengths.astype(starts.dtype))
        return splits, np.repeat(starts, lengths) + nth * np.repeat(deltas, lengths)
    values = np.empty(int(splits[-1]), starts.dtype)
    for row in range(rows):  # added up one by one, in their own precision
        steps = np.full(int(lengths[row]), deltas[row], starts.dtype)
        steps[:1] = starts[row]
        values[splits[row] : splits[row + 1]] = np.cumsum(steps, dtype=starts.dtype)
    return splits, values


@ragged_range.shape
def ragged_range_shape(starts: Any, limits: Any, deltas: Any) -> Any:
    rows: int | None = None
    shapes = [with_rank_at_most(s, 1) for s in (starts, limits, deltas)]
    for s in shapes:
        if s is not None and len(s) == 1:
            rows = merge_dim(rows, s[0])
    if rows is None and all(s is not None and len(s) == 0 for s in shapes):
        rows = 1
    return (None if rows is None else rows + 1,), (None,)


def check_nested(nested_splits: Any, count: int) -> None:
    """Require that splits are sorted and stay within what they partition."""
    sizes = [len(s) - 1 for s in nested_splits[1:]] + [count]
    for splits, size in zip(nested_splits, sizes, strict=True):
        if splits.ndim != 1 or not splits.size:
            raise kernel_error("Ragged splits may not be empty")
        if splits[0] < 0:
            raise kernel_error(f"Ragged splits must be non-negative, but the first is {splits[0]}")
        if splits[-1] > size:
            raise kernel_error(f"Ragged splits must not point past values: {splits[-1]} > {size}")
        if np.any(splits[1:] < splits[:-1]):
            raise kernel_error("Ragged splits must be sorted")


@op("RaggedGather", host=True)
def ragged_gather(
    xp: Any, params_nested_splits: Any, params_dense_values: Any, indices: Any, *, OUTPUT_RAGGED_RANK: int
) -> Any:
    """The rows of a ragged tensor that `indices` name: the row splits of the result, then its values."""
    if not params_dense_values.ndim:
        raise kernel_error("params.rank must be nonzero")
    if any(s.ndim != 1 or not s.size for s in params_nested_splits):
        raise kernel_error("Ragged splits may not be empty")
    rows = len(params_nested_splits[0]) - 1
    flat = indices.reshape(-1)
    off = np.flatnonzero((flat < 0) | (flat >= rows))
    if off.size:
        where = "".join(f"[{int(i)}]" for i in np.unravel_index(off[0], indices.shape)) if indices.ndim else ""
        raise kernel_error(f"indices{where} = {flat[off[0]]} is not in [0, {rows})")
    check_nested(params_nested_splits, len(params_dense_values))
    kind = params_nested_splits[0].dtype
    out = []
    for axis in range(1, indices.ndim):
        size = indices.shape[axis]
        out.append(np.arange(int(np.prod(indices.shape[:axis])) + 1, dtype=kind) * kind.type(size))
    picked = flat.astype(np.int64)
    for splits in params_nested_splits:
        starts, lengths = splits[picked], splits[picked + 1] - splits[picked]
        out.append(splits_of(lengths, kind))
        picked = ranges(starts.astype(np.int64), lengths)
    if not indices.ndim:
        out = out[1:]  # a scalar names one row, which is no row of rows
    assert len(out) == OUTPUT_RAGGED_RANK
    return (*out, params_dense_values[picked])


@ragged_gather.shape
def ragged_gather_shape(
    params_nested_splits: Any, params_dense_values: Any, indices: Any, *, OUTPUT_RAGGED_RANK: int
) -> Any:
    with_rank(indices, OUTPUT_RAGGED_RANK - len(params_nested_splits) + 1)
    for s in params_nested_splits:
        with_rank(s, 1)
    values = with_rank_at_least(params_dense_values, 1)
    return (*[(None,)] * OUTPUT_RAGGED_RANK, None if values is None else (None, *values[1:]))


@op("RaggedTensorToSparse", host=True)
def ragged_to_sparse(xp: Any, rt_nested_splits: Any, rt_dense_values: Any) -> Any:
    """The indices, values and dense shape of the sparse tensor that holds the values of a ragged one."""
    if not rt_dense_values.ndim:
        raise kernel_error("rt_dense_values must have at least one dimension")
    sizes = [len(s) - 1 for s in rt_nested_splits[1:]] + [len(rt_dense_values)]
    for splits, size in zip(rt_nested_splits, sizes, strict=True):
        if not splits.size:
            raise kernel_error("ragged splits may not be empty.")
        if splits[0] != 0:
            raise kernel_error(f"First value of ragged splits must be 0, not {splits[0]}.")
        down = np.flatnonzero(splits[1:] < splits[:-1])
        if down.size:
            raise kernel_error(
                f"Ragged splits should be non decreasing, but we got {splits[down[0]]} followed by "
                f"{splits[down[0] + 1]}"
            )
        if splits[-1] != size:
            raise kernel_error(
                f"Final value of ragged splits must match the length the corresponding ragged values: {splits[-1]}, "
                f"not {size}."
            )
    columns = [np.arange(len(rt_nested_splits[0]) - 1, dtype=np.int64)]
    longest = [len(rt_nested_splits[0]) - 1]
    for splits in rt_nested_splits:
        lengths = np.diff(splits).astype(np.int64)
        columns = [np.repeat(c, lengths) for c in columns]
        columns.append(ranges(np.zeros(len(lengths), np.int64), lengths))
        longest.append(int(lengths.max()) if lengths.size else 0)
    inner = rt_dense_values.shape[1:]
    each = int(np.prod(inner))
    rows = np.stack(columns, axis=1)
    if inner:
        within = np.indices(inner, dtype=np.int64).reshape(len(inner), each).T
        rows = np.concatenate([np.repeat(rows, each, axis=0), np.tile(within, (len(rows), 1))], axis=1)
    return rows, rt_dense_values.reshape(-1), np.array([*longest, *inner], np.int64)


@ragged_to_sparse.shape
def ragged_to_sparse_shape(rt_nested_splits: Any, rt_dense_values: Any) -> Any:
    for s in rt_nested_splits:
        with_rank(s, 1)
    values = with_rank_at_least(rt_dense_values, 1)
    rank = None if values is None else len(rt_nested_splits) + len(values)
    count = size_of(values)
    return (count, rank), (count,), (rank,)


@ragged_to_sparse.gradient
def ragged_to_sparse_gradient(op: Any, *grads: Any) -> Any:
    shape = raw_op("Shape")(op.inputs[-1])
    return [None] * (len(op.inputs) - 1) + [raw_op("Reshape")(grads[1], shape)]


__all__ = ["check_nested", "ragged_gather", "ragged_range", "ragged_to_sparse", "ranges", "splits_of"]
