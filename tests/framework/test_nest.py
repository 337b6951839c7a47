"""Nested structures: results and errors that TensorFlow 1.15 was seen to give."""

from collections import OrderedDict, namedtuple

import pytest

from evergraph.framework import nest

Pair = namedtuple("Pair", "b a")
Other = namedtuple("Other", "b a")


@pytest.mark.parametrize(
    ("structure", "leaves"),
    [
        ({"b": 1, "a": [2, (3,)]}, [2, 3, 1]),
        (Pair(1, 2), [1, 2]),
        ("abc", ["abc"]),
        (OrderedDict([("z", 1), ("y", 2)]), [2, 1]),
        ({1, 2}, [{1, 2}]),
        (range(3), [0, 1, 2]),
        (None, [None]),
        ([], []),
    ],
)
def test_flatten(structure, leaves):
    assert nest.flatten(structure) == leaves


def test_keys_must_be_sortable():
    with pytest.raises(TypeError):
        nest.flatten({1: 2, "a": 3})


def test_pack():
    assert nest.pack_sequence_as({"b": 1, "a": [2, (3,)]}, [7, 8, 9]) == {"b": 9, "a": [7, (8,)]}
    assert nest.pack_sequence_as(Pair(1, [2]), [3, 4]) == Pair(3, [4])
    assert nest.pack_sequence_as("a", [1]) == 1
    packed = nest.pack_sequence_as(OrderedDict([("z", 0), ("y", 0)]), [1, 2])
    assert list(packed.items()) == [("z", 2), ("y", 1)]


@pytest.mark.parametrize(
    ("structure", "flat", "error", "message"),
    [
        ([1, 2], [1], ValueError, "Structure had 2 elements, but flat_sequence had 1 elements"),
        ([1, [2]], [3, 4, 5], ValueError, "Structure had 2 elements, but flat_sequence had 3 elements"),
        (1, [1, 2], ValueError, "Structure is a scalar but len(flat_sequence) == 2 > 1"),
        (1, 3, TypeError, "flat_sequence must be a sequence"),
    ],
)
def test_what_cannot_be_packed(structure, flat, error, message):
    with pytest.raises(error) as caught:
        nest.pack_sequence_as(structure, flat)
    assert message in str(caught.value)


def test_map():
    assert nest.map_structure(lambda x, y: x + y, [1, (2,)], [3, (4,)]) == [4, (6,)]
    assert nest.map_structure(lambda x, y: x, [1, 2], (1, 2), check_types=False) == [1, 2]
    with pytest.raises(TypeError, match="the same sequence type"):
        nest.map_structure(lambda x, y: x, [1, 2], (1, 2))
    with pytest.raises(ValueError, match="Must provide at least one structure"):
        nest.map_structure(len)
    with pytest.raises(TypeError, match="func must be callable"):
        nest.map_structure(3, [1])
    with pytest.raises(ValueError, match="Only valid keyword arguments"):
        nest.map_structure(len, [1], other=3)


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        ([1, 2], [1, [2]], ValueError),
        ([1, 2], [1], ValueError),
        ([1, 2], 3, ValueError),
        ({"a": 1}, {"b": 1}, ValueError),
        (Pair(1, 2), Other(1, 2), TypeError),
        ([[1], 2], [(1,), 2], TypeError),
        ([[1, 2], 3], [[1], 3], ValueError),
    ],
)
def test_structures_that_differ(one, other, error):
    with pytest.raises(error, match="The two structures don't have the same nested structure"):
        nest.assert_same_structure(one, other)


def test_structures_that_agree():
    nest.assert_same_structure({"a": 1}, OrderedDict(a=2))
    nest.assert_same_structure([1], [Pair])
    nest.assert_same_structure({"a": 1}, [1], check_types=False)
    nest.assert_same_structure(Pair(1, 2), namedtuple("Pair", "b a")(3, 4))


def test_partial_structures():
    assert nest.flatten_up_to([1, [2]], [[1], [3]]) == [[1], 3]
    assert nest.map_structure_up_to([1, 2], lambda a, b: (a, b), [[1], 2], [3, [4]]) == [([1], 3), (2, [4])]
    assert nest.get_traverse_shallow_structure(lambda s: not isinstance(s, tuple), [1, (2, 3)]) == [True, False]
    with pytest.raises(ValueError, match="the same sequence length"):
        nest.flatten_up_to([1, 2], [1])
    with pytest.raises(TypeError, match="the same sequence type"):
        nest.flatten_up_to([1, 2], (1, 2))
    with pytest.raises(TypeError, match="input must also be a sequence"):
        nest.flatten_up_to([1, [2]], [1, 3])
    with pytest.raises(ValueError, match=r"not in the input_tree: \['a'\]"):
        nest.assert_shallow_structure({"a": 1}, {"b": 2})


def test_paths_and_keys():
    assert nest.flatten_with_joined_string_paths({"a": [1, 2]}) == [("a/0", 1), ("a/1", 2)]
    assert list(nest.yield_flattened_paths({"a": [1, 2]})) == [("a", 0), ("a", 1)]
    assert nest.flatten_dict_items({(4, 5): (1, 2), "x": 3}) == {4: 1, 5: 2, "x": 3}
