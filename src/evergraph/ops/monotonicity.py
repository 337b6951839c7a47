"""Whether numbers come in order."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.checks import is_numeric_tensor
from evergraph.ops.cond import cond


def _differences(x: Tensor) -> Tensor:
    """Each element less the one before it, in row-major order; none if there is but one."""
    x = array.reshape(x, [-1])
    if not is_numeric_tensor(x):
        raise TypeError(f"Expected x to be numeric, instead found: {x}")
    is_short = math.less(array.size(x), 2)
    length = array.shape(x) - 1
    return cond(
        is_short,
        lambda: convert_to_tensor([], dtype=x.dtype),
        lambda: array.strided_slice(x, [1], [1] + length) - array.strided_slice(x, [0], length),
    )


def _in_order(x: Any, name: str | None, default_name: str, compare: Any) -> Tensor:
    with name_scope(name, default_name, [x]):
        differences = _differences(convert_to_tensor(x, name="x"))
        zero = convert_to_tensor(0, dtype=differences.dtype)
        return math.reduce_all(compare(zero, differences))


@public("math.is_non_decreasing", "is_non_decreasing", "debugging.is_non_decreasing")
def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """Whether no element, in row-major order, is less than the one before it: a scalar bool tensor."""
    return _in_order(x, name, "is_non_decreasing", math.less_equal)


@public("math.is_strictly_increasing", "is_strictly_increasing", "debugging.is_strictly_increasing")
def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """Whether each element, in row-major order, is greater than the one before it: a scalar bool tensor."""
    return _in_order(x, name, "is_strictly_increasing", math.less)
