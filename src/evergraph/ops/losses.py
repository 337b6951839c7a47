"""`tf.losses`: losses with weights, reduced to one number and remembered in a collection.

Every loss is a formula, element by element, that `compute_weighted_loss` weighs, reduces and collects. The arguments
that they have in common:

    weights          a number, or a tensor of the losses' rank with each size equal to theirs or 1
    scope            the name scope
    loss_collection  the collection that the result is added to; None: to none
    reduction        a value of `tf.losses.Reduction`
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.activations import relu
from evergraph.ops.arguments import either
from evergraph.ops.constant import constant
from evergraph.ops.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
)
from evergraph.ops.filling import ones_like, zeros_like
from evergraph.ops.identity import stop_gradient
from evergraph.ops.loss_weights import assert_broadcastable, broadcast_weights, remove_squeezable_weights
from evergraph.ops.opdef import raw_op
from evergraph.ops.shaping import rank, shape, size


@public("losses.Reduction")
class Reduction:
    """How losses become one number: not at all, a sum, or a sum divided by something."""

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        if key not in cls.all():
            raise ValueError(f"Invalid Reduction Key {key}.")


# The collection


@public("losses.add_loss")
def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Remember a loss of your own among the graph's losses."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


@public("losses.get_losses")
def get_losses(scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """The losses remembered so far, or those whose names begin with `scope`."""
    return get_default_graph().get_collection(loss_collection, scope)


@public("losses.get_regularization_losses")
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The regularization losses of the graph's variables, or those whose names begin with `scope`."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@public("losses.get_regularization_loss")
def get_regularization_loss(scope: str | None = None, name: str = "total_regularization_loss") -> Tensor:
    """The sum of the regularization losses; 0 if there are none."""
    losses = get_regularization_losses(scope)
    return math.add_n(losses, name=name) if losses else constant(0.0)


@public("losses.get_total_loss")
def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss", scope: str | None = None
) -> Tensor:
    """The sum of all losses, those of regularization included unless told otherwise.

    Raises:
        ValueError: if there are none.
    """
    losses = get_losses(scope=scope)
    if add_regularization_losses:
        losses += get_regularization_losses(scope=scope)
    return math.add_n(losses, name=name)


# Weighing and reducing


def _mean_of(losses: Tensor, count: Any) -> Tensor:
    return math.div_no_nan(math.reduce_sum(losses), count, name="value")


def _count(losses: Tensor) -> Tensor:
    with name_scope(None, "num_elements", [losses]) as scope:
        return math.cast(size(losses, name=scope), losses.dtype)


def _count_present(losses: Tensor, weights: Any, per_batch: bool = False) -> Tensor:
    """How many losses have a weight other than 0; per row, as a column."""
    if isinstance(weights, float) and weights != 0.0:
        return _count(losses)
    with name_scope(None, "num_present", (losses, weights)) as scope:
        weights = math.cast(weights, dtypes.float32)
        present = raw_op("Select")(math.equal(weights, 0.0), zeros_like(weights), ones_like(weights))
        present = broadcast_weights(present, losses)
        if per_batch:
            return math.reduce_sum(present, axis=math.range(1, rank(present)), keepdims=True, name=scope)
        return math.reduce_sum(present, name=scope)


@public("losses.compute_weighted_loss")
def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Weigh `losses`, reduce them, and remember the result. The arguments are the module's.

    Returns:
        A scalar of the type of `losses`; for `Reduction.NONE`, the weighted losses.

    Raises:
        ValueError: if the weights do not fit.
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss", (losses, weights)):
        graph = get_default_graph()
        graph._attachments["last_loss_reduction"] = reduction
        with graph.control_dependencies((assert_broadcastable(weights, losses),)):
            losses = convert_to_tensor(losses)
            dtype = losses.dtype
            losses = math.cast(losses, dtypes.float32)
            weights = math.cast(weights, dtypes.float32)
            weighted = math.multiply(losses, weights)
            if reduction == Reduction.NONE:
                loss = weighted
            else:
                loss = math.reduce_sum(weighted)
                if reduction == Reduction.MEAN:
                    loss = _mean_of(loss, math.reduce_sum(ones_like(losses) * weights))
                elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
                    loss = _mean_of(loss, _count_present(losses, weights))
                elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                    loss = _mean_of(loss, _count(losses))
            loss = math.cast(loss, dtype)
            add_loss(loss, loss_collection)
            return loss


# The losses


def _require_both(first_name: str, first: Any, second_name: str, second: Any) -> None:
    for name, value in ((first_name, first), (second_name, second)):
        if value is None:
            raise ValueError(f"{name} must not be None.")


@contextmanager
def _as_floats(
    scope: str | None, default: str, labels: Any, predictions: Any, weights: Any
) -> Iterator[tuple[Any, ...]]:
    """The loss's name scope, and predictions and labels in it as float32 of one shape."""
    _require_both("labels", labels, "predictions", predictions)
    with name_scope(scope, default, (predictions, labels, weights)) as full:
        predictions = math.cast(predictions, dtypes.float32)
        labels = math.cast(labels, dtypes.float32)
        predictions.shape.assert_is_compatible_with(labels.shape)
        yield predictions, labels, full


