"""`partial_run` through branches and loops. The numbers are TensorFlow 1.15.5's, where it gives some."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def test_a_branch(session):
    takes_first, a, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    y = tf.cond(takes_first, lambda: a * 2.0, lambda: a - 1.0)
    z = y + b
    handle = session.partial_run_setup([y, z], [takes_first, a, b])
    assert session.partial_run(handle, y, {takes_first: True, a: 3.0}) == 6.0
    assert session.partial_run(handle, z, {b: 10.0}) == 16.0


def test_a_loop_and_its_gradient(session):
    n, a, b = tf.placeholder(tf.int32, []), tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    y = tf.while_loop(lambda i, x: i < n, lambda i, x: (i + 1, x * a), [0, 1.0])[1]
    z = y + b
    (dz,) = tf.gradients(z, a)
    handle = session.partial_run_setup([y, z, dz], [n, a, b])
    assert session.partial_run(handle, y, {n: 3, a: 2.0}) == 8.0
    assert session.partial_run(handle, [z, dz], {b: 10.0}) == [18.0, 12.0]


def test_what_is_drawn_is_drawn_once(session):
    draws, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, [])
    drawn = tf.random_uniform([], seed=3)
    y = tf.cond(draws, lambda: tf.random_uniform([], seed=1) + drawn, lambda: drawn)
    z = y * b + drawn
    handle = session.partial_run_setup([y, z, drawn], [draws, b])
    found = [*session.partial_run(handle, [y, drawn], {draws: True}), session.partial_run(handle, z, {b: 2.0})]
    np.testing.assert_allclose(found, [0.62597, 0.38693, 1.63886], rtol=1e-4)


def test_variables_change_in_the_branch_taken_only(session):
    x, adds = tf.placeholder(tf.float32, []), tf.placeholder(tf.bool, [])
    v, w = tf.Variable(1.0, use_resource=False), tf.Variable(5.0, use_resource=True)
    y = tf.cond(adds, lambda: tf.assign_add(v, x), lambda: tf.identity(v))
    with tf.control_dependencies([y]):
        total = tf.identity(w.assign_add(v * 1.0))
    session.run(tf.global_variables_initializer())
    handle = session.partial_run_setup([y, total, v], [x, adds])
    assert session.partial_run(handle, y, {x: 2.0, adds: True}) == 3.0
    assert session.run([v, w]) == [3.0, 5.0]
    assert session.partial_run(handle, [total, v]) == [8.0, 3.0]
    handle = session.partial_run_setup([y, v], [x, adds])
    assert session.partial_run(handle, y, {x: 2.0, adds: False}) == 3.0
    assert session.run([v, w]) == [3.0, 8.0]


def test_a_variable_is_fetched_as_it_is_by_then(session):
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(1.0, use_resource=False)
    up = tf.assign_add(v, x)
    session.run(tf.global_variables_initializer())
    handle = session.partial_run_setup([v, up], [x])
    assert session.partial_run(handle, v) == 1.0
    assert session.partial_run(handle, up, {x: 2.0}) == 3.0


def test_the_side_not_taken_needs_no_feed(session):
    takes_first, a, b = tf.placeholder(tf.bool, []), tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    y = tf.cond(takes_first, lambda: a * 2.0, lambda: a - b)
    handle = session.partial_run_setup([y], [takes_first, a, b])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Placeholder_1"):
        session.partial_run(handle, y, {takes_first: True})
    assert session.partial_run(handle, y, {a: 2.0}) == 4.0


def test_a_chain_longer_than_pythons_stack(session):
    x = tf.placeholder(tf.float32, [])
    y = x
    for _ in range(3000):
        y = y + 1.0
    handle = session.partial_run_setup([y], [x])
    assert session.partial_run(handle, y, {x: 0.0}) == 3000.0
