"""Classes that TensorFlow has one of for each transformation, for programs that reach for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.mapping as mapping
from evergraph.data.dataset import Dataset, DatasetV1Adapter


class MapDataset(DatasetV1Adapter):
    """`Dataset.map`, with more to choose."""

    def __init__(
        self,
        input_dataset: Dataset,
        map_func: Callable[..., Any],
        use_inter_op_parallelism: bool = True,
        preserve_cardinality: bool = False,
        use_legacy_function: bool = False,
    ) -> None:
        built = mapping.mapped(input_dataset, map_func, None, use_inter_op_parallelism, preserve_cardinality)
        super().__init__(built.variant, built.element_spec)
        self._below, self._own_functions = [input_dataset], built.functions


class ParallelMapDataset(DatasetV1Adapter):
    """`Dataset.map` with parallel calls, with more to choose."""

    def __init__(
        self,
        input_dataset: Dataset,
        map_func: Callable[..., Any],
        num_parallel_calls: Any,
        use_inter_op_parallelism: bool = True,
        preserve_cardinality: bool = False,
        use_legacy_function: bool = False,
    ) -> None:
        built = mapping.mapped(
            input_dataset, map_func, num_parallel_calls, use_inter_op_parallelism, preserve_cardinality
        )
        super().__init__(built.variant, built.element_spec)
        self._below, self._own_functions = [input_dataset], built.functions
