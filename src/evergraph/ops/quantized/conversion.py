"""From floats to quantized integers and back.

Three ways to spread the values of an integer type over a range: MIN_COMBINED and MIN_FIRST from end to end (with 0 on
a value, in the second), SCALED by a factor alone, so that 0 is 0. Quantized types have no arithmetic: they are arrays
of one-field records, on the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op, unchanged_shape

_F = np.float32


def integers(array: np.ndarray) -> np.ndarray:
    """The integers in an array of a quantized type."""
    return array[array.dtype.names[0]] if array.dtype.names else array


def _round(x: Any) -> Any:
    return np.trunc(x + np.copysign(_F(0.5), x))  # halves away from zero, as C's round


@public("dequantize", "quantization.dequantize")
@op("Dequantize", host=True)
def dequantize(xp: Any, input: Any, min_range: Any, max_range: Any, *, mode: bytes) -> Any:
    """The floats that quantized integers stand for, which are spread over a range."""
    low, high = _F(min_range), _F(max_range)
    values = integers(input)
    least, most = _F(np.iinfo(values.dtype).min), _F(np.iinfo(values.dtype).max)
    x = values.astype(np.float32)
    if mode == b"MIN_COMBINED":
        half_range = _F((float(most) - float(least) + 1) / 2) if least < 0 else _F(0)
        return (x + half_range) * ((high - low) / (most - least)) + low
    if mode == b"MIN_FIRST":
        step = _F((float(high) - float(low)) / (2.0 ** (8 * values.dtype.itemsize) - 1))
        bottom = low if high == low else _round(low / step) * step
        return (bottom - least * step) + x * step
    scale = high / most if least == 0 else max(low / least, high / most)
    return x * scale


@dequantize.shape
def dequantize_shape(input: Any, min_range: Any, max_range: Any) -> Any:
    with_rank(min_range, 0)
    with_rank(max_range, 0)
    return input


@op("QuantizeV2", host=True, differentiable=False)
def quantize_v2_op(
    xp: Any, input: Any, min_range: Any, max_range: Any, *, T: Any, mode: bytes, round_mode: bytes
) -> Any:
    """The quantized integers nearest to floats, spread over a range that is widened so as to hold 0; and that range."""
    if round_mode == b"HALF_TO_EVEN" and mode != b"SCALED":
        raise kernel_error(
            f"Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED', but mode is '{mode.decode()}'."
        )
    if not min_range <= max_range:
        raise kernel_error(f"input_max_range must be larger than input_min_range: {max_range} vs. {min_range}")
    low = min(_F(0), _F(min_range))
    margin = max(_F(1), abs(_F(min_range)), abs(_F(max_range))) / _F(100)
    high = max(_F(0), _F(max_range), low + margin)
    kind = np.dtype(T.np[0] if T.np.names else T.np)
    least, most = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    if mode == b"MIN_COMBINED":
        half_range = _F((most - least + 1) / 2) if least < 0 else _F(0)
        scale = _F(most - least) / (high - low)
        steps = _round((np.clip(input, low, high) - low) * scale - half_range)
    elif mode == b"MIN_FIRST":
        scale = _F((2.0 ** (8 * kind.itemsize) - 1) / (float(high) - float(low)))
        steps = _round(input * scale) - (_round(low * scale) - _F(least))
    else:
        from_low = _F(least) / low if least * low > 0 else np.finfo(_F).max
        from_high = _F(most) / high if most * high > 0 else np.finfo(_F).max
        scale = min(from_low, from_high)
        low, high = _F(least) / scale, _F(most) / scale
        scaled = np.clip(input, low, high) * scale
        steps = np.rint(scaled) if round_mode == b"HALF_TO_EVEN" else _round(scaled)
    made = np.empty(input.shape, T.np)
    whole64 = steps.astype(np.float64)
    whole = np.clip(whole64, least, most).astype(kind)
    # An int32 is cut off as x86 processors do it: what is too large for it becomes the least.
    integers(made)[...] = whole if mode == b"MIN_FIRST" or most < 2**31 - 1 else np.where(whole64 > most, least, whole)
    return made, low, high


@quantize_v2_op.shape
def quantize_v2_shape(input: Any, min_range: Any, max_range: Any) -> Any:
    with_rank(min_range, 0)
    with_rank(max_range, 0)
    return input, (), ()


@public("quantize", "quantization.quantize")
def quantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    name: str | None = None,
) -> Any:
    """Turn floats into quantized integers.

    Args:
        input: float32.
        min_range: what the least integer stands for.
        max_range: what the greatest integer stands for.
        T: a quantized type, as `tf.quint8`.
        mode: "MIN_COMBINED", "MIN_FIRST" or "SCALED".
        round_mode: "HALF_AWAY_FROM_ZERO", or "HALF_TO_EVEN" for "SCALED".
        name: the op's name.

    Returns:
        The integers, and the ends of the range that was used: it holds 0 and is not empty.
    """
    return quantize_v2_op(input, min_range, max_range, T, mode=mode, round_mode=round_mode, name=name)


@public("quantize_v2")
def quantize_v2(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    round_mode: str = "HALF_AWAY_FROM_ZERO",
) -> Any:
    """`quantize`, with its last arguments in another order."""
    return quantize_v2_op(input, min_range, max_range, T, mode=mode, round_mode=round_mode, name=name)


# Rounded to what a quantized type holds, but still floats


def _through_quantized(
    xp: Any, x: Any, low: Any, high: Any, signed: bool, bits: int, given: bool, to_even: bool, narrow: bool
) -> Any:
    kind = x.dtype.type
    least = (-(1 << (bits - 1)) + narrow) if signed else 0
    most = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    if not given:
        low, high = x.min(), x.max()
    largest = kind(np.finfo(x.dtype).max)
    with np.errstate(all="ignore"):
        from_low = xp.where(least * low > 0, kind(least) / xp.where(low == 0, kind(1), low), largest)
        from_high = xp.where(most * high > 0, kind(most) / xp.where(high == 0, kind(1), high), largest)
        is_by_low = from_low < from_high
        scale = xp.where(is_by_low, from_low, from_high)
        step = xp.where(is_by_low, low / kind(least or 1), high / kind(most))
    if given:
        x = xp.clip(x, xp.where(is_by_low, low, least * step), xp.where(is_by_low, most * step, high))
    scaled = x * scale
    return ((xp.round(scaled) if to_even else xp.floor(scaled + kind(0.5))) * step).astype(x.dtype)


def _check_range(bits: int, low: Any, high: Any, given: bool) -> None:
    if not 0 < bits < 63:
        raise kernel_error(f"num_bits is out of range: {bits}")
    if given and isinstance(low, np.ndarray | np.generic) and low > high:
        raise kernel_error(f"Invalid range: input_min {low} > input_max {high}")


@op("QuantizeAndDequantizeV2")
def quantize_and_dequantize_v2(
    xp: Any,
    input: Any,
    input_min: Any,
    input_max: Any,
    *,
    signed_input: bool,
    num_bits: int,
    range_given: bool,
    round_mode: bytes,
    narrow_range: bool,
) -> Any:
    """Floats rounded to those that integers of `num_bits` would stand for."""
    _check_range(num_bits, input_min, input_max, range_given)
    to_even = round_mode == b"HALF_TO_EVEN"
    return _through_quantized(
        xp, input, input_min, input_max, signed_input, num_bits, range_given, to_even, narrow_range
    )


def _scalar_ends(input: Any, input_min: Any, input_max: Any, *_: Any) -> Any:
    with_rank(input_min, 0)
    with_rank(input_max, 0)
    return input


quantize_and_dequantize_v2.shape(_scalar_ends)


@quantize_and_dequantize_v2.gradient
def quantize_and_dequantize_grad(made: Any, grad: Tensor) -> list[Any]:
    return [grad, *[None] * (len(made.inputs) - 1)]


@op("QuantizeAndDequantizeV3", static=("num_bits",))
def quantize_and_dequantize_v3(
    xp: Any,
    input: Any,
    input_min: Any,
    input_max: Any,
    num_bits: Any,
    *,
    signed_input: bool,
    range_given: bool,
    narrow_range: bool,
) -> Any:
    """Floats rounded to those that integers of `num_bits` would stand for."""
    bits = int(num_bits)
    _check_range(bits, input_min, input_max, range_given)
    return _through_quantized(xp, input, input_min, input_max, signed_input, bits, range_given, True, narrow_range)


quantize_and_dequantize_v3.shape(_scalar_ends).gradient(quantize_and_dequantize_v2)


@op("QuantizeAndDequantize", shape=unchanged_shape)
def quantize_and_dequantize_v1(
    xp: Any,
    input: Any,
    *,
    signed_input: bool,
    num_bits: int,
    range_given: bool,
    input_min: float,
    input_max: float,
) -> Any:
    """Floats rounded to those that integers of `num_bits` would stand for; of graphs of old."""
    low, high = input.dtype.type(input_min), input.dtype.type(input_max)
    _check_range(num_bits, low, high, range_given)
    return _through_quantized(xp, input, low, high, signed_input, num_bits, range_given, True, False)


quantize_and_dequantize_v1.gradient(quantize_and_dequantize_v2)


@public("quantization.quantize_and_dequantize")
def quantize_and_dequantize(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
) -> Tensor:
    """Round floats to those that integers of `num_bits` would stand for.

    Args:
        input: floats.
        input_min: the lower end of the range, if `range_given`; else it is the least element.
        input_max: the upper end, likewise.
        signed_input: whether the integers are signed.
        num_bits: how many bits they have.
        range_given: whether the range is given.
        round_mode: "HALF_TO_EVEN" or "HALF_UP".
        name: the op's name.
        narrow_range: whether the least integer is left out.

    Returns:
        The type and shape of `input`; gradients pass as they are.
    """
    return quantize_and_dequantize_v2(
        input,
        input_min,
        input_max,
        signed_input=signed_input,
        num_bits=num_bits,
        range_given=range_given,
        round_mode=round_mode,
        narrow_range=narrow_range,
        name=name,
    )


# Bits


@op("CompareAndBitpack", differentiable=False)
def compare_and_bitpack(xp: Any, input: Any, threshold: Any) -> Any:
    """Whether elements are above a threshold, eight to a byte, the first in the highest bit."""
    if len(threshold.shape):
        raise kernel_error(f"Compare must be a scalar, but saw shape: {list(threshold.shape)}")
    if not len(input.shape):
        raise kernel_error("Input should be at least a vector, but saw a scalar.")
    if input.shape[-1] % 8:
        raise kernel_error(f"Inner dimension of input should be divisible by 8, but saw shape: {list(input.shape)}")
    return xp.packbits(input if input.dtype == bool else input > threshold, axis=-1)


@compare_and_bitpack.shape
def compare_and_bitpack_shape(input: Any, threshold: Any) -> Any:
    with_rank(threshold, 0)
    if not input:
        return None
    if input[-1] is not None and input[-1] % 8:
        raise ShapeError(f"Dimension size must be evenly divisible by 8 but is {input[-1]}")
    return (*input[:-1], None if input[-1] is None else input[-1] // 8)
