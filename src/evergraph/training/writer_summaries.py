"""`tf.contrib.summary`: summaries whose ops write to an event file by themselves.

writer = tf.contrib.summary.create_file_writer(logdir)
with writer.as_default(), tf.contrib.summary.always_record_summaries():
    tf.contrib.summary.scalar("loss", loss)
sess.run(tf.contrib.summary.summary_writer_initializer_op())
sess.run([train_op, tf.contrib.summary.all_summary_ops()])
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from evergraph.framework import convert, dtypes, errors, log, stacks
from evergraph.framework.api import public
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies, device, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import equal
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.grouping import no_op
from evergraph.ops.identity import placeholder
from evergraph.ops.opdef import raw_op
from evergraph.ops.summary.functions import all_v2_summary_ops, summary_scope
from evergraph.training.global_step import get_or_create_global_step

_INITIALIZERS = "_SUMMARY_WRITER_V2"


class _Current(threading.local):
    """The writer, the condition and the step of this thread."""

    writer: Any = None
    recording: Any = None
    step: Any = None


current = _Current()

public("contrib.summary.all_summary_ops")(all_v2_summary_ops)


@public("contrib.summary.SummaryWriter")
class SummaryWriter(ABC):
    """What writers of summaries have in common; `create_file_writer` makes one."""

    @abstractmethod
    def set_as_default(self) -> None:
        """Make this the writer of summaries built from now on in this thread."""

    @abstractmethod
    def as_default(self) -> Any:
        """A context in which this is the writer of summaries."""

    def init(self) -> Any:
        """An op that opens the file."""
        raise NotImplementedError

    def flush(self) -> Any:
        """An op that hands everything written so far to the system."""
        raise NotImplementedError

    def close(self) -> Any:
        """An op that closes the file."""
        raise NotImplementedError


class ResourceSummaryWriter(SummaryWriter):
    """An event file that ops write to.

    Args:
        shared_name: two writers of one name in a session are one.
        init_op_fn: adds the op that opens the file, given the handle.
        name: the handle's op's name.
        v2: whether `init` always gives the same op.
    """

    def __init__(
        self,
        shared_name: str | None,
        init_op_fn: Callable[[Tensor], Operation],
        name: str | None = None,
        v2: bool = False,
    ) -> None:
        self._v2 = v2
        self._resource = raw_op("SummaryWriter")(shared_name=shared_name or "", name=name)
        self._init_op_fn = init_op_fn
        self._init_op = init_op_fn(self._resource)
        get_default_graph().add_to_collection(_INITIALIZERS, self._init_op)

    def set_as_default(self) -> None:
        """Make this the writer of summaries built from now on in this thread."""
        current.writer = self

    @contextmanager
    def as_default(self) -> Iterator[ResourceSummaryWriter]:
        """Make this the writer of summaries built inside."""
        old, current.writer = current.writer, self
        try:
            yield self
            self.flush()
        finally:
            current.writer = old

    def init(self) -> Operation:
        """An op that opens the file."""
        return self._init_op if self._v2 else self._init_op_fn(self._resource)

    def flush(self) -> Operation:
        """An op that hands everything written so far to the system."""
        return flush(self)

    def close(self) -> Operation:
        """An op that closes the file."""
        with control_dependencies([self.flush()]), device("cpu:0"):
            return raw_op("CloseSummaryWriter")(self._resource)


class NoopSummaryWriter(SummaryWriter):
    """A writer that writes nothing: what `create_file_writer(None)` gives."""

    def set_as_default(self) -> None:
        pass

    @contextmanager
    def as_default(self) -> Iterator[None]:
        yield

    def init(self) -> None:
        pass

    flush = close = init


@public("contrib.summary.create_file_writer")
def create_file_writer(
    logdir: Any, max_queue: Any = None, flush_millis: Any = None, filename_suffix: Any = None, name: str | None = None
) -> Any:
    """A writer of an event file.

    Args:
        logdir: the directory; with None, a writer that writes nothing.
        max_queue: how many events may wait in memory; 10 by default.
        flush_millis: how long they may; two minutes by default.
        filename_suffix: what the file's name ends with; ".v2" by default.
        name: two writers of one name in a session are one; by default "logdir:" and the directory.
    """
    if logdir is None:
        return NoopSummaryWriter()
    logdir = str(logdir)
    with device("cpu:0"):
        return ResourceSummaryWriter(
            shared_name="logdir:" + logdir if name is None else name,
            init_op_fn=partial(
                raw_op("CreateSummaryFileWriter"),
                logdir=logdir,
                max_queue=constant(10) if max_queue is None else max_queue,
                flush_millis=constant(2 * 60 * 1000) if flush_millis is None else flush_millis,
                filename_suffix=constant(".v2") if filename_suffix is None else filename_suffix,
            ),
        )


@public("contrib.summary.create_summary_file_writer")
def create_summary_file_writer(*args: Any, **kwargs: Any) -> Any:
    """The older name of `create_file_writer`."""
    log.warn("Deprecation Warning: create_summary_file_writer was renamed to create_file_writer")
    return create_file_writer(*args, **kwargs)


@public("contrib.summary.create_db_writer")
def create_db_writer(
    db_uri: Any, experiment_name: Any = None, run_name: Any = None, user_name: Any = None, name: str | None = None
) -> Any:
    """Is not there: summaries are written to event files, not to databases.

    Raises:
        UnimplementedError: always.
    """
    raise errors.UnimplementedError(
        None,
        None,
        "tf.contrib.summary.create_db_writer: summaries in SQLite databases are not there; use create_file_writer, "
        "whose event files TensorBoard reads",
    )


@public("contrib.summary.eval_dir")
def eval_dir(model_dir: str, name: str | None = None) -> str:
    """Where the summaries of an evaluation of the model in `model_dir` go."""
    return os.path.join(model_dir, "eval" if not name else "eval_" + name)


@public("contrib.summary.summary_writer_initializer_op")
def summary_writer_initializer_op() -> list[Operation]:
    """The ops that open the files of all writers of the default graph."""
    return get_default_graph().get_collection(_INITIALIZERS)


@public("contrib.summary.initialize", "summary.initialize")
def initialize(graph: Any = None, session: Any = None) -> None:
    """Open the files of all writers of the default graph, and write `graph` to that of the default writer.

    Raises:
        RuntimeError: if there is no default writer.
        ValueError: if `session` is None and there is no default session.
    """
    if current.writer is None:
        raise RuntimeError("No default tf.contrib.summary.SummaryWriter found")
    session = session or stacks.get_default_session()
    if session is None:
        raise ValueError("session must be passed if no default session exists")
    session.run(summary_writer_initializer_op())
    if graph is not None:
        given = placeholder(dtypes.string)
        session.run(_write_graph(given, 0), feed_dict={given: _serialized(graph)})


def _serialized(graph: Any) -> bytes:
    message = graph.as_graph_def(add_shapes=True) if isinstance(graph, Graph) else graph
    return message.SerializeToString()


# When summaries are recorded


@public("contrib.summary.should_record_summaries")
def should_record_summaries() -> Tensor:
    """Whether summaries built here are recorded: a bool scalar."""
    recording = current.recording
    recording = recording() if callable(recording) else recording
    return raw_op("LogicalAnd")(True, False if recording is None else recording)


@contextmanager
def record_if(condition: Any) -> Iterator[None]:
    """Summaries built inside are recorded if `condition`, a bool or a bool scalar, holds."""
    old, current.recording = current.recording, condition
    try:
        yield
    finally:
        current.recording = old


@public("contrib.summary.always_record_summaries")
def always_record_summaries() -> Any:
    """A context whose summaries are always recorded."""
    return record_if(True)


@public("contrib.summary.never_record_summaries")
def never_record_summaries() -> Any:
    """A context whose summaries are never recorded."""
    return record_if(False)


@public("contrib.summary.record_summaries_every_n_global_steps")
def record_summaries_every_n_global_steps(n: Any, global_step: Any = None) -> Any:
    """A context whose summaries are recorded at each step that `n` divides."""
    step = get_or_create_global_step() if global_step is None else global_step
    with device("cpu:0"):
        return record_if(equal(step % n, 0))


# The summaries


def _written(name: str, tensor: Any, write: Callable[[str, str], Operation], family: str | None) -> Any:
    """The op that runs `write(tag, scope)` when summaries are recorded."""
    if current.writer is None:
        return no_op()
    scope_around = get_default_graph().get_name_scope()

    def record() -> Tensor:
        with name_scope(scope_around + "/" if scope_around else scope_around):
            with summary_scope(name, family, values=[tensor]) as (tag, scope):
                with control_dependencies([write(tag, scope)]):
                    return constant(True)

    with device("cpu:0"):
        recorded = should_record_summaries()
        known = current.recording
        if known is None or isinstance(known, bool):
            made = record() if known else constant(False)
        else:
            made = cond(recorded, record, lambda: constant(False), name="")
        get_default_graph().add_to_collection(GraphKeys._SUMMARY_COLLECTION, made)
    return made


def _step(step: Any) -> Any:
    if step is None:
        return get_or_create_global_step()
    return step if isinstance(step, Tensor) else convert.convert_to_tensor(step, dtypes.int64)


def _handle() -> Tensor:
    return current.writer._resource


_identity = raw_op("Identity")


@public("contrib.summary.generic")
def generic(name: str, tensor: Any, metadata: Any = None, family: str | None = None, step: Any = None) -> Any:
    """Write any tensor with a `SummaryMetadata`."""

    def write(tag: str, scope: str) -> Operation:
        data = metadata
        if metadata is None:
            data = constant("")
        elif hasattr(metadata, "SerializeToString"):
            data = constant(metadata.SerializeToString())
        return raw_op("WriteSummary")(_handle(), _step(step), _identity(tensor), tag, data, name=scope)

    return _written(name, tensor, write, family)


@public("contrib.summary.scalar")
def scalar(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Write a number.

    Args:
        name: the op's name and tag.
        tensor: a real scalar.
        family: a prefix of the tag.
        step: the step it belongs to, the global step by default.
    """

    def write(tag: str, scope: str) -> Operation:
        return raw_op("WriteScalarSummary")(_handle(), _step(step), tag, _identity(tensor), name=scope)

    return _written(name, tensor, write, family)


