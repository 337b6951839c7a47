"""Initializers that keep the scale of signals through layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from evergraph.contrib.layer_toolkit.names import both
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.ops.random import random_uniform, truncated_normal


@public(*both("variance_scaling_initializer", "initializers.variance_scaling_initializer"))
def variance_scaling_initializer(
    factor: float = 2.0, mode: str = "FAN_IN", uniform: bool = False, seed: Any = None, dtype: Any = dtypes.float32
) -> Callable[..., Any]:
    """Random numbers of variance `factor / n`.

    Args:
        factor: positive.
        mode: what `n` is: "FAN_IN" (inputs of a unit), "FAN_OUT" (its outputs) or "FAN_AVG" (their mean).
        uniform: whether they are uniform, or normal and drawn again beyond two deviations.
        seed: a seed of the op's own.
        dtype: a floating type.

    Raises:
        TypeError: for another mode or type.
    """
    if not dtypes.as_dtype(dtype).is_floating:
        raise TypeError("Cannot create initializer for non-floating point type.")
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG"):
        raise TypeError("Unknown mode %s [FAN_IN, FAN_OUT, FAN_AVG]", mode)

    def initializer(shape: Any, dtype: Any = dtype, partition_info: Any = None) -> Any:
        if not dtypes.as_dtype(dtype).is_floating:
            raise TypeError("Cannot create initializer for non-floating point type.")
        fan_in = fan_out = 1.0
        if shape:
            fan_in = float(shape[-2]) if len(shape) > 1 else float(shape[-1])
            fan_out = float(shape[-1])
        for size in shape[:-2]:
            fan_in *= float(size)
            fan_out *= float(size)
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = math.sqrt(3.0 * factor / n)
            return random_uniform(shape, -limit, limit, dtype, seed=seed)
        # 1.3 makes up for the tails that are cut off.
        return truncated_normal(shape, 0.0, math.sqrt(1.3 * factor / n), dtype, seed=seed)

    return initializer


@public(
    *both(
        "xavier_initializer",
        "xavier_initializer_conv2d",
        "initializers.xavier_initializer",
        "initializers.xavier_initializer_conv2d",
    )
)
def xavier_initializer(uniform: bool = True, seed: Any = None, dtype: Any = dtypes.float32) -> Callable[..., Any]:
    """Random numbers of variance `2 / (inputs + outputs)`, after Glorot and Bengio, 2010."""
    return variance_scaling_initializer(factor=1.0, mode="FAN_AVG", uniform=uniform, seed=seed, dtype=dtype)
