"""Normalizations as functions: over the batch, the layer, the instance, or groups of channels."""

from __future__ import annotations

from typing import Any

from evergraph.contrib.layer_toolkit.convolutions import IMAGES, check_layout
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.outputs import collect_named_outputs, get_variable_collections
from evergraph.contrib.model_variables import model_variable
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.ops import array, math
from evergraph.ops.initializers import Ones, Zeros
from evergraph.ops.normalization import batch_normalization, moments, normalize_moments, sufficient_statistics
from evergraph.ops.variable_scope import variable_scope


def scale_or_shift(
    name: str,
    shape: Any,
    dtype: Any,
    param_initializers: Any,
    variables_collections: Any,
    trainable: bool,
    **kwargs: Any,
) -> Any:
    """The variable `beta`, by default zeros, or `gamma`, by default ones."""
    default = Zeros() if name == "beta" else Ones()
    return model_variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=(param_initializers or {}).get(name, default),
        collections=get_variable_collections(variables_collections, name),
        trainable=trainable,
        **kwargs,
    )


@public(*both("layer_norm"), "contrib.layers.python.layers.layer_norm")
@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """Normalize each example over its axes from `begin_norm_axis` on (Ba et al., 2016).

    Args:
        inputs: floats.
        center: whether there is a shift, `beta`.
        scale: whether there is a scale, `gamma`.
        activation_fn: a function of the outputs.
        reuse: as in `tf.variable_scope`.
        variables_collections: collections for the variables, or a dictionary of such by name.
        outputs_collections: collections for the outputs.
        trainable: whether optimizers change the variables.
        begin_norm_axis: the first axis that is normalized over.
        begin_params_axis: the first axis that shift and scale have.
        scope: the variable scope.

    Raises:
        ValueError: if the rank or a size that shift and scale need is unknown, or an axis is too large.
    """
    with variable_scope(scope, "LayerNorm", [inputs], reuse=reuse) as sc:
        inputs = convert_to_tensor(inputs)
        sizes = inputs.shape
        rank = sizes.rank
        if rank is None:
            raise ValueError(f"Inputs {inputs.name} has undefined rank.")
        dtype = inputs.dtype.base_dtype
        if begin_norm_axis < 0:
            begin_norm_axis = rank + begin_norm_axis
        if begin_params_axis >= rank or begin_norm_axis >= rank:
            raise ValueError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({begin_norm_axis}) must be < "
                f"rank(inputs) ({rank})"
            )
        shape = sizes[begin_params_axis:]
        if not shape.is_fully_defined():
            raise ValueError(f"Inputs {inputs.name}: shape(inputs)[{begin_params_axis}:] is not fully defined: {sizes}")
        beta = gamma = None
        if center:
            beta = scale_or_shift("beta", shape, dtype, None, variables_collections, trainable)
        if scale:
            gamma = scale_or_shift("gamma", shape, dtype, None, variables_collections, trainable)
        mean, variance = moments(inputs, list(range(begin_norm_axis, rank)), keep_dims=True)
        epsilon = 1e-3 if dtype == dtypes.float16 else 1e-12
        outputs = batch_normalization(inputs, mean, variance, offset=beta, scale=gamma, variance_epsilon=epsilon)
        outputs.set_shape(sizes)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@public(*both("instance_norm"))
