"""Elements chosen at random: `sample_from_datasets`, `choose_from_datasets`, `rejection_resample`, `RandomDataset`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import evergraph.data.mapping as mapping
import evergraph.data.nest as nest
import evergraph.data.sources as sources
import evergraph.data.structure as structure
from evergraph.data.built import Built
from evergraph.data.dataset import Dataset, DatasetV1Adapter
from evergraph.data.transformations import scan
from evergraph.framework import dtypes
from evergraph.framework.api import NAMES, public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.arithmetic import add, truediv
from evergraph.ops.callbacks.printing import Print
from evergraph.ops.cast import cast
from evergraph.ops.comparisons import less
from evergraph.ops.cond import cond
from evergraph.ops.datasets import grouping as ops
from evergraph.ops.opdef import constant_value, raw_op

Transformation = Callable[[Dataset], Dataset]


def _tf(name: str) -> Any:
    """A public function, by its name."""
    namespace, _, last = name.rpartition(".")
    return NAMES[namespace][last]


@public("data.experimental.RandomDataset", "contrib.data.RandomDataset")
class RandomDataset(DatasetV1Adapter):
    """A dataset of random int64 numbers from [0, 2**32), without end."""

    def __init__(self, seed: Any = None) -> None:
        built = sources.random_numbers(seed)
        super().__init__(built.variant, built.element_spec)


def _interleaved(selector: Dataset, datasets: Any) -> Dataset:
    datasets = list(datasets)
    first = datasets[0]
    types, classes = structure.legacy_types(first.element_spec), structure.legacy_classes(first.element_spec)
    shapes = structure.legacy_shapes(first.element_spec)
    for other in datasets[1:]:
        spec = other.element_spec
        if structure.legacy_types(spec) != types or structure.legacy_classes(spec) != classes:
            raise TypeError("All datasets must have the same type and class.")
        pairs = zip(nest.flatten(shapes), nest.flatten(structure.legacy_shapes(spec)), strict=True)
        shapes = nest.pack_sequence_as(shapes, [a.most_specific_compatible_shape(b) for a, b in pairs])
    spec = structure.convert_legacy_structure(types, shapes, classes)
    made = ops.directed_interleave_dataset(
        selector._variant_tensor, [d._variant_tensor for d in datasets], **structure.flat_structure(spec)
    )
    return Dataset._of(Built(made, spec, inputs=[selector, *datasets]))


def _draw(logits: Any, seed: Any) -> Any:
    drawn = raw_op("StatelessMultinomial")(logits, 1, seed=seed)
    return _tf("squeeze")(drawn, axis=[0, 1])


@public("data.experimental.sample_from_datasets", "contrib.data.sample_from_datasets")
def sample_from_datasets(datasets: Any, weights: Any = None, seed: Any = None) -> Dataset:
    """Elements of several datasets, each drawn at random from one of them.

    Args:
        datasets: a list of datasets of the same types.
        weights: how often each is drawn from: a vector, or a dataset of vectors; the same for all by default.
        seed: the seed.

    Raises:
        TypeError: if the datasets or the weights have wrong types.
        ValueError: if there is not one weight per dataset.
    """
    datasets = list(datasets)
    log = _tf("math.log")
    logits: Any
    if isinstance(weights, Dataset):
        logits = weights.map(lambda *p: log(p, name="logits"))
        both = Dataset.zip((logits, RandomDataset(seed).batch(2)))
        selector = Dataset._of(mapping.mapped(both, _draw, use_inter_op_parallelism=False), both)
        return _interleaved(selector, datasets)
    if weights is None:
        logits = [[1.0] * len(datasets)]
    else:
        weights = convert_to_tensor(weights, name="weights")
        if weights.dtype not in (dtypes.float32, dtypes.float64):
            raise TypeError("`weights` must be convertible to a tensor of `tf.float32` or `tf.float64` elements.")
        if not weights.shape.is_compatible_with([len(datasets)]):
            raise ValueError("`weights` must be a vector of length `len(datasets)`.")
        logits = _tf("expand_dims")(log(weights, name="logits"), 0)
    if len(datasets) == 1:
        return datasets[0]
    seeds = RandomDataset(seed).batch(2)
    built = mapping.mapped(seeds, lambda seed: _draw(logits, seed), use_inter_op_parallelism=False)
    return _interleaved(Dataset._of(built, seeds), datasets)


@public("data.experimental.choose_from_datasets", "contrib.data.choose_from_datasets")
def choose_from_datasets(datasets: Any, choice_dataset: Dataset) -> Dataset:
    """Elements of several datasets; `choice_dataset` says which one each comes from.

    Raises:
        TypeError: if `choice_dataset` is not one of int64 scalars.
    """
    if not structure.are_compatible(choice_dataset.element_spec, TensorSpec([], dtypes.int64)):
        raise TypeError("`choice_dataset` must be a dataset of scalar `tf.int64` tensors.")
    return _interleaved(choice_dataset, datasets)


@public("data.experimental.rejection_resample", "contrib.data.rejection_resample")
def rejection_resample(
    class_func: Callable[..., Any], target_dist: Any, initial_dist: Any = None, seed: Any = None
) -> Transformation:
    """Pairs (class, element), some elements left out so that the classes have another distribution.

    Args:
        class_func: gives the class of an element, an int32 scalar.
        target_dist: the distribution that is wanted: a vector.
        initial_dist: that of the dataset; estimated as it goes by default.
        seed: the seed.
    """

    def transformation(dataset: Dataset) -> Dataset:
        target = convert_to_tensor(target_dist, name="target_dist")
        classes = dataset.map(class_func)
        static = None
        if initial_dist is not None:
            initial = convert_to_tensor(initial_dist, name="initial_dist")
            accept, original = _acceptance(initial, target)
            initials = Dataset.from_tensors(initial).repeat()
            accepts = Dataset.from_tensors(accept).repeat()
            originals = Dataset.from_tensors(original).repeat()
            known, wanted = constant_value(initial), constant_value(target)
            static = None if known is None or wanted is None else np.min(wanted / known)
        else:
            initials = _estimated(target, classes)
            both = initials.map(lambda initial: _acceptance(initial, target))
            accepts = both.map(lambda accept, _: accept)
            originals = both.map(lambda _, original: original)
        filtered = _filtered(dataset, accepts, initials, classes, seed).prefetch(3)
        if static == 1:
            return Dataset.zip((classes, dataset))
        if static == 0:
            return filtered
        return sample_from_datasets(
            [Dataset.zip((classes, dataset)), filtered],
            weights=originals.map(lambda p: [(p, 1.0 - p)]),
            seed=seed,
        )

    return transformation


def _filtered(dataset: Dataset, accepts: Dataset, initials: Dataset, classes: Dataset, seed: Any) -> Dataset:
    def warned(accept: Any, initial: Any) -> Any:
        rejected = _tf("reduce_sum")((1 - accept) * initial)
        return cond(
            less(rejected, 0.5),
            lambda: accept,
            lambda: Print(
                accept,
                [rejected, initial, accept],
                message="Proportion of examples rejected by sampler is high: ",
                summarize=100,
                first_n=10,
            ),
        )

    accepts = Dataset.zip((accepts, initials)).map(warned)
    gathered = Dataset.zip((classes, accepts, dataset)).map(
        lambda kind, accept, data: (kind, _tf("gather")(accept, kind), data)
    )
    kept = gathered.filter(lambda _1, p, _2: _tf("random_uniform")([], seed=seed) < p)
    return kept.map(lambda kind, _, data: (kind, data))


def _estimated(target: Any, classes: Dataset) -> Dataset:
    """The distribution of the classes seen so far, one for each element."""
    count = target.shape[0].value or _tf("shape")(target)[0]
    seen = _tf("fill")([count], np.int64(10))

    def update(so_far: Any, batch: Any) -> Any:
        n = so_far.get_shape()[0]
        counted = _tf("reduce_sum")(_tf("one_hot")(batch, n, dtype=dtypes.int64), 0)
        updated = add(so_far, counted)
        dist = cast(truediv(updated, _tf("reduce_sum")(updated)), dtypes.float32)
        return updated, _tf("tile")(_tf("expand_dims")(dist, 0), [32, 1])

    return classes.batch(32).apply(scan(seen, update)).unbatch()


def _acceptance(initial: Any, target: Any) -> Any:
    """How often an element of each class is kept, and which part of the result comes without rejection."""
    ratio = target / (initial + np.finfo(initial.dtype.as_numpy_dtype).tiny)
    most, least = _tf("reduce_max")(ratio), _tf("reduce_min")(ratio)
    return (ratio - least) / (most - least), least
