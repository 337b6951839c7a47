"""Runs that come at the same time do their work together: one of them for all, while the others wait.

    Batch       gives the last run that joined all inputs, one after the other, and the others none
    Unbatch     waits for the rows of its own run, wherever the work on them was done
    BatchFunction  does both around a function

A batch is closed when it is full, or its time is up. All three are objects of the session, by name.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes, errors
from evergraph.framework.api import public
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.functions.defun import Defun
from evergraph.ops.opdef import kernel_error, op, raw_op
from evergraph.ops.running import Running

_ids = itertools.count(1)


class _Batch:
    """What one batch holds: the inputs of each run, and in the end the outputs."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.tasks: list[list[np.ndarray]] = []
        self.ids: list[int] = []
        self.is_closed = False
        self.outputs: list[list[np.ndarray]] | None = None
        self.error: Exception | None = None

    @property
    def size(self) -> int:
        return sum(len(task[0]) for task in self.tasks)

    def bounds(self) -> list[tuple[int, int]]:
        """Where each run's rows begin and end."""
        ends = np.cumsum([len(task[0]) for task in self.tasks]).tolist()
        return list(zip([0, *ends[:-1]], ends, strict=True))

    def whole(self, allowed_sizes: Sequence[int]) -> list[np.ndarray]:
        """The inputs of all runs, filled up with the first row to the next size that is allowed."""
        missing = min((size for size in allowed_sizes if size >= self.size), default=self.size) - self.size
        wholes = []
        for parts in zip(*self.tasks, strict=True):
            filling = [next(part for part in parts if len(part))[:1]] * missing
            wholes.append(np.concatenate([*parts, *filling]))
        return wholes


class Batcher:
    """Puts the inputs of runs into batches."""

    def __init__(self, max_size: int, timeout_micros: int) -> None:
        self._condition = threading.Condition()
        self._max_size = max_size
        self._timeout = timeout_micros * 1e-6
        self._open: dict[bytes, _Batch] = {}

    def join(self, run: Running, queue: bytes, inputs: list[np.ndarray]) -> tuple[_Batch, int]:
        """Add the inputs of a run; gives, once it is closed, the batch they are in and their place there."""
        size = _size_of(inputs)
        if size > self._max_size:
            raise kernel_error(f"Task size {size} is larger than maximum batch size {self._max_size}")
        with self._condition:
            batch = self._open.get(queue)
            if batch is not None and batch.size + size > self._max_size:
                self._close(queue, batch)
                batch = None
            if batch is None:
                batch = self._open[queue] = _Batch(time.monotonic() + self._timeout)
            batch.tasks.append(inputs)
            batch.ids.append(next(_ids))
            place = len(batch.tasks) - 1
            if batch.size == self._max_size:
                self._close(queue, batch)

            def is_closed() -> bool:
                if not batch.is_closed and time.monotonic() >= batch.deadline:
                    self._close(queue, batch)
                return batch.is_closed

            _wait(run, self._condition, is_closed, batch.deadline)
        return batch, place

    def _close(self, queue: bytes, batch: _Batch) -> None:
        batch.is_closed = True
        if self._open.get(queue) is batch:
            del self._open[queue]
        self._condition.notify_all()

    def outputs_of(
        self, run: Running, batch: _Batch, place: int, compute: Callable[[], list[list[np.ndarray]]]
    ) -> list[np.ndarray]:
        """The outputs of one run: the last of the batch computes those of all."""
        if place == len(batch.tasks) - 1:
            try:
                batch.outputs = compute()
            except Exception as error:
                batch.error = error
            with self._condition:
                self._condition.notify_all()
        else:
            with self._condition:
                run.wait_for(self._condition, lambda: batch.outputs is not None or batch.error is not None)
        if batch.error is not None:
            raise batch.error
        assert batch.outputs is not None
        return batch.outputs[place]


