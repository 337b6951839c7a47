"""Branches and loops give the same compiled as interpreted, run after run: values, variables, random streams."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.traced_lists import Untraceable
from evergraph.runtime import executor


@pytest.fixture(autouse=True)
def _own_graph():
    with tf.Graph().as_default():
        yield


def programs(session):
    """The compiled programs of a session's graph."""
    plans = session.graph._attachments["plans"].values()
    return [c.program for _, plan in plans for s in plan.stages for c in s.executables.values() if c.program]


def both(fetches, feeds, monkeypatch, expect_program=True):
    """Run `fetches` with each of `feeds`, once interpreted throughout and once compiled from the second run on."""
    initialize = tf.global_variables_initializer()
    found = []
    for small in (10**9, -1):
        monkeypatch.setattr(executor, "SMALL_OPS", small)
        monkeypatch.setattr(executor, "SMALL_ELEMENTS", 10**9)
        tf.get_default_graph()._attachments.pop("plans", None)
        with tf.Session() as session:
            session.run(initialize)
            found.append([session.run(fetches, f) for f in feeds])
            if small < 0:
                assert bool(programs(session)) == expect_program
    for interpreted, compiled in zip(*found, strict=True):
        for a, b in zip(tf.nest.flatten(interpreted), tf.nest.flatten(compiled), strict=True):
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=1e-5)
                assert np.asarray(a).dtype == np.asarray(b).dtype
    return found[1]


def test_a_branch_that_depends_on_a_value(monkeypatch):
    x = tf.placeholder(tf.float32, [3])
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sqrt(x), lambda: -x)
    feeds = [{x: v} for v in ([1, 4, 9], [-1, -4, -9], [4, 4, 4], [-2, -2, -2])]
    found = both([y, tf.gradients(y, x)], feeds, monkeypatch)
    np.testing.assert_allclose(found[2][0], [2, 2, 2])
    np.testing.assert_allclose(found[3][1][0], [-1, -1, -1])


def test_a_branch_on_a_fed_switch_is_left_out_of_the_program(monkeypatch):
    training = tf.placeholder(tf.bool, [])
    x = tf.placeholder(tf.float32, [4])
    moving = tf.Variable(tf.zeros([4]))
    with tf.control_dependencies([tf.cond(training, lambda: moving.assign(moving * 0.5 + x), lambda: moving + 0.0)]):
        y = x * 2.0
    feeds = [{x: np.full(4, i, np.float32), training: i % 3 != 0} for i in range(7)]
    both([y, moving], feeds, monkeypatch)


def test_only_the_branch_taken_writes_a_variable(monkeypatch):
    x = tf.placeholder(tf.float32, [])
    ups, downs = tf.Variable(0.0), tf.Variable(0.0)
    step = tf.cond(x > 1, lambda: ups.assign_add(x), lambda: downs.assign_sub(x))
    with tf.control_dependencies([step]):
        after = [ups.read_value(), downs.read_value()]
    found = both(after, [{x: v} for v in (2.0, 0.5, 3.0, -1.0, 5.0)], monkeypatch)
    assert found[-1] == [10.0, 0.5]


def test_random_numbers_in_branches_and_loops_go_on_where_they_were(monkeypatch):
    tf.set_random_seed(3)
    x = tf.placeholder(tf.float32, [])
    in_branch = tf.cond(x > 0, lambda: tf.random_uniform([2], seed=1), lambda: tf.random_uniform([2], seed=2))
    n = tf.placeholder(tf.int32, [])
    loop = lambda: tf.while_loop(  # noqa: E731
        lambda i, s: i < n, lambda i, s: (i + 1, s + tf.random_normal([3], seed=5)), [0, tf.zeros([3])]
    )
    feeds = [{x: v, n: k} for v, k in ((1.0, 2), (-1.0, 3), (1.0, 1), (1.0, 3), (-1.0, 2))]
    both([in_branch, loop(), loop()], feeds, monkeypatch)


