"""Elements chosen by number: gather and gather_nd, and their reverse, scatter_nd; masks made of lengths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, ShapeError, merge, with_rank, with_rank_at_least
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.constant import constant
from evergraph.ops.filling import all_dimensions, ones, zeros, zeros_like
from evergraph.ops.identity import identity
from evergraph.ops.joining import concat, stack, unstack
from evergraph.ops.opdef import kernel_error, op, raw_op, require
from evergraph.ops.rearrange import transpose
from evergraph.ops.scatter import scatter_add, scatter_set, scatter_sub
from evergraph.ops.shaping import expand_dims, rank, reshape, shape, squeeze

# By number, along one axis


def _require_in_range(xp: Any, indices: Any, size: int) -> None:
    def error() -> Exception:
        flat = np.asarray(indices)
        at = np.argwhere((flat < 0) | (flat >= size))[0].tolist()
        where = f"[{','.join(map(str, at))}]" if at else ""
        return kernel_error(f"indices{where} = {flat[tuple(at)]} is not in [0, {size})")

    require(xp, (indices >= 0) & (indices < size), error)


def gathered(xp: Any, params: Any, indices: Any, axis: int = 0, batch_dims: int = 0) -> Any:
    """`params[..., indices, ...]` along `axis`; the first `batch_dims` dimensions go hand in hand."""
    rank = len(params.shape)
    if rank == 0:
        raise kernel_error("params must be at least 1 dimensional")
    if not -rank <= axis < rank:
        raise kernel_error(f"Expected axis in the range [{-rank}, {rank}), but got {axis}")
    axis %= rank
    batch_dims = batch_dims + len(indices.shape) if batch_dims < 0 else batch_dims
    _require_in_range(xp, indices, params.shape[axis])
    if not batch_dims:
        if params.shape[axis] == 0:
            return xp.zeros(params.shape[:axis] + indices.shape + params.shape[axis + 1 :], params.dtype)
        return xp.take(params, indices, axis=axis, mode="clip")
    if axis < batch_dims:
        raise kernel_error(f"batch_dims ({batch_dims}) must be less than or equal to axis ({axis}).")
    if params.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise kernel_error(
            f"params.shape[0:{batch_dims}] = {params.shape[:batch_dims]} must be equal to "
            f"indices.shape[0:{batch_dims}] = {indices.shape[:batch_dims]}"
        )
    batch, outer, inner = params.shape[:batch_dims], params.shape[batch_dims:axis], params.shape[axis + 1 :]
    b, o = int(np.prod(batch)), int(np.prod(outer))
    flat = xp.reshape(params, (b, o, params.shape[axis], *inner))
    numbers = xp.reshape(indices, (b, 1, int(np.prod(indices.shape[batch_dims:]))))
    chosen = xp.asarray(flat)[np.arange(b)[:, None, None], np.arange(o)[None, :, None], numbers]
    return xp.reshape(chosen, (*batch, *outer, *indices.shape[batch_dims:], *inner))


@op("Gather")
def gather_v1_op(xp: Any, params: Any, indices: Any) -> Any:
    """Rows of `params` by number."""
    return gathered(xp, params, indices)


@gather_v1_op.shape
def gather_v1_shape(params: Any, indices: Any) -> Any:
    with_rank_at_least(params, 1)
    return None if params is None or indices is None else (*indices, *params[1:])


@op("GatherV2", static=("axis",))
def gather_op(xp: Any, params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    """Slices of `params` along `axis`, by number."""
    return gathered(xp, params, indices, int(axis), batch_dims)


@gather_op.shape
def gather_shape(params: Any, indices: Any, axis: Any, *, batch_dims: int) -> Any:
    with_rank_at_least(params, 1)
    if isinstance(axis, list):
        raise ShapeError("Shape must be rank 0 but is rank 1")
    along = static_values.whole_int(axis)
    if along is None:
        return None if params is None or indices is None else (None,) * (len(params) + len(indices) - 1)
    with_rank_at_least(params, -along if along < 0 else along + 1)
    with_rank_at_least(params, -batch_dims if batch_dims < 0 else batch_dims + 1)
    if params is None or indices is None:
        return None
    along %= len(params)
    return (*params[:along], *indices[batch_dims:], *params[along + 1 :])


@public("gather")
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """Take slices of `params` along `axis`.

    Args:
        params: any dtype, shape `p`.
        indices: int32 or int64, shape `i`; each in `[0, p[axis])`.
        validate_indices: ignored; indices are always checked.
        name: the op's name.
        axis: int, or a scalar int tensor; negative counts from the end. By default `batch_dims`.
        batch_dims: how many first dimensions `params` and `indices` share.

    Returns:
        `params.dtype`, shape `p[:axis] + i[batch_dims:] + p[axis+1:]`.

    Raises:
        InvalidArgumentError: at run time, for an index out of range.

    >>> sess.run(tf.gather([10, 20, 30], [2, 0]))
    array([30, 10], dtype=int32)
    """
    if axis is None:
        axis = batch_dims
    known = static_values.get_static_value(axis)
    if known is None or known != 0:
        return gather_op(params, indices, axis, batch_dims=batch_dims, name=name)
    if hasattr(params, "sparse_read"):
        return params.sparse_read(indices, name=name)
    return gather_op(params, indices, axis, name=name)


@public("batch_gather")
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Take slices of `params` along the last dimension of `indices`, all dimensions before it in common.

    Args:
        params: any dtype, shape `b + [n] + p`.
        indices: int32 or int64, shape `b + [k]`, rank known.
        name: the ops' scope.

    Returns:
        shape `b + [k] + p`.
    """
    with name_scope(name, "BatchGather", [params, indices]):
        indices = convert_to_tensor(indices, name="indices")
        params = convert_to_tensor(params, name="params")
        if indices.static_shape is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        batch_dims = len(indices.static_shape) - 1
        if batch_dims < 0:
            raise ValueError("batch_dims = -1 must be less than rank(indices) = 0")
        if params.static_shape is not None and batch_dims >= len(params.static_shape):
            raise ValueError(f"batch_dims = {batch_dims} must be less than rank(params) = {len(params.static_shape)}")
        indices_shape, params_shape = shape(indices), shape(params)
        once = ones((), indices.dtype.base_dtype)
        sizes = raw_op("Cast")(params_shape, indices.dtype.base_dtype)
        flat = flat_batch_indices(sizes, indices, batch_dims, raw_op("Range"), once)
        flat = reshape(flat, [-1])
        outer = params_shape[batch_dims + 1 :]
        rows = raw_op("Prod")(params_shape[: batch_dims + 1], [0], False)
        table = reshape(params, concat([[rows], outer], axis=0))
        result = reshape(gather(table, flat), concat([indices_shape, outer], axis=0))
        if params.static_shape is not None:
            batch = merge(indices.static_shape[:batch_dims], params.static_shape[:batch_dims])
            result.set_shape((*batch, *indices.static_shape[batch_dims:], *params.static_shape[batch_dims + 1 :]))  # type: ignore[misc]  # `indices` is of known rank
        return result


