"""What is known of tensors while a graph is built, and the ops that say the rest when it runs."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.static_values import get_static_value


def maybe_get_static_value(x: Any, dtype: Any = None) -> Any:
    """The value of `x` where it is known, as an array of type `dtype`; else None."""
    if x is None:
        return None
    try:
        value = get_static_value(x)
    except TypeError:
        value = x
    return value if value is None or dtype is None else np.array(value, dtype)


def prefer_static_value(x: Tensor) -> Any:
    """The value of `x` where it is known, else `x`."""
    value = get_static_value(x)
    return x if value is None else value


def prefer_static_rank(x: Tensor) -> Any:
    """The rank of `x`: an array where it is known, else a tensor."""
    return prefer_static_value(array.rank(x))


def prefer_static_shape(x: Tensor) -> Any:
    """The shape of `x`: an array where it is known, else a tensor."""
    return prefer_static_value(array.shape(x))


def _known_shape(shape: Any) -> TensorShape | None:
    if isinstance(shape, TensorShape):
        return shape
    value = get_static_value(convert_to_tensor(shape, name="shape", dtype=dtypes.int32))
    return None if value is None else TensorShape(value)


def _shape_tensor(shape: Any) -> Tensor:
    if not isinstance(shape, TensorShape):
        return convert_to_tensor(shape, name="shape", dtype=dtypes.int32)
    if not shape.is_fully_defined():
        raise ValueError("Cannot broadcast from partially defined `TensorShape`.")
    return convert_to_tensor(shape.as_list(), name="shape", dtype=dtypes.int32)


def prefer_static_broadcast_shape(shape1: Any, shape2: Any, name: str = "prefer_static_broadcast_shape") -> Any:
    """The shape that arrays of two shapes broadcast to: a `TensorShape` where both are known, else a tensor."""
    with name_scope(name, values=[shape1, shape2]):
        known1, known2 = _known_shape(shape1), _known_shape(shape2)
        if known1 is not None and known2 is not None:
            return array.broadcast_static_shape(known1, known2)
        tensor1, tensor2 = _shape_tensor(shape1), _shape_tensor(shape2)
        return array.broadcast_dynamic_shape(tensor1, tensor2)


def same_dynamic_shape(a: Any, b: Any) -> Tensor:
    """Whether two tensors have the same shape when the graph runs: a bool tensor."""
    a = convert_to_tensor(a, name="a")
    b = convert_to_tensor(b, name="b")

    def all_equal() -> Tensor:
        forth = array.concat([array.shape(a), array.shape(b)], 0)
        back = array.concat([array.shape(b), array.shape(a)], 0)
        return math.reduce_all(math.equal(forth, back))

    return cond(math.equal(array.rank(a), array.rank(b)), all_equal, lambda: constant(False))


def parent_frame_arguments() -> dict[str, Any]:
    """The arguments of the function that calls this, by name, without those of its `*args`."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    names, _, keywords, values = inspect.getargvalues(frame.f_back)
    found = {name: values[name] for name in names}
    found.update(values.get(keywords, {}) if keywords else {})
    return found
