"""Each formulation of a convolution gives what XLA's own convolution gives."""

import itertools

import jax
import numpy as np
import pytest

from evergraph.framework.shapes import ShapeError
from evergraph.ops.lowerings import Convolution
from evergraph.ops.windows import sliding
from evergraph.ops.xla import convolution

WINDOWS = list(itertools.product(((9, 10),), ((1, 1), (2, 3), (5, 4)), (1, 2, 3), (1, 2), (b"SAME", b"VALID")))


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "padding"), WINDOWS)
def test_side_by_side(size, kernel, stride, dilation, padding):
    try:
        window = sliding(size, kernel, (stride, stride), (dilation, dilation), padding, ())
    except ShapeError:
        pytest.skip("the window does not fit")
    random = np.random.RandomState(0)
    x, w = random.randn(3, *size, 2), random.randn(*kernel, 2, 4)
    with jax.enable_x64(True):
        expected = convolution._xla(x, w, window)
        for strips in (1, 4):
            np.testing.assert_allclose(convolution._side_by_side(x, w, window, strips), expected, atol=1e-12)
            np.testing.assert_allclose(convolution._shifted_side_by_side(x, w, window, strips), expected, atol=1e-12)


@pytest.mark.parametrize("padding", [b"SAME", b"VALID"])
@pytest.mark.parametrize("dilation", [1, 2])
def test_input_gradient_as_a_convolution(padding, dilation):
    window = sliding((9, 11), (3, 2), (1, 1), (dilation, dilation), padding, ())
    back = Convolution(window, 2, 3, 4, 1).transposed
    random = np.random.RandomState(0)
    w, dy = random.randn(3, 2, 3, 4), random.randn(2, *window.output, 4)
    with jax.enable_x64(True):
        example = jax.ShapeDtypeStruct((2, 9, 11, 3), dy.dtype)
        expected = jax.linear_transpose(lambda x: convolution._xla(x, w, window), example)(dy)[0]
        given = convolution._side_by_side(dy, w[::-1, ::-1].swapaxes(-1, -2), back.window, 2)
    np.testing.assert_allclose(given, expected, atol=1e-12)


def test_narrow_convolutions_are_rearranged():
    def case(images, size, inputs, outputs, kernel):
        return Convolution(
            sliding((size, size), (kernel, kernel), (1, 1), (1, 1), b"SAME", ()), images, inputs, outputs, 1
        )

    assert case(64, 32, 32, 64, 3).runs_on_one_core
    assert case(8, 56, 64, 64, 3).runs_on_one_core
    assert not case(8, 28, 128, 128, 3).runs_on_one_core  # two tiles of 64 channels
    assert not case(1, 8, 3, 8, 3).runs_on_one_core  # too little work
    assert case(64, 32, 32, 64, 3).strips() == 1
    assert case(1, 56, 64, 64, 3).strips() > 1
