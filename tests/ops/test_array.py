"""Array ops against TensorFlow 1.15.5, and what TensorFlow's public functions do not reach against NumPy."""

import numpy as np
import pytest
from ops.cases_array import CASES
from ops.harness import Recording, both_ways, check

import evergraph as tf
from evergraph.ops.checks import summary

RECORDED = Recording("array")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


MATRIX = np.arange(1.0, 13.0).reshape(3, 4)


@pytest.mark.parametrize("k", [1, 3, -1, -2])
def test_one_diagonal_off_the_main_one_is_that_of_numpy(k):
    diagonal = np.diag(MATRIX, k)
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float64, [3, 4])
        part = tf.linalg.diag_part(x, k=k)
        zeroed = tf.linalg.set_diag(x, tf.zeros_like(part), k=k)
        square = tf.linalg.diag(part, k=k)
        assert part.shape == diagonal.shape
        for values in both_ways(session, [part, zeroed, square], {x: MATRIX}):
            np.testing.assert_array_equal(values[0], diagonal)
            np.testing.assert_array_equal(values[1], np.where(np.eye(3, 4, k, dtype=bool), 0, MATRIX))
            np.testing.assert_array_equal(np.diag(values[2], k), diagonal)
            assert values[2].sum() == diagonal.sum()


def test_several_diagonals_are_stacked_from_the_uppermost_and_padded_at_the_right():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float64, [3, 4])
        band = tf.linalg.diag_part(x, k=[-1, 1], padding_value=tf.constant(-1.0, tf.float64))
        back = tf.linalg.diag(band, k=[-1, 1], num_rows=3, num_cols=4)
        slope = tf.gradients(band, x)[0]
        for values in both_ways(session, [band, back, slope], {x: MATRIX}):
            np.testing.assert_array_equal(values[0], [[2, 7, 12], [1, 6, 11], [5, 10, -1]])
            inside = np.abs(np.arange(4) - np.arange(3)[:, None]) <= 1
            np.testing.assert_array_equal(values[1], np.where(inside, MATRIX, 0))
            np.testing.assert_array_equal(values[2], inside)


@pytest.mark.parametrize(
    "value, limit, text",
    [
        ([[1, 2], [3, 4]], 3, "[[1 2][3...]...]"),
        ([[1, 2, 3], [4, 5, 6]], 4, "[[1 2 3][4...]...]"),
        ([1, 2, 3, 4, 5], 2, "[1 2...]"),
        ([1, 2], -1, "[1 2]"),
        ([1.5, float("nan"), 1e-10], 5, "[1.5 nan 1e-10]"),
        (np.array([b"a", b"b"], object), 3, "[a b]"),
        (True, 3, "[1]"),
    ],
)
def test_assertions_print_arrays_as_tensorflow_does(value, limit, text):
    assert f"[{summary(value, limit)}]" == text


def test_sliced_assignment_needs_a_variable():
    with tf.Graph().as_default():
        part = tf.constant([1, 2, 3])[1:]
        with pytest.raises(ValueError, match="only supported for variables"):
            part.assign([0, 0])
