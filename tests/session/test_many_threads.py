"""Eight threads on one session: training steps, queues, timeouts and a close in the middle of it all.

Nothing here waits for a clock except where a timeout is what is tested; every thread has to end by itself.
"""

from threading import Thread

import numpy as np
import pytest

import evergraph as tf

PATIENCE = 60  # seconds until a thread counts as stuck; none comes near


def all_of(works):
    """Run each of `works` in a thread; gives what they raised, by position."""
    errors = {}

    def run(position, work):
        try:
            work()
        except Exception as error:
            errors[position] = error

    threads = [Thread(target=run, args=entry, daemon=True) for entry in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a thread is stuck"
    return errors


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.mark.parametrize("is_resource", [False, True])
def test_no_update_is_lost(graph, is_resource):
    v = tf.Variable(np.zeros(3), use_resource=is_resource, dtype=tf.float64)
    table = tf.Variable(np.zeros((4, 2)), use_resource=is_resource, dtype=tf.float64)
    step = tf.Variable(0, dtype=tf.int64, use_resource=is_resource)
    x, row = tf.placeholder(tf.float64, [3]), tf.placeholder(tf.int32, [])
    adds = tf.group(
        v.assign_add(x),
        tf.scatter_add(table, [row], tf.ones([1, 2], tf.float64)),
        tf.cond(tf.reduce_sum(x) > 0.0, lambda: step.assign_add(1), lambda: tf.identity(step)),
    )
    steps = 40
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        run = session.make_callable(adds, [x, row])

        def work(n):
            for i in range(steps):
                if i % 2:
                    session.run(adds, {x: np.ones(3) * (n + 1), row: i % 4})
                else:
                    run(np.ones(3) * (n + 1), i % 4)

        assert not all_of([lambda n=n: work(n) for n in range(8)])
        total, rows, count = session.run([v, table, step])
        np.testing.assert_array_equal(total, np.full(3, steps * 36.0))
        np.testing.assert_array_equal(rows, np.full((4, 2), 8.0 * steps / 4))
        assert count == 8 * steps


def test_steps_fed_by_queue_runners(graph):
    items = 120
    numbers = tf.train.range_input_producer(items, num_epochs=1, shuffle=False)
    queue = tf.FIFOQueue(5, [tf.int32], shapes=[[]])
    pairs = queue.enqueue([numbers.dequeue() + 1])
    tf.train.add_queue_runner(tf.train.QueueRunner(queue, [pairs] * 3))
    total = tf.Variable(0, use_resource=True)
    train = total.assign_add(queue.dequeue()).op
    coordinator = tf.train.Coordinator()
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        runners = tf.train.start_queue_runners(session, coord=coordinator)

        def work():
            while True:
                session.run(train)

        errors = all_of([work] * 8)
        assert set(map(type, errors.values())) == {tf.errors.OutOfRangeError} and len(errors) == 8
        assert session.run(total) == items * (items + 1) // 2
        coordinator.request_stop()
        coordinator.join(runners, stop_grace_period_secs=PATIENCE)


def test_those_who_wait_time_out_and_the_others_go_on(graph):
    empty = tf.FIFOQueue(1, [tf.float32], shapes=[[]])
    waits = empty.dequeue()
    v = tf.Variable(0, use_resource=True)
    adds = v.assign_add(1).op
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())

        def wait():
            session.run(waits, options=tf.RunOptions(timeout_in_ms=50))

        def train():
            for _ in range(50):
                session.run(adds)

        errors = all_of([wait, train] * 4)
        assert {i: type(error) for i, error in errors.items()} == dict.fromkeys(
            (0, 2, 4, 6), tf.errors.DeadlineExceededError
        )
        assert session.run(v) == 200


def test_closing_the_session_ends_all_who_wait(graph):
    empty, full = tf.FIFOQueue(1, [tf.float32], shapes=[[]]), tf.FIFOQueue(1, [tf.float32], shapes=[[]])
    started = tf.FIFOQueue(10, [tf.int32], shapes=[[]])
    tells = started.enqueue(1)
    v = tf.Variable(0, use_resource=True)
    with tf.control_dependencies([tells]):
        takes, puts = empty.dequeue(), full.enqueue(1.0)
    adds = v.assign_add(1).op
    dequeues = started.dequeue()
    fills = full.enqueue(2.0)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    session.run(fills)

    def close():
        for _ in range(6):
            session.run(dequeues)  # all six are about to wait
        session.close()

    def train():
        while True:
            session.run(adds)

    errors = all_of([lambda: session.run(takes)] * 3 + [lambda: session.run(puts)] * 3 + [close, train])
    assert sorted(errors) == [0, 1, 2, 3, 4, 5, 7]
    assert all(isinstance(errors[i], tf.errors.CancelledError) for i in range(6)), errors
    assert isinstance(errors[7], RuntimeError | tf.errors.CancelledError), errors[7]
    with pytest.raises(RuntimeError, match="closed"):
        session.run(adds)


