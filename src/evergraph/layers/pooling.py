"""Pooling layers: the largest value, or the mean, under a window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.layers.geometry as geometry
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.layer import Layer
from evergraph.layers.transposed import channels_first_runs
from evergraph.ops import array
from evergraph.ops.pooling import avg_pool, avg_pool3d, max_pool, max_pool3d


class Pooling(Layer):
    """What all pooling layers are.

    Args:
        pool_size: the window's size, an int or one for each spatial dimension.
        strides: its steps, likewise; by default its size.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        **kwargs: options of all layers.
    """

    rank: int
    pool_function: Callable[..., Any]

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = geometry.per_dimension(pool_size, self.rank, "pool_size")
        self.strides = geometry.per_dimension(pool_size if strides is None else strides, self.rank, "strides")
        self.padding = geometry.checked_padding(padding)
        self.data_format = geometry.checked_layout(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        first = 2 if self.data_format == "channels_first" else 1
        for i in range(self.rank):
            sizes[first + i] = geometry.output_length(
                sizes[first + i], self.pool_size[i], self.padding, self.strides[i]
            )
        return TensorShape(sizes)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class Pooling1D(Pooling):
    """Pooling over sequences, as images of width 1."""

    rank = 1

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)

    def call(self, inputs: Any) -> Tensor:
        first = self.data_format == "channels_first"
        axis = 3 if first else 2
        images = array.expand_dims(inputs, axis)
        moves = first and not channels_first_runs()
        if moves:
            images = array.transpose(images, (0, 2, 3, 1))
        keeps_first = first and not moves
        window, strides = (*self.pool_size, 1), (*self.strides, 1)
        outputs = type(self).pool_function(
            images,
            (1, 1, *window) if keeps_first else (1, *window, 1),
            (1, 1, *strides) if keeps_first else (1, *strides, 1),
            padding=self.padding.upper(),
            data_format="NCHW" if keeps_first else "NHWC",
        )
        if moves:
            outputs = array.transpose(outputs, (0, 3, 1, 2))
        return array.squeeze(outputs, axis)


class MaxPooling1D(Pooling1D):
    """The largest value under a window, over sequences. `Pooling` has the arguments."""

    pool_function = staticmethod(max_pool)


class AveragePooling1D(Pooling1D):
    """The mean under a window, over sequences. `Pooling` has the arguments."""

    pool_function = staticmethod(avg_pool)


class Pooling2D(Pooling):
    """Pooling over images."""

    rank = 2

    def call(self, inputs: Any) -> Tensor:
        is_last = self.data_format == "channels_last"
        return type(self).pool_function(
            inputs,
            ksize=(1, *self.pool_size, 1) if is_last else (1, 1, *self.pool_size),
            strides=(1, *self.strides, 1) if is_last else (1, 1, *self.strides),
            padding=self.padding.upper(),
            data_format=geometry.op_layout(self.data_format, 4),
        )


class MaxPooling2D(Pooling2D):
    """The largest value under a window, over images. `Pooling` has the arguments."""

    pool_function = staticmethod(max_pool)


class AveragePooling2D(Pooling2D):
    """The mean under a window, over images. `Pooling` has the arguments."""

    pool_function = staticmethod(avg_pool)


class Pooling3D(Pooling):
    """Pooling over volumes."""

    rank = 3

    def call(self, inputs: Any) -> Tensor:
        first = self.data_format == "channels_first"
        if first:
            inputs = array.transpose(inputs, (0, 2, 3, 4, 1))
        outputs = type(self).pool_function(
            inputs, ksize=(1, *self.pool_size, 1), strides=(1, *self.strides, 1), padding=self.padding.upper()
        )
        return array.transpose(outputs, (0, 4, 1, 2, 3)) if first else outputs


class MaxPooling3D(Pooling3D):
    """The largest value under a window, over volumes. `Pooling` has the arguments."""

    pool_function = staticmethod(max_pool3d)


class AveragePooling3D(Pooling3D):
    """The mean under a window, over volumes. `Pooling` has the arguments."""

    pool_function = staticmethod(avg_pool3d)
