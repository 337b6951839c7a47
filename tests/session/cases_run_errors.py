"""What is refused while a graph runs: shapes and values that nothing told of before."""

import numpy as np
from session.outcome import fails


def _run(tf, function, *values):
    """Run `function` on placeholders of unknown shape."""
    arrays = [np.asarray(value, np.float32 if isinstance(value, float) else None) for value in values]
    arrays = [array.astype({"f": np.float32, "i": np.int32}.get(array.dtype.kind, array.dtype)) for array in arrays]
    xs = [tf.placeholder(tf.string if array.dtype.kind in "OSU" else array.dtype) for array in arrays]
    tf.Session().run(function(*xs), dict(zip(xs, arrays)))


@fails("division by zero")
def integer_division_by_zero(tf):
    _run(tf, lambda x: 7 // x, [1, 0])


@fails("division by zero")
def integer_remainder_by_zero(tf):
    _run(tf, lambda x: 7 % x, 0)


def float_division_by_zero(tf):
    x = tf.placeholder(tf.float32)
    with tf.Session() as sess:
        return sess.run([1.0 / x, -1.0 / x, x / x, x // x], {x: 0.0})


@fails("is not in [0, 3)")
def gather_out_of_range(tf):
    _run(tf, lambda ids: tf.gather([1.0, 2.0, 3.0], ids), [0, 5])


@fails("is not in [0, 3)")
def gather_a_negative_index(tf):
    _run(tf, lambda ids: tf.nn.embedding_lookup(tf.ones([3, 2]), ids), [-1])


@fails("does not index into")
def gather_nd_out_of_range(tf):
    _run(tf, lambda ids: tf.gather_nd([1.0, 2.0], ids), [[2]])


@fails("Input to reshape is a tensor with 6 values, but the requested shape has 4")
def reshape_to_another_size_at_run_time(tf):
    _run(tf, lambda x: tf.reshape(x, [2, 2]), [1.0] * 6)


@fails("requires a multiple of 4")
def reshape_to_what_does_not_divide(tf):
    _run(tf, lambda x: tf.reshape(x, [-1, 4]), [1.0] * 6)


@fails("In[0]")
def matmul_at_run_time(tf):
    _run(tf, lambda a, b: tf.matmul(a, b), [[1.0, 2.0]], [[1.0, 2.0]])


@fails("Incompatible shapes: [2] vs. [3]")
def add_at_run_time(tf):
    _run(tf, lambda a, b: a + b, [1.0, 2.0], [1.0, 2.0, 3.0])


@fails("Dimensions of inputs should match")
def concat_at_run_time(tf):
    _run(tf, lambda a, b: tf.concat([a, b], 1), [[1.0]], [[1.0], [2.0]])


@fails("Tensor had NaN")
def check_numerics_finds_nan(tf):
    _run(tf, lambda x: tf.check_numerics(x, "my message"), [1.0, float("nan")])


@fails("Tensor had Inf")
def check_numerics_finds_infinity(tf):
    _run(tf, lambda x: tf.check_numerics(tf.log(x), "my message"), [0.0])


@fails("could not correctly convert string: abc")
def string_that_is_no_number(tf):
    _run(tf, lambda s: tf.string_to_number(s), np.array(["abc"], object))


@fails("outside the valid range of [0, 3)")
def label_out_of_range(tf):
    _run(tf, lambda y: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=tf.zeros([1, 3])), [7])


@fails("slice index 5 of dimension 0 out of bounds")
def index_at_run_time(tf):
    _run(tf, lambda x: x[5], [1.0, 2.0])


@fails("Expected size[0] in [0, 2]")
def slice_at_run_time(tf):
    _run(tf, lambda x: tf.slice(x, [1], [5]), [1.0, 2.0, 3.0])


@fails("Input is not invertible")
def invert_a_singular_matrix(tf):
    _run(tf, lambda m: tf.matrix_inverse(m), [[1.0, 1.0], [1.0, 1.0]])


@fails("Cholesky decomposition was not successful")
def cholesky_of_what_is_not_positive(tf):
    _run(tf, lambda m: tf.cholesky(m), [[1.0, 2.0], [2.0, 1.0]])


@fails("indices[0] = [5] is out of bounds")
def sparse_to_dense_out_of_bounds(tf):
    _run(tf, lambda i: tf.sparse_to_dense(i, [3], 1.0), [[5]])


@fails("Expected multiples[0] >= 0")
def tile_a_negative_number_of_times(tf):
    _run(tf, lambda n: tf.tile([1.0], n), [-1])


@fails("must be a scalar")
def range_of_a_vector(tf):
    _run(tf, lambda n: tf.range(n), [1, 2])


@fails("minval < maxval")
def random_integers_without_room(tf):
    _run(tf, lambda n: tf.random_uniform([2], minval=n, maxval=n, dtype=tf.int32), 3)


@fails("-1")
def segment_sum_of_negative_ids(tf):
    _run(tf, lambda ids: tf.segment_sum([1.0, 2.0], ids), [-1, 0])


@fails("segment ids are not increasing")
def segment_sum_of_unsorted_ids(tf):
    _run(tf, lambda ids: tf.segment_sum([1.0, 2.0], ids), [1, 0])


@fails("input must have at least k columns")
def top_k_of_too_few(tf):
    _run(tf, lambda x: tf.nn.top_k(x, 3)[0], [1.0, 2.0])


@fails("partitions[0] = 5 is not in [0, 2)")
def dynamic_partition_out_of_range(tf):
    _run(tf, lambda p: tf.dynamic_partition([1.0], p, 2), [5])


@fails("0-th value returned by")
def python_function_of_the_wrong_type(tf):
    tf.Session().run(tf.py_func(lambda: np.float64(1.0), [], tf.int32))


@fails("ZeroDivisionError")
def python_function_that_raises(tf):
    tf.Session().run(tf.py_func(lambda: 1 // 0, [], tf.int64))


@fails("must be a vector")
def shape_that_is_a_matrix(tf):
    _run(tf, lambda shape: tf.fill(shape, 1.0), [[1, 2]])
