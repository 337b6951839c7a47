"""`tf.contrib.training.bucket`: elements sorted into batches of their own kind, of sequences of similar length, say."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import convert, dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.scopes import name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.ops.cast import cast
from evergraph.ops.comparisons import equal, less, less_equal
from evergraph.ops.cond import cond
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group, no_op
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.queues.queue_classes import FIFOQueue, PaddingFIFOQueue
from evergraph.ops.reductions import reduce_min
from evergraph.ops.selecting import where_v2
from evergraph.training import element_lists, sparse_elements
from evergraph.training.input_producers import scalar_summary
from evergraph.training.queue_runner import QueueRunner, add_queue_runner


@public("contrib.training.bucket")
def bucket(
    tensors: Any,
    which_bucket: Any,
    batch_size: Any,
    num_buckets: int,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Batches of `tensors`, each of one bucket.

    Args:
        tensors: a list or dictionary of tensors: one element.
        which_bucket: an int32 scalar: the bucket of the element.
        batch_size: how many elements a batch has: a number, or one for each bucket.
        num_buckets: how many buckets there are.
        num_threads: how many threads fill them.
        capacity: of the queue of batches.
        bucket_capacities: of the queue of each bucket; by default `capacity`.
        shapes, dynamic_pad, allow_smaller_final_batch, shared_name: as for `tf.train.batch`.
        keep_input: a bool scalar: whether the element is wanted.

    Returns:
        `(bucket, batch)`: the number of the bucket, and the batch in the form of `tensors`.

    Raises:
        ValueError: if a list has another length than there are buckets.
    """
    per_bucket = isinstance(batch_size, list | tuple)
    if per_bucket and len(batch_size) != num_buckets:
        raise ValueError("If batch_size is a list it must have num_buckets elements")
    sizes: list[Any] = list(batch_size) if per_bucket else [batch_size] * num_buckets
    capacities = [capacity] * num_buckets if bucket_capacities is None else list(bucket_capacities)
    if len(capacities) != num_buckets:
        raise ValueError(
            f"The list bucket_capacities ({capacities}) must have exactly num_buckets ({num_buckets}) elements."
        )
    elements = element_lists.as_list(tensors)
    with name_scope(name, "bucket", elements):
        elements = element_lists.checked(elements, "tensor in bucket()")
        keep = element_lists.checked_keep_input(keep_input, enqueue_many=False)
        elements, stored = sparse_elements.store(elements, False, keep)
        static_size = None
        for i, size in enumerate(sizes):
            tensor = convert.converted(size, dtypes.int32, "batch_size")
            known = constant_value(tensor)
            static_size = None if known is None else int(known)
            sizes[i] = tensor if static_size is None else static_size
        types = element_lists.types_of([elements])
        known_shapes = element_lists.shapes_of([elements], shapes, False)
        which_bucket = convert.converted(which_bucket, dtypes.int32, "which_bucket")
        kind = PaddingFIFOQueue if dynamic_pad else FIFOQueue
        queues = [
            kind(
                capacity=capacities[i],
                dtypes=types,
                shapes=known_shapes,
                shared_name=None if shared_name is None else f"{shared_name}_{i}",
                name=f"bucket_queue_{i}",
            )
            for i in range(num_buckets)
        ]
        rows = None if allow_smaller_final_batch or per_bucket else static_size
        top = PaddingFIFOQueue(
            capacity=capacity,
            dtypes=[dtypes.int32, *types],
            shapes=[TensorShape([]), *(TensorShape([rows]).concatenate(s) for s in queues[0].shapes)],
            shared_name=shared_name,
            name="top_queue",
        )

        def enqueue(i: int) -> Any:
            return queues[i].enqueue(elements)

        def enqueue_in_its_bucket() -> Any:
            choices = [cond(equal(which_bucket, i), functools.partial(enqueue, i), no_op) for i in range(num_buckets)]
            return group(*choices, name="group_enqueues")

        into_buckets = [sparse_elements.chosen(keep, enqueue_in_its_bucket, no_op)] * num_threads
        into_top = []
        for i, (queue, size) in enumerate(zip(queues, sizes, strict=True)):
            number = constant(i)
            taken = (queue.dequeue_up_to if allow_smaller_final_batch else queue.dequeue_many)(
                size, name=f"read_bucket_{i}"
            )
            batch = list(taken) if isinstance(taken, list | tuple) else [taken]
            into_top.append(top.enqueue([number, *batch], name=f"enqueue_from_bucket_{i}"))
        ends = (errors.OutOfRangeError, errors.CancelledError)
        add_queue_runner(
            QueueRunner(
                queues[0],
                into_top,
                close_op=top.close(),
                cancel_op=top.close(cancel_pending_enqueues=True),
                queue_closed_exception_types=ends,
            )
        )
        add_queue_runner(
            QueueRunner(
                top,
                into_buckets,
                close_op=group(*[q.close() for q in queues]),
                cancel_op=group(*[q.close(cancel_pending_enqueues=True) for q in queues]),
                queue_closed_exception_types=ends,
            )
        )
        for queue in queues:
            scalar_summary(f"bucket/{queue.name}/size", cast(top.size(), dtypes.float32))
        scalar_summary(
            f"bucket/{top.name}/fraction_of_{capacity}_full", cast(top.size(), dtypes.float32) * (1.0 / capacity)
        )
        number, *found = top.dequeue(name="dequeue_top")
        restored = sparse_elements.restore(found[0] if len(found) == 1 else found, stored)
        return number, element_lists.as_given(tensors, restored)


