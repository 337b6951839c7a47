"""The ops on readers, in both spellings: with handles of type `resource`, and as references to strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, with_rank
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.element_queue import ElementQueue
from evergraph.ops.queues.queue_ops import handle_shape, held
from evergraph.ops.readers import reader_state
from evergraph.ops.readers.reader_state import Reader, Record
from evergraph.ops.running import Running


def _made(run: Running, container: bytes, shared_name: bytes, make: Callable[[str], Reader]) -> Reader:
    return run.resource(container, shared_name, lambda: make(run.op.name))


def _identity_reader(xp: Any, *, run: Running, container: bytes, shared_name: bytes) -> Reader:
    """A reader that gives what is in the queue."""
    return _made(run, container, shared_name, reader_state.IdentityReader)


def _whole_file_reader(xp: Any, *, run: Running, container: bytes, shared_name: bytes) -> Reader:
    """A reader that gives whole files."""
    return _made(run, container, shared_name, reader_state.WholeFileReader)


def _text_line_reader(xp: Any, *, run: Running, skip_header_lines: int, container: bytes, shared_name: bytes) -> Reader:
    """A reader that gives the lines of text files."""
    return _made(run, container, shared_name, lambda name: reader_state.TextLineReader(name, skip_header_lines))


def _record_reader(xp: Any, *, run: Running, container: bytes, shared_name: bytes, compression_type: bytes) -> Reader:
    """A reader that gives the records of TFRecord files."""
    return _made(run, container, shared_name, lambda name: reader_state.TFRecordReader(name, compression_type))


@op("LMDBReader", session=True, differentiable=False)
def lmdb_reader(xp: Any, *, run: Running, container: bytes, shared_name: bytes) -> Reader:
    """A reader that gives the entries of LMDB databases."""
    return _made(run, container, shared_name, reader_state.LMDBReader)


lmdb_reader.shape_from_op(handle_shape)


def _fixed_length_reader(
    xp: Any,
    *,
    run: Running,
    header_bytes: int,
    record_bytes: int,
    footer_bytes: int,
    hop_bytes: int,
    container: bytes,
    shared_name: bytes,
) -> Reader:
    """A reader that gives pieces of one length."""
    sizes = record_bytes, header_bytes, footer_bytes, hop_bytes
    return _made(
        run, container, shared_name, lambda name: reader_state.FixedLengthRecordReader(name, *sizes, encoding=b"")
    )


def _fixed_length_reader_v2(
    xp: Any,
    *,
    run: Running,
    header_bytes: int,
    record_bytes: int,
    footer_bytes: int,
    hop_bytes: int,
    container: bytes,
    shared_name: bytes,
    encoding: bytes,
) -> Reader:
    """A reader that gives pieces of one length, of files that may be compressed."""
    sizes = record_bytes, header_bytes, footer_bytes, hop_bytes
    return _made(
        run, container, shared_name, lambda name: reader_state.FixedLengthRecordReader(name, *sizes, encoding=encoding)
    )


_makers: dict[str, tuple[Any, Any]] = {
    "IdentityReader": (_identity_reader, _identity_reader),
    "WholeFileReader": (_whole_file_reader, _whole_file_reader),
    "TextLineReader": (_text_line_reader, _text_line_reader),
    "TFRecordReader": (_record_reader, _record_reader),
    "FixedLengthRecordReader": (_fixed_length_reader, _fixed_length_reader_v2),
}
for _name, _kernels in _makers.items():
    for _version, _kernel in zip(("", "V2"), _kernels, strict=True):
        op(_name + _version, session=True, differentiable=False)(_kernel).shape_from_op(handle_shape)


def _reader(handle: Any) -> Reader:
    found = held(handle)
    if not isinstance(found, Reader):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a reader", errors.NotFoundError)
    return found


def _queue(handle: Any) -> ElementQueue:
    found = held(handle)
    if not isinstance(found, ElementQueue):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a queue", errors.NotFoundError)
    return found


def _string(value: bytes) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _strings(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _read(xp: Any, reader_handle: Any, queue_handle: Any, *, run: Running) -> Any:
    """The next record: its key and its value."""
    key, value = _reader(reader_handle).read(_queue(queue_handle), run)
    return _string(key), _string(value)


def _read_up_to(xp: Any, reader_handle: Any, queue_handle: Any, num_records: Any, *, run: Running) -> Any:
    """The next records of a file, at most so many: their keys and their values."""
    records: list[Record] = _reader(reader_handle).read_up_to(int(num_records), _queue(queue_handle), run)
    return _strings([key for key, _ in records]), _strings([value for _, value in records])


def _num_records_produced(xp: Any, reader_handle: Any, *, run: Running) -> Any:
    """How many records a reader has given."""
    return np.int64(_reader(reader_handle).counts.num_records_produced)


def _num_work_units_completed(xp: Any, reader_handle: Any, *, run: Running) -> Any:
    """How many files a reader has finished."""
    return np.int64(_reader(reader_handle).counts.work_finished)


def _serialize_state(xp: Any, reader_handle: Any, *, run: Running) -> Any:
    """How far a reader has come, as bytes."""
    return _string(_reader(reader_handle).saved())


def _restore_state(xp: Any, reader_handle: Any, state: Any, *, run: Running) -> tuple[()]:
    """Have a reader go on from where `ReaderSerializeState` left it."""
    if np.ndim(state):
        raise kernel_error(f"Reader state must be scalar, but had shape: {bracket_text(np.shape(state))}")
    _reader(reader_handle).restore(np.asarray(state).item(), run)
    return ()


def _reset(xp: Any, reader_handle: Any, *, run: Running) -> tuple[()]:
    """Have a reader begin anew."""
    _reader(reader_handle).reset(run)
    return ()


def _scalars(made: Operation) -> Any:
    return () if len(made.outputs) == 1 else [()] * len(made.outputs)


def _state_is_scalar(made: Operation) -> list[Shape]:
    with_rank(made.inputs[1].static_shape, 0)
    return []


def _vectors(made: Operation) -> list[Shape]:
    return [(None,), (None,)]


for _name, _kernel, _shape in (
    ("ReaderRead", _read, _scalars),
    ("ReaderReadUpTo", _read_up_to, _vectors),
    ("ReaderNumRecordsProduced", _num_records_produced, _scalars),
    ("ReaderNumWorkUnitsCompleted", _num_work_units_completed, _scalars),
    ("ReaderSerializeState", _serialize_state, _scalars),
    ("ReaderRestoreState", _restore_state, _state_is_scalar),
    ("ReaderReset", _reset, None),
):
    for _version in ("", "V2"):
        _declared = op(_name + _version, session=True, differentiable=False)(_kernel)
        if _shape is not None:
            _declared.shape_from_op(_shape)


@op("FakeQueue", session=True, differentiable=False)
def fake_queue(xp: Any, resource: Any, *, run: Running) -> Any:
    """A queue's handle in the older spelling."""
    return held(resource)


fake_queue.shape_from_op(handle_shape)
