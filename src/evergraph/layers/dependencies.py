"""What object-based checkpoints see of a layer: its variables and sublayers, by name."""

from __future__ import annotations

from typing import Any, NamedTuple

from evergraph.framework import nest
from evergraph.layers.layer_variables import track_variable
from evergraph.ops.variables import Variable


class TrackableReference(NamedTuple):
    """A child, and the name it is saved under."""

    name: str
    ref: Any


class WithDependencies:
    """An object with children under names; what becomes an attribute becomes a child, and a sublayer or variable."""

    _tracks_attributes = True

    _layers: list[Any]
    _trainable_weights: list[Any]
    _non_trainable_weights: list[Any]

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        found = self.__dict__.get("_dependencies", {})
        return [TrackableReference(name, child) for name, child in found.items() if _counts(child)]

    def _track_trackable(self, trackable: Any, name: str, overwrite: bool = False) -> Any:
        """Make `trackable` the child called `name`."""
        known = self.__dict__.setdefault("_dependencies", {})
        if not overwrite and known.get(name, trackable) is not trackable:
            raise ValueError(
                f"Called Trackable._track_trackable() with name='{name}', but a Trackable with this name is already "
                "declared as a dependency. Names must be unique (or overwrite=True)."
            )
        known[name] = trackable
        return trackable

    def _track_attribute(self, name: str, value: Any) -> None:
        """The attribute `name` has become `value`: a child if it can be saved, else no child any more."""
        known = self.__dict__.setdefault("_dependencies", {})
        if isinstance(value, list | dict) or _counts(value):
            known[name] = value
        else:
            known.pop(name, None)

    def __setattr__(self, name: str, value: Any) -> None:
        if not self._tracks_attributes or hasattr(type(self), name) or getattr(self, "_is_graph_network", False):
            object.__setattr__(self, name, value)
            return
        self._track_attribute(name, value)
        for attribute in ("_layers", "_trainable_weights", "_non_trainable_weights"):
            if attribute not in self.__dict__:
                object.__setattr__(self, attribute, [])
        if name in self.__dict__:
            self._forget(self.__dict__[name], name)
        items = [value, *_elements(value)] if isinstance(value, list | tuple | dict) else [value]
        for item in items:
            if isinstance(item, WithDependencies) and not any(item is known for known in self._layers):
                self._layers.append(item)
                if hasattr(item, "_use_resource_variables"):
                    item._use_resource_variables = True
            elif isinstance(item, Variable):
                weights = self._trainable_weights if item.trainable else self._non_trainable_weights
                if not any(item is known for known in weights):
                    weights.append(item)
                track_variable(item)
        object.__setattr__(self, name, value)

    def _forget(self, value: Any, name: str) -> None:
        """No longer count `value`, once the attribute `name`, as a sublayer or a variable of this layer."""
        if any(value is other for key, other in self.__dict__.items() if key != name):
            return
        for attribute in ("_layers", "_trainable_weights", "_non_trainable_weights"):
            kept = [item for item in getattr(self, attribute) if item is not value]
            object.__setattr__(self, attribute, kept)

    def __delattr__(self, name: str) -> None:
        if self._tracks_attributes and name in self.__dict__:
            self._forget(self.__dict__[name], name)
            self._track_attribute(name, None)
        object.__delattr__(self, name)


def _counts(value: Any) -> bool:
    if isinstance(value, list):
        return any(_counts(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and any(_counts(item) for item in value.values())
    if isinstance(value, type):
        return False
    return isinstance(value, Variable) or hasattr(value, "_checkpoint_dependencies")


def _elements(value: Any) -> list[Any]:
    try:
        return nest.flatten(value)
    except (TypeError, ValueError):
        return []
