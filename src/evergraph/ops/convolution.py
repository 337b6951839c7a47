"""Convolutions and their gradients, in two and three dimensions, dense and depthwise.

A kernel here brings its arrays into the one layout that `xla/convolution.py` and `convolution_numpy.py` know, channels
last, and finds out the `Window`.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import convolution_numpy
from evergraph.ops.arguments import channel_axis, either, per_axis
from evergraph.ops.joining import concat
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.shaping import expand_dims, shape, shape_n, squeeze
from evergraph.ops.windows import (
    Window,
    arranged,
    as_format,
    channels,
    channels_last,
    output_sizes,
    sliding,
    spatial,
)


def _engine(xp: Any) -> Any:
    if xp is np:
        return convolution_numpy
    from evergraph.ops.xla import convolution

    return convolution


def _window(x: Any, w: Any, strides: Any, padding: bytes, explicit: Any, data_format: bytes, dilations: Any) -> Window:
    """The window of a filter of shape `w` over a channels-last array of shape `x`."""
    try:
        return sliding(
            tuple(x[1:-1]),
            tuple(w[:-2]),
            spatial(strides, data_format),
            spatial(dilations, data_format),
            padding,
            _spatial_paddings(explicit, data_format),
        )
    except ShapeError as error:
        raise kernel_error(str(error)) from None


def _spatial_paddings(explicit: Any, data_format: bytes) -> tuple[int, ...]:
    pairs = [tuple(explicit[i : i + 2]) for i in range(0, len(explicit), 2)]
    return sum(spatial(pairs, data_format), ()) if pairs else ()


def _last(sizes: Any, data_format: bytes) -> tuple[int, ...]:
    """A shape given as a value, in channels-last order."""
    sizes = [int(n) for n in sizes]
    return (sizes[0], *spatial(sizes, data_format), channels(sizes, data_format))


def _check_depths(x: Any, w: Any) -> None:
    if w[-2] == 0 or x[-1] % w[-2]:
        raise kernel_error(f"input depth must be evenly divisible by filter depth: {x[-1]} vs {w[-2]}")


def _check_gradient(dy: Any, x: Any, depth: int, window: Window) -> None:
    if tuple(dy) != (x[0], *window.output, depth):
        raise kernel_error(
            "Size of out_backprop doesn't match computed: "
            f"actual = {list(dy)}, computed = {[x[0], *window.output, depth]}"
        )


# The three directions, dense


def _forward(
    xp: Any, input: Any, filter: Any, strides: Any, padding: Any, data_format: Any, dilations: Any, explicit: Any = ()
) -> Any:
    x = channels_last(xp, input, data_format)
    _check_depths(x.shape, filter.shape)
    window = _window(x.shape, filter.shape, strides, padding, explicit, data_format, dilations)
    return as_format(xp, _engine(xp).convolve(x, filter, window), data_format)


def _backward_to_input(
    xp: Any, sizes: Any, filter: Any, grad: Any, strides: Any, padding: Any, data_format: Any, dilations: Any,
    explicit: Any = (),
) -> Any:  # fmt: skip
    shape = _last(sizes, data_format)
    dy = channels_last(xp, grad, data_format)
    _check_depths(shape, filter.shape)
    window = _window(shape, filter.shape, strides, padding, explicit, data_format, dilations)
    _check_gradient(dy.shape, shape, filter.shape[-1], window)
    return as_format(xp, _engine(xp).input_gradient(dy, filter, shape, window), data_format)


def _backward_to_filter(
    xp: Any, input: Any, sizes: Any, grad: Any, strides: Any, padding: Any, data_format: Any, dilations: Any,
    explicit: Any = (),
) -> Any:  # fmt: skip
    x, dy = channels_last(xp, input, data_format), channels_last(xp, grad, data_format)
    shape = tuple(int(n) for n in sizes)
    _check_depths(x.shape, shape)
    window = _window(x.shape, shape, strides, padding, explicit, data_format, dilations)
    _check_gradient(dy.shape, x.shape, shape[-1], window)
    return _engine(xp).filter_gradient(x, dy, shape, window)


def _dense_shape(
    input: Any, filter: Any, rank: int, strides: Any, padding: Any, data_format: Any, dilations: Any, explicit: Any = ()
) -> Any:
    x, w = with_rank(input, rank), with_rank(filter, rank)
    if padding == b"EXPLICIT":
        _check_paddings(explicit, rank, data_format)
    depth, inner = channels(x, data_format), w[-2]
    if depth is not None and inner is not None:
        if inner == 0:
            raise ShapeError("Depth of filter must not be 0")
        if depth % inner:
            raise ShapeError(f"Depth of input ({depth}) is not a multiple of input depth of filter ({inner})")
        groups = depth // inner
        if groups > 1 and w[-1] is not None and w[-1] % groups:
            raise ShapeError(f"Depth of output ({w[-1]}) is not a multiple of the number of groups ({groups})")
    return arranged(x[0], _sizes(x, w, strides, padding, data_format, dilations, explicit), w[-1], data_format)


def _check_paddings(explicit: Any, rank: int, data_format: bytes) -> None:
    if len(explicit) != 2 * rank:
        raise ShapeError(f"explicit_paddings attribute must contain {2 * rank} values, but got: {len(explicit)}")
    if any(n < 0 for n in explicit):
        raise ShapeError("All elements of explicit_paddings must be nonnegative")
    pairs = [tuple(explicit[i : i + 2]) for i in range(0, len(explicit), 2)]
    if any(pairs[0]) or any(channels(pairs, data_format)):
        raise ShapeError("Nonzero explicit padding in the batch or depth dimensions is not supported")


def _sizes(x: Any, w: Any, strides: Any, padding: Any, data_format: Any, dilations: Any, explicit: Any = ()) -> Any:
    return output_sizes(
        spatial(x, data_format),
        w[:-2],
        spatial(strides, data_format),
        spatial(dilations, data_format),
        padding,
        _spatial_paddings(explicit, data_format),
    )


def _given(sizes: Any, rank: int) -> Any:
    """The shape that a shape input states."""
    if sizes is None:
        return (None,) * rank
    return with_rank(tuple(None if n is None or n < 0 else int(n) for n in np.ravel(sizes).tolist()), rank)


def _check_attributes(attrs: dict[str, Any]) -> Any:
    """TF takes steps along the spatial axes only, and pads nothing else."""
    strides, data_format = attrs["strides"], attrs["data_format"]
    if strides[0] != 1 or channels(strides, data_format) != 1:
        return kernel_error("Current implementation does not yet support strides in the batch and depth dimensions.")
    if attrs["padding"] == b"EXPLICIT":
        try:
            _check_paddings(attrs["explicit_paddings"], 4, data_format)
        except ShapeError as error:
            return kernel_error(str(error))
    return None


# Two dimensions


@op("Conv2D")
def conv2d_op(
    xp: Any, input: Any, filter: Any, *,
    strides: Any, padding: Any, explicit_paddings: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The sum, at each position of the window, of its elements times the filter's."""
    return _forward(xp, input, filter, strides, padding, data_format, dilations, explicit_paddings)


