"""Elements that may be missing: `tf.data.experimental.Optional`."""

from __future__ import annotations

from typing import Any

import evergraph.data.structure as structure
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec, TypeSpec
from evergraph.ops.datasets import optional as ops


@public("data.experimental.Optional")
class Optional:
    """A value, or none: what `get_next_as_optional` gives, which raises nothing at the end."""

    def __init__(self, variant_tensor: Tensor, value_structure: Any) -> None:
        self._variant_tensor, self._value_structure = variant_tensor, value_structure

    @staticmethod
    def from_value(value: Any) -> Optional:
        """An optional that has a value."""
        with name_scope("optional") as scope:
            with name_scope("value"):
                spec = structure.type_spec_from_value(value)
                parts = structure.to_tensor_list(spec, value)
        return Optional(ops.optional_from_value(parts, name=scope), spec)

    @staticmethod
    def none_from_structure(value_structure: Any) -> Optional:
        """An optional that has none."""
        return Optional(ops.optional_none(), value_structure)

    def has_value(self, name: str | None = None) -> Tensor:
        """Whether there is a value: a bool scalar."""
        return ops.optional_has_value(self._variant_tensor, name=name)

    def get_value(self, name: str | None = None) -> Any:
        """The value. Running it raises `tf.errors.InvalidArgumentError` if there is none."""
        with name_scope(name, "OptionalGetValue", [self._variant_tensor]) as scope:
            flat = ops.optional_get_value(
                self._variant_tensor, name=scope, **structure.flat_structure(self._value_structure)
            )
            return structure.from_tensor_list(self._value_structure, flat)

    @property
    def value_structure(self) -> Any:
        """The structure of the value, as specs."""
        return self._value_structure

    @property
    def _type_spec(self) -> OptionalSpec:
        return OptionalSpec(self._value_structure)


@public("OptionalSpec", "data.experimental.OptionalStructure")
class OptionalSpec(TypeSpec):
    """The kind of an optional: the structure of its value."""

    __slots__ = ("_value_structure",)

    def __init__(self, value_structure: Any) -> None:
        self._value_structure = value_structure

    @property
    def value_type(self) -> Any:
        return Optional

    @staticmethod
    def from_value(value: Any) -> OptionalSpec:
        return OptionalSpec(value.value_structure)

    def _serialize(self) -> tuple[Any, ...]:
        return (self._value_structure,)

    @property
    def _component_specs(self) -> Any:
        return [TensorSpec((), dtypes.variant)]

    def _to_components(self, value: Any) -> Any:
        return [value._variant_tensor]

    def _from_components(self, components: Any) -> Any:
        return Optional(components[0], self._value_structure)

    def _to_legacy_output_types(self) -> Any:
        return self

    def _to_legacy_output_shapes(self) -> Any:
        return self

    def _to_legacy_output_classes(self) -> Any:
        return self
