"""Ragged tensors: the row splits and flat values of what each call gives, and errors."""

import numpy as np
from ops.case import Case

CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, lambda tf, *x: parts(call(tf, *x)), *inputs, **options))


def parts(made):
    """The tensors that a result consists of."""
    if isinstance(made, (list, tuple)):
        return [part for each in made for part in parts(each)]
    if hasattr(made, "flat_values"):
        return list(made.nested_row_splits) + [made.flat_values]
    if hasattr(made, "dense_shape"):
        return [made.indices, made.values, made.dense_shape]
    return [made]


SPLITS = np.array([0, 2, 2, 5])
VALUES = np.array([3.5, -1.0, 4.0, 1.5, 9.0])
OUTER, INNER = np.array([0, 2, 2, 3]), np.array([0, 2, 2, 5])
INTS = np.array([3, 1, 4, 1, 5], np.int32)


def rows(tf, values, splits, kind=None):
    return tf.RaggedTensor.from_row_splits(values, splits if kind is None else tf.cast(splits, kind), validate=False)


def nested(tf, values, outer, inner):
    return rows(tf, rows(tf, values, inner), outer)


# Made, taken apart

for _kind, _input in (
    ("value_rowids", [0, 0, 2, 2, 2]),
    ("row_splits", [0, 2, 2, 5]),
    ("row_lengths", [2, 0, 3]),
    ("row_starts", [0, 2, 2]),
    ("row_limits", [2, 2, 5]),
):
    case(
        "from_" + _kind,
        lambda tf, v, p, k=_kind: getattr(tf.RaggedTensor, "from_" + k)(v, p),
        VALUES,
        np.array(_input),
        shapes={0: [None], 1: [None]},
    )
    case(
        "from_" + _kind + "_int32",
        lambda tf, v, p, k=_kind: getattr(tf.RaggedTensor, "from_" + k)(v, p),
        VALUES,
        np.array(_input, np.int32),
    )
    case(
        "from_" + _kind + "_bad",
        lambda tf, v, p, k=_kind: getattr(tf.RaggedTensor, "from_" + k)(v, p),
        VALUES,
        np.array(_input)[::-1] - 1,
        shapes={1: [None]},
    )
    case(
        "from_" + _kind + "_empty",
        lambda tf, v, p, k=_kind: getattr(tf.RaggedTensor, "from_" + k)(v, p),
        VALUES[:0],
        np.array([0] if _kind == "row_splits" else [], np.int64),
    )
