"""Programs with branches, loops, arrays written in loops, and the gradients of all of them."""

import numpy as np


def _vector(tf):
    return tf.placeholder(tf.float32, [2], name="x")


def _rows(tf):
    return tf.placeholder(tf.float32, [None, 2], name="rows")


# Branches


def branches(tf):
    x = _vector(tf)
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x + 1.0)
    tf.cond(x[0] > 0, lambda: (x, [x * 2.0]), lambda: (x + 1.0, [x]))
    tf.cond(x[0] > 0, lambda: [x], lambda: [y], strict=True)
    tf.cond(x[0] > 0, fn1=lambda: {"a": x, "b": y}, fn2=lambda: {"a": y, "b": x})
    with tf.control_dependencies([y]):
        ones = lambda: (tf.constant(2.0), tf.ones([2]))  # noqa: E731
        tf.cond(x[0] > 0, lambda: (tf.constant(1.0), tf.zeros_like(x)), ones, name="named")


def branches_in_branches(tf):
    x = _vector(tf)
    outside = x - 1.0
    inner = lambda: tf.cond(x[0] > 1.0, lambda: x, lambda: outside)  # noqa: E731
    y = tf.cond(tf.reduce_sum(x) > 0, inner, lambda: tf.constant([1.0, 2.0]))
    tf.cond(x[1] > 0, lambda: tf.cond(x[0] > 1.0, lambda: y * outside, inner), lambda: outside)


def branches_with_variables(tf):
    x = _vector(tf)
    v = tf.Variable(1.0)
    resource = tf.get_variable("resource", [2], use_resource=True)
    tf.cond(x[0] > 0, lambda: tf.assign(v, 2.0), lambda: v)
    tf.cond(x[0] > 0, lambda: tf.assign_add(v, x[0]).op, tf.no_op)
    tf.cond(x[0] > 0, lambda: resource + x, lambda: resource.assign_add(x))
    tf.cond(x[0] > 0, lambda: tf.train.AdagradOptimizer(0.1).minimize(v * v), tf.no_op)


def cases(tf):
    x = _vector(tf)
    pairs = [(x[0] < 5.0, lambda: tf.constant(1)), (x[1] < 9.0, lambda: tf.constant(2))]
    tf.case(pairs, lambda: tf.constant(3))
    tf.case(pairs, exclusive=True)
    y = tf.case([(x[0] < 5.0, lambda: x), (x[1] > 0.0, lambda: x * x)], default=lambda: tf.sin(x))
    tf.gradients(y, x)


def guarded_assertions(tf):
    x = _vector(tf)
    with tf.control_dependencies([tf.Assert(x[0] > 0, [x]), tf.assert_equal(x, x + 1.0)]):
        y = tf.identity(x)
    tf.gradients(y, x)


def gradients_of_branches(tf):
    x, rows = _vector(tf), _rows(tf)
    v = tf.Variable([1.0, 2.0], name="v")
    tf.gradients(tf.cond(x[0] > 0, lambda: x * 2.0, lambda: tf.exp(x)), x)
    tf.gradients(tf.cond(x[0] > 0, lambda: rows * 2.0, lambda: tf.ones_like(rows)), [rows, x])
    inner = lambda: tf.cond(x[1] > 0, lambda: rows * x, lambda: rows)  # noqa: E731
    tf.gradients(tf.cond(x[0] > 0, inner, lambda: tf.square(rows)), [rows, x])
    tf.gradients(tf.cond(x[0] > 0, lambda: tf.reduce_sum(v * x), lambda: 1.0), [v, x])


def gradients_of_branches_with_gathers(tf):
    resource = tf.get_variable("resource", [3, 2], use_resource=True)
    v = tf.Variable([1.0, 2.0], name="v")
    p = tf.placeholder(tf.bool, [])
    ids = tf.placeholder(tf.int32, [None])
    y = tf.cond(p, lambda: tf.reduce_sum(tf.gather(resource, ids)), lambda: tf.reduce_sum(resource))
    tf.gradients(y, resource)
    look_up = lambda n: lambda: tf.nn.embedding_lookup(v, ids + n)  # noqa: E731
    y = tf.cond(p, look_up(0), look_up(1))
    tf.gradients(y, v)
    tf.train.AdamOptimizer().minimize(tf.reduce_sum(y))
    loss = tf.cond(p, lambda: tf.reduce_sum(resource), lambda: tf.reduce_sum(v))
    tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True).minimize(loss)


