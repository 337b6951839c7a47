"""TFRecord files: a row of byte strings, each with its length and checksums, plain or compressed as a whole.

length (8 bytes), checksum of the length (4), the record, checksum of the record (4), and so on
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from evergraph.formats.checksum import DELTA, mask, masked_crc32c, unmask
from evergraph.formats.files import data_loss, sync, translated
from evergraph.framework import errors

_HEADER = 12
_FOOTER = 4
_CHUNK = 1 << 20
# zlib's name for each kind of compression: the window, and 16 for a gzip header.
_WINDOW = {"GZIP": zlib.MAX_WBITS + 16, "ZLIB": zlib.MAX_WBITS}


def checked_compression(compression: str) -> str:
    """
    Raises:
        UnimplementedError: for a kind of compression that TFRecords do not have.
    """
    if compression and compression not in _WINDOW:
        raise errors.UnimplementedError(
            None, None, f"{compression!r} compression is not supported: there are '', 'GZIP' and 'ZLIB'"
        )
    return compression


# Reading


def read_records(path: str, compression: str = "") -> Iterator[bytes]:
    """The records of a file, one by one.

    Args:
        path: the file.
        compression: "", "GZIP" or "ZLIB".

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: at a record that is cut off, or does not match its checksum; it names the place.
    """
    with translated(path), open(path, "rb", buffering=0) as file:
        if checked_compression(compression):
            yield from records_of(_decompressed(file, path, _WINDOW[compression]), path)
        else:
            yield from records_of(iter(lambda: file.read(_CHUNK), b""), path)


def read_chunks(path: str, compression: str = "") -> Iterator[bytes]:
    """The contents of a file, decompressed, in chunks of any size."""
    with translated(path), open(path, "rb", buffering=0) as file:
        if checked_compression(compression):
            yield from _decompressed(file, path, _WINDOW[compression])
        else:
            yield from iter(lambda: file.read(_CHUNK), b"")


def _decompressed(file: BinaryIO, path: str, window: int) -> Iterator[bytes]:
    machine = zlib.decompressobj(window)
    started = False
    try:
        while chunk := file.read(_CHUNK):
            while chunk:
                if machine.eof:  # several compressed files put together
                    machine = zlib.decompressobj(window)
                started = True
                out = machine.decompress(chunk, 4 * _CHUNK)
                chunk = machine.unused_data if machine.eof else machine.unconsumed_tail
                if out:
                    yield out
        if started and not machine.eof and (out := machine.flush()):
            yield out
    except zlib.error as error:
        raise data_loss(path, f"the compressed data are damaged: {error}") from None


def records_of(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """The records in a stream of bytes that comes in chunks of any size."""
    lengths: dict[bytes, int] = {}  # headers whose checksum was found right: most lengths come again
    buffer, at, passed = b"", 0, 0  # `passed`: the position of the buffer in the stream
    while True:
        passed += at
        buffer, at = _filled(buffer[at:], _HEADER, chunks), 0
        if not buffer:
            return
        if len(buffer) < _HEADER:
            raise data_loss(path, f"truncated record at {passed}")
        # All records that are complete in the buffer; their checksums are compared together.
        size, wanted, bad_length = len(buffer), 0, False
        records: list[bytes] = []
        ends: list[int] = []
        while at + _HEADER <= size:
            header = buffer[at : at + _HEADER]
            length = lengths.get(header)
            if length is None:
                length = int.from_bytes(header[:8], "little")
                if masked_crc32c(header[:8]) != int.from_bytes(header[8:], "little"):
                    bad_length = True
                    break
                if len(lengths) < 65_536:
                    lengths[header] = length
            end = at + _HEADER + length
            if end + _FOOTER > size:
                wanted = end + _FOOTER - at
                break
            records.append(buffer[at + _HEADER : end])
            ends.append(end)
            at = end + _FOOTER
        wrong = _first_wrong(buffer, records, ends)
        if wrong is not None:
            yield from records[:wrong]
            start = ends[wrong] - len(records[wrong]) - _HEADER
            raise data_loss(path, f"corrupted record at {passed + start}: its checksum does not match")
        yield from records
        if bad_length:
            raise data_loss(path, f"corrupted record at {passed + at}: the checksum of its length does not match")
        if wanted:
            passed += at
            buffer, at = _filled(buffer[at:], wanted, chunks), 0
            if len(buffer) < wanted:
                raise data_loss(path, f"truncated record at {passed}")


def _first_wrong(buffer: bytes, records: list[bytes], ends: list[int]) -> int | None:
    """The number of the first record that does not match the checksum behind it."""
    if not records:
        return None
    found = np.fromiter(map(google_crc32c.value, records), np.uint32, len(records))
    at = np.array(ends)
    raw = np.frombuffer(buffer, np.uint8)
    stored = raw[at[:, None] + np.arange(4)].view("<u4")[:, 0]
    differ = np.flatnonzero((found >> 15 | found << 17) + np.uint32(DELTA) != stored)
    return int(differ[0]) if differ.size else None


def _filled(rest: bytes, wanted: int, chunks: Iterator[bytes]) -> bytes:
    """`rest` with as many chunks as it takes to have `wanted` bytes, or all there are."""
    parts, size = [rest], len(rest)
    while size < wanted:
        chunk = next(chunks, b"")
        if not chunk:
            break
        parts.append(chunk)
        size += len(chunk)
    return b"".join(parts)


def read_record_at(file: BinaryIO, path: str) -> bytes | None:
    """The record at the position of an uncompressed file, which then is behind it; None at its end.

    A record that is not complete yet counts as the end, and leaves the position where it was: another process may be
    writing it.
    """
    start = file.tell()
    header = file.read(_HEADER)
    if len(header) == _HEADER:
        length, stored = struct.unpack("<QI", header)
        if masked_crc32c(header[:8]) != stored:
            raise data_loss(path, f"corrupted record at {start}: the checksum of its length does not match")
        if length <= os.fstat(file.fileno()).st_size:
            body = file.read(length + _FOOTER)
            if len(body) == length + _FOOTER:
                if google_crc32c.value(body[:-4]) != unmask(int.from_bytes(body[-4:], "little")):
                    raise data_loss(path, f"corrupted record at {start}: its checksum does not match")
                return body[:-4]
    file.seek(start)
    return None


# Writing


def framed(record: bytes) -> bytes:
    """A record with its length and checksums."""
    length = struct.pack("<Q", len(record))
    return b"".join(
        (
            length,
            struct.pack("<I", masked_crc32c(length)),
            record,
            struct.pack("<I", mask(google_crc32c.value(record))),
        )
    )


class RecordWriter:
    """Writes records to a file, which it makes or empties.

    Args:
        path: the file.
        compression: "", "GZIP" or "ZLIB".
        level, window_bits, mem_level, strategy: zlib's settings.
        flush_mode: zlib's, applied after each record; by default, none.

    Raises:
        NotFoundError, PermissionDeniedError, ResourceExhaustedError: here and in all methods, as the file system says.
        FailedPreconditionError: if it is used after `close`.
    """

    def __init__(
        self,
        path: str,
        compression: str = "",
        level: int | None = None,
        window_bits: int | None = None,
        mem_level: int | None = None,
        strategy: int | None = None,
        flush_mode: int | None = None,
    ) -> None:
        self.path = path
        self._machine: Any = None
        self._flush_mode = flush_mode or zlib.Z_NO_FLUSH
        if checked_compression(compression):
            window = _WINDOW[compression] if window_bits is None else window_bits + (16 if compression == "GZIP" else 0)
            self._machine = zlib.compressobj(
                -1 if level is None else level, zlib.DEFLATED, window, mem_level or 9, strategy or 0
            )
        with translated(path):
            self._file: BinaryIO | None = open(path, "wb", buffering=1 << 18)  # noqa: SIM115 - closed by close

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def write(self, record: bytes) -> None:
        """Add a record."""
        self._put(framed(record))

    def _put(self, data: bytes) -> None:
        if self._file is None:
            raise errors.FailedPreconditionError(
                None, None, f"Writer not initialized or previously closed: {self.path}"
            )
        if self._machine is not None:
            data = self._machine.compress(data)
            if self._flush_mode != zlib.Z_NO_FLUSH:
                data += self._machine.flush(self._flush_mode)
        with translated(self.path):
            self._file.write(data)

    def flush(self) -> None:
        """Hand everything written so far to the system: other processes see it."""
        if self._file is None:
            raise errors.FailedPreconditionError(
                None, None, f"Writer not initialized or previously closed: {self.path}"
            )
        with translated(self.path):
            if self._machine is not None:
                self._file.write(self._machine.flush(zlib.Z_SYNC_FLUSH))
            self._file.flush()

    def close(self) -> None:
        """Write what is left. Closing again does nothing."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with translated(self.path), file:
            if self._machine is not None:
                file.write(self._machine.flush())
            sync(file)
