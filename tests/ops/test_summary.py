"""The cases of `cases_summary.py` against TensorFlow 1.15.5, and the pixels of image summaries."""

import io

import numpy as np
import pytest
from ops.cases_summary import CASES
from ops.harness import Recording, check
from PIL import Image

import evergraph as tf

RECORDED = Recording("summary")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


def images(tensor, **kwargs):
    """The image summaries of an array: tags, and pixels as arrays."""
    with tf.Graph().as_default(), tf.Session() as sess:
        summary = tf.Summary.FromString(sess.run(tf.summary.image("i", tf.constant(tensor), **kwargs)))
    decoded = [np.array(Image.open(io.BytesIO(v.image.encoded_image_string))) for v in summary.value]
    for value, pixels in zip(summary.value, decoded):
        assert (value.image.height, value.image.width) == pixels.shape[:2]
        assert value.image.colorspace == tensor.shape[3]
    return [v.tag for v in summary.value], decoded


@pytest.mark.parametrize("depth", [1, 3, 4])
def test_bytes_are_kept_as_they_are(depth):
    pixels = np.random.RandomState(0).randint(0, 256, [4, 5, 7, depth]).astype(np.uint8)
    tags, decoded = images(pixels)
    assert tags == ["i/image/0", "i/image/1", "i/image/2"]
    assert all(np.array_equal(a, b.squeeze()) for a, b in zip(decoded, pixels))
    assert images(pixels, max_outputs=1)[0] == ["i/image"]


# What TensorFlow 1.15.5 gives for these.
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0, 0.25], [0, 127, 255, 63]),
        ([0.0, 0.0, 0.0, 0.0], [0, 0, 0, 0]),
        ([-1.0, 0.5, 1.0, 0.0], [1, 191, 255, 128]),
        ([-4.0, -2.0, -1.0, -3.0], [1, 64, 96, 32]),
        ([100.0, 200.0, 50.0, 0.0], [127, 255, 63, 0]),
    ],
)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_are_scaled(values, expected, kind):
    _, (pixels,) = images(np.array(values, kind).reshape(1, 2, 2, 1))
    if kind is np.float64 and expected[1] == 255:
        expected = [127, 254, 63, 0]  # the factor is a float32
    assert pixels.reshape(-1).tolist() == expected


def test_pixels_that_are_no_numbers_are_red():
    image = np.ones([1, 1, 3, 3], np.float32)
    image[0, 0, 1, 2] = np.nan
    image[0, 0, 2, 0] = np.inf
    assert images(image)[1][0].tolist() == [[[255] * 3, [255, 0, 0], [255, 0, 0]]]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([2, 2, 2], "Tensor must be 4-D with last dim 1, 3, or 4, not"),
        ([1, 2, 2, 2], "Tensor must be 4-D with last dim 1, 3, or 4, not"),
        ([1, 0, 2, 1], "input tensor must have non-zero dims"),
    ],
)
def test_other_shapes_are_refused(shape, message):
    with tf.Graph().as_default(), tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match=message):
        sess.run(tf.summary.image("i", tf.zeros(shape)))
