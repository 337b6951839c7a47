"""`tf.contrib.staging`: values put aside for a later run, so that what makes them and what uses them overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evergraph.framework import convert
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import colocate_with, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.ops.grouping import no_op
from evergraph.ops.identity import identity
from evergraph.ops.opdef import raw_op
from evergraph.ops.queues.components import scope_values


class BaseStagingArea:
    """What both kinds share.

    Args:
        dtypes: the types of an element's components.
        shapes: their shapes, or None.
        names: their names: elements are then dictionaries.
        shared_name: areas of one shared name are one area in a session.
        capacity: how many elements fit; 0 for any number.
        memory_limit: how many bytes fit; 0 for any number.
    """

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        capacity: int = 0,
        memory_limit: int = 0,
    ) -> None:
        if shared_name is None:
            self._name = get_default_graph().unique_name(type(self).__name__)
        elif isinstance(shared_name, str):
            self._name = shared_name
        else:
            raise ValueError("shared_name must be a string")
        self._dtypes = dtypes
        if shapes is not None and len(shapes) != len(dtypes):
            raise ValueError("StagingArea shapes must be the same length as dtypes")
        self._shapes = [TensorShape(s) for s in shapes] if shapes is not None else [TensorShape(None) for _ in dtypes]
        if names is not None and len(names) != len(dtypes):
            raise ValueError("StagingArea names must be the same length as dtypes")
        self._names = names
        self._capacity = capacity
        self._memory_limit = memory_limit
        with name_scope(f"{self._name}_root"):
            self._coloc_op = no_op()

    @property
    def name(self) -> str:
        return self._name

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

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def memory_limit(self) -> int:
        return self._memory_limit

    def _attrs(self) -> dict[str, Any]:
        return {"shared_name": self._name, "capacity": self._capacity, "memory_limit": self._memory_limit}

    def _checked(self, vals: Any, indices: Any) -> tuple[list[Tensor], Any]:
        if isinstance(vals, dict):
            if not self._names:
                raise ValueError("Staging areas must have names to enqueue a dictionary")
            if not set(vals).issubset(self._names):
                raise ValueError(
                    "Keys in dictionary to put do not match names of staging area. Dictionary: "
                    f"({sorted(vals)}), Queue: ({sorted(self._names)})"
                )
            indices = [i for i, name in enumerate(self._names) if name in vals]
            vals = [vals[self._names[i]] for i in indices]
        else:
            if self._names:
                raise ValueError("You must enqueue a dictionary in a staging area with names")
            if indices is None:
                raise ValueError("Indices must be supplied when inserting a list of tensors")
            if len(indices) != len(vals):
                raise ValueError(f"Number of indices '{len(indices)}' doesn't match number of values '{len(vals)}'")
        if len(vals) > len(self._dtypes):
            raise ValueError(f"Unexpected number of inputs '{len(vals)}' vs '{len(self._dtypes)}'")
        tensors = []
        for value, i in zip(vals, indices, strict=True):
            dtype, shape = self._dtypes[i], self._shapes[i]
            if value.dtype != dtype:
                raise ValueError(f"Datatypes do not match. '{value.dtype}' != '{dtype}'")
            value.get_shape().assert_is_compatible_with(shape)
            tensors.append(convert.converted(value, dtype, f"component_{i}"))
        return tensors, indices

    def _transferred(self, tensors: Any) -> list[Tensor]:
        """The tensors on the device of the program that takes them."""
        found = list(tensors) if isinstance(tensors, list | tuple) else [tensors]
        return found if no_op().device == self._coloc_op.device else [identity(t) for t in found]

    def _element(self, tensors: Any, indices: Sequence[int]) -> Any:
        found = self._transferred(tensors)
        for t, i in zip(found, indices, strict=True):
            t.set_shape(self._shapes[i])
        if self._names:
            return {self._names[i]: t for t, i in zip(found, indices, strict=True)}
        return found


@public("contrib.staging.StagingArea")
class StagingArea(BaseStagingArea):
    """Elements that come out in the order in which they were put in.

    >>> area = tf.contrib.staging.StagingArea([tf.int32], shapes=[[]])
    >>> with tf.Session() as s:
    ...     s.run(area.put([tf.constant(3)]))
    ...     s.run(area.get())
    [3]
    """

    def put(self, values: Any, name: str | None = None) -> Any:
        """An op that adds an element: a tensor, a list of them, or a dictionary. It waits while there is no room."""
        with name_scope(name, f"{self._name}_put", scope_values(values)) as scope:
            if not isinstance(values, list | tuple | dict):
                values = [values]
            tensors, _ = self._checked(values, list(range(len(values))))
            with colocate_with(self._coloc_op):
                return raw_op("Stage")(values=tensors, name=scope, **self._attrs())

    def get(self, name: str | None = None) -> Any:
        """The first element: a list, or a dictionary. It waits while there is none."""
        with colocate_with(self._coloc_op):
            tensors = raw_op("Unstage")(
                dtypes=self._dtypes, name=f"{self._name}_get" if name is None else name, **self._attrs()
            )
        return self._element(tensors, range(len(self._dtypes)))

    def peek(self, index: Any, name: str | None = None) -> Any:
        """The element with this number, which stays. It waits until there is one."""
        with colocate_with(self._coloc_op):
            tensors = raw_op("StagePeek")(
                index, dtypes=self._dtypes, name=f"{self._name}_peek" if name is None else name, **self._attrs()
            )
        return self._element(tensors, range(len(self._dtypes)))

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are: an int32 scalar."""
        name = f"{self._name}_size" if name is None else name
        return raw_op("StageSize")(name=name, dtypes=self._dtypes, **self._attrs())

    def clear(self, name: str | None = None) -> Any:
        """An op that lets go of all elements."""
        name = f"{self._name}_clear" if name is None else name
        return raw_op("StageClear")(name=name, dtypes=self._dtypes, **self._attrs())


