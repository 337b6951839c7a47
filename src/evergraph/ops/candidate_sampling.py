"""Candidate samplers: a few classes drawn from many, for losses that look at those few only.

Each op gives the sampled classes, and how often each true class and each sampled one is expected among them. They run
on the host, since distinct classes take an unknown number of tries; the values are TF 1.15's.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.scopes import get_seed
from evergraph.framework.shapes import Shape, merge, with_rank
from evergraph.ops import philox
from evergraph.ops.opdef import kernel_error, op

_BLOCKS_EACH = 512


class _Ahead:
    """The first words of the runs to come of samplers that run again and again.

    A run's words start a fixed number of blocks after those of the run before. To have the generator make 16 runs'
    words in one go takes 0.2 ms, those of one run 0.1: a sampler is called at each training step, and takes no longer
    than that.
    """

    RUNS = 16
    MOST_STREAMS = 64
    MOST_BLOCKS = 4096

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[int, int, int], dict[int, np.ndarray]] = OrderedDict()

    def words(self, start: int, blocks: int, seeds: tuple[int, int], stride: int) -> np.ndarray | None:
        """The words of at least `blocks` blocks from `start` on; None if this is no run after another."""
        key = (*seeds, stride)
        runs = self._made.get(key)
        if runs is None:
            runs = self._made[key] = {}
            if len(self._made) > self.MOST_STREAMS:
                self._made.popitem(last=False)
        found = runs.get(start)
        if found is not None and len(found) >= blocks * philox.WORDS_PER_BLOCK:
            return found
        follows = start - stride in runs
        runs.clear()
        runs[start] = np.zeros(0, np.uint32)  # so that the next run is known to follow this one
        if not follows or blocks * self.RUNS > self.MOST_BLOCKS:
            return None
        starts = np.uint64(start) + np.uint64(stride) * np.arange(self.RUNS, dtype=np.uint64)
        index = starts[:, None] + np.arange(blocks, dtype=np.uint64)
        words = np.stack(philox.blocks(np, index, *seeds), -1).reshape(self.RUNS, -1)
        runs.update(zip(starts.tolist(), words, strict=True))
        return words[0]


_ahead = _Ahead()


class _Words:
    """A stream of 32-bit words, read any number at a time."""

    def __init__(self, counter: Any, seed: int, seed2: int, stride: int = 0) -> None:
        self._start = self._next = int(counter)
        self._seeds = seed, seed2
        self._stride = stride  # how many blocks later the stream of the next run starts
        self._left = np.zeros(0, np.uint32)

    def take(self, count: int) -> np.ndarray:
        missing = -(-(count - len(self._left)) // philox.WORDS_PER_BLOCK)
        if missing > 0:
            words = None
            if self._stride and self._next == self._start:
                words = _ahead.words(self._start, missing, self._seeds, self._stride)
            if words is None:
                index = np.uint64(self._next) + np.arange(missing, dtype=np.uint64)
                words = np.stack(philox.blocks(np, index, *self._seeds), -1).reshape(-1)
            self._next += len(words) // philox.WORDS_PER_BLOCK
            self._left = np.concatenate([self._left, words]) if len(self._left) else words
        taken, self._left = self._left[:count], self._left[count:]
        return taken

    def doubles(self, count: int) -> np.ndarray:
        """Numbers from [0, 1) of 52 random bits."""
        pairs = self.take(2 * count).reshape(-1, 2).astype(np.uint64)
        mantissa = (pairs[:, 0] & np.uint64(0xFFFFF)) << np.uint64(32) | pairs[:, 1]
        return (mantissa | np.uint64(1023 << 52)).view(np.float64) - 1.0

    def below(self, n: int, count: int) -> np.ndarray:
        """Integers from [0, n), by rejecting words that would favour small ones."""
        found = np.zeros(0, np.uint64)
        least = np.uint64(0 if n & (n - 1) == 0 else (2**64 - 1) % n + 1)
        while len(found) < count:
            pairs = self.take(2 * (count - len(found))).reshape(-1, 2).astype(np.uint64)
            words = pairs[:, 1] << np.uint64(32) | pairs[:, 0]
            found = np.concatenate([found, words[words >= least] % np.uint64(n)])
        return found.astype(np.int64)


class _Distribution:
    """What a sampler draws from: `draw` gives classes in order, `probability` is of float32."""

    def __init__(self, draw: Callable[[_Words, int], np.ndarray], probability: Callable[[Any], Any], size: int) -> None:
        self.draw = draw
        self.probability = probability
        self.size = size


def _uniform(size: int) -> _Distribution:
    share = np.float32(1.0 / size)
    return _Distribution(lambda words, n: words.below(size, n), lambda c: np.full(c.shape, share), size)


def _log_uniform(size: int) -> _Distribution:
    log_size = np.log1p(np.float64(size))

    def draw(words: _Words, n: int) -> np.ndarray:
        return (np.exp(words.doubles(n) * log_size).astype(np.int64) - 1) % size

    def probability(classes: Any) -> Any:
        return (np.log((classes + 2.0) / (classes + 1.0)) / log_size).astype(np.float32)

    return _Distribution(draw, probability, size)


def _weighted(weights: np.ndarray) -> _Distribution:
    """A. Walker's method of aliases: a bucket for each class, shared with one other class."""
    size = len(weights)
    share = weights.astype(np.float64) * size / weights.astype(np.float64).sum()
    alias = np.full(size, -1)
    low = [i for i in range(size) if share[i] < 1]
    high = [i for i in range(size) if share[i] >= 1]
    while high and low:
        short, long = low.pop(), high.pop()
        alias[short] = long
        share[long] -= 1.0 - share[short]
        (low if share[long] < 1 else high).append(long)
    share[low + high] = 1.0
    kept = share.astype(np.float32)
    total = np.float32(0)
    for weight in weights:
        total += weight

    def draw(words: _Words, n: int) -> np.ndarray:
        """Each draw reads one word for a number from [0, 1), and one or (very seldom) more for a bucket."""
        least = 0 if size & (size - 1) == 0 else (2**32 - 1) % size + 1
        pairs = words.take(2 * n)
        while (pairs[1::2] < least).any():  # that word would favour small buckets: the draw reads another
            bad = 2 * int(np.argmax(pairs[1::2] < least)) + 1
            pairs = np.concatenate([pairs[:bad], pairs[bad + 1 :], words.take(1)])
        fraction = (pairs[::2] & np.uint32(0x7FFFFF) | np.uint32(127 << 23)).view(np.float32) - np.float32(1)
        buckets = (pairs[1::2] % np.uint32(size)).astype(np.int64)
        return np.where(fraction < kept[buckets], buckets, alias[buckets])

    def probability(classes: Any) -> Any:
        inside = (classes >= 0) & (classes < size)
        return np.where(inside, weights[np.where(inside, classes, 0)] / total, np.float32(0)).astype(np.float32)

    return _Distribution(draw, probability, size)


