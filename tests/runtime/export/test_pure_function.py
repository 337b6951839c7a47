"""`to_jax`: the function gives what a session gives, goes through JAX's transformations, refuses what is not pure."""

import jax
import numpy as np
import pytest

import evergraph as tf

RNG = np.random.RandomState(0)
X = RNG.randn(5, 4).astype(np.float32)


@pytest.fixture
def model():
    """(session, x, tensors) of a small network whose variables are of both kinds."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        x = tf.placeholder(tf.float32, [None, 4], name="in/x")
        w = tf.get_variable("w", [4, 3], initializer=tf.random_normal_initializer(seed=1))
        b = tf.get_variable("b", [3], initializer=tf.ones_initializer(), use_resource=True)
        y = tf.nn.elu(tf.matmul(x, w) + b, name="y")
        loss = tf.reduce_sum(tf.square(y), name="loss")
        tensors = {
            "w": w,
            "b": b,
            "y": y,
            "loss": loss,
            "best": tf.argmax(y, 1),
            "gradients": tf.gradients(loss, [w, b]),
        }
        session.run(tf.global_variables_initializer())
        yield session, x, tensors


def test_values_are_the_sessions_plain_and_compiled(model):
    session, x, t = model
    fetches = {"y": t["y"], "rest": (t["loss"], t["best"])}
    function, parameters = tf.to_jax(fetches, [x], session)
    want = session.run(fetches, {x: X})
    assert sorted(parameters) == ["b", "w"]
    for one in (function, jax.jit(function)):
        got = one(parameters, X)
        np.testing.assert_allclose(got["y"], want["y"], rtol=1e-6)
        np.testing.assert_allclose(got["rest"][0], want["rest"][0], rtol=1e-6)
        np.testing.assert_array_equal(got["rest"][1], want["rest"][1])


def test_derivatives_are_those_of_tf_gradients(model):
    session, x, t = model
    function, parameters = tf.to_jax(t["loss"], [x], session)
    got = jax.jit(jax.grad(function))(parameters, X)
    want_w, want_b = session.run(t["gradients"], {x: X})
    np.testing.assert_allclose(got["w"], want_w, rtol=1e-5)
    np.testing.assert_allclose(got["b"], want_b, rtol=1e-5)


def test_tf_gradients_themselves_can_be_fetched(model):
    session, x, t = model
    function, parameters = tf.to_jax(t["gradients"], [x], session)
    for got, want in zip(function(parameters, X), session.run(t["gradients"], {x: X}), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


def test_vmap(model):
    session, x, t = model
    function, parameters = tf.to_jax(t["y"], [x], session)
    both = np.stack([X, 2 * X])
    got = jax.vmap(function, (None, 0))(parameters, both)
    want = [session.run(t["y"], {x: one}) for one in both]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_parameters_are_arguments(model):
    session, x, t = model
    function, parameters = tf.to_jax(t["y"], [x], session)
    changed = function({**parameters, "w": np.zeros([4, 3], np.float32)}, X)
    np.testing.assert_array_equal(changed, np.ones([5, 3], np.float32))
    with pytest.raises(ValueError, match="no value for 'b'"):
        function({"w": parameters["w"]}, X)


def test_a_variable_itself_can_be_fetched(model):
    session, _, t = model
    function, parameters = tf.to_jax([t["w"], t["b"]], (), session)
    w, b = function(parameters)
    np.testing.assert_array_equal(w, session.run(t["w"]))
    np.testing.assert_array_equal(b, [1, 1, 1])


def test_feeds_by_name(model):
    session, x, t = model
    function, parameters = tf.to_jax(t["y"], [x], session)
    named, _ = tf.to_jax(t["y"], {"images": "in/x:0"}, session)
    want = function(parameters, X)
    np.testing.assert_array_equal(function(parameters, **{"in/x": X}), want)
    np.testing.assert_array_equal(named(parameters, images=X), want)
    for wrong, message in (
        (lambda: named(parameters), "not given: images"),
        (lambda: named(parameters, X, images=X), "given twice"),
        (lambda: named(parameters, image=X), "no feed 'image'; there are: images"),
        (lambda: named(parameters, X, X), "takes 1 feed"),
    ):
        with pytest.raises(TypeError, match=message):
            wrong()
    with pytest.raises(ValueError, match=r"shape \(5, 3\).*\(\?, 4\)"):
        named(parameters, X[:, :3])


def test_any_tensor_can_be_fed(model):
    session, _, t = model
    function, parameters = tf.to_jax(t["loss"], [t["y"]], session)
    assert parameters == {}
    assert float(function({}, np.full([2, 3], 2.0))) == 24.0


def test_a_frozen_graph(model):
    session, x, t = model
    frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["y"])
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        function, parameters = tf.to_jax("y:0", ["in/x:0"])
    assert parameters == {} and graph is not session.graph
    np.testing.assert_allclose(jax.jit(function)({}, X), session.run(t["y"], {x: X}), rtol=1e-6)


def test_branches_and_loops():
    with tf.Graph().as_default(), tf.Session() as session:
        x, n = tf.placeholder(tf.float32, [3], name="x"), tf.placeholder(tf.int32, [], name="n")
        branch = tf.cond(n > 2, lambda: tf.square(x), lambda: -x)
        loop = tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2), [0, x])[1]
        function, parameters = tf.to_jax([branch, loop], [x, n], session)
        compiled = jax.jit(function)
        value = np.array([1, 2, 3], np.float32)
        for count in (1, 4):
            for got, want in zip(
                compiled(parameters, value, count), session.run([branch, loop], {x: value, n: count}), strict=True
            ):
                np.testing.assert_array_equal(got, want)


def test_gradients_of_loops():
    with tf.Graph().as_default(), tf.Session() as session:
        x, n = tf.placeholder(tf.float32, [None, 6, 3], name="x"), tf.placeholder(tf.int32, [None], name="lengths")
        cell = tf.nn.rnn_cell.LSTMCell(4)
        outputs, state = tf.nn.dynamic_rnn(cell, x, sequence_length=n, dtype=tf.float32)
        gradients = tf.gradients(tf.reduce_sum(tf.square(outputs)), tf.trainable_variables())
        session.run(tf.global_variables_initializer())
        feeds = RNG.randn(2, 6, 3).astype(np.float32), np.array([6, 4], np.int32)
        function, parameters = tf.to_jax([outputs, state, gradients], [x, n], session)
        got = jax.jit(function)(parameters, *feeds)
        want = session.run([outputs, state, gradients], dict(zip((x, n), feeds, strict=True)))
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        loss, parameters = tf.to_jax(tf.reduce_sum(tf.square(outputs)), [x, n], session)
        derived = jax.jit(jax.grad(loss))(parameters, *feeds)
        for variable, other in zip(tf.trainable_variables(), want[2], strict=True):
            np.testing.assert_allclose(derived[variable.op.name], other, rtol=1e-4, atol=1e-6)


def test_loops_of_unknown_length_have_their_gradients_up_to_most_trips():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [], name="x")
        y = tf.while_loop(lambda v: v < 10, lambda v: v * v, [x])
        (gradient,) = tf.gradients(y, x)
        for most, is_enough in ((8, True), (2, False)):
            function, _ = tf.to_jax(gradient, [x], session, most_trips=most)
            got = jax.jit(function)({}, 1.2)  # 1.2 to the power of 16
            assert np.isnan(got) != is_enough
        np.testing.assert_allclose(
            tf.to_jax(gradient, [x], session)[0]({}, 1.2), session.run(gradient, {x: 1.2}), rtol=1e-5
        )


def test_a_check_that_fails_gives_nan():
    with tf.Graph().as_default(), tf.Session() as session:
        labels = tf.placeholder(tf.int32, [None], name="labels")
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.zeros([2, 3])))
        function, _ = tf.to_jax([loss, tf.size(labels)], [labels], session)
        compiled = jax.jit(function)
        np.testing.assert_allclose(compiled({}, np.array([0, 2]))[0], np.log(3), rtol=1e-6)
        wrong = compiled({}, np.array([0, 3]))
        assert np.isnan(wrong[0]) and wrong[1] == 2


def test_random_ops_start_where_a_new_session_does_and_go_on_with_the_counter():
    with tf.Graph().as_default(), tf.Session() as session:
        seeded, first, second = tf.random_uniform([4], seed=7), tf.random_normal([4]), tf.random_normal([4])
        function, parameters = tf.to_jax([seeded, first, second], (), session)
        a, b, c = function(parameters)
        np.testing.assert_array_equal(a, session.run(seeded))
        assert not np.array_equal(b, c)
        for one, again in zip((a, b, c), jax.jit(function)(parameters), strict=True):
            np.testing.assert_allclose(one, again, rtol=1e-6)
        later = jax.jit(lambda n: function(parameters, counter=n))
        drawn = [np.asarray(later(n)[0]) for n in (0, 1, 2)]
        np.testing.assert_array_equal(drawn[0], a)
        assert len({d.tobytes() for d in drawn}) == 3


def test_64_bits_are_as_jax_has_them():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float64, [2], name="x")
        y = x / 3
        function, _ = tf.to_jax(y, [x], session)
        with jax.enable_x64(True):
            got = jax.jit(function)({}, np.array([1.0, 2.0]))
            assert got.dtype == np.float64
            np.testing.assert_array_equal(got, np.array([1.0, 2.0]) / 3)
        with pytest.warns(UserWarning, match="64 bits"):
            assert function({}, np.array([1.0, 2.0])).dtype == np.float32
        assert function({}, np.array([1.0, 2.0])).dtype == np.float32  # said once


def test_what_is_not_pure_is_refused_all_at_once(model):
    session, x, t = model
    with session.graph.as_default():
        one, two = tf.assign(t["w"], t["w"] * 2, name="double"), tf.assign_add(t["w"], t["w"], name="more")
        first, second = tf.as_string(t["y"], name="text"), tf.where(t["y"] > 0, name="places")
    with pytest.raises(
        tf.errors.UnimplementedError, match=r"(?s)2 op\(s\) write.*'double' \(Assign\).*'more' \(AssignAdd\)"
    ):
        tf.to_jax([one, two], (), session)
    with pytest.raises(tf.errors.UnimplementedError, match=r"(?s)host.*'text' \(AsString\).*'places' \(Where\)"):
        tf.to_jax([first, second], [x], session)


def test_missing_placeholders_sessions_and_values(model):
    session, x, t = model
    with pytest.raises(ValueError, match="'in/x'"):
        tf.to_jax(t["y"], (), session)
    with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value"):
        tf.to_jax(t["y"], [x], tf.Session(graph=session.graph))
    with session.graph.as_default(), pytest.raises(ValueError, match=r"twice"):
        tf.to_jax(t["y"], [x, x], session)


def test_a_shape_that_depends_on_a_feed_is_refused_when_it_is_traced():
    with tf.Graph().as_default():
        n = tf.placeholder(tf.int32, [], name="n")
        function, _ = tf.to_jax(tf.zeros([n, 2]), [n])
        with pytest.raises(tf.errors.UnimplementedError, match="XLA must know"):
            jax.jit(function)({}, 3)
