"""Programs built from `tf.layers`: what layers add, and the variables, losses and updates that they make."""


def layers_dense(tf):
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    h = tf.layers.dense(x, 3, activation=tf.nn.relu, kernel_regularizer=lambda v: tf.reduce_sum(v * v))
    tf.layers.dense(h, 3, name="named")
    tf.layers.dense(h, 3, name="named", reuse=True)
    tf.layers.dense(h, 2, use_bias=False, kernel_initializer=tf.zeros_initializer(), activity_regularizer=tf.nn.l2_loss)
    for activation in ("relu", "softmax", "selu", "elu", "hard_sigmoid", "tanh"):
        tf.layers.dense(x, 2, activation=activation)
    tf.layers.dense(tf.placeholder(tf.float64, [None, 5, 4]), 3, bias_constraint=tf.nn.relu)
    with tf.variable_scope("scope", initializer=tf.constant_initializer(0.5), regularizer=tf.nn.l2_loss):
        with tf.name_scope("names"):
            tf.layers.dense(x, 3)
    with tf.variable_scope("parts", partitioner=tf.fixed_size_partitioner(2)):
        tf.layers.dense(x, 4)
    layer = tf.layers.Dense(7)
    layer(x)
    layer(x)
    with tf.variable_scope("shared", reuse=tf.AUTO_REUSE):
        tf.layers.dense(x, 3, name="q")
        tf.layers.dense(x, 3, name="q")


def layers_dropout_and_flatten(tf):
    tf.set_random_seed(3)
    x = tf.placeholder(tf.float32, [None, 4, 3], name="x")
    training = tf.placeholder(tf.bool, [], name="training")
    tf.layers.dropout(x)
    tf.layers.dropout(x, 0.4, training=True)
    tf.layers.dropout(x, training=training, noise_shape=[None, 1, 3], seed=5)
    tf.layers.flatten(x)
    tf.layers.flatten(tf.ones([2, 3, 4]))
    tf.layers.Flatten(data_format="channels_first")(x)


def layers_convolutions(tf):
    x = tf.placeholder(tf.float32, [8, 6, 6, 3], name="x")
    tf.layers.conv2d(x, 5, 3, padding="same", activation="relu", kernel_regularizer=tf.nn.l2_loss)
    tf.layers.conv2d(x, 5, 2, dilation_rate=2, padding="same")
    tf.layers.conv2d(tf.placeholder(tf.float32, [None, None, None, 3]), 2, 2, dilation_rate=2)
    tf.layers.conv2d(x, 5, 2, strides=2, data_format="channels_first")
    tf.layers.conv2d(x, 5, [2, 1], dilation_rate=(2, 1), data_format="channels_first")
    tf.layers.separable_conv2d(x, 5, 2, strides=2, depth_multiplier=2)
    tf.layers.conv2d_transpose(x, 5, 2, strides=2, padding="same")
    volumes = tf.placeholder(tf.float32, [2, 5, 5, 5, 3], name="volumes")
    tf.layers.conv3d(volumes, 2, (2, 2, 1))
    tf.layers.conv3d_transpose(volumes, 2, 2, strides=2, data_format="channels_first")
    series = tf.placeholder(tf.float32, [None, 7, 3], name="series")
    tf.layers.conv1d(series, 2, 2)
    tf.layers.conv1d(series, 2, 2, data_format="channels_first")
    tf.layers.separable_conv1d(series, 2, 2)
    layer = tf.layers.Conv2D(4, 2, dilation_rate=2)
    layer(x)
    layer(x)


def layers_pooling(tf):
    x = tf.placeholder(tf.float32, [8, 6, 6, 3], name="x")
    tf.layers.max_pooling2d(x, 2, 2)
    tf.layers.average_pooling2d(x, [2, 3], 1, padding="same", data_format="channels_first")
    tf.layers.max_pooling1d(x[..., 0], 2, 1)
    tf.layers.average_pooling1d(x[..., 0], 2, 2)
    tf.layers.max_pooling3d(x[..., None], 2, 2)
    tf.layers.average_pooling3d(x[..., None], 1, 2, data_format="channels_first")


def layers_batch_normalization(tf):
    x = tf.placeholder(tf.float32, [8, 6, 6, 3], name="x")
    rows = tf.placeholder(tf.float32, [None, 3], name="rows")
    training = tf.placeholder(tf.bool, [], name="training")
    tf.layers.batch_normalization(rows)
    tf.layers.batch_normalization(rows, training=training)
    tf.layers.batch_normalization(x, training=training)
    tf.layers.batch_normalization(x, training=True, center=False, scale=False)
    tf.layers.batch_normalization(x, axis=1, training=True)
    tf.layers.batch_normalization(x, axis=[1, 2], training=True, fused=False, scale=False, name="named")
    layer = tf.layers.BatchNormalization(momentum=0.9, gamma_regularizer=tf.nn.l2_loss)
    layer(rows, training=True)
    layer(rows, training=True)
    tf.layers.batch_normalization(tf.cast(x, tf.float16), training=True)


