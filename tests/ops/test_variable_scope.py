"""`get_variable` and `variable_scope`. The graphs they build are in `tests/graph_identity`."""

import numpy as np
import pytest

import evergraph as tf


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_names_follow_variable_scopes_not_name_scopes():
    with tf.name_scope("ops"), tf.variable_scope("outer"), tf.variable_scope("inner") as scope:
        v = tf.get_variable("v", [1])
        x = tf.constant(1.0, name="x")
    assert (v.name, x.name) == ("outer/inner/v:0", "ops/outer/inner/x:0")
    assert (scope.name, scope.original_name_scope) == ("outer/inner", "ops/outer/inner/")
    assert tf.get_variable_scope().name == ""


def test_a_new_name_must_be_new():
    tf.get_variable("v", [1])
    with pytest.raises(ValueError, match="Variable v already exists, disallowed.*AUTO_REUSE"):
        tf.get_variable("v", [1])


def test_reuse_finds_what_there_is_and_makes_nothing():
    with tf.variable_scope("s") as scope:
        v = tf.get_variable("v", [1])
    with tf.variable_scope("s", reuse=True):
        assert tf.get_variable("v", [1]) is v
        assert tf.get_variable("v") is v
        with tf.variable_scope("below"), pytest.raises(ValueError, match="s/below/v does not exist"):
            tf.get_variable("v", [1])
        with pytest.raises(ValueError, match="does not exist"):
            tf.get_variable("w", [1])
    with tf.variable_scope(scope):
        assert not tf.get_variable_scope().reuse
        tf.get_variable_scope().reuse_variables()
        assert tf.get_variable("v") is v


def test_reused_variables_keep_shape_and_type():
    tf.get_variable("v", [2])
    with tf.variable_scope("", reuse=True):
        with pytest.raises(ValueError, match=r"specified shape \(3,\) and found shape \(2,\)"):
            tf.get_variable("v", [3])
        with pytest.raises(ValueError, match="specified dtype int32 and found dtype float32_ref"):
            tf.get_variable("v", [2], tf.int32)


def test_auto_reuse_does_either():
    made = []
    for _ in range(2):
        with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
            made.append(tf.get_variable("v", [1]))
    assert made[0] is made[1]


def test_default_names_are_made_unique():
    names = []
    for _ in range(3):
        with tf.variable_scope(None, default_name="layer"):
            names.append(tf.get_variable("v", [1]).op.name)
    assert names == ["layer/v", "layer_1/v", "layer_2/v"]


def test_scopes_of_a_scope_object_may_be_entered_again():
    scope = tf.variable_scope("s", reuse=tf.AUTO_REUSE)
    for _ in range(2):
        with scope as entered:
            assert entered.name == "s"
            v = tf.get_variable("v", [1])
    assert v.name == "s/v:0"


def test_defaults_come_from_the_scope_around():
    ones, l2 = tf.ones_initializer(), lambda v: tf.reduce_sum(v) * 0.5
    with tf.variable_scope("s", initializer=ones, regularizer=l2, dtype=tf.float64, use_resource=True):
        with tf.variable_scope("inner"):
            v = tf.get_variable("v", [2])
            w = tf.get_variable("w", [2], initializer=tf.zeros_initializer(), regularizer=tf.no_regularizer)
    assert v.dtype is w.dtype is tf.float64
    assert v.op.type == "VarHandleOp"
    losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert run([v, w, *losses])[2] == 1.0
    assert len(losses) == 1


def test_setters_of_a_scope():
    with tf.variable_scope("s") as scope:
        scope.set_initializer(tf.constant_initializer(3.0))
        scope.set_dtype(tf.float16)
        scope.set_use_resource(True)
        v = tf.get_variable("v", [])
    assert (v.dtype, run(v), v.op.type) == (tf.float16, 3.0, "VarHandleOp")
    assert scope.global_variables() == scope.trainable_variables() == [v]
    assert scope.local_variables() == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"initializer": [1.0], "shape": [1]}, ValueError, "do not specify shape"),
        ({"initializer": tf.zeros_initializer()}, ValueError, "fully defined shape"),
        ({"shape": [None, 2]}, ValueError, "fully defined shape"),
        ({"initializer": 1.0, "dtype": tf.int32}, ValueError, "don't match"),
        ({"shape": [1], "dtype": tf.complex64}, ValueError, "initializer for variable v"),
        ({"shape": [1], "custom_getter": 1}, ValueError, "not callable"),
        ({"shape": [1], "partitioner": 1}, ValueError, "Partitioner must be callable"),
    ],
)
def test_refuses_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        tf.get_variable("v", **arguments)


