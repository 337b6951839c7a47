"""Softmax and its logarithm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.arguments import either
from evergraph.ops.joining import concat
from evergraph.ops.opdef import constant_value, op, raw_op
from evergraph.ops.rearrange import transpose
from evergraph.ops.shaping import rank


def _checked_shape(logits: Any) -> Any:
    return with_rank_at_least(logits, 1)


@op("Softmax", shape=_checked_shape)
def softmax_op(xp: Any, logits: Any) -> Any:
    """`exp(logits) / sum(exp(logits))` over the last axis."""
    powers = xp.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@op("LogSoftmax", shape=_checked_shape)
def log_softmax_op(xp: Any, logits: Any) -> Any:
    """`logits - log(sum(exp(logits)))` over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(-1, keepdims=True))


@softmax_op.gradient
def softmax_grad(made: Any, grad: Tensor) -> Tensor:
    y = made.outputs[0]
    return (grad - math.reduce_sum(grad * y, -1, keepdims=True)) * y


@log_softmax_op.gradient
def log_softmax_grad(made: Any, grad: Tensor) -> Tensor:
    probabilities = math.exp(made.outputs[0])
    return grad - math.reduce_sum(grad, -1, keepdims=True) * probabilities


def _with_axis_last(logits: Tensor, axis: Any, last: Any, name: str | None = None) -> Tensor:
    """`logits` with the axes `axis` and `last` exchanged."""
    order = concat([math.range(axis), [last], math.range(axis + 1, last), [axis]], 0)
    return transpose(logits, order, name=name or "transpose")


def _along(axis: Any, logits: Any, compute: Callable[..., Tensor], name: str | None) -> Tensor:
    logits = convert_to_tensor(logits)
    sizes = logits.static_shape
    n = None if sizes is None else len(sizes)
    if not isinstance(axis, Tensor) and (axis == -1 or n is not None and axis == n - 1):
        return compute(logits, name=name)
    if n is None:
        raise ValueError("softmax over an axis other than the last needs logits of known rank")
    known = constant_value(axis) if isinstance(axis, Tensor) else axis
    if known is not None and not -n <= known < n:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"Dimension ({known}) must be in the range [{-n}, {n}) where {n} is the number of dimensions in the input.",
        )
    total = rank(logits)
    if isinstance(axis, Tensor):
        axis = raw_op("Select")(math.less(axis, 0), axis + total, axis)
    elif axis < 0:
        axis += total
    count = rank(logits)
    axis = axis % n
    turned = _with_axis_last(logits, axis, math.subtract(count, 1))
    result = _with_axis_last(compute(turned), axis, math.subtract(count, 1), name=name)
    result.set_shape(sizes)
    return result


@public("nn.softmax", "math.softmax")
def softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """Probabilities from logits: `exp(logits) / sum(exp(logits))` over `axis`.

    Args:
        logits: floats, rank 1 or more.
        axis: the axis of the classes, the last by default.
        name: the op's name.
        dim: an older name for `axis`.

    Raises:
        InvalidArgumentError: if there is no such axis.

    >>> sess.run(tf.nn.softmax([0.0, 0.0]))
    array([0.5, 0.5], dtype=float32)
    """
    axis = either("axis", axis, "dim", dim)
    return _along(-1 if axis is None else axis, logits, softmax_op, name)


@public("nn.log_softmax", "math.log_softmax")
def log_softmax(logits: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """The logarithm of `softmax`, precise for small probabilities; the arguments are the same."""
    axis = either("axis", axis, "dim", dim)
    return _along(-1 if axis is None else axis, logits, log_softmax_op, name)
