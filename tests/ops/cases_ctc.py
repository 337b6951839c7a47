"""The CTC loss and its gradient, the decoders, edit distances, and helpers for labels."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
# Four sequences of up to 7 times; 5 classes, the last of which is the blank.
LOGITS = floats(7, 4, 5, low=-3, high=3)
LENGTHS = np.array([7, 5, 6, 7], np.int32)
LABELS = np.array([[0, 0], [0, 1], [0, 2], [1, 0], [2, 0], [2, 1], [2, 2], [3, 0], [3, 1]], np.int64)
CLASSES = np.array([0, 0, 2, 1, 3, 1, 1, 2, 2], np.int32)
SIZES = np.array([4, 3], np.int64)
# TensorFlow adds up logarithms with float32 functions, also those of float64.
SINGLE = {"rtol": 2e-5, "atol": 2e-6}
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


def loss(**options):
    return lambda tf, x, i, v, s, n: tf.nn.ctc_loss(tf.SparseTensor(i, v, s), x, n, **options)


def labelled(*indices):
    """Inputs with some of the labels."""
    chosen = list(indices)
    return LOGITS, LABELS[chosen], CLASSES[chosen], SIZES, LENGTHS


WHOLE = (LOGITS, LABELS, CLASSES, SIZES, LENGTHS)
case("loss", loss(), *WHOLE, **SINGLE)
case("loss_collapsing", loss(preprocess_collapse_repeated=True), *WHOLE, **SINGLE)
case("loss_unmerged", loss(ctc_merge_repeated=False), *WHOLE, **SINGLE)
case("loss_collapsing_unmerged", loss(preprocess_collapse_repeated=True, ctc_merge_repeated=False), *WHOLE, **SINGLE)
_by_batch = LOGITS.transpose(1, 0, 2).copy()
case("loss_batch_first", loss(time_major=False), _by_batch, *WHOLE[1:], **SINGLE)
case(
    "loss_by_logits",
    lambda tf, x, i, v, s, n: tf.nn.ctc_loss(tf.SparseTensor(i, v, s), logits=x, sequence_length=n),
    *WHOLE,
    **SINGLE,
)
case("loss_open", loss(), *WHOLE, shapes={0: [None, None, 5], 1: [None, 2], 2: [None], 4: [None]}, **SINGLE)
case("loss_steep", loss(), LOGITS * 40, *WHOLE[1:], rtol=1e-4, atol=1e-5)
_short = np.array([2, 5, 0, 7], np.int32)
case("loss_too_short", loss(), *WHOLE[:4], _short)
case("loss_too_short_ignored", loss(ignore_longer_outputs_than_inputs=True), *WHOLE[:4], _short, **SINGLE)
# Repeated labels need a blank in between, so [0, 0, 2] takes 4 times, and no path makes it in 3.
_tight = np.array([3, 1, 4, 3], np.int32)
case("loss_without_path", loss(), *WHOLE[:4], _tight, **SINGLE)
case("loss_without_path_ignoring", loss(ignore_longer_outputs_than_inputs=True), *WHOLE[:4], _tight, **SINGLE)
case(
    "loss_null_at_end",
    loss(),
    LOGITS,
    LABELS,
    np.array([0, 2, 4, 1, 3, 1, 4, 2, 0], np.int32),
    SIZES,
    LENGTHS,
    **SINGLE,
)
case("loss_null_inside", loss(), LOGITS, LABELS, np.array([0, 4, 2, 1, 3, 1, 1, 2, 2], np.int32), SIZES, LENGTHS)
case("loss_negative_label", loss(), LOGITS, LABELS, np.array([0, -1, 2, 1, 3, 1, 1, 2, 2], np.int32), SIZES, LENGTHS)
case("loss_sequence_without_label", loss(), *labelled(0, 1, 4, 5, 7))
case("loss_labels_out_of_order", loss(), *labelled(1, 0, 3, 4, 7))
case("loss_too_long", loss(), *WHOLE[:4], LENGTHS + np.int32(1))
case("loss_negative_length", loss(), *WHOLE[:4], LENGTHS - np.int32(9))
case("loss_wrong_batch", loss(), *WHOLE[:4], LENGTHS[:3])
case("loss_wrong_batch_open", loss(), *WHOLE[:4], LENGTHS[:3], shapes={0: [None, None, 5]})
case("loss_matrix", loss(), LOGITS[0], *WHOLE[1:])
case("loss_dense_labels", lambda tf, x, n: tf.nn.ctc_loss(x, x, n), LOGITS, LENGTHS)

_v2 = lambda tf, x, i, v, s, n: tf.nn.ctc_loss_v2(tf.SparseTensor(i, v, s), x, None, n, blank_index=-1)  # noqa: E731
case("loss_v2_sparse", _v2, *WHOLE, **SINGLE)
_v2_middle = lambda tf, x, i, v, s, n: tf.nn.ctc_loss_v2(tf.SparseTensor(i, v, s), x, None, n, blank_index=2)  # noqa: E731
case(
    "loss_v2_sparse_blank_inside",
    _v2_middle,
    LOGITS,
    LABELS,
    np.array([0, 0, 3, 1, 3, 1, 1, 4, 4], np.int32),
    SIZES,
    LENGTHS,
    **SINGLE,
)
case(
    "loss_v2_sparse_no_blank", lambda tf, x, i, v, s, n: tf.nn.ctc_loss_v2(tf.SparseTensor(i, v, s), x, None, n), *WHOLE
)


def dense_loss(**options):
    return lambda tf, x, y, m, n: tf.nn.ctc_loss_v2(y, x, m, n, **options)


_dense = (
    floats(7, 4, 5, seed=5),
    np.array([[1, 1, 3], [2, 0, 0], [4, 2, 2], [3, 3, 0]], np.int32),
    np.array([3, 1, 3, 2], np.int32),
    LENGTHS,
)
case("loss_v2", dense_loss(), *_dense, rtol=1e-4, atol=1e-5)
_no_last = (_dense[0], _dense[1] % np.int32(4), *_dense[2:])
case("loss_v2_blank_last", dense_loss(blank_index=-1), *_no_last, rtol=1e-4, atol=1e-5)
_unique = lambda tf, x, y, m, n: tf.nn.ctc_loss_v2(y, x, m, n, unique=tf.nn.ctc_unique_labels(y))  # noqa: E731
case("loss_v2_unique", _unique, *_dense, rtol=1e-4, atol=1e-5)
case("loss_v2_no_labels", dense_loss(), *_dense[:2], np.array([3, 0, 1, 2], np.int32), LENGTHS, rtol=1e-4, atol=1e-5)


# Decoders


def decoded(made):
    """The parts of the sparse tensors, and the scores."""
    sequences, scores = made
    return [part for s in sequences for part in (s.indices, s.values, s.dense_shape)] + [scores]


for _merge in (True, False):
    _greedy = lambda tf, x, n, _m=_merge: decoded(tf.nn.ctc_greedy_decoder(x, n, _m))  # noqa: E731
    case(f"greedy_{_merge:d}", _greedy, LOGITS, LENGTHS)
    case(f"greedy_float64_{_merge:d}", _greedy, LOGITS.astype(F64), LENGTHS)
_greedy = lambda tf, x, n: decoded(tf.nn.ctc_greedy_decoder(x, n))  # noqa: E731
case("greedy_open", _greedy, LOGITS, LENGTHS, shapes={0: None, 1: [None]})
case("greedy_nothing", _greedy, LOGITS, LENGTHS * np.int32(0))
case("greedy_blanks", _greedy, np.where(np.arange(5) == 4, np.float32(9), LOGITS), LENGTHS)
case("greedy_too_long", _greedy, LOGITS, LENGTHS + np.int32(1))
case("greedy_wrong_batch", _greedy, LOGITS, LENGTHS[:3], shapes={0: None})
case("greedy_no_time", _greedy, LOGITS[:0], LENGTHS * np.int32(0))
for _width, _paths in ((1, 1), (3, 2), (10, 4)):
    for _merge in (True, False):
        _beam = lambda tf, x, n, _w=_width, _p=_paths, _m=_merge: decoded(  # noqa: E731
            tf.nn.ctc_beam_search_decoder(x, n, _w, _p, _m)
        )
        case(f"beam_{_width}_{_paths}_{_merge:d}", _beam, LOGITS, LENGTHS, **SINGLE)
_beam = lambda tf, x, n: decoded(tf.nn.ctc_beam_search_decoder_v2(x, n, 5, 3))  # noqa: E731
case("beam_v2", _beam, LOGITS, LENGTHS, **SINGLE)
case("beam_float64", _beam, LOGITS.astype(F64), LENGTHS, **SINGLE)
case("beam_longer", _beam, floats(30, 2, 8, low=-2, seed=3), np.array([30, 25], np.int32), rtol=1e-4)
case(
    "beam_wide",
    lambda tf, x, n: decoded(tf.nn.ctc_beam_search_decoder(x, n, 50, 3, False)),
    floats(20, 2, 12, low=-4, seed=4),
    np.array([20, 11], np.int32),
    rtol=1e-4,
)
case("beam_too_long", _beam, LOGITS, LENGTHS + np.int32(1))
case("beam_no_time", _beam, LOGITS[:0], LENGTHS * np.int32(0))
case("beam_too_few_leaves", _beam, LOGITS, LENGTHS * np.int32(0))
case("beam_more_paths_than_width", lambda tf, x, n: decoded(tf.nn.ctc_beam_search_decoder(x, n, 2, 3)), LOGITS, LENGTHS)


# Edit distances

TRUTH = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 0], [1, 1, 0], [1, 1, 1]], np.int64)
TRUTH_SIZES = np.array([2, 2, 3], np.int64)
GUESS = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 2], [1, 1, 3]], np.int64)
GUESS_SIZES = np.array([2, 2, 4], np.int64)


def distance(normalize):
    return lambda tf, i, v, s, j, w, t: tf.edit_distance(tf.SparseTensor(i, v, s), tf.SparseTensor(j, w, t), normalize)


_numbers = (GUESS, np.array([1, 3, 5, 7, 1, 8, 2]), GUESS_SIZES, TRUTH, np.array([1, 2, 3, 4, 7, 8]), TRUTH_SIZES)
_words = (GUESS, np.array(list("acegahb"), "S"), GUESS_SIZES, TRUTH, np.array(list("abcdgh"), "S"), TRUTH_SIZES)
for _normalize in (True, False):
    case(f"edit_distance_{_normalize:d}", distance(_normalize), *_numbers)
    case(f"edit_distance_words_{_normalize:d}", distance(_normalize), *_words)
    case(
        f"edit_distance_long_{_normalize:d}",
        distance(_normalize),
        np.array([[0, k] for k in range(20)]),
        ints(20, low=0, high=4),
        np.array([1, 20]),
        np.array([[0, k] for k in range(17)]),
        ints(17, low=0, high=4, seed=1),
        np.array([1, 17]),
    )
_known = lambda tf, v, w: tf.edit_distance(  # noqa: E731
    tf.SparseTensor(GUESS, v, GUESS_SIZES), tf.SparseTensor(TRUTH, w, np.array([3, 2, 3]))
)
case("edit_distance_known", _known, _numbers[1], _numbers[4])
case(
    "edit_distance_value",
    lambda tf: tf.edit_distance(tf.SparseTensorValue(*_numbers[:3]), tf.SparseTensorValue(*_numbers[3:])),
)
case("edit_distance_nothing", distance(True), GUESS[:0], _numbers[1][:0], GUESS_SIZES, *_numbers[3:])
case("edit_distance_no_truth", distance(True), *_numbers[:3], TRUTH[:0], _numbers[4][:0], TRUTH_SIZES)
case("edit_distance_ranks_differ", distance(True), GUESS[:, 1:], _numbers[1], GUESS_SIZES[1:], *_numbers[3:])
case(
    "edit_distance_vectors",
    distance(True),
    GUESS[3:, 2:],
    _numbers[1][3:],
    GUESS_SIZES[2:],
    TRUTH[:3, 2:],
    _numbers[4][:3],
    TRUTH_SIZES[2:],
)
case(
    "edit_distance_no_groups",
    distance(True),
    GUESS[:0],
    _numbers[1][:0],
    np.array([0, 2, 4]),
    TRUTH[:0],
    _numbers[4][:0],
    np.array([0, 2, 3]),
)
case("edit_distance_dense", lambda tf, x: tf.edit_distance(x, x), LOGITS)


# Labels

_dense = np.array([[1, 3, 3, 3, 0], [1, 4, 4, 4, 0], [4, 2, 2, 9, 4]])
_counts = np.array([4, 5, 5])
case("collapse_repeated", lambda tf, x, n: list(tf.nn.collapse_repeated(x, n)), _dense, _counts)
case(
    "collapse_repeated_int32",
    lambda tf, x, n: list(tf.nn.collapse_repeated(x, n)),
    _dense.astype(np.int32),
    _counts.astype(np.int32),
)
case(
    "collapse_repeated_open",
    lambda tf, x, n: list(tf.nn.collapse_repeated(x, n)),
    _dense,
    _counts,
    shapes={0: [None, None], 1: [None]},
)
case("unique_labels", lambda tf, x: list(tf.nn.ctc_unique_labels(x)), _dense)
case(
    "unique_labels_int32",
    lambda tf, x: list(tf.nn.ctc_unique_labels(x)),
    np.array([[3, 4, 4, 3], [1, 1, 1, 0]], np.int32),
)
