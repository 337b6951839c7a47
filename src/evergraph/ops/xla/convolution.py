"""Convolutions for XLA, in the formulations that `lowerings.py` chooses between. Channels are last throughout."""

from __future__ import annotations

import string
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from evergraph.ops import lowerings
from evergraph.ops.lowerings import Convolution
from evergraph.ops.windows import Window, overlap_add, padded, taps

MOST_PARTS = 32


def convolve(x: Any, w: Any, window: Window) -> Any:
    if (narrow := _without_covered_axes(w.shape, x.shape, window)) is not None:
        return convolve(x.reshape(narrow.x), w.reshape(narrow.w), narrow.window)
    case = _case(x.shape, w.shape, window)
    match lowerings.convolution_lowering("forward", case):
        case "dot":
            return _strided(x, window) @ w.reshape(w.shape[-2:])
        case "side by side":
            return _side_by_side(x, w, window, case.strips())
        case "side by side, shifted":
            return _shifted_side_by_side(x, w, window, case.strips())
        case _:
            return _xla(x, w, window)


def input_gradient(dy: Any, w: Any, shape: tuple[int, ...], window: Window) -> Any:
    if (narrow := _without_covered_axes(w.shape, shape, window)) is not None:
        return input_gradient(dy, w.reshape(narrow.w), narrow.x, narrow.window).reshape(shape)
    case = _case(shape, w.shape, window)
    match lowerings.convolution_lowering("input gradient", case):
        case "dot":
            return _unstrided(dy @ w.reshape(w.shape[-2:]).T, window)
        case "dot and overlap_add":
            columns = dy @ w.reshape(-1, w.shape[-1]).T
            columns = columns.reshape(*dy.shape[:-1], prod(window.size), shape[-1])
            return overlap_add(jnp, lambda i: columns[..., i, :], window, shape[-1], dy.dtype)
        case "side by side":
            assert case.transposed is not None
            turned = w[::-1, ::-1].swapaxes(-1, -2)
            return _side_by_side(dy, turned, case.transposed.window, case.transposed.strips())
        case _:
            return jax.linear_transpose(lambda x: _xla(x, w, window), jax.ShapeDtypeStruct(shape, dy.dtype))(dy)[0]


def filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
    if (narrow := _without_covered_axes(shape, x.shape, window)) is not None:
        return filter_gradient(x.reshape(narrow.x), dy, narrow.w, narrow.window).reshape(shape)
    case = _case(x.shape, shape, window)
    match lowerings.convolution_lowering("filter gradient", case):
        case "dot":
            rows = _strided(x, window).reshape(-1, x.shape[-1])
            return _product(dy.reshape(-1, dy.shape[-1]), rows).T.astype(x.dtype).reshape(shape)
        case "im2col and dot, scanned":
            return _scanned_filter_gradient(x, dy, shape, window, lowerings.images_a_step(case))
        case "xla image by image":
            images = [_xla_filter_gradient(x[i : i + 1], dy[i : i + 1], shape, window) for i in range(x.shape[0])]
            return sum(images[1:], images[0])
        case _:
            return _xla_filter_gradient(x, dy, shape, window)


def depthwise(x: Any, w: Any, window: Window) -> Any:
    if lowerings.depthwise_lowering() == "taps":
        return _depthwise_taps(x, w, window)
    return _depthwise_xla(x, w, window)


def depthwise_input_gradient(dy: Any, w: Any, shape: tuple[int, ...], window: Window) -> Any:
    form = _depthwise_taps if lowerings.depthwise_lowering() == "taps" else _depthwise_xla
    return jax.linear_transpose(lambda x: form(x, w, window), jax.ShapeDtypeStruct(shape, dy.dtype))(dy)[0]


def depthwise_filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
    if lowerings.depthwise_lowering() == "taps":
        multiplier = shape[-1]
        dy = dy.reshape(*dy.shape[:-1], -1, multiplier)
        axes = tuple(range(dy.ndim - 2))
        return jnp.stack([(t[..., None] * dy).sum(axes) for t in taps(jnp, x, window)]).reshape(shape)
    example = jax.ShapeDtypeStruct(shape, x.dtype)
    return jax.linear_transpose(lambda w: _depthwise_xla(x, w, window), example)(dy)[0]


