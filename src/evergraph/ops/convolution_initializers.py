"""Orthogonal kernels for convolutions: what has them keeps the norm of its input, up to a gain (Xiao et al., 2018).

A kernel of size `k` along each of its axes is here a dict: from a place, a tuple of indices, to the matrix there.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.filling import zeros
from evergraph.ops.initializers import Initializer
from evergraph.ops.joining import stack
from evergraph.ops.linear_algebra import eye
from evergraph.ops.opdef import raw_op
from evergraph.ops.random import random_normal

Kernel = dict[tuple[int, ...], Tensor]


def _random_orthogonal(size: int, dtype: Any, seed: int | None, **options: Any) -> Tensor:
    a = random_normal([size, size], dtype=dtype, seed=seed)
    q, r = raw_op("Qr")(a, **options)
    signs = raw_op("Sign")(raw_op("DiagPart")(r))
    return q * signs


class _Orthogonal(Initializer):
    """What these initializers share.

    Args:
        gain: what the norm of an input is multiplied by.
        seed: a seed of the op's own.
        dtype: floating point.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = dtypes.float32) -> None:
        self.gain = gain
        self.dtype = dtypes.as_dtype(dtype)
        if not self.dtype.is_floating:
            raise ValueError(f"Expected floating point type, got {self.dtype}.")
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed, "dtype": self.dtype.name}


@public("contrib.framework.convolutional_delta_orthogonal")
class ConvolutionDeltaOrthogonal(_Orthogonal):
    """An orthogonal matrix in the middle of the kernel, and zeros around it; for 1 to 3 spatial dimensions."""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        if not 3 <= len(shape) <= 5:
            raise ValueError("The tensor to initialize must be at least three-dimensional and at most five-dimensional")
        if shape[-2] > shape[-1]:
            raise ValueError("In_filters cannot be greater than out_filters.")
        dtype = self.dtype if dtype is None else dtype
        q = _random_orthogonal(shape[-1], dtype, self.seed, full_matrices=False)[: shape[-2], :]
        q *= math.cast(self.gain, dtype=dtype)
        middle = [(size - 1) // 2 for size in shape[:-2]]
        return array.scatter_nd([middle], array.expand_dims(q, 0), shape)


class _ConvolutionOrthogonal(_Orthogonal):
    rank = 0
    wanted = ""

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        if len(shape) != self.rank + 2:
            raise ValueError(f"The tensor to initialize must be {self.wanted}-dimensional")
        if shape[-2] > shape[-1]:
            raise ValueError("In_filters cannot be greater than out_filters.")
        if any(size != shape[0] for size in shape[: self.rank]):
            raise ValueError("Kernel sizes must be equal.")
        kernel = self._kernel(shape[0], shape[-2], shape[-1])
        return kernel * math.cast(self.gain, dtype=self.dtype if dtype is None else dtype)

    def _next_seed(self) -> int | None:
        seed = self.seed
        if self.seed:
            self.seed += 1
        return seed

    def _matrix(self, size: int) -> Tensor:
        return _random_orthogonal(size, self.dtype, self._next_seed())

    def _projection(self, size: int) -> Tensor:
        """The projection on the space of some random directions."""
        q = self._matrix(size)
        mask = math.cast(random_normal([size], seed=self._next_seed()) > 0, self.dtype)
        columns = math.multiply(q, mask)
        return math.matmul(columns, array.matrix_transpose(columns))

    def _block(self, size: int) -> Kernel:
        """A kernel of 2 along each axis: a product of a projection, or the rest of it, for each axis."""
        projections = [self._projection(size) for _ in range(self.rank)]
        whole = eye(size, dtype=self.dtype)
        return {place: self._factor(place, projections, whole) for place in product((0, 1), repeat=self.rank)}

    def _factor(self, place: tuple[int, ...], projections: list[Tensor], whole: Tensor) -> Tensor:
        raise NotImplementedError

    def _kernel(self, length: int, channels_in: int, channels_out: int) -> Tensor:
        rows = self._matrix(channels_out)[0:channels_in, :]
        if length == 1:
            for _ in range(self.rank):
                rows = array.expand_dims(rows, 0)
            return rows
        kernel = self._block(channels_out)
        for size in range(3, length + 1):
            kernel = self._convolved(kernel, self._block(channels_out), size, channels_out)
        for place, matrix in kernel.items():
            kernel[place] = math.matmul(rows, matrix)
        return _stacked(kernel, length, self.rank)

    def _convolved(self, kernel: Kernel, block: Kernel, size: int, channels: int) -> Kernel:
        result: Kernel = {}
        for place in product(range(size), repeat=self.rank):
            result[place] = zeros([channels, channels], self.dtype)
            for first in product(*(range(min(size - 1, at + 1)) for at in place)):
                second = tuple(at - of_first for at, of_first in zip(place, first, strict=True))
                if second in block:
                    result[place] += math.matmul(kernel[first], block[second])
        return result


def _stacked(kernel: Kernel, length: int, rank: int, before: tuple[int, ...] = ()) -> Tensor:
    if len(before) == rank:
        return kernel[before]
    return stack([_stacked(kernel, length, rank, (*before, i)) for i in range(length)])


@public("contrib.framework.convolutional_orthogonal_1d")
class ConvolutionOrthogonal1D(_ConvolutionOrthogonal):
    """A kernel of a 1-D convolution, shape `[size, in, out]` with `in <= out`, that is orthogonal on a circle."""

    rank = 1
    wanted = "three"

    def _factor(self, place: tuple[int, ...], projections: list[Tensor], whole: Tensor) -> Tensor:
        return projections[0] if place == (0,) else whole - projections[0]


@public("contrib.framework.convolutional_orthogonal_2d")
class ConvolutionOrthogonal2D(_ConvolutionOrthogonal):
    """A kernel of a 2-D convolution, shape `[size, size, in, out]` with `in <= out`, that is orthogonal on a torus."""

    rank = 2
    wanted = "four"

    def _factor(self, place: tuple[int, ...], projections: list[Tensor], whole: Tensor) -> Tensor:
        first, second = (whole - p if of_rest else p for of_rest, p in zip(place, projections, strict=True))
        return math.matmul(first, second)


@public("contrib.framework.convolutional_orthogonal_3d")
class ConvolutionOrthogonal3D(_ConvolutionOrthogonal):
    """A kernel of a 3-D convolution, shape `[size] * 3 + [in, out]` with `in <= out`, orthogonal on a 3-D torus."""

    rank = 3
    wanted = "five"

    def _factor(self, place: tuple[int, ...], projections: list[Tensor], whole: Tensor) -> Tensor:
        first, second, third = (i * p + (1 - i) * (whole - p) for i, p in zip(place, projections, strict=True))
        return math.matmul(math.matmul(first, second), third)
