"""Nested structures: lists, tuples, named tuples and dictionaries of anything, to any depth.

    flatten({"b": [1, 2], "a": 3})                      ->  [3, 1, 2]           dictionaries go by sorted key
    pack_sequence_as({"b": [1, 2], "a": 3}, [7, 8, 9])  ->  {"b": [8, 9], "a": 7}

Strings and arrays are leaves. With `expand_composites`, `IndexedSlices` and `SparseTensor` are structures of their
tensors; otherwise they are leaves too.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.composite import CompositeTensor
from evergraph.framework.sparse import IndexedSlices, SparseTensor


def is_composite(x: Any) -> bool:
    """Whether `x` is one value made of several tensors."""
    return isinstance(x, IndexedSlices | SparseTensor | CompositeTensor)


@public("nest.is_nested", "contrib.framework.nest.is_nested", "contrib.framework.nest.is_sequence")
def is_nested(seq: Any) -> bool:
    """Whether `seq` is a structure: a sequence other than a string, a mapping, or an instance of an attrs class."""
    if isinstance(seq, list | tuple | dict):
        return True
    if isinstance(seq, str | bytes):
        return False
    return isinstance(seq, Sequence | Mapping) or _is_attrs(seq)


is_sequence = is_nested


def is_nested_or_composite(x: Any) -> bool:
    return is_nested(x) or is_composite(x)


def _is_attrs(x: Any) -> bool:
    return hasattr(type(x), "__attrs_attrs__")


def is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _is_structure(x: Any, expand_composites: bool) -> bool:
    return is_nested(x) or expand_composites and is_composite(x)


def _sorted_keys(mapping: Any) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        raise TypeError("nest only supports dicts with sortable keys.") from None


def _items(structure: Any) -> list[tuple[Any, Any]]:
    """What a structure holds, each with its key or position, in the order of `flatten`."""
    if isinstance(structure, Mapping):
        return [(key, structure[key]) for key in _sorted_keys(structure)]
    if _is_attrs(structure):
        return [(field.name, getattr(structure, field.name)) for field in type(structure).__attrs_attrs__]
    if isinstance(structure, IndexedSlices):
        parts = [("values", structure.values), ("indices", structure.indices)]
        return parts if structure.dense_shape is None else [*parts, ("dense_shape", structure.dense_shape)]
    if isinstance(structure, SparseTensor):
        return [(part, getattr(structure, part)) for part in ("indices", "values", "dense_shape")]
    return list(enumerate(structure._parts() if isinstance(structure, CompositeTensor) else structure))


def _values(structure: Any) -> list[Any]:
    return list(structure) if type(structure) in (list, tuple) else [value for _, value in _items(structure)]


def _rebuilt(structure: Any, values: list[Any]) -> Any:
    """A structure of the kind of `structure` that holds `values` (in the order of `flatten`)."""
    kind = type(structure)
    if isinstance(structure, Mapping):
        by_key = dict(zip(_sorted_keys(structure), values, strict=True))
        pairs = ((key, by_key[key]) for key in structure)
        if isinstance(structure, defaultdict):
            return kind(structure.default_factory, pairs)
        return OrderedDict(pairs) if isinstance(structure, OrderedDict) and kind is OrderedDict else kind(pairs)
    if isinstance(structure, IndexedSlices):
        return IndexedSlices(*values)
    if isinstance(structure, SparseTensor):
        return SparseTensor(*values)
    if isinstance(structure, CompositeTensor):
        return structure._with_parts(values)
    if is_namedtuple(structure) or _is_attrs(structure):
        return kind(*values)
    if isinstance(structure, range):
        return values
    return kind(values)


@public("nest.flatten", "contrib.framework.nest.flatten")
def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves of `structure`, in order; a leaf by itself gives a list of one.

    >>> tf.nest.flatten([1, (2, {"b": 4, "a": 3})])
    [1, 2, 3, 4]
    """
    return list(_leaves(structure, expand_composites))


def _leaves(structure: Any, expand_composites: bool) -> Iterator[Any]:
    if not _is_structure(structure, expand_composites):
        yield structure
        return
    for value in _values(structure):
        yield from _leaves(value, expand_composites)


@public("nest.pack_sequence_as", "contrib.framework.nest.pack_sequence_as")
def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """Put the leaves `flat_sequence` into the form of `structure`: the reverse of `flatten`.

    Raises:
        TypeError: if `flat_sequence` is not a sequence.
        ValueError: if `structure` has another number of leaves.
    """
    if not is_nested(flat_sequence):
        raise TypeError("flat_sequence must be a sequence")
    flat = list(flat_sequence)
    wanted = sum(1 for _ in _leaves(structure, expand_composites))
    if not _is_structure(structure, expand_composites):
        if len(flat) != 1:
            raise ValueError(f"Structure is a scalar but len(flat_sequence) == {len(flat)} > 1")
        return flat[0]
    if wanted != len(flat):
        raise ValueError(
            "Could not pack sequence. Structure had "
            f"{wanted} elements, but flat_sequence had {len(flat)} elements.  Structure: {structure}, "
            f"flat_sequence: {flat}."
        )
    return _packed(structure, iter(flat), expand_composites)


