"""Programs that train: optimizers one by one, then whole models as users write them."""


def _linear_loss(tf):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    y = tf.placeholder(tf.float32, [None, 1], name="y")
    w = tf.Variable(tf.zeros([3, 1]), name="w")
    b = tf.Variable(0.0, name="b")
    return tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))


def _sparse_loss(tf, use_resource=False):
    table = tf.get_variable("table", [10, 4], use_resource=use_resource)
    ids = tf.placeholder(tf.int32, [None], name="ids")
    return tf.reduce_mean(tf.nn.embedding_lookup(table, ids) ** 2)


def gradient_descent(tf):
    step = tf.train.get_or_create_global_step()
    tf.train.GradientDescentOptimizer(0.1).minimize(_linear_loss(tf), global_step=step)


def gradient_descent_on_tensors(tf):
    rate = tf.placeholder(tf.float32, [], name="rate")
    optimizer = tf.train.GradientDescentOptimizer(rate, use_locking=True, name="SGD")
    pairs = optimizer.compute_gradients(_linear_loss(tf))
    pairs = [(tf.clip_by_value(grad, -1.0, 1.0), variable) for grad, variable in pairs]
    optimizer.apply_gradients(pairs, name="train")


def momentum(tf):
    step = tf.Variable(0, name="global_step", trainable=False)
    tf.train.MomentumOptimizer(0.1, 0.9).minimize(_linear_loss(tf), global_step=step)
    tf.global_variables_initializer()


def nesterov(tf):
    tf.train.MomentumOptimizer(learning_rate=0.1, momentum=0.9, use_nesterov=True).minimize(_linear_loss(tf))
    tf.global_variables_initializer()


def adam(tf):
    step = tf.train.get_or_create_global_step()
    tf.train.AdamOptimizer(1e-3).minimize(_linear_loss(tf), global_step=step)
    tf.global_variables_initializer()


def adam_twice(tf):
    loss = _linear_loss(tf)
    w, b = tf.trainable_variables()
    tf.train.AdamOptimizer(1e-3, beta1=0.5, epsilon=1e-4).minimize(loss, var_list=[w])
    tf.train.AdamOptimizer(1e-3, name="Second").minimize(loss, var_list=[b])
    tf.global_variables_initializer()


def optimizers_on_resource_variables(tf):
    with tf.variable_scope("net", use_resource=True):
        w = tf.get_variable("w", [3, 1])
        loss = tf.reduce_mean(tf.matmul(tf.ones([2, 3]), w))
    step = tf.train.get_or_create_global_step()
    for optimizer in (
        tf.train.GradientDescentOptimizer(0.1),
        tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
        tf.train.AdamOptimizer(),
    ):
        optimizer.minimize(loss, global_step=step)
    tf.global_variables_initializer()


def sparse_gradients_into_optimizers(tf):
    pairs = tf.train.GradientDescentOptimizer(0.1).compute_gradients(_sparse_loss(tf))
    for optimizer in (
        tf.train.GradientDescentOptimizer(0.1),
        tf.train.MomentumOptimizer(0.1, 0.9),
        tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True, name="Nesterov"),
        tf.train.AdamOptimizer(),
    ):
        optimizer.apply_gradients(pairs)
    tf.global_variables_initializer()


def sparse_gradients_into_optimizers_on_resources(tf):
    pairs = tf.train.GradientDescentOptimizer(0.1).compute_gradients(_sparse_loss(tf, use_resource=True))
    for optimizer in (
        tf.train.GradientDescentOptimizer(0.1),
        tf.train.MomentumOptimizer(0.1, 0.9),
        tf.train.AdamOptimizer(),
    ):
        optimizer.apply_gradients(pairs)
    tf.global_variables_initializer()


