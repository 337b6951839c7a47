"""Layers, cells, loops and metrics whose numbers must be TensorFlow 1.15's: `CASES`, by name.

Each is a function of the module that stands for `tensorflow`; it runs in a new default graph and returns arrays. They
run on Python 3.7 too, where they were recorded. Variables start with seeded uniform numbers, the same in both.
"""

import functools

import numpy as np

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def _numbers(*shape):
    return np.random.RandomState(7).uniform(-1, 1, shape).astype(np.float32)


def _scope(tf, name="model"):
    return tf.variable_scope(name, initializer=tf.random_uniform_initializer(-0.5, 0.5, seed=3))


def _ran(tf, fetches, feeds=None):
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        return sess.run(fetches, feeds)


def _gradients(tf, y, x):
    flat = [y] if not isinstance(y, (list, tuple)) else list(y)
    loss = tf.add_n([tf.reduce_sum(part * tf.cos(part)) for part in flat])
    return [tf.convert_to_tensor(g) for g in tf.gradients(loss, [x] + tf.trainable_variables())]


CELLS = {
    "basic_rnn": lambda tf: tf.nn.rnn_cell.BasicRNNCell(3),
    "gru": lambda tf: tf.nn.rnn_cell.GRUCell(3),
    "basic_lstm": lambda tf: tf.nn.rnn_cell.BasicLSTMCell(3),
    "joined_lstm": lambda tf: tf.nn.rnn_cell.BasicLSTMCell(3, state_is_tuple=False),
    "lstm": lambda tf: tf.nn.rnn_cell.LSTMCell(3, use_peepholes=True, num_proj=2, cell_clip=0.3, proj_clip=0.2),
    "stack": lambda tf: tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(3), tf.nn.rnn_cell.BasicLSTMCell(2)]),
    "residual": lambda tf: tf.nn.rnn_cell.ResidualWrapper(tf.nn.rnn_cell.GRUCell(4)),
    "lstm_block": lambda tf: tf.contrib.rnn.LSTMBlockCell(3, use_peephole=True, cell_clip=0.3),
    "gru_block": lambda tf: tf.contrib.rnn.GRUBlockCell(3),
    "layer_norm_lstm": lambda tf: tf.contrib.rnn.LayerNormBasicLSTMCell(3),
    "nas": lambda tf: tf.contrib.rnn.NASCell(3),
    "attention": lambda tf: tf.contrib.rnn.AttentionCellWrapper(tf.nn.rnn_cell.GRUCell(3), 2),
}


def _cell_over_sequences(name, tf):
    x = tf.placeholder(tf.float32, [None, None, 4])
    lengths = tf.placeholder(tf.int32, [None])
    with _scope(tf):
        outputs, state = tf.nn.dynamic_rnn(CELLS[name](tf), x, lengths, dtype=tf.float32)
    parts = tf.contrib.framework.nest.flatten(state)
    fetches = [outputs, parts, _gradients(tf, [outputs] + parts, x)]
    return _ran(tf, fetches, {x: _numbers(3, 4, 4), lengths: [2, 4, 0]})


for _name in CELLS:
    CASES["%s_over_sequences" % _name] = functools.partial(_cell_over_sequences, _name)  # noqa: UP031


@case
def both_directions(tf):
    x = tf.constant(_numbers(3, 4, 4))
    with _scope(tf):
        outputs, states = tf.nn.bidirectional_dynamic_rnn(
            tf.nn.rnn_cell.GRUCell(2), tf.nn.rnn_cell.BasicRNNCell(3), x, [1, 4, 3], dtype=tf.float32
        )
    return _ran(tf, [outputs, states, _gradients(tf, list(outputs), x)])


@case
def unrolled_with_lengths(tf):
    x = tf.constant(_numbers(4, 3, 4))
    cell = tf.nn.rnn_cell.BasicLSTMCell(3)
    with _scope(tf):
        outputs, state = tf.nn.static_rnn(cell, tf.unstack(x), dtype=tf.float32, sequence_length=[0, 2, 3])
    return _ran(tf, [outputs, list(state), _gradients(tf, outputs, x)])