def flat_batch_indices(params_shape: Tensor, indices: Tensor, batch_dims: int, numbers_from: Any, step: Any) -> Tensor:
    """Indices into each part of a batch, as indices into the whole batch laid end to end.

    `params_shape` has the type of the indices, and so has `step`, a one; `numbers_from` is the Range op or `tf.range`.
    """
    kind = indices.dtype.base_dtype
    n = len(indices.static_shape or ())
    sizes: Any = params_shape
    made: Any = indices
    for dim in range(batch_dims, 0, -1):
        size = sizes[dim - 1]
        step = step * sizes[dim]
        start, one = zeros((), kind), ones((), kind)
        numbers = numbers_from(start, size, one) * step
        made = made + reshape(numbers, stack([1] * (dim - 1) + [size] + [1] * (n - dim), axis=0))
    return made


# By coordinates


def _coordinates(xp: Any, indices: Any, sizes: Any, error: Any) -> tuple[Any, ...]:
    """The columns of `indices`, checked against `sizes`."""
    depth = indices.shape[-1]
    if depth > len(sizes):
        raise kernel_error(f"index innermost dimension length must be <= params rank; saw: {depth} vs. {len(sizes)}")
    limits = np.array(sizes[:depth], np.int64)
    require(xp, (indices >= 0) & (indices < limits), error)
    return tuple(indices[..., i] for i in range(depth))


def _outside(indices: Any, sizes: Any, what: str) -> Any:
    def error() -> Exception:
        rows = np.asarray(indices)
        bad = ((rows < 0) | (rows >= np.array(sizes[: rows.shape[-1]]))).any(-1)
        at = np.argwhere(bad)[0].tolist()
        return kernel_error(
            f"indices[{','.join(map(str, at))}] = {rows[tuple(at)].tolist()} does not index into {what} "
            f"{shapes.bracket_text(tuple(sizes))}"
        )

    return error


