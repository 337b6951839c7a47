"""What fills a table: `tf.lookup.KeyValueTensorInitializer`, `tf.lookup.TextFileInitializer` and their relatives."""

from __future__ import annotations

from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, add_to_collection, init_scope, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.assets import TrackableAsset
from evergraph.ops.opdef import raw_op
from evergraph.ops.tables.vocabulary_file import LINE_NUMBER, WHOLE_LINE


@public("contrib.lookup.TableInitializerBase")
class TableInitializerBase:
    """Knows the types of the keys and the values, and how to fill a table with them."""

    def __init__(self, key_dtype: Any, value_dtype: Any) -> None:
        self._key_dtype = dtypes.as_dtype(key_dtype)
        self._value_dtype = dtypes.as_dtype(value_dtype)

    @property
    def key_dtype(self) -> DType:
        return self._key_dtype

    @property
    def value_dtype(self) -> DType:
        return self._value_dtype

    def initialize(self, table: Any) -> Any:
        """The op that fills `table`."""
        raise NotImplementedError

    @property
    def _checkpoint_dependencies(self) -> list[tuple[str, Any]]:
        return []

    @property
    def _shared_name(self) -> str:
        """The shared name of a table of the same entries, or "" for a table of its own."""
        return ""

    def _check_types(self, table: Any, key_dtype: DType, value_dtype: DType) -> None:
        if key_dtype.base_dtype != table.key_dtype:
            raise TypeError(f"Invalid key dtype, expected {table.key_dtype} but got {key_dtype}.")
        if value_dtype.base_dtype != table.value_dtype:
            raise TypeError(f"Invalid value dtype, expected {table.value_dtype} but got {value_dtype}.")


@public("lookup.KeyValueTensorInitializer", "contrib.lookup.KeyValueTensorInitializer")
class KeyValueTensorInitializer(TableInitializerBase):
    """Fills a table with keys and values that are tensors.

    Args:
        keys, values: vectors of one length.
        key_dtype, value_dtype: their types, where they are no tensors yet.
    """

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        if get_default_graph()._get_control_flow_context() is not None:
            with init_scope():
                self._convert(keys, values, key_dtype, value_dtype)
        else:
            self._convert(keys, values, key_dtype, value_dtype)
        self._name = "key_value_init" if name is None else name
        super().__init__(self._keys.dtype, self._values.dtype)

    def _convert(self, keys: Any, values: Any, key_dtype: Any, value_dtype: Any) -> None:
        self._keys = convert.converted(keys, key_dtype, "keys")
        self._values = convert.converted(values, value_dtype, "values")

    def initialize(self, table: Any) -> Any:
        """The op that fills `table`; `tf.tables_initializer()` runs it too."""
        self._check_types(table, self._keys.dtype, self._values.dtype)
        with name_scope(self._name, values=(table.resource_handle, self._keys, self._values)):
            made = raw_op("LookupTableImportV2")(table.resource_handle, self._keys, self._values)
        add_to_collection(GraphKeys.TABLE_INITIALIZERS, made)
        return made


@public("lookup.TextFileIndex", "contrib.lookup.TextFileIndex")
class TextFileIndex:
    """What stands for a column: the line as a whole, or its number, from 0."""

    WHOLE_LINE = WHOLE_LINE
    LINE_NUMBER = LINE_NUMBER


