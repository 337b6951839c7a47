"""Sets along the last dimension: dense and sparse, of numbers and of strings."""

import numpy as np
from ops.case import Case, ints

SIZES = np.array([2, 2, 4], np.int64)
ROWS = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 3], [0, 1, 0], [1, 1, 1], [1, 1, 2]], np.int64)
OTHER_SIZES = np.array([2, 2, 3], np.int64)
OTHER = np.array([[0, 0, 0], [0, 0, 2], [0, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1], [1, 1, 2]], np.int64)
NUMBERS, OTHER_NUMBERS = np.array([3, 1, 3, 7, 5, 4]), np.array([1, 9, 7, 2, 4, 4, 6])
WORDS = np.array([b"c", b"", b"c", b"word", b"e", b"d"])
OTHER_WORDS = np.array([b"", b"i", b"word", b"b", b"d", b"d", b"f"])
DENSE, OTHER_DENSE = ints(2, 2, 4, low=0, high=6), ints(2, 2, 3, low=0, high=6, seed=1)
CASES = []


def case(name, call, *inputs, **options):
    CASES.append(Case(name, call, *inputs, **options))


def parts(sparse):
    return [sparse.indices, sparse.values, sparse.dense_shape]


OPERATIONS = {
    "intersection": lambda tf, a, b: parts(tf.sets.set_intersection(a, b)),
    "union": lambda tf, a, b: parts(tf.sets.set_union(a, b)),
    "difference": lambda tf, a, b: parts(tf.sets.set_difference(a, b)),
    "difference_back": lambda tf, a, b: parts(tf.sets.set_difference(a, b, aminusb=False)),
}


def on_two(operation):
    return lambda tf, i, v, s, j, w, t: operation(tf, tf.SparseTensor(i, v, s), tf.SparseTensor(j, w, t))


def on_second(operation):
    return lambda tf, a, j, w, t: operation(tf, a, tf.SparseTensor(j, w, t))


def on_first(operation):
    return lambda tf, i, v, s, b: operation(tf, tf.SparseTensor(i, v, s), b)


for _name, _operation in OPERATIONS.items():
    case(_name, on_two(_operation), ROWS, NUMBERS, SIZES, OTHER, OTHER_NUMBERS, OTHER_SIZES)
    case(_name + "_words", on_two(_operation), ROWS, WORDS, SIZES, OTHER, OTHER_WORDS, OTHER_SIZES)
    case(_name + "_dense", _operation, DENSE, OTHER_DENSE)
    _dense = DENSE.astype(np.int64)
    case(_name + "_dense_sparse", on_second(_operation), _dense, OTHER, OTHER_NUMBERS, OTHER_SIZES)
    case(_name + "_sparse_dense", on_first(_operation), ROWS, NUMBERS, SIZES, OTHER_DENSE.astype(np.int64))
for _type in (np.int8, np.int16, np.uint8, np.uint16):
    case("union_" + np.dtype(_type).name, OPERATIONS["union"], DENSE.astype(_type), OTHER_DENSE.astype(_type))
_union = OPERATIONS["union"]
_intersection = on_two(OPERATIONS["intersection"])
case("of_nothing", _intersection, ROWS[:0], NUMBERS[:0], SIZES, OTHER, OTHER_NUMBERS, OTHER_SIZES)
case("of_empty_sets", _union, DENSE[..., :0], OTHER_DENSE[..., :0])
case("groups_differ", _intersection, ROWS, NUMBERS, SIZES, OTHER, OTHER_NUMBERS, np.array([2, 3, 3]))
case("groups_differ_dense", _union, DENSE, OTHER_DENSE[:1])
case("groups_differ_open", _union, DENSE, OTHER_DENSE[:1], shapes={0: None})
case("ranks_differ", _union, DENSE, OTHER_DENSE[0])
case("vectors", _union, DENSE[0, 0], OTHER_DENSE[0, 0])
case("types_differ", _union, DENSE, OTHER_DENSE.astype(np.int64))
case("floats", _union, DENSE.astype("f4"), OTHER_DENSE.astype("f4"))
case("out_of_order", _intersection, ROWS[::-1].copy(), NUMBERS, SIZES, OTHER, OTHER_NUMBERS, OTHER_SIZES)
case("out_of_bounds", _intersection, ROWS, NUMBERS, np.array([2, 2, 3]), OTHER, OTHER_NUMBERS, OTHER_SIZES)
case(
    "open", on_two(_union), ROWS, NUMBERS, SIZES, OTHER, OTHER_NUMBERS, OTHER_SIZES, shapes={0: None, 2: None, 3: None}
)

_size = lambda tf, i, v, s: tf.sets.set_size(tf.SparseTensor(i, v, s))  # noqa: E731
case("size", _size, ROWS, NUMBERS, SIZES)
case("size_words", _size, ROWS, WORDS, SIZES)
case("size_matrix", _size, ROWS[:3, 1:], NUMBERS[:3], SIZES[1:])
case("size_of_nothing", _size, ROWS[:0], NUMBERS[:0], SIZES)
case("size_out_of_order", _size, ROWS[::-1].copy(), NUMBERS, SIZES)
_unchecked = lambda tf, i, v, s: tf.sets.set_size(tf.SparseTensor(i, v, s), validate_indices=False)  # noqa: E731
case("size_unchecked_out_of_order", _unchecked, ROWS[::-1].copy(), NUMBERS, SIZES)
case("size_vector", _size, ROWS[:3, 2:], NUMBERS[:3], SIZES[2:])
case("size_of_floats", _size, ROWS, NUMBERS.astype("f4"), SIZES)
case("size_of_dense", lambda tf, x: tf.sets.set_size(x), DENSE)
