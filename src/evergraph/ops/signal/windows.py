"""Windows: what a frame is multiplied by so that it fades in and out."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.static_values import get_static_value


@public("signal.hann_window", "contrib.signal.hann_window")
def hann_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The Hann window: a raised cosine that reaches 0.

    Args:
        window_length: an int, or a scalar int tensor.
        periodic: whether an even window is one period, without its last 0; else it is symmetric.
        dtype: a floating point type.
        name: the name scope.

    Returns:
        `dtype`, shape `[window_length]`.

    Raises:
        ValueError: for other types.
    """
    return _raised_cosine(name, "hann_window", window_length, periodic, dtype, 0.5, 0.5)


@public("signal.hamming_window", "contrib.signal.hamming_window")
def hamming_window(
    window_length: Any, periodic: Any = True, dtype: Any = dtypes.float32, name: str | None = None
) -> Tensor:
    """The Hamming window: a raised cosine that does not quite reach 0. The arguments are those of `hann_window`."""
    return _raised_cosine(name, "hamming_window", window_length, periodic, dtype, 0.54, 0.46)


def _raised_cosine(
    name: str | None, default_name: str, window_length: Any, periodic: Any, dtype: Any, a: float, b: float
) -> Tensor:
    dtype = dtypes.as_dtype(dtype)
    if not dtype.is_floating:
        raise ValueError(f"dtype must be a floating point type. Found {dtype}")
    with name_scope(name, default_name, [window_length, periodic]):
        window_length = convert_to_tensor(window_length, dtype=dtypes.int32, name="window_length")
        window_length.shape.assert_has_rank(0)
        known = get_static_value(window_length)
        if known == 1:
            return array.ones([1], dtype=dtype)
        periodic = math.cast(convert_to_tensor(periodic, dtype=dtypes.bool, name="periodic"), dtypes.int32)
        periodic.shape.assert_has_rank(0)
        is_even = 1 - math.floor_mod(window_length, 2)
        n = math.cast(window_length + periodic * is_even - 1, dtype=dtype)
        count = math.cast(math.range(window_length), dtype)
        angle = constant(2 * np.pi, dtype=dtype) * count / n

        def window() -> Tensor:
            return math.cast(a - b * math.cos(angle), dtype=dtype)

        if known is not None:
            return window()
        return cond(math.equal(window_length, 1), lambda: array.ones([1], dtype=dtype), window)
