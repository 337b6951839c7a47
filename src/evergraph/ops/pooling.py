"""Max and average pooling, their gradients, and the gradients of those.

All of them are sums and selections over the *taps* of a window (`windows.py`), in NumPy and under XLA alike. The
gradient of a maximum goes to the first of the elements of a window that equal it, in row-major order, as in TF 1: the
index of that tap is the *winner*.

Under XLA a gradient by winners is ten times faster on CPUs than XLA's own (milliseconds over all threads, two EPYC
cores: 2x2 windows over 64 images of 64x64x32, 5.8 for 89 to 206; 3x3 in steps of 2 over 8 of 112x112x64, 9.4 for 87 to
198), and a maximum by slices is somewhat faster than `reduce_window` (2.2 for 3.4; 4.8 for 8.6).
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.arguments import channel_axis, either, per_axis
from evergraph.ops.filling import zeros
from evergraph.ops.identity import stop_gradient
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.shaping import expand_dims, shape, squeeze
from evergraph.ops.windows import (
    Window,
    arranged,
    as_format,
    channels,
    channels_last,
    output_sizes,
    overlap_add,
    sliding,
    spatial,
    taps,
)

LARGEST_BY_SLICES = 8
"""Wider windows go through `reduce_window`: every slice is an operation to compile."""


def _window(shape: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes) -> Window:
    """The window over an array of channels-last `shape`."""
    size, stride = spatial(ksize, data_format), spatial(strides, data_format)
    try:
        return sliding(tuple(shape[1:-1]), size, stride, (1,) * len(size), padding)
    except ShapeError as error:
        raise kernel_error(str(error)) from None


def _shape(x: Any, ksize: Any, strides: Any, padding: Any, data_format: Any, rank: int) -> Any:
    x = with_rank(x, rank)
    size, stride = spatial(ksize, data_format), spatial(strides, data_format)
    sizes = output_sizes(spatial(x, data_format), size, stride, (1,) * len(size), padding)
    over, by = channels(ksize, data_format), channels(strides, data_format)
    depth = output_sizes((channels(x, data_format),), (over,), (by,), (1,), padding)[0]
    return arranged(x[0], sizes, depth, data_format)


def _check_batch(attrs: dict[str, Any]) -> Any:
    if attrs["ksize"][0] == 1 == attrs["strides"][0]:
        return None
    return kernel_error("Pooling is not yet supported on the batch dimension.", errors.UnimplementedError)


def _check_depthwise(shape: Any, ksize: Any, strides: Any, data_format: bytes) -> None:
    """What TF asks of a pooling over channels."""
    size, stride = channels(ksize, data_format), channels(strides, data_format)
    message = ""
    if any(k != 1 for k in spatial(ksize, data_format)):
        message = "MaxPooling supports exactly one of pooling across depth or pooling across width/height."
    elif channels(shape, data_format) % size:
        message = "Depthwise max pooling requires the depth window to evenly divide the input depth."
    elif size != stride:
        message = "Depthwise max pooling requires the depth window to equal the depth stride."
    if message:
        raise kernel_error(message, errors.UnimplementedError)


# Maxima


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else -np.inf


def _max(xp: Any, x: Any, window: Window) -> Any:
    """The maximum of every window of a channels-last `x`."""
    if not prod(window.output) or not x.size:
        return xp.zeros((x.shape[0], *window.output, x.shape[-1]), x.dtype)
    if xp is not np and max(window.size) > LARGEST_BY_SLICES:
        return _reduce_window(xp, x, window, "max")
    lowest = _lowest(x.dtype)
    for axis in range(len(window.size)):
        x = reduce(xp.maximum, taps(xp, x, _along(window, axis, x.shape), lowest))
    return x


def _along(window: Window, axis: int, shape: Any) -> Window:
    """The part of `window` that goes along one spatial axis, over an array of shape `shape`."""
    one = [1] * len(window.size)

    def only(values: Any, otherwise: Any) -> tuple[int, ...]:
        return (*otherwise[:axis], values[axis], *otherwise[axis + 1 :])

    sizes = list(shape[1:-1])
    none = [0] * len(one)
    return Window(
        tuple(sizes),
        only(window.size, one),
        only(window.stride, one),
        tuple(one),
        only(window.before, none),
        only(window.after, none),
        only(window.output, sizes),
    )


def _reduce_window(xp: Any, x: Any, window: Window, kind: str) -> Any:
    from jax import lax

    computation, start = (lax.max, _lowest(x.dtype)) if kind == "max" else (lax.add, 0)
    padding = ((0, 0), *window.padding, (0, 0))
    size, stride = (1, *window.size, 1), (1, *window.stride, 1)
    return lax.reduce_window(x, np.asarray(start, x.dtype), computation, size, stride, padding)


# Above so many taps they are not spelled out one by one in a program. Compiling and running the gradient of a maximum
# over 500 rows, float32[16, 500, 1, 32]: 8.2 s and 100 ms one by one, 0.15 s and 1 ms together. Tiles of 3 x 3 take
# 0.27 ms one by one and 0.68 together, of 5 x 5 0.54 and 0.65, of 6 x 6 1.5 and 0.9 (16 images of about 32 x 32 x 32).
MANY_TAPS = 32
MANY_OVERLAPPING_TAPS = 100  # and windows that overlap: 7 x 7 run in 0.6 ms and 1.0, 28 x 28 compile in 11 s and 0.6


def _winners(xp: Any, x: Any, y: Any, window: Window) -> Any:
    """For each window, the first tap that equals the maximum `y`."""
    if xp is not np and prod(window.size) > MANY_TAPS and window.tiles_input:
        return _winners_of_tiles(xp, x, y, window)
    winner = xp.full(y.shape, prod(window.size), np.int32)
    views = list(taps(xp, x, window, _lowest(x.dtype)))
    for i, view in reversed(list(enumerate(views))):
        winner = xp.where(view == y, np.int32(i), winner)
    return winner


def _winners_of_tiles(xp: Any, x: Any, y: Any, window: Window) -> Any:
    tiles: list[int] = [x.shape[0]]
    ones: list[int] = [x.shape[0]]
    for o, k in zip(window.output, window.size, strict=True):
        tiles += [o, k]
        ones += [o, 1]
    inside = tuple(range(2, len(tiles), 2))
    places = np.arange(prod(window.size), dtype=np.int32).reshape([1, *(n for k in window.size for n in (1, k)), 1])
    is_greatest = xp.reshape(x, (*tiles, x.shape[-1])) == xp.reshape(y, (*ones, y.shape[-1]))
    return xp.where(is_greatest, places, np.int32(prod(window.size))).min(axis=inside)


def _max_gradient(xp: Any, x: Any, y: Any, dy: Any, window: Window) -> Any:
    """`dy` at the winners, zero elsewhere: shaped as `x`."""
    if not x.size or not y.size:
        return xp.zeros(x.shape, dy.dtype)
    if xp is not np and prod(window.size) > MANY_OVERLAPPING_TAPS and not window.tiles_input and x.dtype == dy.dtype:
        return _scattered_to_greatest(x, dy, window)
    winner = _winners(xp, x, y, window)
    zero = np.zeros((), dy.dtype)
    if window.tiles_input and xp is not np:
        places = np.arange(prod(window.size), dtype=np.int32).reshape(window.size)
        here = np.tile(places, window.output)[None, ..., None]
        return xp.where(_repeated(xp, winner, window) == here, _repeated(xp, dy, window), zero)
    return overlap_add(xp, lambda i: xp.where(winner == i, dy, zero), window, x.shape[-1], dy.dtype)


def _scattered_to_greatest(x: Any, dy: Any, window: Window) -> Any:
    """The gradient of a maximum for large windows that overlap: XLA's own, which is slow but a single op."""
    import jax

    _, gradient = jax.vjp(lambda x: _reduce_window(None, x, window, "max"), x)
    return gradient(dy)[0]


