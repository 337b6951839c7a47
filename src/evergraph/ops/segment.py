"""Reductions over groups of rows.

`segment_ids` says which group each row belongs to. In the *sorted* form (`segment_sum`) the ids increase and the last
one says how many groups there are, so these ops run on the host; in the *unsorted* form that number is given, any
order will do, and a row with a negative id belongs to none.

    unsorted_segment_sum(data=[1, 2, 3, 4], segment_ids=[2, 0, 2, -1], num_segments=3)  ->  [2, 0, 4]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, merge, with_rank, with_rank_at_least
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, comparisons, elementwise
from evergraph.ops.constant import constant
from evergraph.ops.opdef import Op, kernel_error, op, require

_METHODS: dict[str, tuple[np.ufunc, str]] = {
    "sum": (np.add, "add"),
    "prod": (np.multiply, "multiply"),
    "max": (np.maximum, "max"),
    "min": (np.minimum, "min"),
}


def grouped(xp: Any, how: str, rows: Any, ids: Any, count: int, initial: Any) -> Any:
    """Combine the rows of each of `count` groups, starting from `initial`; rows with negative ids are left out."""
    shape = (count, *rows.shape[1:])
    ufunc, method = _METHODS[how]
    start = xp.full(shape, initial, rows.dtype)
    if xp is np:
        inside = (ids >= 0) & (ids < count)
        ids, rows = ids[inside], rows[inside]
        if ids.ndim == 1:
            if not (ids[1:] >= ids[:-1]).all():
                order = ids.argsort(kind="stable")
                ids, rows = ids[order], rows[order]
            # 1,600 rows of 128 float32 into 1,000 groups: half the time of ufunc.at.
            is_first = np.ones(len(ids), bool)
            np.not_equal(ids[1:], ids[:-1], out=is_first[1:])
            firsts = is_first.nonzero()[0]
            if len(firsts) < len(ids):
                ids, rows = ids[firsts], ufunc.reduceat(rows, firsts, axis=0)
            start[ids] = ufunc(start[ids], rows)
        else:
            ufunc.at(start, ids, rows)
        return start
    outside = xp.asarray(count, ids.dtype)
    return getattr(start.at[xp.where(ids < 0, outside, ids)], method)(rows, mode="drop")


def _extremes(dtype: np.dtype) -> tuple[Any, Any]:
    if dtype.kind in "iu":
        limits: Any = np.iinfo(dtype)
    else:
        import ml_dtypes

        limits = ml_dtypes.finfo(dtype)
    return limits.min, limits.max


def _initial(how: str, dtype: np.dtype) -> Any:
    if how in ("max", "min"):
        return _extremes(dtype)[how == "min"]
    return 1 if how == "prod" else 0


# Groups in any order


def _unsorted(how: str) -> Op:
    def kernel(xp: Any, data: Any, segment_ids: Any, num_segments: Any) -> Any:
        if num_segments.ndim:
            raise kernel_error(f"num_segments should be a scalar, not shape {bracket_text(num_segments.shape)}")
        count = num_segments.item()
        rank = segment_ids.ndim
        if data.shape[:rank] != segment_ids.shape:
            raise kernel_error(
                f"data.shape = {bracket_text(data.shape)} does not start with segment_ids.shape = "
                f"{bracket_text(segment_ids.shape)}"
            )
        if count < 0:
            raise kernel_error(f"Input num_segments == {count} must not be negative.")
        ids = xp.reshape(segment_ids, (-1,))
        require(xp, ids < count, lambda: _out_of_range(segment_ids, count))
        rows = xp.reshape(data, (ids.shape[0], *data.shape[rank:]))
        return grouped(xp, how, rows, ids, count, _initial(how, data.dtype))

    kernel.__name__ = f"UnsortedSegment{how.capitalize()}"
    kernel.__doc__ = f"The {how} over the rows of each group; rows with negative ids are left out."
    declared = op(kernel.__name__, static=("num_segments",), shape=_unsorted_shape)(kernel)
    return public(f"math.unsorted_segment_{how}", f"unsorted_segment_{how}")(declared)


def _out_of_range(ids: Any, count: int) -> Exception:
    first = tuple(np.argwhere(np.asarray(ids) >= count)[0])
    where = ",".join(str(i) for i in first)
    return kernel_error(f"segment_ids[{where}] = {np.asarray(ids)[first]} is out of range [0, {count})")


def _unsorted_shape(data: Shape, segment_ids: Shape, num_segments: Any) -> Shape:
    if data is None or segment_ids is None:
        return None
    merge(data[: len(segment_ids)], segment_ids)
    return (None if num_segments is None else int(num_segments), *data[len(segment_ids) :])


unsorted_segment_sum = _unsorted("sum")
unsorted_segment_prod = _unsorted("prod")
unsorted_segment_max = _unsorted("max")
unsorted_segment_min = _unsorted("min")


def _group_sizes(data: Tensor, segment_ids: Tensor, num_segments: Any) -> Tensor:
    """How many rows each group has, at least 1, shaped to divide the groups' sums by."""
    ones = array.ones(array.shape_internal(segment_ids), dtype=data.dtype)
    sizes = unsorted_segment_sum(ones, segment_ids, num_segments)
    inner_rank = len(data.static_shape or ()) - len(segment_ids.static_shape or ())
    return arithmetic.maximum(array.reshape(sizes, [num_segments] + [1] * inner_rank), 1)


