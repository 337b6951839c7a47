"""Comparing elements, and logic on the answers."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, broadcast_static
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op, unchanged_shape


def _equality_shape(x: Any, y: Any, *, incompatible_shape_error: bool) -> Any:
    if incompatible_shape_error:
        return broadcast_static(x, y)
    try:
        known = broadcast_static(x, y)
    except ShapeError:
        return ()
    return known if known is None or None not in known else None


@op("Equal", shape=_equality_shape, differentiable=False)
def equal_op(xp: Any, x: Any, y: Any) -> Any:
    """Whether the two are equal, element by element."""
    return xp.equal(x, y)


@op("NotEqual", shape=_equality_shape, differentiable=False)
def not_equal_op(xp: Any, x: Any, y: Any) -> Any:
    """Whether the two differ, element by element."""
    return xp.not_equal(x, y)


@public("math.less", "less")
@op("Less", shape=broadcast_static, differentiable=False)
def less(xp: Any, x: Any, y: Any) -> Any:
    """Whether `x < y`, element by element."""
    return xp.less(x, y)


@public("math.less_equal", "less_equal")
@op("LessEqual", shape=broadcast_static, differentiable=False)
def less_equal(xp: Any, x: Any, y: Any) -> Any:
    """Whether `x <= y`, element by element."""
    return xp.less_equal(x, y)


@public("math.greater", "greater")
@op("Greater", shape=broadcast_static, differentiable=False)
def greater(xp: Any, x: Any, y: Any) -> Any:
    """Whether `x > y`, element by element."""
    return xp.greater(x, y)


@public("math.greater_equal", "greater_equal")
@op("GreaterEqual", shape=broadcast_static, differentiable=False)
def greater_equal(xp: Any, x: Any, y: Any) -> Any:
    """Whether `x >= y`, element by element."""
    return xp.greater_equal(x, y)


@public("math.logical_and", "logical_and")
@op("LogicalAnd", shape=broadcast_static, differentiable=False)
def logical_and(xp: Any, x: Any, y: Any) -> Any:
    """Whether both are true, element by element."""
    return xp.logical_and(x, y)


@public("math.logical_or", "logical_or")
@op("LogicalOr", shape=broadcast_static, differentiable=False)
def logical_or(xp: Any, x: Any, y: Any) -> Any:
    """Whether at least one is true, element by element."""
    return xp.logical_or(x, y)


@public("math.logical_not", "logical_not")
@op("LogicalNot", shape=unchanged_shape, differentiable=False)
def logical_not(xp: Any, x: Any) -> Any:
    """True where `x` is false."""
    return xp.logical_not(x)


@public("math.logical_xor", "logical_xor")
def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """Whether exactly one is true, element by element."""
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name=name)


@public("math.equal", "equal")
def equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Whether the two are equal, element by element, with NumPy's broadcasting."""
    return equal_op(x, y, name=name)


@public("math.not_equal", "not_equal")
def not_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Whether the two differ, element by element, with NumPy's broadcasting."""
    return not_equal_op(x, y, name=name)
