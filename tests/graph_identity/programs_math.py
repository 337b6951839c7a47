"""Programs that compute: operators, functions, reductions, products, linear algebra, random numbers."""

import numpy as np


def python_scalars_on_both_sides(tf):
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    n = tf.placeholder(tf.int32, [3], name="n")
    x + 1
    1 + x
    x - 2.0
    2 - x
    x * 0.5
    2 * x
    x / 3
    1.0 / x
    x // 2
    7 // x
    x % 3
    5 % x
    x**2
    2.0**x
    -x
    abs(x)
    n + 1
    10 - n
    n / 2
    n // 2
    n % 2
    n**2
    n / n
    -n
    x + [1.0, 2.0, 3.0]
    [1.0, 2.0, 3.0] * x
    np.float32(2) * x
    np.ones([2, 3], np.float32) - x
    x * np.arange(3, dtype=np.float32)
    x @ tf.ones([3, 1])
    np.ones([1, 2], np.float32) @ x


def comparisons_and_logic(tf):
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    p = x > 0
    q = x <= 1.5
    x < tf.reduce_mean(x)
    x >= 0.25
    1 < x
    0.5 >= x
    tf.equal(x, 0)
    tf.not_equal(x, 1.0, name="differs")
    tf.equal(p, q)
    tf.greater(x, [1.0, 2.0, 3.0])
    tf.less_equal(x, x, name="le")
    p & q
    p | True
    p ^ q
    ~p
    True & p
    tf.logical_and(p, q, name="both")
    tf.logical_xor(p, q, name="one")
    tf.logical_not(p)
    tf.equal(tf.constant(["a", "b"]), "a")


def broadcasting(tf):
    row = tf.placeholder(tf.float32, [1, 3], name="row")
    column = tf.placeholder(tf.float32, [2, 1], name="column")
    batch = tf.placeholder(tf.float32, [None, 3], name="batch")
    unknown = tf.placeholder(tf.float32, name="unknown")
    row + column
    batch * row
    batch + column
    unknown - row
    tf.maximum(batch, tf.constant([1.0, 2.0, 3.0]))
    tf.broadcast_to(row, [2, 3])
    tf.broadcast_to(row, tf.shape(batch))
    tf.broadcast_dynamic_shape(tf.shape(batch), [3])
    tf.squared_difference(row, column)
    tf.ones([4, 1, 3]) / batch


def elementwise_functions(tf):
    x = tf.placeholder(tf.float32, [2, None], name="x")
    for name in (
        "exp expm1 log log1p sqrt rsqrt square sin cos tan asin acos atan sinh cosh asinh acosh atanh floor ceil round "
        "sign negative reciprocal erf erfc lgamma digamma sigmoid log_sigmoid tanh is_nan is_inf is_finite abs identity"
    ).split():
        getattr(tf, name)(x)
    tf.rint(x)
    tf.math.softplus(x)
    tf.math.softsign(x)
    y = tf.maximum(x, 1.0)
    tf.minimum(x, y)
    tf.pow(x, y)
    tf.atan2(x, y)
    tf.floordiv(x, y)
    tf.truediv(x, y)
    tf.div(x, y)
    tf.div_no_nan(x, y)
    tf.floormod(x, y)
    tf.mod(x, y)
    tf.add(x, y, name="sum")
    tf.subtract(x, y)
    tf.multiply(x, y)
    tf.divide(x, 2.0)
    tf.scalar_mul(3.0, x)
    tf.truncatediv(tf.constant([7, -7]), 2)
    tf.truncatemod(tf.constant([7, -7]), 2)
    tf.add_n([x, y, x])
    tf.add_n([x])
    tf.accumulate_n([tf.ones([2]), tf.zeros([2])])
    tf.cumsum(x, axis=1, exclusive=True)
    tf.cumprod(x, axis=0, reverse=True)
    tf.clip_by_value(x, -1.0, 1.0)
    tf.clip_by_norm(x, 2.0)
    tf.clip_by_norm(x, 2.0, axes=[0])
    tf.clip_by_average_norm(x, 2.0)
    tf.sigmoid(tf.cast(x, tf.float64))
    tf.nn.l2_normalize(x, 1)


