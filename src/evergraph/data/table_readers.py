"""More readers: `CsvDataset`, `make_csv_dataset`, `make_batched_features_dataset`, `SqlDataset`, `TFRecordWriter`."""

from __future__ import annotations

import collections
import csv
import functools
import gzip
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import evergraph.data.mapping as mapping
import evergraph.data.nest as nest
import evergraph.data.readers as readers
import evergraph.data.structure as structure
from evergraph.data.built import given_or
from evergraph.data.dataset import AUTOTUNE, Dataset, DatasetV1Adapter
from evergraph.data.options import Options
from evergraph.data.parsing import parse_example_dataset
from evergraph.data.transformations import ignore_errors, parallel_interleave, shuffle_and_repeat
from evergraph.formats.files import matching
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_n_to_tensor, convert_to_tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.constant import constant
from evergraph.ops.datasets import csv as csv_ops
from evergraph.ops.datasets import readers as reader_ops
from evergraph.ops.datasets import writing as writing_ops
from evergraph.ops.opdef import constant_value
from evergraph.ops.readers.reader_classes import ReaderBase

_CSV_TYPES = (dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64, dtypes.string)
_BUFFER_SIZE = 4 * 1024 * 1024


def _is_type(value: Any) -> bool:
    return isinstance(value, dtypes.DType | type)


@public("data.experimental.CsvDataset", "contrib.data.CsvDataset")
class CsvDataset(DatasetV1Adapter):
    """A dataset of the rows of CSV files, each a tuple of scalars.

    Args:
        filenames: a string, or a list or tensor of strings.
        record_defaults: for each field its type (then it must be there), or a tensor with the value to take when it is
            empty.
        compression_type: "" (or None), "GZIP" or "ZLIB".
        buffer_size: has no effect.
        header: whether the files begin with a line that is no row.
        field_delim: what stands between fields.
        use_quote_delim: whether double quotes quote a field.
        na_value: a field that counts as empty.
        select_cols: the numbers of the columns to give, ascending; all by default.
    """

    def __init__(
        self,
        filenames: Any,
        record_defaults: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        header: Any = False,
        field_delim: Any = ",",
        use_quote_delim: Any = True,
        na_value: Any = "",
        select_cols: Any = None,
    ) -> None:
        names = convert_to_tensor(filenames, dtype=dtypes.string, name="filenames")
        compression = given_or("", compression_type, "compression_type", dtypes.string)
        made = [constant([], dtype=d) if _is_type(d) and d in _CSV_TYPES else d for d in record_defaults]
        defaults = convert_n_to_tensor(made, name="record_defaults")
        buffer = given_or(_BUFFER_SIZE, buffer_size, "buffer_size")
        has_header = convert_to_tensor(header, dtype=dtypes.bool, name="header")
        delimiter = convert_to_tensor(field_delim, dtype=dtypes.string, name="field_delim")
        quotes = convert_to_tensor(use_quote_delim, dtype=dtypes.bool, name="use_quote_delim")
        na = convert_to_tensor(na_value, dtype=dtypes.string, name="na_value")
        columns = given_or([], select_cols, "select_cols")
        spec = tuple(TensorSpec([], d.dtype) for d in defaults)
        variant = csv_ops.csv_dataset(
            names,
            compression,
            buffer,
            has_header,
            delimiter,
            quotes,
            na,
            columns,
            defaults,
            output_shapes=structure.get_flat_tensor_shapes(spec),
        )
        super().__init__(variant, spec)


@public("data.experimental.SqlDataset", "contrib.data.SqlDataset")
class SqlDataset(DatasetV1Adapter):
    """A dataset of the rows that a query gives.

    Args:
        driver_name: "sqlite".
        data_source_name: the database file.
        query: the SQL.
        output_types: a tuple of types, one per column.
    """

    def __init__(self, driver_name: Any, data_source_name: Any, query: Any, output_types: Any) -> None:
        driver = convert_to_tensor(driver_name, dtype=dtypes.string, name="driver_name")
        source = convert_to_tensor(data_source_name, dtype=dtypes.string, name="data_source_name")
        text = convert_to_tensor(query, dtype=dtypes.string, name="query")
        spec = nest.map_structure(lambda kind: TensorSpec([], kind), output_types)
        super().__init__(reader_ops.sql_dataset(driver, source, text, **structure.flat_structure(spec)), spec)


