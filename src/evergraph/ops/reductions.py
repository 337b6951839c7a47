"""Reductions: sums, means, products, extremes and logic over some axes of a tensor.

Their gradients need the shape that the result would have with its axes kept at size one. When the input's shape is
known it is worked out here and put into the graph as a constant; TensorFlow also leaves the ops that it had worked the
shape out with in the graph, once per shape and axes, and so do we, for the names that come after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, comparisons, complex_parts, elementwise, sequences, static_values
from evergraph.ops.constant import constant
from evergraph.ops.opdef import Op, kernel_error, op, raw_op

NARROW = frozenset((dtypes.float16.np, dtypes.bfloat16.np))
"""Types whose sums are taken in float32."""


def reduction_axes(x: Any, axes: Any) -> tuple[int, ...]:
    """The axes to reduce, counted from the front.

    Raises:
        InvalidArgumentError: for an axis that `x` does not have.
    """
    rank = x.ndim
    found = []
    for axis in np.ravel(axes).tolist():
        if not -rank <= axis < rank:
            raise kernel_error(f"Invalid reduction dimension ({axis} for input with {rank} dimension(s)")
        found.append(axis % rank)
    return tuple(sorted(set(found)))


def reduced_static(input: Shape, axes: Any, *, keep_dims: bool) -> Shape:
    """The static shape of a reduction."""
    given = np.array(axes, object)
    if given.ndim > 1:
        raise ShapeError(f"Shape must be at most rank 1 but is rank {given.ndim}")
    if input is None:
        return None
    rank = len(input)
    if axes is None:
        return (None,) * rank if keep_dims else None
    chosen = set()
    for axis in given.ravel().tolist():
        if axis is None:
            return (None,) * rank if keep_dims else None
        if not -rank <= axis < rank:
            raise ShapeError(f"Invalid reduction dimension {axis} for input with {rank} dimensions.")
        chosen.add(axis % rank)
    if keep_dims:
        return tuple(1 if i in chosen else d for i, d in enumerate(input))
    return tuple(d for i, d in enumerate(input) if i not in chosen)


def reduction(op_name: str, compute: Callable[..., Any], doc: str, differentiable: bool | None = None) -> Op:
    """Declare a reduction: `compute(xp, x, axes, keepdims)`."""

    def kernel(xp: Any, input: Any, reduction_indices: Any, *, keep_dims: bool) -> Any:
        return compute(xp, input, reduction_axes(input, reduction_indices), keep_dims)

    kernel.__name__ = op_name
    kernel.__doc__ = doc
    declared = op(op_name, static=("reduction_indices",), shape=reduced_static, differentiable=differentiable)(kernel)
    declared.opdef.shape_attrs = ("keep_dims",)
    return declared


def _sum(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if x.dtype in NARROW:
        return xp.sum(x.astype(np.float32), axis=axes, keepdims=keepdims).astype(x.dtype)
    return xp.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


def _mean(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    if x.dtype.kind in "iu":
        total = xp.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
        return arithmetic.truncated_quotient(xp, total, x.dtype.type(max(count, 1)))
    if x.dtype in NARROW:
        return _mean(xp, x.astype(np.float32), axes, keepdims).astype(x.dtype)
    total = xp.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
    return total / x.dtype.type(count) if count else total * x.dtype.type(np.nan)


def _prod(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return xp.prod(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


def lowest(dtype: np.dtype) -> Any:
    """The smallest number of a type: what the maximum of nothing is."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return dtype.type(-np.inf)