def test_a_loop_that_takes_longer_than_any_before(monkeypatch):
    """Gradients keep a value of each iteration; for how many there is room follows from the runs before."""
    x, limit = tf.placeholder(tf.float64, [2]), tf.placeholder(tf.float64, [])
    _, y = tf.while_loop(
        lambda i, y: tf.reduce_sum(y) < limit, lambda i, y: (i + 1, y * x), [0, tf.ones([2], tf.float64)]
    )
    feeds = [{x: [1.5, 1.2], limit: v} for v in (5, 5, 60, 3, 200, 1000, 1000)]
    found = both([y, tf.gradients(y, x)], feeds, monkeypatch)
    assert found[-1][0].sum() >= 1000


def test_loops_in_loops_and_branches_in_loops(monkeypatch):
    x = tf.placeholder(tf.float32, [3])

    def outer(i, y):
        _, inner = tf.while_loop(lambda j, z: j < i + 1, lambda j, z: (j + 1, z * x), [0, y])
        return i + 1, tf.cond(tf.reduce_sum(inner) > 4, lambda: inner * 0.5, lambda: inner + 1.0)

    _, y = tf.while_loop(lambda i, y: i < 4, outer, [0, x])
    both(y, [{x: v} for v in ([1, 1, 1], [0.5, 2, 1], [1, 1.5, 1])], monkeypatch)


def test_a_matrix_used_in_each_iteration_gets_its_gradient(monkeypatch):
    """The sum of products that TensorFlow gathers step by step is one product after the loop."""
    rows = tf.placeholder(tf.float64, [5, 2, 3])
    kernel = tf.Variable(np.linspace(-0.5, 0.5, 9).reshape(3, 3))
    steps = tf.TensorArray(tf.float64, 5).unstack(rows)
    made = tf.TensorArray(tf.float64, 5)

    def body(t, state, made):
        state = tf.tanh(tf.matmul(steps.read(t) + state, kernel))
        return t + 1, state, made.write(t, state)

    _, last, made = tf.while_loop(lambda t, *_: t < 5, body, [0, tf.zeros([2, 3], tf.float64), made])
    loss = tf.reduce_sum(made.stack() ** 2) + tf.reduce_sum(last)
    values = np.random.RandomState(0).rand(3, 5, 2, 3)
    both([loss, tf.gradients(loss, [kernel, rows])], [{rows: v} for v in values], monkeypatch)


def test_what_cannot_be_one_program_runs_interpreted(monkeypatch):
    x = tf.placeholder(tf.float32, [2])
    _, grown = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.concat([y, x], 0)),
        [0, x],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    seen = []
    made = Untraceable.__init__
    monkeypatch.setattr(Untraceable, "__init__", lambda self, text: seen.append(text) or made(self, text))
    found = both(grown, [{x: [1, 2]}, {x: [3, 4]}], monkeypatch, expect_program=False)
    assert found[1].tolist() == [3, 4] * 4
    assert "changes its shape" in seen[0]


def test_a_condition_checked_in_a_loop_fails_the_run(monkeypatch):
    table = tf.Variable([1.0, 2.0, 3.0])
    last = tf.placeholder(tf.int32, [])
    _, total = tf.while_loop(
        lambda i, s: i < last, lambda i, s: (i + 1, s + tf.gather(table, i)), [0, tf.constant(0.0)]
    )
    with tf.control_dependencies([total]):
        step = table.assign_add([1.0, 1.0, 1.0])
    monkeypatch.setattr(executor, "SMALL_OPS", -1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(step, {last: 3})
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"not in \[0, 3\)"):
            session.run(step, {last: 5})
        np.testing.assert_array_equal(session.run(table), [4, 5, 6])


def test_an_element_is_taken_where_a_counter_says(monkeypatch):
    x = tf.placeholder(tf.float64, [4, 3])

    def body(i, total):
        part = tf.slice(x, [i, 0], [1, 3])
        return i + 1, total + x[i] * x[-1 - i, 0] + x[:, 1][i] + tf.reduce_sum(x[tf.newaxis, i] * part)

    _, total = tf.while_loop(lambda i, *_: i < 3, body, [0, tf.zeros([3], tf.float64)])
    no_slice = tf.while_loop(lambda i, *_: i < 3, lambda i, t: (i + 1, t + x[i] ** 2), [0, tf.zeros([3], tf.float64)])[
        1
    ]
    feeds = [{x: v} for v in np.random.RandomState(1).rand(3, 4, 3)]
    both([total, no_slice, tf.gradients(no_slice, x)], feeds, monkeypatch)


