"""The walk of `tf.gradients` through loops.

A loop is walked as a whole: all its exits are ready together, those that received nothing getting zeros. Its ops are
differentiated in the context of the gradient's loop. The Switch of a loop variable is met twice: coming from the Exit,
where the Merge of the gradient's loop is made, and coming from the body, where the loop is closed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from evergraph.autodiff.aggregate import aggregated
from evergraph.autodiff.loop_state import LoopStates
from evergraph.autodiff.walk import TRAINABLE, Walk
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.ops.control_flow_context import EXITS, SWITCHES, is_loop_switch


class LoopWalk(Walk):
    """One call of `gradients` in a graph that has branches or loops."""

    def __init__(self, graph: Graph, ys: list[Any], xs: list[Any], *rest: Any) -> None:
        self.loops: LoopStates | None = None
        self.sources = {x.op for x in xs}
        super().__init__(graph, ys, xs, *rest)

    def _uses_in_between(self, results: list[Operation], reached: set[Operation]) -> dict[Operation, int]:
        between = self._in_between(results, reached)
        order = list(between)
        for op in order:  # grows: a loop adds all its exits
            if op.type in EXITS:
                if self.loops is None:
                    self.loops = LoopStates()
                if self.colocate:
                    with self.graph.colocate_with(op):
                        self.loops.add_loop_of(op, order, between)
                else:
                    self.loops.add_loop_of(op, order, between)
        uses = self._count_uses(between)
        return uses if self.loops is None else defaultdict(int, uses)

    def run(self, ys: list[Any], starts: list[Any]) -> None:
        loops = self.loops
        if loops is None:
            super().run(ys, starts)
            return
        for y, start in zip(ys, starts, strict=True):
            self._receive(y, start)
        graph, ready, pending = self.graph, self.ready, self.pending
        for t in loops.unused_exits(pending, set(ready)):
            if t.dtype._base in TRAINABLE:
                self._receive(t, loops.zeros_like_exit(t))
                ready.append(t.op)
        stack, original = graph._name_stack, graph._of_thread.original_op
        while ready:
            op = ready.popleft()
            self._visit(op, stack, original)
            self._make_ready(op, ready)

    def finish(self) -> None:
        if self.loops is not None:
            self.loops.finish()

    def _differentiate(self, op: Operation, stack: str, original: Operation | None) -> None:
        if self.loops is None:
            super()._differentiate(op, stack, original)
            return
        context = self.loops.gradient_context(op)
        if context is not None:
            context.Enter()
        try:
            loop = op._control_flow_context
            if op.type in SWITCHES and loop is not None and loop.is_while and loop is self.graph._control_flow_context:
                self._refuse_start_value(op)
            super()._differentiate(op, stack, original)
        finally:
            if context is not None:
                # Whatever a rule entered and left, this is the context that was current before.
                context.Exit()

    def _output_gradients(self, op: Operation) -> list[Any] | None:
        received = self.received.get(op)
        if received is None or self.loops is None:
            return super()._output_gradients(op)
        # What comes out of a loop is summed outside of it, and in the loop what is inside.
        here = self.loops.gradient_context(op)
        context = self.loops.gradient_context(op, of_output=True)
        if here is not None:
            here.Exit()
        if context is not None:
            context.Enter()
        for i, grads in enumerate(received):
            if type(grads) is list:  # else it was summed when a Switch was met for the first time
                received[i] = grads[0] if len(grads) == 1 else aggregated(grads, op, self.graph, self.method)
        if context is not None:
            context.Exit()
        if here is not None:
            here.Enter()
        return None if all(grad is None for grad in received) else received

    def _receive(self, t: Any, grad: Any) -> None:
        received = self.received.get(t.op)
        if received is not None and received[t.value_index] is not None and type(received[t.value_index]) is not list:
            received[t.value_index] = grad
        else:
            super()._receive(t, grad)

    def _zeros(self, op: Operation, index: int) -> Any:
        if self.loops is not None:
            return self.loops.zeros_like(op, index)
        context = op._control_flow_context
        if op.type in SWITCHES and context is not None and context.is_while:
            self._refuse_start_value(op)
        return super()._zeros(op, index)

    def _make_ready(self, op: Operation, ready: deque[Operation]) -> None:
        assert self.loops is not None
        pending = self.pending
        for t in op.inputs:
            producer = t.op
            pending[producer] -= 1
            left = pending[producer]
            if left and not (left > 0 and is_loop_switch(producer)):
                continue
            if producer.type not in EXITS:
                ready.append(producer)
                continue
            state = self.loops.state_of(producer)
            state.deferred_exits.append(t)
            state.pending_exits -= 1
            if state.pending_exits == 0:
                self._exits_ready(state, ready)

    def _exits_ready(self, state: Any, ready: deque[Operation]) -> None:
        """All exits of a loop are known now: walk through them together."""
        assert self.loops is not None
        some = False
        for t in state.deferred_exits:
            received = self.received.get(t.op)
            if received is not None and any(grads is not None for grads in received):
                some = True
                ready.append(t.op)
            else:
                state.unused_exits.append(t)
        for t in state.unused_exits:
            if some and t.dtype._base in TRAINABLE:
                self._receive(t, self.loops.zeros_like_exit(t))
            ready.append(t.op)

    def _refuse_start_value(self, op: Operation) -> None:
        todo, seen = deque([op]), set()
        target = op
        while todo:
            current = todo.popleft()
            if current in seen:
                continue
            seen.add(current)
            if current in self.sources:
                target = current
                break
            todo.extend(t.op for t in current.inputs)
        raise ValueError(
            f"Cannot compute gradient inside while loop with respect to op '{target.name}'. We do not support taking "
            "the gradient wrt or through the initial value of a loop variable. Gradients can be computed through loop "
            "invariants or wrt the input parameters to the loop body."
        )
