"""Programs with state: `tf.Variable`, `tf.get_variable`, scopes and reuse, initializers, assignments, scatters."""

import numpy as np


def ref_variables(tf):
    v = tf.Variable(1.0, name="v")
    tf.Variable([1, 2, 3])
    tf.Variable([1, 2, 3])
    tf.Variable(tf.random_normal([2, 3], seed=1), name="weights", dtype=tf.float32)
    tf.Variable(tf.zeros([3]), trainable=False, name="frozen")
    tf.Variable(lambda: tf.ones([2]), name="lazy", dtype=tf.float32)
    tf.Variable(tf.placeholder(tf.float32), validate_shape=False, name="any_shape")
    tf.Variable(np.ones([2, 2]), name="array")
    tf.Variable("text", name="text")
    tf.Variable(True, name="flag", trainable=False)
    tf.Variable(0, name="step", collections=["special"])
    tf.Variable(initial_value=5, expected_shape=[], name="expected")
    with tf.name_scope("scope"):
        tf.Variable(2.0, name="v")
    tf.identity(v)
    v.read_value()
    tf.convert_to_tensor(v)
    v.value()
    tf.global_variables_initializer()


def resource_variables(tf):
    v = tf.Variable(1.0, name="v", use_resource=True)
    w = tf.get_variable("w", [2, 3], use_resource=True)
    tf.Variable(tf.zeros([2], tf.int64), name="counts", use_resource=True, trainable=False)
    tf.Variable(lambda: tf.ones([2]), name="lazy", dtype=tf.float32, use_resource=True)
    v + 1.0
    2.0 * v
    v.read_value()
    tf.identity(w)
    w[0]
    v.assign(3.0)
    v.assign_add(1.0)
    v.assign_sub(v, read_value=False)
    tf.assign(v, v * 2.0)
    tf.scatter_add(w, [0], [[1.0, 2.0, 3.0]])
    tf.scatter_update(w, [1], [[1.0, 2.0, 3.0]])
    tf.gather(w, [1, 0])
    w.sparse_read([0])
    tf.is_variable_initialized(v)
    tf.global_variables_initializer()


def resource_variable_scope(tf):
    with tf.variable_scope("net", use_resource=True) as scope:
        a = tf.get_variable("a", [2], initializer=tf.ones_initializer())
        scope.reuse_variables()
        b = tf.get_variable("a", [2])
    with tf.control_dependencies([a.assign([1.0, 2.0])]):
        c = b.read_value()
    tf.reduce_sum(c)


def mixed_variable_operators(tf):
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="v")
    u = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="u", use_resource=True)
    for x in (v, u):
        x + 1
        1 - x
        x * x
        x / 2
        x**2
        -x
        abs(x)
        x > 0
        x @ x
        x[0, 1]
        x[:, tf.newaxis, ::-1]
        tf.reduce_sum(x)
        tf.matmul(x, [[1.0], [1.0]])
        tf.cast(x, tf.int32)
        tf.stack([x, x])
        tf.concat([x, x], 0)
        tf.shape(x)
        tf.zeros_like(x)
        tf.stop_gradient(x)


def assignments(tf):
    v = tf.Variable(1.0, name="v")
    w = tf.Variable([1.0, 2.0, 3.0], name="w")
    a = v.assign(2.0)
    v.assign_add(1.0)
    v.assign_sub(tf.constant(0.5))
    v.assign(v + 1)
    tf.assign(v, 7)
    tf.assign_add(w, [1.0, 1.0, 1.0], use_locking=True)
    tf.assign_sub(w, tf.ones([3]), name="less")
    tf.assign(w, [1.0], validate_shape=False)
    w[0:2].assign([8.0, 9.0])
    w[2].assign(4.0)
    with tf.control_dependencies([a]):
        v.read_value()
        tf.identity(v)
    tf.assign(tf.assign_add(v, 1.0), 2.0)
    a.op.outputs[0] + 1.0


def scatters(tf):
    v = tf.Variable(tf.zeros([4, 2]), name="v")
    ids = tf.placeholder(tf.int32, [None], name="ids")
    tf.scatter_update(v, [0, 1], tf.ones([2, 2]))
    tf.scatter_add(v, ids, tf.ones([1, 2]))
    tf.scatter_sub(v, ids, tf.ones([1, 2]), use_locking=True)
    tf.scatter_mul(v, [0], [[2.0, 2.0]])
    tf.scatter_div(v, [0], [[2.0, 2.0]], name="halve")
    tf.scatter_min(v, [0], [[2.0, 2.0]])
    tf.scatter_max(v, [0], [[2.0, 2.0]])
    tf.scatter_nd_update(v, [[0, 1]], [5.0])
    tf.scatter_nd_add(v, [[0]], [[5.0, 6.0]])
    tf.scatter_nd_sub(v, [[0]], [[5.0, 6.0]])
    v.scatter_sub(tf.IndexedSlices(tf.ones([1, 2]), tf.constant([3])))


