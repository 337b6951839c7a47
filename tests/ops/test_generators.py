"""`tf.random.experimental.Generator`. The numbers are TensorFlow 1.15.5's."""

import numpy as np
import pytest

import evergraph as tf

Generator = tf.random.experimental.Generator

FROM_1234 = [
    (lambda g: g.normal([3]), [0.9356609, 1.0854305, -0.93788373]),
    (lambda g: g.uniform([2, 3]), [[0.31073415, 0.3681823, 0.96182954], [0.31345785, 0.85380936, 0.62378836]]),
    (lambda g: g.uniform([5], 1, 100, tf.int64), [4, 9, 98, 82, 73]),
    (lambda g: g.uniform([5], -10, 100, tf.int32), [67, 96, -6, -6, 34]),
    (lambda g: g.uniform_full_int([3]), [5796473010014489708, 10285904292558191736, 17934672218104562193]),
    (lambda g: g.uniform_full_int([3], tf.int32), [514049072, -1285121059, -1583520632]),
    (lambda g: g.truncated_normal([5]), [-1.8637439, -0.4474483, -1.4533616, 0.5050339, -0.3457154]),
    (lambda g: g.normal([3], dtype=tf.float64), [0.52614047, 0.88343305, -0.71852551]),
    (lambda g: g.make_seeds(2), [[2259163965171600002, 4582184010439291418], [0, 0]]),
]
COUNTERS = [2002, 3538, 4818, 6098, 6866, 7634, 8914, 9682, 10194]


def test_each_draw_goes_on_where_the_last_one_stopped():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator = Generator.from_seed(1234)
        draws = [draw(generator) for draw, _ in FROM_1234]
        sess.run(tf.global_variables_initializer())
        for drawn, (_, expected), counter in zip(draws, FROM_1234, COUNTERS, strict=True):
            value = sess.run(drawn)
            assert drawn.shape.as_list() == list(value.shape)
            np.testing.assert_allclose(value, expected, rtol=1e-6)
            assert sess.run(generator.state).tolist() == [counter, 0, 0]


def test_the_counter_has_128_bits():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator = Generator.from_key_counter(key=-5, counter=[-3, 2], alg=1)
        drawn = generator.uniform([4])
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(sess.run(drawn), [0.3618548, 0.2392726, 0.40154696, 0.28859258], rtol=1e-6)
        assert sess.run(generator.state).tolist() == [1021, 3, -5]


def test_compiled_and_interpreted_draws_are_one_stream():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator, other = Generator.from_seed(3), Generator.from_seed(3)
        once, rows = generator.normal([40, 100]), [other.normal([40, 100]) for _ in range(4)]
        sess.run(tf.global_variables_initializer())
        for row in rows:  # each is interpreted, as it runs once
            np.testing.assert_allclose(sess.run(once), sess.run(row), rtol=1e-5, atol=1e-6)


def test_binomial_numbers():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator = Generator.from_state([10962, 0, 0], 1)
        drawn = generator.binomial([4], 10.0, 0.3)
        per_row = generator.binomial([3], [1.0, 0.0, 5.0], [0.9, 0.2, 1.0])
        many = generator.binomial([20000], 100.0, 0.7, dtype=tf.float64)
        few = generator.binomial([20000], 5.0, 0.3, dtype=tf.float64)
        sess.run(tf.global_variables_initializer())
        assert sess.run(drawn)[0] == 4  # the rest depends on TensorFlow's threads
        assert sess.run(generator.state).tolist() == [1329362, 0, 0]
        assert sess.run(per_row).tolist()[1:] == [0, 5]
        for values, count, p in ((sess.run(many), 100, 0.7), (sess.run(few), 5, 0.3)):
            assert values.min() >= 0 and values.max() <= count
            assert values.mean() == pytest.approx(count * p, rel=0.02)
            assert values.var() == pytest.approx(count * p * (1 - p), rel=0.05)


def test_skip_reset_and_split():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator = Generator.from_seed(1)
        skip, reset = generator.skip(7), generator.reset_from_seed(9)
        first, second = generator.split(2)
        sess.run([generator.state.initializer, Generator.from_non_deterministic_state().state.initializer])
        sess.run(skip)
        assert sess.run(generator.state).tolist() == [1793, 0, 0]
        sess.run([first.state.initializer, second.state.initializer])
        assert sess.run(first.key) != sess.run(second.key)
        sess.run(reset)
        assert sess.run(generator.state).tolist() == [9, 0, 0]


def test_a_seed_may_be_long_short_or_a_vector():
    create = tf.random.experimental.create_rng_state
    assert create(0xFFFF222233334444FFAA666677778888, 1).tolist() == [-24094257720096632, -243944693480380, 0]
    assert create([7, 8], 1).tolist() == [0, 7, 8]
    with pytest.raises(ValueError, match="Unsupported algorithm id: 5"):
        create(1, 5)


def test_what_is_wrong_with_a_state_or_its_use_is_said():
    with tf.Graph().as_default(), tf.Session() as sess:
        generator = Generator.from_seed(1)
        empty = generator.uniform([2], 5, 5, tf.int32)
        threefry = tf.raw_ops.StatefulUniform(resource=generator.state.handle, algorithm=2, shape=[2])
        sess.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="Need minval < maxval, got 5 >= 5"):
            sess.run(empty)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Unsupported algorithm id: 2"):
            sess.run(threefry)
        with pytest.raises(ValueError, match="Must specify maxval"):
            generator.uniform([2], dtype=tf.int32)
        assert sess.run(generator.state).tolist() == [1, 0, 0]


def test_the_global_generator_is_one():
    with tf.Graph().as_default():
        mine = Generator.from_seed(4)
        tf.random.experimental.set_global_generator(mine)
        assert tf.random.experimental.get_global_generator() is mine
