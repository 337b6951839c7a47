"""`tf.train.CheckpointManager`: keeps the newest checkpoints of a directory."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from evergraph.framework import convert, log
from evergraph.framework.api import public
from evergraph.ops.variable_scope import variable_creator_scope
from evergraph.training import checkpoint_management
from evergraph.training.global_step import global_step as value_of_step
from evergraph.training.tracking.status import default_session


@public("train.CheckpointManager", "contrib.checkpoint.CheckpointManager")
class CheckpointManager:
    """Numbers checkpoints and deletes old ones; a new manager of a directory goes on where the last one stopped.

    Args:
        checkpoint: a `tf.train.Checkpoint`.
        directory: where the checkpoints go.
        max_to_keep: how many to keep; None for all.
        keep_checkpoint_every_n_hours: one for each span of that many hours is kept for good.
        checkpoint_name: what their names begin with.

    Raises:
        ValueError: if `max_to_keep` is not positive.
    """

    def __init__(
        self,
        checkpoint: Any,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(f"Expected a positive integer or `None` for `max_to_max_to_keep`, got {max_to_keep}.")
        self._checkpoint = checkpoint
        self._counted: Any = None
        self._max_to_keep = max_to_keep
        self._keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self._directory = convert.as_text(os.fspath(directory))
        self._prefix = os.path.join(self._directory, checkpoint_name)
        self._maybe_delete: dict[str, float] = {}
        self._latest_checkpoint: str | None = None
        now = time.time()
        self._last_preserved_timestamp = now - 1.0
        recovered = checkpoint_management.get_checkpoint_state(self._directory)
        if recovered is not None:
            self._take_over(recovered, now)

    def _take_over(self, recovered: Any, now: float) -> None:
        self._latest_checkpoint = recovered.model_checkpoint_path
        self._last_preserved_timestamp = recovered.last_preserved_timestamp
        if now < self._last_preserved_timestamp:
            log.warn(
                "time.time() returned a value %f seconds behind the last preserved checkpoint timestamp.",
                self._last_preserved_timestamp - now,
            )
            self._last_preserved_timestamp = now
        paths = recovered.all_model_checkpoint_paths
        times = recovered.all_model_checkpoint_timestamps or [self._last_preserved_timestamp] * len(paths)
        for path, written in zip(paths, times):
            written = min(written, now)
            if written > self._last_preserved_timestamp:
                self._maybe_delete[path] = written

    @property
    def latest_checkpoint(self) -> str | None:
        """The newest checkpoint; None if there is none."""
        return self._latest_checkpoint

    @property
    def checkpoints(self) -> list[str]:
        """The checkpoints that may be deleted one day, oldest first."""
        return list(self._maybe_delete)

    def _sweep(self) -> None:
        if not self._max_to_keep:
            return
        while len(self._maybe_delete) > self._max_to_keep:
            path = next(iter(self._maybe_delete))
            written = self._maybe_delete.pop(path)
            hours = self._keep_checkpoint_every_n_hours
            if hours and written - hours * 3600.0 >= self._last_preserved_timestamp:
                self._last_preserved_timestamp = written
                continue
            checkpoint_management.remove_bundle(path)

    def _record_state(self) -> None:
        assert self._latest_checkpoint is not None
        checkpoint_management.write_checkpoint_state(
            self._directory,
            self._latest_checkpoint,
            list(self._maybe_delete),
            all_model_checkpoint_timestamps=list(self._maybe_delete.values()),
            last_preserved_timestamp=self._last_preserved_timestamp,
            save_relative_paths=True,
        )

    def save(self, checkpoint_number: Any = None) -> str:
        """Write a checkpoint and delete old ones.

        Args:
            checkpoint_number: a number for its name, or a tensor that gives it; by default how often it was saved.

        Returns:
            The checkpoint's name.
        """
        session = default_session(None)

        def initialized(next_creator: Any, **kwargs: Any) -> Any:
            made = next_creator(**kwargs)
            session.run(made.initializer)
            return made

        with variable_creator_scope(initialized):
            counter = self._checkpoint.save_counter
        if self._counted is None:
            self._counted = counter.assign_add(1, read_value=False)
        session.run(self._counted)
        number = counter if checkpoint_number is None else checkpoint_number
        if not isinstance(number, int | np.integer):
            number = value_of_step(session, number)
        path = self._checkpoint.write(f"{self._prefix}-{number}")
        self._maybe_delete.pop(path, None)
        self._maybe_delete[path] = time.time()
        self._latest_checkpoint = path
        self._record_state()
        self._sweep()
        self._record_state()
        return path
