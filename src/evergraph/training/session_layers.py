"""The layers of a `MonitoredSession`, from the inside: hooks, a coordinator, recovery.

    RecoverableSession ── CoordinatedSession ── HookedSession ── Session

Each one runs what the next one runs, and adds one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import errors, log
from evergraph.training.session_run_hook import SessionRunArgs, SessionRunContext, SessionRunValues

PREEMPTION_ERRORS = (errors.AbortedError, errors.UnavailableError)
_LOST = (
    "A worker or parameter server that the session is connected to may have been preempted, or its connection lost. "
    "The session is closed and a new one made. If this goes on, more parameter servers may help."
)


class StepContext:
    """What `run_step_fn` gives to the function it calls.

    Args:
        session: the session, without hooks.
        run_with_hooks_fn: what `run_with_hooks` calls.
    """

    def __init__(self, session: Any, run_with_hooks_fn: Callable[..., Any]) -> None:
        self._session = session
        self._run_with_hooks_fn = run_with_hooks_fn

    @property
    def session(self) -> Any:
        """The session: a run in it calls no hooks."""
        return self._session

    def run_with_hooks(self, *args: Any, **kwargs: Any) -> Any:
        """Run as `MonitoredSession.run` does."""
        return self._run_with_hooks_fn(*args, **kwargs)

    def request_stop(self) -> None:
        """End the loop here, without going on in the function.

        Raises:
            StopIteration: always; a `with` block of the session takes it.
        """
        raise StopIteration("step_fn has requested the iterations to stop.")


class WrappedSession:
    """Something that runs what another session runs."""

    def __init__(self, sess: Any) -> None:
        self._sess = sess
        self._wrapped_is_stoppable = isinstance(sess, WrappedSession)

    @property
    def graph(self) -> Any:
        return self._sess.graph

    @property
    def sess_str(self) -> str:
        return self._sess.sess_str

    def should_stop(self) -> bool:
        """Whether it, or what it wraps, is at an end or closed."""
        if self._check_stop() or not self._sess:
            return True
        return self._wrapped_is_stoppable and self._sess.should_stop()

    def _check_stop(self) -> bool:
        return False

    def close(self) -> None:
        if not self._sess:
            return
        try:
            self._sess.close()
        except PREEMPTION_ERRORS as error:
            log.warn("The session could not be closed. %s Error: %s", _LOST, error)
        finally:
            self._sess = None

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._sess.run(*args, **kwargs)

    def run_step_fn(self, step_fn: Callable[..., Any], raw_session: Any, run_with_hooks: Any) -> Any:
        return step_fn(StepContext(raw_session, run_with_hooks or self.run))


class RecoverableSession(WrappedSession):
    """Makes another session when one is lost, and runs again.

    Args:
        sess_creator: a `SessionCreator`.
    """

    def __init__(self, sess_creator: Any) -> None:
        self._sess_creator = sess_creator
        super().__init__(self._create_session())

    def _create_session(self) -> Any:
        while True:
            try:
                return self._sess_creator.create_session()
            except PREEMPTION_ERRORS as error:
                log.info("An error was raised while a session was being created. %s Error: %s", _LOST, error)

    def _check_stop(self) -> bool:
        try:
            return self._sess._check_stop() if self._sess else True
        except PREEMPTION_ERRORS as error:
            log.info("An error was raised while asking whether the session is at an end. %s Error: %s", _LOST, error)
            self.close()
            self._sess = self._create_session()
            return False
        except Exception:
            return True  # the next run raises it

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        return self._until_it_holds(
            lambda sess: sess.run(fetches, feed_dict=feed_dict, options=options, run_metadata=run_metadata)
        )

    def run_step_fn(self, step_fn: Callable[..., Any], raw_session: Any, run_with_hooks: Any) -> Any:
        return self._until_it_holds(lambda sess: sess.run_step_fn(step_fn, raw_session, sess.run))

    def _until_it_holds(self, act: Callable[[Any], Any]) -> Any:
        while True:
            try:
                if not self._sess:
                    self._sess = self._create_session()
                return act(self._sess)
            except PREEMPTION_ERRORS as error:
                log.info("An error was raised. %s Error: %s", _LOST, error)
                self.close()
                self._sess = None


class CoordinatedSession(WrappedSession):
    """Stops its coordinator's threads when it is closed, and raises what they raised.

    Args:
        sess: the session.
        coord: the coordinator.
        stop_grace_period_secs: how long to wait for the threads.
    """

    def __init__(self, sess: Any, coord: Any, stop_grace_period_secs: float = 120) -> None:
        super().__init__(sess)
        self._coord = coord
        self._stop_grace_period_secs = stop_grace_period_secs

    def _check_stop(self) -> bool:
        self._coord.raise_requested_exception()
        return self._coord.should_stop()

    def close(self) -> None:
        self._coord.request_stop()
        try:
            self._coord.join(stop_grace_period_secs=self._stop_grace_period_secs, ignore_live_threads=True)
        finally:
            try:
                super().close()
            except Exception as error:  # what the threads raised matters more
                log.vlog(1, "Ignored exception: %s", error)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._sess.run(*args, **kwargs)
        except PREEMPTION_ERRORS:
            raise
        except Exception as error:
            lost = self._preemption()
            if lost is not None:
                raise lost from error
            raise

    def _preemption(self) -> Exception | None:
        """What a thread of the coordinator raised, if that tells that the session is lost."""
        try:
            self._coord.raise_requested_exception()
        except PREEMPTION_ERRORS as error:
            return error
        except Exception:
            return None
        return None


class HookedSession(WrappedSession):
    """Calls hooks before and after each run.

    Args:
        sess: the session.
        hooks: `SessionRunHook`s.
    """

    def __init__(self, sess: Any, hooks: Any) -> None:
        super().__init__(sess)
        self._hooks = hooks
        self._should_stop = False

    def _check_stop(self) -> bool:
        return self._should_stop

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        from evergraph.formats import messages

        wanted: dict[Any, Any] = {"caller": fetches}
        context = SessionRunContext(original_args=SessionRunArgs(fetches, feed_dict), session=self._sess)
        options = options or messages.RunOptions()
        feed_dict = self._call_before_run(context, wanted, feed_dict, options)
        run_metadata = run_metadata or messages.RunMetadata()
        values = super().run(fetches=wanted, feed_dict=feed_dict, options=options, run_metadata=run_metadata)
        for hook in self._hooks:
            found = SessionRunValues(results=values.get(hook), options=options, run_metadata=run_metadata)
            hook.after_run(context, found)
        self._should_stop = self._should_stop or context.stop_requested
        return values["caller"]

    def _call_before_run(self, context: Any, wanted: dict[Any, Any], user_feeds: Any, options: Any) -> Any:
        """Ask the hooks what to add: to `wanted` and `options` in place; gives what to feed."""
        feeds: dict[Any, Any] = {}
        for hook in self._hooks:
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                wanted[hook] = request.fetches
            if request.feed_dict:
                _check_disjoint(feeds, request.feed_dict, "Same tensor is fed by two hooks.")
                feeds.update(request.feed_dict)
            if request.options:
                _merge_options(options, request.options)
        if not feeds:
            return user_feeds
        if user_feeds:
            _check_disjoint(user_feeds, feeds, "Same tensor is fed by a SessionRunHook and user.")
            feeds.update(user_feeds)
        return feeds


def _check_disjoint(first: Any, second: Any, message: str) -> None:
    both = set(first) & set(second)
    if both:
        raise RuntimeError(f"{message} Conflict(s): {list(both)}")


def _merge_options(options: Any, more: Any) -> None:
    """Have `options` ask for what either asks for."""
    for field in ("trace_level", "timeout_in_ms", "inter_op_thread_pool", "output_partition_graphs"):
        setattr(options, field, max(getattr(options, field), getattr(more, field)))
    options.debug_options.debug_tensor_watch_opts.extend(more.debug_options.debug_tensor_watch_opts)
    if more.debug_options.reset_disk_byte_usage:
        options.debug_options.reset_disk_byte_usage = True
    if more.report_tensor_allocations_upon_oom:
        options.report_tensor_allocations_upon_oom = True
