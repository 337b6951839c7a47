"""`tf.train.Checkpoint`: saves and restores objects by their names in other objects."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import files
from evergraph.framework import convert, dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.scopes import colocate_with, control_dependencies, device
from evergraph.ops.constant import constant
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import Variable
from evergraph.training import checkpoint_management
from evergraph.training.object_names import OBJECT_GRAPH_KEY, read_object_graph
from evergraph.training.tracking.object_graph import gather
from evergraph.training.tracking.status import InitializationOnlyStatus, LoadStatus, NameBasedStatus, default_session
from evergraph.training.tracking.trackable import AutoTrackable, NoDependency, is_trackable


class ObjectSaver:
    """Saves and restores everything below `root`. Ops are added once, and again when the objects have changed."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._saves: dict[Any, Any] = {}
        self._restores: dict[Any, Any] = {}

    def save(self, file_prefix: Any, session: Any = None) -> str:
        """Write a checkpoint; gives its name."""
        prefix = convert.as_text(os.fspath(file_prefix))
        session = default_session(session)
        directory = files.local(os.path.dirname(prefix))
        if directory:
            with files.translated(directory):
                os.makedirs(directory, exist_ok=True)
        found = gather(self._root)
        data = found.proto.SerializeToString(deterministic=True)
        key = session.graph, data, *(id(saveable.op) for saveable in found.saveables)
        with session.graph.as_default():
            if key not in self._saves:
                self._saves[key] = *_save_ops(found), [s.op for s in found.saveables]
        saved, path, graph, states, _ = self._saves[key]
        feeds = {path: prefix, graph: data}
        feeds.update({given: state.serialize() for given, (_, state) in zip(states, found.states)})
        return convert.as_text(session.run(saved, feeds))

    def restore(self, save_path: Any) -> Any:
        """Find the values of the objects; gives a status, which restores them in a session."""
        if save_path is None:
            return InitializationOnlyStatus(self._root)
        prefix = convert.as_text(os.fspath(save_path))
        try:
            proto = read_object_graph(prefix)
        except errors.NotFoundError:
            if not checkpoint_management.checkpoint_exists(prefix):
                raise
            return NameBasedStatus(self._root, prefix)
        return LoadStatus(self._root, prefix, proto, self._restores)


def _save_ops(found: Any) -> tuple[Any, Any, Any, list[Any]]:
    with device("/cpu:0"):
        graph_tensor = constant("", dtype=dtypes.string)
        path = constant("", dtype=dtypes.string)
        states = [constant("", dtype=dtypes.string) for _ in found.states]
    specs = [spec for saveable in found.saveables for spec in saveable.specs]
    names = [spec.name for spec in specs] + [key for key, _ in found.states] + [OBJECT_GRAPH_KEY]
    tensors = [spec.tensor for spec in specs] + states + [graph_tensor]
    slices = [spec.slice_spec for spec in specs] + [""] * (len(states) + 1)
    with device("/cpu:0"):
        save = raw_op("SaveV2")(path, names, slices, tensors)
        with control_dependencies([save]):
            return raw_op("Identity")(path), path, graph_tensor, states


@public("train.Checkpoint")
class Checkpoint(AutoTrackable):
    """Saves and restores objects: variables, optimizers, layers, lists and dicts of those.

    Values are found by the names on the way from the checkpoint to the object, not by names of variables, so a program
    may rename scopes and still read its old checkpoints.

    Args:
        **kwargs: the objects. They become attributes.

    Raises:
        ValueError: for something that cannot be saved.

    >>> v = tf.Variable([1.0, 2.0])
    >>> checkpoint = tf.train.Checkpoint(weights=v)
    >>> sess.run(tf.global_variables_initializer())
    >>> with sess.as_default():
    ...     path = checkpoint.save(folder + "/ckpt")
    ...     sess.run(v.assign([0.0, 0.0]))
    ...     checkpoint.restore(path).assert_consumed().run_restore_ops()
    ...     sess.run(v)
    array([0., 0.], dtype=float32)
    array([1., 2.], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        for key, value in sorted(kwargs.items()):
            if not is_trackable(value) and not hasattr(value, "python_function"):
                raise ValueError(
                    "`Checkpoint` was expecting a trackable object (an object derived from `TrackableBase`), got "
                    f"{value}. If you believe this object should be trackable (i.e. it is part of the TensorFlow "
                    "Python API and manages state), please open an issue."
                )
            setattr(self, key, value)
        self._counter: Any = None
        self._counted = NoDependency(None)
        self._saver: Any = NoDependency(ObjectSaver(self))

    @property
    def save_counter(self) -> Any:
        """A variable that counts the calls of `save`."""
        if self._counter is None:
            with device("/cpu:0"):
                made = Variable(0, name="save_counter", dtype=dtypes.int64, trainable=False, use_resource=True)
            self._counter = NoDependency(made)
            self._track_trackable(made, "save_counter")
        return self._counter

    def write(self, file_prefix: Any, session: Any = None) -> str:
        """Write a checkpoint of exactly this name; nothing is counted, and no `checkpoint` file written."""
        return self._saver.save(file_prefix, session)

    def save(self, file_prefix: Any, session: Any = None) -> str:
        """Write a checkpoint with a number in its name, and the `checkpoint` file.

        Args:
            file_prefix: the name, without the number.
            session: has the values; the default session by default.

        Returns:
            The checkpoint's name.
        """
        prefix = convert.as_text(os.fspath(file_prefix))
        session = default_session(session)
        with session.graph.as_default():
            if self._counter is None:
                session.run(self.save_counter.initializer)
            if self._counted is None:
                with colocate_with(self.save_counter):
                    self._counted = NoDependency(self.save_counter.assign_add(1, read_value=True))
        path = self.write(f"{prefix}-{session.run(self._counted)}", session)
        checkpoint_management.write_checkpoint_state(os.path.dirname(prefix), path, [path], save_relative_paths=True)
        return path

    def restore(self, save_path: Any) -> Any:
        """Find the values of the objects in a checkpoint.

        Args:
            save_path: its name; None for none.

        Returns:
            A status: `run_restore_ops()` or `initialize_or_restore()` restores, `assert_consumed()` and its siblings
            say whether everything was found.

        Raises:
            NotFoundError: if there is no such checkpoint.
        """
        status = self._saver.restore(save_path)
        assert self.save_counter is not None  # made now, so that it is restored too
        return status


@public("contrib.checkpoint.list_objects")
def list_objects(root_trackable: Any) -> list[Any]:
    """All objects below `root_trackable`, itself first."""
    return gather(root_trackable).objects


@public("contrib.checkpoint.object_metadata")
def object_metadata(save_path: Any) -> Any:
    """The `TrackableObjectGraph` message in a checkpoint.

    Raises:
        ValueError: if the checkpoint has none.
    """
    try:
        return read_object_graph(convert.as_text(os.fspath(save_path)))
    except errors.NotFoundError:
        raise ValueError(
            f'The specified checkpoint "{save_path}" does not appear to be object-based (saved with TF2) since it is '
            f'missing the key "{OBJECT_GRAPH_KEY}".'
        ) from None


def gather_initializers(root_trackable: Any) -> list[Any]:
    """The initializers of all variables below an object."""
    return [t.initializer for t in gather(root_trackable).objects if getattr(t, "initializer", None) is not None]
