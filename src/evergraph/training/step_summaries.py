"""`tf.compat.v2.summary`: summaries of TensorFlow 2's kind, whose ops write tensors with a plugin's name to a file.

    writer = tf.compat.v2.summary.create_file_writer(logdir)
    with writer.as_default(), tf.compat.v2.summary.record_if(True):
        tf.compat.v2.summary.scalar("loss", loss, step=step)
    sess.run(writer.init())
    sess.run([train_op, tf.summary.all_v2_summary_ops()])
    sess.run(writer.flush())

They are recorded unless something says otherwise, and belong to a step that is given or set; `tf.contrib.summary`
(writer_summaries.py) records nothing by default, and takes the global step.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from evergraph.formats import messages
from evergraph.framework import convert, dtypes, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies, device, init_scope, name_scope
from evergraph.ops.cast import cast
from evergraph.ops.checks import assert_non_negative, assert_rank, assert_scalar, assert_type
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.filling import one_hot
from evergraph.ops.functional import map_fn
from evergraph.ops.image.conversion import convert_image_dtype
from evergraph.ops.image.encode import encode_png
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import raw_op
from evergraph.ops.rearrange import transpose
from evergraph.ops.reductions import reduce_max, reduce_min, reduce_sum
from evergraph.ops.shaping import reshape, size
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.signal.audio import encode_wav
from evergraph.ops.strings.numbers import as_string
from evergraph.training.writer_summaries import (
    NoopSummaryWriter,
    ResourceSummaryWriter,
    SummaryWriter,
    current,
    flush,
    record_if,
)

_V2 = "compat.v2.summary."
_NOT_IN_SCOPES = re.compile(r"[^-_/.A-Za-z0-9]")
_numbers = itertools.count(1)
DEFAULT_BUCKETS = 30

public(_V2 + "SummaryWriter")(SummaryWriter)
public(_V2 + "record_if")(record_if)
public(_V2 + "flush")(flush)


@public(_V2 + "create_noop_writer")
def create_noop_writer() -> NoopSummaryWriter:
    """A writer that writes nothing, and leaves the default writer as it is."""
    return NoopSummaryWriter()


@public(_V2 + "create_file_writer")
def create_file_writer_v2(
    logdir: Any, max_queue: Any = None, flush_millis: Any = None, filename_suffix: Any = None, name: str | None = None
) -> ResourceSummaryWriter:
    """A writer of an event file. The file is there once `init()` has run.

    Args:
        logdir: the folder, a string or a string tensor.
        max_queue: how many events may wait in memory; 10 by default.
        flush_millis: how long they may; two minutes by default.
        filename_suffix: what the file's name ends with; ".v2" by default.
        name: the scope of the ops.

    Raises:
        ValueError: for None as `logdir`.
    """
    if logdir is None:
        raise ValueError("logdir cannot be None")
    with name_scope(name, "create_file_writer") as scope, device("cpu:0"), init_scope():
        logdir = convert.convert_to_tensor(logdir, dtype=dtypes.string)
        max_queue = constant(10) if max_queue is None else max_queue
        flush_millis = constant(2 * 60 * 1000) if flush_millis is None else flush_millis
        suffix: Any = constant(".v2") if filename_suffix is None else filename_suffix
        # Two writers in one folder must not share a file.
        suffix = constant(f".{os.getpid()}.{next(_numbers)}") + suffix
        return ResourceSummaryWriter(
            shared_name=scope.rstrip("/"),
            init_op_fn=partial(
                raw_op("CreateSummaryFileWriter"),
                logdir=logdir,
                max_queue=max_queue,
                flush_millis=flush_millis,
                filename_suffix=suffix,
            ),
            name=name,
            v2=True,
        )


@public(_V2 + "experimental.get_step")
def get_step() -> Any:
    """The step of summaries that are given none, in this thread; None if none is set."""
    return current.step


@public(_V2 + "experimental.set_step")
def set_step(step: Any) -> None:
    """Set the step of summaries that are given none: a number, a tensor, a variable, or None."""
    current.step = step


@public(_V2 + "experimental.summary_scope")
@contextmanager
def summary_scope(name: str | None, default_name: str = "summary", values: Any = None) -> Iterator[tuple[str, str]]:
    """A context that gives the tag of a summary, which is not made unique, and the name scope of its ops, which is."""
    name = name or default_name
    around = get_default_graph().get_name_scope()
    tag = f"{around}/{name}" if around else name
    with name_scope(_NOT_IN_SCOPES.sub("", name) or None, default_name, values) as scope:
        yield tag, scope


def _recorded(write: Callable[[Any], Operation], step: Any) -> Any:
    """The op that runs `write(step)` when summaries are recorded; it gives whether they were."""
    if step is None:
        step = get_step()
        if step is None:
            raise ValueError("No step set via 'step' argument or tf.summary.experimental.set_step()")

    def record() -> Any:
        with device("cpu:0"), control_dependencies([write(step)]):
            return constant(True)

    def nothing() -> Any:
        return constant(False)

    known = current.recording() if callable(current.recording) else current.recording
    known = True if known is None else known
    with device("cpu:0"):
        condition = raw_op("LogicalAnd")(True, known)
        if isinstance(known, bool):
            made = record() if known else nothing()
        else:
            made = cond(condition, record, nothing, name="summary_cond")
        get_default_graph().add_to_collection(GraphKeys._SUMMARY_COLLECTION, made)
    return made


@public(_V2 + "write")
def write(tag: Any, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Any:
    """Write any tensor to the default writer.

    Args:
        tag: a string, or a string scalar.
        tensor: of any type.
        step: the step; by default the one that is set.
        metadata: a `SummaryMetadata`, or one as bytes.
        name: the op's name.

    Returns:
        A bool scalar: whether it was written.

    Raises:
        ValueError: without a step.
    """
    with name_scope(name, "write_summary") as scope:
        writer = current.writer
        if writer is None:
            return constant(False)
        text = metadata.SerializeToString() if hasattr(metadata, "SerializeToString") else metadata or b""

        def run(step: Any) -> Operation:
            return raw_op("WriteSummary")(writer._resource, step, raw_op("Identity")(tensor), tag, text, name=scope)

        return _recorded(run, step)


@public(_V2 + "experimental.write_raw_pb")
def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> Any:
    """Write serialized `Summary` messages, a string tensor, to the default writer; see `write`."""
    with name_scope(name, "write_raw_pb") as scope:
        writer = current.writer
        if writer is None:
            return constant(False)

        def run(step: Any) -> Operation:
            return raw_op("WriteRawProtoSummary")(writer._resource, step, raw_op("Identity")(tensor), name=scope)

        return _recorded(run, step)


# What TensorBoard's plugins show


def _metadata(plugin: str, description: str | None, content: bytes = b"") -> Any:
    made = messages.SummaryMetadata(summary_description=description or "")
    made.plugin_data.plugin_name, made.plugin_data.content = plugin, content
    return made


@public(_V2 + "scalar")
def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Write a number.

    Args:
        name: the tag, after the name scope.
        data: a real scalar.
        step: the step; by default the one that is set.
        description: Markdown that TensorBoard shows.

    Returns:
        A bool scalar: whether it was written.

    Raises:
        ValueError: without a step, or for something that is no scalar.
    """
    metadata = _metadata("scalars", description)
    with summary_scope(name, "scalar_summary", values=[data, step]) as (tag, _):
        assert_scalar(data)
        return write(tag, cast(data, dtypes.float32), step, metadata)


