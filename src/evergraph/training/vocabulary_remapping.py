"""Initializers that take a matrix from a checkpoint and bring it into the order of another vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops.initializers import TruncatedNormal, Zeros
from evergraph.ops.joining import concat
from evergraph.ops.opdef import raw_op
from evergraph.ops.sequences import range_


@public("contrib.framework.load_and_remap_matrix")
def load_and_remap_matrix(
    ckpt_path: Any,
    old_tensor_name: str,
    new_row_vocab_offset: int,
    num_rows_to_load: int,
    new_col_vocab_size: int,
    initializer: Callable[..., Any],
    old_row_vocab_size: int = -1,
    old_row_vocab_file: str | None = None,
    new_row_vocab_file: str | None = None,
    old_col_vocab_file: str | None = None,
    new_col_vocab_file: str | None = None,
    num_row_oov_buckets: int = 0,
    num_col_oov_buckets: int = 0,
    max_rows_in_memory: int = -1,
) -> Tensor:
    """Rows of a matrix in a checkpoint, in the order of a new vocabulary; what is new in that is initialized.

    Args:
        ckpt_path: the checkpoint.
        old_tensor_name: the matrix's name in it, float32.
        new_row_vocab_offset, num_rows_to_load: which lines of the new vocabulary.
        new_col_vocab_size: how many columns, apart from those for words in no vocabulary.
        initializer: gives values for a shape.
        old_row_vocab_size: how many lines of the old vocabulary count, all with -1.
        old_row_vocab_file, new_row_vocab_file: what the rows stand for, a word a line; None where rows stay.
        old_col_vocab_file, new_col_vocab_file: the same for columns.
        num_row_oov_buckets, num_col_oov_buckets: how many initialized rows and columns to add at the end.
        max_rows_in_memory: how many rows to read at once, all with -1.

    Raises:
        ValueError: if one file of a pair is missing, or neither pair is given.
    """
    for what, count in (("num_row_oov_buckets", num_row_oov_buckets), ("num_col_oov_buckets", num_col_oov_buckets)):
        if count < 0:
            raise ValueError(f"{what} must be >= 0, but received {count}")
    for axis, old, new in (
        ("row", old_row_vocab_file, new_row_vocab_file),
        ("col", old_col_vocab_file, new_col_vocab_file),
    ):
        if bool(old) != bool(new):
            raise ValueError(
                f"old_{axis}_vocab_file and new_{axis}_vocab_file must both be specified or left unspecified. "
                f"old_{axis}_vocab_file='{old}', new_{axis}_vocab_file='{new}'"
            )
    if not (new_row_vocab_file or new_col_vocab_file):
        raise ValueError(
            "Must provide either row or column vocab files. If no remapping is necessary, consider using "
            "`tf.contrib.framework.init_from_checkpoint` instead."
        )
    remap = raw_op("GenerateVocabRemapping")
    rows_present: Any = num_rows_to_load
    if new_row_vocab_file:
        row_remapping, rows_present = remap(
            new_vocab_file=new_row_vocab_file,
            old_vocab_file=old_row_vocab_file,
            new_vocab_offset=new_row_vocab_offset,
            num_new_vocab=num_rows_to_load,
            old_vocab_size=old_row_vocab_size,
        )
    else:
        row_remapping = range_(new_row_vocab_offset, new_row_vocab_offset + num_rows_to_load, dtype=dtypes.int64)
    col_remapping: Any = []
    cols_present: Any = new_col_vocab_size
    if new_col_vocab_file:
        col_remapping, cols_present = remap(
            new_vocab_file=new_col_vocab_file,
            old_vocab_file=old_col_vocab_file,
            new_vocab_offset=0,
            num_new_vocab=new_col_vocab_size,
        )
    initial = initializer([num_rows_to_load * new_col_vocab_size - rows_present * cols_present, 1])
    matrix = raw_op("LoadAndRemapMatrix")(
        ckpt_path=ckpt_path,
        old_tensor_name=old_tensor_name,
        row_remapping=row_remapping,
        col_remapping=col_remapping,
        initializing_values=initial,
        num_rows=num_rows_to_load,
        num_cols=new_col_vocab_size,
        max_rows_in_memory=max_rows_in_memory,
    )
    if num_row_oov_buckets > 0:
        rest = convert.convert_to_tensor(initializer([num_row_oov_buckets, new_col_vocab_size]))
        matrix = concat([matrix, rest], 0)
    if num_col_oov_buckets > 0:
        rest = convert.convert_to_tensor(initializer([num_rows_to_load + num_row_oov_buckets, num_col_oov_buckets]))
        matrix = concat([matrix, rest], 1)
    return matrix


@public("contrib.framework.load_and_remap_matrix_initializer")
def load_and_remap_matrix_initializer(
    ckpt_path: Any,
    old_tensor_name: str,
    new_row_vocab_size: int,
    new_col_vocab_size: int,
    old_row_vocab_size: int = -1,
    old_row_vocab_file: str | None = None,
    new_row_vocab_file: str | None = None,
    old_col_vocab_file: str | None = None,
    new_col_vocab_file: str | None = None,
    num_row_oov_buckets: int = 0,
    num_col_oov_buckets: int = 0,
    initializer: Any = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Tensor]:
    """An initializer for variables, whole or in parts, that loads as `load_and_remap_matrix` does.

    Raises:
        TypeError: if `initializer` is no function.
    """
    initializer = Zeros() if initializer is None else initializer
    if not callable(initializer):
        raise TypeError(f"initializer must be callable, instead of being {initializer} of type {type(initializer)}.")

    def initialize(shape: Any, dtype: Any = dtypes.float32, partition_info: Any = None) -> Tensor:
        if dtype != dtypes.float32:
            raise TypeError(f"Currently, only float32 is supported. Received dtype: {dtype}")
        if len(shape) != 2:
            raise ValueError(f"Expected 2-dim shape, but received: {shape}")
        if shape[0] <= 0:
            raise ValueError(f"Expected 1st dim of shape to be > 0, but received shape: {shape}")
        columns = new_col_vocab_size + num_col_oov_buckets
        if shape[1] != columns:
            raise ValueError(
                f"Expected 2nd dim of shape to be new_col_vocab_size ({new_col_vocab_size}) + num_col_oov_buckets "
                f"({num_col_oov_buckets}) = {columns}, but received shape: {shape}"
            )
        offset = 0 if partition_info is None else partition_info.single_offset(shape)
        if offset + shape[0] > new_row_vocab_size + num_row_oov_buckets:
            raise ValueError(
                f"Trying to initialize {shape[0]} additional rows after {offset} rows have already been initialized, "
                f"which would exceed expected total row count of new_row_vocab_size ({new_row_vocab_size}) + "
                f"num_row_oov_buckets ({num_row_oov_buckets}) = {new_row_vocab_size + num_row_oov_buckets}."
            )
        oov = min(shape[0], max(0, offset + shape[0] - new_row_vocab_size))
        if offset > new_row_vocab_size:
            if shape[0] != oov:
                raise ValueError(
                    "Partitioned variable offset is greater than new vocab size and not operating on OOV-only "
                    "partition."
                )
            return initializer(shape)
        return load_and_remap_matrix(
            ckpt_path=ckpt_path,
            old_tensor_name=old_tensor_name,
            new_row_vocab_offset=offset,
            num_rows_to_load=shape[0] - oov,
            new_col_vocab_size=new_col_vocab_size,
            initializer=initializer,
            old_row_vocab_size=old_row_vocab_size,
            old_row_vocab_file=old_row_vocab_file,
            new_row_vocab_file=new_row_vocab_file,
            old_col_vocab_file=old_col_vocab_file,
            new_col_vocab_file=new_col_vocab_file,
            num_row_oov_buckets=oov,
            num_col_oov_buckets=num_col_oov_buckets,
            max_rows_in_memory=max_rows_in_memory,
        )

    return initialize


@public("contrib.framework.load_embedding_initializer")
def load_embedding_initializer(
    ckpt_path: Any,
    embedding_tensor_name: str,
    new_vocab_size: int,
    embedding_dim: int,
    old_vocab_file: str,
    new_vocab_file: str,
    old_vocab_size: int = -1,
    num_oov_buckets: int = 0,
    initializer: Any = None,
    max_rows_in_memory: int = -1,
) -> Callable[..., Tensor]:
    """An initializer that takes an embedding from a checkpoint, a row a word, in the order of a new vocabulary."""
    if initializer is None:
        initializer = TruncatedNormal(stddev=1.0 / math.sqrt(embedding_dim))
    return load_and_remap_matrix_initializer(
        ckpt_path=ckpt_path,
        old_tensor_name=embedding_tensor_name,
        new_row_vocab_size=new_vocab_size,
        new_col_vocab_size=embedding_dim,
        old_row_vocab_size=old_vocab_size,
        old_row_vocab_file=old_vocab_file,
        new_row_vocab_file=new_vocab_file,
        num_row_oov_buckets=num_oov_buckets,
        initializer=initializer,
        max_rows_in_memory=max_rows_in_memory,
    )
