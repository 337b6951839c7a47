"""Functions of one number: exponentials, roots, trigonometry, rounding, and what their gradients need.

A row of `_FUNCTIONS` is an op: its OpDef, its public names, what it computes, and a line of documentation. The
gradients follow, one line each where TensorFlow's rule is one formula; like TensorFlow's they wait for the incoming
gradient (a control dependency), so that the forward value they recompute is not held on to from early on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import over_stored_too
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, complex_parts
from evergraph.ops.constant import constant
from evergraph.ops.opdef import Op, op, raw_op, unchanged_shape


def _reciprocal(xp: Any, x: Any) -> Any:
    return (
        xp.ones_like(x) / x
        if x.dtype.kind not in "iu"
        else xp.where(x == 0, x, xp.ones_like(x) // xp.where(x == 0, 1, x))
    )


def _sigmoid(xp: Any, x: Any) -> Any:
    one = xp.ones_like(x)
    return one / (one + xp.exp(-x))


def _atanh(xp: Any, x: Any) -> Any:
    return xp.arctanh(x)


_FUNCTIONS: list[tuple[str, tuple[str, ...], Callable[[Any, Any], Any], str]] = [
    ("Abs", (), lambda xp, x: xp.abs(x), "The magnitude of each number."),
    ("Neg", ("math.negative", "negative"), lambda xp, x: -x, "Each number with its sign changed."),
    ("Inv", (), _reciprocal, "The reciprocal of each number."),
    ("Reciprocal", ("math.reciprocal", "reciprocal"), _reciprocal, "The reciprocal of each number."),
    ("Square", ("math.square", "square"), lambda xp, x: x * x, "The square of each number."),
    ("Sqrt", ("math.sqrt", "sqrt"), lambda xp, x: xp.sqrt(x), "The square root of each number."),
    ("Rsqrt", ("math.rsqrt", "rsqrt"), lambda xp, x: _reciprocal(xp, xp.sqrt(x)), "One over the square root of each."),
    ("Exp", ("math.exp", "exp"), lambda xp, x: xp.exp(x), "e to the power of each number."),
    ("Expm1", ("math.expm1", "expm1"), lambda xp, x: xp.expm1(x), "`exp(x) - 1`, precise for small numbers."),
    ("Log", ("math.log", "log"), lambda xp, x: xp.log(x), "The natural logarithm of each number."),
    ("Log1p", ("math.log1p", "log1p"), lambda xp, x: xp.log1p(x), "`log(1 + x)`, precise for small numbers."),
    ("Sin", ("math.sin", "sin"), lambda xp, x: xp.sin(x), "The sine of each angle, in radians."),
    ("Cos", ("math.cos", "cos"), lambda xp, x: xp.cos(x), "The cosine of each angle, in radians."),
    ("Tan", ("math.tan", "tan"), lambda xp, x: xp.tan(x), "The tangent of each angle, in radians."),
    ("Asin", ("math.asin", "asin"), lambda xp, x: xp.arcsin(x), "The angle whose sine is `x`, in radians."),
    ("Acos", ("math.acos", "acos"), lambda xp, x: xp.arccos(x), "The angle whose cosine is `x`, in radians."),
    ("Atan", ("math.atan", "atan"), lambda xp, x: xp.arctan(x), "The angle whose tangent is `x`, in radians."),
    ("Sinh", ("math.sinh", "sinh"), lambda xp, x: xp.sinh(x), "The hyperbolic sine of each number."),
    ("Cosh", ("math.cosh", "cosh"), lambda xp, x: xp.cosh(x), "The hyperbolic cosine of each number."),
    ("Tanh", ("math.tanh", "tanh", "nn.tanh"), lambda xp, x: xp.tanh(x), "The hyperbolic tangent of each number."),
    ("Asinh", ("math.asinh", "asinh"), lambda xp, x: xp.arcsinh(x), "The number whose hyperbolic sine is `x`."),
    ("Acosh", ("math.acosh", "acosh"), lambda xp, x: xp.arccosh(x), "The number whose hyperbolic cosine is `x`."),
    ("Atanh", ("math.atanh", "atanh"), _atanh, "The number whose hyperbolic tangent is `x`."),
    ("Sigmoid", (), _sigmoid, "`1 / (1 + exp(-x))` of each number."),
    ("Sign", ("math.sign", "sign"), lambda xp, x: xp.sign(x), "-1, 0 or 1; for complex numbers `x / |x|` or 0."),
    ("Floor", ("math.floor", "floor"), lambda xp, x: xp.floor(x), "The greatest integer not above each number."),
    ("Ceil", ("math.ceil", "ceil"), lambda xp, x: xp.ceil(x), "The smallest integer not below each number."),
    ("Round", (), lambda xp, x: xp.round(x), "The nearest integer; halves go to the even one."),
    ("Rint", ("math.rint", "rint"), lambda xp, x: xp.rint(x), "The nearest integer; halves go to the even one."),
    (
        "IsNan",
        ("math.is_nan", "is_nan", "debugging.is_nan"),
        lambda xp, x: xp.isnan(x),
        "Whether each is not a number.",
    ),
    ("IsInf", ("math.is_inf", "is_inf", "debugging.is_inf"), lambda xp, x: xp.isinf(x), "Whether each is infinite."),
    (
        "IsFinite",
        ("math.is_finite", "is_finite", "debugging.is_finite"),
        lambda xp, x: xp.isfinite(x),
        "Whether each is a finite number.",
    ),
]

_NOT_DIFFERENTIABLE = ("IsNan", "IsInf", "IsFinite")


def unary(op_name: str, names: tuple[str, ...], compute: Callable[[Any, Any], Any], doc: str) -> Op:
    """Declare an element-wise op of one input."""

    def kernel(xp: Any, x: Any) -> Any:
        return compute(xp, x)

    kernel.__name__ = op_name
    kernel.__doc__ = doc
    declared = op(op_name, shape=unchanged_shape, differentiable=False if op_name in _NOT_DIFFERENTIABLE else None)(
        kernel
    )
    return public(*names)(declared)


_declared = {row[0]: unary(*row) for row in _FUNCTIONS}

neg = _declared["Neg"]
reciprocal = _declared["Reciprocal"]
square = _declared["Square"]
sqrt = _declared["Sqrt"]
rsqrt = _declared["Rsqrt"]
exp = _declared["Exp"]
log = _declared["Log"]
log1p, expm1 = _declared["Log1p"], _declared["Expm1"]
sin, cos, sinh, cosh = (_declared[name] for name in ("Sin", "Cos", "Sinh", "Cosh"))
sign = _declared["Sign"]
tanh = _declared["Tanh"]
floor, ceil, rint = (_declared[name] for name in ("Floor", "Ceil", "Rint"))
is_nan, is_inf, is_finite = (_declared[name] for name in ("IsNan", "IsInf", "IsFinite"))
sigmoid_op = _declared["Sigmoid"]


# Public functions that are more than their op


@public("math.abs", "abs")
@over_stored_too
def abs(x: Any, name: str | None = None) -> Tensor:
    """The magnitude of each number, real or complex; `abs(x)`."""
    with name_scope(name, "Abs", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex:
            return complex_parts.complex_abs(x, Tout=x.dtype.real_dtype, name=scope)
        return _declared["Abs"](x, name=scope)


@public("math.round", "round")
def round(x: Any, name: str | None = None) -> Tensor:
    """Round to the nearest integer, halves to the even one.

    >>> sess.run(tf.round([0.5, 1.5, 2.5, -2.7]))
    array([ 0.,  2.,  2., -3.], dtype=float32)
    """
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else _declared["Round"](x, name=name)


@public("math.sigmoid", "nn.sigmoid", "sigmoid")
def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """`1 / (1 + exp(-x))`, element by element."""
    with name_scope(name, "Sigmoid", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return sigmoid_op(x, name=scope)


@public("math.log_sigmoid", "log_sigmoid")
def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """`log(sigmoid(x))`, element by element, without overflow."""
    with name_scope(name, "LogSigmoid", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        return neg(raw_op("Softplus")(-x), name=scope)


# The ops that gradients are made of: each gets the function's value `y` and the gradient `dy`.


@op("ReciprocalGrad", shape=unchanged_shape)
def reciprocal_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`-dy * y * y`: the gradient of `Reciprocal`."""
    y = xp.conj(y)
    return -dy * y * y


