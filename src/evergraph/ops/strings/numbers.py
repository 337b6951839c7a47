"""Numbers to strings and back: `tf.as_string`, `tf.string_to_number`, and how TF reads a number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.tensor import Tensor
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import array_of, listed, text

_SPACE = rb"[ \t\n\v\f\r]*"
_FLOAT = re.compile(
    _SPACE + rb"(?:([+-]?)(?:0x([0-9a-f]+)|(inf|nan))|([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?))" + _SPACE,
    re.IGNORECASE,
)
_INT = re.compile(_SPACE + rb"(-?[0-9]+)" + _SPACE)
_PLAIN = b"0123456789.+-eE"
_BLANK = re.compile(rb"[ \t\n\v\f\r]+")


def read_float(data: bytes) -> float | None:
    """The number that TF reads in `data`, or None if it is none."""
    if not data.translate(None, _PLAIN):  # then Python's rules are TF's
        try:
            return float(data)
        except ValueError:
            return None
    found = _FLOAT.fullmatch(data)
    if found is None:
        return 0.0 if _BLANK.fullmatch(data) else None
    sign, digits, word, decimal = found.groups()
    if decimal is not None:
        return float(decimal)
    value = float(int(digits, 16)) if digits else float(word)
    return -value if sign == b"-" else value


def read_int(data: bytes, limits: Any) -> int | None:
    """The number that TF reads in `data`, or None if it is none or not in the range of `limits`."""
    if len(data) > 4000:
        return None
    if data.isdigit():
        value = int(data)
    else:
        found = _INT.fullmatch(data)
        if found is None:
            return None
        value = int(found[1])
    return value if limits.min <= value <= limits.max else None


def read_plainly(strings: Sequence[bytes], dtype: DType) -> list[Any] | None:
    """The numbers in `strings` if all of them are written plainly, as most are; None leaves them to `reader`."""
    together = b"".join(strings)
    try:
        if dtype.is_floating:
            return None if together.translate(None, _PLAIN) else list(map(float, strings))
        digits = 9 if dtype.size == 4 else 18  # as many as always fit
        if together.translate(None, b"0123456789-") or max(map(len, strings), default=0) > digits:
            return None
        return list(map(int, strings))
    except ValueError:
        return None


def reader(dtype: DType) -> Callable[[bytes], Any]:
    """The function that reads a number of type `dtype`."""
    if dtype.is_floating:
        return read_float
    limits = np.iinfo(dtype.np)
    return lambda data: read_int(data, limits)


def floats(values: Sequence[float], dtype: DType, texts: Sequence[bytes]) -> np.ndarray:
    """Numbers that were read in `texts` as an array; what is too small for a normal number of the type is 0, as in TF.

    The float64 nearest to a decimal may lie exactly between two float32s where the decimal does not; it is moved off
    the middle then.
    """
    doubles = np.array(values, np.float64)
    if dtype is not dtypes.float32:
        return doubles
    for i in np.flatnonzero(doubles.view(np.uint64) & 0x1FFFFFFF == 0x10000000).tolist():
        decimal = texts[i].strip()
        if not decimal.translate(None, _PLAIN):
            exact, value = Fraction(decimal.decode()), float(doubles[i])
            if exact != value:
                doubles[i] = math.nextafter(value, math.inf if exact > value else -math.inf)
    with np.errstate(over="ignore"):
        result = doubles.astype(np.float32)
    result[np.abs(result) < np.finfo(np.float32).tiny] *= 0
    return result


@op("StringToNumber", host=True, differentiable=False)
def string_to_number_op(xp: Any, string_tensor: Any, *, out_type: Any) -> Any:
    """The numbers that strings say."""
    data = listed(string_tensor)
    read = reader(out_type)
    values = read_plainly(data, out_type) or [read(s) for s in data]
    if None in values:
        wrong = data[values.index(None)]
        raise kernel_error(f"StringToNumberOp could not correctly convert string: {text(wrong.partition(bytes(1))[0])}")
    array = floats(values, out_type, data) if out_type.is_floating else np.array(values, out_type.np)
    return array.reshape(np.shape(string_tensor))


string_to_number_op.shape(unchanged_shape)


@public("string_to_number", "strings.to_number")
def string_to_number(
    string_tensor: Any = None, out_type: Any = dtypes.float32, name: str | None = None, input: Any = None
) -> Tensor:
    """Read a number in every string.

    Args:
        string_tensor: string, any shape. White space around a number is allowed.
        out_type: float32, float64, int32 or int64.
        name: the op's name.
        input: another name of `string_tensor`.

    Returns:
        `out_type`, the shape of `string_tensor`. A float that is too large is infinite.

    Raises:
        InvalidArgumentError: at run time, for a string that is no number, or an integer out of range.

    >>> sess.run(tf.string_to_number(["1.5", "-2e3"]))
    array([ 1.5e+00, -2.0e+03], dtype=float32)
    """
    return string_to_number_op(either("input", input, "string_tensor", string_tensor), out_type, name)


# Numbers to strings


@public("as_string", "dtypes.as_string", "strings.as_string")
@op("AsString", host=True, differentiable=False, shape=unchanged_shape)
def as_string(
    xp: Any, input: Any, *, T: Any, precision: int, scientific: bool, shortest: bool, width: int, fill: bytes
) -> Any:
    """Write every number as a string.

    Floats are written in fixed notation with `precision` digits after the point (6 by default), with an exponent
    (`scientific`) or in the shorter of both (`shortest`); `width` is the least number of characters, `fill` says how a
    shorter number is filled up: with "0", or " ", "-", "+" or "#" as C's printf does. Complex numbers are written as
    `(real,imaginary)`, bools as `true` and `false`.
    """
    is_float = T.is_floating or T.is_complex
    if not is_float and (scientific or shortest):
        raise kernel_error(f"scientific and shortest format not supported for datatype {T.name}")
    if not is_float and precision >= 0:
        raise kernel_error(f"precision not supported for datatype {T.name}")
    if len(fill) > 1:
        raise kernel_error("Fill string must be one or fewer characters")
    if scientific and shortest:
        raise kernel_error("Cannot select both scientific and shortest notation")
    if fill and fill not in b" +-0#":
        raise kernel_error(f'Fill argument not supported: "{text(fill)}"')
    values = np.asarray(input).ravel().tolist()
    if T.is_bool:
        return array_of([b"true" if v else b"false" for v in values], np.shape(input))
    letter = "g" if shortest else "e" if scientific else "f" if is_float else "d"
    form = f"%{fill.decode()}{width if width > -1 else ''}{f'.{precision}' if precision > -1 else ''}{letter}"

    def written(v: Any) -> str:
        return form % v if not is_float or math.isfinite(v) else _not_finite(v, fill, width)

    if T.is_complex:
        shown = [f"({written(v.real)},{written(v.imag)})" for v in values]
    else:
        shown = [written(v) for v in values]
    return array_of([s.encode() for s in shown], np.shape(input))


def _not_finite(value: float, fill: bytes, width: int) -> str:
    """An infinity or NaN as C writes it: with its sign, and no zeros before it."""
    sign = "-" if math.copysign(1.0, value) < 0 else fill.decode() if fill in (b"+", b" ") else ""
    shown = sign + ("nan" if math.isnan(value) else "inf")
    return shown.ljust(width) if fill == b"-" else shown.rjust(width)


__all__ = ["as_string", "floats", "read_float", "read_int", "read_plainly", "reader", "string_to_number"]