@public("losses.absolute_difference")
def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`abs(predictions - labels)`."""
    with _as_floats(scope, "absolute_difference", labels, predictions, weights) as (predictions, labels, full):
        losses = math.abs(math.subtract(predictions, labels))
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.cosine_distance")
def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
    dim: int | None = None,
) -> Tensor:
    """`1 - sum(predictions * labels)` over `axis`, of vectors that have length 1 already. `dim` is the old `axis`."""
    axis = either("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    with _as_floats(scope, "cosine_distance_loss", labels, predictions, weights) as (predictions, labels, full):
        products = math.multiply(predictions, labels)
        losses = 1 - math.reduce_sum(products, axis=(axis,), keepdims=True)
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.hinge_loss")
def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`max(0, 1 - s * logits)`, with `s` 1 for labels of 1 and -1 for labels of 0."""
    _require_both("labels", labels, "logits", logits)
    with name_scope(scope, "hinge_loss", (logits, labels, weights)) as full:
        logits = math.cast(logits, dtypes.float32)
        labels = math.cast(labels, dtypes.float32)
        logits.shape.assert_is_compatible_with(labels.shape)
        ones = ones_like(labels)
        signs = math.subtract(2 * labels, ones)
        losses = relu(math.subtract(ones, math.multiply(signs, logits)))
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.huber_loss")
def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """Half the square of an error up to `delta`; beyond, `delta` times (the error less half of `delta`)."""
    with _as_floats(scope, "huber_loss", labels, predictions, weights) as (predictions, labels, full):
        error = math.abs(math.subtract(predictions, labels))
        quadratic = math.minimum(error, delta)
        linear = math.subtract(error, quadratic)
        half = convert_to_tensor(0.5, dtype=quadratic.dtype)
        losses = math.add(
            math.multiply(half, math.multiply(quadratic, quadratic)),
            math.multiply(delta, linear),
        )
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.log_loss")
def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """The cross entropy of labels and of predicted probabilities; `epsilon` keeps the logarithms finite."""
    with _as_floats(scope, "log_loss", labels, predictions, weights) as (predictions, labels, full):
        losses = -math.multiply(labels, math.log(predictions + epsilon)) - math.multiply(
            1 - labels, math.log(1 - predictions + epsilon)
        )
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.mean_pairwise_squared_error")
def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
) -> Tensor:
    """The mean squared difference between the differences of all pairs of predictions in a row and those of labels."""
    _require_both("labels", labels, "predictions", predictions)
    with name_scope(scope, "mean_pairwise_squared_error", (predictions, labels, weights)):
        weights = math.cast(weights, dtypes.float32)
        labels = math.cast(labels, dtypes.float32)
        with get_default_graph().control_dependencies((assert_broadcastable(weights, labels),)):
            predictions = math.cast(predictions, dtypes.float32)
            predictions.shape.assert_is_compatible_with(labels.shape)
            errors = math.subtract(predictions, labels)
            axes = math.range(1, rank(errors))
            squares = math.reduce_sum(math.square(errors), axis=axes, keepdims=True)
            present = _count_present(errors, weights, per_batch=True)
            first = 2.0 * math.div_no_nan(squares, math.maximum(present - 1, 0), name="value")
            total = math.reduce_sum(errors, axis=axes, keepdims=True)
            pairs = math.maximum(math.multiply(present, present - 1), 0)
            second = 2.0 * math.div_no_nan(math.square(total), pairs, name="value")
            weighted = math.multiply(first - second, weights)
            loss = math.reduce_sum(weighted)
            loss = raw_op("Select")(math.reduce_sum(present) > 0, loss, zeros_like(loss), name="value")
            add_loss(loss, loss_collection)
            return loss


@public("losses.mean_squared_error")
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`(predictions - labels) ** 2`."""
    with _as_floats(scope, "mean_squared_error", labels, predictions, weights) as (predictions, labels, full):
        losses = math.squared_difference(predictions, labels)
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.sigmoid_cross_entropy")
def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.sigmoid_cross_entropy_with_logits`; `label_smoothing` moves the labels that far towards 1/2."""
    _require_both("multi_class_labels", multi_class_labels, "logits", logits)
    with name_scope(scope, "sigmoid_cross_entropy_loss", (logits, multi_class_labels, weights)) as full:
        logits = convert_to_tensor(logits)
        labels = math.cast(multi_class_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.softmax_cross_entropy")
def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.softmax_cross_entropy_with_logits`; `label_smoothing` moves the labels towards all classes alike."""
    _require_both("onehot_labels", onehot_labels, "logits", logits)
    with name_scope(scope, "softmax_cross_entropy_loss", (logits, onehot_labels, weights)) as full:
        logits = convert_to_tensor(logits)
        labels = math.cast(onehot_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            classes = math.cast(shape(labels)[-1], logits.dtype)
            positive = 1.0 - label_smoothing
            negative = label_smoothing / classes
            labels = labels * positive + negative
        labels = stop_gradient(labels, name="labels_stop_gradient")
        losses = softmax_cross_entropy_with_logits_v2(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)


@public("losses.sparse_softmax_cross_entropy")
def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: Any = GraphKeys.LOSSES,
    reduction: str = Reduction.SUM_BY_NONZERO_WEIGHTS,
) -> Tensor:
    """`tf.nn.sparse_softmax_cross_entropy_with_logits`; labels and weights may have a last axis of size 1 too many."""
    _require_both("labels", labels, "logits", logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", (logits, labels, weights)) as full:
        labels, logits, weights = remove_squeezable_weights(labels, logits, weights, expected_rank_diff=1)
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, full, loss_collection, reduction)
