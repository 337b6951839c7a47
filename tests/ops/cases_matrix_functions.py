"""Functions of matrices: exponentials, logarithms, roots, least squares, ranks, tridiagonal systems."""

import numpy as np
from ops.case import Case, floats

CASES = []
LOOSE = {"rtol": 2e-4, "atol": 2e-5}


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict(LOOSE, **options)))


SQUARE = floats(2, 3, 3, dtype=np.float64)
POSITIVE = np.matmul(SQUARE, SQUARE.swapaxes(-1, -2)) + 0.5 * np.eye(3)
case("expm", lambda tf, x: tf.linalg.expm(x), SQUARE)
case("expm_float32", lambda tf, x: tf.linalg.expm(x), SQUARE.astype(np.float32), gradient=False)
case("expm_large", lambda tf, x: tf.linalg.expm(x), 9 * SQUARE, gradient=False)
case("expm_complex", lambda tf, x: tf.linalg.expm(x), SQUARE * (1 + 0.5j), gradient=False)
case("expm_empty", lambda tf, x: tf.linalg.expm(x), np.zeros([0, 0], np.float32), gradient=False)
case("expm_open", lambda tf, x: tf.linalg.expm(x), SQUARE, shapes={0: None}, gradient=False)
case("logm", lambda tf, x: tf.linalg.logm(x), POSITIVE.astype(np.complex128), gradient=False)
case("logm_refused", lambda tf, x: tf.linalg.logm(x), POSITIVE)
case("logm_refused_shape", lambda tf, x: tf.linalg.logm(x), np.zeros([2, 3], np.complex64), gradient=False)
case("sqrtm", lambda tf, x: tf.linalg.sqrtm(x), POSITIVE, gradient=False)
case("sqrtm_complex", lambda tf, x: tf.linalg.sqrtm(x), POSITIVE.astype(np.complex64), gradient=False)
case("sqrtm_refused", lambda tf, x: tf.linalg.sqrtm(x), np.zeros([2, 3], np.float32), gradient=False)

TALL = floats(2, 4, 3, dtype=np.float64)
WIDE = floats(2, 2, 4, dtype=np.float64)
for _name, _matrix in (("tall", TALL), ("wide", WIDE)):
    _right = floats(2, _matrix.shape[1], 2, dtype=np.float64)
    case("lstsq_" + _name, lambda tf, a, b: tf.linalg.lstsq(a, b), _matrix, _right)
    case("lstsq_regularized_" + _name, lambda tf, a, b: tf.linalg.lstsq(a, b, l2_regularizer=0.3), _matrix, _right)
    case("lstsq_slow_" + _name, lambda tf, a, b: tf.linalg.lstsq(a, b, fast=False), _matrix, _right, gradient=False)
    case(
        "lstsq_open_" + _name,
        lambda tf, a, b: tf.linalg.lstsq(a, b),
        _matrix,
        _right,
        shapes={0: None},
        gradient=False,
    )
    case("pinv_" + _name, lambda tf, a: tf.linalg.pinv(a), _matrix, gradient=False)
    case("pinv_cut_" + _name, lambda tf, a: tf.linalg.pinv(a, rcond=0.5), _matrix, gradient=False)
    case("rank_" + _name, lambda tf, a: tf.linalg.matrix_rank(a), _matrix)
case("rank_deficient", lambda tf, a: tf.linalg.matrix_rank(a), np.outer([1.0, 2.0], [1.0, 3.0, 4.0]))
case("rank_tolerance", lambda tf, a: tf.linalg.matrix_rank(a, tol=1.5), TALL)
case("rank_refused", lambda tf, a: tf.linalg.matrix_rank(a), np.ones([2, 2], np.int32))
case("pinv_refused", lambda tf, a: tf.linalg.pinv(a), np.ones([2, 2], np.int32))
for _order in ("euclidean", 1, np.inf):
    case("normalize_" + str(_order), lambda tf, x, o=_order: tf.linalg.normalize(x, ord=o, axis=-1), TALL)

BANDS = floats(2, 3, 4, dtype=np.float64) + np.array([0.0, 3.0, 0.0])[:, None]
RIGHT = floats(2, 4, 2, dtype=np.float64)
case("tridiagonal_solve", lambda tf, d, b: tf.linalg.tridiagonal_solve(d, b), BANDS, RIGHT)
case(
    "tridiagonal_solve_unpivoted",
    lambda tf, d, b: tf.linalg.tridiagonal_solve(d, b, partial_pivoting=False),
    BANDS,
    RIGHT,
)
case("tridiagonal_solve_vector", lambda tf, d, b: tf.linalg.tridiagonal_solve(d, b), BANDS[0], RIGHT[0, :, 0])
case(
    "tridiagonal_solve_matrix",
    lambda tf, a, b: tf.linalg.tridiagonal_solve(a, b, diagonals_format="matrix"),
    np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]]),
    np.array([1.0, 2.0, 3.0]),
    gradient=False,
)
case(
    "tridiagonal_solve_sequence",
    lambda tf, a, b, c, x: tf.linalg.tridiagonal_solve((a, b, c), x, diagonals_format="sequence"),
    *([BANDS[:, i] for i in range(3)] + [RIGHT]),
    gradient=False,
)
case("tridiagonal_solve_refused", lambda tf, d, b: tf.linalg.tridiagonal_solve(d, b, "bands"), BANDS, RIGHT)
case("tridiagonal_solve_misfit", lambda tf, d, b: tf.linalg.tridiagonal_solve(d, b), BANDS, RIGHT[:, :3])
case("tridiagonal_matmul", lambda tf, d, b: tf.linalg.tridiagonal_matmul(d, b), BANDS, RIGHT)
case(
    "tridiagonal_matmul_matrix",
    lambda tf, a, b: tf.linalg.tridiagonal_matmul(a, b, diagonals_format="matrix"),
    np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]]),
    np.array([[1.0], [2.0], [3.0]]),
    gradient=False,
)
