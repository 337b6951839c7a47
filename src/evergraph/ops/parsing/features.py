"""What to expect of a record: `tf.FixedLenFeature` and its kin, and how they become arguments of the parsing ops."""

from __future__ import annotations

import re
from collections import OrderedDict, namedtuple
from collections.abc import Iterable
from typing import Any, NamedTuple

from evergraph.framework import dtypes, log, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.shaping import reshape
from evergraph.ops.sparse.merging import sparse_merge


@public("VarLenFeature", "io.VarLenFeature")
class VarLenFeature(namedtuple("VarLenFeature", ["dtype"])):
    """A feature of any length; it is parsed into a `SparseTensor`.

    Args:
        dtype: string, int64 or float32.
    """


@public("SparseFeature", "io.SparseFeature")
class SparseFeature(namedtuple("SparseFeature", ["index_key", "value_key", "dtype", "size", "already_sorted"])):
    """A sparse tensor whose indices and values are features of their own; it is parsed into a `SparseTensor`.

    Args:
        index_key: the name of the feature that holds the indices; a list of names for more than one dimension.
        value_key: the name of the feature that holds the values.
        dtype: the type of the values: string, int64 or float32.
        size: the dense size; a list if `index_key` is one.
        already_sorted: whether the indices are in order as they are.
    """

    def __new__(
        cls, index_key: Any, value_key: Any, dtype: Any, size: Any, already_sorted: bool = False
    ) -> SparseFeature:
        return super().__new__(cls, index_key, value_key, dtype, size, already_sorted)


@public("FixedLenFeature", "io.FixedLenFeature")
class FixedLenFeature(namedtuple("FixedLenFeature", ["shape", "dtype", "default_value"])):
    """A feature of a known shape; it is parsed into a dense tensor.

    Args:
        shape: its shape, fully known.
        dtype: string, int64 or float32.
        default_value: what records without the feature get, of `shape`; without it they are an error.
    """

    def __new__(cls, shape: Any, dtype: Any, default_value: Any = None) -> FixedLenFeature:
        return super().__new__(cls, shape, dtype, default_value)


@public("FixedLenSequenceFeature", "io.FixedLenSequenceFeature")
class FixedLenSequenceFeature(
    namedtuple("FixedLenSequenceFeature", ["shape", "dtype", "allow_missing", "default_value"])
):
    """A feature of any number of entries of a known shape; it is parsed into a dense tensor, padded in a batch.

    Args:
        shape: the shape of one entry.
        dtype: string, int64 or float32.
        allow_missing: whether a record without the feature counts as one with no entry.
        default_value: what shorter records of a batch are padded with; by default 0 or the empty string.
    """

    def __new__(
        cls, shape: Any, dtype: Any, allow_missing: bool = False, default_value: Any = None
    ) -> FixedLenSequenceFeature:
        return super().__new__(cls, shape, dtype, allow_missing, default_value)


class Wanted(NamedTuple):
    """The features that a parsing op is asked for, by name."""

    sparse_keys: list[Any]
    sparse_types: list[Any]
    dense_keys: list[Any]
    dense_types: list[Any]
    dense_defaults: dict[Any, Any]
    dense_shapes: list[Any]


def wanted_features(features: Any, kinds: Iterable[type]) -> Wanted:
    """Sort out a dict of features; only the given `kinds` of them are allowed.

    Raises:
        ValueError: if one is of another kind, or lacks its type or shape, or two contradict each other.
    """
    allowed = tuple(kinds)
    wanted = Wanted([], [], [], [], OrderedDict(), [])
    for key in sorted(features or ()):
        feature = features[key]
        kind = type(feature)
        if kind not in (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature):
            raise ValueError(f"Invalid feature {key}:{feature}.")
        if kind not in allowed:
            raise ValueError(f"Unsupported {kind.__name__} {feature}.")
        if kind is SparseFeature:
            _want_sparse(wanted, key, feature)
            continue
        if not feature.dtype:
            raise ValueError(f"Missing type for feature {key}.")
        if kind is VarLenFeature:
            wanted.sparse_keys.append(key)
            wanted.sparse_types.append(feature.dtype)
            continue
        if feature.shape is None:
            raise ValueError(f"Missing shape for feature {key}.")
        if kind is FixedLenFeature:
            _check_fixed_shape(key, feature.shape)
        wanted.dense_keys.append(key)
        wanted.dense_shapes.append(feature.shape)
        wanted.dense_types.append(feature.dtype)
        if kind is FixedLenSequenceFeature and feature.allow_missing:
            wanted.dense_defaults[key] = None
        if feature.default_value is not None:
            wanted.dense_defaults[key] = feature.default_value
    return wanted


