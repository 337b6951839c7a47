"""Calls, branches and loops inside of a body that is computed once more for its gradient, where they have effects.

    the body          r, z = If(pred, x; f, g)              f draws a random number, and keeps it as a further output
    computed again    z' = StatelessIf(pred, x, r; f', g')  f' takes it instead of drawing one

So what was drawn, read or taken from a queue the first time is used again, and gradients go through the op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.autodiff.keeping import keep_results, keep_values
from evergraph.autodiff.replay import CALLS, copied, has_effects, library_name, looks_at_changed
from evergraph.autodiff.sides import choosing_input, sides_of, with_sides
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import add
from evergraph.ops.constant import constant
from evergraph.ops.opdef import raw_op
from evergraph.ops.tensor_lists import functions as lists
from evergraph.ops.tensor_lists import list_ops

_WITHOUT_EFFECTS = {"If": "StatelessIf", "StatefulPartitionedCall": "PartitionedCall"}
_LOOPS = ("While", "StatelessWhile")

Again = Callable[[FunctionGraph, Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
"""Adds to a body what computes an op's outputs once more: from its inputs, and from what it kept."""


def can_be_exposed(op: Operation) -> bool:
    return op.type in CALLS and op.type not in ("For", "SymbolicGradient")


def exposed(op: Operation) -> tuple[list[Tensor], Again]:
    """Let `op` keep what has effects in it: (the outputs that hold this, how to compute the others again)."""
    own = op.graph._attachments.setdefault("own outputs", {}).setdefault(op, len(op.outputs))
    return _exposed_loop(op, own) if op.type in _LOOPS else _exposed_branches(op, own)


def _effects_of(body: FunctionGraph) -> tuple[list[Operation], list[Tensor], dict[Operation, Any]]:
    """The ops that must not run again, what they gave that is to be kept, and the calls among the others."""
    effects = [op for op in body._ops if has_effects(op)]
    calls = {op: exposed(op) for op in effects if can_be_exposed(op)}
    plain = [op for op in effects if op not in calls] + looks_at_changed(effects, body)
    kept = [t for op in plain for t in op.outputs if t.dtype is not dtypes.resource]
    return plain, kept + [t for outputs, _ in calls.values() for t in outputs], calls


def _copied_again(
    body: FunctionGraph, into: FunctionGraph, arguments: Sequence[Tensor], found: Any, kept: Sequence[Tensor]
) -> dict[Tensor, Tensor]:
    plain, wanted, calls = found
    given = dict(zip(wanted, kept, strict=True))
    return copied(body, into, arguments, plain, given, calls)


def _exposed_branches(op: Operation, own: int) -> tuple[list[Tensor], Again]:
    graph = op.graph
    sides = [body_of(graph, name) for name in sides_of(op)]
    found = [_effects_of(body) for body in sides]
    everything = [(side, t) for side, (_, kept, _) in enumerate(found) for t in kept]
    outputs = [op.outputs[place] for place in keep_results(op, everything)]
    kinds = list(op.attrs["Tout"][:own])
    functions = []
    for side, body in enumerate(sides):
        again = FunctionGraph(library_name(graph, f"{body.function_name}_again"), graph, copies_constants=False)
        with again.as_default():
            arguments = [again.argument_like(t) for t in body.arguments]
            kept = [again.argument_like(t) for _, t in everything]
            mine = [k for k, (owner, _) in zip(kept, everything, strict=True) if owner == side]
            copies = _copied_again(body, again, arguments, found[side], mine)
            again.finish([copies[t] for t in body.results[:own]])
        graph._functions[again.function_name] = again
        functions.append(again.function_name)
    kind, count = _WITHOUT_EFFECTS.get(op.type, op.type), len(choosing_input(op))

    def rebuild(into: FunctionGraph, inputs: Sequence[Tensor], kept: Sequence[Tensor]) -> list[Tensor]:
        with into.as_default():
            return with_sides(op, kind, inputs[:count], [*inputs[count:], *kept], kinds, functions)

    return outputs, rebuild


def _exposed_loop(op: Operation, own: int) -> tuple[list[Tensor], Again]:
    graph = op.graph
    body, condition = body_of(graph, op.attrs["body"]), body_of(graph, op.attrs["cond"])
    found = _effects_of(body)
    wanted = found[1]
    with graph.as_default():
        places = keep_values(op, body, [t.name for t in wanted])
    outputs = [op.outputs[places[t.name]] for t in wanted]
    made = []
    for part, old in (("body", body), ("cond", condition)):
        again = FunctionGraph(library_name(graph, f"{old.function_name}_again"), graph, copies_constants=False)
        with again.as_default():
            counter = again.argument(dtypes.int32, (), "iteration")
            arguments = [again.argument_like(t) for t in old.arguments[:own]]
            values = [again.argument_like(t) for t in outputs]
            extra = old.arguments[own:]  # lists that an earlier gradient had made: nothing here looks at them
            if part == "cond":
                copies = copied(old, again, [*arguments, *(again._placeholder(t.dtype, (), "unused") for t in extra)])
                again.finish([copies[old.results[0]]])
            else:
                items = []
                for t, held in zip(wanted, values, strict=True):
                    shape = lists.element_shape_operand(t.shape)
                    items.append(list_ops.tensor_list_get_item(held, counter, shape, t.dtype.base_dtype))
                    items[-1].static_shape, items[-1]._handle_data = t.static_shape, t._handle_data
                unused = [again._placeholder(t.dtype, (), "unused") for t in extra]
                copies = _copied_again(old, again, [*arguments, *unused], found, items)
                again.finish([add(counter, 1), *(copies[t] for t in old.results[:own]), *values])
        graph._functions[again.function_name] = again
        made.append(again.function_name)

    def rebuild(into: FunctionGraph, inputs: Sequence[Tensor], kept: Sequence[Tensor]) -> list[Tensor]:
        with into.as_default():
            starts = [constant(0, dtypes.int32), *inputs[:own], *kept]
            outputs = raw_op("StatelessWhile")(starts, made[1], made[0])
        for t, start in zip(outputs, starts, strict=True):
            t._handle_data = start._handle_data
        return list(outputs[1 : own + 1])

    return outputs, rebuild
