"""The ops behind k-means: where to begin, and which centres are near.

What is drawn are TF's numbers: 32-bit words of Philox, four a block, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from evergraph.framework.shapes import Shape
from evergraph.ops import philox
from evergraph.ops.opdef import kernel_error, op

_AT_ONCE = 256  # blocks of random words
_LARGEST_PRODUCT = 1 << 22  # elements of the matrix of distances that is held at once


def _words(seed: int) -> Iterator[int]:
    """The stream of 32-bit words for `seed`."""
    block = 0
    while True:
        index = np.arange(block, block + _AT_ONCE, dtype=np.uint64)
        yield from np.stack(philox.blocks(np, index, seed, 0), axis=-1).ravel().tolist()
        block += _AT_ONCE


def _unit_float(word: int) -> np.float32:
    """A float32 in [0, 1) from the low 23 bits of a word."""
    return np.uint32(0x3F800000 | word & 0x7FFFFF).view(np.float32) - np.float32(1)


def _below(words: Iterator[int], n: int) -> int:
    """An integer in [0, n), all alike likely."""
    least = 0 if n & (n - 1) == 0 else (2**64 - 1) % n + 1
    while True:
        drawn = next(words) | next(words) << 32
        if drawn >= least:
            return drawn % n


def _scalar(value: Any, name: str) -> int:
    if np.ndim(value):
        raise kernel_error(f"Input {name} should be a scalar.")
    return int(value)


def _matrix(value: Any, name: str) -> np.ndarray:
    if value.ndim != 2:
        raise kernel_error(f"Input {name} should be a matrix.")
    if not value.shape[0] and name == "points":
        raise kernel_error("Expected points.rows() > 0.")
    return value


def _half_squares(x: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * np.einsum("ij,ij->i", x, x)


@op("KmeansPlusPlusInitialization", host=True, differentiable=False)
def kmeans_plus_plus_initialization(
    xp: Any, points: Any, num_to_sample: Any, seed: Any, num_retries_per_sample: Any
) -> Any:
    """Rows of `points` drawn one by one, with probabilities in proportion to the squared distance to those drawn.

    Each time `num_retries_per_sample + 1` candidates are drawn, and the one that leaves the least distances is taken.
    """
    _matrix(points, "points")
    count, rows = _scalar(num_to_sample, "num_to_sample"), points.shape[0]
    retries = _scalar(num_retries_per_sample, "num_retries_per_sample")
    words = _words(_scalar(seed, "seed"))
    if count <= 0:
        raise kernel_error("Expected num_to_sample > 0.")
    if count > rows:
        raise kernel_error(f"Expected num_to_sample <= points.rows(). {count} vs {rows}.")
    if retries < 0:
        retries = 2 + int(math.log(count))
    squares = _half_squares(points)
    nearest = np.full(rows, np.inf, np.float32)
    chosen: list[int] = []
    for _ in range(count):
        sums = np.cumsum(nearest, dtype=np.float32) if chosen else nearest
        best, best_nearest, best_potential = 0, nearest, np.float32(np.inf)
        for _ in range(retries + 1):
            candidate = _candidate(words, sums, chosen, rows)
            there = np.minimum(nearest, squares - points @ points[candidate] + squares[candidate])
            potential = there.sum()
            if not retries or potential < best_potential:
                best, best_nearest, best_potential = candidate, there, potential
        nearest = best_nearest
        chosen.append(best)
    return points[chosen]


def _candidate(words: Iterator[int], sums: np.ndarray, chosen: list[int], rows: int) -> int:
    if not chosen:
        return _below(words, rows)
    if not sums[-1] > 0:  # every point equals one that was chosen
        return next(i for i in range(rows) if i not in chosen)
    while True:
        drawn = int(np.searchsorted(sums, _unit_float(next(words)) * sums[-1], side="right"))
        drawn = min(drawn, rows - 1)
        if drawn not in chosen:
            return drawn


@kmeans_plus_plus_initialization.shape
def kmeans_plus_plus_initialization_shape(
    points: Shape, num_to_sample: Shape, seed: Shape, num_retries_per_sample: Shape
) -> Shape:
    return None


@op("KMC2ChainInitialization", host=True, differentiable=False)
def kmc2_chain_initialization(xp: Any, distances: Any, seed: Any) -> Any:
    """The last state of a Markov chain through the points, which goes on in proportion to their distances."""
    if distances.ndim != 1:
        raise kernel_error("Input distances should be a vector.")
    if not distances.size:
        raise kernel_error("Expected distances_tensor.size() > 0.")
    words = _words(_scalar(seed, "seed"))
    state = 0
    for i in range(1, distances.size):
        if distances[i] > _unit_float(next(words)) * distances[state]:
            state = i
    return np.int64(state)


@kmc2_chain_initialization.shape
def kmc2_chain_initialization_shape(distances: Shape, seed: Shape) -> Shape:
    return ()


@op("NearestNeighbors", host=True, differentiable=False)
def nearest_neighbors(xp: Any, points: Any, centers: Any, k: Any) -> Any:
    """For each point the `k` nearest centres, nearest first, and the squared distances to them."""
    _matrix(points, "points")
    _matrix(centers, "centers")
    if points.shape[1] != centers.shape[1]:
        raise kernel_error(f"Expected point_dimensions == center_dimensions: {points.shape[1]} vs {centers.shape[1]}.")
    count = min(centers.shape[0], _scalar(k, "k"))
    indices = np.empty((points.shape[0], count), np.int64)
    distances = np.empty((points.shape[0], count), np.float32)
    if not count:
        return indices, distances
    squares = _half_squares(centers)
    step = max(1, _LARGEST_PRODUCT // centers.shape[0])
    for start in range(0, points.shape[0], step):
        some = points[start : start + step]
        partial = squares - some @ centers.T
        if count < centers.shape[0]:
            near = np.argpartition(partial, count - 1, axis=1)[:, :count]
            near.sort(axis=1)  # so that of two centres at one distance the first comes first
        else:
            near = np.broadcast_to(np.arange(count), partial.shape)
        values = np.take_along_axis(partial, near, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        indices[start : start + step] = np.take_along_axis(near, order, axis=1)
        least = np.take_along_axis(values, order, axis=1)
        distances[start : start + step] = np.float32(2) * (_half_squares(some)[:, None] + least)
    return indices, distances


@nearest_neighbors.shape
def nearest_neighbors_shape(points: Shape, centers: Shape, k: Shape) -> list[Any]:
    return [None, None]
