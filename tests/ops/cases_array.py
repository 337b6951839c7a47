"""Shapes, slices, gathers, joins, pads, transposes, diagonals: what arrays go through without arithmetic."""

import numpy as np
from ops.case import Case, floats, ints

NAN, INF = float("nan"), float("inf")
F64, I64 = np.float64, np.int64
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


X = floats(2, 3, dtype=F64)
Y = floats(2, 3, dtype=F64, seed=1)
CUBE = floats(2, 3, 4, dtype=F64)
VECTOR = floats(6, dtype=F64)
N = ints(2, 3)
WORDS = np.array([[b"a", b"bc"], [b"", b"d"]], object)
OPEN = {0: [None, None]}
UNKNOWN = {0: None}

# Identities

case("identity", lambda tf, x: tf.identity(x), X)
case("identity_of_string", lambda tf, x: tf.identity(x), WORDS)
case("identity_n", lambda tf, x, y: tf.identity_n([x, y]), X, N)
case("stop_gradient", lambda tf, x: x * tf.stop_gradient(x), X, smooth=False)
case("check_numerics", lambda tf, x: tf.check_numerics(x, "bad"), X)
case("check_numerics_of_nan", lambda tf, x: tf.check_numerics(x, "bad"), np.float32([1, NAN]))
case("check_numerics_of_inf", lambda tf, x: tf.check_numerics(x, "bad"), np.float32([-INF, 1]))
case("guarantee_const", lambda tf, x: tf.guarantee_const(x), N)
case("placeholder_with_default", lambda tf, x: tf.placeholder_with_default(x, [None, 3]), X)
case("ensure_shape", lambda tf, x: tf.ensure_shape(x, [None, 3]), X, shapes=UNKNOWN)
case("ensure_shape_refuses", lambda tf, x: tf.ensure_shape(x, [None, 4]), X, shapes=UNKNOWN)
case("ensure_shape_refuses_at_once", lambda tf, x: tf.ensure_shape(x, [None, 4]), X)

# Shapes as values

for _name, _shapes in {"": {}, "_open": OPEN, "_unknown": UNKNOWN}.items():
    case("shape" + _name, lambda tf, x: [tf.shape(x), tf.size(x), tf.rank(x)], X, shapes=_shapes)
    case(
        "shape_int64" + _name,
        lambda tf, x: [tf.shape(x, out_type=tf.int64), tf.size(x, out_type=tf.int64)],
        X,
        shapes=_shapes,
    )
case("shape_n", lambda tf, x, y: tf.shape_n([x, y]), X, VECTOR, shapes=OPEN)
case("size_of_nothing", lambda tf, x: tf.size(x), np.zeros([0, 3]), shapes={0: [0, None]})
case("shape_arithmetic", lambda tf, x: tf.reshape(x, [tf.shape(x)[0] * 3, -1]), CUBE, shapes={0: [None, None, None]})

# Reshapes

case("reshape", lambda tf, x: tf.reshape(x, [3, 2]), X)
case("reshape_inferred", lambda tf, x: [tf.reshape(x, [-1]), tf.reshape(x, [3, -1]), tf.reshape(x, [-1, 1, 2])], X)
case("reshape_open", lambda tf, x: tf.reshape(x, [-1, 2]), X, shapes=OPEN)
case("reshape_by_tensor", lambda tf, x, s: tf.reshape(x, s), X, np.int32([3, -1]))
case("reshape_by_int64", lambda tf, x, s: tf.reshape(x, s), X, np.int64([6]))
case("reshape_to_scalar", lambda tf, x: tf.reshape(x, []), X[:1, :1])
case("reshape_string", lambda tf, x: tf.reshape(x, [4]), WORDS)
case("reshape_refuses_at_once", lambda tf, x: tf.reshape(x, [4]), X)
case("reshape_refuses", lambda tf, x: tf.reshape(x, [4]), X, shapes=OPEN)
case("reshape_refuses_two_open_sizes", lambda tf, x, s: tf.reshape(x, s), X, np.int32([-1, -1]))
case("reshape_refuses_to_infer", lambda tf, x, s: tf.reshape(x, s), X, np.int32([-1, 4]))
for _axis in (0, 1, 2, -1, -3):
    case(f"expand_dims_{_axis}", lambda tf, x, a=_axis: tf.expand_dims(x, a), X)
