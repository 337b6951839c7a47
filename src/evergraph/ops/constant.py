"""Constants, and how Python values become them."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import as_bytes, register_tensor_conversion_function
from evergraph.framework.dtypes import DType
from evergraph.framework.graph import get_default_graph
from evergraph.framework.opdefs import OpDef, lookup
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Dimension, TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import op


@op("Const")
def const(xp: Any, *, value: Any) -> Any:
    """A value that is part of the graph."""
    return value


@const.shape_from_op
def const_shape(made: Any) -> Any:
    return made.attrs["value"].shape


_CONST = cast(OpDef, lookup("Const"))


@public("constant")
def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """Put a constant into the graph.

    Args:
        value: a number, string, (nested) list or NumPy array.
        dtype: its type; by default Python floats are float32, Python ints int32 if they fit, and NumPy arrays keep
            theirs.
        shape: its shape; a shorter `value` is filled up with its last element.
        name: the op's name.
        verify_shape: insist that `value` has exactly `shape`.

    Raises:
        TypeError: if `value` does not fit `dtype`.
        ValueError: if it has more elements than `shape`, or its rows differ in length.

    >>> sess.run(tf.constant([1, 2, 3]) * 2)
    array([2, 4, 6], dtype=int32)
    """
    array = to_array(value, dtype, shape, verify_shape)
    return constant_of(array, name, None if dtype is None else dtypes.as_dtype(dtype).base_dtype)


def constant_of(array: np.ndarray, name: str = "Const", dtype: DType | None = None) -> Tensor:
    """A Const op that holds `array` as it is."""
    attrs = {"value": array, "dtype": dtype or dtypes.as_dtype(array.dtype)}
    return get_default_graph().add_op(_CONST, (), attrs, name, 4).outputs[0]


def to_array(value: Any, dtype: Any = None, shape: Any = None, verify_shape: bool = False) -> np.ndarray:
    """The NumPy array that TF makes of a Python value: `constant` has the rules."""
    kind = None if dtype is None else dtypes.as_dtype(dtype).base_dtype
    if kind is not None and kind.is_quantized:
        return _quantized(value, kind, shape)
    if isinstance(value, np.ndarray | np.generic):
        array = _from_numpy(value, kind)
    else:
        if hasattr(value, "__array_interface__") and not isinstance(value, list | tuple):
            return to_array(np.asarray(value), dtype, shape, verify_shape)
        if value is None:
            raise ValueError("None values not supported.")
        if isinstance(value, TensorShape | Dimension):
            value = value.as_list() if isinstance(value, TensorShape) else value.value
        if kind is dtypes.string or kind is None and _first_leaf_is_text(value):
            array = _text_array(value, is_explicit=kind is not None)
        else:
            _check_leaves(value, kind)
            try:
                with np.errstate(over="ignore"):  # what is too large for a float type is infinite
                    array = np.array(value, dtype=None if kind is None else kind.np)
            except OverflowError as error:
                array = _wrapped(value, kind, error)
            except ValueError:
                raise _not_dense(value, kind) from None
            if array.dtype == object:
                raise _unconvertible(value)
            if kind is None:
                array = _preferred_type(array)
    if shape is not None:
        array = _reshaped(array, shape, verify_shape)
    return array


def _not_dense(value: Any, kind: DType | None) -> ValueError:
    if kind is not None:
        return ValueError(f"setting an array element with a sequence: the rows of {value!r} differ in length.")
    wanted, first = [], value
    while isinstance(first, list | tuple):
        wanted.append(len(first))
        first = first[0] if first else None
    found = list(np.array(value, object).shape)
    return ValueError(f"Argument must be a dense tensor: {value!r} - got shape {found}, but wanted {wanted}.")


def _wrapped(value: Any, kind: DType | None, error: OverflowError) -> np.ndarray:
    """Integers that are out of a type's range, cut off to its bits: as the NumPy of TensorFlow 1's time did."""
    if kind is None or not kind.is_integer:
        raise ValueError(f"Value {value!r} does not fit {kind.name if kind else 'any type'}: {error}") from None
    return np.array(value, np.int64).astype(kind.np)


def _from_numpy(value: Any, kind: DType | None) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind in "SUO":
        if kind in (None, dtypes.string):
            return _text_array(array)
        if any(isinstance(leaf, list | tuple | np.ndarray) for leaf in array.flat):
            raise ValueError("setting an array element with a sequence.")
        return array.astype(object).astype(kind.np)
    if kind is dtypes.string:
        raise TypeError(f"Expected string, got {value!r} of type '{array.dtype}' instead.")
    if kind is not None and array.dtype != kind.np:
        return array.astype(kind.np)
    dtypes.as_dtype(array.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # The graph owns its constants: a program may go on writing to its array.
    return array.copy() if isinstance(value, np.ndarray) and value.flags.writeable else array


def _preferred_type(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        small = array.astype(np.int32)
        return small if np.array_equal(small, array) else array
    return array


def _leaves(value: Any) -> Iterator[Any]:
    """The first leaf of each class in nested lists, level by level.

    Classes are all that `_check_leaves` looks at. Ten million numbers take 1 s this way, and 50 s one by one.
    """
    if not isinstance(value, list | tuple):
        yield value
        return
    level: Sequence[Any] = value
    while level:
        first = dict(zip(map(type, reversed(level)), reversed(level)))
        kinds = dict.fromkeys(map(type, level))
        nested = [kind for kind in kinds if issubclass(kind, list | tuple)]
        yield from (first[kind] for kind in kinds if kind not in nested)
        if not nested:
            return
        rows = level if len(nested) == len(kinds) else [v for v in level if isinstance(v, list | tuple)]
        level = list(chain.from_iterable(rows))


def _first_leaf_is_text(value: Any) -> bool:
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, str | bytes) or isinstance(value, np.ndarray) and value.dtype.kind in "SUO"


_ACCEPTED: dict[str, Any] = {
    "f": (numbers.Real, Dimension, np.bool_),
    "i": (numbers.Integral, Dimension, np.bool_),
    "u": (numbers.Integral, Dimension, np.bool_),
    "c": numbers.Complex,
    "b": (bool, np.bool_),
}


def _check_leaves(value: Any, kind: DType | None) -> None:
    accepted = _ACCEPTED.get(kind._kind) if kind is not None else None
    for leaf in _leaves(value):
        if isinstance(leaf, Tensor):
            raise TypeError("List of Tensors when single Tensor expected")
        if isinstance(leaf, np.ndarray):
            if kind is dtypes.bool and leaf.dtype != np.bool_:
                _refuse(kind, leaf)
            continue
        if kind is dtypes.bool and isinstance(leaf, int | np.number) and not isinstance(leaf, bool):
            _refuse(kind, leaf)
        if (
            accepted is not None
            and not isinstance(leaf, accepted)
            and not np.isscalar(leaf)
            and not hasattr(leaf, "__array__")
        ):
            _refuse(kind, leaf)
        if (
            accepted is not None
            and isinstance(leaf, str | bytes | float | complex | bool)
            and not isinstance(leaf, accepted)
        ):
            _refuse(kind, leaf)
        if isinstance(leaf, np.floating) and kind is not None and kind.is_integer:
            _refuse(kind, leaf)
        if leaf is None and kind is not None:
            _refuse(kind, leaf)
        if (
            kind is None
            and not isinstance(leaf, numbers.Number | Dimension | np.generic | str | bytes)
            and not hasattr(leaf, "__array__")
        ):
            raise _unconvertible(value)
        if kind is None and isinstance(leaf, str | bytes):
            raise _unconvertible(value)


def _unconvertible(value: Any) -> TypeError:
    return TypeError(
        f"Failed to convert object of type {type(value)} to Tensor. Contents: {value}. Consider casting elements to a "
        "supported type."
    )


def _refuse(kind: DType | None, leaf: Any) -> None:
    raise TypeError(f"Expected {kind.name}, got {leaf!r} of type {type(leaf).__name__!r} instead.")  # type: ignore[union-attr]  # without a type, nothing is refused


def _text_array(value: Any, is_explicit: bool = False) -> np.ndarray:
    raw = np.array(value, dtype=object) if not isinstance(value, np.ndarray) else value
    out = np.empty(raw.shape, object)
    flat, given = out.reshape(-1), raw.reshape(-1)
    for i, leaf in enumerate(given):
        if not isinstance(leaf, str | bytes | np.bytes_):
            if isinstance(value, list | tuple) and not is_explicit:
                raise _unconvertible(value)
            if isinstance(value, np.ndarray):
                raise TypeError(f"Expected binary or unicode string, got {leaf!r}")
            raise TypeError(f"Expected string, got {leaf!r} of type {type(leaf).__name__!r} instead.")
        flat[i] = as_bytes(leaf)
    return out


def _quantized(value: Any, kind: DType, shape: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype != kind.np:
        array = np.array(value, dtype=kind.np)
    return array if shape is None else _reshaped(array, shape, False)


def _reshaped(array: np.ndarray, shape: Any, verify: bool) -> np.ndarray:
    wanted = shapes.static_shape(shape)
    if not shapes.is_static(wanted):
        raise ValueError(f"constant needs a fully known shape, not {shapes.shape_text(wanted)}")
    if verify and array.shape != wanted:
        raise TypeError(f"Expected Tensor's shape: {wanted}, got {array.shape}.")
    size = shapes.size_of(wanted)
    assert size is not None
    if size == array.size:
        return array.reshape(wanted)
    if not size:
        return np.empty(wanted, array.dtype)
    if array.size > size:
        raise ValueError(f"Too many elements provided. Needed at most {size}, but received {array.size}")
    if array.size == 0:
        raise ValueError(f"no value to fill shape {wanted} with")
    filled = np.empty(size, array.dtype)
    filled[: array.size] = array.reshape(-1)
    filled[array.size :] = array.reshape(-1)[-1]
    return filled.reshape(wanted)


def _convert(value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    return constant(value, dtype, name=name or "Const")


register_tensor_conversion_function((list, tuple), _convert, 100)
register_tensor_conversion_function((int, float, bool, complex, str, bytes, np.ndarray, np.generic), _convert, 100)
register_tensor_conversion_function(object, _convert, 200)


def _refuse_operation(value: Operation, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Any:
    target = f"target dtype={dtype!r}, name={name!r}, as_ref={as_ref}"
    raise TypeError(f"Can't convert Operation {value.name!r} to Tensor ({target})")


register_tensor_conversion_function(Operation, _refuse_operation, 90)


def _convert_shape(value: TensorShape, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    if not value.is_fully_defined():
        raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor: {value}")
    sizes = value.as_list()
    if dtype is not None and dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"Cannot convert a TensorShape to dtype: {dtype}")
    if dtype is None and any(s is not None and s >= 2**31 for s in sizes):
        dtype = dtypes.int64
    if dtype is not None and dtype.as_numpy_dtype is np.int32:
        for size in sizes:
            if size is not None and size >= 2**31:
                raise ValueError(f"Cannot convert a TensorShape to dtype int32; a dimension is too large ({size})")
    return constant(np.array(sizes, (dtype or dtypes.int32).np), dtype, name=name or "shape_as_tensor")


def _convert_dimension(value: Dimension, dtype: Any = None, name: str | None = None, as_ref: bool = False) -> Tensor:
    if value.value is None:
        raise ValueError(f"Cannot convert an unknown Dimension to a Tensor: {value}")
    if dtype is not None and dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"Cannot convert a TensorShape to dtype: {dtype}")
    return constant(np.array(value.value, (dtype or dtypes.int32).np), dtype, name=name or "shape_as_tensor")


register_tensor_conversion_function(TensorShape, _convert_shape, 100)
register_tensor_conversion_function(Dimension, _convert_dimension, 100)
