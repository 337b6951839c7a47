"""`tf.import_graph_def`: the ops of a GraphDef message added to a graph.

Imported ops keep their names (under a prefix), types, attributes and order; attributes that a writer left out at
their defaults come back.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from evergraph.formats import large_constants, messages
from evergraph.formats.function_def import call_opdef
from evergraph.formats.graphdef import attr_from_proto
from evergraph.framework import convert, errors, opdefs, shapes
from evergraph.framework.api import public
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import GRAPH_DEF_VERSION, Graph, get_default_graph
from evergraph.framework.opdefs import Arg, OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor


@public("import_graph_def", "graph_util.import_graph_def")
def import_graph_def(
    graph_def: Any,
    input_map: Mapping[Any, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Add the ops of a `GraphDef` to the default graph.

    Args:
        graph_def: the message; TensorFlow's own class of it is taken too.
        input_map: names of tensors in `graph_def`, and the tensors to use in their place.
        return_elements: names of ops or tensors in `graph_def` to give back.
        name: a prefix for the names; "import" by default, "" for none.
        op_dict, producer_op_list: accepted for TF's signature.

    Returns:
        What `return_elements` name, or None without them.

    Raises:
        TypeError: if an argument is of the wrong type.
        NotFoundError: if the message names unknown ops; all of them are listed.
        ValueError: if the message misses inputs, has a cycle, or holds
            attributes that do not fit.
    """
    graph_def = _checked_message(graph_def)
    given = {convert.as_text(key): value for key, value in _checked_map(input_map).items()}
    wanted = _checked_elements(return_elements)
    graph = get_default_graph()
    _refuse_unknown_ops(graph_def)
    _refuse_unknown_elements(graph_def, wanted, given)
    if name == "" and any(not isinstance(value, Tensor) for key, value in given.items() if not key.startswith("^")):
        raise ValueError(
            "tf.import_graph_def() requires a non-empty `name` if `input_map` contains non-Tensor values. Try calling "
            "tf.convert_to_tensor() on `input_map` values before calling tf.import_graph_def()."
        )
    if name == "":
        return _Import(graph, graph_def, "", _mapped_tensors(given)).elements(wanted)
    with name_scope(name, "import", list(given.values())) as scope:
        return _Import(graph, graph_def, scope, _mapped_tensors(given)).elements(wanted)


_TENSOR_NAME = re.compile(r"[^:]+:[0-9]+")

# Resources whose ops once had a scalar shape: graphs of then say so, and TF lets them.
_OF_OTHER_SHAPES_ONCE = frozenset(
    (
        "RandomShuffleQueue", "PaddingFIFOQueue", "FIFOQueue", "PriorityQueue", "QueueSize", "Stack", "Barrier",
        "BarrierReadySize", "BarrierIncompleteSize", "HashTable", "MutableHashTable", "MutableHashTableOfTensors",
        "WholeFileReader", "TextLineReader", "FixedLengthRecordReader", "TFRecordReader", "IdentityReader",
        "LMDBReader", "RefSwitch", "RefEnter", "RefNextIteration", "RefMerge", "RefIdentity",
        "ConditionalAccumulator", "SparseConditionalAccumulator",
    )
)  # fmt: skip


def _checked_message(graph_def: Any) -> Any:
    if getattr(getattr(graph_def, "DESCRIPTOR", None), "full_name", "") != "tensorflow.GraphDef":
        raise TypeError("graph_def must be a GraphDef proto.")
    versions = graph_def.versions
    if versions.min_consumer > GRAPH_DEF_VERSION:
        raise ValueError(
            f"GraphDef min consumer version {versions.min_consumer} above current version {GRAPH_DEF_VERSION} for "
            "TensorFlow 1.15.5.  Please upgrade TensorFlow."
        )
    if versions.producer < 0:
        raise ValueError(
            f"GraphDef producer version {versions.producer} below min producer 0 supported by TensorFlow 1.15.5.  "
            "Please regenerate your graph."
        )
    return graph_def


def _checked_map(input_map: Any) -> Mapping[Any, Any]:
    if input_map is None:
        return {}
    if not isinstance(input_map, dict) or not all(isinstance(k, str | bytes) for k in input_map):
        raise TypeError("input_map must be a dictionary mapping strings to Tensor objects.")
    return input_map


def _checked_elements(elements: Any) -> list[str] | None:
    if elements is None:
        return None
    if isinstance(elements, str | bytes) or not all(isinstance(e, str | bytes) for e in elements):
        raise TypeError("return_elements must be a list of strings.")
    return [convert.as_text(e) for e in elements]


