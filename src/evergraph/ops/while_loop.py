"""`tf.while_loop`: a sub-graph that runs again and again.

    loop variable ──► Enter ──► Merge ──► Switch ──► Exit ──► result
                                 ▲  │      ▲   │
                                 │  └► cond┘   └─► Identity ──► body ──► NextIteration ──┐
                                 └──────────────────────────────────────────────────────┘

`cond` and `body` are called once, in a `WhileContext`, which brings what they take from outside into the loop through
an `Enter` that gives the same value in each iteration. The gradient of a loop is another loop, whose context has the
`grad_state` of `autodiff.control_flow`: it takes values of the forward loop from stacks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import shapes
from evergraph.framework.api import public
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.convert import converted
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import (
    assert_same_structure,
    flatten,
    is_nested_or_composite,
    map_structure,
    pack_sequence_as,
)
from evergraph.framework.scopes import GraphKeys, control_dependencies, name_scope
from evergraph.framework.shapes import Shape, TensorShape
from evergraph.framework.sparse import IndexedSlices, SparseTensor, dense_or_slices
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec, TypeSpec, type_spec_from_value
from evergraph.ops.comparisons import logical_and
from evergraph.ops.constant import constant
from evergraph.ops.control_flow import (
    enter,
    exit,
    identity,
    loop_cond,
    merge,
    next_iteration,
    one_as_slices,
    switch_beside,
)
from evergraph.ops.control_flow_choice import control_flow_v2_enabled
from evergraph.ops.control_flow_context import (
    is_loop_constant,
)
from evergraph.ops.identity import identity as identity_of
from evergraph.ops.tensor_array import TensorArray, as_arrays, as_flow
from evergraph.ops.while_context import WhileContext

SUMMARIES = GraphKeys._SUMMARY_COLLECTION


@public("while_loop")
def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Run `body` again and again, as long as `cond` holds.

    Both functions are called once, while the graph is built.

    Args:
        cond: takes the loop variables; gives a scalar bool tensor.
        body: takes the loop variables; gives their next values, in the same form and of the same types.
        loop_vars: the start values: a list, tuple or named tuple of tensors, `TensorArray`s or structures of those.
        shape_invariants: for each loop variable the static shape that it keeps; by default that of its start value.
        parallel_iterations: how many iterations TF may run at once. The result does not depend on it.
        back_prop: whether gradients go through the loop.
        swap_memory: whether TF may keep values for the gradient in host memory.
        name: the name scope of the ops.
        maximum_iterations: the number of iterations after which the loop ends in any case.
        return_same_structure: give a single loop variable as a list of one, not as itself.

    Returns:
        The last values of the loop variables, in the form that `body` gives them.

    Raises:
        TypeError: if `cond` or `body` is not callable.
        ValueError: if there are no loop variables, `body` gives another number of them, or a shape varies.

    >>> i = tf.while_loop(lambda i: i < 10, lambda i: i + 3, [tf.constant(0)])
    >>> sess.run(i)
    12
    """
    if not callable(cond):
        raise TypeError("cond must be callable.")
    if not callable(body):
        raise TypeError("body must be callable.")
    if parallel_iterations < 1:
        raise TypeError("parallel_iterations must be a positive integer.")
    if control_flow_v2_enabled():
        from evergraph.ops.functions import functional_while

        return functional_while.while_loop(
            cond, body, loop_vars, shape_invariants, parallel_iterations, maximum_iterations, name,
            return_same_structure, back_prop,
        )  # fmt: skip
    with name_scope(name, "while", loop_vars):
        if not loop_vars:
            raise ValueError("No loop variables provided")
        if maximum_iterations is not None:
            maximum_iterations = converted(maximum_iterations, name="maximum_iterations")
            if maximum_iterations.shape.ndims != 0:
                raise ValueError(f"maximum_iterations must be a scalar, saw shape: {maximum_iterations.shape}")
            single = len(loop_vars) == 1 and not return_same_structure
            counter = constant(0, maximum_iterations.dtype, name="iteration_counter")
            loop_vars = counter, loop_vars[0] if single else loop_vars
            cond, body = _counting(cond, body, maximum_iterations, single)
        if shape_invariants is not None:
            if maximum_iterations is not None:
                shape_invariants = (TensorShape([]), shape_invariants)
            assert_same_structure(loop_vars, shape_invariants)
            shape_invariants = map_structure(invariant_of, loop_vars, shape_invariants)
        context = WhileContext(maximum_iterations, parallel_iterations, back_prop, swap_memory)
        if context.outer_context is None:
            get_default_graph().add_to_collection(GraphKeys.WHILE_CONTEXT, context)
        result = _build(context, cond, body, loop_vars, shape_invariants, return_same_structure)
        return result if maximum_iterations is None else result[1]


