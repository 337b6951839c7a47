"""`tf.saved_model.save`: an object with its variables and functions, as a SavedModel.

    object                 what it is in the SavedModel
    a variable             a node; its value is in the checkpoint, under the names of attributes that lead to it
    a tf.function          a node, with the functions of the library that it has been called as
    a list, a dict         a node with numbers, or keys, as the names of its children
    a table                a node with functions that make it and fill it
    an asset               a node; the file is copied
    a signature            a function of the library, and its call in the graph, for those who know graphs alone

The graph has the variables without values, and a call for each signature: `tf.saved_model.load(sess, ...)` and
TensorFlow Serving take it like any other.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

import numpy as np

from evergraph.formats import files, messages, savedmodel
from evergraph.formats.bundle import BundleWriter
from evergraph.formats.function_def import references, to_function_def
from evergraph.framework import convert, dtypes, nest
from evergraph.framework.api import public, publish
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, device
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops import state
from evergraph.ops.assets import TrackableAsset
from evergraph.ops.constant import constant
from evergraph.ops.filling import zeros
from evergraph.ops.functions.traced_function import ConcreteFunction, Function
from evergraph.ops.grouping import no_op
from evergraph.ops.identity import placeholder
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.variables import Variable
from evergraph.training.object_names import OBJECT_GRAPH_KEY
from evergraph.training.saveable import REFERENCE_OPS
from evergraph.training.saved_model import constants
from evergraph.training.saved_model.objects_resources import (
    CREATE,
    INITIALIZE,
    SavedFiles,
    functions_of_resource,
    initialized,
    refuse_changing_entries,
)
from evergraph.training.saved_model.restored_functions import LibraryFunction, RestoredFunction, SignatureFunction
from evergraph.training.saved_model.restored_objects import SignatureMap
from evergraph.training.saved_model.signature_functions import SignatureOf, arguments_of, signatures_of
from evergraph.training.saved_model.signatures import build_signature_def, build_tensor_info, op_signature_def
from evergraph.training.saved_model.structures import can_encode, encoded
from evergraph.training.saver import Saver
from evergraph.training.tracking.capturable import is_resource
from evergraph.training.tracking.checkpoint import ObjectSaver
from evergraph.training.tracking.object_graph import gather
from evergraph.training.tracking.status import default_session
from evergraph.training.tracking.trackable import (
    VARIABLE_VALUE,
    Trackable,
    TrackableMapping,
    TrackableReference,
    children,
    is_trackable,
    walk,
)

_SIGNATURES = "signatures"

publish("saved_model.Asset", TrackableAsset)


@public("saved_model.save", "saved_model.experimental.save", "compat.v2.saved_model.save")
def save(obj: Any, export_dir: Any, signatures: Any = None) -> None:
    """Save an object, with the variables and functions in its attributes, as a SavedModel.

    The values are those of the default session.

    Args:
        obj: a `tf.Module`, `tf.train.Checkpoint` or the like. Its variables must be resource variables.
        export_dir: the directory to write to.
        signatures: a `tf.function` with an input signature, a concrete function, or a dict from names to those. By
            default the only function of `obj` that has an input signature, if there is just one.

    Raises:
        AssertionError: inside of a `tf.function`, or if a function uses a variable or table that is in no attribute.
        ValueError: for an object without attributes to save, or a function that cannot be saved or be a signature, or
            a table whose entries come and go.
        NotFoundError: if the file of a table or an asset is not there.

    >>> model = tf.train.Checkpoint(v=tf.get_variable("v", initializer=2.0, use_resource=True))
    >>> model.times_v = tf.function(lambda x: x * model.v, input_signature=[tf.TensorSpec([], tf.float32, "x")])
    >>> sess.run(tf.global_variables_initializer())
    >>> with sess.as_default():
    ...     tf.saved_model.save(model, folder + "/times")
    >>> with tf.Session(graph=tf.Graph()) as other:
    ...     loaded = tf.saved_model.load(other, ["serve"], folder + "/times")
    ...     signature = loaded.signature_def["serving_default"]
    ...     other.run(signature.outputs["output_0"].name, {signature.inputs["x"].name: 21.0})
    42.0
    """
    if isinstance(get_default_graph(), FunctionGraph):
        raise AssertionError(
            "tf.saved_model.save is not supported inside a traced @tf.function. Move the call to the outer context."
        )
    if not is_trackable(obj):
        raise ValueError(f"Expected a Trackable object for export, got {obj}.")
    if any(name == _SIGNATURES and not isinstance(child, SignatureMap) for name, child in children(obj)):
        raise ValueError(
            f"Exporting an object {obj} which has an attribute named '{_SIGNATURES}'. This is a reserved attribute "
            "used to store SavedModel signatures in objects which come from `tf.saved_model.load`. Delete this "
            f"attribute (e.g. 'del obj.{_SIGNATURES}') before saving if this shadowing is acceptable."
        )
    directory = convert.as_text(os.fspath(export_dir))
    writer = _Writer(obj, signatures_of(functions_of(obj), signatures))
    with_signatures = _WithSignatures(obj)
    values = gather(with_signatures)
    session = default_session(None) if values.saveables or values.states else None
    meta_graph = writer.meta_graph()
    with files.translated(directory):
        os.makedirs(os.path.join(files.local(directory), constants.VARIABLES_DIRECTORY), exist_ok=True)
        os.makedirs(os.path.join(files.local(directory), constants.ASSETS_DIRECTORY), exist_ok=True)
    if session is not None:
        ObjectSaver(with_signatures).save(savedmodel.variables_prefix(directory), session)
    else:  # TensorFlow looks for the names of the objects all the same
        with BundleWriter(savedmodel.variables_prefix(directory)) as checkpoint:
            names = values.proto.SerializeToString(deterministic=True)
            checkpoint.add(OBJECT_GRAPH_KEY, np.array(names, dtype=object))
    writer.files.copy(directory)
    made = messages.SavedModel(saved_model_schema_version=constants.SAVED_MODEL_SCHEMA_VERSION)
    made.meta_graphs.append(meta_graph)
    savedmodel.write_saved_model(files.local(directory), made)


class _WithSignatures(Trackable):
    """An object and its signatures, which TensorFlow looks for in the checkpoint as well."""

    def __init__(self, thing: Any) -> None:
        self._thing, self._signatures = thing, TrackableMapping()

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        own = [child for child in children(self._thing) if child.name != _SIGNATURES]
        return [*own, TrackableReference(_SIGNATURES, self._signatures)]


def functions_of(thing: Any) -> dict[str, Any]:
    """The functions of an object by the names of attributes, those of its class among them."""
    found = {}
    for cls in reversed(type(thing).__mro__):
        found.update({name: name for name, value in vars(cls).items() if isinstance(value, Function)})
    own = getattr(thing, "__dict__", {})
    kinds = Function | ConcreteFunction | RestoredFunction
    names = [*found, *(name for name, value in own.items() if isinstance(value, kinds))]
    hidden = "_function_"  # where functions of methods are remembered
    return {name: getattr(thing, name) for name in dict.fromkeys(names) if not name.startswith(hidden)}


class _Writer:
    """Writes objects, and what their functions need, into a `MetaGraphDef`."""

    def __init__(self, root: Any, signatures: dict[str, SignatureOf]) -> None:
        self._root, self._signatures = root, signatures
        self._source = get_default_graph()
        found, paths = walk(root)
        signatures_of_root = {id(x) for name, child in children(root) if name == _SIGNATURES for x in walk(child)[0]}
        self._objects = [thing for thing in found if id(thing) not in signatures_of_root]
        self._paths = {number: ".".join(["(root)", *path]) for number, path in paths.items()}
        self._numbers = {id(thing): number for number, thing in enumerate(self._objects)}
        refuse_changing_entries({self._paths[id(thing)]: thing for thing in self._objects if is_resource(thing)})
        self.files = SavedFiles()
        self._functions = {id(thing): _functions_to_save(thing) for thing in self._objects}
        for thing in list(self._objects):
            for function in self._functions[id(thing)].values():
                if id(function) not in self._numbers:
                    self._numbers[id(function)] = len(self._objects)
                    self._objects.append(function)
        self._made = messages.SavedObjectGraph()
        self._late: dict[int, Any] = {}  # nodes that come after those of the objects
        self._graph = Graph()
        self._handles: dict[Tensor, int] = {}  # tensors outside, to the number of the object they stand for
        self._twins: dict[int, Any] = {}  # what stands for an object in the graph to be saved

    def meta_graph(self) -> Any:
        keys = self._checkpoint_keys()
        for number, thing in enumerate(self._objects):
            if isinstance(thing, Variable):
                with self._graph.as_default():
                    self._twins[number] = self._declared_again(thing)
                self._handles[_handle(thing)] = number
            elif isinstance(thing, TrackableAsset):
                with self._graph.as_default():
                    self._twins[number] = self.files.add(thing, self._paths[id(thing)])
                self._handles[thing.asset_path] = number
            elif is_resource(thing) and thing.resource_handle is not None:
                self._twins[number] = self._made_again(thing)
                self._handles[thing.resource_handle] = number
        for thing in self._objects:
            self._add_node(thing)
        self._add_signatures()
        with self._graph.as_default():
            variables = {keys[number]: twin for number, twin in self._twins.items() if isinstance(twin, Variable)}
            with control_dependencies([*self._initializers(), *self.files.assignments.values()]):
                init = no_op(name="NoOp")
            signature_defs = {key: self._signature_def(key, signature) for key, signature in self._signatures.items()}
            made = Saver(variables, allow_empty=True).export_meta_graph(clear_devices=True, strip_default_attrs=True)
        made.meta_info_def.tags.append(constants.SERVING)
        made.collection_def[constants.MAIN_OP_KEY].node_list.value.append(init.name)
        made.asset_file_def.extend(self.files.messages)
        signature_defs[constants.INIT_OP_SIGNATURE_KEY] = op_signature_def(init, constants.INIT_OP_SIGNATURE_KEY)
        for key, signature_def in signature_defs.items():
            made.signature_def[key].CopyFrom(signature_def)
        made.object_graph_def.CopyFrom(self._made)
        return made

    def _checkpoint_keys(self) -> dict[int, str]:
        """Under which key of the checkpoint each variable's value is."""
        found = gather(self._root)
        keys = {}
        for thing, node in zip(found.objects, found.proto.nodes, strict=True):
            for attribute in node.attributes:
                if attribute.name == VARIABLE_VALUE and id(thing) in self._numbers:
                    keys[self._numbers[id(thing)]] = attribute.checkpoint_key
        return keys

    @staticmethod
    def _declared_again(variable: Any) -> Any:
        if not hasattr(variable, "handle"):
            raise ValueError(
                f"the variable {variable.name!r} is a reference variable, which functions of a SavedModel cannot use: "
                "make it with use_resource=True, or call tf.enable_resource_variables() first."
            )
        shape, kind = variable.shape, variable.dtype.base_dtype
        return Variable(
            lambda: zeros(shape.as_list(), kind),
            trainable=variable.trainable,
            name=variable.op.name,
            dtype=kind,
            use_resource=True,
        )

    def _made_again(self, thing: Any) -> Tensor:
        """The handle of an object of the graph to be saved that is like `thing`."""
        create = thing._create_resource
        if isinstance(create, RestoredFunction):
            for function in create.concrete_functions:
                self._add_to_library(function.name, self._source._functions[function.name])
        with self._graph.as_default(), device(getattr(thing, "_resource_device", "") or None):
            return create()

    def _initializers(self) -> list[Operation]:
        """Add the calls that fill tables to the graph."""
        made = []
        for thing in self._objects:
            function = self._function_of(thing, INITIALIZE) if is_resource(thing) else None
            if function is not None:
                made.append(initialized(function, self._twin_of, self.files))
        return made

    def _function_of(self, thing: Any, name: str) -> Any:
        """A function of an object without arguments."""
        function = self._functions[id(thing)].get(name) or getattr(thing, name, None)
        if isinstance(function, RestoredFunction):
            return function.concrete_functions[0]
        if isinstance(function, Function):
            with self._source.as_default():
                return function.get_concrete_function()
        return None

    # Objects

    def _add_node(self, thing: Any) -> None:
        node = self._made.nodes.add()
        if isinstance(thing, Variable):
            saved = node.variable
            saved.dtype, saved.trainable, saved.name = int(thing.dtype.base_dtype), bool(thing.trainable), thing.op.name
            saved.shape.CopyFrom(thing.shape.as_proto())
            saved.synchronization, saved.aggregation = thing.synchronization.value, thing.aggregation.value
            return
        if isinstance(thing, TrackableAsset):
            node.asset.asset_file_def_index = self.files.number(thing)
            node.asset.SetInParent()
            return
        if isinstance(thing, Function):
            concretes = self._concretes_of(thing)
            node.function.concrete_functions.extend(sorted(c.name for c in concretes))
            _write_function_spec(thing, node.function.function_spec)
        elif isinstance(thing, RestoredFunction):
            for function in thing.concrete_functions:
                node.function.concrete_functions.append(
                    self._add_function(function, function.structured_input_signature)
                )
            node.function.function_spec.CopyFrom(thing.function_spec)
        elif isinstance(thing, ConcreteFunction | LibraryFunction | SignatureFunction):
            function, names = arguments_of(thing)
            bare = node.bare_concrete_function
            bare.concrete_function_name = self._add_function(function)
            bare.argument_keywords.extend(names)
            bare.allowed_positional_arguments = getattr(thing, "allowed_positional_arguments", len(names))
        elif is_resource(thing):
            node.resource.device = getattr(thing, "_resource_device", "")
            node.resource.SetInParent()
        else:
            node.user_object.identifier = _identifier(thing)
            node.user_object.version.producer = node.user_object.version.min_consumer = 1
        named = {**dict(children(thing)), **self._functions.get(id(thing), {})}
        for name, child in named.items():
            if id(child) in self._numbers:
                node.children.add(node_id=self._numbers[id(child)], local_name=name)

    def _concretes_of(self, function: Any) -> list[Any]:
        if function.input_signature is not None:
            function.get_concrete_function()
        bodies = [body for body in self._source._functions.values() if isinstance(body, FunctionGraph)]
        concretes = []
        for graph in [self._source, *bodies]:  # calls inside of other functions count too
            traced = graph._attachments.get("traced functions", {}).get(function, {})
            concretes += [concrete for concrete, _ in traced.values() if self._is_of_source(concrete)]
        for concrete in concretes:
            self._add_function(concrete)
        return concretes

    def _is_of_source(self, concrete: Any) -> bool:
        """Whether a function captures nothing that was computed inside of another one."""
        return all(_outermost(t).graph is self._source for t in concrete.captured_inputs)

    # Functions

    def _add_function(self, concrete: Any, input_signature: Any = None) -> str:
        name = str(concrete.name)
        if getattr(concrete, "problem", ""):
            raise ValueError(f"the function {name!r} cannot be saved again: {concrete.problem}")
        if name not in self._made.concrete_functions:
            bound = [self._number_of_captured(t, name) for t in concrete.captured_inputs]
            saved = self._made.concrete_functions[name]
            saved.bound_inputs.extend(bound)
            if input_signature is None:
                is_ours = isinstance(concrete, ConcreteFunction)
                input_signature = _specs(concrete) if is_ours else concrete.structured_input_signature
            saved.canonicalized_input_signature.CopyFrom(encoded(input_signature))
            outputs = nest.map_structure(_spec_or_none, concrete.structured_outputs)
            saved.output_signature.CopyFrom(encoded(outputs))
            self._add_to_library(name, self._source._functions[name])
        return name

    def _add_to_library(self, name: str, body: Any) -> None:
        """Add a function to the graph's library, and those that it calls."""
        if name in self._graph._functions:
            return
        definition = to_function_def(body) if isinstance(body, FunctionGraph) else body
        self._graph._functions[name] = definition
        for node in definition.node_def:
            if node.op in REFERENCE_OPS:
                raise ValueError(
                    f"the function {name!r} has the reference variable {node.name!r} inside, whose value a SavedModel "
                    "of objects cannot hold: make it with use_resource=True in the program that wrote the graph."
                )
            for other in (node.op, *(func.name for func in references(node))):
                if other in self._source._functions:
                    self._add_to_library(other, self._source._functions[other])

    def _number_of_captured(self, t: Tensor, name: str) -> int:
        t = _outermost(t)
        number = self._handles.get(t)
        if number is not None:
            return number
        if t.dtype is dtypes.resource or t.dtype._is_ref_dtype:
            raise AssertionError(
                f"Tried to export a function which references untracked object {t}. TensorFlow objects (e.g. "
                "tf.Variable) captured by functions must be tracked by assigning them to an attribute of a tracked "
                "object or assigned to an attribute of the main object directly; and variables must be resource "
                "variables."
            )
        value = constant_value(t)
        if value is None:
            raise ValueError(
                f"Attempted to save a function {name} which references a symbolic Tensor {t} that is not a simple "
                "constant. This is not supported."
            )
        with self._graph.as_default():
            copied = constant(value, t.dtype)
        number = self._handles[t] = self._late_node()
        self._late[number].constant.operation = copied.op.name
        self._twins[number] = copied
        return number

    def _late_node(self) -> int:
        number = len(self._objects) + len(self._late)
        self._late[number] = messages.SavedObject()
        return number

    # Signatures

    def _add_signatures(self) -> None:
        holder = self._late_node()
        self._late[holder].user_object.identifier = "signature_map"
        version = self._late[holder].user_object.version
        version.producer = version.min_consumer = 1
        self._made.nodes[0].children.add(node_id=holder, local_name=_SIGNATURES)
        for key, signature in self._signatures.items():
            self._add_function(signature.function, ((), signature.specs))
            number = self._late_node()
            bare = self._late[number].bare_concrete_function
            bare.concrete_function_name = signature.function.name
            bare.argument_keywords.extend(sorted(signature.specs))
            bare.allowed_positional_arguments = int(len(signature.specs) == 1)
            self._late[holder].children.add(node_id=number, local_name=key)
        self._made.nodes.extend(self._late[number] for number in sorted(self._late))

    def _signature_def(self, key: str, signature: SignatureOf) -> Any:
        """Add the call of a signature to the graph."""
        given = {
            name: placeholder(spec.dtype, spec.shape, name=f"{key}_{name}")
            for name, spec in sorted(signature.specs.items())
        }
        captured = [self._twin_of(t) for t in signature.function.captured_inputs]
        outputs = nest.flatten(signature.function.structured_outputs)
        kinds = [t.dtype for t in outputs]
        found: Any = []
        if kinds:
            made = raw_op("StatefulPartitionedCall")([*given.values(), *captured], kinds, signature.function.name)
            found = list(made) if isinstance(made, list | tuple) else [made]
            for t, output in zip(found, outputs, strict=True):
                t.set_shape(output.shape)
        named = nest.pack_sequence_as(signature.function.structured_outputs, found)
        return build_signature_def(
            {name: build_tensor_info(t) for name, t in given.items()},
            {name: build_tensor_info(t) for name, t in named.items()},
            constants.PREDICT_METHOD_NAME,
        )

    def _twin_of(self, t: Tensor) -> Tensor:
        """What stands in the graph to be saved for a tensor outside."""
        number = self._handles[t]
        twin = self._twins[number]
        if number < len(self._objects) and isinstance(self._objects[number], TrackableAsset):
            return state.read_variable_op(twin, dtypes.string)
        return _handle(twin) if isinstance(twin, Variable) else twin


