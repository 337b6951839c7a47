"""The story this project started from, word for word.

A variable `foo` with initial value 42, the global initialiser, an assign of 13. In one session: initialise, assign,
read 13. In a second session reading fails with the uninitialised error; initialise there and read 42.
"""

import pytest

import evergraph as tf


def test_two_sessions_on_one_graph_share_nothing():
    with tf.Graph().as_default() as graph:
        foo = tf.Variable(42, name="foo")
        initialise = tf.global_variables_initializer()
        assign = foo.assign(13)

    with tf.Session(graph=graph) as session:
        session.run(initialise)
        session.run(assign)
        assert session.run(foo) == 13

    with tf.Session(graph=graph) as session:
        with pytest.raises(
            tf.errors.FailedPreconditionError,
            match="Attempting to use uninitialized value foo(.|\n)*global_variables_init",
        ):
            session.run(foo)
        session.run(initialise)
        assert session.run(foo) == 42


def test_two_sessions_that_are_open_at_once_share_nothing():
    with tf.Graph().as_default() as graph:
        foo = tf.Variable(42, name="foo")
        initialise = tf.global_variables_initializer()
        assign = foo.assign(13)
    with tf.Session(graph=graph) as one, tf.Session(graph=graph) as other:
        one.run(initialise)
        other.run(initialise)
        one.run(assign)
        assert (one.run(foo), other.run(foo)) == (13, 42)
