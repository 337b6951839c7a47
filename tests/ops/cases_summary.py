"""Summaries of numbers and sound, as bytes. (Images: PNGs whose bytes differ are equal in pixels, see test_summary.)"""

import numpy as np
from ops.case import Case

RNG = np.random.RandomState(0)
NORMAL = (RNG.randn(300) * 5).astype(np.float32)
SOUND = (RNG.rand(2, 20, 2) * 2.2 - 1.1).astype(np.float32)

NUMBERS = "int8 int16 int32 int64 uint8 uint16 float16 float32 float64".split()


def scalar(name, value, **kwargs):
    return Case(name, lambda tf, x: tf.summary.scalar("a b", x, **kwargs), value, gradient=False)


def histogram(name, value):
    return Case(name, lambda tf, x: tf.summary.histogram("h", x), value, gradient=False)


CASES = (
    [scalar("scalar_" + name, np.array(3, name)) for name in NUMBERS]
    + [
        scalar("scalar_family", np.float32(1.5), family="f"),
        scalar("scalar_nan", np.float32("nan")),
        scalar("scalar_of_one_element", np.array([2.5], np.float32)),
        scalar("scalar_of_two", np.zeros(2, np.float32)),
        Case("scalars", lambda tf, x: tf.raw_ops.ScalarSummary(tags=["a", "b"], values=x), [1.0, 2.0], gradient=False),
    ]
    + [histogram("histogram_" + name, np.arange(10).astype(name)) for name in NUMBERS]
    + [
        histogram("histogram_normal", NORMAL),
        histogram("histogram_double", NORMAL.astype(np.float64).reshape(3, 100)),
        histogram("histogram_empty", np.zeros([0, 3], np.float32)),
        histogram("histogram_edges", np.array([0.0, -0.0, 1e-12, -1e-12, 1e-13, 1.1e-12, 1e21, -1e21, 1e20])),
        histogram("histogram_nan", np.array([1.0, np.nan], np.float32)),
        histogram("histogram_infinite", np.array([np.inf, np.nan], np.float32)),
    ]
    + [
        Case("audio", lambda tf, x: tf.summary.audio("s", x, 44100.0), SOUND, gradient=False),
        Case("audio_one", lambda tf, x: tf.summary.audio("s", x, 0.4, max_outputs=1), SOUND[:, :, 0], gradient=False),
        Case("audio_rank", lambda tf, x: tf.summary.audio("s", x, 8000.0), np.zeros(3, np.float32), gradient=False),
        Case("audio_rate", lambda tf, x: tf.summary.audio("s", x, 0.0), SOUND, gradient=False),
        Case("text", lambda tf, x: tf.summary.text("t", x), np.array([b"one", b"\xc3\xa9"], object), gradient=False),
    ]
    + [
        Case("tensor_" + name, lambda tf, x: tf.summary.tensor_summary("t", x), np.arange(6).reshape(2, 3).astype(name))
        for name in [*NUMBERS, "bool", "complex64"]
    ]
    + [
        Case("tensor_scalar", lambda tf, x: tf.summary.tensor_summary("t", x), np.int32(7), gradient=False),
        Case(
            "tensor_empty", lambda tf, x: tf.summary.tensor_summary("t", x), np.zeros([0, 2], np.int32), gradient=False
        ),
        Case(
            "tensor_described",
            lambda tf, x: tf.summary.tensor_summary("t", x, summary_description="d", display_name="n", family="f"),
            np.float32(1),
            gradient=False,
        ),
        Case(
            "merge",
            lambda tf, x: tf.summary.merge([tf.summary.scalar("a", x), tf.summary.histogram("b", x)]),
            np.float32(1),
            gradient=False,
        ),
        Case(
            "merge_twice_the_same",
            lambda tf, x: tf.summary.merge([tf.raw_ops.ScalarSummary(tags="a", values=x)] * 2),
            np.float32(1),
            gradient=False,
        ),
        Case("merge_junk", lambda tf, x: tf.summary.merge([x]), np.array(b"junk", object), gradient=False),
        Case(
            "sharded_filename",
            lambda tf, x: [
                tf.raw_ops.ShardedFilename(basename=x, shard=1, num_shards=3),
                tf.raw_ops.ShardedFilespec(basename=x, num_shards=3),
            ],
            np.array(b"dir/model", object),
            gradient=False,
        ),
    ]
)


def _encoded(call):
    """Bytes as text: NumPy's string arrays, which recordings are, lose zeros at the end."""

    def encoded(tf, *tensors):
        made = call(tf, *tensors)
        return [tf.encode_base64(m) for m in made] if isinstance(made, list) else tf.encode_base64(made)

    return encoded


for _case in CASES:
    _case.gradient, _case.call = False, _encoded(_case.call)
