"""A `Session` runs a graph, or a part of it.

It holds what a graph does not: the values of variables, and how far each random op has come. Two sessions on one graph
share the plans and compiled programs, which belong to the graph, and no values.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from evergraph.compiler import malloc
from evergraph.compiler.interpret import Timing
from evergraph.compiler.plan import Plan, make_plan
from evergraph.framework import errors, shapes, stacks
from evergraph.framework.api import public
from evergraph.framework.frames import built_at
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.runtime import devices, trace
from evergraph.runtime.executor import execute
from evergraph.runtime.feeds import feed_array, feed_tensor, given_strings
from evergraph.runtime.fetches import Fetches, feed_parts, fetch_key
from evergraph.runtime.partial import PartialRun
from evergraph.runtime.served import SERVED
from evergraph.runtime.state import State


class Call:
    """Everything about a pair (fetches, fed tensors) that does not change from run to run."""

    __slots__ = ("echoes", "edits", "feeds", "fetches", "keep", "plan")

    def __init__(self, fetches: Fetches, feeds: list[Tensor], plan: Plan, edits: int, keep: Any) -> None:
        self.fetches = fetches
        self.feeds = feeds
        self.plan = plan
        self.edits = edits
        # Fetched tensors of strings that are fed: (place among the fetches, place among the feeds).
        places = {t: i for i, t in enumerate(feeds) if t.dtype._kind == "S"}
        self.echoes = [(i, places[t]) for i, t in enumerate(fetches.elements) if t in places] if places else []
        self.keep = keep  # the fetches and feed keys themselves: the cache names some of them by identity


class BaseSession:
    """What `Session` and `InteractiveSession` share."""

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        if graph is not None and not isinstance(graph, Graph):
            raise TypeError(f"graph must be a tf.Graph, but got {type(graph)}")
        if target is not None and not isinstance(target, str | bytes):
            raise TypeError(f"target must be a string, but got {type(target)}")
        if (
            config is not None
            and getattr(getattr(config, "DESCRIPTOR", None), "full_name", "") != "tensorflow.ConfigProto"
        ):
            raise TypeError(f"config must be a tf.ConfigProto, but got {type(config)}")
        target_text = (target or b"").decode() if isinstance(target, bytes) else target or ""
        served = SERVED.get(target_text)
        if served is None and target_text not in ("", "local"):
            raise errors.NotFoundError(
                None, None, f"No session factory registered for the given session options: target {target_text!r}"
            )
        self._graph = get_default_graph() if graph is None else graph
        self._target = target_text
        self._config = config
        self._cpus = max(1, int(config.device_count.get("CPU", 1))) if config is not None else 1
        self._soft = bool(config is not None and config.allow_soft_placement)
        malloc.keep_freed_memory()
        # Sessions on one server share what they hold, unless they ask not to.
        self._served = served if config is None or not config.isolate_session_state else None
        self._state = State() if self._served is None else self._served.state
        self._task = devices.LOCAL_TASK if served is None else served.task
        if served is not None:
            served.sessions.add(self)
        self._closed = self._aborted = False
        self._calls: dict[Any, Call] = {}
        self._partial_runs: dict[str, PartialRun] = {}
        limits = config if config is not None or served is None else served.config
        self._timeout = int(limits.operation_timeout_in_ms) if limits is not None else 0
        self._add_shapes = bool(config is not None and config.graph_options.infer_shapes)
        self._log_placement = bool(config is not None and config.log_device_placement)

    @property
    def graph(self) -> Graph:
        """The graph this session runs."""
        return self._graph

    @property
    def graph_def(self) -> Any:
        return self._graph.as_graph_def(add_shapes=self._add_shapes)

    @property
    def sess_str(self) -> str:
        return self._target

    def list_devices(self) -> list[devices.DeviceAttributes]:
        """The devices this session can use."""
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        return devices.list_devices(self._cpus, self._task)

    def close(self) -> None:
        """Give back the values this session holds. It cannot run anything afterwards."""
        self._closed = True
        self._calls.clear()
        if self._served is not None:
            return
        self._state.resources.close()
        with self._state.lock:
            self._state.variables.clear()

    def _abort(self) -> None:
        """End this session because its server forgets what it held."""
        self._aborted = self._closed = True
        self._calls.clear()

    def as_default(self) -> Any:
        """A context in which this is the default session. Leaving it does not close the session."""
        return stacks.sessions.pushed(self)

    def _check_open(self) -> None:
        if self._aborted:
            raise errors.AbortedError(None, None, "The server of this session was reset: make another session.")
        if self._closed:
            raise RuntimeError("Attempted to use a closed Session.")
        if not self._graph._ops:
            raise RuntimeError("The Session graph is empty.  Add operations to the graph before calling run().")

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """Run the part of the graph that `fetches` need, and give their values.

        Args:
            fetches: a tensor, an op, a variable, a name, or any nesting of them in lists, tuples and dicts.
            feed_dict: values that take the place of tensors for this run, by tensor or name.
            options: a `RunOptions`; with a `trace_level`, `run_metadata` gets step statistics.
            run_metadata: a `RunMetadata` to fill.

        Returns:
            The structure of `fetches`: arrays or NumPy scalars for tensors, None for ops.

        Raises:
            RuntimeError: if the session is closed.
            TypeError, ValueError: if a fetch or feed is not of this graph, or a fed value does not fit.
            tf.errors.OpError: if an op fails; every variable is then as it was before the stage of that op.
        """
        key: Any
        if feed_dict:
            try:
                key = (fetch_key(fetches), *feed_dict)
                call = self._calls.get(key)
            except TypeError:
                key = call = None
        else:
            try:
                key = (fetch_key(fetches),)
                call = self._calls.get(key)
            except TypeError:
                key = call = None
        if call is None or call.edits != self._graph._edits:
            call = self._new_call(fetches, feed_dict, key)
        plan = call.plan
        if not feed_dict:
            fed: list[Any] = []
        elif len(plan.feeds) == len(feed_dict) and plan.feeds == call.keep[1]:
            fed = [feed_array(t, v) for t, v in zip(plan.feeds, feed_dict.values(), strict=True)]
        else:
            fed = self._fed(feed_dict, call.feeds)
        if options is not None or run_metadata is not None:
            computed = trace.run_with_options(self, plan, fed, options, run_metadata)
        else:
            computed = self._execute(plan, fed)
        if call.echoes:
            given = [value for key, whole in feed_dict.items() for _, value in _feed_pairs(key, whole)]
            computed = list(computed)
            for fetch, feed in call.echoes:
                computed[fetch] = given_strings(given[feed])
        where = call.fetches
        return computed[0] if where.single else where.values(computed)

    def _execute(self, plan: Plan, fed: list[Any], timings: list[Timing] | None = None, timeout: int = 0) -> list[Any]:
        try:
            return execute(plan, self._state, fed, timings, self._deadline(timeout))
        except errors.FailedPreconditionError:
            if self._closed:  # in the middle of the run: its variables are gone
                raise errors.CancelledError(None, None, "Session has been closed.") from None
            raise

    def _deadline(self, timeout: int = 0) -> float | None:
        """When a run that starts now gives up waiting; `timeout` (ms) goes before the session's own."""
        limit = timeout or self._timeout
        return time.monotonic() + limit / 1000 if limit > 0 else None

    def _new_call(self, fetches: Any, feed_dict: Any, key: Any) -> Call:
        self._check_open()
        taken = Fetches(self._graph, fetches)
        feeds = self._feed_tensors(feed_dict) if feed_dict else []
        plan = self._plan(list(taken.elements), feeds)
        call = Call(taken, feeds, plan, self._graph._edits, (fetches, tuple(feed_dict or ())))
        if key is not None:
            self._calls[key] = call
        return call

    def _feed_tensors(self, feed_dict: Any) -> list[Tensor]:
        if not isinstance(feed_dict, Mapping):
            raise TypeError(f"feed_dict must be a dict of tensors to values, not {type(feed_dict).__name__}")
        feeds: dict[Tensor, None] = {}
        for key, value in feed_dict.items():
            for tensor, _ in _feed_pairs(key, value):
                t = feed_tensor(self._graph, tensor)
                if t in feeds:
                    raise ValueError(f"Could not flatten dictionary: key {t} is not unique.")
                feeds[t] = None
        return list(feeds)

    def _fed(self, feed_dict: Any, feeds: list[Tensor]) -> list[Any]:
        values = [value for key, whole in feed_dict.items() for _, value in _feed_pairs(key, whole)]
        return [feed_array(t, v) for t, v in zip(feeds, values, strict=True)]

    def _plan(self, fetches: list[Tensor | Operation], feeds: list[Tensor], in_parts: bool = False) -> Plan:
        """The plan for these fetches and feeds, shared by all sessions on the graph.

        If it is to be run `in_parts`, a placeholder that is not fed matters when something needs it.
        """
        plans = self._graph._attachments.setdefault("plans", {})
        key = (tuple(fetches), tuple(feeds), self._soft, self._cpus, self._task, in_parts)
        entry = plans.get(key)
        if entry is None or entry[0] != self._graph._edits:
            soft, cpus, task = self._soft, self._cpus, self._task
            plan = make_plan(fetches, feeds, lambda op: devices.place(op, soft, cpus, task))
            if not in_parts:
                _check_placeholders(plan)
            entry = plans[key] = (self._graph._edits, plan)
        return entry[1]

    def make_callable(self, fetches: Any, feed_list: Any = None, accept_options: bool = False) -> Callable[..., Any]:
        """A function that runs `fetches` with its arguments fed to `feed_list`, in order.

        Args:
            fetches: as for `run`.
            feed_list: the tensors to feed.
            accept_options: whether the function takes `options` and `run_metadata` keywords.
        """
        if feed_list is not None and not isinstance(feed_list, list | tuple):
            raise TypeError("`feed_list` must be a list or tuple.")
        self._check_open()
        taken = Fetches(self._graph, fetches)
        feeds = [feed_tensor(self._graph, key) for key in feed_list or ()]
        edits = self._graph._edits
        plan = self._plan(list(taken.elements), feeds)

        def call(*args: Any, options: Any = None, run_metadata: Any = None) -> Any:
            nonlocal plan, edits
            if self._closed:
                raise errors.CancelledError(None, None, "Session has been closed.")
            if len(args) != len(feeds):
                raise ValueError(
                    f"this callable takes {len(feeds)} positional argument(s), one per fed tensor; got {len(args)}"
                )
            if edits != self._graph._edits:
                plan, edits = self._plan(list(taken.elements), feeds), self._graph._edits
            fed = [feed_array(t, v) for t, v in zip(feeds, args, strict=True)]
            if options is not None or run_metadata is not None:
                computed = trace.run_with_options(self, plan, fed, options, run_metadata)
            else:
                computed = self._execute(plan, fed)
            return computed[0] if taken.single else taken.values(computed)

        if accept_options:
            return call
        return lambda *args: call(*args)

    def _make_callable_from_options(self, callable_options: Any) -> Callable[..., Any]:
        fetches = list(callable_options.fetch)
        feeds = list(callable_options.feed)
        options = callable_options.run_options if callable_options.HasField("run_options") else None
        inner = self.make_callable(fetches, feeds, accept_options=True)

        def call(*args: Any, **kwargs: Any) -> Any:
            return inner(*args, options=options, run_metadata=kwargs.get("run_metadata"))

        return call

    def partial_run_setup(self, fetches: Any, feeds: Any = None) -> str:
        """Prepare a run whose feeds and fetches come in several `partial_run` calls; gives its handle."""
        self._check_open()
        run = PartialRun(self, fetches, feeds)
        handle = f"partial_run_{len(self._partial_runs)}"
        self._partial_runs[handle] = run
        return handle

    def partial_run(self, handle: str, fetches: Any, feed_dict: Any = None) -> Any:
        """Go on with a run set up by `partial_run_setup`: feed some more, fetch some more. Nothing runs twice."""
        self._check_open()
        run = self._partial_runs.get(handle)
        if run is None:
            raise errors.InvalidArgumentError(None, None, "Must run 'setup' before performing partial runs!")
        return run.step(fetches, feed_dict)

    def _value_of_variable(self, key: str) -> Any:
        with self._state.lock:
            return self._state.variables.get(key)


