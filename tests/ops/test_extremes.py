"""`ArgMax` and `ArgMin` compiled, by whichever way XLA is given them, against their definition."""

import numpy as np
import pytest
from ops.harness import both_ways

import evergraph as tf

SHAPES = [
    ((7,), 0),
    ((600,), 0),
    ((5, 30), 1),
    ((5, 600), 1),
    ((4, 1001), 1),
    ((33, 5), 0),
    ((3, 40, 6), 1),
    ((2, 0), 0),
]
RANDOM = np.random.RandomState(3)


def first(x, axis, which):
    """The first index whose element no other is beyond; NaN counts as the least of all candidates."""
    instead = -np.inf if which == "max" else np.inf
    values = np.moveaxis(np.where(np.isnan(x), instead, x) if x.dtype.kind == "f" else x, axis, -1)
    found = [
        next(i for i, v in enumerate(row) if v == getattr(row, which)()) for row in values.reshape(-1, x.shape[axis])
    ]
    return np.reshape(np.array(found, np.int64), values.shape[:-1])


@pytest.mark.parametrize("which", ["max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_first_extreme(shape, axis, dtype, which):
    x = RANDOM.randint(0, 50, shape).astype(dtype)  # with many equal ones
    fed = tf.placeholder(dtype, shape)
    index = getattr(tf, f"arg{which}")(fed, axis)
    with tf.Session() as session:
        runs = both_ways(session, index, {fed: x})
    for got in runs:
        assert got.dtype == np.int64
        np.testing.assert_array_equal(got, first(x, axis, which))


@pytest.mark.parametrize("size", [5, 600])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("which", ["max", "min"])
def test_nan_and_infinities_and_zeros_of_both_signs(which, axis, size):
    x = RANDOM.choice(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32), (size, size))
    x[0], x[:, 1], x[2] = np.nan, np.nan, -0.0
    index = getattr(tf, f"arg{which}")(tf.Variable(x), axis, output_type=tf.int32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for got in both_ways(session, index, {}):
            np.testing.assert_array_equal(got, first(x, axis, which))
