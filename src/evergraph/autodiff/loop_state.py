"""What `tf.gradients` knows of the loops that it goes through.

The gradient of a loop is a loop that runs as often, counting down. What its ops need of the forward loop, the forward
loop pushes to a stack in each iteration, and the gradient's loop pops:

    forward:   f_count counts   value ──► StackPushV2 ──► (before the next count)
    backward:  b_count counts down to 0         StackPopV2 ──► the value of that iteration, last first

Loop invariants and constants need no stack. Loops in loops have stacks of what the outer iterations need.
"""

from __future__ import annotations

from typing import Any

from evergraph.autodiff.loop_sums import backward_counter, forward_counter
from evergraph.autodiff.zeros import zeros_of_output
from evergraph.framework import dtypes, shapes
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import colocate_with, control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.control_flow import control_trigger, next_iteration, switch_beside
from evergraph.ops.control_flow_context import (
    SWITCHES,
    inside,
    is_loop_switch,
    loop_constant_enter,
    output_context,
    while_context_of,
)
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape_internal
from evergraph.ops.stacks import stack_pop, stack_push, stack_v2
from evergraph.ops.while_context import WhileContext


class LoopState:
    """One loop and the loop of its gradient.

    Attributes:
        forward_context, grad_context: the two loops.
        outer_grad_state: the state of the loop around, if that is differentiated too.
        forward_index, grad_index: their counters for the next iteration.
        history_map: tensors of the forward loop, to what stands for them in the gradient's.
        switch_map: forward Switch ops, to the Merge that begins their loop variable in the gradient's loop.
        forward_exits: the exits of the forward loop, its counter not among them.
        pending_exits: how many of them have not been reached yet.
        unused_exits, deferred_exits: of those reached, the ones without a gradient, and all others.
    """

    forward_context: Any
    grad_context: Any

    def __init__(self, forward_context: Any, outer_grad_state: LoopState | None) -> None:
        self.outer_grad_state = outer_grad_state
        self.history_map: dict[Tensor, Tensor] = {}
        self.switch_map: dict[Operation, Any] = {}
        self.unused_exits: list[Tensor] = []
        self.deferred_exits: list[Tensor] = []
        self.forward_exits = list(forward_context.loop_exits)
        self.pending_exits = len(self.forward_exits)
        self._forward_sync: Operation | None = None
        self._grad_sync: Operation | None = None
        around = outer_grad_state.forward_context if outer_grad_state else forward_context.outer_context
        with inside(around):
            count, self.forward_index = forward_counter(forward_context, outer_grad_state)
        self.forward_context = forward_context
        if outer_grad_state is not None:
            around._values.add(count)
            history = outer_grad_state.add_forward_accumulator(count)
            with inside(outer_grad_state.grad_context):
                self._begin_backward(count, history)
        else:
            with inside(around):
                self._begin_backward(count, None)

    def _begin_backward(self, count: Tensor, history: Tensor | None) -> None:
        forward = self.forward_context
        self.grad_context = WhileContext(
            forward.maximum_iterations,
            forward.parallel_iterations,
            forward.back_prop,
            forward.swap_memory,
            forward.name,
            self,
        )
        outer = self.outer_grad_state
        if outer is not None and history is not None:
            count = outer.add_backward_value(history, count)
        self.grad_index = backward_counter(self.grad_context, count, outer)

    @property
    def forward_sync(self) -> Operation:
        """An op of the forward loop that waits for pushes in branches: the next iteration waits for it."""
        if self._forward_sync is None:
            with control_dependencies(None):
                self._forward_sync = control_trigger(name="f_sync")
            self._forward_sync._control_flow_context = self.forward_context
            self.forward_index.op._add_control_input(self._forward_sync)
        return self._forward_sync

    @property
    def grad_sync(self) -> Operation:
        """An op of the gradient's loop that waits for pops: the next iteration waits for it."""
        if self._grad_sync is None:
            with control_dependencies(None):
                self._grad_sync = control_trigger(name="b_sync")
            self._grad_sync._control_flow_context = self.grad_context
            self.grad_index.op._add_control_input(self._grad_sync)
            if self.grad_context.outer_context is not None:
                self.grad_context.outer_context.add_inner_op(self._grad_sync)
        return self._grad_sync

    def add_forward_accumulator(self, value: Tensor, dead_branch: bool = False) -> Tensor:
        """Push `value` to a new stack in each forward iteration; gives the stack.

        It is called in the context that `tf.gradients` was called in. With `dead_branch`, `value` is of the branch that
        its own context is not.
        """
        current = get_default_graph()._control_flow_context
        forward = self.forward_context
        with control_dependencies(None):
            with inside(current), colocate_with(value):
                limit = constant(-1, dtypes.int32)
                stack = stack_v2(limit, elem_type=value.dtype.base_dtype, name="f_acc")
            entered = forward.add_value(stack)
            context = output_context(value.op)
            if context is forward:
                with inside(forward):
                    push = stack_push(entered, value, swap_memory=forward.swap_memory)
                self.forward_index.op._add_control_input(push.op)
            else:
                if context is None or not context.is_cond:
                    raise TypeError(f"value_ctxt is not a CondContext: {context}")
                with inside(context.outer_context if dead_branch else context):
                    push = stack_push(entered, value, swap_memory=forward.swap_memory)
                if dead_branch:
                    push.op._control_flow_context = context
                self.forward_sync._add_control_input(push.op)
            push.op._add_control_input(self.forward_index.op.inputs[0].op)
            return stack

    def add_backward_value(self, history: Tensor, value: Tensor, dead_branch: bool = False) -> Tensor:
        """Pop in the gradient's loop what `add_forward_accumulator` pushed for `value`."""
        branch: Any = None
        context = value.op._control_flow_context
        while context is not None and context is not history.op._control_flow_context:
            if context.is_cond:
                branch = context
                break
            context = context.outer_context
        with control_dependencies(None), inside(self.grad_context):
            if branch is not None:
                # What was pushed in a branch is popped only if the branch was taken.
                state: LoopState | None = self
                pred = None
                while pred is None and state is not None:
                    pred = state.history_map.get(branch.pred)
                    state = state.outer_grad_state
                side = 1 - branch.branch if dead_branch else branch.branch
                history = switch_beside(history, branch.pred if pred is None else pred)[side]
            pop = stack_pop(history, value.dtype.base_dtype)
            pop.set_shape(value.static_shape)
        if self.grad_context.parallel_iterations > 1:
            self.grad_sync._add_control_input(pop.op)
        return pop

    def real_value(self, value: Tensor) -> Tensor:
        """What stands for `value` of the forward loop in the gradient's loop. It is called in that loop's context."""
        found = self.history_map.get(value)
        if found is not None:
            return found
        current = value
        state: LoopState = self
        real = None
        history = None
        while True:
            entered = loop_constant_enter(current)
            if entered is not None:
                # The same in each iteration: take it from around the loop.
                current = entered.inputs[0]
                if state.outer_grad_state is None:
                    real = self.grad_context.add_value(current)
                    break
                state = state.outer_grad_state
            elif current.op.type == "Const":
                real = constant(current.op.attrs["value"], dtype=current.dtype)
                break
            else:
                self.grad_context.Exit()
                history = state.add_forward_accumulator(current)
                self.grad_context.Enter()
                break
        if real is None:
            assert history is not None
            real = state.add_backward_value(history, current)
            if state is not self:
                real = self.grad_context.add_value(real)
        self.history_map[value] = real
        return real


