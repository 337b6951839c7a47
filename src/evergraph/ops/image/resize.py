"""Resizing: `tf.image.resize_images` and its relatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, merge
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.image.crops import pad_to_bounding_box
from evergraph.ops.image.image_shapes import as_batch, asserted, checks_of_image, dimensions, larger
from evergraph.ops.image.resize_ops import (
    resize_area_op,
    resize_bicubic_op,
    resize_bilinear_op,
    resize_nearest_neighbor_op,
    scale_and_translate_op,
)
from evergraph.ops.opdef import partial_value
from evergraph.ops.static_values import as_shape


@public("image.ResizeMethod")
class ResizeMethod:
    """How `tf.image.resize_images` makes new pixels."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


class ResizeMethodV2:
    """How `tf.compat.v2.image.resize` makes new pixels."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


publish("compat.v2.image.ResizeMethod", ResizeMethodV2)

_Resizer = Callable[[Tensor, Any], Tensor]


def _resized(
    images: Any, resizer: _Resizer, size: Any, preserve_aspect_ratio: bool, name: str | None, skips: bool
) -> Tensor:
    with name_scope(name, "resize", [images, size]):
        images = convert_to_tensor(images, name="images")
        if images.static_shape is None:
            raise ValueError("'images' contains no shape.")
        if len(images.static_shape) not in (3, 4):
            raise ValueError("'images' must have either 3 or 4 dimensions.")
        images, is_batch = as_batch(images)
        try:
            size = convert_to_tensor(size, dtypes.int32, name="size")
        except (TypeError, ValueError):
            raise ValueError("'size' must be a 1-D int32 Tensor") from None
        try:
            merge(size.static_shape, (2,))
        except ShapeError:
            raise ValueError("'size' must be a 1-D Tensor of 2 elements: new_height, new_width") from None
        new = _known_size(size)
        if preserve_aspect_ratio:
            size = _fitting_size(images, new)
            new = _known_size(size)
        known = images.static_shape[1:3]
        if skips and None not in new and new == known:
            return images if is_batch else array.squeeze(images, axis=[0])
        images = resizer(images, size)
        images.set_shape([None, *new, None])
        return images if is_batch else array.squeeze(images, axis=[0])


def _known_size(size: Tensor) -> tuple[int | None, int | None]:
    height, width = as_shape(partial_value(size)) or (None, None)
    return height, width


def _fitting_size(images: Tensor, limits: tuple[int | None, int | None]) -> Tensor:
    """The largest size of the images' aspect ratio within `limits`."""
    _, *current, _ = dimensions(images, 4)
    ratios = [math.cast(limit, dtypes.float32) / math.cast(now, dtypes.float32) for limit, now in zip(limits, current)]
    ratio = math.minimum(*ratios)
    scaled = [math.cast(math.round(ratio * math.cast(now, dtypes.float32)), dtypes.int32) for now in current]
    return convert_to_tensor(scaled, dtypes.int32, name="size")


