"""Tails of the normal and the Laplace distribution, precise where probabilities are tiny."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, special
from evergraph.ops.constant import constant

# Below the first number `log_ndtr` is an asymptotic series, above the second it is as good as `-ndtr(-x)`.
LOGNDTR_FLOAT64_LOWER = np.array(-20, np.float64)
LOGNDTR_FLOAT32_LOWER = np.array(-10, np.float32)
LOGNDTR_FLOAT64_UPPER = np.array(8, np.float64)
LOGNDTR_FLOAT32_UPPER = np.array(5, np.float32)

# Rational approximations of the quantile function: numerator and denominator by falling powers, from S. Moshier's
# Cephes library. The middle is in powers of the square of p - 1/2, the tails in powers of 1 / sqrt(-2 log p).
_MIDDLE = (
    (-5.99633501014107895267e1, 9.80010754185999661536e1, -5.66762857469070293439e1, 1.39312609387279679503e1,
     -1.23916583867381258016e0),
    (1.0, 1.95448858338141759834e0, 4.67627912898881538453e0, 8.63602421390890590575e1, -2.25462687854119370527e2,
     2.00260212380060660359e2, -8.20372256168333339912e1, 1.59056225126211695515e1, -1.18331621121330003142e0),
)  # fmt: skip
_TAIL = (
    (4.05544892305962419923e0, 3.15251094599893866154e1, 5.71628192246421288162e1, 4.40805073893200834700e1,
     1.46849561928858024014e1, 2.18663306850790267539e0, -1.40256079171354495875e-1, -3.50424626827848203418e-2,
     -8.57456785154685413611e-4),
    (1.0, 1.57799883256466749731e1, 4.53907635128879210584e1, 4.13172038254672030440e1, 1.50425385692907503408e1,
     2.50464946208309415979e0, -1.42182922854787788574e-1, -3.80806407691578277194e-2, -9.33259480895457427372e-4),
)  # fmt: skip
_FAR_TAIL = (
    (3.23774891776946035970e0, 6.91522889068984211695e0, 3.93881025292474443415e0, 1.33303460815807542389e0,
     2.01485389549179081538e-1, 1.23716634817820021358e-2, 3.01581553508235416007e-4, 2.65806974686737550832e-6,
     6.23974539184983293730e-9),
    (1.0, 6.02427039364742014255e0, 3.67983563856160859403e0, 1.37702099489081330271e0, 2.16236993594496635890e-1,
     1.34204006088543189037e-2, 3.28014464682127739104e-4, 2.89247864745380683936e-6, 6.79019408009981274425e-9),
)  # fmt: skip


def _float_tensor(value: Any, name: str) -> Tensor:
    x = convert_to_tensor(value, name=name)
    if x.dtype.base_dtype not in (dtypes.float32, dtypes.float64):
        raise TypeError(f"{name}.dtype={x.dtype} is not handled, see docstring for supported types.")
    return x


def ndtr(x: Any, name: str = "ndtr") -> Tensor:
    """The probability that a standard normal number is at most `x`.

    Raises:
        TypeError: unless `x` is float32 or float64.
    """
    with name_scope(name, values=[x]):
        return _ndtr(_float_tensor(x, "x"))


def _ndtr(x: Tensor) -> Tensor:
    half_sqrt_2 = constant(0.5 * np.sqrt(2.0), dtype=x.dtype, name="half_sqrt_2")
    w = x * half_sqrt_2
    z = math.abs(w)
    is_near = math.less(z, half_sqrt_2)
    near = 1.0 + special.erf(w)
    is_right = math.greater(w, 0.0)
    right = 2.0 - special.erfc(z)
    return 0.5 * array.where_v2(is_near, near, array.where_v2(is_right, right, special.erfc(z)))


def _polynomial(x: Tensor, falling: Sequence[float]) -> Tensor:
    kind = x.dtype.as_numpy_dtype
    value: Any = array.zeros_like(x)
    for coefficient in falling:
        value = np.array(coefficient, kind)[()] + value * x
    return value


def _tail_term(z: Tensor, coefficients: tuple[Sequence[float], Sequence[float]]) -> Tensor:
    numerator, denominator = coefficients
    return _polynomial(1.0 / z, numerator) / _polynomial(1.0 / z, denominator) / z


def ndtri(p: Any, name: str = "ndtri") -> Tensor:
    """The number that a standard normal one is at most with probability `p`: the inverse of `ndtr`.

    Raises:
        TypeError: unless `p` is float32 or float64.
    """
    with name_scope(name, values=[p]):
        return _ndtri(_float_tensor(p, "p"))


def _ndtri(p: Tensor) -> Tensor:
    lower = array.where_v2(p > -np.expm1(-2.0), 1.0 - p, p)  # the smaller one of p and 1 - p, or near 1/2
    is_outside = lower <= 0.0
    half = array.fill(array.shape(p), np.array(0.5, p.dtype.as_numpy_dtype))
    lower = array.where_v2(is_outside, half, lower)  # so that nothing here, nor any gradient, is infinite
    w = lower - 0.5
    ww = w**2.0
    middle = w + w * ww * (_polynomial(ww, _MIDDLE[0]) / _polynomial(ww, _MIDDLE[1]))
    middle *= -np.sqrt(2.0 * np.pi)
    z = math.sqrt(-2.0 * math.log(lower))
    first = z - math.log(z) / z
    second_far = _tail_term(z, _FAR_TAIL)
    second = _tail_term(z, _TAIL)
    far = first - second_far
    tail = first - second
    x = array.where_v2(lower > np.exp(-2.0), middle, array.where_v2(z >= 8.0, far, tail))
    x = array.where_v2(p > 1.0 - np.exp(-2.0), x, -x)
    infinite = constant(np.inf, dtype=p.dtype)
    infinity = array.fill(array.shape(p), infinite)
    return array.where_v2(p <= 0.0, -infinity, array.where_v2(p >= 1.0, infinity, x))


def log_ndtr(x: Any, series_order: int = 3, name: str = "log_ndtr") -> Tensor:
    """The logarithm of the probability that a standard normal number is at most `x`.

    Args:
        x: float32 or float64.
        series_order: how many terms of the asymptotic series for very negative numbers to use: 0 to 30.
        name: the name scope.

    Raises:
        TypeError: for other types, or if `series_order` is no int.
        ValueError: if it is out of range.
    """
    if not isinstance(series_order, int):
        raise TypeError("series_order must be a Python integer.")
    if series_order < 0:
        raise ValueError("series_order must be non-negative.")
    if series_order > 30:
        raise ValueError("series_order must be <= 30.")
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        lower: Any
        upper: Any
        if x.dtype.base_dtype == dtypes.float64:
            lower, upper = LOGNDTR_FLOAT64_LOWER, LOGNDTR_FLOAT64_UPPER
        elif x.dtype.base_dtype == dtypes.float32:
            lower, upper = LOGNDTR_FLOAT32_LOWER, LOGNDTR_FLOAT32_UPPER
        else:
            raise TypeError(f"x.dtype={x.dtype} is not supported.")
        # Each part gets arguments clipped to where it is finite: a gradient of the part not taken must not be NaN.
        is_high = math.greater(x, upper)
        high = -_ndtr(-x)
        is_middle = math.greater(x, lower)
        middle = math.log(_ndtr(math.maximum(x, lower)))
        low = _log_ndtr_lower(math.minimum(x, lower), series_order)
        return array.where_v2(is_high, high, array.where_v2(is_middle, middle, low))


def _log_ndtr_lower(x: Tensor, series_order: int) -> Tensor:
    x_2 = math.square(x)
    log_scale = -0.5 * x_2 - math.log(-x) - 0.5 * np.log(2.0 * np.pi)
    return log_scale + math.log(_asymptotic_series(x, series_order))


def _asymptotic_series(x: Tensor, series_order: int) -> Any:
    kind = x.dtype.as_numpy_dtype
    if series_order <= 0:
        return np.array(1, kind)
    x_2 = math.square(x)
    even, odd = array.zeros_like(x), array.zeros_like(x)
    power = x_2
    for n in range(1, series_order + 1):
        term = np.array(prod(range(2 * n - 1, 1, -2)), kind) / power
        if n % 2:
            odd += term
        else:
            even += term
        power *= x_2
    return 1.0 + even - odd


def erfinv(x: Any, name: str = "erfinv") -> Tensor:
    """The inverse of the error function.

    Raises:
        TypeError: unless `x` is float32 or float64.
    """
    with name_scope(name, values=[x]):
        return ndtri((_float_tensor(x, "x") + 1.0) / 2.0) / np.sqrt(2)


def log_cdf_laplace(x: Any, name: str = "log_cdf_laplace") -> Tensor:
    """The logarithm of the probability that a number of the standard Laplace distribution is at most `x`."""
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        lower = -np.log(2.0) + x
        upper = math.log1p(-0.5 * math.exp(-math.abs(x)))  # of -|x|, so that it never overflows
        return array.where_v2(x < 0.0, lower, upper)
