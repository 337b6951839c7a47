"""Sparse tensors: conversions, products, reductions, joins and parts, element-wise functions, crosses."""

import numpy as np
from ops.case import Case, floats, ints

# Matrices of 4 rows and 5 columns with 6 stored elements, in row-major order; row 2 is empty.
ROWS = np.array([[0, 1], [0, 4], [1, 0], [1, 2], [1, 3], [3, 3]], np.int64)
SIZES = np.array([4, 5], np.int64)
# The same with another choice of elements, some of them shared.
OTHER = np.array([[0, 0], [0, 4], [1, 2], [2, 2], [3, 3], [3, 4]], np.int64)
# [2, 3, 4], with an empty row.
CUBE = np.array([[0, 0, 1], [0, 0, 3], [0, 2, 0], [1, 1, 1], [1, 1, 2], [1, 2, 3], [1, 2, 0]], np.int64)[
    [0, 1, 2, 3, 4, 6, 5]
]
CUBE_SIZES = np.array([2, 3, 4], np.int64)
EMPTY = np.zeros((0, 2), np.int64)
WORDS = np.array([b"a", b"", b"longer", b"d", b"ee", b"f"])


def values(dtype=np.float32, n=6, seed=0):
    if np.dtype(dtype).kind in "iu":
        return ints(n, low=0 if np.dtype(dtype).kind == "u" else -9, seed=seed).astype(dtype)
    if np.dtype(dtype).kind == "c":
        return (floats(n, dtype=np.float64, seed=seed) + 1j * floats(n, dtype=np.float64, seed=seed + 1)).astype(dtype)
    return floats(n, dtype=dtype, seed=seed)


def parts(sparse):
    return [sparse.indices, sparse.values, sparse.dense_shape]


def on_sparse(call):
    """A call on three placeholders: indices, values and shape."""
    return lambda tf, i, v, s, *rest: call(tf, tf.SparseTensor(i, v, s), *rest)


def on_known_shape(sizes, call):
    """A call on two placeholders, indices and values, of a tensor whose shape is a constant."""
    return lambda tf, i, v, *rest: call(tf, tf.SparseTensor(i, v, sizes), *rest)


def on_two(call):
    return lambda tf, i, v, s, j, w, t: call(tf, tf.SparseTensor(i, v, s), tf.SparseTensor(j, w, t))


