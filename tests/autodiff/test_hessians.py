"""Second derivatives: the whole matrix, and its product with a vector."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.autodiff.hessians import hessian_vector_product

MATRIX = np.arange(9.0).reshape(3, 3)
VECTOR = np.array([1.0, -1.0, 2.0])


def half_form(x):
    """`x' M x / 2`, whose Hessian is the symmetric part of `M`."""
    return tf.reduce_sum(x * tf.reduce_sum(MATRIX * x, axis=1)) * 0.5


def test_product_with_a_vector_is_that_of_the_hessian():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.constant([1.0, 2.0, 3.0], tf.float64)
        y = half_form(x)
        hessian, product = session.run([tf.hessians(y, x)[0], hessian_vector_product(y, [x], [VECTOR])[0]])
    np.testing.assert_allclose(hessian, (MATRIX + MATRIX.T) / 2)
    np.testing.assert_allclose(product, hessian @ VECTOR)


def test_vector_needs_a_part_for_each_variable():
    with tf.Graph().as_default():
        x = tf.constant([1.0, 2.0, 3.0], tf.float64)
        with pytest.raises(ValueError, match="same length"):
            hessian_vector_product(half_form(x), [x], [])
