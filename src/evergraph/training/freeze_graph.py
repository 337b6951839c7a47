"""A graph file and a checkpoint, or a SavedModel, as one graph whose variables are constants."""

from __future__ import annotations

import os
import re
from typing import Any

from evergraph.formats import files, large_constants, messages
from evergraph.formats.graph_import import import_graph_def
from evergraph.formats.text import from_text
from evergraph.runtime.session import Session
from evergraph.training.checkpoint_management import checkpoint_exists
from evergraph.training.checkpoint_reader import NewCheckpointReader
from evergraph.training.graph_util import convert_variables_to_constants
from evergraph.training.meta_graph_import import import_meta_graph
from evergraph.training.saved_model.constants import SERVING
from evergraph.training.saved_model.loader import SavedModelLoader, load
from evergraph.training.saver import Saver
from evergraph.training.saver_builder import V2


def _names(text: Any) -> list[str]:
    """`a, b` or a list of names."""
    return text.replace(" ", "").split(",") if isinstance(text, str) else list(text)


def freeze_graph_with_def_protos(
    input_graph_def: Any,
    input_saver_def: Any,
    input_checkpoint: Any,
    output_node_names: Any,
    restore_op_name: Any,
    filename_tensor_name: Any,
    output_graph: Any,
    clear_devices: bool,
    initializer_nodes: Any,
    variable_names_whitelist: Any = "",
    variable_names_blacklist: Any = "",
    input_meta_graph_def: Any = None,
    input_saved_model_dir: Any = None,
    saved_model_tags: Any = None,
    checkpoint_version: int = V2,
) -> Any:
    """As `freeze_graph`, with messages in place of files. The graph is built in the default graph.

    Raises:
        ValueError: if there is no such checkpoint, no output is named, or the graph has no variables.
    """
    if not input_saved_model_dir and not checkpoint_exists(input_checkpoint):
        raise ValueError(f"Input checkpoint '{input_checkpoint}' doesn't exist!")
    if not output_node_names:
        raise ValueError("You need to supply the name of a node to --output_node_names.")
    if clear_devices:
        given = input_meta_graph_def.graph_def if input_meta_graph_def else input_graph_def
        for node in given.node if given else ():
            node.device = ""
    if input_graph_def:
        import_graph_def(input_graph_def, name="")
    with Session() as sess:
        if input_saver_def:
            Saver(saver_def=input_saver_def, write_version=checkpoint_version).restore(sess, input_checkpoint)
        elif input_meta_graph_def:
            saver = import_meta_graph(input_meta_graph_def, clear_devices=True)
            assert saver is not None
            saver.restore(sess, input_checkpoint)
            if initializer_nodes:
                sess.run(_names(initializer_nodes))
        elif input_saved_model_dir:
            load(sess, saved_model_tags or [], input_saved_model_dir)
        else:
            _saver_by_name(sess, input_checkpoint, checkpoint_version).restore(sess, input_checkpoint)
            if initializer_nodes:
                sess.run(_names(initializer_nodes))
        frozen = convert_variables_to_constants(
            sess,
            input_meta_graph_def.graph_def if input_meta_graph_def else input_graph_def,
            _names(output_node_names),
            variable_names_whitelist=_names(variable_names_whitelist) if variable_names_whitelist else None,
            variable_names_blacklist=_names(variable_names_blacklist) if variable_names_blacklist else None,
        )
    if output_graph:
        files.write_file(output_graph, large_constants.to_file(output_graph, frozen).SerializeToString())
    return frozen


def _saver_by_name(sess: Any, checkpoint: Any, version: int) -> Saver:
    """A saver of what the graph and the checkpoint both have."""
    graph = sess.graph
    names = NewCheckpointReader(checkpoint).get_variable_to_shape_map()
    variables = {name: graph.get_tensor_by_name(name + ":0") for name in names if name in graph._by_name}
    parts = [op.name for op in graph.get_operations() if re.search(r"/part_\d+/", op.name)]
    try:
        return Saver(var_list=variables, write_version=version)
    except (TypeError, ValueError):
        if any(name in part for name in variables for part in parts):
            raise ValueError(
                "Models containing partition variables cannot be converted from checkpoint files. Please pass in a "
                "SavedModel using the flag --input_saved_model_dir."
            ) from None
        if not any(op.type.startswith("Variable") or op.type.endswith("VariableOp") for op in graph.get_operations()):
            raise ValueError(
                "No variables were found in this model. It is likely the model was frozen previously. You cannot "
                "freeze a graph twice."
            ) from None
        raise


def _message(path: str, kind: Any, binary: bool, what: str) -> Any:
    if not os.path.exists(path):
        raise OSError(f"Input {what} file '{path}' does not exist!")
    contents = files.read_file(path)
    found = kind.FromString(contents) if binary else from_text(contents.decode("utf-8"), kind)
    return large_constants.from_file(path, found)


def freeze_graph(
    input_graph: Any,
    input_saver: Any,
    input_binary: bool,
    input_checkpoint: Any,
    output_node_names: Any,
    restore_op_name: Any,
    filename_tensor_name: Any,
    output_graph: Any,
    clear_devices: bool,
    initializer_nodes: Any,
    variable_names_whitelist: Any = "",
    variable_names_blacklist: Any = "",
    input_meta_graph: Any = None,
    input_saved_model_dir: Any = None,
    saved_model_tags: str = SERVING,
    checkpoint_version: int = V2,
) -> Any:
    """Write a graph with constants in place of variables.

    Args:
        input_graph: the file of the graph.
        input_saver: a file with a `SaverDef`, or "".
        input_binary: whether these are bytes rather than text.
        input_checkpoint: the checkpoint.
        output_node_names: the outputs wanted, separated by commas.
        restore_op_name, filename_tensor_name: not used.
        output_graph: the file to write, or "".
        clear_devices: whether to forget on which devices ops are.
        initializer_nodes: ops to run before, separated by commas.
        variable_names_whitelist, variable_names_blacklist: the only variables to replace, or those to leave.
        input_meta_graph: a file with a `MetaGraphDef`, in place of `input_graph`.
        input_saved_model_dir: a SavedModel, in place of graph and checkpoint.
        saved_model_tags: its tags, separated by commas.
        checkpoint_version: not used in restoring.

    Returns:
        The `GraphDef` that was written.
    """
    graph_def = None
    if input_saved_model_dir:
        loader = SavedModelLoader(input_saved_model_dir)
        graph_def = loader.get_meta_graph_def_from_tags(_names(saved_model_tags)).graph_def
    elif input_graph:
        graph_def = _message(input_graph, messages.GraphDef, input_binary, "graph")
    meta = _message(input_meta_graph, messages.MetaGraphDef, input_binary, "meta graph") if input_meta_graph else None
    saver_def = _message(input_saver, messages.SaverDef, input_binary, "saver") if input_saver else None
    return freeze_graph_with_def_protos(
        graph_def,
        saver_def,
        input_checkpoint,
        output_node_names,
        restore_op_name,
        filename_tensor_name,
        output_graph,
        clear_devices,
        initializer_nodes,
        variable_names_whitelist,
        variable_names_blacklist,
        meta,
        input_saved_model_dir,
        _names(saved_model_tags),
        checkpoint_version=checkpoint_version,
    )
