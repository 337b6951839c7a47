"""Ops that write summaries to event files themselves, as `tf.contrib.summary` builds them."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np

from evergraph.formats import messages
from evergraph.formats.events import EventsWriter
from evergraph.formats.files import translated
from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running
from evergraph.ops.summary.media import audio_values, images_summary
from evergraph.ops.summary.numbers import histogram_of, one_tag, put_tensor


class Writer:
    """An event file that a session holds. It takes events once it is initialized."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._file: EventsWriter | None = None
        self._waiting = 0
        self._max_queue, self._flush_seconds, self._flushed = 10, 120.0, 0.0

    def open(self, logdir: str, max_queue: int, flush_millis: int, suffix: str) -> None:
        with self._lock:
            if self._file is not None:
                return  # another initializer was here first
            with translated(logdir):
                os.makedirs(logdir, exist_ok=True)
            self._max_queue, self._flush_seconds = max_queue, flush_millis / 1000
            self._file = EventsWriter(os.path.join(logdir, "events"), suffix)
            self._flush(self._file)

    def write(self, event: Any) -> None:
        with self._lock:
            file = self._opened()
            file.write(event)
            self._waiting += 1
            if self._waiting > self._max_queue or time.time() > self._flushed + self._flush_seconds:
                self._flush(file)

    def flush(self) -> None:
        with self._lock:
            self._flush(self._opened())

    def release(self) -> None:
        """Write what is left and close the file."""
        with self._lock:
            if self._file is not None:
                self._flush(self._file)
                self._file.close()
                self._file = None

    def _flush(self, file: EventsWriter) -> None:
        file.flush()
        self._waiting, self._flushed = 0, time.time()

    def _opened(self) -> EventsWriter:
        if self._file is None:
            raise kernel_error(
                f"Resource {self.name} does not exist: the summary writer is closed, or its initializer did not run "
                "(sess.run(tf.contrib.summary.summary_writer_initializer_op()))",
                errors.NotFoundError,
            )
        return self._file


def _writer(handle: Any) -> Writer:
    found = handle.item() if isinstance(handle, np.ndarray) else handle
    if not isinstance(found, Writer):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a summary writer")
    return found


def _text(value: Any) -> str:
    return os.fsdecode(np.asarray(value, object).reshape(-1)[0])


def _put(handle: Any, step: Any, summary: Any) -> None:
    _writer(handle).write(messages.Event(wall_time=time.time(), step=int(step), summary=summary))


def _nothing(*inputs: Any) -> None:
    return None


@op("SummaryWriter", host=True, session=True, differentiable=False)
def summary_writer(xp: Any, *, run: Running, shared_name: bytes, container: bytes) -> Writer:
    """A handle of an event file."""
    return run.resource(container, shared_name, lambda: Writer(run.display_name(shared_name)))


@summary_writer.shape
def summary_writer_shape() -> Shape:
    return ()


@op("CreateSummaryFileWriter", host=True, session=True, differentiable=False, shape=_nothing)
def create_summary_file_writer(
    xp: Any, writer: Any, logdir: Any, max_queue: Any, flush_millis: Any, filename_suffix: Any, *, run: Running
) -> None:
    """Open the event file of a handle; does nothing if it is open."""
    _writer(writer).open(_text(logdir), int(max_queue), int(flush_millis), _text(filename_suffix))


@op("FlushSummaryWriter", host=True, session=True, differentiable=False, shape=_nothing)
def flush_summary_writer(xp: Any, writer: Any, *, run: Running) -> None:
    """Hand everything written so far to the system."""
    _writer(writer).flush()


@op("CloseSummaryWriter", host=True, session=True, differentiable=False, shape=_nothing)
def close_summary_writer(xp: Any, writer: Any, *, run: Running) -> None:
    """Close the event file."""
    found = _writer(writer)
    found.release()
    run.resources.remove(found)


@op("WriteScalarSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_scalar_summary(xp: Any, writer: Any, step: Any, tag: Any, value: Any, *, run: Running) -> None:
    """Write a number."""
    summary = messages.Summary()
    summary.value.add(tag=one_tag(tag), simple_value=float(np.asarray(value).reshape(-1)[0]))
    _put(writer, step, summary)


@op("WriteHistogramSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_histogram_summary(xp: Any, writer: Any, step: Any, tag: Any, values: Any, *, run: Running) -> None:
    """Write how values are distributed."""
    _put(writer, step, histogram_of(one_tag(tag), values))


@op("WriteImageSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_image_summary(
    xp: Any, writer: Any, step: Any, tag: Any, tensor: Any, bad_color: Any, *, run: Running, max_images: int
) -> None:
    """Write images."""
    _put(writer, step, images_summary(one_tag(tag), tensor, max_images, np.asarray(bad_color)))


@op("WriteAudioSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_audio_summary(
    xp: Any, writer: Any, step: Any, tag: Any, tensor: Any, sample_rate: Any, *, run: Running, max_outputs: int
) -> None:
    """Write sound."""
    rate = float(np.asarray(sample_rate).reshape(-1)[0])
    _put(writer, step, audio_values(one_tag(tag), tensor, rate, max_outputs))


@op("WriteSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_summary(
    xp: Any, writer: Any, step: Any, tensor: Any, tag: Any, summary_metadata: Any, *, run: Running, T: DType
) -> None:
    """Write any tensor."""
    summary = messages.Summary()
    value = summary.value.add(tag=one_tag(tag))
    put_tensor(value, tensor, T)
    value.metadata.MergeFromString(np.asarray(summary_metadata, object).reshape(-1)[0])
    _put(writer, step, summary)


@op("WriteRawProtoSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_raw_proto_summary(xp: Any, writer: Any, step: Any, tensor: Any, *, run: Running) -> None:
    """Write serialized summaries."""
    summary = messages.Summary()
    for text in np.asarray(tensor, object).reshape(-1).tolist():
        summary.MergeFromString(text)
    _put(writer, step, summary)


@op("WriteGraphSummary", host=True, session=True, differentiable=False, shape=_nothing)
def write_graph_summary(xp: Any, writer: Any, step: Any, tensor: Any, *, run: Running) -> None:
    """Write a serialized graph."""
    data = np.asarray(tensor, object).reshape(-1)[0]
    _writer(writer).write(messages.Event(wall_time=time.time(), step=int(step), graph_def=data))


@op("ImportEvent", host=True, session=True, differentiable=False, shape=_nothing)
def import_event(xp: Any, writer: Any, event: Any, *, run: Running) -> None:
    """Write a serialized event."""
    try:
        parsed = messages.Event.FromString(np.asarray(event, object).reshape(-1)[0])
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        raise kernel_error(f"the event is no Event message: {error}") from None
    _writer(writer).write(parsed)
