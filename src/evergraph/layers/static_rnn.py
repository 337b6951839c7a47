"""Recurrent networks unrolled: every step has its own ops in the graph."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.shapes import TensorShape, dimension_at_index, dimension_value
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import check_is_cell, joined_shape, joined_static_shape
from evergraph.layers.rnn_step import (
    cache_variables,
    is_keras_cell,
    reversed_sequence,
    state_dtype,
    stopped_step,
)
from evergraph.ops import array, math
from evergraph.ops.variable_scope import variable_scope


def _check_steps(inputs: Any) -> None:
    if not nest.is_nested(inputs):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")


@public("nn.static_rnn")
def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list[Any], Any]:
    """Run `cell` over a list of steps, unrolled.

    Args:
        cell: a recurrent cell.
        inputs: a list with a tensor `[batch, size]` (or a structure of such) for each step.
        initial_state: in the structure of `cell.state_size`; zeros by default.
        dtype: the type of zeros to start with; needed without `initial_state`.
        sequence_length: ints, shape `[batch]`: past its end a sequence's outputs are zeros and its state stays.
        scope: the variable scope, "rnn" by default.

    Returns:
        A list with the output of each step, and the state after the last.

    Raises:
        TypeError: if `cell` is no cell, or `inputs` no list.
        ValueError: if `inputs` is empty, or sizes are unknown or differ.
    """
    check_is_cell("cell", cell)
    _check_steps(inputs)
    outputs = []
    with variable_scope(scope or "rnn") as varscope:
        cache_variables(varscope)
        first = inputs
        while nest.is_nested(first):
            first = first[0]
        fixed_batch = _fixed_batch(first, inputs)
        batch_size = fixed_batch or array.shape(first)[0]
        state = initial_state
        if state is None:
            if not dtype:
                raise ValueError("If no initial_state is provided, dtype must be specified")
            if getattr(cell, "get_initial_state", None) is not None:
                state = cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
            else:
                state = cell.zero_state(batch_size, dtype)
        if sequence_length is not None:
            sequence_length = convert_to_tensor(sequence_length, name="sequence_length")
            if sequence_length.shape.rank not in (None, 1):
                raise ValueError("sequence_length must be a vector of length batch_size")

            def zeros(size: Any) -> Tensor:
                made = array.zeros(array.stack(joined_shape(batch_size, size)), state_dtype(dtype, state))
                made.set_shape(TensorShape(joined_static_shape(fixed_batch, size)))
                return made

            zero_output = nest.pack_sequence_as(
                cell.output_size, [zeros(size) for size in nest.flatten(cell.output_size)]
            )
            sequence_length = math.cast(sequence_length, dtypes.int32)
            min_length = math.reduce_min(sequence_length)
            max_length = math.reduce_max(sequence_length)
        keras = is_keras_cell(cell)
        if keras and not nest.is_nested(state):
            state = [state]
        for time, x in enumerate(inputs):
            if time > 0:
                varscope.reuse_variables()
            if sequence_length is not None:
                output, state = stopped_step(
                    time,
                    sequence_length,
                    min_length,
                    max_length,
                    zero_output,
                    state,
                    lambda x=x, state=state: cell(x, state),  # type: ignore[misc]  # its defaults have no types
                    cell.state_size,
                )
            else:
                output, state = cell(x, state)
            outputs.append(output)
        if keras and len(state) == 1:
            state = state[0]
        return outputs, state


def _fixed_batch(first: Any, inputs: Any) -> int | None:
    """The batch size, if it is known; all inputs must agree."""
    if first.shape.rank == 1:
        return first.shape.with_rank_at_least(1).as_list()[0]
    fixed = first.shape.with_rank_at_least(2)[0]
    for x in nest.flatten(inputs):
        shape = x.shape.with_rank_at_least(2)
        fixed.merge_with(dimension_at_index(shape, 0))
        for i, size in enumerate(shape[1:]):
            if dimension_value(size) is None:
                raise ValueError(
                    f"Input size (dimension {i} of inputs) must be accessible via shape inference, but saw value None."
                )
    return dimension_value(fixed)


@public("nn.static_state_saving_rnn")
def static_state_saving_rnn(
    cell: Any, inputs: Any, state_saver: Any, state_name: Any, sequence_length: Any = None, scope: Any = None
) -> tuple[list[Any], Any]:
    """`static_rnn` that takes its first state from `state_saver` and gives it the last one.

    Args:
        cell: a recurrent cell.
        inputs: a list with a tensor `[batch, size]` for each step.
        state_saver: has `state(name)` and `save_state(name, state)`.
        state_name: the state's name there, or names in the structure of `cell.state_size`.
        sequence_length: ints, shape `[batch]`.
        scope: the variable scope, "rnn" by default.

    Raises:
        ValueError: if `state_name` and `cell.state_size` differ in form.
    """
    state_size = cell.state_size
    is_tuple = nest.is_nested(state_size)
    if is_tuple != nest.is_nested(state_name):
        raise ValueError(
            "state_name should be the same type as cell.state_size.  "
            f"state_name: {state_name}, cell.state_size: {state_size}"
        )
    names = nest.flatten(state_name)
    if is_tuple:
        count = len(nest.flatten(state_size))
        if len(names) != count:
            raise ValueError(f"#elems(state_name) != #elems(state_size): {len(names)} vs. {count}")
        initial_state = nest.pack_sequence_as(state_size, [state_saver.state(name) for name in names])
    else:
        initial_state = state_saver.state(state_name)
    outputs, state = static_rnn(cell, inputs, initial_state=initial_state, sequence_length=sequence_length, scope=scope)
    flat_state = nest.flatten(state)
    saved = [state_saver.save_state(name, part) for name, part in zip(names, flat_state, strict=True)]
    with control_dependencies(saved):
        last = outputs[-1]
        outputs[-1] = nest.pack_sequence_as(last, [array.identity(x) for x in nest.flatten(last)])
        if is_tuple:
            state = nest.pack_sequence_as(state, [array.identity(s) for s in flat_state])
        else:
            state = array.identity(state)
    return outputs, state


@public("nn.static_bidirectional_rnn")
def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Run one cell over the steps as they are, another over them reversed, unrolled.

    Args:
        cell_fw: the cell that goes forward.
        cell_bw: the cell that goes backward.
        inputs: a list with a tensor `[batch, size]` for each step.
        initial_state_fw: the first state of `cell_fw`; zeros by default.
        initial_state_bw: the first state of `cell_bw`; zeros by default.
        dtype: the type of zeros to start with.
        sequence_length: ints, shape `[batch]`.
        scope: the variable scope, "bidirectional_rnn" by default.

    Returns:
        A list with both outputs of each step, side by side; the final state forward; the final state backward.
    """
    check_is_cell("cell_fw", cell_fw)
    check_is_cell("cell_bw", cell_bw)
    _check_steps(inputs)
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward_scope:
            output_fw, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, scope=forward_scope
            )
        with variable_scope("bw") as backward_scope:
            turned = reversed_sequence(inputs, sequence_length)
            backward, state_bw = static_rnn(
                cell_bw, turned, initial_state_bw, dtype, sequence_length, scope=backward_scope
            )
    output_bw = reversed_sequence(backward, sequence_length)
    pairs = zip(nest.flatten(output_fw), nest.flatten(output_bw), strict=True)
    outputs = nest.pack_sequence_as(output_fw, [array.concat([fw, bw], 1) for fw, bw in pairs])
    return outputs, state_fw, state_bw