def test_a_step_that_fails_leaves_no_half_update_for_others_to_see(graph):
    a, b = tf.Variable(0.0, use_resource=True), tf.Variable(0.0, use_resource=True)
    x = tf.placeholder(tf.float32, [])
    with tf.control_dependencies([a.assign_add(1.0).op]):
        checked = tf.check_numerics(x, "no number")
    both = b.assign_add(checked * 0.0 + 1.0).op
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(both, {x: 1.0})

        def good():
            for _ in range(30):
                session.run(both, {x: 1.0})

        def bad():
            for _ in range(30):
                with pytest.raises(tf.errors.InvalidArgumentError, match="no number"):
                    session.run(both, {x: np.nan})

        assert not all_of([good, bad] * 4)
        assert session.run([a, b]) == [121.0, 121.0]


@pytest.mark.parametrize("end", ["session", "queue"])
def test_everything_at_once(graph, end):
    """Steps, counts, queues, records of queue runners, an iterator, Python functions and loops, until all is closed."""
    x = tf.placeholder(tf.float32, [None, 4])
    w, count = tf.Variable(tf.zeros([4, 1])), tf.Variable(0, dtype=tf.int64)
    increment = tf.assign_add(count, 1, use_locking=True)
    step = tf.train.GradientDescentOptimizer(0.01).minimize(tf.reduce_mean((tf.matmul(x, w) - 1) ** 2))
    queue = tf.FIFOQueue(5, [tf.float32], [[2]])
    put, take, several = queue.enqueue([tf.random_uniform([2])]), queue.dequeue(), queue.dequeue_many(3)
    number, double = tf.train.slice_input_producer([np.arange(50), np.arange(0, 100, 2)], shuffle=True)
    batch = tf.train.shuffle_batch([number * 4, double * 2], 8, capacity=40, min_after_dequeue=8, num_threads=3)
    dataset = tf.data.Dataset.range(50).map(lambda i: i * 2).shuffle(9).repeat().batch(4).prefetch(2)
    iterator = tf.data.make_initializable_iterator(dataset)
    element = iterator.get_next()
    called = tf.py_func(lambda v: np.float32(v.sum()), [x], tf.float32)
    loop = tf.while_loop(lambda i, v: i < 9, lambda i, v: (i + 1, v * 2.0), [0, 1.0])[1]
    close = queue.close(cancel_pending_enqueues=True)
    data = np.random.RandomState(0).rand(6, 4).astype(np.float32)
    session = tf.Session()
    session.run([tf.global_variables_initializer(), iterator.initializer])
    coordinator = tf.train.Coordinator()
    runners = tf.train.start_queue_runners(session, coordinator)
    counted = [0] * 8

    def batch_is_right():
        a, b = session.run(batch)
        assert (a == 2 * (b // 2)).all()

    def counts(k):
        session.run(increment)
        counted[k] += 1

    def work(k):
        for i in range(40):
            session.run(step, {x: data})
            counts(k)
            batch_is_right()
            assert session.run(element).shape == (4,)
            assert session.run(called, {x: data}) == pytest.approx(data.sum(), 1e-5)
            assert session.run(loop) == 512.0
            session.run([take, put])
            if k < 2:
                session.run(several)
            elif k < 6:
                session.run(put)
            if k == 7 and i == 30:
                session.close() if end == "session" else session.run(close)

    errors = all_of([lambda k=k: work(k) for k in range(8)])
    closed = (tf.errors.CancelledError, tf.errors.OutOfRangeError, RuntimeError)
    assert errors and all(isinstance(error, closed) for error in errors.values()), errors
    coordinator.request_stop()
    if end == "queue":
        assert session.run(count) == sum(counted)
        session.close()
    for thread in runners:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_close_in_the_middle_of_steps(graph):
    """Runs that lose their variables say that the session was closed, not that nobody initialised them."""
    variables = [tf.Variable(tf.ones([40, 40])) for _ in range(4)]
    x = tf.placeholder(tf.float32, [])
    steps = [v.assign(tf.tanh(v * x)).op for v in variables]
    initializer = tf.global_variables_initializer()
    for _ in range(10):
        session = tf.Session()
        session.run(initializer)

        def work(session=session):
            while True:
                session.run(steps, {x: 1.0})

        def close(session=session):
            for _ in range(3):
                session.run(steps, {x: 1.0})
            session.close()

        errors = all_of([work, work, work, close])
        assert set(errors) == {0, 1, 2}
        assert all(isinstance(e, tf.errors.CancelledError | RuntimeError) for e in errors.values()), errors
