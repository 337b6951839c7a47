"""The context of a loop: what happens to the ops of its condition and its body."""

from __future__ import annotations

from typing import Any

from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.proto_functions import proto_functions
from evergraph.framework.scopes import GraphKeys, control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.control_flow import enter
from evergraph.ops.control_flow_context import (
    EXITS,
    ControlFlowContext,
    is_loop_constant,
    output_context,
    while_context_of,
)
from evergraph.ops.identity import identity


class WhileContext(ControlFlowContext):
    """One loop.

    Attributes:
        name: the name of its frame.
        pivot: the output of its LoopCond.
        loop_enters, loop_exits: the loop variables going in and coming out.
        grad_state: for a loop that computes a gradient: what is known of the loop that it is the gradient of.
        maximum_iterations, parallel_iterations, back_prop, swap_memory: the arguments of `while_loop`.
    """

    is_while = True

    def __init__(
        self,
        maximum_iterations: Tensor | None = None,
        parallel_iterations: int = 10,
        back_prop: bool = True,
        swap_memory: bool = False,
        name: str = "while_context",
        grad_state: Any = None,
    ) -> None:
        super().__init__()
        if not isinstance(parallel_iterations, int) or parallel_iterations <= 0:
            raise ValueError(f"`parallel_iterations` must be a positive integer: {parallel_iterations}")
        self._name = self.graph.unique_name(name)
        self._maximum_iterations = maximum_iterations
        self._parallel_iterations = parallel_iterations
        self._back_prop = back_prop
        self._swap_memory = swap_memory
        # What ops without inputs of `cond` and of `body` wait for.
        self._pivot_for_pred: Tensor | None = None
        self._pivot_for_body: Tensor | None = None
        self._pivot: Tensor | None = None
        self._loop_exits: list[Tensor] = []
        self._loop_enters: list[Tensor] = []
        self._grad_state = grad_state

    def to_proto(self, export_scope: str | None = None) -> Any:
        """This context as a `WhileContextDef`; None if it is outside of `export_scope`."""
        return proto_functions(GraphKeys.WHILE_CONTEXT).to_proto(self, export_scope)

    @staticmethod
    def from_proto(context_def: Any, import_scope: str | None = None) -> WhileContext:
        """The context that a `WhileContextDef` describes, of ops that the default graph has."""
        return proto_functions(GraphKeys.WHILE_CONTEXT).from_proto(context_def, import_scope)

    @property
    def maximum_iterations(self) -> Tensor | None:
        return self._maximum_iterations

    @property
    def parallel_iterations(self) -> int:
        return self._parallel_iterations

    @property
    def back_prop(self) -> bool:
        return self._back_prop

    @property
    def swap_memory(self) -> bool:
        return self._swap_memory

    @property
    def pivot(self) -> Tensor | None:
        return self._pivot

    @property
    def loop_enters(self) -> list[Tensor]:
        return self._loop_enters

    @property
    def loop_exits(self) -> list[Tensor]:
        return self._loop_exits

    @property
    def grad_state(self) -> Any:
        return self._grad_state

    def while_context(self) -> WhileContext:
        return self

    def control_pivot(self) -> Tensor | None:
        return self._pivot_for_pred if self._pivot_for_body is None else self._pivot_for_body

    # Values and ops of the body

    def add_value(self, value: Tensor) -> Tensor:
        if value in self._values or value.op._control_flow_context is self:
            return self._external_values.get(value, value)
        self._values.add(value)
        current = get_default_graph()._control_flow_context
        if current is not None:
            saved = _saved_by_forward_loop(value, current.while_context())
            if saved is not None:
                self._external_values[value] = saved
                return saved
        outside = value if self._outer_context is None else self._outer_context.add_value(value)
        with control_dependencies(None):
            inside = enter(outside, self._name, is_constant=True, parallel_iterations=self._parallel_iterations)
            self.graph.prevent_feeding(inside)
            if self._outer_context is not None:
                self._outer_context.add_inner_op(inside.op)
        self.take_enters([inside])
        self._values.add(inside)
        self._external_values[value] = inside
        return inside

    def add_op(self, op: Operation) -> None:
        if op.type in ("Shape", "Size", "Rank") and not op.attrs.get("_XlaCompile"):
            # In a gradient, the shape of a forward value is taken forward: a stack of shapes is smaller.
            current = get_default_graph()._control_flow_context
            loop = None if current is None else current.while_context()
            if loop is not None and loop.grad_state:
                source = op.inputs[0].op
                if while_context_of(source) is loop.grad_state.forward_context:
                    forward = source._control_flow_context
                    op._control_flow_context = forward
                    forward.take(op)
                    return
        self.take(op)

    def take(self, op: Operation) -> None:
        if op.inputs:
            self.capture_inputs(op)
            _, outside = self.drop_external_control_inputs(op)
            if self._depends_on_constants_only(op):
                op._add_control_input(self._pivot_op())
        else:
            inside, outside = self.drop_external_control_inputs(op)
            if not inside:
                op._add_control_input(self._pivot_op())
        self._values.update(op.outputs)
        if outside:
            # What the op is to wait for comes in as a value.
            with control_dependencies(None):
                self.Enter()
                waits = [identity(control.outputs[0]).op for control in outside if control.outputs]
                self.Exit()
            op._add_control_inputs(waits)
        if self._outer_context is not None or op.type not in EXITS:
            op.graph.prevent_fetching(op)
            for t in op.outputs:
                op.graph.prevent_feeding(t)
        if self._outer_context is not None:
            self._outer_context.add_inner_op(op)

    def _pivot_op(self) -> Operation:
        pivot = self.control_pivot()
        assert pivot is not None
        return pivot.op

    def _depends_on_constants_only(self, op: Operation) -> bool:
        """Whether nothing ties `op` to an iteration."""
        if op._control_inputs:
            return False
        if op.type == "SymbolicGradient" or op.graph._is_function(op.type):
            return True
        return all(is_loop_constant(t.op) for t in op.inputs)

    def take_enters(self, enters: list[Tensor]) -> None:
        """Make `enters` ops of this context, with the control inputs that apply outside of it."""
        graph = get_default_graph()
        for t in enters:
            op = t.op
            source = {op.inputs[0].op}
            for dependencies in graph._control_stack:
                if dependencies.seen.isdisjoint(source):
                    for control in dependencies.control_inputs:
                        if control not in source and self._may_wait_outside(control):
                            op._add_control_input(control)
            op._control_flow_context = self
            for dependencies in graph._control_stack:
                dependencies.add_op(op)

    def _may_wait_outside(self, control: Operation) -> bool:
        """Whether an Enter of this loop may wait for `control`: it lies around, but not beyond the next loop."""
        wanted = output_context(control)
        context = self._outer_context
        limit = None if context is None else context.while_context()
        while context is not wanted:
            if context is None or context is limit:
                return False
            context = context.outer_context
        return True


def _saved_by_forward_loop(value: Tensor, loop: Any) -> Tensor | None:
    """In a loop that computes a gradient: `value`, if it is of the forward loop, as the forward loop saved it."""
    if loop is None or not loop.grad_state:
        return None
    forward = while_context_of(value.op)
    if value.op.type in EXITS:
        forward = forward.outer_context
        if forward is not None:
            forward = forward.while_context()
    if forward is not loop.grad_state.forward_context:
        return None
    return loop.grad_state.real_value(value)
