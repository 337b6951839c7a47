"""What constants are made of. Results and errors are TensorFlow 1.15.5's."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.constant import _leaves


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feeds=None):
    with tf.Session() as session:
        return session.run(fetches, feeds)


@pytest.mark.parametrize(
    ("given", "dtype", "expected"),
    [
        (np.array([1, 2], object), tf.int32, [1, 2]),
        (np.array([1.5, 2], object), tf.int32, [1, 2]),
        (np.array([1.5, 2], object), tf.float32, [1.5, 2.0]),
        (np.array([None, 1], object), tf.float32, [np.nan, 1.0]),
        (np.array(["1", "2"]), tf.int32, [1, 2]),
        (np.array(["1", "2"]), tf.float64, [1.0, 2.0]),
    ],
)
def test_arrays_of_objects_become_numbers(given, dtype, expected):
    made = tf.constant(given, dtype)
    assert made.dtype is dtype
    np.testing.assert_array_equal(run(made), expected)


def rows():
    array = np.empty(2, object)
    array[:] = [1, 2], [3]
    return array


@pytest.mark.parametrize(
    ("given", "dtype", "error", "message"),
    [
        (np.array(["a"]), tf.int32, ValueError, r"invalid literal for int\(\) with base 10: 'a'"),
        (np.array(["a"]), tf.float32, ValueError, "could not convert string to float: 'a'"),
        (rows(), tf.int32, ValueError, "setting an array element with a sequence."),
        (rows(), tf.float32, ValueError, "setting an array element with a sequence."),
        (np.array([1, 2], object), None, TypeError, "Expected binary or unicode string, got 1"),
        (np.array([None, 1], object), tf.int32, TypeError, r"int\(\) argument must be"),
    ],
)
def test_arrays_of_objects_that_are_no_numbers(given, dtype, error, message):
    with pytest.raises(error, match=message):
        tf.constant(given, dtype)


def test_quantized_values_come_as_integers():
    held = tf.constant(np.array([1, 2], np.uint8), dtype=tf.quint8)
    fed = tf.placeholder(tf.qint32, [])
    values = run([held, tf.identity(fed), tf.quantize([1.0, 2.0], 0.0, 4.0, tf.quint8).output], {fed: -5})
    assert [(value.dtype, value.tolist()) for value in values] == [
        (np.uint8, [1, 2]), (np.int32, -5), (np.uint8, [64, 128]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "dtype", "message"),
    [
        ([[1, 2], [3, "a"]], tf.int32, "Expected int32, got 'a' of type 'str' instead."),
        ([[1.5, 2], [True, 3]], tf.int32, "Expected int32, got 1.5 of type 'float' instead."),
        ([1, 2.5, None], tf.float32, "Expected float32, got None of type 'NoneType' instead."),
        ([1, [2, "b"], "a"], tf.float32, "Expected float32, got 'a' of type 'str' instead."),
    ],
)
def test_the_element_that_does_not_fit_is_named(given, dtype, message):
    with pytest.raises(TypeError, match=message):
        tf.constant(given, dtype)


def test_elements_are_looked_at_by_class():
    """Looking at each of ten million took a minute."""
    leaves = list(_leaves([[1.0] * 1000 + [2], [3.0, True], np.arange(2)]))
    assert [type(leaf) for leaf in leaves] == [np.ndarray, float, int, bool]
    assert leaves[1:] == [1.0, 2, True]
