"""The runs of a queue runner's thread, several at a time.

    QueueDequeue ──► Gather ──► QueueEnqueue

A thread of a queue runner runs such a graph again and again, and each run moves one element. Most of what a run costs
is not the element, so a *round* here does what several runs would have done: it takes the elements that are there, and
no more than the other queue has room for, computes them together (stacked.py) and adds them one after the other. Only
the first element of a round is waited for. Whatever goes wrong is done again element by element; elements behind one
that fails go back to where they came from.

That is for graphs in which nothing but the ends has a state: one op that takes an element (from a queue that nothing
else takes from, or with a reader), and one enqueue op or several under conditions (buckets).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from evergraph.compiler.interpret import as_value, located
from evergraph.compiler.plan import Instruction, Plan
from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor
from evergraph.ops.datasets.many import FEWEST, columns_of
from evergraph.ops.datasets.ragged_column import LooseColumn, RaggedColumn
from evergraph.ops.queues.element_queue import Element, ElementQueue, PriorityQueue
from evergraph.ops.queues.queue_ops import held
from evergraph.ops.readers.reader_state import Reader
from evergraph.ops.running import Running
from evergraph.runtime.executor import run_plan
from evergraph.runtime.functions import caller
from evergraph.runtime.session import BaseSession
from evergraph.runtime.stacked import Stacked, stacked
from evergraph.runtime.straight import can_be_straight

MOST = 128
MOST_BYTES = 1 << 20  # of results: more would not stay in a core's cache
MOST_ALONE = 16  # that are computed one by one: other threads could do some of them
PATIENCE = 3  # rounds that fail one after the other before elements are no longer put together

_DEQUEUES = frozenset(("QueueDequeue", "QueueDequeueV2"))
_READS = frozenset(("ReaderRead", "ReaderReadV2"))
_ANY_READS = frozenset(("ReaderReadUpTo", "ReaderReadUpToV2")) | _READS
_TAKES = frozenset("QueueDequeueMany QueueDequeueManyV2 QueueDequeueUpTo QueueDequeueUpToV2".split()) | _DEQUEUES
_ENQUEUES = frozenset(("QueueEnqueue", "QueueEnqueueV2"))
_ONLY_DIRECT = frozenset(("Identity", "Merge", "NoOp", "RefSwitch", "Switch"))
_MAKERS = frozenset(
    f"{kind}{version}"
    for kind in (
        "FIFOQueue PaddingFIFOQueue RandomShuffleQueue PriorityQueue IdentityReader WholeFileReader TextLineReader "
        "FixedLengthRecordReader TFRecordReader"
    ).split()
    for version in ("", "V2")
)


def repeated(session: Any, enqueue: Any) -> Callable[[], Any]:
    """What a queue runner calls again and again: each call does what one run of `enqueue` does, or several."""
    if isinstance(session, BaseSession) and isinstance(enqueue, Operation) and enqueue.graph is session.graph:
        found = _refill(session, enqueue)
        if found is not None:
            return _Repeated(session, enqueue, found)
    return session.make_callable(enqueue)


class _Repeated:
    """Looks at the graph again when it was changed, or others take from where the elements come from."""

    def __init__(self, session: BaseSession, enqueue: Operation, refill: Refill) -> None:
        self._session, self._enqueue, self._handle = session, enqueue, refill.handle
        self._round: Callable[[], Any] = refill
        self._seen = self._now()

    def _now(self) -> tuple[int, int]:
        return self._session._graph._edits, len(self._handle._readers or ())

    def __call__(self) -> None:
        session = self._session
        if session._closed:
            raise errors.CancelledError(None, None, "Session has been closed.")
        if self._now() != self._seen:
            self._seen = self._now()
            self._round = _refill(session, self._enqueue) or session.make_callable(self._enqueue)
        self._round()


class Sink(NamedTuple):
    """One enqueue op of a round."""

    op: Operation
    components: slice  # its components among the results of the middle
    conditions: tuple[tuple[int, bool], ...]  # it runs for an element if these results have these values


def _refill(session: BaseSession, enqueue: Operation) -> Refill | None:
    """The rounds that `enqueue` allows, if it does: an enqueue op, or a group of them under conditions."""
    if enqueue.type not in _ENQUEUES and enqueue.outputs:
        return None
    plan = session._plan([enqueue], [])
    if plan.readers is not None or any(stage.writes for stage in plan.stages):
        return None
    instructions = [i for stage in plan.stages for i in stage.instructions]
    ends = {i.op: i for i in instructions if i.session}
    sources = [op for op in ends if op.type in _DEQUEUES or op.type in _READS]
    enqueues = [op for op in ends if op.type in _ENQUEUES]
    if len(sources) != 1 or not enqueues or any(i.loop or i.selector or i.random >= 0 for i in ends.values()):
        return None
    (source,) = sources
    if not {op.type for op in ends if op is not source and op not in enqueues} <= _MAKERS:
        return None
    if any(ends[op].guards or op._control_inputs for op in ends if op not in enqueues) or not _is_alone(source):
        return None
    if any(t.op not in ends for t in source.inputs) or any(_behind(op.inputs[0])[0].op not in ends for op in enqueues):
        return None
    results: list[Any] = []
    sinks = []
    for op in enqueues:
        first = len(results)
        results.extend(_behind(t)[0] for t in op.inputs[1:])
        sinks.append((op, slice(first, len(results)), _behind(op.inputs[0])[1]))
    conditions: dict[Any, int] = {}
    for _, _, tests in sinks:
        for t, _ in tests:
            conditions.setdefault(t, len(results) + len(conditions))
    results.extend(conditions)
    effects = [op for op in plan.ops if not op.outputs and op is not enqueue and op not in ends and op.type != "NoOp"]
    before = [op for sink in enqueues if not ends[sink].guards for op in sink._control_inputs if op.type != "NoOp"]
    middle = session._plan([*results, *before, *effects], list(source.outputs))
    left_out = set(plan.ops) - set(middle.ops) - set(ends)
    if any(op.type not in _ONLY_DIRECT for op in left_out) or set(middle.ops) & set(ends) or middle.may_be_dead:
        return None
    made = [Sink(op, part, tuple((conditions[t], side) for t, side in tests)) for op, part, tests in sinks]
    return Refill(session, ends, source, made, middle, len(results))


def _behind(t: Tensor) -> tuple[Tensor, list[tuple[Tensor, bool]]]:
    """The tensor that goes through branches to become `t`, and which way it goes: (predicate, side) pairs."""
    way = []
    while t.op.type in ("Switch", "RefSwitch"):
        data, predicate = t.op.inputs
        way.append((_behind(predicate)[0], t.op.outputs.index(t) == 1))
        t = data
    return t, way


def _is_alone(source: Operation) -> bool:
    """Whether nobody could tell that the op takes more than one element."""
    consumers = source.inputs[0].consumers()
    if source.type in _READS:
        return all(op.type in _READS for op in consumers)
    return not any(op is not source and (op.type in _TAKES or op.type in _READS) for op in consumers)


class Refill:
    """Rounds of one enqueue op in one session. Each is a call; several threads may be at it.

    Args:
        ends: the instructions that have to do with queues and readers.
        middle: the plan from what `source` gives to the components of elements of other queues, and to conditions.
        results: how many of its fetches those are.
    """

    def __init__(
        self,
        session: BaseSession,
        ends: dict[Operation, Instruction],
        source: Operation,
        sinks: list[Sink],
        middle: Plan,
        results: int,
    ) -> None:
        self._session, self._ends, self._source, self._sinks = session, ends, source, sinks
        self._middle, self._n = middle, results
        self.handle = source.inputs[0]
        self._stacked: Stacked | None = stacked(middle, results, len(source.outputs))
        if self._stacked is not None and not self._stacked.is_complete:
            self._stacked = None
        self._reads = source.type in _READS
        # Names of files that others take, too, are taken one by one.
        self._reads_alone = self._reads and all(
            op.type not in _TAKES and (op.type not in _ANY_READS or op.inputs[0] is self.handle)
            for op in source.inputs[-1].consumers()
        )
        self._has_one = len(sinks) == 1 and not sinks[0].conditions
        # Walking through a plan with branches takes longer than putting a single element through the rules.
        self._fewest = FEWEST if can_be_straight(middle) else 1
        self._block, self._failures = FEWEST, 0

    def __call__(self) -> None:
        session = self._session
        deadline = session._deadline()
        state = session._state
        state.resources.check_open()
        run = Running(state.resources, caller(state, deadline, run_plan), deadline)
        handles = [self._handle(t.op, run) for t in self._source.inputs]
        queues = [_queue(sink.op, self._handle(_behind(sink.op.inputs[0])[0].op, run)) for sink in self._sinks]
        most = max(1, min(self._block, max(queue.room() for queue in queues)))
        taken, put_back = self._taken(handles, most, run)
        left = len(taken)
        try:
            rows = self._rows(taken)
            if rows is not None and self._has_one:
                waiting = deque(rows)
                try:
                    self._at(self._sinks[0].op, run, partial(queues[0].enqueue_rows, waiting))
                finally:
                    left = len(waiting)
            else:
                for number, element in enumerate(taken):
                    left -= 1
                    made = rows[number] if rows is not None else self._one(element, deadline)
                    for sink, queue in zip(self._sinks, queues, strict=True):
                        if all(bool(made[place]) == side for place, side in sink.conditions):
                            self._at(sink.op, run, partial(queue.enqueue_rows, deque([made[sink.components]])))
        except BaseException:
            if left:
                put_back(taken[len(taken) - left :])
            raise
        if len(taken) >= FEWEST:
            time.sleep(0)  # whoever waits for Python's lock gets it now, not when this thread has had its 5 ms

    def _one(self, element: Element, deadline: float | None) -> Element:
        """What the middle makes of one element."""
        made = run_plan(self._middle, self._session._state, list(element), None, deadline)[: self._n]
        return tuple([np.array(value) for value in made])

    def _handle(self, op: Operation, run: Running) -> Any:
        instruction = self._ends[op]
        return self._at(op, run, lambda here: instruction.kernel(np, run=here, **instruction.attrs))

    def _at(self, op: Operation, run: Running, call: Callable[[Running], Any]) -> Any:
        try:
            return call(run.at(op))
        except Exception as error:
            raise located(error, op) from error

    def _taken(self, handles: list[Any], most: int, run: Running) -> tuple[list[Element], Callable[[Any], None]]:
        """Some elements, at least one, and what puts elements back."""
        queue = _queue(self._source, handles[-1])
        if not self._reads:
            queue.check_types(self._ends[self._source].attrs["component_types"])
            taken = [self._at(self._source, run, queue.dequeue)]
            if most > 1 and not isinstance(queue, PriorityQueue):
                taken += queue.take_more(most - 1)
            return taken, queue.put_back
        reader = held(handles[0])
        assert isinstance(reader, Reader)
        if reader.one_record and not self._reads_alone:
            most = 1
        records = self._at(self._source, run, lambda here: reader.read_on(most, queue, here))
        elements: list[Element] = [(as_value(key), as_value(value)) for key, value in records]

        def put_back(unused: list[Element]) -> None:
            reader.put_back(records[len(records) - len(unused) :], run.at(self._source))

        return elements, put_back

    def _rows(self, taken: list[Element]) -> list[Element] | None:
        """The elements to add, computed together; None if that cannot be done."""
        together, n = self._stacked, len(taken)
        self._block = min(MOST if together is not None else MOST_ALONE, 2 * self._block)
        if together is None or n < self._fewest:
            return None
        try:
            columns = columns_of(taken, [t.dtype for t in self._source.outputs], together.ragged)
            made = together(columns, (), n, self._session._state)
            size = sum(column.nbytes for column in made) // n + 1
            rows = list(zip(*map(_separate, made), strict=True))
        except Exception:  # whatever it is, going through them one by one says it at its element
            self._failures += 1
            if self._failures >= PATIENCE:
                self._stacked = None
            return None
        self._failures = 0
        self._block = max(FEWEST, min(self._block, MOST_BYTES // size))
        return rows


def _queue(op: Operation, handle: Any) -> ElementQueue:
    found = held(handle)
    assert isinstance(found, ElementQueue), op
    return found


def _separate(column: np.ndarray | RaggedColumn | LooseColumn) -> Sequence[Any]:
    """The rows of a column, in memory of their own."""
    if isinstance(column, LooseColumn):
        return column
    if isinstance(column, RaggedColumn):
        return column.separate()
    if column.dtype == object:
        return [row.copy() for row in column] if column.ndim > 1 else [column[i, ...] for i in range(len(column))]
    return list(column) if column.ndim == 1 else [row.copy() for row in column]
