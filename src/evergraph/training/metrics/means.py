"""Metrics that are means: of values, of errors, of hits."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies
from evergraph.ops import array, math, state
from evergraph.ops.loss_weights import broadcast_weights, remove_squeezable_dimensions
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics.streaming import collect, fitted, handed_out, metric_variable


@public("metrics.mean")
def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of all values so far.

    Args:
        values: a tensor of any shape.
        weights: how much each counts; of rank 0 or of the rank of `values`, with each size equal or 1.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the variable scope.

    Returns:
        The mean, a float32 scalar, and the op that adds a batch.

    Raises:
        ValueError: if `weights` do not fit.

    >>> value, update = tf.metrics.mean([1.0, 2.0, 6.0])
    >>> sess.run(tf.local_variables_initializer())
    >>> float(sess.run(update))
    3.0
    """
    with variable_scope(name, "mean", (values, weights)):
        values = math.cast(values, dtypes.float32)
        total = metric_variable([], dtypes.float32, name="total")
        count = metric_variable([], dtypes.float32, name="count")
        if weights is None:
            number = math.cast(array.size(values), dtypes.float32)
        else:
            values, _, weights = fitted(values, None, weights)
            weights = broadcast_weights(math.cast(weights, dtypes.float32), values)
            values = math.multiply(values, weights)
            number = math.reduce_sum(weights)
        new_total = state.assign_add(total, math.reduce_sum(values))
        with control_dependencies([values]):
            new_count = state.assign_add(count, number)
        value = math.div_no_nan(total, math.maximum(count, 0), name="value")
        collect(metrics_collections, value)
        update = math.div_no_nan(new_total, math.maximum(new_count, 0), name="update_op")
        collect(updates_collections, update)
        return value, update


@public("metrics.mean_tensor")
def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of each element over all batches so far. `tf.metrics.mean` has the arguments.

    Returns:
        The means, float32 of the shape of `values`, and the op that adds a batch.
    """
    with variable_scope(name, "mean", (values, weights)):
        values = math.cast(values, dtypes.float32)
        total = metric_variable(values.shape, dtypes.float32, name="total_tensor")
        count = metric_variable(values.shape, dtypes.float32, name="count_tensor")
        number = array.ones_like(values)
        if weights is not None:
            values, _, weights = fitted(values, None, weights)
            weights = broadcast_weights(math.cast(weights, dtypes.float32), values)
            values = math.multiply(values, weights)
            number = math.multiply(number, weights)
        new_total = state.assign_add(total, values)
        with control_dependencies([values]):
            new_count = state.assign_add(count, number)
        value = math.div_no_nan(total, math.maximum(count, 0), name="value")
        collect(metrics_collections, value)
        update = math.div_no_nan(new_total, math.maximum(new_count, 0), name="update_op")
        collect(updates_collections, update)
        return value, update


@public("metrics.accuracy")
def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How often predictions equal labels. `tf.metrics.mean` has the other arguments.

    Args:
        labels: the truth, of any type and shape.
        predictions: of the same shape; cast to the labels' type.
    """
    predictions, labels, weights = fitted(predictions, labels, weights)
    predictions.shape.assert_is_compatible_with(labels.shape)
    if labels.dtype != predictions.dtype:
        predictions = math.cast(predictions, labels.dtype)
    hits = math.cast(math.equal(predictions, labels), dtypes.float32)
    return mean(hits, weights, metrics_collections, updates_collections, name or "accuracy")


@public("metrics.mean_absolute_error")
def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `|predictions - labels|`. `tf.metrics.mean` has the other arguments."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    errors = math.abs(predictions - labels)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_absolute_error")


@public("metrics.mean_cosine_distance")
def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """One minus the mean product of labels and predictions, both of length 1 along the axis `dim`.

    `tf.metrics.mean` has the other arguments.
    """
    predictions, labels, weights = fitted(predictions, labels, weights)
    products = math.reduce_sum(math.multiply(predictions, labels), axis=[dim], keepdims=True)
    value, update = mean(products, weights, None, None, name or "mean_cosine_distance")
    value = math.subtract(1.0, value)
    update = math.subtract(1.0, update)
    return handed_out(value, update, metrics_collections, updates_collections)


@public("metrics.mean_relative_error")
def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `|labels - predictions| / normalizer`, 0 where that is 0.

    `tf.metrics.mean` has the other arguments.
    """
    predictions, labels, weights = fitted(predictions, labels, weights)
    predictions, normalizer = remove_squeezable_dimensions(predictions, normalizer)
    predictions.shape.assert_is_compatible_with(normalizer.shape)
    errors = array.where(
        math.equal(normalizer, 0.0),
        array.zeros_like(labels),
        math.div(math.abs(labels - predictions), normalizer),
    )
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_relative_error")


@public("metrics.mean_squared_error")
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean of `(labels - predictions) ** 2`. `tf.metrics.mean` has the other arguments."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    errors = math.squared_difference(labels, predictions)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_squared_error")


@public("metrics.root_mean_squared_error")
def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The square root of `tf.metrics.mean_squared_error`. `tf.metrics.mean` has the other arguments."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    value, update = mean_squared_error(labels, predictions, weights, None, None, name or "root_mean_squared_error")
    value = math.sqrt(value)
    update = math.sqrt(update)
    return handed_out(value, update, metrics_collections, updates_collections)


@public("metrics.percentage_below")
def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How often values are below `threshold`. `tf.metrics.mean` has the other arguments."""
    below = math.cast(math.less(values, threshold), dtypes.float32)
    return mean(below, weights, metrics_collections, updates_collections, name or "percentage_below_threshold")
