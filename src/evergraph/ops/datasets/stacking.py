"""Elements put together: one array for each component, with a row for each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework.dtypes import DType
from evergraph.ops.datasets.aligned import ALIGNMENT, aligned
from evergraph.ops.datasets.dataset import Element, shape_of
from evergraph.ops.opdef import kernel_error


def batch_of(elements: Sequence[Element], types: Sequence[DType], differs: Callable[..., str] | None = None) -> Element:
    """The batch of some elements.

    Raises:
        InvalidArgumentError: if their shapes differ, with the message that `differs` gives.
    """
    columns: Any = ([value for (value,) in elements],) if len(types) == 1 else zip(*elements, strict=True)
    say = differs or _differs
    return tuple([column_of(column, kind, i, say) for i, (column, kind) in enumerate(zip(columns, types, strict=True))])


def _differs(component: int, first: tuple[int, ...], number: int, other: tuple[int, ...]) -> str:
    return (
        f"Cannot batch tensors with different shapes in component {component}. First element had shape "
        f"{shape_text(first)} and element {number} had shape {shape_text(other)}."
    )


def mapped_differs(component: int, first: tuple[int, ...], number: int, other: tuple[int, ...]) -> str:
    """What `map_and_batch` says."""
    return (
        "Cannot add tensor to the batch: number of elements does not match. Shapes are: [tensor]: "
        f"{shape_text(other)}, [batch]: {shape_text(first)}"
    )


def column_of(
    values: Sequence[Any], kind: DType, component: int = 0, differs: Callable[..., str] = _differs
) -> np.ndarray:
    """Values of one component of some elements as an array, [elements, ...]."""
    n, first = len(values), values[0]
    shape = shape_of(first)
    types = set(map(type, values))
    if kind._kind == "S" and types == {bytes}:
        return np.fromiter(values, object, n)  # which does not look for sequences among them
    out = aligned((n, *shape), kind)
    if len(types) == 1 and not shape and isinstance(first, np.number) and first.dtype == out.dtype:
        out[:] = np.fromiter(values, out.dtype, n)
        return out
    if types != {np.ndarray} or {value.shape for value in values} != {shape}:
        for i, value in enumerate(values):
            if shape_of(value) != shape:
                raise kernel_error(differs(component, shape, i, shape_of(value)))
    if types == {np.ndarray} and out.size and shape:
        np.concatenate(values, out=out.reshape(n * shape[0], *shape[1:]), casting="unsafe")
        return out
    for i, value in enumerate(values):
        out[i] = value if shape or type(value) is not np.ndarray else value[()]
    return out


def as_component(column: Any, kind: DType) -> np.ndarray:
    """A computed column as a component of a batch: aligned, and nobody else's."""
    if kind._kind in "SV":
        return column if column.flags.owndata else column.copy()
    if column.flags.c_contiguous and column.flags.writeable and column.ctypes.data % ALIGNMENT == 0:
        return column
    out = aligned(column.shape, kind)
    out[...] = column
    return out


def shape_text(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
