"""Threads that keep queues full: `tf.train.QueueRunner` and `tf.train.start_queue_runners`."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from evergraph.framework import errors, log, stacks
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.proto_functions import register_proto_function
from evergraph.framework.scopes import GraphKeys, add_to_collection, get_collection
from evergraph.ops.variables import prepend_name_scope, strip_name_scope
from evergraph.runtime.session import BaseSession


@public("train.QueueRunner", "train.queue_runner.QueueRunner")
class QueueRunner:
    """Runs enqueue ops of one queue again and again, each in a thread of its own.

    When the data of all of them has come to an end (`tf.errors.OutOfRangeError`), the queue is closed; when the
    coordinator asks to stop, it is closed and those that wait to enqueue are let go.

    Args:
        queue: the queue.
        enqueue_ops: the ops, one for each thread.
        close_op: closes the queue; by default `queue.close()`.
        cancel_op: closes it at once; by default `queue.close(cancel_pending_enqueues=True)`.
        queue_closed_exception_types: errors that mean the end of the data.
        queue_runner_def: a `QueueRunnerDef` message, in place of the others.
        import_scope: the name scope that the graph of that message was imported into.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Any = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if queue_runner_def:
            if queue or enqueue_ops:
                raise ValueError("queue_runner_def and queue are mutually exclusive.")
            self._init_from_proto(queue_runner_def, import_scope)
        else:
            if not queue or not enqueue_ops:
                raise ValueError("Must provide queue and enqueue_ops.")
            if queue_closed_exception_types is not None and not _are_error_types(queue_closed_exception_types):
                raise TypeError(
                    "queue_closed_exception_types, when provided, must be a tuple of tf.error types, but saw: "
                    f"{queue_closed_exception_types}"
                )
            self._queue = queue
            self._enqueue_ops = enqueue_ops
            self._close_op = self._queue.close() if close_op is None else close_op
            self._cancel_op = self._queue.close(cancel_pending_enqueues=True) if cancel_op is None else cancel_op
            self._queue_closed_exception_types = tuple(queue_closed_exception_types or (errors.OutOfRangeError,))
        self._lock = threading.Lock()
        # How many of the threads still run, by session.
        self._runs_per_session: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._exceptions_raised: list[Exception] = []

    def _init_from_proto(self, queue_runner_def: Any, import_scope: str | None) -> None:
        graph = get_default_graph()

        def find(name: str) -> Any:
            return graph.as_graph_element(prepend_name_scope(name, import_scope))

        self._queue = find(queue_runner_def.queue_name)
        self._enqueue_ops = [find(name) for name in queue_runner_def.enqueue_op_name]
        self._close_op = find(queue_runner_def.close_op_name)
        self._cancel_op = find(queue_runner_def.cancel_op_name)
        types = [errors.exception_type_from_error_code(c) for c in queue_runner_def.queue_closed_exception_types]
        self._queue_closed_exception_types = tuple(types or (errors.OutOfRangeError,))

    @property
    def queue(self) -> Any:
        return self._queue

    @property
    def enqueue_ops(self) -> Any:
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[errors.OpError], ...]:
        """The errors that mean the end of the data."""
        return self._queue_closed_exception_types

    @property
    def exceptions_raised(self) -> list[Exception]:
        """What the threads raised when there was no coordinator to tell."""
        return self._exceptions_raised

    @property
    def name(self) -> str:
        return self._queue.name

    def _run(self, sess: Any, enqueue_op: Any, coord: Any = None) -> None:
        """The body of an enqueuing thread."""
        counted = True
        try:
            from evergraph.runtime.refilling import repeated  # with the datasets and readers that it knows

            enqueue = repeated(sess, enqueue_op)
            while not (coord and coord.should_stop()):
                try:
                    enqueue()
                except self._queue_closed_exception_types:
                    with self._lock:
                        self._runs_per_session[sess] -= 1
                        counted = False
                        if self._runs_per_session[sess] == 0:
                            self._run_quietly(sess, self._close_op)
                    return
        except Exception as error:
            if coord and coord.should_stop() and isinstance(error, errors.CancelledError):
                return  # the session was closed while this thread waited, and nobody listens any more
            if coord:
                coord.request_stop(error)
            else:
                log.error("Exception in QueueRunner: %s", error)
                with self._lock:
                    self._exceptions_raised.append(error)
                raise
        finally:
            if counted:
                with self._lock:
                    self._runs_per_session[sess] -= 1

    def _close_on_stop(self, sess: Any, cancel_op: Any, coord: Any) -> None:
        """The body of the thread that closes the queue when the coordinator asks to stop."""
        coord.wait_for_stop()
        self._run_quietly(sess, cancel_op)

    @staticmethod
    def _run_quietly(sess: Any, op: Any) -> None:
        try:
            sess.run(op)
        except Exception as error:  # the queue or the session is closed already
            log.vlog(1, "Ignored exception: %s", error)

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """The threads that enqueue in session `sess`; none, if some run there already.

        Args:
            coord: a coordinator that hears of failures, and says when to stop.
            daemon: whether the program may end while they run.
            start: whether to start them.
        """
        with self._lock:
            if self._runs_per_session.get(sess, 0) > 0:
                return []
            self._runs_per_session[sess] = len(self._enqueue_ops)
            self._exceptions_raised = []
        prefix = f"QueueRunnerThread-{self.name}"
        threads = [
            threading.Thread(target=self._run, args=(sess, op, coord), name=f"{prefix}-{op.name}")
            for op in self._enqueue_ops
        ]
        if coord:
            arguments = sess, self._cancel_op, coord
            threads.append(threading.Thread(target=self._close_on_stop, args=arguments, name=f"{prefix}-close_on_stop"))
        for thread in threads:
            if coord:
                coord.register_thread(thread)
            if daemon:
                thread.daemon = True
            if start:
                thread.start()
        return threads

    def to_proto(self, export_scope: str | None = None) -> Any:
        """This as a `QueueRunnerDef` message, or None if the queue is outside `export_scope`."""
        from evergraph.formats import messages

        if export_scope is not None and not self.queue.name.startswith(export_scope):
            return None
        return messages.QueueRunnerDef(
            queue_name=strip_name_scope(self.queue.name, export_scope),
            enqueue_op_name=[strip_name_scope(op.name, export_scope) for op in self.enqueue_ops],
            close_op_name=strip_name_scope(self.close_op.name, export_scope),
            cancel_op_name=strip_name_scope(self.cancel_op.name, export_scope),
            queue_closed_exception_types=[
                errors.error_code_from_exception_type(kind) for kind in self._queue_closed_exception_types
            ],
        )

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> QueueRunner:
        """The queue runner that a `QueueRunnerDef` message describes; its ops must be in the graph already."""
        return QueueRunner(queue_runner_def=queue_runner_def, import_scope=import_scope)


