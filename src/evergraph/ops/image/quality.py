"""How alike images are: PSNR, SSIM and multi-scale SSIM; and how rough one is: its total variation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.activations import relu
from evergraph.ops.checks import Assert
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.dilated import depthwise_conv2d
from evergraph.ops.image.conversion import convert_image_dtype
from evergraph.ops.pooling import avg_pool
from evergraph.ops.softmax import softmax


@public("image.total_variation")
def total_variation(images: Tensor, name: str | None = None) -> Tensor:
    """Sum up the absolute differences of neighbouring pixels.

    Args:
        images: shape `[height, width, channels]`, or with a batch axis before.
        name: the name scope.

    Returns:
        One number for each image.

    Raises:
        ValueError: for another rank.
    """
    with name_scope(name, "total_variation"):
        rank = images.shape.ndims
        axes: list[int] | None
        if rank == 3:
            down = images[1:, :, :] - images[:-1, :, :]
            along = images[:, 1:, :] - images[:, :-1, :]
            axes = None
        elif rank == 4:
            down = images[:, 1:, :, :] - images[:, :-1, :, :]
            along = images[:, :, 1:, :] - images[:, :, :-1, :]
            axes = [1, 2, 3]
        else:
            raise ValueError("'images' must be either 3 or 4-dimensional.")
        return math.reduce_sum(math.abs(down), axis=axes) + math.reduce_sum(math.abs(along), axis=axes)


def checked_alike(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, list[Operation]]:
    """The shapes of two images, and assertions that they can be compared.

    Raises:
        ValueError: if it is known that they cannot.
    """
    shapes = [t.shape.with_rank_at_least(3) for t in (a, b)]
    shapes[0][-3:].assert_is_compatible_with(shapes[1][-3:])
    if shapes[0].ndims is not None and shapes[1].ndims is not None:
        for x, y in zip(*(reversed(list(s)[:-3]) for s in shapes)):
            if not (x == 1 or y == 1 or x.is_compatible_with(y)):
                raise ValueError(f"Two images are not compatible: {shapes[0]} and {shapes[1]}")
    first, second = array.shape_n([a, b])
    pair = [first, second]
    checks = [
        Assert(math.greater_equal(array.size(first), 3), pair, summarize=10),
        Assert(math.reduce_all(math.equal(first[-3:], second[-3:])), pair, summarize=10),
    ]
    return first, second, checks


@public("image.psnr")
def psnr(a: Tensor, b: Tensor, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal-to-noise ratio of two images, in decibels.

    Args:
        a: any real type, shape `[..., height, width, channels]`.
        b: as `a`; their leading axes broadcast.
        max_val: how far apart the smallest and the largest possible value are.
        name: the name scope.

    Returns:
        float32, one number for each image.

    >>> round(float(sess.run(tf.image.psnr(tf.zeros([2, 2, 1]), tf.fill([2, 2, 1], 0.1), 1.0))), 3)
    20.0
    """
    with name_scope(name, "PSNR", [a, b]):
        max_val = convert_image_dtype(math.cast(max_val, a.dtype), dtypes.float32)
        a = convert_image_dtype(a, dtypes.float32)
        b = convert_image_dtype(b, dtypes.float32)
        error = math.reduce_mean(math.squared_difference(a, b), [-3, -2, -1])
        peak = 20 * math.log(max_val) / math.log(10.0)
        ratio = math.subtract(peak, np.float32(10 / np.log(10)) * math.log(error), name="psnr")
        _, _, checks = checked_alike(a, b)
        with control_dependencies(checks):
            return array.identity(ratio)


