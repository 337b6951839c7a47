"""Functions of tensors, applied to the flat values of ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.scopes import control_dependencies
from evergraph.ops.ragged.splits import splits_match
from evergraph.ops.ragged.tensor import RaggedTensor, as_tensor_or_ragged, is_ragged


@public("ragged.map_flat_values", "compat.v2.ragged.map_flat_values")
def map_flat_values(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Apply `op` with every ragged tensor among its arguments replaced by its flat values.

    Args:
        op: gives a tensor whose first dimension is that of the flat values.
        *args, **kwargs: its arguments: ragged tensors, also in lists, tuples and dicts, and others.

    Returns:
        A `RaggedTensor` with the rows of the arguments; what `op` gives, if none of them is ragged.

    Raises:
        ValueError: if the ragged tensors have different numbers of partitions.
        InvalidArgumentError: at run time, if their rows differ.

    >>> rt = tf.ragged.constant([[1, 2], [3]])
    >>> sess.run(tf.ragged.map_flat_values(tf.add, rt, 10)).to_list()
    [[11, 12], [13]]
    """
    nested: list[Any] = []

    def flat(value: Any) -> Any:
        if is_ragged(value):
            value = as_tensor_or_ragged(value)
            nested.append(value.nested_row_splits)
            return value.flat_values
        if isinstance(value, list):
            return [flat(v) for v in value]
        if isinstance(value, tuple):
            return tuple(flat(v) for v in value)
        if isinstance(value, dict):
            return {k: flat(v) for k, v in value.items()}
        return value

    inner_args, inner_kwargs = flat(args), flat(kwargs)
    if not nested:
        return op(*args, **kwargs)
    if len({splits[0].dtype for splits in nested}) > 1:
        raise ValueError(
            "Input RaggedTensors have mismatched row_splits dtypes; use RaggedTensor.with_row_splits_dtype() to "
            "convert them to compatible dtypes."
        )
    with control_dependencies(splits_match(nested)):
        return RaggedTensor.from_nested_row_splits(op(*inner_args, **inner_kwargs), nested[0], validate=False)


__all__ = ["map_flat_values"]
