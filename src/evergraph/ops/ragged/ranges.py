"""tf.ragged.range."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.ops.cast import cast
from evergraph.ops.ragged.kernels import ragged_range
from evergraph.ops.ragged.tensor import RaggedTensor

_WIDER = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64)


@public("ragged.range", "compat.v2.ragged.range")
def range_of_rows(
    starts: Any,
    limits: Any = None,
    deltas: Any = 1,
    dtype: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> RaggedTensor:
    """A row of numbers `tf.range(starts[i], limits[i], deltas[i])` for every `i`.

    Args:
        starts: scalar or vector; with `limits` left out, these are the limits and the rows start at 0.
        limits: scalar or vector; a row is empty where it is on the wrong side of the start.
        deltas: scalar or vector.
        dtype: the type of the numbers; by default the widest of the arguments' types.
        name: the op's name.
        row_splits_dtype: int32 or int64.

    Raises:
        InvalidArgumentError: at run time, if a delta is 0 or the sizes differ.

    >>> sess.run(tf.ragged.range([3, 5, 2])).to_list()
    [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1]]
    """
    kind = dtypes.as_dtype(row_splits_dtype)
    if limits is None:
        starts, limits = 0, starts
    with name_scope(name, "RaggedRange", [starts, limits, deltas]) as scope:
        parts = [
            convert_to_tensor(value, dtype=dtype, name=part)
            for value, part in ((starts, "starts"), (limits, "limits"), (deltas, "deltas"))
        ]
        if dtype is None:
            widest = max((t.dtype for t in parts), key=_WIDER.index)
            parts = [cast(t, widest) for t in parts]
        made = ragged_range(*parts, Tsplits=kind, name=scope)
        return RaggedTensor.from_row_splits(made.rt_dense_values, made.rt_nested_splits, validate=False)


__all__ = ["range_of_rows"]