def highest(dtype: np.dtype) -> Any:
    """The greatest number of a type: what the minimum of nothing is."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).max
    return dtype.type(np.inf)


def without_nan(xp: Any, x: Any, instead: Any) -> Any:
    return x if x.dtype.kind in "iub" else xp.where(xp.isnan(x), x.dtype.type(instead), x)


def _max(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    least = lowest(x.dtype)
    return xp.max(without_nan(xp, x, least), axis=axes, keepdims=keepdims, initial=least)


def _min(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    greatest = highest(x.dtype)
    return xp.min(without_nan(xp, x, greatest), axis=axes, keepdims=keepdims, initial=greatest)


def _euclidean_norm(xp: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if all(x.shape[axis] == 1 for axis in axes):  # where nothing is summed up, TensorFlow's kernels pass the input on
        return x if keepdims else xp.squeeze(x, axis=axes)
    squares = x * xp.conj(x)
    return xp.sqrt(_sum(xp, squares, axes, keepdims).astype(np.float64 if x.dtype.kind in "iu" else x.dtype))


sum_op = reduction("Sum", _sum, "The sum over some axes.")
mean_op = reduction("Mean", _mean, "The mean over some axes; for integers it is cut off.")
prod_op = reduction("Prod", _prod, "The product over some axes.")
max_op = reduction("Max", _max, "The greatest element over some axes; NaN is passed over.")
min_op = reduction("Min", _min, "The smallest element over some axes; NaN is passed over.")
all_op = reduction("All", lambda xp, x, axes, keepdims: xp.all(x, axis=axes, keepdims=keepdims), "Logical and.", False)
any_op = reduction("Any", lambda xp, x, axes, keepdims: xp.any(x, axis=axes, keepdims=keepdims), "Logical or.", False)
euclidean_norm_op = reduction("EuclideanNorm", _euclidean_norm, "The root of the sum of squares.", False)


# Public functions


def given(new: Any, new_name: str, old: Any, old_name: str) -> Any:
    """The value of an argument that has an older name too.

    Raises:
        ValueError: if it was given under both.
    """
    if old is not None:
        if new is not None:
            raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'")
        return old
    return new


def axes_or_all(x: Any, axis: Any) -> Any:
    """`axis` as given, or, for None, all axes of `x`: a constant if its rank is known."""
    if axis is not None:
        return axis
    if isinstance(x, SparseTensor):
        static = x.dense_shape.static_shape
        rank = static[0] if static else None
    else:
        rank = x._rank if isinstance(x, Tensor) else None  # TF asks a variable's rank at run time
    if rank is not None:
        return constant(np.arange(rank), dtype=dtypes.int32)
    return sequences.range_(0, array.rank(x))


def _reduce(declared: Op, input_tensor: Any, axis: Any, keepdims: Any, name: str | None) -> Tensor:
    keepdims = bool(keepdims) if keepdims is not None else False
    result = declared(input_tensor, axes_or_all(input_tensor, axis), keepdims, name=name)
    if axis is None and not keepdims and not shapes.is_static(result.static_shape):
        result.set_shape(())
    return result


_REDUCTIONS = [
    (sum_op, "sum", "Add up the elements over some axes.", "the sum"),
    (mean_op, "mean", "Average the elements over some axes.", "the mean (cut off, for integers)"),
    (prod_op, "prod", "Multiply the elements over some axes.", "the product"),
    (max_op, "max", "Find the greatest element over some axes.", "the maximum"),
    (min_op, "min", "Find the smallest element over some axes.", "the minimum"),
    (all_op, "all", "Find out whether all elements are true over some axes.", "the logical and, bool"),
    (any_op, "any", "Find out whether any element is true over some axes.", "the logical or, bool"),
]

_DOC = """{first}

    Args:
        input_tensor: the tensor to reduce.
        axis: an int, a list of ints or an int tensor: the axes to reduce, negative ones counted from the end; None
            means all.
        keepdims: keep the reduced axes, at size one.
        name: the op's name.
        reduction_indices: the old name of `axis`.
        keep_dims: the old name of `keepdims`.

    Returns:
        {result}, without the reduced axes.
    """


def _public_reduction(declared: Op, word: str, first: str, result: str) -> Callable[..., Tensor]:
    def reduce(
        input_tensor: Any,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        axis = given(axis, "axis", reduction_indices, "reduction_indices")
        keepdims = given(keepdims, "keepdims", keep_dims, "keep_dims")
        return _reduce(declared, input_tensor, axis, keepdims, name)

    reduce.__name__ = reduce.__qualname__ = f"reduce_{word}"
    reduce.__doc__ = _DOC.format(first=first, result=result)
    return public(f"math.reduce_{word}", f"reduce_{word}")(reduce)


reduce_sum, reduce_mean, reduce_prod, reduce_max, reduce_min, reduce_all, reduce_any = (
    _public_reduction(*row) for row in _REDUCTIONS
)


@public("math.reduce_euclidean_norm")
def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The square root of the sum of the squared elements over some axes."""
    return _reduce(euclidean_norm_op, input_tensor, axis, keepdims, name)


