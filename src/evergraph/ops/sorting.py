"""The largest elements, sorting, order statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, comparisons, reductions, sequences, static_values
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, raw_op


def _top(xp: Any, x: Any, k: int) -> tuple[Any, Any]:
    if x.ndim < 1:
        raise kernel_error("input must be >= 1-D, got shape []")
    if k < 0:
        raise kernel_error(f"Need k >= 0, got {k}")
    if k > x.shape[-1]:
        raise kernel_error(f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")
    if xp is np:
        # The stable order of the reversed row, reversed: of equal elements, the first comes first.
        ascending = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
        indices = (x.shape[-1] - 1 - ascending[..., :k]).astype(np.int32)
        return np.take_along_axis(x, indices, -1), indices
    from jax import lax

    values, indices = lax.top_k(x, k)
    return values, indices.astype(np.int32)


def _top_shape(input: Shape, k: int | None) -> tuple[Shape, Shape]:
    if input is None:
        return None, None
    with_rank_at_least(input, 1)
    if k is not None and input[-1] is not None and input[-1] < k:
        raise ShapeError(f"input must have last dimension >= k = {k} but is {input[-1]}")
    shape = (*input[:-1], k)
    return shape, shape


@op("TopK")
def top_k_v1_op(xp: Any, input: Any, *, k: int) -> Any:
    """The `k` largest elements of each row, largest first, and where they are."""
    return _top(xp, input, k)


@top_k_v1_op.shape
def top_k_v1_shape(input: Any, *, k: int) -> Any:
    return _top_shape(input, k)


@op("TopKV2", static=("k",))
def top_k_op(xp: Any, input: Any, k: Any) -> Any:
    """The `k` largest elements of each row, largest first, and where they are."""
    return _top(xp, input, k.item())


@top_k_op.shape
def top_k_shape(input: Any, k: Any) -> Any:
    return _top_shape(input, None if k is None else int(k))


@public("math.top_k", "nn.top_k")
def top_k(input: Any, k: Any = 1, sorted: bool = True, name: str | None = None) -> Any:
    """Find the `k` largest elements along the last axis.

    Args:
        input: numbers, shape `[..., n]`.
        k: int, or a scalar int32 tensor; at most `n`.
        sorted: whether they have to come largest first; here they always do.
        name: the op's name.

    Returns:
        `(values, indices)`, both of shape `[..., k]`; indices are int32. Of equal elements, the first comes first.

    >>> sess.run(tf.nn.top_k([3, 9, 4], k=2)).values
    array([9, 4], dtype=int32)
    """
    return top_k_op(input, k=k, sorted=sorted, name=name)


def _top_k_grad(made: Operation, grad: Tensor, _: Any) -> list[Tensor]:
    in_shape = array.shape(made.inputs[0])
    index_shape = array.shape(made.outputs[1])
    wide_shape = cast.cast(index_shape, dtypes.int64)
    columns = array.gather(wide_shape, array.size(index_shape) - 1)
    indices = array.reshape(made.outputs[1], array.stack([-1, columns]))
    wide_in_shape = cast.cast(in_shape, dtypes.int64)
    row_size = array.gather(wide_in_shape, array.size(in_shape) - 1)
    rows = array.shape(indices)[0]
    row_starts = sequences.range_(0, cast.cast(rows, dtypes.int64) * row_size, row_size)
    flat = array.reshape(indices + cast.cast(array.expand_dims(row_starts, -1), dtypes.int32), [-1])
    place = array.expand_dims(flat, -1)
    values = array.reshape(grad, [-1])
    scattered = raw_op("ScatterNd")(place, values, [reductions.reduce_prod(in_shape)])
    result = array.reshape(scattered, in_shape)
    if made.type == "TopK":
        return [result]
    return [result, array.zeros([], dtype=dtypes.int32)]


top_k_op.gradient(_top_k_grad)
top_k_v1_op.gradient(_top_k_grad)


@op("NthElement", static=("n",))
def nth_element_op(xp: Any, input: Any, n: Any, *, reverse: bool) -> Any:
    """The n-th smallest element of each row (or largest, if `reverse`)."""
    position = n.item()
    if not 0 <= position < input.shape[-1]:
        raise kernel_error(f"Input must have at least n+1 columns, got {input.shape[-1]} for n = {position}")
    if reverse:
        position = input.shape[-1] - 1 - position
    return xp.sort(input, axis=-1)[..., position]


@nth_element_op.shape
def nth_element_shape(input: Any, n: Any) -> Any:
    with_rank_at_least(input, 1)
    if input is None:
        return None
    if n is not None and input[-1] is not None and input[-1] <= int(n):
        raise ShapeError(f"Input must have last dimension > n = {int(n)} but is {input[-1]}")
    return input[:-1]


@nth_element_op.gradient
def nth_element_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    x, y = made.inputs[0], made.outputs[0]
    indicators = cast.cast(comparisons.equal(array.expand_dims(y, -1), x), grad.dtype)
    grad = array.expand_dims(grad, -1)
    number = array.expand_dims(reductions.reduce_sum(indicators, -1), -1)
    return [arithmetic.div(indicators, number) * grad, None]


@public("nn.nth_element")
def nth_element(input: Any, n: Any, reverse: bool = False, name: str | None = None) -> Tensor:
    """Find the `n`-th smallest element (counted from 0) of each row, or the `n`-th largest."""
    return nth_element_op(input, n, reverse=reverse, name=name)


# Sorting


@public("sort")
def sort(values: Any, axis: Any = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """Sort along an axis.

    Args:
        values: floating point (or, if descending, integers).
        axis: an int or a constant scalar tensor.
        direction: "ASCENDING" or "DESCENDING".
        name: the scope of the ops.
    """
    with name_scope(name, "sort"):
        return _sorted(values, axis, direction, wants_order=False)


@public("argsort")
def argsort(
    values: Any, axis: Any = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The order that sorts along an axis, as int32 indices. The arguments are those of `sort`."""
    with name_scope(name, "argsort"):
        return _sorted(values, axis, direction, wants_order=True)


def _sorted(values: Any, axis: Any, direction: str, wants_order: bool) -> Tensor:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(f"{direction} should be one of ASCENDING, DESCENDING")
    axis = convert_to_tensor(axis, name="axis")
    known = static_values.get_static_value(axis)
    if known is None or known.ndim:
        raise ValueError("axis must be a constant scalar")
    x = convert_to_tensor(values, name="values")
    if direction == "DESCENDING":
        return _descending(x, int(known), wants_order)
    result = _descending(-x, int(known), wants_order)
    return result if wants_order else -result


def _descending(x: Tensor, axis: int, wants_order: bool) -> Tensor:
    k = array.shape(x)[axis]
    rank = array.rank(x)
    static_rank = x._rank
    swap: Any = None
    if axis != -1 and axis + 1 != static_rank:
        position: Any = axis
        if axis < 0:
            position = axis + (static_rank or rank)
        if static_rank is not None:
            order = list(range(static_rank))
            order[position], order[-1] = order[-1], order[position]
            swap = constant(np.array(order), name="transposition")
        else:
            swap = array.concat(
                [sequences.range_(position), [rank - 1], sequences.range_(position + 1, rank - 1), [position]], axis=0
            )
        x = array.transpose(x, swap)
    found, indices = top_k(x, k)
    result = indices if wants_order else found
    return result if swap is None else array.transpose(result, swap)
