"""Gamma and Poisson numbers, by rejection: how many words a number takes depends on the words.

Each output reads a stream of its own, 256 blocks further than the last, so that all can be drawn side by side: those
that are not accepted yet draw again. On the host, in NumPy, with the same values as TF 1.15.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import get_seed, name_scope
from evergraph.framework.shapes import Shape, broadcast_static
from evergraph.framework.tensor import Tensor
from evergraph.ops import math, philox, random_kernels
from evergraph.ops.filling import ones, zeros_like
from evergraph.ops.joining import concat
from evergraph.ops.opdef import op
from evergraph.ops.random import given_shape, sizes_of
from evergraph.ops.shaping import reshape
from evergraph.ops.shaping import shape as shape_of

_BLOCKS_EACH = 256


class Streams:
    """Many streams of uniform and normal float64 numbers, read one by one and by whoever needs one."""

    def __init__(self, first_blocks: np.ndarray, seed: int, seed2: int) -> None:
        self._next = first_blocks
        self._seeds = seed, seed2
        n = len(first_blocks)
        self._held = {kind: np.zeros((n, 2)) for kind in ("uniform", "normal")}
        self._left = {kind: np.zeros(n, np.int64) for kind in ("uniform", "normal")}

    def draw(self, kind: str, who: np.ndarray) -> np.ndarray:
        """The next number of each stream in `who`. A block makes two, and the second is read first."""
        held, left = self._held[kind], self._left[kind]
        empty = who[left[who] == 0]
        if len(empty):
            words = philox.blocks(np, self._next[empty], *self._seeds)
            make = random_kernels._uniforms64 if kind == "uniform" else random_kernels._box_muller64
            held[empty] = np.stack(make(np, words), -1)
            left[empty] = 2
            self._next[empty] += np.uint64(1)
        left[who] -= 1
        return held[who, left[who]]


def _streams(counter: Any, outputs: int, seed: int, seed2: int) -> Streams:
    first = np.uint64(counter) + np.arange(outputs, dtype=np.uint64) * np.uint64(_BLOCKS_EACH)
    return Streams(first, seed, seed2)


def _gamma(alpha: np.ndarray, streams: Streams) -> np.ndarray:
    """G. Marsaglia and W. Tsang, "A simple method for generating gamma variables", 2000. One `alpha` an output."""
    result = np.zeros(alpha.shape)
    everyone = np.arange(len(alpha))
    exponential = everyone[alpha == 1]
    result[exponential] = -np.log(1 - streams.draw("uniform", exponential))
    is_small = alpha < 1
    d = alpha + np.where(is_small, 2.0 / 3, -1.0 / 3)
    c = 1.0 / 3 / np.sqrt(d)
    open_ = everyone[alpha != 1]
    while len(open_):
        x = streams.draw("normal", open_)
        v = 1 + c[open_] * x
        tried = v > 0
        who, x, v = open_[tried], x[tried], v[tried] ** 3
        u = streams.draw("uniform", who)
        taken = (u < 1 - 0.0331 * (x * x) * (x * x)) | (np.log(u) < 0.5 * x * x + d[who] * (1 - v + np.log(v)))
        who, v = who[taken], v[taken]
        result[who] = d[who] * v
        small = who[is_small[who]]
        result[small] *= streams.draw("uniform", small) ** (1 / alpha[small])
        open_ = np.setdiff1d(open_, who, assume_unique=True)
    return result


def _poisson(rate: np.ndarray, streams: Streams, largest: float) -> np.ndarray:
    """For small rates D. Knuth's product of uniforms; else W. Hörmann, "The transformed rejection method", 1993."""
    result = np.zeros(rate.shape)
    everyone = np.arange(len(rate))
    product = np.ones(rate.shape)
    open_ = everyone[rate < 10]
    while len(open_):
        product[open_] *= streams.draw("uniform", open_)
        open_ = open_[~((product[open_] <= np.exp(-rate[open_])) & (result[open_] <= largest))]
        result[open_] += 1
    b = 0.931 + 2.53 * np.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    open_ = everyone[rate >= 10]
    while len(open_):
        u = streams.draw("uniform", open_) - 0.5
        v = streams.draw("uniform", open_)
        edge = 0.5 - np.abs(u)
        k = np.floor((2 * a[open_] / edge + b[open_]) * u + rate[open_] + 0.43)
        sure = (edge >= 0.07) & (v <= 0.9277 - 3.6224 / (b[open_] - 2))
        out = (k < 0) | ((edge < 0.013) & (v > edge))
        s = np.log(v * inverse_alpha[open_] / (a[open_] / (edge * edge) + b[open_]))
        t = -rate[open_] + k * np.log(rate[open_]) - _log_factorial(k)
        taken = (k <= largest) & (sure | (~out & (s <= t)))
        result[open_[taken]] = k[taken]
        open_ = open_[~taken]
    return result


def _log_factorial(k: np.ndarray) -> np.ndarray:
    from math import lgamma

    return np.array([lgamma(n + 1) if n >= 0 else np.inf for n in k])


