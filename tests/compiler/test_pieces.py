"""Large programs in pieces: the same numbers as whole, and what is alike is compiled once."""

import pickle
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import evergraph as tf
from evergraph.compiler import pieces
from evergraph.compiler.pieces import Pieces


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "LEAST", 8)
    monkeypatch.setattr(pieces, "USUAL", 16)
    monkeypatch.setattr(pieces, "MOST", 60)
    monkeypatch.setattr(pieces, "MANY_EQUATIONS", 60)
    monkeypatch.setattr(pieces, "MOST_DIFFERENT", 1.0)
    made = []
    compile = pieces._compiled
    monkeypatch.setattr(pieces, "_compiled", lambda p: made.append(len(p)) or compile(p))
    return made


def layers(count):
    def loss(weights, x):
        for w, b in weights:
            x = jnp.tanh(x @ w + b) * 1.5 + jnp.sin(x) / (1.0 + x * x)
        return (x * x).sum()

    def step(weights, x):
        value, gradients = jax.value_and_grad(loss)(weights, x)
        return [value], [w - 0.1 * g for w, g in zip(jax.tree.leaves(weights), jax.tree.leaves(gradients), strict=True)]

    random = np.random.RandomState(0)
    weights = [(random.randn(5, 5) * 0.2, random.randn(5) * 0.1) for _ in range(count)]
    return step, weights, random.randn(3, 5)


def in_pieces(function, *args):
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    donated = [True] * len(jax.tree.leaves(args[0]))
    rest = [False] * (len(closed.jaxpr.invars) - len(donated))
    program = Pieces(closed, jax.tree.structure(shapes), donated + rest)
    program.compile()
    return program


def test_the_same_as_the_whole(small_pieces):
    step, weights, x = layers(12)
    with jax.enable_x64(True):
        program = in_pieces(step, weights, x)
        assert len(program) > 4
        expected = jax.jit(step)(weights, x)
        for _ in range(2):
            given = program(jax.tree.map(jnp.array, weights), x)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), given, expected)


def test_layers_are_compiled_once(small_pieces):
    with jax.enable_x64(True):
        few = in_pieces(*(lambda s, w, x: (s, w, x))(*layers(12)))
        many = in_pieces(*(lambda s, w, x: (s, w, x))(*layers(48)))
    assert len(many) > 3 * len(few)
    assert many.different <= few.different + 2


@pytest.mark.parametrize("where", ["consts", "eqns", "parameter"])
def test_arrays_inside_an_equation_count_to_the_last_element(where):
    def token(last):
        array = np.arange(2000.0)  # of which a text shows the first and last three
        array[1000] = last
        inner = SimpleNamespace(primitive=SimpleNamespace(name="add"), invars=[], params={"table": array})
        inside = {
            "consts": SimpleNamespace(consts=[array], eqns=()),
            "eqns": SimpleNamespace(consts=(), eqns=[inner]),
            "parameter": array,
        }
        name = SimpleNamespace(name="call")
        return pieces._token(SimpleNamespace(primitive=name, invars=[], params={"inside": inside[where]}))

    assert token(1.0) == token(1.0)
    assert token(1.0) != token(2.0)


def test_what_is_given_away_is_taken_over(small_pieces):
    step, weights, x = layers(12)
    with jax.enable_x64(True):
        program = in_pieces(step, weights, x)
        given = jax.tree.map(jnp.array, weights)
        kept = jnp.array(x)
        program(given, kept)
        assert all(w.is_deleted() for w in jax.tree.leaves(given))
        assert not kept.is_deleted()


def test_literals_and_inputs_among_the_results(small_pieces):
    def function(donated, x):
        y = x
        for _ in range(40):
            y = jnp.tanh(y) + 0.5 * y - jnp.cos(y)
        return [x, jnp.float64(3.0), y], [donated[0]], None

    with jax.enable_x64(True):
        x = np.linspace(-1.0, 1.0, 5)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)([np.zeros(2)], x)
        program = Pieces(closed, jax.tree.structure(shapes), [True, False])
        program.compile()
        (same, three, y), (zeros,), nothing = program([jnp.zeros(2)], x)
        np.testing.assert_array_equal(same, x)
        assert three == 3.0
        np.testing.assert_allclose(y, jax.jit(function)([jnp.zeros(2)], x)[0][2], rtol=1e-12)
        np.testing.assert_array_equal(zeros, np.zeros(2))
        assert nothing is None


