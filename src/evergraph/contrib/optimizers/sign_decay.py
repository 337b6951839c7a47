"""Functions of the global step that `AddSignOptimizer` and `PowerSignOptimizer` take: how much a sign still counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.ops.cast import cast
from evergraph.ops.constant import constant
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import where

Decay = Callable[[Any], Any]


def get_linear_decay_fn(decay_steps: Any) -> Decay:
    """A function that falls from one to zero, in a line, over `decay_steps` steps."""

    def linear_decay_fn(global_step: Any) -> Any:
        step = _step(global_step, decay_steps, "linear_decay")
        remaining = cast(decay_steps, dtypes.int32) - cast(step, dtypes.int32)
        left = cast(remaining, dtypes.float32) / cast(decay_steps, dtypes.float32)
        return raw_op("Maximum")(0.0, left)

    return linear_decay_fn


def get_cosine_decay_fn(decay_steps: Any, num_periods: Any = 0.5, zero_after: Any = None) -> Decay:
    """A function that goes up and down with a cosine.

    Args:
        decay_steps: how many steps `num_periods` periods take.
        num_periods: with 0.5, the default, the function falls from one to zero.
        zero_after: the number of periods after which the function is zero.
    """

    def cosine_decay_fn(global_step: Any) -> Any:
        step = _step(global_step, decay_steps, "cosine_decay")
        fraction = 2.0 * num_periods * (cast(step, dtypes.float32) / cast(decay_steps, dtypes.float32))
        decayed = _half_cosine(fraction)
        if zero_after is not None:
            decayed = where(raw_op("GreaterEqual")(fraction, 2 * zero_after), 0.0, decayed)
        return decayed

    return cosine_decay_fn


def get_restart_decay_fn(decay_steps: Any, num_periods: Any = 1, zero_after: Any = None) -> Decay:
    """A function that falls from one to zero `num_periods` times, with half a cosine each.

    Args:
        decay_steps: how many steps all that takes.
        num_periods: how many times.
        zero_after: the number of periods after which the function is zero.
    """

    def restart_decay_fn(global_step: Any) -> Any:
        step = _step(global_step, decay_steps, "cosine_decay")
        position = raw_op("FloorMod")(num_periods * cast(step, dtypes.float32), decay_steps)
        decayed = _half_cosine(position / cast(decay_steps, dtypes.float32))
        if zero_after is not None:
            periods = cast(num_periods * step, dtypes.float32) / cast(decay_steps, dtypes.float32)
            decayed = where(raw_op("GreaterEqual")(periods, zero_after), 0.0, decayed)
        return decayed

    return restart_decay_fn


def _step(global_step: Any, decay_steps: Any, name: str) -> Any:
    if global_step is None:
        raise ValueError(f"global_step is required for {name}.")
    return raw_op("Minimum")(global_step, decay_steps)


def _half_cosine(fraction: Any) -> Any:
    return 0.5 * (1.0 + raw_op("Cos")(constant(math.pi) * fraction))
