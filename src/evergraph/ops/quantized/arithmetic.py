"""Networks of quantized integers, as TF's graph transforms made them.

    float  ──QuantizeV2──►  (quint8, min, max)  ──QuantizedConv2D──►  (qint32, min, max)
                                                                          │ RequantizationRange, Requantize
                                                     (quint8, min, max) ◄─┘

Every value comes with the range that its integers are spread over. Products are sums of integers, from each of which
the integer that stands for 0 was taken; the range of a product follows from those of its factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, merge, with_rank
from evergraph.ops import convolution_numpy, joining, pooling, static_values, windows
from evergraph.ops.opdef import Op, kernel_error, op
from evergraph.ops.quantized.conversion import integers

_F = np.float32


# Single numbers


def _limits(kind: Any) -> tuple[int, int]:
    info = np.iinfo(kind)
    return int(info.min), int(info.max)


def _of_type(values: np.ndarray, kind: Any) -> np.ndarray:
    """`values`, cut off to the range of the quantized type `kind`, as an array of it."""
    made = np.empty(values.shape, kind.np)
    held = integers(made)
    least, most = _limits(held.dtype)
    held[...] = np.clip(values, least, most).astype(held.dtype)
    return made


def _round(x: Any) -> Any:
    return np.trunc(x + np.copysign(0.5, x))


def _to_quantized(x: Any, low: float, high: float, kind: Any) -> np.ndarray:
    """The integers nearest to floats, as float64 and not cut off."""
    least, most = _limits(kind)
    if low == high:
        return np.full(np.shape(x), float(least))
    scale = (most - least) / (float(high) - float(low))
    return _round(np.asarray(x, np.float64) * scale) - _round(float(low) * scale) + least


def _to_float(values: np.ndarray, low: float, high: float) -> np.ndarray:
    least, most = _limits(values.dtype)
    if low == high:
        return np.full(values.shape, _F(low))
    step = (float(high) - float(low)) / (most - least)
    bottom = float(_round(_F(low) / _F(step)) * _F(step))
    return (bottom + (values.astype(np.float64) - least) * step).astype(_F)


def _from_zero(array: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """The integers of `array`, less the one that stands for 0."""
    values = integers(array)
    zero = int(_to_quantized(0.0, low, high, values.dtype))
    return values.astype(np.int64) - zero


def _product_range(a: np.ndarray, b: np.ndarray, min_a: Any, max_a: Any, min_b: Any, max_b: Any) -> tuple[Any, Any]:
    """The range of int32 products of two kinds of quantized integers."""
    step = _F(1)
    for array, low, high in ((a, min_a, max_a), (b, min_b, max_b)):
        least, most = _limits(integers(array).dtype)
        step = step * (_F(high) - _F(low)) / _F(most - least)
    return step * _F(-(2**31)), step * _F(2**31 - 1)


def _moved(array: np.ndarray, low: Any, high: Any, new_low: Any, new_high: Any, kind: Any) -> np.ndarray:
    """The same numbers as integers of `kind` over another range."""
    held = np.empty((), kind.np)
    return _to_quantized(_to_float(integers(array), low, high), new_low, new_high, integers(held).dtype)


def _ranges(*ends: Any) -> None:
    for end in ends:
        with_rank(end, 0)


# Products


@op("QuantizedConv2D", host=True, differentiable=False)
def quantized_conv2d_op(
    xp: Any, input: Any, filter: Any, min_input: Any, max_input: Any, min_filter: Any, max_filter: Any, *,
    strides: Any, padding: bytes, dilations: Any, out_type: Any,
) -> Any:  # fmt: skip
    """A convolution of integers."""
    x = _from_zero(input, min_input, max_input).astype(np.float64)  # exact up to 2**53, and fast
    w = _from_zero(filter, min_filter, max_filter).astype(np.float64)
    if x.shape[-1] != w.shape[-2]:
        raise kernel_error(f"input and filter must have the same depth: {x.shape[-1]} vs {w.shape[-2]}")
    window = _window(x.shape, w.shape[:2], strides, dilations, padding)
    y = convolution_numpy.convolve(x, w, window)
    return _of_type(y, out_type), *_product_range(input, filter, min_input, max_input, min_filter, max_filter)


def _window(shape: Any, size: Any, strides: Any, dilations: Any, padding: bytes) -> Any:
    try:
        return windows.sliding(tuple(shape[1:3]), tuple(size), tuple(strides[1:3]), tuple(dilations[1:3]), padding)
    except ShapeError as error:
        raise kernel_error(str(error)) from None


@quantized_conv2d_op.shape
def quantized_conv2d_shape(input: Any, filter: Any, *ends: Any, strides: Any, padding: bytes, dilations: Any) -> Any:
    x, w = with_rank(input, 4), with_rank(filter, 4)
    merge((x[3],), (w[2],))
    _ranges(*ends)
    sizes = windows.output_sizes(x[1:3], w[:2], strides[1:3], dilations[1:3], padding)
    return (x[0], *sizes, w[3]), (), ()


@op("QuantizedMatMul", host=True, differentiable=False)
def quantized_matmul_op(
    xp: Any, a: Any, b: Any, min_a: Any, max_a: Any, min_b: Any, max_b: Any, *,
    Toutput: Any, transpose_a: bool, transpose_b: bool,
) -> Any:  # fmt: skip
    """A product of matrices of integers."""
    x, y = _from_zero(a, min_a, max_a).astype(np.float64), _from_zero(b, min_b, max_b).astype(np.float64)
    x, y = x.T if transpose_a else x, y.T if transpose_b else y
    if x.shape[1] != y.shape[0]:
        raise kernel_error(f"Matrix size-compatible: In[0]: {list(a.shape)}, In[1]: {list(b.shape)}")
    return _of_type(x @ y, Toutput), *_product_range(a, b, min_a, max_a, min_b, max_b)


@quantized_matmul_op.shape
def quantized_matmul_shape(a: Any, b: Any, *ends: Any, transpose_a: bool, transpose_b: bool) -> Any:
    x, y = with_rank(a, 2)[:: -1 if transpose_a else 1], with_rank(b, 2)[:: -1 if transpose_b else 1]
    merge((x[1],), (y[0],))
    _ranges(*ends)
    return (x[0], y[1]), (), ()


@op("QuantizedBiasAdd", host=True, differentiable=False)
def quantized_bias_add_op(
    xp: Any, input: Any, bias: Any, min_input: Any, max_input: Any, min_bias: Any, max_bias: Any, *, out_type: Any
) -> Any:
    """A vector added along the last axis, in a range that is wide enough to add many."""
    if bias.ndim != 1 or input.ndim < 2 or input.shape[-1] != bias.shape[0]:
        raise kernel_error(
            f"Must provide as many biases as the last dimension of the input tensor: {list(bias.shape)} vs. "
            f"{list(input.shape)}"
        )
    high = max(_F(max_input), -_F(min_input), _F(max_bias), -_F(min_bias)) * _F(1 << 17)
    total = _moved(input, min_input, max_input, -high, high, out_type)
    return _of_type(total + _moved(bias, min_bias, max_bias, -high, high, out_type), out_type), -high, high


@quantized_bias_add_op.shape
def quantized_bias_add_shape(input: Any, bias: Any, *ends: Any) -> Any:
    if input is not None:
        merge((input[-1],), with_rank(bias, 1))
    _ranges(*ends)
    return input, (), ()


# Element by element


def _rectifier(name: str, bound: float | None, doc: str) -> Op:
    def kernel(xp: Any, features: Any, min_features: Any, max_features: Any, *, out_type: Any) -> Any:
        values, low, high = integers(features), min_features, max_features
        least = _to_quantized(0.0, low, high, values.dtype)
        most = _limits(values.dtype)[1] if bound is None else _to_quantized(bound, low, high, values.dtype)
        return _of_type(np.clip(values, least, most), out_type), low, high

    kernel.__name__, kernel.__doc__ = name, doc
    return op(name, host=True, differentiable=False, shape=_same_shape)(kernel)


def _same_shape(input: Any, *ends: Any) -> Any:
    _ranges(*ends)
    return input, (), ()


quantized_relu = _rectifier("QuantizedRelu", None, "What stands for less than 0 becomes 0.")
quantized_relu6 = _rectifier("QuantizedRelu6", 6.0, "What stands for less than 0 becomes 0, for more than 6 becomes 6.")


@op("QuantizedReshape", host=True, static=("shape",), differentiable=False)
def quantized_reshape_op(xp: Any, tensor: Any, shape: Any, input_min: Any, input_max: Any) -> Any:
    """The same integers in another shape."""
    return np.reshape(tensor, [int(n) for n in shape]), input_min, input_max


@quantized_reshape_op.shape
def quantized_reshape_shape(tensor: Any, shape: Any, *ends: Any) -> Any:
    _ranges(*ends)
    return static_values.as_shape(shape) if isinstance(shape, list) and -1 not in shape else None, (), ()


# Windows


def _pool(name: str, doc: str, reduce: Any) -> Op:
    def kernel(
        xp: Any, input: Any, min_input: Any, max_input: Any, *, T: Any, ksize: Any, strides: Any, padding: bytes
    ) -> Any:
        return _of_type(reduce(integers(input), ksize, strides, padding), T), min_input, max_input

    kernel.__name__, kernel.__doc__ = name, doc
    declared = op(name, host=True, differentiable=False)(kernel)

    @declared.shape
    def shape(input: Any, *ends: Any, ksize: Any, strides: Any, padding: bytes) -> Any:
        _ranges(*ends)
        x = with_rank(input, 4)
        sizes = windows.output_sizes(x[1:3], ksize[1:3], strides[1:3], (1, 1), padding)
        return (x[0], *sizes, x[3]), (), ()

    return declared


def _largest(x: np.ndarray, ksize: Any, strides: Any, padding: bytes) -> np.ndarray:
    window = _window(x.shape, ksize[1:3], strides, (1, 1, 1, 1), padding)
    return np.max(list(windows.taps(np, x, window, _limits(x.dtype)[0])), axis=0)


def _average(x: np.ndarray, ksize: Any, strides: Any, padding: bytes) -> np.ndarray:
    window = _window(x.shape, ksize[1:3], strides, (1, 1, 1, 1), padding)
    total = np.sum(list(windows.taps(np, x.astype(np.int64), window)), axis=0)
    return np.trunc(total / pooling.counts(window, np.float64))


quantized_max_pool = public("nn.quantized_max_pool")(
    _pool("QuantizedMaxPool", "The maximum of every window.", _largest)
)
quantized_avg_pool = public("nn.quantized_avg_pool")(
    _pool("QuantizedAvgPool", "The average of every window, cut off to an integer.", _average)
)


# Several ranges


@op("QuantizedConcat", host=True, static=("concat_dim",), differentiable=False)
def quantized_concat_op(xp: Any, concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any, *, T: Any) -> Any:
    """Arrays one after the other, over a range that holds those of all."""
    low, high = min(_F(0), *map(_F, input_mins)), max(map(_F, input_maxes))
    if integers(values[0]).dtype.kind == "i":
        high = max(-low, high)
        low = -high
    parts = [
        part if (least, most) == (low, high) else _of_type(_moved(part, least, most, low, high, T), T)
        for part, least, most in zip(values, input_mins, input_maxes)
    ]
    return np.concatenate(parts, axis=int(concat_dim)), low, high


@quantized_concat_op.shape
def quantized_concat_shape(concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any) -> Any:
    _ranges(*input_mins, *input_maxes)
    return joining.concat_static(list(values), concat_dim), (), ()


@op("RequantizationRange", host=True, differentiable=False)
def requantization_range_op(xp: Any, input: Any, input_min: Any, input_max: Any) -> Any:
    """The range that integers make use of, 0 included."""
    values = integers(input)
    used = np.array([values.min(), values.max()], values.dtype) if values.size else np.zeros(2, values.dtype)
    low, high = _to_float(used, input_min, input_max)
    return min(_F(0), low), high


@requantization_range_op.shape
def requantization_range_shape(input: Any, *ends: Any) -> Any:
    _ranges(*ends)
    return (), ()


def _narrowed(array: np.ndarray, low: Any, high: Any, new_low: Any, new_high: Any, kind: Any) -> np.ndarray:
    """The same numbers as integers of `kind`; those of 32 bits become bytes by TF's fixed-point arithmetic."""
    if array.dtype.names != ("qint32",) or kind.np.names != ("quint8",):
        return _of_type(_moved(array, low, high, new_low, new_high, kind), kind)
    low, high, new_low, new_high = _F(low), _F(high), _F(new_low), _F(new_high)
    width = new_high - new_low
    if not width:
        return _of_type(np.zeros(array.shape), kind)
    factor = int(255.0 * 65536 * float(high - low) / float(width))
    middle = int(_F(float(low + high) / 2.0) * _F(255.0 / float(width)) * _F(65536))
    start = int(65536 * (float(new_low) * 255.0) / float(width))
    steps = (integers(array).astype(np.int64) * factor >> 32) + (middle - start + 32768) >> 16
    return _of_type(steps, kind)