@public("contrib.training.bucket_by_sequence_length")
def bucket_by_sequence_length(
    input_length: Any,
    tensors: Any,
    batch_size: Any,
    bucket_boundaries: Any,
    num_threads: int = 1,
    capacity: int = 32,
    bucket_capacities: Sequence[int] | None = None,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    keep_input: Any = True,
    shared_name: str | None = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Batches of sequences of similar length.

    Args:
        input_length: an int32 scalar: the length of the sequence.
        tensors: a list or dictionary of tensors: one element.
        batch_size: how many elements a batch has: a number, or one for each bucket.
        bucket_boundaries: ascending ints; there is one bucket more, and bucket `i` has lengths below boundary `i`.
        num_threads, capacity, bucket_capacities, shapes, dynamic_pad, allow_smaller_final_batch, keep_input,
            shared_name: as for `bucket`.

    Returns:
        `(lengths, batch)`: the lengths of the sequences, and the batch in the form of `tensors`.

    Raises:
        TypeError: if the boundaries are no list of ints.
        ValueError: if there are none, or they do not ascend.
    """
    elements = element_lists.as_list(tensors)
    if not isinstance(bucket_boundaries, list | tuple):
        raise TypeError(f"bucket_boundaries must be a list or tuple, but received: {bucket_boundaries}")
    if not bucket_boundaries:
        raise ValueError("bucket_boundaries must not be empty")
    for low, high in itertools.pairwise(bucket_boundaries):
        if not isinstance(low, int) or not isinstance(high, int):
            raise TypeError(f"bucket boundaries must be integers, but saw: {low} and {high}")
        if low >= high:
            raise ValueError(f"Buckets must contain sequential increasing lengths, but saw: {low} before {high}")
    with name_scope(name, "bucket_by_sequence_length", [input_length, *elements]):
        input_length = convert.converted(input_length, dtypes.int32, "input_length")
        limits = np.iinfo(np.int32)
        lows, highs = [int(limits.min), *bucket_boundaries], [*bucket_boundaries, int(limits.max)]
        inside = raw_op("LogicalAnd")(less_equal(lows, input_length), less(input_length, highs))
        which_bucket = cast(reduce_min(where_v2(inside)), dtypes.int32)
        _, found = bucket(
            tensors=[input_length, *elements],
            which_bucket=which_bucket,
            batch_size=batch_size,
            num_buckets=len(bucket_boundaries) + 1,
            num_threads=num_threads,
            capacity=capacity,
            bucket_capacities=bucket_capacities,
            shapes=None if shapes is None else [TensorShape([]), *shapes],
            dynamic_pad=dynamic_pad,
            allow_smaller_final_batch=allow_smaller_final_batch,
            keep_input=keep_input,
            shared_name=shared_name,
        )
        return found[0], element_lists.as_given(tensors, found[1:])
