"""`to_onnx`: each op that is mapped gives what a session gives, by ONNX's own reference; the others are all named."""

import sys

import numpy as np
import onnx
import onnx.reference
import pytest

import evergraph as tf

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

RNG = np.random.RandomState(3)


def values(*shape):
    return RNG.randn(*shape).astype(np.float32)


def compare(build, feeds, tolerance=1e-5, shapes=None):
    """Build a graph of placeholders like `feeds`, and compare the model with a session.

    Args:
        shapes: the static shapes of the placeholders; by default only the first size of each is unknown.
    """
    shapes = shapes or [[None, *v.shape[1:]] if v.ndim else [] for v in feeds]
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [
            tf.placeholder(tf.as_dtype(v.dtype), shape, name=f"x{i}")
            for i, (v, shape) in enumerate(zip(feeds, shapes, strict=True))
        ]
        built = build(*inputs)
        outputs = list(built) if isinstance(built, (list, tuple)) else [built]
        session.run(tf.global_variables_initializer())
        model = tf.to_onnx({f"out{i}": t for i, t in enumerate(outputs)}, inputs, session=session)
        want = session.run(outputs, dict(zip(inputs, feeds, strict=True)))
    onnx.checker.check_model(model, full_check=True)
    for run in runners(model):
        got = run(None, {f"x{i}": v for i, v in enumerate(feeds)})
        for one, other in zip(map(np.asarray, got), want, strict=True):
            assert one.dtype == other.dtype and one.shape == other.shape
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    return model


def runners(model):
    """What runs ONNX models here: its own reference, and ONNX Runtime where that is installed."""
    loops = [node for node in model.graph.node if node.op_type == "Loop"]
    if not any(len(node.output) > len(node.input) - 2 for node in loops):  # the reference does not stack scan outputs
        yield onnx.reference.ReferenceEvaluator(model).run
    if onnxruntime is not None:
        yield onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run


UNARY = """abs sign floor ceil exp sin cos tan tanh sigmoid square erf expm1 zeros_like ones_like identity negative
    sinh cosh atan asinh stop_gradient round""".split()


@pytest.mark.parametrize("name", UNARY)
def test_element_wise(name):
    compare(getattr(tf, name, None) or getattr(tf.math, name), [values(2, 3)])


@pytest.mark.parametrize("name", ["sqrt", "rsqrt", "log", "log1p", "reciprocal"])
def test_element_wise_of_positive_values(name):
    compare(getattr(tf.math, name), [np.abs(values(2, 3)) + 0.5])


@pytest.mark.parametrize(
    "name", ["relu", "relu6", "elu", "selu", "softplus", "softsign", "leaky_relu", "softmax", "log_softmax"]
)
def test_activations(name):
    compare(getattr(tf.nn, name), [values(2, 5) * 4])


@pytest.mark.parametrize(
    "name",
    ["add", "subtract", "multiply", "divide", "maximum", "minimum", "squared_difference", "floormod", "floordiv"],
)
def test_of_two(name):
    compare(getattr(tf, name, None) or getattr(tf.math, name), [values(2, 3), np.abs(values(2, 3)) + 0.5])


