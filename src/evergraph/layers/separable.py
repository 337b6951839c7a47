"""Separable convolution layers: a convolution of each channel by itself, then a mix of the channels at each place."""

from __future__ import annotations

from typing import Any

import evergraph.layers.geometry as geometry
from evergraph.framework.shapes import TensorShape
from evergraph.layers.convolutional import Conv
from evergraph.layers.named import constraint_of, described, initializer_of, regularizer_of
from evergraph.ops import array
from evergraph.ops.bias import bias_add
from evergraph.ops.dilated import separable_conv2d


class SeparableConv(Conv):
    """What both separable convolution layers are. `Conv` has the arguments that are not here.

    Args:
        depth_multiplier: how many channels the first step makes of each.
        depthwise_initializer, pointwise_initializer: what the two kernels start with.
        depthwise_regularizer, pointwise_regularizer: functions of a kernel that give a loss.
        depthwise_constraint, pointwise_constraint: functions from a kernel's value after an update to that to keep.
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
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = initializer_of(depthwise_initializer)
        self.pointwise_initializer = initializer_of(pointwise_initializer)
        self.depthwise_regularizer = regularizer_of(depthwise_regularizer)
        self.pointwise_regularizer = regularizer_of(pointwise_regularizer)
        self.depthwise_constraint = constraint_of(depthwise_constraint)
        self.pointwise_constraint = constraint_of(pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self._channels(TensorShape(input_shape))
        self.depthwise_kernel = self.add_weight(
            name="depthwise_kernel",
            shape=(*self.kernel_size, channels, self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
            trainable=True,
            dtype=self.dtype,
        )
        self.pointwise_kernel = self.add_weight(
            name="pointwise_kernel",
            shape=(*(1,) * self.rank, self.depth_multiplier * channels, self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
            trainable=True,
            dtype=self.dtype,
        )
        self._add_bias()
        self.built = True

    def call(self, inputs: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for key in ("kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            del config[key]
        return config | {
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": described(self.depthwise_initializer),
            "pointwise_initializer": described(self.pointwise_initializer),
            "depthwise_regularizer": described(self.depthwise_regularizer),
            "pointwise_regularizer": described(self.pointwise_regularizer),
            "depthwise_constraint": described(self.depthwise_constraint),
            "pointwise_constraint": described(self.pointwise_constraint),
        }


class SeparableConv1D(SeparableConv):
    """A separable convolution over sequences. `SeparableConv` has the arguments."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            1, filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
            use_bias, **kwargs,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        if self.padding == "causal":
            inputs = array.pad(inputs, self._compute_causal_padding())
        is_last = self.data_format == "channels_last"
        strides = (1, *self.strides * 2, 1) if is_last else (1, 1, *self.strides * 2)
        axis = 1 if is_last else 2
        inputs = array.expand_dims(inputs, axis)
        depthwise_kernel = array.expand_dims(self.depthwise_kernel, 0)
        pointwise_kernel = array.expand_dims(self.pointwise_kernel, 0)
        layout = geometry.op_layout(self.data_format, 4)
        outputs = separable_conv2d(
            inputs,
            depthwise_kernel,
            pointwise_kernel,
            strides=strides,
            padding="VALID" if self.padding == "causal" else self.padding.upper(),
            rate=(1, *self.dilation_rate),
            data_format=layout,
        )
        if self.use_bias:
            outputs = bias_add(outputs, self.bias, data_format=layout)
        return self._activated(array.squeeze(outputs, [axis]))


class SeparableConv2D(SeparableConv):
    """A separable convolution over images. `SeparableConv` has the arguments."""

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2, filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
            use_bias, **kwargs,
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        layout = geometry.op_layout(self.data_format, 4)
        outputs = separable_conv2d(
            inputs,
            self.depthwise_kernel,
            self.pointwise_kernel,
            strides=(1, *self.strides, 1) if self.data_format == "channels_last" else (1, 1, *self.strides),
            padding=self.padding.upper(),
            rate=self.dilation_rate,
            data_format=layout,
        )
        if self.use_bias:
            outputs = bias_add(outputs, self.bias, data_format=layout)
        return self._activated(outputs)
