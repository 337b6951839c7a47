"""Record graphs with `If`, `While`, `Case`, calls and lists of tensors, and their gradients by TensorFlow.

    python tools/record_control_flow_v2.py tf1       under TensorFlow 1.15.5 with control flow v2
    python tools/record_control_flow_v2.py tf2       under TensorFlow 2.21, as functions of a SavedModel

Writes `tests/autodiff/control_flow_v2/<tf1|tf2>.npz`: for each program the graph as bytes (`<name>/graph`), and for
each of the values that go in the output and its first and second derivatives.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

INPUTS = [np.array([0.3, -0.2], np.float32), np.array([-0.7, 0.4], np.float32)]
W = np.array([[0.5, -0.3], [0.2, 0.8]], np.float32)


def branch(x):
    return tf.cond(x[0] > 0.0, lambda: x * x * x, lambda: tf.sin(x) * x[1])


def branch_in_branch(x):
    inner = lambda: tf.cond(x[1] > 0.0, lambda: x * x, lambda: tf.exp(x))  # noqa: E731
    return tf.cond(x[0] > 0.0, inner, lambda: tf.tanh(x) * 2.0)


def cases(x):
    chosen = tf.cast(x[0] > 0.0, tf.int32) + tf.cast(x[1] > 0.0, tf.int32)
    return tf.switch_case(chosen, {0: lambda: x * x, 1: lambda: x * tf.sin(x), 2: lambda: tf.exp(x)})


def loop(x):
    w = tf.constant(W)
    return tf.while_loop(
        lambda i, s: i < 4, lambda i, s: (i + 1, tf.tanh(tf.linalg.matvec(w, s)) + x * tf.cast(i, tf.float32)), [0, x]
    )[1]


def loop_of_many_trips(x):
    trips = tf.cast(tf.abs(x[0]) * 10.0, tf.int32)
    return tf.while_loop(lambda i, s: i < trips, lambda i, s: (i + 1, tf.sin(s) * 1.1 + x), [0, x])[1]


def branch_in_loop(x):
    def turn(i, s):
        return i + 1, tf.cond(s[0] > 0.1, lambda: s * 0.5 - x, lambda: tf.cos(s) + x * x)

    return tf.while_loop(lambda i, s: i < 5, turn, [0, x])[1]


def loop_in_loop(x):
    def turn(i, s):
        inner = tf.while_loop(lambda j, t: j < i + 1, lambda j, t: (j + 1, tf.sin(t) + x * s), [0, s])[1]
        return i + 1, tf.tanh(inner)

    return tf.while_loop(lambda i, s: i < 3, turn, [0, x])[1]


def loop_in_branch(x):
    return tf.cond(
        x[0] > 0.0,
        lambda: tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, tf.sin(s) * x), [0, x])[1],
        lambda: x * x,
    )


def arrays(x):
    given = tf.TensorArray(tf.float32, 3, element_shape=[2]).unstack(tf.stack([x, x * 2.0, x * x]))

    def turn(i, s, made):
        s = tf.tanh(s + given.read(i))
        return i + 1, s, made.write(i, s * x)

    made = tf.TensorArray(tf.float32, 3, element_shape=[2])
    _, last, made = tf.while_loop(lambda i, *_: i < 3, turn, [0, tf.zeros([2]), made])
    return tf.reduce_sum(made.stack(), 0) + last


def mapped(x):
    return tf.reduce_sum(tf.map_fn(lambda row: tf.sin(row) * x, tf.stack([x, x * x])), 0)


def called(x):
    branches = lambda x: tf.cond(x[0] > 0.0, lambda: x * x, lambda: tf.sin(x))  # noqa: E731
    f = tf.function(branches, autograph=False) if IS_TF2 else branches
    return f(x) * f(x * 2.0)


PROGRAMS = [
    branch, branch_in_branch, cases, loop, loop_of_many_trips, branch_in_loop, loop_in_loop, loop_in_branch, arrays,
    mapped, called,
]  # fmt: skip
IS_TF2 = tf.__version__.startswith("2")


def graph_of(program):
    """The forward graph: from the placeholder `x` to the tensor `y`."""
    if not IS_TF2:
        with tf.Graph().as_default() as graph:
            x = tf.placeholder(tf.float32, [2], name="x")
            tf.identity(program(x), name="y")
            return graph.as_graph_def()

    def named(x):
        return tf.identity(program(x), name="y")

    function = tf.function(named).get_concrete_function(tf.TensorSpec([2], tf.float32, name="x"))
    return function.graph.as_graph_def()


def values_of(graph_def, program, value):
    """The output, its first derivative, and the derivative of that."""
    if IS_TF2:
        x = tf.constant(value)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = program(x)
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)
        return [y.numpy(), first.numpy(), np.zeros(2, np.float32) if second is None else second.numpy()]
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [2], name="x")
        y = program(x)
        (first,) = tf.gradients(y, x)
        second = tf.gradients(first, x)
        return session.run([y, first, second[0]], {x: value})


def main(which):
    if not IS_TF2:
        tf.enable_control_flow_v2()
        tf.enable_resource_variables()
    arrays = {}
    for program in PROGRAMS:
        graph_def = graph_of(program)
        arrays[f"{program.__name__}/graph"] = np.frombuffer(graph_def.SerializeToString(), np.uint8)
        for i, value in enumerate(INPUTS):
            for name, found in zip(("y", "first", "second"), values_of(graph_def, program, value)):
                arrays[f"{program.__name__}/{i}/{name}"] = found
        print(program.__name__, sorted({f.signature.name.split("_")[0] for f in graph_def.library.function}))
    path = Path(__file__).resolve().parent.parent / "tests" / "autodiff" / "control_flow_v2" / f"{which}.npz"
    np.savez_compressed(path, **arrays)
    print(path.stat().st_size, "bytes")


main(sys.argv[1])
