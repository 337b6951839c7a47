"""Datasets of the elements of others: repeat, take, skip, shard, concatenate, zip, prefetch, cache, shuffle."""

from __future__ import annotations

from typing import Any

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.built import Built, long
from evergraph.data.seeds import get_seed
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.ops.constant import constant
from evergraph.ops.datasets import cache as cache_ops
from evergraph.ops.datasets import order as ops
from evergraph.ops.datasets import shuffle as shuffle_ops


def _count(count: Any) -> Any:
    return constant(-1, dtype=dtypes.int64, name="count") if count is None else long(count, "count")


def repeat(source: Any, count: Any) -> Built:
    return Built(
        ops.repeat_dataset(source._variant_tensor, _count(count), **source._flat_structure), source.element_spec
    )


def take(source: Any, count: Any) -> Built:
    made = ops.take_dataset(source._variant_tensor, long(count, "count"), **source._flat_structure)
    return Built(made, source.element_spec)


def skip(source: Any, count: Any) -> Built:
    made = ops.skip_dataset(source._variant_tensor, long(count, "count"), **source._flat_structure)
    return Built(made, source.element_spec)


def shard(source: Any, num_shards: Any, index: Any) -> Built:
    shards, at = long(num_shards, "num_shards"), long(index, "index")
    return Built(ops.shard_dataset(source._variant_tensor, shards, at, **source._flat_structure), source.element_spec)


def prefetch(source: Any, buffer_size: Any, slack_period: int | None = None) -> Built:
    size = long(-1 if buffer_size is None else buffer_size, "buffer_size")
    with get_default_graph().device(source._variant_tensor.device):
        made = ops.prefetch_dataset(
            source._variant_tensor, buffer_size=size, slack_period=slack_period, **source._flat_structure
        )
    return Built(made, source.element_spec)


def cache(source: Any, filename: Any) -> Built:
    path = convert_to_tensor(filename, dtype=dtypes.string, name="filename")
    return Built(cache_ops.cache_dataset(source._variant_tensor, path, **source._flat_structure), source.element_spec)


def shuffle(source: Any, buffer_size: Any, seed: Any, reshuffle_each_iteration: bool | None) -> Built:
    size = long(buffer_size, "buffer_size")
    seeds = get_seed(seed)
    made = shuffle_ops.shuffle_dataset(
        source._variant_tensor,
        size,
        *seeds,
        reshuffle_each_iteration=True if reshuffle_each_iteration is None else reshuffle_each_iteration,
        **source._flat_structure,
    )
    return Built(made, source.element_spec)


def shuffle_and_repeat(source: Any, buffer_size: Any, count: Any, seed: Any) -> Built:
    size, times = long(buffer_size, "buffer_size"), _count(count)
    seeds = get_seed(seed)
    made = shuffle_ops.shuffle_and_repeat_dataset(source._variant_tensor, size, *seeds, times, **source._flat_structure)
    return Built(made, source.element_spec)


def same_kind(a: Any, b: Any, what: str) -> Any:
    """The structure of elements of either dataset.

    Raises:
        TypeError: if their types or classes differ.
    """
    types, classes = structure.legacy_types(a.element_spec), structure.legacy_classes(a.element_spec)
    other_types, other_classes = structure.legacy_types(b.element_spec), structure.legacy_classes(b.element_spec)
    if types != other_types:
        raise TypeError(f"Two datasets to {what} have different types {types} and {other_types}")
    if classes != other_classes:
        raise TypeError(f"Two datasets to {what} have different classes {classes} and {other_classes}")
    shapes, other_shapes = structure.legacy_shapes(a.element_spec), structure.legacy_shapes(b.element_spec)
    merged = [
        x.most_specific_compatible_shape(y)
        for x, y in zip(nest.flatten(shapes), nest.flatten(other_shapes), strict=True)
    ]
    return structure.convert_legacy_structure(types, nest.pack_sequence_as(shapes, merged), classes)


def concatenate(source: Any, other: Any) -> Built:
    spec = same_kind(source, other, "concatenate")
    made = ops.concatenate_dataset(source._variant_tensor, other._variant_tensor, **structure.flat_structure(spec))
    return Built(made, spec, inputs=[source, other])


def zipped(datasets: Any, kind: Any) -> Built:
    flat = nest.flatten(datasets)
    for d in flat:
        if not isinstance(d, kind):
            message = "The argument to `Dataset.zip()` must be a nested structure of `Dataset` objects."
            if isinstance(d, list):
                message += " Nested structures do not support Python lists; please use a tuple instead."
            raise TypeError(message)
    spec = nest.pack_sequence_as(datasets, [d.element_spec for d in flat])
    made = ops.zip_dataset([d._variant_tensor for d in flat], **structure.flat_structure(spec))
    return Built(made, spec, inputs=flat)
