"""`tf.train.Saver`: saves variables to checkpoints, keeps the newest of those, and restores them."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from evergraph.formats import files
from evergraph.framework import convert, errors, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.proto_functions import register_proto_function
from evergraph.framework.scopes import GraphKeys
from evergraph.ops.variables import prepend_name_scope, saveable_objects, strip_name_scope
from evergraph.runtime.restoring import restored_directly
from evergraph.runtime.session import BaseSession
from evergraph.training import checkpoint_management, meta_graph
from evergraph.training.collection_defs import add_collection_def
from evergraph.training.global_step import global_step as value_of_step
from evergraph.training.object_names import object_graph_key_mapping, remapped_saveables
from evergraph.training.restore_errors import explained
from evergraph.training.saver_builder import V2, BulkSaverBuilder


@public("train.Saver")
class Saver:
    """Saves variables to checkpoints and restores them.

    Args:
        var_list: the variables, as a list or as a dict from the names they are to have in the checkpoint; by default
            all global variables, and tables and the like.
        reshape: whether a variable may be restored from a checkpoint where it has another shape of as many elements.
        sharded: whether each device writes a file of its own.
        max_to_keep: how many checkpoints to keep; older ones are deleted. With None or 0 all are.
        keep_checkpoint_every_n_hours: one checkpoint for each span of that many hours is kept for good.
        name: a name scope for the ops.
        restore_sequentially: accepted for TF's signature: one op reads all variables.
        saver_def: a `SaverDef` message: no ops are added, those that it names are used.
        builder: what adds the ops, if not a `BulkSaverBuilder`.
        defer_build: whether the ops are added by `build` only.
        allow_empty: whether there may be no variables; saving and restoring then do nothing.
        write_version: `SaverDef.V2`, or `SaverDef.V1` for the older format. Both can be restored.
        pad_step_number: whether step numbers in names have eight digits.
        save_relative_paths: whether the `checkpoint` file has relative paths, so that the directory can be moved.
        filename: the checkpoint's name where none is fed.

    Raises:
        TypeError: for something that cannot be saved.
        ValueError: if there are no variables, or two of one name.

    >>> v = tf.Variable([1.0, 2.0], name="v")
    >>> saver = tf.train.Saver()
    >>> sess.run(tf.global_variables_initializer())
    >>> path = saver.save(sess, folder + "/model", global_step=7)
    >>> sess.run(v.assign([0.0, 0.0]))
    array([0., 0.], dtype=float32)
    >>> saver.restore(sess, path)
    >>> sess.run(v)
    array([1., 2.], dtype=float32)
    """

    saver_def: Any

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        saver_def: Any = None,
        builder: Any = None,
        defer_build: bool = False,
        allow_empty: bool = False,
        write_version: int = V2,
        pad_step_number: bool = False,
        save_relative_paths: bool = False,
        filename: Any = None,
    ) -> None:
        if defer_build and var_list:
            raise ValueError(
                "If `var_list` is provided then build cannot be deferred. Either set defer_build=False or "
                "var_list=None."
            )
        self._var_list = var_list
        self._reshape = reshape
        self._sharded = sharded
        self._max_to_keep = max_to_keep
        self._keep_checkpoint_every_n_hours = keep_checkpoint_every_n_hours
        self._name = name
        self._restore_sequentially = restore_sequentially
        self.saver_def = saver_def
        self._builder = builder
        self._is_built = False
        self._allow_empty = allow_empty
        self._is_empty: bool | None = None
        self._write_version = write_version
        self._pad_step_number = pad_step_number
        self._filename = filename
        self._last_checkpoints: list[tuple[str, float]] = []
        self._checkpoints_to_be_deleted: list[tuple[str, float]] = []
        self._next_checkpoint_time = 0.0
        self._save_relative_paths = save_relative_paths
        self._object_restore_saver: Saver | None = None
        if not defer_build:
            self.build()
        if self.saver_def:
            self._check_saver_def()
            self._write_version = self.saver_def.version

    def build(self) -> None:
        """Add the ops, if that was deferred."""
        if self._is_built:
            return
        self._is_built = True
        if not self.saver_def:
            if self._builder is None:
                self._builder = BulkSaverBuilder(self._write_version)
            if self._var_list is None:
                self._var_list = saveable_objects()
            if not self._var_list:
                if not self._allow_empty:
                    raise ValueError("No variables to save")
                self._is_empty = True
                return
            self._is_empty = False
            self.saver_def = self._builder._build_internal(
                self._var_list,
                reshape=self._reshape,
                sharded=self._sharded,
                max_to_keep=self._max_to_keep,
                keep_checkpoint_every_n_hours=self._keep_checkpoint_every_n_hours,
                name=self._name,
                restore_sequentially=self._restore_sequentially,
                filename=self._filename,
            )
        elif self._name:
            made = type(self.saver_def)()
            made.CopyFrom(self.saver_def)
            for field in "filename_tensor_name", "save_tensor_name", "restore_op_name":
                setattr(made, field, prepend_name_scope(getattr(made, field), self._name))
            self.saver_def = made
        self._check_saver_def()
        self._next_checkpoint_time = time.time() + self.saver_def.keep_checkpoint_every_n_hours * 3600

    def _check_saver_def(self) -> None:
        if getattr(getattr(self.saver_def, "DESCRIPTOR", None), "full_name", "") != "tensorflow.SaverDef":
            raise ValueError(f"saver_def must be a saver_pb2.SaverDef: {self.saver_def}")
        for field in "save_tensor_name", "restore_op_name":
            if not getattr(self.saver_def, field):
                raise ValueError(f"saver_def must specify the {field}: {self.saver_def}")

    # As a message

    def as_saver_def(self) -> Any:
        """The `SaverDef` message that names this saver's ops."""
        return self.saver_def

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The `SaverDef` message, without `export_scope` in its names; None if the ops are outside of that scope."""
        if export_scope is None:
            return self.saver_def
        fields = ("filename_tensor_name", "save_tensor_name", "restore_op_name")
        if not all(getattr(self.saver_def, field).startswith(export_scope) for field in fields):
            return None
        made = type(self.saver_def)()
        made.CopyFrom(self.saver_def)
        for field in fields:
            setattr(made, field, strip_name_scope(getattr(made, field), export_scope))
        return made

    @staticmethod
    def from_proto(saver_def: Any, import_scope: str | None = None) -> Saver:
        """The saver whose ops, under `import_scope`, a `SaverDef` message names."""
        return Saver(saver_def=saver_def, name=import_scope)

    # The checkpoints that are kept

    @property
    def last_checkpoints(self) -> list[str]:
        """The checkpoints not deleted yet, oldest first."""
        return [path for path, _ in self._last_checkpoints]

    def set_last_checkpoints(self, last_checkpoints: list[str]) -> None:
        """Say which checkpoints there are; these are never deleted."""
        assert isinstance(last_checkpoints, list)
        self._last_checkpoints = [(path, np.inf) for path in last_checkpoints]

    def set_last_checkpoints_with_time(self, last_checkpoints_with_time: list[tuple[str, float]]) -> None:
        """Say which checkpoints there are: (path, seconds since 1970) of each."""
        assert isinstance(last_checkpoints_with_time, list)
        self._last_checkpoints = last_checkpoints_with_time

    def recover_last_checkpoints(self, checkpoint_paths: Any) -> None:
        """Take over the checkpoints of an earlier process, those of `checkpoint_paths` that exist."""
        found = []
        for path in checkpoint_paths:
            times = checkpoint_management.get_checkpoint_mtimes([path])
            if times:
                found.append((path, times[0]))
        self.set_last_checkpoints_with_time(found)

    def _record_last_checkpoint(self, path: str) -> None:
        if not self.saver_def.max_to_keep:
            return
        for entry in self._last_checkpoints:
            if entry[0] == path:
                self._last_checkpoints.remove(entry)
                break
        self._last_checkpoints.append((path, time.time()))
        if len(self._last_checkpoints) > self.saver_def.max_to_keep:
            self._checkpoints_to_be_deleted.append(self._last_checkpoints.pop(0))

    def _delete_old_checkpoint(self, meta_graph_suffix: str) -> None:
        if not self._checkpoints_to_be_deleted:
            return
        path, written = self._checkpoints_to_be_deleted.pop(0)
        if written > self._next_checkpoint_time:  # this one is kept for good
            self._next_checkpoint_time += self.saver_def.keep_checkpoint_every_n_hours * 3600
            return
        try:
            checkpoint_management.remove_checkpoint(path, self.saver_def.version, meta_graph_suffix)
        except errors.OpError as error:
            log.warn("Ignoring: %s", error)

    # Saving

    def save(
        self,
        sess: Any,
        save_path: Any,
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> str | None:
        """Save the variables' values in `sess`.

        Args:
            sess: the session.
            save_path: the checkpoint's name, with its directory.
            global_step: a number to add to the name, or a tensor or name that gives it.
            latest_filename: the name of the file that says which checkpoints there are; "checkpoint" by default.
            meta_graph_suffix: what the name of the file with the graph ends with.
            write_meta_graph: whether to write that file.
            write_state: whether to write the `checkpoint` file, and delete old checkpoints.
            strip_default_attrs: whether to leave attributes at their defaults out of the graph.
            save_debug_info: whether to write where each op was built to a file of its own.

        Returns:
            The checkpoint's name, for `restore`; None if there are no variables.

        Raises:
            TypeError: if `sess` is no session.
            ValueError: if `latest_filename` has a directory or is the checkpoint's own name, or the directory of
                `save_path` does not exist.
            RuntimeError: if `build` was deferred and did not run yet.
            FailedPreconditionError: if a variable has no value.
        """
        if not self._is_built:
            raise RuntimeError("`build()` should be called before save if defer_build==True")
        save_path = convert.as_text(os.fspath(save_path))
        latest_filename = "checkpoint" if latest_filename is None else latest_filename
        if self._write_version != V2:
            log.warn("TensorFlow's V1 checkpoint format has been deprecated: SaverDef.V2 is the default now.")
        if os.path.split(latest_filename)[0]:
            raise ValueError("'latest_filename' must not contain path components")
        if global_step is not None:
            if not isinstance(global_step, int | np.integer):
                global_step = value_of_step(sess, global_step)
            digits = "08d" if self._pad_step_number else "d"
            checkpoint = f"{save_path}-{int(global_step):{digits}}"
        else:
            checkpoint = save_path
            if os.path.basename(save_path) == latest_filename and not self._sharded:
                raise ValueError(f"'latest_filename' collides with 'save_path': '{latest_filename}' and '{save_path}'")
        if not isinstance(sess, BaseSession) and not hasattr(sess, "sess_str"):
            raise TypeError(f"'sess' must be a Session; {sess}")
        written: str | None = None
        if not self._is_empty:
            written = self._write(sess, checkpoint, save_path, latest_filename, meta_graph_suffix, write_state)
        if write_meta_graph:
            path = checkpoint_management.meta_graph_filename(checkpoint, meta_graph_suffix=meta_graph_suffix)
            with sess.graph.as_default():
                self.export_meta_graph(path, strip_default_attrs=strip_default_attrs, save_debug_info=save_debug_info)
        return written

    def _write(
        self, sess: Any, checkpoint: str, save_path: str, latest_filename: str, meta_graph_suffix: str, state: bool
    ) -> str:
        directory = os.path.dirname(save_path)
        try:
            written = convert.as_text(
                sess.run(self.saver_def.save_tensor_name, {self.saver_def.filename_tensor_name: checkpoint})
            )
            if state:
                self._record_last_checkpoint(written)
                checkpoint_management.write_checkpoint_state(
                    directory,
                    written,
                    self.last_checkpoints,
                    latest_filename,
                    self._save_relative_paths,
                )
                self._delete_old_checkpoint(meta_graph_suffix)
            return written
        except (errors.FailedPreconditionError, errors.NotFoundError):
            if directory and not os.path.isdir(files.local(directory)):
                raise ValueError(f"Parent directory of {save_path} doesn't exist, can't save.") from None
            raise

    def export_meta_graph(
        self,
        filename: str | None = None,
        collection_list: Any = None,
        as_text: bool = False,
        export_scope: str | None = None,
        clear_devices: bool = False,
        clear_extraneous_savers: bool = False,
        strip_default_attrs: bool = False,
        save_debug_info: bool = False,
    ) -> Any:
        """The default graph as a `MetaGraphDef` with this saver in it; see `tf.train.export_meta_graph`."""
        return meta_graph.export_meta_graph(
            filename=filename,
            graph_def=get_default_graph().as_graph_def(add_shapes=True),
            saver_def=self.saver_def,
            collection_list=collection_list,
            as_text=as_text,
            export_scope=export_scope,
            clear_devices=clear_devices,
            clear_extraneous_savers=clear_extraneous_savers,
            strip_default_attrs=strip_default_attrs,
            save_debug_info=save_debug_info,
        )

    @staticmethod
    def _add_collection_def(meta_graph_def: Any, key: Any, export_scope: str | None = None) -> None:
        add_collection_def(meta_graph_def, key, export_scope=export_scope)

    # Restoring

    def restore(self, sess: Any, save_path: Any) -> None:
        """Give the variables the values of a checkpoint. They need not be initialized.

        Args:
            sess: the session.
            save_path: a checkpoint's name, as `save` and `tf.train.latest_checkpoint` give it.

        Raises:
            ValueError: if there is no such checkpoint.
            NotFoundError: if it lacks variables; all of them are listed.
            InvalidArgumentError: if types or shapes differ; all of them are listed.
            DataLossError: if it is damaged.
        """
        if self._is_empty:
            return
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        prefix = convert.as_text(os.fspath(save_path))
        if not checkpoint_management.checkpoint_exists(prefix):
            raise ValueError("The passed save_path is not a valid checkpoint: " + prefix)
        log.info("Restoring parameters from %s", prefix)
        if isinstance(sess, BaseSession) and restored_directly(
            sess, self.saver_def.restore_op_name, self.saver_def.filename_tensor_name, prefix
        ):
            return
        try:
            sess.run(self.saver_def.restore_op_name, {self.saver_def.filename_tensor_name: prefix})
        except errors.NotFoundError as error:
            names_to_keys = _object_names(prefix)
            if names_to_keys is None:
                raise explained(error, "a Variable name or other graph key that is missing") from None
        except errors.InvalidArgumentError as error:
            raise explained(
                error,
                "a mismatch between the current graph and the graph",
                graph=sess.graph,
                restore_op=self.saver_def.restore_op_name,
                prefix=prefix,
            ) from None
        else:
            return
        log.warn(
            "Restoring an object-based checkpoint using a name-based saver. This may be somewhat fragile, and will "
            "re-build the Saver. Instead, consider loading object-based checkpoints using tf.train.Checkpoint()."
        )
        self._object_restore_saver = saver_from_object_based_checkpoint(
            prefix, self._var_list, self._builder, names_to_keys, self._object_restore_saver
        )
        self._object_restore_saver.restore(sess, prefix)


def _object_names(prefix: str) -> dict[str, str] | None:
    """Which keys an object-based checkpoint has for which variables; None for a checkpoint of another kind."""
    try:
        return object_graph_key_mapping(prefix)
    except errors.NotFoundError:
        return None


def saver_from_object_based_checkpoint(
    checkpoint_path: str,
    var_list: Any = None,
    builder: Any = None,
    names_to_keys: dict[str, str] | None = None,
    cached_saver: Saver | None = None,
) -> Saver:
    """A saver that reads variables by name from a checkpoint that `tf.train.Checkpoint` wrote.

    Raises:
        ValueError: if the checkpoint is of another kind.
        NotFoundError: if it lacks variables of `var_list`.
    """
    if names_to_keys is None:
        names_to_keys = _object_names(checkpoint_path)
        if names_to_keys is None:
            raise ValueError(f"Checkpoint in {checkpoint_path} not an object-based checkpoint.")
    saveables = remapped_saveables(saveable_objects() if var_list is None else var_list, names_to_keys)
    return Saver(saveables, builder=builder) if cached_saver is None else cached_saver


def get_saver_or_default() -> Saver:
    """The saver in the collection `GraphKeys.SAVERS`, which is made if there is none.

    Raises:
        RuntimeError: if there is more than one.
    """
    graph = get_default_graph()
    savers = graph.get_collection(GraphKeys.SAVERS)
    if len(savers) > 1:
        raise RuntimeError(
            f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which one to use by passing it to "
            "the constructor."
        )
    if savers:
        return savers[0]
    made = Saver(sharded=True, allow_empty=True)
    graph.add_to_collection(GraphKeys.SAVERS, made)
    return made


register_proto_function(GraphKeys.SAVERS, "SaverDef", Saver.to_proto, Saver.from_proto)
