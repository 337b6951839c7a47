"""Non-maximum suppression: of boxes that overlap, the best one.

Candidates are taken by falling score; each is dropped if it overlaps one that was taken before (hard), or has its score
reduced and waits for its turn again (soft). Ties are broken as TF 1 does, that is, by how a binary heap of C++ happens
to arrange them: where scores are equal that heap is played through; where they all differ a sort does.

TF 1 also puts a box that it has just chosen back among the candidates. On its next turn it overlaps itself and goes;
but a box without area does not overlap itself, and is chosen again and again. So it is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, merge_dim, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.static_values import whole_int


class _Heap:
    """A max-heap of (score, box, first selected box not compared yet) that moves its entries as C++'s queue does."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, int, int]] = []

    def push(self, entry: tuple[Any, int, int]) -> None:
        self.entries.append(entry)
        self._rise(len(self.entries) - 1, 0, entry)

    def _rise(self, hole: int, top: int, entry: tuple[Any, int, int]) -> None:
        entries = self.entries
        while hole > top:
            parent = (hole - 1) // 2
            if not entries[parent][0] < entry[0]:
                break
            entries[hole] = entries[parent]
            hole = parent
        entries[hole] = entry

    def pop(self) -> tuple[Any, int, int]:
        entries = self.entries
        first, last = entries[0], entries.pop()
        size = len(entries)
        if size:
            hole = child = 0
            while child < (size - 1) // 2:
                child = 2 * (child + 1)
                if entries[child][0] < entries[child - 1][0]:
                    child -= 1
                entries[hole] = entries[child]
                hole = child
            if size % 2 == 0 and child == (size - 2) // 2:
                child = 2 * (child + 1)
                entries[hole] = entries[child - 1]
                hole = child - 1
            self._rise(hole, 0, last)
        return first


def _corners(boxes: np.ndarray) -> np.ndarray:
    """Boxes as rows of top, left, bottom, right and area, whichever corners they are given by."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    area = (high[:, 0] - low[:, 0]) * (high[:, 1] - low[:, 1])
    return np.concatenate([low, high, area[:, None]], axis=1)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of each of some boxes with each of others, `(boxes, others)`."""
    top, left, bottom, right, area = (boxes[:, i, None] for i in range(5))
    zero = boxes.dtype.type(0)
    height = np.maximum(np.minimum(bottom, others[:, 2]) - np.maximum(top, others[:, 0]), zero)
    width = np.maximum(np.minimum(right, others[:, 3]) - np.maximum(left, others[:, 1]), zero)
    common = height * width
    counts = (area > 0) & (others[:, 4] > 0)
    union = np.where(counts, area + others[:, 4] - common, boxes.dtype.type(1))
    return np.where(counts, common / union, zero)


@dataclass(frozen=True)
class _Similarity:
    """How much boxes overlap: `of(some, others)` says how much each of some does each of others, by their indices.

    `own` is how much each overlaps itself.
    """

    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    own: np.ndarray
    is_symmetric: bool = True


def _by_overlap(boxes: np.ndarray) -> _Similarity:
    corners = _corners(boxes)
    return _Similarity(
        lambda some, others: _overlap(corners[some], corners[others]), (corners[:, 4] > 0).astype(boxes.dtype)
    )


AT_ONCE = 128
"""Candidates that are compared with what is selected, and with one another, in one go."""


def _hard(order: np.ndarray, most: int, threshold: Any, similarity: _Similarity) -> list[int]:
    """The boxes that are left of `order` when each drops those after it that are as similar as `threshold` or more."""
    selected: list[int] = []
    for begin in range(0, len(order), AT_ONCE):
        if len(selected) >= most:
            break
        some = order[begin : begin + AT_ONCE]
        if selected:
            some = some[~(similarity.of(some, np.array(selected)) >= threshold).any(axis=1)]
        drops = similarity.of(some, some) >= threshold
        is_open = np.ones(len(some), bool)
        for i, box in enumerate(some.tolist()):
            if is_open[i]:
                selected.append(box)
                is_open &= ~drops[i]
    return selected[:most]


