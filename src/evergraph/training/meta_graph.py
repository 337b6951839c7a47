"""MetaGraphDef: a graph with its collections, its saver and the version of what wrote it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from evergraph.formats import files, large_constants
from evergraph.formats.graph_import import import_graph_def
from evergraph.formats.graphdef import attr_from_proto, attr_to_proto
from evergraph.formats.text import from_text
from evergraph.framework import opdefs
from evergraph.framework.api import public
from evergraph.framework.codec import codec
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.proto_functions import get_from_proto_function, message_class
from evergraph.framework.scopes import GraphKeys
from evergraph.ops.variables import prepend_name_scope, strip_name_scope
from evergraph.training.collection_defs import (
    UNBOUND_INPUT_PREFIX,
    add_collection_def,
    is_included,
    restore_collections,
)
from evergraph.training.graph_io import write_graph

VERSION, GIT_VERSION = "1.15.5", "evergraph"
SAVE_AND_RESTORE_OPS = (
    "SaveV2", "Save", "SaveSlice", "LegacySave", "LegacySaveSlice", "RestoreV2", "Restore", "RestoreSlice",
    "LegacyRestore", "LegacyRestoreSlice",
)  # fmt: skip


def _messages() -> Any:
    from evergraph.formats import messages

    return messages


message_class[:] = [lambda name: getattr(_messages(), name)]


def is_message(value: Any, name: str) -> bool:
    """Whether `value` is a message of TensorFlow's of that name, ours or TensorFlow's own."""
    return getattr(getattr(value, "DESCRIPTOR", None), "full_name", "") == f"tensorflow.{name}"


# Making one


def ops_used_by_graph_def(graph_def: Any) -> list[str]:
    """The types of the ops in a `GraphDef`, in its functions too."""
    functions = {function.signature.name: function for function in graph_def.library.function}
    used: dict[str, None] = {}
    waiting: list[Any] = [graph_def.node]
    while waiting:
        for node in waiting.pop():
            if node.op not in used and node.op in functions:
                waiting.append(functions[node.op].node_def)
            used[node.op] = None
    return [kind for kind in used if kind not in functions]


def stripped_op_list_for_graph(graph_def: Any) -> Any:
    """The OpDefs of all ops in a `GraphDef`, an `OpList`.

    Raises:
        ValueError: for an unknown op.
    """
    found = _messages().OpList()
    for kind in sorted(ops_used_by_graph_def(graph_def)):
        opdef = opdefs.lookup(kind)
        if opdef is None:
            if kind in ("_Arg", "_Retval", "_ListToArray", "_ArrayToList"):
                continue
            raise ValueError(f"Op {kind} is used by the graph, but is not registered")
        found.op.append(codec().op_def(opdef))
    return found


def strip_graph_default_valued_attrs(meta_graph_def: Any) -> None:
    """Take attributes at their defaults out of the graph: a reader that does not know them can then read it."""
    functions = {function.signature.name for function in meta_graph_def.graph_def.library.function}
    nodes = [*meta_graph_def.graph_def.node]
    for function in meta_graph_def.graph_def.library.function:
        nodes.extend(function.node_def)
    for node in nodes:
        opdef = None if node.op in functions else opdefs.lookup(node.op)
        if opdef is None:
            continue
        for name in list(node.attr):
            attr = opdef.attr_map.get(name)
            if attr is not None and attr.has_default and attr.type != "tensor":
                if attr_from_proto(node.attr[name]) == attr.default:
                    del node.attr[name]
    meta_graph_def.meta_info_def.stripped_default_attrs = True


def create_meta_graph_def(
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Any = None,
    graph: Graph | None = None,
    export_scope: str | None = None,
    exclude_nodes: Any = None,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
) -> Any:
    """A `MetaGraphDef` of a graph, or of a `GraphDef` with the collections of a graph.

    Raises:
        TypeError: for an argument of the wrong type.
    """
    if graph is not None and not isinstance(graph, Graph):
        raise TypeError(f"graph must be of type Graph, not {type(graph)}")
    for argument, value, name in (
        ("meta_info_def", meta_info_def, "MetaGraphDef.MetaInfoDef"),
        ("graph_def", graph_def, "GraphDef"),
        ("saver_def", saver_def, "SaverDef"),
    ):
        if value and not is_message(value, name):
            raise TypeError(f"{argument} must be of type {name.split('.')[-1]}, not {type(value)}")
    graph = graph or get_default_graph()
    made = _messages().MetaGraphDef()
    info = made.meta_info_def
    if meta_info_def:
        info.MergeFromString(meta_info_def.SerializeToString())
    info.tensorflow_version, info.tensorflow_git_version = VERSION, GIT_VERSION
    given = graph.as_graph_def(add_shapes=True) if graph_def is None else graph_def
    if type(given) is type(made.graph_def):
        made.graph_def.CopyFrom(given)
    else:
        made.graph_def.ParseFromString(given.SerializeToString())
    if not info.stripped_op_list.op:
        info.stripped_op_list.CopyFrom(stripped_op_list_for_graph(made.graph_def))
    if strip_default_attrs:
        strip_graph_default_valued_attrs(made)
    if saver_def:
        made.saver_def.ParseFromString(saver_def.SerializeToString())
    for key in graph.get_all_collection_keys() if collection_list is None else collection_list:
        override = None
        if clear_extraneous_savers and key == GraphKeys.SAVERS:
            override = [get_from_proto_function(key)(saver_def)]
        add_collection_def(made, key, graph, export_scope, exclude_nodes, override)
    return made


# Exporting


def _scope_of(name: str) -> str:
    return name.removeprefix("^").rpartition("/")[0]


def _find_extraneous_saver_nodes(graph_def: Any, saver_def: Any) -> set[str]:
    """The ops of savers other than that of `saver_def`: all in the scopes where there are ops that save."""
    kept = set()
    if saver_def is not None:
        kept = {_scope_of(saver_def.save_tensor_name) + "/", _scope_of(saver_def.restore_op_name) + "/"}
    savers = {node.name for node in graph_def.node if node.op in SAVE_AND_RESTORE_OPS}
    scopes = tuple({_scope_of(name) + "/" for name in savers if _scope_of(name) not in savers} - kept)
    return {node.name for node in graph_def.node if node.name.startswith(scopes)} if scopes else set()


def _exported_node(node: Any, export_scope: str | None, unbound: list[str], clear_devices: bool) -> Any:
    """A copy of a node without `export_scope` in its names; inputs from outside are marked, and noted in `unbound`."""
    made = type(node)()
    made.CopyFrom(node)
    made.name = strip_name_scope(node.name, export_scope)
    for i, text in enumerate(node.input):
        if export_scope and not text.lstrip("^").startswith(export_scope):
            mark = "^" if text.startswith("^") else ""
            made.input[i] = mark + UNBOUND_INPUT_PREFIX + text.removeprefix("^")
            unbound.append(made.input[i])
        else:
            made.input[i] = strip_name_scope(text, export_scope)
    if export_scope and "_class" in node.attr:
        groups = [g.decode() for g in node.attr["_class"].list.s]
        inside = [g for g in groups if g.partition("@")[2].startswith(export_scope)]
        made.attr["_class"].list.s[:] = [strip_name_scope(g, export_scope).encode() for g in inside]
    if export_scope and node.op in ("Enter", "RefEnter"):
        frame = node.attr["frame_name"].s.decode()
        if frame.startswith(export_scope):
            made.attr["frame_name"].s = strip_name_scope(frame, export_scope).encode()
    if clear_devices:
        made.device = ""
    return made


def export_scoped_meta_graph(
    filename: str | None = None,
    graph_def: Any = None,
    graph: Graph | None = None,
    export_scope: str | None = None,
    as_text: bool = False,
    unbound_inputs_col_name: str | None = "unbound_inputs",
    clear_devices: bool = False,
    saver_def: Any = None,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> tuple[Any, dict[str, Any]]:
    """As `export_meta_graph`; gives the exported variables too, by their names without the scope."""
    graph = graph or get_default_graph()
    exclude_nodes = None
    unbound: list[str] = []
    if export_scope or clear_extraneous_savers or clear_devices:
        source = graph.as_graph_def(add_shapes=True) if graph_def is None else graph_def
        if clear_extraneous_savers:
            exclude_nodes = _find_extraneous_saver_nodes(source, saver_def)
        graph_def = type(source)()
        graph_def.versions.CopyFrom(source.versions)
        graph_def.library.CopyFrom(source.library)
        graph_def.node.extend(
            _exported_node(node, export_scope, unbound, clear_devices)
            for node in source.node
            if is_included(node.name, export_scope, exclude_nodes)
        )
        if unbound_inputs_col_name:
            graph.clear_collection(unbound_inputs_col_name)
            for name in unbound:
                graph.add_to_collection(unbound_inputs_col_name, name)
    variables = {
        strip_name_scope(v.name, export_scope): v
        for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES, scope=export_scope)
        if is_included(v, export_scope, exclude_nodes)
    }
    made = create_meta_graph_def(
        graph_def=graph_def,
        graph=graph,
        export_scope=export_scope,
        exclude_nodes=exclude_nodes,
        clear_extraneous_savers=clear_extraneous_savers,
        saver_def=saver_def,
        strip_default_attrs=strip_default_attrs,
        **kwargs,
    )
    if filename:
        directory, name = os.path.split(filename)
        write_graph(made, directory, name, as_text=as_text)
        if save_debug_info:
            exported = [prepend_name_scope(node.name, export_scope) for node in made.graph_def.node]
            debug = create_graph_debug_info_def([("", graph.get_operation_by_name(n)) for n in exported])
            write_graph(debug, directory, os.path.splitext(name)[0] + ".debug", as_text=as_text)
    return made, variables


def create_graph_debug_info_def(operations: list[tuple[str, Any]]) -> Any:
    """Where each op was built, as a `GraphDebugInfo`; each comes with what to put before its name."""
    made = _messages().GraphDebugInfo()
    numbers: dict[str, int] = {}
    for before, op in operations:
        trace = made.traces[before + op.name]
        for path, line, _, _ in reversed(op.traceback):
            trace.file_line_cols.add(file_index=numbers.setdefault(path, len(numbers)), line=line)
    made.files.extend(numbers)
    return made


@public("train.export_meta_graph")
def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Any = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> Any:
    """A graph as a `MetaGraphDef`, written to a file if one is named.

    Args:
        filename: the file.
        meta_info_def: a `MetaInfoDef` message to put in.
        graph_def: a `GraphDef` in place of the graph's own.
        saver_def: the `SaverDef` to put in.
        collection_list: the keys of the collections to put in; all by default.
        as_text: whether the file is text.
        graph: the graph; the default graph if None.
        export_scope: a name scope: only what is in it is exported, under names without it.
        clear_devices: whether to leave out on which devices ops are.
        clear_extraneous_savers: whether to leave out the ops of savers other than that of `saver_def`.
        strip_default_attrs: whether to leave out attributes at their defaults.
        save_debug_info: whether to write where each op was built to a file beside the other.

    >>> x = tf.placeholder(tf.float32, name="x")
    >>> tf.train.export_meta_graph().graph_def.node[0].name
    'x'
    """
    return export_scoped_meta_graph(
        filename=filename,
        meta_info_def=meta_info_def,
        graph_def=graph_def,
        saver_def=saver_def,
        collection_list=collection_list,
        as_text=as_text,
        graph=graph,
        export_scope=export_scope,
        clear_devices=clear_devices,
        clear_extraneous_savers=clear_extraneous_savers,
        strip_default_attrs=strip_default_attrs,
        save_debug_info=save_debug_info,
        **kwargs,
    )[0]


# Importing


def read_meta_graph_file(filename: str) -> Any:
    """Read a `MetaGraphDef` from a file, bytes or text.

    Raises:
        OSError: if there is no such file, or it is neither.
    """
    if not os.path.exists(filename):
        raise OSError(f"File {filename} does not exist.")
    contents = files.read_file(filename)
    kind = _messages().MetaGraphDef
    try:
        return large_constants.from_file(filename, kind.FromString(contents))
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        problem = error
    try:
        return large_constants.from_file(filename, from_text(contents.decode("utf-8"), kind))
    except ValueError as error:
        raise OSError(f"Cannot parse file {filename}: neither as bytes ({problem}) nor as text ({error})") from None


def import_scoped_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: Any = None,
    unbound_inputs_col_name: str | None = "unbound_inputs",
    restore_collections_predicate: Callable[[str], bool] = lambda key: True,
) -> dict[str, Any]:
    """Add a `MetaGraphDef` to a graph; gives its global variables by name, without `import_scope`."""
    return import_scoped_meta_graph_with_return_elements(
        meta_graph_or_file,
        clear_devices,
        graph,
        import_scope,
        input_map,
        unbound_inputs_col_name,
        restore_collections_predicate,
    )[0]


def import_scoped_meta_graph_with_return_elements(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: Any = None,
    unbound_inputs_col_name: str | None = "unbound_inputs",
    restore_collections_predicate: Callable[[str], bool] = lambda key: True,
    return_elements: Any = None,
) -> tuple[dict[str, Any], Any]:
    """As `import_scoped_meta_graph`; gives the elements named by `return_elements` too.

    Raises:
        ValueError: if inputs from outside are not in `input_map`.
    """
    found = (
        meta_graph_or_file
        if is_message(meta_graph_or_file, "MetaGraphDef")
        else read_meta_graph_file(meta_graph_or_file)
    )
    if unbound_inputs_col_name and unbound_inputs_col_name in found.collection_def:
        collection = found.collection_def[unbound_inputs_col_name]
        names = [
            n.decode() if isinstance(n, bytes) else n for n in getattr(collection, collection.WhichOneof("kind")).value
        ]
        if names and (not input_map or sorted(names) != sorted(input_map)):
            missing = ",".join(name for name in names if not input_map or name not in input_map)
            raise ValueError(f"Graph contains unbound inputs: {missing}. Must provide these inputs through input_map.")
    graph = graph or get_default_graph()
    graph_def = found.graph_def
    if clear_devices:
        graph_def = type(graph_def)()
        graph_def.CopyFrom(found.graph_def)
        for node in graph_def.node:
            node.device = ""
    if found.meta_info_def.stripped_default_attrs:
        _put_defaults_back(graph_def)
    with graph.as_default():
        scope = graph.unique_name(import_scope or "", mark_as_used=False)
        elements = import_graph_def(
            graph_def, name=import_scope or scope, input_map=input_map, return_elements=return_elements
        )
        restore_collections(found, graph, scope, restore_collections_predicate, unbound_inputs_col_name)
        variables = {
            strip_name_scope(v.name, scope): v for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES, scope=scope)
        }
    return variables, elements


def _put_defaults_back(graph_def: Any) -> None:
    """Complete the attributes of the message itself, as TensorFlow does: programs look at it after loading."""
    for node in graph_def.node:
        opdef = opdefs.lookup(node.op)
        for attr in opdef.attrs if opdef is not None else ():
            if attr.has_default and attr.name not in node.attr and attr.type != "tensor":
                node.attr[attr.name].ParseFromString(attr_to_proto(attr.default, attr.type).SerializeToString())


def copy_scoped_meta_graph(
    from_scope: str, to_scope: str, from_graph: Graph | None = None, to_graph: Graph | None = None
) -> dict[str, Any]:
    """Copy all ops of a name scope into another, of the same graph or another one.

    Raises:
        ValueError: if it is the same scope of the same graph.
    """
    from_graph = from_graph or get_default_graph()
    to_graph = to_graph or get_default_graph()
    if from_graph is to_graph and from_scope == to_scope:
        raise ValueError("'from_scope' and 'to_scope' need to be different when performing copy in the same graph.")
    exported, _ = export_scoped_meta_graph(export_scope=from_scope, graph=from_graph)
    return import_scoped_meta_graph(exported, graph=to_graph, import_scope=to_scope)
