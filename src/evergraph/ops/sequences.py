"""Numbers in a row: ranges, running sums and products, and where the extremes are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, lowerings, reductions
from evergraph.ops.opdef import kernel_error, op, raw_op, unchanged_shape


def _range_length(start: Any, limit: Any, delta: Any, error: Any) -> int:
    if delta == 0:
        raise error(f"Requires delta != 0: {delta}" if error is kernel_error else "Requires delta != 0")
    if delta > 0 and start > limit:
        raise error(f"Requires start <= limit when delta > 0: {start}/{limit}")
    if delta < 0 and start < limit:
        raise error(f"Requires start >= limit when delta < 0: {start}/{limit}")
    if isinstance(start, int) and isinstance(limit, int) and isinstance(delta, int):
        return -((start - limit) // delta)
    return math.ceil(abs((limit - start) / delta))


@op("Range", static=("start", "limit", "delta"), differentiable=False)
def range_op(xp: Any, start: Any, limit: Any, delta: Any) -> Any:
    """The numbers from `start` on, `delta` apart, up to but without `limit`."""
    for name, value in (("start", start), ("limit", limit), ("delta", delta)):
        if np.ndim(value):
            raise kernel_error(f"{name} must be a scalar, not shape {list(value.shape)}")
    length = _range_length(start.item(), limit.item(), delta.item(), kernel_error)
    if start.dtype.kind in "iu":
        return start + np.arange(length, dtype=start.dtype) * delta
    # Added up one by one, in their own precision, as TensorFlow does.
    steps = np.full(length, delta, start.dtype)
    steps[:1] = start
    return np.cumsum(steps, dtype=start.dtype)


@range_op.shape
def range_shape(start: Any, limit: Any, delta: Any) -> Any:
    for value in (start, limit, delta):
        if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim):
            raise ShapeError("Shape must be rank 0 but is rank 1")
    if start is None or limit is None or delta is None:
        return (None,)
    numbers = [v.item() if isinstance(v, np.ndarray) else v for v in (start, limit, delta)]
    first, end, step = numbers
    return (_range_length(first, end, step, ShapeError),)


@public("range")
def range_(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = "range") -> Tensor:
    """Count from `start` up to but without `limit`.

    Args:
        start: the first number; with `limit` left out, it is the limit and the first number is 0.
        limit: where to stop.
        delta: the distance between neighbours; negative to count down.
        dtype: the type of the numbers; by default the widest of the arguments' types.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if `delta` is zero or leads away from `limit`.

    >>> sess.run(tf.range(3, 18, 5))
    array([ 3,  8, 13], dtype=int32)
    """
    if limit is None:
        start, limit = 0, start
    with name_scope(name, "Range", [start, limit, delta]) as scope:
        parts = [
            convert_to_tensor(value, dtype=dtype, name=part)
            for value, part in ((start, "start"), (limit, "limit"), (delta, "delta"))
        ]
        if dtype is None:
            widths = [dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64]
            widest = max((t.dtype.base_dtype for t in parts), key=widths.index)
            parts = [cast.cast(t, widest) for t in parts]
        return range_op(*parts, name=scope)


@public("linspace", "lin_space")
@op("LinSpace", static=("num",), differentiable=False)
def lin_space(xp: Any, start: Any, stop: Any, num: Any) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`, both included."""
    count = num.item()
    if count <= 0:
        raise kernel_error(f"Requires num > 0: {count}")
    if count == 1:
        return xp.reshape(start, (1,))
    step = (stop - start) / start.dtype.type(count - 1)
    line = start + step * np.arange(count - 1).astype(start.dtype)
    return xp.concatenate([line, xp.reshape(stop, (1,))])


@lin_space.shape
def lin_space_shape(start: Any, stop: Any, num: Any) -> Any:
    with_rank(start, 0)
    with_rank(stop, 0)
    if num is None:
        return (None,)
    count = int(num)
    if count <= 0:
        raise ShapeError(f"Requires num > 0: {count}")
    return (count,)


# Running sums and products


def _scan_axis(x: Any, axis: Any) -> int:
    rank = x.ndim
    if axis.ndim:
        raise kernel_error(f"ScanOp: axis must be a scalar, not {list(axis.shape)}")
    wanted = axis.item()
    if not -rank <= wanted < rank:
        raise kernel_error(f"ScanOp: Expected scan axis in the range [{-rank}, {rank}), but got {wanted}")
    return wanted % rank


def _scan(xp: Any, x: Any, axis: int, exclusive: bool, reverse: bool, running: Any, first: Any) -> Any:
    if reverse:
        x = xp.flip(x, axis)
    y = running(x)
    if exclusive:
        head = list(x.shape)
        head[axis] = min(1, head[axis])
        body = [slice(None)] * x.ndim
        body[axis] = slice(0, max(x.shape[axis] - 1, 0))
        y = xp.concatenate([xp.full(head, first, dtype=x.dtype), y[tuple(body)]], axis=axis)
    return xp.flip(y, axis) if reverse else y


