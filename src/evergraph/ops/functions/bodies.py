"""The parts of `If`, `Case` and `While` ops, built by Python functions.

    outer graph     x, y ──► If(pred, x, y; then_branch, else_branch)
    then_branch     x ──► ops of true_fn ──► results

What a part takes from outside becomes an argument of it. Variables made inside belong to the graph around.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.nest import flatten, map_structure, pack_sequence_as
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.shapes import Shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.identity import identity
from evergraph.ops.tensor_array import TensorArray, as_arrays, as_flow
from evergraph.ops.variable_scope import get_variable_scope

_numbers = itertools.count()

# Stateful only in that they give something else each time.
_WITHOUT_EFFECT = frozenset(
    (
        "Placeholder", "VarHandleOp", "RandomUniform", "RandomUniformInt", "RandomStandardNormal",
        "ParameterizedTruncatedNormal", "TruncatedNormal", "RandomShuffle", "Multinomial", "RandomGamma",
        "RandomGammaGrad", "RandomPoisson", "RandomPoissonV2",
    )
)  # fmt: skip


def part_name(scope: str, part: str, graph: Graph) -> str:
    """A name for a part of the op that a name scope belongs to."""
    while True:
        name = f"{scope}{part}_{next(_numbers)}".replace("/", "_")
        if name not in graph._functions:
            return name


class Part(FunctionGraph):
    """One function of an `If`, `Case` or `While` op.

    Args:
        name: its name in the library of `outer`.
        outer: the graph of the op.
        role: what messages call it: `true_fn`.
    """

    def __init__(self, name: str, outer: Graph, role: str) -> None:
        super().__init__(name, outer, copies_constants=False)
        self.role = role
        self.control_captures: dict[Operation, None] = {}  # ops outside that ops in the part are to run after
        self.structure: Any = None  # what the Python function gave, as tensors
        self.orders_effects = getattr(outer, "orders_effects", False)  # as in a `tf.function`
        self._builds_by_functions = True
        self._variable_creator_stack = outer._variable_creator_stack
        self._colocation_stack = list(outer._colocation_stack)
        for key in ("variable store", "variable scopes"):
            if key in outer._attachments:
                self._attachments[key] = outer._attachments[key]

    def capture(self, t: Tensor) -> Tensor:
        found = self.captures.get(t)
        if found is None:
            found = self.captures[t] = self._taken_as_argument(t)
            self.arguments.append(found)
            self._outside[found] = t
        return found

    def _taken_as_argument(self, t: Tensor) -> Tensor:
        around: Any = self.outer_graph
        while around is not t.graph:
            if not isinstance(around, FunctionGraph):
                if isinstance(t.graph, Part):
                    raise ValueError(f"Tensor {t.name} in {t.graph.role} is accessed from {self.role}.")
                raise ValueError(f"{t.name} is of another graph than {self.role}, which takes it")
            around = around.outer_graph
        return self.placeholder_like(t)

    def control_dependencies(self, control_inputs: Any) -> Any:
        """As that of any graph. Ops outside are left to the op that calls the function: it has to run after them."""
        if control_inputs is None:
            return super().control_dependencies(None)
        inside = []
        for c in control_inputs:
            element = c._as_graph_element() if hasattr(c, "_as_graph_element") else c
            element = getattr(c, "op", c) if element is None or hasattr(c, "indices") else element
            op = element.op if isinstance(element, Tensor) else element
            if isinstance(op, Operation) and op.graph is not self:
                self.control_captures[op] = None
            else:
                inside.append(c)
        return super().control_dependencies(inside)

    def build(
        self, function: Callable[..., Any], arguments: Sequence[tuple[DType, Shape, str, Any]], of_op: Tensor | None
    ) -> list[Tensor]:
        """Call `function` with new arguments; what it gives becomes the results.

        Args:
            arguments: type, static shape, name and handle data of each argument.
            of_op: what an op among the results gives: an `Identity` of this, that waits for the op.
        """
        scope = get_variable_scope()
        use_resource = scope.use_resource
        with self.as_default():
            given = []
            for kind, shape, name, data in arguments:
                given.append(self.argument(kind, shape, name))
                given[-1]._handle_data = data
            scope.set_use_resource(True)
            try:
                found = function(*given)
                self.structure = map_structure(
                    lambda x: self._result(x, function, of_op), found, expand_composites=True
                )
                if self.orders_effects:
                    self._order_effects()
            finally:
                scope.set_use_resource(use_resource)
            flat = [as_flow(x) for x in flatten(self.structure, expand_composites=True) if x is not None]
            self.finish(flat)
        return self.results

    def _order_effects(self) -> None:
        """Let the ops on one resource run in the order of the program, and the results come after all that act."""
        last: dict[Tensor, Operation] = {}
        acting = []
        for op in self._ops:
            if op.type in _WITHOUT_EFFECT or not (op.opdef.is_stateful or self._is_function(op.type)):
                continue
            acting.append(op)
            for t in dict.fromkeys(t for t in op.inputs if t.dtype is dtypes.resource):
                if t in last:
                    op._add_control_input(last[t])
                last[t] = op

        def after_all(x: Any) -> Any:
            if x is None:
                return None
            with control_dependencies(acting):
                return x.identity() if isinstance(x, TensorArray) else identity(x)

        self.structure = map_structure(after_all, self.structure, expand_composites=True)

    def _result(self, x: Any, function: Callable[..., Any], of_op: Tensor | None) -> Any:
        if x is None or isinstance(x, TensorArray):
            return x
        if isinstance(x, Operation) and of_op is not None:
            with control_dependencies([x]):
                return identity(of_op)
        try:
            return convert_to_tensor(x)
        except (ValueError, TypeError):
            raise TypeError(
                f"{self.role} must return zero or more Tensors; {function} returned a value of type "
                f"{type(x).__name__}, which is not a Tensor."
            ) from None

    def add_to_library(self) -> str:
        """Make the part a function of the library; gives its name."""
        self.outer_graph._functions[self.function_name] = self
        return self.function_name

    @property
    def does_something(self) -> bool:
        """Whether an op in it is stateful."""
        return any(op.opdef.is_stateful and op.type != "Placeholder" for op in self._ops)


def packed(structure: Any, tensors: Sequence[Tensor]) -> Any:
    """`tensors` in the form of `structure`; flows of arrays become arrays."""
    originals = flatten(structure, expand_composites=True)
    values = iter(tensors)
    flat = [None if x is None else next(values) for x in originals]
    return pack_sequence_as(structure, as_arrays(originals, flat), expand_composites=True)


def controls_of(parts: Sequence[Part]) -> Any:
    """The block in which the op of these parts is made: it runs after what ops in them have to run after."""
    return get_default_graph().control_dependencies([op for part in parts for op in part.control_captures])


def finished(made: Any, results: Sequence[Tensor]) -> list[Tensor]:
    """An `Identity` for each output of an op of functions, which describes it; the op itself cannot be fetched."""
    outputs = list(made) if isinstance(made, list | tuple) else [made]
    op = outputs[0].op
    op.attrs["_lower_using_switch_merge"] = True
    for t, result in zip(outputs, results, strict=True):
        t._handle_data = result._handle_data
    return [identity(t) for t in outputs]
