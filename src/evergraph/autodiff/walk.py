"""The walk of `tf.gradients` from the results back to the sources; `gradients.py` has its picture.

All walks are loops over queues: a chain of 20,000 ops is ordinary.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from evergraph.autodiff.aggregate import aggregated
from evergraph.autodiff.gate import gated
from evergraph.autodiff.registry import gradient_function
from evergraph.autodiff.zeros import zeros_of_output, zeros_of_source
from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor

TRAINABLE = frozenset(
    (
        dtypes.float16,
        dtypes.float32,
        dtypes.float64,
        dtypes.complex64,
        dtypes.complex128,
        dtypes.resource,
        dtypes.variant,
    )
)
CARRIES_GRADIENTS = TRAINABLE | {dtypes.bfloat16}


@public("UnconnectedGradients")
class UnconnectedGradients(enum.Enum):
    """What `gradients` gives for a source that no result depends on: None (`NONE`) or zeros (`ZERO`)."""

    NONE = "none"
    ZERO = "zero"


class Walk:
    """One call of `gradients`: the ops in between, and the gradients received so far."""

    def __init__(
        self,
        graph: Graph,
        ys: list[Any],
        xs: list[Any],
        stops: list[Operation],
        colocate: bool = False,
        gate: bool = False,
        method: int = 0,
    ) -> None:
        self.graph = graph
        self.colocate = colocate
        self.gate = gate
        self.method = method
        # For each op that received something: for each of its outputs the gradients, and later their sum (or None).
        self.received: dict[Operation, list[Any]] = {}
        sources, results = [x.op for x in xs], [y.op for y in ys]
        reached = self._reached(sources)
        ready = dict.fromkeys(op for op in results if op in reached)
        self.pending = pending = self._uses_in_between(results, reached)
        self.ready = deque(op for op in ready if not pending[op])
        # The rules are not asked at the sources, except where one source comes before another.
        self.stops = {op for op in sources if not any(pending.get(t.op) for t in self.inputs(op))}
        self.stops.update(stops)

    def run(self, ys: list[Any], starts: list[Any]) -> None:
        for y, start in zip(ys, starts, strict=True):
            self._receive(y, start)
        graph, ready, pending = self.graph, self.ready, self.pending
        stack, original = graph._name_stack, graph._of_thread.original_op
        while ready:
            op = ready.popleft()
            self._visit(op, stack, original)
            for t in self.inputs(op):
                producer = t.op
                uses = pending.get(producer)
                if uses:
                    pending[producer] = uses - 1
                    if uses == 1:
                        ready.append(producer)

    def _visit(self, op: Operation, stack: str, original: Operation | None) -> None:
        """Differentiate `op`; no other thread adds ops meanwhile, so that none gets the scopes that a rule opens."""
        with self.graph._lock:
            if self.colocate:
                with self.graph.colocate_with(op):
                    self._differentiate(op, stack, original)
            else:
                self._differentiate(op, stack, original)

    def _differentiate(self, op: Operation, stack: str, original: Operation | None) -> None:
        grads = self._input_gradients(op, stack, original)
        if grads is not None:
            self._pass_on(op, grads)

    def inputs(self, op: Operation) -> Sequence[Tensor]:
        """Where the gradients of the inputs of `op` go."""
        return op.inputs

    def readers(self, t: Tensor) -> Iterable[Operation]:
        """The ops that have `t` among their `inputs`."""
        return t._readers or ()

    def _reached(self, sources: list[Operation]) -> set[Operation]:
        """The ops that depend on `sources` through tensors that can carry a gradient."""
        reached: set[Operation] = set()
        todo = list(sources)
        carries, readers = CARRIES_GRADIENTS, self.readers
        while todo:
            op = todo.pop()
            if op not in reached:
                reached.add(op)
                for t in op.outputs:
                    if t.dtype._base in carries:
                        todo.extend(readers(t))
        return reached

    def finish(self) -> None:
        """What is left to do outside of the name scope of the walk."""

    def result(self, x: Any, unconnected: UnconnectedGradients) -> Any:
        received = self.received.get(x.op)
        grad = received[x.value_index] if received is not None else None
        if grad is not None or unconnected is UnconnectedGradients.NONE:
            return grad
        return zeros_of_source(x)

    def _receive(self, t: Any, grad: Any) -> None:
        op = t.op
        received = self.received.get(op)
        if received is None:
            self.received[op] = received = [None] * len(op.outputs)
        so_far = received[t.value_index]
        if so_far is None:
            received[t.value_index] = [grad]
        else:
            so_far.append(grad)

    def _output_gradients(self, op: Operation) -> list[Any] | None:
        """The sum of what each output of `op` received; None when no output received any."""
        received = self.received.get(op)
        if received is None:
            return None
        for i, grads in enumerate(received):
            if grads is not None:
                received[i] = grads[0] if len(grads) == 1 else aggregated(grads, op, self.graph, self.method)
        return received

    def _input_gradients(self, op: Operation, stack: str, original: Operation | None) -> Any:
        grads = self._output_gradients(op)
        if grads is None or op in self.stops:
            return None
        try:
            rule = gradient_function(op)
        except LookupError:
            raise LookupError(f"No gradient defined for operation '{op.name}' (op type: {op.type})") from None
        if rule is None:
            return None
        grads = grads.copy()
        for i, grad in enumerate(grads):
            if grad is None and op.outputs[i].dtype._base in TRAINABLE:
                grads[i] = self._zeros(op, i)
        graph = self.graph
        # The scopes of a rule, entered by hand: this is done once for each op of a program.
        graph._name_stack = graph.unique_name(op.name + "_grad")
        graph._of_thread.original_op = op
        try:
            if op.attrs.get("_XlaCompile"):
                with graph._attr_scope(_compiled_together(op, stack)):
                    given = rule(op, *grads)
            else:
                given = rule(op, *grads)
            if not isinstance(given, list | tuple):
                given = (given,)
            if len(given) != len(op.inputs) and op.type not in ("While", "StatelessWhile"):
                raise ValueError(
                    f"Num gradients {len(given)} generated for op {op!r} do not match num inputs {len(op.inputs)}"
                )
            if self.gate:
                given = gated(given, graph)
            return given
        finally:
            graph._name_stack = stack
            graph._of_thread.original_op = original

    def _zeros(self, op: Operation, index: int) -> Any:
        """The gradient of an output that received nothing, for the rule of its op."""
        return zeros_of_output(op, index)

    def _uses_in_between(self, results: list[Operation], reached: set[Operation]) -> dict[Operation, int]:
        """For each op in between, how many inputs of ops in between it feeds."""
        return self._count_uses(self._in_between(results, reached))

    def _in_between(self, results: list[Operation], reached: set[Operation]) -> dict[Operation, int]:
        """The ops of `reached` that lead to `results`, each with 0; nearer ones come earlier."""
        between: dict[Operation, int] = {}
        todo = deque(results)
        while todo:
            op = todo.popleft()
            if op in reached and op not in between:
                between[op] = 0
                todo.extend([t.op for t in self.inputs(op)])
        return between

    def _count_uses(self, uses: dict[Operation, int]) -> dict[Operation, int]:
        for op in uses:
            for t in self.inputs(op):
                if t.op in uses:
                    uses[t.op] += 1
        return uses

    def _pass_on(self, op: Operation, grads: Iterable[Any]) -> None:
        for i, (t, grad) in enumerate(zip(self.inputs(op), grads)):
            if grad is None:
                continue
            if type(grad) is Tensor:
                if grad.static_shape != t.static_shape and t.dtype is not dtypes.resource:
                    _refine_shape(op, i, t, grad)
            elif not isinstance(grad, IndexedSlices):
                raise TypeError(
                    f"the gradient of {op.type} for '{op.name}' gave {grad!r} for input {i}: gradients are tensors or "
                    "IndexedSlices"
                )
            self._receive(t, grad)


def _compiled_together(op: Operation, scope: str) -> dict[str, Any]:
    """The marks that `experimental_jit_scope` left on `op`, for its gradient's ops."""
    cluster = op.attrs.get("_XlaScope", b"")
    if op.attrs.get("_XlaSeparateCompiledGradients"):
        cluster += f"_grad_{scope.replace('/', '_')}".encode()
    return {"_XlaCompile": True, "_XlaScope": cluster}


def _refine_shape(op: Operation, index: int, t: Tensor, grad: Tensor) -> None:
    try:
        grad.static_shape = shapes.merge(grad.static_shape, t.static_shape)
    except shapes.ShapeError:
        raise ValueError(
            "Incompatible shapes between op input and calculated input gradient. "
            f"Forward operation: {op.name}. Input index: {index}. Original input shape: {t.shape}. "
            f"Calculated input gradient shape: {grad.shape}"
        ) from None
