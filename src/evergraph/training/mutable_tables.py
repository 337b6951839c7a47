"""Tables whose entries come and go, and that checkpoints keep: `tf.contrib.lookup.MutableHashTable`, ..."""

from __future__ import annotations

import functools
from typing import Any

from evergraph.framework import convert
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, add_to_collection, colocate_with, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op
from evergraph.ops.tables.static_tables import LookupInterface
from evergraph.training.saveable import SaveableObject, SaveSpec


class TableSaveable(SaveableObject):
    """A table's entries, as a saver takes them: `<name>-keys` and `<name>-values`."""

    def __init__(self, table: Any, name: str) -> None:
        keys, values = table.export()
        super().__init__(table, [SaveSpec(keys, "", f"{name}-keys"), SaveSpec(values, "", f"{name}-values")], name)

    def restore(self, restored_tensors: list[Tensor], restored_shapes: Any, name: str | None = None) -> Any:
        handle = self.op.resource_handle
        with name_scope(name, f"{self.name}_table_restore"), colocate_with(handle):
            return raw_op("LookupTableImportV2")(handle, restored_tensors[0], restored_tensors[1])


class _MutableTable(LookupInterface):
    """What both kinds share."""

    _default_value: Tensor
    _table_name: str
    _name: str

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        return {"table": functools.partial(TableSaveable, table=self, name=self._name)}

    def _keep_in_checkpoints(self, checkpoint: bool, name: str) -> None:
        if checkpoint:
            add_to_collection(GraphKeys.SAVEABLE_OBJECTS, TableSaveable(self, name))

    @property
    def name(self) -> Any:
        return self._table_name

    def size(self, name: str | None = None) -> Tensor:
        """How many entries the table has: an int64 scalar."""
        with (
            name_scope(name, f"{self.name}_Size", [self.resource_handle]),
            colocate_with(self.resource_handle),
        ):
            return raw_op("LookupTableSizeV2")(self.resource_handle)

    def remove(self, keys: Any, name: str | None = None) -> Any:
        """An op that takes the entries of `keys`, a tensor, out of the table.

        Raises:
            TypeError: if the keys have another type than the table's.
        """
        if keys.dtype != self._key_dtype:
            raise TypeError(f"Signature mismatch. Keys must be dtype {self._key_dtype}, got {keys.dtype}.")
        scope = name_scope(name, f"{self.name}_lookup_table_remove", (self.resource_handle, keys, self._default_value))
        with scope:
            return raw_op("LookupTableRemoveV2")(self.resource_handle, keys)

    def lookup(self, keys: Any, name: str | None = None) -> Tensor:
        """The value of each key, or the default value."""
        with name_scope(name, f"{self.name}_lookup_table_find", [self.resource_handle, keys]):
            keys = convert.converted(keys, self._key_dtype, "keys")
            with colocate_with(self.resource_handle):
                return raw_op("LookupTableFindV2")(self.resource_handle, keys, self._default_value)

    def insert(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """An op that gives `keys` new values."""
        with name_scope(name, f"{self.name}_lookup_table_insert", [self.resource_handle, keys, values]):
            keys = convert.converted(keys, self._key_dtype, "keys")
            values = convert.converted(values, self._value_dtype, "values")
            with colocate_with(self.resource_handle):
                return raw_op("LookupTableInsertV2")(self.resource_handle, keys, values)

    def export(self, name: str | None = None) -> tuple[Tensor, Tensor]:
        """All keys and their values."""
        with (
            name_scope(name, f"{self.name}_lookup_table_export_values", [self.resource_handle]),
            colocate_with(self.resource_handle),
        ):
            keys, values = raw_op("LookupTableExportV2")(self.resource_handle, self._key_dtype, self._value_dtype)
        return keys, values


@public("contrib.lookup.MutableHashTable")
class MutableHashTable(_MutableTable):
    """A table whose entries come and go.

    Args:
        key_dtype, value_dtype: the types.
        default_value: what keys that are not there have: a scalar, or a vector for a table of vectors.
        checkpoint: whether savers keep the table.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        name: str = "MutableHashTable",
        checkpoint: bool = True,
    ) -> None:
        self._default_value = convert.converted(default_value, value_dtype)
        self._value_shape = self._default_value.get_shape()
        self._checkpoint = checkpoint
        self._name = name
        super().__init__(key_dtype, value_dtype)
        self._resource_handle = self._create_resource()
        self._keep_in_checkpoints(checkpoint, name)

    def _create_resource(self) -> Tensor:
        attrs: dict[str, Any] = {}
        kind = "MutableHashTableV2"
        if self._value_shape.ndims != 0:
            kind, attrs = "MutableHashTableOfTensorsV2", {"value_shape": self._value_shape}
        handle = raw_op(kind)(
            use_node_name_sharing=self._checkpoint,
            key_dtype=self._key_dtype,
            value_dtype=self._value_dtype,
            name=self._name,
            **attrs,
        )
        self._table_name = handle.op.name.split("/")[-1]
        return handle


@public("contrib.lookup.MutableDenseHashTable", "lookup.experimental.DenseHashTable")
class DenseHashTable(_MutableTable):
    """A table whose entries come and go, kept in buckets.

    Args:
        key_dtype, value_dtype: the types.
        default_value: what keys that are not there have.
        empty_key: a key that is never used: it marks buckets without an entry.
        deleted_key: another one, which marks buckets whose entry was removed.
        initial_num_buckets: a power of 2.
        checkpoint: whether savers keep the table.
    """

    def __init__(
        self,
        key_dtype: Any,
        value_dtype: Any,
        default_value: Any,
        empty_key: Any,
        deleted_key: Any,
        initial_num_buckets: int | None = None,
        name: str = "MutableDenseHashTable",
        checkpoint: bool = True,
    ) -> None:
        self._default_value = convert.converted(default_value, value_dtype, "default_value")
        self._initial_num_buckets = initial_num_buckets
        self._value_shape = self._default_value.get_shape()
        self._checkpoint = checkpoint
        self._name = name
        self._empty_key = convert.converted(empty_key, key_dtype, "empty_key")
        self._deleted_key = convert.converted(deleted_key, key_dtype, "deleted_key")
        super().__init__(key_dtype, value_dtype)
        self._resource_handle = self._create_resource()
        self._keep_in_checkpoints(checkpoint, name)

    def _create_resource(self) -> Tensor:
        handle = raw_op("MutableDenseHashTableV2")(
            empty_key=self._empty_key,
            deleted_key=self._deleted_key,
            use_node_name_sharing=self._checkpoint,
            value_dtype=self._value_dtype,
            value_shape=self._value_shape,
            initial_num_buckets=self._initial_num_buckets,
            name=self._name,
        )
        self._table_name = handle.op.name.split("/")[-1]
        return handle

    def insert_or_assign(self, keys: Any, values: Any, name: str | None = None) -> Any:
        """An op that gives `keys` new values."""
        return self.insert(keys, values, name)

    def erase(self, keys: Any, name: str | None = None) -> Any:
        """An op that takes the entries of `keys` out of the table."""
        return self.remove(keys, name)
