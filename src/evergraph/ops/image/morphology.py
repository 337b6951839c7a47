"""Grayscale dilation and erosion: the largest sum, or the smallest difference, of a window and a filter."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.windows import Window, output_sizes, overlap_add, sliding, taps


def _window(x: Any, w: Any, strides: Any, rates: Any, padding: bytes) -> Window:
    for name, values in (("Stride", strides), ("Rate", rates)):
        if values[0] != 1 or values[3] != 1:
            kind = errors.UnimplementedError
            raise kernel_error(f"{name} is only supported across spatial dimensions, but is {list(values)}.", kind)
    if x.ndim != 4:
        raise kernel_error(f"input must be 4-dimensional, but has shape {list(x.shape)}")
    if w.ndim != 3:
        raise kernel_error(f"filter must be 3-dimensional, but has shape {list(w.shape)}")
    if x.shape[3] != w.shape[2]:
        raise kernel_error(f"input and filter must have the same depth: {x.shape[3]} vs {w.shape[2]}")
    try:
        return sliding(x.shape[1:3], w.shape[:2], tuple(strides[1:3]), tuple(rates[1:3]), padding)
    except ShapeError as error:
        raise kernel_error(str(error)) from None


def _lowest(dtype: Any) -> Any:
    return np.iinfo(dtype).min if np.dtype(dtype).kind in "iu" else np.finfo(dtype).min


def _sums(xp: Any, x: Any, w: Any, window: Window) -> list[Any]:
    """For each element of the window, what it sees plus the filter there; the lowest number where it sees padding."""
    flat = w.reshape(-1, w.shape[2])
    if not window.is_padded:
        return [view + flat[i] for i, view in enumerate(taps(xp, x, window))]
    lowest = np.asarray(_lowest(x.dtype), x.dtype)
    seen = taps(np, np.ones((1, *window.input, 1), bool), window, False)
    return [xp.where(where, view + flat[i], lowest) for i, (view, where) in enumerate(zip(taps(xp, x, window), seen))]


def _largest(xp: Any, sums: list[Any]) -> tuple[Any, Any]:
    """The largest of the sums, and the first element of the window that has it."""
    best, winner = sums[0], xp.zeros(sums[0].shape, np.int32)
    for i, value in enumerate(sums[1:], 1):
        is_larger = value > best
        best, winner = xp.where(is_larger, value, best), xp.where(is_larger, np.int32(i), winner)
    return best, winner


def _dilated_shape(input: Any, filter: Any, *, strides: Any, rates: Any, padding: bytes) -> Any:
    x, w = with_rank(input, 4), with_rank(filter, 3)
    for name, values in (("strides", strides), ("rates", rates)):
        if len(values) != 4:
            raise ShapeError(f"Dilation2D requires the {name} attribute to contain 4 values, but got: {len(values)}")
    if None in (*x[1:3], *w[:2]):
        return (x[0], None, None, w[2])
    depth = merge_dim(x[3], w[2])
    return (x[0], *output_sizes(x[1:3], w[:2], strides[1:3], rates[1:3], padding), depth)


@op("Dilation2D", shape=_dilated_shape)
def dilation2d_op(xp: Any, input: Any, filter: Any, *, strides: Any, rates: Any, padding: bytes) -> Any:
    """The largest sum of image and filter in each window."""
    window = _window(input, filter, strides, rates, padding)
    if not input.size or 0 in window.output:
        return xp.zeros((input.shape[0], *window.output, input.shape[3]), input.dtype)
    return _largest(xp, _sums(xp, input, filter, window))[0]


def _check_gradient(x: Any, dy: Any, window: Window) -> None:
    wanted = (x.shape[0], *window.output, x.shape[3])
    if dy.shape != wanted:
        raise kernel_error(f"out_backprop has incompatible size: {list(dy.shape)} instead of {list(wanted)}")


def _grad_shape_of_input(input: Any, filter: Any, out_backprop: Any) -> Any:
    return input


def _grad_shape_of_filter(input: Any, filter: Any, out_backprop: Any) -> Any:
    return filter


@op("Dilation2DBackpropInput", shape=_grad_shape_of_input)
def dilation2d_backprop_input_op(
    xp: Any, input: Any, filter: Any, out_backprop: Any, *, strides: Any, rates: Any, padding: bytes
) -> Any:
    """The gradient of Dilation2D by its image: it goes to the first element of a window that has the largest sum."""
    window = _window(input, filter, strides, rates, padding)
    _check_gradient(input, out_backprop, window)
    if not input.size or not out_backprop.size:
        return xp.zeros(input.shape, input.dtype)
    _, winner = _largest(xp, _sums(xp, input, filter, window))
    zero = np.zeros((), input.dtype)
    return overlap_add(
        xp, lambda i: xp.where(winner == i, out_backprop, zero), window, input.shape[3], out_backprop.dtype
    )


@op("Dilation2DBackpropFilter", shape=_grad_shape_of_filter)
def dilation2d_backprop_filter_op(
    xp: Any, input: Any, filter: Any, out_backprop: Any, *, strides: Any, rates: Any, padding: bytes
) -> Any:
    """The gradient of Dilation2D by its filter."""
    window = _window(input, filter, strides, rates, padding)
    _check_gradient(input, out_backprop, window)
    if not input.size or not out_backprop.size:
        return xp.zeros(filter.shape, filter.dtype)
    _, winner = _largest(xp, _sums(xp, input, filter, window))
    zero = np.zeros((), input.dtype)
    parts = [
        xp.where(winner == i, out_backprop, zero).sum(axis=(0, 1, 2), dtype=filter.dtype)
        for i in range(len(window.positions))
    ]
    return xp.stack(parts).reshape(filter.shape)


@dilation2d_op.gradient
def dilation2d_grad(made: Any, grad: Tensor) -> list[Tensor]:
    attrs = {name: made.attrs[name] for name in ("strides", "rates", "padding")}
    x, w = made.inputs
    return [dilation2d_backprop_input_op(x, w, grad, **attrs), dilation2d_backprop_filter_op(x, w, grad, **attrs)]


@public("nn.dilation2d")
def dilation2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Dilate images: in each window, the largest sum of image and filter.

    Args:
        input: any real type, shape `[batch, height, width, channels]`.
        filter: the same type, shape `[rows, columns, channels]`.
        strides: how far apart windows are: `[1, rows, columns, 1]`.
        rates: how far apart the elements of a window are: `[1, rows, columns, 1]`.
        padding: "VALID" or "SAME".
        name: the op's name.
        filters: the new name of `filter`.
        dilations: the new name of `rates`.
    """
    filter = either("filters", filters, "filter", filter)
    rates = either("dilations", dilations, "rates", rates)
    return dilation2d_op(input, filter, strides, rates, padding, name)


@public("nn.erosion2d")
def erosion2d(value: Any, kernel: Any, strides: Any, rates: Any, padding: Any, name: str | None = None) -> Tensor:
    """Erode images: in each window, the smallest difference of image and kernel; arguments as of `dilation2d`."""
    with name_scope(name, "erosion2d", [value, kernel]) as scope:
        negative, flipped = math.negative(value), array.reverse(kernel, [0, 1])
        return math.negative(dilation2d_op(negative, flipped, strides, rates, padding, name=scope))
