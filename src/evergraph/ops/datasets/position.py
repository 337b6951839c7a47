"""Where an iterator is, as a value that goes into a checkpoint: `SerializeIterator`, `DeserializeIterator`.

A position is the datasets that the iterator goes through, each as the op that made it with the values of that op's
inputs (so nothing of the graph or of what was fed is needed later); the functions they call; the seeds of those that
draw; and how many elements have been given.

    NodeDef "n0"  Const                                 the value of an input
    NodeDef "n2"  ShuffleDataset(n1, n0, ...), _seeds   a dataset

Going to a position means to make the datasets again, in any session, and go through as many elements: what comes next
is then what would have come next, whatever the datasets do, if they do the same each time. That takes as long as going
through those elements takes; TensorFlow, in exchange, can only save iterators whose every part knows how.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from evergraph.formats import messages
from evergraph.formats.function_def import references, to_function_def
from evergraph.formats.graphdef import attr_from_proto, attr_to_proto
from evergraph.formats.tensors import array_to_proto, proto_to_array
from evergraph.formats.variants import StoredVariant
from evergraph.framework import dtypes, errors, opdefs
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph
from evergraph.framework.shapes import Shape
from evergraph.ops.datasets import tf_positions
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, as_array
from evergraph.ops.datasets.iterators import NamedIterator
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running

_TYPE = "evergraph.Iterator"
_HARMLESS = frozenset(("Assert", "CheckNumerics", "Placeholder", "Print", "PrintV2"))


def _scalar(*_: Any) -> Shape:
    return ()


@op("SerializeIterator", host=True, session=True, differentiable=False, shape=_scalar)
def serialize_iterator(xp: Any, resource_handle: Any, *, run: Running) -> StoredVariant:
    """The position of an iterator.

    Raises:
        FailedPreconditionError: if it has not been initialised, or goes through something that lives in its session.
    """
    iterator = _named(resource_handle)
    with iterator.lock:
        if iterator.dataset is None:
            run.check()
            raise kernel_error(
                "Save() failed because the iterator has not been initialized. Ensure that you have run the initializer "
                "operation for this iterator before saving it.",
                errors.FailedPreconditionError,
            )
        return position_of(iterator.dataset, iterator.graph, iterator.given)


@op("DatasetToGraph", host=True, session=True, differentiable=False, shape=_scalar)
def dataset_to_graph(xp: Any, input_dataset: Any, *, run: Running) -> np.ndarray:
    """What a dataset is made of, as a serialized `GraphDef`.

    Raises:
        FailedPreconditionError: if it goes through something that lives in its session.
    """
    message = messages.GraphDef()
    last = _Writer(message).dataset(input_dataset)
    _add_functions(message, run.op.graph)
    message.node.add(name="dataset", op="_Retval", input=[last])
    return as_array(message.SerializeToString())


@op("DeserializeIterator", host=True, session=True, differentiable=False)
def deserialize_iterator(xp: Any, resource_handle: Any, serialized: Any, *, run: Running) -> None:
    """Go to a position; the iterator need not have been initialised.

    Raises:
        InvalidArgumentError: for the position of an iterator over elements of other types, or what is none of ours.
    """
    iterator = _named(resource_handle)
    if isinstance(serialized, StoredVariant) and serialized.type_name == tf_positions.TYPE:
        _go_where_tensorflow_was(iterator, serialized, run)
        return
    dataset, graph, given = _datasets_at(serialized, run)
    iterator.initialize(dataset, run, graph)
    iterator.advance(given, run)


def _go_where_tensorflow_was(iterator: NamedIterator, position: StoredVariant, run: Running) -> None:
    """Go to a position that TensorFlow 1.15 saved, which says nothing of the datasets: those are the iterator's own."""
    dataset, graph = iterator.dataset, iterator.graph
    if dataset is None:
        raise kernel_error(
            "Restore() failed because the iterator has not been initialized. Ensure that you have run the initializer "
            "operation for this iterator before restoring it.",
            errors.FailedPreconditionError,
        )
    context = Context(_in_graph(run, graph))
    try:
        given = tf_positions.given_before(position, dataset, context)
    finally:
        context.close()
    iterator.initialize(dataset, run, graph)
    iterator.advance(given, run)


def _in_graph(run: Running, graph: Any) -> Running:
    """`run`, with the functions of `graph`."""
    return run.at(SimpleNamespace(graph=graph, inputs=(), name="DeserializeIterator"))  # type: ignore[arg-type]


def _named(iterator: Any) -> NamedIterator:
    if not isinstance(iterator, NamedIterator):
        raise kernel_error(f"not an iterator: {iterator!r}")
    return iterator


# Datasets as a message


def position_of(dataset: Dataset, graph: Any, given: int) -> StoredVariant:
    """The position behind `given` elements of `dataset`, whose functions are in the library of `graph`."""
    message = messages.GraphDef()
    _Writer(message).dataset(dataset)
    _add_functions(message, graph)
    return StoredVariant(_TYPE, message.SerializeToString(), [np.array(given, np.int64)])