case("expand_dims_by_tensor", lambda tf, x, a: tf.expand_dims(x, a), X, np.int32(1))
case("expand_dims_refuses", lambda tf, x: tf.expand_dims(x, 3), X)
case("expand_dims_old_name", lambda tf, x: tf.expand_dims(x, dim=0), X)
THIN = floats(1, 3, 1, 2, dtype=F64)
case("squeeze", lambda tf, x: tf.squeeze(x), THIN)
case("squeeze_axes", lambda tf, x: [tf.squeeze(x, 0), tf.squeeze(x, [2]), tf.squeeze(x, [-2, 0])], THIN)
case("squeeze_old_name", lambda tf, x: tf.squeeze(x, squeeze_dims=[0]), THIN)
case("squeeze_open", lambda tf, x: tf.squeeze(x), THIN, shapes={0: [None, 3, 1, None]})
case("squeeze_refuses", lambda tf, x: tf.squeeze(x, [1]), THIN)
case("squeeze_refuses_when_run", lambda tf, x: tf.squeeze(x, [1]), THIN, shapes=UNKNOWN)
case("bitcast", lambda tf, x: tf.bitcast(x, tf.int32), np.float32([1.5, -2, NAN]))
case("bitcast_smaller", lambda tf, x: tf.bitcast(x, tf.uint8), np.int32([[1, 256], [-1, 7]]))
case("bitcast_larger", lambda tf, x: tf.bitcast(x, tf.float32), np.uint8([[0, 0, 128, 63], [0, 0, 0, 64]]))
case("broadcast_to", lambda tf, x: tf.broadcast_to(x, [4, 2, 3]), X[:, :1])
case("broadcast_to_by_tensor", lambda tf, x, s: tf.broadcast_to(x, s), X, np.int32([1, 2, 3]))
case("broadcast_to_refuses", lambda tf, x, s: tf.broadcast_to(x, s), X, np.int32([3, 2]))
case(
    "broadcast_dynamic_shape", lambda tf, x, y: tf.broadcast_dynamic_shape(x, y), np.int32([2, 1]), np.int32([5, 1, 3])
)
case("broadcast_dynamic_shape_refuses", lambda tf, x, y: tf.broadcast_dynamic_shape(x, y), np.int32([2]), np.int32([3]))

# Filled arrays

case(
    "fill",
    lambda tf, x: [tf.fill([2, 3], x), tf.fill([], x), tf.fill(tf.constant([0, 2], tf.int64), x)],
    np.float64(1.5),
)
case("fill_by_tensor", lambda tf, s: [tf.fill(s, 7), tf.zeros(s), tf.ones(s, tf.bool)], np.int32([2, 1]))
case("fill_with_string", lambda tf, s: tf.fill(s, "ab"), np.int32([2]))
case("fill_refuses", lambda tf, s: tf.fill(s, 1), np.int32([-1]))
case(
    "zeros_and_ones",
    lambda tf: [tf.zeros([2, 2]), tf.ones([3], tf.int64), tf.zeros([1], tf.string), tf.zeros([40, 40])],
)
case("zeros_of_nothing", lambda tf: [tf.zeros([0, 3]), tf.ones([0])])
for _name, _shapes in {"": {}, "_open": OPEN}.items():
    case("zeros_like" + _name, lambda tf, x: [tf.zeros_like(x), tf.zeros_like(x, tf.bool)], X, shapes=_shapes)
    case("ones_like" + _name, lambda tf, x: [tf.ones_like(x), tf.ones_like(x, tf.int64)], X, shapes=_shapes)
