"""Complex numbers: putting them together and taking them apart."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import broadcast_static
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, broadcast
from evergraph.ops.constant import constant
from evergraph.ops.opdef import op, raw_op, unchanged_shape


@op("Complex", shape=broadcast_static)
def complex_op(xp: Any, real: Any, imag: Any, *, Tout: Any) -> Any:
    """Complex numbers of real and imaginary parts."""
    return real.astype(Tout.np) + imag.astype(Tout.np) * Tout.np.type(1j)


@complex_op.gradient
def complex_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    spread = broadcast.OpenBroadcast(*made.inputs)
    to_real = spread.sum_to_x(real(grad))
    return to_real, spread.sum_to_y(imag(grad))


@op("Real", shape=unchanged_shape)
def real_op(xp: Any, input: Any) -> Any:
    """The real part of each number."""
    return input.real


@real_op.gradient
def real_grad(made: Operation, grad: Tensor) -> Tensor:
    return complex(grad, constant(0, dtype=grad.dtype))


@op("Imag", shape=unchanged_shape)
def imag_op(xp: Any, input: Any) -> Any:
    """The imaginary part of each number."""
    return input.imag


@imag_op.gradient
def imag_grad(made: Operation, grad: Tensor) -> Tensor:
    return complex(constant(0, dtype=grad.dtype), grad)


@op("Conj", shape=unchanged_shape)
def conj_op(xp: Any, input: Any) -> Any:
    """The complex conjugate of each number."""
    return xp.conj(input)


@conj_op.gradient
def conj_grad(made: Operation, grad: Tensor) -> Tensor:
    return conj(grad)


@op("Angle", shape=unchanged_shape)
def angle_op(xp: Any, input: Any) -> Any:
    """The argument of each complex number, in radians."""
    return xp.arctan2(input.imag, input.real)


@angle_op.gradient
def angle_grad(made: Operation, grad: Tensor) -> Tensor:
    z = made.inputs[0]
    with get_default_graph().control_dependencies([grad]):
        re = real(z)
        im = imag(z)
        swapped = raw_op("Reciprocal")(complex(im, re))
        zero = constant(0, dtype=grad.dtype)
        return -complex(grad, zero) * swapped


@op("ComplexAbs", shape=unchanged_shape)
def complex_abs(xp: Any, x: Any) -> Any:
    """The magnitude of each complex number."""
    return xp.abs(x)


@complex_abs.gradient
def complex_abs_grad(made: Operation, grad: Tensor) -> Tensor:
    x, y = made.inputs[0], made.outputs[0]
    dividend = complex(grad, array.zeros_like(grad)) * x
    return arithmetic.div_no_nan(dividend, complex(y, array.zeros_like(y)))


@public("dtypes.complex", "complex")
def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """Make complex numbers of two float32 or two float64 tensors.

    Raises:
        TypeError: if the parts are of other types, or of two types.
    """
    real = convert_to_tensor(real, name="real")
    imag = convert_to_tensor(imag, name="imag")
    with name_scope(name, "Complex", [real, imag]) as scope:
        kinds = (real.dtype.base_dtype, imag.dtype.base_dtype)
        if kinds == (dtypes.float64, dtypes.float64):
            return complex_op(real, imag, Tout=dtypes.complex128, name=scope)
        if kinds == (dtypes.float32, dtypes.float32):
            return complex_op(real, imag, Tout=dtypes.complex64, name=scope)
        raise TypeError(f"real and imag have incorrect types: {real.dtype.name} {imag.dtype.name}")


@public("math.real", "real")
def real(input: Any, name: str | None = None) -> Tensor:
    """The real part of each number; real tensors come back as they are."""
    with name_scope(name, "Real", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        return real_op(input, Tout=input.dtype.real_dtype, name=scope) if input.dtype.is_complex else input


@public("math.imag", "imag")
def imag(input: Any, name: str | None = None) -> Tensor:
    """The imaginary part of each number; zeros for a real tensor."""
    with name_scope(name, "Imag", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        if input.dtype.is_complex:
            return imag_op(input, Tout=input.dtype.real_dtype, name=scope)
        return array.zeros_like(input)


@public("math.angle", "angle")
def angle(input: Any, name: str | None = None) -> Tensor:
    """The argument of each complex number, in radians; zeros for a real tensor."""
    with name_scope(name, "Angle", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        if input.dtype.is_complex:
            return angle_op(input, Tout=input.dtype.real_dtype, name=scope)
        return array.zeros_like(input)


@public("math.conj", "conj")
def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate of each number; real tensors come back as they are.

    Raises:
        TypeError: if `x` is not numeric.
    """
    if isinstance(x, Tensor) and (x.dtype.is_floating or x.dtype.is_integer):
        return x
    with name_scope(name, "Conj", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex or x.dtype.base_dtype is dtypes.variant:
            return conj_op(x, name=scope)
        if x.dtype.is_floating or x.dtype.is_integer:
            return x
        raise TypeError(f"Expected numeric or variant tensor, got dtype {x.dtype!r}")
