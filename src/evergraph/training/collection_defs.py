"""Collections of a graph as messages of a `MetaGraphDef`, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from evergraph.framework import convert, log
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.proto_functions import get_collection_proto_type, proto_functions, register_proto_function
from evergraph.framework.scopes import GraphKeys
from evergraph.ops import control_flow_protos
from evergraph.ops.variables import Variable, prepend_name_scope, strip_name_scope

assert control_flow_protos  # registers the collections of contexts

UNBOUND_INPUT_PREFIX = "$unbound_inputs_"

_VARIABLES = (
    GraphKeys.GLOBAL_VARIABLES,
    GraphKeys.TRAINABLE_VARIABLES,
    GraphKeys.MOVING_AVERAGE_VARIABLES,
    GraphKeys.LOCAL_VARIABLES,
    GraphKeys.MODEL_VARIABLES,
    GraphKeys.GLOBAL_STEP,
    GraphKeys.METRIC_VARIABLES,
)


def _variable_to_proto(variable: Any, export_scope: str | None = None) -> Any:
    return variable.to_proto(export_scope=export_scope)


for _key in _VARIABLES:
    register_proto_function(_key, "VariableDef", _variable_to_proto, Variable.from_proto)


def is_included(item: Any, export_scope: str | None, exclude_nodes: Any = None) -> bool:
    """Whether an item, or what is called so, is exported: it is inside of `export_scope` and not excluded."""
    name = item if isinstance(item, str) else getattr(item, "name", None)
    if not isinstance(name, str):
        return True
    if exclude_nodes and (name in exclude_nodes or name.partition(":")[0] in exclude_nodes):
        return False
    return not export_scope or name.startswith((UNBOUND_INPUT_PREFIX, export_scope))


def add_collection_def(
    meta_graph_def: Any,
    key: Any,
    graph: Graph | None = None,
    export_scope: str | None = None,
    exclude_nodes: Any = None,
    override_contents: Any = None,
) -> None:
    """Put a collection into a `MetaGraphDef`. One that cannot be written is left out, with a warning.

    Args:
        meta_graph_def: the message.
        key: which collection.
        graph: whose; by default the default graph's.
        export_scope: a scope to take off the names; what is outside of it is left out.
        exclude_nodes: names of ops to leave out.
        override_contents: what to write in place of the collection's own items.
    """
    if graph is not None and not isinstance(graph, Graph):
        raise TypeError(f"graph must be of type Graph, not {type(graph)}")
    if not isinstance(key, str | bytes):
        log.warn("Only collections with string type keys will be serialized. This key has %s", type(key))
        return
    graph = graph or get_default_graph()
    items = override_contents or graph.get_collection(key)
    items = [item for item in items if is_included(item, export_scope, exclude_nodes)]
    if not items:
        return
    made = type(meta_graph_def)().collection_def["x"]
    try:
        _fill(made, convert.as_text(key), items, export_scope)
    except Exception as error:
        log.warn(
            "Issue encountered when serializing %s.\nType is unsupported, or the types of the items don't match field "
            "type in CollectionDef. Note this is a warning and probably safe to ignore.\n%s",
            key,
            error,
        )
        return
    meta_graph_def.collection_def[convert.as_text(key)].CopyFrom(made)


def _fill(made: Any, key: str, items: list[Any], export_scope: str | None) -> None:
    to_proto = proto_functions(key).to_proto
    if to_proto is not None:
        for item in items:
            message = to_proto(item, export_scope=export_scope)
            if message is not None:
                made.bytes_list.value.append(message.SerializeToString())
        return
    first = items[0]
    if isinstance(first, str | bytes):
        made.bytes_list.value.extend(convert.as_bytes(item) for item in items)
    elif isinstance(first, int):
        made.int64_list.value.extend(items)
    elif isinstance(first, float):
        made.float_list.value.extend(items)
    elif getattr(getattr(first, "DESCRIPTOR", None), "full_name", "") == "google.protobuf.Any":
        for item in items:
            made.any_list.value.add().ParseFromString(item.SerializeToString())
    else:
        names = [item.name for item in items if not export_scope or item.name.startswith(export_scope)]
        made.node_list.value.extend(strip_name_scope(name, export_scope) for name in names)


def restore_collections(
    meta_graph_def: Any, graph: Graph, scope: str, wanted: Callable[[str], bool], skipped: str | None
) -> None:
    """Put the collections of an imported `MetaGraphDef` into `graph`; its ops are under `scope` there."""
    collections = dict(meta_graph_def.collection_def.items())
    keys = sorted(collections, key=lambda key: (key != GraphKeys.TRAINABLE_VARIABLES, key))
    version = re.match(r"(\d+)\.(\d+)", meta_graph_def.meta_info_def.tensorflow_version)
    says_trainable = version is None or (int(version[1]), int(version[2])) >= (1, 9)
    variables: dict[bytes, Any] = {}
    for key in keys:
        if key == skipped or not wanted(key):
            continue
        collection = collections[key]
        kind = collection.WhichOneof("kind")
        if kind is None:
            log.error("Cannot identify data type for collection %s. Skipping.", key)
            continue
        values = getattr(collection, kind).value
        from_proto = proto_functions(key).from_proto
        if from_proto is not None and kind == "bytes_list":
            for value in values:
                is_variable = key in GraphKeys._VARIABLE_COLLECTIONS
                made = variables.get(value) if is_variable else None
                if made is None:
                    message = get_collection_proto_type(key)()
                    try:
                        message.ParseFromString(value)
                    except Exception as error:  # protobuf's own class has no public name that all its releases share
                        raise ValueError(f"an entry of the collection {key!r} cannot be read: {error}") from None
                    if is_variable and not says_trainable:
                        message.trainable = key == GraphKeys.TRAINABLE_VARIABLES
                    made = from_proto(message, import_scope=scope)
                    if is_variable:
                        variables[value] = made
                graph.add_to_collection(key, made)
        elif kind == "node_list":
            for value in values:
                graph.add_to_collection(key, graph.as_graph_element(prepend_name_scope(value, scope)))
        elif kind == "bytes_list":
            for value in values:
                graph.add_to_collection(key, _scoped(value, scope))
        elif kind == "int64_list":
            for value in values:
                graph.add_to_collection(key, int(value))
        else:
            for value in values:
                graph.add_to_collection(key, value)


def _scoped(value: bytes, scope: str) -> Any:
    return (
        prepend_name_scope(value.decode("utf-8", "surrogateescape"), scope).encode("utf-8", "surrogateescape")
        if scope
        else value
    )