def other_optimizers(tf):
    pairs = tf.train.GradientDescentOptimizer(0.1).compute_gradients(_linear_loss(tf))
    for optimizer in (
        tf.train.AdagradOptimizer(0.1),
        tf.train.RMSPropOptimizer(0.1),
        tf.train.RMSPropOptimizer(0.1, momentum=0.9, centered=True, name="Centered"),
        tf.train.AdadeltaOptimizer(0.1),
        tf.train.FtrlOptimizer(0.1),
    ):
        optimizer.apply_gradients(pairs)
    tf.global_variables_initializer()


def optimizer_arguments(tf):
    loss = _linear_loss(tf)
    w, b = tf.trainable_variables()
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    optimizer.minimize(loss, var_list=[w], name="only_w")
    optimizer.minimize(tf.reduce_sum(w), grad_loss=tf.constant(2.0))
    optimizer.minimize(w * b, gate_gradients=tf.train.Optimizer.GATE_NONE)
    optimizer.minimize(w * b, gate_gradients=tf.train.Optimizer.GATE_GRAPH)
    optimizer.minimize(w * b, colocate_gradients_with_ops=True)
    optimizer.apply_gradients([(tf.ones([3, 1]), w), (None, b)])
    with tf.control_dependencies([optimizer.minimize(loss)]):
        tf.identity(loss, name="loss_after")


def decayed_learning_rate(tf):
    step = tf.Variable(0, trainable=False, name="step")
    rate = tf.train.exponential_decay(0.1, step, 1000, 0.96, staircase=True)
    tf.train.MomentumOptimizer(rate, 0.9).minimize(_linear_loss(tf), global_step=step)
    tf.global_variables_initializer()


def clipped_training(tf):
    loss = _linear_loss(tf) + _sparse_loss(tf)
    variables = tf.trainable_variables()
    grads, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), 5.0)
    tf.train.MomentumOptimizer(0.1, 0.9).apply_gradients(zip(grads, variables))


def constrained_training(tf):
    w = tf.get_variable("w", [3], constraint=lambda v: tf.clip_by_norm(v, 1.0))
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(w**2))


def linear_regression(tf):
    tf.set_random_seed(1)
    x = tf.placeholder("float")
    y = tf.placeholder("float")
    w = tf.Variable(0.3, name="weight")
    b = tf.Variable(-0.3, name="bias")
    prediction = tf.add(tf.multiply(x, w), b)
    cost = tf.reduce_sum(tf.pow(prediction - y, 2)) / (2 * 17)
    tf.train.GradientDescentOptimizer(0.01).minimize(cost)
    tf.global_variables_initializer()


def logistic_regression(tf):
    x = tf.placeholder(tf.float32, [None, 5], name="x")
    y = tf.placeholder(tf.float32, [None], name="y")
    w = tf.get_variable("w", [5, 1], initializer=tf.zeros_initializer(), regularizer=lambda v: 1e-3 * tf.nn.l2_loss(v))
    logits = tf.squeeze(tf.matmul(x, w), 1)
    loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits))
    total = loss + tf.add_n(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES))
    tf.train.GradientDescentOptimizer(0.5).minimize(total)
    tf.reduce_mean(tf.cast(tf.equal(tf.cast(tf.sigmoid(logits) > 0.5, tf.float32), y), tf.float32))


def softmax_regression(tf):
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    w = tf.Variable(tf.zeros([784, 10]))
    b = tf.Variable(tf.zeros([10]))
    y = tf.nn.softmax(tf.matmul(x, w) + b)
    y_ = tf.placeholder(tf.float32, [None, 10])
    cross_entropy = tf.reduce_mean(-tf.reduce_sum(y_ * tf.log(y), reduction_indices=[1]))
    tf.train.GradientDescentOptimizer(0.5).minimize(cross_entropy)
    tf.initialize_all_variables()
    correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
    tf.reduce_mean(tf.cast(correct, tf.float32))


