"""Loading SavedModels: the graph with given tags, its variables, and its initializer run."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import savedmodel
from evergraph.framework import convert, log
from evergraph.framework.api import public
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies
from evergraph.ops.grouping import group, no_op
from evergraph.ops.variables import global_variables_initializer, local_variables_initializer, saveable_objects
from evergraph.training.meta_graph_import import import_meta_graph_with_return_elements
from evergraph.training.saved_model import assets, constants
from evergraph.training.saved_model.signatures import load_op_from_signature_def
from evergraph.training.saver import Saver


@public(
    "saved_model.contains_saved_model",
    "saved_model.maybe_saved_model_directory",
    "saved_model.loader.maybe_saved_model_directory",
)
def maybe_saved_model_directory(export_dir: Any) -> bool:
    """Whether a directory holds a SavedModel."""
    return savedmodel.contains_saved_model(convert.as_text(os.fspath(export_dir)))


def parse_saved_model(export_dir: Any) -> Any:
    """The `SavedModel` message of a directory."""
    return savedmodel.read_saved_model(convert.as_text(os.fspath(export_dir)))


@public("saved_model.load", "saved_model.loader.load")
def load(sess: Any, tags: Any, export_dir: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
    """Load a graph of a SavedModel into the graph of `sess`, and its variables into `sess`.

    Args:
        sess: the session.
        tags: the graph's tags, all of them.
        export_dir: the directory.
        import_scope: a name scope to put the graph into.
        **saver_kwargs: as for `tf.train.import_meta_graph`.

    Returns:
        The `MetaGraphDef` message, which has the signatures.

    Raises:
        RuntimeError: if the SavedModel has no graph with these tags; those that there are are named.
        OSError: if there is no SavedModel.
    """
    return SavedModelLoader(export_dir).load(sess, tags, import_scope, **saver_kwargs)


class SavedModelLoader:
    """Loads a SavedModel in steps."""

    def __init__(self, export_dir: Any) -> None:
        self._export_dir = convert.as_text(os.fspath(export_dir))
        self._variables_path = savedmodel.variables_prefix(self._export_dir)
        self._saved_model = parse_saved_model(self._export_dir)

    @property
    def export_dir(self) -> str:
        return self._export_dir

    @property
    def variables_path(self) -> str:
        return self._variables_path

    @property
    def saved_model(self) -> Any:
        return self._saved_model

    def get_meta_graph_def_from_tags(self, tags: Any) -> Any:
        """The `MetaGraphDef` whose tags are exactly `tags`."""
        there = []
        for found in self._saved_model.meta_graphs:
            there.append(set(found.meta_info_def.tags))
            if there[-1] == set(tags):
                return found
        raise RuntimeError(
            f"MetaGraphDef associated with tags {str(tags).strip('[]')} could not be found in SavedModel. To inspect "
            "available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`\n"
            f"available_tags: {there}"
        )

    def load_graph(self, graph: Graph, tags: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
        """Add the ops to `graph`; gives the saver and the elements asked for with `return_elements`."""
        found = self.get_meta_graph_def_from_tags(tags)
        with graph.as_default():
            return import_meta_graph_with_return_elements(found, import_scope=import_scope, **saver_kwargs)

    def restore_variables(self, sess: Any, saver: Any, import_scope: str | None = None) -> None:
        """Give the variables their values."""
        with sess.graph.as_default():
            if saver is None and not saveable_objects(scope=import_scope):
                log.info("The specified SavedModel has no variables; no checkpoints were restored.")
            elif isinstance(saver, Saver):
                saver.restore(sess, self._variables_path)
            else:
                raise ValueError(
                    "No tf.train.Saver object was passed to the function SavedModelLoader.restore_variables. Since "
                    "there are variables in the graph, a saver is required."
                )

    def run_init_ops(self, sess: Any, tags: Any, import_scope: str | None = None) -> None:
        """Run the initializer, with the paths of the assets."""
        found = self.get_meta_graph_def_from_tags(tags)
        with sess.graph.as_default():
            paths = assets.asset_tensors(self._export_dir, found, import_scope)
            init_op = get_init_op(found, import_scope)
            if init_op is not None:
                sess.run([init_op], paths)

    def load(self, sess: Any, tags: Any, import_scope: str | None = None, **saver_kwargs: Any) -> Any:
        """All three steps."""
        with sess.graph.as_default():
            saver, _ = self.load_graph(sess.graph, tags, import_scope, **saver_kwargs)
            self.restore_variables(sess, saver, import_scope)
            self.run_init_ops(sess, tags, import_scope)
        return self.get_meta_graph_def_from_tags(tags)


def _from_collection(meta_graph_def: Any, key: str) -> Any:
    if key not in meta_graph_def.collection_def:
        return None
    names = meta_graph_def.collection_def[key].node_list.value
    if len(names) != 1:
        raise RuntimeError(f"Expected exactly one SavedModel init op. Found: {list(names)}")
    return get_default_graph().get_collection(key)[0]


def _from_signature(meta_graph_def: Any, key: str, import_scope: str | None) -> Any:
    if key not in meta_graph_def.signature_def:
        return None
    return load_op_from_signature_def(meta_graph_def.signature_def[key], key, import_scope)


def get_init_op(meta_graph_def: Any, import_scope: str | None = None) -> Any:
    """The op to run after loading, in the default graph; None if there is none."""
    for found in (
        _from_signature(meta_graph_def, constants.INIT_OP_SIGNATURE_KEY, import_scope),
        _from_collection(meta_graph_def, constants.MAIN_OP_KEY),
        _from_collection(meta_graph_def, constants.LEGACY_INIT_OP_KEY),
    ):
        if found is not None:
            return found
    return None


def get_train_op(meta_graph_def: Any, import_scope: str | None = None) -> Any:
    """The op of a training step, in the default graph; None if there is none."""
    found = _from_signature(meta_graph_def, constants.TRAIN_OP_SIGNATURE_KEY, import_scope)
    return _from_collection(meta_graph_def, constants.TRAIN_OP_KEY) if found is None else found


# Initializers


@public("saved_model.main_op.main_op")
def main_op() -> Operation:
    """An op that initializes all variables and tables of the default graph."""
    init, init_local = global_variables_initializer(), local_variables_initializer()
    tables = get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS)
    init_tables = group(*tables, name="init_all_tables") if tables else no_op(name="init_all_tables")
    return group(init, init_local, init_tables)


@public("saved_model.main_op_with_restore", "saved_model.main_op.main_op_with_restore")
def main_op_with_restore(restore_op_name: Any) -> Operation:
    """An op that initializes all variables and tables, and then restores."""
    with control_dependencies([main_op()]):
        return group(restore_op_name)