@public("contrib.summary.histogram")
def histogram(name: str, tensor: Any, family: str | None = None, step: Any = None) -> Any:
    """Write how values are distributed."""

    def write(tag: str, scope: str) -> Operation:
        return raw_op("WriteHistogramSummary")(_handle(), _step(step), tag, _identity(tensor), name=scope)

    return _written(name, tensor, write, family)


@public("contrib.summary.image")
def image(
    name: str, tensor: Any, bad_color: Any = None, max_images: int = 3, family: str | None = None, step: Any = None
) -> Any:
    """Write images, as `tf.summary.image` shows them."""

    def write(tag: str, scope: str) -> Operation:
        color = constant([255, 0, 0, 255], dtype=dtypes.uint8) if bad_color is None else bad_color
        return raw_op("WriteImageSummary")(
            _handle(), _step(step), tag, _identity(tensor), color, max_images, name=scope
        )

    return _written(name, tensor, write, family)


@public("contrib.summary.audio")
def audio(
    name: str, tensor: Any, sample_rate: Any, max_outputs: int, family: str | None = None, step: Any = None
) -> Any:
    """Write sound, as `tf.summary.audio` does."""

    def write(tag: str, scope: str) -> Operation:
        return raw_op("WriteAudioSummary")(
            _handle(), _step(step), tag, _identity(tensor), sample_rate=sample_rate, max_outputs=max_outputs, name=scope
        )

    return _written(name, tensor, write, family)


