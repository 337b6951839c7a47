"""The same elements in another order: transposes, reversals, rolls, and blocks moved between space, batch and depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import (
    Shape,
    ShapeError,
    merge,
    merge_dim,
    with_rank,
    with_rank_at_least,
    with_rank_at_most,
)
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.arguments import either
from evergraph.ops.filling import zeros
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import kernel_error, op, raw_op, require
from evergraph.ops.shaping import divided, rank

# Axes in another order


def _permuted(xp: Any, x: Any, perm: Any) -> Any:
    axes, n = np.ravel(perm).tolist(), len(x.shape)
    if len(axes) != n:
        raise kernel_error(f"transpose expects a vector of size {n}. But input(1) is a vector of size {len(axes)}")
    axes = [a + n if a < 0 else a for a in axes]
    if sorted(axes) != list(range(n)):
        missing = next((a for a in range(n) if a not in axes), None)
        bad = next((a for a in axes if not 0 <= a < n), None)
        what = f"{bad} is out of range [0 .. {n})" if bad is not None else f"{missing} is missing from {axes}"
        raise kernel_error(what)
    return xp.transpose(x, axes)


def _permuted_shape(x: Shape, perm: Any) -> Shape:
    axes = perm if isinstance(perm, list) else None if perm is None else np.ravel(perm).tolist()
    if x is not None:
        n = len(x)
    elif axes is not None:
        n = len(axes)
    else:
        return None
    if x is None and n < 2:
        return None
    if axes is not None and len(axes) != n:
        raise ShapeError(f"Dimension must be {n} but is {len(axes)}")
    if axes is None or None in axes:
        return (None,) * n
    for a in axes:
        if not -n < a < n:
            raise ShapeError(f"perm dim {a} is out of range of input rank {n}")
    return tuple(None if x is None else x[a] for a in axes)


@op("Transpose", static=("perm",))
def transpose_op(xp: Any, x: Any, perm: Any) -> Any:
    """The same elements with the dimensions in another order: dimension `i` of the result is `perm[i]` of `x`."""
    return _permuted(xp, x, perm)


@op("ConjugateTranspose", static=("perm",))
def conjugate_transpose_op(xp: Any, x: Any, perm: Any) -> Any:
    """As Transpose, with the conjugates of the elements."""
    return xp.conj(_permuted(xp, x, perm))


transpose_op.shape(_permuted_shape)
conjugate_transpose_op.shape(_permuted_shape)


@transpose_op.gradient
def transpose_grad(made: Any, grad: Tensor) -> list[Any]:
    return [transpose(grad, invert_permutation(made.inputs[1])), None]


@conjugate_transpose_op.gradient
def conjugate_transpose_grad(made: Any, grad: Tensor) -> list[Any]:
    return [transpose(grad, invert_permutation(made.inputs[1]), conjugate=True), None]


@public("transpose")
def transpose(a: Any, perm: Any = None, name: str | None = "transpose", conjugate: bool = False) -> Tensor:
    """The same elements with the dimensions in another order.

    Args:
        a: any dtype, shape `s`.
        perm: int vector: dimension `i` of the result is dimension `perm[i]` of `a`. By default they are reversed.
        name: the op's name.
        conjugate: also take the conjugates of complex elements.

    >>> sess.run(tf.transpose([[1, 2, 3], [4, 5, 6]]))
    array([[1, 4],
           [2, 5],
           [3, 6]], dtype=int32)
    """
    with name_scope(name, "transpose", [a]) as scope:
        build = conjugate_transpose_op if conjugate and a.dtype.is_complex else transpose_op
        if perm is not None:
            return build(a, perm, name=scope)
        a = convert_to_tensor(a, name="a")
        if a.static_shape:
            perm = np.arange(len(a.static_shape))[::-1]
        else:
            dimensions = raw_op("Rank")(a)
            perm = (dimensions - 1) - raw_op("Range")(0, dimensions, 1)
        made = build(a, perm, name=scope)
        sizes = made.op.inputs[0].static_shape
        if sizes is not None:
            made.set_shape(sizes[::-1])
        return made


@public("linalg.matrix_transpose", "linalg.transpose", "matrix_transpose")
def matrix_transpose(a: Any, name: str = "matrix_transpose", conjugate: bool = False) -> Tensor:
    """Each matrix in the last two dimensions of `a`, transposed.

    Args:
        a: any dtype, shape `[..., m, n]`.
        name: the ops' scope.
        conjugate: also take the conjugates of complex elements.

    Raises:
        ValueError: if `a` has fewer than two dimensions.
    """
    with name_scope(name, values=[a]):
        a = convert_to_tensor(a, name="a")
        perm: Any
        if a.static_shape is not None:
            n = len(a.static_shape)
            if n < 2:
                raise ValueError(f"Argument 'a' should be a (batch) matrix, with rank >= 2.  Found: {a.shape}")
            perm = [*range(n - 2), n - 1, n - 2]
        else:
            dimensions = rank(a)
            perm = concat((raw_op("Range")(0, dimensions - 2, 1), [dimensions - 1, dimensions - 2]), 0)
        return transpose(a, perm=perm, conjugate=conjugate)


@op("InvertPermutation", differentiable=False)
def invert_permutation(xp: Any, x: Any) -> Any:
    """The permutation that undoes the permutation `x` of `0 ... n - 1`."""
    n = x.shape[0]
    order = xp.argsort(x)
    require(
        xp,
        xp.take(x, order) == np.arange(n),
        lambda: kernel_error(f"{np.asarray(x).tolist()} is not a permutation of 0 ... {n - 1}"),
    )
    return order.astype(x.dtype)


@invert_permutation.shape
def invert_permutation_shape(x: Any) -> Any:
    return with_rank(x, 1)


public("invert_permutation", "math.invert_permutation")(invert_permutation)

# Backwards, and around


@op("ReverseV2", static=("axis",))
def reverse(xp: Any, tensor: Any, axis: Any) -> Any:
    """The same elements, backwards along the given dimensions."""
    axes = _distinct_axes(np.ravel(axis).tolist(), len(tensor.shape), kernel_error)
    return xp.flip(tensor, axes) if axes else tensor


def _distinct_axes(axes: list[int], n: int, error: Any) -> tuple[int, ...]:
    found: list[int] = []
    for i, a in enumerate(axes):
        if not -n <= a < n:
            raise error(f"'axis'[{i}] = {a} is out of valid range [0, {n - 1}]")
        if a % n in found:
            raise error(f"axis {a % n} specified more than once.")
        found.append(a % n)
    return tuple(found)


@reverse.shape
def reverse_shape(tensor: Any, axis: Any) -> Any:
    if isinstance(axis, int):
        raise ShapeError("Shape must be rank 1 but is rank 0")
    known = static_values.whole(axis)
    if known is not None and tensor is not None:
        _distinct_axes(known, len(tensor), ShapeError)
    return tensor


@reverse.gradient
def reverse_grad(made: Any, grad: Tensor) -> list[Any]:
    return [reverse(grad, made.inputs[1]), None]


public("reverse", "reverse_v2", "manip.reverse")(reverse)


@op("Reverse", static=("dims",))
def reverse_v1(xp: Any, tensor: Any, dims: Any) -> Any:
    """The same elements, backwards along the dimensions marked in `dims`."""
    axes = tuple(np.flatnonzero(dims).tolist())
    return xp.flip(tensor, axes) if axes else tensor


@reverse_v1.shape
def reverse_v1_shape(tensor: Any, dims: Any) -> Any:
    return tensor if dims is None else with_rank(tensor, len(dims))


@reverse_v1.gradient
def reverse_v1_grad(made: Any, grad: Tensor) -> list[Any]:
    return [reverse_v1(grad, made.inputs[1]), None]


@op("ReverseSequence")
def reverse_sequence_op(xp: Any, input: Any, seq_lengths: Any, *, seq_dim: int, batch_dim: int) -> Any:
    """The first `seq_lengths[i]` entries along `seq_dim` backwards, in part `i` along `batch_dim`."""
    n = len(input.shape)
    if batch_dim == seq_dim:
        raise kernel_error(f"batch_dim == seq_dim == {seq_dim}")
    length, batch = input.shape[seq_dim], input.shape[batch_dim]
    require(
        xp,
        (seq_lengths >= 0) & (seq_lengths <= length),
        lambda: kernel_error(
            f"seq_lens must be in [0, input.dims({seq_dim})] = [0, {length}], got {np.asarray(seq_lengths).tolist()}"
        ),
    )
    if seq_lengths.shape != (batch,):
        raise kernel_error(f"Length of seq_lens != input.dims({batch_dim}), ({seq_lengths.shape[0]} vs. {batch})")
    steps = np.arange(length, dtype=seq_lengths.dtype).reshape([-1 if i == seq_dim else 1 for i in range(n)])
    lengths = xp.reshape(seq_lengths, [-1 if i == batch_dim else 1 for i in range(n)])
    source = xp.where(steps < lengths, lengths - 1 - steps, steps)
    return xp.take_along_axis(input, xp.broadcast_to(source, input.shape), axis=seq_dim)


@reverse_sequence_op.shape
def reverse_sequence_shape(input: Any, seq_lengths: Any, *, seq_dim: int, batch_dim: int) -> Any:
    (lengths,) = with_rank(seq_lengths, 1)
    if input is None:
        return None
    for what, dim in (("batch_dim", batch_dim), ("seq_dim", seq_dim)):
        if dim >= len(input):
            raise ShapeError(f"{what} must be < input rank: {dim} vs. {len(input)}")
    if batch_dim < 0:
        raise ShapeError(f"batch_dim must be >=0, got {batch_dim}")
    return (*input[:batch_dim], merge_dim(input[batch_dim], lengths), *input[batch_dim + 1 :])


@reverse_sequence_op.gradient
def reverse_sequence_grad(made: Any, grad: Tensor) -> list[Any]:
    attrs = made.attrs
    lengths = made.inputs[1]
    return [reverse_sequence(grad, lengths, seq_axis=attrs["seq_dim"], batch_axis=attrs["batch_dim"]), None]


@public("reverse_sequence")
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Sequences of different lengths, each of them backwards; what follows a sequence's end stays where it is.

    Args:
        input: any dtype, shape `s`.
        seq_lengths: int32 or int64, shape `[s[batch_axis]]`.
        seq_axis: the dimension that the sequences run along.
        batch_axis: the dimension that numbers them.
        name: the op's name.
        seq_dim: deprecated name of `seq_axis`.
        batch_dim: deprecated name of `batch_axis`.
    """
    seq_axis = either("seq_axis", seq_axis, "seq_dim", seq_dim)
    batch_axis = either("batch_axis", batch_axis, "batch_dim", batch_dim)
    return reverse_sequence_op(input, seq_lengths, seq_dim=seq_axis, batch_dim=batch_axis, name=name)


