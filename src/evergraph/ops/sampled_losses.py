"""Losses over many classes that look at a sample of them: `nce_loss` and `sampled_softmax_loss`."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.candidate_sampling import compute_accidental_hits, log_uniform_candidate_sampler
from evergraph.ops.cross_entropy import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits_v2
from evergraph.ops.embedding import embedding_lookup
from evergraph.ops.filling import ones, ones_like, zeros_like
from evergraph.ops.identity import stop_gradient
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.shaping import expand_dims, reshape, shape
from evergraph.ops.slicing import slice as slice_of


def _sum_of_rows(x: Tensor) -> Tensor:
    """Each row's sum, as a product with ones."""
    columns = shape(x)[1]
    return reshape(math.matmul(x, ones(stack([columns, 1]), x.dtype)), [-1])


def compute_sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str | None = None,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The logits of the true classes and of the sampled ones, side by side, and the labels that belong to them."""
    if isinstance(weights, PartitionedVariable):
        weights = list(weights)
    if not isinstance(weights, list):
        weights = [weights]
    with name_scope(name, "compute_sampled_logits", [*weights, biases, inputs, labels]):
        if labels.dtype is not dtypes.int64:
            labels = math.cast(labels, dtypes.int64)
        flat = reshape(labels, [-1])
        if sampled_values is None:
            sampled_values = log_uniform_candidate_sampler(
                labels, num_true, num_sampled, unique=True, range_max=num_classes, seed=seed
            )
        sampled, true_expected, sampled_expected = [stop_gradient(t) for t in sampled_values]
        sampled = math.cast(sampled, dtypes.int64)
        ids = concat([flat, sampled], 0)

        found = embedding_lookup(weights, ids, partition_strategy=partition_strategy)
        kind = dtypes.as_dtype(inputs.dtype).base_dtype
        if found.dtype is not kind:
            found = math.cast(found, kind)
        true_w = slice_of(found, [0, 0], stack([shape(flat)[0], -1]))
        sampled_w = slice_of(found, stack([shape(flat)[0], 0]), [-1, -1])
        sampled_logits = math.matmul(inputs, sampled_w, transpose_b=True)

        offsets = embedding_lookup(biases, ids, partition_strategy=partition_strategy)
        if offsets.dtype is not kind:
            offsets = math.cast(offsets, kind)
        true_b = slice_of(offsets, [0], shape(flat))
        sampled_b = slice_of(offsets, shape(flat), [-1])

        size = shape(true_w)[1:2]
        by_example = concat([[-1, num_true], size], 0)
        products = math.multiply(expand_dims(inputs, 1), reshape(true_w, by_example))
        rows = reshape(products, concat([[-1], size], 0))
        true_logits = reshape(_sum_of_rows(rows), [-1, num_true])
        true_b = reshape(true_b, [-1, num_true])
        true_logits += true_b
        sampled_logits += sampled_b

        if remove_accidental_hits:
            sampled_logits += _hits(labels, sampled, num_true, num_sampled, sampled_logits)
        if subtract_log_q:
            true_logits -= math.log(true_expected)
            sampled_logits -= math.log(sampled_expected)

        logits = concat([true_logits, sampled_logits], 1)
        out_labels = concat([ones_like(true_logits) / num_true, zeros_like(sampled_logits)], 1)
        return logits, out_labels


def _hits(labels: Tensor, sampled: Tensor, num_true: int, num_sampled: int, logits: Tensor) -> Tensor:
    """The most negative number wherever a sampled class is a true one of the example, 0 elsewhere."""
    rows, places, values = compute_accidental_hits(labels, sampled, num_true=num_true)
    rows = reshape(rows, [-1, 1])
    places = reshape(math.cast(places, dtypes.int32), [-1, 1])
    at = concat([rows, places], 1, "sparse_indices")
    full = concat([shape(labels)[:1], expand_dims(num_sampled, 0)], 0)
    if values.dtype is not logits.dtype:
        values = math.cast(values, logits.dtype)
    return raw_op("SparseToDense")(at, full, values, default_value=0.0, validate_indices=False)


@public("nn.nce_loss")
def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str | None = "nce_loss",
) -> Tensor:
    """Noise-contrastive estimation: tell each true class from `num_sampled` others.

    Args:
        weights: shape `[num_classes, dim]`, or parts of that as for `embedding_lookup`.
        biases: shape `[num_classes]`.
        labels: int64, shape `[batch, num_true]`: the true classes.
        inputs: floats, shape `[batch, dim]`.
        num_sampled: how many classes to sample, once for the whole batch.
        num_classes: how many there are.
        num_true: true classes an example.
        sampled_values: what a candidate sampler gave; by default the log-uniform one is asked.
        remove_accidental_hits: leave out samples that are true classes.
        partition_strategy: as of `embedding_lookup`.
        name: the name scope.

    Returns:
        The loss of each example, shape `[batch]`.
    """
    logits, labels = compute_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, True,
        remove_accidental_hits, partition_strategy, name,
    )  # fmt: skip
    losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="sampled_losses")
    return _sum_of_rows(losses)


@public("nn.sampled_softmax_loss")
def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str | None = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The softmax cross entropy over the true classes and a sample of the others; arguments as of `nce_loss`.

    It is for training: to evaluate, compute the full softmax.
    """
    logits, labels = compute_sampled_logits(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, True,
        remove_accidental_hits, partition_strategy, name, seed,
    )  # fmt: skip
    labels = stop_gradient(labels, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits)


@public("compat.v2.nn.nce_loss")
def nce_loss_v2(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    name: str | None = "nce_loss",
) -> Tensor:
    """`nce_loss` of weights whose parts hold the classes in order, as in TensorFlow 2."""
    return nce_loss(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits,
        "div", name,
    )  # fmt: skip


@public("compat.v2.nn.sampled_softmax_loss")
def sampled_softmax_loss_v2(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    seed: int | None = None,
    name: str | None = "sampled_softmax_loss",
) -> Tensor:
    """`sampled_softmax_loss` of weights whose parts hold the classes in order, as in TensorFlow 2."""
    return sampled_softmax_loss(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits,
        "div", name, seed,
    )  # fmt: skip