def dense_cases():
    to_dense = on_sparse(lambda tf, sp: tf.sparse.to_dense(sp))
    for dtype in (np.float64, np.int32, np.uint8):
        yield Case("to_dense_" + np.dtype(dtype).name, to_dense, ROWS, values(dtype), SIZES)
    yield Case("to_dense_bool", to_dense, ROWS, np.array([True, False, True, True, False, True]), SIZES)
    yield Case("to_dense_string", to_dense, ROWS, WORDS, SIZES)
    yield Case(
        "to_dense_string_default", on_sparse(lambda tf, sp: tf.sparse_tensor_to_dense(sp, "x")), ROWS, WORDS, SIZES
    )
    yield Case("to_dense_unknown_count", to_dense, ROWS, values(), SIZES, shapes={0: [None, 2], 1: [None]})
    yield Case("to_dense_nothing", to_dense, EMPTY, values(n=0), SIZES)
    yield Case("to_dense_out_of_bounds", to_dense, ROWS + [[0, 1]], values(), SIZES)
    yield Case("to_dense_out_of_order", to_dense, ROWS[::-1].copy(), values(), SIZES)
    yield Case("to_dense_repeated", to_dense, ROWS[[0, 1, 1, 2, 3, 4]], values(), SIZES)
    unchecked = on_sparse(lambda tf, sp: tf.sparse.to_dense(sp, validate_indices=False))
    yield Case("to_dense_unchecked", unchecked, ROWS[::-1].copy(), values(), SIZES)
    yield Case("to_dense_unchecked_out_of_bounds", unchecked, ROWS + [[0, 1]], values(), SIZES)
    plain = lambda tf, i, s, v: tf.sparse_to_dense(i, s, v)  # noqa: E731
    yield Case("sparse_to_dense_vector", plain, np.array([1, 3, 4]), np.array([6]), values(n=3), gradient=False)
    yield Case(
        "sparse_to_dense_int32", plain, np.array([1, 3], np.int32), np.array([6], np.int32), values(n=2), gradient=False
    )
    yield Case("sparse_to_dense_scalar_index", plain, np.array(3), np.array([6]), np.array(2.5), gradient=False)
    yield Case("sparse_to_dense_one_value", plain, ROWS, SIZES, np.array(2.5), gradient=False)
    yield Case(
        "sparse_to_dense_default", lambda tf, i, s, v: tf.sparse_to_dense(i, s, v, 7), ROWS, SIZES, values(np.int64)
    )
    yield Case("sparse_to_dense_wrong_rank", plain, ROWS, np.array([4, 5, 6]), values())
    yield Case("sparse_to_dense_wrong_count", plain, ROWS, SIZES, values(n=5))
    yield Case("sparse_to_dense_negative", plain, ROWS, np.array([-4, 5]), values())
    from_dense = lambda tf, x: parts(tf.sparse.from_dense(x))  # noqa: E731
    yield Case("from_dense", from_dense, np.array([[0, 1.5, 0], [2, 0, -3]], np.float32))
    yield Case("from_dense_int", from_dense, np.array([0, 1, 0, 4]))
    indicator = on_sparse(lambda tf, sp: tf.sparse_to_indicator(sp, 8))
    yield Case("to_indicator_int32", indicator, CUBE, np.array([3, 1, 0, 7, 7, 2, 2], np.int32), CUBE_SIZES)
    yield Case("to_indicator_out_of_range", indicator, ROWS, np.array([3, 1, 0, 8, 7, 2]), SIZES)
    ids = np.array([3, 1, 0, 7, 5, 2])
    sorted_merge = lambda tf, i, ids, v, s: parts(  # noqa: E731
        tf.sparse_merge(tf.SparseTensor(i, ids, s), tf.SparseTensor(i, v, s), 8, already_sorted=True)
    )
    yield Case("merge_sorted", sorted_merge, ROWS, ids, values(), SIZES)
    two = lambda tf, i, a, b, v, s: parts(  # noqa: E731
        tf.sparse_merge([tf.SparseTensor(i, a, s), tf.SparseTensor(i, b, s)], tf.SparseTensor(i, v, s), [8, 9])
    )
    yield Case("merge_two", two, ROWS, ids, ids[::-1].copy(), values(), SIZES)


def product_cases():
    product = on_sparse(lambda tf, sp, b: tf.sparse_tensor_dense_matmul(sp, b))
    for dtype in (np.float32, np.float64, np.int32):
        yield Case(
            "matmul_" + np.dtype(dtype).name, product, ROWS, values(dtype), SIZES, values(dtype, 15).reshape(5, 3)
        )
    for adjoint_a in (False, True):
        for adjoint_b in (False, True):
            call = lambda tf, sp, b, a=adjoint_a, ab=adjoint_b: tf.sparse_tensor_dense_matmul(sp, b, a, ab)  # noqa: E731
            b = floats(*((3, 4 if adjoint_a else 5) if adjoint_b else (4 if adjoint_a else 5, 3)), dtype=np.float64)
            name = f"matmul_adjoint_{adjoint_a:d}{adjoint_b:d}"
            yield Case(name, on_sparse(call), ROWS, values(np.float64), SIZES, b)
            wide = b.astype(np.complex64) * np.complex64(1 + 0.5j)
            yield Case(name + "_complex", on_sparse(call), ROWS, values(np.complex64), SIZES, wide, gradient=False)
    yield Case(
        "matmul_known", on_known_shape([4, 5], lambda tf, sp, b: tf.sparse.matmul(sp, b)), ROWS, values(), floats(5, 2)
    )
    yield Case("matmul_out_of_order", product, ROWS[[3, 0, 5, 1, 4, 2]], values(), SIZES, floats(5, 2))
    yield Case("matmul_repeated", product, ROWS[[0, 0, 1, 2, 2, 2]], values(), SIZES, floats(5, 2))
    yield Case(
        "matmul_int32_indices",
        lambda tf, i, v, s, b: tf.raw_ops.SparseTensorDenseMatMul(a_indices=i, a_values=v, a_shape=s, b=b),
        ROWS.astype(np.int32),
        values(),
        SIZES,
        floats(5, 2),
    )
    yield Case("matmul_nothing", product, EMPTY, values(n=0), SIZES, floats(5, 2))
    yield Case("matmul_no_rows", product, EMPTY, values(n=0), np.array([0, 5]), floats(5, 2))
    yield Case("matmul_no_inner", product, EMPTY, values(n=0), np.array([3, 0]), floats(0, 2))
    yield Case("matmul_no_columns", product, ROWS, values(), SIZES, floats(5, 0))
    yield Case("matmul_outside_column", product, ROWS + [[0, 1]], values(), SIZES, floats(5, 2))
    yield Case("matmul_outside_row", product, ROWS + [[1, 0]], values(), SIZES, floats(5, 2))
    yield Case("matmul_negative", product, ROWS - [[0, 1]], values(), SIZES, floats(5, 2))
    yield Case("matmul_inner_differs", product, ROWS, values(), SIZES, floats(4, 2))
    yield Case(
        "matmul_inner_differs_known",
        on_known_shape([4, 5], lambda tf, sp, b: tf.sparse.matmul(sp, b)),
        ROWS,
        values(),
        floats(4, 2),
    )
    yield Case("matmul_types_differ", product, ROWS, values(), SIZES, floats(5, 2, dtype=np.float64))
    yield Case("matmul_rank_3", product, CUBE, values(n=7), CUBE_SIZES, floats(5, 2))

    def twice(tf, i, v, s, b):
        y = tf.sparse_tensor_dense_matmul(tf.SparseTensor(i, v, s), b)
        return tf.gradients(y * y, [v, b])

    yield Case(
        "matmul_second_gradient", twice, ROWS, values(np.float64), SIZES, floats(5, 2, dtype=np.float64), gradient=False
    )


