"""The positions of iterators in checkpoints."""

from __future__ import annotations

from typing import Any

import evergraph.data.iterators as iterators
from evergraph.framework import scopes
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op
from evergraph.training import checkpoint_management
from evergraph.training.hooks.checkpoint_saving import CheckpointSaverHook
from evergraph.training.saveable import SaveableObject, SaveSpec
from evergraph.training.saver import Saver
from evergraph.training.session_run_hook import SessionRunHook


class _Saveable(SaveableObject):
    """Saves and restores where an iterator is."""

    def __init__(self, iterator_resource: Tensor) -> None:
        serialized = raw_op("SerializeIterator")(iterator_resource)
        specs = [SaveSpec(serialized, "", iterator_resource.name + "-state")]
        super().__init__(iterator_resource, specs, iterator_resource.name)

    def restore(self, restored_tensors: list[Tensor], restored_shapes: list[Any] | None) -> Operation:
        with scopes.colocate_with(self.op):
            return raw_op("DeserializeIterator")(self.op, restored_tensors[0])


@public("data.experimental.make_saveable_from_iterator", "contrib.data.make_saveable_from_iterator")
def make_saveable_from_iterator(iterator: iterators.Iterator) -> SaveableObject:
    """What has a `tf.train.Saver` save and restore the position of an iterator.

    Restoring makes the datasets as they were when the position was saved, in any session, whether or not the iterator
    has been initialised, and goes through as many of their elements again: it takes as long as that.

    Args:
        iterator: an iterator of a graph.

    Returns:
        A `SaveableObject`, for the collection `tf.GraphKeys.SAVEABLE_OBJECTS` or a Saver's `var_list`.

    >>> iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(10))
    >>> element = iterator.get_next()
    >>> saver = tf.train.Saver([tf.data.experimental.make_saveable_from_iterator(iterator)])
    >>> sess.run(iterator.initializer)
    >>> sess.run(element), sess.run(element)
    (0, 1)
    >>> path = saver.save(sess, folder + "/input")
    >>> sess.run(element)
    2
    >>> saver.restore(sess, path)
    >>> sess.run(element)
    2
    """
    return _Saveable(iterator._iterator_resource)


@public("data.experimental.CheckpointInputPipelineHook", "contrib.data.CheckpointInputPipelineHook")
class CheckpointInputPipelineHook(SessionRunHook):
    """Saves where the iterators of a graph are, apart from the variables, and goes there when training begins again.

    Args:
        estimator: the `Estimator` that trains: it says where checkpoints go, and how often one is saved.

    Raises:
        ValueError: if the estimator saves no checkpoints.
    """

    def __init__(self, estimator: Any) -> None:
        config = estimator._config
        prefix = "input"
        if config.num_worker_replicas > 1:
            prefix += f"_{config.task_type}_{config.task_id}"
        # Held rather than inherited from: an Estimator adds a CheckpointSaverHook of its own if it is given none.
        self._checkpoint_saver_hook = CheckpointSaverHook(
            estimator.model_dir,
            save_secs=config.save_checkpoints_secs,
            save_steps=config.save_checkpoints_steps,
            checkpoint_basename=prefix + ".ckpt",
        )
        self._latest_filename = "checkpoint_" + prefix
        self._first_run = True

    def begin(self) -> None:
        hook = self._checkpoint_saver_hook
        if hook._saver is None and hook._scaffold is None:
            found = scopes.get_collection(iterators.GLOBAL_ITERATORS)
            hook._saver = _InputSaver([_Saveable(resource) for resource in found], self._latest_filename)
        hook.begin()

    def before_run(self, run_context: Any) -> Any:
        if self._first_run:  # not earlier: the hook that initialises iterators may come after this one
            self._first_run = False
            self._restore_or_save(run_context.session)
        return self._checkpoint_saver_hook.before_run(run_context)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._checkpoint_saver_hook.after_run(run_context, run_values)

    def end(self, session: Any) -> None:
        self._checkpoint_saver_hook.end(session)

    def _restore_or_save(self, session: Any) -> None:
        hook = self._checkpoint_saver_hook
        latest = checkpoint_management.latest_checkpoint(hook._checkpoint_dir, self._latest_filename)
        if latest:
            hook._get_saver().restore(session, latest)
        else:
            step = session.run(hook._global_step_tensor)
            hook._save(session, step)
            hook._timer.update_last_triggered_step(step)


class _InputSaver(Saver):
    """A saver that notes its checkpoints in a file of its own, as those of the model are in the same directory."""

    def __init__(self, var_list: Any, latest_filename: str) -> None:
        super().__init__(var_list)
        self._latest_filename = latest_filename

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        *rest: Any,
        **options: Any,
    ) -> str | None:
        latest_filename = latest_filename or self._latest_filename
        return super().save(sess, save_path, global_step, latest_filename, *rest, **options)
