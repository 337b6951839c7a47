"""The queues that a session holds: what `tf.FIFOQueue` and its relatives are at run time.

Elements are tuples of arrays, one for each component. Whoever adds or takes elements makes an *attempt*. Attempts to
add and attempts to take stand in a line each, and only the first of a line is tried, so those that came first are
served first, also when there is not yet enough for them:

    adding:  [enqueue_many, enqueue, close]  ->  elements  ->  taking:  [dequeue_many, dequeue]

An attempt may get part of what it wants: `enqueue_many` fills the queue up and waits with the rest. Each change tries
both lines again until nothing moves, and wakes exactly the threads whose attempts are complete.
"""

from __future__ import annotations

import heapq
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, bracket_text
from evergraph.ops import philox
from evergraph.ops.datasets.aligned import aligned
from evergraph.ops.datasets.stacking import column_of
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running

UNBOUNDED = 2**31 - 1
Element = tuple[np.ndarray, ...]

STUCK, MOVED, COMPLETE = range(3)  # what trying an attempt came to


class Attempt:
    """One call that adds elements or takes some."""

    __slots__ = ("condition", "done", "error", "gathered", "missing", "result", "step")

    def __init__(self, missing: int, step: Callable[[Attempt], int]) -> None:
        self.missing = missing  # elements still to be added or taken
        self.step = step
        self.gathered: list[Element] = []
        self.result: Any = None
        self.error: errors.OpError | None = None
        self.done = False
        self.condition: threading.Condition | None = None

    def fails(self, error: errors.OpError) -> int:
        self.error = error
        return COMPLETE


