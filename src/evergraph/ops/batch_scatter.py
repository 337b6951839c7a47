"""Overwriting rows of a variable batch by batch: `ref[i, j, indices[i, j, k]] = updates[i, j, k]`."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.ops.cast import cast_op
from evergraph.ops.filling import ones_like
from evergraph.ops.joining import concat
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import expand_dims, reshape
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.state import scatter_nd_update


@public("batch_scatter_update")
def batch_scatter_update(
    ref: Any, indices: Any, updates: Any, use_locking: bool = True, name: str | None = None
) -> Any:
    """Overwrite rows of a variable, where all dimensions of `indices` but the last are batch dimensions.

    Args:
        ref: a variable, shape `b + [n] + rest`.
        indices: int32 or int64, shape `b + [k]`: along the last dimension, which rows of the batch element.
        updates: the variable's type, shape `b + [k] + rest`.
        use_locking: kept for TF's signature.
        name: the scope of the ops.

    Raises:
        ValueError: if the rank of `indices` is unknown.
    """
    with name_scope(name):
        indices = convert_to_tensor(indices, name="indices")
        sizes: Any = shape_of(indices)
        rank = indices.get_shape().ndims
        if rank is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        rows = expand_dims(indices, axis=-1)
        parts = []
        for axis in range(rank - 1):
            size = sizes[axis]
            spread: list[Any] = [1] * (rank + 1)
            spread[axis] = size
            numbers: Any = reshape(raw_op("Range")(0, size, 1), spread)
            if numbers.dtype.base_dtype is not rows.dtype:
                numbers = cast_op(numbers, rows.dtype)
            parts.append(numbers * ones_like(rows))
        return scatter_nd_update(ref, concat([*parts, rows], axis=-1), updates, use_locking=use_locking)
