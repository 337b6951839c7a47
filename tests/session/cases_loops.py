"""Loops that change variables, and functions: what is left in the variables, run after run.

Each runs four times: at first op by op, then compiled.
"""

from contextlib import contextmanager

import numpy as np
from session.outcome import fails


def _after(ops, function):
    """What `function` builds, to run after `ops`."""
    with ops[0].graph.control_dependencies(ops):
        return function()


def _runs(tf, fetches, variables):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [[sess.run(fetches), sess.run(variables)] for _ in range(4)]


@contextmanager
def _by_functions(tf):
    """Branches and loops built inside have functions as parts."""
    tf.enable_control_flow_v2()
    try:
        yield
    finally:
        tf.disable_control_flow_v2()


def _variable(tf, name, value, use_resource):
    return tf.get_variable(name, initializer=value, use_resource=use_resource)


def _counts(tf, use_resource):
    u = _variable(tf, "u", 0, use_resource)
    return _runs(tf, tf.while_loop(lambda i: i < 7, lambda i: _after([tf.assign_add(u, 2)], lambda: i + 1), [0]), [u])


def a_loop_counts_in_a_variable(tf):
    return _counts(tf, False)


def a_loop_counts_in_a_resource(tf):
    return _counts(tf, True)


def a_read_before_and_one_after_a_write(tf):
    u = _variable(tf, "u", 1.0, True)

    def body(i, x, y):
        before = tf.identity(u.read_value())
        add = _after([before], lambda: tf.assign_add(u, 3.0))
        after = _after([tf.convert_to_tensor(add)], u.read_value)
        return _after([after], lambda: (i + 1, x + before, y + after))

    return _runs(tf, tf.while_loop(lambda i, x, y: i < 5, body, [0, 0.0, 0.0]), [u])


def loops_in_a_loop(tf):
    u, w = _variable(tf, "u", 0.0, False), _variable(tf, "w", 1.0, True)

    def inner(j, i):
        return _after([tf.assign_add(u, tf.cast(i * j, tf.float32))], lambda: (j + 1, i))

    def outer(i):
        j, _ = tf.while_loop(lambda j, i: j < i, inner, [0, i])
        add = _after([j], lambda: tf.assign(w, w.read_value() + u.read_value()))
        return _after([tf.convert_to_tensor(add)], lambda: i + 1)

    return _runs(tf, tf.while_loop(lambda i: i < 5, outer, [0]), [u, w])


def a_branch_in_a_loop_writes(tf):
    u = _variable(tf, "u", 0.0, False)

    def body(i):
        even = tf.equal(i % 2, 0)
        done = tf.cond(even, lambda: tf.identity(tf.assign_add(u, 1.0)), lambda: tf.constant(0.0))
        return _after([done], lambda: i + 1)

    return _runs(tf, tf.while_loop(lambda i: i < 7, body, [0]), [u])


def a_loop_in_a_branch_writes(tf):
    u = _variable(tf, "u", 0.0, True)

    def loop():
        return tf.while_loop(lambda i: i < 4, lambda i: _after([tf.assign_add(u, 2.0).op], lambda: i + 1), [0])

    taken = tf.placeholder_with_default(True, [])
    first = tf.cond(taken, loop, lambda: tf.constant(0))
    return _runs(tf, [first, tf.cond(tf.logical_not(taken), loop, lambda: tf.constant(9))], [u])


def rows_are_added_in_a_loop(tf):
    u = _variable(tf, "u", np.zeros((6, 2), np.float32), False)
    body = lambda i: _after([tf.scatter_add(u, [i], [[1.0, 2.0]])], lambda: i + 1)  # noqa: E731
    return _runs(tf, tf.while_loop(lambda i: i < 6, body, [0]), [u])


def an_optimizer_in_a_loop(tf):
    w = _variable(tf, "w", np.array([1.0, 2.0], np.float32), False)
    optimizer = tf.train.GradientDescentOptimizer(0.1)

    def body(i, _):
        loss = tf.reduce_sum(tf.square(w - 3.0))
        step = optimizer.apply_gradients([(tf.gradients(loss, w)[0], w)])
        return _after([step], lambda: (i + 1, tf.identity(loss)))

    i, _ = tf.while_loop(lambda i, loss: i < 5, body, [0, 0.0])
    return _runs(tf, i, [w])


def a_loop_goes_on_while_a_variable_is_small(tf):
    u = _variable(tf, "u", 1, True)
    body = lambda i: _after([tf.assign(u, u.read_value() * 2).op], lambda: i + 1)  # noqa: E731
    return _runs(tf, tf.while_loop(lambda i: u.read_value() < 50, body, [0]), [u])


def a_loop_without_an_iteration_writes_nothing(tf):
    u = _variable(tf, "u", 5, False)
    return _runs(tf, tf.while_loop(lambda i: i < 0, lambda i: _after([tf.assign_add(u, 1)], lambda: i + 1), [0]), [u])


