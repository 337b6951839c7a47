"""What a saved object needs besides variables and constants: tables and the like, and files.

    a table     is in the graph once more; its functions `_create_resource` and `_initialize` make and fill it elsewhere
    a file      is copied; in the graph a variable has its path, which the initializer sets to where the SavedModel is

The graph's initializer sets the paths, and then fills the tables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from evergraph.formats import files, messages
from evergraph.framework import convert, dtypes, errors, nest
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import state
from evergraph.ops.assets import TrackableAsset
from evergraph.ops.functions.traced_function import Function
from evergraph.ops.identity import placeholder
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.training.saved_model import assets
from evergraph.training.tracking.trackable import own_values

CREATE, INITIALIZE, DESTROY = "_create_resource", "_initialize", "_destroy_resource"


def refuse_changing_entries(resources: Mapping[str, Any]) -> None:
    """Refuse tables whose entries come and go: TensorFlow 1.15 has no place for them in a SavedModel either.

    Args:
        resources: tables and the like, by the names of attributes that lead to them.

    Raises:
        ValueError: if there are any; it names all of them.
    """
    found = [
        f"{path} (a {type(thing).__name__})"
        for path, thing in resources.items()
        if own_values(thing) or getattr(thing, "_has_entries", False)
    ]
    if found:
        raise ValueError(
            f"A SavedModel of objects cannot hold tables whose entries come and go: {', '.join(found)}. Use a "
            "tf.lookup.StaticHashTable, or keep the entries with a tf.train.Checkpoint or tf.train.Saver."
        )


def functions_of_resource(thing: Any) -> dict[str, Function]:
    """The functions that make, fill and give up an object behind a handle."""

    def _creator() -> Any:
        return thing._create_resource()

    def _initializer() -> Any:
        thing._initialize()
        return 1

    def _destroyer() -> Any:
        deleter = getattr(thing, "_resource_deleter", None)
        if deleter is not None:
            deleter.destroy_resource()
        return 1

    made = {CREATE: _creator, INITIALIZE: _initializer, DESTROY: _destroyer}
    return {name: Function(function, ()) for name, function in made.items()}


class SavedFiles:
    """The assets of a SavedModel. `add` notes one, in the default graph; nothing is copied before `copy`."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.assignments: dict[Tensor, Operation] = {}  # the tensor of the path, to what sets the path in the graph
        self._sources: dict[str, str] = {}
        self._numbers: dict[TrackableAsset, int] = {}

    def add(self, asset: TrackableAsset, path: str) -> Tensor:
        """Note an asset; gives the handle of the variable that has its path.

        Args:
            asset: the asset.
            path: where it is among the objects, for messages.

        Raises:
            ValueError: if its path is not known before a session runs.
            NotFoundError: if there is no such file.
        """
        value = constant_value(asset.asset_path)
        if value is None or value.size != 1:
            raise ValueError(
                f"the path of the asset at {path}, {asset.asset_path}, is no constant string, so the file cannot be "
                "copied into a SavedModel."
            )
        source = convert.as_text(value.reshape(-1)[0])
        if not os.path.isfile(files.local(source)):
            raise errors.NotFoundError(None, None, f"{source}; No such file or directory: the asset at {path}")
        name = assets.get_asset_filename_to_add(source, self._sources)
        self._sources[name] = source
        given = placeholder(dtypes.string, asset.asset_path.shape, name="asset_path_initializer")
        with name_scope(None, "Variable") as scope:
            handle = state.var_handle_op(
                dtypes.string, asset.asset_path.static_shape, shared_name=scope[:-1], name=scope
            )
            with name_scope("Assign") as assign:
                self.assignments[asset.asset_path] = state.assign_variable_op(handle, given, name=assign)
        self._numbers[asset] = len(self.messages)
        message = messages.AssetFileDef(filename=name)
        message.tensor_info.name = given.name
        self.messages.append(message)
        return handle

    def number(self, asset: TrackableAsset) -> int:
        """Which of `messages` is that of an asset."""
        return self._numbers[asset]

    def copy(self, directory: str) -> None:
        """Copy the files into the SavedModel."""
        assets.copy_assets_to_destination_dir(self._sources, directory)


def initialized(concrete: Any, twin_of: Callable[[Tensor], Tensor], saved: SavedFiles) -> Operation:
    """The call that fills a table in the graph, after the paths that it reads are set.

    Args:
        concrete: the function.
        twin_of: gives what stands in the graph for a tensor outside.
        saved: the assets.
    """
    before = [saved.assignments[t] for t in concrete.captured_inputs if t in saved.assignments]
    kinds = [spec.dtype for spec in nest.flatten(concrete.structured_outputs) if spec is not None]
    with control_dependencies(before):
        arguments = [twin_of(t) for t in concrete.captured_inputs]
        made = raw_op("StatefulPartitionedCall")(arguments, kinds, concrete.name)
    return made if isinstance(made, Operation) else nest.flatten(made)[0].op
