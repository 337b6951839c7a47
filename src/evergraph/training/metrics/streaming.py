"""What all metrics share: their variables, the fit of labels, predictions and weights, and how a value is handed out.

A metric is two tensors: its value now, and an op that adds a batch and gives the value after it. Its variables are
local ones, in `GraphKeys.METRIC_VARIABLES` too; `tf.local_variables_initializer()` sets it back.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import GraphKeys, add_to_collections
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math
from evergraph.ops.cond import cond
from evergraph.ops.loss_weights import remove_squeezable_dimensions
from evergraph.ops.variables import Variable, VariableAggregation, VariableSynchronization


def metric_variable(shape: Any, dtype: Any, validate_shape: bool = True, name: str | None = None) -> Any:
    """A local variable that starts at zero and adds up over batches (and machines).

    Args:
        shape: its shape.
        dtype: its type.
        validate_shape: whether its shape must stay what it is.
        name: its name.
    """
    return Variable(
        lambda: array.zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        validate_shape=validate_shape,
        synchronization=VariableSynchronization.ON_READ,
        aggregation=VariableAggregation.SUM,
        name=name,
    )


def handed_out(value: Any, update: Any, metrics_collections: Any, updates_collections: Any) -> tuple[Any, Any]:
    """Value and update op, which join the collections that the caller named."""
    collect(metrics_collections, value)
    collect(updates_collections, update)
    return value, update


def collect(collections: Any, item: Any) -> None:
    if collections:
        add_to_collections(collections, item)


def fitted(predictions: Any, labels: Any, weights: Any) -> tuple[Tensor, Any, Any]:
    """Predictions, labels and weights, freed of (or given) a last axis of size 1 where ranks differ by one."""
    predictions = convert_to_tensor(predictions)
    if labels is not None:
        labels, predictions = remove_squeezable_dimensions(labels, predictions)
        predictions.shape.assert_is_compatible_with(labels.shape)
    if weights is None:
        return predictions, labels, None
    weights = convert_to_tensor(weights)
    rank = weights.shape.rank
    if rank == 0:
        return predictions, labels, weights
    other = predictions.shape.rank
    if rank is not None and other is not None:
        if rank - other == 1:
            weights = array.squeeze(weights, [-1])
        elif other - rank == 1:
            weights = array.expand_dims(weights, [-1])
        return predictions, labels, weights
    return predictions, labels, _fitted_at_run_time(weights, predictions)


def _fitted_at_run_time(weights: Tensor, predictions: Tensor) -> Tensor:
    rank = array.rank(weights)
    difference = rank - array.rank(predictions)
    sizes = weights.static_shape
    may_squeeze = sizes is None or sizes[-1] in (1, None)

    def expanded() -> Tensor:
        return cond(math.equal(difference, -1), lambda: array.expand_dims(weights, [-1]), lambda: weights)

    def adjusted() -> Tensor:
        squeezed = (lambda: array.squeeze(weights, [-1])) if may_squeeze else (lambda: weights)
        return cond(math.equal(difference, 1), squeezed, expanded)

    return cond(math.equal(rank, 0), lambda: weights, adjusted)
