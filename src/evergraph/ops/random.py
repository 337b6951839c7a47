"""Random ops: `tf.random_uniform`, `random_normal`, `truncated_normal`, `random_shuffle`, `multinomial`, ...

An op's numbers follow from its two seeds and from a counter that the session keeps for it; `random_kernels.py` has
the generator. The executor moves the counter on after each run, and starts it at random for an op without seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import get_seed, name_scope
from evergraph.framework.shapes import Shape, dimension_value, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import math, random_kernels
from evergraph.ops.checks import Assert
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.opdef import kernel_error, op, require, unchanged_shape
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.slicing import slice as slice_of


def sizes_of(shape: Any) -> tuple[int, ...]:
    if np.ndim(shape) != 1:
        raise kernel_error(f"shape must be a vector of {{int32,int64}}, got shape {list(np.shape(shape))}")
    sizes = tuple(int(n) for n in np.ravel(shape))
    if any(n < 0 for n in sizes):
        raise kernel_error(f"Dimension {min(sizes)} must be >= 0")
    return sizes


def given_shape(shape: Any) -> Shape:
    """The static shape that the value of a shape input stands for."""
    if shape is None:
        return None
    return tuple(None if n is None or n < 0 else int(n) for n in np.ravel(shape).tolist())


def _blocks(op_name: str) -> Any:
    return lambda shape, *_, **__: random_kernels.reserved_blocks(op_name, sizes_of(shape))


def _shape_rule(shape: Any, *_: Any) -> Shape:
    return given_shape(shape)


@op("RandomUniform", static=("shape",), random=_blocks("RandomUniform"), shape=_shape_rule, differentiable=False)
def random_uniform_op(xp: Any, shape: Any, *, counter: Any, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Numbers from [0, 1)."""
    return random_kernels.uniform(xp, counter, shape=sizes_of(shape), seed=seed, seed2=seed2, dtype=dtype.np)


