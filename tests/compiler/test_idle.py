"""Ops that are only waited for and have no effect do not run; what they wait for does."""

import numpy as np

import evergraph as tf
from evergraph.compiler.plan import make_plan


def types_of(plan):
    return [i.op.type for stage in plan.stages for i in stage.instructions]


def test_the_gradient_of_the_first_layers_input_is_left_out():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [2, 6, 6, 3])
        w = tf.get_variable("w", [3, 3, 3, 4])
        loss = tf.reduce_sum(tf.square(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")))
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        (dx,) = (op for op in graph.get_operations() if op.type == "Conv2DBackpropInput")
    place = lambda op: "device:CPU:0"  # noqa: E731
    assert dx.type not in types_of(make_plan([train], [x], place))
    assert dx.type in types_of(make_plan([train, dx], [x], place))
    assert dx.type in types_of(make_plan([train, dx.outputs[0]], [x], place))
    with tf.Session(graph=graph) as session:
        session.run(tf.global_variables_initializer())
        values = session.run([dx.outputs[0], train], {x: np.ones([2, 6, 6, 3])})
        assert values[0].shape == (2, 6, 6, 3)


def chain():
    """A write, a product of what was read after it, and a read that waits for the product alone."""
    with tf.Graph().as_default() as graph:
        v = tf.Variable(tf.ones([2, 2]), use_resource=True)
        with tf.control_dependencies([v.assign(tf.fill([2, 2], 5.0))]):
            read = v.read_value()
        with tf.control_dependencies([tf.matmul(read, read)]):
            last = v.read_value()
    return graph, last


def test_what_waits_for_it_comes_after_what_it_waits_for():
    graph, last = chain()
    for _ in range(3):
        with tf.Session(graph=graph) as session:
            session.run([op for op in graph.get_operations() if op.name == "Variable/Assign"])
            assert session.run(last).tolist() == [[5.0, 5.0], [5.0, 5.0]]


def test_also_in_a_partial_run_and_between_queues():
    graph, last = chain()
    with graph.as_default():
        fed = tf.placeholder(tf.float32, [])
        double = fed * 2.0
        queue = tf.FIFOQueue(2, [tf.float32], [[1, 1]])
        with tf.control_dependencies([last]):
            enqueue = queue.enqueue([tf.fill([1, 1], fed)])
        taken = queue.dequeue()
        with tf.control_dependencies([tf.matmul(taken, taken)]):
            again = queue.size()
    with tf.Session(graph=graph) as session:
        session.run([op for op in graph.get_operations() if op.name == "Variable/Assign"])
        handle = session.partial_run_setup([last, double], [fed])
        assert session.partial_run(handle, last).tolist() == [[5.0, 5.0], [5.0, 5.0]]
        assert session.partial_run(handle, double, {fed: 4.0}) == 8.0
        session.run(enqueue, {fed: 1.0})
        assert session.run(again) == 0  # taken before it is counted


def test_products_inside_and_outside_of_functions_and_loops_are_read():
    @tf.function
    def double(m):
        return tf.matmul(m, 2.0 * tf.eye(2))

    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [2, 2])
        product = tf.matmul(x, x)
        summed = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + product), [0, tf.zeros([2, 2])])[1]
        called = double(tf.matmul(double(product), product))
        for _ in range(3):
            got = session.run([summed, called], {x: 2.0 * np.eye(2)})
            np.testing.assert_array_equal(got[0], 12.0 * np.eye(2))
            np.testing.assert_array_equal(got[1], 64.0 * np.eye(2))
