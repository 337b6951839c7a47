"""How the functions of `tf.nn` read their arguments: deprecated names, and short forms of strides and window sizes."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any


def either(new_name: str, new: Any, old_name: str, old: Any) -> Any:
    """The one of two names for one argument that was given.

    Raises:
        ValueError: if both were.
    """
    if new is None:
        return old
    if old is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}': they are one argument")
    return new


def per_axis(value: Any, spatial_axes: int, channel_axis: int, name: str) -> Any:
    """Strides, window sizes or dilations for every axis, from one number, one per spatial axis, or the whole list."""
    if value is None:
        value = [1]
    elif not isinstance(value, Sized):
        value = [value]
    given = len(value)
    if given == spatial_axes + 2:
        return value
    if given == 1:
        value = [value[0]] * spatial_axes
    elif given == spatial_axes:
        value = list(value)
    else:
        raise ValueError(f"{name} should be of length 1, {spatial_axes} or {spatial_axes + 2} but was {given}")
    return [1, 1, *value] if channel_axis == 1 else [1, *value, 1]


def channel_axis(data_format: str | None, rank: int) -> int:
    return 1 if data_format is not None and data_format.startswith("NC") else rank - 1
