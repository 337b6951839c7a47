"""Tables from words to numbers that give words they do not know a number too: that of a bucket, chosen by a hash."""

from __future__ import annotations

import functools
from collections import namedtuple
from typing import Any

import numpy as np

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.dtypes import DType
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.grouping import no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.selecting import where_v2
from evergraph.ops.tables.static_tables import HashTable, LookupInterface

_KEY_TYPES = (dtypes.int64, dtypes.string)


@public("contrib.lookup.HasherSpec")
class HasherSpec(namedtuple("HasherSpec", ["hasher", "key"])):
    """Which hash chooses the bucket: "fasthash", "stronghash" (with a key) or "legacy"."""

    __slots__ = ()


FastHashSpec = HasherSpec("fasthash", None)
publish("contrib.lookup.FastHashSpec", FastHashSpec)


@public("contrib.lookup.StrongHashSpec")
class StrongHashSpec(HasherSpec):
    """A hash that cannot be steered without knowing its key.

    Args:
        key: two ints.
    """

    __slots__ = ()

    def __new__(cls, key: Any) -> StrongHashSpec:
        if len(key) != 2:
            raise ValueError(f"key must have size 2, got {len(key)}.")
        if not all(isinstance(k, int | np.integer) for k in key):
            raise TypeError(f"Invalid key {key}. Must be unsigned integer values.")
        return super().__new__(cls, "stronghash", key)


