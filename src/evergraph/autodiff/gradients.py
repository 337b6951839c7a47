"""`tf.gradients`: walk a graph from the results back to the sources and add the ops of the derivative.

    y = f(x):   x ──► A ──► B ──► y          gradients(y, x) adds   dx ◄── A_grad ◄── B_grad ◄── ones

1. Find the ops between: reached from the sources through floating tensors, and leading to the results.
2. Count for each how many of its outputs' uses are in between. An op is ready when that many gradients have come in.
3. Take ready ops first come, first served: sum what came in for each output, fill in zeros for outputs without a
   gradient, let the op's rule build the gradients of its inputs, and pass them on.

Ops, their names and their order are TF 1.15's, so the op numbers (random seeds depend on them), the names in
checkpoints of optimizers and the text of a graph agree. All walks are loops: a chain of 20,000 ops is ordinary.
"""

from __future__ import annotations

import enum
import gc
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from evergraph.autodiff.aggregate import aggregated, checked_method
from evergraph.autodiff.gate import gated
from evergraph.autodiff.registry import gradient_function
from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.frames import user_frames
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import IndexedSlices, each_dense_or_slices
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.filling import fill, zeros, zeros_like
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape

_zeros_like = raw_op("ZerosLike")
_identity = raw_op("Identity")

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


@public("gradients")
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str | None = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Any]:
    """Add the derivatives of the sum of `ys` with respect to each of `xs` to the graph.

    Args:
        ys: a tensor, or a list of them: the results.
        xs: a tensor or variable, or a list of them: the sources.
        grad_ys: one gradient for each of `ys` to start from, None for ones; by default ones for all.
        name: the name scope of the ops added.
        colocate_gradients_with_ops: put each gradient op on the device of the op that it differentiates.
        gate_gradients: let no gradient of an op be used before all of that op's are there.
        aggregation_method: how gradients that meet are summed: an `AggregationMethod`.
        stop_gradients: tensors to be taken as constants.
        unconnected_gradients: what to give for a source that no result depends on: an `UnconnectedGradients`.

    Returns:
        One for each of `xs`: a tensor of its dtype and shape, `IndexedSlices` when only some rows of it were read, or
        None when no result depends on it.

    Raises:
        LookupError: if an op in between has no gradient.
        ValueError: if the arguments do not fit together, or a rule gives a wrong number of gradients or a wrong shape.
        TypeError: for a gradient of the wrong type.

    >>> x = tf.constant([1.0, 2.0])
    >>> sess.run(tf.gradients(x * x, x))
    [array([2., 4.], dtype=float32)]
    """
    try:
        unconnected = UnconnectedGradients(unconnected_gradients)
    except ValueError:
        raise ValueError(f"Unknown value for unconnected_gradients: {unconnected_gradients!r}") from None
    ys, xs = _as_list(ys), _as_list(xs)
    stops = [] if stop_gradients is None else _as_list(stop_gradients)
    grad_ys = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    with name_scope(name, "gradients", [*ys, *xs, *stops, *grad_ys]):
        graph = get_default_graph()
        graph.unique_name("uid")  # TF takes a name for its own use here, so that "uid" is gone afterwards
        ys = each_dense_or_slices(ys, name="y")
        xs = each_dense_or_slices([_handle_of(x) for x in xs], name="x", as_ref=True)
        if None in ys or None in xs:
            raise TypeError(f"gradients takes tensors; {'ys' if None in ys else 'xs'} holds None")
        starts = _starting_gradients(grad_ys, ys, graph, colocate_gradients_with_ops)
        walk = _Walk(graph, ys, xs, [t.op for t in stops])
        walk.colocate = colocate_gradients_with_ops
        walk.gate = gate_gradients
        walk.method = checked_method(aggregation_method)
        with _no_garbage_collection(), graph.built_by(user_frames()):
            walk.run(ys, starts)
    return [walk.result(x, unconnected) for x in xs]


def _as_list(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]


