"""Programs built from `tf.nn`: activations, convolutions, normalisation, losses, embeddings. No training yet."""


def activations(tf):
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    tf.nn.relu(x)
    tf.nn.relu6(x)
    tf.nn.elu(x)
    tf.nn.selu(x)
    tf.nn.leaky_relu(x)
    tf.nn.leaky_relu(x, alpha=0.1, name="leaky")
    tf.nn.crelu(x)
    tf.nn.sigmoid(x)
    tf.nn.tanh(x)
    tf.nn.softplus(x)
    tf.nn.softsign(x)
    tf.nn.softmax(x)
    tf.nn.softmax(x, dim=0)
    tf.nn.softmax(x, axis=-1, name="probabilities")
    tf.nn.softmax(tf.placeholder(tf.float32, [2, 3, 4]), axis=1)
    tf.nn.log_softmax(x)


def biases(tf):
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    b = tf.Variable(tf.zeros([3]), name="b")
    tf.nn.bias_add(x, b)
    tf.nn.bias_add(tf.transpose(x, [0, 3, 1, 2]), b, data_format="NCHW")
    tf.nn.xw_plus_b(tf.ones([2, 4]), tf.ones([4, 3]), b)
    tf.nn.relu_layer(tf.ones([2, 4]), tf.ones([4, 3]), b)


def dropout(tf):
    tf.set_random_seed(8)
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    keep = tf.placeholder(tf.float32, [], name="keep")
    tf.nn.dropout(x, 0.5)
    tf.nn.dropout(x, keep_prob=keep)
    tf.nn.dropout(x, rate=0.3, seed=1)
    tf.nn.dropout(x, rate=1 - keep, name="drop")
    tf.nn.dropout(x, keep_prob=0.9, noise_shape=[1, 4])
    tf.nn.dropout(x, keep_prob=1.0)
    tf.nn.dropout(tf.ones([2, 3]), 0.5, seed=2)


def convolutions(tf):
    x = tf.placeholder(tf.float32, [None, 16, 16, 3], name="x")
    w = tf.Variable(tf.truncated_normal([3, 3, 3, 8], stddev=0.1, seed=1), name="w")
    tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")
    tf.nn.conv2d(x, w, strides=[1, 2, 2, 1], padding="VALID")
    tf.nn.conv2d(x, w, 2, "SAME", name="short_strides")
    tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME", dilations=[1, 2, 2, 1])
    tf.nn.conv2d(x, w, [1, 1, 1, 1], [[0, 0], [1, 2], [0, 1], [0, 0]], name="explicit")
    tf.nn.conv2d(tf.ones([1, 3, 5, 5]), w, [1, 1, 1, 1], "SAME", data_format="NCHW")
    tf.nn.conv2d_transpose(tf.ones([2, 8, 8, 8]), w, [2, 16, 16, 3], [1, 2, 2, 1])
    tf.nn.depthwise_conv2d(x, tf.ones([3, 3, 3, 2]), [1, 1, 1, 1], "SAME")
    tf.nn.separable_conv2d(x, tf.ones([3, 3, 3, 1]), tf.ones([1, 1, 3, 4]), [1, 1, 1, 1], "VALID")
    tf.nn.conv1d(tf.ones([2, 10, 3]), tf.ones([3, 3, 4]), stride=1, padding="SAME")
    tf.nn.conv3d(tf.ones([1, 4, 4, 4, 1]), tf.ones([2, 2, 2, 1, 3]), [1, 1, 1, 1, 1], "SAME")
    tf.nn.atrous_conv2d(x, w, rate=2, padding="SAME")
    tf.nn.convolution(x, w, "SAME")


def pooling(tf):
    x = tf.placeholder(tf.float32, [None, 9, 9, 4], name="x")
    tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    tf.nn.max_pool(x, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="VALID", name="pool1")
    tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], padding="SAME")
    tf.nn.max_pool_with_argmax(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    tf.nn.pool(x, [2, 2], "AVG", "VALID")
    tf.nn.max_pool3d(tf.ones([1, 4, 4, 4, 1]), [1, 2, 2, 2, 1], [1, 2, 2, 2, 1], "SAME")
    tf.nn.lrn(x, 4, bias=1.0, alpha=0.001 / 9.0, beta=0.75, name="norm1")


def normalisation(tf):
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    scale = tf.get_variable("scale", [3], initializer=tf.ones_initializer())
    offset = tf.get_variable("offset", [3], initializer=tf.zeros_initializer())
    tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)
    tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5, name="plain")
    tf.nn.moments(x, axes=[1, 2], keep_dims=True)
    tf.nn.weighted_moments(x, [0], tf.ones([1, 8, 8, 3]))
    tf.nn.fused_batch_norm(x, scale, offset)
    tf.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=1e-4, is_training=False, name="inference")
    tf.nn.l2_normalize(x, dim=3)
    tf.nn.l2_normalize(x, axis=[1, 2], epsilon=1e-6)
    tf.nn.l2_loss(x)


