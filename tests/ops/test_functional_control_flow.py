"""Branches and loops whose parts are functions, and `tf.function`: what building them says and refuses.

What they compute is compared with TensorFlow in tests/session/cases_loops.py, what they build in tests/graph_identity.
"""

import collections

import numpy as np
import pytest

import evergraph as tf
from evergraph.ops.functions import functional_cond, functional_while


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture
def by_functions():
    tf.enable_control_flow_v2()
    yield
    tf.disable_control_flow_v2()


def test_the_switch_is_seen():
    assert not tf.control_flow_v2_enabled()
    tf.enable_control_flow_v2()
    try:
        assert tf.control_flow_v2_enabled()
    finally:
        tf.disable_control_flow_v2()
    assert tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2)).op.type == "Merge"


def test_a_loop_in_a_part_is_functional_too(graph):
    functional_cond.cond(
        tf.constant(True),
        lambda: tf.while_loop(lambda i: i < 3, lambda i: i + 1, [tf.constant(0)]),
        lambda: tf.constant(1),
    )
    (inner,) = [op for body in graph._functions.values() for op in body.get_operations() if op.type == "While"]
    assert inner.graph is not graph


@pytest.mark.parametrize(
    "false_fn, problem",
    [
        (lambda: tf.constant(1), "different types"),
        (lambda: (tf.constant(1.0), tf.constant(2.0)), "structure"),
        (lambda: {"a": tf.constant(1.0)}, "structure"),
    ],
)
def test_branches_that_differ_are_refused(false_fn, problem):
    with pytest.raises(TypeError, match="must have the same number, type, and overall structure") as error:
        functional_cond.cond(tf.constant(True), lambda: tf.constant(1.0), false_fn)
    assert problem in str(error.value)


def test_a_branch_may_not_take_a_tensor_of_the_other():
    inside = []
    with pytest.raises(ValueError, match=r"Tensor Const:0 in true_fn is accessed from false_fn\."):
        functional_cond.cond(
            tf.constant(True), lambda: inside.append(tf.constant(1.0)) or inside[0], lambda: inside[0] + 1.0
        )


def test_a_loop_variable_keeps_its_type_and_shape():
    with pytest.raises(TypeError, match="enters the loop with type <dtype: 'float32'> but has type <dtype: 'float16'>"):
        functional_while.while_loop(lambda x: x < 1, lambda x: tf.cast(x, tf.float16), [tf.constant(0.0)])
    with pytest.raises(ValueError, match=r"enters the loop with shape \(1,\), but has shape \(2,\) after one"):
        functional_while.while_loop(lambda x: x[0] < 1, lambda x: tf.concat([x, x], 0), [tf.constant([0.0])])


def test_an_op_outside_is_waited_for_by_the_whole_branch():
    x, v = tf.constant(2.0), tf.Variable(1.0, use_resource=True)
    add = v.assign_add(x).op

    def branch():
        with tf.control_dependencies([add]):
            return v.read_value()

    y = functional_cond.cond(tf.constant(True), branch, lambda: tf.constant(0.0))
    assert y.op.inputs[0].op.control_inputs == [add]
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(y) == 3.0


def test_a_loop_gives_its_results_in_the_form_of_its_variables(by_functions):
    Pair = collections.namedtuple("Pair", "i x")
    start = Pair(tf.constant(0), tf.constant(1.0))
    found = tf.while_loop(lambda i, x: i < 3, lambda i, x: [i + 1, x * 2.0], start)
    assert isinstance(found, Pair)
    with tf.Session() as session:
        assert session.run(found.x) == 8.0


def test_former_names_of_the_branches_are_known(by_functions):
    y = tf.cond(tf.constant(True), fn1=lambda: tf.constant(1.0), fn2=lambda: tf.constant(2.0))
    with tf.Session() as session:
        assert session.run(y) == 1.0
    with pytest.raises(TypeError, match="false_fn must be callable"):
        tf.cond(tf.constant(True), lambda: tf.constant(1.0), tf.constant(2.0))


def test_a_variable_made_in_a_part_is_of_the_graph_around(graph, by_functions):
    y = tf.cond(
        tf.constant(True),
        lambda: tf.get_variable("w", [2], initializer=tf.ones_initializer()) * 2,
        lambda: tf.zeros([2]),
    )
    assert [v.name for v in tf.global_variables()] == ["w:0"]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(y), [2, 2])


def test_gradients_in_a_part_reach_what_is_outside(by_functions):
    x = tf.placeholder(tf.float32, [])
    y = x * x
    found = tf.cond(x > 0, lambda: tf.gradients(y * x, x)[0], lambda: tf.gradients(y, x)[0])
    with tf.Session() as session:
        assert session.run(found, {x: 2.0}) == 12.0
        assert session.run(found, {x: -2.0}) == -4.0


@pytest.mark.parametrize(
    "noisy",
    [
        lambda z, fourth: tf.cond(z > 0, lambda: fourth(z), lambda: z),
        lambda z, fourth: tf.switch_case(0 * tf.cast(z, tf.int32), [lambda: fourth(z), lambda: z]),
        lambda z, fourth: tf.while_loop(lambda i, z: i < 1, lambda i, z: (i + 1, fourth(z)), [0, z])[1],
        lambda z, fourth: tf.function(fourth)(z),
    ],
    ids=["cond", "switch_case", "while_loop", "function"],
)
def test_what_a_gradient_in_a_part_had_kept_serves_for_a_gradient_of_the_part(by_functions, noisy):
    x = tf.placeholder(tf.float32, [])

    def branch():
        return tf.gradients(noisy(x, lambda z: z**4 * tf.random_uniform([], 0.5, 1.5)), x)[0]

    third = tf.cond(x > 0, branch, lambda: x)  # 4 x^3 r, with the random number r
    (second,) = tf.gradients(third, x)
    with tf.Session() as session:
        for _ in range(3):
            found = session.run([third, second], {x: 2.0})
            assert found[1] == pytest.approx(found[0] * 1.5)