def shape_cases():
    reorder = on_sparse(lambda tf, sp: parts(tf.sparse_reorder(sp)))
    yield Case("reorder_string", reorder, ROWS[[3, 0, 5, 1, 4, 2]], WORDS, SIZES)
    yield Case("reorder_cube", reorder, CUBE[[6, 1, 3, 5, 0, 4, 2]], values(n=7), CUBE_SIZES)
    yield Case("reorder_nothing", reorder, EMPTY, values(n=0), SIZES)
    yield Case(
        "reorder_known",
        on_known_shape([4, 5], lambda tf, sp: parts(tf.sparse_reorder(sp))),
        ROWS[::-1].copy(),
        values(),
    )
    for name, shape in (("infer", [2, -1, 2]), ("same", [4, 5])):
        call = on_sparse(lambda tf, sp, shape=shape: parts(tf.sparse_reshape(sp, shape)))
        yield Case("reshape_" + name, call, ROWS, values(), SIZES)
        yield Case(
            "reshape_known_" + name,
            on_known_shape([4, 5], lambda tf, sp, shape=shape: parts(tf.sparse_reshape(sp, shape))),
            ROWS,
            values(),
        )
    fed = lambda tf, i, v, s, to: parts(tf.sparse_reshape(tf.SparseTensor(i, v, s), to))  # noqa: E731
    yield Case("reshape_fed", fed, CUBE, values(n=7), CUBE_SIZES, np.array([4, 6]))
    yield Case("reshape_fed_unknown", fed, CUBE, values(n=7), CUBE_SIZES, np.array([4, 6]), shapes={3: [None]})
    yield Case("reshape_nothing", fed, EMPTY, values(n=0), SIZES, np.array([2, 10]))
    yield Case("reshape_no_elements", fed, EMPTY, values(n=0), np.array([0, 5]), np.array([5, 0]))
    yield Case("reshape_two_open", fed, ROWS, values(), SIZES, np.array([-1, -1]))
    yield Case("reshape_too_many", fed, ROWS, values(), SIZES, np.array([4, 6]))
    yield Case("reshape_not_a_multiple", fed, ROWS, values(), SIZES, np.array([3, -1]))
    yield Case(
        "reshape_known_too_many",
        on_known_shape([4, 5], lambda tf, sp: parts(tf.sparse_reshape(sp, [4, 6]))),
        ROWS,
        values(),
    )
    yield Case(
        "reshape_known_two_open",
        on_known_shape([4, 5], lambda tf, sp: parts(tf.sparse_reshape(sp, [-1, -1]))),
        ROWS,
        values(),
    )
    on_sparse(lambda tf, sp: parts(tf.sparse_transpose(sp)))
    yield Case(
        "transpose_perm",
        on_sparse(lambda tf, sp: parts(tf.sparse_transpose(sp, [2, 0, 1]))),
        CUBE,
        values(n=7),
        CUBE_SIZES,
    )
    yield Case(
        "transpose_known",
        on_known_shape([2, 3, 4], lambda tf, sp: parts(tf.sparse_transpose(sp, [1, 2, 0]))),
        CUBE,
        values(n=7),
    )
    for axis in (None, 0, -2):
        call = on_sparse(lambda tf, sp, axis=axis: parts(tf.sparse.expand_dims(sp, axis)))
        yield Case(f"expand_dims_{axis}", call, ROWS, values(), SIZES)
    reset = on_sparse(lambda tf, sp: parts(tf.sparse_reset_shape(sp)))
    yield Case("reset_shape", reset, ROWS[:5], values(n=5), np.array([9, 9]))
    yield Case("reset_shape_nothing", reset, EMPTY, values(n=0), SIZES)
    yield Case(
        "reset_shape_larger", on_sparse(lambda tf, sp: parts(tf.sparse_reset_shape(sp, [6, 7]))), ROWS, values(), SIZES
    )
    yield Case(
        "reset_shape_smaller", on_sparse(lambda tf, sp: parts(tf.sparse_reset_shape(sp, [6, 3]))), ROWS, values(), SIZES
    )
    yield Case(
        "reset_shape_known_smaller",
        on_known_shape([4, 5], lambda tf, sp: parts(tf.sparse_reset_shape(sp, [6, 3]))),
        ROWS,
        values(),
    )
    yield Case(
        "reset_shape_other_rank",
        on_sparse(lambda tf, sp: parts(tf.sparse_reset_shape(sp, [6, 7, 8]))),
        ROWS,
        values(),
        SIZES,
    )
    yield Case("eye", lambda tf: parts(tf.sparse.eye(3)))
    yield Case("eye_wide", lambda tf: parts(tf.sparse.eye(2, 4, tf.int64)))
    yield Case("eye_fed", lambda tf, n: parts(tf.sparse.eye(n, 3)), np.array(4, np.int32))


