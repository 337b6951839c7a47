"""TFRecord files: a row of byte strings, each with its length and checksums, plain or compressed as a whole.

length (8 bytes), checksum of the length (4), the record, checksum of the record (4), and so on
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from evergraph.formats.checksum import mask, masked_crc32c, unmask
from evergraph.formats.files import data_loss, translated
from evergraph.formats.fresh_memory import keep_freed
from evergraph.framework import errors

_HEADER = 12
_FOOTER = 4
# What a core's cache holds, with the records made of it. Records of 50 to 500 bytes, nanoseconds each, at 124, 252, 508
# and 1,020 kB: 560, 410, 390, 405; of 0 to 3,000 bytes: 1080, 960, 855, 810 (EPYC, a megabyte of cache a core).
_CHUNK = 508 << 10
_FEW = 8
_SHORT = 1000  # bytes of records that are checked together
_SHORT_LENGTH = 4096
_LENGTH = struct.Struct("<Q")
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
    return records_of(read_chunks(path, compression), path)


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
                out = machine.decompress(chunk, _CHUNK)
                chunk = machine.unused_data if machine.eof else machine.unconsumed_tail
                if out:
                    yield out
        if started and not machine.eof and (out := machine.flush()):
            yield out
    except zlib.error as error:
        raise data_loss(path, f"the compressed data are damaged: {error}") from None


def records_of(chunks: Iterator[bytes], path: str) -> Iterator[bytes]:
    """The records in a stream of bytes that comes in chunks of any size."""
    return chain.from_iterable(_lists_of(chunks, path))


def _lists_of(chunks: Iterator[bytes], path: str) -> Iterator[list[bytes]]:
    """The records in lists, as many at a time as a chunk completes; their checksums are compared together."""
    keep_freed()
    buffer, passed = b"", 0  # `passed`: the position of the buffer in the stream
    wanted = _HEADER
    together = _Together()
    while True:
        buffer = _filled(buffer, wanted, chunks)
        if len(buffer) < wanted:
            if len(buffer) >= _HEADER:  # less than that is no record, for TensorFlow
                raise data_loss(path, f"truncated record at {passed}")
            return
        records, at = _of_one_length(buffer, together) or _of_many_lengths(buffer, together)
        if records:
            yield records
            buffer, passed, wanted = buffer[at:], passed + at, _HEADER
            continue
        # Something is wrong with the first record, or it is not complete.
        if masked_crc32c(buffer[:8]) != int.from_bytes(buffer[8:_HEADER], "little"):
            raise data_loss(path, f"corrupted record at {passed}: the checksum of its length does not match")
        wanted = _HEADER + int.from_bytes(buffer[:8], "little") + _FOOTER
        if wanted <= len(buffer):
            raise data_loss(path, f"corrupted record at {passed}: its checksum does not match")


def _of_one_length(buffer: bytes, together: _Together) -> tuple[list[bytes], int] | None:
    """Right records at the start of a buffer, all of one length, and where they end; None if there are just a few."""
    header = buffer[:_HEADER]
    size = int.from_bytes(header[:8], "little")
    step = _HEADER + size + _FOOTER
    count = len(buffer) // step
    if count < _FEW or not all(buffer.startswith(header, step * i) for i in range(_FEW)):
        return None
    if not size or masked_crc32c(header[:8]) != int.from_bytes(header[8:], "little"):
        return None
    rows = np.frombuffer(buffer, np.uint8, count * step).reshape(count, step)
    count = _leading((rows[:, :_HEADER] == rows[0, :_HEADER]).all(axis=1))
    contents = np.ascontiguousarray(rows[:count, _HEADER:-_FOOTER])
    records: list[bytes] = contents.view(f"V{size}")[:, 0].tolist()
    right = together.right(buffer, records, np.arange(0, (count + 1) * step, step))
    return records[:right], right * step


def _of_many_lengths(buffer: bytes, together: _Together) -> tuple[list[bytes], int]:
    """Right records at the start of a buffer, and where they end."""
    at, limit, last = 0, len(buffer) - _HEADER, len(buffer) - _FOOTER
    records: list[bytes] = []
    append, length_at = records.append, _LENGTH.unpack_from
    while at <= limit:
        start = at + _HEADER
        stop = start + length_at(buffer, at)[0]
        if stop > last:
            break
        append(buffer[start:stop])
        at = stop + _FOOTER
    if not records:
        return [], 0
    lengths = np.fromiter(map(len, records), np.int64, len(records))
    bounds = np.zeros(len(records) + 1, np.int64)
    np.cumsum(lengths + (_HEADER + _FOOTER), out=bounds[1:])
    # A length that is not right leads astray: what comes after it is no record at all.
    right = _leading(_checksums_of_lengths(lengths) == _words(buffer)[bounds[:-1] + 8])
    if right < len(records):
        del records[right:]
        bounds = bounds[: right + 1]
    right = together.right(buffer, records, bounds)
    return (records if right == len(records) else records[:right]), int(bounds[right])


class _Together:
    """Checks the checksums of many short records with one call instead of one for each.

    A CRC is linear, so bytes can stand for others that take the machine to the same state. The checksum of a record is
    the state after it, from a state of all ones; and a state is the same as its bits in the bytes that follow it. So
    two rows of bytes have the same CRC if the records match their checksums:

        length  checksum of it  record          checksum
        length  checksum of it  1111 0000 ...   checksum + state that it says

    and where they have, the row of their differences takes the machine from a state of zeros to zeros:

        0000    0000            record + 1111   state that it says

    It costs 60 ns a record instead of 200.
    """

    def __init__(self) -> None:
        self._row = np.zeros(0, np.uint8)

    def right(self, buffer: bytes, records: list[bytes], bounds: np.ndarray) -> int:
        """How many of the records, which with what is around them lie between `bounds`, match before one does not."""
        stops = bounds[1:] - _FOOTER
        if len(records) >= _FEW and bounds[-1] < _SHORT * len(records):
            starts = bounds[:-1] + _HEADER
            if (stops - starts).min() >= 4 and self._all_match(buffer, starts, stops):
                return len(records)
        return _leading(_checksums(records) == _words(buffer)[stops])

    def _all_match(self, buffer: bytes, starts: np.ndarray, stops: np.ndarray) -> bool:
        end = int(stops[-1]) + _FOOTER
        if len(self._row) < end:
            self._row = np.zeros(max(end, _CHUNK), np.uint8)
        row = self._row[:end]
        row[:] = np.frombuffer(buffer, np.uint8, end)
        words = _words(row)
        for at in (starts - 12, starts - 8, starts - 4):
            words[at] = 0
        words[starts] = ~words[starts]
        words[stops] = ~unmask(words[stops])
        # The function inverts the state before and after.
        return bool(google_crc32c.extend(0xFFFFFFFF, row) == 0xFFFFFFFF)


def _leading(right: np.ndarray) -> int:
    """How many are true before the first that is not."""
    return len(right) if right.all() else int(right.argmin())


def _words(raw: Any) -> np.ndarray:
    """The four bytes from each place on, as numbers."""
    return np.ndarray((len(raw) - 3,), "<u4", raw, strides=(1,))


def _checksums(records: list[bytes]) -> np.ndarray:
    return mask(np.fromiter(map(google_crc32c.value, records), np.uint32, len(records)))


@cache
def _length_tables() -> tuple[int, np.ndarray]:
    """The CRC of eight zero bytes, and what each value of each of the eight adds to it: CRCs are linear."""
    none = google_crc32c.value(bytes(8))
    alone = [[google_crc32c.value(bytes(k) + bytes([b]) + bytes(7 - k)) ^ none for b in range(256)] for k in range(8)]
    return none, np.array(alone, np.uint32)


@cache
def _short_lengths() -> np.ndarray:
    """The checksums of all lengths below `_SHORT_LENGTH`."""
    return _computed_checksums_of_lengths(np.arange(_SHORT_LENGTH))


def _checksums_of_lengths(lengths: np.ndarray) -> np.ndarray:
    if lengths.max(initial=0) < _SHORT_LENGTH and len(lengths) > _FEW:
        return _short_lengths()[lengths]
    return _computed_checksums_of_lengths(lengths)


def _computed_checksums_of_lengths(lengths: np.ndarray) -> np.ndarray:
    none, tables = _length_tables()
    crcs = np.full(len(lengths), none, np.uint32)
    for table in tables:
        crcs ^= table[lengths & 0xFF]
        lengths = lengths >> 8
        if not lengths.any():
            break
    return mask(crcs)


def _filled(rest: bytes, wanted: int, chunks: Iterator[bytes]) -> bytes:
    """`rest` with as many chunks as it takes to have `wanted` bytes, or all there are."""
    parts, size = [rest] if rest else [], len(rest)
    while size < wanted:
        chunk = next(chunks, b"")
        if not chunk:
            break
        parts.append(chunk)
        size += len(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


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


def all_framed(records: list[bytes]) -> memoryview:
    """Records one after the other, each with its length and checksums."""
    data = bytearray(bytes(_FOOTER + _HEADER).join((b"", *records, b"")))
    lengths = np.fromiter(map(len, records), np.int64, len(records))
    ends = _FOOTER + np.cumsum(lengths + (_HEADER + _FOOTER)) - _FOOTER
    starts = ends - lengths - _HEADER
    words = _words(data)
    words[starts], words[starts + 4] = lengths & 0xFFFFFFFF, lengths >> 32
    words[starts + 8] = _checksums_of_lengths(lengths)
    words[ends] = _checksums(records)
    return memoryview(data)[_FOOTER:-_HEADER]


class RecordWriter:
    """Writes records to a file, which it makes or empties. They reach the file several at a time.

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
        self._most = _CHUNK if self._flush_mode == zlib.Z_NO_FLUSH else 0
        self._waiting: list[bytes] = []
        self._room = self._most
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
        if self._file is None:
            raise self._closed()
        self._waiting.append(record)
        self._room -= len(record) + _HEADER + _FOOTER
        if self._room < 0:
            self._put()

    def _put(self) -> None:
        """Write the records that wait for it."""
        assert self._file is not None
        if self._waiting:
            records, self._waiting, self._room = self._waiting, [], self._most
            data: Any = all_framed(records)
            if self._machine is not None:
                data = self._machine.compress(data)
                if self._flush_mode != zlib.Z_NO_FLUSH:
                    data += self._machine.flush(self._flush_mode)
            with translated(self.path):
                self._file.write(data)

    def _closed(self) -> errors.OpError:
        return errors.FailedPreconditionError(None, None, f"Writer not initialized or previously closed: {self.path}")

    def flush(self) -> None:
        """Hand everything written so far to the system: other processes see it."""
        if self._file is None:
            raise self._closed()
        self._put()
        with translated(self.path):
            if self._machine is not None:
                self._file.write(self._machine.flush(zlib.Z_SYNC_FLUSH))
            self._file.flush()

    def close(self) -> None:
        """Hand what is left to the system. Closing again does nothing."""
        if self._file is None:
            return
        try:
            with translated(self.path), self._file:
                self._put()
                if self._machine is not None:
                    self._file.write(self._machine.flush())
        finally:
            self._file = None
            self._waiting = []

    def __del__(self) -> None:
        """A writer that nobody holds any more has written what it was given, as a file has."""
        if getattr(self, "_file", None) is not None:
            self.close()
