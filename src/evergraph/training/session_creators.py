"""What makes the session of a `MonitoredSession`: the chief initialises, a worker waits for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.training.scaffold import Scaffold
from evergraph.training.session_manager import SessionManager


@public("train.SessionCreator")
class SessionCreator(ABC):
    """Makes a `tf.Session`, as often as one is needed."""

    @abstractmethod
    def create_session(self) -> Any:
        """A new session."""


class _FromScaffold(SessionCreator):
    """Makes sessions of a target, with the ops of a scaffold."""

    def __init__(self, scaffold: Scaffold | None, master: str, config: Any) -> None:
        self._scaffold = scaffold or Scaffold()
        self._session_manager: SessionManager | None = None
        self._master = master
        self._config = config

    def _get_session_manager(self) -> SessionManager:
        if self._session_manager is None:
            self._session_manager = SessionManager(
                local_init_op=self._scaffold.local_init_op,
                ready_op=self._scaffold.ready_op,
                ready_for_local_init_op=self._scaffold.ready_for_local_init_op,
                graph=get_default_graph(),
            )
        return self._session_manager


@public("train.ChiefSessionCreator")
class ChiefSessionCreator(_FromScaffold):
    """Restores the newest checkpoint, or initialises if there is none.

    Args:
        scaffold: the ops for that; by default a new `Scaffold`.
        master: the target of the session.
        config: its `ConfigProto`.
        checkpoint_dir: where to look for checkpoints.
        checkpoint_filename_with_path: the checkpoint to restore.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        super().__init__(scaffold, master, config)
        self._checkpoint_dir = checkpoint_dir
        self._checkpoint_filename_with_path = checkpoint_filename_with_path

    def create_session(self) -> Any:
        """A session that is ready."""
        self._scaffold.finalize()
        return self._get_session_manager().prepare_session(
            self._master,
            saver=self._scaffold.saver,
            checkpoint_dir=self._checkpoint_dir,
            checkpoint_filename_with_path=self._checkpoint_filename_with_path,
            config=self._config,
            init_op=self._scaffold.init_op,
            init_feed_dict=self._scaffold.init_feed_dict,
            init_fn=self._scaffold.init_fn,
        )


@public("train.WorkerSessionCreator")
class WorkerSessionCreator(_FromScaffold):
    """Waits until the chief has brought the variables to a value.

    Args:
        scaffold: the ops to ask with; by default a new `Scaffold`.
        master: the target of the session.
        config: its `ConfigProto`.
        max_wait_secs: how long to wait at most.
    """

    def __init__(
        self, scaffold: Scaffold | None = None, master: str = "", config: Any = None, max_wait_secs: float = 30 * 60
    ) -> None:
        super().__init__(scaffold, master, config)
        self._max_wait_secs = max_wait_secs

    def create_session(self) -> Any:
        """A session that is ready."""
        self._scaffold.finalize()
        return self._get_session_manager().wait_for_session(
            self._master, config=self._config, max_wait_secs=self._max_wait_secs
        )
