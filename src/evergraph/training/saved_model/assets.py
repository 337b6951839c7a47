"""Assets: files that a graph names in constants, copied into the SavedModel."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable
from typing import Any

from evergraph.formats import files, messages, savedmodel
from evergraph.framework import convert, dtypes, log
from evergraph.framework.graph import get_default_graph
from evergraph.framework.tensor import Tensor
from evergraph.training.saved_model import constants


def add_assets(export_dir: str, tensors: Any, note: Callable[[Any], None]) -> None:
    """Copy the files that `tensors` name into `export_dir`, and call `note` with an `AssetFileDef` for each."""
    if tensors is None:
        log.info("No assets to save.")
        return
    sources: dict[str, str] = {}
    for tensor in tensors:
        source = asset_path(tensor)
        if not source:
            raise ValueError(f"Invalid asset filepath tensor {tensor}")
        name = get_asset_filename_to_add(source, sources)
        asset = messages.AssetFileDef(filename=name)
        asset.tensor_info.name = tensor.name
        note(asset)
        sources[name] = source
    log.info("Assets added to graph.")
    if sources:
        copy_assets_to_destination_dir(sources, export_dir)
    else:
        log.info("No assets to write.")


def add_to_collection(asset: Any) -> None:
    """Remember an asset in the default graph."""
    get_default_graph().add_to_collection(constants.ASSETS_KEY, savedmodel.packed_asset(asset))


def asset_path(tensor: Any) -> str:
    """The path that a constant holds.

    Raises:
        TypeError: if `tensor` is no constant string scalar.
    """
    if not isinstance(tensor, Tensor):
        raise TypeError("Asset path tensor must be a Tensor.")
    if tensor.op.type != "Const":
        raise TypeError("Asset path tensor must be of type constant.")
    if tensor.dtype != dtypes.string:
        raise TypeError("Asset path tensor must be of dtype string.")
    value = tensor.op.attrs["value"]
    if value.size != 1:
        raise TypeError("Asset path tensor must be a scalar.")
    return convert.as_text(value.reshape(-1)[0])


def get_asset_filename_to_add(asset_filepath: str, asset_filename_map: dict[str, str]) -> str:
    """The name of a file in the SavedModel: its own, or with a number where another file has that.

    Args:
        asset_filepath: the file.
        asset_filename_map: names taken so far, with the files that have them.
    """
    path = convert.as_text(asset_filepath)
    name = os.path.basename(path)
    taken = asset_filename_map.get(name)
    if taken is None or taken == path or filecmp.cmp(files.local(path), files.local(taken), shallow=False):
        return name
    i = 1
    while f"{name}_{i}" in asset_filename_map:
        i += 1
    return f"{name}_{i}"


def copy_assets_to_destination_dir(asset_filename_map: dict[str, str], destination_dir: str) -> None:
    """Copy files into the assets of a SavedModel, under the names that are their keys."""
    directory = os.path.join(convert.as_text(destination_dir), constants.ASSETS_DIRECTORY)
    os.makedirs(directory, exist_ok=True)
    for name, source in asset_filename_map.items():
        target = os.path.join(directory, convert.as_text(name))
        if not os.path.exists(target):
            with files.translated(source):
                shutil.copyfile(files.local(convert.as_text(source)), target)
    log.info("Assets written to: %s", directory)


def asset_tensors(export_dir: str, meta_graph_def: Any, import_scope: str | None = None) -> dict[str, str]:
    """What to feed to a loaded graph: the names of tensors, with the paths of their files."""
    directory = os.path.join(convert.as_text(export_dir), constants.ASSETS_DIRECTORY)
    found = {}
    for asset in savedmodel.asset_files(meta_graph_def):
        name = f"{import_scope}/{asset.tensor_info.name}" if import_scope else asset.tensor_info.name
        found[name] = os.path.join(directory, asset.filename)
    return found
