"""Functions that make a transformation for `Dataset.apply`: `map_and_batch`, `shuffle_and_repeat`, `scan`, ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.batching as batching
import evergraph.data.mapping as mapping
import evergraph.data.ordering as ordering
import evergraph.data.structure as structure
from evergraph.data.built import Built
from evergraph.data.dataset import Dataset
from evergraph.data.options import Options
from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.datasets import grouping as grouping_ops
from evergraph.ops.datasets import iterators as iterator_ops
from evergraph.ops.opdef import raw_op

Transformation = Callable[[Dataset], Dataset]

publish("data.experimental.INFINITE_CARDINALITY", -1)
publish("data.experimental.UNKNOWN_CARDINALITY", -2)


@public("data.experimental.dense_to_sparse_batch", "contrib.data.dense_to_sparse_batch")
def dense_to_sparse_batch(batch_size: Any, row_shape: Any) -> Transformation:
    """Batches of elements of different sizes, as sparse tensors.

    Args:
        batch_size: how many elements make a batch.
        row_shape: the dense shape of an element; an unknown size becomes the largest of the batch.
    """
    return lambda dataset: Dataset._of(batching.dense_to_sparse_batch(dataset, batch_size, row_shape), dataset)


def _calls(batch_size: Any, num_parallel_batches: Any, num_parallel_calls: Any) -> Any:
    if num_parallel_batches is None:
        return batch_size if num_parallel_calls is None else num_parallel_calls
    if num_parallel_calls is not None:
        raise ValueError("The `num_parallel_batches` and `num_parallel_calls` arguments are mutually exclusive.")
    return batch_size * num_parallel_batches


@public(
    "data.experimental.map_and_batch",
    "data.experimental.map_and_batch_with_legacy_function",
    "contrib.data.map_and_batch",
)
def map_and_batch(
    map_func: Callable[..., Any],
    batch_size: Any,
    num_parallel_batches: Any = None,
    drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Transformation:
    """`map`, then `batch`, in one.

    Raises:
        ValueError: if both `num_parallel_batches` and `num_parallel_calls` are given.
    """
    calls = _calls(batch_size, num_parallel_batches, num_parallel_calls)

    def transformation(dataset: Dataset) -> Dataset:
        return Dataset._of(batching.map_and_batch(dataset, map_func, batch_size, calls, drop_remainder), dataset)

    return transformation


@public("data.experimental.unbatch", "contrib.data.unbatch")
def unbatch() -> Transformation:
    """The slices of each element along its first axis."""
    return lambda dataset: dataset.unbatch()


@public("data.experimental.enumerate_dataset", "contrib.data.enumerate_dataset")
def enumerate_dataset(start: Any = 0) -> Transformation:
    """Pairs of a number, from `start` on, and an element."""
    return lambda dataset: dataset.enumerate(start)


@public("data.experimental.ignore_errors", "contrib.data.ignore_errors")
def ignore_errors() -> Transformation:
    """The elements that can be made; those whose making fails are left out."""

    def transformation(dataset: Dataset) -> Dataset:
        made = grouping_ops.ignore_errors_dataset(dataset._variant_tensor, **dataset._flat_structure)
        return Dataset._of(Built(made, dataset.element_spec), dataset)

    return transformation


@public("data.experimental.shuffle_and_repeat", "contrib.data.shuffle_and_repeat")
def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Transformation:
    """`shuffle`, then `repeat`, in one: the buffer stays full between the passes."""
    return lambda dataset: Dataset._of(ordering.shuffle_and_repeat(dataset, buffer_size, count, seed), dataset)


@public("data.experimental.parallel_interleave", "contrib.data.parallel_interleave")
def parallel_interleave(
    map_func: Callable[..., Any],
    cycle_length: Any,
    block_length: Any = 1,
    sloppy: Any = False,
    buffer_output_elements: Any = None,
    prefetch_input_elements: Any = None,
) -> Transformation:
    """`Dataset.interleave`, reading ahead. `sloppy` would allow other orders; the order stays."""

    def transformation(dataset: Dataset) -> Dataset:
        built = mapping.interleaved_ahead(
            dataset, map_func, cycle_length, block_length, sloppy, buffer_output_elements, prefetch_input_elements
        )
        return Dataset._of(built, dataset)

    return transformation


publish("contrib.data.sloppy_interleave", lambda map_func, cycle_length, block_length=1: parallel_interleave(
    map_func, cycle_length, block_length, sloppy=True
))  # fmt: skip


@public("data.experimental.scan", "contrib.data.scan")
def scan(initial_state: Any, scan_func: Callable[..., Any]) -> Transformation:
    """The outputs of `scan_func(state, element) -> (new_state, output)`, from `initial_state` on."""
    return lambda dataset: Dataset._of(mapping.scanned(dataset, initial_state, scan_func), dataset)


@public("data.experimental.take_while")
def take_while(predicate: Callable[..., Any]) -> Transformation:
    """The elements before the first that `predicate` is false for."""
    return lambda dataset: Dataset._of(mapping.taken_while(dataset, predicate), dataset)


@public("data.experimental.unique", "contrib.data.unique")
def unique() -> Transformation:
    """The elements that did not come before: numbers or strings.

    Raises:
        TypeError: for a dataset of elements of another type.
    """

    def transformation(dataset: Dataset) -> Dataset:
        if structure.legacy_types(dataset.element_spec) not in (dtypes.int32, dtypes.int64, dtypes.string):
            raise TypeError(
                "`tf.data.experimental.unique()` only supports inputs with a single `tf.int32`, `tf.int64`, or "
                "`tf.string` component."
            )
        made = grouping_ops.unique_dataset(dataset._variant_tensor, **dataset._flat_structure)
        return Dataset._of(Built(made, dataset.element_spec), dataset)

    return transformation


@public("data.experimental.Counter", "contrib.data.Counter")
def Counter(start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64) -> Dataset:
    """A dataset that counts from `start` on, `step` apart, without end."""
    with name_scope("counter"):
        first = convert_to_tensor(start, dtype=dtype, name="start")
        by = convert_to_tensor(step, dtype=dtype, name="step")
        return Dataset.from_tensors(0).repeat(None).apply(scan(first, lambda state, _: (state + by, state)))


@public("data.experimental.cardinality")
def cardinality(dataset: Dataset) -> Tensor:
    """How many elements `dataset` has: an int64 scalar, -1 for no end and -2 for a number that is not known."""
    return iterator_ops.dataset_cardinality(dataset._variant_tensor)


@public("data.experimental.get_single_element", "contrib.data.get_single_element")
def get_single_element(dataset: Dataset) -> Any:
    """The tensors of the only element of `dataset`.

    Raises:
        TypeError: if it is no dataset.
        InvalidArgumentError: at run time, if it has none, or more.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError("`dataset` must be a `tf.data.Dataset` object.")
    made = iterator_ops.dataset_to_single_element(dataset._variant_tensor, **dataset._flat_structure)
    return structure.from_compatible_tensor_list(dataset.element_spec, made)


