"""Regularizers: functions of a variable that give a loss."""

from __future__ import annotations

import logging
import numbers
from collections.abc import Callable
from typing import Any

from evergraph.contrib.layer_toolkit.names import both
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, add_to_collection, get_collection, name_scope
from evergraph.ops import math
from evergraph.ops.constant import constant
from evergraph.ops.nn import l2_loss

_log = logging.getLogger("tensorflow")


def _is_off(scale: Any) -> bool:
    """Whether a scale of 0 switches a regularizer off."""
    if isinstance(scale, numbers.Integral):
        raise ValueError(f"scale cannot be an integer: {scale}")
    if isinstance(scale, numbers.Real):
        if scale < 0.0:
            raise ValueError(f"Setting a scale less than 0 on a regularizer: {scale:g}")
        if scale == 0.0:
            _log.info("Scale of 0 disables regularizer.")
            return True
    return False


@public(*both("l1_regularizer", "regularizers.l1_regularizer"))
def l1_regularizer(scale: Any, scope: str | None = None) -> Callable[[Any], Any]:
    """`scale` times the sum of absolute values.

    Args:
        scale: a float, or a scalar tensor; 0.0 gives a regularizer without a loss.
        scope: the name scope.

    Raises:
        ValueError: if `scale` is an int or negative.
    """
    if _is_off(scale):
        return lambda _: None

    def l1(weights: Any, name: str | None = None) -> Any:
        with name_scope(scope, "l1_regularizer", [weights]) as own:
            factor = convert_to_tensor(scale, dtype=weights.dtype.base_dtype, name="scale")
            return math.multiply(factor, math.reduce_sum(math.abs(weights)), name=own)

    return l1


@public(*both("l2_regularizer", "regularizers.l2_regularizer"))
def l2_regularizer(scale: Any, scope: str | None = None) -> Callable[[Any], Any]:
    """`scale` times half the sum of squares. `l1_regularizer` has the arguments."""
    if _is_off(scale):
        return lambda _: None

    def l2(weights: Any) -> Any:
        with name_scope(scope, "l2_regularizer", [weights]) as own:
            factor = convert_to_tensor(scale, dtype=weights.dtype.base_dtype, name="scale")
            return math.multiply(factor, l2_loss(weights), name=own)

    return l2


@public(*both("l1_l2_regularizer", "regularizers.l1_l2_regularizer"))
def l1_l2_regularizer(
    scale_l1: Any = 1.0, scale_l2: Any = 1.0, scope: str | None = None
) -> Callable[[Any], Any] | None:
    """The sum of `l1_regularizer` and `l2_regularizer`."""
    for name, scale in (("scale_l1", scale_l1), ("scale_l2", scale_l2)):
        if isinstance(scale, numbers.Integral):
            raise ValueError(f"{name} cannot be an integer: {scale}")
    scope = scope or "l1_l2_regularizer"
    if isinstance(scale_l1, float) and scale_l1 == 0.0:
        return l2_regularizer(scale_l2, scope)
    if isinstance(scale_l2, float) and scale_l2 == 0.0:
        return l1_regularizer(scale_l1, scope)
    return sum_regularizer([l1_regularizer(scale_l1), l2_regularizer(scale_l2)], scope=scope)


@public(*both("sum_regularizer", "regularizers.sum_regularizer"))
def sum_regularizer(regularizer_list: Any, scope: str | None = None) -> Callable[[Any], Any] | None:
    """The sum of several regularizers; None if there are none."""
    regularizers = [r for r in regularizer_list if r is not None]
    if not regularizers:
        return None

    def summed(weights: Any) -> Any:
        with name_scope(scope, "sum_regularizer", [weights]) as own:
            losses = [loss for loss in (r(weights) for r in regularizers) if loss is not None]
            return math.add_n(losses, name=own) if losses else None

    return summed


@public(*both("apply_regularization", "regularizers.apply_regularization"))
def apply_regularization(regularizer: Callable[[Any], Any], weights_list: Any = None) -> Any:
    """The sum of a regularizer over variables, which joins the regularization losses.

    Args:
        regularizer: a function of a variable that gives a scalar, or None.
        weights_list: the variables; by default the collection `WEIGHTS`.

    Raises:
        ValueError: if there are none, or a loss is no scalar.
    """
    weights_list = weights_list or get_collection(GraphKeys.WEIGHTS)
    if not weights_list:
        raise ValueError("No weights to regularize.")
    with name_scope("get_regularization_penalty", values=weights_list) as scope:
        penalties = [regularizer(w) for w in weights_list]
        penalties = [constant(0.0) if p is None else p for p in penalties]
        for p in penalties:
            if p.shape.rank != 0:
                raise ValueError(
                    f"regularizer must return a scalar Tensor instead of a Tensor with rank {p.shape.rank}."
                )
        total = math.add_n(penalties, name=scope)
        add_to_collection(GraphKeys.REGULARIZATION_LOSSES, total)
        return total
