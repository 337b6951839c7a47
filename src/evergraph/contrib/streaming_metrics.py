"""`tf.contrib.metrics` and `slim.metrics`: `tf.metrics` with the predictions as first argument, and more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.loss_weights import broadcast_weights
from evergraph.ops.nn import in_top_k
from evergraph.ops.selecting import where
from evergraph.ops.state import assign_add
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics import area, at_k, classes, counts, means, thresholds
from evergraph.training.metrics.streaming import fitted, handed_out, metric_variable

_REST = ("metrics_collections", "updates_collections", "name")
_USUAL = ("predictions", "labels", "weights", *_REST)
_SENSITIVE = ("weights", "num_thresholds", *_REST)
_AT = ("predictions", "labels", "thresholds", "weights", *_REST)

# Name: the function of `tf.metrics`, the order of arguments, and the defaults of those in the middle.
_RENAMED: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "true_positives": (counts.true_positives, _USUAL),
    "true_negatives": (counts.true_negatives, _USUAL),
    "false_positives": (counts.false_positives, _USUAL),
    "false_negatives": (counts.false_negatives, _USUAL),
    "mean": (means.mean, ("values", "weights", *_REST)),
    "mean_tensor": (means.mean_tensor, ("values", "weights", *_REST)),
    "accuracy": (means.accuracy, _USUAL),
    "precision": (counts.precision, _USUAL),
    "recall": (counts.recall, _USUAL),
    "auc": (
        area.auc,
        ("predictions", "labels", "weights", "num_thresholds", *_REST[:2], "curve", "name"),
    ),
    "specificity_at_sensitivity": (
        thresholds.specificity_at_sensitivity,
        ("predictions", "labels", "sensitivity", *_SENSITIVE),
    ),
    "sensitivity_at_specificity": (
        thresholds.sensitivity_at_specificity,
        ("predictions", "labels", "specificity", *_SENSITIVE),
    ),
    "precision_at_thresholds": (thresholds.precision_at_thresholds, _AT),
    "recall_at_thresholds": (thresholds.recall_at_thresholds, _AT),
    "sparse_recall_at_k": (at_k.recall_at_k, ("predictions", "labels", "k", "class_id", "weights", *_REST)),
    "sparse_precision_at_k": (at_k.precision_at_k, ("predictions", "labels", "k", "class_id", "weights", *_REST)),
    "sparse_average_precision_at_k": (
        at_k.average_precision_at_k,
        ("predictions", "labels", "k", "weights", *_REST),
    ),
    "mean_absolute_error": (means.mean_absolute_error, _USUAL),
    "mean_relative_error": (
        means.mean_relative_error,
        ("predictions", "labels", "normalizer", "weights", *_REST),
    ),
    "mean_squared_error": (means.mean_squared_error, _USUAL),
    "root_mean_squared_error": (means.root_mean_squared_error, _USUAL),
    "percentage_less": (means.percentage_below, ("values", "threshold", "weights", *_REST)),
    "mean_iou": (classes.mean_iou, ("predictions", "labels", "num_classes", "weights", *_REST)),
}


def _renamed(name: str, metric: Callable[..., Any], order: tuple[str, ...]) -> None:
    def streaming(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(order):
            raise TypeError(f"streaming_{name}() takes {len(order)} positional arguments but {len(args)} were given")
        return metric(**dict(zip(order, args, strict=False)), **kwargs)

    streaming.__name__ = streaming.__qualname__ = f"streaming_{name}"
    streaming.__doc__ = f"`tf.metrics.{metric.__name__}` with the arguments {', '.join(order)}."
    _published(f"streaming_{name}")(streaming)


def _published(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return public(f"contrib.metrics.{name}", f"contrib.slim.metrics.{name}")


for _name, (_metric, _order) in _RENAMED.items():
    _renamed(_name, _metric, _order)


@_published("accuracy")
def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Tensor:
    """The share of predictions that are the labels, in this batch alone."""
    if not (labels.dtype.is_integer or labels.dtype in (dtypes.bool, dtypes.string)):
        raise ValueError(f"Labels should have bool, integer, or string dtype, not {labels.dtype}")
    if not labels.dtype.is_compatible_with(predictions.dtype):
        raise ValueError(
            f"Dtypes of predictions and labels should match. Given: predictions ({predictions.dtype}) and labels "
            f"({labels.dtype})"
        )
    with name_scope(name, "accuracy", values=[predictions, labels]):
        is_correct = math.cast(math.equal(predictions, labels), dtypes.float32)
        if weights is None:
            return math.reduce_mean(is_correct)
        is_correct = math.multiply(is_correct, weights)
        present = math.multiply(weights, array.ones_like(is_correct))
        return math.div(math.reduce_sum(is_correct), math.reduce_sum(present))


@_published("streaming_recall_at_k")
def streaming_recall_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Any:
    """The share of labels that are among the `k` highest predictions."""
    found = math.cast(in_top_k(predictions, labels, k), dtypes.float32)
    return means.mean(found, weights, metrics_collections, updates_collections, name or f"recall_at_{k}")


@_published("streaming_mean_cosine_distance")
def streaming_mean_cosine_distance(
    predictions: Any,
    labels: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Any:
    """1 minus the mean of the products' sums along `dim`."""
    predictions, labels, weights = fitted(predictions, labels, weights)
    sums = math.reduce_sum(math.multiply(predictions, labels), axis=[dim], keepdims=True)
    mean, update = means.mean(sums, weights, None, None, name or "mean_cosine_distance")
    distance, update = math.subtract(1.0, mean), math.subtract(1.0, update)
    return handed_out(distance, update, metrics_collections, updates_collections)


