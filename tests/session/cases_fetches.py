"""What `Session.run` takes as fetches, and what comes back for each."""

import collections

import numpy as np
from session.outcome import fails

Pair = collections.namedtuple("Pair", "first second")


def _attribute(name):
    return type("Attribute", (), {"name": name})


class Attributed:
    """What `attr.s` makes of a class, as far as a session looks at it."""

    __attrs_attrs__ = (_attribute("first"), _attribute("second"))

    def __init__(self, first, second):
        self.first, self.second = first, second


def fetch_scalars_of_every_dtype(tf):
    with tf.Session() as sess:
        names = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 bool complex64 complex128".split()
        return [sess.run(tf.constant(1, dtype=name) if name != "bool" else tf.constant(True)) for name in names]


def fetch_arrays(tf):
    with tf.Session() as sess:
        return sess.run([tf.constant([1, 2]), tf.constant([[1.5], [2.5]]), tf.zeros([0, 3]), tf.constant([True])])


def fetch_strings(tf):
    with tf.Session() as sess:
        return sess.run([tf.constant("text"), tf.constant(["a", "bc"]), tf.constant(b"\x00\xff"), tf.constant([[""]])])


def fetch_one_tensor_in_a_list(tf):
    with tf.Session() as sess:
        return sess.run([tf.constant(1.0)])


def fetch_a_tuple(tf):
    with tf.Session() as sess:
        return sess.run((tf.constant(1), tf.constant(2)))


def fetch_nothing(tf):
    tf.constant(1)
    with tf.Session() as sess:
        return [sess.run([]), sess.run(()), sess.run({})]


def fetch_a_namedtuple(tf):
    with tf.Session() as sess:
        return sess.run(Pair(tf.constant(1), [tf.constant(2), tf.constant(3)]))


def fetch_a_dict(tf):
    with tf.Session() as sess:
        return sess.run({"b": tf.constant(1), "a": tf.constant([2.0])})


def fetch_an_ordered_dict(tf):
    with tf.Session() as sess:
        return sess.run(collections.OrderedDict([("z", tf.constant(1)), ("a", tf.constant(2)), ("m", tf.no_op())]))


def fetch_a_deep_nest(tf):
    a, b = tf.constant(1, name="a"), tf.constant(2.0, name="b")
    with tf.Session() as sess:
        return sess.run([a, (b, {"x": [a, Pair(b, ())], "y": ((a,),)}), [[]], "b:0"])


def fetch_an_attrs_class(tf):
    with tf.Session() as sess:
        result = sess.run(Attributed(tf.constant(1), [tf.constant(2)]))
    return [type(result).__name__, result.first, result.second]


def fetch_an_op_is_none(tf):
    a = tf.constant(1, name="a")
    with tf.Session() as sess:
        return [sess.run(tf.no_op()), sess.run(a.op), sess.run([a.op, a, "a", "a:0"])]


def fetch_by_unicode_and_bytes_name(tf):
    tf.constant(7, name="seven")
    with tf.Session() as sess:
        return [sess.run("seven:0"), sess.run(b"seven:0"), sess.run(["seven"])]


def fetch_by_name_of_a_second_output(tf):
    tf.split([1, 2, 3, 4], 2, name="halves")
    with tf.Session() as sess:
        return sess.run(["halves:1", "halves:0"])


def fetch_variables(tf):
    v = tf.Variable([1.0, 2.0], name="v")
    u = tf.Variable(3, name="u", use_resource=True)
    with tf.Session() as sess:
        initialized = sess.run(tf.global_variables_initializer())
        return [initialized, sess.run(v), sess.run([u, v]), sess.run({"v": v}), sess.run("v:0"), sess.run(v.op)]


def fetch_a_partitioned_variable_as_tensor(tf):
    v = tf.get_variable("v", [4], initializer=tf.ones_initializer(), partitioner=tf.fixed_size_partitioner(2))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [sess.run(tf.convert_to_tensor(v)), sess.run(list(v))]


def fetch_a_sparse_tensor(tf):
    s = tf.SparseTensor([[0, 1], [2, 0]], [1.5, 2.5], [3, 2])
    with tf.Session() as sess:
        return [sess.run(s), sess.run({"s": s, "values": s.values})]


