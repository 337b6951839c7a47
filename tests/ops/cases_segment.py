"""Reductions over groups of rows."""

import numpy as np
from ops.case import Case, floats, ints

F64 = np.float64
DATA = floats(5, 3, dtype=F64)
IN_ORDER = np.int32([0, 0, 2, 2, 3])
ANY_ORDER = np.int32([2, 0, -1, 2, 0])
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


for _name in "sum mean prod max min".split():
    _call = lambda tf, x, i, _n=_name: getattr(tf, "segment_" + _n)(x, i)  # noqa: E731
    case("segment_" + _name, _call, DATA, IN_ORDER, gradient=_name != "prod")
    case(f"segment_{_name}_int", _call, ints(5, 2), IN_ORDER.astype(np.int64))
    case(f"segment_{_name}_open", _call, DATA, IN_ORDER, shapes={0: [None, 3], 1: [None]}, gradient=_name != "prod")
for _name in "sum prod max min mean sqrt_n".split():
    _call = lambda tf, x, i, _n=_name: getattr(tf, "unsorted_segment_" + _n)(x, i, 4)  # noqa: E731
    _options = {"smooth": _name not in ("max", "min")}  # an empty group has the largest number of all
    case("unsorted_segment_" + _name, _call, DATA, ANY_ORDER, **_options)
    case(f"unsorted_segment_{_name}_float32", _call, DATA.astype("f4"), ANY_ORDER.astype(np.int64))
    case(
        f"unsorted_segment_{_name}_two_axes_of_ids",
        _call,
        floats(2, 3, 2, dtype=F64),
        np.int32([[0, 1, 3], [1, 1, 0]]),
        **_options,
    )
    if _name not in ("mean", "sqrt_n"):
        case(f"unsorted_segment_{_name}_int", _call, ints(5), ANY_ORDER)
    case(
        f"unsorted_segment_{_name}_open",
        lambda tf, x, i, n, _n=_name: getattr(tf, "unsorted_segment_" + _n)(x, i, n),
        DATA,
        ANY_ORDER,
        np.int32(3),
        shapes={0: [None, 3], 1: [None]},
        **_options,
    )
case(
    "unsorted_segment_prod_with_zeros",
    lambda tf, x, i: tf.unsorted_segment_prod(x, i, 3),
    np.float32([0, 2, 0, 3, 0, 5]),
    np.int32([0, 0, 1, 1, 1, 2]),
)
case("unsorted_segment_id_too_large", lambda tf, x, i: tf.unsorted_segment_sum(x, i, 2), DATA, ANY_ORDER)
case(
    "unsorted_segment_of_nothing",
    lambda tf, x, i: tf.unsorted_segment_sum(x, i, 2),
    np.zeros([0, 3], "f4"),
    np.zeros([0], "i4"),
)
case("segment_ids_out_of_order", lambda tf, x, i: tf.segment_sum(x, i), DATA, ANY_ORDER[::-1].copy())
for _name in "sum mean sqrt_n".split():
    _picked = np.int32([4, 1, 1, 0, 3])
    _call = lambda tf, x, p, i, _n=_name: getattr(tf, "sparse_segment_" + _n)(x, p, i)  # noqa: E731
    case("sparse_segment_" + _name, _call, DATA, _picked, IN_ORDER)
    case(
        f"sparse_segment_{_name}_numbered",
        lambda tf, x, p, i, _n=_name: getattr(tf, "sparse_segment_" + _n)(x, p, i, num_segments=6),
        DATA.astype("f4"),
        _picked,
        IN_ORDER,
    )
case(
    "sparse_segment_index_too_large",
    lambda tf, x, p, i: tf.sparse_segment_sum(x, p, i),
    DATA,
    np.int32([9]),
    np.int32([0]),
)
case(
    "bincount",
    lambda tf, x: [
        tf.bincount(x),
        tf.bincount(x, minlength=9),
        tf.bincount(x, maxlength=2),
        tf.bincount(x, dtype=tf.int64),
    ],
    np.int32([1, 1, 3, 0, 5, 1]),
)
case("bincount_weights", lambda tf, x, w: tf.bincount(x, w), np.int32([1, 1, 3, 0]), floats(4))
case("bincount_of_nothing", lambda tf, x: tf.bincount(x), np.zeros([0], np.int32))
case(
    "histogram_fixed_width",
    lambda tf, x: [
        tf.histogram_fixed_width(x, [0.0, 5.0], nbins=5),
        tf.histogram_fixed_width_bins(x, [0.0, 5.0], nbins=5),
    ],
    np.float32([-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]),
)
CLASSES = np.int32([0, 1, 2, 2, 1]), np.int32([0, 2, 2, 1, 1])
case("confusion_matrix", lambda tf, y, p: [tf.confusion_matrix(y, p), tf.confusion_matrix(y, p, 4, tf.int64)], *CLASSES)
case(
    "confusion_matrix_weights",
    lambda tf, y, p, w: tf.confusion_matrix(y, p, weights=w, dtype=tf.float32),
    *CLASSES,
    floats(5),
)
case("confusion_matrix_out_of_bound", lambda tf, y, p: tf.confusion_matrix(y, p, 2), *CLASSES)
