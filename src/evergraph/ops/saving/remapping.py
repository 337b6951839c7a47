"""Ops that bring a matrix of a checkpoint into the order of another vocabulary."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from evergraph.formats.bundle import BundleReader
from evergraph.formats.files import read_file
from evergraph.formats.slices import Slice
from evergraph.framework import dtypes, errors
from evergraph.framework.shapes import Shape, with_rank
from evergraph.ops.opdef import kernel_error, op


@op("GenerateVocabRemapping", host=True, differentiable=False)
def generate_vocab_remapping(
    xp: Any,
    new_vocab_file: Any,
    old_vocab_file: Any,
    *,
    new_vocab_offset: int,
    num_new_vocab: int,
    old_vocab_size: int,
) -> tuple[np.ndarray, np.int32]:
    """For lines `new_vocab_offset` onwards of the new file, the number of the line in the old one, or -1."""
    new = _lines(new_vocab_file, -1)
    if new_vocab_offset + num_new_vocab > len(new):
        raise kernel_error("lookup table size must be larger than last new vocab entry's line")
    old = {line: i for i, line in reversed(list(enumerate(_lines(old_vocab_file, old_vocab_size))))}
    wanted = new[new_vocab_offset : new_vocab_offset + num_new_vocab]
    remapping = np.array([old.get(line, -1) for line in wanted], np.int64)
    return remapping, np.int32((remapping >= 0).sum())


@generate_vocab_remapping.shape
def generate_vocab_remapping_shape(
    new_vocab_file: Shape, old_vocab_file: Shape, *, num_new_vocab: int
) -> tuple[Shape, Shape]:
    with_rank(new_vocab_file, 0)
    with_rank(old_vocab_file, 0)
    return (num_new_vocab,), ()


def _lines(path: Any, count: int) -> list[bytes]:
    name = os.fsdecode(np.asarray(path, object).reshape(-1)[0])
    if not name:
        raise kernel_error("new vocab filename cannot be empty.")
    lines = read_file(name).split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if count > len(lines):
        raise kernel_error(f"Invalid vocab_size in {name}: expected {count} but got {len(lines)}")
    return lines if count < 0 else lines[:count]


@op("LoadAndRemapMatrix", host=True, differentiable=False)
def load_and_remap_matrix(
    xp: Any,
    ckpt_path: Any,
    old_tensor_name: Any,
    row_remapping: Any,
    col_remapping: Any,
    initializing_values: Any,
    *,
    num_rows: int,
    num_cols: int,
    max_rows_in_memory: int,
) -> np.ndarray:
    """A matrix of a checkpoint with its rows and columns in another order; what it lacks comes from other values.

    Args (of the op): `row_remapping[i]` is the old row that becomes row `i`, -1 for a new one; `col_remapping`
    likewise, or empty where columns stay. `initializing_values` has an element for each of the matrix that is new.
    """
    prefix, name = (os.fsdecode(np.asarray(x, object).reshape(-1)[0]) for x in (ckpt_path, old_tensor_name))
    if row_remapping.size != num_rows:
        raise kernel_error(
            f"Size of row_remapping is {row_remapping.size} instead of being equal to num_rows={num_rows}"
        )
    if col_remapping.size not in (0, num_cols):
        raise kernel_error(
            f"Provided col_remapping, but its size is {col_remapping.size} instead of being equal to "
            f"num_cols={num_cols}"
        )
    for remapping in row_remapping, col_remapping:
        _refuse_repeated(remapping)
    with BundleReader(prefix) as reader:
        kind, shape = reader.dtype(name), reader.shape(name)
        if kind is not dtypes.float32:
            raise kernel_error(f"Tensor {name} has invalid type {kind.name} instead of expected type float")
        if len(shape) != 2:
            raise kernel_error(
                f"Tensor {name} has shape {list(shape)} of invalid rank {len(shape)} instead of expected shape of rank "
                "2."
            )
        if not col_remapping.size and shape[1] != num_cols:
            raise kernel_error(
                f"Tensor {name} has shape {list(shape)}, where the size of its 2nd dimension is {shape[1]} instead of "
                f"being equal to num_cols={num_cols}"
            )
        columns = col_remapping if col_remapping.size else np.arange(num_cols)
        out = np.empty([num_rows, num_cols], np.float32)
        known = (row_remapping >= 0)[:, None] & (columns >= 0)[None, :]
        _copy_rows(reader, name, out, row_remapping, columns, max_rows_in_memory)
    if initializing_values.size != known.size - known.sum():
        raise kernel_error(
            f"The number of values of initializing_values is {initializing_values.size}, but "
            f"{known.size - known.sum()} elements of the matrix are not in the checkpoint"
        )
    out[~known] = initializing_values.reshape(-1)
    return out


def _copy_rows(
    reader: BundleReader, name: str, out: np.ndarray, rows: np.ndarray, columns: np.ndarray, at_once: int
) -> None:
    there = np.flatnonzero(rows >= 0)
    if not there.size:
        return
    size, width = reader.shape(name)
    first, last = int(rows[there].min()), int(rows[there].max())
    if last >= size or columns.max(initial=-1) >= width:
        raise kernel_error(f"Tensor {name} has shape {[size, width]}: it has no row {last} or column {columns.max()}")
    kept = np.flatnonzero(columns >= 0)
    step = last - first + 1 if at_once <= 0 else at_once
    for start in range(first, last + 1, step):
        length = min(step, last + 1 - start)
        block = reader.read_slice(name, Slice((start, 0), (length, -1)))
        chosen = there[(rows[there] >= start) & (rows[there] < start + length)]
        out[np.ix_(chosen, kept)] = block[np.ix_(rows[chosen] - start, columns[kept])]


def _refuse_repeated(remapping: np.ndarray) -> None:
    seen: dict[int, int] = {}
    for new, old in enumerate(remapping.tolist()):
        if old >= 0 and seen.setdefault(old, new) != new:
            raise kernel_error(
                f"Old ID {old} is mapped to both new ID {seen[old]} and {new}, which is not supported.",
                errors.UnimplementedError,
            )


@load_and_remap_matrix.shape
def load_and_remap_matrix_shape(
    ckpt_path: Shape,
    old_tensor_name: Shape,
    row_remapping: Shape,
    col_remapping: Shape,
    initializing_values: Shape,
    *,
    num_rows: int,
    num_cols: int,
) -> Shape:
    with_rank(row_remapping, 1)
    with_rank(col_remapping, 1)
    return (num_rows, num_cols)