def _handle_of(x: Any) -> Any:
    """A resource variable is differentiated by its handle."""
    handle = getattr(x, "handle", None)
    if isinstance(handle, Tensor) and handle.dtype is dtypes.resource and hasattr(x, "read_value"):
        return handle
    return x


def _colocation(graph: Graph, op: Operation, colocate: bool) -> AbstractContextManager[None]:
    return graph.colocate_with(op) if colocate else nullcontext()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Leave Python's cyclic garbage alone for a while.

    A graph is one big cycle that only grows, and the collector looks through all of it again and again: that was half
    of the 150 us that a gated MatMul took in a chain of 20,000 (CPython 3.11, 2 cores of a Xeon server).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


# Where gradients start


def _starting_gradients(grad_ys: list[Any], ys: list[Any], graph: Graph, colocate: bool) -> list[Any]:
    if len(grad_ys) != len(ys):
        raise ValueError(f"Passed {len(grad_ys)} grad_ys for {len(ys)} ys")
    starts = []
    for i, (y, given) in enumerate(zip(ys, each_dense_or_slices(grad_ys, name="grad_y"), strict=True)):
        with _colocation(graph, y.op, colocate):
            if given is None:
                if y.dtype.is_complex:
                    raise TypeError(f"Gradients of complex tensors must set grad_ys (y.dtype = {y.dtype!r})")
                starts.append(fill(shape(y), constant(1, y.dtype, name=f"grad_ys_{i}")))
            else:
                _check_type(given, y)
                starts.append(_renamed(given, f"grad_ys_{i}"))
    return starts


def _check_type(grad: Any, y: Any) -> None:
    """Refuse a gradient whose type cannot be that of `y`'s gradient."""
    found, wanted = grad.dtype, y.dtype
    if wanted.is_floating or wanted.is_integer:
        if not (found.is_floating or found.is_integer):
            raise TypeError(
                f"Gradient type {found.name} generated for real or integer-valued tensor {y} with type {wanted.name} "
                "must be real or integer"
            )
    elif wanted.is_complex:
        if not found.is_complex:
            raise TypeError(
                f"Gradient type {found.name} generated for complex-valued tensor {y} with type {wanted.name} must be "
                "complex"
            )
    elif wanted is dtypes.variant:
        if found is not dtypes.variant:
            raise TypeError(
                f"Gradient type {found.name} generated for variant tensor {y} with type {wanted.name} must be variant"
            )
    elif wanted is dtypes.resource:
        if found is dtypes.resource:
            raise TypeError(f"Input gradient {grad} for resource tensor {y} should not be a resource")
    else:
        raise TypeError(f"Tensor {y} with type {wanted.name} must be numeric to obtain a default gradient")


def _renamed(grad: Any, name: str) -> Any:
    if not isinstance(grad, IndexedSlices):
        return _identity(grad, name=name)
    indices, values, shape = (
        _identity(part, name=f"{name}_{kind}") if isinstance(part, Tensor) else part
        for kind, part in (("indices", grad.indices), ("values", grad.values), ("shape", grad.dense_shape))
    )
    return IndexedSlices(values, indices, shape)


# The walk


