"""Some elements of a sparse tensor, or those of several: retain, slice, split, concat."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import Shape, bracket_text, dimension_at_index, merge, merge_dim, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, reductions, static_values
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse, each_as_sparse, parts


@public("sparse.retain", "sparse_retain")
def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Keep some of the elements of a sparse tensor.

    Args:
        sp_input: a `SparseTensor` of `n` elements.
        to_retain: bool, `[n]`: which elements to keep.

    Raises:
        TypeError: if `sp_input` is not sparse.
        ValueError: if `to_retain` is not a vector of that length.
    """
    sp_input = as_sparse(sp_input)
    to_retain = convert_to_tensor(to_retain)
    to_retain.shape.assert_has_rank(1)
    if sp_input.values.shape.dims is not None:
        sp_input.values.shape.dims[0].merge_with(dimension_at_index(to_retain.shape, 0))
    kept = array.reshape(array.where_v2(to_retain), [-1])
    indices = array.gather(sp_input.indices, kept)
    values = array.gather(sp_input.values, kept)
    return SparseTensor(indices, values, array.identity(sp_input.dense_shape))


# A box of the whole


@op("SparseSlice", host=True)
def sparse_slice_op(xp: Any, indices: Any, values: Any, shape: Any, start: Any, size: Any) -> Any:
    """The elements inside a box, with indices counted from its corner."""
    index_kernels.require_parts(indices, values, shape)
    for name, vector in (("start", start), ("size", size)):
        if vector.ndim != 1:
            raise kernel_error(f"Input {name} should be a vector but received shape {bracket_text(vector.shape)}")
        if vector.size != shape.size:
            raise kernel_error(f"Expected {name} to be a vector of length {shape.size} but got length {vector.size}")
    sizes = np.array(index_kernels.checked_sizes(shape), np.int64)
    inside = np.all((indices >= start) & (indices < start + size), axis=1)
    made = np.where(start + size < sizes, size, sizes - start)
    if (made < 0).any():
        raise kernel_error(f"Dimension {made.min()} must be >= 0: the slice starts outside the tensor")
    index_kernels.checked_sizes(made)
    return indices[inside] - start, values[inside], made


@sparse_slice_op.shape
def sparse_slice_shape(indices: Any, values: Any, shape: Any, start: Any, size: Any) -> Any:
    rank = with_rank(shape, 1)[0] if shape is not None else None
    return (None, rank), (None,), shape


@op("SparseSliceGrad", host=True, differentiable=False)
def sparse_slice_grad_op(
    xp: Any, backprop_val_grad: Any, input_indices: Any, input_start: Any, output_indices: Any
) -> Any:
    """For each element of the whole the gradient of the one that a slice made of it, or zero."""
    if input_indices.ndim != 2 or output_indices.ndim != 2:
        raise kernel_error(
            f"Input and output indices should be matrices but received shapes: {bracket_text(input_indices.shape)} and "
            f"{bracket_text(output_indices.shape)}"
        )
    if backprop_val_grad.shape != output_indices.shape[:1]:
        raise kernel_error(
            f"# elements of backprop_val_grad and # rows of output_indices should match (#nnz of sum): got "
            f"{backprop_val_grad.size} and {output_indices.shape[0]}"
        )
    if input_indices.shape[1] != output_indices.shape[1] or input_start.shape != input_indices.shape[1:]:
        raise kernel_error(
            f"The input and output should have the same ndims: got: {input_indices.shape[1]} and "
            f"{output_indices.shape[1]}, and input_start of shape {bracket_text(input_start.shape)}"
        )
    at = index_kernels.found_in(input_indices, output_indices + input_start)
    if (at >= 0).sum() != len(output_indices):
        raise kernel_error(
            f"Elements of backprop_val_grad aren't all propagated. Num elements:{len(output_indices)}, used: "
            f"{(at >= 0).sum()}",
            errors.InternalError,
        )
    result = np.zeros(len(input_indices), backprop_val_grad.dtype)
    result[at >= 0] = backprop_val_grad[at[at >= 0]]
    return result


@sparse_slice_grad_op.shape
def sparse_slice_grad_shape(backprop_val_grad: Any, input_indices: Any, input_start: Any, output_indices: Any) -> Shape:
    return with_rank(input_indices, 2)[:1]