@op(
    "RandomStandardNormal",
    static=("shape",),
    random=_blocks("RandomStandardNormal"),
    shape=_shape_rule,
    differentiable=False,
)
def random_standard_normal_op(xp: Any, shape: Any, *, counter: Any, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Numbers from the normal distribution of mean 0 and deviation 1."""
    return random_kernels.standard_normal(xp, counter, shape=sizes_of(shape), seed=seed, seed2=seed2, dtype=dtype.np)


@op("TruncatedNormal", static=("shape",), random=_blocks("TruncatedNormal"), shape=_shape_rule, differentiable=False)
def truncated_normal_op(xp: Any, shape: Any, *, counter: Any, seed: Any, seed2: Any, dtype: Any) -> Any:
    """Numbers from that normal distribution, drawn again while 2 or more away from its mean."""
    return random_kernels.truncated_normal(xp, counter, shape=sizes_of(shape), seed=seed, seed2=seed2, dtype=dtype.np)


@op("RandomUniformInt", static=("shape",), random=_blocks("RandomUniformInt"), differentiable=False)
def random_uniform_int_op(
    xp: Any,
    shape: Any,
    minval: Any,
    maxval: Any,
    *,
    counter: Any,
    seed: Any,
    seed2: Any,
    Tout: Any,
) -> Any:
    """Integers from [minval, maxval)."""
    sizes = sizes_of(shape)
    if 0 not in sizes:
        require(xp, minval < maxval, lambda: kernel_error(f"Need minval < maxval, got {minval} >= {maxval}"))
    return random_kernels.uniform_int(xp, counter, minval, maxval, shape=sizes, seed=seed, seed2=seed2, dtype=Tout.np)


@random_uniform_int_op.shape
def random_uniform_int_shape(shape: Any, minval: Any, maxval: Any) -> Shape:
    with_rank(minval, 0)
    with_rank(maxval, 0)
    return given_shape(shape)


@op(
    "RandomShuffle",
    random=lambda value, **_: random_kernels.reserved_blocks("RandomShuffle", value.shape or (1,)),
    shape=unchanged_shape,
    differentiable=False,
)
def random_shuffle_op(xp: Any, value: Any, *, counter: Any, seed: Any, seed2: Any) -> Any:
    """The rows of `value`, its slices along the first axis, in random order."""
    return random_kernels.shuffle(xp, counter, xp.asarray(value), seed=seed, seed2=seed2)


@op(
    "Multinomial",
    static=("num_samples",),
    random=lambda logits, num_samples, **_: random_kernels.reserved_blocks(
        "Multinomial", (logits.shape[0], max(int(num_samples), 0))
    ),
    differentiable=False,
)
def multinomial_op(
    xp: Any, logits: Any, num_samples: Any, *, counter: Any, seed: Any, seed2: Any, output_dtype: Any
) -> Any:
    """For each row of logits, `num_samples` classes, drawn with the probabilities of its softmax."""
    samples = int(num_samples)
    if samples < 0:
        raise kernel_error(f"num_samples should be nonnegative, got {samples}")
    if logits.shape[1] == 0 and logits.shape[0]:
        raise kernel_error(f"num_classes should be positive, got {logits.shape[1]}")
    if not samples or not logits.shape[0]:
        return xp.zeros((logits.shape[0], samples), output_dtype.np)
    return random_kernels.multinomial(
        xp, counter, logits, samples, seed=seed, seed2=seed2, output_dtype=output_dtype.np
    )


@multinomial_op.shape
def multinomial_shape(logits: Any, num_samples: Any) -> Shape:
    return with_rank(logits, 2)[0], None if num_samples is None else int(num_samples)


# What programs call


def shape_tensor(shape: Any) -> Tensor:
    dtype = None
    if isinstance(shape, list | tuple):
        if not shape:
            dtype = dtypes.int32
        shape = tuple(map(dimension_value, shape))
    return convert_to_tensor(shape, dtype=dtype, name="shape")


def _normal(
    draw: Any, default_name: str, shape: Any, mean: Any, stddev: Any, dtype: Any, seed: Any, name: str | None
) -> Tensor:
    with name_scope(name, default_name, [shape, mean, stddev]) as scope:
        sizes = shape_tensor(shape)
        mean = convert_to_tensor(mean, dtype=dtype, name="mean")
        stddev = convert_to_tensor(stddev, dtype=dtype, name="stddev")
        seed1, seed2 = get_seed(seed)
        drawn = draw(sizes, dtype, seed=seed1, seed2=seed2)
        return math.add(drawn * stddev, mean, name=scope)


@public("random.normal", "random_normal")
def random_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers from a normal distribution; new ones at every run.

    Args:
        shape: ints, or an int vector tensor.
        mean: of the distribution.
        stddev: of the distribution.
        dtype: float16, bfloat16, float32 or float64.
        seed: makes the sequence of runs repeatable, with `set_random_seed`.
        name: the op's name.
    """
    return _normal(random_standard_normal_op, "random_normal", shape, mean, stddev, dtype, seed, name)


@public("random.truncated_normal", "truncated_normal")
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Normally distributed numbers, none two deviations or more from the mean; arguments as of `random_normal`."""
    return _normal(truncated_normal_op, "truncated_normal", shape, mean, stddev, dtype, seed, name)


@public("random.uniform", "random_uniform")
def random_uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Numbers from `[minval, maxval)`, each as likely as the next; new ones at every run.

    Args:
        shape: ints, or an int vector tensor.
        minval: 0 by default.
        maxval: 1 by default; to be given for integers.
        dtype: float16, bfloat16, float32, float64, int32 or int64.
        seed: makes the sequence of runs repeatable, with `set_random_seed`.
        name: the op's name.

    Raises:
        ValueError: for another type, or integers without `maxval`.
    """
    dtype = dtypes.as_dtype(dtype)
    if dtype.name not in ("float16", "bfloat16", "float32", "float64", "int32", "int64"):
        raise ValueError(f"Invalid dtype {dtype!r}")
    if maxval is None:
        if dtype.is_integer:
            raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
        maxval = 1
    with name_scope(name, "random_uniform", [shape, minval, maxval]) as scope:
        sizes = shape_tensor(shape)
        minval = convert_to_tensor(minval, dtype=dtype, name="min")
        maxval = convert_to_tensor(maxval, dtype=dtype, name="max")
        seed1, seed2 = get_seed(seed)
        if dtype.is_integer:
            return random_uniform_int_op(sizes, minval, maxval, seed=seed1, seed2=seed2, name=scope)
        drawn = random_uniform_op(sizes, dtype, seed=seed1, seed2=seed2)
        return math.add(drawn * (maxval - minval), minval, name=scope)


@public("random.shuffle", "random_shuffle")
def random_shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """The slices of `value` along its first axis, in random order."""
    seed1, seed2 = get_seed(seed)
    return random_shuffle_op(value, seed=seed1, seed2=seed2, name=name)


@public("image.random_crop", "random_crop")
def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A slice of `value`, of shape `size`, at a random place.

    Raises:
        InvalidArgumentError: at run time, if `size` is larger than `value`.
    """
    with name_scope(name, "random_crop", [value, size]) as scope:
        value = convert_to_tensor(value, name="value")
        size = convert_to_tensor(size, dtype=dtypes.int32, name="size")
        shape = shape_of(value)
        check = Assert(math.reduce_all(shape >= size), ["Need value.shape >= size, got ", shape, size], summarize=1000)
        shape = with_dependencies([check], shape)
        limit = shape - size + 1
        offset = random_uniform(shape_of(shape), dtype=size.dtype, maxval=size.dtype.max, seed=seed) % limit
        return slice_of(value, offset, size, name=scope)


def _drawn_classes(logits: Any, num_samples: Any, dtype: Any, seed: int | None) -> Tensor:
    logits = convert_to_tensor(logits, name="logits")
    seed1, seed2 = get_seed(seed)
    return multinomial_op(logits, num_samples, seed=seed1, seed2=seed2, output_dtype=dtype)


@public("random.multinomial", "multinomial")
def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """Classes drawn with the probabilities that logits give.

    Args:
        logits: floats, shape `[batch, classes]`.
        num_samples: how many to draw for each row.
        seed: as of `random_uniform`.
        name: the name scope.
        output_dtype: int64 (the default) or int32.

    Returns:
        Shape `[batch, num_samples]`.
    """
    with name_scope(name, "multinomial", [logits]):
        return _drawn_classes(logits, num_samples, output_dtype, seed)


@public("random.categorical")
def categorical(
    logits: Any, num_samples: Any, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Classes drawn with the probabilities that logits give; the arguments are as `multinomial`'s."""
    with name_scope(name, "categorical", [logits]):
        return _drawn_classes(logits, num_samples, dtype, seed)
