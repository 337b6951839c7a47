"""`tf.py_function` and `tf.py_func`: values inside, gradients, what an exception becomes, who keeps the function."""

import gc
import weakref

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def sess():
    with tf.Graph().as_default(), tf.Session() as session:
        yield session


def log_huber(x, m):
    if tf.abs(x) <= m:
        return x**2
    return m**2 * (1 - 2 * tf.log(m) + tf.log(x**2))


@pytest.mark.parametrize(("x", "value", "slope"), [(1.0, 1.0, 2.0), (4.0, 4 * (1 - 2 * np.log(2) + np.log(16)), 2.0)])
def test_conditions_on_values_and_gradients(sess, x, value, slope):
    given, limit = tf.placeholder(tf.float32, []), tf.constant(2.0)
    y = tf.py_function(log_huber, [given, limit], tf.float32)
    gradient = tf.gradients(y, given)[0]
    np.testing.assert_allclose(sess.run([y, gradient], {given: x}), [value, slope], rtol=1e-6)


def test_gradients_of_several_outputs(sess):
    x, y = tf.constant(3.0), tf.constant(2.0)
    product, ratio = tf.py_function(lambda a, b: (a * b, a / b), [x, y], [tf.float32, tf.float32])
    assert sess.run(tf.gradients(product + ratio, [x, y])) == [2.5, 2.25]
    assert sess.run(tf.gradients(product, [x, y])) == [2.0, 3.0]


def test_values_are_computed_once(sess):
    seen = []

    def function(x):
        noise = tf.random_uniform([3])
        seen.extend([noise.numpy(), noise.numpy(), (noise + 0).numpy(), np.asarray(noise)])
        return noise + x

    result = sess.run(tf.py_function(function, [0.0], tf.float32))
    assert all(np.array_equal(value, result) for value in seen)


def test_values_as_python_numbers(sess):
    def function(x, n):
        assert [float(v) for v in x] == [1.0, 2.0] and len(x) == 2 and list(range(int(n))) == [0, 1, 2]
        return np.float32(x.numpy().sum()), "text"

    result = sess.run(tf.py_function(function, [tf.constant([1.0, 2.0]), 3], [tf.float32, tf.string]))
    assert result == [3.0, b"text"]


@pytest.mark.parametrize("build", [tf.py_func, tf.numpy_function, tf.py_function])
@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError, tf.errors.InvalidArgumentError),
        (TypeError, tf.errors.InvalidArgumentError),
        (StopIteration, tf.errors.OutOfRangeError),
        (MemoryError, tf.errors.ResourceExhaustedError),
        (NotImplementedError, tf.errors.UnimplementedError),
        (KeyError, tf.errors.UnknownError),
    ],
)
def test_exceptions_become_errors(sess, build, raised, expected):
    def fail(x):
        raise raised("blah")

    with pytest.raises(expected, match=rf"{raised.__name__}: '?blah'?\n(?s:.*)in fail\n"):
        sess.run(build(fail, [1.0], tf.float32))


def test_a_function_may_write_to_its_arguments(sess):
    x = tf.constant([1.0, 2.0])

    def write(a):
        a[0] = 7
        return a

    assert sess.run([tf.py_func(write, [x], tf.float32), x])[1].tolist() == [1.0, 2.0]


def test_a_stateless_function_of_constants_is_called_once_in_a_session():
    with tf.Graph().as_default():
        calls = iter(range(10))
        once = tf.py_func(lambda: next(calls), [], tf.int64, stateful=False)
        each = tf.py_func(lambda: next(calls), [], tf.int64)
        with tf.Session() as sess, tf.Session() as other:
            assert [sess.run(once), sess.run(once), sess.run(each), sess.run(each), other.run(once)] == [0, 0, 1, 2, 3]


def test_a_graph_keeps_its_functions_and_lets_them_go():
    def build():
        with tf.Graph().as_default() as graph:
            c = tf.constant(1.0)
            function = lambda x: x + c.shape.ndims  # noqa: E731
            tf.py_func(function, [c], tf.float32)
            return graph, weakref.ref(function)

    graph, function = build()
    gc.collect()
    assert function() is not None
    del graph
    gc.collect()
    assert function() is None


def test_a_function_of_another_process(sess):
    lost = tf.raw_ops.PyFunc(input=[], token="pyfunc_from_elsewhere", Tout=[tf.int64])
    with pytest.raises(tf.errors.InvalidArgumentError, match="pyfunc_from_elsewhere is not found"):
        sess.run(lost)


def test_a_run_inside_a_function(sess):
    v = tf.get_variable("v", [], tf.int64, tf.zeros_initializer())
    sess.run(v.initializer)
    bumped = tf.py_func(lambda: sess.run(tf.get_default_graph().get_tensor_by_name("add:0")), [], tf.int64)
    tf.assign_add(v, 1, name="add")
    with sess.graph.as_default():
        assert sess.run(bumped) == 1 and sess.run(v) == 1