def special_functions(tf):
    x = tf.placeholder(tf.float32, [3], name="x")
    a = tf.constant([0.5, 1.0, 2.0])
    tf.igamma(a, x)
    tf.igammac(a, x)
    tf.lbeta(a)
    tf.zeta(a + 1, x)
    tf.polygamma(a, x)
    tf.betainc(a, a, x)
    tf.math.bessel_i0(x)
    tf.math.bessel_i1e(x)
    tf.math.xlogy(x, a)
    tf.math.xdivy(x, a)
    tf.math.multiply_no_nan(x, a)
    tf.cross(x, a)
    tf.bitwise.bitwise_and(tf.constant([1, 2]), 3)
    tf.bitwise.left_shift(tf.constant([1, 2]), tf.constant([1, 1]))
    tf.bitwise.invert(tf.constant([1, 2]))


def casts(tf):
    x = tf.placeholder(tf.float32, [None], name="x")
    n = tf.constant([1, 2])
    tf.cast(x, tf.int32)
    tf.cast(x, tf.float32)
    tf.cast(n, "float64")
    tf.cast(x > 0, tf.float32, name="mask")
    tf.cast(3, tf.float32)
    tf.to_float(n)
    tf.to_double(x)
    tf.to_int32(x)
    tf.to_int64(n)
    tf.saturate_cast(x, tf.uint8)
    tf.bitcast(x, tf.int32)
    tf.cast(x, tf.complex64)
    tf.cast(tf.SparseTensor([[0, 0]], [1], [2, 2]), tf.float32)


def complex_numbers(tf):
    re = tf.placeholder(tf.float32, [2], name="re")
    z = tf.complex(re, 1.0)
    z * 2
    tf.real(z)
    tf.imag(z)
    tf.conj(z)
    tf.conj(re)
    tf.abs(z)
    tf.angle(z)
    tf.real(re)
    tf.fft(z)
    tf.ifft(z)
    tf.matmul(tf.reshape(z, [1, 2]), tf.reshape(z, [1, 2]), adjoint_b=True)


def _random_ops(tf):
    tf.random_uniform([2])
    tf.random_uniform([2], seed=7)
    tf.random_normal([2, 3], mean=1.0, stddev=2.0, name="normal")
    tf.truncated_normal([4], stddev=0.1)
    tf.random_uniform([2], minval=1, maxval=10, dtype=tf.int32)
    with tf.name_scope("scope"):
        tf.random_normal([2], seed=11)
        tf.random_normal([2])
    tf.random_shuffle(tf.range(5))


def random_without_seeds(tf):
    _random_ops(tf)


def random_with_a_graph_seed(tf):
    tf.constant(0)
    tf.set_random_seed(1234)
    _random_ops(tf)


def random_with_a_zero_seed(tf):
    tf.set_random_seed(0)
    tf.random_uniform([1], seed=0)
    tf.random_uniform([1])
    tf.set_random_seed(2**31 + 5)
    tf.random_uniform([1])
    tf.random_uniform([1], seed=2**31 - 1)


def random_functions(tf):
    tf.set_random_seed(5)
    x = tf.placeholder(tf.float32, [None, 8, 3], name="x")
    tf.random_uniform(tf.shape(x))
    tf.random_uniform([], maxval=4, dtype=tf.int64)
    tf.random_uniform([2], -1.0, 1.0, dtype=tf.float64)
    tf.random_normal([2], dtype=tf.float16)
    tf.random_gamma([3], alpha=[0.5, 1.5])
    tf.random_poisson([1.0, 2.0], [4])
    tf.multinomial(tf.zeros([2, 5]), 3)
    tf.random.categorical(tf.zeros([2, 5]), 3, dtype=tf.int32, seed=3)
    tf.random.stateless_uniform([2], seed=[1, 2])
    tf.random.stateless_normal([2], seed=[3, 4])
    tf.nn.dropout(x, keep_prob=0.8)


