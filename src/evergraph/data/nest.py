"""Structures of the elements of datasets: tuples, named tuples, dictionaries. A list is a tensor, not a structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from evergraph.framework import nest
from evergraph.framework.sparse import SparseTensorValue


def is_sequence(x: Any) -> bool:
    """Whether `x` is a structure."""
    if isinstance(x, tuple):
        return not isinstance(x, SparseTensorValue)
    return isinstance(x, Mapping) or hasattr(type(x), "__attrs_attrs__")


def _values(structure: Any) -> list[Any]:
    return nest._values(structure)


def _leaves(structure: Any) -> Iterator[Any]:
    if not is_sequence(structure):
        yield structure
        return
    for value in _values(structure):
        yield from _leaves(value)


def flatten(structure: Any) -> list[Any]:
    """The leaves of `structure`, in order."""
    return list(_leaves(structure))


def pack_sequence_as(structure: Any, flat_sequence: Any) -> Any:
    """Put leaves into the form of `structure`."""
    if not isinstance(flat_sequence, list | tuple):
        raise TypeError("flat_sequence must be a sequence")
    flat = list(flat_sequence)
    if not is_sequence(structure):
        if len(flat) != 1:
            raise ValueError(f"Structure is a scalar but len(flat_sequence) == {len(flat)} > 1")
        return flat[0]
    wanted = len(flatten(structure))
    if wanted != len(flat):
        raise ValueError(
            f"Could not pack sequence. Structure had {wanted} elements, but flat_sequence had {len(flat)} elements.  "
            f"Structure: {structure}, flat_sequence: {flat}."
        )
    return _packed(structure, iter(flat))


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if not is_sequence(structure):
        return next(leaves)
    return nest._rebuilt(structure, [_packed(value, leaves) for value in _values(structure)])


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True) -> None:
    """
    Raises:
        ValueError: if the structures differ in the number or places of their leaves.
        TypeError: if they differ in their types.
    """
    problem = _difference(nest1, nest2, check_types)
    if problem is not None:
        kind, text = problem
        raise kind(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: type={type(nest1).__name__} str={nest1}\n\n"
            f"Second structure: type={type(nest2).__name__} str={nest2}\n\nMore specifically: {text}"
        )


def _difference(a: Any, b: Any, check_types: bool) -> tuple[type[Exception], str] | None:
    nested = is_sequence(a), is_sequence(b)
    if nested == (False, False):
        return None
    if nested[0] is not nested[1]:
        inner, leaf = (a, b) if nested[0] else (b, a)
        return ValueError, (
            f'Substructure "type={type(inner).__name__} str={inner}" is a sequence, while substructure '
            f'"type={type(leaf).__name__} str={leaf}" is not'
        )
    if check_types:
        same = type(a) is type(b)
        if nest.is_namedtuple(a) and nest.is_namedtuple(b):
            same = type(a).__name__ == type(b).__name__ and a._fields == b._fields
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            same = True
        if not same:
            return TypeError, (
                "The two structures don't have the same sequence type. First structure has type "
                f"{type(a).__name__}, while second structure has type {type(b).__name__}"
            )
    both = isinstance(a, Mapping) and isinstance(b, Mapping)
    if check_types and both and nest._sorted_keys(a) != nest._sorted_keys(b):
        return ValueError, (
            "The two dictionaries don't have the same set of keys. First structure has keys "
            f"{nest._sorted_keys(a)}, while second structure has keys {nest._sorted_keys(b)}"
        )
    ours, theirs = _values(a), _values(b)
    if len(ours) != len(theirs):
        return ValueError, (
            f"The two structures don't have the same number of elements. First structure: {a}. Second structure: {b}"
        )
    for x, y in zip(ours, theirs, strict=True):
        found = _difference(x, y, check_types)
        if found is not None:
            return found
    return None


def map_structure(func: Callable[..., Any], *structure: Any, **check_types_dict: Any) -> Any:
    """Apply `func` to the leaves of one or more structures of the same form."""
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    check_types = check_types_dict.pop("check_types", True)
    if check_types_dict:
        raise ValueError("Only valid keyword argument is check_types")
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types=check_types)
    flat = [flatten(s) for s in structure]
    return pack_sequence_as(structure[0], [func(*leaves) for leaves in zip(*flat, strict=True)])


def assert_shallow_structure(shallow_tree: Any, input_tree: Any, check_types: bool = True) -> None:
    """
    Raises:
        TypeError, ValueError: unless `input_tree` has the form of `shallow_tree`, its leaves being anything.
    """
    if not is_sequence(shallow_tree):
        return
    if not is_sequence(input_tree):
        raise TypeError(
            f"If shallow structure is a sequence, input must also be a sequence. Input has type: {type(input_tree)}."
        )
    if check_types and not isinstance(input_tree, type(shallow_tree)):
        raise TypeError(
            "The two structures don't have the same sequence type. Input structure has type "
            f"{type(input_tree)}, while shallow structure has type {type(shallow_tree)}."
        )
    if len(input_tree) != len(shallow_tree):
        raise ValueError(
            f"The two structures don't have the same sequence length. Input structure has length {len(input_tree)}, "
            f"while shallow structure has length {len(shallow_tree)}."
        )
    if check_types and isinstance(shallow_tree, Mapping) and set(input_tree) != set(shallow_tree):
        raise ValueError(
            "The two structures don't have the same keys. Input structure has keys "
            f"{list(input_tree)}, while shallow structure has keys {list(shallow_tree)}."
        )
    for x, y in zip(_values(shallow_tree), _values(input_tree), strict=True):
        assert_shallow_structure(x, y, check_types=check_types)


def flatten_up_to(shallow_tree: Any, input_tree: Any) -> list[Any]:
    """The parts of `input_tree` that stand where `shallow_tree` has its leaves."""
    assert_shallow_structure(shallow_tree, input_tree)
    return list(_leaves_up_to(shallow_tree, input_tree))


def _leaves_up_to(shallow: Any, tree: Any) -> Iterator[Any]:
    if not is_sequence(shallow):
        yield tree
        return
    for x, y in zip(_values(shallow), _values(tree), strict=True):
        yield from _leaves_up_to(x, y)


def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any) -> Any:
    """Apply `func` to the parts of `inputs` that stand where `shallow_tree` has its leaves."""
    if not inputs:
        raise ValueError("Cannot map over no sequences")
    flat = [flatten_up_to(shallow_tree, tree) for tree in inputs]
    return pack_sequence_as(shallow_tree, [func(*parts) for parts in zip(*flat, strict=True)])
