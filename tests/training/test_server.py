"""`tf.train.Server`: what sessions on one target share, and what becomes of it."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def server():
    return tf.train.Server.create_local_server()


def test_sessions_on_one_target_share_variables_and_queues(server):
    v, queue = tf.Variable([1, 2], name="v"), tf.FIFOQueue(3, tf.int32, shapes=(), shared_name="shared")
    enqueue, dequeue, add = queue.enqueue(7), queue.dequeue(), v.assign_add([1, 1])
    with tf.Session(server.target) as first:
        first.run(v.initializer)
        first.run([enqueue, add])
    with tf.Session(server.target) as second:
        assert second.run(dequeue) == 7
        np.testing.assert_array_equal(second.run(v), [2, 3])
    with tf.Graph().as_default(), tf.Session(server.target) as third:
        np.testing.assert_array_equal(third.run(tf.Variable([0, 0], name="v")), [2, 3])


def test_other_sessions_see_nothing_of_it(server):
    v = tf.Variable(1.0)
    alone = tf.ConfigProto(isolate_session_state=True)
    tf.Session(server.target).run(v.initializer)
    for session in (tf.Session(), tf.Session(server.target, config=alone)):
        with session, pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized"):
            session.run(v)


def test_a_reset_ends_sessions_and_clears_a_container(server):
    with tf.container("kept"):
        kept = tf.Variable(1.0)
    lost = tf.Variable(2.0)
    session = tf.Session(server.target)
    session.run(tf.global_variables_initializer())
    tf.Session.reset(server.target)
    with pytest.raises(tf.errors.AbortedError, match="reset"):
        session.run(kept)
    session = tf.Session(server.target)
    assert session.run(kept) == 1.0
    with pytest.raises(tf.errors.FailedPreconditionError):
        session.run(lost)
    with pytest.raises(tf.errors.NotFoundError):
        tf.Session.reset("nowhere")


def test_ops_may_name_the_task_of_their_server():
    server = tf.train.Server({"worker": ["localhost:0"]})
    with tf.device("/job:worker/task:0"):
        one = tf.constant(1.0)
    with tf.Session(server.target) as session:
        assert session.run(one) == 1.0
        assert "/job:worker/replica:0/task:0/device:CPU:0" in [d.name for d in session.list_devices()]
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="/job:worker"):
        session.run(one)


def test_devices_of_other_tasks_are_refused():
    cluster = {"ps": ["localhost:0"], "worker": ["localhost:0"]}
    server = tf.train.Server(cluster, job_name="worker", task_index=0)
    with tf.device("/job:ps/task:0"):
        one = tf.constant(1.0)
    with tf.Session(server.target) as session, pytest.raises(tf.errors.InvalidArgumentError, match="/job:ps"):
        session.run(one)


def test_a_server_is_a_task_of_its_cluster():
    with pytest.raises(tf.errors.InternalError, match="not defined"):
        tf.train.Server({"ps": ["a:1"]}, job_name="worker", task_index=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="port"):
        tf.train.Server({"ps": ["a"]})


def test_an_address_is_taken_once(server):
    with pytest.raises(tf.errors.UnknownError, match="in use"):
        tf.train.Server({"other": [server.target.removeprefix("grpc://")]})


def test_a_variable_without_a_value_may_stay_on_the_side_not_taken():
    v = tf.Variable(3, name="v")
    w = tf.Variable(v, name="w")
    with tf.Session() as session:
        session.run(w.initializer)
        assert session.run(w) == 3
