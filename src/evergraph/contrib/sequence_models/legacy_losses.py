"""Losses of `tf.contrib.legacy_seq2seq`, over lists of steps, and models in buckets of lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.ops import array, math
from evergraph.ops.cross_entropy import sparse_softmax_cross_entropy_with_logits
from evergraph.ops.variable_scope import get_variable_scope, variable_scope


def _names(name: str) -> tuple[str, str]:
    return f"contrib.legacy_seq2seq.{name}", f"contrib.legacy_seq2seq.seq2seq.{name}"


@public(*_names("sequence_loss_by_example"))
def sequence_loss_by_example(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Any:
    """The weighted cross-entropy of a sequence, for each example.

    Args:
        logits: a list with a tensor `[batch, symbols]` for each step.
        targets: a list of int32 tensors `[batch]`.
        weights: a list of float tensors `[batch]`.
        average_across_timesteps: divide by the sum of the weights.
        softmax_loss_function: a function `(labels, logits)` in place of the softmax cross-entropy.
        name: the name scope.

    Raises:
        ValueError: if the lists' lengths differ.
    """
    if len(targets) != len(logits) or len(weights) != len(logits):
        raise ValueError(
            f"Lengths of logits, weights, and targets must be the same {len(logits)}, {len(weights)}, {len(targets)}."
        )
    with name_scope(name, "sequence_loss_by_example", [*logits, *targets, *weights]):
        losses = []
        for logit, target, weight in zip(logits, targets, weights, strict=True):
            if softmax_loss_function is None:
                target = array.reshape(target, [-1])
                loss = sparse_softmax_cross_entropy_with_logits(labels=target, logits=logit)
            else:
                loss = softmax_loss_function(labels=target, logits=logit)
            losses.append(loss * weight)
        total = math.add_n(losses)
        if average_across_timesteps:
            size = math.add_n(weights)
            size += 1e-12  # for weights that are all 0
            total /= size
    return total


@public(*_names("sequence_loss"))
def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    softmax_loss_function: Any = None,
    name: str | None = None,
) -> Any:
    """The sum of `sequence_loss_by_example` over the batch, by default divided by the batch size."""
    with name_scope(name, "sequence_loss", [*logits, *targets, *weights]):
        cost = math.reduce_sum(
            sequence_loss_by_example(
                logits,
                targets,
                weights,
                average_across_timesteps=average_across_timesteps,
                softmax_loss_function=softmax_loss_function,
            )
        )
        if not average_across_batch:
            return cost
        return cost / math.cast(array.shape(targets[0])[0], cost.dtype)


@public(*_names("model_with_buckets"))
def model_with_buckets(
    encoder_inputs: Any,
    decoder_inputs: Any,
    targets: Any,
    weights: Any,
    buckets: Any,
    seq2seq: Callable[..., Any],
    softmax_loss_function: Any = None,
    per_example_loss: bool = False,
    name: str | None = None,
) -> tuple[list[Any], list[Any]]:
    """One model for each bucket of lengths, all with the same variables.

    Args:
        encoder_inputs: a list of steps, as long as the longest bucket.
        decoder_inputs: likewise.
        targets: likewise.
        weights: likewise.
        buckets: pairs of input and output lengths, growing.
        seq2seq: a function of encoder and decoder inputs that gives outputs and states.
        softmax_loss_function: as for `sequence_loss`.
        per_example_loss: whether to give a loss for each example.
        name: the name scope.

    Returns:
        For each bucket its outputs, and for each its loss.

    Raises:
        ValueError: if a list is shorter than the last bucket.
    """
    for what, given, needed in (
        ("encoder_inputs", encoder_inputs, buckets[-1][0]),
        ("targets", targets, buckets[-1][1]),
        ("weights", weights, buckets[-1][1]),
    ):
        if len(given) < needed:
            raise ValueError(f"Length of {what} ({len(given)}) must be at least that of last bucket ({needed}).")
    losses, outputs = [], []
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    with name_scope(name, "model_with_buckets", [*encoder_inputs, *decoder_inputs, *targets, *weights]):
        for j, (inside, outside) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if j > 0 else None):
                found, _ = seq2seq(encoder_inputs[:inside], decoder_inputs[:outside])
                outputs.append(found)
                losses.append(
                    loss(found, targets[:outside], weights[:outside], softmax_loss_function=softmax_loss_function)
                )
    return outputs, losses
