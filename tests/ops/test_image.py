"""The cases of `cases_image.py` against TensorFlow 1.15.5."""

import numpy as np
import pytest
from ops.cases_image import CASES
from ops.harness import Recording, check

import evergraph as tf
from evergraph.ops.image import resampling

RECORDED = Recording("image")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("outputs", [1, 3, 7, 40])
def test_reversed_taps_are_the_transposed_matrix(outputs):
    for taps in (resampling.linear_taps, resampling.nearest_taps, resampling.cubic_taps):
        for corners, centers in ((False, False), (True, False), (False, True)):
            forward = taps(7, outputs, corners, centers)
            np.testing.assert_array_equal(forward.reversed().matrix(), forward.matrix().T)


@pytest.mark.parametrize("method", ["bilinear", "nearest", "bicubic", "area", "lanczos3", "gaussian", "mitchellcubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_resize_of_tensorflow_2_keeps_an_even_image_even(method, antialias):
    image = np.full((1, 6, 7, 2), 3, np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        resized = tf.compat.v2.image.resize(image, [4, 11], method, antialias=antialias)
        np.testing.assert_allclose(session.run(resized), np.full((1, 4, 11, 2), 3), rtol=1e-6)


def test_a_shape_of_too_many_elements_is_refused_before_memory_is_asked_for():
    with tf.Graph().as_default(), tf.Session() as session:
        resized = tf.image.resize_bilinear(np.ones((5, 1, 1, 2), np.float32), [2**31 - 1, 2**31 - 1])
        with pytest.raises(tf.errors.InvalidArgumentError, match="2147483647"):
            session.run(resized)


def test_images_become_no_bools():
    with tf.Graph().as_default(), pytest.raises(AttributeError, match="floating point or integer"):
        tf.image.convert_image_dtype([0.5], tf.bool)