class _BucketedTable(LookupInterface):
    """What `IdTableWithHashBuckets` and `StaticVocabularyTable` share."""

    _table: Any
    _table_name: str | None
    _num_oov_buckets: int
    _hasher_spec: Any = FastHashSpec

    @staticmethod
    def _check_types(of: Any, key_dtype: DType) -> None:
        if of.key_dtype not in _KEY_TYPES:
            raise TypeError(f"Invalid key dtype, expected one of {_KEY_TYPES}, but got {of.key_dtype}.")
        if of.key_dtype.is_integer != key_dtype.is_integer:
            kind = "integer" if key_dtype.is_integer else "non-integer"
            raise TypeError(f"Invalid key dtype, expected {kind} but got {of.key_dtype}.")
        if of.value_dtype != dtypes.int64:
            raise TypeError(f"Invalid value dtype, expected {dtypes.int64} but got {of.value_dtype}.")

    @staticmethod
    def _check_key_dtype(key_dtype: DType) -> None:
        if not key_dtype.is_integer and key_dtype != dtypes.string:
            raise TypeError(f"Invalid key_dtype, expected integer or string, got {key_dtype}.")

    def _create_resource(self) -> Any:
        return None if self._table is None else self._table._create_resource()

    def _initialize(self) -> Any:
        return self._no_op() if self._table is None else self._table._initialize()

    @staticmethod
    def _no_op() -> Any:
        with name_scope(None, "init"):
            return no_op()

    @property
    def initializer(self) -> Any:
        """The op that fills the table."""
        return self._no_op() if self._table is None else self._table._init_op

    @property
    def resource_handle(self) -> Any:
        return None if self._table is None else self._table.resource_handle

    @property
    def name(self) -> Any:
        return self._table_name

    def size(self, name: str | None = None) -> Tensor:
        """How many numbers there are: entries and buckets."""
        with name_scope(name, f"{self.name}_Size"):
            entries = self._table.size() if self._table else convert.converted(0, dtypes.int64)
            return entries + self._num_oov_buckets

    def _hash(self) -> Any:
        spec = self._hasher_spec
        if not isinstance(spec, HasherSpec):
            raise TypeError(f"hasher_spec must be of type HasherSpec {spec}")
        if spec.hasher == "fasthash":
            return raw_op("StringToHashBucketFast")
        if spec.hasher == "legacy":
            return raw_op("StringToHashBucket")
        if spec.hasher == "stronghash":
            return functools.partial(raw_op("StringToHashBucketStrong"), key=spec.key)
        raise ValueError(f"Unknown hasher {spec.hasher}")

    def _plain_values(self, keys: Any) -> Tensor:
        self._check_key_type(keys)
        values = keys.values if isinstance(keys, SparseTensor) else keys
        return cast(values, dtypes.int64) if self._table and self._table.key_dtype == dtypes.int64 else values

    def _ids(self, values: Tensor, name: str | None) -> Tensor:
        with name_scope(name, f"{self.name}_Lookup"):
            strings = values if values.dtype.base_dtype == dtypes.string else raw_op("AsString")(values)
            buckets = self._hash()(strings, num_buckets=self._num_oov_buckets, name="hash_bucket")
            if not self._table:
                return buckets
            ids = self._table.lookup(values)
            buckets = raw_op("Add")(buckets, self._table.size())
            return where_v2(raw_op("NotEqual")(ids, self._table.default_value), ids, buckets)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The number of each key: that of its entry, or that of a bucket.

        Args:
            keys: a tensor or `SparseTensor`.
        """
        ids = self._ids(self._plain_values(keys), name)
        return SparseTensor(keys.indices, ids, keys.dense_shape) if isinstance(keys, SparseTensor) else ids


@public("contrib.lookup.IdTableWithHashBuckets")
class IdTableWithHashBuckets(_BucketedTable):
    """A table to numbers, and buckets for keys that are not in it.

    Args:
        table: a table with int64 values, or None for buckets alone.
        num_oov_buckets: how many buckets; their numbers follow those of the table.
        hasher_spec: the hash that chooses one.
        key_dtype: the type of the keys, if it differs from the table's: other integers.
    """

    def __init__(
        self,
        table: Any,
        num_oov_buckets: int,
        hasher_spec: Any = FastHashSpec,
        name: str | None = None,
        key_dtype: Any = None,
    ) -> None:
        name = name.rstrip("/") if name else name
        if table:
            key_dtype = table.key_dtype if key_dtype is None else key_dtype
            self._check_types(table, key_dtype)
            self._table = table
            name = name or table.name
        else:
            if num_oov_buckets <= 0:
                raise ValueError("oov_buckets must be > 0 if no table is supplied.")
            key_dtype = dtypes.string if key_dtype is None else key_dtype
            self._table = None
            name = name or "hash_bucket"
        self._check_key_dtype(key_dtype)
        self._num_oov_buckets = num_oov_buckets
        if not isinstance(hasher_spec, HasherSpec):
            raise TypeError(f"hasher_spec must be of type HasherSpec, got {hasher_spec}")
        self._hasher_spec = hasher_spec
        self._table_name = name.split("/")[-1] if name else None
        super().__init__(key_dtype, dtypes.int64)

    @property
    def init(self) -> Any:
        """The op that fills the table."""
        return self.initializer

    def _ids(self, values: Tensor, name: str | None) -> Tensor:
        if self._num_oov_buckets == 0:
            return self._table.lookup(values, name=name)
        return super()._ids(values, name)


@public("lookup.StaticVocabularyTable")
class StaticVocabularyTable(_BucketedTable):
    """A table from words to numbers, and buckets for words that are not in it.

    Args:
        initializer: gives the entries, to int64; None for buckets alone.
        num_oov_buckets: how many buckets; their numbers follow those of the entries.
        lookup_key_dtype: the type of the keys, if it differs from the initializer's: other integers.
    """

    def __init__(
        self, initializer: Any, num_oov_buckets: int, lookup_key_dtype: Any = None, name: str | None = None
    ) -> None:
        if num_oov_buckets <= 0:
            raise ValueError("oov_buckets must be > 0.")
        name = name.rstrip("/") if name else name
        if initializer:
            lookup_key_dtype = initializer.key_dtype if lookup_key_dtype is None else lookup_key_dtype
            self._check_types(initializer, lookup_key_dtype)
            self._table = HashTable(initializer, default_value=-1)
            name = name or self._table.name
        else:
            lookup_key_dtype = dtypes.string
            self._table = None
            name = name or "hash_bucket"
        self._check_key_dtype(lookup_key_dtype)
        self._num_oov_buckets = num_oov_buckets
        self._table_name = name.split("/")[-1] if name is not None else None
        super().__init__(lookup_key_dtype, dtypes.int64)