@op("Cumsum", static=("axis",), shape=unchanged_shape)
def cumsum_op(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    """The sum of each element and those before it."""
    along = _scan_axis(x, axis)
    return _scan(xp, x, along, exclusive, reverse, lambda x: xp.cumsum(x, axis=along, dtype=x.dtype), 0)


@op("Cumprod", static=("axis",), shape=unchanged_shape)
def cumprod_op(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    """The product of each element and those before it."""
    along = _scan_axis(x, axis)
    return _scan(xp, x, along, exclusive, reverse, lambda x: xp.cumprod(x, axis=along, dtype=x.dtype), 1)


@op("CumulativeLogsumexp", static=("axis",), shape=unchanged_shape)
def cumulative_logsumexp_op(xp: Any, x: Any, axis: Any, *, exclusive: bool, reverse: bool) -> Any:
    """`log(sum(exp(...)))` of each element and those before it."""
    along = _scan_axis(x, axis)
    lowest = reductions.lowest(x.dtype)

    def running(x: Any) -> Any:
        if hasattr(xp, "logaddexp") and hasattr(xp.logaddexp, "accumulate"):
            return xp.logaddexp.accumulate(x, axis=along)
        from jax import lax

        return lax.cumlogsumexp(x, axis=along)

    return _scan(xp, x, along, exclusive, reverse, running, lowest)


@public("math.cumsum", "cumsum")
def cumsum(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """Add up each element and all those before it along an axis.

    Args:
        x: numbers.
        axis: the axis, an int or a scalar int tensor.
        exclusive: leave each element itself out of its sum.
        reverse: sum those after it instead.
        name: the op's name.

    >>> sess.run(tf.cumsum([1, 2, 3]))
    array([1, 3, 6], dtype=int32)
    """
    with name_scope(name, "Cumsum", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return cumsum_op(x, axis, exclusive=exclusive, reverse=reverse, name=scope)


@public("math.cumprod", "cumprod")
def cumprod(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None) -> Tensor:
    """Multiply each element and all those before it along an axis. The arguments are those of `cumsum`."""
    with name_scope(name, "Cumprod", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return cumprod_op(x, axis, exclusive=exclusive, reverse=reverse, name=scope)


@public("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """`log(sum(exp(...)))` of each element and all those before it. The arguments are those of `cumsum`."""
    with name_scope(name, "CumulativeLogsumexp", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return cumulative_logsumexp_op(x, axis, exclusive=exclusive, reverse=reverse, name=scope)


@cumsum_op.gradient
def cumsum_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    attrs = made.attrs
    return [cumsum(grad, made.inputs[1], exclusive=attrs["exclusive"], reverse=not attrs["reverse"]), None]


@cumprod_op.gradient
def cumprod_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    x, axis = made.inputs
    exclusive, reverse = made.attrs["exclusive"], made.attrs["reverse"]
    product = cumprod(x, axis, exclusive=exclusive, reverse=reverse)
    out = cumsum(product * grad, axis, exclusive=exclusive, reverse=not reverse)
    return [out / x, None]


@cumulative_logsumexp_op.gradient
def cumulative_logsumexp_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    x, axis = made.inputs
    y = made.outputs[0]
    exclusive, reverse = made.attrs["exclusive"], made.attrs["reverse"]
    log, exp = raw_op("Log"), raw_op("Exp")
    least = grad.dtype.min

    def summed(log_grad: Tensor) -> Tensor:
        return exp(cumulative_logsumexp(log_grad - y, axis=axis, reverse=not reverse, exclusive=exclusive) + x)

    positive = array.where_v2(raw_op("Greater")(grad, 0), log(grad), least)
    negative = array.where_v2(raw_op("Less")(grad, 0), log(-grad), least)
    from_positive = summed(positive)
    return [from_positive - summed(negative), None]


# Where the extremes are


def _extreme_axis(x: Any, dimension: Any) -> int:
    rank = x.ndim
    axis = dimension.item()
    if not -rank <= axis < rank:
        raise kernel_error(f"Expected dimension in the range [{-rank}, {rank}), but got {axis}")
    axis %= rank
    if x.shape[axis] == 0:
        shown = ",".join(str(d) for d in x.shape)
        raise kernel_error(f"Reduction axis {axis} is empty in shape [{shown}]")
    return axis


def _extreme_shape(input: Shape, dimension: Any) -> Shape:
    if input is None:
        return None
    rank = len(input)
    if rank <= 1:
        return ()
    if dimension is None:
        return (None,) * (rank - 1)
    axis = int(dimension)
    if not -rank <= axis < rank:
        raise ShapeError(
            f"Dimension ({axis}) must be in the range [{-rank}, {rank}), where {rank} is the number of dimensions in "
            "the input."
        )
    axis %= rank
    return input[:axis] + input[axis + 1 :]


@op("ArgMax", static=("dimension",), shape=_extreme_shape)
def arg_max(xp: Any, input: Any, dimension: Any, *, output_type: Any) -> Any:
    """The index of the greatest element along an axis; of equal ones, the first. NaN is passed over."""
    axis = _extreme_axis(input, dimension)
    return _first_extreme(xp, reductions.without_nan(xp, input, -np.inf), axis, "max").astype(output_type.np)


@op("ArgMin", static=("dimension",), shape=_extreme_shape)
def arg_min(xp: Any, input: Any, dimension: Any, *, output_type: Any) -> Any:
    """The index of the smallest element along an axis; of equal ones, the first. NaN is passed over."""
    axis = _extreme_axis(input, dimension)
    return _first_extreme(xp, reductions.without_nan(xp, input, np.inf), axis, "min").astype(output_type.np)


# XLA:CPU goes through pairs of a number and its index one by one, but takes vectors of numbers: so find the extreme
# first, then the first element that equals it; and the last axis as a table whose columns are done side by side.
# Without and with, in ms of one EPYC core (jax 0.10.2): float32[32, 1000] along 1 0.16 and 0.04, [32, 50000] 7.1 and
# 1.8, [1000, 64] along 0 0.33 and 0.06; but [8, 64, 64, 21] along 3 0.4 and 1.8.
_COLUMNS = 64
_LONG = 4 * _COLUMNS


def _first_extreme(xp: Any, x: Any, axis: int, which: str) -> Any:
    """`argmax` or `argmin` (`which`: "max" or "min") of an array without NaN along a nonnegative axis."""
    size = x.shape[axis]
    is_last = axis == x.ndim - 1
    if xp is np or (is_last and size < _LONG) or not x.size or lowerings.lowering_platform() != "cpu":
        return getattr(xp, f"arg{which}")(x, axis=axis)
    if not is_last:
        return _first_equal(xp, x, getattr(xp, which)(x, axis=axis, keepdims=True), axis)
    rest = -size % _COLUMNS
    if rest:  # the first element again: where it is the extreme, its own place comes first
        x = xp.concatenate([x, xp.broadcast_to(x[..., :1], (*x.shape[:-1], rest))], axis=-1)
    table = x.reshape(*x.shape[:-1], -1, _COLUMNS)
    best = getattr(xp, which)(table, axis=-2, keepdims=True)
    rows = _first_equal(xp, table, best, -2)
    places = rows * np.int32(_COLUMNS) + xp.arange(_COLUMNS, dtype=np.int32)
    best = best[..., 0, :]
    is_best = best == getattr(xp, which)(best, axis=-1, keepdims=True)
    return xp.where(is_best, places, np.iinfo(np.int32).max).min(axis=-1)


def _first_equal(xp: Any, x: Any, wanted: Any, axis: int) -> Any:
    """The index of the first element along an axis that equals `wanted`."""
    from jax import lax

    numbers = lax.broadcasted_iota(np.int32, x.shape, axis % x.ndim)
    return xp.where(x == wanted, numbers, np.int32(x.shape[axis])).min(axis=axis)


def _index_grad(made: Operation, grad: Tensor) -> list[None]:
    return [None, None]


arg_max.gradient(_index_grad)
arg_min.gradient(_index_grad)
public("arg_max")(arg_max)
public("arg_min")(arg_min)


@public("math.argmax", "argmax")
def argmax(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = dtypes.int64
) -> Tensor:
    """Find where the greatest element along an axis is.

    Args:
        input: numbers.
        axis: the axis, an int or a scalar int tensor; 0 by default.
        name: the op's name.
        dimension: the old name of `axis`.
        output_type: int32 or int64.

    Returns:
        indices of type `output_type`, shaped as `input` without `axis`. Of equal elements, the first counts.

    >>> sess.run(tf.argmax([[1, 5, 2], [7, 0, 3]], 1))
    array([1, 0])
    """
    axis = reductions.given(axis, "axis", dimension, "dimension")
    return arg_max(input, 0 if axis is None else axis, name=name, output_type=output_type)


@public("math.argmin", "argmin")
def argmin(
    input: Any, axis: Any = None, name: str | None = None, dimension: Any = None, output_type: Any = dtypes.int64
) -> Tensor:
    """Find where the smallest element along an axis is. The arguments are those of `argmax`."""
    axis = reductions.given(axis, "axis", dimension, "dimension")
    return arg_min(input, 0 if axis is None else axis, name=name, output_type=output_type)
