"""Attributes that TensorFlow takes when it builds an op and refuses when it runs: before it looks at what is fed."""

import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def unfed():
    return tf.placeholder(tf.float32)


NO_STRIDES = (tf.errors.InvalidArgumentError, "strides in the batch and depth dimensions")
NO_BATCH = (tf.errors.UnimplementedError, "Pooling is not yet supported on the batch dimension")
WINDOW = {"ksize": [1, 2, 2, 1], "strides": [2, 1, 1, 1], "padding": "SAME"}


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: tf.nn.conv2d(unfed(), unfed(), strides=[2, 1, 1, 1], padding="SAME"), *NO_STRIDES),
        (lambda: tf.nn.conv2d(unfed(), unfed(), strides=[1, 1, 1, 2], padding="SAME"), *NO_STRIDES),
        (
            lambda: tf.nn.conv2d(unfed(), unfed(), strides=[1, 2, 1, 1], padding="SAME", data_format="NCHW"),
            *NO_STRIDES,
        ),
        (lambda: tf.nn.conv2d_backprop_input([1, 4, 4, 1], unfed(), unfed(), [1, 1, 1, 2], "SAME"), *NO_STRIDES),
        (lambda: tf.nn.max_pool(unfed(), **WINDOW), *NO_BATCH),
        (lambda: tf.nn.avg_pool(unfed(), **WINDOW), *NO_BATCH),
        (
            lambda: tf.nn.conv2d_backprop_input(
                [1, 4, 4, 1], unfed(), unfed(), [1, 1, 1, 1], [[0, 0], [-1, 0], [0, 0], [0, 0]]
            ),
            tf.errors.InvalidArgumentError,
            "must be nonnegative",
        ),
    ],
)
def test_refused_in_a_run_that_feeds_nothing(build, error, message):
    made = build()
    with tf.Session() as session, pytest.raises(error, match=message) as raised:
        session.run(made)
    assert raised.value.op is made.op


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        ([[0, 0], [0, -1], [1, 2], [0, 0]], "must be nonnegative"),
        ([[1, 0], [0, 0], [0, 0], [0, 0]], "batch or depth dimensions"),
        ([[0, 0], [0, 0], [0, 0], [0, 1]], "batch or depth dimensions"),
    ],
)
def test_paddings_are_checked_while_a_convolution_is_built(padding, message):
    with pytest.raises(ValueError, match=message):
        tf.nn.conv2d(unfed(), unfed(), strides=[1, 1, 1, 1], padding=padding)


@pytest.mark.parametrize(
    ("ksize", "strides", "message"),
    [
        ([1, 2, 2, 2], [1, 1, 1, 2], "exactly one of pooling across depth"),
        ([1, 1, 1, 2], [1, 1, 1, 1], "depth window to equal the depth stride"),
        ([1, 1, 1, 3], [1, 1, 1, 3], "evenly divide"),
    ],
)
def test_what_maxima_over_channels_cannot_do(ksize, strides, message):
    pooled = tf.nn.max_pool(tf.ones([1, 2, 2, 4]), ksize=ksize, strides=strides, padding="SAME")
    with tf.Session() as session, pytest.raises(tf.errors.UnimplementedError, match=message):
        session.run(pooled)


def test_tiles_that_are_too_many_to_count_do_not_end_the_process():
    tiled = tf.tile(tf.ones([1, 1, 1]), [10**8] * 3)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="too many elements to count"):
        session.run(tiled)
