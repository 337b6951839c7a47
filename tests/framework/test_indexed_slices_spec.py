"""`tf.IndexedSlicesSpec`."""

import numpy as np

import evergraph as tf


def test_its_parts_follow_from_the_shape_of_the_whole():
    spec = tf.IndexedSlicesSpec([5, 10, 15], tf.float64, tf.int32, tf.int32, [20])
    assert spec.value_type is tf.IndexedSlices
    assert spec._component_specs == (
        tf.TensorSpec([20, 10, 15], tf.float64),
        tf.TensorSpec([20], tf.int32),
        tf.TensorSpec([3], tf.int32),
    )
    assert tf.IndexedSlicesSpec()._component_specs == (tf.TensorSpec(None, tf.float32), tf.TensorSpec([None], tf.int64))
    assert tf.IndexedSlicesSpec()._serialize()[1:4] == (tf.float32, tf.int64, None)


def test_values_are_taken_apart_and_put_together():
    with tf.Graph().as_default():
        whole = tf.IndexedSlices(tf.ones([2, 3]), tf.constant([4, 1]), tf.constant([6, 3]))
        spec = tf.IndexedSlicesSpec.from_value(whole)
        assert spec == tf.IndexedSlicesSpec([6, 3], tf.float32, tf.int32, tf.int32, [2])
        again = spec._from_components(spec._to_components(whole))
        assert (again.values, again.indices, again.dense_shape) == (whole.values, whole.indices, whole.dense_shape)
    parts = np.ones(2), np.array([3, 8])
    held = tf.IndexedSlicesSpec()._from_components(parts)
    assert type(held).__name__ == "IndexedSlicesValue"
    assert held.dense_shape is None
