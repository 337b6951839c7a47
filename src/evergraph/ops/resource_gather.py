"""Reading some rows or elements of a resource variable without reading the rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.gather import scatter_nd
from evergraph.ops.joining import concat
from evergraph.ops.opdef import op
from evergraph.ops.scatter import nd_index, require_rows
from evergraph.ops.shaping import expand_dims, reshape, size, squeeze
from evergraph.ops.slicing import sliced
from evergraph.ops.state import handle_shape, variable_shape_op


@op("ResourceGather")
def resource_gather_op(xp: Any, resource: Any, indices: Any, *, batch_dims: int) -> Any:
    """The rows of a variable that `indices` names."""
    require_rows(xp, indices, resource.shape[batch_dims])
    if not batch_dims:
        return xp.take(resource, indices, axis=0, mode="clip")
    batch = np.ix_(*(np.arange(n) for n in resource.shape[:batch_dims]))
    extra = (1,) * (indices.ndim - batch_dims)
    return resource[(*(b.reshape(b.shape + extra) for b in batch), indices)]


@resource_gather_op.shape_from_op
def resource_gather_shape(made: Operation) -> Shape:
    variable, indices = handle_shape(made.inputs[0]), made.inputs[1].static_shape
    if variable is None or indices is None:
        return None
    batch_dims = made.attrs["batch_dims"]
    if len(variable) < batch_dims + 1:
        raise ShapeError(f"Shape must be at least rank {batch_dims + 1} but is rank {len(variable)}")
    return variable[:batch_dims] + indices[batch_dims:] + variable[batch_dims + 1 :]


@resource_gather_op.gradient
def resource_gather_grad(made: Operation, grad: Tensor) -> tuple[IndexedSlices, None]:
    handle, indices = made.inputs
    shape = variable_shape(handle)
    count = expand_dims(size(indices), 0)
    values_shape = concat([count, sliced(shape, slice(1, None))], 0)
    return IndexedSlices(reshape(grad, values_shape), reshape(indices, count), shape), None


def variable_shape(handle: Tensor, out_type: DType = dtypes.int32) -> Tensor:
    """The shape of the variable behind `handle`: a constant if it is known. Handles in loops and branches say less."""
    source = handle
    while source.op.type in ("Identity", "IdentityN"):
        source = source.op.inputs[source.value_index]
    sizes = handle_shape(source) if source.op.type == "VarHandleOp" else None
    if sizes is not None and shapes.is_static(sizes):
        return constant(list(sizes), dtype=out_type)
    return variable_shape_op(handle, out_type=out_type)


@op("ResourceGatherNd")
def resource_gather_nd_op(xp: Any, resource: Any, indices: Any) -> Any:
    """The elements or slices of a variable that the last axis of `indices` names."""
    return resource[nd_index(xp, indices, resource.shape)]


@resource_gather_nd_op.shape_from_op
def resource_gather_nd_shape(made: Operation) -> Shape:
    variable, indices = handle_shape(made.inputs[0]), made.inputs[1].static_shape
    if variable is None or not indices or indices[-1] is None:
        return None
    if indices[-1] > len(variable):
        raise ShapeError(f"indices of {indices[-1]} numbers each do not fit a variable of rank {len(variable)}")
    return indices[:-1] + variable[indices[-1] :]


@resource_gather_nd_op.gradient
def resource_gather_nd_grad(made: Operation, grad: Tensor) -> tuple[Any, None]:
    handle, indices = made.inputs
    shape = variable_shape_op(handle, out_type=indices.dtype)
    if indices.static_shape is not None and len(indices.static_shape) == 2 and indices.static_shape[1] == 1:
        return IndexedSlices(grad, squeeze(indices, axis=-1), shape), None
    return scatter_nd(indices, grad, shape), None
