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

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import converted
from evergraph.framework.graph import get_default_graph
from evergraph.framework.nest import (
    assert_same_structure,
    flatten,
    is_composite,
    is_nested_or_composite,
    map_structure,
    pack_sequence_as,
)
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import GraphKeys, control_dependencies, name_scope
from evergraph.framework.shapes import Shape, TensorShape
from evergraph.framework.sparse import IndexedSlices, SparseTensor, dense_or_slices
from evergraph.framework.tensor import Tensor
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
    switch,
    switch_beside,
)
from evergraph.ops.control_flow_context import (
    EXITS,
    ControlFlowContext,
    is_loop_constant,
    output_context,
    while_context_of,
)
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.identity import identity as identity_of
from evergraph.ops.joining import concat
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape_internal
from evergraph.ops.tensor_array import TensorArray, as_arrays, as_flow

SUMMARIES = GraphKeys._SUMMARY_COLLECTION


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
        self._take_enters([inside])
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
                waits = [identity_of(control.outputs[0]).op for control in outside if control.outputs]
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

    def _take_enters(self, enters: list[Tensor]) -> None:
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

    # The loop itself

    def build(
        self,
        pred: Callable[..., Any],
        body: Callable[..., Any],
        loop_vars: Any,
        shape_invariants: Any,
        return_same_structure: bool,
    ) -> Any:
        """Add the loop to the graph; gives its results in the form of what `body` gives."""
        values = [_loop_value(v) for v in flatten(loop_vars)]
        if shape_invariants is None:
            shape_invariants = [_invariant(v) for v in values]
        tensors = flatten(values, expand_composites=True)
        self.Enter()
        try:
            result, exits = self._build(pred, body, loop_vars, tensors, shape_invariants)
        finally:
            self.Exit()
        exits = as_arrays(flatten(result, expand_composites=True), exits)
        packed = pack_sequence_as(result, exits, expand_composites=True)
        return packed if return_same_structure or len(exits) != 1 else packed[0]

    def _build(self, pred: Any, body: Any, originals: Any, tensors: list[Tensor], shape_invariants: Any) -> Any:
        flat_originals = flatten(originals, expand_composites=True)
        self._values = set(tensors)
        outer = self._outer_context
        outside = tensors if outer is None else [outer.add_value(t) for t in tensors]
        with control_dependencies(None):
            enters = [
                enter(t, self._name, parallel_iterations=self._parallel_iterations, keeps_shape=False) for t in outside
            ]
            for t in enters:
                self.graph.prevent_feeding(t)
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
        self._take_enters(enters)
        self._values = set(enters)
        self._loop_enters = enters

        merged = [merge([t, t])[0] for t in enters]
        self._pivot_for_pred = merged[0]
        arguments = pack_sequence_as(originals, as_arrays(flat_originals, merged), expand_composites=True)
        condition = converted(pred(*arguments))
        self._pivot = loop_cond(condition, name="LoopCond")
        switched = [switch_beside(t, self._pivot) for t in merged]

        inside = [identity(pair[1]) for pair in switched]
        self._pivot_for_body = inside[0]
        arguments = pack_sequence_as(originals, as_arrays(flat_originals, inside), expand_composites=True)
        result = self._body_result(body, arguments)
        # A body gives a tuple where the loop variables are a list: only what is inside must agree in type.
        assert_same_structure(list(arguments), list(result), expand_composites=True)
        flat_result = [converted(as_flow(v)) for v in flatten(result, expand_composites=True)]
        if len(merged) != len(flat_result):
            raise ValueError(
                f"Number of inputs and outputs of body must match loop_vars: {len(merged)}, {len(flat_result)}"
            )
        for before, after in zip(merged, flat_result, strict=True):
            close_loop(before, after)
        self._loop_exits = [exit(pair[0]) for pair in switched]
        self.exit_result(self._loop_exits)
        return result, self._loop_exits

    def _body_result(self, body: Any, arguments: Any) -> Any:
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

    # Loops that gradients add

    def add_forward_counter(self, outer_grad_state: Any) -> tuple[Tensor, Tensor]:
        """Count the iterations of this loop; gives (how many there were, the counter of the next iteration)."""
        start = constant(0, name="f_count")
        if outer_grad_state is not None:
            # The pushes of one run of an inner loop come before those of the next.
            start.op._add_control_input(outer_grad_state.forward_index.op.inputs[0].op)
        self.Enter()
        self._values.add(start)
        entered = enter(start, self._name, parallel_iterations=self._parallel_iterations, name="f_count")
        self._loop_enters.append(entered)
        merged = merge([entered, entered])[0]
        done, going = switch(merged, self._pivot)
        following = next_iteration(raw_op("Add")(going, 1))
        merged.op._update_input(1, following)
        total = exit(done, name="f_count")
        self._loop_exits.append(total)
        self.exit_result([total])
        self.Exit()
        return total, following

    def add_backward_counter(self, count: Tensor, outer_grad_state: Any) -> Tensor:
        """Make this a loop of `count` iterations; gives the counter of the next iteration."""
        one = constant(1, name="b_count")
        self.Enter()
        self._values.add(count)
        entered = enter(count, self._name, parallel_iterations=self._parallel_iterations, name="b_count")
        self._loop_enters.append(entered)
        merged = merge([entered, entered])[0]
        self._pivot_for_pred = merged
        self._pivot = loop_cond(raw_op("GreaterEqual")(merged, one), name="b_count")
        done, going = switch(merged, self._pivot)
        left = raw_op("Sub")(going, one)
        self._pivot_for_body = left
        following = next_iteration(left)
        merged.op._update_input(1, following)
        final_zero = exit(done, name="b_count")
        self._loop_exits.append(final_zero)
        if outer_grad_state is not None:
            # The pops of one run of an inner loop come before those of the next.
            outer_grad_state.grad_sync._add_control_input(final_zero.op)
        self.exit_result([final_zero])
        self.Exit()
        return following

    def add_accumulator(self, op: Operation, grad: Tensor) -> Tensor:
        """Sum `grad` over the iterations, for the value that `op` (an Enter) brings into the forward loop."""
        self.Exit()
        outer = self._outer_context
        if shapes.is_static(grad.static_shape):
            with _Inside(outer):
                start = constant(0, grad.dtype, shape=grad.static_shape, name="b_acc")
        else:
            value = op.inputs[0]
            if isinstance(outer, WhileContext) and outer.grad_state is not None:
                with _Inside(self.grad_state.forward_context.outer_context):
                    sizes = shape_internal(value, optimize=False)
                outer_state = self.grad_state.outer_grad_state
                history = outer_state.add_forward_accumulator(sizes)
                with _Inside(outer):
                    start = zeros(outer_state.add_backward_value(history, sizes), grad.dtype)
            else:
                with _Inside(outer):
                    start = zeros(shape_internal(value, optimize=False), grad.dtype)
        self.Enter()
        self._values.add(start)
        entered = enter(start, self._name, parallel_iterations=self._parallel_iterations, name="b_acc")
        self._loop_enters.append(entered)
        merged = merge([entered, entered], name="b_acc")[0]
        done, going = switch(merged, self._pivot)
        following = next_iteration(raw_op("Add")(going, grad))
        merged.op._update_input(1, following)
        result = exit(done, name="b_acc")
        self._loop_exits.append(result)
        self.exit_result([result])
        return result

    def add_slices_accumulator(self, op: Operation, grad: IndexedSlices) -> IndexedSlices:
        """`add_accumulator` for `IndexedSlices`: the slices of all iterations, one after the other."""
        values, indices, dense_shape = grad.values, grad.indices, grad.dense_shape
        outer = self._outer_context
        self.Exit()
        shape_start = None
        with _Inside(outer):
            if shapes.is_static(values.static_shape):
                with _Inside(outer):
                    values_start = constant(0, values.dtype, shape=[1, *values.static_shape[1:]], name="b_acc")
            else:
                row = _shape_behind(op.inputs[0])[1:]
                values_start = zeros(concat([[1], row], 0), dtype=values.dtype)
            indices_start = constant([0], indices.dtype)
            if dense_shape is not None:
                if shapes.is_static(dense_shape.static_shape):
                    with _Inside(outer):
                        shape_start = constant(0, dense_shape.dtype, shape=dense_shape.static_shape)
                else:
                    shape_start = zeros_like(
                        shape_internal(op.inputs[0], optimize=False, out_type=dense_shape.dtype), optimize=False
                    )
        self.Enter()
        starts = [indices_start, values_start] + ([] if shape_start is None else [shape_start])
        self._values.update(starts)
        entered = [
            enter(t, self._name, parallel_iterations=self._parallel_iterations, keeps_shape=False, name="b_acc")
            for t in starts
        ]
        entered[0].set_shape([None])
        if values_start.static_shape is not None:
            entered[1].set_shape([None, *values_start.static_shape[1:]])
        self._loop_enters.extend(entered)
        merged = [merge([t, t], name="b_acc")[0] for t in entered]
        switched = [switch(t, self._pivot) for t in merged]
        following = [concat([pair[1], new], 0) for pair, new in zip(switched, [indices, values])]
        if shape_start is not None:
            following.append(raw_op("Maximum")(dense_shape, switched[2][1]))
        for before, after in zip(merged, [next_iteration(t) for t in following], strict=True):
            before.op._update_input(1, after)
        exits = [exit(pair[0], name="b_acc") for pair in switched]
        self._loop_exits.extend(exits)
        self.exit_result(exits)
        return IndexedSlices(exits[1], exits[0], exits[2] if shape_start is not None else None)


