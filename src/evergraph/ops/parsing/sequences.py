"""`tf.parse_single_sequence_example` and `tf.io.parse_sequence_example`: serialized `SequenceExample`s to tensors.

A `SequenceExample` has features of its own, its context, and lists of features, one feature a time step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import as_bytes
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, bracket_text, is_static, with_rank
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.parsing.examples import could_not_parse
from evergraph.ops.parsing.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    VarLenFeature,
    Wanted,
    check_disjoint,
    default_tensors,
    sparse_tensors,
    wanted_features,
)
from evergraph.ops.strings.elements import array_of

_LISTS = {dtypes.string: "bytes_list", dtypes.float32: "float_list", dtypes.int64: "int64_list"}
_TYPE_NAMES = {dtypes.string: "string", dtypes.float32: "float", dtypes.int64: "int64"}


class _Record:
    """One `SequenceExample`, and what messages call it."""

    def __init__(self, data: bytes, name: str) -> None:
        from google.protobuf.message import DecodeError

        from evergraph.formats import messages

        try:
            message = messages.SequenceExample.FromString(data)
        except DecodeError:
            raise could_not_parse(data) from None
        self._context = message.context.feature
        self._lists = message.feature_lists.feature_list
        self._name = name

    def context(self, key: bytes, dtype: DType) -> np.ndarray | None:
        """The values of a feature of the context, or None if there are none."""
        name = key.decode("utf-8", "replace")
        if name not in self._context:
            return None
        return self._values(self._context[name], dtype, f"Context feature: {name}")

    def dense_context(self, key: bytes, dtype: DType, shape: tuple[int, ...], default: np.ndarray) -> np.ndarray:
        found = self.context(key, dtype)
        name = key.decode("utf-8", "replace")
        if found is None:
            if name in self._context:
                raise self._wrong_type(f"Context feature: {name}", dtype, self._context[name])
            if not default.size and 0 not in shape:
                raise kernel_error(f"Name: {self._name}, Context feature '{name}' is required but could not be found.")
            return default.reshape(shape)
        return self._shaped(found, name, dtype, shape)

    def steps(self, key: bytes) -> list[Any] | None:
        """The features of a feature list, or None if there is no such list."""
        name = key.decode("utf-8", "replace")
        return list(self._lists[name].feature) if name in self._lists else None

    def dense_steps(self, key: bytes, dtype: DType, shape: tuple[int, ...], may_be_missing: bool) -> np.ndarray:
        """A feature list as an array, one row a step."""
        name = key.decode("utf-8", "replace")
        found = self.steps(key)
        if found is None and not may_be_missing:
            raise kernel_error(
                f"Name: {self._name}, Feature list '{name}' is required but could not be found.  Did you mean to "
                "include it in feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?"
            )
        regular = self._regular_steps(found, dtype, math.prod(shape)) if found else None
        if regular is not None:
            return regular.reshape(-1, *shape)
        rows = []
        for t, feature in enumerate(found or ()):
            where = f"Feature list: {name}, Index: {t}"
            values = self._values(feature, dtype, where)
            if values is None:
                raise self._wrong_type(where, dtype, feature)
            rows.append(self._shaped(values, name, dtype, shape, t))
        return np.stack(rows) if rows else np.zeros((0, *shape), dtype.np)

    @staticmethod
    def _regular_steps(steps: list[Any], dtype: DType, size: int) -> np.ndarray | None:
        """The values of steps that all have `size` values of the right type; None if some have not."""
        kind = _LISTS[dtype]
        flat: list[Any] = []
        for step in steps:
            values = getattr(step, kind).value  # empty for a step of another type
            if len(values) != size or not size:
                return None
            flat.extend(values)
        return array_of(flat, (len(flat),)) if dtype is dtypes.string else np.array(flat, dtype.np)

    def sparse_steps(self, key: bytes, dtype: DType) -> list[np.ndarray]:
        """The values of each step of a feature list."""
        name = key.decode("utf-8", "replace")
        empty = np.zeros(0, dtype.np)
        rows = []
        for t, feature in enumerate(self.steps(key) or ()):
            values = self._values(feature, dtype, f"Feature List: {name}, Index: {t}")
            rows.append(empty if values is None else values)
        return rows

    def _values(self, feature: Any, dtype: DType, where: str) -> np.ndarray | None:
        kind = feature.WhichOneof("kind")
        if kind is None:
            return None
        if kind != _LISTS[dtype]:
            raise self._wrong_type(where, dtype, feature)
        values = getattr(feature, kind).value
        if dtype is dtypes.string:
            array = np.empty(len(values), object)
            array[:] = list(values)
            return array
        return np.array(values, dtype.np)

    def _wrong_type(self, where: str, dtype: DType, feature: Any) -> Exception:
        return kernel_error(
            f"Name: {self._name}, {where}.  Data types don't match. Expected type: {_TYPE_NAMES[dtype]}  Feature is: "
            f"{feature}"
        )

    def _shaped(self, values: np.ndarray, name: str, dtype: DType, shape: tuple[int, ...], step: int = 0) -> np.ndarray:
        if values.size != math.prod(shape):
            raise kernel_error(
                f"Name: {self._name}, Key: {name}, Index: {step}.  Number of {_TYPE_NAMES[dtype]} values != expected.  "
                f"values size: {values.size} but output shape: {bracket_text(shape)}"
            )
        return values.reshape(shape)


def _scalar(array: Any) -> bytes:
    return array.item() if isinstance(array, np.ndarray) else array


def _check_defaults(defaults: Sequence[Any], shapes: Sequence[Any]) -> None:
    for i, (default, shape) in enumerate(zip(defaults, shapes)):
        got = np.shape(default)
        if np.size(default) and got != shape:
            raise kernel_error(
                f"def_value[{i}].shape() == {bracket_text(got)} != context_dense_shapes_[{i}] == {bracket_text(shape)}"
            )


def _concatenated(parts: list[np.ndarray], dtype: DType) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype.np)


def _coordinates(counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and place in its row of each element, for rows of these lengths."""
    sizes = np.array(counts, np.int64)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    return rows, np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]


