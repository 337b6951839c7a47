"""Rows and elements of ragged tensors, picked by their number."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.shapes import dimension_value
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import gather as dense
from evergraph.ops.cast import cast
from evergraph.ops.checks import assert_equal
from evergraph.ops.filling import ones
from evergraph.ops.joining import concat
from evergraph.ops.ragged.kernels import ragged_gather
from evergraph.ops.ragged.ranges import range_of_rows
from evergraph.ops.ragged.rearranging import expand_dims, tile
from evergraph.ops.ragged.splits import repeat
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, is_ragged, match_row_splits_dtypes
from evergraph.ops.shaping import expand_dims as dense_expand_dims
from evergraph.ops.shaping import rank, reshape, shape


def gather(
    params: Any, indices: Any, validate_indices: Any = None, axis: Any = 0, batch_dims: Any = 0, name: str | None = None
) -> Any:
    """The rows of `params` that `indices` name; either may be ragged.

    Raises:
        ValueError: for an `axis` or `batch_dims` other than 0, or indices of unknown rank.
    """
    if not isinstance(axis, int) or axis != 0:
        raise ValueError("axis != 0 is not supported for ragged gather yet.")
    if not isinstance(batch_dims, int) or batch_dims != 0:
        raise ValueError("batch_dims != 0 is not supported for ragged gather yet.")
    with name_scope(name, "RaggedGather", [params, indices]):
        params = as_tensor_or_ragged(params, name="params")
        indices = as_tensor_or_ragged(indices, name="indices")
        match_row_splits_dtypes(params, indices)
        if isinstance(indices, RaggedTensor):
            return indices.with_values(gather(params, indices.values))
        if not isinstance(params, RaggedTensor):
            return dense.gather(params, indices)
        indices = convert_to_tensor(indices)
        if indices.shape.ndims is None:
            raise ValueError("indices.shape.ndims must be known statically")
        splits = params.nested_row_splits
        found = ragged_gather(
            params_nested_splits=splits,
            params_dense_values=params.flat_values,
            indices=indices,
            OUTPUT_RAGGED_RANK=indices.shape.ndims + len(splits) - 1,
        )
        return RaggedTensor.from_nested_row_splits(
            found.output_dense_values, found.output_nested_splits, validate=False
        )


@ragged_gather.gradient
def ragged_gather_gradient(op: Any, *grads: Any) -> Any:
    *nested_splits, values, indices = op.inputs
    # The row splits of all partitions in one: where each outermost row starts among the flat values.
    splits = nested_splits[0]
    for inner in nested_splits[1:]:
        splits = dense.gather(inner, splits)
    flat = reshape(indices, [-1])
    where = range_of_rows(dense.gather(splits, flat), dense.gather(splits[1:], flat)).values
    return [None] * len(nested_splits) + [IndexedSlices(grads[-1], where, shape(values)), None]


def gather_nd(params: Any, indices: Any, batch_dims: Any = 0, name: str | None = None) -> Any:
    """The elements (or rows) of `params` whose coordinates are the rows of `indices`.

    Raises:
        ValueError: for `batch_dims` other than 0; if the rank of `indices` or its last dimension is unknown or ragged.
    """
    if not isinstance(batch_dims, int) or batch_dims != 0:
        raise ValueError("batch_dims != 0 is not supported for ragged gather yet.")
    if not (is_ragged(params) or is_ragged(indices)):
        return dense.gather_nd(params, indices, name)
    with name_scope(name, "RaggedGatherNd", [params, indices]):
        params = as_tensor_or_ragged(params, name="params")
        indices = as_tensor_or_ragged(indices, name="indices")
        match_row_splits_dtypes(params, indices)
        dimensions = indices.shape.ndims
        if dimensions is None:
            raise ValueError("indices.rank be statically known.")
        if dimensions == 0:
            raise ValueError("indices.rank must be at least 1.")
        if isinstance(indices, RaggedTensor) and dimensions == indices.ragged_rank + 1:
            raise ValueError("The innermost dimension of indices may not be ragged")
        size = dimension_value(indices.shape[-1])
        if size is None:
            raise ValueError("indices.shape[-1] must be statically known.")
        if dimensions > 2:
            return _gathered_by_matrix(params, indices, dimensions)
        if size == 0:
            return _whole_for_each(params, indices, dimensions)
        if size == 1:
            return gather(params, reshape(indices, [-1]))
        indices = cast(indices, params.row_splits.dtype)
        return _followed(params, indices, size)


def _gathered_by_matrix(params: Any, indices: Any, dimensions: int) -> Any:
    """Indices of more dimensions: the ragged tensor of what a matrix of them gives."""
    was_dense = not isinstance(indices, RaggedTensor)
    if was_dense:
        indices = RaggedTensor.from_tensor(
            indices, ragged_rank=dimensions - 2, row_splits_dtype=params.row_splits.dtype
        )
    result = indices.with_flat_values(gather_nd(params, indices.flat_values))
    is_uniform = was_dense and isinstance(result, RaggedTensor) and result.ragged_rank == dimensions - 2
    return result.to_tensor() if is_uniform else result


def _whole_for_each(params: Any, indices: Tensor, dimensions: int) -> Any:
    """Empty coordinates: all of `params`, once for each."""
    rank_of_params = params.ragged_rank + rank(params.flat_values)
    for _ in range(dimensions - 1):
        params = expand_dims(params, axis=0)
    multiples = concat([shape(indices)[:-1], ones([rank_of_params], dtypes.int32)], axis=0)
    return tile(params, multiples)


def _followed(params: Any, indices: Tensor, size: int) -> Any:
    """Coordinates followed one dimension after the other: `place` is where they are in `params`."""
    place = dense.gather(params.row_splits, indices[..., 0])
    place += indices[..., 1]
    params = params.values
    for axis in range(2, size):
        if not isinstance(params, RaggedTensor):
            coordinates = concat([dense_expand_dims(place, axis=1), indices[..., axis:]], axis=1)
            return dense.gather_nd(params, coordinates)
        place = dense.gather(params.row_starts(), place)
        place += indices[..., axis]
        params = params.values
    return gather(params, place)


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Any:
    """Of each row of `params`, the elements that the same row of `indices` names; either may be ragged.

    Raises:
        ValueError: if their shapes do not match, or the rank of `indices` is unknown or 0.
    """
    if not (is_ragged(params) or is_ragged(indices)):
        return dense.batch_gather(params, indices, name)
    with name_scope(name, "RaggedBatchGather", [params, indices]):
        params = as_tensor_or_ragged(params, name="params")
        indices = as_tensor_or_ragged(indices, name="indices")
        match_row_splits_dtypes(params, indices)
        dimensions = indices.shape.ndims
        if dimensions is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        if dimensions == 0:
            raise ValueError("indices.rank must be at least 1.")
        if isinstance(indices, RaggedTensor):
            return _batch_gather_ragged(params, indices, dimensions)
        if dimensions == 1:
            return gather(params, indices)
        if dimensions == 2:
            starts = dense_expand_dims(params.row_starts(), 1)
            return gather(params.values, cast(indices, starts.dtype) + starts)
        raise ValueError("batch shape from indices does not match params shape")


def _batch_gather_ragged(params: Any, indices: RaggedTensor, dimensions: int) -> RaggedTensor:
    mismatch = "batch shape from indices does not match params shape"
    splits = indices.row_splits
    if dimensions > 2:
        if not isinstance(params, RaggedTensor):
            raise ValueError(mismatch)
        with control_dependencies([assert_equal(params.row_splits, splits)]):
            return RaggedTensor.from_row_splits(batch_gather(params.values, indices.values), splits, validate=False)
    if not isinstance(params, RaggedTensor):
        if params.shape.ndims is not None and params.shape.ndims < 2:
            raise ValueError(mismatch)
        params = RaggedTensor.from_tensor(params, ragged_rank=1, row_splits_dtype=splits.dtype)
    counts = indices.row_lengths()
    starts = repeat(params.row_starts(), counts, axis=0)
    return RaggedTensor.from_row_splits(
        gather(params.values, cast(indices.values, starts.dtype) + starts), splits, validate=False
    )


__all__ = ["batch_gather", "gather", "gather_nd"]