def _outermost(t: Tensor) -> Tensor:
    """The tensor that a function's argument stands for, if it is one that was captured."""
    while isinstance(t.graph, FunctionGraph) and (outside := t.graph._known_outside(t)) is not None:
        t = outside
    return t


def _functions_to_save(thing: Any) -> dict[str, Any]:
    if is_resource(thing):
        known = {name for name, _ in children(thing)}
        return {} if CREATE in known else functions_of_resource(thing)
    return functions_of(thing)


def _handle(variable: Any) -> Tensor:
    return variable.handle


def _identifier(thing: Any) -> str:
    if isinstance(thing, SignatureMap):
        return "signature_map"
    if isinstance(thing, list | tuple):
        return "trackable_list_wrapper"
    return "trackable_dict_wrapper" if isinstance(thing, dict) else "_generic_user_object"


def _spec_or_none(x: Any) -> Any:
    return TensorSpec(x.shape, x.dtype.base_dtype) if isinstance(x, Tensor) else x if can_encode(x) else None


def _specs(concrete: Any) -> Any:
    """The arguments of a function: specs, named like its arguments, in the place of tensors."""
    names = iter(concrete.inputs)

    def spec(x: Any) -> Any:
        if isinstance(x, TensorSpec | Tensor):
            own = next(names).op.name
            return TensorSpec(TensorShape(x.shape), x.dtype.base_dtype, getattr(x, "_name", None) or own)
        return x if can_encode(x) else None

    args, kwargs = concrete.structured_input_signature
    return nest.map_structure(spec, (tuple(args), dict(kwargs)))


def _write_function_spec(function: Any, into: Any) -> None:
    full = inspect.getfullargspec(function.python_function)
    plain = nest.map_structure(lambda x: x if can_encode(x) else None, tuple(full._replace(annotations={})))
    into.fullargspec.CopyFrom(encoded(inspect.FullArgSpec(*plain)))
    into.is_method = inspect.ismethod(function.python_function)
    signature = function.input_signature
    into.input_signature.CopyFrom(encoded(None if signature is None else tuple(signature)))
