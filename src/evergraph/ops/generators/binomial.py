"""Binomial numbers, by two methods of TF's.

    count * p < 10    inversion: how many geometric numbers fit into the count
    otherwise         rejection: W. Hörmann, "The generation of binomial random variates", 1993

Above p = 1/2 the rest is drawn. TF hands the outputs to its threads in portions that depend on how many threads there
are, and with them its numbers do. Here each output has a part of the stream for itself; the first one's numbers are
TF's.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from evergraph.ops.opdef import kernel_error
from evergraph.ops.random_by_rejection import Streams

_BLOCKS_PER_OUTPUT = 50
_TF_BATCH = 100

_TAILS = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip
"""What Stirling's formula leaves of log(k!), for k below 10."""


def draw(sizes: tuple[int, ...], counts: Any, probs: Any, counter: int, seed: Any, seed2: Any) -> tuple[Any, int]:
    """Binomial numbers of shape `sizes`, as float64, and by how many blocks the stream moves on.

    Args:
        counts, probs: scalars, or one for each entry of the first axis.

    Raises:
        InvalidArgumentError: if they are of another shape.
    """
    for name, value in (("counts", counts), ("probs", probs)):
        if value.ndim > 1:
            raise kernel_error(f"Input {name} should be a scalar or vector, got shape: {list(value.shape)}")
        if value.size != 1 and value.shape[0] != sizes[0]:
            raise kernel_error(f"Input {name} should have length 1 or shape[0], got shape: {list(value.shape)}")
    outputs = prod(sizes)
    each = outputs // sizes[0] if sizes and sizes[0] else 1
    batches = sizes[0] if sizes else 1
    if counts.size == probs.size == 1:
        batches, each = -(-outputs // _TF_BATCH), _TF_BATCH
    count, p = (_per_output(value, sizes, outputs) for value in (counts, probs))
    first = np.uint64(counter) + np.arange(outputs, dtype=np.uint64) * np.uint64(_BLOCKS_PER_OUTPUT)
    values = _binomial(count, p, Streams(first, int(seed), int(seed2)))
    return values.reshape(sizes), batches * 2 * 100 * (each + 3) // 4 * 256


def _per_output(value: Any, sizes: tuple[int, ...], outputs: int) -> np.ndarray:
    value = np.ravel(value).astype(np.float64)
    return (
        np.repeat(value, outputs // value.size) if value.size > 1 else np.full(outputs, value[0] if value.size else 0)
    )


def _binomial(count: np.ndarray, prob: np.ndarray, streams: Streams) -> np.ndarray:
    result = np.full(count.shape, np.nan)
    certain = (count <= 0) | (prob <= 0)
    result[certain] = 0
    always = ~certain & (prob >= 1)
    result[always] = count[always]
    rest = np.flatnonzero(~certain & (prob < 1))
    p = np.where(prob > 0.5, 1 - prob, prob)
    is_large = count[rest] * p[rest] >= 10
    for who, method in ((rest[is_large], _by_rejection), (rest[~is_large], _by_inversion)):
        result[who] = method(who, count, p, streams)
    flipped = rest[prob[rest] > 0.5]
    result[flipped] = count[flipped] - result[flipped]
    return result


def _by_inversion(who: np.ndarray, count: np.ndarray, p: np.ndarray, streams: Streams) -> np.ndarray:
    found = np.zeros(len(who))
    total = np.zeros(len(who))
    open_ = np.arange(len(who))
    with np.errstate(divide="ignore"):
        while len(open_):
            u = streams.draw("uniform", who[open_])
            total[open_] += np.ceil(np.log(u) / np.log1p(-p[who[open_]]))
            open_ = open_[total[open_] <= count[who[open_]]]
            found[open_] += 1
    return found


def _tail(k: np.ndarray) -> np.ndarray:
    square = (k + 1) ** 2
    large = (1 / 12 - (1 / 360 + 1 / 1260 / square) / square) / (k + 1)
    return np.where(k <= 9, np.take(_TAILS, np.clip(k, 0, 9).astype(np.int64)), large)


def _by_rejection(who: np.ndarray, count: np.ndarray, p: np.ndarray, streams: Streams) -> np.ndarray:
    found = np.zeros(len(who))
    open_ = np.arange(len(who))
    while len(open_):
        these = who[open_]
        n, q = count[these], p[these]
        deviation = np.sqrt(n * q * (1 - q))
        b = 1.15 + 2.53 * deviation
        a = -0.0873 + 0.0248 * b + 0.01 * q
        r = q / (1 - q)
        u = streams.draw("uniform", these) - 0.5
        v = streams.draw("uniform", these)
        edge = 0.5 - np.abs(u)
        with np.errstate(divide="ignore", invalid="ignore"):
            k = np.floor((2 * a / edge + b) * u + n * q + 0.5)
            sure = (edge >= 0.07) & (v <= 0.92 - 4.2 / b)
            m = np.floor((n + 1) * q)
            limit = (
                (m + 0.5) * np.log((m + 1) / (r * (n - m + 1)))
                + (n + 1) * np.log((n - m + 1) / (n - k + 1))
                + (k + 0.5) * np.log(r * (n - k + 1) / (k + 1))
                + (_tail(m) + _tail(n - m) - _tail(k) - _tail(n - k))
            )
            ratio = np.log(v * ((2.83 + 5.1 / b) * deviation) / (a / (edge * edge) + b))
            taken = sure | ((k >= 0) & (k <= n) & (ratio <= limit))
        found[open_[taken]] = k[taken]
        open_ = open_[~taken]
    return found