def one_loop_after_the_other(tf):
    u = _variable(tf, "u", 1.0, True)
    first = tf.while_loop(lambda i: i < 3, lambda i: _after([tf.assign_add(u, 1.0).op], lambda: i + 1), [0])
    body = lambda i: _after([tf.assign(u, u.read_value() * 2.0).op], lambda: i + 1)  # noqa: E731
    second = tf.while_loop(lambda i: i < 6, body, [first])
    last = _after([second], lambda: tf.assign(u, u.read_value() - 1.0))
    return _runs(tf, [second, _after([tf.convert_to_tensor(last)], u.read_value)], [u])


@fails("uninitialized value u")
def a_variable_that_has_no_value_before_a_loop(tf):
    u = _variable(tf, "u", 5.0, False)
    body = lambda i: _after([tf.assign(u, tf.cast(i, tf.float32))], lambda: i + 1)  # noqa: E731
    loop = tf.while_loop(lambda i: i < 4, body, [0])
    with tf.Session() as sess:
        return [sess.run(loop), sess.run(u)]


def a_resource_that_has_no_value_before_a_loop(tf):
    u = _variable(tf, "u", 5.0, True)
    body = lambda i: _after([tf.assign(u, tf.cast(i, tf.float32)).op], lambda: i + 1)  # noqa: E731
    loop = tf.while_loop(lambda i: i < 4, body, [0])
    with tf.Session() as sess:
        return [sess.run(loop), sess.run(u)]


def a_variable_is_overwritten_in_a_loop(tf):
    u = _variable(tf, "u", 5.0, False)
    body = lambda i: _after([tf.assign(u, tf.cast(i, tf.float32))], lambda: i + 1)  # noqa: E731
    return _runs(tf, tf.while_loop(lambda i: i < 4, body, [0]), [u])


def random_numbers_are_gathered_in_a_variable(tf):
    u = _variable(tf, "u", 0.0, False)
    body = lambda i: _after([tf.assign_add(u, tf.random_uniform([], seed=5))], lambda: i + 1)  # noqa: E731
    return _runs(tf, tf.while_loop(lambda i: i < 4, body, [0]), [u])


def an_array_is_written_beside_a_variable(tf):
    u = _variable(tf, "u", 1.0, True)

    def body(i, array):
        value = _after([tf.assign_add(u, 1.0).op], u.read_value)
        return _after([value], lambda: (i + 1, array.write(i, value)))

    _, array = tf.while_loop(lambda i, _: i < 4, body, [0, tf.TensorArray(tf.float32, 4)])
    return _runs(tf, array.stack(), [u])


def a_gradient_of_a_loop_that_writes(tf):
    u = _variable(tf, "u", 2.0, True)
    w = _variable(tf, "w", np.array([[1.0, 2.0], [3.0, 4.0]], np.float32) / 8, False)
    x = tf.constant([[1.0, -1.0]])

    def body(i, z):
        read = _after([z], u.read_value)
        z = tf.tanh(tf.matmul(z, w)) * read
        return _after([_after([z], lambda: tf.assign(u, read * 0.9 + 0.01).op)], lambda: (i + 1, z))

    i, z = tf.while_loop(lambda i, z: i < 4, body, [0, x])
    return _runs(tf, [z, i, *tf.gradients(z, [x, w])], [u])


def a_functional_loop_writes(tf):
    with _by_functions(tf):
        u = _variable(tf, "u", 1.0, True)

        def body(i):
            even = tf.equal(i % 2, 0)
            done = tf.cond(even, lambda: tf.identity(u.assign_add(1.0)), lambda: tf.identity(u.read_value()))
            return _after([done], lambda: i + 1)

        return _runs(tf, tf.while_loop(lambda i: i < 7, body, [0]), [u])


def functional_branches_and_loops(tf):
    with _by_functions(tf):
        x = tf.placeholder_with_default(tf.constant([1.0, -2.0, 0.5]), [3])
        y = tf.cond(x[0] > 0, lambda: {"a": x * 2.0, "b": x[1]}, lambda: {"a": x - 1.0, "b": x[2]})
        i, z = tf.while_loop(lambda i, z: i < 4, lambda i, z: (i + 1, z * x + y["a"]), [0, x])
        mapped = tf.map_fn(lambda v: tf.cond(v > 0, lambda: v * v, lambda: -v * z[0]), x)
        (first,) = tf.gradients([z, mapped], x)
        (second,) = tf.gradients(first, x)
        with tf.Session() as sess:
            fetches = [y, i, z, mapped, first, second]
            return [sess.run(fetches) for _ in range(3)] + [sess.run(fetches, {x: [-1.0, 0.3, 2.0]}) for _ in range(2)]


def switch_case_takes_the_last_branch_by_default(tf):
    index = tf.placeholder(tf.int32, [])
    x = tf.constant(3.0)
    y = tf.switch_case(index, [lambda: x * x, lambda: x + 1.0, lambda: -x])
    (dx,) = tf.gradients(y, x)
    with tf.Session() as sess:
        return [sess.run([y, dx], {index: i}) for i in (0, 1, 2, 7, -1)]