def _repeated(xp: Any, y: Any, window: Window) -> Any:
    """Each element of `y` at every position of its window, for windows that tile the input."""
    spread: list[int] = [y.shape[0]]
    wide: list[int] = [y.shape[0]]
    for o, k in zip(window.output, window.size, strict=True):
        spread += [o, 1]
        wide += [o, k]
    y = xp.reshape(y, (*spread, y.shape[-1]))
    return xp.reshape(xp.broadcast_to(y, (*wide, y.shape[-1])), (y.shape[0], *window.input, y.shape[-1]))


def _at_winners(xp: Any, x: Any, y: Any, grad: Any, window: Window) -> Any:
    """What `grad`, shaped as `x`, holds at the winners: shaped as `y`."""
    winner = _winners(xp, x, y, window)
    views = taps(xp, grad, window)
    zero = np.zeros((), grad.dtype)
    return sum((xp.where(winner == i, view, zero) for i, view in enumerate(views)), xp.zeros(y.shape, grad.dtype))


def _over_channels(ksize: Any, data_format: bytes) -> bool:
    return channels(ksize, data_format) != 1


def _as_spatial(xp: Any, x: Any, ksize: Any, strides: Any, data_format: bytes) -> tuple[Any, Any, Any, bytes]:
    """A pooling over channels, as one over an axis of its own: x as (rows, channels, 1, 1)."""
    x = channels_last(xp, x, data_format)
    k, s = channels(ksize, data_format), channels(strides, data_format)
    return xp.reshape(x, (-1, x.shape[-1], 1, 1)), [1, k, 1, 1], [1, s, 1, 1], b"NHWC"