@op("GatherNd")
def gather_nd_op(xp: Any, params: Any, indices: Any) -> Any:
    """Elements (or slices) of `params` at the coordinates in the last dimension of `indices`."""
    if 0 in params.shape and 0 not in indices.shape[:-1] and 0 not in params.shape[indices.shape[-1] :]:
        raise kernel_error(
            "Requested more than 0 entries, but params is empty.  Params shape: "
            f"{shapes.bracket_text(tuple(params.shape))}"
        )
    columns = _coordinates(xp, indices, params.shape, _outside(indices, params.shape, "param shape"))
    if not columns:
        return xp.broadcast_to(params, indices.shape[:-1] + params.shape)
    return xp.asarray(params)[columns]


@gather_nd_op.shape
def gather_nd_shape(params: Any, indices: Any) -> Any:
    with_rank_at_least(indices, 1)
    if params is None or indices is None or indices[-1] is None:
        return None
    if indices[-1] > len(params):
        raise ShapeError(
            "indices.shape[-1] must be <= params.rank, but saw indices shape: "
            f"{shapes.bracket_text(indices)} and params shape: {shapes.bracket_text(params)}"
        )
    return (*indices[:-1], *params[indices[-1] :])


@gather_nd_op.gradient
def gather_nd_grad(made: Any, grad: Any) -> list[Any]:
    params, indices = made.inputs
    sizes = shape(params, out_type=indices.dtype)
    if indices._rank == 2 and indices.static_shape[-1] == 1:
        return [IndexedSlices(grad, squeeze(indices, axis=-1), sizes), None]
    return [scatter_nd(indices, grad, sizes), None]


@public("gather_nd", "manip.gather_nd")
def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """Take the elements, or slices, of `params` at the given coordinates.

    Args:
        params: any dtype, shape `p`.
        indices: int32 or int64, shape `i`; along the last dimension the coordinates of one element, or fewer: of a
            slice.
        name: the op's name.
        batch_dims: how many first dimensions `params` and `indices` share.

    Returns:
        shape `i[:-1] + p[i[-1]:]`.

    Raises:
        InvalidArgumentError: at run time, for an index out of range.

    >>> sess.run(tf.gather_nd([[1, 2], [3, 4]], [[0, 1], [1, 0]]))
    array([2, 3], dtype=int32)
    """
    known = static_values.get_static_value(batch_dims)
    batch_dims = batch_dims if known is None else int(np.ravel(known)[0])
    if batch_dims:
        return batch_gather_nd(params, indices, batch_dims, name)
    if hasattr(params, "gather_nd"):
        return params.gather_nd(indices, name=name)
    return gather_nd_op(params, indices, name=name)


def batch_gather_nd(params: Any, indices: Any, batch_dims: int, name: str | None = None) -> Tensor:
    """`gather_nd` for each element of the first `batch_dims` dimensions, which both operands share."""
    with name_scope(name, "BatchGatherND", [params, indices]):
        indices = convert_to_tensor(indices, name="indices")
        params = convert_to_tensor(params, name="params")
        if batch_dims == 0:
            return gather_nd_op(params, indices, name=name)
        if batch_dims < 0:
            raise ValueError("tf.gather_nd does not allow negative batch_dims.")
        for what, x in (("indices", indices), ("params", params)):
            if x._rank is not None and batch_dims >= x._rank:
                raise ValueError(f"batch_dims = {batch_dims} must be less than rank({what}) = {x._rank}")
        params_shape, indices_shape = shape(params), shape(indices)
        batch_shape = params_shape[:batch_dims]
        batch_size = raw_op("Prod")(batch_shape, [0])
        inner_rank = rank(indices) - batch_dims - 1
        inner_shape = indices_shape[batch_dims:-1]
        cast, number = raw_op("Cast"), raw_op("Range")
        ranges = [cast(number(0, x, 1), indices.dtype) for x in unstack(batch_shape, axis=0)]
        from evergraph.ops.repeating import meshgrid

        flat = [reshape(x, shape=(-1,)) for x in meshgrid(*ranges, indexing="ij")]
        grid = transpose(stack(flat, axis=0))
        grid_shape = shape(grid)
        grid = reshape(grid, concat([grid_shape[:1], ones(inner_rank, dtypes.int32), grid_shape[1:]], axis=0))
        grid = raw_op("Tile")(grid, concat(((1,), inner_shape, (1,)), axis=0))
        rows = reshape(indices, shape=concat(([batch_size], indices_shape[batch_dims:]), axis=0))
        out = gather_nd_op(params, concat((grid, rows), axis=-1))
        return reshape(out, shape=concat((batch_shape, shape(out)[1:]), axis=0))


