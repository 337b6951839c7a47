"""What variables start with. The graphs of initializers are in `tests/graph_identity`."""

import numpy as np
import pytest

import evergraph as tf


def values_of(initializer, shape, **arguments):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(initializer(shape, **arguments))


@pytest.mark.parametrize(
    ("initializer", "low", "high"),
    [
        (tf.random_uniform_initializer(-1.0, 3.0, seed=1), -1.0, 3.0),
        (tf.glorot_uniform_initializer(seed=1), -np.sqrt(6 / 500), np.sqrt(6 / 500)),
        (tf.initializers.he_uniform(seed=1), -np.sqrt(6 / 200), np.sqrt(6 / 200)),
        (tf.initializers.lecun_uniform(seed=1), -np.sqrt(3 / 200), np.sqrt(3 / 200)),
        (tf.uniform_unit_scaling_initializer(2.0, seed=1), -2 * np.sqrt(3 / 200), 2 * np.sqrt(3 / 200)),
    ],
    ids=lambda x: getattr(x, "__class__", type(x)).__name__,
)
def test_uniform(initializer, low, high):
    x = values_of(initializer, [200, 300])
    assert x.dtype == np.float32
    assert low <= x.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < x.max() <= high
    assert abs(x.mean() - (low + high) / 2) < 0.01 * (high - low)


@pytest.mark.parametrize(
    ("initializer", "deviation", "cut"),
    [
        (tf.random_normal_initializer(stddev=0.5, seed=1), 0.5, False),
        (tf.truncated_normal_initializer(stddev=0.5, seed=1), 0.5 * 0.8796, True),
        (tf.initializers.he_normal(seed=1), np.sqrt(2 / 200), True),
        (tf.initializers.lecun_normal(seed=1), np.sqrt(1 / 200), True),
        (tf.glorot_normal_initializer(seed=1), np.sqrt(2 / 500), True),
        (tf.variance_scaling_initializer(3.0, "fan_out", seed=1), np.sqrt(3 / 300), True),
        (tf.variance_scaling_initializer(distribution="untruncated_normal", seed=1), np.sqrt(1 / 200), False),
    ],
    ids=lambda x: getattr(x, "__class__", type(x)).__name__,
)
def test_normal(initializer, deviation, cut):
    x = values_of(initializer, [200, 300])
    assert abs(x.std() / deviation - 1) < 0.02
    assert abs(x.mean()) < 0.02 * deviation
    assert (np.abs(x).max() < 2.3 * deviation) == cut


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (2, 3, 4)])
def test_orthogonal(shape):
    x = values_of(tf.orthogonal_initializer(gain=2.0, seed=1), shape).reshape(-1, shape[-1]) / 2.0
    small = x @ x.T if len(x) <= shape[-1] else x.T @ x
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


def test_orthogonal_needs_a_matrix():
    with pytest.raises(ValueError, match="two-dimensional"):
        values_of(tf.orthogonal_initializer(), [3])


def test_identity():
    np.testing.assert_array_equal(values_of(tf.initializers.identity(gain=3.0), [2, 3]), 3.0 * np.eye(2, 3))
    with pytest.raises(ValueError, match="2D"):
        values_of(tf.initializers.identity(), [2, 2, 2])


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.int32, tf.bool, tf.string])
def test_zeros_of_any_type(dtype):
    x = values_of(tf.zeros_initializer(), [2], dtype=dtype)
    assert x.tolist() == [b"", b""] if dtype is tf.string else not x.any()


def test_constants_fill_up():
    assert values_of(tf.constant_initializer([1, 2]), [2, 2]).tolist() == [[1.0, 2.0], [2.0, 2.0]]
    with pytest.raises(ValueError, match="Too many elements"):
        values_of(tf.constant_initializer([1, 2, 3]), [2])
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        values_of(tf.constant_initializer([1, 2], verify_shape=True), [3])
    with pytest.raises(TypeError, match="Invalid type for initial value"):
        tf.constant_initializer(object())


@pytest.mark.parametrize(
    "initializer",
    [
        tf.zeros_initializer(tf.int32),
        tf.ones_initializer(),
        tf.constant_initializer(3),
        tf.random_uniform_initializer(1, 2, seed=3),
        tf.random_normal_initializer(1.0, 2.0, 3),
        tf.truncated_normal_initializer(1.0, 2.0, 3),
        tf.variance_scaling_initializer(2.0, "fan_avg", "uniform", 3),
        tf.glorot_uniform_initializer(3),
        tf.orthogonal_initializer(2.0, 3),
        tf.initializers.identity(2.0),
        tf.uniform_unit_scaling_initializer(2.0, 3),
    ],
    ids=lambda x: type(x).__name__,
)
def test_config_makes_the_initializer_again(initializer):
    again = type(initializer).from_config(initializer.get_config())
    assert again.get_config() == initializer.get_config()
    np.testing.assert_array_equal(values_of(initializer, [3, 3]), values_of(again, [3, 3]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf.variance_scaling_initializer(0.0), "positive"),
        (lambda: tf.variance_scaling_initializer(mode="fan"), "mode"),
        (lambda: tf.variance_scaling_initializer(distribution="flat"), "distribution"),
        (lambda: tf.random_normal_initializer(dtype=tf.int32), "floating point"),
    ],
)
def test_refuses_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parts_of_a_variable_scale_as_the_whole():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable("v", [400, 50], partitioner=tf.fixed_size_partitioner(4))
        session.run(tf.global_variables_initializer())
        x = session.run(v.as_tensor())
    limit = np.sqrt(6 / 450)
    assert limit * 0.99 < np.abs(x).max() <= limit


@pytest.mark.parametrize("shape", [[3, 2, 4], [2, 2, 3, 3], [2, 3, 2, 1, 3]])
def test_delta_orthogonal(shape):
    kernel = values_of(tf.contrib.framework.convolutional_delta_orthogonal(gain=2.0, seed=1), shape)
    middle = kernel[tuple((size - 1) // 2 for size in shape[:-2])]
    assert np.allclose(middle @ middle.T, 4 * np.eye(shape[-2]), atol=1e-5)
    assert np.count_nonzero(kernel) == middle.size


@pytest.mark.parametrize(
    ("name", "shape"),
    [("1d", [1, 2, 3]), ("1d", [4, 2, 3]), ("2d", [3, 3, 2, 4]), ("3d", [2, 2, 2, 3, 3]), ("3d", [3, 3, 3, 1, 2])],
)
def test_convolutional_orthogonal(name, shape):
    """The Fourier transform of the kernel has orthogonal rows at every frequency: it keeps the norm of every wave."""
    initializer = getattr(tf.contrib.framework, f"convolutional_orthogonal_{name}")(gain=3.0, seed=5)
    kernel = values_of(initializer, shape)
    waves = np.fft.fftn(kernel, s=[5] * (len(shape) - 2), axes=range(len(shape) - 2))
    assert np.allclose(waves @ waves.conj().swapaxes(-1, -2), 9 * np.eye(shape[-2]), atol=1e-4)


def test_convolutional_orthogonal_refusals():
    make = tf.contrib.framework.convolutional_orthogonal_2d()
    for shape, message in [
        ([3, 2, 2], "four-dimensional"),
        ([3, 3, 3, 2], "In_filters cannot be greater"),
        ([3, 2, 2, 2], "Kernel sizes must be equal"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(shape)
