"""Metrics of a score between 0 and 1 that is cut at thresholds: counts, precision, recall, and one against another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.scopes import control_dependencies
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, state
from evergraph.ops.checks import assert_greater_equal, assert_less_equal
from evergraph.ops.constant import constant
from evergraph.ops.loss_weights import broadcast_weights
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics.streaming import collect, fitted, metric_variable

EDGE = 1e-7
"""How far the outermost thresholds lie outside [0, 1], so that every score is on the right side of them."""

_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives", "fp": "false_positives"}


def spread_thresholds(count: int, last: float = 1.0 + EDGE) -> list[float]:
    """`count` thresholds from just below 0 to `last`."""
    inner = [(i + 1) * 1.0 / (count - 1) for i in range(count - 2)]
    return [0.0 - EDGE, *inner, last]


def counts_at_thresholds(
    labels: Any, predictions: Any, thresholds: Any, weights: Any = None, includes: Any = ("tp", "fn", "tn", "fp")
) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each threshold, the weight of the examples that are true (or not) and predicted so (or not).

    Args:
        labels: the truth.
        predictions: scores in [0, 1].
        thresholds: floats.
        weights: how much each example counts.
        includes: which of "tp", "fn", "tn", "fp" to count.

    Returns:
        Variables of shape `[len(thresholds)]`, and the ops that add a batch to them, both by those keys.
    """
    for key in includes:
        if key not in _NAMES:
            raise ValueError(f"Invalid key: {key}.")
    message = "predictions must be in [0, 1]"
    with control_dependencies(
        [
            assert_greater_equal(predictions, math.cast(0.0, dtype=predictions.dtype), message=message),
            assert_less_equal(predictions, math.cast(1.0, dtype=predictions.dtype), message=message),
        ]
    ):
        predictions, labels, weights = fitted(
            math.cast(predictions, dtypes.float32), math.cast(labels, dtype=dtypes.bool), weights
        )
    count = len(thresholds)
    columns = array.reshape(predictions, [-1, 1])
    row = array.reshape(math.cast(labels, dtype=dtypes.bool), [1, -1])
    number: Any = columns.shape.as_list()[0]
    if number is None:
        number = array.shape(columns)[0]
    cut = array.tile(array.expand_dims(constant(thresholds), [1]), array.stack([1, number]))
    positive = math.greater(array.tile(array.transpose(columns), [count, 1]), cut)
    is_any = set(includes)
    negative = math.logical_not(positive) if is_any & {"fn", "tn"} else None
    truth = array.tile(row, [count, 1])
    falsity = math.logical_not(truth) if is_any & {"fp", "tn"} else None
    tiled = None
    if weights is not None:
        weights = broadcast_weights(math.cast(weights, dtypes.float32), predictions)
        tiled = array.tile(array.reshape(weights, [1, -1]), [count, 1])
        cut.shape.assert_is_compatible_with(tiled.shape)
    pairs = {"tp": (truth, positive), "fn": (truth, negative), "tn": (falsity, negative), "fp": (falsity, positive)}
    values, updates = {}, {}
    for key, (label, prediction) in pairs.items():
        if key in includes:
            values[key] = metric_variable([count], dtypes.float32, name=_NAMES[key])
            found = math.cast(math.logical_and(label, prediction), dtypes.float32)
            if tiled is not None:
                found *= tiled
            updates[key] = state.assign_add(values[key], math.reduce_sum(found, 1))
    return values, updates