def _add_functions(message: Any, graph: Any) -> None:
    """Add the functions that are called; those with ops that keep something or draw would not do the same again."""
    waiting = [named.name for node in message.node for named in references(node)]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in graph._functions:
            continue
        seen.add(name)
        function = graph._functions[name]
        message.library.function.append(to_function_def(function) if isinstance(function, FunctionGraph) else function)
        for node in message.library.function[-1].node_def:
            opdef = opdefs.lookup(node.op)
            if opdef is not None and opdef.is_stateful and not _makes_a_dataset(node.op) and node.op not in _HARMLESS:
                raise _unsaveable(f"function {name!r} has the stateful op {node.name!r} of type {node.op}")
            waiting.extend(named.name for named in references(node))


def _makes_a_dataset(kind: str) -> bool:
    return kind.endswith(("Dataset", "DatasetV2", "DatasetV3"))


class _Writer:
    """Adds datasets to a message, each once, inputs first."""

    def __init__(self, message: Any) -> None:
        self._message = message
        self._names: dict[int, str] = {}
        self._kept: list[Any] = []  # so that no two of those written have one id

    def dataset(self, dataset: Dataset) -> str:
        known = self._names.get(id(dataset))
        if known is not None:
            return known
        if dataset.origin is None:
            raise _unsaveable(f"nothing says how {dataset!r} was made")
        kind, inputs, attrs = dataset.origin
        names: list[str] = []
        lengths = []
        for value in inputs:
            listed = isinstance(value, tuple | list)
            lengths.append(len(value) if listed else -1)
            names.extend(self._value(v, kind) for v in (value if listed else (value,)))
        node = self._add(kind, dataset)
        node.input.extend(names)
        node.attr["_lengths"].list.i.extend(lengths)
        opdef = opdefs.lookup(kind)
        assert opdef is not None
        for key, value in attrs.items():
            node.attr[key].CopyFrom(attr_to_proto(value, opdef.attr_map[key].type))
        seeds = getattr(dataset, "seeds", None)
        if seeds is not None:
            node.attr["_seeds"].list.i.extend(int(np.int64(np.uint64(seed & 2**64 - 1))) for seed in seeds)
        return str(node.name)

    def _value(self, value: Any, kind: str) -> str:
        if isinstance(value, Dataset):
            return self.dataset(value)
        array = np.asarray(as_array(value))
        try:
            made = array_to_proto(array, int(dtypes.as_dtype(array.dtype)))
        except (TypeError, ValueError):
            raise _unsaveable(f"an input of {kind} is {value!r}") from None
        node = self._add("Const", value)
        node.attr["value"].tensor.CopyFrom(made)
        return str(node.name)

    def _add(self, kind: str, value: Any) -> Any:
        node = self._message.node.add(name=f"n{len(self._message.node)}", op=kind)
        if isinstance(value, Dataset):
            self._names[id(value)] = node.name
            self._kept.append(value)
        return node


def _unsaveable(why: str) -> errors.OpError:
    return kernel_error(f"the position of this iterator cannot be saved: {why}", errors.FailedPreconditionError)


def _datasets_at(position: Any, run: Running) -> tuple[Dataset, Graph, int]:
    """The datasets of a position, a graph with their functions, and how many elements are behind it."""
    if not isinstance(position, StoredVariant) or position.type_name != _TYPE:
        found = position.type_name if isinstance(position, StoredVariant) else repr(position)
        raise kernel_error(f"not a position that Evergraph saved, but {found}: start the iterator anew")
    try:
        message = messages.GraphDef.FromString(position.metadata)
        (given,) = position.tensors
        graph = Graph()
        for function in message.library.function:
            graph._functions[function.signature.name] = function
        here = _in_graph(run, graph)
        values: dict[str, Any] = {}
        for node in message.node:
            values[node.name] = value = _made(node, values, here)
        if not isinstance(value, Dataset) or given < 0:
            raise ValueError("its last value is no dataset")
        return value, graph, int(given)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, UnboundLocalError) as error:
        raise kernel_error(f"a damaged position of an iterator: {error}", errors.DataLossError) from None


def _made(node: Any, values: dict[str, Any], run: Running) -> Any:
    if node.op == "Const":
        return proto_to_array(node.attr["value"].tensor)
    opdef = opdefs.usable(node.op)
    if opdef is None or opdef.kernel is None or not _makes_a_dataset(node.op):
        raise ValueError(f"{node.op} makes no dataset")
    found = [values[name] for name in node.input]
    inputs: list[Any] = []
    for length in node.attr["_lengths"].list.i:
        inputs.append(found.pop(0) if length < 0 else tuple(found.pop(0) for _ in range(length)))
    attrs = {key: attr_from_proto(node.attr[key]) for key in opdef.kernel_attrs}
    if opdef.session:
        attrs["run"] = run
    made = opdef.kernel(np, *inputs, **attrs)
    if "_seeds" in node.attr:
        made.seeds = _seeds(node.attr["_seeds"].list.i)
    return made


def _seeds(stored: Sequence[int]) -> tuple[int, int]:
    first, second = stored
    return first, second
