"""Random ops that read where they are in a stream from a variable, and leave there where they stopped.

The variable holds int64 numbers, for Philox `[counter, stream, key]`: the counter's two 64-bit halves and the
generator's key (philox.py). The numbers are those that `tf.random_uniform` and the like make of the same counter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.ops import random_kernels
from evergraph.ops.generators import binomial
from evergraph.ops.opdef import Op, kernel_error, op, partial_value, require
from evergraph.ops.random import given_shape, sizes_of

PHILOX = 1
THREEFRY = 2
STATE_SIZES = {PHILOX: 3, THREEFRY: 2}

_BLOCKS_PER_OUTPUT = 256


def _checked(state: Any, algorithm: Any) -> None:
    if np.ndim(algorithm):
        raise kernel_error(f"algorithm must be of shape [], not {list(np.shape(algorithm))}")
    if state.dtype != np.int64:
        raise kernel_error(f"dtype of RNG state variable must be int64, not {state.dtype.name}")
    if state.ndim != 1:
        raise kernel_error(f"RNG state must have one and only one dimension, not {state.ndim}")
    if int(algorithm) != PHILOX:
        raise kernel_error(f"Unsupported algorithm id: {int(algorithm)}")
    if state.shape[0] < STATE_SIZES[PHILOX]:
        raise kernel_error(f"For the Philox algorithm, the size of state must be at least 3; got {state.shape[0]}")


def _stream(xp: Any, state: Any) -> dict[str, Any]:
    counter, seed2, seed = (state[i].astype(xp.uint64) for i in range(3))
    return {"counter": counter, "seed": seed, "seed2": seed2}


def _advanced(xp: Any, state: Any, blocks: Any) -> Any:
    """The state `blocks` further on in the stream."""
    low = state[:1].astype(xp.uint64)
    moved = low + xp.asarray(blocks, xp.uint64)
    high = state[1:2].astype(xp.uint64) + (moved < low).astype(xp.uint64)
    return xp.concatenate([moved.astype(xp.int64), high.astype(xp.int64), state[2:]])


def _drawn(
    xp: Any, state: Any, algorithm: Any, shape: Any, draw: Callable[..., Any], dtype: Any, **more: Any
) -> tuple[Any, Any]:
    _checked(state, algorithm)
    sizes = sizes_of(shape)
    values = draw(xp, shape=sizes, dtype=dtype.np, **_stream(xp, state), **more)
    return _advanced(xp, state, math.prod(sizes) * _BLOCKS_PER_OUTPUT), values


def _shape_rule(made: Operation) -> Shape:
    position = next(i for i, arg in enumerate(made.opdef.inputs) if arg.name == "shape")
    return given_shape(partial_value(made.inputs[position]))


def _declare(name: str, draw: Callable[..., Any], doc: str) -> Op:
    def kernel(xp: Any, resource: Any, algorithm: Any, shape: Any, *, dtype: Any) -> Any:
        return _drawn(xp, resource, algorithm, shape, draw, dtype)

    kernel.__name__, kernel.__doc__ = name, doc
    declared = op(name, updates=("resource",), static=("algorithm", "shape"), differentiable=False)(kernel)
    return declared.shape_from_op(_shape_rule)


stateful_uniform_op = _declare("StatefulUniform", random_kernels.uniform, "Numbers from [0, 1).")
stateful_normal_op = _declare(
    "StatefulStandardNormalV2", random_kernels.standard_normal, "Numbers from the normal distribution."
)
stateful_truncated_normal_op = _declare(
    "StatefulTruncatedNormal",
    random_kernels.truncated_normal,
    "Numbers from the normal distribution, none of them 2 or more away from its mean.",
)
stateful_uniform_full_int_op = _declare(
    "StatefulUniformFullInt", random_kernels.uniform_bits, "Integers from the whole range of their type."
)


@op("StatefulUniformInt", updates=("resource",), static=("algorithm", "shape"), differentiable=False)
def stateful_uniform_int_op(
    xp: Any, resource: Any, algorithm: Any, shape: Any, minval: Any, maxval: Any, *, dtype: Any
) -> Any:
    """Integers from [minval, maxval)."""
    require(xp, minval < maxval, lambda: kernel_error(f"Need minval < maxval, got {minval} >= {maxval}"))
    return _drawn(xp, resource, algorithm, shape, random_kernels.uniform_int, dtype, minval=minval, maxval=maxval)


stateful_uniform_int_op.shape_from_op(_shape_rule)


@op("StatefulRandomBinomial", host=True, updates=("resource",), differentiable=False)
def stateful_binomial_op(
    xp: Any, resource: Any, algorithm: Any, shape: Any, counts: Any, probs: Any, *, dtype: Any
) -> Any:
    """How often of `counts` times something of probability `probs` happens."""
    _checked(resource, algorithm)
    sizes = sizes_of(shape)
    stream = _stream(np, resource)
    values, blocks = binomial.draw(sizes, counts, probs, int(stream["counter"]), stream["seed"], stream["seed2"])
    return _advanced(np, resource, blocks), values.astype(dtype.np)


stateful_binomial_op.shape_from_op(_shape_rule)


@op("RngSkip", updates=("resource",), static=("algorithm",), differentiable=False)
def rng_skip_op(xp: Any, resource: Any, algorithm: Any, delta: Any) -> Any:
    """Go on in the stream as if `delta` numbers had been drawn."""
    _checked(resource, algorithm)
    return _advanced(xp, resource, delta.astype(xp.uint64) * np.uint64(_BLOCKS_PER_OUTPUT))


@op("NonDeterministicInts", host=True, differentiable=False)
def non_deterministic_ints_op(xp: Any, shape: Any, *, dtype: Any) -> Any:
    """Integers that nothing in the program determines."""
    sizes = sizes_of(shape)
    return np.random.default_rng().integers(0, 2**64, sizes, np.uint64).astype(dtype.np)


non_deterministic_ints_op.shape_from_op(_shape_rule)
