"""What programs do with variables beside training them. Values of updates are in `cases_state.py`."""

import copy

import numpy as np
import pytest

import evergraph as tf

KINDS = pytest.mark.parametrize("use_resource", [False, True], ids=["ref", "resource"])


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, *init):
    with tf.Session() as session:
        session.run(init or tf.global_variables_initializer())
        return session.run(fetches)


@KINDS
def test_reads_as_a_tensor(use_resource):
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], use_resource=use_resource)
    assert isinstance(v, tf.Variable)
    made = [v + 1.0, 1.0 - v, v * v, v / 2.0, -v, abs(-v), v**2, v @ v, v > 2.0, v[1], v[0, 1], v[:, None]]
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    wanted = [x + 1, 1 - x, x * x, x / 2, -x, x, x**2, x @ x, x > 2, x[1], x[0, 1], x[:, None]]
    for value, expected in zip(run(made), wanted):
        np.testing.assert_allclose(value, expected)


@KINDS
def test_says_what_it_is(use_resource, graph):
    v = tf.Variable([1.0, 2.0], name="v", trainable=False, use_resource=use_resource)
    assert (v.name, v.dtype.base_dtype, v.shape.as_list(), v.graph) == ("v:0", tf.float32, [2], graph)
    assert v.op.name == "v"
    assert v.device == ""
    assert v.initializer.name == "v/Assign"
    assert not v.trainable
    assert repr(v) == f"<tf.Variable 'v:0' shape=(2,) dtype={v.dtype.name}>"
    assert v.get_shape() == v.shape
    assert v.initial_value.dtype is tf.float32
    assert v.constraint is None
    assert v.aggregation is tf.VariableAggregation.NONE
    assert v.synchronization is tf.VariableSynchronization.AUTO


@KINDS
def test_is_compared_and_hashed_as_an_object(use_resource):
    v, w = (tf.Variable(1.0, use_resource=use_resource) for _ in range(2))
    assert v == v
    assert v != w
    assert len({v, w, v}) == 2
    assert v.experimental_ref().deref() is v
    with pytest.raises(TypeError, match="not iterable"):
        iter(v)


@KINDS
def test_eval_and_load(use_resource, graph):
    v = tf.Variable([1, 2], use_resource=use_resource)
    ops = len(graph.get_operations())
    with tf.Session() as session:
        session.run(v.initializer)
        v.load([5, 6])
        np.testing.assert_array_equal(v.eval(), [5, 6])
        v.load([7, 8], session)
        np.testing.assert_array_equal(v.eval(session), [7, 8])
    assert len(graph.get_operations()) == ops
    with pytest.raises(ValueError, match="default session"):
        v.load([1, 2])


def test_two_sessions_share_nothing():
    v = tf.Variable(0)
    count = v.assign_add(1)
    with tf.Session() as one, tf.Session() as other:
        one.run(v.initializer)
        other.run(v.initializer)
        assert [one.run(count) for _ in range(3)] == [1, 2, 3]
        assert other.run(v) == 0


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"initial_value": None}, ValueError, "initial_value must be specified"),
        ({"collections": "abc"}, ValueError, "collections argument"),
        ({"constraint": 1}, ValueError, "callable"),
        ({"aggregation": 9}, ValueError, "Invalid variable aggregation mode"),
        ({"synchronization": 9}, ValueError, "Invalid variable synchronization mode"),
    ],
)
@KINDS
def test_refuses_arguments(wrong, error, message, use_resource):
    with pytest.raises(error, match=message):
        tf.Variable(**{"initial_value": 1.0, "use_resource": use_resource, **wrong})


def test_needs_a_shape_unless_told_not_to_ask():
    x = tf.placeholder(tf.float32)
    with pytest.raises(ValueError, match="must have a shape specified"):
        tf.Variable(x)
    v = tf.Variable(x, validate_shape=False)
    assert v.shape.ndims is None
    with tf.Session() as session:
        session.run(v.initializer, {x: np.ones([2, 3])})
        assert session.run(tf.shape(v)).tolist() == [2, 3]


def test_assignment_may_change_the_shape():
    v = tf.Variable([1.0, 2.0])
    assign = tf.assign(v, [1.0, 2.0, 3.0], validate_shape=False)
    with tf.Session() as session:
        session.run(v.initializer)
        session.run(assign)
        assert session.run(v).tolist() == [1.0, 2.0, 3.0]


