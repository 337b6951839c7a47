"""Functions of a graph's library, as datasets hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import as_array
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running

Function = Callable[[Sequence[Any]], list[Any]]

# Of the ops that are stateful by name, and of those that make datasets, the ones that only read.
_PLAIN = frozenset(
    "FixedLengthRecordDataset FixedLengthRecordDatasetV2 Placeholder RangeDataset TensorDataset TensorSliceDataset "
    "TextLineDataset TFRecordDataset".split()
)


class Captured:
    """A function of a graph's library with the values it captured: those follow the arguments of each call."""

    def __init__(self, run: Running, function: Any, values: Sequence[Any]) -> None:
        self.graph, self.function = run.op.graph, function
        self.values = list(values)
        if any(value is None for value in self.values):
            self._check_references(run.op)

    def _check_references(self, op: Operation) -> None:
        """A variable without value may be captured as a resource, which the body reads; not by its value."""
        for t in op.inputs:
            if t.dtype._is_ref_dtype:
                raise kernel_error(f"Attempting to use uninitialized value {t.op.name}", errors.FailedPreconditionError)

    def bound(self, context: Context) -> Function:
        """The function of an element, in a context."""
        function, values = context.function(self.graph, self.function), self.values

        def call(element: Sequence[Any]) -> list[Any]:
            arguments = [as_array(c) if type(c) is bytes else c for c in element]
            return function(arguments + values if values else arguments)

        return call

    @property
    def is_pure(self) -> bool:
        """Whether calls of the function can only be told by their results, and do not wait."""
        body = self.graph._functions.get(getattr(self.function, "name", self.function))
        ops = getattr(body, "_ops", None)
        return ops is not None and all(
            op.type in _PLAIN if op.opdef.is_stateful or op.type.endswith("Dataset") else op.type != "PyFuncStateless"
            for op in ops
        )

    def op_types(self) -> set[str]:
        """The types of the ops in the function's body, when that was built in this process."""
        body = self.graph._functions.get(getattr(self.function, "name", self.function))
        return {op.type for op in getattr(body, "_ops", ())}