@public("contrib.summary.graph")
def graph(param: Any, step: Any = None, name: str | None = None) -> Any:
    """Write a serialized graph, given as a string tensor.

    Raises:
        TypeError: for something that is no tensor.
    """
    if not isinstance(param, Tensor):
        raise TypeError(f"graph() needs a tf.Tensor (e.g. tf.placeholder) in graph mode, but was: {type(param)}")
    return _write_graph(param, step, name)


def _write_graph(param: Tensor, step: Any, name: str | None = None) -> Any:
    if current.writer is None:
        return no_op()
    with device("cpu:0"):
        data = _identity(param)
        return raw_op("WriteGraphSummary")(_handle(), _step(step), data, name=name)


@public("contrib.summary.import_event")
def import_event(tensor: Any, name: str | None = None) -> Operation:
    """Write a serialized `Event`."""
    return raw_op("ImportEvent")(_handle(), tensor, name=name)


@public("contrib.summary.flush")
def flush(writer: Any = None, name: str | None = None) -> Any:
    """An op that hands everything that a writer (by default the default one) has written to the system."""
    writer = current.writer if writer is None else writer
    if writer is None:
        return no_op()
    with device("cpu:0"):
        return raw_op("FlushSummaryWriter")(
            writer._resource if isinstance(writer, ResourceSummaryWriter) else writer, name=name
        )
