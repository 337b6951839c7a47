"""What `tf.train.batch` and its relatives do with the tensors they are given: checks, types, shapes, dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import convert, dtypes
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import as_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.cast import cast
from evergraph.ops.grouping import no_op
from evergraph.ops.opdef import raw_op
from evergraph.ops.queues.queue_classes import QueueBase
from evergraph.training.input_producers import tensors_or_slices
from evergraph.training.queue_runner import QueueRunner, add_queue_runner
from evergraph.training.sparse_elements import chosen


def as_list(tensors: Any) -> Any:
    """The values of a dictionary in the order of its keys; a list as it is."""
    return [tensors[k] for k in sorted(tensors, key=str)] if isinstance(tensors, dict) else tensors


def as_lists(tensors_list: Any) -> Any:
    """`as_list` of each; dictionaries must have the same keys."""
    if not tensors_list:
        raise ValueError("Expected at least one set of tensors")
    if not isinstance(tensors_list[0], dict):
        return tensors_list
    keys = set(tensors_list[0])
    if any(set(tensors) != keys for tensors in tensors_list[1:]):
        raise ValueError("All dictionaries in tensors_list must have the same keys")
    return [as_list(tensors) for tensors in tensors_list]


def as_given(given: Any, tensors: Any) -> Any:
    """`tensors` as a dictionary, if one was given."""
    if not isinstance(given, dict):
        return tensors
    if len(given) == 1:
        tensors = [tensors]
    return {k: tensors[i] for i, k in enumerate(sorted(given, key=str))}


def checked(tensors: Any, what: str = "tensor in batch()") -> list[Any]:
    found = tensors_or_slices(tensors)
    if not found:
        raise ValueError(f"Expected at least one {what}.")
    return found


def checked_keep_input(keep_input: Any, enqueue_many: bool) -> Tensor:
    """`keep_input` as a tensor: a scalar, or with `enqueue_many` perhaps a vector."""
    keep = convert.converted(keep_input)
    rank = keep.shape.ndims
    if rank is None:
        raise ValueError("`keep_input` dimensions must be known at graph construction.")
    if not enqueue_many and rank == 1:
        raise ValueError("`keep_input` cannot be a vector when `enqueue_many=False`.")
    if rank > 1:
        raise ValueError("`keep_input` must be 0 or 1 dimensions.")
    return keep


def types_of(elements: Sequence[Sequence[Tensor]]) -> list[DType]:
    """The types of the components, the same for all elements."""
    found = [[t.dtype for t in tensors] for tensors in elements]
    for other in found[1:]:
        if other != found[0]:
            expected, other_names = (", ".join(t.name for t in types) for types in (found[0], other))
            raise TypeError(f"Expected types to be consistent: {expected} vs. {other_names}.")
    return found[0]


def shapes_of(elements: Sequence[Sequence[Tensor]], shapes: Any, enqueue_many: bool) -> Any:
    """The shapes of the components, unless `shapes` gives them."""
    if shapes is not None:
        return shapes
    n = len(elements[0])
    for tensors in elements:
        for i in range(n):
            if tensors[i].shape.ndims is None:
                raise ValueError(f"Cannot infer Tensor's rank: {tensors[i]}")
    return [_merged([tensors[i].shape.as_list() for tensors in elements], enqueue_many) for i in range(n)]


def _merged(shapes: list[Any], enqueue_many: bool) -> list[Any]:
    found = [as_shape(s) for s in shapes]
    if enqueue_many:
        found = [s.with_rank_at_least(1)[1:] for s in found]
    for other in found[1:]:
        found[0].merge_with(other)
    return found[0].as_list()


def fill(
    queue: QueueBase, elements: Sequence[Sequence[Tensor]], enqueue_many: bool, keep_input: Tensor, threads: int = 1
) -> None:
    """Add a queue runner that enqueues each of `elements`, in so many threads."""
    enqueue = queue.enqueue_many if enqueue_many else queue.enqueue
    ops = [_enqueue_op(enqueue, tensors, keep_input) for tensors in elements] * threads
    add_queue_runner(QueueRunner(queue, ops))


def _enqueue_op(enqueue: Callable[[Any], Any], tensors: Sequence[Tensor], keep_input: Tensor) -> Any:
    if keep_input.shape.ndims == 1:
        which = cast(keep_input, dtypes.int32)
        return enqueue([raw_op("DynamicPartition")(t, which, num_partitions=2)[1] for t in tensors])
    return chosen(keep_input, lambda: enqueue(tensors), no_op)