# One record


@op("ParseSingleSequenceExample", host=True, differentiable=False)
def parse_single_sequence_example_op(
    xp: Any,
    serialized: Any,
    feature_list_dense_missing_assumed_empty: Any,
    context_sparse_keys: Any,
    context_dense_keys: Any,
    feature_list_sparse_keys: Any,
    feature_list_dense_keys: Any,
    context_dense_defaults: Any,
    debug_name: Any,
    *,
    context_sparse_types: Any,
    Tcontext_dense: Any,
    feature_list_dense_types: Any,
    context_dense_shapes: Any,
    feature_list_sparse_types: Any,
    feature_list_dense_shapes: Any,
) -> Any:
    """One serialized `SequenceExample` as tensors."""
    if np.ndim(serialized):
        raise kernel_error(f"Expected serialized to be a scalar, got shape: {bracket_text(np.shape(serialized))}")
    _check_defaults(context_dense_defaults, context_dense_shapes)
    name = _scalar(debug_name).decode("utf-8", "replace") if np.size(debug_name) else "<unknown>"
    record = _Record(_scalar(serialized), name)
    missing = set(np.ravel(feature_list_dense_missing_assumed_empty).tolist())
    dense = [
        record.dense_context(_scalar(key), dtype, shape, np.asarray(default))
        for key, dtype, shape, default in zip(
            context_dense_keys, Tcontext_dense, context_dense_shapes, context_dense_defaults
        )
    ]
    indices, values, shapes = [], [], []
    for key, dtype in zip(context_sparse_keys, context_sparse_types):
        found = record.context(_scalar(key), dtype)
        found = np.zeros(0, dtype.np) if found is None else found
        indices.append(np.arange(found.size).reshape(-1, 1))
        values.append(found)
        shapes.append(np.array([found.size]))
    dense_lists = [
        record.dense_steps(_scalar(key), dtype, shape, _scalar(key) in missing)
        for key, dtype, shape in zip(feature_list_dense_keys, feature_list_dense_types, feature_list_dense_shapes)
    ]
    list_indices, list_values, list_shapes = [], [], []
    for key, dtype in zip(feature_list_sparse_keys, feature_list_sparse_types):
        rows = record.sparse_steps(_scalar(key), dtype)
        counts = [len(row) for row in rows]
        list_indices.append(np.stack(_coordinates(counts), axis=1))
        list_values.append(_concatenated(rows, dtype))
        list_shapes.append(np.array([len(rows), max(counts, default=0)]))
    return [*indices, *values, *shapes, *dense, *list_indices, *list_values, *list_shapes, *dense_lists]


