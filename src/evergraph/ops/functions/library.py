"""Functions made from `FunctionDef` messages, and a part of a graph written as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.formats import messages
from evergraph.formats.function_def import function_def_of
from evergraph.formats.functions import from_function_def
from evergraph.framework import dtypes
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph, get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.functions.defun import DefinedFunction


class ImportedFunction(DefinedFunction):
    """A function that a `FunctionDef` describes."""

    def __init__(self, definition: Any, grad_func: DefinedFunction | None = None) -> None:
        self._proto = messages.FunctionDef.FromString(definition.SerializeToString())
        signature = self._proto.signature
        kinds = [dtypes.as_dtype(int(arg.type)) for arg in signature.input_arg]
        super().__init__(lambda: None, kinds, signature.name, grad_func)

    @property
    def name(self) -> str:
        return self._proto.signature.name

    @property
    def definition(self) -> Any:
        return messages.FunctionDef.FromString(self._proto.SerializeToString())

    @property
    def captured_inputs(self) -> list[Tensor]:
        return []

    def _build(self) -> None:
        outer = get_default_graph()
        self._body = from_function_def(self._proto, outer)
        self.add_to_graph(outer)

    def add_to_graph(self, g: Graph) -> None:
        known = g._functions.get(self.name)
        if known is None:
            g._functions[self.name] = self.definition
            if self._grad_func is not None:
                self._grad_func.add_to_graph(g)
                while isinstance(g, FunctionGraph):
                    g = g.outer_graph
                g._attachments.setdefault("gradient functions", {})[self.name] = self._grad_func.name


def from_definition(fdef: Any, grad_func: DefinedFunction | None = None) -> DefinedFunction:
    """The function that a `FunctionDef` describes; `grad_func` gives its gradients."""
    return ImportedFunction(fdef, grad_func)


def from_library(lib: Any) -> list[DefinedFunction]:
    """The functions of a `FunctionDefLibrary`.

    Raises:
        ValueError: if one is named as a gradient and missing, or if functions are each other's gradients.
    """
    definitions = {fdef.signature.name: fdef for fdef in lib.function}
    gradients = {pair.function_name: pair.gradient_func for pair in lib.gradient}
    for name in (*gradients, *gradients.values()):
        if name not in definitions:
            raise ValueError(f"FunctionDefLibrary missing '{name}' FunctionDef\n{lib}")
    made: dict[str, DefinedFunction] = {}
    waiting = list(definitions)
    while waiting:
        ready = [name for name in waiting if gradients.get(name) is None or gradients[name] in made]
        if not ready:
            raise ValueError(f"FunctionDefLibrary contains cyclic gradient functions!\n{lib}")
        for name in ready:
            made[name] = ImportedFunction(definitions[name], made.get(gradients.get(name, "")))
        waiting = [name for name in waiting if name not in made]
    return list(made.values())


def graph_to_function_def(
    graph: Graph,
    operations: Sequence[Operation],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    out_names: Sequence[str] | None = None,
) -> Any:
    """The `FunctionDef`, without a name, of `operations`: from the tensors `inputs` to the tensors `outputs`.

    Raises:
        ValueError: if there are names for the results, but not one for each.
    """
    if out_names and len(out_names) != len(outputs):
        raise ValueError(f"Length of out_names ({len(out_names)}) does not match number of outputs ({len(outputs)})")
    return function_def_of("", operations, inputs, outputs, out_names)
