"""`tf.FIFOQueue` and its relatives: what a program makes, enqueues into and dequeues from.

    queue = tf.FIFOQueue(32, [tf.float32, tf.int32], shapes=[[8], []])
    put = queue.enqueue((example, label))
    examples, labels = queue.dequeue_many(16)

The elements themselves are in the session that runs `put`.
"""

from __future__ import annotations

import hashlib
from functools import reduce
from typing import Any

from evergraph.framework import convert, dtypes, shapes
from evergraph.framework.api import public
from evergraph.framework.scopes import get_seed, name_scope
from evergraph.framework.shapes import Dimension, TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.gather import gather
from evergraph.ops.joining import stack
from evergraph.ops.opdef import constant_value, raw_op
from evergraph.ops.queues.components import name_list, scope_values, shape_list, type_list


def _common_shape(a: Any, b: Any) -> TensorShape:
    """The most specific shape that both `a` and `b` fit."""
    a, b = TensorShape(a), TensorShape(b)
    if a.ndims is None or b.ndims is None or a.ndims != b.ndims:
        return shapes.unknown_shape()
    return TensorShape([x if x == y else None for x, y in zip(a.as_list(), b.as_list(), strict=True)])


@public("QueueBase", "io.QueueBase", "queue.QueueBase")
class QueueBase:
    """A queue of elements, which are tuples of tensors.

    Args:
        dtypes: the types of an element's components.
        shapes: their shapes, or None when each element may have any.
        names: their names: elements are then dictionaries.
        queue_ref: the handle of the queue.
    """

    def __init__(self, dtypes: Any, shapes: Any, names: Any, queue_ref: Tensor) -> None:
        self._dtypes = dtypes
        if shapes is None:
            self._shapes = [TensorShape(None) for _ in dtypes]
        elif len(shapes) != len(dtypes):
            raise ValueError(f"Queue shapes must have the same length as dtypes: {len(shapes)}, {len(dtypes)}")
        else:
            self._shapes = [TensorShape(s) for s in shapes]
        if names is not None and len(names) != len(dtypes):
            raise ValueError(f"Queue names must have the same length as dtypes: {len(names)}, {len(dtypes)}")
        self._names = names
        self._queue_ref = queue_ref
        self._name = queue_ref.op.name.split("/")[-1]

    @staticmethod
    def from_list(index: Any, queues: Any) -> QueueBase:
        """The queue of `queues` that `index`, an integer tensor, selects in each run.

        Raises:
            TypeError: if the queues differ in their components, or are none.
        """
        if not isinstance(queues, list) or not queues or not all(isinstance(q, QueueBase) for q in queues):
            raise TypeError("A list of queues expected")
        first = queues[0]
        if not all(first.dtypes == q.dtypes for q in queues[1:]):
            raise TypeError("Queues do not have matching component dtypes.")
        if not all(first.names == q.names for q in queues[1:]):
            raise TypeError("Queues do not have matching component names.")
        common = [reduce(_common_shape, s) for s in zip(*(q.shapes for q in queues), strict=True)]
        selected = gather(stack([q.queue_ref for q in queues]), index)
        return QueueBase(dtypes=first.dtypes, shapes=common, names=first.names, queue_ref=selected)

    @property
    def queue_ref(self) -> Tensor:
        """The handle of the queue."""
        return self._queue_ref

    @property
    def name(self) -> str:
        return self._queue_ref.op.name

    @property
    def dtypes(self) -> Any:
        """The types of an element's components."""
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of an element's components."""
        return self._shapes

    @property
    def names(self) -> Any:
        """The names of an element's components, or None."""
        return self._names

    def _checked(self, vals: Any) -> list[Tensor]:
        if isinstance(vals, dict):
            if not self._names:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names, key=str) != sorted(vals.keys(), key=str):
                raise ValueError(
                    "Keys in dictionary to enqueue do not match names of Queue.  Dictionary: "
                    f"({sorted(vals.keys())}), Queue: ({sorted(self._names)})"
                )
            vals = [vals[k] for k in self._names]
        elif self._names:
            raise ValueError("You must enqueue a dictionary in a Queue with names")
        elif not isinstance(vals, list | tuple):
            vals = [vals]
        pairs = zip(vals, self._dtypes, strict=False)
        return [convert.converted(v, dtype, f"component_{i}") for i, (v, dtype) in enumerate(pairs)]

    def _op(self, kind: str) -> Any:
        return raw_op(kind + "V2" if self._queue_ref.dtype is dtypes.resource else kind)

    def enqueue(self, vals: Any, name: str | None = None) -> Any:
        """An op that adds one element. It waits while the queue is full.

        Args:
            vals: a tensor, a list or tuple of one per component, or a dictionary.

        In a run it raises:
            CancelledError: if the queue is closed, or the session while it waits.
            InvalidArgumentError: if a shape does not fit.
        """
        with name_scope(name, f"{self._name}_enqueue", scope_values(vals)) as scope:
            tensors = self._checked(vals)
            for t, shape in zip(tensors, self._shapes, strict=False):
                t.get_shape().assert_is_compatible_with(shape)
            return self._op("QueueEnqueue")(self._queue_ref, tensors, name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Any:
        """An op that adds the slices of `vals` along the first dimension. It waits while the queue is full.

        Args:
            vals: a tensor, a list or tuple of one per component, or a dictionary; all of the same first dimension.
        """
        with name_scope(name, f"{self._name}_EnqueueMany", scope_values(vals)) as scope:
            tensors = self._checked(vals)
            batch = Dimension(None)
            for t, shape in zip(tensors, self._shapes, strict=False):
                batch = batch.merge_with(Dimension(shapes.dimension_value(t.get_shape().with_rank_at_least(1)[0])))
                t.get_shape()[1:].assert_is_compatible_with(shape)
            return raw_op("QueueEnqueueManyV2")(self._queue_ref, tensors, name=scope)

    def _element(self, tensors: Any) -> Any:
        if self._names:
            return {n: tensors[i] for i, n in enumerate(self._names)}
        return tensors[0] if len(tensors) == 1 else tensors

    def dequeue(self, name: str | None = None) -> Any:
        """The next element: a tensor, a list of one per component, or a dictionary. It waits while there is none.

        In a run it raises:
            OutOfRangeError: if the queue is closed and empty.
            CancelledError: if the session is closed while it waits.
        """
        tensors = self._op("QueueDequeue")(
            self._queue_ref, self._dtypes, name=f"{self._name}_Dequeue" if name is None else name
        )
        for t, shape in zip(tensors, self._shapes, strict=True):
            t.set_shape(shape)
        return self._element(tensors)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """The next `n` elements, stacked component by component. It waits until there are so many.

        In a run it raises:
            OutOfRangeError: if the queue is closed and has fewer.
        """
        tensors = raw_op("QueueDequeueManyV2")(
            self._queue_ref,
            n=n,
            component_types=self._dtypes,
            name=f"{self._name}_DequeueMany" if name is None else name,
        )
        known = constant_value(tensors[0].op.inputs[1])
        self._set_batch_shapes(tensors, None if known is None else int(known))
        return self._element(tensors)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """The next `n` elements, or those that are left in a closed queue, stacked component by component."""
        tensors = raw_op("QueueDequeueUpToV2")(
            self._queue_ref,
            n=n,
            component_types=self._dtypes,
            name=f"{self._name}_DequeueUpTo" if name is None else name,
        )
        self._set_batch_shapes(tensors, None)
        return self._element(tensors)

    def _set_batch_shapes(self, tensors: Any, batch: int | None) -> None:
        for t, shape in zip(tensors, self._shapes, strict=True):
            t.set_shape(TensorShape([batch]).concatenate(shape))

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Any:
        """An op that closes the queue: elements can be taken until it is empty, none can be added.

        Args:
            cancel_pending_enqueues: whether enqueues that wait now fail with `CancelledError`; else they finish first.
        """
        return self._op("QueueClose")(
            self._queue_ref,
            cancel_pending_enqueues=cancel_pending_enqueues,
            name=f"{self._name}_Close" if name is None else name,
        )

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue is closed: a bool scalar."""
        return self._op("QueueIsClosed")(self._queue_ref, name=f"{self._name}_Is_Closed" if name is None else name)

    def size(self, name: str | None = None) -> Tensor:
        """How many elements the queue holds: an int32 scalar."""
        return self._op("QueueSize")(self._queue_ref, name=f"{self._name}_Size" if name is None else name)


@public("FIFOQueue", "queue.FIFOQueue")
class FIFOQueue(QueueBase):
    """A queue that gives elements in the order in which they came.

    Args:
        capacity: how many elements fit; negative for any number.
        dtypes: the types of an element's components.
        shapes: their shapes, which must be fully known; None lets each element have its own, but then only single
            elements can be taken.
        names: their names, for elements that are dictionaries.
        shared_name: queues of one shared name are one queue in a session.

    >>> with tf.Session() as s:
    ...     queue = tf.FIFOQueue(3, tf.int32, shapes=())
    ...     s.run(queue.enqueue_many([[1, 2, 3]]))
    ...     s.run(queue.dequeue_many(2))
    array([1, 2], dtype=int32)
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "fifo_queue",
    ) -> None:
        dtypes = type_list(dtypes)
        shapes = shape_list(shapes)
        names = name_list(names, dtypes)
        ref = raw_op("FIFOQueueV2")(
            component_types=dtypes, shapes=shapes, capacity=capacity, shared_name=shared_name, name=name
        )
        super().__init__(dtypes, shapes, names, ref)