def _are_error_types(types: Any) -> bool:
    return isinstance(types, tuple) and bool(types) and all(issubclass(t, errors.OpError) for t in types)


@public("train.add_queue_runner", "train.queue_runner.add_queue_runner")
def add_queue_runner(qr: QueueRunner, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Have `start_queue_runners` start `qr` too."""
    add_to_collection(collection, qr)


@public("train.start_queue_runners", "train.queue_runner.start_queue_runners")
def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Start the threads of all queue runners in the default graph's collection, and give them.

    Args:
        sess: the session they run in; by default the default session.
        coord: a coordinator.
        daemon: whether the program may end while they run.
        start: whether to start them.

    Raises:
        ValueError: if there is no session.
        TypeError: if `sess` is none. A `MonitoredSession` starts its queue runners itself: then this does nothing.
    """
    if sess is None:
        sess = stacks.get_default_session()
        if not sess:
            raise ValueError(
                "Cannot start queue runners: No default session is registered. Use `with sess.as_default()` or pass an "
                "explicit session to tf.start_queue_runners(sess=sess)"
            )
    if not isinstance(sess, BaseSession):
        if type(sess).__name__ in ("MonitoredSession", "SingularMonitoredSession"):
            return []
        raise TypeError(f"sess must be a `tf.Session` object. Given class: {type(sess)}")
    runners = get_collection(collection)
    if not runners:
        log.warn(
            "`tf.train.start_queue_runners()` was called when no queue runners were defined. You can safely remove the "
            "call to this deprecated function."
        )
    threads = []
    with sess.graph.as_default():
        for runner in get_collection(collection):
            threads.extend(runner.create_threads(sess, coord=coord, daemon=daemon, start=start))
    return threads


def _queue_runner_def() -> Any:
    from evergraph.formats import messages

    return messages.QueueRunnerDef()


register_proto_function(
    GraphKeys.QUEUE_RUNNERS,
    proto_type=_queue_runner_def,
    to_proto=QueueRunner.to_proto,
    from_proto=QueueRunner.from_proto,
)
