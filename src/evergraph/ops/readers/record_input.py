"""`RecordInput`: batches of records of many TFRecord files, in random order, epoch after epoch."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from evergraph.formats import files, tfrecord
from evergraph.framework import errors
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.joining import split
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.running import Running
from evergraph.ops.shaping import reshape


class RecordYielder:
    """Records drawn from a buffer into which the files of an epoch are read.

    Args:
        pattern: glob patterns, separated by commas.
        seed: of the order of the files, and of what is drawn.
        shift: the part of the files by which each epoch starts later.
        size: of the buffer.
        compression: "", "GZIP" or "ZLIB".
    """

    def __init__(self, pattern: str, seed: int, shift: float, size: int, compression: str) -> None:
        self._pattern, self._shift, self._size, self._compression = pattern, shift, max(size, 1), compression
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._records = self._drawn()

    def take(self, count: int) -> list[bytes]:
        with self._lock:
            return [next(self._records) for _ in range(count)]

    def _drawn(self) -> Iterator[bytes]:
        while True:
            buffer: list[bytes] = []
            empty = True
            for record in self._epoch():
                empty = False
                place = self._random.randrange(len(buffer) + 1)
                buffer.append(record)
                buffer[place], buffer[-1] = buffer[-1], buffer[place]
                if len(buffer) >= self._size:
                    yield buffer.pop()
            while buffer:
                yield buffer.pop()
            if empty:
                raise kernel_error(f"Found no records at {self._pattern}", errors.NotFoundError)

    def _epoch(self) -> Iterator[bytes]:
        names = [name for pattern in self._pattern.split(",") for name in files.matching(pattern)]
        if not names:
            raise kernel_error(f"Found no files at {self._pattern}", errors.NotFoundError)
        self._random.shuffle(names)
        if 0 <= self._shift < 1:
            start = int(self._shift * len(names))
            names = names[start:] + names[:start]
        for name in names:
            yield from tfrecord.read_records(name, self._compression)


@op("RecordInput", session=True, differentiable=False)
def record_input_op(
    xp: Any,
    *,
    run: Running,
    file_pattern: bytes,
    file_random_seed: int,
    file_shuffle_shift_ratio: float,
    file_buffer_size: int,
    batch_size: int,
    compression_type: bytes,
) -> Any:
    """A batch of records."""
    yielder = run.resource(
        b"",
        b"",
        lambda: RecordYielder(
            file_pattern.decode(),
            file_random_seed,
            file_shuffle_shift_ratio,
            file_buffer_size,
            compression_type.decode(),
        ),
    )
    records = np.empty(batch_size, object)
    records[:] = yielder.take(batch_size)
    return records


@record_input_op.shape
def record_input_shape() -> Any:
    return None


class RecordInput:
    """Records of many TFRecord files, in random order, epoch after epoch.

    Args:
        file_pattern: glob patterns, separated by commas.
        batch_size: how many records come at a time.
        buffer_size: from how many records each is drawn.
        parallelism: accepted for TF's signature: one thread reads.
        shift_ratio: the part of the files by which each epoch starts later.
        seed: of the order.
        batches: how many batches to give, as lists of scalars; None for one tensor.
        compression_type: one of `tf.python_io.TFRecordCompressionType`.
    """

    def __init__(
        self,
        file_pattern: str,
        batch_size: int = 1,
        buffer_size: int = 1,
        parallelism: int = 1,
        shift_ratio: float = 0,
        seed: int = 0,
        name: str | None = None,
        batches: int | None = None,
        compression_type: Any = None,
    ) -> None:
        self._batch_size = batch_size if batches is None else batch_size * batches
        self._batches = batches
        self._attrs = {
            "file_pattern": file_pattern,
            "file_buffer_size": buffer_size,
            "file_parallelism": parallelism,
            "file_shuffle_shift_ratio": shift_ratio,
            "file_random_seed": seed,
            "compression_type": {None: "", 0: "", 1: "ZLIB", 2: "GZIP"}.get(compression_type, compression_type),
        }
        self._name = name

    def get_yield_op(self) -> Any:
        """The records: a string vector, or a list of `batches` lists of scalars."""

        records: Tensor = raw_op("RecordInput")(batch_size=self._batch_size, name=self._name, **self._attrs)
        if self._batches is None:
            return records
        with name_scope(self._name):
            batches: list[list[Tensor]] = [[] for _ in range(self._batches)]
            for i, record in enumerate(split(records, self._batch_size, 0)):
                batches[i % self._batches].append(reshape(record, []))
            return batches
