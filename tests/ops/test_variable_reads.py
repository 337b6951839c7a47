"""Reading parts of resource variables, their gradients, and what an assignment must match."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework.function_graph import FunctionGraph


@pytest.fixture(autouse=True)
def _own_graph():
    with tf.Graph().as_default():
        yield


def test_gradients_of_elements_and_of_rows():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], use_resource=True)
    (elements,) = tf.gradients(tf.gather_nd(v, [[0, 1], [1, 0], [1, 0]]), v)
    (rows,) = tf.gradients(tf.gather_nd(v, [[1], [1]]), v)
    assert elements.op.type == "ScatterNd"
    assert isinstance(rows, tf.IndexedSlices)
    with tf.Session() as session:
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(elements), [[0.0, 1.0], [2.0, 0.0]])
        np.testing.assert_array_equal(session.run(rows.indices), [1, 1])
        np.testing.assert_array_equal(session.run(rows.values), np.ones([2, 2]))


@pytest.mark.parametrize("kind", ["AssignVariableOp", "AssignAddVariableOp"])
def test_assignments_of_other_types_and_shapes(kind):
    handle = tf.raw_ops.VarHandleOp(dtype=tf.int32, shape=[])
    assign = getattr(tf.raw_ops, kind)
    with pytest.raises(ValueError, match="wrong dtype. Expected int32 got float32"):
        assign(resource=handle, value=tf.constant(0.0))
    with pytest.raises(ValueError, match="Shapes must be equal rank, but are 0 and 1"):
        assign(resource=handle, value=tf.constant([0]))


@pytest.mark.parametrize("use_resource", [False, True])
def test_variables_made_in_a_function_are_outside_of_it(use_resource):
    outer = tf.get_default_graph()
    body = FunctionGraph("f", outer)
    with body.as_default():
        v = tf.get_variable("v", [], use_resource=use_resource)
        with tf.init_scope():
            c = tf.constant(1.0)
    assert v.graph is outer
    assert c.graph is outer
