"""Gradients through graphs whose branches and loops are functions, as TensorFlow 1.15 and 2.21 write them."""

from pathlib import Path

import numpy as np
import pytest
from evergraph.python.framework import function
from evergraph.python.ops import functional_ops

import evergraph as tf
from evergraph.runtime import executor

RECORDED = {
    which: dict(np.load(Path(__file__).parent / "control_flow_v2" / f"{which}.npz")) for which in ("tf1", "tf2")
}
INPUTS = [np.array([0.3, -0.2], np.float32), np.array([-0.7, 0.4], np.float32)]
PROGRAMS = [(which, key.partition("/")[0]) for which, found in RECORDED.items() for key in found if "graph" in key]


def imported(which, program):
    """The graph that TensorFlow wrote, in the default graph: its `x` and `y`."""
    graph_def = tf.GraphDef.FromString(RECORDED[which][f"{program}/graph"].tobytes())
    return tf.import_graph_def(graph_def, name="", return_elements=["x:0", "y:0"])


@pytest.mark.parametrize("way", ["interpreted", "compiled"])
@pytest.mark.parametrize("which, program", PROGRAMS)
def test_gradients_are_those_of_tensorflow(which, program, way, monkeypatch):
    monkeypatch.setattr(executor, "SMALL_OPS", 10**9 if way == "interpreted" else -1)
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = imported(which, program)
        (first,) = tf.gradients(y, x)
        (second,) = tf.gradients(first, x)
        for i, value in enumerate(INPUTS):
            for _ in range(1 if way == "interpreted" else 3):
                found = session.run([y, first, second], {x: value})
            for name, given in zip(("y", "first", "second"), found, strict=True):
                expected = RECORDED[which][f"{program}/{i}/{name}"]
                np.testing.assert_allclose(given, expected, rtol=2e-4, atol=2e-5, err_msg=f"{name} {value}")


def test_the_recorded_graphs_have_parts_that_are_functions():
    found = set()
    for which, program in PROGRAMS:
        with tf.Graph().as_default() as graph:
            imported(which, program)
            found |= {node.op for f in graph.as_graph_def().library.function for node in f.node_def}
            found |= {op.type for op in graph.get_operations()}
    assert found >= {
        "If", "StatelessIf", "While", "StatelessWhile", "Case", "StatelessCase", "PartitionedCall", "TensorListReserve",
        "TensorListGetItem", "TensorListSetItem", "TensorListFromTensor", "TensorListStack",
    }  # fmt: skip


