"""The op that fills up the rows of a ragged tensor in one go."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.shapes import ShapeError, as_shape, bracket_text, is_static, merge
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.constant import constant
from evergraph.ops.filling import zeros
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.ragged.kernels import ranges
from evergraph.ops.ragged.tensor import RaggedTensor

_SPLITS, _ROWIDS, _ROWS = "ROW_SPLITS", "VALUE_ROWIDS", "FIRST_DIM_SIZE"


def _kinds(names: Any, error: Any) -> list[str]:
    """The kinds of row partitions, if they can come in this order."""
    kinds = [n.decode() if isinstance(n, bytes) else str(n) for n in names]
    for kind in kinds:
        if kind not in (_SPLITS, _ROWIDS, _ROWS):
            raise error(f"Unknown string for partition info type: {kind}")
    if not kinds:
        raise error("Partition info types should not be empty")
    if _ROWS in kinds[1:]:
        raise error("FIRST_DIM_SIZE must be first")
    if kinds[0] == _ROWS and kinds[1:2] != [_ROWIDS]:
        raise error("FIRST_DIM_SIZE must be followed by VALUE_ROWIDS")
    if kinds[0] == _ROWIDS:
        raise error("VALUE_ROWIDS cannot be first")
    return kinds


def _parents(kind: str, partition: np.ndarray, rows: int) -> np.ndarray:
    """The row that each value belongs to."""
    if kind == _ROWIDS:
        off = np.flatnonzero((partition < 0) | (partition >= rows))
        if off.size:
            raise kernel_error(f"Got current_value_rowid={partition[off[0]]} which is not less than {rows}")
        return partition.astype(np.int64)
    if not partition.size or partition[0] != 0 or np.any(partition[1:] < partition[:-1]):
        raise kernel_error("Invalid row split size.")
    if len(partition) - 1 > rows:
        raise kernel_error(f"Row partition size is greater than output size: {len(partition) - 1} > {rows}")
    return np.repeat(np.arange(len(partition) - 1, dtype=np.int64), np.diff(partition))


def _run_lengths(parents: np.ndarray) -> np.ndarray:
    """How many neighbours have the same parent, for each run of them."""
    ends = np.flatnonzero(np.append(parents[1:] != parents[:-1], True)) if parents.size else np.zeros(0, np.int64)
    return np.diff(np.concatenate([[-1], ends]))


@op("RaggedTensorToTensor", host=True, differentiable=False)
def ragged_tensor_to_tensor(
    xp: Any, shape: Any, values: Any, default_value: Any, row_partition_tensors: Any, *, row_partition_types: Any
) -> Any:
    """A tensor of the rows of a ragged one, filled up or cut off to `shape` (-1: to the longest)."""
    kinds = _kinds(row_partition_types, kernel_error)
    if len(kinds) != len(row_partition_tensors) or not values.ndim:
        raise kernel_error(
            "row_partition_tensors and row_partition_types must have the same length, values a dimension"
        )
    partitions = list(zip(kinds, row_partition_tensors, strict=True))
    if not partitions[0][1].size:
        raise kernel_error("Invalid first partition input. Tensor requires at least one element.")
    if kinds[0] == _ROWS:
        rows = int(partitions.pop(0)[1].reshape(-1)[0])
    else:
        rows = len(partitions[0][1]) - 1
    inner = values.shape[1:]
    wanted = [-1] * (len(partitions) + values.ndim) if not shape.ndim else [int(n) for n in shape]
    if len(wanted) != len(partitions) + values.ndim:
        raise kernel_error(
            f"Value shape ({bracket_text(values.shape)}), ragged_rank({len(partitions)}) and shape({wanted}) do not "
            "have a consistent number of dimensions"
        )
    for axis, n in enumerate(inner, len(wanted) - len(inner)):
        if wanted[axis] not in (-1, n):
            raise kernel_error("Value and shape dimension are inconsistent.")
        wanted[axis] = n
    if wanted[0] < 0:
        wanted[0] = rows
    # Where each row goes: one coordinate after the other, and whether it fits.
    where = [np.arange(rows, dtype=np.int64)]
    for axis, (kind, partition) in enumerate(partitions, 1):
        parents = _parents(kind, partition, len(where[0]))
        lengths = _run_lengths(parents)
        if wanted[axis] < 0:
            wanted[axis] = int(lengths.max()) if lengths.size else 0
        where = [w[parents] for w in where] + [ranges(np.zeros(len(lengths), np.int64), lengths)]
    if len(where[0]) != len(values):
        raise kernel_error(f"Values and indices must be equal: there are {len(values)} values, not {len(where[0])}")
    try:
        out = np.array(np.broadcast_to(default_value, wanted))
    except ValueError:
        raise kernel_error(
            f"Unable to broadcast default_value of shape {bracket_text(default_value.shape)} to tensor of shape "
            f"{bracket_text(tuple(wanted))}"
        ) from None
    fits = np.logical_and.reduce([w < n for w, n in zip(where, wanted, strict=False)])
    out[tuple(w[fits] for w in where)] = values[fits]
    return out


@ragged_tensor_to_tensor.shape_from_op
def ragged_tensor_to_tensor_shape(op: Any) -> Any:
    kinds = _kinds(op.attrs["row_partition_types"], ShapeError)
    partitions = op.inputs[3:]
    if len(kinds) != len(partitions):
        raise ShapeError(
            f"Number of row partition tensors ({len(partitions)}) does not equal the number of row partition "
            f"types({len(kinds)})."
        )
    for kind, t in zip(kinds, partitions, strict=True):
        if t.static_shape is not None and len(t.static_shape) != (0 if kind == _ROWS else 1):
            raise ShapeError("FIRST_DIM_SIZE must be a scalar." if kind == _ROWS else "Row partition must be a vector.")
    levels = len(kinds) - (kinds[0] == _ROWS)
    values, given = op.inputs[1].static_shape, op.inputs[0]
    held = given.op.attrs["value"] if given.op.type == "Const" else None
    known: Any = None
    if values is not None:
        known = (*[None] * (levels + 1), *values[1:])
    if held is not None and np.ndim(held):
        stated = tuple(None if n < 0 else int(n) for n in held)
        known = stated if known is None else merge(stated, known)
    default = op.inputs[2].static_shape
    if default is not None and values is not None and is_static(default) and len(default) > len(values):
        raise ShapeError(
            f"default_value_shape must have no more dimensions than the value. default_value_shape: "
            f"{bracket_text(default)} value_shape: {bracket_text(values)}"
        )
    return [known]


def ragged_to_dense(rt_input: RaggedTensor, default_value: Any = None, shape: Any = None) -> Tensor:
    """A tensor of the rows of a ragged one, filled up with `default_value` or cut off to `shape`."""
    pairs = []
    level: Any = rt_input
    while isinstance(level, RaggedTensor):
        if level._cached_value_rowids is None:
            pairs.append((_SPLITS, level.row_splits))
        else:
            pairs.append((_ROWIDS, level.value_rowids()))
        level = level.values
    if pairs[0][0] == _ROWIDS:
        pairs.insert(0, (_ROWS, rt_input.nrows()))
    values = rt_input.flat_values
    if default_value is None:
        default_value = zeros((), values.dtype)
    return ragged_tensor_to_tensor(
        shape=_shape_tensor(shape, pairs[0][1].dtype),
        values=values,
        default_value=default_value,
        row_partition_types=[kind for kind, _ in pairs],
        row_partition_tensors=[t for _, t in pairs],
    )


def _shape_tensor(shape: Any, dtype: Any) -> Tensor:
    if isinstance(shape, Tensor):
        return shape if shape.dtype in (dtypes.int32, dtypes.int64) else cast(shape, dtype)
    shape = as_shape(shape)
    if not shape:
        return constant(-1, dtype=dtype)
    return constant([-1 if n is None else n for n in shape.as_list()], dtype=dtype)


__all__ = ["ragged_tensor_to_tensor", "ragged_to_dense"]
