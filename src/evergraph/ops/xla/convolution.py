"""Convolutions for XLA, in the formulations that `lowerings.py` chooses between. Channels are last throughout."""

from __future__ import annotations

import string
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from evergraph.ops import lowerings
from evergraph.ops.lowerings import Convolution
from evergraph.ops.windows import Window, overlap_add, taps


def convolve(x: Any, w: Any, window: Window) -> Any:
    match lowerings.convolution_lowering("forward", _case(x.shape, w.shape, window)):
        case "dot":
            return _strided(x, window) @ w.reshape(w.shape[-2:])
        case _:
            return _xla(x, w, window)


def input_gradient(dy: Any, w: Any, shape: tuple[int, ...], window: Window) -> Any:
    match lowerings.convolution_lowering("input gradient", _case(shape, w.shape, window)):
        case "dot":
            return _unstrided(dy @ w.reshape(w.shape[-2:]).T, window)
        case "dot and overlap_add":
            columns = dy @ w.reshape(-1, w.shape[-1]).T
            columns = columns.reshape(*dy.shape[:-1], prod(window.size), shape[-1])
            return overlap_add(jnp, lambda i: columns[..., i, :], window, shape[-1], dy.dtype)
        case _:
            return jax.linear_transpose(lambda x: _xla(x, w, window), jax.ShapeDtypeStruct(shape, dy.dtype))(dy)[0]


def filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
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
        rows = jnp.concatenate(list(taps(jnp, x, window)), -1)
        return _product(dy.reshape(-1, dy.shape[-1]), rows.reshape(-1, rows.shape[-1]))

    if steps == 1:
        total = one(x, dy)
    else:
        zero = jnp.zeros((shape[-1], prod(shape[:-1])), _sum_type(x.dtype))
        total, _ = lax.scan(lambda sum, pair: (sum + one(*pair), None), zero, (in_steps(x), in_steps(dy)))
    return total.T.astype(x.dtype).reshape(shape)


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
