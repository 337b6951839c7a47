"""The probability of a labelling, and its derivative, in NumPy.

A path names a class, or the blank, at each time; leaving out repetitions and then blanks makes a labelling of it. With
blanks put around the labels a labelling of length `n` has `2n + 1` states, and a path goes through them:

    labels c a t      states  _ c _ a _ t _      from each state: stay, go on by one, or skip a blank

`forward` holds the log probability of all beginnings that end in a state, `backward` that of all ends that follow it;
together they give how much of the probability goes through each state at each time, which is what the derivative is
made of. All sequences of a batch go through the recursion together, padded to one length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOG_ZERO = -np.inf


@dataclass(slots=True, frozen=True)
class Labelling:
    """The states of each sequence of a batch.

    states: the class of each state, `[batch, states]`; past the end, the blank.
    counts: how many states each sequence has, `[batch]`.
    """

    states: np.ndarray
    counts: np.ndarray


def with_blanks(labels: list[np.ndarray], blank: int) -> Labelling:
    """The states of each labelling."""
    counts = np.array([2 * len(sequence) + 1 for sequence in labels], np.int64)
    states = np.full((len(labels), int(counts.max(initial=1))), blank, np.int64)
    for row, sequence in zip(states, labels, strict=True):
        row[1 : 2 * len(sequence) : 2] = sequence
    return Labelling(states, counts)


def log_softmax(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax along the last axis, and its logarithm: minus infinity where the softmax cannot be told from 0."""
    y = np.exp(x - x.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)
    return y, np.log(y)


def loss_and_gradient(
    logits: np.ndarray, lengths: np.ndarray, labels: list[np.ndarray], merges_repeated: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Minus the log probability of each labelling, and its gradient with respect to the logits.

    Args:
        logits: `[time, batch, classes]`; the last class is the blank.
        lengths: how many times each sequence has, `[batch]`, each at least 1.
        labels: the classes of each sequence.
        merges_repeated: whether a path that stays in a class names it once.

    Returns:
        `[batch]` and `[time, batch, classes]`. A labelling that no path makes has the loss infinity, and the gradient
        that draws towards nothing: the softmax itself.
    """
    blank = logits.shape[2] - 1
    labelling = with_blanks(labels, blank)
    y, log_y = log_softmax(logits)
    states = labelling.states
    observed = np.take_along_axis(log_y, states[None], axis=2)  # [time, batch, states]
    may_stay, may_skip = _steps(labelling, blank, merges_repeated)
    forward = _forward(observed, labelling, may_stay, may_skip)
    backward = _backward(observed, lengths, labelling, may_stay, may_skip)
    through = forward + backward
    log_probability = np.logaddexp.reduce(through[0], axis=1)
    is_possible = log_probability > LOG_ZERO
    share = np.exp(through - np.where(is_possible, log_probability, 0)[None, :, None])
    gradient = y
    rows = np.arange(len(labels))
    for state in range(states.shape[1]):
        gradient[:, rows, states[:, state]] -= np.where(is_possible, share[:, :, state], 0)
    gradient[np.arange(len(logits))[:, None] >= lengths[None, :]] = 0
    return -log_probability, gradient


def _steps(labelling: Labelling, blank: int, merges_repeated: bool) -> tuple[np.ndarray, np.ndarray]:
    """Whether a path may stay in each state, and whether it may come there from two states before: 0 or log 0."""
    states = labelling.states
    is_blank = states == blank
    may_stay = np.where(merges_repeated | is_blank, 0.0, LOG_ZERO)
    skips = ~is_blank
    skips[:, :2] = False
    if merges_repeated:
        skips[:, 2:] &= states[:, 2:] != states[:, :-2]
    return may_stay, np.where(skips, 0.0, LOG_ZERO)


def _forward(observed: np.ndarray, labelling: Labelling, may_stay: np.ndarray, may_skip: np.ndarray) -> np.ndarray:
    kind = observed.dtype
    stay, skip = may_stay.astype(kind), may_skip.astype(kind)
    inside = np.arange(observed.shape[2]) < labelling.counts[:, None]
    found = np.full(observed.shape, LOG_ZERO, kind)
    found[0, :, :2] = np.where(inside[:, :2], observed[0, :, :2], LOG_ZERO)
    for t in range(1, len(observed)):
        before = found[t - 1]
        total = before + stay
        total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
        total[:, 2:] = np.logaddexp(total[:, 2:], before[:, :-2] + skip[:, 2:])
        found[t] = np.where(inside, total + observed[t], LOG_ZERO)
    return found


def _backward(
    observed: np.ndarray, lengths: np.ndarray, labelling: Labelling, may_stay: np.ndarray, may_skip: np.ndarray
) -> np.ndarray:
    kind = observed.dtype
    stay, skip = may_stay.astype(kind), may_skip.astype(kind)
    number = np.arange(observed.shape[2])
    counts = labelling.counts[:, None]
    at_end = np.where((number < counts) & (number >= counts - 2), kind.type(0), kind.type(LOG_ZERO))
    found = np.full(observed.shape, LOG_ZERO, kind)
    for t in range(len(observed) - 1, -1, -1):
        if t + 1 < len(observed):
            after = found[t + 1] + observed[t + 1]
            total = after + stay
            total[:, :-1] = np.logaddexp(total[:, :-1], after[:, 1:])
            total[:, :-2] = np.logaddexp(total[:, :-2], after[:, 2:] + skip[:, 2:])
            found[t] = np.where(lengths[:, None] > t + 1, total, LOG_ZERO)
        found[t] = np.where(lengths[:, None] == t + 1, at_end, found[t])
    return found
