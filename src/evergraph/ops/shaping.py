"""Shapes as values, and the same elements under another shape: reshapes, broadcasts, bit casts."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes, sparse
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, TensorShape, as_shape, merge, with_rank, with_rank_at_most
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.arguments import either
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, raw_op, require


@op("Shape", differentiable=False)
def shape_op(xp: Any, input: Any, *, out_type: Any) -> Any:
    """The runtime shape, as a vector. Always known while a stage is traced."""
    return np.array(input.shape, out_type.np)


@shape_op.shape
def shape_shape(input: Any) -> Any:
    return (None if input is None else len(input),)


@op("ShapeN", differentiable=False)
def shape_n_op(xp: Any, input: Any, *, out_type: Any) -> Any:
    """The runtime shapes of several values."""
    return tuple(np.array(x.shape, out_type.np) for x in input)


@shape_n_op.shape
def shape_n_shape(input: Any) -> Any:
    return [(None if x is None else len(x),) for x in input]


@op("Size", differentiable=False)
def size_op(xp: Any, input: Any, *, out_type: Any) -> Any:
    """The number of elements. Always known while a stage is traced."""
    return np.array(np.prod(input.shape, dtype=np.int64), out_type.np)


@size_op.shape
def size_shape(input: Any) -> Any:
    return ()


@op("Rank", differentiable=False)
def rank_op(xp: Any, input: Any) -> Any:
    """The number of dimensions. Always known while a stage is traced."""
    return np.array(len(input.shape), np.int32)


@rank_op.shape
def rank_shape(input: Any) -> Any:
    return ()


@public("shape")
def shape(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:
    """The shape of `input` as an int32 (or `out_type`) vector; a constant when it is fully known.

    >>> sess.run(tf.shape([[1, 2, 3], [4, 5, 6]]))
    array([2, 3], dtype=int32)
    """
    return shape_internal(input, name, optimize=True, out_type=out_type)


def shape_internal(input: Any, name: str | None = None, optimize: bool = True, out_type: Any = dtypes.int32) -> Tensor:
    """`shape`; without `optimize` there is always a Shape op."""
    with name_scope(name, "Shape", [input]) as scope:
        if sparse.is_sparse(input):
            return raw_op("Cast")(input.dense_shape, out_type)
        sizes = convert_to_tensor(input).static_shape
        if optimize and shapes.is_static(sizes):
            return constant(np.array(sizes, dtypes.as_dtype(out_type).np), out_type, name=scope)
        return shape_op(input, out_type=out_type, name=scope)


@public("shape_n")
def shape_n(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors of one type, as a list of vectors."""
    return shape_n_op(input, out_type=out_type, name=name)