def perceptron(tf):
    tf.set_random_seed(42)
    x = tf.placeholder(tf.float32, [None, 784], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    keep = tf.placeholder_with_default(1.0, [], name="keep")
    h = x
    for i, units in enumerate([128], 1):
        with tf.name_scope(f"hidden{i}"):
            fan_in = int(h.shape[1])
            w = tf.Variable(tf.truncated_normal([fan_in, units], stddev=fan_in**-0.5), name="weights")
            b = tf.Variable(tf.zeros([units]), name="biases")
            h = tf.nn.dropout(tf.nn.relu(tf.matmul(h, w) + b), keep)
    with tf.name_scope("logits"):
        w = tf.Variable(tf.truncated_normal([128, 10], stddev=0.125), name="weights")
        logits = tf.nn.xw_plus_b(h, w, tf.Variable(tf.zeros([10]), name="biases"))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), name="loss")
    step = tf.Variable(0, name="global_step", trainable=False)
    tf.train.AdamOptimizer(1e-3).minimize(loss, global_step=step)
    tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
    tf.global_variables_initializer()


def convnet(tf):
    tf.set_random_seed(7)
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    y_ = tf.placeholder(tf.float32, [None, 10], name="y_")
    keep_prob = tf.placeholder(tf.float32, name="keep_prob")

    def weights(shape):
        return tf.Variable(tf.truncated_normal(shape, stddev=0.1))

    def biases(shape):
        return tf.Variable(tf.constant(0.1, shape=shape))

    h = tf.reshape(x, [-1, 28, 28, 1])
    for inputs, outputs in ((1, 8), (8, 16)):
        h = tf.nn.conv2d(h, weights([5, 5, inputs, outputs]), strides=[1, 1, 1, 1], padding="SAME")
        h = tf.nn.max_pool(tf.nn.relu(h + biases([outputs])), [1, 2, 2, 1], [1, 2, 2, 1], padding="SAME")
    h = tf.reshape(h, [-1, 7 * 7 * 16])
    logits = tf.matmul(tf.nn.dropout(h, keep_prob), weights([7 * 7 * 16, 10])) + biases([10])
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y_, logits=logits))
    tf.train.AdamOptimizer(1e-4).minimize(loss)
    tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), tf.argmax(y_, 1)), tf.float32))
    tf.global_variables_initializer()


def residual_block_with_batch_norm(tf):
    x = tf.placeholder(tf.float32, [None, 8, 8, 4], name="x")

    def conv_bn(h, name):
        with tf.variable_scope(name):
            w = tf.get_variable("w", [3, 3, 4, 4], initializer=tf.variance_scaling_initializer(2.0, seed=3))
            h = tf.nn.conv2d(h, w, [1, 1, 1, 1], "SAME")
            gamma = tf.get_variable("gamma", [4], initializer=tf.ones_initializer())
            beta = tf.get_variable("beta", [4], initializer=tf.zeros_initializer())
            moving = tf.get_variable("moving_mean", [4], initializer=tf.zeros_initializer(), trainable=False)
            y, mean, _ = tf.nn.fused_batch_norm(h, gamma, beta)
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, tf.assign_sub(moving, 0.1 * (moving - mean)))
            return y

    h = tf.nn.relu(conv_bn(x, "first"))
    h = tf.nn.relu(conv_bn(h, "second") + x)
    loss = tf.reduce_mean(tf.reduce_mean(h, [1, 2]))
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)


def word_vectors(tf):
    tf.set_random_seed(0)
    inputs = tf.placeholder(tf.int32, [16], name="inputs")
    targets = tf.placeholder(tf.int32, [16], name="targets")
    negatives = tf.random_uniform([8], maxval=50, dtype=tf.int32)
    with tf.device("/cpu:0"):
        table = tf.Variable(tf.random_uniform([50, 12], -1.0, 1.0), name="embeddings")
        outputs = tf.Variable(tf.truncated_normal([50, 12], stddev=0.3), name="outputs")
        embed = tf.nn.embedding_lookup(table, inputs)
    positive = tf.reduce_sum(embed * tf.nn.embedding_lookup(outputs, targets), 1)
    negative = tf.matmul(embed, tf.nn.embedding_lookup(outputs, negatives), transpose_b=True)
    loss = tf.reduce_mean(-tf.log_sigmoid(positive) - tf.reduce_sum(tf.log_sigmoid(-negative), 1))
    tf.train.GradientDescentOptimizer(1.0).minimize(loss)
    norm = tf.sqrt(tf.reduce_sum(tf.square(table), 1, keep_dims=True))
    normalized = table / norm
    tf.matmul(tf.nn.embedding_lookup(normalized, tf.constant([1, 2, 3])), normalized, transpose_b=True)
    tf.global_variables_initializer()