def _soft(
    candidates: np.ndarray,
    scores: np.ndarray,
    most: int,
    threshold: Any,
    least: Any,
    sigma: Any,
    similarity: _Similarity,
) -> tuple[list[int], list[Any]]:
    dtype = scores.dtype.type
    scale = dtype(-0.5) / sigma if sigma > 0 else dtype(0)
    heap = _Heap()
    for i in candidates:
        heap.push((scores[i], int(i), 0))
    selected: list[int] = []
    selected_scores: list[Any] = []
    chosen = np.zeros(64, np.int64)  # the same as `selected`, with room to grow
    while heap.entries and len(selected) < most:
        score, box, start = heap.pop()
        original, is_dropped = score, False
        alike = similarity.of(np.array([box]), chosen[start : len(selected)])[0, ::-1] if start < len(selected) else ()
        for value in alike:
            weight = dtype(np.float32(np.exp(float(scale * value * value)))) if value <= threshold else dtype(0)
            score = score * weight
            if value >= threshold:
                is_dropped = True
                break
            if score <= least:
                break
        if is_dropped:
            continue
        compared = len(selected)
        if score == original:
            if compared == len(chosen):
                chosen = np.concatenate([chosen, np.zeros_like(chosen)])
            chosen[compared] = box
            selected.append(box)
            selected_scores.append(score)
        if score > least:  # whether it was chosen or not: see the module's text
            heap.push((score, box, compared))
    return selected, selected_scores


def _suppressed(
    scores: Any,
    most: Any,
    threshold: Any,
    least: Any,
    similarity: _Similarity,
    sigma: Any = 0,
    pads: bool = False,
) -> tuple[np.ndarray, np.ndarray, int]:
    """The boxes selected, their scores, and how many they are without the padding."""
    dtype = scores.dtype
    if np.ndim(most):
        raise kernel_error(f"max_output_size must be 0-D, got shape {list(np.shape(most))}")
    if int(most) < 0:
        raise kernel_error(f"output size must be non-negative, but is {int(most)}")
    threshold, least, sigma = (np.asarray(v).astype(dtype)[()] for v in (threshold, least, sigma))
    candidates = np.flatnonzero(scores > least)
    is_sorted = len(np.unique(scores[candidates])) == len(candidates)
    if sigma <= 0 and is_sorted and similarity.is_symmetric and (similarity.own[candidates] >= threshold).all():
        order = candidates[np.argsort(-scores[candidates], kind="stable")]
        selected = _hard(order, int(most), threshold, similarity)
        chosen = list(scores[selected])
    else:
        selected, chosen = _soft(candidates, scores, int(most), threshold, least, sigma, similarity)
    count = len(selected)
    length = int(most) if pads else count
    indices, values = np.zeros(length, np.int32), np.zeros(length, dtype)
    indices[:count], values[:count] = selected, chosen
    return indices, values, count


def _check(boxes: Any, scores: Any, threshold: Any = None) -> None:
    if threshold is not None and not 0 <= threshold <= 1:
        raise kernel_error(f"iou_threshold must be in [0, 1], but is {threshold}")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise kernel_error(f"boxes must be 2-D with 4 columns, but has shape {list(boxes.shape)}")
    if scores.ndim != 1 or len(scores) != len(boxes):
        raise kernel_error(f"scores has incompatible shape: {list(scores.shape)} for {len(boxes)} boxes")


def _indices_shape(boxes: Any, scores: Any, *scalars: Any) -> Any:
    boxes, scores = with_rank(boxes, 2), with_rank(scores, 1)
    for scalar in scalars:
        if isinstance(scalar, tuple):
            with_rank(scalar, 0)
    merge_dim(boxes[0], scores[0])
    if boxes[1] not in (None, 4):
        raise ShapeError(f"Dimension must be 4 but is {boxes[1]}")
    return (None,)


@op("NonMaxSuppression", host=True, shape=_indices_shape, differentiable=False)
def non_max_suppression_v1_op(xp: Any, boxes: Any, scores: Any, max_output_size: Any, *, iou_threshold: float) -> Any:
    """The indices of the boxes that stay, by falling score."""
    _check(boxes, scores, iou_threshold)
    lowest = np.finfo(np.float32).min
    return _suppressed(scores, max_output_size, iou_threshold, lowest, _by_overlap(boxes))[0]


@op("NonMaxSuppressionV2", host=True, shape=_indices_shape, differentiable=False)
def non_max_suppression_v2_op(xp: Any, boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any) -> Any:
    """The indices of the boxes that stay, by falling score."""
    _check(boxes, scores, iou_threshold)
    lowest = np.finfo(scores.dtype).min
    return _suppressed(scores, max_output_size, iou_threshold, lowest, _by_overlap(boxes))[0]


