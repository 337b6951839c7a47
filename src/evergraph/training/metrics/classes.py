"""Metrics class by class: mean accuracy per class, and mean intersection over union."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.ops import array, math, state
from evergraph.ops.confusion import confusion_matrix
from evergraph.ops.opdef import raw_op
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics.streaming import collect, metric_variable


def _flat(x: Any) -> Any:
    return array.reshape(x, [-1]) if x.shape.rank > 1 else x


@public("metrics.mean_per_class_accuracy")
def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean over the classes of how often each is recognized.

    Args:
        labels: ints in `[0, num_classes)`.
        predictions: of the same shape.
        num_classes: how many classes there are.
        weights: how much each example counts.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the variable scope.

    Returns:
        The mean accuracy, a float32 scalar, and the op that adds a batch: accuracies by class.
    """
    with variable_scope(name, "mean_accuracy", (predictions, labels, weights)):
        labels = _flat(math.cast(labels, dtypes.int64))
        predictions = _flat(predictions)
        predictions.shape.assert_is_compatible_with(labels.shape)
        total = metric_variable([num_classes], dtypes.float32, name="total")
        count = metric_variable([num_classes], dtypes.float32, name="count")
        ones = array.ones([array.size(labels)], dtypes.float32)
        if labels.dtype != predictions.dtype:
            predictions = math.cast(predictions, labels.dtype)
        hits = math.cast(math.equal(predictions, labels), dtypes.float32)
        if weights is not None:
            weights = math.cast(_flat(weights), dtypes.float32)
            hits *= weights
            ones *= weights
        new_total = state.scatter_add(total, labels, ones)
        new_count = state.scatter_add(count, labels, hits)
        by_class = math.div_no_nan(count, math.maximum(total, 0), name=None)
        value = math.reduce_mean(by_class, name="mean_accuracy")
        collect(metrics_collections, value)
        update = math.div_no_nan(new_count, math.maximum(new_total, 0), name="update_op")
        collect(updates_collections, update)
        return value, update


@public("metrics.mean_iou")
def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean over the classes of hits / (labels + predictions - hits).

    Args:
        labels: ints in `[0, num_classes)`.
        predictions: of the same shape.
        num_classes: how many classes there are.
        weights: how much each example counts.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the variable scope.

    Returns:
        The mean, a float32 scalar, and the op that adds a batch: the confusion matrix.
    """
    with variable_scope(name, "mean_iou", (predictions, labels, weights)):
        predictions.shape.assert_is_compatible_with(labels.shape)
        total, update = _streaming_confusion_matrix(labels, predictions, num_classes, weights)
        by_label = math.cast(math.reduce_sum(total, 0), dtypes.float32)
        by_prediction = math.cast(math.reduce_sum(total, 1), dtypes.float32)
        hits = math.cast(raw_op("DiagPart")(total), dtypes.float32)
        union = by_label + by_prediction - hits
        present = math.reduce_sum(math.cast(math.not_equal(union, 0), dtype=dtypes.float32))
        union = array.where(math.greater(union, 0), union, array.ones_like(union))
        iou = math.div(hits, union)
        value = array.where(math.greater(present, 0), math.reduce_sum(iou, name="mean_iou") / present, 0)
        collect(metrics_collections, value)
        collect(updates_collections, update)
        return value, update


def _streaming_confusion_matrix(labels: Any, predictions: Any, num_classes: Any, weights: Any) -> tuple[Any, Any]:
    total = metric_variable([num_classes, num_classes], dtypes.float64, name="total_confusion_matrix")
    predictions = math.cast(predictions, dtypes.int64)
    labels = math.cast(labels, dtypes.int64)
    num_classes = math.cast(num_classes, dtypes.int64)
    predictions, labels = _flat(predictions), _flat(labels)
    if weights is not None:
        weights = _flat(weights)
    current = confusion_matrix(labels, predictions, num_classes, weights=weights, dtype=dtypes.float64)
    return total, state.assign_add(total, current)
