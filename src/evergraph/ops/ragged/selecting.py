"""Elements and rows of ragged tensors, chosen by conditions."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import selecting as dense
from evergraph.ops.cast import cast
from evergraph.ops.gather import gather as dense_gather
from evergraph.ops.joining import concat as dense_concat
from evergraph.ops.ragged.concatenating import concat
from evergraph.ops.ragged.gathering import gather
from evergraph.ops.ragged.mapping import map_flat_values
from evergraph.ops.ragged.reducing import reduce_sum
from evergraph.ops.ragged.splits import lengths_to_splits, row_splits_to_segment_ids, splits_match
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, match_row_splits_dtypes, splits_type_of
from evergraph.ops.reductions import count_nonzero
from evergraph.ops.sequences import cumprod, range_
from evergraph.ops.shaping import expand_dims, reshape, shape


@public("ragged.boolean_mask", "compat.v2.ragged.boolean_mask")
def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """The elements (or rows) of `data` at which `mask` is true; what was a row stays one.

    Args:
        data: a tensor or a ragged tensor.
        mask: bool, of known rank; its shape is the beginning of that of `data`.
        name: the ops' scope.

    Returns:
        A ragged tensor with the rank of `data`; a tensor, if `data` is one and `mask` is a vector.

    Raises:
        ValueError: if the rank of `mask` is unknown or 0.
        InvalidArgumentError: at run time, if the rows of `data` and `mask` differ.

    >>> masked = tf.ragged.boolean_mask([[1, 2, 3], [4, 5, 6]], [[True, False, True], [False, False, True]])
    >>> sess.run(masked).to_list()
    [[1, 3], [6]]
    """
    with name_scope(name, "RaggedMask", [data, mask]):
        data = as_tensor_or_ragged(data, name="data")
        mask = as_tensor_or_ragged(mask, dtypes.bool, name="mask")
        kind = splits_type_of(data, mask)
        rank = mask.shape.ndims
        if rank is None:
            raise ValueError("mask.shape.ndims must be known statically.")
        if rank == 0:
            raise ValueError("mask cannot be scalar.")
        if isinstance(mask, RaggedTensor):
            return _masked_by_ragged(data, mask, kind)
        if isinstance(data, RaggedTensor):
            if rank == 1:
                return _rows_masked(data, mask)
            levels = min(data.ragged_rank, rank - 1)
            mask = RaggedTensor.from_tensor(mask, ragged_rank=levels, row_splits_dtype=data.row_splits.dtype)
            return boolean_mask(data, mask)
        return _dense_masked(data, mask, rank, kind)


def _masked_by_ragged(data: Any, mask: RaggedTensor, kind: Any) -> RaggedTensor:
    levels = mask.ragged_rank
    if not isinstance(data, RaggedTensor):
        data = RaggedTensor.from_tensor(data, ragged_rank=levels, row_splits_dtype=mask.row_splits.dtype)
    with control_dependencies(splits_match([mask.nested_row_splits, data.nested_row_splits[:levels]])):
        splits = []
        inner: Any = mask
        while isinstance(inner, RaggedTensor):
            if inner.shape.ndims is not None and inner.shape.ndims > 2:
                splits.append(inner.row_splits)
            else:
                lengths = reduce_sum(map_flat_values(cast, inner, dtype=kind), axis=1)
                splits.append(lengths_to_splits(lengths))
            inner, data = inner.values, data.values
        return RaggedTensor.from_nested_row_splits(boolean_mask(data, inner), splits, validate=False)


def _rows_masked(data: RaggedTensor, mask: Tensor) -> RaggedTensor:
    splits = lengths_to_splits(dense.boolean_mask(data.row_lengths(), mask))
    of_values = dense_gather(mask, row_splits_to_segment_ids(data.row_splits))
    return RaggedTensor.from_row_splits(boolean_mask(data.values, of_values), splits, validate=False)


def _dense_masked(data: Tensor, mask: Tensor, rank: int, kind: Any) -> Any:
    kept: Any = dense.boolean_mask(data, mask)
    if rank >= 2:
        lengths = count_nonzero(mask, axis=-1, dtype=kind)
        kept = RaggedTensor.from_row_lengths(kept, reshape(lengths, [-1]), validate=False)
        if rank > 2:
            sizes = shape(mask, out_type=kind)
            counts = cumprod(sizes) + 1
            for axis in range(rank - 3, -1, -1):
                each = sizes[axis + 1]
                kept = RaggedTensor.from_row_splits(kept, range_(counts[axis]) * each, validate=False)
    return kept


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """`tf.where` with ragged tensors: the coordinates of what is true, or elements or rows of `x` and `y`.

    Raises:
        ValueError: if only one of `x` and `y` is given, or some but not all are ragged.
    """
    if (x is None) != (y is None):
        raise ValueError("x and y must be either both None or both non-None")
    with name_scope("RaggedWhere", name, [condition, x, y]):
        condition = as_tensor_or_ragged(condition, name="condition")
        if x is None:
            return _coordinates(condition)
        x = as_tensor_or_ragged(x, name="x")
        y = as_tensor_or_ragged(y, name="y")
        match_row_splits_dtypes(condition, x, y)
        ragged = [isinstance(part, RaggedTensor) for part in (condition, x, y)]
        if not any(ragged):
            return dense.where(condition, x, y)
        if all(ragged):
            return map_flat_values(dense.where, condition, x, y)
        if ragged[0]:
            raise ValueError("Input shapes do not match.")
        condition.shape.assert_has_rank(1)
        both = concat([x, y], axis=0)
        kind = both.row_splits.dtype
        rows, more_rows = _row_count(x, kind), _row_count(y, kind)
        return gather(both, dense.where(condition, range_(rows), rows + range_(more_rows)))


def _coordinates(condition: Any) -> Tensor:
    if not isinstance(condition, RaggedTensor):
        return dense.where(condition)
    inner = _coordinates(condition.values)
    condition = condition.with_row_splits_dtype(inner.dtype)
    first = inner[:, 0]
    rows = dense_gather(condition.value_rowids(), first)
    starts = dense_gather(condition.row_splits, rows)
    columns = first - starts
    return dense_concat([expand_dims(rows, 1), expand_dims(columns, 1), inner[:, 1:]], axis=1)


def _row_count(x: Any, kind: Any) -> Tensor:
    return x.nrows(out_type=kind) if isinstance(x, RaggedTensor) else shape(x, out_type=kind)[0]


__all__ = ["boolean_mask", "where"]
