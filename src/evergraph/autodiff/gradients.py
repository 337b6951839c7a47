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

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from evergraph.autodiff.aggregate import checked_method
from evergraph.autodiff.loop_walk import LoopWalk
from evergraph.autodiff.part_walk import PartWalk
from evergraph.autodiff.walk import UnconnectedGradients, Walk
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.frames import user_frames
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import IndexedSlices, each_dense_or_slices
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.filling import fill
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape

_identity = raw_op("Identity")


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
        kind: type[Walk] = Walk if graph._op_added is None else LoopWalk
        if graph._builds_by_functions:
            kind = PartWalk
        method = checked_method(aggregation_method)
        with _no_garbage_collection(), graph.built_by(user_frames()):
            with graph._lock:  # colocations and the loop that is being built are the graph's, for all threads
                starts = _starting_gradients(grad_ys, ys, graph, colocate_gradients_with_ops)
                walk = kind(graph, ys, xs, [t.op for t in stops], colocate_gradients_with_ops, gate_gradients, method)
            walk.run(ys, starts)
    with graph._lock:
        walk.finish()
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