class ElementQueue:
    """What all queues share; a subclass says how elements are kept.

    Args:
        capacity: how many elements fit; negative for any number.
        types: one for each component.
        shapes: one for each component, or none at all when elements may have any shapes.
        name: what error messages call it.
    """

    kind = "Queue"
    _elements: Any

    def __init__(self, capacity: int, types: Sequence[DType], shapes: Sequence[Shape], name: str) -> None:
        self.capacity = UNBOUNDED if capacity < 0 else capacity
        self.types = list(types)
        self.shapes = list(shapes)
        self.name = name
        self.closed = False
        self.lock = threading.Lock()
        self._adding: deque[Attempt] = deque()
        self._taking: deque[Attempt] = deque()
        if self.shapes and len(self.shapes) != len(self.types):
            raise kernel_error(
                f"Different number of component types and shapes: {len(self.types)} vs. {len(self.shapes)}"
            )

    # How elements are kept

    def _put(self, element: Element) -> None:
        self._elements.append(element)

    def _take(self) -> Element:
        return self._elements.popleft()

    def _give_back(self, elements: list[Element]) -> None:
        """Put elements back that an attempt took and has no use for."""
        self._elements.extendleft(reversed(elements))

    def _available(self) -> int:
        """How many elements may be taken now."""
        return len(self._elements)

    # What the ops ask for

    def size(self) -> int:
        with self.lock:
            return len(self._elements)

    def enqueue(self, element: Element, run: Running) -> None:
        """Add one element; waits while the queue is full."""
        self._check_tuple(element, self.types)
        self._check_shapes(element, None)
        copied = tuple(np.array(component) for component in element)

        def step(attempt: Attempt) -> int:
            if self.closed:
                return attempt.fails(self._is_closed())
            if len(self._elements) >= self.capacity:
                return STUCK
            self._put(copied)
            return COMPLETE

        self._attempt(self._adding, Attempt(1, step), run, "Enqueue")

    def enqueue_many(self, batch: Element, run: Running) -> None:
        """Add the slices of `batch` along its first dimension; waits while the queue is full."""
        self._check_tuple(batch, self.types)
        for i, component in enumerate(batch):
            if component.ndim == 0:
                raise kernel_error(f"enqueue_many needs a first dimension to slice, but component {i} is a scalar")
        n = len(batch[0])
        self._check_shapes(batch, n)
        if n == 0:
            return
        copied = [np.array(component) for component in batch]

        def step(attempt: Attempt) -> int:
            if self.closed:
                return attempt.fails(self._is_closed())
            room = min(self.capacity - len(self._elements), attempt.missing)
            first = n - attempt.missing
            for i in range(first, first + room):
                self._put(tuple(component[i, ...] for component in copied))
            attempt.missing -= max(room, 0)
            return COMPLETE if attempt.missing == 0 else MOVED if room > 0 else STUCK

        self._attempt(self._adding, Attempt(n, step), run, "Enqueue")

    def dequeue(self, run: Running) -> Element:
        """Take one element; waits while there is none."""

        def step(attempt: Attempt) -> int:
            if self.closed and not self._elements:
                return attempt.fails(self._lacks(1, 0))
            if self._available() <= 0:
                return STUCK
            attempt.result = self._take()
            return COMPLETE

        return self._attempt(self._taking, Attempt(1, step), run, "Dequeue")

    def dequeue_many(self, n: int, fewer: bool, run: Running) -> list[np.ndarray]:
        """Take `n` elements and stack them; with `fewer`, a closed queue may give what it has left."""
        if n < 0:
            raise kernel_error(f"DequeueManyOp requested {n} < 0 elements")
        self._check_stackable()
        if n == 0:
            return [np.zeros((0, *self._zero_unknown(s)), t.np) for t, s in zip(self.types, self.shapes, strict=True)]

        def step(attempt: Attempt) -> int:
            return self._step_many(attempt, fewer)

        return self._attempt(self._taking, Attempt(n, step), run, "Dequeue")

    def take_more(self, most: int) -> list[Element]:
        """Up to `most` elements that can be taken without waiting, if nobody else waits for some."""
        with self.lock:
            taken: list[Element] = []
            while not self._taking and (n := min(most - len(taken), self._available())) > 0:
                taken += [self._take() for _ in range(n)]
                self._flush()  # whoever waits to add more may do so now
        return taken

    def put_back(self, elements: list[Element]) -> None:
        """Put elements back in front: they were taken, and have not been used."""
        with self.lock:
            self._give_back(elements)
            self._flush()

    def room(self) -> int:
        """How many elements could be added now without waiting."""
        with self.lock:
            return 0 if self._adding else max(0, self.capacity - len(self._elements))

    def enqueue_rows(self, rows: deque[Element], run: Running) -> None:
        """Add elements one after the other; waits while the queue is full. Those that were not added stay in `rows`.

        Their components are the caller's own, and are not copied.
        """
        for row in rows:
            self._check_tuple(row, self.types)
            self._check_shapes(row, None)

        def step(attempt: Attempt) -> int:
            if self.closed:
                return attempt.fails(self._is_closed())
            before = len(rows)
            while rows and len(self._elements) < self.capacity:
                self._put(rows.popleft())
            return COMPLETE if not rows else MOVED if len(rows) < before else STUCK

        self._attempt(self._adding, Attempt(len(rows), step), run, "Enqueue")

    def _step_many(self, attempt: Attempt, fewer: bool) -> int:
        if self.closed and len(self._elements) < attempt.missing:
            wanted, left = attempt.missing, len(self._elements)
            self._give_back(attempt.gathered)
            attempt.gathered = []
            if fewer and self._elements:
                attempt.missing = len(self._elements)
            elif fewer and self._adding:
                return MOVED
            else:
                return attempt.fails(self._lacks(wanted, left))
        takes = min(self._available(), attempt.missing)
        attempt.gathered.extend(self._take() for _ in range(takes))
        attempt.missing -= max(takes, 0)
        if attempt.missing == 0:
            return self._finish(attempt)
        return MOVED if takes > 0 else STUCK

    def _finish(self, attempt: Attempt) -> int:
        try:
            attempt.result = self._stacked(attempt.gathered)
        except errors.OpError as error:
            return attempt.fails(error)
        return COMPLETE

    def close(self, cancel_pending: bool, run: Running) -> None:
        """Take no more elements: at once, failing those that wait, or else after those that wait."""
        if not cancel_pending:
            self._attempt(self._adding, Attempt(0, self._step_close), run, "Close")
            return
        with self.lock:
            self.closed = True
            for attempt in self._adding:
                attempt.error = kernel_error("Enqueue operation was cancelled", errors.CancelledError)
                self._wake(attempt)
            self._adding.clear()
            self._flush()

    def _step_close(self, attempt: Attempt) -> int:
        if self.closed:
            return attempt.fails(kernel_error(f"Queue '{self.name}' is already closed.", errors.CancelledError))
        self.closed = True
        return COMPLETE

    # Attempts

    def _attempt(self, line: deque[Attempt], attempt: Attempt, run: Running, what: str) -> Any:
        with self.lock:
            line.append(attempt)
            self._flush()
            if not attempt.done:
                attempt.condition = threading.Condition(self.lock)
                try:
                    run.wait_for(attempt.condition, lambda: attempt.done)
                except BaseException as error:
                    self._withdraw(line, attempt)
                    if isinstance(error, errors.CancelledError):
                        raise kernel_error(f"{what} operation was cancelled", errors.CancelledError) from None
                    raise
        if attempt.error is not None:
            raise attempt.error
        return attempt.result

    def _withdraw(self, line: deque[Attempt], attempt: Attempt) -> None:
        """Its run is over: nobody waits for it any more."""
        if not attempt.done:
            line.remove(attempt)
            if attempt.gathered:
                self._give_back(attempt.gathered)
            self._flush()

    def _flush(self) -> None:
        """Serve both lines until nothing moves. The caller holds the lock."""
        while True:
            added = self._try(self._adding)
            if not (self._try(self._taking) or added):
                return

    def _try(self, line: deque[Attempt]) -> bool:
        progress = False
        while line:
            attempt = line[0]
            outcome = attempt.step(attempt)
            if outcome != COMPLETE:
                return progress or outcome == MOVED
            progress = True
            line.popleft()
            self._wake(attempt)
        return progress

    def _wake(self, attempt: Attempt) -> None:
        attempt.done = True
        if attempt.condition is not None:
            attempt.condition.notify_all()

    def after_fork(self) -> None:
        """Called in a process that was just forked: the threads that waited here are in the other one."""
        for attempt in self._taking:
            if attempt.gathered:
                self._give_back(attempt.gathered)
        self._adding.clear()
        self._taking.clear()

    # Checks and messages

    def check_types(self, types: Sequence[DType]) -> None:
        """Refuse an op that wants other component types than this queue has."""
        if list(types) != self.types:
            raise kernel_error(
                f"Signature mismatch, have: {_names(self.types)} in the queue '{self.name}', expected: {_names(types)}"
            )

    def _check_tuple(self, components: Element, types: Sequence[DType]) -> None:
        if len(components) != len(types):
            raise kernel_error(f"Wrong number of components in tuple. Expected {len(types)}, got {len(components)}")

    def _check_shapes(self, components: Element, batch: int | None) -> None:
        if not self.shapes:
            for i, component in enumerate(components):
                if batch is not None and len(component) != batch:
                    raise kernel_error(
                        "All input tensors must have the same size in the 0th dimension. Component "
                        f"{i} has {len(component)}, and should have {batch}"
                    )
            return
        for i, (component, inner) in enumerate(zip(components, self.shapes, strict=True)):
            expected = inner if batch is None or inner is None else (batch, *inner)
            if not _fits(component.shape, expected):
                raise kernel_error(
                    f"Shape mismatch in tuple component {i}. Expected {bracket_text(expected)}, got "
                    f"{bracket_text(component.shape)}"
                )

    def _check_stackable(self) -> None:
        if not self.shapes:
            raise kernel_error(
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes."
            )

    @staticmethod
    def _zero_unknown(shape: Shape) -> tuple[int, ...]:
        return tuple(d or 0 for d in shape or ())

    def _stacked(self, elements: list[Element]) -> list[np.ndarray]:
        parts = zip(zip(*elements, strict=True), self.types, strict=True)
        return [column_of(components, kind, i) for i, (components, kind) in enumerate(parts)]

    def _is_closed(self) -> errors.OpError:
        return kernel_error(f"{self.kind} '{self.name}' is closed.", errors.CancelledError)

    def _lacks(self, wanted: int, left: int) -> errors.OpError:
        return kernel_error(
            f"{self.kind} '{self.name}' is closed and has insufficient elements (requested {wanted}, current size "
            f"{left})",
            errors.OutOfRangeError,
        )

    def check_same(
        self, kind: type[ElementQueue], capacity: int, types: Sequence[DType], shapes: Sequence[Shape]
    ) -> None:
        """Refuse an op that names this queue but describes another."""
        if type(self) is not kind:
            raise kernel_error(
                f"Shared queue '{self.name}' has type '{self.kind}' that does not match the type '{kind.kind}' asked "
                "for"
            )
        wanted = UNBOUNDED if capacity < 0 else capacity
        if wanted != self.capacity:
            raise kernel_error(
                f"Shared queue '{self.name}' has capacity {self.capacity} but requested capacity was {wanted}"
            )
        if list(types) != self.types:
            raise kernel_error(
                f"Shared queue '{self.name}' has component types {_names(self.types)} but requested component types "
                f"were {_names(types)}"
            )
        if not self._same_shapes(list(shapes)):
            raise kernel_error(
                f"Shared queue '{self.name}' has component shapes {_shapes_text(self.shapes)} but requested component "
                f"shapes were {_shapes_text(shapes)}"
            )

    def _same_shapes(self, shapes: list[Shape]) -> bool:
        return shapes == self.shapes


