"""`tf.compat`: groups of Python and NumPy types, and text."""

from __future__ import annotations

import numbers
import sys
from typing import Any

import numpy as np

from evergraph.framework import shapes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import as_text

publish("compat.integral_types", (numbers.Integral, np.integer))
publish("compat.real_types", (numbers.Real, np.integer, np.floating))
publish("compat.complex_types", (numbers.Complex, np.number))
publish("compat.bytes_or_text_types", (bytes, str))
publish("compat.dimension_value", shapes.dimension_value)
publish("compat.dimension_at_index", shapes.dimension_at_index)
publish("compat.v1", sys.modules["evergraph"])


@public("compat.as_str_any")
def as_str_any(value: Any) -> str:
    """`value` as text: bytes decoded, everything else through `str`."""
    return as_text(value) if isinstance(value, bytes) else str(value)


@public("compat.path_to_str")
def path_to_str(path: Any) -> Any:
    """A path object as text; anything else as it is."""
    return as_str_any(path.__fspath__()) if hasattr(path, "__fspath__") else path


@public("compat.forward_compatible")
def forward_compatible(year: int, month: int, day: int) -> bool:
    """Whether graphs may use what TensorFlow got on this day: whether it was before TensorFlow 1.15."""
    return (year, month, day) < (2019, 10, 1)
