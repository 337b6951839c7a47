"""TensorFlow's first checkpoints ("V1"): one table a file, with messages that hold the values.

The entry "" lists the tensors of the file with their parts; each part has an entry under a key made of name and slice.
A sharded checkpoint is several such files, `NAME-00000-of-00002` and so on, opened together by a pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.formats import files, messages
from evergraph.formats.bundle import stored_dtype
from evergraph.formats.slices import Slice, assembled
from evergraph.formats.table import TableReader, TableWriter
from evergraph.formats.tensors import array_to_proto, proto_to_array
from evergraph.framework import dtypes, errors
from evergraph.framework.dtypes import DType


class CheckpointV1Writer:
    """Writes one file; it appears under its name when `finish` has run. A tensor has less than 2 GB."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._tensors: dict[str, Any] = {}
        self._parts: dict[bytes, bytes] = {}

    def __enter__(self) -> CheckpointV1Writer:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.finish()

    def add(self, name: str, array: Any, dtype: DType | None = None) -> None:
        """Write a whole tensor; strings are an object array of bytes."""
        array = np.asarray(array)
        self.add_slice(name, array.shape, Slice.whole(array.ndim), array, dtype)

    def add_slice(self, name: str, shape: Sequence[int], part: Slice, array: Any, dtype: DType | None = None) -> None:
        """Write a part of the tensor `name` of `shape`."""
        array = np.asarray(array)
        kind = dtypes.as_dtype(dtype or array.dtype)
        meta = self._tensors.get(name)
        if meta is None:
            meta = self._tensors[name] = messages.SavedSliceMeta(name=name, type=int(kind))
            for size in shape:
                meta.shape.dim.add(size=size)
            meta.shape.SetInParent()
        elif [d.size for d in meta.shape.dim] != list(shape) or meta.type != int(kind):
            raise errors.InvalidArgumentError(
                None, None, f"the parts of {name!r} are of different types, or of wholes of different shapes"
            )
        key = part.key(name)
        if key in self._parts:
            raise errors.InvalidArgumentError(None, None, f"Adding duplicate key: {name}")
        meta.slice.append(part.to_proto())
        record = messages.SavedTensorSlices()
        record.data.name = name
        record.data.slice.CopyFrom(part.to_proto())
        record.data.data.CopyFrom(_values(array, kind, name))
        self._parts[key] = record.SerializeToString()

    def finish(self) -> None:
        """Put the file under its name."""
        head = messages.SavedTensorSlices()
        head.meta.tensor.extend(self._tensors[name] for name in self._tensors)
        head.meta.versions.producer = 1
        with files.replacing(self.path) as file:
            table = TableWriter(file)
            table.add(b"", head.SerializeToString())
            for key in sorted(self._parts):
                table.add(key, self._parts[key])
            table.finish()


def _values(array: np.ndarray, kind: DType, name: str) -> Any:
    """The values in the field of their type, without shape and type: the list of tensors has those."""
    try:
        if array.nbytes >= 1 << 31:
            raise ValueError(f"Tensor slice is too large to serialize ({array.nbytes} bytes; a message holds 2 GiB)")
        whole = array_to_proto(array, int(kind))
    except (ValueError, TypeError) as error:
        raise errors.InvalidArgumentError(
            None, None, f"tensor {name!r} cannot be saved in a V1 checkpoint: {error}"
        ) from None
    if whole.tensor_content:
        data = np.frombuffer(whole.tensor_content, stored_dtype(kind))
        field = {"f4": "float_val", "f8": "double_val", "i8": "int64_val", "u4": "uint32_val", "u8": "uint64_val"}
        getattr(whole, field.get(data.dtype.str[1:], "int_val")).extend(data.tolist())
    for left in "dtype", "tensor_shape", "tensor_content":
        whole.ClearField(left)
    return whole