def variable_scopes(tf):
    with tf.variable_scope("a"):
        tf.get_variable("v", [1])
        tf.constant(1.0, name="c")
        with tf.variable_scope("b") as b:
            tf.get_variable("v", [1])
            tf.constant(1.0, name="c")
        with tf.variable_scope("b"):
            tf.get_variable("u", [1])
            tf.constant(1.0, name="c")
    with tf.variable_scope(b):
        tf.get_variable("w", [1])
        tf.constant(1.0, name="c")
    with tf.variable_scope(b, reuse=True):
        tf.get_variable("w", [1]) + 1.0
    with tf.variable_scope(b, auxiliary_name_scope=False):
        tf.constant(1.0, name="no_new_scope")
    with tf.variable_scope("c", auxiliary_name_scope=False):
        tf.get_variable("v", [1])
        tf.constant(1.0, name="at_root")
    with tf.variable_scope(None, default_name="layer"):
        tf.get_variable("v", [1])
    with tf.variable_scope(None, default_name="layer"):
        tf.get_variable("v", [1])
    with tf.variable_scope("given", default_name="layer"):
        tf.get_variable("v", [1])
    with tf.variable_scope("x/y"):
        tf.get_variable("z/v", [1])
        tf.Variable(1.0, name="plain")
    with tf.name_scope("names"):
        tf.get_variable("v", [1])
        with tf.variable_scope("vars"):
            tf.get_variable("v", [1])
            tf.Variable(1.0, name="plain")
    with tf.variable_scope("a"):
        with tf.variable_scope(tf.get_variable_scope()):
            tf.get_variable("later", [1])
    with tf.variable_scope(""):
        tf.get_variable("empty_scope", [1])
    with tf.variable_op_scope([1.0], None, "op_scope"):
        tf.get_variable("v", [1])


def variable_reuse(tf):
    with tf.variable_scope("shared"):
        tf.get_variable("v", [2, 3])
    with tf.variable_scope("shared", reuse=True):
        tf.get_variable("v", [2, 3]) + 1.0
        tf.get_variable("v") * 2.0
    for _ in range(2):
        with tf.variable_scope("auto", reuse=tf.AUTO_REUSE):
            x = tf.get_variable("v", [3], initializer=tf.zeros_initializer())
            with tf.variable_scope("inner"):
                x + tf.get_variable("v", [3])
    with tf.variable_scope("switched") as scope:
        tf.get_variable("v", [1])
        scope.reuse_variables()
        tf.get_variable("v", [1])
        tf.get_variable_scope().reuse_variables()
        tf.get_variable("v")
    for _ in range(2):
        with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
            tf.get_variable("at_root", [1])

    def dense(x, units):
        kernel = tf.get_variable("kernel", [x.shape[1], units])
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        return tf.matmul(x, kernel) + bias

    net = tf.make_template("net", dense, units=2)
    net(tf.ones([1, 3]))
    net(tf.zeros([1, 3]))


def initializers(tf):
    tf.set_random_seed(3)
    v = tf.get_variable
    v("default", [3, 4])
    v("default_int", [3], dtype=tf.int32)
    v("zeros", [2], initializer=tf.zeros_initializer())
    v("ones", [2], initializer=tf.ones_initializer)
    v("zeros_class", [2], initializer=tf.zeros_initializer)
    v("constant", [2], initializer=tf.constant_initializer(0.1))
    v("constants", [2, 2], initializer=tf.constant_initializer([1.0, 2.0, 3.0, 4.0]))
    v("uniform", [2, 3], initializer=tf.random_uniform_initializer(-1.0, 1.0))
    v("uniform_seed", [2, 3], initializer=tf.random_uniform_initializer(-1.0, 1.0, seed=9))
    v("normal", [2, 3], initializer=tf.random_normal_initializer(stddev=0.02))
    v("truncated", [2, 3], initializer=tf.truncated_normal_initializer(stddev=0.1))
    v("scaling", [4, 3], initializer=tf.variance_scaling_initializer())
    v("scaling_2", [4, 3], initializer=tf.variance_scaling_initializer(2.0, "fan_avg", "uniform", seed=2))
    v("scaling_3", [4, 3], initializer=tf.variance_scaling_initializer(distribution="untruncated_normal"))
    v("glorot", [4, 3], initializer=tf.glorot_uniform_initializer())
    v("glorot_normal", [3, 3, 2, 4], initializer=tf.glorot_normal_initializer(seed=4))
    v("he", [4, 3], initializer=tf.initializers.he_normal())
    v("he_uniform", [4, 3], initializer=tf.initializers.he_uniform())
    v("lecun", [4, 3], initializer=tf.initializers.lecun_normal())
    v("orthogonal", [4, 3], initializer=tf.orthogonal_initializer())
    v("identity", [3, 3], initializer=tf.initializers.identity(gain=2.0))
    v("unit_scaling", [3, 3], initializer=tf.uniform_unit_scaling_initializer())
    v("tensor", initializer=tf.ones([2, 2]))
    v("value", initializer=[1.0, 2.0])
    v("scalar", initializer=3)
    v("array", initializer=np.eye(2, dtype=np.float32))
    v("function", [2], initializer=lambda shape, dtype, partition_info: tf.fill(shape, 5.0))
    v("half", [2], dtype=tf.float64, initializer=tf.random_normal_initializer())
    with tf.variable_scope("scope", initializer=tf.constant_initializer(7.0), dtype=tf.float64):
        v("inherits", [2])
        with tf.variable_scope("inner"):
            v("inherits", [2])
    tf.global_variables_initializer()


