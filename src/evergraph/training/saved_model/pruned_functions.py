"""Parts of a graph as functions of another graph's library.

the graph      x ──► Mul ──► y          prune("x:0", "y:0")      a function from x, and the handle of v, to y
               v ────┘
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from evergraph.formats.function_def import function_def_of
from evergraph.framework import nest
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec, type_spec_from_value
from evergraph.training.saved_model.restored_functions import LibraryFunction, SignatureFunction
from evergraph.training.saved_model.signatures import get_element_from_tensor_info, get_tensor_from_tensor_info

_numbers = itertools.count()


class UnliftableError(Exception):
    """A part of a graph that no function can be made of: it needs a value that nobody gives."""


class PrunedFunction(SignatureFunction):
    """A part of a graph as a function. It takes the feeds by position, or by the names of their ops.

    Args:
        function: the function of the library.
        graph: the graph that it is a part of.
        inputs, outputs: the tensors of the graph that it takes and gives: the feeds first.
        count: how many feeds there are.
    """

    def __init__(
        self, function: LibraryFunction, graph: Graph, inputs: Sequence[Tensor], outputs: Sequence[Tensor], count: int
    ) -> None:
        super().__init__(function, [t.op.name for t in inputs[:count]], count)
        self._graph, self._inputs, self._outputs = graph, inputs, outputs

    def under_names(self, keywords: Sequence[str]) -> PrunedFunction:
        """The same, with other names for the feeds; only a single one may be given by position."""
        made = PrunedFunction(self._function, self._graph, self._inputs, self._outputs, len(keywords))
        made._keywords, made._positional = list(keywords), int(len(keywords) == 1)
        made._specs = dict(zip(keywords, self._specs.values(), strict=True))
        return made

    def _wanted(self, name: str) -> TensorSpec:
        return TensorSpec(None, self._specs[name].dtype)  # shapes of placeholders are no more than a hint

    @property
    def inputs(self) -> list[Tensor]:
        """The feeds, and the handles of variables."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[Tensor]:
        return list(self._outputs)

    @property
    def graph(self) -> Graph:
        """The graph that this is a part of."""
        return self._graph

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        Returns:
            The fetches; if there is no tensor among them, the op of the call in the place of each.

        Raises:
            TypeError: for arguments that are missing, or too many, or do not fit.
        """
        made = super().__call__(*args, **kwargs)
        if isinstance(made, Operation):
            return nest.map_structure(lambda _: made, self.structured_outputs)
        return made


class WrappedGraph:
    """A graph that was loaded, apart from the default graph, where functions are made of its parts.

    Args:
        graph: the graph.
        outside: the graph whose library the functions go to.
        handles: the handles of its variables, and what stands for them outside.
    """

    def __init__(self, graph: Graph, outside: Graph, handles: Mapping[Tensor, Tensor]) -> None:
        self.graph, self._outside, self._handles = graph, outside, handles

    def prune(self, feeds: Any, fetches: Any, name: str | None = None, input_signature: Any = None) -> PrunedFunction:
        """Make a function of a part of the graph.

        Args:
            feeds: tensors of the graph, or their names, in any structure.
            fetches: tensors, ops, their names, or `TensorInfo` messages, in any structure.
            name: part of the function's name.
            input_signature: kept for TF's signature.

        Raises:
            KeyError: if the graph has no such tensor or op.
            ValueError: for a tensor of another graph, or a feed that is none.
            UnliftableError: if a fetch depends on a placeholder that is not fed.
        """
        given = [self.graph.as_graph_element(feed) for feed in nest.flatten(feeds, expand_composites=True)]
        for t in given:
            if not isinstance(t, Tensor):
                raise ValueError(f"Feeds must be tensors; {t} is an op.")
        given = [t for t in given if t not in self._handles]
        shapes: dict[Tensor, TensorShape] = {}
        structure = nest.map_structure(lambda fetch: self._element(fetch, shapes), fetches)
        flat = nest.flatten(structure, expand_composites=True)
        for element in (*given, *flat):
            if element.graph is not self.graph:
                raise ValueError(
                    f"Can only prune function whose feeds and fetches are from this graph ({self.graph}). Input "
                    f"{element} is from graph {element.graph}"
                )
        results = [t for t in flat if isinstance(t, Tensor)]
        ops, handles = self._part(flat, given)
        inputs = [*given, *handles]
        function_name = f"__inference_{name or 'pruned'}_{next(_numbers)}"
        while function_name in self._outside._functions:
            function_name = f"__inference_{name or 'pruned'}_{next(_numbers)}"
        acting = [x for x in dict.fromkeys(flat) if isinstance(x, Operation)]
        definition = function_def_of(function_name, ops, inputs, results, control_results=acting)
        _forget_places(definition)
        self._outside._functions[function_name] = definition
        keywords = [t.op.name for t in given]
        specs = {key: TensorSpec(t.shape, t.dtype.base_dtype, key) for key, t in zip(keywords, given, strict=True)}
        arguments: Any = (tuple(specs.values()), {})
        outputs = nest.map_structure(lambda element: _spec_of(element, shapes), structure)
        made = LibraryFunction(definition.signature, arguments, outputs)
        made.captures = [self._handles[t] for t in handles]
        return PrunedFunction(made, self.graph, inputs, results, len(given))

    def _element(self, fetch: Any, shapes: dict[Tensor, TensorShape]) -> Any:
        """The tensor or op that is meant; what a message knows of a tensor's shape goes to `shapes`."""
        if not hasattr(fetch, "WhichOneof"):
            return fetch if isinstance(fetch, Operation) else self.graph.as_graph_element(fetch)
        if fetch.WhichOneof("encoding") != "name":
            return get_tensor_from_tensor_info(fetch, self.graph)
        found = get_element_from_tensor_info(fetch, self.graph)
        if isinstance(found, Tensor):
            shapes[found] = TensorShape(fetch.tensor_shape)
        return found

    def _part(self, fetches: Sequence[Any], given: Sequence[Tensor]) -> tuple[list[Operation], list[Tensor]]:
        """The ops from `given` to `fetches`, in the order in which they were made, and the handles that they take."""
        fed, handles = frozenset(given), dict.fromkeys(t for t in fetches if t in self._handles)
        reader: dict[Operation, Operation | None] = {}  # to the one that it was found from
        waiting: list[tuple[Operation, Operation | None]] = [
            (x.op if isinstance(x, Tensor) else x, None) for x in fetches if x not in fed and x not in self._handles
        ]
        while waiting:
            op, after = waiting.pop()
            if op in reader:
                continue
            reader[op] = after
            if op.type == "Placeholder":
                raise UnliftableError(_unfed(op, reader))
            for t in op.inputs:
                if t in self._handles:
                    handles[t] = None
                elif t not in fed:
                    waiting.append((t.op, op))
            known = (c for c in op._control_inputs if not any(t in fed or t in self._handles for t in c.outputs))
            waiting += [(c, op) for c in known]
        for t in given:
            if t.op in reader and len(t.op.outputs) > 1:
                raise ValueError(
                    f"{t.name} is fed, and other outputs of its op are needed: feed all outputs of {t.op.name!r}, or "
                    "none"
                )
        return sorted(reader, key=lambda op: op._id), list(handles)


def _forget_places(definition: Any) -> None:
    """Take out colocation with ops that are not in the function."""
    here = {f"loc:@{node.name}".encode() for node in definition.node_def}
    for node in definition.node_def:
        if "_class" in node.attr and not here.issuperset(node.attr["_class"].list.s):
            del node.attr["_class"]


def _unfed(op: Operation, reader: Mapping[Operation, Operation | None]) -> str:
    path, at = [op], reader[op]
    while at is not None:
        path.append(at)
        at = reader[at]
    fetched = path[-1].outputs[0] if path[-1].outputs else path[-1]
    way = " <- ".join(f"{step.name} ({step.type})" for step in reversed(path))
    return (
        f"Unable to lift tensor {fetched!r} because it depends transitively on placeholder {op!r} via at least one "
        f"path, e.g.: {way}"
    )


def _spec_of(element: Any, shapes: Mapping[Tensor, TensorShape]) -> Any:
    if isinstance(element, Operation):
        return None
    if not isinstance(element, Tensor):
        return type_spec_from_value(element)
    shape = element.shape
    if element in shapes and shape.is_compatible_with(shapes[element]):
        shape = shape.merge_with(shapes[element])
    return TensorSpec(shape, element.dtype.base_dtype)
