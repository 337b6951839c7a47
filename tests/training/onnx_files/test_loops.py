"""`to_onnx` of branches, loops and arrays, against a session."""

import numpy as np
import onnx
import pytest
from training.onnx_files.test_model import compare, values

import evergraph as tf

nn = tf.nn.rnn_cell
SEQUENCES = [None, None, 4]  # batch and time unknown
LENGTHS = np.array([2, 5, 3], np.int32)


def number(value, dtype=np.int32):
    return np.array(value, dtype)


def kinds(graph):
    """The types of the nodes of a graph, those of graphs inside too."""
    found = []
    for node in graph.node:
        found.append(node.op_type)
        for attr in node.attribute:
            if attr.type == onnx.AttributeProto.GRAPH:
                found += kinds(attr.g)
    return found


@pytest.mark.parametrize("pred", [True, False])
def test_branches(pred):
    model = compare(
        lambda p, x: (
            tf.cond(p, lambda: tf.constant(1.0), lambda: tf.constant(2.0)),
            *tf.cond(p, lambda: (tf.exp(x), x), lambda: (x * 2, tf.sin(x) + 1)),
            tf.cond(p, lambda: x[:1], lambda: x),
        ),
        [number(pred, bool), values(2, 3)],
        shapes=[[], [None, 3]],
    )
    assert kinds(model.graph).count("If") == 1


@pytest.mark.parametrize("pred", [True, False])
@pytest.mark.parametrize("other", [True, False])
def test_branches_inside_and_after_branches(pred, other):
    def build(p, q, x):
        inner = tf.cond(
            p,
            lambda: tf.cond(q, lambda: tf.exp(x), lambda: x * 3),
            lambda: tf.cond(q, lambda: tf.zeros_like(x) + 7, lambda: x + 5),
        )
        return inner, tf.cond(p, lambda: inner + 1, lambda: inner - x) + inner

    compare(build, [number(pred, bool), number(other, bool), values(2, 3)])


def test_cases():
    compare(
        lambda i: tf.case([(tf.equal(i, 0), lambda: i * 2), (tf.equal(i, 1), lambda: i + 7)], default=lambda: i - 1),
        [number(1)],
    )


@pytest.mark.parametrize("count", [0, 1, 5])
def test_loops(count):
    def build(n, x):
        (_, total), grown = (
            tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s * 2 + tf.cast(i, tf.float32)), [0, 1.0]),
            tf.while_loop(
                lambda i, s: i < n,
                lambda i, s: (i + 1, tf.concat([s, x], 0)),
                [0, x],
                shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 3])],
            ),
        )
        return total, *grown

    compare(build, [number(count), values(2, 3)])


def test_variables_and_constants_of_the_outside():
    def step(i, h):
        images = tf.layers.conv2d(tf.reshape(h, [-1, 3, 3, 1]), 1, 2, padding="same", name="c", reuse=tf.AUTO_REUSE)
        return i + 1, tf.tanh(tf.layers.dense(tf.reshape(images, [-1, 9]), 9, name="d", reuse=tf.AUTO_REUSE))

    def build(x):
        v = tf.get_variable("v", initializer=2.0)
        r = tf.get_variable("r", initializer=0.5, use_resource=True)
        return (
            tf.while_loop(lambda i, h: i < 3, step, [0, x])[1],
            tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s * v.read_value() + r), [0, x])[1],
        )

    compare(build, [values(2, 9)], 1e-4)


def test_loops_in_loops_and_branches():
    def triangle(n):
        def inner(i, s):
            return tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + j * i), [0, s])[1]

        return tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, inner(i, s)), [0, 1])

    compare(
        lambda n: (
            *triangle(n),
            tf.while_loop(
                lambda i, s: i < n,
                lambda i, s: (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: s + 1, lambda: s * 2)),
                [0, 1],
            )[1],
            tf.cond(n > 3, lambda: tf.while_loop(lambda i: i < n, lambda i: i + 2, [0]), lambda: n - 1),
        ),
        [number(5)],
    )


