"""Learning rates that change with the step: against their formulas."""

import numpy as np
import pytest

import evergraph as tf

STEPS = [0, 1, 10, 35, 100, 250]


def rates(decay, **arguments):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = decay(0.5, step, **arguments)
        return [float(session.run(rate, {step: n})) for n in STEPS]


def line(n, steps=100):
    return 1 - min(n, steps) / steps


@pytest.mark.parametrize(
    ("name", "arguments", "formula"),
    [
        ("exponential_decay", {"decay_steps": 50, "decay_rate": 0.9}, lambda n: 0.5 * 0.9 ** (n / 50)),
        (
            "exponential_decay",
            {"decay_steps": 50, "decay_rate": 0.9, "staircase": True},
            lambda n: 0.5 * 0.9 ** (n // 50),
        ),
        ("natural_exp_decay", {"decay_steps": 50, "decay_rate": 0.9}, lambda n: 0.5 * np.exp(-0.9 * n / 50)),
        ("inverse_time_decay", {"decay_steps": 50, "decay_rate": 0.9}, lambda n: 0.5 / (1 + 0.9 * n / 50)),
        (
            "inverse_time_decay",
            {"decay_steps": 50, "decay_rate": 0.9, "staircase": True},
            lambda n: 0.5 / (1 + 0.9 * (n // 50)),
        ),
        (
            "polynomial_decay",
            {"decay_steps": 100, "end_learning_rate": 0.1, "power": 2.0},
            lambda n: 0.4 * line(n) ** 2 + 0.1,
        ),
        (
            "cosine_decay",
            {"decay_steps": 100, "alpha": 0.2},
            lambda n: 0.5 * (0.8 * 0.5 * (1 + np.cos(np.pi * (1 - line(n)))) + 0.2),
        ),
        (
            "linear_cosine_decay",
            {"decay_steps": 100},
            lambda n: 0.5 * (line(n) * 0.5 * (1 + np.cos(np.pi * (1 - line(n)))) + 0.001),
        ),
    ],
)
def test_formula(name, arguments, formula):
    np.testing.assert_allclose(rates(getattr(tf.train, name), **arguments), [formula(n) for n in STEPS], rtol=1e-5)


def test_noise_dies_away():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        rate = tf.train.noisy_linear_cosine_decay(0.5, 5, 10)
        assert len({float(session.run(rate)) for _ in range(3)}) == 3


def test_pieces():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.train.piecewise_constant(step, [10, 100], [1.0, 0.5, 0.1])
        found = [float(session.run(rate, {step: n})) for n in (0, 10, 11, 100, 101)]
        np.testing.assert_allclose(found, [1.0, 1.0, 0.5, 0.5, 0.1])
        with pytest.raises(ValueError, match="length of boundaries"):
            tf.train.piecewise_constant(step, [10], [1.0])
        with pytest.raises(ValueError, match="same dtype as x"):
            tf.train.piecewise_constant(step, [10.0], [1.0, 2.0])
        with pytest.raises(ValueError, match="all with the same dtype"):
            tf.train.piecewise_constant(step, [10], [1.0, 2])


def test_restarts():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.train.cosine_decay_restarts(1.0, step, 10, t_mul=2.0, m_mul=0.5)
        found = [float(session.run(rate, {step: n})) for n in (0, 5, 10, 20, 30)]
        np.testing.assert_allclose(found, [1.0, 0.5, 0.5, 0.25, 0.25], atol=1e-5)


def test_cycles():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = tf.train.polynomial_decay(1.0, step, 10, end_learning_rate=0.0, cycle=True)
        found = [float(session.run(rate, {step: n})) for n in (0, 5, 15)]
        np.testing.assert_allclose(found, [1.0, 0.5, 0.25], atol=1e-6)
