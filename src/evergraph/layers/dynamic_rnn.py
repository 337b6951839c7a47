"""Recurrent networks as loops in the graph: `dynamic_rnn`, `bidirectional_dynamic_rnn` and `raw_rnn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes, nest
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import colocate_with, control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape, dimension_at_index
from evergraph.framework.tensor import Tensor
from evergraph.layers.cells import check_is_cell, joined_shape, joined_static_shape
from evergraph.layers.rnn_step import (
    batch_size_of,
    cache_variables,
    is_keras_cell,
    known_shape,
    state_dtype,
    stopped_step,
    time_and_batch_swapped,
)
from evergraph.ops import array, math
from evergraph.ops.checks import Assert
from evergraph.ops.constant import constant
from evergraph.ops.tensor_array import TensorArray
from evergraph.ops.variable_scope import variable_scope
from evergraph.ops.while_loop import while_loop


@public("nn.dynamic_rnn")
def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Run `cell` over a batch of sequences, in a loop.

    Args:
        cell: a recurrent cell.
        inputs: shape `[batch, time, ...]`, or a structure of such tensors; `[time, batch, ...]` if `time_major`.
        sequence_length: ints, shape `[batch]`: past its end a sequence's outputs are zeros and its state stays.
        initial_state: in the structure of `cell.state_size`; zeros by default.
        dtype: the type of zeros to start with; needed without `initial_state`.
        parallel_iterations: how many steps TF may run at once, 32 by default. The result does not depend on it.
        swap_memory: whether TF may keep values for the gradient in host memory.
        time_major: whether inputs and outputs have time before batch, which saves two transpositions.
        scope: the variable scope, "rnn" by default.

    Returns:
        The outputs of all steps, `[batch, time, ...]` (or time first) in the structure of `cell.output_size`, and the
        state after the last.

    Raises:
        TypeError: if `cell` is no cell.
        ValueError: if the inputs' sizes past the first two are unknown.

    >>> cell = tf.nn.rnn_cell.BasicLSTMCell(3)
    >>> outputs, state = tf.nn.dynamic_rnn(cell, tf.zeros([2, 5, 4]), dtype=tf.float32)
    >>> outputs.shape, state.h.shape
    (TensorShape([Dimension(2), Dimension(5), Dimension(3)]), TensorShape([Dimension(2), Dimension(3)]))
    """
    check_is_cell("cell", cell)
    with variable_scope(scope or "rnn") as varscope:
        cache_variables(varscope)
        flat_input = nest.flatten(inputs)
        if not time_major:
            flat_input = [convert_to_tensor(x) for x in flat_input]
            flat_input = [time_and_batch_swapped(x) for x in flat_input]
        if sequence_length is not None:
            sequence_length = math.cast(sequence_length, dtypes.int32)
            if sequence_length.shape.rank not in (None, 1):
                raise ValueError(
                    f"sequence_length must be a vector of length batch_size, but saw shape: {sequence_length.shape}"
                )
            sequence_length = array.identity(sequence_length, name="sequence_length")
        batch_size = batch_size_of(flat_input)
        state = initial_state
        if state is None:
            if not dtype:
                raise ValueError("If there is no initial_state, you must give a dtype.")
            if getattr(cell, "get_initial_state", None) is not None:
                state = cell.get_initial_state(inputs=None, batch_size=batch_size, dtype=dtype)
            else:
                state = cell.zero_state(batch_size, dtype)
        if sequence_length is not None:
            with control_dependencies([_check_shape(sequence_length, [batch_size])]):
                sequence_length = array.identity(sequence_length, name="CheckSeqLen")
        outputs, final_state = _loop(
            cell,
            nest.pack_sequence_as(inputs, flat_input),
            state,
            parallel_iterations or 32,
            swap_memory,
            sequence_length,
            dtype,
        )
        if not time_major:
            outputs = nest.map_structure(time_and_batch_swapped, outputs)
        return outputs, final_state


def _check_shape(x: Tensor, shape: list[Any]) -> Any:
    actual = array.shape(x)
    wanted = array.stack(shape)
    message = [f"Expected shape for Tensor {x.name} is ", wanted, " but saw shape: ", actual]
    return Assert(math.reduce_all(math.equal(actual, wanted)), message)


def _static_sizes(flat_input: list[Any]) -> tuple[Any, Any]:
    """How many steps and sequences there are, as far as it is known; all inputs must agree."""
    shapes = [x.shape.with_rank_at_least(3) for x in flat_input]
    steps, batch = shapes[0].as_list()[:2]
    for shape in shapes:
        if not shape[2:].is_fully_defined():
            raise ValueError("Input size (depth of inputs) must be accessible via shape inference, but saw value None.")
        if shape.as_list()[0] != steps:
            raise ValueError("Time steps is not the same for all the elements in the input in a batch.")
        if shape.as_list()[1] != batch:
            raise ValueError("Batch_size is not the same for all the elements in the input.")
    return steps, batch