@conv2d_op.shape
def conv2d_shape(
    input: Any, filter: Any, *, strides: Any, padding: Any, explicit_paddings: Any, data_format: Any, dilations: Any
) -> Any:
    return _dense_shape(input, filter, 4, strides, padding, data_format, dilations, explicit_paddings)


@op("Conv2DBackpropInput", static=("input_sizes",))
def conv2d_backprop_input_op(
    xp: Any, input_sizes: Any, filter: Any, out_backprop: Any, *,
    strides: Any, padding: Any, explicit_paddings: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a convolution to its input; as a layer, the transposed convolution."""
    return _backward_to_input(
        xp, input_sizes, filter, out_backprop, strides, padding, data_format, dilations, explicit_paddings
    )


@conv2d_backprop_input_op.shape
def conv2d_backprop_input_shape(input_sizes: Any, filter: Any, out_backprop: Any) -> Any:
    return _given(input_sizes, 4)


@op("Conv2DBackpropFilter", static=("filter_sizes",))
def conv2d_backprop_filter_op(
    xp: Any, input: Any, filter_sizes: Any, out_backprop: Any, *,
    strides: Any, padding: Any, explicit_paddings: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a convolution to its filter."""
    return _backward_to_filter(
        xp, input, filter_sizes, out_backprop, strides, padding, data_format, dilations, explicit_paddings
    )


@conv2d_backprop_filter_op.shape
def conv2d_backprop_filter_shape(input: Any, filter_sizes: Any, out_backprop: Any) -> Any:
    return _given(filter_sizes, 4)


for _op in (conv2d_op, conv2d_backprop_input_op, conv2d_backprop_filter_op):
    _op.check(_check_attributes)

_CONV2D = ("dilations", "strides", "padding", "explicit_paddings", "use_cudnn_on_gpu", "data_format")
_CONV3D = ("dilations", "strides", "padding", "data_format")
_DEPTHWISE = ("dilations", "strides", "padding", "data_format")


def _same(made: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """The attributes that a convolution and its gradients share."""
    return {name: made.attrs[name] for name in names}


@conv2d_op.gradient
def conv2d_grad(made: Any, grad: Tensor) -> Any:
    x, w = made.inputs
    attrs = _same(made, _CONV2D)
    x_shape, w_shape = shape_n([x, w])
    return [
        conv2d_backprop_input_op(x_shape, w, grad, **attrs),
        conv2d_backprop_filter_op(x, w_shape, grad, **attrs),
    ]


@conv2d_backprop_input_op.gradient
def conv2d_backprop_input_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _CONV2D)
    _, w, dy = made.inputs
    return [
        None,
        conv2d_backprop_filter_op(grad, shape(w), dy, **attrs),
        conv2d_op(grad, w, **attrs),
    ]


@conv2d_backprop_filter_op.gradient
def conv2d_backprop_filter_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _CONV2D)
    x, _, dy = made.inputs
    return [
        conv2d_backprop_input_op(shape(x), grad, dy, **attrs),
        None,
        conv2d_op(x, grad, **attrs),
    ]