@sparse_slice_op.gradient
def sparse_slice_grad(made: Operation, _: Any, values_grad: Tensor, __: Any) -> tuple[Any, ...]:
    found = sparse_slice_grad_op(values_grad, made.inputs[0], made.inputs[3], made.outputs[0])
    found.set_shape(made.inputs[1].shape)
    return None, found, None, None, None


@public("sparse.slice", "sparse_slice")
def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """Cut a box out of a sparse tensor.

    Args:
        sp_input: a `SparseTensor` of rank `r`.
        start: int64, `[r]`: the box's first corner.
        size: int64, `[r]`: its size; what reaches over the end of the tensor is cut off.
        name: the op's name.

    Raises:
        TypeError: if `sp_input` is not sparse.
    """
    sp_input = as_sparse(sp_input)
    start = convert_to_tensor(start, dtypes.int64)
    size = convert_to_tensor(size, dtypes.int64)
    with name_scope(name, "SparseSlice", [sp_input]) as scope:
        made = sparse_slice_op(sp_input.indices, sp_input.values, sp_input.dense_shape, start, size, name=scope)
        return SparseTensor(*made)


# Equal parts


@op("SparseSplit", host=True)
def sparse_split_op(xp: Any, split_dim: Any, indices: Any, values: Any, shape: Any, *, num_split: int) -> Any:
    """The elements of each of several parts along one dimension; the first ones are larger where it does not divide."""
    if split_dim.ndim:
        raise kernel_error(f"Input axis should be a scalar but received shape {bracket_text(split_dim.shape)}")
    index_kernels.require_parts(indices, values, shape)
    sizes = index_kernels.checked_sizes(shape)
    axis = int(split_dim)
    if not 0 <= axis < len(sizes):
        raise kernel_error(f"Input split_dim should be between 0 and rank ({len(sizes)}), got {axis}")
    if not 1 <= num_split <= sizes[axis]:
        raise kernel_error(
            f"Input num_split should be between 1 and the splitting dimension size ({sizes[axis]}), got {num_split}"
        )
    small, larger = divmod(sizes[axis], num_split)
    lengths = [small + (i < larger) for i in range(num_split)]
    ends = np.cumsum(lengths)
    part = np.searchsorted(ends, indices[:, axis], side="right")
    made_indices, made_values, made_shapes = [], [], []
    for i, length in enumerate(lengths):
        chosen = part == i
        rows = indices[chosen]
        rows[:, axis] -= ends[i] - length
        made_indices.append(rows)
        made_values.append(values[chosen])
        made_shapes.append(np.array([*sizes[:axis], length, *sizes[axis + 1 :]], np.int64))
    return [*made_indices, *made_values, *made_shapes]


@sparse_split_op.shape
def sparse_split_shape(split_dim: Any, indices: Any, values: Any, shape: Any, *, num_split: int) -> Any:
    rank = shape[0] if shape is not None and len(shape) == 1 else None
    return [(None, rank)] * num_split + [(None,)] * num_split + [shape] * num_split


class _KeywordRequired:
    """Stands where an argument by position is not taken."""

    def __repr__(self) -> str:
        return "KeywordRequired()"