@public(_V2 + "histogram")
def histogram(
    name: str, data: Any, step: Any = None, buckets: int | None = None, description: str | None = None
) -> Any:
    """Write how values are distributed: the edges of buckets of one width, and how many values are in each.

    Args:
        name: the tag, after the name scope.
        data: real, any shape.
        step: the step; by default the one that is set.
        buckets: how many; 30 by default.
        description: Markdown that TensorBoard shows.

    Returns:
        A bool scalar: whether it was written.
    """
    metadata = _metadata("histograms", description)
    with summary_scope(name, "histogram_summary", values=[data, buckets, step]) as (tag, _):
        return write(tag, _buckets(data, DEFAULT_BUCKETS if buckets is None else buckets), step, metadata)


def _buckets(data: Any, count: Any) -> Any:
    """float64, shape `[buckets, 3]`: left edge, right edge, and number of values."""
    with name_scope("buckets"):
        assert_scalar(count)
        assert_type(count, dtypes.int32)
        values: Any = cast(reshape(data, shape=[-1]), dtypes.float64)
        is_empty = raw_op("Equal")(size(values), 0)

        def when_filled() -> Any:
            low: Any = reduce_min(values)
            high: Any = reduce_max(values)
            width = high - low
            return cond(raw_op("Equal")(width, 0), lambda: _one_bucket(low, values), lambda: spread(low, high, width))

        def spread(low: Any, high: Any, width: Any) -> Any:
            each = width / cast(count, dtypes.float64)
            places = cast(raw_op("Floor")((values - low) / each), dtype=dtypes.int32)
            places = raw_op("Minimum")(places, count - 1)
            counts = cast(reduce_sum(one_hot(places, depth=count), axis=0), dtype=dtypes.float64)
            edges: Any = raw_op("LinSpace")(low, high, count + 1)
            edges = concat([edges[:-1], [high]], 0)
            left, right = edges[:-1], edges[1:]
            return transpose(stack([left, right, counts]))

        return cond(is_empty, lambda: constant([], shape=(0, 3), dtype=dtypes.float64), when_filled)


