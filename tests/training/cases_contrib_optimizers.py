"""Optimizers of `tf.contrib.opt` whose steps were recorded with TensorFlow 1.15. Python 3.7 reads this.

Each case makes an optimizer; `run` does three steps with it, on a dense and on a sparse gradient, on reference and on
resource variables, and gives the values of all variables and the types of the ops that the step is made of.
"""

import hashlib

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
    "ada_max": lambda tf, v: tf.contrib.opt.AdaMaxOptimizer(0.1),
    "adam_gs": lambda tf, v: tf.contrib.opt.AdamGSOptimizer(tf.train.get_or_create_global_step(), 0.1),
    "adam_gs_number": lambda tf, v: tf.contrib.opt.AdamGSOptimizer(3, 0.1, name="three"),
    "lazy_adam_gs": lambda tf, v: tf.contrib.opt.LazyAdamGSOptimizer(tf.train.get_or_create_global_step(), 0.1),
    "add_sign": lambda tf, v: tf.contrib.opt.AddSignOptimizer(),
    "add_sign_linear": lambda tf, v: tf.contrib.opt.AddSignOptimizer(0.1, 2.0, 0.5, decay(tf, "linear", 10)),
    "power_sign": lambda tf, v: tf.contrib.opt.PowerSignOptimizer(),
    "power_sign_cosine": lambda tf, v: tf.contrib.opt.PowerSignOptimizer(0.1, 2.0, 0.5, decay(tf, "cosine", 10)),
    "power_sign_restart": lambda tf, v: tf.contrib.opt.PowerSignOptimizer(
        sign_decay_fn=decay(tf, "restart", 10, 2, zero_after=3)
    ),
    "add_sign_cosine_to_zero": lambda tf, v: tf.contrib.opt.AddSignOptimizer(
        sign_decay_fn=decay(tf, "cosine", 3, 1.5, zero_after=1)
    ),
    "reg_adagrad": lambda tf, v: tf.contrib.opt.RegAdagradOptimizer(0.1),
    "reg_adagrad_slots_kept": lambda tf, v: slots_kept(tf.contrib.opt.RegAdagradOptimizer(0.1, 0.5, name="kept")),
    "shampoo": lambda tf, v: tf.contrib.opt.ShampooOptimizer(epsilon=0.1),
    "shampoo_decaying": lambda tf, v: tf.contrib.opt.ShampooOptimizer(
        tf.train.get_or_create_global_step(),
        gbar_decay=0.5,
        gbar_weight=0.5,
        mat_gbar_decay=0.9,
        mat_gbar_weight=0.1,
        learning_rate=lambda t: 0.1 / t,
    ),
    "shampoo_diagonal": lambda tf, v: tf.contrib.opt.ShampooOptimizer(max_matrix_size=1, learning_rate=0.1),
    "shampoo_mixed": lambda tf, v: tf.contrib.opt.ShampooOptimizer(max_matrix_size=2, learning_rate=0.1),
    "shampoo_iterative": lambda tf, v: tf.contrib.opt.ShampooOptimizer(use_iterative_root=True, epsilon=0.1),
    "shampoo_delayed": lambda tf, v: tf.contrib.opt.ShampooOptimizer(
        tf.train.get_or_create_global_step(), svd_interval=2, precond_update_interval=2, epsilon=0.1
    ),
    "ggt": lambda tf, v: tf.contrib.opt.GGTOptimizer(0.1, window=3, svd_eps=1e-2),
    "ggt_few": lambda tf, v: tf.contrib.opt.GGTOptimizer(0.1, window=2, eps=10.0, svd_eps=1e-2, name="few"),
}

COUNTED = {
    "adam_gs",
    "lazy_adam_gs",
    "add_sign_linear",
    "power_sign_cosine",
    "power_sign_restart",
    "shampoo_decaying",
    "shampoo_delayed",
    "ggt_few",
    "add_sign_cosine_to_zero",
}
"""These count their steps."""

# Variants of one optimizer: these run on one kind of variable only.
ONE_KIND = {
    "shampoo_decaying": False, "shampoo_iterative": False, "shampoo_mixed": True, "shampoo_delayed": False,
    "shampoo_diagonal": True, "ggt": False, "ggt_few": True, "add_sign_linear": False, "power_sign_cosine": True,
    "power_sign_restart": True, "add_sign_cosine_to_zero": False, "adam_gs_number": False,
    "reg_adagrad_slots_kept": True,
}  # fmt: skip
RUNS = [(name, kind) for name in sorted(CASES) for kind in (False, True) if ONE_KIND.get(name, kind) == kind]


def decay(tf, kind, *args, **kwargs):
    """A function of the global step, from where TensorFlow has it."""
    if tf.__name__.startswith("tensorflow"):
        from tensorflow.contrib.opt.python.training import sign_decay
    else:
        from evergraph.contrib.optimizers import sign_decay
    return getattr(sign_decay, "get_" + kind + "_decay_fn")(*args, **kwargs)


