"""Branches and loops whose parts are functions: `tf.switch_case`, and the rest after `tf.enable_control_flow_v2()`."""

import functools


def _by_functions(program):
    @functools.wraps(program)
    def switched(tf):
        tf.enable_control_flow_v2()
        try:
            program(tf)
        finally:
            tf.disable_control_flow_v2()

    return switched


def switch_case(tf):
    index = tf.placeholder(tf.int32, [])
    x = tf.placeholder(tf.float32, [None])
    y = tf.switch_case(index, [lambda: x * 2.0, lambda: x - 1.0, lambda: tf.zeros([3])], default=lambda: -x)
    y + 1.0


@_by_functions
def functional_cond(tf):
    x = tf.placeholder(tf.float32, [None])
    v = tf.get_variable("v", initializer=2.0, use_resource=True)
    y = tf.cond(x[0] > 0, lambda: x * v, lambda: x - 3.0)
    a, b = tf.cond(
        tf.reduce_sum(y) > 1, lambda: (y, tf.constant(1)), lambda: (tf.zeros([2]), tf.constant(2)), name="two"
    )
    tf.cond(b > 1, lambda: tf.cond(x[0] > 1, lambda: a, lambda: a * 2.0), lambda: a + 1.0)
    tf.case([(b > 5, lambda: a), (b > 3, lambda: a * a)], default=lambda: a + a)
    tf.cond(b > 7, lambda: tf.no_op(), lambda: tf.no_op())


@_by_functions
def functional_while_loop(tf):
    x = tf.placeholder(tf.float32, [None, 3])
    i, z = tf.while_loop(lambda i, z: i < 5, lambda i, z: (i + 1, z * x), [0, x])
    tf.while_loop(lambda i: i < 9, lambda i: i * 2, [i], maximum_iterations=4, name="doubled")
    tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: [i + 1, tf.concat([y, y], 0)],
        [tf.constant(0), z],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 3])],
        parallel_iterations=2,
    )
    tf.while_loop(lambda i: i < 3, lambda i: tf.cond(i > 1, lambda: i + 1, lambda: i + 2), [0])


@_by_functions
def functional_tensor_arrays(tf):
    x = tf.placeholder(tf.float32, [None, 2])
    array = tf.TensorArray(tf.float32, 4, element_shape=[2]).unstack(x)
    _, written = tf.while_loop(
        lambda i, ta: i < 4,
        lambda i, ta: (i + 1, ta.write(i, array.read(i) + 1.0)),
        [0, tf.TensorArray(tf.float32, 4)],
    )
    written.stack() + 1.0
    written.gather([0, 2])
    written.concat()
    written.size() + 1
    tf.map_fn(lambda row: row * 2.0, x)
    tf.scan(lambda total, row: total + row, x)
    tf.foldl(lambda total, row: total + row, x)


@_by_functions
def functional_dynamic_rnn(tf):
    inputs = tf.placeholder(tf.float32, [None, 5, 3])
    tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(4), inputs, dtype=tf.float32)
