"""Strings put together: `tf.string_join`, `tf.reduce_join`, segment joins and n-grams."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import ShapeError, bracket_text, merge, with_rank
from evergraph.framework.tensor import Tensor
from evergraph.ops import joining, sequences, shaping
from evergraph.ops.arguments import either
from evergraph.ops.constant import constant
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.reductions import reduced_static
from evergraph.ops.strings.elements import array_of, listed


@public("string_join", "strings.join")
@op("StringJoin", host=True, differentiable=False)
def string_join(xp: Any, inputs: Any, *, separator: bytes) -> Any:
    """Join the strings of several tensors element by element, with `separator` between them.

    A scalar goes with every element; all other inputs have one shape.
    """
    shape: tuple[int, ...] = ()
    for x in inputs:
        if np.ndim(x):
            if not shape:
                shape = np.shape(x)
            elif shape != np.shape(x):
                raise kernel_error(f"Input shapes do not match: {bracket_text(shape)} vs. {bracket_text(np.shape(x))}")
    count = math.prod(shape)
    columns = [listed(x) if np.ndim(x) else listed(x) * count for x in inputs]
    return array_of(list(map(separator.join, zip(*columns))), shape)


@string_join.shape
def string_join_shape(inputs: Any) -> Any:
    if all(shape == () for shape in inputs):
        return ()
    joined = None
    for shape in inputs:
        if shape:
            joined = merge(joined, shape)
    return joined


# Along axes


@op("ReduceJoin", host=True, static=("reduction_indices",), differentiable=False)
def reduce_join_op(xp: Any, inputs: Any, reduction_indices: Any, *, keep_dims: bool, separator: bytes) -> Any:
    """The strings along some axes joined; along the first of the axes neighbours go side by side."""
    inputs = np.asarray(inputs, dtype=object)
    rank = inputs.ndim
    axes: list[int] = []
    for axis in np.ravel(reduction_indices).tolist():
        if not -rank <= axis < rank:
            raise kernel_error(
                f"Invalid reduction dimension {axis} for input with {rank} dimension(s)", errors.OutOfRangeError
            )
        if axis % rank in axes:
            raise kernel_error(f"Duplicate reduction dimension {axis}")
        axes.append(axis % rank)
    kept = [i for i in range(rank) if i not in axes]
    count = math.prod(inputs.shape[i] for i in axes)
    shape = tuple(inputs.shape[i] for i in kept)
    rows = inputs.transpose([*kept, *reversed(axes)]).reshape((math.prod(shape), count)).tolist()
    if keep_dims:
        shape = tuple(1 if i in axes else size for i, size in enumerate(inputs.shape))
    return array_of([separator.join(row) for row in rows], shape)


@reduce_join_op.shape
def reduce_join_shape(inputs: Any, reduction_indices: Any, *, keep_dims: bool) -> Any:
    return reduced_static(inputs, reduction_indices, keep_dims=keep_dims)


@public("reduce_join", "strings.reduce_join")
def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: Any = None,
    separator: str = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: Any = None,
) -> Tensor:
    """Join the strings along some axes.

    Args:
        inputs: string, any shape.
        axis: int, or a list of ints: the axes to join along, the first one first; by default all, the last one first.
        keep_dims: a deprecated name of `keepdims`.
        separator: goes between the strings.
        name: the op's name.
        reduction_indices: a deprecated name of `axis`.
        keepdims: whether the axes stay, with size 1.

    Returns:
        string, the shape of `inputs` without the axes.

    >>> sess.run(tf.reduce_join([["a", "b"], ["c", "d"]], 0))
    array([b'ac', b'bd'], dtype=object)
    """
    keepdims = either("keepdims", keepdims, "keep_dims", keep_dims)
    axis = either("axis", axis, "reduction_indices", reduction_indices)
    with name_scope(None, "ReduceJoin", [inputs, axis]):
        inputs = convert_to_tensor(inputs)
        if axis is None:
            known = inputs.static_shape
            if known is not None:
                axis = constant(np.arange(len(known) - 1, -1, -1), dtypes.int32)
            else:
                axis = sequences.range_(shaping.rank(inputs) - 1, -1, -1)
        return reduce_join_op(inputs, axis, keep_dims=bool(keepdims), separator=separator, name=name)


@public("strings.unsorted_segment_join")
@op("UnsortedSegmentJoin", host=True, static=("num_segments",), differentiable=False)
def unsorted_segment_join(xp: Any, inputs: Any, segment_ids: Any, num_segments: Any, *, separator: bytes) -> Any:
    """Join the rows of each group; `segment_ids` says which group a row belongs to."""
    inputs, ids, count = np.asarray(inputs, dtype=object), np.asarray(segment_ids), int(num_segments)
    if not ids.ndim:
        raise kernel_error("Segment_id cannot have rank 0")
    if ids.ndim > inputs.ndim:
        raise kernel_error(
            f"Invalid segment_id rank {ids.ndim} for input with {inputs.ndim} dimension(s)", errors.OutOfRangeError
        )
    for i, (size, wanted) in enumerate(zip(ids.shape, inputs.shape)):
        if size != wanted:
            raise kernel_error(f"Segment dimension is {size} while input dimension is {inputs.ndim} in rank {i}")
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= count):
        raise kernel_error("segment_ids are not allowed to exceed num_segments or to have negative values.")
    rest = inputs.shape[ids.ndim :]
    width = math.prod(rest)
    groups: list[list[list[bytes]]] = [[[] for _ in range(width)] for _ in range(max(count, 0))]
    for group, row in zip(ids.ravel().tolist(), inputs.reshape((ids.size, width)).tolist()):
        for members, value in zip(groups[group], row):
            members.append(value)
    return array_of([separator.join(members) for group in groups for members in group], (max(count, 0), *rest))


@unsorted_segment_join.shape
def unsorted_segment_join_shape(inputs: Any, segment_ids: Any, num_segments: Any) -> Any:
    if inputs is None or segment_ids is None:
        return None
    if len(segment_ids) > len(inputs):
        raise ShapeError(f"Shape must be at least rank {len(segment_ids)} but is rank {len(inputs)}")
    shapes.merge(inputs[: len(segment_ids)], segment_ids)
    return (None if num_segments is None else int(num_segments), *inputs[len(segment_ids) :])


# N-grams


@op("StringNGrams", host=True, differentiable=False)
def string_n_grams(
    xp: Any,
    data: Any,
    data_splits: Any,
    *,
    separator: bytes,
    ngram_widths: Any,
    left_pad: bytes,
    right_pad: bytes,
    pad_width: int,
    preserve_short_sequences: bool,
) -> Any:
    """The n-grams of every row of a ragged tensor, and where the rows of the result start."""
    words, splits = listed(data), np.asarray(data_splits)
    bounds = splits.tolist()
    if bounds and (bounds[0] != 0 or bounds[-1] != len(words) or any(a > b for a, b in pairwise(bounds))):
        raise kernel_error(f"Invalid split values {bounds} of data of length {len(words)}")
    made: list[bytes] = []
    ends = [0] if bounds else []
    for begin, end in pairwise(bounds):
        row = words[begin:end]
        before = len(made)
        for width in ngram_widths:
            made.extend(_grams(row, width, separator, left_pad, right_pad, pad_width))
        if preserve_short_sequences and len(made) == before and row:
            if pad_width < 0:
                raise kernel_error(
                    "Pad width should be >= 0 when preserve_short_sequences is True and ngram_widths are not provided, "
                    f"got {pad_width}"
                )
            made.extend(_grams(row, len(row) + 2 * pad_width, separator, left_pad, right_pad, pad_width))
        ends.append(len(made))
    return array_of(made, (len(made),)), np.array(ends, splits.dtype)


def _grams(row: list[bytes], width: int, separator: bytes, left: bytes, right: bytes, pad_width: int) -> list[bytes]:
    pad = width - 1 if pad_width < 0 else min(pad_width, width - 1)
    padded = [left] * pad + row + [right] * pad
    return [separator.join(padded[i : i + width]) for i in range(len(padded) - width + 1)]


@string_n_grams.shape
def string_n_grams_shape(data: Any, data_splits: Any) -> Any:
    with_rank(data, 1)
    return [(None,), with_rank(data_splits, 1)]


@public("strings.ngrams")
def ngrams(
    data: Any,
    ngram_width: Any,
    separator: str = " ",
    pad_values: Any = None,
    padding_width: int | None = None,
    preserve_short_sequences: bool = False,
    name: str | None = None,
) -> Any:
    """Join every `ngram_width` neighbours of a row.

    Args:
        data: string, a tensor of rank 1 or more, or a `RaggedTensor`; its last axis holds the words.
        ngram_width: int, or a list of ints for n-grams of several widths.
        separator: goes between the words.
        pad_values: a string, or a pair of strings, put before and after the words of a row.
        padding_width: how many of them; by default as many as make every word the first and the last of an n-gram.
        preserve_short_sequences: whether a row too short for an n-gram gives one of all its words.
        name: the name of the scope of the ops.

    Raises:
        TypeError, ValueError: if an argument is not of the kind described.
    """
    with name_scope(name, "StringNGrams", [data]):
        left, right = _pads(pad_values)
        if padding_width is not None and padding_width < 1:
            raise ValueError("padding_width must be greater than 0.")
        if padding_width is not None and pad_values is None:
            raise ValueError("pad_values must be provided if padding_width is set.")
        ragged = ragged_class()
        dense_shape = None
        if not isinstance(data, ragged):
            data = convert_to_tensor(data, dtypes.string, "data")
            dense_shape = joining.concat([shaping.shape(data)[:-1], [-1]], axis=0)
            if data.static_shape is None:
                raise ValueError("Rank of data must be known.")
            rank = len(data.static_shape)
            if rank == 0:
                raise ValueError("Data must have rank>0")
            again = (ngram_width, separator, pad_values, padding_width, preserve_short_sequences, name)
            if rank == 1:
                return ngrams(ragged.from_row_starts(data, [0], validate=False), *again)[0]
            data = ragged.from_tensor(data, ragged_rank=rank - 1)
        else:
            again = (ngram_width, separator, pad_values, padding_width, preserve_short_sequences, name)
        if data.ragged_rank > 1:
            result = data.with_values(ngrams(data.values, *again))
        else:
            widths = list(ngram_width) if isinstance(ngram_width, list | tuple) else [ngram_width]
            if any(width < 1 for width in widths):
                raise ValueError(f"All ngram_widths must be greater than 0. Got {ngram_width}")
            values, splits = string_n_grams(
                data.flat_values,
                data.row_splits,
                separator=separator,
                ngram_widths=widths,
                left_pad=left,
                right_pad=right,
                pad_width=0 if pad_values is None else -1 if padding_width is None else padding_width,
                preserve_short_sequences=preserve_short_sequences,
            )
            result = ragged.from_row_splits(values=values, row_splits=splits, validate=False)
        return result if dense_shape is None else shaping.reshape(result.flat_values, dense_shape)


def _pads(values: Any) -> tuple[Any, Any]:
    if values is None:
        return "", ""
    pair = (values[0], values[1]) if isinstance(values, list | tuple) else (values, values)
    if not all(isinstance(value, str | bytes) for value in pair):
        raise TypeError("pad_values must be a string, tuple of strings, or None.")
    return pair


def ragged_class() -> Any:
    """`tf.RaggedTensor`, whose modules import this one."""
    from evergraph.ops.ragged.tensor import RaggedTensor

    return RaggedTensor


def tensor_or_ragged(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` as a tensor, or as the `RaggedTensor` that it is; a `RaggedTensorValue` becomes one."""
    from evergraph.ops.ragged.tensor import as_tensor_or_ragged

    return as_tensor_or_ragged(value, dtype, name=name)


__all__ = ["ngrams", "ragged_class", "reduce_join", "string_join", "tensor_or_ragged", "unsorted_segment_join"]
