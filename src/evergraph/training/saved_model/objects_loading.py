"""`tf.saved_model.load_v2`: the objects of a SavedModel, as `tf.saved_model.save` and TensorFlow 2 write them.

A SavedModel of this kind holds, beside a graph, a graph of objects: variables, functions, lists and dicts, tables, and
objects whose attributes they are. Each is made anew in the default graph. A variable's initializer reads its value from
the SavedModel, so `tf.global_variables_initializer()` restores them; tables join `tf.tables_initializer()`.
"""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import savedmodel
from evergraph.formats.checkpoint import open_checkpoint
from evergraph.formats.tensors import proto_to_array
from evergraph.framework import convert, dtypes, errors, nest
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies, device, init_scope, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.ops.assets import TrackableAsset
from evergraph.ops.constant import constant
from evergraph.ops.functions.library import from_library
from evergraph.ops.opdef import raw_op
from evergraph.ops.variables import Variable, VariableAggregation, VariableSynchronization
from evergraph.training.object_names import read_object_graph
from evergraph.training.saved_model.graphs_as_objects import load_graph_as_object
from evergraph.training.saved_model.loaded_names import with_own_names
from evergraph.training.saved_model.loader import parse_saved_model
from evergraph.training.saved_model.restored_functions import LibraryFunction, RestoredFunction, SignatureFunction
from evergraph.training.saved_model.restored_objects import (
    CallableObject,
    RestoredObject,
    RestoredResource,
    SignatureMap,
)
from evergraph.training.saved_model.structures import NotEncodableError
from evergraph.training.tracking.trackable import VARIABLE_VALUE, AutoTrackable, List, TrackableMapping

_TABLE = "table"  # what the entries of a table are called among the values of an object


@public("saved_model.load_v2", "compat.v2.saved_model.load")
def load_v2(export_dir: Any, tags: Any = None) -> Any:
    """Load the objects of a SavedModel, or its graph as an object.

    Args:
        export_dir: its directory.
        tags: those of its graph. They may be left out if there is just one.

    Returns:
        The object that was saved. Its `signatures` are functions that take tensors by keyword and give a dict. If there
        are graphs alone (`simple_save`, `SavedModelBuilder`), an object with `signatures`, `variables`, `asset_paths`,
        `graph`, and `prune(feeds, fetches)`, which makes a function of any part of the graph.

        The initializers of variables restore them, and `tf.tables_initializer()` fills tables.

    Raises:
        OSError: if there is no SavedModel.
        ValueError, RuntimeError: for other tags; those that there are are named.
        DataLossError: for objects or a graph that refer to what is not there.

    >>> class Scale(tf.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.by = tf.get_variable("by", initializer=3.0, use_resource=True)
    ...
    ...     @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    ...     def __call__(self, x):
    ...         return x * self.by
    >>> model = Scale()
    >>> sess.run(tf.global_variables_initializer())
    >>> with sess.as_default():
    ...     tf.saved_model.save(model, folder + "/scale")
    >>> with tf.Graph().as_default(), tf.Session() as other:
    ...     loaded = tf.saved_model.load_v2(folder + "/scale")
    ...     y = loaded(tf.constant([1.0, 2.0]))
    ...     other.run(tf.global_variables_initializer())
    ...     other.run(y)
    array([3., 6.], dtype=float32)
    """
    directory = convert.as_text(os.fspath(export_dir))
    if tags is not None:
        tags = [convert.as_text(tag) for tag in (sorted(tags) if isinstance(tags, set) else nest.flatten(tags))]
    meta_graphs = parse_saved_model(directory).meta_graphs
    has_objects = len(meta_graphs) == 1 and meta_graphs[0].HasField("object_graph_def")
    if has_objects:
        there = set(meta_graphs[0].meta_info_def.tags)
        if tags is not None and set(tags) != there:
            raise ValueError(
                f"The SavedModel at {directory} has one MetaGraph with tags {sorted(there)}, but got an incompatible "
                f"argument tags={tags} to tf.saved_model.load. You may omit it, pass 'None', or pass matching "
                "tags."
            )
    try:
        with init_scope():
            if has_objects:
                root, meta_graph = _Loader(directory, meta_graphs[0]).load(), meta_graphs[0]
                root.graph = get_default_graph()
            else:
                root, meta_graph = load_graph_as_object(directory, tags)
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, NotEncodableError) as error:
        what = "objects" if has_objects else "graph"
        raise errors.DataLossError(None, None, f"{directory}: damaged {what}: {error!r}") from error
    root.tensorflow_version = meta_graph.meta_info_def.tensorflow_version
    root.tensorflow_git_version = meta_graph.meta_info_def.tensorflow_git_version
    return root