# Three dimensions


@op("Conv3D")
def conv3d_op(xp: Any, input: Any, filter: Any, *, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Any:
    """The sum, at each position of the window, of its elements times the filter's."""
    return _forward(xp, input, filter, strides, padding, data_format, dilations)


@conv3d_op.shape
def conv3d_shape(input: Any, filter: Any, *, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Any:
    return _dense_shape(input, filter, 5, strides, padding, data_format, dilations)


@op("Conv3DBackpropInputV2", static=("input_sizes",))
def conv3d_backprop_input_op(
    xp: Any, input_sizes: Any, filter: Any, out_backprop: Any, *,
    strides: Any, padding: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a convolution to its input; as a layer, the transposed convolution."""
    return _backward_to_input(xp, input_sizes, filter, out_backprop, strides, padding, data_format, dilations)


@conv3d_backprop_input_op.shape
def conv3d_backprop_input_shape(input_sizes: Any, filter: Any, out_backprop: Any) -> Any:
    return _given(input_sizes, 5)


@op("Conv3DBackpropFilterV2", static=("filter_sizes",))
def conv3d_backprop_filter_op(
    xp: Any, input: Any, filter_sizes: Any, out_backprop: Any, *,
    strides: Any, padding: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a convolution to its filter."""
    return _backward_to_filter(xp, input, filter_sizes, out_backprop, strides, padding, data_format, dilations)


@conv3d_backprop_filter_op.shape
def conv3d_backprop_filter_shape(input: Any, filter_sizes: Any, out_backprop: Any) -> Any:
    return _given(filter_sizes, 5)


@conv3d_op.gradient
def conv3d_grad(made: Any, grad: Tensor) -> Any:
    x, w = made.inputs
    attrs = _same(made, _CONV3D)
    return [
        conv3d_backprop_input_op(shape(x), w, grad, **attrs),
        conv3d_backprop_filter_op(x, shape(w), grad, **attrs),
    ]


@conv3d_backprop_input_op.gradient
def conv3d_backprop_input_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _CONV3D)
    _, w, dy = made.inputs
    return [
        None,
        conv3d_backprop_filter_op(grad, shape(w), dy, **attrs),
        conv3d_op(grad, w, **attrs),
    ]


@conv3d_backprop_filter_op.gradient
def conv3d_backprop_filter_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _CONV3D)
    x, _, dy = made.inputs
    return [
        conv3d_backprop_input_op(shape(x), grad, dy, **attrs),
        None,
        conv3d_op(x, grad, **attrs),
    ]


# Depthwise: each input channel has its own filters


@op("DepthwiseConv2dNative")
def depthwise_op(
    xp: Any, input: Any, filter: Any, *, strides: Any, padding: Any, data_format: Any, dilations: Any
) -> Any:
    """Each channel convolved with its own filters; output channel `c * multiplier + m` is channel `c` by filter `m`."""
    x = channels_last(xp, input, data_format)
    window = _depthwise_window(x.shape, filter.shape, strides, padding, data_format, dilations)
    return as_format(xp, _engine(xp).depthwise(x, filter, window), data_format)


@op("DepthwiseConv2dNativeBackpropInput", static=("input_sizes",))
def depthwise_backprop_input_op(
    xp: Any, input_sizes: Any, filter: Any, out_backprop: Any, *,
    strides: Any, padding: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a depthwise convolution to its input."""
    shape = _last(input_sizes, data_format)
    dy = channels_last(xp, out_backprop, data_format)
    window = _depthwise_window(shape, filter.shape, strides, padding, data_format, dilations)
    _check_gradient(dy.shape, shape, filter.shape[-2] * filter.shape[-1], window)
    return as_format(xp, _engine(xp).depthwise_input_gradient(dy, filter, shape, window), data_format)


@op("DepthwiseConv2dNativeBackpropFilter", static=("filter_sizes",))
def depthwise_backprop_filter_op(
    xp: Any, input: Any, filter_sizes: Any, out_backprop: Any, *,
    strides: Any, padding: Any, data_format: Any, dilations: Any,
) -> Any:  # fmt: skip
    """The gradient of a depthwise convolution to its filter."""
    x, dy = channels_last(xp, input, data_format), channels_last(xp, out_backprop, data_format)
    shape = tuple(int(n) for n in filter_sizes)
    window = _depthwise_window(x.shape, shape, strides, padding, data_format, dilations)
    _check_gradient(dy.shape, x.shape, shape[-2] * shape[-1], window)
    return _engine(xp).depthwise_filter_gradient(x, dy, shape, window)


def _depthwise_window(x: Any, w: Any, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Window:
    if x[-1] != w[-2]:
        raise kernel_error(f"input and filter must have the same depth: {x[-1]} vs {w[-2]}")
    return _window(x, w, strides, padding, (), data_format, dilations)


@depthwise_op.shape
def depthwise_shape(input: Any, filter: Any, *, strides: Any, padding: Any, data_format: Any, dilations: Any) -> Any:
    x, w = with_rank(input, 4), with_rank(filter, 4)
    (inner,) = merge((channels(x, data_format),), (w[2],))  # type: ignore[misc]  # of known rank
    depth = None if inner is None or w[3] is None else inner * w[3]
    return arranged(x[0], _sizes(x, w, strides, padding, data_format, dilations), depth, data_format)


@depthwise_backprop_input_op.shape
def depthwise_backprop_input_shape(input_sizes: Any, filter: Any, out_backprop: Any) -> Any:
    return _given(input_sizes, 4)


@depthwise_backprop_filter_op.shape
def depthwise_backprop_filter_shape(input: Any, filter_sizes: Any, out_backprop: Any) -> Any:
    return _given(filter_sizes, 4)


@depthwise_op.gradient
def depthwise_grad(made: Any, grad: Tensor) -> Any:
    x, w = made.inputs
    attrs = _same(made, _DEPTHWISE)
    return [
        depthwise_backprop_input_op(shape(x), w, grad, **attrs),
        depthwise_backprop_filter_op(x, shape(w), grad, **attrs),
    ]


@depthwise_backprop_input_op.gradient
def depthwise_backprop_input_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _DEPTHWISE)
    _, w, dy = made.inputs
    return [
        None,
        depthwise_backprop_filter_op(grad, shape(w), dy, **attrs),
        depthwise_op(grad, w, **attrs),
    ]


@depthwise_backprop_filter_op.gradient
def depthwise_backprop_filter_grad(made: Any, grad: Tensor) -> Any:
    attrs = _same(made, _DEPTHWISE)
    x, _, dy = made.inputs
    return [
        depthwise_backprop_input_op(shape(x), grad, dy, **attrs),
        None,
        depthwise_op(x, grad, **attrs),
    ]


public("nn.depthwise_conv2d_native")(depthwise_op)
public("nn.depthwise_conv2d_native_backprop_input", "nn.depthwise_conv2d_backprop_input")(depthwise_backprop_input_op)
public("nn.depthwise_conv2d_native_backprop_filter", "nn.depthwise_conv2d_backprop_filter")(
    depthwise_backprop_filter_op
)
public("nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2")(conv3d_backprop_filter_op)


# What programs call


def _paddings(padding: Any) -> tuple[Any, list[int]]:
    """The attributes `padding` and `explicit_paddings` from the argument, which may list the padding of each axis."""
    if padding == "EXPLICIT":
        raise ValueError('"EXPLICIT" is not a valid value for the padding parameter: give the list of paddings itself.')
    if not isinstance(padding, list | tuple):
        return padding, []
    for i, pair in enumerate(padding):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                f"When padding is a list, each element must be a list of two numbers; element {i} is {pair!r}"
            )
    if len(padding) != 4:
        raise ValueError(f"When padding is a list, it must be of size 4. Got padding of size: {len(padding)}")
    return "EXPLICIT", [n for pair in padding for n in pair]


@public("nn.conv2d")
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = [1, 1, 1, 1],  # noqa: B006 - TF's default
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Convolve `input` with `filter` in two dimensions.

    Args:
        input: floats, shape `[batch, height, width, channels]`, or `[batch, channels, height, width]` under "NCHW".
        filter: shape `[height, width, channels, output channels]`; `channels` may divide the input's (grouped).
        strides: one number, `[height, width]`, or one for each axis of `input`.
        padding: "SAME", "VALID", or a list of four pairs: the zeros added before and after each axis.
        use_cudnn_on_gpu: has no effect.
        data_format: "NHWC" or "NCHW".
        dilations: distances between the filter's elements, given as `strides` is.
        name: the op's name.
        filters: another name for `filter`.

    Returns:
        `input`'s type and layout.

    Raises:
        ValueError: if the shapes do not fit.
    """
    filter = either("filters", filters, "filter", filter)
    padding, explicit = _paddings(padding)
    data_format = data_format or "NHWC"
    axis = channel_axis(data_format, 4)
    strides = per_axis(strides, 2, axis, "strides")
    dilations = per_axis(dilations, 2, axis, "dilations")
    return conv2d_op(input, filter, strides, padding, use_cudnn_on_gpu, explicit, data_format, dilations, name)


@public("nn.conv2d_backprop_filter")
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = [1, 1, 1, 1],  # noqa: B006 - TF's default
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv2d` to its filter, of shape `filter_sizes`."""
    padding, explicit = _paddings(padding)
    return conv2d_backprop_filter_op(
        input, filter_sizes, out_backprop, strides, padding, use_cudnn_on_gpu, explicit, data_format, dilations, name
    )


@public("nn.conv2d_backprop_input")
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = [1, 1, 1, 1],  # noqa: B006 - TF's default
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The gradient of `conv2d` to its input, of shape `input_sizes`."""
    filter = either("filters", filters, "filter", filter)
    padding, explicit = _paddings(padding)
    return conv2d_backprop_input_op(
        input_sizes, filter, out_backprop, strides, padding, use_cudnn_on_gpu, explicit, data_format, dilations, name
    )


@public("nn.conv2d_transpose")
def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose (gradient) of `conv2d`, as a layer: often called a deconvolution.

    Args:
        value: floats, shape `[batch, height, width, channels]` for "NHWC".
        filter: shape `[height, width, output channels, channels]`.
        output_shape: int vector, the shape of the result.
        strides: as `conv2d`'s.
        padding: "SAME" or "VALID", as of the convolution that this is the transpose of.
        data_format: "NHWC" or "NCHW".
        name: the op's name.
        input: another name for `value`.
        filters: another name for `filter`.
        dilations: as `conv2d`'s.
    """
    value = either("input", input, "value", value)
    filter = either("filters", filters, "filter", filter)
    with name_scope(name, "conv2d_transpose", [value, filter, output_shape]) as scope:
        return _transposed2d(value, filter, output_shape, strides, padding, data_format, dilations, scope)


def _transposed2d(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any, data_format: Any, dilations: Any, name: Any
) -> Tensor:
    with name_scope(name, "conv2d_transpose", [input, output_shape]) as scope:
        data_format = data_format or "NHWC"
        axis = channel_axis(data_format, 4)
        return conv2d_backprop_input_op(
            output_shape,
            filters,
            input,
            per_axis(strides, 2, axis, "strides"),
            padding,
            data_format=data_format,
            dilations=per_axis(dilations, 2, axis, "dilations"),
            name=scope,
        )


@public("nn.conv3d")
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = [1, 1, 1, 1, 1],  # noqa: B006 - TF's default
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Convolve `input`, `[batch, depth, height, width, channels]`, with `filter` in three dimensions."""
    filter = either("filters", filters, "filter", filter)
    return conv3d_op(input, filter, strides, padding, data_format, dilations, name)


@public("nn.conv3d_transpose")
def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose (gradient) of `conv3d`, as a layer. The arguments are as `conv2d_transpose`'s."""
    filter = either("filters", filters, "filter", filter)
    value = either("input", input, "value", value)
    return _transposed3d(value, filter, output_shape, strides, padding, data_format, dilations, name)


def _transposed3d(
    input: Any, filters: Any, output_shape: Any, strides: Any, padding: Any, data_format: Any, dilations: Any, name: Any
) -> Tensor:
    with name_scope(name, "conv3d_transpose", [input, output_shape]) as scope:
        data_format = data_format or "NDHWC"
        axis = channel_axis(data_format, 5)
        return conv3d_backprop_input_op(
            output_shape,
            filters,
            input,
            per_axis(strides, 3, axis, "strides"),
            padding,
            data_format=data_format,
            dilations=per_axis(dilations, 3, axis, "dilations"),
            name=scope,
        )


# One dimension: a convolution over images of height 1


def _layout1d(data_format: str | None, allowed: tuple[str | None, ...] = (None, "NHWC", "NWC", "NCHW", "NCW")) -> Any:
    """The data format of the images, and which axis of theirs is the one of size 1."""
    if data_format not in allowed:
        raise ValueError('data_format must be "NWC" or "NCW".')
    return ("NCHW", 2) if data_format in ("NCHW", "NCW") else ("NHWC", 1)


@public("nn.conv1d")
def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolve `value`, `[batch, width, channels]`, with `filters`, `[width, channels, output channels]`.

    Args:
        value: floats; under "NCW" of shape `[batch, channels, width]`.
        filters: the filter.
        stride: a number.
        padding: "SAME" or "VALID".
        use_cudnn_on_gpu: has no effect.
        data_format: "NWC" or "NCW".
        name: the op's name.
        input: another name for `value`.
        dilations: a number, the distance between the filter's elements.
    """
    value = either("input", input, "value", value)
    with name_scope(name, "conv1d", [value, filters]) as scope:
        images, axis = _layout1d(data_format)
        channel = 1 if images == "NCHW" else 2
        strides = [1, *per_axis(stride, 1, channel, "stride")]
        dilations = [1, *per_axis(dilations, 1, channel, "dilations")]
        value = expand_dims(value, axis)
        filters = expand_dims(filters, 0)
        result = conv2d_op(
            value,
            filters,
            strides,
            padding,
            use_cudnn_on_gpu=use_cudnn_on_gpu,
            data_format=images,
            dilations=dilations,
            name=scope,
        )
        return squeeze(result, [axis])


@public("nn.conv1d_transpose")
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str | None = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose (gradient) of `conv1d`, as a layer. The arguments are as `conv2d_transpose`'s."""
    with name_scope(name, "conv1d_transpose", [input, filters, output_shape]) as scope:
        images, axis = _layout1d(data_format, (None, "NWC", "NCW"))
        channel = 1 if images == "NCHW" else 2
        strides = [1, *per_axis(strides, 1, channel, "stride")]
        dilations = [1, *per_axis(dilations, 1, channel, "dilations")]
        input = expand_dims(input, axis)
        filters = expand_dims(filters, 0)
        sizes: Any = output_shape if isinstance(output_shape, Tensor) else list(output_shape)
        sizes = concat([sizes[:axis], [1], sizes[axis:]], 0)
        result = conv2d_backprop_input_op(
            sizes, filters, input, strides, padding, data_format=images, dilations=dilations, name=scope
        )
        return squeeze(result, axis)


@public("nn.conv_transpose")
def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """`conv1d_transpose`, `conv2d_transpose` or `conv3d_transpose`, by the length of `output_shape`."""
    with name_scope(name, "conv_transpose", [input, output_shape]) as scope:
        if not isinstance(output_shape, Tensor | Sized):
            raise ValueError("output_shape must be a tensor or sized collection.")
        n = (output_shape.shape[0].value if isinstance(output_shape, Tensor) else len(output_shape)) - 2
        if not 1 <= n <= 3:
            raise ValueError(f"output_shape must be of length 3, 4 or 5 but was {n + 2}.")
        build = (conv1d_transpose, _transposed2d, _transposed3d)[n - 1]
        return build(input, filters, output_shape, strides, padding, data_format, dilations, scope)
