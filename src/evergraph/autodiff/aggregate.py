"""Several gradients of one tensor become one, in the way `AggregationMethod` names."""

from __future__ import annotations

from typing import Any

from evergraph.framework import shapes
from evergraph.framework.api import public
from evergraph.framework.graph import Graph
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops import indexed_slices
from evergraph.ops.opdef import raw_op

_add_n = raw_op("AddN")


@public("AggregationMethod")
class AggregationMethod:
    """How `gradients` sums the gradients that reach one tensor on several paths.

    `ADD_N`, the default, is one AddN op. `EXPERIMENTAL_TREE` adds them one after the other, so that each can be
    released early. `EXPERIMENTAL_ACCUMULATE_N` is one AccumulateNV2 op where the shape is known, else the tree.
    """

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


def checked_method(method: Any) -> int:
    if method is None:
        return AggregationMethod.DEFAULT
    if method not in (0, 1, 2):
        raise ValueError(f"Invalid aggregation_method specified {method}.")
    return method


def aggregated(grads: list[Any], op: Operation, graph: Graph, method: int) -> Any:
    """The sum of `grads`, two or more of them, the gradients of one output of `op`."""
    for g in grads:
        if type(g) is not Tensor:
            break
    else:
        if method == AggregationMethod.ADD_N:
            return _added_by_device(grads, graph)
        if method == AggregationMethod.EXPERIMENTAL_ACCUMULATE_N and len(grads) > 2:
            shape = _merged_shape(grads)
            if shapes.is_static(shape):
                return raw_op("AccumulateNV2")(grads, shape)
        with graph.name_scope(op.name + "_gradient_sum"):
            total = grads[0]
            for g in grads[1:]:
                total = _add_n([total, g])
            return total
    if not all(isinstance(g, Tensor | IndexedSlices) for g in grads):
        raise TypeError("gradients have to be either all Tensors or all IndexedSlices")
    if any(isinstance(g, Tensor) for g in grads):
        return _add_n(grads)
    return indexed_slices.concatenated(grads)


def _added_by_device(grads: list[Tensor], graph: Graph) -> Tensor:
    """Add up on each device what is there, then add up the sums."""
    by_device: dict[str, list[Tensor]] = {}
    for g in grads:
        by_device.setdefault(g.op._device, []).append(g)
    sums = []
    for device in sorted(by_device):
        there = by_device[device]
        if len(there) == 1:
            sums += there
            continue
        with graph.colocate_with(there[0].op, ignore_existing=True):
            sums.append(_add_n(there))
    return sums[0] if len(sums) == 1 else _add_n(sums)


def _merged_shape(grads: list[Tensor]) -> shapes.Shape:
    shape = None
    for g in grads:
        shape = shapes.merge(shape, g.static_shape)
    return shape