CELLS = {
    "basic": lambda: nn.BasicRNNCell(3),
    "lstm": lambda: nn.LSTMCell(3, use_peepholes=True, num_proj=2),
    "basic_lstm": lambda: nn.BasicLSTMCell(3),
    "gru": lambda: nn.GRUCell(3),
    "layers": lambda: nn.MultiRNNCell([nn.ResidualWrapper(nn.GRUCell(4)), nn.DropoutWrapper(nn.LSTMCell(3), 1.0)]),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("has_lengths", [True, False])
def test_dynamic_rnn(name, has_lengths):
    def build(x, lengths):
        outputs, state = tf.nn.dynamic_rnn(CELLS[name](), x, lengths if has_lengths else None, dtype=tf.float32)
        return outputs, *tf.contrib.framework.nest.flatten(state), lengths

    model = compare(build, [values(3, 6, 4), LENGTHS], shapes=[SEQUENCES, [None]])
    assert "ScatterND" not in kinds(model.graph)  # the outputs are stacked by Loop itself


def test_dynamic_rnn_along_the_first_dimension_with_resource_variables():
    def build(x, lengths):
        with tf.variable_scope("rnn", use_resource=True):
            outputs, state = tf.nn.dynamic_rnn(nn.GRUCell(3), x, lengths, dtype=tf.float32, time_major=True)
        return outputs, state

    compare(build, [values(6, 3, 4), LENGTHS], shapes=[SEQUENCES, [None]])


@pytest.mark.parametrize("has_lengths", [True, False])
def test_bidirectional_dynamic_rnn(has_lengths):
    def build(x, lengths):
        outputs, states = tf.nn.bidirectional_dynamic_rnn(
            nn.GRUCell(3), nn.LSTMCell(2), x, lengths if has_lengths else None, dtype=tf.float32
        )
        return *outputs, states[0], *states[1], lengths

    compare(build, [values(3, 6, 4), LENGTHS], shapes=[SEQUENCES, [None]])


def test_a_text_classifier():
    def build(words):
        x = tf.nn.embedding_lookup(tf.get_variable("table", [20, 5]), words)
        lengths = tf.reduce_sum(tf.sign(words), 1)
        outputs, state = tf.nn.dynamic_rnn(nn.LSTMCell(4), x, lengths, dtype=tf.float32)
        last = tf.gather_nd(outputs, tf.stack([tf.range(tf.shape(x)[0]), lengths - 1], 1))
        mask = tf.sequence_mask(lengths, tf.shape(words)[1], tf.float32)
        return tf.layers.dense(state.h, 3), tf.nn.softmax(tf.layers.dense(last, 2)), outputs * mask[:, :, tf.newaxis]

    words = np.array([[1, 2, 3, 0], [4, 0, 0, 0]], np.int32)
    compare(build, [words], shapes=[[None, None]])


def test_decoding_step_by_step():
    seq2seq = tf.contrib.seq2seq

    def build(x, lengths):
        memory, _ = tf.nn.dynamic_rnn(nn.GRUCell(4), x, lengths, dtype=tf.float32)
        attention = seq2seq.BahdanauAttention(4, memory, memory_sequence_length=lengths)
        cell = seq2seq.AttentionWrapper(nn.GRUCell(4), attention)
        batch = tf.shape(x)[0]
        helper = seq2seq.GreedyEmbeddingHelper(tf.get_variable("table", [7, 3]), tf.fill([batch], 1), 2)
        decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(batch, tf.float32), tf.layers.Dense(7))
        outputs, _, counts = seq2seq.dynamic_decode(decoder, maximum_iterations=6)
        return outputs.rnn_output, outputs.sample_id, counts

    compare(build, [values(3, 6, 4), LENGTHS], shapes=[SEQUENCES, [None]])


