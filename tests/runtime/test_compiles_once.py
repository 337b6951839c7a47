"""A stage is compiled once for a set of shapes, wherever its arrays were before."""

import jax
import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def compilations():
    found = []

    def listen(event, duration, **kwargs):
        if event.endswith("backend_compile_duration"):
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("constant", [False, True], ids=["", "large constant"])
def test_large_and_small_variables_from_the_host(compilations, constant):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 600])
        large = tf.get_variable("large", [600, 600])
        small = tf.get_variable("small", [600])
        y = tf.nn.relu(tf.matmul(x, large) + small)
        if constant:
            y = tf.matmul(y, tf.constant(np.ones((600, 300), np.float32)))
        step = tf.train.MomentumOptimizer(0.1, 0.9).minimize(tf.reduce_sum(y))
        session.run(tf.global_variables_initializer())
        fed = {x: np.ones((4, 600))}
        session.run(step, fed)
        session.run(step, fed)
        assert compilations
        so_far = len(compilations)
        for _ in range(3):
            session.run(step, fed)
        assert len(compilations) == so_far
