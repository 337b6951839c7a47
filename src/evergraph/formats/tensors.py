"""Arrays to `TensorProto` and back.

A `TensorProto` holds its elements in one of two ways: as raw bytes in `tensor_content`, or in the repeated field of
its type (`float_val`, `int_val`, ...), where a list that is shorter than the shape repeats its last entry. Writing
makes the choices that TF 1.15's `make_tensor_proto` makes, so equal values give equal bytes. Reading takes everything
that TF's runtime takes, except lists that are longer than the shape, which TF cuts short and we refuse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.formats import messages
from evergraph.framework.dtypes import as_dtype

# Which repeated field holds the elements of a type, by its number in DataType.
_FIELDS = {
    1: "float_val",
    2: "double_val",
    3: "int_val",
    4: "int_val",
    5: "int_val",
    6: "int_val",
    7: "string_val",
    8: "scomplex_val",
    9: "int64_val",
    10: "bool_val",
    11: "int_val",
    12: "int_val",
    13: "int_val",
    14: "half_val",
    15: "int_val",
    16: "int_val",
    17: "int_val",
    18: "dcomplex_val",
    19: "half_val",
    22: "uint32_val",
    23: "uint64_val",
}
_STRING, _BOOL = 7, 10
# The types that TF 1.15 writes as raw bytes. uint16, half, bfloat16, complex and bool are not among them.
_RAW = frozenset({1, 2, 3, 4, 5, 6, 9, 11, 12, 13, 15, 16, 22, 23})
_STORED_AS = {"half_val": np.uint16, "scomplex_val": np.float32, "dcomplex_val": np.float64}

_MAX_CONTENT = 1 << 31  # bytes; a message cannot be longer
# A few bytes can ask for an array of any size. What follows is far above any honest use.
_MAX_REPEATED = 1 << 40  # bytes of an array that repeats one value; it is a view, and takes no memory by itself
_MAX_PADDED = 1 << 28  # bytes of an array that is really filled up with its last value


def array_to_proto(array: Any, dtype_enum: int, shape: Sequence[int] | None = None) -> Any:
    """Encode an array as TF 1.15's `make_tensor_proto` does.

    Args:
        array: an array of the NumPy type that belongs to `dtype_enum` (for a quantised type also its plain integer
            type); for strings an array of `bytes` or `str`, the latter written as UTF-8.
        dtype_enum: the element type, a number of `DataType`.
        shape: the shape to write, that of the array if None. Where it asks for more elements than the array has, the
            last one is repeated, without being written out: `array_to_proto(np.float32(0), 1, [1000])` is a few bytes.

    Returns:
        A `messages.TensorProto`.

    Raises:
        TypeError: for a type that has no encoding (resources, variants, references), or an array of another type.
        ValueError: for more elements than `shape` takes, or more bytes than a message can hold.
    """
    field = _field(dtype_enum)
    array = np.asarray(array)
    shape = array.shape if shape is None else tuple(int(size) for size in shape)
    if any(size < 0 for size in shape):
        raise ValueError(f"the shape of a value must be known, got {list(shape)}")
    count = math.prod(shape)
    if count == 0:
        array = array.ravel()[:0]
    if array.size > count:
        raise ValueError(f"shape {list(shape)} takes {count} elements, got {array.size}")

    proto = messages.TensorProto(dtype=dtype_enum)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.SetInParent()
    if dtype_enum == _STRING:
        proto.string_val.extend(map(_as_bytes, array.ravel().tolist()))
        return proto
    array = _plain(array, dtype_enum)
    if array.nbytes >= _MAX_CONTENT:
        raise ValueError(f"a value of {array.nbytes} bytes does not fit in a message, which holds less than 2 GiB")
    if dtype_enum in _RAW and array.size == count > 1:
        proto.tensor_content = array.tobytes()
    else:
        flat = np.ascontiguousarray(array).reshape(-1)
        getattr(proto, field).extend(flat.view(_STORED_AS.get(field, flat.dtype)).tolist())
    return proto


def proto_to_array(proto: Any) -> np.ndarray:
    """Decode a `TensorProto`.

    Args:
        proto: a `messages.TensorProto`, or TensorFlow's own.

    Returns:
        A read-only array of the NumPy type of `proto.dtype` (strings: an object array of `bytes`). Where one value
        fills the whole shape, the array is a view that takes the memory of that value. Copy it to write to it.

    Raises:
        TypeError: for a type whose values are not data (resources, variants, references).
        ValueError: if the elements do not match the shape, or the shape is not one that a value can have.
    """
    field, number = _field(proto.dtype), proto.dtype
    dtype = as_dtype(number).np
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if (proto.tensor_shape.unknown_rank and shape) or any(size < 0 for size in shape):
        raise ValueError(f"the shape of a value must be known, got {list(shape)}")
    count = math.prod(shape)
    nbytes = count * dtype.itemsize

    content = proto.tensor_content
    if content and number == _STRING:
        array = _objects(_split_strings(content, count))
    elif content:
        if len(content) != nbytes:
            raise ValueError(f"shape {list(shape)} of {as_dtype(number).name} takes {nbytes} bytes, got {len(content)}")
        array = np.frombuffer(content, dtype) if number != _BOOL else np.frombuffer(content, np.uint8) != 0
    else:
        array = _repeated(getattr(proto, field), field, dtype)
        missing = count - array.size
        if missing < 0:
            raise ValueError(f"shape {list(shape)} takes {count} elements, got {array.size}")
        if missing and array.size <= 1:
            if nbytes > _MAX_REPEATED:
                raise ValueError(f"shape {list(shape)} of {as_dtype(number).name} is too large")
            value = array if array.size else _objects([b""]) if number == _STRING else np.zeros(1, dtype)
            return np.broadcast_to(value.reshape(()), shape)
        if missing:
            if nbytes > _MAX_PADDED:
                raise ValueError(f"shape {list(shape)} takes {count} elements, got only {array.size}")
            array = np.concatenate([array, np.broadcast_to(array[-1:], (missing,))])
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _field(dtype_enum: int) -> str:
    try:
        return _FIELDS[dtype_enum]
    except KeyError:
        raise TypeError(f"values of type {_type_name(dtype_enum)} cannot be held in a TensorProto") from None


def _type_name(dtype_enum: int) -> str:
    try:
        return str(messages.DataType.Name(dtype_enum))
    except ValueError:
        return f"number {dtype_enum}"


def _plain(array: np.ndarray, dtype_enum: int) -> np.ndarray:
    """The array itself after a check of its type; quantised values as the integers that they are stored as."""
    dtype = as_dtype(dtype_enum).np
    integer = dtype[0] if dtype.names else dtype
    if array.dtype not in (dtype, integer):
        raise TypeError(f"expected an array of {as_dtype(dtype_enum).name}, got {array.dtype}")
    return array.view(integer)


def _as_bytes(text: Any) -> bytes:
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytes):
        return text
    raise TypeError(f"expected bytes or str as the elements of a string tensor, got {type(text).__name__}")


def _objects(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _repeated(values: Any, field: str, dtype: np.dtype) -> np.ndarray:
    """The entries of a repeated field, as a flat array of `dtype`."""
    if field == "string_val":
        return _objects(list(values))
    if field in ("int_val", "half_val"):  # wider in the message than in the array: high bits are dropped, as TF does
        integer = np.dtype(np.uint16) if field == "half_val" else dtype[0] if dtype.names else dtype
        return np.fromiter(values, np.int32, len(values)).astype(integer).view(dtype)
    if len(values) % 2 and field in ("scomplex_val", "dcomplex_val"):
        raise ValueError(f"complex numbers come as pairs, got {len(values)} parts")
    return np.fromiter(values, _STORED_AS.get(field, dtype), len(values)).view(dtype)


def _split_strings(content: bytes, count: int) -> list[bytes]:
    """Strings of a `tensor_content`: all lengths as varints first, then all bytes."""
    if count > len(content):
        raise ValueError(f"{count} strings cannot be held in {len(content)} bytes")
    lengths, position = [], 0
    for _ in range(count):
        length = shift = 0
        while True:
            if position == len(content) or shift > 28:
                raise ValueError("the lengths of the strings are damaged")
            byte = content[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise ValueError(f"strings of {sum(lengths)} bytes in all, but {len(content) - position} bytes are there")
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings
