"""What a program asks a session for, and the same structure filled with values.

Fetches may be nested in any way: lists, tuples, named tuples, dicts, classes made with `attrs`; the leaves are
tensors, ops (which give None), variables, sparse tensors, indexed slices, or names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evergraph.framework import sparse
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.operation import Operation
from evergraph.framework.tensor import Tensor

Element = Tensor | Operation
Rebuild = Callable[[list[Any]], Any]

# (type, fetch function, feed function, feed function for partial_run)
_conversions: list[tuple[type, Callable[..., Any], Callable[..., Any] | None, Callable[..., Any] | None]] = []


def register_session_run_conversion_functions(
    tensor_type: type,
    fetch_function: Any = None,
    feed_function: Any = None,
    feed_function_for_partial_run: Any = None,
) -> None:
    """Teach `Session.run` to fetch and feed objects of `tensor_type`, made of several tensors.

    Args:
        tensor_type: the type.
        fetch_function: `fetch(obj)` gives `(tensors, rebuild)`; `rebuild(values)` makes the fetched object.
        feed_function: `feed(obj, value)` gives `(tensor, value)` pairs.
        feed_function_for_partial_run: `feed(obj)` gives the tensors to be fed.
    """
    for known, *_ in _conversions:
        if issubclass(tensor_type, known):
            raise ValueError(f"{tensor_type} has already been registered so ignore it.")
    _conversions.insert(0, (tensor_type, fetch_function, feed_function, feed_function_for_partial_run))


def _sparse_fetch(value: sparse.SparseTensor) -> Any:
    return [value.indices, value.values, value.dense_shape], lambda got: sparse.SparseTensorValue(*got)


def _slices_fetch(value: sparse.IndexedSlices) -> Any:
    parts = [value.values, value.indices] + ([] if value.dense_shape is None else [value.dense_shape])
    return parts, lambda got: sparse.IndexedSlicesValue(*got, *([None] * (3 - len(got))))


def _sparse_parts(value: sparse.SparseTensor) -> list[Tensor]:
    return [value.indices, value.values, value.dense_shape]


def _slices_parts(value: sparse.IndexedSlices) -> list[Tensor]:
    return [value.values, value.indices] + ([] if value.dense_shape is None else [value.dense_shape])


_BUILT_IN: list[tuple[type, Any, Any]] = [
    (sparse.SparseTensor, _sparse_fetch, _sparse_parts),
    (sparse.IndexedSlices, _slices_fetch, _slices_parts),
    (CompositeTensor, lambda value: (value._parts(), value._fetched), lambda value: value._parts()),
]


class Fetches:
    """Fetches taken apart: the distinct elements of the graph, and how to put the values together again."""

    def __init__(self, graph: Any, fetches: Any) -> None:
        self.graph = graph
        self.elements: dict[Element, int] = {}
        self.rebuild = self._take(fetches)
        self.tensors = [e for e in self.elements if isinstance(e, Tensor)]
        position: dict[Element, int] = {t: i for i, t in enumerate(self.tensors)}
        self.where = [position.get(e, -1) for e in self.elements]
        self.single = isinstance(fetches, Tensor) or len(self.tensors) == 1 and self.rebuild is _FIRST
        for element in self.elements:
            if not graph.is_fetchable(element):
                raise ValueError(
                    f"Operation {element.op.name if isinstance(element, Tensor) else element.name!r} has been marked "
                    "as not fetchable."
                )

    def values(self, computed: list[Any]) -> Any:
        """The structure of the fetches, filled with `computed` (one value per distinct tensor)."""
        return self.rebuild([None if i < 0 else computed[i] for i in self.where])

    def _take(self, fetch: Any) -> Rebuild:
        if fetch is None:
            raise TypeError(f"Fetch argument {fetch!r} has invalid type {type(fetch)!r}")
        if isinstance(fetch, list | tuple):
            parts = [self._take(f) for f in fetch]
            kind = type(fetch)
            if hasattr(fetch, "_fields"):
                return lambda got: kind(*[part(got) for part in parts])
            if isinstance(fetch, tuple):
                return lambda got: (
                    kind([part(got) for part in parts]) if kind is not tuple else tuple([p(got) for p in parts])
                )
            return lambda got: [part(got) for part in parts]
        if isinstance(fetch, Mapping):
            keys, parts = list(fetch), [self._take(f) for f in fetch.values()]
            return lambda got: _filled_mapping(fetch, keys, [part(got) for part in parts])
        if hasattr(type(fetch), "__attrs_attrs__"):
            names = [a.name for a in type(fetch).__attrs_attrs__]
            parts = [self._take(getattr(fetch, n)) for n in names]
            kind = type(fetch)
            return lambda got: kind(*[part(got) for part in parts])
        return self._leaf(fetch)

    def _leaf(self, fetch: Any) -> Rebuild:
        for kind, fetch_function, *_ in [*_conversions, *_BUILT_IN]:
            if isinstance(fetch, kind) and fetch_function is not None:  # type: ignore[arg-type]  # tuples of two lengths are mixed
                parts, make = fetch_function(fetch)
                return self._several(fetch, parts, make)
        position = self._element(fetch, fetch)
        return _FIRST if position == 0 else lambda got: got[position]

    def _several(self, fetch: Any, parts: Sequence[Any], make: Rebuild) -> Rebuild:
        positions = [self._element(fetch, part) for part in parts]
        return lambda got: make([got[p] for p in positions])

    def _element(self, fetch: Any, part: Any) -> int:
        try:
            element = self.graph.as_graph_element(part, allow_tensor=True, allow_operation=True)
        except TypeError as error:
            raise TypeError(
                f"Fetch argument {fetch!r} has invalid type {type(fetch)!r}, must be a string or Tensor. ({error})"
            ) from None
        except ValueError as error:
            raise ValueError(f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({error})") from None
        except KeyError as error:
            raise ValueError(
                f"Fetch argument {fetch!r} cannot be interpreted as a Tensor. ({error.args[0]!r})"
            ) from None
        return self.elements.setdefault(element, len(self.elements))


def _FIRST(got: list[Any]) -> Any:
    return got[0]


def _filled_mapping(like: Mapping[Any, Any], keys: list[Any], values: list[Any]) -> Any:
    if type(like) is dict:
        return dict(zip(keys, values, strict=True))
    kind: Any = type(like)
    if hasattr(like, "default_factory"):
        return kind(like.default_factory, zip(keys, values, strict=True))
    try:
        return kind(zip(keys, values, strict=True))
    except TypeError:
        return dict(zip(keys, values, strict=True))


def fetch_key(fetch: Any) -> Any:
    """A hashable form of `fetch`: equal for fetches that are taken apart in the same way."""
    kind = type(fetch)
    if kind is Tensor or kind is Operation or kind is str:
        return fetch
    if kind is list or isinstance(fetch, tuple):
        return (kind, *[fetch_key(f) for f in fetch])
    if isinstance(fetch, Mapping):
        return (kind, *fetch, *[fetch_key(f) for f in fetch.values()])
    return fetch


def feed_parts(key: Any, value: Any) -> list[tuple[Any, Any]] | None:
    """The (tensor, value) pairs that feeding `key` with `value` means, or None if `key` is a single tensor."""
    for kind, _, feed_function, _ in _conversions:
        if isinstance(key, kind) and feed_function is not None:
            return list(feed_function(key, value))
    for kind, _, parts in _BUILT_IN:
        if isinstance(key, kind):
            return list(zip(parts(key), key._fed(value) if isinstance(key, CompositeTensor) else value, strict=False))
    return None


def partial_feed_parts(key: Any) -> list[Any]:
    for kind, _, _, feed_function in _conversions:
        if isinstance(key, kind) and feed_function is not None:
            return list(feed_function(key))
    for kind, _, parts in _BUILT_IN:
        if isinstance(key, kind):
            return list(parts(key))
    return [key]
