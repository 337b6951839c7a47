"""Arrays of one value, and of a pattern that indices describe: zeros, ones, fill, one_hot."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor, is_tensor_like
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, TensorShape, as_shape, is_static, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.constant import constant, constant_of, to_array
from evergraph.ops.opdef import kernel_error, op, raw_op, unchanged_shape
from evergraph.ops.shaping import checked_axis, reshape, shape_internal

SMALL = 1000
"""TF writes arrays of fewer zeros or ones into the graph as they are, and makes larger ones by a Fill op."""


@op("Fill", static=("dims",))
def fill_op(xp: Any, dims: Any, value: Any) -> Any:
    """An array of shape `dims` that holds `value` everywhere."""
    if np.ndim(dims) != 1:
        raise kernel_error(f"dims must be a vector, got shape [{','.join(map(str, np.shape(dims)))}]")
    sizes = np.ravel(dims).tolist()
    if any(s < 0 for s in sizes):
        raise kernel_error(f"Dimensions of Fill must be >= 0, but are {sizes}")
    if len(value.shape):
        raise kernel_error(f"value must be a scalar, got shape {list(value.shape)}")
    return xp.full(sizes, value, dtype=value.dtype)


@fill_op.shape
def fill_shape(dims: Any, value: Any) -> Any:
    with_rank(value, 0)
    if isinstance(dims, np.ndarray | int):
        raise ShapeError(f"Shape must be rank 1 but is rank {np.ndim(dims)}")
    if any(s < 0 for s in static_values.whole(dims) or ()):
        raise ShapeError("Fill dimensions must be >= 0")
    return static_values.as_shape(dims)


def all_dimensions(x: Tensor) -> Tensor:
    """The numbers of all dimensions of `x`: a constant if its rank is known."""
    if x.static_shape is not None:
        return constant(np.arange(len(x.static_shape), dtype=np.int32), dtypes.int32)
    return raw_op("Range")(0, raw_op("Rank")(x), 1)


@public("fill")
def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """An array that holds `value` everywhere.

    Args:
        dims: its shape: int32 or int64 vector.
        value: a scalar of any dtype.
        name: the op's name.

    >>> sess.run(tf.fill([2, 2], 9))
    array([[9, 9],
           [9, 9]], dtype=int32)
    """
    return fill_op(dims, value, name=name)


def _filled(value: Any, shape: Any, dtype: Any, name: str | None, default_name: str) -> Tensor:
    kind = dtypes.as_dtype(dtype).base_dtype
    with name_scope(name, default_name, [shape]) as scope:
        if not isinstance(shape, Tensor):
            try:
                if _is_small(shape):
                    return constant_of(_full(shape, value, kind), scope, kind)
                shape = convert_to_tensor(TensorShape(shape))
            except (TypeError, ValueError):
                shape = convert_to_tensor(shape, dtypes.int32)
        if not shape.static_shape:
            shape = reshape(shape, [-1])
        return fill_op(shape, constant(value, kind), name=scope)


def _is_small(shape: Any) -> bool:
    """Whether an array of that shape goes into the graph as a constant.

    TF asks `numpy.prod(shape) < 1000`; with tensors among the sizes that puts a product and a comparison into the
    graph, and their names and numbers count.
    """
    sizes = shape if isinstance(shape, list | tuple) else ()
    if any(is_tensor_like(s) for s in sizes):
        functools.reduce(operator.mul, sizes) < SMALL  # noqa: B015
        return False
    if isinstance(shape, TensorShape):
        if shape.rank is None:
            return bool(np.prod(shape) < SMALL)  # type: ignore[call-overload]  # as TensorFlow does it
        count = shape.num_elements()
        return count is not None and count < SMALL
    # A bare number is a shape too, but never becomes a constant in TF.
    return not isinstance(shape, int) and bool(np.prod(shape) < SMALL)


def _full(shape: Any, value: Any, kind: dtypes.DType) -> np.ndarray:
    if isinstance(value, str):
        value = value.encode()
    if kind.is_quantized:
        return to_array(value, kind, shape)
    return np.full(as_shape(shape).as_list(), value, kind.np)  # type: ignore[arg-type]  # fully known: see `_is_small`


@public("zeros")
def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """An array of zeros: 0, False, or the empty string.

    Args:
        shape: a list of ints, or a vector of int32.
        dtype: the type of the elements.
        name: the op's name.

    >>> sess.run(tf.zeros([2, 3], tf.int32))
    array([[0, 0, 0],
           [0, 0, 0]], dtype=int32)
    """
    kind = dtypes.as_dtype(dtype).base_dtype
    value: Any = False if kind is dtypes.bool else "" if kind is dtypes.string else 0
    return _filled(value, shape, kind, name, "zeros")


@public("ones")
def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """An array of ones: 1, or True.

    Args:
        shape: a list of ints, or a vector of int32.
        dtype: the type of the elements.
        name: the op's name.
    """
    kind = dtypes.as_dtype(dtype).base_dtype
    if kind is dtypes.string:
        raise TypeError("Expected string, got 1 of type 'int' instead.")
    return _filled(True if kind is dtypes.bool else 1, shape, kind, name, "ones")


@op("ZerosLike", shape=unchanged_shape, differentiable=False)
def zeros_like_op(xp: Any, x: Any) -> Any:
    """An array of zeros of the shape and type of `x`."""
    if x.dtype == object:
        return x.zeros_like(xp) if hasattr(x, "zeros_like") else np.full(x.shape, b"", object)
    return xp.zeros_like(x)


@op("OnesLike", shape=unchanged_shape, differentiable=False)
def ones_like_op(xp: Any, x: Any) -> Any:
    """An array of ones of the shape and type of `x`."""
    return xp.ones_like(x)


@public("zeros_like")
def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """An array of zeros of the shape of `tensor`.

    Args:
        tensor: any dtype and shape.
        dtype: the type of the zeros, by default that of `tensor`.
        name: the op's name.
        optimize: use the static shape of `tensor` if it is fully known, rather than its value.
    """
    kind = None if dtype is None else dtypes.as_dtype(dtype)
    with name_scope(name, "zeros_like", [tensor]) as scope:
        x = convert_to_tensor(tensor, name="tensor")
        if optimize and is_static(x.static_shape) and x.dtype._base is not dtypes.variant:
            return zeros(x.shape, kind or x.dtype, scope)
        if kind is not None and kind is not x.dtype and kind is not dtypes.variant:
            return zeros(shape_internal(x, optimize=optimize), kind, scope)
        return zeros_like_op(x, name=scope)


@public("ones_like")
def ones_like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
    """An array of ones of the shape of `tensor`.

    Args:
        tensor: any dtype and shape.
        dtype: the type of the ones, by default that of `tensor`.
        name: the op's name.
        optimize: use the static shape of `tensor` if it is fully known, rather than its value.
    """
    with name_scope(name, "ones_like", [tensor]) as scope:
        x = convert_to_tensor(tensor, name="tensor")
        made = ones(shape_internal(x, optimize=optimize), x.dtype if dtype is None else dtype, scope)
        made.set_shape(x.static_shape)
        return made


@op("Empty", static=("shape",), differentiable=False)
def empty(xp: Any, shape: Any, *, dtype: Any, init: bool) -> Any:
    """An array whose elements are not told; they are zeros here."""
    sizes = np.ravel(shape).tolist()
    return np.full(sizes, b"", object) if dtype is dtypes.string else xp.zeros(sizes, dtype.np)


@empty.shape
def empty_shape(shape: Any) -> Any:
    return static_values.as_shape(shape)


@op("OneHot", static=("depth",), differentiable=False)
def one_hot_op(xp: Any, indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int) -> Any:
    """`on_value` where a new dimension's number equals the index, `off_value` elsewhere."""
    rank = len(indices.shape)
    size = int(np.ravel(depth)[0])
    if size < 0:
        raise kernel_error(f"depth must be non-negative, got: {size}")
    where = rank if axis == -1 else checked_axis(axis, rank + 1)
    kind = np.dtype(np.int32) if indices.dtype == np.uint8 else indices.dtype
    numbers = np.arange(size, dtype=kind).reshape([-1 if i == where else 1 for i in range(rank + 1)])
    return xp.where(xp.expand_dims(indices, where) == numbers, on_value, off_value)


