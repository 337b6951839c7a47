"""`tf.train.QueueRunner`: its threads, the end of the data, failures, messages."""

import pytest

import evergraph as tf
from evergraph.formats import messages
from evergraph.framework.proto_functions import get_from_proto_function, get_to_proto_function


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def counting_runner(limit, threads=2):
    counter = tf.Variable(0, trainable=False)
    queue = tf.FIFOQueue(3, tf.int32, shapes=())
    return queue, tf.train.QueueRunner(queue, [queue.enqueue(counter.count_up_to(limit))] * threads)


def test_the_queue_is_closed_when_all_threads_are_at_their_end():
    queue, runner = counting_runner(10)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        threads = runner.create_threads(sess, start=True)
        assert sorted(int(n) for n in sess.run(queue.dequeue_many(10))) == list(range(10))
        for thread in threads:
            thread.join(20)
        assert sess.run(queue.is_closed()) and runner.exceptions_raised == []


def test_a_failure_goes_to_the_coordinator():
    queue = tf.FIFOQueue(3, tf.int32, shapes=())
    runner = tf.train.QueueRunner(queue, [queue.enqueue(tf.Variable(1))])
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = runner.create_threads(sess, coord, start=True)
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized"):
            coord.join(threads)
        assert sess.run(queue.is_closed())


def test_a_stop_lets_those_that_wait_go():
    queue, runner = counting_runner(1000)
    tf.train.add_queue_runner(runner)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        sess.run(queue.dequeue_many(4))
        coord.request_stop()
        coord.join(threads)
        assert len(threads) == 3 and runner.create_threads(sess, coord) != []


def test_each_session_has_its_threads_once():
    _, runner = counting_runner(1000)
    with tf.Session() as sess, tf.Session() as other:
        assert len(runner.create_threads(sess)) == 2
        assert runner.create_threads(sess) == []
        assert len(runner.create_threads(other)) == 2


@pytest.mark.parametrize("given", ["", [], (ValueError,), [tf.errors.CancelledError], ()])
def test_types_that_are_no_errors_of_ops(given):
    queue = tf.FIFOQueue(3, tf.int32)
    with pytest.raises(TypeError, match="must be a tuple of tf.error types"):
        tf.train.QueueRunner(queue, [queue.enqueue(1)], queue_closed_exception_types=given)


def test_a_message_holds_it_all(graph):
    with tf.name_scope("scope"):
        queue = tf.FIFOQueue(3, tf.int32)
        runner = tf.train.QueueRunner(
            queue, [queue.enqueue(1)], queue_closed_exception_types=(tf.errors.CancelledError, tf.errors.AbortedError)
        )
    message = get_to_proto_function("queue_runners")(runner)
    assert message == messages.QueueRunnerDef(
        queue_name="scope/fifo_queue",
        enqueue_op_name=["scope/fifo_queue_enqueue"],
        close_op_name="scope/fifo_queue_Close",
        cancel_op_name="scope/fifo_queue_Close_1",
        queue_closed_exception_types=[1, 10],
    )
    again = get_from_proto_function("queue_runners")(message)
    assert again.queue is queue.queue_ref.op and again.enqueue_ops == runner.enqueue_ops
    assert again.queue_closed_exception_types == (tf.errors.CancelledError, tf.errors.AbortedError)
    assert again.to_proto() == message
    assert runner.to_proto(export_scope="scope").queue_name == "fifo_queue"
    assert runner.to_proto(export_scope="elsewhere") is None


def test_starting_without_a_session():
    with pytest.raises(ValueError, match="No default session"):
        tf.train.start_queue_runners()
    with pytest.raises(TypeError, match=r"must be a `tf.Session` object"):
        tf.train.start_queue_runners("session")
