"""What an object-based checkpoint sees of Python objects: named children, and values of their own.

An object is *trackable* if it is a variable, an optimizer, a layer or model, a list or dict, or derives from
`Trackable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.ops.variables import Variable
from evergraph.training.optimizer import Optimizer
from evergraph.training.saveable import SaveableObject

VARIABLE_VALUE = "VARIABLE_VALUE"


class TrackableReference(NamedTuple):
    """A child and what it is called."""

    name: str
    ref: Any


class Trackable:
    """An object with children under names that a checkpoint remembers."""

    @property
    def _unconditional_checkpoint_dependencies(self) -> list[TrackableReference]:
        return [TrackableReference(*item) for item in self.__dict__.setdefault("_tracked", {}).items()]

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        """The children. A subclass may add to them."""
        return self._unconditional_checkpoint_dependencies

    def _lookup_dependency(self, name: str) -> Any:
        """The child called `name`, or None."""
        return next((ref for own, ref in self._checkpoint_dependencies if own == name), None)

    def _track_trackable(self, trackable: Any, name: str, overwrite: bool = False) -> Any:
        """Make `trackable` a child called `name`."""
        tracked = self.__dict__.setdefault("_tracked", {})
        if not overwrite and tracked.get(name, trackable) is not trackable:
            raise ValueError(
                f"Called Trackable._track_trackable() with name='{name}', but a Trackable with this name is already "
                "declared as a dependency. Names must be unique (or overwrite=True)."
            )
        tracked[name] = trackable
        return trackable

    def _gather_saveables_for_checkpoint(self) -> dict[str, Any]:
        """Name to what is saved of the object itself: variables, `SaveableObject`s or functions that give one."""
        return {}


@public("contrib.checkpoint.NoDependency")
class NoDependency:
    """A value that is not to become a child when it is made an attribute."""

    def __init__(self, value: Any) -> None:
        self.value = value


@public("contrib.checkpoint.Checkpointable")
class AutoTrackable(Trackable):
    """An object whose attributes become children by themselves, as far as they are trackable."""

    def __setattr__(self, name: str, value: Any) -> None:
        tracked = self.__dict__.setdefault("_tracked", {})
        if isinstance(value, NoDependency):
            tracked.pop(name, None)
            value = value.value
        elif is_trackable(value):
            tracked[name] = value
        else:
            tracked.pop(name, None)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__.get("_tracked", {}).pop(name, None)
        object.__delattr__(self, name)


@public("contrib.checkpoint.List")
class List(Trackable, Sequence[Any]):
    """A list whose elements are children, called by their numbers."""

    def __init__(self, *elements: Any) -> None:
        self._elements = list(elements)

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        return children(self._elements)

    def append(self, value: Any) -> None:
        self._elements.append(value)

    def extend(self, values: Any) -> None:
        self._elements.extend(values)

    def __getitem__(self, key: Any) -> Any:
        return self._elements[key]

    def __len__(self) -> int:
        return len(self._elements)

    def __repr__(self) -> str:
        return f"List({self._elements!r})"


@public("contrib.checkpoint.Mapping")
class TrackableMapping(Trackable, Mapping[str, Any]):
    """A dict from strings whose values are children; a key is given a value once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._values: dict[str, Any] = dict(*args, **kwargs)

    @property
    def _checkpoint_dependencies(self) -> list[TrackableReference]:
        return children(self._values)

    def __setitem__(self, key: str, value: Any) -> None:
        if self._values.get(key, value) is not value:
            raise ValueError(f"Mappings are an append-only data structure: {key!r} has a value already.")
        self._values[key] = value

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Mapping({self._values!r})"


@public("train.experimental.PythonState")
class PythonState(Trackable):
    """Python values in a checkpoint: a subclass says how they become bytes, and values again."""

    def serialize(self) -> Any:
        """The values as text or bytes."""
        raise NotImplementedError

    def deserialize(self, string_value: Any) -> None:
        """Take over what `serialize` gave."""
        raise NotImplementedError


def is_trackable(thing: Any) -> bool:
    """Whether a checkpoint can hold something of `thing`."""
    if isinstance(thing, type):
        return False
    if isinstance(thing, Trackable | Variable | Optimizer) or hasattr(thing, "_checkpoint_dependencies"):
        return True
    if isinstance(thing, list | dict):
        return all(isinstance(key, str) for key in thing) if isinstance(thing, dict) else True
    return _is_layer(thing) or hasattr(thing, "_gather_saveables_for_checkpoint")


def _is_layer(thing: Any) -> bool:
    return hasattr(thing, "trainable_variables") and hasattr(thing, "__dict__")


def children(thing: Any) -> list[TrackableReference]:
    """The named children of an object."""
    return [TrackableReference(*pair) for pair in _children(thing)]


def _children(thing: Any) -> list[tuple[str, Any]]:
    declared = getattr(thing, "_checkpoint_dependencies", None)
    if declared is not None:
        return [(child[0], child[1]) for child in declared]
    if isinstance(thing, Variable):
        return []
    if isinstance(thing, Optimizer):
        graph = get_default_graph()
        own = sorted(thing._non_slot_dict.items(), key=lambda item: item[0][0])
        return [(name, variable) for (name, _), variable in own if variable.graph is graph]
    if isinstance(thing, list | tuple):
        return [(str(i), item) for i, item in enumerate(thing) if is_trackable(item)]
    if isinstance(thing, dict):
        return [(key, item) for key, item in thing.items() if is_trackable(item)]
    if _is_layer(thing):
        found = [
            (name, value) for name, value in vars(thing).items() if not name.startswith("_") and is_trackable(value)
        ]
        return [(name, value) for name, value in found if not isinstance(value, list | dict) or children(value)]
    return []


def own_values(thing: Any) -> dict[str, Any]:
    """What is saved of the object itself, by name."""
    if isinstance(thing, Variable):
        return {VARIABLE_VALUE: thing}
    if isinstance(thing, SaveableObject):
        return {VARIABLE_VALUE: thing}
    if hasattr(thing, "_gather_saveables_for_checkpoint"):
        return thing._gather_saveables_for_checkpoint()
    return {}


def walk(root: Any) -> tuple[list[Any], dict[int, tuple[str, ...]]]:
    """All objects below `root`, nearest first, and by `id` the names on the way to each."""
    objects = [root]
    paths: dict[int, tuple[str, ...]] = {id(root): ()}
    for thing in objects:
        for name, child in children(thing):
            if id(child) not in paths:
                paths[id(child)] = (*paths[id(thing)], name)
                objects.append(child)
    return objects, paths
