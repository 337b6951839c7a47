"""The kind of a dataset, as an element of another one or as the result of a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape
from evergraph.framework.type_spec import BatchableTypeSpec, TensorSpec

# Makes a dataset of a variant tensor and an element spec; the class of datasets plugs itself in.
make: list[Callable[[Any, Any], Any]] = []


class NestedVariant:
    """A tensor of several datasets."""

    def __init__(self, variant_tensor: Any, element_spec: Any, dataset_shape: Any) -> None:
        self._variant_tensor, self._element_spec, self._dataset_shape = variant_tensor, element_spec, dataset_shape

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self._element_spec, self._dataset_shape)


@public("data.DatasetSpec", "data.experimental.DatasetStructure")
class DatasetSpec(BatchableTypeSpec):
    """The kind of a dataset: the structure of its elements.

    Args:
        element_spec: that structure.
        dataset_shape: the shape, for a tensor of datasets.
    """

    __slots__ = ("_dataset_shape", "_element_spec")

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self._element_spec = element_spec
        self._dataset_shape = shapes.as_shape(dataset_shape)

    @property
    def value_type(self) -> Any:
        return make[0]

    @staticmethod
    def from_value(value: Any) -> DatasetSpec:
        return DatasetSpec(value.element_spec)

    def _serialize(self) -> tuple[Any, ...]:
        return self._element_spec, self._dataset_shape

    @property
    def _component_specs(self) -> Any:
        return TensorSpec(self._dataset_shape, dtypes.variant)

    def _to_components(self, value: Any) -> Any:
        return value._variant_tensor

    def _from_components(self, components: Any) -> Any:
        if self._dataset_shape.ndims == 0:
            return make[0](components, self._element_spec)
        return NestedVariant(components, self._element_spec, self._dataset_shape)

    def _to_tensor_list(self, value: Any) -> list[Any]:
        if isinstance(value, list | tuple):
            return [convert_to_tensor([part._variant_tensor for part in value])]
        return [convert_to_tensor(value._variant_tensor)]

    def _batch(self, batch_size: int | None) -> DatasetSpec:
        return DatasetSpec(self._element_spec, TensorShape([batch_size]).concatenate(self._dataset_shape))

    def _unbatch(self) -> DatasetSpec:
        if self._dataset_shape.ndims == 0:
            raise ValueError("Unbatching a dataset is only supported for rank >= 1")
        return DatasetSpec(self._element_spec, self._dataset_shape[1:])

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        if self._dataset_shape.ndims == 0:
            raise ValueError("Unbatching a dataset is only supported for rank >= 1")
        return self._to_tensor_list(value)

    def _to_legacy_output_types(self) -> Any:
        return self

    def _to_legacy_output_shapes(self) -> Any:
        return self

    def _to_legacy_output_classes(self) -> Any:
        return self