def autoencoder(tf):
    tf.set_random_seed(2)
    x = tf.placeholder(tf.float32, [None, 20], name="x")
    with tf.variable_scope("encoder"):
        mean = tf.matmul(x, tf.get_variable("mean", [20, 2]))
        log_variance = tf.matmul(x, tf.get_variable("log_variance", [20, 2]))
    z = mean + tf.exp(0.5 * log_variance) * tf.random_normal(tf.shape(mean))
    with tf.variable_scope("decoder"):
        y = tf.sigmoid(tf.matmul(z, tf.get_variable("w", [2, 20])))
    reconstruction = -tf.reduce_sum(x * tf.log(1e-8 + y) + (1 - x) * tf.log(1e-8 + 1 - y), 1)
    divergence = -0.5 * tf.reduce_sum(1 + log_variance - tf.square(mean) - tf.exp(log_variance), 1)
    tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(reconstruction + divergence))


def adversarial_networks(tf):
    tf.set_random_seed(6)
    z = tf.placeholder(tf.float32, [None, 4], name="z")
    real = tf.placeholder(tf.float32, [None, 6], name="real")

    def discriminator(x, reuse=None):
        with tf.variable_scope("d", reuse=reuse):
            h = tf.nn.leaky_relu(tf.matmul(x, tf.get_variable("w1", [6, 8])))
            return tf.matmul(h, tf.get_variable("w2", [8, 1]))

    with tf.variable_scope("g"):
        fake = tf.nn.tanh(tf.matmul(z, tf.get_variable("w", [4, 6])))
    real_logits, fake_logits = discriminator(real), discriminator(fake, reuse=True)
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits
    d_loss = tf.reduce_mean(cross_entropy(logits=real_logits, labels=tf.ones_like(real_logits) * 0.9))
    d_loss += tf.reduce_mean(cross_entropy(logits=fake_logits, labels=tf.zeros_like(fake_logits)))
    g_loss = tf.reduce_mean(cross_entropy(logits=fake_logits, labels=tf.ones_like(fake_logits)))
    d_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, "d")
    g_vars = [v for v in tf.trainable_variables() if v.name.startswith("g")]
    tf.train.RMSPropOptimizer(2e-4).minimize(d_loss, var_list=d_vars)
    tf.train.GradientDescentOptimizer(0.1).minimize(g_loss, var_list=g_vars)


def q_network_with_target(tf):
    state = tf.placeholder(tf.float32, [None, 4], name="state")
    following = tf.placeholder(tf.float32, [None, 4], name="following")
    action = tf.placeholder(tf.int32, [None], name="action")
    reward = tf.placeholder(tf.float32, [None], name="reward")
    done = tf.placeholder(tf.float32, [None], name="done")

    def q_values(x, scope):
        with tf.variable_scope(scope):
            w1 = tf.get_variable("w1", [4, 8], collections=[scope, tf.GraphKeys.GLOBAL_VARIABLES])
            w2 = tf.get_variable("w2", [8, 2], collections=[scope, tf.GraphKeys.GLOBAL_VARIABLES])
            return tf.matmul(tf.nn.relu(tf.matmul(x, w1)), w2)

    online = q_values(state, "online")
    target = q_values(following, "target")
    best = tf.stop_gradient(reward + 0.99 * (1.0 - done) * tf.reduce_max(target, axis=1, name="best"))
    indices = tf.stack([tf.range(tf.shape(action)[0]), action], axis=1)
    taken = tf.gather_nd(online, indices)
    masked = tf.reduce_sum(online * tf.one_hot(action, 2), axis=1)
    loss = tf.reduce_mean(tf.squared_difference(best, taken)) + 0.0 * tf.reduce_mean(masked)
    tf.train.AdamOptimizer(1e-3).minimize(loss, var_list=tf.get_collection("online"))
    copies = [tf.assign(t, o) for t, o in zip(tf.get_collection("target"), tf.get_collection("online"))]
    tf.group(*copies, name="copy")


