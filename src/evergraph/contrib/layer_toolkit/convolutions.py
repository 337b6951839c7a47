"""Convolutions as functions: `tf.layers`' convolutions with slim's defaults (SAME padding, relu, Xavier's weights)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.layers.scoped_convolutional as layers
from evergraph.contrib.layer_toolkit.initializers import xavier_initializer
from evergraph.contrib.layer_toolkit.model_getter import (
    WEIGHTS_AND_BIASES,
    collect_variable,
    model_variable_getter,
)
from evergraph.contrib.layer_toolkit.names import both
from evergraph.contrib.layer_toolkit.outputs import (
    channel_dimension,
    collect_named_outputs,
    get_variable_collections,
    last_dimension,
    two_element_tuple,
)
from evergraph.contrib.model_variables import model_variable
from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.ops import array
from evergraph.ops.activations import relu
from evergraph.ops.bias import bias_add
from evergraph.ops.dilated import depthwise_conv2d
from evergraph.ops.initializers import Zeros
from evergraph.ops.variable_scope import variable_scope

XAVIER, ZEROS = xavier_initializer(), Zeros()


def layout(data_format: str | None) -> str:
    """A data format as `tf.layers` calls it."""
    return "channels_first" if data_format and data_format.startswith("NC") else "channels_last"


def check_layout(data_format: Any, allowed: tuple[str, str]) -> None:
    if data_format not in allowed:
        raise ValueError(f"data_format has to be either {allowed[0]} or {allowed[1]}.")


IMAGES = ("NCHW", "NHWC")
VOLUMES = ("NCDHW", "NDHWC")


def finished(
    outputs: Any, normalizer_fn: Any, normalizer_params: Any, activation_fn: Any, collections: Any, scope: Any
) -> Any:
    """Normalize, activate, and remember the outputs."""
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(collections, scope.name, outputs)


def _convolve(
    inputs: Any,
    num_outputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    conv_dims: int | None = None,
) -> Any:
    """Convolve over one, two or three spatial dimensions.

    Args:
        inputs: floats, `[batch, *spatial, channels]`, or `[batch, channels, *spatial]` for "NC...".
        num_outputs: the number of output channels.
        kernel_size: the filter's size, an int or one for each spatial dimension.
        stride: the filter's steps, likewise.
        padding: "SAME" or "VALID".
        data_format: the layout, "NWC", "NHWC", "NDHWC" or "NCW", "NCHW", "NCDHW".
        rate: the distance between the filter's elements, likewise; not together with a stride above 1.
        activation_fn: a function of the outputs; None for none.
        normalizer_fn: a function of the outputs in place of a bias, as `batch_norm`.
        normalizer_params: its arguments.
        weights_initializer: what the weights start with.
        weights_regularizer: a function of the weights that gives a loss.
        biases_initializer: what the biases start with; None for no biases.
        biases_regularizer: a function of the biases that gives a loss.
        reuse: as in `tf.variable_scope`.
        variables_collections: collections for the variables, or a dictionary of such by "weights" and "biases".
        outputs_collections: collections for the outputs.
        trainable: whether optimizers change the variables.
        scope: the variable scope.
        conv_dims: how many spatial dimensions there must be.

    Raises:
        ValueError: if the arguments do not fit.
    """
    if data_format not in (None, "NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW"):
        raise ValueError(f"Invalid data_format: {data_format!r}")
    getter = model_variable_getter(WEIGHTS_AND_BIASES)
    with variable_scope(scope, "Conv", [inputs], reuse=reuse, custom_getter=getter) as sc:
        inputs = convert_to_tensor(inputs)
        rank = inputs.shape.rank
        if conv_dims is not None and conv_dims + 2 != rank:
            raise ValueError(f"Convolution expects input with rank {conv_dims + 2}, got {rank}")
        kinds: dict[Any, Any] = {3: layers.Conv1D, 4: layers.Conv2D, 5: layers.Conv3D}
        if rank not in kinds:
            raise ValueError("Convolution not supported for input with rank", rank)
        layer = kinds[rank](
            filters=num_outputs,
            kernel_size=kernel_size,
            strides=stride,
            padding=padding,
            data_format=layout(data_format),
            dilation_rate=rate,
            activation=None,
            use_bias=not normalizer_fn and biases_initializer,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=sc.name,
            dtype=inputs.dtype.base_dtype,
            _scope=sc,
            _reuse=reuse,
        )
        outputs = layer.apply(inputs)
        collect_variable(layer.kernel, variables_collections, "weights")
        if layer.use_bias:
            collect_variable(layer.bias, variables_collections, "biases")
        return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)


_convolve.__name__ = "convolution"
convolution = public(*both("convolution"))(add_arg_scope(_convolve))


def _of_dimensions(name: str, short_name: str, conv_dims: int) -> Callable[..., Any]:
    def convolve(
        inputs: Any,
        num_outputs: Any,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str | None = None,
        rate: Any = 1,
        activation_fn: Any = relu,
        normalizer_fn: Any = None,
        normalizer_params: Any = None,
        weights_initializer: Any = XAVIER,
        weights_regularizer: Any = None,
        biases_initializer: Any = ZEROS,
        biases_regularizer: Any = None,
        reuse: Any = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Any:
        return _convolve(
            inputs, num_outputs, kernel_size, stride, padding, data_format, rate, activation_fn, normalizer_fn,
            normalizer_params, weights_initializer, weights_regularizer, biases_initializer, biases_regularizer, reuse,
            variables_collections, outputs_collections, trainable, scope, conv_dims,
        )  # fmt: skip

    convolve.__name__ = convolve.__qualname__ = name
    convolve.__doc__ = f"`convolution` over {conv_dims} spatial dimension{'s' * (conv_dims > 1)}."
    return public(*both(name, short_name))(add_arg_scope(convolve))


convolution1d = _of_dimensions("convolution1d", "conv1d", 1)
convolution2d = _of_dimensions("convolution2d", "conv2d", 2)
convolution3d = _of_dimensions("convolution3d", "conv3d", 3)


def _transpose(
    kind: Any,
    default_name: str,
    inputs: Any,
    num_outputs: Any,
    kernel_size: Any,
    stride: Any,
    padding: str,
    data_format: str,
    activation_fn: Any,
    normalizer_fn: Any,
    normalizer_params: Any,
    weights_initializer: Any,
    weights_regularizer: Any,
    biases_initializer: Any,
    biases_regularizer: Any,
    reuse: Any,
    variables_collections: Any,
    outputs_collections: Any,
    trainable: bool,
    scope: Any,
) -> Any:
    getter = model_variable_getter(WEIGHTS_AND_BIASES)
    with variable_scope(scope, default_name, [inputs], reuse=reuse, custom_getter=getter) as sc:
        check_layout(data_format, IMAGES if kind is layers.Conv2DTranspose else VOLUMES)
        inputs = convert_to_tensor(inputs)
        layer = kind(
            filters=num_outputs,
            kernel_size=kernel_size,
            strides=stride,
            padding=padding,
            data_format=layout(data_format),
            activation=None,
            use_bias=not normalizer_fn and biases_initializer,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=sc.name,
            dtype=inputs.dtype.base_dtype,
            _scope=sc,
            _reuse=reuse,
        )
        outputs = layer.apply(inputs)
        collect_variable(layer.kernel, variables_collections, "weights")
        if layer.bias is not None:
            collect_variable(layer.bias, variables_collections, "biases")
        return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)


@public(*both("convolution2d_transpose", "conv2d_transpose"))
@add_arg_scope
def convolution2d_transpose(
    inputs: Any,
    num_outputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Convolve images the other way round, from small ones to large ones. `convolution` has the arguments."""
    return _transpose(
        layers.Conv2DTranspose, "Conv2d_transpose", inputs, num_outputs, kernel_size, stride, padding, data_format,
        activation_fn, normalizer_fn, normalizer_params, weights_initializer, weights_regularizer, biases_initializer,
        biases_regularizer, reuse, variables_collections, outputs_collections, trainable, scope,
    )  # fmt: skip


