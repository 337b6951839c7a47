"""Elements chosen by condition or by value: where, boolean_mask; unique and its kin.

How many elements are chosen depends on their values, so most of these run on the host, between two device stages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes, sparse
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, broadcast_static, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.gather import gather
from evergraph.ops.joining import concat
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.shaping import reshape, shape, squeeze

# By condition


@op("Select")
def select(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    """Elements of `t` where `condition` holds, of `e` elsewhere; a vector of conditions chooses whole rows."""
    if condition.shape == t.shape or not condition.shape:
        return xp.where(condition, t, e)
    if len(condition.shape) != 1 or not t.shape or condition.shape[0] != t.shape[0]:
        raise kernel_error(
            f"'condition' must be a vector of the length of the first dimension of 't', or of its shape: "
            f"{shapes.bracket_text(tuple(condition.shape))} and {shapes.bracket_text(tuple(t.shape))}"
        )
    return xp.where(xp.reshape(condition, (-1,) + (1,) * (len(t.shape) - 1)), t, e)


@select.shape
def select_shape(condition: Any, t: Any, e: Any) -> Any:
    data = merge(t, e)
    if condition is None or data is None or condition == ():
        return data
    if len(condition) == 1 and len(data) != 1:
        if not data:
            raise ShapeError("Shape must be at least rank 1 but is rank 0")
        shapes.merge_dim(condition[0], data[0])
        return data
    return merge(data, condition)


@select.gradient
def select_grad(made: Any, grad: Tensor) -> list[Any]:
    c, x, _ = made.inputs
    nothing = zeros_like(x)
    return [None, where(c, grad, nothing), where(c, nothing, grad)]


@op("SelectV2")
def select_v2(xp: Any, condition: Any, t: Any, e: Any) -> Any:
    """Elements of `t` where `condition` holds, of `e` elsewhere, with NumPy's broadcasting of all three."""
    return xp.where(condition, t, e)


@select_v2.shape
def select_v2_shape(condition: Any, t: Any, e: Any) -> Any:
    return broadcast_static(condition, broadcast_static(t, e))


@select_v2.gradient
def select_v2_grad(made: Any, grad: Tensor) -> list[Any]:
    c, x, y = made.inputs
    nothing = zeros([], dtype=grad.dtype.base_dtype)
    gx = where_v2(c, grad, nothing)
    x_shape, out_shape = shape(x), shape(made.outputs[0])
    gx = _summed_to(gx, x_shape, out_shape)
    gy = where_v2(c, nothing, grad)
    return [None, gx, _summed_to(gy, shape(y), out_shape)]


def _summed_to(x: Tensor, wanted: Tensor, broadcast: Tensor) -> Tensor:
    axes, _ = raw_op("BroadcastGradientArgs")(wanted, broadcast)
    return reshape(raw_op("Sum")(x, axes, keep_dims=True), wanted)


@op("Where", host=True, differentiable=False)
def where_op(xp: Any, condition: Any) -> Any:
    """Row-major coordinates of the true (non-zero) elements, one row each.

    How many rows there are depends on the values, so the op runs on the host, between two device stages; the stage
    after it is compiled for the size that came out.
    """
    condition = np.asarray(condition)
    if not condition.ndim:
        raise kernel_error("where needs at least one dimension, but the condition is a scalar")
    return np.argwhere(condition)


@where_op.shape
def where_shape(condition: Any) -> Any:
    return (None, None if condition is None else len(condition))


@public("where")
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """Where `condition` holds; or elements of `x` where it does, and of `y` elsewhere.

    Args:
        condition: bool.
        x: any dtype, of the shape of `condition`; or `condition` is a vector and chooses whole rows of `x`.
        y: as `x`.
        name: the op's name.

    Returns:
        With `x` and `y`: a tensor of their shape. Without: int64, shape `[n, rank]`, the coordinates of the `n` true
        elements in row-major order.

    >>> sess.run(tf.where([True, False, True]))
    array([[0],
           [2]])
    """
    return _where(condition, x, y, name, select)


@public("where_v2", "compat.v2.where")
def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """As `where`, with NumPy's broadcasting of `condition`, `x` and `y`."""
    return _where(condition, x, y, name, select_v2)


