"""Metrics of yes or no: counts of hits and misses, precision and recall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public, publish
from evergraph.framework.scopes import control_dependencies
from evergraph.ops import array, math, state
from evergraph.ops.checks import assert_rank_in, assert_type
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics.streaming import collect, fitted, metric_variable


def _counted(values: Any, weights: Any, metrics_collections: Any, updates_collections: Any) -> tuple[Any, Any]:
    assert_type(values, dtypes.bool)
    count = metric_variable([], dtypes.float32, name="count")
    values = math.cast(values, dtypes.float32)
    if weights is not None:
        with control_dependencies((assert_rank_in(weights, (0, array.rank(values))),)):
            weights = math.cast(weights, dtypes.float32)
            values = math.multiply(values, weights)
    value = array.identity(count)
    collect(metrics_collections, value)
    update = state.assign_add(count, math.reduce_sum(values))
    collect(updates_collections, update)
    return value, update


def _as_bools(labels: Any, predictions: Any, weights: Any) -> tuple[Any, Any, Any]:
    predictions = math.cast(predictions, dtype=dtypes.bool)
    return fitted(predictions, math.cast(labels, dtype=dtypes.bool), weights)


def _count(name: str, label: bool, prediction: bool, what: str) -> Callable[..., tuple[Any, Any]]:
    default = name

    def count(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with variable_scope(name, default, (predictions, labels, weights)):
            predictions, labels, weights = _as_bools(labels, predictions, weights)
            found = math.logical_and(math.equal(labels, label), math.equal(predictions, prediction))
            return _counted(found, weights, metrics_collections, updates_collections)

    count.__name__ = count.__qualname__ = default
    count.__doc__ = f"""How many examples {what}.

    Args:
        labels: the truth; anything but zero is true.
        predictions: of the same shape; anything but zero is true.
        weights: how much each counts; of rank 0 or of the rank of `labels`, with each size equal or 1.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the variable scope.

    Returns:
        The count, a float32 scalar, and the op that adds a batch.
    """
    publish(f"metrics.{default}", count)
    return count


true_positives = _count("true_positives", True, True, "are true and predicted true")
false_positives = _count("false_positives", False, True, "are false and predicted true")
true_negatives = _count("true_negatives", False, False, "are false and predicted false")
false_negatives = _count("false_negatives", True, False, "are true and predicted false")


def _share(
    default: str,
    of: Callable[..., tuple[Any, Any]],
    labels: Any,
    predictions: Any,
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> tuple[Any, Any]:
    """The true positives as a share of themselves and those that `of` counts."""
    with variable_scope(name, default, (predictions, labels, weights)):
        predictions, labels, weights = _as_bools(labels, predictions, weights)
        hits, new_hits = true_positives(labels, predictions, weights)
        misses, new_misses = of(labels, predictions, weights)

        def share(a: Any, b: Any, name: str) -> Any:
            return array.where(math.greater(a + b, 0), math.div(a, a + b), 0, name)

        value = share(hits, misses, "value")
        collect(metrics_collections, value)
        update = share(new_hits, new_misses, "update_op")
        collect(updates_collections, update)
        return value, update


@public("metrics.precision")
def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of those predicted true are true. `tf.metrics.true_positives` has the arguments.

    Returns:
        The precision, a float32 scalar (0 if none was predicted true), and the op that adds a batch.
    """
    return _share(
        "precision", false_positives, labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("metrics.recall")
def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of those that are true are predicted true. `tf.metrics.true_positives` has the arguments.

    Returns:
        The recall, a float32 scalar (0 if none was true), and the op that adds a batch.
    """
    return _share(
        "recall", false_negatives, labels, predictions, weights, metrics_collections, updates_collections, name
    )