def _feed_pairs(key: Any, value: Any) -> list[tuple[Any, Any]]:
    if type(key) is Tensor or isinstance(key, str):
        return [(key, value)]
    if isinstance(key, tuple) and feed_parts(key, value) is None:
        if not isinstance(value, list | tuple) or len(value) != len(key):
            raise ValueError(
                f"Could not flatten dictionary. Key had {len(key)} elements, but value had "
                f"{len(value) if hasattr(value, '__len__') else 1} elements. Key: {key}, value: {value}."
            )
        return [pair for k, v in zip(key, value, strict=True) for pair in _feed_pairs(k, v)]
    return feed_parts(key, value) or [(key, value)]


def _check_placeholders(plan: Plan) -> None:
    """Refuse a run that needs a placeholder which is not fed, before anything runs."""
    fed = set(plan.feeds)
    for op in plan.ops:
        if op.type in ("Placeholder", "PlaceholderV2") and op.outputs[0] not in fed:
            t = op.outputs[0]
            names = {"float32": "float", "float64": "double", "float16": "half"}
            kind = names.get(t.dtype.name, t.dtype.name)
            shape = "" if t.static_shape is None else f" and shape {shapes.bracket_text(t.static_shape)}"
            place = built_at(op.frames)
            raise errors.InvalidArgumentError(
                None,
                op,
                f"You must feed a value for placeholder tensor {op.name!r} with dtype {kind}{shape}"
                f"\n\t [[{{{{node {op.name}}}}}]]"
                + (f"\n  Built at {place}" if place else "")
                + f"\n  Give it in the run: sess.run(..., feed_dict={{{op.name}: value}})",
            )