def test_integers_divide_towards_minus_infinity():
    a, b = np.array([-7, 7, -6, 5], np.int32), np.array([2, -2, 3, 3], np.int32)
    compare(lambda x, y: (x // y, x % y), [a, b])


def test_comparisons_and_selections():
    compare(
        lambda x, y: (
            x > y,
            x <= y,
            tf.equal(x, y),
            tf.not_equal(x, y),
            tf.logical_and(x > 0, tf.logical_not(y > 0)),
            tf.where(x > y, x, y),
            tf.where(x[:, 0] > 0, x, y),
            tf.clip_by_value(x, -0.5, 0.5),
        ),
        [values(3, 4), values(3, 4)],
    )


def test_casts_and_sums():
    compare(lambda x: (tf.cast(x, tf.int32), tf.cast(x > 0, tf.float32), tf.add_n([x, x, x])), [values(3, 4)])


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod"])
def test_reductions(name):
    reduce = getattr(tf, "reduce_" + name)
    compare(lambda x: (reduce(x), reduce(x, 1), reduce(x, [0, 2], keepdims=True), reduce(x, -1)), [values(2, 3, 4)])


def test_logical_reductions_and_places():
    compare(
        lambda x: (
            tf.reduce_all(x > 0, 1),
            tf.reduce_any(x > 1),
            tf.argmax(x, 1),
            tf.argmin(x, 1, output_type=tf.int32),
            *tf.nn.top_k(x, 2),
            tf.cumsum(x, 1, exclusive=True),
        ),
        [values(3, 4)],
    )


def test_shapes():
    compare(
        lambda x: (
            tf.shape(x),
            tf.size(x),
            tf.reshape(x, [-1, 2]),
            tf.reshape(x, [tf.shape(x)[0], 4]),
            tf.layers.flatten(x),
            tf.expand_dims(x, 1),
            tf.squeeze(x[:, :1], 1),
            tf.transpose(x, [1, 0, 2]),
            tf.tile(x, [1, 2, 1]),
            tf.fill(tf.shape(x)[:1], 2.0),
        ),
        [values(3, 2, 2)],
    )


@pytest.mark.parametrize(
    "cut",
    [
        lambda x: x[1:],
        lambda x: x[:, -1],
        lambda x: x[0],
        lambda x: x[..., 1:3],
        lambda x: x[:, ::-1],
        lambda x: x[:, 1::2, tf.newaxis],
        lambda x: x[:, tf.newaxis, 0, ..., tf.newaxis],
        lambda x: x[::2, 3:0:-1, :-1],
    ],
)
def test_slices(cut):
    compare(cut, [values(4, 5, 3)])


def test_places_that_depend_on_the_feeds():
    compare(
        lambda x, n: (
            x[:n],
            x[n:, tf.newaxis],
            x[n],
            x[..., -n],
            tf.slice(x, [0, n, 0], tf.stack([-1, n, 2])),
            tf.slice(x, tf.range(3) * 0, tf.stack([n, n, n]) - 3),
            tf.pad(x, tf.stack([tf.stack([0, n]), tf.stack([0, 0]), tf.stack([n, 0])])),
            tf.reverse(x, [0, 2]),
            tf.reverse_sequence(x, tf.stack([n, 1, n, n + 1]), 1, 0),
        ),
        [values(4, 5, 3), np.array(2, np.int32)],
    )


def test_joins_and_cuts():
    compare(
        lambda x, y: (
            tf.concat([x, y], 1),
            tf.stack([x, y], 1),
            *tf.unstack(x, axis=1),
            *tf.split(x, 2, axis=1),
            *tf.split(x, [1, -1], axis=1),
            tf.slice(x, [0, 1], [-1, 2]),
            tf.gather(x, [0, 2], axis=1),
            tf.gather(x, tf.constant([[0, 1], [1, 0]])),
            tf.gather_nd(x, [[0, 1], [1, 2]]),
            tf.pad(x, [[0, 1], [2, 0]]),
            tf.pad(x, [[0, 0], [1, 2]], constant_values=3.0),
            tf.pad(x, [[0, 0], [1, 2]], mode="REFLECT"),
        ),
        [values(3, 4), values(3, 4)],
    )


def test_one_hot_and_embeddings():
    table = values(5, 3)
    compare(
        lambda i: (
            tf.one_hot(i, 4),
            tf.one_hot(i, 4, 2.0, -1.0, axis=0),
            tf.nn.embedding_lookup(tf.Variable(table), i),
        ),
        [np.array([0, 3, 1], np.int32)],
    )
    compare(lambda i: tf.one_hot(i, 3), [np.array([-1, 7, 2], np.int64)])


def test_products():
    w = values(4, 3)
    compare(
        lambda x: (
            tf.matmul(x, w),
            tf.matmul(x, w.T.copy(), transpose_b=True),
            tf.matmul(x, x, transpose_a=True),
            tf.nn.bias_add(tf.matmul(x, w), [1.0, 2.0, 3.0]),
            tf.nn.xw_plus_b(x, w, [1.0, 2.0, 3.0]),
        ),
        [values(5, 4)],
    )
    compare(lambda x, y: tf.matmul(x, y, transpose_b=True), [values(2, 3, 4), values(2, 5, 4)])


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("strides", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_convolutions(padding, strides, dilation):
    compare(
        lambda x: tf.layers.conv2d(
            x, 4, (3, 2), strides, padding, dilation_rate=dilation, bias_initializer=tf.random_normal_initializer()
        ),
        [values(2, 8, 7, 3)],
        1e-4,
    )


def test_depthwise_and_transposed_convolutions():
    compare(
        lambda x: (
            tf.layers.separable_conv2d(x, 4, 3, padding="same", depth_multiplier=2),
            tf.layers.conv2d_transpose(x[:1], 4, 3, strides=2, padding="same"),
            tf.layers.conv2d_transpose(x[:1], 4, 3, strides=2, padding="valid"),
        ),
        [values(2, 6, 6, 3)],
        1e-4,
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_pooling(padding):
    compare(
        lambda x: (
            tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], padding),
            tf.nn.avg_pool(x, [1, 3, 3, 1], [1, 2, 2, 1], padding),
        ),
        [values(2, 7, 8, 3)],
    )


def test_a_network_stays_in_one_layout_between_its_convolutions():
    def network(x):
        h = tf.layers.conv2d(x, 8, 3, strides=2, padding="same", activation=tf.nn.relu)
        h = tf.layers.batch_normalization(h, training=False)
        h = tf.layers.max_pooling2d(h, 2, 2)
        side = tf.layers.conv2d(h, 8, 1, use_bias=False)
        h = tf.concat([h + side, tf.layers.conv2d(h, 4, 3, padding="same", activation=tf.nn.relu6)], 3)
        h = tf.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]])
        h = tf.reduce_mean(h, [1, 2])
        return tf.nn.softmax(tf.layers.dense(h, 10, activation=tf.tanh))

    model = compare(network, [values(2, 14, 14, 3)], 1e-4)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Transpose") == 1
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == ["batch", 14, 14, 3]