@one_hot_op.shape
def one_hot_shape(indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int) -> Any:
    size = static_values.whole_int(depth)
    with_rank(on_value, 0)
    with_rank(off_value, 0)
    if axis < -1:
        raise ShapeError("axis must be >= -1")
    if size is not None and size < 0:
        raise ShapeError(f"Dimension {size} must be >= 0")
    if indices is None:
        return None
    if axis > len(indices):
        raise ShapeError(f"Shape must be at least rank {axis} but is rank {len(indices)}")
    where = len(indices) if axis == -1 else axis
    return (*indices[:where], size, *indices[where:])


@public("one_hot")
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Rows that are `on_value` at the place that the index names and `off_value` elsewhere.

    Args:
        indices: uint8, int32 or int64, shape `i`. An index outside `[0, depth)` gives a row of `off_value`.
        depth: the length of a row: int, or a scalar int32 tensor.
        on_value: a scalar, 1 by default.
        off_value: a scalar of the same type, 0 by default.
        axis: where the new dimension goes; last by default.
        dtype: the type of the two values if neither is given, float32 by default.
        name: the op's name.

    Raises:
        TypeError: if the types of `on_value`, `off_value` and `dtype` differ.

    >>> sess.run(tf.one_hot([2, 0], 3))
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    with name_scope(name, "one_hot", [indices, depth, on_value, off_value, axis, dtype]) as scope:
        on_type = None if on_value is None else convert_to_tensor(on_value).dtype.base_dtype
        off_type = None if off_value is None else convert_to_tensor(off_value).dtype.base_dtype
        for which, found in (("on_value", on_type), ("off_value", off_type)):
            if found is not None and wanted is not None and found is not wanted:
                raise TypeError(f"dtype {found} of {which} does not match dtype parameter {wanted}")
        kind = wanted or on_type or off_type or dtypes.float32
        if on_value is None:
            on_value, on_type = convert_to_tensor(1, kind, name="on_value"), kind
        if off_value is None:
            off_value, off_type = convert_to_tensor(0, kind, name="off_value"), kind
        if on_type is not off_type:
            raise TypeError(f"dtype {on_type} of on_value does not match dtype {off_type} of off_value")
        return one_hot_op(indices, depth, on_value, off_value, axis, scope)


__all__ = ["all_dimensions", "fill", "one_hot", "ones", "ones_like", "zeros", "zeros_like"]
