"""`tf.saved_model.load_v2` of a SavedModel of graphs alone, as `simple_save` and `SavedModelBuilder` write them.

The graph is kept apart, and its signatures become functions of the default graph's library:

    default graph    v (a variable)        signatures["serving_default"](x=...)  ──►  StatefulPartitionedCall(x, v)
    the loaded one   v ──┐
                     x ──┴─► Mul ──► y     what the function is made of

Resource variables are declared in the default graph, and their initializers restore them. Reference variables stay
inside of the functions, and `tf.tables_initializer()` restores them, as it runs the graph's own initializer.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, log
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.assets import TrackableAsset
from evergraph.ops.constant import constant
from evergraph.ops.functions.library import from_library
from evergraph.ops.identity import placeholder
from evergraph.ops.resource_variable import ResourceVariable, UninitializedVariable
from evergraph.training.meta_graph_import import import_meta_graph_with_return_elements
from evergraph.training.saved_model import assets
from evergraph.training.saved_model.loaded_names import with_own_names
from evergraph.training.saved_model.loader import SavedModelLoader, get_init_op
from evergraph.training.saved_model.pruned_functions import PrunedFunction, UnliftableError, WrappedGraph
from evergraph.training.saved_model.restored_objects import SignatureMap
from evergraph.training.scaffold import Scaffold
from evergraph.training.tracking.capturable import CapturableResource
from evergraph.training.tracking.trackable import AutoTrackable


class GraphInitializer(CapturableResource):
    """What a loaded graph does to begin with: fill tables, give local variables their values.

    Args:
        function: takes the paths of the assets.
        asset_paths: the assets.
    """

    def __init__(self, function: PrunedFunction, asset_paths: list[TrackableAsset]) -> None:
        super().__init__()
        self._function, self._asset_paths = function, asset_paths

    def _create_resource(self) -> Tensor:
        return placeholder(dtypes.resource, [], name="unused_resource")

    def _initialize(self) -> Any:
        return self._function(*[asset.asset_path for asset in self._asset_paths])


class _Loader(SavedModelLoader):
    def graph_with_tags(self, tags: Any) -> Any:
        """The `MetaGraphDef` with these tags; the only one for None."""
        if tags is not None:
            return self.get_meta_graph_def_from_tags(tags)
        graphs = self._saved_model.meta_graphs
        if len(graphs) != 1:
            raise ValueError(
                "Importing a SavedModel with tf.saved_model.load requires a 'tags=' argument if there is more than one "
                f"MetaGraph. Got 'tags=None', but there are {len(graphs)} MetaGraphs in the SavedModel with tag sets "
                f"{[list(found.meta_info_def.tags) for found in graphs]}. Pass a 'tags=' argument to load this "
                "SavedModel."
            )
        return graphs[0]


def load_graph_as_object(export_dir: str, tags: Any) -> tuple[Any, Any]:
    """The object that stands for a graph, and the graph's `MetaGraphDef`."""
    loader = _Loader(export_dir)
    meta_graph = loader.graph_with_tags(tags)
    outside, inside = get_default_graph(), Graph()
    meta_graph.graph_def.CopyFrom(with_own_names(meta_graph.graph_def, outside)[0])
    for function in from_library(meta_graph.graph_def.library):
        function.add_to_graph(outside)
    with inside.as_default():
        saver, _ = import_meta_graph_with_return_elements(meta_graph)
        init_op = get_init_op(meta_graph) or Scaffold.default_local_init_op()
    variables, local = _declared_outside(inside)
    handles = {t: variable.handle for t, variable in variables.items()}
    wrapped = WrappedGraph(inside, outside, handles)
    _restore(wrapped, saver, loader.variables_path, [variables[t] for t in variables if t not in local])
    files = assets.asset_tensors(loader.export_dir, meta_graph)
    asset_paths = [TrackableAsset(path) for path in files.values()]
    for asset in asset_paths:
        outside.add_to_collection(GraphKeys.ASSET_FILEPATHS, asset.asset_path)
    initializer = GraphInitializer(wrapped.prune(list(files), init_op), asset_paths)
    local_init_op = initializer._initialize()
    outside.add_to_collection(GraphKeys.TABLE_INITIALIZERS, local_init_op)
    for t in local:
        variables[t].initialize_by(local_init_op)
    root = AutoTrackable()
    root.initializer, root.asset_paths = initializer, asset_paths
    root.signatures = SignatureMap(_signatures(wrapped, meta_graph))
    root.variables = list(variables.values())
    root.graph, root.prune = inside, wrapped.prune
    return root, meta_graph


def _declared_outside(inside: Graph) -> tuple[dict[Tensor, UninitializedVariable], dict[Tensor, None]]:
    """Declare the resource variables of a graph in the default graph; gives them by handle, and the local ones."""
    made: dict[Tensor, UninitializedVariable] = {}
    local: dict[Tensor, None] = {}
    graph = get_default_graph()
    for key in GraphKeys.GLOBAL_VARIABLES, GraphKeys.LOCAL_VARIABLES:
        found = inside.get_collection_ref(key)
        for i, variable in enumerate(found):
            if not isinstance(variable, ResourceVariable):
                log.warn(
                    "Unable to create a python object for variable %s because it is a reference variable. It may not "
                    "be visible to training APIs. If this is a problem, consider rebuilding the SavedModel after "
                    "running tf.compat.v1.enable_resource_variables().",
                    variable,
                )
                continue
            handle = variable.handle
            if handle not in made:
                with name_scope(None):
                    made[handle] = UninitializedVariable(
                        variable.shape,
                        variable.dtype,
                        variable.op.name,
                        variable.trainable,
                        variable.synchronization,
                        variable.aggregation,
                    )
                graph.add_to_collection(key, made[handle])
                if key == GraphKeys.LOCAL_VARIABLES:
                    local[handle] = None
            found[i] = made[handle]
    return made, local


def _restore(wrapped: WrappedGraph, saver: Any, prefix: str, variables: list[UninitializedVariable]) -> None:
    """Make one op the initializer of all variables: it reads the checkpoint."""
    if saver is None:
        return
    named = saver.saver_def
    restore = wrapped.prune(named.filename_tensor_name, wrapped.graph.as_graph_element(named.restore_op_name))
    op: Operation = restore(constant(prefix))
    get_default_graph().add_to_collection(GraphKeys.TABLE_INITIALIZERS, op)
    for variable in variables:
        variable.initialize_by(op)


def _signatures(wrapped: WrappedGraph, meta_graph: Any) -> dict[str, PrunedFunction]:
    made = {}
    for key, signature in meta_graph.signature_def.items():
        names = list(signature.inputs)
        feeds = [wrapped.graph.as_graph_element(signature.inputs[name].name) for name in names]
        fetches = {name: signature.outputs[name] for name in signature.outputs}
        try:
            made[key] = wrapped.prune(feeds, fetches).under_names(names)
        except UnliftableError as error:
            raise UnliftableError(
                "A SavedModel signature needs an input for each placeholder the signature's outputs use. An output "
                f"for signature '{key}' depends on a placeholder which is not an input (i.e. the placeholder is not "
                f"fed a value).\n\n{error}"
            ) from None
    return made