@public("math.unsorted_segment_mean", "unsorted_segment_mean")
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The mean over the rows of each group; 0 for a group without rows."""
    with name_scope(name, "UnsortedSegmentMean"):
        data = convert_to_tensor(data)
        segment_ids = convert_to_tensor(segment_ids)
        sizes = _group_sizes(data, segment_ids, num_segments)
        return unsorted_segment_sum(data, segment_ids, num_segments) / sizes


@public("math.unsorted_segment_sqrt_n", "unsorted_segment_sqrt_n")
def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The sum over the rows of each group, divided by the root of their number; 0 for a group without rows."""
    with name_scope(name, "UnsortedSegmentSqrtN"):
        data = convert_to_tensor(data)
        segment_ids = convert_to_tensor(segment_ids)
        sizes = _group_sizes(data, segment_ids, num_segments)
        total = unsorted_segment_sum(data, segment_ids, num_segments)
        return total / elementwise.sqrt(sizes)


# Groups in order


def _number_of_groups(ids: Any) -> int:
    """One more than the last id."""
    count = int(ids[-1]) + 1 if ids.size else 0
    if count < (1 if ids.size else 0):
        raise kernel_error("segment ids must be >= 0")
    return count


def _require_increasing(ids: Any, count: int) -> None:
    """Refuse ids that fall, or that do not count up to `count`: the first group at fault says which."""
    firsts = ids[np.diff(ids, prepend=ids[:1] - 1) != 0]
    falls = np.append(np.diff(firsts) < 0, False)
    outside = (firsts < 0) | (firsts >= count)
    if not (falls | outside).any():
        return
    where = int(np.argmax(falls | outside))
    if falls[where]:
        raise kernel_error("segment ids are not increasing")
    raise kernel_error(
        f"Segment id {firsts[where]} out of range [0, {count}), possibly because 'segment_ids' input is not sorted."
    )


def _sorted(how: str) -> Op:
    def kernel(xp: Any, data: Any, segment_ids: Any) -> Any:
        if segment_ids.ndim != 1 or data.shape[:1] != segment_ids.shape:
            raise kernel_error("segment_ids should be the same size as dimension 0 of input.")
        count = _number_of_groups(segment_ids)
        _require_increasing(segment_ids, count)
        if how == "mean":
            return _means(data, segment_ids, count, sqrt=False)
        result = grouped(np, how, data, segment_ids, count, _initial(how, data.dtype))
        if how in ("max", "min"):  # groups without rows
            result[~np.isin(np.arange(count), segment_ids)] = 0
        return result

    kernel.__name__ = f"Segment{how.capitalize()}"
    kernel.__doc__ = f"The {how} over the rows of each group; 0 (1 for products) for a group without rows."
    declared = op(kernel.__name__, host=True, shape=_sorted_shape)(kernel)
    return public(f"math.segment_{how}", f"segment_{how}")(declared)