def _count_at_thresholds(key: str) -> Callable[..., tuple[Any, Any]]:
    def count(
        labels: Any,
        predictions: Any,
        thresholds: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with variable_scope(name, _NAMES[key], (predictions, labels, weights)):
            values, updates = counts_at_thresholds(labels, predictions, thresholds, weights, includes=(key,))
            value = array.identity(values[key])
            collect(metrics_collections, value)
            collect(updates_collections, updates[key])
            return value, updates[key]

    count.__name__ = count.__qualname__ = f"{_NAMES[key]}_at_thresholds"
    count.__doc__ = f"""How many {_NAMES[key].replace("_", " ")} there are at each threshold.

    Args:
        labels: the truth; anything but zero is true.
        predictions: scores in [0, 1].
        thresholds: floats; what is above one is predicted true.
        weights: how much each example counts.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the variable scope.

    Returns:
        The counts, float32 of shape `[len(thresholds)]`, and the op that adds a batch.
    """
    publish(f"metrics.{count.__name__}", count)
    return count


true_positives_at_thresholds = _count_at_thresholds("tp")
false_negatives_at_thresholds = _count_at_thresholds("fn")
true_negatives_at_thresholds = _count_at_thresholds("tn")
false_positives_at_thresholds = _count_at_thresholds("fp")


def _streamed(
    scope: tuple[str | None, str],
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any,
    includes: Any,
    compute: Callable[[dict[str, Any], str], Any],
    metrics_collections: Any,
    updates_collections: Any,
) -> tuple[Any, Any]:
    """What `compute` makes of the counts, and of them after a batch."""
    with variable_scope(*scope, (predictions, labels, weights)):
        values, updates = counts_at_thresholds(labels, predictions, thresholds, weights, includes)
        value = compute(values, "value")
        collect(metrics_collections, value)
        update = compute(updates, "update_op")
        collect(updates_collections, update)
        return value, update


@public("metrics.precision_at_thresholds")
def precision_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The precision at each threshold. `tf.metrics.true_positives_at_thresholds` has the arguments."""

    def compute(counts: dict[str, Any], name: str) -> Tensor:
        return math.div(counts["tp"], EDGE + counts["tp"] + counts["fp"], name="precision_" + name)

    scope = (name, "precision_at_thresholds")
    return _streamed(
        scope, labels, predictions, thresholds, weights, ("tp", "fp"), compute, metrics_collections, updates_collections
    )


@public("metrics.recall_at_thresholds")
def recall_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The recall at each threshold. `tf.metrics.true_positives_at_thresholds` has the arguments."""

    def compute(counts: dict[str, Any], name: str) -> Tensor:
        return math.div(counts["tp"], EDGE + counts["tp"] + counts["fn"], name="recall_" + name)

    scope = (name, "recall_at_thresholds")
    return _streamed(
        scope, labels, predictions, thresholds, weights, ("tp", "fn"), compute, metrics_collections, updates_collections
    )


@public("metrics.sensitivity_at_specificity")
def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The sensitivity (recall) at the threshold whose specificity is nearest to `specificity`.

    `tf.metrics.auc` has the other arguments.
    """
    if not 0 <= specificity <= 1:
        raise ValueError("`specificity` must be in the range [0, 1].")

    def compute(counts: dict[str, Any], name: str) -> Tensor:
        tp, tn, fp, fn = (counts[key] for key in ("tp", "tn", "fp", "fn"))
        specificities = math.div(tn, tn + fp + EDGE)
        index = math.argmin(math.abs(specificities - specificity), 0)
        index = math.cast(index, dtypes.int32)
        return math.div(tp[index], tp[index] + fn[index] + EDGE, name)

    return _streamed(
        (name, "sensitivity_at_specificity"),
        labels,
        predictions,
        spread_thresholds(num_thresholds),
        weights,
        tuple(_NAMES),
        compute,
        metrics_collections,
        updates_collections,
    )


@public("metrics.specificity_at_sensitivity")
def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The specificity at the threshold whose sensitivity (recall) is nearest to `sensitivity`.

    `tf.metrics.auc` has the other arguments.
    """
    if not 0 <= sensitivity <= 1:
        raise ValueError("`sensitivity` must be in the range [0, 1].")

    def compute(counts: dict[str, Any], name: str) -> Tensor:
        tp, tn, fp, fn = (counts[key] for key in ("tp", "tn", "fp", "fn"))
        sensitivities = math.div(tp, tp + fn + EDGE)
        least = math.reduce_min(math.abs(sensitivities - sensitivity))
        is_nearest = math.equal(math.abs(sensitivities - sensitivity), least)
        running = math.cumsum(math.cast(is_nearest, dtypes.int64))
        index = math.cast(math.argmax(running, 0), dtypes.int32)
        return math.div(tn[index], tn[index] + fp[index] + EDGE, name)

    return _streamed(
        (name, "specificity_at_sensitivity"),
        labels,
        predictions,
        spread_thresholds(num_thresholds, 1.0 - EDGE),
        weights,
        tuple(_NAMES),
        compute,
        metrics_collections,
        updates_collections,
    )
