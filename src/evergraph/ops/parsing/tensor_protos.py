"""Values as protocol messages and back: `tf.make_tensor_proto`, `tf.make_ndarray`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.ops.constant import to_array
from evergraph.ops.static_values import get_static_value

publish("contrib.util.constant_value", get_static_value)


@public("make_tensor_proto", "contrib.util.make_tensor_proto")
def make_tensor_proto(
    values: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False, allow_broadcast: bool = False
) -> Any:
    """Write a value as a `TensorProto`.

    Args:
        values: a number, string, (nested) list or NumPy array; a `TensorProto` is given back as it is.
        dtype: its type; by default the one that `tf.constant` would choose.
        shape: its shape; a shorter `values` is filled up with its last element when it is read.
        verify_shape: insist that `values` has exactly `shape`.
        allow_broadcast: whether only a single element may be filled up.

    Raises:
        TypeError: if `values` does not fit `dtype`, or not `shape` where it has to.
        ValueError: if there are more elements than `shape` takes, or `values` is None.
    """
    from evergraph.formats.tensors import array_to_proto

    descriptor = getattr(values, "DESCRIPTOR", None)
    if getattr(descriptor, "full_name", "") == "tensorflow.TensorProto":
        return values
    kind = None if dtype is None else dtypes.as_dtype(dtype).base_dtype
    if (
        kind is not None
        and kind.is_quantized
        and not isinstance(values, np.ndarray)
        and not _first_leaf_is_pair(values)
    ):
        raise TypeError(f"a value of type {kind.name} is written as a tuple, got {values!r}")
    array = to_array(values, kind)
    if kind is None:
        kind = dtypes.as_dtype(array.dtype)
    if shape is None:
        return array_to_proto(array, kind.as_datatype_enum, array.shape)
    sizes = shapes.static_shape(shape)
    if not shapes.is_static(sizes):
        raise TypeError(f"the shape of a value must be known, got {shape}")
    count = math.prod(sizes)
    if allow_broadcast:
        if array.shape not in ((1,), ()) and array.size != count:
            raise TypeError(f"Expected Tensor's shape: {sizes}, got {array.shape}.")
    else:
        if verify_shape and array.shape != sizes:
            raise TypeError(f"Expected Tensor's shape: {sizes}, got {array.shape}.")
        if array.size > count:
            raise ValueError(f"Too many elements provided. Needed at most {count}, but received {array.size}")
    return array_to_proto(array, kind.as_datatype_enum, sizes)


def _first_leaf_is_pair(values: Any) -> bool:
    while isinstance(values, list) and values:
        values = values[0]
    return isinstance(values, tuple)


@public("make_ndarray", "contrib.util.make_ndarray")
def make_ndarray(tensor: Any) -> np.ndarray:
    """Read a `TensorProto`: an array of its type and shape; strings are `bytes`.

    Raises:
        TypeError: for a type whose values are not data.
    """
    from evergraph.formats.tensors import proto_to_array

    return proto_to_array(tensor).copy()


__all__ = ["make_ndarray", "make_tensor_proto"]
