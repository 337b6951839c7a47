"""Integers as rows of bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import broadcast_static
from evergraph.ops.opdef import op, unchanged_shape


@public("bitwise.bitwise_and")
@op("BitwiseAnd", shape=broadcast_static, differentiable=False)
def bitwise_and(xp: Any, x: Any, y: Any) -> Any:
    """The bits that are set in both, element by element."""
    return xp.bitwise_and(x, y)


@public("bitwise.bitwise_or")
@op("BitwiseOr", shape=broadcast_static, differentiable=False)
def bitwise_or(xp: Any, x: Any, y: Any) -> Any:
    """The bits that are set in at least one, element by element."""
    return xp.bitwise_or(x, y)


@public("bitwise.bitwise_xor")
@op("BitwiseXor", shape=broadcast_static, differentiable=False)
def bitwise_xor(xp: Any, x: Any, y: Any) -> Any:
    """The bits that are set in exactly one, element by element."""
    return xp.bitwise_xor(x, y)


@public("bitwise.invert")
@op("Invert", shape=unchanged_shape, differentiable=False)
def invert(xp: Any, x: Any) -> Any:
    """Every bit the other way."""
    return xp.invert(x)


def _shift_within(xp: Any, x: Any, y: Any) -> Any:
    """Shifts by less than nothing count as none, shifts by the whole width or more as one less than the width."""
    return xp.clip(y, y.dtype.type(0), y.dtype.type(x.dtype.itemsize * 8 - 1))


@public("bitwise.left_shift")
@op("LeftShift", shape=broadcast_static, differentiable=False)
def left_shift(xp: Any, x: Any, y: Any) -> Any:
    """The bits of `x` moved up by `y`, element by element."""
    return xp.left_shift(x, _shift_within(xp, x, y))


@public("bitwise.right_shift")
@op("RightShift", shape=broadcast_static, differentiable=False)
def right_shift(xp: Any, x: Any, y: Any) -> Any:
    """The bits of `x` moved down by `y`, element by element; the sign stays."""
    return xp.right_shift(x, _shift_within(xp, x, y))


@op("PopulationCount", shape=unchanged_shape, differentiable=False)
def population_count(xp: Any, x: Any) -> Any:
    """How many bits are set in each element."""
    return xp.bitwise_count(x.view(f"u{x.dtype.itemsize}")).astype(np.uint8)
