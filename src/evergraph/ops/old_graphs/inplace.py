"""Rows of a tensor replaced or added to: TF's `inplace_ops`, the forerunners of `tensor_scatter_nd_update`.

TensorFlow writes into the buffer of `x`, which others that read `x` may or may not see. Here `x` stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import bracket_text
from evergraph.framework.tensor import Tensor
from evergraph.ops import shaping
from evergraph.ops.cast import cast
from evergraph.ops.filling import empty
from evergraph.ops.identity import deep_copy
from evergraph.ops.opdef import Op, kernel_error, op, unchanged_shape


def _rows_changed(name: str, change: str, doc: str) -> Op:
    def kernel(xp: Any, x: Any, i: Any, v: Any) -> Any:
        if i.ndim != 1:
            raise kernel_error(f"i must be a vector. {bracket_text(tuple(i.shape))}")
        both = f"{bracket_text(tuple(x.shape))} vs. {bracket_text(tuple(v.shape))}"
        if x.ndim != v.ndim:
            raise kernel_error(f"x and v shape doesn't match (ranks differ): {both}")
        if x.shape[1:] != v.shape[1:]:
            raise kernel_error(f"x and v shape doesn't match at index 1 : {both}")
        if len(i) != v.shape[0]:
            raise kernel_error(
                f"i and x shape doesn't match at index 0: {bracket_text(tuple(i.shape))} vs. "
                f"{bracket_text(tuple(v.shape))}"
            )
        if not x.shape[0]:
            return x
        rows = i % x.shape[0]
        if xp is not np:
            return getattr(x.at[rows], "set" if change == "update" else "add")(-v if change == "sub" else v)
        made = np.array(x)
        if change == "update":
            made[rows] = v
        else:
            (np.add if change == "add" else np.subtract).at(made, rows, v)
        return made

    kernel.__name__, kernel.__doc__ = f"inplace_{change}", doc
    return op(name, differentiable=False, shape=unchanged_shape)(kernel)


inplace_update_op = _rows_changed("InplaceUpdate", "update", "`x` with the rows `v` at `i`.")
inplace_add_op = _rows_changed("InplaceAdd", "add", "`x` with the rows `v` added to those at `i`.")
inplace_sub_op = _rows_changed("InplaceSub", "sub", "`x` with the rows `v` taken from those at `i`.")


def empty_like(x: Any, init: Any = None) -> Tensor:
    """A tensor of the shape and type of `x`; its values mean nothing unless `init` asks for zeros."""
    x = convert_to_tensor(x)
    return empty(shaping.shape(x), x.dtype, init=bool(init))


def _apply(x: Any, i: Any, v: Any, change: Callable[..., Any]) -> Tensor:
    x = convert_to_tensor(x)
    v = convert_to_tensor(v, x.dtype)
    if i is None:
        changed = change(shaping.reshape(x, [1, -1]), [0], shaping.reshape(v, [1, -1]))
        return shaping.reshape(changed, shaping.shape(x))
    i = cast(i, dtypes.int32)
    if i.shape.ndims == 0:
        return change(x, shaping.reshape(i, [1]), shaping.expand_dims(v, 0))
    return change(x, i, v)


def alias_inplace_update(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with `v` in the place of row `i`, of the rows `i`, or (None) of all of it."""
    return _apply(x, i, v, inplace_update_op)


def alias_inplace_add(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with `v` added to row `i`, to the rows `i`, or (None) to all of it."""
    return _apply(x, i, v, inplace_add_op)


def alias_inplace_sub(x: Any, i: Any, v: Any) -> Tensor:
    """`x` with `v` taken from row `i`, from the rows `i`, or (None) from all of it."""
    return _apply(x, i, v, inplace_sub_op)


def inplace_update(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with `v` in the place of row `i`, of the rows `i`, or (None) of all of it."""
    return alias_inplace_update(deep_copy(x), i, v)


def inplace_add(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with `v` added to row `i`, to the rows `i`, or (None) to all of it."""
    return alias_inplace_add(deep_copy(x), i, v)


def inplace_sub(x: Any, i: Any, v: Any) -> Tensor:
    """A copy of `x` with `v` taken from row `i`, from the rows `i`, or (None) from all of it."""
    return alias_inplace_sub(deep_copy(x), i, v)
