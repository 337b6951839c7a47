"""Datasets that call a function: map, filter, flat_map, interleave, scan, take_while, reduce."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.nest as nest
import evergraph.data.structure as structure
from evergraph.data.built import Built, given_or, long
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.data.functions import StructuredFunction
from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import name_scope
from evergraph.framework.type_spec import TensorSpec
from evergraph.ops.datasets import iterators as iterator_ops
from evergraph.ops.datasets import mapping as ops
from evergraph.ops.datasets import nesting as nesting_ops


def mapped(
    source: Any,
    map_func: Any,
    num_parallel_calls: Any = None,
    use_inter_op_parallelism: bool = True,
    preserve_cardinality: bool = False,
) -> Built:
    function = StructuredFunction(map_func, "Dataset.map()", source.element_spec)
    spec = function.output_structure
    options = {
        "f": function.function,
        "use_inter_op_parallelism": use_inter_op_parallelism,
        "preserve_cardinality": preserve_cardinality,
        **structure.flat_structure(spec),
    }
    if num_parallel_calls is None:
        made = ops.map_dataset(source._variant_tensor, function.captured_inputs, **options)
    else:
        calls = convert_to_tensor(num_parallel_calls, dtype=dtypes.int32, name="num_parallel_calls")
        made = ops.parallel_map_dataset(source._variant_tensor, function.captured_inputs, calls, **options)
    return Built(made, spec, [function])


def filtered(source: Any, predicate: Any) -> Built:
    function = StructuredFunction(predicate, "Dataset.filter()", source.element_spec)
    if not is_scalar(function.output_structure, dtypes.bool):
        raise ValueError(
            f"`predicate` return type must be convertible to a scalar boolean tensor. Was {function.output_structure}."
        )
    made = ops.filter_dataset(
        source._variant_tensor, function.captured_inputs, predicate=function.function, **source._flat_structure
    )
    return Built(made, source.element_spec, [function])


def taken_while(source: Any, predicate: Any) -> Built:
    function = StructuredFunction(predicate, "tf.data.experimental.take_while()", source.element_spec)
    if not is_scalar(function.output_structure, dtypes.bool):
        raise ValueError("`predicate` must return a scalar boolean tensor.")
    made = ops.take_while_dataset(
        source._variant_tensor, function.captured_inputs, predicate=function.function, **source._flat_structure
    )
    return Built(made, source.element_spec, [function])


def is_scalar(spec: Any, kind: Any) -> bool:
    """Whether a structure is one scalar of type `kind`."""
    return isinstance(spec, TensorSpec) and spec.is_compatible_with(TensorSpec([], kind))


def _of_datasets(map_func: Any, source: Any, what: str, short: bool = False) -> StructuredFunction:
    function = StructuredFunction(map_func, what, source.element_spec)
    if not isinstance(function.output_structure, DatasetSpec):
        ending = "" if short else f" Got {type(function.output_structure)}"
        raise TypeError(f"`map_func` must return a `Dataset` object.{ending}")
    return function


def flat_mapped(source: Any, map_func: Any) -> Built:
    function = _of_datasets(map_func, source, "Dataset.flat_map()")
    spec = function.output_structure._element_spec
    made = nesting_ops.flat_map_dataset(
        source._variant_tensor,
        function.captured_inputs,
        f=function.function,
        **structure.flat_structure(spec),
    )
    return Built(made, spec, [function])


def interleaved(source: Any, map_func: Any, cycle_length: Any, block_length: Any, num_parallel_calls: Any) -> Built:
    function = _of_datasets(map_func, source, "Dataset.interleave()")
    spec = function.output_structure._element_spec
    cycle, block = long(cycle_length, "cycle_length"), long(block_length, "block_length")
    options = {"f": function.function, **structure.flat_structure(spec)}
    captured = function.captured_inputs
    if num_parallel_calls is None:
        made = nesting_ops.interleave_dataset(source._variant_tensor, captured, cycle, block, **options)
    else:
        calls = long(num_parallel_calls, "num_parallel_calls")
        made = nesting_ops.parallel_interleave_dataset_v2(
            source._variant_tensor, captured, cycle, block, calls, **options
        )
    return Built(made, spec, [function])


def interleaved_ahead(
    source: Any,
    map_func: Any,
    cycle_length: Any,
    block_length: Any,
    sloppy: Any,
    buffer_output_elements: Any,
    prefetch_input_elements: Any,
) -> Built:
    function = _of_datasets(map_func, source, "tf.data.experimental.parallel_interleave()", short=True)
    spec = function.output_structure._element_spec
    cycle, block = long(cycle_length, "cycle_length"), long(block_length, "block_length")
    is_sloppy = convert_to_tensor(sloppy, dtype=dtypes.bool, name="sloppy")
    outputs = given_or(2 * block_length, buffer_output_elements, "buffer_output_elements")
    inputs = given_or(2 * cycle_length, prefetch_input_elements, "prefetch_input_elements")
    made = nesting_ops.parallel_interleave_dataset(
        source._variant_tensor,
        function.captured_inputs,
        cycle,
        block,
        is_sloppy,
        outputs,
        inputs,
        f=function.function,
        **structure.flat_structure(spec),
    )
    return Built(made, spec, [function])


def settled(
    make: Callable[[Any], StructuredFunction], state_structure: Any, new_state: Callable[[Any], Any]
) -> tuple[StructuredFunction, Any]:
    """A function from state to state, and a structure of the state that its own results fit.

    Args:
        make: makes the function for a structure of the state.
        new_state: the state's part of one of the function's structures (of types, say).

    Raises:
        TypeError: if it gives the state another class or type.
    """
    while True:
        function = make(state_structure)
        new_classes, classes = new_state(function.output_classes), structure.legacy_classes(state_structure)
        for new, old in zip(nest.flatten(new_classes), nest.flatten(classes), strict=False):
            if not (new == old or isinstance(new, type) and isinstance(old, type) and issubclass(new, old)):
                raise TypeError(
                    f"The element classes for the new state must match the initial state. Expected {classes}; got "
                    f"{new_classes}."
                )
        new_types, types = new_state(function.output_types), structure.legacy_types(state_structure)
        for new, old in zip(nest.flatten(new_types), nest.flatten(types), strict=False):
            if new != old:
                raise TypeError(
                    f"The element types for the new state must match the initial state. Expected {types}; got "
                    f"{new_types}."
                )
        shapes = structure.legacy_shapes(state_structure)
        pairs = list(zip(nest.flatten(shapes), nest.flatten(new_state(function.output_shapes)), strict=False))
        weakened = [old.most_specific_compatible_shape(new) for old, new in pairs]
        if all(
            old.ndims is None or weak.ndims is not None and old.as_list() == weak.as_list()
            for (old, _), weak in zip(pairs, weakened, strict=True)
        ):
            return function, state_structure
        state_structure = structure.convert_legacy_structure(types, nest.pack_sequence_as(shapes, weakened), classes)


def scanned(source: Any, initial_state: Any, scan_func: Any) -> Built:
    initial_state = structure.normalize_element(initial_state)

    def make(state_structure: Any) -> StructuredFunction:
        function = StructuredFunction(
            scan_func,
            "tf.data.experimental.scan()",
            (state_structure, source.element_spec),
            add_to_graph=False,
        )
        types = function.output_types
        if not (isinstance(types, tuple | list) and len(types) == 2):
            raise TypeError("The scan function must return a pair comprising the new state and the output value.")
        return function

    state_structure = structure.type_spec_from_value(initial_state)
    function, state_structure = settled(make, state_structure, lambda both: both[0])
    spec = function.output_structure[1]
    function.function.add_to_graph(get_default_graph())
    made = ops.scan_dataset(
        source._variant_tensor,
        structure.to_tensor_list(state_structure, initial_state),
        function.captured_inputs,
        f=function.function,
        preserve_cardinality=True,
        **structure.flat_structure(spec),
    )
    return Built(made, spec, [function])


def reduced(source: Any, initial_state: Any, reduce_func: Any) -> Any:
    """The state after all elements, as tensors."""
    with name_scope("initial_state"):
        initial_state = structure.normalize_element(initial_state)

    def make(state_structure: Any) -> StructuredFunction:
        return StructuredFunction(reduce_func, "reduce()", (state_structure, source.element_spec), add_to_graph=False)

    state_structure = structure.type_spec_from_value(initial_state)
    function, state_structure = settled(make, state_structure, lambda whole: whole)
    function.function.add_to_graph(get_default_graph())
    made = iterator_ops.reduce_dataset(
        source._variant_tensor,
        structure.to_tensor_list(state_structure, initial_state),
        function.captured_inputs,
        f=function.function,
        **structure.flat_structure(state_structure),
    )
    return structure.from_compatible_tensor_list(state_structure, made)