@case
def unrolled_in_both_directions(tf):
    x = tf.constant(_numbers(4, 3, 4))
    cells = tf.nn.rnn_cell
    with _scope(tf):
        outputs, forward, backward = tf.nn.static_bidirectional_rnn(
            cells.GRUCell(3), cells.GRUCell(2), tf.unstack(x), dtype=tf.float32, sequence_length=[1, 2, 4]
        )
    return _ran(tf, [outputs, forward, backward])


@case
def loop_function(tf):
    x = tf.constant(_numbers(4, 3, 4))
    cell = tf.nn.rnn_cell.GRUCell(2)
    lengths = tf.constant([1, 3, 2])

    def step(time, output, state, so_far):
        finished = time >= lengths
        start = cell.zero_state(3, tf.float32) if output is None else state
        return finished, x[tf.minimum(time, 3)], start, output, time if output is None else so_far + time

    with _scope(tf):
        emitted, state, counted = tf.nn.raw_rnn(cell, step)
    return _ran(tf, [emitted.stack(), state, counted])


@case
def fused_lstm(tf):
    x = tf.constant(_numbers(4, 3, 4))
    with _scope(tf):
        outputs, state = tf.contrib.rnn.LSTMBlockFusedCell(3, use_peephole=True)(
            x, dtype=tf.float32, sequence_length=tf.constant([3, 1, 2])
        )
    return _ran(tf, [outputs, list(state), _gradients(tf, [outputs] + list(state), x)])


@case
def dropout_around_a_cell(tf):
    tf.set_random_seed(2)
    x = tf.constant(_numbers(2, 3, 4))
    cells = tf.nn.rnn_cell
    with _scope(tf):
        each = cells.DropoutWrapper(cells.BasicLSTMCell(3), 0.5, 0.75, 0.5, seed=3)
        one, _ = tf.nn.dynamic_rnn(each, x, dtype=tf.float32, scope="each")
        tied = cells.DropoutWrapper(
            cells.GRUCell(3), 0.5, 0.75, 0.5, variational_recurrent=True, input_size=4, dtype=tf.float32, seed=4
        )
        other, _ = tf.nn.dynamic_rnn(tied, x, dtype=tf.float32, scope="tied")
    return _ran(tf, [one, other])


@case
def dense_and_convolutions(tf):
    x = tf.constant(_numbers(2, 5, 5, 2))
    with _scope(tf):
        wide = tf.layers.conv2d(x, 3, 3, padding="same", activation=tf.nn.relu)
        dilated = tf.layers.conv2d(x, 2, 2, dilation_rate=2)
        grown = tf.layers.conv2d_transpose(x, 1, 3, strides=2)
        apart = tf.layers.separable_conv2d(x, 2, 2, strides=2)
        rows = tf.layers.conv1d(x[:, 0], 2, 2)
        dense = tf.layers.dense(x, 2, activation="softmax")
        pooled = tf.layers.average_pooling2d(wide, 2, 2)
    outputs = [wide, dilated, grown, apart, rows, dense, pooled]
    return _ran(tf, [outputs, _gradients(tf, outputs, x)])


