"""Datasets of batches, and of what batches hold: batch, padded_batch, map_and_batch, window, unbatch, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.built import Built, long
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.functions import StructuredFunction
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.shapes import Dimension, TensorShape, as_shape
from evergraph.framework.sparse import SparseTensor
from evergraph.ops.datasets import batching as ops
from evergraph.ops.datasets import grouping as grouping_ops
from evergraph.ops.datasets.sparse_spec import SparseTensorSpec
from evergraph.ops.opdef import constant_value, partial_value


def _value(t: Any) -> Any:
    found = constant_value(t)
    return None if found is None else found[()]


def _batched_spec(spec: Any, size: Any, drops: Any) -> Any:
    known = _value(size) if _value(drops) else None
    rows = None if known is None else int(known)
    return nest.map_structure(lambda component: component._batch(rows), spec)


def batch(source: Any, batch_size: Any, drop_remainder: Any) -> Built:
    size = long(batch_size, "batch_size")
    drops = convert_to_tensor(drop_remainder, dtype=dtypes.bool, name="drop_remainder")
    spec = _batched_spec(source.element_spec, size, drops)
    made = ops.batch_dataset_v2(source._variant_tensor, size, drops, **structure.flat_structure(spec))
    return Built(made, spec)


def map_and_batch(source: Any, map_func: Any, batch_size: Any, num_parallel_calls: Any, drop_remainder: Any) -> Built:
    function = StructuredFunction(map_func, "tf.data.experimental.map_and_batch()", source.element_spec)
    size, calls = long(batch_size, "batch_size"), long(num_parallel_calls, "num_parallel_calls")
    drops = convert_to_tensor(drop_remainder, dtype=dtypes.bool, name="drop_remainder")
    spec = _batched_spec(function.output_structure, size, drops)
    made = ops.map_and_batch_dataset(
        source._variant_tensor,
        function.captured_inputs,
        size,
        calls,
        drops,
        f=function.function,
        preserve_cardinality=True,
        **structure.flat_structure(spec),
    )
    return Built(made, spec, [function])


def _fits(padded: TensorShape, component: TensorShape) -> bool:
    if padded.dims is None or component.dims is None:
        return True
    if len(padded.dims) != len(component.dims):
        return False
    pairs = zip(padded.as_list(), component.as_list(), strict=True)
    return not any(p is not None and c is not None and p < c for p, c in pairs)


def _padded_shape(padded_shape: Any, component: TensorShape) -> Any:
    """A padded shape as a vector of sizes, -1 for the longest element of each batch."""
    try:
        known = as_shape(padded_shape)
        sizes = convert_to_tensor([-1 if n is None else n for n in known.as_list()], dtype=dtypes.int64)
    except (TypeError, ValueError):
        sizes = convert_to_tensor(padded_shape, preferred_dtype=dtypes.int64)
        if sizes.shape.dims is not None and len(sizes.shape.dims) != 1:
            raise ValueError(
                f"Padded shape {padded_shape} must be a 1-D tensor of tf.int64 values, but its shape was {sizes.shape}."
            ) from None
        if sizes.dtype != dtypes.int64:
            raise TypeError(
                f"Padded shape {padded_shape} must be a 1-D tensor of tf.int64 values, but its element type was "
                f"{sizes.dtype.name}."
            ) from None
        known = _shape_in(sizes)
    if not _fits(known, component):
        raise ValueError(
            f"The padded shape {known} is not compatible with the corresponding input component shape {component}."
        )
    return sizes


def _shape_in(sizes: Any) -> TensorShape:
    """The static shape that a vector of sizes stands for."""
    known = partial_value(sizes)
    if known is None:
        rank = sizes.shape.as_list()[0] if sizes.shape.ndims == 1 else None
        return TensorShape(None if rank is None else [None] * rank)
    return TensorShape([None if n is None or n < 0 else int(n) for n in np.ravel(np.array(known, object))])


def _padding(value: Any, kind: Any) -> Any:
    value = convert_to_tensor(value, name="padding_value")
    if not value.shape.is_compatible_with(TensorShape([])):
        raise ValueError(f"Padding value should be a scalar, but is not: {value}")
    if value.dtype != kind:
        raise TypeError(f"Padding value tensor ({value}) does not match output type: {kind}")
    return value


def _zero(kind: Any) -> Any:
    if kind.base_dtype == dtypes.string:
        return ""
    if kind.base_dtype == dtypes.variant:
        raise TypeError(
            "Unable to create padding for field of type 'variant' because t.base_type == dtypes.variant == "
            f"{kind.base_dtype}."
        )
    return np.zeros_like(kind.as_numpy_dtype())


def padded_batch(source: Any, batch_size: Any, padded_shapes: Any, padding_values: Any, drop_remainder: Any) -> Built:
    spec = source.element_spec
    types, shapes, classes = (
        structure.legacy_types(spec),
        structure.legacy_shapes(spec),
        structure.legacy_classes(spec),
    )
    if any(c is SparseTensor for c in nest.flatten(classes)):
        raise TypeError("Batching of padded sparse tensors is not currently supported")
    size = long(batch_size, "batch_size")
    if padding_values is None:
        padding_values = nest.map_structure(_zero, types)
    given = nest.flatten_up_to(shapes, padded_shapes)
    padded = [_padded_shape(p, component) for component, p in zip(nest.flatten(shapes), given, strict=True)]
    values = nest.map_structure_up_to(shapes, _padding, padding_values, types)
    drops = convert_to_tensor(drop_remainder, dtype=dtypes.bool, name="drop_remainder")
    known = _value(size) if _value(drops) else None
    rows = TensorShape([None if known is None else int(known)])
    new_shapes = nest.pack_sequence_as(shapes, [rows.concatenate(_shape_in(p)) for p in padded])
    new_spec = structure.convert_legacy_structure(types, new_shapes, classes)
    flat_values = nest.flatten(values)
    flat_shapes = structure.get_flat_tensor_shapes(new_spec)
    made = ops.padded_batch_dataset_v2(
        source._variant_tensor, size, padded, flat_values, drops, output_shapes=flat_shapes
    )
    return Built(made, new_spec)


def window(source: Any, size: Any, shift: Any, stride: Any, drop_remainder: Any) -> Built:
    numbers = [long(size, "size"), long(shift, "shift"), long(stride, "stride")]
    drops = convert_to_tensor(drop_remainder, dtype=dtypes.bool, name="drop_remainder")
    spec = source.element_spec
    windows = nest.pack_sequence_as(
        structure.legacy_classes(spec), [DatasetSpec(component) for component in nest.flatten(spec)]
    )
    made = grouping_ops.window_dataset(source._variant_tensor, *numbers, drops, **structure.flat_structure(windows))
    return Built(made, windows)


def unbatch(source: Any) -> Built:
    flat = structure.get_flat_tensor_shapes(source.element_spec)
    if any(shape.ndims == 0 for shape in flat):
        raise ValueError("Cannot unbatch an input with scalar components.")
    rows = Dimension(None)
    for shape in flat:
        try:
            rows = rows.merge_with(shape[0])
        except ValueError:
            raise ValueError("Cannot unbatch an input whose components have different batch sizes.") from None
    spec = nest.map_structure(lambda component: component._unbatch(), source.element_spec)
    return Built(ops.unbatch_dataset(source._variant_tensor, **structure.flat_structure(spec)), spec)


def dense_to_sparse_batch(source: Any, batch_size: Any, row_shape: Any) -> Built:
    kind = structure.legacy_types(source.element_spec)
    if not isinstance(kind, dtypes.DType):
        raise TypeError(
            "DenseToSparseDataset requires an input whose elements have a single component, whereas the input has "
            f"{kind!r}."
        )
    spec = SparseTensorSpec(TensorShape([None]).concatenate(row_shape), kind)
    made = ops.dense_to_sparse_batch_dataset(
        source._variant_tensor, batch_size, row_shape=shape_to_tensor(row_shape), **structure.flat_structure(spec)
    )
    return Built(made, spec)


def shape_to_tensor(shape_like: Any) -> Any:
    """A partly known shape as a vector of sizes, -1 for those unknown."""
    try:
        sizes = as_shape(shape_like).as_list()
        return convert_to_tensor([-1 if n is None else n for n in sizes], dtype=dtypes.int64)
    except (TypeError, ValueError):
        found = convert_to_tensor(shape_like, preferred_dtype=dtypes.int64)
        if found.shape.dims is not None and len(found.shape.dims) != 1:
            raise ValueError(
                f"The given shape {shape_like} must be a 1-D tensor of tf.int64 values, but the shape was "
                f"{found.shape}."
            ) from None
        if found.dtype != dtypes.int64:
            raise TypeError(
                f"The given shape {shape_like} must be a 1-D tensor of tf.int64 values, but the element type was "
                f"{found.dtype.name}."
            ) from None
        return found
