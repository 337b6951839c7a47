"""What the objects of a SavedModel become: containers of what was saved with them."""

from __future__ import annotations

from typing import Any

from evergraph.training.tracking.trackable import AutoTrackable, TrackableMapping


class RestoredObject(AutoTrackable):
    """An object of a SavedModel, with the attributes that it had as far as they were saved."""


class CallableObject(RestoredObject):
    """One that was saved with a `__call__` that is a `tf.function`."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["__call__"](*args, **kwargs)


class RestoredResource(AutoTrackable):
    """A table or the like, which functions of the SavedModel make and fill."""

    _resource_device = ""
    _has_entries = False  # that come from the checkpoint
    resource_handle: Any = None


class SignatureMap(TrackableMapping):
    """The signatures of a SavedModel: names to functions."""
