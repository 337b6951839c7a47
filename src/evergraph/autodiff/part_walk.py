"""The walk of `tf.gradients` called inside of a branch or a loop whose parts are functions.

    outside    x ──► y ─┐                     tf.gradients(z, x) in the part: z, then y, then x. The ops of the
    part                └─► argument ──► z    gradient are in the part, and take what they need of y and x from outside.

An argument that stands for a tensor outside is that tensor, for the walk; unless it is a source itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from evergraph.autodiff.walk import CARRIES_GRADIENTS, Walk
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor


class PartWalk(Walk):
    """A walk that goes on outside of the function that it starts in."""

    def __init__(self, graph: Graph, ys: list[Any], xs: list[Any], *rest: Any) -> None:
        self._sources = frozenset(x for x in xs if isinstance(x, Tensor))
        self._graphs: list[Any] = [graph]
        while hasattr(self._graphs[-1], "outer_graph"):
            self._graphs.append(self._graphs[-1].outer_graph)
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

    def _readers(self, t: Tensor) -> Iterator[Operation]:
        yield from t._readers or ()
        for graph in self._graphs[:-1]:
            inside = graph.captures.get(t)
            if inside is not None and inside not in self._sources:
                yield from self._readers(inside)

    def _reached(self, sources: list[Operation]) -> set[Operation]:
        reached: set[Operation] = set()
        todo = list(sources)
        while todo:
            op = todo.pop()
            if op not in reached:
                reached.add(op)
                for t in op.outputs:
                    if t.dtype._base in CARRIES_GRADIENTS:
                        todo.extend(self._readers(t))
        return reached

    def _uses_in_between(self, results: list[Operation], reached: set[Operation]) -> dict[Operation, int]:
        between: dict[Operation, int] = {}
        todo = deque(results)
        while todo:
            op = todo.popleft()
            if op in reached and op not in between:
                between[op] = 0
                todo.extend(t.op for t in self.inputs(op))
        for op in between:
            for t in self.inputs(op):
                if t.op in between:
                    between[t.op] += 1
        return between
