"""Nested Python structures as messages: the signatures of functions in SavedModels.

    ((TensorSpec([None], float32, "x"), True), {})    a `StructuredValue`: a tuple of a tuple, with a spec and a bool

Leaves are numbers, text, None, shapes, types, and the specs of tensors, also sparse and ragged ones.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import Any

from evergraph.formats import messages
from evergraph.framework import dtypes
from evergraph.framework.nest import is_namedtuple
from evergraph.framework.shapes import TensorShape
from evergraph.framework.type_spec import TensorSpec, TypeSpec
from evergraph.ops.datasets.indexed_slices_spec import IndexedSlicesSpec
from evergraph.ops.datasets.sparse_spec import SparseTensorSpec
from evergraph.ops.ragged.spec import RaggedTensorSpec

_SPECS: dict[int, Any] = {1: SparseTensorSpec, 2: IndexedSlicesSpec, 3: RaggedTensorSpec}


class NotEncodableError(Exception):
    """A value that no message stands for."""


def encoded(value: Any) -> Any:
    """The `StructuredValue` of a nested structure.

    Raises:
        NotEncodableError: for a leaf of another kind.
    """
    made = messages.StructuredValue()
    _encode(value, made)
    return made


def _encode(value: Any, into: Any) -> None:
    if value is None:
        into.none_value.SetInParent()
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int64_value = value
    elif isinstance(value, float):
        into.float64_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif is_namedtuple(value):
        into.named_tuple_value.name = type(value).__name__
        for key, item in value._asdict().items():
            pair = into.named_tuple_value.values.add(key=key)
            _encode(item, pair.value)
    elif isinstance(value, Mapping):
        into.dict_value.SetInParent()
        for key, item in value.items():
            _encode(item, into.dict_value.fields[str(key)])
    elif isinstance(value, tuple | list):
        several = into.tuple_value if isinstance(value, tuple) else into.list_value
        several.SetInParent()
        for item in value:
            _encode(item, several.values.add())
    elif isinstance(value, TensorShape):
        into.tensor_shape_value.CopyFrom(value.as_proto())
    elif isinstance(value, dtypes.DType):
        into.tensor_dtype_value = int(value)
    elif isinstance(value, TensorSpec):
        spec = into.tensor_spec_value
        spec.shape.CopyFrom(value.shape.as_proto())
        spec.dtype = int(value.dtype)
        spec.name = value.name or ""
    elif isinstance(value, TypeSpec):
        kind = next((number for number, cls in _SPECS.items() if type(value) is cls), None)
        if kind is None:
            raise NotEncodableError(f"No encoder for object [{value}] of type [{type(value)}].")
        into.type_spec_value.type_spec_class = kind
        into.type_spec_value.type_spec_class_name = type(value).__name__
        _encode(value._serialize(), into.type_spec_value.type_state)
    else:
        raise NotEncodableError(f"No encoder for object [{value}] of type [{type(value)}].")


def can_encode(value: Any) -> bool:
    """Whether `encoded` takes a structure."""
    try:
        encoded(value)
    except NotEncodableError:
        return False
    return True


def decoded(message: Any) -> Any:
    """The structure that a `StructuredValue` stands for.

    Raises:
        NotEncodableError: for a kind of value that is not known here.
    """
    kind = message.WhichOneof("kind")
    value: Any = None if kind is None else getattr(message, kind)
    match kind:
        case "none_value":
            return None
        case "bool_value" | "int64_value" | "float64_value" | "string_value":
            return value
        case "list_value":
            return [decoded(item) for item in value.values]
        case "tuple_value":
            return tuple(decoded(item) for item in value.values)
        case "dict_value":
            return {key: decoded(value.fields[key]) for key in sorted(value.fields)}
        case "named_tuple_value":
            keys = [pair.key for pair in value.values]
            make: Any = collections.namedtuple
            made = make(value.name or "NamedTuple", keys, rename=True)
            return made(*(decoded(pair.value) for pair in value.values))
        case "tensor_shape_value":
            return TensorShape(value)
        case "tensor_dtype_value":
            return dtypes.as_dtype(value)
        case "tensor_spec_value":
            return TensorSpec(TensorShape(value.shape), dtypes.as_dtype(value.dtype), value.name or None)
        case "type_spec_value" if value.type_spec_class in _SPECS:
            return _SPECS[value.type_spec_class]._deserialize(decoded(value.type_state))
        case "type_spec_value":
            raise NotEncodableError(f"values of the kind {value.type_spec_class_name!r} are not known here")
    raise NotEncodableError(f"a value of a kind that is not known here: {str(message)[:200]!r}")


class StructureCoder:
    """Both ways, with the names that TensorFlow's internals have."""

    def can_encode(self, nested: Any) -> bool:
        return can_encode(nested)

    def encode_structure(self, nested_structure: Any) -> Any:
        return encoded(nested_structure)

    def decode_proto(self, proto: Any) -> Any:
        return decoded(proto)
