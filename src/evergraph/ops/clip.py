"""Keeping values and gradients within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import broadcast_static, merge
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, broadcast, cast, comparisons, elementwise, reductions, sequences
from evergraph.ops.constant import constant
from evergraph.ops.opdef import op, raw_op


@op("ClipByValue")
def clip_by_value_op(xp: Any, t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    """Each element, or the bound that it is beyond."""
    return xp.maximum(xp.minimum(t, clip_value_max), clip_value_min)


@clip_by_value_op.shape
def clip_by_value_shape(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    for bound in (clip_value_min, clip_value_max):
        if bound != ():
            merge(t, broadcast_static(t, bound))
    return t


@clip_by_value_op.gradient
def clip_by_value_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, low, high = made.inputs
    shapes = [array.shape(t) for t in (x, low, high)]
    zeros = array.zeros(array.shape(grad), grad.dtype)
    below, above = comparisons.less(x, low), comparisons.greater(x, high)
    _, low_axes = broadcast.broadcast_gradient_args(shapes[0], shapes[1])
    x_axes, high_axes = broadcast.broadcast_gradient_args(shapes[0], shapes[2])
    parts = [
        array.where(comparisons.logical_or(below, above), zeros, grad),
        array.where(below, grad, zeros),
        array.where(above, grad, zeros),
    ]
    gx, glow, ghigh = (
        array.reshape(reductions.reduce_sum(part, axes), shape)
        for part, axes, shape in zip(parts, (x_axes, low_axes, high_axes), shapes)
    )
    return gx, glow, ghigh


def _values(t: Any, name: str = "t") -> Tensor:
    return convert_to_tensor(t.values if isinstance(t, IndexedSlices) else t, name=name)


def _like(t: Any, values: Tensor) -> Any:
    return IndexedSlices(values, t.indices, t.dense_shape) if isinstance(t, IndexedSlices) else values


@public("clip_by_value")
def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """Limit each element to a range.

    Args:
        t: a tensor or `IndexedSlices`.
        clip_value_min: the lower bound, a scalar or a tensor that broadcasts to the shape of `t`.
        clip_value_max: the upper bound, likewise.
        name: the op's name.

    Raises:
        ValueError: if a bound would broadcast `t` to a larger shape.

    >>> sess.run(tf.clip_by_value([-3.0, 0.5, 7.0], -1.0, 1.0))
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    with name_scope(name, "clip_by_value", [t, clip_value_min, clip_value_max]) as scope:
        values = _values(t)
        clipped = arithmetic.minimum(values, clip_value_max)
        values.shape.merge_with(clipped.shape)
        clipped = arithmetic.maximum(clipped, clip_value_min, name=scope)
        values.shape.merge_with(clipped.shape)
        return _like(t, clipped)


@public("clip_by_norm")
def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """Scale a tensor down so that its L2 norm is at most `clip_norm`.

    Args:
        t: a tensor or `IndexedSlices`.
        clip_norm: the largest norm, positive.
        axes: the axes over which norms are taken, each slice with its own; None: one norm of all elements.
        name: the op's name.
    """
    with name_scope(name, "clip_by_norm", [t, clip_norm]) as scope:
        values = _values(t)
        square = reductions.reduce_sum(values * values, axes, keepdims=True)
        # The gradient of the root of zero would be infinite: it is taken of one instead.
        is_positive = square > 0
        safe = array.where(is_positive, square, array.ones_like(square))
        norm = array.where(is_positive, elementwise.sqrt(safe), square)
        scaled = values * clip_norm
        values.shape.merge_with(scaled.shape)
        return _like(t, array.identity(scaled / arithmetic.maximum(norm, clip_norm), name=scope))


def _list_of(t_list: Any) -> list[Any]:
    if not isinstance(t_list, Sequence) or isinstance(t_list, str | bytes):
        raise TypeError("t_list should be a sequence")
    return list(t_list)


def _numbered_values(t_list: list[Any]) -> list[Tensor | None]:
    return [None if t is None else _values(t, f"t_{i}") for i, t in enumerate(t_list)]


@public("linalg.global_norm", "global_norm")
def global_norm(t_list: Any, name: str | None = None) -> Tensor:
    """The L2 norm of all elements of several tensors together.

    Args:
        t_list: tensors, `IndexedSlices`, or None for what is not there.
        name: the scope of the ops.
    """
    t_list = _list_of(t_list)
    with name_scope(name, "global_norm", t_list):
        halves = []
        for values in _numbered_values(t_list):
            if values is not None:
                with get_default_graph().colocate_with(values.op):
                    halves.append(raw_op("L2Loss")(values))
        half = reductions.reduce_sum(array.stack(halves))
        return elementwise.sqrt(half * constant(2.0, dtype=half.dtype), name="global_norm")


@public("clip_by_global_norm")
def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Tensor]:
    """Scale several tensors down together so that their common L2 norm is at most `clip_norm`.

    Args:
        t_list: tensors, `IndexedSlices`, or None for what is not there.
        clip_norm: the largest norm, positive.
        use_norm: the norm, if it is known already.
        name: the scope of the ops.

    Returns:
        the scaled tensors, and the norm before. If it is infinite or NaN, all elements become NaN.
    """
    t_list = _list_of(t_list)
    norm = global_norm(t_list, name) if use_norm is None else use_norm
    with name_scope(name, "clip_by_global_norm", [*t_list, clip_norm]) as scope:
        inverse = 1.0 / norm
        one = constant(1.0, dtype=norm.dtype)
        finite_scale = clip_norm * arithmetic.minimum(inverse, one / clip_norm)
        finite = elementwise.is_finite(norm)
        nan = constant(float("nan"), dtype=norm.dtype)
        scale = array.where(finite, finite_scale, nan)
        clipped: list[Any] = []
        for i, (t, values) in enumerate(zip(t_list, _numbered_values(t_list))):
            if values is None:
                clipped.append(None)
                continue
            with get_default_graph().colocate_with(values.op):
                clipped.append(_like(t, array.identity(values * scale, name=f"{scope}_{i}")))
        return clipped, norm


@public("clip_by_average_norm")
def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """Scale a tensor down so that its L2 norm per element is at most `clip_norm`."""
    with name_scope(name, "clip_by_average_norm", [t, clip_norm]) as scope:
        t = convert_to_tensor(t, name="t")
        count = cast.cast(array.size(t), dtypes.float32)
        inverse = elementwise.rsqrt(reductions.reduce_sum(t * t, sequences.range_(array.rank(t))))
        product = t * clip_norm
        scale = arithmetic.minimum(inverse * count, constant(1.0) / clip_norm)
        return array.identity(product * scale, name=scope)