class FifoQueue(ElementQueue):
    """Gives elements in the order in which they came."""

    kind = "FIFOQueue"

    def __init__(self, capacity: int, types: Sequence[DType], shapes: Sequence[Shape], name: str) -> None:
        super().__init__(capacity, types, shapes, name)
        self._elements: deque[Element] = deque()


class PaddingFifoQueue(FifoQueue):
    """Elements may differ in the dimensions that their shapes leave open; a batch pads them with zeros."""

    kind = "PaddingFIFOQueue"

    def _check_stackable(self) -> None:
        pass

    def _stacked(self, elements: list[Element]) -> list[np.ndarray]:
        batch = []
        for shape, kind, components in zip(self.shapes, self.types, zip(*elements, strict=True), strict=True):
            if shape is not None and None not in shape:
                batch.append(column_of(components, kind))
                continue
            sizes = [max(sizes) for sizes in zip(*(c.shape for c in components), strict=True)]
            whole = aligned((len(components), *sizes), kind)
            whole[...] = b"" if kind._kind == "S" else np.zeros((), kind.np)
            for i, component in enumerate(components):
                corner: tuple[Any, ...] = (i, *(slice(0, n) for n in component.shape))
                whole[corner] = component
            batch.append(whole)
        return batch

    def _same_shapes(self, shapes: list[Shape]) -> bool:
        return len(shapes) == len(self.shapes) and all(
            a is None or b is None or (len(a) == len(b) and all(x == y or None in (x, y) for x, y in zip(a, b)))
            for a, b in zip(shapes, self.shapes, strict=True)
        )