def _loop(
    cell: Any,
    inputs: Any,
    state: Any,
    parallel_iterations: int,
    swap_memory: bool,
    sequence_length: Any,
    dtype: Any,
) -> tuple[Any, Any]:
    """`dynamic_rnn` for inputs with time first."""
    flat_input = nest.flatten(inputs)
    flat_output_size = nest.flatten(cell.output_size)
    time_steps = array.shape(flat_input[0])[0]
    batch_size = batch_size_of(flat_input)
    const_steps, const_batch = _static_sizes(flat_input)
    input_shapes = [x.shape.with_rank_at_least(3) for x in flat_input]
    zeros = [
        array.zeros(array.stack(joined_shape(batch_size, size)), state_dtype(dtype, state)) for size in flat_output_size
    ]
    zero_output = nest.pack_sequence_as(cell.output_size, zeros)
    min_length: Any = None
    max_length: Any = time_steps
    if sequence_length is not None:
        min_length = math.reduce_min(sequence_length)
        max_length = math.reduce_max(sequence_length)
    time = constant(0, dtype=dtypes.int32, name="time")
    with name_scope("dynamic_rnn") as base_name:
        pass

    def array_called(name: str, element_shape: Any, kind: Any) -> TensorArray:
        return TensorArray(dtype=kind, size=time_steps, element_shape=element_shape, tensor_array_name=base_name + name)

    output_arrays = tuple(
        array_called(
            f"output_{i}", TensorShape([const_batch]).concatenate(known_shape(size)), state_dtype(dtype, state)
        )
        for i, size in enumerate(flat_output_size)
    )
    input_arrays = [array_called(f"input_{i}", x.shape[1:], x.dtype) for i, x in enumerate(flat_input)]
    input_arrays = [a.unstack(x) for a, x in zip(input_arrays, flat_input, strict=True)]
    keras = is_keras_cell(cell)

    def step(time: Tensor, arrays: Any, state: Any) -> Any:
        step_input = [a.read(time) for a in input_arrays]
        for x, shape in zip(step_input, input_shapes, strict=True):
            x.set_shape(shape[1:])
        packed = nest.pack_sequence_as(inputs, step_input)
        if keras and not nest.is_nested(state):
            state = [state]
        if sequence_length is not None:
            output, new_state = stopped_step(
                time,
                sequence_length,
                min_length,
                max_length,
                zero_output,
                state,
                lambda: cell(packed, state),
                cell.state_size,
                skip_conditionals=True,
            )
        else:
            output, new_state = cell(packed, state)
        if keras and len(new_state) == 1:
            new_state = new_state[0]
        written = tuple(a.write(time, out) for a, out in zip(arrays, nest.flatten(output), strict=True))
        return time + 1, written, new_state

    bound = math.minimum(time_steps, math.maximum(1, max_length))
    _, final_arrays, final_state = while_loop(
        cond=lambda time, *_: time < bound,
        body=step,
        loop_vars=(time, output_arrays, state),
        parallel_iterations=parallel_iterations,
        maximum_iterations=time_steps,
        swap_memory=swap_memory,
    )
    outputs = [a.stack() for a in final_arrays]
    for output, size in zip(outputs, flat_output_size, strict=True):
        output.set_shape(joined_static_shape([const_steps, const_batch], size))
    return nest.pack_sequence_as(cell.output_size, outputs), final_state


