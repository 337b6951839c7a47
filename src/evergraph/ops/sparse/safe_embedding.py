"""Embeddings of ids that may be invalid, in rows that may be empty."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops import array, cast, comparisons, reductions
from evergraph.ops.embedding import embedding_lookup_sparse
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.resource_variable import ResourceVariable
from evergraph.ops.sparse.empty_rows import sparse_fill_empty_rows
from evergraph.ops.sparse.picking import sparse_retain
from evergraph.ops.sparse.shaping import sparse_reshape


@public("nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str = "mean",
    default_id: Any = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Tensor:
    """Combine the embeddings along the last dimension of a sparse tensor of ids.

    Ids below 0 are left out; so are, unless the combiner is "sum", those with weights that are not positive. A row
    without ids gets the embedding of `default_id`, or zeros.

    Args:
        embedding_weights: a table `[rows, ...]`, a list of them, or a partitioned variable.
        sparse_ids: a `SparseTensor` of int64, `[d0, ..., dn]`.
        sparse_weights: the weight of each id; None for weights of 1.
        combiner: "mean", "sqrtn" or "sum".
        default_id: the id for a row without any.
        name: the scope of the ops.
        partition_strategy: "div" or "mod": where a row is among the tables.
        max_norm: scale embeddings down to this l2 norm.

    Returns:
        `[d0, ..., dn-1]` followed by the shape of an embedding.

    Raises:
        ValueError: without tables.
    """
    if embedding_weights is None:
        raise ValueError(f"Missing embedding_weights {embedding_weights}.")
    if isinstance(embedding_weights, PartitionedVariable):
        embedding_weights = list(embedding_weights)
    if not isinstance(embedding_weights, list):
        embedding_weights = [embedding_weights]
    if not embedding_weights:
        raise ValueError(f"Missing embedding_weights {embedding_weights}.")
    kind = None if sparse_weights is None else sparse_weights.dtype
    tables = [
        w if isinstance(w, ResourceVariable) and kind in (None, w.dtype) else convert_to_tensor(w, dtype=kind)
        for w in embedding_weights
    ]
    with name_scope(name, "embedding_lookup", [*tables, sparse_ids, sparse_weights]) as scope:
        shape = sparse_ids.dense_shape
        static_rank = shapes.dimension_value(shape.shape[0])
        rank = array.size(shape) if static_rank is None else static_rank
        rows = reductions.reduce_prod(array.slice(shape, [0], [rank - 1]))
        ids = sparse_reshape(sparse_ids, [rows, array.gather(shape, rank - 1)])
        weights = sparse_weights
        if weights is not None:
            weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
        ids, weights = _valid(ids, weights)
        if combiner != "sum" and weights is not None:
            is_positive = comparisons.greater(weights.values, 0)
            ids, weights = sparse_retain(ids, is_positive), sparse_retain(weights, is_positive)
        ids, is_empty = sparse_fill_empty_rows(ids, default_id or 0)
        if weights is not None:
            weights, _ = sparse_fill_empty_rows(weights, 1.0)
        result = embedding_lookup_sparse(
            tables,
            ids,
            weights,
            combiner=combiner,
            partition_strategy=partition_strategy,
            name=None if default_id is None else scope,
            max_norm=max_norm,
        )
        if default_id is None:
            column = array.reshape(is_empty, [-1, 1])
            everywhere = array.tile(column, array.stack([1, array.shape(result)[1]]))
            result = array.where(everywhere, array.zeros_like(result), result, name=scope)
        outer = array.slice(cast.cast(shape, dtypes.int32), [0], [rank - 1])
        inner = array.slice(array.shape(result), [1], [-1])
        found = array.reshape(result, array.concat([outer, inner], 0))
        known = shapes.unknown_shape(None if static_rank is None else static_rank - 1)
        found.set_shape(known.concatenate(result.shape[1:]))
        return found


def _valid(ids: SparseTensor, weights: SparseTensor | None) -> tuple[SparseTensor, SparseTensor | None]:
    """The ids that are not negative, and their weights."""
    is_valid = comparisons.greater_equal(ids.values, 0)
    if weights is not None:
        is_valid = comparisons.logical_and(is_valid, array.ones_like(weights.values, dtype=dtypes.bool))
    kept = sparse_retain(ids, is_valid)
    return kept, None if weights is None else sparse_retain(weights, is_valid)
