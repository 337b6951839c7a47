"""How many labels have to be changed, added or dropped to make one sequence of another?"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, bracket_text, merge_dim, with_rank
from evergraph.framework.sparse import is_sparse
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.opdef import kernel_error, op, partial_value
from evergraph.ops.sparse import indices as index_kernels


@op("EditDistance", host=True, differentiable=False)
def edit_distance_op(
    xp: Any,
    hypothesis_indices: Any,
    hypothesis_values: Any,
    hypothesis_shape: Any,
    truth_indices: Any,
    truth_values: Any,
    truth_shape: Any,
    *,
    normalize: bool,
) -> Any:
    """The Levenshtein distance between the sequences that two sparse tensors hold along their last dimension."""
    index_kernels.require_parts(hypothesis_indices, hypothesis_values, hypothesis_shape)
    index_kernels.require_parts(truth_indices, truth_values, truth_shape)
    if truth_shape.size < 2:
        raise kernel_error(
            f"Input SparseTensors must have rank at least 2, but truth_shape rank is: {truth_shape.size}"
        )
    if truth_shape.shape != hypothesis_shape.shape:
        raise kernel_error(
            "Expected truth and hypothesis to have matching ranks, but their shapes are: "
            f"{bracket_text(truth_shape.shape)} and {bracket_text(hypothesis_shape.shape)}"
        )
    sizes = np.maximum(
        index_kernels.checked_sizes(hypothesis_shape)[:-1], index_kernels.checked_sizes(truth_shape)[:-1]
    ).tolist()
    count = int(np.prod(sizes, dtype=np.int64))
    hypothesis_codes, truth_codes = _codes(hypothesis_values, truth_values)
    hypotheses, hypothesis_lengths, of_hypothesis = _padded(hypothesis_indices, hypothesis_codes, sizes, -1)
    truths, truth_lengths, of_truth = _padded(truth_indices, truth_codes, sizes, -2)
    groups = np.union1d(of_hypothesis, of_truth)
    hypotheses, hypothesis_lengths = _aligned(hypotheses, hypothesis_lengths, of_hypothesis, groups)
    truths, truth_lengths = _aligned(truths, truth_lengths, of_truth, groups)
    distance = _levenshtein(truths, truth_lengths, hypotheses, hypothesis_lengths).astype(np.float32)
    if normalize:
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(distance > 0, distance / truth_lengths.astype(np.float32), np.float32(0))
    result = np.zeros(count, np.float32)
    result[groups] = distance
    return result.reshape(sizes)


def _codes(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that are equal where values are."""
    _, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    codes = codes.reshape(-1)
    return codes[: len(a)], codes[len(a) :]


def _padded(
    indices: np.ndarray, codes: np.ndarray, sizes: list[int], filler: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sequences side by side, `[sequences, longest]`; their lengths; and the group that each belongs to."""
    leading = indices[:, :-1]
    if not index_kernels.in_bounds(np, leading, sizes).all():
        row = int(np.argmax(~index_kernels.in_bounds(np, leading, sizes)))
        at = int(np.dot(leading[row], index_kernels.strides(sizes)))
        raise kernel_error(
            f"Got an inner product {at} which would require writing to outside of the buffer for the output tensor, of "
            f"shape {bracket_text(tuple(sizes))}: indices[{row}] = {bracket_text(tuple(indices[row].tolist()))}",
            errors.InternalError,
        )
    at = index_kernels.positions(np, leading, sizes)
    order = np.argsort(at, kind="stable")
    groups, lengths = np.unique(at[order], return_counts=True)
    table = np.full((len(groups), int(lengths.max(initial=0))), filler, np.int64)
    inside = np.arange(table.shape[1]) < lengths[:, None]
    table[inside] = codes[order]
    return table, lengths, groups


def _aligned(
    table: np.ndarray, lengths: np.ndarray, of: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same with one row for each of `groups`: of length 0 where there is no sequence."""
    at = np.searchsorted(groups, of)
    wide = np.full((len(groups), table.shape[1]), -3, np.int64)
    wide[at] = table
    counts = np.zeros(len(groups), np.int64)
    counts[at] = lengths
    return wide, counts


def _levenshtein(a: np.ndarray, a_lengths: np.ndarray, b: np.ndarray, b_lengths: np.ndarray) -> np.ndarray:
    """The distance of each row of `a` from that of `b`; all rows go through the table of prefixes together."""
    places = np.arange(b.shape[1] + 1)
    row = np.broadcast_to(places, (len(a), len(places))).copy()
    found = b_lengths.copy()
    for i in range(a.shape[1]):
        changed = row[:, :-1] + (b != a[:, i : i + 1])
        below = np.concatenate([np.full((len(a), 1), i + 1), np.minimum(row[:, 1:] + 1, changed)], axis=1)
        row = np.minimum.accumulate(below - places, axis=1) + places  # adding labels, any number of them
        done = a_lengths == i + 1
        found[done] = row[done, b_lengths[done]]
    return found


@edit_distance_op.shape_from_op
def edit_distance_shape(made: Any) -> Any:
    for indices, values, shape in (made.inputs[:3], made.inputs[3:]):
        rows, columns = with_rank(indices.static_shape, 2)
        merge_dim(rows, with_rank(values.static_shape, 1)[0])
        merge_dim(columns, with_rank(shape.static_shape, 1)[0])
    hypothesis, truth = (static_values.whole(partial_value(made.inputs[i])) for i in (2, 5))
    if hypothesis is None or truth is None:
        return None
    if len(hypothesis) != len(truth):
        raise ShapeError(
            f"Num elements of hypothesis_shape does not match truth_shape: {len(hypothesis)} vs. {len(truth)}"
        )
    return tuple(max(pair) for pair in list(zip(hypothesis, truth, strict=True))[:-1])


@public("edit_distance")
def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str | None = "edit_distance") -> Tensor:
    """Compute the Levenshtein distance between sequences.

    Args:
        hypothesis: a `SparseTensor` in row-major order; the sequences are along its last dimension.
        truth: the same, of the same type and rank.
        normalize: divide by the length of the truth; infinity where that is 0 and the distance is not.
        name: the op's name.

    Returns:
        float32, of the larger of both shapes, without the last dimension.

    Raises:
        TypeError: if one of them is not sparse.
    """
    if not is_sparse(hypothesis):
        raise TypeError("Hypothesis must be a SparseTensor.")
    if not is_sparse(truth):
        raise TypeError("Truth must be a SparseTensor.")
    return edit_distance_op(
        hypothesis.indices,
        hypothesis.values,
        hypothesis.dense_shape,
        truth.indices,
        truth.values,
        truth.dense_shape,
        normalize=normalize,
        name=name,
    )