def _sorted_shape(data: Shape, segment_ids: Shape) -> Shape:
    with_rank(segment_ids, 1)
    with_rank_at_least(data, 1)
    return None if data is None else (None, *data[1:])


def _means(rows: np.ndarray, ids: np.ndarray, count: int, sqrt: bool) -> np.ndarray:
    sizes = np.maximum(np.bincount(ids[ids >= 0], minlength=count)[:count], 1).astype(np.float64)
    divisor = (np.sqrt(sizes) if sqrt else sizes).astype(rows.dtype).reshape(-1, *[1] * (rows.ndim - 1))
    total = grouped(np, "sum", rows, ids, count, 0)
    return total // divisor if total.dtype.kind in "iu" else total / divisor


segment_sum = _sorted("sum")
segment_mean = _sorted("mean")
segment_prod = _sorted("prod")
segment_max = _sorted("max")
segment_min = _sorted("min")


# Groups of rows picked by index: as a gather and then the sorted form, without the gathered rows in between


def _sparse_segment(suffix: str, sqrt: bool | None) -> tuple[Op, Op]:
    """Declare the op and its twin that is told the number of groups; `sqrt` is None for the plain sum."""

    def picked(data: Any, indices: Any, segment_ids: Any, count: int) -> Any:
        if indices.shape != segment_ids.shape:
            raise kernel_error("segment_ids and indices should have same size.")
        _require_increasing(segment_ids, count)
        outside = (indices < 0) | (indices >= data.shape[0])
        if outside.any():
            where = int(np.argmax(outside))
            raise kernel_error(f"indices[{where}] == {indices[where]} out of range [0, {data.shape[0]})")
        rows = data[indices]
        if sqrt is None:
            return grouped(np, "sum", rows, segment_ids, count, 0)
        return _means(rows, segment_ids, count, sqrt)

    def kernel(xp: Any, data: Any, indices: Any, segment_ids: Any) -> Any:
        return picked(data, indices, segment_ids, _number_of_groups(segment_ids))

    def numbered(xp: Any, data: Any, indices: Any, segment_ids: Any, num_segments: Any) -> Any:
        count = int(num_segments)
        if segment_ids.size and segment_ids[-1] >= count:
            raise kernel_error("segment ids must be < num_segments")
        if count < 0 or (segment_ids.size and count == 0):
            raise kernel_error("segment ids must be >= 0")
        return picked(data, indices, segment_ids, count)

    kernel.__name__ = f"SparseSegment{suffix}"
    numbered.__name__ = f"SparseSegment{suffix}WithNumSegments"
    kernel.__doc__ = numbered.__doc__ = f"The {suffix} over the rows of `data` that `indices` picks for each group."
    plain = op(kernel.__name__, host=True, shape=_sparse_shape)(kernel)
    static = op(numbered.__name__, host=True, static=("num_segments",), shape=_numbered_shape)(numbered)
    return plain, static


def _sparse_shape(data: Shape, indices: Shape, segment_ids: Shape) -> Shape:
    merge(with_rank(indices, 1), with_rank(segment_ids, 1))
    return _sorted_shape(data, segment_ids)


def _numbered_shape(data: Shape, indices: Shape, segment_ids: Shape, num_segments: Any) -> Shape:
    rows = _sparse_shape(data, indices, segment_ids)
    if num_segments is not None and int(num_segments) < 0:
        raise ShapeError("Cannot specify a negative value for num_segments")
    return None if rows is None else (None if num_segments is None else int(num_segments), *rows[1:])


