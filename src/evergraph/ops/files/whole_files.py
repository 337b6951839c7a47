"""`tf.read_file`, `tf.write_file` and `tf.matching_files`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import bracket_text, with_rank, with_rank_at_most
from evergraph.ops.files.paths import errors_of, matching_paths
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.strings.elements import array_of, listed


def _name(value: Any, what: str) -> bytes:
    if np.ndim(value):
        raise kernel_error(f"{what} tensor must be scalar, but had shape: {bracket_text(np.shape(value))}")
    return listed(value)[0]


@public("read_file", "io.read_file")
@op("ReadFile", host=True, differentiable=False)
def read_file(xp: Any, filename: Any) -> Any:
    """Read a whole file: its bytes, as a string scalar."""
    name = _name(filename, "Input filename")
    with errors_of(name), open(name, "rb") as file:
        contents = file.read()
    result = np.empty((), object)
    result[()] = contents
    return result


@read_file.shape
def read_file_shape(filename: Any) -> Any:
    with_rank(filename, 0)
    return ()


@public("write_file", "io.write_file")
@op("WriteFile", host=True, differentiable=False)
def write_file(xp: Any, filename: Any, contents: Any) -> Any:
    """Write a string to a file, in place of what is there; directories that are missing are made."""
    name, data = _name(filename, "Input filename"), _name(contents, "Contents")
    directory = os.path.dirname(name)
    if directory and not os.path.exists(directory):
        with errors_of(directory):
            os.makedirs(directory, exist_ok=True)
    with errors_of(name), open(name, "wb") as file:
        file.write(data)
    return ()


@write_file.shape
def write_file_shape(filename: Any, contents: Any) -> Any:
    with_rank(filename, 0)
    with_rank(contents, 0)
    return []


@public("matching_files", "io.matching_files")
@op("MatchingFiles", host=True, differentiable=False)
def matching_files(xp: Any, pattern: Any) -> Any:
    """The names of the files that match a pattern, or one of a vector of patterns, in order."""
    if np.ndim(pattern) > 1:
        raise kernel_error(
            f"Input patterns tensor must be scalar or vector, but had shape: {bracket_text(np.shape(pattern))}"
        )
    found: list[bytes] = []
    for each in listed(pattern):
        found.extend(os.fsencode(path) for path in matching_paths(os.fsdecode(each)))
    return array_of(sorted(found), (len(found),))


@matching_files.shape
def matching_files_shape(pattern: Any) -> Any:
    with_rank_at_most(pattern, 1)
    return (None,)


__all__ = ["matching_files", "read_file", "write_file"]
