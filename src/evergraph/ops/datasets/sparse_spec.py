"""The kind of a sparse tensor. In a dataset it is one *boxed* component: a variant vector of its three parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import SparseTensor, SparseTensorValue, shape_held
from evergraph.framework.type_spec import BatchableTypeSpec, TensorSpec, register_type_spec_from_value_converter
from evergraph.ops.sparse.serialized import deserialize_sparse_op, serialize_many_sparse_op, serialize_sparse_op


@public("SparseTensorSpec")
class SparseTensorSpec(BatchableTypeSpec):
    """The kind of a sparse tensor: its dense shape, as far as it is known, and its type."""

    __slots__ = ("_dtype", "_shape")

    def __init__(self, shape: Any = None, dtype: Any = dtypes.float32) -> None:
        self._shape = shapes.as_shape(shape)
        self._dtype = dtypes.as_dtype(dtype)

    @property
    def shape(self) -> TensorShape:
        return self._shape

    @property
    def dtype(self) -> dtypes.DType:
        return self._dtype

    @property
    def value_type(self) -> Any:
        return SparseTensor

    @classmethod
    def from_value(cls, value: Any) -> SparseTensorSpec:
        if isinstance(value, SparseTensor):
            return cls(value.shape, value.dtype)
        if isinstance(value, SparseTensorValue):
            if isinstance(value.values, np.ndarray):
                held = value.dense_shape
                return cls(held.tolist() if isinstance(held, np.ndarray) else held, value.values.dtype)
            return cls.from_value(SparseTensor.from_value(value))
        raise TypeError("Expected SparseTensor or SparseTensorValue")

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype

    @property
    def _component_specs(self) -> Any:
        rank = self._shape.ndims
        return [
            TensorSpec([None, rank], dtypes.int64),
            TensorSpec([None], self._dtype),
            TensorSpec([rank], dtypes.int64),
        ]

    def _to_components(self, value: Any) -> Any:
        if isinstance(value, SparseTensorValue):
            value = SparseTensor.from_value(value)
        return [value.indices, value.values, value.dense_shape]

    def _from_components(self, components: Any) -> Any:
        if all(type(c).__module__ == "numpy" for c in components):
            return SparseTensorValue(*components)
        return SparseTensor(*components)

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [TensorSpec(None, dtypes.variant)]  # a batch of boxed tensors has one more axis, and so on

    def _to_tensor_list(self, value: Any) -> list[Any]:
        value = SparseTensor.from_value(value)
        return [serialize_sparse_op(value.indices, value.values, value.dense_shape, out_type=dtypes.variant)]

    def _to_batched_tensor_list(self, value: Any) -> list[Any]:
        known = shapes.as_shape(shape_held[0](value.dense_shape))
        if self._shape.merge_with(known).ndims == 0:
            raise ValueError("Unbatching a sparse tensor is only supported for rank >= 1")
        return [serialize_many_sparse_op(value.indices, value.values, value.dense_shape, out_type=dtypes.variant)]

    def _from_compatible_tensor_list(self, tensor_list: Any) -> SparseTensor:
        result = SparseTensor(*deserialize_sparse_op(tensor_list[0], self._dtype))
        rank = self._shape.ndims
        result.indices.set_shape([None, rank])
        result.dense_shape.set_shape([rank])
        return result

    def _batch(self, batch_size: int | None) -> SparseTensorSpec:
        return SparseTensorSpec(TensorShape([batch_size]).concatenate(self._shape), self._dtype)

    def _unbatch(self) -> SparseTensorSpec:
        if self._shape.ndims == 0:
            raise ValueError("Unbatching a sparse tensor is only supported for rank >= 1")
        return SparseTensorSpec(self._shape[1:], self._dtype)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape

    def _to_legacy_output_classes(self) -> Any:
        return SparseTensor


register_type_spec_from_value_converter(SparseTensor, SparseTensorSpec.from_value)
register_type_spec_from_value_converter(SparseTensorValue, SparseTensorSpec.from_value)
publish("data.experimental.SparseTensorStructure", lambda dtype, shape: SparseTensorSpec(shape, dtype))