def picking_cases():
    retain = on_sparse(lambda tf, sp, keep: parts(tf.sparse_retain(sp, keep)))
    keep = np.array([True, False, True, True, False, True])
    yield Case("retain", retain, ROWS, values(np.float64), SIZES, keep)
    yield Case("retain_string", retain, ROWS, WORDS, SIZES, keep)
    yield Case("retain_none", retain, ROWS, values(), SIZES, np.zeros(6, bool))
    yield Case("retain_wrong_length", retain, ROWS, values(), SIZES, keep[:5])
    yield Case("retain_matrix", retain, ROWS, values(), SIZES, keep.reshape(2, 3))
    take = on_sparse(lambda tf, sp, start, size: parts(tf.sparse_slice(sp, start, size)))
    yield Case("slice", take, ROWS, values(np.float64), SIZES, np.array([0, 1]), np.array([2, 3]))
    yield Case("slice_string", take, ROWS, WORDS, SIZES, np.array([0, 1]), np.array([2, 3]))
    yield Case("slice_over_the_end", take, ROWS, values(), SIZES, np.array([1, 2]), np.array([9, 9]))
    yield Case("slice_nothing", take, ROWS, values(), SIZES, np.array([2, 0]), np.array([1, 5]))
    yield Case("slice_cube", take, CUBE, values(n=7), CUBE_SIZES, np.array([0, 1, 0]), np.array([2, 2, 3]))
    yield Case(
        "slice_unknown",
        take,
        ROWS,
        values(),
        SIZES,
        np.array([0, 1]),
        np.array([2, 3]),
        shapes={0: [None, None], 2: [None]},
    )
    yield Case("slice_wrong_rank", take, ROWS, values(), SIZES, np.array([0]), np.array([2]))
    for n, axis in ((2, 0), (3, 1)):
        call = on_sparse(
            lambda tf, sp, n=n, axis=axis: [
                part for piece in tf.sparse_split(sp_input=sp, num_split=n, axis=axis) for part in parts(piece)
            ]
        )
        yield Case(f"split_{n}_{axis}", call, ROWS, values(), SIZES)
    split = on_sparse(
        lambda tf, sp: [p for piece in tf.sparse_split(sp_input=sp, num_split=2, axis=1) for p in parts(piece)]
    )
    yield Case("split_string", split, ROWS, WORDS, SIZES)
    yield Case("split_cube", split, CUBE, values(n=7), CUBE_SIZES)
    yield Case(
        "split_too_many",
        on_sparse(lambda tf, sp: parts(tf.sparse_split(sp_input=sp, num_split=6, axis=1)[0])),
        ROWS,
        values(),
        SIZES,
    )
    yield Case(
        "split_wrong_axis",
        on_sparse(lambda tf, sp: parts(tf.sparse_split(sp_input=sp, num_split=2, axis=2)[0])),
        ROWS,
        values(),
        SIZES,
    )
    for axis in (0, 1, -1):
        call = on_two(lambda tf, a, b, axis=axis: parts(tf.sparse_concat(axis, [a, b])))
        yield Case(f"concat_{axis:d}", call, ROWS, values(), SIZES, OTHER, values(seed=1), SIZES)
    concat = on_two(lambda tf, a, b: parts(tf.sparse_concat(1, [a, b])))
    yield Case("concat_string", concat, ROWS, WORDS, SIZES, OTHER, WORDS[::-1].copy(), SIZES)
    yield Case("concat_nothing", concat, ROWS, values(), SIZES, EMPTY, values(n=0), SIZES)
    yield Case("concat_sizes_differ", concat, ROWS, values(), SIZES, OTHER, values(seed=1), np.array([5, 5]))
    yield Case("concat_ranks_differ", concat, ROWS, values(), SIZES, CUBE, values(n=7), CUBE_SIZES)
    yield Case(
        "concat_axis",
        on_two(lambda tf, a, b: parts(tf.sparse_concat(2, [a, b]))),
        ROWS,
        values(),
        SIZES,
        OTHER,
        values(seed=1),
        SIZES,
    )
    for axis in (0, 1, -1):
        call = on_two(lambda tf, a, b, axis=axis: parts(tf.sparse_concat(axis, [a, b], expand_nonconcat_dim=True)))
        yield Case(f"concat_expand_{axis:d}", call, ROWS, values(), SIZES, OTHER, values(seed=1), np.array([6, 7]))
    known = lambda tf, i, v, j, w: parts(  # noqa: E731
        tf.sparse_concat(0, [tf.SparseTensor(i, v, [4, 5]), tf.SparseTensor(j, w, [4, 5])])
    )
    yield Case("concat_known", known, ROWS, values(), OTHER, values(seed=1))


