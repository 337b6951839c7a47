"""Elements and their structures of specs: what the elements of a dataset are, and as which tensors they travel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evergraph.data.nest as nest
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import name_scope
from evergraph.framework.sparse import SparseTensor
from evergraph.framework.tensor import Tensor
from evergraph.framework.type_spec import TensorSpec, TypeSpec, known_type_spec
from evergraph.ops.datasets.sparse_spec import SparseTensorSpec


def normalize_element(element: Any) -> Any:
    """`element` with every leaf a tensor, or another value that has a spec."""
    normalized: list[Any] = []
    with name_scope("normalize_element"):
        for i, leaf in enumerate(nest.flatten(element)):
            try:
                spec = type_spec_from_value(leaf, use_fallback=False)
            except TypeError:
                spec = None
            if isinstance(spec, SparseTensorSpec):
                normalized.append(SparseTensor.from_value(leaf))
            elif spec is None or isinstance(spec, TensorSpec):
                normalized.append(convert_to_tensor(leaf, name=f"component_{i}"))
            else:
                normalized.append(leaf)
    return nest.pack_sequence_as(element, normalized)


def type_spec_from_value(element: Any, use_fallback: bool = True) -> Any:
    """The structure of specs of `element`.

    Raises:
        TypeError: if some leaf is nothing that a dataset can hold.
    """
    spec = known_type_spec(element)
    if spec is not None:
        return spec
    if isinstance(element, dict):
        result = element.copy()
        for key in element:
            result[key] = type_spec_from_value(element[key])
        return result
    if isinstance(element, tuple):
        parts = [type_spec_from_value(value) for value in element]
        return type(element)(*parts) if hasattr(element, "_fields") else tuple(parts)
    if use_fallback:
        try:
            spec = known_type_spec(convert_to_tensor(element))
        except (ValueError, TypeError):
            spec = None
        if spec is not None:
            return spec
    raise TypeError(f"Could not build a TypeSpec for {element!r} with type {type(element).__name__}")


def convert_legacy_structure(output_types: Any, output_shapes: Any, output_classes: Any) -> Any:
    """The structure of specs that types, shapes and classes describe."""
    flat = []
    described = zip(nest.flatten(output_types), nest.flatten(output_shapes), nest.flatten(output_classes), strict=True)
    for kind, shape, cls in described:
        if isinstance(cls, TypeSpec):
            flat.append(cls)
        elif issubclass(cls, SparseTensor):
            flat.append(SparseTensorSpec(shape, kind))
        elif issubclass(cls, Tensor):
            flat.append(TensorSpec(shape, kind))
        else:
            raise TypeError(f"Could not build a structure for output class {cls!r}")
    return nest.pack_sequence_as(output_classes, flat)


def _from_list(decode: Callable[[Any, Any], Any], element_spec: Any, tensors: Any) -> Any:
    specs = nest.flatten(element_spec)
    lengths = [len(spec._flat_tensor_specs) for spec in specs]
    if sum(lengths) != len(tensors):
        raise ValueError(f"Expected {sum(lengths)} tensors but got {len(tensors)}.")
    values, at = [], 0
    for spec, n in zip(specs, lengths, strict=True):
        values.append(decode(spec, list(tensors[at : at + n])))
        at += n
    return nest.pack_sequence_as(element_spec, values)


def from_compatible_tensor_list(element_spec: Any, tensor_list: Any) -> Any:
    """The element that tensors make up, known to fit."""
    return _from_list(lambda spec, value: spec._from_compatible_tensor_list(value), element_spec, tensor_list)


def from_tensor_list(element_spec: Any, tensor_list: Any) -> Any:
    """The element that tensors make up.

    Raises:
        ValueError: if they do not fit.
    """
    return _from_list(lambda spec, value: spec._from_tensor_list(value), element_spec, tensor_list)


def to_tensor_list(element_spec: Any, element: Any) -> list[Tensor]:
    """The tensors that an element travels as."""
    nest.assert_same_structure(element_spec, element)
    pairs = zip(nest.flatten(element_spec), nest.flatten(element), strict=True)
    return [t for spec, value in pairs for t in spec._to_tensor_list(value)]


def to_batched_tensor_list(element_spec: Any, element: Any) -> list[Tensor]:
    """The tensors of an element whose slices are to be taken."""
    nest.assert_same_structure(element_spec, element)
    pairs = zip(nest.flatten(element_spec), nest.flatten(element), strict=True)
    return [t for spec, value in pairs for t in spec._to_batched_tensor_list(value)]


def get_flat_tensor_specs(element_spec: Any) -> list[Any]:
    return [flat for spec in nest.flatten(element_spec) for flat in spec._flat_tensor_specs]


def get_flat_tensor_shapes(element_spec: Any) -> list[Any]:
    return [spec.shape for spec in get_flat_tensor_specs(element_spec)]


def get_flat_tensor_types(element_spec: Any) -> list[Any]:
    return [spec.dtype for spec in get_flat_tensor_specs(element_spec)]


def are_compatible(spec1: Any, spec2: Any) -> bool:
    """Whether elements of either kind are of the other."""
    try:
        nest.assert_same_structure(spec1, spec2)
    except (TypeError, ValueError):
        return False
    pairs = zip(nest.flatten(spec1), nest.flatten(spec2), strict=True)
    return all(a.is_compatible_with(b) and b.is_compatible_with(a) for a, b in pairs)


def legacy_types(element_spec: Any) -> Any:
    return nest.map_structure(lambda spec: spec._to_legacy_output_types(), element_spec)


def legacy_shapes(element_spec: Any) -> Any:
    return nest.map_structure(lambda spec: spec._to_legacy_output_shapes(), element_spec)


def legacy_classes(element_spec: Any) -> Any:
    return nest.map_structure(lambda spec: spec._to_legacy_output_classes(), element_spec)


def flat_structure(element_spec: Any) -> dict[str, Any]:
    """The attributes that describe the elements to an op."""
    return {
        "output_shapes": get_flat_tensor_shapes(element_spec),
        "output_types": get_flat_tensor_types(element_spec),
    }
