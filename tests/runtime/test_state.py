"""What a session holds, and what it shares with others: nothing."""

import threading

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def big(x):
    """Enough work that a stage does not stay interpreted."""
    return tf.reduce_sum(tf.matmul(x, tf.ones([64, 64])))


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_a_run_that_fails_leaves_every_variable_as_it_was(runs):
    table = tf.Variable(np.zeros((5, 3), np.float32))
    counter = tf.Variable(0.0)
    ids = tf.placeholder(tf.int32, [None])
    x = tf.placeholder(tf.float32, [None, 64])
    step = tf.group(tf.scatter_add(table, ids, tf.ones([3, 3])), tf.assign_add(counter, 1.0), big(x))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        feed = {ids: [1, 2, 1], x: np.ones((8, 64))}
        for _ in range(runs):
            sess.run(step, feed)
        before = sess.run([table, counter])
        for _ in range(2):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"= 7 is not in \[0, 5\)"):
                sess.run(step, {ids: [1, 7, 1], x: np.ones((8, 64))})
        after = sess.run([table, counter])
        np.testing.assert_array_equal(before[0], after[0])
        assert before[1] == after[1] == runs
        sess.run(step, feed)
        assert sess.run(counter) == runs + 1


def test_a_fetched_variable_is_the_programs_own():
    v = tf.Variable(np.zeros(10, np.float32))
    add = tf.assign_add(v, tf.ones([10]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(4):
            kept = sess.run(v)
            copy = kept.copy()
            sess.run(add)
            np.testing.assert_array_equal(kept, copy)
            kept[:] = -1.0
            assert sess.run(v)[0] != -1.0


def test_a_fed_array_may_be_written_to_after_the_run():
    x = tf.placeholder(tf.float32, [1000])
    v = tf.Variable(tf.zeros([1000]))
    take = tf.assign(v, x)
    array = np.ones(1000, np.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for n in range(4):
            array[:] = n
            sess.run(take.op, {x: array})
            array[:] = -1
            assert sess.run(v)[0] == n


def test_interpreted_and_compiled_runs_agree():
    tf.set_random_seed(7)
    x = tf.placeholder(tf.float32, [None, 8])
    w = tf.Variable(tf.random_normal([8, 4], seed=1))
    y = tf.nn.softmax(tf.tanh(tf.matmul(x, w)))
    data = np.random.RandomState(0).randn(100, 8).astype(np.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        runs = [sess.run(y, {x: data}) for _ in range(3)]
    np.testing.assert_allclose(runs[0], runs[1], rtol=2e-6)
    np.testing.assert_array_equal(runs[1], runs[2])


def test_random_streams_go_on_across_interpreted_and_compiled_runs():
    tf.set_random_seed(1)
    r = tf.random_uniform([100, 100], seed=42)
    with tf.Session() as one, tf.Session() as other:
        first = [one.run(r) for _ in range(4)]
        again = [other.run(r) for _ in range(4)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len({a.tobytes() for a in first}) == 4


def test_unseeded_random_ops_differ_between_sessions():
    r = tf.random_uniform([8])
    with tf.Session() as one, tf.Session() as other:
        assert one.run(r).tobytes() != other.run(r).tobytes()


def test_no_update_is_lost_between_threads():
    v = tf.Variable(0.0)
    add = tf.assign_add(v, 1.0).op
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())

        def work():
            for _ in range(200):
                sess.run(add)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sess.run(v) == 800.0


def test_the_host_programs_jax_configuration_is_left_alone():
    import jax
    import jax.numpy as jnp

    x = tf.placeholder(tf.float64, [None, 64])
    y = tf.matmul(x, tf.ones([64, 64], tf.float64))
    with tf.Session() as sess:
        for _ in range(3):
            assert sess.run(y, {x: np.ones((8, 64))}).dtype == np.float64
    assert jax.config.jax_enable_x64 is False
    assert jnp.ones(3).dtype == jnp.float32


def test_64_bit_integers_are_not_narrowed():
    x = tf.placeholder(tf.int64, [None])
    y = x * 2 + tf.constant(2**40, tf.int64)
    with tf.Session() as sess:
        for _ in range(3):
            assert sess.run(y, {x: np.full(5000, 2**41)})[0] == 2**42 + 2**40


def test_a_variable_may_change_its_shape_without_validation():
    v = tf.Variable(np.zeros(2, np.float32), validate_shape=False)
    x = tf.placeholder(tf.float32)
    put = tf.assign(v, x, validate_shape=False)
    total = tf.reduce_sum(tf.matmul(tf.reshape(v, [1, -1]), tf.reshape(v, [-1, 1])))
    with tf.Session() as sess:
        for n in (2, 3, 200, 200, 200, 3, 3, 3):
            sess.run(put.op, {x: np.ones(n, np.float32)})
            assert sess.run(total) == n


@pytest.mark.parametrize(
    ("op", "kind"),
    [
        (lambda v: v.read_value(), tf.errors.FailedPreconditionError),
        (lambda v: v.assign_add([1.0, 1.0, 1.0]), tf.errors.NotFoundError),
        (lambda v: v.sparse_read([0]), tf.errors.NotFoundError),
        (lambda v: v[0:1].assign([2.0]), tf.errors.NotFoundError),
        (
            lambda v: tf.train.GradientDescentOptimizer(0.1).apply_gradients([(tf.ones([3]), v)]),
            tf.errors.InternalError,
        ),
    ],
    ids=["read", "assign_add", "sparse_read", "slice", "step"],
)
def test_a_resource_variable_without_value(op, kind):
    """The classes are those of TensorFlow 1.15.5."""
    with tf.Graph().as_default(), tf.Session() as session:
        fetch = op(tf.get_variable("v", [3], use_resource=True))
        with pytest.raises(kind, match="localhost/v[\\s\\S]*run its initializer first"):
            session.run(fetch)
