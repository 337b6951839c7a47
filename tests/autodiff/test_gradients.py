"""What `tf.gradients` adds to a graph: which ops, under which names, waiting for what, on which device.

The expected ops were given by TF 1.15.5. Whole programs are in `tests/graph_identity`.
"""

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework import opdefs


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


@pytest.fixture
def x():
    return tf.placeholder(tf.float32, [2], name="x")


def added(graph, scope="gradients"):
    """The ops of one call, one line each, without what `grad_ys` starts from."""
    lines = []
    for op in graph.get_operations():
        if not op.name.startswith(scope + "/") or op.type in ("Const", "Fill", "Shape"):
            continue
        inputs = [t.name.removesuffix(":0") for t in op.inputs] + sorted("^" + c.name for c in op.control_inputs)
        place = " with " + op.colocation_groups()[0].decode()[5:] if "_class" in op.attrs else ""
        device = f" @{op.device}" if op.device else ""
        line = f"{op.name} = {op.type}({', '.join(inputs)}){place}{device}"
        lines.append(line.replace(scope + "/", ""))
    return lines


def test_start_is_a_fill_of_ones(graph, x):
    tf.gradients(tf.identity(x), x)
    names = [op.name for op in graph.get_operations()[2:]]
    assert names == ["gradients/Shape", "gradients/grad_ys_0", "gradients/Fill"]


def test_given_start_is_an_identity(graph, x):
    (grad,) = tf.gradients(tf.identity(x), x, grad_ys=tf.constant([1.0, 2.0]))
    assert grad.name == "gradients/grad_ys_0:0" and grad.op.type == "Identity"


def test_source_that_is_a_result_gets_the_start(x):
    (grad,) = tf.gradients(x, x)
    assert grad.op.name == "gradients/Fill"


def test_gradient_ops_are_in_a_scope_of_their_op_and_know_it(graph, x):
    y = tf.exp(x, name="deep/down")
    (grad,) = tf.gradients(y, x)
    assert grad.op.name == "gradients/deep/down_grad/mul"
    assert grad.op._original_op is y.op
    assert graph._default_original_op is None and graph.get_name_scope() == ""


def test_gradients_that_meet_are_added_beside_the_first(graph, x):
    a = tf.identity(x, name="a")
    tf.gradients([a, tf.identity(a, name="b"), a], x)
    assert added(graph) == ["AddN = AddN(Fill, Fill_2, Fill_1) with Fill"]


@pytest.mark.parametrize(
    ("method", "known_shape", "expected"),
    [
        (tf.AggregationMethod.ADD_N, True, ["AddN = AddN(Fill, Fill_1, Fill_2) with Fill"]),
        (
            tf.AggregationMethod.EXPERIMENTAL_TREE,
            True,
            [
                "x_gradient_sum/AddN = AddN(Fill, Fill_1)",
                "x_gradient_sum/AddN_1 = AddN(x_gradient_sum/AddN, Fill_2)",
            ],
        ),
        (
            tf.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N,
            True,
            ["AccumulateNV2 = AccumulateNV2(Fill, Fill_1, Fill_2)"],
        ),
        (
            tf.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N,
            False,
            [
                "x_gradient_sum/AddN = AddN(Fill, Fill_1)",
                "x_gradient_sum/AddN_1 = AddN(x_gradient_sum/AddN, Fill_2)",
            ],
        ),
    ],
)
def test_aggregation_methods(graph, method, known_shape, expected):
    x = tf.placeholder(tf.float32, [2] if known_shape else [None], name="x")
    tf.gradients([tf.identity(x) for _ in range(3)], x, aggregation_method=method)
    assert added(graph) == expected


def test_sums_are_made_on_each_device_first(graph, x):
    with tf.device("/cpu:0"):
        a, b = tf.identity(x, "a"), tf.identity(x, "b")
    with tf.device("/cpu:1"):
        c, d = tf.identity(x, "c"), tf.identity(x, "d")
    tf.gradients([a, b, c, d], x, colocate_gradients_with_ops=True)
    assert added(graph) == [
        "AddN = AddN(Fill, Fill_1) with a @/device:CPU:0",
        "AddN_1 = AddN(Fill_2, Fill_3) with c @/device:CPU:1",
        "AddN_2 = AddN(AddN, AddN_1) with x",
    ]


def test_gate_lets_gradients_of_one_op_out_together(graph, x):
    y = tf.placeholder(tf.float32, [2], name="y")
    tf.gradients(tf.multiply(x, y, name="m"), [x, y], gate_gradients=True)
    assert added(graph) == [
        "m_grad/Mul = Mul(Fill, y)",
        "m_grad/Mul_1 = Mul(Fill, x)",
        "m_grad/tuple/group_deps = NoOp(^m_grad/Mul, ^m_grad/Mul_1)",
        "m_grad/tuple/control_dependency = Identity(m_grad/Mul, ^m_grad/tuple/group_deps) with m_grad/Mul",
        "m_grad/tuple/control_dependency_1 = Identity(m_grad/Mul_1, ^m_grad/tuple/group_deps) with m_grad/Mul_1",
    ]


