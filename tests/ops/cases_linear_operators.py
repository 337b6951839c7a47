"""Linear operators: everything asked of every kind, against what it is for the dense matrix in TensorFlow."""

import contextlib

import numpy as np
from ops.case import Case, floats

CASES = []
LOOSE = {"rtol": 2e-4, "atol": 2e-5}


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **dict(LOOSE, **options)))


VECTORS = floats(2, 4, low=0.5, high=2.0)
MATRIX = floats(2, 4, 4, seed=1) + 4 * np.eye(4, dtype=np.float32)
SYMMETRIC = np.einsum("bij,bkj->bik", MATRIX, MATRIX)
TALL = floats(2, 4, 2, seed=3)
X = floats(2, 4, 3, seed=4)
KINDS = {
    "identity": lambda la, v, m: la.LinearOperatorIdentity(4, [2]),
    "scaled_identity": lambda la, v, m: la.LinearOperatorScaledIdentity(4, v[:, 0]),
    "diag": lambda la, v, m: la.LinearOperatorDiag(v),
    "positive_diag": lambda la, v, m: la.LinearOperatorDiag(v, is_positive_definite=True),
    "full_matrix": lambda la, v, m: la.LinearOperatorFullMatrix(m),
    "lower_triangular": lambda la, v, m: la.LinearOperatorLowerTriangular(m),
    "composition": lambda la, v, m: la.LinearOperatorComposition(
        [la.LinearOperatorDiag(v), la.LinearOperatorFullMatrix(m)]
    ),
    "block_diag": lambda la, v, m: la.LinearOperatorBlockDiag(
        [la.LinearOperatorFullMatrix(m[:, :3, :3]), la.LinearOperatorDiag(v[:1, :1])]
    ),
    "kronecker": lambda la, v, m: la.LinearOperatorKronecker(
        [la.LinearOperatorFullMatrix(m[:, :2, :2]), la.LinearOperatorDiag(v[0, :2])]
    ),
    "low_rank": lambda la, v, m: la.LinearOperatorLowRankUpdate(
        la.LinearOperatorDiag(v, is_positive_definite=True), m[:, :, :2]
    ),
    "low_rank_unlike": lambda la, v, m: la.LinearOperatorLowRankUpdate(
        la.LinearOperatorDiag(v), m[:, :, :2], v[:, :2], m[:, :, 2:]
    ),
    "toeplitz": lambda la, v, m: la.LinearOperatorToeplitz(v, m[:, 0]),
    "householder": lambda la, v, m: la.LinearOperatorHouseholder(v),
    "inversion": lambda la, v, m: la.LinearOperatorInversion(la.LinearOperatorFullMatrix(m, is_non_singular=True)),
    "adjoint": lambda la, v, m: la.LinearOperatorAdjoint(la.LinearOperatorFullMatrix(m, is_non_singular=True)),
}


def _elements(tf, o, x):
    return [o.to_dense(), o.diag_part(), o.trace(), o.add_to_tensor(tf.matmul(x, x, transpose_b=True))]


def _determinants(tf, o, x):
    return [o.determinant(), o.log_abs_determinant()]


def _products(tf, o, x):
    flipped = tf.linalg.matrix_transpose(x)
    return [
        o.matmul(x),
        o.matmul(x, adjoint=True),
        o.matmul(flipped, adjoint_arg=True),
        o.matvec(x[..., 0]),
        o.matvec(x[..., 0], adjoint=True),
        o.matmul(tf.expand_dims(x, 0)),
    ]


def _solutions(tf, o, x):
    flipped = tf.linalg.matrix_transpose(x)
    return [
        o.solve(x),
        o.solve(x, adjoint=True),
        o.solve(flipped, adjoint_arg=True),
        o.solvevec(x[..., 0]),
        o.inverse().to_dense(),
        o.adjoint().to_dense(),
    ]


def _sizes(tf, o, x):
    return [
        o.shape_tensor(),
        o.batch_shape_tensor(),
        o.tensor_rank_tensor(),
        o.domain_dimension_tensor(),
        o.range_dimension_tensor(),
    ]


for _kind, _make in KINDS.items():
    for _what in (_elements, _determinants, _products, _solutions, _sizes):
        case(
            _kind + _what.__name__,
            lambda tf, v, m, x, _m=_make, _w=_what: _w(tf, _m(tf.linalg, v, m), x),
            VECTORS,
            MATRIX,
            X,
            gradient=_kind in ("diag", "low_rank", "lower_triangular") and _what is not _sizes,
            smooth=False,
        )
    case(
        _kind + "_open",
        lambda tf, v, m, x, _m=_make: [_m(tf.linalg, v, m).matmul(x), _m(tf.linalg, v, m).trace()],
        VECTORS,
        MATRIX,
        X,
        shapes={0: [None, None], 1: [None, None, None], 2: [None, None, None]},
        gradient=False,
    )

# Circulant ones are complex inside

SPECTRUM = floats(2, 2, 2, seed=5, low=0.5, high=2.0)
for _name, _of in {
    "circulant": lambda la, s, d: la.LinearOperatorCirculant(s[:, 0], input_output_dtype=d),
    "circulant_2d": lambda la, s, d: la.LinearOperatorCirculant2D(s, input_output_dtype=d),
    "circulant_3d": lambda la, s, d: la.LinearOperatorCirculant3D(s, input_output_dtype=d),
}.items():
    _n = {"circulant": 2, "circulant_2d": 4, "circulant_3d": 8}[_name]
    case(
        _name,
        lambda tf, s, x, _o=_of: [
            _o(tf.linalg, s, tf.complex64).to_dense(),
            _o(tf.linalg, s, tf.complex64).determinant(),
            _o(tf.linalg, s, tf.float32).matmul(x),
            _o(tf.linalg, s, tf.float32).solve(x, adjoint=True),
            _o(tf.linalg, s, tf.float32).diag_part(),
            _o(tf.linalg, s, tf.float32).convolution_kernel(),
            _o(tf.linalg, s, tf.complex64).block_shape_tensor(),
        ],
        SPECTRUM,
        floats(_n, 3, seed=6),
        gradient=False,
    )

