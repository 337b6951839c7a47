"""Batches of serialized `Example`s parsed: `parse_example_dataset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.structure as structure
from evergraph.data.built import Built
from evergraph.data.dataset import Dataset
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.shapes import as_shape
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.datasets import parsing as ops
from evergraph.ops.parsing.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
    default_tensors,
    wanted_features,
    with_merged_sparse,
    with_open_length,
)


def _parsed(dataset: Dataset, features: Any, num_parallel_calls: Any) -> Built:
    if not structure.are_compatible(dataset.element_spec, TensorSpec([None], dtypes.string)):
        raise TypeError("Input dataset should be a dataset of vectors of strings")
    features = with_open_length(features)
    wanted = wanted_features(features, (VarLenFeature, SparseFeature, FixedLenFeature, FixedLenSequenceFeature))
    batch = structure.legacy_shapes(dataset.element_spec)
    keys = [*wanted.dense_keys, *wanted.sparse_keys]
    shapes = [batch.concatenate(as_shape(shape)) for shape in wanted.dense_shapes]
    shapes += [batch.concatenate([None]) for _ in wanted.sparse_keys]
    kinds = [*wanted.dense_types, *wanted.sparse_types]
    classes = [Tensor] * len(wanted.dense_keys) + [SparseTensor] * len(wanted.sparse_keys)
    described = [dict(zip(keys, values, strict=True)) for values in (kinds, shapes, classes)]
    spec = structure.convert_legacy_structure(*described)
    made = ops.parse_example_dataset(
        dataset._variant_tensor,
        num_parallel_calls,
        default_tensors(wanted),
        sparse_keys=wanted.sparse_keys,
        dense_keys=wanted.dense_keys,
        sparse_types=wanted.sparse_types,
        dense_shapes=[as_shape(shape) for shape in wanted.dense_shapes],
        **structure.flat_structure(spec),
    )
    return Built(made, spec)


@public("data.experimental.parse_example_dataset", "contrib.data.parse_example_dataset")
def parse_example_dataset(features: Any, num_parallel_calls: Any = 1) -> Callable[[Dataset], Dataset]:
    """Batches of serialized `tf.train.Example`s, parsed: dictionaries from feature keys to tensors.

    Args:
        features: a dict from keys to `FixedLenFeature`, `FixedLenSequenceFeature`, `VarLenFeature` or `SparseFeature`.
        num_parallel_calls: how many batches are parsed at once.

    Raises:
        ValueError: if there are no features.
    """
    if features is None:
        raise ValueError(f"Missing: features was {features}.")

    def transformation(dataset: Dataset) -> Dataset:
        parsed = Dataset._of(_parsed(dataset, features, num_parallel_calls), dataset)
        if any(isinstance(feature, SparseFeature) for feature in features.values()):
            parsed = parsed.map(lambda x: with_merged_sparse(features, x), num_parallel_calls=num_parallel_calls)
        return parsed

    return transformation
