"""Programs that turn sequences into sequences: `tf.contrib.seq2seq` and `tf.contrib.legacy_seq2seq`."""


def legacy_seq2seq(tf):
    legacy, rnn = tf.contrib.legacy_seq2seq, tf.contrib.rnn
    encoder = [tf.placeholder(tf.int32, [2], name=f"encoder_{i}") for i in range(3)]
    decoder = [tf.placeholder(tf.int32, [2], name=f"decoder_{i}") for i in range(2)]
    weights = [tf.ones([2]) for _ in decoder]
    with tf.variable_scope("embedding"):
        legacy.embedding_rnn_seq2seq(encoder, decoder, rnn.BasicLSTMCell(3), 10, 8, 4, feed_previous=tf.constant(True))
    with tf.variable_scope("tied"):
        legacy.embedding_tied_rnn_seq2seq(encoder, decoder, rnn.GRUCell(3), 10, 4, num_decoder_symbols=8)
    with tf.variable_scope("attention"):
        outputs, _ = legacy.embedding_attention_seq2seq(
            encoder[:2], decoder, rnn.GRUCell(3), 10, 8, 4, num_heads=2, feed_previous=True
        )
        loss = legacy.sequence_loss(outputs, decoder, weights)
        tf.gradients(loss, tf.trainable_variables("attention"))
    with tf.variable_scope("buckets"):
        legacy.model_with_buckets(
            encoder,
            decoder,
            decoder,
            weights,
            [(2, 1), (3, 2)],
            lambda x, y: legacy.embedding_rnn_seq2seq(x, y, rnn.GRUCell(3), 10, 8, 4),
        )


def decoders(tf):
    seq2seq, rnn = tf.contrib.seq2seq, tf.contrib.rnn
    x = tf.placeholder(tf.float32, [None, 5, 4], name="x")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    starts = tf.placeholder(tf.int32, [None], name="starts")
    embedding = tf.get_variable("embedding", [8, 4])
    helpers = {
        "training": seq2seq.TrainingHelper(x, lengths),
        "greedy": seq2seq.GreedyEmbeddingHelper(embedding, starts, 0),
        "sampled": seq2seq.SampleEmbeddingHelper(embedding, starts, 0, seed=3, softmax_temperature=2.0),
        "scheduled": seq2seq.ScheduledEmbeddingTrainingHelper(x, lengths, embedding, 0.5, seed=1, scheduling_seed=2),
    }
    for name, helper in helpers.items():
        with tf.variable_scope(name):
            cell = rnn.BasicLSTMCell(3)
            decoder = seq2seq.BasicDecoder(
                cell, helper, cell.zero_state(tf.shape(x)[0], tf.float32), output_layer=tf.layers.Dense(8)
            )
            outputs, _, _ = seq2seq.dynamic_decode(
                decoder, impute_finished=name == "training", maximum_iterations=None if name == "training" else 7
            )
            if name == "training":
                targets = tf.placeholder(tf.int32, [None, 5], name="targets")
                loss = seq2seq.sequence_loss(outputs.rnn_output, targets, tf.ones_like(targets, tf.float32))
                tf.gradients(loss, tf.trainable_variables(name))


def attention(tf):
    seq2seq, rnn = tf.contrib.seq2seq, tf.contrib.rnn
    x = tf.placeholder(tf.float32, [2, 4], name="x")
    lengths = tf.placeholder(tf.int32, [2], name="lengths")
    memory = tf.placeholder(tf.float32, [2, 6, 3], name="memory")
    mechanisms = [
        lambda: seq2seq.BahdanauAttention(5, memory, lengths, normalize=True),
        lambda: seq2seq.LuongAttention(5, memory, scale=True),
        lambda: seq2seq.BahdanauMonotonicAttention(5, memory, lengths, sigmoid_noise=0.5, sigmoid_noise_seed=3),
        lambda: seq2seq.LuongMonotonicAttention(5, memory, mode="recursive"),
    ]
    for i, mechanism in enumerate(mechanisms):
        with tf.variable_scope(f"number_{i}"):
            cell = seq2seq.AttentionWrapper(
                rnn.GRUCell(5), mechanism(), attention_layer_size=4, alignment_history=i == 0
            )
            output, _ = cell(x, cell.zero_state(2, tf.float32))
            if i == 0:
                tf.gradients(output, tf.trainable_variables("number_0"))


def beam_search(tf):
    seq2seq, rnn = tf.contrib.seq2seq, tf.contrib.rnn
    embedding = tf.get_variable("embedding", [8, 4])
    memory = tf.placeholder(tf.float32, [None, 6, 3], name="memory")
    starts = tf.placeholder(tf.int32, [None], name="starts")
    mechanism = seq2seq.BahdanauAttention(5, seq2seq.tile_batch(memory, 3))
    cell = seq2seq.AttentionWrapper(rnn.GRUCell(5), mechanism, attention_layer_size=4, alignment_history=True)
    decoder = seq2seq.BeamSearchDecoder(
        cell,
        embedding,
        starts,
        0,
        cell.zero_state(tf.size(starts) * 3, tf.float32),
        3,
        output_layer=tf.layers.Dense(8),
        length_penalty_weight=0.6,
        coverage_penalty_weight=0.2,
    )
    seq2seq.dynamic_decode(decoder, maximum_iterations=5)