@op("InvGrad", shape=unchanged_shape)
def inv_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`-dy * y * y`: the gradient of `Inv`."""
    return reciprocal_grad.opdef.kernel(xp, y, dy)  # type: ignore[misc]  # declared with a kernel


@op("SqrtGrad", shape=unchanged_shape)
def sqrt_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`dy / (2 * y)`: the gradient of `Sqrt`."""
    return dy * y.dtype.type(0.5) / xp.conj(y)


@op("RsqrtGrad", shape=unchanged_shape)
def rsqrt_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`-dy / 2 * y**3`: the gradient of `Rsqrt`."""
    y = xp.conj(y)
    return y.dtype.type(-0.5) * (dy * y) * (y * y)


@op("SigmoidGrad", shape=unchanged_shape)
def sigmoid_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`dy * y * (1 - y)`: the gradient of `Sigmoid`."""
    return dy * y * (xp.ones_like(y) - y)


@op("TanhGrad", shape=unchanged_shape)
def tanh_grad(xp: Any, y: Any, dy: Any) -> Any:
    """`dy * (1 - y * y)`: the gradient of `Tanh`."""
    return dy * (xp.ones_like(y) - y * y)


# Gradients


def _after(grad: Any) -> Any:
    return get_default_graph().control_dependencies([grad])


def gradient_at_input(declared: Op, compute: Callable[[Tensor, Any], Any]) -> None:
    """Declare a gradient that is a formula of the (conjugated) input and the incoming gradient."""

    def rule(made: Operation, grad: Any) -> Any:
        with _after(grad):
            return compute(complex_parts.conj(made.inputs[0]), grad)

    declared.gradient(rule)