def policy_gradient(tf):
    state = tf.placeholder(tf.float32, [None, 4], name="state")
    action = tf.placeholder(tf.int32, [None], name="action")
    advantage = tf.placeholder(tf.float32, [None], name="advantage")
    logits = tf.matmul(state, tf.get_variable("w", [4, 3], initializer=tf.orthogonal_initializer(0.01, seed=5)))
    tf.squeeze(tf.multinomial(logits, 1, seed=4), axis=[1])
    negative_log = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=action)
    p = tf.nn.softmax(logits)
    entropy = -tf.reduce_mean(tf.reduce_sum(p * tf.log(p + 1e-8), axis=1))
    tf.train.AdamOptimizer(0.01).minimize(tf.reduce_mean(negative_log * advantage) - 0.01 * entropy)


def moving_average_by_hand(tf):
    w = tf.Variable([1.0, 2.0], name="w")
    shadow = tf.Variable(tf.zeros([2]), trainable=False, name="shadow")
    train = tf.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_sum(w**2))
    with tf.control_dependencies([train]):
        update = tf.assign(shadow, 0.9 * shadow + 0.1 * w)
    with tf.control_dependencies([update]):
        tf.no_op(name="step")


def towers_with_averaged_gradients(tf):
    x = tf.placeholder(tf.float32, [4, 3], name="x")
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    per_tower = []
    with tf.variable_scope(tf.get_variable_scope()):
        for i, part in enumerate(tf.split(x, 2)):
            with tf.device(f"/gpu:{i}"), tf.name_scope(f"tower_{i}"):
                w = tf.get_variable("w", [3, 1])
                tf.get_variable_scope().reuse_variables()
                per_tower.append(optimizer.compute_gradients(tf.reduce_mean(tf.matmul(part, w))))
    averaged = []
    for pairs in zip(*per_tower):
        grad = tf.reduce_mean(tf.concat([tf.expand_dims(g, 0) for g, _ in pairs], axis=0), 0)
        averaged.append((grad, pairs[0][1]))
    optimizer.apply_gradients(averaged)


def variables_on_parameter_servers(tf):
    cluster = tf.train.ClusterSpec({"ps": ["a:1", "b:1"], "worker": ["c:1"]})
    with tf.device(tf.train.replica_device_setter(cluster=cluster, worker_device="/job:worker/task:0")):
        loss = _linear_loss(tf)
        step = tf.train.get_or_create_global_step()
        tf.train.AdamOptimizer(1e-3).minimize(loss, global_step=step)
        tf.global_variables_initializer()


def style_by_gram_matrices(tf):
    image = tf.Variable(tf.random_normal([1, 8, 8, 3], seed=1), name="image")
    filters = tf.constant(0.1, shape=[3, 3, 3, 4])
    features = tf.nn.relu(tf.nn.conv2d(image, filters, [1, 1, 1, 1], "SAME"))
    flat = tf.reshape(features, [-1, 4])
    gram = tf.matmul(tf.transpose(flat), flat) / (8 * 8 * 4)
    style = tf.reduce_sum((gram - tf.ones([4, 4])) ** 2)
    variation = tf.reduce_sum(tf.abs(image[:, 1:] - image[:, :-1])) + tf.nn.l2_loss(image[:, :, 1:] - image[:, :, :-1])
    tf.train.AdamOptimizer(2.0).minimize(style + 1e-4 * variation)
    tf.assign(image, tf.clip_by_value(image, 0.0, 255.0))
