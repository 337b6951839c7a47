"""Variants in checkpoints: values of types that only the ops know which make them, as the position of an iterator.

A tensor of variants is stored element by element: the length (a varint), a `VariantTensorDataProto`, and a checksum of
both, in which the length has eight bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evergraph.formats import messages, varint
from evergraph.formats.checksum import crc32c, mask
from evergraph.formats.tensors import array_to_proto, proto_to_array
from evergraph.framework import dtypes


@dataclass(slots=True)
class StoredVariant:
    """A variant as it is stored: what it is, bytes that say how it is made up, and the tensors in it."""

    type_name: str
    metadata: bytes = b""
    tensors: list[np.ndarray] = field(default_factory=list)


def encoded(array: np.ndarray) -> tuple[bytes, int]:
    """The bytes that stand for an array of `StoredVariant`s, and the checksum of the whole.

    Raises:
        TypeError: for a variant of another kind: a dataset, say.
    """
    parts: list[bytes] = []
    crc = 0
    for variant in array.reshape(-1):
        if not isinstance(variant, StoredVariant):
            raise TypeError(f"{variant!r} cannot be saved")
        data = _to_proto(variant).SerializeToString()
        crc = crc32c(data, crc32c(struct.pack("<Q", len(data)), crc))
        checksum = struct.pack("<I", mask(crc))
        crc = crc32c(checksum, crc)
        parts += [varint.encoded(len(data)), data, checksum]
    return b"".join(parts), crc


def decoded(data: bytes, count: int) -> tuple[np.ndarray, int]:
    """The `count` variants that bytes stand for, and the checksum of the whole.

    Raises:
        ValueError: if they stand for something else.
    """
    found = np.empty(count, object)
    at = crc = 0
    for i in range(count):
        size, at = varint.decoded(data, at)
        end = at + size
        if end + 4 > len(data):
            raise ValueError("a variant ends outside of its tensor")
        crc = crc32c(data[at:end], crc32c(struct.pack("<Q", size), crc))
        if struct.pack("<I", mask(crc)) != data[end : end + 4]:
            raise ValueError("the checksum of a variant does not match")
        crc = crc32c(data[end : end + 4], crc)
        found[i] = _variant(data[at:end])
        at = end + 4
    if at != len(data):
        raise ValueError("there is more than the variants")
    return found, crc


def to_tensor_proto(array: np.ndarray) -> Any:
    """A `TensorProto` of variants.

    Raises:
        TypeError: for a variant that cannot be saved.
    """
    proto = messages.TensorProto(dtype=int(dtypes.variant))
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    for variant in array.reshape(-1):
        if not isinstance(variant, StoredVariant):
            raise TypeError(f"{variant!r} cannot be saved")
        proto.variant_val.append(_to_proto(variant))
    return proto


def from_tensor_proto(proto: Any) -> np.ndarray:
    """The variants in a `TensorProto`.

    Raises:
        ValueError: if they do not fill its shape.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    found = np.empty(len(proto.variant_val), object)
    for i, variant in enumerate(proto.variant_val):
        found[i] = _variant(variant.SerializeToString())
    return found.reshape(shape)


def _to_proto(variant: StoredVariant) -> Any:
    proto = messages.VariantTensorDataProto(type_name=variant.type_name, metadata=variant.metadata)
    proto.tensors.extend(array_to_proto(t, int(dtypes.as_dtype(t.dtype))) for t in variant.tensors)
    return proto


def _variant(data: bytes) -> StoredVariant:
    try:
        proto = messages.VariantTensorDataProto.FromString(data)
    except Exception as error:  # protobuf's own class has no public name that all its releases share
        raise ValueError(f"a variant cannot be parsed: {error}") from None
    tensors: list[Any] = []
    for tensor in proto.tensors:
        try:
            tensors.append(proto_to_array(tensor))
        except (TypeError, ValueError):  # a variant in it: only whoever wrote it knows what that is
            tensors.append(None)
    return StoredVariant(proto.type_name, proto.metadata, tensors)