def reduction_cases():
    for axis, keepdims in ((None, False), (0, False), (-1, True), ([1, 0], False), ([0, 1], True)):
        tag = "{}{}".format(str(axis).replace(" ", ""), "_keep" if keepdims else "")
        for how in ("sum", "max"):
            dense = on_sparse(
                lambda tf, sp, how=how, axis=axis, keep=keepdims: getattr(tf, "sparse_reduce_" + how)(sp, axis, keep)
            )
            yield Case(f"reduce_{how}_{tag}", dense, ROWS, values(np.float64), SIZES)
            sparse = on_sparse(
                lambda tf, sp, how=how, axis=axis, keep=keepdims: parts(
                    getattr(tf, f"sparse_reduce_{how}_sparse")(sp, axis, keep)
                )
            )
            yield Case(f"reduce_{how}_sparse_{tag}", sparse, ROWS, values(), SIZES)
    total = on_sparse(lambda tf, sp: tf.sparse_reduce_sum(sp, [0, 2]))
    largest = on_sparse(lambda tf, sp: tf.sparse_reduce_max(sp, [0, 2]))
    for dtype in (np.int32, np.float16):
        name = np.dtype(dtype).name
        yield Case("reduce_sum_cube_" + name, total, CUBE, values(dtype, 7), CUBE_SIZES)
        yield Case("reduce_max_cube_" + name, largest, CUBE, values(dtype, 7), CUBE_SIZES)
    yield Case("reduce_sum_complex", total, CUBE, values(np.complex64, 7), CUBE_SIZES, gradient=False)
    yield Case("reduce_sum_nothing", total, np.zeros((0, 3), np.int64), values(n=0), CUBE_SIZES)
    yield Case("reduce_max_nothing", largest, np.zeros((0, 3), np.int64), values(n=0), CUBE_SIZES)
    yield Case("reduce_sum_wrong_axis", on_sparse(lambda tf, sp: tf.sparse_reduce_sum(sp, 2)), ROWS, values(), SIZES)
    yield Case(
        "reduce_sum_unknown",
        on_sparse(lambda tf, sp: tf.sparse_reduce_sum(sp)),
        ROWS,
        values(),
        SIZES,
        shapes={0: [None, None], 1: [None], 2: [None]},
    )
    softmax = on_sparse(lambda tf, sp: parts(tf.sparse_softmax(sp)))
    yield Case("softmax_cube", softmax, CUBE, values(np.float64, 7), CUBE_SIZES)
    yield Case("softmax_nothing", softmax, EMPTY, values(n=0), SIZES)
    yield Case("softmax_vector", softmax, ROWS[[0, 1], 1:], values(n=2), SIZES[1:])


