"""Records that a function parses one by one, parsed a batch at a time.

    map(lambda s: f(parse_single_example(s, features))).batch(128)

parses 128 records with one call of the kernel of `ParseExample`, which takes a fraction of the time of 128 calls of
`ParseSingleExample`, and then calls the rest of the function for each. Whatever fails this way is done again one by
one, so that errors are those of the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework.operation import Operation
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Element, as_array
from evergraph.ops.datasets.mapping import Captured
from evergraph.ops.opdef import constant_value
from evergraph.ops.parsing.examples import parse_example_op


class ParseAhead:
    """The function of a map whose body begins with one `ParseSingleExample` of fixed-length features."""

    def __init__(self, captured: Captured, body: Any, parse: Operation, defaults: list[Any]) -> None:
        self._captured, self._body, self._parse, self._defaults = captured, body, parse, defaults
        self._component = body.arguments.index(parse.inputs[0])
        self._keys = [as_array(key) for key in parse.attrs["dense_keys"]]
        self._names = np.empty(0, object)
        outputs = {t: i for i, t in enumerate(parse.outputs)}
        # The places of the results among the features, if the function gives features as they are.
        self._columns: list[int] | None = None
        if all(t in outputs for t in body.results):
            self._columns = [outputs[t] for t in body.results]

    def bound(self, context: Context) -> BoundParse:
        rest = None
        if self._columns is None:
            rest = context.library.bound(self._captured.graph, self._captured.function, self._parse.outputs)
        return BoundParse(self, rest)

    def parsed(self, elements: Sequence[Element]) -> list[Any]:
        """The features of the records in some elements, a column each."""
        serialized = np.empty(len(elements), object)
        at = self._component
        serialized[:] = [e[at] if type(e[at]) is bytes else e[at][()] for e in elements]
        attrs = self._parse.attrs
        kernel = parse_example_op.opdef.kernel
        assert kernel is not None
        return kernel(
            np,
            serialized,
            self._names,
            (),
            self._keys,
            self._defaults,
            sparse_types=[],
            Tdense=attrs["Tdense"],
            dense_shapes=attrs["dense_shapes"],
        )


class BoundParse:
    """`ParseAhead` in a context."""

    def __init__(self, ahead: ParseAhead, rest: Any) -> None:
        self._ahead, self._rest = ahead, rest

    def batch(self, elements: Sequence[Element]) -> Element | None:
        """The batch of what the function gives for elements, if it gives features as they are."""
        places = self._ahead._columns
        if places is None:
            return None
        columns = self._ahead.parsed(elements)
        return tuple([columns[i] for i in places])

    def results(self, elements: Sequence[Element]) -> list[list[Any]]:
        """What the function gives for each element."""
        columns = self._ahead.parsed(elements)
        captured, rest = self._ahead._captured.values, self._rest
        made = []
        for element, *features in zip(elements, *columns, strict=True):
            arguments = [*element, *captured, *features]
            made.append(rest([as_array(a) if type(a) is bytes else a for a in arguments]))
        return made


def parse_ahead(captured: Captured) -> ParseAhead | None:
    """How to parse ahead for a function, if its body allows it."""
    body = captured.graph._functions.get(getattr(captured.function, "name", captured.function))
    parses = [op for op in getattr(body, "_ops", ()) if op.type == "ParseSingleExample"]
    if len(parses) != 1:
        return None
    (parse,) = parses
    fixed = all(shape is not None and None not in shape for shape in parse.attrs["dense_shapes"])
    caller_gives = len(body.arguments) - len(captured.values)
    if parse.attrs["sparse_keys"] or not fixed or parse.inputs[0] not in body.arguments[:caller_gives]:
        return None
    if parse._control_inputs:
        return None
    if any(op.opdef.is_stateful and op.type != "Placeholder" for op in body._ops):
        return None  # an error would make it do things twice
    defaults = [_constant(t) for t in parse.inputs[1:]]
    if any(value is None for value in defaults):
        return None
    return ParseAhead(captured, body, parse, defaults)


def _constant(t: Any) -> Any:
    found = constant_value(t)
    if found is None and t.op.type == "Reshape" and t.static_shape is not None and None not in t.static_shape:
        inner = constant_value(t.op.inputs[0])
        found = None if inner is None else inner.reshape(t.static_shape)
    return found
