"""Ops that wait in a run: others of the run go on, failures and the end of the session let them go."""

import threading

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture
def waiting():
    """`waiting(session)`: an object whose `acquire` returns when one more op of the session has begun to wait."""

    def watch(session):
        begun = threading.Semaphore(0)
        resources = session._state.resources
        woken_at_close = resources.woken_at_close

        def noted(condition):
            begun.release()
            return woken_at_close(condition)

        resources.woken_at_close = noted
        return begun

    return watch


def in_thread(function, *args):
    """Start `function(*args)`; gives a function that waits for its result, or raises what it raised."""
    outcome = {}

    def call():
        try:
            outcome["result"] = function(*args)
        except Exception as error:
            outcome["error"] = error

    thread = threading.Thread(target=call, daemon=True)
    thread.start()

    def result():
        thread.join(20)
        assert not thread.is_alive(), "still waits"
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]

    return result


def test_an_op_waits_for_one_of_a_later_stage():
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.float32, shapes=[[2, 2]])
        taken = queue.dequeue()
        x = tf.placeholder(tf.float32, [2, 2])
        put = queue.enqueue(tf.matmul(x, x))
        with tf.Session() as sess:
            value = 2 * np.eye(2, dtype=np.float32)
            np.testing.assert_array_equal(sess.run([taken, put], {x: value})[0], 4 * np.eye(2))


def test_two_ops_wait_for_each_other_s_readers():
    with tf.Graph().as_default():
        first, second = tf.FIFOQueue(1, tf.int32), tf.FIFOQueue(1, tf.int32)
        a = first.dequeue()
        b = second.dequeue()
        with tf.control_dependencies([b]):
            put_first = first.enqueue(b + 1)
        put_second = second.enqueue(5)
        with tf.Session() as sess:
            assert sess.run([a, b, put_first, put_second])[:2] == [6, 5]


def test_writes_keep_their_order_while_an_op_waits():
    with tf.Graph().as_default():
        v = tf.get_variable("v", [], tf.int32, tf.zeros_initializer(), use_resource=True)
        queue = tf.FIFOQueue(1, tf.int32)
        taken = queue.dequeue()
        added = tf.assign_add(v, 1)
        with tf.control_dependencies([added]):
            doubled = tf.assign(v, v * 2 + 0 * taken)
        put = queue.enqueue(3)
        with tf.Session() as sess:
            sess.run(v.initializer)
            for _ in range(3):
                sess.run([taken, doubled, put])
            assert sess.run(v) == ((0 + 1) * 2 + 1) * 2 + 1 << 1


def test_a_failure_lets_those_that_wait_go():
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.int32)
        failing = tf.Assert(tf.placeholder_with_default(False, []), ["no"])
        with tf.Session() as sess:
            for _ in range(3):
                with pytest.raises(tf.errors.InvalidArgumentError, match=r"assertion failed: \[no\]"):
                    sess.run([queue.dequeue(), failing])
            sess.run(queue.enqueue(4))
            assert sess.run(queue.size()) == 1, "no attempt to take an element was left behind"


@pytest.mark.parametrize("what", ["dequeue", "enqueue", "dequeue_many", "unstage", "take_grad", "map_unstage"])
def test_closing_the_session_cancels(what, waiting):
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.float32, shapes=())
        area = tf.contrib.staging.StagingArea([tf.float32])
        keyed = tf.contrib.staging.MapStagingArea([tf.float32])
        op = {
            "dequeue": queue.dequeue,
            "dequeue_many": lambda: queue.dequeue_many(3),
            "enqueue": lambda: queue.enqueue_many([[1.0, 2.0]]),
            "unstage": area.get,
            "take_grad": lambda: tf.ConditionalAccumulator(tf.float32).take_grad(1),
            "map_unstage": lambda: keyed.get(tf.constant(3, tf.int64)),
        }[what]()
        sess = tf.Session()
        begun = waiting(sess)
        result = in_thread(sess.run, op)
        begun.acquire(timeout=20)
        sess.close()
        with pytest.raises(tf.errors.CancelledError):
            result()


def test_a_run_that_gives_up_gives_its_elements_back():
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(5, tf.int32, shapes=())
        with tf.Session() as sess:
            sess.run(queue.enqueue_many([[1, 2, 3]]))
            with pytest.raises(tf.errors.DeadlineExceededError):
                sess.run(queue.dequeue_many(4), options=tf.RunOptions(timeout_in_ms=1))
            assert sess.run(queue.dequeue_many(3)).tolist() == [1, 2, 3]


