"""Python functions of elements as functions of the graph's library.

    lambda x, y: ...        called once, with the element that the arguments of a new body make up
    body                    one argument per tensor of the element; one result per tensor of what came back

What the body takes from the graph around it are further arguments: `captured_inputs`, which the dataset op gets.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import evergraph.data.structure as structure
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

_numbers = itertools.count()


class GraphFunction:
    """A function of a graph's library, as the attribute of an op."""

    def __init__(self, body: FunctionGraph) -> None:
        self.graph = body
        self.name = body.function_name

    @property
    def captured_inputs(self) -> list[Tensor]:
        return self.graph.captured

    def add_to_graph(self, graph: Any) -> None:
        graph._functions[self.name] = self.graph


def function_name(func: Any) -> str:
    """The name that TF's tools show for a function."""
    inner = getattr(func, "func", func) if not hasattr(func, "__name__") else func
    return getattr(inner, "__name__", type(inner).__name__)


_WITHOUT_EFFECT = frozenset(("Placeholder", "VarHandleOp"))


def _order_effects(body: FunctionGraph) -> None:
    """Make the ops of a body that use the same resource run in the order in which the program built them."""
    last: dict[Tensor, Operation] = {}
    for op in body._ops:
        if op.type in _WITHOUT_EFFECT or not op.opdef.is_stateful:
            continue
        for t in op.inputs:
            if t.dtype is dtypes.resource:
                before = last.get(t)
                if before is not None:
                    op._add_control_input(before)
                last[t] = op


class StructuredFunction:
    """A function of an element.

    Args:
        func: the Python function. It gets a tuple's parts as arguments of their own.
        transformation: what it is for, as messages name it.
        input_structure: the structure of its argument.
        add_to_graph: whether it becomes part of the default graph's library at once.

    Raises:
        TypeError: if what it returns is nothing that a dataset can hold.
    """

    def __init__(
        self, func: Callable[..., Any], transformation: str, input_structure: Any, add_to_graph: bool = True
    ) -> None:
        outer = get_default_graph()
        readable = transformation.replace(".", "_")[:-2] if len(transformation) > 2 else ""
        name = f"__inference_{readable}_{function_name(func)}_{next(_numbers)}"
        body = FunctionGraph(name, outer, copies_constants=False)
        with body.as_default():
            arguments = [
                body.argument(spec.dtype, spec.shape._sizes, "args_" + str(i))
                for i, spec in enumerate(structure.get_flat_tensor_specs(input_structure))
            ]
            nested = structure.from_compatible_tensor_list(input_structure, arguments)
            result = func(*nested) if type(nested) is tuple else func(nested)
            if isinstance(result, list):
                result = tuple(result)
            try:
                self.output_structure = structure.type_spec_from_value(result)
            except (ValueError, TypeError):
                raise TypeError(
                    f"Unsupported return value from function passed to {transformation}: {result}."
                ) from None
            results = structure.to_tensor_list(self.output_structure, result)
            body.finish([convert_to_tensor(t) for t in results])
        _order_effects(body)
        if outer.seed and body.seed == outer.seed and body._attachments.get("uses seed"):
            warnings.warn(
                f"Seed {outer.seed} from outer graph might be getting used by function {name}, if the random op has "
                "not been provided any seed. Explicitly set the seed in the function if this is not the intended "
                "behavior.",
                stacklevel=4,
            )
        self.function = GraphFunction(body)
        if add_to_graph:
            self.function.add_to_graph(outer)

    @property
    def captured_inputs(self) -> list[Tensor]:
        return self.function.captured_inputs

    @property
    def output_classes(self) -> Any:
        return structure.legacy_classes(self.output_structure)

    @property
    def output_shapes(self) -> Any:
        return structure.legacy_shapes(self.output_structure)

    @property
    def output_types(self) -> Any:
        return structure.legacy_types(self.output_structure)
