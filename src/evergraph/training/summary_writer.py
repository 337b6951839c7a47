"""`tf.summary.FileWriter`: summaries, graphs and run metadata as events of a file."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

from evergraph.formats import messages
from evergraph.formats.events import read_events
from evergraph.formats.files import write_file
from evergraph.framework import convert, log
from evergraph.framework.api import public
from evergraph.framework.graph import Graph
from evergraph.training.event_file_writer import EventFileWriter
from evergraph.training.meta_graph import create_meta_graph_def, is_message
from evergraph.training.plugin_asset import get_all_plugin_assets

PLUGINS_DIR = "plugins"


class SummaryToEventTransformer:
    """Wraps what is added in events with time and step.

    Args:
        event_writer: where the events go, an `EventFileWriter` or something like it.
        graph: a graph to add at once.
        graph_def: the older way to give it.
    """

    def __init__(self, event_writer: Any, graph: Any = None, graph_def: Any = None) -> None:
        self.event_writer = event_writer
        self._session_run_tags: set[str] = set()
        self._seen_summary_tags: set[str] = set()
        if graph is not None or graph_def is not None:
            self.add_graph(graph=graph, graph_def=graph_def)
            as_def = graph.as_graph_def(add_shapes=True) if isinstance(graph, Graph) else graph
            self.add_meta_graph(create_meta_graph_def(graph_def=graph_def or as_def))

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Add a summary.

        Args:
            summary: a `Summary` message, or the bytes that a summary op gives.
            global_step: the step that it belongs to.
        """
        if isinstance(summary, bytes):
            summary = messages.Summary.FromString(summary)
        for value in summary.value:
            # What shows a tag is said once.
            if value.tag in self._seen_summary_tags:
                value.ClearField("metadata")
            else:
                self._seen_summary_tags.add(value.tag)
        # Copied as bytes: it may be a message of TensorBoard's.
        self._add_event(messages.Event(summary=messages.Summary.FromString(summary.SerializeToString())), global_step)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Add a `SessionLog` message."""
        log_message = messages.SessionLog.FromString(session_log.SerializeToString())
        self._add_event(messages.Event(session_log=log_message), global_step)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Add a graph, which TensorBoard draws.

        Args:
            graph: a `Graph`.
            global_step: a step for it.
            graph_def: a `GraphDef` message, the older way.

        Raises:
            ValueError: if both are given.
            TypeError: if neither is a graph.
        """
        if graph is not None and graph_def is not None:
            raise ValueError("Please pass only graph, or graph_def (deprecated), but not both.")
        given = graph if graph is not None else graph_def
        if isinstance(given, Graph):
            if graph is None:
                log.warn("When passing a `Graph` object, please use the `graph` named argument instead of `graph_def`.")
            message = given.as_graph_def(add_shapes=True)
            self._write_plugin_assets(given)
        elif is_message(given, "GraphDef"):
            log.warn(
                "Passing a `GraphDef` to the SummaryWriter is deprecated. Pass a `Graph` object instead, such as "
                "`sess.graph`."
            )
            message = given
        else:
            raise TypeError("The passed graph must be an instance of `Graph` or the deprecated `GraphDef`")
        self._add_event(messages.Event(graph_def=message.SerializeToString()), global_step)

    def _write_plugin_assets(self, graph: Graph) -> None:
        for asset in get_all_plugin_assets(graph):
            directory = os.path.join(self.event_writer.get_logdir(), PLUGINS_DIR, asset.plugin_name or "")
            os.makedirs(directory, exist_ok=True)
            for name, contents in asset.assets().items():
                write_file(os.path.join(directory, name), convert.as_bytes(contents))

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Add a `MetaGraphDef` message.

        Raises:
            TypeError: for something else.
        """
        if not is_message(meta_graph_def, "MetaGraphDef"):
            raise TypeError(f"meta_graph_def must be type MetaGraphDef, saw type: {type(meta_graph_def)}")
        self._add_event(messages.Event(meta_graph_def=meta_graph_def.SerializeToString()), global_step)

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Add the `RunMetadata` message of a traced run.

        Raises:
            ValueError: if `tag` was used before.
        """
        if tag in self._session_run_tags:
            raise ValueError("The provided tag was already used for this event type")
        self._session_run_tags.add(tag)
        tagged = messages.TaggedRunMetadata(tag=tag, run_metadata=run_metadata.SerializeToString())
        self._add_event(messages.Event(tagged_run_metadata=tagged), global_step)

    def _add_event(self, event: Any, step: Any) -> None:
        event.wall_time = time.time()
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)