case("zeros_like_string", lambda tf, x: tf.zeros_like(x, optimize=False), WORDS)
IDS = np.int32([[2, 0], [-1, 3]])
case("one_hot", lambda tf, i: [tf.one_hot(i, 3), tf.one_hot(i, 4, axis=0), tf.one_hot(i, 2, axis=1)], IDS)
case("one_hot_values", lambda tf, i: [tf.one_hot(i, 3, 5, -5), tf.one_hot(i, 3, on_value=True, off_value=False)], IDS)
case("one_hot_types", lambda tf, i: [tf.one_hot(i, 3, dtype=tf.int64), tf.one_hot(i, 3, "yes", "no")], IDS.astype(I64))
case("one_hot_of_uint8", lambda tf, i: tf.one_hot(i, 300), np.uint8([255, 3]))
case("one_hot_by_tensor", lambda tf, i, d: tf.one_hot(i, d), IDS, np.int32(4))
case("one_hot_refuses", lambda tf, i, d: tf.one_hot(i, d), IDS, np.int32(-2))

# Joined and taken apart

case("concat", lambda tf, x, y: [tf.concat([x, y], 0), tf.concat([x, y, x], -1)], X, Y)
case("concat_open", lambda tf, x, y: tf.concat([x, y], 0), X, Y, shapes=OPEN)
case("concat_by_tensor", lambda tf, x, y, a: tf.concat([x, y], a), X, Y, np.int32(1))
case("concat_of_one", lambda tf, x: tf.concat([x], 1), X)
case("concat_of_many", lambda tf, x: tf.concat([x * float(k) for k in range(18)], 1), X)
case("concat_with_nothing", lambda tf, x: tf.concat([x, tf.zeros([0, 3], tf.float64)], 0), X)
case("concat_strings", lambda tf, x: tf.concat([x, x], 0), WORDS)
case("concat_refuses_at_once", lambda tf, x, y: tf.concat([x, y], 0), X, CUBE)
case("concat_refuses", lambda tf, x, y: tf.concat([x, y], 0), X, X[:, :2], shapes={0: [None, None], 1: [None, None]})
case("concat_refuses_axis", lambda tf, x: tf.concat([x, x], 2), X)
case("stack", lambda tf, x, y: [tf.stack([x, y]), tf.stack([x, y], 1), tf.stack([x, y], -1)], X, Y)
case("stack_scalars", lambda tf, x, y: [tf.stack([x, 2.0, y]), tf.convert_to_tensor([[x, y], [3.0, y]])], *VECTOR[:2])
case("stack_refuses", lambda tf, x, y: tf.stack([x, y]), X, VECTOR)
case("stack_refuses_axis", lambda tf, x, y: tf.stack([x, y], 3), X, Y)
case("parallel_stack", lambda tf, x, y: tf.parallel_stack([x, y]), X, Y, gradient=False)
case("unstack", lambda tf, x: tf.unstack(x), X)
case("unstack_axis", lambda tf, x: tf.unstack(x, axis=-1), X)
case("unstack_open", lambda tf, x: tf.unstack(x, 2), X, shapes=OPEN)
case("unstack_refuses", lambda tf, x: tf.unstack(x, 3), X, shapes=OPEN)
case("split", lambda tf, x: tf.split(x, 2, -1), CUBE)
case("split_sizes", lambda tf, x: tf.split(x, [1, -1], 1) + tf.split(x, [2, 1, 1], 2), CUBE)
case("split_by_tensor", lambda tf, x, s: tf.split(x, s, 2), CUBE, np.int32([1, 3]))
case("split_open", lambda tf, x: tf.split(x, 3, 1), X, shapes=OPEN)
case("split_refuses", lambda tf, x: tf.split(x, 2, 1), X)
case("split_refuses_sizes", lambda tf, x, s: tf.split(x, s, 1), X, np.int32([1, 1]))
case("tile", lambda tf, x: [tf.tile(x, [2, 1]), tf.tile(x, [1, 3]), tf.tile(x, [0, 1])], X)
case("tile_by_tensor", lambda tf, x, n: tf.tile(x, n), X, np.int64([2, 2]))
case("tile_scalar", lambda tf, x: tf.tile(x, tf.zeros([0], tf.int32)), np.float64(3))
case("tile_strings", lambda tf, x: tf.tile(x, [1, 2]), WORDS)
case("meshgrid", lambda tf, x, y: tf.meshgrid(x, y) + tf.meshgrid(x, y, indexing="ij"), VECTOR[:2], VECTOR[:3])
case("meshgrid_of_three", lambda tf, x, y, z: tf.meshgrid(x, y, z), VECTOR[:2], VECTOR[:1], VECTOR)
case("repeat", lambda tf, x: [tf.repeat(x, 2), tf.repeat(x, [1, 3], axis=0), tf.repeat(x, 2, axis=1)], X)
case("repeat_by_tensor", lambda tf, x, n: tf.repeat(x, n, axis=1), X, np.int32([0, 2, 1]))