def layers_batch_normalization_variants(tf):
    x = tf.placeholder(tf.float32, [8, 6, 6, 3], name="x")
    training = tf.placeholder(tf.bool, [], name="training")
    tf.layers.batch_normalization(x, training=training, renorm=True)
    tf.layers.batch_normalization(
        x, training=True, renorm=True, renorm_clipping={"rmax": 2.0, "rmin": 0.5, "dmax": 1.0}
    )
    tf.layers.batch_normalization(x, training=training, virtual_batch_size=2)

    def adjustment(shape):
        return tf.random_uniform([shape[0], 1, 1, 1], seed=1), tf.random_uniform([shape[0], 1, 1, 1], seed=2)

    tf.layers.batch_normalization(x, training=training, adjustment=adjustment)


def layers_of_ones_own(tf):
    class Scaled(tf.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", [int(shape[-1])], regularizer=tf.nn.l2_loss)
            self.count = self.add_variable(
                "count", [], trainable=False, initializer=tf.zeros_initializer(), use_resource=True
            )

        def call(self, x, scope=None):
            self.add_loss(tf.reduce_sum(x), inputs=x)
            self.add_update(self.count.assign_add(1.0))
            return tf.layers.dense(x * self.w, 3)

    x = tf.placeholder(tf.float32, [None, 3], name="x")
    layer = Scaled(name="my")
    layer(x)
    layer(x)
    Scaled()(x)
    Scaled(name="my")(x)


def layers_network_in_training(tf):
    tf.set_random_seed(11)
    images = tf.placeholder(tf.float32, [None, 28, 28, 1], name="images")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    training = tf.placeholder_with_default(False, [], name="training")
    net = tf.layers.conv2d(images, 4, 5, padding="same", activation=tf.nn.relu)
    net = tf.layers.batch_normalization(net, training=training)
    net = tf.layers.max_pooling2d(net, 2, 2)
    net = tf.layers.dropout(tf.layers.flatten(net), training=training)
    logits = tf.layers.dense(net, 10)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        tf.train.AdamOptimizer().minimize(loss, tf.train.get_or_create_global_step())


def metrics_of_means(tf):
    labels = tf.placeholder(tf.int64, [None], name="labels")
    predictions = tf.placeholder(tf.int64, [None], name="predictions")
    weights = tf.placeholder(tf.float32, [None], name="weights")
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    tf.metrics.accuracy(labels, predictions)
    tf.metrics.accuracy(labels, predictions, weights, ["values"], ["updates"], "weighted")
    tf.metrics.mean(x)
    tf.metrics.mean_tensor(tf.zeros([2, 3]), [[1.0], [2.0]])
    tf.metrics.mean_squared_error(x, x)
    tf.metrics.root_mean_squared_error(x, x, None, ["values"], ["updates"])
    tf.metrics.mean_cosine_distance(x, x, 1)
    tf.metrics.mean_relative_error(x, x, x)
    tf.metrics.percentage_below(x, 0.5)
    tf.metrics.mean_per_class_accuracy(labels, predictions, 4, weights)
    tf.metrics.mean_iou(labels, predictions, 4)


def metrics_of_counts(tf):
    labels = tf.placeholder(tf.int64, [None], name="labels")
    predictions = tf.placeholder(tf.int64, [None], name="predictions")
    tf.metrics.precision(labels, predictions)
    tf.metrics.recall(labels, predictions)
    tf.metrics.true_negatives(labels, predictions, tf.placeholder(tf.float32, [None]), "values", "updates", "named")
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    tf.metrics.precision_at_thresholds(x, x, [0.1, 0.5])
    tf.metrics.auc(x, x, curve="PR", summation_method="careful_interpolation", num_thresholds=10)
    tf.metrics.auc(x, x, summation_method="minoring", thresholds=[0.5])
    tf.metrics.sensitivity_at_specificity(x, x, 0.5, num_thresholds=5)
    tf.metrics.specificity_at_sensitivity(x, x, 0.5, num_thresholds=5)


def metrics_at_k(tf):
    predictions = tf.placeholder(tf.float32, [None, 3], name="predictions")
    single = tf.placeholder(tf.int64, [None], name="single")
    several = tf.placeholder(tf.int64, [None, 2], name="several")
    tf.metrics.recall_at_k(single, predictions, 2)
    tf.metrics.precision_at_k(several, predictions, 2, class_id=1)
    tf.metrics.average_precision_at_k(several, predictions, 2)
