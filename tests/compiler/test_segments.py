"""Stages in parts, some of them compiled, give what op by op they give."""

import gc

import numpy as np
import pytest

import evergraph as tf
from evergraph.compiler import interpret, segments
from evergraph.compiler.segments import Parts, Segment
from evergraph.runtime import executor

PLAIN = 1 << 60


@pytest.fixture(params=["op by op", "in parts"])
def way(request, monkeypatch):
    """Nothing is compiled as a whole; in parts, what can be compiled is, the second time."""
    in_parts = request.param == "in parts"
    monkeypatch.setattr(interpret, "LOOKED_AT_FROM", 0 if in_parts else PLAIN)
    monkeypatch.setattr(segments, "OBSERVED", 2 if in_parts else PLAIN)
    monkeypatch.setattr(interpret, "COMPILING", 0.0)
    monkeypatch.setattr(segments, "IMPORTING", 0.0)
    monkeypatch.setattr(segments, "DISPATCH", 0.0)
    start = executor.Choice.__init__

    def interpreted(self):
        start(self)
        self.stays_interpreted = self.in_parts = True

    monkeypatch.setattr(executor.Choice, "__init__", interpreted)
    return request.param


def compiled_segments(graph):
    """The segments of a graph's plans that were compiled."""
    gc.collect()
    return [
        step
        for parts in gc.get_objects()
        if type(parts) is Parts
        for step, _ in parts.steps
        if type(step) is Segment
        and step.instructions[0].op.graph is graph
        and any(m.program is not None for m in step.meetings.values())
    ]


results: dict[str, dict[str, list]] = {}


