"""Numbers that training rests on: gradients and five steps of each optimizer on a tiny problem."""

import numpy as np

POINTS = np.array([[1.0, 2.0], [-1.0, 0.5], [0.3, -2.0], [2.0, 1.0]], np.float32)
TARGETS = np.array([[1.0], [0.0], [-1.0], [2.0]], np.float32)
STEPS = 5


def _dense_steps(tf, optimizer, use_resource=False):
    x, y = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.float32, [None, 1])
    w = tf.get_variable("w", initializer=[[0.5], [-0.5]], use_resource=use_resource)
    b = tf.get_variable("b", initializer=[0.1], use_resource=use_resource)
    loss = tf.reduce_mean(tf.square(tf.matmul(x, w) + b - y))
    step = tf.train.get_or_create_global_step()
    train = optimizer.minimize(loss, global_step=step)
    feeds = {x: POINTS, y: TARGETS}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        losses = [sess.run([loss, train], feeds)[0] for _ in range(STEPS - 1)]
        sess.run(train, feeds)
        return [losses[0], losses[1:], sess.run([w, b]), sess.run(step), sess.run(_slots(tf, optimizer))]


def _sparse_steps(tf, optimizer, use_resource=False):
    table = tf.get_variable("table", initializer=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], use_resource=use_resource)
    ids = tf.placeholder(tf.int32, [None])
    train = optimizer.minimize(tf.reduce_sum(tf.nn.embedding_lookup(table, ids) ** 2))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for batch in ([0], [0, 2], [2, 2, 2], [1, 0], [0, 0])[:STEPS]:
            sess.run(train, {ids: batch})
        return [sess.run(table), sess.run(_slots(tf, optimizer))]


def _slots(tf, optimizer):
    names = optimizer.get_slot_names()
    return [optimizer.get_slot(v, name) for name in names for v in tf.trainable_variables()]


def gradient_descent(tf):
    return _dense_steps(tf, tf.train.GradientDescentOptimizer(0.1))


def gradient_descent_resource(tf):
    return _dense_steps(tf, tf.train.GradientDescentOptimizer(0.1), use_resource=True)


def gradient_descent_sparse(tf):
    return _sparse_steps(tf, tf.train.GradientDescentOptimizer(0.1))


def gradient_descent_sparse_resource(tf):
    return _sparse_steps(tf, tf.train.GradientDescentOptimizer(0.1), use_resource=True)


def momentum(tf):
    return _dense_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9))


def momentum_sparse(tf):
    return _sparse_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9))


def momentum_sparse_resource(tf):
    return _sparse_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9), use_resource=True)


def nesterov(tf):
    return _dense_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True))


def nesterov_resource(tf):
    return _dense_steps(tf, tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True), use_resource=True)


def nesterov_sparse(tf):
    return _sparse_steps(tf, tf.train.MomentumOptimizer(0.05, 0.9, use_nesterov=True))


def adam(tf):
    return _dense_steps(tf, tf.train.AdamOptimizer(0.1))


def adam_resource(tf):
    return _dense_steps(tf, tf.train.AdamOptimizer(0.1), use_resource=True)


def adam_with_other_betas(tf):
    return _dense_steps(tf, tf.train.AdamOptimizer(0.01, beta1=0.5, beta2=0.9, epsilon=1e-3))


def adam_sparse(tf):
    return _sparse_steps(tf, tf.train.AdamOptimizer(0.1))


def adam_sparse_resource(tf):
    return _sparse_steps(tf, tf.train.AdamOptimizer(0.1), use_resource=True)


def adagrad(tf):
    return _dense_steps(tf, tf.train.AdagradOptimizer(0.1))


def adagrad_sparse(tf):
    return _sparse_steps(tf, tf.train.AdagradOptimizer(0.1))


def rmsprop(tf):
    return _dense_steps(tf, tf.train.RMSPropOptimizer(0.01, momentum=0.5))


def rmsprop_centered(tf):
    return _dense_steps(tf, tf.train.RMSPropOptimizer(0.01, centered=True))


def decayed_learning_rate(tf):
    step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(0.1, step, 2, 0.5)
    return _dense_steps(tf, tf.train.GradientDescentOptimizer(rate))


def learning_rate_from_a_feed(tf):
    rate = tf.placeholder(tf.float32, [])
    v = tf.Variable(1.0)
    train = tf.train.GradientDescentOptimizer(rate).minimize(v * v)
    with tf.Session() as sess:
        sess.run(v.initializer)
        values = []
        for value in (0.1, 0.2, 0.0):
            sess.run(train, {rate: value})
            values.append(sess.run(v))
        return values


