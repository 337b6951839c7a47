"""Metrics of the `k` best predictions: precision, recall, average precision, over all classes or for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.framework.sparse import SparseTensor, SparseTensorValue, convert_to_tensor_or_sparse_tensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, math, state
from evergraph.ops.cond import cond
from evergraph.ops.loss_weights import assert_broadcastable, broadcast_weights
from evergraph.ops.sets.operations import set_difference, set_intersection, set_size
from evergraph.ops.sorting import top_k
from evergraph.ops.sparse.picking import sparse_concat, sparse_retain
from evergraph.ops.sparse.shaping import sparse_reshape
from evergraph.training.metrics.streaming import collect, metric_variable


def _name(name: str, k: int | None = None, class_id: int | None = None) -> str:
    name = f"{name}_at_k" if k is None else f"{name}_at_{k}"
    return name if class_id is None else f"{name}_class{class_id}"


def _expanded_labels(labels: Any, predictions: Any) -> Any:
    """`labels` of the rank of `predictions`: with a last axis of size 1 if they have one label each."""
    with name_scope(None, "expand_labels", (labels, predictions)) as scope:
        labels = convert_to_tensor_or_sparse_tensor(labels)
        if isinstance(labels, SparseTensor):
            return cond(
                math.equal(array.rank(predictions), array.size(labels.dense_shape) + 1),
                lambda: sparse_reshape(labels, shape=array.concat((labels.dense_shape, (1,)), 0), name=scope),
                lambda: labels,
            )
        rank, other = labels.shape.rank, predictions.shape.rank
        if rank is not None and other is not None:
            if other == rank:
                return labels
            if other == rank + 1:
                return array.expand_dims(labels, -1, name=scope)
            raise ValueError(f"Unexpected labels shape {labels.shape} for predictions shape {predictions.shape}.")
        return cond(
            math.equal(array.rank(predictions), array.rank(labels) + 1),
            lambda: array.expand_dims(labels, -1, name=scope),
            lambda: labels,
        )


def _of_class(ids: Any, wanted: int) -> Any:
    """Of each row of ids, only `wanted`, as a sparse tensor."""
    ids = convert_to_tensor_or_sparse_tensor(ids)
    if isinstance(ids, SparseTensor):
        return sparse_retain(ids, math.equal(ids.values, wanted))
    sizes = array.shape(ids, out_type=dtypes.int64)
    last = array.size(sizes) - 1
    filled_shape = math.reduced_shape(sizes, array.reshape(last, [1]))
    filled = array.fill(filled_shape, math.cast(wanted, dtypes.int64))
    found = set_intersection(filled, ids)
    return SparseTensor(indices=found.indices, values=found.values, dense_shape=sizes)


def _hits(predictions: Any, labels: Any) -> Any:
    return set_intersection(predictions, labels)


def _misses(predictions: Any, labels: Any) -> Any:
    return set_difference(predictions, labels, aminusb=False)


def _false_alarms(predictions: Any, labels: Any) -> Any:
    return set_difference(predictions, labels, aminusb=True)


_SCOPES = {_hits: "true_positive", _misses: "false_negative", _false_alarms: "false_positive"}


def _count(
    found: Callable[..., Any],
    labels: Any,
    predictions: Any,
    class_id: int | None = None,
    weights: Any = None,
    name: str | None = None,
) -> Tensor:
    """For each row how many ids `found` finds, times its weight; float64."""
    with name_scope(name, _SCOPES[found] + "s", (predictions, labels, weights)):
        if class_id is not None:
            labels, predictions = _of_class(labels, class_id), _of_class(predictions, class_id)
        count = math.cast(set_size(found(predictions, labels)), dtypes.float64)
        if weights is not None:
            with control_dependencies((assert_broadcastable(weights, count),)):
                weights = math.cast(weights, dtypes.float64)
                count = math.multiply(count, weights)
        return count


def _streaming_count(
    found: Callable[..., Any], labels: Any, predictions: Any, k: int | None, class_id: int | None, weights: Any
) -> tuple[Any, Any]:
    with name_scope(None, _name(_SCOPES[found], k, class_id), (predictions, labels, weights)) as scope:
        count = _count(found, labels, predictions, class_id, weights)
        batch_total = math.cast(math.reduce_sum(count), dtypes.float64)
        variable = metric_variable([], dtypes.float64, name=scope)
        return variable, state.assign_add(variable, batch_total, name="update")


def _share_at_top_k(
    what: str,
    other: Callable[..., Any],
    labels: Any,
    predictions_idx: Any,
    k: int | None,
    class_id: int | None,
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> tuple[Any, Any]:
    """The hits as a share of themselves and what `other` counts."""
    with name_scope(name, _name(what, k, class_id), (predictions_idx, labels, weights)) as scope:
        labels = _expanded_labels(labels, predictions_idx)
        ids = math.cast(predictions_idx, dtypes.int64)
        hits, new_hits = _streaming_count(_hits, labels, ids, k, class_id, weights)
        rest, new_rest = _streaming_count(other, labels, ids, k, class_id, weights)
        value = math.div(hits, math.add(hits, rest), name=scope)
        collect(metrics_collections, value)
        update = math.div(new_hits, math.add(new_hits, new_rest), name="update")
        collect(updates_collections, update)
        return value, update


@public("metrics.recall_at_top_k")
def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of the labels are among the best predictions. `tf.metrics.recall_at_k` has the other arguments.

    Args:
        predictions_idx: int64, shape `[..., k]`: the best predictions' class ids.
    """
    return _share_at_top_k(
        "recall", _misses, labels, predictions_idx, k, class_id, weights, metrics_collections, updates_collections, name
    )


