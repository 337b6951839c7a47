"""The area under a curve that a score traces as its threshold moves: true against false positives, or precision
against recall."""

from __future__ import annotations

import logging
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.variable_scope import variable_scope
from evergraph.training.metrics.streaming import collect
from evergraph.training.metrics.thresholds import EDGE, counts_at_thresholds, spread_thresholds

_log = logging.getLogger("tensorflow")

EPSILON = 1.0e-6


@public("metrics.auc")
def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Any = None,
) -> tuple[Any, Any]:
    """The area under the receiver operating characteristic, or under precision against recall.

    Args:
        labels: the truth; anything but zero is true.
        predictions: scores in [0, 1].
        weights: how much each example counts; of rank 0 or of the rank of `labels`, with each size equal or 1.
        num_thresholds: how many points of the curve are followed.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        curve: "ROC" or "PR".
        name: the variable scope.
        summation_method: "trapezoidal"; "careful_interpolation" for "PR"; "minoring" or "majoring" for a bound.
        thresholds: the points to follow, in place of `num_thresholds`; one below 0 and one above 1 are added.

    Returns:
        The area, a float32 scalar, and the op that adds a batch.

    Raises:
        ValueError: for another curve or method, or weights that do not fit.
    """
    with variable_scope(name, "auc", (labels, predictions, weights)):
        if curve not in ("ROC", "PR"):
            raise ValueError(f"curve must be either ROC or PR, {curve} unknown")
        if thresholds is None:
            cuts = spread_thresholds(num_thresholds)
        else:
            cuts = [0.0 - EDGE, *sorted(thresholds), 1.0 + EDGE]
        values, updates = counts_at_thresholds(labels, predictions, cuts, weights)
        value = _area(values, curve, summation_method, len(cuts), "value")
        collect(metrics_collections, value)
        update = _area(updates, curve, summation_method, len(cuts), "update_op")
        collect(updates_collections, update)
        return value, update


def _area(counts: dict[str, Any], curve: str, method: str, n: int, name: str) -> Tensor:
    tp, fn, tn, fp = (counts[key] for key in ("tp", "fn", "tn", "fp"))
    if curve == "PR":
        if method == "trapezoidal":
            _log.warning('The trapezoidal rule gives wrong areas under "PR": use "careful_interpolation".')
        elif method == "careful_interpolation":
            return _interpolated(tp, fp, fn, n)
    recall = math.div(tp + EPSILON, tp + fn + EPSILON)
    if curve == "ROC":
        x, y = math.div(fp, fp + tn + EPSILON), recall
    else:
        x, y = recall, math.div(tp + EPSILON, tp + fp + EPSILON)
    if method in ("trapezoidal", "careful_interpolation"):
        return math.reduce_sum(math.multiply(x[: n - 1] - x[1:], (y[: n - 1] + y[1:]) / 2.0), name=name)
    if method in ("minoring", "majoring"):
        bound = math.minimum if method == "minoring" else math.maximum
        return math.reduce_sum(math.multiply(x[: n - 1] - x[1:], bound(y[: n - 1], y[1:])), name=name)
    raise ValueError(f"Invalid summation_method: {method}")


def _interpolated(tp: Any, fp: Any, fn: Any, n: int) -> Tensor:
    """The area under precision and recall where the counts, rather than the precision, are linear between points.

    Davis and Goadrich, 2006: https://www.biostat.wisc.edu/~page/rocpr.pdf
    """
    dtp = tp[: n - 1] - tp[1:]
    p = tp + fp
    slope = math.div_no_nan(dtp, math.maximum(p[: n - 1] - p[1:], 0), name="prec_slope")
    intercept = tp[1:] - math.multiply(slope, p[1:])
    ratio = array.where(
        math.logical_and(p[: n - 1] > 0, p[1:] > 0),
        math.div_no_nan(p[: n - 1], math.maximum(p[1:], 0), name="recall_relative_ratio"),
        array.ones_like(p[1:]),
    )
    return math.reduce_sum(
        math.div_no_nan(
            slope * (dtp + intercept * math.log(ratio)), math.maximum(tp[1:] + fn[1:], 0), name="pr_auc_increment"
        ),
        name="interpolate_pr_auc",
    )
