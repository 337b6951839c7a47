"""Windows that slide over images, each laid out as one vector; and the gradient: what overlaps, added up again."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse.picking import sparse_slice
from evergraph.ops.sparse.products import sparse_tensor_dense_matmul
from evergraph.ops.windows import output_sizes, sliding, taps


def _check(name: str, values: Any, rank: int) -> None:
    if len(values) != rank:
        raise ShapeError(f"{name} has to contain {rank} values, but got: {len(values)}")


def _patches(xp: Any, x: Any, size: Any, strides: Any, rates: Any, padding: bytes) -> Any:
    for name, values in (("ksizes", size), ("strides", strides), ("rates", rates)):
        if values[0] != 1 or values[-1] != 1:
            kind = errors.UnimplementedError
            raise kernel_error(f"Only support {name} across space, but they are {list(values)}", kind)
    size, strides, rates = (tuple(v[1:-1]) for v in (size, strides, rates))
    try:
        window = sliding(tuple(x.shape[1:-1]), size, strides, rates, padding)
    except ShapeError as error:
        raise kernel_error(str(error)) from None
    depth = x.shape[-1]
    shape = (x.shape[0], *window.output, len(window.positions) * depth)
    if not x.size or 0 in window.output:
        return xp.zeros(shape, x.dtype)
    return xp.stack(list(taps(xp, x, window)), axis=-2).reshape(shape)


def _patch_shape(x: Any, size: Any, strides: Any, rates: Any, padding: bytes, rank: int) -> Any:
    x = with_rank(x, rank)
    for name, values in (("ksizes", size), ("strides", strides), ("rates", rates)):
        _check(name, values, rank)
    if None in x[1:-1]:
        sizes: tuple[int | None, ...] = (None,) * (rank - 2)
    else:
        sizes = output_sizes(x[1:-1], size[1:-1], strides[1:-1], rates[1:-1], padding)
    depth = x[-1]
    for n in size[1:-1]:
        depth = None if depth is None else depth * n
    return (x[0], *sizes, depth)


@op("ExtractImagePatches")
def extract_image_patches_op(xp: Any, images: Any, *, ksizes: Any, strides: Any, rates: Any, padding: bytes) -> Any:
    """The windows of each image, `[batch, rows, columns, window height * window width * channels]`."""
    return _patches(xp, images, ksizes, strides, rates, padding)


@extract_image_patches_op.shape
def extract_image_patches_shape(images: Any, *, ksizes: Any, strides: Any, rates: Any, padding: bytes) -> Any:
    return _patch_shape(images, ksizes, strides, rates, padding, 4)


@op("ExtractVolumePatches")
def extract_volume_patches_op(xp: Any, input: Any, *, ksizes: Any, strides: Any, padding: bytes) -> Any:
    """The windows of each volume, `[batch, planes, rows, columns, elements of a window * channels]`."""
    return _patches(xp, input, ksizes, strides, (1,) * 5, padding)


@extract_volume_patches_op.shape
def extract_volume_patches_shape(input: Any, *, ksizes: Any, strides: Any, padding: bytes) -> Any:
    return _patch_shape(input, ksizes, strides, (1,) * 5, padding, 5)


# The gradients: a sparse matrix says which input each element of a window came from. Inputs count from 1 on, so that 0
# is the padding around them, whose row is cut off.


def _numbered(shape: Any, first: int, count: Tensor | int) -> Tensor:
    numbers = math.range(first, count, dtype=dtypes.int64) if first else math.range(count, dtype=dtypes.int64)
    return array.reshape(numbers, shape)


def _added_up(grad: Tensor, sources: Tensor, targets: Tensor, inputs: Any, outputs: Any, windows: Any) -> Tensor:
    """For each input, the sum of `grad` over the elements of windows that it went to: `[inputs, batch * channels]`.

    Args:
        grad: laid out as the result of the forward op.
        sources: for each element of a window, which input it came from.
        targets: which element of a window it is.
        inputs: how many inputs there are, with the padding.
        outputs: how many elements of windows.
        windows: the shape of `grad` with the axes of a window apart, and the batch first.
    """
    pairs = [array.expand_dims(sources, axis=-1), array.expand_dims(targets, axis=-1)]
    indices = array.reshape(array.concat(pairs, axis=-1), (-1, 2))
    whole = SparseTensor(indices, array.ones([outputs], dtype=grad.dtype), (inputs, outputs))
    matrix = sparse_slice(whole, (1, 0), (inputs - 1, outputs))
    batch, *inner, channels = windows
    axes = (*range(1, len(inner) + 1), 0, len(inner) + 1)
    flat = array.reshape(array.transpose(array.reshape(grad, windows), axes), (-1, batch * channels))
    return sparse_tensor_dense_matmul(matrix, flat)


@extract_image_patches_op.gradient
def extract_image_patches_grad(made: Any, grad: Tensor) -> list[Tensor]:
    attrs = {name: made.attrs[name] for name in ("ksizes", "strides", "rates", "padding")}
    sizes = array.shape(made.inputs[0], out_type=dtypes.int64)
    batch, rows, columns, channels = sizes[0], sizes[1], sizes[2], sizes[3]
    inputs = 1 + rows * columns
    sources = extract_image_patches_op(_numbered((1, rows, columns, 1), 1, inputs), **attrs)
    out = array.shape(made.outputs[0], out_type=dtypes.int64)
    out_rows, out_columns = out[1], out[2]
    _, height, width, _ = attrs["ksizes"]
    outputs = out_rows * out_columns * height * width
    targets = _numbered((1, out_rows, out_columns, height * width), 0, outputs)
    windows = (batch, out_rows, out_columns, height, width, channels)
    total = _added_up(grad, sources, targets, inputs, outputs, windows)
    return [array.transpose(array.reshape(total, (rows, columns, batch, channels)), (2, 0, 1, 3))]


@extract_volume_patches_op.gradient
def extract_volume_patches_grad(made: Any, grad: Tensor) -> list[Tensor]:
    attrs = {name: made.attrs[name] for name in ("ksizes", "strides", "padding")}
    _, planes, rows, columns, _ = made.inputs[0].shape.as_list()
    sizes = array.shape(made.inputs[0])
    batch, channels = sizes[0], sizes[4]
    inputs = 1 + planes * rows * columns
    sources = extract_volume_patches_op(_numbered((1, planes, rows, columns, 1), 1, inputs), **attrs)
    _, out_planes, out_rows, out_columns, _ = made.outputs[0].shape.as_list()
    _, depth, height, width, _ = attrs["ksizes"]
    outputs = out_planes * out_rows * out_columns * depth * height * width
    targets = _numbered((1, out_planes, out_rows, out_columns, depth * height * width), 0, outputs)
    windows = (batch, out_planes, out_rows, out_columns, depth, height, width, channels)
    total = _added_up(grad, sources, targets, inputs, outputs, windows)
    return [array.transpose(array.reshape(total, (planes, rows, columns, batch, channels)), (3, 0, 1, 2, 4))]


# What programs call


@public("image.extract_image_patches", "extract_image_patches")
def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """Lay the windows that slide over images out as vectors.

    Args:
        images: any real type, shape `[batch, height, width, channels]`.
        ksizes: the old name of `sizes`.
        strides: how far apart windows are: `[1, rows, columns, 1]`.
        rates: how far apart the elements of a window are: `[1, rows, columns, 1]`.
        padding: "VALID" or "SAME".
        name: the op's name.
        sizes: of a window: `[1, rows, columns, 1]`.

    Returns:
        The type of `images`, shape `[batch, out rows, out columns, rows * columns * channels]`.

    >>> image = tf.reshape(tf.range(9), [1, 3, 3, 1])
    >>> sess.run(tf.extract_image_patches(image, [1, 2, 2, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID"))[0, 0]
    array([[0, 1, 3, 4],
           [1, 2, 4, 5]], dtype=int32)
    """
    return extract_image_patches_op(images, either("sizes", sizes, "ksizes", ksizes), strides, rates, padding, name)


@public("image.extract_patches")
def extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: Any, name: str | None = None) -> Tensor:
    """Lay the windows that slide over images out as vectors; the arguments are as of `extract_image_patches`."""
    return extract_image_patches_op(images, sizes, strides, rates, padding, name)


public("extract_volume_patches")(extract_volume_patches_op)
