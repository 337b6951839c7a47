"""Tensor bundles: TensorFlow's checkpoints since version 0.12 ("V2").

    model.ckpt.index                   a table: tensor name to type, shape, and where in which data file it is
    model.ckpt.data-00000-of-00001     the tensors, one after the other

The index's first entry, "", says how many data files there are. A tensor that is saved in parts has an entry without
data that lists the parts; each part has an entry of its own under a key made of name and slice.

How a checkpoint takes the place of one of the same name
--------------------------------------------------------
Two files cannot be renamed at once. So the finished new files are renamed to `NAME.pending` first, the index last; then
each from there to its own name. While there is a pending index, the checkpoint is what it describes, with data files
under their pending names where those exist: whenever the process is killed, a complete checkpoint can be read.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, BinaryIO, TypeVar

import numpy as np

from evergraph.formats import bundle_entry, files, freeing, small_tensors, stored_strings, variants
from evergraph.formats.bundle_entry import Entry, Header
from evergraph.formats.checksum import crc32c, mask
from evergraph.formats.early_sync import CHUNK, EarlySync
from evergraph.formats.fresh_memory import fresh
from evergraph.formats.slices import Slice, assembled
from evergraph.formats.table import TableReader, TableWriter
from evergraph.framework import dtypes, errors
from evergraph.framework.dtypes import DType

_T = TypeVar("_T")
PENDING = ".pending"
_HEADER = b""
_UNSAVEABLE = "R"


def index_name(prefix: str) -> str:
    return prefix + ".index"


def data_name(prefix: str, shard: int, shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def stored_dtype(dtype: DType) -> np.dtype:
    """The type that elements have in a file: quantised ones are plain integers there."""
    return dtype.np[0] if dtype.np.names else dtype.np


# Writing


class BundleWriter:
    """Writes a checkpoint tensor by tensor; it appears under its name when `finish` has run.

    Args:
        prefix: the checkpoint's name, as `model.ckpt-7`.

    Raises:
        NotFoundError, PermissionDeniedError, ResourceExhaustedError: here and in all methods, as the file system says.

    >>> with BundleWriter(folder + "/model.ckpt") as writer:
    ...     writer.add("w", np.ones([2, 3], np.float32))
    >>> with BundleReader(folder + "/model.ckpt") as reader:
    ...     reader.read("w").shape
    (2, 3)
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix = files.local(prefix)
        self._entries: dict[bytes, Entry | bytes] = {}  # those of small tensors are encoded already
        self._offset = 0
        self._path = data_name(prefix, 0, 1)
        self._temporary = files.temporary_name(self._path)
        with files.translated(self._temporary):
            if not os.path.exists(folder := os.path.dirname(prefix) or "."):
                os.mkdir(folder)  # one level, as TensorFlow does: the folder of a sharded checkpoint's parts
            self._file: BinaryIO | None = open(self._temporary, "wb", buffering=0)  # noqa: SIM115 - closed by finish
        self._out = EarlySync(self._file)

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()

    def add(self, name: str, array: Any, dtype: DType | None = None) -> None:
        """Write a whole tensor.

        Args:
            name: what to call it.
            array: its value; strings are an object array of bytes.
            dtype: its type; needed only where the NumPy type does not say it.

        Raises:
            InvalidArgumentError: if the checkpoint has a tensor of that name already.
        """
        self._add(name.encode("utf-8", "surrogateescape"), name, np.asarray(array), dtype)

    def add_all(self, names: Sequence[str], arrays: Sequence[np.ndarray], kinds: Sequence[DType]) -> None:
        """Write whole tensors, as `add` does one after the other."""
        at = 0
        for small, run in groupby(small_tensors.are_small(arrays, kinds)):
            end = at + len(list(run))
            if not small:
                for i in range(at, end):
                    self.add(names[i], arrays[i], kinds[i])
            for start in range(at, end, small_tensors.AT_ONCE) if small else ():
                part = slice(start, min(start + small_tensors.AT_ONCE, end))
                self._add_small(names[part], arrays[part], kinds[part])
            at = end

    def _add_small(self, names: Sequence[str], arrays: Sequence[np.ndarray], kinds: Sequence[DType]) -> None:
        data, entries = small_tensors.packed(arrays, kinds, self._offset)
        for name, entry in zip(names, entries, strict=True):
            key = name.encode("utf-8", "surrogateescape")
            if self._entries.setdefault(key, entry) is not entry:
                raise _duplicate(name)
        with files.translated(self._temporary):
            self._out.write(memoryview(data))
        self._offset += len(data)

    def add_slice(self, name: str, shape: Sequence[int], part: Slice, array: Any, dtype: DType | None = None) -> None:
        """Write a part of the tensor `name` of `shape`."""
        shape = tuple(shape)
        array = np.asarray(array)
        if part.is_whole(shape):
            self.add(name, array, dtype)
            return
        kind = dtypes.as_dtype(dtype or array.dtype)
        key = name.encode("utf-8", "surrogateescape")
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(int(kind), shape)
        elif isinstance(entry, bytes) or not entry.slices:
            raise _duplicate(name)
        entry.slices.append(part)
        self._add(part.key(name), name, array, kind)

    def _add(self, key: bytes, name: str, array: np.ndarray, dtype: DType | None) -> None:
        if key in self._entries:
            raise _duplicate(name)
        kind = dtypes.as_dtype(dtype or array.dtype)
        if kind._kind in _UNSAVEABLE:
            raise errors.UnimplementedError(None, None, f"Saving data type {kind.name} not yet supported: {name}")
        entry = Entry(int(kind), array.shape, offset=self._offset)
        with files.translated(self._temporary):
            if kind in (dtypes.string, dtypes.variant):
                chunks, crc = stored_strings.encoded(array) if kind is dtypes.string else _variant_chunks(array, name)
                for chunk in chunks:
                    self._out.write(memoryview(chunk))
                entry.size = sum(map(len, chunks))
            else:
                array = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
                self._out.reserve(self._offset, array.size)
                crc = self._out.write_with_checksum(array)
                entry.size = array.size
        self._offset += entry.size
        entry.crc = mask(crc)
        self._entries[key] = entry

    def finish(self) -> None:
        """Put the checkpoint under its name."""
        assert self._file is not None
        temporary_index = files.temporary_name(index_name(self.prefix))
        try:
            with files.translated(self._path):
                self._out.finish()
                files.sync(self._file)
                self._file.close()
            _write_index(temporary_index, 1, self._entries)
            _put_in_place(self.prefix, [(self._temporary, self._path)], temporary_index)
            self._file = None
        except BaseException:
            files.remove_quietly(temporary_index)
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            with suppress(OSError):  # nobody wants the file any more
                self._out.finish()
            self._file.close()
            self._file = None
            files.remove_quietly(self._temporary)