@parse_single_sequence_example_op.shape
def parse_single_sequence_example_shape(
    serialized: Any,
    feature_list_dense_missing_assumed_empty: Any,
    context_sparse_keys: Any,
    context_dense_keys: Any,
    feature_list_sparse_keys: Any,
    feature_list_dense_keys: Any,
    context_dense_defaults: Any,
    debug_name: Any,
    *,
    context_sparse_types: Any,
    context_dense_shapes: Any,
    feature_list_sparse_types: Any,
    feature_list_dense_shapes: Any,
) -> Any:
    with_rank(serialized, 0)
    _check_known(context_dense_shapes, "context_dense_shapes")
    _check_known(feature_list_dense_shapes, "feature_list_dense_shapes")
    n, m = len(context_sparse_types), len(feature_list_sparse_types)
    return [
        *([(None, 1)] * n + [(None,)] * n + [(1,)] * n + list(context_dense_shapes)),
        *([(None, 2)] * m + [(None,)] * m + [(2,)] * m + [(None, *shape) for shape in feature_list_dense_shapes]),
    ]


def _check_known(shapes: Sequence[Any], what: str) -> None:
    for i, shape in enumerate(shapes):
        if not is_static(shape):
            raise ShapeError(f"{what}[{i}] is not fully defined: {shape}")


# A batch of records


