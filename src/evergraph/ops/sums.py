"""Sums of many tensors of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import array
from evergraph.ops.opdef import kernel_error, op


def _merged(all_shapes: Any) -> Any:
    merged = None
    for shape in all_shapes:
        merged = shapes.merge(merged, shape)
    return merged


@op("AddN")
def add_n_op(xp: Any, inputs: Any) -> Any:
    """The sum of tensors of one shape."""
    first, *rest = inputs
    total = first
    for i, x in enumerate(rest, 1):
        if x.shape != first.shape:
            raise kernel_error(
                "Inputs to operation AddN must have the same size and shape.  "
                f"Input 0: {shapes.bracket_text(first.shape)} != input {i}: {shapes.bracket_text(x.shape)}"
            )
        total = total + x
    return total


@add_n_op.shape
def add_n_shape(inputs: Any) -> Any:
    return [_merged(reversed(inputs))]


@add_n_op.gradient
def add_n_grad(made: Operation, grad: Tensor) -> list[Tensor]:
    return [grad] * len(made.inputs)


@op("AccumulateNV2")
def accumulate_n_op(xp: Any, inputs: Any) -> Any:
    """The sum of tensors of one shape."""
    return add_n_op.opdef.kernel(xp, inputs)  # type: ignore[misc]  # declared with a kernel


@accumulate_n_op.shape
def accumulate_n_shape(inputs: Any, *, shape: Any) -> Any:
    return [shape]


@accumulate_n_op.gradient
def accumulate_n_grad(made: Operation, grad: Tensor) -> list[Tensor]:
    return [grad] * len(made.inputs)


def _tensors_or_slices(inputs: Any, what: str) -> list[Any]:
    if not inputs or not isinstance(inputs, list | tuple):
        raise ValueError(f"inputs must be a list of at least one {what} with the same dtype and shape")
    return [x if isinstance(x, IndexedSlices) else convert_to_tensor(x) for x in inputs]


@public("math.add_n", "add_n")
def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """Add up tensors of one dtype and shape.

    Args:
        inputs: a list of tensors or `IndexedSlices`, all of one dtype and shape.
        name: the op's name.

    Raises:
        ValueError: if `inputs` is empty or no list, or the shapes cannot be equal.

    >>> sess.run(tf.add_n([[1, 2], [3, 4], [5, 6]]))
    array([ 9, 12], dtype=int32)
    """
    tensors = _tensors_or_slices(inputs, "Tensor/IndexedSlices")
    if len(tensors) == 1:
        only = convert_to_tensor(tensors[0])
        return array.identity(only, name=name) if name else only
    return add_n_op(tensors, name=name)


@public("math.accumulate_n", "accumulate_n")
def accumulate_n(inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None) -> Tensor:
    """Add up tensors of one dtype and shape.

    Args:
        inputs: a list of tensors.
        shape: the shape of its elements, where it does not follow from them.
        tensor_dtype: the expected dtype.
        name: the op's name.
    """
    tensors = _tensors_or_slices(inputs, "Tensor")
    if not all(isinstance(t, Tensor) and t.dtype.base_dtype == tensors[0].dtype.base_dtype for t in tensors):
        raise ValueError("inputs must be a list of at least one Tensor with the same dtype and shape")
    merged = shapes.as_shape(shape)
    for t in tensors:
        merged = merged.merge_with(t.get_shape())
    if tensor_dtype is not None and tensor_dtype != tensors[0].dtype:
        raise TypeError(f"tensor_dtype is {tensor_dtype}, but input is of type {tensors[0].dtype}")
    if len(tensors) == 1:
        return tensors[0] if name is None else array.identity(tensors[0], name=name)
    return accumulate_n_op(tensors, shape=merged, name=name)