@_published("streaming_covariance")
def streaming_covariance(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Any:
    """The covariance over all batches, of samples; not a number for fewer than two."""
    with variable_scope(name, "covariance", (predictions, labels, weights)):
        predictions, labels, weights = fitted(predictions, labels, weights)
        total = metric_variable([], dtypes.float32, name="count")
        mean_prediction = metric_variable([], dtypes.float32, name="mean_prediction")
        mean_label = metric_variable([], dtypes.float32, name="mean_label")
        comoment = metric_variable([], dtypes.float32, name="comoment")
        if weights is None:
            count = math.cast(array.size(labels), dtypes.float32)
            weighted_predictions, weighted_labels = predictions, labels
        else:
            weights = broadcast_weights(weights, labels)
            count = math.reduce_sum(weights)
            weighted_predictions = math.multiply(predictions, weights)
            weighted_labels = math.multiply(labels, weights)
        new_total = assign_add(total, count)
        old_total = new_total - count

        def moved(mean: Any, values: Any) -> tuple[Any, Any]:
            batch_mean = math.div_no_nan(math.reduce_sum(values), count)
            change = math.div_no_nan((batch_mean - mean) * count, new_total)
            return batch_mean, assign_add(mean, change) - change

        batch_prediction, old_prediction = moved(mean_prediction, weighted_predictions)
        batch_label, old_label = moved(mean_label, weighted_labels)
        residuals = (predictions - batch_prediction) * (labels - batch_label)
        batch_comoment = math.reduce_sum(residuals if weights is None else residuals * weights)
        change = batch_comoment + (old_prediction - batch_prediction) * (old_label - batch_label) * (
            old_total * count / new_total
        )
        update = assign_add(comoment, change)

        def covariance(name: str) -> Any:
            return where(math.less_equal(total, 1.0), float("nan"), math.truediv(comoment, total - 1), name=name)

        value = covariance("covariance")
        with control_dependencies([update]):
            update_op = covariance("update_op")
    return handed_out(value, update_op, metrics_collections, updates_collections)


@_published("streaming_pearson_correlation")
def streaming_pearson_correlation(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Any:
    """Pearson's correlation over all batches."""
    with variable_scope(name, "pearson_r", (predictions, labels, weights)):
        predictions, labels, weights = fitted(predictions, labels, weights)
        if weights is not None:
            weights = broadcast_weights(weights, labels)
        both = streaming_covariance(predictions, labels, weights=weights, name="covariance")
        first = streaming_covariance(predictions, predictions, weights=weights, name="variance_predictions")
        second = streaming_covariance(labels, labels, weights=weights, name="variance_labels")
        value, update = (
            math.truediv(both[i], math.multiply(math.sqrt(first[i]), math.sqrt(second[i])), name=op_name)
            for i, op_name in enumerate(("pearson_r", "update_op"))
        )
    return handed_out(value, update, metrics_collections, updates_collections)


@_published("aggregate_metrics")
def aggregate_metrics(*value_update_tuples: Any) -> tuple[list[Any], list[Any]]:
    """From (value, update op) pairs all values, and all update ops."""
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


@_published("aggregate_metric_map")
def aggregate_metric_map(names_to_tuples: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """From (value, update op) pairs by name all values by name, and all update ops by name."""
    values = {name: pair[0] for name, pair in names_to_tuples.items()}
    updates = {name: pair[1] for name, pair in names_to_tuples.items()}
    return values, updates