@op("ParseSequenceExample", host=True, differentiable=False)
def parse_sequence_example_op(
    xp: Any,
    serialized: Any,
    debug_name: Any,
    context_dense_defaults: Any,
    *,
    feature_list_dense_missing_assumed_empty: Any,
    context_sparse_keys: Any,
    context_dense_keys: Any,
    feature_list_sparse_keys: Any,
    feature_list_dense_keys: Any,
    context_sparse_types: Any,
    Tcontext_dense: Any,
    feature_list_dense_types: Any,
    context_dense_shapes: Any,
    feature_list_sparse_types: Any,
    feature_list_dense_shapes: Any,
) -> Any:
    """A batch of serialized `SequenceExample`s as tensors; shorter lists are padded with zeros or empty strings."""
    if np.ndim(serialized) != 1:
        raise kernel_error(f"Expected serialized to be a vector, got shape: {bracket_text(np.shape(serialized))}")
    if np.size(debug_name) and np.ndim(debug_name) != 1:
        raise kernel_error(f"Expected debug_name to be a vector, got shape: {bracket_text(np.shape(debug_name))}")
    _check_defaults(context_dense_defaults, context_dense_shapes)
    names = [name.decode("utf-8", "replace") for name in np.ravel(debug_name).tolist()]
    data = serialized.tolist()
    records = [_Record(d, names[i] if i < len(names) else "<unknown>") for i, d in enumerate(data)]
    n = len(records)
    missing = set(feature_list_dense_missing_assumed_empty)
    dense = []
    for key, dtype, shape, default in zip(
        context_dense_keys, Tcontext_dense, context_dense_shapes, context_dense_defaults
    ):
        rows = [record.dense_context(key, dtype, shape, np.asarray(default)) for record in records]
        dense.append(np.stack(rows) if rows else np.zeros((0, *shape), dtype.np))
    indices, values, shapes = [], [], []
    for key, dtype in zip(context_sparse_keys, context_sparse_types):
        found = [record.context(key, dtype) for record in records]
        parts = [np.zeros(0, dtype.np) if f is None else f for f in found]
        counts = [len(part) for part in parts]
        indices.append(np.stack(_coordinates(counts), axis=1))
        values.append(_concatenated(parts, dtype))
        shapes.append(np.array([n, max(counts, default=0)]))
    list_indices, list_values, list_shapes = [], [], []
    for key, dtype in zip(feature_list_sparse_keys, feature_list_sparse_types):
        steps = [record.sparse_steps(key, dtype) for record in records]
        per_record = [len(rows) for rows in steps]
        flat = [row for rows in steps for row in rows]
        record_of_row, step_of_row = _coordinates(per_record)
        counts = [len(row) for row in flat]
        row, place = _coordinates(counts)
        list_indices.append(np.stack([record_of_row[row], step_of_row[row], place], axis=1))
        list_values.append(_concatenated(flat, dtype))
        list_shapes.append(np.array([n, max(per_record, default=0), max(counts, default=0)]))
    dense_lists, lengths = [], []
    for key, dtype, shape in zip(feature_list_dense_keys, feature_list_dense_types, feature_list_dense_shapes):
        rows = [record.dense_steps(key, dtype, shape, key in missing) for record in records]
        length = np.array([len(row) for row in rows], np.int64)
        padded = np.zeros((n, int(length.max(initial=0)), *shape), dtype.np)
        if dtype is dtypes.string:
            padded[...] = b""
        for i, row_of_steps in enumerate(rows):
            padded[i, : len(row_of_steps)] = row_of_steps
        dense_lists.append(padded)
        lengths.append(length)
    return [
        *(*indices, *values, *shapes, *dense),
        *(*list_indices, *list_values, *list_shapes, *dense_lists, *lengths),
    ]


@parse_sequence_example_op.shape
def parse_sequence_example_shape(
    serialized: Any,
    debug_name: Any,
    context_dense_defaults: Any,
    *,
    context_sparse_types: Any,
    context_dense_shapes: Any,
    feature_list_sparse_types: Any,
    feature_list_dense_shapes: Any,
) -> Any:
    batch = with_rank(serialized, 1)[0]
    _check_known(context_dense_shapes, "context_dense_shapes")
    _check_known(feature_list_dense_shapes, "feature_list_dense_shapes")
    n, m = len(context_sparse_types), len(feature_list_sparse_types)
    return [
        *([(None, 2)] * n + [(None,)] * n + [(2,)] * n + [(batch, *shape) for shape in context_dense_shapes]),
        *([(None, 3)] * m + [(None,)] * m + [(3,)] * m),
        *([(batch, None, *shape) for shape in feature_list_dense_shapes]),
        *([(batch,)] * len(feature_list_dense_shapes)),
    ]


# The functions of the interface


def _wanted(context_features: Any, sequence_features: Any) -> tuple[Wanted, Wanted]:
    if not (context_features or sequence_features):
        raise ValueError("Missing features.")
    context = wanted_features(context_features, (VarLenFeature, FixedLenFeature))
    steps = wanted_features(sequence_features, (VarLenFeature, FixedLenSequenceFeature))
    return context, steps


def _check(context: Wanted, steps: Wanted) -> list[Any]:
    """Refuse contradictions; give the names of the feature lists that may be missing."""
    check_disjoint("context_dense", context.dense_keys, "context_sparse", context.sparse_keys)
    check_disjoint("feature_list_dense", steps.dense_keys, "feature_list_sparse", steps.sparse_keys)
    for key, value in steps.dense_defaults.items():
        if value is not None:
            raise ValueError(f"Value feature_list_dense_defaults[{key}] must be None")
    return list(steps.dense_defaults)