@public("sparse.split", "sparse_split")
def sparse_split(
    keyword_required: Any = _KeywordRequired(),  # noqa: B008 - one for all calls is meant
    sp_input: Any = None,
    num_split: int | None = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """Split a sparse tensor into parts along one dimension.

    Args:
        keyword_required: nothing: the arguments are given by name.
        sp_input: a `SparseTensor`.
        num_split: how many parts. Where the size does not divide, the first parts get one more.
        axis: an int, or a scalar int64 tensor.
        name: the op's name.
        split_dim: the old name of `axis`.

    Raises:
        ValueError: for arguments by position, or missing ones.
        TypeError: if `sp_input` is not sparse.
    """
    if not isinstance(keyword_required, _KeywordRequired):
        raise ValueError("Keyword arguments are required for this function.")
    if sp_input is None:
        raise ValueError("sp_input is required")
    if num_split is None:
        raise ValueError("num_split is required")
    if axis is None:
        raise ValueError("axis is required")
    axis = either("axis", axis, "split_dim", split_dim)
    sp_input = as_sparse(sp_input)
    made = sparse_split_op(axis, sp_input.indices, sp_input.values, sp_input.dense_shape, num_split, name=name)
    return [SparseTensor(*part) for part in zip(*made, strict=True)]


# Several, one after the other


@op("SparseConcat", static=("shapes",), differentiable=False)
def sparse_concat_op(xp: Any, indices: Any, values: Any, shapes: Any, *, concat_dim: int) -> Any:
    """The elements of several sparse tensors that follow each other along one dimension."""
    for part in zip(indices, values, shapes, strict=True):
        index_kernels.require_parts(*part)
    sizes = [index_kernels.checked_sizes(shape) for shape in shapes]
    rank = len(sizes[0])
    axis = rank + concat_dim if concat_dim < 0 else concat_dim
    if not 0 <= axis < rank:
        raise kernel_error(f"Concat dimension must be in range [{-rank}, {rank}), got {concat_dim}")
    for i, other in enumerate(sizes):
        if len(other) != rank:
            raise kernel_error(
                f"Ranks of all input tensors must match: expected {rank} but got {len(other)} at position {i}"
            )
        for j, (expected, found) in enumerate(zip(sizes[0], other, strict=True)):
            if j != axis and expected != found:
                raise kernel_error(
                    f"Input shapes must match: expected {expected} for dimension {j} but got {found} at position {i}"
                )
    unit = np.eye(rank, dtype=np.int64)[axis]
    offset, shifted = 0, []
    for rows, size in zip(indices, sizes, strict=True):
        shifted.append(rows + offset * unit)
        offset += size[axis]
    every = xp.concatenate(shifted, axis=0)
    order = index_kernels.row_major_order(xp, every)
    made_shape = np.array([*sizes[0][:axis], offset, *sizes[0][axis + 1 :]], np.int64)
    return every[order], xp.concatenate(values, axis=0)[order], made_shape


@sparse_concat_op.shape
def sparse_concat_shape(indices: Any, values: Any, shapes: Any) -> Any:
    rows: int | None = 0
    columns: int | None = None
    for index, value in zip(indices, values, strict=True):
        own, width = with_rank(index, 2)
        own = merge_dim(own, with_rank(value, 1)[0])
        rows = None if rows is None or own is None else rows + own
        columns = merge_dim(columns, width)
    return (rows, columns), (rows,), _merged_vectors(shapes)


def _merged_vectors(values: Any) -> Shape:
    length: Shape = None
    for value in values:
        own = None if value is None else np.shape(value) if isinstance(value, np.ndarray) else (len(value),)
        length = merge(length, own)
    return length


@public("sparse.concat", "sparse_concat")
def sparse_concat(
    axis: Any,
    sp_inputs: Any,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: Any = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Join sparse tensors along one dimension.

    Args:
        axis: an int; negative counts from the end.
        sp_inputs: a list of `SparseTensor`s in row-major order.
        name: the op's name.
        expand_nonconcat_dim: let sizes along the other dimensions differ; the largest counts.
        concat_dim: the old name of `axis`.
        expand_nonconcat_dims: another name of `expand_nonconcat_dim`.

    Raises:
        TypeError: if one of `sp_inputs` is not sparse.
        InvalidArgumentError: at run time, if sizes differ that must not.
    """
    if expand_nonconcat_dims is not None:
        if expand_nonconcat_dim:
            raise ValueError("Cannot specify both 'expand_nonconcat_dim' and 'expand_nonconcat_dims'")
        expand_nonconcat_dim = expand_nonconcat_dims
    axis = either("axis", axis, "concat_dim", concat_dim)
    sp_inputs = each_as_sparse(sp_inputs)
    if len(sp_inputs) == 1:
        return sp_inputs[0]
    indices, values, shapes = parts(sp_inputs)
    if expand_nonconcat_dim:
        most = reductions.reduce_max(array.concat([array.reshape(shape, [1, -1]) for shape in shapes], 0), 0)
        shapes = [
            array.concat(
                [
                    most[:axis],
                    shape[-1:] if axis == -1 else shape[axis : axis + 1],
                    [] if axis == -1 else most[axis + 1 :],
                ],
                0,
            )
            for shape in shapes
        ]
    made_indices, made_values, made_shape = sparse_concat_op(indices, values, shapes, axis, name=name)
    known = [static_values.get_static_value(shape) for shape in shapes]
    if known and all(shape is not None for shape in known):
        whole = np.array(known[0])
        whole[axis] = sum(shape[axis] for shape in known)
        made_shape = convert_to_tensor(whole)
    return SparseTensor(made_indices, made_values, made_shape)
