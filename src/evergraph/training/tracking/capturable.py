"""Objects behind a handle that functions capture, and that a SavedModel makes and fills anew: tables and the like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.scopes import device, init_scope
from evergraph.training.tracking.trackable import Trackable


class CapturableResourceDeleter:
    """Says how a resource is given up, for those who load it: here a session does that when it is closed."""

    def __init__(self, destroy_resource_fn: Callable[[], Any] | None = None) -> None:
        self._destroy_resource: Any = destroy_resource_fn

    def destroy_resource(self) -> Any:
        return self._destroy_resource() if self._destroy_resource else None


class CapturableResource(Trackable):
    """An object of a session. A subclass says how its handle is made, and how it is filled.

    Args:
        device: where it has to be; "" for anywhere.
        deleter: how it is given up.
    """

    def __init__(self, device: str = "", deleter: CapturableResourceDeleter | None = None) -> None:
        self._resource_handle: Any = None
        self._resource_device = device
        self._resource_deleter = deleter or CapturableResourceDeleter()

    def _create_resource(self) -> Any:
        raise NotImplementedError("TrackableResource._create_resource not implemented.")

    def _initialize(self) -> Any:
        """Fill it. There may be nothing to do."""

    @property
    def resource_handle(self) -> Any:
        """The handle, made when it is first asked for."""
        if self._resource_handle is None:
            with init_scope(), device(self._resource_device or None):
                self._resource_handle = self._create_resource()
        return self._resource_handle


class TrackableResource(CapturableResource):
    """As `CapturableResource`: the base class of most."""


def is_resource(thing: Any) -> bool:
    """Whether `thing` is an object behind a handle, as tables are too."""
    return hasattr(thing, "resource_handle") and callable(getattr(thing, "_create_resource", None))
