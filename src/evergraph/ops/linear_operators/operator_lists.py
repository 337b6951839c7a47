"""What operators made of several others have in common: one type, a name made of theirs, their tensors, their hints."""

from __future__ import annotations

from typing import Any

from evergraph.framework.shapes import TensorShape
from evergraph.ops import array
from evergraph.ops.checks import assert_proper_iterable
from evergraph.ops.linear_operators.linear_operator import LinearOperator


def checked_operators(operators: Any, expected: str) -> list[LinearOperator]:
    """A list of operators of one type.

    Raises:
        ValueError: if there is none.
        TypeError: if their types differ.
    """
    assert_proper_iterable(operators)
    operators = list(operators)
    if not operators:
        raise ValueError(f"Expected {expected} operators. Found: {operators}")
    if any(operator.dtype != operators[0].dtype for operator in operators):
        found = "   ".join(str((o.name, o.dtype)) for o in operators)
        raise TypeError(f"Expected all operators to have the same dtype.  Found {found}")
    return operators


def hint_of_all(operators: list[LinearOperator], hint: str, given: bool | None, message: str) -> bool | None:
    """True if all operators have the hint, else the one that was given.

    Raises:
        ValueError: if all have it and the one given is False.
    """
    if not all(getattr(operator, hint) for operator in operators):
        return given
    if given is False:
        raise ValueError(message)
    return True


def parents_of(operators: list[LinearOperator]) -> list[Any]:
    """The tensors that the operators are made of."""
    return [parent for operator in operators for parent in operator.graph_parents]


def batch_shape_of(operators: list[LinearOperator]) -> TensorShape:
    """The shape that the batches broadcast to."""
    batch = operators[0].batch_shape
    for operator in operators[1:]:
        batch = array.broadcast_static_shape(batch, operator.batch_shape)
    return batch


def batch_shape_tensor_of(operators: list[LinearOperator]) -> Any:
    """The shape that the batches broadcast to, as a tensor: by adding zeros, as TensorFlow's graphs do."""
    zeros = array.zeros(operators[0].batch_shape_tensor())
    for operator in operators[1:]:
        zeros += array.zeros(operator.batch_shape_tensor())
    return array.shape(zeros)