def gradient_at_output(declared: Op, compute: Callable[[Tensor, Any], Any]) -> None:
    """Declare a gradient that is a formula of the (conjugated) output and the incoming gradient."""

    def rule(made: Operation, grad: Any) -> Any:
        with _after(grad):
            return compute(complex_parts.conj(made.outputs[0]), grad)

    declared.gradient(rule)


def gradient_op(declared: Op, gradient: Op) -> None:
    """Declare that the gradient is one op of the output and the incoming gradient."""
    declared.gradient(lambda made, grad: gradient(made.outputs[0], grad))


def no_gradient(declared: Op) -> None:
    """Declare that the function is flat: None comes back for each input."""
    declared.gradient(lambda made, grad: [None] * len(made.inputs))


def _square_grad(x: Tensor, grad: Any) -> Tensor:
    mul = raw_op("Mul")
    two = constant(2.0, dtype=x.dtype)
    return mul(grad, mul(x, two))


def _log1p_grad(x: Tensor, grad: Any) -> Tensor:
    return grad * reciprocal(1 + x)


def _tan_grad(x: Tensor, grad: Any) -> Tensor:
    return square(reciprocal(cos(x))) * grad


def _one_plus_or_minus_square(sign_op: str) -> Callable[[Tensor, Any], Tensor]:
    def compute(x: Tensor, grad: Any) -> Tensor:
        squared = square(x)
        return raw_op(sign_op)(constant(1, dtype=grad.dtype), squared)

    return compute


_one_minus_square = _one_plus_or_minus_square("Sub")
_one_plus_square = _one_plus_or_minus_square("Add")

_declared["Abs"].gradient(lambda made, grad: grad * sign(made.inputs[0]))
neg.gradient(lambda made, grad: -grad)
gradient_op(_declared["Inv"], reciprocal_grad)
gradient_op(reciprocal, reciprocal_grad)
gradient_op(sqrt, sqrt_grad)
gradient_op(rsqrt, rsqrt_grad)
gradient_at_input(square, _square_grad)
gradient_at_output(exp, lambda y, grad: grad * y)
gradient_at_input(_declared["Expm1"], lambda x, grad: grad * exp(x))
gradient_at_input(log, lambda x, grad: grad * reciprocal(x))
gradient_at_input(_declared["Log1p"], _log1p_grad)
gradient_at_input(sin, lambda x, grad: grad * cos(x))
gradient_at_input(cos, lambda x, grad: -grad * sin(x))
gradient_at_input(_declared["Tan"], _tan_grad)
gradient_at_input(_declared["Asin"], lambda x, grad: grad * reciprocal(sqrt(_one_minus_square(x, grad))))
gradient_at_input(_declared["Atan"], lambda x, grad: grad * reciprocal(_one_plus_square(x, grad)))
gradient_at_input(sinh, lambda x, grad: grad * cosh(x))
gradient_at_input(cosh, lambda x, grad: grad * sinh(x))
gradient_at_output(tanh, tanh_grad)
gradient_at_output(sigmoid_op, sigmoid_grad)
gradient_at_output(_declared["Asinh"], lambda y, grad: grad / cosh(y))
gradient_at_output(_declared["Acosh"], lambda y, grad: grad / sinh(y))
gradient_at_input(_declared["Atanh"], lambda x, grad: grad * reciprocal(_one_minus_square(x, grad)))
for _flat in ("Floor", "Ceil", "Round", "Rint"):
    no_gradient(_declared[_flat])


def _acos_grad(x: Tensor, grad: Any) -> Tensor:
    inverse = reciprocal(sqrt(_one_minus_square(x, grad)))
    return -grad * inverse


gradient_at_input(_declared["Acos"], _acos_grad)


@sign.gradient
def sign_grad(made: Operation, grad: Any) -> Tensor:
    x = made.inputs[0]
    return array.zeros(array.shape(x), dtype=x.dtype)


# Gradients of the gradient ops


def _reciprocal_grad_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    b = made.inputs[1]
    with _after(grad):
        ca = complex_parts.conj(made.inputs[0])
        cg = complex_parts.conj(grad)
        return cg * -2.0 * b * ca, reciprocal_grad(ca, grad)


reciprocal_grad.gradient(_reciprocal_grad_grad)
inv_grad.gradient(_reciprocal_grad_grad)


@sqrt_grad.gradient
def sqrt_grad_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    a, y = made.inputs[0], made.outputs[0]
    with _after(grad):
        ga = grad / a
        return -complex_parts.conj(ga) * y, 0.5 * ga


@rsqrt_grad.gradient
def rsqrt_grad_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    a, b = made.inputs
    with _after(grad):
        ca = complex_parts.conj(a)
        cg = complex_parts.conj(grad)
        grad_a = -1.5 * cg * b * square(ca)
        return grad_a, rsqrt_grad(ca, grad)


@tanh_grad.gradient
def tanh_grad_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    with _after(grad):
        a, b = (complex_parts.conj(t) for t in made.inputs)
        return grad * -2.0 * b * a, tanh_grad(a, grad)


@sigmoid_grad.gradient
def sigmoid_grad_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    with _after(grad):
        a, b = (complex_parts.conj(t) for t in made.inputs)
        gb = grad * b
        return gb - 2.0 * gb * a, sigmoid_grad(a, grad)