@public("size")
def size(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:
    """The number of elements of `input` as an int32 (or `out_type`) scalar; a constant when it is known."""
    return size_internal(input, name, optimize=True, out_type=out_type)


def size_internal(input: Any, name: str | None = None, optimize: bool = True, out_type: Any = dtypes.int32) -> Tensor:
    """`size`; without `optimize` there is always a Size op."""
    with name_scope(name, "Size", [input]) as scope:
        if sparse.is_sparse(input):
            return raw_op("Prod")(raw_op("Cast")(input.dense_shape, out_type), 0, name=scope)
        sizes = convert_to_tensor(input).static_shape
        if optimize:
            count = shapes.size_of(sizes)
            if count is None and sizes is not None and 0 in sizes:
                count = 0
            if count is not None:
                return constant(count, out_type, name=scope)
        return size_op(input, out_type=out_type, name=scope)


@public("rank")
def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of dimensions of `input` as an int32 scalar; a constant when it is known."""
    return rank_internal(input, name, optimize=True)


def rank_internal(input: Any, name: str | None = None, optimize: bool = True) -> Tensor:
    """`rank`; without `optimize` there is always a Rank op."""
    with name_scope(name, "Rank", [input]) as scope:
        if sparse.is_sparse(input):
            return size_op(input.dense_shape, name=scope)
        sizes = convert_to_tensor(input).static_shape
        if optimize and sizes is not None:
            return constant(len(sizes), dtypes.int32, name=scope)
        return rank_op(input, name=scope)


# The same elements under another shape


@op("Reshape", static=("shape",))
def reshape_op(xp: Any, tensor: Any, shape: Any) -> Any:
    """The same elements, in the same order, under another shape; one size may be -1."""
    if np.ndim(shape) != 1:
        raise kernel_error(f"sizes input must be 1-D, not {list(np.shape(shape))}")
    sizes = np.ravel(shape).tolist()
    if sizes.count(-1) > 1:
        raise kernel_error("Only one input size may be -1")
    if -1 in sizes:
        # The missing size follows from the other sizes; where both shapes have zeros, from those that are not zero.
        leave_out = 0 in sizes
        known = prod(s for s in sizes if s not in (-1, 0))
        given = prod(s for s in tensor.shape if s or not leave_out)
        if given % known and not (leave_out and 0 in tensor.shape):
            raise kernel_error(
                f"Input to reshape is a tensor with {given} values, but the requested shape requires a "
                f"multiple of {known}"
            )
        sizes[sizes.index(-1)] = given // known
    count, wanted = prod(tensor.shape), prod(sizes)
    if wanted != count:
        raise kernel_error(f"Input to reshape is a tensor with {count} values, but the requested shape has {wanted}")
    return xp.reshape(tensor, sizes)


@reshape_op.shape
def reshape_shape(tensor: Any, shape: Any) -> Any:
    out = static_values.as_shape(shape)
    if out is None or tensor is None:
        return out
    known_out, unknown_out = _known_size(out)
    known_in, unknown_in = _known_size(tensor)
    if unknown_out + unknown_in == 0 and known_in != known_out:
        raise ShapeError(
            f"Cannot reshape a tensor with {known_in} elements to shape {shapes.bracket_text(out)} "
            f"({known_out} elements)"
        )
    if unknown_out + unknown_in == 1:
        one, other = (known_in, known_out) if unknown_out else (known_out, known_in)
        if other > 0:
            missing = divided(one, other)
            if unknown_out:
                return tuple(missing if s is None else s for s in out)
    elif unknown_out == unknown_in == 1 and known_in == known_out:
        return out
    return out


def _known_size(shape: tuple[int | None, ...]) -> tuple[int, int]:
    """The product of the sizes that are known, and how many are not; with a zero among them, 0 and none."""
    if 0 in shape:
        return 0, 0
    count, unknown = 1, 0
    for s in shape:
        if s is None:
            unknown += 1
        else:
            count *= s
    return count, unknown


def divided(size: int | None, divisor: int) -> int | None:
    """A static size divided by a number that must go into it."""
    if size is None:
        return None
    if size % divisor:
        raise ShapeError(f"Dimension size must be evenly divisible by {divisor} but is {size}")
    return size // divisor


@reshape_op.gradient
def reshape_grad(made: Any, grad: Tensor) -> list[Tensor | None]:
    return [reshape_to_input(made, grad), None]


def reshape_to_input(made: Any, grad: Any) -> Tensor:
    """`grad` with the shape of the first input of `made`."""
    return reshape_gradient(grad, shape(made.inputs[0]))


def reshape_gradient(grad: Any, shape: Any) -> Tensor:
    """`reshape` of a gradient; that it may become dense by it is nothing to warn of."""
    if not isinstance(grad, sparse.IndexedSlices):
        return reshape(grad, shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Converting sparse IndexedSlices")
        return reshape(grad, shape)


@public("reshape", "manip.reshape")
def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of `tensor`, in row-major order, under another shape.

    Args:
        tensor: any dtype and shape.
        shape: int32 or int64 vector; one entry may be -1: as many as are left.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, if the numbers of elements differ. (ValueError at once, if that is known.)

    >>> sess.run(tf.reshape([1, 2, 3, 4], [2, -1]))
    array([[1, 2],
           [3, 4]], dtype=int32)
    """
    return reshape_op(tensor, shape, name)


@op("ExpandDims", static=("dim",))
def expand_dims_op(xp: Any, input: Any, dim: Any) -> Any:
    """The same elements with a new dimension of size 1 at `dim`."""
    return xp.expand_dims(input, checked_axis(int(np.ravel(dim)[0]), len(input.shape) + 1))


@expand_dims_op.shape
def expand_dims_shape(input: Any, dim: Any) -> Any:
    known = static_values.whole(dim)
    if known is not None and len(known) != 1:
        raise ShapeError("'dim' input must be a tensor with a single value")
    if known is None or input is None:
        return None
    axis, n = int(known[0]), len(input)
    if not -n - 1 <= axis <= n:
        raise ShapeError(f"dim {axis} not in the interval [{-n - 1}, {n}].")
    axis %= n + 1
    return (*input[:axis], 1, *input[axis:])


@expand_dims_op.gradient
def expand_dims_grad(made: Any, grad: Tensor) -> list[Tensor | None]:
    return [reshape_to_input(made, grad), None]


def checked_axis(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` counted from the start.

    Raises:
        InvalidArgumentError: if there is no such axis.
    """
    if not -rank <= axis < rank:
        raise kernel_error(f"{what} = {axis} is not in the range [{-rank}, {rank})")
    return axis % rank


@public("expand_dims")
def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """The elements of `input` with a new dimension of size 1.

    Args:
        input: any dtype and shape.
        axis: where the new dimension goes: int or a scalar int tensor in `[-rank - 1, rank]`.
        name: the op's name.
        dim: deprecated name of `axis`.

    >>> sess.run(tf.expand_dims([1, 2], 0))
    array([[1, 2]], dtype=int32)
    """
    axis = either("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return expand_dims_op(input, axis, name)


@op("Squeeze")
def squeeze_op(xp: Any, input: Any, *, squeeze_dims: Any) -> Any:
    """The same elements without dimensions of size 1: the given ones, or all."""
    axes = {checked_axis(a, len(input.shape), "squeeze_dims") for a in squeeze_dims}
    for a in sorted(axes):
        if input.shape[a] != 1:
            raise kernel_error(f"Can not squeeze dim[{a}], expected a dimension of 1, got {input.shape[a]}")
    kept = [s for i, s in enumerate(input.shape) if (i not in axes if axes else s != 1)]
    return xp.reshape(input, kept)


@squeeze_op.shape
def squeeze_shape(input: Any, *, squeeze_dims: Any) -> Any:
    if input is None:
        return None
    n = len(input)
    for i, a in enumerate(squeeze_dims):
        if not -n <= a < n:
            raise ShapeError(f"squeeze_dims[{i}] not in [{-n},{n}).")
    axes = {a % n for a in squeeze_dims}
    if not axes:
        return None if None in input else tuple(s for s in input if s != 1)
    for a in sorted(axes):
        if input[a] not in (None, 1):
            raise ShapeError(f"Can not squeeze dim[{a}], expected a dimension of 1, got {input[a]}")
    return tuple(s for i, s in enumerate(input) if i not in axes)


@squeeze_op.gradient
def squeeze_grad(made: Any, grad: Tensor) -> Tensor:
    return reshape_to_input(made, grad)


@public("squeeze")
def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """The elements of `input` without dimensions of size 1.

    Args:
        input: any dtype and shape.
        axis: the dimensions to leave out, an int or a list; by default all of size 1.
        name: the op's name.
        squeeze_dims: deprecated name of `axis`.

    Raises:
        ValueError: if a given dimension is known to be of another size.

    >>> sess.run(tf.squeeze([[[1], [2]]], [0]))
    array([[1],
           [2]], dtype=int32)
    """
    axis = either("axis", axis, "squeeze_dims", squeeze_dims)
    if np.isscalar(axis):
        axis = [axis]
    return squeeze_op(input, axis, name)


@op("EnsureShape")
def ensure_shape_op(xp: Any, input: Any, *, shape: Any) -> Any:
    """The same value again; the run fails if its shape is another one."""
    if shape is not None and not TensorShape(shape).is_compatible_with(TensorShape(list(input.shape))):
        raise kernel_error(
            f"Shape of tensor {{input}} {shapes.bracket_text(tuple(input.shape))} is not compatible with expected "
            f"shape {shapes.bracket_text(shape)}."
        )
    return input


@ensure_shape_op.shape
def ensure_shape_shape(input: Any, *, shape: Any) -> Any:
    return merge(shape, input if shape is None else with_rank(input, len(shape)))


@ensure_shape_op.gradient
def ensure_shape_grad(made: Any, grad: Tensor) -> Tensor:
    return grad


@public("ensure_shape")
def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """The value of `x`, whose static shape from here on is `shape`; checked at run time.

    Raises:
        InvalidArgumentError: at run time, if `x` has another shape.
    """
    return ensure_shape_op(x, as_shape(shape), name=name)


@op("Bitcast", differentiable=False)
def bitcast(xp: Any, input: Any, *, type: Any) -> Any:
    """The same bits, read as elements of another type.

    A smaller type adds a last dimension; a larger one takes the last dimension, which has to be of the fitting size.
    """
    from jax import lax

    return lax.bitcast_convert_type(input, type.np)


@bitcast.numpy
def bitcast_numpy(xp: Any, input: Any, *, type: Any) -> Any:
    input = np.ascontiguousarray(input).reshape(np.shape(input))
    old, new = input.dtype.itemsize, type.np.itemsize
    if old == new:
        return input.view(type.np)
    if old > new:
        return input[..., None].view(type.np)
    return input.view(type.np)[..., 0]


@bitcast.shape_from_op
def bitcast_shape(made: Any) -> Any:
    x = made.inputs[0]
    old, new = x.dtype._base.size, made.attrs["type"].size
    if x.static_shape is None or old == new:
        return x.static_shape
    if old > new:
        return (*x.static_shape, old // new)
    if not x.static_shape or x.static_shape[-1] not in (None, new // old):
        last = x.static_shape[-1] if x.static_shape else None
        raise ShapeError(f"Cannot bitcast due to shape. {last} does not match {new // old}")
    return x.static_shape[:-1]


public("bitcast")(bitcast)

# Broadcasting


@op("BroadcastTo", static=("shape",))
def broadcast_to(xp: Any, input: Any, shape: Any) -> Any:
    """`input` repeated along its dimensions of size 1, and along new first dimensions, until it has `shape`."""
    sizes = tuple(np.ravel(shape).tolist())
    try:
        np.broadcast_shapes(input.shape, sizes)
        return xp.broadcast_to(input, sizes)
    except ValueError:
        raise kernel_error(
            f"Incompatible shapes: {shapes.bracket_text(tuple(input.shape))} vs. {shapes.bracket_text(sizes)}"
        ) from None


@broadcast_to.shape
def broadcast_to_shape(input: Any, shape: Any) -> Any:
    out = static_values.as_shape(shape)
    if out is None or input is None:
        return out
    with_rank_at_most(input, len(out))
    first = len(out) - len(input)
    fitted = list(out)
    for i, s in enumerate(input):
        if s is not None and s > 1:
            fitted[first + i] = shapes.merge_dim(s, fitted[first + i])
    return tuple(fitted)


@broadcast_to.gradient
def broadcast_to_grad(made: Any, grad: Tensor) -> list[Tensor | None]:
    sizes = shape(made.inputs[0])
    _, axes = raw_op("BroadcastGradientArgs")(made.inputs[1], sizes)
    summed = raw_op("Sum")(grad, axes, keep_dims=True)
    return [reshape(summed, sizes), None]


@op("BroadcastArgs", differentiable=False)
def broadcast_args(xp: Any, s0: Any, s1: Any) -> Any:
    """The shape that values of the shapes `s0` and `s1` have together."""
    n = max(len(s0), len(s1))
    x, y = (xp.concatenate([xp.ones(n - len(s), s.dtype), s]) for s in (s0, s1))
    require(
        xp,
        (x == y) | (x == 1) | (y == 1),
        lambda: kernel_error(f"Incompatible shapes: {np.asarray(s0).tolist()} vs. {np.asarray(s1).tolist()}"),
    )
    return xp.where(x == 1, y, x)


@broadcast_args.shape
def broadcast_args_shape(s0: Any, s1: Any) -> Any:
    x, y = with_rank(s0, 1)[0], with_rank(s1, 1)[0]
    return (None if x is None or y is None else max(x, y),)


public("broadcast_to")(broadcast_to)


@public("broadcast_dynamic_shape")
def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Tensor:
    """The shape that values of the runtime shapes `shape_x` and `shape_y` have together, as a vector."""
    return broadcast_args(shape_x, shape_y)


@public("broadcast_static_shape")
def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """The `TensorShape` that values of two static shapes have together.

    Raises:
        ValueError: if they do not go together.
    """
    try:
        return shapes.from_sizes(shapes.broadcast_static(as_shape(shape_x)._sizes, as_shape(shape_y)._sizes))
    except ShapeError:
        raise ValueError(f"Incompatible shapes for broadcasting: {shape_x} and {shape_y}") from None