def fetch_indexed_slices(tf):
    values, indices = tf.constant([[1.0, 2.0]]), tf.constant([3])
    with tf.Session() as sess:
        with_shape = tf.IndexedSlices(values, indices, tf.constant([5, 2]))
        return sess.run([tf.IndexedSlices(values, indices), with_shape])


def fetch_gradients_with_indexed_slices(tf):
    table = tf.Variable(tf.ones([3, 2]))
    grads = tf.gradients(tf.reduce_sum(tf.gather(table, [0, 2])), [table])
    with tf.Session() as sess:
        return sess.run(grads)


def fetch_duplicates(tf):
    a = tf.constant([1, 2])
    v = tf.Variable(0)
    add = v.assign_add(1)
    with tf.Session() as sess:
        sess.run(v.initializer)
        first, second = sess.run([a, a])
        return [first, second, sess.run([add, add, add.op, add]), sess.run(v)]


def fetch_what_has_a_graph_element(tf):
    class Holder:
        def _as_graph_element(self):
            return tensor

    tensor = tf.constant(5)
    with tf.Session() as sess:
        return sess.run([Holder(), tensor])


def fetched_arrays_are_the_callers_own(tf):
    a = tf.constant([1, 2, 3])
    v = tf.Variable([1, 2, 3])
    with tf.Session() as sess:
        sess.run(v.initializer)
        for tensor in (a, v):
            fetched = sess.run(tensor)
            fetched[0] = 9
        return sess.run([a, v])


def fetch_a_fed_placeholder(tf):
    x = tf.placeholder(tf.float32, [2])
    with tf.Session() as sess:
        return sess.run([x, x * 2], {x: [1, 2]})


def fetch_shapes_that_depend_on_values(tf):
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as sess:
        fetches = [tf.where(x > 0), tf.boolean_mask(x, x > 0), tf.unique(x), tf.shape(x)]
        return [sess.run(fetches, {x: [1.0, -1.0, 1.0]}), sess.run(fetches, {x: []})]


def fetch_unknown_rank(tf):
    x = tf.placeholder(tf.int32)
    with tf.Session() as sess:
        return [sess.run(x + 1, {x: value}) for value in (1, [1, 2], np.zeros([1, 1, 1]))]


@fails("has invalid type")
def fetch_none(tf):
    tf.constant(1)
    tf.Session().run(None)


@fails("has invalid type")
def fetch_a_list_with_none(tf):
    tf.Session().run([tf.constant(1), None])


@fails("has invalid type")
def fetch_an_int(tf):
    tf.constant(1)
    tf.Session().run(1)


@fails("has invalid type")
def fetch_a_set(tf):
    tf.Session().run({tf.constant(1)})


@fails("has invalid type")
def fetch_an_array(tf):
    tf.constant(1)
    tf.Session().run(np.ones(2))


@fails("'foo' refers to an Operation not in the graph")
def fetch_an_unknown_op_name(tf):
    tf.constant(1)
    tf.Session().run("foo")


@fails("'foo:1' refers to a Tensor which does not exist")
def fetch_an_unknown_tensor_name(tf):
    tf.constant(1)
    tf.Session().run("foo:1")


@fails("only has 1 outputs")
def fetch_an_output_that_an_op_does_not_have(tf):
    tf.constant(1, name="a")
    tf.Session().run("a:5")


@fails("cannot be interpreted as a Tensor")
def fetch_a_badly_formed_name(tf):
    tf.constant(1, name="a")
    tf.Session().run("a:b")


@fails("cannot be interpreted as a Tensor")
def fetch_a_name_with_two_colons(tf):
    tf.constant(1, name="a")
    tf.Session().run("a:0:0")


@fails("is not an element of this graph")
def fetch_a_tensor_of_another_graph(tf):
    tf.constant(1)
    with tf.Graph().as_default():
        foreign = tf.constant(2)
    tf.Session().run(foreign)


@fails("is not an element of this graph")
def fetch_a_variable_of_another_graph(tf):
    tf.constant(1)
    with tf.Graph().as_default():
        foreign = tf.Variable(2)
    tf.Session().run([foreign])
