"""Sparse tensors in another order or of another shape: reorder, reshape, transpose, expand_dims, reset_shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, size_of, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, checks, grouping, reductions, sequences, static_values
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op, partial_value
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse

# In row-major order


@op("SparseReorder", static=("input_shape",))
def sparse_reorder_op(xp: Any, input_indices: Any, input_values: Any, input_shape: Any) -> Any:
    """The elements in row-major order."""
    index_kernels.require_parts(input_indices, input_values, input_shape)
    index_kernels.checked_sizes(input_shape)
    order = index_kernels.row_major_order(xp, input_indices)
    return xp.asarray(input_indices)[order], xp.asarray(input_values)[order]


@sparse_reorder_op.shape
def sparse_reorder_shape(input_indices: Any, input_values: Any, input_shape: Any) -> Any:
    return with_rank(input_indices, 2), with_rank(input_values, 1)


@sparse_reorder_op.gradient
def sparse_reorder_grad(made: Operation, _: Any, values_grad: Tensor) -> tuple[None, Tensor, None]:
    indices, _, shape = made.inputs
    numbers = sequences.range_(array.shape(indices)[0])
    ordered = sparse_reorder(SparseTensor(indices, numbers, shape))
    return None, array.gather(values_grad, array.invert_permutation(ordered.values)), None


@public("sparse.reorder", "sparse_reorder")
def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """Put the elements of a sparse tensor into row-major order.

    Args:
        sp_input: a `SparseTensor`.
        name: the op's name.

    Raises:
        TypeError: if `sp_input` is not sparse.
    """
    sp_input = as_sparse(sp_input)
    indices, values = sparse_reorder_op(sp_input.indices, sp_input.values, sp_input.dense_shape, name=name)
    if sp_input.shape.is_fully_defined():
        return SparseTensor(indices, values, sp_input.shape.as_list())
    return SparseTensor(indices, values, array.identity(sp_input.dense_shape))


# Of another shape


@op("SparseReshape", static=("input_shape", "new_shape"), differentiable=False)
def sparse_reshape_op(xp: Any, input_indices: Any, input_shape: Any, new_shape: Any) -> Any:
    """The indices that the elements have when the whole is read in another shape."""
    if input_indices.ndim != 2:
        raise kernel_error(f"Input indices should be a matrix but received shape {bracket_text(input_indices.shape)}")
    if input_shape.ndim != 1:
        raise kernel_error(f"Input shape should be a vector but received shape {bracket_text(input_shape.shape)}")
    if new_shape.ndim != 1:
        raise kernel_error(f"Target shape should be a vector but received shape {bracket_text(new_shape.shape)}")
    before = index_kernels.checked_sizes(input_shape)
    after = _completed(before, new_shape.tolist())
    made_shape = np.array(after, np.int64)
    if after == before:
        return input_indices, made_shape
    if not input_indices.shape[0]:
        return xp.zeros((0, len(after)), np.int64), made_shape
    at = index_kernels.positions(xp, input_indices, before)
    return index_kernels.unraveled(xp, at, after), made_shape


def _completed(before: list[int], wanted: list[int]) -> list[int]:
    """The new shape, with the one size that is left open filled in."""
    size = int(np.prod(before, dtype=np.int64))
    product, missing = 1, -1
    for i, d in enumerate(wanted):
        if d == -1:
            if missing >= 0:
                raise kernel_error(f"only one output dimension may be -1, not both {missing} and {i}")
            missing = i
        elif d < 0:
            raise kernel_error(f"size {i} must be non-negative, not {d}")
        else:
            product *= d
    if missing < 0:
        if product != size:
            raise kernel_error(
                f"Input to reshape is a tensor with {size} dense values, but the requested shape has {product}. "
                f"input_shape={bracket_text(tuple(before))} output_shape={bracket_text(tuple(wanted))}"
            )
        return wanted
    if not product:
        raise kernel_error(
            "reshape cannot infer the missing input size for an empty tensor unless all specified input sizes are "
            "non-zero"
        )
    if size % product:
        raise kernel_error(
            f"Input to reshape is a SparseTensor with {size} dense values, but the requested shape requires a multiple "
            f"of {product}. input_shape={bracket_text(tuple(before))} output_shape={bracket_text(tuple(wanted))}"
        )
    return [size // product if i == missing else d for i, d in enumerate(wanted)]


@sparse_reshape_op.shape
def sparse_reshape_shape(input_indices: Any, input_shape: Any, new_shape: Any) -> Any:
    rows = with_rank(input_indices, 2)[0]
    rank = None
    if isinstance(new_shape, list) or new_shape is not None and np.ndim(new_shape) == 1:
        rank = len(new_shape)
    return (rows, rank), (rank,)


@public("sparse.reshape", "sparse_reshape")
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """Read a sparse tensor in another shape, of as many elements.

    Args:
        sp_input: a `SparseTensor` in row-major order.
        shape: int32 or int64, a vector; one size may be -1, and follows from the others.
        name: the scope of the ops.

    Raises:
        TypeError: if `sp_input` is not sparse.
        ValueError: if the shapes are known and do not have as many elements.
        InvalidArgumentError: the same, at run time.
    """
    sp_input = as_sparse(sp_input)
    shape = cast.cast(shape, dtype=dtypes.int64)
    with name_scope(name, "SparseReshape", [sp_input]) as scope:
        indices, new_shape = sparse_reshape_op(sp_input.indices, sp_input.dense_shape, shape, name=scope)
        known = _known_new_shape(sp_input, shape)
        made_shape = new_shape if known is None else constant(known, dtype=dtypes.int64)
        return SparseTensor(indices, array.identity(sp_input.values), made_shape)


def _known_new_shape(sp_input: SparseTensor, shape: Tensor) -> list[int] | None:
    """The whole of the new shape, if it follows from what is known while the graph is built."""
    wanted = static_values.as_shape(partial_value(shape))
    if wanted is None or not sp_input.shape.is_fully_defined():
        return None
    given = static_values.get_static_value(shape)
    if given is not None and (given == -1).sum() > 1:
        raise ValueError(f"At most one dimension can be inferred (-1). Found: {given}")
    size = size_of(tuple(sp_input.shape.as_list()))
    assert size is not None
    completed = list(wanted)
    if completed.count(None) > 1:
        return None
    if None in completed:
        others = size_of(tuple(d for d in completed if d is not None)) or 0
        if not others:
            raise ValueError(f"Cannot infer the size left open in {bracket_text(wanted)}: the others have no elements.")
        completed[completed.index(None)] = size // others
    made = size_of(tuple(completed))
    if made != size:
        raise ValueError(f"Cannot reshape a tensor with {size} elements to shape {list(wanted)} ({made} elements).")
    return [int(d) for d in completed if d is not None]


@public("sparse.transpose", "sparse_transpose")
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """Permute the dimensions of a sparse tensor.

    Args:
        sp_input: a `SparseTensor`.
        perm: which dimension of `sp_input` each dimension of the result is; by default they are reversed.
        name: the scope of the ops.

    Returns:
        A `SparseTensor` in row-major order.
    """
    with name_scope(name, "SparseTranspose", [sp_input]):
        if perm is None:
            rank = array.rank(sp_input)
            perm = (rank - 1) - sequences.range_(0, rank, 1)
        indices = array.transpose(array.gather(array.transpose(sp_input.indices), perm))
        known = static_values.get_static_value(convert_to_tensor(perm))
        sizes: Any = sp_input.shape
        if known is not None and sizes.is_fully_defined():
            old = sizes.as_list()
            sizes = [old[i] for i in known.tolist()]
        else:
            sizes = array.gather(sp_input.dense_shape, perm)
        return sparse_reorder(SparseTensor(indices, sp_input.values, sizes))


@public("sparse.expand_dims")
def sparse_expand_dims(sp_input: SparseTensor, axis: Any = None, name: str | None = None) -> SparseTensor:
    """Put a dimension of size 1 into a sparse tensor's shape.

    Args:
        sp_input: a `SparseTensor`.
        axis: where: an int, or a scalar tensor; negative counts from the end. By default it becomes the last.
        name: the scope of the ops.

    Raises:
        TypeError: if `axis` is neither an int nor a tensor.
    """
    rank = sp_input.dense_shape.shape[0]
    axis = -1 if axis is None else axis
    with name_scope(name, "expand_dims", [sp_input]):
        if isinstance(axis, int | np.integer):
            axis = convert_to_tensor(axis, name="axis", dtype=dtypes.int32)
        elif not isinstance(axis, Tensor):
            raise TypeError("axis must be an integer value in range [-rank(sp_input) - 1, rank(sp_input)]")
        axis = array.where_v2(axis >= 0, axis, axis + rank + 1)
        count = array.shape(sp_input.indices)[0]
        column = array.zeros([count, 1], dtype=dtypes.int64)
        before = array.slice(sp_input.indices, [0, 0], [-1, axis])
        after = array.slice(sp_input.indices, [0, axis], [-1, -1])
        indices = array.concat([before, column, after], axis=1)
        shape_before = array.slice(sp_input.dense_shape, [0], [axis])
        shape_after = array.slice(sp_input.dense_shape, [axis], [-1])
        one = convert_to_tensor([1], name="new_shape", dtype=dtypes.int64)
        shape = array.concat([shape_before, one, shape_after], axis=0)
        return SparseTensor(indices, sp_input.values, shape)


@public("sparse.reset_shape", "sparse_reset_shape")
def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """Give a sparse tensor another shape around the same elements.

    Args:
        sp_input: a `SparseTensor`.
        new_shape: an int vector, no size less than that of `sp_input`; by default the smallest that holds all
            elements.

    Raises:
        TypeError: if `sp_input` is not sparse.
        ValueError: if `new_shape` has another rank, or is known to be smaller.
        InvalidArgumentError: the same, at run time.
    """
    sp_input = as_sparse(sp_input)
    indices = array.identity(sp_input.indices)
    values = array.identity(sp_input.values)
    shape = array.identity(sp_input.dense_shape)
    if new_shape is None:
        largest = reductions.reduce_max(indices, axis=0)
        return SparseTensor(
            indices,
            values,
            arithmetic.maximum(constant(0, dtypes.int64), arithmetic.add(largest, array.ones_like(shape))),
        )
    wanted: Any = convert_to_tensor(new_shape)
    wanted.shape.assert_has_rank(1)
    wanted = cast.cast(wanted, dtypes.int64)
    if wanted.shape.rank is not None:
        wanted.shape[0].merge_with(shape.shape[0])
    known = static_values.get_static_value(wanted)
    if known is not None and sp_input.shape.is_fully_defined():
        old = np.array(sp_input.shape.as_list())
        if not np.all(old <= known):
            raise ValueError(
                f"Requested new_shape should have dimension sizes >= sp_input.shape.  Found new_shape ({known}), "
                f"sp_input.shape ({old})."
            )
        return SparseTensor(indices, values, known)
    same_rank = checks.assert_equal(array.shape(shape), array.shape(wanted))
    wanted = grouping.with_dependencies([same_rank], wanted)
    wanted = grouping.with_dependencies([checks.assert_less_equal(shape, wanted)], wanted)
    return SparseTensor(indices, values, wanted)


@public("sparse.eye")
def sparse_eye(num_rows: Any, num_columns: Any = None, dtype: Any = dtypes.float32, name: str | None = None) -> Any:
    """Make a sparse matrix with ones on its diagonal.

    Args:
        num_rows: an int, or a scalar int tensor.
        num_columns: the same; as many as there are rows by default.
        dtype: the type of the ones.
        name: the scope of the ops.
    """
    with name_scope(name, "eye", [num_rows, num_columns]):
        rows = _int64(num_rows, "num_rows")
        columns = rows if num_columns is None else _int64(num_columns, "num_columns")
        size = arithmetic.minimum(rows, columns)
        places = sequences.range_(size, dtype=dtypes.int64)
        return SparseTensor(array.stack([places, places], axis=1), array.ones(size, dtype=dtype), [rows, columns])


def _int64(value: Any, name: str) -> Tensor:
    if isinstance(value, int | np.integer):
        return convert_to_tensor(value, name=name, dtype=dtypes.int64)
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be an integer value")
    return value if value.dtype is dtypes.int64 else cast.cast(value, dtypes.int64)