def adding_cases():
    add = on_two(lambda tf, a, b: parts(tf.sparse_add(a, b)))
    for dtype in (np.float32, np.float64, np.int32, np.complex64):
        yield Case(
            "add_" + np.dtype(dtype).name,
            add,
            ROWS,
            values(dtype),
            SIZES,
            OTHER,
            values(dtype, seed=3),
            SIZES,
            gradient=np.dtype(dtype).kind == "f",
        )
    yield Case("add_cube", add, CUBE[::2].copy(), values(n=4), CUBE_SIZES, CUBE, values(n=7), CUBE_SIZES)
    yield Case("add_nothing", add, ROWS, values(), SIZES, EMPTY, values(n=0), SIZES)
    yield Case(
        "add_threshold",
        on_two(lambda tf, a, b: parts(tf.sparse_add(a, b, 2.0))),
        ROWS,
        values(),
        SIZES,
        OTHER,
        values(seed=3),
        SIZES,
    )
    yield Case(
        "add_to_zero",
        on_two(lambda tf, a, b: parts(tf.sparse_add(a, b))),
        ROWS,
        values(),
        SIZES,
        ROWS,
        -values(),
        SIZES,
    )
    yield Case(
        "add_to_zero_threshold",
        on_two(lambda tf, a, b: parts(tf.sparse_add(a, b, 1e-3))),
        ROWS,
        values(),
        SIZES,
        ROWS,
        -values(),
        SIZES,
    )
    known = lambda tf, i, v, j, w: parts(tf.sparse_add(tf.SparseTensor(i, v, [4, 5]), tf.SparseTensor(j, w, [4, 5])))  # noqa: E731
    yield Case("add_known", known, ROWS, values(), OTHER, values(seed=3))
    yield Case("add_sizes_differ", add, ROWS, values(), SIZES, OTHER, values(seed=3), np.array([4, 6]))
    yield Case("add_ranks_differ", add, ROWS, values(), SIZES, CUBE, values(n=7), CUBE_SIZES)
    dense = on_sparse(lambda tf, sp, x: tf.sparse_add(sp, x))
    yield Case("add_dense", dense, ROWS, values(np.float64), SIZES, floats(4, 5, dtype=np.float64))
    yield Case("dense_add", on_sparse(lambda tf, sp, x: tf.sparse_add(x, sp)), ROWS, values(), SIZES, floats(4, 5))
    yield Case("add_dense_repeated", dense, ROWS[[0, 0, 1, 1, 2, 2]], values(np.int32), SIZES, ints(4, 5))
    yield Case("add_dense_outside", dense, ROWS + [[0, 1]], values(), SIZES, floats(4, 5))
    yield Case("add_dense_other_shape", dense, ROWS, values(), SIZES, floats(4, 6))
    yield Case("add_dense_other_rank", dense, ROWS, values(), SIZES, floats(4))
    for how in ("maximum", "minimum"):
        call = on_two(lambda tf, a, b, how=how: parts(getattr(tf, "sparse_" + how)(a, b)))
        yield Case(how, call, ROWS, values(), SIZES, OTHER, values(seed=3), SIZES, gradient=False)
        yield Case(how + "_int", call, ROWS, values(np.int64), SIZES, OTHER, values(np.int64, seed=3), SIZES)
        yield Case(how + "_sizes_differ", call, ROWS, values(), SIZES, OTHER, values(seed=3), np.array([4, 6]))
    fill = on_sparse(lambda tf, sp, x: (lambda made: parts(made[0]) + [made[1]])(tf.sparse_fill_empty_rows(sp, x)))
    yield Case("fill_empty_rows", fill, ROWS, values(np.float64), SIZES, np.array(-1.0))
    yield Case("fill_empty_rows_string", fill, ROWS, WORDS, SIZES, np.array(b"none"))
    yield Case("fill_empty_rows_none_empty", fill, ROWS[:5], values(n=5), np.array([2, 5]), np.array(-1, np.float32))
    yield Case("fill_empty_rows_all", fill, EMPTY, values(n=0), SIZES, np.array(-1, np.float32))
    yield Case("fill_empty_rows_no_rows", fill, EMPTY, values(n=0), np.array([0, 5]), np.array(-1, np.float32))
    yield Case(
        "fill_empty_rows_out_of_order", fill, ROWS[[5, 0, 3, 1, 2, 4]], values(np.float64), SIZES, np.array(-1.0)
    )
    yield Case("fill_empty_rows_outside", fill, ROWS + [[1, 0]], values(), SIZES, np.array(-1, np.float32))
    yield Case(
        "fill_empty_rows_known",
        on_known_shape(
            [4, 5], lambda tf, sp: (lambda made: parts(made[0]) + [made[1]])(tf.sparse_fill_empty_rows(sp, 0.5))
        ),
        ROWS,
        values(),
    )
    for op in ("abs", "negative", "square"):
        call = on_sparse(lambda tf, sp, op=op: parts(getattr(tf, op)(sp)))
        yield Case("stored_" + op, call, ROWS, values(np.float64), SIZES)
    yield Case(
        "times_dense",
        on_sparse(lambda tf, sp, x: parts(sp * x)),
        ROWS,
        values(np.float64),
        SIZES,
        floats(4, 1, dtype=np.float64),
    )
    yield Case(
        "over_dense",
        on_sparse(lambda tf, sp, x: parts(sp / x)),
        ROWS,
        values(np.float64),
        SIZES,
        floats(5, dtype=np.float64, low=1),
    )


