"""Sparse tensors from what a program gives for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evergraph.framework.sparse import SparseTensor, SparseTensorValue


def as_sparse(value: Any) -> SparseTensor:
    """`value` as a `SparseTensor`.

    Raises:
        TypeError: if it is neither a `SparseTensor` nor a `SparseTensorValue`.
    """
    if isinstance(value, SparseTensorValue):
        return SparseTensor.from_value(value)
    if not isinstance(value, SparseTensor):
        raise TypeError("Input must be a SparseTensor.")
    return value


def each_as_sparse(values: Any) -> list[SparseTensor]:
    """Each of a list or tuple as a `SparseTensor`."""
    if not isinstance(values, list | tuple):
        raise TypeError("Inputs must be a list or tuple.")
    return [as_sparse(value) for value in values]


def parts(tensors: Iterable[SparseTensor]) -> tuple[list[Any], list[Any], list[Any]]:
    """The indices, the values and the shapes of several."""
    tensors = list(tensors)
    return [t.indices for t in tensors], [t.values for t in tensors], [t.dense_shape for t in tensors]