class LoopStates:
    """The loops of one call of `tf.gradients`."""

    def __init__(self) -> None:
        self._states: dict[Any, LoopState] = {}

    def state_of(self, op: Operation, of_output: bool = False) -> Any:
        """The state of the loop that `op` is in (or, with `of_output`, that its outputs are in)."""
        context = output_context(op) if of_output else op._control_flow_context
        loop = None if context is None else context.while_context()
        return None if loop is None else self._states.get(loop)

    def gradient_context(self, op: Operation, of_output: bool = False) -> Any:
        state = self.state_of(op, of_output)
        return None if state is None else state.grad_context

    def add_loop_of(self, op: Operation, order: list[Operation], between: dict[Operation, int]) -> None:
        """Begin the gradient of the loop that `op` is an exit of; its other exits join `order` and `between`."""
        forward = while_context_of(op)
        if forward is None:
            raise ValueError(
                "Failed to call gradients on a while loop without properly serializing graph via MetaGraphDef: the "
                f"loop of '{op.name}' was imported from a GraphDef, which does not say what belongs to it"
            )
        if forward in self._states:
            return
        outer = forward.outer_context
        outer = None if outer is None else outer.while_context()
        state = LoopState(forward, None if outer is None else self._states.get(outer))
        self._states[forward] = state
        for t in state.forward_exits:
            if t.op not in between:
                between[t.op] = 0
                order.append(t.op)

    def unused_exits(self, pending: dict[Operation, int], results: set[Operation]) -> list[Tensor]:
        """The exits without a gradient of loops all of whose exits are known at the start."""
        found: list[Tensor] = []
        for state in self._states.values():
            for t in state.forward_exits:
                if pending[t.op] == 0:
                    state.pending_exits -= 1
                    if t.op not in results:
                        state.unused_exits.append(t)
                    if state.pending_exits == 0:
                        found.extend(state.unused_exits)
            for t in state.forward_context.loop_enters:
                if pending[t.op] == 0:
                    pending[t.op] = 1
        return found

    def zeros_like_exit(self, value: Tensor) -> Tensor:
        """Zeros of the shape of an exit, in the context that the loop's gradient begins in."""
        forward = value.op._control_flow_context
        outer = forward.outer_context
        loop = None if outer is None else outer.while_context()
        state = None if loop is None else self._states.get(loop)
        sizes = value.static_shape
        if state is None and value.dtype is dtypes.variant:
            return zeros_like(value, optimize=False)
        if state is None:
            return zeros(list(sizes), value.dtype) if shapes.is_static(sizes) else zeros_like(value, optimize=False)
        if shapes.is_static(sizes):
            with inside(state.grad_context):
                return zeros(list(sizes), value.dtype)
        with inside(outer):
            runtime_shape = shape_internal(value, optimize=False)
        history = state.add_forward_accumulator(runtime_shape)
        with inside(state.grad_context):
            return zeros(state.add_backward_value(history, runtime_shape), value.dtype)

    def zeros_like(self, op: Operation, index: int) -> Tensor | None:
        """Zeros for an output that received no gradient; None for the Switch of a loop variable."""
        if is_loop_switch(op):
            return None
        state = self.state_of(op)
        if state is None:
            return zeros_of_output(op, index)
        context: Any = op._control_flow_context
        value = op.outputs[index]
        other_branch = op.type in SWITCHES
        if value.dtype is dtypes.resource:
            sizes, kind = value._handle_data or (None, dtypes.float32)
            result = zeros(list(sizes or ()) if shapes.is_static(sizes) else raw_op("VariableShape")(value), kind)
            if other_branch:
                result = switch_beside(result, state.history_map.get(context.pred))[1 - context.branch]
            return result
        if shapes.is_static(value.static_shape):
            result = constant(0, shape=value.static_shape, dtype=value.dtype)
            if other_branch:
                result = switch_beside(result, state.history_map.get(context.pred))[1 - context.branch]
            return result
        if other_branch:
            with inside(context.outer_context):
                value = switch_beside(op.inputs[0], context.pred)[1 - context.branch]
                runtime_shape = shape_internal(value, optimize=False)
            value.op._control_flow_context = context
            runtime_shape.op._control_flow_context = context
        else:
            with inside(context):
                runtime_shape = shape_internal(value, optimize=False)
        state.grad_context.Exit()
        history = state.add_forward_accumulator(runtime_shape, other_branch)
        state.grad_context.Enter()
        return zeros(state.add_backward_value(history, runtime_shape, other_branch), value.dtype)

    def finish(self) -> None:
        """Close the loop variables whose next value does not depend on them: their gradient there is zero."""
        for state in self._states.values():
            for merged in state.switch_map.values():
                first, second = merged.op.inputs
                if first is not second:
                    continue
                context = state.grad_context
                if first.dtype is dtypes.variant:
                    with inside(context.outer_context):
                        zero = zeros_like(first.op.inputs[0], optimize=False)
                    with inside(context):
                        following = next_iteration(zero)
                elif shapes.is_static(first.static_shape):
                    with inside(context):
                        following = next_iteration(constant(0, dtype=first.dtype, shape=first.static_shape))
                else:
                    with inside(context.outer_context):
                        zero = zeros(shape_internal(first.op.inputs[0], optimize=False))
                    with inside(context):
                        following = next_iteration(zero)
                merged.op._update_input(1, following)
