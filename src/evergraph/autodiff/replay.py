"""The body of a function once more, to be differentiated there.

The gradient of a branch or a loop whose parts are functions is such a function itself. It starts from the arguments of
the forward one, computes what that computes, and then its gradient:

    arguments, gradients of the results ──► the ops of the body ──► tf.gradients ──► gradients of the arguments

What a body draws at random, takes from a queue, and so on, cannot be computed once more: such ops are left out, and
their results are arguments too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evergraph.autodiff.gradients import gradients
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes, errors
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import add
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.opdef import raw_op

_FUNCTIONS_IN = ("f", "cond", "body", "then_branch", "else_branch")
CALLS = frozenset(
    (
        "If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase", "For", "PartitionedCall",
        "StatefulPartitionedCall", "SymbolicGradient",
    )
)  # fmt: skip
_READS = frozenset(("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp"))
_SAME_AFTER_A_CHANGE = frozenset(("VariableShape", "VarIsInitializedOp"))
_HARMLESS = _READS | {"Placeholder", "VarHandleOp", "TensorListResize", "FakeParam", "Assert", "Print", "PrintV2"}


def is_trainable(t: Tensor) -> bool:
    """Whether gradients go through `t`, a value."""
    kind = t.dtype.base_dtype
    if kind is dtypes.variant and t._handle_data is not None:
        kind = t._handle_data[1]  # of the elements of a list
    return kind.is_floating or kind.is_complex or kind is dtypes.variant


def has_effects(op: Operation) -> bool:
    """Whether `op` must not run a second time: it does something, or gives something else then."""
    if op.type in CALLS or op.type in op.graph._functions:
        names = [op.attrs[key] for key in _FUNCTIONS_IN if key in op.attrs and op.type in CALLS]
        names += op.attrs.get("branches", ()) if op.type in CALLS else [op.type]
        return any(has_effects(inner) for name in names for inner in body_of(op.graph, name)._ops)
    return op.opdef.is_stateful and op.type not in _HARMLESS


def library_name(graph: Graph, name: str) -> str:
    """`name`, or that with a number, as no function of the library has it."""
    found, i = name, 0
    while found in graph._functions:
        i += 1
        found = f"{name}_{i}"
    return found


def copied(
    body: FunctionGraph,
    into: FunctionGraph,
    arguments: Sequence[Tensor],
    leaves_out: Iterable[Operation] = (),
    given: Mapping[Tensor, Tensor] | None = None,
    rebuilt: Mapping[Operation, Any] | None = None,
) -> dict[Tensor, Tensor]:
    """Copy the ops of `body` into another one, on other arguments; gives the copies of all tensors.

    In the place of the results of the ops that are left out there are those that are `given`, or placeholders, which
    are not arguments yet. `rebuilt` has the calls that are to be computed from what they kept (nested_calls.py).
    """
    out = frozenset(leaves_out)
    rebuilt = rebuilt or {}

    def given_for(t: Tensor) -> Tensor:
        if given is not None and t in given:
            return given[t]
        return into.placeholder_like(t)

    copies = dict(zip(body.arguments, arguments, strict=True))
    of = {theirs.op: ours.op for theirs, ours in copies.items()}
    back_edges: list[tuple[Operation, int, Tensor]] = []
    for op in body._ops:
        if op in of:
            continue
        if op in out:
            for t in op.outputs:
                copies[t] = given_for(t)
            continue
        if op in rebuilt:
            kept, again = rebuilt[op]
            copies.update((t, given_for(t)) for t in kept)
            values = again(into, [copies[t] for t in op.inputs], [copies[t] for t in kept])
            for t, ours in zip(op.outputs, values, strict=False):
                copies.setdefault(t, ours)  # a gradient inside of the body may have had it kept already
                ours.static_shape, ours._handle_data = t.static_shape, t._handle_data
                of[op] = ours.op
            continue
        if op.type in ("Print", "PrintV2", "Assert"):
            continue
        for i, t in enumerate(op.inputs):
            if t not in copies:
                back_edges.append((op, i, t))
        inputs = tuple(copies[t if t in copies else op.inputs[0]] for t in op.inputs)
        with into.control_dependencies([of[c] for c in op._control_inputs if c in of]):
            made = into.add_op(op.opdef, inputs, dict(op.attrs), op.name)
        made._gradient_function = op._gradient_function
        made._device = op._device
        of[op] = made
        for t, ours in zip(op.outputs, made.outputs, strict=True):
            copies[t] = ours
            ours.static_shape = t.static_shape
            if t._handle_data is not None:
                ours._handle_data = t._handle_data
    for op, i, t in back_edges:
        of[op]._update_input(i, copies[t])
    return copies


class Replay:
    """A body that computes the gradient of another; `finish` makes a function of it.

    Args:
        graph: where the function is to be.
        forward: the body to differentiate.
        outside: what the arguments of `forward` are at its call.
        name: the name of the new function.
        has_gradient: which results of `forward` have gradients coming in.
    """

    def __init__(
        self, graph: Graph, forward: FunctionGraph, outside: Sequence[Tensor], name: str, has_gradient: Sequence[bool]
    ) -> None:
        self.body = body = FunctionGraph(library_name(graph, name), graph, copies_constants=False)
        with body.as_default():
            self.arguments = [body.placeholder_like(t) for t in forward.arguments]
            for ours, theirs in zip(self.arguments, outside, strict=True):
                if ours._handle_data is None:
                    ours._handle_data = theirs._handle_data
            self.incoming = [
                body.placeholder_like(t) if given else None
                for t, given in zip(forward.results, has_gradient, strict=True)
            ]
            effects = [op for op in forward._ops if has_effects(op)]
            looks = looks_at_changed(effects, forward)
            calls = self._exposed = _exposed_calls(effects)
            left_out = [op for op in effects if op not in calls] + looks
            copies = copied(forward, body, self.arguments, left_out, None, calls)
            self.left_out = {t: copies[t] for op in left_out for t in op.outputs}
            self.left_out.update((t, copies[t]) for kept, _ in calls.values() for t in kept)
            results = [copies[t] for t in forward.results]
            pairs = [(y, g) for y, g in zip(results, self.incoming, strict=True) if g is not None]
            self._check_calls([y for y, _ in pairs])
            wanted = [a for a in self.arguments if is_trainable(a) or a.dtype is dtypes.resource]
            wanted += [copies[op.outputs[0]] for op in looks]
            found = gradients([y for y, _ in pairs], wanted, [g for _, g in pairs]) if pairs and wanted else []
            self.found = dict(zip(wanted, found, strict=False))  # tensors, `IndexedSlices`, or None
            for op in looks:  # the gradient of what was read is one of the variable
                handle, read = copies[op.inputs[0]], self.dense(copies[op.outputs[0]])
                if read is not None:
                    self.found[handle] = total(read, self.dense(handle))

    def _check_calls(self, results: Sequence[Tensor]) -> None:
        """What is left out is taken as it was: no gradient goes through it, as one has to through a call."""
        used = self.needed(results)
        for t, ours in self.left_out.items():
            if (
                ours in used
                and t.op not in self._exposed
                and (t.op.type in CALLS or t.op.type in t.op.graph._functions)
            ):
                raise errors.UnimplementedError(
                    None, t.op, f"No gradient yet through {t.op.name!r} ({t.op.type}) in a branch or a loop: it draws "
                    "random numbers, or changes something"
                )  # fmt: skip

    def dense(self, argument: Tensor) -> Tensor | None:
        """The gradient of an argument as one tensor."""
        found = self.found.get(argument)
        if not isinstance(found, IndexedSlices):
            return found
        with self.body.as_default():
            made = self.found[argument] = convert_to_tensor(found)
        return made

    def needed(self, results: Sequence[Tensor]) -> set[Tensor]:
        """The placeholders that `results` follow from."""
        seen: set[Operation] = set()
        found: set[Tensor] = set()
        stack = [t.op for t in results]
        while stack:
            op = stack.pop()
            if op not in seen:
                seen.add(op)
                if op.type == "Placeholder":
                    found.add(op.outputs[0])
                stack += [t.op for t in op.inputs] + op._control_inputs
        return found

    def finish(self, arguments: Sequence[Tensor], results: Sequence[Tensor]) -> str:
        """Say what the arguments are, and forget the placeholders that are none; gives the name of the function."""
        body = self.body
        body.arguments = list(arguments)
        body._outside.clear()
        body.finish(results)
        given = {t.op for t in arguments}
        live = _before(results) | given
        body._ops = _in_order([op for op in body._ops if op in live])
        body._by_name = {op.name: op for op in body._ops}
        body.outer_graph._functions[body.function_name] = body
        return body.function_name


def _exposed_calls(effects: Sequence[Operation]) -> dict[Operation, Any]:
    """The calls among the ops with effects, which keep what cannot be computed again: see nested_calls.py."""
    if not any(op.type in CALLS for op in effects):
        return {}
    from evergraph.autodiff.nested_calls import can_be_exposed, exposed

    return {op: exposed(op) for op in effects if can_be_exposed(op)}


def _in_order(ops: Sequence[Operation]) -> list[Operation]:
    """The ops after what they read, as far as loops allow."""
    done: dict[Operation, None] = {}
    entered: set[Operation] = set()
    for first in ops:
        stack = [first]
        while stack:
            op = stack[-1]
            if op in done:
                stack.pop()
                continue
            sources = [] if op in entered else [t.op for t in op.inputs] + op._control_inputs
            entered.add(op)
            waits = [source for source in sources if source not in entered]
            if waits:
                stack += reversed(waits)
            else:
                done[stack.pop()] = None
    return list(done)


def _before(results: Sequence[Tensor]) -> set[Operation]:
    seen: set[Operation] = set()
    stack = [t.op for t in results]
    while stack:
        op = stack.pop()
        if op not in seen:
            seen.add(op)
            stack += [t.op for t in op.inputs] + op._control_inputs
    return seen


def looks_at_changed(effects: Sequence[Operation], forward: FunctionGraph) -> list[Operation]:
    """The reads of variables that the body changes too: read once more, they would give something else."""
    changed = {t for op in effects for t in op.inputs if t.dtype is dtypes.resource}
    left_out = set(effects)
    found = []
    for op in forward._ops:
        if op in left_out or op.type in _SAME_AFTER_A_CHANGE or changed.isdisjoint(op.inputs):
            continue
        if op.type != "ReadVariableOp":
            raise errors.UnimplementedError(
                None, op, f"No gradient yet through {forward.function_name!r}, which reads a variable by {op.name!r} "
                f"({op.type}), and changes it"
            )  # fmt: skip
        found.append(op)
    return found


def variable_behind(handle: Tensor) -> tuple[Any, DType]:
    """The static shape and the type of the variable that a handle stands for."""
    return handle._handle_data or (None, dtypes.float32)


def zero_gradient(t: Tensor) -> Tensor:
    """Zeros of the shape of a value, or of the variable behind a handle."""
    if t.dtype is not dtypes.resource:
        return zeros_like(t, optimize=False) if t.dtype is dtypes.variant else zeros_like(t)
    shape, kind = variable_behind(t)
    return zeros(raw_op("VariableShape")(t) if shape is None or None in shape else list(shape), kind)


def total(a: Tensor, b: Tensor | None) -> Tensor:
    if b is None:
        return a
    return raw_op("AddN")([a, b]) if a.dtype is dtypes.variant else add(a, b)