def test_functions_of_rows():
    compare(
        lambda x, y: (
            tf.map_fn(lambda r: tf.reduce_sum(r) * r, x),
            *tf.map_fn(lambda r: (r[0] * r[1], r[1] > 0), (x, y), dtype=(tf.float32, tf.bool)),
            tf.scan(lambda a, r: a * 0.5 + r, x),
            tf.scan(lambda a, r: a * 0.5 + tf.reduce_sum(r), x, initializer=1.0),
            tf.scan(lambda a, r: a * 0.5 + r, x, reverse=True),
            tf.foldl(lambda a, r: a * 0.5 + r, x),
            tf.foldr(lambda a, r: a * 0.5 + r, x, initializer=tf.ones([3])),
            tf.map_fn(lambda r: tf.map_fn(lambda v: v * tf.reduce_sum(r), r), x),
        ),
        [values(4, 3), values(4)],
    )


def test_no_rows_at_all():
    runtime = pytest.importorskip("onnxruntime")
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        model = tf.to_onnx({"y": tf.map_fn(lambda r: r * 2, x)}, [x], session=session)
    run = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run
    assert run(None, {"x": np.zeros((0, 3), np.float32)})[0].shape == (0, 3)


def array(size, **more):
    return tf.TensorArray(tf.float32, size, **more)


def filled(array, n, step=1):
    """`array` with 2 * i at each i, from 0 or from the end."""
    start = 0 if step > 0 else n - 1
    return tf.while_loop(
        lambda i, a: tf.logical_and(i >= 0, i < n),
        lambda i, a: (i + step, a.write(i, tf.fill([2], 2 * tf.cast(i, tf.float32)))),
        [start, array],
    )[1]


def fibonacci(n):
    first = tf.TensorArray(tf.int32, n, clear_after_read=False).write(0, 1).write(1, 1)

    def step(i, a):
        return (i + 1, a.write(i, a.read(i - 1) + a.read(i - 2)))

    return tf.while_loop(lambda i, a: i < n, step, [2, first])[1].stack()


def every_other(n):
    def step(i, a):
        return (i + 1, tf.cond(tf.equal(i % 2, 0), lambda: a.write(i, 1.0), lambda: a))

    return tf.while_loop(lambda i, a: i < n, step, [0, array(n, element_shape=[])])[1].stack()


def rearranged(n):
    given = array(n, clear_after_read=False).scatter(tf.range(n - 1, -1, -1), tf.cast(tf.range(n), tf.float32))
    return given.stack(), given.gather([1, 1, 0]), given.size()


@pytest.mark.parametrize(
    "build",
    [
        lambda n: filled(array(n), n).stack(),
        lambda n: filled(array(n), n, -1).stack(),
        lambda n: filled(array(9, element_shape=[2]), n).stack(),
        lambda n: (lambda a: (a.stack(), a.size()))(filled(array(0, dynamic_size=True, clear_after_read=False), n)),
        fibonacci,
        every_other,
        rearranged,
    ],
    ids=["in order", "backwards", "in part", "growing", "read meanwhile", "in a branch", "anywhere"],
)
def test_arrays(build):
    compare(build, [number(5)])


def refusal(build, *dtypes):
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [tf.placeholder(dtype, [], name=f"x{i}") for i, dtype in enumerate(dtypes)]
        with pytest.raises(tf.errors.UnimplementedError) as caught:
            tf.to_onnx(build(*inputs), inputs, session=session)
    return caught.value.message


def test_all_that_has_no_counterpart_inside_loops_and_branches_is_named():
    def build(n, p):
        def text(i, s):
            return (i + 1, s + tf.strings.length(tf.as_string(i, name="text")))

        def shuffled():
            return tf.random_shuffle([1, 2], name="shuffled")

        return [
            *tf.while_loop(lambda i, s: i < n, text, [0, 0]),
            tf.cond(p, shuffled, lambda: tf.constant([1, 2])),
            tf.cond(
                p, lambda: tf.pad([[n]], [[1, 1], [1, 1]], "SYMMETRIC", "mirror"), lambda: tf.ones([3, 3], tf.int32)
            ),
        ]

    message = refusal(build, tf.int32, tf.bool)
    assert message.startswith("4 op(s)")
    for name in ("text' (AsString)", "(StringLength)", "shuffled' (RandomShuffle)", "mirror' (MirrorPad): mode SYM"):
        assert name in message


