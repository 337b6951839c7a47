"""The gradients of `If`, `Case` and `While`: branches and loops whose parts are functions (control flow v2).

    If(pred, x, f, g)            If(pred, (x, dy), f', g')            f': from x and dy to dx (replay.py)

    While(x, cond, body)         While(dy while the lists have elements, body')
      with, for each x[i] that     body': takes the last x[i] off the lists, and goes
      body' looks at, a list       back through one iteration
      of what it was

The forward loop gets the lists as further loop variables, once gradients are asked for. What stays the same in all
iterations is in no list; its gradient is summed. Both are ordinary ops on ordinary values, lists of tensors included, so
that gradients of gradients follow by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.autodiff.replay import (
    Replay,
    copied,
    is_trainable,
    library_name,
    total,
    variable_behind,
    zero_gradient,
)
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes, errors
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.comparisons import greater
from evergraph.ops.filling import zeros, zeros_like
from evergraph.ops.opdef import raw_op
from evergraph.ops.tensor_lists import functions as lists
from evergraph.ops.tensor_lists import list_ops

# Branches


def gradient_of_branches(op: Operation, *grads: Any) -> list[Any]:
    """The gradient of If and Case, and of their stateless kin."""
    graph, (chosen, *inputs) = op.graph, op.inputs
    is_case = "branches" in op.attrs
    names = op.attrs["branches"] if is_case else [op.attrs["then_branch"], op.attrs["else_branch"]]
    given = [g is not None for g in grads]
    replays = []
    for name in names:
        forward = body_of(graph, name)
        replays.append(Replay(graph, forward, inputs, f"{forward.function_name}_grad", given))
    reached = [i for i in range(len(inputs)) if any(r.found.get(r.arguments[i]) is not None for r in replays)]
    if not reached:
        return [None] * len(op.inputs)
    results = [_gradients_in(replay, reached) for replay in replays]
    used = [replay.needed(found) for replay, found in zip(replays, results, strict=True)]
    extra = [
        (side, t) for side, replay in enumerate(replays) for t, ours in replay.left_out.items() if ours in used[side]
    ]
    places = _keep_results(op, extra)
    functions = []
    for side, (replay, found) in enumerate(zip(replays, results, strict=True)):
        arguments = [*replay.arguments, *(g for g in replay.incoming if g is not None)]
        arguments += [replay.left_out[t] if side == owner else replay.like(t) for owner, t in extra]
        functions.append(replay.finish(arguments, found))
    kinds = [variable_behind(t)[1] if t.dtype is dtypes.resource else t.dtype for t in (inputs[i] for i in reached)]
    passed = [*inputs, *(g for g in grads if g is not None), *(op.outputs[place] for place in places)]
    if is_case:
        made = raw_op(op.type)(chosen, passed, kinds, functions)
    else:
        made = raw_op(op.type)(chosen, passed, kinds, *functions)
    gradient: list[Any] = [None] * len(inputs)
    for i, t in zip(reached, made if isinstance(made, list | tuple) else [made], strict=True):
        _describe(t, inputs[i])
        gradient[i] = t
    return [None, *gradient]


def _gradients_in(replay: Replay, wanted: Sequence[int]) -> list[Tensor]:
    """The gradients of these arguments, zeros where there is none."""
    results = []
    with replay.body.as_default():
        for i in wanted:
            found = replay.found.get(replay.arguments[i])
            results.append(zero_gradient(replay.arguments[i]) if found is None else found)
    return results


def _keep_results(op: Operation, wanted: Sequence[tuple[int, Tensor]]) -> list[int]:
    """Let a branch give more results, tensors inside of its sides; gives which outputs those are.

    Args:
        wanted: (side, tensor in the body of that side) for each. The other sides give zeros in its place.
    """
    graph = op.graph
    kept = graph._attachments.setdefault("results of branches", {}).setdefault(op, {})
    new = [(side, t) for side, t in wanted if (side, t.name) not in kept]
    if new:
        is_case = "branches" in op.attrs
        names = list(op.attrs["branches"]) if is_case else [op.attrs["then_branch"], op.attrs["else_branch"]]
        for side, name in enumerate(names):
            old = body_of(graph, name)
            made = FunctionGraph(library_name(graph, f"{old.function_name}_rewritten"), graph, copies_constants=False)
            with made.as_default():
                arguments = []
                for t in old.arguments:
                    arguments.append(made.argument(t.dtype, t.static_shape, t.op.name))
                    arguments[-1]._handle_data = t._handle_data
                copies = copied(old, made, arguments)
                more = []
                by_name = {t.name: t for o in old._ops for t in o.outputs}
                for owner, t in new:
                    here = (
                        copies[by_name[t.name]]
                        if owner == side
                        else zeros([d or 0 for d in t.static_shape or ()], t.dtype)
                    )
                    more.append(here)
                made.finish([*(copies[t] for t in old.results), *more])
            graph._functions[made.function_name] = made
            names[side] = made.function_name
        if is_case:
            op.attrs["branches"] = names
        else:
            op.attrs["then_branch"], op.attrs["else_branch"] = names
        op.attrs["Tout"] = [*op.attrs["Tout"], *(t.dtype for _, t in new)]
        if op.attrs.get("output_shapes"):
            op.attrs["output_shapes"] = [*op.attrs["output_shapes"], *[None] * len(new)]
        op.attrs.pop("_output_shapes", None)
        op.outputs = list(op.outputs)
        for side, t in new:
            kept[side, t.name] = len(op.outputs)
            op.outputs.append(Tensor(op, len(op.outputs), t.dtype, None))
        graph._attachments.pop("spelled", None)
        graph._changed()
    return [kept[side, t.name] for side, t in wanted]


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
    kept = graph._attachments.setdefault("values of iterations", {}).setdefault(op, {})
    ours = set(kept.values())  # the lists of a gradient asked for before
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
            found = replay.found.get(replay.arguments[i])
            incoming = replay.incoming[i]
            assert incoming is not None
            # The gradient of what stays as it is comes back by itself: its result is its argument.
            results.append(zeros_like(incoming) if found is None else found)
        for i in handles:
            shape, kind = variable_behind(op.inputs[i])
            totals[i] = replay.body._placeholder(kind, shape, "total")
            results.append(total(totals[i], replay.found[replay.arguments[i]]))
    used = replay.needed(results)
    fixed = [i for i in range(count) if stays[i] and replay.arguments[i] in used]
    wanted: dict[Any, Tensor] = {i: t for i, t in enumerate(replay.arguments) if t in used and not stays[i]}
    wanted.update((t.name, ours) for t, ours in replay.left_out.items() if ours in used)
    if not wanted:
        # Something has to tell how many iterations there were.
        first = next(i for i in range(count) if not stays[i] and op.inputs[i].dtype is not dtypes.variant)
        wanted = {first: replay.arguments[first]}
    places = _keep_values(op, forward, list(wanted), kept)
    with replay.body.as_default():
        held, rest = [], []
        for key, value in wanted.items():
            held.append(replay.like(op.outputs[places[key]]))
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
    made = raw_op(op.type)(starts, condition, name, parallel_iterations=op.attrs.get("parallel_iterations", 10))
    made = list(made) if isinstance(made, list | tuple) else [made]
    for start, t in zip(starts, made, strict=True):
        t.static_shape, t._handle_data = start.static_shape, start._handle_data
    gradient: list[Any] = [None] * count
    for i, t in zip(taken, made[len(held) :], strict=False):
        _describe(t, op.inputs[i])
        gradient[i] = t
    return gradient


def _goes_on(op: Operation, arguments: Sequence[Tensor], name: str) -> str:
    """The condition of the backward loop: there are elements left."""
    graph = op.graph
    body = FunctionGraph(library_name(graph, name), graph)
    with body.as_default():
        given = []
        for t in arguments:
            given.append(body.argument(t.dtype, t.static_shape, t.op.name))
            given[-1]._handle_data = t._handle_data
        body.finish([greater(list_ops.tensor_list_length(given[0]), 0)])
    graph._functions[body.function_name] = body
    return body.function_name


def _keep_values(op: Operation, forward: FunctionGraph, keys: Sequence[Any], kept: dict[Any, int]) -> dict[Any, int]:
    """Let a loop gather values of each iteration in lists; gives which outputs those are.

    Args:
        keys: what to gather: the numbers of loop variables, the names of tensors in the body.
        kept: what it gathers already.
    """
    new = [key for key in keys if key not in kept]
    if not new:
        return kept
    graph, count = op.graph, len(op.inputs)
    by_name = {t.name: t for o in forward._ops for t in o.outputs}
    sources = [forward.arguments[key] if isinstance(key, int) else by_name[key] for key in new]

    def widened(
        old: FunctionGraph, name: str, results: Callable[[dict[Tensor, Tensor], list[Tensor]], list[Tensor]]
    ) -> str:
        made = FunctionGraph(library_name(graph, name), graph, copies_constants=False)
        with made.as_default():
            arguments = []
            for t in old.arguments:
                arguments.append(made.argument(t.dtype, t.static_shape, t.op.name))
                arguments[-1]._handle_data = t._handle_data
            more = [made.argument(dtypes.variant, (), "kept") for _ in new]
            for t, source in zip(more, sources, strict=True):
                t._handle_data = source.static_shape, source.dtype.base_dtype
            made.finish(results(copied(old, made, arguments), more))
        graph._functions[made.function_name] = made
        return made.function_name

    def with_lists(copies: dict[Tensor, Tensor], more: list[Tensor]) -> list[Tensor]:
        pushed = [list_ops.tensor_list_push_back(held, copies[t]) for held, t in zip(more, sources, strict=True)]
        return [*(copies[t] for t in forward.results), *pushed]

    condition = body_of(graph, op.attrs["cond"])
    body_name = widened(forward, f"{forward.function_name}_rewritten", with_lists)
    cond_name = widened(
        condition, f"{condition.function_name}_rewritten", lambda copies, _: [copies[t] for t in condition.results]
    )
    empty = [
        lists.empty_tensor_list(t.shape, t.dtype.base_dtype, name=f"{op.name.rpartition('/')[2]}_kept") for t in sources
    ]
    op.inputs = (*op.inputs, *empty)
    for t in empty:
        t._readers = [*(t._readers or ()), op]
    op.attrs["T"] = [*op.attrs["T"], *[dtypes.variant] * len(new)]
    if op.attrs.get("output_shapes"):
        op.attrs["output_shapes"] = [*op.attrs["output_shapes"], *[()] * len(new)]
    op.attrs.pop("_output_shapes", None)
    op.attrs["body"], op.attrs["cond"] = body_name, cond_name
    op.outputs = list(op.outputs)
    for key, t in zip(new, sources, strict=True):
        made = Tensor(op, count, dtypes.variant, ())
        made._handle_data = t.static_shape, t.dtype.base_dtype
        op.outputs.append(made)
        kept[key] = count
        count += 1
    graph._attachments.pop("spelled", None)
    graph._changed()
    return kept
