"""Ids and values that stand in two sparse tensors as one: merge, and the indicator of which ids are there."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor, is_sparse
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast
from evergraph.ops.sparse.conversion import as_sparse
from evergraph.ops.sparse.dense import sparse_tensor_to_dense
from evergraph.ops.sparse.shaping import sparse_reorder


@public("sparse.merge", "sparse_merge")
def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """Make one sparse tensor of ids and their values: the ids become the last dimensions.

    Args:
        sp_ids: a `SparseTensor` of int32 or int64, shape `[d0, ..., dn, k]`; or a list of them.
        sp_values: a `SparseTensor` of any type, with the same indices.
        vocab_size: how many ids there are: an int or a scalar tensor, or one for each of `sp_ids`.
        name: the scope of the ops.
        already_sorted: leave the elements in the order that they are in.

    Returns:
        A `SparseTensor` of shape `[d0, ..., dn] + vocab_size`.

    Raises:
        TypeError: for arguments of other kinds.
        ValueError: if there are not as many of `sp_ids` as of `vocab_size`.
    """
    if is_sparse(sp_ids):
        sp_ids = [sp_ids]
        if not isinstance(vocab_size, Tensor | Integral):
            raise TypeError(f"vocab_size has to be a Tensor or Python int. Found {type(vocab_size)}")
        vocab_size = [vocab_size]
    else:
        if not isinstance(sp_ids, Iterable):
            raise TypeError(f"sp_ids has to be a SparseTensor or list thereof. Found {type(sp_ids)}")
        if not isinstance(vocab_size, Iterable) or isinstance(vocab_size, Tensor):
            raise TypeError(f"vocab_size has to be a list of Tensors or Python ints. Found {type(vocab_size)}")
        for size in vocab_size:
            if not isinstance(size, Tensor | Integral):
                raise TypeError(f"vocab_size has to be a list of Tensors or Python ints. Found {type(size)}")
    if len(sp_ids) != len(vocab_size):
        raise ValueError("sp_ids and vocab_size have to have equal lengths.")
    with name_scope(name, "SparseMerge", [sp_ids, sp_values]):
        sp_ids = [as_sparse(ids) for ids in sp_ids]
        sp_values = as_sparse(sp_values)
        columns = []
        for ids in sp_ids:
            column = ids.values if ids.dtype is dtypes.int64 else cast.cast(ids.values, dtypes.int64)
            columns.append(array.expand_dims(column, axis=1))
        sizes = [cast.cast(size, dtypes.int64) for size in vocab_size]
        indices = array.concat([sp_ids[0].indices[:, :-1], *columns], 1)
        shape = array.concat([sp_ids[0].dense_shape[:-1], sizes], 0)
        result = SparseTensor(indices, sp_values.values, shape)
        if already_sorted:
            return result
        ordered = sparse_reorder(result)
        return SparseTensor(ordered.indices, ordered.values, shape)


@public("sparse.to_indicator", "sparse_to_indicator")
def sparse_to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Tensor:
    """Say which ids a sparse tensor holds along its last dimension.

    Args:
        sp_input: a `SparseTensor` of int32 or int64 ids, shape `[d0, ..., dn, k]`, in row-major order.
        vocab_size: how many ids there are: an int, or a scalar int64 tensor.
        name: the scope of the ops.

    Returns:
        bool, shape `[d0, ..., dn, vocab_size]`.

    Raises:
        TypeError: if `sp_input` is not sparse.
    """
    sp_input = as_sparse(sp_input)
    with name_scope(name, "SparseToIndicator", [sp_input]) as scope:
        count = array.shape(sp_input.indices)[0]
        everywhere = array.fill(array.expand_dims(count, 0), True)
        present = SparseTensor(sp_input.indices, everywhere, sp_input.dense_shape)
        merged = sparse_merge(sp_input, present, vocab_size, scope)
        # An id may be there more than once.
        return sparse_tensor_to_dense(merged, default_value=False, validate_indices=False, name=scope)
