"""Files that a TensorBoard plugin wants beside the event file, kept with the graph until that is written."""

from __future__ import annotations

from typing import Any

from evergraph.framework.graph import Graph, get_default_graph

_KEY = "_PluginAssets"


class PluginAsset:
    """The files of one plugin; a subclass gives `plugin_name` and says what they are."""

    plugin_name: str | None = None

    def assets(self) -> dict[str, Any]:
        """File name to contents."""
        raise NotImplementedError


def get_plugin_asset(plugin_asset_cls: Any, graph: Graph | None = None) -> PluginAsset:
    """The one asset of a class in a graph, which is made when it is asked for first.

    Raises:
        ValueError: if the class has no name, or another class has the same.
    """
    graph = graph or get_default_graph()
    name = plugin_asset_cls.plugin_name
    if not name:
        raise ValueError(f"Class {plugin_asset_cls.__name__} has no plugin_name")
    known = {asset.plugin_name: asset for asset in get_all_plugin_assets(graph)}
    if name not in known:
        known[name] = plugin_asset_cls()
        graph.add_to_collection(_KEY, known[name])
    if not isinstance(known[name], plugin_asset_cls):
        raise ValueError(f"Plugin name {name} is used by another class: {type(known[name]).__name__}")
    return known[name]


def get_all_plugin_assets(graph: Graph | None = None) -> list[PluginAsset]:
    """All assets of a graph."""
    return (graph or get_default_graph()).get_collection(_KEY)
