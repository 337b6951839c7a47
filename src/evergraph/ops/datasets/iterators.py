"""Iterators as a graph knows them: named things in a session that are made, initialised and asked for elements."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any

from evergraph.framework import errors, shapes
from evergraph.framework.dtypes import DType
from evergraph.framework.operation import Operation
from evergraph.framework.shapes import Shape, ShapeError
from evergraph.ops.datasets.captured import Captured
from evergraph.ops.datasets.context import Context, under_deadline
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, arrays, as_array
from evergraph.ops.opdef import kernel_error, op
from evergraph.ops.running import Running

_HANDLES = "iterator handles"


class NamedIterator:
    """An iterator in a session. Initialising it again starts it anew, over any dataset of the same types.

    Args:
        types, shapes: those of the components, as far as they are known.
    """

    def __init__(self, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        self.types, self.shapes = tuple(types), tuple(shapes)
        self.lock = threading.RLock()
        self.failure: errors.OpError | None = None
        self.handle = f"iterator {uuid.uuid4()}".encode()
        self._context: Context | None = None
        self._iterator: Iterator | None = None
        self.dataset: Dataset | None = None
        self.graph: Any = None  # whose library has the functions of the dataset
        self.given = 0  # elements given so far, or failed
        self._has_strings = any(kind._kind == "S" for kind in self.types)

    @property
    def is_initialized(self) -> bool:
        return self._iterator is not None

    def initialize(self, dataset: Any, run: Running, graph: Any = None) -> None:
        if not isinstance(dataset, Dataset):
            raise kernel_error(f"an iterator goes through a dataset, not through {dataset!r}")
        if self.types:
            check_structure(self.types, self.shapes, dataset.types, dataset.shapes)
        context = Context(run)
        iterator = dataset.iterate(context, "Iterator")
        with self.lock:
            old, self._context, self._iterator = self._context, context, iterator
            self.dataset, self.graph, self.given = dataset, graph or run.op.graph, 0
            self._has_strings = any(kind._kind == "S" for kind in dataset.types)
        if old is not None:
            old.close()

    def next(self, run: Running) -> Element | None:
        """The next element, or None at the end."""
        with self.lock:
            if self._iterator is None:
                run.check()  # closing the session lets go of the iterator
                raise kernel_error(
                    "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
                    "initializer operation for this iterator before getting the next element.",
                    errors.FailedPreconditionError,
                )
            assert self._context is not None
            self._context.check()
            iterator = self._iterator
            self.given += 1
            try:
                if run.deadline is None:
                    element = next(iterator)
                else:
                    with under_deadline(run.deadline):
                        element = next(iterator)
            except StopIteration:
                self.given -= 1
                return None
        return tuple(arrays(element)) if self._has_strings else element

    def advance(self, count: int, run: Running) -> None:
        """Go past `count` elements, those that fail included."""
        while self.given < count:
            run.check()
            try:
                if self.next(run) is None:
                    return
            except errors.CancelledError:
                raise
            except errors.OpError:
                pass  # it failed the first time, too

    def release(self) -> None:
        """Let go of everything and stop all threads."""
        context, self._context, self._iterator, self.dataset = self._context, None, None, None
        if context is not None:
            context.close()

    def __del__(self) -> None:
        context = self._context
        if context is not None:
            context.is_closed = True


def check_structure(
    types: Sequence[DType], static: Sequence[Shape], got_types: Sequence[DType], got_shapes: Sequence[Shape]
) -> None:
    """
    Raises:
        InvalidArgumentError: if elements of the second kind are no elements of the first.
    """
    if len(types) != len(got_types):
        raise kernel_error(
            f"Number of components does not match: expected {len(types)} types but got {len(got_types)}."
        )
    for i, (wanted, got) in enumerate(zip(types, got_types, strict=True)):
        if wanted is not got:
            raise kernel_error(
                f"Data type mismatch at component {i}: expected {_type_text(wanted)} but got {_type_text(got)}."
            )
    for i, (shape, got_shape) in enumerate(zip(static, got_shapes, strict=True)):
        try:
            shapes.merge(shape, got_shape)
        except ShapeError:
            raise kernel_error(
                f"Incompatible shapes at component {i}: expected {shapes.bracket_text(shape)} but got "
                f"{shapes.bracket_text(got_shape)}."
            ) from None


def _type_text(kind: DType) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind.name, kind.name)


def _scalar(*_: Any) -> Shape:
    return ()


def component_shapes(op: Operation) -> list[Shape]:
    return list(op.attrs["output_shapes"])


def _iterator(
    xp: Any, *, run: Running, container: bytes, shared_name: bytes, output_types: Any, output_shapes: Any
) -> NamedIterator:
    """An iterator of the session, to be initialised."""
    found = run.resource(container, shared_name, lambda: NamedIterator(output_types, output_shapes))
    check_structure(found.types, found.shapes, output_types, output_shapes)
    return found


iterator_v2 = op("IteratorV2", host=True, session=True, differentiable=False, shape=_scalar)(_iterator)


@op("Iterator", host=True, session=True, differentiable=False, shape=_scalar)
def iterator(
    xp: Any, *, run: Running, container: bytes, shared_name: bytes, output_types: Any, output_shapes: Any
) -> NamedIterator:
    """An iterator of the session, to be initialised."""
    return _iterator(
        xp,
        run=run,
        container=container,
        shared_name=shared_name,
        output_types=output_types,
        output_shapes=output_shapes,
    )


@op("AnonymousIterator", host=True, session=True, differentiable=False, shape=_scalar)
def anonymous_iterator(xp: Any, *, run: Running, output_types: Any, output_shapes: Any) -> NamedIterator:
    """A new iterator at each run."""
    return _listed(NamedIterator(output_types, output_shapes), run)


@op("AnonymousIteratorV2", host=True, session=True, differentiable=False)
def anonymous_iterator_v2(xp: Any, *, run: Running, output_types: Any, output_shapes: Any) -> Any:
    """A new iterator at each run, and what deletes it."""
    made = _listed(NamedIterator(output_types, output_shapes), run)
    return made, made


@op("DeleteIterator", host=True, session=True, differentiable=False)
def delete_iterator(xp: Any, handle: Any, deleter: Any, *, run: Running) -> None:
    """Let go of an iterator."""
    run.resources.remove(handle)
    handle.release()


@op("OneShotIterator", host=True, session=True, differentiable=False, shape=_scalar)
def one_shot_iterator(
    xp: Any,
    *,
    run: Running,
    container: bytes,
    shared_name: bytes,
    dataset_factory: Any,
    output_types: Any,
    output_shapes: Any,
) -> NamedIterator:
    """An iterator that initialises itself, once a session."""
    if shared_name:
        raise kernel_error("OneShotIteratorOp does not currently support the 'shared_name' attr.")
    found = run.resource(container, shared_name, lambda: NamedIterator(output_types, output_shapes))
    if found.is_initialized:
        return found
    with found.lock:
        if found.failure is not None:
            raise type(found.failure)(None, None, found.failure.message)
        if not found.is_initialized:
            try:
                made = run.function(dataset_factory, [])
                if len(made) != 1 or not isinstance(made[0], Dataset):
                    raise kernel_error(
                        "The `dataset_factory` function must return a single scalar of dtype DT_VARIANT."
                    )
                found.initialize(made[0], run)
            except errors.OpError as error:
                found.failure = error
                raise
    return found


@op("MakeIterator", host=True, session=True, differentiable=False)
def make_iterator(xp: Any, dataset: Any, iterator: Any, *, run: Running) -> None:
    """Start an iterator at the beginning of a dataset."""
    _named(iterator).initialize(dataset, run)


def _named(iterator: Any) -> NamedIterator:
    if not isinstance(iterator, NamedIterator):
        raise kernel_error(f"not an iterator: {iterator!r}")
    return iterator


@op("IteratorGetNext", host=True, session=True, differentiable=False)
def iterator_get_next(xp: Any, iterator: Any, *, run: Running) -> Element:
    """The next element of an iterator.

    Raises:
        OutOfRangeError: at the end of the dataset.
    """
    element = _named(iterator).next(run)
    if element is None:
        raise kernel_error("End of sequence", errors.OutOfRangeError)
    return element


iterator_get_next.shape_from_op(component_shapes)


@op("IteratorGetNextSync", host=True, session=True, differentiable=False)
def iterator_get_next_sync(xp: Any, iterator: Any, *, run: Running) -> Element:
    """The next element of an iterator."""
    element = _named(iterator).next(run)
    if element is None:
        raise kernel_error("End of sequence", errors.OutOfRangeError)
    return element


iterator_get_next_sync.shape_from_op(component_shapes)


def _listed(iterator: NamedIterator, run: Running) -> NamedIterator:
    return run.resources.get_or_make(_HANDLES, iterator.handle.decode(), lambda: iterator)


@op("IteratorToStringHandle", host=True, session=True, differentiable=False, shape=_scalar)
def iterator_to_string_handle(xp: Any, iterator: Any, *, run: Running) -> Any:
    """A string that names an iterator in its session."""
    return as_array(_listed(_named(iterator), run).handle)


def _from_string_handle(
    xp: Any, string_handle: Any, *, run: Running, output_types: Any, output_shapes: Any
) -> NamedIterator:
    """The iterator that a string names."""
    if getattr(string_handle, "ndim", 0):
        raise kernel_error("string_handle must be a scalar")
    handle = string_handle[()] if hasattr(string_handle, "ndim") else string_handle
    text = handle.decode(errors="replace")
    found = run.resources.get_or_make(_HANDLES, text, lambda: None)
    if found is None:
        raise kernel_error(
            f"no iterator of this session has the handle {text!r}: get one by running iterator.string_handle() in it",
            errors.NotFoundError if text.startswith("iterator ") else errors.InvalidArgumentError,
        )
    if output_types:
        check_structure(output_types, output_shapes, found.types, found.shapes)
    return found


iterator_from_string_handle_v2 = op(
    "IteratorFromStringHandleV2", host=True, session=True, differentiable=False, shape=_scalar
)(_from_string_handle)


@op("IteratorFromStringHandle", host=True, session=True, differentiable=False, shape=_scalar)
def iterator_from_string_handle(
    xp: Any, string_handle: Any, *, run: Running, output_types: Any, output_shapes: Any
) -> NamedIterator:
    """The iterator that a string names."""
    return _from_string_handle(xp, string_handle, run=run, output_types=output_types, output_shapes=output_shapes)


@op("IteratorGetDevice", host=True, session=True, differentiable=False, shape=_scalar)
def iterator_get_device(xp: Any, iterator: Any, *, run: Running) -> Any:
    """The device that an iterator is on."""
    return as_array(b"/job:localhost/replica:0/task:0/device:CPU:0")


# Datasets gone through at once


@op("DatasetToSingleElement", host=True, session=True, differentiable=False)
def dataset_to_single_element(xp: Any, dataset: Any, *, run: Running) -> Element:
    """The only element of a dataset."""
    context = Context(run)
    try:
        found = list(dataset.iterate(context, "SingleElementIterator").take(2))
    finally:
        context.close()
    if not found:
        raise kernel_error("Dataset was empty.")
    if len(found) > 1:
        raise kernel_error("Dataset had more than one element.")
    return tuple(arrays(found[0]))


dataset_to_single_element.shape_from_op(component_shapes)


@op("ReduceDataset", host=True, session=True, differentiable=False)
def reduce_dataset(
    xp: Any,
    dataset: Any,
    initial_state: Any,
    captured: Any,
    *,
    run: Running,
    f: Any,
    output_types: Any,
    output_shapes: Any,
) -> Element:
    """A state that a function takes from element to element."""
    context = Context(run)
    state = list(initial_state)
    try:
        function = Captured(run, f, captured).bound(context)
        for element in dataset.iterate(context, "ReduceIterator"):
            run.check()
            state = function([*state, *element])
    finally:
        context.close()
    if len(state) != len(output_types):
        raise kernel_error(
            "The number of result elements does not match the size of output types: "
            f"{len(state)} vs. {len(output_types)}"
        )
    for i, (value, shape) in enumerate(zip(state, output_shapes, strict=True)):
        try:
            shapes.merge(shape, getattr(value, "shape", ()))
        except ShapeError:
            raise kernel_error(
                f"The result does not match the expected shape for component {i}. Expected: "
                f"{shapes.bracket_text(shape)}. Actual: {shapes.bracket_text(getattr(value, 'shape', ()))}."
            ) from None
    return tuple(state)


reduce_dataset.shape_from_op(component_shapes)


@op("DatasetCardinality", host=True, differentiable=False, shape=_scalar)
def dataset_cardinality(xp: Any, dataset: Any) -> Any:
    """How many elements a dataset has: -1 for no end, -2 if that is not known."""
    return xp.int64(dataset.cardinality())
