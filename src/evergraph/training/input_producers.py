"""Queues filled with the names of files, with numbers, or with the rows of tensors, epoch after epoch.

    names = tf.train.string_input_producer(["a.txt", "b.txt"], num_epochs=2)
    key, line = tf.TextLineReader().read(names)

The queue is filled by a thread that `tf.train.start_queue_runners` starts. After `num_epochs` it is closed, and what
reads from it gets a `tf.errors.OutOfRangeError`.
"""

from __future__ import annotations

import re
from typing import Any

from evergraph.framework import convert, dtypes, log
from evergraph.framework.api import public
from evergraph.framework.scopes import GraphKeys, add_to_collection, control_dependencies, name_scope
from evergraph.framework.sparse import IndexedSlices, SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.checks import Assert
from evergraph.ops.comparisons import greater
from evergraph.ops.constant import constant
from evergraph.ops.gather import gather
from evergraph.ops.identity import identity
from evergraph.ops.opdef import raw_op
from evergraph.ops.queues.queue_classes import FIFOQueue, QueueBase
from evergraph.ops.random import random_shuffle
from evergraph.ops.sequences import range_
from evergraph.ops.shaping import shape, size
from evergraph.ops.variables import Variable
from evergraph.training.queue_runner import QueueRunner, add_queue_runner


@public("train.match_filenames_once", "io.match_filenames_once")
def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A local variable with the names of the files that match `pattern` when it is initialised.

    Args:
        pattern: a glob pattern, or a vector of them.
    """
    with name_scope(name, "matching_filenames", [pattern]) as scope:
        return Variable(
            name=scope,
            initial_value=raw_op("MatchingFiles")(pattern),
            trainable=False,
            validate_shape=False,
            collections=[GraphKeys.LOCAL_VARIABLES],
        )


@public("train.limit_epochs")
def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Any:
    """`tensor`, which can be evaluated `num_epochs` times and then raises `OutOfRangeError`.

    How often it was evaluated is a local variable: run `tf.local_variables_initializer()` first.

    Raises:
        ValueError: if `num_epochs` is not positive.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with name_scope(name, "limit_epochs", [tensor]) as scope:
        epochs: Any = Variable(
            constant(0, dtype=dtypes.int64), name="epochs", trainable=False, collections=[GraphKeys.LOCAL_VARIABLES]
        )
        with control_dependencies([epochs.count_up_to(num_epochs)]):
            return identity(tensor, name=scope)


@public("train.input_producer")
def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of the rows of `input_tensor`, and a queue runner that fills it.

    Args:
        input_tensor: its slices along the first dimension are the elements.
        element_shape: their shape, where it does not follow from that of `input_tensor`.
        num_epochs: how often each row comes; None for ever.
        shuffle: whether each epoch has an order of its own; `seed` is for it.
        capacity: of the queue.
        shared_name: of the queue.
        summary_name: of a summary of how full the queue is; None for no summary.
        cancel_op: what the queue runner runs to stop.

    Raises:
        ValueError: if the shape of the elements is not known.
    """
    with name_scope(name, "input_producer", [input_tensor]):
        rows = convert.converted(input_tensor, name="input_tensor")
        known = rows.shape[1:].merge_with(element_shape)
        if not known.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(
            capacity=capacity,
            dtypes=[rows.dtype.base_dtype],
            shapes=[known],
            shared_name=shared_name,
            name=name,
        )
        enqueue = queue.enqueue_many([rows])
        add_queue_runner(QueueRunner(queue, [enqueue], cancel_op=cancel_op))
        if summary_name is not None:
            scalar_summary(summary_name, cast(queue.size(), dtypes.float32) * (1.0 / capacity))
        return queue


@public("train.string_input_producer")
def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> QueueBase:
    """A queue of strings, such as the names of files, and a queue runner that fills it.

    Args:
        string_tensor: a vector of strings.
        num_epochs, shuffle, seed, capacity, shared_name, cancel_op: as for `input_producer`.

    Raises:
        ValueError: if `string_tensor` is an empty list.
    """
    complaint = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, Tensor) and not _has_any(string_tensor):
        raise ValueError(complaint)
    with name_scope(name, "input_producer", [string_tensor]) as scope:
        strings = convert.converted(string_tensor, dtypes.string)
        with control_dependencies([Assert(greater(size(strings), 0), [complaint])]):
            strings = identity(strings)
        return input_producer(
            input_tensor=strings,
            element_shape=[],
            num_epochs=num_epochs,
            shuffle=shuffle,
            seed=seed,
            capacity=capacity,
            shared_name=shared_name,
            name=scope,
            summary_name=f"fraction_of_{capacity}_full",
            cancel_op=cancel_op,
        )


def _has_any(strings: Any) -> bool:
    return bool(strings) if not hasattr(strings, "size") else strings.size > 0


@public("train.range_input_producer")
def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> QueueBase:
    """A queue of the integers from 0 to `limit` - 1, and a queue runner that fills it."""
    with name_scope(name, "input_producer", [limit]) as scope:
        return input_producer(
            range_(limit), [], num_epochs, shuffle, seed, capacity, shared_name, f"fraction_of_{capacity}_full", scope
        )


@public("train.slice_input_producer")
def slice_input_producer(
    tensor_list: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Tensor]:
    """One row of each tensor at a time, always the same row of all: `[example, label]`, say.

    Args:
        tensor_list: tensors of the same first dimension.
        num_epochs, shuffle, seed, capacity, shared_name: as for `input_producer`.

    Raises:
        ValueError: if `tensor_list` is empty.
    """
    with name_scope(name, "input_producer", tensor_list):
        tensors = tensors_or_slices(tensor_list)
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        rows = shape(tensors[0])[0]
        queue = range_input_producer(
            rows, num_epochs=num_epochs, shuffle=shuffle, seed=seed, capacity=capacity, shared_name=shared_name
        )
        index = queue.dequeue()
        return [gather(t, index) for t in tensors]


def tensors_or_slices(values: Any) -> list[Any]:
    """Each of `values` as a tensor; sparse tensors and indexed slices stay what they are."""
    if not isinstance(values, list | tuple):
        raise TypeError("values must be a list.")
    return [
        v if v is None or isinstance(v, Tensor | SparseTensor | IndexedSlices) else convert.converted(v) for v in values
    ]


_NOT_IN_TAGS = re.compile(r"[^-/\w\.]")


def scalar_summary(name: str, value: Tensor) -> Tensor:
    """What `tf.summary.scalar` adds to the graph: how full a queue is shows in TensorBoard."""
    tag = _NOT_IN_TAGS.sub("_", name).lstrip("/")
    if tag != name:
        log.info("Summary name %s is illegal; using %s instead.", name, tag)
    with name_scope(tag, None, [value]) as scope:
        made = raw_op("ScalarSummary")(tags=scope.rstrip("/"), values=value, name=scope)
    add_to_collection(GraphKeys.SUMMARIES, made)
    return made