@public("math.count_nonzero", "count_nonzero")
def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = dtypes.int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """Count the elements that are not zero over some axes.

    Args:
        input_tensor: numbers, booleans or strings (of which the empty ones count as zero).
        axis: the axes to reduce; None means all.
        keepdims: keep the reduced axes, at size one.
        dtype: the type of the counts.
        name: the scope of the ops.
        reduction_indices: the old name of `axis`.
        keep_dims: the old name of `keepdims`.
        input: the new name of `input_tensor`.
    """
    keepdims = given(keepdims, "keepdims", keep_dims, "keep_dims")
    axis = given(axis, "axis", reduction_indices, "reduction_indices")
    if input is not None:
        if input_tensor is not None:
            raise ValueError("Cannot specify both 'input_tensor' and 'input'")
        input_tensor = input
    with name_scope(name, "count_nonzero", [input_tensor]):
        x = convert_to_tensor(input_tensor, name="input")
        zero = constant("", dtype=x.dtype) if x.dtype.base_dtype is dtypes.string else array.zeros([], dtype=x.dtype)
        is_counted = cast.cast(comparisons.not_equal_op(x, zero), dtypes.int64)
        return cast.cast(reduce_sum(is_counted, axis=axis, keepdims=bool(keepdims)), dtype)


