"""Iterators in sessions: starting, starting again, feeding, sharing, stopping."""

import gc
import threading
import time

import numpy as np
import pytest

import evergraph as tf

Dataset = tf.data.Dataset


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as made:
        yield made


def drained(session, element):
    found = []
    while True:
        try:
            found.append(session.run(element))
        except tf.errors.OutOfRangeError:
            return found


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("evergraph-")]


def test_an_iterator_past_its_end_stays_there():
    element = Dataset.range(2).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert drained(session, element) == [0, 1]
        for _ in range(2):
            with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
                session.run(element)


def test_two_sessions_have_two_iterators():
    element = Dataset.range(3).make_one_shot_iterator().get_next()
    with tf.Session() as a, tf.Session() as b:
        assert [a.run(element), a.run(element), b.run(element)] == [0, 1, 0]


def test_initializing_again_starts_anew():
    limit = tf.placeholder(tf.int64, [])
    iterator = Dataset.range(limit).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        for n in (3, 1):
            session.run(iterator.initializer, {limit: n})
            assert drained(session, element) == list(range(n))


def test_an_iterator_that_was_not_initialized_says_so():
    element = Dataset.range(3).make_initializable_iterator().get_next()
    with tf.Session() as session, pytest.raises(tf.errors.FailedPreconditionError, match="has not been initialized"):
        session.run(element)


def test_one_iterator_over_several_datasets():
    numbers, words = Dataset.range(2), Dataset.from_tensor_slices(np.array([7, 8], np.int64))
    iterator = tf.data.Iterator.from_structure(numbers.output_types, numbers.output_shapes)
    element = iterator.get_next()
    starts = [iterator.make_initializer(d) for d in (numbers, words)]
    with tf.Session() as session:
        for start, expected in zip(starts, ([0, 1], [7, 8]), strict=True):
            session.run(start)
            assert drained(session, element) == expected


def test_a_dataset_of_another_structure_is_refused():
    iterator = tf.data.Iterator.from_structure(tf.int64, [None])
    with pytest.raises(TypeError, match="output types"):
        iterator.make_initializer(Dataset.from_tensors([1.0]))
    with pytest.raises(TypeError, match="output shapes"):
        iterator.make_initializer(Dataset.range(3))


def test_a_feed_chooses_the_iterator():
    handle = tf.placeholder(tf.string, [])
    a, b = Dataset.range(3), Dataset.range(10, 13)
    element = tf.data.Iterator.from_string_handle(handle, a.output_types, a.output_shapes).get_next()
    first, second = a.make_one_shot_iterator(), b.make_initializable_iterator()
    with tf.Session() as session:
        session.run(second.initializer)
        names = session.run([first.string_handle(), second.string_handle()])
        found = [session.run(element, {handle: names[i]}) for i in (0, 1, 0, 1)]
        assert found == [0, 10, 1, 11]
        with pytest.raises(tf.errors.OpError, match="handle"):
            session.run(element, {handle: b"no such thing"})


def test_iterators_of_one_shared_name_are_one():
    a = Dataset.range(5).make_initializable_iterator(shared_name="numbers")
    b = Dataset.range(5).make_initializable_iterator(shared_name="numbers")
    first, second = a.get_next(), b.get_next()
    with tf.Session() as session:
        session.run(a.initializer)
        assert [session.run(first), session.run(second), session.run(first)] == [0, 1, 2]


def test_all_tensors_of_one_run_are_of_one_element():
    x, y = Dataset.zip((Dataset.range(100), Dataset.range(100))).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        for _ in range(3):
            a, b, total = session.run([x, y, x + y])
            assert a == b and total == 2 * a


def test_a_run_that_fails_leaves_the_session_usable():
    def half(x):
        if x == 1:
            raise ValueError("one")
        return x

    d = Dataset.range(3).map(lambda x: tf.py_func(half, [x], tf.int64), num_parallel_calls=4)
    element = d.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 0
        with pytest.raises(tf.errors.InvalidArgumentError, match="one"):
            session.run(element)
        assert session.run(element) == 2


def test_a_function_reads_and_writes_variables():
    counter = tf.get_variable("counter", [], tf.int64, tf.zeros_initializer(), use_resource=True)
    iterator = Dataset.range(10).map(lambda x: (x, counter.assign_add(2))).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        session.run(iterator.initializer)
        with pytest.raises(tf.errors.OpError, match="counter"):
            session.run(element)
        session.run(counter.initializer)
        assert [session.run(element)[1] for _ in range(3)] == [2, 4, 6]
        assert session.run(counter) == 6


def test_a_function_looks_up_a_table():
    table = tf.contrib.lookup.index_table_from_tensor(["a", "b"])
    iterator = Dataset.from_tensor_slices(["b", "a", "c"]).map(table.lookup).make_initializable_iterator()
    element = iterator.get_next()
    with tf.Session() as session:
        session.run([tf.tables_initializer(), iterator.initializer])
        assert drained(session, element) == [1, 0, -1]


