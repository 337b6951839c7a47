"""Convolution layers over one, two and three spatial dimensions."""

from __future__ import annotations

from typing import Any

import evergraph.layers.geometry as geometry
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.convolution_plan import ConvolutionPlan
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.layer import Layer
from evergraph.layers.named import activation_of, constraint_of, described, initializer_of, regularizer_of
from evergraph.ops import array
from evergraph.ops.bias import bias_add


class Conv(Layer):
    """What all convolution layers are.

    Args:
        rank: the number of spatial dimensions.
        filters: the number of output channels.
        kernel_size: the filter's size, an int or one for each spatial dimension.
        strides: the filter's steps, likewise.
        padding: "valid" or "same" (or "causal" in one dimension).
        data_format: "channels_last" or "channels_first".
        dilation_rate: the distance between the filter's elements, likewise; not together with strides above 1.
        activation: a function, or its name; by default none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: what the variables start with.
        kernel_regularizer, bias_regularizer: functions of a variable that give a loss.
        activity_regularizer: a function of the output that gives a loss.
        kernel_constraint, bias_constraint: functions from a variable's value after an update to the value to keep.
        trainable: whether optimizers change the variables.
        name: the layer's name.
        **kwargs: options of all layers.
    """

    def __init__(
        self,
        rank: int,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            trainable=trainable, name=name, activity_regularizer=regularizer_of(activity_regularizer), **kwargs
        )
        self.rank = rank
        self.filters = filters
        self.kernel_size = geometry.per_dimension(kernel_size, rank, "kernel_size")
        self.strides = geometry.per_dimension(strides, rank, "strides")
        self.padding = geometry.checked_padding(padding)
        if self.padding == "causal" and rank != 1:
            raise ValueError("Causal padding is only supported for `Conv1D` and `SeparableConv1D`.")
        self.data_format = geometry.checked_layout(data_format)
        self.dilation_rate = geometry.per_dimension(dilation_rate, rank, "dilation_rate")
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializer_of(kernel_initializer)
        self.bias_initializer = initializer_of(bias_initializer)
        self.kernel_regularizer = regularizer_of(kernel_regularizer)
        self.bias_regularizer = regularizer_of(bias_regularizer)
        self.kernel_constraint = constraint_of(kernel_constraint)
        self.bias_constraint = constraint_of(bias_constraint)
        self.input_spec = InputSpec(ndim=rank + 2)

    def _channels(self, input_shape: TensorShape) -> int:
        axis = 1 if self.data_format == "channels_first" else -1
        channels = input_shape.as_list()[axis]
        if channels is None:
            raise ValueError("The channel dimension of the inputs should be defined. Found `None`.")
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def _add_kernel(self, shape: Any) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            trainable=True,
            dtype=self.dtype,
        )

    def _add_bias(self) -> None:
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                trainable=True,
                dtype=self.dtype,
            )

    def build(self, input_shape: Any) -> None:
        sizes = TensorShape(input_shape)
        channels = self._channels(sizes)
        self._add_kernel((*self.kernel_size, channels, self.filters))
        self._add_bias()
        self._convolution_op = ConvolutionPlan(
            sizes,
            self.kernel.shape,
            "VALID" if self.padding == "causal" else self.padding.upper(),
            self.strides,
            self.dilation_rate,
            geometry.op_layout(self.data_format, self.rank + 2),
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        outputs = self._convolution_op(inputs, self.kernel)
        if self.use_bias:
            if self.data_format == "channels_last":
                outputs = bias_add(outputs, self.bias, data_format="NHWC")
            elif self.rank == 1:
                outputs += array.reshape(self.bias, (1, self.filters, 1))
            else:
                outputs = bias_add(outputs, self.bias, data_format="NCHW")
        return self._activated(outputs)

    def _activated(self, outputs: Tensor) -> Any:
        return self.activation(outputs) if self.activation is not None else outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        is_last = self.data_format == "channels_last"
        spatial = [
            geometry.output_length(size, self.kernel_size[i], self.padding, self.strides[i], self.dilation_rate[i])
            for i, size in enumerate(sizes[1:-1] if is_last else sizes[2:])
        ]
        return TensorShape([sizes[0], *spatial, self.filters] if is_last else [sizes[0], self.filters, *spatial])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": described(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": described(self.kernel_initializer),
            "bias_initializer": described(self.bias_initializer),
            "kernel_regularizer": described(self.kernel_regularizer),
            "bias_regularizer": described(self.bias_regularizer),
            "activity_regularizer": described(self.activity_regularizer),
            "kernel_constraint": described(self.kernel_constraint),
            "bias_constraint": described(self.bias_constraint),
        }

    def _compute_causal_padding(self) -> list[list[int]]:
        before = [self.dilation_rate[0] * (self.kernel_size[0] - 1), 0]
        return [[0, 0], before, [0, 0]] if self.data_format == "channels_last" else [[0, 0], [0, 0], before]


class Conv1D(Conv):
    """A convolution over sequences, `[batch, steps, channels]`. `Conv` has the arguments."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, **kwargs
        )

    def call(self, inputs: Any) -> Any:
        if self.padding == "causal":
            inputs = array.pad(inputs, self._compute_causal_padding())
        return super().call(inputs)


class Conv2D(Conv):
    """A convolution over images, `[batch, rows, columns, channels]`. `Conv` has the arguments."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, **kwargs
        )


class Conv3D(Conv):
    """A convolution over volumes, `[batch, depth, rows, columns, channels]`. `Conv` has the arguments."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1, 1),
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3, filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, **kwargs
        )
