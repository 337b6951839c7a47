"""`tf.contrib.losses` and `slim.losses`: losses whose predictions come first, averaged over what has a weight."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.contrib.scoped_arguments import add_arg_scope
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, add_to_collection, get_collection, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import activations, array, cross_entropy, math
from evergraph.ops.selecting import where


def _published(function: Callable[..., Any]) -> Callable[..., Any]:
    name = function.__name__
    return public(f"contrib.losses.{name}", f"contrib.slim.losses.{name}")(function)


def _rank(t: Tensor) -> int:
    rank = t.shape.rank
    assert rank is not None
    return rank


def _scaled(losses: Tensor, weights: Tensor) -> Tensor:
    axes = list(range(max(0, _rank(weights)), _rank(losses)))
    return math.reduce_sum(math.multiply(math.reduce_sum(losses, axis=axes), weights))


def _present(losses: Tensor, weights: Tensor, per_batch: bool = False) -> Tensor:
    """How many elements have a weight other than 0, for each example or in all."""
    rank = _rank(weights)
    if rank == 0:
        batch = array.reshape(array.slice(array.shape(losses), [0], [1]), [])
        per_example = math.div(math.cast(array.size(losses), dtypes.float32), math.cast(batch, dtypes.float32))
        per_example = where(math.equal(weights, 0), 0.0, per_example)
        per_example = math.multiply(array.ones(array.reshape(batch, [1])), per_example)
    else:
        nonzero = math.reduce_sum(math.cast(math.not_equal(weights, 0), dtypes.float32), axis=list(range(1, rank)))
        sizes = array.slice(array.shape(losses), [rank], [-1])
        per_example = math.multiply(nonzero, math.cast(math.reduce_prod(sizes), dtypes.float32))
    return per_example if per_batch else math.reduce_sum(per_example)


@_published
def compute_weighted_loss(losses: Any, weights: Any = 1.0, scope: str | None = None) -> Tensor:
    """The mean of `losses * weights` over the elements with a weight; it joins the collection LOSSES."""
    with name_scope(scope, "weighted_loss", [losses, weights]):
        losses = convert_to_tensor(losses)
        dtype = losses.dtype
        losses = math.cast(losses, dtypes.float32)
        weights = math.cast(convert_to_tensor(weights), dtypes.float32)
        if losses.shape.rank is None:
            raise ValueError("losses.get_shape().ndims cannot be None")
        if weights.shape.rank is None:
            raise ValueError("weights.get_shape().ndims cannot be None")
        if weights.shape.rank > 1 and weights.shape.dims[-1].is_compatible_with(1):
            weights = array.squeeze(weights, [-1])
        total = _scaled(losses, weights)
        present = _present(losses, weights)
        mean = math.div_no_nan(math.reduce_sum(total), present, name="value")
        mean = math.cast(mean, dtype)
        add_loss(mean)
        return mean


@_published
@add_arg_scope
def add_loss(loss: Any, loss_collection: Any = GraphKeys.LOSSES) -> None:
    """Add a loss to a collection."""
    if loss_collection:
        add_to_collection(loss_collection, loss)


@_published
def get_losses(scope: str | None = None, loss_collection: Any = GraphKeys.LOSSES) -> list[Any]:
    """The losses of a collection."""
    return get_collection(loss_collection, scope)


@_published
def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """The losses of regularizers."""
    return get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


@_published
def get_total_loss(add_regularization_losses: bool = True, name: str = "total_loss") -> Tensor:
    """The sum of all losses."""
    losses = get_losses()
    if add_regularization_losses:
        losses += get_regularization_losses()
    return math.add_n(losses, name=name)


def _as_floats(predictions: Any, labels: Any) -> tuple[Tensor, Tensor]:
    predictions.shape.assert_is_compatible_with(labels.shape)
    return math.cast(predictions, dtypes.float32), math.cast(labels, dtypes.float32)


@_published
def absolute_difference(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None) -> Tensor:
    """The mean absolute difference."""
    with name_scope(scope, "absolute_difference", [predictions, labels, weights]) as scope:
        predictions, labels = _as_floats(predictions, labels)
        return compute_weighted_loss(math.abs(math.subtract(predictions, labels)), weights, scope=scope)


@_published
def sigmoid_cross_entropy(
    logits: Any, multi_class_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: Any = None
) -> Tensor:
    """The mean cross entropy of independent classes."""
    with name_scope(scope, "sigmoid_cross_entropy_loss", [logits, multi_class_labels, weights]) as scope:
        logits.shape.assert_is_compatible_with(multi_class_labels.shape)
        labels = math.cast(multi_class_labels, logits.dtype)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = cross_entropy.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)


@_published
def softmax_cross_entropy(
    logits: Any, onehot_labels: Any, weights: Any = 1.0, label_smoothing: float = 0, scope: Any = None
) -> Tensor:
    """The mean cross entropy of classes that exclude each other, from probabilities."""
    with name_scope(scope, "softmax_cross_entropy_loss", [logits, onehot_labels, weights]) as scope:
        logits.shape.assert_is_compatible_with(onehot_labels.shape)
        labels = math.cast(onehot_labels, logits.dtype)
        if label_smoothing > 0:
            classes = math.cast(array.shape(labels)[1], logits.dtype)
            smooth = label_smoothing / classes
            labels = labels * (1.0 - label_smoothing) + smooth
        losses = cross_entropy.softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)


@_published
def sparse_softmax_cross_entropy(logits: Any, labels: Any, weights: Any = 1.0, scope: Any = None) -> Tensor:
    """The mean cross entropy of classes that exclude each other, from their numbers."""
    with name_scope(scope, "sparse_softmax_cross_entropy_loss", [logits, labels, weights]) as scope:
        labels = array.reshape(labels, shape=[array.shape(labels)[0]])
        losses = cross_entropy.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope=scope)


@_published
def log_loss(
    predictions: Any, labels: Any = None, weights: Any = 1.0, epsilon: float = 1e-7, scope: Any = None
) -> Tensor:
    """The mean logarithmic loss of probabilities."""
    with name_scope(scope, "log_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _as_floats(predictions, labels)
        losses = -math.multiply(labels, math.log(predictions + epsilon)) - math.multiply(
            1 - labels, math.log(1 - predictions + epsilon)
        )
        return compute_weighted_loss(losses, weights, scope=scope)


@_published
def hinge_loss(logits: Any, labels: Any = None, scope: Any = None) -> Tensor:
    """For each element the hinge loss, for labels 0 and 1."""
    with name_scope(scope, "hinge_loss", [logits, labels]):
        logits.shape.assert_is_compatible_with(labels.shape)
        labels = math.cast(labels, dtypes.float32)
        ones = array.ones_like(labels)
        labels = math.subtract(2 * labels, ones)
        return activations.relu(math.subtract(ones, math.multiply(labels, logits)))


@_published
def mean_squared_error(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None) -> Tensor:
    """The mean squared difference."""
    with name_scope(scope, "mean_squared_error", [predictions, labels, weights]) as scope:
        predictions, labels = _as_floats(predictions, labels)
        return compute_weighted_loss(math.squared_difference(predictions, labels), weights, scope=scope)


@_published
def mean_pairwise_squared_error(predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None) -> Tensor:
    """The mean squared difference of the differences between pairs of elements."""
    with name_scope(scope, "mean_pairwise_squared_error", [predictions, labels, weights]) as scope:
        predictions, labels = _as_floats(predictions, labels)
        weights = math.cast(convert_to_tensor(weights), dtypes.float32)
        differences = math.subtract(predictions, labels)
        if differences.shape.rank is None:
            raise ValueError("diffs.get_shape().ndims cannot be None")
        if weights.shape.rank is None:
            raise ValueError("weights.get_shape().ndims cannot be None")
        axes = list(range(1, differences.shape.rank))
        squares = math.reduce_sum(math.square(differences), axis=axes)
        present = _present(differences, weights, per_batch=True)
        first = 2.0 * math.div_no_nan(squares, present, name="value")
        sums = math.reduce_sum(differences, axis=axes)
        second = 2.0 * math.div_no_nan(math.square(sums), math.square(present), name="value")
        loss = _scaled(first - second, weights)
        mean = where(math.reduce_sum(present) > 0, loss, array.zeros_like(loss), name="value")
        add_loss(mean)
        return mean


@_published
def cosine_distance(
    predictions: Any, labels: Any = None, axis: Any = None, weights: Any = 1.0, scope: Any = None, dim: Any = None
) -> Tensor:
    """The mean of 1 minus the sum of products along `axis`."""
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    with name_scope(scope, "cosine_distance_loss", [predictions, labels, weights]) as scope:
        predictions, labels = _as_floats(predictions, labels)
        products = math.multiply(predictions, labels)
        losses = 1 - math.reduce_sum(products, axis=[axis])
        return compute_weighted_loss(losses, weights, scope=scope)
