"""From Python values to tensors: `convert_to_tensor` and the registry that teaches it new types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.dtypes import DType
from evergraph.framework.tensor import Tensor

Conversion = Callable[..., Any]

_registry: list[tuple[int, int, type | tuple[type, ...], Conversion]] = []
_by_type: dict[type, list[Conversion]] = {}


def register_tensor_conversion_function(base_type: Any, conversion_func: Conversion, priority: int = 100) -> None:
    """Teach `convert_to_tensor` to convert instances of `base_type`.

    Args:
        base_type: a type, or a tuple of types.
        conversion_func: called as `conversion_func(value, dtype=None, name=None, as_ref=False)`; gives a tensor, or
            `NotImplemented` to leave the value to the next function.
        priority: functions of lower priority are asked first.
    """
    types = base_type if isinstance(base_type, tuple) else (base_type,)
    if not all(isinstance(t, type) for t in types):
        raise TypeError("base_type must be a type or a tuple of types.")
    if not callable(conversion_func):
        raise TypeError("conversion_func must be callable.")
    _registry.append((priority, len(_registry), base_type, conversion_func))
    _registry.sort(key=lambda entry: entry[:2])
    _by_type.clear()


def _conversions(kind: type) -> list[Conversion]:
    found = _by_type.get(kind)
    if found is None:
        found = _by_type[kind] = [fn for _, _, base, fn in _registry if issubclass(kind, base)]
    return found


def convert_to_tensor(
    value: Any,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    dtype_hint: Any = None,
) -> Tensor:
    """Convert `value` to a `Tensor`.

    Args:
        value: a tensor, a variable, a NumPy array, a Python number, string or (nested) list of those, or an instance
            of a type given to `register_tensor_conversion_function`.
        dtype: the type wanted; by default it follows from the value.
        name: the name of the op, if one is made.
        preferred_dtype: a type to try first, without insisting. `dtype_hint` is the same.

    Raises:
        TypeError: if no conversion exists.
        ValueError: if `value` is a tensor of another type than `dtype`.
    """
    return converted(value, dtype, name, False, dtype_hint if preferred_dtype is None else preferred_dtype)


def converted(
    value: Any, dtype: Any = None, name: str | None = None, as_ref: bool = False, preferred: Any = None
) -> Any:
    if type(value) is Tensor:
        if dtype is not None:
            wanted = dtypes.as_dtype(dtype)
            if value.dtype is not wanted and not wanted.is_compatible_with(value.dtype):
                raise ValueError(
                    f"Tensor conversion requested dtype {wanted.name} for Tensor with dtype {value.dtype.name}: "
                    f"{str(value)!r}"
                )
        return value
    if dtype is not None:
        dtype = dtypes.as_dtype(dtype)
    for convert in _conversions(type(value)):
        result = NotImplemented
        if dtype is None and preferred is not None:
            hint = dtypes.as_dtype(preferred)
            try:
                result = convert(value, dtype=hint, name=name, as_ref=as_ref)
            except (TypeError, ValueError):
                result = NotImplemented
            else:
                if result is not NotImplemented and result.dtype.base_dtype is not hint.base_dtype:
                    raise TypeError(
                        f"convert_to_tensor did not convert to the preferred dtype: {result.dtype.base_dtype} vs "
                        f"{hint.base_dtype}"
                    )
        if result is NotImplemented:
            result = convert(value, dtype=dtype, name=name, as_ref=as_ref)
        if result is NotImplemented:
            continue
        if not isinstance(result, Tensor):
            if hasattr(result, "dense_shape") or hasattr(result, "values"):
                return result
            raise RuntimeError(
                f"Conversion function {convert!r} for type {type(value)} returned non-Tensor: {result!r}"
            )
        if dtype is not None and not dtype.is_compatible_with(result.dtype):
            raise RuntimeError(
                f"Conversion function {convert!r} for type {type(value)} returned incompatible dtype: requested = "
                f"{dtype.base_dtype.name}, actual = {result.dtype.name}"
            )
        return result
    raise TypeError(f"Cannot convert {value!r} with type {type(value)} to Tensor: no conversion function registered.")


def convert_n_to_tensor(
    values: Sequence[Any],
    dtype: Any = None,
    name: str | None = None,
    as_ref: bool = False,
    preferred: Any = None,
) -> list[Any]:
    """Convert each of `values`; the i-th is named `name_i`."""
    return [
        converted(v, dtype, None if name is None else f"{name}_{i}", as_ref, preferred) for i, v in enumerate(values)
    ]


def is_tensor_like(value: Any) -> bool:
    """Whether `value` is a tensor or converts to one as a symbol (variables, sparse tensors), not as data."""
    if isinstance(value, CompositeTensor):
        return False
    return isinstance(value, Tensor) or hasattr(value, "_as_graph_element") or hasattr(value, "is_tensor_like")


def as_bytes(value: Any, encoding: str = "utf-8") -> bytes:
    if isinstance(value, bytes | bytearray | np.bytes_):
        return bytes(value)
    if isinstance(value, str):
        return value.encode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {value!r}")


def as_text(value: Any, encoding: str = "utf-8") -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {value!r}")


def dtype_name(dtype: DType) -> str:
    return dtype.base_dtype.name
