"""Programs on `tf.gradients`: one rule after the other, then its arguments, second order, sparse and overridden."""

import contextlib


def _inputs(tf):
    return tf.placeholder(tf.float32, [2, 3], name="x"), tf.placeholder(tf.float32, [2, 3], name="y")


def gradients_of_arithmetic(tf):
    x, y = _inputs(tf)
    zs = [x + y, x - y, x * y, x / y, -x, x**2, x**y, x // y, x % y, abs(x), 2.0 / x]
    zs += [tf.div(x, y), tf.div_no_nan(x, y), tf.add_n([x, y, x]), tf.accumulate_n([x, y]), tf.squared_difference(x, y)]
    for z in zs:
        tf.gradients(z, [x, y])


def gradients_with_broadcasting(tf):
    row = tf.placeholder(tf.float32, [3], name="row")
    column = tf.placeholder(tf.float32, [None, 1], name="column")
    scalar = tf.placeholder(tf.float32, [], name="scalar")
    full = tf.placeholder(tf.float32, [None, 3], name="full")
    xs = [row, column, scalar, full]
    for z in (row + column, full - row, full * column, column / row, full**scalar, tf.maximum(full, row)):
        tf.gradients(z, xs)
    tf.gradients(full * scalar + row, xs)


def gradients_of_elementwise_functions(tf):
    x, y = _inputs(tf)
    for name in (
        "exp expm1 log log1p sqrt rsqrt square sin cos tan asin acos atan sinh cosh asinh acosh atanh floor ceil round "
        "sign reciprocal erf erfc lgamma sigmoid log_sigmoid tanh identity"
    ).split():
        tf.gradients(getattr(tf, name)(x), x)
    for name in "maximum minimum pow atan2 truediv floordiv".split():
        tf.gradients(getattr(tf, name)(x, y), [x, y])
    tf.gradients(tf.where(x > y, x, y), [x, y])
    tf.gradients(tf.clip_by_value(x, -1.0, 1.0), x)
    tf.gradients(tf.cast(tf.cast(x, tf.float64), tf.float32), x)
    tf.gradients(tf.cumsum(x, 1), x)
    tf.gradients(tf.cumprod(x, 1), x)
    tf.gradients(tf.check_numerics(x, "message"), x)
    tf.gradients(tf.real(tf.complex(x, y)), [x, y])


def gradients_of_reductions(tf):
    x = tf.placeholder(tf.float32, [2, 3, 4], name="x")
    batch = tf.placeholder(tf.float32, [None, 3], name="batch")
    for y in (
        tf.reduce_sum(x),
        tf.reduce_sum(x, 1),
        tf.reduce_sum(x, [0, 2], keepdims=True),
        tf.reduce_mean(x),
        tf.reduce_mean(x, -1),
        tf.reduce_max(x, 2),
        tf.reduce_min(x),
        tf.reduce_prod(x, 1),
    ):
        tf.gradients(y, x)
    for y in (
        tf.reduce_sum(batch),
        tf.reduce_sum(batch, 0),
        tf.reduce_mean(batch),
        tf.reduce_mean(batch, 1),
        tf.reduce_max(batch),
    ):
        tf.gradients(y, batch)


def gradients_of_matrix_products(tf):
    a = tf.placeholder(tf.float32, [2, 3], name="a")
    b = tf.placeholder(tf.float32, [3, 4], name="b")
    batch = tf.placeholder(tf.float32, [None, 2, 3], name="batch")
    tf.gradients(tf.matmul(a, b), [a, b])
    tf.gradients(tf.matmul(a, b, name="named"), b)
    tf.gradients(tf.matmul(a, a, transpose_a=True), a)
    tf.gradients(tf.matmul(a, a, transpose_b=True), a)
    tf.gradients(tf.matmul(b, a, transpose_a=True, transpose_b=True), [a, b])
    tf.gradients(tf.matmul(batch, batch, adjoint_b=True), batch)
    tf.gradients(tf.tensordot(batch, b, 1), [batch, b])
    tf.gradients(tf.einsum("bij,jk->bik", batch, b), [batch, b])
    tf.gradients(tf.linalg.matvec(a, [1.0, 2.0, 3.0]), a)


def gradients_of_shape_ops(tf):
    x = tf.placeholder(tf.float32, [4, 6], name="x")
    batch = tf.placeholder(tf.float32, [None, 6], name="batch")
    for y in (
        tf.reshape(x, [3, 8]),
        tf.transpose(x),
        tf.transpose(x, [1, 0]),
        tf.expand_dims(x, 1),
        tf.squeeze(tf.expand_dims(x, 0)),
        tf.concat([x, batch], 0),
        tf.concat([x, x], 1),
        tf.stack([x, x], 1),
        tf.unstack(x)[1],
        tf.split(x, 2, 1)[0],
        tf.split(x, [2, 4], 1)[1],
        tf.tile(x, [2, 1]),
        tf.pad(x, [[1, 1], [0, 0]]),
        tf.pad(x, [[1, 1], [0, 0]], "REFLECT"),
        tf.slice(x, [1, 1], [2, 2]),
        x[1],
        x[1:3, ::2],
        x[..., tf.newaxis, -1],
        tf.reverse(x, [0]),
        tf.broadcast_to(x[0], [2, 6]),
        tf.fill([2], x[0, 0]),
        tf.diag_part(x[:4, :4]),
        tf.matrix_band_part(x, -1, 0),
        tf.matrix_transpose(x),
        tf.roll(x, 1, 0),
        tf.identity_n([x, x])[0],
        tf.ensure_shape(batch, [4, 6]),
    ):
        tf.gradients(y, [x, batch])


def gradients_of_gathers(tf):
    v = tf.Variable(tf.zeros([10, 4]), name="v")
    u = tf.Variable(tf.zeros([10, 4]), name="u", use_resource=True)
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    ids = tf.placeholder(tf.int32, [None], name="ids")
    for params in (v, u):
        (grad,) = tf.gradients(tf.gather(params, ids), params)
        tf.convert_to_tensor(grad)
        tf.gradients(tf.nn.embedding_lookup(params, ids) + tf.gather(params, [1]), params)
    tf.gradients(tf.reduce_sum(tf.gather(v, ids)) + tf.reduce_sum(v), v)
    tf.gradients(tf.gather(x, ids), x)
    tf.gradients(tf.gather(x, ids, axis=1), x)
    tf.gradients(tf.gather_nd(x, [[0, 1]]), x)
    tf.gradients(tf.dynamic_partition(x, ids, 2), x)
    tf.gradients(tf.segment_sum(x, ids), x)
    tf.gradients(tf.unsorted_segment_sum(x, ids, 3), x)
    tf.gradients(tf.boolean_mask(x, x[:, 0] > 0), x)
    tf.gradients(tf.nn.top_k(x, 2)[0], x)
    tf.gradients(tf.scatter_nd([[1]], x, [4, 4]), x)


def gradients_of_networks(tf):
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    w = tf.placeholder(tf.float32, [3, 3, 3, 4], name="w")
    scale = tf.ones([3])
    y = tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME")
    tf.gradients(y, [x, w])
    tf.gradients(tf.nn.conv2d(x, w, [1, 2, 2, 1], "VALID"), [x, w])
    tf.gradients(tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"), [x, w])
    tf.gradients(tf.nn.conv2d_transpose(y, w, tf.shape(x), [1, 1, 1, 1]), [y, w])
    tf.gradients(tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), x)
    tf.gradients(tf.nn.avg_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME"), x)
    tf.gradients(tf.nn.lrn(x), x)
    tf.gradients(tf.nn.bias_add(x, scale), [x, scale])
    tf.gradients(tf.nn.bias_add(y, tf.ones([8]), data_format="NCHW"), y)
    tf.gradients(tf.nn.fused_batch_norm(x, scale, scale)[0], [x, scale])
    tf.gradients(tf.nn.fused_batch_norm(x, scale, scale, scale, scale, is_training=False)[0], [x, scale])
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    tf.gradients(tf.nn.batch_normalization(x, mean, variance, scale, scale, 1e-3), [x, scale])
    tf.gradients(tf.nn.dropout(x, keep_prob=0.5, seed=1), x)


def gradients_of_activations_and_losses(tf):
    x = tf.placeholder(tf.float32, [None, 10], name="x")
    labels = tf.placeholder(tf.float32, [None, 10], name="labels")
    classes = tf.placeholder(tf.int32, [None], name="classes")
    for name in "relu relu6 elu selu leaky_relu softplus softsign softmax log_softmax sigmoid tanh l2_loss".split():
        tf.gradients(getattr(tf.nn, name)(x), x)
    tf.gradients(tf.nn.softmax_cross_entropy_with_logits(logits=x, labels=labels), [x, labels])
    tf.gradients(tf.nn.softmax_cross_entropy_with_logits_v2(logits=x, labels=labels), [x, labels])
    tf.gradients(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=x, labels=classes), x)
    tf.gradients(tf.nn.sigmoid_cross_entropy_with_logits(logits=x, labels=labels), [x, labels])
    tf.gradients(tf.nn.l2_normalize(x, 1), x)
    tf.gradients(-tf.reduce_sum(labels * tf.log(tf.nn.softmax(x))), x)


def gradients_of_linear_algebra(tf):
    m = tf.placeholder(tf.float64, [3, 3], name="m")
    for y in (
        tf.matrix_inverse(m),
        tf.matrix_determinant(m),
        tf.cholesky(m),
        tf.matrix_solve(m, tf.ones([3, 1], tf.float64)),
        tf.trace(m),
        tf.matrix_diag_part(m),
        tf.matrix_diag(m),
        tf.self_adjoint_eig(m)[0],
    ):
        tf.gradients(y, m)


def gradient_arguments(tf):
    x, y = _inputs(tf)
    z = x * y
    w = tf.exp(z)
    tf.gradients([z, w], [x, y])
    tf.gradients(z, x, grad_ys=tf.ones([2, 3]))
    tf.gradients([z, w], [x], grad_ys=[tf.ones([2, 3]), None], name="given")
    tf.gradients(w, [x, z], stop_gradients=[z])
    tf.gradients(w, [x, y], stop_gradients=x)
    tf.gradients(w, x, colocate_gradients_with_ops=True)
    tf.gradients(w, x, gate_gradients=True)
    tf.gradients(w, x, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)
    tf.gradients(
        tf.add_n([x * i for i in (1.0, 2.0, 3.0)]), x, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE
    )
    tf.gradients(x, y)
    tf.gradients(x, x)
    tf.gradients(tf.stop_gradient(z) * x, [x, y])
    tf.gradients(z, [x, y], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    tf.gradients(x, [x, y], unconnected_gradients="zero")
    with tf.name_scope("scope"):
        tf.gradients(w, x)
    with tf.device("/cpu:0"):
        tf.gradients(tf.tanh(x), x)


def gradients_of_paths_that_meet(tf):
    x = tf.placeholder(tf.float32, [3], name="x")
    a = tf.sin(x, name="a")
    b = a * a
    c = b + a
    d = c * b * x
    tf.gradients(d, [x, a, b])
    parts = tf.split(tf.reshape(d, [3, 1]), 3)
    tf.gradients(parts[0] * parts[2], x)
    tf.gradients([tf.unstack(x)[0], tf.reduce_sum(x)], x)
    mean, variance = tf.nn.moments(x, [0])
    tf.gradients(mean + variance, x)


def gradients_of_gradients(tf):
    x = tf.placeholder(tf.float32, [3], name="x")
    w = tf.placeholder(tf.float32, [3, 3], name="w")
    (first,) = tf.gradients(tf.reduce_sum(x**3), x)
    (second,) = tf.gradients(first, x)
    tf.gradients(second, x, name="third")
    for y in (tf.tanh(x), tf.sigmoid(x), x / (1.0 + x)):
        (grad,) = tf.gradients(y, x)
        tf.gradients(grad, x)
    h = tf.nn.elu(tf.matmul(w, w))
    (grad,) = tf.gradients(tf.reduce_mean(h), w)
    tf.gradients(grad, w)
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.eye(3), logits=w)
    (grad,) = tf.gradients(loss, w)
    tf.gradients(tf.reduce_sum(grad**2), w)


def gradient_penalty_through_convolutions(tf):
    x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="x")
    w = tf.get_variable("w", [3, 3, 1, 4])
    h = tf.nn.leaky_relu(tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME"))
    score = tf.reduce_sum(tf.nn.bias_add(h, tf.get_variable("b", [4])), [1, 2, 3])
    (grad,) = tf.gradients(score, [x])
    penalty = tf.reduce_mean((tf.norm(tf.reshape(grad, [-1, 64]), axis=1) - 1.0) ** 2)
    tf.gradients(penalty, tf.trainable_variables())


def hessian_of_a_quadratic(tf):
    x = tf.placeholder(tf.float32, [3], name="x")
    tf.gradients(tf.reduce_sum(tf.gradients(tf.reduce_sum(x * x * x), x)[0]), x)


def hessians(tf):
    x = tf.placeholder(tf.float32, [3], name="x")
    tf.hessians(tf.reduce_sum(x**2 * tf.sin(x)), x)


def gradients_of_variables(tf):
    v = tf.Variable([1.0, 2.0], name="v")
    u = tf.Variable([1.0, 2.0], name="u", use_resource=True)
    y = tf.reduce_sum(v * u * v)
    tf.gradients(y, [v, u])
    tf.gradients(y, tf.trainable_variables())
    tf.gradients(v[0] * u[1], [v, u])
    tf.gradients(tf.reduce_sum(v.read_value()), v)
    tf.gradients(tf.reduce_sum(tf.identity(u)), u)
    tf.gradients(tf.assign(v, [1.0, 2.0]) * 2.0, v)


def gradient_override_map(tf):
    def doubled(op, grad):
        return 2.0 * grad

    with contextlib.suppress(KeyError):  # registered already: the registry belongs to the process
        tf.RegisterGradient("DoubledGradient")(doubled)
    x = tf.placeholder(tf.float32, [2], name="x")
    with tf.get_default_graph().gradient_override_map({"Identity": "DoubledGradient", "Sign": "DoubledGradient"}):
        y = tf.identity(x) + tf.sign(x)
        with tf.get_default_graph().gradient_override_map({"Sign": "Sign"}):
            z = tf.sign(x)
    tf.gradients(y + z + tf.identity(x), x)


def custom_gradient(tf):
    @tf.custom_gradient
    def log1pexp(x):
        e = tf.exp(x)

        def grad(dy):
            return dy * (1 - 1 / (1 + e))

        return tf.log(1 + e), grad

    @tf.custom_gradient
    def two_outputs(x, y):
        return (x * y, x + y), lambda dz, dw: (dz * y, dw)

    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.placeholder(tf.float32, [2], name="y")
    tf.gradients(log1pexp(x) * 2.0, x)
    z, w = two_outputs(x, y)
    tf.gradients(z + w, [x, y])


def clipped_gradients(tf):
    v = tf.Variable([[1.0, 2.0]], name="v")
    table = tf.Variable(tf.ones([5, 2]), name="table")
    loss = tf.reduce_sum(tf.gather(table, [1, 2]) * v)
    grads = tf.gradients(loss, [v, table])
    clipped, norm = tf.clip_by_global_norm(grads, 5.0)
    tf.clip_by_global_norm(grads, 5.0, use_norm=norm, name="again")
    tf.global_norm([v, None, clipped[0]])
    [tf.clip_by_norm(grad, 1.0) for grad in clipped]
    [tf.clip_by_value(grad, -1.0, 1.0) for grad in grads[:1]]