def test_collections():
    a = tf.Variable(1.0)
    b = tf.Variable(1.0, trainable=False)
    c = tf.Variable(1.0, collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
    d = tf.get_local_variable("d", [], initializer=tf.zeros_initializer())
    e = tf.Variable(1.0, collections=["mine"], trainable=False)
    on_read = tf.Variable(1.0, synchronization=tf.VariableSynchronization.ON_READ)
    assert tf.global_variables() == tf.all_variables() == [a, b, on_read]
    assert tf.trainable_variables() == [a]
    assert tf.local_variables() == [c, d]
    assert tf.get_collection("mine") == [e]
    assert tf.global_variables("Variable_1") == [b]
    assert tf.model_variables() == tf.moving_average_variables() == []


def test_initializers_of_groups_of_variables():
    a, b = tf.Variable(1), tf.Variable(2)
    c = tf.get_local_variable("c", [], tf.int32)
    with tf.Session() as session:
        session.run(tf.variables_initializer([a]))
        assert session.run(tf.report_uninitialized_variables()).tolist() == [b"Variable_1", b"c"]
        assert session.run([tf.is_variable_initialized(v) for v in (a, b)]) == [True, False]
        session.run(tf.local_variables_initializer())
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(tf.assert_variables_initialized())
        session.run(tf.global_variables_initializer())
        session.run(tf.assert_variables_initialized())
        assert session.run([a, b, c]) == [1, 2, 0]
        assert session.run(tf.report_uninitialized_variables()).tolist() == []


def test_without_variables_there_is_nothing_to_initialize():
    assert tf.global_variables_initializer().type == "NoOp"
    assert tf.assert_variables_initialized() is None


@KINDS
def test_updates_give_what_the_variable_is_afterwards(use_resource):
    v = tf.Variable(1.0, use_resource=use_resource)
    once = v.assign_add(1.0)
    with tf.control_dependencies([once]):
        twice = v.assign_add(1.0)
    assert run(twice * 10.0) == 30.0
    assert isinstance(v.assign(1.0, read_value=False), tf.Operation)


@KINDS
def test_row_updates_take_indexed_slices(use_resource):
    for name in ("add", "sub", "mul", "div", "min", "max", "update"):
        v = tf.Variable([4.0, 6.0], use_resource=use_resource)
        part = getattr(v, f"scatter_{name}")(tf.IndexedSlices([2.0], [1]))
        expected = {"add": 8, "sub": 4, "mul": 12, "div": 3, "min": 2, "max": 6, "update": 2}[name]
        assert run(part + 0.0).tolist() == [4.0, expected]
        with pytest.raises(TypeError, match="not IndexedSlices"):
            getattr(v, f"scatter_{name}")([1.0])
    v = tf.Variable([1, 2, 3], use_resource=use_resource)
    assert run(v.scatter_nd_add([[0], [0]], [1, 1]) + 0).tolist() == [3, 2, 3]
    assert run(v.scatter_nd_sub([[2]], [1]) + 0).tolist() == [1, 2, 2]
    assert run(v.scatter_nd_update([[1]], [9]) + 0).tolist() == [1, 9, 3]


def test_in_place_operators():
    v = kept = tf.Variable(1.0)
    v += 1.0
    assert isinstance(v, tf.Tensor)
    assert run([v, kept]) == [2.0, 1.0]
    w = tf.Variable(1.0, use_resource=True)
    with pytest.raises(RuntimeError, match="assign_add"):
        w += 1.0


def test_resource_variables_can_be_the_default():
    assert not tf.resource_variables_enabled()
    tf.enable_resource_variables()
    try:
        assert tf.Variable(1.0).op.type == tf.get_variable("v", []).op.type == "VarHandleOp"
    finally:
        tf.disable_resource_variables()
    assert tf.Variable(1.0).op.type == "VariableV2"


def test_reading_rows_of_a_resource_variable():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=True)
    rows = tf.placeholder(tf.int32, [None])
    read = v.sparse_read(rows)
    grad = tf.gradients(read * read, v)[0]
    assert isinstance(grad, tf.IndexedSlices)
    with tf.Session() as session:
        session.run(v.initializer)
        assert session.run(read, {rows: [2, 0]}).tolist() == [[5.0, 6.0], [1.0, 2.0]]
        assert session.run(v.gather_nd([[1, 1], [0, 0]])).tolist() == [4.0, 1.0]
        values = session.run(grad, {rows: [2, 2]})
        assert values.indices.tolist() == [2, 2]
        assert values.values.tolist() == [[10.0, 12.0], [10.0, 12.0]]
        assert values.dense_shape.tolist() == [3, 2]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 3 is not in \[0, 3\)"):
            session.run(read, {rows: [0, 3]})


