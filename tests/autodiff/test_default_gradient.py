"""`KernelGradient`, the gradient of ops without a rule: the derivative of the op's own kernel."""

import numpy as np
import pytest

import evergraph as tf
from evergraph.framework import opdefs
from evergraph.framework.operation import Operation
from evergraph.ops.kernel_gradient import Forward, kernel_gradient
from evergraph.ops.opdef import grouped_inputs, op, raw_op

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402

KERNEL = kernel_gradient.opdef.kernel


def _declare():
    """Three ops of the tests' own: a plain one, one with lists and a static input, one that must stay itself."""
    if opdefs.lookup("TestCube"):
        return

    @op("TestCube", signature="(x: T) -> (y: T) | T: type")
    def cube(xp, x):
        return x * x * x

    cube.shape(lambda x: x)

    @op(
        "TestMix",
        signature="(axis: int32, xs: N * T, weight: T, labels: int32) -> (y: T, count: int32, z: T)"
        " | N: int >= 1 | T: type | scale: float = 2.0",
        static=("axis",),
    )
    def mix(xp, axis, xs, weight, labels, *, scale):
        total = xs[0] * weight.dtype.type(scale)
        for x in xs[1:]:
            total = total * x
        return xp.sum(total * weight, int(axis)), xp.asarray(len(xs)), xp.sin(total) + labels

    @op("TestStateful", signature="(x: T) -> (y: T) | T: type | ! is_stateful")
    def stateful(xp, x):
        return x


_declare()


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as g:
        yield g


def difference(function, inputs, k, grads, step=1e-6):
    """The gradient of the k-th input, by central differences in float64."""
    found = np.zeros_like(inputs[k])
    for i in np.ndindex(found.shape):
        ends = []
        for sign in (1, -1):
            moved = [np.array(x) for x in inputs]
            moved[k][i] += sign * step
            ends.append(sum(np.sum(g * y) for g, y in zip(grads, function(*moved))))
        found[i] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize("way", ["numpy", "jax", "jit", "numpy while tracing"])
def test_gradient_of_a_kernel_with_lists_and_static_inputs(way):
    rng = np.random.default_rng(1)
    a, b, weight = rng.normal(size=(3, 2, 3))
    axis, labels = np.array(1, np.int32), np.array([1, 0, 2], np.int32)
    dy, dz = rng.normal(size=2), rng.normal(size=(2, 3))
    kernel = opdefs.lookup("TestMix").kernel
    forward = Forward("TestMix", {"N": 2, "T": tf.float64, "scale": 2.0})

    def run(xp, *arrays):
        *inputs, dy, dz = arrays
        return KERNEL(xp, tuple(inputs), (axis,), (dy, dz), forward=forward)

    arrays = (a, b, weight, labels, dy, dz)
    with jax.enable_x64(True):
        if way == "numpy":
            found = run(np, *arrays)
        elif way == "jax":
            found = run(jnp, *arrays)
        elif way == "jit":
            found = jax.jit(lambda *arrays: run(jnp, *arrays))(*arrays)
        else:
            found = jax.jit(lambda one: [one * g for g in run(np, *arrays)])(np.float64(1))
    assert len(found) == 3

    def outputs(a, b, weight):
        y, _, z = kernel(np, axis, (a, b), weight, labels, scale=2.0)
        return y, z

    for k, got in enumerate(found):
        np.testing.assert_allclose(got, difference(outputs, (a, b, weight), k, (dy, dz)), rtol=1e-6, atol=1e-8)


def test_op_gets_one_gradient_for_each_floating_input(graph):
    xs = [tf.placeholder(tf.float32, [2, 3]) for _ in range(2)]
    weight = tf.placeholder(tf.float32, [3])
    y, _, _ = raw_op("TestMix")(1, xs, weight, [1, 0, 2])
    grads = tf.gradients(y, [*xs, weight])
    made = grads[0].op
    assert (made.type, made.name) == ("KernelGradient", "gradients/TestMix_grad/KernelGradient")
    assert [g.op for g in grads] == [made] * 3 and [g.value_index for g in grads] == [0, 1, 2]
    assert [g.shape.as_list() for g in grads] == [[2, 3], [2, 3], [3]]
    # Not the static axis, and zeros for z, which has no gradient.
    assert [t.dtype.name for t in made.inputs] == [
        "float32",
        "float32",
        "float32",
        "int32",
        "int32",
        "float32",
        "float32",
    ]
    assert made.inputs[-1].op.type == "ZerosLike"


def test_gradient_of_a_gradient_is_another_kernel_gradient(graph):
    x = tf.placeholder(tf.float64, [2], name="x")
    (first,) = tf.gradients(raw_op("TestCube")(x), x)
    (second,) = tf.gradients(first, x)
    (third,) = tf.gradients(second, x)
    assert {first.op.type, second.op.type} == {"KernelGradient"}
    values = evaluated(third, {x: np.array([2.0, 3.0])})
    np.testing.assert_allclose(values, [6.0, 6.0])
    np.testing.assert_allclose(evaluated(second, {x: np.array([2.0, 3.0])}), [12.0, 18.0])


def evaluated(tensor, feeds):
    """The value of `tensor`, op by op through NumPy kernels."""
    done = {t.op: (value,) for t, value in feeds.items()}

    def value_of(t) -> np.ndarray:
        made: Operation = t.op
        if made not in done:
            args = [
                tuple(map(value_of, group)) if arg.is_list else value_of(group[0])
                for arg, group in zip(made.opdef.inputs, grouped_inputs(made))
            ]
            result = made.opdef.kernel(np, *args, **{n: made.attrs[n] for n in made.opdef.kernel_attrs})
            done[made] = result if isinstance(result, list | tuple) else (result,)
        return done[made][t.value_index]

    return value_of(tensor)


def test_complex_gradients_follow_tensorflow():
    # TF 1.15.5: the gradient of conj(a) * b is conj'ed: grad_a = conj(grad) * b, grad_b = grad * a.
    attrs = {"T": tf.complex128}
    a, g = np.array([1.0 + 2.0j]), np.array([3.0 - 1.0j])
    (found,) = KERNEL(np, (a,), (), (g,), forward=Forward("TestCube", attrs))
    np.testing.assert_allclose(found, g * np.conj(3 * a**2))


def test_stateful_op_has_no_default(graph):
    x = tf.placeholder(tf.float32, [2])
    y = raw_op("TestStateful")(x)
    with pytest.raises(LookupError, match="No gradient defined for operation 'TestStateful'"):
        tf.gradients(y, x)


def test_session_runs_it(graph):
    x = tf.placeholder(tf.float64, [2])
    y = raw_op("TestCube")(x)
    grads = [tf.gradients(y, x)[0]]
    grads.append(tf.gradients(grads[0], x)[0])
    with tf.Session() as sess:
        for _ in range(4):  # interpreted first, compiled later
            first, second = sess.run(grads, {x: [2.0, 3.0]})
            np.testing.assert_allclose(first, [12.0, 27.0])
            np.testing.assert_allclose(second, [12.0, 18.0])


def test_it_survives_a_graph_def(graph):
    x = tf.placeholder(tf.float64, [2], name="x")
    (grad,) = tf.gradients(raw_op("TestCube")(x), x)
    with tf.Graph().as_default():
        copied_x, copied = tf.import_graph_def(graph.as_graph_def(), name="", return_elements=["x:0", grad.name])
        np.testing.assert_allclose(evaluated(copied, {copied_x: np.array([2.0, 3.0])}), [12.0, 27.0])