def _wait(run: Running, condition: threading.Condition, ready: Callable[[], bool], until: float | None) -> bool:
    """Wait until `ready()`, or for a moment in time; whether it is ready."""
    if ready():
        return True
    run.let_others_go_on()
    with run.resources.woken_at_close(condition), run.step.woken_at_failure(condition):
        while not ready():
            run.check()
            limits = [limit - time.monotonic() for limit in (until, run.deadline) if limit is not None]
            if until is not None and time.monotonic() >= until:
                return ready()
            condition.wait(max(0.0, min(limits)) if limits else None)
    return True


def _size_of(inputs: Sequence[np.ndarray]) -> int:
    if any(not x.ndim for x in inputs):
        raise kernel_error("Batching input tensors must have at least one dimension")
    sizes = {x.shape[0] for x in inputs}
    if len(sizes) > 1:
        raise kernel_error(
            "Batching input tensors supplied in a given op invocation must have equal 0th-dimension size"
        )
    return sizes.pop()


@op("Batch", host=True, session=True)
def batch(
    xp: Any,
    in_tensors: Any,
    *,
    run: Running,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Any,
    container: bytes,
    shared_name: bytes,
    batching_queue: bytes,
) -> Any:
    """The inputs of all runs of a batch in the last of them; in the others, nothing."""
    batcher = run.resource(container, shared_name, lambda: Batcher(max_batch_size, batch_timeout_micros))
    inputs = [np.asarray(x) for x in in_tensors]
    held, place = batcher.join(run, batching_queue, inputs)
    own = np.int64(held.ids[place])
    if place < len(held.tasks) - 1:
        return *(x[:0] for x in inputs), np.zeros((0, 3), np.int64), own
    index = [(number, *ends) for number, ends in zip(held.ids, held.bounds(), strict=True)]
    return *held.whole(allowed_batch_sizes), np.array(index, np.int64), own


@batch.shape_from_op
def batch_shape(made: Operation) -> Any:
    shapes = [t.static_shape for t in made.inputs]
    return [*(None if s is None else (None, *s[1:]) for s in shapes), (None, 3), ()]


@batch.gradient
def batch_grad(made: Operation, *grads: Any) -> list[Tensor]:
    return [
        raw_op("Unbatch")(
            grads[i],
            made.outputs[-2],
            made.outputs[-1],
            timeout_micros=made.attrs["grad_timeout_micros"],
            shared_name=f"batch_gradient_{made.name}_{i}",
        )
        for i in range(len(made.inputs))
    ]