def _pool_max(xp: Any, x: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes) -> Any:
    if _over_channels(ksize, data_format):
        _check_depthwise(x.shape, ksize, strides, data_format)
        rows, k, s, layout = _as_spatial(xp, x, ksize, strides, data_format)
        y = _pool_max(xp, rows, k, s, padding, layout)
        last = channels_last(xp, x, data_format).shape[:-1]
        return as_format(xp, xp.reshape(y, (*last, -1)), data_format)
    x = channels_last(xp, x, data_format)
    return as_format(xp, _max(xp, x, _window(x.shape, ksize, strides, padding, data_format)), data_format)


def _pool_max_gradient(
    xp: Any, x: Any, y: Any, dy: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes
) -> Any:
    if _over_channels(ksize, data_format):
        rows, k, s, layout = _as_spatial(xp, x, ksize, strides, data_format)
        y, dy = (_as_spatial(xp, t, ksize, strides, data_format)[0] for t in (y, dy))
        dx = _pool_max_gradient(xp, rows, y, dy, k, s, padding, layout)
        return as_format(xp, xp.reshape(dx, channels_last(xp, x, data_format).shape), data_format)
    x, y, dy = (channels_last(xp, t, data_format) for t in (x, y, dy))
    window = _window(x.shape, ksize, strides, padding, data_format)
    return as_format(xp, _max_gradient(xp, x, y, dy, window), data_format)


def _pool_max_grad_grad(
    xp: Any, x: Any, y: Any, grad: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes
) -> Any:
    x, y, grad = (channels_last(xp, t, data_format) for t in (x, y, grad))
    window = _window(x.shape, ksize, strides, padding, data_format)
    return as_format(xp, _at_winners(xp, x, y, grad, window), data_format)


@op("MaxPool")
def max_pool_op(xp: Any, input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    """The maximum of every window."""
    return _pool_max(xp, input, ksize, strides, padding, data_format)


@max_pool_op.shape
def max_pool_shape(input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    return _shape(input, ksize, strides, padding, data_format, 4)


@op("MaxPoolGrad")
def max_pool_grad_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, *,
    ksize: Any, strides: Any, padding: Any, data_format: Any,
) -> Any:  # fmt: skip
    """The gradient of MaxPool: each window's goes to the first of its largest elements."""
    return _pool_max_gradient(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format)


@max_pool_grad_op.shape
def max_pool_grad_shape(orig_input: Any, orig_output: Any, grad: Any) -> Any:
    return with_rank(orig_input, 4)


@op("MaxPoolGradGrad")
def max_pool_grad_grad_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, *,
    ksize: Any, strides: Any, padding: Any, data_format: Any,
) -> Any:  # fmt: skip
    """The gradient of MaxPoolGrad to its gradient: what `grad` holds where each window's maximum came from."""
    return _pool_max_grad_grad(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format)


@max_pool_grad_grad_op.shape
def max_pool_grad_grad_shape(orig_input: Any, orig_output: Any, grad: Any) -> Any:
    return with_rank(orig_output, 4)


_POOL = ("ksize", "strides", "padding", "data_format")


def _same(made: Any, names: tuple[str, ...] = _POOL) -> dict[str, Any]:
    return {name: made.attrs[name] for name in names}


def _zeros_as(t: Tensor) -> Tensor:
    return zeros(shape(t), t.dtype)


@max_pool_op.gradient
def max_pool_gradient(made: Any, grad: Tensor) -> Tensor:
    return max_pool_grad_op(made.inputs[0], made.outputs[0], grad, **_same(made))


