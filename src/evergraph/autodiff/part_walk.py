"""The walk of `tf.gradients` called inside of a branch or a loop whose parts are functions.

    outside    x ──► y ─┐                     tf.gradients(z, x) in the part: z, then y, then x. The ops of the
    part                └─► argument ──► z    gradient are in the part, and take what they need of y and x from outside.

An argument that stands for a tensor outside is that tensor, for the walk; unless it is a source itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from evergraph.autodiff.walk import Walk
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor


class PartWalk(Walk):
    """A walk that goes on outside of the function that it starts in."""

    def __init__(self, graph: Graph, ys: list[Any], xs: list[Any], *rest: Any) -> None:
        self._sources = frozenset(x for x in xs if isinstance(x, Tensor))
        self._functions: list[FunctionGraph] = []  # the one that the walk starts in, and those around it
        around = graph
        while isinstance(around, FunctionGraph):
            self._functions.append(around)
            around = around.outer_graph
        super().__init__(graph, ys, xs, *rest)

    def inputs(self, op: Operation) -> Sequence[Tensor]:
        return [self._outside(t) for t in op.inputs]

    def _outside(self, t: Tensor) -> Tensor:
        while t.op.type == "Placeholder" and t not in self._sources:
            found = t.graph._known_outside(t)
            if found is None:
                break
            t = found
        return t

    def readers(self, t: Tensor) -> Iterator[Operation]:
        yield from t._readers or ()
        for graph in self._functions:
            inside = graph.captures.get(t)
            if inside is not None and inside not in self._sources:
                yield from self.readers(inside)
