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


def test_an_input_is_replaced_by_one_that_fits():
    a, b = tf.constant([1.0], name="a"), tf.constant([1.0, 2.0], name="b")
    op = tf.negative(a).op
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"incompatible shapes: \[2\] and \[1\]"):
        op._update_input(0, b)
    with pytest.raises(tf.errors.OutOfRangeError, match=r"Input index \[1\] is greater than .* inputs \[1\]"):
        op._update_input(1, a)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="must be from the same graph as Neg"):
        op._update_input(0, tf.constant([1.0]))
    other = tf.placeholder(tf.float32, [None])
    op._update_input(0, other)
    assert (op.inputs[0], other.consumers(), a.consumers()) == (other, [op], [])


def test_an_op_takes_references_where_it_says_so():
    v = tf.Variable(1.0, use_resource=False)
    assert [t.name for t in v.initializer._input_types] == ["float32_ref", "float32"]
    assert [t.name for t in tf.negative(v).op._input_types] == ["float32"]


def test_what_is_made_outside_of_a_function_is_placed_as_inside(graph):
    inner = tf.Graph()
    inner._building_function = True
    with inner.as_default(), tf.device("/cpu:1"), tf.init_scope():
        made = tf.constant(1.0)
    assert (made.graph, made.device) == (graph, "/device:CPU:1")
    assert tf.constant(1.0).device == ""