@pytest.mark.parametrize("from_disk", [False, True])
def test_no_two_results_are_one_array(small_pieces, from_disk):
    """Two variables that get one value, or one that gets a constant, give their arrays away at the next run."""
    table = np.arange(5.0)

    def function(donated, x):
        y = x
        for _ in range(40):
            y = jnp.tanh(y) + 0.5 * y - jnp.cos(y)
        return [y], [y, y, x, x, jnp.asarray(table), jnp.bool_(True), jnp.int32(7), donated[0]], None

    with jax.enable_x64(True):
        x = jnp.linspace(-1.0, 1.0, 5)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)([np.zeros(2)], x)
        program = Pieces(closed, jax.tree.structure(shapes), [True, False])
        program.compile()
        if from_disk:
            program = Pieces.of_kept(pickle.loads(pickle.dumps(program.kept())))
        for _ in range(2):
            (shown,), variables, _ = program([jnp.zeros(2)], x)
            arrays = [shown, *variables]
            assert len({a.unsafe_buffer_pointer() for a in [x, *arrays]}) == 1 + len(arrays)
            given_away = jax.jit(lambda *a: [2 * v for v in a[:5]], donate_argnums=tuple(range(5)))
            for a, b in zip(given_away(*variables[:5]), [shown, shown, x, x, table], strict=True):
                np.testing.assert_array_equal(a, 2 * np.asarray(b))
            assert [v.dtype.name for v in variables[5:7]] == ["bool", "int32"]


def test_cuts_follow_from_the_content(small_pieces):
    random = np.random.RandomState(0)
    layer = [bytes(random.randint(0, 255, 4).tolist()) for _ in range(50)]
    start = [bytes(random.randint(0, 255, 4).tolist()) for _ in range(37)]

    def cuts(tokens, first):
        return {(a - first) % 50 for a, b in pieces._bounds(tokens) if first + 100 <= a < len(tokens) - 60}

    plain, shifted = cuts(layer * 20, 0), cuts(start + layer * 20, len(start))
    assert plain == shifted
    assert len(plain) <= 6


@pytest.mark.parametrize("optimizer", [tf.train.MomentumOptimizer(0.05, 0.9), tf.train.AdamOptimizer(0.01)])
def test_a_session_trains_alike(small_pieces, monkeypatch, optimizer):
    from evergraph.compiler import lower

    def train(in_pieces):
        monkeypatch.setattr(lower, "MANY_INSTRUCTIONS", 50 if in_pieces else 10**9)
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.set_random_seed(1)
            x = tf.placeholder(tf.float32, [None, 6])
            labels = tf.placeholder(tf.int32, [None])
            h = x
            for i in range(6):
                h = tf.layers.dense(h, 6, tf.nn.tanh, name=f"layer{i}")
                h = tf.layers.batch_normalization(h, training=True, name=f"norm{i}")
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=h))
            with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
                step = optimizer.minimize(loss)
            sess.run(tf.global_variables_initializer())
            random = np.random.RandomState(0)
            losses = [
                sess.run([step, loss], {x: random.randn(8, 6), labels: random.randint(0, 6, 8)})[1] for _ in range(5)
            ]
            with pytest.raises(tf.errors.InvalidArgumentError):
                sess.run([step, loss], {x: random.randn(8, 6), labels: [9] * 8})
            return losses, sess.run(tf.global_variables())

    whole, parts = train(False), train(True)
    assert small_pieces
    np.testing.assert_allclose(parts[0], whole[0], rtol=2e-5)
    for a, b in zip(parts[1], whole[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)
