"""A convolution settled for inputs of one shape, to be applied again and again.

Its constants (the dilation rate, and for a dilated filter the paddings) are made once, when the layer is built.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import dilated
from evergraph.ops.convolution import conv1d, conv2d, conv3d_op
from evergraph.ops.rearrange import batch_to_space_nd, required_space_to_batch_paddings, space_to_batch_nd


class ConvolutionPlan:
    """A convolution with strides or with a dilated filter.

    Args:
        input_shape: the inputs' static shape.
        filter_shape: the filter's, `[*spatial, channels, output channels]`.
        padding: "SAME" or "VALID".
        strides: ints, one for each spatial dimension.
        dilation_rate: ints, one for each; not together with strides above 1.
        data_format: "NWC", "NHWC", "NDHWC" or "NCW", "NCHW", "NCDHW".

    Raises:
        ValueError: if they do not fit together.
    """

    def __init__(
        self,
        input_shape: TensorShape,
        filter_shape: TensorShape,
        padding: str,
        strides: Any,
        dilation_rate: Any,
        data_format: str,
    ) -> None:
        n = len(filter_shape) - 2
        self._first = data_format.startswith("NC")
        self._input_shape = input_shape
        self._data_format = data_format
        self._padding = padding
        channels = input_shape[1 if self._first else n + 1]
        if not channels.is_compatible_with(filter_shape[n]):
            raise ValueError(
                "number of input channels does not match corresponding dimension of filter, "
                f"{channels} != {filter_shape[n]}"
            )
        self._strides, rates = dilated._steps_and_rates(n, strides, dilation_rate)
        self._dims = list(range(2, n + 2) if self._first else range(1, n + 1))
        self._rate = convert_to_tensor(rates, dtypes.int32, name="dilation_rate")
        self._is_dilated = bool(np.any(rates > 1))
        if self._is_dilated:
            self._base_paddings = dilated._base_paddings(padding, filter_shape, n, rates)

    def __call__(self, inputs: Tensor, filter: Any) -> Tensor:
        if not self._is_dilated:
            return self._convolved(inputs, filter, self._padding)
        sizes = self._input_shape.as_list()
        known = [sizes[d] for d in self._dims]
        spatial = dilated._sizes(inputs, self._dims) if None in known else known
        paddings, crops = required_space_to_batch_paddings(spatial, self._rate, self._base_paddings)
        blocks = dilated._from_first_dim(self._rate, 1, self._dims)
        paddings = dilated._from_first_dim(paddings, 0, self._dims)
        crops = dilated._from_first_dim(crops, 0, self._dims)
        converted = space_to_batch_nd(inputs, blocks, paddings)
        result = batch_to_space_nd(self._convolved(converted, filter, "VALID"), blocks, crops)
        if self._first and result.static_shape is not None and result.static_shape[1] is None:
            result.set_shape([result.static_shape[0], filter.shape[-1], *result.static_shape[2:]])
        return result

    def _convolved(self, x: Tensor, filter: Any, padding: str) -> Tensor:
        steps = list(self._strides)
        if len(steps) == 1:
            return conv1d(x, filter, steps[0], padding, data_format=self._data_format)
        steps = [1, 1, *steps] if self._first else [1, *steps, 1]
        if len(steps) == 4:
            return conv2d(x, filter, steps, padding, data_format=self._data_format)
        return conv3d_op(x, filter, steps, padding, data_format=self._data_format)
