"""Brightness, contrast, hue, saturation and the like: made so, or changed at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.image.conversion import as_floats, convert_image_dtype
from evergraph.ops.image.image_shapes import asserted, checked_image
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.random import random_uniform

# Ops


def _same_at_least_3d(images: Any, factor: Any, *_: Any) -> Any:
    return with_rank_at_least(images, 3)


def _scalar_factor_shape(images: Any, *factors: Any) -> Any:
    for factor in factors:
        with_rank(factor, 0)
    return with_rank_at_least(images, 3)


def _check(images: Any, factor: Any, name: str, coloured: bool) -> None:
    if images.ndim < 3:
        raise kernel_error(f"input must be at least 3-D, got shape {list(images.shape)}")
    if factor.ndim:
        raise kernel_error(f"{name} must be scalar: {list(factor.shape)}")
    if coloured and images.shape[-1] != 3:
        raise kernel_error(f"input must have 3 channels but instead has {images.shape[-1]} channels.")


def _channel_means(xp: Any, images: Any) -> Any:
    """The mean over height and width, in TF 1's order: the plane is folded in halves, and these are added."""
    *batch, height, width, depth = images.shape
    total = images.reshape(*batch, height * width, depth)
    if xp is not np:
        total = total.sum(axis=-2, keepdims=True)
    while (size := total.shape[-2]) > 1:
        right = size // 2
        left = size - right
        folded = total[..., :right, :] + total[..., left:, :]
        total = np.concatenate([folded, total[..., right:left, :]], axis=-2) if left > right else folded
    mean = total * np.float32(np.float32(1) / np.float32(height * width))
    return mean.reshape(*batch, 1, 1, depth)


@op("AdjustContrastv2", shape=_scalar_factor_shape)
def adjust_contrast_op(xp: Any, images: Any, contrast_factor: Any) -> Any:
    """`(x - mean) * contrast_factor + mean`, channel by channel."""
    _check(images, contrast_factor, "contrast_factor", False)
    return contrast_adjusted(xp, images, contrast_factor)


def contrast_adjusted(xp: Any, images: Any, factor: Any) -> Any:
    """`AdjustContrastv2`; `factor` may also be an array that is broadcast to `images`."""
    if not images.size:
        return images
    x = images.astype(np.float32)
    mean = _channel_means(xp, x)
    return (mean + factor * (x - mean)).astype(images.dtype)


@op("AdjustContrast", shape=_scalar_factor_shape)
def adjust_contrast_v1_op(xp: Any, images: Any, contrast_factor: Any, min_value: Any, max_value: Any) -> Any:
    """`(x - mean) * contrast_factor + mean`, channel by channel, not below `min_value` nor above `max_value`."""
    _check(images, contrast_factor, "contrast_factor", False)
    x = images.astype(np.float32)
    if not images.size:
        return x
    mean = _channel_means(xp, x)
    return xp.minimum(xp.maximum((x - mean) * contrast_factor + mean, min_value), max_value)


def _planes(xp: Any, images: Any) -> tuple[Any, Any, Any]:
    """Red, green and blue, float32, each by itself: NumPy is much faster so than over every third number."""
    x = images.astype(np.float32)
    if xp is np:
        x = np.ascontiguousarray(np.moveaxis(x, -1, 0))
        return x[0], x[1], x[2]
    return x[..., 0], x[..., 1], x[..., 2]


def _by_sixth(xp: Any, sixth: Any, most: Any, middle: Any, least: Any) -> list[Any]:
    """Red, green and blue, by the sixth of the colour circle that a pixel is in: which of them is the largest, ..."""
    first, second, third, fourth, fifth, last = (sixth == np.int8(i) for i in range(6))
    red = xp.where(first | last, most, xp.where(second | fifth, middle, least))
    green = xp.where(second | third, most, xp.where(first | fourth, middle, least))
    blue = xp.where(fourth | fifth, most, xp.where(third | last, middle, least))
    return [red, green, blue]


@op("AdjustHue", shape=_same_at_least_3d)
def adjust_hue_op(xp: Any, images: Any, delta: Any) -> Any:
    """The colours of RGB images turned around the colour circle: by `delta`, where 1 is all of it."""
    _check(images, delta, "delta", True)
    return hue_adjusted(xp, images, delta)