@public("lookup.TextFileInitializer", "contrib.lookup.TextFileInitializer")
class TextFileInitializer(TableInitializerBase):
    r"""Fills a table from a text file, a line for each entry.

    Args:
        filename: the file; a SavedModel takes it along as an asset.
        key_dtype, value_dtype: the types.
        key_index, value_index: the columns, or `TextFileIndex.WHOLE_LINE` or `TextFileIndex.LINE_NUMBER`.
        vocab_size: how many lines there are, if it is known: fewer are an error, more are left out.
        delimiter: one character, between columns.

    Raises:
        ValueError: if a type does not go with a column, or a number is out of range.
    """

    def __init__(
        self,
        filename: Any,
        key_dtype: Any,
        key_index: int,
        value_dtype: Any,
        value_index: int,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str | None = None,
    ) -> None:
        if not isinstance(filename, Tensor) and not filename:
            raise ValueError(f"Filename required for {name}.")
        self._filename_arg = filename
        key_dtype, value_dtype = dtypes.as_dtype(key_dtype), dtypes.as_dtype(value_dtype)
        if key_index < -2:
            raise ValueError(f"Invalid key index {key_index}.")
        if key_index == LINE_NUMBER and key_dtype != dtypes.int64:
            raise ValueError(f"Signature mismatch. Keys must be dtype {dtypes.int64}, got {key_dtype}.")
        if key_index == WHOLE_LINE and not key_dtype.is_integer and key_dtype != dtypes.string:
            raise ValueError(f"Signature mismatch. Keys must be integer or string, got {key_dtype}.")
        if value_index < -2:
            raise ValueError(f"Invalid value index {value_index}.")
        if value_index == LINE_NUMBER and value_dtype != dtypes.int64:
            raise ValueError(f"Signature mismatch. Values must be dtype {dtypes.int64}, got {value_dtype}.")
        if value_index == WHOLE_LINE and value_dtype != dtypes.string:
            raise ValueError(f"Signature mismatch. Values must be dtype {dtypes.string}, got {value_dtype}.")
        if vocab_size is not None and vocab_size <= 0:
            raise ValueError(f"Invalid vocab_size {vocab_size}.")
        self._key_index, self._value_index = key_index, value_index
        self._vocab_size = vocab_size
        self._delimiter = delimiter
        self._name = name
        self._filename = TrackableAsset(filename)
        super().__init__(key_dtype, value_dtype)

    def initialize(self, table: Any) -> Any:
        """The op that fills `table`; `tf.tables_initializer()` runs it too."""
        self._check_types(table, self.key_dtype, self.value_dtype)
        filename = self._filename.asset_path
        with name_scope(self._name, "text_file_init", (table.resource_handle,)):
            made = raw_op("InitializeTableFromTextFileV2")(
                table.resource_handle,
                filename,
                self._key_index,
                self._value_index,
                -1 if self._vocab_size is None else self._vocab_size,
                self._delimiter,
            )
        add_to_collection(GraphKeys.TABLE_INITIALIZERS, made)
        if filename.op.type == "Const":
            add_to_collection(GraphKeys.ASSET_FILEPATHS, filename)
        return made

    @property
    def _checkpoint_dependencies(self) -> list[tuple[str, Any]]:
        return [("_filename", self._filename)]

    @property
    def _shared_name(self) -> str:
        size = f"_{self._vocab_size}" if self._vocab_size else ""
        return f"hash_table_{self._filename_arg}{size}_{self._key_index}_{self._value_index}"


@public("contrib.lookup.TextFileStringTableInitializer")
class TextFileStringTableInitializer(TextFileInitializer):
    """Fills a table from line numbers to the lines of a file."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = LINE_NUMBER,
        value_column_index: int = WHOLE_LINE,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_string_table_init",
    ) -> None:
        super().__init__(
            filename,
            dtypes.int64,
            key_column_index,
            dtypes.string,
            value_column_index,
            vocab_size=vocab_size,
            delimiter=delimiter,
            name=name,
        )


@public("contrib.lookup.TextFileIdTableInitializer")
class TextFileIdTableInitializer(TextFileInitializer):
    """Fills a table from the lines of a file to their numbers."""

    def __init__(
        self,
        filename: Any,
        key_column_index: int = WHOLE_LINE,
        value_column_index: int = LINE_NUMBER,
        vocab_size: int | None = None,
        delimiter: str = "\t",
        name: str = "text_file_id_table_init",
        key_dtype: Any = dtypes.string,
    ) -> None:
        super().__init__(
            filename,
            key_dtype,
            key_column_index,
            dtypes.int64,
            value_column_index,
            vocab_size=vocab_size,
            delimiter=delimiter,
            name=name,
        )