def _want_sparse(wanted: Wanted, key: Any, feature: SparseFeature) -> None:
    for what in ("index_key", "value_key"):
        if not getattr(feature, what):
            raise ValueError(f"Missing {what} for SparseFeature {feature}.")
    if not feature.dtype:
        raise ValueError(f"Missing type for feature {key}.")
    index_keys = [feature.index_key] if isinstance(feature.index_key, str) else list(feature.index_key)
    if len(index_keys) > 1:
        log.warn(
            "SparseFeature is a complicated feature config and should only be used after careful consideration of "
            "VarLenFeature."
        )
    parts = [(k, dtypes.int64) for k in sorted(index_keys)] + [(feature.value_key, feature.dtype)]
    for part, dtype in parts:
        if part not in wanted.sparse_keys:
            wanted.sparse_keys.append(part)
            wanted.sparse_types.append(dtype)
            continue
        known = wanted.sparse_types[wanted.sparse_keys.index(part)]
        if known != dtype:
            names = [d.name if isinstance(d, DType) else d for d in (known, dtype)]
            raise ValueError(f"Conflicting type {names[0]} vs {names[1]} for feature {part}.")


def _check_fixed_shape(key: Any, shape: Any) -> None:
    known = shapes.static_shape(shape)
    if known and known[0] is None:
        raise ValueError(f"First dimension of shape for feature {key} unknown. Consider using FixedLenSequenceFeature.")
    if not shapes.is_static(known):
        raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {shape}.")


def with_open_length(features: dict[Any, Any]) -> dict[Any, Any]:
    """The features with the number of entries of a `FixedLenSequenceFeature` as a dimension of its shape.

    Raises:
        ValueError: if one may not be missing, which an `Example` has no way to say.
    """
    changed = dict(features)
    for key, feature in features.items():
        if isinstance(feature, FixedLenSequenceFeature):
            if not feature.allow_missing:
                raise ValueError("Unsupported: FixedLenSequenceFeature requires allow_missing to be True.")
            changed[key] = feature._replace(shape=[None, *feature.shape])
    return changed


def default_tensors(wanted: Wanted, reshaped: bool = True) -> list[Tensor]:
    """The tensors that hold the defaults of the dense features; an empty one where there is no default."""
    made = []
    for key, dtype, shape in zip(wanted.dense_keys, wanted.dense_types, wanted.dense_shapes):
        value = wanted.dense_defaults.get(key)
        known = shapes.static_shape(shape)
        if known and known[0] is None:
            if value is None:
                value = convert_to_tensor("" if dtype == dtypes.string else 0, dtype)
            else:
                value = reshape(convert_to_tensor(value, dtype, f"padding_{safe_name(key)}"), [])
        elif value is None:
            value = constant([], dtype)
        elif not isinstance(value, Tensor):
            value = convert_to_tensor(value, dtype, f"key_{safe_name(key)}")
            if reshaped:
                value = reshape(value, shapes.as_shape(known))
        made.append(value)
    return made


def safe_name(key: Any) -> str:
    """`key` with what may not be in an op's name replaced."""
    return re.sub(r"[^A-Za-z0-9_.\-/]", "_", key)


def check_lengths(what: str, **lists: list[Any]) -> None:
    """Refuse lists that should be as long as the keys, the first of them, but are not."""
    (keys_name, keys), *others = lists.items()
    for name, values in others:
        if len(values) != len(keys):
            raise ValueError(f"len({what}{name}) != len({what}{keys_name}): {len(values)} vs. {len(keys)}")


def check_disjoint(dense_name: str, dense: list[Any], sparse_name: str, sparse: list[Any]) -> None:
    """Refuse a name that is both a dense and a sparse feature."""
    both = set(dense) & set(sparse)
    if both:
        raise ValueError(f"{dense_name} and {sparse_name} keys must not intersect; intersection: {both}")


def sparse_tensors(indices: Any, values: Any, dense_shapes: Any) -> list[SparseTensor]:
    return [SparseTensor(*parts) for parts in zip(indices, values, dense_shapes)]


def with_merged_sparse(features: dict[Any, Any], parsed: dict[Any, Any]) -> dict[Any, Any]:
    """What was parsed, by the names of `features`: a `SparseFeature` is put together from its parts."""
    result = dict(parsed)
    for key in sorted(features):
        feature = features[key]
        if isinstance(feature, SparseFeature):
            keys = feature.index_key
            ids = result[keys] if isinstance(keys, str) else [result[k] for k in keys]
            result[key] = sparse_merge(
                ids, result[feature.value_key], vocab_size=feature.size, already_sorted=feature.already_sorted
            )
    return {key: value for key, value in result.items() if key in features}


__all__ = [
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "SparseFeature",
    "VarLenFeature",
    "Wanted",
    "check_disjoint",
    "check_lengths",
    "default_tensors",
    "safe_name",
    "sparse_tensors",
    "wanted_features",
    "with_merged_sparse",
    "with_open_length",
]