@public("contrib.staging.MapStagingArea")
class MapStagingArea(BaseStagingArea):
    """Elements under int64 keys, which may be put in and taken out in parts.

    Args:
        ordered: whether `get()` gives the element of the smallest key.
    """

    def __init__(
        self,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        ordered: bool = False,
        capacity: int = 0,
        memory_limit: int = 0,
    ) -> None:
        super().__init__(dtypes, shapes, names, shared_name, capacity, memory_limit)
        self._prefix = "OrderedMap" if ordered else "Map"

    def put(self, key: Any, vals: Any, indices: Any = None, name: str | None = None) -> Any:
        """An op that puts an element, or parts of it, under `key`. It waits while there is no room.

        Args:
            key: an int64 scalar.
            vals: a dictionary, or a list of tensors.
            indices: for a list: which components they are.
        """
        with name_scope(name, f"{self._name}_put", scope_values(vals)) as scope:
            tensors, indices = self._checked(vals, indices)
            with colocate_with(self._coloc_op):
                return raw_op(f"{self._prefix}Stage")(
                    key, indices, tensors, dtypes=self._dtypes, name=scope, **self._attrs()
                )

    def _chosen(self, indices: Any) -> tuple[list[int], list[Any]]:
        """The numbers and types of the components that `indices`, numbers or names, choose."""
        if indices is None:
            indices = list(range(len(self._dtypes)))
        if not isinstance(indices, tuple | list):
            raise TypeError(f"Invalid indices type '{type(indices)}'")
        if len(indices) == 0:
            raise ValueError("Empty indices")
        if all(isinstance(i, str) for i in indices):
            if self._names is None:
                raise ValueError(
                    f"String indices provided '{indices}', but this Staging Area was not created with names."
                )
            unknown = [name for name in indices if name not in self._names]
            if unknown:
                raise ValueError(f"Named index '{unknown[0]}' not in Staging Area names '{self._names}'")
            indices = [self._names.index(name) for name in indices]
        elif not all(isinstance(i, int) for i in indices):
            raise TypeError(f"Mixed types in indices '{indices}'. May only be str or int")
        return list(indices), [self._dtypes[i] for i in indices]

    def peek(self, key: Any, indices: Any = None, name: str | None = None) -> Any:
        """The element under `key`, or parts of it; it stays. It waits until there is one."""
        name = f"{self._name}_pop" if name is None else name
        numbers, dtypes = self._chosen(indices)
        with colocate_with(self._coloc_op):
            tensors = raw_op(f"{self._prefix}Peek")(key, indices=numbers, dtypes=dtypes, name=name, **self._attrs())
        return self._element(tensors, numbers)

    def get(self, key: Any = None, indices: Any = None, name: str | None = None) -> Any:
        """The element under `key`, or some element, or parts of it. It waits until there is one.

        Returns:
            `(key, element)`.
        """
        numbers, dtypes = self._chosen(indices)
        if key is not None:
            name = f"{self._name}_get" if name is None else name
            with colocate_with(self._coloc_op):
                tensors = raw_op(f"{self._prefix}Unstage")(
                    key, indices=numbers, dtypes=dtypes, name=name, **self._attrs()
                )
            return key, self._element(tensors, numbers)
        name = f"{self._name}_get_nokey" if name is None else name
        with colocate_with(self._coloc_op):
            found, tensors = raw_op(f"{self._prefix}UnstageNoKey")(
                indices=numbers, dtypes=dtypes, name=name, **self._attrs()
            )
        found = self._transferred(found)[0]
        return found, self._element(tensors, numbers)

    def size(self, name: str | None = None) -> Tensor:
        """How many elements there are: an int32 scalar."""
        name = f"{self._name}_size" if name is None else name
        return raw_op(f"{self._prefix}Size")(name=name, dtypes=self._dtypes, **self._attrs())

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many elements still lack a part: an int32 scalar."""
        name = f"{self._name}_incomplete_size" if name is None else name
        return raw_op(f"{self._prefix}IncompleteSize")(name=name, dtypes=self._dtypes, **self._attrs())

    def clear(self, name: str | None = None) -> Any:
        """An op that lets go of all elements."""
        name = f"{self._name}_clear" if name is None else name
        return raw_op(f"{self._prefix}Clear")(name=name, dtypes=self._dtypes, **self._attrs())
