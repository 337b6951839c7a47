"""Weights of losses and metrics: whether they fit the values that they weigh, and how they are spread over them."""

from __future__ import annotations

from typing import Any

from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import is_static
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.checks import Assert
from evergraph.ops.filling import ones_like
from evergraph.ops.grouping import no_op
from evergraph.ops.joining import concat
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.shaping import expand_dims, rank, shape, size, squeeze

_REFUSAL = "weights can not be broadcast to values."


def assert_broadcastable(weights: Any, values: Any) -> Any:
    """An op that checks that `weights` are a scalar, or of the rank of `values` with each size equal or 1.

    Raises:
        ValueError: if the static shapes already tell that they are not.
    """
    with name_scope(None, "assert_broadcastable", (weights, values)) as scope:
        with name_scope(None, "weights", (weights,)) as weights_scope:
            weights = convert_to_tensor(weights, name=weights_scope)
            weights_shape = shape(weights, name="shape")
            weights_rank = rank(weights, name="rank")
        static_weights_rank = constant_value(weights_rank)
        with name_scope(None, "values", (values,)) as values_scope:
            values = convert_to_tensor(values, name=values_scope)
            values_shape = shape(values, name="shape")
            values_rank = rank(values, name="rank")
        static_values_rank = constant_value(values_rank)
        if static_weights_rank is not None and static_values_rank is not None:
            if static_weights_rank == 0:
                return no_op(name="static_scalar_check_success")
            if static_weights_rank != static_values_rank:
                raise ValueError(
                    f"{_REFUSAL} values.rank={static_values_rank}. weights.rank={static_weights_rank}. "
                    f"values.shape={values.shape}. weights.shape={weights.shape}."
                )
            if is_static(weights.static_shape) and is_static(values.static_shape):
                _check_sizes(weights.static_shape, values.static_shape)
                return no_op(name="static_dims_check_success")
        return _checked_at_run_time(weights, values, weights_rank, weights_shape, values_rank, values_shape, scope)


def _check_sizes(weights: Any, values: Any) -> None:
    for axis, (w, v) in enumerate(zip(weights, values, strict=True)):
        if w not in (1, v):
            raise ValueError(f"{_REFUSAL} Mismatch at dim {axis}. values.shape={values} weights.shape={weights}.")


def _checked_at_run_time(
    weights: Tensor,
    values: Tensor,
    weights_rank: Any,
    weights_shape: Any,
    values_rank: Any,
    values_shape: Any,
    name: str,
) -> Any:
    from evergraph.ops.cond import cond

    is_scalar = math.equal(0, weights_rank, name="is_scalar")
    data = (
        _REFUSAL,
        "weights.shape=",
        weights.name,
        weights_shape,
        "values.shape=",
        values.name,
        values_shape,
        "is_scalar=",
        is_scalar,
    )

    def has_valid_nonscalar_shape() -> Tensor:
        parts = (weights_rank, weights_shape, values_rank, values_shape)
        with name_scope(None, "has_valid_nonscalar_shape", parts) as scope:
            is_same_rank = math.equal(values_rank, weights_rank, name="is_same_rank")
            return cond(
                is_same_rank, lambda: _has_valid_sizes(weights_shape, values_shape), lambda: is_same_rank, name=scope
            )

    is_valid = cond(is_scalar, lambda: is_scalar, has_valid_nonscalar_shape, name="is_valid_shape")
    return Assert(is_valid, data, name=name)


def _has_valid_sizes(weights_shape: Tensor, values_shape: Tensor) -> Tensor:
    with name_scope(None, "has_invalid_dims", (weights_shape, values_shape)) as scope:
        values_shape_2d = expand_dims(values_shape, -1)
        valid = concat((values_shape_2d, ones_like(values_shape_2d)), axis=1)
        weights_shape_2d = expand_dims(weights_shape, -1)
        invalid = raw_op("DenseToDenseSetOperation")(weights_shape_2d, valid, "a-b")
        count = size(invalid.result_values, name="num_invalid_dims")
        return math.equal(0, count, name=scope)


def broadcast_weights(weights: Any, values: Any) -> Tensor:
    """`weights` with the shape of `values`."""
    with name_scope(None, "broadcast_weights", (weights, values)) as scope:
        values = convert_to_tensor(values, name="values")
        weights = convert_to_tensor(weights, dtype=values.dtype.base_dtype, name="weights")
        if (
            is_static(weights.static_shape)
            and is_static(values.static_shape)
            and weights.static_shape == values.static_shape
        ):
            return weights
        with get_default_graph().control_dependencies((assert_broadcastable(weights, values),)):
            return math.multiply(weights, ones_like(values), name=scope)


def remove_squeezable_dimensions(
    labels: Any, predictions: Any, expected_rank_diff: int = 0, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """Take a last axis of size 1 off the labels or the predictions, where their ranks are one too far apart."""
    with name_scope(name, "remove_squeezable_dimensions", [labels, predictions]):
        predictions = convert_to_tensor(predictions)
        labels = convert_to_tensor(labels)
        own, other = predictions.static_shape, labels.static_shape
        if own is not None and other is not None:
            difference = len(own) - len(other)
            if difference == expected_rank_diff + 1:
                predictions = squeeze(predictions, [-1])
            elif difference == expected_rank_diff - 1:
                labels = squeeze(labels, [-1])
            return labels, predictions
        from evergraph.ops.cond import cond

        runtime_difference = rank(predictions) - rank(labels)
        if own is None or own[-1] in (1, None):
            whole = predictions
            predictions = cond(
                math.equal(expected_rank_diff + 1, runtime_difference), lambda: squeeze(whole, [-1]), lambda: whole
            )
        if other is None or other[-1] in (1, None):
            whole_labels = labels
            labels = cond(
                math.equal(expected_rank_diff - 1, runtime_difference),
                lambda: squeeze(whole_labels, [-1]),
                lambda: whole_labels,
            )
        return labels, predictions


def remove_squeezable_weights(
    labels: Any, predictions: Any, weights: Any, expected_rank_diff: int = 0
) -> tuple[Tensor, Tensor, Any]:
    """`remove_squeezable_dimensions` of labels and predictions, and of the weights to fit the labels."""
    labels, predictions = remove_squeezable_dimensions(labels, predictions, expected_rank_diff)
    if weights is None:
        return labels, predictions, None
    weights = convert_to_tensor(weights)
    own, other = weights.static_shape, labels.static_shape
    if own is not None and other is not None:
        if len(own) - len(other) == 1:
            weights = squeeze(weights, [-1])
        return labels, predictions, weights
    difference = rank(weights) - rank(labels)
    if own is None or len(own) > 0 and own[-1] in (1, None):
        from evergraph.ops.cond import cond

        whole = weights
        weights = cond(math.equal(1, difference), lambda: squeeze(whole, [-1]), lambda: whole)
    return labels, predictions, weights
