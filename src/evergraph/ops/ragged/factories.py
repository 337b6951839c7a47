"""Ragged tensors of constants, and placeholders for ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.ops.constant import constant as dense_constant
from evergraph.ops.identity import placeholder as dense_placeholder
from evergraph.ops.ragged.tensor import RaggedTensor, is_ragged
from evergraph.ops.ragged.value import RaggedTensorValue


@public("ragged.constant", "compat.v2.ragged.constant")
def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> Any:
    """A ragged tensor of constants.

    Args:
        pylist: nested lists; all scalars are equally deep.
        dtype: the type of the values; by default it follows from them.
        ragged_rank: how many partitions to make; by default one for every dimension but the innermost.
        inner_shape: the shape of the values at the bottom, which are not ragged.
        name: the ops' scope.
        row_splits_dtype: int32 or int64.

    Returns:
        A `RaggedTensor`, or a `Tensor` if `ragged_rank` is 0 or `pylist` has no nested lists.

    Raises:
        ValueError: if scalars differ in depth, or `ragged_rank` or `inner_shape` do not fit `pylist`.

    >>> sess.run(tf.ragged.constant([[1, 2], [], [3]])).to_list()
    [[1, 2], [], [3]]
    """

    def ragged(values: Any, splits: list[int]) -> RaggedTensor:
        return RaggedTensor.from_row_splits(values, dense_constant(splits, dtype=row_splits_dtype), validate=False)

    with name_scope(name, "RaggedConstant"):
        return _nested(ragged, _filled, pylist, dtype, ragged_rank, inner_shape)


@public("ragged.constant_value")
def constant_value(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """As `tf.ragged.constant`, but a `RaggedTensorValue` (or an array) of NumPy arrays.

    >>> tf.ragged.constant_value([[1, 2], [], [3]]).row_splits
    array([0, 2, 2, 3])
    """
    if isinstance(dtype, dtypes.DType):
        dtype = dtype.as_numpy_dtype
    kind = dtypes.as_dtype(row_splits_dtype).as_numpy_dtype

    def array(values: Any, dtype: Any, shape: Any, name: str | None = None) -> np.ndarray:
        made = np.array(values, dtype=dtype)
        return made if shape is None else np.reshape(made, shape)

    def ragged(values: Any, splits: list[int]) -> RaggedTensorValue:
        return RaggedTensorValue(values, np.array(splits, dtype=kind))

    return _nested(ragged, array, pylist, dtype, ragged_rank, inner_shape)


@public("ragged.placeholder")
def placeholder(dtype: Any, ragged_rank: int, value_shape: Any = None, name: str | None = None) -> Any:
    """A ragged tensor that every run which needs it must feed, with a `RaggedTensorValue`.

    Args:
        dtype: the type of the values.
        ragged_rank: how many partitions it has; with 0, the result is a placeholder for a tensor.
        value_shape: the static shape of the innermost values, without their first dimension.
        name: the ops' scope.
    """
    if ragged_rank == 0:
        return dense_placeholder(dtype, value_shape, name)
    with name_scope(name, "RaggedPlaceholder", []):
        result: Any = dense_placeholder(dtype, TensorShape([None]).concatenate(value_shape), "flat_values")
        for i in reversed(range(ragged_rank)):
            result = RaggedTensor(result, dense_placeholder(dtypes.int64, [None], f"row_splits_{i}"), internal=True)
        return result


def _filled(values: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Any:
    """`tf.constant`, without elements that are added to fill `shape`."""
    if shape is not None:
        try:
            found = np.shape(values)
        except ValueError:  # rows of different lengths: the error is that of the constant
            found = tuple(shape)
        if np.prod(found) not in (np.prod(shape), 1):
            raise TypeError(f"Expected Tensor's shape: {tuple(shape)}, got {found}.")
    return dense_constant(values, dtype, shape, name)


def _nested(
    ragged: Callable[..., Any],
    dense: Callable[..., Any],
    pylist: Any,
    dtype: Any,
    ragged_rank: int | None,
    inner_shape: Any,
) -> Any:
    """Put `pylist` together out of `dense(values, dtype, shape)` and `ragged(values, row_splits)`."""
    if is_ragged(pylist):
        raise TypeError("pylist may not be a RaggedTensor or RaggedTensorValue.")
    if not _is_nested(pylist):
        if ragged_rank:
            raise ValueError(f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank}")
        if inner_shape:
            raise ValueError(f"Invalid pylist={pylist!r}: incompatible with dim(inner_shape)={len(inner_shape)}")
        return dense(pylist, dtype, ())
    if ragged_rank is not None and ragged_rank < 0:
        raise ValueError(f"Invalid ragged_rank={ragged_rank!r}: must be nonnegative")
    scalar_depth, depth = depths(pylist)
    if scalar_depth is not None and depth > scalar_depth:
        raise ValueError(f"Invalid pylist={pylist!r}: empty list nesting is greater than scalar value nesting")
    if inner_shape is not None and ragged_rank is not None:
        wanted = ragged_rank + len(inner_shape) + 1
        if wanted < depth if scalar_depth is None else wanted != scalar_depth:
            raise ValueError(
                f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank} and "
                f"dim(inner_shape)={len(inner_shape)}"
            )
    if ragged_rank == 0 or ragged_rank is None and depth - len(inner_shape or ()) < 2:
        return dense(pylist, dtype, inner_shape)
    if inner_shape is None:
        inner_shape = () if ragged_rank is None else default_inner_shape(pylist, ragged_rank)
    if ragged_rank is None:
        ragged_rank = max(1, (depth if scalar_depth is None else scalar_depth - len(inner_shape)) - 1)
    nested = []
    values = pylist
    for _ in range(ragged_rank):
        splits = [0]
        for row in values:
            splits.append(splits[-1] + len(row))
        nested.append(splits)
        values = [item for row in values for item in row]
    result = dense(values, dtype=dtype, shape=(len(values), *inner_shape), name="values")
    for splits in reversed(nested):
        result = ragged(result, splits)
    return result


def _is_nested(x: Any) -> bool:
    return isinstance(x, list | tuple) or np.ndim(x) != 0


def depths(pylist: Any) -> tuple[int | None, int]:
    """How deep the scalars are (None if there are none), and the lists."""
    if not _is_nested(pylist):
        return 0, 0
    scalars: int | None = None
    deepest = 1
    for child in pylist:
        inner_scalars, inner = depths(child)
        if inner_scalars is not None:
            if scalars not in (None, inner_scalars + 1):
                raise ValueError("all scalar values must have the same nesting depth")
            scalars = inner_scalars + 1
        deepest = max(deepest, inner + 1)
    return scalars, deepest


def default_inner_shape(pylist: Any, ragged_rank: int) -> tuple[int, ...]:
    """The shape of the values below `ragged_rank` partitions."""
    values = pylist
    for axis in range(ragged_rank):
        if not all(_is_nested(v) for v in values):
            raise ValueError(
                f"pylist has scalar values depth {axis + 1}, but ragged_rank={ragged_rank} requires scalar value depth "
                f"greater than {ragged_rank}"
            )
        values = [item for row in values for item in row]
    shape = []
    first = values
    while _is_nested(first):
        shape.append(len(first))
        if not len(first):
            break
        first = first[0]
    _check_shape(values, shape)
    return tuple(shape[1:])


def _check_shape(item: Any, shape: list[int]) -> None:
    if _is_nested(item) != bool(shape) or shape and len(item) != shape[0]:
        raise ValueError("inner values have inconsistent shape")
    if shape:
        for child in item:
            _check_shape(child, shape[1:])


__all__ = ["constant", "constant_value", "default_inner_shape", "depths", "placeholder"]
