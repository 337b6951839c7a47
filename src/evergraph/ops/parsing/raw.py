"""Bytes to numbers as they lie in memory, compressed bytes, and serialized tensors."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from evergraph.framework.api import public
from evergraph.framework.shapes import ShapeError, bracket_text
from evergraph.framework.tensor import Tensor
from evergraph.ops import static_values
from evergraph.ops.arguments import either
from evergraph.ops.opdef import kernel_error, op, unchanged_shape
from evergraph.ops.strings.elements import array_of, listed, text

VARIANT = 21  # the number of that type
_LARGEST = (1 << 31) - 1  # bytes that a string may have after decompression
_TYPE_NAMES = {"float16": "half", "float32": "float", "float64": "double"}


def _type_name(dtype: Any) -> str:
    return _TYPE_NAMES.get(dtype.name, dtype.name)


@op("DecodeRaw", host=True, differentiable=False)
def decode_raw_op(xp: Any, bytes: Any, *, out_type: Any, little_endian: bool) -> Any:
    """Strings of equal length as numbers."""
    data, shape = listed(bytes), np.shape(bytes)
    size = len(data[0]) if data else 0
    for i, s in enumerate(data):
        if len(s) != size:
            raise kernel_error(
                f"DecodeRaw requires input strings to all be the same size, but element {i} has size {size} != {len(s)}"
            )
    width = out_type.np.itemsize
    if size % width:
        raise kernel_error(
            f"Input to DecodeRaw has length {size} that is not a multiple of {width}, the size of "
            f"{_type_name(out_type)}"
        )
    return _numbers(b"".join(data), out_type, little_endian).reshape((*shape, size // width))


def _numbers(data: bytes, dtype: Any, little_endian: bool) -> np.ndarray:
    if dtype.is_bool:
        return np.frombuffer(data, np.uint8) != 0
    stored = np.frombuffer(data, np.uint8)
    if not little_endian and dtype.np.itemsize > 1:  # complex numbers are reversed as a whole, as TF does
        stored = stored.reshape(-1, dtype.np.itemsize)[:, ::-1]
    return np.ascontiguousarray(stored).reshape(-1).view(dtype.np)


@decode_raw_op.shape
def decode_raw_shape(bytes: Any) -> Any:
    return None if bytes is None else (*bytes, None)


@public("decode_raw", "io.decode_raw")
def decode_raw(
    input_bytes: Any = None,
    out_type: Any = None,
    little_endian: bool = True,
    name: str | None = None,
    bytes: Any = None,
) -> Tensor:
    """Read the bytes of every string as numbers.

    Args:
        input_bytes: string, any shape `s`, all of one length.
        out_type: the type of the numbers.
        little_endian: whether the lowest byte of a number comes first.
        name: the op's name.
        bytes: a deprecated name of `input_bytes`.

    Returns:
        `out_type`, shape `s + [n]`.

    Raises:
        InvalidArgumentError: at run time, if lengths differ or are no multiple of the size of a number.

    >>> sess.run(tf.decode_raw([b"ab", b"cd"], tf.uint8))
    array([[ 97,  98],
           [ 99, 100]], dtype=uint8)
    """
    input_bytes = either("input_bytes", input_bytes, "bytes", bytes)
    if out_type is None:
        raise ValueError("decode_raw_v1() missing 1 positional argument: 'out_type'")
    return decode_raw_op(input_bytes, out_type, little_endian, name)


@op("DecodePaddedRaw", host=True, differentiable=False, static=("fixed_length",))
def decode_padded_raw(xp: Any, input_bytes: Any, fixed_length: Any, *, out_type: Any, little_endian: bool) -> Any:
    """Strings, cut off or filled up with zero bytes to one length, as numbers."""
    if np.ndim(fixed_length):
        raise kernel_error(f"k must be scalar, got shape {bracket_text(np.shape(fixed_length))}")
    length, width = int(fixed_length), out_type.np.itemsize
    if length % width:
        raise kernel_error(f"fixed_length ({length}) must be a multiple of the size of out_type ({width})")
    if length <= 0:
        raise kernel_error(f"fixed_length ({length}) must be greater than zero.")
    data = b"".join([s[:length].ljust(length, b"\0") for s in listed(input_bytes)])
    return _numbers(data, out_type, little_endian).reshape((*np.shape(input_bytes), length // width))


@decode_padded_raw.shape
def decode_padded_raw_shape(input_bytes: Any, fixed_length: Any, *, out_type: Any) -> Any:
    length = static_values.whole_int(fixed_length)
    width = out_type.np.itemsize
    if length is not None and length % width:
        raise ShapeError(f"Dimension size must be evenly divisible by {width} but is {length}")
    return None if input_bytes is None else (*input_bytes, None if length is None else length // width)


@public("compat.v2.io.decode_raw")
def decode_raw_v2(
    input_bytes: Any, out_type: Any, little_endian: bool = True, fixed_length: Any = None, name: str | None = None
) -> Tensor:
    """Read the bytes of every string as numbers; with `fixed_length` strings are first cut off or filled up to it."""
    if fixed_length is None:
        return decode_raw_op(input_bytes, out_type, little_endian, name)
    return decode_padded_raw(input_bytes, fixed_length, out_type, little_endian, name)


@public("decode_compressed", "io.decode_compressed")
@op("DecodeCompressed", host=True, differentiable=False, shape=unchanged_shape)
def decode_compressed(xp: Any, bytes: Any, *, compression_type: Any) -> Any:
    """Decompress every string. `compression_type` is "ZLIB", "GZIP" or, for no compression, ""."""
    if compression_type not in (b"", b"ZLIB", b"GZIP"):
        raise kernel_error("Only ZLIB, GZIP or NONE are supported compressions")
    if not compression_type:
        return bytes
    window = 31 if compression_type == b"GZIP" else 15
    return array_of([_decompressed(s, window) for s in listed(bytes)], np.shape(bytes))


def _decompressed(data: bytes, window: int) -> bytes:
    from evergraph.framework.errors import DataLossError

    parts = []
    while data:
        stream = zlib.decompressobj(window)
        try:
            parts.append(stream.decompress(data, _LARGEST))
        except zlib.error as error:
            raise kernel_error(f"inflate() failed with error: {error}", DataLossError) from None
        if not stream.eof or window == 15:
            break
        data = stream.unused_data  # a gzip file may have several members
    return b"".join(parts)


# Serialized tensors


@public("parse_tensor", "io.parse_tensor")
@op("ParseTensor", host=True, differentiable=False)
def parse_tensor(xp: Any, serialized: Any, *, out_type: Any) -> Any:
    """Read a serialized `TensorProto`, a string scalar, of type `out_type`."""
    from google.protobuf.message import DecodeError

    from evergraph.formats import messages
    from evergraph.formats.tensors import proto_to_array
    from evergraph.formats.variants import from_tensor_proto

    if np.ndim(serialized):
        raise kernel_error(f"Expected `serialized` to be a scalar, got shape: {bracket_text(np.shape(serialized))}")
    data = listed(serialized)[0]
    try:
        proto = messages.TensorProto.FromString(data)
        if proto.dtype == VARIANT:
            array = from_tensor_proto(proto)
        else:
            array = proto_to_array(proto)
    except (DecodeError, ValueError, TypeError):
        raise kernel_error(f"Could not parse `serialized` as TensorProto: '{text(data)}'") from None
    if proto.dtype != out_type.as_datatype_enum:
        from evergraph.framework.dtypes import as_dtype

        raise kernel_error(
            f"Type mismatch between parsed tensor ({_type_name(as_dtype(proto.dtype))}) and dtype "
            f"({_type_name(out_type)})"
        )
    return array[()] if proto.dtype == VARIANT and not array.shape else array


@parse_tensor.shape
def parse_tensor_shape(serialized: Any) -> Any:
    return None


@public("serialize_tensor", "io.serialize_tensor")
@op("SerializeTensor", host=True, differentiable=False)
def serialize_tensor(xp: Any, tensor: Any, *, T: Any) -> Any:
    """Write a tensor as a serialized `TensorProto`, a string scalar."""
    from evergraph.formats import messages
    from evergraph.formats.tensors import array_to_proto
    from evergraph.formats.variants import to_tensor_proto

    if T == VARIANT:
        array = np.empty((), object) if not hasattr(tensor, "shape") else np.asarray(tensor, object)
        if not array.shape:
            array[()] = tensor
        try:
            proto = to_tensor_proto(array)
        except TypeError as error:
            raise kernel_error(f"cannot serialize a variant: {error}") from None
    elif T.name == "string":
        array = np.asarray(tensor)
        proto = array_to_proto(array, int(T))
    else:
        array = np.asarray(tensor)
        proto = messages.TensorProto(dtype=T.as_datatype_enum)
        for size in array.shape:
            proto.tensor_shape.dim.add(size=size)
        proto.tensor_shape.SetInParent()
        proto.tensor_content = array.tobytes()
    result = np.empty((), object)
    result[()] = proto.SerializeToString()
    return result


@serialize_tensor.shape
def serialize_tensor_shape(tensor: Any) -> Any:
    return ()


__all__ = ["decode_compressed", "decode_padded_raw", "decode_raw", "parse_tensor", "serialize_tensor"]