def serialized_cases():
    def round_trip(tf, i, v, s):
        return parts(tf.deserialize_many_sparse(tf.serialize_many_sparse(tf.SparseTensor(i, v, s)), v.dtype, rank=1))

    def together(tf, i, v, s, j, w, t):
        both = tf.stack([tf.serialize_sparse(tf.SparseTensor(i, v, s)), tf.serialize_sparse(tf.SparseTensor(j, w, t))])
        return parts(tf.deserialize_many_sparse(both, v.dtype))

    def raw(tf, i, v, s):
        text = tf.serialize_sparse(tf.SparseTensor(i, v, s))
        return list(tf.raw_ops.DeserializeSparse(serialized_sparse=text, dtype=v.dtype))

    def variants(tf, i, v, s):
        boxes = tf.serialize_many_sparse(tf.SparseTensor(i, v, s), out_type=tf.variant)
        return list(tf.raw_ops.DeserializeSparse(serialized_sparse=boxes, dtype=v.dtype))

    for dtype in (np.float32, np.int64, np.uint8, np.float16):
        yield Case("round_trip_" + np.dtype(dtype).name, round_trip, ROWS, values(dtype), SIZES)
    yield Case("round_trip_string", round_trip, ROWS, WORDS, SIZES)
    yield Case("round_trip_bool", round_trip, ROWS, np.array([True, False, True, True, False, True]), SIZES)
    yield Case("round_trip_out_of_order", round_trip, ROWS[::-1].copy(), values(), SIZES)
    yield Case("round_trip_vector", round_trip, ROWS[[0, 1], 1:], values(n=2), SIZES[1:])
    yield Case("serialized_together", together, ROWS, values(), SIZES, OTHER, values(seed=3), np.array([9, 6]))
    yield Case("serialized_ranks_differ", together, ROWS, values(), SIZES, CUBE, values(n=7), CUBE_SIZES)
    yield Case("serialized_one", raw, CUBE, values(n=7), CUBE_SIZES)
    yield Case("serialized_variants", variants, CUBE, values(n=7), CUBE_SIZES)
    yield Case(
        "serialized_text",
        lambda tf, i, v, s: tf.string_join([tf.serialize_sparse(tf.SparseTensor(i, v, s)), "."]),
        ROWS,
        values(),
        SIZES,
    )
    yield Case(
        "deserialize_garbage",
        lambda tf, x: parts(tf.deserialize_many_sparse(x, tf.float32)),
        np.array([[b"a", b"b", b"c"]]),
    )

    def wrong(tf, i, v, s):
        return parts(tf.deserialize_many_sparse(tf.serialize_many_sparse(tf.SparseTensor(i, v, s)), tf.int32))

    yield Case("deserialize_other_type", wrong, ROWS, values(), SIZES)


