"""Handles of resource variables that ops give on: nobody looks at the variable until somebody reads it.

TensorFlow 1.15.5 gave the same values for each of these programs.
"""

import pytest

import evergraph as tf


@pytest.fixture
def handle():
    with tf.Graph().as_default():
        yield tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[], shared_name="kept", container="")


def test_through_identities(handle):
    again = tf.identity(tf.identity(handle))
    is_there = tf.raw_ops.VarIsInitializedOp(resource=again)
    assign = tf.raw_ops.AssignVariableOp(resource=again, value=tf.constant(5))
    values = [tf.raw_ops.ReadVariableOp(resource=h, dtype=tf.int32) for h in (handle, again)]
    with tf.Session() as session:
        assert not session.run(is_there)
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(values)
        session.run(assign)
        assert session.run(is_there)
        assert session.run(values) == [5, 5]


@pytest.mark.parametrize("which", [False, True])
def test_of_the_variable_that_a_branch_chooses(which):
    with tf.Graph().as_default():
        v, w = (tf.get_variable(name, initializer=value, use_resource=True) for name, value in (("v", 1), ("w", 2)))
        chosen = tf.cond(tf.constant(which), lambda: tf.identity(v.handle), lambda: tf.identity(w.handle))
        before = tf.raw_ops.ReadVariableOp(resource=chosen, dtype=tf.int32)
        with tf.control_dependencies([before]):
            assign = tf.raw_ops.AssignVariableOp(resource=chosen, value=7)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run([before, assign]) == [1 if which else 2, None]
            assert session.run([v, w]) == ([7, 2] if which else [1, 7])


def test_fetched_before_the_variable_has_a_value(handle):
    with tf.Session() as session:
        for h in (handle, tf.identity(handle)):
            assert b"kept" in session.run(h).tobytes()
