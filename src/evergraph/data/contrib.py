"""What `tf.contrib.data` calls by names of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.nest as nest
from evergraph.data.batching import batch
from evergraph.data.dataset import AUTOTUNE, Dataset
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.optional import Optional
from evergraph.data.options import Options
from evergraph.framework.api import public, publish

publish("contrib.data.AUTOTUNE", AUTOTUNE)
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
