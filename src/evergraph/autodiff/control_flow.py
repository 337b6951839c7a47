"""The gradients of the ops of branches and loops: what goes forward through one goes back through its opposite.

Switch ◄─► Merge       Enter ◄─► Exit       NextIteration ◄─► nothing: the loop is closed at the Switch
"""

from __future__ import annotations

from typing import Any

from evergraph.autodiff.loop_sums import join_over_iterations, sum_over_iterations
from evergraph.framework import dtypes, opdefs
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import equal
from evergraph.ops.control_flow import (
    enter,
    enter_op,
    exit,
    exit_op,
    merge,
    merge_op,
    next_iteration_op,
    ref_enter_op,
    ref_exit_op,
    ref_merge_op,
    ref_next_iteration_op,
    ref_switch_op,
    switch,
    switch_beside,
    switch_op,
)
from evergraph.ops.control_flow_context import output_context
from evergraph.ops.identity import identity
from evergraph.ops.while_loop import close_loop


def _current() -> Any:
    """The context that gradients are being built in."""
    return get_default_graph()._control_flow_context


@switch_op.gradient
def switch_grad(op: Operation, if_false: Any, if_true: Any) -> Any:
    context = op._control_flow_context
    if context is None or not (context.is_while or context.is_cond):
        back_false = switch(if_false, op.inputs[1])[0]
        back_true = switch(if_true, op.inputs[1])[1]
        return merge([back_false, back_true])[0], None
    if context.is_cond:
        grads = if_false, if_true
        if grads[1 - context.branch] is None:
            if op.inputs[0].dtype is dtypes.resource:
                return merge([grads[context.branch]] * 2, name="cond_resource_grad")[0], None
            return None, None
        current = _current()
        if current is not None and current.while_context() is not None and current.while_context().grad_state:
            grads = tuple(map(_alive_with_its_values, grads))
        return merge(grads, name="cond_grad")[0], None
    merges = _current().grad_state.switch_map
    merged = merges.get(op)
    if merged is not None:
        # The second visit, from the body: close the loop.
        if if_true is not None:
            close_loop(merged, if_true, checks_shape=False)
        return None, None
    if if_false is None:
        return None, None
    # The first visit, from the Exit: begin a loop variable.
    merged = merges[op] = merge([if_false, if_false], name="b_switch")[0]
    return merged, None


ref_switch_op.gradient(switch_op)


def _alive_with_its_values(grad: Any) -> Any:
    """The gradient of a branch in a loop: slices whose indices, where they are constants, are of that branch too.

    What a gradient takes from constants of the forward branch is there in each iteration. (TF 1.15 merges it then with
    what the other branch gives.)
    """
    if not isinstance(grad, IndexedSlices):
        return grad
    with control_dependencies([grad.values.op]):
        shape = None if grad.dense_shape is None else identity(grad.dense_shape)
        return IndexedSlices(grad.values, identity(grad.indices), shape)


@merge_op.gradient
def merge_grad(op: Operation, grad: Any, _: Any) -> Any:
    context = output_context(op.inputs[0].op)
    current = _current()
    if context is None or not (context.is_while or context.is_cond):
        taken = [equal(op.outputs[1], i) for i in range(len(op.inputs))]
        return [switch_beside(grad, condition)[1] for condition in taken]
    if context.is_while:
        return switch_beside(grad, current.pivot)
    pred = context.pred
    if current is not None and current.grad_state:
        # A branch in a loop: which one was taken is remembered for each iteration.
        state = current.grad_state
        real = state.history_map.get(pred)
        if real is None:
            loop = state.grad_context
            loop.Exit()
            history = state.add_forward_accumulator(pred)
            loop.Enter()
            real = state.history_map[pred] = state.add_backward_value(history, pred)
        pred = real
    return switch_beside(grad, pred, name="cond_grad")


ref_merge_op.gradient(merge_op)


@exit_op.gradient
def exit_grad(op: Operation, grad: Any) -> Any:
    loop = _current()
    if not loop.back_prop:
        return None
    if op._control_flow_context.grad_state:
        raise TypeError("Second-order gradient for while loops not supported.")
    parts = [grad] if isinstance(grad, Tensor) else [grad.values, grad.indices, grad.dense_shape]
    loop._values.update(part for part in parts if part is not None)
    loop.Enter()
    entered = enter(grad, loop.name, parallel_iterations=loop.parallel_iterations, name="b_exit")
    loop.loop_enters.append(entered)
    loop.Exit()
    return entered


ref_exit_op.gradient(exit_op)


@next_iteration_op.gradient
def next_iteration_grad(op: Operation, grad: Any) -> Any:
    return grad


ref_next_iteration_op.gradient(next_iteration_op)


@enter_op.gradient
def enter_grad(op: Operation, grad: Any) -> Any:
    loop = _current()
    if loop is None or not loop.back_prop or loop.grad_state is None:
        return grad
    if op.attrs["is_constant"]:
        if isinstance(grad, IndexedSlices):
            return join_over_iterations(loop, op, grad)
        return sum_over_iterations(loop, op, grad)
    left = exit(grad)
    loop.loop_exits.append(left)
    loop.exit_result([left])
    return left


ref_enter_op.gradient(enter_op)


def _of_functions(name: str) -> Any:
    def rule(op: Operation, *grads: Any) -> Any:
        from evergraph.autodiff import functional  # rarely asked for, and much to import

        return getattr(functional, name)(op, *grads)

    return rule


# Younger than TF 1.15; TF 2 writes it.
opdefs.register(
    "StatelessCase(branch_index: int32, input: list(Tin)) -> (output: list(Tout)) | Tin: list(type) >= 0 | "
    "Tout: list(type) >= 0 | branches: list(func) >= 1 | output_shapes: list(shape) = []"
)
for _name, _kinds in {
    "gradient_of_branches": (
        "If", "StatelessIf", "Case", "StatelessCase", "PartitionedCall", "StatefulPartitionedCall",
    ),
    "gradient_of_loop": ("While", "StatelessWhile"),
    "gradient_of_symbolic_gradient": ("SymbolicGradient",),
}.items():  # fmt: skip
    for _kind in _kinds:
        _opdef = opdefs.lookup(_kind)
        assert _opdef is not None
        _opdef.gradient = _of_functions(_name)
