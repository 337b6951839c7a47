"""What `Session.run` takes as feeds: keys, values, what they override, and how they are refused."""

import numpy as np
from session.outcome import fails


def feed_a_scalar(tf):
    x = tf.placeholder(tf.float32, [])
    with tf.Session() as sess:
        return [sess.run(x * 2, {x: value}) for value in (1, 1.5, np.float64(2), np.array(3), True)]


def feed_lists_and_arrays(tf):
    x = tf.placeholder(tf.float32, [None, 2])
    with tf.Session() as sess:
        values = ([[1, 2]], [(1, 2), (3, 4)], np.ones([1, 2]), np.arange(4).reshape(2, 2).T, np.zeros([0, 2]))
        return [sess.run(x + 1, feed_dict={x: value}) for value in values]


def feed_by_name(tf):
    tf.add(tf.placeholder(tf.float32, name="x"), 1.0, name="y")
    with tf.Session() as sess:
        return sess.run("y:0", {"x:0": [1.0]})


def feed_strings(tf):
    x = tf.placeholder(tf.string)
    with tf.Session() as sess:
        return [sess.run(x, {x: value}) for value in ("text", b"bytes", ["a", "bc"], np.array(["x"]), [[b"\xff"]])]


def feed_bools_and_ints(tf):
    b = tf.placeholder(tf.bool)
    n = tf.placeholder(tf.int64)
    with tf.Session() as sess:
        return sess.run([tf.logical_not(b), n + 1], {b: [True, False], n: 2**40})


def feed_converts_to_the_placeholders_dtype(tf):
    n = tf.placeholder(tf.int32)
    x = tf.placeholder(tf.float32)
    with tf.Session() as sess:
        return sess.run([n, x], {n: np.array([1.9, -1.9]), x: np.array([1, 2], np.int64)})


def feed_a_default(tf):
    x = tf.placeholder_with_default([1.0, 2.0], [None])
    with tf.Session() as sess:
        return [sess.run(x), sess.run(x, {x: [5]}), sess.run(x * 2, {x: []})]


def feed_a_sparse_tensor(tf):
    s = tf.sparse_placeholder(tf.float32)
    dense = tf.sparse_tensor_to_dense(s)
    indices, values, shape = [[0, 1], [1, 0]], [1.0, 2.0], [2, 3]
    with tf.Session() as sess:
        return [
            sess.run(dense, {s: tf.SparseTensorValue(indices, values, shape)}),
            sess.run(dense, {s: (indices, values, shape)}),
            sess.run(s, {s: sess.run(tf.SparseTensor(indices, values, shape))}),
        ]


def feed_indexed_slices(tf):
    s = tf.IndexedSlices(tf.placeholder(tf.float32), tf.placeholder(tf.int32))
    with tf.Session() as sess:
        value = sess.run(s, {s: ([2.0], [4])})
        return [value, sess.run(s.values * 2, {s: value})]


def feed_overrides_an_intermediate_tensor(tf):
    x = tf.placeholder(tf.float32, [])
    y = tf.square(x)
    z = y + 1.0
    with tf.Session() as sess:
        return [sess.run(z, {x: 3.0}), sess.run(z, {y: 3.0}), sess.run([y, z], {x: 3.0, y: 0.0})]


def feed_overrides_a_constant(tf):
    c = tf.constant([1.0, 2.0])
    with tf.Session() as sess:
        return [sess.run(c + 1, {c: [5.0, 6.0]}), sess.run(c + 1)]


def feed_overrides_a_variable(tf):
    v = tf.Variable(1.0)
    y = v * 10.0
    with tf.Session() as sess:
        fed = sess.run(y, {v: 2.0})
        sess.run(v.initializer)
        return [fed, sess.run(y), sess.run(y, {v.value(): 3.0}), sess.run(v)]


def feed_overrides_a_resource_variables_read(tf):
    v = tf.Variable(1.0, use_resource=True)
    read = v.read_value()
    with tf.Session() as sess:
        return sess.run(read + 1.0, {read: 5.0})


def feed_an_assignments_result_and_it_does_not_run(tf):
    v = tf.Variable(1.0)
    assigned = v.assign(5.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(tf.identity(assigned), {assigned: 7.0}), sess.run(v)]


def feed_the_input_of_a_gradient(tf):
    x = tf.placeholder(tf.float32, [])
    y = x * x
    (grad,) = tf.gradients(tf.exp(y), x)
    with tf.Session() as sess:
        return sess.run(grad, {x: 2.0, y: 0.0})


def feed_several_at_once(tf):
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with tf.Session() as sess:
        return sess.run(x - y, {(x, y): (5.0, 3.0)})


def feed_what_is_not_needed(tf):
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with tf.Session() as sess:
        return sess.run(x, {x: 1.0, y: 2.0})


