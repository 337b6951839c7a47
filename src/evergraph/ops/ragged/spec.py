"""The kind of a ragged tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import BatchableTypeSpec, TensorSpec, register_type_spec_from_value_converter
from evergraph.ops.ragged.tensor import RaggedTensor, is_ragged
from evergraph.ops.ragged.value import RaggedTensorValue, nested_value


@public("RaggedTensorSpec", "compat.v2.RaggedTensorSpec")
class RaggedTensorSpec(BatchableTypeSpec):
    """The kind of a ragged tensor: its shape as far as it is known, its type and how many partitions it has.

    Args:
        shape: the static shape; None in ragged dimensions.
        dtype: the type of the values.
        ragged_rank: how many partitions; by default all dimensions but the innermost are partitioned.
        row_splits_dtype: int32 or int64.

    Raises:
        ValueError: if neither `ragged_rank` nor the rank of `shape` is known, or the former is not the smaller one.
    """

    __slots__ = ("_dtype", "_ragged_rank", "_row_splits_dtype", "_shape")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        ragged_rank: int | None = None,
        row_splits_dtype: Any = dtypes.int64,
    ) -> None:
        self._shape = shapes.as_shape(shape)
        self._dtype = dtypes.as_dtype(dtype)
        self._row_splits_dtype = dtypes.as_dtype(row_splits_dtype)
        rank = self._shape.ndims
        if ragged_rank is None:
            if rank is None:
                raise ValueError("Must specify ragged_rank or a shape with a known rank.")
            ragged_rank = rank - 1
        self._ragged_rank = ragged_rank
        if not isinstance(ragged_rank, int):
            raise TypeError("ragged_rank must be an int")
        if rank is not None and ragged_rank >= rank:
            raise ValueError("ragged_rank must be less than rank.")

    @property
    def value_type(self) -> Any:
        return RaggedTensor if self._ragged_rank > 0 else Tensor

    @classmethod
    def from_value(cls, value: Any) -> RaggedTensorSpec:
        return cls(value.shape, value.values.dtype, value.ragged_rank, value.row_splits.dtype)

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._dtype, self._ragged_rank, self._row_splits_dtype

    @property
    def _component_specs(self) -> Any:
        if self._ragged_rank == 0:
            return [TensorSpec(self._shape, self._dtype)]
        inner = TensorShape([None]).concatenate(self._shape[self._ragged_rank + 1 :])
        rows = shapes.dimension_at_index(self._shape, 0)
        outer = TensorSpec([None if rows is None else rows + 1], self._row_splits_dtype)
        others = [TensorSpec([None], self._row_splits_dtype) for _ in range(self._ragged_rank - 1)]
        return [TensorSpec(inner, self._dtype), outer, *others]

    def _to_components(self, value: Any) -> Any:
        return [value.flat_values, *value.nested_row_splits] if is_ragged(value) else [value]

    def _from_components(self, components: Any) -> Any:
        parts = list(components)
        if all(isinstance(part, np.ndarray) for part in parts):
            return nested_value(parts[0], parts[1:])
        if isinstance(parts[0], np.ndarray):
            parts = [convert_to_tensor(part) for part in parts]
        result = parts[0]
        for splits in reversed(parts[1:]):
            result = RaggedTensor(result, splits, internal=True)
        return result

    @property
    def _flat_tensor_specs(self) -> list[Any]:
        return [TensorSpec(None, dtypes.variant)]

    def _to_tensor_list(self, value: Any) -> list[Tensor]:
        return [value._to_variant(batched_input=False)]

    def _to_batched_tensor_list(self, value: Any) -> list[Tensor]:
        return [value._to_variant(batched_input=True)]

    def _from_compatible_tensor_list(self, tensor_list: Any) -> Any:
        if self._ragged_rank <= 0:
            raise ValueError(f"ragged_rank must be non-negative; got {self._ragged_rank}.")
        found = RaggedTensor._from_variant(tensor_list[0], self._dtype, output_ragged_rank=self._ragged_rank)
        if self._shape.ndims is not None:
            rows = shapes.dimension_value(self._shape[0])
            if rows is not None:
                found.row_splits.set_shape([rows + 1])
            found.flat_values.set_shape(TensorShape([None]).concatenate(self._shape[self._ragged_rank + 1 :]))
        return found

    def _batch(self, batch_size: int | None) -> RaggedTensorSpec:
        shape = TensorShape([batch_size]).concatenate(self._shape)
        return RaggedTensorSpec(shape, self._dtype, self._ragged_rank + 1)

    def _unbatch(self) -> RaggedTensorSpec:
        return RaggedTensorSpec(self._shape[1:], self._dtype, self._ragged_rank - 1)

    def _to_legacy_output_types(self) -> Any:
        return self._dtype

    def _to_legacy_output_shapes(self) -> Any:
        return self._shape

    def _to_legacy_output_classes(self) -> Any:
        return self


class RaggedTensorType:
    """What a function that is mapped gives: ragged tensors of a type with so many partitions."""

    def __init__(self, dtype: Any, ragged_rank: int, row_splits_dtype: Any = dtypes.int64) -> None:
        self._dtype = dtype
        self._ragged_rank = ragged_rank
        self._row_splits_dtype = dtypes.as_dtype(row_splits_dtype)

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def ragged_rank(self) -> int:
        return self._ragged_rank

    @property
    def row_splits_dtype(self) -> dtypes.DType:
        return self._row_splits_dtype


publish(
    "data.experimental.RaggedTensorStructure",
    lambda dtype, shape, ragged_rank: RaggedTensorSpec(shape, dtype, ragged_rank),
)
register_type_spec_from_value_converter(RaggedTensorValue, RaggedTensorSpec.from_value)

__all__ = ["RaggedTensorSpec", "RaggedTensorType"]