def hue_adjusted(xp: Any, images: Any, delta: Any) -> Any:
    """`AdjustHue`; `delta` may also be an array that is broadcast to one channel of `images`."""
    f = np.float32
    r, g, b = _planes(xp, images)
    low, high = xp.minimum(r, g), xp.maximum(r, g)
    top, bottom = xp.maximum(high, b), xp.minimum(low, b)
    middle = xp.maximum(low, xp.minimum(high, b))
    spread = top - bottom
    # A sixth of the circle has one order of the channels; which one counts where two are equal is TF 1's choice.
    is_least, is_most = (b < low).astype(np.int8), (b > high).astype(np.int8)
    sixth = xp.where(r < g, np.int8(2) - is_least + is_most, np.int8(5) - np.int8(5) * is_least - is_most)
    is_gray = spread == 0
    ratio = (middle - bottom) / xp.where(is_gray, f(1), spread)
    ratio = xp.where(sixth & np.int8(1), f(1) - ratio, ratio)
    hue = xp.where(is_gray, f(0), sixth.astype(np.float32) + ratio)
    hue = hue + delta * f(6)
    hue = hue - xp.floor(hue / f(6)) * f(6)
    hue = xp.where(hue >= f(6), f(0), hue)
    sixth = hue.astype(np.int8)
    ratio = hue - sixth.astype(np.float32)
    ratio = xp.where(sixth & np.int8(1), f(1) - ratio, ratio)
    turned = _by_sixth(xp, sixth, top, bottom + ratio * spread, bottom)
    return xp.stack(turned, axis=-1).astype(images.dtype)


@op("AdjustSaturation", shape=_same_at_least_3d)
def adjust_saturation_op(xp: Any, images: Any, scale: Any) -> Any:
    """RGB images whose saturation is multiplied by `scale`."""
    _check(images, scale, "scale", True)
    return saturation_adjusted(xp, images, scale)


def saturation_adjusted(xp: Any, images: Any, scale: Any) -> Any:
    """`AdjustSaturation`; `scale` may also be an array that is broadcast to one channel of `images`."""
    f = np.float32
    r, g, b = _planes(xp, images)
    value = xp.maximum(xp.maximum(r, g), b)
    spread = value - xp.minimum(xp.minimum(r, g), b)
    is_lit = value > 0
    saturation = xp.where(is_lit, spread / xp.where(is_lit, value, f(1)), f(0))
    is_gray = spread <= 0
    norm = f(1) / (f(6) * xp.where(is_gray, f(1), spread))
    hue = xp.where(
        r == value, norm * (g - b), xp.where(g == value, norm * (b - r) + f(1 / 3), norm * (r - g) + f(2 / 3))
    )
    hue = xp.where(is_gray, f(0), hue)
    hue = xp.where(hue < 0, hue + f(1), hue)
    saturation = xp.minimum(f(1), xp.maximum(f(0), saturation * scale))
    chroma = saturation * value
    sixths = hue * f(6)
    within = sixths - f(2) * xp.floor(sixths / f(2))
    second = chroma * (f(1) - xp.abs(within - f(1)))
    least = value - chroma
    changed = _by_sixth(xp, sixths.astype(np.int8), chroma, second, f(0))
    return xp.stack([channel + least for channel in changed], axis=-1).astype(images.dtype)


# What programs call


