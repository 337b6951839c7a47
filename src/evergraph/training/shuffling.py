"""`tf.train.shuffle_batch` and `tf.train.shuffle_batch_join`: batches of elements in random order."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.ops.arithmetic import maximum
from evergraph.ops.cast import cast
from evergraph.ops.queues.queue_classes import RandomShuffleQueue
from evergraph.training import element_lists, sparse_elements
from evergraph.training.input_producers import scalar_summary


@public("train.shuffle_batch")
def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of `tensors` in random order.

    Args:
        tensors, batch_size, num_threads, enqueue_many, shapes, allow_smaller_final_batch, shared_name: as for
            `tf.train.batch`.
        capacity: of the queue from which elements are chosen.
        min_after_dequeue: how many elements stay in it, so that there is a choice.
        seed: of the choice.

    Raises:
        ValueError: if `capacity` is not above `min_after_dequeue`, or a shape is not known.
    """
    return maybe_shuffle_batch(
        tensors,
        batch_size,
        capacity,
        min_after_dequeue,
        True,
        num_threads,
        seed,
        enqueue_many,
        shapes,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


@public("train.maybe_shuffle_batch")
def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch` of the elements for which `keep_input`, a bool tensor, is true."""
    elements = element_lists.as_list(tensors)
    with name_scope(name, "shuffle_batch", [*elements, keep_input]) as scope:
        _check_capacity(capacity, min_after_dequeue)
        elements = element_lists.checked(elements)
        keep = element_lists.checked_keep_input(keep_input, enqueue_many)
        elements, stored = sparse_elements.store(elements, enqueue_many, keep)
        found = _batches(
            [elements],
            stored,
            batch_size,
            capacity,
            min_after_dequeue,
            keep,
            num_threads,
            seed,
            enqueue_many,
            shapes,
            allow_smaller_final_batch,
            shared_name,
            scope,
        )
        return element_lists.as_given(tensors, found)


@public("train.shuffle_batch_join")
def shuffle_batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch` of elements from several places, each of which gets a thread."""
    return maybe_shuffle_batch_join(
        tensors_list,
        batch_size,
        capacity,
        min_after_dequeue,
        True,
        seed,
        enqueue_many,
        shapes,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


@public("train.maybe_shuffle_batch_join")
def maybe_shuffle_batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`shuffle_batch_join` of the elements for which `keep_input`, a bool tensor, is true."""
    lists = element_lists.as_lists(tensors_list)
    with name_scope(name, "shuffle_batch_join", [t for tensors in lists for t in tensors] + [keep_input]) as scope:
        elements: Any = [element_lists.checked(tensors, "input in batch_join()") for tensors in lists]
        keep = element_lists.checked_keep_input(keep_input, enqueue_many)
        elements, stored = sparse_elements.store_join(elements, enqueue_many, keep)
        found = _batches(
            elements,
            stored,
            batch_size,
            capacity,
            min_after_dequeue,
            keep,
            1,
            seed,
            enqueue_many,
            shapes,
            allow_smaller_final_batch,
            shared_name,
            scope,
        )
        return element_lists.as_given(tensors_list[0], found)


def _check_capacity(capacity: int, min_after_dequeue: int) -> None:
    if capacity <= min_after_dequeue:
        raise ValueError(f"capacity {capacity} must be bigger than min_after_dequeue {min_after_dequeue}.")


def _batches(
    elements: Any,
    stored: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep: Any,
    num_threads: int,
    seed: int | None,
    enqueue_many: bool,
    shapes: Any,
    allow_smaller_final_batch: bool,
    shared_name: str | None,
    scope: str,
) -> Any:
    types = element_lists.types_of(elements)
    known = element_lists.shapes_of(elements, shapes, enqueue_many)
    queue = RandomShuffleQueue(
        capacity=capacity,
        min_after_dequeue=min_after_dequeue,
        seed=seed,
        dtypes=types,
        shapes=known,
        shared_name=shared_name,
    )
    element_lists.fill(queue, elements, enqueue_many, keep, num_threads)
    above = capacity - min_after_dequeue
    full = cast(maximum(0, queue.size() - min_after_dequeue), dtypes.float32) * (1.0 / above)
    scalar_summary(f"fraction_over_{min_after_dequeue}_of_{above}_full", full)
    dequeue = queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many
    return sparse_elements.restore(dequeue(batch_size, name=scope), stored)