@public("summary.FileWriter")
class FileWriter(SummaryToEventTransformer):
    """Writes an event file that TensorBoard shows.

    Args:
        logdir: the directory, which is made if need be.
        graph: a graph to add at once, as `sess.graph`.
        max_queue: accepted for TF's signature: events do not wait in memory for each other.
        flush_secs: how long events may stay in memory.
        graph_def: the older way to give a graph.
        filename_suffix: what the file's name ends with.
        session: a session that writes the events with ops of its graph.

    >>> with tf.summary.FileWriter(folder) as writer:
    ...     writer.add_summary(sess.run(tf.summary.scalar("loss", 0.5)), global_step=7)
    >>> import glob
    >>> [(e.step, e.summary.value[0].tag) for e in tf.train.summary_iterator(glob.glob(folder + "/*")[0]) if e.step]
    [(7, 'loss')]
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        event_writer: Any
        if session is not None:
            from evergraph.training.session_event_writer import EventFileWriterV2

            event_writer = EventFileWriterV2(session, logdir, max_queue, flush_secs, filename_suffix)
        else:
            event_writer = EventFileWriter(logdir, max_queue, flush_secs, filename_suffix)
        self._closed = False
        super().__init__(event_writer, graph, graph_def)

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The directory of the event file."""
        return self.event_writer.get_logdir()

    def _warn_if_closed(self) -> None:
        if self._closed:
            warnings.warn(
                "Attempting to use a closed FileWriter. The operation will be a noop unless the FileWriter is "
                "explicitly reopened.",
                stacklevel=3,
            )

    def _add_event(self, event: Any, step: Any) -> None:
        self._warn_if_closed()
        super()._add_event(event, step)

    def add_event(self, event: Any) -> None:
        """Add an `Event` message."""
        self._warn_if_closed()
        self.event_writer.add_event(event)

    def flush(self) -> None:
        """Hand everything added so far to the system."""
        self._warn_if_closed()
        self.event_writer.flush()

    def close(self) -> None:
        """Write what is left and close the file. What is added afterwards is dropped, with a warning."""
        self.event_writer.close()
        self._closed = True

    def reopen(self) -> None:
        """Go on after `close`, with a new file in the same directory."""
        self.event_writer.reopen()
        self._closed = False


@public("summary.FileWriterCache")
class FileWriterCache:
    """One `FileWriter` a directory, shared by all who ask for it."""

    _cache: dict[Any, FileWriter] = {}
    _lock = threading.RLock()

    @staticmethod
    def clear() -> None:
        """Close all of them."""
        with FileWriterCache._lock:
            for writer in FileWriterCache._cache.values():
                writer.close()
            FileWriterCache._cache = {}

    @staticmethod
    def get(logdir: Any) -> FileWriter:
        """The `FileWriter` of a directory, which is made when it is asked for first."""
        from evergraph.framework.graph import get_default_graph

        with FileWriterCache._lock:
            if logdir not in FileWriterCache._cache:
                FileWriterCache._cache[logdir] = FileWriter(logdir, graph=get_default_graph())
            return FileWriterCache._cache[logdir]


@public("train.summary_iterator")
def summary_iterator(path: Any) -> Iterator[Any]:
    """The `Event` messages of an event file, one by one.

    Raises:
        NotFoundError: if there is no such file.
        DataLossError: where it is damaged, or ends inside of a record.
    """
    return read_events(convert.as_text(os.fspath(path)))