def test_those_that_came_first_are_served_first(waiting):
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(5, tf.int32, shapes=())
        with tf.Session() as sess:
            begun = waiting(sess)
            many, one = queue.dequeue_many(3), queue.dequeue()
            first = in_thread(sess.run, many)
            begun.acquire(timeout=20)
            second = in_thread(sess.run, one)
            begun.acquire(timeout=20)
            sess.run(queue.enqueue_many([[1, 2, 3, 4]]))
            assert (first().tolist(), second()) == ([1, 2, 3], 4)


def test_closing_a_queue_at_once_lets_enqueues_go(waiting):
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.int32, shapes=())
        put, close = queue.enqueue(2), queue.close(cancel_pending_enqueues=True)
        with tf.Session() as sess:
            begun = waiting(sess)
            sess.run(put)
            blocked = in_thread(sess.run, put)
            begun.acquire(timeout=20)
            sess.run(close)
            with pytest.raises(tf.errors.CancelledError, match="Enqueue operation was cancelled"):
                blocked()
            assert sess.run(queue.dequeue()) == 2


def test_closing_a_queue_comes_after_enqueues_that_wait(waiting):
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.int32, shapes=())
        put, close, take = queue.enqueue(2), queue.close(), queue.dequeue()
        with tf.Session() as sess:
            begun = waiting(sess)
            sess.run(put)
            blocked = in_thread(sess.run, put)
            begun.acquire(timeout=20)
            closed = in_thread(sess.run, close)
            begun.acquire(timeout=20)
            assert [sess.run(take), sess.run(take)] == [2, 2]
            blocked(), closed()
            with pytest.raises(tf.errors.OutOfRangeError):
                sess.run(take)


def test_many_threads_lose_nothing():
    producers, consumers, each = 4, 4, 60
    with tf.Graph().as_default():
        x = tf.placeholder(tf.int64, [])
        first = tf.FIFOQueue(5, tf.int64, shapes=())
        second = tf.RandomShuffleQueue(7, 2, tf.int64, shapes=())
        counted = tf.get_variable("counted", [], tf.int64, tf.zeros_initializer(), use_resource=True)
        put = first.enqueue(x)
        move = tf.group(second.enqueue(first.dequeue() * 2), tf.assign_add(counted, 1, use_locking=True))
        take = second.dequeue()
        close = second.close()
        with tf.Session() as sess:
            sess.run(counted.initializer)

            def produce(start):
                for i in range(each):
                    sess.run(put, {x: start + i})

            def pass_on():
                for _ in range(each):
                    sess.run(move)

            found = []

            def consume():
                try:
                    while True:
                        found.append(int(sess.run(take)))
                except tf.errors.OutOfRangeError:
                    return

            made = [in_thread(produce, 1000 * i) for i in range(producers)]
            moved = [in_thread(pass_on) for _ in range(producers)]
            read = [in_thread(consume) for _ in range(consumers)]
            for thread in made + moved:
                thread()
            sess.run(close)
            for thread in read:
                thread()
            assert sorted(found) == sorted(2 * (1000 * i + j) for i in range(producers) for j in range(each))
            assert sess.run(counted) == producers * each


def test_python_functions_of_one_run_can_meet():
    with tf.Graph().as_default():
        barrier = threading.Barrier(2, timeout=20)
        meet = [tf.py_func(lambda i=i: np.int64(barrier.wait() >= 0), [], tf.int64) for i in range(2)]
        with tf.Session() as sess:
            assert sess.run(meet) == [1, 1]


def test_an_op_of_a_partial_run_waits_for_another_thread(waiting):
    with tf.Graph().as_default():
        queue = tf.FIFOQueue(1, tf.int32, shapes=())
        v = tf.get_variable("v", [], tf.int32, tf.zeros_initializer())
        x = tf.placeholder(tf.int32, [])
        taken = queue.dequeue() + x
        put = queue.enqueue(tf.assign_add(v, 5))
        with tf.Session() as sess:
            sess.run(v.initializer)
            begun = waiting(sess)
            handle = sess.partial_run_setup([taken], [x])
            result = in_thread(sess.partial_run, handle, taken, {x: 1})
            begun.acquire(timeout=20)
            sess.run(put)
            assert result() == 6