# Padded

PADS = [[1, 0], [1, 2]]
case("pad", lambda tf, x: tf.pad(x, PADS), X)
case("pad_value", lambda tf, x: tf.pad(x, PADS, constant_values=9.0), X)
case("pad_by_tensor", lambda tf, x, p: tf.pad(x, p), X, np.int32(PADS))
case("pad_reflect", lambda tf, x: tf.pad(x, PADS, "REFLECT"), X)
case("pad_symmetric", lambda tf, x: tf.pad(x, [[2, 1], [1, 3]], "SYMMETRIC"), X)
case("pad_symmetric_twice", lambda tf, x: tf.gradients(tf.pad(x, [[2, 1], [1, 3]], "SYMMETRIC") ** 2, x)[0], X)
case("pad_int", lambda tf, x: tf.pad(x, PADS), N)
case("pad_refuses", lambda tf, x, p: tf.pad(x, p), X, np.int32([[-1, 0], [0, 0]]))
case("pad_refuses_to_reflect", lambda tf, x, p: tf.pad(x, p, "REFLECT"), X, np.int32([[2, 0], [0, 0]]))

# In another order

case("transpose", lambda tf, x: [tf.transpose(x), tf.transpose(x, [1, 0, 2]), tf.transpose(x, [2, 0, 1])], CUBE)
case("transpose_by_tensor", lambda tf, x, p: tf.transpose(x, p), CUBE, np.int32([1, 2, 0]))
case("transpose_unknown", lambda tf, x: tf.transpose(x), CUBE, shapes=UNKNOWN)
case(
    "transpose_complex",
    lambda tf, x: [tf.transpose(x), tf.transpose(x, conjugate=True)],
    (X + 1j * Y).astype(np.complex128),
    smooth=False,
)
case("transpose_scalar", lambda tf, x: tf.transpose(x), np.float64(2))
case("transpose_strings", lambda tf, x: tf.transpose(x), WORDS)
case("transpose_refuses", lambda tf, x, p: tf.transpose(x, p), CUBE, np.int32([1, 1, 0]))
case("matrix_transpose", lambda tf, x: tf.matrix_transpose(x), CUBE)
case("invert_permutation", lambda tf, p: tf.invert_permutation(p), np.int32([2, 0, 3, 1]))
case("invert_permutation_refuses", lambda tf, p: tf.invert_permutation(p), np.int32([2, 0, 2]))
case("reverse", lambda tf, x: [tf.reverse(x, [0]), tf.reverse(x, [-1, 1]), tf.reverse(x, [])], CUBE)
case("reverse_by_tensor", lambda tf, x, a: tf.reverse(x, a), CUBE, np.int32([1]))
case("reverse_refuses", lambda tf, x: tf.reverse(x, [1, -2]), CUBE)
case(
    "reverse_sequence", lambda tf, x, n: tf.reverse_sequence(x, n, seq_axis=2, batch_axis=1), CUBE, np.int32([0, 2, 4])
)
case(
    "reverse_sequence_old_names",
    lambda tf, x, n: tf.reverse_sequence(x, n, seq_dim=1, batch_dim=0),
    CUBE,
    np.int64([3, 1]),
)
case(
    "reverse_sequence_refuses",
    lambda tf, x, n: tf.reverse_sequence(x, n, seq_axis=2, batch_axis=1),
    CUBE,
    np.int32([0, 2, 5]),
)
case("roll", lambda tf, x: [tf.roll(x, 1, 0), tf.roll(x, [-2, 1], [2, 1]), tf.roll(x, 5, -1)], CUBE)
case("roll_by_tensor", lambda tf, x, n, a: tf.roll(x, n, a), CUBE, np.int32([1, 3]), np.int32([1, 1]))
IMAGE = floats(2, 4, 6, 3, dtype=F64)
DEEP = floats(1, 2, 3, 8, dtype=F64)
case("space_to_depth", lambda tf, x: tf.space_to_depth(x, 2), IMAGE)
case("depth_to_space", lambda tf, x: tf.depth_to_space(x, 2), DEEP)
case("space_to_depth_refuses", lambda tf, x: tf.space_to_depth(x, 3), IMAGE)
case("space_to_batch", lambda tf, x: tf.space_to_batch(x, [[1, 1], [0, 2]], 2), IMAGE)
case("batch_to_space", lambda tf, x: tf.batch_to_space(x, [[0, 1], [1, 0]], 2), floats(8, 2, 3, 1, dtype=F64))
case("space_to_batch_nd", lambda tf, x: tf.space_to_batch_nd(x, [2], [[0, 0]]), IMAGE)
case(
    "space_to_batch_nd_by_tensor",
    lambda tf, x, b, p: tf.space_to_batch_nd(x, b, p),
    IMAGE,
    np.int32([2, 3]),
    np.int32([[0, 0], [1, 2]]),
)
case(
    "batch_to_space_nd",
    lambda tf, x: tf.batch_to_space_nd(x, [2, 2, 1], [[0, 1], [0, 0], [1, 0]]),
    floats(4, 2, 3, 2, dtype=F64),
)
case(
    "required_paddings",
    lambda tf, s: tf.required_space_to_batch_paddings(s, [2, 3], [[1, 0], [0, 0]]),
    np.int32([4, 5]),
)

