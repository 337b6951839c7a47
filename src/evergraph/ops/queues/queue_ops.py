"""The ops on queues, in both spellings: with a handle of type `resource`, and as a reference to strings.

A dequeue waits for elements and an enqueue for room, each outside the session's lock. What is wrong with the elements
is said before anything waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.element_queue import (
    ElementQueue,
    FifoQueue,
    PaddingFifoQueue,
    PriorityQueue,
    RandomShuffleQueue,
)
from evergraph.ops.running import Running


def handle_shape(made: Operation) -> Shape:
    """A handle is a scalar; a reference to strings is two of them."""
    return (2,) if made.outputs[0].dtype._is_ref_dtype else ()


def held(handle: Any) -> Any:
    """The object that a handle names: itself, also when it went through `Pack` and `Gather`."""
    return handle.item() if isinstance(handle, np.ndarray) else handle


def _queue(handle: Any) -> ElementQueue:
    found = held(handle)
    if not isinstance(found, ElementQueue):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a queue", errors.NotFoundError)
    return found


def _made(
    kind: type[ElementQueue],
    run: Running,
    container: bytes,
    shared_name: bytes,
    capacity: int,
    types: Any,
    shapes: Any,
    **more: Any,
) -> ElementQueue:
    found: Any = run.resource(
        container, shared_name, lambda: kind(capacity, types, shapes, run.display_name(shared_name), **more)
    )
    if not isinstance(found, ElementQueue):
        raise kernel_error(f"{shared_name.decode()!r} names a {type(found).__name__}, not a queue")
    found.check_same(kind, capacity, types, shapes)
    return found


def _fifo(kind: type[ElementQueue]) -> Any:
    def kernel(
        xp: Any, *, run: Running, component_types: Any, shapes: Any, capacity: int, container: bytes, shared_name: bytes
    ) -> Any:
        """A queue whose elements are tuples of `component_types`."""
        return _made(kind, run, container, shared_name, capacity, component_types, shapes)

    return kernel


def _priority(
    xp: Any, *, run: Running, component_types: Any, shapes: Any, capacity: int, container: bytes, shared_name: bytes
) -> Any:
    """A queue whose elements have an int64 priority before their other components."""
    types = [dtypes.int64, *component_types]
    all_shapes = [(), *shapes] if shapes or not component_types else []
    return _made(PriorityQueue, run, container, shared_name, capacity, types, all_shapes)


def _random_shuffle(
    xp: Any,
    *,
    run: Running,
    component_types: Any,
    shapes: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int,
    seed2: int,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """A queue that gives its elements in random order."""
    if capacity >= 0 and min_after_dequeue >= capacity:
        raise kernel_error(f"min_after_dequeue {min_after_dequeue} must be < capacity {capacity}")
    if min_after_dequeue < 0:
        raise kernel_error(f"min_after_dequeue {min_after_dequeue} must be >= 0")
    seeds = (seed, seed2)
    found = _made(
        RandomShuffleQueue,
        run,
        container,
        shared_name,
        capacity,
        component_types,
        shapes,
        keep=min_after_dequeue,
        seeds=seeds,
    )
    assert isinstance(found, RandomShuffleQueue)
    if min_after_dequeue != found.keep:
        raise kernel_error(
            f"Shared queue '{found.name}' has min_after_dequeue {found.keep} but requested min_after_dequeue was "
            f"{min_after_dequeue}."
        )
    if any(seeds) and seeds != found.seeds:
        raise kernel_error(
            f"Shared queue '{found.name}' has random seeds ({found.seeds[0]}, {found.seeds[1]}) but requested seeds "
            f"are ({seed}, {seed2})."
        )
    return found


for _name, _kernel in {
    "FIFOQueue": _fifo(FifoQueue),
    "PaddingFIFOQueue": _fifo(PaddingFifoQueue),
    "PriorityQueue": _priority,
    "RandomShuffleQueue": _random_shuffle,
}.items():
    for _version in ("", "V2"):
        op(_name + _version, session=True, differentiable=False)(_kernel).shape_from_op(handle_shape)


def _check_no_timeout(timeout_ms: int) -> None:
    if timeout_ms != -1:
        raise kernel_error("Timeout not supported yet.")


def _types_of(run: Running, attr: str) -> Any:
    return run.op.attrs[attr]


def _enqueue(xp: Any, handle: Any, components: Any, *, run: Running, timeout_ms: int) -> tuple[()]:
    """Add one element to a queue; waits while it is full."""
    _check_no_timeout(timeout_ms)
    queue = _queue(handle)
    queue.check_types(_types_of(run, "Tcomponents"))
    queue.enqueue(components, run)
    return ()


def _enqueue_many(xp: Any, handle: Any, components: Any, *, run: Running, timeout_ms: int) -> tuple[()]:
    """Add the slices of the components, along their first dimension, to a queue; waits while it is full."""
    _check_no_timeout(timeout_ms)
    queue = _queue(handle)
    queue.check_types(_types_of(run, "Tcomponents"))
    queue.enqueue_many(components, run)
    return ()


def _dequeue(xp: Any, handle: Any, *, run: Running, component_types: Any, timeout_ms: int) -> Any:
    """Take one element from a queue; waits while there is none."""
    _check_no_timeout(timeout_ms)
    queue = _queue(handle)
    queue.check_types(component_types)
    return queue.dequeue(run)


def _dequeue_many(xp: Any, handle: Any, n: Any, *, run: Running, component_types: Any, timeout_ms: int) -> Any:
    """Take `n` elements from a queue, as one batch; waits until there are so many."""
    _check_no_timeout(timeout_ms)
    queue = _queue(handle)
    queue.check_types(component_types)
    return queue.dequeue_many(int(n), False, run)


def _dequeue_up_to(xp: Any, handle: Any, n: Any, *, run: Running, component_types: Any, timeout_ms: int) -> Any:
    """Take `n` elements from a queue, as one batch, or what a closed queue has left."""
    _check_no_timeout(timeout_ms)
    queue = _queue(handle)
    queue.check_types(component_types)
    return queue.dequeue_many(int(n), True, run)


def _close(xp: Any, handle: Any, *, run: Running, cancel_pending_enqueues: bool) -> tuple[()]:
    """Close a queue: nothing comes in any more, and what is in it can still be taken."""
    _queue(handle).close(cancel_pending_enqueues, run)
    return ()


def _size(xp: Any, handle: Any, *, run: Running) -> Any:
    """How many elements a queue holds."""
    return np.int32(_queue(handle).size())


def _is_closed(xp: Any, handle: Any, *, run: Running) -> Any:
    """Whether a queue is closed."""
    return np.bool_(_queue(handle).closed)


def _scalar(made: Operation) -> Shape:
    return ()


def _unknown(made: Operation) -> list[Shape]:
    return [None] * len(made.outputs)


for _name, _kernel, _shape in (
    ("QueueEnqueue", _enqueue, None),
    ("QueueEnqueueMany", _enqueue_many, None),
    ("QueueDequeue", _dequeue, _unknown),
    ("QueueDequeueMany", _dequeue_many, _unknown),
    ("QueueDequeueUpTo", _dequeue_up_to, _unknown),
    ("QueueClose", _close, None),
    ("QueueSize", _size, _scalar),
    ("QueueIsClosed", _is_closed, _scalar),
):
    for _version in ("", "V2"):
        _declared = op(_name + _version, session=True, differentiable=False)(_kernel)
        if _shape is not None:
            _declared.shape_from_op(_shape)