def _packed(structure: Any, leaves: Iterator[Any], expand_composites: bool) -> Any:
    if not _is_structure(structure, expand_composites):
        return next(leaves)
    return _rebuilt(structure, [_packed(value, leaves, expand_composites) for value in _values(structure)])


@public("nest.map_structure", "contrib.framework.nest.map_structure")
def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """Apply `func` to the leaves of one or more structures of the same form; gives a structure of the results.

    Args:
        func: takes one leaf of each structure.
        *structure: the structures.
        check_types: whether lists and tuples are told apart; true by default.
        expand_composites: whether `IndexedSlices` and `SparseTensor` are structures.

    Raises:
        TypeError: if `func` is not callable, or the structures differ in their types.
        ValueError: if they differ in their form, or there are none.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    check_types = kwargs.pop("check_types", True)
    expand_composites = kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(
            f"Only valid keyword arguments are `check_types` and `expand_composites`, not: {', '.join(kwargs)}"
        )
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types, expand_composites)
    flat = [flatten(s, expand_composites) for s in structure]
    return pack_sequence_as(structure[0], [func(*leaves) for leaves in zip(*flat, strict=True)], expand_composites)


@public("nest.assert_same_structure", "contrib.framework.nest.assert_same_structure")
def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    """Raise unless two structures have the same form.

    Args:
        nest1, nest2: the structures.
        check_types: whether lists and tuples are told apart.
        expand_composites: whether `IndexedSlices` and `SparseTensor` are structures.

    Raises:
        ValueError: if they differ in the number or places of their leaves.
        TypeError: if they differ in their types.
    """
    problem = _difference(nest1, nest2, check_types, expand_composites)
    if problem is not None:
        kind, text = problem
        raise kind(
            "The two structures don't have the same nested structure.\n\n"
            f"First structure: type={type(nest1).__name__} str={nest1}\n\n"
            f"Second structure: type={type(nest2).__name__} str={nest2}\n\nMore specifically: {text}"
        )


def _difference(a: Any, b: Any, check_types: bool, expand: bool) -> tuple[type[Exception], str] | None:
    nested = _is_structure(a, expand), _is_structure(b, expand)
    if nested == (False, False):
        return None
    if nested[0] is not nested[1]:
        inner, leaf = (a, b) if nested[0] else (b, a)
        return ValueError, (
            f'Substructure "type={type(inner).__name__} str={inner}" is a sequence, while substructure '
            f'"type={type(leaf).__name__} str={leaf}" is not'
        )
    if check_types:
        same_type = type(a) is type(b)
        if is_namedtuple(a) and is_namedtuple(b):
            same_type = type(a).__name__ == type(b).__name__ and a._fields == b._fields
        elif isinstance(a, Mapping) and isinstance(b, Mapping):
            same_type = True
        if not same_type:
            what = "namedtuples" if is_namedtuple(a) and is_namedtuple(b) else "structures"
            return TypeError, (
                f"The two {what} don't have the same sequence type. First structure has type {type(a).__name__}, while "
                f"second structure has type {type(b).__name__}"
            )
    ours, theirs = _items(a), _items(b)
    if isinstance(a, Mapping) and isinstance(b, Mapping) and [k for k, _ in ours] != [k for k, _ in theirs]:
        return ValueError, (
            "The two dictionaries don't have the same set of keys. First structure has keys "
            f"{[k for k, _ in ours]}, while second structure has keys {[k for k, _ in theirs]}"
        )
    if len(ours) != len(theirs):
        return ValueError, (
            f"The two structures don't have the same number of elements. First structure: {a}. Second structure: {b}"
        )
    for (_, x), (_, y) in zip(ours, theirs, strict=True):
        found = _difference(x, y, check_types, expand)
        if found is not None:
            return found
    return None


@public("contrib.framework.nest.flatten_dict_items")
def flatten_dict_items(dictionary: Any) -> dict[Any, Any]:
    """Pair the leaves of each (structured) key of a dictionary with those of its value.

    Raises:
        TypeError: if it is not a dictionary.
        ValueError: if a key and its value differ in their number of leaves, or a key comes twice.
    """
    if not isinstance(dictionary, Mapping):
        raise TypeError("input must be a dictionary")
    flat: dict[Any, Any] = {}
    for key, value in dictionary.items():
        keys, values = flatten(key), flatten(value)
        if len(keys) != len(values):
            raise ValueError(
                f"Could not flatten dictionary. Key had {len(keys)} elements, but value had {len(values)} elements. "
                f"Key: {keys}, value: {values}."
            )
        for k, v in zip(keys, values, strict=True):
            if k in flat:
                raise ValueError(f"Could not flatten dictionary: this key is not unique: {k}")
            flat[k] = v
    return flat


@public("contrib.framework.nest.assert_shallow_structure")
def assert_shallow_structure(shallow_tree: Any, input_tree: Any, check_types: bool = True) -> None:
    """Raise unless `input_tree` has the form of `shallow_tree`, its leaves being anything.

    Raises:
        TypeError: if a part of `shallow_tree` is nested where `input_tree` is not, or of another type.
        ValueError: if their lengths or keys differ.
    """
    if not is_nested(shallow_tree):
        return
    if not is_nested(input_tree):
        raise TypeError(
            f"If shallow structure is a sequence, input must also be a sequence. Input has type: {type(input_tree)}."
        )
    if (
        check_types
        and not isinstance(input_tree, type(shallow_tree))
        and not (isinstance(shallow_tree, Mapping) and isinstance(input_tree, Mapping))
    ):
        raise TypeError(
            "The two structures don't have the same sequence type. Input structure has type "
            f"{type(input_tree)}, while shallow structure has type {type(shallow_tree)}."
        )
    if len(input_tree) != len(shallow_tree):
        raise ValueError(
            f"The two structures don't have the same sequence length. Input structure has length {len(input_tree)}, "
            f"while shallow structure has length {len(shallow_tree)}."
        )
    ours, theirs = _items(shallow_tree), _items(input_tree)
    if isinstance(shallow_tree, Mapping) and [k for k, _ in ours] != [k for k, _ in theirs]:
        only = [k for k, _ in ours if k not in input_tree]
        raise ValueError(
            "The shallow_tree's keys are not a subset of the input_tree's keys. The shallow_tree has the following "
            f"keys that are not in the input_tree: {only}."
        )
    for (_, x), (_, y) in zip(ours, theirs, strict=True):
        assert_shallow_structure(x, y, check_types)


@public("contrib.framework.nest.flatten_up_to")
def flatten_up_to(shallow_tree: Any, input_tree: Any, check_types: bool = True) -> list[Any]:
    """The parts of `input_tree` that stand where `shallow_tree` has its leaves, in order."""
    assert_shallow_structure(shallow_tree, input_tree, check_types)
    return list(_leaves_up_to(shallow_tree, input_tree))


def _leaves_up_to(shallow: Any, tree: Any) -> Iterator[Any]:
    if not is_nested(shallow):
        yield tree
        return
    for x, y in zip(_values(shallow), _values(tree), strict=True):
        yield from _leaves_up_to(x, y)


@public("contrib.framework.nest.map_structure_up_to")
def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **kwargs: Any) -> Any:
    """Apply `func` to the parts of `inputs` that stand where `shallow_tree` has its leaves."""
    if not inputs:
        raise ValueError("Cannot map over no sequences")
    check_types = kwargs.pop("check_types", True)
    flat = [flatten_up_to(shallow_tree, tree, check_types) for tree in inputs]
    return pack_sequence_as(shallow_tree, [func(*parts) for parts in zip(*flat, strict=True)])


@public("contrib.framework.nest.yield_flattened_paths")
def yield_flattened_paths(nest: Any, expand_composites: bool = False) -> Iterator[tuple[Any, ...]]:
    """The path of keys to each leaf."""
    return (path for path, _ in _paths(nest, expand_composites, ()))


@public("contrib.framework.nest.flatten_with_joined_string_paths")
def flatten_with_joined_string_paths(
    structure: Any, separator: str = "/", expand_composites: bool = False
) -> list[tuple[str, Any]]:
    """Pairs of path and leaf: `{"a": [1, 2]}` gives `[("a/0", 1), ("a/1", 2)]`."""
    return [(separator.join(map(str, path)), leaf) for path, leaf in _paths(structure, expand_composites, ())]


def _paths(structure: Any, expand_composites: bool, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if not _is_structure(structure, expand_composites):
        yield path, structure
        return
    for key, value in _items(structure):
        yield from _paths(value, expand_composites, (*path, key))


@public("contrib.framework.nest.get_traverse_shallow_structure")
def get_traverse_shallow_structure(
    traverse_fn: Callable[[Any], Any], structure: Any, expand_composites: bool = False
) -> Any:
    """A structure of bools that says how deep to go: False at parts for which `traverse_fn` is false.

    Raises:
        TypeError: if `traverse_fn` gives anything else than a bool, or a structure of them.
    """
    to_traverse = traverse_fn(structure)
    if not _is_structure(structure, expand_composites):
        if not isinstance(to_traverse, bool):
            raise TypeError(f"traverse_fn returned structure: {to_traverse} for non-structure: {structure}")
        return to_traverse
    if not isinstance(to_traverse, bool):
        assert_shallow_structure(to_traverse, structure)
        return to_traverse
    if not to_traverse:
        return False
    parts = [get_traverse_shallow_structure(traverse_fn, value, expand_composites) for value in _values(structure)]
    return _rebuilt(structure, parts)