def test_a_one_shot_iterator_cannot_capture_a_variable():
    counter = tf.get_variable("counter", [], tf.int64, use_resource=True)
    with pytest.raises(ValueError, match="does not support datasets that capture stateful objects"):
        Dataset.range(10).map(lambda x: x + counter).make_one_shot_iterator()


def test_closing_the_session_stops_the_threads():
    element = Dataset.range(1000).prefetch(2).make_one_shot_iterator().get_next()
    before = len(workers())
    with tf.Session() as session:
        session.run(element)
        assert len(workers()) == before + 1
    assert len(workers()) == before


def test_an_iterator_that_nobody_holds_stops_its_threads():
    before = len(workers())
    element = Dataset.range(1000).prefetch(2).make_one_shot_iterator().get_next()
    session = tf.Session()
    session.run(element)
    session._state.resources._named.clear()
    del session
    gc.collect()
    end = time.monotonic() + 10
    while len(workers()) > before and time.monotonic() < end:
        threading.Event().wait(0.01)
    assert len(workers()) == before


def test_a_run_gives_up_at_its_deadline():
    stop = threading.Event()

    def wait(x):
        stop.wait(20)
        return x

    d = Dataset.range(3).map(lambda x: tf.py_func(wait, [x], tf.int64)).prefetch(1)
    element = d.make_one_shot_iterator().get_next()
    config = tf.ConfigProto(operation_timeout_in_ms=50)
    with tf.Session(config=config) as session:
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(element)
        stop.set()


def test_errors_of_a_thread_come_at_their_element():
    d = Dataset.from_tensor_slices([1.0, 0.0, 2.0]).map(lambda x: tf.check_numerics(1 / x, "infinite")).prefetch(3)
    element = d.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        assert session.run(element) == 1.0
        with pytest.raises(tf.errors.InvalidArgumentError, match="infinite"):
            session.run(element)
        assert session.run(element) == 0.5


def test_batches_start_at_multiples_of_64_bytes():
    from evergraph.ops.datasets.aligned import aligned

    for shape in ((3,), (5, 7), (64, 3, 3)):
        made = aligned(shape, tf.float32)
        assert made.shape == shape and made.dtype == np.float32 and made.ctypes.data % 64 == 0


def test_a_file_cache_is_read_by_another_graph(tmp_path):
    path = str(tmp_path / "cache")
    for source in (Dataset.range(3), Dataset.range(100, 103)):  # the second one is never asked
        element = source.map(lambda x: (x, tf.as_string(x))).cache(path).make_one_shot_iterator().get_next()
        with tf.Session() as session:
            assert drained(session, element) == [(0, b"0"), (1, b"1"), (2, b"2")]


def test_reduce_and_single_elements():
    total = Dataset.range(10).reduce(np.int64(0), lambda s, x: s + x)
    single = tf.data.experimental.get_single_element(Dataset.range(7, 8))
    several = tf.data.experimental.get_single_element(Dataset.range(2))
    with tf.Session() as session:
        assert session.run([total, single]) == [45, 7]
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than one element"):
            session.run(several)


def test_optionals_end_without_an_error():
    iterator = Dataset.range(1).make_initializable_iterator()
    optional = tf.data.experimental.get_next_as_optional(iterator)
    has, value = optional.has_value(), optional.get_value()
    with tf.Session() as session:
        session.run(iterator.initializer)
        assert session.run([has, value]) == [True, 0]
        assert not session.run(has)


def test_options_merge_and_refuse_contradictions():
    a, b = tf.data.Options(), tf.data.Options()
    a.experimental_deterministic = False
    b.experimental_threading.private_threadpool_size = 3
    merged = Dataset.range(1).with_options(a).with_options(b).options()
    assert merged.experimental_deterministic is False
    assert merged.experimental_threading.private_threadpool_size == 3
    c = tf.data.Options()
    c.experimental_deterministic = True
    with pytest.raises(ValueError, match="incompatible values"):
        Dataset.range(1).with_options(a).with_options(c)
    with pytest.raises(AttributeError, match="Cannot set the property"):
        a.no_such_option = 1


def test_a_dataset_goes_through_a_graph_def():
    element = Dataset.range(6).map(lambda x: x * 3).shuffle(3, seed=1).batch(2).make_one_shot_iterator().get_next()
    with tf.Session() as session:
        expected = [e.tolist() for e in drained(session, element)]
    saved = tf.get_default_graph().as_graph_def()
    with tf.Graph().as_default():
        (again,) = tf.import_graph_def(saved, return_elements=[element.name])
        with tf.Session() as session:
            assert [e.tolist() for e in drained(session, again)] == expected
