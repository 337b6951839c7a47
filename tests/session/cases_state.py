"""Variables in a session: initialisation, the order of reads and writes, scatters, counters, what a failure leaves."""

import contextlib

import numpy as np
from session.outcome import fails


def assign_then_read(tf):
    v = tf.Variable(1.0)
    with tf.control_dependencies([v.assign(5.0)]):
        read = v.read_value()
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(read), sess.run(v)]


def assign_then_read_resource(tf):
    v = tf.Variable(1.0, use_resource=True)
    with tf.control_dependencies([v.assign(5.0)]):
        read = v.read_value()
        doubled = v * 2.0
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run([read, doubled]), sess.run(v)]


def read_then_assign(tf):
    v = tf.Variable(1.0, use_resource=True)
    before = v.read_value()
    with tf.control_dependencies([before]):
        assign = v.assign(before + 10.0)
    with tf.control_dependencies([assign]):
        after = v.read_value()
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run([before, after]), sess.run([before, after])]


def read_made_before_a_write_and_used_after_it(tf):
    """`v` in an expression is `v/read`, which waits for nothing; who uses it after a write finds what was written."""
    v = tf.Variable([1.0, 2.0])
    with tf.control_dependencies([v.assign_add([1.0, 1.0])]):
        found = [v + 0.0, tf.identity(v), tf.reduce_sum(v), tf.identity(tf.identity(v)) * 1.0]
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(f) for f in found]


def loss_after_a_step(tf):
    v = tf.Variable([3.0, -1.0])
    loss = tf.reduce_sum(v**2)
    step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.control_dependencies([step]):
        after = tf.reduce_sum(v**2)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(after), sess.run(loss), sess.run(after)]


def two_additions_in_order(tf):
    v = tf.Variable(1)
    first = v.assign_add(1)
    with tf.control_dependencies([first]):
        second = v.assign_add(10)
    with tf.control_dependencies([second]):
        third = v.assign(v.read_value() * 2)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(third), sess.run(v), sess.run(third.op), sess.run(v)]


def two_unordered_additions_both_count(tf):
    v = tf.Variable(0)
    both = tf.group(v.assign_add(1, use_locking=True), v.assign_add(10, use_locking=True))
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(both)
        return sess.run(v)


def assigned_value_feeds_on(tf):
    v = tf.Variable([1.0, 2.0])
    total = tf.reduce_sum(v.assign_add([1.0, 1.0]))
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(total), sess.run(total), sess.run(v)]


def chained_assignments(tf):
    v = tf.Variable(1.0)
    chain = tf.assign_sub(tf.assign_add(tf.assign(v, 10.0), 5.0), 1.0)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(chain), sess.run(v)]


def swap_two_variables(tf):
    a, b = tf.Variable(1, use_resource=True), tf.Variable(2, use_resource=True)
    old_a, old_b = a.read_value(), b.read_value()
    with tf.control_dependencies([old_a, old_b]):
        swap = tf.group(a.assign(old_b), b.assign(old_a))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(swap)
        return sess.run([a, b])


def only_what_is_fetched_runs(tf):
    v = tf.Variable(0)
    v.assign_add(1)
    with tf.control_dependencies([v.assign_add(10)]):
        tf.constant(1)
    wanted = v.assign_add(100)
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(wanted)
        return sess.run(v)


def control_dependencies_run_first(tf):
    v = tf.Variable(0)
    with tf.control_dependencies([v.assign_add(1)]):
        one = tf.constant(1.0)
        step = tf.no_op()
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(one), sess.run(v), sess.run(step), sess.run(v)]


def constant_keeps_its_control_dependencies(tf):
    v = tf.Variable(0)
    with tf.control_dependencies([v.assign_add(1)]):
        three = tf.constant(1) + tf.constant(2)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(three), sess.run(three), sess.run(v)]


def identity_of_a_variable_is_its_value(tf):
    v = tf.Variable([1, 2])
    copy = tf.identity(v)
    with tf.Session() as sess:
        sess.run(v.initializer)
        before = sess.run(copy)
        sess.run(v.assign([7, 8]))
        return [before, sess.run(copy)]


def tuple_waits_for_all(tf):
    v = tf.Variable(0)
    first, second = tf.tuple([tf.constant(1), tf.constant(2)], control_inputs=[v.assign_add(5)])
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(first), sess.run(v), sess.run(second), sess.run(v)]