# Slices

INDICES = {
    "int": np.s_[1],
    "negative_int": np.s_[-1],
    "ints": np.s_[1, -2, 3],
    "range": np.s_[:1, 1:, 1:3],
    "stride": np.s_[::2, ::-1, 3:0:-2],
    "ellipsis": np.s_[..., 1],
    "ellipsis_between": np.s_[0, ..., 1:-1],
    "new_axes": np.s_[None, :, 1, None, ..., None],
    "all": np.s_[:],
    "too_far": np.s_[:10, -10:, 2:100],
    "empty": np.s_[1:1, 2:1],
    "backwards": np.s_[::-1, -1:0:-1, 5::-3],
}
for _name, _index in INDICES.items():
    case("slice_" + _name, lambda tf, x, i=_index: x[i], CUBE)
    case("slice_open_" + _name, lambda tf, x, i=_index: x[i], CUBE, shapes={0: [None, None, 4]})
case("slice_by_tensor", lambda tf, x, i: [x[i], x[:, i], x[i : i + 1], x[:, : i + 1, i]], CUBE, np.int32(1))
case("slice_by_int64", lambda tf, x, i: x[i, ..., ::2], CUBE, np.int64(0))
case("slice_by_mask", lambda tf, x: x[x > 0], X)
case("slice_shape", lambda tf, x: [tf.shape(x)[0], tf.shape(x)[-1], tf.shape(x)[:2]], CUBE, shapes=UNKNOWN)
case("slice_strings", lambda tf, x: x[1:, 0], WORDS)
case("slice_refuses_at_once", lambda tf, x: x[2], X)
case("slice_refuses", lambda tf, x, i: x[i], X, np.int32(5))
case("slice_refuses_too_many", lambda tf, x: x[0, 0, 0], X)
case("slice_twice", lambda tf, x: tf.gradients(x[1:, ::-2] ** 3, x)[0], CUBE)
case("tf_slice", lambda tf, x: [tf.slice(x, [0, 1, 2], [-1, 2, 1]), tf.slice(x, [1, 0, 0], [0, 3, 4])], CUBE)
case("tf_slice_by_tensor", lambda tf, x, b, s: tf.slice(x, b, s), CUBE, np.int32([0, 1, 0]), np.int32([1, -1, 3]))
case("tf_slice_open", lambda tf, x: tf.slice(x, [1, 0], [-1, 2]), X, shapes=OPEN)
case("tf_slice_refuses", lambda tf, x, b: tf.slice(x, b, [2, 2]), X, np.int32([1, 0]))
case("strided_slice", lambda tf, x: tf.strided_slice(x, [0, 1], [2, 3], [1, 2], begin_mask=2), CUBE)