class _Walk:
    """One call of `gradients`: the ops in between, and the gradients received so far."""

    def __init__(self, graph: Graph, ys: list[Any], xs: list[Any], stops: list[Operation]) -> None:
        self.graph = graph
        self.colocate = False
        self.gate = False
        self.method = 0
        # For each op that received something: for each of its outputs the gradients, and later their sum (or None).
        self.received: dict[Operation, list[Any]] = {}
        sources, results = [x.op for x in xs], [y.op for y in ys]
        reached = _reached(sources)
        self.ready = deque(dict.fromkeys(op for op in results if op in reached))
        self.pending = pending = _uses_in_between(results, reached)
        self.ready = deque(op for op in self.ready if not pending[op])
        # The rules are not asked at the sources, except where one source comes before another.
        self.stops = {op for op in sources if not any(pending.get(t.op) for t in op.inputs)}
        self.stops.update(stops)

    def run(self, ys: list[Any], starts: list[Any]) -> None:
        for y, start in zip(ys, starts, strict=True):
            self._receive(y, start)
        graph, ready, pending = self.graph, self.ready, self.pending
        stack, original = graph._name_stack, graph._default_original_op
        while ready:
            op = ready.popleft()
            if self.colocate:
                with graph.colocate_with(op):
                    grads = self._input_gradients(op, stack, original)
            else:
                grads = self._input_gradients(op, stack, original)
            if grads is not None:
                self._pass_on(op, grads)
            for t in op.inputs:
                producer = t.op
                uses = pending.get(producer)
                if uses:
                    pending[producer] = uses - 1
                    if uses == 1:
                        ready.append(producer)

    def result(self, x: Any, unconnected: UnconnectedGradients) -> Any:
        received = self.received.get(x.op)
        grad = received[x.value_index] if received is not None else None
        if grad is not None or unconnected is UnconnectedGradients.NONE:
            return grad
        return _zeros_of_source(x)

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
                grads[i] = _zeros_of_output(op.outputs[i])
        graph = self.graph
        # The scopes of a rule, entered by hand: this is done once for each op of a program.
        graph._name_stack = graph.unique_name(op.name + "_grad")
        graph._default_original_op = op
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
            graph._default_original_op = original

    def _pass_on(self, op: Operation, grads: Iterable[Any]) -> None:
        for i, (t, grad) in enumerate(zip(op.inputs, grads)):
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


def _reached(sources: list[Operation]) -> set[Operation]:
    """The ops that depend on `sources` through tensors that can carry a gradient."""
    reached: set[Operation] = set()
    todo = list(sources)
    carries = CARRIES_GRADIENTS
    while todo:
        op = todo.pop()
        if op not in reached:
            reached.add(op)
            for t in op.outputs:
                if t._readers and t.dtype._base in carries:
                    todo.extend(t._readers)
    return reached


def _uses_in_between(results: list[Operation], reached: set[Operation]) -> dict[Operation, int]:
    """For each op in between, how many inputs of ops in between it feeds."""
    uses: dict[Operation, int] = {}
    todo = list(results)
    while todo:
        op = todo.pop()
        if op in reached and op not in uses:
            uses[op] = 0
            todo.extend([t.op for t in op.inputs])
    for op in uses:
        for t in op.inputs:
            if t.op in uses:
                uses[t.op] += 1
    return uses


def _refine_shape(op: Operation, index: int, t: Tensor, grad: Tensor) -> None:
    try:
        grad.static_shape = shapes.merge(grad.static_shape, t.static_shape)
    except shapes.ShapeError:
        raise ValueError(
            "Incompatible shapes between op input and calculated input gradient. "
            f"Forward operation: {op.name}. Input index: {index}. Original input shape: {t.shape}. "
            f"Calculated input gradient shape: {grad.shape}"
        ) from None


# Zeros


def _zeros_of_source(x: Any) -> Tensor:
    """What an unconnected source gets: a constant where its shape is known."""
    if x.dtype is not dtypes.resource:
        return zeros_like(x, dtype=x.dtype.base_dtype)
    sizes, dtype = _referred(x)
    if shapes.is_static(sizes):
        return zeros(constant(sizes, dtypes.int32), dtype)
    return zeros(raw_op("VariableShape")(x), dtype)


def _zeros_of_output(t: Tensor) -> Tensor:
    """What an output that received nothing gets, for the rule of its op."""
    if t.dtype is not dtypes.resource:
        return _zeros_like(t, name="zeros_like")
    return zeros(raw_op("VariableShape")(t), _referred(t)[1])


def _referred(handle: Tensor) -> tuple[shapes.Shape, DType]:
    """Shape and type of the variable behind a handle."""
    return handle._handle_data or (None, dtypes.float32)
