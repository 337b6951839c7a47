"""Frozen graphs of models that are calls of functions: the calls that take variables are taken apart."""

from pathlib import Path

import numpy as np
import pytest

import evergraph as tf
from evergraph.formats.functions import from_function_def
from evergraph.formats.inlining import without_calls_on_resources
from evergraph.framework.graph import Graph

OF_TF2 = str(Path(__file__).parents[1] / "training" / "recordings" / "objects_of_tf2")


def outputs_of(graph_def, fetches, feeds):
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(graph_def, name="")
        return sess.run(fetches, feeds)


def kinds(graph_def):
    return {node.op for node in graph_def.node}


@pytest.fixture
def frozen():
    """A graph with nested calls on variables, frozen; what to fetch and what comes of it."""
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=np.float32([[1, 2], [3, 4]]), use_resource=True)
        table = tf.get_variable("table", initializer=np.float32([[5, 6], [7, 8], [9, 10]]), use_resource=True)

        @tf.function
        def inner(x):
            return tf.matmul(x, v), tf.gather(table, [2])

        @tf.function
        def outer(x):
            product, row = inner(x)
            return product + row, x, tf.constant(3.0)

        x = tf.placeholder(tf.float32, [None, 2], name="x")
        results = outer(x)
        y = tf.multiply(results[0], results[2], name="y")
        sess.run(tf.global_variables_initializer())
        names = [y.op.name, results[1].op.name]
        made = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, names)
        return made, [y.name, results[1].name], sess.run([y, results[1]], {x: [[1.0, 1.0]]})


def test_calls_on_variables_become_what_they_do(frozen):
    graph_def, fetches, expected = frozen
    assert kinds(graph_def) == {"Const", "Placeholder", "MatMul", "GatherV2", "AddV2", "Identity", "IdentityN", "Mul"}
    for got, wanted in zip(outputs_of(graph_def, fetches, {"x:0": [[1.0, 1.0]]}), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_saved_model_of_tensorflow_2_is_frozen():
    with tf.Graph().as_default(), tf.Session() as sess:
        signature = tf.saved_model.load(sess, ["serve"], OF_TF2).signature_def["serving_default"]
        given, output = signature.inputs["x"].name, signature.outputs["output_0"].name
        graph_def = tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, [output.partition(":")[0]])
    assert not kinds(graph_def) & {"VarHandleOp", "StatefulPartitionedCall", "ReadVariableOp"}
    np.testing.assert_array_equal(outputs_of(graph_def, output, {given: np.ones([1, 3])}), [[21.0, 33.0]])


def test_graph_without_such_calls_stays_as_it_is():
    with tf.Graph().as_default() as graph:
        tf.function(lambda x: x * 2)(tf.constant(1.0))
        graph_def = graph.as_graph_def()
    assert without_calls_on_resources(graph_def) is graph_def


def test_effects_in_a_call_come_before_its_results():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=1.0, use_resource=True)

        @tf.function
        def count(x):
            v.assign_add(x)
            return tf.constant(0.0)

        zero = count(tf.constant(2.0))
        init = v.initializer
        graph_def = without_calls_on_resources(sess.graph_def)
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.import_graph_def(graph_def, name="")
        sess.run(init.name)
        sess.run(zero.name)
        assert sess.run("v/Read/ReadVariableOp:0") == 3.0


def test_other_use_of_a_variable_is_refused_by_name():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=1.0, use_resource=True)
        y = tf.identity(v.assign_add(1.0), name="y")
        sess.run(v.initializer)
        with pytest.raises(ValueError, match=r"variable 'v' cannot become a constant: '.*', a AssignAddVariableOp"):
            tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, [y.op.name])


def test_other_use_of_a_variable_that_was_passed_on_is_refused():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.get_variable("v", initializer=1.0, use_resource=True)
        handle = tf.identity(v.handle, name="handle")
        with tf.control_dependencies([tf.raw_ops.AssignAddVariableOp(resource=handle, value=tf.constant(1.0))]):
            y = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
        sess.run(v.initializer)
        with pytest.raises(ValueError, match="variable behind 'handle' cannot become a constant: '.*', a Assign"):
            tf.graph_util.convert_variables_to_constants(sess, sess.graph_def, [y.op.name])


def test_unknown_op_in_a_function_is_named():
    function = tf.GraphDef().library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="n", op="OfTheFuture")
    with pytest.raises(tf.errors.NotFoundError, match="'OfTheFuture', of node 'n'"):
        from_function_def(function, Graph())
