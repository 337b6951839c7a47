"""How `IndexedSlices` become dense tensors, and how several of them become one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes, sparse
from evergraph.framework.convert import register_tensor_conversion_function
from evergraph.framework.shapes import Shape
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import constant_value, partial_value, raw_op

LARGE = 100_000_000  # elements; a dense tensor of so many is worth a warning


def shape_from(tensor: Tensor) -> Shape:
    """The static shape that `tensor`, an int vector, holds; -1 in it is a size not known."""
    known = partial_value(tensor)
    if known is None:
        length = (tensor.static_shape or (None,))[0]
        return None if length is None else (None,) * length
    return tuple(None if size is None or size == -1 else int(size) for size in known)


sparse.shape_held[:] = [shape_from]


def dense(value: IndexedSlices, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    """The dense tensor that `value` has rows of; the other rows are zero.

    Raises:
        ValueError: if `value` does not say how large the whole is, or is not of `dtype`.
    """
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise ValueError(
            f"Tensor conversion requested dtype {dtype.name} for IndexedSlices with dtype {value.dtype.name}"
        )
    if value.dense_shape is None:
        raise ValueError(f"Tensor conversion requested for IndexedSlices without dense_shape: {value}")
    sizes = constant_value(value.dense_shape)
    if sizes is None:
        warnings.warn(
            "Converting sparse IndexedSlices to a dense Tensor of unknown shape. "
            "This may consume a large amount of memory."
        )
    elif np.prod(sizes, dtype=np.int64) >= LARGE:
        warnings.warn(
            f"Converting sparse IndexedSlices to a dense Tensor with {np.prod(sizes, dtype=np.int64)} elements. "
            "This may consume a large amount of memory."
        )
    rows = value.dense_shape[0]
    return raw_op("UnsortedSegmentSum")(value.values, value.indices, rows, name=name)


register_tensor_conversion_function(IndexedSlices, dense)


def concatenated(slices: Sequence[IndexedSlices]) -> IndexedSlices:
    """The sum of several `IndexedSlices`: their rows one after the other."""
    if len({s.indices.dtype for s in slices}) > 1:
        slices = [_with_int64_indices(s) for s in slices]
    flat = [_flattened(s) for s in slices]
    concat = raw_op("ConcatV2")
    values = concat([s.values for s in flat], 0, name="concat")
    indices = concat([s.indices for s in flat], 0, name="concat")
    return IndexedSlices(values, indices, flat[0].dense_shape)


def _with_int64_indices(s: IndexedSlices) -> IndexedSlices:
    if s.indices.dtype is not dtypes.int32:
        return s
    return IndexedSlices(s.values, raw_op("Cast")(s.indices, dtypes.int64, name="Cast"), s.dense_shape)


def _flattened(s: IndexedSlices) -> IndexedSlices:
    """Rows of rows as rows: the gradient of a gather of a gather."""
    if not isinstance(s.values, IndexedSlices):
        return s
    inner = _flattened(s.values)
    return IndexedSlices(inner.values, raw_op("GatherV2")(s.indices, inner.indices, 0), inner.dense_shape)
