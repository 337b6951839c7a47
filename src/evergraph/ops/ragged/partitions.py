"""Ragged tensors out of values and one of the ways to say where rows begin and end."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops import checks
from evergraph.ops.cast import cast
from evergraph.ops.constant import constant
from evergraph.ops.filling import zeros
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.histogram import bincount
from evergraph.ops.joining import concat
from evergraph.ops.ragged.splits import SPLITS_TYPES
from evergraph.ops.reductions import reduce_sum
from evergraph.ops.sequences import cumsum
from evergraph.ops.shaping import shape
from evergraph.ops.static_values import get_static_value


def check_flag(validate: Any) -> None:
    if not isinstance(validate, bool):
        raise TypeError("validate must have type bool")


def from_value_rowids(cls: Any, values: Any, value_rowids: Any, nrows: Any, name: str | None, validate: bool) -> Any:
    check_flag(validate)
    with name_scope(name, "RaggedFromValueRowIds", [values, value_rowids, nrows]):
        values, rowids = _converted(cls, values, value_rowids, "value_rowids")
        if nrows is None:
            known = get_static_value(rowids)
            if known is None:
                nrows = concat([rowids[-1:], [-1]], axis=0)[0] + 1
                known_rows = None
            else:
                known_rows = int(known[-1]) + 1 if known.size else 0
                nrows = convert_to_tensor(known_rows, rowids.dtype, name="nrows")
        else:
            nrows = convert_to_tensor(nrows, rowids.dtype, "nrows")
            known_rows = get_static_value(nrows)
            if known_rows is not None:
                _check_row_count(int(known_rows), get_static_value(rowids))
        rowids.shape.assert_has_rank(1)
        nrows.shape.assert_has_rank(0)
        values.shape[:1].assert_is_compatible_with(rowids.shape)
        if validate:
            message = "Arguments to from_value_rowids do not form a valid RaggedTensor"
            counts = _row_count(values), _row_count(rowids)
            rowids = _checked(
                values,
                rowids,
                [
                    checks.assert_rank(rowids, 1, message=message),
                    checks.assert_rank(nrows, 0, message=message),
                    checks.assert_equal(*counts, message=message),
                    checks.assert_non_negative(rowids[:1], message=message),
                    _sorted(rowids, message),
                    checks.assert_less(rowids[-1:], nrows, message=message),
                ],
            )
        small, small_rows = cast(rowids, dtypes.int32), cast(nrows, dtypes.int32)
        lengths = bincount(small, minlength=small_rows, maxlength=small_rows, dtype=rowids.dtype)
        splits = concat([[0], cumsum(lengths)], axis=0)
        if known_rows is not None:
            lengths.set_shape([int(known_rows)])
            splits.set_shape([int(known_rows) + 1])
        return cls(
            values,
            splits,
            cached_row_lengths=lengths,
            cached_value_rowids=rowids,
            cached_nrows=nrows,
            internal=True,
        )


def _check_row_count(nrows: int, rowids: Any) -> None:
    if nrows < 0:
        raise ValueError(f"Expected nrows >= 0; got {nrows}")
    if rowids is not None and rowids.size and nrows < rowids[-1] + 1:
        raise ValueError(
            f"Expected nrows >= value_rowids[-1] + 1; got nrows={nrows}, value_rowids[-1]={int(rowids[-1])}"
        )


def from_row_splits(cls: Any, values: Any, row_splits: Any, name: str | None, validate: bool) -> Any:
    check_flag(validate)
    if isinstance(row_splits, list | tuple) and not row_splits:
        raise ValueError("row_splits tensor may not be empty.")
    if isinstance(row_splits, TensorSpec):
        return cls(values, row_splits, internal=True)
    with name_scope(name, "RaggedFromRowSplits", [values, row_splits]):
        values, splits = _converted(cls, values, row_splits, "row_splits")
        splits.shape.assert_has_rank(1)
        if validate:
            message = "Arguments to from_row_splits do not form a valid RaggedTensor"
            count = _row_count(values, splits.dtype)
            splits = _checked(
                values,
                splits,
                [
                    checks.assert_rank(splits, 1, message=message),
                    _zero(splits[0], message),
                    _sorted(splits, message),
                    checks.assert_equal(splits[-1], count, message=message),
                ],
            )
        return cls(values, splits, internal=True)


def from_row_lengths(cls: Any, values: Any, row_lengths: Any, name: str | None, validate: bool) -> Any:
    check_flag(validate)
    with name_scope(name, "RaggedFromRowLengths", [values, row_lengths]):
        values, lengths = _converted(cls, values, row_lengths, "row_lengths")
        lengths.shape.assert_has_rank(1)
        if validate:
            message = "Arguments to from_row_lengths do not form a valid RaggedTensor"
            total = reduce_sum(lengths)
            count = _row_count(values, lengths.dtype)
            lengths = _checked(
                values,
                lengths,
                [
                    checks.assert_rank(lengths, 1, message=message),
                    checks.assert_non_negative(lengths, message=message),
                    checks.assert_equal(total, count, message=message),
                ],
            )
        limits = cumsum(lengths)
        return cls(values, concat([[0], limits], axis=0), cached_row_lengths=lengths, internal=True)


def from_row_starts(cls: Any, values: Any, row_starts: Any, name: str | None, validate: bool) -> Any:
    check_flag(validate)
    with name_scope(name, "RaggedFromRowStarts", [values, row_starts]):
        values, starts = _converted(cls, values, row_starts, "row_starts")
        starts.shape.assert_has_rank(1)
        count = _row_count(values, starts.dtype)
        if validate:
            message = "Arguments to from_row_starts do not form a valid RaggedTensor"
            starts = _checked(
                values,
                starts,
                [
                    checks.assert_rank(starts, 1, message=message),
                    _zero(starts[:1], message),
                    _sorted(starts, message),
                    checks.assert_less_equal(starts[-1:], count, message=message),
                ],
            )
        return cls(values, concat([starts, [count]], axis=0), internal=True)


def from_row_limits(cls: Any, values: Any, row_limits: Any, name: str | None, validate: bool) -> Any:
    check_flag(validate)
    with name_scope(name, "RaggedFromRowLimits", [values, row_limits]):
        values, limits = _converted(cls, values, row_limits, "row_limits")
        limits.shape.assert_has_rank(1)
        if validate:
            message = "Arguments to from_row_limits do not form a valid RaggedTensor"
            count = _row_count(values, limits.dtype)
            limits = _checked(
                values,
                limits,
                [
                    checks.assert_rank(limits, 1, message=message),
                    checks.assert_non_negative(limits[:1], message=message),
                    _sorted(limits, message),
                    checks.assert_equal(limits[-1:], count, message=message),
                ],
            )
        zero = zeros([1], limits.dtype)
        return cls(values, concat([zero, limits], axis=0), internal=True)


def _converted(cls: Any, values: Any, partition: Any, name: str) -> tuple[Any, Tensor]:
    """The values and what partitions them, as tensors; the row splits of ragged values and these have one type."""
    if isinstance(values, cls):
        if not isinstance(partition, Tensor):
            return values, convert_to_tensor(partition, values.row_splits.dtype, name=name)
        if partition.dtype not in SPLITS_TYPES:
            raise ValueError(f"{name} must have dtype int32 or int64")
        if values.row_splits.dtype != partition.dtype:
            raise ValueError(
                f"dtype mismatch: {name} ({partition.dtype}) vs values.row_splits ({values.row_splits.dtype})"
            )
        return values, partition
    values = convert_to_tensor(values, name="values")
    is_int32 = isinstance(partition, np.ndarray) and partition.dtype == np.int32
    partition = convert_to_tensor(partition, name=name, preferred_dtype=None if is_int32 else dtypes.int64)
    if partition.dtype not in SPLITS_TYPES:
        raise ValueError(f"{name} must have dtype int32 or int64")
    return values, partition


def _checked(values: Any, partition: Tensor, conditions: list[Any]) -> Tensor:
    if isinstance(values, Tensor):
        conditions.append(checks.assert_rank_at_least(values, 1))
    return with_dependencies(conditions, partition)


def _sorted(x: Tensor, message: str) -> Any:
    return checks.assert_non_negative(x[1:] - x[:-1], message=message)


def _zero(x: Tensor, message: str) -> Any:
    return checks.assert_equal(x, constant(0, dtype=x.dtype), message=message)


def _row_count(x: Any, kind: Any = dtypes.int32) -> Tensor:
    return shape(x, out_type=kind)[0] if isinstance(x, Tensor) else x.nrows(out_type=kind)


__all__ = [
    "check_flag",
    "from_row_limits",
    "from_row_lengths",
    "from_row_splits",
    "from_row_starts",
    "from_value_rowids",
]
