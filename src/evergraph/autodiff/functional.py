"""The gradients of `If`, `Case`, `While` and calls: ops whose parts are functions (control flow v2).

    If(pred, x, f, g)            If(pred, (x, dy), f', g')            f': from x and dy to dx (replay.py)

    While(x, cond, body)         While(dy while the lists have elements, body')
      with, for each x[i] that     body': takes the last x[i] off the lists, and goes
      body' looks at, a list       back through one iteration
      of what it was

The forward loop gets the lists as further loop variables, once gradients are asked for. What stays the same in all
iterations is in no list; its gradient is summed. Both are ordinary ops on ordinary values, lists of tensors included,
so that gradients of gradients follow by the same rules.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from evergraph.autodiff.keeping import keep_results, keep_values, kept_values
from evergraph.autodiff.replay import (
    Replay,
    is_trainable,
    library_name,
    total,
    variable_behind,
    zero_gradient,
)
from evergraph.autodiff.sides import choosing_input, sides_of, with_sides
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes, errors
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import greater
from evergraph.ops.filling import zeros_like
from evergraph.ops.identity import identity
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape
from evergraph.ops.tensor_lists import functions as lists
from evergraph.ops.tensor_lists import list_ops

# Branches


def gradient_of_branches(op: Operation, *grads: Any) -> list[Any]:
    """The gradient of If and Case, of their stateless kin, and of PartitionedCall: such an op of the derivatives.

    They are given what has an effect in `op`.
    """
    graph, chosen = op.graph, choosing_input(op)
    inputs = op.inputs[len(chosen) :]
    given = [g is not None for g in grads]
    replays = []
    for name in sides_of(op):
        forward = body_of(graph, name)
        replays.append(Replay(graph, forward, inputs, f"{forward.function_name}_grad", given))
    reached = [i for i in range(len(inputs)) if any(r.found.get(r.arguments[i]) is not None for r in replays)]
    if not reached:
        return [None] * len(op.inputs)
    in_rows = _in_rows(replays, reached)
    results = [_gradients_in(replay, reached, in_rows) for replay in replays]
    used = [replay.needed(found) for replay, found in zip(replays, results, strict=True)]
    extra = [
        (side, t) for side, replay in enumerate(replays) for t, ours in replay.left_out.items() if ours in used[side]
    ]
    places = keep_results(op, extra)
    functions = []
    for side, (replay, found) in enumerate(zip(replays, results, strict=True)):
        arguments = [*replay.arguments, *(g for g in replay.incoming if g is not None)]
        arguments += [replay.left_out[t] if side == owner else replay.body.placeholder_like(t) for owner, t in extra]
        functions.append(replay.finish(arguments, found))
    kinds = [t.dtype for t in results[0]]
    passed = [*inputs, *(g for g in grads if g is not None), *(op.outputs[place] for place in places)]
    made = with_sides(op, op.type, chosen, passed, kinds, functions)
    return [*[None] * len(chosen), *_passed_on(made, inputs, reached, in_rows)]


def _passed_on(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], reached: Sequence[int], in_rows: Container[int] = ()
) -> list[Any]:
    """The gradients of the inputs from the outputs of an op, each through an `Identity`.

    TF has those: what fetches one gradient then runs what it needs, and not all of the op.
    """
    outputs[0].op.attrs["_lower_using_switch_merge"] = True
    rest = iter(outputs)
    gradient: list[Any] = [None] * len(inputs)
    for i in reached:
        first = next(rest)
        if i in in_rows:
            gradient[i] = IndexedSlices(identity(first), identity(next(rest)), identity(next(rest)))
        else:
            _describe(first, inputs[i])
            gradient[i] = identity(first)
    return gradient


def _in_rows(replays: Sequence[Replay], reached: Sequence[int]) -> frozenset[int]:
    """The arguments whose gradient is of some rows only, in all of the bodies."""

    def kind_of(replay: Replay, i: int) -> Any:
        found = replay.found.get(replay.arguments[i])
        return found.indices.dtype if isinstance(found, IndexedSlices) else None

    kinds = {i: {kind_of(replay, i) for replay in replays} for i in reached}
    return frozenset(i for i, found in kinds.items() if len(found) == 1 and None not in found)


def _gradients_in(replay: Replay, wanted: Sequence[int], in_rows: Container[int] = ()) -> list[Tensor]:
    """The gradients of these arguments, zeros where there is none; values, indices and shape of those in rows."""
    results: list[Tensor] = []
    with replay.body.as_default():
        for i in wanted:
            argument = replay.arguments[i]
            if i in in_rows:
                rows = replay.found[argument]
                whole = rows.dense_shape
                if whole is None:
                    whole = raw_op("VariableShape")(argument) if argument.dtype is dtypes.resource else shape(argument)
                results += [rows.values, rows.indices, whole]
            else:
                found = replay.dense(argument)
                results.append(zero_gradient(argument) if found is None else found)
    return results


def _gradients_as_function(op: Operation, replay: Replay, wanted: Sequence[int]) -> str:
    """The function that gives the gradients of these arguments; gives its name."""
    results = _gradients_in(replay, wanted)
    used = replay.needed(results)
    for t, ours in replay.left_out.items():
        if ours in used:
            raise errors.UnimplementedError(
                None, op, f"No gradient yet through {op.name!r}: it needs what {t.op.name!r} ({t.op.type}) gave"
            )
    return replay.finish([*replay.arguments, *(g for g in replay.incoming if g is not None)], results)


# Calls


def gradient_of_symbolic_gradient(op: Operation, *grads: Any) -> list[Any]:
    """The gradient of SymbolicGradient: the derivative of a function's derivative, called."""
    graph = op.graph
    function = body_of(graph, op.attrs["f"])
    outermost: Any = graph
    while isinstance(outermost, FunctionGraph):
        outermost = outermost.outer_graph
    declared = outermost._attachments.get("gradient functions", {}).get(function.function_name)
    if declared is None:
        count = len(function.arguments)
        name = f"{function.function_name}_grad"
        first = Replay(graph, function, op.inputs[:count], name, [True] * len(function.results))
        declared = _gradients_as_function(op, first, range(count))
    derivative = body_of(graph, declared)
    replay = Replay(graph, derivative, op.inputs, f"{declared}_grad", [g is not None for g in grads])
    reached = [i for i in range(len(op.inputs)) if replay.found.get(replay.arguments[i]) is not None]
    if not reached:
        return [None] * len(op.inputs)
    kinds = [op.inputs[i].dtype for i in reached]
    name = _gradients_as_function(op, replay, reached)
    made = raw_op("PartitionedCall")([*op.inputs, *(g for g in grads if g is not None)], kinds, name)
    gradient: list[Any] = [None] * len(op.inputs)
    for i, t in zip(reached, made if isinstance(made, list | tuple) else [made], strict=True):
        _describe(t, op.inputs[i])
        gradient[i] = t
    return gradient


