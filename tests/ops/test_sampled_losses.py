"""Sampled losses of weights in parts, dealt out as TensorFlow 2 does."""

import numpy as np
import pytest

import evergraph as tf


@pytest.mark.parametrize("name", ["nce_loss", "sampled_softmax_loss"])
def test_parts_in_order_are_the_whole(name):
    random = np.random.RandomState(0)
    weights, biases, inputs = (random.randn(*shape).astype(np.float32) for shape in ([6, 4], [6], [3, 4]))
    sampled = ([1, 0, 2, 3], np.full([3, 1], 0.5, np.float32), np.full([4], 0.5, np.float32))
    with tf.Graph().as_default(), tf.Session() as session:
        labels = tf.constant([[0], [1], [2]], tf.int64)
        loss = getattr(tf.compat.v2.nn, name)
        whole = loss(weights, biases, labels, inputs, 4, 6, sampled_values=sampled)
        parts = loss(np.split(weights, 3), np.split(biases, 3), labels, inputs, 4, 6, sampled_values=sampled)
        one_by_one = getattr(tf.nn, name)(
            [weights[i::3] for i in range(3)], [biases[i::3] for i in range(3)], labels, inputs, 4, 6,
            sampled_values=sampled,
        )  # fmt: skip
        a, b, c = session.run([whole, parts, one_by_one])
    np.testing.assert_allclose(a, b, rtol=1e-6)
    np.testing.assert_allclose(a, c, rtol=1e-6)