@public("RandomShuffleQueue", "io.RandomShuffleQueue", "queue.RandomShuffleQueue")
class RandomShuffleQueue(QueueBase):
    """A queue that gives its elements in random order.

    Args:
        capacity: how many elements fit; negative for any number.
        min_after_dequeue: how many stay in the queue while it is open, to choose from.
        dtypes, shapes, names, shared_name: as for `FIFOQueue`.
        seed: of the random numbers; see `tf.set_random_seed`.
    """

    def __init__(
        self,
        capacity: int,
        min_after_dequeue: int,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: int | None = None,
        shared_name: str | None = None,
        name: str = "random_shuffle_queue",
    ) -> None:
        dtypes = type_list(dtypes)
        shapes = shape_list(shapes)
        names = name_list(names, dtypes)
        seed1, seed2 = get_seed(seed)
        if seed1 is None and seed2 is None:
            seed1, seed2 = 0, 0
        elif seed is None and shared_name is not None:
            # Queues of one name agree on the seeds, wherever in the program each is made.
            text = f"{seed1}{shared_name}".encode()
            seed2 = int(hashlib.md5(text).hexdigest()[:8], 16) & 0x7FFFFFFF
        ref = raw_op("RandomShuffleQueueV2")(
            component_types=dtypes,
            shapes=shapes,
            capacity=capacity,
            min_after_dequeue=min_after_dequeue,
            seed=seed1,
            seed2=seed2,
            shared_name=shared_name,
            name=name,
        )
        super().__init__(dtypes, shapes, names, ref)


