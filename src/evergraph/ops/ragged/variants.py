"""Ragged tensors in variants: one of them, or each of its rows, in a variant scalar.

A variant holds the row splits of all partitions and the flat values, in this order, in an object array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, with_rank, with_rank_at_least
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.ragged.kernels import check_nested


def _box(parts: Sequence[np.ndarray]) -> np.ndarray:
    box = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        box[i] = part
    return box


@op("RaggedTensorToVariant", host=True, differentiable=False)
def ragged_to_variant(xp: Any, rt_nested_splits: Any, rt_dense_values: Any, *, batched_input: bool) -> Any:
    """A ragged tensor as a variant scalar, or as a vector of its rows."""
    if not batched_input:
        whole = np.empty((), object)
        whole[()] = _box([*rt_nested_splits, rt_dense_values])
        return whole
    check_nested(rt_nested_splits, len(rt_dense_values))
    outer, *inner = rt_nested_splits
    rows = np.empty(len(outer) - 1, object)
    for i in range(len(rows)):
        start, limit = int(outer[i]), int(outer[i + 1])
        parts = []
        for splits in inner:
            own = splits[start : limit + 1]
            parts.append(own - own[0])
            start, limit = int(own[0]), int(own[-1])
        rows[i] = _box([*parts, rt_dense_values[start:limit]])
    return rows


@ragged_to_variant.shape
def ragged_to_variant_shape(rt_nested_splits: Any, rt_dense_values: Any, *, batched_input: bool) -> Any:
    with_rank_at_least(rt_dense_values, 1)
    sizes = [with_rank(s, 1)[0] for s in rt_nested_splits]
    if not batched_input:
        return ()
    return (None if sizes[0] is None else sizes[0] - 1,)


def _unboxed(box: Any, i: int, inner: int, kind: Any, splits_kind: Any) -> tuple[list[np.ndarray], np.ndarray]:
    if not isinstance(box, np.ndarray) or box.dtype != object:
        raise kernel_error(f"Input Variant element at index {i} doesn't hold a Tensor: {box!r}")
    if box.ndim != 1:
        raise kernel_error(f"Encoded input Variant must have rank 1, but found rank: {box.ndim}")
    if len(box) not in (1, inner + 1) or not all(isinstance(part, np.ndarray) for part in box):
        raise kernel_error(
            "Encoded input Variant must hold either input_ragged_rank + 1 Tensors or an empty Tensor (zero splits "
            f"Tensors, 1 values Tensor), input_ragged_rank: {inner}, but it holds {len(box)}"
        )
    *splits, values = box
    for part in splits:
        if part.dtype != splits_kind.as_numpy_dtype:
            raise kernel_error(f"Expected splits Tensor dtype: {splits_kind.name}, found: {part.dtype}")
        if part.ndim != 1 or not part.size:
            raise kernel_error(f"Ragged splits must have rank 1; encoded scalar element at index {i} has others")
    wanted = np.dtype(object) if kind is dtypes.string else np.dtype(kind.as_numpy_dtype)
    if values.dtype != wanted:
        raise kernel_error(f"Expected values Tensor dtype: {kind.name}, found: {values.dtype}")
    if values.ndim < 1:
        raise kernel_error(
            f"Ragged values must have rank >= 1; encoded scalar element at index {i} has values Tensor: {values}"
        )
    return splits, values


@op("RaggedTensorFromVariant", host=True, differentiable=False)
def ragged_from_variant(
    xp: Any, encoded_ragged: Any, *, input_ragged_rank: int, output_ragged_rank: int, Tvalues: Any, Tsplits: Any
) -> Any:
    """The ragged tensors in variants, side by side along the dimensions that the variants have."""
    rank = np.ndim(encoded_ragged)
    inner = input_ragged_rank
    if inner == -1:
        inner = output_ragged_rank - rank
        if inner < 0:
            raise kernel_error(
                "Inferred input_ragged_rank (output_ragged_rank - encoded_variant.dims()) must be >= 0, found "
                f"output_ragged_rank: {output_ragged_rank}, encoded_variant.dims(): {rank}, inferred "
                f"input_ragged_rank: {inner}"
            )
    if output_ragged_rank != rank + inner:
        raise kernel_error(
            "output_ragged_rank must be equal to input_ragged_rank + encoded_ragged.dims(); output_ragged_rank: "
            f"{output_ragged_rank}, input_ragged_rank: {inner}, encoded_variant.dims(): {rank}."
        )
    boxes = [encoded_ragged[()]] if rank == 0 else list(encoded_ragged.reshape(-1))
    parts = [_unboxed(box, i, inner, Tvalues, Tsplits) for i, box in enumerate(boxes)]
    if rank == 0:
        splits, values = parts[0]
        if len(splits) != output_ragged_rank:
            raise kernel_error(f"The variant holds {len(splits)} row splits, not {output_ragged_rank}")
        return (*splits, values)
    if not parts:
        raise kernel_error("There are no variants to take ragged tensors out of")
    first = parts[0][1]
    for i, (_, values) in enumerate(parts):
        if values.shape[1:] != first.shape[1:]:
            raise kernel_error(
                f"All flat_values must have compatible shapes.  Shape at index 0: {bracket_text(first.shape[1:])}.  "
                f"Shape at index {i}: {bracket_text(values.shape[1:])}."
            )
    integer = Tsplits.as_numpy_dtype
    sizes = encoded_ragged.shape
    out = [
        np.arange(int(np.prod(sizes[: axis + 1])) + 1, dtype=integer) * integer(sizes[axis + 1])
        for axis in range(rank - 1)
    ]
    counts = [len(splits[0]) - 1 if splits else len(values) for splits, values in parts]
    out.append(np.concatenate([[0], np.cumsum(counts)]).astype(integer))
    for level in range(inner):
        lengths = [np.diff(splits[level]) for splits, _ in parts if splits]
        out.append(np.concatenate([[0], np.cumsum(np.concatenate(lengths))] if lengths else [[0]]).astype(integer))
    return (*out, np.concatenate([values for _, values in parts]))


@ragged_from_variant.shape
def ragged_from_variant_shape(encoded_ragged: Any, *, input_ragged_rank: int, output_ragged_rank: int) -> Any:
    if input_ragged_rank >= 0:
        with_rank(encoded_ragged, output_ragged_rank - input_ragged_rank)
    return (*[(None,)] * output_ragged_rank, None)


def to_variant(rt: Any, batched_input: bool, name: str | None) -> Any:
    with name_scope(name, "RaggedToVariant", [rt, batched_input]):
        return ragged_to_variant(rt.nested_row_splits, rt.flat_values, batched_input, name)


def from_variant(
    cls: Any, variant: Any, dtype: Any, output_ragged_rank: int, input_ragged_rank: int | None, name: str | None
) -> Any:
    variant = convert_to_tensor(variant, name="variant", dtype=dtypes.variant)
    dimensions = variant.shape.ndims
    if (
        dimensions is not None
        and input_ragged_rank is not None
        and output_ragged_rank != input_ragged_rank + dimensions
    ):
        raise ValueError(
            "output_ragged_rank must be equal to input_ragged_rank +variant.shape.ndims, found variant.shape.ndims: "
            f"{dimensions}, input_ragged_rank: {input_ragged_rank}, output_ragged_rank: {output_ragged_rank}"
        )
    inner = -1 if input_ragged_rank is None else input_ragged_rank
    with name_scope(name, "RaggedFromVariant", [variant, dtype, inner, output_ragged_rank]):
        found = ragged_from_variant(variant, inner, output_ragged_rank, dtype, dtypes.int64, name)
        return cls.from_nested_row_splits(found.output_dense_values, found.output_nested_splits, validate=False)


__all__ = ["from_variant", "ragged_from_variant", "ragged_to_variant", "to_variant"]
