"""The ops on tables, in both spellings: with a handle of type `resource`, and as a reference to strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError, bracket_text, merge, with_rank, with_rank_at_least
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.queue_ops import handle_shape, held
from evergraph.ops.running import Running
from evergraph.ops.tables.dense_table import DenseTable
from evergraph.ops.tables.table_state import MutableTable, StaticTable, Table
from evergraph.ops.tables.vocabulary_file import LINE_NUMBER, WHOLE_LINE, VocabularyFile


def _shared_name(run: Running, shared_name: bytes, use_node_name_sharing: bool) -> bytes:
    return shared_name or (run.op.name.encode() if use_node_name_sharing else b"")


def _checked(table: Any, kind: type[Table], key_dtype: DType, value_dtype: DType) -> Table:
    if not isinstance(table, kind):
        raise kernel_error(f"this name is that of a {type(table).__name__}, not of a {kind.__name__}")
    table.check_types(key_dtype, value_dtype)
    return table


# The types of keys and values that TF's static tables have.
_STATIC_TYPES = {
    "int32": ("float64", "float32", "int32", "string"),
    "int64": ("float64", "float32", "int32", "int64", "string"),
    "string": ("bool", "float64", "float32", "int32", "int64", "string"),
}


def _hash_table(
    xp: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
    use_node_name_sharing: bool,
    key_dtype: DType,
    value_dtype: DType,
) -> Any:
    """A table that is filled once."""
    if value_dtype.name not in _STATIC_TYPES.get(key_dtype.name, ()):
        raise kernel_error(
            f"No OpKernel was registered for a hash table with keys of type {key_dtype.name} and values of type "
            f"{value_dtype.name}"
        )
    name = _shared_name(run, shared_name, use_node_name_sharing)
    table = run.resource(container, name, lambda: StaticTable(key_dtype, value_dtype, run.display_name(name)))
    return _checked(table, StaticTable, key_dtype, value_dtype)


def _mutable_table(
    xp: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
    use_node_name_sharing: bool,
    key_dtype: DType,
    value_dtype: DType,
) -> Any:
    """A table whose entries come and go."""
    name = _shared_name(run, shared_name, use_node_name_sharing)
    table = run.resource(container, name, lambda: MutableTable(key_dtype, value_dtype, (), run.display_name(name)))
    return _checked(table, MutableTable, key_dtype, value_dtype)


def _mutable_table_of_tensors(
    xp: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
    use_node_name_sharing: bool,
    key_dtype: DType,
    value_dtype: DType,
    value_shape: Any,
) -> Any:
    """A table of vectors whose entries come and go."""
    name = _shared_name(run, shared_name, use_node_name_sharing)
    if value_shape is None or len(value_shape) != 1 or None in value_shape:
        raise kernel_error(f"Default value must be a vector, got shape {bracket_text(value_shape)}")
    table = run.resource(
        container, name, lambda: MutableTable(key_dtype, value_dtype, value_shape, run.display_name(name))
    )
    return _checked(table, MutableTable, key_dtype, value_dtype)


def _dense_table(
    xp: Any,
    empty_key: Any,
    deleted_key: Any = None,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
    use_node_name_sharing: bool,
    key_dtype: DType,
    value_dtype: DType,
    value_shape: Any,
    initial_num_buckets: int,
    max_load_factor: float,
) -> Any:
    """A table whose entries come and go, with one key for buckets without an entry."""
    name = _shared_name(run, shared_name, use_node_name_sharing)
    table = run.resource(
        container,
        name,
        lambda: DenseTable(
            value_dtype,
            value_shape,
            run.display_name(name),
            key_dtype,
            empty_key,
            deleted_key,
            initial_num_buckets,
            max_load_factor,
        ),
    )
    return _checked(table, DenseTable, key_dtype, value_dtype)


_makers: dict[str, Any] = {
    "HashTable": _hash_table,
    "MutableHashTable": _mutable_table,
    "MutableHashTableOfTensors": _mutable_table_of_tensors,
    "MutableDenseHashTable": _dense_table,
}
for _name, _kernel in _makers.items():
    for _version in ("", "V2"):
        op(_name + _version, session=True, differentiable=False)(_kernel).shape_from_op(handle_shape)


def _table(handle: Any) -> Any:
    found = held(handle)
    if not isinstance(found, Table):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a table", errors.NotFoundError)
    return found


def _check_signature(table: Table, run: Running, keys: DType | None, values: DType | None) -> None:
    """Refuse an op whose types are not those of the table."""
    wanted = [t for t, given in ((table.key_dtype, keys), (table.value_dtype, values)) if given is not None]
    given = [t for t in (keys, values) if t is not None]
    if wanted != given:
        have, expected = (", ".join(["resource", *(t.name for t in types)]) for types in (given, wanted))
        raise kernel_error(f"Signature mismatch, have: {have} expected: {expected}")


def _find(xp: Any, table_handle: Any, keys: Any, default_value: Any, *, run: Running, Tin: DType, Tout: DType) -> Any:
    """The value of each key, or the default for keys that are not in the table."""
    table = _table(table_handle)
    _check_signature(table, run, Tin, Tout)
    return table.find(keys, default_value)


def _insert(xp: Any, table_handle: Any, keys: Any, values: Any, *, run: Running, Tin: DType, Tout: DType) -> tuple[()]:
    """Put entries into a table, or new values in the place of old ones."""
    table = _table(table_handle)
    _check_signature(table, run, Tin, Tout)
    table.insert(keys, values)
    return ()


def _import(xp: Any, table_handle: Any, keys: Any, values: Any, *, run: Running, Tin: DType, Tout: DType) -> tuple[()]:
    """Put these entries in the place of all that a table holds."""
    table = _table(table_handle)
    _check_signature(table, run, Tin, Tout)
    table.replace(keys, values)
    return ()


def _export(xp: Any, table_handle: Any, *, run: Running, Tkeys: DType, Tvalues: DType) -> Any:
    """All keys of a table and their values."""
    table = _table(table_handle)
    _check_signature(table, run, Tkeys, Tvalues)
    return table.export()


def _size(xp: Any, table_handle: Any, *, run: Running) -> Any:
    """How many entries a table has."""
    return np.int64(_table(table_handle).size())


def _initialize(
    xp: Any, table_handle: Any, keys: Any, values: Any, *, run: Running, Tkey: DType, Tval: DType
) -> tuple[()]:
    """Fill a table."""
    table = _static(table_handle)
    _check_signature(table, run, Tkey, Tval)
    for what, array in (("Keys", keys), ("Values", values)):
        if array.ndim != 1:
            raise kernel_error(f"{what} must be a vector, but received shape{bracket_text(array.shape)}")
    if keys.size != values.size:
        raise kernel_error(f"Keys and values must have the same size {keys.size} vs {values.size}")
    table.replace(keys, values)
    return ()


def _initialize_from_file(
    xp: Any,
    table_handle: Any,
    filename: Any,
    *,
    run: Running,
    key_index: int,
    value_index: int,
    vocab_size: int,
    delimiter: bytes,
) -> tuple[()]:
    """Fill a table from a text file."""
    table = _static(table_handle)
    if len(delimiter) != 1:
        raise kernel_error("delimiter should be only 1 char")
    if np.ndim(filename):
        raise kernel_error(f"filename should be a single string, but got {bracket_text(filename.shape)}")
    path = np.asarray(filename).item()
    if not path:
        raise kernel_error("filename cannot be empty.")
    _check_column("Key", key_index, table.key_dtype, table.key_dtype.is_integer)
    _check_column("Value", value_index, table.value_dtype, False)
    lines = VocabularyFile(path, (table.key_dtype, key_index), (table.value_dtype, value_index), vocab_size, delimiter)
    table.fill(lines.count, lines.entries)
    return ()


def _static(handle: Any) -> StaticTable:
    table = _table(handle)
    if not isinstance(table, StaticTable):
        raise kernel_error(f"Table {table.name} is not initializable")
    return table


def _check_column(what: str, index: int, kind: DType, may_be_whole: bool) -> None:
    if index == LINE_NUMBER and kind.name != "int64":
        raise kernel_error(
            f"{what} index for line number requires table {what.lower()} dtype of int64, got {kind.name}"
        )
    if index == WHOLE_LINE and kind.name != "string" and not may_be_whole:
        raise kernel_error(f"{what} index for whole line requires table {what.lower()} of strings, got {kind.name}")


# Static shapes: those that depend on the table are known where the op that makes it is at hand.


def _entry_shapes(made: Operation) -> tuple[Shape, Shape] | None:
    """The shapes of one key and one value of the table that `made` works on, as far as they are known."""
    table = made.inputs[0].op
    if table.type == "MutableHashTableV2":
        return (), ()
    if table.type == "MutableHashTableOfTensorsV2":
        return (), table.attrs["value_shape"]
    if table.type == "MutableDenseHashTableV2":
        return table.inputs[0].static_shape, table.attrs["value_shape"]
    return None


def _find_shape(made: Operation) -> Shape:
    keys, default = made.inputs[1].static_shape, made.inputs[2].static_shape
    if default is not None and len(default) > 1:
        raise ShapeError(f"Shape must be at most rank 1 but is rank {len(default)}")
    entry = _entry_shapes(made)
    if entry is None or keys is None or entry[0] is None or entry[1] is None:
        return None
    key, value = entry
    assert key is not None and value is not None
    keys = with_rank_at_least(keys, len(key))
    assert keys is not None
    merge(keys[len(keys) - len(key) :], key)
    return (*keys[: len(keys) - len(key)], *value)


def _export_shape(made: Operation) -> list[Shape]:
    entry = _entry_shapes(made)
    if entry is None or entry[1] is None:
        return [(None,), None]
    return [(None,), (None, *entry[1])]


def _scalar(made: Operation) -> Shape:
    return ()


def _import_shape(made: Operation) -> list[Shape]:
    if not made.inputs[0].dtype._is_ref_dtype:
        _initialize_shape(made)
    return []


def _initialize_shape(made: Operation) -> list[Shape]:
    merge(with_rank(made.inputs[1].static_shape, 1), made.inputs[2].static_shape)
    return []


def _file_shape(made: Operation) -> list[Shape]:
    with_rank(made.inputs[1].static_shape, 0)
    return []


for _name, _kernel, _shape in (
    ("LookupTableFind", _find, _find_shape),
    ("LookupTableInsert", _insert, None),
    ("LookupTableImport", _import, _import_shape),
    ("LookupTableExport", _export, _export_shape),
    ("LookupTableSize", _size, _scalar),
    ("InitializeTable", _initialize, _initialize_shape),
    ("InitializeTableFromTextFile", _initialize_from_file, _file_shape),
):
    for _version in ("", "V2"):
        _declared = op(_name + _version, session=True, differentiable=False)(_kernel)
        if _shape is not None:
            _declared.shape_from_op(_shape)


@op("LookupTableRemoveV2", session=True, differentiable=False)
def remove(xp: Any, table_handle: Any, keys: Any, *, run: Running, Tin: DType) -> tuple[()]:
    """Take entries out of a table."""
    table = _table(table_handle)
    _check_signature(table, run, Tin, None)
    table.remove(keys)
    return ()


@remove.shape_from_op
def remove_shape(made: Operation) -> list[Shape]:
    with_rank_at_least(made.inputs[1].static_shape, 1)
    return []
