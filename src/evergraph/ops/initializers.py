"""What new variables start with: `tf.zeros_initializer()`, `tf.glorot_uniform_initializer()`, ...

An initializer is an object that is called with a shape and gives a tensor. `partition_info` says which part of a
larger variable the shape is of; what depends on the fan-in takes the whole's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import filling, random
from evergraph.ops.constant import constant
from evergraph.ops.linear_algebra import eye
from evergraph.ops.opdef import raw_op
from evergraph.ops.rearrange import matrix_transpose


class Initializer:
    """What all initializers are: callable, and described by `get_config`."""

    dtype: DType

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        """A tensor of `shape`; `dtype` is the initializer's own by default."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments that make this initializer again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The initializer that `get_config` described."""
        return cls(**config)


@public("initializers.zeros", "zeros_initializer")
class Zeros(Initializer):
    """Zeros (False, or empty strings)."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return filling.zeros(shape, self.dtype if dtype is None else dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype.name}


@public("initializers.ones", "ones_initializer")
class Ones(Initializer):
    """Ones."""

    def __init__(self, dtype: Any = dtypes.float32) -> None:
        self.dtype = dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        return filling.ones(shape, self.dtype if dtype is None else dtype)

    def get_config(self) -> dict[str, Any]:
        return {"dtype": self.dtype.name}


@public("initializers.constant", "constant_initializer")
class Constant(Initializer):
    """A given value.

    Args:
        value: a number, or a list or array with the variable's elements in order; a shorter one is filled up with its
            last element.
        dtype: the type.
        verify_shape: insist that `value` has exactly the variable's shape.
    """

    def __init__(self, value: Any = 0, dtype: Any = dtypes.float32, verify_shape: bool = False) -> None:
        if not (np.isscalar(value) or isinstance(value, list | tuple | np.ndarray)):
            raise TypeError(
                f"Invalid type for initial value: {type(value)} (expected Python scalar, list or tuple of values, or "
                "numpy.ndarray)."
            )
        self.value = value
        self.dtype = dtypes.as_dtype(dtype)
        self._verify_shape = verify_shape

    def __call__(
        self, shape: Any, dtype: Any = None, partition_info: Any = None, verify_shape: bool | None = None
    ) -> Tensor:
        verify_shape = self._verify_shape if verify_shape is None else verify_shape
        return constant(self.value, self.dtype if dtype is None else dtype, shape, verify_shape=verify_shape)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value, "dtype": self.dtype.name}


@public("initializers.random_uniform", "random_uniform_initializer")
class RandomUniform(Initializer):
    """Random numbers between `minval` and `maxval`, all as likely.

    Args:
        minval: the least.
        maxval: the bound, not itself reached; 1 by default for floats.
        seed: a seed of the op's own.
        dtype: the type.
    """

    def __init__(self, minval: Any = 0, maxval: Any = None, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        self.minval = minval
        self.maxval = maxval
        self.seed = seed
        self.dtype = dtypes.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        dtype = self.dtype if dtype is None else dtype
        return random.random_uniform(shape, self.minval, self.maxval, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed, "dtype": self.dtype.name}


@public("initializers.random_normal", "random_normal_initializer")
class RandomNormal(Initializer):
    """Normally distributed random numbers.

    Args:
        mean: their mean.
        stddev: their standard deviation.
        seed: a seed of the op's own.
        dtype: a floating type.
    """

    def __init__(self, mean: Any = 0.0, stddev: Any = 1.0, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        self.mean = mean
        self.stddev = stddev
        self.seed = seed
        self.dtype = _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        dtype = self.dtype if dtype is None else dtype
        return random.random_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed, "dtype": self.dtype.name}


@public("initializers.truncated_normal", "truncated_normal_initializer")
class TruncatedNormal(RandomNormal):
    """Normally distributed random numbers, drawn again where they are more than two deviations from the mean."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        dtype = self.dtype if dtype is None else dtype
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, seed=self.seed)


