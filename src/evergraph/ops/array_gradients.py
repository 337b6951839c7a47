"""Gradients of array ops that take arithmetic: sums and ranges are built of array ops, so these come last."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.scopes import colocate_with
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import reductions, sequences
from evergraph.ops.cast import cast
from evergraph.ops.filling import fill_op, ones
from evergraph.ops.gather import flat_batch_indices, gather, gather_op, gather_v1_op
from evergraph.ops.joining import concat, stack, tile
from evergraph.ops.opdef import raw_op
from evergraph.ops.rearrange import transpose
from evergraph.ops.selecting import dynamic_partition, dynamic_stitch, parallel_dynamic_stitch
from evergraph.ops.shaping import expand_dims, reshape, reshape_gradient, shape, size
from evergraph.ops.static_values import get_static_value


@fill_op.gradient
def fill_grad(made: Any, grad: Tensor) -> list[Any]:
    return [None, reductions.reduce_sum(grad)]


@tile.gradient
def tile_grad(made: Any, grad: Any) -> list[Any]:
    """Each dimension seen as (how often, how long); the gradient is the sum over the first of each pair."""
    x, multiples = made.inputs
    sizes: Any = shape(x, out_type=multiples.dtype)
    pairs = reshape(transpose(stack([multiples, sizes])), [-1])
    axes = sequences.range_(0, size(pairs), 2)
    if isinstance(grad, IndexedSlices):
        rows = cast(sizes[0], grad.indices.dtype)
        grad = raw_op("UnsortedSegmentSum")(grad.values, raw_op("FloorMod")(grad.indices, rows), rows)
        pairs = concat([[1], pairs[1:]], axis=0)
    summed = reductions.reduce_sum(reshape(grad, pairs), axes)
    summed.set_shape(x.static_shape)
    return [summed, None]


def _shape_beside(params: Tensor) -> Tensor:
    """The shape of `params`, computed where it is: a large table stays there."""
    with colocate_with(params):
        return cast(shape(params, out_type=dtypes.int64), dtypes.int32)


@gather_v1_op.gradient
def gather_v1_grad(made: Any, grad: Any) -> list[Any]:
    params, indices = made.inputs
    params_shape: Any = _shape_beside(params)
    count = expand_dims(size(indices), 0)
    values = reshape_gradient(grad, concat([count, params_shape[1:]], 0))
    return [IndexedSlices(values, reshape(indices, count), params_shape), None]


@gather_op.gradient
def gather_grad(made: Any, grad: Any) -> list[Any]:
    params, indices, axis = made.inputs
    batch_dims = made.attrs["batch_dims"]
    params_shape: Any = _shape_beside(params)
    count = expand_dims(size(indices), 0)
    static_axis = get_static_value(axis)
    if batch_dims < 0:
        batch_dims += indices._rank
    if static_axis is not None and static_axis == 0:
        values = reshape_gradient(grad, concat([count, params_shape[1:]], 0))
        return [IndexedSlices(values, reshape(indices, count), params_shape), None, None]
    outer = params_shape[:axis]
    inner = params_shape[axis:][1:]
    values_shape = concat([outer, [-1], inner], 0)
    values_rank, axis_number = size(values_shape), size(outer)
    batch_axes = sequences.range_(batch_dims)
    outer_axes = sequences.range_(batch_dims, axis_number)
    inner_axes = sequences.range_(axis_number + 1, values_rank)
    values = reshape_gradient(grad, values_shape)
    # The gathered axis comes right after the batch; then its rows are summed by number, and it goes back.
    values = transpose(values, concat([batch_axes, [axis_number], outer_axes, inner_axes], 0))
    summed = _summed_by_number(params_shape, values, indices, batch_dims, params_shape[axis])
    back = concat([batch_axes, outer_axes + 1, [batch_dims], inner_axes], 0)
    return [transpose(summed, back), None, None]


def _summed_by_number(params_shape: Tensor, values: Tensor, indices: Tensor, batch_dims: int, rows: Any) -> Tensor:
    count = expand_dims(size(indices), 0)
    outer = flat_shape = None
    if batch_dims:
        values_shape: Any = shape(values)
        outer = values_shape[:batch_dims]
        inner = values_shape[batch_dims:][1:]
        batch = raw_op("Prod")(outer, [0], False)
        flat_shape = concat([[-1], inner], 0)
        rows = rows * batch
        sizes = cast(params_shape, indices.dtype)
        once = ones((), indices.dtype)
        indices = flat_batch_indices(sizes, indices, batch_dims, sequences.range_, once)
        values = reshape(values, flat_shape)
    indices = reshape(indices, count)
    summed = raw_op("UnsortedSegmentSum")(values, indices, rows)
    return reshape(summed, concat([outer, flat_shape], 0)) if batch_dims else summed


@dynamic_partition.gradient
def dynamic_partition_grad(made: Any, *grads: Any) -> list[Any]:
    data, partitions = made.inputs
    prefix = shape(partitions)
    numbers = reshape(sequences.range_(reductions.reduce_prod(prefix)), prefix)
    parts = dynamic_partition(numbers, partitions, made.attrs["num_partitions"])
    return [reshape(dynamic_stitch(parts, list(grads)), shape(data)), None]


def _stitch_grad(made: Any, grad: Any) -> list[Any]:
    n = len(made.inputs) // 2
    indices = [t if t.dtype is dtypes.int32 else cast(t, dtypes.int32) for t in made.inputs[:n]]
    if isinstance(grad, IndexedSlices):
        rows = shape(made.outputs[0])[0]
        grad = raw_op("UnsortedSegmentSum")(grad.values, grad.indices, rows)
    return [None] * n + [gather(grad, i) for i in indices]


dynamic_stitch.gradient(_stitch_grad)
parallel_dynamic_stitch.gradient(_stitch_grad)
