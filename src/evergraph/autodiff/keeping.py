"""Branches and loops that give more than they were built to give: values inside of them.

    If(pred, x; f, g) -> y          If(pred, x; f', g') -> y, a, b       f' gives a too, and zeros for b
    While(x; cond, body) -> y       While(x, []; cond', body') -> y, L   body' appends what a is in each iteration to L

A gradient asks for those that cannot be computed once more: random numbers, what a variable was, ... The op itself
changes, as it does in TF; its first outputs stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.autodiff.replay import copied, library_name
from evergraph.autodiff.sides import set_sides, sides_of
from evergraph.formats.functions import body_of
from evergraph.framework import dtypes
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops.filling import zeros
from evergraph.ops.tensor_lists import functions as lists
from evergraph.ops.tensor_lists import list_ops


def keep_results(op: Operation, wanted: Sequence[tuple[int, Tensor]]) -> list[int]:
    """Let a branch give more results, tensors inside of its sides; gives which outputs those are.

    Args:
        wanted: (side, tensor in the body of that side) for each. The other sides give zeros in its place.
    """
    graph = op.graph
    kept = graph._attachments.setdefault("results of branches", {}).setdefault(op, {})
    new = [(side, t) for side, t in wanted if (side, t.name) not in kept]
    if new:
        names = sides_of(op)
        for side, name in enumerate(names):
            old = body_of(graph, name)
            made = FunctionGraph(library_name(graph, f"{old.function_name}_rewritten"), graph, copies_constants=False)
            with made.as_default():
                copies = copied(old, made, [made.argument_like(t) for t in old.arguments])
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
        set_sides(op, names)
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


def kept_values(op: Operation) -> dict[Any, int]:
    """What a loop gathers already, and which output is the list of it."""
    found: dict[Any, int] = op.graph._attachments.setdefault("values of iterations", {}).setdefault(op, {})
    return found


def keep_values(op: Operation, forward: FunctionGraph, keys: Sequence[Any]) -> dict[Any, int]:
    """Let a loop gather values of each iteration in lists; gives which outputs those are.

    Args:
        keys: what to gather: the numbers of loop variables, the names of tensors in the body.
    """
    kept = kept_values(op)
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
            arguments = [made.argument_like(t) for t in old.arguments]
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
    short_name, before = op.name.rpartition("/")[2], len(graph._ops)
    with control_dependencies(None):  # what `gradients` is to run after may come after the loop
        empty = [lists.empty_tensor_list(t.shape, t.dtype.base_dtype, name=f"{short_name}_kept") for t in sources]
    if isinstance(graph, FunctionGraph):  # whose ops are copied in their order
        new_ops, at = graph._ops[before:], graph._ops.index(op)
        graph._ops[at:] = [*new_ops, *graph._ops[at:before]]
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
