"""Sums and their kin over dimensions of ragged tensors, and over segments of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import reductions, segment
from evergraph.ops.arithmetic import maximum
from evergraph.ops.cast import cast
from evergraph.ops.checks import assert_equal
from evergraph.ops.elementwise import sqrt
from evergraph.ops.filling import ones_like, zeros
from evergraph.ops.gather import gather
from evergraph.ops.joining import concat
from evergraph.ops.ragged.mapping import map_flat_values
from evergraph.ops.ragged.ranges import range_of_rows
from evergraph.ops.ragged.splits import SPLITS_TYPES, positive_axis, row_splits_to_segment_ids
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, is_ragged, match_row_splits_dtypes
from evergraph.ops.sequences import cumsum
from evergraph.ops.shaping import shape
from evergraph.ops.static_values import get_static_value

Build = Callable[..., Any]


def segments(
    build: Build, data: Any, segment_ids: Any, num_segments: Any, separator: Any = None, name: str | None = None
) -> Any:
    """What `build`, an op on unsorted segments, gives for ragged `data`.

    The rows of a segment are combined element by element: the result has as many elements in a row as the longest.
    """
    if not (is_ragged(data) or is_ragged(segment_ids)):
        more = () if separator is None else (separator,)
        return build(data, segment_ids, num_segments, *more, name)
    with name_scope(name, "RaggedSegment", [data, segment_ids, num_segments]):
        data = as_tensor_or_ragged(data, name="data")
        segment_ids = as_tensor_or_ragged(segment_ids, name="segment_ids")
        match_row_splits_dtypes(data, segment_ids)
        if segment_ids.dtype not in SPLITS_TYPES:
            raise ValueError("segment_ids must have dtype int32 or int64.")
        if isinstance(segment_ids, RaggedTensor):
            if not isinstance(data, RaggedTensor):
                raise ValueError(
                    "segment_ids.shape must be a prefix of data.shape, but segment_ids is ragged and data is not."
                )
            message = "segment_ids.shape must be a prefix of data.shape"
            with control_dependencies([assert_equal(segment_ids.row_splits, data.row_splits, message=message)]):
                return segments(build, data.values, segment_ids.values, num_segments, separator)
        lengths = data.row_splits[1:] - data.row_splits[:-1]
        out_lengths = maximum(segment.unsorted_segment_max(lengths, segment_ids, num_segments), 0)
        splits = concat([zeros([1], out_lengths.dtype), cumsum(out_lengths)], axis=0)
        # Every value goes to its place in the row of its segment.
        starts = gather(splits, segment_ids)
        limits = starts + lengths
        places = range_of_rows(starts, limits).values
        values = segments(build, data.values, places, splits[-1], separator)
        return RaggedTensor.from_row_splits(values, splits, validate=False)


def _segment_function(build: Build, title: str) -> Build:
    def function(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
        return segments(build, data, segment_ids, num_segments, name=name or title)

    return function


segment_sum = _segment_function(segment.unsorted_segment_sum, "RaggedSegmentSum")
segment_prod = _segment_function(segment.unsorted_segment_prod, "RaggedSegmentProd")
segment_min = _segment_function(segment.unsorted_segment_min, "RaggedSegmentMin")
segment_max = _segment_function(segment.unsorted_segment_max, "RaggedSegmentMax")


def _segment_quotient(title: str, divisor: Callable[[Any], Any]) -> Build:
    def function(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
        with name_scope(name, title, [data, segment_ids, num_segments]):
            total = segment_sum(data, segment_ids, num_segments)
            ones = RaggedTensor.from_nested_row_splits(
                ones_like(data.flat_values), data.nested_row_splits, validate=False
            )
            count = segment_sum(ones, segment_ids, num_segments)
            if isinstance(total, RaggedTensor):
                return total.with_flat_values(total.flat_values / divisor(count.flat_values))
            return total / divisor(count)

    return function


segment_mean = _segment_quotient("RaggedSegmentMean", lambda count: count)
segment_sqrt_n = _segment_quotient("RaggedSegmentSqrtN", sqrt)


def reduced(
    reduce: Build, combine: Build, x: Any, axis: Any, keepdims: Any, separator: Any = None, name: str | None = None
) -> Any:
    """What `reduce` means for a ragged `x`; `combine` is the same as an op on unsorted segments.

    Raises:
        ValueError: with `keepdims`, or if `axis` is a tensor of unknown value.
    """
    more = {} if separator is None else {"separator": separator}
    if not is_ragged(x):
        return reduce(x, axis, name=name, **more)
    if keepdims:
        raise ValueError("keepdims=True is not supported for RaggedTensors.")
    if isinstance(axis, Tensor):
        axis = get_static_value(axis)
        if axis is None:
            raise ValueError("axis must be known at graph construction time.")
        if isinstance(axis, np.ndarray):
            axis = axis.tolist()
    if axis is None:
        return reduce(x.flat_values, None, name=name)
    with name_scope(name, "RaggedReduce", [x, axis]):
        if isinstance(axis, tuple | list):
            if not axis:
                return x
            if len(axis) > 1:
                axes = sorted(positive_axis(a, x.shape.ndims) for a in axis)
                inner = reduced(reduce, combine, x, axes[-1], keepdims, separator)
                return reduced(reduce, combine, inner, axes[:-1], keepdims, separator)
            axis = axis[0]
        x = as_tensor_or_ragged(x, name="rt_input")
        axis = positive_axis(axis, x.shape.ndims)
        if axis == 0:
            lengths = x.row_splits[1:] - x.row_splits[:-1]
            count = maximum(reductions.reduce_max(lengths), 0)
            return segments(combine, x.values, range_of_rows(lengths).values, count, separator)
        if axis == 1:
            count = shape(x.row_splits)[0] - 1
            return segments(combine, x.values, row_splits_to_segment_ids(x.row_splits), count, separator)
        return x.with_values(reduced(reduce, combine, x.values, axis - 1, keepdims, separator))


def _reduce_function(reduce: Build, combine: Build, title: str) -> Build:
    def function(input_tensor: Any, axis: Any = None, keepdims: Any = None, name: str | None = None) -> Any:
        return reduced(reduce, combine, input_tensor, axis, keepdims, name=name or title)

    return function


reduce_sum = _reduce_function(reductions.reduce_sum, segment.unsorted_segment_sum, "RaggedReduceSum")
reduce_prod = _reduce_function(reductions.reduce_prod, segment.unsorted_segment_prod, "RaggedReduceProd")
reduce_min = _reduce_function(reductions.reduce_min, segment.unsorted_segment_min, "RaggedReduceMin")
reduce_max = _reduce_function(reductions.reduce_max, segment.unsorted_segment_max, "RaggedReduceMax")


def reduce_mean(input_tensor: Any, axis: Any = None, keepdims: Any = None, name: str | None = None) -> Any:
    with name_scope(name, "RaggedReduceMean", [input_tensor, axis]):
        total = reduce_sum(input_tensor, axis, keepdims)
        ones: Any
        if is_ragged(input_tensor):
            ones = RaggedTensor.from_nested_row_splits(
                ones_like(input_tensor.flat_values), input_tensor.nested_row_splits, validate=False
            )
        else:
            ones = ones_like(input_tensor)
        count = reduce_sum(ones, axis, keepdims)
        if isinstance(total, RaggedTensor):
            mean = total.flat_values / count.flat_values
            return RaggedTensor.from_nested_row_splits(mean, total.nested_row_splits, validate=False)
        return total / count


def _of_bools(reduce: Build, title: str) -> Build:
    def function(input_tensor: Any, axis: Any = None, keepdims: Any = None, name: str | None = None) -> Any:
        with name_scope(name, title, [input_tensor, axis]):
            numbers = map_flat_values(cast, input_tensor, dtypes.int32)
            return map_flat_values(cast, reduce(numbers, axis, keepdims), dtypes.bool)

    return function


reduce_all = _of_bools(reduce_prod, "RaggedReduceAll")
reduce_any = _of_bools(reduce_sum, "RaggedReduceAny")

__all__ = [
    "reduce_all",
    "reduce_any",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "reduced",
    "segment_max",
    "segment_mean",
    "segment_min",
    "segment_prod",
    "segment_sqrt_n",
    "segment_sum",
    "segments",
]
