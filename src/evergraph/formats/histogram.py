"""Histograms as summaries hold them: buckets that grow by a tenth, with TensorFlow's limits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from evergraph.formats import messages

_LARGEST = float(np.finfo(np.float64).max)


@cache
def bucket_limits() -> np.ndarray:
    """The upper limits of the buckets, from the lowest to the largest number there is."""
    positive = []
    value = 1.0e-12
    while value < 1.0e20:
        positive.append(value)
        value *= 1.1
    positive.append(_LARGEST)
    return np.array([*(-v for v in reversed(positive)), 0.0, *positive])


def histogram(values: np.ndarray) -> Any:
    """The `HistogramProto` of finite numbers; runs of empty buckets are one."""
    flat = values.reshape(-1).astype(np.float64)
    limits = bucket_limits()
    counts = np.zeros(len(limits))
    made = messages.HistogramProto(min=_LARGEST, max=-_LARGEST)
    if flat.size:
        places = np.minimum(np.searchsorted(limits, flat, side="right"), len(limits) - 1)
        counts = np.bincount(places, minlength=len(limits)).astype(np.float64)
        made.min, made.max = flat.min(), flat.max()
        # Added one after the other, as TensorFlow does: NumPy's own sum rounds in another order.
        made.sum, made.sum_squares = np.cumsum(flat)[-1], np.cumsum(flat * flat)[-1]
    made.num = flat.size
    empty = counts <= 0
    kept = ~(empty & np.append(empty[1:], False))  # of a run of empty buckets, the last one
    made.bucket_limit.extend(limits[kept].tolist())
    made.bucket.extend(counts[kept].tolist())
    return made
