"""Elements gathered by a key: `group_by_window`, `bucket_by_sequence_length`, `group_by_reducer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import evergraph.data.mapping as mapping
import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.built import Built
from evergraph.data.dataset import Dataset
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.functions import StructuredFunction
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape, dimension_value
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.checks import assert_less
from evergraph.ops.comparisons import less, less_equal, logical_and
from evergraph.ops.constant import constant
from evergraph.ops.datasets import grouping as ops
from evergraph.ops.reductions import reduce_min
from evergraph.ops.selecting import where

Transformation = Callable[[Dataset], Dataset]
_KEY = TensorSpec([], dtypes.int64)


@public("data.experimental.Reducer", "contrib.data.Reducer")
class Reducer:
    """Three functions: `init_func(key) -> state`, `reduce_func(state, element) -> state`, `finalize_func(state)`."""

    def __init__(self, init_func: Any, reduce_func: Any, finalize_func: Any) -> None:
        self._init_func, self._reduce_func, self._finalize_func = init_func, reduce_func, finalize_func

    @property
    def init_func(self) -> Any:
        return self._init_func

    @property
    def reduce_func(self) -> Any:
        return self._reduce_func

    @property
    def finalize_func(self) -> Any:
        return self._finalize_func


@public("data.experimental.group_by_reducer", "contrib.data.group_by_reducer")
def group_by_reducer(key_func: Callable[..., Any], reducer: Reducer) -> Transformation:
    """One element per key: what a reducer makes of all elements of that key.

    Raises:
        ValueError: if `key_func` gives anything but an int64 scalar.
    """
    what = "tf.data.experimental.group_by_reducer()"

    def transformation(dataset: Dataset) -> Dataset:
        key = StructuredFunction(key_func, what, dataset.element_spec)
        if not mapping.is_scalar(key.output_structure, dtypes.int64):
            raise ValueError(
                f"`key_func` must return a single tf.int64 tensor. Got type={key.output_types} and shape="
                f"{key.output_shapes}"
            )
        init = StructuredFunction(reducer.init_func, what, _KEY)
        reduce, state = mapping.settled(
            lambda state: StructuredFunction(
                reducer.reduce_func, what, (state, dataset.element_spec), add_to_graph=False
            ),
            init.output_structure,
            lambda whole: whole,
        )
        reduce.function.add_to_graph(get_default_graph())
        finalize = StructuredFunction(reducer.finalize_func, what, state)
        functions = [key, init, reduce, finalize]
        made = ops.experimental_group_by_reducer_dataset(
            dataset._variant_tensor,
            *(f.captured_inputs for f in functions),
            key_func=key.function,
            init_func=init.function,
            reduce_func=reduce.function,
            finalize_func=finalize.function,
            **structure.flat_structure(finalize.output_structure),
        )
        return Dataset._of(Built(made, finalize.output_structure, functions), dataset)

    return transformation


@public("data.experimental.group_by_window", "contrib.data.group_by_window")
def group_by_window(
    key_func: Callable[..., Any],
    reduce_func: Callable[..., Any],
    window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Transformation:
    """The elements of `reduce_func(key, window)` for windows of elements of one key.

    Args:
        key_func: gives an int64 scalar for an element.
        reduce_func: makes a dataset of a key and the dataset of a window.
        window_size: how many elements make a window.
        window_size_func: gives that number for a key.

    Raises:
        ValueError: unless just one of `window_size` and `window_size_func` is given.
    """
    if (window_size is not None and window_size_func) or not (window_size is not None or window_size_func):
        raise ValueError("Must pass either window_size or window_size_func.")
    what = "tf.data.experimental.group_by_window()"

    def constant_window_func(unused_key: Any) -> Any:
        return convert_to_tensor(window_size, dtype=dtypes.int64)

    size_of = constant_window_func if window_size is not None else window_size_func
    assert size_of is not None

    def transformation(dataset: Dataset) -> Dataset:
        def key_func_wrapper(*args: Any) -> Any:
            return convert_to_tensor(key_func(*args), dtype=dtypes.int64)

        def window_size_func_wrapper(key: Any) -> Any:
            return convert_to_tensor(size_of(key), dtype=dtypes.int64)

        key = StructuredFunction(key_func_wrapper, what, dataset.element_spec)
        if not mapping.is_scalar(key.output_structure, dtypes.int64):
            raise ValueError("`key_func` must return a single tf.int64 scalar tensor.")
        reduce = StructuredFunction(reduce_func, what, (_KEY, DatasetSpec(dataset.element_spec)))
        if not isinstance(reduce.output_structure, DatasetSpec):
            raise TypeError("`reduce_func` must return a `Dataset` object.")
        size = StructuredFunction(window_size_func_wrapper, what, _KEY)
        if not mapping.is_scalar(size.output_structure, dtypes.int64):
            raise ValueError("`window_size_func` must return a single tf.int64 scalar tensor.")
        spec = reduce.output_structure._element_spec
        made = ops.group_by_window_dataset(
            dataset._variant_tensor,
            key.captured_inputs,
            reduce.captured_inputs,
            size.captured_inputs,
            key_func=key.function,
            reduce_func=reduce.function,
            window_size_func=size.function,
            **structure.flat_structure(spec),
        )
        return Dataset._of(Built(made, spec, [key, reduce, size]), dataset)

    return transformation


@public("data.experimental.bucket_by_sequence_length", "contrib.data.bucket_by_sequence_length")
def bucket_by_sequence_length(
    element_length_func: Callable[..., Any],
    bucket_boundaries: Any,
    bucket_batch_sizes: Any,
    padded_shapes: Any = None,
    padding_values: Any = None,
    pad_to_bucket_boundary: bool = False,
    no_padding: bool = False,
    drop_remainder: Any = False,
) -> Transformation:
    """Padded batches of elements of similar length.

    Args:
        element_length_func: gives the length of an element, an int32 scalar.
        bucket_boundaries: the lengths that part the buckets, ascending.
        bucket_batch_sizes: the batch size of each bucket: one more than there are boundaries.
        padded_shapes, padding_values: as for `padded_batch`.
        pad_to_bucket_boundary: whether unknown sizes become the bucket's boundary less one.
        no_padding: whether elements are batched as they are.
        drop_remainder: whether a smaller last batch of a bucket is dropped.

    Raises:
        ValueError: if there is not one batch size more than boundaries.
    """
    with name_scope("bucket_by_seq_length"):
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise ValueError("len(bucket_batch_sizes) must equal len(bucket_boundaries) + 1")
        batch_sizes = constant(bucket_batch_sizes, dtype=dtypes.int64)

        def element_to_bucket_id(*args: Any) -> Any:
            length = element_length_func(*args)
            boundaries = list(bucket_boundaries)
            least = [np.iinfo(np.int32).min, *boundaries]
            most = [*boundaries, np.iinfo(np.int32).max]
            conditions = logical_and(less_equal(least, length), less(length, most))
            return reduce_min(where(conditions))

        def window_size_fn(bucket_id: Any) -> Any:
            return batch_sizes[bucket_id]

        def make_padded_shapes(shapes: Any, none_filler: Any = None) -> Any:
            padded = [
                [none_filler if dimension_value(d) is None else d for d in TensorShape(shape)]
                for shape in nest.flatten(shapes)
            ]
            return nest.pack_sequence_as(shapes, padded)

        def batching_fn(bucket_id: Any, grouped_dataset: Dataset) -> Dataset:
            batch_size = window_size_fn(bucket_id)
            if no_padding:
                return grouped_dataset.batch(batch_size, drop_remainder=drop_remainder)
            none_filler = None
            if pad_to_bucket_boundary:
                check = assert_less(
                    bucket_id,
                    constant(len(bucket_batch_sizes) - 1, dtype=dtypes.int64),
                    message="When pad_to_bucket_boundary=True, elements must have length < max(bucket_boundaries).",
                )
                with get_default_graph().control_dependencies([check]):
                    boundaries = constant(bucket_boundaries, dtype=dtypes.int64)
                    none_filler = boundaries[bucket_id] - 1
            shapes = make_padded_shapes(
                padded_shapes or structure.legacy_shapes(grouped_dataset.element_spec), none_filler=none_filler
            )
            return grouped_dataset.padded_batch(batch_size, shapes, padding_values, drop_remainder=drop_remainder)

        def transformation(dataset: Dataset) -> Dataset:
            return dataset.apply(group_by_window(element_to_bucket_id, batching_fn, window_size_func=window_size_fn))

        return transformation
