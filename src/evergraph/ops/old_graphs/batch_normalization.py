"""Batch normalization with moments that are given, of old graphs."""

from __future__ import annotations

from typing import Any

from evergraph.framework.shapes import with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op


@op("BatchNormWithGlobalNormalization")
def batch_norm_with_global_normalization(
    xp: Any,
    t: Any,
    m: Any,
    v: Any,
    beta: Any,
    gamma: Any,
    *,
    variance_epsilon: float,
    scale_after_normalization: bool,
) -> Any:
    """`(t - m) / sqrt(v + epsilon) * gamma + beta`, channel by channel."""
    factor = t.dtype.type(1) / xp.sqrt(v + t.dtype.type(variance_epsilon))
    return (t - m) * (factor * gamma if scale_after_normalization else factor) + beta


@batch_norm_with_global_normalization.shape
def batch_norm_shape(t: Any, *moments: Any) -> Any:
    for moment in moments:
        with_rank(moment, 1)
    return with_rank(t, 4)


@batch_norm_with_global_normalization.gradient
def batch_norm_gradient(made: Any, grad: Tensor) -> list[Tensor]:
    attrs = {name: made.attrs[name] for name in ("variance_epsilon", "scale_after_normalization")}
    t, m, v, _, gamma = made.inputs
    return list(batch_norm_with_global_normalization_grad(t, m, v, gamma, grad, **attrs))


@op("BatchNormWithGlobalNormalizationGrad")
def batch_norm_with_global_normalization_grad(
    xp: Any,
    t: Any,
    m: Any,
    v: Any,
    gamma: Any,
    backprop: Any,
    *,
    variance_epsilon: float,
    scale_after_normalization: bool,
) -> Any:
    """The gradients of BatchNormWithGlobalNormalization by its five inputs."""
    axes = (0, 1, 2)
    shifted = v + t.dtype.type(variance_epsilon)
    factor = t.dtype.type(1) / xp.sqrt(shifted)
    along = (backprop * (t - m)).sum(axes)
    total = backprop.sum(axes)
    scale = factor * gamma if scale_after_normalization else factor
    of_variance = along * t.dtype.type(-0.5) * factor / shifted
    if scale_after_normalization:
        of_variance = of_variance * gamma
    of_gamma = along * factor if scale_after_normalization else xp.zeros_like(gamma)
    return backprop * scale, -total * scale, of_variance, total, of_gamma


@batch_norm_with_global_normalization_grad.shape
def batch_norm_grad_shape(t: Any, m: Any, v: Any, gamma: Any, backprop: Any) -> Any:
    channels = (with_rank(t, 4)[3],)
    return t, channels, channels, channels, channels