@public("PaddingFIFOQueue", "io.PaddingFIFOQueue", "queue.PaddingFIFOQueue")
class PaddingFIFOQueue(QueueBase):
    """A queue like `FIFOQueue` whose elements may differ in size.

    Args:
        shapes: one for each component; a dimension that is None may differ, and `dequeue_many` pads it with zeros.
        capacity, dtypes, names, shared_name: as for `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ) -> None:
        dtypes = type_list(dtypes)
        found = shape_list(shapes, unknown_dim_allowed=True)
        assert found is not None
        names = name_list(names, dtypes)
        if len(dtypes) != len(found):
            raise ValueError(
                f"Shapes must be provided for all components, but received {len(dtypes)} dtypes and {len(found)} "
                "shapes."
            )
        ref = raw_op("PaddingFIFOQueueV2")(
            component_types=dtypes, shapes=found, capacity=capacity, shared_name=shared_name, name=name
        )
        super().__init__(dtypes, found, names, ref)


@public("PriorityQueue", "io.PriorityQueue", "queue.PriorityQueue")
class PriorityQueue(QueueBase):
    """A queue that gives the element of least priority first.

    Args:
        types: the types of an element's components, besides the int64 priority that comes first.
        shapes: their shapes, without that of the priority.
        capacity, names, shared_name: as for `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: int,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str = "priority_queue",
    ) -> None:
        types = type_list(types)
        shapes = shape_list(shapes)
        ref = raw_op("PriorityQueueV2")(
            component_types=types, shapes=shapes, capacity=capacity, shared_name=shared_name, name=name
        )
        super().__init__([dtypes.int64, *types], [(), *shapes] if shapes else shapes, names, ref)
