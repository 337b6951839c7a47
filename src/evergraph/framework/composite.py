"""Values made of several tensors that are taken apart, fetched and fed without knowing what they are."""

from __future__ import annotations

from typing import Any


class CompositeTensor:
    """A value that is several tensors; `nest` with `expand_composites` and sessions see its parts.

    `SparseTensor` and `IndexedSlices` are older, and known to those by their class.
    """

    def _parts(self) -> list[Any]:
        """The tensors, in the order that the other methods take them."""
        raise NotImplementedError

    def _with_parts(self, parts: list[Any]) -> Any:
        """A value of the same kind that consists of other tensors."""
        raise NotImplementedError

    def _fetched(self, arrays: list[Any]) -> Any:
        """What a session gives: the value whose parts are these arrays."""
        raise NotImplementedError

    def _fed(self, value: Any) -> list[Any]:
        """The arrays to feed the parts with, from what a program feeds."""
        raise NotImplementedError

    def _invariants(self, shape: Any) -> list[Any]:
        """The static shapes of the parts of what has the static shape `shape` (None: that of this value)."""
        raise NotImplementedError


__all__ = ["CompositeTensor"]