def slots_kept(optimizer):
    optimizer.__dict__["_should_update_slots"] = False
    return optimizer


def has_sparse(name, resource):
    """Whether the optimizer takes sparse gradients."""
    return not (name.startswith("ggt") or (resource and "_sign" in name))


def run(tf, name, resource):
    """Values of the variables after each step, and the ops of the step by type.

    Steps of variants are traced: that takes no compiler.
    """
    traced = {}
    if name in ONE_KIND:
        traced = {"options": tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE), "run_metadata": tf.RunMetadata()}
    with tf.Graph().as_default() as graph:
        dense = tf.Variable([[1.0, -2.0], [3.0, 4.0]], name="dense", use_resource=resource)
        sparse = tf.Variable([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]], name="sparse", use_resource=resource)
        rows = tf.gather(sparse, [2, 0, 2]) if has_sparse(name, resource) else sparse * sparse
        loss = tf.reduce_sum(dense * [[2.0, -1.0], [0.5, 3.0]]) + tf.reduce_sum(rows * [0.5, 2.0])
        global_step = tf.train.get_or_create_global_step() if name in COUNTED else None
        optimizer = CASES[name](tf, [dense, sparse])
        before = len(graph.get_operations())
        train = optimizer.minimize(loss, global_step=global_step)
        ops = [[op.name, op.type] for op in graph.get_operations()[before:] if not op.name.startswith("gradients/")]
        found = []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for _ in range(3):
                session.run(train, **traced)
                found.append([[v.name, session.run(v).tolist()] for v in tf.global_variables()])
    return {"values": found, "ops": shortened(ops)}


def shortened(ops):
    """Names and types of ops; of many, how many there are and a digest."""
    if len(ops) < 140:
        return ops
    return [len(ops), hashlib.sha256(repr([tuple(map(str, op)) for op in ops]).encode()).hexdigest()]


WORKERS = {
    "agn": lambda tf, opt, getter: tf.contrib.opt.AGNOptimizer(opt, 1, getter, communication_period=2),
    "elastic": lambda tf, opt, getter: tf.contrib.opt.ElasticAverageOptimizer(
        opt, 1, getter, communication_period=2, moving_rate=0.25, rho=0.5
    ),
    "elastic_defaults": lambda tf, opt, getter: tf.contrib.opt.ElasticAverageOptimizer(
        opt, 2, getter, communication_period=3, synchronous=True
    ),
    "model": lambda tf, opt, getter: tf.contrib.opt.ModelAverageOptimizer(opt, 1, True, getter, interval_steps=2),
    "model_not_chief": lambda tf, opt, getter: tf.contrib.opt.ModelAverageOptimizer(opt, 2, False, getter, 3),
}
GETTERS = {
    "agn": "AGNCustomGetter", "elastic": "ElasticAverageCustomGetter", "model": "ModelAverageCustomGetter",
}  # fmt: skip


def run_worker(tf, name):
    """One worker alone: the variables after each step, which collections hold them, and all ops of the graph."""
    alone = name in ("agn", "elastic", "model")
    with tf.Graph().as_default() as graph:
        getter = getattr(tf.contrib.opt, GETTERS[name.split("_")[0]])("/job:worker/task:0" if not alone else "")
        global_step = tf.train.get_or_create_global_step()
        with tf.variable_scope("", custom_getter=getter):
            v = tf.get_variable("v", initializer=[1.0, 2.0])
            w = tf.get_variable("w", initializer=[[3.0]])
            tf.get_variable("kept", initializer=1.0, trainable=False, collections=["global_variables"])
        opt = tf.train.MomentumOptimizer(0.1, 0.5)
        optimizer = WORKERS[name](tf, opt, getter)
        pairs = optimizer.compute_gradients(tf.reduce_sum(v * v) * tf.reduce_sum(w))
        train = optimizer.apply_gradients(pairs, global_step)
        hook = optimizer.make_session_run_hook(*(() if "model" in name else (True, 0)))
        hook.begin()
        found = []
        if alone:
            with tf.Session() as session:
                session.run(hook._global_init_op)
                session.run(hook._local_init_op)
                if name == "model":
                    session.run(hook._chief_init_op)
                session.run(hook._variable_init_op)
                for _ in range(5):
                    session.run(train)
                    variables = tf.global_variables() + tf.local_variables()
                    found.append([[x.name, session.run(x).tolist()] for x in variables])
        collections = [
            [key, [x.name for x in tf.get_collection(key)]]
            for key in ("variables", "local_variables", "trainable_variables", "train_op")
        ]
        devices = [[op.name, op.device] for op in graph.get_operations() if op.device]
        ops = [[op.name, op.type] for op in graph.get_operations() if not op.name.startswith("gradients/")]
    return {"values": found, "ops": shortened(ops), "collections": collections, "devices": shortened(devices)}