def _after_steps(tf, output, feeds, count=2):
    """The output, then the variables after some runs of the updates, then the output again."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first = sess.run(output, feeds)
        for _ in range(count):
            sess.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS), feeds)
        return [first, sess.run(tf.global_variables()), sess.run(output, feeds)]


def _normalized(tf, shape, training, **options):
    x = tf.constant(_numbers(*shape))
    is_training = tf.placeholder(tf.bool, [])
    output = tf.layers.batch_normalization(x, training=is_training, momentum=0.9, **options)
    gradient = tf.gradients(tf.reduce_sum(output * tf.cos(x)), x)
    return _after_steps(tf, [output] + gradient, {is_training: training})


@case
def batch_normalization_of_images(tf):
    return _normalized(tf, [3, 2, 2, 2], True)


@case
def batch_normalization_of_rows(tf):
    return _normalized(tf, [4, 3], True)


@case
def batch_normalization_when_not_training(tf):
    return _normalized(tf, [3, 2, 2, 2], False)


@case
def batch_renormalization(tf):
    return _normalized(tf, [4, 3], True, renorm=True, renorm_clipping={"rmax": 1.5, "rmin": 0.5, "dmax": 0.5})


@case
def virtual_batches(tf):
    return _normalized(tf, [4, 3], True, virtual_batch_size=2)


@case
def normalization_by_slim(tf):
    x = tf.constant(_numbers(2, 3, 3, 4))
    layers = tf.contrib.layers
    outputs = [
        layers.layer_norm(x),
        layers.instance_norm(x),
        layers.group_norm(x, 2),
        layers.batch_norm(x, decay=0.5, scale=True, updates_collections=None),
        layers.unit_norm(x, 3),
        layers.spatial_softmax(x),
    ]
    return _ran(tf, [outputs, _gradients(tf, outputs, x)])


LABELS = [[0, 1, 2, 1], [2, 2, 0, 1], [1, 0, 1, 2]]
SCORES = _numbers(3, 4, 3)


def _streamed(tf, make):
    """The value after each of three batches."""
    labels, scores = tf.placeholder(tf.int64, [None]), tf.placeholder(tf.float32, [None, 3])
    value, update = make(labels, scores)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        found = [sess.run(value)]
        for i, batch in enumerate(LABELS):
            sess.run(update, {labels: batch, scores: SCORES[i]})
            found.append(sess.run(value))
        return found


METRICS = {
    "accuracy": lambda tf, labels, scores: tf.metrics.accuracy(labels, tf.argmax(scores, 1)),
    "weighted_mean": lambda tf, labels, scores: tf.metrics.mean(scores, tf.abs(scores[:, :1])),
    "mean_tensor": lambda tf, labels, scores: tf.metrics.mean_tensor(tf.reshape(scores, [4, 3])),
    "rmse": lambda tf, labels, scores: tf.metrics.root_mean_squared_error(tf.cast(labels, tf.float32), scores[:, 0]),
    "per_class": lambda tf, labels, scores: tf.metrics.mean_per_class_accuracy(labels, tf.argmax(scores, 1), 3),
    "iou": lambda tf, labels, scores: tf.metrics.mean_iou(labels, tf.argmax(scores, 1), 3),
    "precision": lambda tf, labels, scores: tf.metrics.precision(labels > 1, scores[:, 0] > 0),
    "recall": lambda tf, labels, scores: tf.metrics.recall(labels > 1, scores[:, 0] > 0, [1.0, 2.0, 0.5, 1.0]),
    "roc": lambda tf, labels, scores: tf.metrics.auc(labels > 1, tf.sigmoid(scores[:, 0]), num_thresholds=20),
    "precision_recall_area": lambda tf, labels, scores: tf.metrics.auc(
        labels > 1, tf.sigmoid(scores[:, 0]), curve="PR", summation_method="careful_interpolation"
    ),
    "sensitivity": lambda tf, labels, scores: tf.metrics.sensitivity_at_specificity(
        labels > 1, tf.sigmoid(scores[:, 0]), 0.7
    ),
    "specificity": lambda tf, labels, scores: tf.metrics.specificity_at_sensitivity(
        labels > 1, tf.sigmoid(scores[:, 0]), 0.7
    ),
    "recall_at_k": lambda tf, labels, scores: tf.metrics.recall_at_k(labels, scores, 2),
    "precision_at_k_of_a_class": lambda tf, labels, scores: tf.metrics.precision_at_k(labels, scores, 2, class_id=1),
    "average_precision": lambda tf, labels, scores: tf.metrics.average_precision_at_k(labels, scores, 3),
}


def _metric(name, tf):
    return _streamed(tf, lambda labels, scores: METRICS[name](tf, labels, scores))


for _name in METRICS:
    CASES["metric_%s" % _name] = functools.partial(_metric, _name)  # noqa: UP031


# Decoders of sequences


def _encoded(tf):
    memory = tf.constant(_numbers(2, 6, 3))
    return memory, tf.constant([4, 6])


def _decoded(tf, decoder, **kwargs):
    outputs, state, lengths = tf.contrib.seq2seq.dynamic_decode(decoder, **kwargs)
    return outputs, state, lengths


ATTENTIONS = {
    "bahdanau": lambda tf, memory, lengths: tf.contrib.seq2seq.BahdanauAttention(5, memory, lengths, normalize=True),
    "luong": lambda tf, memory, lengths: tf.contrib.seq2seq.LuongAttention(5, memory, lengths, scale=True),
    "monotonic": lambda tf, memory, lengths: tf.contrib.seq2seq.BahdanauMonotonicAttention(5, memory, lengths),
}


def _attention(name, tf):
    memory, lengths = _encoded(tf)
    with _scope(tf):
        mechanism = ATTENTIONS[name](tf, memory, lengths)
        cell = tf.contrib.seq2seq.AttentionWrapper(
            tf.nn.rnn_cell.GRUCell(5), mechanism, attention_layer_size=4, alignment_history=True
        )
        helper = tf.contrib.seq2seq.TrainingHelper(tf.constant(_numbers(2, 5, 4)), tf.constant([3, 5]))
        decoder = tf.contrib.seq2seq.BasicDecoder(
            cell, helper, cell.zero_state(2, tf.float32), output_layer=tf.layers.Dense(6, name="output")
        )
        outputs, state, lengths = _decoded(tf, decoder, impute_finished=True)
    targets = tf.constant([[1, 2, 0, 0, 0], [3, 3, 1, 5, 2]])
    loss = tf.contrib.seq2seq.sequence_loss(outputs.rnn_output, targets, tf.sequence_mask(lengths, 5, tf.float32))
    gradients = [tf.convert_to_tensor(g) for g in tf.gradients(loss, tf.trainable_variables())]
    return _ran(
        tf,
        [outputs.rnn_output, outputs.sample_id, state.attention, state.alignment_history.stack(), loss] + gradients,
    )


for _name in ATTENTIONS:
    CASES["attention_%s" % _name] = functools.partial(_attention, _name)  # noqa: UP031


@case
def greedy_decoding(tf):
    with _scope(tf):
        embedding = tf.get_variable("embedding", [8, 4])
        cell = tf.nn.rnn_cell.BasicLSTMCell(3)
        helper = tf.contrib.seq2seq.GreedyEmbeddingHelper(embedding, tf.constant([1, 2]), 0)
        decoder = tf.contrib.seq2seq.BasicDecoder(
            cell, helper, cell.zero_state(2, tf.float32), output_layer=tf.layers.Dense(8, name="output")
        )
        outputs, state, lengths = _decoded(tf, decoder, maximum_iterations=6)
    return _ran(tf, [outputs.rnn_output, outputs.sample_id, state.c, lengths])


@case
def beam_search(tf):
    memory, lengths = _encoded(tf)
    tile = tf.contrib.seq2seq.tile_batch
    with _scope(tf):
        embedding = tf.get_variable("embedding", [8, 4])
        mechanism = tf.contrib.seq2seq.LuongAttention(5, tile(memory, 3), tile(lengths, 3))
        cell = tf.contrib.seq2seq.AttentionWrapper(
            tf.nn.rnn_cell.GRUCell(5), mechanism, attention_layer_size=4, alignment_history=True
        )
        decoder = tf.contrib.seq2seq.BeamSearchDecoder(
            cell,
            embedding,
            tf.constant([1, 2]),
            0,
            cell.zero_state(6, tf.float32),
            3,
            output_layer=tf.layers.Dense(8, name="output"),
            length_penalty_weight=0.6,
            coverage_penalty_weight=0.2,
        )
        outputs, _, lengths = _decoded(tf, decoder, maximum_iterations=6)
    found = outputs.beam_search_decoder_output
    return _ran(tf, [outputs.predicted_ids, found.scores, found.parent_ids, lengths])


@case
def attention_over_embeddings(tf):
    legacy = tf.contrib.legacy_seq2seq
    encoder = [tf.constant([1, 2]), tf.constant([3, 4])]
    decoder = [tf.constant([5, 1]), tf.constant([2, 0])]
    with _scope(tf):
        outputs, state = legacy.embedding_attention_seq2seq(
            encoder, decoder, tf.nn.rnn_cell.GRUCell(3), 8, 7, 4, num_heads=2, feed_previous=True
        )
    loss = legacy.sequence_loss(outputs, decoder, [tf.ones([2]), tf.constant([1.0, 0.5])])
    gradients = [tf.convert_to_tensor(g) for g in tf.gradients(loss, tf.trainable_variables())]
    return _ran(tf, [*outputs, state, loss, *gradients])
