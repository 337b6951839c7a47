"""ExtractGlimpse: windows into images at places that are given as numbers, with noise where they reach out.

TF 1 makes new noise, of no seed, at every run. Here it follows from the images and the offsets: where these are new, so
is the noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import philox, random_kernels
from evergraph.ops.image.resize_ops import sized
from evergraph.ops.opdef import kernel_error, op

_f32 = np.float32
_NOISES = (b"uniform", b"gaussian", b"zero")


def _glimpse_shape(input: Any, size: Any, offsets: Any, *, uniform_noise: bool, noise: bytes) -> Any:
    input, offsets = with_rank(input, 4), with_rank(offsets, 2)
    if offsets[1] not in (None, 2):
        raise ShapeError(f"Dimension must be 2 but is {offsets[1]}")
    if uniform_noise and noise not in (b"", b"uniform"):
        raise ShapeError("The uniform_noise and noise should not be specified at the same time")
    return sized(merge_dim(input[0], offsets[0]), size, input[3])


def _starts(xp: Any, offsets: Any, size: Any, glimpse: Any, normalized: bool, centered: bool) -> Any:
    """The upper left corners of the glimpses, `(batch, 2)`, int32."""
    place = offsets.astype(np.float64)  # in float32 arithmetic, step by step: XLA would fuse a product and a sum
    if normalized:
        place = random_kernels._as_float32(xp, place * size)
    if centered:
        place = random_kernels._as_float32(xp, place / 2 + size / 2)
    return xp.trunc(random_kernels._as_float32(xp, place - glimpse / 2)).astype(np.int32)


def _axis(xp: Any, start: Any, size: int, glimpse: int) -> tuple[Any, Any]:
    """Along one axis, where each element of a glimpse comes from, and whether there is such a place.

    Both have the shape `(batch, glimpse)`.
    """
    source = start[:, None] + np.arange(glimpse, dtype=np.int32)
    return xp.clip(source, 0, size - 1), (source >= 0) & (source < size)


def _noise(xp: Any, x: Any, shape: Any, offsets: Any, kind: bytes) -> Any:
    """What fills a glimpse of each image: zeros, or numbers of the image's range (or its mean and deviation)."""
    if kind == b"zero":
        return xp.zeros(shape, np.float32)
    count = int(np.prod(shape))
    blocks = np.arange(-(-count // 4), dtype=np.uint64)
    words = philox.blocks(xp, xp.asarray(blocks), 0, _seed(xp, x, offsets))
    bits = xp.stack(words, axis=-1).reshape(-1)[:count].reshape(shape)
    uniform = (bits >> np.uint32(8)).astype(np.float32) * _f32(2.0**-24)
    if kind == b"uniform":
        low, high = (f(axis=(1, 2, 3), keepdims=True) for f in (x.min, x.max))
        return low + uniform * (high - low)
    low, high, mean = (f(axis=(1, 2), keepdims=True) for f in (x.min, x.max, x.mean))
    deviation = xp.sqrt(((x - mean) ** 2).mean(axis=(1, 2), keepdims=True))
    other = xp.roll(uniform.reshape(-1), 1).reshape(shape)
    normal = xp.sqrt(_f32(-2) * xp.log(xp.maximum(uniform, _f32(1e-7)))) * xp.cos(_f32(2 * np.pi) * other)
    return xp.maximum(xp.minimum(mean + normal * deviation, high), low)


def _seed(xp: Any, x: Any, offsets: Any) -> Any:
    """A number that differs from one run's input to the next."""
    total = x.astype(np.float32).sum() + offsets.sum()
    return xp.abs(total * _f32(1 << 16)).astype(np.float64).astype(np.uint64)


@op("ExtractGlimpse", static=("size",), shape=_glimpse_shape, differentiable=False)
def extract_glimpse_op(
    xp: Any,
    input: Any,
    size: Any,
    offsets: Any,
    *,
    centered: bool,
    normalized: bool,
    uniform_noise: bool,
    noise: bytes,
) -> Any:
    """Windows of one size out of each image; what is outside of the image is noise."""
    kind = noise or (b"uniform" if uniform_noise else b"gaussian")
    if kind not in _NOISES:
        raise kernel_error(f"The noise could only be uniform, gaussian, or zero, got {kind.decode()}")
    if input.ndim != 4:
        raise kernel_error(f"input must be 4-dimensional, but has shape {list(input.shape)}")
    if np.shape(size) != (2,) or min(size) < 0:
        raise kernel_error(f"size must be a vector of size 2 (height, width), but is {np.asarray(size).tolist()}")
    batch, height, width, depth = input.shape
    if offsets.shape != (batch, 2):
        raise kernel_error(f"offsets should have shape [{batch}, 2], but has {list(offsets.shape)}")
    rows, columns = (int(n) for n in size)
    shape = (batch, rows, columns, depth)
    if not np.prod(shape) or not height or not width:
        return xp.zeros(shape, np.float32)
    sizes, glimpse = np.array([height, width], np.float64), np.array([rows, columns], np.float64)
    start = _starts(xp, offsets, sizes, glimpse, normalized, centered)
    y, y_inside = _axis(xp, start[:, 0], height, rows)
    x, x_inside = _axis(xp, start[:, 1], width, columns)
    values = input[np.arange(batch)[:, None, None], y[:, :, None], x[:, None, :]]
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return xp.where(inside, values, _noise(xp, input, shape, offsets, kind))


@public("image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Tensor:
    """Cut a window out of each image of a batch.

    Args:
        input: float32, shape `[batch, height, width, channels]`.
        size: the height and width of the windows, int32.
        offsets: float32, shape `[batch, 2]`: where the centre of each window is, `(y, x)`.
        centered: offsets count from the centre of the image, else from its upper left corner.
        normalized: offsets are parts of the image's size (of half of it, if centered), else pixels.
        uniform_noise: fill what is outside of the image with uniform noise, else with normal noise.
        name: the op's name.

    Returns:
        float32, shape `[batch, *size, channels]`.
    """
    return extract_glimpse_op(input, size, offsets, centered, normalized, uniform_noise, name=name)


@public("compat.v2.image.extract_glimpse")
def extract_glimpse_v2(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    noise: str = "uniform",
    name: str | None = None,
) -> Tensor:
    """Cut windows as `extract_glimpse` does; `noise` is "uniform", "gaussian" or "zero"."""
    return extract_glimpse_op(input, size, offsets, centered, normalized, uniform_noise=False, noise=noise, name=name)
