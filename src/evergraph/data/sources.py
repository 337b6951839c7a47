"""Datasets that come from tensors, numbers, Python generators and file names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.built import Built, long
from evergraph.data.functions import StructuredFunction
from evergraph.data.seeds import get_seed
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_n_to_tensor, convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.shapes import Dimension, as_shape, dimension_value, unknown_shape
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.arithmetic import add
from evergraph.ops.callbacks.py_functions import numpy_function
from evergraph.ops.checks import Assert
from evergraph.ops.comparisons import greater
from evergraph.ops.datasets import mapping as mapping_ops
from evergraph.ops.datasets import sources as ops
from evergraph.ops.files.whole_files import matching_files
from evergraph.ops.identity import identity
from evergraph.ops.shaping import shape as shape_of
from evergraph.ops.strings.joining import reduce_join


def tensors(element: Any) -> Built:
    element = structure.normalize_element(element)
    spec = structure.type_spec_from_value(element)
    parts = structure.to_tensor_list(spec, element)
    return Built(ops.tensor_dataset(parts, output_shapes=structure.get_flat_tensor_shapes(spec)), spec)


def tensor_slices(element: Any) -> Built:
    element = structure.normalize_element(element)
    batched = structure.type_spec_from_value(element)
    parts = structure.to_batched_tensor_list(batched, element)
    spec = nest.map_structure(lambda component: component._unbatch(), batched)
    rows = Dimension(dimension_value(parts[0].get_shape()[0]))
    for t in parts[1:]:
        rows.assert_is_compatible_with(Dimension(dimension_value(t.get_shape()[0])))
    return Built(ops.tensor_slice_dataset(parts, output_shapes=structure.get_flat_tensor_shapes(spec)), spec)


def sparse_tensor_slices(sparse_tensor: Any) -> Built:
    if not isinstance(sparse_tensor, SparseTensor):
        raise TypeError(f"`sparse_tensor` must be a `tf.SparseTensor` object. Was {sparse_tensor}.")
    indices, held = sparse_tensor.indices.get_shape(), sparse_tensor.dense_shape.get_shape()
    rank = (indices[1] - 1).merge_with(held[0] - 1)
    spec = (
        TensorSpec([None, rank], dtypes.int64),
        TensorSpec([None], sparse_tensor.dtype),
        TensorSpec([rank], dtypes.int64),
    )
    made = ops.sparse_tensor_slice_dataset(sparse_tensor.indices, sparse_tensor.values, sparse_tensor.dense_shape)
    return Built(made, spec)


def numbers(*args: Any) -> Built:
    if not 1 <= len(args) <= 3:
        raise ValueError(f"Invalid arguments to RangeDataset: {args}")
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    bounds = [long(start, "start"), long(stop, "stop"), long(step, "step")]
    spec = TensorSpec([], dtypes.int64)
    return Built(ops.range_dataset(*bounds, **structure.flat_structure(spec)), spec)


def random_numbers(seed: Any) -> Built:
    seeds = get_seed(seed)
    spec = TensorSpec([], dtypes.int64)
    return Built(ops.random_dataset(*seeds, **structure.flat_structure(spec)), spec)


def found_files(file_pattern: Any) -> Any:
    """The names of the files that match patterns, as a tensor; running it fails if there are none."""
    file_pattern = convert_to_tensor(file_pattern, dtype=dtypes.string, name="file_pattern")
    found = matching_files(file_pattern)
    condition = greater(shape_of(found)[0], 0, name="match_not_empty")
    joined = reduce_join(file_pattern, separator=", ")
    message = add("No files matched pattern: ", joined, name="message")
    not_empty = Assert(condition, [message], summarize=1, name="assert_not_empty")
    with get_default_graph().control_dependencies([not_empty]):
        return identity(found)


# Python generators


class _Generators:
    """The generators under way, by number."""

    def __init__(self, generator: Callable[..., Any]) -> None:
        self._generator = generator
        self._lock = threading.Lock()
        self._next = 0
        self._arguments: dict[int, tuple[Any, ...]] = {}
        self._running: dict[int, Any] = {}

    def begin(self, *args: Any) -> Any:
        with self._lock:
            number = self._next
            self._next += 1
        self._arguments[number] = args
        return np.array(number, dtype=np.int64)

    def running(self, number: Any) -> Any:
        key = int(number)
        found = self._running.get(key)
        if found is None:
            found = self._running[key] = iter(self._generator(*self._arguments.pop(key)))
        return found

    def end(self, number: Any) -> Any:
        self._running.pop(int(number), None)
        return np.array(0, dtype=np.int64)


def _as_wanted(value: Any, kind: dtypes.DType) -> np.ndarray:
    """A value that a generator yielded as an array, strings being `bytes`."""
    if kind._kind != "S":
        return np.asarray(value, dtype=kind.as_numpy_dtype, order="C")
    array = np.asarray(value, order="C")
    if array.dtype.kind == "U":
        return np.vectorize(str.encode, otypes=[object])(array) if array.size else array.astype(object)
    return array.astype(object) if array.dtype.kind == "S" else array


def check_generator(generator: Any, output_types: Any, output_shapes: Any, args: Any) -> tuple[Any, Any]:
    if not callable(generator):
        raise TypeError("`generator` must be callable.")
    if output_shapes is None:
        output_shapes = nest.map_structure(lambda _: unknown_shape(), output_types)
    else:
        output_shapes = nest.map_structure_up_to(output_types, as_shape, output_shapes)
    return output_shapes, () if args is None else tuple(convert_n_to_tensor(args, name="args"))


def generated(generator: Any, output_types: Any, output_shapes: Any, args: Any) -> Callable[[Any], Built]:
    """A function (for `flat_map`) that gives the dataset of what a generator yields."""
    kinds = [dtypes.as_dtype(kind) for kind in nest.flatten(output_types)]
    static = nest.flatten(output_shapes)
    state = _Generators(generator)

    def go_on(number: Any) -> list[Any]:
        values = next(state.running(number))
        try:
            flat = nest.flatten_up_to(output_types, values)
        except (TypeError, ValueError):
            raise TypeError(
                "`generator` yielded an element that did not match the expected structure. The expected structure was "
                f"{output_types}, but the yielded element was {values}."
            ) from None
        made = []
        for value, kind, shape in zip(flat, kinds, static, strict=True):
            try:
                array = _as_wanted(value, kind)
            except (TypeError, ValueError):
                raise TypeError(
                    "`generator` yielded an element that could not be converted to the expected type. The expected "
                    f"type was {kind.name}, but the yielded element was {value}."
                ) from None
            if array.dtype != kind.as_numpy_dtype:
                raise TypeError(
                    f"`generator` yielded an element of type {array.dtype} where an element of type "
                    f"{kind.as_numpy_dtype} was expected."
                )
            if not shape.is_compatible_with(array.shape):
                raise ValueError(
                    f"`generator` yielded an element of shape {array.shape} where an element of shape {shape} was "
                    "expected."
                )
            made.append(array)
        return made

    def get_iterator_id_fn(unused_dummy: Any) -> Any:
        return numpy_function(state.begin, args, dtypes.int64)

    def generator_next_fn(iterator_id_t: Any) -> Any:
        flat = numpy_function(go_on, [iterator_id_t], kinds)
        for t, shape in zip(flat, static, strict=True):
            t.set_shape(shape)
        return nest.pack_sequence_as(output_types, flat)

    def finalize_fn(iterator_id_t: Any) -> Any:
        return numpy_function(state.end, [iterator_id_t], dtypes.int64)

    def dataset(dummy: Any) -> Built:
        return _generator_dataset(dummy, get_iterator_id_fn, generator_next_fn, finalize_fn)

    return dataset


def _generator_dataset(init_args: Any, init_func: Any, next_func: Any, finalize_func: Any) -> Built:
    what = "Dataset.from_generator()"
    init_structure = structure.type_spec_from_value(init_args)
    init = StructuredFunction(init_func, what, init_structure)
    go_on = StructuredFunction(next_func, what, init.output_structure)
    finalize = StructuredFunction(finalize_func, what, init.output_structure)
    made = mapping_ops.generator_dataset(
        structure.to_tensor_list(init_structure, init_args) + init.captured_inputs,
        go_on.captured_inputs,
        finalize.captured_inputs,
        init_func=init.function,
        next_func=go_on.function,
        finalize_func=finalize.function,
        **structure.flat_structure(go_on.output_structure),
    )
    return Built(made, go_on.output_structure)
