"""Crosses of features: all combinations of the features that each example has in several columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import bracket_text
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import cast
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.sparse.conversion import parts
from evergraph.ops.strings.farmhash import fingerprints

DEFAULT_HASH_KEY = 0xDECAFCAFFE
SEPARATOR = b"_X_"

_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)


class _Column:
    """The features of one column, example after example: `begins[b]` is where those of example `b` are."""

    def __init__(self, features: np.ndarray, begins: np.ndarray, counts: np.ndarray) -> None:
        self.features, self.begins, self.counts = features, begins, counts


@op("SparseCross", host=True, differentiable=False)
def sparse_cross_op(
    xp: Any,
    indices: Any,
    values: Any,
    shapes: Any,
    dense_inputs: Any,
    *,
    hashed_output: bool,
    num_buckets: int,
    hash_key: int,
) -> Any:
    """All combinations of one feature of each column, for each example: joined to strings, or hashed."""
    batch = int(shapes[0][0]) if shapes and shapes[0].size else len(dense_inputs[0]) if dense_inputs else 0
    _check_columns(indices, values, shapes, dense_inputs, batch)
    examples = np.arange(batch)
    columns = []
    for rows, features in zip(indices, values, strict=True):
        begins = np.searchsorted(rows[:, 0], examples, side="left")
        columns.append(_Column(features, begins, np.searchsorted(rows[:, 0], examples, side="right") - begins))
    for features in dense_inputs:
        width = features.shape[1]
        columns.append(_Column(features.reshape(-1), examples * width, np.full(batch, width)))
    sizes = np.ones(batch, np.int64)
    for column in columns:
        sizes *= column.counts
    total = int(sizes.sum())
    example = np.repeat(examples, sizes)
    number = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen, rest = [], number
    for column in reversed(columns):  # the last column changes fastest
        rest, place = np.divmod(rest, column.counts[example])
        chosen.append(column.features[column.begins[example] + place])
    chosen.reverse()
    crossed = _hashed(chosen, total, num_buckets, hash_key) if hashed_output else _joined(chosen, total)
    made_shape = np.array([batch, sizes.max(initial=0)], np.int64)
    return np.stack([example, number], axis=1), crossed, made_shape


def _check_columns(indices: Any, values: Any, shapes: Any, dense_inputs: Any, batch: int) -> None:
    for i, (rows, features, shape) in enumerate(zip(indices, values, shapes, strict=True)):
        if rows.ndim != 2:
            raise kernel_error(
                f"Input indices should be a matrix but received shape {bracket_text(rows.shape)} at position {i}"
            )
        if rows.shape[1] != 2:
            raise kernel_error(f"Expected D2 of index to be 2 got {rows.shape[1]} at position {i}")
        if features.ndim != 1:
            raise kernel_error(
                f"Input values should be a std::vector but received shape {bracket_text(features.shape)} at position "
                f"{i}"
            )
        if len(rows) != len(features):
            raise kernel_error(f"Expected size of values to be {len(rows)} got {len(features)} at position {i}")
        if shape.shape != (2,):
            raise kernel_error(f"shape should imply a 2D tensor, but got {bracket_text(shape.shape)} at position {i}")
        if shape[0] != batch:
            raise kernel_error(f"Expected batch size {batch} got {shape[0]} at position {i}")
    for i, features in enumerate(dense_inputs):
        if features.ndim != 2:
            raise kernel_error(
                f"Dense inputs should be a matrix but received shape {bracket_text(features.shape)} at position {i}"
            )
        if len(features) != batch:
            raise kernel_error(f"Expected batch size {batch} got {len(features)} at dense tensor {i}")


def _joined(chosen: list[np.ndarray], total: int) -> np.ndarray:
    texts = [
        column.tolist() if column.dtype == object else [str(n).encode() for n in column.tolist()] for column in chosen
    ]
    made = np.empty(total, object)
    made[:] = [SEPARATOR.join(features) for features in zip(*texts, strict=True)] if texts else b""
    return made


def _hashed(chosen: list[np.ndarray], total: int, buckets: int, key: int) -> np.ndarray:
    crossed = np.full(total, np.array(key, np.int64).view(np.uint64))
    with np.errstate(over="ignore"):
        for column in chosen:
            words = fingerprints(column.tolist()) if column.dtype == object else column.astype(np.int64).view(np.uint64)
            crossed = _concatenated(crossed, words)
    limit = np.uint64(buckets or np.iinfo(np.int64).max)
    return (crossed % limit).astype(np.int64)


def _concatenated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The fingerprint of two things, from those of each."""
    mixed = first ^ _MULTIPLIER
    mixed = mixed ^ _shift_mix(second * _MULTIPLIER) * _MULTIPLIER
    mixed = _shift_mix(mixed * _MULTIPLIER) * _MULTIPLIER
    return _shift_mix(mixed)


def _shift_mix(x: np.ndarray) -> np.ndarray:
    return x ^ (x >> _SHIFT)


@sparse_cross_op.shape
def sparse_cross_shape(indices: Any, values: Any, shapes: Any, dense_inputs: Any) -> Any:
    return (None, 2), (None,), (2,)


@public("sparse.cross")
def sparse_cross(inputs: Any, name: str | None = None) -> SparseTensor:
    """Cross features by joining their texts.

    Args:
        inputs: a list of `SparseTensor`s and matrices: of each example, a row, the features of one kind. Strings, or
            integers, which are written out.
        name: the op's name.

    Returns:
        A `SparseTensor` of strings, as `b"red_X_round_X_7"`: for each example all combinations of its features.

    Raises:
        TypeError: for other inputs.
    """
    return _crossed(inputs, False, 0, None, name)


@public("sparse.cross_hashed")
def sparse_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """Cross features by hashing them.

    Args:
        inputs: as of `tf.sparse.cross`.
        num_buckets: the number of different results; 0 sets no limit.
        hash_key: where the hash starts.
        name: the op's name.

    Returns:
        A `SparseTensor` of int64.

    Raises:
        TypeError: for other inputs.
    """
    return _crossed(inputs, True, num_buckets, hash_key, name)


def _crossed(inputs: Any, is_hashed: bool, buckets: int, key: int | None, name: str | None) -> SparseTensor:
    if not isinstance(inputs, list):
        raise TypeError("Inputs must be a list")
    if not all(isinstance(x, SparseTensor | Tensor) for x in inputs):
        raise TypeError("All inputs must be SparseTensors")
    indices, values, shapes = parts(x for x in inputs if isinstance(x, SparseTensor))
    dense = [x for x in inputs if not isinstance(x, SparseTensor)]
    internal = dtypes.string
    for columns in (values, dense):
        for i, column in enumerate(columns):
            if column.dtype is not dtypes.string:
                columns[i] = cast.cast(column, dtypes.int64)
                internal = dtypes.int64
    made = sparse_cross_op(
        indices=indices,
        values=values,
        shapes=shapes,
        dense_inputs=dense,
        hashed_output=is_hashed,
        num_buckets=buckets,
        hash_key=key or DEFAULT_HASH_KEY,
        out_type=dtypes.int64 if is_hashed else dtypes.string,
        internal_type=internal,
        name=name,
    )
    return SparseTensor(*made)