# Rules of algebra: the kind that comes out is told by its name


def _product(first, second):
    def build(tf, v, m):
        la = tf.linalg
        a, b = (KINDS[kind](la, v, m) for kind in (first, second))
        made = [a.matmul(b)]
        with contextlib.suppress(NotImplementedError, ValueError):
            made.append(a.solve(b))
        kinds = [tf.constant([type(o).__name__, str(o.is_self_adjoint), str(o.is_non_singular)]) for o in made]
        return kinds + [o.to_dense() for o in made]

    return build


for _first in ("identity", "scaled_identity", "positive_diag", "full_matrix", "lower_triangular", "inversion"):
    for _second in ("identity", "scaled_identity", "diag", "lower_triangular"):
        case(_first + "_times_" + _second, _product(_first, _second), VECTORS, MATRIX, gradient=False)
case(
    "cholesky",
    lambda tf, s, v: [
        tf.linalg.LinearOperatorFullMatrix(s, is_self_adjoint=True, is_positive_definite=True).cholesky().to_dense(),
        tf.linalg.LinearOperatorDiag(v, is_positive_definite=True).cholesky().to_dense(),
    ],
    SYMMETRIC,
    VECTORS,
    smooth=False,
)
case(
    "functions",
    lambda tf, m, x: [
        tf.matmul(tf.linalg.LinearOperatorFullMatrix(m), x),
        tf.matmul(x, tf.linalg.LinearOperatorFullMatrix(m), adjoint_a=True),
        tf.linalg.trace(tf.linalg.LinearOperatorFullMatrix(m)),
        tf.linalg.det(tf.linalg.LinearOperatorFullMatrix(m)),
        tf.linalg.solve(tf.linalg.LinearOperatorFullMatrix(m), x),
        tf.linalg.diag_part(tf.linalg.LinearOperatorFullMatrix(m)),
        tf.linalg.inv(tf.linalg.LinearOperatorFullMatrix(m)).to_dense(),
        tf.linalg.adjoint(tf.linalg.LinearOperatorFullMatrix(m)).to_dense(),
    ],
    MATRIX,
    X,
    gradient=False,
)
case("zeros", lambda tf, x: tf.linalg.LinearOperatorZeros(4, batch_shape=[2]).matmul(x), X)
case(
    "zeros_not_square",
    lambda tf, x: tf.linalg.LinearOperatorZeros(3, 4, is_square=False, is_self_adjoint=False).matmul(x),
    X,
    gradient=False,
)
case(
    "tall",
    lambda tf, t, x: [
        tf.linalg.LinearOperatorFullMatrix(t).matmul(x, adjoint=True),
        tf.linalg.LinearOperatorFullMatrix(t).diag_part(),
    ],
    TALL,
    X,
)

# Assertions, and what is refused


def _after(tf, assertion, x):
    with tf.control_dependencies([assertion]):
        return tf.identity(x)


case(
    "assertions_hold",
    lambda tf, v, s: _after(
        tf,
        tf.group(
            tf.linalg.LinearOperatorDiag(v).assert_non_singular(),
            tf.linalg.LinearOperatorDiag(v).assert_positive_definite(),
            tf.linalg.LinearOperatorFullMatrix(s).assert_non_singular(),
        ),
        v,
    ),
    VECTORS,
    SYMMETRIC,
    gradient=False,
)
for _name, _call in {
    "singular_diag": lambda tf, v: _after(tf, tf.linalg.LinearOperatorDiag(0 * v).assert_non_singular(), v),
    "negative_diag": lambda tf, v: _after(tf, tf.linalg.LinearOperatorDiag(-v).assert_positive_definite(), v),
    "not_self_adjoint": lambda tf, v: _after(tf, tf.linalg.LinearOperatorFullMatrix(v[:, :2]).assert_self_adjoint(), v),
    "scalar_diag": lambda tf, v: tf.linalg.LinearOperatorDiag(v[0, 0]).to_dense(),
    "not_square": lambda tf, v: tf.linalg.LinearOperatorDiag(v, is_square=False).to_dense(),
    "contradiction": lambda tf, v: tf.linalg.LinearOperatorDiag(
        v, is_positive_definite=True, is_non_singular=False
    ).to_dense(),
    "sizes": lambda tf, v: tf.linalg.LinearOperatorDiag(v).matmul(v),
    "types": lambda tf, v: tf.linalg.LinearOperatorDiag(v).matvec(tf.cast(v, tf.float64)),
    "invert_tall": lambda tf, v: tf.linalg.LinearOperatorFullMatrix(v).inverse().to_dense(),
    "composed_sizes": lambda tf, v: (
        tf.linalg.LinearOperatorDiag(v).matmul(tf.linalg.LinearOperatorDiag(v[:, :2])).to_dense()
    ),
    "negative_rows": lambda tf, v: tf.linalg.LinearOperatorIdentity(-1).to_dense(),
    "fractional_rows": lambda tf, v: tf.linalg.LinearOperatorIdentity(1.5).to_dense(),
}.items():
    case("refused_" + _name, _call, VECTORS, gradient=False)