@public("metrics.recall_at_k")
def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of the labels are among the `k` best predictions.

    Args:
        labels: int64 class ids, shape `[..., number of labels]` or `[...]` for one each, or a `SparseTensor`.
        predictions: floats, shape `[..., classes]`.
        k: how many of the best predictions count.
        class_id: the one class to look at; all by default.
        weights: how much each row counts; of rank 0 or of the labels' rank less one.
        metrics_collections: collections for the value to join.
        updates_collections: collections for the update op to join.
        name: the name scope.

    Returns:
        The recall, a float64 scalar, and the op that adds a batch.
    """
    with name_scope(name, _name("recall", k, class_id), (predictions, labels, weights)) as scope:
        _, ids = top_k(predictions, k)
        return recall_at_top_k(labels, ids, k, class_id, weights, metrics_collections, updates_collections, scope)


@public("metrics.precision_at_top_k")
def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of the best predictions are labels. `tf.metrics.recall_at_k` has the other arguments.

    Args:
        predictions_idx: int64, shape `[..., k]`: the best predictions' class ids.
    """
    return _share_at_top_k(
        "precision",
        _false_alarms,
        labels,
        predictions_idx,
        k,
        class_id,
        weights,
        metrics_collections,
        updates_collections,
        name,
    )


@public("metrics.precision_at_k")
def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """How many of the `k` best predictions are labels. `tf.metrics.recall_at_k` has the arguments."""
    with name_scope(name, _name("precision", k, class_id), (predictions, labels, weights)) as scope:
        _, ids = top_k(predictions, k)
        return precision_at_top_k(labels, ids, k, class_id, weights, metrics_collections, updates_collections, scope)


@public("metrics.sparse_precision_at_k")
def sparse_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """An older name of `tf.metrics.precision_at_k`."""
    return precision_at_k(labels, predictions, k, class_id, weights, metrics_collections, updates_collections, name)


# Average precision


def _expanded_and_tiled(tensor: Any, multiple: int, dim: int = 0, name: str | None = None) -> Any:
    """`tensor` with a new axis `dim`, along which it is repeated."""
    if multiple < 1:
        raise ValueError(f"Invalid multiple {multiple}, must be > 0.")
    with name_scope(name, "expand_and_tile", (tensor, multiple, dim)) as scope:
        tensor = convert_to_tensor_or_sparse_tensor(tensor)
        expanded: Any
        if isinstance(tensor, SparseTensor):
            where: Any = [dim] if dim >= 0 else array.reshape(array.size(tensor.dense_shape) + dim, [1])
            before = array.slice(tensor.dense_shape, [0], where)
            after = array.slice(tensor.dense_shape, where, [-1])
            shape = array.concat((before, [1], after), 0, name="expanded_shape")
            expanded = sparse_reshape(tensor, shape=shape, name="expand")
            if multiple == 1:
                return expanded
            return sparse_concat(dim - 1 if dim < 0 else dim, [expanded] * multiple, name=scope)
        expanded = array.expand_dims(tensor, dim if dim >= 0 else dim - 1, name="expand")
        if multiple == 1:
            return expanded
        ones = array.ones_like(array.shape(tensor))
        multiples = array.concat((ones[:dim], (multiple,), ones[dim:]), 0, name="multiples")
        return array.tile(expanded, multiples, name=scope)


def _number_of_labels(labels: Any, k: int) -> Tensor:
    """How many labels each row has, at most `k`; negative ids are none."""
    if k < 1:
        raise ValueError(f"Invalid k={k}.")
    with name_scope(None, "num_relevant", (labels,)) as scope:
        labels = convert_to_tensor_or_sparse_tensor(labels)
        if isinstance(labels, SparseTensor):
            return math.minimum(set_size(labels), k, name=scope)
        is_label = array.where_v2(math.greater_equal(labels, 0), array.ones_like(labels), array.zeros_like(labels))
        return math.minimum(math.reduce_sum(is_label, axis=-1), k, name=scope)


