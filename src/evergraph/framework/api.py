"""Which object stands behind which public name.

    @public("add", "math.add")
    def add(x, y, name=None): ...

makes `tf.add` and `tf.math.add`. `evergraph/__init__.py` turns the table into modules.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from evergraph.framework import dispatch

T = TypeVar("T")

NAMES: dict[str, dict[str, Any]] = {"": {}}
"""Namespace ("" or "nn" or "train.experimental") to what it holds."""


def public(*names: str) -> Callable[[T], T]:
    """Give the decorated function, class or op its public names."""

    def declare(thing: T) -> T:
        if isinstance(thing, FunctionType) and not dispatch.OPEN.isdisjoint(names):
            thing = dispatch.dispatching(thing)
        for name in names:
            publish(name, thing)
        return thing

    return declare


def publish(name: str, thing: Any) -> None:
    """Give `thing` (a constant, say) a public name."""
    namespace, _, last = name.rpartition(".")
    NAMES.setdefault(namespace, {})[last] = thing
