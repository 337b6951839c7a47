"""The confusion matrix of a classifier."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import arithmetic, array, cast, checks, reductions
from evergraph.ops.grouping import with_dependencies
from evergraph.ops.loss_weights import remove_squeezable_dimensions
from evergraph.ops.sparse_dense import sparse_tensor_dense_add


@public("math.confusion_matrix", "confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """Count how often each class was taken for each: rows are labels, columns predictions.

    Args:
        labels: ints, one an example.
        predictions: ints, one an example.
        num_classes: how many classes there are; by default as many as the largest number seen asks for.
        dtype: the type of the counts.
        name: the scope of the ops.
        weights: what each example counts, if not 1.

    Raises:
        InvalidArgumentError: at run time, for numbers that are negative or not below `num_classes`.

    >>> sess.run(tf.confusion_matrix([0, 1, 1], [0, 1, 0]))
    array([[1, 0],
           [1, 1]], dtype=int32)
    """
    with name_scope(name, "confusion_matrix", (predictions, labels, num_classes, weights)):
        labels = convert_to_tensor(labels, name="labels")
        labels, predictions = remove_squeezable_dimensions(labels, convert_to_tensor(predictions, name="predictions"))
        predictions = cast.cast(predictions, dtypes.int64)
        labels = cast.cast(labels, dtypes.int64)
        labels = _after_check(checks.assert_non_negative(labels, message="`labels` contains negative values"), labels)
        predictions = _after_check(
            checks.assert_non_negative(predictions, message="`predictions` contains negative values"), predictions
        )
        if num_classes is None:
            largest_prediction = reductions.reduce_max(predictions)
            num_classes = arithmetic.maximum(largest_prediction, reductions.reduce_max(labels)) + 1
        else:
            limit = cast.cast(num_classes, dtypes.int64)
            labels = _after_check(checks.assert_less(labels, limit, message="`labels` out of bound"), labels)
            predictions = _after_check(
                checks.assert_less(predictions, limit, message="`predictions` out of bound"), predictions
            )
        if weights is not None:
            weights = convert_to_tensor(weights, name="weights")
            predictions.get_shape().assert_is_compatible_with(weights.get_shape())
            weights = cast.cast(weights, dtype)
        shape = array.stack([num_classes, num_classes])
        indices = array.stack([labels, predictions], axis=1)
        values = array.ones_like(predictions, dtype) if weights is None else weights
        counted = SparseTensor(indices=indices, values=values, dense_shape=cast.cast(shape, dtypes.int64))
        zeros = array.zeros(cast.cast(shape, dtypes.int32), dtype)
        return sparse_tensor_dense_add(counted.indices, counted.values, counted.dense_shape, zeros)


def _after_check(check: Any, tensor: Tensor) -> Tensor:
    return with_dependencies([check], tensor)