@public(*both("convolution3d_transpose", "conv3d_transpose"))
@add_arg_scope
def convolution3d_transpose(
    inputs: Any,
    num_outputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Convolve volumes the other way round, from small ones to large ones. `convolution` has the arguments."""
    return _transpose(
        layers.Conv3DTranspose, "Conv3d_transpose", inputs, num_outputs, kernel_size, stride, padding, data_format,
        activation_fn, normalizer_fn, normalizer_params, weights_initializer, weights_regularizer, biases_initializer,
        biases_regularizer, reuse, variables_collections, outputs_collections, trainable, scope,
    )  # fmt: skip


@public(*both("convolution2d_in_plane", "conv2d_in_plane"))
@add_arg_scope
def convolution2d_in_plane(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Convolve every channel by itself, all with one filter. `convolution` has the arguments."""
    with variable_scope(scope, "ConvInPlane", [inputs], reuse=reuse) as sc:
        dtype = inputs.dtype.base_dtype
        height, width = two_element_tuple(kernel_size)
        down, right = two_element_tuple(stride)
        channels = last_dimension(inputs.shape, min_rank=4)
        weights = model_variable(
            "weights",
            shape=[height, width, 1, 1],
            dtype=dtype,
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            collections=get_variable_collections(variables_collections, "weights"),
            trainable=trainable,
        )
        outputs = depthwise_conv2d(inputs, array.tile(weights, [1, 1, channels, 1]), [1, down, right, 1], padding)
        if normalizer_fn is None and biases_initializer is not None:
            biases = model_variable(
                "biases",
                shape=[channels],
                dtype=dtype,
                initializer=biases_initializer,
                regularizer=biases_regularizer,
                collections=get_variable_collections(variables_collections, "biases"),
                trainable=trainable,
            )
            outputs = bias_add(outputs, biases)
        return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)