def _refuse_unknown_elements(graph_def: Any, wanted: list[str] | None, given: Mapping[str, Any]) -> None:
    if wanted:
        there = {node.name for node in graph_def.node} | {_parsed_input(key)[0] for key in given}
        for text in wanted:
            if ":" in text and not _TENSOR_NAME.fullmatch(text):
                raise ValueError(f"Cannot convert {text!r} to a tensor name.")
            if _parsed_input(text)[0] not in there:
                kind = "tensor" if ":" in text else "node"
                raise ValueError(f"Requested return {kind} {text!r} not found in graph def")


def _mapped_tensors(given: dict[str, Any]) -> dict[str, Any]:
    mapped = {}
    for key, value in given.items():
        mapped[key] = value if key.startswith("^") else convert.convert_to_tensor(value)
    return mapped


def _refuse_unknown_ops(graph_def: Any, known: Container[str] = ()) -> None:
    functions = {f.signature.name for f in graph_def.library.function}
    unknown = dict.fromkeys(
        n.op for n in graph_def.node if opdefs.usable(n.op) is None and n.op not in functions and n.op not in known
    )
    if unknown:
        listed = ", ".join(repr(kind) for kind in unknown)
        raise errors.NotFoundError(
            None,
            None,
            f"Op type not registered {listed}: neither TF 1.15 nor Evergraph has "
            f"{'an op of that name' if len(unknown) == 1 else 'ops of those names'}, so the graph cannot be imported.",
        )


def _parsed_input(text: str) -> tuple[str, int]:
    """`name:index`, `name` or `^name` (index -1)."""
    if text.startswith("^"):
        return text[1:], -1
    name, colon, index = text.rpartition(":")
    if colon and index.isdigit():
        return name, int(index)
    return text, 0


