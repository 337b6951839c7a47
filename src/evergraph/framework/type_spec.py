"""What kind of value something is, without the value: `TensorSpec([None, 10], tf.float32)`, ...

A *spec* says how a value (a tensor, a sparse tensor, a dataset, ...) is taken apart into tensors and put together
again. Datasets and iterators describe their elements by structures of specs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.framework import dtypes, nest, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import converted
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor

_converters: list[tuple[type, Callable[[Any], Any], bool]] = []


@public("TypeSpec", "data.experimental.Structure")
class TypeSpec:
    """The kind of a value; subclasses say how such a value is taken apart and put together."""

    __slots__ = ()

    @property
    def value_type(self) -> Any:
        """The class of the values."""
        raise NotImplementedError(f"{type(self).__name__}.value_type")

    @property
    def _component_specs(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._component_specs()")

    def _to_components(self, value: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._to_components()")

    def _from_components(self, components: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._from_components()")

    def _serialize(self) -> tuple[Any, ...]:
        raise NotImplementedError(f"{type(self).__name__}._serialize()")

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        return cls(*serialization)

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """Whether a value (or all values of another spec) can be of this kind."""
        other = spec_or_value if isinstance(spec_or_value, TypeSpec) else type_spec_from_value(spec_or_value)
        return type(self) is type(other) and _compatible(self._serialize(), other._serialize())

    def most_specific_compatible_type(self, other: Any) -> Any:
        """The narrowest spec that takes the values of both.

        Raises:
            ValueError: if there is none.
        """
        if type(self) is not type(other):
            raise ValueError(f"No TypeSpec is compatible with both {self} and {other}")
        return self._deserialize(_most_specific(self._serialize(), other._serialize()))

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return _flat_specs(self._component_specs)

    def _to_tensor_list(self, value: Any) -> list[Tensor]:
        return nest.flatten(self._to_components(value), expand_composites=True)

    def _from_tensor_list(self, tensor_list: Any) -> Any:
        expected = self._flat_tensor_specs
        if len(tensor_list) != len(expected):
            raise ValueError("Incompatible input: wrong number of tensors")
        for i, (t, wanted) in enumerate(zip(tensor_list, expected, strict=True)):
            if not type_spec_from_value(t).is_compatible_with(wanted):
                raise ValueError(f"Incompatible input: tensor {i} ({t}) is incompatible with {wanted}")
        return self._from_compatible_tensor_list(tensor_list)

    def _from_compatible_tensor_list(self, tensor_list: Any) -> Any:
        return self._from_components(nest.pack_sequence_as(self._component_specs, list(tensor_list)))

    def _to_legacy_output_types(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._to_legacy_output_types()")

    def _to_legacy_output_shapes(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._to_legacy_output_shapes()")

    def _to_legacy_output_classes(self) -> Any:
        return self.value_type

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _key(self._serialize()) == _key(other._serialize())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((type(self), _key(self._serialize())))

    def __reduce__(self) -> Any:
        return type(self), self._serialize()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._serialize()!r}"


class BatchableTypeSpec(TypeSpec):
    """The kind of values that can be put together to batches of the same kind."""

    __slots__ = ()

    def _batch(self, batch_size: int | None) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._batch")

    def _unbatch(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__}._unbatch")

    def _to_batched_tensor_list(self, value: Any) -> list[Tensor]:
        tensors = self._to_tensor_list(value)
        if any(t.shape.ndims == 0 for t in tensors):
            raise ValueError(f"Value {value} has insufficient rank for batching.")
        return tensors


def _flat_specs(specs: Any) -> list[Any]:
    if isinstance(specs, TensorSpec):
        return [specs]
    if isinstance(specs, TypeSpec):
        return specs._flat_tensor_specs
    return [flat for spec in nest.flatten(specs) for flat in _flat_specs(spec)]


def _compatible(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(_compatible(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return sorted(a) == sorted(b) and all(_compatible(a[k], b[k]) for k in a)
    if isinstance(a, TypeSpec | TensorShape | dtypes.DType):
        return a.is_compatible_with(b)
    return bool(a == b)


def _most_specific(a: Any, b: Any) -> Any:
    if type(a) is not type(b):
        raise ValueError(f"Types are not compatible: {a!r} vs {b!r}")
    if isinstance(a, tuple):
        if len(a) != len(b):
            raise ValueError(f"Types are not compatible: {a!r} vs {b!r}")
        return tuple(_most_specific(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        if sorted(a) != sorted(b):
            raise ValueError(f"Types are not compatible: {a!r} vs {b!r}")
        return {k: _most_specific(a[k], b[k]) for k in sorted(a)}
    if isinstance(a, TensorShape):
        return a.most_specific_compatible_shape(b)
    if isinstance(a, TypeSpec):
        return a.most_specific_compatible_type(b)
    if a != b:
        raise ValueError(f"Types are not compatible: {a!r} vs {b!r}")
    return a


def _key(value: Any) -> Any:
    """What stands for a serialised spec in comparisons and hashes."""
    if isinstance(value, dict):
        return tuple((k, _key(value[k])) for k in sorted(value))
    if isinstance(value, tuple):
        return tuple(_key(v) for v in value)
    if isinstance(value, TensorShape):
        return TensorShape, value._sizes
    if isinstance(value, np.ndarray):
        return np.ndarray, value.shape, value.tobytes()
    if value is None or isinstance(value, int | float | bool | str | bytes | dtypes.DType | TypeSpec | type):
        return value
    raise ValueError(f"Unsupported value type {type(value).__name__} in a serialized TypeSpec")


@public("TensorSpec")
class TensorSpec(BatchableTypeSpec):
    """The kind of a tensor: its static shape and its type.

    Args:
        shape: anything that describes a static shape.
        dtype: the type.
        name: a name, for whoever makes an input of it.
    """

    __slots__ = ("_dtype", "_name", "_shape")

    def __init__(self, shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> None:
        self._shape = TensorShape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._name = name

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        return cls(spec.shape, spec.dtype, name or spec.name)

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        if not isinstance(tensor, Tensor):
            raise ValueError("`tensor` should be a tf.Tensor")
        return TensorSpec(tensor.shape, tensor.dtype, name or tensor.op.name)

    @property
    def shape(self) -> TensorShape:
        return self._shape

    @property
    def dtype(self) -> dtypes.DType:
        return self._dtype

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def value_type(self) -> Any:
        return Tensor

    def is_compatible_with(self, spec_or_tensor: Any) -> bool:
        return (
            isinstance(spec_or_tensor, TensorSpec | Tensor)
            and self._dtype.is_compatible_with(spec_or_tensor.dtype)
            and self._shape.is_compatible_with(spec_or_tensor.shape)
        )

    def most_specific_compatible_type(self, other: Any) -> TensorSpec:
        if type(self) is not type(other) or self._dtype != other.dtype:
            raise ValueError(f"Types are not compatible: {self!r} vs {other!r}")
        name = self._name if self._name == other.name else None
        return TensorSpec(self._shape.most_specific_compatible_shape(other.shape), self._dtype, name)

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._name

    @property
    def _component_specs(self) -> Any:
        return self

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [self]

    def _to_components(self, value: Any) -> Tensor:
        try:
            tensor = converted(value, self._dtype)
        except (TypeError, ValueError):
            tensor = None
        if tensor is None or not tensor.shape.is_compatible_with(self._shape):
            raise ValueError(
                f"Value {value!r} is not convertible to a tensor with dtype {self._dtype} and shape {self._shape}."
            )
        return tensor

    def _from_components(self, components: Any) -> Any:
        return components

    def _to_tensor_list(self, value: Any) -> list[Tensor]:
        return [self._to_components(value)]

    def _from_compatible_tensor_list(self, tensor_list: Any) -> Tensor:
        (t,) = tensor_list
        t.set_shape(self._shape)
        return t

    def _batch(self, batch_size: int | None) -> TensorSpec:
        return TensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> TensorSpec:
        if self._shape.ndims == 0:
            raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        return TensorSpec(self._shape[1:], self._dtype)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape

    def _to_legacy_output_classes(self) -> Any:
        return Tensor

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and self._shape._sizes == other._shape._sizes
            and self._dtype == other._dtype
            and self._name == other._name
        )

    def __hash__(self) -> int:
        return hash((self._shape._sizes, self._dtype))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype!r}, name={self.name!r})"


def register_type_spec_from_value_converter(
    type_object: type, converter_fn: Callable[[Any], Any], allow_subclass: bool = False
) -> None:
    """Say how the spec of values of a type is found; later entries go before earlier ones."""
    _converters.append((type_object, converter_fn, allow_subclass))


def known_type_spec(value: Any) -> Any:
    """The spec of `value` if its type has one, else None."""
    if isinstance(value, Tensor):
        return TensorSpec(value.shape, value.dtype)
    spec = getattr(value, "_type_spec", None)
    if isinstance(spec, TypeSpec):
        return spec
    if isinstance(value, list) and value:
        parts = [known_type_spec(v) for v in value]
        if all(isinstance(part, BatchableTypeSpec) for part in parts):
            try:
                merged = parts[0]
                for part in parts[1:]:
                    merged = merged.most_specific_compatible_type(part)
                return merged._batch(len(parts))
            except (ValueError, TypeError):
                pass  # they differ: not one batch
    for kind, converter, subclasses in reversed(_converters):
        if type(value) is kind or subclasses and isinstance(value, kind):
            return converter(value)
    return None


def type_spec_from_value(value: Any) -> Any:
    """The spec of `value`; what has none of its own is what it converts to, a tensor.

    Raises:
        TypeError: if it does not convert to one.
    """
    spec = known_type_spec(value)
    if spec is None:
        try:
            spec = known_type_spec(converted(value))
        except (ValueError, TypeError):
            spec = None
    if spec is None:
        raise TypeError(f"Could not build a TypeSpec for {value!r} with type {type(value).__name__}")
    return spec


register_type_spec_from_value_converter(np.ndarray, lambda array: TensorSpec(shapes.as_shape(array.shape), array.dtype))
publish("data.experimental.TensorStructure", lambda dtype, shape: TensorSpec(shape, dtype))