def cross_cases():
    a = np.array([[0, 0], [0, 1], [1, 0], [3, 0]], np.int64)
    b = np.array([[0, 0], [1, 0], [1, 1], [2, 0], [3, 0]], np.int64)
    sizes = np.array([4, 2], np.int64)
    words = np.array([b"red", b"blue", b"", b"a word that is longer than thirty-two bytes, by some"])
    numbers = np.array([3, 1, -4, 1, 5])
    strings = on_two(lambda tf, x, y: parts(tf.sparse.cross([x, y])))
    yield Case("cross", strings, a, words, sizes, b, numbers, sizes)
    hashed = on_two(lambda tf, x, y: parts(tf.sparse.cross_hashed([x, y])))
    yield Case("cross_hashed", hashed, a, words, sizes, b, numbers, sizes)
    yield Case(
        "cross_hashed_buckets",
        on_two(lambda tf, x, y: parts(tf.sparse.cross_hashed([x, y], 97))),
        a,
        words,
        sizes,
        b,
        numbers,
        sizes,
    )
    yield Case(
        "cross_hashed_key",
        on_two(lambda tf, x, y: parts(tf.sparse.cross_hashed([x, y], 0, 12345))),
        a,
        words,
        sizes,
        b,
        numbers,
        sizes,
    )
    yield Case("cross_one", on_sparse(lambda tf, x: parts(tf.sparse.cross_hashed([x]))), a, words, sizes)
    mixed = lambda tf, i, v, s, x, y: parts(tf.sparse.cross([tf.SparseTensor(i, v, s), x, y]))  # noqa: E731
    yield Case(
        "cross_dense", mixed, a, words, sizes, np.array([[b"x"], [b"y"], [b"z"], [b"w"]]), ints(4, 2, dtype=np.int64)
    )
    yield Case(
        "cross_only_dense",
        lambda tf, x, y: parts(tf.sparse.cross_hashed([x, y])),
        ints(2, 2, dtype=np.int64),
        ints(2, 1),
    )
    yield Case("cross_batches_differ", strings, a, words, sizes, b, numbers, np.array([5, 2]))
    yield Case("cross_ranks", strings, CUBE, values(np.int64, 7), CUBE_SIZES, b, numbers, sizes)


def embedding_cases():
    table = floats(7, 3, dtype=np.float64)
    ids = np.array([3, -1, 0, 6, 6, 2])
    weights = np.array([1.0, 2.0, -0.5, 0.0, 1.5, 2.5])

    def lookup(**options):
        def call(tf, i, ids, s, table):
            return tf.nn.safe_embedding_lookup_sparse(table, tf.SparseTensor(i, ids, s), **options)

        return call

    def weighted(**options):
        def call(tf, i, ids, w, s, table):
            return tf.nn.safe_embedding_lookup_sparse(
                table, tf.SparseTensor(i, ids, s), tf.SparseTensor(i, w, s), **options
            )

        return call

    for combiner in ("mean", "sqrtn"):
        yield Case(
            "safe_embedding_weighted_" + combiner,
            weighted(combiner=combiner),
            ROWS,
            ids,
            weights,
            SIZES,
            table,
            smooth=combiner == "sum",
        )
    yield Case("safe_embedding_default", lookup(default_id=4), ROWS, ids, SIZES, table)
    yield Case("safe_embedding_norm", lookup(max_norm=1.0), ROWS, ids, SIZES, table)
    yield Case("safe_embedding_cube", lookup(), CUBE, np.array([3, -1, 0, 6, 6, 2, 1]), CUBE_SIZES, table)


CASES = [
    case
    for cases in (
        dense_cases,
        product_cases,
        shape_cases,
        picking_cases,
        reduction_cases,
        adding_cases,
        serialized_cases,
        cross_cases,
        embedding_cases,
    )
    for case in cases()
]