@public("initializers.uniform_unit_scaling", "uniform_unit_scaling_initializer")
class UniformUnitScaling(Initializer):
    """Random numbers that keep the scale of a layer's input: uniform up to `factor * sqrt(3 / inputs)`."""

    def __init__(self, factor: float = 1.0, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        self.factor = factor
        self.seed = seed
        self.dtype = _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        dtype = self.dtype if dtype is None else dtype
        inputs = 1.0
        for size in _whole(shape, partition_info)[:-1]:
            inputs *= float(size)
        limit = math.sqrt(3 / max(inputs, 1.0)) * self.factor
        return random.random_uniform(shape, -limit, limit, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "seed": self.seed, "dtype": self.dtype.name}


# The standard deviation of a normal distribution cut off at two deviations.
TRUNCATED_DEVIATION = 0.8796256610342398

_DISTRIBUTIONS = ("normal", "uniform", "truncated_normal", "untruncated_normal")


@public("initializers.variance_scaling", "variance_scaling_initializer")
class VarianceScaling(Initializer):
    """Random numbers whose variance is `scale / n`.

    Args:
        scale: positive.
        mode: what `n` is: "fan_in" (inputs of a unit), "fan_out" (its outputs) or "fan_avg" (their mean).
        distribution: "truncated_normal" ("normal" is the same), "untruncated_normal" or "uniform".
        seed: a seed of the op's own.
        dtype: a floating type.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        dtype: Any = dtypes.float32,
    ) -> None:
        if scale <= 0.0:
            raise ValueError("`scale` must be positive float.")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError("Invalid `mode` argument:", mode)
        distribution = distribution.lower()
        if distribution not in _DISTRIBUTIONS:
            raise ValueError("Invalid `distribution` argument:", distribution)
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.seed = seed
        self.dtype = _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        dtype = self.dtype if dtype is None else dtype
        fan_in, fan_out = fans(_whole(shape, partition_info))
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[self.mode]
        scale = self.scale / max(1.0, n)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * scale)
            return random.random_uniform(shape, -limit, limit, dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return random.random_normal(shape, 0.0, math.sqrt(scale), dtype, seed=self.seed)
        stddev = math.sqrt(scale) / TRUNCATED_DEVIATION
        return random.truncated_normal(shape, 0.0, stddev, dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
            "dtype": self.dtype.name,
        }


@public("glorot_uniform_initializer", "initializers.glorot_uniform")
class GlorotUniform(VarianceScaling):
    """Uniform random numbers of variance `2 / (inputs + outputs)`; what `get_variable` uses by default."""

    def __init__(self, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "uniform", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


@public("glorot_normal_initializer", "initializers.glorot_normal")
class GlorotNormal(VarianceScaling):
    """Truncated normal random numbers of variance `2 / (inputs + outputs)`."""

    def __init__(self, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        super().__init__(1.0, "fan_avg", "truncated_normal", seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


@public("initializers.lecun_normal")
def lecun_normal(seed: Any = None) -> VarianceScaling:
    """Truncated normal random numbers of variance `1 / inputs`."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


@public("initializers.lecun_uniform")
def lecun_uniform(seed: Any = None) -> VarianceScaling:
    """Uniform random numbers of variance `1 / inputs`."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


@public("initializers.he_normal")
def he_normal(seed: Any = None) -> VarianceScaling:
    """Truncated normal random numbers of variance `2 / inputs`."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


@public("initializers.he_uniform")
def he_uniform(seed: Any = None) -> VarianceScaling:
    """Uniform random numbers of variance `2 / inputs`."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


@public("initializers.orthogonal", "orthogonal_initializer")
class Orthogonal(Initializer):
    """A random orthogonal matrix (orthonormal rows or columns), times `gain`; leading dimensions count as rows."""

    def __init__(self, gain: float = 1.0, seed: Any = None, dtype: Any = dtypes.float32) -> None:
        self.gain = gain
        self.seed = seed
        self.dtype = _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        if len(shape) < 2:
            raise ValueError("The tensor to initialize must be at least two-dimensional")
        rows = 1
        for size in shape[:-1]:
            rows *= int(size)
        columns = int(shape[-1])
        wide = rows < columns
        q = orthogonal_matrix(
            (columns, rows) if wide else (rows, columns), self.dtype if dtype is None else dtype, self.seed
        )
        if wide:
            q = matrix_transpose(q)
        return self.gain * raw_op("Reshape")(q, shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}


def orthogonal_matrix(shape: Any, dtype: Any, seed: Any) -> Any:
    """A matrix with orthonormal columns, uniformly distributed: the sign of each is made to follow from `r`."""
    a = random.random_normal(shape, dtype=dtype, seed=seed)
    q, r = raw_op("Qr")(a, full_matrices=False)
    return q * raw_op("Sign")(raw_op("DiagPart")(r))


@public("initializers.identity")
class Identity(Initializer):
    """The identity matrix, times `gain`."""

    def __init__(self, gain: float = 1.0, dtype: Any = dtypes.float32) -> None:
        self.gain = gain
        self.dtype = _floating(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        full_shape = _whole(shape, partition_info)
        if len(full_shape) != 2:
            raise ValueError("Identity matrix initializer can only be used for 2D matrices.")
        if isinstance(full_shape, TensorShape):
            full_shape = full_shape.as_list()
        rows, columns = full_shape
        matrix: Any = eye(rows, columns, dtype=self.dtype if dtype is None else dtype)
        if partition_info is not None:
            matrix = raw_op("Slice")(matrix, partition_info.var_offset, shape)
        return self.gain * matrix

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "dtype": self.dtype.name}


def _whole(shape: Any, partition_info: Any) -> Any:
    """The shape of the whole variable that `shape` is a part of."""
    return shape if partition_info is None else partition_info.full_shape


def fans(shape: Sequence[Any]) -> tuple[int, int]:
    """How many inputs and outputs a unit has whose weights have `shape`."""
    if len(shape) < 1:
        return 1, 1
    if len(shape) == 1:
        return int(shape[0]), int(shape[0])
    field = 1
    for size in shape[:-2]:
        field *= int(size)
    return int(shape[-2]) * field, int(shape[-1]) * field


def _floating(dtype: Any) -> DType:
    dtype = dtypes.as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"Expected floating point type, got {dtype}.")
    return dtype