def initializers_and_initial_values(tf):
    tf.set_random_seed(1)
    v = tf.Variable(tf.random_normal([2]))
    w = tf.Variable(v.initialized_value() * 2.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        v_value, w_value = sess.run([v, w])
        return [w_value - 2.0 * v_value, v_value]


def initialized_value_before_and_after(tf):
    v = tf.Variable(3.0)
    value = v.initialized_value() + 1.0
    with tf.Session() as sess:
        before = sess.run(value)
        sess.run(v.assign(7.0))
        return [before, sess.run(value)]


def initialize_again(tf):
    v = tf.Variable(1)
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(v.assign(5))
        changed = sess.run(v)
        sess.run(tf.global_variables_initializer())
        return [changed, sess.run(v)]


def which_are_initialized(tf):
    a = tf.Variable(1, name="a")
    b = tf.Variable(2, name="b", use_resource=True)
    questions = [tf.is_variable_initialized(a), tf.is_variable_initialized(b), tf.report_uninitialized_variables()]
    with tf.Session() as sess:
        answers = [sess.run(questions)]
        sess.run(a.initializer)
        answers.append(sess.run(questions))
        sess.run(b.initializer)
        return [*answers, sess.run(questions)]


def load_a_value(tf):
    v = tf.Variable([1.0, 2.0])
    u = tf.Variable(1, use_resource=True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        v.load([3.0, 4.0], sess)
        u.load(np.int32(9))
        return sess.run([v, u])


def assign_from_a_feed(tf):
    x = tf.placeholder(tf.float32, [2])
    v = tf.Variable([0.0, 0.0])
    assign = v.assign(x)
    with tf.Session() as sess:
        return [sess.run(assign, {x: [1, 2]}), sess.run(v), sess.run(assign, {x: [3, 4]}), sess.run(v)]


def assign_another_shape(tf):
    v = tf.Variable([1.0, 2.0], validate_shape=False)
    grow = tf.assign(v, tf.ones([3]), validate_shape=False)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(v), sess.run(grow), sess.run(v)]


def assign_a_slice(tf):
    v = tf.Variable([[1, 2, 3], [4, 5, 6]])
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(v[0, 1:].assign([8, 9])), sess.run(v[:, 0].assign([0, 0])), sess.run(v)]


def variable_of_strings(tf):
    v = tf.Variable(["a", "b"])
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(v), sess.run(tf.assign(v, ["c", "dd"])), sess.run(v)]


def scatter_values(tf):
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    ops = [
        tf.scatter_update(v, [0], [[10.0, 20.0]]),
        tf.scatter_add(v, [1, 1], [[1.0, 1.0], [2.0, 2.0]]),
        tf.scatter_sub(v, [2], [[1.0, 0.0]]),
        tf.scatter_mul(v, [0, 2], [[2.0, 2.0], [3.0, 3.0]]),
        tf.scatter_div(v, [0], [[4.0, 5.0]]),
        tf.scatter_min(v, [1], [[0.0, 100.0]]),
        tf.scatter_max(v, [1], [[50.0, 0.0]]),
        tf.scatter_nd_update(v, [[0, 1]], [7.0]),
        tf.scatter_nd_add(v, [[2]], [[1.0, 1.0]]),
    ]
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(op) for op in ops]


def scatter_values_resource(tf):
    v = tf.get_variable("v", initializer=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=True)
    ops = [
        tf.scatter_update(v, [0], [[10.0, 20.0]]),
        tf.scatter_add(v, [1, 1], [[1.0, 1.0], [2.0, 2.0]]),
        tf.scatter_sub(v, [2], [[1.0, 0.0]]),
        tf.scatter_nd_update(v, [[0, 1]], [7.0]),
    ]
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run([op, v.op]) and sess.run(v) for op in ops]


def resource_variable_values(tf):
    v = tf.Variable([1.0, 2.0, 3.0], use_resource=True)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [
            sess.run(v.assign_add([1.0, 1.0, 1.0])),
            sess.run(v.assign_sub([0.5, 0.5, 0.5], read_value=False)),
            sess.run(v),
            sess.run(tf.gather(v, [2, 0])),
            sess.run(v.sparse_read([1])),
            sess.run(v[1:].assign([0.0, 0.0])),
            sess.run(v.assign([9.0, 9.0, 9.0], read_value=False)),
            sess.run(v.value()),
        ]


