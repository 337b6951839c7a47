"""`tf.data.Dataset`: what to read and how to transform it, as ops of a graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import evergraph.data.batching as batching
import evergraph.data.dataset_spec as dataset_spec
import evergraph.data.iterators as iterators
import evergraph.data.mapping as mapping
import evergraph.data.nest as nest
import evergraph.data.ordering as ordering
import evergraph.data.sources as sources
import evergraph.data.structure as structure
from evergraph.data.built import Built
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.options import Options
from evergraph.framework import dtypes, log, scopes
from evergraph.framework.api import public, publish
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.function_graph import FunctionGraph
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.arithmetic import maximum
from evergraph.ops.datasets import iterators as iterator_ops
from evergraph.ops.datasets import rewriting as rewriting_ops
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import shape as shape_of

AUTOTUNE = -1
publish("data.experimental.AUTOTUNE", AUTOTUNE)


@public("data.Dataset")
class Dataset:
    """A sequence of elements, each a structure (tuples, dictionaries) of tensors.

    Datasets are made by the functions `from_...`, `range`, `zip` and `list_files`, and by readers such as
    `tf.data.TFRecordDataset`; methods transform them. Nothing is read before an iterator asks for elements.

    >>> dataset = tf.data.Dataset.range(5).map(lambda x: x * x).batch(2)
    >>> element = dataset.make_one_shot_iterator().get_next()
    >>> sess.run(element), sess.run(element)
    (array([0, 1]), array([4, 9]))
    """

    def __init__(self, variant_tensor: Any = None, element_spec: Any = None) -> None:
        if element_spec is not None:
            self._spec = element_spec
        self._variant_tensor = self._as_variant_tensor() if variant_tensor is None else variant_tensor
        self._graph = get_default_graph()
        self._below: list[Any] = []
        self._own_functions: list[Any] = []
        self._own_options: Options | None = None

    @classmethod
    def _of(cls, built: Built, *below: Any) -> Dataset:
        """The dataset of what was built over the datasets `below`."""
        made = DatasetV1Adapter(built.variant, built.element_spec)
        made._below = list(built.inputs if built.inputs is not None else below)
        made._own_functions = built.functions
        return made

    def _as_variant_tensor(self) -> Tensor:
        raise NotImplementedError("Dataset._as_variant_tensor")

    def _inputs(self) -> list[Any]:
        return self._below

    def _functions(self) -> list[Any]:
        return self._own_functions

    def _as_serialized_graph(self, stateful_whitelist: Any = None) -> Tensor:
        """What this is made of, as a serialized `GraphDef`."""
        allowed = {} if stateful_whitelist is None else {"stateful_whitelist": stateful_whitelist}
        return raw_op("DatasetToGraph")(self._variant_tensor, **allowed)

    # What its elements are

    @property
    def element_spec(self) -> Any:
        """The structure of the elements, as specs."""
        if not hasattr(self, "_spec"):
            self._spec = structure.convert_legacy_structure(self.output_types, self.output_shapes, self.output_classes)
        return self._spec

    @property
    def output_types(self) -> Any:
        """The types of the components."""
        return structure.legacy_types(self.element_spec)

    @property
    def output_shapes(self) -> Any:
        """The static shapes of the components."""
        return structure.legacy_shapes(self.element_spec)

    @property
    def output_classes(self) -> Any:
        """The classes of the components: `tf.Tensor`, `tf.SparseTensor`, ..."""
        return structure.legacy_classes(self.element_spec)

    @property
    def _flat_structure(self) -> dict[str, Any]:
        return structure.flat_structure(self.element_spec)

    @property
    def _flat_shapes(self) -> list[Any]:
        return structure.get_flat_tensor_shapes(self.element_spec)

    @property
    def _flat_types(self) -> list[Any]:
        return structure.get_flat_tensor_types(self.element_spec)

    @property
    def _type_spec(self) -> DatasetSpec:
        return DatasetSpec(self.element_spec)

    def __iter__(self) -> Any:
        raise RuntimeError("__iter__() is only supported inside of tf.function or when eager execution is enabled.")

    def __repr__(self) -> str:
        shapes = str(nest.map_structure(str, get_output_shapes(self))).replace("'", "")
        types = str(nest.map_structure(repr, get_output_types(self))).replace("'", "")
        return f"<{type(self).__name__} shapes: {shapes}, types: {types}>"

    # Options

    def options(self) -> Options:
        """The options of this dataset and those it comes from."""
        if self._own_options is not None:
            return self._own_options
        options = Options()
        for dataset in self._inputs():
            options = options.merge(dataset.options())
        return options

    def with_options(self, options: Options) -> Dataset:
        """The same dataset with options set.

        Raises:
            ValueError: if one of them is set already, to something else.
        """
        made = self._of(Built(self._variant_tensor, self.element_spec), self)
        made._own_options = self.options().merge(options)
        return made

    def _has_captured_ref(self) -> bool:
        captured = [t for f in self._functions() for t in f.captured_inputs]
        seen: set[Tensor] = set()
        while captured:
            t = captured.pop()
            if t.dtype._is_ref_dtype:
                return True
            if t not in seen:
                seen.add(t)
                captured.extend(t.op.inputs)
        return any(dataset._has_captured_ref() for dataset in self._inputs())

    def _apply_options(self) -> Tensor:
        """The variant of this dataset with the ops that say how it is to run."""
        options, attributes, variant = self.options(), self._flat_structure, self._variant_tensor
        threading = options.experimental_threading
        if threading is not None:
            if threading.max_intra_op_parallelism is not None:
                limit = convert_to_tensor(
                    threading.max_intra_op_parallelism, dtype=dtypes.int64, name="max_intra_op_parallelism"
                )
                variant = raw_op("MaxIntraOpParallelismDataset")(variant, limit, **attributes)
            if threading.private_threadpool_size is not None:
                size = convert_to_tensor(threading.private_threadpool_size, dtype=dtypes.int64, name="num_threads")
                variant = raw_op("PrivateThreadPoolDataset")(variant, size, **attributes)
        names = options._static_optimizations()
        if names and self._has_captured_ref():
            warnings.warn(
                "tf.data static optimizations are not compatible with tf.Variable. The following optimizations will be "
                f"disabled: {', '.join(names)}. To enable optimizations, use resource variables instead by calling "
                "`tf.enable_resource_variables()` at the start of the program.",
                stacklevel=3,
            )
        elif names:
            optimizations = convert_to_tensor(names, dtype=dtypes.string, name="optimizations")
            configs = options._static_optimization_configs()
            variant = rewriting_ops.optimize_dataset(variant, optimizations, optimization_configs=configs, **attributes)
        optimization = options.experimental_optimization
        if optimization is None or optimization.autotune is not False:
            algorithm = budget = 0
            if optimization is not None:
                algorithm = optimization.autotune_algorithm or 0
                budget = optimization.autotune_cpu_budget or 0
            variant = rewriting_ops.model_dataset(variant, algorithm=algorithm, cpu_budget=budget, **attributes)
        statistics = options.experimental_stats
        if statistics and statistics.aggregator:
            variant = raw_op("SetStatsAggregatorDataset")(
                variant,
                statistics.aggregator._resource,
                statistics.prefix,
                statistics.counter_prefix,
                **attributes,
            )
        return variant

    # Iterators

    def _warn_of_other_graphs(self) -> None:
        graph = get_default_graph()
        waiting, seen = [self], {id(self)}
        while waiting:
            dataset = waiting.pop(0)
            if dataset._graph is not graph:
                log.warn(
                    f"The graph ({graph}) of the iterator is different from the graph ({dataset._graph}) the dataset: "
                    f"{dataset._variant_tensor} was created in. If you are using the Estimator API, make sure that no "
                    "part of the dataset returned by the `input_fn` function is defined outside the `input_fn` "
                    "function. Please ensure that all datasets in the pipeline are created in the same graph as the "
                    "iterator."
                )
            for below in dataset._inputs():
                if id(below) not in seen:
                    seen.add(id(below))
                    waiting.append(below)

    def make_one_shot_iterator(self) -> iterators.Iterator:
        """An iterator that starts by itself and goes through the dataset once in each session.

        Raises:
            ValueError: if the dataset captures state of the session, such as a variable or a table.
        """
        return self._make_one_shot_iterator()

    def _make_one_shot_iterator(self) -> iterators.Iterator:
        self._warn_of_other_graphs()
        graph = get_default_graph()
        graph_seed, op_seed = scopes.get_seed(None)
        name = f"_make_dataset_{len(graph._functions)}_{graph._last_id}"
        body = FunctionGraph(name, graph, captures_by_value=True, may_copy=_variant_ops(self._variant_tensor))
        with body.as_default():
            if graph_seed is not None and op_seed is not None:
                body.seed = (graph_seed + 87654321 * op_seed) % (2**63 - 1)
            try:
                body.finish([self._apply_options()])
            except ValueError as error:
                if "Cannot capture a stateful node" not in str(error):
                    raise
                raise ValueError(
                    "Failed to create a one-shot iterator for a dataset. `Dataset.make_one_shot_iterator()` does not "
                    "support datasets that capture stateful objects, such as a `Variable` or `LookupTable`. In these "
                    f"cases, use `Dataset.make_initializable_iterator()`. (Original error: {error})"
                ) from None
        graph._functions[name] = body
        with graph.device(self._variant_tensor.device):
            resource = iterator_ops.one_shot_iterator(dataset_factory=name, **self._flat_structure)
            return iterators.Iterator(resource, None, *_described(self))

    def make_initializable_iterator(self, shared_name: str | None = None) -> iterators.Iterator:
        """An iterator that starts each time its `initializer` runs.

        Args:
            shared_name: a name under which other iterators of the session are the same one.
        """
        return self._make_initializable_iterator(shared_name)

    def _make_initializable_iterator(self, shared_name: str | None = None) -> iterators.Iterator:
        self._warn_of_other_graphs()
        variant = self._apply_options()
        with get_default_graph().device(self._variant_tensor.device):
            resource = iterator_ops.iterator_v2(container="", shared_name=shared_name or "", **self._flat_structure)
            initializer = iterator_ops.make_iterator(variant, resource)
            return iterators.Iterator(resource, initializer, *_described(self))

    # Sources

    @staticmethod
    def from_tensors(tensors: Any) -> Dataset:
        """A dataset of one element."""
        return Dataset._of(sources.tensors(tensors))

    @staticmethod
    def from_tensor_slices(tensors: Any) -> Dataset:
        """A dataset of the slices of tensors along their first axis.

        Raises:
            ValueError: if the tensors have no first axis of one size.
        """
        return Dataset._of(sources.tensor_slices(tensors))

    @staticmethod
    def from_sparse_tensor_slices(sparse_tensor: Any) -> Dataset:
        """A dataset of the rows of a sparse tensor, as (indices, values, dense_shape)."""
        return Dataset._of(sources.sparse_tensor_slices(sparse_tensor))

    @staticmethod
    def from_generator(generator: Any, output_types: Any, output_shapes: Any = None, args: Any = None) -> Dataset:
        """A dataset of what a Python generator yields.

        Args:
            generator: gives something that can be iterated, anew each time it is called.
            output_types: the structure of the types of what it yields.
            output_shapes: their static shapes.
            args: tensors; `generator` gets their values.
        """
        output_shapes, arguments = sources.check_generator(generator, output_types, output_shapes, args)
        build = sources.generated(generator, output_types, output_shapes, arguments)
        return Dataset.from_tensors(0).flat_map(lambda dummy: Dataset._of(build(dummy)))

    @staticmethod
    def range(*args: Any) -> Dataset:
        """A dataset of int64 numbers: `range(stop)`, `range(start, stop)` or `range(start, stop, step)`."""
        return Dataset._of(sources.numbers(*args))

    @staticmethod
    def zip(datasets: Any) -> Dataset:
        """A dataset of elements of several datasets side by side.

        Args:
            datasets: a structure of datasets.
        """
        return Dataset._of(ordering.zipped(datasets, Dataset))

    @staticmethod
    def list_files(file_pattern: Any, shuffle: bool | None = None, seed: Any = None) -> Dataset:
        """A dataset of the names of the files that match patterns.

        Args:
            file_pattern: a string, or a tensor of strings.
            shuffle: whether the names come in random order; True by default.
            seed: the seed of that order.
        """
        with name_scope("list_files"):
            shuffle = True if shuffle is None else shuffle
            found = sources.found_files(file_pattern)
            dataset = Dataset.from_tensor_slices(found)
            if shuffle:
                size = maximum(shape_of(found, out_type=dtypes.int64)[0], 1)
                dataset = dataset.shuffle(size, seed=seed)
            return dataset

    # Transformations

    def concatenate(self, dataset: Dataset) -> Dataset:
        """This dataset, then another one of the same types."""
        return self._of(ordering.concatenate(self, dataset))

    def prefetch(self, buffer_size: Any) -> Dataset:
        """The same elements, up to `buffer_size` of them made ahead of time."""
        return self._of(ordering.prefetch(self, buffer_size), self)

    def repeat(self, count: Any = None) -> Dataset:
        """This dataset `count` times over; without end for None or -1."""
        return self._of(ordering.repeat(self, count), self)

    def enumerate(self, start: Any = 0) -> Dataset:
        """Pairs of a number, from `start` on, and an element."""
        most = np.iinfo(np.int64).max
        return Dataset.zip((Dataset.range(start, most), self))

    def shuffle(self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None) -> Dataset:
        """The elements in random order.

        Args:
            buffer_size: how many elements the next one is drawn from.
            seed: the seed of the order.
            reshuffle_each_iteration: whether each pass has another order; True by default.
        """
        return self._of(ordering.shuffle(self, buffer_size, seed, reshuffle_each_iteration), self)

    def cache(self, filename: Any = "") -> Dataset:
        """The same elements, made once and kept in memory, or in a file."""
        return self._of(ordering.cache(self, filename), self)

    def take(self, count: Any) -> Dataset:
        """The first `count` elements; all of them for -1."""
        return self._of(ordering.take(self, count), self)

    def skip(self, count: Any) -> Dataset:
        """All but the first `count` elements; none for -1."""
        return self._of(ordering.skip(self, count), self)

    def shard(self, num_shards: Any, index: Any) -> Dataset:
        """Every `num_shards`-th element, from element `index` on."""
        return self._of(ordering.shard(self, num_shards, index), self)

    def batch(self, batch_size: Any, drop_remainder: Any = False) -> Dataset:
        """Batches of `batch_size` elements; `drop_remainder` drops a smaller last one."""
        return self._of(batching.batch(self, batch_size, drop_remainder), self)

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any, padding_values: Any = None, drop_remainder: Any = False
    ) -> Dataset:
        """Batches of elements padded to one shape.

        Args:
            batch_size: how many elements make a batch.
            padded_shapes: a structure of shapes; an unknown size becomes that of the batch's longest element.
            padding_values: a structure of scalars; zeros and empty strings by default.
            drop_remainder: whether a smaller last batch is dropped.
        """
        return self._of(batching.padded_batch(self, batch_size, padded_shapes, padding_values, drop_remainder), self)

    def map(self, map_func: Callable[..., Any], num_parallel_calls: Any = None) -> Dataset:
        """A function of each element.

        Args:
            map_func: gets an element (the parts of a tuple as arguments of their own) and gives a structure of tensors.
            num_parallel_calls: how many calls run at once. The order stays.
        """
        return self._of(mapping.mapped(self, map_func, num_parallel_calls), self)

    def map_with_legacy_function(self, map_func: Callable[..., Any], num_parallel_calls: Any = None) -> Dataset:
        """The same as `map`."""
        return self.map(map_func, num_parallel_calls)

    def flat_map(self, map_func: Callable[..., Any]) -> Dataset:
        """The elements of the datasets that `map_func` makes of the elements, one dataset after the other."""
        return self._of(mapping.flat_mapped(self, map_func), self)

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = AUTOTUNE,
        block_length: Any = 1,
        num_parallel_calls: Any = None,
    ) -> Dataset:
        """The elements of the datasets that `map_func` makes, taken in turn.

        Args:
            map_func: makes a dataset of an element.
            cycle_length: how many of those are open at once.
            block_length: how many elements of one come in a row.
            num_parallel_calls: how many are made at once.
        """
        built = mapping.interleaved(self, map_func, cycle_length, block_length, num_parallel_calls)
        return self._of(built, self)

    def filter(self, predicate: Callable[..., Any]) -> Dataset:
        """The elements that `predicate` is true for."""
        return self._of(mapping.filtered(self, predicate), self)

    def filter_with_legacy_function(self, predicate: Callable[..., Any]) -> Dataset:
        """The same as `filter`."""
        return self.filter(predicate)

    def apply(self, transformation_func: Callable[[Dataset], Dataset]) -> Dataset:
        """What a function from dataset to dataset gives.

        Raises:
            TypeError: if it gives something else.
        """
        dataset = transformation_func(self)
        if not isinstance(dataset, Dataset):
            raise TypeError(f"`transformation_func` must return a Dataset. Got {dataset}.")
        return dataset

    def window(self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False) -> Dataset:
        """Windows of elements; each component of a window is a dataset.

        Args:
            size: how many elements a window has.
            shift: how far apart the starts of two windows are; `size` by default.
            stride: how far apart the elements of a window are.
            drop_remainder: whether smaller windows at the end are dropped.
        """
        built = batching.window(self, size, size if shift is None else shift, stride, drop_remainder)
        return self._of(built, self)

    def reduce(self, initial_state: Any, reduce_func: Callable[..., Any]) -> Any:
        """The state that `reduce_func(state, element)` leads to, from `initial_state` on, as tensors."""
        return mapping.reduced(self, initial_state, reduce_func)

    def unbatch(self) -> Dataset:
        """The slices of each element along its first axis."""
        spec = self.element_spec

        def normalize(arg: Any, *rest: Any) -> Any:
            return structure.to_batched_tensor_list(spec, (arg, *rest) if rest else arg)

        normalized = self.map(normalize)
        return self._of(batching.unbatch(self._of(Built(normalized._variant_tensor, spec), normalized)), normalized)


class DatasetV1Adapter(Dataset):
    """A dataset that a method or function made."""


def _described(dataset: Dataset) -> tuple[Any, Any, Any]:
    return get_output_types(dataset), get_output_shapes(dataset), get_output_classes(dataset)


def _variant_ops(variant: Tensor) -> list[Any]:
    """The dataset ops that a dataset is made of."""
    found: dict[Any, None] = {}
    waiting, seen = [variant.op], {variant.op}
    while waiting:
        op = waiting.pop(0)
        if op.outputs and op.outputs[0].dtype is dtypes.variant:
            found[op] = None
        for t in op.inputs:
            if t.op not in seen:
                seen.add(t.op)
                waiting.append(t.op)
    return list(found)


dataset_spec.make.append(lambda variant, spec: DatasetV1Adapter(variant, spec))


@public("data.make_one_shot_iterator")
def make_one_shot_iterator(dataset: Dataset) -> iterators.Iterator:
    """An iterator that starts by itself and goes through `dataset` once in each session."""
    return dataset._make_one_shot_iterator()


@public("data.make_initializable_iterator")
def make_initializable_iterator(dataset: Dataset, shared_name: str | None = None) -> iterators.Iterator:
    """An iterator over `dataset` that starts each time its `initializer` runs."""
    return dataset._make_initializable_iterator(shared_name)


@public("data.experimental.get_structure")
def get_structure(dataset_or_iterator: Any) -> Any:
    """The structure of the elements, as specs."""
    try:
        return dataset_or_iterator.element_spec
    except AttributeError:
        raise TypeError(
            f"`dataset_or_iterator` must be a Dataset or Iterator object, but got {type(dataset_or_iterator)}."
        ) from None


@public("data.get_output_types")
def get_output_types(dataset_or_iterator: Any) -> Any:
    """The types of the components of an element."""
    return structure.legacy_types(get_structure(dataset_or_iterator))


@public("data.get_output_shapes")
def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The static shapes of the components of an element."""
    return structure.legacy_shapes(get_structure(dataset_or_iterator))


@public("data.get_output_classes")
def get_output_classes(dataset_or_iterator: Any) -> Any:
    """The classes of the components of an element."""
    return structure.legacy_classes(get_structure(dataset_or_iterator))


@public("data.experimental.from_variant")
def from_variant(variant: Tensor, structure: Any) -> Dataset:
    """The dataset that a variant tensor holds, whose elements are of `structure`."""
    return DatasetV1Adapter(variant, structure)


@public("data.experimental.to_variant")
def to_variant(dataset: Dataset) -> Tensor:
    """A dataset as a variant tensor."""
    return dataset._variant_tensor