def _outputs(shape: Any, parameter: Any) -> tuple[tuple[int, ...], int]:
    sizes = sizes_of(shape)
    return (*sizes, *parameter.shape), prod(sizes)


def _blocks(shape: Any, parameter: Any, **_: Any) -> int:
    return prod(_outputs(shape, parameter)[0]) * _BLOCKS_EACH


def _drawn(draw: Any, shape: Any, parameter: Any, counter: Any, seed: int, seed2: int, dtype: Any) -> np.ndarray:
    """One stream after the other along the samples of a parameter; the parameters are the last axes of the result."""
    full, samples = _outputs(shape, parameter)
    each = np.repeat(np.ravel(parameter).astype(np.float64), samples)
    drawn = draw(each, _streams(counter, len(each), seed, seed2))
    return drawn.reshape(parameter.size, samples).T.reshape(full).astype(dtype)


def _shape_rule(shape: Any, parameter: Any) -> Shape:
    sizes = given_shape(shape)
    return None if sizes is None or parameter is None else (*sizes, *parameter)


@op("RandomGamma", static=("shape",), host=True, random=_blocks, shape=_shape_rule)
def random_gamma_op(
    xp: Any,
    shape: Any,
    alpha: Any,
    *,
    counter: Any,
    seed: Any,
    seed2: Any,
    T: Any,
) -> Any:
    """Numbers from gamma distributions of parameters `alpha` and 1."""
    return _drawn(_gamma, shape, alpha, counter, seed, seed2, T.np)


@op("RandomPoisson", static=("shape",), host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def random_poisson_v1_op(xp: Any, shape: Any, rate: Any, *, counter: Any, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Numbers from Poisson distributions of the given rates."""
    return _drawn(_poisson_of(dtype), shape, rate, counter, seed, seed2, dtype.np)


@op("RandomPoissonV2", static=("shape",), host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def random_poisson_op(xp: Any, shape: Any, rate: Any, *, counter: Any, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Numbers from Poisson distributions of the given rates."""
    return _drawn(_poisson_of(dtype), shape, rate, counter, seed, seed2, dtype.np)


def _poisson_of(dtype: Any) -> Any:
    return lambda rate, streams: _poisson(rate, streams, float(dtype.max))


@op("RandomGammaGrad", host=True, shape=broadcast_static, differentiable=False)
def random_gamma_grad_op(xp: Any, alpha: Any, sample: Any) -> Any:
    """The derivative of a gamma-distributed sample by `alpha`."""
    import jax

    alpha, sample = np.broadcast_arrays(alpha, sample)
    with jax.enable_x64(True):
        return np.asarray(jax.lax.random_gamma_grad(alpha.astype(np.float64), sample.astype(np.float64)))


@random_gamma_op.gradient
def random_gamma_grad(made: Any, grad: Tensor) -> Any:
    shape, alpha = made.inputs
    with get_default_graph().control_dependencies([grad]):
        dims = shape_of(shape)[0]
        leading = concat([ones([dims], dtype=dtypes.int32), shape_of(alpha)], axis=0)
        derivative = random_gamma_grad_op(reshape(alpha, leading), made.outputs[0])
        return None, math.reduce_sum(grad * derivative, axis=math.range(dims))


@public("random.gamma", "random_gamma")
def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers from gamma distributions; gradients flow to their parameters.

    Args:
        shape: of the samples for each parameter.
        alpha: the shape parameters, positive, any shape.
        beta: the inverse scales, 1 by default; broadcast against `alpha`.
        dtype: float16, float32 or float64.
        seed: as of `random_uniform`.
        name: the name scope.

    Returns:
        Shape `shape + (alpha + beta).shape`.
    """
    with name_scope(name, "random_gamma", [shape, alpha, beta]):
        shape = convert_to_tensor(shape, dtype=dtypes.int32, name="shape")
        alpha = convert_to_tensor(alpha, dtype=dtype, name="alpha")
        beta = convert_to_tensor(1 if beta is None else beta, dtype=dtype, name="beta")
        spread = alpha + zeros_like(beta)
        seed1, seed2 = get_seed(seed)
        tiny = np.finfo(alpha.dtype.as_numpy_dtype).tiny
        return math.maximum(tiny, random_gamma_op(shape, spread, seed=seed1, seed2=seed2) / beta)


@public("random.poisson", "random_poisson")
def random_poisson(
    lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Numbers from Poisson distributions.

    Args:
        lam: the rates, any shape.
        shape: of the samples for each rate.
        dtype: of the result: float16, float32, float64, int32 or int64.
        seed: as of `random_uniform`.
        name: the name scope.

    Returns:
        Shape `shape + lam.shape`.
    """
    with name_scope(name, "random_poisson", [lam, shape]):
        shape = convert_to_tensor(shape, dtype=dtypes.int32, name="shape")
        seed1, seed2 = get_seed(seed)
        return random_poisson_op(shape, lam, dtype=dtype, seed=seed1, seed2=seed2)
