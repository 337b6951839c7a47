"""GraphDef: a graph as TF's message, and what attributes and shapes are in it. `graph_import.py` reads one back."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.formats import large_constants, messages
from evergraph.formats.function_def import to_function_def
from evergraph.formats.tensors import array_to_proto, proto_to_array
from evergraph.framework import codec, convert, dtypes, opdefs, shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import Graph
from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, TensorShape


def shape_to_proto(shape: Shape) -> Any:
    proto = messages.TensorShapeProto()
    if shape is None:
        proto.unknown_rank = True
    else:
        for size in shape:
            proto.dim.add(size=-1 if size is None else size)
    return proto


TensorShape._to_proto = staticmethod(shape_to_proto)


def tensor_to_proto(array: np.ndarray, dtype: DType | None = None) -> Any:
    return array_to_proto(array, int(dtype or dtypes.as_dtype(array.dtype)))


def attr_to_proto(value: Any, kind: str | None = None) -> Any:
    """An attribute's value as an `AttrValue`; `kind` is its type in the OpDef, None for attributes of no OpDef."""
    proto = messages.AttrValue()
    if hasattr(value, "DESCRIPTOR") and value.DESCRIPTOR.name == "AttrValue":
        proto.CopyFrom(value)
        return proto
    if isinstance(value, list | tuple) and kind != "shape":
        proto.list.SetInParent()
        inner = kind[5:-1] if kind else None
        for v in value:
            _add_to_list(proto.list, v, inner or _kind_of(v))
        return proto
    _set_single(proto, value, kind or _kind_of(value))
    return proto


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float"
        case bytes() | str():
            return "string"
        case DType():
            return "type"
        case np.ndarray():
            return "tensor"
        case None | tuple() | TensorShape():
            return "shape"
        case _:
            return "func"


def _set_single(proto: Any, value: Any, kind: str) -> None:
    match kind:
        case "bool":
            proto.b = bool(value)
        case "int":
            proto.i = int(value)
        case "float":
            proto.f = float(value)
        case "string":
            proto.s = convert.as_bytes(value)
        case "type":
            proto.type = int(value)
        case "shape":
            proto.shape.CopyFrom(shape_to_proto(shapes.static_shape(value)))
        case "tensor":
            proto.tensor.CopyFrom(value if hasattr(value, "DESCRIPTOR") else tensor_to_proto(np.asarray(value)))
        case _:
            proto.func.CopyFrom(_function_reference(value))


def _add_to_list(proto: Any, value: Any, kind: str) -> None:
    match kind:
        case "bool":
            proto.b.append(bool(value))
        case "int":
            proto.i.append(int(value))
        case "float":
            proto.f.append(float(value))
        case "string":
            proto.s.append(convert.as_bytes(value))
        case "type":
            proto.type.append(int(value))
        case "shape":
            proto.shape.append(shape_to_proto(shapes.static_shape(value)))
        case "tensor":
            proto.tensor.append(tensor_to_proto(np.asarray(value)))
        case _:
            proto.func.append(_function_reference(value))