@op("Requantize", host=True, differentiable=False, shape=_same_shape)
def requantize_op(
    xp: Any, input: Any, input_min: Any, input_max: Any, requested_output_min: Any, requested_output_max: Any, *,
    out_type: Any,
) -> Any:  # fmt: skip
    """The same numbers as smaller integers over a narrower range."""
    low, high = _F(requested_output_min), _F(requested_output_max)
    if low > 0:
        raise kernel_error(f"requested_output_min must be <= 0, but got {low}")
    if high < low:
        raise kernel_error(f"requested_output_max must be >= requested_output_min, but got {high} and {low}")
    return _narrowed(input, input_min, input_max, low, high, out_type), low, high


@op("QuantizeDownAndShrinkRange", host=True, differentiable=False, shape=_same_shape)
def quantize_down_op(xp: Any, input: Any, input_min: Any, input_max: Any, *, out_type: Any) -> Any:
    """The same numbers as smaller integers over the range that they make use of."""
    low, high = requantization_range_op.opdef.kernel(xp, input, input_min, input_max)  # type: ignore[misc]  # declared with a kernel
    return _narrowed(input, input_min, input_max, low, high, out_type), low, high


# What programs call


@public("nn.quantized_conv2d")
def quantized_conv2d(
    input: Any,
    filter: Any,
    min_input: Any,
    max_input: Any,
    min_filter: Any,
    max_filter: Any,
    strides: Any,
    padding: str,
    out_type: Any = None,
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """A convolution of quantized integers.

    Args:
        input: quantized, shape `[batch, height, width, channels]`.
        filter: quantized, shape `[height, width, channels, outputs]`.
        min_input: what the least integer of `input` stands for; the other three likewise.
        strides: four numbers.
        padding: "SAME" or "VALID".
        out_type: `tf.qint32`.
        dilations: four numbers.
        name: the op's name.

    Returns:
        The integers, and what the least and the greatest of them would stand for.
    """
    more = {} if out_type is None else {"out_type": out_type}
    return quantized_conv2d_op(
        input, filter, min_input, max_input, min_filter, max_filter, strides, padding,
        dilations=list(dilations), name=name, **more,
    )  # fmt: skip


@public("quantization.quantized_concat", "quantized_concat")
def quantized_concat(concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any, name: str | None = None) -> Any:
    """Quantized arrays one after the other along an axis, and the range of the whole."""
    return quantized_concat_op(concat_dim, values, input_mins, input_maxes, name=name)