def _duplicate(name: str) -> errors.OpError:
    return errors.InvalidArgumentError(None, None, f"Adding duplicate key: {name}")


def _variant_chunks(array: np.ndarray, name: str) -> tuple[list[Any], int]:
    try:
        data, crc = variants.encoded(array)
    except TypeError as error:
        raise errors.UnimplementedError(
            None, None, f"Saving data type variant not yet supported: {name}: {error}"
        ) from None
    return [data], crc


def _write_index(path: str, shards: int, entries: Mapping[bytes, Entry | bytes]) -> None:
    with files.translated(path), open(path, "wb") as file:
        table = TableWriter(file)
        table.add(_HEADER, Header(shards).encoded())
        found = ((key, entries[key]) for key in sorted(entries))
        table.add_all((key, entry if isinstance(entry, bytes) else entry.encoded()) for key, entry in found)
        table.finish()
        files.sync(file)


_moving = threading.Lock()  # threads that save under one name do it one after the other


def _put_in_place(prefix: str, moves: list[tuple[str, str]], temporary_index: str) -> None:
    index = index_name(prefix)
    with _moving, files.translated(index):
        if os.path.exists(index):
            for source, target in moves:
                freeing.replace(source, target + PENDING)
            os.utime(temporary_index)  # not older than the index it replaces: see `_current_index`
            os.replace(temporary_index, index + PENDING)
            files.sync_directory(index)
            for _, target in moves:
                freeing.replace(target + PENDING, target)
            os.replace(index + PENDING, index)
        else:
            for source, target in moves:
                freeing.replace(source, target)
            os.replace(temporary_index, index)
        files.sync_directory(index)


