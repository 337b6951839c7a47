"""Element-wise arithmetic of two tensors.

The gradients are TensorFlow's, op for op; `ops.broadcast` has what they do about broadcasting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import broadcast_static
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, complex_parts, reductions
from evergraph.ops.broadcast import Broadcast, OpenBroadcast, broadcast_gradient_args, same_static_shape
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, raw_op, require

Gradients = tuple[Tensor | None, Tensor | None]


def is_integer(x: Any) -> bool:
    """Whether an array holds integers."""
    return x.dtype.kind in "iu"


def require_nonzero(xp: Any, x: Any, y: Any) -> None:
    """Insist that a quotient x / y of integers has no zero below, if it has any element at all."""
    if 0 not in np.broadcast_shapes(np.shape(x), np.shape(y)):
        require(xp, y != 0, lambda: kernel_error("Integer division by zero"))


def truncated_quotient(xp: Any, x: Any, y: Any) -> Any:
    """The quotient of integers rounded towards zero, as C has it."""
    quotient = x // y
    inexact_and_negative = (quotient * y != x) & ((x < 0) != (y < 0))
    return quotient + inexact_and_negative.astype(x.dtype)


def safe_divisor(xp: Any, y: Any) -> Any:
    """`y` with ones for zeros: for integer quotients that `require_nonzero` has refused already."""
    return xp.where(y == 0, xp.ones_like(y), y)


@op("Add", shape=broadcast_static)
def add(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise sum, with NumPy's broadcasting; strings are joined."""
    return xp.add(x, y)


