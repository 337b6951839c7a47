"""Windows of many elements, compiled, against NumPy's way; and programs for them that do not grow with the window."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402

from evergraph.ops import convolution_numpy, pooling  # noqa: E402
from evergraph.ops.windows import sliding  # noqa: E402
from evergraph.ops.xla import convolution  # noqa: E402

RANDOM = np.random.RandomState(5)
CONVOLUTIONS = [  # input, filter, stride, dilation, padding
    ((3, 9, 6, 1), (2, 6, 1, 5), (1, 1), (1, 1), b"VALID"),  # all of a row
    ((3, 9, 6, 2), (3, 6, 2, 4), (2, 1), (2, 1), b"VALID"),
    ((3, 7, 7, 2), (7, 7, 2, 4), (1, 1), (1, 1), b"VALID"),  # all there is
    ((3, 7, 1, 2), (7, 1, 2, 4), (1, 1), (1, 1), b"VALID"),
    ((2, 8, 6, 2), (8, 3, 2, 3), (1, 1), (1, 1), b"VALID"),  # all of a column
    ((2, 20, 18, 2), (7, 6, 2, 3), (1, 2), (1, 1), b"SAME"),  # more taps than are laid out one by one
    ((2, 20, 20, 1), (6, 7, 1, 3), (1, 1), (2, 1), b"VALID"),
]


def floats(*shape):
    return RANDOM.randn(*shape).astype(np.float32)


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(case):
    shape, filters, stride, dilation, padding = case
    window = sliding(shape[1:-1], filters[:2], stride, dilation, padding)
    x, w, dy = floats(*shape), floats(*filters), floats(shape[0], *window.output, filters[-1])
    pairs = [
        (lambda m: m.convolve(x, w, window)),
        (lambda m: m.input_gradient(dy, w, shape, window)),
        (lambda m: m.filter_gradient(x, dy, filters, window)),
    ]
    for run in pairs:
        expected, found = run(convolution_numpy), jax.jit(lambda run=run: run(convolution))()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


POOLINGS = [  # input, window, stride, padding
    ((2, 50, 1, 3), (50, 1), (1, 1), b"VALID"),
    ((2, 8, 9, 3), (8, 9), (3, 2), b"VALID"),
    ((2, 14, 12, 3), (7, 6), (7, 6), b"VALID"),
    ((2, 14, 12, 3), (7, 6), (2, 3), b"SAME"),
    ((2, 16, 15, 2), (12, 11), (1, 2), b"SAME"),
    ((2, 16, 15, 2), (11, 12), (2, 1), b"VALID"),
]


@pytest.mark.parametrize("case", POOLINGS)
@pytest.mark.parametrize("ties", [False, True])
def test_poolings(case, ties):
    shape, size, stride, padding = case
    x = RANDOM.randint(0, 4, shape).astype(np.float32) if ties else floats(*shape)
    window = sliding(shape[1:-1], size, stride, (1, 1), padding)
    dy = floats(shape[0], *window.output, shape[-1])
    ksize, strides = [1, *size, 1], [1, *stride, 1]

    def maximum(xp):
        y = pooling._pool_max(xp, x, ksize, strides, padding, b"NHWC")
        return y, pooling._pool_max_gradient(xp, x, y, dy, ksize, strides, padding, b"NHWC")

    def average(xp):
        return pooling._pool_average_gradient(xp, shape, dy, ksize, strides, padding, b"NHWC")

    for run in (maximum, average):
        for one, other in zip(
            jax.tree.leaves(jax.jit(lambda run=run: run(jnp))()), jax.tree.leaves(run(np)), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_the_gradient_of_an_average_place_by_place():
    shape, size = (1, 12, 11, 1), (9, 7)
    window = sliding(shape[1:-1], size, (1, 1), (1, 1), b"SAME")
    expected = np.zeros(shape, np.float32)
    dy = floats(*shape)
    for i, j in np.ndindex(*window.output):
        rows = slice(max(i - window.before[0], 0), min(i - window.before[0] + size[0], shape[1]))
        columns = slice(max(j - window.before[1], 0), min(j - window.before[1] + size[1], shape[2]))
        part = expected[0, rows, columns, 0]
        part += dy[0, i, j, 0] / part.size
    found = pooling._pool_average_gradient(np, shape, dy, [1, *size, 1], [1, 1, 1, 1], b"SAME", b"NHWC")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def equations(jaxpr):
    inner = (e.params for e in jaxpr.eqns)
    return len(jaxpr.eqns) + sum(equations(v.jaxpr) for p in inner for v in p.values() if hasattr(v, "jaxpr"))


def test_programs_do_not_grow_with_the_window():
    def text_network(rows, width):
        x, w, dy = floats(2, rows, width, 1), floats(3, width, 1, 4), floats(2, rows - 2, 1, 4)
        window = sliding((rows, width), (3, width), (1, 1), (1, 1), b"VALID")
        size, one = [1, rows - 2, 1, 1], [1, 1, 1, 1]

        def step(x, w):
            y = convolution.convolve(x, w, window)
            top = pooling._pool_max(jnp, y, size, one, b"VALID", b"NHWC")
            dy = pooling._pool_max_gradient(jnp, y, top, top, size, one, b"VALID", b"NHWC")
            return convolution.filter_gradient(x, dy, w.shape, window), dy

        assert dy.shape == jax.eval_shape(step, x, w)[1].shape
        return equations(jax.make_jaxpr(step)(x, w).jaxpr)

    assert text_network(60, 20) == text_network(300, 90)