@op("NonMaxSuppressionV3", host=True, shape=_indices_shape, differentiable=False)
def non_max_suppression_v3_op(
    xp: Any, boxes: Any, scores: Any, max_output_size: Any, iou_threshold: Any, score_threshold: Any
) -> Any:
    """The indices of the boxes that stay, by falling score, as long as that is above `score_threshold`."""
    _check(boxes, scores, iou_threshold)
    return _suppressed(scores, max_output_size, iou_threshold, score_threshold, _by_overlap(boxes))[0]


def _padded_length(max_output_size: Any, pads: bool) -> int | None:
    length = whole_int(max_output_size) if pads else None
    if length is not None and length < 0:
        raise ShapeError(f"Dimension size, given by scalar input 2, must be non-negative but is {length}")
    return length


def _v4_shape(
    boxes: Any, scores: Any, most: Any, iou_threshold: Any, score_threshold: Any, *, pad_to_max_output_size: bool
) -> Any:
    _indices_shape(boxes, scores, iou_threshold, score_threshold)
    return [(_padded_length(most, pad_to_max_output_size),), ()]


@op("NonMaxSuppressionV4", host=True, static=("max_output_size",), shape=_v4_shape, differentiable=False)
def non_max_suppression_v4_op(
    xp: Any,
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_to_max_output_size: bool,
) -> Any:
    """The indices of the boxes that stay, zeros after them if padded; and how many boxes stay."""
    _check(boxes, scores, iou_threshold)
    similarity = _by_overlap(boxes)
    indices, _, count = _suppressed(
        scores, max_output_size, iou_threshold, score_threshold, similarity, pads=pad_to_max_output_size
    )
    return indices, np.int32(count)


def _v5_shape(
    boxes: Any,
    scores: Any,
    most: Any,
    iou_threshold: Any,
    score_threshold: Any,
    soft_nms_sigma: Any,
    *,
    pad_to_max_output_size: bool,
) -> Any:
    _indices_shape(boxes, scores, iou_threshold, score_threshold, soft_nms_sigma)
    length = _padded_length(most, pad_to_max_output_size)
    return [(length,), (length,), ()]


@op("NonMaxSuppressionV5", host=True, static=("max_output_size",), shape=_v5_shape, differentiable=False)
def non_max_suppression_v5_op(
    xp: Any,
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    soft_nms_sigma: Any,
    *,
    pad_to_max_output_size: bool,
) -> Any:
    """The indices and scores of the boxes that stay, zeros after them if padded; and how many boxes stay.

    With a `soft_nms_sigma` above 0, boxes that overlap by less than `iou_threshold` have their scores reduced.
    """
    _check(boxes, scores, iou_threshold)
    if soft_nms_sigma < 0:
        raise kernel_error(f"soft_nms_sigma must be >= 0, but is {soft_nms_sigma}")
    indices, values, count = _suppressed(
        scores,
        max_output_size,
        iou_threshold,
        score_threshold,
        _by_overlap(boxes),
        soft_nms_sigma,
        pad_to_max_output_size,
    )
    return indices, values, np.int32(count)


@op("NonMaxSuppressionWithOverlaps", host=True, differentiable=False)
def non_max_suppression_with_overlaps_op(
    xp: Any, overlaps: Any, scores: Any, max_output_size: Any, overlap_threshold: Any, score_threshold: Any
) -> Any:
    """The indices of the boxes that stay, by falling score; how much any two overlap is given."""
    if overlaps.ndim != 2 or overlaps.shape[0] != overlaps.shape[1]:
        raise kernel_error(f"overlaps must be square, but has shape {list(overlaps.shape)}")
    if scores.ndim != 1 or len(scores) != len(overlaps):
        raise kernel_error(f"scores has incompatible shape: {list(scores.shape)} for {len(overlaps)} boxes")

    is_symmetric = bool((overlaps == overlaps.T).all())
    similarity = _Similarity(lambda some, others: overlaps[np.ix_(some, others)], overlaps.diagonal(), is_symmetric)
    return _suppressed(scores, max_output_size, overlap_threshold, score_threshold, similarity)[0]


