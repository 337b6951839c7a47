"""The loops that gradients add to loops: counters, and sums of what each iteration contributes.

f_count, in the forward loop:    n = 0      each iteration: n + 1            how many iterations there were
b_count, the gradient's loop:    n          each iteration: n - 1, while n >= 1
b_acc, in the gradient's loop:   sum = 0    each iteration: sum + gradient   for what is the same in each iteration
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.control_flow import enter, exit, loop_cond, merge, next_iteration, switch
from evergraph.ops.control_flow_context import inside
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.joining import concat
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape_internal
from evergraph.ops.while_context import WhileContext


def forward_counter(loop: WhileContext, outer_grad_state: Any) -> tuple[Tensor, Tensor]:
    """Count the iterations of a loop; gives (how many there were, the counter of the next iteration)."""
    start = constant(0, name="f_count")
    if outer_grad_state is not None:
        # The pushes of one run of an inner loop come before those of the next.
        start.op._add_control_input(outer_grad_state.forward_index.op.inputs[0].op)
    loop.Enter()
    loop._values.add(start)
    entered = enter(start, loop._name, parallel_iterations=loop._parallel_iterations, name="f_count")
    loop._loop_enters.append(entered)
    merged = merge([entered, entered])[0]
    done, going = switch(merged, loop._pivot)
    following = next_iteration(raw_op("Add")(going, 1))
    merged.op._update_input(1, following)
    total = exit(done, name="f_count")
    loop._loop_exits.append(total)
    loop.exit_result([total])
    loop.Exit()
    return total, following


def backward_counter(loop: WhileContext, count: Tensor, outer_grad_state: Any) -> Tensor:
    """Make `loop` one of `count` iterations; gives the counter of the next iteration."""
    one = constant(1, name="b_count")
    loop.Enter()
    loop._values.add(count)
    entered = enter(count, loop._name, parallel_iterations=loop._parallel_iterations, name="b_count")
    loop._loop_enters.append(entered)
    merged = merge([entered, entered])[0]
    loop._pivot_for_pred = merged
    loop._pivot = loop_cond(raw_op("GreaterEqual")(merged, one), name="b_count")
    done, going = switch(merged, loop._pivot)
    left = raw_op("Sub")(going, one)
    loop._pivot_for_body = left
    following = next_iteration(left)
    merged.op._update_input(1, following)
    final_zero = exit(done, name="b_count")
    loop._loop_exits.append(final_zero)
    if outer_grad_state is not None:
        # The pops of one run of an inner loop come before those of the next.
        outer_grad_state.grad_sync._add_control_input(final_zero.op)
    loop.exit_result([final_zero])
    loop.Exit()
    return following


def sum_over_iterations(loop: WhileContext, op: Operation, grad: Tensor) -> Tensor:
    """Sum `grad` over the iterations, for the value that `op` (an Enter) brings into the forward loop."""
    loop.Exit()
    outer = loop._outer_context
    is_list = grad.dtype is dtypes.variant  # of tensors: TF 1.15 raises a TypeError
    if is_list:
        if outer is not None and outer.while_context() is not None:
            raise TypeError(f"No gradient for a list of tensors that {op.name!r} brings into a loop in a loop")
        with inside(outer):
            start = zeros_like(op.inputs[0], optimize=False)
    elif shapes.is_static(grad.static_shape):
        with inside(outer):
            start = constant(0, grad.dtype, shape=grad.static_shape, name="b_acc")
    else:
        value = op.inputs[0]
        if isinstance(outer, WhileContext) and outer.grad_state is not None:
            with inside(loop.grad_state.forward_context.outer_context):
                sizes = shape_internal(value, optimize=False)
            outer_state = loop.grad_state.outer_grad_state
            history = outer_state.add_forward_accumulator(sizes)
            with inside(outer):
                start = zeros(outer_state.add_backward_value(history, sizes), grad.dtype)
        else:
            with inside(outer):
                start = zeros(shape_internal(value, optimize=False), grad.dtype)
    loop.Enter()
    loop._values.add(start)
    entered = enter(start, loop._name, parallel_iterations=loop._parallel_iterations, name="b_acc")
    loop._loop_enters.append(entered)
    merged = merge([entered, entered], name="b_acc")[0]
    done, going = switch(merged, loop._pivot)
    following = next_iteration(raw_op("AddN")([going, grad]) if is_list else raw_op("Add")(going, grad))
    merged.op._update_input(1, following)
    result = exit(done, name="b_acc")
    loop._loop_exits.append(result)
    loop.exit_result([result])
    return result


def join_over_iterations(loop: WhileContext, op: Operation, grad: IndexedSlices) -> IndexedSlices:
    """`sum_over_iterations` for `IndexedSlices`: the slices of all iterations, one after the other."""
    values, indices, dense_shape = grad.values, grad.indices, grad.dense_shape
    outer = loop._outer_context
    loop.Exit()
    shape_start = None
    with inside(outer):
        if shapes.is_static(values.static_shape):
            with inside(outer):
                values_start = constant(0, values.dtype, shape=[1, *values.static_shape[1:]], name="b_acc")
        else:
            row = _shape_behind(op.inputs[0])[1:]
            values_start = zeros(concat([[1], row], 0), dtype=values.dtype)
        indices_start = constant([0], indices.dtype)
        if dense_shape is not None:
            if shapes.is_static(dense_shape.static_shape):
                with inside(outer):
                    shape_start = constant(0, dense_shape.dtype, shape=dense_shape.static_shape)
            else:
                shape_start = zeros_like(
                    shape_internal(op.inputs[0], optimize=False, out_type=dense_shape.dtype), optimize=False
                )
    loop.Enter()
    starts = [indices_start, values_start] + ([] if shape_start is None else [shape_start])
    loop._values.update(starts)
    entered = [
        enter(t, loop._name, parallel_iterations=loop._parallel_iterations, keeps_shape=False, name="b_acc")
        for t in starts
    ]
    entered[0].set_shape([None])
    if values_start.static_shape is not None:
        entered[1].set_shape([None, *values_start.static_shape[1:]])
    loop._loop_enters.extend(entered)
    merged = [merge([t, t], name="b_acc")[0] for t in entered]
    switched = [switch(t, loop._pivot) for t in merged]
    following = [concat([pair[1], new], 0) for pair, new in zip(switched, [indices, values])]
    if shape_start is not None:
        following.append(raw_op("Maximum")(dense_shape, switched[2][1]))
    for before, after in zip(merged, [next_iteration(t) for t in following], strict=True):
        before.op._update_input(1, after)
    exits = [exit(pair[0], name="b_acc") for pair in switched]
    loop._loop_exits.extend(exits)
    loop.exit_result(exits)
    return IndexedSlices(exits[1], exits[0], exits[2] if shape_start is not None else None)


def _shape_behind(t: Tensor) -> Any:
    """The shape of `t`, or of the variable that it refers to."""
    if t.dtype is not dtypes.resource:
        return shape_internal(t, optimize=False)
    while t.op.inputs:
        t = t.op.inputs[0]
    return TensorShape(t.op.attrs["shape"])