def clipped_gradients(tf):
    v = tf.Variable([3.0, 4.0])
    optimizer = tf.train.GradientDescentOptimizer(1.0)
    grads, variables = zip(*optimizer.compute_gradients(tf.reduce_sum(v**2)))
    clipped, norm = tf.clip_by_global_norm(grads, 1.0)
    train = optimizer.apply_gradients(zip(clipped, variables))
    with tf.Session() as sess:
        sess.run(v.initializer)
        before = sess.run([clipped, norm])
        sess.run(train)
        return [before, sess.run(v)]


def applied_gradients_from_feeds(tf):
    v = tf.Variable([1.0, 2.0])
    grad = tf.placeholder(tf.float32, [2])
    train = tf.train.AdamOptimizer(0.1).apply_gradients([(grad, v)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for value in ([1.0, -1.0], [0.0, 0.5], [1e-4, 1e4]):
            sess.run(train, {grad: value})
        return sess.run(v)


def loss_is_computed_before_the_update(tf):
    v = tf.Variable(3.0, use_resource=True)
    loss = v * v
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run([train, loss]), sess.run([loss, train]), sess.run(loss)]


def loss_after_the_update(tf):
    v = tf.Variable(3.0)
    train = tf.train.GradientDescentOptimizer(0.1).minimize(v * v)
    with tf.control_dependencies([train]):
        after = v.read_value()
    with tf.Session() as sess:
        sess.run(v.initializer)
        return [sess.run(after), sess.run(after), sess.run(v)]


def _gradients(tf, function, *values):
    xs = [tf.constant(value, tf.float32) for value in values]
    ys = function(*xs)
    with tf.Session() as sess:
        return sess.run([ys, tf.gradients(ys, xs)])


def gradients_of_arithmetic(tf):
    return _gradients(tf, lambda x, y: x * y + x / y - tf.pow(x, y) + tf.exp(-x), [1.0, 2.0], [3.0, 0.5])


def gradients_with_broadcasting(tf):
    return _gradients(tf, lambda x, y, z: x * y + z, [[1.0, 2.0, 3.0]], [[4.0], [5.0]], 6.0)


def gradients_of_a_matrix_product(tf):
    return _gradients(tf, lambda a, b: tf.tanh(tf.matmul(a, b)), [[0.1, 0.2], [0.3, 0.4]], [[1.0], [-1.0]])


def gradients_of_reductions(tf):
    return _gradients(
        tf,
        lambda x: tf.reduce_max(x) + tf.reduce_mean(x) + tf.reduce_prod(x) + tf.reduce_sum(tf.reduce_min(x, 0)),
        [[1.0, 2.0], [2.0, 0.5]],
    )


def gradients_of_softmax_cross_entropy(tf):
    def loss(logits):
        return tf.nn.softmax_cross_entropy_with_logits_v2(labels=[[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]], logits=logits)

    return _gradients(tf, loss, [[1.0, 2.0, 3.0], [0.0, 0.0, 100.0]])


def gradients_of_convolution_and_pooling(tf):
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1) / 16
    kernel = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32).reshape(2, 2, 1, 1)

    def score(x, w):
        return tf.nn.max_pool(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), [1, 2, 2, 1], [1, 2, 2, 1], "SAME")

    return _gradients(tf, score, image, kernel)


def gradients_of_gradients(tf):
    x = tf.constant([0.5, 1.0, -2.0])
    (first,) = tf.gradients(tf.sin(x) * x**2, x)
    (second,) = tf.gradients(first, x)
    with tf.Session() as sess:
        return sess.run([first, second])


def gradients_where_paths_meet(tf):
    x = tf.constant([1.0, 2.0])
    y = x * x
    grads = tf.gradients([y * x, tf.reduce_sum(y)], [x, y], grad_ys=[tf.constant([1.0, 10.0]), None])
    with tf.Session() as sess:
        return sess.run(grads)


def gradients_stop(tf):
    x = tf.constant(3.0)
    y = tf.stop_gradient(x * x) * x
    with tf.Session() as sess:
        return [
            sess.run(tf.gradients(y, x)),
            tf.gradients(tf.stop_gradient(x), x),
            tf.gradients(x, tf.constant(1.0)),
            tf.gradients(tf.cast(tf.argmax([x, x]), tf.float32) + tf.cast(x > 0, tf.float32), x),
        ]


def hessian(tf):
    x = tf.constant([1.0, 2.0])
    with tf.Session() as sess:
        return sess.run(tf.hessians(x[0] ** 2 * x[1] + x[1] ** 3, x))


def custom_gradient(tf):
    @tf.custom_gradient
    def clipped(x):
        return tf.identity(x), lambda dy: tf.clip_by_value(dy, -1.0, 1.0)

    return _gradients(tf, lambda x: clipped(x) * 5.0, [1.0, 2.0])