_SPARSE = {"Sum": None, "Mean": False, "SqrtN": True}
_PICKED = {suffix: _sparse_segment(suffix, sqrt) for suffix, sqrt in _SPARSE.items()}


def _public_sparse(suffix: str, word: str) -> Callable[..., Tensor]:
    plain, numbered = _PICKED[suffix]

    def reduce(data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None) -> Tensor:
        if num_segments is not None:
            return numbered(data, indices, segment_ids, num_segments, name=name)
        return plain(data, indices, segment_ids, name=name)

    reduce.__name__ = reduce.__qualname__ = f"sparse_segment_{word}"
    reduce.__doc__ = f"""Reduce the rows of `data` that `indices` picks, group by group ({word}).

    Args:
        data: the rows, shape `[n, ...]`.
        indices: int32 or int64: which rows, in the order of `segment_ids`.
        segment_ids: int32, increasing: the group of each picked row.
        name: the op's name.
        num_segments: how many groups there are; by default the last id and one.
    """
    return public(f"sparse.segment_{word}", f"sparse_segment_{word}")(reduce)


sparse_segment_sum = _public_sparse("Sum", "sum")
sparse_segment_mean = _public_sparse("Mean", "mean")
sparse_segment_sqrt_n = _public_sparse("SqrtN", "sqrt_n")


def _sparse_segment_grad_op(suffix: str, sqrt: bool) -> Op:
    def kernel(xp: Any, grad: Any, indices: Any, segment_ids: Any, output_dim0: Any) -> Any:
        _require_fit(grad, indices, segment_ids, int(output_dim0))
        sizes = np.bincount(segment_ids, minlength=grad.shape[0]).astype(np.float64)
        divisor = (np.sqrt(sizes) if sqrt else sizes).astype(grad.dtype).reshape(-1, *[1] * (grad.ndim - 1))
        return grouped(np, "sum", (grad / np.maximum(divisor, 1))[segment_ids], indices, int(output_dim0), 0)

    kernel.__name__ = f"SparseSegment{suffix}Grad"
    kernel.__doc__ = f"The gradient of SparseSegment{suffix}."
    return op(kernel.__name__, host=True, static=("output_dim0",), shape=_grad_shape, differentiable=False)(kernel)


def _require_fit(grad: Any, indices: Any, segment_ids: Any, rows: int) -> None:
    if indices.shape != segment_ids.shape:
        raise kernel_error("segment_ids and indices should have same size.")
    groups = grad.shape[0]
    if segment_ids.size and segment_ids[-1] >= groups:
        raise kernel_error("Invalid number of segments")
    for what, values, count in (("Segment id", segment_ids, groups), ("Index", indices, rows)):
        outside = (values < 0) | (values >= count)
        if outside.any():
            raise kernel_error(f"{what} {values[np.argmax(outside)]} out of range [0, {count}).")


def _grad_shape(grad: Shape, indices: Shape, segment_ids: Shape, output_dim0: Any) -> Shape:
    return None if grad is None else (None if output_dim0 is None else int(output_dim0), *grad[1:])


_GRAD_OPS = {suffix: _sparse_segment_grad_op(suffix, sqrt) for suffix, sqrt in (("Mean", False), ("SqrtN", True))}


# Gradients


def _sparse_segment_sum_grad(made: Operation, grad: Tensor) -> list[Tensor | None]:
    rows = array.shape(made.inputs[0])[0]
    picked = array.gather(grad, made.inputs[2])
    result = unsorted_segment_sum(picked, made.inputs[1], rows)
    return [result] + [None] * (len(made.inputs) - 1)


def _through_grad_op(suffix: str) -> Callable[..., Any]:
    def rule(made: Operation, grad: Tensor) -> list[Tensor | None]:
        rows = array.shape(made.inputs[0])[0]
        result = _GRAD_OPS[suffix](grad, made.inputs[1], made.inputs[2], rows)
        return [result] + [None] * (len(made.inputs) - 1)

    return rule


