"""`tf.contrib.tfprof.ProfileContext`: traces some of the runs of all sessions, and reports on them.

with tf.contrib.tfprof.ProfileContext("/tmp/profiles", trace_steps=range(100, 200, 3), dump_steps=[200]) as context:
    context.add_auto_profiling("op", tf.profiler.ProfileOptionBuilder.time_and_memory(), [150, 200])
    train()
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Iterable
from typing import Any

from evergraph.formats import files, messages
from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.runtime.fetches import Fetches
from evergraph.runtime.session import BaseSession
from evergraph.training.profiler.profiler import Profiler

WARMUP_STEPS = 10
MAX_TRACED_STEPS = 100
FULL_TRACE = 3


@public("contrib.tfprof.ProfileContext", "contrib.tfprof.model_analyzer.ProfileContext")
class ProfileContext:
    """Counts the runs of all sessions; traces, reports on and writes some of them.

    Args:
        profile_dir: the folder of the files `profile_<step>`.
        trace_steps: the numbers of the runs to trace, 100 at most; by default those that fetch something new.
        dump_steps: the numbers of the runs after which a file is written; by default 100.
        enabled: without it nothing is done.
        debug: whether to say on stderr what is done, and to write each trace as text.

    Raises:
        ValueError: without a folder, or with more than 100 runs to trace.
    """

    def __init__(
        self,
        profile_dir: str,
        trace_steps: Iterable[int] | None = None,
        dump_steps: Iterable[int] | None = None,
        enabled: bool = True,
        debug: bool = False,
    ) -> None:
        self._enabled = enabled
        if not enabled:
            return
        if not profile_dir:
            raise ValueError("Must have a directory for profile.\n")
        self._debug = debug
        self._profiler_dir = profile_dir
        self._auto_tracing = trace_steps is None
        self._trace_steps = set(trace_steps or ())
        if len(self._trace_steps) > MAX_TRACED_STEPS:
            raise ValueError("Only support tracing up to 100 steps.\n")
        self._dump_steps = {MAX_TRACED_STEPS} if dump_steps is None else set(dump_steps)
        self._rng = random.Random(111)
        self._fetched: set[str] = set()
        self._slow_path_steps = self._dump_steps | self._trace_steps
        self._trace_next_step = self._dump_next_step = False
        self._step = self._traced_steps = 0
        self._auto_profiles: list[tuple[str, Any, set[int]]] = []
        self._profiler: Profiler | None = None
        self._views: dict[str, dict[int, Any]] = {}
        self._lock = threading.Lock()

    def get_profiles(self, cmd: str) -> dict[int, Any]:
        """The reports that `add_auto_profiling` asked for, by the numbers of the runs.

        Raises:
            ValueError: if there is none.
        """
        if cmd not in self._views:
            raise ValueError(f"No autoprofiler for command: {cmd}, was run")
        return self._views[cmd]

    def add_auto_profiling(self, cmd: str, options: Any, profile_steps: Iterable[int]) -> None:
        """Trace the runs of these numbers, and report after each.

        Args:
            cmd: "scope", "graph", "op" or "code".
            options: see `tf.profiler.ProfileOptionBuilder`.
            profile_steps: numbers of runs.
        """
        if self._enabled:
            steps = set(profile_steps)
            self._auto_profiles.append((cmd, options, steps))
            self._slow_path_steps |= steps
            self._trace_steps |= steps

    @property
    def profiler(self) -> Profiler | None:
        """The profiler that traces are added to; None if not enabled."""
        if self._enabled and self._profiler is None:
            self._profiler = Profiler(get_default_graph())
        return self._profiler if self._enabled else None

    def trace_next_step(self) -> None:
        """Trace the next run."""
        if self._enabled:
            self._trace_next_step = True
            self._slow_path_steps.add(self._step)

    def dump_next_step(self) -> None:
        """Write a file after the next run."""
        if self._enabled:
            self._dump_next_step = True
            self._slow_path_steps.add(self._step)

    def __enter__(self) -> ProfileContext:
        if self._enabled:
            if getattr(BaseSession, "profile_context", None) is not None:
                raise errors.InternalError(None, None, "Already in context or context not cleaned.")
            self._unprofiled: Any = BaseSession.run
            BaseSession.run = _profiled_run  # type: ignore[method-assign]  # as TensorFlow does it
            BaseSession.profile_context = self  # type: ignore[attr-defined]  # there while a context is open
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._enabled:
            BaseSession.run = self._unprofiled  # type: ignore[method-assign]  # put back
            BaseSession.profile_context = None  # type: ignore[attr-defined]  # there while a context is open

    def _run(self, session: Any, fetches: Any, feed_dict: Any, options: Any, run_metadata: Any) -> Any:
        first = self._lock.acquire(blocking=False)
        try:
            step = self._step
            if not first or self._is_fast_path(step):
                return self._unprofiled(session, fetches, feed_dict, options, run_metadata)
            if self._should_trace(step, session.graph, fetches):
                got = self._traced(session, fetches, feed_dict, options, run_metadata, step)
            else:
                got = self._unprofiled(session, fetches, feed_dict, options)
            self._maybe_dump(step)
            self._report(step)
            return got
        finally:
            self._step += 1
            self._trace_next_step = self._dump_next_step = False
            if first:
                self._lock.release()

    def _traced(self, session: Any, fetches: Any, feed_dict: Any, given: Any, run_metadata: Any, step: int) -> Any:
        if self._debug:
            sys.stderr.write(f"debug: tracing step: {step}\n")
        metadata = messages.RunMetadata() if run_metadata is None else run_metadata
        options = messages.RunOptions()
        if given is not None:
            options.CopyFrom(given)
        options.trace_level = FULL_TRACE
        got = self._unprofiled(session, fetches, feed_dict, options, metadata)
        if self._debug:
            self._write(f"run_meta_{step}", str(metadata).encode())
        profiler = self.profiler
        assert profiler is not None
        profiler._graph = session.graph
        profiler.add_step(step, metadata)
        return got

    def _report(self, step: int) -> None:
        profiler = self.profiler
        assert profiler is not None
        reports = {
            "graph": profiler.profile_graph,
            "scope": profiler.profile_name_scope,
            "op": profiler.profile_operations,
            "code": profiler.profile_python,
        }
        for cmd, options, steps in self._auto_profiles:
            if step in steps:
                if cmd not in reports:
                    raise ValueError(f"Unknown cmd: {cmd}\n")
                self._views.setdefault(cmd, {})[step] = reports[cmd](options)

    def _is_fast_path(self, step: int) -> bool:
        if step in self._slow_path_steps:
            return False
        return not (self._auto_tracing and step > WARMUP_STEPS and self._traced_steps <= MAX_TRACED_STEPS)

    def _should_trace(self, step: int, graph: Any, fetches: Any) -> bool:
        """Whether the run was asked for; else whether it fetches something new, or little of the graph was seen yet."""
        if self._traced_steps > MAX_TRACED_STEPS:
            return False
        wanted = step in self._trace_steps or self._trace_next_step
        if not wanted and self._auto_tracing and step > WARMUP_STEPS:
            fetched = "-".join(sorted(element.name for element in Fetches(graph, fetches).elements))
            wanted = fetched not in self._fetched
            self._fetched.add(fetched)
            if not wanted:
                profiler = self.profiler
                assert profiler is not None
                rarely_seen = profiler._coverage < 0.5 and step < MAX_TRACED_STEPS
                wanted = rarely_seen and self._rng.randint(0, 10) < 2
        self._traced_steps += wanted
        return wanted

    def _maybe_dump(self, step: int) -> None:
        if step in self._dump_steps or self._dump_next_step:
            if self._debug:
                sys.stderr.write(f"debug: dumping file at step: {step}\n")
            profiler = self.profiler
            assert profiler is not None
            self._write(f"profile_{step}", profiler.serialize_to_string())

    def _write(self, name: str, contents: bytes) -> None:
        os.makedirs(self._profiler_dir, exist_ok=True)
        files.write_file(os.path.join(self._profiler_dir, name), contents)


def _profiled_run(self: Any, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
    """`BaseSession.run` inside a `ProfileContext`."""
    return self.profile_context._run(self, fetches, feed_dict, options, run_metadata)
