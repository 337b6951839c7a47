"""`tf.parse_example` and `tf.parse_single_example`: serialized `Example`s to tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import comparisons, shaping, slicing
from evergraph.ops.checks import Assert
from evergraph.ops.datasets.aligned import aligned, realigned
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.parsing import example_columns, example_wire
from evergraph.ops.parsing.example_columns import BYTES, FLOATS, INTS, MISSING, Column
from evergraph.ops.parsing.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
    Wanted,
    check_disjoint,
    default_tensors,
    safe_name,
    sparse_tensors,
    wanted_features,
    with_merged_sparse,
    with_open_length,
)

KINDS = {dtypes.string: BYTES, dtypes.float32: FLOATS, dtypes.int64: INTS}
_TYPE_NAMES = {BYTES: "string", FLOATS: "float", INTS: "int64"}
_LIST_NAMES = {BYTES: "bytes", FLOATS: "float", INTS: "int64"}


class _Dense(NamedTuple):
    """A dense feature: what it is called, its type and shape, and its default."""

    key: bytes
    dtype: DType
    shape: Any  # a tuple; only the first size may be None
    default: np.ndarray

    @property
    def is_open(self) -> bool:
        return bool(self.shape) and self.shape[0] is None

    def check(self, position: int) -> None:
        """Refuse a default that does not fit."""
        shown = f"[{','.join('?' if s is None else str(s) for s in self.shape)}]"
        got = bracket_text(self.default.shape)
        if self.is_open:
            if self.default.size != 1:
                raise kernel_error(
                    f"dense_shape[{position}] is a variable length shape: {shown}, therefore def_value[{position}] "
                    f"must contain a single element (the padding element).  But its shape is: {got}"
                )
        elif self.default.size and self.default.shape != self.shape:
            raise kernel_error(
                f"def_value[{position}].shape() == {got} is not compatible with dense_shapes_[{position}] == {shown}"
            )


@op("ParseExample", host=True, differentiable=False)
def parse_example_op(
    xp: Any,
    serialized: Any,
    names: Any,
    sparse_keys: Any,
    dense_keys: Any,
    dense_defaults: Any,
    *,
    sparse_types: Any,
    Tdense: Any,
    dense_shapes: Any,
) -> Any:
    """A batch of serialized `Example`s as tensors: dense features padded, others as indices, values and shape."""
    names = np.asarray(names)
    if names.size and names.ndim != 1:
        raise kernel_error(f"Expected names to be a vector, got shape: {bracket_text(names.shape)}")
    if names.size and names.size != serialized.size:
        raise kernel_error(f"Expected len(names) == len(serialized), but got: {names.size} vs. {serialized.size}")
    if serialized.ndim != 1:
        raise kernel_error(f"Expected serialized to be a vector, got shape: {bracket_text(serialized.shape)}")
    dense = [_Dense(_scalar(k), t, s, d) for k, t, s, d in zip(dense_keys, Tdense, dense_shapes, dense_defaults)]
    for i, feature in enumerate(dense):
        feature.check(i)
    sparse = [(_scalar(key), dtype) for key, dtype in zip(sparse_keys, sparse_types)]
    batch = _Batch(serialized.tolist(), names.tolist())
    found = batch.read(sparse, [(f.key, f.dtype) for f in dense])
    parts = [_sparse_parts(column) for column in found[: len(sparse)]]
    values = [batch.dense(feature, column) for feature, column in zip(dense, found[len(sparse) :])]
    return [*(p[0] for p in parts), *(p[1] for p in parts), *(p[2] for p in parts), *values]


@parse_example_op.shape
def parse_example_shape(
    serialized: Any,
    names: Any,
    sparse_keys: Any,
    dense_keys: Any,
    dense_defaults: Any,
    *,
    sparse_types: Any,
    dense_shapes: Any,
) -> Any:
    batch = with_rank(serialized, 1)[0]
    _check_open(dense_shapes)
    n = len(sparse_types)
    return [(None, 2)] * n + [(None,)] * n + [(2,)] * n + [(batch, *shape) for shape in dense_shapes]


@op("ParseSingleExample", host=True, differentiable=False)
def parse_single_example_op(
    xp: Any,
    serialized: Any,
    dense_defaults: Any,
    *,
    sparse_keys: Any,
    dense_keys: Any,
    sparse_types: Any,
    Tdense: Any,
    dense_shapes: Any,
) -> Any:
    """One serialized `Example` as tensors, without a batch dimension."""
    if np.ndim(serialized):
        raise kernel_error(f"Expected serialized to be a scalar, got shape: {bracket_text(serialized.shape)}")
    dense = [_Dense(k, t, s, np.asarray(d)) for k, t, s, d in zip(dense_keys, Tdense, dense_shapes, dense_defaults)]
    for i, feature in enumerate(dense):
        feature.check(i)
    record = _Single(_scalar(serialized))
    indices, values = [], []
    for key, dtype in zip(sparse_keys, sparse_types):
        found = record.sparse(key, dtype)
        indices.append(np.arange(found.size).reshape(-1, 1))
        values.append(found)
    shapes = [np.array([v.size]) for v in values]
    return [*indices, *values, *shapes, *(record.dense(feature) for feature in dense)]


@parse_single_example_op.shape
def parse_single_example_shape(serialized: Any, dense_defaults: Any, *, sparse_keys: Any, dense_shapes: Any) -> Any:
    with_rank(serialized, 0)
    _check_open(dense_shapes)
    n = len(sparse_keys)
    return [(None, 1)] * n + [(None,)] * n + [(1,)] * n + list(dense_shapes)


def _check_open(dense_shapes: Sequence[Any]) -> None:
    for i, shape in enumerate(dense_shapes):
        if shape is None or None in shape[1:]:
            raise ShapeError(f"dense_shapes[{i}] has unknown rank or unknown inner dimensions: {shape}")


def _scalar(array: Any) -> bytes:
    return array.item() if isinstance(array, np.ndarray) else array


# Records


def could_not_parse(data: bytes) -> Exception:
    return kernel_error(f"Could not parse example input, value: '{data.decode('latin-1')}'")


class _Batch:
    """Records in a batch, and how messages call them."""

    def __init__(self, records: list[bytes], names: list[bytes]) -> None:
        self._records = records
        self._names = names

    def read(self, sparse: list[tuple[bytes, DType]], dense: list[tuple[bytes, DType]]) -> list[Column]:
        try:
            return example_columns.columns(self._records, [(key, KINDS[dtype]) for key, dtype in sparse + dense])
        except example_columns.MalformedRecord as error:
            raise could_not_parse(self._records[error.record]) from None
        except example_columns.MalformedFeature as error:
            raise self._error(error.record, error.key, "Can't parse serialized Example.") from None
        except example_columns.WrongKind as error:
            expected = dict(dense + sparse)[error.key]
            text = _wrong_kind(expected, error.kind, error.key in dict(sparse))
            raise self._error(error.record, error.key, text) from None
        except example_wire.UnknownKind as error:
            raise kernel_error(str(error)) from None

    def dense(self, feature: _Dense, column: Column) -> np.ndarray:
        """The column of a dense feature as a tensor: checked, with defaults and padding put in."""
        if feature.is_open:
            return self._padded(feature, column)
        n, counts = len(self._records), column.counts
        size = math.prod(feature.shape)
        if (counts == size).all():
            return realigned(column.values.reshape((n, *feature.shape)))
        for record in np.flatnonzero((counts != size) & (counts != MISSING))[:1].tolist():
            raise self._error(
                record,
                feature.key,
                f"Number of {_LIST_NAMES[KINDS[feature.dtype]]} values != expected.  Values size: {counts[record]} but "
                f"output shape: {bracket_text(feature.shape)}",
            )
        missing = counts == MISSING
        if missing.any() and not feature.default.size:
            raise self._missing(int(np.flatnonzero(missing)[0]), feature)
        result = aligned((n, size), feature.dtype)
        result[~missing] = column.values.reshape(-1, size)
        result[missing] = feature.default.reshape(1, -1)
        return result.reshape((n, *feature.shape))

    def _padded(self, feature: _Dense, column: Column) -> np.ndarray:
        n, counts = len(self._records), np.maximum(column.counts, 0)
        stride = math.prod(feature.shape[1:])
        for record in np.flatnonzero(counts % stride if stride else counts)[:1].tolist():
            shape = ",".join(str(s) for s in feature.shape[1:])
            raise self._error(
                record,
                feature.key,
                f"Number of {_LIST_NAMES[KINDS[feature.dtype]]} values is not a multiple of stride length. Saw "
                f"{counts[record]} values but output shape is: [?{',' * bool(shape)}{shape}]",
            )
        longest = int(counts.max(initial=0))
        steps = longest // stride if stride else 0
        if (counts == longest).all():
            return realigned(column.values.reshape((n, steps, *feature.shape[1:])))
        result = aligned((n, longest), feature.dtype)
        result[...] = feature.default.reshape(-1)[0]
        result[np.arange(longest) < counts[:, None]] = column.values
        return result.reshape((n, steps, *feature.shape[1:]))

    def _name(self, record: int) -> str:
        return self._names[record].decode("utf-8", "replace") if self._names else "<unknown>"

    def _error(self, record: int, key: bytes, what: str) -> Exception:
        shown = key.decode("utf-8", "replace")
        return kernel_error(f"Name: {self._name(record)}, Key: {shown}, Index: {record}.  {what}")

    def _missing(self, record: int, feature: _Dense) -> Exception:
        return kernel_error(f"Name: {self._name(record)}, {_is_missing(feature)}")


class _Single:
    """One record by itself."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        try:
            self._features = example_wire.features(data)
        except example_wire.Malformed:
            raise could_not_parse(data) from None

    def sparse(self, key: bytes, dtype: DType) -> np.ndarray:
        found = self._values(key, dtype, is_sparse=True)
        return np.zeros(0, dtype.np) if found is None else found

    def dense(self, feature: _Dense) -> np.ndarray:
        found = self._values(feature.key, feature.dtype, is_sparse=False)
        if found is None:
            if feature.is_open:
                return np.zeros((0, *feature.shape[1:]), feature.dtype.np)
            if not feature.default.size:
                raise kernel_error(_is_missing(feature))
            return feature.default
        if feature.is_open:
            stride = math.prod(feature.shape[1:])
            if found.size % stride if stride else found.size:
                raise self._unreadable(feature.key)
            return found.reshape((found.size // stride if stride else 0, *feature.shape[1:]))
        if found.size != math.prod(feature.shape):
            raise self._unreadable(feature.key)
        return found.reshape(feature.shape)

    def _values(self, key: bytes, dtype: DType, is_sparse: bool) -> np.ndarray | None:
        span = self._features.get(key)
        if span is None:
            return None
        try:
            seen = example_wire.kind(self._data, *span)
            if seen is None:
                return None
            if seen != KINDS[dtype]:
                raise kernel_error(f"Key: {key.decode('utf-8', 'replace')}.  {_wrong_kind(dtype, seen, is_sparse)}")
            found = example_wire.values(self._data, *span)
        except example_wire.UnknownKind as error:
            raise kernel_error(str(error)) from None
        except example_wire.Malformed:
            raise self._unreadable(key) from None
        if isinstance(found, list):
            array = np.empty(len(found), object)
            array[:] = found
            return array
        return found

    def _unreadable(self, key: bytes) -> Exception:
        return kernel_error(f"Key: {key.decode('utf-8', 'replace')}.  Can't parse serialized Example.")


def _wrong_kind(expected: DType, seen: int, is_sparse: bool) -> str:
    wanted, got = _TYPE_NAMES[KINDS[expected]], _TYPE_NAMES[seen]
    if is_sparse:
        return f"Data types don't match. Expected type: {wanted}, Actual type: {got}"
    return f"Data types don't match. Data type: {got} but expected type: {wanted}"


def _is_missing(feature: _Dense) -> str:
    key = feature.key.decode("utf-8", "replace")
    return f"Feature: {key} (data type: {_TYPE_NAMES[KINDS[feature.dtype]]}) is required but could not be found."


def _sparse_parts(column: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices, values and dense shape of a feature of any length."""
    counts = np.maximum(column.counts, 0)
    n, before = len(counts), counts.cumsum() - counts
    rows = np.arange(n).repeat(counts)
    indices = np.empty((len(rows), 2), np.int64)
    indices[:, 0] = rows
    np.subtract(np.arange(len(rows)), before[rows], out=indices[:, 1])
    return indices, column.values, np.array([n, counts.max(initial=0)], np.int64)


# The functions of the interface


@public("parse_example", "io.parse_example")
def parse_example(serialized: Any, features: Any, name: str | None = None, example_names: Any = None) -> dict[Any, Any]:
    """Read the features of a batch of serialized `tf.train.Example`s.

    Args:
        serialized: string, shape `[batch]`.
        features: a dict from names to `FixedLenFeature`, `FixedLenSequenceFeature`, `VarLenFeature` or `SparseFeature`.
        name: the name of the scope of the ops.
        example_names: string, shape `[batch]`: what messages call the records.

    Returns:
        A dict from the names to tensors: `[batch] + shape` for a `FixedLenFeature`, `[batch, longest] + shape`, padded,
        for a `FixedLenSequenceFeature`, a `SparseTensor` for the others.

    Raises:
        ValueError: if a feature is not well-formed.
        InvalidArgumentError: at run time, if a record cannot be read, or lacks a feature that has no default.

    >>> record = tf.train.Example()
    >>> record.features.feature["age"].int64_list.value.append(29)
    >>> sess.run(tf.parse_example([record.SerializeToString()], {"age": tf.FixedLenFeature([], tf.int64)}))
    {'age': array([29])}
    """
    if not features:
        raise ValueError(f"Missing: features was {features}.")
    features = with_open_length(features)
    wanted = wanted_features(features, (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature))
    return with_merged_sparse(features, _parsed_batch(serialized, example_names, wanted, name))


def _parsed_batch(serialized: Any, names: Any, wanted: Wanted, name: str | None) -> dict[Any, Any]:
    with name_scope(name, "ParseExample", [serialized, names]):
        _check(wanted)
        defaults = default_tensors(wanted)
        found = parse_example_op(
            serialized,
            [] if names is None else names,
            wanted.sparse_keys,
            wanted.dense_keys,
            defaults,
            sparse_types=wanted.sparse_types,
            dense_shapes=wanted.dense_shapes,
            name=name,
        )
        return _by_name(wanted, found)


def _check(wanted: Wanted) -> None:
    if not wanted.dense_keys and not wanted.sparse_keys:
        raise ValueError("Must provide at least one sparse key or dense key")
    check_disjoint("Dense", wanted.dense_keys, "sparse", wanted.sparse_keys)


def _by_name(wanted: Wanted, found: Any) -> dict[Any, Any]:
    indices, values, dense_shapes, dense = found
    sparse = sparse_tensors(indices, values, dense_shapes)
    return dict(zip([*wanted.sparse_keys, *wanted.dense_keys], [*sparse, *dense]))


@public("parse_single_example", "io.parse_single_example")
def parse_single_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[Any, Any]:
    """Read the features of one serialized `tf.train.Example`.

    Args:
        serialized: a string scalar.
        features: a dict from names to `FixedLenFeature`, `FixedLenSequenceFeature`, `VarLenFeature` or `SparseFeature`.
        name: the name of the scope of the ops.
        example_names: a string scalar: what messages call the record.

    Returns:
        A dict from the names to tensors: as `parse_example` gives it, without the batch dimension.

    Raises:
        ValueError: if a feature is not well-formed.
        InvalidArgumentError: at run time, if the record cannot be read, or lacks a feature that has no default.
    """
    if not features:
        raise ValueError("Missing features.")
    features = with_open_length(features)
    wanted = wanted_features(features, (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature))
    if example_names is not None:
        return with_merged_sparse(features, _parsed_as_batch_of_one(serialized, example_names, wanted, name))
    with name_scope(name, "ParseSingleExample", [serialized]):
        serialized = convert_to_tensor(serialized, name="serialized")
        _check(wanted)
        found = parse_single_example_op(
            serialized,
            default_tensors(wanted),
            num_sparse=len(wanted.sparse_keys),
            sparse_keys=wanted.sparse_keys,
            dense_keys=wanted.dense_keys,
            sparse_types=wanted.sparse_types,
            dense_shapes=wanted.dense_shapes,
            name=name,
        )
        parsed = _by_name(wanted, found)
    return with_merged_sparse(features, parsed)


def _parsed_as_batch_of_one(serialized: Any, names: Any, wanted: Wanted, name: str | None) -> dict[Any, Any]:
    with name_scope(name, "ParseSingleExample", [serialized, names]):
        serialized = _row(serialized, "serialized", "Serialized")
        parsed = _parsed_batch(serialized, _row(names, "names", "Names"), wanted, name)
        for key in wanted.dense_keys:
            parsed[key] = shaping.squeeze(parsed[key], [0], name=f"Squeeze_{safe_name(key)}")
        for key in wanted.sparse_keys:
            whole, word = parsed[key], safe_name(key)
            parsed[key] = SparseTensor(
                slicing.slice(whole.indices, [0, 1], [-1, -1], name=f"Slice_Indices_{word}"),
                whole.values,
                slicing.slice(whole.dense_shape, [1], [-1], name=f"Squeeze_Shape_{word}"),
            )
        return parsed


def _row(value: Any, name: str, word: str) -> Tensor:
    """A scalar as a batch of one."""
    tensor = convert_to_tensor(value)
    if tensor.static_shape is None:
        is_scalar = comparisons.equal(shaping.rank(tensor), 0)
        check = Assert(is_scalar, [f"Input {name} must be a scalar"], name=f"{word}IsScalar")
        tensor = with_dependencies([check], tensor, name=f"{word}Dependencies")
    elif tensor.static_shape:
        raise ValueError(f"Input {name} must be a scalar")
    return shaping.expand_dims(tensor, 0)


__all__ = ["KINDS", "could_not_parse", "parse_example", "parse_single_example"]
