"""Elements of a tensor put into rows by a number that each has."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import control_dependencies, name_scope
from evergraph.ops.cast import cast
from evergraph.ops.checks import assert_equal, assert_less
from evergraph.ops.gather import gather as dense_gather
from evergraph.ops.joining import stack
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged
from evergraph.ops.sorting import argsort


@public("ragged.stack_dynamic_partitions", "compat.v2.ragged.stack_dynamic_partitions")
def stack_dynamic_partitions(data: Any, partitions: Any, num_partitions: Any, name: str | None = None) -> RaggedTensor:
    """Row `i` of the result holds the elements of `data` whose entry in `partitions` is `i`, in their order.

    Args:
        data: a tensor or a ragged tensor.
        partitions: int32 or int64, of known rank; its shape is the beginning of that of `data`.
        num_partitions: int scalar: how many rows to make.
        name: the ops' scope.

    Raises:
        ValueError: if the rank of `partitions` is unknown, or its shape does not fit.
        InvalidArgumentError: at run time, if an entry is too large.

    >>> found = tf.ragged.stack_dynamic_partitions(["a", "b", "c"], [2, 0, 2], 3)
    >>> sess.run(found).to_list()
    [[b'b'], [], [b'a', b'c']]
    """
    with name_scope(name, "SegmentStack", [data, partitions, num_partitions]):
        data = as_tensor_or_ragged(data, name="data")
        kind = data.row_splits.dtype if isinstance(data, RaggedTensor) else None
        partitions = as_tensor_or_ragged(partitions, name="partitions", preferred_dtype=kind)
        num_partitions = convert_to_tensor(num_partitions, name="num_partitions", preferred_dtype=partitions.dtype)
        if kind is not None:
            partitions = cast(partitions, kind)
        num_partitions = cast(num_partitions, partitions.dtype)
        rank = partitions.shape.ndims
        if rank is None:
            raise ValueError("partitions must have known rank.")
        num_partitions.shape.assert_has_rank(0)
        partitions.shape.assert_is_compatible_with(data.shape[:rank])
        if rank == 0:
            return RaggedTensor.from_value_rowids(
                stack([data]), stack([partitions]), nrows=num_partitions, validate=False
            )
        if rank == 1:
            order = argsort(partitions, stable=True)
            rowids = dense_gather(partitions, order)
            values = dense_gather(data, order)
            message = "partitions must be less than num_partitions"
            with control_dependencies([assert_less(rowids[-1:], num_partitions, message=message)]):
                return RaggedTensor.from_value_rowids(values, rowids, nrows=num_partitions, validate=False)
        if not isinstance(data, RaggedTensor):
            data = RaggedTensor.from_tensor(data, row_splits_dtype=partitions.dtype, ragged_rank=1)
        if not isinstance(partitions, RaggedTensor):
            levels = max(data.ragged_rank, rank - 1)
            partitions = RaggedTensor.from_tensor(partitions, row_splits_dtype=partitions.dtype, ragged_rank=levels)
        message = "data and partitions have incompatible ragged shapes"
        with control_dependencies([assert_equal(data.row_splits, partitions.row_splits, message=message)]):
            return stack_dynamic_partitions(data.values, partitions.values, num_partitions)


__all__ = ["stack_dynamic_partitions"]