# Loops


def loops(tf):
    x = _vector(tf)
    tf.while_loop(lambda i: i < 10, lambda i: i + 3, [tf.constant(0)])
    tf.while_loop(lambda i, y: i < 10, lambda i, y: (i + 1, y * x + 2.0), [0, x])
    tf.while_loop(
        lambda i, y: tf.reduce_sum(y) < 10.0,
        lambda i, y: [i + 1, tf.concat([y, y], 0)],
        [0, x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
        maximum_iterations=20,
        name="grow",
    )
    swapped = lambda i, pair: (i + 1, {"a": pair["b"] * 2.0, "b": pair["a"]})  # noqa: E731
    tf.while_loop(lambda i, pair: i < 3, swapped, [0, {"a": x, "b": x + 1.0}], return_same_structure=True)


def loops_and_control_dependencies(tf):
    x = _vector(tf)
    v = tf.Variable(1.0)
    with tf.control_dependencies([x]):
        noise = lambda i, y: (i + 1, tf.random_normal([2]) + y)  # noqa: E731
        tf.while_loop(lambda i, y: i < 3, noise, [0, x], back_prop=False, parallel_iterations=1)

    def count(i, y):
        with tf.control_dependencies([v.assign_add(1.0)]):
            return i + 1, tf.identity(y) + tf.matmul(tf.ones([1, 1]), [[2.0]])[0]

    tf.while_loop(lambda i, y: i < 3, count, [0, x])


def loops_in_loops(tf):
    x = _vector(tf)
    v = tf.Variable(1.0)
    resource = tf.get_variable("resource", [2], use_resource=True)
    inner = lambda y: tf.while_loop(lambda k: k < y + x[1], lambda k: k * v + tf.zeros([]), [y])  # noqa: E731
    tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, inner(y)), [0, 1.0])
    tf.while_loop(lambda y: y[0] < 3, lambda y: y + resource, [x])


def loops_and_branches(tf):
    x = _vector(tf)
    branch = lambda y: tf.cond(y[0] > 0, lambda: y + x, lambda: tf.zeros_like(y) + tf.constant(1.0))  # noqa: E731
    tf.while_loop(lambda y: tf.reduce_sum(y) < 10.0, branch, [x], maximum_iterations=2, parallel_iterations=3)
    add = lambda i: i + tf.cond(x[0] > i, lambda: x[1], lambda: i)  # noqa: E731
    tf.cond(x[0] > 1, lambda: tf.while_loop(lambda i: i < x[1], add, [x[0]]), lambda: x[1])


def gradients_of_loops(tf):
    x, rows = _vector(tf), _rows(tf)
    _, y = tf.while_loop(lambda i, y: i < 10, lambda i, y: (i + 1, y * x + 2.0), [0, x])
    tf.gradients(y, x)
    step = lambda i, y: (i + 1, tf.tanh(tf.matmul(y, tf.matrix_diag(x))))  # noqa: E731
    _, y = tf.while_loop(lambda i, y: i < 10, step, (0, rows), maximum_iterations=5)
    tf.gradients(y, [x, rows])
    slope = lambda y: tf.gradients(tf.reduce_sum(tf.square(y * x)), y)[0]  # noqa: E731
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y + slope(y)), (0, x))
    tf.gradients(y, x)


def gradients_of_some_loop_variables(tf):
    x = _vector(tf)
    free = tf.placeholder(tf.float32, [None], name="free")
    _, a, b = tf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, b * x, a + 1.0), (0, x, x * 2.0))
    tf.gradients(a, x)
    tf.gradients([a, b], x)
    _, _, b = tf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, x, a), (0, x, x * 2.0))
    tf.gradients(b, x)
    _, _, b = tf.while_loop(lambda i, a, b: i < 3, lambda i, a, b: (i + 1, free, a), (0, free, free * 2.0))
    tf.gradients(b, free)