@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Normalize each channel of each example (Ulyanov et al., 2017).

    Args:
        epsilon: added to the variance.
        param_initializers: what `beta` and `gamma` start with, by name.
        data_format: "NHWC" or "NCHW".

    `layer_norm` has the other arguments.
    """
    inputs = convert_to_tensor(inputs)
    sizes = inputs.shape
    rank = sizes.rank
    if rank is None:
        raise ValueError(f"Inputs {inputs.name} has undefined rank.")
    check_layout(data_format, IMAGES)
    with variable_scope(scope, "InstanceNorm", [inputs], reuse=reuse) as sc:
        axis = 1 if data_format == "NCHW" else rank - 1
        broadcast_shape = [1, sizes.as_list()[1], *[1] * (rank - 2)] if data_format == "NCHW" else None
        shape = sizes[axis : axis + 1]
        if not shape.is_fully_defined():
            raise ValueError(f"Inputs {inputs.name} has undefined channels dimension {shape}.")
        dtype = inputs.dtype.base_dtype
        beta = gamma = None
        if center:
            beta = scale_or_shift("beta", shape, dtype, param_initializers, variables_collections, trainable)
            beta = array.reshape(beta, broadcast_shape) if broadcast_shape else beta
        if scale:
            gamma = scale_or_shift("gamma", shape, dtype, param_initializers, variables_collections, trainable)
            gamma = array.reshape(gamma, broadcast_shape) if broadcast_shape else gamma
        mean, variance = moments(inputs, [a for a in range(1, rank) if a != axis], keep_dims=True)
        outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon, name="instancenorm")
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)


@public(*both("group_norm"))
@add_arg_scope
def group_norm(
    inputs: Any,
    groups: int = 32,
    channels_axis: int = -1,
    reduction_axes: Any = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    mean_close_to_zero: bool = False,
) -> Any:
    """Normalize each group of channels of each example (Wu and He, 2018).

    Args:
        groups: how many groups; must divide the number of channels.
        channels_axis: the axis of the channels.
        reduction_axes: the other axes that are normalized over.
        epsilon: added to the variance.
        param_initializers: what `beta` and `gamma` start with, by name.
        mean_close_to_zero: whether the mean is small enough for the sum of squares to be taken without it.

    `layer_norm` has the other arguments.
    """
    inputs = convert_to_tensor(inputs)
    rank = inputs.shape.rank
    if rank is None:
        raise ValueError(f"Inputs {inputs.name} has undefined rank.")
    if channels_axis > rank - 1:
        raise ValueError("Axis is out of bounds.")
    runtime = array.shape(inputs)
    static = inputs.shape.as_list()
    sizes: list[Any] = [runtime[i] if n is None else n for i, n in enumerate(static)]
    channels_axis = rank + channels_axis if channels_axis < 0 else channels_axis
    channels = static[channels_axis]
    if channels is None:
        raise ValueError(f"Inputs {inputs.name} has undefined channel dimension: {channels_axis}.")
    axes = [a + rank if a < 0 else a for a in reduction_axes]
    for a in axes:
        if a > rank:
            raise ValueError("Axis is out of bounds.")
        if static[a] is None:
            raise ValueError(f"Inputs {inputs.name} has undefined dimensions {a}.")
        if channels_axis == a:
            raise ValueError("reduction_axis must be mutually exclusive with channels_axis")
    if groups > channels:
        raise ValueError(f"Invalid groups {groups} for {channels} channels.")
    if channels % groups != 0:
        raise ValueError(f"{channels} channels is not commensurate with {groups} groups.")
    before, after = sizes[:channels_axis], sizes[channels_axis + 1 :]
    split = [groups, channels // groups]
    broadcast_shape = [*[1] * len(before), *split, *[1] * len(after)]
    inputs = array.reshape(inputs, [*before, *split, *after])
    moments_axes = [channels_axis + 1, *(a + 1 if a > channels_axis else a for a in axes)]
    with variable_scope(scope, "GroupNorm", [inputs], reuse=reuse) as sc:
        dtype = inputs.dtype.base_dtype
        beta = gamma = None
        if center:
            beta = scale_or_shift("beta", [channels], dtype, param_initializers, variables_collections, trainable)
            beta = array.reshape(beta, broadcast_shape)
        if scale:
            gamma = scale_or_shift("gamma", [channels], dtype, param_initializers, variables_collections, trainable)
            gamma = array.reshape(gamma, broadcast_shape)
        if mean_close_to_zero:
            counts, means, variances, _ = sufficient_statistics(inputs, moments_axes, keep_dims=True)
            mean, variance = normalize_moments(counts, means, variances, shift=None)
        else:
            mean, variance = moments(inputs, moments_axes, keep_dims=True)
        gain = math.rsqrt(variance + epsilon)
        offset = -mean * gain
        if gamma is not None:
            gain *= gamma
            offset *= gamma
        if beta is not None:
            offset += beta
        outputs = array.reshape(inputs * gain + offset, sizes)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect_named_outputs(outputs_collections, sc.name, outputs)