def merge_bundles(prefixes: Sequence[str], destination: str) -> None:
    """Make one checkpoint of several by renaming their data files; nothing of `prefixes` is left.

    Raises:
        InvalidArgumentError: if a tensor is in more than one of them, other than in different parts.
    """
    prefixes, destination = [files.local(p) for p in prefixes], files.local(destination)
    entries: dict[bytes, Entry] = {}
    moves: list[str] = []
    for prefix in dict.fromkeys(prefixes):
        with BundleReader(prefix) as reader:
            first = len(moves)
            moves.extend(data_name(prefix, shard, reader.shards) for shard in range(reader.shards))
            for key, data in reader.raw_entries.items():
                entry = _parsed(bundle_entry.decoded, data, prefix)
                entry.shard += first
                known = entries.get(key)
                if known is None:
                    entries[key] = entry
                elif known.slices and entry.slices and known.shape == entry.shape and known.dtype == entry.dtype:
                    known.slices.extend(entry.slices)
                else:
                    raise _duplicate(key.decode("utf-8", "surrogateescape"))
    temporary_index = files.temporary_name(index_name(destination))
    _write_index(temporary_index, len(moves), entries)
    pairs = [(path, data_name(destination, i, len(moves))) for i, path in enumerate(moves)]
    _put_in_place(destination, pairs, temporary_index)
    for prefix in prefixes:
        files.remove_quietly(index_name(prefix))


# Reading