class _Narrow(NamedTuple):
    x: tuple[int, ...]
    w: tuple[int, ...]
    window: Window


def _without_covered_axes(w: tuple[int, ...], x: tuple[int, ...], window: Window) -> _Narrow | None:
    """The same convolution with the last axes that the window covers as a whole made channels; None if there are none.

    Words of a text are rows of numbers, and windows go over some rows and all of their numbers: x (images, rows, 64, 1)
    and w (3, 64, 1, filters) are (images, rows, 1, 64) and (3, 1, 64, filters).
    """
    if x[-1] != w[-2]:  # groups of channels
        return None
    first = last = len(window.size)
    depth = x[-1]
    while first and not any(window.padding[first - 1]) and window.size[first - 1] == window.input[first - 1]:
        first -= 1
        depth *= window.size[first]
    if depth == x[-1]:
        return None
    ones, zeros = (1,) * (last - first), (0,) * (last - first)
    narrow = Window(
        window.input[:first] + ones, window.size[:first] + ones, window.stride[:first] + ones,
        window.dilation[:first] + ones, window.before[:first] + zeros, window.after[:first] + zeros,
        window.output[:first] + ones,
    )  # fmt: skip
    return _Narrow((*x[: first + 1], *ones, depth), (*w[:first], *ones, depth, w[-1]), narrow)


