"""Dilated ("atrous") convolutions and poolings, as TF 1 builds them: every `rate`-th pixel becomes an image of its own.

    space_to_batch ──► the plain op, over rate * rate smaller images each ──► batch_to_space

A rate of 1 is the plain op alone. Depthwise and separable convolutions are here because they take a rate too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.arguments import either, per_axis
from evergraph.ops.convolution import (
    conv1d,
    conv2d,
    conv2d_backprop_input_op,
    conv2d_op,
    conv2d_transpose,
    conv3d_op,
    depthwise_op,
)
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import constant_value
from evergraph.ops.pooling import avg_pool, avg_pool3d, max_pool, max_pool3d
from evergraph.ops.rearrange import (
    batch_to_space,
    batch_to_space_nd,
    required_space_to_batch_paddings,
    space_to_batch,
    space_to_batch_nd,
)
from evergraph.ops.shaping import expand_dims, shape, squeeze

Build = Callable[[Tensor, int, str], Tensor]


def _is_channels_first(data_format: str | None) -> bool:
    return data_format is not None and data_format.startswith("NC")


@public("nn.with_space_to_batch")
def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Build,
    filter_shape: Any = None,
    spatial_dims: Sequence[int] | None = None,
    data_format: str | None = None,
) -> Tensor:
    """Apply `op` as if its window were spread by `dilation_rate`.

    Args:
        input: rank above the largest of `spatial_dims`.
        dilation_rate: positive ints, one for each spatial dimension.
        padding: "VALID" or "SAME".
        op: called as `op(converted_input, number_of_spatial_dims, padding)`.
        filter_shape: the window's shape, its spatial sizes first; needed for "SAME".
        spatial_dims: the dimensions it is about; by default those after the first (after the second for "NC...").
        data_format: the layout, "N...C" or "NC...".

    Raises:
        ValueError: if an argument does not fit the others.
    """
    input = convert_to_tensor(input, name="input")
    rate = convert_to_tensor(dilation_rate, dtypes.int32, name="dilation_rate")
    if rate.static_shape is None or len(rate.static_shape) != 1:
        raise ValueError("rate must be rank 1")
    (n,) = rate.static_shape
    if n is None:
        raise ValueError("rate must have known shape")
    first = 2 if _is_channels_first(data_format) else 1
    dims = list(range(first, n + first)) if spatial_dims is None else [int(d) for d in spatial_dims]
    if dims != sorted(set(dims)) or any(d < 1 for d in dims):
        raise ValueError("spatial_dims must be a montonically increasing sequence of positive integers")
    least = dims[-1] if _is_channels_first(data_format) else dims[-1] + 1
    if input._rank is not None and input._rank < least:
        raise ValueError(f"input tensor must have rank {least} at least")
    known_rate = constant_value(rate)
    if known_rate is not None:
        if np.any(known_rate < 1):
            raise ValueError("dilation_rate must be positive")
        if np.all(known_rate == 1):
            return op(input, n, padding)
    base = _base_paddings(padding, filter_shape, n, rate if known_rate is None else known_rate)
    paddings, crops = required_space_to_batch_paddings(_sizes(input, dims), rate, base)
    blocks = _from_first_dim(rate, 1, dims)
    paddings = _from_first_dim(paddings, 0, dims)
    crops = _from_first_dim(crops, 0, dims)
    converted = space_to_batch_nd(input, blocks, paddings)
    result = op(converted, n, "VALID")
    return batch_to_space_nd(result, blocks, crops)


def _sizes(input: Tensor, dims: list[int]) -> Any:
    static = None if input.static_shape is None else [input.static_shape[d] for d in dims]
    if static is not None and None not in static:
        return static
    sizes = shape(input)
    return stack([sizes[d] for d in dims])


def _base_paddings(padding: str, filter_shape: Any, n: int, rate: Any) -> Any:
    """The padding that "SAME" asks for, before the blocks are made to fit."""
    if padding == "VALID":
        return np.zeros([n, 2], np.int32)
    if padding != "SAME":
        raise ValueError(f"Invalid padding method {padding!r}")
    if filter_shape is None:
        raise ValueError("filter_shape must be specified for SAME padding")
    sizes = convert_to_tensor(filter_shape, name="filter_shape")
    known = constant_value(sizes)
    window: Any = (sizes if known is None else known)[:n]
    spread = window + (window - 1) * (rate - 1)
    extra = spread - 1
    start = extra // 2
    end = extra - start
    return stack([[start[i], end[i]] for i in range(n)])


def _from_first_dim(values: Tensor, fill: int, dims: list[int]) -> Any:
    """One row for each dimension from 1 on: `values` for those in `dims`, `fill` for those between."""
    sizes = values.static_shape
    assert sizes is not None
    known = constant_value(values)
    rows = values if known is None else known
    parts: list[Any] = []
    previous = 0
    i = 0
    while i < len(dims):
        begin = i
        if dims[begin] > 1:
            parts.append(np.full([dims[begin] - 1 - previous, *sizes[1:]], fill, np.int32))
        while i + 1 < len(dims) and dims[i + 1] == dims[i] + 1:
            i += 1
        parts.append(rows[begin : i + 1])
        previous = dims[i]
        i += 1
    return concat(parts, 0) if known is None else np.concatenate(parts)


def _steps_and_rates(n: int, strides: Any, rates: Any) -> tuple[Any, Any]:
    rates = [1] * n if rates is None else rates
    strides = [1] * n if strides is None else strides
    for name, values in (("dilation_rate", rates), ("strides", strides)):
        if len(values) != n:
            raise ValueError(f"len({name})={len(values)} but should be {n}")
        if np.any(np.asarray(values) < 1):
            raise ValueError(f"all values of {name} must be positive")
    strides, rates = np.array(strides, np.int32), np.array(rates, np.int32)
    if np.any(strides > 1) and np.any(rates > 1):
        raise ValueError("strides > 1 not supported in conjunction with dilation_rate > 1")
    return strides, rates


@public("nn.convolution")
def convolution(
    input: Any,
    filter: Any,
    padding: str,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolve over one, two or three spatial dimensions, with strides or with a dilated filter.

    Args:
        input: floats, shape `[batch, *spatial, channels]`, or `[batch, channels, *spatial]` for "NC...".
        filter: shape `[*spatial, channels, output channels]`.
        padding: "SAME" or "VALID".
        strides: ints, one for each spatial dimension.
        dilation_rate: ints, one for each; not together with strides above 1.
        name: the op's name.
        data_format: "NWC", "NHWC", "NDHWC" or "NCW", "NCHW", "NCDHW".
        filters: another name for `filter`.
        dilations: another name for `dilation_rate`.
    """
    filter = either("filters", filters, "filter", filter)
    rates = either("dilations", dilations, "dilation_rate", dilation_rate)
    for what in ("filter", "input"):
        given = filter if what == "filter" else input
        if not is_tensor_like(given):
            with name_scope("convolution_internal", None, [filter, input]):
                given = convert_to_tensor(given, name="filters" if what == "filter" else what)
            filter, input = (given, input) if what == "filter" else (filter, given)
    if input.shape.rank is None and filter.shape.rank is None:
        raise ValueError("rank of input or filter must be known")
    n = (filter.shape.rank if input.shape.rank is None else input.shape.rank) - 2
    if not 1 <= n <= 3:
        raise ValueError(f"Input tensor must be of rank 3, 4 or 5 but was {n + 2}.")
    axis = 1 if _is_channels_first(data_format) else n + 1
    strides = per_axis(strides, n, axis, "strides")
    rates = per_axis(rates, n, axis, "dilations")
    with name_scope(name, "convolution", [input, filter]) as scope:
        if all(rate == 1 for rate in rates):
            build = (conv1d, conv2d_op, conv3d_op)[n - 1]
            return build(input, filter, strides, padding, data_format=data_format, dilations=rates, name=scope)
        inner = slice(2, None) if axis == 1 else slice(1, -1)
        return _dilated(input, filter, padding, strides[inner], rates[inner], data_format, scope)