# Chosen by number

ROWS = floats(5, 3, dtype=F64)
case("gather", lambda tf, x, i: [tf.gather(x, i), tf.gather(x, 4)], ROWS, np.int32([[1, 0], [4, 1]]))
case(
    "gather_axis",
    lambda tf, x, i: [tf.gather(x, i, axis=1), tf.gather(x, i, axis=-1), tf.gather(x, i, axis=2)],
    CUBE,
    np.int64([1, 1, 0]),
)
case("gather_batch", lambda tf, x, i: tf.gather(x, i, batch_dims=1), CUBE, np.int32([[0, 2], [1, 1]]))
case(
    "gather_batch_axis",
    lambda tf, x, i: tf.gather(x, i, batch_dims=1, axis=2),
    CUBE,
    np.int32([[0, 3], [1, 1]]),
    smooth=False,
    note="the rule of TF is wrong here",
)
case("gather_nothing", lambda tf, x, i: tf.gather(x, i), ROWS, np.zeros([0], np.int32))
case(
    "gather_open",
    lambda tf, x, i: tf.gather(x, i),
    ROWS,
    np.int32([1, 1]),
    shapes={0: [None, 3], 1: [None]},
    gradient=False,
)
case("gather_strings", lambda tf, x, i: tf.gather(x, i), WORDS, np.int32([1, 0]))
case("gather_refuses", lambda tf, x, i: tf.gather(x, i), ROWS, np.int32([1, 5]))
case("gather_refuses_negative", lambda tf, x, i: tf.gather(x, i), ROWS, np.int32([-1]))
case(
    "batch_gather",
    lambda tf, x, i: tf.batch_gather(x, i),
    CUBE,
    np.int32([[[0, 1], [3, 3], [2, 0]], [[1, 1], [0, 0], [1, 2]]]),
)
case("gather_nd", lambda tf, x, i: tf.gather_nd(x, i), CUBE, np.int32([[0, 1, 2], [1, 2, 3], [0, 1, 2]]))
case("gather_nd_slices", lambda tf, x, i: tf.gather_nd(x, i), CUBE, np.int32([[[0, 1]], [[1, 2]]]))
case("gather_nd_rows", lambda tf, x, i: tf.gather_nd(x, i), CUBE, np.int64([[1], [1], [0]]))
case("gather_nd_all", lambda tf, x, i: tf.gather_nd(x, i), X, np.zeros([2, 0], np.int32), gradient=False)
case(
    "gather_nd_batch",
    lambda tf, x, i: tf.gather_nd(x, i, batch_dims=1),
    CUBE,
    np.int32([[[0, 1], [2, 2]], [[1, 1], [0, 3]]]),
)
case("gather_nd_refuses", lambda tf, x, i: tf.gather_nd(x, i), X, np.int32([[0, 3]]))
case("scatter_nd", lambda tf, i, u: tf.scatter_nd(i, u, [5]), np.int32([[1], [3], [1]]), VECTOR[:3])
case("scatter_nd_rows", lambda tf, i, u: tf.scatter_nd(i, u, [4, 3]), np.int64([[2], [0]]), X)
case("scatter_nd_int", lambda tf, i, u: tf.scatter_nd(i, u, [2, 2]), np.int32([[0, 1], [0, 1]]), np.int32([3, 4]))
case("scatter_nd_refuses", lambda tf, i, u: tf.scatter_nd(i, u, [3]), np.int32([[3]]), VECTOR[:1])
case("scatter_nd_by_tensor", lambda tf, i, u, s: tf.scatter_nd(i, u, s), np.int32([[1]]), VECTOR[:1], np.int32([4]))
for _name in ("update", "add", "sub"):
    _call = lambda tf, x, i, u, _n="tensor_scatter_" + _name: getattr(tf, _n)(x, i, u)  # noqa: E731
    case("tensor_scatter_" + _name, _call, ROWS, np.int32([[1, 2], [4, 0]]), VECTOR[:2])
    case("tensor_scatter_rows_" + _name, _call, ROWS, np.int32([[1], [4]]), X)
