"""Where images change: differences of neighbouring pixels, and Sobel's filters."""

from __future__ import annotations

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.constant import constant
from evergraph.ops.dilated import depthwise_conv2d

_SOBEL = np.array([[[-1, -2, -1], [0, 0, 0], [1, 2, 1]], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]])


@public("image.image_gradients")
def image_gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """The differences to the pixel below, and to the pixel on the right; zero in the last row and column.

    Args:
        image: shape `[batch, height, width, channels]`.

    Returns:
        Two tensors of the type and shape of `image`.

    Raises:
        ValueError: for another rank.
    """
    if image.shape.ndims != 4:
        raise ValueError(f"image_gradients expects a 4D tensor [batch_size, h, w, d], not {image.shape}.")
    shape = array.shape(image)
    batch, height, width, depth = array.unstack(shape)
    down = image[:, 1:, :, :] - image[:, :-1, :, :]
    along = image[:, :, 1:, :] - image[:, :, :-1, :]
    row = array.stack([batch, 1, width, depth])
    down = array.concat([down, array.zeros(row, image.dtype)], 1)
    down = array.reshape(down, shape)
    column = array.stack([batch, height, 1, depth])
    along = array.concat([along, array.zeros(column, image.dtype)], 2)
    along = array.reshape(along, shape)
    return down, along


@public("image.sobel_edges")
def sobel_edges(image: Tensor) -> Tensor:
    """The images through Sobel's two filters, vertical and horizontal.

    Args:
        image: floats, shape `[batch, height, width, channels]`; height and width are 2 or more.

    Returns:
        The type of `image`, shape `[batch, height, width, channels, 2]`.
    """
    known = image.static_shape
    shape = array.shape(image)
    filters = np.expand_dims(np.transpose(_SOBEL, (1, 2, 0)), -2)
    kernel = constant(filters, dtype=image.dtype)
    kernel = array.tile(kernel, [1, 1, shape[-1], 1], name="sobel_filters")
    padded = array.pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    edges = depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")
    edges = array.reshape(edges, shape=array.concat([shape, [2]], 0))
    edges.set_shape(None if known is None else [*known, 2])
    return edges
