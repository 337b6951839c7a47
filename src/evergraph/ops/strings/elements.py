"""Going through an array of strings: what the kernels of this family share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def listed(strings: Any) -> list[bytes]:
    """The strings of an array of any shape, in row-major order."""
    return np.asarray(strings, dtype=object).ravel().tolist()


def array_of(values: Iterable[bytes], shape: tuple[int, ...]) -> np.ndarray:
    """An array of strings from its elements in row-major order."""
    values = values if isinstance(values, list) else list(values)
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def mapped(function: Callable[[bytes], bytes], strings: Any) -> np.ndarray:
    """`function` of every string."""
    return array_of([function(s) for s in listed(strings)], np.shape(strings))


def text(data: bytes) -> str:
    """Bytes as they are shown in a message."""
    return data.decode("utf-8", "replace")


__all__ = ["array_of", "listed", "mapped", "text"]
