"""What object-based checkpoints see of a layer: its variables and sublayers, by name."""

from __future__ import annotations

from typing import Any, NamedTuple

from evergraph.ops.variables import Variable


class TrackableReference(NamedTuple):
    """A child, and the name it is saved under."""

    name: str
    ref: Any


class WithDependencies:
    """An object with children under names."""

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


def _counts(value: Any) -> bool:
    if isinstance(value, list):
        return any(_counts(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and any(_counts(item) for item in value.values())
    if isinstance(value, type):
        return False
    return isinstance(value, Variable) or hasattr(value, "_checkpoint_dependencies")
