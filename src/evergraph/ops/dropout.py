"""Dropout."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import math, random
from evergraph.ops.opdef import constant_value
from evergraph.ops.shaping import shape

_log = logging.getLogger("tensorflow")
_warned: list[float] = []


@public("nn.dropout")
def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """Set elements of `x` to zero at random, and scale the others up so that the sum is the same on average.

    Args:
        x: floats.
        keep_prob: the probability to keep an element: `1 - rate`.
        noise_shape: the shape of the choices, broadcast against `x`: elements that share one live or die together.
        seed: as of `random_uniform`.
        name: the name scope.
        rate: the probability to drop an element, a number or scalar tensor.

    Raises:
        ValueError: if both or neither of `keep_prob` and `rate` are given, or a number is not in `[0, 1)`.
    """
    try:
        drop = None if keep_prob is None else 1.0 - keep_prob
    except TypeError:
        raise ValueError(f"keep_prob must be a floating point number or Tensor (got {keep_prob!r})") from None
    if rate is not None and drop is not None:
        raise ValueError("Cannot specify both 'rate' and 'keep_prob'")
    rate = drop if rate is None else rate
    if rate is None:
        raise ValueError("You must provide a rate to dropout.")
    return _dropped(x, rate, noise_shape, seed, name)


def _dropped(x: Any, rate: Any, noise_shape: Any, seed: int | None, name: str | None) -> Tensor:
    with name_scope(name, "dropout", [x]):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_floating:
            raise ValueError(
                f"x has to be a floating point tensor since it's going to be scaled. Got a {x.dtype} tensor instead."
            )
        if isinstance(rate, float | int | np.number):
            if not 0 <= rate < 1:
                raise ValueError(f"rate must be a scalar tensor or a float in the range [0, 1), got {rate:g}")
            if rate > 0.5 and len(_warned) < 5:
                _warned.append(float(rate))
                _log.warning("dropout: the rate of %g drops more than half; is it a probability to keep?", rate)
            if rate == 0:
                return x
        rate = convert_to_tensor(rate, dtype=x.dtype, name="rate")
        rate.shape.assert_has_rank(0)
        if constant_value(rate) == 0:
            return x
        drawn = random.random_uniform(_noise_shape(x, noise_shape), seed=seed, dtype=x.dtype)
        keep = 1 - rate
        scale = 1 / keep
        kept = drawn >= rate
        result = x * scale * math.cast(kept, x.dtype)
        result.set_shape(x.static_shape)
        return result


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    """The shape of the choices; an unknown size in it is that of `x`."""
    if noise_shape is None:
        return shape(x)
    try:
        sizes = shapes.static_shape(noise_shape)
    except (TypeError, ValueError):
        return noise_shape
    if x.static_shape is not None and sizes is not None and len(x.static_shape) == len(sizes):
        return shapes.TensorShape([own if n is None else n for n, own in zip(sizes, x.static_shape, strict=True)])
    return noise_shape
