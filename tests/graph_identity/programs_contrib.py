"""Programs built from `tf.contrib`: slim's layers under `arg_scope`, and further recurrent cells."""


def slim_layers(tf):
    slim = tf.contrib.slim
    x = tf.placeholder(tf.float32, [None, 8, 8, 3], name="x")
    training = tf.placeholder(tf.bool, [], name="training")
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        weights_regularizer=slim.l2_regularizer(0.1),
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": training, "decay": 0.9},
    ):
        with slim.arg_scope([slim.conv2d], stride=2, padding="VALID"):
            net = slim.conv2d(x, 4, [3, 3], scope="first")
        net = slim.repeat(net, 2, slim.conv2d, 5, [3, 3], scope="repeated")
        net = slim.max_pool2d(net, [2, 2], stride=1)
        net = slim.avg_pool2d(net, 2, 1, padding="SAME", outputs_collections="outputs")
        net = slim.dropout(slim.flatten(net), 0.7, is_training=training)
        net = slim.stack(net, slim.fully_connected, [3, 4], scope="stacked")
    slim.softmax(net)
    slim.one_hot_encoding([1, 2], 3)


def contrib_layers(tf):
    layers = tf.contrib.layers
    x = tf.placeholder(tf.float32, [None, 8, 8, 4], name="x")
    layers.conv2d(
        x,
        3,
        2,
        weights_initializer=layers.variance_scaling_initializer(),
        biases_regularizer=layers.l1_l2_regularizer(0.1, 0.2),
        variables_collections=["variables"],
        outputs_collections=["outputs"],
    )
    layers.conv2d_transpose(x, 3, 2, 2)
    layers.separable_conv2d(x, 4, 3, 2)
    layers.separable_conv2d(x, None, 3, 2)
    layers.conv2d_in_plane(x, 3)
    layers.bias_add(x, activation_fn=tf.nn.relu)
    layers.linear(x, 3)
    layers.unit_norm(x, 3)
    layers.maxout(x, 2)
    layers.spatial_softmax(x)
    ids = tf.placeholder(tf.int32, [None, None], name="ids")
    layers.embed_sequence(ids, 10, 4)
    layers.apply_regularization(layers.l1_regularizer(0.5), tf.trainable_variables()[:2])


def contrib_normalizations(tf):
    layers = tf.contrib.layers
    x = tf.placeholder(tf.float32, [None, 8, 8, 4], name="x")
    training = tf.placeholder(tf.bool, [], name="training")
    layers.batch_norm(x)
    layers.batch_norm(x, updates_collections=None, is_training=training, scale=True)
    layers.batch_norm(x, is_training=training, fused=False, updates_collections="updates")
    layers.batch_norm(tf.placeholder(tf.float32, [None, 3]), zero_debias_moving_mean=True)
    layers.layer_norm(x)
    layers.layer_norm(x, begin_norm_axis=2, activation_fn=tf.nn.relu, scale=False)
    layers.instance_norm(x)
    layers.group_norm(x, 2)


def contrib_optimize_loss(tf):
    tf.train.get_or_create_global_step()
    w = tf.get_variable("w", [3])
    tf.contrib.layers.optimize_loss(
        tf.reduce_sum(w * w),
        tf.train.get_global_step(),
        0.1,
        "Adam",
        clip_gradients=1.0,
        gradient_noise_scale=0.1,
        gradient_multipliers={"w:0": 2.0},
        learning_rate_decay_fn=lambda rate, step: tf.train.exponential_decay(rate, step, 10, 0.5),
        summaries=["loss", "learning_rate", "gradients", "gradient_norm"],
    )


def contrib_cells(tf):
    rnn = tf.contrib.rnn
    x = tf.placeholder(tf.float32, [2, 4], name="x")
    cells = [
        rnn.LSTMBlockCell(3, use_peephole=True),
        rnn.GRUBlockCell(3),
        rnn.GRUBlockCellV2(3),
        rnn.LayerNormBasicLSTMCell(3, dropout_keep_prob=0.5),
        rnn.AttentionCellWrapper(rnn.BasicLSTMCell(3), 2),
        rnn.NASCell(3, num_proj=2, use_bias=True),
        rnn.UGRNNCell(3),
        rnn.HighwayWrapper(rnn.GRUCell(4)),
        rnn.InputProjectionWrapper(rnn.OutputProjectionWrapper(rnn.GRUCell(3), 5), 6, activation=tf.nn.relu),
    ]
    for i, cell in enumerate(cells):
        with tf.variable_scope(f"number_{i}"):
            output, _ = cell(x, cell.zero_state(2, tf.float32))
            if i < 2:
                tf.gradients(output, x)
    steps = tf.placeholder(tf.float32, [5, 2, 4], name="steps")
    outputs, _ = rnn.LSTMBlockFusedCell(3)(steps, dtype=tf.float32, sequence_length=tf.constant([3, 5]))
    tf.gradients(outputs, steps)
    rnn.ConvLSTMCell(2, [6, 6, 1], 3, [3, 3])(
        tf.ones([2, 6, 6, 1]), rnn.ConvLSTMCell(2, [6, 6, 1], 3, [3, 3]).zero_state(2, tf.float32)
    )