def _average_precision(labels: Any, predictions_idx: Any) -> Tensor:
    """For each row the mean, over its labels among the best predictions, of the precision down to there."""
    with name_scope(None, "average_precision", (predictions_idx, labels)) as scope:
        predictions_idx = math.cast(predictions_idx, dtypes.int64, name="predictions_idx")
        if predictions_idx.shape.rank == 0:
            raise ValueError("The rank of predictions_idx must be at least 1.")
        k = predictions_idx.shape.as_list()[-1]
        if k is None:
            raise ValueError("The last dimension of predictions_idx must be set.")
        labels = _expanded_labels(labels, predictions_idx)
        each = array.expand_dims(predictions_idx, -1, name="predictions_idx_per_k")
        labels_for_each = _expanded_and_tiled(labels, multiple=k, dim=-1, name="labels_per_k")
        relevant = _count(_hits, labels_for_each, each, name="relevant_per_k")
        hits = math.cumsum(relevant, axis=-1, name="tp_per_k")
        retrieved = math.cumsum(array.ones_like(relevant), axis=-1, name="retrieved_per_k")
        precision = math.div(
            math.cast(hits, dtypes.float64), math.cast(retrieved, dtypes.float64), name="precision_per_k"
        )
        counted = math.multiply(precision, math.cast(relevant, dtypes.float64), name="relevant_precision_per_k")
        total = math.reduce_sum(counted, axis=(-1,), name="precision_sum")
        number = math.cast(_number_of_labels(labels, k), dtypes.float64)
        return math.div(total, number, name=scope)


def _streaming_average_precision(
    labels: Any, predictions_idx: Any, weights: Any, metrics_collections: Any, updates_collections: Any, name: str
) -> tuple[Any, Any]:
    with name_scope(name, "average_precision_at_top_k", (predictions_idx, labels, weights)) as scope:
        precision = _average_precision(labels, predictions_idx)
        if weights is not None:
            weights = broadcast_weights(math.cast(weights, dtypes.float64), precision)
            precision = math.multiply(precision, weights)
        with name_scope(None, "max", (precision,)) as max_scope:
            greatest = metric_variable([], dtypes.float64, name=max_scope)
            if weights is None:
                batch_max = math.cast(array.size(precision, name="batch_max"), dtypes.float64)
            else:
                batch_max = math.reduce_sum(weights, name="batch_max")
            new_greatest = state.assign_add(greatest, batch_max, name="update")
        with name_scope(None, "total", (precision,)) as total_scope:
            total = metric_variable([], dtypes.float64, name=total_scope)
            batch_total = math.reduce_sum(precision, name="batch_total")
            new_total = state.assign_add(total, batch_total, name="update")
        value = math.div_no_nan(total, greatest, name="mean")
        collect(metrics_collections, value)
        update = math.div_no_nan(new_total, new_greatest, name=scope)
        collect(updates_collections, update)
        return value, update


def _without_ids_outside(labels: Any, classes: Any) -> Any:
    """`labels` with -1 for ids that are no class."""
    is_sparse = isinstance(labels, SparseTensor | SparseTensorValue)

    def cleaned(values: Any) -> Any:
        return array.where_v2(math.greater_equal(values, classes), -1 * array.ones_like(values), values)

    def all_cleaned() -> Any:
        if is_sparse:
            return type(labels)(labels.indices, cleaned(labels.values), labels.dense_shape)
        return cleaned(labels)

    largest = math.reduce_max(labels.values if is_sparse else labels)
    return cond(math.greater_equal(largest, classes), all_cleaned, lambda: labels)


@public("metrics.average_precision_at_k")
def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """The mean average precision of the `k` best predictions. `tf.metrics.recall_at_k` has the arguments.

    Raises:
        ValueError: if `k` is less than 1.
    """
    if k < 1:
        raise ValueError(f"Invalid k={k}.")
    with name_scope(name, _name("average_precision", k), (predictions, labels, weights)) as scope:
        _, ids = top_k(predictions, k)
        labels = _without_ids_outside(labels, math.cast(array.shape(predictions)[-1], dtypes.int64))
        return _streaming_average_precision(labels, ids, weights, metrics_collections, updates_collections, scope)


@public("metrics.sparse_average_precision_at_k")
def sparse_average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """An older name of `tf.metrics.average_precision_at_k`."""
    return average_precision_at_k(labels, predictions, k, weights, metrics_collections, updates_collections, name)