case("from_value_rowids_nrows", lambda tf, v: tf.RaggedTensor.from_value_rowids(v, [0, 0, 2, 2, 2], nrows=5), VALUES)
case("accessors", lambda tf, v, s: [
    f(rows(tf, v, s)) for f in (
        lambda r: r.value_rowids(), lambda r: r.nrows(), lambda r: r.row_lengths(), lambda r: r.row_starts(),
        lambda r: r.row_limits(), lambda r: r.bounding_shape(), lambda r: tf.size(r), lambda r: tf.rank(r),
    )
], VALUES, SPLITS)  # fmt: skip
case("accessors_nested", lambda tf, v, a, b: [
    f(nested(tf, v, a, b)) for f in (
        lambda r: r.nested_value_rowids(), lambda r: r.row_lengths(2), lambda r: r.nested_row_lengths(),
        lambda r: r.bounding_shape(), lambda r: r.bounding_shape(axis=1), lambda r: tf.rank(r),
    )
], VALUES, OUTER, INNER)  # fmt: skip
case("to_tensor", lambda tf, v, s: rows(tf, v, s).to_tensor(), VALUES, SPLITS)
case("to_tensor_default", lambda tf, v, a, b: nested(tf, v, a, b).to_tensor(7), VALUES, OUTER, INNER)
case(
    "to_tensor_unknown",
    lambda tf, v, s: rows(tf, v, s, tf.int32).to_tensor(7),
    VALUES,
    SPLITS,
    shapes={0: [None]},
    gradient=False,
)
case("to_sparse", lambda tf, v, s: rows(tf, v, s).to_sparse(), VALUES, SPLITS)
case("to_sparse_nested", lambda tf, v, a, b: nested(tf, v, a, b).to_sparse(), VALUES, OUTER, INNER)
case("to_sparse_inner", lambda tf, v, s: rows(tf, v, s).to_sparse(), np.arange(10.0).reshape(5, 2), SPLITS)
case("to_sparse_int32", lambda tf, v, s: rows(tf, v, s, tf.int32).to_sparse(), VALUES, SPLITS)
MATRIX = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
case("from_tensor", lambda tf, x: tf.RaggedTensor.from_tensor(x), MATRIX, shapes={0: [None, None]})
case("from_tensor_lengths", lambda tf, x, n: tf.RaggedTensor.from_tensor(x, lengths=n), MATRIX, np.array([2, 0, 9]))
case("from_tensor_padding", lambda tf, x: tf.RaggedTensor.from_tensor(x, padding=0.0), MATRIX)
case("from_tensor_rank", lambda tf, x: tf.RaggedTensor.from_tensor(x, ragged_rank=2), np.arange(12.0).reshape(2, 3, 2))
case(
    "from_sparse",
    lambda tf, i, v: tf.RaggedTensor.from_sparse(tf.SparseTensor(i, v, [4, 3])),
    np.array([[0, 0], [0, 1], [2, 0]]),
    VALUES[:3],
)
case(
    "from_sparse_holes",
    lambda tf, i, v: tf.RaggedTensor.from_sparse(tf.SparseTensor(i, v, [4, 3])),
    np.array([[0, 0], [0, 2], [2, 0]]),
    VALUES[:3],
)
case("variant", lambda tf, v, a, b: tf.raw_ops.RaggedTensorFromVariant(
    encoded_ragged=tf.raw_ops.RaggedTensorToVariant(
        rt_nested_splits=[a, b], rt_dense_values=v, batched_input=True),
    input_ragged_rank=-1, output_ragged_rank=2, Tvalues=tf.float64, Tsplits=tf.int64), VALUES, OUTER, INNER,
    gradient=False)  # fmt: skip

# Ranges

case("range", lambda tf, x: tf.ragged.range(x), np.array([3, 0, -2, 1]))
case(
    "range_steps",
    lambda tf, a, b, c: tf.ragged.range(a, b, c),
    np.array([0, 9, 5]),
    np.array([7, 0, 5]),
    np.array([3, -4, 1]),
)
case(
    "range_float",
    lambda tf, a, c: tf.ragged.range(a, 2.0, c),
    np.array([0.1, 1.5], np.float32),
    np.array([0.3, 0.1], np.float32),
)
case("range_int32_splits", lambda tf, x: tf.ragged.range(x, row_splits_dtype=tf.int32), INTS)
case("range_zero_step", lambda tf, x: tf.ragged.range(0, x, 0), np.array([3]))
case(
    "range_sizes",
    lambda tf, a, b: tf.ragged.range(a, b),
    np.array([3, 4]),
    np.array([3, 4, 5]),
    shapes={0: None, 1: None},
)
case("segment_ids", lambda tf, s: tf.ragged.row_splits_to_segment_ids(s), SPLITS, shapes={0: [None]})
case("segment_splits", lambda tf, s: tf.ragged.segment_ids_to_row_splits(s, 6), np.array([0, 0, 3]))

# Picked

KEYS = {
    "row": lambda r, tf: r[2],
    "rows": lambda r, tf: r[1:],
    "rows_step": lambda r, tf: r[::-2],
    "no_rows": lambda r, tf: r[3:],
    "columns": lambda r, tf: r[:, 1:],
    "columns_end": lambda r, tf: r[:, -2:],
    "columns_step": lambda r, tf: r[:, ::2],
    "ellipsis": lambda r, tf: r[..., :1],
    "newaxis": lambda r, tf: r[tf.newaxis],
    "newaxis_inner": lambda r, tf: r[:, tf.newaxis],
}
for _name, _key in KEYS.items():
    case("getitem_" + _name, lambda tf, v, s, k=_key: k(rows(tf, v, s), tf), VALUES, SPLITS)
    case("getitem_nested_" + _name, lambda tf, v, a, b, k=_key: k(nested(tf, v, a, b), tf), VALUES, OUTER, INNER)
