"""What a dataset is in a run: an object that can be iterated, again and again.

    Range ──► Map ──► Batch                    Dataset objects: what to do; they hold no state
      │         │        │   iterate(context)
    iterator ◄─ iterator ◄─ iterator           pulled from the right; each holds where it is

An *element* is a tuple with one value per component: a NumPy array or scalar, `bytes` for a single string, or whatever
a variant holds (another dataset, a boxed sparse tensor). An iterator gives the next element or raises `StopIteration`;
one that raised an error goes on with the element after it, as TensorFlow's do. So iterators are classes, not
generators.

Names of iterators ("Iterator::Model::Shuffle") are TensorFlow's, since a reshuffling dataset finds its stream of seeds
by that name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from evergraph.framework import opdefs
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, with_rank
from evergraph.ops.datasets.context import Context
from evergraph.ops.opdef import Op, op

Element = tuple[Any, ...]

INFINITE = -1
UNKNOWN = -2


class Iterator:
    """The state of going through a dataset. `context` is shared by all iterators below one that a graph names."""

    context: Context

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Element:
        raise NotImplementedError

    def add_to(self, taken: list[Element], count: int) -> None:
        """Append up to `count` elements, fewer only at the end. Those before one that raises are there when it does."""
        taken.extend(islice(self, count))

    def take(self, count: int) -> list[Element]:
        """Up to `count` elements, fewer only at the end."""
        taken: list[Element] = []
        self.add_to(taken, count)
        return taken


class Dataset:
    """A dataset in a run.

    Args:
        types, shapes: those of the components.
        inputs: the datasets that its elements come from.
    """

    kind = ""  # as iterators are named after it
    is_plain = False
    """Whether it does nothing but compute elements from those of its inputs: no effects, no waiting."""
    origin: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None
    """The op that made it, with its inputs and attributes (see position.py)."""

    def __init__(self, types: Sequence[DType], shapes: Sequence[Shape], inputs: Sequence[Dataset] = ()) -> None:
        self.types, self.shapes, self.inputs = tuple(types), tuple(shapes), tuple(inputs)

    @property
    def input(self) -> Dataset:
        return self.inputs[0]

    @property
    def is_free(self) -> bool:
        """Whether reading more elements than are asked for makes no difference that anybody could see."""
        return self.is_plain and all(d.is_free for d in self.inputs)

    def iterate(self, context: Context, prefix: str) -> Iterator:
        """A new iterator, at the start."""
        made = self.iterator(context, f"{prefix}::{self.kind}")
        return made if context.statistics is None else context.statistics.watched(self, made)

    def iterator(self, context: Context, name: str) -> Iterator:
        raise NotImplementedError

    def cardinality(self) -> int:
        """How many elements there are, if that is known without looking: else `UNKNOWN`; or `INFINITE`."""
        return UNKNOWN

    def with_inputs(self, inputs: Sequence[Dataset]) -> Dataset:
        """The same dataset over other inputs."""
        if all(a is b for a, b in zip(inputs, self.inputs, strict=True)):
            return self
        changed = copy.copy(self)
        changed.inputs = tuple(inputs)
        return changed

    def __deepcopy__(self, memo: Any) -> Dataset:
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}>"


def dataset_op(name: str, session: bool = False) -> Callable[[Callable[..., Any]], Op]:
    """Declare an op that makes a dataset; with `session`, its kernel gets the `run`.

    What functions captured may be variables: those have to have a value only when a function reads them.
    """
    opdef = opdefs.lookup(name)
    assert opdef is not None
    captured = [arg.name for arg in opdef.inputs if arg.is_list and "other_arg" in arg.name]
    scalars = [i for i, arg in enumerate(opdef.inputs) if arg.name in _SCALARS and not arg.is_list]
    declare = op(
        name, host=True, session=session, differentiable=False, blind=captured, shape=_scalar_of(scalars, opdef.inputs)
    )

    def declared(kernel: Callable[..., Any]) -> Op:
        made = declare(kernel)
        made.opdef.kernel = _remembering(name, kernel)
        return made

    return declared


def _remembering(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    def make(xp: Any, *inputs: Any, **attrs: Any) -> Any:
        made = kernel(xp, *inputs, **attrs)
        # What gives back one of the datasets below it adds nothing; a rewritten copy is not what it is a copy of.
        if isinstance(made, Dataset) and (made.origin is None or not _is_below(made, inputs)):
            attrs.pop("run", None)
            made.origin = name, inputs, attrs
        return made

    return make


def _is_below(dataset: Dataset, inputs: Sequence[Any]) -> bool:
    waiting = [value for value in inputs if isinstance(value, Dataset)]
    while waiting:
        value = waiting.pop()
        if value is dataset:
            return True
        waiting.extend(value.inputs)
    return False


# Inputs of dataset ops that are no lists, and whose rank is checked when the graph is built.
_SCALARS = frozenset(
    "batch_size block_length buffer_size count cycle_length drop_remainder index num_parallel_calls num_shards "
    "num_threads seed seed2 shift size start step stop stride tag".split()
)


def _scalar_of(scalars: list[int], inputs: Sequence[Any]) -> Callable[..., Shape]:
    """The shape rule of an op that makes a dataset: a scalar, as the inputs at some places have to be."""

    def rule(*shapes: Any) -> Shape:
        for place in scalars:
            with_rank(shapes[place], 0)
        return ()

    return rule


def as_array(component: Any) -> Any:
    """A component as an array, if it is a single string: what kernels take."""
    if type(component) is bytes:
        array = np.empty((), object)
        array[()] = component
        return array
    return component


def arrays(element: Element) -> list[Any]:
    return [as_array(component) if type(component) is bytes else component for component in element]


def shape_of(component: Any) -> tuple[int, ...]:
    return getattr(component, "shape", ())
