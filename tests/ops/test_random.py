"""Random ops, run twice in a session, against TensorFlow 1.15.5 under the same seeds."""

from pathlib import Path

import numpy as np
import pytest
from ops.cases_random import CALLS, run_twice

import evergraph as tf
from evergraph.runtime import executor

RECORDED = np.load(Path(__file__).parent / "data" / "random_ops.npz")


@pytest.mark.parametrize("way", ["interpreted", "compiled"])
@pytest.mark.parametrize("name", CALLS)
def test_two_runs_give_the_numbers_of_tensorflow(name, way, monkeypatch):
    limit = -1 if way == "compiled" else 10**9
    monkeypatch.setattr(executor, "SMALL_OPS", limit)
    for number, arrays in enumerate(run_twice(tf, CALLS[name])):
        for i, array in enumerate(arrays):
            expected = RECORDED[f"{name}/{number}/{i}"]
            assert array.dtype == expected.dtype
            np.testing.assert_allclose(array, expected, rtol=2e-6, atol=1e-7, err_msg=f"run {number}")


def test_without_seeds_two_sessions_differ():
    with tf.Graph().as_default():
        numbers = tf.random_uniform([4])
        with tf.Session() as one, tf.Session() as other:
            assert not np.array_equal(one.run(numbers), other.run(numbers))


def test_with_seeds_two_sessions_agree():
    with tf.Graph().as_default():
        numbers = tf.random_normal([4], seed=1)
        with tf.Session() as one, tf.Session() as other:
            np.testing.assert_array_equal(one.run(numbers), other.run(numbers))


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: tf.random_uniform([2], dtype=tf.int32), ValueError),
        (lambda: tf.random_uniform([2], dtype=tf.uint8, maxval=3), ValueError),
        (lambda: tf.nn.dropout(tf.ones([2]), rate=1.0), ValueError),
        (lambda: tf.nn.dropout(tf.ones([2])), ValueError),
        (lambda: tf.nn.dropout(tf.ones([2]), 0.5, rate=0.5), ValueError),
        (lambda: tf.nn.dropout(tf.ones([2], tf.int32), 0.5), ValueError),
    ],
)
def test_wrong_arguments_are_refused(call, kind):
    with tf.Graph().as_default(), pytest.raises(kind):
        call()


def test_integers_from_an_empty_range_are_an_error():
    with tf.Graph().as_default(), tf.Session() as session:
        numbers = tf.random_uniform([2], 5, 5, dtype=tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(numbers)
