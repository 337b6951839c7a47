"""Datasets that read files: `tf.data.TFRecordDataset`, `TextLineDataset`, `FixedLengthRecordDataset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.mapping as mapping
from evergraph.data.built import given_or, long
from evergraph.data.dataset import AUTOTUNE, Dataset, DatasetV1Adapter, get_output_shapes, get_output_types
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.datasets import readers as ops
from evergraph.ops.shaping import reshape

_BUFFER_SIZE = 256 * 1024


def _names(filenames: Any) -> Dataset:
    """File names as a dataset of single strings."""
    if isinstance(filenames, Dataset):
        if get_output_types(filenames) != dtypes.string:
            raise TypeError("`filenames` must be a `tf.data.Dataset` of `tf.string` elements.")
        if not get_output_shapes(filenames).is_compatible_with(TensorShape([])):
            raise TypeError("`filenames` must be a `tf.data.Dataset` of scalar `tf.string` elements.")
        return filenames
    names = convert_to_tensor(filenames, dtype=dtypes.string)
    return Dataset.from_tensor_slices(reshape(names, [-1], name="flat_filenames"))


def _records(read: Callable[[Any], Any], names: Dataset, num_parallel_reads: Any) -> Dataset:
    def read_one_file(filename: Any) -> Dataset:
        filename = convert_to_tensor(filename, dtypes.string, name="filename")
        return DatasetV1Adapter(read(filename), TensorSpec([], dtypes.string))

    if num_parallel_reads is None:
        return names.flat_map(read_one_file)
    if num_parallel_reads == AUTOTUNE:
        return names.interleave(read_one_file, num_parallel_calls=num_parallel_reads)
    built = mapping.interleaved_ahead(names, read_one_file, num_parallel_reads, 1, False, None, None)
    return Dataset._of(built, names)


class _FileDataset(DatasetV1Adapter):
    """A dataset of the records of files.

    Args:
        names: a dataset of file names.
        records: the dataset of all records.
    """

    def __init__(self, names: Dataset, records: Dataset) -> None:
        super().__init__(records._variant_tensor, TensorSpec([], dtypes.string))
        self._filenames, self._impl = names, records


def _compression(compression_type: Any) -> Any:
    return given_or("", compression_type, "compression_type", dtypes.string)


def _buffer(buffer_size: Any) -> Any:
    return given_or(_BUFFER_SIZE, buffer_size, "buffer_size")


@public("data.TFRecordDataset")
class TFRecordDataset(_FileDataset):
    """A dataset of the records of TFRecord files: strings, most often `tf.train.Example` messages.

    Args:
        filenames: a string, a tensor of strings, or a dataset of strings.
        compression_type: "" (or None), "GZIP" or "ZLIB".
        buffer_size: has no effect.
        num_parallel_reads: how many files are read at once, their records taken in turn.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        names = _names(filenames)

        def read(filename: Any) -> Any:
            return ops.tf_record_dataset(filename, _compression(compression_type), _buffer(buffer_size))

        records = _records(read, names, num_parallel_reads)
        super().__init__(names, records)
        self._below = records._inputs()
        self._arguments = compression_type, buffer_size, num_parallel_reads

    def _clone(
        self,
        filenames: Any = None,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> TFRecordDataset:
        kind, size, reads = self._arguments
        return TFRecordDataset(
            filenames or self._filenames,
            compression_type or kind,
            buffer_size or size,
            num_parallel_reads or reads,
        )


@public("data.TextLineDataset")
class TextLineDataset(_FileDataset):
    """A dataset of the lines of text files, without their ends.

    Args:
        filenames: a string, a tensor of strings, or a dataset of strings.
        compression_type: "" (or None), "GZIP" or "ZLIB".
        buffer_size: has no effect.
        num_parallel_reads: how many files are read at once, their lines taken in turn.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        names = _names(filenames)

        def read(filename: Any) -> Any:
            return ops.text_line_dataset(filename, _compression(compression_type), _buffer(buffer_size))

        super().__init__(names, _records(read, names, num_parallel_reads))


@public("data.FixedLengthRecordDataset")
class FixedLengthRecordDataset(_FileDataset):
    """A dataset of the records of files, all records having one length.

    Args:
        filenames: a string, a tensor of strings, or a dataset of strings.
        record_bytes: the length of a record.
        header_bytes, footer_bytes: what to leave out at the beginning and end of each file.
        buffer_size: has no effect.
        compression_type: "" (or None), "GZIP" or "ZLIB".
        num_parallel_reads: how many files are read at once, their records taken in turn.
    """

    def __init__(
        self,
        filenames: Any,
        record_bytes: Any,
        header_bytes: Any = None,
        footer_bytes: Any = None,
        buffer_size: Any = None,
        compression_type: Any = None,
        num_parallel_reads: Any = None,
    ) -> None:
        names = _names(filenames)

        def read(filename: Any) -> Any:
            size = long(record_bytes, "record_bytes")
            header, footer = given_or(0, header_bytes, "header_bytes"), given_or(0, footer_bytes, "footer_bytes")
            buffer, compression = _buffer(buffer_size), _compression(compression_type)
            return ops.fixed_length_record_dataset_v2(filename, header, size, footer, buffer, compression)

        super().__init__(names, _records(read, names, num_parallel_reads))