def _counting(cond: Any, body: Any, limit: Tensor, single: bool) -> tuple[Any, Any]:
    """`cond` and `body` with a counter of iterations beside the loop variables, which ends the loop at `limit`."""

    def goes_on(i: Tensor, values: Any) -> Tensor:
        below = i < limit
        return logical_and(below, cond(values) if single else cond(*values))

    def counted(i: Tensor, values: Any) -> Any:
        following = i + 1
        return following, body(values) if single else body(*values)

    return goes_on, counted


# The loop in the graph


def _build(
    context: WhileContext,
    pred: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any,
    return_same_structure: bool,
) -> Any:
    """Add the loop to the graph; gives its results in the form of what `body` gives."""
    values = [loop_value(v) for v in flatten(loop_vars)]
    if shape_invariants is None:
        shape_invariants = [invariant_of(v) for v in values]
    tensors = flatten(values, expand_composites=True)
    context.Enter()
    try:
        result, exits = _connect(context, pred, body, loop_vars, tensors, shape_invariants)
    finally:
        context.Exit()
    exits = as_arrays(flatten(result, expand_composites=True), exits)
    packed = pack_sequence_as(result, exits, expand_composites=True)
    return packed if return_same_structure or len(exits) != 1 else packed[0]


def _connect(
    context: WhileContext, pred: Any, body: Any, originals: Any, tensors: list[Tensor], shape_invariants: Any
) -> Any:
    flat_originals = flatten(originals, expand_composites=True)
    context._values = set(tensors)
    outer = context._outer_context
    outside = tensors if outer is None else [outer.add_value(t) for t in tensors]
    with control_dependencies(None):
        enters = [
            enter(t, context._name, parallel_iterations=context._parallel_iterations, keeps_shape=False)
            for t in outside
        ]
        for t in enters:
            context.graph.prevent_feeding(t)
            if outer is not None:
                outer.add_inner_op(t.op)
    pivot = None
    while outer is not None and pivot is None:
        pivot, outer = outer.control_pivot(), outer.outer_context
    if pivot is not None:
        for t in enters:
            if is_loop_constant(t.op.inputs[0].op):
                t.op._add_control_input(pivot.op)
    _set_invariants(outside, enters, shape_invariants)
    context.take_enters(enters)
    context._values = set(enters)
    context._loop_enters = enters

    merged = [merge([t, t])[0] for t in enters]
    context._pivot_for_pred = merged[0]
    arguments = pack_sequence_as(originals, as_arrays(flat_originals, merged), expand_composites=True)
    condition = converted(pred(*arguments))
    context._pivot = loop_cond(condition, name="LoopCond")
    switched = [switch_beside(t, context._pivot) for t in merged]

    inside = [identity(pair[1]) for pair in switched]
    context._pivot_for_body = inside[0]
    arguments = pack_sequence_as(originals, as_arrays(flat_originals, inside), expand_composites=True)
    result = _body_result(body, arguments)
    # A body gives a tuple where the loop variables are a list: only what is inside must agree in type.
    assert_same_structure(list(arguments), list(result), expand_composites=True)
    flat_result = [converted(as_flow(v)) for v in flatten(result, expand_composites=True)]
    if len(merged) != len(flat_result):
        raise ValueError(
            f"Number of inputs and outputs of body must match loop_vars: {len(merged)}, {len(flat_result)}"
        )
    for before, after in zip(merged, flat_result, strict=True):
        close_loop(before, after)
    context._loop_exits = [exit(pair[0]) for pair in switched]
    context.exit_result(context._loop_exits)
    return result, context._loop_exits