@non_max_suppression_with_overlaps_op.shape
def non_max_suppression_with_overlaps_shape(overlaps: Any, scores: Any, *scalars: Any) -> Any:
    overlaps, scores = with_rank(overlaps, 2), with_rank(scores, 1)
    for scalar in scalars:
        with_rank(scalar, 0)
    merge_dim(overlaps[0], scores[0])
    merge_dim(overlaps[0], overlaps[1])
    return (None,)


# Several classes of objects at once


def _combined_shape(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_per_class: bool,
) -> Any:
    boxes, scores = with_rank(boxes, 4), with_rank(scores, 3)
    with_rank(iou_threshold, 0)
    with_rank(score_threshold, 0)
    batch = merge_dim(boxes[0], scores[0])
    merge_dim(boxes[1], scores[1])
    if boxes[3] not in (None, 4):
        raise ShapeError(f"Dimension must be 4 but is {boxes[3]}")
    if None not in (boxes[2], scores[2]) and boxes[2] not in (1, scores[2]):
        raise ShapeError("third dimension of boxes must be either 1 or equal to the third dimension of scores")
    total, each = whole_int(max_total_size), whole_int(max_output_size_per_class)
    if total is not None and total <= 0:
        raise ShapeError(f"max_total_size should be > 0, but is {total}")
    size = total
    if pad_per_class:
        if each is not None and each <= 0:
            raise ShapeError(f"max_output_size_per_class must be > 0 if pad_per_class is set to true, but is {each}")
        size = None if None in (total, each, scores[2]) else min(total, each * scores[2])
    return [(batch, size, 4), (batch, size), (batch, size), (batch,)]


@op(
    "CombinedNonMaxSuppression",
    host=True,
    static=("max_output_size_per_class", "max_total_size"),
    shape=_combined_shape,
    differentiable=False,
)
def combined_non_max_suppression_op(
    xp: Any,
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_per_class: bool,
    clip_boxes: bool,
) -> Any:
    """The best boxes of all classes of each image: boxes, scores and classes, and how many they are."""
    each, total = int(max_output_size_per_class), int(max_total_size)
    if each <= 0 or total <= 0:
        raise kernel_error(f"max_output_size_per_class and max_total_size must be > 0, but are {each} and {total}")
    if not 0 <= iou_threshold <= 1:
        raise kernel_error(f"iou_threshold must be in [0, 1], but is {iou_threshold}")
    if boxes.ndim != 4 or boxes.shape[3] != 4:
        raise kernel_error(f"boxes must be 4-D with 4 columns, but has shape {list(boxes.shape)}")
    if scores.ndim != 3 or scores.shape[:2] != boxes.shape[:2]:
        raise kernel_error(f"scores has incompatible shape: {list(scores.shape)} for boxes {list(boxes.shape)}")
    batch, count, shared, _ = boxes.shape
    classes = scores.shape[2]
    if shared not in (1, classes):
        raise kernel_error(f"third dimension of boxes must be either 1 or num classes, but is {shared}")
    size = min(total, each * classes) if pad_per_class else total
    out_boxes = np.zeros((batch, size, 4), np.float32)
    out_scores, out_classes = np.zeros((2, batch, size), np.float32)
    valid = np.zeros(batch, np.int32)
    above = np.nextafter(np.float32(iou_threshold), np.float32(2))  # here a box goes only if it overlaps by more
    for b in range(batch):
        found: list[tuple[int, int]] = []
        for c in range(classes):
            corners = boxes[b, :, 0 if shared == 1 else c]
            values = scores[b, :, c]
            candidates = np.flatnonzero(values > score_threshold)
            order = candidates[np.argsort(-values[candidates], kind="stable")]
            found += [(c, i) for i in _hard(order, min(each, count), above, _by_overlap(corners))]
        if not found:
            continue
        kind, index = np.array(found).T
        best = np.argsort(-scores[b, index, kind], kind="stable")[:size]
        kind, index = kind[best], index[best]
        valid[b] = n = len(best)
        picked = boxes[b, index, np.zeros_like(kind) if shared == 1 else kind]
        out_boxes[b, :n] = np.clip(picked, 0, 1) if clip_boxes else picked
        out_scores[b, :n], out_classes[b, :n] = scores[b, index, kind], kind
    return out_boxes, out_scores, out_classes, valid