def cross_entropies(tf):
    logits = tf.placeholder(tf.float32, [None, 10], name="logits")
    labels = tf.placeholder(tf.float32, [None, 10], name="labels")
    classes = tf.placeholder(tf.int64, [None], name="classes")
    tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=labels)
    tf.nn.softmax_cross_entropy_with_logits_v2(logits=logits, labels=labels)
    tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=classes)
    tf.nn.sigmoid_cross_entropy_with_logits(logits=logits, labels=labels)
    tf.nn.weighted_cross_entropy_with_logits(targets=labels, logits=logits, pos_weight=2.0)
    tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.ones([2, 3, 4]), logits=tf.zeros([2, 3, 4]), axis=1)
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.zeros([2, 3], tf.int32), logits=tf.zeros([2, 3, 5]))
    tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[1, 2], logits=tf.zeros([2, 3]), name="small")


def losses_by_hand(tf):
    y = tf.placeholder(tf.float32, [None, 1], name="y")
    z = tf.placeholder(tf.float32, [None, 1], name="z")
    error = y - z
    tf.reduce_mean(tf.square(error), name="mse")
    tf.reduce_mean(tf.abs(error), name="mae")
    tf.sqrt(tf.reduce_mean((y - z) ** 2))
    tf.reduce_mean(tf.where(tf.abs(error) < 1.0, 0.5 * error**2, tf.abs(error) - 0.5), name="huber")
    -tf.reduce_mean(y * tf.log(z + 1e-10) + (1 - y) * tf.log(1 - z + 1e-10))
    -tf.reduce_sum(y * tf.log(tf.clip_by_value(z, 1e-10, 1.0)), reduction_indices=[1])
    tf.reduce_sum(tf.pow(y - z, 2)) / (2 * 100)
    tf.maximum(0.0, 1.0 - y * z, name="hinge")
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(z, 1))
    tf.reduce_mean(tf.cast(correct, tf.float32), name="accuracy")


def embeddings(tf):
    table = tf.get_variable("table", [100, 8], initializer=tf.random_uniform_initializer(-1.0, 1.0, seed=2))
    parts = [tf.get_variable(f"part_{i}", [10, 4]) for i in range(3)]
    ids = tf.placeholder(tf.int32, [None, 5], name="ids")
    sparse_ids = tf.sparse_placeholder(tf.int64, shape=[4, 7], name="sparse_ids")
    tf.nn.embedding_lookup(table, ids)
    tf.nn.embedding_lookup([table], [1, 2])
    tf.nn.embedding_lookup(table, ids, max_norm=1.0)
    tf.nn.embedding_lookup(parts, ids)
    tf.nn.embedding_lookup(parts, [1, 2, 3], partition_strategy="div", name="div")
    tf.nn.embedding_lookup_sparse(table, sparse_ids, None, combiner="mean")
    tf.nn.embedding_lookup_sparse(table, sparse_ids, None, combiner="sqrtn", name="sqrtn")
    tf.nn.embedding_lookup_sparse(table, sparse_ids, tf.cast(sparse_ids, tf.float32), combiner="sum")


def recurrent_cell_unrolled_by_hand(tf):
    inputs = tf.placeholder(tf.float32, [None, 3, 2], name="inputs")
    state = tf.zeros([tf.shape(inputs)[0], 4])
    with tf.variable_scope("rnn"):
        for time in range(3):
            if time > 0:
                tf.get_variable_scope().reuse_variables()
            with tf.variable_scope("cell"):
                w = tf.get_variable("w", [6, 4])
                b = tf.get_variable("b", [4], initializer=tf.constant_initializer(0.0))
                state = tf.tanh(tf.matmul(tf.concat([inputs[:, time, :], state], 1), w) + b)
    logits = tf.matmul(state, tf.get_variable("out", [4, 2]))
    tf.nn.softmax(logits, name="prediction")


def attention_by_hand(tf):
    x = tf.placeholder(tf.float32, [None, 6, 8], name="x")
    lengths = tf.placeholder(tf.int32, [None], name="lengths")
    with tf.variable_scope("attention"):
        q, k, v = (
            tf.tensordot(x, tf.get_variable(name, [8, 8], initializer=tf.glorot_uniform_initializer(seed=i)), 1)
            for i, name in enumerate("qkv")
        )

        def heads(y):
            return tf.transpose(tf.reshape(y, [-1, 6, 2, 4]), [0, 2, 1, 3])

        scores = tf.matmul(heads(q), heads(k), transpose_b=True) / tf.sqrt(tf.cast(4, tf.float32))
        mask = tf.sequence_mask(lengths, 6, dtype=tf.float32)[:, None, None, :]
        weights = tf.nn.softmax(scores + (1.0 - mask) * -1e9)
        context = tf.reshape(tf.transpose(tf.matmul(weights, heads(v)), [0, 2, 1, 3]), [-1, 6, 8])
        mean, variance = tf.nn.moments(context + x, axes=[-1], keep_dims=True)
        tf.nn.batch_normalization(context + x, mean, variance, None, None, 1e-6, name="layer_norm")
