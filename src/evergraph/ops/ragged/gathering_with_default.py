"""`batch_gather` with a default for indices that are out of range."""

from __future__ import annotations

from typing import Any

from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.checks import assert_greater_equal
from evergraph.ops.constant import constant
from evergraph.ops.filling import ones_like, zeros_like
from evergraph.ops.gather import batch_gather
from evergraph.ops.joining import concat
from evergraph.ops.ragged.dynamic_shape import RaggedTensorDynamicShape, broadcast_to
from evergraph.ops.ragged.rearranging import expand_dims
from evergraph.ops.ragged.selecting import where
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, splits_type_of
from evergraph.ops.shaping import broadcast_to as dense_broadcast_to
from evergraph.ops.shaping import rank, shape


def batch_gather_with_default(params: Any, indices: Any, default_value: Any = "", name: str | None = None) -> Any:
    """Of each row of `params`, the elements that the same row of `indices` names; `default_value` where there is none.

    Raises:
        ValueError: if the rank of `params` or `indices` is unknown, or `default_value` is no scalar or vector.
    """
    with name_scope(name, "RaggedBatchGatherWithDefault"):
        params = as_tensor_or_ragged(params, name="params")
        indices = as_tensor_or_ragged(indices, name="indices")
        default_value = as_tensor_or_ragged(default_value, name="default_value")
        kind = splits_type_of(params, indices, default_value)
        if default_value.shape.ndims not in (0, 1):
            raise ValueError('"default_value" must be a scalar or vector')
        if indices.shape.ndims is None:
            raise ValueError("Indices must have a known rank.")
        if params.shape.ndims is None:
            raise ValueError("Params must have a known rank.")
        batch = indices.shape.ndims - 1
        with control_dependencies([assert_greater_equal(rank(params), rank(indices))]):
            # The default is put before each row, and the indices are moved by one.
            if isinstance(params, RaggedTensor):
                lengths = expand_dims(params.row_lengths(axis=batch), axis=-1)
                bounds = cast(lengths, indices.dtype)
                pad = broadcast_to(default_value, _pad_shape(params, indices, kind))
            else:
                sizes = shape(params)
                pad_sizes = concat([sizes[:batch], [1], sizes[batch + 1 : params.shape.ndims]], 0)
                bounds = sizes[batch]
                pad = dense_broadcast_to(default_value, pad_sizes)
            padded = concat([cast(pad, params.dtype), params], axis=batch)
            moved = indices + 1
            is_out = (indices < 0) | (indices > bounds)
            adjusted = where(is_out, x=zeros_like(indices), y=moved)
            return batch_gather(params=padded, indices=adjusted, name=name)


def _pad_shape(params: RaggedTensor, indices: Any, kind: Any) -> RaggedTensorDynamicShape:
    """The shape of one more element in front of each row."""
    batch = indices.shape.ndims - 1
    own = RaggedTensorDynamicShape.from_tensor(params, dim_size_dtype=kind)
    sizes = own.partitioned_dim_sizes
    if params.shape.ndims == indices.shape.ndims:
        if own.num_inner_dimensions == 0:
            return RaggedTensorDynamicShape((*sizes[:-1], ones_like(sizes[-1])), [])
        return RaggedTensorDynamicShape(sizes, concat([own.inner_dim_sizes[:-1], [1]], axis=0))
    count = own.num_partitioned_dimensions - batch
    outer: tuple[Tensor, ...]
    if batch == 0:
        outer = (constant(1, dtype=kind), *[constant([1], dtype=kind)] * (count - 1))
    else:
        outer = (*sizes[:batch], *[ones_like(sizes[batch])] * count)
    return RaggedTensorDynamicShape(outer, own.inner_dim_sizes)


__all__ = ["batch_gather_with_default"]