def reductions(tf):
    x = tf.placeholder(tf.float32, [2, 3, 4], name="x")
    unknown = tf.placeholder(tf.float32, name="unknown")
    tf.reduce_sum(x)
    tf.reduce_sum(x, 1)
    tf.reduce_sum(x, [0, 2], keepdims=True)
    tf.reduce_sum(x, axis=-1, keep_dims=True)
    tf.reduce_mean(x, reduction_indices=[1])
    tf.reduce_mean(unknown)
    tf.reduce_max(unknown, axis=0)
    tf.reduce_min(x, axis=(1, 2))
    tf.reduce_prod(x, axis=tf.constant(0))
    tf.reduce_sum(x, axis=[])
    tf.reduce_any(x > 0)
    tf.reduce_all(x > 0, axis=1)
    tf.reduce_logsumexp(x, axis=2)
    tf.reduce_logsumexp(x)
    tf.math.reduce_std(x, axis=0)
    tf.math.reduce_variance(x)
    tf.count_nonzero(x)
    tf.count_nonzero(x, axis=1, dtype=tf.int32)
    tf.argmax(x, 1)
    tf.argmin(x, axis=-1, output_type=tf.int32)
    tf.arg_max(x, dimension=0)
    tf.argmax(x)
    tf.norm(x)
    tf.norm(x, axis=1)
    tf.norm(x, ord=1, axis=2, keepdims=True)
    tf.reduce_sum([1.0, 2.0])
    tf.reduce_mean(tf.constant([1, 2, 3]))
    tf.reduce_sum(tf.constant(1.0))


def matrix_products(tf):
    a = tf.placeholder(tf.float32, [2, 3], name="a")
    b = tf.placeholder(tf.float32, [3, 4], name="b")
    batch = tf.placeholder(tf.float32, [5, 2, 3], name="batch")
    unknown = tf.placeholder(tf.float32, name="unknown")
    tf.matmul(a, b)
    tf.matmul(a, a, transpose_b=True)
    tf.matmul(a, a, transpose_a=True, name="gram")
    tf.matmul(a, a, adjoint_a=True)
    tf.matmul(a, b, a_is_sparse=True)
    tf.matmul(a, unknown)
    tf.matmul(unknown, unknown)
    tf.matmul(batch, tf.ones([5, 3, 1]))
    tf.matmul(batch, batch, transpose_b=True)
    tf.matmul(batch, tf.zeros([1, 3, 2]))
    tf.matmul([[1, 2]], [[3], [4]])
    tf.linalg.matvec(a, [1.0, 2.0, 3.0])
    tf.matrix_transpose(batch)
    tf.tensordot(a, b, 1)
    tf.tensordot(batch, b, [[2], [0]])
    tf.tensordot(batch, batch, [[0, 2], [0, 2]])
    tf.tensordot(a, a, 0)
    tf.tensordot(tf.placeholder(tf.float32, [None, 7, 3]), b, axes=[[2], [0]])
    tf.tensordot(unknown, b, [[1], [0]])


def einsum_forms(tf):
    a = tf.placeholder(tf.float32, [2, 3], name="a")
    b = tf.placeholder(tf.float32, [3, 4], name="b")
    c = tf.placeholder(tf.float32, [None, 2, 3], name="c")
    tf.einsum("ij,jk->ik", a, b)
    tf.einsum("ij,jk", a, b)
    tf.einsum("bij,jk->bik", c, b)
    tf.einsum("bij,bkj->bik", c, c)
    tf.einsum("ij->ji", a)
    tf.einsum("ij,ij->i", a, a)
    tf.einsum("bij,jk,kl->bil", c, b, tf.ones([4, 5]))


def linear_algebra(tf):
    m = tf.placeholder(tf.float64, [3, 3], name="m")
    batch = tf.placeholder(tf.float64, [None, 3, 3], name="batch")
    tf.matrix_inverse(m)
    tf.matrix_determinant(batch)
    tf.cholesky(m)
    tf.matrix_solve(m, tf.ones([3, 1], tf.float64))
    tf.matrix_triangular_solve(m, tf.ones([3, 1], tf.float64), lower=False)
    tf.qr(m)
    tf.svd(m)
    tf.svd(batch, compute_uv=False)
    tf.self_adjoint_eig(m)
    tf.self_adjoint_eigvals(m)
    tf.trace(batch)
    tf.diag([1.0, 2.0])
    tf.diag_part(m)
    tf.matrix_diag([[1.0, 2.0]])
    tf.matrix_diag_part(batch)
    tf.matrix_set_diag(batch, tf.zeros([1, 3], tf.float64))
    tf.matrix_band_part(m, -1, 0)
    tf.linalg.logdet(m)
    tf.cholesky_solve(tf.cholesky(m), tf.ones([3, 1], tf.float64))