class _Import:
    """One import: the ops made so far, by their names in the message."""

    def __init__(
        self, graph: Graph, graph_def: Any, scope: str, mapped: dict[str, Any], may_be_unused: bool = False
    ) -> None:
        self.graph, self.graph_def, self.scope = graph, graph_def, scope
        self.mapped = {(_parsed_input(key)): value for key, value in mapped.items()}
        self.given = mapped
        self.used: set[tuple[str, int]] = set()
        self.made: dict[str, Operation] = {}
        self.late: list[tuple[Operation, int, str, int]] = []
        self.colocated: list[Operation] = []
        self.readers: dict[str, Any] = {}  # of large constants
        self.renamed: dict[bytes, bytes] = {}  # colocation groups of ops whose names were taken
        for function in graph_def.library.function:
            copied = messages.FunctionDef.FromString(function.SerializeToString())
            graph._functions.setdefault(copied.signature.name, copied)
        for pair in graph_def.library.gradient:
            graph._attachments.setdefault("gradient functions", {}).setdefault(pair.function_name, pair.gradient_func)
        # A message that does not say is of the oldest version there is.
        graph._producer = min(graph._producer, graph_def.versions.producer)
        graph._min_consumer = max(graph._min_consumer, graph_def.versions.min_consumer)
        self.before = len(graph._ops)
        for position in self.order():
            self.add(graph_def.node[position])
        for op, slot, source, index in self.late:
            op._update_input(slot, self.output(op.name, source, index))
        for op in self.made.values() if self.renamed else ():
            if "_class" in op.attrs:
                op.attrs["_class"] = [self.renamed.get(group, group) for group in op.attrs["_class"]]
        for op in self.colocated:
            others = (graph._by_name.get(group[5:].decode()) for group in op.colocation_groups())
            op._device = next((other._device for other in others if other is not None and other._device), "")
        if may_be_unused:
            return
        unused = [key for key, parsed in zip(mapped, self.mapped, strict=True) if parsed not in self.used]
        missing = [key for key in unused if not self.has(*_parsed_input(key))]
        if missing:
            raise ValueError(f"Attempted to map inputs that were not found in graph_def: [{', '.join(missing)}]")

    def order(self) -> list[int]:
        """Positions of the nodes, inputs first; loops may close through NextIteration only."""
        nodes = self.graph_def.node
        position: dict[str, int] = {}
        for i, node in enumerate(nodes):
            if node.name in position:
                raise ValueError(f"Node {node.name!r} is not unique")
            position[node.name] = i
        waiting = [0] * len(nodes)
        readers: dict[int, list[int]] = {}
        for i, node in enumerate(nodes):
            for text in node.input:
                source, index = _parsed_input(text)
                if (source, index) in self.mapped:
                    continue
                at = position.get(source)
                if at is None:
                    raise ValueError(
                        f"Node {node.name!r}: Unknown input node {text!r}. The graph_def may be a part of a larger "
                        "graph."
                    )
                if node.op in ("Merge", "RefMerge") and nodes[at].op in ("NextIteration", "RefNextIteration"):
                    continue
                waiting[i] += 1
                readers.setdefault(at, []).append(i)
        ready = [i for i, n in enumerate(waiting) if n == 0]
        heapq.heapify(ready)
        ordered = []
        while ready:
            i = heapq.heappop(ready)
            ordered.append(i)
            for reader in readers.get(i, ()):
                waiting[reader] -= 1
                if waiting[reader] == 0:
                    heapq.heappush(ready, reader)
        if len(ordered) < len(nodes):
            circle = [nodes[i].name for i, n in enumerate(waiting) if n > 0]
            raise ValueError(
                f"The graph_def has a cycle: {len(circle)} node(s) wait for each other, among them "
                f"{', '.join(map(repr, circle[:5]))}."
            )
        return ordered

    def add(self, node: Any) -> None:
        opdef = opdefs.usable(node.op) or call_opdef(self.graph, node.op)
        assert opdef is not None
        attrs = self.attrs(node, opdef)
        inputs: list[Tensor] = []
        controls: list[Operation] = []
        late: list[tuple[int, str, int]] = []
        for text in node.input:
            source, index = _parsed_input(text)
            if (source, index) in self.mapped:
                self.used.add((source, index))
                value = self.mapped[source, index]
                if index < 0:
                    controls.append(value.op if isinstance(value, Tensor) else value)
                else:
                    inputs.append(value)
            elif source not in self.made:
                late.append((len(inputs), source, index))
                inputs.append(inputs[0])
            elif index < 0:
                controls.append(self.made[source])
            else:
                inputs.append(self.output(node.name, source, index))
        name = self.scope + node.name
        _check_inputs(name, node, opdef, inputs, attrs)
        if self.is_taken(name):
            new = self.graph.unique_name_at_root(name)
            self.renamed[b"loc:@" + name.encode()] = b"loc:@" + new.encode()
            name = new
        known = attrs.pop("_output_shapes", None)
        with self.graph._lock, self.graph.control_dependencies(None), _no_scopes(self.graph):
            op = self.graph.add_op(opdef, tuple(inputs), attrs, name + "/")
        self._remember_name(name)
        for control in controls:
            op._add_control_input(control)
        if op.colocation_groups() != [b"loc:@" + name.encode()]:
            self.colocated.append(op)  # colocation goes before the op's own device and the scopes
        else:
            op._device = node.device
            if self.graph._device_stack:
                self.graph._apply_device_functions(op)
        if self.graph._control_stack and not inputs and not controls:
            for dependency in self.graph._current_control_dependencies():
                op._add_control_input(dependency)
        for t, shape in zip(op.outputs, known or (), strict=False):
            try:
                t.static_shape = shapes.merge(t.static_shape, shape)
            except shapes.ShapeError:
                if node.op in _OF_OTHER_SHAPES_ONCE:
                    continue
                raise ValueError(
                    f"Node {node.name!r}: its recorded output shape {shapes.shape_text(shape)} contradicts the "
                    f"inferred {shapes.shape_text(t.static_shape)}"
                ) from None
        self.made[node.name] = op
        self.late.extend((op, slot, source, index) for slot, source, index in late)

    def is_taken(self, name: str) -> bool:
        """Whether there is an op of that name, or there was one in a scope of that name before this import."""
        if name in self.graph._by_name:
            return True
        if name.lower() not in self.graph._names_in_use:
            return False
        return any(op.name.startswith(name + "/") for op in self.graph._ops[: self.before])

    def has(self, name: str, index: int) -> bool:
        return name in self.made and index < len(self.made[name].outputs)

    def _remember_name(self, name: str) -> None:
        used = self.graph._names_in_use
        parts = name.lower().split("/")
        used.setdefault("/".join(parts), 1)

    def attrs(self, node: Any, opdef: OpDef) -> dict[str, Any]:
        attrs = {}
        is_apart = large_constants.MARK in node.attr
        for key, proto in node.attr.items():
            if is_apart and key == large_constants.MARK:
                continue
            try:
                value = (
                    large_constants.value_of(node, self.readers)
                    if is_apart and key == "value"
                    else attr_from_proto(proto)
                )
            except (TypeError, ValueError) as error:
                raise ValueError(f"Node {node.name!r}: attribute {key!r} cannot be read: {error}") from None
            declared = opdef.attr_map.get(key)
            if declared is not None and declared.allowed is not None:
                for v in value if declared.type.startswith("list(") else (value,):
                    if v not in declared.allowed:
                        raise ValueError(
                            f"Node {node.name!r}: value for attr {key!r} of {v!r} is not in the list of allowed values"
                        )
            attrs[key] = value
        if self.scope and "_class" in attrs:
            prefix = self.scope.encode()
            attrs["_class"] = [
                b"loc:@" + prefix + c[5:] if isinstance(c, bytes) and c.startswith(b"loc:@") else c
                for c in attrs["_class"]
            ]
        return attrs

    def output(self, reader: str, source: str, index: int) -> Tensor:
        op = self.made[source]
        if index >= len(op.outputs):
            raise ValueError(
                f"Node {reader!r}: Connecting to invalid output {index} of source node {source} which has "
                f"{len(op.outputs)} outputs."
            )
        return op.outputs[index]

    def elements(self, wanted: list[str] | None) -> list[Any] | None:
        if wanted is None:
            return None
        found: list[Any] = []
        for text in wanted:
            name, index = _parsed_input(text)
            if (name, index) in self.mapped and ":" in text:
                found.append(self.mapped[name, index])
            elif ":" in text and name in self.made and index < len(self.made[name].outputs):
                found.append(self.made[name].outputs[index])
            elif ":" not in text and text in self.made:
                found.append(self.made[text])
            elif ":" in text and name in self.made:
                raise ValueError(
                    f"Invalid return output {index} of node {name!r}, which has {len(self.made[name].outputs)} "
                    "output(s)"
                )
            else:
                raise ValueError(f"Requested return_element {text!r} not found in graph_def.")
        return found


