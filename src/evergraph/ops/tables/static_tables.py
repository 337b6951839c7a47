"""Tables that are filled once: `tf.lookup.StaticHashTable`, and the one of `tf.contrib.lookup`."""

from __future__ import annotations

import uuid
from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import init_scope, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op


@public("contrib.lookup.LookupInterface")
class LookupInterface:
    """A map from keys to values of given types."""

    _resource_handle: Any = None

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = dtypes.as_dtype(key_dtype)
        self._value_dtype = dtypes.as_dtype(value_dtype)

    def _create_resource(self) -> Any:
        raise NotImplementedError

    def _initialize(self) -> Any:
        """The op that fills the table; None where nothing has to be done."""

    @property
    def _checkpoint_dependencies(self) -> list[tuple[str, Any]]:
        return []

    @property
    def resource_handle(self) -> Any:
        """The handle of the table."""
        return self._resource_handle

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype

    @property
    def name(self) -> Any:
        return NotImplementedError

    def size(self, name: str | None = None) -> Tensor:
        """How many entries the table has."""
        raise NotImplementedError

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The values of `keys`."""
        raise NotImplementedError

    def _check_key_type(self, keys: Any) -> None:
        if keys.dtype.base_dtype != self._key_dtype:
            raise TypeError(f"Signature mismatch. Keys must be dtype {self._key_dtype}, got {keys.dtype}.")


@public("contrib.lookup.InitializableLookupTableBase")
class InitializableLookupTableBase(LookupInterface):
    """A table that an initializer fills.

    Args:
        default_value: what keys that are not there have.
        initializer: fills the table.
    """

    def __init__(self, default_value: Any, initializer: Any) -> None:
        super().__init__(initializer.key_dtype, initializer.value_dtype)
        self._default_value = convert.converted(default_value, self._value_dtype)
        self._default_value.get_shape().merge_with(TensorShape([]))
        self._initializer = initializer
        with init_scope():
            self._resource_handle = self._create_resource()
        if get_default_graph()._get_control_flow_context() is not None:
            with init_scope():
                self._init_op = self._initialize()
        else:
            self._init_op = self._initialize()

    def _initialize(self) -> Any:
        return self._initializer.initialize(self)

    @property
    def _checkpoint_dependencies(self) -> list[tuple[str, Any]]:
        is_known = hasattr(self._initializer, "_checkpoint_dependencies")
        return [("_initializer", self._initializer)] if is_known else []

    @property
    def initializer(self) -> Any:
        """The op that fills the table."""
        return self._init_op

    @property
    def default_value(self) -> Tensor:
        return self._default_value

    def size(self, name: str | None = None) -> Tensor:
        """How many entries the table has: an int64 scalar."""
        with name_scope(name, f"{self.name}_Size", [self.resource_handle]):
            return raw_op("LookupTableSizeV2")(self.resource_handle)

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """The value of each key, or the default value.

        Args:
            keys: a tensor or `SparseTensor` of keys.

        Raises:
            TypeError: if the keys have another type than the table's.
        """
        key_tensor = keys.values if isinstance(keys, SparseTensor) else keys
        self._check_key_type(keys)
        with name_scope(name, f"{self.name}_Lookup", (self.resource_handle, key_tensor, self._default_value)):
            values = raw_op("LookupTableFindV2")(self.resource_handle, key_tensor, self._default_value)
        values.set_shape(key_tensor.get_shape())
        return SparseTensor(keys.indices, values, keys.dense_shape) if isinstance(keys, SparseTensor) else values


public("contrib.lookup.InitializableLookupTableBaseV1")(InitializableLookupTableBase)


@public("lookup.StaticHashTable")
class StaticHashTable(InitializableLookupTableBase):
    """A table that is filled once, by `tf.tables_initializer()`.

    Args:
        initializer: gives the entries.
        default_value: what keys that are not there have.

    >>> table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20]), -1)
    >>> with tf.Session() as s:
    ...     s.run(tf.tables_initializer())
    ...     s.run(table.lookup(tf.constant(["b", "c"])))
    array([20, -1], dtype=int32)
    """

    def __init__(self, initializer: Any, default_value: Any, name: str | None = None) -> None:
        self._initializer = initializer
        self._shared_name = initializer._shared_name or f"hash_table_{uuid.uuid4()}"
        self._name = name or "hash_table"
        self._table_name: str | None = None
        super().__init__(default_value, initializer)
        self._value_shape = self._default_value.get_shape()

    def _create_resource(self) -> Tensor:
        handle = raw_op("HashTableV2")(
            shared_name=self._shared_name,
            key_dtype=self._initializer.key_dtype,
            value_dtype=self._initializer.value_dtype,
            name=self._name,
        )
        if self._table_name is None:  # the others are copies of the op, in functions of a SavedModel
            self._table_name = handle.op.name.split("/")[-1]
        return handle

    @property
    def name(self) -> Any:
        return self._table_name

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values: two vectors."""
        with name_scope(name, f"{self.name}_Export", [self.resource_handle]):
            keys, values = raw_op("LookupTableExportV2")(self.resource_handle, self._key_dtype, self._value_dtype)
        values.set_shape(keys.get_shape().concatenate(self._value_shape))
        return keys, values


class HashTable(StaticHashTable):
    """The table inside `tf.lookup.StaticVocabularyTable`."""

    @property
    def init(self) -> Any:
        return self.initializer


@public("contrib.lookup.HashTable")
class ContribHashTable(InitializableLookupTableBase):
    """A table that is filled once; without a `shared_name` no other table shares its entries.

    Args:
        initializer: gives the entries.
        default_value: what keys that are not there have.
        shared_name: tables of one shared name are one table in a session.
    """

    def __init__(
        self, initializer: Any, default_value: Any, shared_name: str | None = None, name: str | None = None
    ) -> None:
        self._initializer = initializer
        self._shared_name = shared_name
        self._name = name or "hash_table"
        self._table_name: str | None = None
        super().__init__(default_value, initializer)
        self._value_shape = self._default_value.get_shape()

    _create_resource = StaticHashTable._create_resource

    @property
    def init(self) -> Any:
        """The op that fills the table."""
        return self.initializer

    @property
    def name(self) -> Any:
        return self._table_name

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values: two vectors."""
        with name_scope(name, f"{self.name}_Export", [self.resource_handle]) as scope:
            keys, values = raw_op("LookupTableExportV2")(
                self.resource_handle, self._key_dtype, self._value_dtype, name=scope
            )
        values.set_shape(keys.get_shape().concatenate(self._value_shape))
        return keys, values


ContribHashTable.__name__ = ContribHashTable.__qualname__ = "HashTable"
