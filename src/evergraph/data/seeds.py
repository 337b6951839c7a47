"""The two seeds of a dataset op, as tensors."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, scopes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import equal, logical_and
from evergraph.ops.constant import constant
from evergraph.ops.selecting import where


def get_seed(seed: Any) -> tuple[Tensor, Tensor]:
    """The seeds that follow from an op's own and the graph's, the latter never making both of them zero."""
    first, second = scopes.get_seed(seed)
    if first is None:
        seed1 = constant(0, dtype=dtypes.int64, name="seed")
    else:
        seed1 = convert_to_tensor(first, dtype=dtypes.int64, name="seed")
    if second is None:
        return seed1, constant(0, dtype=dtypes.int64, name="seed2")
    with scopes.name_scope("seed2") as scope:
        seed2 = convert_to_tensor(second, dtype=dtypes.int64)
        both_zero = logical_and(equal(seed1, 0), equal(seed2, 0))
        return seed1, where(both_zero, constant(2**31 - 1, dtype=dtypes.int64), seed2, name=scope)