def test_gate_on_several_devices_has_a_no_op_on_each(graph, x):
    def rule(op, grad):
        with tf.device("/cpu:1"):
            there = tf.identity(grad, name="there")
        return there, tf.identity(grad, name="here"), None

    y = tf.add_n([x, x, x], name="y")
    y.op._gradient_function = rule
    tf.gradients(y, x, gate_gradients=True)
    assert added(graph)[:5] == [
        "y_grad/there = Identity(Fill) @/device:CPU:1",
        "y_grad/here = Identity(Fill)",
        "y_grad/tuple/group_deps/NoOp = NoOp(^y_grad/here)",
        "y_grad/tuple/group_deps/NoOp_1 = NoOp(^y_grad/there) @/device:CPU:1",
        "y_grad/tuple/group_deps = NoOp(^y_grad/tuple/group_deps/NoOp, ^y_grad/tuple/group_deps/NoOp_1)",
    ]


def test_gate_keeps_outer_control_dependencies_and_drops_devices(graph):
    with tf.device("/cpu:0"):
        x = tf.placeholder(tf.float32, [2], name="x")
    with tf.device("/cpu:1"):
        y = tf.placeholder(tf.float32, [2], name="y")
        z = tf.multiply(x, y, name="z")
    with tf.control_dependencies([x]), tf.device("/gpu:0"):
        tf.gradients(z, [x, y], gate_gradients=True, colocate_gradients_with_ops=True)
    assert added(graph) == [
        "z_grad/Mul = Mul(Fill, y) with z @/device:CPU:1",
        "z_grad/Mul_1 = Mul(Fill, x) with z @/device:CPU:1",
        "z_grad/tuple/group_deps = NoOp(^z_grad/Mul, ^z_grad/Mul_1, ^x) @/device:CPU:1",
        "z_grad/tuple/control_dependency = Identity(z_grad/Mul, ^z_grad/tuple/group_deps) with z @/device:CPU:1",
        "z_grad/tuple/control_dependency_1 = Identity(z_grad/Mul_1, ^z_grad/tuple/group_deps) with z @/device:CPU:1",
    ]


def test_output_without_a_gradient_gets_zeros_before_the_scope_of_the_rule(graph):
    x = tf.placeholder(tf.float32, [4], name="x")
    a, _ = tf.split(x, 2)
    tf.gradients(a, x)
    assert added(graph) == [
        "zeros_like = ZerosLike(split:1)",
        "split_grad/concat = ConcatV2(Fill, zeros_like, split/split_dim)",
    ]


def test_integers_carry_no_gradient(x):
    assert tf.gradients(tf.cast(tf.cast(x, tf.int32), tf.float32), x) == [None]


def test_stop_gradients_are_constants(x):
    y = tf.exp(x)
    z = tf.exp(y)
    assert tf.gradients(z, [x, y], stop_gradients=y)[0] is None
    assert tf.gradients(z, [x, y], stop_gradients=[y])[1] is not None
    assert tf.gradients(x * y, x, stop_gradients=[y])[0].op.type == "Mul"


def test_unconnected_source_gets_none_or_zeros_outside_the_scope(x):
    y = tf.placeholder(tf.float64, [3], name="y")
    assert tf.gradients(x, y) == [None]
    for zero in (tf.UnconnectedGradients.ZERO, "zero"):
        (grad,) = tf.gradients(x, y, unconnected_gradients=zero)
        assert grad.op.name.startswith("zeros_like")
        assert (grad.dtype, grad.shape.as_list()) == (tf.float64, [3])


def test_unconnected_output_of_an_op_whose_other_output_is_connected_gets_zeros():
    a, b = tf.split(tf.placeholder(tf.float32, [4]), 2)
    _, grad = tf.gradients(tf.exp(a), [a, b], unconnected_gradients="zero")
    assert grad.shape.as_list() == [2]


def test_gradient_has_the_static_shape_of_its_source():
    x = tf.placeholder(tf.float32, [None, 3])
    w = tf.placeholder(tf.float32, [3, 4])
    y = tf.matmul(x, w)
    assert [g.shape.as_list() for g in tf.gradients(y, [x, w])] == [[None, 3], [3, 4]]


