"""Networks as TF 1 programs write them, to measure a step of: `NETWORKS[name](tf)` gives the call that runs one.

They run under Python 3.7 and later, and against any module that is TF 1.
"""

import numpy as np

RANDOM = np.random.RandomState(0)


def started(tf):
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def images(size, count):
    return RANDOM.randn(count, size, size, 3).astype(np.float32)


def trained(tf, optimizer, logits, labels):
    """What a step fetches: the loss as well, or it would return before the work is done."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = tf.reduce_mean(losses)
    return optimizer.minimize(loss), loss


# A small convolutional network: three convolutions and poolings on 64 images of 64x64


def small_cnn(tf):
    x, y = tf.placeholder(tf.float32, [None, 64, 64, 3]), tf.placeholder(tf.int64, [None])
    h = x
    for i, shape in enumerate([(5, 5, 3, 32), (3, 3, 32, 64), (3, 3, 64, 128)]):
        w = tf.get_variable(f"w{i}", shape)
        b = tf.get_variable(f"b{i}", shape[-1:], initializer=tf.zeros_initializer())
        h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(h, w, [1, 1, 1, 1], "SAME"), b))
        h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    logits = tf.matmul(tf.reshape(h, [-1, 8192]), tf.get_variable("out", [8192, 10]))
    train = trained(tf, tf.train.GradientDescentOptimizer(0.01), logits, y)
    return x, y, logits, train, images(64, 64), RANDOM.randint(0, 10, 64)


def cnn_train(tf):
    x, y, _, train, pictures, labels = small_cnn(tf)
    session = started(tf)
    return lambda: session.run(train, {x: pictures, y: labels})


def cnn_infer(tf):
    x, _, logits, _, pictures, _ = small_cnn(tf)
    session = started(tf)
    return lambda: session.run(logits, {x: pictures})


# ResNet-50 (K. He and others, "Deep residual learning for image recognition", 2015), stride in the 3x3 convolution


def resnet50(tf, training):
    updates = []

    def conv(h, depth, size, stride, name):
        shape = [size, size, int(h.shape[3]), depth]
        deviation = (2.0 / (shape[0] * shape[1] * shape[2])) ** 0.5
        w = tf.get_variable(name + "/w", shape, initializer=tf.random_normal_initializer(stddev=deviation))
        return norm(tf.nn.conv2d(h, w, [1, stride, stride, 1], "SAME"), name)

    def norm(h, name):
        def vector(part, value, **kwargs):
            return tf.get_variable(
                f"{name}/{part}", [int(h.shape[3])], initializer=tf.constant_initializer(value), **kwargs
            )

        scale, offset = vector("scale", 1.0), vector("offset", 0.0)
        mean, variance = vector("mean", 0.0, trainable=False), vector("variance", 1.0, trainable=False)
        if not training:
            return tf.nn.fused_batch_norm(h, scale, offset, mean, variance, 1e-5, is_training=False)[0]
        y, batch_mean, batch_variance = tf.nn.fused_batch_norm(h, scale, offset, epsilon=1e-5, is_training=True)
        updates.append(tf.assign_sub(mean, (mean - batch_mean) * 0.1))
        updates.append(tf.assign_sub(variance, (variance - batch_variance) * 0.1))
        return y

    x, y = tf.placeholder(tf.float32, [None, 224, 224, 3]), tf.placeholder(tf.int64, [None])
    h = tf.nn.relu(conv(x, 64, 7, 2, "stem"))
    h = tf.nn.max_pool(h, [1, 3, 3, 1], [1, 2, 2, 1], "SAME")
    for stage, (depth, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for block in range(blocks):
            with tf.variable_scope(f"stage{stage}_block{block}"):
                stride = 2 if stage and not block else 1
                shortcut = h if block else conv(h, 4 * depth, 1, stride, "shortcut")
                z = tf.nn.relu(conv(h, depth, 1, 1, "in"))
                z = tf.nn.relu(conv(z, depth, 3, stride, "middle"))
                h = tf.nn.relu(conv(z, 4 * depth, 1, 1, "out") + shortcut)
    h = tf.reduce_mean(h, [1, 2])
    logits = tf.matmul(h, tf.get_variable("out/w", [2048, 1000])) + tf.get_variable("out/b", [1000])
    if not training:
        return x, y, tf.nn.softmax(logits)
    with tf.control_dependencies(updates):
        return x, y, trained(tf, tf.train.MomentumOptimizer(0.001, 0.9), logits, y)


def resnet50_train(tf):
    x, y, train = resnet50(tf, True)
    session, pictures, labels = started(tf), images(224, 8), RANDOM.randint(0, 1000, 8)
    return lambda: session.run(train, {x: pictures, y: labels})


def resnet50_infer(tf):
    x, _, classes = resnet50(tf, False)
    session, pictures = started(tf), images(224, 8)
    return lambda: session.run(classes, {x: pictures})


def resnet50_infer_one(tf):
    x, _, classes = resnet50(tf, False)
    session, pictures = started(tf), images(224, 1)
    return lambda: session.run(classes, {x: pictures})


def mobilenet_infer(tf):
    """Depthwise separable convolutions: A. Howard and others, "MobileNets", 2017."""

    def norm(h, name):
        def vector(part, value):
            return tf.get_variable(name + part, [int(h.shape[3])], initializer=tf.constant_initializer(value))

        scale, offset, mean, variance = vector("s", 1.0), vector("o", 0.0), vector("m", 0.0), vector("v", 1.0)
        return tf.nn.relu6(tf.nn.fused_batch_norm(h, scale, offset, mean, variance, 1e-3, is_training=False)[0])

    x = tf.placeholder(tf.float32, [None, 224, 224, 3])
    h = norm(tf.nn.conv2d(x, tf.get_variable("stem", [3, 3, 3, 32]), [1, 2, 2, 1], "SAME"), "stem_")
    widths = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for i, (depth, stride) in enumerate(widths):
        before = int(h.shape[3])
        w = tf.get_variable(f"depthwise{i}", [3, 3, before, 1])
        h = norm(tf.nn.depthwise_conv2d(h, w, [1, stride, stride, 1], "SAME"), f"depthwise{i}_")
        w = tf.get_variable(f"pointwise{i}", [1, 1, before, depth])
        h = norm(tf.nn.conv2d(h, w, [1, 1, 1, 1], "SAME"), f"pointwise{i}_")
    h = tf.nn.avg_pool(h, [1, 7, 7, 1], [1, 1, 1, 1], "VALID")
    logits = tf.matmul(tf.reshape(h, [-1, 1024]), tf.get_variable("out", [1024, 1000]))
    session, pictures = started(tf), images(224, 8)
    return lambda: session.run(logits, {x: pictures})


# Words and sequences


def word2vec(tf):
    words, width, batch = 200000, 128, 128
    x, y = tf.placeholder(tf.int32, [batch]), tf.placeholder(tf.int64, [batch, 1])
    embeddings = tf.get_variable("embeddings", [words, width], initializer=tf.random_uniform_initializer(-1, 1))
    weights = tf.get_variable("weights", [words, width], initializer=tf.truncated_normal_initializer(stddev=0.09))
    biases = tf.get_variable("biases", [words], initializer=tf.zeros_initializer())
    looked_up = tf.nn.embedding_lookup(embeddings, x)
    loss = tf.reduce_mean(
        tf.nn.nce_loss(weights=weights, biases=biases, labels=y, inputs=looked_up, num_sampled=64, num_classes=words)
    )
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    session = started(tf)
    centers, contexts = RANDOM.randint(0, words, batch), RANDOM.randint(0, words, (batch, 1))

    def twenty_steps():
        for _ in range(20):
            session.run([train, loss], {x: centers, y: contexts})

    return twenty_steps


def transformer(tf):
    """The encoder of A. Vaswani and others, "Attention is all you need", 2017: 4 layers, width 256, 16 texts of 128."""
    layers, width, heads, inner, length, batch, words = 4, 256, 4, 1024, 128, 16, 1000

    def dense(h, n, name):
        w = tf.get_variable(name + "/w", [int(h.shape[-1]), n])
        return tf.nn.bias_add(tf.matmul(h, w), tf.get_variable(name + "/b", [n], initializer=tf.zeros_initializer()))

    def norm(h, name):
        scale = tf.get_variable(name + "/scale", [width], initializer=tf.ones_initializer())
        offset = tf.get_variable(name + "/offset", [width], initializer=tf.zeros_initializer())
        mean, variance = tf.nn.moments(h, [-1], keep_dims=True)
        return (h - mean) * tf.rsqrt(variance + 1e-6) * scale + offset

    def by_head(t):
        return tf.transpose(tf.reshape(t, [-1, length, heads, width // heads]), [0, 2, 1, 3])

    x, y = tf.placeholder(tf.int32, [None, length]), tf.placeholder(tf.int32, [None, length])
    h = tf.nn.embedding_lookup(tf.get_variable("words", [words, width]), x)
    h = tf.reshape(h + tf.get_variable("places", [length, width]), [-1, width])
    for i in range(layers):
        with tf.variable_scope(f"layer{i}"):
            q, k, v = [by_head(t) for t in tf.split(dense(norm(h, "norm1"), 3 * width, "qkv"), 3, axis=1)]
            attention = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * (width // heads) ** -0.5)
            mixed = tf.reshape(tf.transpose(tf.matmul(attention, v), [0, 2, 1, 3]), [-1, width])
            h = h + dense(mixed, width, "mixed")
            h = h + dense(tf.nn.relu(dense(norm(h, "norm2"), inner, "inner")), width, "outer")
    logits = dense(norm(h, "norm"), words, "out")
    train = trained(tf, tf.train.AdamOptimizer(1e-4), logits, tf.reshape(y, [-1]))
    session = started(tf)
    texts, following = RANDOM.randint(0, words, (batch, length)), RANDOM.randint(0, words, (batch, length))
    return lambda: session.run(train, {x: texts, y: following})


def lstm(tf):
    x, y = tf.placeholder(tf.float32, [None, None, 128]), tf.placeholder(tf.int64, [None])
    outputs, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.BasicLSTMCell(256), x, dtype=tf.float32)
    logits = tf.matmul(outputs[:, -1], tf.get_variable("out", [256, 10]))
    train = trained(tf, tf.train.AdamOptimizer(1e-3), logits, y)
    session, sequences, labels = started(tf), RANDOM.randn(32, 64, 128), RANDOM.randint(0, 10, 32)
    return lambda: session.run(train, {x: sequences, y: labels})


NETWORKS = {
    f.__name__: f
    for f in (
        cnn_train, cnn_infer, resnet50_train, resnet50_infer, resnet50_infer_one, mobilenet_infer, word2vec,
        transformer, lstm,
    )
}  # fmt: skip