@KINDS
def test_goes_through_a_message(use_resource):
    v = tf.Variable([1.0, 2.0], name="v", trainable=False, use_resource=use_resource)
    v._set_save_slice_info(tf.Variable.SaveSliceInfo("whole", [4], [2], [2]))
    message = v.to_proto()
    assert (message.variable_name, message.initializer_name) == ("v:0", "v/Assign")
    assert message.snapshot_name == ("v/Read/ReadVariableOp:0" if use_resource else "v/read:0")
    assert message.is_resource is use_resource
    again = tf.Variable.from_proto(message)
    assert type(again) is type(v)
    assert (again.name, again.initializer, again.initial_value, again.trainable) == (
        v.name, v.initializer, v.initial_value, False,
    )  # fmt: skip
    assert again._get_save_slice_info().spec == "4 2,2"
    assert run(again + 0.0).tolist() == [1.0, 2.0]
    assert v.to_proto(export_scope="other") is None


@KINDS
def test_message_in_a_scope(use_resource):
    with tf.name_scope("a"):
        v = tf.Variable(1.0, name="v", use_resource=use_resource)
    message = v.to_proto(export_scope="a")
    assert message.variable_name == "v:0"
    assert tf.Variable.from_proto(message, import_scope="a").name == "a/v:0"


def test_creators_stand_between():
    seen = []

    def doubling(next_creator, **kwargs):
        seen.append(kwargs["name"])
        return next_creator(**{**kwargs, "initial_value": kwargs["initial_value"] * 2})

    def naming(next_creator, **kwargs):
        return next_creator(**{**kwargs, "name": "named"})

    with tf.variable_creator_scope(doubling):
        with tf.variable_creator_scope(naming):
            v = tf.Variable(3.0)
    assert seen == ["named"]
    assert v.name == "named:0"
    assert run(v) == 6.0


def test_caching_device_keeps_one_read():
    v = tf.Variable(1.0, caching_device="/cpu:0", use_resource=True)
    assert v.value() is v.value()
    assert v.value().device == "/device:CPU:0"
    w = tf.Variable(1.0, caching_device="/cpu:0")
    assert w.value().device == "/device:CPU:0"
    assert run([v, w]) == [1.0, 1.0]


def test_a_variable_that_no_session_gave_a_value():
    v = tf.Variable(1.0, name="weights")
    with tf.Session() as session, pytest.raises(tf.errors.FailedPreconditionError, match="weights"):
        session.run(v + 1.0)


def test_wrong_type_is_refused():
    v = tf.Variable(1.0)
    with pytest.raises(ValueError, match="Incompatible type conversion"):
        tf.convert_to_tensor(v, tf.int32)
    with pytest.raises(AttributeError):
        tf.assign(tf.constant(1.0), 2.0)


def test_a_resource_variable_is_assigned_in_its_own_graph(graph):
    v = tf.Variable(1.0, use_resource=True)
    with tf.Graph().as_default():
        updates = [v.assign(2.0), v.assign_add(3.0), v.assign_sub(4.0)]
    assert all(update.graph is graph for update in updates)


def test_a_resource_variable_is_not_copied_deeply():
    v = tf.Variable(1.0, use_resource=True)
    with pytest.raises(NotImplementedError, match="__deepcopy__"):
        copy.deepcopy(v)


def test_reading_a_resource_that_is_not_there_says_which():
    handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="var5")
    value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
    with (
        tf.Session() as session,
        pytest.raises(tf.errors.FailedPreconditionError, match="Resource .*/var5/.* does not"),
    ):
        session.run(value)
