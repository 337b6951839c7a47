"""The cases of `cases_image_codecs.py` against TensorFlow 1.15.5."""

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops.cases_image_codecs import CASES, FILES, KINDS, bmp, interlaced_png, png
from ops.harness import Recording, check

import evergraph as tf
from evergraph.ops.image import codec_inputs
from evergraph.ops.image import png as png_files

RECORDED = Recording("image_codecs")


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_case(case):
    check(case, RECORDED)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_pillow_and_our_own_reader_agree(kind):
    theirs = read_both_ways(png(*kind, seed=5))
    assert (theirs is None) == (kind[1] != 8)


def test_pillow_and_our_own_reader_agree_on_passes():
    assert read_both_ways(interlaced_png(21, 18)) is not None


def read_both_ways(data):
    """The samples of a file as Pillow reads them, if it does; they are those that we read ourselves."""
    header, deflated, *_ = png_files._chunks(data)
    theirs = png_files._samples_by_pillow(data, header)
    if theirs is not None:
        np.testing.assert_array_equal(png_files._samples(header, deflated, len(data)), theirs)
    return theirs


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.sampled_from(["uint8", "uint16"]), st.integers(0, 99)
)
def test_a_png_file_reads_back(height, width, channels, dtype, seed):
    largest = np.iinfo(dtype).max
    image = np.random.RandomState(seed).randint(0, largest + 1, (height, width, channels)).astype(dtype)
    data = png_files.encode(image, -1)
    np.testing.assert_array_equal(png_files.decode(data, 0, np.dtype(dtype)), image)


SAMPLES = [*FILES.values(), png(2, 8, 3), png(3, 4, 1), png(6, 16, 4), bmp(24)]


@given(st.sampled_from(SAMPLES), st.data())
def test_a_broken_file_is_an_error_or_an_image(data, draw):
    """Whatever one byte becomes, and wherever a file is cut off."""
    place = draw.draw(st.integers(0, len(data) - 1))
    broken = data[:place] + bytes([draw.draw(st.integers(0, 255))]) + data[place + 1 :]
    broken = broken[: draw.draw(st.integers(0, len(data)))]
    with tf.Graph().as_default(), tf.Session() as session:
        made = [tf.image.decode_jpeg(broken), tf.image.decode_bmp(broken), tf.image.extract_jpeg_shape(broken)]
        for image in made:
            try:
                session.run(image)
            except tf.errors.InvalidArgumentError:
                continue


def test_a_crop_is_a_part_of_the_image():
    with tf.Graph().as_default(), tf.Session() as session:
        window = tf.placeholder(tf.int32, [4])
        whole = tf.image.decode_jpeg(FILES["photo.jpg"])
        crop = tf.image.decode_and_crop_jpeg(FILES["photo.jpg"], window)
        image, part = session.run([whole, crop], {window: [2, 3, 9, 7]})
    np.testing.assert_array_equal(part, image[2:11, 3:10])


@pytest.mark.parametrize(("channels", "ratio"), [(1, 1), (3, 1), (3, 2)])
def test_what_turbojpeg_does_not_read_pillow_does(channels, ratio, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("tjDecompressHeader3(): Could not determine subsampling level of JPEG image")

    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.image.decode_jpeg(FILES["photo.jpg"], channels, ratio, dct_method="INTEGER_ACCURATE")
        expected = session.run(image)
        monkeypatch.setattr("simplejpeg.decode_jpeg", refuse)
        np.testing.assert_array_equal(session.run(image), expected)


@pytest.mark.parametrize(
    ("module", "build"),
    [
        ("simplejpeg", lambda: tf.image.decode_jpeg(FILES["photo.jpg"])),
        ("PIL.JpegImagePlugin", lambda: tf.image.encode_jpeg(np.zeros((2, 2, 3), np.uint8))),
        ("PIL.GifImagePlugin", lambda: tf.image.decode_gif(FILES["still.gif"])),
    ],
)
def test_a_missing_library_is_named_with_its_extra(module, build, monkeypatch):
    real = importlib.import_module

    def without(name, *rest):
        if name == module:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    assert codec_inputs.library("zlib", "a test")
    with tf.Graph().as_default(), tf.Session() as session:
        with pytest.raises(tf.errors.UnimplementedError, match=r"evergraph\[image\]"):
            session.run(build())
