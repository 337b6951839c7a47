"""The kind of an `IndexedSlices`."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.shapes import TensorShape
from evergraph.framework.sparse import IndexedSlices, IndexedSlicesValue
from evergraph.framework.type_spec import TensorSpec, TypeSpec, register_type_spec_from_value_converter
from evergraph.ops.static_values import as_shape, get_static_value


@public("IndexedSlicesSpec")
class IndexedSlicesSpec(TypeSpec):
    """The kind of an `IndexedSlices`: the shape of the whole, as far as it is known, and the types of its parts.

    Args:
        shape: the shape of the whole.
        dtype: the type of the values.
        indices_dtype: the type of the indices.
        dense_shape_dtype: the type of the dense shape; None if it has none.
        indices_shape: the shape of the indices: how many slices there are.
    """

    __slots__ = ("_dense_shape_dtype", "_indices_dtype", "_indices_shape", "_shape", "_values_dtype")

    def __init__(
        self,
        shape: Any = None,
        dtype: Any = dtypes.float32,
        indices_dtype: Any = dtypes.int64,
        dense_shape_dtype: Any = None,
        indices_shape: Any = None,
    ) -> None:
        self._shape = shapes.as_shape(shape)
        self._values_dtype = dtypes.as_dtype(dtype)
        self._indices_dtype = dtypes.as_dtype(indices_dtype)
        self._dense_shape_dtype = None if dense_shape_dtype is None else dtypes.as_dtype(dense_shape_dtype)
        self._indices_shape = shapes.as_shape(indices_shape).with_rank(1)

    @property
    def value_type(self) -> Any:
        return IndexedSlices

    @classmethod
    def from_value(cls, value: IndexedSlices) -> IndexedSlicesSpec:
        count = value.indices.shape.merge_with(value.values.shape[:1])
        whole, kind = TensorShape([None]).concatenate(value.values.shape[1:]), None
        if value.dense_shape is not None:
            known = as_shape(get_static_value(value.dense_shape))
            whole, kind = whole.merge_with(TensorShape(known)), value.dense_shape.dtype
        return cls(whole, value.dtype, value.indices.dtype, kind, count)

    def _serialize(self) -> tuple[Any, ...]:
        return self._shape, self._values_dtype, self._indices_dtype, self._dense_shape_dtype, self._indices_shape

    @property
    def _component_specs(self) -> Any:
        values = self._indices_shape.concatenate(self._shape[1:])
        specs = (TensorSpec(values, self._values_dtype), TensorSpec(self._indices_shape, self._indices_dtype))
        if self._dense_shape_dtype is None:
            return specs
        return (*specs, TensorSpec([self._shape.ndims], self._dense_shape_dtype))

    def _to_components(self, value: Any) -> Any:
        parts = value.values, value.indices
        return parts if value.dense_shape is None else (*parts, value.dense_shape)

    def _from_components(self, components: Any) -> Any:
        values, indices, *whole = components
        kind = IndexedSlicesValue if all(type(c).__module__ == "numpy" for c in components) else IndexedSlices
        return kind(values, indices, whole[0] if whole else None)


register_type_spec_from_value_converter(IndexedSlices, IndexedSlicesSpec.from_value)