def _body_result(body: Any, arguments: Any) -> Any:
    graph = get_default_graph()
    summaries_before = graph.get_collection(SUMMARIES)
    result = body(*arguments)
    if not is_nested_or_composite(result):
        result = [result]
    summaries = graph.get_collection(SUMMARIES)
    if len(summaries) > len(summaries_before):
        # Summaries of the body run with it: they cannot be merged with those outside.
        graph.get_collection_ref(SUMMARIES)[:] = summaries_before
        with control_dependencies(summaries[len(summaries_before) :]):
            result = map_structure(
                lambda x: x if isinstance(x, TensorArray) else identity_of(x), result, expand_composites=True
            )
    return result


def close_loop(before: Any, after: Any, checks_shape: bool = True) -> Any:
    """Let `after` be what `before`, a loop variable's Merge, gives in the next iteration."""
    if isinstance(before, Tensor):
        following = next_iteration(converted(after))
        if checks_shape:
            check_shape(before.op.inputs[0].op.inputs[0], following, before.static_shape)
        before.op._update_input(1, following)
        return following
    if isinstance(before, IndexedSlices):
        after = one_as_slices(after)
    following = next_iteration(after)
    map_structure(lambda b, f: b.op._update_input(1, f), before, following, expand_composites=True)
    return following


# Loop variables and their shapes


def check_shape(start: Tensor, following: Tensor, invariant: Shape) -> None:
    """Whether what a loop variable is after an iteration has the shape that it keeps; `start` is what it starts as."""
    if not _fits(following.static_shape, invariant):
        raise ValueError(
            f"Input tensor '{start.name}' enters the loop with shape {start.shape}, but has shape "
            f"{following.shape} after one iteration. To allow the shape to vary across iterations, use the "
            "`shape_invariants` argument of tf.while_loop to specify a less-specific shape."
        )


def loop_value(item: Any) -> Any:
    return item if isinstance(item, CompositeTensor) else dense_or_slices(as_flow(item))


def invariant_of(value: Any, shape: Any = None) -> Any:
    """The shape(s) that a loop variable has in every iteration: as the program says, else as it has at the start."""
    if isinstance(shape, TypeSpec):
        if not shape.is_compatible_with(type_spec_from_value(value)):
            raise TypeError(f"The loop variable {value} is not of the kind that its shape invariant says: {shape}")
        return shape.shape if isinstance(shape, TensorSpec) else [spec.shape for spec in shape._flat_tensor_specs]
    if isinstance(value, SparseTensor):
        # Each iteration may have another number of elements.
        rank = value.shape.ndims if shape is None else shapes.as_shape(shape).with_rank(1).as_list()[0]
        return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]
    if isinstance(value, IndexedSlices):
        if shape is None:
            return [part.shape for part in flatten(value, expand_composites=True)]
        shape = shapes.as_shape(shape)
        rows = TensorShape([None]) if shape.ndims is None else shape[:1]
        return [shape, rows] + ([] if value.dense_shape is None else [TensorShape([shape.ndims])])
    if isinstance(value, CompositeTensor):
        return value._invariants(shape)
    return value.shape if shape is None else shape


def _fits(shape: Shape, invariant: Shape) -> bool:
    """Whether `shape` says at least as much as `invariant`, and nothing else."""
    if invariant is None:
        return True
    if shape is None or len(shape) != len(invariant):
        return False
    return all(wanted is None or found == wanted for found, wanted in zip(shape, invariant, strict=True))


def _set_invariants(outside: list[Tensor], enters: list[Tensor], invariants: Any) -> None:
    flat = flatten(invariants)
    if not all(isinstance(s, TensorShape) for s in flat):
        raise ValueError("`shapes` must be a (possibly nested) list of shapes.")
    for before, entered, shape in zip(outside, enters, flat, strict=False):
        if not _fits(before.static_shape, shapes.static_shape(shape)):
            raise ValueError(
                f"The shape invariant specified for {before.name} is not compatible with the initial shape of the loop "
                f"variable. It enters the loop with shape {before.shape}, but the specified shape invariant is {shape}."
            )
        entered.set_shape(shape)