def test_refuses_scopes():
    with pytest.raises(TypeError, match="name_or_scope is required"):
        tf.variable_scope(None)
    with pytest.raises(ValueError, match="reuse parameter"):
        tf.variable_scope("s", reuse=1)
    with pytest.raises(TypeError, match="must be a string or VariableScope"):
        tf.variable_scope(1).__enter__()
    with pytest.raises(ValueError, match="without a name_or_scope"):
        tf.variable_scope(None, "d", reuse=True).__enter__()
    assert tf.get_variable_scope().name == ""


def test_functions_as_initializers():
    v = tf.get_variable("v", [2], initializer=lambda shape, dtype, partition_info: tf.fill(shape, 5.0))
    w = tf.get_variable("w", initializer=lambda: tf.constant([1, 2]))
    assert [x.tolist() for x in run([v, w])] == [[5.0, 5.0], [1, 2]]


def test_custom_getters_nest():
    def suffixed(getter, name, *args, **kwargs):
        return getter(name + "_suffixed", *args, **kwargs)

    def doubled(getter, *args, **kwargs):
        return getter(*args, **kwargs) * 2.0

    with tf.variable_scope("s", custom_getter=suffixed), tf.variable_scope("inner", custom_getter=doubled):
        x = tf.get_variable("v", [], initializer=tf.ones_initializer())
    assert [v.name for v in tf.global_variables()] == ["s/inner/v_suffixed:0"]
    assert run(x) == 2.0


def test_each_graph_has_its_own_variables():
    v = tf.get_variable("v", [1])
    with tf.Graph().as_default():
        assert tf.get_variable("v", [1]) is not v


def test_scopes_belong_to_their_thread(graph):
    from threading import Thread

    names = []

    def build():
        with graph.as_default():
            names.append(tf.get_variable_scope().name)

    with tf.variable_scope("s"):
        thread = Thread(target=build)
        thread.start()
        thread.join()
    assert names == [""]


# Variables in parts


def test_partitioned_variable_reads_as_its_parts_together():
    value = np.arange(10, dtype=np.float32).reshape(5, 2)
    v = tf.get_variable("v", initializer=tf.constant(value), partitioner=tf.fixed_size_partitioner(2))
    parts = list(v)
    assert [p.name for p in parts] == ["v/part_0:0", "v/part_1:0"]
    assert [p.shape.as_list() for p in parts] == [[3, 2], [2, 2]]
    assert [p._get_save_slice_info().spec for p in parts] == ["5 2 0,3:0,2", "5 2 3,2:0,2"]
    assert (len(v), v.name, v.shape.as_list(), v.dtype) == (2, "v", [5, 2], tf.float32)
    np.testing.assert_array_equal(run(tf.convert_to_tensor(v)), value)
    with tf.variable_scope("", reuse=True):
        assert tf.get_variable("v") is v
        with pytest.raises(ValueError, match="partitions"):
            tf.get_variable("v", [5, 2], partitioner=tf.fixed_size_partitioner(3))
    with pytest.raises(ValueError, match="No partitioner was provided"):
        tf.get_variable("v", [5, 2])


