"""Activations, biases, softmax, cross entropies, normalization, losses, embeddings."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
NAN, INF = float("nan"), float("inf")
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


# Activations

X = floats(3, 5, low=-8, high=8)
EXTREMES = np.float32([-INF, -1e4, -100.0, -1e-6, 0.0, 1e-6, 100.0, 1e4, INF, NAN])
ACTIVATIONS = ("relu", "relu6", "elu", "selu", "softplus", "softsign", "leaky_relu", "crelu", "swish")
for _name in ACTIVATIONS:
    _call = lambda tf, x, n=_name: getattr(tf.nn, n)(x)  # noqa: E731
    case(_name, _call, X)
    case(_name + "_float64", _call, X.astype(F64))
    case(_name + "_half", _call, X.astype(np.float16), atol=5e-3)
    if _name != "swish":
        case(_name + "_second_derivative", lambda tf, x, c=_call: tf.gradients(c(tf, x) ** 2, x)[0], X.astype(F64))
    if _name != "crelu":
        case(_name + "_extremes", _call, EXTREMES, gradient=False)
case("leaky_relu_steep", lambda tf, x: tf.nn.leaky_relu(x, 2.0), X)
case("leaky_relu_of_ints", lambda tf, x: tf.nn.leaky_relu(x), ints(4))
case("relu_of_ints", lambda tf, x: tf.nn.relu(x), ints(4))
case("crelu_axis", lambda tf, x: tf.nn.crelu(x, axis=0), X)


# Biases

IMAGES = floats(2, 3, 4, 5)
case("bias_add", lambda tf, x, b: tf.nn.bias_add(x, b), IMAGES, floats(5))
case("bias_add_float64", lambda tf, x, b: tf.nn.bias_add(x, b), IMAGES.astype(F64), floats(5, dtype=F64))
case("bias_add_channels_second", lambda tf, x, b: tf.nn.bias_add(x, b, "NCHW"), IMAGES, floats(3))
case("bias_add_channels_second_of_3", lambda tf, x, b: tf.nn.bias_add(x, b, "NCW"), IMAGES[0], floats(4))
case("bias_add_matrix", lambda tf, x, b: tf.nn.bias_add(x, b), X, floats(5))
case("bias_add_sizes_differ", lambda tf, x, b: tf.nn.bias_add(x, b), X, floats(4))
case("bias_add_sizes_differ_at_run", lambda tf, x, b: tf.nn.bias_add(x, b), X, floats(4), shapes={1: [None]})
case("bias_add_bad_format", lambda tf, x, b: tf.nn.bias_add(x, b, "HWCN"), X, floats(5))
case(
    "bias_add_second_derivative",
    lambda tf, x, b: tf.gradients(tf.nn.bias_add(x, b) ** 2, b)[0],
    X.astype(F64),
    floats(5, dtype=F64),
)
case(
    "bias_add_second_derivative_nchw",
    lambda tf, x, b: tf.gradients(tf.nn.bias_add(x, b, "NCHW") ** 2, b)[0],
    IMAGES.astype(F64),
    floats(3, dtype=F64),
)
case("xw_plus_b", lambda tf, x, w, b: tf.nn.xw_plus_b(x, w, b), X, floats(5, 2), floats(2))
case("relu_layer", lambda tf, x, w, b: tf.nn.relu_layer(x, w, b), X, floats(5, 2), floats(2))


# Softmax and cross entropies

CLASSES = ints(3, low=0, high=5)
ONE_HOT = np.eye(5, dtype=np.float32)[CLASSES]
SOFT = np.abs(floats(3, 5, seed=1)) / np.abs(floats(3, 5, seed=1)).sum(1, keepdims=True)
case("softmax", lambda tf, x: tf.nn.softmax(x), X)
case("softmax_float64", lambda tf, x: tf.nn.softmax(x), X.astype(F64))
case("softmax_half", lambda tf, x: tf.nn.softmax(x), X.astype(np.float16))
case("softmax_large", lambda tf, x: tf.nn.softmax(x), X * 1e3)
case("softmax_first_axis", lambda tf, x: tf.nn.softmax(x, axis=0), X)
case("softmax_middle_axis", lambda tf, x: tf.nn.softmax(x, dim=1), IMAGES)
case("softmax_negative_axis", lambda tf, x: tf.nn.softmax(x, axis=-2), IMAGES)
case("softmax_no_such_axis", lambda tf, x: tf.nn.softmax(x, axis=4), IMAGES)
case("softmax_vector", lambda tf, x: tf.nn.softmax(x), X[0])
case("softmax_scalar", lambda tf, x: tf.nn.softmax(x), X[0, 0])
case("log_softmax", lambda tf, x: tf.nn.log_softmax(x), X)
case("log_softmax_float64", lambda tf, x: tf.nn.log_softmax(x), X.astype(F64))
case("log_softmax_first_axis", lambda tf, x: tf.nn.log_softmax(x, axis=0), X)
for _kind in (
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "sigmoid_cross_entropy_with_logits",
):
    _call = lambda tf, x, z, k=_kind: getattr(tf.nn, k)(logits=x, labels=z)  # noqa: E731
    _smooth = _kind != "softmax_cross_entropy_with_logits"
    case(_kind, _call, X, SOFT)
    case(_kind + "_float64", _call, X.astype(F64), SOFT.astype(F64), smooth=_smooth)
    case(_kind + "_large", _call, X * 100, ONE_HOT)
    case(_kind + "_open_shapes", _call, X, SOFT, shapes={0: [None, 5], 1: [None, 5]})
    case(_kind + "_unknown_rank", _call, X, SOFT, shapes={0: None, 1: None})
    case(_kind + "_half", _call, X.astype(np.float16), ONE_HOT.astype(np.float16), atol=1e-2)
    case(_kind + "_shapes_differ", _call, X, SOFT[:, :4])
    case(_kind + "_cube", _call, IMAGES, np.abs(floats(2, 3, 4, 5, seed=3)))
case(
    "softmax_cross_entropy_axis",
    lambda tf, x, z: tf.nn.softmax_cross_entropy_with_logits_v2(logits=x, labels=z, axis=1),
    IMAGES,
    np.abs(floats(2, 3, 4, 5, seed=3)),
)
case(
    "softmax_cross_entropy_second_derivative",
    lambda tf, x, z: tf.gradients(tf.nn.softmax_cross_entropy_with_logits_v2(logits=x, labels=z) ** 2, x)[0],
    X.astype(F64),
    SOFT.astype(F64),
    smooth=False,
    note="TensorFlow's derivative of the gradient by the labels leaves out a part, and so does this one",
)
case(
    "softmax_cross_entropy_of_one_row_of_labels",
    lambda tf, x, z: tf.nn.softmax_cross_entropy_with_logits_v2(logits=x, labels=z),
    X,
    SOFT[:1],
    gradient=False,
)
case("softmax_cross_entropy_positional", lambda tf, x, z: tf.nn.softmax_cross_entropy_with_logits(x, z), X, SOFT)
_sparse = lambda tf, x, z: tf.nn.sparse_softmax_cross_entropy_with_logits(logits=x, labels=z)  # noqa: E731
case("sparse_softmax_cross_entropy", _sparse, X, CLASSES)
case("sparse_softmax_cross_entropy_int64", _sparse, X.astype(F64), CLASSES.astype(np.int64))
case("sparse_softmax_cross_entropy_half", _sparse, X.astype(np.float16), CLASSES, atol=1e-2)
case("sparse_softmax_cross_entropy_open", _sparse, X, CLASSES, shapes={0: [None, 5], 1: [None]})
case("sparse_softmax_cross_entropy_cube", _sparse, floats(2, 3, 5), ints(2, 3, low=0, high=5))
case("sparse_softmax_cross_entropy_out_of_range", _sparse, X, np.int32([1, 5, 0]))
case("sparse_softmax_cross_entropy_negative", _sparse, X, np.int32([1, -1, 0]))
case("sparse_softmax_cross_entropy_rank", _sparse, X, CLASSES[:, None])
case("sparse_softmax_cross_entropy_sizes", _sparse, X, CLASSES[:2])
case("sparse_softmax_cross_entropy_sizes_at_run", _sparse, X, CLASSES[:2], shapes={0: [None, 5], 1: [None]})
case("sparse_softmax_cross_entropy_with_infinity", _sparse, np.float32([[1.0, -INF, 2.0]]), np.int32([0]))
for _weight in (0.5, 3.0):
    case(
        f"weighted_cross_entropy_{_weight}",
        lambda tf, x, z, w=_weight: tf.nn.weighted_cross_entropy_with_logits(targets=z, logits=x, pos_weight=w),
        X.astype(F64),
        ONE_HOT.astype(F64),
    )
case("log_poisson_loss", lambda tf, z, x: tf.nn.log_poisson_loss(z, x), np.abs(X.astype(F64)), floats(3, 5, dtype=F64))
case("log_poisson_loss_full", lambda tf, z, x: tf.nn.log_poisson_loss(z, x, True), np.abs(X), floats(3, 5))


# Normalization

SCALE, OFFSET = floats(5, low=0.5, high=2.0, seed=1), floats(5, seed=2)
MEAN, VARIANCE = floats(5, seed=3), floats(5, low=0.5, high=2.0, seed=4)
case("moments", lambda tf, x: tf.nn.moments(x, [0, 1, 2]), IMAGES)
case("moments_float64", lambda tf, x: tf.nn.moments(x, [0, 1, 2]), IMAGES.astype(F64))
case("moments_kept", lambda tf, x: tf.nn.moments(x, [1], keep_dims=True), IMAGES)
case("moments_half", lambda tf, x: tf.nn.moments(x, [0]), IMAGES.astype(np.float16))
case(
    "weighted_moments",
    lambda tf, x, w: tf.nn.weighted_moments(x, [0, 1], w),
    IMAGES.astype(F64),
    floats(2, 3, 1, 5, low=0.1, high=1.0, dtype=F64),
)
case("sufficient_statistics", lambda tf, x: tf.nn.sufficient_statistics(x, [0, 1])[:3], IMAGES)
case(
    "sufficient_statistics_shifted",
    lambda tf, x: tf.nn.sufficient_statistics(x, [0], shift=0.5),
    IMAGES,
    shapes={0: [None, 3, 4, 5]},
)
case(
    "normalize_moments",
    lambda tf, m, v: tf.nn.normalize_moments(6.0, m, v, 0.25),
    floats(4),
    np.abs(floats(4, seed=1)) + 9,
)
case(
    "batch_normalization",
    lambda tf, x, m, v, o, s: tf.nn.batch_normalization(x, m, v, o, s, 1e-3),
    IMAGES,
    MEAN,
    VARIANCE,
    OFFSET,
    SCALE,
)
case(
    "batch_normalization_plain",
    lambda tf, x, m, v: tf.nn.batch_normalization(x, m, v, None, None, 1e-3),
    IMAGES,
    MEAN,
    VARIANCE,
)
_fused = lambda tf, x, s, o: tf.nn.fused_batch_norm(x, s, o, epsilon=1e-2)  # noqa: E731
case("fused_batch_norm", lambda tf, x, s, o: _fused(tf, x, s, o)[0], IMAGES, SCALE, OFFSET, atol=2e-5)
case("fused_batch_norm_statistics", _fused, IMAGES, SCALE, OFFSET, gradient=False)
case(
    "fused_batch_norm_half",
    lambda tf, x, s, o: _fused(tf, x, s, o)[0],
    IMAGES.astype(np.float16),
    SCALE,
    OFFSET,
    gradient=False,
    atol=5e-3,
)
case(
    "fused_batch_norm_open",
    lambda tf, x, s, o: _fused(tf, x, s, o)[0],
    IMAGES,
    SCALE,
    OFFSET,
    shapes={0: [None, None, None, 5]},
    atol=2e-5,
)
case(
    "fused_batch_norm_of_large_mean",
    lambda tf, x, s, o: _fused(tf, x, s, o)[0],
    IMAGES + 1000,
    SCALE,
    OFFSET,
    gradient=False,
    atol=2e-3,
)
case(
    "fused_batch_norm_inference",
    lambda tf, x, s, o, m, v: tf.nn.fused_batch_norm(x, s, o, m, v, is_training=False)[0],
    IMAGES,
    SCALE,
    OFFSET,
    MEAN,
    VARIANCE,
    atol=2e-5,
)
case(
    "fused_batch_norm_mean_in_training",
    lambda tf, x, s, o: tf.nn.fused_batch_norm(x, s, o, mean=s),
    IMAGES,
    SCALE,
    OFFSET,
)
case(
    "fused_batch_norm_second_derivative",
    lambda tf, x, s, o: tf.gradients(_fused(tf, x, s, o)[0] ** 3, x)[0],
    IMAGES,
    SCALE,
    OFFSET,
    rtol=1e-3,
    atol=1e-3,
)
case("lrn", lambda tf, x: tf.nn.lrn(x, 2, bias=1.0, alpha=0.5, beta=0.75), floats(2, 2, 2, 9))
case("lrn_defaults", lambda tf, x: tf.nn.local_response_normalization(x), floats(2, 2, 2, 9))
case("l2_normalize", lambda tf, x: tf.nn.l2_normalize(x, 1), X.astype(F64))
case("l2_normalize_all", lambda tf, x: tf.nn.l2_normalize(x), X)
case("l2_normalize_zero", lambda tf, x: tf.nn.l2_normalize(x, dim=[0, 1]), np.zeros((2, 2), np.float32))
case("l2_loss", lambda tf, x: tf.nn.l2_loss(x), X.astype(F64))
case("l2_loss_float32", lambda tf, x: tf.nn.l2_loss(x), X)
case("zero_fraction", lambda tf, x: tf.nn.zero_fraction(x), np.float32([[0, 1], [0, 2], [0, 0]]))


# In the best k

PREDICTIONS = np.float32([[1, 2, 3], [NAN, 1, 2], [1, 1, 1], [INF, 1, 0], [3, 2, 1]])
for _k in (0, 1, 2, 3):
    _call = lambda tf, p, t, k=_k: tf.nn.in_top_k(p, t, k)  # noqa: E731
    case(f"in_top_{_k}", _call, PREDICTIONS, np.int32([1, 1, 2, 0, 1]))
    case(f"in_top_{_k}_out_of_range", _call, PREDICTIONS, np.int64([5, -1, 0, 1, 2]))


# Losses

LABELS, PREDICTED = floats(3, 4, seed=1, dtype=F64), floats(3, 4, dtype=F64)
BITS = ints(3, 4, low=0, high=2).astype(F64)
CHANCES = floats(3, 4, low=0.05, high=0.95, dtype=F64)
WEIGHTS = np.float32([[0.0], [1.0], [2.5]])
LOSSES = {
    "absolute_difference": (LABELS, PREDICTED),
    "hinge_loss": (BITS, PREDICTED),
    "huber_loss": (LABELS, PREDICTED),
    "log_loss": (BITS, CHANCES),
    "mean_squared_error": (LABELS, PREDICTED),
    "sigmoid_cross_entropy": (BITS, PREDICTED),
    "softmax_cross_entropy": (BITS, PREDICTED),
}
for _name, (_z, _x) in LOSSES.items():
    _z, _x = _z.astype(np.float32), _x.astype(np.float32)
    _weights = WEIGHTS[:, 0] if _name == "softmax_cross_entropy" else WEIGHTS
    case(_name, lambda tf, z, x, n=_name: getattr(tf.losses, n)(z, x), _z, _x)
    case(_name + "_weighted", lambda tf, z, x, n=_name, w=_weights: getattr(tf.losses, n)(z, x, w), _z, _x)
    case(
        _name + "_open",
        lambda tf, z, x, n=_name: getattr(tf.losses, n)(z, x, 0.5),
        _z,
        _x,
        shapes={0: [None, 4], 1: [None, 4]},
    )
for _reduction in (
    "none",
    "weighted_sum",
    "weighted_sum_over_batch_size",
    "weighted_mean",
    "weighted_sum_by_nonzero_weights",
):
    case(
        "reduction_" + _reduction,
        lambda tf, z, x, r=_reduction: tf.losses.mean_squared_error(z, x, weights=WEIGHTS, reduction=r),
        LABELS.astype(np.float32),
        PREDICTED.astype(np.float32),
    )
case("reduction_unknown", lambda tf, z, x: tf.losses.mean_squared_error(z, x, reduction="most"), LABELS, PREDICTED)
case(
    "loss_zero_weights",
    lambda tf, z, x: tf.losses.mean_squared_error(z, x, weights=0.0),
    LABELS,
    PREDICTED,
    smooth=False,
)
case(
    "loss_weights_do_not_fit",
    lambda tf, z, x: tf.losses.mean_squared_error(z, x, weights=[1.0, 2.0]),
    LABELS,
    PREDICTED,
)
case("loss_without_labels", lambda tf, x: tf.losses.mean_squared_error(None, x), PREDICTED)
case("loss_shapes_differ", lambda tf, z, x: tf.losses.mean_squared_error(z, x), LABELS[:2], PREDICTED)
case(
    "huber_loss_delta",
    lambda tf, z, x: tf.losses.huber_loss(z, x, delta=0.3),
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case(
    "cosine_distance",
    lambda tf, z, x: tf.losses.cosine_distance(z, x, axis=1),
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case(
    "cosine_distance_dim",
    lambda tf, z, x: tf.losses.cosine_distance(z, x, dim=0),
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case("cosine_distance_without_axis", lambda tf, z, x: tf.losses.cosine_distance(z, x), LABELS, PREDICTED)
case(
    "mean_pairwise_squared_error",
    lambda tf, z, x: tf.losses.mean_pairwise_squared_error(z, x),
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case(
    "mean_pairwise_squared_error_weighted",
    lambda tf, z, x: tf.losses.mean_pairwise_squared_error(z, x, WEIGHTS),
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case(
    "label_smoothing",
    lambda tf, z, x: [
        tf.losses.softmax_cross_entropy(z, x, label_smoothing=0.2),
        tf.losses.sigmoid_cross_entropy(z, x, label_smoothing=0.2),
    ],
    np.float32(BITS),
    np.float32(PREDICTED),
)
case("sparse_softmax_loss", lambda tf, z, x: tf.losses.sparse_softmax_cross_entropy(z, x), CLASSES, X)
case(
    "sparse_softmax_loss_column",
    lambda tf, z, x: tf.losses.sparse_softmax_cross_entropy(z, x, WEIGHTS),
    CLASSES[:, None],
    X,
)
case(
    "total_loss",
    lambda tf, z, x: [
        tf.losses.mean_squared_error(z, x),
        tf.losses.absolute_difference(z, x),
        tf.losses.get_total_loss(),
    ],
    np.float32(LABELS),
    np.float32(PREDICTED),
)
case("regularization_loss_of_none", lambda tf: tf.losses.get_regularization_loss())


# Embeddings

TABLE = floats(7, 3)
IDS = np.int32([[0, 6], [2, 2]])
case("embedding_lookup", lambda tf, t, i: tf.nn.embedding_lookup(t, i), TABLE, IDS)
case("embedding_lookup_float64", lambda tf, t, i: tf.nn.embedding_lookup(t, i), TABLE.astype(F64), IDS.astype(np.int64))
case("embedding_lookup_out_of_range", lambda tf, t, i: tf.nn.embedding_lookup(t, i), TABLE, IDS + 1)
case("embedding_lookup_clipped", lambda tf, t, i: tf.nn.embedding_lookup(t, i, max_norm=1.0), TABLE, IDS)
for _strategy in ("mod", "div"):
    case(
        "embedding_lookup_parts_" + _strategy,
        lambda tf, a, b, i, s=_strategy: tf.nn.embedding_lookup([a, b], i, partition_strategy=s),
        TABLE[:4],
        TABLE[4:],
        IDS,
    )
case(
    "embedding_lookup_bad_strategy",
    lambda tf, a, b, i: tf.nn.embedding_lookup([a, b], i, partition_strategy="hash"),
    TABLE,
    TABLE,
    IDS,
)
for _combiner in ("sum", "mean", "sqrtn"):
    _sparse_lookup = lambda tf, t, v, w=None, c=_combiner: tf.nn.embedding_lookup_sparse(  # noqa: E731
        t,
        tf.SparseTensor([[0, 0], [0, 1], [1, 0], [3, 2]], v, [4, 3]),
        None if w is None else tf.SparseTensor([[0, 0], [0, 1], [1, 0], [3, 2]], w, [4, 3]),
        combiner=c,
    )
    case("embedding_lookup_sparse_" + _combiner, _sparse_lookup, TABLE, np.int64([1, 3, 1, 6]))
    case(
        "embedding_lookup_sparse_weighted_" + _combiner,
        _sparse_lookup,
        TABLE,
        np.int64([1, 3, 1, 6]),
        np.float32([1, 2, 0.5, 3]),
    )