case("getitem_tensor", lambda tf, v, s, i: rows(tf, v, s)[i], VALUES, SPLITS, np.array(2, np.int32))
case("getitem_tensor_columns", lambda tf, v, s, i: rows(tf, v, s)[:, i:], VALUES, SPLITS, np.array(-2, np.int32))
case("getitem_column", lambda tf, v, s: rows(tf, v, s)[:, 0], VALUES, SPLITS)
case("gather", lambda tf, v, s, i: tf.gather(rows(tf, v, s), i), VALUES, SPLITS, np.array([2, 0, 2]))
case(
    "gather_nested", lambda tf, v, a, b, i: tf.gather(nested(tf, v, a, b), i), VALUES, OUTER, INNER, np.array([2, 0, 0])
)
case(
    "gather_matrix",
    lambda tf, v, s, i: tf.gather(rows(tf, v, s), i),
    VALUES,
    SPLITS,
    np.array([[2, 0], [1, 1]], np.int32),
)
case("gather_scalar", lambda tf, v, a, b, i: tf.gather(nested(tf, v, a, b), i), VALUES, OUTER, INNER, np.array(2))
case("gather_off", lambda tf, v, s, i: tf.gather(rows(tf, v, s), i), VALUES, SPLITS, np.array([0, 3]))
case("gather_bad_splits", lambda tf, v, s, i: tf.gather(rows(tf, v, s), i), VALUES, np.array([0, 3, 7]), np.array([1]))
case("gather_by_ragged", lambda tf, v, s, p: tf.gather(p, rows(tf, v, s)), INTS, SPLITS, np.arange(6.0))
case(
    "gather_nd",
    lambda tf, v, a, b, i: tf.gather_nd(nested(tf, v, a, b), i),
    VALUES,
    OUTER,
    INNER,
    np.array([[0, 0], [2, 0]]),
)
case(
    "gather_nd_deep",
    lambda tf, v, a, b, i: tf.gather_nd(nested(tf, v, a, b), i),
    VALUES,
    OUTER,
    INNER,
    np.array([[0, 0, 1], [2, 0, 2]]),
)
case("batch_gather", lambda tf, v, s: tf.batch_gather(rows(tf, v, s), rows(tf, [1, 0, 2, 2, 0], s)), VALUES, SPLITS)
case("boolean_mask", lambda tf, v, s: tf.ragged.boolean_mask(rows(tf, v, s), rows(tf, v, s) > 2), VALUES, SPLITS)
case("boolean_mask_rows", lambda tf, v, s: tf.ragged.boolean_mask(rows(tf, v, s), [True, False, True]), VALUES, SPLITS)
case("boolean_mask_dense", lambda tf, x: tf.ragged.boolean_mask(x, x > 2), np.arange(12.0).reshape(2, 3, 2))
case("where", lambda tf, v, s: tf.where(rows(tf, v, s) > 2), VALUES, SPLITS)
case("where_rows", lambda tf, v, s: tf.where([True, False, True], rows(tf, v, s), -rows(tf, v, s)), VALUES, SPLITS)
case("where_values", lambda tf, v, s: tf.where(rows(tf, v, s) > 2, rows(tf, v, s), -rows(tf, v, s)), VALUES, SPLITS)

# Joined, rearranged

for _axis in (0, 1, -1):
    case(f"concat_{_axis}", lambda tf, v, s, x, a=_axis: tf.concat([rows(tf, v, s), x], a), VALUES, SPLITS, MATRIX)
    case(
        f"concat_nested_{_axis}",
        lambda tf, v, a, b, x=_axis: tf.concat([nested(tf, v, a, b)] * 2, x),
        VALUES,
        OUTER,
        INNER,
    )
    case(f"stack_{_axis}", lambda tf, v, s, a=_axis: tf.stack([rows(tf, v, s)] * 2, a), VALUES, SPLITS)
    case(f"expand_dims_{_axis}", lambda tf, v, s, a=_axis: tf.expand_dims(rows(tf, v, s), a), VALUES, SPLITS)