def same_both_ways(name, way, found, rtol=2e-5, atol=2e-6):
    """Compare with what the other way gave; the fixture's first way runs first."""
    kept = results.setdefault(name, {})
    kept[way] = found
    if len(kept) == 2:
        for one, other in zip(kept["op by op"], kept["in parts"], strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


def rnn(with_lengths, cell=None):
    x = tf.placeholder(tf.float32, [None, None, 5])
    y = tf.placeholder(tf.int32, [None])
    lengths = tf.placeholder(tf.int32, [None])
    cell = cell or tf.nn.rnn_cell.LSTMCell(6, initializer=tf.random_uniform_initializer(-0.5, 0.5, seed=3))
    out, _ = tf.nn.dynamic_rnn(cell, x, sequence_length=lengths if with_lengths else None, dtype=tf.float32)
    logits = tf.layers.dense(tf.reduce_max(out, 1), 3, kernel_initializer=tf.random_uniform_initializer(-1, 1, seed=4))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    step = tf.train.AdamOptimizer(0.05).minimize(loss)
    return (x, y, lengths), (loss, step)


@pytest.mark.parametrize("with_lengths", [False, True])
def test_a_recurrent_network_whose_length_varies(way, with_lengths):
    rng = np.random.RandomState(0)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        (x, y, lengths), (loss, step) = rnn(with_lengths)
        session.run(tf.global_variables_initializer())
        losses = []
        for number in range(14):
            steps, batch = rng.randint(3, 9), 4 + number % 2
            feeds = {
                x: rng.randn(batch, steps, 5),
                y: rng.randint(0, 3, batch),
                lengths: rng.randint(0, steps + 1, batch),
            }
            losses.append(session.run([loss, step], feeds)[0])
        values = session.run(tf.trainable_variables())
        if way == "in parts":
            assert len(compiled_segments(graph)) >= 3  # forward, backward, the optimizer
        same_both_ways(f"rnn {with_lengths}", way, [losses, *values])


def test_a_mask_that_keeps_another_number_of_rows(way):
    rng = np.random.RandomState(1)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x, mask = tf.placeholder(tf.float32, [None, 4]), tf.placeholder(tf.bool, [None])
        w = tf.get_variable("w", [4, 8], initializer=tf.random_uniform_initializer(-1, 1, seed=1))
        v = tf.get_variable("v", [8, 2], initializer=tf.random_uniform_initializer(-1, 1, seed=2))
        kept = tf.boolean_mask(tf.tanh(tf.matmul(x, w)), mask)
        loss = tf.reduce_sum(tf.square(tf.matmul(kept, v) - 1.0))
        step = tf.train.MomentumOptimizer(0.01, 0.9).minimize(loss)
        session.run(tf.global_variables_initializer())
        losses = [session.run([loss, step], {x: rng.randn(9, 4), mask: rng.rand(9) < 0.5})[0] for _ in range(12)]
        if way == "in parts":
            assert compiled_segments(graph)
        same_both_ways("mask", way, [losses, *session.run([w, v])])


def test_a_list_that_grows(way):
    """Such a stage can never be one program."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [3])
        n = tf.placeholder(tf.int32, [])
        w = tf.Variable(tf.ones([3]))
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)

        def body(i, value, array):
            value = tf.sin(value * w) + tf.cos(value) * 0.5 + tf.cast(i, tf.float32)
            return i + 1, value, array.write(i, value)

        _, last, array = tf.while_loop(lambda i, *_: i < n, body, [0, x, array])
        total = tf.reduce_sum(tf.square(array.stack())) + tf.reduce_sum(last)
        grads = tf.gradients(total, [x, w])
        session.run(tf.global_variables_initializer())
        found = [session.run([total, *grads], {x: [0.1, 0.2, 0.3], n: count}) for count in (3, 5, 2, 7, 4, 0, 6)]
        if way == "in parts":
            assert compiled_segments(graph)
        same_both_ways("grows", way, [np.concatenate([np.ravel(v) for v in values]) for values in found])


def test_branches_in_a_loop(way):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [4])
        n = tf.placeholder(tf.int32, [])

        def body(i, value):
            left = lambda: tf.exp(-value) * 2.0 + tf.square(value) - 1.0  # noqa: E731
            right = lambda: tf.tanh(value) * tf.sigmoid(value) + 0.25 - value  # noqa: E731
            return i + 1, tf.cond(tf.equal(i % 3, 1), left, right)

        _, last = tf.while_loop(lambda i, _: i < n, body, [0, x])
        grad = tf.gradients(last, x)[0]
        found = [session.run([last, grad], {x: [0.1, -0.5, 0.9, 2.0], n: count}) for count in (7, 3, 9, 1, 12)]
        same_both_ways("branches", way, [np.stack(pair) for pair in found])


def test_random_numbers_go_on_where_they_were(way):
    with tf.Graph().as_default(), tf.Session() as session:
        n = tf.placeholder(tf.int32, [])

        def body(i, value):
            drawn = tf.random_normal([3], seed=7)
            return i + 1, tf.sin(value + drawn) * 0.5 + tf.cos(drawn) - value * 0.1

        _, last = tf.while_loop(lambda i, _: i < n, body, [0, tf.zeros([3])])
        found = [session.run(last, {n: count}) for count in (4, 9, 2, 8)]
        same_both_ways("random", way, found)


def test_what_goes_wrong_in_a_segment_is_said_as_ever(way):
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.Variable(np.arange(12, dtype=np.float32).reshape(6, 2))
        places = tf.placeholder(tf.int32, [None, 2])
        n = tf.shape(places)[0]

        def body(i, value):
            rows = tf.gather(table, places[i], name="rows")
            return i + 1, tf.tanh(value * 0.5 + tf.reduce_sum(rows, 0) * 0.1) + 1.0

        _, last = tf.while_loop(lambda i, _: i < n, body, [0, tf.zeros([2])])
        session.run(tf.global_variables_initializer())
        good = np.arange(10).reshape(5, 2) % 6
        before = [session.run(last, {places: good[:k]}) for k in (5, 4, 3, 5)]
        bad = good.copy()
        bad[3, 1] = 6
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[1\] = 6 is not in \[0, 6\)[\s\S]*rows"):
            session.run(last, {places: bad})
        np.testing.assert_array_equal(session.run(last, {places: good}), before[0])


def test_a_failed_step_leaves_variables_as_they_were(way):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None])
        label = tf.placeholder(tf.int32, [1])
        v = tf.Variable([1.0, 2.0, 3.0], use_resource=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=[v * tf.reduce_mean(x)])
        step = tf.train.AdamOptimizer(0.1).minimize(loss)
        session.run(tf.global_variables_initializer())
        for length in (1, 2, 3, 4, 5, 6):
            session.run(step, {x: np.ones(length), label: [1]})
        before = session.run(v)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Received a label value of 3"):
            session.run(step, {x: np.ones(7), label: [3]})
        np.testing.assert_array_equal(session.run(v), before)


def test_variables_do_not_share_what_a_segment_gives_them(way):
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None])
        a, b, c = (tf.Variable(tf.zeros([300])) for _ in range(3))
        value = tf.tanh(a * 0.5 + 1.0) * tf.reduce_sum(x) + tf.sqrt(tf.abs(a) + 1.0)
        both = tf.group(a.assign(value), b.assign(value), c.assign(b))
        session.run(tf.global_variables_initializer())
        for length in (1, 2, 3, 4, 5, 6, 7):
            session.run(both, {x: np.ones(length)})
        expected = session.run([a, b, c])
        add = a.assign_add(tf.ones([300]))
        for _ in range(4):
            session.run(add)
        np.testing.assert_array_equal(session.run(a), expected[0] + 4)
        np.testing.assert_array_equal(session.run([b, c]), expected[1:])


def test_more_shapes_than_a_segment_is_compiled_for(way, monkeypatch):
    monkeypatch.setattr(segments, "MOST_SIGNATURES", 2)
    rng = np.random.RandomState(5)
    with tf.Graph().as_default(), tf.Session() as session:
        (x, y, lengths), (loss, _) = rnn(False, tf.nn.rnn_cell.GRUCell(4, bias_initializer=tf.ones_initializer()))
        del lengths
        session.run(tf.global_variables_initializer())
        for v in tf.trainable_variables():
            v.load(np.linspace(-1, 1, v.shape.num_elements()).reshape(v.shape.as_list()), session)
        found = [
            session.run(loss, {x: rng.randn(batch, 4, 5), y: rng.randint(0, 3, batch)})
            for batch in (2, 3, 4, 5, 2, 3, 4, 5, 6, 2)
        ]
        same_both_ways("shapes", way, found)


def test_a_segment_has_parts_of_its_own_where_shapes_differ_from_run_to_run(way, monkeypatch):
    """An attention over a memory whose length varies; the loop itself takes as many steps each time."""
    monkeypatch.setattr(segments, "MOST_SIGNATURES", 2)
    rng = np.random.RandomState(6)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        memory = tf.placeholder(tf.float32, [3, None, 4])
        w = tf.get_variable("w", initializer=np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4))

        def body(i, state):
            scores = tf.reduce_sum(memory * tf.expand_dims(state, 1), 2)
            context = tf.reduce_sum(memory * tf.expand_dims(tf.nn.softmax(scores), 2), 1)
            hidden = tf.tanh(tf.matmul(tf.concat([state, context], 1), w))
            return i + 1, tf.sigmoid(hidden) * state + tf.square(hidden) * 0.5

        _, last = tf.while_loop(lambda i, _: i < 5, body, [0, tf.ones([3, 4])])
        grads = tf.gradients(last, [memory, w])
        session.run(tf.global_variables_initializer())
        found = []
        for length in (2, 3, 4, 5, 6, 7, 2, 3, 8, 9, 4):
            found += session.run([last, *grads], {memory: rng.randn(3, length, 4)})
        if way == "in parts":
            assert any(s.inner is not None for s in compiled_segments(graph))
        same_both_ways("attention", way, found)


def test_an_exit_behind_an_identity():
    """Gated gradients, as optimizers ask for, have an Identity between Switch and Exit."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x = tf.placeholder(tf.float32, [4])
        pair = tf.split(tf.sin(x) * 2.0, 2)
        body = lambda i, a, b: (i + 1, tf.tanh(a) + 0.5 * b, tf.cos(b) * a)  # noqa: E731
        _, a, b = tf.while_loop(lambda i, *_: i < 4, body, [0, *pair])
        total = tf.reduce_sum(a * b) + tf.reduce_sum(pair[0])
        grad = tf.gradients(total, x, gate_gradients=True)[0]
        exits = [op for op in graph.get_operations() if op.type == "Exit"]
        assert any(op.inputs[0].op.type == "Identity" for op in exits)
        assert session._plan([grad], [x]).readers is None  # it is a loop, and need not run token by token
        given = np.array([0.1, 0.4, 0.7, 1.1], np.float32)
        for _ in range(3):
            found = session.run(grad, {x: given})
        for k in range(4):
            step = np.zeros(4, np.float32)
            step[k] = 1e-2
            higher, lower = (session.run(total, {x: given + s}) for s in (step, -step))
            np.testing.assert_allclose(found[k], (higher - lower) / 2e-2, rtol=2e-2, atol=1e-3)
