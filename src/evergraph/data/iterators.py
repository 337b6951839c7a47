"""`tf.data.Iterator`: goes through a dataset; `get_next` gives the tensors of the next element, run after run."""

from __future__ import annotations

import warnings
from typing import Any

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.optional import Optional
from evergraph.framework import dtypes
from evergraph.framework.api import public
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import add_to_collection, name_scope
from evergraph.framework.shapes import as_shape, unknown_shape
from evergraph.framework.tensor import Tensor
from evergraph.ops.datasets import iterators as ops
from evergraph.ops.datasets import optional as optional_ops

GLOBAL_ITERATORS = "iterators"
_MANY_CALLS = 32
_WARNING = (
    "An unusually high number of `Iterator.get_next()` calls was detected. This often indicates that "
    "`Iterator.get_next()` is being called inside a training loop, which will cause gradual slowdown and eventual "
    "resource exhaustion. If this is the case, restructure your code to call `next_element = iterator.get_next()` once "
    "outside the loop, and use `next_element` as the input to some computation that is invoked inside the loop."
)


def _on_cpu(build: Any) -> Any:
    """What `build` makes: on the CPU, unless the program has chosen a device."""
    graph = get_default_graph()
    if graph._device_stack:
        return build()
    with graph.device("/cpu:0"):
        return build()


def _complete(output_types: Any, output_shapes: Any, output_classes: Any) -> tuple[Any, Any, Any]:
    types = nest.map_structure(dtypes.as_dtype, output_types)
    if output_shapes is None:
        shapes = nest.map_structure(lambda _: unknown_shape(), types)
    else:
        shapes = nest.map_structure_up_to(types, as_shape, output_shapes)
    classes = nest.map_structure(lambda _: Tensor, types) if output_classes is None else output_classes
    nest.assert_same_structure(types, shapes)
    return types, shapes, classes


@public("data.Iterator")
class Iterator:
    """An iterator over a dataset.

    Made by `Dataset.make_one_shot_iterator` and `make_initializable_iterator`, by `Iterator.from_structure` (for any
    dataset of that structure) and `Iterator.from_string_handle` (chosen by a feed).
    """

    def __init__(
        self, iterator_resource: Tensor, initializer: Any, output_types: Any, output_shapes: Any, output_classes: Any
    ) -> None:
        if output_types is None or output_shapes is None or output_classes is None:
            raise ValueError(
                "If `structure` is not specified, all of `output_types`, `output_shapes`, and `output_classes` must be "
                "specified."
            )
        self._iterator_resource = iterator_resource
        self._initializer = initializer
        self._element_spec = structure.convert_legacy_structure(output_types, output_shapes, output_classes)
        self._flat_structure = structure.flat_structure(self._element_spec)
        self._string_handle = ops.iterator_to_string_handle(iterator_resource)
        self._get_next_call_count = 0
        add_to_collection(GLOBAL_ITERATORS, iterator_resource)

    @staticmethod
    def from_structure(
        output_types: Any, output_shapes: Any = None, shared_name: str | None = None, output_classes: Any = None
    ) -> Iterator:
        """An iterator over any dataset of a structure; `make_initializer` says which.

        Args:
            output_types, output_shapes, output_classes: the structure of the elements.
            shared_name: a name under which other iterators of the session are the same one.
        """
        types, shapes, classes = _complete(output_types, output_shapes, output_classes)
        attributes = structure.flat_structure(structure.convert_legacy_structure(types, shapes, classes))
        resource = _on_cpu(lambda: ops.iterator_v2(container="", shared_name=shared_name or "", **attributes))
        return Iterator(resource, None, types, shapes, classes)

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> Iterator:
        """The iterator that a string (what `Iterator.string_handle` gave, in a run) names, often a placeholder's."""
        types, shapes, classes = _complete(output_types, output_shapes, output_classes)
        attributes = structure.flat_structure(structure.convert_legacy_structure(types, shapes, classes))
        handle = convert_to_tensor(string_handle, dtype=dtypes.string)
        resource = _on_cpu(lambda: ops.iterator_from_string_handle_v2(handle, **attributes))
        return Iterator(resource, None, types, shapes, classes)

    @property
    def initializer(self) -> Any:
        """The op that starts this iterator.

        Raises:
            ValueError: if it starts by itself, or by `make_initializer`.
        """
        if self._initializer is None:
            raise ValueError("Iterator does not have an initializer.")
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Any:
        """The op that starts this iterator at the beginning of `dataset`.

        Raises:
            TypeError, ValueError: if the dataset's elements have another structure, other types, or shapes that do not
                fit.
        """
        with name_scope(name, "make_initializer") as scope:
            spec = dataset.element_spec
            types, shapes = structure.legacy_types(spec), structure.legacy_shapes(spec)
            classes = structure.legacy_classes(spec)
            nest.assert_same_structure(self.output_types, types)
            nest.assert_same_structure(self.output_shapes, shapes)
            for ours, theirs in zip(nest.flatten(self.output_classes), nest.flatten(classes), strict=True):
                if ours is not theirs:
                    raise TypeError(
                        f"Expected output classes {self.output_classes!r} but got dataset with output class "
                        f"{classes!r}."
                    )
            for ours, theirs in zip(nest.flatten(self.output_types), nest.flatten(types), strict=True):
                if ours != theirs:
                    raise TypeError(
                        f"Expected output types {self.output_types!r} but got dataset with output types {types!r}."
                    )
            for ours, theirs in zip(nest.flatten(self.output_shapes), nest.flatten(shapes), strict=True):
                if not ours.is_compatible_with(theirs):
                    raise TypeError(
                        f"Expected output shapes compatible with {self.output_shapes!r} but got dataset with output "
                        f"shapes {shapes!r}."
                    )
        with get_default_graph().device(self._iterator_resource.device):
            return ops.make_iterator(dataset._variant_tensor, self._iterator_resource, name=scope)

    def get_next(self, name: str | None = None) -> Any:
        """The tensors of the next element. Running them at the end raises `tf.errors.OutOfRangeError`."""
        self._get_next_call_count += 1
        if self._get_next_call_count > _MANY_CALLS:
            warnings.warn(_WARNING, stacklevel=2)
        with get_default_graph().device(self._iterator_resource.device):
            flat = ops.iterator_get_next(self._iterator_resource, **self._flat_structure, name=name)
            return structure.from_tensor_list(self._element_spec, flat)

    def get_next_as_optional(self) -> Optional:
        """The next element, or an optional without a value at the end."""
        made = optional_ops.iterator_get_next_as_optional(self._iterator_resource, **self._flat_structure)
        return Optional(made, self._element_spec)

    def string_handle(self, name: str | None = None) -> Tensor:
        """A string that names this iterator in a session, for `Iterator.from_string_handle`."""
        if name is None:
            return self._string_handle
        return ops.iterator_to_string_handle(self._iterator_resource, name=name)

    @property
    def output_types(self) -> Any:
        return structure.legacy_types(self._element_spec)

    @property
    def output_shapes(self) -> Any:
        return structure.legacy_shapes(self._element_spec)

    @property
    def output_classes(self) -> Any:
        return structure.legacy_classes(self._element_spec)

    @property
    def element_spec(self) -> Any:
        """The structure of the elements, as specs."""
        return self._element_spec


@public("data.experimental.get_next_as_optional")
def get_next_as_optional(iterator: Iterator) -> Optional:
    """The next element of an iterator, or an optional without a value at its end."""
    return iterator.get_next_as_optional()