@max_pool_grad_op.gradient
def max_pool_grad_gradient(made: Any, grad: Tensor) -> Any:
    x, y, _ = made.inputs
    return _zeros_as(x), _zeros_as(y), max_pool_grad_grad_op(x, y, grad, **_same(made))


@max_pool_grad_grad_op.gradient
def max_pool_grad_grad_gradient(made: Any, grad: Tensor) -> Any:
    x, y, _ = made.inputs
    return _zeros_as(x), _zeros_as(y), max_pool_grad_op(x, y, grad, **_same(made))


@op("MaxPoolV2", static=("ksize", "strides"))
def max_pool_v2_op(xp: Any, input: Any, ksize: Any, strides: Any, *, padding: Any, data_format: Any) -> Any:
    """MaxPool with its window given as tensors."""
    return _pool_max(xp, input, ksize.tolist(), strides.tolist(), padding, data_format)


@max_pool_v2_op.shape
def max_pool_v2_shape(input: Any, ksize: Any, strides: Any, *, padding: Any, data_format: Any) -> Any:
    if ksize is None or strides is None or None in ksize or None in strides:
        return None
    return _shape(input, ksize, strides, padding, data_format, 4)


@op("MaxPoolGradV2", static=("ksize", "strides"))
def max_pool_grad_v2_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, ksize: Any, strides: Any, *, padding: Any, data_format: Any
) -> Any:
    """The gradient of MaxPoolV2."""
    window = (ksize.tolist(), strides.tolist(), padding, data_format)
    return _pool_max_gradient(xp, orig_input, orig_output, grad, *window)


@max_pool_grad_v2_op.shape
def max_pool_grad_v2_shape(orig_input: Any, orig_output: Any, grad: Any, ksize: Any, strides: Any) -> Any:
    return with_rank(orig_input, 4)


@op("MaxPoolGradGradV2", static=("ksize", "strides"))
def max_pool_grad_grad_v2_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, ksize: Any, strides: Any, *, padding: Any, data_format: Any
) -> Any:
    """The gradient of MaxPoolGradV2 to its gradient."""
    window = (ksize.tolist(), strides.tolist(), padding, data_format)
    return _pool_max_grad_grad(xp, orig_input, orig_output, grad, *window)


@max_pool_grad_grad_v2_op.shape
def max_pool_grad_grad_v2_shape(orig_input: Any, orig_output: Any, grad: Any, ksize: Any, strides: Any) -> Any:
    return with_rank(orig_output, 4)


@max_pool_v2_op.gradient
def max_pool_v2_gradient(made: Any, grad: Tensor) -> Any:
    x, ksize, strides = made.inputs
    attrs = _same(made, ("padding", "data_format"))
    return max_pool_grad_v2_op(x, made.outputs[0], grad, ksize, strides, **attrs), None, None


@max_pool_grad_v2_op.gradient
def max_pool_grad_v2_gradient(made: Any, grad: Tensor) -> Any:
    x, y, _, ksize, strides = made.inputs
    attrs = _same(made, ("padding", "data_format"))
    second = max_pool_grad_grad_v2_op(x, y, grad, ksize, strides, **attrs)
    return _zeros_as(x), _zeros_as(y), second, None, None