case(
    "concat_rows_differ",
    lambda tf, v, s, x: tf.concat([rows(tf, v, s), x], 1),
    VALUES,
    SPLITS,
    MATRIX[:2],
    shapes={1: [None], 2: [None, 3]},
)
case("ragged_stack", lambda tf, x, y: tf.ragged.stack([x, y]), MATRIX, MATRIX[:2, :1])
case("ragged_stack_vectors", lambda tf, x, y: tf.ragged.stack([x, y]), VALUES, VALUES[:2])
case("squeeze", lambda tf, v: tf.squeeze(rows(tf, rows(tf, v, [0, 1, 2, 3, 4, 5]), [0, 2, 2, 5]), 2), VALUES)
case("squeeze_more", lambda tf, v, s: tf.squeeze(rows(tf, v, s), 1), VALUES, SPLITS)
case("tile", lambda tf, v, s: tf.tile(rows(tf, v, s), [2, 3]), VALUES, SPLITS)
case(
    "tile_nested",
    lambda tf, v, a, b, m: tf.tile(nested(tf, v, a, b), m),
    VALUES,
    OUTER,
    INNER,
    np.array([1, 2, 2], np.int32),
)
case("one_hot", lambda tf, v, s: tf.one_hot(rows(tf, v, s), 4), INTS, SPLITS)
case("partitions", lambda tf, v, p: tf.ragged.stack_dynamic_partitions(v, p, 4), VALUES, np.array([2, 0, 2, 3, 0]))
case(
    "partitions_ragged",
    lambda tf, v, s: tf.ragged.stack_dynamic_partitions(rows(tf, v, s), rows(tf, [0, 1, 0, 2, 1], s), 3),
    VALUES,
    SPLITS,
)
case(
    "partitions_off",
    lambda tf, v, p: tf.ragged.stack_dynamic_partitions(v, p, 2),
    VALUES,
    np.array([2, 0, 2, 3, 0]),
    shapes={1: [None]},
)
case("dynamic_partition", lambda tf, v, s: tf.dynamic_partition(rows(tf, v, s), [1, 0, 1], 2), VALUES, SPLITS)

# Reduced

for _kind in ("sum", "prod", "min", "max", "mean"):
    for _axis in (None, 0, 1, [0, 1]):
        case(
            f"reduce_{_kind}_{_axis}",
            lambda tf, v, s, k=_kind, a=_axis: getattr(tf, "reduce_" + k)(rows(tf, v, s), axis=a),
            VALUES,
            SPLITS,
            gradient=_kind != "prod",
            smooth=_kind == "sum",
        )
    case(
        f"reduce_{_kind}_nested",
        lambda tf, v, a, b, k=_kind: [getattr(tf, "reduce_" + k)(nested(tf, v, a, b), axis=i) for i in (0, 1, 2)],
        VALUES,
        OUTER,
        INNER,
        gradient=False,
    )
    case(
        "segment_" + _kind,
        lambda tf, v, s, k=_kind: getattr(tf.math, "unsorted_segment_" + k)(rows(tf, v, s), [1, 0, 1], 2),
        VALUES,
        SPLITS,
        gradient=False,
    )
case(
    "reduce_any",
    lambda tf, v, s: [f(rows(tf, v, s) > 2, axis=1) for f in (tf.reduce_any, tf.reduce_all)],
    VALUES,
    SPLITS,
)
case("reduce_keepdims", lambda tf, v, s: tf.reduce_sum(rows(tf, v, s), axis=1, keepdims=True), VALUES, SPLITS)

# Element by element

UNARY = {
    "abs": lambda tf, r: abs(r), "neg": lambda tf, r: -r, "exp": lambda tf, r: tf.exp(r),
    "cast": lambda tf, r: tf.cast(r, tf.int32), "clip": lambda tf, r: tf.clip_by_value(r, 0, 4),
    "zeros_like": lambda tf, r: tf.zeros_like(r), "is_nan": lambda tf, r: tf.is_nan(r),
    "round": lambda tf, r: tf.round(r), "as_string": lambda tf, r: tf.as_string(r),
    "add_n": lambda tf, r: tf.add_n([r, r]), "map": lambda tf, r: tf.ragged.map_flat_values(tf.add, r, 10),
}  # fmt: skip
for _name, _call in UNARY.items():
    case(_name, lambda tf, v, s, f=_call: f(tf, rows(tf, v, s)), VALUES, SPLITS)
