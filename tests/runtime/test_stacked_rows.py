"""Bodies that draw, branch or reduce, for many elements at once: the bits that the elements by themselves give."""

import numpy as np
import pytest
from runtime.test_stacked import body_of

import evergraph as tf
from evergraph.runtime.executor import run_plan
from evergraph.runtime.functions import plan_of
from evergraph.runtime.stacked import NotStacked, stacked
from evergraph.runtime.state import State

N = 7
RANDOM = np.random.RandomState(1)
NUMBER, IMAGE = (tf.float32, ()), (tf.float32, (6, 5, 3))


def nested(x):
    inner = lambda: tf.cond(x > 0.5, lambda: x * 3.0, lambda: x + tf.random_uniform([], seed=9))  # noqa: E731
    return [tf.cond(x > 0.0, inner, lambda: -x), tf.cond(x > 100.0, inner, lambda: x - 1.0)]


def preprocessed(image):
    image = tf.random_crop(image, [4, 4, 3], seed=1)
    image = tf.image.random_flip_left_right(image, seed=2)
    image = tf.image.random_brightness(image, 0.3, seed=3)
    image = tf.image.random_contrast(image, 0.5, 1.5, seed=4)
    image = tf.image.random_hue(image, 0.1, seed=5)
    image = tf.image.random_saturation(tf.image.adjust_contrast(image, 0.9), 0.5, 1.5, seed=6)
    return tf.image.per_image_standardization(image)


FUNCTIONS = {
    "uniform": (lambda x: [x + tf.random_uniform([3], seed=1), tf.random_uniform([], -1.0, 1.0, seed=2)], NUMBER),
    "doubles": (lambda x: tf.random_uniform([3], seed=1, dtype=tf.float64), NUMBER),
    "integers": (
        lambda x: [
            tf.random_uniform([2], 0, 9, tf.int32, seed=1),
            tf.random_uniform([], 0, 9, tf.int64, seed=5),
            tf.random_uniform([2], 0, tf.cast(tf.abs(x) * 3.0, tf.int32) + 1, tf.int32, seed=3),
        ],
        NUMBER,
    ),
    "normal": (lambda x: [x + tf.random_normal([5], seed=1), tf.truncated_normal([3], seed=1)], NUMBER),
    "nothing drawn": (lambda x: [x, tf.random_uniform([0, 2], seed=1)], NUMBER),
    "shuffled": (lambda x: tf.random_shuffle(x, seed=3), IMAGE),
    "branches": (lambda x: tf.cond(x > 0.0, lambda: (x, x * 2.0), lambda: (-x, 0.0)), NUMBER),
    "branches in branches": (nested, NUMBER),
    "one side for all": (lambda x: [tf.cond(tf.constant(3) > 2, lambda: x + 1.0, lambda: x), x * 2.0], NUMBER),
    "sums": (
        lambda x: [tf.reduce_sum(x), tf.reduce_mean(x, keepdims=True), tf.reduce_max(x, 0), tf.reduce_mean(x, [0, 1])],
        IMAGE,
    ),
    "turned": (lambda x: [tf.reverse(x, [0, -1]), tf.image.flip_up_down(x), x - tf.reduce_min(x)], IMAGE),
    "cut": (
        lambda x: [tf.random_crop(x, [2, 3, 3], seed=4), tf.slice(x, [1, 0, 0], [2, -1, 1]), x * tf.exp(x[0, 0, 0])],
        IMAGE,
    ),
    "padded": (
        lambda x: [
            tf.pad(x, [[1, 2], [0, 1], [0, 0]]),
            tf.pad(x, [[1, 2], [0, 1], [0, 0]], constant_values=3.0),
            tf.pad(x, [[1, 2], [0, 1], [1, 0]], "REFLECT"),
            tf.image.resize_image_with_crop_or_pad(x, 8, 3),
        ],
        IMAGE,
    ),
    "drawn by seeds": (
        lambda x: [
            tf.random.stateless_multinomial([[0.1, 2.0, 0.3]], 5, tf.cast(tf.stack([x * 1e6, 7.0]), tf.int32)),
            tf.random.stateless_multinomial([[0.1, 2.0]], 1, tf.cast(tf.stack([x, x]), tf.int64), tf.int32),
            tf.random.stateless_uniform([2], tf.cast(tf.stack([x * 9.0, x]), tf.int32)),
        ],
        NUMBER,
    ),
    "image": (preprocessed, IMAGE),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_elements_at_once(name):
    function, (kind, shape) = FUNCTIONS[name]
    body = body_of(function, (kind, shape))
    plan = plan_of(body)
    together = stacked(plan, len(body.results), 1)
    assert together is not None and together.is_complete
    column = RANDOM.randn(N, *shape).astype(kind.as_numpy_dtype)
    whole, single = State(), State()
    for _ in range(2):  # the second time, streams go on
        made = together([column], [], N, whole)
        for row in range(N):
            expected = run_plan(plan, single, [np.asarray(column[row])])
            for ours, theirs in zip(made, expected, strict=True):
                theirs = np.asarray(theirs)
                assert ours.dtype == theirs.dtype and ours.shape == (N, *theirs.shape)
                if name == "image" or name == "cut":  # what is compiled may round the last bit the other way
                    np.testing.assert_allclose(ours[row], theirs, 1e-5, 1e-5)
                else:
                    np.testing.assert_array_equal(ours[row], theirs)


def test_nothing_is_drawn_for_elements_that_fail():
    body = body_of(
        lambda x: [tf.random_uniform([2], seed=1), tf.cond(x > 0.0, lambda: tf.stack([x]), lambda: tf.stack([x, x]))],
        NUMBER,
    )
    plan = plan_of(body)
    together, state = stacked(plan, 2, 1), State()
    with pytest.raises(NotStacked):
        together([np.float32([1, -1])], [], 2, state)
    made = together([np.float32([1, 1])], [], 2, state)
    assert made[0][0].tolist() == run_plan(plan, State(), [np.float32(1)])[0].tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.reverse(x, [2]),
        lambda x: tf.reduce_sum(x, [0, 3]),
        lambda x: tf.image.adjust_contrast(x, 2.0),
    ],
)
def test_matrices_that_each_have_too_few_dimensions(function):
    body = body_of(function, (tf.float32, None))
    plan = plan_of(body)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run_plan(plan, State(), [np.ones((4, 3), np.float32)])
    with pytest.raises((NotStacked, tf.errors.InvalidArgumentError)):
        stacked(plan, 1, 1)([np.ones((2, 4, 3), np.float32)], [], 2, State())


def test_a_check_that_one_element_fails():
    def function(x):
        with tf.control_dependencies([tf.Assert(x > 0.0, [x])]):
            return tf.random_uniform([], seed=1) + x

    together = stacked(plan_of(body_of(function, NUMBER)), 1, 1)
    assert together([np.float32([1, 2])], [], 2, State())[0].shape == (2,)
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        together([np.float32([1, -2])], [], 2, State())


def test_large_elements_are_left_to_a_compiled_program():
    together = stacked(
        plan_of(body_of(lambda x: tf.cumsum(x) + tf.random_uniform([], seed=1), (tf.float32, (None,)))), 1, 1
    )
    assert together([np.ones((2, 9), np.float32)], [], 2, State())[0].shape == (2, 9)
    with pytest.raises(NotStacked):
        together([np.ones((2, 1 << 17), np.float32)], [], 2, State())
