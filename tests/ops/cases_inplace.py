"""Rows of tensors updated, added to and subtracted from (`tensorflow.python.ops.inplace_ops`), and `Empty`."""

from importlib import import_module

import numpy as np
from ops.case import Case, floats, ints

X = floats(4, 3)
CASES = []


def module(tf):
    """The functions: their place is internal in TensorFlow."""
    return import_module(("evergraph" if "evergraph" in tf.__name__ else "tensorflow") + ".python.ops.inplace_ops")


def case(name, call, *inputs):
    CASES.append(Case(name, lambda tf, *args: call(module(tf), *args), *inputs, gradient=False))


for _kind in ("update", "add", "sub"):
    _of = "inplace_" + _kind
    case(_kind + "_row", lambda m, x, v, _of=_of: getattr(m, _of)(x, 2, v), X, X[0] * 3)
    case(_kind + "_rows", lambda m, x, v, _of=_of: getattr(m, _of)(x, [3, -1, 5], v), X, X[:3] * 3)
    case(_kind + "_all", lambda m, x, v, _of=_of: getattr(m, _of)(x, None, v), X, X * 2)
    case(_kind + "_ints", lambda m, x, v, _of=_of: getattr(m, _of)(x, [1], v), ints(3, 2), ints(1, 2, seed=1))
    case(_kind + "_vector", lambda m, x, v, _of=_of: getattr(m, _of)(x, [0, 2], v), X[0], X[1, :2].copy())
    case(_kind + "_of_other_rank", lambda m, x, v, _of=_of: getattr(m, _of)(x, [0], v), X, X[0])
    case(_kind + "_of_other_length", lambda m, x, v, _of=_of: getattr(m, _of)(x, [0, 1], v), X, X[:1].copy())
    case(_kind + "_of_other_row", lambda m, x, v, _of=_of: getattr(m, _of)(x, [0], v), X, X[:1, :2].copy())
case("update_bools", lambda m, x, v: m.inplace_update(x, [1], v), X > 0, np.array([[True, False, True]]))
case("empty_like", lambda m, x: m.empty_like(x, init=True), X)
