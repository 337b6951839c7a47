"""Running a function of a graph's library, for the kernels that call one: datasets, iterators, calls.

A body is planned like any other graph, its arguments being the feeds; the plan stays with the body, so a function that
is called again and again is compiled like a run that comes again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.compiler.plan import Plan, make_plan
from evergraph.formats.functions import body_of
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.runtime import devices
from evergraph.runtime.state import State


def plan_of(body: FunctionGraph) -> Plan:
    """The plan that computes the results of `body` from its arguments."""
    entry = body._attachments.get("plan")
    if entry is None or entry[0] != body._edits:
        plan = make_plan(body.results + _effects(body), body.arguments, lambda op: devices.place(op, True, 1))
        entry = body._attachments["plan"] = (body._edits, plan)
    return entry[1]


def _effects(body: FunctionGraph) -> list[Any]:
    """The stateful ops of a body: they run even if no result needs them."""
    return [op for op in body._ops if op.opdef.is_stateful and op.type not in ("Placeholder", "VarHandleOp")]


def caller(
    state: State, deadline: float | None, run_plan: Callable[..., list[Any]]
) -> Callable[[Operation, Any, list[Any]], list[Any]]:
    """What `Running.call` is for a run in `state`."""

    def call(op: Operation, function: Any, arguments: list[Any]) -> list[Any]:
        body = body_of(op.graph, function)
        values = run_plan(plan_of(body), state, arguments, None, deadline)
        return [np.asarray(v) if hasattr(v, "block_until_ready") else v for v in values[: len(body.results)]]

    return call