class RandomShuffleQueue(ElementQueue):
    """Gives elements in random order, and while it is open keeps some back to choose from.

    Args:
        keep: how many elements stay in the queue while it is open.
        seeds: of the random numbers; (0, 0) for others each time.
    """

    kind = "RandomShuffleQueue"

    def __init__(
        self,
        capacity: int,
        types: Sequence[DType],
        shapes: Sequence[Shape],
        name: str,
        keep: int = 0,
        seeds: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(capacity, types, shapes, name)
        self._elements: list[Element] = []
        self.keep = keep
        self.seeds = seeds
        self._key = seeds if any(seeds) else (secrets.randbits(64), secrets.randbits(64))
        self._words: list[int] = []
        self._block = 0

    def _take(self) -> Element:
        elements = self._elements
        chosen = self._random_word() % len(elements)
        element, last = elements[chosen], elements.pop()
        if chosen < len(elements):
            elements[chosen] = last
        return element

    def _give_back(self, elements: list[Element]) -> None:
        self._elements.extend(reversed(elements))

    def _available(self) -> int:
        return len(self._elements) - (0 if self.closed else self.keep)

    def _random_word(self) -> int:
        if not self._words:
            counters = np.arange(self._block, self._block + 256, dtype=np.uint64)
            words = np.stack(philox.blocks(np, counters, *self._key), axis=-1)
            self._words = words.ravel()[::-1].tolist()
            self._block += 256
        return self._words.pop()


class PriorityQueue(ElementQueue):
    """Gives the element whose first component, an int64 scalar, is least."""

    kind = "PriorityQueue"

    def __init__(self, capacity: int, types: Sequence[DType], shapes: Sequence[Shape], name: str) -> None:
        super().__init__(capacity, types, shapes, name)
        self._elements: list[tuple[int, int, Element]] = []
        self._count = 0

    def _put(self, element: Element) -> None:
        self._count += 1
        heapq.heappush(self._elements, (int(element[0]), self._count, element))

    def _take(self) -> Element:
        return heapq.heappop(self._elements)[2]

    def enqueue(self, element: Element, run: Running) -> None:
        self._check_tuple(element, self.types)
        self._check_priority(element[0].shape)
        super().enqueue(element, run)

    def enqueue_many(self, batch: Element, run: Running) -> None:
        self._check_tuple(batch, self.types)
        self._check_priority(batch[0].shape[1:])
        super().enqueue_many(batch, run)

    def _check_priority(self, shape: tuple[int, ...]) -> None:
        if shape and not self.shapes:  # with shapes, the check of shapes says it
            raise kernel_error(
                f"Expected the priority element to be a scalar, but received shape: {bracket_text(shape)}"
            )

    def _check_stackable(self) -> None:
        if not self.shapes:
            raise kernel_error("PriorityQueue's DequeueMany requires the components to have specified shapes.")

    def _step_many(self, attempt: Attempt, fewer: bool) -> int:
        """All at once or not at all: what is taken early might not be what is least in the end."""
        left = len(self._elements)
        if self.closed and (left == 0 or not fewer and left < attempt.missing):
            return attempt.fails(self._lacks(attempt.missing, left))
        if left < attempt.missing:
            if not (self.closed and fewer):
                return STUCK
            attempt.missing = left
        attempt.gathered = [self._take() for _ in range(attempt.missing)]
        attempt.missing = 0
        return self._finish(attempt)


def _fits(shape: tuple[int, ...], expected: Shape) -> bool:
    if expected is None:
        return True
    return len(shape) == len(expected) and all(e is None or d == e for d, e in zip(shape, expected, strict=True))


_TYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}  # in TF's messages


def _names(types: Sequence[DType]) -> str:
    return ", ".join(_TYPE_NAMES.get(t.name, t.name) for t in types)


def _shapes_text(shapes: Sequence[Shape]) -> str:
    return "[" + ", ".join(bracket_text(shape) for shape in shapes) + "]"