def test_cases_can_be_too_many():
    def build(i, count):
        return tf.case([(tf.equal(i, k), lambda k=k: i * k) for k in range(count)], default=lambda: i)

    compare(lambda i: build(i, 30), [number(29)])
    assert "more than 30 branches" in refusal(lambda i: build(i, 40), tf.int32)


def test_what_arrays_cannot_be_is_said():
    def one(n):
        return array(n, infer_shape=False).write(0, tf.zeros([n])).read(0)

    assert "elements may differ in shape" in refusal(one, tf.int32)


def test_a_value_of_one_branch_only_is_refused():
    with tf.Graph().as_default() as built:
        p, x = tf.placeholder(tf.bool, [], name="p"), tf.placeholder(tf.float32, [], name="x")
        tf.cond(p, lambda: tf.exp(x, name="inside"), lambda: x)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(built.as_graph_def(), name="")
        with pytest.raises(tf.errors.UnimplementedError, match=r"\(Exp\): it is in a branch, which may not run"):
            tf.to_onnx("cond/inside:0", ["p:0", "x:0"], session=session)


def of_a_file(build):
    """`build`, but the graph is written and read: what is known of shapes around loops is lost."""

    def read(*inputs):
        with tf.Graph().as_default() as own:
            given = [tf.placeholder(x.dtype, x.shape, name=f"in{i}") for i, x in enumerate(inputs)]
            outputs = [t.name for t in tf.contrib.framework.nest.flatten(build(*given))]
        feeds = {f"in{i}:0": x for i, x in enumerate(inputs)}
        return tf.import_graph_def(own.as_graph_def(), feeds, outputs, name="")

    return read


def test_graphs_that_were_read_from_a_file():
    def network(x, lengths):
        cell = nn.LSTMCell(3, initializer=tf.ones_initializer())
        outputs, states = tf.nn.bidirectional_dynamic_rnn(cell, nn.GRUCell(2), x, lengths, dtype=tf.float32)
        return outputs[0], states, tf.cond(lengths[0] > 1, lambda: outputs[1], lambda: outputs[1] * 2)

    with tf.Graph().as_default(), tf.Session() as session:
        x, lengths = tf.placeholder(tf.float32, SEQUENCES, name="in0"), tf.placeholder(tf.int32, [None], name="in1")
        made = tf.contrib.framework.nest.flatten(network(x, lengths))
        session.run(tf.global_variables_initializer())
        frozen = tf.graph_util.convert_variables_to_constants(
            session, session.graph.as_graph_def(), [t.op.name for t in made]
        )
    names = [t.name for t in made]
    compare(
        lambda x, lengths: tf.import_graph_def(frozen, {"in0:0": x, "in1:0": lengths}, names, name=""),
        [values(3, 6, 4), LENGTHS],
        shapes=[SEQUENCES, [None]],
    )


def test_functions_of_rows_that_were_read_from_a_file():
    def grown(x):
        def step(i, s):
            return (i + 1, tf.concat([s, x], 0))

        return tf.while_loop(lambda i, s: i < 3, step, [0, x[:1]], [tf.TensorShape([]), tf.TensorShape([None, 3])])[1]

    compare(
        of_a_file(
            lambda x: (
                tf.map_fn(lambda r: tf.reduce_sum(r) * r, x),
                tf.scan(lambda a, r: a * 0.5 + r, x),
                tf.foldl(lambda a, r: a * 0.5 + r, x),
                tf.map_fn(lambda r: tf.map_fn(lambda v: v * tf.reduce_sum(r), r), x),
                tf.reduce_sum(grown(x), 1),
            )
        ),
        [values(4, 3)],
    )
