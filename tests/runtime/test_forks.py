"""A forked process goes on with its sessions."""

import os
import select
import warnings

import numpy as np
import pytest

import evergraph as tf
from evergraph.runtime import executor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_child_of_a_process_with_compiled_stages_runs_its_sessions(monkeypatch):
    monkeypatch.setattr(executor, "SMALL_OPS", -1)
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [3])
        v = tf.Variable([1.0, 2.0, 3.0])
        step = v.assign_add(x)
        with tf.Session() as session:
            session.run(v.initializer)
            for _ in range(3):
                session.run(step, {x: [1, 1, 1]})
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # JAX says that forking is no good idea
                child = os.fork()
            if child == 0:
                try:
                    for _ in range(2):
                        session.run(step, {x: [1, 0, 0]})
                    os.write(writer, session.run(v).tobytes())
                finally:
                    os._exit(0)
            ready, _, _ = select.select([reader], [], [], 60)
            assert ready, "the child hangs"
            found = np.frombuffer(os.read(reader, 100), np.float32)
            os.waitpid(child, 0)
            os.close(reader)
            os.close(writer)
            np.testing.assert_array_equal(found, [6, 5, 6])
            np.testing.assert_array_equal(session.run(v), [4, 5, 6])
            session.run(step, {x: [1, 1, 1]})
            np.testing.assert_array_equal(session.run(v), [5, 6, 7])
