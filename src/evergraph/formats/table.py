"""Tables: sorted keys with their values, the container of a checkpoint's index (V2) and of whole V1 checkpoints.

    block of entries, block of entries, ..., index block, footer

An entry leaves out what its key shares with the key before. A block ends with the positions of the entries that share
nothing (restarts), one byte that says how it is compressed, and a checksum of it all. The index block has, for each
block, a key not below the block's last one, and where the block is. The footer says where the index is.

It is LevelDB's format, with TensorFlow's block size.
"""

from __future__ import annotations

import bisect
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from evergraph.formats import snappy, varint
from evergraph.formats.checksum import crc32c, mask
from evergraph.formats.files import data_loss, translated

_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1
_BLOCK_SIZE = 262_144
_RESTART_INTERVAL = 16


class TableReader:
    """A table in a file, which is mapped into memory: only what is looked at is read.

    Raises:
        DataLossError: here and in all methods, for damaged contents.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._cached: tuple[int, list[tuple[bytes, bytes]]] = -1, []
        with translated(path), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _FOOTER:
                raise data_loss(
                    path, f"not a table (bad magic number): a table has {_FOOTER} bytes or more, this {size}"
                )
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        footer = self._map[-_FOOTER:]
        if footer[-8:] != _MAGIC:
            raise data_loss(path, "not a table (bad magic number)")
        try:
            _, at = _handle(footer, 0)
            index, _ = _handle(footer, at)
            self._limits: list[bytes] = []
            self._handles: list[tuple[int, int]] = []
            for key, value in self._entries(*index):
                self._limits.append(key)
                self._handles.append(_handle(value, 0)[0])
        except ValueError as error:
            raise data_loss(path, f"damaged table: {error}") from None

    def close(self) -> None:
        self._map.close()

    def __len__(self) -> int:
        """The size of the file in bytes."""
        return len(self._map)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        block = bisect.bisect_left(self._limits, key)
        if block == len(self._limits):
            return None
        entries = self._block(block)
        at = bisect.bisect_left(entries, key, key=lambda entry: entry[0])
        return entries[at][1] if at < len(entries) and entries[at][0] == key else None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys with their values, in order."""
        for number in range(len(self._handles)):
            yield from self._block(number)

    def _block(self, number: int) -> list[tuple[bytes, bytes]]:
        if self._cached[0] != number:
            try:
                self._cached = number, self._entries(*self._handles[number])
            except ValueError as error:
                raise data_loss(self.path, f"damaged table: {error}") from None
        return self._cached[1]

    def _entries(self, offset: int, size: int) -> list[tuple[bytes, bytes]]:
        end = offset + size
        if end + _TRAILER > len(self._map) - _FOOTER:
            raise ValueError(f"a block at {offset} of {size} bytes ends outside of the file")
        raw = self._map[offset : end + _TRAILER]
        (stored,) = struct.unpack_from("<I", raw, size + 1)
        if mask(crc32c(raw[: size + 1])) != stored:
            raise ValueError(f"block checksum mismatch at {offset}")
        kind = raw[size]
        if kind not in (_PLAIN, _SNAPPY):
            raise ValueError(f"block at {offset} is compressed in an unknown way ({kind})")
        return _block_entries(raw[:size] if kind == _PLAIN else snappy.decompress(raw[:size]))


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint.decoded(data, at)
    size, at = varint.decoded(data, at)
    return (offset, size), at


