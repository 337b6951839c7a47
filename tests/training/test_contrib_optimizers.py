"""Optimizers take the steps that TensorFlow's take, with the same ops."""

import json
from pathlib import Path

import numpy as np
import pytest
from training import cases_contrib_optimizers as cases

import evergraph as tf

RECORDED = json.loads((Path(__file__).parent / "recordings" / "contrib_optimizers.json").read_text())


@pytest.mark.parametrize("resource", [False, True])
@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_steps_are_tensorflows(name, resource):
    found, recorded = cases.run(tf, name, resource), RECORDED[f"{name} {resource}"]
    assert [tuple(op) for op in found["ops"]] == [tuple(op) for op in recorded["ops"]]
    for step, expected in zip(found["values"], recorded["values"], strict=True):
        assert [v for v, _ in step] == [v for v, _ in expected]
        for (variable, value), (_, wanted) in zip(step, expected, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=2e-6, atol=1e-7, err_msg=variable)


def test_scipy_finds_the_least_within_bounds():
    pytest.importorskip("scipy")
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([7.0, 7.0])
        optimizer = tf.contrib.opt.ScipyOptimizerInterface(
            tf.reduce_sum(tf.square(v - 1)), var_to_bounds={v: ([1.5, -np.inf], np.inf)}
        )
        session.run(tf.global_variables_initializer())
        seen = []
        optimizer.minimize(session, fetches=[v], loss_callback=seen.append)
        np.testing.assert_allclose(session.run(v), [1.5, 1.0], atol=1e-5)
        np.testing.assert_array_equal(seen[0], [7.0, 7.0])


def test_averages_are_saved_in_the_place_of_variables(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(1.0, name="v")
        optimizer = tf.contrib.opt.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(0.5), average_decay=0.5)
        with pytest.raises(RuntimeError, match="minimize"):
            optimizer.swapping_saver()
        train = optimizer.minimize(v)
        saver = optimizer.swapping_saver()
        session.run(tf.global_variables_initializer())
        session.run(train)
        path = saver.save(session, str(tmp_path / "model"))
        assert tf.train.load_variable(path, "v") == 0.75
        saver.restore(session, path)
        assert session.run(v) == 0.5


def test_several_losses_take_turns():
    with tf.Graph().as_default(), tf.Session() as session:
        v, x = tf.Variable(1.0), tf.placeholder(tf.float32, [])
        optimizer = tf.contrib.opt.MultitaskOptimizerWrapper(tf.train.MomentumOptimizer(0.5, 0.5))
        train = optimizer.minimize(v * x)
        session.run(tf.global_variables_initializer())
        values = []
        for fed in (1.0, 0.0, 0.0, 1.0):
            session.run(train, {x: fed})
            values.append(float(session.run(v)))
        assert values == [0.5, 0.5, 0.5, -0.25]


def test_a_function_as_loss_trains_the_resource_variables_it_reads():
    with tf.Graph().as_default(), tf.Session() as session:
        read, other = (tf.Variable(2.0, use_resource=True) for _ in range(2))
        train = tf.train.GradientDescentOptimizer(0.5).minimize(lambda: read * 3)
        session.run(tf.global_variables_initializer())
        session.run(train)
        assert session.run([read, other]) == [0.5, 2.0]