@public("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """Add `delta` to all pixels.

    Args:
        image: any real type, any shape; integers count as fractions of their largest value.
        delta: a float scalar.

    Returns:
        The type of `image`; integers are clipped.

    >>> sess.run(tf.image.adjust_brightness(tf.constant([0, 100, 255], tf.uint8), 0.2))
    array([ 51, 151, 255], dtype=uint8)
    """
    with name_scope(None, "adjust_brightness", [image, delta]) as scope:
        image = convert_to_tensor(image, name="image")
        floats = as_floats(image)
        adjusted = math.add(floats, math.cast(delta, floats.dtype), name=scope)
        return convert_image_dtype(adjusted, image.dtype, saturate=True)


@public("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """Move all pixels away from, or to, the mean of their channel: `(x - mean) * contrast_factor + mean`.

    Args:
        images: any real type, shape `[..., height, width, channels]`.
        contrast_factor: a float scalar.

    Returns:
        The type of `images`; integers are clipped.
    """
    with name_scope(None, "adjust_contrast", [images, contrast_factor]) as scope:
        images = convert_to_tensor(images, name="images")
        adjusted = adjust_contrast_op(as_floats(images), contrast_factor, name=scope)
        return convert_image_dtype(adjusted, images.dtype, saturate=True)


@public("image.adjust_hue")
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Turn the colours of RGB images around the colour circle.

    Args:
        image: any real type, three channels on the last axis.
        delta: how far, as a part of the circle: a float scalar in [-1, 1].
        name: the name scope.
    """
    with name_scope(name, "adjust_hue", [image]):
        image = convert_to_tensor(image, name="image")
        return convert_image_dtype(adjust_hue_op(as_floats(image), delta), image.dtype)


@public("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """Multiply the saturation of RGB images.

    Args:
        image: any real type, three channels on the last axis.
        saturation_factor: a float scalar; 0 makes the image gray.
        name: the name scope.
    """
    with name_scope(name, "adjust_saturation", [image]):
        image = convert_to_tensor(image, name="image")
        return convert_image_dtype(adjust_saturation_op(as_floats(image), saturation_factor), image.dtype)


@public("image.adjust_gamma")
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """Raise all pixels, as fractions of the largest value, to a power: `gain * x ** gamma`.

    Raises:
        ValueError: if `gamma` is negative; InvalidArgumentError at run time, if it is a tensor.
    """
    with name_scope(None, "adjust_gamma", [image, gamma, gain]):
        image = convert_to_tensor(image, name="image")
        floats = as_floats(image)
        checks = asserted(gamma >= 0, "Gamma should be a non-negative real number.")
        if checks:
            gamma = with_dependencies(checks, gamma)
        return convert_image_dtype(gain * floats**gamma, image.dtype, saturate=True)


@public("image.per_image_standardization")
def per_image_standardization(image: Any) -> Tensor:
    """Scale images to mean 0 and deviation 1, each by itself: `(x - mean) / max(deviation, 1 / sqrt(pixels))`.

    Args:
        image: any real type, shape `[..., height, width, channels]`.

    Returns:
        The type of `image`.
    """
    with name_scope(None, "per_image_standardization", [image]) as scope:
        image = checked_image(convert_to_tensor(image, name="image"))
        kind = image.dtype
        image = as_floats(image)
        pixels = math.reduce_prod(array.shape(image)[-3:])
        mean = math.reduce_mean(image, axis=[-1, -2, -3], keepdims=True)
        deviation = math.reduce_std(image, axis=[-1, -2, -3], keepdims=True)
        least = math.rsqrt(math.cast(pixels, image.dtype))
        divisor = math.maximum(deviation, least)
        image = math.div(image - mean, divisor, name=scope)
        return convert_image_dtype(image, kind, saturate=True)


# At random


@public("image.random_brightness")
def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """Add a random number from `[-max_delta, max_delta)` to all pixels, as `adjust_brightness` does.

    Raises:
        ValueError: if `max_delta` is negative.
    """
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_brightness(image, random_uniform([], -max_delta, max_delta, seed=seed))


@public("image.random_contrast")
def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """Change the contrast by a random factor from `[lower, upper)`, as `adjust_contrast` does.

    Raises:
        ValueError: unless `0 <= lower < upper`.
    """
    return adjust_contrast(image, _random_factor(lower, upper, seed))


@public("image.random_hue")
def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """Turn the colours by a random part of the circle from `[-max_delta, max_delta)`, as `adjust_hue` does.

    Raises:
        ValueError: unless `max_delta` is in [0, 0.5].
    """
    if max_delta > 0.5:
        raise ValueError("max_delta must be <= 0.5.")
    if max_delta < 0:
        raise ValueError("max_delta must be non-negative.")
    return adjust_hue(image, random_uniform([], -max_delta, max_delta, seed=seed))


@public("image.random_saturation")
def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """Multiply the saturation by a random factor from `[lower, upper)`, as `adjust_saturation` does.

    Raises:
        ValueError: unless `0 <= lower < upper`.
    """
    return adjust_saturation(image, _random_factor(lower, upper, seed))


def _random_factor(lower: float, upper: float, seed: int | None) -> Tensor:
    if upper <= lower:
        raise ValueError("upper must be > lower.")
    if lower < 0:
        raise ValueError("lower must be non-negative.")
    return random_uniform([], lower, upper, seed=seed)
