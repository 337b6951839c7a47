"""Scatters write into a variable's own array where nobody else looks at it, and no one can tell."""

import threading

import numpy as np
import pytest

import evergraph as tf
from evergraph.compiler import interpret
from evergraph.runtime import executor


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setattr(interpret, "LARGE", 1)
    start = executor.Choice.__init__

    def stays_interpreted(self):
        start(self)
        self.stays_interpreted = True

    monkeypatch.setattr(executor.Choice, "__init__", stays_interpreted)


def places(session):
    return [session._state.variables[key].ctypes.data for key in session._state.variables]


@pytest.fixture(params=[False, True], ids=["reference", "resource"])
def table(request):
    with tf.Graph().as_default(), tf.Session() as session:
        start = tf.placeholder_with_default(np.arange(12, dtype=np.float32).reshape(6, 2), [6, 2])
        v = tf.get_variable("v", initializer=start * 1.0, use_resource=request.param)
        session.run(v.initializer)
        yield session, v


def add(v, rows, values):
    return (
        tf.scatter_add(v, rows, values)
        if not hasattr(v, "scatter_add")
        else v.scatter_add(tf.IndexedSlices(values, rows))
    )


@pytest.mark.parametrize("name", ["GradientDescent", "Adagrad", "Momentum"])
def test_sparse_steps_are_in_place(name):
    with tf.Graph().as_default(), tf.Session() as session:
        ids = tf.placeholder(tf.int32, [None])
        table = tf.get_variable("table", initializer=np.linspace(-1, 1, 40, dtype=np.float32).reshape(10, 4) * 1.0)
        loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, ids) - 1.0))
        more = (0.9,) if name == "Momentum" else ()
        step = getattr(tf.train, name + "Optimizer")(0.1, *more).minimize(loss)
        session.run(tf.global_variables_initializer())
        session.run(step, {ids: [0, 1]})
        expected = session.run(table).astype(np.float64)
        before = places(session)
        session.run(step, {ids: [2, 5, 2]})
        assert places(session) == before
        found = session.run(table)
        untouched = [0, 1, 3, 4, 6, 7, 8, 9]
        np.testing.assert_array_equal(found[untouched], expected[untouched])
        assert (np.abs(found[[2, 5]] - 1.0) < np.abs(expected[[2, 5]] - 1.0)).all()


def test_a_run_that_fails_later_takes_it_back(table):
    session, v = table
    x = tf.placeholder(tf.float32, [])
    with (
        tf.control_dependencies([add(v, [1, 1, 4], tf.ones([3, 2]))]),
        tf.control_dependencies([add(v, [4, 0], tf.ones([2, 2]) * 3.0)]),
    ):
        checked = tf.check_numerics(x, "not a number")
    session.run(checked, {x: 1.0})
    before, place = session.run(v), places(session)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not a number"):
        session.run(checked, {x: np.nan})
    np.testing.assert_array_equal(session.run(v), before)
    assert places(session) == place
    session.run(checked, {x: 1.0})
    np.testing.assert_array_equal(session.run(v) - before, [[3, 3], [2, 2], [0, 0], [0, 0], [4, 4], [0, 0]])


def test_what_was_fetched_stays(table):
    session, v = table
    step = add(v, [0, 5], tf.ones([2, 2]))
    session.run(step)
    before = session.run([v, v.value() if hasattr(v, "value") else v])
    kept = [np.array(b) for b in before]
    session.run(step)
    for value, copy in zip(before, kept, strict=True):
        np.testing.assert_array_equal(value, copy)


def test_a_constant_that_a_variable_was_set_to_stays():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(np.zeros([5, 2], np.float32))
        w = tf.Variable(np.zeros([5, 2], np.float32))
        constant = tf.constant(np.ones([5, 2], np.float32))
        both = [v.assign(constant), w.assign(constant)]
        session.run(tf.global_variables_initializer())
        session.run(both)
        for _ in range(3):
            session.run(tf.scatter_add(v, [1, 2], np.ones([2, 2], np.float32)))
        np.testing.assert_array_equal(session.run(w), np.ones([5, 2]))
        np.testing.assert_array_equal(session.run(constant), np.ones([5, 2]))
        np.testing.assert_array_equal(session.run(v)[:, 0], [1, 4, 4, 1, 1])
        session.run(both)
        np.testing.assert_array_equal(session.run(v), np.ones([5, 2]))


def test_who_reads_the_old_value_in_the_same_run_gets_it():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(np.arange(6, dtype=np.float32))
        flat = tf.reshape(v, [2, 3])  # a view
        with tf.control_dependencies([flat]):
            step = tf.scatter_add(v, [0, 1], [10.0, 10.0])
        with tf.control_dependencies([step]):
            later = flat + 1.0
        session.run(v.initializer)
        for number in range(3):
            base = np.arange(6, dtype=np.float32) + [10 * number, 10 * number, 0, 0, 0, 0]
            np.testing.assert_array_equal(session.run(later), base.reshape(2, 3) + 1)


def test_another_op_that_scatters_makes_a_new_array():
    """What one op may write into is not for the next one."""
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(np.zeros([4], np.float32), use_resource=True)
        with tf.control_dependencies([v.scatter_add(tf.IndexedSlices([1.0], [0]))]):
            other = tf.tensor_scatter_add(v.read_value(), [[1]], [5.0])
        session.run(v.initializer)
        for number in range(1, 4):
            np.testing.assert_array_equal(session.run(other), [number, 5, 0, 0])
            np.testing.assert_array_equal(session.run(v), [number, 0, 0, 0])


def test_another_thread_that_holds_the_value_keeps_it(table):
    session, v = table
    go, done = threading.Event(), threading.Event()
    seen = []

    def slow(value):
        go.set()
        done.wait(10)
        return value.sum()

    total = tf.py_func(slow, [v], tf.float32)
    step = add(v, [0, 5], tf.ones([2, 2]))
    session.run(step)
    expected = session.run(v).sum()
    reader = threading.Thread(target=lambda: seen.append(session.run(total)))
    reader.start()
    assert go.wait(10)
    session.run(step)
    done.set()
    reader.join()
    assert seen == [expected]
