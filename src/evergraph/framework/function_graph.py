"""The body of a function: a graph with arguments and results.

    outer graph    x ──► Map(f = "double", ...)            library: "double" ──► FunctionGraph
    body           argument ──► Mul ──► result

What a body takes from the graph around it is *captured*: constants are copied, any other tensor becomes one more
argument, after those that the caller gives. A resource variable is both: the body declares it once more, under the same
name, so that it reads and writes the session's variable. `formats/functions.py` turns bodies into TF's `FunctionDef`s
and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import opdefs
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import Graph
from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor


class FunctionGraph(Graph):
    """The graph of a function's body, while it is built and afterwards.

    Args:
        name: the function's name in the library of `outer`.
        outer: the graph that the function belongs to.
        captures_by_value: copy every captured tensor's op, with what it depends on, instead of taking it as an
            argument.
        may_copy: stateful ops that are copied all the same.
        copies_constants: whether captured constants are copied, or are arguments like the rest.
    """

    def __init__(
        self,
        name: str,
        outer: Graph,
        captures_by_value: bool = False,
        may_copy: Sequence[Operation] = (),
        copies_constants: bool = True,
    ) -> None:
        super().__init__()
        self.function_name = name
        self.outer_graph = outer
        self.captures: dict[Tensor, Tensor] = {}  # tensor outside to the argument that stands for it
        self.arguments: list[Tensor] = []  # those of the caller, then the captured ones
        self.results: list[Tensor] = []
        self.control_results: list[Operation] = []  # ops that a call runs, whether or not a result needs them
        self.result_names: list[str] | None = (
            None  # those of the FunctionDef; None: after the ops that make the results
        )
        self.description = ""
        self.function_attributes: dict[str, bool | int | float | str | bytes] = {}  # of the FunctionDef
        self._outside: dict[Tensor, Tensor] = {}  # argument that was captured to the tensor outside
        self._by_value = captures_by_value
        self._may_copy = frozenset(may_copy)
        self._copies_constants = copies_constants
        self._building_function = True
        self._seed = outer.seed
        self._functions = outer._functions
        self._collections = outer._collections
        self._producer = outer._producer

    def argument(self, kind: DType, shape: Shape, name: str = "arg") -> Tensor:
        """One more argument that the caller gives. Those come before anything is captured."""
        made = self._placeholder(kind, shape, name)
        self.arguments.append(made)
        return made

    def argument_like(self, t: Tensor) -> Tensor:
        """One more argument that the caller gives, for what `t` is."""
        made = self.placeholder_like(t)
        self.arguments.append(made)
        return made

    def placeholder_like(self, t: Tensor, name: str | None = None) -> Tensor:
        """What stands for `t`, of another graph, without being an argument yet."""
        made = self._placeholder(t.dtype, t.static_shape, t.op.name if name is None else name)
        made._handle_data = t._handle_data
        return made

    def _placeholder(self, kind: DType, shape: Shape, name: str) -> Tensor:
        opdef = opdefs.lookup("Placeholder")
        assert opdef is not None
        with self.control_dependencies(None):
            made = super().add_op(opdef, (), {"dtype": kind.base_dtype, "shape": shape}, name)
        made.outputs[0].static_shape = shape
        return made.outputs[0]

    def capture(self, t: Tensor) -> Tensor:
        """What stands for `t`, a tensor of a graph around this one, inside the body."""
        found = self.captures.get(t)
        if found is not None:
            return found
        if isinstance(self.outer_graph, FunctionGraph) and t.graph is not self.outer_graph:
            t_here = self.outer_graph.capture(t)
        else:
            t_here = t
        if self._by_value or self._copies_constants and t_here.op.type == "Const":
            found = self._copied(t_here)
        else:
            found = self.placeholder_like(t_here, t_here.op.name.rpartition("/")[2])
            self.arguments.append(found)
            self._outside[found] = t
            if t_here.op.type == "VarHandleOp":
                found = self._declared_again(t_here.op)
        self.captures[t] = found
        return found

    def _copied(self, t: Tensor) -> Tensor:
        op = t.op
        if op.opdef.is_stateful and op not in self._may_copy:
            raise ValueError(f"Cannot capture a stateful node (name:{op.name}, type:{op.type}) by value.")
        if op.type == "Placeholder":
            raise ValueError(f"Cannot capture a placeholder (name:{op.name}, type:{op.type}) by value.")
        inputs = tuple(self.capture(i) for i in op.inputs)
        with self.control_dependencies(None):
            made = super().add_op(op.opdef, inputs, dict(op.attrs), op.name.rpartition("/")[2])
        for ours, theirs in zip(made.outputs, op.outputs, strict=True):
            self.captures[theirs] = ours
        return made.outputs[t.value_index]

    def _declared_again(self, variable: Operation) -> Tensor:
        """The handle of a variable, in the body."""
        attrs = dict(variable.attrs)
        attrs["shared_name"] = attrs.get("shared_name") or variable.name.encode()
        with self.control_dependencies(None):
            made = super().add_op(variable.opdef, (), attrs, variable.name.rpartition("/")[2]).outputs[0]
        made._handle_data = variable.outputs[0]._handle_data
        return made

    @property
    def captured(self) -> list[Tensor]:
        """The tensors outside that calls of the function pass after the caller's own, in the order of the arguments."""
        return [self._outside[t] for t in self.arguments if t in self._outside]

    def add_op(
        self,
        opdef: OpDef,
        inputs: tuple[Tensor, ...],
        attrs: dict[str, Any],
        name: str | None = None,
        frame_depth: int = 2,
    ) -> Operation:
        if any(t.op.graph is not self for t in inputs):
            inputs = tuple(t if t.op.graph is self else self.capture(t) for t in inputs)
        if self._of_thread.frames is None and frame_depth:
            frame_depth += 1
        return super().add_op(opdef, inputs, attrs, name, frame_depth)

    def _known_outside(self, t: Tensor) -> Tensor | None:
        return self._outside.get(t)

    @property
    def effects(self) -> list[Operation]:
        """The ops that run even if no result needs them: stateful ones, and those that the function names."""
        acting = [op for op in self._ops if op.opdef.is_stateful and op.type not in ("Placeholder", "VarHandleOp")]
        return list(dict.fromkeys([*acting, *self.control_results]))

    def finish(self, results: Sequence[Tensor]) -> None:
        """Say what the function gives; a result of a graph outside is captured."""
        self.results = [t if t.graph is self else self.capture(t) for t in results]
