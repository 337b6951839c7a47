"""Special functions: the error function, the gamma family, zeta, Bessel functions.

XLA has them; NumPy has not. The twins of the most common ones go through the standard library, those of the others
through XLA itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, broadcast_static, merge, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, broadcast, complex_parts, elementwise, reductions
from evergraph.ops.constant import constant
from evergraph.ops.elementwise import gradient_at_input
from evergraph.ops.opdef import Op, kernel_error, op, unchanged_shape

_NARROW = ("float16", "bfloat16")


def _wide(*arrays: Any) -> tuple[Any, ...]:
    return tuple(x.astype(np.float32) if x.dtype.name in _NARROW else x for x in arrays)


def _polygamma(special: Any, n: Any, x: Any) -> Any:
    import jax.numpy as jnp

    is_order = (n == jnp.floor(n)) & (n >= 0)
    higher = jnp.where(n == 0, 1, n)
    value = jnp.where(n == 0, special.digamma(x), special.polygamma(higher.astype(jnp.int32), x))
    return jnp.where(is_order, value, jnp.nan)


def _igamma_grad_a(special: Any, a: Any, x: Any) -> Any:
    import jax.numpy as jnp
    from jax import lax

    return lax.igamma_grad_a(*jnp.broadcast_arrays(a, x))


_FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "Erf": (lambda special, x: special.erf(x), "The error function."),
    "Erfc": (lambda special, x: special.erfc(x), "One less the error function, precise where that is small."),
    "Lgamma": (lambda special, x: special.gammaln(x), "The logarithm of the magnitude of the gamma function."),
    "Digamma": (lambda special, x: special.digamma(x), "The derivative of the logarithm of the gamma function."),
    "BesselI0e": (lambda special, x: special.i0e(x), "The modified Bessel function of order 0, times `exp(-|x|)`."),
    "BesselI1e": (lambda special, x: special.i1e(x), "The modified Bessel function of order 1, times `exp(-|x|)`."),
    "Igamma": (lambda special, a, x: special.gammainc(a, x), "The lower regularized incomplete gamma function."),
    "Igammac": (lambda special, a, x: special.gammaincc(a, x), "The upper regularized incomplete gamma function."),
    "IgammaGradA": (_igamma_grad_a, "The derivative of `Igamma` with respect to `a`."),
    "Zeta": (lambda special, x, q: special.zeta(x, q), "The Hurwitz zeta function."),
    "Polygamma": (_polygamma, "The derivative of order `a` of the digamma function."),
    "Betainc": (lambda special, a, b, x: special.betainc(a, b, x), "The regularized incomplete beta function."),
}
"""What each op is in terms of `jax.scipy.special`."""


@cache
def _eager(op_name: str) -> Callable[..., Any]:
    """The function as one compiled program on the CPU, from NumPy to NumPy."""
    import jax
    from jax.scipy import special

    compute = _FUNCTIONS[op_name][0]
    compiled = jax.jit(lambda *arrays: compute(special, *arrays))

    def run(*arrays: Any) -> np.ndarray:
        # At once also while something else is traced: what is known then need not become part of the program.
        with (
            jax.ensure_compile_time_eval(),
            jax.enable_x64(True),
            jax.default_device(jax.local_devices(backend="cpu")[0]),
        ):
            return np.asarray(compiled(*arrays))

    return run


def _special(op_name: str, kernel: Callable[..., Any], shape: Callable[..., Any], names: tuple[str, ...] = ()) -> Op:
    kernel.__name__ = op_name
    kernel.__doc__ = _FUNCTIONS[op_name][1]
    declared = op(op_name, shape=shape)(kernel)

    def twin(xp: Any, *arrays: Any) -> Any:
        return _eager(op_name)(*_wide(*arrays))

    declared.numpy(twin)
    return public(*names)(declared)


def _unary(op_name: str, *names: str) -> Op:
    def kernel(xp: Any, x: Any) -> Any:
        from jax.scipy import special

        return _FUNCTIONS[op_name][0](special, *_wide(x))

    return _special(op_name, kernel, unchanged_shape, names)


def _binary(op_name: str, *names: str) -> Op:
    def kernel(xp: Any, a: Any, x: Any) -> Any:
        from jax.scipy import special

        return _FUNCTIONS[op_name][0](special, a, x)

    return _special(op_name, kernel, broadcast_static, names)


def _require_one_shape(a: Any, b: Any, x: Any) -> None:
    for (name, t), (other, u) in combinations({"a": a, "b": b, "x": x}.items(), 2):
        if t.ndim and u.ndim and t.shape != u.shape:
            shapes = f"{bracket_text(tuple(t.shape))} vs. {bracket_text(tuple(u.shape))}"
            raise kernel_error(f"Shapes of {name} and {other} are inconsistent: {shapes}")


def _betainc_kernel(xp: Any, a: Any, b: Any, x: Any) -> Any:
    from jax.scipy import special

    _require_one_shape(a, b, x)
    # A continued fraction, which single precision is not enough for.
    return special.betainc(*(t.astype(np.float64) for t in (a, b, x))).astype(a.dtype)


def _betainc_shape(a: Any, b: Any, x: Any) -> Any:
    if None in (a, b, x):
        return None
    merged: Any = ()
    for shape in (a, b, x):
        if shape:
            merged = merge(merged, shape) if merged else shape
    return merged


erf = _unary("Erf", "math.erf", "erf")
erfc = _unary("Erfc", "math.erfc", "erfc")
lgamma = _unary("Lgamma", "math.lgamma", "lgamma")
digamma = _unary("Digamma", "math.digamma", "digamma")
bessel_i0e = _unary("BesselI0e", "math.bessel_i0e")
bessel_i1e = _unary("BesselI1e", "math.bessel_i1e")
igamma = _binary("Igamma", "math.igamma", "igamma")
igammac = _binary("Igammac", "math.igammac", "igammac")
igamma_grad_a = _binary("IgammaGradA")
zeta = _binary("Zeta", "math.zeta", "zeta")
polygamma = _binary("Polygamma", "math.polygamma", "polygamma")
betainc = _special("Betainc", _betainc_kernel, _betainc_shape, ("math.betainc", "betainc"))


@betainc.numpy
def betainc_numpy(xp: Any, a: Any, b: Any, x: Any) -> Any:
    _require_one_shape(a, b, x)
    return _eager("Betainc")(*(np.asarray(t, np.float64) for t in (a, b, x))).astype(a.dtype)


# Twins through the standard library


def _lgamma(x: float) -> float:
    if x == math.floor(x) and x <= 0:
        return math.inf
    try:
        return math.lgamma(x)
    except OverflowError:
        return math.inf


def _through_python(declared: Op, function: Callable[[float], float]) -> None:
    vectorized = np.frompyfunc(function, 1, 1)

    def twin(xp: Any, x: Any) -> Any:
        return np.asarray(vectorized(np.asarray(x, np.float64))).astype(x.dtype)

    declared.numpy(twin)


_through_python(erf, math.erf)
_through_python(erfc, math.erfc)
_through_python(lgamma, _lgamma)


# Made of them


@public("math.lbeta", "lbeta")
def lbeta(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of the magnitude of the beta function of the numbers along the last axis."""
    with name_scope(name, "lbeta", [x]):
        x = convert_to_tensor(x, name="x")
        log_product = reductions.reduce_sum(lgamma(x), axis=[-1])
        total = reductions.reduce_sum(x, axis=[-1])
        return log_product - lgamma(total)