@public("data.experimental.TFRecordWriter", "contrib.data.TFRecordWriter")
class TFRecordWriter:
    """Writes a dataset of strings to a TFRecord file.

    Args:
        filename: the file.
        compression_type: "" (or None), "GZIP" or "ZLIB".
    """

    def __init__(self, filename: Any, compression_type: Any = None) -> None:
        self._filename = convert_to_tensor(filename, dtypes.string, name="filename")
        self._compression_type = given_or("", compression_type, "compression_type", dtypes.string)

    def write(self, dataset: Dataset) -> Any:
        """The op that writes all elements of `dataset`.

        Raises:
            TypeError: if it is no dataset of single strings.
        """
        if not isinstance(dataset, Dataset):
            raise TypeError("`dataset` must be a `tf.data.Dataset` object.")
        spec = dataset.element_spec
        if not mapping.is_scalar(spec, dtypes.string):
            raise TypeError(
                "`dataset` must produce scalar `DT_STRING` tensors whereas it produces shape "
                f"{structure.legacy_shapes(spec)} and types {structure.legacy_types(spec)}"
            )
        return writing_ops.dataset_to_tf_record(dataset._variant_tensor, self._filename, self._compression_type)


# CSV files whose columns have names


def _is_number(text: str, kind: dtypes.DType) -> bool:
    try:
        if kind._kind == "i":
            bits = 8 * kind.size
            return -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1)
        with np.errstate(over="ignore"):
            return bool(kind.as_numpy_dtype(text) < np.inf)
    except (ValueError, OverflowError):
        return False


_FROM_NARROW = (dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64, dtypes.string)


def _widened(text: str, na_value: str, so_far: Any) -> Any:
    """The narrowest type that holds `text` and what a column held so far."""
    if text in ("", na_value):
        return so_far
    for i, kind in enumerate(_FROM_NARROW):
        if (kind is dtypes.string or _is_number(text, kind)) and (so_far is None or so_far in _FROM_NARROW[: i + 1]):
            return kind
    return dtypes.string


def _rows(names: list[str], open_file: Any, options: dict[str, Any], columns: int, header: bool) -> Iterator[list[str]]:
    for name in names:
        with open_file(name) as file:
            rows = csv.reader(file, **options)
            if header:
                next(rows)
            for row in rows:
                if len(row) != columns:
                    raise ValueError("Problem inferring types: CSV row has different number of fields than expected.")
                yield row


def _inferred_names(names: list[str], open_file: Any, options: dict[str, Any]) -> list[str]:
    found: list[list[str]] = []
    for name in names:
        with open_file(name) as file:
            try:
                found.append(next(csv.reader(file, **options)))
            except StopIteration:
                raise ValueError(
                    f"Received StopIteration when reading the header line of {name}.  Empty file?"
                ) from None
        if found[-1] != found[0]:
            raise ValueError("Files have different column names in the header row.")
    return found[0]


def _column_numbers(chosen: list[Any], names: list[str]) -> list[int]:
    by_name = {name: i for i, name in enumerate(names)}
    numbers = []
    for column in chosen:
        if isinstance(column, int):
            if not 0 <= column < len(names):
                raise ValueError(f"Column index {column} specified in select_columns out of valid range.")
            numbers.append(column)
        elif column not in by_name:
            raise ValueError(f"Value '{column}' specified in select_columns not a valid column index or name.")
        else:
            numbers.append(by_name[column])
    if len(set(numbers)) != len(numbers):
        raise ValueError("select_columns contains duplicate columns")
    return sorted(numbers)


