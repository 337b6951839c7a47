"""Where values belong in sorted rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op
from evergraph.ops.shaping import reshape, shape_internal


def _rows(xp: Any, sorted_inputs: Any, values: Any, side: Any, out_type: Any) -> Any:
    if xp is np:
        pairs = zip(sorted_inputs, values, strict=True)
        return np.array([np.searchsorted(row, v, side) for row, v in pairs], out_type.np).reshape(values.shape)
    import jax

    return jax.vmap(lambda row, v: xp.searchsorted(row, v, side=side))(sorted_inputs, values).astype(out_type.np)


@op("LowerBound", differentiable=False)
def lower_bound(xp: Any, sorted_inputs: Any, values: Any, *, out_type: Any) -> Any:
    """For each value the first place in its sorted row at which it can stand."""
    return _rows(xp, sorted_inputs, values, "left", out_type)


@op("UpperBound", differentiable=False)
def upper_bound(xp: Any, sorted_inputs: Any, values: Any, *, out_type: Any) -> Any:
    """For each value the last place in its sorted row at which it can stand."""
    return _rows(xp, sorted_inputs, values, "right", out_type)


def _bound_shape(sorted_inputs: Any, values: Any) -> Any:
    merge_dim(with_rank(sorted_inputs, 2)[0], with_rank(values, 2)[0])
    return values


lower_bound.shape(_bound_shape)
upper_bound.shape(_bound_shape)


@public("searchsorted")
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """The places at which values would go into sorted rows.

    Args:
        sorted_sequence: shape `[..., n]`, sorted along the last dimension.
        values: the same dtype, shape `[..., m]`.
        side: "left" (before equal elements) or "right" (after them).
        out_type: int32 or int64.
        name: the op's name.

    Returns:
        `out_type`, the shape of `values`.

    >>> sess.run(tf.searchsorted([1, 3, 5], [3, 4]))
    array([1, 2], dtype=int32)
    """
    n: Any = shape_internal(sorted_sequence)[-1]
    m: Any = shape_internal(values)[-1]
    rows = reshape(sorted_sequence, [-1, n])
    wanted = reshape(values, [-1, m])
    if side not in ("left", "right"):
        raise ValueError(f"side must be either 'right' or 'left'.  Saw: {side}.")
    found = (lower_bound if side == "left" else upper_bound)(rows, wanted, out_type, name)
    return reshape(found, shape_internal(values))


__all__ = ["searchsorted"]
