"""Arithmetic, element-wise functions, reductions, products, ranges, casts, clipping."""

import numpy as np
from ops.case import Case, floats, ints

NAN, INF = float("nan"), float("inf")
F64 = np.float64
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


# Operators and functions of two tensors

X, Y = floats(2, 3), floats(2, 3, seed=1)
POSITIVE = floats(2, 3, low=0.3, high=3.0, seed=2)
ROW, COLUMN = floats(3, seed=3), floats(2, 1, low=0.5, high=2.0, seed=4)
N, M = ints(2, 3), ints(2, 3, low=1, high=6, seed=1)

BINARY = {
    "add": lambda tf, x, y: tf.add(x, y),
    "subtract": lambda tf, x, y: tf.subtract(x, y),
    "multiply": lambda tf, x, y: tf.multiply(x, y),
    "truediv": lambda tf, x, y: tf.truediv(x, y),
    "div": lambda tf, x, y: tf.div(x, y),
    "floordiv": lambda tf, x, y: tf.floordiv(x, y),
    "floormod": lambda tf, x, y: tf.floormod(x, y),
    "maximum": lambda tf, x, y: tf.maximum(x, y),
    "minimum": lambda tf, x, y: tf.minimum(x, y),
    "squared_difference": lambda tf, x, y: tf.squared_difference(x, y),
    "operators": lambda tf, x, y: [x + y, x - y, x * y, x / y, x // y, x % y, -x, abs(x), x < y, x >= y, x > y, x <= y],
    "comparisons": lambda tf, x, y: [
        tf.equal(x, y),
        tf.not_equal(x, y),
        tf.less(x, y),
        tf.less_equal(x, y),
        tf.greater(x, y),
        tf.greater_equal(x, y),
    ],
}
for _name, _call in BINARY.items():
    _smooth = _name not in ("operators",)
    case(_name, _call, X, POSITIVE)
    case(_name + "_float64", _call, X.astype(F64), POSITIVE.astype(F64), smooth=_smooth)
    case(_name + "_row", _call, X, np.abs(ROW) + 0.5)
    case(_name + "_both_spread", _call, ROW, COLUMN)
    case(_name + "_open_shapes", _call, X, COLUMN, shapes={0: [None, 3], 1: [None, 1]})
    case(_name + "_unknown_rank", _call, X.astype(F64), np.float64(1.5), shapes={0: None, 1: None})
    case(_name + "_int32", _call, N, M)
    case(_name + "_int64_scalar", _call, N.astype(np.int64), np.int64(-3))

for _name in ("truncatediv", "truncatemod"):
    case(_name, lambda tf, x, y, _n=_name: getattr(tf, _n)(x, y), N, np.where(M > 3, -M, M))
for _name in ("atan2", "pow", "realdiv", "div_no_nan"):
    _call = lambda tf, x, y, _n=_name: getattr(tf, _n)(x, y)  # noqa: E731
    case(_name, _call, POSITIVE, Y)
    case(_name + "_float64", _call, POSITIVE.astype(F64), Y.astype(F64))
    case(_name + "_row", _call, POSITIVE[0], POSITIVE) if _name != "atan2" else None
case("pow_int", lambda tf, x, y: x**y, N, np.abs(M))
case("pow_scalar", lambda tf, x: [x**2, x**3.0, 2.0**x], X)
case("pow_negative_base", lambda tf, x: tf.pow(x, 3.0), X)
case("pow_of_zero", lambda tf, x: tf.pow(x, 0.5), np.float32([0.0, 1.0, 4.0]))
case("pow_negative_exponent_of_ints", lambda tf, x, y: x**y, N, -M)
case("python_values", lambda tf, x: [x + 1, 1 - x, x * [1.0, 2.0, 3.0], 2 / x, x // 2, 7 % x, x - np.float32(2)], X)
case("python_values_with_ints", lambda tf, n: [n + 1, 10 - n, n / 2, n // 2, n % 4, n * 3, n**2, -n], N)
case("int_division_by_zero", lambda tf, x, y: x // y, N, N * 0)
case("int_remainder_by_zero", lambda tf, x, y: x % y, N, N * 0)
case("float_division_by_zero", lambda tf, x, y: [x / y, tf.div_no_nan(x, y)], X, X * 0, gradient=False)
case("int_overflow", lambda tf, x: [x + x, x * x, x - 2, -x], np.int32([2**31 - 1, -(2**31)]))
case("uint8", lambda tf, x, y: [x + y, x * y, x - y, x // y, x / y], np.uint8([200, 7, 3]), np.uint8([100, 9, 2]))
case("int8_and_int16", lambda tf, x, y: [x + x, x / x, y * y], np.int8([100, -7]), np.int16([300, -9]))
case(
    "float16",
    lambda tf, x, y: [x + y, x * y, x / y, tf.exp(x), tf.reduce_sum(x)],
    X.astype("f2"),
    POSITIVE.astype("f2"),
)
case(
    "nan_in_maximum",
    lambda tf, x, y: [tf.maximum(x, y), tf.minimum(x, y)],
    [1.0, NAN, NAN],
    [NAN, 2.0, NAN],
    gradient=False,
)
case("scalar_mul", lambda tf, x: tf.scalar_mul(3.0, x), X)
case("divide", lambda tf, x, y: [tf.divide(x, y), tf.divide(x, 2.0, name="half")], X, POSITIVE)
case(
    "mod_of_negative_numbers",
    lambda tf, x: [x % 3.0, x % -3.0, x // 0.7],
    np.float32([-7.5, -3.0, -0.5, 0.5, 3.0, 7.5]),
)
case(
    "xlogy_xdivy",
    lambda tf, x, y: [tf.math.xlogy(x, y), tf.math.xdivy(x, y)],
    np.float32([0, 1, 2]),
    np.float32([0.5, 2, 3]),
)
case(
    "multiply_no_nan", lambda tf, x, y: tf.math.multiply_no_nan(x, y), np.float32([NAN, INF, 2]), np.float32([0, 0, 3])
)
case("reciprocal_no_nan", lambda tf, x: tf.math.reciprocal_no_nan(x), np.float32([0.0, 2.0]))
case("polyval", lambda tf, x: tf.math.polyval([1.0, -2.0, 3.0], x), X)
case("nextafter", lambda tf, x, y: tf.math.nextafter(x, y), X.astype(F64), Y.astype(F64), smooth=False)
case("add_n", lambda tf, x, y: [tf.add_n([x, y, x]), tf.add_n([x])], X, Y)
case("add_n_open", lambda tf, x, y: tf.add_n([x, y, x]), X, Y, shapes={0: [None, 3], 1: None})
case("add_n_of_two_shapes", lambda tf, x, y: tf.add_n([x, y]), X, ROW, shapes={0: None, 1: None})
case("accumulate_n", lambda tf, x, y: tf.accumulate_n([x, y]), X, Y)
case("incompatible_shapes", lambda tf, x, y: x + y, X, X[:, :2])
case("strings_joined", lambda tf, x: [x + "!", tf.add(x, x), tf.equal(x, "a")], np.array([b"a", b"bc"], object))
case(
    "complex_arithmetic",
    lambda tf, x, y: [x + y, x * y, x / y, x - y, tf.squared_difference(x, y)],
    X + 1j * Y,
    Y + 1j * POSITIVE,
)
case("logic", lambda tf, x, y: [x & y, x | y, x ^ y, ~x, tf.logical_xor(x, True)], X > 0, Y > 0)

# Functions of one tensor

DOMAINS = {"acosh": (1.2, 3.0), "atanh": (-0.8, 0.8), "asin": (-0.8, 0.8), "acos": (-0.8, 0.8)}
for _name in "log sqrt rsqrt reciprocal log1p".split():
    DOMAINS[_name] = (0.3, 3.0)
for _name in (
    "exp expm1 log log1p sqrt rsqrt square reciprocal sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh "
    "sigmoid log_sigmoid negative abs"
).split():
    _low, _high = DOMAINS.get(_name, (-2.0, 2.0))
    _call = lambda tf, x, _n=_name: getattr(tf, _n)(x)  # noqa: E731
    case(_name, _call, floats(2, 3, low=_low, high=_high))
    case(_name + "_float64", _call, floats(2, 3, low=_low, high=_high, dtype=F64))
    case(
        _name + "_second_gradient",
        lambda tf, x, _c=_call: tf.gradients(_c(tf, x), x, grad_ys=tf.constant([1.0, 2.0, 3.0], x.dtype)),
        floats(3, low=_low, high=_high, dtype=F64),
        smooth=_name != "abs",
    )
for (
    _name
) in "exp log sqrt rsqrt square sin cos tan sinh cosh tanh sigmoid reciprocal negative abs sign log1p expm1".split():
    case(_name + "_complex", lambda tf, x, _n=_name: getattr(tf, _n)(x), X + 1j * POSITIVE, rtol=1e-5, atol=1e-5)
ROUNDED = np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.7, -2.7, 0.0])
for _name in "floor ceil round rint sign is_nan is_inf is_finite".split():
    case(_name, lambda tf, x, _n=_name: getattr(tf, _n)(x), ROUNDED, smooth=False)
case("not_numbers", lambda tf, x: [tf.is_nan(x), tf.is_inf(x), tf.is_finite(x)], [NAN, INF, -INF, 0.0, 1.0])
case("round_of_ints", lambda tf, x: [tf.round(x), tf.sign(x), tf.abs(x), tf.square(x)], N)
case("sigmoid_at_the_ends", lambda tf, x: [tf.sigmoid(x), tf.tanh(x)], np.float32([-200, -90, 0, 90, 200]))
case("logs_at_the_ends", lambda tf, x: [tf.log(x), tf.sqrt(x), tf.rsqrt(x)], np.float32([-1, 0, 1]), gradient=False)

# Casts

case(
    "casts_from_float",
    lambda tf, x: [tf.cast(x, t) for t in (tf.int32, tf.int64, tf.float64, tf.float16, tf.bool)],
    np.float32([-2.7, -0.5, 0.0, 0.5, 2.7, 1e5]),
)
case(
    "casts_that_do_not_fit",
    lambda tf, x: [tf.cast(x, t) for t in (tf.uint8, tf.int8, tf.int16, tf.uint16, tf.int32, tf.int64)],
    np.float32([300.0, -1.0, NAN, 1e20, 3.7, -3.7, 40000.0]),
)
case(
    "casts_from_int",
    lambda tf, x: [tf.cast(x, t) for t in (tf.float32, tf.float64, tf.uint8, tf.int8, tf.bool, tf.int64)],
    np.int32([-3, 0, 1, 300, 70000]),
)
case("casts_from_bool", lambda tf, x: [tf.cast(x, tf.float32), tf.to_int32(x), tf.to_int64(x)], [True, False])
case("casts_to_complex", lambda tf, x: [tf.cast(x, tf.complex64), tf.to_complex128(x)], X, smooth=False)
case("casts_from_complex", lambda tf, x: tf.cast(x, tf.float32), X + 1j * Y)
case("cast_chain", lambda tf, x: tf.cast(tf.cast(x, tf.float64) * 2, tf.float32), X)
case("cast_to_bfloat16", lambda tf, x: tf.to_float(tf.to_bfloat16(x)), X)
case("to_functions", lambda tf, x: [tf.to_float(x), tf.to_double(x), tf.to_int32(x), tf.to_int64(x)], N)
case(
    "saturate_cast",
    lambda tf, x: [tf.saturate_cast(x, tf.uint8), tf.saturate_cast(x, tf.int16)],
    np.float32([-5, 3.3, 300, 1e6]),
)

# Complex numbers

Z = (X + 1j * Y).astype(np.complex64)
case("complex_parts", lambda tf, z: [tf.real(z), tf.imag(z), tf.conj(z), tf.abs(z), tf.angle(z)], Z)
case("complex_from_parts", lambda tf, x, y: tf.complex(x, y), X, ROW)
case("parts_of_real_numbers", lambda tf, x: [tf.real(x), tf.imag(x), tf.conj(x), tf.angle(x)], X)

# Reductions

CUBE = floats(2, 3, 4)
REDUCTIONS = "sum mean max min prod logsumexp".split()
for _name in REDUCTIONS:
    for _label, _options in {
        "all": {},
        "last": {"axis": -1},
        "two": {"axis": [0, 2]},
        "kept": {"axis": 1, "keepdims": True},
        "all_kept": {"keepdims": True},
        "none": {"axis": []},
    }.items():
        case(
            f"reduce_{_name}_{_label}",
            lambda tf, x, _n=_name, _o=_options: getattr(tf, "reduce_" + _n)(x, **_o),
            CUBE.astype(F64),
        )
    _call = lambda tf, x, _n=_name: getattr(tf, "reduce_" + _n)(x, axis=1)  # noqa: E731
    case(f"reduce_{_name}_float32", _call, CUBE)
    case(f"reduce_{_name}_open", _call, CUBE, shapes={0: [None, 3, None]})
    case(f"reduce_{_name}_unknown", _call, CUBE, shapes={0: None})
    case(
        f"reduce_{_name}_all_of_unknown", lambda tf, x, _n=_name: getattr(tf, "reduce_" + _n)(x), CUBE, shapes={0: None}
    )
    if _name != "logsumexp":
        case(f"reduce_{_name}_int", _call, ints(2, 3))
        case(
            f"reduce_{_name}_of_nothing",
            lambda tf, x, _n=_name: getattr(tf, "reduce_" + _n)(x, 0),
            np.zeros([0, 2], np.float32),
            gradient=False,
        )
case(
    "reduce_old_names",
    lambda tf, x: [tf.reduce_sum(x, reduction_indices=[1], keep_dims=True), tf.reduce_mean(x, [1], keep_dims=True)],
    CUBE,
)
case("reduce_axis_tensor", lambda tf, x, axis: tf.reduce_sum(x, axis), CUBE, np.int32([0, 2]))
case("reduce_axis_out_of_range", lambda tf, x: tf.reduce_sum(x, 3), CUBE)
case("reduce_axis_out_of_range_at_run_time", lambda tf, x, axis: tf.reduce_sum(x, axis), CUBE, np.int32(3))
case(
    "reduce_all_any", lambda tf, x: [tf.reduce_all(x), tf.reduce_any(x, 1), tf.reduce_all(x, [0], keepdims=True)], X > 0
)
case(
    "reduce_max_with_nan",
    lambda tf, x: [tf.reduce_max(x, 1), tf.reduce_min(x, 1)],
    [[1.0, NAN, 2.0], [NAN, 1.0, 0.0]],
    gradient=False,
)
case("reduce_max_of_ties", lambda tf, x: [tf.reduce_max(x), tf.reduce_min(x, 1)], np.float32([[1, 3, 3], [3, 0, 0]]))
case("reduce_prod_with_zeros", lambda tf, x: tf.reduce_prod(x, 1), np.float32([[0, 2, 3], [0, 0, 4], [1, 2, 3]]))
case("reduce_mean_of_negative_ints", lambda tf, x: tf.reduce_mean(x), np.int32([-1, -4]))
case(
    "reduce_std_and_variance",
    lambda tf, x: [tf.math.reduce_std(x), tf.math.reduce_variance(x, 1, keepdims=True)],
    CUBE.astype(F64),
)
case("reduce_euclidean_norm", lambda tf, x: tf.math.reduce_euclidean_norm(x, 1), CUBE)
case(
    "reduce_logsumexp_of_large_numbers",
    lambda tf, x: tf.reduce_logsumexp(x, 1),
    np.float32([[1000, 1000], [-INF, -INF]]),
    gradient=False,
)
case(
    "count_nonzero",
    lambda tf, x: [tf.count_nonzero(x), tf.count_nonzero(x, 1, dtype=tf.int32), tf.count_nonzero(x > 0, keepdims=True)],
    ints(2, 3, low=-1, high=2),
)
case(
    "reduce_sum_of_python_list",
    lambda tf: [tf.reduce_sum([1.0, 2.0]), tf.reduce_mean([1, 2, 4]), tf.reduce_max([[1, 5], [3, 2]], 0)],
)
case("mean_of_nothing_left", lambda tf, x: tf.reduce_mean(x), np.zeros([0], np.float32), gradient=False)

# Where the extremes are; ranges; running sums

case(
    "argmax",
    lambda tf, x: [tf.argmax(x), tf.argmax(x, 1), tf.argmax(x, -1, output_type=tf.int32), tf.argmin(x, axis=2)],
    CUBE,
)
case(
    "argmax_of_ties",
    lambda tf, x: [tf.argmax(x), tf.argmin(x), tf.arg_max(x, 0), tf.arg_min(x, dimension=0)],
    np.int32([2, 5, 5, 1, 1]),
)
case("argmax_with_nan", lambda tf, x: [tf.argmax(x), tf.argmin(x)], [NAN, 1.0, 2.0, NAN])
case("argmax_old_name", lambda tf, x: tf.argmax(x, dimension=1), X)
case("argmax_open", lambda tf, x, axis: tf.argmax(x, axis), X, np.int32(1), shapes={0: [None, 3]})
case("argmax_of_nothing", lambda tf, x: tf.argmax(x), np.zeros([0], np.float32))
case(
    "ranges",
    lambda tf: [
        tf.range(5),
        tf.range(3, 18, 3),
        tf.range(3, 1, -0.5),
        tf.range(0.0, 1.0, 0.1),
        tf.range(5, dtype=tf.int64),
        tf.range(4.0),
    ],
)
case(
    "range_of_tensors",
    lambda tf, n, d: [tf.range(n), tf.range(2, n, d), tf.range(tf.shape(tf.zeros([4]))[0])],
    np.int32(9),
    np.int32(2),
)
case("range_that_goes_the_wrong_way", lambda tf, n: tf.range(5, n), np.int32(2))
case("range_without_a_step", lambda tf: tf.range(0, 5, 0))
case("linspace", lambda tf: [tf.linspace(0.0, 1.0, 5), tf.lin_space(10.0, 12.0, 3), tf.linspace(2.0, 3.0, 1)])
case(
    "linspace_of_tensors",
    lambda tf, x, y, n: tf.linspace(x, y, n),
    np.float32(-1),
    np.float32(7),
    np.int32(6),
    gradient=False,
)
for _label, _options in {
    "": {},
    "_exclusive": {"exclusive": True},
    "_reverse": {"reverse": True},
    "_both": {"exclusive": True, "reverse": True},
}.items():
    case("cumsum" + _label, lambda tf, x, _o=_options: [tf.cumsum(x, **_o), tf.cumsum(x, -1, **_o)], CUBE.astype(F64))
    case("cumprod" + _label, lambda tf, x, _o=_options: [tf.cumprod(x, **_o), tf.cumprod(x, 1, **_o)], CUBE.astype(F64))
case("cumsum_int", lambda tf, x, axis: tf.cumsum(x, axis), N, np.int32(1))
case("cumsum_axis_out_of_range", lambda tf, x: tf.cumsum(x, 4), X)

# Products

A, B = floats(2, 3, dtype=F64), floats(3, 4, dtype=F64, seed=1)
for _a in (False, True):
    for _b in (False, True):
        _options = {"transpose_a": _a, "transpose_b": _b}
        _call = lambda tf, a, b, _o=_options: tf.matmul(a, b, **_o)  # noqa: E731
        _label = "_ta" * _a + "_tb" * _b
        case("matmul" + _label, _call, A.T if _a else A, B.T if _b else B)
        case(
            "matmul_batch" + _label,
            _call,
            floats(5, *(A.T if _a else A).shape, dtype=F64),
            floats(5, *(B.T if _b else B).shape, dtype=F64, seed=1),
        )
        _options = {"adjoint_a": _a, "adjoint_b": _b}
        _call = lambda tf, a, b, _o=_options: tf.matmul(a, b, **_o)  # noqa: E731
        case("matmul_adjoint" + _label, _call, (A.T if _a else A) * (1 + 0.5j), (B.T if _b else B) * (1 - 2j))
case(
    "matmul_float32",
    lambda tf, a, b: a @ b,
    floats(7, 5),
    floats(5, 6),
)
case("matmul_int", lambda tf, a, b: tf.matmul(a, b), ints(2, 3), ints(3, 2))
case("matmul_batches_spread", lambda tf, a, b: tf.matmul(a, b), floats(4, 1, 2, 3), floats(5, 3, 2))
case("matmul_open", lambda tf, a, b: tf.matmul(a, b), A, B, shapes={0: [None, 3], 1: None})
case("matmul_unknown_ranks", lambda tf, a, b: tf.matmul(a, b), A, B, shapes={0: None, 1: None})
case("matmul_sizes_differ", lambda tf, a, b: tf.matmul(a, b), A, A)
case(
    "matmul_sizes_differ_at_run_time", lambda tf, a, b: tf.matmul(a, b), A, A, shapes={0: [None, None], 1: [None, None]}
)
case("matmul_of_nothing", lambda tf, a, b: tf.matmul(a, b), np.zeros([2, 0], np.float32), np.zeros([0, 3], np.float32))
case("matmul_float16", lambda tf, a, b: tf.matmul(a, b), floats(4, 5).astype("f2"), floats(5, 3).astype("f2"))
case("matmul_sparse", lambda tf, a, b: tf.matmul(a, b, a_is_sparse=True), floats(4, 5), floats(5, 3))
case("matvec", lambda tf, a, b: tf.linalg.matvec(a, b), A, B[:, 0])
case(
    "tensordot",
    lambda tf, a, b: [
        tf.tensordot(a, b, 1),
        tf.tensordot(a, b, [[1], [0]]),
        tf.tensordot(a, a, 2),
        tf.tensordot(a, a, 0),
    ],
    A,
    B,
)
case("tensordot_cubes", lambda tf, a, b: tf.tensordot(a, b, [[0, 2], [0, 1]]), floats(2, 3, 4), floats(2, 4, 5))
case(
    "tensordot_open",
    lambda tf, a, b: tf.tensordot(a, b, [[2], [0]]),
    floats(2, 3, 4),
    floats(4, 5),
    shapes={0: [None, 3, 4]},
)
case(
    "tensordot_unknown",
    lambda tf, a, b: tf.tensordot(a, b, 1),
    floats(2, 3, 4),
    floats(4, 5),
    shapes={0: None, 1: None},
)

# Checks and sparse operands

case("verify_tensor_all_finite", lambda tf, x: tf.verify_tensor_all_finite(x, "not finite"), X)
case("verify_tensor_with_nan", lambda tf, x: tf.verify_tensor_all_finite(x, "not finite"), np.float32([1.0, NAN]))
SPARSE = np.int64([[0, 1], [1, 0], [1, 2]]), floats(3), np.int64([2, 3])


def _sparse(tf, i, v, s, build):
    sparse = tf.SparseTensor(i, v, s)
    return build(sparse).values


case("sparse_times_dense", lambda tf, i, v, s, x: _sparse(tf, i, v, s, lambda sp: sp * x), *SPARSE, POSITIVE)
case("sparse_times_row", lambda tf, i, v, s, x: _sparse(tf, i, v, s, lambda sp: sp * x), *SPARSE, POSITIVE[0])
case("sparse_over_dense", lambda tf, i, v, s, x: _sparse(tf, i, v, s, lambda sp: sp / x), *SPARSE, POSITIVE)
case("dense_times_sparse", lambda tf, i, v, s, x: _sparse(tf, i, v, s, lambda sp: x * sp), *SPARSE, POSITIVE)
