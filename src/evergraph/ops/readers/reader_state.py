"""The readers that a session holds.

A reader takes the name of a file from a queue, gives the records of the file one after the other, and takes the next
name. A record has a key: the file, a colon, and a number.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, chain, islice, repeat, tee
from typing import Any

from evergraph.formats import files, tfrecord
from evergraph.formats.lmdb import read_lmdb
from evergraph.framework import dtypes, errors
from evergraph.ops.opdef import kernel_error
from evergraph.ops.queues.element_queue import ElementQueue
from evergraph.ops.readers.saved_state import ReaderCounts
from evergraph.ops.running import Running

Record = tuple[bytes, bytes]


class Reader:
    """What all readers share; a subclass gives the records of one file."""

    kind = "Reader"
    one_record = False  # whether each name stands for one record
    keeps_state = False

    def __init__(self, name: str) -> None:
        self.name = f"{self.kind} '{name}'"
        self.counts = ReaderCounts()
        self._records: Iterator[Record] | None = None
        self._given_back: list[Record] = []  # by those who had read ahead
        self._free = threading.Condition()
        self._busy = False

    def records(self, name: bytes) -> Iterator[Record]:
        """The records that `name`, an element of the queue, stands for."""
        raise NotImplementedError

    @contextmanager
    def alone(self, run: Running) -> Iterator[None]:
        """Inside, no other run uses this reader; waits until none does."""
        with self._free:
            run.wait_for(self._free, lambda: not self._busy)
            self._busy = True
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify()

    def after_fork(self) -> None:
        """Called in a process that was just forked: whoever used this reader is in the other one."""
        self._busy = False

    def read(self, queue: ElementQueue, run: Running) -> Record:
        """The next record; waits for the queue if the file is at its end."""
        found: list[Record] = []
        with self.alone(run):
            while not found:
                self._add(found, 1, queue, run)
        return found[0]

    def read_up_to(self, count: int, queue: ElementQueue, run: Running) -> list[Record]:
        """As many records as there are in the file, at most `count`, and at least one."""
        found: list[Record] = []
        with self.alone(run):
            while len(found) < count:
                self._add(found, count - len(found), queue, run)
                if found and not self.counts.in_progress:
                    break
        return found

    def read_on(self, most: int, queue: ElementQueue, run: Running) -> list[Record]:
        """What up to `most` reads would give: one record, and those that follow it.

        They follow it in its file, or, if each file is one record, in files whose names are there.

        An error behind the first record comes at the next read.
        """
        found: list[Record] = []
        with self.alone(run):
            while not found:
                try:
                    self._add(found, most, queue, run)
                except Exception as error:
                    if not found:
                        raise
                    self._records = _failing(error)
            if self.one_record:
                self._add_files(found, most - 1, queue)
        return found

    def _add_files(self, found: list[Record], count: int, queue: ElementQueue) -> None:
        """Append the records of the next files, up to `count`, whose names are there. One that cannot be read stays."""
        names = queue.take_more(count)
        for number, (name,) in enumerate(names):
            try:
                found.append(next(self.records(name.item())))
            except Exception:
                queue.put_back(names[number:])
                return
            counts = self.counts
            counts.current_work = name.item()
            counts.work_started += 1
            counts.work_finished = counts.work_started
            counts.num_records_produced += 1

    def put_back(self, records: list[Record], run: Running) -> None:
        """Have the next reads give these records, the last that were read, once more."""
        with self.alone(run):
            counts = self.counts
            counts.num_records_produced -= len(records)
            if self.one_record:
                self._given_back = records + self._given_back
                return
            rest = self._records or iter(())
            if not counts.in_progress:
                counts.work_finished -= 1
            self._records = chain(records, rest)

    def _add(self, found: list[Record], count: int, queue: ElementQueue, run: Running) -> None:
        """Append the next records of the current file, up to `count`; fewer, perhaps none, at its end."""
        counts = self.counts
        if self._given_back:
            found.append(self._given_back.pop(0))
            counts.num_records_produced += 1
            return
        if not counts.in_progress:
            counts.current_work = _next_name(queue, run)
            self._records = self.records(counts.current_work)
            counts.work_started += 1
        assert self._records is not None
        before = len(found)
        try:
            found.extend(islice(self._records, 1 if self.one_record else count))
        except (errors.NotFoundError, errors.PermissionDeniedError, errors.FailedPreconditionError):
            counts.work_started -= 1  # the file was not opened: the next read takes another one
            raise
        finally:
            counts.num_records_produced += len(found) - before
        if len(found) - before < count or self.one_record:
            counts.work_finished = counts.work_started
            self._records = None

    def reset(self, run: Running) -> None:
        """Begin anew: with the next name in the queue, and all counts 0."""
        with self.alone(run):
            self._forget()

    def _forget(self) -> None:
        self.counts, self._records, self._given_back = ReaderCounts(), None, []

    def saved(self) -> bytes:
        """The counts as bytes, from which `restore` goes on."""
        if not self.keeps_state:
            raise kernel_error("Reader SerializeState", errors.UnimplementedError)
        return self.counts.to_bytes()

    def restore(self, state: bytes, run: Running) -> None:
        if not self.keeps_state:
            self.reset(run)
            raise kernel_error("Reader RestoreState", errors.UnimplementedError)
        with self.alone(run):
            self._forget()
            counts = ReaderCounts.from_bytes(state)
            if counts is None:
                raise kernel_error(f"Could not parse state for {self.name}: {state!r}")
            if min(counts.work_started, counts.work_finished, counts.num_records_produced) < 0:
                raise kernel_error(f"Unexpected negative value when restoring in {self.name}: {counts}")
            if counts.in_progress:
                raise kernel_error(f"Inconsistent work started vs. finished when restoring in {self.name}: {counts}")
            self.counts = counts


def _failing(error: Exception) -> Iterator[Record]:
    raise error
    yield


def _next_name(queue: ElementQueue, run: Running) -> bytes:
    element = queue.dequeue(run)
    if len(element) != 1:
        raise kernel_error("Expected single component queue")
    if queue.types[0] is not dtypes.string:
        raise kernel_error("Expected queue with single string component")
    if element[0].size != 1:
        raise kernel_error("Expected to dequeue a one-element string tensor")
    return element[0].item()


def path_of(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


class IdentityReader(Reader):
    """Gives the names themselves, as keys and as values."""

    kind = "IdentityReader"
    one_record = keeps_state = True

    def records(self, name: bytes) -> Iterator[Record]:
        yield name, name


class WholeFileReader(Reader):
    """Gives each file as one record; the key is its name."""

    kind = "WholeFileReader"
    one_record = keeps_state = True

    def records(self, name: bytes) -> Iterator[Record]:
        yield name, files.read_file(path_of(name))


class TextLineReader(Reader):
    """Gives the lines of text files, without what ends them; lines are numbered from 1."""

    kind = "TextLineReader"

    def __init__(self, name: str, skipped: int) -> None:
        super().__init__(name)
        if skipped < 0:
            raise kernel_error(f"skip_header_lines must be >= 0 not {skipped}")
        self._skipped = skipped

    def records(self, name: bytes) -> Iterator[Record]:
        path = path_of(name)
        with files.translated(path), open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number > self._skipped:
                    yield b"%s:%d" % (name, number), line.removesuffix(b"\n").replace(b"\r", b"")


class FixedLengthRecordReader(Reader):
    """Gives pieces of one length.

    Args:
        record, header, footer: their lengths.
        hop: from the start of one record to that of the next; 0 for the length of a record.
        encoding: "", "ZLIB" or "GZIP".
    """

    kind = "FixedLengthRecordReader"

    def __init__(self, name: str, record: int, header: int, footer: int, hop: int, encoding: bytes) -> None:
        super().__init__(name)
        for what, size in (("header", header), ("record", record), ("footer", footer), ("hop", hop)):
            if size < 0:
                raise kernel_error(f"{what}_bytes must be >= 0 not {size}")
        self._record, self._header, self._footer, self._hop = record, header, footer, hop or record
        self._encoding = encoding.decode() if encoding in (b"ZLIB", b"GZIP") else ""

    def records(self, name: bytes) -> Iterator[Record]:
        chunks = tfrecord.read_chunks(path_of(name), self._encoding)
        window = self._record + self._footer
        buffer, to_skip, number = b"", self._header, 0
        for chunk in chunks:
            buffer += chunk
            start = 0
            while True:
                start, to_skip = _skipped(start, to_skip, len(buffer))
                if to_skip or len(buffer) - start < window or not window:
                    break
                yield b"%s:%d" % (name, number), buffer[start : start + self._record]
                number += 1
                to_skip = self._hop
            buffer = buffer[start:]


def _skipped(start: int, to_skip: int, end: int) -> tuple[int, int]:
    """Where one is after skipping as much as there is, and how much is left to skip."""
    step = min(to_skip, end - start)
    return start + step, to_skip - step


class TFRecordReader(Reader):
    """Gives the records of TFRecord files; the number in a key is where the record begins."""

    kind = "TFRecordReader"

    def __init__(self, name: str, compression: bytes) -> None:
        super().__init__(name)
        self._compression = compression.decode()

    def records(self, name: bytes) -> Iterator[Record]:
        records, again = tee(tfrecord.read_records(path_of(name), self._compression))
        # A record is 16 bytes longer in the file: with its length and two checksums.
        places = accumulate(map((16).__add__, map(len, again)), initial=0)
        return zip(map(b"%s:%d".__mod__, zip(repeat(name), places)), records)


class LMDBReader(Reader):
    """Gives the entries of LMDB databases."""

    kind = "LMDBReader"

    def records(self, name: bytes) -> Iterator[Record]:
        return read_lmdb(path_of(name))


KINDS: tuple[type[Any], ...] = (
    IdentityReader,
    WholeFileReader,
    TextLineReader,
    FixedLengthRecordReader,
    TFRecordReader,
    LMDBReader,
)
