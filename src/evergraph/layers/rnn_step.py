"""What the loops over cells share: batch size and types, the step that stops at each sequence's end, reversing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import nest
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import colocate_with
from evergraph.framework.shapes import as_shape, unknown_shape
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import RNNCell
from evergraph.layers.layer import Layer
from evergraph.ops import array, math
from evergraph.ops.cond import cond
from evergraph.ops.opdef import constant_value
from evergraph.ops.tensor_array import TensorArray


def batch_size_of(inputs: Any) -> Any:
    """The size of axis 1 of the inputs: an int if one of them tells, else a tensor."""
    for x in inputs:
        shape = x.shape
        if shape.rank is None:
            continue
        if shape.rank < 2:
            raise ValueError(f"Expected input tensor {x} to have rank at least 2")
        size = shape.as_list()[1]
        if size is not None:
            return size
    return array.shape(inputs[0])[1]


def state_dtype(explicit: Any, state: Any) -> Any:
    """`explicit`, or else the one type of the state's tensors.

    Raises:
        ValueError: if there are none, or several types.
    """
    if explicit is not None:
        return explicit
    if not nest.is_nested(state):
        return state.dtype
    found = [part.dtype for part in nest.flatten(state)]
    if not found:
        raise ValueError("Unable to infer dtype from empty state.")
    if any(kind != found[0] for kind in found):
        raise ValueError(
            "State has tensors of different inferred_dtypes. Unable to infer a single representative dtype."
        )
    return found[0]


def known_shape(size: Any) -> Any:
    """A size, or the shape that a tensor of sizes holds."""
    if isinstance(size, Tensor):
        known = constant_value(size)
        return as_shape(None if known is None else known.tolist())
    return as_shape(size)


def cache_variables(scope: Any) -> None:
    """Have each variable of `scope` read once, outside the loop, unless the whole is inside a loop already."""
    context = get_default_graph()._get_control_flow_context()
    inside_loop = context is not None and context.while_context() is not None
    if not inside_loop and scope.caching_device is None:
        scope.set_caching_device(lambda op: op.device)


def is_keras_cell(cell: Any) -> bool:
    return not isinstance(cell, RNNCell) and isinstance(cell, Layer) and getattr(cell, "zero_state", None) is None


def stopped_step(
    time: Any,
    sequence_length: Tensor,
    min_sequence_length: Tensor,
    max_sequence_length: Tensor,
    zero_output: Any,
    state: Any,
    call_cell: Callable[[], Any],
    state_size: Any = None,
    skip_conditionals: bool = False,
) -> tuple[Any, Any]:
    """One step of a batch of sequences: those that are over give zeros and keep their state.

    Args:
        time: the number of the step.
        sequence_length: int32, shape `[batch]`.
        min_sequence_length: its least element.
        max_sequence_length: its largest.
        zero_output: zeros in the structure of the cell's output.
        state: the state before.
        call_cell: gives output and new state.
        state_size: not used.
        skip_conditionals: always call the cell, rather than ask first whether all or none of the sequences are over.
    """
    flat_state, flat_zero_output = nest.flatten(state), nest.flatten(zero_output)
    is_over = time >= sequence_length

    def kept(old: Any, new: Any) -> Any:
        if isinstance(old, TensorArray) or old.shape.rank == 0:
            return new
        with colocate_with(new):
            return array.where(is_over, old, new)

    def called() -> tuple[list[Any], list[Any]]:
        new_output, new_state = call_cell()
        nest.assert_same_structure(zero_output, new_output)
        nest.assert_same_structure(state, new_state)
        return nest.flatten(new_output), nest.flatten(new_state)

    def copied(outputs: list[Any], states: list[Any]) -> list[Any]:
        outputs = [kept(zero, new) for zero, new in zip(flat_zero_output, outputs, strict=False)]
        return outputs + [kept(old, new) for old, new in zip(flat_state, states, strict=False)]

    def copied_where_over() -> Any:
        outputs, states = called()
        return cond(time < min_sequence_length, lambda: outputs + states, lambda: copied(outputs, states))

    if skip_conditionals:
        final = copied(*called())
    else:
        final = cond(time >= max_sequence_length, lambda: flat_zero_output + flat_state, copied_where_over)
    final_output, final_state = final[: len(flat_zero_output)], final[len(flat_zero_output) :]
    for output, zero in zip(final_output, flat_zero_output, strict=True):
        output.set_shape(zero.shape)
    for new, old in zip(final_state, flat_state, strict=True):
        if not isinstance(new, TensorArray):
            new.set_shape(old.shape)
    return nest.pack_sequence_as(zero_output, final_output), nest.pack_sequence_as(state, final_state)


def time_and_batch_swapped(x: Tensor) -> Tensor:
    """`x` with its first two axes exchanged; a scalar or vector stays as it is."""
    shape = x.shape
    if shape.rank is not None and shape.rank < 2:
        return x
    rank = array.rank(x)
    swapped = array.transpose(x, array.concat(([1, 0], math.range(2, rank)), axis=0))
    sizes = [None, None] if shape.rank is None else [shape.as_list()[1], shape.as_list()[0]]
    swapped.set_shape(as_shape(sizes).concatenate(shape[2:]))
    return swapped


def reversed_sequence(steps: Any, lengths: Any) -> list[Any]:
    """A list of steps in reverse order; with `lengths`, only the first `lengths[i]` steps of sequence i are."""
    if lengths is None:
        return list(reversed(steps))
    flat_results: list[list[Any]] = [[] for _ in steps]
    for sequence in zip(*(tuple(nest.flatten(step)) for step in steps), strict=True):
        shape = unknown_shape(rank=sequence[0].shape.rank)
        for x in sequence:
            shape.merge_with(x.shape)
            x.set_shape(shape)
        turned = array.unstack(array.reverse_sequence(array.stack(sequence), lengths, 0, 1))
        for x, flat in zip(turned, flat_results, strict=True):
            x.set_shape(shape)
            flat.append(x)
    return [nest.pack_sequence_as(step, flat) for step, flat in zip(steps, flat_results, strict=True)]