# What programs call

_LOWEST = float("-inf")


@public("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    name: str | None = None,
) -> Tensor:
    """Choose boxes by falling score, without those that overlap one chosen before.

    Args:
        boxes: float32, shape `[boxes, 4]`: two opposite corners, `[y1, x1, y2, x2]`.
        scores: float32, shape `[boxes]`.
        max_output_size: at most how many boxes to choose, int32.
        iou_threshold: boxes overlap too much from this intersection over union on.
        score_threshold: the scores of boxes must be above this.
        name: the name scope.

    Returns:
        int32: the indices of the boxes chosen.

    >>> boxes = [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.9, 1.0], [0.0, 0.5, 1.0, 2.0]]
    >>> sess.run(tf.image.non_max_suppression(boxes, [0.6, 0.9, 0.7], 3))
    array([1, 2], dtype=int32)
    """
    with name_scope(name, "non_max_suppression"):
        iou_threshold = convert_to_tensor(iou_threshold, name="iou_threshold")
        score_threshold = convert_to_tensor(score_threshold, name="score_threshold")
        return non_max_suppression_v3_op(boxes, scores, max_output_size, iou_threshold, score_threshold)


@public("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    soft_nms_sigma: Any = 0.0,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """Choose boxes as `non_max_suppression` does, and give their scores; overlaps reduce these if sigma is positive."""
    with name_scope(name, "non_max_suppression_with_scores"):
        iou_threshold = convert_to_tensor(iou_threshold, name="iou_threshold")
        score_threshold = convert_to_tensor(score_threshold, name="score_threshold")
        soft_nms_sigma = convert_to_tensor(soft_nms_sigma, name="soft_nms_sigma")
        indices, chosen, _ = non_max_suppression_v5_op(
            boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma, pad_to_max_output_size=False
        )
        return indices, chosen


@public("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    pad_to_max_output_size: bool = False,
    name: str | None = None,
) -> Any:
    """Choose boxes as `non_max_suppression` does; give their indices, zeros after them if padded, and their number."""
    with name_scope(name, "non_max_suppression_padded"):
        iou_threshold = convert_to_tensor(iou_threshold, name="iou_threshold")
        score_threshold = convert_to_tensor(score_threshold, name="score_threshold")
        return non_max_suppression_v4_op(
            boxes, scores, max_output_size, iou_threshold, score_threshold, pad_to_max_output_size
        )


@public("image.non_max_suppression_overlaps")
def non_max_suppression_with_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: Any,
    overlap_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    name: str | None = None,
) -> Tensor:
    """Choose boxes as `non_max_suppression` does; how much any two overlap is given: float32, `[boxes, boxes]`."""
    with name_scope(name, "non_max_suppression_overlaps"):
        overlap_threshold = convert_to_tensor(overlap_threshold, name="overlap_threshold")
        return non_max_suppression_with_overlaps_op(
            overlaps, scores, max_output_size, overlap_threshold, score_threshold
        )


@public("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any = 0.5,
    score_threshold: Any = _LOWEST,
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> Any:
    """Choose boxes for each class of objects by itself, and of all of them the best, for each image of a batch.

    Args:
        boxes: float32, shape `[batch, boxes, classes or 1, 4]`.
        scores: float32, shape `[batch, boxes, classes]`.
        max_output_size_per_class: at most how many boxes of a class.
        max_total_size: at most how many boxes of an image.
        iou_threshold: boxes overlap too much above this.
        score_threshold: the scores of boxes must be above this.
        pad_per_class: make room for `max_output_size_per_class` boxes a class, if that is less than `max_total_size`.
        clip_boxes: clip coordinates to [0, 1].
        name: the name scope.

    Returns:
        Boxes `[batch, size, 4]`, scores and classes `[batch, size]`, and how many are valid, `[batch]`.
    """
    with name_scope(name, "combined_non_max_suppression"):
        iou_threshold = convert_to_tensor(iou_threshold, dtype=dtypes.float32, name="iou_threshold")
        score_threshold = convert_to_tensor(score_threshold, dtype=dtypes.float32, name="score_threshold")
        return combined_non_max_suppression_op(
            boxes,
            scores,
            max_output_size_per_class,
            max_total_size,
            iou_threshold,
            score_threshold,
            pad_per_class,
            clip_boxes,
        )
