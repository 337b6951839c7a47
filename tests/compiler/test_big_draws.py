"""Random tensors drawn in compiled pieces are those that the NumPy kernels give."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.compiler import big_draws


@pytest.mark.parametrize("op", [tf.random_uniform, tf.random_normal, tf.truncated_normal])
def test_pieces_make_the_same_stream(op, monkeypatch):
    monkeypatch.setattr(big_draws, "PIECE", 1 << 12)
    big_draws._piece.cache_clear()
    with tf.Graph().as_default(), tf.Session() as session:
        x = op([3, 5000], seed=5)
        plain = session.run(x)
    monkeypatch.setattr(big_draws, "FEWEST", 10_000)
    with tf.Graph().as_default(), tf.Session() as session:
        x = op([3, 5000], seed=5)
        pieces = session.run(x)
    big_draws._piece.cache_clear()
    np.testing.assert_array_equal(plain, pieces)