def _luminance_and_contrast(
    x: Tensor, y: Tensor, reducer: Callable[[Tensor], Tensor], max_val: Any, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    c1 = (k1 * max_val) ** 2
    c2 = (k2 * max_val) ** 2
    mean0 = reducer(x)
    mean1 = reducer(y)
    num0 = mean0 * mean1 * 2.0
    den0 = math.square(mean0) + math.square(mean1)
    luminance = (num0 + c1) / (den0 + c1)
    num1 = reducer(x * y) * 2.0
    den1 = reducer(math.square(x) + math.square(y))
    c2 *= 1.0
    return luminance, (num1 - num0 + c2) / (den1 - den0 + c2)


def _gaussian_filter(size: Any, sigma: Any) -> Tensor:
    """A filter of `[size, size, 1, 1]` that sums up to 1."""
    size = convert_to_tensor(size, dtypes.int32)
    sigma = convert_to_tensor(sigma)
    places = math.cast(math.range(size), sigma.dtype)
    places -= math.cast(size - 1, sigma.dtype) / 2.0
    g = math.square(places)
    g *= -0.5 / math.square(sigma)
    g = array.reshape(g, shape=[1, -1]) + array.reshape(g, shape=[-1, 1])
    g = softmax(array.reshape(g, shape=[1, -1]))
    return array.reshape(g, shape=[size, size, 1, 1])


def _by_channel(
    a: Tensor, b: Tensor, max_val: Any, filter_size: int, filter_sigma: float, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """For each channel, SSIM and its part that is about contrast and structure."""
    size = constant(filter_size, dtype=dtypes.int32)
    sigma = constant(filter_sigma, dtype=a.dtype)
    first, second = array.shape_n([a, b])
    checks = [
        Assert(math.reduce_all(math.greater_equal(shape[-3:-1], size)), [shape, size], summarize=8)
        for shape in (first, second)
    ]
    with control_dependencies(checks):
        a = array.identity(a)
    kernel = array.tile(_gaussian_filter(size, sigma), multiples=[1, 1, first[-1], 1])

    def blurred(x: Tensor) -> Tensor:
        shape = array.shape(x)
        x = array.reshape(x, shape=array.concat([[-1], shape[-3:]], 0))
        y = depthwise_conv2d(x, kernel, strides=[1, 1, 1, 1], padding="VALID")
        return array.reshape(y, array.concat([shape[:-3], array.shape(y)[1:]], 0))

    luminance, contrast = _luminance_and_contrast(a, b, blurred, max_val, k1, k2)
    axes = constant([-3, -2], dtype=dtypes.int32)
    return math.reduce_mean(luminance * contrast, axes), math.reduce_mean(contrast, axes)


@public("image.ssim")
def ssim(
    img1: Tensor,
    img2: Tensor,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of two images, 1 if they are the same.

    Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004.

    Args:
        img1: any real type, shape `[..., height, width, channels]`, not smaller than the filter.
        img2: as `img1`; their leading axes broadcast.
        max_val: how far apart the smallest and the largest possible value are.
        filter_size: of the Gaussian filter.
        filter_sigma: its deviation.
        k1: of the term that keeps luminance stable.
        k2: of the term that keeps contrast stable.

    Returns:
        float32, one number for each image.
    """
    _, _, checks = checked_alike(img1, img2)
    with control_dependencies(checks):
        img1 = array.identity(img1)
    max_val = convert_image_dtype(math.cast(max_val, img1.dtype), dtypes.float32)
    img1 = convert_image_dtype(img1, dtypes.float32)
    img2 = convert_image_dtype(img2, dtypes.float32)
    value, _ = _by_channel(img1, img2, max_val, filter_size, filter_sigma, k1, k2)
    return math.reduce_mean(value, [-1])


_MSSSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@public("image.ssim_multiscale")
def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Sequence[float] = _MSSSIM_WEIGHTS,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of two images at several scales, each half of the one before.

    Z. Wang, E. Simoncelli, A. Bovik, "Multiscale structural similarity for image quality assessment", 2003.

    Args:
        img1: any real type, shape `[..., height, width, channels]`; the smallest scale is not smaller than the filter.
        img2: as `img1`; their leading axes broadcast.
        max_val: how far apart the smallest and the largest possible value are.
        power_factors: the weight of each scale, the largest first.
        filter_size: this and the rest are as of `ssim`.

    Returns:
        float32, one number for each image.
    """
    with name_scope(None, "MS-SSIM", [img1, img2]):
        img1 = convert_to_tensor(img1, name="img1")
        img2 = convert_to_tensor(img2, name="img2")
        shape1, shape2, checks = checked_alike(img1, img2)
        with control_dependencies(checks):
            img1 = array.identity(img1)
        max_val = convert_image_dtype(math.cast(max_val, img1.dtype), dtypes.float32)
        images = [convert_image_dtype(img1, dtypes.float32), convert_image_dtype(img2, dtypes.float32)]
        heads = [shape[:-3] for shape in (shape1, shape2)]
        tails = [shape[-3:] for shape in (shape1, shape2)]
        halves = [1, 2, 2, 1]
        divisor = constant(halves[1:], dtype=dtypes.int32)

        def even(images: list[Tensor], remainder: Tensor) -> list[Tensor]:
            amounts = array.pad(array.expand_dims(remainder, -1), [[1, 0], [1, 0]])
            return [array.pad(x, amounts, mode="SYMMETRIC") for x in images]

        contrasts: list[Tensor] = []
        for k in range(len(power_factors)):
            with name_scope(None, f"Scale{k}", images):
                if k > 0:
                    flat = [array.reshape(x, array.concat([[-1], t], 0)) for x, t in zip(images, tails)]
                    remainder = tails[0] % divisor
                    is_odd = math.reduce_any(math.not_equal(remainder, 0))
                    padded = cond(is_odd, lambda: even(flat, remainder), lambda: flat)  # noqa: B023 - runs at once
                    smaller = [avg_pool(x, ksize=halves, strides=halves, padding="VALID") for x in padded]
                    tails = [x[1:] for x in array.shape_n(smaller)]
                    images = [array.reshape(x, array.concat([h, t], 0)) for x, h, t in zip(smaller, heads, tails)]
                value, contrast = _by_channel(images[0], images[1], max_val, filter_size, filter_sigma, k1, k2)
                contrasts.append(relu(contrast))
        contrasts.pop()  # of the smallest scale the whole value counts
        parts = array.stack([*contrasts, relu(value)], axis=-1)
        product = math.reduce_prod(math.pow(parts, power_factors), [-1])
        return math.reduce_mean(product, [-1])
