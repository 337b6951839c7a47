"""What a run gives for a reference variable that it also changes: the value when the run is over.

The numbers are those of TensorFlow 1.15.5, where they were the same in each of 40 runs. (What it gives for resource
variables, and for values computed from a reference, differs there from run to run.)
"""

import pytest

import evergraph as tf
from evergraph.compiler import plan
from evergraph.compiler.regions import Unstructured
from evergraph.runtime import executor


def read_before_the_update(v):
    read = tf.identity(v)
    with tf.control_dependencies([read]):
        return [read, tf.assign_add(v, 1.0).op]


def read_between_updates(v):
    first = tf.assign_add(v, 1.0)
    with tf.control_dependencies([first]):
        read = tf.identity(v)
    with tf.control_dependencies([read]):
        return [read, first, tf.assign_add(v, 10.0)]


def update_of_an_update(v):
    first = tf.assign_add(v, 1.0)
    return [first, tf.assign_add(first, 10.0)]


def assigned_twice(v):
    first = tf.assign(v, v + 1.0)
    with tf.control_dependencies([first]):
        return [first, tf.assign(v, v + 10.0)]


def two_updates(v):
    return [tf.assign_add(v, 1.0), tf.assign_add(v, 10.0)]


def identity_of_an_update(v):
    first = tf.identity(tf.assign_add(v, 1.0))
    with tf.control_dependencies([first]):
        return [first, tf.assign_add(v, 10.0)]


def value_between_updates(v):
    first = tf.assign_add(v, 1.0)
    with tf.control_dependencies([first]):
        value = v * 1.0
    with tf.control_dependencies([value]):
        return [value, tf.assign_add(v, 10.0)]


def update_in_a_branch(v):
    return [v, tf.cond(tf.constant(True), lambda: tf.assign_add(v, 1.0), lambda: tf.identity(v))]


def reads_around(v):
    with tf.control_dependencies([tf.assign_add(v, 1.0)]):
        return [v, v.value(), tf.identity(v), v.read_value()]


EXPECTED = {
    read_before_the_update: [1.0],
    read_between_updates: [11.0, 11.0, 11.0],
    update_of_an_update: [11.0, 11.0],
    assigned_twice: [11.0, 11.0],
    two_updates: [11.0, 11.0],
    identity_of_an_update: [11.0, 11.0],
    value_between_updates: [1.0, 11.0],
    update_in_a_branch: [1.0, 1.0],
    reads_around: [1.0, 1.0, 1.0, 1.0],
}


@pytest.mark.parametrize("way", ["interpreted", "compiled", "by tokens"])
@pytest.mark.parametrize("program", EXPECTED, ids=lambda program: program.__name__)
def test_fetched_reference(program, way, monkeypatch):
    monkeypatch.setattr(executor, "SMALL_OPS", -1 if way == "compiled" else 10**9)
    if way == "by tokens":
        monkeypatch.setattr(plan, "CONTROL_FLOW", Everything())
        monkeypatch.setattr(plan, "structured", refuse)
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable(0.0, use_resource=False)
        fetches = program(v)
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            before = session.run(v)
            found = [value - before for value in session.run(fetches) if value is not None]
            assert found == EXPECTED[program]


class Everything:
    def __contains__(self, item):
        return True


def refuse(*args):
    raise Unstructured("on purpose")


def test_the_step_beside_a_training_step_is_the_one_after_it():
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.train.get_or_create_global_step()
        w = tf.get_variable("w", [], initializer=tf.ones_initializer())
        train = tf.train.AdamOptimizer(0.1).minimize(w * w, global_step=step)
        session.run(tf.global_variables_initializer())
        assert [session.run([train, step])[1] for _ in range(5)] == [1, 2, 3, 4, 5]
        assert [session.run([step, train, w * 1.0])[0] for _ in range(3)] == [6, 7, 8]