class _Loader:
    def __init__(self, directory: str, meta_graph: Any) -> None:
        self._directory, self._meta_graph = directory, meta_graph
        self._nodes = meta_graph.object_graph_def.nodes
        self._saved = meta_graph.object_graph_def.concrete_functions
        self._prefix = savedmodel.variables_prefix(directory)
        self._values = {node.name: node for node in meta_graph.graph_def.node if node.op == "Const"}

    def load(self) -> Any:
        self._functions = self._load_library()
        self._keys = self._checkpoint_keys()
        with name_scope(None):
            self._objects = [self._made(number, node) for number, node in enumerate(self._nodes)]
        for thing, node in zip(self._objects, self._nodes, strict=True):
            for child in node.children:
                self._attach(thing, child.local_name, self._objects[child.node_id])
        for thing in self._objects:
            if isinstance(thing, RestoredResource):
                with device(thing._resource_device or None):
                    thing.resource_handle = thing.__dict__["_create_resource"]()
        for name, function in self._functions.items():
            function.captures = [self._captured(i, function) for i in self._saved[name].bound_inputs]
        for number, thing in enumerate(self._objects):
            if isinstance(thing, RestoredResource):
                for op in self._filled(number, thing):
                    get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
        return self._objects[0]

    # Functions

    def _load_library(self) -> dict[str, LibraryFunction]:
        """Add the functions to the graph, under names of their own; gives those that objects name."""
        graph_def, names = with_own_names(self._meta_graph.graph_def, get_default_graph())
        made = {f.name: f for f in from_library(graph_def.library)}
        for function in made.values():
            function.add_to_graph(get_default_graph())
        found = {}
        for old, saved in self._saved.items():
            if old not in names:
                raise errors.DataLossError(None, None, f"{self._directory}: the function {old!r} is not in the library")
            found[old] = LibraryFunction.of_message(made[names[old]].definition.signature, saved)
        return found

    def _captured(self, number: int, function: LibraryFunction) -> Any:
        """What a call of a function passes for an object that it captured."""
        thing: Any = self._objects[number]
        if isinstance(thing, Variable) and (handle := getattr(thing, "handle", None)) is not None:
            return handle
        if isinstance(thing, TrackableAsset):
            return thing.asset_path
        if isinstance(thing, RestoredResource):
            return thing.resource_handle
        if not hasattr(thing, "dtype"):
            raise ValueError(
                f"the function {function.name!r} of {self._directory} captures {thing!r}, which is no tensor"
            )
        return thing

    # Objects

    def _made(self, number: int, node: Any) -> Any:
        match node.WhichOneof("kind"):
            case "user_object":
                match node.user_object.identifier:
                    case "signature_map":
                        return SignatureMap()
                    case "trackable_list_wrapper" | "trackable_tuple_wrapper":
                        return List()
                    case "trackable_dict_wrapper":
                        return TrackableMapping()
                return RestoredObject()
            case "asset":
                asset = self._meta_graph.asset_file_def[node.asset.asset_file_def_index]
                made = TrackableAsset(os.path.join(self._directory, savedmodel.ASSETS_DIRECTORY, asset.filename))
                get_default_graph().add_to_collection(GraphKeys.ASSET_FILEPATHS, made.asset_path)
                return made
            case "variable":
                return self._variable(number, node.variable)
            case "function":
                return RestoredFunction(node.function, self._functions)
            case "bare_concrete_function":
                bare = node.bare_concrete_function
                function = self._functions[bare.concrete_function_name]
                return SignatureFunction(function, bare.argument_keywords, bare.allowed_positional_arguments)
            case "constant":
                found = self._values.get(node.constant.operation)
                if found is None:
                    raise errors.DataLossError(
                        None, None, f"{self._directory}: there is no constant {node.constant.operation!r} in the graph"
                    )
                tensor = found.attr["value"].tensor
                return constant(proto_to_array(tensor), dtypes.as_dtype(tensor.dtype))
            case "resource":
                resource = RestoredResource()
                resource._resource_device = node.resource.device
                return resource
        return RestoredObject()  # of a kind that came later

    def _attach(self, thing: Any, name: str, child: Any) -> None:
        if isinstance(thing, List):
            if name.isdecimal():
                thing.append(child)
        elif isinstance(thing, TrackableMapping):
            thing._values[name] = child
        elif isinstance(thing, AutoTrackable):
            if name == "__call__" and isinstance(thing, RestoredObject):
                thing.__class__ = CallableObject
            if name.isidentifier() and not hasattr(type(thing), name):
                setattr(thing, name, child)
            else:
                thing._track_trackable(child, name, overwrite=True)
                thing.__dict__.setdefault(name, child)

    # Values

    def _filled(self, number: int, resource: RestoredResource) -> list[Operation]:
        """The op that fills a table: as the SavedModel says, and then with the entries in its checkpoint."""
        ops: list[Operation] = []
        if "_initialize" in resource.__dict__:
            made = resource.__dict__["_initialize"]()
            ops = [getattr(made, "op", made)]
        key = self._keys.get((number, _TABLE))
        if key is None:
            return ops
        resource._has_entries = True
        names = [f"{key}-keys", f"{key}-values"]
        with open_checkpoint(self._prefix) as reader:
            kinds = [reader.dtype(name) for name in names]
        with control_dependencies(ops):
            entries = raw_op("RestoreV2")(self._prefix, names, ["", ""], kinds, name="restored")
            return [raw_op("LookupTableImportV2")(resource.resource_handle, *entries)]

    def _variable(self, number: int, saved: Any) -> Any:
        key = self._keys.get((number, VARIABLE_VALUE))
        if key is None:
            raise errors.NotFoundError(
                None, None, f"{self._prefix}: there is no value of the variable {saved.name or number!r}"
            )
        kind, shape = dtypes.as_dtype(saved.dtype), TensorShape(saved.shape)

        def value() -> Any:
            (read,) = raw_op("RestoreV2")(self._prefix, [key], [""], [kind], name="restored")
            read.set_shape(shape)
            return read

        return Variable(
            value,
            trainable=saved.trainable,
            name=saved.name or "variable",
            dtype=kind,
            shape=shape,
            use_resource=True,
            synchronization=VariableSynchronization(saved.synchronization),
            aggregation=VariableAggregation(saved.aggregation),
        )

    def _checkpoint_keys(self) -> dict[tuple[int, str], str]:
        """Under which key each value of an object is in the checkpoint; objects are the same that have one path."""
        kinds = {node.WhichOneof("kind") for node in self._nodes}
        if kinds.isdisjoint(("variable", "resource")):
            return {}
        try:
            stored = read_object_graph(self._prefix).nodes
        except errors.NotFoundError:
            if "variable" in kinds:
                raise
            return {}
        pairs = {0: 0}
        waiting = [0]
        while waiting:
            number = waiting.pop()
            node, twin = self._nodes[number], stored[pairs[number]]
            names = {child.local_name: child.node_id for child in twin.children}
            found = [(child.node_id, names.get(child.local_name)) for child in node.children]
            slots = {(s.original_variable_node_id, s.slot_name): s.slot_variable_node_id for s in twin.slot_variables}
            for slot in node.slot_variables:
                original = pairs.get(slot.original_variable_node_id, -1)
                found.append((slot.slot_variable_node_id, slots.get((original, slot.slot_name))))
            for below, other in found:
                if other is not None and below not in pairs:
                    pairs[below] = other
                    waiting.append(below)
        return {
            (number, attribute.name): attribute.checkpoint_key
            for number, twin in pairs.items()
            for attribute in stored[twin].attributes
        }
