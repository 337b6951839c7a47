"""The learned unigram sampler keeps counts from run to run. `python test_learned_sampler.py` under TensorFlow 1.15.5
prints `RECORDED`."""

import numpy as np


def runs(tf, unique, count=6):
    tf.set_random_seed(5)
    classes = tf.constant([[1, 3], [3, 3], [7, 1]], tf.int64)
    sampled = tf.nn.learned_unigram_candidate_sampler(classes, 2, 4, unique, 11, seed=2)
    with tf.Session() as session:
        found = [session.run(sampled) for _ in range(count)]
    return [[np.round(part.astype(float), 6).ravel().tolist() for part in parts] for parts in found]


RECORDED = {
    True: [
        [
            [3.0, 2.0, 6.0, 7.0],
            [0.363636, 0.363636, 0.363636, 0.363636, 0.363636, 0.363636],
            [0.363636, 0.363636, 0.363636, 0.363636],
        ],
        [
            [1.0, 10.0, 8.0, 7.0],
            [0.705882, 0.941176, 0.941176, 0.941176, 0.470588, 0.705882],
            [0.705882, 0.235294, 0.235294, 0.470588],
        ],
        [
            [0.0, 7.0, 1.0, 3.0],
            [0.706422, 0.837085, 0.837085, 0.837085, 0.502823, 0.706422],
            [0.199292, 0.502823, 0.706422, 0.837085],
        ],
        [
            [3.0, 7.0, 1.0, 8.0],
            [0.952107, 0.990452, 0.990452, 0.990452, 0.804583, 0.952107],
            [0.990452, 0.804583, 0.952107, 0.320233],
        ],
        [
            [1.0, 10.0, 3.0, 2.0],
            [1.028571, 1.485714, 1.485714, 1.485714, 0.571429, 1.028571],
            [1.028571, 0.114286, 1.485714, 0.114286],
        ],
        [
            [7.0, 1.0, 3.0, 2.0],
            [0.98739, 0.999018, 0.999018, 0.999018, 0.890861, 0.98739],
            [0.890861, 0.98739, 0.999018, 0.292273],
        ],
    ],
    False: [
        [
            [3.0, 2.0, 6.0, 7.0],
            [0.363636, 0.363636, 0.363636, 0.363636, 0.363636, 0.363636],
            [0.363636, 0.363636, 0.363636, 0.363636],
        ],
        [
            [1.0, 10.0, 8.0, 7.0],
            [0.705882, 0.941176, 0.941176, 0.941176, 0.470588, 0.705882],
            [0.705882, 0.235294, 0.235294, 0.470588],
        ],
        [
            [0.0, 7.0, 7.0, 1.0],
            [0.869565, 1.217391, 1.217391, 1.217391, 0.521739, 0.869565],
            [0.173913, 0.521739, 0.521739, 0.869565],
        ],
        [
            [3.0, 7.0, 1.0, 3.0],
            [0.965517, 1.37931, 1.37931, 1.37931, 0.551724, 0.965517],
            [1.37931, 0.551724, 0.965517, 1.37931],
        ],
        [
            [1.0, 10.0, 3.0, 2.0],
            [1.028571, 1.485714, 1.485714, 1.485714, 0.571429, 1.028571],
            [1.028571, 0.114286, 1.485714, 0.114286],
        ],
        [
            [7.0, 1.0, 3.0, 1.0],
            [1.073171, 1.560976, 1.560976, 1.560976, 0.585366, 1.073171],
            [0.585366, 1.073171, 1.560976, 1.073171],
        ],
    ],
}


def test_counts_are_kept_for_the_session():
    import evergraph as tf

    for unique, expected in RECORDED.items():
        with tf.Graph().as_default():
            for given, recorded in zip(runs(tf, unique), expected, strict=True):
                for a, b in zip(given, recorded, strict=True):
                    np.testing.assert_allclose(a, b, atol=2e-6)
        with tf.Graph().as_default():  # another session counts anew
            assert runs(tf, unique, 1)[0][0] == expected[0][0]


def test_a_class_out_of_range():
    import pytest

    import evergraph as tf

    with tf.Graph().as_default(), tf.Session() as session:
        sampled = tf.nn.learned_unigram_candidate_sampler(tf.constant([[11]], tf.int64), 1, 2, True, 11)
        with pytest.raises(tf.errors.InvalidArgumentError, match="11"):
            session.run(sampled)


if __name__ == "__main__":
    import tensorflow

    recorded = {}
    for unique in (True, False):
        with tensorflow.Graph().as_default():
            recorded[unique] = runs(tensorflow, unique)
    print("RECORDED =", recorded)
