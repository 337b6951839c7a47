"""SavedModel directories: `saved_model.pb` with the graphs, `variables/`, `assets/`."""

from __future__ import annotations

import os
from typing import Any

from evergraph.formats import files, large_constants, messages
from evergraph.formats.text import from_text, to_text
from evergraph.framework import errors

FILENAME_PB, FILENAME_PBTXT = "saved_model.pb", "saved_model.pbtxt"
ASSETS_DIRECTORY, VARIABLES_DIRECTORY, VARIABLES_FILENAME = "assets", "variables", "variables"
SCHEMA_VERSION = 1


def contains_saved_model(directory: str) -> bool:
    """Whether a directory holds a SavedModel."""
    path = files.local(directory)
    return any(os.path.exists(os.path.join(path, name)) for name in (FILENAME_PB, FILENAME_PBTXT))


def read_saved_model(directory: str) -> Any:
    """The `SavedModel` message of a directory.

    Raises:
        OSError: if there is none, or it cannot be parsed; the error names the file.
    """
    path = os.path.join(files.local(directory), FILENAME_PB)
    if os.path.exists(path):
        try:
            return large_constants.from_file(path, messages.SavedModel.FromString(files.read_file(path)))
        except errors.OpError:
            raise
        except Exception as error:  # protobuf's own class has no public name that all its releases share
            raise OSError(f"Cannot parse file {path}: {error}.") from None
    text_path = os.path.join(files.local(directory), FILENAME_PBTXT)
    if os.path.exists(text_path):
        try:
            found = from_text(files.read_file(text_path).decode("utf-8"), messages.SavedModel)
            return large_constants.from_file(text_path, found)
        except ValueError as error:
            raise OSError(f"Cannot parse file {text_path}: {error}.") from None
    raise OSError(f"SavedModel file does not exist at: {directory}/{{{FILENAME_PBTXT}|{FILENAME_PB}}}")


def write_saved_model(directory: str, saved_model: Any, as_text: bool = False) -> str:
    """Write a `SavedModel` message into a directory; gives the file's path."""
    path = os.path.join(directory, FILENAME_PBTXT if as_text else FILENAME_PB)
    saved_model = large_constants.to_file(path, saved_model)
    files.write_file(path, to_text(saved_model).encode() if as_text else saved_model.SerializeToString())
    return path


def variables_prefix(directory: str) -> str:
    """The checkpoint of a SavedModel."""
    return os.path.join(directory, VARIABLES_DIRECTORY, VARIABLES_FILENAME)


def asset_files(meta_graph_def: Any) -> list[Any]:
    """The `AssetFileDef` messages of a graph: which tensor holds the path of which file."""
    if meta_graph_def.asset_file_def:
        return list(meta_graph_def.asset_file_def)
    found = []
    if "saved_model_assets" in meta_graph_def.collection_def:
        for packed in meta_graph_def.collection_def["saved_model_assets"].any_list.value:
            if packed.type_url.rpartition("/")[2] == "tensorflow.AssetFileDef":
                found.append(messages.AssetFileDef.FromString(packed.value))
    return found


def packed_asset(asset: Any) -> Any:
    """An `AssetFileDef` as `google.protobuf.Any`, as collections hold it."""
    packed = messages.CollectionDef.AnyList().value.add()
    packed.type_url = "type.googleapis.com/tensorflow.AssetFileDef"
    packed.value = asset.SerializeToString()
    return packed
