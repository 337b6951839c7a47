"""Colour spaces: grayscale, HSV, YIQ and YUV."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.image.conversion import convert_image_dtype
from evergraph.ops.image.image_shapes import checked_grayscale
from evergraph.ops.opdef import kernel_error, op


def _colour_shape(images: Any) -> Any:
    images = with_rank_at_least(images, 1)
    if images is None:
        return None
    if images[-1] not in (None, 3):
        raise ShapeError(f"Dimension must be 3 but is {images[-1]}")
    return (*images[:-1], 3)


def _channels(images: Any) -> tuple[Any, Any, Any]:
    if not images.ndim or images.shape[-1] != 3:
        raise kernel_error(f"input must have 3 channels, but has shape {list(images.shape)}")
    return images[..., 0], images[..., 1], images[..., 2]


# HSV: hue, saturation and value, all in [0, 1]


@op("RGBToHSV", shape=_colour_shape)
def rgb_to_hsv(xp: Any, images: Any) -> Any:
    """Red, green and blue in [0, 1], on the last axis, to hue, saturation and value in [0, 1]."""
    red, green, blue = _channels(images)
    t = images.dtype.type
    value = xp.maximum(xp.maximum(red, green), blue)
    spread = value - xp.minimum(xp.minimum(red, green), blue)
    positive = spread > 0
    saturation = xp.where(value > 0, spread / xp.where(value > 0, value, t(1)), t(0))
    norm = t(1) / xp.where(positive, spread, t(1)) * (t(1) / t(6))
    hue = xp.where(
        red == value,
        norm * (green - blue),
        xp.where(green == value, norm * (blue - red) + t(2) / t(6), norm * (red - green) + t(4) / t(6)),
    )
    hue = xp.where(positive, hue, t(0))
    hue = xp.where(hue < 0, hue + t(1), hue)
    return xp.stack([hue, saturation, value], axis=-1)


@op("HSVToRGB", shape=_colour_shape, differentiable=False)
def hsv_to_rgb(xp: Any, images: Any) -> Any:
    """Hue, saturation and value in [0, 1], on the last axis, to red, green and blue in [0, 1]."""
    hue, saturation, value = _channels(images)
    t = images.dtype.type
    sixths = hue * t(6)
    shades = (xp.abs(sixths - t(3)) - t(1), t(2) - xp.abs(sixths - t(2)), t(2) - xp.abs(sixths - t(4)))
    rest = t(1) - saturation
    return xp.stack([(rest + saturation * xp.clip(s, t(0), t(1))) * value for s in shades], axis=-1)


public("image.rgb_to_hsv")(rgb_to_hsv)
public("image.hsv_to_rgb")(hsv_to_rgb)


def _inverse(x: Any) -> Tensor:
    return math.div_no_nan(1.0, x)


def _as_float(condition: Tensor) -> Tensor:
    return math.cast(condition, dtypes.float32)


@rgb_to_hsv.gradient
def rgb_to_hsv_grad(made: Any, grad: Tensor) -> Tensor:
    rgb, hsv = made.inputs[0], made.outputs[0]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    saturation, value = hsv[..., 1], hsv[..., 2]
    red_biggest = _as_float((red >= blue) & (red >= green))
    green_biggest = _as_float((green > red) & (green >= blue))
    blue_biggest = _as_float((blue > red) & (blue > green))
    red_smallest = _as_float((red < blue) & (red < green))
    green_smallest = _as_float((green <= red) & (green < blue))
    blue_smallest = _as_float((blue <= red) & (blue <= green))

    def saturation_by(channel: Any, first: Any, second: Any) -> Tensor:
        """The derivative by a channel; `first` and `second` are the other two."""
        (x, biggest, smallest), (y, y_biggest, y_smallest), (z, z_biggest, z_smallest) = channel, first, second
        is_positive = _as_float(x > 0)
        least = math.add(y_smallest * y, z_smallest * z)
        when_biggest = biggest * least * _inverse(math.square(x))
        when_smallest = smallest * -1 * _inverse(y_biggest * y + z_biggest * z)
        return is_positive * math.add(when_biggest, when_smallest)

    reds = red, red_biggest, red_smallest
    greens = green, green_biggest, green_smallest
    blues = blue, blue_biggest, blue_smallest
    ds_dr = saturation_by(reds, greens, blues)
    ds_dg = saturation_by(greens, reds, blues)
    ds_db = saturation_by(blues, greens, reds)
    dh_dr = _hue_by(reds, greens, blues, saturation, value, flipped=False)
    dh_dg = _hue_by(greens, blues, reds, saturation, value, order="third")
    dh_db = _hue_by(blues, reds, greens, saturation, value)
    dv = array.stack([grad[..., 2] * d for d in (red_biggest, green_biggest, blue_biggest)], axis=-1)
    ds = array.stack([grad[..., 1] * d for d in (ds_dr, ds_dg, ds_db)], axis=-1)
    dh = array.stack([grad[..., 0] * d for d in (dh_dr, dh_dg, dh_db)], axis=-1)
    return math.add(math.add(dv, ds), dh)


def _hue_by(
    channel: Any,
    second: Any,
    third: Any,
    saturation: Tensor,
    value: Tensor,
    order: str = "second",
    flipped: bool = True,
) -> Tensor:
    """The derivative of the hue by a channel; the second and the third follow it around the circle red, green, blue.

    TF 1's rule differs a little from channel to channel in the order of its ops, and so does this one: `order` says
    which of the others comes first, `flipped` how the distance to the second is taken.
    """
    (x, x_biggest, x_smallest), (y, y_biggest, y_smallest), (z, z_biggest, z_smallest) = channel, second, third
    biggest = _as_float(x > 0) * x_biggest * -1 * (y - z) * _inverse(math.square(saturation))
    total = [60 * (biggest * _inverse(math.square(value)))]

    def by_second() -> list[Tensor]:
        mine = _as_float(y > 0) * y_biggest * x_smallest * (z - y)
        apart = y - x if flipped else x - y
        return [
            60 * (mine * _inverse(math.square(apart))),
            60 * (_as_float(y > 0) * y_biggest * z_smallest * -1 * _inverse(y - z)),
        ]

    def by_third() -> list[Tensor]:
        mine = _as_float(z > 0) * z_biggest * x_smallest * (z - y)
        return [
            60 * (mine * _inverse(math.square(z - x))),
            60 * (_as_float(z > 0) * z_biggest * y_smallest * _inverse(z - y)),
        ]

    parts = [by_third, by_second] if order == "third" else [by_second, by_third]
    for part in parts:
        total += part()
    hue = total[0]
    for term in total[1:]:
        hue = hue + term
    return hue / 360


# Grayscale


@public("image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """Make images gray: 0.2989 red, 0.587 green and 0.114 blue.

    Args:
        images: any real type, three channels on the last axis.
        name: the op's name.

    Returns:
        The type of `images`, and one channel.
    """
    with name_scope(name, "rgb_to_grayscale", [images]) as scope:
        images = convert_to_tensor(images, name="images")
        floats = convert_image_dtype(images, dtypes.float32)
        gray = array.expand_dims(math.tensordot(floats, [0.2989, 0.5870, 0.1140], [-1, -1]), -1)
        return convert_image_dtype(gray, images.dtype, name=scope)


@public("image.grayscale_to_rgb")
def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Repeat the one channel of gray images three times.

    Raises:
        ValueError: if the last axis is known not to be of size 1.
    """
    with name_scope(name, "grayscale_to_rgb", [images]) as scope:
        images = checked_grayscale(convert_to_tensor(images, name="images"))
        rank = array.expand_dims(array.rank(images) - 1, 0)
        multiples = array.concat([array.ones(rank, dtype=dtypes.int32), array.expand_dims(3, 0)], 0)
        rgb = array.tile(images, multiples, name=scope)
        if images.static_shape is not None:
            rgb.set_shape([*images.static_shape[:-1], 3])
        return rgb


# Linear spaces


def _linear(name: str, kernel: list[list[float]], doc: str) -> Any:
    def convert(images: Any) -> Tensor:
        images = convert_to_tensor(images, name="images")
        matrix = convert_to_tensor(kernel, dtype=images.dtype, name="kernel")
        return math.tensordot(images, matrix, axes=[[images.shape.ndims - 1], [0]])

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"""{doc}

    Args:
        images: floats, three channels on the last axis.
    """
    return public(f"image.{name}")(convert)


rgb_to_yiq = _linear(
    "rgb_to_yiq",
    [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]],
    "Convert red, green and blue to YIQ, NTSC's luma and chrominances.",
)
yiq_to_rgb = _linear(
    "yiq_to_rgb",
    [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]],
    "Convert YIQ to red, green and blue.",
)
rgb_to_yuv = _linear(
    "rgb_to_yuv",
    [[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512], [0.114, 0.43601035, -0.10001026]],
    "Convert red, green and blue to YUV, PAL's luma and chrominances.",
)
yuv_to_rgb = _linear(
    "yuv_to_rgb",
    [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]],
    "Convert YUV to red, green and blue.",
)