def test_a_slice_that_begins_at_a_computed_place(monkeypatch):
    x = tf.placeholder(tf.float32, [6])
    top = tf.argmax(x, output_type=tf.int32)
    feeds = [{x: np.roll([9, 1, 2, 3, 4, 5], k)} for k in range(5)]
    found = both([x[top], tf.slice(x, tf.stack([top // 2]), [2]), tf.gradients(x[top], x)], feeds, monkeypatch)
    assert found[3][0] == 9


class TestLoopsThatWrite:
    """A variable that a loop writes is written once an iteration, and read after the writes that come before."""

    @pytest.mark.parametrize("use_resource", [False, True])
    def test_writes_in_a_row(self, use_resource):
        a, b = (tf.Variable(0, use_resource=use_resource) for _ in range(2))

        def body(i):
            with tf.control_dependencies([tf.assign_add(a, 1)]):
                second = tf.assign_add(b, a)
            with tf.control_dependencies([second]):
                return i + 1

        last = tf.while_loop(lambda i: i < 10, body, [0])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run(last) == 10
            assert session.run([a, b]) == [10, 55]

    def test_an_op_that_waits_for_one_without_outputs_does_not_run_after_the_loop(self):
        a, b = (tf.Variable(0, use_resource=True) for _ in range(2))

        def body(i):
            with tf.control_dependencies([a.assign_add(1, read_value=False)]):
                second = b.assign_add(1, read_value=False)
            with tf.control_dependencies([second]):
                return i + 1

        last = tf.while_loop(lambda i: i < 10, body, [0])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run(last) == 10
            assert session.run([a, b]) == [10, 10]

    def test_the_condition_sees_what_the_body_wrote(self):
        a, b = tf.Variable(0), tf.Variable(0)

        def body(_):
            with tf.control_dependencies([tf.assign_add(a, 1), tf.assign_add(b, 1)]):
                return tf.identity(b)

        last = tf.while_loop(lambda _: b < 10, body, [b])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(last)
            assert session.run([a, b]) == [10, 10]

    def test_a_write_in_a_branch_in_a_loop(self):
        v = tf.Variable(2.0)

        def body(i):
            written = tf.cond(tf.constant(True), lambda: tf.assign(v, tf.square(v)), lambda: v)
            with tf.control_dependencies([written]):
                return i + 1

        last = tf.while_loop(lambda i: i < 4, body, [0])
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            assert session.run(last) == 4
            assert session.run(v) == 65536.0


@pytest.mark.parametrize(
    ("through", "expected"), [("branch", [62.0, 122.0, 182.0]), ("loop variable", [31.0, 61.0, 91.0])]
)
def test_a_value_that_is_the_buffer_of_a_variable(through, expected):
    """What was read of a reference shows later writes, through a branch and through the next iteration: TF 1.15.5's."""
    with tf.Graph().as_default(), tf.Session() as session:
        u = tf.Variable(1.0, use_resource=False)

        def body(i, z):
            if through == "branch":
                read = tf.identity(u)
                merged = tf.cond(z > -1.0, lambda: tf.identity(read), lambda: -read)
                with tf.control_dependencies([merged]):
                    write = u.assign_add(10.0)
                with tf.control_dependencies([write]):
                    return i + 1, merged * 2.0
            with tf.control_dependencies([z]):
                write = u.assign_add(10.0)
            with tf.control_dependencies([write]):
                doubled = z * 2.0
            with tf.control_dependencies([doubled]):
                read = tf.identity(u)
            return i + 1, tf.cond(doubled > 0.0, lambda: tf.identity(read), lambda: read * 1.0)

        _, z = tf.while_loop(lambda i, z: i < 3, body, [0, 0.5])
        session.run(u.initializer)
        assert [float(session.run(z)) for _ in expected] == expected