@public("math.reduce_variance")
def reduce_variance(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The variance (the mean squared distance from the mean) over some axes."""
    with name_scope(name or "reduce_variance"):
        means = reduce_mean(input_tensor, axis=axis, keepdims=True)
        return reduce_mean(elementwise.square(input_tensor - means), axis=axis, keepdims=keepdims)


@public("math.reduce_std")
def reduce_std(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None) -> Tensor:
    """The standard deviation over some axes."""
    with name_scope(name or "reduce_std"):
        return elementwise.sqrt(reduce_variance(input_tensor, axis=axis, keepdims=keepdims))


@public("math.reduce_logsumexp", "reduce_logsumexp")
def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """`log(sum(exp(x)))` over some axes, without overflow.

    Args:
        input_tensor: floating point.
        axis: the axes to reduce; None means all.
        keepdims: keep the reduced axes, at size one.
        name: the scope of the ops.
        reduction_indices: the old name of `axis`.
        keep_dims: the old name of `keepdims`.
    """
    axis = given(axis, "axis", reduction_indices, "reduction_indices")
    keepdims = bool(given(keepdims, "keepdims", keep_dims, "keep_dims"))
    x = convert_to_tensor(input_tensor)
    with name_scope(name, "ReduceLogSumExp", [x]):
        raw_max = reduce_max(x, axis=axis, keepdims=True)
        is_finite = elementwise.is_finite(raw_max)
        peak = array.stop_gradient(array.where(is_finite, raw_max, array.zeros_like(raw_max)))
        shifted = arithmetic.sub(x, peak)
        result = elementwise.log(reduce_sum(elementwise.exp(shifted), axis, keepdims=keepdims))
        if not keepdims:
            peak = array.reshape(peak, array.shape(result))
        result = arithmetic.add(result, peak)
        if axis is None and not keepdims and not shapes.is_static(result.static_shape):
            result.set_shape(())
        return result


# Gradients


def reduced_shape(input_shape: Any, axes: Any) -> Tensor:
    """Build the shape that a reduction has when its axes are kept at size one."""
    input_shape = cast.cast(input_shape, dtypes.int32)
    axes = cast.cast(axes, dtypes.int32)
    rank = array.size(input_shape)
    axes = (axes + rank) % rank
    axes_shape = array.shape(axes)
    return raw_op("DynamicStitch")([sequences.range_(rank), axes], [input_shape, raw_op("Fill")(axes_shape, 1)])


def _safe_shape_div(x: Any, y: Any) -> Any:
    return x // arithmetic.maximum(y, 1)


_CACHE = "reduced_shape"


def sum_grad_of(made: Operation, grad: Any) -> Tensor:
    """Spread the gradient of a sum over what was summed."""
    x, reduction_indices = made.inputs
    static = x.static_shape
    axes = None if static is None else static_values.get_static_value(reduction_indices)
    if static is not None and axes is not None:
        rank = len(static)
        if np.array_equal(axes, np.arange(rank)):
            grad = array.reshape(grad, [1] * rank)
            shape = constant(static, dtype=dtypes.int32) if None not in static else array.shape(x)
            return raw_op("Tile")(grad, shape)
        if shapes.is_static(static):
            kept, scaling = _kept_and_scaling(static, tuple(axes.reshape(-1).tolist()))
            return raw_op("Tile")(array.reshape(grad, kept), scaling)
    input_shape = array.shape(x)
    with get_default_graph().colocate_with(input_shape.op):
        kept_shape = reduced_shape(input_shape, reduction_indices)
        tiles = _safe_shape_div(input_shape, kept_shape)
    return raw_op("Tile")(array.reshape(grad, kept_shape), tiles)


def _kept_and_scaling(static: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    known = get_default_graph()._attachments.setdefault(_CACHE, {})
    if (static, axes) not in known:
        reduced_shape(static, axes)
        chosen = {axis % len(static) for axis in axes}
        kept = tuple(1 if i in chosen else d for i, d in enumerate(static))
        _safe_shape_div(static, kept)
        scaling = tuple(d // max(k, 1) for d, k in zip(static, kept))
        known[static, axes] = kept, scaling
    return known[static, axes]


@sum_op.gradient
def sum_grad(made: Operation, grad: Any) -> list[Tensor | None]:
    return [sum_grad_of(made, grad), None]


@mean_op.gradient
def mean_grad(made: Operation, grad: Any) -> tuple[Tensor, None]:
    spread = sum_grad_of(made, grad)
    input_shape, output_shape = made.inputs[0].static_shape, made.outputs[0].static_shape
    if shapes.is_static(input_shape) and shapes.is_static(output_shape):
        count = (shapes.size_of(input_shape) or 0) // max(shapes.size_of(output_shape) or 0, 1)
        factor = constant(count, dtype=spread.dtype)
    else:
        shape_in, shape_out = array.shape(made.inputs[0]), array.shape(made.outputs[0])
        factor = _safe_shape_div(reduce_prod(shape_in), reduce_prod(shape_out))
    return arithmetic.truediv(spread, cast.cast(factor, spread.dtype)), None


def _extreme_grad(made: Operation, grad: Any) -> list[Tensor | None]:
    x, axes = made.inputs
    kept_shape = reduced_shape(array.shape(x), axes)
    y = array.reshape(made.outputs[0], kept_shape)
    grad = array.reshape(grad, kept_shape)
    indicators = cast.cast(comparisons.equal(y, x), grad.dtype)
    number = array.reshape(reduce_sum(indicators, axes), kept_shape)
    return [indicators / number * grad, None]


max_op.gradient(_extreme_grad)
min_op.gradient(_extreme_grad)


@prod_op.gradient
def prod_grad(made: Operation, grad: Any) -> tuple[Tensor, None]:
    x = made.inputs[0]
    input_shape = array.shape(x)
    axes = array.reshape(made.inputs[1], [-1])
    kept_shape = reduced_shape(input_shape, made.inputs[1])
    tiles = _safe_shape_div(input_shape, kept_shape)
    grad = raw_op("Tile")(array.reshape(grad, kept_shape), tiles)
    # The product of all other elements is the product of those before times that of those after, along one axis
    # that all reduced axes are folded into: right where elements are zero, too.
    with get_default_graph().device("/cpu:0"):
        rank = array.rank(x)
        axes = (axes + rank) % rank
        reduced = cast.cast(axes, dtypes.int32)
        every = sequences.range_(0, rank)
        other, _ = raw_op("ListDiff")(every, reduced)
        perm = array.concat([reduced, other], 0)
        reduced_number = reduce_prod(array.gather(input_shape, reduced))
        other_number = reduce_prod(array.gather(input_shape, other))
    permuted = array.transpose(x, perm)
    permuted_shape = array.shape(permuted)
    folded = array.reshape(permuted, (reduced_number, other_number))
    before = sequences.cumprod(folded, axis=0, exclusive=True)
    after = sequences.cumprod(folded, axis=0, exclusive=True, reverse=True)
    conj = complex_parts.conj
    y = array.reshape(conj(before) * conj(after), permuted_shape)
    out = grad * array.transpose(y, raw_op("InvertPermutation")(perm))
    return array.reshape(out, input_shape), None
