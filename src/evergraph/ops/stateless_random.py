"""Stateless random ops: the numbers follow from the seed that is given as an input, the same at every run."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import math, philox, random_kernels
from evergraph.ops.opdef import kernel_error, op, require
from evergraph.ops.random import given_shape, shape_tensor, sizes_of

# What TF 1 scrambles a user's seed with, so that near seeds give far streams.
_SCRAMBLE_KEY = 0x02461E293EC8F720


def _stream(xp: Any, seed: Any) -> dict[str, Any]:
    """The generator's key and stream number for a seed of two numbers."""
    if seed.shape != (2,):
        raise kernel_error(f"seed must have shape [2], not {list(seed.shape)}")
    return _streams(xp, seed)


def _streams(xp: Any, seeds: Any) -> dict[str, Any]:
    """Keys and stream numbers for seeds of two numbers each; those numbers are in the last dimension."""
    first, second = (seeds[..., i].astype(xp.int64).astype(xp.uint64) for i in (0, 1))
    a, b, c, d = (word.astype(xp.uint64) for word in philox.blocks(xp, first, _SCRAMBLE_KEY, second))
    high = np.uint64(32)
    return {"seed": b << high | a, "seed2": d << high | c}


def _shape_rule(shape: Any, seed: Any, *_: Any) -> Shape:
    merge(with_rank(seed, 1), (2,))
    return given_shape(shape)


def _draw(kernel: Any, xp: Any, shape: Any, seed: Any, dtype: Any) -> Any:
    return kernel(xp, 0, shape=sizes_of(shape), dtype=dtype.np, **_stream(xp, seed))


@op("StatelessRandomUniform", static=("shape",), shape=_shape_rule, differentiable=False)
def stateless_random_uniform_op(xp: Any, shape: Any, seed: Any, *, dtype: Any) -> Any:
    """Numbers from [0, 1) that follow from the seed."""
    return _draw(random_kernels.uniform, xp, shape, seed, dtype)


@op("StatelessRandomNormal", static=("shape",), shape=_shape_rule, differentiable=False)
def stateless_random_normal_op(xp: Any, shape: Any, seed: Any, *, dtype: Any) -> Any:
    """Numbers from the normal distribution that follow from the seed."""
    return _draw(random_kernels.standard_normal, xp, shape, seed, dtype)


@op("StatelessTruncatedNormal", static=("shape",), shape=_shape_rule, differentiable=False)
def stateless_truncated_normal_op(xp: Any, shape: Any, seed: Any, *, dtype: Any) -> Any:
    """Numbers from the normal distribution, none 2 or more away from its mean, that follow from the seed."""
    return _draw(random_kernels.truncated_normal, xp, shape, seed, dtype)


@op("StatelessRandomUniformInt", static=("shape",), shape=_shape_rule, differentiable=False)
def stateless_random_uniform_int_op(xp: Any, shape: Any, seed: Any, minval: Any, maxval: Any, *, dtype: Any) -> Any:
    """Integers from [minval, maxval) that follow from the seed."""
    sizes = sizes_of(shape)
    if 0 not in sizes:
        require(xp, minval < maxval, lambda: kernel_error(f"Need minval < maxval, got {minval} >= {maxval}"))
    return random_kernels.uniform_int(xp, 0, minval, maxval, shape=sizes, dtype=dtype.np, **_stream(xp, seed))


@op("StatelessMultinomial", static=("num_samples",), differentiable=False)
def stateless_multinomial_op(xp: Any, logits: Any, num_samples: Any, seed: Any, *, output_dtype: Any) -> Any:
    """For each row of logits, `num_samples` classes that follow from the seed."""
    return random_kernels.multinomial(
        xp, 0, logits, int(num_samples), output_dtype=output_dtype.np, **_stream(xp, seed)
    )


def multinomial_for_seeds(logits: np.ndarray, samples: int, seeds: np.ndarray, output_dtype: Any) -> np.ndarray:
    """What `StatelessMultinomial` gives for one row of `logits` and each of some seeds, [seeds, 1, samples]."""
    streams = _streams(np, seeds)
    draws = random_kernels.uniforms_of_streams(streams["seed"], streams["seed2"], samples)
    rows = np.broadcast_to(logits, (len(seeds), logits.shape[-1]))
    return random_kernels.classes_of(np, rows, draws, output_dtype)[:, None]


@stateless_multinomial_op.shape
def stateless_multinomial_shape(logits: Any, num_samples: Any, seed: Any) -> Shape:
    return with_rank(logits, 2)[0], None if num_samples is None else int(num_samples)


@public("random.stateless_uniform")
def stateless_random_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Numbers from `[minval, maxval)`; the same `seed`, two ints, always gives the same ones."""
    dtype = dtypes.as_dtype(dtype)
    if dtype.name not in ("float16", "bfloat16", "float32", "float64", "int32", "int64"):
        raise ValueError(f"Invalid dtype {dtype!r}")
    if maxval is None:
        if dtype.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
        maxval = 1
    with name_scope(name, "stateless_random_uniform", [shape, seed, minval, maxval]) as scope:
        sizes = shape_tensor(shape)
        minval = convert_to_tensor(minval, dtype=dtype, name="min")
        maxval = convert_to_tensor(maxval, dtype=dtype, name="max")
        if dtype.is_integer:
            return stateless_random_uniform_int_op(sizes, seed, minval, maxval, name=scope)
        drawn = stateless_random_uniform_op(sizes, seed, dtype)
        return math.add(drawn * (maxval - minval), minval, name=scope)


def _normal(draw: Any, default: str, shape: Any, seed: Any, mean: Any, stddev: Any, dtype: Any, name: Any) -> Tensor:
    with name_scope(name, default, [shape, seed, mean, stddev]) as scope:
        sizes = shape_tensor(shape)
        mean = convert_to_tensor(mean, dtype=dtype, name="mean")
        stddev = convert_to_tensor(stddev, dtype=dtype, name="stddev")
        drawn = draw(sizes, seed, dtype)
        return math.add(drawn * stddev, mean, name=scope)


@public("random.stateless_normal")
def stateless_random_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Numbers from a normal distribution; the same `seed`, two ints, always gives the same ones."""
    draw = stateless_random_normal_op
    return _normal(draw, "stateless_random_normal", shape, seed, mean, stddev, dtype, name)


@public("random.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """`stateless_normal`, with none of the numbers two deviations or more from the mean."""
    draw = stateless_truncated_normal_op
    return _normal(draw, "stateless_truncated_normal", shape, seed, mean, stddev, dtype, name)


def _drawn_classes(logits: Any, num_samples: Any, dtype: Any, seed: Any) -> Tensor:
    logits = convert_to_tensor(logits, name="logits")
    return stateless_multinomial_op(logits, num_samples, seed, output_dtype=dtype)


@public("random.stateless_multinomial")
def stateless_multinomial(
    logits: Any, num_samples: Any, seed: Any, output_dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """`tf.multinomial` with the seed, two ints, as an input."""
    with name_scope(name, "stateless_multinomial", [logits, seed]):
        return _drawn_classes(logits, num_samples, output_dtype, seed)


@public("random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: Any, seed: Any, dtype: Any = dtypes.int64, name: str | None = None
) -> Tensor:
    """`tf.random.categorical` with the seed, two ints, as an input."""
    with name_scope(name, "stateless_categorical", [logits, seed]):
        return _drawn_classes(logits, num_samples, dtype, seed)