case("unravel_index", lambda tf, i: tf.unravel_index(i, [3, 4]), np.int32([0, 5, 11]))

# Chosen by condition or value

case("where", lambda tf, x: [tf.where(x > 0), tf.where(x), tf.where(x[0] > 9)], X)
case("where_scalar", lambda tf, x: tf.where(x), np.bool_(True))
case("where_of_int", lambda tf, x: tf.where(x), N)
case("select", lambda tf, x, y: tf.where(x > y, x, y), X, Y)
case("select_rows", lambda tf, c, x, y: tf.where(c, x, y), np.array([True, False]), X, Y)
case("select_scalar", lambda tf, c, x, y: tf.where(c, x, y), np.bool_(False), X, Y)
case("select_strings", lambda tf, c, x: tf.where(c, x, x), np.array([True, False]), WORDS)
case("select_refuses", lambda tf, c, x: tf.where(c, x, x), np.array([True, False, True]), X)
case("select_broadcast", lambda tf, c, x, y: tf.where_v2(c, x, y), np.array([[True], [False]]), X, VECTOR[:3])
case("boolean_mask", lambda tf, x, m: tf.boolean_mask(x, m), CUBE, np.array([True, False]))
case("boolean_mask_of_rank_2", lambda tf, x, m: tf.boolean_mask(x, m), CUBE, X > 0)
case("boolean_mask_axis", lambda tf, x, m: tf.boolean_mask(x, m, axis=1), CUBE, np.array([True, False, True]))
case("boolean_mask_refuses", lambda tf, x, m: tf.boolean_mask(x, m), CUBE, np.array([True, False, True]))
case(
    "sequence_mask",
    lambda tf, n: [tf.sequence_mask(n), tf.sequence_mask(n, 4), tf.sequence_mask(n, 2, tf.float32)],
    np.int32([[1, 3], [0, 2]]),
)
case("sequence_mask_by_tensor", lambda tf, n, m: tf.sequence_mask(n, m), np.int64([1, 3]), np.int32(2))
DOUBLES = np.int64([3, 1, 3, 3, 7, 1])
case("unique", lambda tf, x: list(tf.unique(x)) + list(tf.unique(x, tf.int64)), DOUBLES)
case("unique_floats", lambda tf, x: tf.unique(x), np.float32([1, -0.0, 0.0, NAN, NAN, 1]))
case("unique_strings", lambda tf, x: tf.unique(x), np.array([b"b", b"a", b"b"], object))
case("unique_bools", lambda tf, x: tf.unique_with_counts(x), np.array([True, False, True]))
case("unique_with_counts", lambda tf, x: tf.unique_with_counts(x), DOUBLES)
case("unique_of_nothing", lambda tf, x: tf.unique(x), np.zeros([0], np.int32))
case("unique_refuses", lambda tf, x: tf.unique(x), N)
case("setdiff1d", lambda tf, x, y: tf.setdiff1d(x, y), DOUBLES, np.int64([1, 5]))
case("setdiff1d_strings", lambda tf, x, y: tf.setdiff1d(x, y), WORDS[0], WORDS[1])
case("dynamic_partition", lambda tf, x, i: tf.dynamic_partition(x, i, 3), ROWS, np.int32([0, 2, 0, 2, 2]))
case(
    "dynamic_partition_of_rank_2",
    lambda tf, x, i: tf.dynamic_partition(x, i, 2),
    CUBE,
    np.int32([[0, 1, 0], [1, 1, 0]]),
)
case("dynamic_partition_refuses", lambda tf, x, i: tf.dynamic_partition(x, i, 2), ROWS, np.int32([0, 2, 0, 1, 1]))
case(
    "dynamic_stitch",
    lambda tf, i, j, x, y: tf.dynamic_stitch([i, j], [x, y]),
    np.int32([3, 0]),
    np.int32([[1], [2]]),
    X,
    ROWS[:2, None],
)
case(
    "dynamic_stitch_later_stays",
    lambda tf, i, x: tf.dynamic_stitch([i, [1]], [x, x[:1] * 2.0]),
    np.int32([1, 0]),
    X,
    smooth=False,
)