def feed_other_shapes_to_the_same_placeholder(tf):
    x = tf.placeholder(tf.float32, [None, None])
    y = tf.reduce_sum(x, 1)
    with tf.Session() as sess:
        return [sess.run(y, {x: np.ones(shape)}) for shape in ([1, 2], [3, 1], [0, 4], [2, 0], [1, 2])]


def feed_an_empty_dict(tf):
    with tf.Session() as sess:
        return [sess.run(tf.constant(1), {}), sess.run(tf.constant(1), None), sess.run(tf.constant(1), feed_dict={})]


def fed_array_is_not_kept(tf):
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([0.0, 0.0])
    assign = v.assign(x)
    value = np.array([1, 2], np.float32)
    with tf.Session() as sess:
        sess.run(assign, {x: value})
        value[:] = 9
        return sess.run(v)


def feed_by_eval_and_run(tf):
    x = tf.placeholder(tf.float32, [])
    v = tf.Variable(0.0)
    assign = v.assign(x)
    with tf.Session():
        assign.op.run(feed_dict={x: 4.0})
        return [(x + v).eval({x: 1.0}), v.eval()]


def is_feedable(tf):
    graph = tf.get_default_graph()
    a, b = tf.constant(1), tf.constant(2)
    graph.prevent_feeding(b)
    return [graph.is_feedable(a), graph.is_feedable(b), graph.is_fetchable(a)]


@fails("may not be fed")
def feed_what_must_not_be_fed(tf):
    a = tf.constant(1)
    tf.get_default_graph().prevent_feeding(a)
    tf.Session().run(a, {a: 2})


@fails("could not convert string to float")
def feed_a_string_to_a_float(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, {x: "text"})


@fails("is not compatible with Tensor type")
def feed_an_int_that_does_not_fit(tf):
    n = tf.placeholder(tf.int32)
    tf.Session().run(n, {n: 2**40})


@fails("Cannot feed value of shape (3,) for Tensor 'x:0', which has shape '(2,)'")
def feed_the_wrong_size(tf):
    x = tf.placeholder(tf.float32, [2], name="x")
    tf.Session().run(x, {x: [1, 2, 3]})


@fails("Cannot feed value of shape (4, 3) for Tensor 'x:0', which has shape '(?, 2)'")
def feed_the_wrong_size_beside_an_unknown_one(tf):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    tf.Session().run(x, {x: np.ones([4, 3])})


@fails("Cannot feed value of shape () for Tensor 'x:0'")
def feed_the_wrong_rank(tf):
    x = tf.placeholder(tf.float32, [None, 2], name="x")
    tf.Session().run(x, {x: 1.0})


@fails("Cannot feed value of shape")
def feed_the_wrong_shape_for_an_intermediate_tensor(tf):
    y = tf.ones([2]) + 1.0
    tf.Session().run(y, {y: [1.0]})


@fails("setting an array element with a sequence")
def feed_a_ragged_list(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, {x: [[1, 2], [3]]})


@fails("The value of a feed cannot be a tf.Tensor object")
def feed_a_tensor(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, {x: tf.constant(1.0)})


@fails("Cannot interpret feed_dict key as Tensor")
def feed_an_op(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, {x.op: 1.0})


@fails("Cannot interpret feed_dict key as Tensor")
def feed_by_op_name(tf):
    x = tf.placeholder(tf.float32, name="x")
    tf.Session().run(x, {"x": 1.0})


@fails("Cannot interpret feed_dict key as Tensor")
def feed_by_unknown_name(tf):
    x = tf.placeholder(tf.float32, name="x")
    tf.Session().run(x, {"y:0": 1.0})


@fails("Cannot interpret feed_dict key as Tensor")
def feed_by_an_int(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, {1: 1.0})


@fails("is not an element of this graph")
def feed_a_placeholder_of_another_graph(tf):
    with tf.Graph().as_default():
        foreign = tf.placeholder(tf.float32)
    tf.Session().run(tf.constant(1), {foreign: 1.0})


@fails("must be a dict")
def feed_a_list(tf):
    x = tf.placeholder(tf.float32)
    tf.Session().run(x, [(x, 1.0)])


@fails("not unique")
def feed_the_same_key_twice(tf):
    x, y = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    tf.Session().run(x, {x: 1.0, (x, y): (2.0, 3.0)})


@fails("You must feed a value for placeholder tensor 'x' with dtype float and shape [2]")
def feed_nothing_to_a_placeholder(tf):
    x = tf.placeholder(tf.float32, [2], name="x")
    tf.Session().run(x + 1.0)


@fails("You must feed a value for placeholder tensor 'x' with dtype int32")
def feed_nothing_to_a_placeholder_without_a_shape(tf):
    tf.Session().run(tf.placeholder(tf.int32, name="x"))


@fails("You must feed a value for placeholder tensor 'y'")
def feed_one_placeholder_of_two(tf):
    x, y = tf.placeholder(tf.float32, name="x"), tf.placeholder(tf.float32, name="y")
    tf.Session().run(x + y, {x: 1.0})
