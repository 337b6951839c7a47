"""Normalization: moments, batch normalization in pieces and as one op, local response normalization.

The one-op batch normalization is written so that XLA makes few passes over the array. Its gradient is in closed form:
two sums, then one affine pass `x * a + dy * b + c`. Against differentiating the forward pass, and with the product kept
out of the fusion of the sums by a barrier: 15 for 24 ms of CPU time on 8 images of 56x56x256 (two EPYC cores).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, merge, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.arguments import either
from evergraph.ops.constant import constant
from evergraph.ops.filling import zeros_like
from evergraph.ops.identity import stop_gradient
from evergraph.ops.kernel_gradient import Forward
from evergraph.ops.opdef import op, raw_op
from evergraph.ops.rearrange import transpose
from evergraph.ops.shaping import shape, squeeze
from evergraph.ops.windows import as_format, channels, channels_last

# The fused op


def _normalized(
    xp: Any,
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any,
    variance: Any,
    epsilon: float,
    data_format: bytes,
    training: bool,
) -> tuple[Any, ...]:
    """`y`, the statistics for a moving average, and the statistics that the gradient wants."""
    rows = channels_last(xp, x, data_format)
    wide = rows.astype(np.float32) if rows.dtype.itemsize == 2 else rows
    axes = tuple(range(wide.ndim - 1))
    if training:
        count = wide.size // wide.shape[-1] if wide.shape[-1] else 0
        mean, variance = _moments(xp, wide, axes, count)
        unbiased = variance * wide.dtype.type(count / max(count - 1, 1))
        if not count:
            unbiased = mean = variance = xp.full(mean.shape, np.nan, mean.dtype)
    else:
        unbiased = variance
    factor = scale / xp.sqrt(variance + scale.dtype.type(epsilon))
    y = (wide - mean) * factor + offset
    return as_format(xp, y.astype(x.dtype), data_format), mean, unbiased, mean, variance


def _moments(xp: Any, x: Any, axes: tuple[int, ...], count: int) -> tuple[Any, Any]:
    n = x.dtype.type(max(count, 1))
    mean = x.sum(axes) / n
    apart = x - mean
    return mean, (apart * apart).sum(axes) / n


def _normalization_gradient(
    xp: Any, dy: Any, x: Any, scale: Any, mean: Any, variance: Any, epsilon: float, data_format: bytes, training: bool
) -> tuple[Any, ...]:
    """The gradients to `x`, `scale` and `offset`."""
    rows, dy_rows = channels_last(xp, x, data_format), channels_last(xp, dy, data_format)
    short = rows.dtype.itemsize == 2
    wide, wide_dy = (t.astype(np.float32) if short else t for t in (rows, dy_rows))
    axes = tuple(range(wide.ndim - 1))
    count = wide.dtype.type(max(wide.size // wide.shape[-1] if wide.shape[-1] else 0, 1))
    inverse = scale.dtype.type(1) / xp.sqrt(variance + scale.dtype.type(epsilon))
    offset_gradient = wide_dy.sum(axes)
    scale_gradient = _apart(xp, wide_dy * (wide - mean)).sum(axes) * inverse
    by_dy = scale * inverse
    if training:
        by_x = -by_dy * inverse * scale_gradient / count
        rest = -by_dy * offset_gradient / count - by_x * mean
        dx = wide * by_x + wide_dy * by_dy + rest
    else:
        dx = wide_dy * by_dy
    return as_format(xp, dx.astype(x.dtype), data_format), scale_gradient, offset_gradient


def _apart(xp: Any, x: Any) -> Any:
    """`x`, not to be fused into what reads it."""
    if xp is np:
        return x
    from jax import lax

    return lax.optimization_barrier(x)


def _forward_shapes(x: Shape, scale: Shape, offset: Shape, mean: Shape, variance: Shape, data_format: Any) -> Any:
    rank = 5 if len(data_format) == 5 else 4
    sizes = with_rank(x, rank)
    depth = channels(sizes, data_format)
    for vector in (scale, offset):
        depth = merge_dim(depth, with_rank(vector, 1)[0])
    axis = 1 if data_format.startswith(b"NC") else rank - 1
    return (*sizes[:axis], depth, *sizes[axis + 1 :]), (depth,)


def _forward_rule(reserved: int, extra: tuple[Shape, ...] = ()) -> Any:
    def rule(x: Shape, scale: Shape, offset: Shape, mean: Shape, variance: Shape, *, data_format: Any) -> Any:
        y, vector = _forward_shapes(x, scale, offset, mean, variance, data_format)
        return (y, *[vector] * (2 + reserved), *extra)

    return rule


@op("FusedBatchNorm", shape=_forward_rule(2))
def fused_batch_norm_op(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` by channel; in training with the batch's statistics."""
    return _normalized(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)


