"""Side effects on tensors of a finished graph: what reads a tensor afterwards waits for them.

    loss ──► train            loss ──► loss/subscription/Identity ──► train
                                            ▲ after
                              side effect ──┘

(`tensorflow.python.framework.subscribe` in TF 1.15.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, device, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.control_flow_context import inside
from evergraph.ops.identity import identity
from evergraph.ops.variables import Variable

SideEffect = Callable[[Tensor], list[Any]]


def subscribe(tensors: Any, side_effects: SideEffect | Iterable[SideEffect]) -> Any:
    """Let ops run whenever a tensor is computed.

    Args:
        tensors: a tensor or variable, or lists, tuples and dictionaries of them.
        side_effects: functions of a tensor that build ops and give a list of them.

    Returns:
        The same structure of tensors that come after the ops. What read the given tensors reads these now; a tensor
        that is subscribed to already keeps the one it has.

    Raises:
        TypeError: for anything else in the structure.
    """
    return _subscribe_all(tensors, [side_effects] if callable(side_effects) else list(side_effects), {})


def _subscribe_all(tensors: Any, effects: list[SideEffect], waiting: dict[Operation, list[Operation]]) -> Any:
    """`waiting`: what waited for an op before one of its outputs was subscribed to; it has to wait for each of them."""
    if isinstance(tensors, Variable):
        tensors = tensors.value()
    if type(tensors) is Tensor:
        with device(tensors.device), inside(tensors.op._get_control_flow_context()):
            return _subscribed(tensors, effects, waiting)
    if isinstance(tensors, list | tuple):
        found = [_subscribe_all(t, effects, waiting) for t in tensors]
        return type(tensors)(*found) if hasattr(tensors, "_fields") else type(tensors)(found)
    if type(tensors) is dict:
        return {key: _subscribe_all(t, effects, waiting) for key, t in tensors.items()}
    raise TypeError(f"subscribe argument {tensors!r} has invalid type {type(tensors)!r}")


def _subscribed(t: Tensor, effects: list[SideEffect], waiting: dict[Operation, list[Operation]]) -> Tensor:
    if not t.dtype.is_numpy_compatible:
        return t
    if is_subscription(t):
        return _extended(t, effects)
    for reader in t.consumers():
        if reader.outputs and is_subscription(reader.outputs[0]) and reader.inputs[0] is t:
            return _extended(reader.outputs[0], effects)
    readers = [(op, i) for op in dict.fromkeys(t.consumers()) for i, taken in enumerate(op.inputs) if taken is t]
    waiters = waiting.setdefault(t.op, list(t.op._control_outputs or ()))
    with name_scope(_scope(t)):
        made = [op for effect in effects for op in effect(t)]
        with control_dependencies(made):
            passed = identity(t)
    for op, index in readers:
        op._update_input(index, passed)
    for op in waiters:
        others = [c for c in op.control_inputs if c is not t.op]
        op._remove_all_control_inputs()
        op._add_control_inputs([*others, passed.op])
    return passed


def _extended(passed: Tensor, effects: list[SideEffect]) -> Tensor:
    source = passed.op.inputs[0]
    with name_scope(_scope(source)):
        made = [op for effect in effects for op in effect(source)]
    passed.op._add_control_inputs([op.op if isinstance(op, Tensor) else op for op in made])
    return passed


def _scope(t: Tensor) -> str:
    return f"{t.op.name}/subscription/"


def is_subscription(t: Tensor) -> bool:
    """Whether `t` is what `subscribe` gives."""
    return t.op.type == "Identity" and t.op.name.startswith(f"{_scope(t.op.inputs[0])}Identity")