BINARY = {
    "add": lambda tf, r, x: r + x, "radd": lambda tf, r, x: x + r, "sub": lambda tf, r, x: r - x,
    "rsub": lambda tf, r, x: x - r, "mul": lambda tf, r, x: r * x, "div": lambda tf, r, x: r / x,
    "floordiv": lambda tf, r, x: r // x, "mod": lambda tf, r, x: r % x, "pow": lambda tf, r, x: abs(r) ** x,
    "less": lambda tf, r, x: r < x, "equal": lambda tf, r, x: tf.equal(r, x),
    "maximum": lambda tf, r, x: tf.maximum(r, x),
}  # fmt: skip
for _name, _call in BINARY.items():
    case(_name + "_scalar", lambda tf, v, s, f=_call: f(tf, rows(tf, v, s), 2.0), VALUES, SPLITS)
    if _name not in ("add", "rsub", "less"):
        continue  # what broadcasts is the same for all
    case(
        _name + "_column",
        lambda tf, v, s, x, f=_call: f(tf, rows(tf, v, s), x),
        VALUES,
        SPLITS,
        np.array([[2.0], [3.0], [4.0]]),
        gradient=False,
    )
case("add_rows", lambda tf, v, s: rows(tf, v, s) + rows(tf, v, s), VALUES, SPLITS)
case("add_other_rows", lambda tf, v, s: rows(tf, v, s) + rows(tf, v, [0, 1, 2, 5]), VALUES, SPLITS, gradient=False)
case("add_nested", lambda tf, v, a, b: nested(tf, v, a, b) + [[1.0]], VALUES, OUTER, INNER, gradient=False)
case("logical", lambda tf, v, s: [(rows(tf, v, s) > 2) & (rows(tf, v, s) < 5), ~(rows(tf, v, s) > 2)], VALUES, SPLITS)

# Strings

WORDS = np.array(["a b", "", "c d e", "\u00e9"], object)
case("string_split", lambda tf, x: tf.strings.split(x, result_type="RaggedTensor"), WORDS)
case("string_split_old", lambda tf, x: tf.string_split(x, "b ", result_type="RaggedTensor"), WORDS)
case("string_split_matrix", lambda tf, x: tf.strings.split(x, result_type="RaggedTensor"), WORDS.reshape(2, 2))
case("bytes_split", lambda tf, x: tf.strings.bytes_split(x), WORDS)
case("unicode_decode", lambda tf, x: tf.strings.unicode_decode_with_offsets(x, "UTF-8"), WORDS)
case("unicode_split", lambda tf, x: tf.strings.unicode_split(x, "UTF-8"), WORDS.reshape(2, 2))
case(
    "unicode_encode", lambda tf, x: tf.strings.unicode_encode(tf.strings.unicode_decode(x, "UTF-8"), "UTF-16-BE"), WORDS
)
case("ngrams", lambda tf, x: tf.strings.ngrams(rows(tf, x, [0, 3, 4]), [2, 3], pad_values="_"), WORDS)
case("string_join", lambda tf, x: tf.strings.join([rows(tf, x, [0, 3, 3, 4])] * 2, "-"), WORDS)
case("reduce_join", lambda tf, x: [tf.reduce_join(rows(tf, x, [0, 3, 3, 4]), a, separator="/") for a in (0, 1)], WORDS)
case("string_functions", lambda tf, x: [
    f(rows(tf, x, [0, 3, 3, 4])) for f in (
        tf.strings.length, lambda r: tf.strings.substr(r, 0, 0), lambda r: tf.strings.regex_replace(r, "[ab]", "X"),
        lambda r: tf.strings.to_hash_bucket_fast(r, 10), tf.strings.strip,
    )
], WORDS)  # fmt: skip
