"""Histograms as summaries hold them: buckets that grow by a tenth, with TensorFlow's limits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from evergraph.formats import messages

_LARGEST = float(np.finfo(np.float64).max)


class Tally:
    """A histogram that numbers are added to."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(bucket_limits()))
        self._least, self._most, self._sum, self._sum_squares = _LARGEST, -_LARGEST, 0.0, 0.0

    def add(self, value: float) -> None:
        limits = bucket_limits()
        self._counts[min(int(np.searchsorted(limits, value, side="right")), len(limits) - 1)] += 1
        self._least, self._most = min(self._least, value), max(self._most, value)
        self._sum += value
        self._sum_squares += value * value

    def histogram(self) -> Any:
        """The `HistogramProto` of the numbers so far."""
        counts = self._counts
        made = messages.HistogramProto(
            min=self._least, max=self._most, num=counts.sum(), sum=self._sum, sum_squares=self._sum_squares
        )
        _put_buckets(made, counts)
        return made


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
    _put_buckets(made, counts)
    return made


def _put_buckets(made: Any, counts: np.ndarray) -> None:
    limits = bucket_limits()
    empty = counts <= 0
    kept = ~(empty & np.append(empty[1:], False))  # of a run of empty buckets, the last one
    made.bucket_limit.extend(limits[kept].tolist())
    made.bucket.extend(counts[kept].tolist())
