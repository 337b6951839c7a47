"""Special functions, bits, sorting."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
X = floats(2, 3, low=0.2, high=3.0, dtype=F64)
A = floats(2, 3, low=0.3, high=4.0, dtype=F64, seed=1)
UNIT = floats(2, 3, low=0.1, high=0.9, dtype=F64, seed=2)
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


UNARY = {
    "erf": lambda tf, x: tf.erf(x),
    "erfc": lambda tf, x: tf.erfc(x),
    "lgamma": lambda tf, x: tf.lgamma(x),
    "digamma": lambda tf, x: tf.digamma(x),
    "bessel_i0": lambda tf, x: [tf.math.bessel_i0(x), tf.math.bessel_i0e(x)],
    "bessel_i1": lambda tf, x: [tf.math.bessel_i1(x), tf.math.bessel_i1e(x)],
    "lbeta": lambda tf, x: tf.lbeta(x),
}
for _name, _call in UNARY.items():
    _loose = {"rtol": 1e-5, "atol": 1e-6}
    case(_name, _call, X, rtol=1e-7, atol=1e-9)
    case(_name + "_float32", _call, X.astype("f4"), rtol=5e-5, atol=1e-5)
case(
    "lgamma_of_negative_numbers",
    lambda tf, x: tf.lgamma(x),
    np.float64([-2.5, -0.3, 0.0, -1.0, 30.0, 1e-3]),
    gradient=False,
)
case("erf_at_the_ends", lambda tf, x: [tf.erf(x), tf.erfc(x)], np.float32([-9, -0.1, 0, 0.1, 9]))
case("igamma", lambda tf, a, x: [tf.igamma(a, x), tf.igammac(a, x)], A, X, rtol=1e-6, atol=1e-8)
case("igamma_spread", lambda tf, a, x: tf.igamma(a, x), A[:1].astype("f4"), X.astype("f4"), rtol=1e-4, atol=1e-5)
case("betainc", lambda tf, a, b, x: tf.betainc(a, b, x), A, X, UNIT, rtol=1e-7)
case(
    "betainc_float32",
    lambda tf, a, b, x: tf.betainc(a, b, x),
    np.float32([0.5, 1.0, 1.5, 0.5, 1.5]),
    np.float32([0.5, 1.0, 1.5, 1.5, 0.5]),
    np.float32([0.5, 0.5, 0.5, 0.5, 0.5]),
    gradient=False,
    rtol=3e-7,
)
case("zeta", lambda tf, x, q: tf.zeta(x, q), A + 1.2, X, rtol=1e-7)
case(
    "polygamma", lambda tf, x: [tf.polygamma(tf.constant(n, tf.float64), x) for n in (0.0, 1.0, 2.0, 3.0)], X, rtol=1e-7
)
case("cross", lambda tf, a, b: tf.cross(a, b), A, X)

# Bits

M, N = ints(6, low=0, high=100), ints(6, low=0, high=8, seed=1)
case(
    "bits",
    lambda tf, x, y: [
        tf.bitwise.bitwise_and(x, y),
        tf.bitwise.bitwise_or(x, y),
        tf.bitwise.bitwise_xor(x, y),
        tf.bitwise.invert(x),
    ],
    M,
    N,
)
case(
    "shifts",
    lambda tf, x, y: [tf.bitwise.left_shift(x, y), tf.bitwise.right_shift(x, y), tf.bitwise.right_shift(-x, y)],
    M,
    N,
)
case(
    "shifts_of_bytes",
    lambda tf, x, y: [tf.bitwise.left_shift(x, y), tf.bitwise.right_shift(x, y)],
    M.astype("u1"),
    N.astype("u1"),
)

# Sorting

TIES = np.float32([[3, 1, 3, 2], [0, 0, -1, 5]])
case("top_k", lambda tf, x: [*tf.nn.top_k(x, 2), *tf.nn.top_k(x), *tf.math.top_k(x, 4)], TIES)
case("top_k_float64", lambda tf, x: tf.nn.top_k(x, 2).values, X)
case("top_k_cube", lambda tf, x, k: tf.nn.top_k(x, k), floats(2, 2, 4), np.int32(3))
case("top_k_int", lambda tf, x: tf.nn.top_k(x, 3), ints(2, 5))
case("top_k_open", lambda tf, x: tf.nn.top_k(x, 2), TIES, shapes={0: [None, None]})
case("top_k_too_many", lambda tf, x: tf.nn.top_k(x, 9), TIES)

case(
    "sort",
    lambda tf, x: [tf.sort(x), tf.sort(x, axis=0), tf.sort(x, direction="DESCENDING"), tf.argsort(x), tf.argsort(x, 0)],
    floats(3, 4, dtype=F64),
)