# Put at coordinates


def _scattered(xp: Any, base: Any, indices: Any, updates: Any, scatter: Any) -> Any:
    if 0 in base.shape and (0 not in indices.shape or 0 not in updates.shape):
        raise kernel_error("Indices and updates specified for empty output shape")
    depth = indices.shape[-1] if indices.shape else 0
    wanted = tuple(indices.shape[:-1]) + tuple(base.shape[depth:])
    if tuple(updates.shape) != wanted:
        raise kernel_error(
            f"Must have updates.shape = indices.shape[:batch_dim] + params_shape[slice_dim:], got updates.shape: "
            f"{shapes.bracket_text(tuple(updates.shape))}, indices.shape: {shapes.bracket_text(tuple(indices.shape))}, "
            f"params_shape: {shapes.bracket_text(tuple(base.shape))}, slice_dim: {depth}, and batch_dim: "
            f"{len(indices.shape) - 1}"
        )
    columns = _coordinates(xp, indices, base.shape, _outside(indices, base.shape, "shape"))
    if not np.prod(updates.shape):
        return base
    base = xp.asarray(base)
    if not columns:
        flat = xp.reshape(updates, (-1, *base.shape))
        columns = (np.zeros(flat.shape[0], np.int32),)
        return scatter(xp, base[None], columns, flat)[0]
    return scatter(xp, base, columns, updates)


@op("ScatterNd", static=("shape",))
def scatter_nd(xp: Any, indices: Any, updates: Any, shape: Any) -> Any:
    """An array of zeros, to which `updates` are added at the coordinates `indices`."""
    sizes = np.ravel(shape).tolist()
    if updates.dtype == object:
        return _scattered(np, np.full(sizes, b"", object), indices, updates, scatter_add)
    if updates.dtype == np.bool_:
        return _scattered(xp, xp.zeros(sizes, updates.dtype), indices, updates, scatter_set)
    return _scattered(xp, xp.zeros(sizes, updates.dtype), indices, updates, scatter_add)


def check_scatter(indices: Shape, updates: Shape, out: Shape, what: str = "output") -> None:
    """Refuse indices and updates that do not fit each other or an output, which messages call `what`."""
    if shapes.size_of(out) == 0 and (shapes.size_of(indices) or shapes.size_of(updates)):
        raise ShapeError("Indices and updates specified for empty output shape")
    with_rank_at_least(indices, 1)
    if indices is None or updates is None or indices[-1] is None:
        return
    outer, depth = len(indices) - 1, indices[-1]
    parts = [(f"outer {outer}", "indices", indices[:-1], updates[:outer])]
    if out is not None:
        parts.append((f"inner {len(out) - depth}", what, out[depth:], updates[outer:]))
    for which, of, expected, found in parts:
        try:
            merge(expected, found)
        except ShapeError as error:
            full = indices if of == "indices" else out
            raise ShapeError(
                f"The {which} dimensions of {of}.shape={shapes.bracket_text(full)} must match the {which} dimensions "
                f"of updates.shape={shapes.bracket_text(updates)}: {error}"
            ) from None


@scatter_nd.shape
def scatter_nd_shape(indices: Any, updates: Any, shape: Any) -> Any:
    out = static_values.as_shape(shape)
    check_scatter(indices, updates, out)
    return out


@scatter_nd.gradient
def scatter_nd_grad(made: Any, grad: Tensor) -> list[Any]:
    return [None, gather_nd(grad, made.inputs[0]), None]


