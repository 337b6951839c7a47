"""Stacks behind references to strings, as graphs before resources held them."""

from __future__ import annotations

from typing import Any

from evergraph.ops.array_state import StackState
from evergraph.ops.opdef import op


@op("Stack", host=True, differentiable=False, shape=lambda: (2,))
def stack(xp: Any, *, elem_type: Any, stack_name: bytes) -> Any:
    """A new empty stack."""
    return StackState(stack_name.decode() or "stack", elem_type, -1)


@op("StackPush", host=True, differentiable=False, shape=lambda handle, elem: elem)
def stack_push(xp: Any, handle: Any, elem: Any, *, swap_memory: bool) -> Any:
    """Put `elem` on top; gives it on."""
    handle.push(xp, elem)
    return elem


@op("StackPop", host=True, differentiable=False, shape=lambda handle: None)
def stack_pop(xp: Any, handle: Any, *, elem_type: Any) -> Any:
    """Take the element on top."""
    return handle.pop(xp)


@op("StackClose", host=True, differentiable=False)
def stack_close(xp: Any, handle: Any) -> Any:
    """Let go of a stack."""
    handle.close()
    return ()


stack_close.shape(lambda handle: [])