@op("Roll", static=("axis",))
def roll_op(xp: Any, input: Any, shift: Any, axis: Any) -> Any:
    """The same elements moved along dimensions; what leaves at one end comes in at the other."""
    rank = len(input.shape)
    if not rank:
        raise kernel_error("input must be 1-D or higher")
    for what, given in (("shift", shift), ("axis", axis)):
        if len(given.shape) > 1:
            raise kernel_error(f"{what} must be a scalar or a 1-D vector. Found: {list(given.shape)}")
    if shift.shape != axis.shape:
        raise kernel_error("shift and axis must have the same size")
    shifts = xp.reshape(shift, [-1])
    result = input
    for i, a in enumerate(np.ravel(axis).tolist()):
        if not -rank <= a < rank:
            raise kernel_error(f"axis {a} is out of range")
        result = xp.roll(result, shifts[i], a % rank)
    return result


@roll_op.shape_from_op
def roll_shape(made: Any) -> Any:
    input, shift, axis = (t.static_shape for t in made.inputs)
    for given in (shift, axis):
        with_rank_at_most(given, 1)
    merge(shift, axis)
    return with_rank_at_least(input, 1)


@roll_op.gradient
def roll_grad(made: Any, grad: Tensor) -> list[Any]:
    _, shift, axis = made.inputs
    return [roll(grad, -shift, axis), None, None]


