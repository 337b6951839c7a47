"""Many small variables that one program works on together: they stay variables of their own to everybody else."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.runtime.state import Row

COUNT = 40


@pytest.fixture
def model():
    with tf.Graph().as_default() as graph:
        rate = tf.placeholder(tf.float32, [])
        variables = [tf.Variable(np.full(3, i, np.float32), name=f"v{i}") for i in range(COUNT)]
        loss = tf.add_n([tf.reduce_sum(tf.square(v)) * (i + 1) for i, v in enumerate(variables)])
        step = tf.train.MomentumOptimizer(rate, 0.9).minimize(loss)
        initialize = tf.global_variables_initializer()
    return graph, rate, variables, loss, step, initialize


def expected(steps, rate):
    """The same training in NumPy."""
    values, momenta = np.repeat(np.arange(COUNT, dtype=np.float32)[:, None], 3, 1), np.zeros((COUNT, 3), np.float32)
    for _ in range(steps):
        momenta = 0.9 * momenta + 2 * values * np.arange(1, COUNT + 1, dtype=np.float32)[:, None]
        values = values - rate * momenta
    return values


def packs(session):
    return {id(v.pack) for v in session._state.variables.values() if type(v) is Row}


def test_training_is_that_of_single_variables(model):
    graph, rate, variables, loss, step, initialize = model
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        losses = [session.run([step, loss], {rate: 1e-3})[1] for _ in range(5)]
        assert packs(session), "the variables are kept together"
        np.testing.assert_allclose(session.run(variables), expected(5, 1e-3), rtol=1e-5)
        assert losses == sorted(losses, reverse=True)


def test_one_variable_can_be_read_and_written_between_steps(model):
    graph, rate, variables, _, step, initialize = model
    with graph.as_default():
        assign = variables[7].assign([1.0, 2.0, 3.0])
        total = tf.reduce_sum(variables[7]) + tf.reduce_sum(variables[8])
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        for _ in range(3):
            session.run(step, {rate: 0.0})
        before = session.run(variables[8])
        session.run(assign)
        for _ in range(3):
            assert session.run(total) == 6 + 24
            session.run(step, {rate: 0.0})
        np.testing.assert_array_equal(session.run(variables[7]), [1, 2, 3])
        np.testing.assert_array_equal(session.run(variables[8]), before)
        held = session.run(variables[8])
        session.run(step, {rate: 1e-3})
        np.testing.assert_array_equal(held, before)  # what a run gave stays as it was


def test_two_sessions_share_nothing(model):
    graph, rate, variables, _, step, initialize = model
    with tf.Session(graph=graph) as one, tf.Session(graph=graph) as other:
        for session in (one, other):
            session.run(initialize)
        for _ in range(4):
            one.run(step, {rate: 1e-3})
        np.testing.assert_array_equal(other.run(variables), expected(0, 0))
        np.testing.assert_allclose(one.run(variables), expected(4, 1e-3), rtol=1e-5)


def test_a_variable_without_value_is_named(model):
    graph, rate, variables, _, step, initialize = model
    with tf.Session(graph=graph) as session:
        session.run(initialize)
        for _ in range(3):
            session.run(step, {rate: 1e-3})
    with tf.Session(graph=graph) as session:
        session.run([v.initializer for v in variables[1:]])
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value v0"):
            session.run(step, {rate: 1e-3})
