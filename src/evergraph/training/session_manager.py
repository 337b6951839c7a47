"""`tf.train.SessionManager`: sessions that are ready to train, from a checkpoint or from initialisers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from evergraph.framework import errors, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.runtime.session import Session
from evergraph.training import checkpoint_management


@public("train.SessionManager")
class SessionManager:
    """Makes sessions and brings variables to a value: restored if there is a checkpoint, else initialised.

    Args:
        local_init_op: run in each session, after the variables have values.
        ready_op: gives the names of what has no value yet: a string vector, empty when all is ready.
        ready_for_local_init_op: the same for what `local_init_op` waits for.
        graph: the graph; by default the default graph.
        recovery_wait_secs: how long to wait before looking again.
        local_init_run_options: the `RunOptions` of `local_init_op`.

    Raises:
        ValueError: for `ready_for_local_init_op` without `local_init_op`.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Any = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
    ) -> None:
        self._local_init_op = local_init_op
        self._ready_op = ready_op
        self._ready_for_local_init_op = ready_for_local_init_op
        self._graph = get_default_graph() if graph is None else graph
        self._recovery_wait_secs = recovery_wait_secs
        self._target: Any = None
        self._local_init_run_options = local_init_run_options
        if ready_for_local_init_op is not None and local_init_op is None:
            raise ValueError(
                "If you pass a ready_for_local_init_op you must also pass a local_init_op , ready_for_local_init_op "
                f"[{ready_for_local_init_op}]"
            )

    def _restore_checkpoint(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A new session, and whether a checkpoint was restored into it."""
        self._target = master
        sess = Session(master, graph=self._graph, config=config)
        if checkpoint_dir and checkpoint_filename_with_path:
            raise ValueError("Can not provide both checkpoint_dir and checkpoint_filename_with_path.")
        if not saver or not (checkpoint_dir or checkpoint_filename_with_path):
            return sess, False
        if checkpoint_filename_with_path:
            saver.restore(sess, checkpoint_filename_with_path)
            return sess, True
        waited = 0.0
        while True:
            found = checkpoint_management.get_checkpoint_state(checkpoint_dir)
            if found and found.model_checkpoint_path:
                break
            if not wait_for_checkpoint or waited >= max_wait_secs:
                return sess, False
            log.info("Waiting for checkpoint to be available.")
            time.sleep(self._recovery_wait_secs)
            waited += self._recovery_wait_secs
        saver.restore(sess, found.model_checkpoint_path)
        saver.recover_last_checkpoints(found.all_model_checkpoint_paths)
        return sess, True

    def prepare_session(
        self,
        master: str,
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Any = None,
    ) -> Session:
        """A session that is ready: restored if there is a checkpoint, else initialised.

        Args:
            master: the session's target.
            init_op: initialises the variables.
            saver: restores them.
            checkpoint_dir: the directory whose newest checkpoint is restored.
            checkpoint_filename_with_path: the checkpoint to restore.
            wait_for_checkpoint: whether to wait until there is one.
            max_wait_secs: for how long at most.
            config: the session's `ConfigProto`.
            init_feed_dict: what to feed to `init_op`.
            init_fn: a function of the session, called after `init_op`.

        Raises:
            RuntimeError: if nothing initialises, or something has no value after that.
            ValueError: for a directory together with a file.
        """
        sess, restored = self._restore_checkpoint(
            master,
            saver,
            checkpoint_dir=checkpoint_dir,
            checkpoint_filename_with_path=checkpoint_filename_with_path,
            wait_for_checkpoint=wait_for_checkpoint,
            max_wait_secs=max_wait_secs,
            config=config,
        )
        if not restored:
            if init_op is None and not init_fn and self._local_init_op is None:
                raise RuntimeError("Model is not initialized and no init_op or init_fn or local_init_op was given")
            if init_op is not None:
                sess.run(init_op, feed_dict=init_feed_dict)
            if init_fn:
                init_fn(sess)
        done, problem = self._try_run_local_init_op(sess)
        if not done:
            raise RuntimeError(
                f"Init operations did not make model ready for local_init.  Init op: {_name(init_op)}, init fn: "
                f"{init_fn}, error: {problem}"
            )
        done, problem = self._model_ready(sess)
        if not done:
            raise RuntimeError(
                f"Init operations did not make model ready.  Init op: {_name(init_op)}, init fn: {init_fn}, "
                f"local_init_op: {self._local_init_op}, error: {problem}"
            )
        return sess

    def recover_session(
        self,
        master: str,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """A session, and whether a checkpoint was restored that made it ready; arguments as for `prepare_session`."""
        sess, restored = self._restore_checkpoint(
            master,
            saver,
            checkpoint_dir=checkpoint_dir,
            checkpoint_filename_with_path=checkpoint_filename_with_path,
            wait_for_checkpoint=wait_for_checkpoint,
            max_wait_secs=max_wait_secs,
            config=config,
        )
        done, problem = self._try_run_local_init_op(sess)
        if not restored:
            return sess, False
        source = checkpoint_dir or checkpoint_filename_with_path
        if not done:
            log.info("Restoring model from %s did not make model ready for local init: %s", source, problem)
            return sess, False
        done, problem = self._model_ready(sess)
        if not done:
            log.info("Restoring model from %s did not make model ready: %s", source, problem)
            return sess, False
        log.info("Restored model from %s", source)
        return sess, True

    def wait_for_session(self, master: str, config: Any = None, max_wait_secs: float | None = float("inf")) -> Session:
        """A session in which somebody else has initialised the variables.

        Args:
            master: the session's target.
            config: its `ConfigProto`.
            max_wait_secs: how long to wait for that at most; None waits for ever.

        Raises:
            DeadlineExceededError: after that time.
        """
        self._target = master
        limit = float("inf") if max_wait_secs is None else max_wait_secs
        start = time.time()
        while True:
            sess = Session(master, graph=self._graph, config=config)
            not_ready = None
            done, not_ready_local = self._try_run_local_init_op(sess)
            if done:
                ready, not_ready = self._model_ready(sess)
                if ready:
                    return sess
            sess.close()
            left = max(0, limit - (time.time() - start))
            if left < self._recovery_wait_secs:
                raise errors.DeadlineExceededError(None, None, f"Session was not ready after waiting {limit:.0f} secs.")
            log.info(
                "Waiting for model to be ready.  Ready_for_local_init_op:  %s, ready: %s", not_ready_local, not_ready
            )
            time.sleep(self._recovery_wait_secs)

    def _model_ready(self, sess: Any) -> tuple[bool, str | None]:
        return is_ready(self._ready_op, sess, "Model not ready")

    def _model_ready_for_local_init(self, sess: Any) -> tuple[bool, str | None]:
        return is_ready(self._ready_for_local_init_op, sess, "Model not ready for local init")

    def _try_run_local_init_op(self, sess: Any) -> tuple[bool, str | None]:
        if self._local_init_op is None:
            return True, None
        ready, problem = self._model_ready_for_local_init(sess)
        if not ready:
            return False, problem
        log.info("Running local_init_op.")
        sess.run(self._local_init_op, options=self._local_init_run_options)
        log.info("Done running local_init_op.")
        return True, None


def is_ready(op: Any, sess: Any, msg: str) -> tuple[bool, str | None]:
    """Whether `op`, which names what has no value yet, names nothing; else what it named."""
    if op is None:
        return True, None
    try:
        missing = sess.run(op)
    except errors.FailedPreconditionError as error:
        if not _tells_of_missing_value(str(error)):
            log.warn("%s : error [%s]", msg, error)
            raise
        return False, str(error)
    if missing is None or missing.dtype == np.int32 or missing.size == 0:
        return True, None
    return False, "Variables not initialized: " + ", ".join(name.decode() for name in missing)


def _tells_of_missing_value(message: str) -> bool:
    return "uninitialized" in message or "has no value" in message


def _name(obj: Any) -> str:
    if obj is None:
        return "None"
    return obj.name if hasattr(obj, "name") else f"<no name for {type(obj)}>"