def _dilated(
    input: Any, filter: Any, padding: str, strides: Any, rates: Any, data_format: str | None, name: str
) -> Tensor:
    n = filter.shape.rank - 2 if filter.shape.rank is not None else input.shape.rank - 2
    first = _is_channels_first(data_format)
    depth = input.shape.as_list()[1 if first else n + 1] if input.shape.rank is not None else None
    inner = filter.shape.as_list()[n] if filter.shape.rank is not None else None
    if depth is not None and inner is not None and depth != inner:
        raise ValueError(
            f"number of input channels does not match corresponding dimension of filter, {depth} != {inner}"
        )
    strides, rates = _steps_and_rates(n, strides, rates)

    def plain(x: Tensor, _: int, padding: str) -> Tensor:
        if n == 1:
            return conv1d(x, filter, strides[0], padding, data_format=data_format or "NWC", name=name)
        steps = [1, 1, *strides] if first else [1, *strides, 1]
        if n == 2:
            return conv2d(x, filter, steps, padding, data_format=data_format or "NHWC", name=name)
        return conv3d_op(x, filter, steps, padding, data_format=data_format, name=name)

    dims = range(2, n + 2) if first else range(1, n + 1)
    result = with_space_to_batch(input, rates, padding, plain, filter.shape, dims, data_format)
    if first and result.static_shape is not None and result.static_shape[1] is None and inner is not None:
        result.set_shape((result.static_shape[0], filter.shape.as_list()[-1], *result.static_shape[2:]))
    return result