def a_function_has_effects_in_order(tf):
    v = _variable(tf, "v", 1.0, True)

    @tf.function
    def step(x):
        before = v * 1.0
        v.assign_add(x)
        v.assign(v * 2.0)
        return before, v.read_value()

    return _runs(tf, step(tf.constant(3.0)), [v])


def a_function_runs_all_that_acts(tf):
    v, w = _variable(tf, "v", 1.0, True), _variable(tf, "w", 1.0, True)

    @tf.function
    def step(x):
        w.assign_add(10.0)
        if x.shape.rank == 0:
            v.assign_sub(x)
        return x + 1.0

    return _runs(tf, [step(tf.constant(3.0)), step(tf.constant([3.0]))], [v, w])


def a_function_and_its_gradients(tf):
    v = _variable(tf, "v", np.array([1.0, 2.0], np.float32), True)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def loss(x):
        return tf.cond(x[0] > 0, lambda: tf.reduce_sum(v * v * x), lambda: tf.reduce_sum(tf.exp(v) * x))

    x = tf.placeholder(tf.float32, [2])
    y = loss(x)
    first = tf.gradients(y, [x, v])
    second = tf.gradients(first[1], [x, v])
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run([y, first, second], {x: value}) for value in ([1.0, 0.5], [-1.0, 2.0]) for _ in range(2)]


def _gradients(tf, build, orders=1):
    """What `build(x, v)` gives, and its gradients, run three times for two values of x."""
    with _by_functions(tf):
        tf.set_random_seed(7)
        x, v = tf.placeholder(tf.float32, []), _variable(tf, "v", np.float32(1.5), True)
        y = build(x, v)
        found = [y, tf.gradients(y, [x, v])]
        if orders > 1:
            found.append(tf.gradients(found[1][0] + found[1][1], [x, v]))
        with tf.Session() as sess:
            sess.run(v.initializer)
            return [[sess.run(found, {x: value}), sess.run(v)] for value in (0.7, -0.3) for _ in range(3)]


def _noisy(tf, v, z):
    return z * v * tf.random_uniform([], seed=3)


def random_numbers_in_a_branch_in_a_branch(tf):
    inner = lambda x, v: tf.cond(x > 0.5, lambda: _noisy(tf, v, x), lambda: _noisy(tf, v, x) * x)  # noqa: E731
    return _gradients(tf, lambda x, v: tf.cond(x > 0, lambda: inner(x, v), lambda: x), 2)


def random_numbers_in_a_branch_in_a_loop(tf):
    def build(x, v):
        turn = lambda i, z: (i + 1, tf.cond(z > 0, lambda: _noisy(tf, v, z), lambda: z * 2.0))  # noqa: E731
        return tf.while_loop(lambda i, z: i < 3, turn, [0, x])[1]

    return _gradients(tf, build, 2)


def random_numbers_in_a_loop_in_a_loop(tf):
    def build(x, v):
        def inner(z):
            turn = lambda j, z: (j + 1, _noisy(tf, v, z) + z)  # noqa: E731
            return tf.while_loop(lambda j, z: j < 2, turn, [0, z])[1]

        return tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, inner(z)), [0, x])[1]

    return _gradients(tf, build, 2)


def random_numbers_in_a_function_in_a_function(tf):
    def build(x, v):
        inner = tf.function(lambda z: _noisy(tf, v, z), autograph=False)
        return tf.function(lambda z: inner(z) * inner(z + 1.0), autograph=False)(x)

    return _gradients(tf, build, 2)


def random_numbers_in_a_function_in_a_loop(tf):
    def build(x, v):
        inner = tf.function(lambda z: _noisy(tf, v, z), autograph=False)
        return tf.while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, inner(z) + z), [0, x])[1]

    return _gradients(tf, build)


def _step(tf, v, z):
    """Something that looks at a variable and changes it."""
    read = v.read_value()
    z = _after([read], lambda: z * read + tf.sin(z))
    return _after([_after([z], lambda: v.assign(read * 0.9).op)], lambda: tf.identity(z))


def a_branch_reads_and_changes_a_variable(tf):
    return _gradients(tf, lambda x, v: tf.cond(x > 0, lambda: _step(tf, v, x) * 2.0, lambda: x * v))


def a_case_reads_and_changes_a_variable(tf):
    branches = lambda x, v: [lambda: _step(tf, v, x), lambda: _step(tf, v, x * 2.0)]  # noqa: E731
    return _gradients(tf, lambda x, v: tf.switch_case(tf.cast(x, tf.int32), branches(x, v)))


def a_function_reads_and_changes_a_variable_twice(tf):
    def build(x, v):
        step = tf.function(lambda z: _step(tf, v, z), autograph=False)
        return step(step(x))

    return _gradients(tf, build)
