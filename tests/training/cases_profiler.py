"""Graphs whose profiles were recorded with TensorFlow 1.15. Python 3.7 reads this.

`run` gives what a report prints and some numbers of its message. Times and memory come from a recorded run of
TensorFlow's, so that they are the same in both.
"""

import contextlib
import os


def model(tf):
    """Convolution, two scopes, gradients, and more than 16 ops below one scope."""
    x = tf.placeholder(tf.float32, [4, 8, 8, 3], name="x")
    with tf.variable_scope("net"):
        w = tf.get_variable("w", [3, 3, 3, 5])
        b = tf.get_variable("b", [5])
        h = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 2, 2, 1], "SAME"), b))
        h = tf.nn.max_pool(h, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        h = tf.reshape(h, [4, -1])
        k = tf.get_variable("k", [20, 10])
        y = tf.matmul(h, k)
    tf.get_variable("counter", [], tf.int64, initializer=tf.zeros_initializer(), trainable=False)
    loss = tf.reduce_mean(tf.square(y - 1.0) * 2.0)
    return tf.train.GradientDescentOptimizer(0.1).minimize(loss)


def every_op(tf):
    """Ops whose float operations TensorFlow counts, and ones whose it does not."""
    x = tf.placeholder(tf.float32, [3, 4], name="x")
    unknown = tf.placeholder(tf.float32, [None, 4], name="unknown")
    image = tf.placeholder(tf.float32, [2, 6, 7, 3], name="image")
    kernel = tf.placeholder(tf.float32, [3, 2, 3, 4], name="kernel")
    v = tf.get_variable("v", [3, 4])
    for f in (
        tf.reciprocal,
        tf.square,
        tf.rsqrt,
        tf.log,
        tf.negative,
        tf.nn.softmax,
        tf.nn.l2_loss,
        tf.reduce_mean,
        tf.reduce_sum,
        tf.argmax,
        tf.argmin,
        tf.exp,
        tf.nn.relu,
    ):
        f(x)
    for f in (
        tf.add,
        tf.subtract,
        tf.multiply,
        tf.divide,
        tf.maximum,
        tf.minimum,
        tf.pow,
        tf.greater_equal,
        tf.greater,
        tf.less_equal,
        tf.less,
        tf.equal,
        tf.not_equal,
        tf.squared_difference,
        tf.atan2,
    ):
        f(x, x[:1])
    tf.square(unknown)
    tf.add_n([x, x, x])
    tf.assign_add(v, x)
    tf.assign_sub(v, x)
    tf.matmul(x, x, transpose_a=True)
    tf.matmul(x, x, transpose_b=True)
    tf.matmul(tf.reshape(x, [1, 3, 4]), tf.reshape(x, [1, 4, 3]))
    y = tf.nn.conv2d(image, kernel, [1, 2, 1, 1], "SAME")
    y = tf.nn.max_pool(tf.nn.bias_add(y, [1.0, 2.0, 3.0, 4.0]), [1, 2, 3, 1], [1, 1, 2, 1], "VALID")
    y = tf.nn.avg_pool(y, [1, 2, 1, 1], [1, 1, 1, 1], "SAME")
    tf.gradients(tf.reduce_sum(y), [image, kernel])
    tf.nn.depthwise_conv2d_native(image, kernel, [1, 1, 1, 1], "SAME")
    tf.nn.dilation2d(image, kernel[:, :, :, 0], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
    tf.nn.conv3d(tf.reshape(image, [1, 2, 6, 7, 3]), tf.reshape(kernel, [1, 3, 2, 3, 4]), [1] * 5, "SAME")


GRAPHS = {"model": model, "every_op": every_op}
ALL = [
    "micros", "bytes", "peak_bytes", "residual_bytes", "output_bytes", "params", "float_ops", "device", "op_types",
    "occurrence", "input_shapes",
]  # fmt: skip

# Name to the graph, the report, whether a run belongs to it, and its options.
CASES = {
    "parameters": ("model", "scope", False, lambda b: b.trainable_variables_parameter()),
    "float_ops": ("model", "scope", False, lambda b: b.float_operation()),
    "float_ops_by_type": ("model", "op", False, lambda b: b.float_operation()),
    "float_ops_along_inputs": ("model", "graph", False, lambda b: b.float_operation()),
    "parameters_by_type": (
        "model", "op", False, lambda b: b(b.trainable_variables_parameter()).select(["params", "occurrence"]).build()
    ),
    "every_op": ("every_op", "op", False, lambda b: b(b.float_operation()).select(["float_ops", "occurrence"]).build()),
    "every_op_by_scope": ("every_op", "scope", False, lambda b: b.float_operation()),
    "chosen": (
        "model", "scope", False,
        lambda b: b(b.float_operation()).with_node_names(
            start_name_regexes=["net.*", "gradients"], hide_name_regexes=[".*random_uniform.*"],
            trim_name_regexes=[".*Initializer"],
        ).with_max_depth(4).account_displayed_op_only(False).with_min_float_operations(0).order_by("name").build(),
    ),
    "by_several_types": (
        "model", "op", False,
        lambda b: b(b.float_operation()).with_accounted_types(["Mul", "M.*", "_trainable_variables"])
        .select(["params", "float_ops", "op_types", "occurrence", "input_shapes"]).order_by("occurrence")
        .with_min_float_operations(0).build(),
    ),
    "default": ("model", "scope", False, lambda b: b().select(["params", "float_ops"]).with_max_depth(2).build()),
    "times": ("model", "scope", True, lambda b: b.time_and_memory()),
    "times_by_type": ("model", "op", True, lambda b: b.time_and_memory()),
    "times_along_inputs": ("model", "graph", True, lambda b: b.time_and_memory(min_micros=0, min_bytes=0)),
    "everything": ("model", "scope", True, lambda b: b(b.time_and_memory()).select(ALL).build()),
    "everything_by_type": ("model", "op", True, lambda b: b(b.time_and_memory()).select(ALL).build()),
    "everything_along_inputs": (
        "model", "graph", True,
        lambda b: b().select(ALL).with_node_names(start_name_regexes=[".*Mean", "net/M.*"]).order_by("bytes").build(),
    ),
    "cpu": (
        "model", "scope", True,
        lambda b: b(b.time_and_memory(min_cpu_micros=2)).select(["cpu_micros", "accelerator_micros"])
        .order_by("cpu_micros").build(),
    ),
    "some_step": ("model", "scope", True, lambda b: b(b.time_and_memory()).with_step(0).build()),
}  # fmt: skip
FIELDS = (
    "total_parameters", "total_float_ops", "total_exec_micros", "total_requested_bytes", "total_output_bytes",
    "exec_micros", "parameters", "float_ops",
)  # fmt: skip


def run(tf, name, run_metadata, outfile):
    """The text of a report, and numbers of its message."""
    graph_name, command, with_run, options = CASES[name]
    builder = tf.profiler.ProfileOptionBuilder
    with tf.Graph().as_default() as graph:
        GRAPHS[graph_name](tf)
        given = builder(options(builder)).with_file_output(outfile).build()
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            message = tf.profiler.profile(graph, run_metadata if with_run else None, cmd=command, options=given)
    with open(outfile) as file:
        text = file.read()
    return {"text": text, "numbers": [getattr(message, field) for field in FIELDS], "message": shape(message)}


def shape(message):
    """Names of a message and of those inside it, three deep."""

    def inside(m, depth):
        return [m.name, [inside(child, depth - 1) for child in m.children] if depth else len(m.children)]

    return inside(message, 3)
