"""Internal functions of TensorFlow 1.15 that public programs call and that have no public name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import shapes, stacks
from evergraph.framework.graph import Graph
from evergraph.ops.opdef import partial_value
from evergraph.ops.static_values import as_shape, get_static_value
from evergraph.runtime import devices

DEFAULT_GRAPH_SEED = 87654321


def unchanged(function: Any) -> Any:
    """A decorator that leaves what it decorates as it is."""
    return function


def unchanged_with_arguments(*args: Any, **kwargs: Any) -> Any:
    """A decorator, used with or without arguments, that leaves what it decorates as it is."""
    if len(args) == 1 and not kwargs and callable(args[0]):
        return args[0]
    return unchanged


def remove_undocumented(module_name: str, allowed_exception_list: Any = None, doc_string_modules: Any = None) -> None:
    """Do nothing: names that a module does not document stay reachable."""


def deprecated_argument_lookup(new_name: str, new_value: Any, old_name: str, old_value: Any) -> Any:
    """The one of two names for an argument that was given.

    Raises:
        ValueError: if both were.
    """
    if old_value is None:
        return new_value
    if new_value is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'")
    return old_value


def name_from_scope_name(name: str) -> str:
    """The name of an op, given the name scope that was opened for it: without the slash at the end."""
    return name.removesuffix("/")


def strip_name_scope(name: str, export_scope: str | None) -> str:
    """`name` as seen from inside `export_scope`; the marks of controls (`^x`) and locations (`loc:@x`) stay."""
    if not export_scope:
        return name
    scope = re.escape(export_scope.removesuffix("/"))
    return re.sub(rf"([\^]|loc:@|^){scope}[/]+(.*)", r"\1\2", name, count=1)


_numbers = itertools.count()


def uid() -> int:
    """A number that was not given before in this process."""
    return next(_numbers)


def smart_constant_value(pred: Any) -> bool | None:
    """The truth value of a Python bool, 0, 1, or a tensor that is known while the graph is built, else None.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(pred, bool):
        return pred
    if isinstance(pred, int) and pred in (0, 1):
        return bool(pred)
    if hasattr(pred, "graph"):
        value = get_static_value(pred)
        return None if value is None else bool(value)
    raise TypeError(f"`pred` must be a Tensor, or a Python bool, or 1 or 0. Found instead: {pred!r}")


def constant_value_as_shape(tensor: Any) -> Any:
    """The shape that an int vector holds, as far as it is known while the graph is built; -1 is a size not known.

    Raises:
        ValueError: for a scalar other than -1.
    """
    if tensor.static_shape == ():
        if get_static_value(tensor) != -1:
            raise ValueError(
                "Received a scalar with unknown value as shape; require a statically known scalar with value '-1'."
            )
        return shapes.unknown_shape()
    known = as_shape(partial_value(tensor))
    if known is None and tensor.static_shape is not None:
        return shapes.unknown_shape(tensor.static_shape[0])
    return shapes.as_shape(known)


def version_2_is_enabled() -> bool:
    """False: the behaviour is TensorFlow 1's."""
    return False


def executing_eagerly() -> bool:
    """False: everything is built into graphs."""
    return False


def num_gpus() -> int:
    """How many GPUs this process can use."""
    return devices.gpu_count()


@contextmanager
def graph_mode() -> Iterator[Graph]:
    """A context that builds into a graph of its own unless one is the default already."""
    graph = stacks.graphs.stack[-1] if stacks.graphs.stack else Graph()
    with graph.as_default():
        yield graph