@public("nn.atrous_conv2d")
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Tensor:
    """`conv2d` with the elements of `filters` `rate` pixels apart."""
    return convolution(value, filters, padding, dilation_rate=np.broadcast_to(rate, (2,)), name=name)


@public("nn.atrous_conv2d_transpose")
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The transpose (gradient) of `atrous_conv2d`, as a layer.

    Args:
        value: floats, shape `[batch, height, width, channels]`.
        filters: shape `[height, width, output channels, channels]`.
        output_shape: the four sizes of the result.
        rate: a positive int.
        padding: "SAME" or "VALID", as of the convolution that this is the transpose of.
        name: the name scope.
    """
    with name_scope(name, "atrous_conv2d_transpose", [value, filters, output_shape]):
        value = convert_to_tensor(value, name="value")
        filters = convert_to_tensor(filters, name="filters")
        if not value.shape[3].is_compatible_with(filters.shape[3]):
            raise ValueError(
                f"value's input channels does not match filters' input channels, {value.shape[3]} != {filters.shape[3]}"
            )
        if rate < 1:
            raise ValueError(f"rate {rate} cannot be less than one")
        if rate == 1:
            return conv2d_transpose(value, filters, output_shape, [1, 1, 1, 1], padding, "NHWC")
        sizes = convert_to_tensor(output_shape, name="output_shape")
        if not sizes.shape.is_compatible_with([4]):
            raise ValueError(f"output_shape must have shape (4,), got {sizes.shape}")
        if isinstance(output_shape, tuple | list | np.ndarray):
            output_shape = list(output_shape)
            if not filters.shape[2].is_compatible_with(output_shape[3]):
                raise ValueError(
                    f"output_shape does not match filter's output channels, {output_shape[3]} != {filters.shape[2]}"
                )
        (top, bottom), (left, right) = _same_paddings(filters, rate) if padding == "SAME" else ((0, 0), (0, 0))
        if padding not in ("SAME", "VALID"):
            raise ValueError(f"padding must be either VALID or SAME: {padding}")
        height = output_shape[1] + top + bottom
        width = output_shape[2] + left + right
        more_rows = (rate - height % rate) % rate
        more_columns = (rate - width % rate) % rate
        value = space_to_batch(input=value, paddings=[[0, more_rows], [0, more_columns]], block_size=rate)
        inner = [
            rate * rate * output_shape[0],
            (height + more_rows) // rate,
            (width + more_columns) // rate,
            output_shape[3],
        ]
        value = conv2d_backprop_input_op(inner, filters, value, [1, 1, 1, 1], "VALID", data_format="NHWC")
        crops = [[top, bottom + more_rows], [left, right + more_columns]]
        return batch_to_space(input=value, crops=crops, block_size=rate)


def _same_paddings(filters: Tensor, rate: int) -> list[tuple[Any, Any]]:
    """Before and after the rows, and the columns."""
    static = filters.static_shape
    sizes: Any = shape(filters) if static is None or None in static else static
    pairs = []
    for size in (sizes[0], sizes[1]):
        total = size + (size - 1) * (rate - 1) - 1
        pairs.append((total, total // 2))
    return [(before, total - before) for total, before in pairs]


@public("nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Pool over one, two or three spatial dimensions, with strides or with a dilated window.

    Args:
        input: shape `[batch, *spatial, channels]`, or `[batch, channels, *spatial]` for "NC...".
        window_shape: ints, one for each spatial dimension.
        pooling_type: "MAX" or "AVG".
        padding: "SAME" or "VALID".
        dilation_rate: ints, one for each; not together with strides above 1 or with "SAME".
        strides: ints, one for each, at most the window's sizes.
        name: the op's name.
        data_format: "NWC", "NHWC", "NDHWC" or "NCW", "NCHW", "NCDHW".
        dilations: another name for `dilation_rate`.
    """
    rates = either("dilations", dilations, "dilation_rate", dilation_rate)
    with name_scope(name, f"{pooling_type.lower()}_pool", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        n = len(window_shape)
        if not 1 <= n <= 3:
            raise ValueError("It is required that 1 <= num_spatial_dims <= 3.")
        input.shape.assert_has_rank(n + 2)
        strides, rates = _steps_and_rates(n, strides, rates)
        if padding == "SAME" and np.any(rates > 1):
            raise ValueError("pooling with SAME padding is not implemented for dilation_rate > 1")
        if np.any(strides > window_shape):
            raise ValueError(
                "strides > window_shape not supported due to inconsistency between CPU and GPU implementations"
            )
        if pooling_type not in ("MAX", "AVG"):
            raise ValueError(f"{n}-D {pooling_type} pooling is not supported.")
        flat, deep = (max_pool, max_pool3d) if pooling_type == "MAX" else (avg_pool, avg_pool3d)
        first = _is_channels_first(data_format)
        axes = [1, 1, *window_shape] if first else [1, *window_shape, 1]
        steps = [1, 1, *strides] if first else [1, *strides, 1]
        dims = range(2, n + 2) if first else range(1, n + 1)
        layout = data_format
        if n == 1:
            if data_format not in (None, "NWC", "NCW"):
                raise ValueError('data_format must be either "NWC" or "NCW".')
            layout = "NCHW" if first else "NHWC"
            axes, steps = [1, *axes], [1, *steps]

        def plain(x: Tensor, _: int, padding: str) -> Tensor:
            if n == 1:
                x = expand_dims(x, dims[0])
            result = (deep if n == 3 else flat)(x, axes, steps, padding, data_format=layout, name=scope)
            return squeeze(result, [dims[0]]) if n == 1 else result

        return with_space_to_batch(input, rates, padding, plain, window_shape, dims)


@public("nn.depthwise_conv2d")
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Convolve each channel with filters of its own.

    Args:
        input: floats, shape `[batch, height, width, channels]` for "NHWC".
        filter: shape `[height, width, channels, multiplier]`; there are `channels * multiplier` output channels.
        strides: four ints.
        padding: "SAME" or "VALID".
        rate: two ints, the distances between the filter's elements.
        name: the op's name.
        data_format: "NHWC" or "NCHW".
        dilations: another name for `rate`.
    """
    rate = either("dilations", dilations, "rate", rate)
    with name_scope(name, "depthwise", [input, filter]) as scope:
        input = convert_to_tensor(input, name="tensor_in")
        filter = convert_to_tensor(filter, name="filter_in")

        def plain(x: Tensor, _: int, padding: str) -> Tensor:
            return depthwise_op(x, filter, strides, padding, data_format=data_format, name=scope)

        return with_space_to_batch(
            input, [1, 1] if rate is None else rate, padding, plain, shape(filter), data_format=data_format
        )


@public("nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """`depthwise_conv2d`, then a convolution with a 1x1 filter that mixes the channels.

    Args:
        input: floats, shape `[batch, height, width, channels]` for "NHWC".
        depthwise_filter: shape `[height, width, channels, multiplier]`.
        pointwise_filter: shape `[1, 1, channels * multiplier, output channels]`.
        strides: four ints, of the depthwise part.
        padding: "SAME" or "VALID".
        rate: two ints, the distances between the depthwise filter's elements.
        name: the op's name.
        data_format: "NHWC" or "NCHW".
        dilations: another name for `rate`.
    """
    rate = either("dilations", dilations, "rate", rate)
    with name_scope(name, "separable_conv2d", [input, depthwise_filter, pointwise_filter]) as scope:
        input = convert_to_tensor(input, name="tensor_in")
        depthwise_filter = convert_to_tensor(depthwise_filter, name="depthwise_filter")
        pointwise_filter = convert_to_tensor(pointwise_filter, name="pointwise_filter")
        sizes = pointwise_filter.shape.with_rank(4)
        sizes[0].assert_is_compatible_with(1)
        sizes[1].assert_is_compatible_with(1)

        def plain(x: Tensor, _: int, padding: str) -> Tensor:
            return depthwise_op(x, depthwise_filter, strides, padding, data_format=data_format, name="depthwise")

        deep = with_space_to_batch(
            input, [1, 1] if rate is None else rate, padding, plain, shape(depthwise_filter), data_format=data_format
        )
        return conv2d(deep, pointwise_filter, [1, 1, 1, 1], "VALID", data_format=data_format or "NHWC", name=scope)