# Diagonals

case("matrix_diag", lambda tf, x: tf.matrix_diag(x), X)
case("matrix_diag_part", lambda tf, x: tf.matrix_diag_part(x), CUBE)
case("matrix_diag_part_of_square", lambda tf, x: tf.matrix_diag_part(x), floats(2, 3, 3, dtype=F64))
case("matrix_set_diag", lambda tf, x, d: tf.matrix_set_diag(x, d), CUBE, X)
case("matrix_set_diag_open", lambda tf, x, d: tf.matrix_set_diag(x, d), CUBE, X, shapes={0: [None, None, 4]})
for _low, _high in ((0, 0), (1, 0), (0, 1), (-1, 1), (1, -1), (-1, -1)):
    _name = f"matrix_band_part_{_low}_{_high}".replace("-1", "all")
    case(_name, lambda tf, x, n=_low, m=_high: tf.matrix_band_part(x, n, m), CUBE)
case("matrix_band_part_by_tensor", lambda tf, x, n: tf.matrix_band_part(x, n, n), CUBE, np.int64(1))
case("diag", lambda tf, x: [tf.diag(x), tf.diag(x[0])], X)
case("diag_part", lambda tf, x: tf.diag_part(x), floats(2, 3, 2, 3, dtype=F64))
case("diag_part_refuses", lambda tf, x: tf.diag_part(x), X)

# Sorted rows, fake quantization, assertions

for _side in ("left", "right"):
    case(
        "searchsorted_" + _side,
        lambda tf, x, v, s=_side: tf.searchsorted(x, v, s),
        np.float32([[1, 2, 2, 3], [0, 0, 1, 9]]),
        np.float32([[2, 0], [0, 10]]),
    )
case(
    "searchsorted_int64",
    lambda tf, x, v: tf.searchsorted(x, v, out_type=tf.int64),
    np.int32([1, 3, 5]),
    np.int32([3, 4, 9]),
)
WIDE = floats(3, 4, low=-9, high=9)
case(
    "fake_quant_args",
    lambda tf, x: [tf.fake_quant_with_min_max_args(x), tf.fake_quant_with_min_max_args(x, 0, 5, 4, True)],
    WIDE,
)
case(
    "fake_quant_vars",
    lambda tf, x, a, b: tf.fake_quant_with_min_max_vars(x, a, b, num_bits=4),
    WIDE,
    np.float32(-4.2),
    np.float32(5.1),
)
case(
    "fake_quant_vars_empty_range",
    lambda tf, x, a, b: tf.fake_quant_with_min_max_vars(x, a, b),
    WIDE,
    np.float32(0),
    np.float32(0),
)
case(
    "fake_quant_per_channel",
    lambda tf, x, a, b: tf.fake_quant_with_min_max_vars_per_channel(x, a, b, 6),
    WIDE, np.float32([-1, -3, 0, -8]), np.float32([1, 4, 7, 0.5]),
)  # fmt: skip
ASSERTIONS = {
    "equal": (lambda tf, x: tf.assert_equal(x, x + 0), lambda tf, x: tf.assert_equal(x, x * 2)),
    "less": (lambda tf, x: tf.assert_less(x, 9), lambda tf, x: tf.assert_less(x, 3)),
    "positive": (lambda tf, x: tf.assert_positive(x), lambda tf, x: tf.assert_positive(x - 2)),
    "rank": (lambda tf, x: tf.assert_rank(x, 1), lambda tf, x: tf.assert_rank(x, 2)),
    "condition": (lambda tf, x: tf.Assert(x[0] < 5, [x]), lambda tf, x: tf.Assert(x[0] > 5, ["x is", x])),
}


def checked(tf, check, x):
    with tf.control_dependencies([check(tf, x)]):
        return tf.identity(x)


for _name, (_good, _bad) in ASSERTIONS.items():
    case(f"assert_{_name}_holds", lambda tf, x, c=_good: checked(tf, c, x), np.int32([1, 2, 3]), shapes={0: None})
    case(f"assert_{_name}_fails", lambda tf, x, c=_bad: checked(tf, c, x), np.int32([1, 2, 3]), shapes={0: None})