class CheckpointV1Reader:
    """Reads the checkpoint of all files that a pattern matches.

    Raises:
        NotFoundError: if no file matches, here, or there is no such tensor, in the other methods.
        DataLossError: for damaged contents.
    """

    def __init__(self, pattern: str) -> None:
        self.prefix = pattern
        self._tables: list[TableReader] = []
        self._meta: dict[str, Any] = {}
        self._parts: dict[str, list[tuple[Slice, TableReader]]] = {}
        paths = files.matching(pattern)
        if not paths:
            raise errors.NotFoundError(
                None,
                None,
                f"Unsuccessful TensorSliceReader constructor: Failed to find any matching files for {pattern}",
            )
        try:
            for path in paths:
                self._open(path)
        except BaseException:
            self.close()
            raise

    def _open(self, path: str) -> None:
        try:
            table = TableReader(path)
        except errors.DataLossError as error:
            raise errors.DataLossError(
                None,
                None,
                f"Unable to open table file {path}: {error.message}: perhaps your file is in a different file format "
                "and you need to use a different restore operator?",
            ) from None
        self._tables.append(table)
        head = _parsed(table.get(b""), path).meta
        for tensor in head.tensor:
            known = self._meta.get(tensor.name)
            if known is None:
                self._meta[tensor.name] = tensor
            elif known.shape != tensor.shape or known.type != tensor.type:
                raise files.data_loss(path, f"tensor {tensor.name!r} has another shape or type in another file")
            parts = self._parts.setdefault(tensor.name, [])
            parts.extend((Slice.from_proto(proto), table) for proto in tensor.slice)

    def __enter__(self) -> CheckpointV1Reader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def close(self) -> None:
        for table in self._tables:
            table.close()

    def names(self) -> list[str]:
        """The tensors' names, in order."""
        return sorted(self._meta)

    def has(self, name: str) -> bool:
        return name in self._meta

    def dtype(self, name: str) -> DType:
        try:
            return dtypes.as_dtype(int(self._entry(name).type))
        except TypeError:
            raise files.data_loss(self.prefix, f"tensor {name!r} is of unknown type") from None

    def shape(self, name: str) -> tuple[int, ...]:
        shape = tuple(dim.size for dim in self._entry(name).shape.dim)
        if any(size < 0 for size in shape):
            raise files.data_loss(self.prefix, f"a tensor cannot have the shape {list(shape)}")
        return shape

    def slices(self, name: str) -> list[Slice]:
        """The parts that the tensor is saved in; none if it is saved whole."""
        self._entry(name)
        parts = [part for part, _ in self._parts[name]]
        return [] if len(parts) == 1 and parts[0].is_whole(self.shape(name)) else parts

    def stored_size(self, name: str) -> int:
        """How many bytes the tensor takes as an array."""
        return math.prod(self.shape(name)) * self.dtype(name).size

    def read(self, name: str) -> np.ndarray:
        """The value of a tensor, a read-only array; strings as an object array of bytes."""
        return self.read_slice(name, Slice.whole(len(self.shape(name))))

    def read_slice(self, name: str, part: Slice) -> np.ndarray:
        """The value of a part of a tensor.

        Raises:
            InvalidArgumentError: if the part does not fit the tensor's shape, or what is saved does not cover it.
        """
        shape, kind = self.shape(name), self.dtype(name)
        stored = self._parts[name]
        try:
            if len(stored) == 1 and stored[0][0].is_whole(shape):
                whole = self._value(name, *stored[0], shape, kind)
                found = whole if part.is_whole(shape) else whole[part.indices(shape)].copy()
            else:
                there = sum(len(table) for table in self._tables)
                if math.prod(part.shape(shape)) * kind.size > 64 * there:
                    raise files.data_loss(
                        self.prefix, f"tensor {name!r} of shape {list(shape)} cannot be in {there} bytes"
                    )
                parts = [(s, lambda s=s, t=t: self._value(name, s, t, shape, kind)) for s, t in stored]
                maybe = assembled(part, shape, kind.np, parts)
                if maybe is None:
                    raise errors.InvalidArgumentError(
                        None,
                        None,
                        f"{self.prefix}: the saved parts of {name!r} do not cover the slice {part} of {list(shape)}",
                    )
                found = maybe
        except ValueError as error:
            raise errors.InvalidArgumentError(None, None, f"{self.prefix}: tensor {name!r}: {error}") from None
        found.flags.writeable = False
        return found

    def _entry(self, name: str) -> Any:
        found = self._meta.get(name)
        if found is None:
            raise errors.NotFoundError(None, None, f'Tensor name "{name}" not found in checkpoint files {self.prefix}')
        return found

    def _value(self, name: str, part: Slice, table: TableReader, shape: tuple[int, ...], kind: DType) -> np.ndarray:
        data = table.get(part.key(name))
        if data is None:
            raise files.data_loss(table.path, f"the part {part} of {name!r} is not in the file")
        proto = _parsed(data, table.path).data.data
        proto.dtype = int(kind)
        proto.tensor_shape.ClearField("dim")
        for size in part.shape(shape):
            proto.tensor_shape.dim.add(size=size)
        try:
            value = proto_to_array(proto)
        except (ValueError, TypeError) as error:
            raise files.data_loss(table.path, f"tensor {name!r}: {error}") from None
        if value.size and 0 in value.strides:  # fewer values than the shape asks for: they are damaged, not repeated
            raise files.data_loss(table.path, f"tensor {name!r} of shape {list(value.shape)} lacks values")
        return value


def _parsed(data: bytes | None, path: str) -> Any:
    if data is None:
        raise files.data_loss(path, "the list of tensors is missing")
    try:
        return messages.SavedTensorSlices.FromString(data)
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        raise files.data_loss(path, f"a record cannot be parsed: {error}") from None
