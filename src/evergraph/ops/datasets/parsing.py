"""`ParseExampleDataset`: batches of serialized `Example`s, parsed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.order import Unary
from evergraph.ops.opdef import kernel_error
from evergraph.ops.parsing.examples import parse_example_op


class ParseExamples(Unary):
    kind = "ParseExample"

    def __init__(self, source: Dataset, parse: Callable[[Any], Element], types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._parse = parse

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Parsed(self.input.iterate(context, name), self._parse)

    def cardinality(self) -> int:
        return self.input.cardinality()


class _Parsed(Iterator):
    def __init__(self, source: Iterator, parse: Callable[[Any], Element]) -> None:
        self._source, self._parse = source, parse

    def __next__(self) -> Element:
        return self._parse(next(self._source)[0])


def _boxed(indices: Any, values: Any, shape: Any) -> Any:
    box = np.empty(3, object)
    box[0], box[1], box[2] = indices, values, shape
    return box


@dataset_op("ParseExampleDataset")
def parse_example_dataset(
    xp: Any,
    source: Any,
    num_parallel_calls: Any,
    dense_defaults: Any,
    *,
    sparse_keys: Any,
    dense_keys: Any,
    sparse_types: Any,
    Tdense: Any,
    dense_shapes: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """The features of batches of serialized `Example`s, ordered by their keys."""
    if int(num_parallel_calls) == 0 or int(num_parallel_calls) < -1:
        raise kernel_error("num_parallel_calls must be greater than zero.")
    kernel = parse_example_op.opdef.kernel
    assert kernel is not None
    names = np.empty(0, object)
    keys = [_string(k) for k in sparse_keys], [_string(k) for k in dense_keys]
    order = sorted(range(len(sparse_keys) + len(dense_keys)), key=lambda i: [*sparse_keys, *dense_keys][i])
    n = len(sparse_keys)

    def parse(serialized: Any) -> Element:
        found = kernel(
            np,
            serialized,
            names,
            *keys,
            dense_defaults,
            sparse_types=sparse_types,
            Tdense=Tdense,
            dense_shapes=dense_shapes,
        )
        values = [_boxed(found[i], found[n + i], found[2 * n + i]) for i in range(n)] + list(found[3 * n :])
        return tuple([values[i] for i in order])

    return ParseExamples(source, parse, output_types, output_shapes)


def _string(text: bytes) -> Any:
    array = np.empty((), object)
    array[()] = text
    return array
