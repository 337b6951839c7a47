"""`gate_gradients`: the gradients that one op gives are passed on together, when all of them are there.

g1 ──► control_dependency ──►       The NoOp `group_deps` waits for g1 and g2; an Identity of each gradient
g2 ──► control_dependency_1 ──►     waits for the NoOp. The scope of the three is called `tuple`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework.graph import Graph
from evergraph.framework.graph_scopes import ControlDependencies
from evergraph.framework.operation import Operation
from evergraph.framework.sparse import IndexedSlices
from evergraph.framework.tensor import Tensor
from evergraph.ops.opdef import raw_op

_NO_OP = raw_op("NoOp").opdef
_IDENTITY = raw_op("Identity").opdef


def gated(grads: Sequence[Any], graph: Graph) -> Sequence[Any]:
    """`grads`, each of them waiting for all; as they are when fewer than two are given. The graph has to be locked."""
    given = [g for g in grads if g is not None]
    if len(given) < 2:
        return grads
    # Outside all devices and colocations. The scopes are entered by hand, as training does this for most ops.
    scope, devices, colocation = graph._name_stack, graph._device_stack, graph._colocation_stack
    waiting_for = graph._control_stack
    graph._name_stack = graph.unique_name("tuple")
    graph._device_stack, graph._colocation_stack = [], []
    try:
        gate = _all_done(sorted({g.op for g in given}, key=_creation), graph)
        graph._control_stack = [*waiting_for, ControlDependencies(graph, [gate])]
        return [None if g is None else _waiting(g, graph) for g in grads]
    finally:
        graph._name_stack, graph._device_stack, graph._colocation_stack = scope, devices, colocation
        graph._control_stack = waiting_for


def _creation(op: Operation) -> int:
    return op._id


def _all_done(ops: list[Operation], graph: Graph) -> Operation:
    """A NoOp that waits for `ops`: through one NoOp on each device, if they are on several."""
    name = graph.unique_name("group_deps")
    by_device: dict[str, list[Operation]] = {}
    for op in ops:
        by_device.setdefault(op._device, []).append(op)
    if len(by_device) == 1:
        gate = _no_op(ops, name + "/", graph)
        gate._device = ops[0]._device
        return gate
    outer, graph._name_stack = graph._name_stack, name
    here = []
    for device in sorted(by_device):
        here.append(_no_op(by_device[device], "NoOp", graph))
        here[-1]._device = device
    graph._name_stack = outer
    return _no_op(here, name + "/", graph)


def _no_op(ops: list[Operation], name: str, graph: Graph) -> Operation:
    outer = graph._control_stack
    graph._control_stack = [*outer, ControlDependencies(graph, ops)]
    try:
        return graph.add_op(_NO_OP, (), {}, name)
    finally:
        graph._control_stack = outer


def _waiting(grad: Tensor | IndexedSlices, graph: Graph) -> Any:
    """`grad` again, once the gate is open; on the device of the op that makes it."""
    values = grad.values if isinstance(grad, IndexedSlices) else grad
    made = values.op
    attrs = {"T": values.dtype._base, "_class": sorted(set(made.colocation_groups()))}
    new = graph.add_op(_IDENTITY, (values,), attrs, graph.unique_name("control_dependency") + "/")
    new._device = made._device
    given = new.outputs[0]
    return IndexedSlices(given, grad.indices, grad.dense_shape) if isinstance(grad, IndexedSlices) else given