def _where(condition: Any, x: Any, y: Any, name: str | None, build: Any) -> Tensor:
    if x is None and y is None:
        with name_scope(name, "Where", [condition]) as scope:
            condition = convert_to_tensor(condition, preferred_dtype=dtypes.bool, name="condition")
            return where_op(condition, name=scope)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return build(condition, x, y, name=name)


@public("boolean_mask")
def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The elements (or slices) of `tensor` at which `mask` is true.

    Args:
        tensor: any dtype, shape `s`.
        mask: bool, of known rank `k` > 0, shape `s[axis:axis+k]`.
        name: the ops' scope.
        axis: int, 0 by default.

    Raises:
        ValueError: if the shapes do not fit.

    >>> sess.run(tf.boolean_mask([1, 2, 3], [True, False, True]))
    array([1, 3], dtype=int32)
    """
    with name_scope(name, values=[tensor, mask]):
        tensor = convert_to_tensor(tensor, name="tensor")
        mask = convert_to_tensor(mask, name="mask")
        n = mask._rank
        if n == 0:
            raise ValueError("mask cannot be scalar.")
        if n is None:
            raise ValueError(
                "Number of mask dimensions must be specified, even if some dimensions are None.  E.g. shape=[None] is "
                "ok, but shape=None is not."
            )
        axis = 0 if axis is None else axis
        sizes = tensor.shape
        sizes[axis : axis + n].assert_is_compatible_with(mask.shape)
        masked = raw_op("Prod")(shape(tensor)[axis : axis + n], [0])
        flat = reshape(tensor, concat([shape(tensor)[:axis], [masked], shape(tensor)[axis + n :]], 0))
        count = sizes[axis : axis + n].num_elements()
        flat.set_shape(shapes.as_shape(sizes[:axis]).concatenate([count]).concatenate(sizes[axis + n :]))
        chosen = squeeze(where(reshape(mask, [-1])), axis=[1])
        return gather(flat, chosen, axis=axis)


# By value


def _firsts(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows are the first of their kind, in order; which of those each row equals; how many equal each."""
    flat = x.reshape(x.shape[0], -1) if x.ndim > 1 else x
    if x.dtype == object:
        seen: dict[Any, int] = {}
        rows = [tuple(row) for row in flat] if flat.ndim > 1 else flat.tolist()
        number = np.array([seen.setdefault(row, len(seen)) for row in rows], np.int64)
        first = np.zeros(len(seen), np.int64)
        first[number[::-1]] = np.arange(len(rows))[::-1]
    else:
        _, at, inverse = np.unique(flat, return_index=True, return_inverse=True, axis=0, equal_nan=False)
        order = np.argsort(at, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        first, number = at[order], rank[inverse.reshape(-1)]
    return first, number, np.bincount(number, minlength=len(first))


def _unique(x: Any, axis: int | None, out_idx: Any) -> tuple[Any, Any, Any]:
    x = np.asarray(x)
    if axis is None:
        if x.ndim != 1:
            raise kernel_error("unique expects a 1D vector.")
        axis = 0
    if x.size == 0 and x.ndim > 1 and x.shape[axis]:
        first, number = np.zeros(1, np.int64), np.zeros(x.shape[axis], np.int64)
        counts = np.array([x.shape[axis]])
    else:
        first, number, counts = _firsts(np.moveaxis(x, axis, 0))
    return np.take(x, first, axis), number.astype(out_idx.np), counts.astype(out_idx.np)


def _axis_of(axis: Any, x: Any) -> int | None:
    named = np.ravel(axis).tolist()
    if len(named) > 1:
        raise kernel_error("axis does not support multiple axes")
    if not named:
        return None
    n = np.ndim(x)
    if not -n <= named[0] < n:
        raise kernel_error(f"axis has to be in [{-n}, {n}), but is {named[0]}")
    return named[0] % n


@op("Unique", host=True)
def unique_op(xp: Any, x: Any, *, out_idx: Any) -> Any:
    """The distinct elements of a vector in order of appearance, and which of them each element is."""
    return _unique(x, None, out_idx)[:2]


@unique_op.shape
def unique_shape(x: Any) -> Any:
    with_rank(x, 1)
    return [(None,), x]


@op("UniqueWithCounts", host=True, differentiable=False)
def unique_with_counts_op(xp: Any, x: Any, *, out_idx: Any) -> Any:
    """As Unique, and how often each distinct element is there."""
    return _unique(x, None, out_idx)


@unique_with_counts_op.shape
def unique_with_counts_shape(x: Any) -> Any:
    return [(None,), x, (None,)]


@op("UniqueV2", host=True, differentiable=False)
def unique_v2_op(xp: Any, x: Any, axis: Any, *, out_idx: Any) -> Any:
    """The distinct slices along an axis in order of appearance, and which of them each slice is."""
    return _unique(x, _axis_of(axis, x), out_idx)[:2]


@unique_v2_op.shape
def unique_v2_shape(x: Any, axis: Any) -> Any:
    return [(None,), x]


@op("UniqueWithCountsV2", host=True, differentiable=False)
def unique_with_counts_v2_op(xp: Any, x: Any, axis: Any, *, out_idx: Any) -> Any:
    """As UniqueV2, and how often each distinct slice is there."""
    return _unique(x, _axis_of(axis, x), out_idx)


@unique_with_counts_v2_op.shape
def unique_with_counts_v2_shape(x: Any, axis: Any) -> Any:
    return [(None,), x, (None,)]


@public("unique")
def unique(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """The distinct elements of a vector.

    Args:
        x: any dtype, shape `[n]`.
        out_idx: int32 or int64: the type of `idx`.
        name: the op's name.

    Returns:
        A named tuple: `y`, the distinct elements in order of appearance; `idx`, shape `[n]`, so that `y[idx] == x`.

    >>> [part.tolist() for part in sess.run(tf.unique([7, 3, 7]))]
    [[7, 3], [0, 1, 0]]
    """
    return unique_op(x, out_idx, name)


@public("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = dtypes.int32, name: str | None = None) -> Any:
    """The distinct elements of a vector and how often each is there.

    Args:
        x: any dtype, shape `[n]`.
        out_idx: int32 or int64: the type of `idx` and `count`.
        name: the op's name.

    Returns:
        A named tuple: `y` and `idx` as from `unique`; `count`, of the length of `y`.
    """
    return unique_with_counts_op(x, out_idx, name)


@op("ListDiff", host=True, differentiable=False)
def list_diff(xp: Any, x: Any, y: Any, *, out_idx: Any) -> Any:
    """The elements of `x` that are not in `y`, and their numbers."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 1 or y.ndim != 1:
        raise kernel_error("x and y should be 1D vectors.")
    if x.dtype == object:
        gone = set(y.tolist())
        kept = np.array([i for i, v in enumerate(x.tolist()) if v not in gone], np.int64)
    else:
        kept = np.flatnonzero(~np.isin(x, y))
    return x[kept], kept.astype(out_idx.np)


@list_diff.shape
def list_diff_shape(x: Any, y: Any) -> Any:
    with_rank(x, 1)
    with_rank(y, 1)
    return [(None,), (None,)]


@public("setdiff1d")
def setdiff1d(x: Any, y: Any, index_dtype: Any = dtypes.int32, name: str | None = None) -> Any:
    """The elements of the vector `x` that are not in the vector `y`.

    Args:
        x: any dtype, shape `[n]`.
        y: the same dtype, shape `[m]`.
        index_dtype: int32 or int64: the type of `idx`.
        name: the op's name.

    Returns:
        A named tuple: `out`, those elements in order; `idx`, their numbers in `x`.
    """
    return list_diff(x, y, index_dtype, name)


@public("sparse.mask", "sparse_mask")
def sparse_mask(a: Any, mask_indices: Any, name: str | None = None) -> sparse.IndexedSlices:
    """The rows of the `IndexedSlices` `a` whose indices are not among `mask_indices`."""
    with name_scope(name, "sparse_mask", [a, mask_indices]) as scope:
        indices, rows = list_diff(a.indices, mask_indices)
        return sparse.IndexedSlices(gather(a.values, rows, name=scope), indices, a.dense_shape)


# By a number that says which part


@op("DynamicPartition", host=True)
def dynamic_partition(xp: Any, data: Any, partitions: Any, *, num_partitions: int) -> Any:
    """`num_partitions` arrays: row `i` of `data` goes to the array with number `partitions[i]`."""
    data, partitions = np.asarray(data), np.asarray(partitions)
    k = partitions.ndim
    if data.shape[:k] != partitions.shape:
        raise kernel_error(
            f"data.shape must start with partitions.shape, got data.shape = {shapes.bracket_text(data.shape)}, "
            f"partitions.shape = {shapes.bracket_text(partitions.shape)}"
        )
    outside = (partitions < 0) | (partitions >= num_partitions)
    if outside.any():
        at = tuple(np.argwhere(outside)[0])
        where = f"[{','.join(map(str, at))}]" if at else ""
        raise kernel_error(f"partitions{where} = {partitions[at]} is not in [0, {num_partitions})")
    flat, rows = partitions.reshape(-1), data.reshape((partitions.size, *data.shape[k:]))
    ends = np.cumsum(np.bincount(flat, minlength=num_partitions))
    return tuple(np.split(rows[np.argsort(flat, kind="stable")], ends[:-1]))


@dynamic_partition.shape
def dynamic_partition_shape(data: Any, partitions: Any, *, num_partitions: int) -> Any:
    if partitions is None or data is None:
        return [None] * num_partitions
    merge(data[: len(partitions)], partitions)
    return [(None, *data[len(partitions) :])] * num_partitions


def _stitched(indices: Any, data: Any) -> Any:
    n = max((int(np.max(i)) + 1 for i in indices if np.size(i)), default=0)
    rest = np.asarray(data[0]).shape[np.ndim(indices[0]) :]
    out = np.zeros((n, *rest), np.asarray(data[0]).dtype)
    if out.dtype == object:
        out[...] = b""
    for i, (numbers, rows) in enumerate(zip(indices, data, strict=True)):
        numbers, rows = np.asarray(numbers), np.asarray(rows)
        if rows.shape != numbers.shape + rest:
            raise kernel_error(
                f"data[{i}].shape must start with indices[{i}].shape and end with {shapes.bracket_text(rest)}, got "
                f"{shapes.bracket_text(rows.shape)} and {shapes.bracket_text(numbers.shape)}"
            )
        if np.size(numbers) and numbers.min() < 0:
            raise kernel_error(f"indices[{i}] is out of range")
        out[numbers.reshape(-1)] = rows.reshape((numbers.size, *rest))
    return out


def _stitch_shape(indices: list[Shape], data: list[Shape]) -> Shape:
    rest: Shape = None
    for i, (numbers, rows) in enumerate(zip(indices, data, strict=True)):
        if numbers is None or rows is None:
            continue
        if len(rows) < len(numbers):
            raise ShapeError(f"data[{i}] must have at least the rank of indices[{i}]")
        merge(rows[: len(numbers)], numbers)
        rest = merge(rest, rows[len(numbers) :])
    return None if rest is None else (None, *rest)


@op("DynamicStitch", host=True)
def dynamic_stitch(xp: Any, indices: Any, data: Any) -> Any:
    """One array of several: row `j` of `data[i]` becomes row `indices[i][j]`; of two, the later one stays."""
    return _stitched(indices, data)


@op("ParallelDynamicStitch", host=True)
def parallel_dynamic_stitch(xp: Any, indices: Any, data: Any) -> Any:
    """As DynamicStitch."""
    return _stitched(indices, data)


def _known_stitch_shape(made: Any) -> Any:
    n = len(made.inputs) // 2
    sizes = [t.static_shape for t in made.inputs]
    found = _stitch_shape(sizes[:n], sizes[n:])
    if found is None:
        return [None]
    numbers = [static_values.known_value(t) for t in made.inputs[:n]]
    if any(v is None for v in numbers):
        return [found]
    return [(max((int(v.max()) + 1 for v in numbers if v.size), default=0), *found[1:])]  # type: ignore[union-attr]  # none of them is None


dynamic_stitch.shape_from_op(_known_stitch_shape)
parallel_dynamic_stitch.shape_from_op(_known_stitch_shape)
public("dynamic_partition")(dynamic_partition)
public("dynamic_stitch")(dynamic_stitch)

__all__ = ["boolean_mask", "dynamic_partition", "dynamic_stitch", "select", "unique", "where", "where_v2"]
