"""`tf.train.batch` and `tf.train.batch_join`: single elements go into a queue, batches come out."""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.ops.cast import cast
from evergraph.ops.queues.queue_classes import FIFOQueue, PaddingFIFOQueue
from evergraph.training import element_lists, sparse_elements
from evergraph.training.input_producers import scalar_summary


@public("train.batch")
def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Batches of `tensors`, which are evaluated again and again to fill a queue.

    Args:
        tensors: a list or dictionary of tensors, dense or sparse: one element.
        batch_size: how many elements a batch has.
        num_threads: how many threads fill the queue; with more than one the order is not fixed.
        capacity: of the queue.
        enqueue_many: whether `tensors` hold many elements along the first dimension.
        shapes: of the elements, where they are not known.
        dynamic_pad: whether elements may differ in the dimensions that are not known; they are padded with zeros.
        allow_smaller_final_batch: whether what is left at the end makes a smaller batch; else it is dropped.
        shared_name: of the queue.

    Returns:
        The same list or dictionary, with one more dimension in front. In a run it raises `OutOfRangeError` when there
        is no batch left.

    Raises:
        ValueError: if a shape is not known and `shapes` does not say it.
    """
    return maybe_batch(
        tensors,
        True,
        batch_size,
        num_threads,
        capacity,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


@public("train.maybe_batch")
def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch` of the elements for which `keep_input`, a bool tensor, is true.

    Args:
        keep_input: a scalar, or with `enqueue_many` also a vector: one for each element.
    """
    elements = element_lists.as_list(tensors)
    with name_scope(name, "batch", [*elements, keep_input]) as scope:
        elements = element_lists.checked(elements)
        keep = element_lists.checked_keep_input(keep_input, enqueue_many)
        elements, stored = sparse_elements.store(elements, enqueue_many, keep)
        found = _batches(
            [elements],
            stored,
            batch_size,
            keep,
            num_threads,
            capacity,
            enqueue_many,
            shapes,
            dynamic_pad,
            allow_smaller_final_batch,
            shared_name,
            scope,
        )
        return element_lists.as_given(tensors, found)


@public("train.batch_join")
def batch_join(
    tensors_list: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch` of elements from several places, each of which gets a thread.

    Args:
        tensors_list: a list of what `batch` takes: the same number and types of tensors in each.
    """
    return maybe_batch_join(
        tensors_list,
        True,
        batch_size,
        capacity,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


@public("train.maybe_batch_join")
def maybe_batch_join(
    tensors_list: Any,
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """`batch_join` of the elements for which `keep_input`, a bool tensor, is true."""
    lists = element_lists.as_lists(tensors_list)
    with name_scope(name, "batch_join", [t for tensors in lists for t in tensors] + [keep_input]) as scope:
        elements: Any = [element_lists.checked(tensors, "input in batch_join()") for tensors in lists]
        keep = element_lists.checked_keep_input(keep_input, enqueue_many)
        elements, stored = sparse_elements.store_join(elements, enqueue_many, keep)
        found = _batches(
            elements,
            stored,
            batch_size,
            keep,
            1,
            capacity,
            enqueue_many,
            shapes,
            dynamic_pad,
            allow_smaller_final_batch,
            shared_name,
            scope,
        )
        return element_lists.as_given(tensors_list[0], found)


def _batches(
    elements: Any,
    stored: Any,
    batch_size: Any,
    keep: Any,
    num_threads: int,
    capacity: int,
    enqueue_many: bool,
    shapes: Any,
    dynamic_pad: bool,
    allow_smaller_final_batch: bool,
    shared_name: str | None,
    scope: str,
) -> Any:
    types = element_lists.types_of(elements)
    known = element_lists.shapes_of(elements, shapes, enqueue_many)
    kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
    queue = kind(capacity=capacity, dtypes=types, shapes=known, shared_name=shared_name)
    element_lists.fill(queue, elements, enqueue_many, keep, num_threads)
    scalar_summary(f"fraction_of_{capacity}_full", cast(queue.size(), dtypes.float32) * (1.0 / capacity))
    dequeue = queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many
    return sparse_elements.restore(dequeue(batch_size, name=scope), stored)
