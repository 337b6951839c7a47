"""The types, shapes and names of an element's components, as the constructors of queues take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import dtypes as types
from evergraph.framework import shapes as static
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import TensorShape


def type_list(dtypes: Any) -> list[DType]:
    """One type, or a list of them, as a list."""
    return [types.as_dtype(t) for t in (dtypes if isinstance(dtypes, list | tuple) else [dtypes])]


def shape_list(shapes: Any, unknown_dim_allowed: bool = False) -> list[TensorShape] | None:
    """One shape, or a list of them, as a list.

    Raises:
        ValueError: if a shape is not fully known; with `unknown_dim_allowed`, if its rank is not, or if this is not a
            list of shapes.
        TypeError: if these are no shapes.
    """
    if unknown_dim_allowed:
        if not isinstance(shapes, Sequence) or not shapes or any(s is None or isinstance(s, int) for s in shapes):
            raise ValueError("When providing partial shapes, a list of shapes must be provided.")
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        shapes = [shapes]
    if not isinstance(shapes, list | tuple):
        raise TypeError("shapes must be a TensorShape or a list or tuple of TensorShapes.")
    if all(s is None or isinstance(s, int) for s in shapes):
        shapes = [shapes]
    found = [static.as_shape(s) for s in shapes]
    if not unknown_dim_allowed and not all(s.is_fully_defined() for s in found):
        raise ValueError(f"All shapes must be fully defined: {found}")
    if any(s.dims is None for s in found):
        raise ValueError(f"All shapes must have a defined rank: {found}")
    return found


def name_list(names: Any, dtypes: Sequence[Any]) -> list[str] | None:
    """One name, or a list of them, as a list of the same length as `dtypes`."""
    if names is None:
        return None
    if not isinstance(names, list | tuple):
        names = [names]
    if len(names) != len(dtypes):
        raise ValueError(f"List of names must have the same length as the list of dtypes: {len(names)}, {len(dtypes)}")
    return list(names)


def scope_values(vals: Any) -> Any:
    """The tensors among `vals`, which belong in a name scope together."""
    return vals if isinstance(vals, list | tuple) else vals.values() if isinstance(vals, dict) else [vals]
