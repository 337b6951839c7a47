"""Strings taken apart: `tf.string_split`, `tf.strings.split`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import bracket_text, with_rank
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.arguments import either
from evergraph.ops.joining import stack
from evergraph.ops.opdef import Op, kernel_error, op
from evergraph.ops.strings.elements import array_of, listed
from evergraph.ops.strings.joining import ragged_class, tensor_or_ragged


def _sparse(rows: list[list[bytes]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of different lengths as the three parts of a `SparseTensor`."""
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    row = np.repeat(np.arange(len(rows)), counts)
    place = np.arange(len(row)) - (np.cumsum(counts) - counts)[row]
    values = [part for parts in rows for part in parts]
    shape = np.array([len(rows), counts.max(initial=0)], np.int64)
    return np.stack([row, place], axis=1), array_of(values, (len(values),)), shape


def _require_vector_and_scalar(input: Any, separator: Any, name: str) -> None:
    if np.ndim(input) != 1:
        raise kernel_error(f"input must be a vector, got shape: {bracket_text(np.shape(input))}")
    if np.ndim(separator):
        raise kernel_error(f"{name} must be a scalar, got shape: {bracket_text(np.shape(separator))}")


@op("StringSplit", host=True, differentiable=False)
def string_split_op(xp: Any, input: Any, delimiter: Any, *, skip_empty: bool) -> Any:
    """Strings split at every one of a set of characters, or between all characters."""
    _require_vector_and_scalar(input, delimiter, "delimiter")
    characters = listed(delimiter)[0]
    split: Callable[[bytes], list[bytes]]
    if len(characters) == 1:

        def split(s: bytes) -> list[bytes]:
            return s.split(characters)
    elif characters:
        split = re.compile(b"[" + re.escape(characters) + b"]").split
    else:

        def split(s: bytes) -> list[bytes]:
            return [s[i : i + 1] for i in range(len(s))]

    if skip_empty:
        return _sparse([[part for part in split(s) if part] for s in listed(input)])
    return _sparse([split(s) if s else [] for s in listed(input)])


@op("StringSplitV2", host=True, differentiable=False)
def string_split_v2_op(xp: Any, input: Any, sep: Any, *, maxsplit: int) -> Any:
    """Strings split as Python's `str.split` does."""
    _require_vector_and_scalar(input, sep, "sep")
    separator = listed(sep)[0]
    if maxsplit == 0:
        return _sparse([[s] for s in listed(input)])
    if separator:
        return _sparse([s.split(separator, maxsplit) for s in listed(input)])
    if maxsplit < 0:
        return _sparse([s.split() for s in listed(input)])
    return _sparse([_words(s, maxsplit) for s in listed(input)])


def _words(s: bytes, maxsplit: int) -> list[bytes]:
    """As TF does it: after `maxsplit` words there is always a rest, if only an empty one."""
    words = s.split(None, maxsplit)
    return [*words, b""] if len(words) == maxsplit else words


def _split_shape(input: Any, separator: Any) -> Any:
    with_rank(input, 1)
    with_rank(separator, 0)
    return [(None, 2), (None,), (2,)]


string_split_op.shape(_split_shape)
string_split_v2_op.shape(_split_shape)


def _split(split: Op, source: Any, separator: Any, **attrs: Any) -> SparseTensor:
    separator = convert_to_tensor(separator, dtypes.string)
    source = convert_to_tensor(source, dtypes.string)
    return SparseTensor(*split(source, separator, **attrs))


@public("string_split")
def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """Split strings at some characters.

    Args:
        source: string, shape `[n]`.
        sep: a string scalar: every one of its characters splits; " " by default, "" splits between all bytes.
        skip_empty: whether to leave out empty parts.
        delimiter: a deprecated name of `sep`.
        result_type: "SparseTensor" or "RaggedTensor".
        name: the name of the scope of the ops.

    Returns:
        The parts, a row for each string: a `SparseTensor` of dense shape `[n, longest]`, or a `RaggedTensor`.

    >>> sess.run(tf.string_split(["hello world", "a b c"])).values
    array([b'hello', b'world', b'a', b'b', b'c'], dtype=object)
    """
    with name_scope(name, "StringSplit", [source]):
        separator = either("sep", sep, "delimiter", delimiter)
        found = _split(string_split_op, source, " " if separator is None else separator, skip_empty=skip_empty)
        if result_type == "SparseTensor":
            return found
        if result_type == "RaggedTensor":
            return _ragged(found)
        raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")


def _ragged(sparse: SparseTensor) -> Any:
    return ragged_class().from_value_rowids(
        values=sparse.values, value_rowids=sparse.indices[:, 0], nrows=sparse.dense_shape[0], validate=False
    )


@public("strings.split")
def split(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """Split strings as Python's `str.split` does.

    Args:
        input: string; of rank 1 for a `SparseTensor`.
        sep: a string scalar to split at; by default white space.
        maxsplit: the largest number of splits, if it is positive.
        result_type: "SparseTensor" or "RaggedTensor".
        source: another name of `input`.
        name: the name of the scope of the ops.

    Returns:
        The parts, a row for each string: a `SparseTensor` or a `RaggedTensor`.
    """
    input = either("input", input, "source", source)
    with name_scope(name, "StringSplit", [input]):
        input = tensor_or_ragged(input, dtypes.string, "input")
        if result_type == "SparseTensor" and isinstance(input, Tensor) and len(input.static_shape or ()) == 1:
            return _split(string_split_v2_op, input, "" if sep is None else sep, maxsplit=maxsplit)
        found = split_to_rows(input, sep, maxsplit)
        if result_type == "SparseTensor":
            return found.to_sparse()
        if result_type == "RaggedTensor":
            return found
        raise ValueError("result_type must be 'RaggedTensor' or 'SparseTensor'.")


@public("compat.v2.strings.split")
def split_to_rows(input: Any, sep: Any = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """As `split`, but always a `RaggedTensor`; a vector for a scalar."""
    with name_scope(name, "StringSplit", [input]):
        input = tensor_or_ragged(input, dtypes.string, "input")
        if not isinstance(input, Tensor):
            return input.with_flat_values(split_to_rows(input.flat_values, sep, maxsplit))
        rank = None if input.static_shape is None else len(input.static_shape)
        if rank == 0:
            return split_to_rows(stack([input]), sep, maxsplit)[0]
        if rank is None or rank == 1:
            return _ragged(_split(string_split_v2_op, input, "" if sep is None else sep, maxsplit=maxsplit))
        return split_to_rows(ragged_class().from_tensor(input), sep, maxsplit)


@public("strings.bytes_split")
def bytes_split(input: Any, name: str | None = None) -> Any:
    """Split every string into its bytes: a `RaggedTensor` with one more axis.

    Raises:
        ValueError: if the rank of `input` is not known.
    """
    with name_scope(name, "StringsByteSplit", [input]):
        input = tensor_or_ragged(input, name="input")
        if not isinstance(input, Tensor):
            return input.with_flat_values(bytes_split(input.flat_values))
        if input.static_shape is None:
            raise ValueError("input must have a statically-known rank.")
        rank = len(input.static_shape)
        if rank == 0:
            return bytes_split(stack([input]))[0]
        if rank > 1:
            return bytes_split(ragged_class().from_tensor(input))
        indices, values, shape = string_split_op(input, delimiter="", skip_empty=False)
        return ragged_class().from_value_rowids(
            values=values, value_rowids=indices[:, 0], nrows=shape[0], validate=False
        )


__all__ = ["bytes_split", "split", "split_to_rows", "string_split"]