def _files(file_pattern: Any) -> list[str]:
    patterns = file_pattern if isinstance(file_pattern, list) else [file_pattern]
    if not patterns:
        raise ValueError("File pattern is empty.")
    found = [name for pattern in patterns for name in matching(pattern)]
    if not found:
        raise ValueError(f"No files match {file_pattern}.")
    return sorted(found)


def _shuffled_and_repeated(dataset: Dataset, epochs: Any, shuffle: bool, size: Any, seed: Any) -> Dataset:
    if epochs != 1 and shuffle:
        return dataset.apply(shuffle_and_repeat(size, epochs, seed))
    if shuffle:
        return dataset.shuffle(size, seed)
    return dataset.repeat(epochs) if epochs != 1 else dataset


def _in_turn(dataset: Dataset, read: Callable[[Any], Dataset], threads: Any, sloppy: bool) -> Dataset:
    if threads == AUTOTUNE:
        dataset = dataset.interleave(read, num_parallel_calls=threads)
        options = Options()
        options.experimental_deterministic = not sloppy
        return dataset.with_options(options)
    return dataset.apply(parallel_interleave(read, cycle_length=threads, sloppy=sloppy))


@public("data.experimental.make_csv_dataset", "contrib.data.make_csv_dataset")
def make_csv_dataset(
    file_pattern: Any,
    batch_size: Any,
    column_names: Any = None,
    column_defaults: Any = None,
    label_name: str | None = None,
    select_columns: Any = None,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    header: bool = True,
    num_epochs: Any = None,
    shuffle: bool = True,
    shuffle_buffer_size: Any = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    num_parallel_reads: Any = None,
    sloppy: bool = False,
    num_rows_for_inference: int | None = 100,
    compression_type: Any = None,
    ignore_errors: bool = False,
) -> Dataset:
    """Batches of the rows of CSV files, as dictionaries from the names of columns to vectors.

    Names and types of the columns come from the files where they are not given. With `label_name` an element is a pair
    of such a dictionary and that column.

    Raises:
        ValueError: if no file matches, or names and columns do not fit together.
    """
    threads = 1 if num_parallel_reads is None else num_parallel_reads
    names = _files(file_pattern)
    dataset = Dataset.from_tensor_slices(names)
    if shuffle:
        dataset = dataset.shuffle(len(names), shuffle_seed)
    open_file: Any = open
    if (column_names is None or column_defaults is None) and compression_type is not None:
        known = constant_value(convert_to_tensor(compression_type, dtype=dtypes.string))
        if known is None:
            raise ValueError("Received unkown compression_type")
        kind = bytes(known[()]).decode()
        if kind == "GZIP":
            open_file = functools.partial(gzip.open, mode="rt")
        elif kind == "ZLIB":
            raise ValueError(f"compression_type ({compression_type}) is not supported for probing columns")
        elif kind:
            raise ValueError(f"compression_type ({compression_type}) is not supported")
    quoting = csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE
    options = {"delimiter": field_delim, "quoting": quoting}
    if column_names is None:
        if not header:
            raise ValueError("Cannot infer column names without a header line.")
        column_names = _inferred_names(names, open_file, options)
    if len(column_names) != len(set(column_names)):
        raise ValueError("Cannot have duplicate column names.")
    if select_columns is not None:
        select_columns = _column_numbers(select_columns, column_names)
    if column_defaults is not None:
        column_defaults = [constant([], dtype=d) if _is_type(d) and d in _CSV_TYPES else d for d in column_defaults]
    else:
        chosen = range(len(column_names)) if select_columns is None else select_columns
        kinds: list[Any] = [None] * len(chosen)
        for i, row in enumerate(_rows(names, open_file, options, len(column_names), header)):
            if num_rows_for_inference is not None and i >= num_rows_for_inference:
                break
            kinds = [_widened(row[c], na_value, kind) for c, kind in zip(chosen, kinds, strict=True)]
        kinds = [kind or dtypes.string for kind in kinds]
        column_defaults = [constant(["" if kind is dtypes.string else 0], dtype=kind) for kind in kinds]
    if select_columns is not None and len(column_defaults) != len(select_columns):
        raise ValueError("If specified, column_defaults and select_columns must have same length.")
    if select_columns is not None and len(column_names) > len(select_columns):
        column_names = [column_names[i] for i in select_columns]
    if label_name is not None and label_name not in column_names:
        raise ValueError("`label_name` provided must be one of the columns.")
    skips_errors = ignore_errors

    def filename_to_dataset(filename: Any) -> Dataset:
        rows: Dataset = CsvDataset(
            filename,
            record_defaults=column_defaults,
            field_delim=field_delim,
            use_quote_delim=use_quote_delim,
            na_value=na_value,
            select_cols=select_columns,
            header=header,
            compression_type=compression_type,
        )
        return rows.apply(_ignoring()) if skips_errors else rows

    def map_fn(*columns: Any) -> Any:
        features = collections.OrderedDict(zip(column_names, columns, strict=True))
        return features if label_name is None else (features, features.pop(label_name))

    dataset = _in_turn(dataset, filename_to_dataset, threads, sloppy)
    dataset = _shuffled_and_repeated(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    dataset = dataset.batch(batch_size=batch_size, drop_remainder=num_epochs is None)
    dataset = Dataset._of(mapping.mapped(dataset, map_fn, use_inter_op_parallelism=False), dataset)
    return dataset.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)