def gradients_of_loops_with_branches(tf):
    x = _vector(tf)

    def step(i, y, z):
        y = tf.cond(tf.reduce_sum(y) > 1.0, lambda: y * x, lambda: tf.sin(y) * z)
        return i + 1, y, z + y

    _, b, c = tf.while_loop(lambda i, y, z: i < 10, step, [0, x, x])
    tf.gradients(b, x)
    tf.gradients([b, c], [x], colocate_gradients_with_ops=True, gate_gradients=True)
    power = lambda: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), (0, x))[1]  # noqa: E731
    tf.gradients(tf.cond(x[0] > 0, power, lambda: x), x)


def gradients_of_loops_in_loops(tf):
    x, rows = _vector(tf), _rows(tf)
    free = tf.placeholder(tf.float32, [None], name="free")

    def power(i, y):
        return i + 1, tf.while_loop(lambda k, y: k < i, lambda k, y: (k + 1, tf.tanh(y * rows * x)), [0, y])[1]

    _, y = tf.while_loop(lambda i, y: i < 4, power, [0, rows])
    tf.gradients(y, [x, rows])

    def choose(i, y):
        step = lambda k, y, z: (k + 1, tf.cond(y[0] > 0.0, lambda: y * free, lambda: z), z + y)  # noqa: E731
        return i + 1, tf.while_loop(lambda k, y, z: k < i, step, [0, y, free])[1]

    _, y = tf.while_loop(lambda i, y: i < 4, choose, [0, free])
    tf.gradients(y, free)


def gradients_of_variables_in_loops(tf):
    x = _vector(tf)
    v = tf.Variable(1.0)
    w = tf.get_variable("w", [3, 2])
    resource = tf.get_variable("resource", [3, 2], use_resource=True)
    row = lambda i: tf.nn.embedding_lookup(w, i) * tf.gather(resource, i)  # noqa: E731
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * v + tf.reduce_sum(row(i))), [0, x])
    tf.gradients(y, [v, w, resource, x])
    ids = tf.placeholder(tf.int32, [None])
    total = lambda i, y: (i + 1, y + tf.reduce_sum(tf.gather(w, ids)))  # noqa: E731
    _, y = tf.while_loop(lambda i, y: i < 3, total, [0, 1.0], swap_memory=True)
    tf.gradients(y, w)
    _, y = tf.while_loop(lambda i, y: i < 3, total, [0, 1.0], back_prop=False)
    tf.gradients(y, w)


# Arrays, and functions on rows


def tensor_arrays(tf):
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    rows = _rows(tf)
    array = tf.TensorArray(
        tf.float32, 3, dynamic_size=True, clear_after_read=False, tensor_array_name="array", infer_shape=False
    )
    array = array.write(0, x[0]).write(1, x[1])
    array.read(1), array.gather([0, 1]), array.concat(), array.size(), array.stack(), array.identity()
    tf.TensorArray(tf.float32, 3, element_shape=[2, 2]).split(rows, [2, 2, 2])
    array = tf.TensorArray(tf.float32, size=tf.shape(rows)[0], element_shape=[None]).unstack(rows)
    array.concat(), array.close()
    tf.TensorArray(tf.float32, 4, colocate_with_first_write_call=False).scatter([0, 1, 2, 3], x).stack()
    write = lambda i, array: (i + 1, array.write(i, x[0] * tf.cast(i, tf.float32)))  # noqa: E731
    _, array = tf.while_loop(lambda i, array: i < 3, write, [0, tf.TensorArray(tf.float32, 3)])
    array.stack()


def gradients_of_tensor_arrays(tf):
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    rows = _rows(tf)
    array = tf.TensorArray(tf.float32, 3, clear_after_read=False, infer_shape=False)
    array = array.write(0, x[0]).write(1, x[1])
    tf.gradients([array.read(1), array.gather([0, 1]), array.concat(), array.stack()], x)
    tf.gradients(tf.TensorArray(tf.float32, 3).split(rows, [2, 2, 2]).concat(), rows)


