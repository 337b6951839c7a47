"""Barriers: elements whose components come one by one, each under a key, and that are given when they are complete."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, bracket_text, merge, with_rank, with_rank_at_least
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.queues.element_queue import PriorityQueue
from evergraph.ops.queues.queue_ops import handle_shape, held
from evergraph.ops.running import Running


class BarrierState:
    """What a session holds for a barrier. Complete elements wait in a queue, in the order of their first component."""

    def __init__(self, types: list[DType], shapes: list[Shape], name: str) -> None:
        self.types, self.shapes, self.name = types, shapes, name
        self._ready = PriorityQueue(
            -1, [dtypes.int64, dtypes.string, *types], [(), (), *shapes] if shapes else [], f"{name}_queue"
        )
        self._lock = threading.Lock()
        self._incomplete: dict[bytes, list[Any]] = {}
        self._closed = self._cancelled = False
        self._index = int(np.iinfo(np.int64).min)

    def ready_size(self) -> int:
        return self._ready.size()

    def incomplete_size(self) -> int:
        with self._lock:
            return len(self._incomplete)

    def insert(self, component: int, keys: np.ndarray, values: np.ndarray, run: Running) -> None:
        """Give the elements of `keys` one of their components."""
        if keys.size and not values.size:
            raise kernel_error(
                f"Tensors with no elements are not supported {self.name}: received shape {bracket_text(values.shape)}"
            )
        complete = []
        with self._lock:
            if self._closed and (self._cancelled or (keys.size and not self._incomplete)):
                raise kernel_error(
                    f"Barrier {self.name} is closed.  Pending enqueues cancelled: {int(self._cancelled)}.  Number of "
                    f"new insertions: {keys.size}.  Number of incomplete keys: {len(self._incomplete)}.",
                    errors.CancelledError,
                )
            any_new = False
            for i, key in enumerate(keys.ravel().tolist()):
                any_new |= self._insert_one(component, key, values[i, ...], i)
                if all(part is not None for part in self._incomplete[key]):
                    index, *parts = self._incomplete.pop(key)
                    complete.append((np.int64(index), key, *parts))
            self._index += any_new
            ends = self._closed and not self._incomplete
        for index, key, *parts in complete:
            text = np.empty((), object)
            text[()] = key
            self._ready.enqueue((np.asarray(index), text, *parts), run)
        if ends and complete:
            self._ready.close(False, run)

    def _insert_one(self, component: int, key: bytes, value: np.ndarray, i: int) -> bool:
        element = self._incomplete.get(key)
        is_new = element is None
        if element is None:
            if self._closed:
                raise kernel_error(
                    f"Barrier {self.name} is closed, but attempted to insert a brand new key: "
                    f"{key.decode(errors='replace')}.  Pending enqueues cancelled: {int(self._cancelled)}.  Insertion "
                    f"index: {i}.  Number of incomplete keys: {len(self._incomplete)}.",
                    errors.CancelledError,
                )
            element = self._incomplete[key] = [self._index, *[None] * len(self.types)]
        if element[1 + component] is not None:
            raise kernel_error(
                f"Key {key.decode(errors='replace')} already has a value for component {component} in barrier "
                f"{self.name}"
            )
        element[1 + component] = np.array(value)
        return is_new

    def take(self, count: int, fewer: bool, run: Running) -> list[np.ndarray]:
        """Take complete elements; waits until there are so many."""
        with self._lock:
            if self._closed:
                available = self.ready_size()
                if fewer:
                    count = min(count, available)
                else:
                    available += len(self._incomplete)
                if available < max(count, 1):
                    raise kernel_error(
                        f"Barrier '{self.name}' is closed and has insufficient elements (requested {count}, total size "
                        f"{available})",
                        errors.OutOfRangeError,
                    )
        return self._ready.dequeue_many(count, fewer, run)

    def close(self, cancel: bool, run: Running) -> None:
        """Take no new keys; with `cancel`, also nothing for keys that are incomplete."""
        with self._lock:
            if self._closed and (self._cancelled or not cancel):
                raise kernel_error(f"Barrier '{self.name}' is already closed.", errors.CancelledError)
            self._closed, self._cancelled = True, cancel
            if cancel:
                self._incomplete.clear()
            if self._incomplete or (self._ready.closed and not cancel):
                return
        self._ready.close(cancel, run)


@op("Barrier", session=True, differentiable=False)
def barrier(
    xp: Any, *, run: Running, component_types: Any, shapes: Any, capacity: int, container: bytes, shared_name: bytes
) -> Any:
    """A barrier whose elements have components of these types."""
    if len(shapes) != len(component_types):
        raise kernel_error("All of the component shapes must be specified")
    if capacity != -1:
        raise kernel_error(
            "Barrier only accepts capacity=-1.  Feed the inputs to your Barrier through a queue to enforce a limited "
            "capacity."
        )
    known = list(shapes) if all(s is not None for s in shapes) else []
    found = run.resource(
        container, shared_name, lambda: BarrierState(list(component_types), known, run.display_name(shared_name))
    )
    if found.types != list(component_types):
        raise kernel_error(
            f"Shared barrier '{found.name}' has component types {', '.join(t.name for t in found.types)} but requested "
            f"component types were {', '.join(t.name for t in component_types)}"
        )
    if found.shapes != known:
        raise kernel_error(f"Shared barrier '{found.name}' has other component shapes than those requested")
    return found


barrier.shape_from_op(handle_shape)


def _barrier(handle: Any) -> BarrierState:
    found = held(handle)
    if not isinstance(found, BarrierState):
        raise kernel_error(f"this handle names a {type(found).__name__}, not a barrier", errors.NotFoundError)
    return found


@op("BarrierInsertMany", session=True, differentiable=False)
def barrier_insert_many(
    xp: Any, handle: Any, keys: Any, values: Any, *, run: Running, component_index: int
) -> tuple[()]:
    """Give the elements of these keys one of their components."""
    state = _barrier(handle)
    if not 0 <= component_index < len(state.types):
        raise kernel_error(
            f"The component ID is out of range {component_index} > num_components (= {len(state.types)})"
        )
    state.insert(component_index, keys, values, run)
    return ()


@barrier_insert_many.shape_from_op
def barrier_insert_many_shape(made: Operation) -> list[Shape]:
    keys = with_rank(made.inputs[1].static_shape, 1)
    values = with_rank_at_least(made.inputs[2].static_shape, 1)
    merge(keys, None if values is None else values[:1])
    return []


@op("BarrierTakeMany", session=True, differentiable=False)
def barrier_take_many(
    xp: Any,
    handle: Any,
    num_elements: Any,
    *,
    run: Running,
    allow_small_batch: bool,
    timeout_ms: int,
) -> Any:
    """Take complete elements: their numbers, keys and components; waits until there are so many."""
    if timeout_ms != -1:
        raise kernel_error("Timeout not supported yet.")
    if np.ndim(num_elements):
        raise kernel_error("num_elements must be a scalar.")
    return _barrier(handle).take(int(num_elements), allow_small_batch, run)


@barrier_take_many.shape_from_op
def barrier_take_many_shape(made: Operation) -> list[Shape]:
    return [None] * len(made.outputs)


@op("BarrierClose", session=True, differentiable=False)
def barrier_close(xp: Any, handle: Any, *, run: Running, cancel_pending_enqueues: bool) -> tuple[()]:
    """Take no new keys."""
    _barrier(handle).close(cancel_pending_enqueues, run)
    return ()


@op("BarrierReadySize", session=True, differentiable=False)
def barrier_ready_size(xp: Any, handle: Any, *, run: Running) -> Any:
    """How many elements are complete."""
    return np.int32(_barrier(handle).ready_size())


@op("BarrierIncompleteSize", session=True, differentiable=False)
def barrier_incomplete_size(xp: Any, handle: Any, *, run: Running) -> Any:
    """How many elements still lack a component."""
    return np.int32(_barrier(handle).incomplete_size())


def _scalar(made: Operation) -> Shape:
    return ()


barrier_ready_size.shape_from_op(_scalar)
barrier_incomplete_size.shape_from_op(_scalar)