def _one_bucket(center: Any, values: Any) -> Any:
    left, right = stack([center - 0.5]), stack([center + 0.5])
    counts = stack([cast(size(values), dtypes.float64)])
    return transpose(stack([left, right, counts]))


@public(_V2 + "image")
def image(name: str, data: Any, step: Any = None, max_outputs: Any = 3, description: str | None = None) -> Any:
    """Write images as PNG.

    Args:
        name: the tag, after the name scope.
        data: shape `[images, height, width, channels]`; floats in `[0, 1]`, or integers over the range of their type.
        step: the step; by default the one that is set.
        max_outputs: the first so many are written.
        description: Markdown that TensorBoard shows.

    Returns:
        A bool scalar: whether they were written.
    """
    metadata = _metadata("images", description)
    with summary_scope(name, "image_summary", values=[data, max_outputs, step]) as (tag, _):
        assert_rank(data, 4)
        assert_non_negative(max_outputs)
        images: Any = convert_image_dtype(data, dtypes.uint8, saturate=True)
        encoded = map_fn(encode_png, images[:max_outputs], dtype=dtypes.string, name="encode_each_image")
        encoded = _unless_empty(encoded)
        sizes: Any = shape_of(images)
        width, height = as_string(sizes[2], name="width"), as_string(sizes[1], name="height")
        tensor = concat([stack([width, height], name="dimensions"), encoded], axis=0)
        return write(tag, tensor, step, metadata)


def _unless_empty(encoded: Any) -> Any:
    """`encoded`, and a vector of no strings in place of whatever comes of none."""
    sizes: Any = shape_of(encoded)
    return cond(sizes[0] > 0, lambda: encoded, lambda: constant([], dtypes.string))


@public(_V2 + "audio")
def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: Any = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Any:
    """Write sounds as WAV.

    Args:
        name: the tag, after the name scope.
        data: float32, shape `[sounds, samples, channels]`, in `[-1, 1]`.
        sample_rate: samples a second, an int32 scalar.
        step: the step; by default the one that is set.
        max_outputs: the first so many are written.
        encoding: "wav", the default.
        description: Markdown that TensorBoard shows.

    Returns:
        A bool scalar: whether they were written.

    Raises:
        ValueError: for another encoding.
    """
    if encoding not in (None, "wav"):
        raise ValueError(f"Unknown encoding: {encoding!r}")
    metadata = _metadata("audio", description, b"\x10\x0b")  # AudioPluginData(encoding=WAV)
    with summary_scope(name, "audio_summary", values=[data, sample_rate, max_outputs, step]) as (tag, _):
        assert_rank(data, 3)
        assert_non_negative(max_outputs)
        sounds: Any = data[:max_outputs]
        encoded = map_fn(
            partial(encode_wav, sample_rate=sample_rate), sounds, dtype=dtypes.string, name="encode_each_audio"
        )
        encoded = _unless_empty(encoded)
        sizes: Any = shape_of(sounds)
        labels = raw_op("Tile")([""], sizes[:1])
        return write(tag, transpose(stack([encoded, labels])), step, metadata)


@public(_V2 + "text")
def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Write strings, which TensorBoard shows as Markdown.

    Args:
        name: the tag, after the name scope.
        data: a string tensor.
        step: the step; by default the one that is set.
        description: Markdown that TensorBoard shows.

    Returns:
        A bool scalar: whether they were written.
    """
    metadata = _metadata("text", description)
    with summary_scope(name, "text_summary", values=[data, step]) as (tag, _):
        assert_type(data, dtypes.string)
        return write(tag, data, step, metadata)


# Traces, which TensorFlow has in eager mode alone


@public(_V2 + "trace_on")
def trace_on(graph: bool = True, profiler: bool = False) -> None:
    """Says, as TensorFlow does outside of eager mode, that it does nothing there."""
    log.warn("Must enable trace in eager mode.")


@public(_V2 + "trace_export")
def trace_export(name: str, step: Any = None, profiler_outdir: Any = None) -> None:
    """Says, as TensorFlow does outside of eager mode, that it does nothing there."""
    log.warn("Can only export trace while executing eagerly.")


@public(_V2 + "trace_off")
def trace_off() -> None:
    """Does nothing: outside of eager mode there is no trace."""