_ignoring = ignore_errors


@public("data.experimental.make_batched_features_dataset", "contrib.data.make_batched_features_dataset")
def make_batched_features_dataset(
    file_pattern: Any,
    batch_size: Any,
    features: dict[str, Any],
    reader: Any = readers.TFRecordDataset,
    label_key: str | None = None,
    reader_args: Any = None,
    num_epochs: Any = None,
    shuffle: bool = True,
    shuffle_buffer_size: Any = 10000,
    shuffle_seed: Any = None,
    prefetch_buffer_size: Any = None,
    reader_num_threads: Any = None,
    parser_num_threads: Any = None,
    sloppy_ordering: bool = False,
    drop_final_batch: bool = False,
) -> Dataset:
    """Batches of parsed `tf.train.Example` messages from files, as dictionaries from feature keys to tensors.

    Raises:
        TypeError: if `reader` is one of the classes of `tf.ReaderBase`.
        ValueError: if `label_key` is none of the `features`.
    """
    threads = 1 if reader_num_threads is None else reader_num_threads
    dataset = Dataset.list_files(file_pattern, shuffle=shuffle, seed=shuffle_seed)
    if isinstance(reader, type) and issubclass(reader, ReaderBase):
        raise TypeError(
            "The `reader` argument must return a `Dataset` object. `tf.ReaderBase` subclasses are not supported. For "
            "example, pass `tf.data.TFRecordDataset` instead of `tf.TFRecordReader`."
        )
    arguments = reader_args or []
    dataset = _in_turn(dataset, lambda filename: reader(filename, *arguments), threads, sloppy_ordering)
    if structure.legacy_types(dataset.element_spec) == (dtypes.string, dtypes.string):
        dataset = Dataset._of(mapping.mapped(dataset, lambda _, v: v, use_inter_op_parallelism=False), dataset)
    dataset = _shuffled_and_repeated(dataset, num_epochs, shuffle, shuffle_buffer_size, shuffle_seed)
    dataset = dataset.batch(batch_size, drop_remainder=drop_final_batch or num_epochs is None)
    parsers = 2 if parser_num_threads is None else parser_num_threads
    dataset = dataset.apply(parse_example_dataset(features, num_parallel_calls=parsers))
    if label_key:
        if label_key not in features:
            raise ValueError(f"The `label_key` provided ({label_key!r}) must be one of the `features` keys.")
        dataset = dataset.map(lambda x: (x, x.pop(label_key)))
    return dataset.prefetch(AUTOTUNE if prefetch_buffer_size is None else prefetch_buffer_size)