def _block_entries(block: bytes) -> list[tuple[bytes, bytes]]:
    if len(block) < 4:
        raise ValueError("a block is too short")
    (restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 - 4 * restarts
    if end < 0:
        raise ValueError("the restarts of a block do not fit into it")
    entries = []
    key, at = b"", 0
    while at < end:
        if at + 3 <= end and block[at] < 0x80 and block[at + 1] < 0x80 and block[at + 2] < 0x80:
            shared, own, length = block[at : at + 3]
            at += 3
        else:
            shared, at = varint.decoded(block, at)
            own, at = varint.decoded(block, at)
            length, at = varint.decoded(block, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("an entry of a block does not fit into it")
        key = key[:shared] + block[at : at + own]
        at += own
        entries.append((key, block[at : at + length]))
        at += length
    return entries


class TableWriter:
    """Writes a table to a binary file. Keys must come in order.

    Raises:
        ValueError: for a key that is not above the one before.
    """

    def __init__(self, file: Any, block_size: int = _BLOCK_SIZE) -> None:
        self._file = file
        self._block_size = block_size
        self._offset = 0
        self._index: list[tuple[bytes, bytes]] = []
        self._last: bytes | None = None
        self._block = _BlockBuilder()

    def add(self, key: bytes, value: bytes) -> None:
        if self._last is not None and key <= self._last:
            raise _out_of_order(key, self._last)
        if self._block.size >= self._block_size:
            self._flush(_separator(self._last or b"", key))
        self._block.add(key, value)
        self._last = key

    def add_all(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Add entries, as `add` does one after the other."""
        entries = iter(entries)
        for key, value in entries:
            self.add(key, value)
            self._last = self._block.add_until(entries, self._block_size)

    def finish(self) -> None:
        """Write what is left, the index and the footer. The file stays open."""
        if self._block.size:
            self._flush(_successor(self._last or b""))
        metaindex = self._write(_BlockBuilder())
        index = _BlockBuilder(restart_interval=1)
        for key, handle in self._index:
            index.add(key, handle)
        footer = metaindex + self._write(index)
        self._file.write(footer.ljust(_FOOTER - 8, b"\0") + _MAGIC)

    def _flush(self, limit: bytes) -> None:
        """Write the block; `limit` is a key not below its last one, and below all that follow."""
        self._index.append((limit, self._write(self._block)))
        self._block = _BlockBuilder()

    def _write(self, block: _BlockBuilder) -> bytes:
        contents = block.contents() + bytes([_PLAIN])
        handle = varint.encoded(self._offset) + varint.encoded(len(contents) - 1)
        self._file.write(contents)
        self._file.write(struct.pack("<I", mask(crc32c(contents))))
        self._offset += len(contents) + 4
        return handle


def _out_of_order(key: bytes, last: bytes) -> ValueError:
    return ValueError(f"keys of a table must come in order: {key!r} after {last!r}")


def _shared(a: bytes, b: bytes) -> int:
    """How many bytes two byte strings have in common at their start."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    differing = int.from_bytes(a[:limit]) ^ int.from_bytes(b[:limit])
    return limit - (differing.bit_length() + 7) // 8


def _separator(key: bytes, following: bytes) -> bytes:
    """A short byte string not below `key` and below `following`."""
    at = _shared(key, following)
    if at < len(key) and at < len(following) and key[at] < 0xFF and key[at] + 1 < following[at]:
        return key[:at] + bytes([key[at] + 1])
    return key


def _successor(key: bytes) -> bytes:
    """A short byte string not below `key`."""
    for at, byte in enumerate(key):
        if byte != 0xFF:
            return key[:at] + bytes([byte + 1])
    return key


class _BlockBuilder:
    def __init__(self, restart_interval: int = _RESTART_INTERVAL) -> None:
        self._parts: list[bytes] = []
        self._restarts = [0]
        self._interval = restart_interval
        self._since = 0
        self._last = b""
        self.size = 0

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._since < self._interval:
            shared = _shared(self._last, key)
        else:
            self._restarts.append(self.size)
            self._since = 0
        lengths = varint.encoded(shared) + varint.encoded(len(key) - shared) + varint.encoded(len(value))
        entry = lengths + key[shared:] + value
        self._parts.append(entry)
        self.size += len(entry)
        self._last = key
        self._since += 1

    def add_until(self, entries: Iterator[tuple[bytes, bytes]], limit: int) -> bytes:
        """Add entries, the first of which is not the block's first, until it has `limit` bytes; gives the last key."""
        last, size, since, number = self._last, self.size, self._since, int.from_bytes
        add = self._parts.append
        while size < limit:
            key, value = next(entries, (None, b""))
            if key is None:
                break
            if key <= last:
                raise _out_of_order(key, last)
            own = len(key)
            shared = 0
            if since < self._interval:
                shared = min(len(last), own)
                if last[:shared] != key[:shared]:
                    shared -= ((number(last[:shared]) ^ number(key[:shared])).bit_length() + 7) // 8
            else:
                self._restarts.append(size)
                since = 0
            own -= shared
            if shared < 0x80 and own < 0x80 and len(value) < 0x80:
                entry = bytes((shared, own, len(value))) + key[shared:] + value
            else:
                entry = varint.encoded(shared) + varint.encoded(own) + varint.encoded(len(value)) + key[shared:] + value
            add(entry)
            size += len(entry)
            last = key
            since += 1
        self._last, self.size, self._since = last, size, since
        return last

    def contents(self) -> bytes:
        restarts = struct.pack(f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts))
        return b"".join(self._parts) + restarts