@public("contrib.data.reduce_dataset")
def reduce_dataset(dataset: Dataset, reducer: Any) -> Any:
    """The result of a `Reducer` over all elements."""
    state = dataset.reduce(reducer.init_func(0), reducer.reduce_func)
    return reducer.finalize_func(state)


@public("data.experimental.prefetch_to_device", "contrib.data.prefetch_to_device")
def prefetch_to_device(device: str, buffer_size: Any = None) -> Transformation:
    """Elements on `device`, made ahead. A compiled program moves them there when it runs."""

    return lambda dataset: dataset.apply(copy_to_device(target_device=device)).prefetch(buffer_size)


@public("data.experimental.copy_to_device", "contrib.data.copy_to_device")
def copy_to_device(target_device: str, source_device: str = "/cpu:0") -> Transformation:
    """Elements on `target_device`. A compiled program moves them there when it runs."""

    def transformation(dataset: Dataset) -> Dataset:
        options = Options()
        options.experimental_optimization.apply_default_optimizations = False
        options.experimental_optimization.autotune = False
        return dataset.with_options(options)

    return transformation


def _measured(op_name: str, tag: Any) -> Transformation:
    def transformation(dataset: Dataset) -> Dataset:
        name = convert_to_tensor(tag, dtype=dtypes.string)
        made = raw_op(op_name)(dataset._variant_tensor, name, **dataset._flat_structure)
        return Dataset._of(Built(made, dataset.element_spec), dataset)

    return transformation


@public("data.experimental.bytes_produced_stats")
def bytes_produced_stats(tag: Any) -> Transformation:
    """The same elements; the bytes of each are added to the histogram `tag` of the dataset's aggregator."""
    return _measured("BytesProducedStatsDataset", tag)


@public("data.experimental.latency_stats")
def latency_stats(tag: Any) -> Transformation:
    """The same elements; the microseconds each takes are added to the histogram `tag` of the dataset's aggregator."""
    return _measured("LatencyStatsDataset", tag)


@public("data.experimental.StatsAggregator")
class StatsAggregator:
    """Where statistics of datasets gather, in each session: set it as the option `experimental_stats.aggregator`.

    >>> aggregator = tf.data.experimental.StatsAggregator()
    >>> options = tf.data.Options()
    >>> options.experimental_stats.aggregator = aggregator
    >>> dataset = tf.data.Dataset.range(9).apply(tf.data.experimental.latency_stats("latency")).with_options(options)
    >>> iterator = tf.data.make_initializable_iterator(dataset)
    >>> element, summary = iterator.get_next(), aggregator.get_summary()
    >>> sess.run(iterator.initializer)
    >>> sess.run(element), sess.run(element)
    (0, 1)
    >>> (value,) = tf.Summary.FromString(sess.run(summary)).value
    >>> value.tag, value.histo.num
    ('latency', 2.0)
    """

    def __init__(self) -> None:
        self._resource = raw_op("StatsAggregatorHandle")()

    def get_summary(self) -> Tensor:
        """A serialized `Summary` of the statistics so far, for a `tf.summary.FileWriter`."""
        return raw_op("StatsAggregatorSummary")(self._resource)
