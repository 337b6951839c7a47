"""The cases of `cases_image_boxes.py` against TensorFlow 1.15.5."""

import numpy as np
import pytest
from ops.cases_image_boxes import CASES, IMAGES
from ops.harness import Recording, check

import evergraph as tf

RECORDED = Recording("image_boxes")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("is_uniform", [True, False])
def test_noise_of_a_glimpse_is_within_the_range_of_its_image(is_uniform):
    with tf.Graph().as_default(), tf.Session() as session:
        offsets = tf.placeholder(tf.float32, [2, 2])
        glimpse = tf.image.extract_glimpse(IMAGES, [6, 6], offsets, uniform_noise=is_uniform)
        outside = np.array([[3, 3], [-2, 0]], np.float32)
        for _ in range(2):
            first, second = session.run(glimpse, {offsets: outside}), session.run(glimpse, {offsets: outside + 1})
            for values in (first, second):
                assert (values.min(axis=(1, 2, 3)) >= IMAGES.min(axis=(1, 2, 3))).all()
                assert (values.max(axis=(1, 2, 3)) <= IMAGES.max(axis=(1, 2, 3))).all()
                assert values.std() > 0.05
            assert not np.array_equal(first, second)


def test_fewer_boxes_than_none_cannot_be_chosen():
    with tf.Graph().as_default(), tf.Session() as session:
        chosen = tf.image.non_max_suppression(np.eye(4, dtype=np.float32), np.ones(4, np.float32), -1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="non-negative, but is -1"):
            session.run(chosen)
