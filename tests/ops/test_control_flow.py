"""Branches, loops and arrays: what they compute, their gradients, and what they refuse."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.array_state import ArrayState, StackState
from evergraph.ops.control_flow import DEAD, merge, merge_op, switch_op
from evergraph.ops.grouping import with_dependencies


@pytest.fixture(autouse=True)
def _own_graph():
    with tf.Graph().as_default():
        yield


def run(fetches, feeds=None):
    """What a session gives; twice, since the second run may be compiled."""
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run(fetches, feeds)
        if not tf.global_variables():
            second = session.run(fetches, feeds)
            for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6)
    return first


# One execution of an op


def test_a_switch_gives_its_value_on_one_side_and_nothing_on_the_other():
    kernel = switch_op.opdef.kernel
    assert kernel(np, 5, np.bool_(True)) == (DEAD, 5)
    assert kernel(np, 5, np.bool_(False)) == (5, DEAD)


def test_a_merge_gives_the_input_that_is_alive_and_its_position():
    kernel = merge_op.opdef.kernel
    assert kernel(np, (DEAD, 7)) == (7, 1)
    assert kernel(np, (8, DEAD)) == (8, 0)
    assert kernel(np, (DEAD, DEAD)) == (DEAD, DEAD)


def test_a_merge_has_the_shape_that_its_inputs_agree_on():
    a = tf.placeholder(tf.float32, [2, 3])
    assert merge([a, tf.placeholder(tf.float32, [2, 4])])[0].shape.as_list() == [2, None]
    assert merge([a, tf.placeholder(tf.float32, [2])])[0].shape.ndims is None


# Branches


@pytest.mark.parametrize("x, expected", [(2.0, 20.0), (-2.0, -1.0)])
def test_cond_runs_one_branch(x, expected):
    x = tf.placeholder_with_default(x, [])
    assert run(tf.cond(x > 0, lambda: x * 10, lambda: x + 1)) == expected


def test_only_the_branch_taken_changes_a_variable():
    p = tf.placeholder(tf.bool, [])
    v = tf.Variable(1.0, use_resource=True)
    w = tf.Variable(1.0, use_resource=True)
    step = tf.cond(p, lambda: v.assign_add(1.0), lambda: w.assign_add(10.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for taken, expected in [(True, (2.0, 1.0)), (False, (2.0, 11.0)), (True, (3.0, 11.0))]:
            session.run(step, {p: taken})
            assert session.run((v, w)) == expected


@pytest.mark.parametrize("x, expected", [(1.0, 1), (7.0, 2), (20.0, 3)])
def test_case_takes_the_first_true_condition(x, expected):
    x = tf.placeholder_with_default(x, [])
    pairs = [(x < 5, lambda: tf.constant(1)), (x < 9, lambda: tf.constant(2))]
    assert run(tf.case(pairs, lambda: tf.constant(3))) == expected


def test_an_exclusive_case_refuses_two_true_conditions():
    x = tf.placeholder_with_default(1.0, [])
    pairs = [(x < 5, lambda: tf.constant(1)), (x < 9, lambda: tf.constant(2))]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 1 conditions"):
        run(tf.case(pairs, lambda: tf.constant(3), exclusive=True))


def test_a_case_without_default_needs_a_true_condition():
    x = tf.placeholder_with_default(20.0, [])
    pairs = [(x < 5, lambda: tf.constant(1)), (x < 9, lambda: tf.constant(2))]
    with pytest.raises(tf.errors.InvalidArgumentError, match="None of conditions evaluated as True"):
        run(tf.case(pairs))


@pytest.mark.parametrize("x, expected", [(3.0, [2.0]), (-3.0, [0.0]), (0.5, [2.0])])
def test_gradient_of_a_branch_is_that_of_the_one_taken(x, expected):
    x = tf.placeholder_with_default(x, [])
    y = tf.cond(x > 0, lambda: 2 * x, lambda: tf.constant(5.0))
    assert run(tf.gradients(y, x)) == expected


def test_gradient_of_a_branch_in_a_branch():
    x = tf.placeholder(tf.float32, [2])
    y = tf.cond(x[0] > 0, lambda: tf.cond(x[1] > 0, lambda: x * x, lambda: 3 * x), lambda: tf.exp(x))
    (grad,) = tf.gradients(y, x)
    for given, expected in [([1, 2], [2, 4]), ([1, -2], [3, 3]), ([-1, 2], np.exp([-1, 2]))]:
        np.testing.assert_allclose(run(grad, {x: given}), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "build, error, message",
    [
        (lambda p: tf.cond(True, lambda: 1, lambda: 2), TypeError, "must not be a Python bool"),
        (lambda p: tf.cond(p, lambda: 1), TypeError, "false_fn argument required"),
        (lambda p: tf.cond(p, 1, lambda: 2), TypeError, "true_fn must be callable"),
        (lambda p: tf.cond(p, lambda: 1, lambda: None), ValueError, "false_fn must have a return value"),
        (lambda p: tf.cond(p, lambda: 1, lambda: 2.0), ValueError, "must have the same type: int32, float32"),
        (lambda p: tf.cond(p, lambda: (1, 2), lambda: (1, 2, 3)), ValueError, "same number of elements"),
        (lambda p: tf.cond(p, lambda: (1, 2), lambda: [1, 2]), TypeError, "same sequence type"),
        (lambda p: tf.case([(p, 1)]), TypeError, "must be callable"),
        (lambda p: tf.while_loop(lambda i: p, lambda i: i, []), ValueError, "No loop variables provided"),
        (lambda p: tf.while_loop(1, lambda i: i, [0]), TypeError, "cond must be callable"),
        (lambda p: tf.while_loop(lambda i: i < 3, lambda i: (i, i), [0]), ValueError, "same number of elements"),
        (lambda p: tf.while_loop(lambda i: i < 3, lambda i: i, [0], maximum_iterations=[1]), ValueError, "be a scalar"),
        (lambda p: tf.TensorArray(tf.float32), ValueError, "Size must be provided"),
        (lambda p: tf.map_fn(lambda x: x, 1.0), ValueError, "elems must be a 1\\+ dimensional Tensor"),
        (lambda p: tf.scan(1, [1.0]), TypeError, "fn must be callable"),
    ],
)
def test_refused_while_the_graph_is_built(build, error, message):
    with pytest.raises(error, match=message):
        build(tf.placeholder(tf.bool, []))


def test_a_value_of_a_loop_cannot_be_used_outside_of_it():
    inside = []
    tf.while_loop(lambda i: i < 3, lambda i: inside.append(i + 1) or inside[0], [0])
    with pytest.raises(ValueError, match="is in a while loop"):
        inside[0] * 2
    with pytest.raises(ValueError, match="are in different while loops"):
        tf.while_loop(lambda i: i < 3, lambda i: i + inside[0], [0])


def test_a_shape_that_varies_has_to_be_declared():
    x = tf.placeholder(tf.float32, [2])
    body = lambda y: tf.concat([y, y], 0)  # noqa: E731
    with pytest.raises(ValueError, match="has shape \\(4,\\) after one iteration"):
        tf.while_loop(lambda y: tf.size(y) < 10, body, [x])
    with pytest.raises(ValueError, match="is not compatible with the initial shape"):
        tf.while_loop(lambda y: tf.size(y) < 10, body, [x], shape_invariants=[tf.TensorShape([3])])
    grown = tf.while_loop(lambda y: tf.size(y) < 10, body, [x], shape_invariants=[tf.TensorShape([None])])
    assert grown.shape.as_list() == [None]
    np.testing.assert_array_equal(run(grown, {x: [1, 2]}), [1, 2] * 8)


# Loops


def test_a_loop_runs_as_often_as_its_condition_holds():
    n = tf.placeholder(tf.int32, [])
    i, total = tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + i), [0, 0])
    for count in (0, 1, 5, 100):
        assert run((i, total), {n: count}) == (count, count * (count - 1) // 2)


def test_a_loop_ends_at_its_maximum():
    assert run(tf.while_loop(lambda i: i < 100, lambda i: i + 1, [0], maximum_iterations=7)) == 7


def test_a_loop_in_a_loop():
    inner = lambda i: tf.while_loop(lambda k, s: k < i, lambda k, s: (k + 1, s + k), [0, 0])[1]  # noqa: E731
    _, total = tf.while_loop(lambda i, s: i < 6, lambda i, s: (i + 1, s + inner(i)), [0, 0])
    assert run(total) == sum(sum(range(i)) for i in range(6))


def test_a_branch_in_a_loop():
    step = lambda n, k: (tf.cond(tf.equal(n % 2, 0), lambda: n // 2, lambda: 3 * n + 1), k + 1)  # noqa: E731
    start = tf.placeholder(tf.int32, [])
    _, steps = tf.while_loop(lambda n, k: n > 1, step, [start, 0])
    assert run(steps, {start: 27}) == 111


def test_a_loop_keeps_the_form_of_its_variables():
    step = lambda i, pair: (i + 1, {"a": pair["b"], "b": pair["a"] + pair["b"]})  # noqa: E731
    _, pair = tf.while_loop(lambda i, pair: i < 10, step, [0, {"a": 0, "b": 1}])
    assert run(pair) == {"a": 55, "b": 89}


def numeric_gradient(f, x, step=1e-5):
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        grad[i] = (f(up) - f(down)) / (2 * step)
    return grad


GRADIENTS = {
    "power": lambda x: tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, y * x), [0, x])[1],
    "no iterations": lambda x: tf.while_loop(lambda i, y: i < 0, lambda i, y: (i + 1, y * x), [0, 2 * x])[1],
    "matrix": lambda x: tf.while_loop(
        lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, x))), [0, tf.ones([1, 2], tf.float64)]
    )[1],
    "count from data": lambda x: tf.while_loop(
        lambda i, y: tf.reduce_sum(y) < 50.0, lambda i, y: (i + 1, y + x * x), [0, x]
    )[1],
    "swapping": lambda x: tf.while_loop(lambda i, a, b: i < 5, lambda i, a, b: (i + 1, b * x, a + 1.0), [0, x, 2 * x])[
        1
    ],
    "nested": lambda x: tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (
            i + 1,
            tf.while_loop(lambda k, z: k < i, lambda k, z: (k + 1, tf.sin(z) * x), [0, y])[1],
        ),
        [0, x],
    )[1],
    "branch in loop": lambda x: tf.while_loop(
        lambda i, y: i < 5,
        lambda i, y: (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: y * x, lambda: tf.sin(y))),
        [0, x],
    )[1],
    "loop in branch": lambda x: tf.cond(
        x[0, 0] > 0,
        lambda: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), [0, x])[1],
        lambda: x,
    ),
    "row of a variable shape": lambda x: tf.while_loop(
        lambda i, y: i < 2, lambda i, y: (i + 1, y + tf.gather(x, i)), [0, tf.zeros([2], tf.float64)]
    )[1],
    "map": lambda x: tf.map_fn(lambda r: r * r * x[0], x),
    "foldl": lambda x: tf.foldl(lambda a, r: tf.sin(a) * r, x),
    "foldr": lambda x: tf.foldr(lambda a, r: tf.sin(a) + r * r, x, initializer=x[0]),
    "scan": lambda x: tf.scan(lambda a, r: tf.tanh(a * r), x, initializer=x[1]),
    "reverse scan": lambda x: tf.scan(lambda a, r: tf.tanh(a * r), x, reverse=True),
    "array": lambda x: (
        tf.TensorArray(tf.float64, 3).write(0, x[0]).write(1, x[1] * x[0]).write(2, x[1]).gather([2, 1]) * x
    ),
    "split and concat": lambda x: tf.TensorArray(tf.float64, 2).split(x * x, [1, 1]).concat() * x,
}


@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_is_the_slope(name):
    x = tf.placeholder(tf.float64, [2, 2])
    y = tf.reduce_sum(GRADIENTS[name](x))
    grad = tf.convert_to_tensor(tf.gradients(y, x)[0])
    at = np.array([[0.7, 1.3], [1.1, 0.4]])
    with tf.Session() as session:
        expected = numeric_gradient(lambda value: session.run(y, {x: value}), at)
        for _ in range(3):
            np.testing.assert_allclose(session.run(grad, {x: at}), expected, rtol=1e-6, atol=1e-8)


def test_hessian_of_a_cube():
    x = tf.placeholder(tf.float32, [2])
    (hessian,) = tf.hessians(tf.reduce_sum(x**3), x)
    np.testing.assert_allclose(run(hessian, {x: [1, 2]}), [[6, 0], [0, 12]], rtol=1e-6)


def test_second_derivatives_of_a_loop_are_refused_as_in_tensorflow():
    x = tf.placeholder(tf.float32, [])
    _, y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), [0, x])
    (grad,) = tf.gradients(y, x)
    with pytest.raises(TypeError, match="Second-order gradient for while loops not supported"):
        tf.gradients(grad, x)


# Functions on rows


def test_map_fn_of_a_structure():
    rows = tf.constant([1, 2, 3]), tf.constant([10, 20, 30])
    a, b = tf.map_fn(lambda r: (r[0] + r[1], r[0] - r[1]), rows)
    np.testing.assert_array_equal(run(a), [11, 22, 33])
    np.testing.assert_array_equal(run(b), [-9, -18, -27])


def test_folds_and_scans():
    x = tf.placeholder(tf.int32, [None])
    results = (
        tf.foldl(lambda a, r: a * 10 + r, x),
        tf.foldr(lambda a, r: a * 10 + r, x),
        tf.scan(lambda a, r: a + r, x),
        tf.scan(lambda a, r: a + r, x, reverse=True),
        tf.scan(lambda a, r: (a[1], a[0] + a[1]), x, initializer=(0, 1)),
    )
    left, right, sums, reverse, (fibonacci, _) = run(results, {x: [1, 2, 3, 4]})
    assert (left, right) == (1234, 4321)
    np.testing.assert_array_equal(sums, [1, 3, 6, 10])
    np.testing.assert_array_equal(reverse, [10, 9, 7, 4])
    np.testing.assert_array_equal(fibonacci, [1, 1, 2, 3])


# Arrays


def array(size=3, **options):
    return ArrayState("a", tf.float32, size, **options)


def test_an_element_is_read_once_unless_it_is_kept():
    state = array()
    state.write(np, 0, np.float32(5))
    assert state.read(np, 0) == 5
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not read index 0 twice"):
        state.read(np, 0)
    kept = array(clears=False)
    kept.write(np, 0, np.float32(5))
    assert kept.read(np, 0) == kept.read(np, 0) == 5


def test_an_element_is_written_once():
    state = array()
    state.write(np, 1, np.float32(5))
    with pytest.raises(tf.errors.InvalidArgumentError, match="already been written to"):
        state.write(np, 1, np.float32(6))
    state.read(np, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="already been read"):
        state.write(np, 1, np.float32(6))


def test_only_a_dynamic_array_grows():
    with pytest.raises(tf.errors.InvalidArgumentError, match="array is not resizeable and size is: 3"):
        array().write(np, 3, np.float32(1))
    grown = array(dynamic=True)
    grown.write(np, 5, np.float32(1))
    assert grown.size == 6


def test_all_elements_of_an_array_have_one_shape_if_it_says_so():
    state = array(identical_shapes=True)
    state.write(np, 0, np.zeros(2, np.float32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="inferred element shape: \\[2\\]"):
        state.write(np, 1, np.zeros(3, np.float32))


def test_gradients_of_an_array_add_up_and_are_zero_where_nothing_was_written():
    state = array()
    state.write(np, 0, np.zeros(2, np.float32))
    state.write(np, 1, np.zeros(3, np.float32))
    grad = state.gradient("gradients")
    assert state.gradient("gradients") is grad is not state.gradient("gradients_1")
    grad.write(np, 0, np.ones(2, np.float32))
    grad.write(np, 0, np.ones(2, np.float32))
    np.testing.assert_array_equal(grad.read(np, 0), [2, 2])
    np.testing.assert_array_equal(grad.read(np, 1), [0, 0, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Unable to create a gradients TensorArray"):
        grad.gradient("gradients")


def test_a_closed_array_takes_nothing():
    state = array()
    state.close()
    with pytest.raises(tf.errors.InvalidArgumentError, match="has already been closed"):
        state.write(np, 0, np.float32(1))


def test_a_stack_gives_the_last_first():
    stack = StackState("s", tf.float32, 2)
    stack.push(np, 1)
    stack.push(np, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="overflowed its max_size"):
        stack.push(np, 3)
    assert (stack.pop(np), stack.pop(np)) == (2, 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is empty"):
        stack.pop(np)


def test_arrays_of_rows_of_different_lengths():
    x = tf.placeholder(tf.float32, [6])
    parts = tf.TensorArray(tf.float32, 3, infer_shape=False).split(x, [1, 2, 3])
    np.testing.assert_array_equal(run(parts.read(2), {x: range(6)}), [3, 4, 5])
    again = tf.TensorArray(tf.float32, 3, infer_shape=False).split(x, [1, 2, 3])
    np.testing.assert_array_equal(run(again.concat(), {x: range(6)}), range(6))


def test_an_array_written_in_a_loop():
    write = lambda i, a: (i + 1, a.write(i, tf.cast(i * i, tf.float32)))  # noqa: E731
    _, squares = tf.while_loop(lambda i, a: i < 5, write, [0, tf.TensorArray(tf.float32, 0, dynamic_size=True)])
    np.testing.assert_array_equal(run(squares.stack()), [0, 1, 4, 9, 16])


@pytest.mark.parametrize("index, expected", [(0, 10), (1, 20), (2, 30), (-1, 30), (9, 30)])
def test_switch_case_takes_the_function_at_a_position(index, expected):
    index = tf.placeholder_with_default(index, [])
    functions = {1: lambda: tf.constant(20), 0: lambda: tf.constant(10)}
    assert run(tf.switch_case(index, functions, default=lambda: tf.constant(30))) == expected


def test_a_sparse_loop_variable():
    sparse = tf.SparseTensor([[0, 1], [1, 0]], [1.0, 2.0], [2, 2])
    double = lambda i, s: (i + 1, tf.SparseTensor(s.indices, s.values * 2.0, s.dense_shape))  # noqa: E731
    _, result = tf.while_loop(lambda i, s: i < 3, double, [0, sparse])
    np.testing.assert_array_equal(run(result).values, [8.0, 16.0])


def test_training_through_a_loop():
    w = tf.Variable([[0.5, -0.3], [0.2, 0.4]])
    x = tf.placeholder(tf.float32, [5, 3, 2])
    states = tf.scan(lambda h, step: tf.tanh(tf.matmul(h, w) + step), x, initializer=tf.zeros([3, 2]))
    loss = tf.reduce_mean(tf.square(states[-1] - 0.5))
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    data = np.random.RandomState(0).rand(5, 3, 2) - 0.5
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, train], {x: data})[0] for _ in range(20)]
    assert losses[-1] < 0.7 * losses[0]


def test_arrays_refuse_other_types():
    array = tf.TensorArray(tf.float32, 3).write(0, [[4.0, 5.0]])
    wrong = tf.raw_ops.TensorArrayReadV3(handle=array.handle, index=0, flow_in=array.flow, dtype=tf.float64)
    with pytest.raises(tf.errors.InvalidArgumentError, match="dtype is float but Op requested dtype double"):
        run(wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match="dtype is float but Op is trying to write dtype string"):
        run(tf.TensorArray(tf.float32, 3).write(0, "text").flow)


def test_the_gradient_of_a_split_has_the_rows_that_were_split():
    x = tf.constant([1.0, 2.0, 3.0])
    array = tf.TensorArray(tf.float32, 3, dynamic_size=True).split(x, [1, 1, 1]).write(3, [4.0])
    joined = array.concat()
    np.testing.assert_array_equal(run(joined), [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(run(tf.gradients(joined, x)[0]), [1.0, 1.0, 1.0])


def test_split_wants_a_vector_of_lengths():
    lengths = tf.placeholder(tf.int64)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"lengths to be a vector, received shape: \[\]"):
        run(tf.TensorArray(tf.float32, 3).split([1.0], lengths).flow, {lengths: 1})


def test_contexts_as_messages():
    x = tf.constant(2)
    tf.cond(x < 5, lambda: x * 17, lambda: x + 23)
    tf.while_loop(lambda i: i < 10, lambda i: i + 1, [0], maximum_iterations=7)
    contexts = {op._get_control_flow_context() for op in tf.get_default_graph().get_operations()} - {None}
    assert {type(c).__name__ for c in contexts} == {"CondContext", "WhileContext"}
    for context in contexts:
        message = context.to_proto()
        assert type(context).from_proto(message).to_proto() == message


def test_invariants_given_as_specs():
    grow = lambda i, x: (i + 1, tf.stack([x, x]))  # noqa: E731
    invariants = [tf.TensorSpec([], tf.int32), tf.TensorSpec(None, tf.int32)]
    _, found = tf.while_loop(lambda i, _: i < 2, grow, [0, tf.constant([1])], invariants)
    np.testing.assert_array_equal(run(found), np.ones([2, 2, 1]))
    with pytest.raises(TypeError, match="not of the kind that its shape invariant says"):
        tf.while_loop(lambda i, _: i < 2, grow, [0, tf.constant([1])], [invariants[0], tf.TensorSpec([], tf.string)])


def test_smart_case_leaves_out_what_is_known():
    def never():
        raise AssertionError

    x = tf.placeholder(tf.int32, [])
    smart_case = tf.contrib.framework.smart_case
    assert run(smart_case([(True, lambda: tf.constant(1)), (x > 0, never)], never)) == 1
    mixed = smart_case([(x > 1, lambda: tf.constant(1)), (False, never), (True, lambda: tf.constant(3))], never)
    assert [run(mixed, {x: 2}), run(mixed, {x: 0})] == [1, 3]


def test_slices_with_dependencies():
    v = tf.Variable([[0.0, 1.0], [2.0, 3.0]])
    after = with_dependencies([v.initializer], tf.IndexedSlices(v, tf.constant([1])))
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(tf.gather(after.values, after.indices)), [[2.0, 3.0]])


def test_gradient_through_a_reference_in_a_loop():
    x = tf.Variable(1.0, use_resource=False)
    _, last = tf.while_loop(lambda i, _: i < 3, lambda i, v: (i + 1, v * 2.0), [0, x])
    assert run(tf.gradients(last, x)[0]) == 8.0


def test_a_branch_of_slices_with_int32_and_one_with_int64_indices():
    for first, second in ((tf.int32, tf.int64), (tf.int64, tf.int32)):
        with tf.Graph().as_default() as graph, tf.Session() as session:
            values, left, right = tf.constant([10]), tf.constant([0], first), tf.constant([1], second)
            takes_first = tf.placeholder(tf.bool)
            made = tf.cond(
                takes_first,
                lambda: tf.IndexedSlices(values + 1, left),  # noqa: B023
                lambda: tf.IndexedSlices(values - 1, right),  # noqa: B023
            )
            assert made.indices.dtype == tf.int64
            found = [session.run([made.values, made.indices], {takes_first: side}) for side in (True, False)]
            assert [(v.tolist(), i.tolist()) for v, i in found] == [([11], [0]), ([9], [1])]
            casts = [(op.name, op.inputs[0].op.name) for op in graph.get_operations() if op.type == "Cast"]
            where = ("Const_1", "cond/Switch_1") if first == tf.int32 else ("Const_2", "cond/Switch_2")
            assert casts == [("cond/Cast", where[0]), ("cond/Cast_1", where[1])]


FAILING = {
    "assert": lambda x, s, i: after(tf.Assert(i < 3, ["too far", i]), s * x[0]),
    "numbers": lambda x, s, i: tf.check_numerics(s / tf.cast(3 - i, tf.float32), "divided by zero") * x[1],
    "gather": lambda x, s, i: s * tf.gather(x, i),
    "slice": lambda x, s, i: s * tf.reduce_sum(tf.slice(x, [i], [1])),
    "reshape": lambda x, s, i: s * tf.reduce_sum(tf.reshape(x[: i + 1], [-1, 1])[i]),
    "product": lambda x, s, i: s * tf.reduce_sum(tf.matmul(tf.reshape(x[: i + 1], [1, -1]), tf.ones([i + 1, 1]))),
}


def after(op, value):
    with tf.control_dependencies([op]):
        return tf.identity(value)


@pytest.mark.parametrize("way", ["interpreted", "compiled"])
@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.filterwarnings("ignore:Converting sparse")
def test_the_gradient_of_a_branch_in_a_loop_leaves_alone_what_would_fail_where_it_is_not_taken(kind, way, monkeypatch):
    from evergraph.runtime import executor

    monkeypatch.setattr(executor, "SMALL_OPS", -1 if way == "compiled" else 10**9)
    with tf.Graph().as_default(), tf.Session() as session:
        x, n = tf.placeholder(tf.float32, [3]), tf.placeholder(tf.int32, [])
        turn = lambda i, s: (i + 1, tf.cond(i < 3, lambda: FAILING[kind](x, s, i), lambda: s * 0.5))  # noqa: E731
        _, y = tf.while_loop(lambda i, s: i < n, turn, [0, tf.constant(2.0)])
        (dx,) = tf.gradients(y, x)
        fetches = [y, tf.convert_to_tensor(dx)]
        for _ in range(3):
            _, slope = session.run(fetches, {x: [1.0, 2.0, 3.0], n: 5})
        step = 1e-2
        for j in range(3):
            moved = np.array([1.0, 2.0, 3.0]) + step * np.eye(3)[j]
            back = np.array([1.0, 2.0, 3.0]) - step * np.eye(3)[j]
            rise = session.run(y, {x: moved, n: 5}) - session.run(y, {x: back, n: 5})
            np.testing.assert_allclose(slope[j], rise / (2 * step), rtol=1e-3, atol=1e-3)


def test_constants_of_type_bool_are_made_of_bools():
    for value in ([[0, 1]], 1, [True, 0], [np.int32(1)], 1.0):
        with pytest.raises(TypeError, match="Expected bool, got"):
            tf.constant(value, tf.bool)
    with tf.Session() as session:
        found = session.run([tf.constant([[True], [False]], tf.bool), tf.constant(np.array([0, 2]), tf.bool)])
    assert [v.tolist() for v in found] == [[[True], [False]], [False, True]]


@pytest.mark.parametrize("is_variable", [False, True])
@pytest.mark.parametrize("way", ["interpreted", "compiled"])
@pytest.mark.filterwarnings("ignore:Converting sparse")
def test_slices_with_constant_indices_come_from_the_branch_taken_only(is_variable, way, monkeypatch):
    from evergraph.runtime import executor

    monkeypatch.setattr(executor, "SMALL_OPS", -1 if way == "compiled" else 10**9)
    with tf.Graph().as_default(), tf.Session() as session:
        value = tf.constant([1.0, 2.0, 3.0])
        v = tf.get_variable("v", initializer=value, use_resource=True) if is_variable else value
        w = tf.get_variable("w", initializer=2.0, use_resource=True)

        def turn(i, x):
            return i + 1, tf.cond(i < 2, lambda: x * tf.reduce_sum(tf.gather(v, [0, 1])), lambda: x * w)

        _, y = tf.while_loop(lambda i, x: i < 4, turn, [0, tf.constant(1.0)])
        gradients = [tf.convert_to_tensor(g) for g in tf.gradients(y, [v, w])]
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            found, dv, dw = session.run([y, *gradients])
            assert (found, dv.tolist(), dw) == (36.0, [24.0, 24.0, 0.0], 36.0)


def test_an_op_with_inputs_from_two_loops_is_named():
    enter = tf.raw_ops.Enter
    x = tf.placeholder(tf.float32, [])
    left, right = enter(data=x, frame_name="left"), enter(data=x, frame_name="right")
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="inputs from different frames"):
        session.run(tf.raw_ops.Add(x=left, y=right), {x: 1.0})


def test_a_gradient_in_a_loop_of_what_it_started_from_is_refused():
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(ValueError, match="with respect to op 'x'"):
        tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.gradients(v * 2.0, x)[0]), [0, x + 1.0])
