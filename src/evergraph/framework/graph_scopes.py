"""What a graph's scopes are made of, so that several threads can build one graph.

As in TF 1.15 a thread has its own name scope and its own variable creators, while devices, colocations, control
dependencies, branches and loops are the graph's: all threads see them (until `Graph.switch_to_thread_local`). Blocks of
several threads overlap in any order, so a block that ends takes away what it put there itself and nothing else.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from evergraph.framework import frames as _frames
from evergraph.framework.operation import Operation

if TYPE_CHECKING:
    from evergraph.framework.graph import Graph


class ScopesOfThread(threading.local):
    """The scopes of a graph that are a thread's own; all others are seen by all threads that build the graph."""

    name_stack = ""
    variable_creators: tuple[Any, ...] = ()
    original_op: Operation | None = None
    frames: _frames.Frames | None = None  # those of the call that builds many ops, taken once
    devices = 0  # how many device scopes this thread has open


def remove_last(stack: list[Any], entry: Any) -> None:
    """Take an entry off a stack: the top one, unless another thread has put something above it."""
    for i in range(len(stack) - 1, -1, -1):
        if stack[i] is entry:
            del stack[i]
            return


class ControlDependencies:
    """One `with control_dependencies(...)` block, and the ops made in it."""

    __slots__ = ("graph", "control_inputs", "seen", "_clears", "_is_open", "_old_stack", "_old_context")

    def __init__(self, graph: Graph, control_inputs: list[Operation] | None) -> None:
        self.graph = graph
        self._clears = control_inputs is None
        self._is_open = True
        self.control_inputs: list[Operation] = control_inputs or []
        self.seen: set[Operation] = set()

    def add_op(self, op: Operation) -> None:
        self.seen.add(op)

    def op_in_group(self, op: Operation) -> bool:
        return op in self.seen

    def __enter__(self) -> None:
        graph = self.graph
        with graph._lock:
            self._is_open = True
            self._old_stack = graph._control_stack
            if self._clears:
                self._old_context = graph._control_flow_context
                graph._control_stack = []
                graph._control_flow_context = None
            else:
                graph._control_stack = [*self._old_stack, self]

    def __exit__(self, *exc: object) -> None:
        # Other threads may have opened and closed blocks of theirs in between: theirs stay as they are now.
        graph = self.graph
        with graph._lock:
            self._is_open = False
            stack = graph._control_stack
            if self._clears:
                graph._control_flow_context = self._old_context
                graph._control_stack = [d for d in (*self._old_stack, *stack) if d._is_open]
            else:
                graph._control_stack = [d for d in stack if d is not self]