for _suffix, _ops in _PICKED.items():
    for _declared in _ops:
        _declared.gradient(_sparse_segment_sum_grad if _suffix == "Sum" else _through_grad_op(_suffix))


@segment_sum.gradient
def segment_sum_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None]:
    return array.gather(grad, made.inputs[1]), None


@segment_mean.gradient
def segment_mean_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None]:
    data, ids = made.inputs
    rank = array.rank(data)
    ones_shape = array.concat([array.shape(ids), array.fill(array.expand_dims(rank - 1, 0), 1)], 0)
    ones = array.fill(ones_shape, constant(1, dtype=grad.dtype))
    return array.gather(grad / segment_sum(ones, ids), ids), None


def _segment_extreme_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None]:
    data, ids = made.inputs
    zeros = array.zeros_like(data, dtype=data.dtype)
    is_selected = comparisons.equal(data, array.gather(made.outputs[0], ids))
    number = segment_sum(cast.cast(is_selected, grad.dtype), ids)
    shared = array.gather(grad / number, ids)
    return array.where(is_selected, shared, zeros), None


segment_max.gradient(_segment_extreme_grad)
segment_min.gradient(_segment_extreme_grad)


def _gather_or_zero(
    params: Tensor, ids: Any, clipped: Any = None, is_inside: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gather rows, with zeros for negative ids; and the parts of the answer that a second call can use."""
    if clipped is None:
        clipped = arithmetic.maximum(ids, array.zeros_like(ids))
    gathered = array.gather(params, clipped)
    if is_inside is None:
        is_inside = comparisons.greater_equal(ids, 0)
        for _ in range(len(gathered.static_shape or ()) - len(is_inside.static_shape or ())):
            is_inside = array.expand_dims(is_inside, -1)
        is_inside = is_inside & array.ones_like(gathered, dtype=dtypes.bool)
    zeros = array.zeros_like(gathered)
    return array.where(is_inside, gathered, zeros), clipped, is_inside


@unsorted_segment_sum.gradient
def unsorted_segment_sum_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None, None]:
    return _gather_or_zero(grad, made.inputs[1])[0], None, None


def _unsorted_extreme_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None, None]:
    data, ids, count = made.inputs
    outputs, clipped, is_inside = _gather_or_zero(made.outputs[0], ids)
    is_selected = comparisons.logical_and(comparisons.equal(data, outputs), is_inside)
    number = unsorted_segment_sum(cast.cast(is_selected, grad.dtype), ids, count)
    shared, _, _ = _gather_or_zero(grad / number, None, clipped, is_inside)
    return array.where(is_selected, shared, array.zeros_like(shared)), None, None


unsorted_segment_max.gradient(_unsorted_extreme_grad)
unsorted_segment_min.gradient(_unsorted_extreme_grad)


@unsorted_segment_prod.gradient
def unsorted_segment_prod_grad(made: Operation, grad: Tensor) -> tuple[Tensor, None, None]:
    data, ids, count = made.inputs
    is_zero = comparisons.equal(data, 0)
    zeros = unsorted_segment_sum(cast.cast(is_zero, dtypes.int32), ids, count)
    # A group with two zeros has no gradient at all; one with a single zero has it at that zero alone.
    grad = array.where(comparisons.greater(zeros, 1), array.zeros_like(grad), grad)
    without_zeros = array.where(is_zero, array.ones_like(data), data)
    product = unsorted_segment_prod(without_zeros, ids, count)
    clipped = arithmetic.maximum(ids, array.zeros_like(ids))
    own_product = array.gather(made.outputs[0], clipped)
    own_product_without_zeros = array.gather(product, clipped)
    partial = array.where(is_zero, own_product_without_zeros, own_product / data)
    own_grad = _gather_or_zero(grad, ids, clipped)[0]
    return own_grad * partial, None, None