@public("Session")
class Session(BaseSession):
    """Runs a graph and holds the values of its variables.

    Args:
        target: "" runs in this process; that of a `tf.train.Server` shares its variables with other sessions on it.
        graph: the graph to run; by default the default graph.
        config: a `tf.ConfigProto`.

    >>> with tf.Session() as s:
    ...     s.run(tf.constant([1, 2]) + 1)
    array([2, 3], dtype=int32)
    """

    _graph_context: Any = None

    def __enter__(self) -> Session:
        if self._graph_context is not None:
            raise RuntimeError("Session context managers are not re-entrant. Use `Session.as_default()` instead.")
        self._graph_context = self.graph.as_default()
        self._session_context = self.as_default()
        self._graph_context.__enter__()
        self._session_context.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._session_context.__exit__(*exc)
        self._graph_context.__exit__(*exc)
        self._graph_context = None
        self.close()

    @staticmethod
    def reset(target: str, containers: Any = None, config: Any = None) -> None:
        """Forget the variables, queues and tables on a `tf.train.Server`; its sessions end.

        Args:
            target: the server's target.
            containers: the containers to clear; by default the default one.
            config: kept for TF's signature.

        Raises:
            NotFoundError: if `target` is no server of this process.
        """
        if target in SERVED:
            SERVED[target].reset(containers)
        elif target.startswith("grpc://"):
            raise errors.DeadlineExceededError(None, None, f"there is no server at {target} in this process")
        elif target:
            raise errors.NotFoundError(
                None, None, f"No session factory registered for the given session options: target {target!r}"
            )


@public("InteractiveSession")
class InteractiveSession(BaseSession):
    """A session that makes itself the default one when it is made: for shells and notebooks."""

    _active_session_count = 0

    def __init__(self, target: str = "", graph: Graph | None = None, config: Any = None) -> None:
        super().__init__(target, graph, config)
        if InteractiveSession._active_session_count > 0:
            warnings.warn(
                "An interactive session is already active. This can cause out-of-memory errors in some cases. You must "
                "explicitly call `InteractiveSession.close()` to release resources held by the other session(s).",
                stacklevel=2,
            )
        InteractiveSession._active_session_count += 1
        stacks.sessions.stack.append(self)
        self._pushed_graph = graph is not None
        if graph is not None:
            stacks.graphs.stack.append(graph)

    def close(self) -> None:
        if not self._closed:
            InteractiveSession._active_session_count = max(0, InteractiveSession._active_session_count - 1)
        super().close()
        stack = stacks.sessions.stack
        if self in stack:
            stack.remove(self)
        if self._pushed_graph and self.graph in stacks.graphs.stack:
            stacks.graphs.stack.remove(self.graph)
        self._pushed_graph = False
