"""Running a function of a graph's library, for the kernels that call one: datasets, iterators, calls.

A body is planned like any other graph, its arguments being the feeds; the plan stays with the body, so a function that
is called again and again is compiled like a run that comes again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.compiler.effects import variable_key, variable_of
from evergraph.compiler.plan import Plan, make_plan
from evergraph.formats.functions import body_of
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import kernel_error
from evergraph.runtime import devices
from evergraph.runtime.stacked import Bound, stacked
from evergraph.runtime.state import State
from evergraph.runtime.straight import can_be_straight, stays_interpreted, straight


def plan_of(body: FunctionGraph) -> Plan:
    """The plan that computes the results of `body` from its arguments."""
    entry = body._attachments.get("plan")
    if entry is None or entry[0] != body._edits:
        plan = _planned(body, body.arguments)
        entry = body._attachments["plan"] = (body._edits, plan)
    return entry[1]


def _planned(body: FunctionGraph, feeds: Sequence[Tensor]) -> Plan:
    return make_plan([*body.results, *body.effects], feeds, _place)


def _place(op: Operation) -> str:
    """Functions of datasets prepare what a device computes with, so they run on the CPU unless they say otherwise."""
    return devices.place(op, True, 1) if op._device else "device:CPU:0"


class Streams(State):
    """A session's state with random streams of its own: the functions of one iterator start theirs anew."""

    def __init__(self, session: State) -> None:
        object.__setattr__(self, "_session", session)
        object.__setattr__(self, "_counters", {})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._session, name, value)


class Library:
    """Runs functions of a graph's library in a session; their random ops go on from call to call."""

    def __init__(self, state: State, run_plan: Callable[..., list[Any]]) -> None:
        self._state, self._run_plan = Streams(state), run_plan

    def bound(self, graph: Any, function: Any, given: Sequence[Tensor] = ()) -> Callable[[list[Any]], list[Any]]:
        """A function of the library of `graph`, ready to be called with its arguments.

        Args:
            given: tensors of its body that the caller has the values of: they follow the arguments.
        """
        body = body_of(graph, function)
        plan = _planned(body, [*body.arguments, *given]) if given else plan_of(body)
        state, run_plan, n = self._state, self._run_plan, len(body.results)
        may_be_straight = can_be_straight(plan)
        written: Callable[[list[Any]], list[Any]] | None = None

        def call(arguments: list[Any]) -> list[Any]:
            nonlocal written, may_be_straight
            if written is not None:
                return written(arguments)
            values = run_plan(plan, state, arguments)
            if may_be_straight:
                if stays_interpreted(plan):
                    written = straight(plan, n)
                may_be_straight = False
            return [np.asarray(v) if hasattr(v, "block_until_ready") else v for v in values[:n]]

        return call

    def stacked(self, graph: Any, function: Any, elements: int) -> Bound | None:
        """What of a function can be computed for many elements at once; `elements` of its arguments make one up."""
        body = body_of(graph, function)
        plan = plan_of(body)
        key = f"stacked {elements}"
        entry = body._attachments.get(key)
        if entry is None or entry[0] is not plan:
            entry = body._attachments[key] = plan, stacked(plan, len(body.results), elements)
        return None if entry[1] is None else Bound(entry[1], self._state)


class Caller:
    """What `Running.call` is for a run in `state`."""

    __slots__ = ("_deadline", "_run_plan", "_state")

    def __init__(self, state: State, deadline: float | None, run_plan: Callable[..., list[Any]]) -> None:
        self._state, self._deadline, self._run_plan = state, deadline, run_plan

    def __call__(self, op: Operation, function: Any, arguments: list[Any]) -> list[Any]:
        body = body_of(op.graph, function)
        if len(arguments) != len(body.arguments):
            raise kernel_error(
                f"Function {body.function_name!r} takes {len(body.arguments)} arguments, but {len(arguments)} were "
                "given"
            )
        values = self._run_plan(plan_of(body), self._state, arguments, None, self._deadline)
        return [np.asarray(v) if hasattr(v, "block_until_ready") else v for v in values[: len(body.results)]]

    def forget_variable(self, handle: Tensor) -> bool | None:
        """Take away the value of the variable that `handle` names; None if it names none."""
        declared = variable_of(handle)
        return None if declared is None else self._state.forget(variable_key(declared))

    def library(self) -> Library:
        """The functions of the graph's library, with random streams that start here."""
        return Library(self._state, self._run_plan)


caller = Caller