def import_nodes(graph: Graph, graph_def: Any, mapped: dict[str, Any]) -> dict[str, Operation]:
    """Add the nodes of a function's body to `graph`; `mapped` are its arguments. Gives the ops by their names."""
    _refuse_unknown_ops(graph_def, graph._functions)
    return _Import(graph, graph_def, "", mapped, may_be_unused=True).made


def _cpp_name(kind: DType | None) -> str:
    """A type as TF's messages from below Python write it."""
    name = "" if kind is None else kind.name
    return {"float16": "half", "float32": "float", "float64": "double"}.get(name, name)


class _no_scopes:
    """Imported ops are complete as they are: no device, colocation or attribute scope of the importing code applies."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __enter__(self) -> None:
        g = self.graph
        self.saved = g._device_stack, g._colocation_stack, g._attr_scope_map, g._kernel_labels, g._gradient_override
        g._device_stack, g._colocation_stack, g._attr_scope_map, g._kernel_labels = [], [], {}, {}

    def __exit__(self, *exc: object) -> None:
        g = self.graph
        g._device_stack, g._colocation_stack, g._attr_scope_map, g._kernel_labels, g._gradient_override = self.saved


def _check_inputs(name: str, node: Any, opdef: OpDef, inputs: list[Tensor], attrs: dict[str, Any]) -> None:
    """The number and types of a node's inputs against its OpDef."""
    wanted: list[tuple[Arg, DType | None]] = []
    for arg in opdef.inputs:
        try:
            if arg.type_list_attr:
                wanted.extend((arg, kind) for kind in attrs[arg.type_list_attr])
            else:
                kind = arg.type or attrs.get(arg.type_attr or "") or opdef.attr_map[arg.type_attr or ""].default
                wanted.extend([(arg, kind)] * (attrs[arg.number_attr] if arg.number_attr else 1))
        except KeyError as missing:
            raise ValueError(f"Node {node.name!r}: NodeDef missing attr {missing.args[0]!r} from {opdef}") from None
    if len(wanted) != len(inputs):
        raise ValueError(
            f"Node {node.name!r}: NodeDef expected inputs {', '.join(_cpp_name(k) for _, k in wanted)!r} do not match "
            f"{len(inputs)} inputs specified; op {opdef.name}"
        )
    for i, ((arg, kind), t) in enumerate(zip(wanted, inputs, strict=True)):
        if kind is not None and t.dtype._base is not kind._base:
            raise ValueError(
                f"Input {i} of node {name} was passed {_cpp_name(t.dtype)} from {t.name} incompatible with expected "
                f"{_cpp_name(kind)}{'_ref' if arg.is_ref else ''}."
            )
        if arg.is_ref and not t.dtype._is_ref_dtype:
            raise ValueError(
                f"Input {i} of node {name} was passed {_cpp_name(t.dtype)} from {t.name} incompatible with expected "
                f"{_cpp_name(kind)}_ref."
            )
