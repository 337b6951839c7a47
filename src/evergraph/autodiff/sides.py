"""The functions that an op has as its sides: two of an `If`, any number of a `Case`, one of a call.

If(pred, x; f, g)       Case(index, x; [f, g, h])       PartitionedCall(x; f)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op


def sides_of(op: Operation) -> list[Any]:
    """The names of the functions."""
    if "f" in op.attrs:
        return [op.attrs["f"]]
    return list(op.attrs["branches"]) if "branches" in op.attrs else [op.attrs["then_branch"], op.attrs["else_branch"]]


def set_sides(op: Operation, names: list[Any]) -> None:
    """Put other functions in their places."""
    if "f" in op.attrs:
        (op.attrs["f"],) = names
    elif "branches" in op.attrs:
        op.attrs["branches"] = names
    else:
        op.attrs["then_branch"], op.attrs["else_branch"] = names


def choosing_input(op: Operation) -> tuple[Tensor, ...]:
    """The input that says which function is called, where there is a choice; the others are the arguments."""
    return () if "f" in op.attrs else op.inputs[:1]


def with_sides(
    like: Operation, kind: str, chosen: Sequence[Tensor], arguments: Sequence[Tensor], kinds: Any, names: list[Any]
) -> list[Tensor]:
    """The outputs of a new op, of type `kind`, with functions as `like` has them."""
    sides = [names] if "branches" in like.attrs else names
    made = raw_op(kind)(*chosen, arguments, kinds, *sides)
    return list(made) if isinstance(made, list | tuple) else [made]
