"""The global step."""

import pytest

import evergraph as tf
from evergraph.training.global_step import increment_global_step, read_global_step


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_is_made_once(graph):
    assert tf.train.get_global_step() is None
    with tf.name_scope("anywhere"):
        step = tf.train.create_global_step()
    assert (step.name, step.dtype.base_dtype, step.trainable) == ("global_step:0", tf.int64, False)
    assert tf.train.get_global_step() is tf.train.get_or_create_global_step(graph) is step
    assert tf.get_collection(tf.GraphKeys.GLOBAL_STEP) == [step]
    with pytest.raises(ValueError, match="already exists"):
        tf.train.create_global_step()


def test_is_found_by_its_name():
    step = tf.Variable(0, name="global_step", trainable=False)
    assert tf.train.get_global_step() is step.op.outputs[0]


def test_is_an_integer_scalar():
    for wrong in (tf.Variable(0.0), tf.Variable([0]), 3):
        with pytest.raises(TypeError):
            tf.train.assert_global_step(wrong)
    tf.Variable(0.0, name="global_step")
    with pytest.raises(TypeError):
        tf.train.get_global_step()


def test_counts():
    with pytest.raises(ValueError, match="should be created"):
        increment_global_step(1)
    step = tf.train.create_global_step()
    increment = increment_global_step(2)
    assert read_global_step() is read_global_step()
    with tf.Session() as session:
        session.run(step.initializer)
        session.run(increment)
        assert tf.train.global_step(session, step) == 2