def regularizers(tf):
    def l2(weights):
        return 0.01 * tf.nn.l2_loss(weights)

    tf.get_variable("a", [2, 3], regularizer=l2)
    with tf.variable_scope("scope", regularizer=l2):
        tf.get_variable("b", [2])
        tf.get_variable("none", [2], regularizer=lambda weights: None)
        with tf.variable_scope("inner", regularizer=lambda w: tf.reduce_sum(tf.abs(w), name="l1")):
            tf.get_variable("c", [2])
        with tf.variable_scope("reused", reuse=tf.AUTO_REUSE):
            tf.get_variable("d", [2])
            tf.get_variable("d", [2])
    tf.add_n(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES), name="penalty")


def custom_getters(tf):
    def doubling(getter, name, *args, **kwargs):
        return 2.0 * getter(name, *args, **kwargs)

    def renaming(getter, name, *args, **kwargs):
        return getter(name + "_renamed", *args, **kwargs)

    with tf.variable_scope("scope", custom_getter=doubling):
        tf.get_variable("v", [2]) + 1.0
        with tf.variable_scope("inner", custom_getter=renaming):
            tf.get_variable("v", [2])
    tf.get_variable("w", [2], custom_getter=renaming)


def partitioned_variables(tf):
    with tf.variable_scope("scope", partitioner=tf.fixed_size_partitioner(2)):
        v = tf.get_variable("v", [5, 3], initializer=tf.random_normal_initializer(seed=1))
        tf.get_variable("w", [4], initializer=tf.zeros_initializer())
    tf.convert_to_tensor(v)
    v.as_tensor() + 1.0
    tf.nn.embedding_lookup(v, [0, 3])
    tf.get_variable("whole", [4, 2], partitioner=tf.variable_axis_size_partitioner(16))
    tf.get_variable("max", [4, 2], partitioner=tf.min_max_variable_partitioner(max_partitions=2, min_slice_size=16))


def initialized_value(tf):
    v = tf.Variable(tf.random_normal([2], seed=1), name="v")
    w = tf.Variable(v.initialized_value() * 2.0, name="w")
    tf.Variable(w.initialized_value(), name="x")
    u = tf.Variable([1.0], name="u", use_resource=True)
    tf.Variable(u.initialized_value(), name="t", use_resource=True)
    tf.Variable(v + 1.0, name="guarded")
    tf.global_variables_initializer()


def which_are_initialized(tf):
    v = tf.Variable([1.0], name="v")
    w = tf.Variable([2.0], name="w", use_resource=True)
    tf.is_variable_initialized(v)
    tf.is_variable_initialized(w)
    tf.report_uninitialized_variables()
    tf.report_uninitialized_variables([v], name="only_v")
    tf.assert_variables_initialized([v])


def counting(tf):
    v = tf.Variable(0, name="v")
    v.count_up_to(3)
    tf.count_up_to(v, 5, name="five")
    w = tf.Variable(0, dtype=tf.int64, trainable=False, name="w")
    w.count_up_to(10)


def global_step(tf):
    step = tf.train.get_or_create_global_step()
    tf.train.get_global_step()
    tf.assign_add(step, 1)
    for decay in (
        tf.train.exponential_decay(0.1, step, 100, 0.96),
        tf.train.exponential_decay(0.1, step, 100, 0.96, staircase=True, name="stairs"),
        tf.train.polynomial_decay(0.1, step, 100),
        tf.train.natural_exp_decay(0.1, step, 100, 0.5),
        tf.train.inverse_time_decay(0.1, step, 100, 0.5),
        tf.train.cosine_decay(0.1, step, 100),
    ):
        decay * 1.0


def variable_helpers(tf):
    a = tf.Variable(1.0, name="a")
    b = tf.Variable(2.0, name="b")
    tf.group(*[v.initializer for v in tf.global_variables()])
    tf.add_n([v.initial_value for v in tf.trainable_variables()])
    tf.initialize_all_variables()
    tf.variables_initializer([a], name="init_a")
    with tf.control_dependencies([a.initializer]):
        tf.identity(b)
    tf.global_variables_initializer()
    [tf.assign(target, source) for target, source in zip([a], [b])]
    tf.model_variables()
    tf.tables_initializer()
    tf.get_variable("with_constraint", [2], constraint=tf.nn.relu)
    tf.get_variable("on_read", [2], trainable=False, aggregation=tf.VariableAggregation.SUM)
