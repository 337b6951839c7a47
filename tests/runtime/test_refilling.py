"""What a queue runner's thread does in one go: nobody can tell it from as many single runs."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.runtime import refilling
from evergraph.runtime.refilling import Refill, repeated


@pytest.fixture
def graph():
    with tf.Graph().as_default() as made:
        yield made


def chain(function, dtypes=(tf.float32,), shapes=((),), capacity=100, upstream=None):
    """(upstream, downstream, enqueue op): what `function` makes of the elements of one queue goes into the other."""
    upstream = upstream or tf.FIFOQueue(200, tf.float32, [()])
    made = function(upstream.dequeue())
    downstream = tf.FIFOQueue(capacity, list(dtypes), [*shapes])
    return upstream, downstream, downstream.enqueue(made if isinstance(made, list) else [made])


def rounds_of(session, enqueue):
    made = repeated(session, enqueue)
    assert isinstance(made._round, Refill)
    return made


def test_elements_keep_their_order(graph):
    upstream, downstream, enqueue = chain(lambda x: [x * 2.0, tf.as_string(x)], (tf.float32, tf.string), ((), ()))
    taken, size = downstream.dequeue_up_to(90), upstream.size()
    fill, close = upstream.enqueue_many([np.arange(90, dtype=np.float32)]), downstream.close()
    with tf.Session() as s:
        s.run(fill)
        again, count = rounds_of(s, enqueue), 0
        while s.run(size):
            again()
            count += 1
        assert count < 20
        s.run(close)
        numbers, texts = s.run(taken)
        assert numbers.tolist() == [2.0 * i for i in range(90)]
        assert [float(t) for t in texts] == list(range(90))


def test_no_more_is_taken_than_there_is_room_for(graph):
    upstream, downstream, enqueue = chain(lambda x: x + 1.0, capacity=10)
    left, there, one = upstream.size(), downstream.size(), downstream.dequeue()
    with tf.Session() as s:
        s.run(upstream.enqueue_many([np.arange(50, dtype=np.float32)]))
        again = rounds_of(s, enqueue)
        while s.run(there) < 10:
            again()
        assert s.run([left, there]) == [40, 10]
        s.run(one)
        again()
        assert s.run([left, there]) == [39, 10]


@pytest.mark.parametrize("fewest", [refilling.FEWEST, 1000])
def test_elements_behind_one_that_fails_stay_where_they_were(graph, monkeypatch, fewest):
    monkeypatch.setattr(refilling, "FEWEST", fewest)
    upstream, downstream, enqueue = chain(lambda x: tf.check_numerics(1.0 / x, "broken"))
    values = np.ones(40, np.float32)
    values[20] = 0.0
    left, there = upstream.size(), downstream.size()
    with tf.Session() as s:
        s.run(upstream.enqueue_many([values]))
        again = rounds_of(s, enqueue)
        with pytest.raises(tf.errors.InvalidArgumentError, match="broken"):
            for _ in range(40):
                again()
        assert s.run([left, there]) == [19, 20]
        while s.run(left):
            again()
        assert s.run(there) == 39


def test_the_end_of_the_data_and_closed_queues(graph):
    upstream, downstream, enqueue = chain(lambda x: x)
    close, cancel, there = upstream.close(), downstream.close(cancel_pending_enqueues=True), downstream.size()
    fill = upstream.enqueue_many([np.ones(10, np.float32)])
    with tf.Session() as s:
        s.run(fill)
        again = rounds_of(s, enqueue)
        s.run(close)
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient elements"):
            for _ in range(11):
                again()
        assert s.run(there) == 10
    with tf.Session() as s:
        s.run(fill)
        again = rounds_of(s, enqueue)
        s.run(cancel)
        with pytest.raises(tf.errors.CancelledError, match=r"Queue '.*' is closed"):
            again()


def test_records_behind_a_damaged_one(graph, tmp_path):
    path = tmp_path / "records"
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        for i in range(30):
            writer.write(b"%d" % i)
    data = bytearray(path.read_bytes())
    at = 0
    for i in range(20):
        at += 16 + len(b"%d" % i)
    data[at + 13] ^= 1  # in record 20
    path.write_bytes(data)
    names = tf.FIFOQueue(9, tf.string, [()])
    _, value = tf.TFRecordReader().read(names)
    downstream = tf.FIFOQueue(100, tf.float32, [()])
    enqueue, there, taken = (
        downstream.enqueue(tf.string_to_number(value)),
        downstream.size(),
        downstream.dequeue_many(20),
    )
    with tf.Session() as s:
        s.run(names.enqueue_many([[str(path)] * 2]))
        again = rounds_of(s, enqueue)
        with pytest.raises(tf.errors.DataLossError):
            for _ in range(30):
                again()
        assert s.run(there) == 20
        assert s.run(taken).tolist() == list(range(20))
        again()
        assert s.run(there) >= 1  # of the next file


def test_records_behind_one_that_cannot_be_parsed(graph, tmp_path):
    path = tmp_path / "lines"
    path.write_text("".join(f"{i}\n" if i != 9 else "nine\n" for i in range(30)))
    names = tf.FIFOQueue(9, tf.string, [()])
    _, value = tf.TextLineReader().read(names)
    downstream = tf.FIFOQueue(100, tf.float32, [()])
    enqueue, there, taken = (
        downstream.enqueue(tf.string_to_number(value)),
        downstream.size(),
        downstream.dequeue_many(29),
    )
    close = names.close()
    with tf.Session() as s:
        s.run(names.enqueue([str(path)]))
        s.run(close)
        again = rounds_of(s, enqueue)
        with pytest.raises(tf.errors.InvalidArgumentError, match="StringToNumberOp could not correctly convert"):
            for _ in range(30):
                again()
        assert s.run(there) == 9
        with pytest.raises(tf.errors.OutOfRangeError):
            for _ in range(30):
                again()
        assert s.run(taken).tolist() == [i for i in range(30) if i != 9]


def test_graphs_with_other_state_run_one_by_one(graph):
    v = tf.Variable(0.0)
    _, _, counted = chain(lambda x: x + v.assign_add(1.0))
    _, _, called = chain(lambda x: tf.py_func(lambda y: y, [x], tf.float32, stateful=True))
    upstream, _, shared = chain(lambda x: x)
    _, _, alone = chain(lambda x: x)
    upstream.dequeue()  # somebody else takes elements there
    with tf.Session() as s:
        for enqueue in (counted, called, shared, upstream.close()):
            assert not hasattr(repeated(s, enqueue), "_round")
        assert hasattr(repeated(s, alone), "_round")


def test_a_variable_that_the_elements_need(graph):
    v = tf.Variable([1.0, 2.0, 3.0])
    upstream, downstream, enqueue = chain(lambda x: tf.gather(v, tf.cast(x, tf.int32)))
    taken = downstream.dequeue_many(20)
    with tf.Session() as s:
        s.run(upstream.enqueue_many([np.arange(20, dtype=np.float32) % 3]))
        again = rounds_of(s, enqueue)
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
            again()
        s.run(v.initializer)
        s.run(upstream.enqueue_many([np.float32([1])]))
        for _ in range(20):
            again()
            if s.run(downstream.size()) == 20:
                break
        assert sorted(s.run(taken).tolist()) == sorted([1.0 + i % 3 for i in range(1, 20)] + [2.0])


def test_the_graph_may_grow_meanwhile(graph):
    upstream, _, enqueue = chain(lambda x: x)
    with tf.Session() as s:
        s.run(upstream.enqueue_many([np.ones(9, np.float32)]))
        again = rounds_of(s, enqueue)
        again()
        other = upstream.dequeue()
        again()
        assert not isinstance(again._round, Refill)
        assert s.run(other) == 1.0


def test_random_numbers_are_those_of_single_runs(graph):
    tf.set_random_seed(3)
    upstream, downstream, enqueue = chain(lambda x: x + tf.random_uniform([], seed=1))
    fill, taken, there = (
        upstream.enqueue_many([np.ones(60, np.float32)]),
        downstream.dequeue_many(60),
        downstream.size(),
    )
    found = []
    for single in (True, False):
        with tf.Session() as s:
            s.run(fill)
            again = s.make_callable(enqueue) if single else rounds_of(s, enqueue)
            while s.run(there) < 60:
                again()
            found.append(s.run(taken).tolist())
    assert found[0] == found[1]


def test_elements_for_one_of_several_queues(graph):
    upstream = tf.FIFOQueue(100, tf.float32, [()])
    x = upstream.dequeue()
    small, large = tf.FIFOQueue(100, tf.float32, [()]), tf.FIFOQueue(100, [tf.float32, tf.float32], [(), ()])

    half, double = x + 0.5, x * 2.0
    enqueue = tf.group(
        tf.cond(x < 5.0, lambda: small.enqueue([half]), tf.no_op),
        tf.cond(tf.logical_and(x >= 5.0, x < 20.0), lambda: large.enqueue([x, double]), tf.no_op),
    )
    sizes, few, many = [upstream.size(), small.size(), large.size()], small.dequeue_many(5), large.dequeue_many(15)
    with tf.Session() as s:
        s.run(upstream.enqueue_many([np.arange(30, dtype=np.float32)]))
        again = rounds_of(s, enqueue)
        count = 0
        while s.run(sizes[0]):
            again()
            count += 1
        assert count < 15 and s.run(sizes) == [0, 5, 15]
        assert s.run(few).tolist() == [i + 0.5 for i in range(5)]
        assert [part.tolist() for part in s.run(many)] == [list(range(5, 20)), list(range(10, 40, 2))]


def test_buckets_of_lengths(graph, tmp_path):
    path = tmp_path / "lines"
    path.write_text("".join(f"{'w ' * (1 + i % 9)}\n" for i in range(180)))
    names = tf.train.string_input_producer([str(path)], num_epochs=1)
    _, line = tf.TextLineReader().read(names)
    words = tf.string_split([line]).values
    length, (batch,) = tf.contrib.training.bucket_by_sequence_length(
        tf.size(words), [words], 4, [4, 7], dynamic_pad=True, allow_smaller_final_batch=True
    )
    lengths = []
    with tf.Session() as s:
        s.run(tf.local_variables_initializer())
        coordinator = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(s, coordinator)
        with pytest.raises(tf.errors.OutOfRangeError):
            while True:
                sizes, found = s.run([length, batch])
                assert found.shape == (len(sizes), max(sizes)) and len({(n >= 4) + (n >= 7) for n in sizes}) == 1
                lengths.extend(sizes.tolist())
        coordinator.request_stop()
        coordinator.join(threads)
    assert sorted(lengths) == sorted(1 + i % 9 for i in range(180))


def test_whole_files(graph, tmp_path):
    paths = []
    for i in range(30):
        paths.append(str(tmp_path / str(i)))
        (tmp_path / str(i)).write_text(str(i) if i != 12 else "no number")
    paths[20] = "/no/such/file"
    names = tf.FIFOQueue(50, tf.string, [()])
    key, value = tf.WholeFileReader().read(names)
    downstream = tf.FIFOQueue(50, [tf.string, tf.float32], [(), ()])
    enqueue, there, taken = (
        downstream.enqueue([key, tf.string_to_number(value)]),
        downstream.size(),
        downstream.dequeue_many(28),
    )
    with tf.Session() as s:
        s.run(names.enqueue_many([paths]))
        s.run(names.close())
        again = rounds_of(s, enqueue)
        failures = []
        while True:
            try:
                again()
            except tf.errors.OutOfRangeError:
                break
            except tf.errors.OpError as error:
                failures.append((type(error), s.run(there)))
        assert failures == [(tf.errors.InvalidArgumentError, 12), (tf.errors.NotFoundError, 19)]
        keys, numbers = s.run(taken)
        assert numbers.tolist() == [i for i in range(30) if i not in (12, 20)]
        assert keys.tolist() == [paths[int(n)].encode() for n in numbers]
