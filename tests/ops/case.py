"""A row of the tables in `cases_<family>.py`: a piece of a TF 1 program, and what goes into it.

The recorder runs the rows under TensorFlow 1.15.5, the tests run them under Evergraph. This module and the tables
work under Python 3.7.
"""

import numpy as np


class Case:
    """One call, or a few.

    Args:
        name: unique in its family.
        call: `call(tf, *tensors)` builds ops on placeholders for `inputs` and gives a tensor, or a list of them.
        inputs: NumPy arrays to feed.
        shapes: static shapes of the placeholders where they are not those of `inputs`: {position: shape or None}.
        gradient: whether to compare the gradients with respect to the floating-point inputs, too.
        smooth: whether the gradients with respect to float64 inputs are those of finite differences.
        rtol, atol: how near the numbers have to be to TensorFlow's; by default a few ulp of their type.
        note: why a row is out of the ordinary.
    """

    def __init__(self, name, call, *inputs, shapes=None, gradient=True, smooth=True, rtol=None, atol=None, note=""):
        self.name = name
        self.call = call
        self.inputs = [np.asarray(x) for x in inputs]
        self.shapes = shapes or {}
        self.gradient = gradient
        self.smooth = smooth
        self.rtol = rtol
        self.atol = atol
        self.note = note

    def __repr__(self):
        return self.name

    def placeholders(self, tf):
        """Make one placeholder an input, named x0, x1, ..."""
        made = []
        for i, x in enumerate(self.inputs):
            dtype = tf.string if x.dtype.kind in "SUO" else tf.as_dtype(x.dtype)
            made.append(tf.placeholder(dtype, self.shapes.get(i, x.shape), name=f"x{i}"))
        return made

    def outputs(self, tf, tensors):
        """Build the call; give its outputs as a list."""
        made = self.call(tf, *tensors)
        return list(made) if isinstance(made, (list, tuple)) else [made]

    def gradients(self, tf, outputs, arrays, tensors):
        """Build the gradients with respect to the inputs that have some; None where there is none.

        `arrays` are the values of `outputs`: the gradient that comes in has their shapes, and no symmetry.
        """
        of, weights = [], []
        for out, array in zip(outputs, arrays):
            if out.dtype.is_floating or out.dtype.is_complex:
                of.append(out)
                weights.append(tf.constant(weights_for(array.shape), dtype=out.dtype))
        wrt = [t for t in tensors if t.dtype.is_floating or t.dtype.is_complex]
        if not of or not wrt:
            return []
        found = tf.gradients(of, wrt, grad_ys=weights)
        return [None if g is None else tf.convert_to_tensor(g) for g in found]


def weights_for(shape):
    """Numbers of either sign, no two alike: what comes in where gradients are compared."""
    return np.cos(1.0 + np.arange(int(np.prod(shape)), dtype=np.float64)).reshape(shape)


def floats(*shape, **options):
    """Random floats: `low`, `high` (-2, 2), `dtype` (float32), `seed` (0). The same under every NumPy."""
    low, high = options.get("low", -2.0), options.get("high", 2.0)
    state = np.random.RandomState(options.get("seed", 0))
    return state.uniform(low, high, shape).astype(options.get("dtype", np.float32))


def ints(*shape, **options):
    """Random ints: `low`, `high` (-9, 10), `dtype` (int32), `seed` (0). The same under every NumPy."""
    low, high = options.get("low", -9), options.get("high", 10)
    state = np.random.RandomState(options.get("seed", 0))
    return state.randint(low, high, shape).astype(options.get("dtype", np.int32))
