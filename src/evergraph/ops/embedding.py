"""Embedding look-ups: rows of a table, or of a table that is cut into parts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from evergraph.framework import dtypes, sparse
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import merge
from evergraph.framework.tensor import Tensor
from evergraph.ops import math
from evergraph.ops.clip import clip_by_norm
from evergraph.ops.constant import constant
from evergraph.ops.filling import fill
from evergraph.ops.gather import gather
from evergraph.ops.identity import identity
from evergraph.ops.joining import concat, stack
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.resource_variable import ResourceVariable
from evergraph.ops.selecting import unique
from evergraph.ops.shaping import expand_dims, rank, reshape, shape, size

_log = logging.getLogger("tensorflow")


def _tables(params: Any) -> list[Any]:
    if params is None:
        raise ValueError("params must be specified")
    if isinstance(params, list | tuple) and not params:
        raise ValueError("Need at least one param")
    if isinstance(params, PartitionedVariable):
        params = list(params)
    return params if isinstance(params, list) else [params]


def _clipped(rows: Any, ids: Tensor, max_norm: Any) -> Any:
    """`rows` scaled down to no more than `max_norm` each, in l2 norm."""
    if max_norm is None:
        return rows
    ids_rank, rows_rank = ids._rank, convert_to_tensor(rows)._rank
    # A rank of 0 counts as unknown.
    axes: Any
    if ids_rank and rows_rank:
        axes = list(range(ids_rank, rows_rank))
    else:
        start = ids_rank or rank(ids)
        axes = math.range(start, rows_rank or rank(rows))
    return clip_by_norm(rows, max_norm, axes=axes)


@public("nn.embedding_lookup")
def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """Rows of an embedding table.

    Args:
        params: the table, of shape `[rows, ...]`; or a list of tables, or a partitioned variable, that hold the rows
            between them.
        ids: int32 or int64, any shape.
        partition_strategy: where row `i` is among `n` parts. "mod": in part `i % n`; "div": in consecutive runs.
        name: the name scope.
        validate_indices: has no effect: ids are always checked.
        max_norm: scale rows down to this l2 norm.

    Returns:
        Shape `ids.shape + params.shape[1:]`.

    Raises:
        ValueError: without params, or for another strategy.
        InvalidArgumentError: at run time, for an id out of range.
    """
    return lookup_and_transform(params, ids, partition_strategy, name, max_norm)


def lookup_and_transform(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    max_norm: Any = None,
    transform_fn: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """`embedding_lookup`, with a function that goes over the rows found, those of each table where the table is."""
    params = _tables(params)
    with name_scope(name, "embedding_lookup", [*params, ids]) as scope:
        if not any(isinstance(p, ResourceVariable) for p in params):
            params = [sparse.convert_to_tensor_or_indexed_slices(p, name=f"params_{i}") for i, p in enumerate(params)]
        ids = convert_to_tensor(ids, name="ids")
        if len(params) == 1 and (transform_fn is None or ids._rank == 1):
            with get_default_graph().colocate_with(_op_of(params[0])):
                result = _clipped(gather(params[0], ids, name=scope), ids, max_norm)
                if transform_fn is not None:
                    result = transform_fn(result)
            return identity(result)
        return _from_parts(params, ids, partition_strategy, max_norm, scope, transform_fn)


def _op_of(param: Any) -> Any:
    return param.op if isinstance(param, Tensor) else param


def _static_rows(param: Any) -> Any:
    return param.shape.as_list()[0] if param.shape.rank else None


def _from_parts(
    params: list[Any], ids: Tensor, strategy: str, max_norm: Any, name: str, transform_fn: Any = None
) -> Tensor:
    n = len(params)
    graph = get_default_graph()
    flat = reshape(ids, [-1])
    places = math.range(size(flat))
    part, row = _place(params, flat, strategy, n)
    part = math.cast(part, dtypes.int32)
    rows_by_part = raw_op("DynamicPartition")(row, part, n)
    places_by_part = raw_op("DynamicPartition")(places, part, n)
    found = []
    for param, rows in zip(params, rows_by_part, strict=True):
        with graph.colocate_with(_op_of(param)):
            own_rows = gather(param, rows)
            found.append(own_rows if transform_fn is None else transform_fn(_clipped(own_rows, rows, max_norm)))
    result = raw_op("ParallelDynamicStitch")(places_by_part, found, name)
    element: Any = None
    for table in params if transform_fn is None else [result]:
        own = table.shape.as_list()[1:] if table.shape.rank is not None else None
        element = merge(element, None if own is None else tuple(own))
    if element is not None and None not in element:
        runtime_element: Any = list(element)
    elif transform_fn is not None:
        runtime_element = shape(result)[1:]
    else:
        with graph.colocate_with(_op_of(params[0])):
            first = shape(params[0])
        runtime_element = first[1:]
    result = reshape(result, concat([shape(ids), runtime_element], 0))
    if ids.static_shape is not None and element is not None:
        result.set_shape((*ids.static_shape, *element))
    return _clipped(result, ids, max_norm) if transform_fn is None else result


def _place(params: list[Any], ids: Tensor, strategy: str, n: int) -> tuple[Tensor, Tensor]:
    """Which part each id is in, and in which row of that."""
    if strategy == "mod":
        part = ids % n
        return part, ids // n
    if strategy != "div":
        raise ValueError(f"Unrecognized partition strategy: {strategy}")
    sizes = [_static_rows(p) for p in params]
    if None not in sizes:
        total: Any = constant(sum(sizes), ids.dtype)
    else:
        runtime = []
        for param, rows in zip(params, sizes, strict=True):
            if rows is not None:
                runtime.append(rows)
            else:
                with get_default_graph().colocate_with(_op_of(param)):
                    runtime.append(shape(param)[0])
        total = math.reduce_sum(math.cast(stack(runtime), ids.dtype))
    each = total // n
    extras = total % n
    part = math.maximum(ids // (each + 1), (ids - extras) // each)
    is_larger = part < extras
    row = raw_op("Select")(is_larger, ids % (each + 1), (ids - extras) % each)
    return part, row


@public("nn.embedding_lookup_sparse")
def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """One combined embedding per row of a sparse matrix of ids.

    Args:
        params: as of `embedding_lookup`.
        sp_ids: a `SparseTensor` of int64 ids, `[rows, most ids a row]`.
        sp_weights: a `SparseTensor` of the weight of each id; None for weights of 1.
        partition_strategy: as of `embedding_lookup`.
        name: the name scope.
        combiner: "sum"; "mean", divided by the sum of weights; or "sqrtn", by the root of the sum of their squares.
        max_norm: as of `embedding_lookup`.

    Raises:
        TypeError: if `sp_ids` or `sp_weights` is not sparse.
        ValueError: for another combiner.
    """
    if combiner is None:
        _log.warning('embedding_lookup_sparse: give combiner="mean"; another default was announced')
        combiner = "mean"
    if combiner not in ("mean", "sqrtn", "sum"):
        raise ValueError("combiner must be one of 'mean', 'sqrtn' or 'sum'")
    params = _tables(params)
    if not isinstance(sp_ids, sparse.SparseTensor):
        raise TypeError("sp_ids must be SparseTensor")
    if sp_weights is not None:
        if not isinstance(sp_weights, sparse.SparseTensor):
            raise TypeError("sp_weights must be either None or SparseTensor")
        sp_ids.values.shape.assert_is_compatible_with(sp_weights.values.shape)
        sp_ids.indices.shape.assert_is_compatible_with(sp_weights.indices.shape)
        sp_ids.dense_shape.shape.assert_is_compatible_with(sp_weights.dense_shape.shape)
    with name_scope(name, "embedding_lookup_sparse", [*params, sp_ids]) as scope:
        rows = sp_ids.indices[:, 0]
        if rows.dtype is not dtypes.int32:
            rows = math.cast(rows, dtypes.int32)
        ids, which = unique(sp_ids.values)
        found = embedding_lookup(params, ids, partition_strategy, max_norm=max_norm)
        if found.dtype in (dtypes.float16, dtypes.bfloat16):
            found = math.cast(found, dtypes.float32)
        if sp_weights is None:
            kind = {"sum": "SparseSegmentSum", "mean": "SparseSegmentMean", "sqrtn": "SparseSegmentSqrtN"}[combiner]
            return raw_op(kind)(found, which, rows, name=scope)
        return _weighted(found, which, rows, sp_weights.values, combiner, scope)


def _weighted(found: Tensor, which: Tensor, rows: Tensor, weights: Tensor, combiner: str, name: str) -> Tensor:
    segment_sum = raw_op("SegmentSum")
    if weights.dtype is not found.dtype:
        weights = math.cast(weights, found.dtype)
    found = gather(found, which)
    ones = fill(expand_dims(rank(found) - 1, 0), 1)
    sizes = weights.static_shape
    weights = reshape(weights, concat([shape(weights), ones], 0))
    if found._rank is not None and sizes is not None:
        weights.set_shape((*sizes, *[1] * (found._rank - 1)))
    found *= weights
    if combiner == "sum":
        return segment_sum(found, rows, name=name)
    total = segment_sum(found, rows)
    if combiner == "mean":
        return math.div(total, segment_sum(weights, rows), name=name)
    squares = segment_sum(math.pow(weights, 2), rows)
    return math.div(total, math.sqrt(squares), name=name)
