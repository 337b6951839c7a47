"""Transposed convolution layers: the gradient of a convolution as a layer, from small images to large ones."""

from __future__ import annotations

from typing import Any

import evergraph.layers.geometry as geometry
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.convolutional import Conv, Conv2D, Conv3D
from evergraph.ops import array
from evergraph.ops.bias import bias_add
from evergraph.ops.convolution import conv2d_transpose, conv3d_transpose
from evergraph.ops.dilated import atrous_conv2d_transpose
from evergraph.runtime.devices import gpu_count


def channels_first_runs() -> bool:
    """Whether convolutions with channels first run as they are; on a CPU they run with channels last."""
    return gpu_count() > 0


class Transposed(Conv):
    """What both transposed convolution layers share."""

    output_padding: Any

    def _check_output_padding(self, output_padding: Any) -> None:
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = geometry.per_dimension(output_padding, self.rank, "output_padding")
            for stride, pad in zip(self.strides, self.output_padding, strict=True):
                if pad >= stride:
                    raise ValueError(f"Stride {self.strides} must be greater than output padding {self.output_padding}")

    def build(self, input_shape: Any) -> None:
        sizes = TensorShape(input_shape)
        if len(sizes) != self.rank + 2:
            raise ValueError(f"Inputs should have rank {self.rank + 2}. Received input shape: {sizes}")
        self._add_kernel((*self.kernel_size, self.filters, self._channels(sizes)))
        self._add_bias()
        self.built = True

    def _spatial_axes(self) -> list[int]:
        first = 2 if self.data_format == "channels_first" else 1
        return list(range(first, first + self.rank))

    def _lengths(self, lengths: list[Any], dilations: Any) -> list[Any]:
        paddings = self.output_padding or [None] * self.rank
        return [
            geometry.transposed_length(
                length,
                self.kernel_size[i],
                self.padding,
                output_padding=paddings[i],
                stride=self.strides[i],
                dilation=dilations[i],
            )
            for i, length in enumerate(lengths)
        ]

    def _dilations(self) -> Any:
        return (1,) * self.rank

    def call(self, inputs: Any) -> Any:
        sizes = array.shape(inputs)
        batch = sizes[0]
        lengths = self._lengths([sizes[axis] for axis in self._spatial_axes()], self._dilations())
        if self.data_format == "channels_first":
            output_shape = array.stack((batch, self.filters, *lengths))
        else:
            output_shape = array.stack((batch, *lengths, self.filters))
        outputs = self._convolved(inputs, output_shape)
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        if self.use_bias:
            outputs = bias_add(outputs, self.bias, data_format=geometry.op_layout(self.data_format, 4))
        return self._activated(outputs)

    def _convolved(self, inputs: Any, output_shape: Tensor) -> Tensor:
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        axes = self._spatial_axes()
        for axis, length in zip(axes, self._lengths([sizes[a] for a in axes], self._dilations()), strict=True):
            sizes[axis] = length
        sizes[1 if self.data_format == "channels_first" else -1] = self.filters
        return TensorShape(sizes)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"output_padding": self.output_padding}


class Conv2DTranspose(Transposed, Conv2D):
    """A transposed convolution over images. `Conv` has the arguments.

    Args:
        output_padding: how much to add to the output's sizes, less than the strides.
    """

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, **kwargs
        )
        self._check_output_padding(output_padding)

    def _dilations(self) -> Any:
        return self.dilation_rate

    def _convolved(self, inputs: Any, output_shape: Any) -> Tensor:
        is_dilated = self.dilation_rate != (1, 1)
        first = self.data_format == "channels_first"
        moves = first and (is_dilated or not channels_first_runs())
        if moves:
            inputs = array.transpose(inputs, (0, 2, 3, 1))
            output_shape = tuple(output_shape[i] for i in (0, 2, 3, 1))
        else:
            output_shape[0]  # TF looks at it too, and so adds an op
        if moves:
            output_shape = array.stack(list(output_shape))
        padding = self.padding.upper()
        if is_dilated:
            outputs = atrous_conv2d_transpose(
                inputs, self.kernel, output_shape, rate=self.dilation_rate[0], padding=padding
            )
        else:
            keeps_first = first and not moves
            strides = (1, 1, *self.strides) if keeps_first else (1, *self.strides, 1)
            layout = "NCHW" if keeps_first else "NHWC"
            outputs = conv2d_transpose(inputs, self.kernel, output_shape, strides, padding=padding, data_format=layout)
        return array.transpose(outputs, (0, 3, 1, 2)) if moves else outputs


class Conv3DTranspose(Transposed, Conv3D):
    """A transposed convolution over volumes. `Conv` has the arguments.

    Args:
        output_padding: how much to add to the output's sizes, less than the strides.
    """

    def __init__(
        self,
        filters: Any,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: Any = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters, kernel_size, strides, padding, data_format, activation=activation, use_bias=use_bias, **kwargs
        )
        self._check_output_padding(output_padding)

    def _convolved(self, inputs: Any, output_shape: Tensor) -> Tensor:
        first = self.data_format == "channels_first"
        return conv3d_transpose(
            inputs,
            self.kernel,
            output_shape,
            (1, 1, *self.strides) if first else (1, *self.strides, 1),
            data_format=geometry.op_layout(self.data_format, 5),
            padding=self.padding.upper(),
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("dilation_rate")
        return config