@public("nn.bidirectional_dynamic_rnn")
def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Run one cell over the sequences as they are, another over them reversed. `dynamic_rnn` has the arguments.

    Args:
        cell_fw: the cell that goes forward.
        cell_bw: the cell that goes backward.
        initial_state_fw: the first state of `cell_fw`.
        initial_state_bw: the first state of `cell_bw`.
        scope: the variable scope, "bidirectional_rnn" by default.

    Returns:
        `(outputs forward, outputs backward)`, in the order of the inputs, and `(final state forward, backward)`.
    """
    check_is_cell("cell_fw", cell_fw)
    check_is_cell("cell_bw", cell_bw)
    time_axis, batch_axis = (0, 1) if time_major else (1, 0)

    def turned(x: Any) -> Tensor:
        if sequence_length is None:
            return array.reverse(x, axis=[time_axis])
        return array.reverse_sequence(input=x, seq_lengths=sequence_length, seq_axis=time_axis, batch_axis=batch_axis)

    def run(cell: Any, inputs: Any, initial_state: Any, scope: Any) -> tuple[Any, Any]:
        return dynamic_rnn(
            cell=cell,
            inputs=inputs,
            sequence_length=sequence_length,
            initial_state=initial_state,
            dtype=dtype,
            parallel_iterations=parallel_iterations,
            swap_memory=swap_memory,
            time_major=time_major,
            scope=scope,
        )

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward_scope:
            output_fw, state_fw = run(cell_fw, inputs, initial_state_fw, forward_scope)
        with variable_scope("bw") as backward_scope:
            backward, state_bw = run(cell_bw, nest.map_structure(turned, inputs), initial_state_bw, backward_scope)
    return (output_fw, turned(backward)), (state_fw, state_bw)


@public("nn.raw_rnn")
def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Run `cell` in a loop that `loop_fn` controls: it makes each next input and decides when sequences end.

    Args:
        cell: a recurrent cell.
        loop_fn: called as `loop_fn(time, cell_output, cell_state, loop_state)`, the first time with None for all but
            `time`; gives `(elements_finished, next_input, next_state, emit_output, next_loop_state)`. The first
            `next_state` is the initial state, and the first `emit_output` the form of what is emitted (None for the
            cell's output).
        parallel_iterations: how many steps TF may run at once, 32 by default.
        swap_memory: whether TF may keep values for the gradient in host memory.
        scope: the variable scope, "rnn" by default.

    Returns:
        A structure of `TensorArray`s with what was emitted, the final state, and the final loop state.
    """
    check_is_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError("loop_fn must be a callable")
    with variable_scope(scope or "rnn") as varscope:
        cache_variables(varscope)
        time = constant(0, dtype=dtypes.int32)
        finished, next_input, initial_state, emit_structure, init_loop_state = loop_fn(time, None, None, None)
        flat_input = nest.flatten(next_input)
        loop_state = constant(0, dtype=dtypes.int32) if init_loop_state is None else init_loop_state
        static_batch = dimension_at_index(flat_input[0].shape, 0)
        for x in flat_input:
            static_batch.merge_with(dimension_at_index(x.shape, 0))
        batch_size: Any = static_batch.value
        const_batch = batch_size
        if batch_size is None:
            batch_size = array.shape(flat_input[0])[0]
        nest.assert_same_structure(initial_state, cell.state_size)
        flat_state = [convert_to_tensor(s) for s in nest.flatten(initial_state)]
        state = nest.pack_sequence_as(initial_state, flat_state)
        if emit_structure is not None:
            emitted = nest.flatten(emit_structure)
            sizes = [e.shape if e.shape.is_fully_defined() else array.shape(e) for e in emitted]
            kinds = [e.dtype for e in emitted]
        else:
            emit_structure = cell.output_size
            sizes = nest.flatten(emit_structure)
            kinds = [flat_state[0].dtype] * len(sizes)
        arrays = [
            TensorArray(
                dtype=kind,
                dynamic_size=True,
                element_shape=TensorShape([const_batch]).concatenate(known_shape(size)),
                size=0,
                name=f"rnn_output_{i}",
            )
            for i, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
        ]
        zeros = [array.zeros(joined_shape(batch_size, size), kind) for size, kind in zip(sizes, kinds, strict=True)]
        zero_emit = nest.pack_sequence_as(emit_structure, zeros)

        def body(time: Any, finished: Any, current_input: Any, arrays: Any, state: Any, loop_state: Any) -> Any:
            next_output, cell_state = cell(current_input, state)
            nest.assert_same_structure(state, cell_state)
            nest.assert_same_structure(cell.output_size, next_output)
            next_time = time + 1
            next_finished, next_input, next_state, emit_output, next_loop_state = loop_fn(
                next_time, next_output, cell_state, loop_state
            )
            nest.assert_same_structure(state, next_state)
            nest.assert_same_structure(current_input, next_input)
            nest.assert_same_structure(arrays, emit_output)

            def kept(old: Any, new: Any) -> Any:
                if isinstance(old, TensorArray) or old.shape.rank == 0:
                    return new
                with colocate_with(new):
                    return array.where(finished, old, new)

            emit_output = nest.map_structure(kept, zero_emit, emit_output)
            next_state = nest.map_structure(kept, state, next_state)
            arrays = nest.map_structure(lambda a, emit: a.write(time, emit), arrays, emit_output)
            finished = math.logical_or(finished, next_finished)
            following = loop_state if next_loop_state is None else next_loop_state
            return next_time, finished, next_input, arrays, next_state, following

        *_, arrays, final_state, final_loop_state = while_loop(
            lambda time, finished, *_: math.logical_not(math.reduce_all(finished)),
            body,
            loop_vars=[
                time, finished, next_input, nest.pack_sequence_as(emit_structure, arrays), state, loop_state
            ],
            parallel_iterations=parallel_iterations or 32,
            swap_memory=swap_memory,
        )  # fmt: skip
        return arrays, final_state, None if init_loop_state is None else final_loop_state