def _sampled(
    distribution: _Distribution, true_classes: Any, num_true: int, num_sampled: int, unique: bool, words: _Words
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
        raise kernel_error(f"true_classes must have num_true columns, expected: {num_true} was: {true_classes.shape}")
    if not unique:
        classes, tries = distribution.draw(words, num_sampled), num_sampled
    else:
        if num_sampled > distribution.size:
            raise kernel_error("Sampler's range is too small.")
        classes, tries = _distinct(distribution, num_sampled, words)

    def expected(which: Any) -> Any:
        p = distribution.probability(which)
        if tries == num_sampled:
            return p * np.float32(num_sampled)
        return -np.expm1(np.float32(tries) * np.log1p(-p))

    return classes, expected(true_classes), expected(classes)


def _distinct(distribution: _Distribution, wanted: int, words: _Words) -> tuple[np.ndarray, int]:
    """The first `wanted` different classes, and how many draws it took to see them."""
    drawn = np.zeros(0, np.int64)
    while True:
        # Some more than that, since a few will be the same.
        drawn = np.concatenate([drawn, distribution.draw(words, max(wanted + wanted // 4, 16))])
        _, first = np.unique(drawn, return_index=True)
        if len(first) >= wanted:
            first = np.sort(first)[:wanted]
            return drawn[first], int(first[-1]) + 1 if wanted else 0


def _blocks(true_classes: Any, *, num_sampled: int, **_: Any) -> int:
    return num_sampled * _BLOCKS_EACH


def _shape_rule(true_classes: Shape, *, num_true: int, num_sampled: int) -> Any:
    rows, _ = merge(with_rank(true_classes, 2), (None, num_true))  # type: ignore[misc]  # of known rank
    return (num_sampled,), (rows, num_true), (num_sampled,)


@op("UniformCandidateSampler", host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def uniform_candidate_sampler_op(
    xp: Any, true_classes: Any, *,
    counter: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int, seed2: int,
) -> Any:  # fmt: skip
    """Classes below `range_max`, each as likely as the next."""
    words = _Words(counter, seed, seed2, num_sampled * _BLOCKS_EACH)
    return _sampled(_uniform(range_max), true_classes, num_true, num_sampled, unique, words)


@op("LogUniformCandidateSampler", host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def log_uniform_candidate_sampler_op(
    xp: Any, true_classes: Any, *,
    counter: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int, seed2: int,
) -> Any:  # fmt: skip
    """Classes below `range_max`, small ones more likely, as words by falling frequency are: Zipf's law."""
    words = _Words(counter, seed, seed2, num_sampled * _BLOCKS_EACH)
    return _sampled(_log_uniform(range_max), true_classes, num_true, num_sampled, unique, words)


@op("FixedUnigramCandidateSampler", host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def fixed_unigram_candidate_sampler_op(
    xp: Any, true_classes: Any, *,
    counter: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, vocab_file: bytes, distortion: float,
    num_reserved_ids: int, num_shards: int, shard: int, unigrams: Any, seed: int, seed2: int,
) -> Any:  # fmt: skip
    """Classes in proportion to the weights of a list, or of the last column of a file."""
    if bool(vocab_file) == bool(unigrams):
        raise kernel_error("Must provide either vocab_file or unigrams, and not both.")
    changed = os.stat(vocab_file.decode()).st_mtime_ns if vocab_file else 0
    given = _given_weights(vocab_file, changed, tuple(unigrams), distortion, num_reserved_ids, num_shards, shard)
    if given.size != range_max:
        raise kernel_error(f"range_max is {range_max}, and there are {given.size} weights")
    words = _Words(counter, seed, seed2, num_sampled * _BLOCKS_EACH)
    return _sampled(given, true_classes, num_true, num_sampled, unique, words)


@lru_cache(32)
def _given_weights(
    vocab_file: bytes,
    changed: int,
    unigrams: tuple[float, ...],
    distortion: float,
    reserved: int,
    shards: int,
    shard: int,
) -> _Distribution:
    """Kept from run to run: the table of aliases of a vocabulary takes a while. `changed` is the time of the file."""
    if vocab_file:
        with open(vocab_file.decode()) as lines:
            given = [float(line.rsplit(",", 1)[-1]) for line in lines]
    else:
        given = list(unigrams)
    powers = np.power(np.array(given, np.float32), np.float32(distortion))
    everything = np.concatenate([np.zeros(reserved, np.float32), powers])
    return _weighted(everything[shard::shards])


class _Learned:
    """How often each class was a true one so far in a session, counted from 1."""

    def __init__(self, size: int) -> None:
        self.lock = threading.Lock()
        self.counts = np.ones(size, np.int64)

    def distribution(self) -> _Distribution:
        ends = np.cumsum(self.counts)
        total = int(ends[-1])

        def draw(words: _Words, n: int) -> np.ndarray:
            least = 0 if total & (total - 1) == 0 else (2**32 - 1) % total + 1
            found = np.zeros(0, np.uint32)
            while len(found) < n:
                more = words.take(n - len(found))
                found = np.concatenate([found, more[more >= least]])
            return np.searchsorted(ends, found % np.uint32(total), side="right")

        def probability(classes: Any) -> Any:
            return self.counts[classes].astype(np.float32) / np.float32(total)

        return _Distribution(draw, probability, len(self.counts))

    def count(self, classes: np.ndarray) -> None:
        room = max(2**31 - 1 - int(self.counts.sum()), 0)
        np.add.at(self.counts, classes.reshape(-1)[:room], 1)


def _learned_unigram(name: str) -> Any:
    @op(name, session=True, random=_blocks, shape=_shape_rule, differentiable=False)
    def sampler(
        xp: Any, true_classes: Any, *,
        counter: Any, run: Any, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int, seed2: int,
    ) -> Any:  # fmt: skip
        """Classes in proportion to how often they were true ones in the runs before."""
        learned = run.resource(b"", b"", lambda: _Learned(range_max))
        if true_classes.size and not 0 <= true_classes.min() <= true_classes.max() < range_max:
            raise kernel_error(
                f"true_classes are from {true_classes.min()} to {true_classes.max()}, not in [0, {range_max})"
            )
        with learned.lock:
            words = _Words(counter, seed, seed2, num_sampled * _BLOCKS_EACH)
            found = _sampled(learned.distribution(), true_classes, num_true, num_sampled, unique, words)
            learned.count(true_classes)
        return found

    return sampler


learned_unigram_candidate_sampler_op = _learned_unigram("LearnedUnigramCandidateSampler")
thread_unsafe_unigram_candidate_sampler_op = _learned_unigram("ThreadUnsafeUnigramCandidateSampler")


@op("AllCandidateSampler", host=True, random=_blocks, shape=_shape_rule, differentiable=False)
def all_candidate_sampler_op(xp: Any, true_classes: Any, *, counter: Any, num_sampled: int) -> Any:
    """All the classes there are: to test with, instead of a sampler."""
    return (
        np.arange(num_sampled, dtype=np.int64),
        np.ones(true_classes.shape, np.float32),
        np.ones(num_sampled, np.float32),
    )


@op("ComputeAccidentalHits", host=True, differentiable=False)
def compute_accidental_hits_op(xp: Any, true_classes: Any, sampled_candidates: Any, *, num_true: int) -> Any:
    """Where a true class was sampled: its row, its position among the samples, and a weight that shuts it out."""
    order = sampled_candidates.argsort(kind="stable")
    ordered = sampled_candidates[order]
    true = true_classes.ravel()
    last = np.searchsorted(ordered, true, side="right") - 1  # of those sampled more than once, the last one counts
    found = ((last >= 0) & (ordered[last] == true)).nonzero()[0] if len(order) else np.zeros(0, np.int64)
    rows = (found // max(num_true, 1)).astype(np.int32)
    return rows, order[last[found]].astype(np.int64), np.full(len(found), np.finfo(np.float32).min)


@compute_accidental_hits_op.shape
def compute_accidental_hits_shape(true_classes: Shape, sampled_candidates: Shape, *, num_true: int) -> Any:
    merge(with_rank(true_classes, 2), (None, num_true))
    with_rank(sampled_candidates, 1)
    return (None,), (None,), (None,)


@public("random.uniform_candidate_sampler", "nn.uniform_candidate_sampler")
def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Sample classes, each as likely as the next.

    Args:
        true_classes: int64, shape `[batch, num_true]`.
        num_true: how many true classes an example has.
        num_sampled: how many to sample.
        unique: whether the samples are all different.
        range_max: how many classes there are.
        seed: as of `tf.random_uniform`.
        name: the op's name.

    Returns:
        `sampled_candidates`, `true_expected_count` (of the shape of `true_classes`) and `sampled_expected_count`.
    """
    seed1, seed2 = get_seed(seed)
    return uniform_candidate_sampler_op(true_classes, num_true, num_sampled, unique, range_max, seed1, seed2, name)


@public("random.log_uniform_candidate_sampler", "nn.log_uniform_candidate_sampler")
def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Sample classes that are numbered by falling frequency; arguments as of `uniform_candidate_sampler`.

    Class `c` has probability `log((c + 2) / (c + 1)) / log(range_max + 1)`.
    """
    seed1, seed2 = get_seed(seed)
    return log_uniform_candidate_sampler_op(true_classes, num_true, num_sampled, unique, range_max, seed1, seed2, name)


@public("random.fixed_unigram_candidate_sampler", "nn.fixed_unigram_candidate_sampler")
def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Any = (),
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Sample classes in proportion to given weights; the other arguments are as `uniform_candidate_sampler`'s.

    Args:
        vocab_file: a file with one class a line, its weight after the last comma.
        distortion: the weights are raised to this power: 1 keeps them, 0 makes all classes alike.
        num_reserved_ids: how many classes to put before the first, which are never sampled.
        num_shards: into how many parts the classes are cut, every `num_shards`-th to one part.
        shard: which part to sample from.
        unigrams: the weights, instead of a file.
    """
    seed1, seed2 = get_seed(seed)
    return fixed_unigram_candidate_sampler_op(
        true_classes,
        num_true,
        num_sampled,
        unique,
        range_max,
        vocab_file=vocab_file,
        distortion=distortion,
        num_reserved_ids=num_reserved_ids,
        num_shards=num_shards,
        shard=shard,
        unigrams=unigrams,
        seed=seed1,
        seed2=seed2,
        name=name,
    )


@public("random.learned_unigram_candidate_sampler", "nn.learned_unigram_candidate_sampler")
def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Sample classes in proportion to how often they were true ones; arguments as of `uniform_candidate_sampler`.

    Counts start at 1, belong to the op in a session, and grow after each run.
    """
    seed1, seed2 = get_seed(seed)
    return learned_unigram_candidate_sampler_op(
        true_classes, num_true, num_sampled, unique, range_max, seed1, seed2, name
    )


@public("random.all_candidate_sampler", "nn.all_candidate_sampler")
def all_candidate_sampler(
    true_classes: Any, num_true: int, num_sampled: int, unique: bool, seed: int | None = None, name: str | None = None
) -> Any:
    """All `num_sampled` classes; arguments as of `uniform_candidate_sampler`."""
    seed1, seed2 = get_seed(seed)
    return all_candidate_sampler_op(true_classes, num_true, num_sampled, unique, seed1, seed2, name)


@public("nn.compute_accidental_hits")
def compute_accidental_hits(
    true_classes: Any, sampled_candidates: Any, num_true: int, seed: int | None = None, name: str | None = None
) -> Any:
    """Find true classes among the sampled ones.

    Returns:
        `indices` (the example), `ids` (the position among the samples) and `weights`, the most negative float32, to be
        added to the logits of those samples.
    """
    seed1, seed2 = get_seed(seed)
    return compute_accidental_hits_op(true_classes, sampled_candidates, num_true, seed1, seed2, name)
