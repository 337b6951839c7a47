"""`to_stablehlo`: a module that runs, its files, and shapes."""

import jax
import numpy as np
import pytest

import evergraph as tf

X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture
def model():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        w = tf.Variable(np.arange(12, dtype=np.float32).reshape(4, 3), name="w")
        y = tf.tanh(tf.matmul(x, w) / 50, name="y")
        session.run(w.initializer)
        yield session, x, y


def test_the_module_computes_what_a_session_does_for_any_batch(model):
    session, x, y = model
    module = tf.to_stablehlo([y, tf.argmax(y, 1)], [x], session=session)
    assert str(module.in_avals[0].shape) == "(b, 4)"
    for value in (X, X[:1]):
        with jax.enable_x64(True):
            got, best = module.call(value)
        np.testing.assert_allclose(got, session.run(y, {x: value}), rtol=1e-6)
        assert best.dtype == np.int64


def test_files(model, tmp_path):
    session, x, y = model
    tf.to_stablehlo(y, [x], tmp_path / "m.mlir", session, shapes={"x": [2, 4]})
    text = (tmp_path / "m.mlir").read_text()
    assert "stablehlo.dot_general" in text and "tensor<2x4xf32>" in text
    tf.to_stablehlo(y, [x], str(tmp_path / "m.stablehlo"), session)
    assert b"StableHLO" in (tmp_path / "m.stablehlo").read_bytes()[:64]
    for name in ("m.mlir.pb", "m.stablehlo.pb"):
        with tf.Graph().as_default(), tf.Session() as other:
            graph_def = tf.GraphDef.FromString((tmp_path / name).read_bytes())
            (again,) = tf.import_graph_def(graph_def, return_elements=["y:0"], name="")
            np.testing.assert_allclose(other.run(again, {"x:0": X}), session.run(y, {x: X}), rtol=1e-6)


def test_shapes_that_do_not_fit(model):
    session, x, y = model
    for shapes, message in (({"x": [2, 5]}, r"\[2, 5\]"), ({"y": [1]}, "no feed 'y'"), ({"x": [-1, 4]}, "-1")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            tf.to_stablehlo(y, [x], session=session, shapes=shapes)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is unknown"):
        tf.to_stablehlo(*[tf.placeholder(tf.float32, name="any")] * 2, session=session)


def test_open_sizes_that_the_ops_do_not_allow(model):
    session, x, y = model
    flat = tf.reshape(y, tf.stack([tf.shape(y)[0] * 3]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="give the shapes of 'x'"):
        tf.to_stablehlo(flat, [x], session=session)
    assert tf.to_stablehlo(flat, [x], session=session, shapes={"x": [2, 4]}).out_avals[0].shape == (6,)


def test_what_is_not_pure_is_refused(model, tmp_path):
    session, x, y = model
    with pytest.raises(tf.errors.UnimplementedError, match="AsString"):
        tf.to_stablehlo(tf.as_string(y), [x], tmp_path / "m.mlir", session)
    assert not list(tmp_path.iterdir())
