"""`CacheDataset`: the elements of one pass, kept in memory or in a file for the passes after it."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

from evergraph.formats.bundle import BundleReader, BundleWriter, data_name, index_name
from evergraph.formats.files import remove_quietly
from evergraph.framework import errors
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, as_array, dataset_op
from evergraph.ops.datasets.order import Unary
from evergraph.ops.datasets.readers import text_of
from evergraph.ops.opdef import kernel_error


class MemoryCache(Unary):
    kind = "MemoryCache"
    is_plain = True

    def iterator(self, context: Context, name: str) -> Iterator:
        cached = context.caches.get(name)
        if cached is not None:
            return _Kept(cached)
        return _Keeping(context, self.input.iterate(context, name), name)

    def cardinality(self) -> int:
        return self.input.cardinality()


class _Kept(Iterator):
    def __init__(self, elements: list[Element]) -> None:
        self._rest = iter(elements)

    def __next__(self) -> Element:
        return next(self._rest)

    def add_to(self, taken: list[Element], count: int) -> None:
        taken.extend(islice(self._rest, count))


class _Keeping(Iterator):
    """Gives elements on and keeps them; once all have come, the cache is complete."""

    def __init__(self, context: Context, source: Iterator, name: str) -> None:
        self.context, self._name = context, name
        self._source: Iterator | None = source
        self._elements: list[Element] = []

    def __next__(self) -> Element:
        if self._source is None:
            raise StopIteration
        try:
            element = next(self._source)
        except StopIteration:
            self._source = None
            self.context.caches[self._name] = self._elements
            raise
        self._elements.append(element)
        return element

    def add_to(self, taken: list[Element], count: int) -> None:
        if self._source is None:
            return
        before = len(taken)
        try:
            self._source.add_to(taken, count)
        finally:
            self._elements += taken[before:]
        if len(taken) < before + count:
            self._source = None
            self.context.caches[self._name] = self._elements


class FileCache(Unary):
    """The elements in a bundle of tensors, as checkpoints are; component j of element i is called `<i>_<j>`."""

    kind = "FileCache"

    def __init__(self, source: Dataset, path: str, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._path = path

    def iterator(self, context: Context, name: str) -> Iterator:
        if os.path.exists(index_name(self._path)):
            return _FromFile(self._path, len(self.types))
        return _ToFile(self.input.iterate(context, name), self._path, self.types)

    def cardinality(self) -> int:
        return self.input.cardinality()


def _key(element: int, component: int) -> str:
    return f"{element:08d}_{component:08d}"


class _FromFile(Iterator):
    def __init__(self, path: str, components: int) -> None:
        self._reader = BundleReader(path)
        self._components, self._at = components, 0

    def __next__(self) -> Element:
        if not self._reader.has(_key(self._at, 0)):
            raise StopIteration
        self._at += 1
        return tuple([self._reader.read(_key(self._at - 1, j))[()] for j in range(self._components)])


class _ToFile(Iterator):
    def __init__(self, source: Iterator, path: str, types: Any) -> None:
        self._source: Iterator | None = source
        self._path, self._types = path, types
        self._lock = f"{path}_0.lockfile"
        self._writer: BundleWriter | None = None
        self._count = 0

    def __next__(self) -> Element:
        if self._source is None:
            raise StopIteration
        if self._writer is None:
            self._begin()
        try:
            element = next(self._source)
        except StopIteration:
            self._source = None
            assert self._writer is not None
            self._writer.finish()
            self._writer = None
            remove_quietly(self._lock)
            raise
        assert self._writer is not None
        for j, (component, kind) in enumerate(zip(element, self._types, strict=True)):
            self._writer.add(_key(self._count, j), as_array(component), kind)
        self._count += 1
        return element

    def _begin(self) -> None:
        if os.path.exists(index_name(self._path)):
            raise kernel_error(
                f"Existing cache files found: \n{index_name(self._path)}\n{data_name(self._path, 0, 1)}\n"
                "To continue delete the above files.",
                errors.AlreadyExistsError,
            )
        try:
            with open(self._lock, "x") as lock:
                lock.write("Created at: evergraph")
        except FileExistsError:
            raise kernel_error(
                "There appears to be a concurrent caching iterator running - cache lockfile already exists "
                f"('{self._lock}'). If you are sure no other running computations are using this cache prefix, delete "
                "the lockfile and re-initialize the iterator.",
                errors.AlreadyExistsError,
            ) from None
        except OSError as error:
            raise kernel_error(f"{self._lock}: {error.strerror}", errors.NotFoundError) from None
        self._writer = BundleWriter(self._path)

    def __del__(self) -> None:
        if self._writer is not None:
            self._writer.abandon()
            remove_quietly(self._lock)


@dataset_op("CacheDataset")
def cache_dataset(xp: Any, source: Any, filename: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The elements, made once."""
    path = text_of(filename)
    if path:
        return FileCache(source, path, output_types, output_shapes)
    return MemoryCache(source, output_types, output_shapes)