def test_partitioned_variable_can_be_assigned():
    v = tf.get_variable("v", [4], initializer=tf.zeros_initializer(), partitioner=tf.fixed_size_partitioner(2))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(v.assign(np.array([1.0, 2.0, 3.0, 4.0], np.float32)))
        session.run(v.assign_add([tf.ones([2]), tf.zeros([2])]))
        assert session.run(v.as_tensor()).tolist() == [2.0, 3.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("partitioner", "expected"),
    [
        (tf.fixed_size_partitioner(3), [3, 1]),
        (tf.fixed_size_partitioner(30, axis=1), [1, 4]),
        (tf.variable_axis_size_partitioner(64), [3, 1]),
        (tf.variable_axis_size_partitioner(64, max_shards=2), [2, 1]),
        (tf.variable_axis_size_partitioner(1), [10, 1]),
        (tf.min_max_variable_partitioner(max_partitions=3, min_slice_size=64), [3, 1]),
        (tf.min_max_variable_partitioner(max_partitions=9, min_slice_size=64), [3, 1]),
        (tf.min_max_variable_partitioner(), [1, 1]),
    ],
)
def test_partitioners(partitioner, expected):
    assert partitioner(shape=tf.TensorShape([10, 4]), dtype=tf.float32) == expected


def test_partitioners_refuse_what_they_cannot_cut():
    for partitioner, message in (
        (lambda **_: 3, "must return a sequence"),
        (lambda **_: [1], "does not match the Variable's rank"),
        (lambda **_: [0, 1], "zero partitions"),
        (lambda **_: [2, 2], "one dimension"),
    ):
        with pytest.raises(ValueError, match=message):
            tf.get_variable("v", [4, 4], partitioner=partitioner)
    with pytest.raises(ValueError, match="positive"):
        tf.variable_axis_size_partitioner(0)


def test_create_partitioned_variables():
    parts = tf.create_partitioned_variables([4, 2], [2, 1], tf.ones_initializer(), name="v")
    assert [p.name for p in parts] == ["v/part_0:0", "v/part_1:0"]


# Templates


def test_template_makes_its_variables_once():
    scale = tf.make_template("scale", lambda x, factor: x * factor * tf.get_variable("w", []), factor=2.0)
    y, z = scale(1.0), scale(3.0)
    assert scale.variables == scale.trainable_variables == tf.global_variables()
    assert (scale.name, scale.variable_scope_name, scale.variable_scope.name) == ("scale", "scale/", "scale")
    values = run([y, z])
    np.testing.assert_allclose(values[1], 3 * values[0])


def test_template_refuses_new_variables_later():
    wild = tf.make_template("wild", lambda: tf.Variable(1.0))
    wild()
    with pytest.raises(ValueError, match="Trainable variable created"):
        wild()


def test_templates_of_one_name_are_apart():
    one, other = (tf.make_template("t", lambda: tf.get_variable("v", []), create_scope_now_=True) for _ in range(2))
    assert [one().name, other().name] == ["t/v:0", "t_1/v:0"]


def test_a_scope_left_too_early_can_still_be_left_in_its_turn():
    with tf.variable_scope("aa"):
        scope = tf.variable_scope("bb")
        scope.__enter__()
        with tf.variable_scope("cc"), pytest.raises(RuntimeError, match="Improper nesting"):
            scope.__exit__(None, None, None)
        scope.__exit__(None, None, None)
        assert tf.get_variable_scope().name == "aa"


def test_creator_scopes_close_innermost_first(graph):
    def creator(next_creator, **kwargs):
        return next_creator(**kwargs)

    before = graph._variable_creator_stack
    scope = tf.variable_creator_scope(creator)
    scope.__enter__()
    with tf.variable_creator_scope(creator), pytest.raises(RuntimeError, match="without proper nesting"):
        scope.__exit__(None, None, None)
    graph._variable_creator_stack = before
    assert graph._variable_creator_stack == []


def test_the_store_takes_the_shape_by_position():
    from evergraph.python.ops.variable_scope import _get_default_variable_store

    store = _get_default_variable_store()
    v = store.get_variable("v", [1])
    assert store.get_variable("v", [1]) is v
    assert (v.dtype.base_dtype, v.shape.as_list()) == (tf.float32, [1])


def test_an_initializer_with_arguments_of_its_own_needs_a_shape():
    with pytest.raises(ValueError, match="The initializer passed is not valid"):
        tf.get_variable("v", initializer=lambda a, shape, dtype=None: tf.zeros([2]))


def test_init_scope_leaves_graphs_that_build_functions():
    outer, inner = tf.Graph(), tf.Graph()
    inner._building_function = True
    with outer.as_default(), inner.as_default():
        with tf.init_scope():
            assert tf.constant(1.0).graph is outer
        assert tf.constant(1.0).graph is inner