class _Inside:
    """`with _Inside(context)`: ops made here are made in `context`; with None, where they would be anyway."""

    __slots__ = ("context",)

    def __init__(self, context: ControlFlowContext | None) -> None:
        self.context = context

    def __enter__(self) -> None:
        if self.context is not None:
            self.context.Enter()

    def __exit__(self, *exc: object) -> None:
        if self.context is not None:
            self.context.Exit()


inside = _Inside


def _shape_behind(t: Tensor) -> Any:
    """The shape of `t`, or of the variable that it refers to."""
    if t.dtype is not dtypes.resource:
        return shape_internal(t, optimize=False)
    while t.op.inputs:
        t = t.op.inputs[0]
    return TensorShape(t.op.attrs["shape"])


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


# Loop variables and their shapes


def _loop_value(item: Any) -> Any:
    return dense_or_slices(as_flow(item))


def _invariant(value: Any, shape: Any = None) -> Any:
    """The shape(s) that a loop variable has in every iteration: as the program says, else as it has at the start."""
    if is_composite(value):
        parts = flatten(value, expand_composites=True)
        if shape is None:
            return [part.shape for part in parts]
        shape = shapes.as_shape(shape)
        if isinstance(value, SparseTensor):
            rank = shape.with_rank(1).as_list()[0]
            return [TensorShape([None, rank]), TensorShape([None]), TensorShape([rank])]
        rows = TensorShape([None]) if shape.ndims is None else shape[:1]
        found = [shape, rows]
        return found if value.dense_shape is None else [*found, TensorShape([shape.ndims])]
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