@op("AddV2", shape=broadcast_static)
def add_v2(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise sum, with NumPy's broadcasting."""
    return xp.add(x, y)


@op("Sub", shape=broadcast_static)
def sub(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise difference."""
    return xp.subtract(x, y)


@op("Mul", shape=broadcast_static)
def mul(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise product."""
    return xp.multiply(x, y)


@op("MulNoNan", shape=broadcast_static)
def mul_no_nan(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise product that is zero wherever `y` is, even if `x` is infinite or NaN."""
    return xp.where(y == 0, xp.zeros_like(y), xp.multiply(x, y))


@op("RealDiv", shape=broadcast_static)
def real_div(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise quotient of floating-point or complex numbers; truncated for integers."""
    if is_integer(x):
        require_nonzero(xp, x, y)
        return truncated_quotient(xp, x, safe_divisor(xp, y))
    return xp.true_divide(x, y)


@op("Div", shape=broadcast_static)
def div_op(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise quotient; integers are rounded towards zero."""
    return real_div.opdef.kernel(xp, x, y)  # type: ignore[misc]  # declared with a kernel


@op("DivNoNan", shape=broadcast_static)
def div_no_nan_op(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise quotient that is zero wherever the divisor is."""
    zero = y == 0
    return xp.where(zero, xp.zeros_like(y), xp.true_divide(x, xp.where(zero, xp.ones_like(y), y)))


@op("FloorDiv", shape=broadcast_static)
def floor_div(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise quotient, rounded down."""
    if is_integer(x):
        require_nonzero(xp, x, y)
        return xp.floor_divide(x, safe_divisor(xp, y))
    return xp.floor(xp.true_divide(x, y))


@op("FloorMod", shape=broadcast_static)
def floor_mod(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise remainder of `FloorDiv`: it has the sign of `y`."""
    if is_integer(x):
        require_nonzero(xp, x, y)
        y = safe_divisor(xp, y)
    return xp.remainder(x, y)


@op("TruncateDiv", shape=broadcast_static)
def truncate_div(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise quotient, rounded towards zero."""
    if is_integer(x):
        require_nonzero(xp, x, y)
        return truncated_quotient(xp, x, safe_divisor(xp, y))
    return xp.true_divide(x, y)


@op("TruncateMod", shape=broadcast_static, differentiable=False)
def truncate_mod(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise remainder of `TruncateDiv`: it has the sign of `x`."""
    if is_integer(x):
        require_nonzero(xp, x, y)
        y = safe_divisor(xp, y)
    return xp.fmod(x, y)


@op("Mod", shape=broadcast_static, differentiable=False)
def mod_op(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise remainder, with the sign of `x`."""
    return truncate_mod.opdef.kernel(xp, x, y)  # type: ignore[misc]  # declared with a kernel


@op("Pow", shape=broadcast_static)
def pow_op(xp: Any, x: Any, y: Any) -> Any:
    """Element-wise power."""
    if is_integer(x):
        require(xp, y >= 0, lambda: kernel_error("Integers to negative integer powers are not allowed"))
        y = xp.maximum(y, xp.zeros_like(y))
    return xp.power(x, y)


@op("Maximum", shape=broadcast_static)
def maximum(xp: Any, x: Any, y: Any) -> Any:
    """The greater of the two, element by element; `x` where either is NaN."""
    return xp.where(x < y, y, x)


@op("Minimum", shape=broadcast_static)
def minimum(xp: Any, x: Any, y: Any) -> Any:
    """The smaller of the two, element by element; `x` where either is NaN."""
    return xp.where(y < x, y, x)


@op("SquaredDifference", shape=broadcast_static)
def squared_difference(xp: Any, x: Any, y: Any) -> Any:
    """`(x - y) * conj(x - y)`, element by element."""
    difference = xp.subtract(x, y)
    return difference * xp.conj(difference) if difference.dtype.kind == "c" else difference * difference


@op("Xlogy", shape=broadcast_static)
def xlogy(xp: Any, x: Any, y: Any) -> Any:
    """`x * log(y)`, element by element, and zero wherever `x` is."""
    zero = x == 0
    return xp.where(zero, xp.zeros_like(y), x * xp.log(xp.where(zero, xp.ones_like(y), y)))


@op("Xdivy", shape=broadcast_static)
def xdivy(xp: Any, x: Any, y: Any) -> Any:
    """`x / y`, element by element, and zero wherever `x` is."""
    zero = x == 0
    return xp.where(zero, xp.zeros_like(y), x / xp.where(zero, xp.ones_like(y), y))


@op("Atan2", shape=broadcast_static)
def atan2(xp: Any, y: Any, x: Any) -> Any:
    """The angle of the point `(x, y)`, element by element, in radians in [-pi, pi]."""
    return xp.arctan2(y, x)


@op("NextAfter", shape=broadcast_static)
def next_after(xp: Any, x1: Any, x2: Any) -> Any:
    """The number next to `x1` in the direction of `x2`, element by element."""
    return xp.nextafter(x1, x2)


@op("ApproximateEqual", differentiable=False)
def approximate_equal(xp: Any, x: Any, y: Any, *, tolerance: float) -> Any:
    """Whether `|x - y| < tolerance`, element by element."""
    return xp.abs(xp.subtract(x, y)) < tolerance


@approximate_equal.shape
def approximate_equal_shape(x: Any, y: Any) -> Any:
    return shapes.merge(x, y)


# Public functions

public("math.add", "add")(add)
public("math.maximum", "maximum")(maximum)
public("math.minimum", "minimum")(minimum)
public("math.squared_difference", "squared_difference")(squared_difference)
public("math.floormod", "floormod", "math.mod", "mod")(floor_mod)
public("realdiv")(real_div)
public("truncatediv")(truncate_div)
public("truncatemod")(truncate_mod)
public("floor_div")(floor_div)
public("math.xlogy")(xlogy)
public("math.xdivy")(xdivy)
public("math.atan2", "atan2")(atan2)
public("math.nextafter")(next_after)


@public("math.multiply", "multiply")
def multiply(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Multiply element by element; `x * y`."""
    return mul(x, y, name)


@public("math.subtract", "subtract")
def subtract(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Subtract element by element; `x - y`."""
    return sub(x, y, name)


@public("math.scalar_mul", "scalar_mul")
def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """Multiply a tensor or `IndexedSlices` by a scalar.

    Raises:
        ValueError: if `scalar` is not known to be a scalar.
    """
    factor = convert_to_tensor(scalar, dtype=x.dtype.base_dtype, name="scalar")
    if factor.static_shape != ():
        raise ValueError(f"Only scalar multiply works, got shape {factor.get_shape()}")
    if isinstance(x, IndexedSlices):
        return IndexedSlices(mul(factor, x.values, name), x.indices, x.dense_shape)
    return mul(factor, x, name)


@public("math.pow", "pow")
def pow(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Raise `x` to the power `y`, element by element.

    Raises:
        InvalidArgumentError: at run time, for integers and a negative `y`.
    """
    with name_scope(name, "Pow", [x]) as scope:
        return pow_op(x, y, name=scope)


@public("math.floordiv", "floordiv")
def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divide element by element, rounding down; `x // y`.

    Raises:
        InvalidArgumentError: at run time, for an integer divided by zero.
    """
    with name_scope(name, "floordiv", [x, y]) as scope:
        return floor_div(x, y, name=scope)


_QUOTIENT_TYPES: dict[DType, DType | None] = {
    dtypes.uint8: dtypes.float32,
    dtypes.int8: dtypes.float32,
    dtypes.uint16: dtypes.float32,
    dtypes.int16: dtypes.float32,
    dtypes.int32: dtypes.float64,
    dtypes.int64: dtypes.float64,
    dtypes.bfloat16: None,
    dtypes.float16: None,
    dtypes.float32: None,
    dtypes.float64: None,
    dtypes.complex64: None,
    dtypes.complex128: None,
}


def quotient_type(x: DType, y: DType) -> DType | None:
    """The type that `/` casts its operands to; None when they stay as they are."""
    if x is not y:
        raise TypeError(f"x and y must have the same dtype, got {x!r} != {y!r}")
    if x not in _QUOTIENT_TYPES:
        raise TypeError(f"Invalid dtype {x!r} in __truediv__")
    return _QUOTIENT_TYPES[x]


@public("math.truediv", "truediv")
def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divide element by element; `x / y`. Integers are cast to floating point first."""
    with name_scope(name, "truediv", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y")
        wanted = quotient_type(x.dtype.base_dtype, y.dtype.base_dtype)
        if wanted is not None:
            x = cast.cast(x, wanted)
            y = cast.cast(y, wanted)
        return real_div(x, y, name=scope)


@public("div")
def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divide element by element, as Python 2 did: integers are rounded down."""
    with name_scope(name, "div", [x, y]) as scope:
        x, y = _alike(x, y)
        if x.dtype.is_floating or x.dtype.is_complex:
            return real_div(x, y, name=scope)
        return floor_div(x, y, name=scope)


@public("math.divide", "divide")
def divide(x: Any, y: Any, name: str | None = None) -> Any:
    """Divide element by element; `x / y`."""
    return x / y if name is None else truediv(x, y, name)


@public("math.divide_no_nan", "div_no_nan")
def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divide element by element; zero wherever `y` is zero."""
    with name_scope(name, "div_no_nan", [x, y]) as scope:
        x, y = _alike(x, y)
        return div_no_nan_op(x, y, name=scope)


@public("math.multiply_no_nan")
def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Multiply element by element; zero wherever `y` is zero."""
    with name_scope(name, "multiply_no_nan", [x, y]) as scope:
        x, y = _alike(x, y)
        return mul_no_nan(x, y, name=scope)


@public("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """The reciprocal of each element; zero wherever `x` is zero."""
    with name_scope(name, "reciprocal_no_nan", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        one = constant(1, dtype=x.dtype.base_dtype, name="one")
        return div_no_nan_op(one, x, name=scope)


@public("math.polyval")
def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """The polynomial with the given coefficients, highest power first, at each element of `x`."""
    with name_scope(name, "polyval", [*coeffs, x]) as scope:
        x = convert_to_tensor(x, name="x")
        if not coeffs:
            return array.zeros_like(x, name=scope)
        tensors = [convert_to_tensor(c, name=f"coeff_{i}") for i, c in enumerate(coeffs)]
        value = tensors[0]
        for c in tensors[1:]:
            value = c + value * x
        return value


def _alike(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    x = convert_to_tensor(x, name="x")
    return x, convert_to_tensor(y, name="y", dtype=x.dtype.base_dtype)


# Gradients


def _add_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    if same_static_shape(x, y, grad):
        return grad, grad
    spread = Broadcast(x, y, grad)
    gx = spread.sum_to_x(grad) if spread.must_reduce_x else grad
    gy = spread.sum_to_y(grad) if spread.must_reduce_y else grad
    return gx, gy


add.gradient(_add_grad)
add_v2.gradient(_add_grad)


@sub.gradient
def sub_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    if same_static_shape(x, y, grad):
        return grad, -grad
    spread = Broadcast(x, y, grad)
    gx = spread.sum_to_x(grad) if spread.must_reduce_x else grad
    gy = spread.sum_to_y(-grad) if spread.must_reduce_y else -grad
    return gx, gy


@mul.gradient
def mul_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    if same_static_shape(x, y, grad) and grad.dtype in (dtypes.int32, dtypes.float32):
        return mul(grad, y), mul(grad, x)
    spread = Broadcast(x, y, grad)
    x, y = complex_parts.conj(x), complex_parts.conj(y)
    gx = mul(grad, y)
    if spread.must_reduce_x:
        gx = spread.sum_to_x(gx)
    gy = mul(x, grad)
    if spread.must_reduce_y:
        gy = spread.sum_to_y(gy)
    return gx, gy


@mul_no_nan.gradient
def mul_no_nan_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    if same_static_shape(x, y, grad):
        return mul_no_nan(grad, y), mul_no_nan(x, grad)
    spread = OpenBroadcast(x, y)
    return spread.sum_to_x(mul_no_nan(grad, y)), spread.sum_to_y(mul_no_nan(x, grad))


def _quotient_grad(quotient: Any) -> Any:
    def rule(made: Operation, grad: Any) -> Gradients:
        x, y = made.inputs
        spread = OpenBroadcast(x, y)
        x, y = complex_parts.conj(x), complex_parts.conj(y)
        gx = spread.sum_to_x(quotient(grad, y))
        return gx, spread.sum_to_y(grad * quotient(quotient(-x, y), y))

    return rule


div_op.gradient(_quotient_grad(divide))
real_div.gradient(_quotient_grad(real_div))
div_no_nan_op.gradient(_quotient_grad(div_no_nan))


def _rounded_quotient_grad(made: Operation, grad: Any) -> Gradients:
    return None, None


floor_div.gradient(_rounded_quotient_grad)
truncate_div.gradient(_rounded_quotient_grad)


@floor_mod.gradient
def floor_mod_grad(made: Operation, grad: Any) -> Gradients:
    x, y = (complex_parts.conj(t) for t in made.inputs)
    spread = OpenBroadcast(x, y)
    quotient = floor_div(x, y)
    gx = spread.sum_to_x(grad)
    return gx, spread.sum_to_y(grad * raw_op("Neg")(quotient))


@pow_op.gradient
def pow_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    spread = Broadcast(x, y, grad)
    x, y = complex_parts.conj(x), complex_parts.conj(y)
    gx = grad * y * pow(x, y - 1)
    if spread.must_reduce_x:
        gx = spread.sum_to_x(gx)
    z = complex_parts.conj(made.outputs[0])
    positive = raw_op("NotEqual")(x, 0) if x.dtype.is_complex else x > 0
    safe_x = array.where(positive, x, array.ones_like(x))
    log_x = array.where(positive, raw_op("Log")(safe_x), array.zeros_like(x))
    gy = grad * z * log_x
    if spread.must_reduce_y:
        gy = spread.sum_to_y(gy)
    return gx, gy


def _choice_grad(prefers_x: str) -> Any:
    def rule(made: Operation, grad: Any) -> Gradients:
        x, y = made.inputs
        shape_x, shape_y = array.shape(x), array.shape(y)
        zeros = array.zeros(array.shape(grad), grad.dtype)
        x_is_taken = raw_op(prefers_x)(x, y)
        axes_x, axes_y = broadcast_gradient_args(shape_x, shape_y)
        to_x = array.where(x_is_taken, grad, zeros)
        gx = array.reshape(reductions.reduce_sum(to_x, axes_x), shape_x)
        to_y = array.where(x_is_taken, zeros, grad)
        return gx, array.reshape(reductions.reduce_sum(to_y, axes_y), shape_y)

    return rule


maximum.gradient(_choice_grad("GreaterEqual"))
minimum.gradient(_choice_grad("LessEqual"))


@squared_difference.gradient
def squared_difference_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    with get_default_graph().control_dependencies([grad]):
        x_grad = scalar_mul(2.0, grad) * (x - y)
    if same_static_shape(x, y, grad):
        return x_grad, -x_grad
    spread = Broadcast(x, y, grad)
    gx = spread.sum_to_x(x_grad) if spread.must_reduce_x else x_grad
    gy = -spread.sum_to_y(x_grad) if spread.must_reduce_y else -x_grad
    return gx, gy


def _is_not_zero(x: Tensor) -> Tensor:
    return cast.cast(raw_op("NotEqual")(x, cast.cast(0.0, dtype=x.dtype)), dtype=x.dtype)


@xlogy.gradient
def xlogy_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    spread = OpenBroadcast(x, y)
    with get_default_graph().control_dependencies([grad]):
        partial_x = xlogy(_is_not_zero(x), y)
        partial_y = xdivy(x, y)
        gx = spread.sum_to_x(partial_x * grad)
        return gx, spread.sum_to_y(partial_y * grad)


@xdivy.gradient
def xdivy_grad(made: Operation, grad: Any) -> Gradients:
    x, y = made.inputs
    spread = OpenBroadcast(x, y)
    with get_default_graph().control_dependencies([grad]):
        partial_x = xdivy(_is_not_zero(x), y)
        partial_y = xdivy(raw_op("Neg")(x), y**2)
        gx = spread.sum_to_x(partial_x * grad)
        return gx, spread.sum_to_y(partial_y * grad)


@atan2.gradient
def atan2_grad(made: Operation, grad: Any) -> Gradients:
    y, x = made.inputs
    square = raw_op("Square")
    with get_default_graph().control_dependencies([grad]):
        scaled = grad / (square(x) + square(y))
        return x * scaled, -y * scaled


@next_after.gradient
def next_after_grad(made: Operation, grad: Any) -> Gradients:
    x1, x2 = made.inputs
    spread = OpenBroadcast(x1, x2)
    with get_default_graph().control_dependencies([grad]):
        partial_x1 = array.ones(spread.shape_x, dtype=x1.dtype)
        partial_x2 = array.zeros(spread.shape_y, dtype=x2.dtype)
        gx1 = spread.sum_to_x(partial_x1 * grad)
        return gx1, spread.sum_to_y(partial_x2 * grad)
