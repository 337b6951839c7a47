"""Stacks: where the forward part of a loop leaves values for the backward part, last in, first out."""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.ops.array_state import StackState
from evergraph.ops.opdef import op
from evergraph.ops.traced_lists import TracedStack


@op("StackV2", differentiable=False, static=("max_size",))
def stack_v2(xp: Any, max_size: Any, *, elem_type: Any, stack_name: bytes) -> Any:
    """A new empty stack; a negative `max_size` sets no limit."""
    if xp is not np:
        return TracedStack(stack_name.decode() or "stack", elem_type, int(max_size))
    return StackState(stack_name.decode() or "stack", elem_type, int(max_size))


@stack_v2.shape
def stack_shape(max_size: Any) -> Any:
    return (2,)


@op("StackPushV2", differentiable=False)
def stack_push(xp: Any, handle: Any, elem: Any, *, swap_memory: bool) -> Any:
    """Put `elem` on top; gives it on."""
    handle.push(xp, elem)
    return elem


@stack_push.shape
def stack_push_shape(handle: Any, elem: Any) -> Any:
    return elem


@op("StackPopV2", differentiable=False)
def stack_pop(xp: Any, handle: Any, *, elem_type: Any) -> Any:
    """Take the element on top."""
    return handle.pop(xp)


@stack_pop.shape
def stack_pop_shape(handle: Any) -> Any:
    return None


@op("StackCloseV2", differentiable=False)
def stack_close(xp: Any, handle: Any) -> Any:
    """Let go of all elements."""
    handle.close()
    return ()