def close_loop(before: Any, after: Any, checks_shape: bool = True) -> Any:
    """Let `after` be what `before`, a loop variable's Merge, gives in the next iteration."""
    if isinstance(before, Tensor):
        following = next_iteration(converted(after))
        if checks_shape and not _fits(following.static_shape, before.static_shape):
            start = before.op.inputs[0].op.inputs[0]
            raise ValueError(
                f"Input tensor '{start.name}' enters the loop with shape {start.shape}, but has shape "
                f"{following.shape} after one iteration. To allow the shape to vary across iterations, use the "
                "`shape_invariants` argument of tf.while_loop to specify a less-specific shape."
            )
        before.op._update_input(1, following)
        return following
    if isinstance(before, IndexedSlices):
        after = one_as_slices(after)
    following = next_iteration(after)
    map_structure(lambda b, f: b.op._update_input(1, f), before, following, expand_composites=True)
    return following


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
            shape_invariants = map_structure(_invariant, loop_vars, shape_invariants)
        context = WhileContext(maximum_iterations, parallel_iterations, back_prop, swap_memory)
        if context.outer_context is None:
            get_default_graph().add_to_collection(GraphKeys.WHILE_CONTEXT, context)
        result = context.build(cond, body, loop_vars, shape_invariants, return_same_structure)
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
