"""Contexts of branches and loops as messages, so that a graph read from a file has gradients through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.graph import get_default_graph
from evergraph.framework.proto_functions import register_proto_function
from evergraph.framework.scopes import GraphKeys
from evergraph.ops.cond import CondContext
from evergraph.ops.control_flow_context import ENTERS, ControlFlowContext
from evergraph.ops.variables import prepend_name_scope, strip_name_scope
from evergraph.ops.while_context import WhileContext


def _messages() -> Any:
    from evergraph.formats import messages

    return messages


def context_to_proto(context: Any, export_scope: str | None = None) -> Any:
    """A `CondContextDef` or `WhileContextDef`; None if the context is outside of `export_scope`."""
    if export_scope is not None and not context.name.startswith(export_scope):
        return None

    def name(tensor: Any) -> str:
        return strip_name_scope(tensor.name, export_scope)

    made: Any
    if isinstance(context, CondContext):
        made = _messages().CondContextDef(
            pred_name=name(context.pred), pivot_name=name(context.pivot), branch=context.branch
        )
    else:
        made = _messages().WhileContextDef(
            parallel_iterations=context.parallel_iterations,
            back_prop=context.back_prop,
            swap_memory=context.swap_memory,
            pivot_name=name(context.pivot),
            pivot_for_pred_name=name(context._pivot_for_pred),
            pivot_for_body_name=name(context._pivot_for_body),
            loop_exit_names=[name(t) for t in context.loop_exits],
            loop_enter_names=[name(t) for t in context.loop_enters],
        )
        if context.maximum_iterations is not None:
            made.maximum_iterations_name = name(context.maximum_iterations)
    made.context_name = strip_name_scope(context.name, export_scope)
    made.values_def.values.extend(sorted(name(t) for t in context._values))
    for outside, inside in context._external_values.items():
        made.values_def.external_values[name(outside)] = name(inside)
    for nested in context._nested_contexts:
        message = context_to_proto(nested, export_scope)
        if message is not None:
            field = "cond_ctxt" if isinstance(nested, CondContext) else "while_ctxt"
            getattr(made.nested_contexts.add(), field).CopyFrom(message)
    return made


def _blank(kind: type, scope: str | None, message: Any) -> tuple[Any, Callable[[str], Any]]:
    """A context of `kind` with what both kinds have, and a function that finds tensors."""
    graph = get_default_graph()
    if kind is CondContext:
        graph.unique_name("cond_text")
    context: Any = object.__new__(kind)
    ControlFlowContext.__init__(context)
    context._name = prepend_name_scope(message.context_name, scope)

    def find(name: str) -> Any:
        return graph.as_graph_element(prepend_name_scope(name, scope))

    context._values = {find(name) for name in message.values_def.values}
    context._external_values = {find(k): find(v) for k, v in message.values_def.external_values.items()}
    for op in {t.op for t in context._values - set(context._external_values)}:
        op._control_flow_context = context
    return context, find


def _add_nested(context: Any, message: Any, scope: str | None) -> Any:
    context.Enter()
    for nested in message.nested_contexts:
        if nested.HasField("cond_ctxt"):
            cond_from_proto(nested.cond_ctxt, scope)
        else:
            while_from_proto(nested.while_ctxt, scope)
    context.Exit()
    return context


def cond_from_proto(message: Any, import_scope: str | None = None) -> CondContext:
    """The context that a `CondContextDef` describes; its ops are in the graph already."""
    context, find = _blank(CondContext, import_scope, message)
    context._pred, context._pivot, context._branch = find(message.pred_name), find(message.pivot_name), message.branch
    return _add_nested(context, message, import_scope)


def while_from_proto(message: Any, import_scope: str | None = None) -> WhileContext:
    """The context that a `WhileContextDef` describes; its ops are in the graph already."""
    context, find = _blank(WhileContext, import_scope, message)
    context._maximum_iterations = find(message.maximum_iterations_name) if message.maximum_iterations_name else None
    context._parallel_iterations = message.parallel_iterations
    context._back_prop, context._swap_memory = message.back_prop, message.swap_memory
    context._pivot_for_pred = find(message.pivot_for_pred_name)
    context._pivot_for_body = find(message.pivot_for_body_name)
    context._pivot = find(message.pivot_name)
    context._loop_exits = [find(name) for name in message.loop_exit_names]
    context._loop_enters = [find(name) for name in message.loop_enter_names]
    context._grad_state = None
    if import_scope:  # two copies of a loop in one graph are two frames
        for tensor in context._values:
            if tensor.op.type in ENTERS:
                tensor.op._set_attr("frame_name", context.name.encode())
    return _add_nested(context, message, import_scope)


register_proto_function(GraphKeys.COND_CONTEXT, "CondContextDef", context_to_proto, cond_from_proto)
register_proto_function(GraphKeys.WHILE_CONTEXT, "WhileContextDef", context_to_proto, while_from_proto)
