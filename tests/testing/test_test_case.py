"""`tf.test`: assertions that pass and fail where TensorFlow 1.15's do, sessions, gradients."""

import unittest.mock

import numpy as np
import pytest

import evergraph as tf


class Case(tf.test.TestCase):
    def runTest(self):
        pass


@pytest.fixture
def case():
    made = Case()
    made.setUp()
    yield made
    made.tearDown()


HALF = np.float16(1)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("assertAllClose", ([1.0, 2.0], [1.0, 2.0 + 1e-7])),
        ("assertAllClose", ({"a": [1.0]}, {"a": np.array([1.0])})),
        ("assertAllClose", ([1.0, [2.0, 3.0]], (1.0, [2.0, 3.0]))),
        ("assertAllClose", (np.nan, np.nan)),
        ("assertAllCloseAccordingToType", (HALF, np.float16(1.001))),
        ("assertAllEqual", ([1, 2], np.array([1, 2]))),
        ("assertAllEqual", ([b"a"], [b"a"])),
        ("assertAllEqual", ([np.nan], [np.nan])),
        ("assertNotAllClose", ([1.0], [2.0])),
        ("assertNotAllEqual", ([1], [2])),
        ("assertAllGreater", ([2, 3], 1)),
        ("assertAllLessEqual", ([2, 3], 3)),
        ("assertAllInRange", ([1.0, 2.0], 1.0, 2.0)),
        ("assertAllInSet", ([1, 2], {1, 2, 3})),
        ("assertArrayNear", ([1.0], [1.1], 0.2)),
        ("assertNDArrayNear", (np.ones(2), np.ones(2), 0.1)),
        ("assertNear", (1.0, 1.1, 0.2)),
        ("assertDTypeEqual", (np.float32(1), tf.float32)),
        ("assertDeviceEqual", ("/gpu:0", "/device:GPU:0")),
        ("assertProtoEquals", ("name: 'x'", tf.OpDef(name="x"))),
        ("assertStartsWith", ("abc", "ab")),
        ("assertBetween", (1, 0, 2)),
        ("assertLen", ([1, 2], 2)),
        ("assertEmpty", ([],)),
        ("assertContainsSubset", ({1}, {1, 2})),
        ("assertItemsEqual", ([1, 2], [2, 1])),
        ("assertSequenceAlmostEqual", ([1.0], [1.0 + 1e-9])),
    ],
)
def test_assertions_that_hold(case, name, arguments):
    getattr(case, name)(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("assertAllClose", ([1.0, 2.0], [1.0, 2.1])),
        ("assertAllClose", ([1.0, 2.0], [1.0])),
        ("assertAllClose", ({"a": 1.0}, {"b": 1.0})),
        ("assertAllClose", ([1.0, [2.0, 3.0]], [1.0, [2.0, 4.0]])),
        ("assertAllCloseAccordingToType", (np.float32(1), np.float32(1.001))),
        ("assertAllEqual", ([1, 2], [1, 3])),
        ("assertAllEqual", ([1, 2], [[1, 2]])),
        ("assertNotAllClose", ([1.0], [1.0])),
        ("assertNotAllEqual", ([1], [1])),
        ("assertAllGreater", ([2, 1], 1)),
        ("assertAllInRange", ([1.0, 2.5], 1.0, 2.0)),
        ("assertAllInSet", ([1, 4], {1, 2, 3})),
        ("assertArrayNear", ([1.0], [1.5], 0.2)),
        ("assertNear", (1.0, 1.5, 0.2)),
        ("assertDTypeEqual", (np.float64(1), tf.float32)),
        ("assertDeviceEqual", ("/gpu:0", "/gpu:1")),
        ("assertProtoEquals", ("name: 'y'", tf.OpDef(name="x"))),
        ("assertLen", ([1], 2)),
        ("assertEmpty", ([1],)),
    ],
)
def test_assertions_that_fail(case, name, arguments):
    with pytest.raises(AssertionError):
        getattr(case, name)(*arguments)


def test_a_difference_is_shown(case):
    with pytest.raises(AssertionError, match=r"not close where = \(array\(\[1\]\),\)(.|\n)*not close lhs = \[2\.\]"):
        case.assertAllClose([1.0, 2.0], [1.0, 3.0])


