"""`tf.CriticalSection`."""

import threading

import pytest

import evergraph as tf


def counting(v):
    def count():
        value = v.read_value()
        with tf.control_dependencies([value]), tf.control_dependencies([v.assign_add(2.0)]):
            return tf.identity(value)

    return count


@pytest.fixture
def counter():
    with tf.Graph().as_default():
        yield tf.get_variable("v", initializer=0.0, use_resource=True)


def test_sections_of_one_run_see_each_other_in_the_order_of_their_creation(counter):
    section = tf.CriticalSection()
    results = [section.execute(counting(counter)) for _ in range(20)]
    with tf.Session() as sess:
        sess.run(counter.initializer)
        for start in (0.0, 40.0, 80.0):  # interpreted, then compiled
            assert sess.run(results) == [start + 2.0 * i for i in range(20)]


def test_sections_in_branches_are_serial_too(counter):
    section = tf.CriticalSection()
    go = tf.placeholder(tf.bool, [])
    results = [tf.cond(go, lambda: section.execute(counting(counter)), counter.read_value) for _ in range(3)]
    with tf.Session() as sess:
        sess.run(counter.initializer)
        assert sorted(sess.run(results, {go: True})) == [0.0, 2.0, 4.0]
        assert sess.run(results, {go: False}) == [6.0, 6.0, 6.0]


def test_a_section_waits_for_what_its_function_uses_from_outside():
    with tf.Graph().as_default():
        section = tf.CriticalSection(shared_name="cs")
        first = section.execute(lambda: tf.identity(1.0))
        second = section.execute(lambda: first + 1.0)
        with tf.Session() as sess:
            assert sess.run(second) == 2.0


def test_runs_of_several_threads_do_not_mix(counter):
    section = tf.CriticalSection()
    seen = []

    def slow():
        value = counter.read_value()
        told = tf.py_func(lambda x: seen.append(float(x)) or x, [value], tf.float32)
        with tf.control_dependencies([told]), tf.control_dependencies([counter.assign(told + 1.0)]):
            return tf.identity(told)

    result = section.execute(slow)
    with tf.Session() as sess:
        sess.run(counter.initializer)
        threads = [threading.Thread(target=lambda: sess.run(result)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen) == [float(i) for i in range(8)]


def test_a_run_that_fails_gives_the_section_back(counter):
    section = tf.CriticalSection()
    ok = tf.placeholder(tf.bool, [])

    def checked():
        with tf.control_dependencies([tf.Assert(ok, ["Error"])]):
            return counter.read_value()

    result = section.execute(checked)
    with tf.Session() as sess:
        sess.run(counter.initializer)
        for _ in range(3):
            with pytest.raises(tf.errors.InvalidArgumentError, match="Error"):
                sess.run(result, {ok: False})
            assert sess.run(result, {ok: True}) == 0.0


def test_a_section_within_itself_is_refused():
    with tf.Graph().as_default():
        section, same = tf.CriticalSection(shared_name="cs"), tf.CriticalSection(shared_name="cs")
        for inner in (section, same):
            with pytest.raises(ValueError, match="attempts to directly access the CriticalSection"):
                section.execute(lambda inner=inner: inner.execute(lambda: tf.constant(1.0)))


def test_resources_belong_to_one_section_unless_both_share(counter):
    first, second = tf.CriticalSection(), tf.CriticalSection()
    first.execute(lambda: counter + 1)
    first.execute(lambda: counter - 1)
    for exclusive in (True, False):
        with pytest.raises(ValueError, match="requested exclusive resource access"):
            second.execute(lambda: counter + 1, exclusive_resource_access=exclusive)
    other = tf.get_variable("other", initializer=0.0, use_resource=True)
    first.execute(lambda: other + 1, exclusive_resource_access=False)
    second.execute(lambda: other + 1, exclusive_resource_access=False)


def test_the_graph_is_that_of_tensorflow():
    with tf.Graph().as_default() as graph:
        section = tf.CriticalSection()
        section.execute(lambda: tf.constant(1.0) + 1.0, name="go")
        made = [(op.name, op.type, [c.name for c in op.control_inputs]) for op in graph.get_operations()]
    assert made == [
        ("CriticalSection", "MutexV2", []),
        ("go/MutexLock", "MutexLock", []),
        ("go/Const", "Const", ["go/MutexLock"]),
        ("go/add/y", "Const", ["go/MutexLock"]),
        ("go/add", "AddV2", []),
        ("go/Identity", "Identity", []),
        ("go/ConsumeMutexLock", "ConsumeMutexLock", ["go/Identity"]),
        ("go/tuple/group_deps", "NoOp", ["go/Identity", "go/add"]),
        ("go/tuple/control_dependency", "Identity", ["go/Identity", "go/tuple/group_deps"]),
        ("go/Identity_1", "Identity", ["go/ConsumeMutexLock"]),
    ]