def test_gradients_of_marked_ops_are_marked_for_compilation(x):
    y = tf.tanh(x)
    y.op._set_attr("_XlaCompile", True)
    y.op._set_attr("_XlaScope", b"jit_scope_0")
    (grad,) = tf.gradients(y, x)
    assert grad.op.attrs["_XlaCompile"] is True and grad.op.attrs["_XlaScope"] == b"jit_scope_0"
    y.op._set_attr("_XlaSeparateCompiledGradients", True)
    (grad,) = tf.gradients(y, x, name="g")
    assert grad.op.attrs["_XlaScope"] == b"jit_scope_0_grad_g"


def test_long_chain_is_walked_without_recursion(x):
    y = x
    for _ in range(20_000):
        y = tf.identity(y)
    (grad,) = tf.gradients(y, x)
    assert grad.op.type == "Fill"


def test_indexed_slices_add_up_by_concatenation(graph):
    v = tf.Variable(np.ones([5, 2], np.float32), name="v")
    parts = [tf.gather(v, [0, 1]), tf.gather(v, tf.constant([2], tf.int64)), tf.gather(v, [3])]
    (grad,) = tf.gradients(parts, v)
    assert isinstance(grad, tf.IndexedSlices)
    assert grad.values.op.name == "gradients/concat" and grad.indices.op.name == "gradients/concat_1"
    assert grad.indices.dtype == tf.int64
    assert grad.values.shape.as_list() == [4, 2]


def test_indexed_slices_and_a_tensor_add_up_as_tensors(graph):
    v = tf.Variable(np.ones([5, 2], np.float32), name="v")
    (grad,) = tf.gradients([tf.gather(v, [0, 1]), tf.identity(v)], v)
    assert grad.op.type == "AddN" and "_class" not in grad.op.attrs
    assert any(t.op.type == "UnsortedSegmentSum" for t in grad.op.inputs)


def test_resource_variable_is_differentiated_by_its_handle():
    v = tf.Variable(np.ones(2, np.float32), use_resource=True)
    y = tf.identity(v) * 3.0
    (by_variable,), (by_handle,) = tf.gradients(y, v), tf.gradients(y, v.handle)
    assert by_variable.op.type == by_handle.op.type == "Mul"
    (zero,) = tf.gradients(tf.constant(1.0), v, unconnected_gradients="zero")
    assert zero.shape.as_list() == [2]


# Errors


def test_op_without_a_gradient_is_named(graph, x):
    opdefs.lookup("OpWithoutGradient") or opdefs.register("OpWithoutGradient(x: float) -> (y: float)")
    y = graph.create_op("OpWithoutGradient", [x], name="lonely").outputs[0]
    with pytest.raises(LookupError, match=r"No gradient defined for operation 'lonely' \(op type: OpWithoutGradient\)"):
        tf.gradients(tf.exp(y), x)
    assert tf.gradients(tf.exp(y), x, stop_gradients=[y]) == [None]


def _ruled(x, rule):
    y = tf.identity(x, name="y")
    y.op._gradient_function = rule
    return y


def test_wrong_number_of_gradients(x):
    with pytest.raises(ValueError, match="Num gradients 2 generated for op .*'y'.* do not match num inputs 1"):
        tf.gradients(_ruled(x, lambda op, g: (g, g)), x)


def test_wrong_shape_of_a_gradient(x):
    with pytest.raises(ValueError, match="Incompatible shapes between op input and calculated input gradient"):
        tf.gradients(_ruled(x, lambda op, g: tf.ones([5])), x)


def test_gradient_that_is_no_tensor(x):
    with pytest.raises(TypeError, match="gave 3.0 for input 0"):
        tf.gradients(_ruled(x, lambda op, g: 3.0), x)


@pytest.mark.parametrize(
    ("y_type", "grad_type", "message"),
    [
        (tf.complex64, None, "Gradients of complex tensors must set grad_ys"),
        (tf.float32, tf.complex64, "must be real or integer"),
        (tf.complex64, tf.float32, "complex-valued"),
        (tf.string, tf.float32, "must be numeric"),
        (tf.string, None, "Expected string"),
    ],
)
def test_start_of_the_wrong_type(y_type, grad_type, message):
    y = tf.placeholder(y_type, [2])
    grad = None if grad_type is None else tf.placeholder(grad_type, [2])
    with pytest.raises(TypeError, match=message):
        tf.gradients(y, y, grad_ys=[grad])


def test_arguments_that_do_not_fit(x):
    with pytest.raises(ValueError, match="Passed 2 grad_ys for 1 ys"):
        tf.gradients(x, x, grad_ys=[x, x])
    with pytest.raises(ValueError, match="Unknown value for unconnected_gradients: 'foo'"):
        tf.gradients(x, x, unconnected_gradients="foo")
    with pytest.raises(ValueError, match="Invalid aggregation_method specified 7"):
        tf.gradients(x, x, aggregation_method=7)
    with pytest.raises(TypeError, match="xs holds None"):
        tf.gradients(x, [None])