def _case(x: tuple[int, ...], w: tuple[int, ...], window: Window) -> Convolution:
    return Convolution(window, x[0], x[-1], w[-1], x[-1] // max(w[-2], 1))


def _xla(x: Any, w: Any, window: Window, groups: int | None = None) -> Any:
    axes = string.digits[: len(window.size)]
    return lax.conv_general_dilated(
        x,
        w,
        window.stride,
        window.padding,
        rhs_dilation=window.dilation,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        feature_group_count=x.shape[-1] // max(w.shape[-2], 1) if groups is None else groups,
    )


def _side_by_side(x: Any, w: Any, window: Window, strips: int) -> Any:
    """A convolution of one wide image: all images, each cut into strips of rows, next to each other.

        image 0 | image 1      ->     strip 0 of image 0 | of image 1 | strip 1 of image 0 | of image 1

    XLA:CPU shares out the positions of one row of the output among the cores, and such a row is long enough for that.
    Each strip takes the rows along that its last windows reach into, and is as wide as a multiple of the stride, so
    that every window starts within one image; where windows reach into the next one, nobody looks.
    """
    images, channels = x.shape[0], x.shape[-1]
    (down, across), (rows, columns) = window.stride, window.output
    reach_down, reach_across = ((k - 1) * d + 1 for k, d in zip(window.size, window.dilation, strict=True))
    strip_rows = -(-rows // strips)
    height = (strip_rows - 1) * down + reach_down
    width = -(-window.covered[1] // across) * across
    whole_height = (strip_rows * strips - 1) * down + reach_down
    edges = [
        (low, whole - size - low, 0)
        for low, whole, size in zip(window.before, (whole_height, width), window.input, strict=True)
    ]
    x = lax.pad(x, np.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    if strips > 1:
        starts = range(0, strips * strip_rows * down, strip_rows * down)
        x = jnp.stack([x[:, i : i + height] for i in starts])
        x = x.transpose(2, 0, 1, 3, 4)
    else:
        x = x.transpose(1, 0, 2, 3)
    y = lax.conv_general_dilated(
        x.reshape(1, height, strips * images * width, channels),
        w,
        window.stride,
        ((0, 0), (0, max(reach_across - across, 0))),
        rhs_dilation=window.dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    y = y.reshape(strip_rows, strips, images, width // across, w.shape[-1])[:, :, :, :columns]
    return y.transpose(2, 1, 0, 3, 4).reshape(images, strips * strip_rows, columns, w.shape[-1])[:, :rows]


def _shifted_side_by_side(x: Any, w: Any, window: Window, strips: int) -> Any:
    """The same for few channels: what a row of the window sees is laid out as channels, which makes longer dots."""
    across, columns = window.stride[1], window.output[1]
    left = window.before[1]
    x = lax.pad(
        x,
        np.zeros((), x.dtype),
        ((0, 0, 0), (0, 0, 0), (left, window.covered[1] - window.input[1] - left, 0), (0, 0, 0)),
    )
    starts = range(0, window.size[1] * window.dilation[1], window.dilation[1])
    x = jnp.concatenate([x[:, :, i : i + (columns - 1) * across + 1 : across] for i in starts], -1)
    tall = Window(
        (window.input[0], columns), (window.size[0], 1), (window.stride[0], 1), (window.dilation[0], 1),
        (window.before[0], 0), (window.after[0], 0), window.output,
    )  # fmt: skip
    return _side_by_side(x, w.reshape(window.size[0], 1, -1, w.shape[-1]), tall, strips)


def _xla_filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
    return jax.linear_transpose(lambda w: _xla(x, w, window), jax.ShapeDtypeStruct(shape, x.dtype))(dy)[0]


def _scanned_filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window, images: int) -> Any:
    """A few images at a time: lay out the windows as rows (im2col), multiply by the gradient, add up."""
    steps = -(-x.shape[0] // images)

    def in_steps(t: Any) -> Any:
        missing = steps * images - t.shape[0]
        if missing:
            t = jnp.concatenate([t, jnp.zeros((missing, *t.shape[1:]), t.dtype)])
        return t.reshape(steps, images, *t.shape[1:])

    def one(x: Any, dy: Any) -> Any:
        rows = _windows_as_channels(x, window)
        return _product(dy.reshape(-1, dy.shape[-1]), rows.reshape(-1, rows.shape[-1]))

    if steps == 1:
        total = one(x, dy)
    else:
        zero = jnp.zeros((shape[-1], prod(shape[:-1])), _sum_type(x.dtype))
        total, _ = lax.scan(lambda sum, pair: (sum + one(*pair), None), zero, (in_steps(x), in_steps(dy)))
    return total.T.astype(x.dtype).reshape(shape)


def _windows_as_channels(x: Any, window: Window) -> Any:
    """im2col: what a window sees, in the order of its taps. XLA takes long over a concatenation of many parts, so large
    windows are laid out along one axis after the other."""
    if prod(window.size) <= MOST_PARTS:
        return jnp.concatenate(list(taps(jnp, x, window)), -1)
    x = padded(jnp, x, window)
    for axis in reversed(range(len(window.size))):
        starts = range(0, window.size[axis] * window.dilation[axis], window.dilation[axis])
        reach = (window.output[axis] - 1) * window.stride[axis] + 1
        parts = [lax.slice_in_dim(x, i, i + reach, window.stride[axis], axis + 1) for i in starts]
        x = jnp.concatenate(parts, -1)
    return x


def _product(dy: Any, rows: Any) -> Any:
    """dy^T @ rows: this way round, and transposed at the end, is the faster one."""
    return jnp.matmul(dy.T, rows, preferred_element_type=_sum_type(rows.dtype))


def _sum_type(dtype: Any) -> Any:
    return (
        np.promote_types(dtype, np.float32) if dtype in (np.float16, np.float32, np.float64) else np.dtype(np.float32)
    )


def _strided(x: Any, window: Window) -> Any:
    """What a pointwise window sees."""
    return x[window.slices[0]]


def _unstrided(d: Any, window: Window) -> Any:
    edges = [
        (0, n - ((o - 1) * s + 1), s - 1) for n, o, s in zip(window.input, window.output, window.stride, strict=True)
    ]
    return lax.pad(d, np.zeros((), d.dtype), ((0, 0, 0), *edges, (0, 0, 0)))


def _depthwise_taps(x: Any, w: Any, window: Window) -> Any:
    depth, multiplier = w.shape[-2:]
    w = w.reshape(-1, depth, multiplier)
    if multiplier == 1:
        return sum(t * w[i, :, 0] for i, t in enumerate(taps(jnp, x, window)))
    y: Any = sum(t[..., None] * w[i] for i, t in enumerate(taps(jnp, x, window)))
    return y.reshape(*y.shape[:-2], depth * multiplier)


def _depthwise_xla(x: Any, w: Any, window: Window) -> Any:
    return _xla(x, w.reshape(*w.shape[:-2], 1, -1), window, groups=x.shape[-1])
