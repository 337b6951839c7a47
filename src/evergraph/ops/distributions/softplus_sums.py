"""The inverse of softplus, and the log of a weighted sum of exponentials."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math


@public("contrib.distributions.softplus_inverse")
def softplus_inverse(x: Any, name: str | None = None) -> Tensor:
    """The number whose softplus is `x`: `log(exp(x) - 1)`, computed without overflow.

    Args:
        x: floating point, positive.
        name: the name scope.
    """
    with name_scope(name, "softplus_inverse", values=[x]):
        x = convert_to_tensor(x, name="x")
        threshold = np.log(np.finfo(x.dtype.as_numpy_dtype).eps) + 2.0
        is_small = math.less(x, np.exp(threshold))
        is_large = math.greater(x, -threshold)
        of_small, of_large = math.log(x), x
        # A value of which nothing becomes of the result must not be infinite: its gradient, times 0, would be NaN.
        x = array.where_v2(math.logical_or(is_small, is_large), array.ones_like(x), x)
        of_others = x + math.log(-math.expm1(-x))
        return array.where_v2(is_small, of_small, array.where_v2(is_large, of_large, of_others))


@public("contrib.distributions.reduce_weighted_logsumexp")
def reduce_weighted_logsumexp(
    logx: Any,
    w: Any = None,
    axis: Any = None,
    keep_dims: bool = False,
    return_sign: bool = False,
    name: str | None = None,
) -> Any:
    """`log(abs(sum(w * exp(logx))))`, computed without overflow.

    Args:
        logx: floating point.
        w: weights, of either sign; 1 where None.
        axis: the axes to sum over; None for all.
        keep_dims: keep them, of size 1.
        return_sign: also give the sign of the sum.
        name: the name scope.
    """
    with name_scope(name, "reduce_weighted_logsumexp", [logx, w]):
        logx = convert_to_tensor(logx, name="logx")
        if w is None:
            total = math.reduce_logsumexp(logx, axis=axis, keepdims=keep_dims)
            return (total, array.ones_like(total)) if return_sign else total
        w = convert_to_tensor(w, dtype=logx.dtype, name="w")
        logs = logx + math.log(math.abs(w))
        greatest = math.reduce_max(logs, axis=axis, keepdims=True)
        greatest = array.where_v2(math.is_inf(greatest), array.zeros_like(greatest), greatest)
        parts = math.sign(w) * math.exp(logs - greatest)
        scaled = math.reduce_sum(parts, axis=axis, keepdims=keep_dims)
        if not keep_dims:
            greatest = array.squeeze(greatest, axis)
        sign = math.sign(scaled)
        total = greatest + math.log(sign * scaled)
        return (total, sign) if return_sign else total
