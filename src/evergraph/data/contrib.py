"""What `tf.contrib.data` calls by names of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.batching import batch
from evergraph.data.built import Built, long
from evergraph.data.dataset import AUTOTUNE, Dataset
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.iterators import get_next_as_optional
from evergraph.data.optional import Optional
from evergraph.data.options import Options
from evergraph.data.transformations import StatsAggregator
from evergraph.framework.api import public, publish
from evergraph.ops.datasets.grouping import sliding_window_dataset

publish("contrib.data.AUTOTUNE", AUTOTUNE)
publish("contrib.data.get_next_as_optional", get_next_as_optional)
publish("contrib.data.StatsAggregator", StatsAggregator)
publish("contrib.data.Optional", Optional)
publish("contrib.data.Options", Options)
publish("contrib.data.DatasetStructure", DatasetSpec)


@public("contrib.data.batch_and_drop_remainder")
def batch_and_drop_remainder(batch_size: Any) -> Callable[[Dataset], Dataset]:
    """Batches of `batch_size` elements; a smaller last one is dropped."""
    return lambda dataset: Dataset._of(batch(dataset, batch_size, True), dataset)


@public("contrib.data.padded_batch_and_drop_remainder")
def padded_batch_and_drop_remainder(
    batch_size: Any, padded_shapes: Any, padding_values: Any = None
) -> Callable[[Dataset], Dataset]:
    """Padded batches of `batch_size` elements; a smaller last one is dropped."""
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, drop_remainder=True)


@public("contrib.data.assert_element_shape")
def assert_element_shape(expected_shapes: Any) -> Callable[[Dataset], Dataset]:
    """The same elements, whose static shapes are what the program says."""

    def transformation(dataset: Dataset) -> Dataset:
        def check(*element: Any) -> Any:
            structure = element if len(element) > 1 else element[0]

            def refined(shape: Any, t: Any) -> Any:
                t.set_shape(shape)
                return t

            return nest.map_structure_up_to(expected_shapes, refined, expected_shapes, structure)

        return dataset.map(check)

    return transformation


@public("contrib.data.sliding_window_batch")
def sliding_window_batch(
    window_size: Any, stride: Any = None, window_shift: Any = None, window_stride: Any = 1
) -> Callable[[Dataset], Dataset]:
    """Batches of windows of elements; windows that are not full are dropped.

    Args:
        window_size: how many elements a window has.
        stride: another name of `window_shift`.
        window_shift: how far apart the starts of two windows are; 1 by default.
        window_stride: how far apart the elements of a window are.

    Raises:
        ValueError: if both `stride` and `window_shift` are given.
    """
    if stride is not None and window_shift is not None:
        raise ValueError("Cannot specify both `stride` and `window_shift`")
    shift = next((s for s in (window_shift, stride) if s is not None), 1)

    def transformation(dataset: Dataset) -> Dataset:
        size, step = long(window_size, "window_stride"), long(window_stride, "window_stride")  # named so in TensorFlow
        apart = long(shift, "window_shift")
        spec = nest.map_structure(lambda component: component._batch(None), dataset.element_spec)
        made = sliding_window_dataset(dataset._variant_tensor, size, apart, step, **structure.flat_structure(spec))
        return Dataset._of(Built(made, spec), dataset)

    return transformation
