"""Counting: how often each number, or each range of numbers, occurs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, clip, elementwise, reductions, segment, static_values
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, require, unchanged_shape


@op("Bincount", static=("size",), differentiable=False)
def bincount_op(xp: Any, arr: Any, size: Any, weights: Any) -> Any:
    """How often each of the numbers 0 to `size - 1` occurs, or the sum of the weights where it does."""
    count = size.item()
    if count < 0:
        raise kernel_error(f"size ({count}) must be non-negative")
    values = xp.reshape(arr, (-1,))
    require(xp, values >= 0, lambda: kernel_error("Input arr must be non-negative!"))
    if weights.size:
        amounts = xp.reshape(weights, (-1,))
    else:
        amounts = xp.ones(values.shape, weights.dtype)
    return segment.grouped(xp, "sum", amounts, xp.where(values < count, values, -1), count, 0)


@bincount_op.shape
def bincount_shape(arr: Any, size: Any, weights: Any) -> Any:
    if isinstance(size, list):
        raise ShapeError("Shape must be rank 0 but is rank 1")
    size = static_values.whole_int(size)
    if size is not None and size < 0:
        raise ShapeError(f"size ({size}) must be non-negative")
    return (size,)


@public("math.bincount", "bincount")
def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Tensor:
    """Count how often each number occurs.

    Args:
        arr: int32, not negative.
        weights: as many numbers as `arr` has: what each occurrence counts.
        minlength: the least number of counts to give.
        maxlength: the largest number of counts to give; numbers beyond are left out.
        dtype: the type of the counts, if there are no weights.

    >>> sess.run(tf.bincount([1, 1, 3]))
    array([0, 2, 0, 1], dtype=int32)
    """
    with name_scope("bincount"):
        arr = convert_to_tensor(arr, name="arr", dtype=dtypes.int32)
        is_nonempty = reductions.reduce_prod(array.shape(arr)) > 0
        size = cast.cast(is_nonempty, dtypes.int32) * (reductions.reduce_max(arr) + 1)
        if minlength is not None:
            minlength = convert_to_tensor(minlength, name="minlength", dtype=dtypes.int32)
            size = arithmetic.maximum(minlength, size)
        if maxlength is not None:
            maxlength = convert_to_tensor(maxlength, name="maxlength", dtype=dtypes.int32)
            size = arithmetic.minimum(maxlength, size)
        if weights is not None:
            weights = convert_to_tensor(weights, name="weights")
            return segment.unsorted_segment_sum(weights, arr, size)
        return bincount_op(arr, size, constant([], dtype))


@op("HistogramFixedWidth", static=("nbins",), differentiable=False)
def histogram_fixed_width_op(xp: Any, values: Any, value_range: Any, nbins: Any, *, dtype: Any) -> Any:
    """How many values fall into each of equal ranges; what is outside counts in the first or the last."""
    count = nbins.item()
    if count <= 0:
        raise kernel_error(f"nbins should be a positive number, but got '{count}'")
    low, high = value_range[0], value_range[1]
    require(
        xp,
        low < high,
        lambda: kernel_error(f"value_range should satisfy value_range[0] < value_range[1], but got '[{low}, {high}]'"),
    )
    step = (high - low).astype(np.float64) / count
    place = xp.floor((xp.reshape(values, (-1,)) - low).astype(np.float64) / step)
    bins = xp.clip(place, 0, count - 1).astype(np.int32)
    return segment.grouped(xp, "sum", xp.ones(bins.shape, dtype.np), bins, count, 0)


@histogram_fixed_width_op.shape
def histogram_fixed_width_shape(values: Any, value_range: Any, nbins: Any) -> Any:
    (ends,) = with_rank(value_range, 1)
    if ends not in (None, 2):
        raise ShapeError(f"Dimension must be 2 but is {ends}")
    if nbins is None:
        return (None,)
    if np.ndim(nbins):
        raise ShapeError(f"Shape must be rank 0 but is rank {np.ndim(nbins)}")
    if int(nbins) <= 0:
        raise ShapeError(f"Requires nbins > 0: {int(nbins)}")
    return (int(nbins),)


@public("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """Count the values in each of `nbins` equal parts of `value_range`; those outside count in the nearest part."""
    with name_scope(name, "histogram_fixed_width", [values, value_range, nbins]) as scope:
        return histogram_fixed_width_op(values, value_range, nbins, dtype=dtype, name=scope)


@public("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """The part of `value_range`, of `nbins` equal ones, that each value is in; the nearest for those outside."""
    with name_scope(name, "histogram_fixed_width_bins", [values, value_range, nbins]):
        values = convert_to_tensor(values, name="values")
        shape = array.shape(values)
        values = array.reshape(values, [-1])
        value_range = convert_to_tensor(value_range, name="value_range")
        nbins = convert_to_tensor(nbins, dtype=dtypes.int32, name="nbins")
        count = cast.cast(nbins, values.dtype)
        shifted = values - value_range[0]
        scaled = arithmetic.truediv(shifted, value_range[1] - value_range[0], name="scaled_values")
        indices = elementwise.floor(count * scaled, name="indices")
        indices = cast.cast(clip.clip_by_value(indices, 0, count - 1), dtypes.int32)
        return array.reshape(indices, shape)


@op("Bucketize", shape=unchanged_shape, differentiable=False)
def bucketize(xp: Any, input: Any, *, boundaries: Any) -> Any:
    """How many of the boundaries, in increasing order, are at or below each element."""
    if any(a > b for a, b in pairwise(boundaries)):
        raise kernel_error("Expected sorted boundaries")
    return xp.searchsorted(np.array(boundaries, np.float32), input, side="right").astype(np.int32)