def _function_reference(value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR"):
        return value
    if isinstance(value, str):
        return messages.NameAttrList(name=value)
    proto = messages.NameAttrList(name=value.name)
    opdef = opdefs.lookup(value.name)
    for key, v in getattr(value, "attrs", {}).items():
        declared = opdef.attr_map.get(key) if opdef is not None else None
        proto.attr[key].CopyFrom(attr_to_proto(v, declared.type if declared is not None else None))
    return proto


def attr_from_proto(proto: Any) -> Any:
    """The plain value of an `AttrValue`, in the form ops keep it."""
    field = proto.WhichOneof("value")
    if field == "list":
        items = proto.list
        for name in ("s", "i", "f", "b"):
            if getattr(items, name):
                return list(getattr(items, name))
        if items.type:
            return [dtypes.as_dtype(int(t)) for t in items.type]
        if items.shape:
            return [shapes.static_shape(s) for s in items.shape]
        if items.tensor:
            return [proto_to_array(t) for t in items.tensor]
        return list(items.func)
    if field == "type":
        return dtypes.as_dtype(int(proto.type))
    if field == "shape":
        return shapes.static_shape(proto.shape)
    if field == "tensor":
        return proto_to_array(proto.tensor)
    if field is None:
        raise ValueError("an attribute without a value")
    return getattr(proto, field)


class _Codec:
    """What `framework.codec` asks for."""

    def node_def(self, op: Operation, constants_are_apart: bool = False) -> Any:
        node = messages.NodeDef(name=op.name, op=op.type, device=op.device)
        node.input.extend(t._as_node_def_input() for t in op.inputs)
        node.input.extend("^" + c.name for c in op._control_inputs)
        for name, value in op.attrs.items():
            if constants_are_apart and op.type == "Const" and name == "value":
                large_constants.put(node, value, int(op.attrs["dtype"]))
            else:
                node.attr[name].CopyFrom(self._attr(op, name, value))
        return node

    def _attr(self, op: Operation, name: str, value: Any) -> Any:
        declared = op.opdef.attr_map.get(name)
        if declared is not None and declared.type == "tensor" and isinstance(value, np.ndarray):
            proto = messages.AttrValue()
            kind = op.attrs.get("dtype")
            proto.tensor.CopyFrom(tensor_to_proto(value, kind if isinstance(kind, DType) else None))
            return proto
        return attr_to_proto(value, declared.type if declared is not None else None)

    def attr_for_python(self, op: Operation, name: str) -> Any:
        value = op.attrs[name]
        declared = op.opdef.attr_map.get(name)
        kind = declared.type if declared is not None else None
        if kind in ("shape", "tensor") or kind in ("list(shape)", "list(tensor)"):
            proto = self._attr(op, name, value)
            return list(getattr(proto.list, kind[5:-1])) if kind.startswith("list") else getattr(proto, kind)
        if isinstance(value, list):
            return list(value)
        if kind == "func" and isinstance(value, str):
            return _function_reference(value)
        return value

    def op_def(self, opdef: OpDef) -> Any:
        proto = messages.OpDef(name=opdef.name, is_stateful=opdef.is_stateful, is_commutative=opdef.is_commutative)
        proto.is_aggregate = opdef.is_aggregate
        proto.allows_uninitialized_input = opdef.allows_uninitialized_input
        for ours, theirs in ((opdef.inputs, proto.input_arg), (opdef.outputs, proto.output_arg)):
            for arg in ours:
                added = theirs.add(name=arg.name, is_ref=arg.is_ref)
                if arg.type is not None:
                    added.type = int(arg.type)
                added.type_attr = arg.type_attr or ""
                added.number_attr = arg.number_attr or ""
                added.type_list_attr = arg.type_list_attr or ""
        for attr in opdef.attrs:
            entry = proto.attr.add(name=attr.name, type=attr.type)
            if attr.minimum is not None:
                entry.has_minimum, entry.minimum = True, attr.minimum
            if attr.allowed is not None:
                entry.allowed_values.CopyFrom(
                    attr_to_proto(sorted(attr.allowed, key=_order), f"list({_bare(attr.type)})")
                )
            if attr.has_default:
                default = attr.default
                if _bare(attr.type) == "tensor":
                    continue
                entry.default_value.CopyFrom(attr_to_proto(default, attr.type))
        return proto

    def graph_def(self, graph: Graph, from_version: int | None, add_shapes: bool) -> Any:
        proto = messages.GraphDef()
        proto.versions.producer = graph._producer
        proto.versions.min_consumer = graph._min_consumer
        are_apart = large_constants.are_too_large(large_constants.arrays_of(graph._ops))
        for op in graph._ops:
            if from_version is not None and op._id <= from_version:
                continue
            node = self.node_def(op, are_apart)
            if add_shapes and op.outputs:
                node.attr["_output_shapes"].list.shape.extend(shape_to_proto(t.static_shape) for t in op.outputs)
            proto.node.append(node)
        for function in graph._functions.values():
            proto.library.function.append(
                to_function_def(function) if isinstance(function, FunctionGraph) else function
            )
        for name, gradient in graph._attachments.get("gradient functions", {}).items():
            proto.library.gradient.add(function_name=name, gradient_func=gradient)
        return proto

    def attr_from_proto(self, value: Any) -> Any:
        return attr_from_proto(value)


def _bare(kind: str) -> str:
    return kind[5:-1] if kind.startswith("list(") else kind


def _order(value: Any) -> Any:
    return int(value) if isinstance(value, DType) else value


codec.install(_Codec())
