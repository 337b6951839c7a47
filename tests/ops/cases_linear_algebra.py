"""Factorisations, inverses, norms; einsum; clipping.

Vectors of a factorisation are unique only up to sign, so what is recorded is what does not depend on it.
"""

import numpy as np
from ops.case import Case, floats

F64 = np.float64
M = floats(3, 3, dtype=F64) + 3 * np.eye(3)
BATCH = floats(2, 3, 3, dtype=F64) + 3 * np.eye(3)
POSITIVE = BATCH @ BATCH.transpose(0, 2, 1)
RHS = floats(2, 3, 2, dtype=F64, seed=1)
TALL = floats(4, 3, dtype=F64)
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


def rebuilt(tf, x, full):
    s, u, v = tf.svd(x, full_matrices=full)
    k = min(x.shape.as_list()[-2:])
    return [s, tf.matmul(u[..., :k] * s[..., None, :], v[..., :k], adjoint_b=True)]


case("inverse", lambda tf, x: tf.matrix_inverse(x), BATCH)
case(
    "inverse_of_adjoint",
    lambda tf, x: tf.linalg.inv(x, adjoint=True),
    BATCH,
    smooth=False,
    note="TensorFlow 1.15's gradient is that of the plain inverse",
)
case("inverse_of_a_singular_matrix", lambda tf, x: tf.matrix_inverse(x), np.ones([2, 2]))
case("determinant", lambda tf, x: tf.matrix_determinant(x), BATCH)
case(
    "log_determinant", lambda tf, x: [*tf.linalg.slogdet(x), tf.linalg.logdet(tf.matmul(x, x, transpose_b=True))], BATCH
)
case("cholesky", lambda tf, x: tf.cholesky(x), POSITIVE, smooth=False, note="the upper triangle is not read")
case("cholesky_float32", lambda tf, x: tf.cholesky(x), POSITIVE.astype("f4"), rtol=1e-3, atol=1e-3)
case("cholesky_of_a_negative_matrix", lambda tf, x: tf.cholesky(x), -POSITIVE)
case("cholesky_solve", lambda tf, x, b: tf.cholesky_solve(tf.cholesky(x), b), POSITIVE, RHS, smooth=False)
case("solve", lambda tf, a, b: [tf.matrix_solve(a, b), tf.matrix_solve(a, b, adjoint=True)], BATCH, RHS)
for _lower in (True, False):
    for _adjoint in (True, False):
        _options = {"lower": _lower, "adjoint": _adjoint}
        case(
            "triangular_solve" + "_lower" * _lower + "_adjoint" * _adjoint,
            lambda tf, a, b, _o=_options: tf.linalg.triangular_solve(a, b, **_o),
            BATCH,
            RHS,
        )
case("triangular_solve_singular", lambda tf, a, b: tf.linalg.triangular_solve(a, b), np.zeros([2, 2]), np.ones([2, 1]))
case("qr", lambda tf, x: [tf.matmul(*tf.qr(x)), tf.abs(tf.qr(x)[1])], TALL)
case("svd_of_tall", lambda tf, x: rebuilt(tf, x, False), TALL, rtol=1e-7, atol=1e-7)
case("svd_of_wide", lambda tf, x: rebuilt(tf, x, False), TALL.T.copy(), rtol=1e-7, atol=1e-7)
case("svd_full", lambda tf, x: rebuilt(tf, x, True), TALL, rtol=1e-7, atol=1e-7)
case("singular_values", lambda tf, x: tf.svd(x, compute_uv=False), BATCH)
case(
    "eigenvalues",
    lambda tf, x: [tf.self_adjoint_eigvals(x), tf.abs(tf.self_adjoint_eig(x)[1])],
    POSITIVE,
    smooth=False,
    rtol=1e-6,
    atol=1e-7,
)
case("trace", lambda tf, x: tf.trace(x), BATCH)
case(
    "eye",
    lambda tf, n: [tf.eye(3), tf.eye(2, 3), tf.eye(2, batch_shape=[2]), tf.eye(n), tf.eye(n, 3, dtype=tf.int32)],
    np.int32(2),
)
case("adjoint", lambda tf, x: tf.linalg.adjoint(x), TALL * (1 + 2j))
case("lu", lambda tf, x: tf.linalg.lu(x), BATCH, gradient=False)