def test_each_test_has_a_graph_and_seeds_of_its_own(case):
    with case.cached_session() as session:
        first = session.run(tf.random_uniform([]))
    case.tearDown()
    case.setUp()
    with case.cached_session() as session:
        assert session.run(tf.random_uniform([])) == first
        assert session.graph is tf.get_default_graph()


def test_the_cached_session_keeps_values_and_others_do_not(case):
    v = tf.Variable(3.0)
    with case.test_session() as session:
        v.initializer.run()
        assert session is tf.get_default_session()
    with case.test_session() as again:
        assert again is session and v.eval() == 3.0
    with case.session() as other, case.assertRaisesOpError("uninitialized value"):
        other.run(v)
    assert case.evaluate({"v": v, "w": [v + 1]}) == {"v": 3.0, "w": [4.0]}


def test_tensors_are_evaluated(case):
    with case.session():
        case.assertAllEqual(tf.constant([1, 2]) + 1, [2, 3])
        case.assertShapeEqual(np.zeros([2, 3]), tf.zeros([2, 3]))


def test_errors_that_fit_and_do_not(case):
    with case.assertRaisesWithPredicateMatch(ValueError, "b+"):
        raise ValueError("abc")
    with pytest.raises(AssertionError), case.assertRaisesWithPredicateMatch(ValueError, lambda e: False):
        raise ValueError("abc")
    with pytest.raises(AssertionError), case.assertRaisesWithPredicateMatch(ValueError, "x"):
        pass


def test_the_error_of_a_thread_fails_the_test(case):
    thread = case.checkedThread(lambda: 1 / 0)
    thread.start()
    with pytest.raises(AssertionError, match="division by zero"):
        thread.join()


def test_gradients_are_checked_against_differences(case):
    with case.session():
        x = tf.constant(np.linspace(-1, 1, 6).reshape(2, 3), tf.float64)
        y = tf.matmul(x, tf.exp(x), transpose_b=True)
        analytic, numeric = tf.test.compute_gradient(x, [2, 3], y, [2, 2], delta=1e-5)
        assert analytic.shape == (6, 4)
        np.testing.assert_allclose(analytic, numeric, atol=1e-8)
        assert tf.test.compute_gradient_error(x, [2, 3], y, [2, 2], delta=1e-5) < 1e-8
        pairs = tf.test.compute_gradient([x, y], [[2, 3], [2, 2]], y, [2, 2], delta=1e-5)
        np.testing.assert_allclose(pairs[1][0], np.eye(4))


def test_gradients_of_gathers_and_of_constants(case):
    with case.session():
        table = tf.constant(np.arange(6.0).reshape(3, 2))
        assert tf.test.compute_gradient_error(table, [3, 2], tf.gather(table, [2, 0, 2]), [3, 2]) < 1e-8
        rounded = tf.stop_gradient(table)
        assert tf.test.compute_gradient(table, [3, 2], rounded, [3, 2])[0].sum() == 0


def test_graph_defs_are_compared(case):
    x = tf.constant(1.0, name="x")
    with tf.control_dependencies([x, tf.no_op(name="n")]):
        tf.no_op(name="m")
    one = tf.get_default_graph().as_graph_def()
    other = tf.GraphDef.FromString(one.SerializeToString())
    tf.test.assert_equal_graph_def(one, other)
    other.node[2].input[:] = reversed(other.node[2].input)
    tf.test.assert_equal_graph_def(one, other)
    other.node[0].name = "y"
    with pytest.raises(AssertionError, match="unexpected node(.|\n)*Not found"):
        tf.test.assert_equal_graph_def(one, other)
    with pytest.raises(TypeError, match=r"Expected tf.GraphDef for actual, got int"):
        tf.test.assert_equal_graph_def(1, one)


def test_surroundings():
    assert tf.test.is_gpu_available() in (True, False)
    assert tf.test.mock is unittest.mock
    assert tf.test.get_temp_dir() == tf.test.get_temp_dir()
    assert not tf.test.is_built_with_rocm()