@public("image.resize_images", "image.resize")
def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Resize an image, or a batch of them.

    Args:
        images: any real type, shape `[height, width, channels]`, or with a batch axis before.
        size: the new height and width: two ints, or an int32 tensor.
        method: of `tf.image.ResizeMethod`.
        align_corners: keep the centres of the corner pixels where they are.
        preserve_aspect_ratio: take `size` as a limit, and the largest size of the old aspect ratio that is within.
        name: the name scope.

    Returns:
        float32 (the type of `images` for NEAREST_NEIGHBOR, or if the size is the same).

    Raises:
        ValueError: for images of another or of unknown rank, a wrong `size` or a method that there is not.

    >>> image = tf.constant([[[0], [10]]])
    >>> sess.run(tf.image.resize_images(image, [1, 4], align_corners=True))[0, :, 0]
    array([ 0.       ,  3.3333335,  6.666667 , 10.       ], dtype=float32)
    """

    def resizer(images: Tensor, size: Any) -> Tensor:
        if method in (ResizeMethod.BILINEAR, ResizeMethodV2.BILINEAR):
            return resize_bilinear_op(images, size, align_corners=align_corners)
        if method in (ResizeMethod.NEAREST_NEIGHBOR, ResizeMethodV2.NEAREST_NEIGHBOR):
            return resize_nearest_neighbor_op(images, size, align_corners=align_corners)
        if method in (ResizeMethod.BICUBIC, ResizeMethodV2.BICUBIC):
            return resize_bicubic_op(images, size, align_corners=align_corners)
        if method in (ResizeMethod.AREA, ResizeMethodV2.AREA):
            return resize_area_op(images, size, align_corners=align_corners)
        raise ValueError(f"Resize method is not implemented: {method!r}.")

    return _resized(images, resizer, size, preserve_aspect_ratio, name, skips=True)


@public("compat.v2.image.resize")
def resize_images_v2(
    images: Any,
    size: Any,
    method: str = ResizeMethodV2.BILINEAR,
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Tensor:
    """Resize an image, or a batch of them, with half pixel centers, as TF 2 does.

    Args:
        images: any real type, shape `[height, width, channels]`, or with a batch axis before.
        size: the new height and width: two ints, or an int32 tensor.
        method: of `tf.compat.v2.image.ResizeMethod`.
        preserve_aspect_ratio: take `size` as a limit, and the largest size of the old aspect ratio that is within.
        antialias: filter when an image becomes smaller.
        name: the name scope.
    """

    def sampled(images: Tensor, size: Any, kernel_type: str) -> Tensor:
        old = math.cast(array.shape(images)[1:3], dtypes.float32)
        scale = math.cast(size, dtypes.float32) / old
        moved = array.zeros([2])
        return scale_and_translate_op(images, size, scale, moved, kernel_type=kernel_type, antialias=antialias)

    def resizer(images: Tensor, size: Any) -> Tensor:
        match method:
            case ResizeMethodV2.BILINEAR:
                if antialias:
                    return sampled(images, size, "triangle")
                return resize_bilinear_op(images, size, half_pixel_centers=True)
            case ResizeMethodV2.NEAREST_NEIGHBOR:
                return resize_nearest_neighbor_op(images, size, half_pixel_centers=True)
            case ResizeMethodV2.BICUBIC:
                if antialias:
                    return sampled(images, size, "keyscubic")
                return resize_bicubic_op(images, size, half_pixel_centers=True)
            case ResizeMethodV2.AREA:
                return resize_area_op(images, size)
            case "lanczos3" | "lanczos5" | "gaussian" | "mitchellcubic":
                return sampled(images, size, method)
        raise ValueError(f"Resize method is not implemented: {method!r}.")

    return _resized(images, resizer, size, preserve_aspect_ratio, name, skips=False)


def _resized_with_pad(image: Any, target_height: Any, target_width: Any, resizer: _Resizer) -> Tensor:
    with name_scope(None, "resize_image_with_pad", [image]):
        image, is_batch = as_batch(convert_to_tensor(image, name="image"))
        checks = checks_of_image(image)
        checks += asserted(target_width > 0, "target_width must be > 0.")
        checks += asserted(target_height > 0, "target_height must be > 0.")
        image = with_dependencies(checks, image)
        _, *sizes, _ = dimensions(image, 4)
        height, width = (math.cast(n, dtypes.float64) for n in sizes)
        target = [math.cast(n, dtypes.float64) for n in (target_height, target_width)]
        ratio = larger(width / target[1], height / target[0])
        exact = [height / ratio, width / ratio]
        resized_size = [math.cast(math.floor(n), dtypes.int32) for n in exact]
        room = [(t - n) / 2 for t, n in zip(target, exact)]
        whole = [math.floor(n) for n in room]
        offsets = [larger(0, math.cast(n, dtypes.int32)) for n in whole]
        resized = resizer(image, resized_size)
        padded = pad_to_bounding_box(resized, offsets[0], offsets[1], target_height, target_width)
        dimensions(padded, 4)
        return padded if is_batch else array.squeeze(padded, axis=[0])


@public("image.resize_image_with_pad")
def resize_image_with_pad(
    image: Any, target_height: Any, target_width: Any, method: Any = ResizeMethod.BILINEAR, align_corners: bool = False
) -> Tensor:
    """Resize an image, or each of a batch, as far as its aspect ratio allows; the rest is zero, evenly on both sides.

    Args:
        image: any real type, shape `[height, width, channels]`, or with a batch axis before.
        target_height: height of the result.
        target_width: width of the result.
        method: as of `resize_images`.
        align_corners: as of `resize_images`.
    """
    return _resized_with_pad(
        image, target_height, target_width, lambda im, size: resize_images(im, size, method, align_corners)
    )


@public("compat.v2.image.resize_with_pad")
def resize_image_with_pad_v2(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: str = ResizeMethodV2.BILINEAR,
    antialias: bool = False,
) -> Tensor:
    """Resize an image as `resize_image_with_pad` does, with TF 2's methods."""
    return _resized_with_pad(
        image, target_height, target_width, lambda im, size: resize_images_v2(im, size, method, antialias=antialias)
    )


@public("image.resize_bilinear")
def resize_bilinear(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Resize a batch of images by linear interpolation.

    Args:
        images: any real type, shape `[batch, height, width, channels]`.
        size: the new height and width, int32.
        align_corners: keep the centres of the corner pixels where they are.
        name: the op's name.
        half_pixel_centers: a pixel's centre is half a pixel from its edges.

    Returns:
        float32, shape `[batch, *size, channels]`.

    Raises:
        InvalidArgumentError: at run time, for images without pixels or a size that is not positive.
    """
    return resize_bilinear_op(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


@public("image.resize_nearest_neighbor")
def resize_nearest_neighbor(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Resize a batch of images by taking the nearest pixels, in their own type; arguments as of `resize_bilinear`."""
    return resize_nearest_neighbor_op(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


@public("image.resize_bicubic")
def resize_bicubic(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None, half_pixel_centers: bool = False
) -> Tensor:
    """Resize a batch of images by cubic interpolation; the arguments are as of `resize_bilinear`."""
    return resize_bicubic_op(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


public("image.resize_area")(resize_area_op)
