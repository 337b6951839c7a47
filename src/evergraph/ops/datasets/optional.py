"""Values that may be missing: what `get_next_as_optional` gives."""

from __future__ import annotations

from typing import Any

from evergraph.framework.shapes import Shape
from evergraph.ops.datasets.iterators import check_structure, component_shapes
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running


class Present:
    """The components of a value that is there."""

    __slots__ = ("components",)

    def __init__(self, components: tuple[Any, ...]) -> None:
        self.components = components


class Missing:
    __slots__ = ()


def _scalar(*_: Any) -> Shape:
    return ()


@op("OptionalFromValue", host=True, differentiable=False, shape=_scalar)
def optional_from_value(xp: Any, components: Any) -> Present:
    """An optional that has a value."""
    return Present(tuple(components))


@op("OptionalNone", host=True, differentiable=False, shape=_scalar)
def optional_none(xp: Any) -> Missing:
    """An optional without a value."""
    return Missing()


@op("OptionalHasValue", host=True, differentiable=False, shape=_scalar)
def optional_has_value(xp: Any, optional: Any) -> Any:
    """Whether an optional has a value."""
    return xp.bool_(isinstance(optional, Present))


@op("OptionalGetValue", host=True, differentiable=False)
def optional_get_value(xp: Any, optional: Any, *, output_types: Any, output_shapes: Any) -> tuple[Any, ...]:
    """The value of an optional that has one."""
    if not isinstance(optional, Present):
        raise kernel_error("The given optional does not have a value.")
    found = [getattr(c, "shape", ()) for c in optional.components]
    if len(found) != len(output_types):
        raise kernel_error(f"The given optional has {len(found)} components, expected {len(output_types)}.")
    check_structure(output_types, output_shapes, output_types, found)
    return optional.components


optional_get_value.shape_from_op(component_shapes)


@op("IteratorGetNextAsOptional", host=True, session=True, differentiable=False, shape=_scalar)
def iterator_get_next_as_optional(xp: Any, iterator: Any, *, run: Running) -> Any:
    """The next element of an iterator, or at the end an optional without a value."""
    element = iterator.next(run)
    return Missing() if element is None else Present(element)