class Exchange:
    """What runs leave for each other: arrays by the number of the run they are for."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.held: dict[int, np.ndarray] = {}


@op("Unbatch", host=True, session=True)
def unbatch(
    xp: Any,
    batched_tensor: Any,
    batch_index: Any,
    id: Any,
    *,
    run: Running,
    timeout_micros: int,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """The rows of this run; the run that has those of the whole batch hands them out."""
    exchange = run.resource(container, shared_name, Exchange)
    with exchange.condition:
        for number, start, end in np.asarray(batch_index).reshape(-1, 3).tolist():
            exchange.held[number] = np.asarray(batched_tensor)[start:end]
        exchange.condition.notify_all()
        own = int(id)
        until = time.monotonic() + timeout_micros * 1e-6
        if not _wait(run, exchange.condition, lambda: own in exchange.held, until):
            raise kernel_error("Batched data did not arrive within timeout window.", errors.DeadlineExceededError)
        return exchange.held.pop(own)


@unbatch.shape
def unbatch_shape(batched_tensor: Any, batch_index: Any, id: Any) -> Any:
    return None if batched_tensor is None else (None, *batched_tensor[1:])


@unbatch.gradient
def unbatch_grad_of(made: Operation, grad: Tensor) -> list[Any]:
    batched, index, own = made.inputs
    name = f"unbatch_gradient_{made.name}"
    return [raw_op("UnbatchGrad")(batched, index, grad, own, shared_name=name), None, None]


@op("UnbatchGrad", host=True, session=True, differentiable=False)
def unbatch_grad(
    xp: Any,
    original_input: Any,
    batch_index: Any,
    grad: Any,
    id: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
) -> Any:
    """The gradients of all runs in the run that has the whole batch; in the others, nothing."""
    exchange = run.resource(container, shared_name, Exchange)
    numbers = [number for number, _, _ in np.asarray(batch_index).reshape(-1, 3).tolist()]
    with exchange.condition:
        exchange.held[int(id)] = np.asarray(grad)
        exchange.condition.notify_all()
        if not numbers:
            return np.zeros((0, *np.shape(grad)[1:]), np.asarray(grad).dtype)
        run.wait_for(exchange.condition, lambda: all(number in exchange.held for number in numbers))
        return np.concatenate([exchange.held.pop(number) for number in numbers])


@unbatch_grad.shape
def unbatch_grad_shape(original_input: Any, batch_index: Any, grad: Any, id: Any) -> Any:
    return None if grad is None else (None, *grad[1:])


@op("BatchFunction", host=True, session=True, differentiable=False)
def batch_function(
    xp: Any,
    in_tensors: Any,
    captured_tensors: Any,
    *,
    run: Running,
    f: Any,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Any,
    container: bytes,
    shared_name: bytes,
    batching_queue: bytes,
) -> Any:
    """The function's results for this run, computed for all runs of a batch together."""
    batcher = run.resource(container, shared_name, lambda: Batcher(max_batch_size, batch_timeout_micros))
    held, place = batcher.join(run, batching_queue, [np.asarray(x) for x in in_tensors])

    def compute() -> list[list[np.ndarray]]:
        whole = held.whole(allowed_batch_sizes)
        results = [np.asarray(result) for result in run.function(f, [*whole, *captured_tensors])]
        for result in results:
            if not result.ndim or result.shape[0] != len(whole[0]):
                raise kernel_error(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        return [[result[start:end] for result in results] for start, end in held.bounds()]

    return batcher.outputs_of(run, held, place, compute)


@batch_function.shape_from_op
def batch_function_shape(made: Operation) -> Any:
    return [None] * len(made.outputs)


@public("nondifferentiable_batch_function")
def nondifferentiable_batch_function(
    num_batch_threads: int,
    max_batch_size: int,
    batch_timeout_micros: int,
    allowed_batch_sizes: Any = None,
    max_enqueued_batches: int = 10,
    autograph: bool = True,
) -> Any:
    """A decorator: calls of the function from runs at the same time are computed together.

    Args:
        num_batch_threads: how many batches may be computed at a time.
        max_batch_size: how many rows a batch may have.
        batch_timeout_micros: how long a run waits for others, in microseconds.
        allowed_batch_sizes: sizes that batches are filled up to, in increasing order.
        max_enqueued_batches: how many batches may wait.
        autograph: of no account.
    """

    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        def decorated(*args: Any) -> Any:
            for a in args:
                if not isinstance(a, Tensor):
                    raise ValueError(
                        "All arguments to functions decorated with `batch_function`  are supposed to be Tensors; "
                        f"found {a!r}"
                    )

            def shaped(*arguments: Tensor) -> Any:
                for argument, given in zip(arguments, args, strict=True):
                    argument.set_shape(given.shape)
                return function(*arguments)

            computation = Defun(*[a.dtype for a in args], func_name=f"{function.__name__}_{next(_ids)}")(shaped)
            with name_scope("batch") as name:
                return raw_op("BatchFunction")(
                    list(args),
                    computation.captured_inputs,
                    f=computation,
                    num_batch_threads=num_batch_threads,
                    max_batch_size=max_batch_size,
                    batch_timeout_micros=batch_timeout_micros,
                    allowed_batch_sizes=allowed_batch_sizes,
                    max_enqueued_batches=max_enqueued_batches,
                    shared_name=name,
                    Tout=[dtypes.as_dtype(o.type) for o in computation.definition.signature.output_arg],
                )

        return decorated

    return decorator