def maps(tf):
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    rows = _rows(tf)
    tf.map_fn(lambda r: r * 2.0, x)
    pair = lambda r: (tf.reduce_sum(r[0]), r[1] + 1.0)  # noqa: E731
    tf.map_fn(pair, (rows, rows * 2.0), dtype=(tf.float32, tf.float32), name="pairs")
    tf.map_fn(lambda r: tf.cast(r, tf.int32), np.arange(6.0).reshape(3, 2), dtype=tf.int32)
    with tf.variable_scope("scope"):
        tf.map_fn(lambda r: r * tf.get_variable("w", [2]), x)
        tf.map_fn(lambda r: tf.map_fn(lambda q: q + 1.0, r), x)


def folds_and_scans(tf):
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    rows = _rows(tf)
    tf.foldl(lambda a, r: a + r, x)
    tf.foldl(lambda a, r: a + tf.reduce_sum(r), rows, initializer=0.0)
    tf.foldr(lambda a, r: a + r, x)
    tf.foldr(lambda a, r: a + tf.reduce_sum(r), rows, initializer=tf.constant(0.0))
    tf.scan(lambda a, r: a + r, x)
    both = lambda a, r: (a[0] + r[0], a[1] * r[1])  # noqa: E731
    tf.scan(both, (x, x), initializer=(x[0], x[1]), reverse=True)
    tf.scan(lambda a, r: a + r, rows, reverse=True)


def gradients_of_maps_folds_and_scans(tf):
    x = tf.placeholder(tf.float32, [4, 2], name="x")
    rows = _rows(tf)
    w = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    tf.gradients(tf.map_fn(lambda r: r * 2.0, x), x)
    pair = lambda r: (tf.reduce_sum(r[0]), tf.matmul(r[1][None], w)[0])  # noqa: E731
    mapped = tf.map_fn(pair, (rows, rows * 2.0), dtype=(tf.float32, tf.float32))
    tf.gradients(mapped, [rows, w])
    tf.gradients(tf.foldl(lambda a, r: a + r * w[0], x), [x, w])
    tf.gradients(tf.foldr(lambda a, r: a + tf.reduce_sum(r), rows, initializer=tf.constant(0.0)), rows)
    tf.gradients(tf.scan(lambda a, r: tf.tanh(a * r), x), x)
    both = lambda a, r: (a[0] + r[0], a[1] * r[1])  # noqa: E731
    tf.gradients(tf.scan(both, (x, x), initializer=(x[0], x[1]), reverse=True), x)
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(mapped[1]))
    tf.map_fn(lambda r: tf.gradients(tf.reduce_sum(r * w), w)[0], x)


# Values made of several tensors, places, scopes


def sparse_loop_variables(tf):
    x = _vector(tf)
    sparse = tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 2])
    slices = tf.IndexedSlices(tf.ones([2, 3]), tf.constant([0, 1]), tf.constant([5, 3]))
    double = lambda s: tf.SparseTensor(s.indices, s.values * 2.0, s.dense_shape)  # noqa: E731
    double_rows = lambda s: tf.IndexedSlices(s.values * 2.0, s.indices, s.dense_shape)  # noqa: E731
    tf.cond(x[0] > 0, lambda: sparse, lambda: double(sparse))
    tf.cond(x[0] > 0, lambda: slices, lambda: double_rows(slices))
    tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, double(s)), [0, sparse])
    tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, double_rows(s)), [0, slices])
    shapes = [tf.TensorShape([]), tf.TensorShape([None])]
    tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, double(s)), [0, sparse], shape_invariants=shapes)


def control_flow_on_devices(tf):
    x = _vector(tf)
    with tf.device("/cpu:0"):
        v = tf.Variable([1.0, 2.0])
        with tf.variable_scope("scope"):
            y = tf.cond(x[0] > 0, lambda: v * x, lambda: x)
    with tf.device("/gpu:0"):
        _, z = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * v + x), (0, x))
    tf.gradients(z, [x, v], colocate_gradients_with_ops=True)
    with tf.name_scope("top"):
        tf.gradients(y + z, [x, v], name="gradients_of_mine")
