"""Moving averages of variables and tensors."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.training.moving_averages import assign_moving_average, weighted_moving_average


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_average_of_a_variable():
    w = tf.Variable([10.0, 20.0], name="w")
    ema = tf.train.ExponentialMovingAverage(0.75)
    update = ema.apply([w])
    assert ema.average(w).name == "w/ExponentialMovingAverage:0"
    assert ema.average_name(w) == "w/ExponentialMovingAverage"
    assert tf.moving_average_variables() == [w]
    assert tf.trainable_variables() == [w]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(ema.average(w)).tolist() == [10.0, 20.0]
        session.run(w.assign([18.0, 0.0]))
        session.run(update)
        assert session.run(ema.average(w)).tolist() == [12.0, 15.0]


def test_average_of_a_tensor_starts_with_zero():
    x = tf.placeholder(tf.float32, [])
    plain, fair = tf.train.ExponentialMovingAverage(0.5), tf.train.ExponentialMovingAverage(0.5, zero_debias=True)
    updates = plain.apply([x]), fair.apply([x])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        averages = []
        for value in (8.0, 8.0, 2.0):
            session.run(updates, {x: value})
            averages.append(session.run([plain.average(x), fair.average(x)]))
    np.testing.assert_allclose(averages, [[4.0, 8.0], [6.0, 8.0], [4.0, 4.0 / 0.875]], rtol=1e-6)


def test_few_updates_forget_faster():
    w = tf.Variable(0.0)
    n = tf.Variable(0, trainable=False)
    ema = tf.train.ExponentialMovingAverage(0.99, num_updates=n)
    update = ema.apply()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(w.assign(10.0))
        session.run(update)
        np.testing.assert_allclose(session.run(ema.average(w)), 9.0)


def test_what_to_restore():
    w, other = tf.Variable(1.0, name="w"), tf.Variable(1.0, name="other", trainable=False)
    ema = tf.train.ExponentialMovingAverage(0.9)
    assert ema.variables_to_restore() == {"w/ExponentialMovingAverage": w, "other": other}
    ema.apply([w])
    assert set(ema.variables_to_restore()) == {"w/ExponentialMovingAverage", "other"}


def test_only_floats_have_averages():
    with pytest.raises(TypeError, match="half, float, or double"):
        tf.train.ExponentialMovingAverage(0.9).apply([tf.Variable(1)])
    assert tf.train.ExponentialMovingAverage(0.9).average(tf.Variable(1.0)) is None


@pytest.mark.parametrize("use_resource", [False, True])
def test_assign_moving_average(use_resource):
    v = tf.Variable(0.0, name="v", use_resource=use_resource)
    plain = assign_moving_average(v, 4.0, 0.75, zero_debias=False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(plain)
        assert session.run(v) == 1.0


def test_weighted_average():
    value, weight = tf.placeholder(tf.float32, []), tf.placeholder(tf.float32, [])
    average = weighted_moving_average(value, 0.5, weight)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(average, {value: 4.0, weight: 2.0}) == 4.0
        np.testing.assert_allclose(session.run(average, {value: 1.0, weight: 1.0}), 2.5)