# Norms

for _name, _options in {
    "whole": {},
    "rows": {"axis": 1},
    "one": {"ord": 1, "axis": 0},
    "max": {"ord": np.inf, "axis": 1},
    "three": {"ord": 3},
    "kept": {"axis": 0, "keepdims": True},
    "frobenius": {"ord": "fro", "axis": [0, 1]},
    "matrix_one": {"ord": 1, "axis": [0, 1]},
    "matrix_max": {"ord": np.inf, "axis": (0, 1)},
}.items():
    case("norm_" + _name, lambda tf, x, _o=_options: tf.norm(x, **_o), TALL)
case("norm_of_no_kind", lambda tf, x: tf.norm(x, ord="none"), TALL)

# Einstein summation

for _equation, _shapes in {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "bij,bjk->bik": [(2, 2, 3), (2, 3, 4)],
    "bij,jk->bik": [(2, 2, 3), (3, 4)],
    "ij->ji": [(2, 3)],
    "ij->j": [(2, 3)],
    "ij->": [(2, 3)],
    "ii": [(3, 3)],
    "i,j->ij": [(2,), (3,)],
    "i,i": [(3,), (3,)],
    "ij,ij->i": [(2, 3), (2, 3)],
    "bij,bkj->bik": [(2, 2, 3), (2, 4, 3)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "ij,ik,il->jkl": [(2, 3), (2, 4), (2, 2)],
    "...ij,...jk->...ik": [(2, 2, 3), (2, 3, 4)],
    "abcd,cd->ab": [(2, 3, 2, 2), (2, 2)],
    "bhqd,bhkd->bhqk": [(2, 2, 3, 4), (2, 2, 5, 4)],
}.items():
    case(
        "einsum " + _equation.replace("...", "*"),
        lambda tf, *x, _e=_equation: tf.einsum(_e, *x),
        *[floats(*s, dtype=F64, seed=i) for i, s in enumerate(_shapes)],
    )
case(
    "einsum_open",
    lambda tf, x, y: tf.einsum("bij,jk->bik", x, y),
    floats(2, 2, 3),
    floats(3, 4),
    shapes={0: [None, None, 3]},
)
case("einsum_twice_the_same_axis", lambda tf, x: tf.einsum("iij->j", x), floats(2, 2, 3))
case("einsum_wrong_number_of_inputs", lambda tf, x: tf.einsum("ij,jk->ik", x), floats(2, 3))

# Clipping

X = floats(2, 3, dtype=F64)
case("clip_by_value", lambda tf, x: [tf.clip_by_value(x, -1.0, 0.5), tf.clip_by_value(x, [-1.0, 0.0, -2.0], 1.0)], X)
case("clip_by_value_int", lambda tf, x: tf.clip_by_value(x, 0, 2), np.int32([-3, 1, 7]))
case(
    "clip_by_norm",
    lambda tf, x: [tf.clip_by_norm(x, 1.0), tf.clip_by_norm(x, 100.0), tf.clip_by_norm(x, 1.0, axes=[1])],
    X,
)
case("clip_by_norm_of_zero", lambda tf, x: tf.clip_by_norm(x, 1.0), np.zeros([3]), smooth=False)
case("clip_by_average_norm", lambda tf, x: tf.clip_by_average_norm(x, 0.2), X.astype("f4"))
case(
    "clip_by_global_norm",
    lambda tf, x, y: [*tf.clip_by_global_norm([x, None, y], 1.5)[0][::2], tf.global_norm([x, y])],
    X,
    TALL,
)
case(
    "clip_by_global_norm_of_infinite",
    lambda tf, x: tf.clip_by_global_norm([x], 1.5)[0],
    np.float32([np.inf, 1.0]),
    gradient=False,
)
case("clip_out_of_shape", lambda tf, x: tf.clip_by_value(x, [[0.0], [1.0]], 1.0), floats(3))
