"""Arithmetic on row splits: to and from lengths and row numbers, and ranges of rows repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.checks import assert_equal
from evergraph.ops.filling import ones
from evergraph.ops.gather import gather
from evergraph.ops.histogram import bincount
from evergraph.ops.joining import concat
from evergraph.ops.opdef import raw_op
from evergraph.ops.ragged.kernels import ragged_range
from evergraph.ops.repeating import repeat
from evergraph.ops.sequences import cumsum, range_
from evergraph.ops.shaping import shape
from evergraph.ops.static_values import get_static_value

SPLITS_TYPES = (dtypes.int32, dtypes.int64)


def positive_axis(axis: Any, rank: int | None) -> int:
    """The number of a dimension counted from the front.

    Raises:
        TypeError: if `axis` is not an int.
        ValueError: if there is no such dimension, or it counts from the back and the rank is unknown.
    """
    if not isinstance(axis, int):
        raise TypeError(f"axis must be an int; got {type(axis).__name__}")
    if rank is None:
        if axis < 0:
            raise ValueError("axis may only be negative if ndims is statically known.")
        return axis
    if not -rank <= axis < rank:
        raise ValueError(f"axis={axis} out of bounds: expected {-rank}<=axis<{rank}")
    return axis % rank


def as_integers(value: Any, name: str, dtype: Any = dtypes.int32) -> Tensor:
    """`value` as a tensor of the integer type `dtype`.

    Raises:
        TypeError: if it is not of integers.
    """
    t = convert_to_tensor(value, name=name, preferred_dtype=dtype)
    if not t.dtype.is_integer:
        raise TypeError(f"{name} must be an integer tensor; dtype={t.dtype}")
    return raw_op("Cast")(t, dtype)


def lengths_to_splits(lengths: Any) -> Tensor:
    """The row splits of rows of these lengths."""
    return concat([[0], cumsum(lengths)], axis=-1)


def splits_match(nested_splits: Sequence[Any]) -> list[Any]:
    """Checks that several ragged tensors are partitioned alike.

    Raises:
        ValueError: if they have different numbers of partitions.
    """
    message = "Inputs must have identical ragged splits"
    first = nested_splits[0]
    if any(len(splits) != len(first) for splits in nested_splits):
        raise ValueError(message)
    return [
        assert_equal(a, b, message=message) for splits in nested_splits[1:] for a, b in zip(first, splits, strict=True)
    ]


def repeat_ranges(params: Any, splits: Tensor, repeats: Any) -> Any:
    """The ranges of `params` that `splits` separate, each several times in a row.

    Args:
        params: what to take from: shape `[n, ...]`.
        splits: int vector of `m + 1` positions in `params`.
        repeats: int scalar, or vector `[m]`: how often each range comes.
    """
    if repeats.shape.ndims == 0:
        several = repeat(splits, repeats, axis=0)
        count = shape(several, out_type=repeats.dtype)[0]
        starts, limits = several[: count - repeats], several[repeats:]
    else:
        starts, limits = repeat(splits[:-1], repeats, axis=0), repeat(splits[1:], repeats, axis=0)
    one = ones((), starts.dtype)
    return gather(params, ragged_range(starts, limits, one).rt_dense_values)


@public("ragged.row_splits_to_segment_ids", "compat.v2.ragged.row_splits_to_segment_ids")
def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The number of the row that each value belongs to.

    Args:
        splits: int32 or int64, `[rows + 1]`: sorted, starting at 0.
        name: the ops' scope.
        out_type: int32 or int64; by default the type of `splits`.

    Returns:
        `out_type`, `[splits[-1]]`.

    Raises:
        ValueError: if `splits` is not a vector of int32 or int64, or is empty.

    >>> sess.run(tf.ragged.row_splits_to_segment_ids([0, 3, 3, 5]))
    array([0, 0, 0, 2, 2])
    """
    with name_scope(name, "RaggedSplitsToSegmentIds", [splits]):
        splits = convert_to_tensor(splits, name="splits", preferred_dtype=dtypes.int64)
        if splits.dtype not in SPLITS_TYPES:
            raise ValueError("splits must have dtype int32 or int64")
        splits.shape.assert_has_rank(1)
        if splits.static_shape is not None and splits.static_shape[0] == 0:
            raise ValueError("Invalid row_splits: []")
        kind = splits.dtype if out_type is None else dtypes.as_dtype(out_type)
        lengths = splits[1:] - splits[:-1]
        count = shape(splits, out_type=kind)[-1] - 1
        return repeat(range_(count), repeats=lengths, axis=0)


@public("ragged.segment_ids_to_row_splits", "compat.v2.ragged.segment_ids_to_row_splits")
def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Tensor:
    """The row splits for values that belong to these rows.

    Args:
        segment_ids: int32 or int64, `[n]`: the row of each value, sorted.
        num_segments: int scalar: how many rows there are; by default one more than the largest.
        out_type: int32 or int64; by default the type of the arguments that are tensors, else int64.
        name: the ops' scope.

    Returns:
        `out_type`, `[rows + 1]`.

    >>> sess.run(tf.ragged.segment_ids_to_row_splits([0, 0, 0, 2, 2]))
    array([0, 3, 3, 5])
    """
    if out_type is not None:
        kind = dtypes.as_dtype(out_type)
    else:
        kind = next((x.dtype for x in (segment_ids, num_segments) if isinstance(x, Tensor)), dtypes.int64)
    with name_scope(name, "SegmentIdsToRaggedSplits", [segment_ids]):
        ids = as_integers(segment_ids, "segment_ids", dtypes.int32)
        ids.shape.assert_has_rank(1)
        if num_segments is not None:
            num_segments = as_integers(num_segments, "num_segments", dtypes.int32)
            num_segments.shape.assert_has_rank(0)
        lengths = bincount(ids, minlength=num_segments, maxlength=num_segments, dtype=kind)
        splits = concat([[0], cumsum(lengths)], axis=0)
        if num_segments is not None:
            known = get_static_value(num_segments)
            if known is not None:
                splits.set_shape([int(known) + 1])
        return splits


__all__ = [
    "SPLITS_TYPES",
    "as_integers",
    "lengths_to_splits",
    "positive_axis",
    "repeat",
    "repeat_ranges",
    "row_splits_to_segment_ids",
    "segment_ids_to_row_splits",
    "splits_match",
]