class BundleReader:
    """Reads a checkpoint.

    Opening it reads the index alone; each tensor is checked against its checksum when it is read.

    Args:
        prefix: the checkpoint's name, as `model.ckpt-7`.

    Raises:
        NotFoundError: if there is no such checkpoint, here, or no such tensor or data file, in the other methods.
        DataLossError: for damaged contents.
    """

    def __init__(self, prefix: str) -> None:
        self._data: dict[int, BinaryIO] = {}
        self.prefix = prefix = files.local(prefix)
        self._parsed: dict[bytes, Entry] = {}
        self._last_whole: tuple[str, np.ndarray | None] = "", None
        path, self._is_pending = _current_index(prefix)
        table = TableReader(path)
        try:
            items = table.items()
            key, value = next(items, (None, b""))
            if key != _HEADER:
                raise files.data_loss(path, "the index has no header")
            header = _parsed(bundle_entry.decoded_header, value, path)
            self.raw_entries = dict(items)
        finally:
            table.close()
        if header.endianness != 0:
            raise errors.UnimplementedError(None, None, f"{path}: written on a machine of the other byte order")
        if header.min_consumer > 1:
            raise errors.InvalidArgumentError(
                None, None, f"{path}: its format needs a reader of version {header.min_consumer}, this is 1"
            )
        self.shards = header.shards

    def __enter__(self) -> BundleReader:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def close(self) -> None:
        for file in self._data.values():
            file.close()
        self._data.clear()

    def __del__(self) -> None:
        self.close()

    def names(self) -> list[str]:
        """The tensors' names, in order; those of parts are not among them."""
        return [key.decode("utf-8", "surrogateescape") for key in self.raw_entries if key[:1] != b"\0"]

    def has(self, name: str) -> bool:
        return name.encode("utf-8", "surrogateescape") in self.raw_entries

    def dtype(self, name: str) -> DType:
        return self._dtype_of(self._type_and_shape(name)[0], name)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._type_and_shape(name)[1]

    def slices(self, name: str) -> list[Slice]:
        """The parts that the tensor is saved in; none if it is saved whole."""
        return list(self._entry(name).slices)

    def stored_size(self, name: str) -> int:
        """How many bytes the tensor takes in the data files."""
        entry = self._entry(name)
        parts = [self._entry_of(part.key(name), name) for part in self.slices(name)]
        return sum(e.size for e in parts) if parts else entry.size

    def read(self, name: str) -> np.ndarray:
        """A tensor's value: an array of the caller's own, marked read-only; strings as an object array of bytes."""
        entry = self._entry(name)
        if entry.slices:
            return self.read_slice(name, Slice.whole(len(entry.shape)))
        return self._value(entry, name)

    def read_all(self, names: Sequence[str]) -> list[np.ndarray]:
        """The values of tensors, as `read` gives them one after the other."""
        records = [self._record(name.encode("utf-8", "surrogateescape"), name) for name in names]
        values: list[Any] = [None] * len(names)
        for start in range(0, len(names), small_tensors.AT_ONCE):
            self._read_small(names, records, start, values)
        return [self.read(name) if value is None else value for name, value in zip(names, values, strict=True)]

    def _read_small(self, names: Sequence[str], records: list[bytes], start: int, values: list[Any]) -> None:
        """Fill in the values of small tensors that nothing is wrong with, as far as the index says."""
        part = slice(start, start + small_tensors.AT_ONCE)
        found = small_tensors.places(records[part])
        known = {head: small_tensors.head_of(head) for head in set(found.heads)}
        heads = [known[head] for head in found.heads]
        expected = np.array([-1 if h is None or h.size > small_tensors.SMALL else h.size for h in heads], np.int64)
        usable = found.usable & (found.sizes == expected) & (found.shards < self.shards)
        got: list[Any] = [None] * len(heads)
        for shard in np.unique(found.shards[usable]).tolist():
            chosen = np.flatnonzero(usable & (found.shards == shard))
            file = self._file(shard)
            with files.translated(file.name):
                chosen = chosen[(found.offsets + found.sizes)[chosen] <= os.fstat(file.fileno()).st_size]
                try:
                    wrong = small_tensors.read(file, found, heads, chosen, got)
                except EOFError:
                    raise files.data_loss(file.name, "the file has become shorter") from None
            if wrong >= 0:
                raise self._bad_checksum(self._entry(names[start + wrong]), names[start + wrong])
        values[part] = got

    def read_slice(self, name: str, part: Slice) -> np.ndarray:
        """The value of a part of a tensor.

        Raises:
            InvalidArgumentError: if the part does not fit the tensor's shape, or what is saved does not cover it.
        """
        entry = self._entry(name)
        shape, stored = entry.shape, entry.slices
        try:
            bounds = part.indices(shape)
            if not stored:
                if self._last_whole[0] != name:
                    self._last_whole = name, self._value(entry, name)
                whole = self._last_whole[1]
                assert whole is not None
                found: np.ndarray | None = whole if part.is_whole(shape) else whole[bounds].copy()
            elif part in stored and part.shape(shape) == (own := self._entry_of(part.key(name), name)).shape:
                found = self._value(own, name, self._dtype_of(entry.dtype, name))
            else:
                kind = self._dtype_of(entry.dtype, name)
                there = 0
                for part_entry in (self._entry_of(s.key(name), name) for s in stored):
                    self._shard(part_entry, name)  # which has as many bytes as the entry says
                    there += part_entry.size
                if math.prod(part.shape(shape)) * kind.size > there:
                    raise files.data_loss(
                        self.prefix, f"tensor {name!r} of shape {list(shape)} cannot be in parts of {there} bytes"
                    )
                parts = [(s, lambda s=s: self._value(self._entry_of(s.key(name), name), name, kind)) for s in stored]
                found = assembled(part, shape, kind.np, parts)
        except ValueError as error:
            raise errors.InvalidArgumentError(None, None, f"{self.prefix}: tensor {name!r}: {error}") from None
        if found is None:
            raise errors.InvalidArgumentError(
                None, None, f"{self.prefix}: the saved parts of {name!r} do not cover the slice {part} of {list(shape)}"
            )
        found.flags.writeable = False
        return found

    def verify(self, name: str, part: Slice | None = None) -> None:
        """Compare the bytes of a tensor of numbers, or those of a part that is stored as such, with their checksum.

        Raises:
            DataLossError: if they differ; or what `read` raises.
        """
        entry = self._entry(name)
        if entry.slices:
            parts = [part] if part is not None and part in entry.slices else entry.slices
            entries = [self._entry_of(p.key(name), name) for p in parts]
        else:
            entries = [entry]
        scratch = np.empty(CHUNK, np.uint8)
        for stored in entries:
            file = self._shard(stored, name)
            with files.translated(file.name):
                file.seek(stored.offset)
                crc = at = 0
                while at < stored.size:
                    part_read = scratch[: min(CHUNK, stored.size - at)]
                    crc = _filled_checksum(file, part_read, name, crc)
                    at += part_read.size
            if mask(crc) != stored.crc:
                raise self._bad_checksum(stored, name)

    def check(self) -> list[errors.OpError]:
        """Read every tensor; gives what is wrong with those that cannot be read."""
        wrong = []
        for name in self.names():
            try:
                self.read(name)
            except errors.OpError as error:
                wrong.append(error)
        return wrong

    def _entry(self, name: str) -> Entry:
        return self._entry_of(name.encode("utf-8", "surrogateescape"), name)

    def _entry_of(self, key: bytes, name: str) -> Entry:
        found = self._parsed.get(key)
        if found is None:
            found = self._parsed[key] = _parsed(bundle_entry.decoded, self._record(key, name), self.prefix)
        return found

    def _type_and_shape(self, name: str) -> tuple[int, tuple[int, ...]]:
        key = name.encode("utf-8", "surrogateescape")
        return _parsed(bundle_entry.type_and_shape, self._record(key, name), self.prefix)

    def _record(self, key: bytes, name: str) -> bytes:
        data = self.raw_entries.get(key)
        if data is None:
            raise errors.NotFoundError(None, None, f"Key {name} not found in checkpoint")
        return data

    def _dtype_of(self, number: int, name: str) -> DType:
        try:
            return dtypes.as_dtype(number)
        except TypeError:
            raise files.data_loss(self.prefix, f"tensor {name!r} is of unknown type {number}") from None

    def _value(self, entry: Entry, name: str, expected: DType | None = None) -> np.ndarray:
        kind = self._dtype_of(entry.dtype, name)
        shape = entry.shape
        if expected is not None and kind is not expected:
            raise files.data_loss(self.prefix, f"a part of {name!r} is of type {kind.name}, the whole {expected.name}")
        if kind is dtypes.string:
            value = self._strings(entry, name, math.prod(shape)).reshape(shape)
        elif kind is dtypes.variant:
            value = self._variants(entry, name, math.prod(shape)).reshape(shape)
        elif kind._kind in _UNSAVEABLE:
            raise errors.UnimplementedError(None, None, f"{self.prefix}: {name!r} is a {kind.name}")
        else:
            if entry.size != math.prod(shape) * kind.np.itemsize:
                raise files.data_loss(
                    self.prefix, f"tensor {name!r} of shape {list(shape)} has {entry.size} bytes in the index"
                )
            file = self._shard(entry, name)
            value = fresh(shape, stored_dtype(kind))
            with files.translated(file.name):
                file.seek(entry.offset)
                crc = _filled_checksum(file, value.reshape(-1).view(np.uint8), name)
            if mask(crc) != entry.crc:
                raise self._bad_checksum(entry, name)
            value = value.view(kind.np) if value.dtype != kind.np else value
        value.flags.writeable = False
        return value

    def _strings(self, entry: Entry, name: str, count: int) -> np.ndarray:
        file = self._shard(entry, name)
        if count > entry.size:
            raise files.data_loss(self.prefix, f"{count} strings of {name!r} cannot be held in {entry.size} bytes")
        with files.translated(file.name):
            file.seek(entry.offset)
            data = file.read(entry.size)
        try:
            value, crc = stored_strings.decoded(data, count)
        except ValueError:
            raise files.data_loss(self.prefix, f"the lengths of the strings of {name!r} are damaged") from None
        if mask(crc) != entry.crc:
            raise self._bad_checksum(entry, name)
        return value

    def _variants(self, entry: Entry, name: str, count: int) -> np.ndarray:
        file = self._shard(entry, name)
        if count > entry.size:
            raise files.data_loss(self.prefix, f"{count} variants of {name!r} cannot be held in {entry.size} bytes")
        with files.translated(file.name):
            file.seek(entry.offset)
            data = file.read(entry.size)
        try:
            value, crc = variants.decoded(data, count)
        except ValueError as error:
            raise files.data_loss(self.prefix, f"tensor {name!r}: {error}") from None
        if mask(crc) != entry.crc:
            raise self._bad_checksum(entry, name)
        return value

    def _bad_checksum(self, entry: Entry, name: str) -> errors.OpError:
        where = data_name(self.prefix, entry.shard, self.shards)
        return files.data_loss(where, f"checksum does not match: tensor {name!r}, {entry.size} bytes at {entry.offset}")

    def _shard(self, entry: Entry, name: str) -> BinaryIO:
        """The data file of an entry, which is long enough."""
        if not 0 <= entry.shard < self.shards:
            raise files.data_loss(self.prefix, f"tensor {name!r} is in data file {entry.shard} of {self.shards}")
        file = self._file(entry.shard)
        size = os.fstat(file.fileno()).st_size
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > size:
            raise files.data_loss(
                file.name, f"tensor {name!r} is at {entry.offset} with {entry.size} bytes; the file has {size}"
            )
        return file

    def _file(self, shard: int) -> BinaryIO:
        if shard not in self._data:
            path = data_name(self.prefix, shard, self.shards)
            if self._is_pending and os.path.exists(path + PENDING):
                path += PENDING
            with files.translated(path):
                self._data[shard] = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close
        return self._data[shard]


def _current_index(prefix: str) -> tuple[str, bool]:
    """The index file to read, and whether it is one that was about to take its place."""
    index = index_name(prefix)
    try:
        pending = os.stat(index + PENDING).st_mtime_ns
    except OSError:
        return index, False
    try:
        # Another program may have written the checkpoint anew since.
        return (index, False) if os.stat(index).st_mtime_ns > pending else (index + PENDING, True)
    except OSError:
        return index + PENDING, True


def _filled_checksum(file: BinaryIO, out: np.ndarray, name: str, crc: int = 0) -> int:
    """Fill `out` from a file; gives the checksum. In pieces: what was just read is still in the core's cache."""
    at = 0
    while at < out.size:
        part = out[at : at + CHUNK]
        got = file.readinto(part.data)  # type: ignore[attr-defined]
        if not got:
            raise files.data_loss(file.name, f"the file ends inside of tensor {name!r}")
        crc = crc32c(part[:got], crc)
        at += got
    return crc


def _parsed(parse: Callable[[bytes], _T], data: bytes, path: str) -> _T:
    try:
        return parse(data)
    except ValueError as error:
        raise files.data_loss(path, f"a record of the index cannot be parsed: {error}") from None