@public("roll", "manip.roll")
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """The elements of `input` moved along dimensions; what leaves at one end comes in at the other.

    Args:
        input: any dtype, at least one dimension.
        shift: by how much: an int, or one for each of `axis`.
        axis: an int or a vector of ints.
        name: the op's name.

    >>> sess.run(tf.roll([1, 2, 3, 4], 1, 0))
    array([4, 1, 2, 3], dtype=int32)
    """
    return roll_op(input, shift, axis, name)


# Blocks between space and depth


def _moved_to_depth(xp: Any, x: Any, block: int) -> Any:
    n, h, w, c = x.shape
    if h % block or w % block:
        raise kernel_error(f"Image height {h} and width {w} should be divisible by block_size: {block}")
    x = xp.reshape(x, [n, h // block, block, w // block, block, c])
    return xp.reshape(xp.transpose(x, [0, 1, 3, 2, 4, 5]), [n, h // block, w // block, block * block * c])


def _moved_to_space(xp: Any, x: Any, block: int) -> Any:
    n, h, w, c = x.shape
    if c % (block * block):
        raise kernel_error(f"Input depth dimension {c} should be divisible by: {block * block}")
    x = xp.reshape(x, [n, h, w, block, block, c // (block * block)])
    return xp.reshape(xp.transpose(x, [0, 1, 3, 2, 4, 5]), [n, h * block, w * block, c // (block * block)])


def _channels_last(xp: Any, x: Any, data_format: bytes, move: Any, block: int) -> Any:
    if data_format == b"NHWC":
        return move(xp, x, block)
    if data_format == b"NCHW":
        return xp.transpose(move(xp, xp.transpose(x, [0, 2, 3, 1]), block), [0, 3, 1, 2])
    raise kernel_error(f"data format {data_format.decode()} needs qint8 values, which no device here computes with")


def _format_axes(data_format: bytes) -> tuple[int, int, int, int]:
    return (0, 1, 2, 3) if data_format == b"NHWC" else (0, 2, 3, 1)


@op("SpaceToDepth")
def space_to_depth_op(xp: Any, input: Any, *, block_size: int, data_format: bytes) -> Any:
    """Each `block_size` by `block_size` block of an image as one pixel of more channels."""
    return _channels_last(xp, input, data_format, _moved_to_depth, block_size)


@space_to_depth_op.shape
def space_to_depth_shape(input: Any, *, block_size: int, data_format: bytes) -> Any:
    if data_format == b"NCHW_VECT_C":
        return (None,) * 5
    n, h, w, c = (with_rank(input, 4)[i] for i in _format_axes(data_format))
    depth = None if c is None else c * block_size * block_size
    rows, columns = divided(h, block_size), divided(w, block_size)
    return (n, rows, columns, depth) if data_format == b"NHWC" else (n, depth, rows, columns)


@op("DepthToSpace")
def depth_to_space_op(xp: Any, input: Any, *, block_size: int, data_format: bytes) -> Any:
    """Each pixel's channels as a `block_size` by `block_size` block of pixels."""
    return _channels_last(xp, input, data_format, _moved_to_space, block_size)


@depth_to_space_op.shape
def depth_to_space_shape(input: Any, *, block_size: int, data_format: bytes) -> Any:
    if data_format == b"NCHW_VECT_C":
        return (None,) * 5
    n, h, w, c = (with_rank(input, 4)[i] for i in _format_axes(data_format))
    depth = divided(c, block_size * block_size)
    rows, columns = (None if s is None else s * block_size for s in (h, w))
    return (n, rows, columns, depth) if data_format == b"NHWC" else (n, depth, rows, columns)


def _block_and_format(made: Any) -> tuple[int, str]:
    data_format = made.attrs["data_format"].decode()
    if data_format == "NCHW_VECT_C":
        raise ValueError(f"Cannot compute {made.type} gradient with NCHW_VECT_C. NCHW_VECT_C requires qint8 data type.")
    return made.attrs["block_size"], data_format


@space_to_depth_op.gradient
def space_to_depth_grad(made: Any, grad: Tensor) -> Tensor:
    block_size, data_format = _block_and_format(made)
    return depth_to_space(grad, block_size, data_format=data_format)


@depth_to_space_op.gradient
def depth_to_space_grad(made: Any, grad: Tensor) -> Tensor:
    block_size, data_format = _block_and_format(made)
    return space_to_depth(grad, block_size, data_format=data_format)


@public("space_to_depth", "nn.space_to_depth")
def space_to_depth(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Each `block_size` by `block_size` block of an image as one pixel with `block_size ** 2` times the channels.

    Args:
        input: any dtype, shape `[n, h, w, c]`, or `[n, c, h, w]` if `data_format` is "NCHW".
        block_size: int, divides `h` and `w`.
        name: the op's name.
        data_format: "NHWC" or "NCHW".
    """
    return space_to_depth_op(input, block_size, data_format, name=name)


@public("depth_to_space", "nn.depth_to_space")
def depth_to_space(input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC") -> Tensor:
    """Each pixel's channels as a `block_size` by `block_size` block of pixels: `space_to_depth` undone.

    Args:
        input: any dtype, shape `[n, h, w, c]`, or `[n, c, h, w]` if `data_format` is "NCHW".
        block_size: int, its square divides `c`.
        name: the op's name.
        data_format: "NHWC" or "NCHW".
    """
    return depth_to_space_op(input, block_size, data_format, name=name)


# Blocks between space and batch


def _moved_to_batch(xp: Any, x: Any, block: Any, paddings: Any) -> Any:
    sizes, pads = np.ravel(block).tolist(), np.reshape(paddings, [-1, 2]).tolist()
    m = len(sizes)
    rest = list(x.shape[m + 1 :])
    x = xp.pad(x, [(0, 0), *map(tuple, pads), *((0, 0) for _ in rest)])
    for i, b in enumerate(sizes):
        if x.shape[i + 1] % b:
            raise kernel_error(f"padded_shape[{i}]={x.shape[i + 1]} is not divisible by block_shape[{i}]={b}")
    n, inner = x.shape[0], [s // b for s, b in zip(x.shape[1:], sizes, strict=False)]
    split = [n] + [v for pair in zip(inner, sizes, strict=True) for v in pair] + rest
    order = [*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m, 2), *range(2 * m + 1, 2 * m + 1 + len(rest))]
    return xp.reshape(xp.transpose(xp.reshape(x, split), order), [n * int(np.prod(sizes)), *inner, *rest])


def _moved_from_batch(xp: Any, x: Any, block: Any, crops: Any) -> Any:
    sizes, cuts = np.ravel(block).tolist(), np.reshape(crops, [-1, 2]).tolist()
    m = len(sizes)
    inner, rest = list(x.shape[1 : m + 1]), list(x.shape[m + 1 :])
    count = int(np.prod(sizes))
    if x.shape[0] % count:
        raise kernel_error(f"Input batch dimension ({x.shape[0]}) is not divisible by product of block sizes ({count})")
    n = x.shape[0] // count
    order = [m] + [v for i in range(m) for v in (m + 1 + i, i)] + list(range(2 * m + 1, 2 * m + 1 + len(rest)))
    x = xp.transpose(xp.reshape(x, [*sizes, n, *inner, *rest]), order)
    whole = [s * b for s, b in zip(inner, sizes, strict=True)]
    for i, (first, last) in enumerate(cuts):
        if first + last > whole[i]:
            raise kernel_error(f"cropped_shape[{i}]={whole[i] - first - last} must be non-negative")
    x = xp.reshape(x, [n, *whole, *rest])
    return x[(slice(None), *(slice(first, s - last) for (first, last), s in zip(cuts, whole, strict=True)))]


def _batch_shape(x: Shape, block: list[int] | None, m: int, pads: list[int] | None, to_batch: bool) -> Shape:
    sizes = with_rank_at_least(x, m + 1)
    batch, inner = (None, [None] * m) if sizes is None else (sizes[0], list(sizes[1 : m + 1]))
    outer: list[int | None] = [None] * m
    if block is None:
        batch = None if m else batch
    else:
        if pads is not None and len(pads) != 2 * m:
            raise ShapeError(
                f"Dimension 0 in both shapes must be equal, but are {len(pads) // 2} and {m}. Shapes are "
                f"[{len(pads) // 2},2] and [{m},2]."
            )
        for i, b in enumerate(block):
            if b < 1:
                raise ShapeError("block_shape must be positive")
            batch = None if batch is None else batch * b if to_batch else divided(batch, b)
            if pads is not None:
                first, last = pads[2 * i], pads[2 * i + 1]
                if first < 0 or last < 0:
                    raise ShapeError("paddings cannot be negative" if to_batch else "crops cannot be negative")
                s = inner[i]
                if s is not None:
                    outer[i] = divided(s + first + last, b) if to_batch else s * b - first - last
                    if outer[i] < 0:  # type: ignore[operator]  # known, as `s` is
                        raise ShapeError(f"Negative dimension size caused by subtracting {first + last} from {s * b}")
    return None if sizes is None else (batch, *outer, *sizes[m + 1 :])


def _block_dimensions(block: Any) -> int:
    if isinstance(block, list):
        return len(block)
    raise ShapeError("block_shape must have rank 1." if block is not None else "block_shape must have known size.")


@op("SpaceToBatchND", static=("block_shape", "paddings"))
def space_to_batch_nd(xp: Any, input: Any, block_shape: Any, paddings: Any) -> Any:
    """The pixels of each block, after zero-padding, as pixels of different images in a larger batch."""
    return _moved_to_batch(xp, input, block_shape, paddings)


@space_to_batch_nd.shape
def space_to_batch_nd_shape(input: Any, block_shape: Any, paddings: Any) -> Any:
    m = _block_dimensions(block_shape)
    return _batch_shape(input, static_values.whole(block_shape), m, static_values.whole(paddings), True)


@space_to_batch_nd.gradient
def space_to_batch_nd_grad(made: Any, grad: Tensor) -> list[Any]:
    return [batch_to_space_nd(grad, made.inputs[1], made.inputs[2]), None, None]


@op("BatchToSpaceND", static=("block_shape", "crops"))
def batch_to_space_nd(xp: Any, input: Any, block_shape: Any, crops: Any) -> Any:
    """SpaceToBatchND undone: images of a batch as the pixels of blocks, and the border cut off."""
    return _moved_from_batch(xp, input, block_shape, crops)


@batch_to_space_nd.shape
def batch_to_space_nd_shape(input: Any, block_shape: Any, crops: Any) -> Any:
    m = _block_dimensions(block_shape)
    return _batch_shape(input, static_values.whole(block_shape), m, static_values.whole(crops), False)


@batch_to_space_nd.gradient
def batch_to_space_nd_grad(made: Any, grad: Tensor) -> list[Any]:
    return [space_to_batch_nd(grad, made.inputs[1], made.inputs[2]), None, None]


@op("SpaceToBatch", static=("paddings",))
def space_to_batch_op(xp: Any, input: Any, paddings: Any, *, block_size: int) -> Any:
    """SpaceToBatchND for images and square blocks."""
    return _moved_to_batch(xp, input, [block_size] * 2, paddings)


@space_to_batch_op.shape
def space_to_batch_shape(input: Any, paddings: Any, *, block_size: int) -> Any:
    return _batch_shape(with_rank(input, 4), [block_size] * 2, 2, static_values.whole(paddings), True)


@space_to_batch_op.gradient
def space_to_batch_grad(made: Any, grad: Tensor) -> list[Any]:
    return [batch_to_space(grad, made.inputs[1], block_size=made.attrs["block_size"]), None]


@op("BatchToSpace", static=("crops",))
def batch_to_space_op(xp: Any, input: Any, crops: Any, *, block_size: int) -> Any:
    """BatchToSpaceND for images and square blocks."""
    return _moved_from_batch(xp, input, [block_size] * 2, crops)


@batch_to_space_op.shape
def batch_to_space_shape(input: Any, crops: Any, *, block_size: int) -> Any:
    return _batch_shape(with_rank(input, 4), [block_size] * 2, 2, static_values.whole(crops), False)


@batch_to_space_op.gradient
def batch_to_space_grad(made: Any, grad: Tensor) -> list[Any]:
    return [space_to_batch(grad, made.inputs[1], block_size=made.attrs["block_size"]), None]


public("space_to_batch_nd", "manip.space_to_batch_nd")(space_to_batch_nd)
public("batch_to_space_nd", "manip.batch_to_space_nd")(batch_to_space_nd)


@public("space_to_batch", "nn.space_to_batch")
def space_to_batch(
    input: Any, paddings: Any, block_size: int | None = None, name: str | None = None, block_shape: int | None = None
) -> Tensor:
    """The pixels of each square block of an image, after zero-padding, as pixels of different images.

    Args:
        input: any dtype, shape `[n, h, w, c]`.
        paddings: int32 or int64, shape `[2, 2]`: zeros before and after the rows, and the columns.
        block_size: the side of a block; divides the padded height and width.
        name: the op's name.
        block_shape: another name of `block_size`.
    """
    block_size = either("block_shape", block_shape, "block_size", block_size)
    made = space_to_batch_nd(input, np.array([block_size, block_size], np.int64), paddings, name=name)
    made.set_shape(made.shape.with_rank(4))
    return made


@public("batch_to_space")
def batch_to_space(
    input: Any, crops: Any, block_size: int | None = None, name: str | None = None, block_shape: int | None = None
) -> Tensor:
    """Images of a batch as the pixels of square blocks, and the border cut off: `space_to_batch` undone.

    Args:
        input: any dtype, shape `[n * block_size ** 2, h, w, c]`.
        crops: int32 or int64, shape `[2, 2]`: how much to cut off before and after the rows, and the columns.
        block_size: the side of a block.
        name: the op's name.
        block_shape: another name of `block_size`.
    """
    block_size = either("block_shape", block_shape, "block_size", block_size)
    made = batch_to_space_nd(input, np.array([block_size, block_size], np.int64), crops, name=name)
    made.set_shape(made.shape.with_rank(4))
    return made


@public("required_space_to_batch_paddings")
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The paddings that make blocks fit, and the crops that take them away again.

    Args:
        input_shape: int32, shape `[m]`: the sizes to be cut into blocks.
        block_shape: int32, shape `[m]`, known statically.
        base_paddings: int32, shape `[m, 2]`: the least padding wanted; none by default.
        name: the ops' scope.

    Returns:
        Two int32 tensors of shape `[m, 2]`: `paddings` for `space_to_batch_nd`, `crops` for `batch_to_space_nd`.
    """
    with name_scope(name, "required_space_to_batch_paddings", [input_shape, block_shape]):
        input_shape = convert_to_tensor(input_shape, dtypes.int32, name="input_shape")
        block_shape = convert_to_tensor(block_shape, dtypes.int32, name="block_shape")
        block_shape.shape.assert_is_fully_defined()
        block_shape.shape.assert_has_rank(1)
        m = block_shape.static_shape[0]
        if m == 0:
            return zeros([0, 2], dtypes.int32), zeros([0, 2], dtypes.int32)
        input_shape.shape.assert_is_compatible_with([m])
        if base_paddings is not None:
            base_paddings = convert_to_tensor(base_paddings, dtypes.int32, name="base_paddings")
            base_paddings.shape.assert_is_compatible_with([m, 2])
        else:
            base_paddings = zeros([m, 2], dtypes.int32)
        values = [static_values.get_static_value(t) for t in (block_shape, input_shape, base_paddings)]
        if all(v is not None for v in values):
            block_shape, input_shape, base_paddings = values
        start, end = base_paddings[:, 0], base_paddings[:, 1]
        whole = input_shape + start + end
        extra = (block_shape - whole % block_shape) % block_shape
        last = end + extra
        paddings = stack([[start[i], last[i]] for i in range(m)], name="paddings")
        crops = stack([[0, extra[i]] for i in range(m)], name="crops")
        return paddings, crops


__all__ = ["invert_permutation", "matrix_transpose", "reverse", "reverse_sequence", "transpose"]
