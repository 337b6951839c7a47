"""Images of one type as images of another: floats are in [0, 1), integers use all of their positive range."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math


@public("image.convert_image_dtype")
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """Convert `image` to `dtype`, scaling its values if needed.

    Between floats and integers, 1.0 corresponds to the largest integer. From one float type to another the values stay.

    Args:
        image: any real type, any shape.
        dtype: a real type.
        saturate: clip what does not fit, rather than let it wrap around.
        name: the op's name.

    Raises:
        AttributeError: for a type that is neither floating-point nor integer.

    >>> sess.run(tf.image.convert_image_dtype(tf.constant([0, 255], tf.uint8), tf.float32))
    array([0., 1.], dtype=float32)
    """
    image = convert_to_tensor(image, name="image")
    dtype = dtypes.as_dtype(dtype)
    if not dtype.is_floating and not dtype.is_integer:
        raise AttributeError("dtype must be either floating point or integer")
    if dtype == image.dtype:
        return array.identity(image, name=name)
    with name_scope(name, "convert_image", [image]) as scope:
        cast = math.saturate_cast if saturate else math.cast
        if image.dtype.is_integer and dtype.is_integer:
            largest, wanted = image.dtype.max, dtype.max
            if largest > wanted:
                return cast(math.div(image, (largest + 1) // (wanted + 1)), dtype, name=scope)
            return math.multiply(cast(image, dtype), (wanted + 1) // (largest + 1), name=scope)
        if image.dtype.is_floating and dtype.is_floating:
            return math.cast(image, dtype, name=scope)
        if image.dtype.is_integer:
            return math.multiply(math.cast(image, dtype), 1.0 / image.dtype.max, name=scope)
        return cast(math.multiply(image, dtype.max + 0.5), dtype, name=scope)


def as_floats(image: Tensor) -> Tensor:
    """`image` itself if it is float16 or float32, else converted to float32."""
    if image.dtype.base_dtype in (dtypes.float16, dtypes.float32):
        return image
    return convert_image_dtype(image, dtypes.float32)
