"""What is left of `tf.nn`: the l2 loss, normalizing to length 1, membership in the best k."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.arguments import either
from evergraph.ops.filling import zeros
from evergraph.ops.identity import identity
from evergraph.ops.opdef import op
from evergraph.ops.shaping import size as size_of


@public("nn.l2_loss")
@op("L2Loss", shape=lambda t: ())
def l2_loss(xp: Any, t: Any) -> Any:
    """Half the sum of squares: `sum(t ** 2) / 2`."""
    wide = t.astype(np.float32) if t.dtype.itemsize == 2 else t
    return (wide * wide).sum() / wide.dtype.type(2)


@l2_loss.gradient
def l2_loss_grad(made: Any, grad: Tensor) -> Tensor:
    return made.inputs[0] * grad


@public("math.l2_normalize", "linalg.l2_normalize", "nn.l2_normalize")
def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None) -> Tensor:
    """`x / sqrt(max(sum(x ** 2), epsilon))`, with the sum over `axis`.

    Args:
        x: floats.
        axis: an axis, or several; all by default.
        epsilon: the least sum of squares to divide by.
        name: the op's name.
        dim: an older name for `axis`.
    """
    axis = either("axis", axis, "dim", dim)
    with name_scope(name, "l2_normalize", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        squares = math.reduce_sum(math.square(x), axis, keepdims=True)
        inverse = math.rsqrt(math.maximum(squares, epsilon))
        return math.multiply(x, inverse, name=scope)


# In the best k


def _is_in_top(xp: Any, predictions: Any, targets: Any, k: Any) -> Any:
    classes = predictions.shape[1]
    inside = (targets >= 0) & (targets < classes)
    if not predictions.size:
        return xp.zeros(targets.shape, bool)
    own = xp.take_along_axis(predictions, xp.clip(targets, 0, classes - 1)[:, None], 1)
    better = (predictions > own).sum(1)
    return inside & xp.isfinite(predictions).all(1) & (better < k)


def _top_shape(predictions: Shape, targets: Shape, *_: Any) -> Shape:
    return (merge_dim(with_rank(predictions, 2)[0], with_rank(targets, 1)[0]),)


@op("InTopK", shape=_top_shape, differentiable=False)
def in_top_k_v1_op(xp: Any, predictions: Any, targets: Any, *, k: int) -> Any:
    """For each row, whether fewer than `k` predictions are greater than the target's; false if any is not finite."""
    return _is_in_top(xp, predictions, targets, k)


@op("InTopKV2", shape=_top_shape, differentiable=False)
def in_top_k_op(xp: Any, predictions: Any, targets: Any, k: Any) -> Any:
    """For each row, whether fewer than `k` predictions are greater than the target's; false if any is not finite."""
    return _is_in_top(xp, predictions, targets, k)


@public("math.in_top_k", "nn.in_top_k")
def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Whether each target is among the `k` best predictions of its row; those that tie with the k-th are.

    Args:
        predictions: float32, shape `[batch, classes]`.
        targets: int32 or int64, shape `[batch]`.
        k: an int.
        name: the name scope.

    Returns:
        bool, shape `[batch]`.
    """
    with name_scope(name, "in_top_k"):
        return in_top_k_op(predictions, targets, k, name=name)


# How much is zero


def _count_of_nonzero(x: Tensor, dtype: Any) -> Tensor:
    with name_scope("count_nonzero", None, [x]):
        zero = zeros([], dtype=x.dtype)
        return math.reduce_sum(math.cast(math.not_equal(x, zero), dtype), name="nonzero_count")


@public("math.zero_fraction", "nn.zero_fraction")
def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """The fraction of zeros in `value`, a float32 scalar; NaN if it is empty."""
    from evergraph.ops.cond import cond

    with name_scope(name, "zero_fraction", [value]):
        value = convert_to_tensor(value, name="value")
        size = size_of(value, out_type=dtypes.int64)
        nonzero = cond(
            size <= dtypes.int32.max,
            true_fn=lambda: math.cast(_count_of_nonzero(value, dtypes.int32), dtypes.int64),
            false_fn=lambda: _count_of_nonzero(value, dtypes.int64),
        )
        with name_scope("counts_to_fraction"):
            zero_count = size - nonzero
            fraction = math.cast(zero_count, dtypes.float32) / math.cast(size, dtypes.float32)
        return identity(fraction, "fraction")