@op("MaxPool3D")
def max_pool3d_op(xp: Any, input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    """The maximum of every window, over three dimensions."""
    return _pool_max(xp, input, ksize, strides, padding, data_format)


@max_pool3d_op.shape
def max_pool3d_shape(input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    return _shape(input, ksize, strides, padding, data_format, 5)


@op("MaxPool3DGrad")
def max_pool3d_grad_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, *,
    ksize: Any, strides: Any, padding: Any, data_format: Any,
) -> Any:  # fmt: skip
    """The gradient of MaxPool3D: each window's goes to the first of its largest elements."""
    return _pool_max_gradient(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format)


@max_pool3d_grad_op.shape
def max_pool3d_grad_shape(orig_input: Any, orig_output: Any, grad: Any) -> Any:
    return with_rank(orig_input, 5)


@op("MaxPool3DGradGrad")
def max_pool3d_grad_grad_op(
    xp: Any, orig_input: Any, orig_output: Any, grad: Any, *,
    ksize: Any, strides: Any, padding: Any, data_format: Any,
) -> Any:  # fmt: skip
    """The gradient of MaxPool3DGrad to its gradient."""
    return _pool_max_grad_grad(xp, orig_input, orig_output, grad, ksize, strides, padding, data_format)


@max_pool3d_grad_grad_op.shape
def max_pool3d_grad_grad_shape(orig_input: Any, orig_output: Any, grad: Any) -> Any:
    return with_rank(orig_output, 5)


@max_pool3d_op.gradient
def max_pool3d_gradient(made: Any, grad: Tensor) -> Tensor:
    return max_pool3d_grad_op(made.inputs[0], made.outputs[0], grad, **_same(made))


@max_pool3d_grad_op.gradient
def max_pool3d_grad_gradient(made: Any, grad: Tensor) -> Any:
    x, y, _ = made.inputs
    return _zeros_as(x), _zeros_as(y), max_pool3d_grad_grad_op(x, y, grad, **_same(made))


@max_pool3d_grad_grad_op.gradient
def max_pool3d_grad_grad_gradient(made: Any, grad: Tensor) -> Any:
    x, y, _ = made.inputs
    return _zeros_as(x), _zeros_as(y), max_pool3d_grad_op(x, y, grad, **_same(made))


# Maxima and where they are


def _flat_places(xp: Any, winner: Any, window: Window, depth: int, with_batch: bool, dtype: Any) -> Any:
    """Where in the flattened input (of one image, or of the batch) each window's winner is."""
    height, width = window.input
    rows = np.arange(window.output[0]) * window.stride[0] - window.before[0]
    columns = np.arange(window.output[1]) * window.stride[1] - window.before[1]
    corner = (rows[:, None] * width + columns[None, :])[None, :, :, None]
    inside = np.array([i * width + j for i, j in window.positions], dtype)
    place = (xp.asarray(inside)[winner] + corner) * depth + np.arange(depth)
    if with_batch:
        place = place + (np.arange(winner.shape[0]) * (height * width * depth))[:, None, None, None]
    return place.astype(dtype)


@op("MaxPoolWithArgmax")
def max_pool_with_argmax_op(
    xp: Any, input: Any, *, ksize: Any, strides: Any, padding: Any, include_batch_in_index: Any, Targmax: Any
) -> Any:
    """The maximum of every window, and its place in the flattened image: `(y * width + x) * channels + channel`."""
    window = _window(input.shape, ksize, strides, padding, b"NHWC")
    y = _max(xp, input, window)
    winner = xp.minimum(_winners(xp, input, y, window), np.int32(prod(window.size) - 1))
    return y, _flat_places(xp, winner, window, input.shape[-1], include_batch_in_index, Targmax.np)


@max_pool_with_argmax_op.shape
def max_pool_with_argmax_shape(input: Any, *, ksize: Any, strides: Any, padding: Any) -> Any:
    return [_shape(input, ksize, strides, padding, b"NHWC", 4)] * 2


@op("MaxPoolGradWithArgmax")
def max_pool_grad_with_argmax_op(xp: Any, input: Any, grad: Any, argmax: Any, *, include_batch_in_index: Any) -> Any:
    """The gradient of MaxPoolWithArgmax: each window's goes to the place that `argmax` names."""
    places = _places_in_batch(xp, argmax, input, include_batch_in_index)
    flat = grad.reshape(-1)
    if xp is np:
        total = np.zeros(input.size, grad.dtype)
        np.add.at(total, places, flat)
        return total.reshape(input.shape)
    return xp.zeros(input.size, grad.dtype).at[places].add(flat).reshape(input.shape)


@op("MaxPoolGradGradWithArgmax")
def max_pool_grad_grad_with_argmax_op(
    xp: Any, input: Any, grad: Any, argmax: Any, *, include_batch_in_index: Any
) -> Any:
    """The gradient of MaxPoolGradWithArgmax to its gradient: what `grad` holds at the places that `argmax` names."""
    return (
        xp.asarray(grad).reshape(-1)[_places_in_batch(xp, argmax, input, include_batch_in_index)].reshape(argmax.shape)
    )


def _places_in_batch(xp: Any, argmax: Any, input: Any, with_batch: bool) -> Any:
    if with_batch:
        return argmax.reshape(-1)
    image = np.arange(input.shape[0], dtype=argmax.dtype) * prod(input.shape[1:])
    return (argmax + image.reshape(-1, *[1] * (argmax.ndim - 1))).reshape(-1)


@max_pool_grad_with_argmax_op.shape
def max_pool_grad_with_argmax_shape(input: Any, grad: Any, argmax: Any) -> Any:
    return with_rank(input, 4)


@max_pool_grad_grad_with_argmax_op.shape
def max_pool_grad_grad_with_argmax_shape(input: Any, grad: Any, argmax: Any) -> Any:
    return merge(with_rank(argmax, 4), (None,) * 4)


@max_pool_with_argmax_op.gradient
def max_pool_with_argmax_gradient(made: Any, grad: Tensor, argmax_grad: Any) -> Tensor:
    attrs = _same(made, ("ksize", "strides", "padding", "include_batch_in_index"))
    return max_pool_grad_with_argmax_op(made.inputs[0], grad, made.outputs[1], **attrs)


# Averages


def counts(window: Window, dtype: Any) -> Any:
    """How many elements each window holds inside the array, as (1, *output, 1)."""
    total = np.ones((1,) * len(window.size))
    for axis, (n, k, s, b, o) in enumerate(
        zip(window.input, window.size, window.stride, window.before, window.output, strict=True)
    ):
        start = np.arange(o) * s - b
        held = np.minimum(start + k, n) - np.maximum(start, 0)
        total = total * held.reshape([-1 if i == axis else 1 for i in range(len(window.size))])
    return total.astype(dtype)[None, ..., None]


def _sum(xp: Any, x: Any, window: Window) -> Any:
    if xp is not np and max(window.size) > LARGEST_BY_SLICES:
        return _reduce_window(xp, x, window, "sum")
    for axis in range(len(window.size)):
        x = reduce(xp.add, taps(xp, x, _along(window, axis, x.shape)))
    return x


def _pool_average(xp: Any, x: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes) -> Any:
    if _over_channels(ksize, data_format):
        if any(k != 1 for k in spatial(ksize, data_format)):
            raise kernel_error("Non-spatial pooling is not yet supported.", errors.UnimplementedError)
        rows, k, s, layout = _as_spatial(xp, x, ksize, strides, data_format)
        y = _pool_average(xp, rows, k, s, padding, layout)
        last = channels_last(xp, x, data_format).shape[:-1]
        return as_format(xp, xp.reshape(y, (*last, -1)), data_format)
    x = channels_last(xp, x, data_format)
    window = _window(x.shape, ksize, strides, padding, data_format)
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    return as_format(xp, (_sum(xp, wide, window) / counts(window, wide.dtype)).astype(x.dtype), data_format)


def _pool_average_gradient(
    xp: Any, sizes: Any, dy: Any, ksize: Any, strides: Any, padding: bytes, data_format: bytes
) -> Any:
    sizes = [int(n) for n in sizes]
    dy = channels_last(xp, dy, data_format)
    shape = (sizes[0], *spatial(sizes, data_format), channels(sizes, data_format))
    if _over_channels(ksize, data_format):
        rows, k, s, layout = _as_spatial(xp, as_format(xp, dy, data_format), ksize, strides, data_format)
        dx = _pool_average_gradient(xp, [rows.shape[0], shape[-1], 1, 1], rows, k, s, padding, layout)
        return as_format(xp, xp.reshape(dx, shape), data_format)
    window = _window(shape, ksize, strides, padding, data_format)
    each = dy / counts(window, dy.dtype)
    if window.tiles_input:
        dx = _repeated(xp, each, window)
    elif not prod(shape) or not prod(window.output):
        dx = xp.zeros(shape, dy.dtype)
    elif prod(window.size) > MANY_TAPS:
        dx = _spread(xp, each, window)
    else:
        dx = overlap_add(xp, lambda i: each, window, shape[-1], dy.dtype)
    return as_format(xp, dx, data_format)


def _spread(xp: Any, each: Any, window: Window) -> Any:
    """`each` added to every element of its window: along one axis after the other, a sum of terms, not a product."""
    for axis in range(len(window.size)):
        along = _along(window, axis, (0, *window.input[: axis + 1], *window.output[axis + 1 :], 0))
        each = overlap_add(xp, ([each] * window.size[axis]).__getitem__, along, each.shape[-1], each.dtype)
    return each


@op("AvgPool")
def avg_pool_op(xp: Any, value: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    """The average of every window; padding does not count."""
    return _pool_average(xp, value, ksize, strides, padding, data_format)


@avg_pool_op.shape
def avg_pool_shape(value: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    return _shape(value, ksize, strides, padding, data_format, 4)


@op("AvgPoolGrad", static=("orig_input_shape",))
def avg_pool_grad_op(
    xp: Any, orig_input_shape: Any, grad: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any
) -> Any:
    """The gradient of AvgPool: each window's, in equal parts to its elements."""
    return _pool_average_gradient(xp, orig_input_shape, grad, ksize, strides, padding, data_format)


@avg_pool_grad_op.shape
def avg_pool_grad_shape(orig_input_shape: Any, grad: Any) -> Any:
    return (None,) * 4 if orig_input_shape is None else with_rank(tuple(orig_input_shape), 4)


@op("AvgPool3D")
def avg_pool3d_op(xp: Any, input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    """The average of every window, over three dimensions; padding does not count."""
    return _pool_average(xp, input, ksize, strides, padding, data_format)


@avg_pool3d_op.shape
def avg_pool3d_shape(input: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    return _shape(input, ksize, strides, padding, data_format, 5)


@op("AvgPool3DGrad", static=("orig_input_shape",))
def avg_pool3d_grad_op(
    xp: Any, orig_input_shape: Any, grad: Any, *, ksize: Any, strides: Any, padding: Any, data_format: Any
) -> Any:
    """The gradient of AvgPool3D: each window's, in equal parts to its elements."""
    return _pool_average_gradient(xp, orig_input_shape, grad, ksize, strides, padding, data_format)


@avg_pool3d_grad_op.shape
def avg_pool3d_grad_shape(orig_input_shape: Any, grad: Any) -> Any:
    return (None,) * 5 if orig_input_shape is None else with_rank(tuple(orig_input_shape), 5)


@avg_pool_op.gradient
def avg_pool_gradient(made: Any, grad: Tensor) -> Tensor:
    return avg_pool_grad_op(shape(made.inputs[0]), grad, **_same(made))


@avg_pool_grad_op.gradient
def avg_pool_grad_gradient(made: Any, grad: Tensor) -> Any:
    return stop_gradient(made.inputs[0]), avg_pool_op(grad, **_same(made))


@avg_pool3d_op.gradient
def avg_pool3d_gradient(made: Any, grad: Tensor) -> Tensor:
    return avg_pool3d_grad_op(shape(made.inputs[0]), grad, **_same(made))


@avg_pool3d_grad_op.gradient
def avg_pool3d_grad_gradient(made: Any, grad: Tensor) -> Any:
    return stop_gradient(made.inputs[0]), avg_pool3d_op(grad, **_same(made))


for _op in (
    max_pool_op,
    max_pool_grad_op,
    max_pool3d_op,
    avg_pool_op,
    avg_pool_grad_op,
    avg_pool3d_op,
    max_pool_with_argmax_op,
):
    _op.check(_check_batch)


# What programs call


def _arguments(ksize: Any, strides: Any, data_format: str, axes: int, axis: int | None = None) -> dict[str, Any]:
    axis = channel_axis(data_format, axes + 2) if axis is None else axis
    return {
        "ksize": per_axis(ksize, axes, axis, "ksize"),
        "strides": per_axis(strides, axes, axis, "strides"),
        "data_format": data_format,
    }


@public("nn.max_pool")
def max_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The maximum of every window of `ksize` over `value`, in steps of `strides`.

    Args:
        value: shape `[batch, height, width, channels]`, or `[batch, channels, height, width]` under "NCHW".
        ksize: the window: one number, `[height, width]`, or one for each axis of `value`.
        strides: as `ksize`.
        padding: "SAME" (the output has `ceil(size / stride)` elements) or "VALID".
        data_format: "NHWC" or "NCHW".
        name: the op's name.
        input: another name for `value`.
    """
    value = either("input", input, "value", value)
    with name_scope(name, "MaxPool", [value]) as scope:
        arguments = _arguments(ksize, strides, data_format or "NHWC", 2)
        if any(k == 0 for k in arguments["ksize"]):
            raise ValueError("ksize cannot be zero.")
        return max_pool_op(value, padding=padding, name=scope, **arguments)


@public("nn.max_pool2d")
def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NHWC", name: str | None = None
) -> Tensor:
    """`max_pool`."""
    with name_scope(name, "MaxPool2d", [input]) as scope:
        return max_pool_op(input, padding=padding, name=scope, **_arguments(ksize, strides, data_format or "NHWC", 2))


@public("nn.max_pool3d")
def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NDHWC", name: str | None = None
) -> Tensor:
    """The maximum of every window over three dimensions of `input`; arguments as of `max_pool`."""
    with name_scope(name, "MaxPool3D", [input]) as scope:
        return max_pool3d_op(
            input, padding=padding, name=scope, **_arguments(ksize, strides, data_format or "NDHWC", 3)
        )


@public("nn.max_pool1d")
def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NWC", name: str | None = None
) -> Tensor:
    """The maximum of every window over `input`, `[batch, width, channels]`; arguments as of `max_pool`."""
    return _pool1d(max_pool_op, "MaxPool1d", input, ksize, strides, padding, data_format, name)


def _pool1d(
    pool_op: Any, default_name: str, input: Any, ksize: Any, strides: Any, padding: str, data_format: Any, name: Any
) -> Tensor:
    with name_scope(name, default_name, [input]) as scope:
        data_format = data_format or "NWC"
        axis = 1 if data_format == "NWC" else 2
        channel = channel_axis(data_format, 3)
        ksize = [1, *per_axis(ksize, 1, channel, "ksize")]
        strides = [1, *per_axis(strides, 1, channel, "strides")]
        images = expand_dims(input, axis)
        result = pool_op(images, ksize, strides, padding, "NHWC" if data_format == "NWC" else "NCHW", scope)
        return squeeze(result, axis)


@public("nn.max_pool_v2")
def max_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """The maximum of every window over all axes of `input` between the first and the last: one, two or three."""
    return _pool_by_rank((max_pool1d, max_pool_op, max_pool3d_op), input, ksize, strides, padding, data_format, name)


@public("nn.avg_pool_v2")
def avg_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """The average of every window over all axes of `input` between the first and the last: one, two or three."""
    return _pool_by_rank((avg_pool1d, avg_pool_op, avg_pool3d_op), input, ksize, strides, padding, data_format, name)


def _pool_by_rank(
    pools: Any, input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None, name: str | None
) -> Tensor:
    axes = len(input.shape) - 2
    if not 1 <= axes <= 3:
        raise ValueError(f"Input tensor must be of rank 3, 4 or 5 but was {axes + 2}.")
    axis = channel_axis(data_format, axes + 2)
    ksize, strides = per_axis(ksize, axes, axis, "ksize"), per_axis(strides, axes, axis, "strides")
    return pools[axes - 1](input, ksize=ksize, strides=strides, padding=padding, data_format=data_format, name=name)


@public("nn.avg_pool", "nn.avg_pool2d")
def avg_pool(
    value: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """The average of every window of `ksize` over `value`; arguments as of `max_pool`.

    With "SAME", a window at the edge averages over what it holds, not over the padding.
    """
    with name_scope(name, "AvgPool", [value]) as scope:
        value = either("input", input, "value", value)
        return avg_pool_op(value, padding=padding, name=scope, **_arguments(ksize, strides, data_format or "NHWC", 2))


@public("nn.avg_pool1d")
def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NWC", name: str | None = None
) -> Tensor:
    """The average of every window over `input`, `[batch, width, channels]`; arguments as of `max_pool`."""
    return _pool1d(avg_pool_op, "AvgPool1D", input, ksize, strides, padding, data_format, name)


@public("nn.avg_pool3d")
def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str | None = "NDHWC", name: str | None = None
) -> Tensor:
    """The average of every window over three dimensions of `input`; arguments as of `max_pool`."""
    with name_scope(name, "AvgPool3D", [input]) as scope:
        return avg_pool3d_op(
            input, padding=padding, name=scope, **_arguments(ksize, strides, data_format or "NDHWC", 3)
        )


@public("nn.max_pool_with_argmax")
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> Any:
    """The maximum of every window, and where it is.

    Args:
        input: shape `[batch, height, width, channels]`.
        ksize: as `max_pool`'s, four numbers.
        strides: as `max_pool`'s, four numbers.
        padding: "SAME" or "VALID".
        data_format: "NHWC".
        Targmax: int64 (the default) or int32, the type of the indices.
        name: the op's name.
        output_dtype: another name for `Targmax`.
        include_batch_in_index: count indices through the whole batch rather than through one image.

    Returns:
        `output` and `argmax`, of one shape: an index is `(y * width + x) * channels + channel`.
    """
    if data_format != "NHWC":
        raise ValueError("Data formats other than 'NHWC' are not yet supported")
    kind = either("output_dtype", output_dtype, "Targmax", Targmax)
    return max_pool_with_argmax_op(
        input,
        ksize,
        strides,
        padding,
        Targmax=dtypes.int64 if kind is None else kind,
        include_batch_in_index=include_batch_in_index,
        name=name,
    )