@public("math.bessel_i0")
def bessel_i0(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 0."""
    with name_scope(name, "bessel_i0", [x]):
        growth = elementwise.exp(elementwise.abs(x))
        return growth * bessel_i0e(x)


@public("math.bessel_i1")
def bessel_i1(x: Any, name: str | None = None) -> Tensor:
    """The modified Bessel function of order 1."""
    with name_scope(name, "bessel_i1", [x]):
        growth = elementwise.exp(elementwise.abs(x))
        return growth * bessel_i1e(x)


# Gradients


def _gaussian_grad(factor: float) -> Callable[[Operation, Any], Tensor]:
    def rule(made: Operation, grad: Any) -> Tensor:
        scale = constant(factor, dtype=grad.dtype)
        with get_default_graph().control_dependencies([grad]):
            x = complex_parts.conj(made.inputs[0])
            scaled = grad * scale
            return scaled * elementwise.exp(-elementwise.square(x))

    return rule


erf.gradient(_gaussian_grad(2 / math.sqrt(math.pi)))
erfc.gradient(_gaussian_grad(-2 / math.sqrt(math.pi)))
gradient_at_input(lgamma, lambda x, grad: grad * digamma(x))
gradient_at_input(digamma, lambda x, grad: grad * polygamma(constant(1, dtype=x.dtype), x))


@bessel_i0e.gradient
def bessel_i0e_grad(made: Operation, grad: Any) -> Tensor:
    x, y = made.inputs[0], made.outputs[0]
    with get_default_graph().control_dependencies([grad]):
        first = bessel_i1e(x)
        return grad * (first - elementwise.sign(x) * y)


@bessel_i1e.gradient
def bessel_i1e_grad(made: Operation, grad: Any) -> Tensor:
    x, y = made.inputs[0], made.outputs[0]
    with get_default_graph().control_dependencies([grad]):
        eps = np.finfo(x.dtype.as_numpy_dtype).eps
        zeros = array.zeros_like(x)
        is_not_tiny = elementwise.abs(x) > eps
        safe = array.where(is_not_tiny, x, eps + zeros)
        order_0 = bessel_i0e(safe)
        slope = order_0 - y * (elementwise.sign(safe) + elementwise.reciprocal(safe))
        return grad * array.where(is_not_tiny, slope, 0.5 + zeros)


@igamma.gradient
def igamma_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    a, x = made.inputs
    spread = broadcast.OpenBroadcast(a, x)
    with get_default_graph().control_dependencies([grad]):
        partial_a = igamma_grad_a(a, x)
        partial_x = elementwise.exp(-x + (a - 1) * elementwise.log(x) - lgamma(a))
        to_a = spread.sum_to_x(partial_a * grad)
        return to_a, spread.sum_to_y(partial_x * grad)


@igammac.gradient
def igammac_grad(made: Operation, grad: Any) -> tuple[Tensor, Tensor]:
    assert igamma.opdef.gradient
    to_a, to_x = igamma.opdef.gradient(made, grad)
    return -to_a, -to_x


@betainc.gradient
def betainc_grad(made: Operation, grad: Any) -> tuple[None, None, Tensor]:
    a, b, x = made.inputs
    spread = broadcast.OpenBroadcast(a, x)
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    log = elementwise.log
    partial_x = elementwise.exp((b - 1) * log(1 - x) + (a - 1) * log(x) - log_beta)
    return None, None, spread.sum_to_y(partial_x * grad)


@zeta.gradient
def zeta_grad(made: Operation, grad: Any) -> tuple[None, Tensor]:
    spread = broadcast.OpenBroadcast(*made.inputs)
    with get_default_graph().control_dependencies([grad]):
        x, q = (complex_parts.conj(t) for t in made.inputs)
        partial_q = -x * zeta(x + 1, q)
        return None, spread.sum_to_y(partial_q * grad)


@polygamma.gradient
def polygamma_grad(made: Operation, grad: Any) -> tuple[None, Tensor]:
    spread = broadcast.OpenBroadcast(*made.inputs)
    with get_default_graph().control_dependencies([grad]):
        n, x = (complex_parts.conj(t) for t in made.inputs)
        partial_x = polygamma(n + 1, x)
        return None, spread.sum_to_y(partial_x * grad)


# The product of vectors in space


@public("linalg.cross", "cross")
@op("Cross")
def cross(xp: Any, a: Any, b: Any) -> Any:
    """The cross product of 3-vectors, which lie along the last axis."""
    if a.shape != b.shape or a.shape[-1:] != (3,):
        raise kernel_error(f"cross takes two tensors of one shape whose last size is 3: {a.shape}, {b.shape}")
    ax, ay, az = (a[..., i] for i in range(3))
    bx, by, bz = (b[..., i] for i in range(3))
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


@cross.shape
def cross_shape(a: Any, b: Any) -> Any:
    with_rank_at_least(a, 1)
    with_rank_at_least(b, 1)
    merged = merge(a, b)
    return None if merged is None else merge(merged, (*merged[:-1], 3))


@cross.gradient
def cross_grad(made: Operation, grad: Tensor) -> tuple[Tensor, Tensor]:
    u, v = made.inputs
    return cross(v, grad), cross(grad, u)