@op("TensorScatterUpdate")
def tensor_scatter_update(xp: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    """`tensor` with `updates` in place of its elements (or slices) at the coordinates `indices`."""
    return _scattered(xp, tensor, indices, updates, scatter_set)


@op("TensorScatterAdd")
def tensor_scatter_add(xp: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    """`tensor` with `updates` added to its elements (or slices) at the coordinates `indices`."""
    return _scattered(xp, tensor, indices, updates, scatter_add)


@op("TensorScatterSub")
def tensor_scatter_sub(xp: Any, tensor: Any, indices: Any, updates: Any) -> Any:
    """`tensor` with `updates` subtracted from its elements (or slices) at the coordinates `indices`."""
    return _scattered(xp, tensor, indices, updates, scatter_sub)


@op("ScatterNdNonAliasingAdd")
def scatter_nd_non_aliasing_add(xp: Any, input: Any, indices: Any, updates: Any) -> Any:
    """`input` with `updates` added to its elements (or slices) at the coordinates `indices`."""
    return _scattered(xp, input, indices, updates, scatter_add)


def _tensor_scatter_shape(tensor: Any, indices: Any, updates: Any) -> Any:
    check_scatter(indices, updates, tensor)
    return tensor


for _op in (tensor_scatter_update, tensor_scatter_add, tensor_scatter_sub, scatter_nd_non_aliasing_add):
    _op.shape(_tensor_scatter_shape)


@tensor_scatter_update.gradient
def tensor_scatter_update_grad(made: Any, grad: Tensor) -> list[Any]:
    _, indices, updates = made.inputs
    chosen = gather_nd(grad, indices)
    rest = tensor_scatter_update(identity(grad), indices, zeros_like(updates, dtype=grad.dtype))
    return [rest, None, chosen]


@tensor_scatter_add.gradient
def tensor_scatter_add_grad(made: Any, grad: Tensor) -> list[Any]:
    chosen = gather_nd(grad, made.inputs[1])
    return [identity(grad), None, chosen]


@tensor_scatter_sub.gradient
def tensor_scatter_sub_grad(made: Any, grad: Tensor) -> list[Any]:
    chosen = gather_nd(grad, made.inputs[1])
    rest = identity(grad)
    return [rest, None, raw_op("Neg")(chosen)]


@scatter_nd_non_aliasing_add.gradient
def scatter_nd_non_aliasing_add_grad(made: Any, grad: Tensor) -> list[Any]:
    return [grad, None, gather_nd(grad, made.inputs[1])]


public("scatter_nd", "manip.scatter_nd")(scatter_nd)
public("tensor_scatter_update", "tensor_scatter_nd_update")(tensor_scatter_update)
public("tensor_scatter_add", "tensor_scatter_nd_add")(tensor_scatter_add)
public("tensor_scatter_sub", "tensor_scatter_nd_sub")(tensor_scatter_sub)

# Masks and numbers


@public("sequence_mask")
def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool, name: str | None = None) -> Tensor:
    """A mask that is true for the first `lengths[i]` entries of row `i`.

    Args:
        lengths: an integer dtype, shape `s`.
        maxlen: the length of the rows, a scalar; by default the largest of `lengths`.
        dtype: the type of the result.
        name: the ops' scope.

    Returns:
        shape `s + [maxlen]`.

    >>> sess.run(tf.sequence_mask([1, 3], dtype=tf.int32))
    array([[1, 0, 0],
           [1, 1, 1]], dtype=int32)
    """
    with name_scope(name, "SequenceMask", [lengths, maxlen]):
        lengths = convert_to_tensor(lengths)
        if maxlen is None:
            maxlen = raw_op("Max")(lengths, all_dimensions(lengths))
            maxlen = raw_op("Maximum")(constant(0, maxlen.dtype), maxlen)
        else:
            maxlen = convert_to_tensor(maxlen)
        if maxlen.static_shape:
            raise ValueError("maxlen must be scalar for sequence_mask")
        kind = maxlen.dtype
        row = raw_op("Range")(constant(0, kind), maxlen, constant(1, kind))
        column = raw_op("Cast")(expand_dims(lengths, -1), kind)
        result = row < column
        if dtype is None or result.dtype is dtypes.as_dtype(dtype).base_dtype:
            return result
        return raw_op("Cast")(result, dtype)


@op("UnravelIndex", differentiable=False)
def unravel_index(xp: Any, indices: Any, dims: Any) -> Any:
    """The coordinates of elements given by their numbers in row-major order, one column each."""
    if xp is np and math.prod(dims.tolist()) > np.iinfo(dims.dtype).max:
        raise kernel_error("Input dims product is causing integer overflow")
    count = xp.prod(dims)
    require(xp, (indices >= 0) & (indices < count), lambda: kernel_error("index is out of bound as with dims"))
    strides = xp.flip(xp.cumprod(xp.flip(xp.concatenate([dims[1:], xp.ones(1, dims.dtype)]))))
    shape = (-1,) + (1,) * len(indices.shape)
    return (indices[None] // xp.reshape(strides, shape) % xp.reshape(dims, shape)).astype(indices.dtype)


@unravel_index.shape
def unravel_index_shape(indices: Any, dims: Any) -> Any:
    (n,) = with_rank(dims, 1)
    if indices is None:
        return None
    return (n, shapes.size_of(indices)) if indices else (n,)


public("unravel_index")(unravel_index)

__all__ = ["batch_gather", "gather", "gather_nd", "scatter_nd", "sequence_mask"]