@op("FusedBatchNormV2", shape=_forward_rule(2))
def fused_batch_norm_v2_op(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """FusedBatchNorm, also for 16-bit floats."""
    return _normalized(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)


@op("FusedBatchNormV3", shape=_forward_rule(2, (None,)))
def fused_batch_norm_v3_op(
    xp: Any, x: Any, scale: Any, offset: Any, mean: Any, variance: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """FusedBatchNorm, also for 16-bit floats; the last output is there for one GPU library and holds nothing."""
    outputs = _normalized(xp, x, scale, offset, mean, variance, epsilon, data_format, is_training)
    return (*outputs, np.zeros((), np.float32))


def _gradient_rule(
    y_backprop: Shape, x: Shape, scale: Shape, *reserved: Shape, data_format: Any, is_training: Any
) -> Any:
    sizes = merge(with_rank(y_backprop, 5 if len(data_format) == 5 else 4), x)
    assert sizes is not None
    depth = merge_dim(channels(sizes, data_format), with_rank(scale, 1)[0])
    axis = 1 if data_format.startswith(b"NC") else len(sizes) - 1
    unused = (0,) if is_training else (depth,)
    return (*sizes[:axis], depth, *sizes[axis + 1 :]), (depth,), (depth,), unused, unused


@op("FusedBatchNormGrad", shape=_gradient_rule)
def fused_batch_norm_grad_op(
    xp: Any, y_backprop: Any, x: Any, scale: Any, reserve_space_1: Any, reserve_space_2: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """The gradient of FusedBatchNorm, with the mean and variance that it used."""
    gradients = _normalization_gradient(
        xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
    )
    return (*gradients, *[np.zeros((), np.float32)] * 2)


@op("FusedBatchNormGradV2", shape=_gradient_rule)
def fused_batch_norm_grad_v2_op(
    xp: Any, y_backprop: Any, x: Any, scale: Any, reserve_space_1: Any, reserve_space_2: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """The gradient of FusedBatchNormV2, with the mean and variance that it used."""
    gradients = _normalization_gradient(
        xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
    )
    return (*gradients, *[np.zeros((), np.float32)] * 2)


@op("FusedBatchNormGradV3", shape=_gradient_rule)
def fused_batch_norm_grad_v3_op(
    xp: Any, y_backprop: Any, x: Any, scale: Any, reserve_space_1: Any, reserve_space_2: Any, reserve_space_3: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """The gradient of FusedBatchNormV3, with the mean and variance that it used."""
    gradients = _normalization_gradient(
        xp, y_backprop, x, scale, reserve_space_1, reserve_space_2, epsilon, data_format, is_training
    )
    return (*gradients, *[np.zeros((), np.float32)] * 2)


def _gradient_by(gradient_op: Any, reserved: int) -> Any:
    def rule(made: Any, grad: Tensor, *_: Any) -> Any:
        x, scale, _, mean, variance = made.inputs
        attrs = {name: made.attrs[name] for name in ("epsilon", "data_format", "is_training")}
        extra = made.outputs[5:6] if reserved == 3 else []
        if attrs["is_training"]:
            return gradient_op(grad, x, scale, made.outputs[3], made.outputs[4], *extra, **attrs)
        data_format = attrs["data_format"]
        to_last = {b"NCHW": [0, 2, 3, 1], b"NCDHW": [0, 2, 3, 4, 1]}.get(data_format)
        if to_last is not None:
            x, grad = transpose(x, to_last), transpose(grad, to_last)
        attrs["data_format"] = b"NHWC" if data_format in (b"NCHW", b"NHWC") else b"NDHWC"
        dx, dscale, doffset, _, _ = gradient_op(grad, x, scale, mean, variance, *extra, **attrs)
        if to_last is not None:
            dx = transpose(dx, [0, len(to_last) - 1, *range(1, len(to_last) - 1)])
        return dx, dscale, doffset, None, None

    return rule


fused_batch_norm_op.gradient(_gradient_by(fused_batch_norm_grad_op, 2))
fused_batch_norm_v2_op.gradient(_gradient_by(fused_batch_norm_grad_v2_op, 2))
fused_batch_norm_v3_op.gradient(_gradient_by(fused_batch_norm_grad_v3_op, 3))


@op(
    "FusedBatchNormGradOf",
    signature="(y_backprop: T, x: T, scale: float32, mean: float32, variance: float32)"
    " -> (x_backprop: T, scale_backprop: float32, offset_backprop: float32)"
    ' | T: type in ["float16","bfloat16","float32"] | epsilon: float = 0.0001'
    ' | data_format: string in ["NHWC","NCHW","NDHWC","NCDHW"] = "NHWC" | is_training: bool = true',
    shape=lambda y_backprop, x, scale, mean, variance: (x, scale, scale),
)
def fused_batch_norm_grad_of_op(
    xp: Any, y_backprop: Any, x: Any, scale: Any, mean: Any, variance: Any, *,
    epsilon: Any, data_format: Any, is_training: Any,
) -> Any:  # fmt: skip
    """FusedBatchNormGrad as a function of `x` alone: in training mean and variance are computed from it.

    It is this function's derivative that the second derivative of a batch normalization is.
    """
    if is_training:
        rows = channels_last(xp, x, data_format).astype(np.float32)
        axes = tuple(range(rows.ndim - 1))
        mean, variance = _moments(xp, rows, axes, rows.size // max(rows.shape[-1], 1))
    return _normalization_gradient(xp, y_backprop, x, scale, mean, variance, epsilon, data_format, is_training)


def _second_derivative(made: Any, *grads: Any) -> Any:
    attrs = {name: made.attrs[name] for name in ("T", "epsilon", "data_format", "is_training")}
    forward = Forward("FusedBatchNormGradOf", attrs)
    to_inputs = raw_op("KernelGradient")(
        made.inputs[:5], [], grads[:3], forward, Tout=[t.dtype.base_dtype for t in made.inputs[:5]]
    )
    return (*to_inputs[:3], *[None] * (len(made.inputs) - 3))


for _gradient_op in (fused_batch_norm_grad_op, fused_batch_norm_grad_v2_op, fused_batch_norm_grad_v3_op):
    _gradient_op.gradient(_second_derivative)


LEAST_EPSILON = 1.001e-5
"""What a GPU library asks for; TF 1 raises a smaller one to it on every device."""


@public("nn.fused_batch_norm")
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> Any:
    """Normalize each channel to mean 0 and variance 1, then scale and shift it.

    Args:
        x: floats, rank 4.
        scale: float32, shape `[channels]`.
        offset: float32, shape `[channels]`.
        mean: the mean to use when not training; None in training.
        variance: the variance to use when not training; None in training.
        epsilon: added to the variance; at least 1.001e-5.
        data_format: "NHWC" or "NCHW".
        is_training: use the statistics of this batch.
        name: the op's name.

    Returns:
        `y`, and the batch's mean and (unbiased) variance.

    Raises:
        ValueError: if `mean` or `variance` is given in training.
    """
    x = convert_to_tensor(x, name="input")
    scale = convert_to_tensor(scale, name="scale")
    offset = convert_to_tensor(offset, name="offset")
    if is_training and (mean is not None or variance is not None):
        raise ValueError("Both 'mean' and 'variance' must be None if is_training is True.")
    mean = constant([]) if mean is None else mean
    variance = constant([]) if variance is None else variance
    epsilon = max(epsilon, LEAST_EPSILON)
    outputs = fused_batch_norm_v3_op(
        x, scale, offset, mean, variance, epsilon=epsilon, data_format=data_format, is_training=is_training, name=name
    )
    return tuple(outputs[:3])


# The same in pieces


@public("nn.moments")
def moments(
    x: Any, axes: Any, shift: Any = None, name: str | None = None, keep_dims: Any = None, keepdims: Any = None
) -> tuple[Tensor, Tensor]:
    """The mean and variance of `x` over `axes`.

    Args:
        x: a tensor of floats.
        axes: ints. `[0, 1, 2]` for the channels of images, `[0]` for a simple batch.
        shift: has no effect.
        name: the name scope.
        keep_dims: an older name for `keepdims`.
        keepdims: keep the axes, of size 1.
    """
    keep = either("keepdims", keepdims, "keep_dims", keep_dims)
    with name_scope(name, "moments", [x, axes]):
        is_short = x.dtype.base_dtype is dtypes.float16
        y = math.cast(x, dtypes.float32) if is_short else x
        mean = math.reduce_mean(y, axes, keepdims=True, name="mean")
        variance = math.reduce_mean(
            math.squared_difference(y, stop_gradient(mean)), axes, keepdims=True, name="variance"
        )
        if not keep:
            mean = squeeze(mean, axes)
            variance = squeeze(variance, axes)
        if is_short:
            return math.cast(mean, dtypes.float16), math.cast(variance, dtypes.float16)
        return mean, variance


@public("nn.weighted_moments")
def weighted_moments(
    x: Any, axes: Any, frequency_weights: Any, name: str | None = None, keep_dims: Any = None, keepdims: Any = None
) -> tuple[Tensor, Tensor]:
    """The mean and variance of `x` over `axes`, where each element counts as often as its weight says.

    Args:
        x: a tensor of floats.
        axes: ints.
        frequency_weights: broadcast against `x`.
        name: the name scope.
        keep_dims: an older name for `keepdims`.
        keepdims: keep the axes, of size 1.
    """
    keep = either("keepdims", keepdims, "keep_dims", keep_dims)
    with name_scope(name, "weighted_moments", [x, frequency_weights, axes]):
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(frequency_weights, name="frequency_weights")
        is_short = x.dtype.base_dtype is dtypes.float16
        if is_short:
            x = math.cast(x, dtypes.float32)
        if weights.dtype.base_dtype is not x.dtype.base_dtype:
            weights = math.cast(weights, x.dtype)
        total = math.reduce_sum(weights * x, axes, name="weighted_input_sum", keepdims=True)
        spread = weights + zeros_like(x)
        sum_of_weights = math.reduce_sum(spread, axes, name="sum_of_weights", keepdims=True)
        divisor = math.reciprocal(sum_of_weights, name="inv_weight_sum")
        mean = math.multiply(total, divisor)
        apart = math.reduce_sum(weights * math.squared_difference(x, mean), axes, name="weighted_distsq", keepdims=True)
        variance = math.multiply(apart, divisor)
        if not keep:
            mean = squeeze(mean, axis=axes)
            variance = squeeze(variance, axis=axes)
        if is_short:
            mean = math.cast(mean, dtypes.float16)
            variance = math.cast(variance, dtypes.float16)
        return mean, variance


@public("nn.sufficient_statistics")
def sufficient_statistics(
    x: Any, axes: Any, shift: Any = None, keep_dims: Any = None, name: str | None = None, keepdims: Any = None
) -> tuple[Tensor, Tensor, Tensor, Any]:
    """What the mean and variance of `x` over `axes` follow from, and what can be added up over batches.

    Args:
        x: a tensor of floats.
        axes: ints.
        shift: subtracted from `x` first, so that the sums stay precise.
        keep_dims: an older name for `keepdims`.
        name: the name scope.
        keepdims: keep the axes, of size 1.

    Returns:
        The number of elements, their sum, the sum of their squares, and `shift`.
    """
    axes = list(set(axes))
    keep = either("keepdims", keepdims, "keep_dims", keep_dims) or False
    with name_scope(name, "sufficient_statistics", [x, shift]):
        x = convert_to_tensor(x, name="x")
        sizes = x.static_shape
        if sizes is not None and all(sizes[axis] is not None for axis in axes):
            counts = constant(int(np.prod([sizes[axis] for axis in axes])), dtype=x.dtype)
        else:
            dims = raw_op("GatherV2")(math.cast(shape(x), x.dtype), axes, 0)
            counts = math.reduce_prod(dims, name="count")
        if shift is not None:
            shift = convert_to_tensor(shift, name="shift")
            sums = math.subtract(x, shift)
            squares = math.squared_difference(x, shift)
        else:
            sums = x
            squares = math.square(x)
        sums = math.reduce_sum(sums, axes, keepdims=keep, name="mean_ss")
        squares = math.reduce_sum(squares, axes, keepdims=keep, name="var_ss")
    return counts, sums, squares, shift


@public("nn.normalize_moments")
def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The mean and variance that sufficient statistics stand for."""
    with name_scope(name, "normalize", [counts, mean_ss, variance_ss, shift]):
        divisor = math.reciprocal(counts, name="divisor")
        if shift is not None:
            shifted = math.multiply(mean_ss, divisor, name="shifted_mean")
            mean = math.add(shifted, shift, name="mean")
        else:
            mean = shifted = math.multiply(mean_ss, divisor, name="mean")
        variance = math.subtract(math.multiply(variance_ss, divisor), math.square(shifted), name="variance")
    return mean, variance


@public("nn.batch_normalization")
def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: Any, name: str | None = None
) -> Tensor:
    """`scale * (x - mean) / sqrt(variance + variance_epsilon) + offset`.

    Args:
        x: floats, any shape.
        mean: broadcast against `x`, as the next three.
        variance: as `mean`.
        offset: or None.
        scale: or None.
        variance_epsilon: a small number against division by zero.
        name: the name scope.
    """
    with name_scope(name, "batchnorm", [x, mean, variance, scale, offset]):
        factor = math.rsqrt(variance + variance_epsilon)
        if scale is not None:
            factor *= scale
        scaled = x * math.cast(factor, x.dtype)
        rest = offset - mean * factor if offset is not None else -mean * factor
        return scaled + math.cast(rest, x.dtype)


@public("nn.batch_norm_with_global_normalization")
def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: Any = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """`batch_normalization` of `t` with mean `m`, variance `v`, offset `beta`, and, if asked for, scale `gamma`."""
    t = either("input", input, "t", t)
    m = either("mean", mean, "m", m)
    v = either("variance", variance, "v", v)
    return batch_normalization(t, m, v, beta, gamma if scale_after_normalization else None, variance_epsilon, name)


# Local response normalization


def _sum_of_neighbours(xp: Any, x: Any, radius: int) -> Any:
    """For each channel the sum over those no more than `radius` away."""
    depth = x.shape[-1]
    near = np.abs(np.arange(depth)[:, None] - np.arange(depth)) <= radius
    if depth <= 512:
        return xp.matmul(x, near.astype(x.dtype))
    wide = xp.pad(x, [(0, 0)] * (x.ndim - 1) + [(radius, radius)])
    return sum((wide[..., i : i + depth] for i in range(1, 2 * radius + 1)), wide[..., :depth])


@public("nn.local_response_normalization", "nn.lrn")
@op("LRN")
def lrn(xp: Any, input: Any, *, depth_radius: Any, bias: Any, alpha: Any, beta: Any) -> Any:
    """`input / (bias + alpha * sum of squares of the channels within depth_radius) ** beta`."""
    x = input.astype(np.float32)
    norm = np.float32(bias) + np.float32(alpha) * _sum_of_neighbours(xp, x * x, depth_radius)
    return (x * norm ** np.float32(-beta)).astype(input.dtype)


@op("LRNGrad")
def lrn_grad_op(
    xp: Any, input_grads: Any, input_image: Any, output_image: Any, *,
    depth_radius: Any, bias: Any, alpha: Any, beta: Any,
) -> Any:  # fmt: skip
    """The gradient of LRN."""
    dy, x, y = (t.astype(np.float32) for t in (input_grads, input_image, output_image))
    norm = np.float32(bias) + np.float32(alpha) * _sum_of_neighbours(xp, x * x, depth_radius)
    through_norm = _sum_of_neighbours(xp, dy * y / norm, depth_radius)
    dx = dy * norm ** np.float32(-beta) - np.float32(2 * alpha * beta) * x * through_norm
    return dx.astype(input_grads.dtype)


@lrn.shape
def lrn_shape(input: Shape) -> Shape:
    return with_rank(input, 4)


@lrn_grad_op.shape
def lrn_grad_shape(input_grads: Shape, input_image: Shape, output_image: Shape) -> Shape:
    return merge(merge(with_rank(input_grads, 4), input_image), output_image)


@lrn.gradient
def lrn_grad(made: Any, grad: Tensor) -> Tensor:
    attrs = {name: made.attrs[name] for name in ("depth_radius", "bias", "alpha", "beta")}
    return lrn_grad_op(grad, made.inputs[0], made.outputs[0], **attrs)
