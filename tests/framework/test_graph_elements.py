"""Ops, tensors and the scopes that they are made in. Results and errors are TensorFlow 1.15.5's."""

import time

import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_an_op_consumes_a_tensor_as_often_as_it_takes_it():
    x = tf.constant(1.0, name="x")
    y = x + x
    tf.add_n([x, y, x])
    assert [op.name for op in x.consumers()] == ["add", "add", "AddN", "AddN"]
    assert x._value_index == x.value_index == 0


def test_an_operation_is_no_tensor():
    with pytest.raises(TypeError, match=r"Can't convert Operation 'n' to Tensor \(target dtype=tf.float32, name=None"):
        tf.convert_to_tensor(tf.no_op(name="n"), tf.float32)


def test_types_of_inputs_give_the_attributes_of_a_new_op(graph):
    made = graph.create_op("Identity", [tf.constant(1.0)], [tf.float32], name="mine")
    assert made.get_attr("T") is tf.float32
    assert made.outputs[0].dtype is tf.float32


@pytest.mark.parametrize("values", [lambda a, b: [a, b], lambda a, b: [a, 1.0, b], lambda a, b: [1.0, a, b]])
def test_a_scope_belongs_to_one_graph(values):
    here = tf.constant(1.0, name="here")
    with tf.Graph().as_default():
        there = tf.constant(2.0, name="there")
    with pytest.raises(ValueError, match="there.* must be from the same graph as .*here"):
        tf.name_scope("scope", None, values(here, there)).__enter__()
    with tf.op_scope([here, tf.Variable(1.0)], "scope", "default") as scope:
        assert scope == "scope/"


def test_the_time_of_a_run():
    with tf.Session() as session:
        before, now = time.time(), session.run(tf.timestamp())
    assert before <= now <= time.time()
    assert now.dtype == "float64"


def test_the_error_for_another_shape_says_of_which_tensor():
    x = tf.placeholder(tf.float32)
    same = tf.ensure_shape(tf.identity(x, name="mine"), (3, 3, None))
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError) as raised:
        session.run(same, {x: [1.0]})
    assert "Shape of tensor mine [1] is not compatible with expected shape [3,3,?]." in str(raised.value)
