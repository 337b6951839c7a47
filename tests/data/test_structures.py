"""Structures of elements, and the specs that describe them."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import evergraph as tf
from evergraph.data import nest, structure
from evergraph.data.dataset_spec import DatasetSpec
from evergraph.framework.type_spec import type_spec_from_value

Point = namedtuple("Point", ["x", "y"])


def test_lists_are_leaves_and_dictionaries_go_by_key():
    assert nest.flatten({"b": [1, 2], "a": (3, Point(4, None))}) == [3, 4, None, [1, 2]]
    packed = nest.pack_sequence_as(OrderedDict([("b", 0), ("a", (0, Point(0, 0)))]), [1, 2, 3, 4])
    assert packed == OrderedDict([("b", 4), ("a", (1, Point(2, 3)))]) and list(packed) == ["b", "a"]
    assert nest.flatten(tf.SparseTensorValue([[0]], [1], [2])) == [tf.SparseTensorValue([[0]], [1], [2])]


def test_structures_that_differ():
    with pytest.raises(ValueError, match="same nested structure"):
        nest.assert_same_structure((1, 2), 3)
    with pytest.raises(TypeError, match="same sequence type"):
        nest.assert_same_structure((1, 2), Point(1, 2))
    with pytest.raises(ValueError, match="same set of keys"):
        nest.assert_same_structure({"a": 1}, {"b": 1})
    with pytest.raises(ValueError, match="Structure had 2 elements"):
        nest.pack_sequence_as((1, 2), [1])


def test_specs_compare_and_widen():
    a, b = tf.TensorSpec([2, 3], tf.int32), tf.TensorSpec([2, None], tf.int32)
    assert a != b and a.is_compatible_with(b) and hash(a) == hash(tf.TensorSpec((2, 3), tf.int32))
    assert a.most_specific_compatible_type(b) == b
    assert not a.is_compatible_with(tf.TensorSpec([2, 3], tf.int64))
    with pytest.raises(ValueError, match="not compatible"):
        a.most_specific_compatible_type(tf.TensorSpec([2, 3], tf.int64))
    assert a._batch(None) == tf.TensorSpec([None, 2, 3], tf.int32) and a._unbatch() == tf.TensorSpec([3], tf.int32)
    with pytest.raises(ValueError, match="rank >= 1"):
        tf.TensorSpec([], tf.int32)._unbatch()


def test_the_spec_of_a_value():
    with tf.Graph().as_default():
        assert type_spec_from_value(tf.zeros([2, 1])) == tf.TensorSpec([2, 1], tf.float32)
        assert type_spec_from_value(np.zeros([3], np.int16)) == tf.TensorSpec([3], tf.int16)
        assert type_spec_from_value(tf.SparseTensor([[0]], [1.0], [4])) == tf.SparseTensorSpec([4], tf.float32)
        d = tf.data.Dataset.range(3)
        assert type_spec_from_value(d) == DatasetSpec(tf.TensorSpec([], tf.int64))
        with pytest.raises(TypeError, match="Could not build a TypeSpec"):
            type_spec_from_value(object())


def test_an_element_goes_to_tensors_and_back():
    with tf.Graph().as_default(), tf.Session() as session:
        element = {"s": tf.SparseTensor([[0], [2]], [1, 2], [3]), "t": (tf.constant([1.0]), tf.constant("x"))}
        spec = structure.type_spec_from_value(element)
        tensors = structure.to_tensor_list(spec, element)
        assert [t.dtype for t in tensors] == structure.get_flat_tensor_types(spec)
        again = structure.from_tensor_list(spec, tensors)
        found, expected = session.run([again, element])
        assert found["t"][1] == expected["t"][1] == b"x"
        for part in ("indices", "values", "dense_shape"):
            np.testing.assert_array_equal(getattr(found["s"], part), getattr(expected["s"], part))
        with pytest.raises(ValueError, match="Expected 3 tensors"):
            structure.from_tensor_list(spec, tensors[:2])


def test_static_shapes_of_transformations():
    with tf.Graph().as_default():
        d = tf.data.Dataset.from_tensor_slices(np.zeros((10, 4)))
        assert d.batch(3).output_shapes.as_list() == [None, 4]
        assert d.batch(3, drop_remainder=True).output_shapes.as_list() == [3, 4]
        assert d.batch(5).unbatch().element_spec == tf.TensorSpec([4], tf.float64)
        other = tf.data.Dataset.from_tensors(np.zeros(7))
        assert d.concatenate(other).output_shapes.as_list() == [None]
        with pytest.raises(TypeError, match="different types"):
            d.concatenate(tf.data.Dataset.range(3))
        with pytest.raises(TypeError, match="nested structure of `Dataset` objects"):
            tf.data.Dataset.zip([d, other])
        with pytest.raises(ValueError, match="scalar boolean"):
            d.filter(lambda x: x > 0)
        with pytest.raises(TypeError, match="Unsupported return value"):
            d.map(lambda x: object())
