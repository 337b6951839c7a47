"""Ragged tensors from and to tensors, dense and sparse ones."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape, dimension_value
from evergraph.framework.sparse import SparseTensor, convert_to_tensor_or_sparse_tensor, is_sparse
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import maximum, minimum
from evergraph.ops.cast import cast
from evergraph.ops.checks import Assert
from evergraph.ops.comparisons import equal, logical_and, logical_not, not_equal
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.filling import fill, ones, zeros
from evergraph.ops.gather import gather, sequence_mask
from evergraph.ops.joining import concat, stack
from evergraph.ops.ragged.kernels import ragged_to_sparse
from evergraph.ops.ragged.splits import as_integers
from evergraph.ops.ragged.value import RaggedTensorValue
from evergraph.ops.reductions import reduce_all, reduce_any, reduce_max, reduce_sum
from evergraph.ops.selecting import boolean_mask, where
from evergraph.ops.sequences import cumprod, cumsum, range_
from evergraph.ops.shaping import broadcast_to, expand_dims, rank, reshape, shape


def from_tensor(
    cls: Any, tensor: Any, lengths: Any, padding: Any, ragged_rank: Any, name: str | None, row_splits_dtype: Any
) -> Any:
    kind = dtypes.as_dtype(row_splits_dtype)
    if lengths is not None and padding is not None:
        raise ValueError("Specify lengths or padding, but not both")
    if not isinstance(ragged_rank, int):
        raise TypeError(f"ragged_rank expected int, got {ragged_rank!r}")
    if ragged_rank <= 0:
        raise ValueError(f"ragged_rank must be greater than 0; got {ragged_rank}")
    with name_scope(name, "RaggedFromTensor", [tensor, lengths, padding]):
        tensor = convert_to_tensor(tensor, name="tensor")
        tensor.shape.with_rank_at_least(ragged_rank + 1)
        sizes = shape(tensor, out_type=kind)
        columns = sizes[1]
        if ragged_rank > 1:
            inner_shape = concat([constant([-1], kind), sizes[ragged_rank:]], axis=0)
            inner = cls.from_tensor(reshape(tensor, inner_shape), lengths, padding, row_splits_dtype=kind)
            counts = cumprod(sizes)
            splits = [range_(0, counts[d - 1] + 1) * sizes[d] for d in range(1, ragged_rank)]
            return cls.from_nested_row_splits(inner, splits, validate=False)
        if padding is not None:
            padding = convert_to_tensor(padding, name="padding", dtype=tensor.dtype)
            padding.shape.assert_is_compatible_with(tensor.shape[2:])
            lengths = _lengths_without(padding, tensor, columns, kind)
        if lengths is None:
            rows = sizes[0]
            count = rows * columns
            row_splits = range_(rows + 1) * columns
            values = reshape(tensor, concat([[count], sizes[2:]], axis=0))
            return cls.from_row_splits(values, row_splits, validate=False)
        if isinstance(lengths, list | tuple) and lengths and not isinstance(lengths[0], int | float):
            # One list of lengths for each partition.
            tensor.shape.with_rank_at_least(len(lengths) + 1)
            all_kept = ones([reduce_sum(lengths[-1])], dtype=dtypes.bool)
            kept = cls.from_nested_row_lengths(all_kept, lengths, validate=False).to_tensor(default_value=False)
            return cls.from_nested_row_lengths(boolean_mask(tensor, kept), lengths, validate=False)
        lengths = as_integers(lengths, "lengths", kind)
        lengths.shape.assert_has_rank(1)
        lengths = maximum(minimum(lengths, columns), 0)
        limits = cumsum(lengths)
        row_splits = concat([zeros([1], kind), limits], axis=0)
        values = boolean_mask(tensor, sequence_mask(lengths, maxlen=columns))
        return cls.from_row_splits(values, row_splits, validate=False)


def _lengths_without(padding: Tensor, tensor: Tensor, columns: Tensor, kind: Any) -> Tensor:
    """How long each row is without the padding at its end."""
    is_padding = equal(padding, tensor)
    dimensions = rank(tensor)
    inner = range_(2, dimensions)
    whole = cond(dimensions > 2, lambda: reduce_all(is_padding, axis=inner), lambda: is_padding)
    whole.set_shape(TensorShape([None, None]))
    whole.set_shape(tensor.shape[:2])
    is_value = cast(logical_not(whole), kind)
    return reduce_max(is_value * expand_dims(range_(1, columns + 1), 0), axis=1)


def to_tensor(rt: Any, default_value: Any, name: str | None) -> Tensor:
    with name_scope(name, "RaggedToTensor", [rt, default_value]):
        if default_value is not None:
            default_value = convert_to_tensor(default_value, name="default_value", dtype=rt.dtype)
        values = rt.values
        if not isinstance(values, Tensor):
            values = values.to_tensor(default_value)
        if default_value is not None:
            dimensions = values.shape.ndims
            if dimensions is not None:
                default_value.shape.with_rank_at_most(dimensions - 1)
            if dimensions is None or default_value.shape.ndims is None or dimensions != default_value.shape.ndims + 1:
                default_value = broadcast_to(default_value, shape(values)[1:])
            default_value.shape.assert_is_compatible_with(values.shape[1:])
        splits = rt.row_splits
        lengths = [splits[1:] - splits[:-1]]
        rows = shape(splits, out_type=splits.dtype)[0] - 1
        columns = maximum(reduce_max(lengths), 0)
        sizes = shape(values, out_type=splits.dtype)
        inner, count = sizes[1:], sizes[0]
        if default_value is None:
            default_value = zeros(inner, dtype=values.dtype)
        default_value.shape.assert_is_compatible_with(values.shape[1:])
        default_value.set_shape(values.shape[1:])
        # The default is put behind the values, and gathered wherever a row is too short.
        starts, limits = expand_dims(splits[:-1], 1), expand_dims(splits[1:], 1)
        column = expand_dims(range_(0, columns), 0)
        choices = concat([values, stack([default_value])], axis=0)
        position = starts + column
        is_there = position < limits
        default_position = fill(stack([rows, columns]), count)
        return gather(choices, where(is_there, position, default_position))


def from_sparse(cls: Any, st_input: Any, name: str | None, row_splits_dtype: Any) -> Any:
    kind = dtypes.as_dtype(row_splits_dtype)
    if not is_sparse(st_input):
        raise TypeError(f"Expected SparseTensor, got {type(st_input).__name__}")
    with name_scope(name, "RaggedFromSparse", [st_input]):
        st = convert_to_tensor_or_sparse_tensor(st_input, name="st_input")
        ranks = {
            None if st.dense_shape.shape.ndims is None else dimension_value(st.dense_shape.shape[0]),
            None if st.indices.shape.ndims is None else dimension_value(st.indices.shape[1]),
        }
        if 2 not in ranks:
            raise ValueError("rank(st_input) must be 2")
        with control_dependencies([_rows_have_no_holes(st.indices)]):
            rows = cast(st.indices[:, 0], kind)
            count = cast(st.dense_shape[0], kind)
            return cls.from_value_rowids(st.values, rows, count, validate=False)


def _rows_have_no_holes(indices: Tensor) -> Any:
    prefix, suffix = indices[:, :-1], indices[:, -1]
    is_new_row = reduce_any(not_equal(prefix[1:], prefix[:-1]), axis=1)
    follows = where(is_new_row, equal(suffix[1:], 0), equal(suffix[1:], suffix[:-1] + 1))
    holds = logical_and(reduce_all(equal(suffix[:1], 0)), reduce_all(follows))
    return Assert(holds, ["SparseTensor is not right-ragged", "SparseTensor.indices =", indices])


def to_sparse(rt: Any, name: str | None) -> SparseTensor:
    with name_scope(name, "RaggedToSparse", [rt]):
        parts = ragged_to_sparse(rt.nested_row_splits, rt.flat_values, name=name)
        return SparseTensor(parts.sparse_indices, parts.sparse_values, parts.sparse_dense_shape)


# As functions, which take what is not ragged too.


def ragged_from_tensor(
    tensor: Any,
    lengths: Any = None,
    padding: Any = None,
    ragged_rank: int = 1,
    row_splits_dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Any:
    """`RaggedTensor.from_tensor`; what is ragged stays as it is."""
    from evergraph.ops.ragged.tensor import RaggedTensor

    if isinstance(tensor, RaggedTensor | RaggedTensorValue):
        return tensor
    return RaggedTensor.from_tensor(tensor, lengths, padding, ragged_rank, name, row_splits_dtype)


def ragged_to_tensor(rt_input: Any, default_value: Any = None, name: str | None = None) -> Any:
    """`RaggedTensor.to_tensor`; what is not ragged stays as it is."""
    is_ragged = hasattr(rt_input, "nested_row_splits")
    return rt_input.to_tensor(default_value, name) if is_ragged else rt_input


def ragged_from_sparse(st_input: Any, name: str | None = None) -> Any:
    """`RaggedTensor.from_sparse`."""
    from evergraph.ops.ragged.tensor import RaggedTensor

    return RaggedTensor.from_sparse(st_input, name)


def ragged_to_sparse_tensor(rt_input: Any, name: str | None = None) -> SparseTensor:
    """`RaggedTensor.to_sparse`."""
    return rt_input.to_sparse(name)


__all__ = [
    "from_sparse",
    "from_tensor",
    "ragged_from_sparse",
    "ragged_from_tensor",
    "ragged_to_sparse_tensor",
    "ragged_to_tensor",
    "to_sparse",
    "to_tensor",
]