@pytest.mark.parametrize("is_functional", [True, False])
def test_shapes_follow_from_constants_outside_of_a_loop(is_functional):
    loop = functional_while.while_loop if is_functional else tf.while_loop
    shape, partly = tf.constant([3, 4]), tf.shape(tf.placeholder(tf.float32, [7, None]))
    seen = {}

    def body(i):
        seen["whole"] = tf.fill(tf.concat([[5], shape], 0), 1.0).shape.as_list()
        seen["partly"] = tf.fill(partly, 1.0).shape.as_list()
        return i + 1

    loop(lambda i: i < 3, body, [tf.constant(0)])
    assert seen["whole"] == [5, 3, 4]
    assert seen["partly"] == [7, None]


def test_arrays_in_functional_loops_are_lists(by_functions):
    array = tf.TensorArray(tf.float32, 2)
    assert array.handle is None and array.flow.dtype is tf.variant
    with pytest.raises(ValueError, match="Inconsistent shapes"):
        array.write(0, [1.0]).write(1, [1.0, 2.0])
    with pytest.raises(NotImplementedError):
        array.grad("gradients")
    with pytest.raises(ValueError, match="Size must be provided if flow is not provided"):
        tf.TensorArray(tf.float32)
    dynamic = tf.TensorArray(tf.float32, 0, dynamic_size=True)
    _, dynamic = tf.while_loop(
        lambda i, a: i < 3, lambda i, a: (i + 1, a.write(i, tf.cast(i, tf.float32))), [0, dynamic]
    )
    halves = tf.TensorArray(tf.float32, 2).split([1.0, 2.0, 3.0], [1, 2])
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(dynamic.stack()), [0, 1, 2])
        np.testing.assert_array_equal(session.run(halves.concat()), [1, 2, 3])


# tf.function


def test_a_function_is_made_once_for_each_kind_of_arguments():
    calls = []

    @tf.function
    def scaled(x, factor, name=None):
        calls.append((x.shape.as_list(), factor, name))
        return x * factor

    for _ in range(2):
        scaled(tf.zeros([2]), 3.0)
        scaled(tf.ones([2]), factor=3.0)
        scaled(tf.zeros([3]), 3.0)
        scaled(tf.zeros([3]), 4.0, name="other")
    assert calls == [([2], 3.0, None), ([3], 3.0, None), ([3], 4.0, "other")]
    assert scaled.get_concrete_function(tf.TensorSpec([2], tf.float32), 3.0).name.startswith("__inference_scaled_")


def test_a_signature_serves_for_all_that_fits_it():
    calls = []

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def total(x):
        calls.append(x)
        return tf.reduce_sum(x)

    found = [total(tf.ones([n])) for n in (1, 2, 5)]
    assert len(calls) == 1
    assert calls[0].shape.as_list() == [None]
    for wrong in (tf.ones([1, 1]), tf.constant([1])):
        with pytest.raises(ValueError, match="Python inputs incompatible with input_signature"):
            total(wrong)
    with tf.Session() as session:
        assert session.run(found) == [1, 2, 5]


def test_methods_and_structures():
    class Model:
        def __init__(self):
            self.weight = None

        @tf.function
        def __call__(self, inputs):
            if self.weight is None:
                self.weight = tf.Variable(3.0)
            return {"scaled": inputs["x"] * self.weight, "none": None, "pair": (inputs["y"], 1.0)}

    model = Model()
    found = model({"x": tf.constant(2.0), "y": tf.constant(5)})
    assert found["none"] is None
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([found["scaled"], found["pair"]]) == [6.0, (5, 1.0)]
    with pytest.raises(ValueError, match="tried to create variables on non-first call"):
        model.weight = None
        model({"x": tf.constant([2.0]), "y": tf.constant(5)})


def test_a_function_in_a_loop_has_constants_of_its_own():
    add = tf.function(lambda x: x + 2)
    with tf.Session() as session:
        assert session.run(tf.while_loop(lambda i: i < 5, add, [0])) == 6


def test_a_gradient_through_a_call_stays_in_rows():
    table = tf.Variable(np.ones((4, 2), np.float32), use_resource=True)
    rows = tf.function(lambda i: tf.nn.embedding_lookup(table, i))(tf.constant([1, 3, 1]))
    (found,) = tf.gradients(rows, table)
    assert isinstance(found, tf.IndexedSlices)
    with tf.Session() as session:
        np.testing.assert_array_equal(session.run(found.indices), [1, 3, 1])


def test_a_loop_that_waits_and_writes_and_whose_values_come_in_late():
    """Value by value; one of its start values is what another loop gives."""
    queue = tf.FIFOQueue(100, [tf.float32], shapes=[[]])
    v = tf.Variable(0.0)
    late = tf.while_loop(lambda i: i < 30, lambda i: i + 1, [0])

    def body(i, z):
        with tf.control_dependencies([tf.assign_add(v, queue.dequeue())]):
            return i + 1, z + 1

    loop = tf.while_loop(lambda i, z: i < 50, body, [0, late])
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(queue.enqueue_many([np.ones(50, np.float32)]))
        assert session.run([*loop, v]) == [50, 80, 50.0]