def resource_variable_outputs_of_assign(tf):
    v = tf.Variable(1.0, use_resource=True)
    assigned = v.assign(4.0) + 1.0
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(assigned), sess.run(v)]


def count_up_to_its_limit(tf):
    v = tf.Variable(0)
    count = v.count_up_to(3)
    with tf.Session() as sess:
        sess.run(v.initializer)
        counts = [sess.run(count) for _ in range(3)]
        try:
            sess.run(count)
        except tf.errors.OutOfRangeError:
            counts.append("out of range")
        return [*counts, sess.run(v)]


def moving_average_by_hand(tf):
    x = tf.placeholder(tf.float32, [])
    mean = tf.Variable(0.0)
    update = tf.assign(mean, 0.9 * mean + 0.1 * x)
    with tf.Session() as sess:
        sess.run(mean.initializer)
        return [sess.run(update, {x: value}) for value in (1.0, 2.0, 3.0)]


def global_step_counts(tf):
    step = tf.train.get_or_create_global_step()
    add = tf.assign_add(step, 1)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(add)
        return [sess.run(add), tf.train.global_step(sess, step), sess.run(step)]


def partitioned_variable_values(tf):
    v = tf.get_variable("v", [5, 2], initializer=tf.constant_initializer(1.5), partitioner=tf.fixed_size_partitioner(2))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return [sess.run(tf.nn.embedding_lookup(v, [0, 4])), sess.run(next(iter(v))), sess.run(tf.shape(v))]


def local_variables_are_initialized_apart(tf):
    tf.Variable(1, name="global_one")
    tf.get_local_variable("local_one", initializer=2)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        left = sess.run(tf.report_uninitialized_variables())
        return [left, sess.run(tf.local_variables())]


def a_failing_run_does_not_reach_what_depends_on_it(tf):
    x = tf.placeholder(tf.int32, [])
    v = tf.Variable(1)
    assign = v.assign(5 // x)
    with tf.Session() as sess:
        sess.run(v.initializer)
        try:
            sess.run(assign, {x: 0})
            failed = False
        except tf.errors.InvalidArgumentError:
            failed = True
        after_failure = sess.run(v)
        sess.run(assign, {x: 1})
        return [failed, after_failure, sess.run(v)]


def a_failing_run_keeps_the_session_usable(tf):
    x = tf.placeholder(tf.float32, [None])
    v = tf.Variable([1.0, 2.0])
    add = v.assign_add(x)
    with tf.Session() as sess:
        sess.run(v.initializer)
        with contextlib.suppress(tf.errors.InvalidArgumentError):
            sess.run(add, {x: [1.0, 1.0, 1.0]})
        return [sess.run(v), sess.run(add, {x: [1.0, 1.0]})]


@fails("uninitialized value v")
def read_an_uninitialized_variable(tf):
    v = tf.Variable(1.0, name="v")
    tf.Session().run(v)


@fails("uninitialized value scope/v")
def compute_with_an_uninitialized_variable(tf):
    with tf.variable_scope("scope"):
        v = tf.get_variable("v", [2])
    tf.Session().run(tf.reduce_sum(v * 2.0))


@fails("uninitialized")
def read_an_uninitialized_resource_variable(tf):
    v = tf.Variable(1.0, name="v", use_resource=True)
    tf.Session().run(v)


@fails("uninitialized value v")
def add_to_an_uninitialized_variable(tf):
    v = tf.Variable(1.0, name="v")
    tf.Session().run(v.assign_add(1.0))


@fails("uninitialized value v")
def initialize_from_an_uninitialized_variable(tf):
    v = tf.get_variable("v", [2])
    w = tf.get_variable("w", initializer=lambda: tf.identity(v) * 2.0)
    tf.Session().run(tf.assign(w, tf.identity(v)))


@fails("Assign requires shapes of both tensors to match")
def assign_a_fed_value_of_the_wrong_shape(tf):
    x = tf.placeholder(tf.float32)
    v = tf.Variable([1.0, 2.0])
    tf.Session().run(v.assign(x), {x: [1.0, 2.0, 3.0]})


@fails("Reached limit of 1")
def count_past_the_limit(tf):
    count = tf.Variable(1).count_up_to(1)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(count)


@fails("is not in [0, 3)")
def scatter_out_of_range(tf):
    v = tf.Variable([1.0, 2.0, 3.0])
    with tf.Session() as sess:
        sess.run(v.initializer)
        sess.run(tf.scatter_update(v, [3], [1.0]))