@public(*both("separable_convolution2d", "separable_conv2d"))
@add_arg_scope
def separable_convolution2d(
    inputs: Any,
    num_outputs: Any,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    rate: Any = 1,
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    pointwise_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Convolve every channel by itself, then mix the channels at each place.

    Args:
        num_outputs: the number of output channels; None to leave the channels unmixed.
        depth_multiplier: how many channels the first step makes of each.
        pointwise_initializer: what the second kernel starts with; by default as the first.

    `convolution` has the other arguments.
    """
    check_layout(data_format, IMAGES)
    getter = model_variable_getter(
        {"bias": "biases", "depthwise_kernel": "depthwise_weights", "pointwise_kernel": "pointwise_weights"}
    )
    with variable_scope(scope, "SeparableConv2d", [inputs], reuse=reuse, custom_getter=getter) as sc:
        inputs = convert_to_tensor(inputs)
        if num_outputs is not None:
            layer = layers.SeparableConv2D(
                filters=num_outputs,
                kernel_size=kernel_size,
                strides=stride,
                padding=padding,
                data_format=layout(data_format),
                dilation_rate=two_element_tuple(rate),
                activation=None,
                depth_multiplier=depth_multiplier,
                use_bias=not normalizer_fn and biases_initializer,
                depthwise_initializer=weights_initializer,
                pointwise_initializer=weights_initializer if pointwise_initializer is None else pointwise_initializer,
                bias_initializer=biases_initializer,
                depthwise_regularizer=weights_regularizer,
                pointwise_regularizer=weights_regularizer,
                bias_regularizer=biases_regularizer,
                trainable=trainable,
                name=sc.name,
                dtype=inputs.dtype.base_dtype,
                _scope=sc,
                _reuse=reuse,
            )
            outputs = layer.apply(inputs)
            collect_variable(layer.depthwise_kernel, variables_collections, "weights")
            collect_variable(layer.pointwise_kernel, variables_collections, "weights")
            if layer.bias is not None:
                collect_variable(layer.bias, variables_collections, "biases")
            return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)
        dtype = inputs.dtype.base_dtype
        height, width = two_element_tuple(kernel_size)
        down, right = two_element_tuple(stride)
        channels = channel_dimension(inputs.shape, layout(data_format), min_rank=4)
        weights = model_variable(
            "depthwise_weights",
            shape=[height, width, channels, depth_multiplier],
            dtype=dtype,
            initializer=weights_initializer,
            regularizer=weights_regularizer,
            trainable=trainable,
            collections=get_variable_collections(variables_collections, "weights"),
        )
        strides = [1, 1, down, right] if data_format.startswith("NC") else [1, down, right, 1]
        outputs = depthwise_conv2d(
            inputs, weights, strides, padding, rate=two_element_tuple(rate), data_format=data_format
        )
        if normalizer_fn is None and biases_initializer is not None:
            biases = model_variable(
                "biases",
                shape=[depth_multiplier * channels],
                dtype=dtype,
                initializer=biases_initializer,
                regularizer=biases_regularizer,
                trainable=trainable,
                collections=get_variable_collections(variables_collections, "biases"),
            )
            outputs = bias_add(outputs, biases, data_format=data_format)
        return finished(outputs, normalizer_fn, normalizer_params, activation_fn, outputs_collections, sc)
