"""Convolutions in NumPy: im2col and a product. What runs interpreted, and what the XLA formulations are tested against.

Channels last: (batch, *spatial, channels). A few images at a time, so that the laid out windows stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from evergraph.ops.windows import Window, overlap_add, padded, taps

ELEMENTS_A_PRODUCT = 1 << 20


def convolve(x: Any, w: Any, window: Window) -> Any:
    groups = x.shape[-1] // max(w.shape[-2], 1)
    if groups > 1:
        parts = zip(np.split(x, groups, -1), np.split(w, groups, -1), strict=True)
        return np.concatenate([convolve(a, b, window) for a, b in parts], -1)
    dtype, (x, w) = x.dtype, _wide(x, w)
    if not w.size:
        return np.zeros((x.shape[0], *window.output, w.shape[-1]), dtype)
    y = np.empty((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    matrix = w.reshape(-1, w.shape[-1])
    for images in _chunks(x, window):
        y[images] = (_rows(x[images], window) @ matrix).reshape(y[images].shape)
    return y.astype(dtype, copy=False)


def input_gradient(dy: Any, w: Any, shape: tuple[int, ...], window: Window) -> Any:
    depth = w.shape[-2]
    groups = shape[-1] // max(depth, 1)
    if groups > 1:
        parts = zip(np.split(dy, groups, -1), np.split(w, groups, -1), strict=True)
        return np.concatenate([input_gradient(a, b, (*shape[:-1], depth), window) for a, b in parts], -1)
    dtype, (dy, w) = dy.dtype, _wide(dy, w)
    if not w.size:
        return np.zeros(shape, dtype)
    dx = np.empty(shape, dy.dtype)
    matrix = np.ascontiguousarray(w.reshape(-1, w.shape[-1]).T)
    for images in _chunks(dx, window):
        d = dy[images]
        columns = (d.reshape(-1, d.shape[-1]) @ matrix).reshape(*d.shape[:-1], prod(window.size), depth)
        by_tap = np.moveaxis(columns, -2, 0)
        dx[images] = overlap_add(np, by_tap.__getitem__, window, depth, dy.dtype)
    return dx.astype(dtype, copy=False)


def filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
    groups = x.shape[-1] // max(shape[-2], 1)
    if groups > 1:
        each = (*shape[:-1], shape[-1] // groups)
        parts = zip(np.split(x, groups, -1), np.split(dy, groups, -1), strict=True)
        return np.concatenate([filter_gradient(a, b, each, window) for a, b in parts], -1)
    dtype, (x, dy) = x.dtype, _wide(x, dy)
    total = np.zeros((prod(shape[:-1]), shape[-1]), x.dtype)
    if not total.size:
        return total.astype(dtype, copy=False).reshape(shape)
    for images in _chunks(x, window):
        total += _rows(x[images], window).T @ dy[images].reshape(-1, dy.shape[-1])
    return total.astype(dtype, copy=False).reshape(shape)


def depthwise(x: Any, w: Any, window: Window) -> Any:
    depth, multiplier = w.shape[-2:]
    dtype, (x, w) = x.dtype, _wide(x, w)
    y = np.zeros((x.shape[0], *window.output, depth, multiplier), x.dtype)
    for t, v in zip(taps(np, x, window), w.reshape(-1, depth, multiplier), strict=True):
        y += t[..., None] * v
    return y.astype(dtype, copy=False).reshape(*y.shape[:-2], depth * multiplier)


def depthwise_input_gradient(dy: Any, w: Any, shape: tuple[int, ...], window: Window) -> Any:
    depth, multiplier = w.shape[-2:]
    dtype, (dy, w) = dy.dtype, _wide(dy, w)
    dy = dy.reshape(*dy.shape[:-1], depth, multiplier)
    w = w.reshape(-1, depth, multiplier)
    return overlap_add(np, lambda i: (dy * w[i]).sum(-1), window, depth, dy.dtype).astype(dtype, copy=False)


def depthwise_filter_gradient(x: Any, dy: Any, shape: tuple[int, ...], window: Window) -> Any:
    dtype, (x, dy) = x.dtype, _wide(x, dy)
    dy = dy.reshape(-1, *shape[-2:])
    parts = [np.einsum("nc,ncm->cm", t.reshape(-1, shape[-2]), dy) for t in taps(np, x, window)]
    return np.stack(parts).astype(dtype, copy=False).reshape(shape)


def _chunks(x: Any, window: Window) -> Iterator[slice]:
    an_image = prod(window.output) * prod(window.size) * x.shape[-1]
    images = max(1, ELEMENTS_A_PRODUCT // max(an_image, 1))
    for start in range(0, x.shape[0], images):
        yield slice(start, start + images)


def _rows(x: Any, window: Window) -> Any:
    """im2col: one row a window, its elements in the filter's order."""
    if window.is_pointwise:
        return x[window.slices[0]].reshape(-1, x.shape[-1])
    x = padded(np, x, window)
    batch, *along, depth = x.strides
    moves = [a * s for a, s in zip(along, window.stride, strict=True)]
    inside = [a * d for a, d in zip(along, window.dilation, strict=True)]
    shape = (x.shape[0], *window.output, *window.size, x.shape[-1])
    windows = as_strided(x, shape, (batch, *moves, *inside, depth), writeable=False)
    return windows.reshape(x.shape[0] * prod(window.output), -1)


def _wide(*arrays: Any) -> tuple[Any, ...]:
    """16-bit floats as float32: NumPy multiplies those a hundred times slower."""
    return tuple(a.astype(np.float32) if a.dtype.itemsize == 2 else a for a in arrays)
