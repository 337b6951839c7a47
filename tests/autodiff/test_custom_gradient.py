"""`custom_gradient` and what is made with it."""

import gc
import weakref
from collections import namedtuple

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def run(fetches, feeds=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


def test_gradient_is_what_the_function_says():
    @tf.custom_gradient
    def tenfold(x):
        return x * 2.0, lambda dy: dy * 10.0

    x = tf.constant([1.0, 2.0])
    y = tenfold(x)
    np.testing.assert_allclose(run([y, tf.gradients(y, x)[0]]), [[2.0, 4.0], [10.0, 10.0]])


def test_gradient_that_would_overflow_is_replaced():
    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)
        return tf.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))

    x = tf.constant(100.0)
    assert run(tf.gradients(log1pexp(x), x)) == [1.0]


def test_structures_come_back_as_they_were():
    Pair = namedtuple("Pair", "first second")

    @tf.custom_gradient
    def f(x, y):
        def grad(*grads):
            assert len(grads) == 3
            return grads[0], [grads[1] + grads[2]]

        return Pair({"b": x + 0.0}, [y + 0.0, y * 2.0]), grad

    x, y = tf.constant(1.0), tf.constant(2.0)
    result = f(x, y)
    assert isinstance(result, Pair) and list(result.first) == ["b"] and isinstance(result.second, list)
    total = 3.0 * result.first["b"] + 5.0 * result.second[0] + 7.0 * result.second[1]
    assert run(tf.gradients(total, [x, y])) == [3.0, 12.0]


def test_variables_get_their_gradients():
    @tf.custom_gradient
    def scaled(x):
        v = tf.get_variable("v", [], initializer=tf.ones_initializer(), use_resource=True)
        unused = tf.get_variable("unused", [], trainable=False, use_resource=True)

        def grad(dy, variables):
            assert variables == [v]
            return dy * 2.0, [dy * 5.0]

        return x * v + 0.0 * unused, grad

    x = tf.constant(3.0)
    y = scaled(x)
    variable = tf.global_variables()[0]
    assert run(tf.gradients(y, [x, variable])) == [2.0, 5.0]


def test_variables_need_the_argument():
    @tf.custom_gradient
    def scaled(x):
        return x * tf.get_variable("v", [], use_resource=True), lambda dy: dy

    with pytest.raises(TypeError, match="must accept a keyword argument 'variables'"):
        scaled(tf.constant(3.0))


def test_reference_variables_are_refused():
    @tf.custom_gradient
    def scaled(x):
        return x * tf.get_variable("v", [], use_resource=False), lambda dy, variables: dy

    with pytest.raises(TypeError, match="must be `ResourceVariable`s: 'v:0' is not"):
        scaled(tf.constant(3.0))


def test_keywords_are_refused():
    with pytest.raises(ValueError, match="it got the keywords x"):
        tf.custom_gradient(lambda x: (x, lambda dy: dy))(x=tf.constant(1.0))


def test_copy_of_the_op_in_another_graph_finds_its_gradient(graph):
    x = tf.placeholder(tf.float32, [], name="x")
    y = tf.custom_gradient(lambda x: (x * 2.0, lambda dy: dy * 10.0))(x)
    with tf.Graph().as_default():
        copied_x, copied = tf.import_graph_def(graph.as_graph_def(), name="", return_elements=["x:0", y.name])
        assert run(tf.gradients(copied, copied_x), {copied_x: 1.0}) == [10.0]


def test_graph_is_freed_with_its_custom_gradients():
    g = tf.Graph()
    with g.as_default():
        tf.custom_gradient(lambda x: (x * 2.0, lambda dy: dy * 10.0))(tf.constant(1.0))
    gone = weakref.ref(g)
    del g
    gc.collect()
    assert gone() is None


def test_recomputed_gradient_is_the_gradient(graph):
    w = tf.get_variable("w", [], initializer=tf.constant_initializer(2.0), use_resource=True)

    def f(x, y):
        return tf.sin(x) * y * w

    x, y = tf.constant(0.5), tf.constant(3.0)
    sins = lambda: sum(op.type == "Sin" for op in graph.get_operations())  # noqa: E731
    expected = tf.gradients(f(x, y), [x, y, w])
    z = tf.recompute_grad(f)(x, y)
    before = sins()
    found = tf.gradients(z, [x, y, w])
    assert sins() == before + 1
    np.testing.assert_allclose(*run([found, expected]), rtol=1e-6)


def test_gradient_passes_through():
    x = tf.constant(2.7)
    y = tf.grad_pass_through(tf.round)(x)
    assert run([y, tf.gradients(y, x)[0]]) == [3.0, 1.0]