def test_what_does_not_depend_on_the_feeds_is_computed_beforehand():
    model = compare(lambda x: x * tf.exp(tf.reduce_sum(tf.constant([1.0, 2.0]) / 3)), [values(2, 3)])
    assert [node.op_type for node in model.graph.node] == ["Mul", "Identity"]


@pytest.mark.parametrize("is_constant", [True, False])
def test_branches_of_training_are_left_out(is_constant):
    def network(x):
        training = tf.constant(False) if is_constant else tf.placeholder_with_default(False, [])
        h = tf.layers.conv2d(x, 4, 3)
        h = tf.layers.batch_normalization(h, training=training)
        h = tf.layers.dropout(h, 0.5, training=training)
        scale = tf.cond(training, lambda: tf.constant(1.0), lambda: tf.constant(2.0))
        return h * scale + tf.cond(tf.logical_not(training), lambda: scale, lambda: tf.exp(scale))

    model = compare(network, [values(2, 5, 5, 3)])
    assert not {"RandomUniform", "Exp"} & {node.op_type for node in model.graph.node}


def test_an_inner_tensor_can_be_the_input():
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.string, [None])
        numbers = tf.string_to_number(x)
        model = tf.to_onnx(numbers * 2, {"numbers": numbers}, session=session)
    assert [i.name for i in model.graph.input] == ["numbers"]
    (got,) = onnx.reference.ReferenceEvaluator(model).run(None, {"numbers": np.array([1, 2], np.float32)})
    np.testing.assert_array_equal(got, [2, 4])


def test_all_that_has_no_counterpart_is_named_and_nothing_is_written(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 4], name="x")
        a, b = tf.as_string(x, name="text"), tf.nn.dropout(x, rate=0.5, name="drop")
        c = tf.pad(x, [[0, 0], [1, 1]], mode="SYMMETRIC", name="mirror")
        with pytest.raises(
            tf.errors.UnimplementedError,
            match=r"(?s)3 op.*'text' \(AsString\).*RandomUniform.*'mirror' \(MirrorPad\): mode SYMMETRIC",
        ):
            tf.to_onnx([a, b, c], [x], tmp_path / "m.onnx", session)
        with pytest.raises(ValueError, match="'x'"):
            tf.to_onnx(x * 2, (), session=session)
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"evergraph\[onnx\]"):
        tf.to_onnx(tf.constant(1.0))