def made_here(build, *feeds):
    """What `build()` gives, twice: interpreted and compiled."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, fetches = build()
        session.run(tf.global_variables_initializer())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(executor, "SMALL_OPS", -1)
            return [[session.run(fetches, {x: value}) for _ in range(2)] for value in feeds]


def test_branches_read_variables():
    def build():
        x = tf.placeholder(tf.float32, [2])
        v = tf.Variable([3.0, 4.0], use_resource=True)

        @function.Defun(tf.float32, tf.resource)
        def squared(x, v):
            return x * x * raw_read(v)

        @function.Defun(tf.float32, tf.resource)
        def alone(x, v):
            return tf.sin(x)

        (y,) = functional_ops.If(x[0] > 0.0, [x, v.handle], squared, alone)
        return x, [y, *tf.gradients(y, [x, v])]

    for value, runs in zip(INPUTS, made_here(build, *INPUTS), strict=True):
        v = np.array([3.0, 4.0], np.float32)
        up = value[0] > 0
        expected = [value**2 * v, 2 * value * v, value**2] if up else [np.sin(value), np.cos(value), 0 * v]
        for found in runs:
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)


def raw_read(handle):
    return tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)


def test_a_loop_reads_a_variable():
    def build():
        x = tf.placeholder(tf.float32, [2])
        v = tf.Variable([0.5, 2.0], use_resource=True)

        @function.Defun(tf.int32, tf.float32, tf.resource)
        def goes_on(i, x, v):
            return i < 3

        @function.Defun(tf.int32, tf.float32, tf.resource)
        def turn(i, x, v):
            return i + 1, x * raw_read(v), v

        _, y, _ = functional_ops.While([0, x, v.handle], goes_on, turn)
        return x, [y, *tf.gradients(y, [x, v])]

    for value, runs in zip(INPUTS, made_here(build, *INPUTS), strict=True):
        v = np.array([0.5, 2.0], np.float32)
        for found in runs:
            for a, b in zip(found, [value * v**3, v**3, 3 * value * v**2], strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5)


def test_what_a_loop_drew_at_random_is_kept_for_its_gradient():
    def build():
        x = tf.placeholder(tf.float32, [2])

        @function.Defun(tf.int32, tf.float32)
        def goes_on(i, x):
            return i < 4

        @function.Defun(tf.int32, tf.float32)
        def turn(i, x):
            return i + 1, x * tf.random_uniform([2], 0.5, 1.5, seed=3)

        _, y = functional_ops.While([0, x], goes_on, turn)
        return x, [y, *tf.gradients(y, x)]

    for value, runs in zip(INPUTS, made_here(build, *INPUTS), strict=True):
        for y, dx in runs:  # y is x times what was drawn
            np.testing.assert_allclose(y, value * dx, rtol=1e-5)
        assert not np.allclose(runs[0][0], runs[1][0])


def test_gradients_asked_for_again_use_what_the_loop_keeps_already():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x, y = imported("tf1", "loop")
        first = tf.gradients(y, x)
        (loop,) = (op for op in graph.get_operations() if op.type == "While" and "gradients" not in op.name)
        outputs = len(loop.outputs)
        again = tf.gradients(y * 2.0, x)
        assert len(loop.outputs) == outputs > 2
        a, b = session.run([first, again], {x: INPUTS[0]})
        np.testing.assert_allclose(b[0], 2.0 * a[0], rtol=1e-5)
        names = {f.signature.name for f in graph.as_graph_def().library.function}
        assert loop.get_attr("body").name in names


def test_a_loop_without_iterations_passes_gradients_on():
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = imported("tf1", "loop_of_many_trips")
        (dx,) = tf.gradients(y, x)
        np.testing.assert_allclose(session.run(dx, {x: [0.01, 0.5]}), [1.0, 1.0])


def test_a_graph_with_gradients_reads_back():
    with tf.Graph().as_default() as graph, tf.Session() as session:
        x, y = imported("tf2", "branch_in_loop")
        (dx,) = tf.gradients(y, x, name="back")
        expected = session.run(dx, {x: INPUTS[0]})
        name, graph_def = dx.name, graph.as_graph_def()
    with tf.Graph().as_default(), tf.Session() as session:
        x, dx = tf.import_graph_def(graph_def, name="", return_elements=["x:0", name])
        np.testing.assert_allclose(session.run(dx, {x: INPUTS[0]}), expected)


def test_what_a_branch_drew_at_random_is_kept_for_its_gradient():
    def build():
        x = tf.placeholder(tf.float32, [2])

        @function.Defun(tf.float32)
        def drawn(x):
            return x * tf.random_uniform([2], 0.5, 1.5, seed=3)

        @function.Defun(tf.float32)
        def alone(x):
            return x * 3.0

        (y,) = functional_ops.If(x[0] > 0.0, [x], drawn, alone)
        again = tf.gradients(y * 2.0, x)
        return x, [y, *tf.gradients(y, x), *again]

    for value, runs in zip(INPUTS, made_here(build, *INPUTS), strict=True):
        for y, dx, again in runs:
            np.testing.assert_allclose(y, value * dx, rtol=1e-5)
            np.testing.assert_allclose(again, 2.0 * dx, rtol=1e-5)
        assert np.allclose(runs[0][0], runs[1][0]) == (value[0] < 0.0)


def test_a_call_that_draws_at_random_in_a_loop_is_refused():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [2])

        @function.Defun(tf.float32)
        def drawn(x):
            return x * tf.random_uniform([2])

        @function.Defun(tf.int32, tf.float32)
        def goes_on(i, x):
            return i < 4

        @function.Defun(tf.int32, tf.float32)
        def turn(i, x):
            return i + 1, drawn(x)

        _, y = functional_ops.While([0, x], goes_on, turn)
        with pytest.raises(tf.errors.UnimplementedError, match="draws random numbers"):
            tf.gradients(y, x)
