"""Safetensors files: named arrays, one after the other, behind a header in JSON.

length of the header (8 bytes, little-endian), the header, the bytes of all arrays

{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {...}}
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from evergraph.formats import files
from evergraph.framework import errors

_TYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "U32": np.uint32,
    "I32": np.int32,
    "F32": np.float32,
    "U64": np.uint64,
    "I64": np.int64,
    "F64": np.float64,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}
TYPES = {name: np.dtype(kind) for name, kind in _TYPES.items()}
_NAMES = {kind: name for name, kind in TYPES.items()}
_ALIGNMENT = 8
_LONGEST_HEADER = 100_000_000  # what other readers accept


def can_hold(dtype: Any) -> bool:
    """Whether the format has this NumPy type."""
    return np.dtype(dtype).newbyteorder("=") in _NAMES


class SafetensorsReader:
    """Reads a file array by array.

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: if it is damaged; it says where.

    >>> path = folder + "/weights.safetensors"
    >>> write_safetensors(path, {"w": np.ones([2, 3], np.float32)})
    >>> reader = SafetensorsReader(path)
    >>> reader.names(), reader.shape("w"), reader.dtype("w").name
    (['w'], (2, 3), 'float32')
    """

    def __init__(self, path: str) -> None:
        self.path = path = files.local(path)
        with files.translated(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _LONGEST_HEADER):
                raise files.data_loss(path, f"the header cannot have {length} bytes; the file has {size}")
            text = file.read(length)
        self._start, self._end = 8 + length, size
        try:
            header = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise files.data_loss(path, f"the header is no JSON: {error}") from None
        if not isinstance(header, dict):
            raise files.data_loss(path, "the header is no JSON object")
        found = header.pop("__metadata__", {})
        self.metadata: dict[str, str] = found if isinstance(found, dict) else {}
        self._entries = {name: self._checked(name, entry) for name, entry in header.items()}

    def _checked(self, name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int]:
        try:
            kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            numbers = (*shape, begin, end)
        except (TypeError, KeyError, ValueError):
            raise files.data_loss(self.path, f"the entry of {name!r} lacks dtype, shape or data_offsets") from None
        if not isinstance(kind, str) or kind not in TYPES:
            raise files.data_loss(self.path, f"{name!r} is of unknown type {kind!r}")
        if not all(type(n) is int and n >= 0 for n in numbers):
            raise files.data_loss(self.path, f"shape or place of {name!r} are no sizes: {entry}")
        wanted = math.prod(shape) * TYPES[kind].itemsize
        if end - begin != wanted or self._start + end > self._end:
            raise files.data_loss(
                self.path,
                f"{name!r} of shape {list(shape)} takes {wanted} bytes, but is at {begin} to {end} of "
                f"{self._end - self._start}",
            )
        return TYPES[kind], tuple(shape), begin

    def names(self) -> list[str]:
        return sorted(self._entries)

    def dtype(self, name: str) -> np.dtype:
        return self._entries[name][0]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._entries[name][1]

    def read(self, name: str) -> np.ndarray:
        """The array of that name."""
        dtype, shape, begin = self._entries[name]
        with files.translated(self.path), open(self.path, "rb") as file:
            file.seek(self._start + begin)
            data = file.read(math.prod(shape) * dtype.itemsize)
        if len(data) < math.prod(shape) * dtype.itemsize:
            raise files.data_loss(self.path, f"the file ends inside of {name!r}")
        return np.frombuffer(bytearray(data), dtype).reshape(shape)


def write_safetensors(path: str, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays to a file, in the order of their names.

    Args:
        path: the file.
        tensors: name to array.
        metadata: texts by name, to go into the header.

    Raises:
        InvalidArgumentError: for types that the format does not have; it names all arrays of such types.
    """
    arrays = {name: np.asarray(tensors[name]) for name in sorted(tensors)}
    write_streamed(path, {name: (a.dtype, a.shape) for name, a in arrays.items()}, arrays.values(), metadata)


def write_streamed(
    path: str,
    types: Mapping[str, tuple[Any, tuple[int, ...]]],
    arrays: Iterable[np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """`write_safetensors` for arrays that come one by one: `types` says their names, types and shapes beforehand."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at, wrong = 0, []
    for name, (dtype, shape) in types.items():
        kind = _NAMES.get(np.dtype(dtype).newbyteorder("="))
        if kind is None:
            wrong.append(f"{name!r} ({np.dtype(dtype).name})")
            continue
        end = at + math.prod(shape) * np.dtype(dtype).itemsize
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    if wrong:
        raise errors.InvalidArgumentError(None, None, f"{path}: safetensors cannot hold {', '.join(wrong)}")
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with files.replacing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for (name, (dtype, shape)), array in zip(types.items(), arrays, strict=True):
            if array.shape != shape or array.dtype != dtype:
                raise errors.InvalidArgumentError(None, None, f"{name!r} is not of the type and shape that were said")
            file.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
