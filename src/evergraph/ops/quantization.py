"""Fake quantization: floats rounded to the few values that an integer of some bits would stand for.

The range [min, max] is moved a little ("nudged") so that 0 is one of the values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, merge, merge_dim, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op, unchanged_shape

_F = np.float32


def _nudged(xp: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """The nudged range and the distance of neighbouring values in it."""
    first, last = _F(narrow_range), _F(2**num_bits - 1)
    low, high = xp.asarray(low, np.float32), xp.asarray(high, np.float32)
    step = (high - low) / (last - first)
    zero = first - low / step
    zero = xp.clip(xp.floor(zero + _F(0.5)), first, last)
    return (first - zero) * step, (last - zero) * step, step


def _rounded(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> Any:
    with np.errstate(all="ignore"):
        bottom, top, step = _nudged(xp, low, high, num_bits, narrow_range)
        zero = xp.trunc(-bottom / step + _F(0.5))
        shifted = xp.clip(x, bottom, top) - bottom
        rounded = (xp.floor(shifted / step + _F(0.5)) - zero) * step
        return xp.where((low == 0) & (high == 0), _F(0), rounded)


def _gradients(xp: Any, grad: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool, axes: Any) -> Any:
    """Of the gradient, what belongs to `x` (inside the range), to the lower end, and to the upper end."""
    with np.errstate(all="ignore"):
        bottom, top, _ = _nudged(xp, low, high, num_bits, narrow_range)
    empty = (low == 0) & (high == 0)
    inside, none = empty | ((x >= bottom) & (x <= top)), _F(0)
    below, above = ~empty & (x < bottom), ~empty & (x > top)
    parts = (xp.where(where, grad, none) for where in (inside, below, above))
    of_x, of_low, of_high = parts
    return of_x, xp.sum(of_low, axis=axes), xp.sum(of_high, axis=axes)


@op("FakeQuantWithMinMaxArgs", shape=unchanged_shape)
def fake_quant_with_min_max_args(
    xp: Any, inputs: Any, *, min: float, max: float, num_bits: int, narrow_range: bool
) -> Any:
    """The nearest of the `2 ** num_bits` values spread over a fixed range."""
    return _rounded(xp, inputs, _F(min), _F(max), num_bits, narrow_range)


@fake_quant_with_min_max_args.gradient
def fake_quant_with_min_max_args_grad(made: Any, grad: Tensor) -> Tensor:
    attrs = {n: made.attrs[n] for n in ("min", "max", "num_bits", "narrow_range")}
    return fake_quant_with_min_max_args_gradient(grad, made.inputs[0], **attrs)


@op("FakeQuantWithMinMaxArgsGradient", shape=unchanged_shape)
def fake_quant_with_min_max_args_gradient(
    xp: Any, gradients: Any, inputs: Any, *, min: float, max: float, num_bits: int, narrow_range: bool
) -> Any:
    """The gradient of FakeQuantWithMinMaxArgs: that of the identity inside the range, none outside."""
    return _gradients(xp, gradients, inputs, _F(min), _F(max), num_bits, narrow_range, None)[0]


@op("FakeQuantWithMinMaxVars")
def fake_quant_with_min_max_vars(xp: Any, inputs: Any, min: Any, max: Any, *, num_bits: int, narrow_range: bool) -> Any:
    """The nearest of the `2 ** num_bits` values spread over a range that may be trained."""
    return _rounded(xp, inputs, min, max, num_bits, narrow_range)


@fake_quant_with_min_max_vars.shape
def fake_quant_with_min_max_vars_shape(inputs: Any, min: Any, max: Any) -> Any:
    with_rank(min, 0)
    with_rank(max, 0)
    return inputs


@fake_quant_with_min_max_vars.gradient
def fake_quant_with_min_max_vars_grad(made: Any, grad: Tensor) -> list[Any]:
    attrs = {n: made.attrs[n] for n in ("num_bits", "narrow_range")}
    return list(fake_quant_with_min_max_vars_gradient(grad, *made.inputs, **attrs))


@op("FakeQuantWithMinMaxVarsGradient")
def fake_quant_with_min_max_vars_gradient(
    xp: Any, gradients: Any, inputs: Any, min: Any, max: Any, *, num_bits: int, narrow_range: bool
) -> Any:
    """The gradients of FakeQuantWithMinMaxVars: what lies outside the range moves its ends."""
    return _gradients(xp, gradients, inputs, min, max, num_bits, narrow_range, None)


@fake_quant_with_min_max_vars_gradient.shape
def fake_quant_with_min_max_vars_gradient_shape(gradients: Any, inputs: Any, min: Any, max: Any) -> Any:
    merge(with_rank(min, 0), with_rank(max, 0))
    return [merge(gradients, inputs), (), ()]


@op("FakeQuantWithMinMaxVarsPerChannel")
def fake_quant_with_min_max_vars_per_channel(
    xp: Any, inputs: Any, min: Any, max: Any, *, num_bits: int, narrow_range: bool
) -> Any:
    """As FakeQuantWithMinMaxVars, with a range for each place of the last dimension."""
    return _rounded(xp, inputs, min, max, num_bits, narrow_range)


def _per_channel(inputs: Any, min: Any, max: Any) -> tuple[Any, Any]:
    channels = merge_dim(with_rank(min, 1)[0], with_rank(max, 1)[0])
    with_rank_at_least(inputs, 1)
    if inputs is None:
        return None, channels
    try:
        channels = merge_dim(inputs[-1], channels)
    except ShapeError:
        raise ShapeError(f"Dimensions must be equal, but are {inputs[-1]} and {channels}") from None
    return (*inputs[:-1], channels), channels


@fake_quant_with_min_max_vars_per_channel.shape
def fake_quant_per_channel_shape(inputs: Any, min: Any, max: Any) -> Any:
    return _per_channel(inputs, min, max)[0]


@fake_quant_with_min_max_vars_per_channel.gradient
def fake_quant_per_channel_grad(made: Any, grad: Tensor) -> list[Any]:
    attrs = {n: made.attrs[n] for n in ("num_bits", "narrow_range")}
    return list(fake_quant_with_min_max_vars_per_channel_gradient(grad, *made.inputs, **attrs))


@op("FakeQuantWithMinMaxVarsPerChannelGradient")
def fake_quant_with_min_max_vars_per_channel_gradient(
    xp: Any, gradients: Any, inputs: Any, min: Any, max: Any, *, num_bits: int, narrow_range: bool
) -> Any:
    """The gradients of FakeQuantWithMinMaxVarsPerChannel."""
    axes = tuple(range(len(inputs.shape) - 1))
    return _gradients(xp, gradients, inputs, min, max, num_bits, narrow_range, axes)


@fake_quant_with_min_max_vars_per_channel_gradient.shape
def fake_quant_per_channel_gradient_shape(gradients: Any, inputs: Any, min: Any, max: Any) -> Any:
    whole, channels = _per_channel(merge(gradients, inputs), min, max)
    return [whole, (channels,), (channels,)]


for _op in (
    fake_quant_with_min_max_args,
    fake_quant_with_min_max_args_gradient,
    fake_quant_with_min_max_vars,
    fake_quant_with_min_max_vars_gradient,
    fake_quant_with_min_max_vars_per_channel,
    fake_quant_with_min_max_vars_per_channel_gradient,
):
    public(_op.__name__, f"quantization.{_op.__name__}")(_op)  # type: ignore[arg-type]  # an op has a name
