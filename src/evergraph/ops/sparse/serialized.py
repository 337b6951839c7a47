"""Sparse tensors as three strings, or as three variants: to keep many, each of its own shape, in one dense tensor.

The strings are `TensorProto` messages of the indices, the values and the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, with_rank, with_rank_at_least
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse import indices as index_kernels
from evergraph.ops.sparse.conversion import as_sparse

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Indices, values and shape of one sparse tensor."""


def rows_of(indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> list[Parts]:
    """The sparse tensors that stand along the first dimension of one."""
    index_kernels.require_parts(indices, values, shape)
    sizes = index_kernels.checked_sizes(shape)
    if len(sizes) < 2:
        raise kernel_error(f"Rank of input SparseTensor should be > 1, but saw rank: {len(sizes)}")
    index_kernels.require_in_order(np, indices, sizes)
    ends = np.searchsorted(indices[:, 0], np.arange(sizes[0]), side="right").tolist()
    rest = np.array(sizes[1:], np.int64)
    return [(indices[begin:end, 1:], values[begin:end], rest) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


def stacked(several: Sequence[Parts], outer: Sequence[int], what: str, counted: int = 0) -> Parts:
    """Sparse tensors side by side along new first dimensions `outer`; of their sizes the largest counts.

    `what` they have to agree in, and how many of the new dimensions count to it, is for the message alone.
    """
    rank = len(several[0][2])
    shape = np.zeros(rank, np.int64)
    for i, (_, _, own) in enumerate(several):
        if len(own) != rank:
            raise kernel_error(
                f"Inconsistent {what} across SparseTensors: rank prior to SparseTensor[{i}] was: {rank + counted} but "
                f"rank of SparseTensor[{i}] is: {len(own) + counted}"
            )
        shape = np.maximum(shape, own)
    counts = [len(values) for _, values, _ in several]
    numbers = np.repeat(np.arange(len(several)), counts)
    leading = index_kernels.unraveled(np, numbers, list(outer))
    indices = np.concatenate([leading, np.concatenate([rows for rows, _, _ in several])], axis=1)
    values = np.concatenate([values for _, values, _ in several])
    return indices, values, np.concatenate([np.array(outer, np.int64), shape])


def _text(array: np.ndarray, kind: DType) -> bytes:
    from evergraph.formats.tensors import array_to_proto

    proto = array_to_proto(array, kind.as_datatype_enum)
    return proto.SerializeToString()


def _boxes(parts: Parts, kind: DType, out_type: DType) -> np.ndarray:
    """The three parts as strings or variants."""
    boxes = np.empty(3, object)
    for i, (part, own) in enumerate(zip(parts, (dtypes.int64, kind, dtypes.int64), strict=True)):
        boxes[i] = _text(part, own) if out_type is dtypes.string else part
    return boxes


@op("SerializeSparse", host=True, differentiable=False)
def serialize_sparse_op(
    xp: Any, sparse_indices: Any, sparse_values: Any, sparse_shape: Any, *, T: DType, out_type: DType
) -> Any:
    """The three parts of a sparse tensor, as strings or variants."""
    for name, part, rank in (("indices", sparse_indices, 2), ("values", sparse_values, 1), ("shape", sparse_shape, 1)):
        if part.ndim != rank:
            noun = "matrix" if rank == 2 else "vector"
            raise kernel_error(f"Input {name} should be a {noun} but received shape {bracket_text(part.shape)}")
    return _boxes((sparse_indices, sparse_values, sparse_shape), T, out_type)


@op("SerializeManySparse", host=True, differentiable=False)
def serialize_many_sparse_op(
    xp: Any, sparse_indices: Any, sparse_values: Any, sparse_shape: Any, *, T: DType, out_type: DType
) -> Any:
    """The sparse tensors along the first dimension, each as three strings or variants."""
    several = rows_of(sparse_indices, sparse_values, sparse_shape)
    made = np.empty((len(several), 3), object)
    for row, parts in zip(made, several, strict=True):
        row[:] = _boxes(parts, T, out_type)
    return made


def _check_parts(sparse_indices: Shape, sparse_values: Shape, sparse_shape: Shape) -> None:
    with_rank(sparse_indices, 2)
    with_rank(sparse_values, 1)
    with_rank(sparse_shape, 1)


@serialize_sparse_op.shape
def serialize_sparse_shape(sparse_indices: Any, sparse_values: Any, sparse_shape: Any) -> Shape:
    _check_parts(sparse_indices, sparse_values, sparse_shape)
    return (3,)


@serialize_many_sparse_op.shape
def serialize_many_sparse_shape(sparse_indices: Any, sparse_values: Any, sparse_shape: Any) -> Shape:
    _check_parts(sparse_indices, sparse_values, sparse_shape)
    return (None, 3)


# Back again


def _array(box: Any) -> tuple[np.ndarray, DType | None]:
    """What a string or a variant holds; the type is None for a variant, whose array tells it."""
    if not isinstance(box, bytes):
        if not isinstance(box, np.ndarray):
            raise kernel_error("Could not get a tensor from serialized_sparse")
        return box, None
    from evergraph.formats import messages
    from evergraph.formats.tensors import proto_to_array

    try:
        proto = messages.TensorProto.FromString(box)
    except Exception:
        raise kernel_error("Could not parse serialized proto") from None
    try:
        return proto_to_array(proto), dtypes.as_dtype(proto.dtype)
    except (TypeError, ValueError) as error:
        raise kernel_error(f"Could not construct tensor from proto: {error}") from None


def _parts(boxes: np.ndarray, i: int, kind: DType) -> Parts:
    """One sparse tensor out of its three boxes, checked."""
    (indices, _), (values, found), (shape, _) = (_array(box) for box in boxes)
    if indices.ndim != 2 or indices.dtype != np.int64:
        raise kernel_error(
            f"Expected serialized_sparse[{i}, 0] to represent an index matrix but received shape "
            f"{bracket_text(indices.shape)}"
        )
    if values.ndim != 1:
        raise kernel_error(
            f"Expected serialized_sparse[{i}, 1] to represent a values vector but received shape "
            f"{bracket_text(values.shape)}"
        )
    if found is None:
        found = dtypes.string if values.dtype == object else dtypes.as_dtype(values.dtype)
    if found.name != kind.name:
        raise kernel_error(
            f"Requested SparseTensor of type {kind.name} but SparseTensor[{i}].values.dtype() == {found.name}"
        )
    if len(indices) != len(values):
        raise kernel_error(
            f"Expected row counts of SparseTensor[{i}].indices and SparseTensor[{i}].values to match but they do not: "
            f"{len(indices)} vs. {len(values)}"
        )
    if shape.ndim != 1 or shape.dtype != np.int64:
        raise kernel_error(
            f"Expected serialized_sparse[{i}, 2] to be a shape vector but its shape is {bracket_text(shape.shape)}"
        )
    if indices.shape[1] != len(shape):
        raise kernel_error(
            f"Expected column counts of SparseTensor[{i}].indices to match size of SparseTensor[{i}].shape but they do "
            f"not: {indices.shape[1]} vs. {len(shape)}"
        )
    return indices, values, shape


def _deserialized(boxes: np.ndarray, kind: DType) -> Parts:
    if not boxes.ndim:
        raise kernel_error(f"Serialized sparse should have non-zero rank {bracket_text(boxes.shape)}")
    if boxes.shape[-1] != 3:
        raise kernel_error(f"Serialized sparse should have 3 as the last dimension {bracket_text(boxes.shape)}")
    if boxes.ndim == 1:
        return _parts(boxes, 0, kind)
    rows = boxes.reshape(-1, 3)
    if not len(rows):
        raise kernel_error(
            "Serialized sparse should have at least 1 serialized tensor, but has a zero dimension "
            f"{bracket_text(boxes.shape)}"
        )
    return stacked([_parts(row, i, kind) for i, row in enumerate(rows)], boxes.shape[:-1], "shape")


@op("DeserializeSparse", host=True, differentiable=False)
def deserialize_sparse_op(xp: Any, serialized_sparse: Any, *, dtype: DType) -> Any:
    """Sparse tensors out of their strings or variants, side by side along new first dimensions."""
    return _deserialized(serialized_sparse, dtype)


@op("DeserializeManySparse", host=True, differentiable=False)
def deserialize_many_sparse_op(xp: Any, serialized_sparse: Any, *, dtype: DType) -> Any:
    """Sparse tensors out of their strings, side by side along a new first dimension."""
    if serialized_sparse.ndim != 2:
        raise kernel_error(f"Serialized sparse should be a matrix, is of shape {bracket_text(serialized_sparse.shape)}")
    return _deserialized(serialized_sparse, dtype)


def _require_three(size: int | None) -> None:
    if size not in (None, 3):
        raise ShapeError(f"Dimension must be 3 but is {size}")


@deserialize_sparse_op.shape
def deserialize_sparse_shape(serialized_sparse: Any) -> Any:
    with_rank_at_least(serialized_sparse, 1)
    _require_three(serialized_sparse[-1] if serialized_sparse else None)
    return (None, None), (None,), (None,)


@deserialize_many_sparse_op.shape
def deserialize_many_sparse_shape(serialized_sparse: Any) -> Any:
    _require_three(with_rank(serialized_sparse, 2)[1])
    return (None, None), (None,), (None,)


# Functions


@public("io.serialize_sparse", "serialize_sparse")
def serialize_sparse(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Tensor:
    """Turn a sparse tensor into a vector of three strings or variants.

    Args:
        sp_input: a `SparseTensor`.
        name: the op's name.
        out_type: `tf.string` or `tf.variant`.

    Raises:
        TypeError: if `sp_input` is not sparse.
    """
    sp_input = as_sparse(sp_input)
    return serialize_sparse_op(sp_input.indices, sp_input.values, sp_input.dense_shape, name=name, out_type=out_type)


@public("io.serialize_many_sparse", "serialize_many_sparse")
def serialize_many_sparse(sp_input: Any, name: str | None = None, out_type: Any = dtypes.string) -> Tensor:
    """Turn each row of a sparse tensor into three strings or variants.

    Args:
        sp_input: a `SparseTensor` of rank 2 or more, in row-major order.
        name: the op's name.
        out_type: `tf.string` or `tf.variant`.

    Returns:
        Shape `[rows, 3]`.

    Raises:
        TypeError: if `sp_input` is not sparse.
    """
    sp_input = as_sparse(sp_input)
    return serialize_many_sparse_op(
        sp_input.indices, sp_input.values, sp_input.dense_shape, name=name, out_type=out_type
    )


def with_known_rank(parts: Any, rank: Any) -> SparseTensor:
    """The parts of a sparse tensor whose rank the program knows."""
    indices, values, shape = parts
    indices.set_shape([None, rank])
    shape.set_shape([rank])
    return SparseTensor(indices, values, shape)


def deserialize_sparse(serialized_sparse: Any, dtype: Any, rank: Any = None, name: str | None = None) -> SparseTensor:
    """Turn strings or variants that `serialize_sparse` made back into a sparse tensor.

    Args:
        serialized_sparse: strings or variants, shape `[..., 3]`; sparse tensors of one rank, which get the dimensions
            `...` in front.
        dtype: the type of the values.
        rank: the rank of the result, if it is known.
        name: the op's name.
    """
    return with_known_rank(deserialize_sparse_op(serialized_sparse, dtype, name=name), rank)


@public("io.deserialize_many_sparse", "deserialize_many_sparse")
def deserialize_many_sparse(
    serialized_sparse: Any, dtype: Any, rank: Any = None, name: str | None = None
) -> SparseTensor:
    """Turn a batch of serialized sparse tensors into one, along a new first dimension.

    Args:
        serialized_sparse: strings, `[batch, 3]`; sparse tensors of one rank, of whose sizes the largest counts.
        dtype: the type of the values.
        rank: the rank of the sparse tensors before, if it is known.
        name: the op's name.

    Raises:
        InvalidArgumentError: at run time, for strings that are something else.
    """
    return with_known_rank(deserialize_many_sparse_op(serialized_sparse, dtype, name=name), rank)