def _describe(t: Tensor, of: Tensor) -> None:
    """What is known of the gradient of `of`."""
    if of.dtype is dtypes.resource:
        t.static_shape = variable_behind(of)[0]
    else:
        t.static_shape = of.static_shape
        t._handle_data = of._handle_data


# Loops


def gradient_of_loop(op: Operation, *grads: Any) -> list[Any]:
    """The gradient of While and StatelessWhile."""
    graph, count = op.graph, len(op.inputs)
    forward = body_of(graph, op.attrs["body"])
    ours = set(kept_values(op).values())  # the lists of a gradient asked for before
    grads = (*grads, *[None] * (count - len(grads)))
    stays = [forward.results[i] is forward.arguments[i] for i in range(count)]
    taken = [
        i for i in range(count)
        if is_trainable(op.outputs[i]) and (grads[i] is not None or i not in ours)
        or op.inputs[i].dtype is dtypes.resource and stays[i]
    ]  # fmt: skip
    values = [i for i in taken if op.inputs[i].dtype is not dtypes.resource]
    if not values:
        return [None] * count
    given = [i in values for i in range(count)]
    replay = Replay(graph, forward, op.inputs, f"{forward.function_name}_grad", given)
    handles = [i for i in taken if i not in values and replay.found.get(replay.arguments[i]) is not None]
    taken = values + handles
    with replay.body.as_default():
        totals, results = {}, []
        for i in values:
            found = replay.dense(replay.arguments[i])
            incoming = replay.incoming[i]
            assert incoming is not None
            # The gradient of what stays as it is comes back by itself: its result is its argument.
            results.append(zeros_like(incoming) if found is None else found)
        for i in handles:
            shape, kind = variable_behind(op.inputs[i])
            totals[i] = replay.body._placeholder(kind, shape, "total")
            results.append(total(totals[i], replay.dense(replay.arguments[i])))
    used = replay.needed(results)
    fixed = [i for i in range(count) if stays[i] and replay.arguments[i] in used]
    wanted: dict[Any, Tensor] = {i: t for i, t in enumerate(replay.arguments) if t in used and not stays[i]}
    wanted.update((t.name, ours) for t, ours in replay.left_out.items() if ours in used)
    if not wanted:
        # Something has to tell how many iterations there were.
        first = next(i for i in range(count) if not stays[i] and op.inputs[i].dtype is not dtypes.variant)
        wanted = {first: replay.arguments[first]}
    places = keep_values(op, forward, list(wanted))
    with replay.body.as_default():
        held, rest = [], []
        for key, value in wanted.items():
            held.append(replay.body.placeholder_like(op.outputs[places[key]]))
            shape = lists.element_shape_operand(value.shape)
            shorter, last = list_ops.tensor_list_pop_back(held[-1], shape, value.dtype.base_dtype)
            last.static_shape, last._handle_data = value.static_shape, value._handle_data
            rest.append(shorter)
            for reader in list(value._readers or ()):
                for index, t in enumerate(reader.inputs):
                    if t is value:
                        reader._update_input(index, last)
            results = [last if t is value else t for t in results]
    variables = [*held, *(replay.incoming[i] for i in values), *(totals[i] for i in handles)]
    constants = [replay.arguments[i] for i in fixed]
    arguments: list[Tensor] = [t for t in (*variables, *constants) if t is not None]
    name = replay.finish(arguments, [*rest, *results, *constants])
    condition = _goes_on(op, arguments, f"{name}_cond")
    starts = [
        *(op.outputs[place] for place in (places[key] for key in wanted)),
        *(zero_gradient(op.outputs[i]) if grads[i] is None else grads[i] for i in values),
        *(zero_gradient(op.inputs[i]) for i in handles),
        *(op.inputs[i] for i in fixed),
    ]
    made = raw_op(op.type)(
        starts, condition, name, parallel_iterations=op.attrs.get("parallel_iterations", 10), name=f"{op.name}_grad"
    )
    made = list(made) if isinstance(made, list | tuple) else [made]
    for start, t in zip(starts, made, strict=True):
        t.static_shape, t._handle_data = start.static_shape, start._handle_data
    return _passed_on(made[len(held) :], op.inputs, taken)


def _goes_on(op: Operation, arguments: Sequence[Tensor], name: str) -> str:
    """The condition of the backward loop: there are elements left."""
    graph = op.graph
    body = FunctionGraph(library_name(graph, name), graph)
    with body.as_default():
        given = [body.argument_like(t) for t in arguments]
        body.finish([greater(list_ops.tensor_list_length(given[0]), 0)])
    graph._functions[body.function_name] = body
    return body.function_name
