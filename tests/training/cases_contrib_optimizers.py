"""Optimizers of `tf.contrib.opt` whose steps were recorded with TensorFlow 1.15. Python 3.7 reads this.

Each case makes an optimizer; `run` does three steps with it, on a dense and on a sparse gradient, on reference and on
resource variables, and gives the values of all variables and the types of the ops that the step is made of.
"""

CASES = {
    "lazy_adam": lambda tf, v: tf.contrib.opt.LazyAdamOptimizer(0.1),
    "nadam": lambda tf, v: tf.contrib.opt.NadamOptimizer(0.1),
    "adam_w": lambda tf, v: tf.contrib.opt.AdamWOptimizer(0.01, 0.1),
    "momentum_w": lambda tf, v: tf.contrib.opt.MomentumWOptimizer(0.01, 0.1, 0.9),
    "extended": lambda tf, v: tf.contrib.opt.extend_with_decoupled_weight_decay(tf.train.GradientDescentOptimizer)(
        0.01, learning_rate=0.1
    ),
    "lars": lambda tf, v: tf.contrib.opt.LARSOptimizer(0.1, skip_list=["sparse"]),
    "lars_nesterov": lambda tf, v: tf.contrib.opt.LARSOptimizer(0.1, weight_decay=0.1, eeta=0.5, use_nesterov=True),
    "moving_average": lambda tf, v: tf.contrib.opt.MovingAverageOptimizer(tf.train.GradientDescentOptimizer(0.1), 0.5),
    "clipping": lambda tf, v: tf.contrib.opt.VariableClippingOptimizer(
        tf.train.GradientDescentOptimizer(0.1), {v[0]: [1], v[1]: [1]}, 2.0
    ),
    "sharp": lambda tf, v: tf.train.AdagradDAOptimizer(0.1, tf.Variable(0, dtype=tf.int64, name="step")),
    "proximal": lambda tf, v: tf.train.ProximalAdagradOptimizer(
        0.1, l1_regularization_strength=0.1, l2_regularization_strength=0.1
    ),
}


def run(tf, name, resource):
    """Values of the variables after each step, and the ops of the step by type."""
    with tf.Graph().as_default() as graph:
        dense = tf.Variable([[1.0, -2.0], [3.0, 4.0]], name="dense", use_resource=resource)
        sparse = tf.Variable([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]], name="sparse", use_resource=resource)
        loss = tf.reduce_sum(dense * [[2.0, -1.0], [0.5, 3.0]]) + tf.reduce_sum(
            tf.gather(sparse, [2, 0, 2]) * [0.5, 2.0]
        )
        optimizer = CASES[name](tf, [dense, sparse])
        before = len(graph.get_operations())
        train = optimizer.minimize(loss)
        ops = [[op.name, op.type] for op in graph.get_operations()[before:] if not op.name.startswith("gradients/")]
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(train)
                found.append([[v.name, session.run(v).tolist()] for v in tf.global_variables()])
    return {"values": found, "ops": ops}
