"""Gradients of whole programs against central differences, in float64."""

import numpy as np
import pytest

import evergraph as tf

A = np.random.default_rng(0).uniform(0.5, 1.5, (3, 3))
B = np.random.default_rng(1).uniform(0.5, 1.5, (3,))


def paths_that_meet(a, b):
    c = tf.sin(a)
    d = c * c + a
    return d * c * b


def broadcast_both_ways(a, b):
    return (a + b) * tf.reshape(b, [3, 1]) / (a * a + b)


def network(a, b):
    h = tf.tanh(tf.matmul(a, a) + b)
    return tf.reduce_mean(tf.sigmoid(tf.matmul(h, a, transpose_b=True) - b) ** 2.0, axis=1)


def output_left_out(a, b):
    first, _, last = tf.unstack(a, axis=1)
    return first * tf.exp(last) * b


def gradient_of_a_gradient(a, b):
    (grad,) = tf.gradients(tf.reduce_sum(tf.exp(a * b) * b), a)
    return grad * b


def rows_taken_twice(a, b):
    return tf.gather(a, [2, 0, 2]) * tf.gather(b, [1, 1, 0])


def rows_and_all_of_them(a, b):
    return tf.gather(a, [1]) * 2.0 + a * a + tf.gather(b, [0])


PROGRAMS = [
    paths_that_meet,
    broadcast_both_ways,
    network,
    output_left_out,
    gradient_of_a_gradient,
    rows_taken_twice,
    rows_and_all_of_them,
]
OPTIONS = {
    "plain": {},
    "gated": {"gate_gradients": True, "colocate_gradients_with_ops": True},
    "tree": {"aggregation_method": tf.AggregationMethod.EXPERIMENTAL_TREE},
    "accumulated": {"aggregation_method": tf.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_gradient_is_the_derivative(program, options):
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = tf.placeholder(tf.float64, [3, 3]), tf.placeholder(tf.float64, [3])
        y = program(a, b)
        weights = np.linspace(-1.0, 1.0, int(np.prod(y.shape.as_list()))).reshape(y.shape.as_list())
        grads = tf.gradients(y, [a, b], grad_ys=tf.constant(weights), **OPTIONS[options])
        found = sess.run([tf.convert_to_tensor(g) for g in grads], {a: A, b: B})
        for k, got in enumerate(found):
            np.testing.assert_allclose(got, differences(sess, y, weights, (a, b), k), rtol=2e-5, atol=1e-7)


def differences(sess, y, weights, sources, k, step=1e-5):
    values = [A, B]
    found = np.zeros_like(values[k])
    for i in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = [A.copy(), B.copy()]
            moved[k][i] += sign * step
            ends.append(np.sum(weights * sess.run(y, dict(zip(sources, moved)))))
        found[i] = (ends[0] - ends[1]) / (2 * step)
    return found


def test_hessian():
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant([0.5, 1.0, 2.0], tf.float64)
        (hessian,) = tf.hessians(tf.reduce_prod(x) + tf.reduce_sum(x**3.0), x)
        np.testing.assert_allclose(sess.run(hessian), [[3, 2, 1], [2, 6, 0.5], [1, 0.5, 12]], rtol=1e-6)
