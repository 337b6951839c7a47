"""A forked process goes on with its sessions."""

import os
import select
import signal
import threading
import warnings

import numpy as np
import pytest

import evergraph as tf
from evergraph.runtime import executor, forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_a_child(run, timeout=60):
    """What `run()` gives in a forked process, as bytes; or the error that it raises."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX says that forking is no good idea
        child = os.fork()
    if child == 0:
        try:
            try:
                os.write(writer, run())
            except Exception as error:
                os.write(writer, f"{type(error).__name__}: {getattr(error, 'message', error)}".encode())
        finally:
            os._exit(0)
    ready, _, _ = select.select([reader], [], [], timeout)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert ready, "the child hangs"
    found = os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    return found


def in_a_thread(run):
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


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

            def run():
                for _ in range(2):
                    session.run(step, {x: [1, 0, 0]})
                return session.run(v).tobytes()

            np.testing.assert_array_equal(np.frombuffer(in_a_child(run), np.float32), [6, 5, 6])
            np.testing.assert_array_equal(session.run(v), [4, 5, 6])
            session.run(step, {x: [1, 1, 1]})
            np.testing.assert_array_equal(session.run(v), [5, 6, 7])


def test_a_step_that_is_still_being_computed():
    with tf.Graph().as_default():
        v = tf.Variable(tf.ones([400, 400]))
        step = v.assign(tf.tanh(tf.matmul(v, v)))
        with tf.Session() as session:
            session.run(v.initializer)
            for _ in range(6):
                session.run(step.op)
            found = in_a_child(lambda: (session.run(step.op), session.run(v)[0, 0].tobytes())[1])
            session.run(step.op)
            np.testing.assert_allclose(np.frombuffer(found, np.float32)[0], session.run(v)[0, 0], 1e-6)


def test_two_threads_fork_at_once(monkeypatch):
    monkeypatch.setattr(forks, "_PATIENCE", 0.01)
    with tf.Session() as session:
        lock = session._state.lock

        def fork():
            forks._before()
            forks._in_parent()

        def take():
            taken.append(lock.acquire(timeout=10))
            lock.release()

        taken = []
        forks._before()
        in_a_thread(fork)
        forks._in_parent()
        in_a_thread(take)
        assert taken == [True]


def test_a_queue_that_a_thread_waits_for():
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(5, tf.float32, [()])
        put, take, several = queue.enqueue(7.0), queue.dequeue(), queue.dequeue_many(3)
        close = queue.close()
        with tf.Session() as session:
            session.run(put)

            def wait():
                with pytest.raises(tf.errors.OutOfRangeError):
                    session.run(several)

            thread = threading.Thread(target=wait)
            thread.start()
            held = next(iter(session._state.resources._named.values()))
            while thread.is_alive() and not any(attempt.gathered for attempt in held._taking):
                pass  # the thread has the element, and waits for two more
            found = in_a_child(lambda: session.run(take).tobytes())
            session.run(close)
            thread.join()
            assert np.frombuffer(found, np.float32)[0] == 7.0


def test_an_iterator_whose_threads_are_in_the_parent():
    with tf.Graph().as_default():
        iterator = tf.data.make_initializable_iterator(tf.data.Dataset.range(100).prefetch(2))
        element = iterator.get_next()
        with tf.Session() as session:
            session.run(iterator.initializer)
            assert session.run(element) == 0
            assert in_a_child(lambda: session.run(element).tobytes()).startswith(
                b"FailedPreconditionError: The threads of this iterator are in the process that this one was "
                b"forked from"
            )

            def anew():
                session.run(iterator.initializer)
                return session.run(element).tobytes() + session.run(element).tobytes()

            assert np.frombuffer(in_a_child(anew), np.int64).tolist() == [0, 1]
            assert session.run(element) == 1