def _by_name(wanted: Wanted, indices: Any, values: Any, shapes: Any, dense: Any) -> dict[Any, Any]:
    keys = [*wanted.sparse_keys, *wanted.dense_keys]
    return dict(zip(keys, [*sparse_tensors(indices, values, shapes), *dense]))


@public("parse_single_sequence_example", "io.parse_single_sequence_example")
def parse_single_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Read the features of one serialized `tf.train.SequenceExample`.

    Args:
        serialized: a string scalar.
        context_features: a dict from names to `FixedLenFeature` or `VarLenFeature`: features of the whole.
        sequence_features: a dict from names to `FixedLenSequenceFeature` or `VarLenFeature`: features of every step.
        example_name: a string scalar: what messages call the record.
        name: the name of the scope of the ops.

    Returns:
        Two dicts from the names to tensors, of the context and of the steps: a dense feature of the steps has shape
        `[steps] + shape`, a `SparseTensor` the dense shape `[steps, longest]`.

    Raises:
        ValueError: if a feature is not well-formed.
        InvalidArgumentError: at run time, if the record cannot be read, or lacks a feature.
    """
    context, steps = _wanted(context_features, sequence_features)
    with name_scope(name, "ParseSingleSequenceExample", [serialized]):
        may_be_missing = _check(context, steps)
        found = parse_single_sequence_example_op(
            serialized,
            may_be_missing,
            context.sparse_keys,
            context.dense_keys,
            steps.sparse_keys,
            steps.dense_keys,
            default_tensors(context),
            "" if example_name is None else example_name,
            context_sparse_types=context.sparse_types,
            context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=steps.sparse_types,
            feature_list_dense_types=steps.dense_types,
            feature_list_dense_shapes=steps.dense_shapes,
            name=name,
        )
        return _by_name(context, *found[:4]), _by_name(steps, *found[4:])


@public("io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict[Any, Any], dict[Any, Any], dict[Any, Any]]:
    """Read the features of a batch of serialized `tf.train.SequenceExample`s.

    Args:
        serialized: string, shape `[batch]`.
        context_features: a dict from names to `FixedLenFeature` or `VarLenFeature`: features of the whole.
        sequence_features: a dict from names to `FixedLenSequenceFeature` or `VarLenFeature`: features of every step.
        example_names: string, shape `[batch]`: what messages call the records.
        name: the name of the scope of the ops.

    Returns:
        Three dicts from the names to tensors: of the context, of the steps, padded to the longest record, and the
        number of steps, int64 of shape `[batch]`, of each dense feature of the steps.

    Raises:
        ValueError: if a feature is not well-formed.
        InvalidArgumentError: at run time, if a record cannot be read, or lacks a feature.
    """
    context, steps = _wanted(context_features, sequence_features)
    with name_scope(name, "ParseSequenceExample", [serialized]):
        may_be_missing = _check(context, steps)
        defaults = default_tensors(context, reshaped=False)
        found = parse_sequence_example_op(
            serialized,
            [] if example_names is None else example_names,
            defaults,
            feature_list_dense_missing_assumed_empty=[as_bytes(key) for key in may_be_missing],
            context_sparse_keys=context.sparse_keys,
            context_dense_keys=context.dense_keys,
            feature_list_sparse_keys=steps.sparse_keys,
            feature_list_dense_keys=steps.dense_keys,
            Ncontext_sparse=len(context.sparse_keys),
            Ncontext_dense=len(context.dense_keys),
            Nfeature_list_sparse=len(steps.sparse_keys),
            Nfeature_list_dense=len(steps.dense_keys),
            context_sparse_types=context.sparse_types,
            feature_list_dense_types=steps.dense_types,
            context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=steps.sparse_types,
            feature_list_dense_shapes=steps.dense_shapes,
            name=name,
        )
        lengths = dict(zip(steps.dense_keys, found[8]))
        return _by_name(context, *found[:4]), _by_name(steps, *found[4:8]), lengths


__all__ = ["parse_sequence_example", "parse_single_sequence_example"]
