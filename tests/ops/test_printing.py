"""What `tf.Print` and `tf.print` write. The expected lines are those of TensorFlow 1.15.5."""

import sys

import numpy as np
import pytest

import evergraph as tf

PRINTED = [  # value, summarize, what stands between the brackets
    (1.5, 3, "1.5"),
    ([1, 2, 3, 4, 5], None, "1 2 3..."),
    ([1, 2, 3, 4, 5], -1, "1 2 3 4 5"),
    ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 3, "[1 2][3...]..."),
    ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 5, "[1 2][3 4][5...]..."),
    (["a", b'b\n"\xc3\x83'], 3, 'a b\\n\\"\\303\\203'),
    ([True, False], 3, "1 0"),
    (np.arange(24).reshape(2, 3, 4), 2, "[[0 1...]]..."),
    (np.arange(24).reshape(2, 3, 4), 5, "[[0 1 2 3][4...]]..."),
    (1 + 2j, 3, "?"),
    (np.float16(0.1), 3, "0.0999755859"),
    (np.float32([0.1, 1e10, 1e-5, 3, np.nan, np.inf, -np.inf, 123456789, 1 / 3]), -1,
     "0.1 1e+10 1e-05 3 nan inf -inf 123456792 0.333333343"),
    (np.float64([0.1, 1 / 3, 1e300]), 2, "0.1 0.33333333333333331..."),
    (np.zeros((0, 3), np.int32), 3, ""),
    (np.uint8([7, 200]), 3, "7 200"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "summarize", "expected"), PRINTED)
def test_print_shows_the_first_elements(value, summarize, expected, capfd):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant(value)
        sess.run(tf.Print(x, [x, x], "m: ", summarize=summarize))
    assert capfd.readouterr() == ("", f"m: [{expected}][{expected}]\n")


def test_print_counts_in_each_session(capfd):
    with tf.Graph().as_default():
        x = tf.constant(1)
        shown = tf.Print(x, [x], first_n=2)
        with tf.Session() as sess, tf.Session() as other:
            assert [sess.run(shown) for _ in range(4)] == [1] * 4
            other.run(shown)
    assert capfd.readouterr().err == "[1]\n" * 3


def test_print_lets_gradients_through(capfd):
    with tf.Graph().as_default(), tf.Session() as sess:
        x = tf.constant([1.0, 2.0])
        assert sess.run(tf.gradients(tf.Print(x * x, [x]), x)[0]).tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("arguments", "keywords", "expected"),
    [
        (lambda a, b: ("hello", a, b, {"k": a, "z": [b, "txt"]}, (a, 3)), {},
         "hello [1 2 3] [[1 2]] {'k': [1 2 3], 'z': [[[1 2]], 'txt']} ([1 2 3], 3)\n"),
        (lambda a, b: ("hello", a), {"sep": ",", "end": "END\n"}, "hello,[1 2 3]END\n"),
        (lambda a, b: (tf.constant("plain"),), {}, "plain\n"),
        (lambda a, b: (tf.constant(["plain"]),), {}, '["plain"]\n'),
        (lambda a, b: (tf.SparseTensor([[0, 0]], [1.0], [1, 1]),), {},
         "'SparseTensor(indices=[[0 0]], values=[1], shape=[1 1])'\n"),
        (lambda a, b: ("{}", a, "x{}"), {}, "{} [1 2 3] x{}\n"),
        (lambda a, b: ("a", 1, None, 2.5, [1, 2]), {}, "a 1 None 2.5 [1, 2]\n"),
        (lambda a, b: (tf.range(10),), {"summarize": 2}, "[0 1 ... 8 9]\n"),
    ],
)  # fmt: skip
def test_print_v2(arguments, keywords, expected, capfd):
    with tf.Graph().as_default(), tf.Session() as sess:
        a, b = tf.constant([1, 2, 3]), tf.constant([[1.0, 2.0]])
        sess.run(tf.print(*arguments(a, b), **keywords))
        sess.run(tf.print(*arguments(a, b), output_stream=sys.stdout, **keywords))
    assert capfd.readouterr() == (expected, expected)


def test_print_v2_into_a_file(tmp_path):
    path = tmp_path / "out.txt"
    with tf.Graph().as_default(), tf.Session() as sess:
        shown = tf.print(tf.constant([1, 2]), output_stream=f"file://{path}")
        sess.run(shown), sess.run(shown)
    assert path.read_text() == "[1 2]\n[1 2]\n"


def test_print_v2_refuses():
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="Unsupported output stream"):
            tf.print("x", output_stream="nowhere")
        with pytest.raises(ValueError, match="Unrecognized keyword"):
            tf.print("x", foo=1)
